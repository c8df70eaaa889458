"""The reasons why an alert fires or not, and why a receiver was notified or not.

Nothing is decided here. The functions that decide live are asked once more, about a past that is read back to that
instant, and what made the difference is put into words. No I/O: values in, values out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition
from alerter.core.conditions import Evidence, InputKind, Verdict
from alerter.core.mutes import Mute, MuteSet, active_window, muted_by
from alerter.core.notifications import HourlyLimit
from alerter.core.routes import Receiver, Route
from alerter.core.rules import Level, Per, Rule, Severity
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Series, Span, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionFinding:
    """What one condition of a level found.

    Attributes:
        verdict: Active, inactive, or no data.
        evidence: What it compared.
        distance_text: By how much it passed its limit or missed it, in words; empty where nothing was compared.
    """

    verdict: Verdict
    evidence: Evidence
    distance_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelExplanation:
    """What one level of a rule found, and what state that had brought its alert into.

    Attributes:
        severity: Which level.
        level: The level.
        alert: Its alert, as it was.
        findings: Of each condition.
        mute: What kept the alert from everybody, where it fired; None for nothing.
        no_data_since: Since when the alert had no data, where it fired and that was long; None otherwise.
    """

    severity: Severity
    level: Level
    alert: Alert
    findings: tuple[ConditionFinding, ...]
    mute: Mute | None
    no_data_since: datetime | None = None


class NotNotifiedReason(StrEnum):
    """Why a receiver is not notified of what fires."""

    NOT_FIRING = "nothing fires"
    NO_ROUTE = "no route"
    MUTED = "muted"
    SUPPRESSED = "max_per_hour"
    GROUPING = "group_wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDecision:
    """Whether a receiver is to hear of a topic.

    Attributes:
        receiver: Who.
        severity: The level that it is notified of, or would be; None where nothing fires.
        not_notified_because: Why it does not; None where it does.
        unmatched_routes: Why each of the routes that lead to it does not take the alert, by the routes' numbers from 1
            on.
        mute: What mutes it.
        group_until: When the collection ends, or None.
    """

    receiver: Receiver
    severity: Severity | None = None
    not_notified_because: NotNotifiedReason | None = None
    unmatched_routes: tuple[tuple[int, str], ...] = ()
    mute: Mute | None = None
    group_until: datetime | None = None


def evaluate_conditions(
    level: Level, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
) -> tuple[ConditionFinding, ...]:
    """Return what each condition of a level finds, as `rules.evaluate` asks them."""
    found = []
    for condition in level.conditions:
        observation = condition.evaluate(series, firing=firing, fired=fired, now=now)
        margin = condition.distance_text(observation.evidence, series, firing=firing, fired=fired, now=now)
        found.append(ConditionFinding(verdict=observation.verdict, evidence=observation.evidence, distance_text=margin))
    return tuple(found)


def evaluated_at(series: Series, *, now: datetime) -> datetime:
    """Return when a series was evaluated last, at or before an instant.

    That was at its newest poll: between two of them, and after the last one, nothing is evaluated. While polling fails
    there is no data, at any instant.
    """
    last = series.last_success_at(now=now)
    is_failing = series.poll_failure is not None and series.poll_failure.started_at <= now
    return now if last is None or is_failing else last


def alert_at(key: AlertKey, transitions: Iterable[Transition], *, now: datetime) -> Alert:
    """Return an alert as it was at an instant, from its history.

    Args:
        key: Its identity.
        transitions: Its history, oldest first; what came after the instant does not count.
        now: The instant.
    """
    alert = Alert(key=key)
    for transition in transitions:
        if transition.key == key and transition.at <= now:
            alert = _after(alert, transition)
    return alert


def _after(alert: Alert, transition: Transition) -> Alert:
    at = transition.at
    value = next((each.value.count for each in transition.evidence if each.value is not None), alert.value)
    alert = replace(alert, state=transition.to_state, value=value, evidence=transition.evidence)
    match transition.to_state:
        case AlertState.PENDING:
            return replace(alert, active_at=at)
        case AlertState.FIRING:
            return replace(alert, active_at=alert.active_at or at, fired_at=at, resolved_at=None)
        case AlertState.INACTIVE if transition.is_resolution:
            return replace(alert, active_at=None, resolved_at=at, resolved_because=transition.detail)
        case _:
            return replace(alert, active_at=None)


def rule_mismatch_text(rule: Rule, tenant: Tenant, reason: HoldReason) -> str:
    """Return why a rule does not look at a series; empty where it does, be it as a part of a sum."""
    why = selector_mismatch_text(rule.tenants, tenant)
    if why:
        return f"tenants: {why}"
    why = "" if rule.input_kind is InputKind.POLLING else selector_mismatch_text(rule.reasons, reason)
    return f"reasons: {why}" if why else ""


def selector_mismatch_text(selector: Selector, name: str) -> str:
    """Return which glob leaves a name out, or that none takes it; empty where it is selected."""
    if selector.matches(name):
        return ""
    excluding = (glob for glob in selector.globs if glob.startswith("!") and Selector((glob[1:],)).matches(name))
    excluded_by = next(excluding, None)
    if excluded_by is not None:
        return f"{excluded_by!r} leaves it out"
    wanted = [glob for glob in selector.globs if not glob.startswith("!")]
    if wanted and not Selector(tuple(wanted)).matches(name):
        return f"none of {', '.join(map(repr, wanted))} takes it"
    return "it has other labels"


def covers_reason(rule: Rule, series: Series, tenant: Tenant, reason: HoldReason) -> bool:
    """Return True if a series that a rule evaluates is that of a reason, or a sum with it in."""
    if rule.scope is Per.REASON:
        return series.tenant == tenant and series.reason == reason
    return rule.scope is Per.ALL or series.tenant == tenant


def decision(
    receiver: Receiver,
    alerts: Iterable[Alert],
    routes: Sequence[Route],
    *,
    mutes: MuteSet,
    budget: HourlyLimit,
    collected_until: datetime | None,
    now: datetime,
) -> NotificationDecision:
    """Return whether a receiver is to hear of a topic, and if not, why.

    Args:
        receiver: Who.
        alerts: All of the topic.
        routes: All routes.
        mutes: Everything that can mute.
        budget: What the receiver got within the hour; what is critical begins in spite of it.
        collected_until: When what is collected for it becomes a message; None where nothing is.
        now: The instant.
    """
    firing = sorted((alert for alert in alerts if alert.is_firing), key=lambda alert: -alert.key.severity.rank)
    if not firing:
        return NotificationDecision(receiver=receiver, not_notified_because=NotNotifiedReason.NOT_FIRING)
    numbered = [(number, route) for number, route in enumerate(routes, start=1) if receiver.name in route.receivers]
    is_routed = [alert for alert in firing if not routes or any(route.matches(alert) for _, route in numbered)]
    if not is_routed:
        missed = tuple((number, route_mismatch_text(route, firing[0])) for number, route in numbered)
        return NotificationDecision(
            receiver=receiver,
            severity=firing[0].key.severity,
            not_notified_because=NotNotifiedReason.NO_ROUTE,
            unmatched_routes=missed,
        )
    alert = is_routed[0]
    said = NotificationDecision(receiver=receiver, severity=alert.key.severity)
    mute = _muted(alert, [route for _, route in numbered if route.matches(alert)], mutes, now=now)
    if mute is not None:
        return replace(said, not_notified_because=NotNotifiedReason.MUTED, mute=mute)
    if collected_until is not None:
        return replace(said, not_notified_because=NotNotifiedReason.GROUPING, group_until=collected_until)
    is_urgent = alert.is_no_data or alert.key.severity is Severity.CRITICAL
    is_held_back = budget.sent >= receiver.max_per_hour and not is_urgent
    return replace(said, not_notified_because=NotNotifiedReason.SUPPRESSED) if is_held_back else said


def route_mismatch_text(route: Route, alert: Alert) -> str:
    """Return why a route does not take an alert; empty where it does."""
    key = alert.key
    if route.severities and key.severity not in route.severities:
        return f"it takes {' and '.join(each for each in Severity if each in route.severities)} only"
    selectors = [("tenants", route.tenants, key.tenant), ("rules", route.rules, key.rule)]
    selectors += [] if alert.is_no_data else [("reasons", route.reasons, key.reason)]
    reasons = ((name, selector_mismatch_text(selector, value)) for name, selector, value in selectors)
    return next((f"{name}: {why}" for name, why in reasons if why), "")


def _muted(alert: Alert, ways: Sequence[Route], mutes: MuteSet, *, now: datetime) -> Mute | None:
    """Return what keeps an alert from a receiver: a mute, or a window on each of its ways."""
    mute = muted_by(alert, mutes, now=now)
    if mute is not None or not ways:
        return mute
    windows = [active_window(mutes.windows_for(alert, route.mute_windows), now=now) for route in ways]
    return windows[0] if all(windows) else None
