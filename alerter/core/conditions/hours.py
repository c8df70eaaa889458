"""Hours of the week, as clocks show them in a time zone."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from alerter.core.series import Span

_WEEK = timedelta(days=7)


def same_hour_in_past_weeks(timezone: tzinfo, now: datetime, *, weeks: int) -> tuple[Span, ...]:
    """Return the hour that clocks in a time zone show now, and the same one of each of a number of weeks before.

    An hour is all the time of a day in which the clocks show it: two hours where they are set back within it. One that
    is skipped is left out.

    Returns:
        The present one first. Unlike other spans, they do not hold their ends.
    """
    local = now.astimezone(timezone)
    return _hours(timezone, local.date(), local.hour, weeks)


@lru_cache(maxsize=10_000)
def _hours(timezone: tzinfo, day: date, hour: int, weeks: int) -> tuple[Span, ...]:
    hours = (_hour(timezone, day - number * _WEEK, hour) for number in range(weeks + 1))
    return tuple(span for span in hours if span is not None)


# As many as a year and some weeks have: a replay asks for all of them, series by series.
@lru_cache(maxsize=10_000)
def _hour(timezone: tzinfo, day: date, hour: int) -> Span | None:
    since = datetime.combine(day, time(hour), timezone).astimezone(UTC)
    if since.astimezone(timezone).hour != hour:
        return None
    last = time(hour, 59, 59, 999_999, fold=1)
    return Span(since, datetime.combine(day, last, timezone).astimezone(UTC) + timedelta.resolution)
