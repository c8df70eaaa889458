"""What was seen: counts where they changed, and the series that they make."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from alerter.core.poll_times import PackedPolls, PackedRun
from alerter.core.rules import MATCH_ALL, Lookbacks, TenantSeries
from alerter.core.series import ALL_REASONS, HoldReason, Sample, Series, Span, Tenant, from_epoch_us, to_epoch_us
from alerter.storage.cache import Remembered
from alerter.storage.compression import StoredChange
from alerter.storage.count_changes import ChangeReader
from alerter.storage.polls import PollingReader, failure_of, spans_of
from alerter.storage.tables import coverage, is_held, series, tenants
from alerter.storage.windows import LazySeries, PackedSeries, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonState:
    """What is held for a reason now, since when that is so, and when the reason was first seen."""

    reason: HoldReason
    held: int
    changed_at: datetime
    first_seen_at: datetime


class HistoryReader(PollingReader, ChangeReader):
    """Reads what was seen."""

    def reasons(self, tenant: Tenant) -> list[ReasonState]:
        """Return every reason that was ever seen, in the order of first sight; empty for an unknown tenant."""
        return [
            ReasonState(reason=row.reason, held=row.value, changed_at=row.changed_at, first_seen_at=row.first_seen_at)
            for row in self._series_of(self._tenant(tenant))
        ]

    def held_by_tenant(self) -> dict[Tenant, int]:
        """Return how many messages were held when each tenant was last seen; without one that was never seen."""
        return {row.name: int(row.held) for row in self._all(_HELD)}

    def tenant_series(
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
        this transaction, what is remembered is not read again.

        Args:
            tenant: Whose; one that was never polled has no coverage and no reasons.
            window: How far back the rules look.
            poll_interval: How often the tenant is polled.
            timezone: Where its people work.
            places: Of the series that are wanted, in the order of first sight; the others must not be looked at. None
                for all.
            now: The window's end; what is stored as later (the clock was set back) comes along, unseen by the rules.
        """
        known = self._known.get(tenant)
        if known is not None and window <= known.series.reach.windows.longest:
            return as_of(tenant, known, timezone, now=now)
        row = self._tenant(tenant)
        if row is None:
            return TenantSeries(polling=_never_polled(tenant, poll_interval, timezone, now=now), reasons=())
        reach = Reach(Lookbacks(((MATCH_ALL, window),)), poll_interval)
        return as_of(tenant, self._look_back(row, reach, places, now=now), timezone, now=now)

    def _look_back(
        self, tenant: Row[Any], reach: Reach, places: Collection[int] | None = None, *, now: datetime
    ) -> Remembered:
        """Read what is stored of a tenant, as far back as the rules look."""
        start = reach.start(now=now)
        runs, known = self._coverage_from(tenant, start), self._series_of(tenant)
        wanted = None if places is None else {known[place].id for place in places}
        changes = self._changes(tenant.id, since=to_epoch_us(start) + 1, series=wanted)
        return Remembered(
            id=tenant.id,
            revision=tenant.revision,
            first_polled_at=tenant.first_polled_at,
            coverage=spans_of(runs),
            tail=PackedRun.of(runs[-1]) if runs else None,
            parts=runs[:-1],
            polls=runs[-1].polls if runs else 0,
            failures=self._failures_of(tenant),
            series=PackedSeries.of(known, changes, reach, places=places, now=now),
        )

    def samples(self, tenant: Tenant, reason: HoldReason, *, since: datetime, until: datetime) -> Series:
        """Return one series between two instants, both included, for showing: its poll interval is zero.

        A reason that was never seen was held nowhere: 0 where the tenant was polled.
        """
        row = self._tenant(tenant)
        known = next((each for each in self._series_of(row) if each.reason == reason), None)
        steps: Sequence[Sample] = (Sample(since, 0),)
        if row is not None and known is not None:
            changes = list(self._changes(row.id, since=to_epoch_us(since) + 1, series={known.id}))
            steps = _steps(changes, known.value, since)
        return Series(
            tenant=tenant,
            reason=reason,
            changes=[sample for sample in steps if sample.at <= until],
            coverage=[
                Span(max(span.since, since), min(span.until, until))
                for span in spans_of(self._coverage_from(row, since))
                if span.since <= until and span.until >= since
            ],
            poll_interval=timedelta(0),
            failure=failure_of(row),
        )

    def _series_of(self, tenant: Row[Any] | None) -> Sequence[Row[Any]]:
        return () if tenant is None else self._series_numbered(tenant.id)

    def _series_numbered(self, tenant_id: int) -> Sequence[Row[Any]]:
        return self._all(_SERIES, {"tenant_id": tenant_id})


def as_of(tenant: Tenant, known: Remembered, timezone: tzinfo, *, now: datetime) -> TenantSeries:
    """Return what is known of a tenant as of now, with what the rules may look at and no more."""
    polling = polling_as_of(tenant, known, timezone, now=now)
    return TenantSeries(polling=polling, reasons=LazySeries(known.series, polling, now), names=known.series.reasons)


def polling_as_of(tenant: Tenant, known: Remembered, timezone: tzinfo, *, now: datetime) -> Series:
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


_SERIES = (
    select(
        series.c.id,
        series.c.reason,
        series.c.value,
        series.c.changed_at,
        series.c.first_seen_at,
        series.c.first_held_at,
    )
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
)
_HELD = (
    select(tenants.c.name, func.coalesce(func.sum(series.c.value), 0).label("held"))
    .select_from(tenants.outerjoin(series, series.c.tenant_id == tenants.c.id))
    .where(select(coverage.c.first_poll_at).where(coverage.c.tenant_id == tenants.c.id, is_held(coverage)).exists())
    .group_by(tenants.c.id, tenants.c.name)
    .order_by(tenants.c.id)
)
