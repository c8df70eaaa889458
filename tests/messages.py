"""One message of each kind, for the pictures of the documentation and for the golden files of each format.

The numbers hang together, so that somebody who looks at all of them reads the story of one night at two tenants.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.charts.figure import Figure, build_figure
from alerter.core.conditions import Evidence
from alerter.core.message.content import Message, MessageContext, Missed, TargetOutage
from alerter.core.message.digest import (
    build_digest_message,
    build_fallback_message,
    build_reachable_message,
    build_unreachable_message,
)
from alerter.core.message.render import compose_message, compose_test_message
from alerter.core.message.report import build_report_message
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import Notification, NotificationItem, NotificationState, NotifyReason
from alerter.core.review import WEEK, Episode, TenantWeek, WeeklyReport, review_episodes
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, HoldReason, Sample, Series, Span, Tenant
from alerter.errors import Cause

NOW = datetime(2027, 3, 2, 1, 3, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2027, 3, 1, 8, tzinfo=UTC)
SECOPS = Receiver(name=ReceiverName("secops"))
ACME, GLOBEX = Tenant("acme"), Tenant("globex")
CONTEXT = MessageContext(
    timezone=ZoneInfo("Europe/London"),
    console_url="https://login.mimecast.com",
    runbook_by_rule={RuleName("Backlog"): "https://wiki.example/held-mail"},
    tenant_count=40,
    labels_by_tenant={ACME: {"customer": "Acme Ltd", "tier": "gold"}},
    levels_by_rule={RuleName("Backlog"): (Severity.WARNING, Severity.CRITICAL)},
    public_url="https://alerts.example",
)
_LIMITS = {Severity.CRITICAL: ("above 500, clears at 400", 500), Severity.WARNING: ("above 200, clears at 150", 200)}


def an_alert(
    value: int,
    reason: str = "Spam Scanning",
    *,
    severity: Severity = Severity.CRITICAL,
    tenant: Tenant = ACME,
    since: timedelta = timedelta(0),
    before: int | None = None,
    peak: int | None = None,
    now: datetime = NOW,
) -> Alert:
    """Return an alert that fires since a while."""
    reference = None if before is None else Sample(now - HOUR, before)
    evidence = Evidence(
        condition="threshold", limit_text=_LIMITS[severity][0], value=Sample(now, value), reference=reference
    )
    return Alert(
        key=AlertKey(rule=RuleName("Backlog"), severity=severity, tenant=tenant, reason=HoldReason(reason)),
        state=AlertState.FIRING,
        value=value,
        peak=max(value, peak or 0),
        active_at=now - since,
        fired_at=now - since,
        evidence=(evidence,),
    )


def ended(alert: Alert, value: int, *, lasted: timedelta, peak: int, now: datetime = NOW) -> Alert:
    """Return an alert that has just resolved."""
    evidence = tuple(replace(each, value=Sample(now, value)) for each in alert.evidence)
    return replace(
        alert, state=AlertState.INACTIVE, value=value, peak=peak, active_at=None, fired_at=now - lasted,
        resolved_at=now, evidence=evidence,
    )  # fmt: skip


def no_data(tenant: Tenant = ACME, *, cause: Cause = Cause.WRONG_KEYS, detail: str = "HTTP 401") -> Alert:
    """Return the alert of a tenant that cannot be polled."""
    evidence = Evidence(
        condition="no_data",
        limit_text="no data for 15m",
        last_success_at=NOW - 16 * MINUTE,
        detail=f"{cause}: {detail}. {cause.advice}",
    )
    return Alert(
        key=AlertKey(rule=RuleName("No data"), severity=Severity.CRITICAL, tenant=tenant, reason=ALL_REASONS),
        state=AlertState.FIRING,
        active_at=NOW - MINUTE,
        fired_at=NOW,
        evidence=(evidence,),
    )


def known_of(alert: Alert, severity: Severity, *, ago: timedelta, repeats: int = 0) -> NotificationState:
    """Return what the receiver was last notified of."""
    return NotificationState(
        subject=alert.key.subject, receiver=SECOPS.name, severity=severity, state=AlertState.FIRING,
        notified_at=NOW - ago, repeat_count=repeats, thread="aaaaaaaaaa",
    )  # fmt: skip


def figure_of(*counts: int | None, now: datetime = NOW) -> Figure:
    """Return what the counts were in a day of equal parts; None where nothing is known."""
    part = timedelta(days=1) / len(counts)
    begin = now - timedelta(days=1)
    changes = []
    coverage: list[Span] = []
    for index, count in enumerate(counts):
        if count is None:
            continue
        changes.append(Sample(begin + index * part, count))
        start, end = begin + index * part, begin + (index + 1) * part
        if coverage and coverage[-1].end_at == start:
            coverage[-1] = Span(coverage[-1].start_at, end)
        else:
            coverage.append(Span(start, end))
    series = Series(
        tenant=ACME, reason=HoldReason("Spam Scanning"), changes=tuple(changes), coverage=tuple(coverage),
        poll_interval=5 * MINUTE, timezone=UTC,
    )  # fmt: skip
    return build_figure(series, start_at=begin, end_at=now)


RISING = (40, 42, 45, 41, 60, 80, 90, 85, 120, 160, 180, 212)
CALM = (40, 42, 45, 41, 40, 60, 80, 90, 240, 333)
FALLING = (40, 60, 120, 400, 688, 640, 500)


def composed(
    *items: NotificationItem,
    suppressed: int = 0,
    is_introduction: bool = False,
    counts: tuple[int, ...] = RISING,
) -> Message:
    """Return the message about some alerts, of which each had such counts, and has what it says now."""
    figures = {item.alert.key.subject: figure_of(*counts, item.alert.value) for item in items}
    notification = Notification(receiver=SECOPS, items=items, suppressed=suppressed, is_introduction=is_introduction)
    return compose_message(notification, CONTEXT, figures=figures, now=NOW)


_SPAM = an_alert(612, before=212)
_WARNING = an_alert(333, "Graymail", severity=Severity.WARNING)
_REMINDED = an_alert(688, since=HOUR)
_END = ended(an_alert(688), 88, lasted=4 * HOUR + 9 * MINUTE, peak=688)
_OTHERS = [
    an_alert(731, "Block Dangerous File Types", since=23 * MINUTE),
    an_alert(260, "Impersonation Protect", severity=Severity.WARNING, since=5 * MINUTE),
    an_alert(251, "Attachment Protect", severity=Severity.WARNING),
    an_alert(240, "URL Protect", severity=Severity.WARNING),
    an_alert(222, "DLP: Card numbers", severity=Severity.WARNING),
]


def _first(alert: Alert) -> NotificationItem:
    return NotificationItem(reason=NotifyReason.FIRST, alert=alert)


def _reminder(alert: Alert, repeats: int = 0) -> NotificationItem:
    known = known_of(alert, alert.key.severity, ago=HOUR, repeats=repeats)
    return NotificationItem(reason=NotifyReason.REPEAT, alert=alert, previous_state=known)


def _over(alert: Alert) -> NotificationItem:
    return NotificationItem(
        reason=NotifyReason.RESOLVED, alert=alert, previous_state=known_of(alert, alert.key.severity, ago=HOUR)
    )


_MISSED = composed(_first(_SPAM))
_LATE = NOW + HOUR


#: A message of each kind, by its name.
def an_episode(alert: Alert, *, ago: timedelta, lasted: timedelta, acknowledged: timedelta | None = None) -> Episode:
    """Return one time in the week at which a rule alerted, and was sent."""
    since = NOW - ago
    return Episode(
        subject=alert.key.subject,
        severity=alert.key.severity,
        since=since,
        until=since + lasted,
        keys=frozenset({alert.key}),
        was_sent=True,
        acknowledged_at=None if acknowledged is None else since + acknowledged,
    )


_WEEK = Span(MONDAY - WEEK, MONDAY)
_EPISODES = (
    *(an_episode(_SPAM, ago=day * DAY, lasted=35 * MINUTE, acknowledged=5 * MINUTE) for day in (2, 3)),
    *(an_episode(_WARNING, ago=day * DAY, lasted=10 * MINUTE) for day in (1, 2, 4, 5, 6)),
    an_episode(no_data(GLOBEX), ago=3 * DAY, lasted=4 * HOUR, acknowledged=HOUR),
)
_REPORT = WeeklyReport(
    review=review_episodes(_EPISODES, _WEEK),
    tenants=(
        TenantWeek(tenant=ACME, held=640, highest=(731, NOW - DAY), came=5120, left=4890, no_data=timedelta(0)),
        TenantWeek(
            tenant=GLOBEX, held=212, highest=(260, NOW - DAY), came=1840, left=1902, no_data=4 * HOUR + 10 * MINUTE
        ),
    ),
    firing=1,
)

MESSAGES: Mapping[str, Message] = {
    "first": composed(_first(_SPAM)),
    "raised": composed(
        NotificationItem(
            reason=NotifyReason.RAISED,
            alert=_SPAM,
            previous_state=known_of(_SPAM, Severity.WARNING, ago=40 * MINUTE),
            firing_since=NOW - 40 * MINUTE,
        )
    ),
    "lowered": composed(
        NotificationItem(
            reason=NotifyReason.LOWERED,
            alert=an_alert(320, severity=Severity.WARNING, since=2 * HOUR, peak=688),
            previous_state=known_of(_SPAM, Severity.CRITICAL, ago=HOUR),
        ),
        counts=FALLING,
    ),
    "reminder": composed(_reminder(_REMINDED)),
    "resolved": composed(_over(_END), counts=(*FALLING, 320)),
    "rule removed": composed(_over(replace(_END, value=320, resolved_because="rule removed")), counts=FALLING),
    "acknowledgement broken": composed(
        NotificationItem(
            reason=NotifyReason.BROKEN,
            alert=an_alert(1240, since=3 * HOUR),
            previous_state=known_of(_SPAM, Severity.CRITICAL, ago=2 * HOUR),
            mute_ended=Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="alice", comment="releasing them", count=612),
        ),
        counts=(*RISING, 640),
    ),
    "no data": composed(_first(no_data())),
    "no data over": composed(
        _over(
            replace(
                no_data(),
                state=AlertState.INACTIVE,
                value=731,
                fired_at=NOW - 35 * MINUTE,
                resolved_at=NOW,
                evidence=(replace(no_data().evidence[0], last_success_at=NOW - 50 * MINUTE),),
            )
        )
    ),
    "no data at many tenants": composed(
        *(
            _first(no_data(Tenant(name), cause=Cause.DNS, detail="api.services.mimecast.com cannot be resolved"))
            for name in ("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka", "tyrell")
        )
    ),
    "several": composed(*map(_first, _OTHERS)),
    "mixed": composed(
        _first(an_alert(612, "Graymail")), _over(_END), *(_reminder(alert) for alert in (_OTHERS[0], *_OTHERS[2:4]))
    ),
    "only reminders": composed(*(_reminder(alert) for alert in (_REMINDED, *_OTHERS[1:4]))),
    "all over": composed(
        *(_over(ended(alert, 20, lasted=2 * HOUR, peak=(alert.value or 0) + 7)) for alert in (_SPAM, *_OTHERS[:4]))
    ),
    "two tenants": composed(
        _first(_SPAM),
        _first(an_alert(280, "Spam Scanning", severity=Severity.WARNING, tenant=GLOBEX)),
        _first(an_alert(231, "Graymail", severity=Severity.WARNING, tenant=GLOBEX)),
    ),
    "suppressed": composed(_first(_SPAM), suppressed=12),
    "new receiver": composed(_first(_REMINDED), _first(_WARNING), is_introduction=True),
    "digest": build_digest_message(
        Missed(
            target="secops/slack",
            since=NOW - 2 * HOUR,
            error="Slack answered 404: no_service",
            messages=(_MISSED, composed(_over(_END))),
            firing=(replace(_WARNING, fired_at=NOW - HOUR),),
            over=(_END,),
        ),
        SECOPS,
        CONTEXT,
        figures={_WARNING.key.subject: figure_of(*CALM)},
        now=NOW,
    ),
    "digest of what is over": build_digest_message(
        Missed(
            target="secops/slack",
            since=NOW - 2 * HOUR,
            error="Slack answered 404: no_service",
            messages=(_MISSED, composed(_over(_END))),
            over=(_END, ended(_OTHERS[0], 3, lasted=HOUR, peak=731), ended(_OTHERS[1], 9, lasted=HOUR, peak=260)),
        ),
        SECOPS,
        CONTEXT,
        now=NOW,
    ),
    "fallback": build_fallback_message(
        Missed(
            target="secops/slack",
            since=NOW - 23 * HOUR,
            error="Slack answered 404: no_service",
            messages=(_MISSED,),
            over=(replace(_END, fired_at=NOW - 23 * HOUR, resolved_at=NOW - 22 * HOUR),),
        ),
        Receiver(name=ReceiverName("mail")),
        CONTEXT,
        now=NOW,
    ),
    "target cannot be reached": build_unreachable_message(
        ReceiverName("mail"),
        TargetOutage(
            target="secops/slack",
            target_id=TargetId("secops/slack"),
            since=NOW - 50 * MINUTE,
            error="Slack answered 404: no_service",
        ),
        3,
        CONTEXT,
        now=NOW,
    ),
    "target is back": build_reachable_message(
        ReceiverName("mail"),
        TargetOutage(
            target="secops/slack",
            target_id=TargetId("secops/slack"),
            since=NOW - 111 * MINUTE,
            error="Slack answered 404: no_service",
        ),
        CONTEXT,
        delivered=3,
        waiting=0,
        now=NOW,
    ),
    "weekly report": build_report_message(_REPORT, SECOPS.name, CONTEXT, id_="r6f4q2wmhd", now=NOW),
    "test": compose_test_message(SECOPS, CONTEXT, now=NOW),
}
