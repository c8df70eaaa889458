"""Rises in a series: how far a count is above the lowest of a span, now and in the weeks before.

Instants and spans are whole microseconds. No I/O: values in, values out.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, pairwise, takewhile
from math import inf
from typing import ClassVar

from alerter.core.conditions.base import FOREVER, BaseCondition
from alerter.core.poll_times import int64_array
from alerter.core.renames import RENAME_PARTS, RENAME_POLLS
from alerter.core.series import MICROSECOND, Piece, Series, from_epoch_us, to_epoch_us

WEEK = timedelta(weeks=1)
#: A tenant, or a reason of it, that is known for less is new.
LEARN = WEEK
#: Of the first week so much must be known.
MIN_KNOWN = LEARN / 3
#: To learn takes the first, to compare one more; nobody remembers for longer what was usual.
MIN_WEEKS, MAX_WEEKS = LEARN // WEEK + 1, 26
#: Two counts also moved by about as much if they differ by no more than this number of messages.
RENAME_MESSAGES = 2

_LAST = to_epoch_us(FOREVER)


class PastCondition(BaseCondition):
    """A condition on the change within a span, which it compares with the weeks before.

    Attributes:
        within: The span.
        weeks: How many weeks to look back.
    """

    reports_change: ClassVar[bool] = True
    compares_reasons: ClassVar[bool] = True

    within: timedelta
    weeks: int

    @property
    def lookback(self) -> timedelta:
        """How far back it looks."""
        return self.weeks * WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Rises:
    """The rise of now, and those of the past.

    Attributes:
        low: The lowest count of the span that ends now.
        low_since: Where it was held first within the span.
        low_until: Where it was held last.
        greatest: The greatest rise of the past, in messages.
        greatest_until: How long the low that it began from was held: a past that begins later does not know it.
        returns_at: The first instant after the past at which a rise was greater than that; infinite if there is none.
        known: How much of the past is known.
    """

    low: int
    low_since: int
    low_until: int
    greatest: int
    greatest_until: float
    returns_at: float
    known: int


@dataclass(frozen=True, slots=True)
class _RiseIndex:
    """By how much each piece of a series is above the lowest count of the span that ends where the piece begins.

    Attributes:
        since: Where each piece begins, oldest first.
        rises: How far it is above the low.
        low_until: Until when that low was held.
    """

    since: Sequence[int]
    rises: Sequence[int]
    low_until: Sequence[int]

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> "_RiseIndex":
        """Return the index of what `_rises_within` yields."""
        since, rises, low_until = int64_array(), [], int64_array()
        for begin, rise, until in pieces:
            since.append(begin)
            rises.append(rise)
            low_until.append(until)
        return cls(since, rises, low_until)


def _rises_within(within: int, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield of each piece where it begins, how far it is above the low, and until when that low was held."""
    lows: deque[Piece] = deque()
    for since, end, count in pieces:
        while lows and lows[0][1] < since - within:
            lows.popleft()
        while lows and lows[-1][2] >= count:
            lows.pop()
        lows.append((since, end, count))
        yield since, count - lows[0][2], lows[0][1]


def _index_of_rises(within: int, series: Series) -> _RiseIndex:
    return _RiseIndex.of(_rises_within(within, series.pieces_us(0, _LAST)))


def find_rises(series: Series, *, since: int, within: int, now: int, above: int = 0) -> Rises:
    """Return the rise of now, and what is to be known of the rises before.

    The past ends a span before now.

    Args:
        series: Of which something is known now.
        since: Where the past begins.
        within: The span within which a count rises.
        now: The present.
        above: Rises of at most this number of messages count as none.
    """
    until = now - within
    if now - since > WEEK // MICROSECOND:
        index = series.derived(("rises", within), partial(_index_of_rises, within))
    else:
        index = _RiseIndex.of(_rises_within(within, series.pieces_us(since, now)))
    # A piece that begins within a span after the beginning of the past has a low of its own; the others are as indexed.
    whole = bisect_left(index.since, since + within)
    first = takewhile(lambda piece: piece[0] < since + within, series.pieces_us(since, now))
    young = list(_rises_within(within, first))
    behind, end = max(whole, bisect_right(index.since, until)), bisect_right(index.since, now)
    past = [piece for piece in young if piece[0] <= until]
    greatest = max(above, max(index.rises[whole:behind], default=0), *(rise for _, rise, _ in past), 0)
    greatest_until = inf
    if greatest > above:
        greatest_until = min(now, _newest(index, whole, behind, past, greatest))
    later = chain(young[len(past) :], zip(index.since[behind:end], index.rises[behind:end], strict=True))
    low_since, low_until, low = series.lowest_us(max(since, until - 1), now) or (now, now, 0)
    return Rises(
        low=low,
        low_since=max(low_since, until),
        low_until=low_until,
        greatest=0 if greatest_until == inf else greatest,
        greatest_until=greatest_until,
        returns_at=next((piece[0] for piece in later if piece[1] > greatest), inf),
        known=sum(known_until - known_since for known_since, known_until in series.known_us(since, until)),
    )


def _newest(index: _RiseIndex, whole: int, behind: int, young: Sequence[Piece], greatest: int) -> int:
    """Return until when the low was held from which the newest of the greatest rises began."""
    rises = index.rises[whole:behind]
    if greatest in rises:
        return index.low_until[behind - 1 - rises[::-1].index(greatest)]
    return next(until for _, rise, until in reversed(young) if rise == greatest)


def calm_counts(low: int, needed: int, count: int) -> tuple[int, int]:
    """Return counts, lowest and highest, among which none is as far above another, or above the low, as is too much.

    Args:
        low: The lowest count of the span that ends now.
        needed: The rise that is too much, in messages.
        count: The count now; less than that above the low.
    """
    room = low + needed - 1 - count
    lowest = max(0, low - room // 2)
    return lowest, lowest + needed - 1


def own_past_since(series: Series) -> int:
    """Return where a reason's own past begins: where the tenant's does, or at the reason's first held messages."""
    begin = first_known(series)
    first = series.first_held_at
    if first is None or to_epoch_us(first) <= begin + RENAME_POLLS * (series.poll_interval // MICROSECOND):
        return begin
    return to_epoch_us(first)


def first_known(series: Series) -> int:
    """Return where the tenant's past begins; there must be a run of coverage."""
    return (
        to_epoch_us(series.first_polled_at)
        if series.first_polled_at is not None
        else series.runs.since[series.runs.first]
    )


def longest_gap(series: Series, since: int, until: int) -> int:
    """Return the longest time between two instants of which nothing is known."""
    return max((after - before for (_, before), (after, _) in pairwise(series.known_us(since, until))), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """The largest step of a series, and where its messages came from, or went.

    Attributes:
        moved: The size of the step, in messages; 0 if there is none.
        moved_at: When it was.
        other: The reason of the tenant that moved the other way by about as much; empty if none did.
    """

    moved: int = 0
    moved_at: int = 0
    other: str = ""

    def looked_until(self, series: Series, now: int) -> float:
        """Return until when what was found stays so: not before other reasons have had time to follow."""
        return now if now <= self.moved_at + _slack(series) else inf


def find_rename(series: Series, since: int, now: int, *, falls: bool = False) -> Renaming:
    """Return the largest step of a series since an instant, and whether another reason made the opposite one.

    Somebody who renames a policy makes one reason fall and another rise, by about as much and within a poll or two.

    Args:
        series: What has risen.
        since: Where to look for the step.
        now: The present.
        falls: Whether it has fallen.
    """
    sign = -1 if falls else 1
    moved, moved_at = _largest_step(series, since, now, sign)
    for other in series.others if moved else ():
        if other.reason == series.reason:
            continue
        before = other.count_before(moved_at - _slack(series))
        after = other.count_before(min(now, moved_at + _slack(series)) + 1)
        if before is None or after is None or before == after:
            continue
        if abs((before - after) * sign - moved) <= max(moved // RENAME_PARTS, RENAME_MESSAGES):
            return Renaming(moved=moved, moved_at=moved_at, other=other.reason)
    return Renaming(moved=moved, moved_at=moved_at)


def _slack(series: Series) -> int:
    return RENAME_POLLS * (series.poll_interval // MICROSECOND)


def _largest_step(series: Series, since: int, now: int, sign: int) -> tuple[int, int]:
    """Return by how much a count moved at its largest step, and when; 0 if it did not move that way."""
    before = series.count_before(since + 1)
    largest, largest_at = 0, 0
    for at, count in series.changes_us(since, now):
        step = 0 if before is None else (count - before) * sign
        if step > largest:
            largest, largest_at = step, at
        before = count
    return largest, largest_at


def instant(at: float) -> datetime:
    """Return an instant in microseconds; infinity is later than every poll."""
    return FOREVER if at >= _LAST else from_epoch_us(int(at))
