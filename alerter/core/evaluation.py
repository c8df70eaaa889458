"""What a poll makes of a tenant's alerts: every level of every rule is judged, but where that cannot change anything.

Nearly every series of nearly every poll is as it was, or not far from it. Each condition says until when it is idle,
and for which counts: a rule leaves a series alone until then, while its count is one of these and none of its alerts
lives.

A cycle takes three steps, so that no more is read than is needed: `docket` says which rules must judge which series,
somebody gets these, and `judge` steps their alerts. No I/O: values in, values out.
"""

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, step
from alerter.core.conditions import ANY_COUNT, FOREVER, Subject
from alerter.core.rules import Evaluation, Level, Per, Rule, TenantSeries, evaluate, select_series
from alerter.core.series import ALL_REASONS, HoldReason, Series, Span, number_of

#: The place of what a rule on more than single reasons judges: there is nothing else.
THE_SUM = 0


class _Rest(NamedTuple):
    """Until when one series can be left alone, in microseconds since 1970, and for which counts."""

    until: int
    least: int
    most: int

    def and_(self, other: "_Rest") -> "_Rest":
        """Return what holds of both."""
        return _Rest(min(self.until, other.until), max(self.least, other.least), min(self.most, other.most))


_FOR_EVER = _Rest(number_of(FOREVER), *ANY_COUNT)
_NOT_AT_ALL = _Rest(number_of(datetime.min.replace(tzinfo=UTC)), *ANY_COUNT)


@dataclass(frozen=True, slots=True)
class Rests:
    """Until when a rule can leave each of a tenant's series alone; packed, for there are half a million of them.

    Attributes:
        until: Of each series, in microseconds since 1970.
        least: The lowest count for which that holds.
        most: The highest one.
    """

    until: "array[int]"
    least: "array[int]"
    most: "array[int]"

    @classmethod
    def of(cls, rests: Sequence[_Rest]) -> "Rests":
        """Return the rests of these series."""
        return cls(*(array("q", [rest[number] for rest in rests]) for number in range(len(_FOR_EVER))))

    def due(self, changed: Mapping[int, int], *, now: datetime) -> list[int]:
        """Return the places of the series that must be judged.

        Args:
            changed: The counts of those of which they are not those of the poll before, by their places.
            now: When the poll was.
        """
        due = {place for place, count in changed.items() if not self.least[place] <= count <= self.most[place]}
        instant = number_of(now)
        if min(self.until, default=_FOR_EVER.until) <= instant:
            due |= {place for place, until in enumerate(self.until) if until <= instant}
        return sorted(due)

    def with_(self, found: Mapping[int, _Rest]) -> "Rests":
        """Return the rests after some series were judged."""
        until, least, most = self.until[:], self.least[:], self.most[:]
        for place, rest in found.items():
            until[place], least[place], most[place] = rest
        return Rests(until, least, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What need not be judged at the next good polls of a tenant.

    Attributes:
        rules: The rules of which that holds.
        poll_interval: How often the tenant is polled while it holds.
        timezone: Where its people work.
        rests: Of each rule.
    """

    rules: tuple[Rule, ...]
    poll_interval: timedelta
    timezone: tzinfo
    rests: tuple[Rests, ...]

    def is_of(self, rules: Sequence[Rule], poll_interval: timedelta, timezone: tzinfo) -> bool:
        """Say whether it still holds, after the configuration may have been read again."""
        return (
            (self.poll_interval, self.timezone) == (poll_interval, timezone)
            and len(self.rules) == len(rules)
            and all(_judge_alike(one, other) for one, other in zip(self.rules, rules, strict=True))
        )


def _judge_alike(one: Rule, other: Rule) -> bool:
    """Say whether two rules find the same of a tenant at which both look."""
    return one is other or one == replace(other, tenants=one.tenants, runbook=one.runbook)


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule must judge at a poll.

    Attributes:
        number: Which of the tenant's rules it is.
        rule: The rule.
        places: Of the series among those of the tenant, or `THE_SUM`.
    """

    number: int
    rule: Rule
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Docket:
    """What must be judged at a poll, and what need not be, whether or not it is.

    Attributes:
        cases: In the order of the rules; one that has nothing to judge is left out.
        rests: Of each rule, until when it can leave what is not judged now alone.
    """

    cases: tuple[Case, ...]
    rests: tuple[Rests, ...]


def docket(
    rules: Sequence[Rule],
    names: Sequence[HoldReason],
    counts: Mapping[HoldReason, int],
    alive: Collection[AlertKey],
    *,
    idle: Idle | None,
    changed: Mapping[int, int],
    now: datetime,
) -> Docket:
    """Return what must be judged at a good poll.

    Args:
        rules: Those that look at the tenant.
        names: The hold reasons of its series, in their order.
        counts: What the poll saw.
        alive: The alerts that are pending or firing.
        idle: What can be left alone according to the poll before; None where nothing is known.
        changed: The counts that are not those of the poll before, by the places of their series.
        now: When the poll was.
    """
    if idle is None:
        living = {(key.rule, key.reason) for key in alive}
        rests = tuple(_first_rests(rule, names, counts, living) for rule in rules)
    else:
        rests = idle.rests
    places = (
        each.due(changed if rule.scope is Per.REASON else _changed_sum(rule, counts, changed), now=now)
        for rule, each in zip(rules, rests, strict=True)
    )
    cases = (Case(number, rules[number], tuple(due)) for number, due in enumerate(places) if due)
    return Docket(tuple(cases), rests)


def _first_rests(
    rule: Rule, names: Sequence[HoldReason], counts: Mapping[HoldReason, int], living: Collection[tuple[str, str]]
) -> Rests:
    """Return what a rule can leave alone of which nothing is known but its counts, and which of its alerts live."""
    if rule.scope is not Per.REASON:
        total = sum(count for reason, count in counts.items() if rule.reasons.matches(reason))
        lives = rule.scope is Per.ALL or rule.subject is Subject.POLLING or (rule.name, ALL_REASONS) in living
        return Rests.of([_NOT_AT_ALL if lives else _harmless(rule, total)])
    return Rests.of(
        [
            _FOR_EVER
            if not rule.reasons.matches(name)
            else _NOT_AT_ALL
            if (rule.name, name) in living
            else _harmless(rule, counts.get(name, 0))
            for name in names
        ]
    )


def _harmless(rule: Rule, count: int) -> _Rest:
    """Return until when a count can be left alone whatever was before: for ever, or not at all."""
    if rule.harmless is None or not rule.harmless[0] <= count <= rule.harmless[1]:
        return _NOT_AT_ALL
    return _Rest(_FOR_EVER.until, *rule.harmless)


def _changed_sum(rule: Rule, counts: Mapping[HoldReason, int], changed: Mapping[int, int]) -> dict[int, int]:
    """Return what a rule on the tenant as a whole sees where any count has changed."""
    if not changed or rule.subject is Subject.POLLING:
        return {}
    return {THE_SUM: sum(count for reason, count in counts.items() if rule.reasons.matches(reason))}


@dataclass(slots=True)
class Judgement:
    """What came of it.

    Attributes:
        alerts: Those that are not as they were.
        transitions: The changes of state among that.
        judged: The alerts that were judged.
    """

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    judged: set[AlertKey] = field(default_factory=set)


def chosen(case: Case, tenants: Sequence[TenantSeries]) -> dict[int, Series]:
    """Return the series that a rule must judge, by their places.

    Args:
        case: The rule, and which series.
        tenants: All tenants for a rule that looks at them together; else the one that was polled.
    """
    if case.rule.scope is not Per.REASON:
        return dict(enumerate(select_series(case.rule, tenants)))
    (own,) = tenants
    return {place: own.reasons[place] for place in case.places}


def judge(
    heard: Sequence[tuple[Case, Mapping[int, Series]]],
    alerts: Mapping[AlertKey, Alert],
    fired: Mapping[AlertKey, Sequence[Span]],
    rests: Sequence[Rests],
    *,
    now: datetime,
) -> tuple[Judgement, tuple[Rests, ...]]:
    """Step the alerts of what is on a docket; return what came of it, and what can be left alone after it.

    Args:
        heard: The cases, with the series that each must judge.
        alerts: Those that are or were not inactive.
        fired: When they have fired, of levels that remember it.
        rests: Those of the docket.
        now: When the poll was.
    """
    bench = _Bench(alerts, fired, now)
    after = list(rests)
    for case, series in heard:
        found = bench.judge(case.rule, series)
        # Another tenant may change what all of them hold together.
        is_ours = case.rule.scope is not Per.ALL
        after[case.number] = rests[case.number].with_(found if is_ours else dict.fromkeys(found, _NOT_AT_ALL))
    return bench.judgement, tuple(after)


def judge_failure(
    rules: Sequence[Rule], own: TenantSeries, alerts: Mapping[AlertKey, Alert], *, now: datetime
) -> Judgement:
    """Return what the rules make of a failed poll, which proves nothing of what is held: polling alone is judged."""
    bench = _Bench(alerts, {}, now)
    for rule in rules:
        if rule.subject is Subject.POLLING:
            bench.judge(rule, {THE_SUM: own.polling})
    return bench.judgement


@dataclass(slots=True)
class _Bench:
    """Where a poll is judged."""

    alerts: Mapping[AlertKey, Alert]
    fired: Mapping[AlertKey, Sequence[Span]]
    now: datetime
    judgement: Judgement = field(default_factory=Judgement)

    def judge(self, rule: Rule, chosen: Mapping[int, Series]) -> dict[int, _Rest]:
        """Step every alert of a rule on some series; return until when each of them can be left alone."""
        rests = dict.fromkeys(chosen, _FOR_EVER)
        for severity, level in rule.levels.items():
            for place, series in chosen.items():
                key = AlertKey(rule=rule.name, severity=severity, tenant=series.tenant, reason=series.reason)
                rests[place] = rests[place].and_(self._step(key, level, series))
        return rests

    def _step(self, key: AlertKey, level: Level, series: Series) -> _Rest:
        before = self.alerts.get(key) or Alert(key=key)
        fired = self.fired.get(key, ())
        evaluation = evaluate(level, series, firing=before.is_held_by(level), fired=fired, now=self.now)
        after, transition = step(before, evaluation, level, now=self.now)
        self.judgement.judged.add(key)
        # An alert that nothing happened to is the same object.
        if after is not before:
            self.judgement.alerts.append(after)
        if transition is not None:
            self.judgement.transitions.append(transition)
        return self._rest(evaluation, series) if after.state is AlertState.INACTIVE else _NOT_AT_ALL

    def _rest(self, evaluation: Evaluation, series: Series) -> _Rest:
        if evaluation.idle_until is None:
            return _NOT_AT_ALL
        count = series.value_at(self.now) or 0
        return _Rest(number_of(evaluation.idle_until), *(evaluation.idle_within or (count, count)))
