"""The highest or lowest count of a stretch that moves along with the present, over years of history at once.

Instants and spans are numbers, as in `timelines`. No I/O: values in, values out.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from typing import NamedTuple

from alerter.core.history import SeriesHistory


class _Piece(NamedTuple):
    """A stretch of covered time in which the count stayed the same.

    Attributes:
        since: Its first moment.
        end: The first moment that is none of it.
        held: The count.
    """

    since: int
    end: int
    held: int


class _Event(NamedTuple):
    """Something that may change what a count is compared with, or the count: a piece that comes or goes."""

    at: int
    kind: int
    number: int


_COUNTS, _ENTERS, _LEAVES = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of the past, measured from the present.

    Attributes:
        since: How long ago it begins.
        until: How long ago it ends.
    """

    since: int
    until: int

    def extremes(self, history: SeriesHistory, *, lowest: bool) -> Iterator[tuple[int, int, int | None]]:
        """Yield when the count or the extreme of the stretch changes, with both; oldest first.

        The extreme is None where nothing was seen. At one instant there may be several, of which the last counts.
        """
        segments = list(_pieces(history))
        sign = -1 if lowest else 1
        best: deque[int] = deque()
        count = 0
        for at, kind, number in self._events(history, segments):
            if kind == _COUNTS:
                count = history.held[number]
            elif kind == _ENTERS:
                while best and (segments[number].held - segments[best[-1]].held) * sign >= 0:
                    best.pop()
                best.append(number)
            elif best[0] == number:
                best.popleft()
            yield at, count, segments[best[0]].held if best else None

    def turns_known(self, history: SeriesHistory, parts: int) -> Iterator[int]:
        """Yield from when on one of so many parts of the stretch is known, and from when on it is not."""
        poll_times = history.poll_times
        edges = sorted(
            edge
            for since, until in zip(poll_times.since, poll_times.until, strict=True)
            for edge in (
                (since + self.until, 1),
                (until + self.until, -1),
                (since + self.since, -1),
                (until + self.since, 1),
            )
        )
        needed = -(-(self.since - self.until) // parts)
        known = slope = 0
        for (at, step), (following, _) in pairwise(edges):
            slope += step
            after = known + slope * (following - at)
            if known < needed <= after:
                yield at + needed - known
            elif after < needed <= known:
                yield at + known - needed + 1
            known = after

    def _events(self, history: SeriesHistory, segments: list[_Piece]) -> Iterator[_Event]:
        return merge(
            (_Event(at, _COUNTS, number) for number, at in enumerate(history.at)),
            (_Event(piece.since + self.until, _ENTERS, number) for number, piece in enumerate(segments)),
            (_Event(piece.end + self.since, _LEAVES, number) for number, piece in enumerate(segments)),
        )


def _pieces(history: SeriesHistory) -> Iterator[_Piece]:
    """Yield what is known, oldest first; gaps are left out."""
    at, held = history.at, history.held
    place = 0
    for since, until in zip(history.poll_times.since, history.poll_times.until, strict=True):
        while place + 1 < len(at) and at[place + 1] <= since:
            place += 1
        number = place
        while number < len(at) and at[number] <= until:
            # The last moment of a run belongs to it, that of a change to what comes then.
            end = at[number + 1] if number + 1 < len(at) and at[number + 1] <= until else until + 1
            yield _Piece(max(at[number], since), end, held[number])
            number += 1
