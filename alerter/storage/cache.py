"""Cache of each tenant's last committed state. The database decides whether it is valid.

The idea, whole: the last committed state of a tenant is valid while the tenant's revision and its newest run of polls
or failures in the database are as cached. Three rules hold it:

1. A state in the cache is never changed. A transaction makes a new one, which takes its place once the transaction has
   been committed.
2. The first statement of a poll names what is cached: the tenant's revision, and its newest run. If these are others in
   the database, that statement changes nothing, the cached state is dropped, and everything is read.
3. Every transaction that changes a tenant in any other way raises its revision, in whatever process it runs.

So another process, another instance on the same database, an import or a clock that was set back cost one read.

A poll after which nothing is to be sent can be written later (`UnsavedPolls`): it is added to the cached state alone,
and written at the beginning of the next transaction of this process that writes anything. A kill loses it, which is a
gap in what is known; nothing that was decided can be lost, for a decision is a transaction that writes.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from threading import RLock
from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, select, update

from alerter.core.alerts import Alert, AlertState
from alerter.core.evaluation import SkipCache
from alerter.core.notifications import NotificationState
from alerter.core.poll_times import MAX_POLLS, PackedPolls, PackedRun, PollRun
from alerter.core.series import ALL_REASONS, Sample, Series, Snapshot, Span, Tenant, longest_step, to_epoch_us
from alerter.errors import SourceError
from alerter.storage.count_changes import CountChanges
from alerter.storage.encoding import alert_row
from alerter.storage.engine import Connecting, NeedsDatabase, Repository
from alerter.storage.poll_runs import CurrentFailures, LongerRun, PollRuns, spans_from_runs
from alerter.storage.snapshots import ADD_CHANGE, SET_SERIES
from alerter.storage.tables import alerts, series, tenants
from alerter.storage.windows import LookbackReach, PackedSeries


@dataclass(frozen=True, slots=True)
class UnsavedPolls:
    """Successful polls of a tenant that are in its cached state, and not in the database yet.

    Attributes:
        tail: The newest stored part of the run of polls, as it is in the database.
        snapshots: What the polls saw, oldest first; at least one.
        changes: The counts that they changed: the instant, the index of the series, the count before, and after.
        alerts: The alerts that are to be stored with them, of which no more has changed than their count.
    """

    tail: PackedRun
    snapshots: tuple[Snapshot, ...] = ()
    changes: tuple[tuple[datetime, int, int, int], ...] = ()
    alerts: tuple[Alert, ...] = ()


@dataclass(slots=True, kw_only=True)
class CachedTenant:
    """The last committed state of a tenant.

    Attributes:
        id: Its number.
        revision: As it was after the last cycle.
        first_polled_at: Its first successful poll ever.
        coverage: Its runs of coverage, as far back as the rules look, oldest first.
        polls: How many the newest stored part of a run has.
        tail: That part; None where another instance has polled, and it must be read before it is lengthened.
        parts: Those before it, as far back as the rules look, oldest first.
        failures: The run of failed polls that it is in; None after a successful poll.
        series: What is held, as far back as the rules look.
        alerts: Those that a decision about the tenant can depend on; None where they must be read.
        notified: What receivers believe to go on; None where it must be read.
        skip_cache: Which of its series need not be evaluated.
        unsaved: The newest polls, if they are not in the database yet.
    """

    id: int
    revision: int
    first_polled_at: datetime | None
    coverage: list[Span]
    tail: PackedRun | None
    parts: Sequence[PollRun]
    polls: int
    failures: CurrentFailures | None
    series: PackedSeries
    alerts: tuple[Alert, ...] | None = None
    notified: tuple[NotificationState, ...] | None = None
    skip_cache: SkipCache | None = None
    unsaved: UnsavedPolls | None = None

    def continued(self, snapshot: Snapshot, tail: PackedRun, changed: Mapping[int, int]) -> "CachedTenant":
        """Return the state after one more successful poll, which is not saved yet.

        Args:
            snapshot: What the poll saw.
            tail: The newest part of the run of polls before it.
            changed: The counts that changed, by the indexes of their series.
        """
        at = snapshot.taken_at
        longer = tail.longer(to_epoch_us(at))
        unsaved = self.unsaved or UnsavedPolls(tail)
        changes = tuple((at, index, self.series.held(index), count) for index, count in changed.items())
        return replace(
            self,
            coverage=[*self.coverage[:-1], Span(self.coverage[-1].start_at, at)],
            tail=longer,
            polls=longer.polls,
            series=self.series.continued((index, Sample(at, count)) for index, count in changed.items()),
            unsaved=replace(unsaved, snapshots=(*unsaved.snapshots, snapshot), changes=(*unsaved.changes, *changes)),
        )

    def has_alike(self, alert: Alert) -> bool:
        """Return True if the alert is as it was but for its count and its evidence."""
        before = next((each for each in self.alerts or () if each.key == alert.key), None)
        return before is not None and before == replace(
            alert, value=before.value, peak=before.peak, evidence=before.evidence
        )

    def update_alerts(self, alerts: Collection[Alert]) -> None:
        """Take over what was saved of alerts.

        Of a topic that is not cached, older alerts may be stored, which must be read.
        """
        if self.alerts is None:
            return
        if {alert.key.subject for alert in alerts} <= {alert.key.subject for alert in self.alerts}:
            self.alerts = _in_place(self.alerts, alerts, lambda alert: alert.key)
            self._drop_what_is_over()
        else:
            self.alerts = None

    def update_states(self, notified: Collection[NotificationState]) -> None:
        """Take over what was saved of notification states."""
        if self.notified is None:
            return
        self.notified = tuple(
            entry
            for entry in _in_place(self.notified, notified, lambda entry: (entry.subject, entry.receiver, entry.target))
            if entry.state is AlertState.FIRING
        )
        self._drop_what_is_over()

    def _drop_what_is_over(self) -> None:
        """Drop the alerts of topics of which none goes on, and no receiver believes that it does."""
        if self.alerts is None or self.notified is None:
            self.alerts = None
            return
        live = {alert.key.subject for alert in self.alerts if alert.state is not AlertState.INACTIVE}
        wanted = live | {entry.subject for entry in self.notified}
        self.alerts = tuple(alert for alert in self.alerts if alert.key.subject in wanted)
        if not wanted <= {alert.key.subject for alert in self.alerts}:
            self.alerts = None


_Entry = TypeVar("_Entry")


def _in_place(stored: Iterable[_Entry], saved: Iterable[_Entry], key: Callable[[_Entry], object]) -> tuple[_Entry, ...]:
    """Return what is stored after a save: each entry in place of the one that has its key."""
    return tuple(({key(entry): entry for entry in stored} | {key(entry): entry for entry in saved}).values())


class TenantCache:
    """The cached states of all tenants of a process. Threads may share it."""

    def __init__(self, *, is_on: bool = True) -> None:
        """Begin with nothing.

        Args:
            is_on: Whether anything is ever kept; without it, every poll reads what it needs.
        """
        self._by_tenant: dict[Tenant, CachedTenant] = {}
        self._unsaved: set[Tenant] = set()
        self._is_on = is_on
        #: Is held by a transaction that writes, and by a poll in memory: neither must miss what the other one adds.
        self.lock = RLock()

    def view(self, tenant: Tenant) -> CachedTenant | None:
        """Return a tenant's cached state, which must not be changed."""
        return self._by_tenant.get(tenant)

    def unsaved(self) -> dict[Tenant, CachedTenant]:
        """Return the states with polls that are not saved yet, by the order of their rows."""
        states = {tenant: self._by_tenant[tenant] for tenant in self._unsaved}
        return dict(sorted(states.items(), key=lambda item: item[1].id))

    def unsaved_count(self) -> int:
        """Return how many tenants have polls that are not saved yet."""
        return len(self._unsaved)

    def put(self, states: Mapping[Tenant, CachedTenant]) -> None:
        """Keep the states of a transaction, once it was committed."""
        if not self._is_on:
            return
        self._by_tenant.update(states)
        for tenant, state in states.items():
            (self._unsaved.discard if state.unsaved is None else self._unsaved.add)(tenant)

    def evict(self, tenants: Collection[Tenant]) -> None:
        """Drop the states of these tenants."""
        with self.lock:
            for tenant in tenants:
                self._by_tenant.pop(tenant, None)
                self._unsaved.discard(tenant)


class Cache(Repository):
    """What one transaction knows of tenants: what was valid in the cache, and what it has read or written since."""

    def __init__(
        self, connection: Connecting, runs: PollRuns, changes: CountChanges, shared: TenantCache | None = None
    ) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            runs: The polls of its tenants.
            changes: Their counts.
            shared: What was cached before; without one, everything is read.
        """
        super().__init__(connection)
        self._runs = runs
        self._changes = changes
        self.shared = shared or TenantCache()
        #: What was found to be valid within this transaction, or was read.
        self.known: dict[Tenant, CachedTenant] = {}
        #: Of tenants whose polls were saved at the beginning of this transaction, the state after that.
        self._saved: dict[Tenant, CachedTenant] = {}
        #: Tenants whose cached state has no value any more.
        self._outdated: set[Tenant] = set()
        self._changed_tenants: set[Tenant] = set()

    @property
    def is_in_memory(self) -> bool:
        """Whether this transaction has no connection: what it adds is saved by a later one."""
        return callable(self._connecting)

    def view(self, tenant: Tenant) -> CachedTenant | None:
        """Return what is known of a tenant, which must not be changed and need not be true any more."""
        if tenant in self._outdated:
            return self.known.get(tenant)
        return self._saved.get(tenant) or self.shared.view(tenant)

    def _take(self, tenant: Tenant) -> CachedTenant | None:
        """Return the cached state of a tenant, which a new one replaces; None if that was done already."""
        state = None if tenant in self._outdated else self.view(tenant)
        self._outdated.add(tenant)
        return state

    def skip(self, tenant: Tenant) -> SkipCache | None:
        """Return what was kept at the poll before of a tenant that was polled now; None where anything came between."""
        known = self.known.get(tenant)
        return None if known is None else known.skip_cache

    def set_skip(self, tenant: Tenant, cache: SkipCache) -> None:
        """Keep what need not be evaluated at the next poll, for as long as nothing else changes the tenant."""
        if tenant in self.known:
            self.known[tenant].skip_cache = cache

    def add_success(self, snapshot: Snapshot, reach: LookbackReach | None) -> Mapping[int, int] | None:
        """Add a successful poll and its counts, if the cached state is valid and the poll continues it; None if not.

        Returns:
            The counts that have changed, by the indexes of their series.
        """
        cached = self._take(snapshot.tenant)
        if cached is None or reach is None or cached.series.reach != reach:
            return None
        changed = cached.series.changed_by(snapshot.counts)
        if changed is None or cached.failures is not None or cached.tail is None or cached.tail.polls >= MAX_POLLS:
            return None
        newest, at = cached.coverage[-1], snapshot.taken_at
        # One that comes soon after the one before makes samples uneven, of which nothing that is cached knows.
        interval = reach.poll_interval
        if not newest.end_at + interval / 2 <= at <= newest.end_at + longest_step(interval):
            return None
        state = cached.continued(snapshot, cached.tail, changed)
        if not self.is_in_memory:
            if self._save([(state, state.unsaved)]):
                return None
            state.unsaved = None
        self.known[snapshot.tenant] = state
        return changed

    def save(self) -> list[tuple[Snapshot, LookbackReach]]:
        """Write the polls of all tenants that are not in the database yet.

        Returns:
            What must be added in another way, for what was cached is not valid: another process has written.
        """
        unsaved = {tenant: state for tenant, state in self.shared.unsaved().items() if state.unsaved is not None}
        invalid = self._save([(state, state.unsaved) for state in unsaved.values()])
        left: list[tuple[Snapshot, LookbackReach]] = []
        for tenant, state in unsaved.items():
            if state.id not in invalid:
                self._saved[tenant] = replace(state, unsaved=None)
            elif state.unsaved is not None:
                self._outdated.add(tenant)
                left += [(snapshot, state.series.reach) for snapshot in state.unsaved.snapshots]
        return left

    def _save(self, states: Sequence[tuple[CachedTenant, UnsavedPolls | None]]) -> Collection[int]:
        """Write the unsaved polls of some states; return the numbers of tenants of which nothing was, as not valid."""
        runs = [
            LongerRun(
                tenant_id=state.id,
                revision=state.revision,
                before=unsaved.tail,
                after=state.tail,
                latency=unsaved.snapshots[-1].latency,
            )
            for state, unsaved in states
            if unsaved is not None and state.tail is not None
        ]
        if not runs:
            return ()
        invalid = {run.tenant_id for run in self._runs.lengthen_coverage(runs)}
        changes: list[dict[str, Any]] = []
        newest: dict[int, dict[str, Any]] = {}
        live: list[dict[str, Any]] = []
        for state, unsaved in states:
            if unsaved is None or state.id in invalid:
                continue
            for at, index, was, held in unsaved.changes:
                number = state.series.ids[index]
                common = {"series_id": number, "value": held}
                changes.append(common | {"tenant_id": state.id, "at": at, "previous_value": was})
                newest[number] = common | {"changed_at": at, "first_held_at": state.series.first_held_at(index)}
            live += map(alert_row, unsaved.alerts)
        self._run(SET_SERIES, [*newest.values()])
        self._run(ADD_CHANGE, changes)
        self._put(alerts, live)
        return invalid

    def delay(self, alerts_by_tenant: Mapping[Tenant, Collection[Alert]]) -> bool:
        """Have alerts saved with the unsaved polls of their tenants; return False where they are to be saved now."""
        if not self.is_in_memory:
            return False
        for tenant, saved in alerts_by_tenant.items():
            state = self.known.get(tenant)
            if state is None or state.unsaved is None or not all(map(state.has_alike, saved)):
                raise NeedsDatabase
            kept = _in_place(state.unsaved.alerts, saved, lambda alert: alert.key)
            state.unsaved = replace(state.unsaved, alerts=kept)
        return True

    def add_failure(self, tenant: Tenant, error: SourceError, reach: LookbackReach | None, *, at: datetime) -> bool:
        """Store that a poll failed, if the cached state is valid and the failure continues its run; False if not."""
        cached = self._take(tenant)
        if cached is None or cached.series.reach != reach or cached.failures is None:
            return False
        failures = self._runs.lengthen_failures(cached.id, cached.revision, cached.failures, error, at=at)
        if failures is None:
            return False
        self.known[tenant] = replace(cached, failures=failures)
        return True

    def load(self, tenant: Tenant, reach: LookbackReach | None, *, now: datetime) -> None:
        """Read the state of a tenant that has changed; a process that has cached it must read it again.

        Nothing is kept while the clock is behind what is stored: the newest counts are not those of this moment, and a
        failed poll to come ends the run that this one is in.
        """
        self._raise_revision(tenant)
        row = None if reach is None else self._runs.tenant(tenant)
        if row is None or reach is None:
            return
        state = self.look_back(row, reach, now=now)
        is_behind = bool(state.coverage) and state.coverage[-1].end_at > now
        if not is_behind and not self._runs.fails_after(row.id, now):
            self.known[tenant] = state

    def look_back(
        self, tenant: Row[Any], reach: LookbackReach, places: Collection[int] | None = None, *, now: datetime
    ) -> CachedTenant:
        """Read what is stored of a tenant, as far back as the rules look."""
        start = reach.start(now=now)
        runs, known = self._runs.runs_from(tenant.id, start), self._all(_SERIES, {"tenant_id": tenant.id})
        wanted = None if places is None else {known[place].id for place in places}
        changes = self._changes.read(tenant.id, since=to_epoch_us(start) + 1, series=wanted)
        return CachedTenant(
            id=tenant.id,
            revision=tenant.revision,
            first_polled_at=tenant.first_polled_at,
            coverage=spans_from_runs(runs),
            tail=PackedRun.of(runs[-1]) if runs else None,
            parts=runs[:-1],
            polls=runs[-1].polls if runs else 0,
            failures=self._runs.current_failures(tenant),
            series=PackedSeries.of(known, changes, reach, places=places, now=now),
        )

    def mark_changed(self, tenant: Tenant) -> None:
        """Note that the transaction changes what is stored of a tenant other than by its polls."""
        self._changed_tenants.add(tenant)

    def finish(self) -> None:
        """Let everybody see which tenants were changed other than by polls; the last thing before the commit."""
        for tenant in self._changed_tenants:
            self._raise_revision(tenant)

    def commit(self) -> None:
        """Cache what the transaction knows, after it was committed."""
        # A poll in memory asks nobody whether what is cached is still true.
        self.shared.evict((self._outdated - self.known.keys()) | self._changed_tenants)
        states = self._saved | self.known
        self.shared.put({tenant: states[tenant] for tenant in states.keys() - self._changed_tenants})

    def _raise_revision(self, tenant: Tenant) -> None:
        """Let everybody see that what they have cached of the tenant may no longer be true."""
        self._run(_RAISE_REVISION, {"tenant": tenant})


def polling_series_at(tenant: Tenant, known: CachedTenant, timezone: tzinfo, *, now: datetime) -> Series:
    """Return a series without held messages that carries what is known of a tenant's polling as of now."""
    reach = known.series.reach
    start = reach.start(now=now)
    first = max(0, bisect_right(known.coverage, start, key=lambda span: span.start_at) - 1)
    return Series(
        tenant=tenant,
        reason=ALL_REASONS,
        changes=(Sample(start, 0),),
        coverage=known.coverage[first:],
        poll_interval=reach.poll_interval,
        poll_failure=None if known.failures is None else known.failures.failure,
        timezone=timezone,
        first_polled_at=known.first_polled_at,
        polls=None if known.tail is None else PackedPolls(known.parts, known.tail),
    )


_RAISE_REVISION = update(tenants).where(tenants.c.name == bindparam("tenant")).values(revision=tenants.c.revision + 1)
_SERIES = (
    select(series.c.id, series.c.reason, series.c.value, series.c.first_held_at)
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
)
