"""What was seen: snapshots, and the step function that they make of each hold reason.

No I/O: values in, values out. All instants are aware UTC; a series is defined only where polling covered it,
so that a zero is always proven and a gap is never read as one.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NewType, Protocol, TypeVar

from alerter.errors import Cause

Tenant = NewType("Tenant", str)
HoldReason = NewType("HoldReason", str)

#: Stands for the tenant or the reason of a sum, and for the reason of an alert about polling itself.
ALL_TENANTS = Tenant("*")
ALL_REASONS = HoldReason("*")
#: What a row without a name is called (Mimecast documents none; a blank one must not be lost).
NO_REASON = HoldReason("(no reason given)")

#: A newest sample stands for the present, and an old one for the past, for at most so many poll intervals.
TOLERANCE_INTERVALS = 2


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

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of covered time in which the count stayed the same; the next one may begin where it ends."""

    since: datetime
    until: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The run of failed polls that a tenant is in: since the first of them, with the latest cause.

    Where the clock was set back within the run, it is since the earliest instant that the clock showed.
    """

    since: datetime
    at: datetime
    cause: Cause
    detail: str


class Polls(Protocol):
    """The good polls of a tenant."""

    def between(self, since: int, until: int) -> Sequence[int]:
        """Return those between two instants, both included, oldest first; in microseconds since 1970."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The held messages of one (tenant, reason) as a step function over covered time.

    Attributes:
        tenant: Whose mail is held; `ALL_TENANTS` for a sum over tenants.
        reason: Mimecast's `policyInfo`, verbatim; `ALL_REASONS` for a sum over reasons.
        changes: The value from each instant on, oldest first, one per instant. The first one carries the value at
            the start of the window, so it may be older than anything in `coverage`; before it nothing is known.
        coverage: Where polling worked, oldest first. The newest span is always there, however old it is.
        poll_interval: How often the tenant is polled; what "two polls" means.
        failure: The run of failed polls that the tenant is in, or None after a good poll.
        timezone: Where the tenant's people work.
        polled_since: The tenant's first good poll ever, however far back the window goes; None before it.
        first_held_at: When the first messages ever were held for the reason; None before that, and for a sum.
        polls: The samples; None of a sum over tenants, which is known at every moment that is covered.
    """

    tenant: Tenant
    reason: HoldReason
    changes: Sequence[Sample]
    coverage: Sequence[Span]
    poll_interval: timedelta
    failure: Failure | None = None
    timezone: tzinfo = UTC
    polled_since: datetime | None = None
    first_held_at: datetime | None = None
    polls: Polls | None = field(default=None, compare=False)

    def value_at(self, at: datetime) -> int | None:
        """Return the held messages at `at`, or None where polling did not cover it or no value is known."""
        span = self._span_before(at)
        if span is None or span.until < at or self._is_failing(at):
            return None
        return self._step_at(at)

    def newest_sample(self, *, until: datetime) -> Sample | None:
        """Return the newest sample at or before `until`, or None if there is none."""
        at = self.last_good_at(now=until)
        count = None if at is None else self._step_at(at)
        return None if at is None or count is None else Sample(at, count)

    def sample_for(self, then: datetime) -> Sample | None:
        """Return the sample that stands for an instant, or None where nothing is known of it.

        That is the newest one before it: of a run of coverage whenever it was, and in a gap if it is not too old.
        """
        sample, span = self.newest_sample(until=then), self._span_before(then)
        if sample is None or span is None or (span.until < then and sample.at < then - self.tolerance):
            return None
        return sample

    def last_good_at(self, *, now: datetime) -> datetime | None:
        """Return the instant of the newest good poll at or before `now`, or None if there was none.

        A sum over tenants has a sample at every moment that is covered.
        """
        span = self._span_before(now)
        if span is None or span.until <= now or self.polls is None:
            return None if span is None else min(span.until, now)
        # Nearly always it is one of the last two intervals; after an edit of the interval it may be another one.
        for since in (now - self.tolerance, span.since):
            found = self.polls.between(number_of(max(since, span.since)), number_of(now))
            if found:
                return EPOCH + found[-1] * MICROSECOND
        return span.since

    def next_edge(self, *, after: datetime) -> datetime | None:
        """Return the first instant after another at which the count changed or polling began again, or None."""
        change = _first_after(self.changes, after, _at)
        span = _first_after(self.coverage, after, _since)
        edges = [*(() if change is None else (change.at,)), *(() if span is None else (span.since,))]
        return min(edges, default=None)

    def pieces(self, *, since: datetime, until: datetime) -> Iterator[Piece]:
        """Yield what is known between two instants, both included, oldest first; gaps are left out.

        A poll on its own, with gaps on both sides, is a piece without length.
        """
        for number in range(_index_before(self.coverage, since, _since), len(self.coverage)):
            span = self.coverage[number]
            begin, end = max(span.since, since), min(span.until, until)
            if begin <= end:
                yield from self._pieces_of(begin, end)

    def _pieces_of(self, begin: datetime, end: datetime) -> Iterator[Piece]:
        """Yield the pieces of covered time."""
        before: Sample | None = None
        for number in range(_index_before(self.changes, begin, _at), len(self.changes)):
            change = self.changes[number]
            if change.at > end:
                break
            if before is not None:
                yield Piece(max(before.at, begin), change.at, before.count)
            before = change
        if before is not None:
            yield Piece(max(before.at, begin), end, before.count)

    @property
    def tolerance(self) -> timedelta:
        """How much older than wanted a sample may be: two poll intervals."""
        return TOLERANCE_INTERVALS * self.poll_interval

    def _is_failing(self, at: datetime) -> bool:
        # Coverage ends before a failure, but for a clock that was set back: then older polls cover "now".
        return self.failure is not None and at >= self.failure.since

    def _span_before(self, at: datetime) -> Span | None:
        return _last_before(self.coverage, at, _since)

    def _step_at(self, at: datetime) -> int | None:
        sample = _last_before(self.changes, at, _at)
        return None if sample is None else sample.count


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta.resolution


def number_of(at: datetime) -> int:
    """Return an aware instant as a number: whole microseconds since 1970-01-01 UTC."""
    return (at - EPOCH) // MICROSECOND


def instant_of(number: int) -> datetime:
    """Return the instant that a number stands for, in UTC."""
    return EPOCH + timedelta(microseconds=number)


_Item = TypeVar("_Item")


def _last_before(items: Sequence[_Item], at: datetime, when: Callable[[_Item], datetime]) -> _Item | None:
    """Return the last of the items that is at or before an instant: for the present, the very last."""
    if items and when(items[-1]) <= at:
        return items[-1]
    index = bisect_right(items, at, key=when)
    return items[index - 1] if index else None


def _index_before(items: Sequence[_Item], at: datetime, when: Callable[[_Item], datetime]) -> int:
    """Return the index of the last of the items that is at or before an instant, or of the first one."""
    return max(bisect_right(items, at, key=when) - 1, 0)


def _first_after(items: Sequence[_Item], at: datetime, when: Callable[[_Item], datetime]) -> _Item | None:
    """Return the first of the items that is after an instant."""
    index = bisect_right(items, at, key=when)
    return items[index] if index < len(items) else None


def _since(span: Span | Failure) -> datetime:
    return span.since


def _at(sample: Sample) -> datetime:
    return sample.at


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
    poll intervals; from the first failed poll of any of them on nothing is covered.

    Args:
        series: At least one, each the sum of another tenant.
    """
    failures = [each.failure for each in series if each.failure is not None]
    timezones = {each.timezone for each in series}
    return Series(
        tenant=ALL_TENANTS,
        reason=ALL_REASONS,
        changes=_summed([each.changes for each in series]),
        coverage=_intersection([_held_over(each) for each in series]),
        poll_interval=max(each.poll_interval for each in series),
        failure=min(failures, key=_since, default=None),
        timezone=timezones.pop() if len(timezones) == 1 else UTC,
    )


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


def _held_over(series: Series) -> list[Span]:
    """Return a tenant's coverage with each span held on for the tolerance."""
    spans: list[Span] = []
    for span in series.coverage:
        until = span.until + series.tolerance
        if spans and span.since <= spans[-1].until:
            spans[-1] = Span(spans[-1].since, until)
        else:
            spans.append(Span(span.since, until))
    return spans


def _intersection(coverages: Sequence[Sequence[Span]]) -> tuple[Span, ...]:
    """Return where all of them are covered; each must be sorted and free of overlaps."""
    common = list(coverages[0])
    for spans in coverages[1:]:
        common = [
            Span(max(one.since, other.since), min(one.until, other.until))
            for one in common
            for other in spans
            if max(one.since, other.since) <= min(one.until, other.until)
        ]
    return tuple(common)
