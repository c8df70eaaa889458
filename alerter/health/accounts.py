"""The progress of one tenant: its newest poll cycle, how many it had, what its newest successful poll saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from sys import intern

from alerter.core.conditions import duration_text
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause

#: A tenant whose newest complete cycle is older than this number of its intervals is overdue.
OVERDUE_INTERVALS = 3
#: No tenant is overdue earlier: a poll may take its time.
MIN_OVERDUE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStatus:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantHealth:
    """What is known of one tenant.

    Attributes:
        tenant: Its name.
        interval: How often it is polled.
        polls: How many complete cycles it had.
        failures: In how many of them the poll failed, by cause; only causes that there were.
        last_success_at: Its newest good poll, also of an earlier process; None where none is known.
        held_count: How many messages are held; None where that is not known, or not any more.
        held: The same by hold reason; None also where nobody wants to know.
    """

    tenant: Tenant
    interval: timedelta
    polls: int
    failures: Mapping[Cause, int]
    last_success_at: datetime | None
    held_count: int | None
    held: Mapping[HoldReason, int] | None


@dataclass(slots=True)
class TenantProgress:
    """What is known of one tenant.

    Attributes:
        interval: How often it is polled.
        expected_seconds: Since when it is, or since when nobody is to blame for what was before.
        completed_seconds: When its newest complete cycle ended; 0 before the first one.
        good_seconds: When its newest good poll of this process ended; 0 before the first one.
        last_success_at: The same on the wall clock, also of an earlier process.
        held_count: What that poll saw, all together.
        held: The same by hold reason, if anybody wants to know.
        polls: How many complete cycles it had.
        failures: In how many of them the poll failed, by cause.
        newest: Its newest cycle.
        patience: How long it may be without a complete cycle; worked out from the interval.
        patience_seconds: The same as a number: thousands of tenants are looked at each second.
    """

    interval: timedelta
    expected_seconds: float
    completed_seconds: float = 0.0
    good_seconds: float = 0.0
    last_success_at: datetime | None = None
    held_count: int | None = None
    held: Mapping[HoldReason, int] | None = None
    polls: int = 0
    failures: dict[Cause, int] = field(default_factory=dict)
    newest: CycleStatus | None = None
    patience: timedelta = field(init=False)
    patience_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._be_patient()

    def _be_patient(self) -> None:
        self.patience = max(MIN_OVERDUE, OVERDUE_INTERVALS * self.interval)
        self.patience_seconds = self.patience.total_seconds()

    def expect(self, interval: timedelta, now: float) -> None:
        """Expect it as often as that; where that is another interval than before, with all of the new one's time."""
        if interval != self.interval:
            self.interval, self.expected_seconds = interval, now
            self._be_patient()

    def is_overdue(self, now: float) -> bool:
        """Say whether it has been without a complete cycle for too long."""
        return now - max(self.completed_seconds, self.expected_seconds) > self.patience_seconds

    def problem(self, now: float) -> str:
        """Return what is wrong with its cycles; empty if nothing is."""
        error = self.newest.error if self.newest else ""
        if self.is_overdue(now):
            waited = timedelta(seconds=now - max(self.completed_seconds, self.expected_seconds))
            return f"no complete cycle for {duration_text(waited)}" + (f": {error}" if error else "")
        return f"the last cycle was not completed: {error}" if error else ""

    def record_cycle(self, record: CycleStatus) -> None:
        """Count a complete cycle."""
        self.completed_seconds = record.ended_seconds
        self.polls += 1
        if record.cause is not None:
            self.failures[record.cause] = self.failures.get(record.cause, 0) + 1

    def record_snapshot(self, snapshot: Snapshot, *, with_reasons: bool, now: float) -> None:
        """Keep what a good poll saw."""
        self.good_seconds, self.last_success_at = now, snapshot.taken_at
        self.held_count = sum(snapshot.counts.values())
        # Thousands of tenants have the same names, of which one copy is enough.
        held = (
            {HoldReason(intern(reason)): count for reason, count in snapshot.counts.items()} if with_reasons else None
        )
        self.held = held

    def record(self, tenant: Tenant, now: float) -> TenantHealth:
        """Return what is known. What was held is forgotten when it is as old as what makes the tenant overdue."""
        is_known = now - self.good_seconds <= self.patience_seconds
        return TenantHealth(
            tenant=tenant,
            interval=self.interval,
            polls=self.polls,
            failures=dict(self.failures),
            last_success_at=self.last_success_at,
            held_count=self.held_count if is_known else None,
            held=self.held if is_known else None,
        )
