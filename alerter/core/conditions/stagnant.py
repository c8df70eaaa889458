"""Held mail that nobody looks at."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import pairwise
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Gt, Le

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.conditions.past import MAX_WEEKS, WEEK, longest_gap, own_past_since
from alerter.core.poll_times import NEVER, int64_array
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text

#: Mimecast expires held mail after so long: a count that is looked at for longer falls by itself.
MIMECAST_EXPIRY = timedelta(days=14)
#: Relative to its own past: how many times the longest span it takes, in how many weeks, and for how long at least. So
#: much of these weeks must be known.
TIMES, WEEKS, AT_LEAST, LEARN = 2.0, 8, timedelta(days=1), 2 * WEEK


class _Past(NamedTuple):
    """Since when nothing has been released, and the longest such span before; in microseconds.

    Attributes:
        since: When the present span began.
        longest: The longest span before it, in the weeks before.
        known: How much of these is known.
    """

    since: int
    longest: int
    known: int


@dataclass(frozen=True, kw_only=True)
class Stagnant(BaseCondition):
    """Held messages that nobody releases: for a span the count has been above a limit, and it has never fallen.

    Whatever is released, rejected or expired makes the count fall, and the span begins again. Mimecast expires held
    mail after 14 days, so that `lasting` is at most that; well below it there is time left to look at the mail. Polling
    must have begun before the span. Gaps of up to two poll intervals are bridged: what was seen on both sides must be
    above the limit and must not have fallen. With a longer one there is no data, until it is older than the span.

    Without `lasting` the span is relative to the reason's own past: `times` the longest one before in the `weeks` weeks
    before, and at least a day. So a queue that is released every Monday may rest for two weeks, less a moment, and one
    that is released twice a day for a day. Two of these weeks must be known. A gap in polling belongs to the span that
    it lies in. After 14 days without a release there is no alert any more: that is how it is now.

    Attributes:
        above: Messages.
        lasting: The span; without it, what is usual for the reason decides.
        times: How many times the longest span before; only without `lasting`.
        weeks: How many weeks to look back from the last release; only without `lasting`.
    """

    name: ClassVar[str] = "stagnant"

    above: Annotated[int, Ge(0)] = 0
    lasting: Annotated[timedelta, Gt(timedelta(0))] | None = None
    times: Annotated[float, Ge(1)] = TIMES
    weeks: Annotated[int, Ge(LEARN // WEEK + 1), Le(MAX_WEEKS)] = WEEKS

    def __post_init__(self) -> None:
        if self.lasting is None:
            return
        if (self.times, self.weeks) != (TIMES, WEEKS):
            raise ValueError("expected either 'lasting', or 'times' and 'weeks'")
        if self.lasting > MIMECAST_EXPIRY:
            most, found = duration_text(MIMECAST_EXPIRY), duration_text(self.lasting)
            raise ValueError(f"expected 'lasting' of at most {most}, after which held mail expires, found {found}")

    @property
    def lookback(self) -> timedelta:
        """How far back it looks, without the tolerance for the first sample."""
        return self.weeks * WEEK + MIMECAST_EXPIRY if self.lasting is None else self.lasting

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words; without `lasting`, as long as nobody knows what is usual."""
        if self.lasting is None:
            lasting = f"never falling for {self.times:g} times the longest of {self.weeks}w"
        else:
            lasting = f"never falling for {duration_text(self.lasting)}"
        return f"above {self.above:,} and {lasting}" if self.above else lasting

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return LEARN + AT_LEAST if self.lasting is None else self.lasting

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return how many messages are missing, or for how much longer; empty without data."""
        if found.value is None:
            return ""
        if found.value.count <= self.above:
            return format_distance(found.value.count - self.above)
        if found.reference is None:
            return ""
        lasting = found.value.at - found.reference.at
        needed = self.lasting
        if needed is None:
            needed = self._needed(self._past(series, to_epoch_us(found.value.at)))
        if lasting < needed:
            return f"for {duration_text(lasting)} so far, needs {duration_text(needed - lasting)} more"
        return f"by {found.value.count - self.above:,}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Look for how long the count has been above the limit, and has not fallen."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        if count <= self.above:
            return self._result(Verdict.INACTIVE, value, holds_until=FOREVER, holds_within=(ANY_COUNT[0], self.above))
        if self.lasting is None:
            return self._against_past(value, series)
        return self._against(self.lasting, value, series)

    def _against_past(self, value: Sample, series: Series) -> Result:
        """Compare how long it has not fallen with how long it ever did not."""
        past = self._past(series, to_epoch_us(value.at))
        since, needed = from_epoch_us(past.since), self._needed(past)
        longest = duration_text(past.longest * MICROSECOND)
        found = self._result(
            Verdict.INACTIVE,
            value,
            Sample(since, series.count_before(past.since + 1) or 0),
            # With a release the span begins again, which takes `AT_LEAST` from then on.
            holds_until=value.at + AT_LEAST,
        )
        evidence = replace(
            found.evidence, limit_text=f"no release for {duration_text(needed)}; the longest was {longest}"
        )
        found = replace(found, evidence=evidence)
        if value.at < since + needed:
            return replace(found, holds_until=min(found.holds_until, since + needed))
        same, until = (value.count, value.count), since + MIMECAST_EXPIRY
        if value.at >= until:
            note = f"nothing has been released for {duration_text(MIMECAST_EXPIRY)}: that is how it is now"
            return replace(found, evidence=replace(evidence, detail=note))
        if past.known * MICROSECOND < LEARN:
            note = f"only {duration_text(past.known * MICROSECOND)} before it are known to compare with"
        elif longest_gap(series, past.since, to_epoch_us(value.at)) > series.tolerance // MICROSECOND:
            note = "polling failed in the meantime"
        else:
            news = f"nothing released for {duration_text(value.at - since)}, where it was never longer than {longest}"
            evidence = replace(evidence, headline=news)
            return Result(verdict=Verdict.ACTIVE, evidence=evidence, holds_until=until, holds_within=same)
        evidence = replace(evidence, detail=note)
        return Result(verdict=Verdict.NO_DATA, evidence=evidence, holds_until=until, holds_within=same)

    def _needed(self, past: _Past) -> timedelta:
        return max(AT_LEAST, int(self.times * past.longest) * MICROSECOND)

    def _past(self, series: Series, now: int) -> _Past:
        """Return since when nothing has been released, where the count is above the limit, and how that was before."""
        begin = max(own_past_since(series), now - self.lookback // MICROSECOND)
        since, until = series.derived(("unreleased", self.above), partial(_spans_without_release, self.above))
        last = bisect_right(since, now) - 1
        present = max(since[last], begin)
        first_at = max(begin, present - self.weeks * (WEEK // MICROSECOND))
        first = bisect_right(until, first_at, 0, last)
        spans = (until[index] - max(since[index], first_at) for index in range(first, last))
        known = sum(known_until - known_since for known_since, known_until in series.known_us(first_at, present))
        return _Past(since=present, longest=max(spans, default=0), known=known)

    def _against(self, lasting: timedelta, value: Sample, series: Series) -> Result:
        """Look for the last moment at which the count fell, or was at or below the limit."""
        now, same = value.at, (value.count, value.count)
        then = now - lasting
        reference = series.sample_for(then)
        before = () if reference is None else ((to_epoch_us(reference.at), to_epoch_us(reference.at), reference.count),)
        seen = [*before, *series.pieces_us(to_epoch_us(then), to_epoch_us(now))]
        since, before_until = self._last_break(seen)
        if since is not None:
            # Whatever is seen until then, the span since this moment is too short; what was before a gap is forgotten.
            remembered = min(since.at, from_epoch_us(before_until + 1) + series.tolerance)
            return self._result(Verdict.INACTIVE, value, since, holds_until=remembered + lasting)
        if reference is None:
            note = f"no successful poll {duration_text(lasting)} before to begin with"
            until = (series.next_change_at(after=then) or then) + lasting
            return self._result(Verdict.NO_DATA, value, note=note, holds_until=until, holds_within=same)
        gaps = [(after - before, after) for (_, before, _), (after, _, _) in pairwise(seen)]
        longest, behind = max(gaps, default=(0, 0))
        if longest * MICROSECOND > series.tolerance:
            gap, until = duration_text(longest * MICROSECOND), from_epoch_us(behind) + lasting
            note = f"no data for {gap} of the last {duration_text(lasting)}"
            return self._result(Verdict.NO_DATA, value, note=note, holds_until=until, holds_within=same)
        return self._result(Verdict.ACTIVE, value, reference, holds_until=FOREVER, holds_within=same)

    def _last_break(self, seen: Sequence[tuple[int, int, int]]) -> tuple[Sample | None, int]:
        """Return the first sample since which the count has been above the limit and has not fallen.

        With it comes the last instant of what was seen before. None where that is so of all that was seen.
        """
        after_count, after_since = seen[-1][2], seen[-1][0]
        for since, until, count in reversed(seen[:-1]):
            if after_count < count or count <= self.above:
                return Sample(from_epoch_us(after_since), after_count), until
            after_since, after_count = since, count
        return None, 0

    def _result(
        self,
        verdict: Verdict,
        value: Sample,
        reference: Sample | None = None,
        *,
        note: str = "",
        holds_until: datetime,
        holds_within: tuple[int, int] = ANY_COUNT,
    ) -> Result:
        evidence = Evidence(
            condition=self.name, limit_text=self.limit_text, value=value, reference=reference, detail=note
        )
        return Result(verdict=verdict, evidence=evidence, holds_until=holds_until, holds_within=holds_within)


def _spans_without_release(above: int, series: Series) -> tuple[Sequence[int], Sequence[int]]:
    """Return since when a count was above a limit and did not fall, each time, and until when; `NEVER` of the last."""
    since, until, before = int64_array(), int64_array(), above
    for begin, _, count in series.pieces_us(0, NEVER):
        if before > above and count < before:
            until.append(begin)
        if count > above and (before <= above or count < before):
            since.append(begin)
        before = count
    return since, until if len(until) == len(since) else int64_array([*until, NEVER])
