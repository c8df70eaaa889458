"""What was seen: counts where they changed, the coverage of polling, and its failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, delete, func, insert, select, update

from alerter.adapters.store.columns import digest_of, storable
from alerter.adapters.store.engines import Rows
from alerter.adapters.tables import Instant, counts, coverage, poll_failures, series, tenants
from alerter.core.rules import TenantSeries
from alerter.core.series import (
    ALL_REASONS,
    TOLERANCE_INTERVALS,
    Failure,
    HoldReason,
    Sample,
    Series,
    Snapshot,
    Span,
    Tenant,
)
from alerter.errors import Cause, SourceError

#: Of a failure's detail so many characters are kept.
LONGEST_DETAIL = 500
#: A window is read this much further back than it must be.
_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How a tenant's polling goes.

    Attributes:
        last_good_at: The newest good poll; None before the first one.
        last_poll_at: The last poll, good or failed; None before the first one.
        failure: The run of failed polls that the tenant is in, or None after a good poll.
    """

    last_good_at: datetime | None = None
    last_poll_at: datetime | None = None
    failure: Failure | None = None


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


class HistoryReader(Rows):
    """Reads what was seen."""

    def tenants(self) -> list[Tenant]:
        """Return every tenant that was ever polled, in the order of their first polls."""
        return [row.name for row in self._all(_TENANTS)]

    def reasons(self, tenant: Tenant) -> list[ReasonState]:
        """Return every reason that was ever seen, in the order of first sight; empty for an unknown tenant."""
        return [
            ReasonState(reason=row.reason, held=row.held, changed_at=row.changed_at, first_seen_at=row.first_seen_at)
            for row in self._series_of(self._tenant(tenant))
        ]

    def polling(self, tenant: Tenant) -> Polling:
        """Return how the tenant's polling goes; nothing is known of a tenant that was never polled."""
        row = self._tenant(tenant)
        failure = _failure_of(row)
        newest = None if row is None else self._first(_NEWEST_COVERAGE, {"tenant_id": row.id})
        last_good_at = None if newest is None else newest.until
        return Polling(last_good_at=last_good_at, last_poll_at=failure.at if failure else last_good_at, failure=failure)

    def tenant_series(
        self, tenant: Tenant, *, window: timedelta, poll_interval: timedelta, now: datetime
    ) -> TenantSeries:
        """Return every series of a tenant, as far back as the window and the tolerance of its oldest sample.

        One range of `counts` holds the whole window. The value at its start is what the first change in it changed
        from, or the present value where there is none: nothing ever looks further back.

        Args:
            tenant: Whose; one that was never polled has no coverage and no reasons.
            window: How far back the rules look.
            poll_interval: How often the tenant is polled.
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
            failure=_failure_of(row),
        )
        return TenantSeries(
            polling=polling,
            reasons=[
                replace(polling, reason=each.reason, changes=_steps(changes.get(each.id, ()), each.held, start))
                for each in self._series_of(row)
            ],
        )

    def samples(self, tenant: Tenant, reason: HoldReason, *, since: datetime, until: datetime) -> Series:
        """Return one series between two instants, both included, for showing: its poll interval is zero.

        A reason that was never seen was held nowhere: 0 where the tenant was polled.
        """
        row = self._tenant(tenant)
        known = next((each for each in self._series_of(row) if each.reason == reason), None)
        changes = [] if row is None or known is None else self._all(
            _CHANGES_OF_SERIES, {"tenant_id": row.id, "series_id": known.id, "start": since}
        )  # fmt: skip
        steps = _steps(changes, 0 if known is None else known.held, since)
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
            failure=_failure_of(row),
        )

    def _tenant(self, tenant: Tenant) -> Row[Any] | None:
        """Return the tenant's number and, in the same row, the open run of failures."""
        return self._first(_TENANT, {"tenant": tenant})

    def _series_of(self, tenant: Row[Any] | None) -> Sequence[Row[Any]]:
        return () if tenant is None else self._all(_SERIES, {"tenant_id": tenant.id})

    def _changes_after(self, tenant: Row[Any] | None, start: datetime) -> Mapping[int, Sequence[Row[Any]]]:
        changes: dict[int, list[Row[Any]]] = {}
        for row in () if tenant is None else self._all(_CHANGES, {"tenant_id": tenant.id, "start": start}):
            changes.setdefault(row.series_id, []).append(row)
        return changes

    def _coverage_from(self, tenant: Row[Any] | None, at: datetime) -> Sequence[Row[Any]]:
        """Return the span that holds `at` or is the last before it, and all later ones, oldest first."""
        return () if tenant is None else self._all(_COVERAGE, {"tenant_id": tenant.id, "start": at})


class HistoryWriter(HistoryReader):
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
        tenant = self._polled(snapshot.tenant)
        if tenant.failure_id is not None:
            self._run(_SET_FAILURE, {"failure_id": tenant.failure_id, "ended_at": snapshot.taken_at})
        self._add_counts(tenant.id, snapshot)
        self._cover(tenant.id, snapshot.taken_at, poll_interval)

    def add_failure(self, tenant: Tenant, error: SourceError, *, at: datetime) -> None:
        """Keep that a poll failed: equal failures in a row are one row, with the latest detail.

        Where the clock was set back, the run begins no later than its newest failure.
        """
        row = self._polled(tenant)
        latest = {"until": at, "cause": str(error.cause), "detail": storable(error.detail)[:LONGEST_DETAIL]}
        if row.failure_id is None:
            self._begin_failure(row.id, latest, outage_since=at)
            return
        outage_since = min(row.outage_since, at)
        if row.cause == error.cause:
            longer = {"outage_since": outage_since, "since": min(row.since, at), "failures": row.failures + 1}
            self._run(_SET_FAILURE, latest | longer | {"failure_id": row.failure_id})
            return
        self._run(_SET_FAILURE, {"failure_id": row.failure_id, "ended_at": at})
        self._begin_failure(row.id, latest, outage_since=outage_since)

    def _begin_failure(self, tenant_id: int, latest: dict[str, Any], *, outage_since: datetime) -> None:
        first = {"tenant_id": tenant_id, "outage_since": outage_since, "since": latest["until"], "failures": 1}
        self._run(_ADD_FAILURE, latest | first)

    def _polled(self, tenant: Tenant) -> Row[Any]:
        """Return what `_tenant` does, of a tenant that is new if need be."""
        row = self._tenant(tenant)
        if row is not None:
            return row
        self._run(_ADD_TENANT, {"name": tenant})
        return self._all(_TENANT, {"tenant": tenant})[0]

    def _add_counts(self, tenant_id: int, snapshot: Snapshot) -> None:
        at = snapshot.taken_at
        known = self._all(_SERIES, {"tenant_id": tenant_id})
        changes = [
            (row.id, _Change(at, row.held, count))
            for row in known
            if row.changed_at < at and (count := snapshot.counts.get(row.reason, 0)) != row.held
        ]
        self._run(
            _SET_SERIES,
            [{"series_id": number, "held": change.held, "changed_at": at} for number, change in changes],
        )
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
            [common | {"digest": digest_of(reason), "reason": reason, "held": count} for reason, count in new.items()],
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
            last = after[-1] if after else _Change(at, 0, before[0].was)
            series_now.append({"series_id": row.id, "held": last.held, "changed_at": last.at})
        self._run(_DELETE_CHANGE, removed)
        self._run(_ADD_CHANGE, added)
        self._run(_SET_SERIES, series_now)

    def _cover(self, tenant_id: int, at: datetime, poll_interval: timedelta) -> None:
        """Lengthen the run of polling that the poll belongs to, join two that it connects, or begin one."""
        reach = TOLERANCE_INTERVALS * poll_interval
        spans = self._all(_COVERAGE, {"tenant_id": tenant_id, "start": at})
        near = [span for span in spans if span.since - reach <= at <= span.until + reach]
        run = {
            "since": min([at, *(span.since for span in near)]),
            "until": max([at, *(span.until for span in near)]),
            "polls": 1 + sum(span.polls for span in near),
        }
        if not near:
            self._run(_ADD_COVERAGE, run | {"tenant_id": tenant_id})
            return
        self._run(_DELETE_COVERAGE, [{"of_tenant": tenant_id, "old_since": span.since} for span in near[1:]])
        self._run(_SET_COVERAGE, run | {"of_tenant": tenant_id, "old_since": near[0].since})

    def _prune_history(self, before: datetime, batch: int) -> int:
        """Delete changes, coverage and ended failures from before an instant; return how many rows went.

        Coverage that began earlier now begins there: what is gone must not look as if it were known. The newest span
        stays in any case, as does what a series holds.
        """
        scope = {"before": before}
        pruned = self._run(_PRUNE_FAILURES, scope | {"batch": batch})
        pruned += self._run(_PRUNE_COVERAGE, scope)
        self._run(_TRIM_COVERAGE, scope)
        for row in self._all(_TENANTS):
            if pruned >= batch:
                break
            of_tenant = scope | {"tenant_id": row.id}
            last = self._first(_LAST_OF_BATCH, of_tenant | {"others": batch - pruned - 1})
            pruned += self._run(_PRUNE_CHANGES, of_tenant | {"last": before if last is None else last.at})
        return pruned


def _failure_of(tenant: Row[Any] | None) -> Failure | None:
    if tenant is None or tenant.failure_id is None:
        return None
    return Failure(since=tenant.outage_since, at=tenant.until, cause=Cause(tenant.cause), detail=tenant.detail)


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


# The changes of a table set the columns that their parameters name; the parameters of a condition are called
# otherwise.
_TENANTS = select(tenants.c.id, tenants.c.name).order_by(tenants.c.id)
_TENANT = (
    select(
        tenants.c.id,
        poll_failures.c.id.label("failure_id"),
        poll_failures.c.outage_since,
        poll_failures.c.since,
        poll_failures.c.until,
        poll_failures.c.failures,
        poll_failures.c.cause,
        poll_failures.c.detail,
    )
    .select_from(
        tenants.outerjoin(
            poll_failures, and_(poll_failures.c.tenant_id == tenants.c.id, poll_failures.c.ended_at.is_(None))
        )
    )
    .where(tenants.c.name == bindparam("tenant"))
)
_ADD_TENANT = insert(tenants)

_SERIES = (
    select(series.c.id, series.c.reason, series.c.held, series.c.changed_at, series.c.first_seen_at)
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
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

_COVERAGE = (
    select(coverage.c.since, coverage.c.until, coverage.c.polls)
    .where(
        coverage.c.tenant_id == bindparam("tenant_id"),
        coverage.c.since
        >= func.coalesce(
            select(func.max(coverage.c.since))
            .where(coverage.c.tenant_id == bindparam("tenant_id"), coverage.c.since <= bindparam("start"))
            .correlate(None)
            .scalar_subquery(),
            bindparam("start", type_=Instant()),
        ),
    )
    .order_by(coverage.c.since)
)
_NEWEST_COVERAGE = (
    select(coverage.c.until)
    .where(coverage.c.tenant_id == bindparam("tenant_id"))
    .order_by(coverage.c.since.desc())
    .limit(1)
)
_OLD_COVERAGE = and_(coverage.c.tenant_id == bindparam("of_tenant"), coverage.c.since == bindparam("old_since"))
_ADD_COVERAGE = insert(coverage)
_SET_COVERAGE = update(coverage).where(_OLD_COVERAGE)
_DELETE_COVERAGE = delete(coverage).where(_OLD_COVERAGE)

_ADD_FAILURE = insert(poll_failures)
_SET_FAILURE = update(poll_failures).where(poll_failures.c.id == bindparam("failure_id"))

_PRUNE_FAILURES = delete(poll_failures).where(
    poll_failures.c.id.in_(
        select(poll_failures.c.id)
        .where(poll_failures.c.ended_at.is_not(None), poll_failures.c.until < bindparam("before"))
        .limit(bindparam("batch"))
    )
)
_other = coverage.alias()
_PRUNE_COVERAGE = delete(coverage).where(
    coverage.c.until < bindparam("before"),
    coverage.c.since
    < select(func.max(_other.c.since)).where(_other.c.tenant_id == coverage.c.tenant_id).scalar_subquery(),
)
_before = bindparam("before", type_=Instant())
_TRIM_COVERAGE = (
    update(coverage)
    .where(coverage.c.since < _before, coverage.c.since < coverage.c.until)
    .values(since=case((coverage.c.until < _before, coverage.c.until), else_=_before))
)
# A batch is one range of the clustered key; it ends with all the changes of an instant.
_OLD_CHANGES = and_(counts.c.tenant_id == bindparam("tenant_id"), counts.c.at < bindparam("before"))
_LAST_OF_BATCH = select(counts.c.at).where(_OLD_CHANGES).order_by(counts.c.at).offset(bindparam("others")).limit(1)
_PRUNE_CHANGES = delete(counts).where(_OLD_CHANGES, counts.c.at <= bindparam("last"))
