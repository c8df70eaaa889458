"""The limit that would have made a rule alert half as often: one edit of the rule, tried on the stored history.

Only the series that alerted are replayed: a limit that is further away makes no other one alert. Each edit changes one
number, or `for`; of those that are tried, the smallest one that is enough is taken. No I/O: values in, values out.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerter.core.alerts import AlertKey
from alerter.core.backtest.alert_replay import AlertReplay, histories_for
from alerter.core.backtest.suggest import round_up
from alerter.core.conditions import (
    Baseline,
    Condition,
    Fall,
    Flatline,
    Forecast,
    Growth,
    NoData,
    Rare,
    Rise,
    Stagnant,
    Threshold,
)
from alerter.core.history import SeriesHistory, TenantHistory
from alerter.core.review import Episode
from alerter.core.rules import Level, Per, Rule, RuleName, Severity
from alerter.core.series import Span, Tenant
from alerter.humanize import setting_text

#: A rule that alerted less often has nothing to be halved.
MIN_EPISODES = 4
#: By how much a number is moved, smallest step first.
FACTORS = (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
#: What `for` may become.
FOR_STEPS = tuple(timedelta(minutes=minutes) for minutes in (10, 15, 20, 30, 60, 120, 240))
#: No count falls by more.
MAX_PERCENT = 100
#: The numbers of each condition that decide how soon it is active; for all but `below` more is later.
_NUMBERS: Mapping[type[Condition], tuple[str, ...]] = {
    Threshold: ("above", "below"),
    Growth: ("by", "percent", "falls_by", "falls_percent"),
    Rise: ("times", "at_least"),
    Fall: ("at_least",),
    Rare: ("at_least",),
    Flatline: ("at_least", "times"),
    Forecast: ("above",),
    Baseline: ("deviations",),
    Stagnant: ("lasting", "above"),
    NoData: ("after",),
}
_LOWER = "below"
_SHARES = frozenset({"falls_percent"})


class WhyNot(StrEnum):
    """Why no limit is named."""

    FEW = "it alerted less than four times"
    GONE = "the rule is no longer in the configuration"
    SUM = "a sum over all tenants is not replayed"
    TIME = "the replay took too long"
    NONE = "no single number or `for` would have done it"


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfLimit:
    """The edit of a rule that would have made it alert half as often.

    Attributes:
        edit: As the configuration writes it, such as `above = 400` or `for = "30m"`; empty where the rule as it is now
            would have done it, and where none is named.
        severity: The level that is edited; None without an edit.
        episodes: How often it would have alerted; None where that is not known.
        why_not: Why none is named; None where one is.
    """

    edit: str = ""
    severity: Severity | None = None
    episodes: int | None = None
    why_not: WhyNot | None = None


class _TooLate(Exception):
    """There is no time left."""


def find_half_limits(
    rules: Iterable[Rule],
    episodes: Collection[Episode],
    span: Span,
    histories: Callable[[Tenant], TenantHistory | None],
    *,
    is_late: Callable[[], bool],
) -> dict[RuleName, HalfLimit]:
    """Return for each rule that alerted the limit that would have made it half.

    Args:
        rules: Those of the configuration.
        episodes: What began in the span.
        span: The span.
        histories: Returns what is stored of a tenant; None for one that is not replayed, which counts as it was.
        is_late: Says whether the time for this is over; what is not finished then is not known.
    """
    rules_by_name: dict[RuleName, list[Rule]] = {}
    for rule in rules:
        rules_by_name.setdefault(rule.name, []).append(rule)
    by_rule: dict[RuleName, list[Episode]] = {}
    for each in episodes:
        by_rule.setdefault(each.subject.rule, []).append(each)
    return {
        name: _half_limit(rules_by_name.get(name, ()), of_rule, span, histories, is_late=is_late)
        for name, of_rule in by_rule.items()
    }


def _half_limit(
    rules: Sequence[Rule],
    episodes: Collection[Episode],
    span: Span,
    histories: Callable[[Tenant], TenantHistory | None],
    *,
    is_late: Callable[[], bool],
) -> HalfLimit:
    if len(episodes) < MIN_EPISODES:
        return HalfLimit(why_not=WhyNot.FEW)
    if not rules:
        return HalfLimit(why_not=WhyNot.GONE)
    if rules[0].scope is Per.ALL:
        return HalfLimit(why_not=WhyNot.SUM)
    try:
        return _searched(rules, episodes, _Past(episodes, span, histories, is_late=is_late))
    except _TooLate:
        return HalfLimit(why_not=WhyNot.TIME)


def _searched(rules: Sequence[Rule], episodes: Collection[Episode], past: "_Past") -> HalfLimit:
    """Return what is found on the history.

    Raises:
        _TooLate: There is no time left.
    """
    enough = len(episodes) // 2
    now = past.count(rules)
    if now <= enough:
        return HalfLimit(episodes=now)
    are_brief = sum(each.is_brief for each in episodes) * 2 > len(episodes)
    found = (_smallest(ladder, enough, past) for ladder in _ladders(rules, for_first=are_brief))
    return next((each for each in found if each is not None), HalfLimit(why_not=WhyNot.NONE))


@dataclass(frozen=True, slots=True)
class _Edit:
    text: str
    severity: Severity
    rules: Sequence[Rule]


def _smallest(ladder: Sequence[_Edit], enough: int, past: "_Past") -> HalfLimit | None:
    """Return the first edit of a ladder that is enough; further ones are taken to do no less."""
    counts: dict[int, int] = {}

    def is_enough(index: int) -> bool:
        counts[index] = past.count(ladder[index].rules)
        return counts[index] <= enough

    found = bisect_left(range(len(ladder)), x=True, key=is_enough)
    if found == len(ladder):
        return None
    edit = ladder[found]
    return HalfLimit(edit=edit.text, severity=edit.severity, episodes=counts[found])


class _Past:
    """The series that alerted."""

    def __init__(
        self,
        episodes: Iterable[Episode],
        span: Span,
        histories: Callable[[Tenant], TenantHistory | None],
        *,
        is_late: Callable[[], bool],
    ) -> None:
        self._counts = Counter(each.subject for each in episodes)
        self._span = span
        self._histories = histories
        self._is_late = is_late

    def count(self, rules: Iterable[Rule]) -> int:
        """Return how often rules would have alerted.

        Raises:
            _TooLate: There is no time left.
        """
        reasons: dict[Tenant, set[str]] = {}
        for subject in self._counts:
            reasons.setdefault(subject.tenant, set()).add(subject.reason)
        selected = list(rules)
        total = 0
        for name, of_tenant in reasons.items():
            if self._is_late():
                raise _TooLate
            tenant = self._histories(name)
            if tenant is None:
                total += sum(number for subject, number in self._counts.items() if subject.tenant == name)
                continue
            for rule in selected:
                total += sum(self._count_series(rule, each) for each in _series_of(rule, tenant, of_tenant))
        return total

    def _count_series(self, rule: Rule, history: SeriesHistory) -> int:
        if self._is_late():
            raise _TooLate
        fired: list[tuple[datetime, datetime | None]] = []
        for severity, level in rule.levels.items():
            key = AlertKey(rule=rule.name, severity=severity, tenant=history.tenant, reason=history.reason)
            fired += AlertReplay(key=key, level=level, history=history).firings()
        return _count_begun(fired, self._span)


def _series_of(rule: Rule, tenant: TenantHistory, reasons: Collection[str]) -> Iterator[SeriesHistory]:
    return (each for each in histories_for(rule, (tenant,)) if each.reason in reasons)


def _count_begun(fired: Iterable[tuple[datetime, datetime | None]], span: Span) -> int:
    """Return how many times firing began within a span, levels that fire at the same time counted once."""
    number, free_from = 0, None
    for since, until in sorted(fired, key=lambda each: each[0]):
        if free_from is None or since > free_from:
            number += span.start_at <= since <= span.end_at
        end = span.end_at if until is None else until
        free_from = end if free_from is None else max(free_from, end)
    return number


def _ladders(rules: Sequence[Rule], *, for_first: bool) -> Iterator[Sequence[_Edit]]:
    """Yield the edits of each number of the mildest level, smallest step first; `for` last, or first if wanted."""
    severity = min(rules[0].levels, key=lambda each: each.rank)
    level = rules[0].levels[severity]
    numbers = [
        _ladder(rules, severity, index, name)
        for index, condition in enumerate(level.conditions)
        for name in _NUMBERS.get(type(condition), ())
        if getattr(condition, name)
    ]
    lasting = [_longer(rules, severity, span) for span in FOR_STEPS if span > level.for_]
    yield from (lasting, *numbers) if for_first else (*numbers, lasting)


def _longer(rules: Iterable[Rule], severity: Severity, span: timedelta) -> _Edit:
    edited = [_with_level(rule, severity, replace(rule.levels[severity], for_=span)) for rule in rules]
    return _Edit(f'for = "{setting_text(span)}"', severity, edited)


def _ladder(rules: Sequence[Rule], severity: Severity, index: int, name: str) -> Sequence[_Edit]:
    """Return the edits of one number of a condition; those that the condition itself refuses are left out."""
    found: list[_Edit] = []
    for factor in FACTORS:
        try:
            edited = [_with_level(rule, severity, _moved(rule.levels[severity], index, name, factor)) for rule in rules]
        except ValueError:
            continue
        condition = edited[0].levels[severity].conditions[index]
        found.append(_Edit(f"{name} = {_number_text(getattr(condition, name))}", severity, edited))
    return found


def _with_level(rule: Rule, severity: Severity, level: Level) -> Rule:
    return replace(rule, levels={**rule.levels, severity: level})


def _moved(level: Level, index: int, name: str, factor: float) -> Level:
    """Return a level with one number moved away.

    Raises:
        ValueError: The condition does not take it.
    """
    condition = level.conditions[index]
    number = getattr(condition, name)
    if name in _SHARES and number * factor > MAX_PERCENT:
        raise ValueError(f"expected at most {MAX_PERCENT} percent, found {number * factor:g}")
    moved: timedelta | float
    if isinstance(number, timedelta):
        moved = timedelta(minutes=round(number * factor / timedelta(minutes=1)))
    elif isinstance(number, float):
        moved = round(number * factor, 1)
    else:
        moved = int(number / factor) if name == _LOWER else round_up(number * factor)
    kind: Callable[..., Condition] = type(condition)
    values = {each.name: getattr(condition, each.name) for each in fields(condition) if each.init}
    conditions = (*level.conditions[:index], kind(**values | {name: moved}), *level.conditions[index + 1 :])
    return replace(level, conditions=conditions)


def _number_text(number: object) -> str:
    if isinstance(number, timedelta):
        return f'"{setting_text(number)}"'
    return f"{number:g}" if isinstance(number, float) else f"{number}"
