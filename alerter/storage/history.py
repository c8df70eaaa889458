"""Counts of hold reasons over time: what is held now, the series that rules look at, sums, and whole histories."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select

from alerter.core.history import TenantHistory
from alerter.core.rules import Lookbacks, SumMember, TenantSeries
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.core.series import (
    ALL_REASONS,
    HoldReason,
    PollFailure,
    Sample,
    Series,
    Snapshot,
    Span,
    Tenant,
    from_epoch_us,
    to_epoch_us,
)
from alerter.storage.cache import Cache, CachedTenant, polling_series_at
from alerter.storage.count_changes import CountChanges
from alerter.storage.encoding import StoredChange
from alerter.storage.engine import Connecting, Repository
from alerter.storage.full_history import FullHistory
from alerter.storage.poll_runs import PollRuns, failure_from_row, spans_from_runs
from alerter.storage.snapshots import SERIES, SnapshotWriter
from alerter.storage.tables import coverage, is_held, series, tenants
from alerter.storage.totals import TenantSums
from alerter.storage.windows import LazySeries, LookbackReach


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesState:
    """What is held for a reason now, since when that is so, and when the reason was first seen."""

    reason: HoldReason
    held: int
    changed_at: datetime
    first_seen_at: datetime


class HistoryRepository(Repository):
    """Counts of hold reasons over time."""

    def __init__(self, connection: Connecting, runs: PollRuns, changes: CountChanges, cache: Cache) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            runs: The polls of its tenants.
            changes: Their counts.
            cache: What the transaction knows of tenants.
        """
        super().__init__(connection)
        self._runs = runs
        self._changes = changes
        self._cache = cache

    def add(
        self, snapshot: Snapshot, *, poll_interval: timedelta, windows: Lookbacks | None = None
    ) -> Mapping[int, int] | None:
        """Store what a successful poll saw: the counts that changed, and that polling worked.

        A reason that is not in the answer has 0. Where the clock was set back, the snapshot is stored at its instant:
        it holds until the next change that is already stored, and what that change came from is corrected. Of two
        snapshots at the same instant the second one counts.

        Args:
            snapshot: What was seen, and when.
            poll_interval: Two successful polls no further apart than twice this are one run of polling.
            windows: How far back the rules look, which is what is cached for the next poll; None for nothing.

        Returns:
            The counts that have changed, by the indexes of their series in the order in which they appeared. None where
            more may have: the poll before is not cached, had failed or was long ago, another writer came between, or a
            reason is new.
        """
        reach = None if windows is None else LookbackReach(windows, poll_interval)
        changed = self._cache.add_success(snapshot, reach)
        if changed is not None:
            return changed
        tenant_id = self._runs.add_success(snapshot, poll_interval)
        SnapshotWriter(self._connecting, self._changes).add_counts(tenant_id, snapshot)
        self._cache.load(snapshot.tenant, reach, now=snapshot.taken_at)
        return None

    def reasons(self, tenant: Tenant) -> list[SeriesState]:
        """Return every reason that was ever seen, in the order in which they appeared; empty for an unknown tenant."""
        return [
            SeriesState(reason=row.reason, held=row.value, changed_at=row.changed_at, first_seen_at=row.first_seen_at)
            for row in self._series_of(self._runs.tenant(tenant))
        ]

    def held_by_tenant(self, tenants: Collection[Tenant] | None = None) -> dict[Tenant, int]:
        """Return how many messages were held when each tenant was last seen; without one that was never seen.

        Args:
            tenants: Of whom; None for all.
        """
        return {row.name: int(row.held) for row in self._all(*_among(_HELD_BY_TENANT, tenants))}

    def held_by_reason(self, tenants: Collection[Tenant]) -> dict[Tenant, dict[HoldReason, int]]:
        """Return what these tenants hold by reason, most first, also reasons of which nothing is held now."""
        held: dict[Tenant, dict[HoldReason, int]] = {}
        for row in self._all(*_among(_HELD, tenants)):
            held.setdefault(row.name, {})[row.reason] = row.value
        return held

    def reason_names(self) -> list[HoldReason]:
        """Return every name of a hold reason that was ever seen, of whatever tenant, each once."""
        return [row.reason for row in self._all(_NAMES)]

    def series_for(
        self,
        tenant: Tenant,
        *,
        window: timedelta,
        poll_interval: timedelta,
        timezone: tzinfo = UTC,
        places: Collection[int] | None = None,
        now: datetime,
    ) -> TenantSeries:
        """Return every series of a tenant, as far back as the window and the tolerance of its oldest sample.

        One range of changes holds the whole window. The value at its start is what the first change in it changed
        from, or the present value where there is none: nothing ever looks further back. Of a tenant that was polled in
        this transaction, what is cached is not read again.

        Args:
            tenant: Whose; one that was never polled has no coverage and no reasons.
            window: How far back the rules look.
            poll_interval: How often the tenant is polled.
            timezone: Where its people work.
            places: Of the series that are wanted, in the order in which they appeared; the others must not be looked
                at. None for all.
            now: The window's end; what is stored as later (the clock was set back) comes along, unseen by the rules.
        """
        known = self._cache.known.get(tenant)
        if known is not None and window <= known.series.reach.windows.longest:
            return series_at(tenant, known, timezone, now=now)
        row = self._runs.tenant(tenant)
        if row is None:
            return TenantSeries(polling=_never_polled(tenant, poll_interval, timezone, now=now), reasons=())
        reach = LookbackReach(Lookbacks(((MATCH_ALL, window),)), poll_interval)
        return series_at(tenant, self._cache.look_back(row, reach, places, now=now), timezone, now=now)

    def sum_over_tenants(
        self, members: Sequence[SumMember], reasons: Selector, *, window: timedelta, now: datetime
    ) -> Series:
        """Return the sum over tenants of what is held for some reasons.

        It is what `sum_of_tenants` makes of the sums over the reasons of each, as far back as a rule with this window
        looks. Where not every tenant has data now, nothing is added up: it has no value, and no changes.

        Args:
            members: The tenants, at least one; their windows reach back as far as this one does.
            reasons: Which hold reasons.
            window: How far back the rule looks.
            now: The window's end.
        """
        sums = TenantSums(self._connecting, self._runs, self._changes, self._cache)
        return sums.total(members, reasons, window=window, now=now)

    def full_history(self, tenant: Tenant, *, poll_interval: timedelta, timezone: tzinfo = UTC) -> TenantHistory:
        """Return everything that is stored of a tenant's counts and polls, in arrays.

        Args:
            tenant: Whose; one that was never polled has a history without any poll.
            poll_interval: How often it is polled now.
            timezone: Where its people work.
        """
        reader = FullHistory(self._connecting, self._runs, self._changes)
        return reader.load(tenant, poll_interval=poll_interval, timezone=timezone)

    def reasons_by_tenant(self, tenants: Collection[Tenant]) -> dict[Tenant, list[HoldReason]]:
        """Return every reason that was ever seen of these tenants, in the order in which they appeared."""
        found: dict[Tenant, list[HoldReason]] = {}
        for row in self._all(_REASONS_OF_MANY, {"names": [*tenants]}):
            found.setdefault(row.name, []).append(row.reason)
        return found

    def samples(self, tenant: Tenant, reason: HoldReason, *, since: datetime, until: datetime) -> Series:
        """Return one series between two instants, as `samples_of_many` does."""
        return self.samples_of_many([(tenant, reason)], since=since, until=until)[0]

    def samples_of_many(
        self, wanted: Sequence[tuple[Tenant, HoldReason]], *, since: datetime, until: datetime
    ) -> list[Series]:
        """Return series between two instants, both included, for showing: their poll interval is zero.

        However many there are, the number of statements is the same. A reason that was never seen was held nowhere: 0
        where the tenant was polled.
        """
        rows = self._runs.many({tenant for tenant, _ in wanted})
        ids = sorted(row.id for row in rows.values())
        pairs = {(rows[tenant].id, reason) for tenant, reason in wanted if tenant in rows}
        known = {
            (row.tenant_id, row.reason): row
            for row in self._all(_SERIES_OF_MANY, {"ids": ids})
            if (row.tenant_id, row.reason) in pairs
        }
        runs = self._runs.runs_of_many(ids, since)
        changes_by_series: dict[int, list[StoredChange]] = {}
        wanted_ids = {row.id for row in known.values()}
        for changes in self._changes.read_many(ids, since=to_epoch_us(since) + 1, series=wanted_ids).values():
            for change in changes:
                changes_by_series.setdefault(change[1], []).append(change)
        found = []
        for tenant, reason in wanted:
            row = rows.get(tenant)
            series_row = None if row is None else known.get((row.id, reason))
            steps: Sequence[Sample] = (Sample(since, 0),)
            if series_row is not None:
                steps = _steps(changes_by_series.get(series_row.id, ()), series_row.value, since)
            spans = [] if row is None else spans_from_runs(runs.get(row.id, ()))
            found.append(_shown(tenant, reason, steps, spans, failure_from_row(row), since=since, until=until))
        return found

    def _series_of(self, tenant: Row[Any] | None) -> Sequence[Row[Any]]:
        return () if tenant is None else self._all(SERIES, {"tenant_id": tenant.id})


def _shown(
    tenant: Tenant,
    reason: HoldReason,
    steps: Iterable[Sample],
    spans: Iterable[Span],
    failure: PollFailure | None,
    *,
    since: datetime,
    until: datetime,
) -> Series:
    """Return a series cut to a span, both ends included."""
    return Series(
        tenant=tenant,
        reason=reason,
        changes=[sample for sample in steps if sample.at <= until],
        coverage=[
            Span(max(span.start_at, since), min(span.end_at, until))
            for span in spans
            if span.start_at <= until and span.end_at >= since
        ],
        poll_interval=timedelta(0),
        poll_failure=failure,
    )


def series_at(tenant: Tenant, known: CachedTenant, timezone: tzinfo, *, now: datetime) -> TenantSeries:
    """Return what is known of a tenant as of now, with what the rules may look at and no more."""
    polling = polling_series_at(tenant, known, timezone, now=now)
    return TenantSeries(polling=polling, reasons=LazySeries(known.series, polling, now), names=known.series.reasons)


def _never_polled(tenant: Tenant, poll_interval: timedelta, timezone: tzinfo, *, now: datetime) -> Series:
    return Series(
        tenant=tenant,
        reason=ALL_REASONS,
        changes=(Sample(now, 0),),
        coverage=[],
        poll_interval=poll_interval,
        timezone=timezone,
    )


def _steps(changes: Sequence[StoredChange], held: int, start: datetime) -> Sequence[Sample]:
    """Return the step function from `start` on: the changes after it, and before them the value that they left."""
    _, _, first, _ = changes[0] if changes else (0, 0, held, held)
    return [Sample(start, first), *(Sample(from_epoch_us(at), count) for at, _, _, count in changes)]


_HELD_BY_TENANT = (
    select(tenants.c.name, func.coalesce(func.sum(series.c.value), 0).label("held"))
    .select_from(tenants.outerjoin(series, series.c.tenant_id == tenants.c.id))
    .where(select(coverage.c.first_poll_at).where(coverage.c.tenant_id == tenants.c.id, is_held(coverage)).exists())
    .group_by(tenants.c.id, tenants.c.name)
    .order_by(tenants.c.id)
)
_NAMES = select(series.c.reason).distinct().order_by(series.c.reason)

_HELD = (
    select(tenants.c.name, series.c.reason, series.c.value)
    .join_from(series, tenants)
    .where(is_held(series))
    .order_by(series.c.value.desc(), series.c.id)
)
_REASONS_OF_MANY = (
    select(tenants.c.name, series.c.reason)
    .join_from(series, tenants)
    .where(tenants.c.name.in_(bindparam("names", expanding=True)), is_held(series))
    .order_by(tenants.c.id, series.c.id)
)
_SERIES_OF_MANY = select(series.c.tenant_id, series.c.id, series.c.reason, series.c.value).where(
    series.c.tenant_id.in_(bindparam("ids", expanding=True)), is_held(series)
)


def _among(found: Select[Any], names: Collection[Tenant] | None) -> tuple[Select[Any], dict[str, Any]]:
    """Return a statement that is about some tenants only, with its parameters; None stands for all of them."""
    if names is None:
        return found, {}
    return found.where(tenants.c.name.in_(bindparam("names", expanding=True))), {"names": [*names]}
