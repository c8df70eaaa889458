"""Where a line that slides along with time may pass a limit, without drawing it at every poll.

While polling is unbroken, the sums behind the line are integrals over a window of fixed length. Between two instants at
which a change enters the window or leaves it, each of them is a polynomial in time, so that the value of the line ahead
of now is one of second degree, and so is what its slope depends on: their roots are where something may turn. What is
found here is only where to look; the line in whole numbers decides.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import sqrt

from alerter.core.archives import Archive
from alerter.core.timelines import MICROSECOND, NEVER, Numbers

#: So close to zero, in messages, nobody can say on which side it is.
_CLOSE = 1e-6
#: So far on both sides of a root one looks, in microseconds.
_MARGIN = 10_000
_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Parabola:
    """A polynomial of second degree, in seconds from the beginning of a stretch of time."""

    constant: float
    linear: float
    square: float

    def at(self, seconds: float) -> float:
        """Return its value."""
        return self.constant + seconds * (self.linear + seconds * self.square)

    def plus(self, constant: float, linear: float) -> "Parabola":
        """Return it with another constant, and tilted."""
        return Parabola(constant, self.linear + linear, self.square)

    def roots(self, length: float) -> list[float] | None:
        """Return where it is zero within a stretch; None where it comes so close to zero that nobody can say."""
        apex = -self.linear / (2 * self.square) if self.square else -1.0
        extremes = [self.constant, self.at(length), *([self.at(apex)] if 0 < apex < length else [])]
        if min(map(abs, extremes)) < _CLOSE:
            return None
        if min(extremes) > 0 or max(extremes) < 0:
            return []
        if abs(self.square) * length**2 < _CLOSE:
            return [-self.constant / self.linear]
        spread = sqrt(max(self.linear**2 - 4 * self.square * self.constant, 0))
        both = sorted((-self.linear + sign * spread) / (2 * self.square) for sign in (-1, 1))
        return [root for root in both if 0 < root < length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of time in which no change enters the window or leaves it, and the line may be above the limit.

    Attributes:
        since: When it begins.
        until: When it ends.
        excess: By how much the line is above the limit, in messages.
        slope: What the line adds to the mean of the window, in messages: positive where it rises.
    """

    since: int
    until: int
    excess: Parabola
    slope: Parabola

    def leads_at(self, instant: int) -> bool:
        """Say whether the line rises above the limit."""
        seconds = (instant - self.since) * _SECONDS
        return self.excess.at(seconds) > 0 and self.slope.at(seconds) > 0

    def turns(self) -> list[int] | None:
        """Return where the line may begin or cease to rise above the limit; None where nobody can say."""
        length = (self.until - self.since) * _SECONDS
        found: list[int] = []
        for parabola in (self.excess, self.slope):
            roots = parabola.roots(length)
            if roots is None:
                return None
            found += [self.since + round(root / _SECONDS) + side for root in roots for side in (-_MARGIN, _MARGIN)]
        return found


def passings(archive: Archive, *, above: int, ahead: timedelta, over: timedelta) -> Iterator[int]:
    """Yield every instant from which on the line through the last samples may lead above a limit, or no longer.

    Args:
        archive: What was seen.
        above: The limit, in messages.
        ahead: How far from now the line is looked at.
        over: The span whose samples it is drawn through.
    """
    timeline, length = archive.timeline, over // MICROSECOND
    window = _Window(archive, above=above, ahead=ahead, over=over)
    for since, until in zip(timeline.since, timeline.until, strict=True):
        full = min(until, since + length)
        # There is a gap in the window, or the beginning of all: its length changes from poll to poll.
        yield from window.near(_between(timeline.polls, since, full))
        yield from _turns(window.stretches(full, until), timeline.polls)
        # At both ends of what is unbroken the one way of looking ends.
        yield from (full + 1, until)


def _turns(stretches: Iterable[Stretch], polls: Numbers) -> Iterator[int]:
    """Yield where the line begins or ceases to lead above the limit; each stretch may follow on the one before."""
    leads, end = False, 0
    for stretch in stretches:
        if leads and stretch.since != end:
            yield end
            leads = False
        if stretch.leads_at(stretch.since) is not leads:
            yield stretch.since
        turns = stretch.turns()
        yield from _between(polls, stretch.since, stretch.until) if turns is None else turns
        end = stretch.until
        leads = stretch.leads_at(end)
        if turns is None:
            yield end
    if leads:
        yield end


def _between(polls: Numbers, since: int, until: int) -> Numbers:
    return polls[bisect_left(polls, since) : bisect_right(polls, until)]


class _Window:
    """The window on its way through time.

    Of the step function f it holds ∫f, and the covariance 2L∫tf - F∫f, in which L is the length of the window and F
    twice the integral of time over it. Time is in seconds from now on, and the newest sample reaches one poll interval
    ahead, as in `lines.Line`.
    """

    def __init__(self, archive: Archive, *, above: int, ahead: timedelta, over: timedelta) -> None:
        self._at, self._held, self._timeline = archive.at, archive.held, archive.timeline
        self._over, self._interval = over // MICROSECOND, archive.timeline.poll_interval // MICROSECOND
        self._ahead = ahead.total_seconds()
        self._back, self._front = over.total_seconds(), archive.timeline.poll_interval.total_seconds()
        self._above = above

    def near(self, polls: Iterable[int]) -> Iterator[int]:
        """Yield the polls at which the line may be above the limit, and the first one after them."""
        was_near = False
        for poll in polls:
            sums = self._sums(poll)
            is_near = sums.total / sums.length + self._weight(sums) * sums.covariance > self._above - _CLOSE
            if is_near or was_near:
                yield poll
            was_near = is_near

    def stretches(self, since: int, until: int) -> Iterator[Stretch]:
        """Yield the stretches of unbroken polling in which the line may be above the limit while the count is not."""
        at, held, over, above, back, front = self._at, self._held, self._over, self._above, self._back, self._front
        new, old = bisect_right(at, since) - 1, max(bisect_right(at, since - over) - 1, 0)
        sums = self._sums(since)
        total, covariance, first = sums.total, sums.covariance, sums.first
        length, twice, weight, newest = back + front, 2 * (back + front), self._weight(sums), len(at) - 1
        while since < until:
            entering = at[new + 1] if new < newest else NEVER
            leaving = at[old + 1] + over if old < new else NEVER
            end = min(entering, leaving, until)
            count, rise = held[new], held[new] - held[old]
            if old == new:
                # Flat: the sums are known exactly, so that no error adds up.
                total, covariance = count * length, 0.0
            else:
                seconds = (end - since) * _SECONDS
                bend = -length * rise * seconds * seconds
                climb = (twice * (front * count + back * held[old] - total) - first * rise) * seconds
                excess = total / length + weight * covariance - above
                # A parabola that bends down lies below its tangent, one that bends up below its ends.
                highest = rise / length * seconds + weight * (climb + bend if rise < 0 else climb)
                if (excess if highest < 0 else excess + highest) > -_CLOSE and count <= above:
                    slope = Parabola(weight * covariance, weight * climb / seconds, -weight * length * rise)
                    yield Stretch(since=since, until=end, slope=slope, excess=slope.plus(excess, rise / length))
                total, covariance = total + rise * seconds, covariance + climb + bend
            since = end
            if end == entering:
                new += 1
                step = front * (held[new] - count)
                total, covariance = total + step, covariance + step * back * length
            old += end == leaving

    def _weight(self, sums: "_Sums") -> float:
        """Return what turns the covariance into the messages that the slope adds to the mean."""
        spread = 4 * sums.second * sums.length - 3 * sums.first**2 - (sums.length * self._front) ** 2
        distance = (2 * self._ahead + self._front) * sums.length - sums.first
        return 3 * distance / (sums.length * spread) if spread > 0 else 0.0

    def _sums(self, now: int) -> "_Sums":
        """Return the sums over the window at a poll, piece by piece."""
        sums = _Sums()
        timeline, begin = self._timeline, now - self._over
        number = bisect_left(timeline.until, begin)
        while number < len(timeline.since) and timeline.since[number] <= now:
            since = max(timeline.since[number], begin)
            until = min(timeline.until[number], now) + self._interval
            number += 1
            self._add(sums, since, min(until, *timeline.since[number : number + 1], NEVER), now)
        return sums

    def _add(self, sums: "_Sums", since: int, until: int, now: int) -> None:
        """Add what was known by now of a part of the window; the newest count holds on to its end."""
        place = max(bisect_right(self._at, since) - 1, 0)
        known = bisect_right(self._at, now)
        while since < until:
            end = min(until, self._at[place + 1]) if place + 1 < known else until
            sums.add(self._held[place], (since - now) * _SECONDS, (end - now) * _SECONDS)
            since, place = end, place + 1


@dataclass(slots=True)
class _Sums:
    """See `lines.Line`, in seconds."""

    length: float = 0.0
    first: float = 0.0
    second: float = 0.0
    total: float = 0.0
    moment: float = 0.0

    @property
    def covariance(self) -> float:
        """How time and count go together."""
        return self.moment * self.length - self.first * self.total

    def add(self, count: int, since: float, until: float) -> None:
        """Add a piece of the step function."""
        self.length += until - since
        self.first += until**2 - since**2
        self.second += until**3 - since**3
        self.total += count * (until - since)
        self.moment += count * (until**2 - since**2)
