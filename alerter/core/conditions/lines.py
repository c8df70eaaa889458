"""The line of least squares through samples, in whole numbers: no rounding decides.

The samples are the good polls. A sum over tenants has none of its own: it is known at every moment that is covered, and
has a sample at each poll interval back from now. Instants are numbers, as in `timelines`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import mul

from alerter.core.poll_times import Int64Array, int64_array
from alerter.core.series import MICROSECOND, Series, to_epoch_us


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a span of time.

    Attributes:
        instants: When they were, oldest first.
        parts: Of those one after the other that are equal the index of the first, that behind the last, and the count.
    """

    instants: Sequence[int]
    parts: Sequence[tuple[int, int, int]]

    @classmethod
    def of(cls, series: Series, *, since: datetime, until: datetime) -> "Samples":
        """Return the samples of a series between two instants, both included."""
        begin, end = to_epoch_us(since), to_epoch_us(until)
        polls, steps = series.polls, series.steps
        instants = _spread(series, begin, end) if polls is None else polls.between(begin, end)
        first_step, last_step = max(steps.last_before(begin), steps.first), steps.last_before(end)
        parts = []
        first = bisect_left(instants, steps.at[first_step]) if steps else 0
        for step in range(first_step, last_step + 1):
            behind = len(instants) if step == last_step else bisect_left(instants, steps.at[step + 1], first)
            if behind > first:
                parts.append((first, behind, steps.counts[step]))
            first = behind
        return cls(instants, parts)


def _spread(series: Series, begin: int, end: int) -> Int64Array:
    """Return the instants that are covered, an interval apart, back from the last one."""
    runs = series.runs
    spans = [(runs.since[run], runs.until_of(run)) for run in range(runs.first, runs.behind)]
    instants: list[int] = []
    for at in range(end, begin - 1, -(series.poll_interval // MICROSECOND)):
        while spans and spans[-1][0] > at:
            spans.pop()
        if spans and at <= spans[-1][1]:
            instants.append(at)
    return int64_array(reversed(instants))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """The line of least squares.

    Attributes:
        samples: The number of samples it goes through.
        first: The sum of their times, in microseconds from an origin.
        second: The sum of the squares of these.
        total: The sum of their counts.
        moment: The sum of the products of both.
    """

    samples: int
    first: int
    second: int
    total: int
    moment: int

    @property
    def rises(self) -> bool:
        """Whether it leads upwards."""
        return self._covariance > 0

    def is_above(self, limit: int, *, at: int) -> bool:
        """Return True if it is above a limit at a number of microseconds from the origin."""
        return self._numerator(at) > limit * self.samples * self._spread

    def value_at(self, at: int) -> int:
        """Return its value at a number of microseconds from the origin: a whole number, not below zero."""
        numerator, denominator = self._numerator(at), self.samples * self._spread
        return max(0, (2 * numerator + denominator) // (2 * denominator))

    @property
    def _covariance(self) -> int:
        return self.samples * self.moment - self.first * self.total

    @property
    def _spread(self) -> int:
        return self.samples * self.second - self.first**2

    def _numerator(self, at: int) -> int:
        return self.total * self._spread + self._covariance * (self.samples * at - self.first)


def fit_line(samples: Samples, *, now: datetime) -> LinearFit:
    """Return the line through samples that are of two instants at least; its origin is now."""
    origin = to_epoch_us(now)
    times = [at - origin for at in samples.instants[samples.parts[0][0] :]]
    skipped = samples.parts[0][0]
    total = moment = 0
    for first, behind, count in samples.parts:
        total += count * (behind - first)
        moment += count * sum(times[first - skipped : behind - skipped])
    return LinearFit(
        samples=len(times), first=sum(times), second=sum(map(mul, times, times)), total=total, moment=moment
    )
