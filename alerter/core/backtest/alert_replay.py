"""Replay of one alert over years of history: evaluated at the polls at which a live poll would have to evaluate it.

Each verdict says until when and for which counts it stands (`evaluation.skip_after`), and nothing is evaluated before
then: what a live poll may skip, the replay skips. So a condition needs nothing for replays that it does not need live.
No I/O: values in, values out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, step
from alerter.core.conditions import InputKind, Verdict
from alerter.core.evaluation import SkipUntil, skip_after
from alerter.core.history import SeriesHistory, TenantHistory, sum_of_reasons, sum_of_tenants
from alerter.core.poll_times import Int64Array, int64_array
from alerter.core.rules import Level, Per, Rule, evaluate
from alerter.core.series import Span, Tenant, from_epoch_us


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """An alert after one of the polls at which it was evaluated.

    Attributes:
        at: The poll.
        alert: What it is since then.
        verdict: What its level found.
        transition: How its state changed; None where only its count or its evidence did.
    """

    at: int
    alert: Alert
    verdict: Verdict
    transition: Transition | None


@dataclass(frozen=True, kw_only=True)
class AlertReplay:
    """One alert and the archive that it is evaluated on.

    Attributes:
        key: Which alert.
        level: What evaluates it.
        history: What it is evaluated on.
        fired: When it has fired so far, oldest first; filled while it is replayed.
    """

    key: AlertKey
    level: Level
    history: SeriesHistory
    fired: list[Span] = field(default_factory=list)

    def changes(self) -> Iterator[AlertChange]:
        """Yield the alert at each poll at which it was evaluated and is or was not inactive, oldest first."""
        alert, verdict = Alert(key=self.key), Verdict.NO_DATA
        index = last = self.begin
        while index < len(self.polls):
            is_live = alert.state is not AlertState.INACTIVE
            if is_live and last < index - 1:
                alert = self._followed(alert, last, index - 1)
            change, skip = self.evaluate_at(alert, self.polls[index])
            if is_live and last < index - 1 and change.verdict is Verdict.NO_DATA is not verdict:
                # What was compared last is of the poll before, at which the last verdict still stood.
                decided = self.evaluate_at(alert, self.polls[index - 1])[0].alert
                change = replace(change, alert=replace(change.alert, evidence=decided.evidence))
            if is_live or change.alert is not alert:
                yield change
            alert, verdict, last = change.alert, change.verdict, index
            index = self._next_index(index, skip)

    def firings(self) -> Iterator[tuple[datetime, datetime | None]]:
        """Yield since when and until when the alert fires, oldest first; None for the end that has not come."""
        since = None
        for transition in (change.transition for change in self.changes() if change.transition is not None):
            if transition.to_state is AlertState.FIRING:
                since = transition.at
            elif since is not None:
                yield since, transition.at
                since = None
        if since is not None:
            yield since, None

    def evaluate_at(self, alert: Alert, now: int) -> tuple[AlertChange, SkipUntil]:
        """Return the alert after one of its polls, as live, and until when it need not be evaluated again."""
        at, level = from_epoch_us(now), self.level
        # Time of which nothing was known does not count, however long ago a poll last decided on the alert.
        seen_at = alert.seen_at if alert.state is not AlertState.INACTIVE else None
        series = self.history.series_at(
            now, window=level.lookback if seen_at is None else max(level.lookback, at - seen_at)
        )
        firing, fired = alert.is_held_by(level), self._fired(alert, at)
        evaluation = evaluate(level, series, firing=firing, fired=fired, now=at)
        after, transition = step(alert, evaluation, level, now=at)
        if transition is not None and transition.is_resolution:
            self.fired.append(Span(alert.fired_at or at, at))
        change = AlertChange(at=now, alert=after, verdict=evaluation.verdict, transition=transition)
        return change, skip_after(evaluation, alert, after, level, now=at)

    def newest(self, change: AlertChange, *, now: int) -> AlertChange | None:
        """Return an alert as of its last poll by `now`; None where it was evaluated at that one.

        Args:
            change: The alert as it was evaluated last by then, which is not inactive.
            now: An instant before it is evaluated again.
        """
        first, last = self._index_of(change.at), bisect_right(self.polls, now) - 1
        if last <= first:
            return None
        followed = self._followed(change.alert, first, last)
        if change.verdict is Verdict.NO_DATA:
            return replace(change, at=self.polls[last], alert=followed, transition=None)
        return self.evaluate_at(followed, self.polls[last])[0]

    def owner_at(self, poll: int) -> int:
        """Return whose one of its polls was: of those that a sum over tenants is made of, the index; else 0."""
        owners = self.history.poll_times.owner_indexes
        return owners[self._index_of(poll)] if owners else 0

    @cached_property
    def polls(self) -> Int64Array:
        """The polls at which it can change: a failed one says nothing of what is held."""
        poll_times = self.history.poll_times
        return poll_times.polls if self._is_about_polling or poll_times.owner_indexes else poll_times.good

    @cached_property
    def begin(self) -> int:
        """The index of the first poll at which rules look at the series."""
        return bisect_left(self.polls, self.history.first_seen_at)

    @cached_property
    def _breaks(self) -> Int64Array:
        """The polls at which nothing is skipped: the one before failed or was missed, or the first one failed."""
        poll_times = self.history.poll_times
        if poll_times.owner_indexes:
            # When a run of a sum ended is known by the last poll that decided in it.
            ends = (bisect_left(self.polls, since) - 1 for since in poll_times.since)
            return int64_array(sorted({*poll_times.since, *(self.polls[end] for end in ends if end >= 0)}))
        if self._is_about_polling:
            return int64_array(edge for outage in poll_times.outages for edge in (outage.since, outage.until))
        if self.level.needs_even_polls:
            return int64_array(sorted({*poll_times.since, *poll_times.uneven}))
        return poll_times.since

    @property
    def _is_about_polling(self) -> bool:
        return self.level.conditions[0].input_kind is InputKind.POLLING

    def _index_of(self, poll: int) -> int:
        return bisect_left(self.polls, poll)

    def _next_index(self, index: int, skip: SkipUntil) -> int:
        """Return the index of the next poll at which the alert must be evaluated."""
        polls, breaks, history = self.polls, self._breaks, self.history
        now = polls[index]
        if skip.until_us <= now:
            return index + 1
        stop = bisect_left(polls, skip.until_us, index + 1)
        following = bisect_right(breaks, now)
        if following < len(breaks):
            stop = min(stop, bisect_left(polls, breaks[following], index + 1))
        end = bisect_right(history.at, polls[stop - 1])
        held, least, most = history.held, skip.min_count, skip.max_count
        for step_index in range(bisect_right(history.at, now), end):
            if not least <= held[step_index] <= most:
                return bisect_left(polls, history.at[step_index], index + 1)
        return stop

    def _followed(self, alert: Alert, first: int, last: int) -> Alert:
        """Return an alert with the count and the peak of polls at which nothing was decided, given by their indexes.

        The polls are those after the first, until the last, which is included.
        """
        polls, history = self.polls, self.history
        since, until = (bisect_right(history.at, polls[each]) for each in (first, last))
        if since == until or alert.peak is None:
            return alert
        held = history.held[since:until]
        if history.poll_times.owner_indexes:
            # What a sum was between the polls that evaluate it, nobody saw.
            seen = {bisect_left(polls, at) for at in history.at[since:until]}
            held = int64_array(history.held[bisect_right(history.at, polls[each]) - 1] for each in seen if each <= last)
        worst = min if self.level.lower_is_worse else max
        return replace(alert, value=history.held[until - 1], peak=worst(alert.peak, *held))

    def _fired(self, alert: Alert, now: datetime) -> Sequence[Span]:
        if not self.level.needs_firing_history:
            return ()
        return (*self.fired, Span(alert.fired_at, now)) if alert.is_firing and alert.fired_at else self.fired


def alert_replays(
    rule: Rule, tenants: Sequence[TenantHistory], *, triggers: Collection[Tenant] | None = None
) -> Iterator[AlertReplay]:
    """Yield the alerts that a rule can have, in the order in which they are evaluated live.

    Args:
        rule: The rule.
        tenants: Every tenant that there is.
        triggers: With whose polls a sum over all is evaluated; None for those of all that the rule selects.
    """
    histories = list(histories_for(rule, tenants, triggers=triggers))
    for severity, level in rule.levels.items():
        for history in histories:
            key = AlertKey(rule=rule.name, severity=severity, tenant=history.tenant, reason=history.reason)
            yield AlertReplay(key=key, level=level, history=history)


def histories_for(
    rule: Rule, tenants: Sequence[TenantHistory], *, triggers: Collection[Tenant] | None = None
) -> Iterator[SeriesHistory]:
    """Yield what a rule evaluates, each on its own: see `rules.select_series`; the arguments are as above."""
    selected = [tenant for tenant in tenants if rule.tenants.matches(tenant.polling.tenant)]
    if rule.input_kind is InputKind.POLLING:
        yield from (tenant.polling for tenant in selected)
    elif rule.scope is Per.REASON:
        yield from (
            replace(each, others=tenant.reasons) if rule.compares_reasons else each
            for tenant in selected
            for each in tenant.reasons
            if rule.reasons.matches(each.reason)
        )
    elif rule.scope is Per.TENANT:
        yield from (sum_selected(rule, tenant) for tenant in selected)
    elif selected:
        yield sum_of_tenants([sum_selected(rule, tenant) for tenant in selected], triggers=triggers)


def sum_selected(rule: Rule, tenant: TenantHistory) -> SeriesHistory:
    """Return what a tenant held together for the reasons that a rule selects."""
    chosen = [history for history in tenant.reasons if rule.reasons.matches(history.reason)]
    return sum_of_reasons([tenant.polling, *chosen])
