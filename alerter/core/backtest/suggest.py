"""Rules for a wanted number of false alerts, learnt from a tenant's own history: without limits, and limits.

The highest count of each day says what is usual: their median, and around it the median of their distances from the
median, which a burst that was real does not move. A limit stands a number of these distances above what is usual. At
first all limits are as close as `DEVIATION_STEPS` has it; while they would have alerted too often, the one that
alerted most often moves up. A calm reason whose only alert was a real burst therefore keeps its close limit.

A limit is chosen on the first two thirds of the history and confirmed on the rest, which it has not seen: what it would
have done there is what it promises. One that does not keep to the budget there is not suggested.

When a limit would have alerted is not computed here: the live functions say it, over the history, as in any replay.
No I/O: values in, values out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from math import ceil, floor, log10, sqrt

from alerter.core.alerts import AlertKey
from alerter.core.backtest.alert_replay import AlertReplay
from alerter.core.backtest.suggested_rules import NoRule, SuggestedRule, suggest_rules
from alerter.core.conditions import Threshold
from alerter.core.conditions.baseline import center_and_scale as usual_and_ordinary
from alerter.core.conditions.baseline import max_within
from alerter.core.history import SeriesHistory, TenantHistory
from alerter.core.rules import Level, Rule, RuleName, Severity
from alerter.core.selectors import Selector, literal_glob, shown
from alerter.core.series import HoldReason, Span, Tenant, from_epoch_us, to_epoch_us
from alerter.humanize import count_text, times_text

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
#: The part of the history that limits are chosen on; the rest confirms them.
LEARNING_PART = 2 / 3
#: Fewer days than this do not show a week and its repetition.
MIN_DAYS = 14
#: How many ordinary distances above what is usual a limit may stand, closest first.
DEVIATION_STEPS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0, 80.0, 130.0)
#: Messages; a distance is taken to be no smaller: from 1 to 4 held messages is nothing to be woken for.
MIN_DISTANCE = 3.0
#: Polls; an alert that is over within this number was a blip.
BLIP_POLLS = 2
#: A limit that would have alerted more often than once in this time only informs.
FREQUENT = WEEK
#: It is critical at this multiple of the limit's own distance from what is usual.
CRITICAL_FACTOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFiring:
    """One time at which a limit would have alerted: `until` is None where it went on at the end of the history."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyPeaks:
    """What the days of a reason's history were like.

    Attributes:
        day_count: How many of them are known well enough.
        median_peak: The median of their highest counts, in messages.
        deviation: How far from it is ordinary, in messages.
    """

    day_count: int
    median_peak: float
    deviation: float

    @property
    def fits_limit(self) -> bool:
        """Whether the days are alike, so that a limit means the same on each of them."""
        return self.deviation <= max(MIN_DISTANCE, sqrt(self.median_peak), self.median_peak / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A limit for one reason.

    Attributes:
        tenant: Whose.
        reason: Which.
        usual: What it was learnt from.
        severity: How bad it is to pass it.
        level: The limit, with where it clears and for how long it must hold.
        critical_above: From where on it is critical, in messages.
        firings: When it would have alerted, oldest first.
        history: How long the history is.
        number: How many are called so with it; more than 1 where reasons differ in what is not shown, or in case.
    """

    tenant: Tenant
    reason: HoldReason
    usual: DailyPeaks
    severity: Severity
    level: Level
    critical_above: int
    firings: tuple[LimitFiring, ...]
    history: timedelta
    number: int = 1

    @property
    def threshold(self) -> Threshold:
        """The limit itself."""
        (condition,) = self.level.conditions
        assert isinstance(condition, Threshold)  # noqa: S101 - it was made here
        return condition

    @property
    def critical(self) -> Threshold:
        """The limit of the level above; it is over where the limit itself is passed."""
        return Threshold(above=self.critical_above, clear_at=self.threshold.above)

    @property
    def title(self) -> str:
        """What it would be called."""
        return f"High: {shown(self.reason)} ({self.tenant})"

    @property
    def rule(self) -> Rule:
        """The rule that says the same."""
        return Rule(
            name=RuleName(f"{self.title} #{self.number}" if self.number > 1 else self.title),
            tenants=Selector((literal_glob(self.tenant),)),
            reasons=Selector((literal_glob(self.reason),)),
            levels={self.severity: self.level, Severity.CRITICAL: replace(self.level, conditions=(self.critical,))},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuggestion:
    """A reason for which its history supports no limit, and why."""

    reason: HoldReason
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions:
    """Rules for a tenant.

    Attributes:
        tenant: Whose.
        rules: Those without a limit, for all its reasons.
        too_noisy: The kinds of these that its history does not afford.
        made: Limits, in the order in which the reasons appeared.
        unsupported: The reasons for which there is none.
        per_week: How often all of them together would have alerted in a week of the part that they were chosen on.
        confirmed_per_week: How often in a week of the rest.
    """

    tenant: Tenant
    rules: tuple[SuggestedRule, ...]
    too_noisy: tuple[NoRule, ...]
    made: tuple[Suggestion, ...]
    unsupported: tuple[NoSuggestion, ...]
    per_week: float
    confirmed_per_week: float

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Every suggested rule, as the configuration has it."""
        return (*(each.rule for each in self.rules), *(each.rule for each in self.made))


def suggest(tenant: TenantHistory, *, budget: float, until: datetime) -> Suggestions:
    """Return rules for a tenant such that together they would have alerted at most as often as wanted.

    Args:
        tenant: Whose history is learnt from.
        budget: Alerts a week that are wanted.
        until: The end of the history.
    """
    first = min((each.poll_times.since[0] for each in tenant.reasons if each.poll_times.since), default=None)
    since = until if first is None else from_epoch_us(first)
    split = until - (until - since) * (1 - LEARNING_PART)
    candidates, unsupported = _candidates(tenant, split=split, until=until)
    found = list(suggest_rules(tenant, since=since, split=split, until=until, budget=budget))
    rules = [each for each in found if isinstance(each, SuggestedRule)]
    rest, chosen_weeks = (until - split) / WEEK, (split - since) / WEEK
    while sum(each.confirmed for each in rules) > budget * rest:
        rules.remove(max(rules, key=_confirmed_alerts))
    _raise_until_within(candidates, budget - sum(each.chosen_on / chosen_weeks for each in rules))
    kept = _confirmed(candidates, budget - sum(each.confirmed / rest for each in rules))
    for each in (each for each in candidates if each not in kept):
        often = times_text(len(each.confirming))
        why = f"its best limit alerted {often} in the last third of the history, which is more than the budget"
        unsupported.append(NoSuggestion(reason=each.reason, why=why))
    return Suggestions(
        tenant=tenant.polling.tenant,
        rules=tuple(rules),
        too_noisy=tuple(each for each in found if isinstance(each, NoRule)),
        made=tuple(_numbered(candidate.suggestion() for candidate in kept)),
        unsupported=tuple(unsupported),
        per_week=_per_week(kept) + sum(each.chosen_on / chosen_weeks for each in rules),
        confirmed_per_week=sum(each.confirmed_per_week for each in kept) + sum(each.confirmed / rest for each in rules),
    )


def _candidates(
    tenant: TenantHistory, *, split: datetime, until: datetime
) -> tuple[list["_Candidate"], list[NoSuggestion]]:
    """Return the reasons for which a limit can be chosen, and why there is none for the others."""
    candidates: list[_Candidate] = []
    unsupported: list[NoSuggestion] = []
    for history in tenant.reasons:
        usual = daily_peaks(history, until=split)
        if usual.day_count < MIN_DAYS:
            days = count_text(usual.day_count, "whole day")
            why = f"it has {days} of history to choose a limit on, and at least {MIN_DAYS} are needed"
            unsupported.append(NoSuggestion(reason=history.reason, why=why))
        elif not usual.fits_limit:
            why = "it has days that differ so much that no limit fits; rules without a limit know more"
            unsupported.append(NoSuggestion(reason=history.reason, why=why))
        else:
            candidates.append(_Candidate(history, usual, split=split, until=until))
    return candidates, unsupported


def _confirmed_alerts(rule: SuggestedRule) -> int:
    return rule.confirmed


def _confirmed(candidates: Sequence["_Candidate"], budget: float) -> list["_Candidate"]:
    """Return the candidates that keep to the budget in the rest together; the noisiest is dropped first."""
    kept = list(candidates)
    while kept and sum(each.confirmed_per_week for each in kept) > budget:
        kept.remove(max(kept, key=_confirmed_rate))
    return kept


def _confirmed_rate(candidate: "_Candidate") -> float:
    return candidate.confirmed_per_week


def _numbered(suggestions: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """Yield suggestions whose rules have names of their own, as a configuration must."""
    number_by_title: Counter[str] = Counter()
    for each in suggestions:
        number_by_title[each.title.casefold()] += 1
        yield replace(each, number=number_by_title[each.title.casefold()])


def select_reasons(tenant: TenantHistory, reasons: Selector) -> TenantHistory:
    """Return a tenant with those of its reasons that are selected."""
    return replace(tenant, reasons=[history for history in tenant.reasons if reasons.matches(history.reason)])


def daily_peaks(history: SeriesHistory, *, until: datetime) -> DailyPeaks:
    """Return what the days of a history were like; a day of which not even half was polled is left out."""
    highest = list(_highest_of_days(history, until=until))
    if not highest:
        return DailyPeaks(day_count=0, median_peak=0, deviation=MIN_DISTANCE)
    usual, distance = usual_and_ordinary(highest, floor=MIN_DISTANCE)
    return DailyPeaks(day_count=len(highest), median_peak=usual, deviation=distance)


class _Candidate:
    """A reason and the limit that it has at the moment."""

    def __init__(self, history: SeriesHistory, usual: DailyPeaks, *, split: datetime, until: datetime) -> None:
        self._archive = history
        self._split = split
        self._rest = until - split
        self._usual = usual
        self._step = 0
        self.history = until - from_epoch_us(history.poll_times.since[0])
        self._for = timedelta(0)
        self.firings = self._replayed()
        if self._are_blips():
            self._for = BLIP_POLLS * history.poll_times.poll_interval
            self.firings = self._replayed()

    @property
    def per_week(self) -> float:
        """How often the limit would have alerted in a week of the part that it is chosen on."""
        return len(self.chosen_on) / ((self.history - self._rest) / WEEK)

    @property
    def reason(self) -> HoldReason:
        """Which reason it is."""
        return self._archive.reason

    @property
    def confirmed_per_week(self) -> float:
        """How often it would have alerted in a week of the rest."""
        return len(self.confirming) / (self._rest / WEEK)

    @property
    def chosen_on(self) -> list[LimitFiring]:
        """When it would have alerted in the part that it is chosen on."""
        return [each for each in self.firings if each.since < self._split]

    @property
    def confirming(self) -> list[LimitFiring]:
        """When it would have alerted in the rest."""
        return [each for each in self.firings if each.since >= self._split]

    @property
    def can_rise(self) -> bool:
        """Whether there is a limit further away."""
        return self._step + 1 < len(DEVIATION_STEPS)

    def raise_limit(self) -> None:
        """Take the next limit."""
        self._step += 1
        self.firings = self._replayed()

    def suggestion(self) -> Suggestion:
        """Return the limit that it has come to."""
        return Suggestion(
            tenant=self._archive.tenant,
            reason=self._archive.reason,
            usual=self._usual,
            severity=self._severity(),
            level=self._level(),
            critical_above=self._above(CRITICAL_FACTOR * DEVIATION_STEPS[self._step]),
            firings=self.firings,
            history=self.history,
        )

    def _severity(self) -> Severity:
        return Severity.WARNING if len(self.firings) * FREQUENT <= self.history else Severity.INFO

    def _level(self) -> Level:
        above = self._above(DEVIATION_STEPS[self._step])
        # It is over when the count is again where ordinary days end.
        clear_at = min(above, self._above(1))
        return Level(conditions=(Threshold(above=above, clear_at=clear_at),), for_=self._for)

    def _above(self, distances: float) -> int:
        return round_up(self._usual.median_peak + distances * self._usual.deviation)

    def _replayed(self) -> tuple[LimitFiring, ...]:
        return _firings(self._archive, self._level())

    def _are_blips(self) -> bool:
        """Return True if most of the limit's alerts would have been over again at once."""
        blip = BLIP_POLLS * self._archive.poll_times.poll_interval
        lengths = [firing.until - firing.since for firing in self.firings if firing.until is not None]
        return sum(length <= blip for length in lengths) * 2 > len(self.firings)


def _raise_until_within(candidates: Sequence[_Candidate], budget: float) -> None:
    """Move limits up, the one that alerts most often first, until all of them are within the budget."""
    while _per_week(candidates) > budget:
        movable = [candidate for candidate in candidates if candidate.can_rise and candidate.chosen_on]
        if not movable:
            return
        max(movable, key=_rate).raise_limit()


def _rate(candidate: _Candidate) -> float:
    return candidate.per_week


def _per_week(candidates: Iterable[_Candidate]) -> float:
    return sum(map(_rate, candidates))


def _firings(history: SeriesHistory, level: Level) -> tuple[LimitFiring, ...]:
    """Return when a level would have fired, by the live functions."""
    key = AlertKey(rule=RuleName("suggestion"), severity=Severity.WARNING, tenant=history.tenant, reason=history.reason)
    replay = AlertReplay(key=key, level=level, history=history)
    return tuple(LimitFiring(since=since, until=until) for since, until in replay.firings())


def _highest_of_days(history: SeriesHistory, *, until: datetime) -> Iterator[int]:
    """Yield the highest count of each day, in the tenant's time zone, of which at least half was polled."""
    poll_times = history.poll_times
    if not poll_times.since or to_epoch_us(until) < history.first_seen_at:
        return
    series = history.series_at(to_epoch_us(until), window=until - from_epoch_us(poll_times.since[0]) + DAY)
    begin = (
        max(from_epoch_us(poll_times.since[0]), from_epoch_us(history.first_seen_at))
        .astimezone(poll_times.timezone)
        .date()
    )
    day = begin
    while (since := datetime.combine(day, time(), poll_times.timezone).astimezone(UTC)) < until:
        day += DAY
        end = datetime.combine(day, time(), poll_times.timezone).astimezone(UTC)
        highest = max_within(series, Span(since, end))
        if highest is not None:
            yield highest


def round_up(value: float) -> int:
    """Return a limit that people would write: two significant digits, not below the value."""
    if value < 10:  # noqa: PLR2004 - one digit has no second one
        return ceil(value)
    unit = int(10 ** (floor(log10(value)) - 1))
    return ceil(value / unit) * unit
