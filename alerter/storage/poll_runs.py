"""Runs of successful polls and runs of failed polls, as rows; `polls` and the cache are built on them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from alerter.core.history_records import MAX_DETAIL
from alerter.core.poll_times import MAX_POLLS, FailureRun, PackedRun, PollRun, joined_runs, split_runs
from alerter.core.series import PollFailure, Snapshot, Span, Tenant, from_epoch_us, longest_step, to_epoch_us
from alerter.errors import Cause, SourceError
from alerter.storage.encoding import clean_text
from alerter.storage.engine import Repository
from alerter.storage.tables import Instant, coverage, is_held, poll_failures, tenants

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentFailures:
    """The run of failed polls that a tenant is in: its number, how many they are, what they came to, and when."""

    id: int
    polls: int
    failure: PollFailure
    tail: PackedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class LongerRun:
    """The newest run of successful polls of a tenant, after some more of them.

    Attributes:
        tenant_id: Whose.
        revision: The tenant's, as it is known.
        before: The run as it is stored.
        after: The run as it is to be stored.
        latency: How long the newest poll took.
    """

    tenant_id: int
    revision: int
    before: PackedRun
    after: PackedRun
    latency: timedelta | None

    def columns(self) -> dict[str, Any]:
        """Return what is stored if the run is as it is known."""
        return {
            "last_poll_at": from_epoch_us(self.after.until),
            "poll_count": self.after.polls,
            "steps": self.after.steps,
            "latency_us": _microseconds(self.latency),
            "of_tenant": self.tenant_id,
            "old_since": from_epoch_us(self.before.since),
            "known_until": from_epoch_us(self.before.until),
            "known_polls": self.before.polls,
            "known_revision": self.revision,
        }


class PollRuns(Repository):
    """The rows of `tenants`, `coverage` and `poll_failures`."""

    def tenant(self, tenant: Tenant) -> Row[Any] | None:
        """Return the tenant's number, since when it is polled and, in the same row, the open run of failures."""
        return self._first(_TENANT, {"tenant": tenant})

    def ensure_tenant(self, tenant: Tenant) -> Row[Any]:
        """Return what `_tenant` does, of a tenant that is new if need be."""
        row = self.tenant(tenant)
        if row is not None:
            return row
        self._run(_ADD_TENANT, {"name": tenant})
        return self._all(_TENANT, {"tenant": tenant})[0]

    def current_failures(self, tenant: Row[Any]) -> CurrentFailures | None:
        """Return the open run of failures that stands in a tenant's row; None after a successful poll."""
        failure = failure_from_row(tenant)
        if failure is None:
            return None
        tail = PackedRun.of(failure_count(tenant))
        return CurrentFailures(id=tenant.failure_id, polls=tenant.failure_count, failure=failure, tail=tail)

    def runs_from(self, tenant_id: int, at: datetime) -> list[PollRun]:
        """Return the run of polls that holds `at` or is the last before it, and all later ones, oldest first."""
        return [run_from_row(row) for row in self._all(_COVERAGE, {"tenant_id": tenant_id, "start": at})]

    def runs_of_many(self, tenant_ids: Sequence[int], at: datetime) -> dict[int, list[PollRun]]:
        """Return of each tenant what `runs_from` returns; a tenant without any run is missing."""
        runs: dict[int, list[PollRun]] = {}
        for row in self._all(_COVERAGE_OF_MANY, {"ids": tenant_ids, "start": at}):
            runs.setdefault(row.tenant_id, []).append(run_from_row(row))
        return runs

    def many(self, tenants: Collection[Tenant]) -> dict[Tenant, Row[Any]]:
        """Return of each of these tenants what `tenant` returns; one that was never polled is missing."""
        return {row.name: row for row in self._all(_MANY_TENANTS, {"names": [*tenants]})}

    def all_runs(self, tenant_id: int) -> list[PollRun]:
        """Return a tenant's runs of successful polls, oldest first."""
        return [run_from_row(row) for row in self._all(_ALL_COVERAGE, {"tenant_id": tenant_id})]

    def lengthen_failures(
        self, tenant_id: int, revision: int, known: CurrentFailures, error: SourceError, *, at: datetime
    ) -> CurrentFailures | None:
        """Add a failure to a run if run and tenant are still as known; None if not: nothing was written."""
        if known.failure.cause is not error.cause or at < known.failure.last_failed_at:
            return None
        if known.tail.polls >= MAX_POLLS or to_epoch_us(at) < known.tail.until:
            return None
        detail = clean_text(error.detail)[:MAX_DETAIL]
        tail = known.tail.longer(to_epoch_us(at))
        longer = {"last_failed_at": at, "failure_count": known.polls + 1, "detail": detail, "steps": tail.steps}
        seen = {"failure_id": known.id, "known_failures": known.polls, "of_tenant": tenant_id}
        if not self._run(_LENGTHEN_FAILURES, longer | seen | {"known_revision": revision}):
            return None
        failure = replace(known.failure, last_failed_at=at, detail=detail)
        return replace(known, polls=known.polls + 1, failure=failure, tail=tail)

    def lengthen_coverage(self, longer: Sequence["LongerRun"]) -> Sequence["LongerRun"]:
        """Lengthen the newest runs of some tenants; return those that are not as known: of them nothing was written."""
        rows = [each.columns() for each in longer]
        if self._run(_LENGTHEN_COVERAGE, rows) == len(rows):
            return ()
        return [each for each, row in zip(longer, rows, strict=True) if self._first(_IS_LENGTHENED, row) is None]

    def add_failure(self, tenant: Tenant, error: SourceError, *, at: datetime) -> None:
        """Keep that a poll failed: equal failures in a row are one row, with the latest detail.

        Where the clock was set back, the run begins no later than its newest failure.
        """
        row = self.ensure_tenant(tenant)
        latest = {"last_failed_at": at, "cause": str(error.cause), "detail": clean_text(error.detail)[:MAX_DETAIL]}
        if row.failure_id is None:
            self._begin_failure(row.id, latest, outage_started_at=at)
            return
        outage_started_at = min(row.outage_started_at, at)
        if row.cause == error.cause and row.failure_count < MAX_POLLS:
            run = failure_count(row).with_poll(to_epoch_us(at))
            longer = {
                "outage_started_at": outage_started_at, "first_failed_at": min(row.first_failed_at, at),
                "last_failed_at": at, "failure_count": row.failure_count + 1, "steps": run.steps,
            }  # fmt: skip
            self._run(_SET_FAILURE, latest | longer | {"failure_id": row.failure_id})
            return
        self._run(_SET_FAILURE, {"failure_id": row.failure_id, "ended_at": at})
        self._begin_failure(row.id, latest, outage_started_at=outage_started_at)

    def add_success(self, snapshot: Snapshot, poll_interval: timedelta) -> int:
        """Keep that a poll was good, which ends an outage; return the tenant's number."""
        row, at = self.ensure_tenant(snapshot.tenant), snapshot.taken_at
        if row.failure_id is not None:
            self._run(_SET_FAILURE, {"failure_id": row.failure_id, "ended_at": at})
        if row.first_polled_at is None or at < row.first_polled_at:
            self._run(_SET_TENANT, {"of_tenant": row.id, "first_polled_at": at})
        self._cover(row.id, snapshot, poll_interval)
        return int(row.id)

    def _begin_failure(self, tenant_id: int, latest: dict[str, Any], *, outage_started_at: datetime) -> None:
        first = {
            "tenant_id": tenant_id, "outage_started_at": outage_started_at, "first_failed_at": latest["last_failed_at"],
            "failure_count": 1, "steps": b"",
        }  # fmt: skip
        self._run(_ADD_FAILURE, latest | first)

    def set_coverage(self, tenant_id: int, runs: Iterable[PollRun]) -> None:
        """Store exactly these runs of successful polls."""
        stored = set(self.all_runs(tenant_id))
        wanted = {part for run in runs for part in split_runs(run.instants)}
        gone = [{"of_tenant": tenant_id, "old_since": from_epoch_us(run.since)} for run in stored - wanted]
        self._run(_DELETE_COVERAGE, gone)
        new = sorted(wanted - stored, key=lambda run: run.since)
        self._run(_ADD_COVERAGE, [{"tenant_id": tenant_id} | run_columns(run) for run in new])

    def all_failures(self, tenant_id: int) -> list[FailureRun]:
        """Return every run of failed polls of a tenant, oldest first."""
        return [failure_run_of(row) for row in self._all(FAILURES, {"tenant_id": tenant_id})]

    def set_failures(self, tenant_id: int, failures: Iterable[FailureRun]) -> None:
        """Store exactly these runs of failed polls."""
        stored = {failure_run_of(row): row.id for row in self._all(FAILURES, {"tenant_id": tenant_id})}
        wanted = dict.fromkeys(failures)
        self._run(_DELETE_FAILURE, [{"failure_id": stored[run]} for run in stored if run not in wanted])
        self._run(
            _ADD_FAILURE,
            [{"tenant_id": tenant_id} | failure_columns(run) for run in wanted if run not in stored],
        )

    def _cover(self, tenant_id: int, snapshot: Snapshot, poll_interval: timedelta) -> None:
        """Put a poll into the run that it belongs to, join two that it connects, or begin one."""
        at = to_epoch_us(snapshot.taken_at)
        runs = self.runs_from(tenant_id, snapshot.taken_at)
        before = next((run for run in runs if run.since <= at), None)
        after = next((run for run in runs if run.since > at), None)
        is_within = before is not None and at <= before.until
        near: list[PollRun] = []
        if before is not None and (is_within or self._are_successive(tenant_id, before.until, at, poll_interval)):
            near.append(before)
        if after is not None and not is_within and self._are_successive(tenant_id, at, after.since, poll_interval):
            near.append(after)
        instants = sorted({at, *(instant for run in near for instant in run.instants)})
        self._run(_DELETE_COVERAGE, [{"of_tenant": tenant_id, "old_since": from_epoch_us(run.since)} for run in near])
        common = {"tenant_id": tenant_id, "latency_us": _microseconds(snapshot.latency)}
        self._run(_ADD_COVERAGE, [common | run_columns(part) for part in split_runs(instants)])

    def _are_successive(self, tenant_id: int, before: int, after: int, poll_interval: timedelta) -> bool:
        """Say whether no poll was missed between two good ones, and none has failed."""
        ends = {"tenant_id": tenant_id, "earlier": from_epoch_us(before), "later": from_epoch_us(after)}
        is_near = after - before <= longest_step(poll_interval) // _MICROSECOND
        return is_near and self._first(_FAILED_BETWEEN, ends) is None

    def fails_after(self, tenant_id: int, now: datetime) -> bool:
        """Say whether a failed poll is stored that is yet to come, as after a clock was set back."""
        return self._first(_FAILED_AFTER, {"tenant_id": tenant_id, "earlier": now}) is not None


def run_columns(run: PollRun) -> dict[str, Any]:
    """Return what stands of a run of polls in its row."""
    return {
        "first_poll_at": from_epoch_us(run.since), "last_poll_at": from_epoch_us(run.until), "poll_count": run.polls,
        "steps": run.steps,
    }  # fmt: skip


def failure_columns(run: FailureRun) -> dict[str, Any]:
    """Return what stands of a run of failed polls in its row."""
    return {
        "first_failed_at": from_epoch_us(run.since), "last_failed_at": from_epoch_us(run.until),
        "failure_count": run.polls, "outage_started_at": from_epoch_us(run.outage_since),
        "ended_at": None if run.ended_at is None else from_epoch_us(run.ended_at), "cause": str(run.cause),
        "detail": run.detail, "steps": run.steps,
    }  # fmt: skip


def failure_run_of(row: Row[Any]) -> FailureRun:
    """Return the run of failed polls of a row of `FAILURES`."""
    return FailureRun(
        since=row.since, until=row.until, polls=row.polls, outage_since=row.outage_since, ended_at=row.ended_at,
        cause=Cause(row.cause), detail=row.detail, steps=row.steps or b"",
    )  # fmt: skip


def run_from_row(row: Row[Any]) -> PollRun:
    """Return the run of good polls of a row."""
    first, last = to_epoch_us(row.first_poll_at), to_epoch_us(row.last_poll_at)
    return PollRun(since=first, until=last, polls=row.poll_count, steps=row.steps or b"")


def spans_from_runs(runs: Iterable[PollRun]) -> list[Span]:
    """Return the runs of coverage that stored runs of good polls are the parts of, oldest first."""
    return [Span(from_epoch_us(since), from_epoch_us(until)) for since, until in joined_runs(runs)]


def failure_count(row: Row[Any]) -> PollRun:
    """Return the open run of failed polls that stands in a tenant's row."""
    first, last = to_epoch_us(row.first_failed_at), to_epoch_us(row.last_failed_at)
    return PollRun(since=first, until=last, polls=row.failure_count, steps=row.steps or b"")


def _microseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def failure_from_row(tenant: Row[Any] | None) -> PollFailure | None:
    """Return the run of failures that stands in a tenant's row, if there is one."""
    if tenant is None or tenant.failure_id is None:
        return None
    return PollFailure(
        started_at=tenant.outage_started_at,
        last_failed_at=tenant.last_failed_at,
        cause=Cause(tenant.cause),
        detail=tenant.detail,
    )


def number_of(column: ColumnElement[datetime], name: str) -> ColumnElement[int]:
    """Return an instant's column as the number that it stores."""
    return type_coerce(column, BigInteger).label(name)


# An update sets the columns that its parameters name, so that those of its condition have other names.
#: Of each tenant its number, since when it is polled, its revision and the open run of failures.
WITH_FAILURE = select(
    tenants.c.id,
    tenants.c.name,
    tenants.c.first_polled_at,
    tenants.c.revision,
    tenants.c.downsampled_until,
    poll_failures.c.id.label("failure_id"),
    poll_failures.c.outage_started_at,
    poll_failures.c.first_failed_at,
    poll_failures.c.last_failed_at,
    poll_failures.c.failure_count,
    poll_failures.c.cause,
    poll_failures.c.detail,
    poll_failures.c.steps,
).select_from(
    tenants.outerjoin(
        poll_failures,
        and_(poll_failures.c.tenant_id == tenants.c.id, is_held(poll_failures), poll_failures.c.ended_at.is_(None)),
    )
)
_TENANT = WITH_FAILURE.where(tenants.c.name == bindparam("tenant"))
_MANY_TENANTS = WITH_FAILURE.where(tenants.c.name.in_(bindparam("names", expanding=True)))
_ADD_TENANT = insert(tenants)
_SET_TENANT = update(tenants).where(tenants.c.id == bindparam("of_tenant"))
_COVERAGE = (
    select(coverage.c.first_poll_at, coverage.c.last_poll_at, coverage.c.poll_count, coverage.c.steps)
    .where(
        coverage.c.tenant_id == bindparam("tenant_id"),
        is_held(coverage),
        coverage.c.first_poll_at
        >= func.coalesce(
            select(func.max(coverage.c.first_poll_at))
            .where(
                coverage.c.tenant_id == bindparam("tenant_id"),
                is_held(coverage),
                coverage.c.first_poll_at <= bindparam("start"),
            )
            .correlate(None)
            .scalar_subquery(),
            bindparam("start", type_=Instant()),
        ),
    )
    .order_by(coverage.c.first_poll_at)
)
_other = coverage.alias()
_COVERAGE_OF_MANY = (
    select(
        coverage.c.tenant_id, coverage.c.first_poll_at, coverage.c.last_poll_at, coverage.c.poll_count, coverage.c.steps
    )
    .where(
        coverage.c.tenant_id.in_(bindparam("ids", expanding=True)),
        is_held(coverage),
        coverage.c.first_poll_at
        >= func.coalesce(
            select(func.max(_other.c.first_poll_at))
            .where(
                _other.c.tenant_id == coverage.c.tenant_id,
                is_held(_other),
                _other.c.first_poll_at <= bindparam("start", type_=Instant()),
            )
            .correlate(coverage)
            .scalar_subquery(),
            bindparam("start", type_=Instant()),
        ),
    )
    .order_by(coverage.c.tenant_id, coverage.c.first_poll_at)
)
_ALL_COVERAGE = (
    select(coverage.c.first_poll_at, coverage.c.last_poll_at, coverage.c.poll_count, coverage.c.steps)
    .where(coverage.c.tenant_id == bindparam("tenant_id"), is_held(coverage))
    .order_by(coverage.c.first_poll_at)
)
_OLD_COVERAGE = and_(
    coverage.c.tenant_id == bindparam("of_tenant"),
    is_held(coverage),
    coverage.c.first_poll_at == bindparam("old_since"),
)
_ADD_COVERAGE = insert(coverage)
_SET_COVERAGE = update(coverage).where(_OLD_COVERAGE)
# What is remembered is true where the revision is the same, and so is the run that every poll lengthens.
_KNOWN_REVISION = (
    select(tenants.c.revision).where(tenants.c.id == bindparam("of_tenant")).correlate(None).scalar_subquery()
) == bindparam("known_revision")
_LENGTHEN_COVERAGE = _SET_COVERAGE.where(
    coverage.c.last_poll_at == bindparam("known_until", type_=Instant()),
    coverage.c.poll_count == bindparam("known_polls"),
    _KNOWN_REVISION,
)
_IS_LENGTHENED = select(coverage.c.tenant_id).where(
    _OLD_COVERAGE,
    coverage.c.last_poll_at == bindparam("last_poll_at", type_=Instant()),
    coverage.c.poll_count == bindparam("poll_count"),
    _KNOWN_REVISION,
)
_DELETE_COVERAGE = delete(coverage).where(_OLD_COVERAGE)
_FAILED_BETWEEN = (
    select(poll_failures.c.id)
    .where(
        poll_failures.c.tenant_id == bindparam("tenant_id"),
        is_held(poll_failures),
        poll_failures.c.first_failed_at < bindparam("later", type_=Instant()),
        poll_failures.c.last_failed_at > bindparam("earlier", type_=Instant()),
    )
    .limit(1)
)
_FAILED_AFTER = (
    select(poll_failures.c.id)
    .where(
        poll_failures.c.tenant_id == bindparam("tenant_id"),
        is_held(poll_failures),
        poll_failures.c.last_failed_at > bindparam("earlier", type_=Instant()),
    )
    .limit(1)
)
#: Every run of failed polls of a tenant, oldest first; instants as the numbers that are stored.
FAILURES = (
    select(
        poll_failures.c.id,
        number_of(poll_failures.c.first_failed_at, "since"),
        number_of(poll_failures.c.last_failed_at, "until"),
        poll_failures.c.failure_count.label("polls"),
        number_of(poll_failures.c.outage_started_at, "outage_since"),
        number_of(poll_failures.c.ended_at, "ended_at"),
        poll_failures.c.cause,
        poll_failures.c.detail,
        poll_failures.c.steps,
    )
    .where(poll_failures.c.tenant_id == bindparam("tenant_id"), is_held(poll_failures))
    .order_by(poll_failures.c.first_failed_at)
)
_ADD_FAILURE = insert(poll_failures)
_DELETE_FAILURE = delete(poll_failures).where(poll_failures.c.id == bindparam("failure_id"))
_SET_FAILURE = update(poll_failures).where(poll_failures.c.id == bindparam("failure_id"))
_LENGTHEN_FAILURES = _SET_FAILURE.where(
    poll_failures.c.ended_at.is_(None), poll_failures.c.failure_count == bindparam("known_failures"), _KNOWN_REVISION
)
