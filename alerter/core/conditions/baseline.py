"""The count that is usual at this hour of the week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.conditions.hours import same_hour_in_past_weeks
from alerter.core.conditions.past import WEEK, first_known
from alerter.core.series import Sample, Series, Span, from_epoch_us, to_epoch_us

#: The number of the hours before that must be known.
MIN_HOURS = 3
MAXWEEKS = 52
#: The hours to come that are looked at in advance.
HOURS_AHEAD = 12
#: Turns the median of absolute deviations into a standard deviation, where values are normally distributed.
MAD_TO_SIGMA = 1.4826
#: More than any error of a floating-point number here, and less than a message.
_ROUNDING = 1e-6
#: The hour itself, and what a change of the clocks may add to the distance between two of them.
_SLACK = timedelta(hours=3)


@dataclass(frozen=True, kw_only=True)
class Baseline(BaseCondition):
    """Held messages that are more than is usual on this weekday at this hour, in the tenant's time zone.

    Each of the same hours in the past `weeks` weeks stands for the highest count in it. Their median is what is usual;
    what is ordinary around it is 1.4826 times the median of their distances from it, but at least the square root of
    what is usual, and at least `floor`. Active above what is usual by `deviations` times that. Hours of which not even
    half was polled are left out, and so are those in which this level was firing: what was wrong then is no measure,
    unless it was so in all of them, for what goes on for weeks has become usual. There is no data until three hours
    are known.

    Attributes:
        deviations: How many times the ordinary distance.
        weeks: How many weeks to look back.
        floor: Messages; the ordinary distance is taken to be no smaller.
    """

    name: ClassVar[str] = "baseline"
    needs_firing_history: ClassVar[bool] = True

    deviations: Annotated[float, Gt(0)] = 4
    weeks: Annotated[int, Ge(MIN_HOURS), Le(MAXWEEKS)] = 4
    floor: Annotated[int, Ge(1)] = 5

    @property
    def lookback(self) -> timedelta:
        """How far back it looks."""
        return self.weeks * WEEK + _SLACK

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return MIN_HOURS * WEEK

    @property
    def limit_text(self) -> str:
        """What makes it active, in words, as long as nobody knows what is usual."""
        return f"the usual at this hour of the week and {self.deviations:g} deviations more"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much the count is beyond what is usual, or how much is missing; empty without data."""
        if found.value is None or found.expected is None:
            return ""
        _, *past = same_hour_in_past_weeks(series.timezone, now, weeks=self.weeks)
        usual, ordinary = center_and_scale(_counts_of(series, past, fired), floor=self.floor)
        return format_distance(found.value.count - int(usual + self.deviations * ordinary))

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Compare the sample at `now` with the same hours of the weeks before."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        present, *past = same_hour_in_past_weeks(series.timezone, now, weeks=self.weeks)
        since = now - self.lookback
        fired = [span for span in fired if span.end_at >= since]
        known = self._usual_of(series, past, fired)
        if known is None:
            number = len(_counts_of(series, past, fired))
            note = f"only {number} of the same hours in the last {self.weeks} weeks can be compared with"
            evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=value, detail=note)
            # No hour is known before the first poll, apart from what a change of the clocks adds.
            learns_until = from_epoch_us(first_known(series)) + MIN_HOURS * WEEK - _SLACK
            return Result(verdict=Verdict.NO_DATA, evidence=evidence, holds_until=max(present.end_at, learns_until))
        usual, ordinary = known
        most = usual + self.deviations * ordinary
        is_active = count > most
        evidence = Evidence(
            condition=self.name,
            limit_text=f"above {int(most):,}, the usual {usual:,.10g} and {self.deviations:g} times {ordinary:,.1f}",
            value=value,
            expected=Sample(now, int(usual)),
            headline=f"usually {int(usual):,} at this hour" if is_active else "",
        )
        until, limit = self._stands(value, int(most), present.end_at, series, fired)
        if is_active:
            counts = (limit + 1, ANY_COUNT[1])
            return Result(verdict=Verdict.ACTIVE, evidence=evidence, holds_until=until, holds_within=counts)
        never = int(self.deviations * self.floor)
        run_since = from_epoch_us(series.run_since_us(to_epoch_us(now)))
        if count <= never and len(past) > MIN_HOURS and run_since <= past[MIN_HOURS].start_at:
            # In these weeks enough hours are known even if the clocks skip one, and what is usual is not less.
            until, limit = FOREVER, never
        return Result(
            verdict=Verdict.INACTIVE, evidence=evidence, holds_until=until, holds_within=(ANY_COUNT[0], limit)
        )

    def _stands(
        self, value: Sample, limit: int, until: datetime, series: Series, fired: Sequence[Span]
    ) -> tuple[datetime, int]:
        """Return until when a count stays on its side of the limits of the hours, and the nearest of these.

        What the hours to come are compared with is over. So they are looked at already, as long as the count has room.
        """
        is_above = value.count > limit
        pick = max if is_above else min
        middle = value.count + (limit - value.count) // 2
        for _ in range(HOURS_AHEAD):
            present, *past = same_hour_in_past_weeks(series.timezone, until, weeks=self.weeks)
            known = self._usual_of(series, past, fired)
            if known is None:
                break
            nearest = pick(limit, int(known[0] + self.deviations * known[1]))
            if pick(nearest, middle) != middle:
                break
            until, limit = present.end_at, nearest
        return until, limit

    def _usual_of(self, series: Series, hours: Sequence[Span], fired: Sequence[Span]) -> tuple[float, float] | None:
        """Return what is usual and what is ordinary around it; None where too few hours are known."""
        counts = _counts_of(series, hours, fired)
        return center_and_scale(counts, floor=self.floor) if len(counts) >= MIN_HOURS else None


def center_and_scale(counts: Sequence[int], *, floor: float) -> tuple[float, float]:
    """Return what is usual, and how far from it is ordinary: neither is moved by a few counts that are far off.

    Args:
        counts: At least one, in messages.
        floor: Messages; what is ordinary is taken to be no smaller.
    """
    usual = median(counts)
    spread = MAD_TO_SIGMA * median([abs(count - usual) for count in counts])
    return usual, max(spread, sqrt(usual), floor)


def median(values: Sequence[float]) -> float:
    """Return the middle of some values, at least one; of an even number the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _counts_of(series: Series, hours: Sequence[Span], fired: Sequence[Span]) -> list[int]:
    """Return the highest count in each of the hours that can be compared with."""
    found = series.derived("hours", _no_hours)
    known, calm = [], []
    for hour in hours:
        if hour.start_at not in found:
            found[hour.start_at] = max_within(series, hour)
        highest = found[hour.start_at]
        if highest is not None:
            known.append(highest)
            if not fired or _is_calm(hour, fired):
                calm.append(highest)
    return calm or known


def _no_hours(_: Series) -> dict[datetime, int | None]:
    """Return the highest counts of hours, of which none is known yet."""
    return {}


def _is_calm(hour: Span, fired: Sequence[Span]) -> bool:
    return not any(span.start_at < hour.end_at and span.end_at >= hour.start_at for span in fired)


def max_within(series: Series, span: Span) -> int | None:
    """Return the highest count in an hour or a day, or None where less than half of it is known.

    Its end belongs to the next one.
    """
    since, until = to_epoch_us(span.start_at), to_epoch_us(span.end_at)
    whole = series.highest_of_run_us(since, until - 1)
    if whole is not None:
        return whole
    segments = list(series.pieces_us(since, until))
    if 2 * sum(end - begin for begin, end, _ in segments) < until - since:
        return None
    return max(count for begin, _, count in segments if begin < until)
