"""Rules, their levels, and their evaluation on one series.

No I/O: values in, values out. Which series a rule looks at stands here; how it evaluates one, in `conditions`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import NewType

from alerter.core.conditions import (
    ANY_COUNT,
    NOT_AT_ALL,
    Condition,
    Evidence,
    InputKind,
    NoData,
    Result,
    Threshold,
    Verdict,
)
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.core.series import (
    OTHERS_LOOKBACK,
    HoldReason,
    Series,
    Span,
    Tenant,
    longest_step,
    sum_of_reasons,
    sum_of_tenants,
)

RuleName = NewType("RuleName", str)


class Severity(StrEnum):
    """The levels that a rule may have, mildest first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Per(StrEnum):
    """What a rule looks at, each on its own: every reason, every tenant's sum, or the sum of all."""

    REASON = "reason"
    TENANT = "tenant"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Level:
    """One severity of a rule: conditions that must all hold, for how long, and how long it lingers.

    Attributes:
        conditions: At least one.
        for_: How long they must hold before the alert fires.
        keep_firing_for: How long they must not hold before it resolves.
    """

    conditions: tuple[Condition, ...]
    for_: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)

    @property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse."""
        return any(condition.lower_is_worse for condition in self.conditions)

    @cached_property
    def needs_firing_history(self) -> bool:
        """Whether its verdict depends on when its own alert has fired."""
        return any(condition.needs_firing_history for condition in self.conditions)

    @cached_property
    def needs_even_polls(self) -> bool:
        """Whether what a condition says of the future is true only while polls are evenly apart."""
        return any(condition.needs_even_polls for condition in self.conditions)

    @cached_property
    def lookback(self) -> timedelta:
        """How far back its conditions look, at most."""
        return max(condition.lookback for condition in self.conditions)

    @property
    def learns_for(self) -> timedelta:
        """How much history of a tenant it needs before all its conditions can hold."""
        return max(condition.learns_for for condition in self.conditions)

    @cached_property
    def fixed_limit(self) -> str:
        """The limits that `clear_at` belongs to, in words: what fired under others is not held by it."""
        return ", ".join(each.fixed_limit for each in self.conditions if isinstance(each, Threshold))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A name, the series it looks at, and its levels by severity.

    Attributes:
        name: Unique in a configuration, and part of every alert's identity.
        levels: At least one.
        tenants: Which tenants it looks at.
        reasons: Which hold reasons it looks at.
        per: Whether each of these series alone, or their sum.
        runbook: Where a person reads what to do; a URL, or empty.
    """

    name: RuleName
    levels: Mapping[Severity, Level]
    tenants: Selector = MATCH_ALL
    reasons: Selector = MATCH_ALL
    per: Per = Per.REASON
    runbook: str = ""

    @cached_property
    def input_kind(self) -> InputKind:
        """What its conditions look at; a rule does not mix the two."""
        return next(iter(self.levels.values())).conditions[0].input_kind

    @cached_property
    def lookback(self) -> timedelta:
        """How far back its conditions look, at most."""
        return max(level.lookback for level in self.levels.values())

    @cached_property
    def worst_first(self) -> Sequence[tuple[Severity, Level]]:
        """Its levels as people read them: the worst first."""
        return [(severity, self.levels[severity]) for severity in reversed(Severity) if severity in self.levels]

    @property
    def learns_for(self) -> timedelta:
        """How much history of a tenant it needs before one of its levels can become active."""
        return min(level.learns_for for level in self.levels.values())

    @cached_property
    def needs_even_polls(self) -> bool:
        """Whether what its conditions say of the future is true only while polls are evenly apart."""
        return any(level.needs_even_polls for level in self.levels.values())

    @cached_property
    def compares_reasons(self) -> bool:
        """Whether it looks at the other reasons of a tenant when it evaluates one."""
        conditions = (condition for level in self.levels.values() for condition in level.conditions)
        return self.scope is Per.REASON and any(condition.compares_reasons for condition in conditions)

    @cached_property
    def scope(self) -> Per:
        """What it has one alert for; polling is a tenant's, whatever `per` says."""
        return Per.TENANT if self.input_kind is InputKind.POLLING else self.per


@dataclass(frozen=True, slots=True)
class Lookbacks:
    """How far back rules look, by hold reason.

    Attributes:
        parts: Which reasons each rule looks at, and how far back.
    """

    parts: tuple[tuple[Selector, timedelta], ...]

    @classmethod
    def of_rules(
        cls, rules: Iterable[Rule], *, longest: timedelta = timedelta.max, patience: timedelta = timedelta(0)
    ) -> "Lookbacks":
        """Return the windows of rules.

        Args:
            rules: The rules.
            longest: Those that look back for longer are left out.
            patience: How much longer ago the oldest sample of a sum over all may be than one of the tenant.
        """
        wanted = list(rules)
        parts = [
            (rule.reasons, rule.lookback + (patience if rule.scope is Per.ALL else timedelta(0)))
            for rule in wanted
            if rule.lookback <= longest
        ]
        if any(rule.compares_reasons for rule in wanted):
            parts.append((MATCH_ALL, OTHERS_LOOKBACK))
        return cls(tuple(part for part in parts if part[1] > timedelta(0)))

    @property
    def longest(self) -> timedelta:
        """How far back any of them looks."""
        return max((window for _, window in self.parts), default=timedelta(0))

    def for_reason(self, reason: HoldReason) -> timedelta:
        """Return how far back the rules on a reason look; zero where none does."""
        return max((window for reasons, window in self.parts if reasons.matches(reason)), default=timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SumMember:
    """A tenant in a sum over tenants: how often it is polled, where its people work, how far back its rules look."""

    tenant: Tenant
    poll_interval: timedelta
    timezone: tzinfo
    windows: Lookbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one level of a rule found on one series.

    Attributes:
        verdict: Of all its conditions together.
        evidence: Of each of its conditions.
        coverage: The runs of coverage that it was found on, oldest first; between them nothing is known.
        longest_step: How far apart two successive polls are at most.
        tolerance: For how long the newest sample of a tenant stands for it in a sum.
        holds_until: Before this instant the verdict stands; see `conditions.base.Result`.
        holds_within: The lowest and the highest count with which it stands.
    """

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    coverage: Sequence[Span] = field(default=(), compare=False)
    longest_step: timedelta = field(default=timedelta(0), compare=False)
    tolerance: timedelta = field(default=timedelta(0), compare=False)
    holds_until: datetime = field(default=NOT_AT_ALL, compare=False)
    holds_within: tuple[int, int] = field(default=ANY_COUNT, compare=False)


def select_series(rule: Rule, tenants: Sequence["TenantSeries"]) -> list[Series]:
    """Return the series that the rule evaluates: those it selects, or the sums that it asks for.

    Args:
        rule: The rule.
        tenants: All tenants' series, for a rule over all of them; else those of the tenant that was polled.

    Returns:
        Empty where nothing is selected. A tenant without any series yet sums to nothing held.
    """
    selected = [tenant for tenant in tenants if rule.tenants.matches(tenant.polling.tenant)]
    if rule.input_kind is InputKind.POLLING:
        return [tenant.polling for tenant in selected]
    if rule.scope is Per.REASON:
        return [
            with_others(rule, series, tenant)
            for tenant in selected
            for series in tenant.reasons
            if rule.reasons.matches(series.reason)
        ]
    sums = [_sum(rule, tenant) for tenant in selected]
    return [sum_of_tenants(sums)] if rule.scope is Per.ALL and sums else sums


def with_others(rule: Rule, series: Series, tenant: "TenantSeries") -> Series:
    """Return a series of a tenant together with its other reasons, if the rule looks at them."""
    return replace(series, others=tenant.reasons) if rule.compares_reasons else series


def _sum(rule: Rule, tenant: "TenantSeries") -> Series:
    chosen = [series for series in tenant.reasons if rule.reasons.matches(series.reason)]
    return sum_of_reasons([tenant.polling, *chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSeries:
    """Everything that is known of one tenant.

    Attributes:
        polling: A series without held messages that carries the tenant's coverage and failures.
        reasons: One series per hold reason that was ever seen.
        names: Theirs, for who wants no more; worked out from them where they are not given.
    """

    polling: Series
    reasons: Sequence[Series]
    names: Sequence[HoldReason] = ()

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", [series.reason for series in self.reasons])


def evaluate(level: Level, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Evaluation:
    """Evaluate a series by every condition of a level.

    Any inactive one makes it inactive; else any without data makes it no_data; else it is active.

    Args:
        level: The level.
        series: What it looks at; samples after `now` are not seen.
        firing: Whether the alert is firing under the limit that is in force, which is what hysteresis depends on.
        fired: When it has fired, oldest first; needed of a level that `remembers`, as far back as its window.
        now: The instant of the evaluation.
    """
    results = [condition.evaluate(series, firing=firing, fired=fired, now=now) for condition in level.conditions]
    verdict = _all_of([result.verdict for result in results])
    holds_until, holds_within = _holds(verdict, results)
    return Evaluation(
        verdict=verdict,
        evidence=tuple(result.evidence for result in results),
        coverage=series.coverage,
        longest_step=longest_step(series.poll_interval),
        tolerance=series.tolerance,
        holds_until=holds_until,
        holds_within=holds_within,
    )


def _holds(verdict: Verdict, results: Sequence[Result]) -> tuple[datetime, tuple[int, int]]:
    """Return how long the verdict on all conditions together stands."""
    if verdict is Verdict.INACTIVE:
        # One inactive condition is enough: the one that stands for longest decides, and of equals the widest.
        longest = max((each for each in results if each.verdict is verdict), key=_standing)
        return longest.holds_until, longest.holds_within
    lowest, highest = zip(*(each.holds_within for each in results), strict=True)
    return min(each.holds_until for each in results), (max(lowest), min(highest))


def _standing(result: Result) -> tuple[datetime, int]:
    lowest, highest = result.holds_within
    return result.holds_until, highest - lowest


def _all_of(verdicts: Sequence[Verdict]) -> Verdict:
    for verdict in (Verdict.INACTIVE, Verdict.NO_DATA):
        if verdict in verdicts:
            return verdict
    return Verdict.ACTIVE


#: The rule that watches the polling of a tenant that no other rule of that kind looks at.
NO_DATA_RULE_NAME = RuleName("No data")
NO_DATA_AFTER = timedelta(minutes=15)
NO_DATA_MISSED_POLLS = 3


def with_no_data_rules(rules: Iterable[Rule], poll_intervals: Mapping[Tenant, timedelta]) -> tuple[Rule, ...]:
    """Return the rules and, for each tenant that none watches for missing data, one that does.

    Args:
        rules: The configured rules.
        poll_intervals: How often each tenant is polled.
    """
    configured = tuple(rules)
    watching = [rule for rule in configured if rule.input_kind is InputKind.POLLING]
    tenants_by_after: dict[timedelta, list[str]] = {}
    for tenant, interval in poll_intervals.items():
        if not any(rule.tenants.matches(tenant) for rule in watching):
            tenants_by_after.setdefault(max(NO_DATA_AFTER, NO_DATA_MISSED_POLLS * interval), []).append(tenant)
    built_in = tuple(
        Rule(
            name=NO_DATA_RULE_NAME,
            tenants=Selector(tuple(tenants)),
            per=Per.TENANT,
            levels={Severity.CRITICAL: Level(conditions=(NoData(after=after),))},
        )
        for after, tenants in tenants_by_after.items()
    )
    return configured + built_in
