r"""The lifecycle of an alert as a state machine, one alert per (rule, severity, tenant, reason).

    state \ verdict    active                         inactive                        no_data
    ---------------   ----------------------------   -----------------------------   -------
    inactive          `for` = 0 → firing,            -                               -
                      else pending from now
    pending           held for ≥ `for` → firing      → inactive, silently            -
    firing            forget that it was ending      over for ≥ `keep_firing_for`    -
                                                     → inactive (resolved),
                                                     else ending from now

Time between two runs of coverage counts neither towards `for` nor towards `keep_firing_for`: nothing is known of it.

No I/O: values in, values out. `step` is the table; whom to notify is not decided here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import assert_never

from alerter.core.conditions import CONDITIONS, Evidence, InputKind, Verdict
from alerter.core.rules import Evaluation, Level, RuleName, Severity
from alerter.core.series import ALL_TENANTS, TOLERANCE_INTERVALS, HoldReason, Sample, Span, Tenant

#: The evidence of an alert is stored again after this time, even if only its instant has changed: people see it.
REFRESH_AFTER = timedelta(minutes=1)
#: What a poll saw that changed the state of no alert is stored this much later at most.
MAX_SAVE_DELAY = timedelta(minutes=2)

_ABOUT_POLLING = frozenset(name for name, kind in CONDITIONS.items() if kind.input_kind is InputKind.POLLING)


class AlertState(StrEnum):
    """Where an alert is in its life; *resolved* is not a state but a transition, as in Prometheus."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """What a receiver is notified of as one thing: a rule on a series, at any severity."""

    rule: RuleName
    tenant: Tenant
    reason: HoldReason


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKey:
    """The identity of an alert, which survives restarts and edits of the rule."""

    rule: RuleName
    severity: Severity
    tenant: Tenant
    reason: HoldReason

    @property
    def subject(self) -> AlertSubject:
        """What it is about, without the severity."""
        return AlertSubject(self.rule, self.tenant, self.reason)

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that name the alert in commands; the same for ever."""
        parts = (self.rule, self.severity, self.tenant, self.reason)
        return sha256("\0".join(parts).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, now.

    Attributes:
        key: Its identity.
        state: Where it is in its life.
        value: The newest known count, in messages; None before the first one, and for alerts about polling, but for one
            that is over: then what the tenant held at the end.
        peak: The worst count since it became active.
        active_at: Since when the condition has held; None while inactive. While pending, it is later by the time of
            which nothing was known, which does not count towards `for`.
        fired_at: When it began to fire; after the resolve, when it had begun.
        keep_firing_since: Since when a firing alert's condition has not held; None while it holds. Later by the time
            of which nothing was known, too.
        resolved_at: When it last resolved; None while it is firing.
        resolved_because: Why it resolved where the condition's end is not the reason ("rule removed").
        evidence: What was compared last.
        fired_under: Of a firing alert the level's fixed limit that the count was beyond; see `is_held_by`.
    """

    key: AlertKey
    state: AlertState = AlertState.INACTIVE
    value: int | None = None
    peak: int | None = None
    active_at: datetime | None = None
    fired_at: datetime | None = None
    keep_firing_since: datetime | None = None
    resolved_at: datetime | None = None
    resolved_because: str = ""
    evidence: tuple[Evidence, ...] = ()
    fired_under: str = ""

    @property
    def is_firing(self) -> bool:
        """Whether it is firing."""
        return self.state is AlertState.FIRING

    @property
    def is_no_data(self) -> bool:
        """Whether it says that a tenant cannot be polled, rather than how much is held."""
        return any(each.condition in _ABOUT_POLLING for each in self.evidence)

    @property
    def seen_at(self) -> datetime | None:
        """When a poll last decided on it; None before that, and for an alert about polling."""
        return max((each.value.at for each in self.evidence if each.value is not None), default=None)

    def is_held_by(self, level: Level) -> bool:
        """Say whether `clear_at` holds it: it fires, and did so under the limit that is in force."""
        return self.is_firing and self.fired_under == level.fixed_limit

    @property
    def duration(self) -> timedelta | None:
        """How long it fired, for a resolved alert; None otherwise. About polling: how long there was no data."""
        began_at = self.firing_since
        return None if began_at is None or self.resolved_at is None else self.resolved_at - began_at

    @property
    def firing_since(self) -> datetime | None:
        """When it began to fire; about polling, when there was data last."""
        if self.fired_at is None:
            return None
        return min(
            (each.last_success_at for each in self.evidence if each.last_success_at is not None), default=self.fired_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of an alert's state, with the operands that caused it: a line of its history."""

    key: AlertKey
    at: datetime
    from_state: AlertState
    to_state: AlertState
    evidence: tuple[Evidence, ...]
    detail: str = ""

    @property
    def is_resolution(self) -> bool:
        """Whether a firing alert ended."""
        return self.from_state is AlertState.FIRING and self.to_state is AlertState.INACTIVE


def step(alert: Alert, evaluation: Evaluation, level: Level, *, now: datetime) -> tuple[Alert, Transition | None]:
    """Return the alert after an evaluation, and the transition if its state changed.

    Args:
        alert: The alert before; of an alert that was never active, one with its key alone.
        evaluation: What the level found on the alert's series.
        level: Where `for` and `keep_firing_for` stand.
        now: The instant of the evaluation.
    """
    known = _without_gaps(alert, evaluation, now=now)
    after = _step(_with_value(known, evaluation, level), evaluation.verdict, level, now=now)
    if after.state is alert.state:
        return after, None
    return after, Transition(
        key=alert.key, at=now, from_state=alert.state, to_state=after.state, evidence=evaluation.evidence
    )


def no_data_since(alert: Alert, poll_intervals: Mapping[Tenant, timedelta], *, now: datetime) -> datetime | None:
    """Return since when a firing alert has had no data, if that is longer than two poll intervals; None otherwise.

    Args:
        alert: The alert; one about polling needs no data.
        poll_intervals: How often each tenant is polled; a sum over all tenants is as patient as the slowest.
        now: The present.
    """
    interval = poll_intervals.get(alert.key.tenant) or max(poll_intervals.values(), default=None)
    if not alert.is_firing or alert.seen_at is None or interval is None:
        return None
    # What is kept of an alert may be this much older than its newest poll, where polls are closer together.
    lag = REFRESH_AFTER + MAX_SAVE_DELAY if interval <= MAX_SAVE_DELAY else timedelta(0)
    patience = TOLERANCE_INTERVALS * interval + lag
    return alert.seen_at if now - alert.seen_at > patience else None


def needs_write(before: Alert | None, after: Alert) -> bool:
    """Return True if an alert differs from what is stored, and was not just found again as it was a moment ago.

    A poll finds nearly always the counts of the one before. Then nothing has changed but the instants at which they
    were compared, which are stored again when the stored ones have grown old; at once where a span of a sum over
    tenants is measured from them.

    Args:
        before: As it is kept; None for one that is not.
        after: As it was found now.
    """
    if before is None or replace(after, evidence=before.evidence) != before:
        return True
    if after.key.tenant == ALL_TENANTS and _measures_span(after) and after.seen_at != before.seen_at:
        return True
    if len(before.evidence) != len(after.evidence):
        return True
    return not all(_are_alike(one, other) for one, other in zip(before.evidence, after.evidence, strict=True))


def _are_alike(one: Evidence, other: Evidence) -> bool:
    """Say whether two comparisons differ in their instants alone, and hardly in those."""
    samples = ((one.value, other.value), (one.reference, other.reference), (one.expected, other.expected))
    timeless = replace(other, value=one.value, reference=one.reference, expected=one.expected)
    return timeless == one and all(_were_seen_together(*pair) for pair in samples)


def _were_seen_together(one: Sample | None, other: Sample | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.count == other.count and abs(other.at - one.at) < REFRESH_AFTER


def firing_spans(
    alert: Alert, transitions: Iterable[Transition], *, since: datetime, now: datetime
) -> tuple[Span, ...]:
    """Return when an alert has fired since an instant, oldest first; what has not ended ends now.

    Args:
        alert: As it is.
        transitions: Its transitions into firing and out of it since then, oldest first.
        since: An alert that was firing before counts from here on.
        now: The present.
    """
    spans: list[Span] = []
    begun = since
    for transition in transitions:
        if transition.to_state is AlertState.FIRING:
            begun = transition.at
        else:
            spans.append(Span(begun, transition.at))
    return (*spans, Span(begun, now)) if alert.is_firing else tuple(spans)


def resolve_removed(alert: Alert, *, why: str, now: datetime) -> tuple[Alert, Transition | None]:
    """Return the alert after its rule, level or tenant has gone; a firing one resolves with `why`."""
    if alert.state is AlertState.INACTIVE:
        return alert, None
    after = _resolved(alert, now=now) if alert.is_firing else _forgotten(alert)
    after = replace(after, resolved_because=why if alert.is_firing else "")
    return after, Transition(
        key=alert.key, at=now, from_state=alert.state, to_state=after.state, evidence=alert.evidence, detail=why
    )


def shift_clock(alert: Alert, *, by: timedelta) -> Alert:
    """Return the alert with the instants from which it measures moved along with the clock.

    A clock that jumps an hour ahead has not made a pending alert an hour older, nor a firing or an ending one, nor has
    it left a gap in what is known of it. What is over stays as it was: both its ends stand on the clock of then.
    """
    if alert.state is AlertState.INACTIVE:
        return alert
    return replace(
        alert,
        active_at=_moved(alert.active_at, by=by),
        fired_at=_moved(alert.fired_at, by=by) if alert.is_firing else alert.fired_at,
        keep_firing_since=_moved(alert.keep_firing_since, by=by),
        evidence=tuple(
            each if each.value is None else replace(each, value=replace(each.value, at=each.value.at + by))
            for each in alert.evidence
        ),
    )


def _moved(at: datetime | None, *, by: timedelta) -> datetime | None:
    return None if at is None else at + by


def _without_gaps(alert: Alert, evaluation: Evaluation, *, now: datetime) -> Alert:
    """Return an alert whose spans leave out the time that nothing is known of, as far as that was not done before."""
    if not _measures_span(alert):
        return alert
    decided_at = alert.seen_at or now
    gap = _gap_in_sum(evaluation, decided_at) if alert.key.tenant == ALL_TENANTS else _gap(evaluation, decided_at, now)
    if gap <= timedelta(0):
        return alert
    active_at = _moved(alert.active_at, by=gap) if alert.state is AlertState.PENDING else alert.active_at
    return replace(alert, active_at=active_at, keep_firing_since=_moved(alert.keep_firing_since, by=gap))


def _measures_span(alert: Alert) -> bool:
    """Say whether `for` or `keep_firing_for` of an alert runs."""
    return alert.state is AlertState.PENDING or alert.keep_firing_since is not None


def _gap(evaluation: Evaluation, decided_at: datetime, now: datetime) -> timedelta:
    """Return how long nothing was known before the run of coverage that begins with this poll.

    A later poll of the run has no gap before it, whether or not the first one had enough data to decide. After a clock
    that jumped ahead, the last decision lies beyond the run that it was in; the next poll is not late because of that.
    """
    match evaluation.coverage[-2:]:
        case [before, newest] if newest.start_at == now:
            if before.end_at < decided_at and now - decided_at <= evaluation.longest_step:
                return timedelta(0)
            return now - max(before.end_at, decided_at)
        case _:
            return timedelta(0)


def _gap_in_sum(evaluation: Evaluation, decided_at: datetime) -> timedelta:
    """Return how long nothing was known of a sum over tenants since a poll last decided on it.

    Any of the polls of another instance may have begun a run. The newest sample of a tenant stands for it for a while
    after its run: of that counts what a poll decided in. The run in which a poll decided is not among those that were
    read where one tenant has had several since, and another none.
    """
    if evaluation.verdict is Verdict.NO_DATA:
        return timedelta(0)
    gaps = max(evaluation.coverage[0].start_at - decided_at, timedelta(0))
    for before, after in pairwise(evaluation.coverage):
        since = max(before.end_at, decided_at)
        has_jumped = decided_at > before.end_at + evaluation.tolerance
        if after.start_at > since and not (has_jumped and after.start_at - since <= evaluation.longest_step):
            gaps += after.start_at - since
    return gaps


def _step(alert: Alert, verdict: Verdict, level: Level, *, now: datetime) -> Alert:
    if verdict is Verdict.NO_DATA:
        return alert
    match alert.state:
        case AlertState.INACTIVE:
            return _from_inactive(alert, level, now=now) if verdict is Verdict.ACTIVE else alert
        case AlertState.PENDING:
            return _from_pending(alert, level, now=now) if verdict is Verdict.ACTIVE else _forgotten(alert)
        case AlertState.FIRING:
            if verdict is Verdict.ACTIVE:
                # What is not held by `clear_at` was active by itself: from now on it is held.
                goes_on = alert.keep_firing_since is None and alert.fired_under == level.fixed_limit
                return alert if goes_on else replace(alert, keep_firing_since=None, fired_under=level.fixed_limit)
            return _ending(alert, level, now=now)
        case _:
            assert_never(alert.state)


def _with_value(alert: Alert, evaluation: Evaluation, level: Level) -> Alert:
    """Return the alert with the newest count, the operands and, while it is active, the peak.

    An alert that stays inactive keeps nothing, so that nothing is written for it. What cannot be evaluated keeps what
    was compared last; but its count is known wherever the poll was good, though there be nothing to compare it with.
    """
    if alert.state is AlertState.INACTIVE and evaluation.verdict is not Verdict.ACTIVE:
        return alert
    value = next((each.value.count for each in evaluation.evidence if each.value is not None), None)
    before = alert.peak if alert.state is not AlertState.INACTIVE else None
    peak = value if before is None or value is None else (min if level.lower_is_worse else max)(before, value)
    if evaluation.verdict is Verdict.NO_DATA:
        is_known = value is not None and (value, peak) != (alert.value, alert.peak)
        return replace(alert, value=value, peak=peak) if is_known else alert
    evidence = tuple(_since_before(alert, each) for each in evaluation.evidence)
    return replace(alert, value=value, peak=peak, evidence=evidence)


def _since_before(alert: Alert, evidence: Evidence) -> Evidence:
    """Return operands that still say when there was data last, now that there is data again."""
    if not alert.is_firing or evidence.last_success_at is not None or evidence.condition not in _ABOUT_POLLING:
        return evidence
    last_success_at = next(
        (each.last_success_at for each in alert.evidence if each.condition == evidence.condition), None
    )
    return evidence if last_success_at is None else replace(evidence, last_success_at=last_success_at)


def _from_inactive(alert: Alert, level: Level, *, now: datetime) -> Alert:
    # The times of the episode before stay until this one fires: somebody may not have been notified of its end yet.
    return _from_pending(replace(alert, state=AlertState.PENDING, active_at=now), level, now=now)


def _from_pending(alert: Alert, level: Level, *, now: datetime) -> Alert:
    # A clock that was wrong may have left an instant ahead of now: what cannot be yet began at this moment.
    active_at = min(alert.active_at or now, now)
    alert = alert if active_at == alert.active_at else replace(alert, active_at=active_at)
    if now - active_at >= level.for_:
        return replace(
            alert,
            state=AlertState.FIRING,
            fired_at=now,
            fired_under=level.fixed_limit,
            resolved_at=None,
            resolved_because="",
        )
    return alert


def _forgotten(alert: Alert) -> Alert:
    return replace(alert, state=AlertState.INACTIVE, active_at=None, peak=None)


def _ending(alert: Alert, level: Level, *, now: datetime) -> Alert:
    since = min(alert.keep_firing_since or now, now)
    if now - since >= level.keep_firing_for:
        return _resolved(alert, now=now)
    return replace(alert, keep_firing_since=since)


def _resolved(alert: Alert, *, now: datetime) -> Alert:
    return replace(alert, state=AlertState.INACTIVE, active_at=None, keep_firing_since=None, resolved_at=now)
