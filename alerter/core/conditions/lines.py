"""The line of least squares through what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.series import Piece
from alerter.core.timelines import MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The line of least squares through the samples of a step function, in whole numbers: no rounding decides.

    Each sample stands for one poll interval, from its poll on. The sums over samples are then integrals over covered
    time, so that a line costs as much as the count has pieces, however many polls there were. Times are microseconds
    from now on, measured at the middle of the intervals.

    Attributes:
        interval: What one sample stands for; the last one begins at now.
        length: How much time is covered, ∫dt.
        first: Twice ∫t dt.
        second: Three times ∫t² dt.
        total: ∫f dt, in messages times microseconds.
        moment: Twice ∫tf dt.
    """

    interval: int
    length: int
    first: int
    second: int
    total: int
    moment: int

    @property
    def rises(self) -> bool:
        """Whether it leads upwards."""
        return self._covariance > 0

    def is_above(self, limit: int, *, ahead: int) -> bool:
        """Say whether it is above a limit so many microseconds from now."""
        return self._numerator(ahead) > limit * self.length * self._spread

    def count_at(self, ahead: int) -> int:
        """Return its value so many microseconds from now, as a whole number of messages that is not below zero."""
        numerator, denominator = self._numerator(ahead), self.length * self._spread
        return max(0, (2 * numerator + denominator) // (2 * denominator))

    @property
    def _covariance(self) -> int:
        return self.moment * self.length - self.first * self.total

    @property
    def _spread(self) -> int:
        """Twelve times the variance of the samples' times; an interval's own extent is no part of it."""
        return 4 * self.second * self.length - 3 * self.first**2 - (self.length * self.interval) ** 2

    def _numerator(self, ahead: int) -> int:
        distance = (2 * ahead + self.interval) * self.length - self.first
        return self.total * self._spread + 3 * self._covariance * distance


def line_through(pieces: Sequence[Piece], poll_interval: timedelta, *, now: datetime) -> Line:
    """Return the line through what was seen; `pieces` are of at least two samples, and the last ends at `now`."""
    interval = poll_interval // MICROSECOND
    ends = [piece.since for piece in pieces[1:]]
    length = first = second = total = moment = 0
    for piece, end in zip(pieces, [*ends, now + poll_interval], strict=True):
        # The last sample of a run stands for an interval like any other, unless the next run begins before.
        until = (min(piece.until + poll_interval, end) - now) // MICROSECOND
        since = (piece.since - now) // MICROSECOND
        length += until - since
        first += until**2 - since**2
        second += until**3 - since**3
        total += piece.count * (until - since)
        moment += piece.count * (until**2 - since**2)
    return Line(interval=interval, length=length, first=first, second=second, total=total, moment=moment)
