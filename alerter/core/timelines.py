"""When a tenant was polled, as far as that can be known from runs of polls: instants as numbers, in arrays.

Years of polls are stored as runs. The ends of a run and the polls that saw a change are known to the microsecond; those
between them are spread evenly. Instants are whole microseconds since 1970-01-01 UTC: `number_of` and `instant_of` turn
them from and to datetimes, exactly. No I/O: values in, values out.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

from alerter.core.series import TOLERANCE_INTERVALS, Failure, Span
from alerter.errors import Cause

Numbers: TypeAlias = "array[int]"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: Later than every poll.
NEVER = 2**62


def number_of(at: datetime) -> int:
    """Return an aware instant as a number."""
    return (at - EPOCH) // MICROSECOND


def instant_of(number: int) -> datetime:
    """Return the instant that a number stands for, in UTC."""
    return EPOCH + timedelta(microseconds=number)


def numbers(values: Iterable[int] = ()) -> Numbers:
    """Return whole numbers of 64 bits in an array."""
    return array("q", values)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRun:
    """An unbroken run of good polls, as it is stored: of those in the middle only the number is known."""

    since: int
    until: int
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRun:
    """A run of failed polls with one cause.

    Attributes:
        since: The first of them.
        until: The last of them.
        polls: How many there were.
        outage_since: The first failed poll since the last good one, with whatever cause.
        ended_at: The poll that ended the run: a good one, or one that failed for another cause. None while it lasts.
        cause: Why.
        detail: The latest detail.
    """

    since: int
    until: int
    polls: int
    outage_since: int
    ended_at: int | None = None
    cause: Cause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Failed polls in a row, whatever their causes.

    Attributes:
        since: The first of them.
        until: The good poll that ended it; `NEVER` while it lasts.
        runs: Its parts by cause, oldest first, at least one.
    """

    since: int
    until: int
    runs: tuple[FailureRun, ...]

    def failure_at(self, now: int) -> Failure:
        """Return what was known of it at one of its polls."""
        run = self.runs[max(bisect_right(self.runs, now, key=_since) - 1, 0)]
        return Failure(since=instant_of(self.since), at=instant_of(now), cause=run.cause, detail=run.detail)


def _since(run: FailureRun | Outage) -> int:
    return run.since


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a tenant was polled, and how that went.

    Attributes:
        polls: Every poll, good or failed, oldest first. Where a run of polls saw no change, its polls are taken to have
            been spread evenly: each is where it was to within the jitter of the polling.
        since: Where each span of coverage begins, oldest first; both ends of a span are polls.
        until: Where each of them ends.
        outages: Oldest first.
        poll_interval: How often the tenant is polled.
        timezone: Where its people work.
        polled_since: Its first good poll ever; None before it.
        owners: Of a sum over tenants, which tenant each poll is of, as a number; empty where there is one tenant.
    """

    polls: Numbers
    since: Numbers
    until: Numbers
    outages: Sequence[Outage]
    poll_interval: timedelta
    timezone: tzinfo = UTC
    polled_since: datetime | None = None
    owners: Numbers = field(default_factory=numbers)

    @property
    def tolerance(self) -> int:
        """How much older than wanted a sample may be, in microseconds."""
        return TOLERANCE_INTERVALS * (self.poll_interval // MICROSECOND)

    def outage_at(self, now: int) -> Outage | None:
        """Return the outage that a moment lies in, or None."""
        index = bisect_right(self._outages_since, now) - 1
        return self.outages[index] if index >= 0 and now < self.outages[index].until else None

    def coverage(self, *, since: int, now: int) -> list[Span]:
        """Return the spans from the one that holds `since`, or is the last before it, as they were known at a poll."""
        first = max(bisect_right(self.since, since) - 1, 0)
        last = bisect_right(self.since, now)
        spans = [Span(instant_of(self.since[at]), instant_of(self.until[at])) for at in range(first, last)]
        newest = self._newest_good(now)
        if spans and newest is not None and self.until[last - 1] > newest:
            spans[-1] = Span(spans[-1].since, instant_of(newest))
        return spans

    def last_good_before(self, outage: Outage) -> int | None:
        """Return the last poll before an outage, which was a good one; None where there was none."""
        before = bisect_left(self.polls, outage.since) - 1
        return self.polls[before] if before >= 0 else None

    def _newest_good(self, now: int) -> int | None:
        """Return the newest good poll by then; None where polls of several tenants are none of the sum."""
        if self.owners:
            return None
        outage = self.outage_at(now)
        return now if outage is None else self.last_good_before(outage)

    @cached_property
    def _outages_since(self) -> Numbers:
        return numbers(outage.since for outage in self.outages)


def outages_of(failures: Sequence[FailureRun]) -> Iterator[Outage]:
    """Yield the outages that runs of failures make; oldest first, as they are."""
    runs: list[FailureRun] = []
    for failure in failures:
        # A run that ended when the next one began was followed by it without a good poll between.
        if runs and runs[-1].ended_at != failure.since:
            yield _outage(runs)
            runs = []
        runs.append(failure)
    if runs:
        yield _outage(runs)


def _outage(runs: Sequence[FailureRun]) -> Outage:
    ended_at = runs[-1].ended_at
    return Outage(since=runs[0].outage_since, until=NEVER if ended_at is None else ended_at, runs=tuple(runs))


def polls_of(
    runs: Sequence[PollRun], failures: Sequence[FailureRun], seen: Iterable[int], *, poll_interval: timedelta
) -> Numbers:
    """Return every poll, as far as can be known: oldest first, each once.

    The ends of runs and the polls that saw a change are known to the microsecond. Between them polls are spread evenly
    at the distance that the run's number of polls gives, or the poll interval where that agrees with it.

    Args:
        runs: The runs of good polls, oldest first.
        failures: The runs of failed ones, oldest first.
        seen: Instants at which a count changed; in any order, and more than once each.
        poll_interval: How often the tenant is polled now.
    """
    known = _known(runs, failures, seen)
    failed_at = {failure.since: failure for failure in failures}
    polls = numbers()
    pitches = _pitches(runs, failures, poll_interval // MICROSECOND)
    # So close together no poll can be missing.
    closest = min(pitches, default=0) * 1.5 if not failures else 0
    number = 0
    for begin, end in pairwise([*known, NEVER]):
        if begin == end:
            continue
        polls.append(begin)
        if end - begin < closest:
            continue
        while number < len(runs) and runs[number].until <= begin:
            number += 1
        failure = failed_at.get(begin)
        if failure is not None and failure.until >= end:
            _spread(polls, begin, end, failure.polls - 1)
        elif number < len(runs) and runs[number].since <= begin and end <= runs[number].until:
            _spread(polls, begin, end, round((end - begin) / pitches[number]))
    return polls


def _known(runs: Sequence[PollRun], failures: Sequence[FailureRun], seen: Iterable[int]) -> list[int]:
    """Return the instants of polls that are known exactly, in order; some of them more than once."""
    known = [*seen, *(run.since for run in runs), *(run.until for run in runs)]
    for failure in failures:
        known += [failure.since, failure.until]
        known += [] if failure.ended_at is None else [failure.ended_at]
    known.sort()
    return known


def _pitches(runs: Sequence[PollRun], failures: Sequence[FailureRun], poll_interval: int) -> list[float]:
    """Return how far apart the polls of each run were: as is configured, unless there were clearly more or fewer."""
    since = numbers(failure.since for failure in failures)
    pitches: list[float] = []
    for run in runs:
        within = failures[bisect_left(since, run.since) : bisect_left(since, run.until)]
        polls = run.polls + sum(failure.polls for failure in within)
        pitch = (run.until - run.since) / max(polls - 1, 1)
        pitches.append(poll_interval if abs(pitch - poll_interval) * 10 <= poll_interval else pitch)
    return pitches


def _spread(polls: Numbers, begin: int, end: int, parts: int) -> None:
    """Append the polls that cut a stretch into equal parts, without its ends."""
    if parts > 1:
        polls.extend([begin + (end - begin) * part // parts for part in range(1, parts)])
