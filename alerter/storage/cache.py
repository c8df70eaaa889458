"""Cache of each tenant's last committed state. The database decides whether it is valid.

The idea, whole: the last committed state of a tenant is valid while the tenant's revision and its newest run of polls
or failures in the database are as cached. Three rules hold it:

1. A cached state belongs to one transaction at a time. It is taken out of the cache, and put back when the transaction
   has been committed; one that fails drops it.
2. The first statement of a poll names what is cached: the tenant's revision, and its newest run. If these are others in
   the database, that statement changes nothing, the cached state is dropped, and everything is read.
3. Every transaction that changes a tenant in any other way raises its revision, in whatever process it runs.

So another process, another instance on the same database, an import or a clock that was set back cost one read.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, select, update

from alerter.core.alerts import Alert, AlertState
from alerter.core.evaluation import SkipCache
from alerter.core.notifications import NotificationState
from alerter.core.poll_times import MAX_POLLS, PackedPolls, PackedRun, PollRun
from alerter.core.series import ALL_REASONS, Sample, Series, Snapshot, Span, Tenant, longest_step, to_epoch_us
from alerter.errors import SourceError
from alerter.storage.count_changes import CountChanges
from alerter.storage.engine import Repository
from alerter.storage.poll_runs import CurrentFailures, PollRuns, spans_of
from alerter.storage.tables import series, tenants
from alerter.storage.windows import LookbackReach, PackedSeries


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

    def update_alerts(self, alerts: Collection[Alert]) -> None:
        """Take over what was saved of alerts.

        Of a topic that is not cached, older alerts may be stored, which must be read.
        """
        if self.alerts is None:
            return
        if {alert.key.topic for alert in alerts} <= {alert.key.topic for alert in self.alerts}:
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
            for entry in _in_place(self.notified, notified, lambda entry: (entry.topic, entry.receiver, entry.target))
            if entry.state is AlertState.FIRING
        )
        self._drop_what_is_over()

    def _drop_what_is_over(self) -> None:
        """Drop the alerts of topics of which none goes on, and no receiver believes that it does."""
        if self.alerts is None or self.notified is None:
            self.alerts = None
            return
        live = {alert.key.topic for alert in self.alerts if alert.state is not AlertState.INACTIVE}
        wanted = live | {entry.topic for entry in self.notified}
        self.alerts = tuple(alert for alert in self.alerts if alert.key.topic in wanted)
        if not wanted <= {alert.key.topic for alert in self.alerts}:
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
        self._is_on = is_on

    def checkout(self, tenant: Tenant) -> CachedTenant | None:
        """Return a tenant's cached state, which from now on is the caller's alone."""
        return self._by_tenant.pop(tenant, None)

    def view(self, tenant: Tenant) -> CachedTenant | None:
        """Return a tenant's cached state, to be read until the next transaction and not to be changed."""
        return self._by_tenant.get(tenant)

    def put(self, states: Mapping[Tenant, CachedTenant]) -> None:
        """Keep the states of a transaction, once it was committed."""
        if self._is_on:
            self._by_tenant.update(states)

    def evict(self, tenants: Collection[Tenant]) -> None:
        """Drop the states of these tenants."""
        for tenant in tenants:
            self._by_tenant.pop(tenant, None)


class Cache(Repository):
    """What one transaction knows of tenants: what was valid in the cache, and what it has read or written since."""

    def __init__(
        self, connection: Connection, runs: PollRuns, changes: CountChanges, shared: TenantCache | None = None
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
        self._changed_tenants: set[Tenant] = set()

    def skip(self, tenant: Tenant) -> SkipCache | None:
        """Return what was kept at the poll before of a tenant that was polled now; None where anything came between."""
        known = self.known.get(tenant)
        return None if known is None else known.skip_cache

    def set_skip(self, tenant: Tenant, cache: SkipCache) -> None:
        """Keep what need not be evaluated at the next poll, for as long as nothing else changes the tenant."""
        if tenant in self.known:
            self.known[tenant].skip_cache = cache

    def add_success(
        self, snapshot: Snapshot, reach: LookbackReach | None
    ) -> tuple[CachedTenant, Mapping[int, int]] | None:
        """Store that a poll succeeded, if the cached state is valid and the poll continues it; None if not.

        Returns:
            The state, and the counts that have changed by the indexes of their series.
        """
        cached = self.shared.checkout(snapshot.tenant)
        if cached is None or reach is None or cached.series.reach != reach:
            return None
        changed = cached.series.changed_by(snapshot.counts)
        if changed is None or cached.failures is not None or cached.tail is None or cached.tail.polls >= MAX_POLLS:
            return None
        newest, at = cached.coverage[-1], snapshot.taken_at
        # One that comes soon after the one before makes samples uneven, of which nothing that is cached knows.
        interval = reach.poll_interval
        if not newest.until + interval / 2 <= at <= newest.until + longest_step(interval):
            return None
        tail = self._runs.lengthen_coverage(cached.id, cached.revision, cached.tail, snapshot)
        if tail is None:
            return None
        cached.coverage[-1] = Span(newest.since, at)
        cached.tail, cached.polls = tail, tail.polls
        self.known[snapshot.tenant] = cached
        return cached, changed

    def add_failure(self, tenant: Tenant, error: SourceError, reach: LookbackReach | None, *, at: datetime) -> bool:
        """Store that a poll failed, if the cached state is valid and the failure continues its run; False if not."""
        cached = self.shared.checkout(tenant)
        if cached is None or cached.series.reach != reach or cached.failures is None:
            return False
        failures = self._runs.lengthen_failures(cached.id, cached.revision, cached.failures, error, at=at)
        if failures is None:
            return False
        cached.failures = failures
        self.known[tenant] = cached
        return True

    def load(self, tenant: Tenant, reach: LookbackReach | None, *, now: datetime) -> None:
        """Read the state of a tenant that has changed; whoever has cached it must read it again.

        Nothing is kept while the clock is behind what is stored: the newest counts are not those of this moment, and a
        failed poll to come ends the run that this one is in.
        """
        self._raise_revision(tenant)
        row = None if reach is None else self._runs.tenant(tenant)
        if row is None or reach is None:
            return
        state = self.look_back(row, reach, now=now)
        is_behind = bool(state.coverage) and state.coverage[-1].until > now
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
            coverage=spans_of(runs),
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
        """Give back what the transaction knows, after it was committed."""
        self.shared.put(self.known)

    def _raise_revision(self, tenant: Tenant) -> None:
        """Let everybody see that what they have cached of the tenant may no longer be true."""
        self._run(_RAISE_REVISION, {"tenant": tenant})


def polling_series_at(tenant: Tenant, known: CachedTenant, timezone: tzinfo, *, now: datetime) -> Series:
    """Return a series without held messages that carries what is known of a tenant's polling as of now."""
    reach = known.series.reach
    start = reach.start(now=now)
    first = max(0, bisect_right(known.coverage, start, key=lambda span: span.since) - 1)
    return Series(
        tenant=tenant,
        reason=ALL_REASONS,
        changes=(Sample(start, 0),),
        coverage=known.coverage[first:],
        poll_interval=reach.poll_interval,
        failure=None if known.failures is None else known.failures.failure,
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
