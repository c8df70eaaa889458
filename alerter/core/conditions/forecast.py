"""A limit that is going to be passed: the line through the samples of some hours, continued."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from operator import sub
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    NOT_AT_ALL,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.conditions.lines import Samples, fit_line
from alerter.core.poll_times import MAX_STEP_HALVES
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us
from alerter.humanize import duration_text

#: The samples that a line is drawn through, at least.
MIN_SAMPLES = 3
#: Over this number of poll intervals there always are enough samples, half of the span apart, if no poll is missed.
FEWEST_INTERVALS = 3


@dataclass(frozen=True, kw_only=True)
class Forecast(BaseCondition):
    """Held messages that will be above a limit before long if they go on as they have been going.

    The line is that of least squares through the samples of `fit_over`: the good polls; of a sum over tenants, one at
    each poll interval back from now. The level is active when the line rises and is above `above` at now + `within`,
    and also when the count itself is above it. A line needs three samples, of which the first and the last are at least
    half of `fit_over` apart; without them there is no data. A gap in polling has no samples: it is neither bridged nor
    read as zero.

    Attributes:
        above: Messages.
        within: How far ahead to look.
        fit_over: The span whose samples the line is drawn through.
    """

    name: ClassVar[str] = "forecast"
    needs_even_polls: ClassVar[bool] = True

    above: Annotated[int, Ge(0)]
    within: Annotated[timedelta, Gt(timedelta(0))]
    fit_over: Annotated[timedelta, Gt(timedelta(0))]

    @property
    def lookback(self) -> timedelta:
        """How far back it looks."""
        return self.fit_over

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        within, fit_over = duration_text(self.within), duration_text(self.fit_over)
        return f"above {self.above:,}, or on the way there within {within} at the pace of the last {fit_over}"

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can fit a line; above the limit itself it is active at once."""
        return self.fit_over / 2

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much the count is above the limit or will be, or what is missing; empty without data."""
        if found.value is None:
            return ""
        if found.value.count > self.above:
            return format_distance(found.value.count - self.above)
        if found.expected is None:
            return ""
        heading = f"heading for {found.expected.count:,}"
        if found.expected.count > self.above and not found.headline:
            return f"{heading}, but not rising"
        if found.expected.count <= self.above and found.headline:
            return f"{heading}, by a fraction"
        return f"{heading}, {format_distance(found.expected.count - self.above)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Evaluate the sample at `now`, and where the line through the samples before it leads."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        samples = Samples.of(series, since=now - self.fit_over, until=now)
        if not samples.parts:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        is_above, above = count > self.above, (self.above + 1, ANY_COUNT[1])
        first = samples.instants[samples.parts[0][0]]
        span = (samples.instants[-1] - first) * MICROSECOND
        if len(samples.instants) - samples.parts[0][0] < MIN_SAMPLES or span * 2 < self.fit_over:
            if is_above:
                return self._result(Verdict.ACTIVE, value, holds_until=FOREVER, holds_within=above)
            # Until half of the span is known there is no line, whatever comes.
            until = from_epoch_us(first) + self.fit_over / 2 if span * 2 < self.fit_over else NOT_AT_ALL
            note = f"too few successful polls within {duration_text(self.fit_over)} to draw a line through"
            return self._result(
                Verdict.NO_DATA, value, note=note, holds_until=until, holds_within=(ANY_COUNT[0], self.above)
            )
        line = fit_line(samples, now=now)
        ahead = self.within // MICROSECOND
        is_coming = line.rises and line.is_above(self.above, at=ahead)
        if is_above:
            until, within = FOREVER, above
        else:
            calm = None if is_coming else self._calm(samples, series.poll_interval)
            until, within = (NOT_AT_ALL, ANY_COUNT) if calm is None else (FOREVER, calm)
        return self._result(
            Verdict.ACTIVE if is_above or is_coming else Verdict.INACTIVE,
            value,
            since=Sample(from_epoch_us(first), samples.parts[0][2]),
            expected=line.value_at(ahead),
            holds_until=until,
            holds_within=within,
        )

    def _calm(self, samples: Samples, poll_interval: timedelta) -> tuple[int, int] | None:
        """Return counts, lowest and highest, among which these are, and through which no line leads above the limit.

        For whatever counts between 0 and c at samples that are evenly apart over a length L of at least half of
        `fit_over`, the steepest line is that of a step in the middle. It rises by no more than 1.5 c/L, and by less
        than 2 c/L where some steps are up to three times as long as others, as steps from a half to three halves of an
        interval are; from the middle of the samples to `within` ahead of now are less than 0.7 L + `within`. So it ends
        below c + 2 c (0.7 + 2 `within` / `fit_over`), and hence below c (3 + 4 `within` / `fit_over`). Counts that are
        all higher by as much have a line that is higher by as much.

        Returns:
            From 0 on where that is possible, or else with some room below and above; None where there are none.
        """
        if self.fit_over < FEWEST_INTERVALS * poll_interval:
            # There may be too few samples for a line at one poll and not at the next.
            return None
        counts = [count for *_, count in samples.parts]
        lowest, highest = min(counts), max(counts)
        part, whole = self._part
        # The least count for which the highest is not too high: least + (above - least) · part / whole >= highest.
        least = max(0, -((self.above * part - highest * whole) // (whole - part)))
        if least > lowest:
            return None
        steps = list(map(sub, samples.instants[1:], samples.instants))
        interval = poll_interval // MICROSECOND
        if not interval <= 2 * min(steps) <= 2 * max(steps) <= MAX_STEP_HALVES * interval:
            return None
        if least:
            least = (least + lowest) // 2
        return least, least + (self.above - least) * part // whole

    @cached_property
    def _part(self) -> tuple[int, int]:
        """Over which part of what is left to the limit calm counts may be spread, and of what whole."""
        fit_over, within = self.fit_over // MICROSECOND, self.within // MICROSECOND
        return fit_over, 3 * fit_over + 4 * within

    def _result(
        self,
        verdict: Verdict,
        value: Sample,
        *,
        since: Sample | None = None,
        expected: int | None = None,
        note: str = "",
        holds_until: datetime,
        holds_within: tuple[int, int],
    ) -> Result:
        is_coming = verdict is Verdict.ACTIVE and value.count <= self.above
        evidence = Evidence(
            condition=self.name,
            limit_text=self.limit_text,
            value=value,
            reference=None if since is None or since.at == value.at else since,
            expected=None if expected is None else Sample(value.at + self.within, expected),
            headline=f"heading for {expected:,} in {duration_text(self.within)}" if is_coming else "",
            detail=note,
        )
        return Result(verdict=verdict, evidence=evidence, holds_until=holds_until, holds_within=holds_within)
