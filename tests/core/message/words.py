"""Alerts and notices, and how the words of a message about them are read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.conditions import Evidence
from alerter.core.message.content import AlertCard, Bars, MessageContent, MessageContext, RichText, Untrusted
from alerter.core.message.draft import compose_content
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import Notification, NotificationItem, NotificationState, NotifyReason
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, HoldReason, Sample, Tenant
from alerter.errors import Cause

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONSOLE = "https://login.example/held"
CONTEXT = MessageContext(
    timezone=ZoneInfo("Europe/London"),
    console_url=CONSOLE,
    runbook_by_rule={RuleName("Backlog"): "https://wiki.example/backlog", RuleName("Surge"): "see the red folder"},
)
SECOPS = Receiver(name=ReceiverName("secops"))
MINUTE = timedelta(minutes=1)


def words(phrase: RichText) -> str:
    """Return a phrase as one string, with what is not ours in braces."""
    return "".join(_shown(part) for part in phrase)


def _shown(part: str | Untrusted | Bars) -> str:
    if isinstance(part, Bars):
        return f"[{part.text}]"
    return f"{{{part.text}}}" if isinstance(part, Untrusted) else part


def facts(card: AlertCard) -> dict[str, str]:
    """Return a card's facts by their labels."""
    return {fact.label: words(fact.value) for fact in card.facts}


def a_threshold(value: int, *, at: datetime = NOON, limit: str = "above 500, clears at 400") -> Evidence:
    """Return what a threshold compared."""
    return Evidence(condition="threshold", limit_text=limit, value=Sample(at, value))


def a_growth(value: int, before: int) -> Evidence:
    """Return what a growth over an hour compared."""
    return Evidence(
        condition="growth",
        limit_text="+50 within 1h",
        value=Sample(NOON, value),
        reference=Sample(NOON - 60 * MINUTE, before),
    )


def a_key(
    *,
    rule: str = "Backlog",
    severity: Severity = Severity.CRITICAL,
    tenant: str = "acme",
    reason: str = "Impersonation",
) -> AlertKey:
    """Return the identity of an alert."""
    return AlertKey(rule=RuleName(rule), severity=severity, tenant=Tenant(tenant), reason=HoldReason(reason))


FIRING = Alert(
    key=a_key(),
    state=AlertState.FIRING,
    value=512,
    peak=512,
    active_at=NOON - 10 * MINUTE,
    fired_at=NOON,
    evidence=(a_threshold(512),),
)
ENDED = replace(
    FIRING,
    state=AlertState.INACTIVE,
    value=120,
    peak=1512,
    active_at=None,
    fired_at=NOON - 95 * MINUTE,
    resolved_at=NOON,
    evidence=(a_threshold(120),),
)
NO_DATA = replace(
    FIRING,
    key=a_key(rule="No data", reason=ALL_REASONS),
    value=None,
    peak=None,
    evidence=(
        Evidence(
            condition="no_data",
            limit_text="no data for 15m",
            last_success_at=NOON - 25 * MINUTE,
            detail=f"{Cause.WRONG_KEYS}: HTTP 401. {Cause.WRONG_KEYS.advice}",
        ),
    ),
)
#: It was told 35 minutes ago that nothing had been seen for a quarter of an hour.
SEEN_AGAIN = replace(
    NO_DATA,
    state=AlertState.INACTIVE,
    value=731,
    fired_at=NOON - 35 * MINUTE,
    resolved_at=NOON,
    evidence=(replace(NO_DATA.evidence[0], last_success_at=NOON - 50 * MINUTE, detail=""),),
)


def a_notice(
    alert: Alert = FIRING,
    reason: NotifyReason = NotifyReason.FIRST,
    *,
    notified: Severity | None = None,
    still_firing: Severity | None = None,
    repeats: int = 0,
    thread: str = "",
    mute_ended: Mute | None = None,
) -> NotificationItem:
    """Return a notice about an alert, of which the receiver may have been told before."""
    before = None
    if notified is not None:
        before = NotificationState(
            subject=alert.key.subject,
            receiver=SECOPS.name,
            severity=notified,
            state=AlertState.FIRING,
            notified_at=NOON - 30 * MINUTE,
            repeat_count=repeats,
            thread=thread,
        )
    return NotificationItem(
        reason=reason, alert=alert, previous_state=before, still_firing=still_firing, mute_ended=mute_ended
    )


def drafted(
    *items: NotificationItem, context: MessageContext = CONTEXT, suppressed: int = 0, now: datetime = NOON
) -> MessageContent:
    """Return the words for notices, the worst first."""
    return compose_content(Notification(receiver=SECOPS, items=items, suppressed=suppressed), context, now=now)


OLD = replace(FIRING, active_at=NOON - 360 * MINUTE, fired_at=NOON - 350 * MINUTE)
ACKNOWLEDGED = Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="bob", comment="calling them", count=600)
SILENCE = Mute(kind=MuteKind.SILENCE, name="3 by anna", until=NOON, comment="maintenance")
OTHER_LEVEL = replace(
    FIRING, key=a_key(severity=Severity.WARNING), value=310, evidence=(a_threshold(310, limit="above 200"),)
)


def at_tenants(count: int, alert: Alert = FIRING, reason: NotifyReason = NotifyReason.FIRST) -> list[NotificationItem]:
    """Return the same alert at so many tenants, each with ten messages fewer than the one before."""
    return [
        a_notice(
            replace(
                alert,
                key=replace(alert.key, tenant=Tenant(f"t{number}")),
                value=None if alert.value is None else alert.value - 10 * number,
            ),
            reason,
            notified=None if reason is NotifyReason.FIRST else Severity.CRITICAL,
        )
        for number in range(count)
    ]


MSP = replace(CONTEXT, tenant_count=40)
TOTAL = replace(FIRING, key=a_key(reason=ALL_REASONS))
