"""How the service itself is: what its cycles and deliveries came to since it started.

The watchdog, the heartbeat and the metrics ask it. It counts in memory, so that a counter begins anew with the process,
as Prometheus expects; whatever must outlive a restart is in the database. No I/O; threads share it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from threading import Lock

from alerter.core.outbox import Delivery
from alerter.core.series import Tenant
from alerter.errors import Cause

#: A tenant whose newest complete cycle is older than so many of its intervals is overdue.
OVERDUE_INTERVALS = 3
#: No tenant is overdue earlier: a poll may take its time.
SHORTEST_OVERDUE = timedelta(minutes=2)


class DeliveryOutcome(StrEnum):
    """What came of one attempt to deliver a message."""

    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"


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


class Health:
    """What the cycles and deliveries of this process came to.

    Args:
        monotonic: Seconds that go on while the machine sleeps, and never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._intervals: dict[Tenant, timedelta] = {}
        self._expected_since: dict[Tenant, float] = {}
        self._newest: dict[Tenant, CycleRecord] = {}
        self._completed_seconds: dict[Tenant, float] = {}
        self._completed = 0
        self._deliveries: Counter[DeliveryOutcome] = Counter()

    def expect(self, intervals: Mapping[Tenant, timedelta]) -> None:
        """Say which tenants are polled, and how often; what is known of others is forgotten.

        A tenant whose interval is another one than before has all of the new one's time.
        """
        now = self._monotonic()
        with self._lock:
            same = {tenant for tenant, interval in intervals.items() if self._intervals.get(tenant) == interval}
            self._expected_since = {
                tenant: self._expected_since[tenant] if tenant in same else now for tenant in intervals
            }
            self._intervals = dict(intervals)
            for known in (self._newest, self._completed_seconds):
                for tenant in known.keys() - intervals.keys():
                    del known[tenant]

    def expect_anew(self) -> None:
        """Give every tenant its time again: the machine slept, and nobody can have been polled."""
        now = self._monotonic()
        with self._lock:
            self._expected_since = dict.fromkeys(self._intervals, now)

    def tenant_count(self) -> int:
        """Return how many tenants are polled."""
        with self._lock:
            return len(self._intervals)

    def shortest_patience(self) -> timedelta:
        """Return after how long without a complete cycle the first tenant is overdue: the one that is polled most."""
        with self._lock:
            return min(map(_patience, self._intervals.values()), default=SHORTEST_OVERDUE)

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

    def newest_cycles(self) -> Mapping[Tenant, CycleRecord]:
        """Return the newest cycle of each tenant that had one."""
        with self._lock:
            return dict(self._newest)

    def deliveries(self) -> Mapping[DeliveryOutcome, int]:
        """Return how many attempts came to what."""
        with self._lock:
            return {outcome: self._deliveries[outcome] for outcome in DeliveryOutcome}

    def has_tried_all(self) -> bool:
        """Say whether a cycle of every tenant was attempted, be it in vain."""
        with self._lock:
            return self._intervals.keys() <= self._newest.keys()

    def overdue(self) -> tuple[Tenant, ...]:
        """Return the tenants of which no cycle has been completed for too long, in their order."""
        now = self._monotonic()
        with self._lock:
            return tuple(
                tenant
                for tenant, interval in self._intervals.items()
                if now - self._counts_from(tenant) > _patience(interval).total_seconds()
            )

    def _counts_from(self, tenant: Tenant) -> float:
        return max(self._completed_seconds.get(tenant, 0.0), self._expected_since[tenant])

    def _note(self, tenant: Tenant, record: CycleRecord) -> None:
        with self._lock:
            if tenant not in self._intervals:
                return
            self._newest[tenant] = record
            if record.is_complete:
                self._completed_seconds[tenant] = record.ended_seconds
                self._completed += 1


def _outcome_of(delivery: Delivery) -> DeliveryOutcome:
    if delivery.sent_at is not None:
        return DeliveryOutcome.SENT
    return DeliveryOutcome.DEAD if delivery.dead_at is not None else DeliveryOutcome.FAILED


def _patience(interval: timedelta) -> timedelta:
    return max(SHORTEST_OVERDUE, OVERDUE_INTERVALS * interval)
