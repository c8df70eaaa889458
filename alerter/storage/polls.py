"""Polling status: the last successful poll of each tenant, and the failures since."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, or_, select

from alerter.core.rules import Lookbacks
from alerter.core.series import PollFailure, Tenant
from alerter.errors import Cause, SourceError
from alerter.storage.cache import Cache
from alerter.storage.engine import Connecting, Repository
from alerter.storage.poll_runs import WITH_FAILURE, PollRuns, failure_from_row
from alerter.storage.tables import Instant, coverage, is_held, poll_failures, tenants
from alerter.storage.windows import LookbackReach

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingStatus:
    """How a tenant's polling goes.

    Attributes:
        last_success_at: The newest successful poll; None before the first one.
        latency: How long that took; None where nobody knows.
        last_poll_at: The last poll, successful or failed; None before the first one.
        failure: The run of failed polls that the tenant is in, or None after a successful poll.
    """

    last_success_at: datetime | None = None
    latency: timedelta | None = None
    last_poll_at: datetime | None = None
    failure: PollFailure | None = None
    first_polled_at: datetime | None = None


class PollRepository(Repository):
    """Polling of tenants: how it goes, and failed polls on their way into the store."""

    def __init__(self, connection: Connecting, runs: PollRuns, cache: Cache) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            runs: The rows of its polls.
            cache: What the transaction knows of tenants.
        """
        super().__init__(connection)
        self._runs = runs
        self._cache = cache

    def tenants(self) -> list[Tenant]:
        """Return every tenant that was ever polled, in the order of their first polls."""
        return [row.name for row in self._all(_TENANTS)]

    def status(self, tenant: Tenant) -> PollingStatus:
        """Return how the tenant's polling goes; nothing is known of a tenant that was never polled."""
        row = self._runs.tenant(tenant)
        newest = None if row is None else self._first(_NEWEST_COVERAGE, {"tenant_id": row.id})
        return _status_from_rows(row, newest)

    def status_by_tenant(self, tenants: Collection[Tenant] | None = None) -> dict[Tenant, PollingStatus]:
        """Return how the polling of tenants goes that were ever polled, in one look.

        Args:
            tenants: Of whom; None for all.
        """
        rows, newest, scope = _ALL_WITH_FAILURE, _NEWEST_COVERAGES, {}
        if tenants is not None:
            rows, newest, scope = _SOME_WITH_FAILURE, _SOME_NEWEST_COVERAGES, {"names": [*tenants]}
        newest_by_tenant = {row.tenant_id: row for row in self._all(newest, scope)}
        return {row.name: _status_from_rows(row, newest_by_tenant.get(row.id)) for row in self._all(rows, scope)}

    def first_poll_at(self) -> datetime | None:
        """Return how far back successful polls are known; None before the first one."""
        row = self._first(_OLDEST_COVERAGE)
        return None if row is None else row.first_poll_at

    def failure_at(self, tenant: Tenant, at: datetime) -> PollFailure | None:
        """Return the run of failed polls that a tenant was in at an instant, or None after a successful poll."""
        row = self._first(_FAILURE_AT, {"tenant": tenant, "instant": at})
        if row is None:
            return None
        return PollFailure(
            started_at=row.outage_started_at,
            last_failed_at=min(row.last_failed_at, at),
            cause=Cause(row.cause),
            detail=row.detail,
        )

    def add_failure(
        self,
        tenant: Tenant,
        error: SourceError,
        *,
        poll_interval: timedelta = timedelta(0),
        windows: Lookbacks | None = None,
        at: datetime,
    ) -> None:
        """Store that a poll failed: equal failures in a row are one row, with the latest detail.

        Where the clock was set back, the run begins no later than its newest failure.

        Args:
            tenant: Whose.
            error: What it failed of.
            poll_interval: How often the tenant is polled.
            windows: How far back the rules look, which is what is cached for the next poll; None for nothing.
            at: When it had failed.
        """
        reach = None if windows is None else LookbackReach(windows, poll_interval)
        if self._cache.add_failure(tenant, error, reach, at=at):
            return
        self._runs.add_failure(tenant, error, at=at)
        self._cache.load(tenant, reach, now=at)


def _status_from_rows(tenant: Row[Any] | None, newest: Row[Any] | None) -> PollingStatus:
    failure = failure_from_row(tenant)
    last_success_at = None if newest is None else newest.last_poll_at
    return PollingStatus(
        last_success_at=last_success_at,
        latency=None if newest is None or newest.latency_us is None else newest.latency_us * _MICROSECOND,
        last_poll_at=failure.last_failed_at if failure else last_success_at,
        failure=failure,
        first_polled_at=None if tenant is None else tenant.first_polled_at,
    )


_TENANTS = select(tenants.c.id, tenants.c.name).order_by(tenants.c.id)
_ALL_WITH_FAILURE = WITH_FAILURE.order_by(tenants.c.id)
_is_named = tenants.c.name.in_(bindparam("names", expanding=True))
_SOME_WITH_FAILURE = _ALL_WITH_FAILURE.where(_is_named)
_NEWEST_COVERAGE = (
    select(coverage.c.last_poll_at, coverage.c.latency_us)
    .where(coverage.c.tenant_id == bindparam("tenant_id"), is_held(coverage))
    .order_by(coverage.c.first_poll_at.desc())
    .limit(1)
)
_OLDEST_COVERAGE = select(coverage.c.first_poll_at).where(is_held(coverage)).order_by(coverage.c.first_poll_at).limit(1)
_newest = (
    select(coverage.c.tenant_id, func.max(coverage.c.first_poll_at).label("first_poll_at"))
    .where(is_held(coverage))
    .group_by(coverage.c.tenant_id)
    .subquery()
)
_NEWEST_COVERAGES = select(coverage.c.tenant_id, coverage.c.last_poll_at, coverage.c.latency_us).join(
    _newest,
    and_(
        coverage.c.tenant_id == _newest.c.tenant_id,
        is_held(coverage),
        coverage.c.first_poll_at == _newest.c.first_poll_at,
    ),
)
_SOME_NEWEST_COVERAGES = _NEWEST_COVERAGES.where(coverage.c.tenant_id.in_(select(tenants.c.id).where(_is_named)))
_FAILURE_AT = (
    select(poll_failures)
    .join_from(poll_failures, tenants)
    .where(
        tenants.c.name == bindparam("tenant"),
        is_held(poll_failures),
        poll_failures.c.first_failed_at <= bindparam("instant", type_=Instant()),
        or_(poll_failures.c.ended_at.is_(None), poll_failures.c.ended_at > bindparam("instant", type_=Instant())),
    )
    .order_by(poll_failures.c.id.desc())
    .limit(1)
)
