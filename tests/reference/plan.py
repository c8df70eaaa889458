"""Who is told what (section 6): what each receiver was last told is compared with what is true now."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.reference.alerts import LEVELS
from tests.reference.mutes import Subject, routes_to
from tests.reference.words import Table, span

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationState:
    """What a target of a receiver was last told of a subject (6)."""

    level: str
    at: datetime
    repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a message: what is told, and why (6)."""

    subject: Subject
    level: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true now of a subject.

    `levels` are those that fire. `is_muted` says of a level whether something keeps it quiet from everybody.
    `broken_at` is when its acknowledgement broke.
    """

    levels: tuple[str, ...] = ()
    muted_levels: tuple[str, ...] = ()
    broken_at: datetime | None = None
    is_no_data: bool = False


@dataclass(slots=True, kw_only=True)
class Memory:
    """What is remembered of one receiver: what each of its targets was told of what, its group, and its messages.

    `known` are the targets that were ever told anything. `sent_at` are the instants at which there were messages.
    """

    notified: dict[tuple[str, Subject], NotificationState] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    group_until: datetime | None = None
    sent_at: set[datetime] = field(default_factory=set)


def highest(levels: list[str]) -> str | None:
    """Return the highest of some levels: a receiver hears of the highest only (6)."""
    return max(levels, key=LEVELS.index, default=None)


def concerning(
    receiver: str, subject: Subject, truth: Truth, notified: NotificationState | None, config: Table
) -> str | None:
    """Return the highest firing level that concerns a target: one that is routed to it, or that it was told of (6)."""
    levels = [level for level in truth.levels if routes_to(receiver, subject, level, config)]
    return highest([*levels, *(level for level in truth.levels if notified and notified.level == level)])


def decide(
    notified: NotificationState | None,
    level: str | None,
    truth: Truth,
    repeat_interval: timedelta,
    now: datetime,
    *,
    is_routed: bool,
) -> str | None:
    """Return why a target is to be told, or None (6).

    `level` is the highest that fires and concerns it. What it was told of ends when that is over (6 [2]); until then it
    is reminded of it only while it is routed there.

    Silent: the reason for the news that an acknowledgement broke by the count alone. It is called broken.
    """
    if notified is None:
        return "first" if level else None
    if level is None:
        return "resolved"
    if level != notified.level:
        return "raised" if LEVELS.index(level) > LEVELS.index(notified.level) else "lowered"
    if not is_routed:
        return None
    wait = min(repeat_interval * 2**notified.repeats, max(DAY, repeat_interval))
    if truth.broken_at is not None and notified.at < truth.broken_at:
        return "broken"
    return "repeat" if now >= notified.at + wait else None


def passes_always(entry: Entry, truth: Truth) -> bool:
    """Return True if `max_per_hour` does not hold for it: what is new and critical, and no_data (7 [2])."""
    return truth.is_no_data or (entry.level == "critical" and entry.reason in {"first", "raised"})


def wait_of(receiver: Table) -> timedelta:
    """Return the `group_wait` of a receiver."""
    return span(receiver.get("group_wait", "0s"))
