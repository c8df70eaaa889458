"""Mute windows: parts of the week in which nobody is notified.

No I/O: values in, values out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NewType

from alerter.core.selectors import MATCH_ALL, Selector

WindowName = NewType("WindowName", str)


#: Monday is 0, as in `datetime.weekday`.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


#: How many days to look back and ahead for a window: each day of the week is among them.
_WEEK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteWindow:
    """A part of the week in which nobody is notified, in the time of a place.

    It begins on each of its days at `begins` and lasts until the next `ends`: on the next day where that is not later.
    What counts is the wall clock: it holds while the clock there shows a time of the window. A night is therefore an
    hour shorter or longer when the clocks change, an end that is skipped has come with the first time after it, and
    what the clocks show twice is in the window twice. Days that follow one another without a pause are one window.

    Attributes:
        days: On which weekdays it begins, Monday 0.
        begins: Its first moment.
        ends: The first moment after it.
        timezone: Where.
        is_local: Whether it is meant in each tenant's own time instead, where that is known.
        tenants: For whom it is; a sum over all tenants is nobody's.
    """

    name: WindowName
    days: frozenset[int]
    begins: time
    ends: time
    timezone: tzinfo
    is_local: bool = False
    tenants: Selector = MATCH_ALL

    def in_timezone(self, timezone: tzinfo | None) -> "MuteWindow":
        """Return the window as it falls for a tenant in a time zone; None for one that has none of its own."""
        return replace(self, timezone=timezone) if self.is_local and timezone is not None else self

    def current_end_at(self, *, now: datetime) -> datetime | None:
        """Return when the window that holds now will end; None where none holds.

        Of one that never ends it is an instant more than a week ahead.
        """
        spans = self._spans(now=now, first=-2, last=_WEEK)
        return next((end for begin, end in spans if begin <= now < end), None)

    def last_ended_at(self, *, now: datetime) -> datetime | None:
        """Return when the window ended last, at or before now; None where that is more than a week ago."""
        spans = self._spans(now=now, first=-_WEEK, last=0)
        return max((end for _, end in spans if end <= now), default=None)

    def _spans(self, *, now: datetime, first: int, last: int) -> list[tuple[datetime, datetime]]:
        """Return the windows that begin within these days from today on, oldest first, as instants in UTC."""
        today = now.astimezone(self.timezone).date()
        days = [today + timedelta(days=number) for number in range(first, last + 1)]
        shown = [self._shown_on(day) for day in days if day.weekday() in self.days]
        spans: list[tuple[datetime, datetime]] = []
        for since, until, offset in _offsets(self.timezone, days[0], days[-1]):
            for begin, end in ((max(since, one - offset), min(until, other - offset)) for one, other in shown):
                if spans and begin < end and begin <= spans[-1][1]:
                    spans[-1] = (spans[-1][0], end)
                elif begin < end:
                    spans.append((begin, end))
        return spans

    def _shown_on(self, day: date) -> tuple[datetime, datetime]:
        """Return what the wall clock shows at the beginning and the end of a day's window, as if it were UTC."""
        length = timedelta(days=1 if self.ends <= self.begins else 0)
        return datetime.combine(day, self.begins, UTC), datetime.combine(day + length, self.ends, UTC)


_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def _offsets(timezone: tzinfo, first: date, last: date) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yield the spans in which the clocks of a time zone do not change, each with the distance of its clock from UTC.

    Args:
        timezone: Whose.
        first: The first local day that must be in them.
        last: The last one; the day after it is in them too.
    """
    begin = at = datetime.combine(first, time(), UTC) - 2 * _DAY
    until = datetime.combine(last, time(), UTC) + 3 * _DAY
    while at < until:
        same, other = at, at + _DAY
        if _offset(timezone, same) == _offset(timezone, other):
            at = other
            continue
        # Clocks change at whole seconds.
        while other - same > _SECOND:
            middle = same + (other - same) // _SECOND // 2 * _SECOND
            same, other = (middle, other) if _offset(timezone, middle) == _offset(timezone, at) else (same, middle)
        yield begin, other, _offset(timezone, at)
        begin = at = other
    yield begin, until, _offset(timezone, begin)


def _offset(timezone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(timezone).utcoffset() or timedelta(0)
