"""Snapshots, and the step function that they make of each hold reason.

No I/O: values in, values out. All instants are aware UTC; a series is defined only where polling covered it,
so that a zero is always proven and a gap is never read as one.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import NewType, Protocol, TypeAlias, TypeVar, cast, overload

from alerter.errors import Cause

Tenant = NewType("Tenant", str)
HoldReason = NewType("HoldReason", str)

#: Stands for the tenant or the reason of a sum, and for the reason of an alert about polling itself.
ALL_TENANTS = Tenant("*")
ALL_REASONS = HoldReason("*")
#: What a row without a name is called (Mimecast documents none; a blank one must not be lost).
NO_REASON = HoldReason("(no reason given)")

#: What is known of a stretch of time: its beginning and its end, in microseconds since 1970, and the count.
Piece: TypeAlias = tuple[int, int, int]
T = TypeVar("T")

#: A newest sample stands for the present, and an old one for the past, for at most this number of poll intervals.
TOLERANCE_INTERVALS = 2
#: How far back a rule on one hold reason looks at the tenant's others.
OTHERS_LOOKBACK = timedelta(days=1)


def longest_step(poll_interval: timedelta) -> timedelta:
    """Return how far apart two successive polls are at most; beyond one and a half intervals, one was missed."""
    return 3 * poll_interval // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The complete answer of one good poll: held messages by hold reason, at the instant it was complete.

    Attributes:
        tenant: Whose.
        taken_at: When it was complete.
        counts: Held messages by hold reason.
        latency: How long it took from the question to the answer; None where nobody knows. It is no part of what was
            seen.
    """

    tenant: Tenant
    taken_at: datetime
    counts: Mapping[HoldReason, int]
    latency: timedelta | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """The held messages of one series at one instant."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """A run of coverage: a stretch of time in which no poll failed and none was missed; both ends were polls."""

    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of covered time in which the count stayed the same; the next one may begin where it ends."""

    start_at: datetime
    end_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Steps(Sequence[Sample]):
    """A step function, or a part of one, as two arrays; a sample is made when it is asked for.

    Attributes:
        at: Where the count changed, in microseconds since 1970, oldest first.
        counts: The count from each of these instants on.
        first: The index of the first step that belongs to the part.
        behind: The index behind the last one.
    """

    at: Sequence[int]
    counts: Sequence[int]
    first: int
    behind: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Steps":
        """Return samples as a step function."""
        if isinstance(samples, Steps):
            return samples
        instants, counts = [to_epoch_us(each.at) for each in samples], [each.count for each in samples]
        return cls(instants, counts, 0, len(instants))

    def last_before(self, at: int) -> int:
        """Return the index of the last step that is not after an instant; one before `first` if there is none."""
        return bisect_right(self.at, at, self.first, self.behind) - 1

    def __len__(self) -> int:
        return self.behind - self.first

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> "Steps": ...

    def __getitem__(self, index: int | slice) -> "Sample | Steps":
        part = range(self.first, self.behind)[index]
        if isinstance(part, range):
            return Steps(self.at, self.counts, part.start, part.stop)
        return Sample(from_epoch_us(self.at[part]), self.counts[part])


@dataclass(frozen=True, slots=True)
class Runs(Sequence[Span]):
    """Runs of coverage, or a part of them, as two arrays; a span is made when it is asked for.

    Attributes:
        since: Where each run begins, in microseconds since 1970, oldest first.
        until: Where each of them ends.
        first: The index of the first run that belongs to the part.
        behind: The index behind the last one.
        end: Where the last run of the part ends, as far as it is known.
    """

    since: Sequence[int]
    until: Sequence[int]
    first: int
    behind: int
    end: int

    @classmethod
    def of(cls, spans: Sequence[Span]) -> "Runs":
        """Return spans as runs."""
        if isinstance(spans, Runs):
            return spans
        since, until = [to_epoch_us(each.start_at) for each in spans], [to_epoch_us(each.end_at) for each in spans]
        return cls(since, until, 0, len(since), until[-1] if until else 0)

    def last_before(self, at: int) -> int:
        """Return the index of the last run that begins at or before an instant; one before `first` if there is none."""
        return bisect_right(self.since, at, self.first, self.behind) - 1

    @property
    def indexes(self) -> range:
        """The indexes of the runs of the part."""
        return range(self.first, self.behind)

    def until_of(self, index: int) -> int:
        """Return where a run ends."""
        return self.end if index + 1 == self.behind else self.until[index]

    def __len__(self) -> int:
        return self.behind - self.first

    @overload
    def __getitem__(self, index: int) -> Span: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Span]: ...

    def __getitem__(self, index: int | slice) -> Span | Sequence[Span]:
        part = range(self.first, self.behind)[index]
        if isinstance(part, range):
            return [self._span(each) for each in part]
        return self._span(part)

    def _span(self, index: int) -> Span:
        return Span(from_epoch_us(self.since[index]), from_epoch_us(self.until_of(index)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailure:
    """The run of failed polls that a tenant is in: since the first of them, with the latest cause.

    Where the clock was set back within the run, it is since the earliest instant that the clock showed.
    """

    started_at: datetime
    last_failed_at: datetime
    cause: Cause
    detail: str


class Polls(Protocol):
    """The good polls of a tenant."""

    def between(self, since: int, until: int) -> Sequence[int]:
        """Return those between two instants, both included, oldest first; in microseconds since 1970."""
        ...


@dataclass(frozen=True, kw_only=True)
class Series:
    """The held messages of one (tenant, reason) as a step function over covered time.

    It has no slots, so that its arrays are made once. Methods whose names end in `_us` take and return whole
    microseconds since 1970, for conditions that look at many samples.

    Attributes:
        tenant: Whose mail is held; `ALL_TENANTS` for a sum over tenants.
        reason: Mimecast's `policyInfo`, verbatim; `ALL_REASONS` for a sum over reasons.
        changes: The value from each instant on, oldest first, one per instant. The first one carries the value at
            the start of the window, so it may be older than anything in `coverage`; before it nothing is known.
        coverage: Where polling worked, oldest first. The newest span is always there, however old it is.
        poll_interval: How often the tenant is polled; what "two polls" means.
        poll_failure: The run of failed polls that the tenant is in, or None after a good poll.
        timezone: Where the tenant's people work.
        first_polled_at: The tenant's first good poll ever, however far back the window goes; None before it.
        first_held_at: When the first messages ever were held for the reason; None before that, and for a sum.
        polls: The samples; None of a sum over tenants, which is known at every moment that is covered.
        others: The series of all hold reasons of the tenant, as far back as somebody has given them; empty for a sum.
        memo: Where a replay keeps what was derived from all that it knows; None for live polls.
    """

    tenant: Tenant
    reason: HoldReason
    changes: Sequence[Sample]
    coverage: Sequence[Span]
    poll_interval: timedelta
    poll_failure: PollFailure | None = None
    timezone: tzinfo = UTC
    first_polled_at: datetime | None = None
    first_held_at: datetime | None = None
    polls: Polls | None = field(default=None, compare=False)
    others: "Sequence[Series]" = field(default=(), compare=False, repr=False)
    memo: dict[Hashable, object] | None = field(default=None, compare=False, repr=False)

    @cached_property
    def steps(self) -> Steps:
        """The changes as arrays."""
        return Steps.of(self.changes)

    @cached_property
    def runs(self) -> Runs:
        """The coverage as arrays."""
        return Runs.of(self.coverage)

    def value_at(self, at: datetime) -> int | None:
        """Return the held messages at `at`, or None where polling did not cover it or no value is known."""
        at_us = to_epoch_us(at)
        run = self.runs.last_before(at_us)
        if run < self.runs.first or self.runs.until_of(run) < at_us or self._is_failing(at):
            return None
        return self._count_us(at_us)

    def newest_sample(self, *, until: datetime) -> Sample | None:
        """Return the newest sample at or before `until`, or None if there is none."""
        at = self.last_success_at(now=until)
        count = None if at is None else self._count_us(to_epoch_us(at))
        return None if at is None or count is None else Sample(at, count)

    def sample_for(self, then: datetime) -> Sample | None:
        """Return the sample that stands for an instant, or None where nothing is known of it.

        That is the newest one before it: of a run of coverage whenever it was, and in a gap if it is not too old.
        """
        then_us, runs = to_epoch_us(then), self.runs
        run = runs.last_before(then_us)
        if run < runs.first:
            return None
        until = runs.until_of(run)
        if until < then_us - self.tolerance // MICROSECOND:
            return None
        return self.newest_sample(until=then)

    def last_success_at(self, *, now: datetime) -> datetime | None:
        """Return the instant of the newest good poll at or before `now`, or None if there was none.

        A sum over tenants has a sample at every moment that is covered.
        """
        now_us, runs = to_epoch_us(now), self.runs
        run = runs.last_before(now_us)
        if run < runs.first:
            return None
        since, until = runs.since[run], runs.until_of(run)
        if until <= now_us:
            return from_epoch_us(until)
        if self.polls is None:
            return now
        # Nearly always it is one of the last two intervals; after an edit of the interval it may be another one.
        for begin in (now_us - self.tolerance // MICROSECOND, since):
            found = self.polls.between(max(begin, since), now_us)
            if found:
                return from_epoch_us(found[-1])
        return from_epoch_us(since)

    def next_change_at(self, *, after: datetime) -> datetime | None:
        """Return the first instant after another at which the count changed or polling began again, or None."""
        after_us, steps, runs = to_epoch_us(after), self.steps, self.runs
        step, run = steps.last_before(after_us) + 1, runs.last_before(after_us) + 1
        edges = [*steps.at[step : min(step + 1, steps.behind)], *runs.since[run : min(run + 1, runs.behind)]]
        return from_epoch_us(min(edges)) if edges else None

    def segments(self, *, since: datetime, until: datetime) -> Iterator[Segment]:
        """Yield what is known between two instants, both included, oldest first; gaps are left out.

        A poll on its own, with gaps on both sides, is a piece without length.
        """
        for begin, end, count in self.pieces_us(to_epoch_us(since), to_epoch_us(until)):
            yield Segment(from_epoch_us(begin), from_epoch_us(end), count)

    def pieces_us(self, since: int, until: int) -> Iterator[Piece]:
        """Yield what is known between two instants as `segments` does: beginning, end, and count."""
        steps = self.steps
        for begin, end in self.known_us(since, until):
            first, last = max(steps.last_before(begin), steps.first), steps.last_before(end)
            for index in range(first, last):
                yield max(steps.at[index], begin), steps.at[index + 1], steps.counts[index]
            yield max(steps.at[last], begin), end, steps.counts[last]

    def known_us(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield from when to when counts are known between two instants, oldest first: a part for each run."""
        runs, steps = self.runs, self.steps
        if not steps:
            return
        since = max(since, steps.at[steps.first])
        for run in range(max(runs.last_before(since), runs.first), runs.behind):
            begin, end = max(runs.since[run], since), min(runs.until_of(run), until)
            if begin <= end:
                yield begin, end

    def lowest_us(self, since: int, until: int) -> Piece | None:
        """Return the newest of the pieces between two instants with the lowest count; None if nothing is known."""
        return self._extreme_us(since, until, min)

    def highest_us(self, since: int, until: int) -> Piece | None:
        """Return the newest of the pieces between two instants with the highest count; None if nothing is known."""
        return self._extreme_us(since, until, max)

    def _extreme_us(self, since: int, until: int, pick: Callable[[Iterable[int]], int]) -> Piece | None:
        steps, found = self.steps, None
        for begin, end in self.known_us(since, until):
            first, last = max(steps.last_before(begin), steps.first), steps.last_before(end)
            counts = steps.counts[first : last + 1]
            count = pick(counts)
            if found is not None and pick((count, found[2])) != count:
                continue
            index = last - counts[::-1].index(count)
            found = max(steps.at[index], begin), end if index == last else steps.at[index + 1], count
        return found

    def derived(self, key: Hashable, derive: "Callable[[Series], T]") -> T:
        """Return what a function derives from the whole series: in a replay, from all that will ever be known of it.

        A replay asks for the same at thousands of polls, and has it derived once. A caller must look at no more
        of it than was known at the poll.

        Args:
            key: What it is.
            derive: Takes the whole series.
        """
        if self.memo is None:
            return derive(self)
        if key not in self.memo:
            steps, runs = self.steps, self.runs
            whole = replace(
                self,
                changes=Steps(steps.at, steps.counts, 0, len(steps.at)),
                coverage=Runs(runs.since, runs.until, 0, len(runs.since), runs.until[-1]),
            )
            self.memo[key] = derive(whole)
        return cast("T", self.memo[key])

    def changes_us(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield the changes after an instant and until another, which is included: instant and count, oldest first."""
        steps = self.steps
        part = slice(steps.last_before(since) + 1, steps.last_before(until) + 1)
        return zip(steps.at[part], steps.counts[part], strict=True)

    def count_before(self, at: int) -> int | None:
        """Return the count right before an instant, or None if nothing is known of it."""
        return self._count_us(at - 1)

    def highest_of_run_us(self, since: int, until: int) -> int | None:
        """Return the highest count between two instants, both included; None unless one run covers all of that."""
        runs, steps = self.runs, self.steps
        run, step = runs.last_before(since), steps.last_before(since)
        if run < runs.first or step < steps.first or runs.until_of(run) < until:
            return None
        return max(steps.counts[step : steps.last_before(until) + 1])

    def next_gap_us(self, after: int) -> int | None:
        """Return the first instant after another that no sample stands for (`sample_for`), or None if there is none.

        The other instant must be one that a sample stands for.
        """
        runs, tolerance = self.runs, self.tolerance // MICROSECOND
        for run in range(runs.last_before(after), runs.behind - 1):
            lost = runs.until[run] + tolerance + 1
            if lost < runs.since[run + 1]:
                return lost
        return None

    def run_since_us(self, at: int) -> int:
        """Return where the run of coverage begins that an instant lies in; there must be one."""
        return self.runs.since[self.runs.last_before(at)]

    @property
    def tolerance(self) -> timedelta:
        """How much older than wanted a sample may be: two poll intervals."""
        return TOLERANCE_INTERVALS * self.poll_interval

    def _is_failing(self, at: datetime) -> bool:
        # Coverage ends before a failure, but for a clock that was set back: then older polls cover "now".
        return self.poll_failure is not None and at >= self.poll_failure.started_at

    def _count_us(self, at: int) -> int | None:
        steps = self.steps
        step = steps.last_before(at)
        return None if step < steps.first else steps.counts[step]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta.resolution


def to_epoch_us(at: datetime) -> int:
    """Return an aware instant as a number: whole microseconds since 1970-01-01 UTC."""
    return (at - EPOCH) // MICROSECOND


def from_epoch_us(number: int) -> datetime:
    """Return the instant that a number stands for, in UTC."""
    return EPOCH + timedelta(microseconds=number)


def _since(failure: PollFailure) -> datetime:
    return failure.started_at


def sum_of_reasons(series: Sequence[Series]) -> Series:
    """Return the sum over the reasons of one tenant: its coverage is that of each of them.

    Args:
        series: At least one, all of the same tenant.
    """
    first = series[0]
    return replace(first, reason=ALL_REASONS, changes=_summed([each.changes for each in series]))


def sum_of_tenants(series: Sequence[Series]) -> Series:
    """Return the sum over tenants: covered only while every one of them is, for a partial sum proves nothing.

    Tenants are polled at different moments, so that a tenant's newest sample stands for it during two of its
    poll intervals; from the first failed poll of any of them on nothing is covered. A run of coverage ends where that
    of any of them does, see `runs_of_sum`; the newest one is held over.

    Args:
        series: At least one, each the sum of another tenant.
    """
    failures = [each.poll_failure for each in series if each.poll_failure is not None]
    timezones = {each.timezone for each in series}
    return Series(
        tenant=ALL_TENANTS,
        reason=ALL_REASONS,
        changes=_summed([each.changes for each in series]),
        coverage=tuple(Span(from_epoch_us(since), from_epoch_us(until)) for since, until in _known_runs(series)),
        poll_interval=max(each.poll_interval for each in series),
        poll_failure=min(failures, key=_since, default=None),
        timezone=timezones.pop() if len(timezones) == 1 else UTC,
    )


def _known_runs(series: Sequence[Series]) -> list[tuple[int, int]]:
    """Return the runs of a sum over tenants, of which the newest one is held over."""
    tolerances = [each.tolerance // MICROSECOND for each in series]
    runs = [[(each.runs.since[run], each.runs.until_of(run)) for run in each.runs.indexes] for each in series]
    found = list(runs_of_sum(zip(runs, tolerances, strict=True)))
    return [(since, until) for since, until, _ in found[:-1]] + [(since, held) for since, _, held in found[-1:]]


def _summed(steps: Sequence[Sequence[Sample]]) -> tuple[Sample, ...]:
    """Return the sum of step functions, known from where each of them is: a partial sum proves nothing.

    Each one's change is the total's change at that instant.
    """
    if not all(steps):
        return ()
    begin = max(changes[0].at for changes in steps)
    deltas: dict[datetime, int] = {}
    for changes in steps:
        before = 0
        for sample in changes:
            deltas[sample.at] = deltas.get(sample.at, 0) + sample.count - before
            before = sample.count
    total = 0
    total_at: dict[datetime, int] = {}
    for at in sorted(deltas):
        total += deltas[at]
        total_at[max(at, begin)] = total
    return tuple(Sample(at, count) for at, count in total_at.items())


#: What a tenant, or a sum over tenants, is known by: when a run of coverage began, when it ended, and the last instant
#: for which its newest sample stands.
HeldRun: TypeAlias = tuple[int, int, int]


def runs_of_sum(runs_by_tenant: Iterable[tuple[Sequence[tuple[int, int]], int]]) -> Iterator[HeldRun]:
    """Yield the runs of coverage of a sum over tenants, in microseconds since 1970, oldest first.

    Nothing is known of a tenant between two of its runs, and so nothing of the sum: a run of the sum begins with each
    run of any tenant, at which all others are held over. It ended at the latest with the tenant that ended it.

    Args:
        runs_by_tenant: Of each tenant its runs, oldest first, and for how long its newest sample stands for it.
    """
    edges: list[tuple[int, int, int]] = []
    tenants = [*runs_by_tenant]
    for runs, tolerance in tenants:
        begins = [since for since, _ in runs[1:]]
        for (since, until), following in zip_longest(runs, begins):
            held = until + tolerance if following is None else min(until + tolerance, following - 1)
            edges += [(since, 1, until), (held + 1, -1, until)]
    edges.sort()
    begin, held_over = None, 0
    for at, together in groupby(edges, key=itemgetter(0)):
        here = list(together)
        held_over += sum(step for _, step, _ in here)
        if begin is not None:
            yield begin, max(begin, min(until for _, step, until in here if step < 0)), at - 1
        begin = at if held_over == len(tenants) and here[-1][1] > 0 else None
