"""The count of now against the count of some time ago."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from heapq import merge
from typing import ClassVar

from alerter.core.archives import Archive
from alerter.core.conditions.observations import (
    ANY_COUNT,
    FOREVER,
    Observation,
    Operands,
    Subject,
    Verdict,
    duration_text,
    margin_text,
    no_poll_now,
)
from alerter.core.series import Sample, Series, Span
from alerter.core.timelines import MICROSECOND

#: So many references are looked up at every evaluation.
MOST_TIMES = 60
#: So many spans are named one by one.
MOST_SHOWN = 3


def _count(sample: Sample) -> int:
    return sample.count


def _shifted(archive: Archive, by: int, number: int) -> Iterator[tuple[int, int, int]]:
    """Yield the changes of a series so much later, each with a number that tells them from others."""
    for at, count in zip(archive.at, archive.held, strict=True):
        yield at + by, number, count


@dataclass(frozen=True, kw_only=True)
class Growth:
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
            lowest) that was held 1, 2, … `times` spans ago; half of these must be known. With a day and 7 times,
            growth is what no day of the week before had at this hour.
    """

    name: ClassVar[str] = "growth"
    subject: ClassVar[Subject] = Subject.HELD
    sums: ClassVar[bool] = True
    remembers: ClassVar[bool] = False
    compares: ClassVar[bool] = True

    over: timedelta
    by: int | None = None
    percent: int | None = None
    falls_by: int | None = None
    falls_percent: int | None = None
    floor: int = 20
    times: int = 1

    def __post_init__(self) -> None:
        rises, falls = ([step for step in way if step is not None] for way in self._ways())
        if bool(rises) == bool(falls):
            raise ValueError("expected at least one of 'by' and 'percent', or of 'falls_by' and 'falls_percent'")
        if min(rises + falls) <= 0:
            raise ValueError("expected 'by', 'percent', 'falls_by' and 'falls_percent' above 0")
        if self.floor < 0:
            raise ValueError(f"expected 'floor' of 0 messages or more, found {self.floor}")
        if self.over <= timedelta(0):
            raise ValueError("expected 'over' longer than 0s")
        if not 1 <= self.times <= MOST_TIMES:
            raise ValueError(f"expected 'times' from 1 to {MOST_TIMES}, found {self.times}")

    @property
    def window(self) -> timedelta:
        """How far back it looks, without the tolerance for the reference."""
        return self.over * self.times

    @cached_property
    def falls(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return self.by is None and self.percent is None

    @cached_property
    def harmless(self) -> tuple[int, int] | None:
        """The counts at which it is never active, lowest and highest: too few to have grown by so many from nothing.

        None where any count may be active: that of a fall.
        """
        messages, percent = self._steps
        if self.falls:
            return None
        if messages is not None or percent is None:
            return ANY_COUNT[0], (messages or 1) - 1
        # From `floor` on, for a smaller reference is not judged by its percentage.
        return ANY_COUNT[0], self.floor + max(1, -(-self.floor * percent // 100)) - 1

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        sign = "-" if self.falls else "+"
        messages, percent = self._steps
        parts = ("" if messages is None else f"{sign}{messages:,}", "" if percent is None else f"{sign}{percent:,} %")
        spans = [duration_text(self.over * number) for number in range(1, self.times + 1)]
        shown = spans if len(spans) <= MOST_SHOWN else [*spans[:2], "…", spans[-1]]
        return f"{' and '.join(filter(None, parts))} within {', '.join(shown)}"

    def margin(
        self, found: Operands, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much it grew (or fell) too far, or how much is missing; empty without data."""
        if found.value is None or found.reference is None:
            return ""
        before, count = found.reference.count, found.value.count
        delta = before - count if self.falls else count - before
        messages, percent = self._steps
        if messages is None and before < self.floor:
            return f"{before:,} were held before, and below {self.floor:,} a percentage counts for nothing"
        by_percent = -(-before * (percent or 0) // 100) if before >= self.floor else 0
        needed = max(messages or 1, by_percent)
        steps = f"{delta:+,} messages" if not self.falls else f"{-delta:+,} messages"
        return f"{steps}, {margin_text(delta - needed + 1, missing='fewer' if self.falls else 'more')}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Observation:
        """Compare the sample at `now` with the one `over` ago."""
        count = series.value_at(now)
        if count is None:
            return no_poll_now(self.name, self.limit)
        value = Sample(now, count)
        references = list(self._references(series, now))
        if len(references) * 2 < self.times:
            note = f"no good poll {duration_text(self.over)} before to compare with"
            if self.times > 1:
                note = f"only {len(references)} of {self.times} good polls before to compare with"
            return self._observed(Verdict.NO_DATA, value, None, note=note, idle_until=self._idle_until(series, now))
        reference = (min if self.falls else max)(references, key=_count)
        if self._is_far(reference.count, count):
            return self._observed(Verdict.ACTIVE, value, reference)
        return self._observed(Verdict.INACTIVE, value, reference, idle_until=self._idle_until(series, now))

    def _references(self, series: Series, now: datetime) -> Iterator[Sample]:
        """Yield what is compared with, newest first; a sample that is too old is none."""
        for number in range(1, self.times + 1):
            then = now - self.over * number
            sample = series.newest_sample(until=then)
            if sample is not None and sample.at >= then - series.tolerance:
                yield sample

    def turns(self, archive: Archive) -> Iterator[int]:
        """Yield when the growth passes the limit: at a change, or when a change is `over` ago."""
        for number in range(1, self.times + 1):
            yield from archive.references(self.over * number)
        yield from self._turns(archive) if self.times == 1 else self._turns_of_several(archive)

    def _turns_of_several(self, archive: Archive) -> Iterator[int]:
        """Yield each change that leaves the count far from some reference, and the first that leaves it so no more."""
        over = self.over // MICROSECOND
        steps = [_shifted(archive, over * number, number) for number in range(self.times + 1)]
        newest = list(archive.held[:1]) * (self.times + 1)
        was_far = False
        for instant, number, count in merge(*steps):
            newest[number] = count
            is_far = any(self._is_far(before, newest[0]) for before in newest[1:])
            if is_far or was_far:
                yield instant
            was_far = is_far

    def _turns(self, archive: Archive) -> Iterator[int]:
        at, held, over = archive.at, archive.held, self.over // MICROSECOND
        sign, least = (-1 if self.falls else 1), self._steps[0] or 1
        before = count = held[0] if held else 0
        is_far, new, old = False, 1, 1
        while old < len(at):
            instant = at[old] + over
            if new < len(at) and at[new] <= instant:
                instant, count = at[new], held[new]
                new += 1
            else:
                before = held[old]
                old += 1
            now_far = (count - before) * sign >= least and self._is_far(before, count)
            if now_far is not is_far:
                is_far = now_far
                yield instant

    def _idle_until(self, series: Series, now: datetime) -> datetime:
        """Return when there is another reference, or one less of several: a single one that ends proves nothing."""
        spans = [self.over * number for number in range(1, self.times + 1)]
        edges = [edge + span for span in spans if (edge := series.next_edge(after=now - span)) is not None]
        if self.times > 1:
            ends = [span.until + series.tolerance for span in series.coverage]
            edges += [end + over for end in ends for over in spans if end + over >= now]
        return min(edges, default=FOREVER)

    def _is_far(self, before: int, count: int) -> bool:
        messages, percent = self._steps
        delta = before - count if self.falls else count - before
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
        return falls if self.falls else rises

    def _ways(self) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
        return (self.by, self.percent), (self.falls_by, self.falls_percent)

    def _observed(
        self,
        verdict: Verdict,
        value: Sample,
        reference: Sample | None,
        *,
        note: str = "",
        idle_until: datetime | None = None,
    ) -> Observation:
        operands = Operands(condition=self.name, limit=self.limit, value=value, reference=reference, note=note)
        return Observation(verdict=verdict, operands=operands, idle_until=idle_until)
