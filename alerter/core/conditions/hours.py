"""Hours of the week, as clocks show them in a time zone."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from alerter.core.history import SeriesHistory
from alerter.core.series import Span, from_epoch_us, to_epoch_us

_WEEK = timedelta(days=7)


def hours_of_week(timezone: tzinfo, now: datetime, *, weeks: int) -> tuple[Span, ...]:
    """Return the hour that clocks in a time zone show now, and the same one of each of so many weeks before.

    An hour is all the time of a day in which the clocks show it: two hours where they are set back within it. One that
    is skipped is left out.

    Returns:
        The present one first. Unlike other spans, they do not hold their ends.
    """
    local = now.astimezone(timezone)
    return _hours(timezone, local.date(), local.hour, weeks)


@lru_cache(maxsize=1024)
def _hours(timezone: tzinfo, day: date, hour: int, weeks: int) -> tuple[Span, ...]:
    hours = (_hour(timezone, day - number * _WEEK, hour) for number in range(weeks + 1))
    return tuple(span for span in hours if span is not None)


def _hour(timezone: tzinfo, day: date, hour: int) -> Span | None:
    since = datetime.combine(day, time(hour), timezone).astimezone(UTC)
    if since.astimezone(timezone).hour != hour:
        return None
    last = time(hour, 59, 59, 999_999, fold=1)
    return Span(since, datetime.combine(day, last, timezone).astimezone(UTC) + timedelta.resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledHour:
    """An hour of an archive, and what may be compared with it.

    Attributes:
        since: When it begins.
        until: When the next one does.
        first: The place of its first change.
        last: The place after its last one.
        highest: At most so many were held in it.
        before: At least so many were held at the most in each of the same hours of the weeks before that are known.
    """

    since: int
    until: int
    first: int
    last: int
    highest: int
    before: Sequence[int]


def hours_of(history: SeriesHistory, *, weeks: int) -> Iterator[PolledHour]:
    """Yield every hour of an archive, oldest first, beside the same ones of so many weeks before."""
    polls = history.poll_times.polls
    if not polls or not history.at:
        return
    least: dict[tuple[date, int], int] = {}
    for day, hour, since, until in _hours_between(history.poll_times.timezone, polls[0], polls[-1]):
        first, last = bisect_left(history.at, since), bisect_left(history.at, until)
        held = history.held[max(bisect_right(history.at, since) - 1, 0)]
        changed = history.held[first:last]
        days = (day - number * _WEEK for number in range(1, weeks + 1))
        yield PolledHour(
            since=since,
            until=until,
            first=first,
            last=last,
            highest=max(held, *changed) if changed else held,
            before=[least[before, hour] for before in days if (before, hour) in least],
        )
        # A tenant's changes were polled; of a sum they may lie where it is not known.
        known = (min(held, *changed) if history.poll_times.owners else max(changed)) if changed else held
        least[day, hour] = known


@lru_cache(maxsize=16)
def _hours_between(timezone: tzinfo, since: int, until: int) -> tuple[tuple[date, int, int, int], ...]:
    """Return the hours from one instant to another: day, hour, beginning and end."""
    hours = []
    local = from_epoch_us(since).astimezone(timezone)
    while since <= until and (span := _hour(timezone, local.date(), local.hour)) is not None:
        since = to_epoch_us(span.until)
        hours.append((local.date(), local.hour, to_epoch_us(span.since), since))
        local = span.until.astimezone(timezone)
    return tuple(hours)
