"""What an import adds to the history that is stored: it fills in time that no poll covers, and changes nothing else.

Where a poll of alerter's own, or an earlier import, covers an instant, what is stored of it stays, whatever the import
says; so to import twice adds nothing the second time. What is left is a few *pieces* of time. In a piece the series are
those of the import, and where a piece meets stored time the series step from one to the other.

No I/O: values in, values out; what is long is an iterator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from alerter.core.evidence import NEXT, Given
from alerter.core.records import Change, Held, Polled
from alerter.core.series import HoldReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stored change, with the count before it; one that steps from a count to itself is none, and goes."""

    at: datetime
    reason: HoldReason
    was: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The present of a series: what is held, since when, and when the reason was first seen."""

    held: int
    changed_at: datetime
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is stored of a tenant.

    Attributes:
        coverage: Runs of good polls, oldest first, free of overlaps.
        heads: The present of each series, in the order of first sight.
        steps: Returns every stored change anew, oldest first.
    """

    coverage: Sequence[Polled] = ()
    heads: Mapping[HoldReason, Head] = field(default_factory=dict)
    steps: Callable[[], Iterator[Step]] = lambda: iter(())


def joined(stored: Sequence[Polled], pieces: Sequence[Polled], *, reach: timedelta) -> list[Polled]:
    """Return the runs of polls that stored ones and pieces make together, oldest first.

    Two stored runs stay two unless a piece lies between them: what separated them has not gone.
    """
    runs: list[Polled] = []
    is_stored_last = False
    for run, is_stored in _in_order(stored, pieces):
        last = runs[-1] if runs else None
        if last is not None and run.since - last.until <= reach and not (is_stored and is_stored_last):
            runs[-1] = replace(last, until=max(last.until, run.until), polls=last.polls + run.polls)
        else:
            runs.append(run)
        is_stored_last = is_stored
    return runs


class Merge:
    """One tenant's import on its way into what is stored.

    Read `steps` to its end first; then `heads` holds the present of every series that the import touches or adds.

    Args:
        given: What the import says.
        stored: What is stored.
    """

    def __init__(self, given: Given, stored: Stored) -> None:
        self._given = given
        self._stored = stored
        self._theirs = _Walk({reason: base.held for reason, base in given.bases.items()}, given.events())
        self._ours = _Walk(_first_counts(stored), stored.steps())
        self._present = dict(self._theirs.counts)
        self._last_at: dict[HoldReason, datetime] = {}
        self._dropped_at: dict[HoldReason, datetime] = {}

    @property
    def coverage(self) -> list[Polled]:
        """The runs of polls afterwards."""
        return joined(self._stored.coverage, self._given.pieces, reach=self._given.reach)

    def steps(self) -> Iterator[Step]:
        """Yield every change that must be stored, oldest first; one that steps to its own count must go instead."""
        for step in self._steps() if self._given.pieces else ():
            (self._dropped_at if step.was == step.held else self._last_at)[step.reason] = step.at
            yield step

    @property
    def heads(self) -> dict[HoldReason, Head]:
        """The present of the series that the import touches or adds, new ones in the order of first sight."""
        touched = dict.fromkeys((*self._given.first_seen, *self._last_at, *self._dropped_at))
        heads = {reason: self._head(reason) for reason in touched if self._given.pieces}
        return {reason: head for reason, head in heads.items() if head != self._stored.heads.get(reason)}

    def _steps(self) -> Iterator[Step]:
        was_stored: bool | None = None
        for run, is_stored in _in_order(self._stored.coverage, self._given.pieces):
            if is_stored and was_stored is False:
                yield from self._back(run.since)
            elif not is_stored:
                if was_stored:
                    self._pass_ours(run.since - NEXT)
                    self._present = dict(self._ours.counts)
                yield from self._through(run)
            was_stored = is_stored

    def _through(self, piece: Polled) -> Iterator[Step]:
        """Yield the steps to the import at the piece's beginning, and the import's own within it."""
        for _ in self._theirs.until(piece.since):
            pass
        for reason in self._present | self._theirs.counts:
            yield from self._step(reason, self._theirs.counts.get(reason, 0), piece.since)
        for event in self._theirs.until(piece.until):
            yield from self._step(event.reason, event.held, event.at)

    def _step(self, reason: HoldReason, held: int, at: datetime) -> Iterator[Step]:
        was = self._present.get(reason, 0)
        self._present[reason] = held
        if was != held:
            yield Step(at=at, reason=reason, was=was, held=held)

    def _back(self, at: datetime) -> Iterator[Step]:
        """Yield the steps from a piece to what is stored from `at` on, whose own changes there begin elsewhere now."""
        self._pass_ours(at - NEXT)
        here = {step.reason: step for step in self._ours.until(at)}
        for reason in self._present | self._ours.counts:
            was, held = self._present.get(reason, 0), self._ours.counts.get(reason, 0)
            if was != (here[reason].was if reason in here else held):
                yield Step(at=at, reason=reason, was=was, held=held)
            elif reason in here:
                self._last_at[reason] = at

    def _pass_ours(self, until: datetime) -> None:
        for step in self._ours.until(until):
            self._last_at[step.reason] = step.at

    def _head(self, reason: HoldReason) -> Head:
        old, base = self._stored.heads.get(reason), self._given.bases.get(reason)
        ends_with_piece = not _in_order(self._stored.coverage, self._given.pieces)[-1][1]
        before = old.changed_at if old is not None else base.at if base is not None else None
        changes = [
            at for at in (self._last_at.get(reason), before) if at is not None and at != self._dropped_at.get(reason)
        ]
        seen = [self._given.first_seen.get(reason), None if old is None else old.first_seen_at]
        first_seen_at = min([at for at in seen if at is not None] or changes)
        held = 0 if old is None else old.held
        return Head(
            held=self._present.get(reason, 0) if ends_with_piece else held,
            changed_at=max(changes, default=first_seen_at),
            first_seen_at=first_seen_at,
        )


def still_holds(given: Given, then: Stored, now: Stored) -> bool:
    """Say whether what was found of a merge is still so: time may only have gone on.

    Args:
        given: What is merged.
        then: What was stored when it was.
        now: What is stored now.
    """
    if list(then.coverage) == list(now.coverage) or not given.pieces:
        return True
    if not then.coverage or given.pieces[-1].since > then.coverage[-1].until:
        return False
    last, number = then.coverage[-1], len(then.coverage)
    grown = now.coverage[number - 1] if len(now.coverage) >= number else None
    is_longer = grown is not None and grown.since == last.since and grown.until >= last.until
    return is_longer and list(now.coverage[: number - 1]) == list(then.coverage[:-1])


def rebased(head: Head, then: Head | None, now: Head | None) -> Head:
    """Return the present of a series after a merge, when it has gone on since the merge.

    Args:
        head: What the merge found.
        then: What was stored when it did; None for a new series.
        now: What is stored now.
    """
    if now is None or now == then:
        return head
    return replace(now, first_seen_at=min(head.first_seen_at, now.first_seen_at))


_Event = TypeVar("_Event", bound=Step | Change | Held)


class _Walk(Generic[_Event]):
    """A step function on its way through time: the counts after all events that were passed."""

    def __init__(self, counts: dict[HoldReason, int], events: Iterator[_Event]) -> None:
        self.counts = counts
        self._events = events
        self._next = next(events, None)

    def until(self, at: datetime) -> Iterator[_Event]:
        """Pass and yield the events up to an instant, which belongs to them."""
        while self._next is not None and self._next.at <= at:
            event = self._next
            self.counts[event.reason] = event.held
            self._next = next(self._events, None)
            yield event


def _first_counts(stored: Stored) -> dict[HoldReason, int]:
    """Return what each stored series held before its first change."""
    counts: dict[HoldReason, int] = {}
    for step in stored.steps():
        counts.setdefault(step.reason, step.was)
    return {reason: head.held for reason, head in stored.heads.items()} | counts


def _in_order(stored: Sequence[Polled], pieces: Sequence[Polled]) -> list[tuple[Polled, bool]]:
    """Return runs of polls by their beginning, each with whether it is stored."""
    both = [(run, True) for run in stored] + [(run, False) for run in pieces]
    return sorted(both, key=lambda each: each[0].since)
