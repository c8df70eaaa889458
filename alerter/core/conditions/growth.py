"""The count of now against the count of some time ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

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
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text

#: More spans than this are a mistake.
MAX_TIMES = 60
#: Of the time in which the highest count is looked for, one of this number of parts must be known.
MIN_KNOWN_FRACTION = 4


def _known_until(known: Sequence[tuple[int, int]], needed: int) -> int:
    """Return the first instant after which less than is needed of some parts remains."""
    begin, index = 0, len(known)
    while needed > 0:
        index -= 1
        begin, until = known[index]
        needed -= until - begin
    return begin - needed


@dataclass(frozen=True, kw_only=True)
class Growth(BaseCondition):
    """Held messages that grow (or fall) by a number, a percentage, or both, within a span.

    The count now is compared with the newest sample at or before now - `over`. If that sample is more than two poll
    intervals older than that, there is no data: a gap is never read as zero. A tenant that was polled then, without
    this reason in the answer, had 0.

    Attributes:
        over: The span to compare over.
        by: Messages; active when the growth is at least this.
        percent: Per cent of the earlier count; tested only where that count is at least `floor`. Below it `by`
            alone decides, and without `by` the level is inactive: from 1 to 3 is 200 %, and nothing.
        falls_by: Like `by`, for counts that fall; a level looks in one direction only.
        falls_percent: Like `percent`, for counts that fall.
        floor: Messages.
        times: How many such spans to look back. The count is compared with the highest (of counts that fall: the
            lowest) that was held from `times` spans ago until one span ago; a quarter of that time must be known. With
            a day and 14 times, growth is what was never seen in two weeks, leaving out the last day.
    """

    name: ClassVar[str] = "growth"
    reports_change: ClassVar[bool] = True

    over: Annotated[timedelta, Gt(timedelta(0))]
    by: Annotated[int, Ge(1)] | None = None
    percent: Annotated[int, Ge(1)] | None = None
    falls_by: Annotated[int, Ge(1)] | None = None
    falls_percent: Annotated[int, Ge(1)] | None = None
    floor: Annotated[int, Ge(0)] = 20
    times: Annotated[int, Ge(1), Le(MAX_TIMES)] = 1

    def __post_init__(self) -> None:
        rises, falls = ([step for step in way if step is not None] for way in self._ways())
        if bool(rises) == bool(falls):
            raise ValueError("expected at least one of 'by' and 'percent', or of 'falls_by' and 'falls_percent'")

    @property
    def lookback(self) -> timedelta:
        """How far back it looks, without the tolerance for the reference."""
        return self.over * self.times

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active: with `times`, a quarter of what it compares with."""
        return self.over if self.times == 1 else self.over + (self.lookback - self.over) / MIN_KNOWN_FRACTION

    @cached_property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return self.by is None and self.percent is None

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        sign = "-" if self.lower_is_worse else "+"
        messages, percent = self._steps
        parts = ("" if messages is None else f"{sign}{messages:,}", "" if percent is None else f"{sign}{percent:,} %")
        steps = " and ".join(filter(None, parts))
        return f"{steps} within {duration_text(self.over)}" if self.times == 1 else f"{steps} on the {self._past}"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much it grew (or fell) too far, or how much is missing; empty without data."""
        if found.value is None or found.reference is None:
            return ""
        before, count = found.reference.count, found.value.count
        delta = before - count if self.lower_is_worse else count - before
        messages, percent = self._steps
        if messages is None and before < self.floor:
            return f"{before:,} were held before, and below {self.floor:,} a percentage counts for nothing"
        by_percent = -(-before * (percent or 0) // 100) if before >= self.floor else 0
        needed = max(messages or 1, by_percent)
        steps = f"{delta:+,} messages" if not self.lower_is_worse else f"{-delta:+,} messages"
        return f"{steps}, {format_distance(delta - needed + 1, missing='fewer' if self.lower_is_worse else 'more')}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Compare the sample at `now` with the one `over` ago, or with the highest of `times` such spans."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        if self.times > 1:
            return self._against_many(value, series)
        then = now - self.over
        reference = series.sample_for(then)
        if reference is None:
            note = f"no successful poll {duration_text(self.over)} before to compare with"
            until = (series.next_change_at(after=then) or then) + self.over
            return self._result(Verdict.NO_DATA, value, None, note=note, holds_until=until)
        verdict = Verdict.ACTIVE if self._is_far(reference.count, count) else Verdict.INACTIVE
        until, within = self._holds(verdict, reference.count, value, series)
        return self._result(verdict, value, reference, holds_until=until, holds_within=within)

    def _holds(
        self, verdict: Verdict, reference: int, value: Sample, series: Series
    ) -> tuple[datetime, tuple[int, int]]:
        """Return until when a verdict stands, and with which counts."""
        then = to_epoch_us(value.at - self.over)
        # There will be no reference behind a gap.
        gap = series.next_gap_us(then)
        changes = list(series.changes_us(then, to_epoch_us(value.at) if gap is None else gap - 1))
        if verdict is Verdict.INACTIVE and gap is None:
            calm = self._calm([reference, *(count for _, count in changes)])
            if calm is not None:
                return FOREVER, calm
        lowest, highest = self._counts(verdict, reference)
        # As long as half of the room around the count remains, for it will move.
        least, most = value.count - (value.count - lowest) // 2, value.count + (highest - value.count) // 2
        for at, count in changes:
            counts = self._counts(verdict, count)
            low, high = max(lowest, counts[0]), min(highest, counts[1])
            if not (low <= least and most <= high):
                return from_epoch_us(at) + self.over, (lowest, highest)
            lowest, highest = low, high
        return (value.at if gap is None else from_epoch_us(gap)) + self.over, (lowest, highest)

    def _calm(self, seen: Sequence[int]) -> tuple[int, int] | None:
        """Return counts, lowest and highest, among which all of these are, and none of which is far from another."""
        lowest, highest = min(seen), max(seen)
        extreme, other = (highest, lowest) if self.lower_is_worse else (lowest, highest)
        near = self._near(extreme)
        if not near[0] <= other <= near[1]:
            return None
        # With some room on either side, so that not every small step is worth another look.
        if self.lower_is_worse:
            # From fewer than that it cannot fall so far.
            wider = (self._steps[0] or self.floor) - 1
            if wider < highest:
                wider = highest + (lowest - near[0]) // 2
            return self._near(wider)[0], wider
        low, wider = 0, lowest
        while low < wider:
            middle = (low + wider) // 2
            if self._near(middle)[1] - highest >= lowest - middle:
                wider = middle
            else:
                low = middle + 1
        return wider, self._near(wider)[1]

    def _counts(self, verdict: Verdict, before: int) -> tuple[int, int]:
        """Return the counts with which a comparison with one of before has a verdict, lowest and highest.

        The lowest is above the highest where no count has it.
        """
        lowest, highest = ANY_COUNT
        messages, percent = self._steps
        if messages is None and before < self.floor:
            return (highest, lowest) if verdict is Verdict.ACTIVE else (lowest, highest)
        by_percent = -(-before * (percent or 0) // 100) if before >= self.floor else 0
        needed = max(messages or 1, by_percent)
        if self.lower_is_worse:
            return (
                (lowest, before - needed) if verdict is Verdict.ACTIVE else (max(lowest, before - needed + 1), highest)
            )
        return (before + needed, highest) if verdict is Verdict.ACTIVE else (lowest, before + needed - 1)

    def _against_many(self, value: Sample, series: Series) -> Result:
        """Compare with the extreme of all that was seen from `times` spans ago until one span ago."""
        now, window, over = (to_epoch_us(value.at), self.lookback // MICROSECOND, self.over // MICROSECOND)
        parts = list(series.known_us(now - window, now - over))
        known = sum(until - since for since, until in parts)
        needed = -(-(window - over) // MIN_KNOWN_FRACTION)
        seen = (series.lowest_us if self.lower_is_worse else series.highest_us)(now - window, now - over)
        if known < needed or seen is None:
            whole = duration_text(self.lookback - self.over)
            note = f"only {duration_text(known * MICROSECOND)} of {whole} are known to compare with"
            until = value.at + (needed - known) * MICROSECOND
            return self._result(Verdict.NO_DATA, value, None, note=note, holds_until=until)
        since, until_us, extreme = seen
        is_far = self._is_far(extreme, value.count)
        near = self._near(extreme)
        if near[0] <= value.count <= near[1]:
            # As long as it is compared with, whatever comes.
            within, leaves = near, until_us + window
        else:
            within = self._counts(Verdict.ACTIVE if is_far else Verdict.INACTIVE, extreme)
            coming = (at for at, count in series.changes_us(now - over, now) if self._is_beyond(count, extreme))
            leaves = min(until_us + window, next(coming, now) + over)
        if series.run_since_us(now) > now - over - needed:
            # Before the present run there was a gap, which may be all that is left of the past at some time.
            leaves = min(leaves, _known_until(parts, needed) + window)
        delta = abs(value.count - extreme)
        return self._result(
            Verdict.ACTIVE if is_far else Verdict.INACTIVE,
            value,
            Sample(from_epoch_us(since), extreme),
            news=f"{delta:,} {'fewer' if self.lower_is_worse else 'more'} than ever from {self._span_of_past}"
            if is_far
            else "",
            holds_until=from_epoch_us(leaves),
            holds_within=within,
        )

    def _is_beyond(self, count: int, extreme: int) -> bool:
        """Say whether a count is more extreme than another."""
        return count < extreme if self.lower_is_worse else count > extreme

    def _near(self, extreme: int) -> tuple[int, int]:
        """Return the counts that are not far from an extreme, nor from any that is more extreme; lowest and highest.

        A percentage may count for nothing at one of these extremes, and for something at another: `by` alone decides
        where it is given, for it counts at all of them.
        """
        messages, percent = self._steps
        lowest, highest = ANY_COUNT
        if self.lower_is_worse and messages is None and extreme < self.floor:
            return lowest, highest
        if self.lower_is_worse:
            most = extreme - messages if messages is not None else extreme * (100 - (percent or 0)) // 100
            return max(lowest, most + 1), highest
        if messages is not None:
            by_percent = -(-extreme * (percent or 0) // 100) if extreme >= self.floor else 0
            return lowest, extreme + max(messages, by_percent) - 1
        least = max(extreme, self.floor)
        return lowest, least + max(1, -(-least * (percent or 0) // 100)) - 1

    @property
    def _past(self) -> str:
        return f"{'least' if self.lower_is_worse else 'most'} from {self._span_of_past}"

    @property
    def _span_of_past(self) -> str:
        return f"{duration_text(self.lookback)} to {duration_text(self.over)} before"

    def _is_far(self, before: int, count: int) -> bool:
        messages, percent = self._steps
        delta = before - count if self.lower_is_worse else count - before
        if delta < (messages or 1):
            return False
        if percent is None:
            return True
        if before < self.floor:
            return messages is not None
        return delta * 100 >= before * percent

    @cached_property
    def _steps(self) -> tuple[int | None, int | None]:
        rises, falls = self._ways()
        return falls if self.lower_is_worse else rises

    def _ways(self) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
        return (self.by, self.percent), (self.falls_by, self.falls_percent)

    def _result(
        self,
        verdict: Verdict,
        value: Sample,
        reference: Sample | None,
        *,
        note: str = "",
        news: str = "",
        holds_until: datetime,
        holds_within: tuple[int, int] = ANY_COUNT,
    ) -> Result:
        evidence = Evidence(
            condition=self.name,
            limit_text=self.limit_text,
            value=value,
            reference=reference,
            headline=news,
            detail=note,
        )
        return Result(verdict=verdict, evidence=evidence, holds_until=holds_until, holds_within=holds_within)
