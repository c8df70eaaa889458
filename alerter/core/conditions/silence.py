"""Nothing new for longer than ever where something always comes."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Gt, Le

from alerter.core.conditions.base import (
    FOREVER,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    no_data_result,
)
from alerter.core.conditions.past import MAX_WEEKS, WEEK, longest_gap, own_past_since
from alerter.core.conditions.stagnant import MIMECAST_EXPIRY
from alerter.core.poll_times import int64_array
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text

#: Of the weeks before so much must be known.
LEARN = 2 * WEEK


class _Arrivals(NamedTuple):
    """When something new came last, and the longest time without before; in microseconds.

    Attributes:
        last_at: When the count last rose.
        last: What it rose to.
        longest: The longest time between two rises.
        known: How much is known of the weeks before the last rise.
        rested_until: The end of the last time without a rise that was longer than `usual`; 0 if there was none.
    """

    last_at: int
    last: int
    longest: int
    known: int
    rested_until: int


@dataclass(frozen=True, kw_only=True)
class Flatline(BaseCondition):
    """No new message for longer than ever where something always comes: has somebody switched a policy off?

    Something new is a count that rises from one poll to the next. Active if none has come for `at_least`, and for
    `times` the longest time without one in the `weeks` weeks before; for reasons of which that longest time is `usual`
    at most, so that a policy without mail at night and over the weekend does not alert. Two of these weeks must be
    known. A silence with a gap in polling proves nothing. One of more than 14 days is how it is now, and so is one in
    whose beginning a new reason of the tenant began: its policy has been renamed or replaced.

    Attributes:
        at_least: The shortest silence that fires.
        times: How many times the longest silence before.
        usual: The longest silence before, at most.
        weeks: How many weeks to look back from the last new message.
    """

    name: ClassVar[str] = "silence"
    allows_sum: ClassVar[bool] = True
    compares_reasons: ClassVar[bool] = True

    at_least: Annotated[timedelta, Gt(timedelta(0))] = timedelta(days=1)
    times: Annotated[float, Ge(1)] = 3
    usual: Annotated[timedelta, Gt(timedelta(0))] = timedelta(hours=16)
    weeks: Annotated[int, Ge(LEARN // WEEK + 1), Le(MAX_WEEKS)] = 3

    def __post_init__(self) -> None:
        if self.at_least >= MIMECAST_EXPIRY:
            most, found = duration_text(MIMECAST_EXPIRY), duration_text(self.at_least)
            raise ValueError(f"expected 'at_least' shorter than {most}, after which held mail expires, found {found}")

    @property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return True

    @property
    def lookback(self) -> timedelta:
        """How far back it looks."""
        return self.weeks * WEEK + MIMECAST_EXPIRY

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return LEARN + self.at_least

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words, as long as nobody knows how long it is silent."""
        longest = f"{self.times:g} times the longest silence of {self.weeks}w"
        return f"nothing new for {duration_text(self.at_least)} and {longest}"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return for how long nothing has come, and for how much longer it must; empty without data."""
        if found.value is None or found.reference is None:
            return ""
        silent = found.value.at - found.reference.at
        arrivals = self._arrivals(series, to_epoch_us(found.value.at))
        missing = self._needed(arrivals) - silent if arrivals is not None else timedelta(0)
        if missing > timedelta(0):
            return f"for {duration_text(silent)} so far, needs {duration_text(missing)} more"
        return f"for {duration_text(silent)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Look for the last rise of the count, and for the longest time without one before."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=Sample(now, count))
        arrivals = self._arrivals(series, to_epoch_us(now))
        if arrivals is None:
            evidence = replace(evidence, detail=f"nothing new for {duration_text(MIMECAST_EXPIRY)}")
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=now + self.at_least)
        since = from_epoch_us(arrivals.last_at)
        needed = self._needed(arrivals)
        evidence = replace(
            evidence,
            limit_text=f"nothing new for {duration_text(needed)}; the longest silence was {_span(arrivals.longest)}",
            reference=Sample(since, arrivals.last),
        )
        # A new message would begin another silence, which takes `at_least` from then on.
        if arrivals.longest * MICROSECOND > self.usual:
            usual = duration_text(self.usual)
            evidence = replace(evidence, detail=f"nothing new comes for longer than {usual} now and then")
            # As long as enough is remembered of the last such rest.
            until = max(now + self.at_least, from_epoch_us(arrivals.rested_until) + self.weeks * WEEK - self.usual)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=until)
        if now < since + needed:
            until = min(since + needed, now + self.at_least)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=until)
        verdict, news, note = self._silent(series, arrivals, now)
        return Result(
            verdict=verdict,
            evidence=replace(evidence, headline=news, detail=note),
            holds_until=since + MIMECAST_EXPIRY,
            holds_within=(count, count),
        )

    def _silent(self, series: Series, arrivals: _Arrivals, now: datetime) -> tuple[Verdict, str, str]:
        """Return that nothing comes, in words, or why that is not certain."""
        since = from_epoch_us(arrivals.last_at)
        if arrivals.known * MICROSECOND < LEARN:
            return Verdict.NO_DATA, "", f"only {_span(arrivals.known)} before it are known to compare with"
        if longest_gap(series, arrivals.last_at, to_epoch_us(now)) > series.tolerance // MICROSECOND:
            return Verdict.NO_DATA, "", "polling failed in the meantime"
        begun = _begun(series, since - self.usual, since + self.at_least)
        if begun:
            return Verdict.INACTIVE, "", f"{begun!r} has begun in the meantime: a policy was renamed or replaced"
        longest, silent = _span(arrivals.longest), duration_text(now - since)
        return Verdict.ACTIVE, f"nothing new for {silent}, where it was never longer than {longest}", ""

    def _needed(self, arrivals: _Arrivals) -> timedelta:
        return max(self.at_least, int(self.times * arrivals.longest) * MICROSECOND)

    def _arrivals(self, series: Series, now: int) -> _Arrivals | None:
        """Return when something new came, or None if nothing has for as long as mail is held."""
        begin = max(own_past_since(series), now - self.lookback // MICROSECOND)
        index = series.derived("arrivals", _index_of_arrivals)
        # What is held first in the window may have come before.
        first_at = next((since for since, _ in series.known_us(begin, now)), now)
        first, behind = bisect_right(index.at, first_at), bisect_right(index.at, now)
        if first == behind or index.at[behind - 1] < now - MIMECAST_EXPIRY // MICROSECOND:
            return None
        last_at = index.at[behind - 1]
        since = max(begin, last_at - self.weeks * (WEEK // MICROSECOND))
        first = bisect_left(index.at, since, first, behind)
        # A time with a gap in polling counts as a whole: something may have come within it, or not.
        spans = [index.at[first] - since, *index.after[first + 1 : behind]]
        usual = self.usual // MICROSECOND
        rested = (index.at[first + place] for place in range(len(spans) - 1, -1, -1) if spans[place] > usual)
        known = sum(known_until - known_since for known_since, known_until in series.known_us(since, last_at))
        return _Arrivals(
            last_at=last_at,
            last=index.counts[behind - 1],
            longest=max(spans),
            known=known,
            rested_until=next(rested, 0),
        )


@dataclass(frozen=True, slots=True)
class _ArrivalIndex:
    """When a count rose.

    Attributes:
        at: Each of these instants, oldest first.
        counts: What it rose to.
        after: How long after the one before.
    """

    at: Sequence[int]
    counts: Sequence[int]
    after: Sequence[int]


def _index_of_arrivals(series: Series) -> _ArrivalIndex:
    """Return all of them in a series."""
    at, counts, after, before = int64_array(), int64_array(), int64_array(), None
    for since, _, count in series.pieces_us(0, to_epoch_us(FOREVER)):
        if before is not None and count > before:
            after.append(since - at[-1] if at else 0)
            at.append(since)
            counts.append(count)
        before = count
    return _ArrivalIndex(at, counts, after)


def _begun(series: Series, since: datetime, until: datetime) -> str:
    """Return a reason of the tenant that had its first messages ever within a span; empty if there is none."""
    for other in series.others:
        first = other.first_held_at
        if other.reason != series.reason and first is not None and since <= first <= until:
            return str(other.reason)
    return ""


def _span(microseconds: int) -> str:
    return duration_text(microseconds * MICROSECOND)
