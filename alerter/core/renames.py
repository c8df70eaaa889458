"""Renamed policies: which hold reason goes on under another name, as far as that is certain.

Somebody who renames a policy makes one hold reason vanish and another one appear with about as many messages, within a
poll or two. It is certain if only one reason vanished by as much, only one appeared, and polls saw it happen. An old
name that drains over days while the new one fills is not recognized. No I/O: values in, values out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from alerter.core.series import MICROSECOND, HoldReason, Series, to_epoch_us

#: Mimecast's answer may lag by this many polls.
RENAME_POLLS = 2
#: Two counts are about the same if they differ by no more than one part in this number.
RENAME_PARTS = 5
#: A few messages come and go by chance: below this number nothing is certain.
MIN_RENAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A hold reason that goes on under another name.

    Attributes:
        old: What it was called.
        new: What it is called since then.
        at: The poll that first saw messages under the new name.
        moved: How many messages were held under the old name.
    """

    old: HoldReason
    new: HoldReason
    at: datetime
    moved: int


def settles_at(first_held_at: datetime, series: Series) -> datetime:
    """Return from when on it is known whether a reason that appeared at an instant is one that was renamed."""
    return first_held_at + RENAME_POLLS * series.poll_interval


def rename_of(series: Series, *, now: datetime) -> Rename | None:
    """Return which reason goes on under the name of a series, by what was known at an instant; None if none does.

    Args:
        series: The reason that appeared, with the tenant's others, as far back as the polls before it.
        now: The instant.
    """
    first = series.first_held_at
    if first is None or first > now:
        return None
    slack = RENAME_POLLS * series.poll_interval
    before = series.newest_sample(until=first - MICROSECOND)
    if before is None or first - before.at > slack:
        return None
    since_us, until_us = to_epoch_us(first - slack), to_epoch_us(min(now, settles_at(first, series)))
    moved = series.count_before(until_us + 1) or 0
    others = [each for each in series.others if each.reason != series.reason]
    if moved < MIN_RENAMED or any(_appeared(each, first, until_us, moved) for each in others):
        return None
    vanished = [each for each in others if _vanished(each, since_us, until_us, moved)]
    if len(vanished) != 1:
        return None
    (old,) = vanished
    return Rename(old=old.reason, new=series.reason, at=first, moved=old.count_before(since_us) or 0)


def _vanished(other: Series, since_us: int, until_us: int, moved: int) -> bool:
    """Return True if a reason that held about as many messages holds none any more."""
    before, after = other.count_before(since_us), other.count_before(until_us + 1)
    return before is not None and after == 0 and _is_about(before, moved)


def _appeared(other: Series, first: datetime, until_us: int, moved: int) -> bool:
    """Return True if another reason appeared at about the same time with about as many messages."""
    is_near = other.first_held_at is not None and abs(other.first_held_at - first) <= RENAME_POLLS * other.poll_interval
    return is_near and _is_about(other.count_before(until_us + 1) or 0, moved)


def _is_about(one: int, other: int) -> bool:
    return abs(one - other) * RENAME_PARTS <= max(one, other)


def renames_of(reasons: Iterable[Series], *, since: datetime, now: datetime) -> list[Rename]:
    """Return the renames of a tenant since an instant, oldest first.

    Args:
        reasons: All of its hold reasons.
        since: A reason that appeared earlier is not looked at.
        now: By what was known then.
    """
    every = list(reasons)
    appeared = (each for each in every if each.first_held_at is not None and each.first_held_at >= since)
    found = (rename_of(replace(each, others=every), now=now) for each in appeared)
    return sorted((each for each in found if each is not None), key=lambda each: each.at)
