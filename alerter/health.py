"""How the service itself is: what its cycles and deliveries came to since it started.

The watchdog, the heartbeat and the metrics ask it. It counts in memory, so that a counter begins anew with the process,
as Prometheus expects; whatever must outlive a restart is in the database. No I/O; threads share it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from threading import Lock

from alerter.core.conditions import duration_text
from alerter.core.outbox import Delivery
from alerter.core.series import Tenant
from alerter.errors import Cause

#: A tenant whose newest complete cycle is older than so many of its intervals is overdue.
OVERDUE_INTERVALS = 3
#: No tenant is overdue earlier: a poll may take its time.
SHORTEST_OVERDUE = timedelta(minutes=2)
#: Whoever reads more complaints than this learns nothing new.
MOST_COMPLAINTS = 10


class DeliveryOutcome(StrEnum):
    """What came of one attempt to deliver a message."""

    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"


class PingOutcome(StrEnum):
    """What came of one ping of the heartbeat."""

    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """The newest cycle of a tenant.

    Attributes:
        ended_seconds: When it ended, on the monotonic clock.
        seconds: How long it took, from asking Mimecast to the commit.
        cause: Why its poll failed; None after a good one, and after a cycle that could not be completed.
        error: Why it could not be completed; empty if it was.
    """

    ended_seconds: float
    seconds: float
    cause: Cause | None = None
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all of it was kept; a poll that failed for a known cause is a complete cycle."""
        return not self.error


@dataclass(slots=True)
class _Account:
    """What is known of one tenant.

    Attributes:
        interval: How often it is polled.
        expected_seconds: Since when it is, or since when nobody is to blame for what was before.
        completed_seconds: When its newest complete cycle ended; 0 before the first one.
        newest: Its newest cycle.
    """

    interval: timedelta
    expected_seconds: float
    completed_seconds: float = 0.0
    newest: CycleRecord | None = None

    @property
    def patience(self) -> timedelta:
        """How long it may be without a complete cycle."""
        return max(SHORTEST_OVERDUE, OVERDUE_INTERVALS * self.interval)

    def expect(self, interval: timedelta, now: float) -> None:
        """Expect it as often as that; where that is another interval than before, with all of the new one's time."""
        if interval != self.interval:
            self.interval, self.expected_seconds = interval, now

    def is_overdue(self, now: float) -> bool:
        return self._waited(now) > self.patience

    def complaint(self, now: float) -> str:
        """Return what is wrong with its cycles; empty if nothing is."""
        error = self.newest.error if self.newest else ""
        if self.is_overdue(now):
            return f"no complete cycle for {duration_text(self._waited(now))}" + (f": {error}" if error else "")
        return f"the last cycle was not completed: {error}" if error else ""

    def _waited(self, now: float) -> timedelta:
        return timedelta(seconds=now - max(self.completed_seconds, self.expected_seconds))


class Health:
    """What the cycles and deliveries of this process came to.

    Args:
        monotonic: Seconds that go on while the machine sleeps, and never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._accounts: dict[Tenant, _Account] = {}
        self._completed = 0
        self._deliveries: Counter[DeliveryOutcome] = Counter()
        self._pings: Counter[PingOutcome] = Counter()

    def expect(self, intervals: Mapping[Tenant, timedelta]) -> None:
        """Say which tenants are polled, and how often; what is known of others is forgotten.

        A tenant whose interval is another one than before has all of the new one's time.
        """
        now = self._monotonic()
        with self._lock:
            known = self._accounts
            self._accounts = {tenant: known.get(tenant) or _Account(span, now) for tenant, span in intervals.items()}
            for tenant, span in intervals.items():
                self._accounts[tenant].expect(span, now)

    def expect_anew(self) -> None:
        """Give every tenant its time again: the machine slept, and nobody can have been polled."""
        now = self._monotonic()
        with self._lock:
            for account in self._accounts.values():
                account.expected_seconds = now

    def tenant_count(self) -> int:
        """Return how many tenants are polled."""
        with self._lock:
            return len(self._accounts)

    def shortest_patience(self) -> timedelta:
        """Return after how long without a complete cycle the first tenant is overdue: the one that is polled most."""
        with self._lock:
            return min((account.patience for account in self._accounts.values()), default=SHORTEST_OVERDUE)

    def cycle_completed(self, tenant: Tenant, *, seconds: float, cause: Cause | None) -> None:
        """Note a cycle of which everything was kept; `cause` says why its poll failed, if it did."""
        self._note(tenant, CycleRecord(ended_seconds=self._monotonic(), seconds=seconds, cause=cause))

    def cycle_failed(self, tenant: Tenant, *, seconds: float, error: str) -> None:
        """Note a cycle of which nothing was kept, as when the database is locked."""
        self._note(tenant, CycleRecord(ended_seconds=self._monotonic(), seconds=seconds, error=error))

    def delivery_tried(self, delivery: Delivery) -> None:
        """Note an attempt to deliver a message."""
        with self._lock:
            self._deliveries[_outcome_of(delivery)] += 1

    def completed_cycles(self) -> int:
        """Return how many cycles were completed, of all tenants together: more of them is progress."""
        with self._lock:
            return self._completed

    def ping_tried(self, outcome: PingOutcome) -> None:
        """Note a ping of the heartbeat."""
        with self._lock:
            self._pings[outcome] += 1

    def newest_cycles(self) -> Mapping[Tenant, CycleRecord]:
        """Return the newest cycle of each tenant that had one."""
        with self._lock:
            return {tenant: account.newest for tenant, account in self._accounts.items() if account.newest}

    def deliveries(self) -> Mapping[DeliveryOutcome, int]:
        """Return how many attempts came to what."""
        with self._lock:
            return {outcome: self._deliveries[outcome] for outcome in DeliveryOutcome}

    def pings(self) -> Mapping[PingOutcome, int]:
        """Return how many pings of the heartbeat came to what."""
        with self._lock:
            return {outcome: self._pings[outcome] for outcome in PingOutcome}

    def has_tried_all(self) -> bool:
        """Say whether a cycle of every tenant was attempted, be it in vain."""
        with self._lock:
            return all(account.newest for account in self._accounts.values())

    def overdue(self) -> tuple[Tenant, ...]:
        """Return the tenants of which no cycle has been completed for too long, in their order."""
        now = self._monotonic()
        with self._lock:
            return tuple(tenant for tenant, account in self._accounts.items() if account.is_overdue(now))

    def complaints(self) -> tuple[str, ...]:
        """Return what is wrong with the service's own work, one line per tenant; empty where nothing is.

        A tenant is complained of while it is overdue, and while its newest cycle is one that was not completed. That
        Mimecast refuses a poll is none: that cycle was complete, and what is told of it is told.
        """
        now = self._monotonic()
        with self._lock:
            found = self._complaints(now)
            first = tuple(islice(found, MOST_COMPLAINTS))
            more = sum(1 for _ in found)
        return (*first, f"and {more} more") if more else first

    def _complaints(self, now: float) -> Iterator[str]:
        for tenant, account in self._accounts.items():
            complaint = account.complaint(now)
            if complaint:
                yield f"{tenant}: {complaint}"

    def _note(self, tenant: Tenant, record: CycleRecord) -> None:
        with self._lock:
            account = self._accounts.get(tenant)
            if account is None:
                return
            account.newest = record
            if record.is_complete:
                account.completed_seconds = record.ended_seconds
                self._completed += 1


def _outcome_of(delivery: Delivery) -> DeliveryOutcome:
    if delivery.sent_at is not None:
        return DeliveryOutcome.SENT
    return DeliveryOutcome.DEAD if delivery.dead_at is not None else DeliveryOutcome.FAILED
