"""When each tenant is polled, and in which lane: at its own steady offset, and none in another's way.

No clock, no threads, no I/O; `pollers` does what is decided here.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import heapify, heappop, heappush
from math import ceil
from zlib import crc32

from alerter.core.series import Tenant

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
#: After a start the first polls are so many a second: a few tenants are polled at once, ten thousand are no stampede.
FIRST_POLLS_PER_SECOND = 50
#: A poll that takes longer than this is slow; one that does not, and no lane is full, takes a fraction of a second.
SLOW = timedelta(seconds=3)
#: What a poll is planned to take of a poller's time: one that is prompt, one that is slow, and one without an answer,
#: which ends after half a minute. All tenants may be slow or silent at once: it is the same Mimecast.
PLANNED, PLANNED_SLOW, PLANNED_SILENT = timedelta(seconds=0.5), timedelta(seconds=10), timedelta(seconds=30)
MIN_POLLERS, MAX_POLLERS = 8, 64
#: A tenant that waits for its poll for so many of its intervals counts as one that could not be polled.
MISSED_INTERVALS = 2


#: A sum over tenants is judged so rarely, for each of them, that it takes a small part of the time: to add up what is
#: remembered of one takes a fifth of a millisecond at most, to read one a millisecond and a half.
ADDED_UP_EVERY, READ_EVERY = timedelta(milliseconds=4), timedelta(milliseconds=30)


class Lane(StrEnum):
    """Where a tenant waits for a poller: with those that are as it was last time, so that none delays another kind.

    One that is polled for the first time since it was assigned waits with others of which everything is new as well.
    """

    FIRST = "first"
    PROMPT = "prompt"
    SLOW = "slow"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """How many pollers each lane has."""

    first: int
    prompt: int
    slow: int
    silent: int

    @classmethod
    def of(cls, intervals: Collection[timedelta]) -> "Lanes":
        """Return as many pollers as so many polls need, if all of them are of a lane's kind; they begin when needed."""
        polls_per_second = sum(1 / interval.total_seconds() for interval in intervals)
        most = min(MAX_POLLERS, max(len(intervals), 1))

        def needed(planned: timedelta, *, fewest: int) -> int:
            return min(max(ceil(polls_per_second * planned.total_seconds()), fewest), most)

        return cls(
            first=min(ceil(PLANNED.total_seconds() * FIRST_POLLS_PER_SECOND), most),
            prompt=needed(PLANNED, fewest=MIN_POLLERS),
            slow=needed(PLANNED_SLOW, fewest=2),
            silent=needed(PLANNED_SILENT, fewest=2),
        )

    def size(self, lane: Lane) -> int:
        """Return how many pollers a lane has."""
        sizes = {Lane.FIRST: self.first, Lane.PROMPT: self.prompt, Lane.SLOW: self.slow, Lane.SILENT: self.silent}
        return sizes[lane]


def lane_after(took: timedelta, *, is_answered: bool) -> Lane:
    """Return where a tenant waits next time, after a poll that took so long."""
    if took < SLOW:
        return Lane.PROMPT
    return Lane.SLOW if is_answered else Lane.SILENT


def offset_of(tenant: Tenant, interval: timedelta) -> timedelta:
    """Return where within its interval a tenant is polled: a fraction that hangs on the name alone.

    The CRC, read as a fraction, spreads the similar names of ten thousand tenants more evenly than chance would.
    """
    return interval * (crc32(tenant.encode()) / 2**32)


def slot_after(tenant: Tenant, interval: timedelta, *, now: datetime) -> datetime:
    """Return the tenant's next regular poll after `now`: the same instants whenever and wherever they are asked for."""
    offset = offset_of(tenant, interval)
    begun = (now - EPOCH - offset) // interval
    return EPOCH + offset + (begun + 1) * interval


def first_round(tenants: int) -> timedelta:
    """Return how long the first polls of so many tenants take."""
    return timedelta(seconds=tenants / FIRST_POLLS_PER_SECOND)


def bearers(intervals: Mapping[Tenant, timedelta], *, apart: timedelta = ADDED_UP_EVERY) -> frozenset[Tenant]:
    """Return the tenants with whose polls the sum over all of these is judged.

    Of few tenants all; of many so few that to go through the sum takes a small part of the time. They are spread over
    the interval, and there is one at least for each interval, so that nobody hears of the sum later than of a tenant.

    Args:
        intervals: How often each tenant is polled.
        apart: How long it is from one look at the sum to the next, for each tenant in it.
    """
    part_length = apart * len(intervals)
    first_by_part: dict[tuple[timedelta, int], tuple[timedelta, Tenant]] = {}
    for tenant, interval in intervals.items():
        offset = offset_of(tenant, interval)
        part = interval, offset // part_length
        first_by_part[part] = min(first_by_part.get(part, (offset, tenant)), (offset, tenant))
    return frozenset(tenant for _, tenant in first_by_part.values())


class Timetable:
    """The tenants that are polled, each with the instant of its next poll: a heap, of which some entries are stale."""

    def __init__(self) -> None:
        self._intervals: dict[Tenant, timedelta] = {}
        self._next_at: dict[Tenant, datetime] = {}
        self._heap: list[tuple[datetime, Tenant]] = []
        self._first_to_come: set[Tenant] = set()
        self._first_now: set[Tenant] = set()

    @property
    def intervals(self) -> Mapping[Tenant, timedelta]:
        """How often each tenant is polled."""
        return self._intervals

    def next_at(self, tenant: Tenant) -> datetime | None:
        """Return when a tenant is polled next, or None for one that is not polled."""
        return self._next_at.get(tenant)

    def next_due_at(self) -> datetime | None:
        """Return when it must be looked at the latest who is due, or None where nobody is polled."""
        return self._heap[0][0] if self._heap else None

    def is_first(self, tenant: Tenant) -> bool:
        """Say whether the newest poll for which a tenant was due is its first one since it was assigned."""
        return tenant in self._first_now

    def assign(self, intervals: Mapping[Tenant, timedelta], *, soon: Collection[Tenant] = (), now: datetime) -> None:
        """Poll these tenants from now on, and no others.

        Args:
            intervals: How often each of them is polled. Whoever is polled already as often keeps its place.
            soon: Who is polled soon all the same.
            now: The instant.
        """
        early = [name for name, every in intervals.items() if self._intervals.get(name) != every or name in soon]
        kept = {name: at for name, at in self._next_at.items() if name in intervals}
        self._first_to_come = {name for name in self._first_to_come if name in intervals}.union(early)
        self._first_now.intersection_update(intervals)
        self._intervals = dict(intervals)
        self._next_at = kept | dict(self._first_polls(early, now=now))
        self._heap = [(at, name) for name, at in self._next_at.items()]
        heapify(self._heap)

    def restart(self, *, now: datetime) -> None:
        """Poll everyone soon, and then at the slots as they lie from `now` on: the clock may have jumped."""
        self.assign(self._intervals, soon=self._intervals.keys(), now=now)

    def due(self, *, now: datetime) -> list[Tenant]:
        """Return who is to be polled now, longest due first; each moves on to its next slot, however late it is."""
        found: list[Tenant] = []
        while self._heap and self._heap[0][0] <= now:
            at, tenant = heappop(self._heap)
            if self._next_at.get(tenant) == at:
                found.append(tenant)
                self._note_first(tenant)
                self._set(tenant, slot_after(tenant, self._intervals[tenant], now=now))
        return found

    def again(self, tenant: Tenant, *, at: datetime) -> None:
        """Poll a tenant once more at an instant, where that is before its next slot."""
        planned = self._next_at.get(tenant)
        if planned is not None and at < planned:
            self._set(tenant, at)

    def _note_first(self, tenant: Tenant) -> None:
        if tenant in self._first_to_come:
            self._first_to_come.discard(tenant)
            self._first_now.add(tenant)
        else:
            self._first_now.discard(tenant)

    def _set(self, tenant: Tenant, at: datetime) -> None:
        self._next_at[tenant] = at
        heappush(self._heap, (at, tenant))

    def _first_polls(self, tenants: list[Tenant], *, now: datetime) -> Iterable[tuple[Tenant, datetime]]:
        """Yield when each is polled first: one after the other, or at its slot where that comes before all are done.

        A first poll takes ten times what others take: everything about the tenant is new. So where an interval is
        shorter than the round, not everybody begins in the first one.
        """
        lasting = first_round(len(tenants))
        for number, tenant in enumerate(tenants):
            interval = self._intervals[tenant]
            turn = now + timedelta(seconds=number / FIRST_POLLS_PER_SECOND)
            slot = slot_after(tenant, interval, now=now) + number % max(lasting // interval, 1) * interval
            yield tenant, slot if slot <= now + lasting else turn
