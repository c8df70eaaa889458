"""Old history as extremes: of each hour its lowest and its highest count, and its last one.

Thinning leaves changes out and moves none: wherever a kept one lies, the count really became that. Between them, within
an hour, it may have been anything between the two extremes. What was not polled stays unknown.

No I/O: values in, values out.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby


@dataclass(frozen=True, slots=True)
class CountChange:
    """A count that became another one: when, from which, and which."""

    at: datetime
    was: int
    held: int


def utc_hour(at: datetime) -> datetime:
    """Return the beginning of the hour in which an instant lies; hours are those of UTC, which has no odd ones."""
    return at.replace(minute=0, second=0, microsecond=0)


def utc_day(at: datetime) -> datetime:
    """Return the beginning of the day in which an instant lies; days are those of UTC, too."""
    return utc_hour(at).replace(hour=0)


def downsampled(changes: Sequence[CountChange], begins: Sequence[datetime]) -> list[CountChange]:
    """Return what is kept of the changes of one series; of what was thinned before, all.

    Of each hour these are the first change to its lowest count and the first to its highest, unless it began with that,
    and the last one. Where polling began again within the hour, its parts count each on their own, and what their first
    poll found is kept: so every stretch of polling within an hour has the same extremes as before, and begins and ends
    with the same counts.

    Args:
        changes: All of some whole hours, oldest first.
        begins: When polling began again in these hours, oldest first.
    """

    def part_of(change: CountChange) -> tuple[datetime, int]:
        return utc_hour(change.at), bisect_right(begins, change.at)

    firsts = frozenset(begins)
    return [kept for _, part in groupby(changes, part_of) for kept in _thinned_part(list(part), firsts)]


def _thinned_part(part: Sequence[CountChange], begins: Collection[datetime]) -> Iterator[CountChange]:
    """Yield what is kept of one stretch of polling within an hour, each change from the count before it."""
    held = part[0].was
    for change in _extremes(part, begins):
        if change.held != held:
            yield CountChange(change.at, held, change.held)
            held = change.held


def _extremes(part: Sequence[CountChange], begins: Collection[datetime]) -> list[CountChange]:
    # A change on the stroke of the hour is what the hour begins with, as what polling begins with is.
    opening = [change for change in part[:1] if change.at in begins or change.at == utc_hour(change.at)]
    rest = part[len(opening) :]
    if not rest:
        return opening
    begun = rest[0].was
    # Of several with the same count the first one is returned.
    lowest, highest = min(rest, key=_held), max(rest, key=_held)
    extremes = [*([lowest] if lowest.held < begun else []), *([highest] if highest.held > begun else [])]
    return [*opening, *sorted({*extremes, rest[-1]}, key=_at)]


def _held(change: CountChange) -> int:
    return change.held


def _at(change: CountChange) -> datetime:
    return change.at
