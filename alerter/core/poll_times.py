"""The poll times of a tenant, as epoch numbers in arrays.

Years of polls are stored as runs, each with its ends and the packed steps from poll to poll, so that a replay evaluates
at the polls that were evaluated live. Instants are whole microseconds since 1970-01-01 UTC: `to_epoch_us` and
`from_epoch_us` turn them from and to datetimes, exactly. No I/O: values in, values out.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

from alerter.core.series import MICROSECOND, TOLERANCE_INTERVALS, PollFailure, Runs, from_epoch_us
from alerter.errors import Cause

Int64Array: TypeAlias = "array[int]"

#: Later than every poll.
NEVER = 2**62
#: The polls that are packed together at most: each new one is written with all of them.
MAX_POLLS = 256
#: Steps from a half to three halves of the poll interval are even enough for what is reckoned with them.
MAX_STEP_HALVES = 3
_MILLISECOND = 1000
_SEVEN_BITS, _MORE = 0x7F, 0x80


def int64_array(values: Iterable[int] = ()) -> Int64Array:
    """Return whole numbers of 64 bits in an array."""
    return array("q", values)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRun:
    """Good polls none of which failed or was missed, as they are stored: a run of coverage, or a part of one.

    A part begins with the poll that the one before ends with.

    Attributes:
        since: The first of them.
        until: The last of them.
        polls: How many there are.
        steps: See `packed_instants`; empty where only their number is known.
    """

    since: int
    until: int
    polls: int
    steps: bytes = b""

    @classmethod
    def of(cls, instants: Sequence[int]) -> "PollRun":
        """Return the run that polls are; at least one, oldest first."""
        return cls(since=instants[0], until=instants[-1], polls=len(instants), steps=packed_instants(instants))

    @property
    def instants(self) -> Int64Array:
        """When they were, oldest first."""
        return _instants_of(self)

    def with_poll(self, at: int) -> "PollRun":
        """Return the run with another poll, wherever it lies; of two at one instant there is one."""
        return PollRun.of(sorted({*self.instants, at}))


@dataclass(frozen=True, slots=True)
class PackedRun:
    """The newest polls of a run, to which another one is added without a look at all of them.

    Attributes:
        since: The first of them.
        until: The last of them.
        step: How far the last two are apart; 0 where there is one.
        polls: How many there are.
        steps: See `packed_instants`.
    """

    since: int
    until: int
    step: int
    polls: int
    steps: bytes

    @classmethod
    def of(cls, run: PollRun) -> "PackedRun":
        """Return a run, so that it can be lengthened."""
        instants = run.instants
        step = instants[-1] - instants[-2] if len(instants) > 1 else 0
        return cls(run.since, run.until, step, len(instants), packed_instants(instants))

    @property
    def run(self) -> PollRun:
        """The run that it is."""
        return PollRun(since=self.since, until=self.until, polls=self.polls, steps=self.steps)

    def longer(self, at: int) -> "PackedRun":
        """Return the run with one more poll at its end."""
        step = at - self.until
        return PackedRun(self.since, at, step, self.polls + 1, self.steps + packed_step(step, before=self.step))


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
        steps: See `packed_instants`; empty where only their number is known.
    """

    since: int
    until: int
    polls: int
    outage_since: int
    ended_at: int | None = None
    cause: Cause
    detail: str
    steps: bytes = b""

    @property
    def instants(self) -> Int64Array:
        """When they were, oldest first."""
        return _instants_of(self)


@dataclass(frozen=True, slots=True)
class KnownPolls:
    """Good polls at hand, oldest first."""

    instants: Int64Array

    def between(self, since: int, until: int) -> Int64Array:
        """Return those between two instants, both included."""
        return self.instants[bisect_left(self.instants, since) : bisect_right(self.instants, until)]


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

    def failure_at(self, now: int) -> PollFailure:
        """Return what was known of it at one of its polls."""
        run = self.runs[max(bisect_right(self.runs, now, key=_since) - 1, 0)]
        return PollFailure(
            started_at=from_epoch_us(self.since), last_failed_at=from_epoch_us(now), cause=run.cause, detail=run.detail
        )


def _since(run: FailureRun | Outage) -> int:
    return run.since


@dataclass(frozen=True, kw_only=True)
class PollTimes:
    """When a tenant was polled, and how that went.

    Attributes:
        polls: Every poll, good or failed, oldest first.
        good: The good ones; of a sum over tenants none, for it is covered in between.
        since: Where each run of coverage begins, oldest first; both ends of one are polls.
        until: Where each of them ends.
        outages: Oldest first.
        poll_interval: How often the tenant is polled.
        timezone: Where its people work.
        first_polled_at: Its first good poll ever; None before it.
        owner_indexes: Of a sum over tenants, which tenant each poll is of, as a number; empty where there is one
            tenant.
    """

    polls: Int64Array
    good: Int64Array = field(default_factory=int64_array)
    since: Int64Array
    until: Int64Array
    outages: Sequence[Outage]
    poll_interval: timedelta
    timezone: tzinfo = UTC
    first_polled_at: datetime | None = None
    owner_indexes: Int64Array = field(default_factory=int64_array)

    @property
    def tolerance(self) -> int:
        """How much older than wanted a sample may be, in microseconds."""
        return TOLERANCE_INTERVALS * (self.poll_interval // MICROSECOND)

    def outage_at(self, now: int) -> Outage | None:
        """Return the outage that a moment lies in, or None."""
        index = bisect_right(self._outages_since, now) - 1
        return self.outages[index] if index >= 0 and now < self.outages[index].until else None

    def coverage(self, *, since: int, now: int) -> Runs:
        """Return the runs from the one that holds `since`, or is the last before it, as they were known at a poll."""
        first = max(bisect_right(self.since, since) - 1, 0)
        behind = bisect_right(self.since, now)
        end = self.until[behind - 1] if behind else 0
        # The newest run of a sum is held over to its polls, each of which is of one tenant.
        newest = self._newest_good(now)
        known = now if self.owner_indexes else end if newest is None else min(end, newest)
        return Runs(self.since, self.until, first, behind, known)

    def last_success_before(self, outage: Outage) -> int | None:
        """Return the last poll before an outage, which was a good one; None where there was none."""
        before = bisect_left(self.polls, outage.since) - 1
        return self.polls[before] if before >= 0 else None

    def _newest_good(self, now: int) -> int | None:
        """Return the newest good poll by then; None where polls of several tenants are none of the sum."""
        if self.owner_indexes:
            return None
        outage = self.outage_at(now)
        return now if outage is None else self.last_success_before(outage)

    @cached_property
    def uneven(self) -> Int64Array:
        """The good polls that came clearly sooner or later after the one before than the poll interval says."""
        interval = self.poll_interval // MICROSECOND
        return int64_array(
            after
            for before, after in pairwise(self.good)
            if not interval <= 2 * (after - before) <= MAX_STEP_HALVES * interval
        )

    @cached_property
    def _outages_since(self) -> Int64Array:
        return int64_array(outage.since for outage in self.outages)


def merge_outages(failures: Sequence[FailureRun]) -> Iterator[Outage]:
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


def reconstruct_polls(good: Int64Array, failures: Sequence[FailureRun]) -> Int64Array:
    """Return every poll, good or failed: oldest first, each once.

    Args:
        good: The good ones, oldest first.
        failures: The runs of failed ones.
    """
    failed = [at for failure in failures for at in failure.instants]
    return int64_array(sorted({*good, *failed})) if failed else good


def successful_polls(runs: Iterable[PollRun]) -> Int64Array:
    """Return the polls of runs, oldest first, each once: where two of them touch, they share a poll."""
    good = int64_array()
    for run in runs:
        instants = run.instants
        good.extend(instants[1:] if good and good[-1] == instants[0] else instants)
    return good


def split_runs(instants: Sequence[int]) -> Iterator[PollRun]:
    """Yield a run of polls in parts of `MAX_POLLS` at most, each from the poll with which the one before ends."""
    for first in range(0, max(len(instants) - 1, 1), MAX_POLLS - 1):
        yield PollRun.of(instants[first : first + MAX_POLLS])


def joined_runs(runs: Iterable[PollRun]) -> Iterator[tuple[int, int]]:
    """Yield since when and until when each run of coverage was, of which these are the parts; oldest first."""
    since = until = None
    for run in runs:
        if since is None or until is None or run.since > until:
            if since is not None and until is not None:
                yield since, until
            since, until = run.since, run.until
        else:
            until = max(until, run.until)
    if since is not None and until is not None:
        yield since, until


class PackedPolls:
    """Good polls in packed runs; those that were asked for last are at hand, for many series ask for the same."""

    def __init__(self, parts: Sequence[PollRun], tail: PackedRun) -> None:
        """Take runs that follow one another, oldest first, and the newest."""
        self._parts = parts
        self._tail = tail
        self._asked = (0, 0)
        self._found = int64_array()

    def between(self, since: int, until: int) -> Int64Array:
        """Return those between two instants, both included, oldest first."""
        if self._asked != (since, until):
            runs = (run for run in (*self._parts, self._tail.run) if run.until >= since and run.since <= until)
            self._found = KnownPolls(successful_polls(runs)).between(since, until)
            self._asked = since, until
        return self._found


# Instants packed: what is stored of each is how much longer its step is than the one before


def packed_step(step: int, *, before: int) -> bytes:
    """Return what is stored of a poll: by how much the step to it differs from the one before, in one byte to three.

    Polls are hardly ever evenly apart, and `for` is measured from one to the other: each is kept to the microsecond.
    Whole milliseconds take less: the last bit says which of them is counted, the one before it is the sign, and seven
    bits go into a byte, of which the eighth says whether there are more.
    """
    change = step - before
    count, unit = (change, 1) if change % _MILLISECOND else (change // _MILLISECOND, 0)
    number = (2 * count if count >= 0 else -2 * count - 1) << 1 | unit
    stored = bytearray()
    while number > _SEVEN_BITS:
        stored.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    stored.append(number)
    return bytes(stored)


def packed_instants(instants: Sequence[int]) -> bytes:
    """Return what is stored of instants besides the first one; they are oldest first."""
    steps = [after - before for before, after in pairwise(instants)]
    return b"".join(packed_step(step, before=before) for before, step in zip([0, *steps], steps, strict=False))


def unpacked_instants(first: int, packed: bytes) -> Int64Array:
    """Return the instants that were packed, with the first one."""
    instants = int64_array([first])
    at, step, number, shift = first, 0, 0, 0
    for byte in packed:
        number |= (byte & _SEVEN_BITS) << shift
        if byte & _MORE:
            shift += 7
            continue
        count = -(number >> 2) - 1 if number & 2 else number >> 2
        step += count if number & 1 else count * _MILLISECOND
        at += step
        instants.append(at)
        number = shift = 0
    return instants


def _instants_of(run: "PollRun | FailureRun") -> Int64Array:
    """Return the polls of a run; those of which only the number is known are taken to be evenly apart."""
    if run.steps or run.polls == 1:
        return unpacked_instants(run.since, run.steps)
    parts = max(run.polls - 1, 1)
    return int64_array([run.since + (run.until - run.since) * part // parts for part in range(parts + 1)])
