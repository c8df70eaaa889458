"""Limits for a wanted number of alerts, learnt from each reason's own history.

The highest count of each day says what is usual: their median, and around it the median of their distances from the
median, which a burst that was real does not move. A limit stands so many of these distances above what is usual. At
first all limits are as close as `DISTANCES` has it; while all of them together would have told too often, the one that
told most often moves up. A quiet reason whose only alert was a real burst therefore keeps its close limit.

What a limit would have told is not reckoned here: the live functions say it, over the history, as in any replay.
No I/O: values in, values out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from math import ceil, floor, log10

from alerter.core.alerts import AlertKey
from alerter.core.backtest.tracks import Track
from alerter.core.conditions import Threshold
from alerter.core.conditions.baseline import highest_within
from alerter.core.conditions.baseline import usual_of as usual_and_ordinary
from alerter.core.history import Archive, TenantArchive
from alerter.core.rules import Level, Rule, RuleName, Selector, Severity, literal_glob, shown
from alerter.core.series import HoldReason, Span, Tenant, instant_of, number_of

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
#: Fewer days than this do not show a week and its repetition.
FEWEST_DAYS = 14
#: How many ordinary distances above what is usual a limit may stand, closest first.
DISTANCES = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0, 80.0, 130.0)
#: Messages; a distance is taken to be no smaller: from 1 to 4 held messages is nothing to be woken for.
SMALLEST_DISTANCE = 3.0
#: Polls; an alert that is over within so many was a blip.
BLIP_POLLS = 2
#: A limit that would have told more often than once in this time only informs.
FREQUENT = WEEK
#: So many times as far above what is usual as the limit itself it is critical.
CRITICAL_FACTOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFiring:
    """One time at which a limit would have told: `until` is None where it went on at the end of the history."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What the days of a reason's history were like.

    Attributes:
        days: How many of them are known well enough.
        highest: The median of their highest counts, in messages.
        distance: How far from it is ordinary, in messages.
    """

    days: int
    highest: float
    distance: float


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
        firings: When it would have told, oldest first.
        history: How long the history is.
        number: How many are called so with it; more than 1 where reasons differ in what is not shown, or in case.
    """

    tenant: Tenant
    reason: HoldReason
    usual: Usual
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
class Unsupported:
    """A reason for which its history supports no limit, and why."""

    reason: HoldReason
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions:
    """Limits for all reasons of a tenant.

    Attributes:
        tenant: Whose.
        made: In the order of first sight.
        unsupported: Those for which there is none.
        per_week: How often all of them together would have told in a week.
    """

    tenant: Tenant
    made: tuple[Suggestion, ...]
    unsupported: tuple[Unsupported, ...]
    per_week: float


def suggest(tenant: TenantArchive, *, budget: float, until: datetime) -> Suggestions:
    """Return a limit for each reason of a tenant such that together they would have told at most so often.

    Args:
        tenant: Whose history is learnt from.
        budget: Alerts a week that are wanted.
        until: The end of the history.
    """
    candidates: list[_Candidate] = []
    unsupported: list[Unsupported] = []
    for archive in tenant.reasons:
        usual = usual_of(archive, until=until)
        if usual.days < FEWEST_DAYS:
            why = f"it has {usual.days} whole days of history, and at least {FEWEST_DAYS} are needed"
            unsupported.append(Unsupported(reason=archive.reason, why=why))
        else:
            candidates.append(_Candidate(archive, usual, until=until))
    _raise_until_within(candidates, budget)
    return Suggestions(
        tenant=tenant.polling.tenant,
        made=tuple(_numbered(candidate.suggestion() for candidate in candidates)),
        unsupported=tuple(unsupported),
        per_week=_per_week(candidates),
    )


def _numbered(suggestions: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """Yield suggestions whose rules have names of their own, as a configuration must."""
    number_by_title: Counter[str] = Counter()
    for each in suggestions:
        number_by_title[each.title.casefold()] += 1
        yield replace(each, number=number_by_title[each.title.casefold()])


def of_reasons(tenant: TenantArchive, reasons: Selector) -> TenantArchive:
    """Return a tenant with those of its reasons that are selected."""
    return replace(tenant, reasons=[archive for archive in tenant.reasons if reasons.matches(archive.reason)])


def usual_of(archive: Archive, *, until: datetime) -> Usual:
    """Return what the days of a history were like; a day of which not even half was polled is left out."""
    highest = list(_highest_of_days(archive, until=until))
    if not highest:
        return Usual(days=0, highest=0, distance=SMALLEST_DISTANCE)
    usual, distance = usual_and_ordinary(highest, floor=SMALLEST_DISTANCE)
    return Usual(days=len(highest), highest=usual, distance=distance)


class _Candidate:
    """A reason and the limit that it has at the moment."""

    def __init__(self, archive: Archive, usual: Usual, *, until: datetime) -> None:
        self._archive = archive
        self._usual = usual
        self._step = 0
        self.history = until - instant_of(archive.timeline.since[0])
        self._for = timedelta(0)
        self.firings = self._replayed()
        if self._are_blips():
            self._for = BLIP_POLLS * archive.timeline.poll_interval
            self.firings = self._replayed()

    @property
    def per_week(self) -> float:
        """How often the limit would have told in a week."""
        return len(self.firings) / (self.history / WEEK)

    @property
    def can_rise(self) -> bool:
        """Whether there is a limit further away."""
        return self._step + 1 < len(DISTANCES)

    def rise(self) -> None:
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
            critical_above=self._above(CRITICAL_FACTOR * DISTANCES[self._step]),
            firings=self.firings,
            history=self.history,
        )

    def _severity(self) -> Severity:
        return Severity.WARNING if len(self.firings) * FREQUENT <= self.history else Severity.INFO

    def _level(self) -> Level:
        above = self._above(DISTANCES[self._step])
        # It is over when the count is again where ordinary days end.
        clear_at = min(above, self._above(1))
        return Level(conditions=(Threshold(above=above, clear_at=clear_at),), for_=self._for)

    def _above(self, distances: float) -> int:
        return rounded_up(self._usual.highest + distances * self._usual.distance)

    def _replayed(self) -> tuple[LimitFiring, ...]:
        return _firings(self._archive, self._level())

    def _are_blips(self) -> bool:
        """Say whether most of what the limit would have told was over again at once."""
        blip = BLIP_POLLS * self._archive.timeline.poll_interval
        lengths = [firing.until - firing.since for firing in self.firings if firing.until is not None]
        return sum(length <= blip for length in lengths) * 2 > len(self.firings)


def _raise_until_within(candidates: Sequence[_Candidate], budget: float) -> None:
    """Move limits up, the one that tells most often first, until all of them are within the budget."""
    while _per_week(candidates) > budget:
        movable = [candidate for candidate in candidates if candidate.can_rise and candidate.firings]
        if not movable:
            return
        max(movable, key=_rate).rise()


def _rate(candidate: _Candidate) -> float:
    return candidate.per_week


def _per_week(candidates: Iterable[_Candidate]) -> float:
    return sum(map(_rate, candidates))


def _firings(archive: Archive, level: Level) -> tuple[LimitFiring, ...]:
    """Return when a level would have fired, by the live functions."""
    key = AlertKey(rule=RuleName("suggestion"), severity=Severity.WARNING, tenant=archive.tenant, reason=archive.reason)
    track = Track(key=key, level=level, archive=archive)
    return tuple(LimitFiring(since=since, until=until) for since, until in track.firings())


def _highest_of_days(archive: Archive, *, until: datetime) -> Iterator[int]:
    """Yield the highest count of each day, in the tenant's time zone, of which at least half was polled."""
    timeline = archive.timeline
    if not timeline.since or number_of(until) < archive.seen_since:
        return
    series = archive.as_of(number_of(until), window=until - instant_of(timeline.since[0]) + DAY)
    begin = max(instant_of(timeline.since[0]), instant_of(archive.seen_since)).astimezone(timeline.timezone).date()
    day = begin
    while (since := datetime.combine(day, time(), timeline.timezone).astimezone(UTC)) < until:
        day += DAY
        end = datetime.combine(day, time(), timeline.timezone).astimezone(UTC)
        highest = highest_within(series, Span(since, end))
        if highest is not None:
            yield highest


def rounded_up(value: float) -> int:
    """Return a limit that people would write: two significant digits, not below the value."""
    if value < 10:  # noqa: PLR2004 - one digit has no second one
        return ceil(value)
    unit = int(10 ** (floor(log10(value)) - 1))
    return ceil(value / unit) * unit
