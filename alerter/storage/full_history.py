"""All of a tenant's history in one go, packed into arrays: for replays, which look at years of it."""

from collections.abc import Iterable
from datetime import UTC, timedelta, tzinfo
from typing import Any

from sqlalchemy import Row, bindparam, select

from alerter.core.history import SeriesHistory, TenantHistory
from alerter.core.poll_times import (
    Int64Array,
    PollRun,
    PollTimes,
    int64_array,
    joined_runs,
    merge_outages,
    reconstruct_polls,
    successful_polls,
)
from alerter.core.series import ALL_REASONS, Tenant
from alerter.storage.count_changes import CountChanges
from alerter.storage.encoding import StoredChange
from alerter.storage.engine import Connecting, Repository
from alerter.storage.poll_runs import FAILURES, PollRuns, failure_run_of, number_of
from alerter.storage.tables import coverage, is_held, series


class FullHistory(Repository):
    """Reads whole histories."""

    def __init__(self, connection: Connecting, runs: PollRuns, changes: CountChanges) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            runs: The polls of its tenants.
            changes: Their counts.
        """
        super().__init__(connection)
        self._runs = runs
        self._changes = changes

    def load(self, tenant: Tenant, *, poll_interval: timedelta, timezone: tzinfo = UTC) -> TenantHistory:
        """Return everything that is stored of a tenant's counts and polls.

        Args:
            tenant: Whose; one that was never polled has an archive without any poll.
            poll_interval: How often it is polled now.
            timezone: Where its people work.
        """
        row = self._runs.tenant(tenant)
        scope = {"tenant_id": -1 if row is None else row.id}
        runs = [PollRun(**each._mapping) for each in self._all(_RUNS, scope)]  # noqa: SLF001 - SQLAlchemy's name
        failures = [failure_run_of(each) for each in self._all(FAILURES, scope)]
        steps = _Steps(() if row is None else self._changes.read(row.id))
        good = successful_polls(runs)
        spans = list(joined_runs(runs))
        poll_times = PollTimes(
            polls=reconstruct_polls(good, failures),
            good=good,
            since=int64_array(since for since, _ in spans),
            until=int64_array(until for _, until in spans),
            outages=tuple(merge_outages(failures)),
            poll_interval=poll_interval,
            timezone=timezone,
            first_polled_at=None if row is None else row.first_polled_at,
        )
        begin = runs[0].since if runs else 0
        polling = SeriesHistory(
            tenant=tenant, reason=ALL_REASONS, at=int64_array([begin]), held=int64_array([0]), poll_times=poll_times
        )
        return TenantHistory(
            polling=polling,
            reasons=[_archive(each, polling, steps, begin) for each in self._all(_SERIES, scope)],
            thinned_until=None if row is None else row.downsampled_until,
        )


class _Steps:
    """The changes of every series, taken out of one scan in the order of time."""

    def __init__(self, changes: Iterable[StoredChange]) -> None:
        self._by_series: dict[int, tuple[int, Int64Array, Int64Array]] = {}
        by_series = self._by_series
        for at, series_id, was, held in changes:
            steps = by_series.get(series_id)
            if steps is None:
                steps = by_series[series_id] = was, int64_array(), int64_array()
            steps[1].append(at)
            steps[2].append(held)

    def of(self, series_id: int, *, held: int, begin: int) -> tuple[Int64Array, Int64Array]:
        """Return a series as a step function from the beginning on; `held` is its value where it never changed."""
        first, at, counted = self._by_series.get(series_id, (held, int64_array(), int64_array()))
        if at and at[0] <= begin:
            return at, counted
        return int64_array([begin]) + at, int64_array([first]) + counted


def _archive(row: Row[Any], polling: SeriesHistory, steps: _Steps, begin: int) -> SeriesHistory:
    at, held = steps.of(row.id, held=row.value, begin=begin)
    return SeriesHistory(
        tenant=polling.tenant,
        reason=row.reason,
        at=at,
        held=held,
        poll_times=polling.poll_times,
        first_seen_at=row.seen_since,
        first_held_at=row.first_held_at,
    )


_RUNS = (
    select(
        number_of(coverage.c.first_poll_at, "since"),
        number_of(coverage.c.last_poll_at, "until"),
        coverage.c.poll_count.label("polls"),
        coverage.c.steps,
    )
    .where(coverage.c.tenant_id == bindparam("tenant_id"), is_held(coverage))
    .order_by(coverage.c.first_poll_at)
)
_SERIES = (
    select(
        series.c.id,
        series.c.reason,
        series.c.value,
        series.c.first_held_at,
        number_of(series.c.first_seen_at, "seen_since"),
    )
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
)
