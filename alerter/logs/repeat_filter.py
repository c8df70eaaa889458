"""A filter for repeated failures: one that continues for a week is not ten thousand warnings.

Each time it keeps its line; only the level says whether somebody should look at it again:

1. The first is as loud as it was logged.
2. The same again is information, with `repeats`, but for a reminder after a quarter of an hour, an hour, four hours,
   and so on up to a day.
3. Where trying again should have helped by then, the reminder is an error: a person must act.
4. When many have it, such as every tenant when the network is down, a few of them speak for all.
5. What has not happened for an hour is new again.

No clock and no I/O: what a record counts depends on those before it, and on the seconds that it is handed.
"""

import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

from alerter.logs.events import DETAIL, LogEvent

#: After how long the first reminder comes; each further one after four times as long as the one before.
FIRST_REMINDER: Final = timedelta(minutes=15)
MAX_REMINDER: Final = timedelta(days=1)
FACTOR: Final = 4
#: What has not happened for this long is new again.
FORGET_AFTER: Final = timedelta(hours=1)
#: The number of lines that say the same at full level in the time of a first reminder.
MAX_LOUD_PER_CAUSE: Final = 20
#: The failures that are remembered at a time.
MAX_CACHED_LOOKBACK: Final = 20_000

#: What is loud each time: the answers to a person, who may ask twice, and each message that is lost.
ALWAYS_LOUD: Final = frozenset(
    {
        "cannot run", "configuration rejected", "previous configuration stays active", "configuration warning",
        "delivery gave up",
    }
)  # fmt: skip
#: What is tried again by itself, which after a while is of no use any more.
RETRIED: Final = frozenset({"poll failed", "delivery failed"})

#: Who has a failure.
_WHOM: Final = ("tenant", "target", "receiver")
#: What may differ each time although the failure is the same.
_PASSING: Final = frozenset(
    {"ref", "title", "request_id", "sent_id", "attempts", "next_attempt_at", "messages", "failures"}
    | {"seconds", "wait_seconds"}
)
_NUMBER: Final = re.compile(r"\d+")
_MAX_KEY: Final = 300

_Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatDecision:
    """How much a record counts.

    Attributes:
        level: Its level, after all.
        repeats: How often the same was said before.
        is_last: Whether others who have the same to say will not be loud for a while.
    """

    level: int
    repeats: int = 0
    is_last: bool = False


@dataclass(slots=True)
class _RepeatStreak:
    """One failure that goes on; all times in seconds."""

    seen_at: float
    loud_at: float
    wait: float = FIRST_REMINDER.total_seconds()
    repeats: int = 0


@dataclass(slots=True)
class _CauseGroup:
    """The same failure of several: since when they are counted, and how many were loud since."""

    since: float
    loud: int = 0


class RepeatFilter:
    """Weighs records by those before them; used by one thread at a time."""

    def __init__(self) -> None:
        self._streaks: OrderedDict[_Key, _RepeatStreak] = OrderedDict()
        self._crowds: dict[_Key, _CauseGroup] = {}

    def decide(self, logger: str, level: int, event: LogEvent, *, now: float) -> RepeatDecision:
        """Return how much a record counts.

        Args:
            logger: Who says it.
            level: How loud it is meant.
            event: What it says.
            now: Seconds that never jump.
        """
        if level < logging.WARNING or event.text in ALWAYS_LOUD:
            return RepeatDecision(level=level)
        whom, what = _key(logger, event)
        streak = self._streak_of((*whom, *what), now=now)
        if streak.repeats:
            if now - streak.loud_at < streak.wait:
                return RepeatDecision(level=logging.INFO, repeats=streak.repeats)
            streak.loud_at, streak.wait = now, min(streak.wait * FACTOR, MAX_REMINDER.total_seconds())
            level = logging.ERROR if event.text in RETRIED else level
        place = self._place_in_crowd(what, now=now) if whom else 1
        if place > MAX_LOUD_PER_CAUSE:
            return RepeatDecision(level=logging.INFO, repeats=streak.repeats)
        return RepeatDecision(level=level, repeats=streak.repeats, is_last=place == MAX_LOUD_PER_CAUSE)

    def _streak_of(self, key: _Key, *, now: float) -> _RepeatStreak:
        """Return the streak that a failure belongs to, with it: a new one, or one that goes on."""
        streak = self._streaks.pop(key, None)
        if streak is None or now - streak.seen_at > FORGET_AFTER.total_seconds():
            streak = _RepeatStreak(seen_at=now, loud_at=now)
        else:
            streak.seen_at = now
            streak.repeats += 1
        self._streaks[key] = streak
        if len(self._streaks) > MAX_CACHED_LOOKBACK:
            self._streaks.popitem(last=False)
        return streak

    def _place_in_crowd(self, what: _Key, *, now: float) -> int:
        """Return the how manieth it is to say the same aloud, from 1 on."""
        crowd = self._crowds.get(what)
        if crowd is None or now - crowd.since >= FIRST_REMINDER.total_seconds():
            self._crowds = {key: each for key, each in self._crowds.items() if now - each.since < _LONG_AGO}
            crowd = self._crowds[what] = _CauseGroup(since=now)
        crowd.loud += 1
        return crowd.loud


_LONG_AGO: Final = FIRST_REMINDER.total_seconds()


def notified(event: LogEvent, weight: RepeatDecision) -> LogEvent:
    """Return the event as it is written: what is known of it already is said in short."""
    if not weight.repeats and not weight.is_last:
        return event
    fields = dict(event.fields)
    if weight.repeats:
        fields["repeats"] = weight.repeats
    if weight.is_last:
        fields["others"] = "omitted"
    if weight.repeats and weight.level < logging.WARNING and event.traceback:
        fields.setdefault(DETAIL, event.traceback.rpartition("\n")[2])
        return replace(event, fields=fields, traceback="")
    return replace(event, fields=fields)


def _key(logger: str, event: LogEvent) -> tuple[_Key, _Key]:
    """Return who has a failure, and which it is."""
    whom = tuple(event.fields[name] for name in _WHOM if name in event.fields)
    # Of a failure that has a cause, the words may be others each time.
    passing = {*_PASSING, *_WHOM, *({DETAIL} if "cause" in event.fields else ())}
    fields = tuple((name, _alike(value)) for name, value in event.fields.items() if name not in passing)
    return whom, (logger, _alike(event.text), fields, _alike(event.traceback[-_MAX_KEY:]))


def _alike(value: object) -> str:
    return _NUMBER.sub("#", str(value)[:_MAX_KEY])
