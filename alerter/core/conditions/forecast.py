"""A limit that is going to be passed: the line through the samples of some hours, continued."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from alerter.core.archives import Archive
from alerter.core.conditions.observations import (
    ANY_COUNT,
    FOREVER,
    Observation,
    Operands,
    Subject,
    Verdict,
    duration_text,
    margin_text,
    no_poll_now,
)
from alerter.core.series import Piece, Sample, Series, Span

#: A line is drawn through so many samples at least.
FEWEST_SAMPLES = 3
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Held messages that will be above a limit before long if they go on as they have been going.

    The line is that of least squares through the samples of `fit_over`. The level is active when the line rises and is
    above `above` at now + `within`, and also when the count itself is above it. A line needs three samples, of which
    the first and the last are at least half of `fit_over` apart; without them there is no data. A gap in polling has no
    samples: it is neither bridged nor read as zero.

    Attributes:
        above: Messages.
        within: How far ahead to look.
        fit_over: The span whose samples the line is drawn through.
    """

    name: ClassVar[str] = "forecast"
    subject: ClassVar[Subject] = Subject.HELD
    sums: ClassVar[bool] = True
    remembers: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    falls: ClassVar[bool] = False
    harmless: ClassVar[None] = None

    above: int
    within: timedelta
    fit_over: timedelta

    def __post_init__(self) -> None:
        if self.above < 0:
            raise ValueError(f"expected 'above' of 0 messages or more, found {self.above}")
        if min(self.within, self.fit_over) <= timedelta(0):
            raise ValueError("expected 'within' and 'fit_over' longer than 0s")

    @property
    def window(self) -> timedelta:
        """How far back it looks."""
        return self.fit_over

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        within, fit_over = duration_text(self.within), duration_text(self.fit_over)
        return f"above {self.above:,}, or on the way there within {within} at the pace of the last {fit_over}"

    def margin(
        self, found: Operands, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much the count is above the limit or will be, or what is missing; empty without data."""
        if found.value is None:
            return ""
        if found.value.count > self.above:
            return margin_text(found.value.count - self.above)
        if found.expected is None:
            return ""
        heading = f"heading for {found.expected.count:,}"
        if found.expected.count > self.above and not found.news:
            return f"{heading}, but not rising"
        if found.expected.count <= self.above and found.news:
            return f"{heading}, by a fraction"
        return f"{heading}, {margin_text(found.expected.count - self.above)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Observation:
        """Judge the sample at `now`, and where the line through the samples before it leads."""
        count = series.value_at(now)
        if count is None:
            return no_poll_now(self.name, self.limit)
        pieces = list(series.pieces(since=now - self.fit_over, until=now))
        value = Sample(now, count)
        is_above = count > self.above
        calm = self._calm(pieces)
        idle_until = None if calm is None else FOREVER
        if not _are_enough(pieces, series.poll_interval, self.fit_over):
            if is_above:
                return self._observed(Verdict.ACTIVE, value)
            if calm is None and pieces[-1].until - pieces[0].since < self.fit_over / 2:
                # Until then there is no line, whatever comes.
                idle_until, calm = pieces[0].since + self.fit_over / 2, (ANY_COUNT[0], self.above)
            note = f"too few good polls within {duration_text(self.fit_over)} to draw a line through"
            return self._observed(Verdict.NO_DATA, value, note=note, idle_until=idle_until, idle_within=calm)
        line = line_through(pieces, series.poll_interval, now=now)
        ahead = self.within // _MICROSECOND
        is_coming = line.rises and line.is_above(self.above, ahead=ahead)
        # What has not moved stays where it is until it moves.
        is_flat = not is_above and all(piece.count == count for piece in pieces)
        return self._observed(
            Verdict.ACTIVE if is_above or is_coming else Verdict.INACTIVE,
            value,
            since=pieces[0],
            expected=line.count_at(ahead),
            idle_until=FOREVER if is_flat else idle_until,
            idle_within=calm,
        )

    def _calm(self, pieces: Sequence[Piece]) -> tuple[int, int] | None:
        """Return counts, lowest and highest, among which these are, and through which no line leads above the limit.

        For whatever counts between 0 and c, without a gap and spread evenly over a length L of at least half of
        `fit_over`, the steepest line is that of a step in the middle. It rises by 1.5 c/L, and by less than 1.8 c/L
        where only three samples make it; from the middle of them to `within` ahead of now are less than 0.7 L +
        `within`. So it ends below c + 1.8 c (0.7 + 2 `within` / `fit_over`), and hence below c (3 + 4 `within` /
        `fit_over`). Counts that are all higher by as much have a line that is higher by as much.

        Returns:
            From 0 on where that is possible, or else with some room below and above; None where there are none.
        """
        if any(before.until != after.since for before, after in pairwise(pieces)):
            return None
        lowest, highest = min(piece.count for piece in pieces), max(piece.count for piece in pieces)
        part, whole = self._part
        # The least count for which the highest is not too high: least + (above - least) · part / whole >= highest.
        least = max(0, -((self.above * part - highest * whole) // (whole - part)))
        if least > lowest:
            return None
        if least:
            least = (least + lowest) // 2
        return least, least + (self.above - least) * part // whole

    @cached_property
    def _part(self) -> tuple[int, int]:
        """Over which part of what is left to the limit calm counts may be spread, and of what whole."""
        fit_over, within = self.fit_over // _MICROSECOND, self.within // _MICROSECOND
        return fit_over, 3 * fit_over + 4 * within

    def turns(self, archive: Archive) -> Iterable[int]:
        """Return every poll."""
        return archive.timeline.polls

    def _observed(
        self,
        verdict: Verdict,
        value: Sample,
        *,
        since: Piece | None = None,
        expected: int | None = None,
        note: str = "",
        idle_until: datetime | None = None,
        idle_within: tuple[int, int] | None = None,
    ) -> Observation:
        is_coming = verdict is Verdict.ACTIVE and value.count <= self.above
        operands = Operands(
            condition=self.name,
            limit=self.limit,
            value=value,
            reference=None if since is None or since.since == value.at else Sample(since.since, since.count),
            expected=None if expected is None else Sample(value.at + self.within, expected),
            news=f"heading for {expected:,} in {duration_text(self.within)}" if is_coming else "",
            note=note,
        )
        return Observation(verdict=verdict, operands=operands, idle_until=idle_until, idle_within=idle_within)


def _are_enough(pieces: Sequence[Piece], poll_interval: timedelta, fit_over: timedelta) -> bool:
    """Say whether there are so many samples, and far enough apart, that a line can be drawn through them."""
    if not pieces or (pieces[-1].until - pieces[0].since) * 2 < fit_over:
        return False
    runs = 1 + sum(before.until < after.since for before, after in pairwise(pieces))
    covered = sum((piece.until - piece.since for piece in pieces), timedelta(0))
    return round(covered / poll_interval) + runs >= FEWEST_SAMPLES


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
    interval = poll_interval // _MICROSECOND
    ends = [piece.since for piece in pieces[1:]]
    length = first = second = total = moment = 0
    for piece, end in zip(pieces, [*ends, now + poll_interval], strict=True):
        # The last sample of a run stands for an interval like any other, unless the next run begins before.
        until = (min(piece.until + poll_interval, end) - now) // _MICROSECOND
        since = (piece.since - now) // _MICROSECOND
        length += until - since
        first += until**2 - since**2
        second += until**3 - since**3
        total += piece.count * (until - since)
        moment += piece.count * (until**2 - since**2)
    return Line(interval=interval, length=length, first=first, second=second, total=total, moment=moment)
