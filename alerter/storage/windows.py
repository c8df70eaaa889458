"""Windows: the step functions of a tenant's series as far back as its rules look, packed.

As core values a series takes close to a kilobyte, and a tenant's fifty take a quarter of a millisecond to build. Here
one takes about a hundred bytes and sixteen for each change, and becomes a Series when somebody looks at it.
"""

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from sys import intern
from typing import Any, overload

from sqlalchemy import Row

from alerter.core.rules import Lookbacks
from alerter.core.series import TOLERANCE_INTERVALS, HoldReason, Sample, Series, from_epoch_us, to_epoch_us
from alerter.storage.encoding import StoredChange

#: A window goes this much further back than it must.
MARGIN = timedelta(seconds=1)
#: Stands for no instant.
NEVER = -(2**63)
#: The length of the steps of a series that has not changed.
_ONE_STEP = 2
#: The steps of a series that was not asked for.
_UNKNOWN = array("q")


@dataclass(frozen=True, slots=True)
class LookbackReach:
    """How far back series are known: as far as the rules look, and the tolerance of the oldest sample."""

    windows: Lookbacks
    poll_interval: timedelta

    def start(self, *, now: datetime) -> datetime:
        """Return the first instant that any rule may look at."""
        return self._start(self.windows.longest, now=now)

    def start_of(self, reason: HoldReason, *, now: datetime) -> datetime:
        """Return the first instant that a rule on this reason may look at."""
        return self._start(self.windows.for_reason(reason), now=now)

    def _start(self, window: timedelta, *, now: datetime) -> datetime:
        return now - window - TOLERANCE_INTERVALS * self.poll_interval - MARGIN


@dataclass(slots=True)
class PackedSeries:
    """All series of a tenant, in the order in which they appeared.

    Attributes:
        reach: How far back they go.
        ids: Their numbers.
        reasons: Their names.
        first_held: Of each the instant at which it first held anything, as a number; `NEVER` before that.
        steps: Of each its instants and counts in turn: what it held at the start of its window, and every change after.
            Nothing at all of one that was not asked for.
    """

    reach: LookbackReach
    ids: "array[int]"
    first_held: "array[int]"
    reasons: tuple[HoldReason, ...]
    steps: "list[array[int]]"

    @classmethod
    def of(
        cls,
        known: Sequence[Row[Any]],
        changes: Iterable[StoredChange],
        reach: LookbackReach,
        *,
        places: Collection[int] | None = None,
        now: datetime,
    ) -> "PackedSeries":
        """Return what rows of `series` say of the present, and changes of the past.

        Args:
            known: All of the tenant's.
            changes: Oldest first.
            reach: How far back the rules look.
            places: Of the series whose changes these are; None for all.
            now: From when on the rules look back.
        """
        starts = {row.id: to_epoch_us(reach.start_of(row.reason, now=now)) for row in known}
        steps: dict[int, array[int]] = {}
        for at, number, was, held in changes:
            if at > starts[number]:
                window = steps.setdefault(number, array("q", (starts[number], was)))
                window.extend((at, held))
        for place, row in enumerate(known):
            if row.id not in steps and (places is None or place in places):
                steps[row.id] = array("q", (starts[row.id], row.value))
        return cls(
            reach=reach,
            ids=array("q", [row.id for row in known]),
            first_held=array("q", [_number_of(row.first_held_at) for row in known]),
            reasons=tuple(HoldReason(intern(row.reason)) for row in known),
            steps=[steps.get(row.id, _UNKNOWN) for row in known],
        )

    def held(self, place: int) -> int:
        """Return what a series holds now."""
        return self.steps[place][-1]

    def first_held_at(self, place: int) -> datetime | None:
        """Return when a series first held anything; None before that."""
        first = self.first_held[place]
        return None if first == NEVER else from_epoch_us(first)

    def changed_by(self, counts: Mapping[HoldReason, int]) -> dict[int, int] | None:
        """Return the counts that are not as they were, by the places of their series; None where a reason is new."""
        changed = {}
        seen = 0
        for place, (reason, steps) in enumerate(zip(self.reasons, self.steps, strict=True)):
            count = counts.get(reason)
            seen += count is not None
            if steps[-1] != (count or 0):
                changed[place] = count or 0
        return changed if seen == len(counts) else None

    def continued(self, changes: Iterable[tuple[int, Sample]]) -> "PackedSeries":
        """Return the same series with later changes, oldest first, each with the place of its series.

        Only what has changed is copied. What its window has left behind is dropped.
        """
        after = replace(self, first_held=self.first_held[:], steps=self.steps[:])
        for place, sample in changes:
            at = to_epoch_us(sample.at)
            if sample.count and after.first_held[place] == NEVER:
                after.first_held[place] = at
            start = to_epoch_us(self.reach.start_of(self.reasons[place], now=sample.at))
            steps = after.steps[place]
            after.steps[place] = steps[2 * _last_before(steps, start) :]
            after.steps[place].extend((at, sample.count))
        return after

    def add_up(self, wanted: Mapping[HoldReason, bool], begin: int, deltas: list[tuple[int, int]]) -> int:
        """Return what the wanted series held together at an instant; append when each changed after it, by how much.

        Half a million series are added up so, nearly all of which have not changed for a while.
        """
        held = 0
        for reason, steps in zip(self.reasons, self.steps, strict=True):
            if not wanted[reason]:
                continue
            if len(steps) == _ONE_STEP or steps[-2] <= begin:
                held += steps[-1]
                continue
            first = 0 if steps[2] > begin else 2 * _last_before(steps, begin)
            before = steps[first + 1]
            held += before
            for number in range(first + 2, len(steps), 2):
                count = steps[number + 1]
                deltas.append((steps[number], count - before))
                before = count
        return held

    def series(self, place: int, polling: Series, *, now: datetime) -> Series:
        """Return a series as of now, with the coverage of its tenant."""
        reason = self.reasons[place]
        start = self.reach.start_of(reason, now=now)
        steps = self.steps[place]
        steps = steps[2 * _last_before(steps, to_epoch_us(start)) :]
        instants = [start, *(from_epoch_us(number) for number in steps[2::2])]
        return Series(
            tenant=polling.tenant,
            reason=reason,
            changes=[Sample(at, count) for at, count in zip(instants, steps[1::2], strict=True)],
            coverage=polling.coverage,
            poll_interval=polling.poll_interval,
            poll_failure=polling.poll_failure,
            timezone=polling.timezone,
            first_polled_at=polling.first_polled_at,
            first_held_at=self.first_held_at(place),
            polls=polling.polls,
        )


def _last_before(steps: "array[int]", start: int) -> int:
    """Return which of a series' steps holds at the start of its window; 0 for the first."""
    return max(0, bisect_right(range(len(steps) // 2), start, key=lambda step: steps[2 * step]) - 1)


def _number_of(at: datetime | None) -> int:
    return NEVER if at is None else to_epoch_us(at)


@dataclass(frozen=True, slots=True)
class LazySeries(Sequence[Series]):
    """The series of a tenant as of now, each made when it is looked at."""

    packed: PackedSeries
    polling: Series
    now: datetime

    def __len__(self) -> int:
        return len(self.packed.reasons)

    @overload
    def __getitem__(self, place: int) -> Series: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Series]: ...
    def __getitem__(self, place: int | slice) -> Series | Sequence[Series]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self.packed.series(place, self.polling, now=self.now)
