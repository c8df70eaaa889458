"""Values with defaults for everything that a test does not care about; instants hang on one noon.

Series have a short notation, oldest sample first, one word per poll:

    "0 0 120"       three polls that found 0, 0 and 120 messages
    "10 +5x3 -20"   10, then 15, 20, 25, then 5
    "7x4"           7 in four polls
    "10 _ _ 30"     two polls failed in between; "10 _" ends in a failed one
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertKey, AlertState, AlertSubject
from alerter.core.conditions import Condition, Evidence, Growth, NoData, Threshold, Verdict
from alerter.core.history import FailedPoll, TenantHistory, history_from_polls
from alerter.core.message.content import MessageContext
from alerter.core.mute_windows import WEEKDAYS, MuteWindow, WindowName
from alerter.core.notifications import NotificationItem, NotificationState, NotifyReason
from alerter.core.outbox import Delivery, TargetName
from alerter.core.poll_times import KnownPolls, int64_array
from alerter.core.routes import Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import Evaluation, Level, Per, Rule, RuleName, Severity, TenantSeries, with_no_data_rules
from alerter.core.selectors import Selector
from alerter.core.series import (
    ALL_REASONS,
    HoldReason,
    PollFailure,
    Sample,
    Series,
    Snapshot,
    Span,
    Tenant,
    to_epoch_us,
)
from alerter.core.silences import Acknowledgement, AlertMatcher, Silence
from alerter.errors import Cause

#: The present of every test: a Monday.
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_WORD = re.compile(r"(?P<gap>_)|(?P<sign>[+-]?)(?P<number>\d+)")


def at(clock: str) -> datetime:
    """Return the instant of noon's day at which a clock shows `11:05` or `11:05:30`."""
    return datetime.combine(NOON.date(), time.fromisoformat(clock), tzinfo=UTC)


def span(text: str) -> timedelta:
    """Return the time span of `90s`, `5m`, `1h30m` or `2d`; `0` is none."""
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in re.findall(r"(\d+)([dhms])", text)), timedelta(0))


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


def counts(notation: str) -> list[int | None]:
    """Return the count of each poll, oldest first; None for a failed poll."""
    result: list[int | None] = []
    known = 0
    for word in notation.split():
        once, _, times = word.partition("x")
        match = _WORD.fullmatch(once)
        assert match is not None, f"{word!r} is not in the notation of a series"
        for _ in range(int(times or 1)):
            if match["gap"]:
                result.append(None)
                continue
            step = int(match["number"])
            known = {"+": known + step, "-": known - step, "": step}[match["sign"]]
            result.append(known)
    return result


def series(
    notation: str,
    *,
    every: str = "5m",
    until: datetime = NOON,
    tenant: str = "acme",
    reason: str = "Spam",
    cause: Cause = Cause.TIMEOUT,
) -> Series:
    """Return the series of which the last poll, good or failed, was at `until`."""
    interval = span(every)
    polls = counts(notation)
    instants = [until - interval * back for back in reversed(range(len(polls)))]
    samples = [Sample(at, count) for at, count in zip(instants, polls, strict=True) if count is not None]
    spans: list[Span] = []
    for sample in samples:
        if spans and sample.at - spans[-1].end_at <= interval:
            spans[-1] = Span(spans[-1].start_at, sample.at)
        else:
            spans.append(Span(sample.at, sample.at))
    failed = [instant for instant in instants if not samples or instant > samples[-1].at]
    return Series(
        tenant=Tenant(tenant),
        reason=HoldReason(reason),
        changes=_changes(samples),
        coverage=tuple(spans),
        poll_interval=interval,
        poll_failure=PollFailure(
            started_at=failed[0], last_failed_at=failed[-1], cause=cause, detail="no answer within 30s"
        )
        if failed
        else None,
        polls=KnownPolls(int64_array(to_epoch_us(sample.at) for sample in samples)),
    )


def _changes(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    kept: list[Sample] = []
    for sample in samples:
        if not kept or kept[-1].count != sample.count:
            kept.append(sample)
    return tuple(kept)


def a_tenant(*reasons: Series, polling: Series | None = None) -> TenantSeries:
    """Return a tenant that is seen as its series are; without any, one that was polled once, at noon."""
    seen = polling or (reasons[0] if reasons else series("0"))
    nothing = tuple(Sample(change.at, 0) for change in seen.changes[:1])
    return TenantSeries(
        polling=Series(
            tenant=seen.tenant,
            reason=ALL_REASONS,
            changes=nothing,
            coverage=seen.coverage,
            poll_interval=seen.poll_interval,
            poll_failure=seen.poll_failure,
        ),
        reasons=reasons,
    )


def a_polled_tenant(
    notation: str, *, every: str = "5m", until: datetime = NOON, tenant: str = "acme", reason: str = "Spam"
) -> TenantHistory:
    """Return the archive of a tenant with one reason, of which the last poll, good or failed, was at `until`."""
    polls = counts(notation)
    begin = until - (len(polls) - 1) * span(every)
    instants = [begin + number * span(every) for number in range(len(polls))]
    return history_from_polls(
        Tenant(tenant),
        [
            FailedPoll(at=at, detail="no answer within 30s")
            if count is None
            else a_snapshot({reason: count}, tenant=tenant, taken_at=at)
            for at, count in zip(instants, polls, strict=True)
        ],
        poll_interval=span(every),
    )


def a_snapshot(counts: Mapping[str, int], *, tenant: str = "acme", taken_at: datetime = NOON) -> Snapshot:
    """Return the answer of a good poll."""
    by_reason = {HoldReason(reason): count for reason, count in counts.items()}
    return Snapshot(tenant=Tenant(tenant), taken_at=taken_at, counts=by_reason)


def a_growth(
    *,
    over: str = "1h",
    by: int | None = None,
    percent: int | None = None,
    falls_by: int | None = None,
    falls_percent: int | None = None,
    floor: int = 20,
) -> Growth:
    """Return a growth condition."""
    return Growth(over=span(over), by=by, percent=percent, falls_by=falls_by, falls_percent=falls_percent, floor=floor)


def a_no_data(after: str = "15m") -> NoData:
    """Return a condition on polling."""
    return NoData(after=span(after))


def a_level(
    *conditions: Condition, above: int = 100, clear_at: int | None = None, for_: str = "0", keep_firing_for: str = "0"
) -> Level:
    """Return a level of these conditions or, without any, of a threshold."""
    return Level(
        conditions=conditions or (Threshold(above=above, clear_at=clear_at),),
        for_=span(for_),
        keep_firing_for=span(keep_firing_for),
    )


def a_rule(
    name: str = "Backlog",
    *,
    info: Level | None = None,
    warning: Level | None = None,
    critical: Level | None = None,
    tenants: Sequence[str] = (),
    reasons: Sequence[str] = (),
    per: Per = Per.REASON,
) -> Rule:
    """Return a rule of these levels or, without any, with a warning above 100."""
    by_severity = {Severity.INFO: info, Severity.WARNING: warning, Severity.CRITICAL: critical}
    levels = {severity: level for severity, level in by_severity.items() if level is not None}
    return Rule(
        name=RuleName(name),
        levels=levels or {Severity.WARNING: a_level()},
        tenants=Selector(tuple(tenants)),
        reasons=Selector(tuple(reasons)),
        per=per,
    )


def an_evaluation(
    verdict: Verdict = Verdict.ACTIVE, *, count: int | None = 120, seen_at: datetime = NOON
) -> Evaluation:
    """Return what a threshold found; without data it has no count."""
    value = None if count is None or verdict is Verdict.NO_DATA else Sample(seen_at, count)
    return Evaluation(
        verdict=verdict, evidence=(Evidence(condition=Threshold.name, limit_text="above 100", value=value),)
    )


def a_key(
    *, rule: str = "Backlog", severity: Severity = Severity.WARNING, tenant: str = "acme", reason: str = "Spam"
) -> AlertKey:
    """Return the identity of an alert."""
    return AlertKey(rule=RuleName(rule), severity=severity, tenant=Tenant(tenant), reason=HoldReason(reason))


def an_alert(
    state: AlertState = AlertState.FIRING,
    *,
    key: AlertKey | None = None,
    severity: Severity = Severity.WARNING,
    value: int | None = 120,
    peak: int | None = 120,
    since: str = "11:00",
    keep_firing_since: str = "",
    resolved_at: str = "",
) -> Alert:
    """Return an alert that became active, and fired if it does or did, at `since`."""
    has_fired = state is AlertState.FIRING or bool(resolved_at)
    return Alert(
        key=key or a_key(severity=severity),
        state=state,
        value=value,
        peak=peak,
        active_at=None if state is AlertState.INACTIVE else at(since),
        fired_at=at(since) if has_fired else None,
        keep_firing_since=at(keep_firing_since) if keep_firing_since else None,
        resolved_at=at(resolved_at) if resolved_at else None,
        evidence=an_evaluation(count=value).evidence,
        fired_under="above 100" if has_fired else "",
    )


def a_resolved(*, severity: Severity = Severity.WARNING, since: str = "11:00", until: str = "12:00") -> Alert:
    """Return an alert that fired and is over."""
    return an_alert(AlertState.INACTIVE, severity=severity, since=since, resolved_at=until)


def a_receiver(
    name: str = "secops",
    *,
    send_resolved: bool = True,
    repeat_interval: str = "4h",
    max_per_hour: int = 30,
    group_wait: str = "0",
    targets: Sequence[str] = ("slack",),
) -> Receiver:
    """Return somebody who is told."""
    return Receiver(
        name=ReceiverName(name),
        send_resolved=send_resolved,
        repeat_interval=span(repeat_interval),
        max_per_hour=max_per_hour,
        group_wait=span(group_wait),
        targets=tuple(map(TargetId, targets)),
    )


def a_route(
    *receivers: str,
    severities: Iterable[Severity] = (),
    tenants: Sequence[str] = (),
    reasons: Sequence[str] = (),
    rules: Sequence[str] = (),
    mute_windows: Sequence[MuteWindow] = (),
) -> Route:
    """Return a route to these receivers or, without any, to secops."""
    return Route(
        receivers=tuple(map(ReceiverName, receivers or ("secops",))),
        severities=frozenset(severities),
        tenants=Selector(tuple(tenants)),
        reasons=Selector(tuple(reasons)),
        rules=Selector(tuple(rules)),
        mute_windows=tuple(mute_windows),
    )


def a_silence(
    number: int = 1,
    *,
    since: str = "11:00",
    until: str = "13:00",
    tenants: Sequence[str] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
    reasons: Sequence[str] = (),
    rules: Sequence[str] = (),
    severities: Iterable[Severity] = (),
) -> Silence:
    """Return a silence of everything that these selectors match."""
    matcher = AlertMatcher(
        tenants=Selector(tuple(tenants)),
        labels={name: Selector((glob,)) for name, glob in labels.items()},
        reasons=Selector(tuple(reasons)),
        rules=Selector(tuple(rules)),
        severities=frozenset(severities),
    )
    return Silence(id=number, matcher=matcher, author="ann", comment="known", starts_at=at(since), ends_at=at(until))


def an_acknowledgement(
    *,
    subject: AlertSubject | None = None,
    severity: Severity = Severity.WARNING,
    value: int | None = 120,
    acknowledged_at: str = "11:30",
) -> Acknowledgement:
    """Return what ann said of an alert."""
    return Acknowledgement(
        subject=subject or a_key().subject,
        severity=severity,
        value=value,
        author="ann",
        comment="on it",
        acknowledged_at=at(acknowledged_at),
    )


def a_window(days: str = "mon-sun", begins: str = "18:00", ends: str = "08:00", *, zone: str = "UTC") -> MuteWindow:
    """Return a mute window called nights; `days` is one weekday or a range of them."""
    first, _, last = days.partition("-")
    weekdays = range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1)
    return MuteWindow(
        name=WindowName("nights"),
        days=frozenset(weekdays),
        begins=time.fromisoformat(begins),
        ends=time.fromisoformat(ends),
        timezone=ZoneInfo(zone),
    )


def a_told(
    state: AlertState = AlertState.FIRING,
    *,
    subject: AlertSubject | None = None,
    receiver: str = "secops",
    severity: Severity = Severity.WARNING,
    told_at: str = "11:00",
    repeats: int = 0,
    thread: str = "",
    target: str = "slack",
) -> NotificationState:
    """Return what a target of a receiver was last told."""
    return NotificationState(
        subject=subject or a_key().subject,
        receiver=ReceiverName(receiver),
        severity=severity,
        state=state,
        notified_at=at(told_at),
        repeat_count=repeats,
        thread=thread,
        target=TargetId(target),
    )


def a_notice(reason: NotifyReason = NotifyReason.FIRST, *, alert: Alert | None = None) -> NotificationItem:
    """Return one thing to tell a receiver."""
    return NotificationItem(reason=reason, alert=alert or an_alert())


def a_delivery(
    number: int = 1,
    *,
    target: str = "secops/slack",
    attempts: int = 0,
    created_at: datetime = NOON,
    next_attempt_at: datetime | None = None,
) -> Delivery:
    """Return a waiting delivery, due as soon as it was planned."""
    return Delivery(
        id=number,
        message_id=f"m{number}",
        target=TargetName(target),
        target_id=TargetId(target),
        created_at=created_at,
        next_attempt_at=next_attempt_at or created_at,
        attempts=attempts,
    )


def a_policy(
    *rules: Rule,
    tenants: Mapping[str, str] | None = None,
    receivers: Mapping[str, Sequence[str]] | None = None,
    routes: Sequence[Route] = (),
) -> AlertingConfig:
    """Return what a configuration decides; without more, one tenant and one receiver with one target.

    Args:
        rules: The configured rules; the built-in ones come along.
        tenants: How often each tenant is polled.
        receivers: The names of each receiver's targets.
        routes: Where alerts go.
    """
    intervals = {Tenant(name): span(every) for name, every in (tenants or {"acme": "5m"}).items()}
    targets = receivers or {"secops": ["secops/slack"]}
    return AlertingConfig(
        rules=with_no_data_rules(rules, intervals),
        poll_intervals=intervals,
        receivers=tuple(a_receiver(name, targets=names) for name, names in targets.items()),
        targets={ReceiverName(name): tuple(map(TargetName, names)) for name, names in targets.items()},
        routes=tuple(routes),
        context=MessageContext(
            timezone=UTC,
            console_url="",
            runbook_by_rule={},
            levels_by_rule={rule.name: tuple(rule.levels) for rule in rules},
        ),
    )
