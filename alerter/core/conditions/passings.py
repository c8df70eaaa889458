"""Where the line through the last samples passes a limit, over years of history.

Most counts are calm: no line through them can lead above the limit (`Forecast.calm`). Only where they are not, or where
polls were not evenly apart, the line is drawn at every poll, from sums of which one sample enters and others leave.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta

from alerter.core.conditions.lines import LinearFit
from alerter.core.history import SeriesHistory
from alerter.core.poll_times import NEVER, Int64Array
from alerter.core.series import MICROSECOND

#: Tells whether no line through counts, from the lowest to the highest, can lead above the limit.
IsCalm = Callable[[int, int], bool]


def passings(
    history: SeriesHistory, *, above: int, ahead: timedelta, over: timedelta, fewest: int, is_calm: IsCalm
) -> Iterator[int]:
    """Yield every poll from which on the line may lead above a limit, or no longer.

    Args:
        history: What was seen.
        above: The limit, in messages.
        ahead: How far from now the line is looked at.
        over: The span whose samples it is drawn through.
        fewest: A line needs so many samples.
        is_calm: See there.
    """
    poll_times, length = history.poll_times, over // MICROSECOND
    loud = _united(_loud(history, length, is_calm))
    if poll_times.owners:
        # The samples of a sum are counted back from each poll.
        for begin, end in loud:
            first, behind = bisect_left(poll_times.polls, begin), bisect_left(poll_times.polls, end)
            yield from poll_times.polls[first : behind + 1]
        return
    good = poll_times.good
    for begin, end in loud:
        leads = False
        first, behind = bisect_left(good, begin), bisect_left(good, end)
        window = _Window(history, length, first=first)
        for index in range(first, behind):
            line = window.line_at(index)
            is_enough = line.samples >= fewest and 2 * window.span_at(index) >= length
            at = good[index] - window.origin + ahead // MICROSECOND
            if (is_enough and line.rises and line.is_above(above, at=at)) is not leads:
                leads = not leads
                yield good[index]
        if leads:
            yield good[behind] if behind < len(good) else end


def _loud(history: SeriesHistory, length: int, is_calm: IsCalm) -> Iterator[tuple[int, int]]:
    """Yield stretches of time at whose polls a line may lead above the limit; they may overlap."""
    for begin, end, lowest, highest in _extremes(history, length):
        if lowest != highest and not is_calm(lowest, highest):
            yield begin, end
    poll_times = history.poll_times
    uneven = poll_times.since if poll_times.owners else poll_times.uneven
    yield from ((at, at + length + 1) for at in uneven)


def _united(stretches: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the same stretches without overlaps, in order."""
    begin = end = None
    for since, until in sorted(stretches):
        if begin is None or end is None or since > end:
            if begin is not None and end is not None:
                yield begin, end
            begin, end = since, until
        else:
            end = max(end, until)
    if begin is not None and end is not None:
        yield begin, end


def _extremes(history: SeriesHistory, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield since when and until when which counts are the lowest and the highest of the last stretch of time."""
    at, held = history.at, history.held
    lows: deque[int] = deque()
    highs: deque[int] = deque()
    old, new = 0, -1
    begin = at[0] if at else NEVER
    while begin < NEVER:
        if new + 1 < len(at) and at[new + 1] == begin:
            new += 1
            while lows and held[lows[-1]] >= held[new]:
                lows.pop()
            while highs and held[highs[-1]] <= held[new]:
                highs.pop()
            lows.append(new)
            highs.append(new)
        while old < new and at[old + 1] + length < begin:
            old += 1
        while lows[0] < old:
            lows.popleft()
        while highs[0] < old:
            highs.popleft()
        entering = at[new + 1] if new + 1 < len(at) else NEVER
        leaving = at[old + 1] + length + 1 if old < new else NEVER
        end = min(entering, leaving)
        yield begin, end, held[lows[0]], held[highs[0]]
        begin = end


class _Window:
    """The samples of a span before each of several polls, one after the other."""

    def __init__(self, history: SeriesHistory, length: int, *, first: int) -> None:
        good = history.poll_times.good
        self.origin = good[first] if first < len(good) else 0
        self._good, self._at, self._held, self._length = good, history.at, history.held, length
        self._old = bisect_left(good, self.origin - length)
        self._new = self._old
        self._samples = self._first = self._second = self._total = self._moment = 0
        self._newest = self._oldest = max(bisect_right(self._at, good[self._old]) - 1, 0) if good else 0

    def line_at(self, index: int) -> LinearFit:
        """Return the line at a poll that is not before the one that was asked about last."""
        good = self._good
        while self._new <= index:
            self._newest = _step_at(self._at, self._newest, good[self._new])
            self._add(good[self._new], self._held[self._newest], 1)
            self._new += 1
        while good[self._old] < good[index] - self._length:
            self._oldest = _step_at(self._at, self._oldest, good[self._old])
            self._add(good[self._old], self._held[self._oldest], -1)
            self._old += 1
        return LinearFit(
            samples=self._samples,
            first=self._first,
            second=self._second,
            total=self._total,
            moment=self._moment,
        )

    def span_at(self, index: int) -> int:
        """Return how far the first sample of the line is from the last one."""
        return self._good[index] - self._good[self._old]

    def _add(self, at: int, count: int, sign: int) -> None:
        time = at - self.origin
        self._samples += sign
        self._first += sign * time
        self._second += sign * time * time
        self._total += sign * count
        self._moment += sign * count * time


def _step_at(at: Int64Array, step: int, instant: int) -> int:
    """Return which step of a step function holds at an instant, from one that held before."""
    while step + 1 < len(at) and at[step + 1] <= instant:
        step += 1
    return step
