"""What was seen: counts where they changed, and the series that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from alerter.adapters.store.columns import digest_of
from alerter.adapters.store.polling import PollingReader, PollingWriter, failure_of
from alerter.adapters.tables import counts, coverage, series, tenants
from alerter.core.rules import TenantSeries
from alerter.core.series import (
    ALL_REASONS,
    TOLERANCE_INTERVALS,
    HoldReason,
    Sample,
    Series,
    Snapshot,
    Span,
    Tenant,
)

#: A window is read this much further back than it must be.
_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonState:
    """What is held for a reason now, since when that is so, and when the reason was first seen."""

    reason: HoldReason
    held: int
    changed_at: datetime
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    was: int
    held: int


class HistoryReader(PollingReader):
    """Reads what was seen."""

    def reasons(self, tenant: Tenant) -> list[ReasonState]:
        """Return every reason that was ever seen, in the order of first sight; empty for an unknown tenant."""
        return [
            ReasonState(reason=row.reason, held=row.held, changed_at=row.changed_at, first_seen_at=row.first_seen_at)
            for row in self._series_of(self._tenant(tenant))
        ]

    def held_by_tenant(self) -> dict[Tenant, int]:
        """Return how many messages were held when each tenant was last seen; without one that was never seen."""
        return {row.name: int(row.held) for row in self._all(_HELD)}

    def tenant_series(
        self, tenant: Tenant, *, window: timedelta, poll_interval: timedelta, timezone: tzinfo = UTC, now: datetime
    ) -> TenantSeries:
        """Return every series of a tenant, as far back as the window and the tolerance of its oldest sample.

        One range of `counts` holds the whole window. The value at its start is what the first change in it changed
        from, or the present value where there is none: nothing ever looks further back.

        Args:
            tenant: Whose; one that was never polled has no coverage and no reasons.
            window: How far back the rules look.
            poll_interval: How often the tenant is polled.
            timezone: Where its people work.
            now: The window's end; what is stored as later (the clock was set back) comes along, unseen by the rules.
        """
        start = now - window - TOLERANCE_INTERVALS * poll_interval - _MARGIN
        row = self._tenant(tenant)
        changes = self._changes_after(row, start)
        polling = Series(
            tenant=tenant,
            reason=ALL_REASONS,
            changes=(Sample(start, 0),),
            coverage=[Span(span.since, span.until) for span in self._coverage_from(row, start)],
            poll_interval=poll_interval,
            failure=failure_of(row),
            timezone=timezone,
            polled_since=None if row is None else row.polled_since,
        )
        return TenantSeries(
            polling=polling,
            reasons=[
                replace(
                    polling,
                    reason=each.reason,
                    changes=_steps(changes.get(each.id, ()), each.held, start),
                    first_held_at=each.first_held_at,
                )
                for each in self._series_of(row)
            ],
        )

    def samples(self, tenant: Tenant, reason: HoldReason, *, since: datetime, until: datetime) -> Series:
        """Return one series between two instants, both included, for showing: its poll interval is zero.

        A reason that was never seen was held nowhere: 0 where the tenant was polled.
        """
        row = self._tenant(tenant)
        known = next((each for each in self._series_of(row) if each.reason == reason), None)
        steps: Sequence[Sample] = (Sample(since, 0),)
        if row is not None and known is not None:
            scope = {"tenant_id": row.id, "series_id": known.id, "start": since}
            steps = _steps(self._all(_CHANGES_OF_SERIES, scope), known.held, since)
        return Series(
            tenant=tenant,
            reason=reason,
            changes=[sample for sample in steps if sample.at <= until],
            coverage=[
                Span(max(span.since, since), min(span.until, until))
                for span in self._coverage_from(row, since)
                if span.since <= until and span.until >= since
            ],
            poll_interval=timedelta(0),
            failure=failure_of(row),
        )

    def _series_of(self, tenant: Row[Any] | None) -> Sequence[Row[Any]]:
        return () if tenant is None else self._all(_SERIES, {"tenant_id": tenant.id})

    def _changes_after(self, tenant: Row[Any] | None, start: datetime) -> Mapping[int, Sequence[Row[Any]]]:
        changes: dict[int, list[Row[Any]]] = {}
        for row in () if tenant is None else self._all(_CHANGES, {"tenant_id": tenant.id, "start": start}):
            changes.setdefault(row.series_id, []).append(row)
        return changes


class HistoryWriter(HistoryReader, PollingWriter):
    """Writes what was seen."""

    def add_snapshot(self, snapshot: Snapshot, *, poll_interval: timedelta) -> None:
        """Keep what a good poll saw: the counts that changed, and that polling worked.

        A reason that is not in the answer has 0. Where the clock was set back, the snapshot is stored at its instant:
        it holds until the next change that is already stored, and what that change came from is corrected. Of two
        snapshots at the same instant the second one counts.

        Args:
            snapshot: What was seen, and when.
            poll_interval: Two good polls no further apart than twice this are one run of polling.
        """
        tenant_id = self._add_good_poll(snapshot.tenant, poll_interval, at=snapshot.taken_at)
        self._add_counts(tenant_id, snapshot)

    def _add_counts(self, tenant_id: int, snapshot: Snapshot) -> None:
        at = snapshot.taken_at
        known = self._all(_SERIES, {"tenant_id": tenant_id})
        changed = [
            (row, count)
            for row in known
            if row.changed_at < at and (count := snapshot.counts.get(row.reason, 0)) != row.held
        ]
        self._run(_SET_SERIES, [_series_row(row, [_Change(at, row.held, count)]) for row, count in changed])
        changes = [(row.id, _Change(at, row.held, count)) for row, count in changed]
        changes += self._add_series(tenant_id, snapshot, {row.reason for row in known})
        self._run(_ADD_CHANGE, [_change_row(tenant_id, number, change) for number, change in changes])
        if late := [row for row in known if row.changed_at >= at]:
            self._amend(tenant_id, late, snapshot)

    def _add_series(self, tenant_id: int, snapshot: Snapshot, known: set[HoldReason]) -> list[tuple[int, _Change]]:
        new = {reason: count for reason, count in snapshot.counts.items() if reason not in known}
        if not new:
            return []
        at = snapshot.taken_at
        common = {"tenant_id": tenant_id, "changed_at": at, "first_seen_at": at}
        self._run(
            _ADD_SERIES,
            [
                common
                | {"digest": digest_of(reason), "reason": reason, "held": count, "first_held_at": at if count else None}
                for reason, count in new.items()
            ],
        )
        rows = self._all(_SERIES, {"tenant_id": tenant_id})
        return [(row.id, _Change(at, 0, row.held)) for row in rows if row.held and row.reason in new]

    def _amend(self, tenant_id: int, late: Sequence[Row[Any]], snapshot: Snapshot) -> None:
        """Store a snapshot among changes that are stored as later, or at the same instant."""
        at = snapshot.taken_at
        stored: dict[int, list[_Change]] = {}
        for row in self._all(_CHANGES_FROM, {"tenant_id": tenant_id, "start": at}):
            stored.setdefault(row.series_id, []).append(_Change(row.at, row.was, row.held))
        removed: list[dict[str, Any]] = []
        added: list[dict[str, Any]] = []
        series_now: list[dict[str, Any]] = []
        for row in late:
            before = stored.get(row.id, [])
            after = _amended(before, row.held, at, snapshot.counts.get(row.reason, 0))
            if after == before:
                continue
            removed += [
                {"tenant_id": tenant_id, "series_id": row.id, "start": each.at} for each in before if each not in after
            ]
            added += [_change_row(tenant_id, row.id, each) for each in after if each not in before]
            series_now.append(_series_row(row, after or [_Change(at, 0, before[0].was)]))
        self._run(_DELETE_CHANGE, removed)
        self._run(_ADD_CHANGE, added)
        self._run(_SET_SERIES, series_now)


def _series_row(row: Row[Any], changes: Sequence[_Change]) -> dict[str, Any]:
    """Return what stands in a series' row after these changes, at least one, oldest first."""
    newest = changes[-1]
    held = (change.at for change in changes if change.held)
    first_held_at = min((at for at in (row.first_held_at, *held) if at is not None), default=None)
    return {
        "series_id": row.id, "held": newest.held, "changed_at": newest.at, "first_held_at": first_held_at,
    }  # fmt: skip


def _steps(changes: Sequence[Row[Any]], held: int, start: datetime) -> Sequence[Sample]:
    """Return the step function from `start` on: the changes after it, and before them the value that they left."""
    first = changes[0].was if changes else held
    return [Sample(start, first), *(Sample(change.at, change.held) for change in changes)]


def _amended(changes: Sequence[_Change], held: int, at: datetime, count: int) -> list[_Change]:
    """Return the changes from `at` on after a sample there that was taken later than they were.

    Args:
        changes: The changes at or after `at`, oldest first.
        held: The value now, where there are none.
        at: The instant of the sample.
        count: What it saw; it holds until the next change after `at`.
    """
    was = changes[0].was if changes else held
    after = [change for change in changes if change.at > at]
    here = [_Change(at, was, count)] if count != was else []
    if after and after[0].held == count:
        return here + after[1:]
    return here + [replace(change, was=count) for change in after[:1]] + after[1:]


def _change_row(tenant_id: int, series_id: int, change: _Change) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id, "at": change.at, "series_id": series_id, "was": change.was, "held": change.held,
    }  # fmt: skip


# An update sets the columns that its parameters name, so that those of its condition have other names.
_SERIES = (
    select(
        series.c.id, series.c.reason, series.c.held, series.c.changed_at, series.c.first_seen_at, series.c.first_held_at
    )
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
)
_HELD = (
    select(tenants.c.name, func.coalesce(func.sum(series.c.held), 0).label("held"))
    .select_from(tenants.outerjoin(series, series.c.tenant_id == tenants.c.id))
    .where(select(coverage.c.since).where(coverage.c.tenant_id == tenants.c.id).exists())
    .group_by(tenants.c.id, tenants.c.name)
    .order_by(tenants.c.id)
)
_ADD_SERIES = insert(series)
_SET_SERIES = update(series).where(series.c.id == bindparam("series_id"))

_CHANGE = select(counts.c.series_id, counts.c.at, counts.c.was, counts.c.held).where(
    counts.c.tenant_id == bindparam("tenant_id")
)
_CHANGES = _CHANGE.where(counts.c.at > bindparam("start")).order_by(counts.c.at)
_CHANGES_FROM = _CHANGE.where(counts.c.at >= bindparam("start")).order_by(counts.c.at)
_CHANGES_OF_SERIES = _CHANGES.where(counts.c.series_id == bindparam("series_id"))
_ADD_CHANGE = insert(counts)
_DELETE_CHANGE = delete(counts).where(
    counts.c.tenant_id == bindparam("tenant_id"),
    counts.c.at == bindparam("start"),
    counts.c.series_id == bindparam("series_id"),
)
