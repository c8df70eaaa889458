"""One alert's way through years of history: judged only where something can change, by the live functions.

Each condition says at which instants it may turn active or cease to be, whether the alert is firing or not (`turns`).
Between two of them an alert that is not inactive is judged as well: when its count changes, when one of its spans is
over, and at every poll for as long as there is no data, which may turn into proof at any of them. No I/O: values in,
values out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, step
from alerter.core.conditions import Subject, Verdict
from alerter.core.history import SeriesHistory, TenantHistory, sum_of_reasons, sum_of_tenants
from alerter.core.poll_times import NEVER, Int64Array, numbers
from alerter.core.rules import Level, Per, Rule, evaluate
from alerter.core.series import Span, Tenant, from_epoch_us, to_epoch_us


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """An alert after one of the polls at which it changed.

    Attributes:
        at: The poll.
        alert: What it is since then.
        verdict: What its level found.
        transition: How its state changed; None where only its count or its operands did.
    """

    at: int
    alert: Alert
    verdict: Verdict
    transition: Transition | None


@dataclass(frozen=True, kw_only=True)
class AlertReplay:
    """One alert and the archive that it is judged on.

    Attributes:
        key: Which alert.
        level: What judges it.
        history: What it is judged on.
        fired: When it has fired so far, oldest first; filled while it is replayed.
    """

    key: AlertKey
    level: Level
    history: SeriesHistory
    fired: list[Span] = field(default_factory=list)

    def evaluate_due(self, alert: Alert, now: int) -> AlertChange:
        """Judge the alert at one of its polls, as live."""
        at = from_epoch_us(now)
        series = self.history.as_of(now, window=self.level.window)
        firing, fired = alert.is_held_by(self.level), self._fired(alert, at)
        evaluation = evaluate(self.level, series, firing=firing, fired=fired, now=at)
        after, transition = step(alert, evaluation, self.level, now=at)
        return AlertChange(at=now, alert=after, verdict=evaluation.verdict, transition=transition)

    def stages(self, turns: Iterable[int] | None = None) -> Iterator[AlertChange]:
        """Yield the alert at each poll at which it changed, oldest first.

        Args:
            turns: At which instants it may turn active or cease to be; None for those that its conditions name.
        """
        agenda = _Agenda(self, self.turns() if turns is None else turns, changes=self.history.at)
        yield from (stage for before, stage in self._walk(agenda) if stage.alert is not before)

    def firings(self) -> Iterator[tuple[datetime, datetime | None]]:
        """Yield since when and until when the alert fires, oldest first; None for the end that has not come.

        It is judged where its state may change, and not where its count alone does: nobody asks for its peak.
        """
        since = None
        for before, stage in self._walk(_Agenda(self, self.turns(), changes=numbers())):
            if stage.alert.is_firing and not before.is_firing:
                since = stage.alert.fired_at
            elif since is not None and before.is_firing and not stage.alert.is_firing:
                yield since, from_epoch_us(stage.at)
                since = None
        if since is not None:
            yield since, None

    def _walk(self, agenda: "_Agenda") -> Iterator[tuple[Alert, AlertChange]]:
        """Yield the alert before and after each poll at which it is judged."""
        polls = self.history.poll_times.polls
        alert = Alert(key=self.key)
        index = judged = agenda.begin
        while index < len(polls):
            before = alert
            stage = self.evaluate_due(before, polls[index])
            if stage.verdict is Verdict.NO_DATA and stage.alert is not before:
                # Only its count is of now: what was compared last is of the newest poll before at which that could be.
                last = self.newest(before, since=polls[judged], until=polls[index - 1])
                stage = replace(stage, alert=replace(stage.alert, evidence=last.evidence))
            judged = index
            alert = stage.alert
            if stage.transition is not None and stage.transition.is_resolution:
                self.fired.append(Span(before.fired_at or stage.transition.at, stage.transition.at))
            yield before, stage
            index = agenda.after(index, stage)

    def last_poll(self, now: int) -> int:
        """Return the last of its polls that is not after an instant; there must be one."""
        polls = self.history.poll_times.polls
        return polls[bisect_right(polls, now) - 1]

    def newest(self, alert: Alert, *, since: int, until: int) -> Alert:
        """Return an alert whose state stayed the same between two of its polls as of the last one with data."""
        poll_times = self.history.poll_times
        while until > since:
            stage = self.evaluate_due(alert, until)
            if stage.verdict is not Verdict.NO_DATA:
                return stage.alert
            outage = poll_times.outage_at(until)
            until = self.last_poll((until if outage is None else outage.since) - 1)
        return alert

    def owner_at(self, poll: int) -> int:
        """Return whose one of its polls was: of those that a sum over tenants is made of, the place; else 0."""
        poll_times = self.history.poll_times
        return poll_times.owners[bisect_left(poll_times.polls, poll)] if poll_times.owners else 0

    def turns(self) -> Iterator[int]:
        """Yield every instant from which on a condition may be active where it was not, or not where it was."""
        poll_times = self.history.poll_times
        for outage in poll_times.outages:
            yield from (outage.since, outage.until)
        for since, until in zip(poll_times.since, poll_times.until, strict=True):
            yield from (since, until + 1)
        for condition in self.level.conditions:
            yield from condition.turns(self.history)

    def _fired(self, alert: Alert, now: datetime) -> Sequence[Span]:
        if not self.level.remembers:
            return ()
        return (*self.fired, Span(alert.fired_at, now)) if alert.is_firing and alert.fired_at else self.fired


class _Agenda:
    """At which polls an alert is judged; polls are named by their place in the timeline.

    Attributes:
        begin: The first one.
    """

    def __init__(self, track: AlertReplay, turns: Iterable[int], *, changes: Int64Array) -> None:
        """Take where the alert may turn, and the changes of its count that it follows while it is not inactive."""
        history = track.history
        self._level = track.level
        self._timeline = history.poll_times
        self._polls = history.poll_times.polls
        self._changes = changes
        self.begin = bisect_left(self._polls, history.seen_since)
        places = {bisect_left(self._polls, instant) for instant in turns}
        self._turns = numbers(sorted(places))

    def after(self, index: int, stage: AlertChange) -> int:
        """Return the next poll at which the alert is judged, after it was at one; past the last one for none."""
        turn = bisect_right(self._turns, index)
        next_turn = self._turns[turn] if turn < len(self._turns) else len(self._polls)
        if stage.alert.state is AlertState.INACTIVE:
            return next_turn
        return min(next_turn, *(max(index + 1, bisect_left(self._polls, at)) for at in self._reasons(stage)))

    def _reasons(self, stage: AlertChange) -> Iterator[int]:
        """Yield when else a live alert is judged next."""
        change = bisect_right(self._changes, stage.at)
        yield self._changes[change] if change < len(self._changes) else NEVER
        if stage.verdict is Verdict.NO_DATA:
            outage = self._timeline.outage_at(stage.at)
            yield stage.at if outage is None else outage.until
            return
        alert = stage.alert
        if alert.state is AlertState.PENDING and alert.active_at is not None:
            yield to_epoch_us(alert.active_at + self._level.for_)
        if alert.keep_firing_since is not None:
            yield to_epoch_us(alert.keep_firing_since + self._level.keep_firing_for)


def alert_replays(
    rule: Rule, tenants: Sequence[TenantHistory], *, bearers: Collection[Tenant] | None = None
) -> Iterator[AlertReplay]:
    """Yield the alerts that a rule can have, in the order in which they are judged live.

    Args:
        rule: The rule.
        tenants: Every tenant that there is.
        bearers: With whose polls a sum over all is judged; None for those of all that the rule selects.
    """
    histories = list(histories_for(rule, tenants, bearers=bearers))
    for severity, level in rule.levels.items():
        for history in histories:
            key = AlertKey(rule=rule.name, severity=severity, tenant=history.tenant, reason=history.reason)
            yield AlertReplay(key=key, level=level, history=history)


def histories_for(
    rule: Rule, tenants: Sequence[TenantHistory], *, bearers: Collection[Tenant] | None = None
) -> Iterator[SeriesHistory]:
    """Yield what a rule judges, each on its own: see `rules.select_series`, and `alert_replays` for the arguments."""
    selected = [tenant for tenant in tenants if rule.tenants.matches(tenant.polling.tenant)]
    if rule.subject is Subject.POLLING:
        yield from (tenant.polling for tenant in selected)
    elif rule.scope is Per.REASON:
        yield from (each for tenant in selected for each in tenant.reasons if rule.reasons.matches(each.reason))
    elif rule.scope is Per.TENANT:
        yield from (sum_selected(rule, tenant) for tenant in selected)
    elif selected:
        yield sum_of_tenants([sum_selected(rule, tenant) for tenant in selected], bearers=bearers)


def sum_selected(rule: Rule, tenant: TenantHistory) -> SeriesHistory:
    """Return what a tenant held together for the reasons that a rule selects."""
    chosen = [history for history in tenant.reasons if rule.reasons.matches(history.reason)]
    return sum_of_reasons([tenant.polling, *chosen])
