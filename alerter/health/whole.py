"""The whole account, which threads share: what cycles, deliveries and pings came to since the process started."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from threading import Lock

from alerter.core.outbox import Delivery, TargetName
from alerter.core.series import Snapshot, Tenant
from alerter.errors import Cause
from alerter.health.accounts import MIN_OVERDUE, CycleStatus, TenantHealth, TenantProgress
from alerter.health.durations import CycleDurations, Durations
from alerter.health.outcomes import ChartOutcome, ConfigRecord, DeliveryOutcome, PingOutcome, delivery_outcome
from alerter.humanize import first_and_more_text

#: Of thousands of tenants this number of first cycles shows that keys, network and database are well.
ENOUGH_TENANTS = 50
#: More problems than this say nothing new.
MAX_COMPLAINTS = 10


class Health:
    """What the cycles and deliveries of this process came to.

    Args:
        monotonic: Seconds that go on while the machine sleeps, and never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._accounts: dict[Tenant, TenantProgress] = {}
        self._completed = 0
        self._failed = 0
        self._trouble = ""
        self._stood_by = 0
        self._durations = Durations()
        self._with_reasons = False
        self._targets: tuple[TargetName, ...] = ()
        self._deliveries: Counter[tuple[TargetName, DeliveryOutcome]] = Counter()
        self._pings: Counter[PingOutcome] = Counter()
        self._charts: Counter[ChartOutcome] = Counter()
        self._config: ConfigRecord | None = None

    def set_tenants(self, intervals: Mapping[Tenant, timedelta], *, begun_within: timedelta = timedelta(0)) -> None:
        """Say which tenants are polled, and how often; what is known of others is forgotten.

        A tenant whose interval is another one than before has all of the new one's time.

        Args:
            intervals: How often each tenant is polled.
            begun_within: When the last of those that are new is polled first.
        """
        begun = self._monotonic() + begun_within.total_seconds()
        with self._lock:
            known = self._accounts
            self._accounts = {
                tenant: known.get(tenant) or TenantProgress(span, begun) for tenant, span in intervals.items()
            }
            for tenant, span in intervals.items():
                self._accounts[tenant].expect(span, begun)

    def track_reasons(self, *, is_wanted: bool) -> None:
        """Say whether anybody wants to know what is held for each reason: that is most of what there is to keep."""
        with self._lock:
            self._with_reasons = is_wanted
            for account in () if is_wanted else self._accounts.values():
                account.held = None

    def set_last_polls(self, last_good_polls: Mapping[Tenant, datetime]) -> None:
        """Say when earlier processes had their newest good polls."""
        with self._lock:
            for tenant, at in last_good_polls.items():
                account = self._accounts.get(tenant)
                if account is not None and account.last_success_at is None:
                    account.last_success_at = at

    def config_loaded(self, targets: Collection[TargetName], *, now: datetime) -> None:
        """Note that a configuration is in force from now on, in which there are these targets."""
        with self._lock:
            self._config = ConfigRecord(is_in_force=True, loaded_at=now)
            self._targets = tuple(targets)
            for target, outcome in list(self._deliveries):
                if target not in targets:
                    del self._deliveries[target, outcome]

    def config_rejected(self) -> None:
        """Note that the configuration as it is now was refused, so that the one before stays in force."""
        with self._lock:
            if self._config is not None:
                self._config = ConfigRecord(is_in_force=False, loaded_at=self._config.loaded_at)

    def restart_expectations(self, *, begun_within: timedelta = timedelta(0)) -> None:
        """Give every tenant its time again, as in `expect`: the machine slept, and nobody can have been polled."""
        begun = self._monotonic() + begun_within.total_seconds()
        with self._lock:
            for account in self._accounts.values():
                account.expected_seconds = begun

    def set_fatal(self, trouble: str) -> None:
        """Say why nothing at all is polled or sent; empty where that is not so."""
        with self._lock:
            self._trouble = trouble

    def mark_standby(self) -> None:
        """Note that others poll every tenant, and that this process is ready to: that is progress, too."""
        with self._lock:
            self._stood_by += 1

    def tenant_count(self) -> int:
        """Return how many tenants are polled."""
        with self._lock:
            return len(self._accounts)

    def min_deadline(self) -> timedelta:
        """Return after how long without a complete cycle the first tenant is overdue: the one that is polled most."""
        with self._lock:
            return min((account.patience for account in self._accounts.values()), default=MIN_OVERDUE)

    def cycle_completed(
        self, tenant: Tenant, *, seconds: float, cause: Cause | None, snapshot: Snapshot | None = None
    ) -> None:
        """Note a cycle of which everything was kept; `cause` says why its poll failed, if it did, or what it saw."""
        record = CycleStatus(ended_seconds=self._monotonic(), seconds=seconds, cause=cause)
        self._note(tenant, record)
        with self._lock:
            account = self._accounts.get(tenant)
            if account is not None and snapshot is not None:
                account.record_snapshot(snapshot, with_reasons=self._with_reasons, now=record.ended_seconds)

    def cycle_failed(self, tenant: Tenant, *, seconds: float, error: str) -> None:
        """Note a cycle of which nothing was kept, as when the database is locked."""
        self._note(tenant, CycleStatus(ended_seconds=self._monotonic(), seconds=seconds, error=error))

    def record_delivery(self, delivery: Delivery) -> None:
        """Note an attempt to deliver a message."""
        with self._lock:
            self._deliveries[delivery.target, delivery_outcome(delivery)] += 1

    def progress(self) -> int:
        """Return a number that rises with each cycle that was completed, and while there is none to do."""
        with self._lock:
            return self._completed + self._stood_by

    def record_ping(self, outcome: PingOutcome) -> None:
        """Note a ping of the heartbeat."""
        with self._lock:
            self._pings[outcome] += 1

    def chart_tried(self, outcome: ChartOutcome) -> None:
        """Note what came of the picture of a message."""
        with self._lock:
            self._charts[outcome] += 1

    def charts(self) -> Mapping[ChartOutcome, int]:
        """Return how many pictures of messages came to what."""
        with self._lock:
            return {outcome: self._charts[outcome] for outcome in ChartOutcome}

    def newest_cycles(self) -> Mapping[Tenant, CycleStatus]:
        """Return the newest cycle of each tenant that had one."""
        with self._lock:
            return {tenant: account.newest for tenant, account in self._accounts.items() if account.newest}

    def deliveries(self) -> Mapping[tuple[TargetName, DeliveryOutcome], int]:
        """Return how many attempts at each target came to what; also of targets without any."""
        with self._lock:
            none = {(target, outcome): 0 for target in self._targets for outcome in DeliveryOutcome}
            return none | self._deliveries

    def pings(self) -> Mapping[PingOutcome, int]:
        """Return how many pings of the heartbeat came to what."""
        with self._lock:
            return {outcome: self._pings[outcome] for outcome in PingOutcome}

    def failed_cycles(self) -> int:
        """Return how many cycles could not be completed, of all tenants together."""
        with self._lock:
            return self._failed

    def durations(self) -> CycleDurations:
        """Return how long cycles took, be they complete or not."""
        with self._lock:
            return self._durations.counted()

    def configuration(self) -> ConfigRecord | None:
        """Return how the newest reading of the configuration went; None before there was one."""
        with self._lock:
            return self._config

    def tenants(self) -> list[TenantHealth]:
        """Return what is known of each tenant, in their order."""
        now = self._monotonic()
        with self._lock:
            return [account.record(tenant, now) for tenant, account in self._accounts.items()]

    def all_polled_once(self) -> bool:
        """Say whether a cycle of every tenant was attempted, even if in vain; of thousands, of enough of them."""
        with self._lock:
            tried = sum(1 for account in self._accounts.values() if account.newest)
            return tried >= min(len(self._accounts), ENOUGH_TENANTS)

    def overdue(self) -> tuple[Tenant, ...]:
        """Return the tenants of which no cycle has been completed for too long, in their order."""
        now = self._monotonic()
        with self._lock:
            return tuple(tenant for tenant, account in self._accounts.items() if account.is_overdue(now))

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the service's own work, one line for all tenants of which the same is; or nothing.

        A tenant is complained of while it is overdue, and while its newest cycle is one that was not completed. That
        Mimecast refuses a poll is none: that cycle was complete, and somebody was notified.
        """
        now = self._monotonic()
        with self._lock:
            found = self._complaints(now)
        more = len(found) - MAX_COMPLAINTS
        return (*found[:MAX_COMPLAINTS], f"and {more} more") if more > 0 else tuple(found)

    def _complaints(self, now: float) -> list[str]:
        tenants_by_complaint: dict[str, list[Tenant]] = {}
        for tenant, account in self._accounts.items():
            complaint = account.problem(now)
            if complaint:
                tenants_by_complaint.setdefault(complaint, []).append(tenant)
        notified = [
            f"{first_and_more_text(tenants)}: {complaint}" for complaint, tenants in tenants_by_complaint.items()
        ]
        return [self._trouble, *notified] if self._trouble else notified

    def _note(self, tenant: Tenant, record: CycleStatus) -> None:
        with self._lock:
            account = self._accounts.get(tenant)
            if account is None:
                return
            account.newest = record
            self._durations.add(record.seconds)
            if record.is_complete:
                account.record_cycle(record)
                self._completed += 1
            else:
                self._failed += 1
