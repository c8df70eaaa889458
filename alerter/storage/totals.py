"""Sums over many tenants, added up from the cached state of each.

To read a tenant takes a millisecond and more, and so does to make its series; over thousands that is seconds in which
nobody's answer is kept. The cached state of a tenant is valid for a poll of another as well, if one look into the
database finds nothing that has changed it since. Of one that another instance has only polled since, what those polls
changed is read; a tenant that is not cached is read whole. Both are done for many together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, bindparam, func, select

from alerter.core.poll_times import PackedRun
from alerter.core.rules import SumMember
from alerter.core.selectors import Selector
from alerter.core.series import (
    ALL_REASONS,
    ALL_TENANTS,
    TOLERANCE_INTERVALS,
    HoldReason,
    Sample,
    Series,
    Span,
    Tenant,
    from_epoch_us,
    sum_of_tenants,
    to_epoch_us,
)
from alerter.storage.cache import Cache, CachedTenant, polling_series_at
from alerter.storage.count_changes import CountChanges, group_by_tenant
from alerter.storage.encoding import StoredChange
from alerter.storage.engine import Connecting, Repository
from alerter.storage.poll_runs import WITH_FAILURE, PollRuns, failure_from_row, spans_from_runs
from alerter.storage.tables import coverage, is_held, series, tenants
from alerter.storage.windows import MARGIN, LookbackReach, PackedSeries

#: The tenants that are read at a time.
READ_TOGETHER = 200

_Entry = TypeVar("_Entry")


class TenantSums(Repository):
    """Adds up what many tenants hold."""

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

    def total(self, members: Sequence[SumMember], reasons: Selector, *, window: timedelta, now: datetime) -> Series:
        """Return the sum over tenants of what is held for some reasons.

        It is what `sum_of_tenants` makes of the sums over the reasons of each, as far back as a rule with this window
        looks. Where not every tenant is seen now, nothing is added up: it has no value, and no changes.

        Args:
            members: The tenants, at least one; their windows reach back as far as this one does.
            reasons: Which hold reasons.
            window: How far back the rule looks.
            now: The window's end.
        """
        rows = {row.name: row for row in self._all(_NOW)}
        if not all(_may_be_seen(member, rows.get(member.tenant), now=now) for member in members):
            return _unseen(members, rows)
        known = self._cached(members, rows, now=now)
        pollings = [polling_series_at(each.tenant, known[each.tenant], each.timezone, now=now) for each in members]
        longest = max(member.poll_interval for member in members)
        begin = now - window - TOLERANCE_INTERVALS * longest - MARGIN
        wanted = _Wanted(reasons)
        deltas: list[tuple[int, int]] = []
        held = sum(known[each.tenant].series.add_up(wanted, to_epoch_us(begin), deltas) for each in members)
        return replace(sum_of_tenants(pollings), changes=_changes(begin, held, deltas))

    def _cached(
        self, members: Sequence[SumMember], rows: Mapping[str, Row[Any]], *, now: datetime
    ) -> dict[Tenant, CachedTenant]:
        """Return what is known of each tenant; what had to be read is cached from now on."""
        found: dict[Tenant, CachedTenant] = {}
        behind: list[tuple[Tenant, CachedTenant]] = []
        missing: list[SumMember] = []
        for member in members:
            tenant, row = member.tenant, rows[member.tenant]
            known = self._cache.view(tenant)
            if known is None or not _was_true(known, member, row):
                missing.append(member)
            elif _is_true(known, row):
                found[tenant] = known
            else:
                behind.append((tenant, known))
        read: dict[Tenant, CachedTenant] = {}
        for some in _parts(behind):
            read |= self._caught_up(some, rows)
        for others in _parts(missing):
            read |= self._read_together(others, rows, now=now)
        self._cache.known |= {tenant: known for tenant, known in read.items() if known.coverage[-1].end_at <= now}
        return found | read

    def _caught_up(
        self, behind: Sequence[tuple[Tenant, CachedTenant]], rows: Mapping[str, Row[Any]]
    ) -> dict[Tenant, CachedTenant]:
        """Read what polls have changed since; alerts may have, too."""
        since = min(known.coverage[-1].end_at for _, known in behind)
        changes = self._changes.read_many([known.id for _, known in behind], since=to_epoch_us(since) + 1)
        return {tenant: _continued(known, changes.get(known.id, ()), rows[tenant]) for tenant, known in behind}

    def _read_together(
        self, members: Sequence[SumMember], rows: Mapping[str, Row[Any]], *, now: datetime
    ) -> dict[Tenant, CachedTenant]:
        reaches = {member.tenant: LookbackReach(member.windows, member.poll_interval) for member in members}
        start = min(reach.start(now=now) for reach in reaches.values())
        ids = [rows[member.tenant].id for member in members]
        known = group_by_tenant(self._all(_SERIES, {"ids": ids}))
        runs = self._runs.runs_of_many(ids, start)
        changes = self._changes.read_many(ids, since=to_epoch_us(start) + 1)
        return {
            tenant: CachedTenant(
                id=row.id,
                revision=row.revision,
                first_polled_at=row.first_polled_at,
                coverage=spans_from_runs(runs[row.id]),
                tail=PackedRun.of(runs[row.id][-1]),
                parts=runs[row.id][:-1],
                polls=runs[row.id][-1].polls,
                failures=self._runs.current_failures(row),
                series=PackedSeries.of(known.get(row.id, ()), changes.get(row.id, ()), reach, now=now),
            )
            for tenant, reach in reaches.items()
            for row in (rows[tenant],)
        }


class _Wanted(dict[HoldReason, bool]):
    """Whether a reason is one of those; thousands of tenants have the same names."""

    def __init__(self, reasons: Selector) -> None:
        super().__init__()
        self._reasons = reasons

    def __missing__(self, reason: HoldReason) -> bool:
        self[reason] = self._reasons.matches(reason)
        return self[reason]


def _may_be_seen(member: SumMember, row: Row[Any] | None, *, now: datetime) -> bool:
    """Say whether the tenant may have a value now: its newest good poll is not too old, and none has failed since."""
    if row is None or row.newest_last_poll_at is None:
        return False
    if row.newest_last_poll_at + TOLERANCE_INTERVALS * member.poll_interval < now:
        return False
    failure = failure_from_row(row)
    return failure is None or now < failure.started_at


def _unseen(members: Sequence[SumMember], rows: Mapping[str, Row[Any]]) -> Series:
    """Return a sum of which nothing can be said."""
    found = [failure_from_row(rows.get(member.tenant)) for member in members]
    failures = [failure for failure in found if failure is not None]
    timezones = {member.timezone for member in members}
    return Series(
        tenant=ALL_TENANTS,
        reason=ALL_REASONS,
        changes=(),
        coverage=(),
        poll_interval=max(member.poll_interval for member in members),
        poll_failure=min(failures, key=attrgetter("started_at"), default=None),
        timezone=timezones.pop() if len(timezones) == 1 else UTC,
    )


def _was_true(known: CachedTenant, member: SumMember, row: Row[Any]) -> bool:
    """Say whether nothing but good polls of the same run has changed what is remembered."""
    if known.revision != row.revision or known.series.reach != LookbackReach(member.windows, member.poll_interval):
        return False
    if not known.coverage or known.coverage[-1].end_at > row.newest_last_poll_at:
        return False
    open_run = None if known.failures is None else (known.failures.id, known.failures.polls)
    return open_run == (None if row.failure_id is None else (row.failure_id, row.failure_count))


def _is_true(known: CachedTenant, row: Row[Any]) -> bool:
    """Say whether what was remembered is still so, by what each poll leaves in the database."""
    return (known.coverage[-1].end_at, known.polls) == (row.newest_last_poll_at, row.newest_poll_count)


def _continued(known: CachedTenant, changes: Iterable[StoredChange], row: Row[Any]) -> CachedTenant:
    """Return what is known of a tenant after further polls of the same run; alerts must be read."""
    run = known.coverage[-1]
    until = to_epoch_us(run.end_at)
    place_by_id = {number: place for place, number in enumerate(known.series.ids)}
    return replace(
        known,
        coverage=[*known.coverage[:-1], Span(run.start_at, row.newest_last_poll_at)],
        tail=None,
        polls=row.newest_poll_count,
        series=known.series.continued(
            (place_by_id[number], Sample(from_epoch_us(at), held)) for at, number, _, held in changes if at > until
        ),
        alerts=None,
        notified=None,
        skip_cache=None,
    )


def _parts(whole: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    """Yield as many at a time as are read together."""
    return (whole[first : first + READ_TOGETHER] for first in range(0, len(whole), READ_TOGETHER))


def _changes(begin: datetime, held: int, deltas: list[tuple[int, int]]) -> tuple[Sample, ...]:
    """Return the sum of step functions from what they held at the beginning and by how much each changed after it."""
    steps = [Sample(begin, held)]
    deltas.sort(key=itemgetter(0))
    for number, together in groupby(deltas, key=itemgetter(0)):
        held += sum(delta for _, delta in together)
        steps.append(Sample(from_epoch_us(number), held))
    return tuple(steps)


_other = coverage.alias()


def _newest(column: str) -> ColumnElement[Any]:
    """Return a column of each tenant's newest run of good polls."""
    own = (_other.c.tenant_id == tenants.c.id) & is_held(_other)
    newest = select(func.max(_other.c.first_poll_at)).where(own).correlate(tenants).scalar_subquery()
    return (
        select(coverage.c[column])
        .where(coverage.c.tenant_id == tenants.c.id, is_held(coverage), coverage.c.first_poll_at == newest)
        .correlate(tenants)
        .scalar_subquery()
        .label(f"newest_{column}")
    )


_NOW = WITH_FAILURE.add_columns(_newest("last_poll_at"), _newest("poll_count"))
_SERIES = (
    select(series.c.tenant_id, series.c.id, series.c.reason, series.c.value, series.c.first_held_at)
    .where(series.c.tenant_id.in_(bindparam("ids", expanding=True)))
    .order_by(series.c.id)
)
