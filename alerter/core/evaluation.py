"""Evaluation of one poll: which series need it, and what it does to their alerts.

Nearly every series of nearly every poll is as it was, or not far from it. Every verdict says how long it stands, so
that a series is evaluated again when its count has left the range or the time is over. While one of its alerts is
pending or firing it is evaluated at every poll, because people see what such an alert compared last.

A cycle takes three steps, so that no more is read than is needed: `plan_evaluation` says which rules must evaluate
which series, somebody gets these, and `evaluate_due` steps their alerts. No I/O: values in, values out.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, step
from alerter.core.conditions import ANY_COUNT, FOREVER, InputKind, Verdict
from alerter.core.rules import Evaluation, Level, Per, Rule, TenantSeries, evaluate, select_series
from alerter.core.series import HoldReason, Series, Span, to_epoch_us

#: The index of what a rule on more than single reasons evaluates: there is nothing else.
SUM_INDEX = 0


class SkipUntil(NamedTuple):
    """An epoch time in microseconds and the inclusive range of counts until which evaluation can be skipped."""

    until_us: int
    min_count: int
    max_count: int

    def intersect(self, other: "SkipUntil") -> "SkipUntil":
        """Return what can be skipped according to both."""
        return SkipUntil(
            min(self.until_us, other.until_us),
            max(self.min_count, other.min_count),
            min(self.max_count, other.max_count),
        )


ALWAYS = SkipUntil(to_epoch_us(FOREVER), *ANY_COUNT)
NEVER = SkipUntil(to_epoch_us(datetime.min.replace(tzinfo=UTC)), *ANY_COUNT)


def skip_after(evaluation: Evaluation, before: Alert, after: Alert, level: Level, *, now: datetime) -> SkipUntil:
    """Return until when a level need not be evaluated again, because neither verdict nor state can change.

    The verdict stands as long as the evaluation says, and the alert has instants of its own: when `for` and
    `keep_firing_for` are over. All that holds while no poll fails or is missed.

    Args:
        evaluation: What the level found.
        before: The alert before it.
        after: The alert after it.
        level: The level.
        now: When it was.
    """
    if before.is_held_by(level) is not after.is_held_by(level):
        # From now on the verdict may be another one.
        return NEVER
    until = evaluation.holds_until
    if evaluation.verdict is not Verdict.NO_DATA and until > now:
        if after.state is AlertState.PENDING and after.active_at is not None:
            until = min(until, after.active_at + level.for_)
        if after.keep_firing_since is not None:
            until = min(until, after.keep_firing_since + level.keep_firing_for)
    return SkipUntil(to_epoch_us(until), *evaluation.holds_within)


@dataclass(frozen=True, slots=True)
class SkipTable:
    """Until when a rule can skip each of a tenant's series; packed, for there are half a million of them.

    Attributes:
        until_us: Of each series, in microseconds since 1970.
        min_count: The lowest count for which that holds.
        max_count: The highest one.
    """

    until_us: "array[int]"
    min_count: "array[int]"
    max_count: "array[int]"

    @classmethod
    def of(cls, skips: Sequence[SkipUntil]) -> "SkipTable":
        """Return the table of these series."""
        return cls(*(array("q", [skip[column] for skip in skips]) for column in range(len(ALWAYS))))

    def due(self, changed: Mapping[int, int], *, now: datetime) -> list[int]:
        """Return the indexes of the series that must be evaluated.

        Args:
            changed: The counts of those of which they are not those of the poll before, by their indexes.
            now: When the poll was.
        """
        due = {index for index, count in changed.items() if not self.min_count[index] <= count <= self.max_count[index]}
        now_us = to_epoch_us(now)
        if min(self.until_us, default=ALWAYS.until_us) <= now_us:
            due |= {index for index, until_us in enumerate(self.until_us) if until_us <= now_us}
        return sorted(due)

    def updated(self, found: Mapping[int, SkipUntil]) -> "SkipTable":
        """Return the table after some series were evaluated."""
        until_us, min_count, max_count = self.until_us[:], self.min_count[:], self.max_count[:]
        for index, skip in found.items():
            until_us[index], min_count[index], max_count[index] = skip
        return SkipTable(until_us, min_count, max_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipCache:
    """For each rule and series of a tenant: until when, and for which counts, evaluation can be skipped.

    It holds from one successful poll to the next: a failed or a missed one ends it.

    Attributes:
        rules: The rules of which that holds.
        poll_interval: How often the tenant is polled while it holds.
        timezone: Where its people work.
        polled_at: The poll after which it was kept.
        tables: Of each rule.
    """

    rules: tuple[Rule, ...]
    poll_interval: timedelta
    timezone: tzinfo
    polled_at: datetime
    tables: tuple[SkipTable, ...]

    def is_valid_for(self, rules: Sequence[Rule], poll_interval: timedelta, timezone: tzinfo) -> bool:
        """Return True if it still holds, after the configuration may have been read again."""
        return (
            (self.poll_interval, self.timezone) == (poll_interval, timezone)
            and len(self.rules) == len(rules)
            and all(_evaluate_alike(one, other) for one, other in zip(self.rules, rules, strict=True))
        )

    def tables_at(self, now: datetime) -> tuple[SkipTable, ...]:
        """Return the tables that hold at the next poll, which may have come too soon for some rules."""
        if self.poll_interval <= 2 * (now - self.polled_at):
            return self.tables
        return tuple(
            SkipTable.of([NEVER] * len(table.until_us)) if rule.needs_even_polls else table
            for rule, table in zip(self.rules, self.tables, strict=True)
        )


def _evaluate_alike(one: Rule, other: Rule) -> bool:
    """Return True if two rules find the same of a tenant at which both look."""
    return one is other or one == replace(other, tenants=one.tenants, runbook=one.runbook)


@dataclass(frozen=True, slots=True)
class DueRule:
    """What a rule must evaluate at a poll.

    Attributes:
        rule_index: Which of the tenant's rules it is.
        rule: The rule.
        series_indexes: Of the series among those of the tenant, or `SUM_INDEX`.
    """

    rule_index: int
    rule: Rule
    series_indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """The series to evaluate at this poll, and the skip table for all others.

    Attributes:
        due_rules: In the order of the rules; one that has nothing to evaluate is left out.
        skip: The skip table of each rule.
    """

    due_rules: tuple[DueRule, ...]
    skip: tuple[SkipTable, ...]


def plan_evaluation(
    rules: Sequence[Rule],
    names: Sequence[HoldReason],
    counts: Mapping[HoldReason, int],
    *,
    cache: SkipCache | None,
    changed: Mapping[int, int],
    now: datetime,
) -> EvaluationPlan:
    """Return what must be evaluated at a successful poll.

    Args:
        rules: Those that look at the tenant.
        names: The hold reasons of its series, in their order.
        counts: What the poll saw.
        cache: What can be skipped according to the poll before; None where nothing is known, and all is evaluated.
        changed: The counts that are not those of the poll before, by the indexes of their series.
        now: When the poll was.
    """
    skip = tuple(_everything(rule, names) for rule in rules) if cache is None else cache.tables_at(now)
    due = (
        table.due(changed if rule.scope is Per.REASON else _changed_sum(rule, counts, changed), now=now)
        for rule, table in zip(rules, skip, strict=True)
    )
    due_rules = (DueRule(number, rules[number], tuple(each)) for number, each in enumerate(due) if each)
    return EvaluationPlan(tuple(due_rules), skip)


def _everything(rule: Rule, names: Sequence[HoldReason]) -> SkipTable:
    """Return the table of a rule that must evaluate every series that it selects."""
    if rule.scope is not Per.REASON:
        return SkipTable.of([NEVER])
    return SkipTable.of([NEVER if rule.reasons.matches(name) else ALWAYS for name in names])


def _changed_sum(rule: Rule, counts: Mapping[HoldReason, int], changed: Mapping[int, int]) -> dict[int, int]:
    """Return what a rule on the tenant as a whole sees where any count has changed."""
    if not changed or rule.input_kind is InputKind.POLLING:
        return {}
    return {SUM_INDEX: sum(count for reason, count in counts.items() if rule.reasons.matches(reason))}


@dataclass(slots=True)
class EvaluationOutcome:
    """What came of an evaluation.

    Attributes:
        alerts: Those that are not as they were.
        transitions: The changes of state among that.
        evaluated: The alerts that were evaluated.
    """

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    evaluated: set[AlertKey] = field(default_factory=set)


def series_for(due: DueRule, tenants: Sequence[TenantSeries]) -> dict[int, Series]:
    """Return the series that a rule must evaluate, by their indexes.

    Args:
        due: The rule, and which series.
        tenants: All tenants for a rule that looks at them together; else the one that was polled.
    """
    if due.rule.scope is not Per.REASON:
        return dict(enumerate(select_series(due.rule, tenants)))
    (own,) = tenants
    return {index: own.reasons[index] for index in due.series_indexes}


def evaluate_due(
    due: Sequence[tuple[DueRule, Mapping[int, Series]]],
    alerts: Mapping[AlertKey, Alert],
    fired: Mapping[AlertKey, Sequence[Span]],
    skip: Sequence[SkipTable],
    *,
    now: datetime,
) -> tuple[EvaluationOutcome, tuple[SkipTable, ...]]:
    """Step the alerts of what is due; return what came of it, and what can be skipped after it.

    Args:
        due: The rules, with the series that each must evaluate.
        alerts: Those that are or were not inactive.
        fired: When they have fired, of levels that remember it.
        skip: The tables of the plan.
        now: When the poll was.
    """
    evaluator = _Evaluator(alerts, fired, now)
    after = list(skip)
    for each, series in due:
        found = evaluator.evaluate(each.rule, series)
        # Another tenant may change what all of them hold together.
        is_ours = each.rule.scope is not Per.ALL
        after[each.rule_index] = skip[each.rule_index].updated(found if is_ours else dict.fromkeys(found, NEVER))
    return evaluator.outcome, tuple(after)


def evaluate_failed_poll(
    rules: Sequence[Rule], own: TenantSeries, alerts: Mapping[AlertKey, Alert], *, now: datetime
) -> EvaluationOutcome:
    """Return what the rules make of a failed poll, which proves nothing of what is held: polling alone is evaluated."""
    evaluator = _Evaluator(alerts, {}, now)
    for rule in rules:
        if rule.input_kind is InputKind.POLLING:
            evaluator.evaluate(rule, {SUM_INDEX: own.polling})
    return evaluator.outcome


@dataclass(slots=True)
class _Evaluator:
    """Evaluates rules on series and collects the alerts that changed."""

    alerts: Mapping[AlertKey, Alert]
    fired: Mapping[AlertKey, Sequence[Span]]
    now: datetime
    outcome: EvaluationOutcome = field(default_factory=EvaluationOutcome)

    def evaluate(self, rule: Rule, chosen: Mapping[int, Series]) -> dict[int, SkipUntil]:
        """Step every alert of a rule on some series; return until when each of them can be skipped."""
        skips = dict.fromkeys(chosen, ALWAYS)
        for severity, level in rule.levels.items():
            for index, series in chosen.items():
                key = AlertKey(rule=rule.name, severity=severity, tenant=series.tenant, reason=series.reason)
                skips[index] = skips[index].intersect(self._step(key, level, series))
        return skips

    def _step(self, key: AlertKey, level: Level, series: Series) -> SkipUntil:
        before = self.alerts.get(key) or Alert(key=key)
        fired = self.fired.get(key, ())
        evaluation = evaluate(level, series, firing=before.is_held_by(level), fired=fired, now=self.now)
        after, transition = step(before, evaluation, level, now=self.now)
        self.outcome.evaluated.add(key)
        # An alert that nothing happened to is the same object.
        if after is not before:
            self.outcome.alerts.append(after)
        if transition is not None:
            self.outcome.transitions.append(transition)
        if after.state is not AlertState.INACTIVE:
            # What it compared last is stored and shown.
            return NEVER
        return skip_after(evaluation, before, after, level, now=self.now)
