"""Downsampling of old history to the extremes of each hour: tenant by tenant, hours in their order, a little at a time.

`downsampling_at` is where a tenant's downsampling continues, `downsampled_until` how far it has ever come: what is
imported before that is downsampled as well, and until then no claim becomes wrong. Both move in the transaction that
downsamples, and doing it twice changes nothing, so that a process may be killed anywhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, exists, func, insert, literal, select, update

from alerter.core.downsampling import CountChange, downsampled, utc_hour
from alerter.core.series import EPOCH, Tenant, from_epoch_us, to_epoch_us
from alerter.storage.cache import Cache
from alerter.storage.count_changes import CountChanges
from alerter.storage.engine import Connecting, Repository, is_sqlite
from alerter.storage.tables import (
    NO_TEXT,
    Instant,
    coverage,
    deliveries,
    has_text,
    is_held,
    messages,
    tenants,
)
from alerter.storage.tables import (
    compressed_days as _days,
)
from alerter.storage.tables import (
    count_changes as _changes,
)

_HOUR = timedelta(hours=1)


class Downsampling(Repository):
    """Reduces old history to the extremes of each hour, and old messages to their titles."""

    def __init__(self, connection: Connecting, cache: Cache, changes: CountChanges) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            cache: Learns which tenants are changed.
            changes: The counts of its tenants.
        """
        super().__init__(connection)
        self._cache = cache
        self._changes = changes

    def tenants_to_downsample(self, before: datetime) -> list[Tenant]:
        """Return the tenants that have changes from before an instant which were not downsampled yet."""
        return [row.name for row in self._all(_TENANTS_TO_THIN, {"before": before})]

    def messages_with_old_bodies(self, *, before: datetime, limit: int) -> list[str]:
        """Return the ids of messages that were planned before an instant, reached everybody, and still have a text."""
        return [row.id for row in self._all(_WITH_OLD_BODIES, {"before": before, "limit": limit})]

    def downsample(self, tenant: Tenant, *, before: datetime, batch: int) -> int:
        """Thin some hours of a tenant's history; return how many changes were looked at, 0 at the end.

        While an import of PostgreSQL's is under way, which has rows that nobody sees yet, it does nothing.

        Args:
            tenant: Whose.
            before: The beginning of an hour, until which history is downsampled.
            batch: About the most changes, but whole hours.
        """
        row = self._all(_TENANT, {"tenant": tenant})[0]
        if not self._changes.may_rewrite():
            return 0
        start = row.downsampling_at or EPOCH
        before = self._loosened(row.id, start, before)
        scope = {"tenant_id": row.id, "start": start}
        changes = self._all(_SOME_CHANGES, scope | {"before": before, "limit": batch + 1})
        if not changes:
            return 0
        end = before
        if len(changes) > batch:
            # Of the hour of the last one there may be more.
            end = max(utc_hour(changes[-1].at), utc_hour(changes[0].at) + _HOUR)
            changes = self._all(_CHANGES, scope | {"before": end})
        self._thin(row.id, changes, begins=self._begins(row.id, utc_hour(changes[0].at), end))
        self._cache.mark_changed(tenant)
        until = end if row.downsampled_until is None else max(end, row.downsampled_until)
        self._run(_SET_TENANT, {"of_tenant": row.id, "downsampling_at": end, "downsampled_until": until})
        return len(changes)

    def _loosened(self, tenant_id: int, start: datetime, before: datetime) -> datetime:
        """Make rows of chunks between two instants until there is something to thin; return where that ends.

        That is the hour in which the next chunk begins, or the later instant where there are no more chunks.
        """
        begin = to_epoch_us(start)
        for chunk in self._changes.chunks(tenant_id, begin, to_epoch_us(before)):
            hour = utc_hour(from_epoch_us(chunk.start_at))
            if self._changes.oldest_row_at(tenant_id, begin, to_epoch_us(hour)) is not None:
                return hour
            self._changes.make_rows(tenant_id, chunk)
        return before

    def _thin(self, tenant_id: int, changes: Sequence[Row[Any]], *, begins: Sequence[datetime]) -> None:
        by_series: dict[int, list[CountChange]] = {}
        for row in changes:
            by_series.setdefault(row.series_id, []).append(CountChange(row.at, row.previous_value, row.value))
        gone: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        for number, before in by_series.items():
            kept = {change.at: change for change in downsampled(before, begins)}
            key = {"of_tenant": tenant_id, "of_series": number}
            gone += [key | {"then": change.at} for change in before if change.at not in kept]
            moved += [
                key | {"then": change.at, "previous_value": kept[change.at].was}
                for change in before
                if change.at in kept and kept[change.at] != change
            ]
        self._run(_DELETE, gone)
        self._run(_SET_WAS, moved)

    def _begins(self, tenant_id: int, since: datetime, until: datetime) -> list[datetime]:
        scope = {"tenant_id": tenant_id, "start": since, "before": until}
        runs = [(row.first_poll_at, row.last_poll_at) for row in self._all(_BEGINS, scope)]
        # What begins where another one ends goes on.
        ends = {until for _, until in runs}
        return [begin for begin, _ in runs if begin >= since and begin not in ends]

    def drop_bodies(self, message_ids: Sequence[str]) -> int:
        """Drop the texts of messages that everybody got long ago; when, to whom and under which title remains.

        They are rewritten, close together: left where it is, in SQLite each would go on keeping a page of its own.
        """
        keys = [{"key": message_id} for message_id in message_ids]
        if not is_sqlite(self._url):
            return self._run(_STRIP, keys)
        found = [row for key in keys for row in self._all(_MESSAGE, key)]
        # Between the two statements, deliveries have no message.
        self._connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        self._run(_DELETE_MESSAGE, keys)
        return self._run(_ADD_MESSAGE, [{**row._mapping, **_STRIPPED} for row in found])  # noqa: SLF001 - its name


_before = bindparam("before", type_=Instant())
_TENANT = select(tenants.c.id, tenants.c.downsampling_at, tenants.c.downsampled_until).where(
    tenants.c.name == bindparam("tenant")
)
_SET_TENANT = update(tenants).where(tenants.c.id == bindparam("of_tenant"))
_goes_on_at = func.coalesce(tenants.c.downsampling_at, literal(EPOCH, Instant()))
_TENANTS_TO_THIN = (
    select(tenants.c.name)
    .where(
        exists().where(_changes.c.tenant_id == tenants.c.id, _changes.c.at < _before, _changes.c.at >= _goes_on_at)
        | exists().where(
            _days.c.tenant_id == tenants.c.id,
            _days.c.start_at < _before,
            _days.c.end_at >= _goes_on_at,
        )
    )
    .order_by(tenants.c.id)
)
_CHANGES = (
    select(_changes.c.series_id, _changes.c.at, _changes.c.previous_value, _changes.c.value)
    .where(
        _changes.c.tenant_id == bindparam("tenant_id"),
        _changes.c.at >= bindparam("start", type_=Instant()),
        _changes.c.at < _before,
    )
    .order_by(_changes.c.at)
)
_SOME_CHANGES = _CHANGES.limit(bindparam("limit"))
_BEGINS = (
    select(coverage.c.first_poll_at, coverage.c.last_poll_at)
    .where(
        coverage.c.tenant_id == bindparam("tenant_id"),
        is_held(coverage),
        coverage.c.last_poll_at >= bindparam("start", type_=Instant()),
        coverage.c.first_poll_at < _before,
    )
    .order_by(coverage.c.first_poll_at)
)
_CHANGE = and_(
    _changes.c.tenant_id == bindparam("of_tenant"),
    _changes.c.at == bindparam("then", type_=Instant()),
    _changes.c.series_id == bindparam("of_series"),
)
_DELETE = delete(_changes).where(_CHANGE)
_SET_WAS = update(_changes).where(_CHANGE)

_WITH_OLD_BODIES = (
    select(messages.c.id)
    .where(
        has_text,
        messages.c.created_at < _before,
        ~exists().where(deliveries.c.message_id == messages.c.id, deliveries.c.sent_at.is_(None)),
    )
    .order_by(messages.c.created_at)
    .limit(bindparam("limit"))
)
_MESSAGE = select(messages).where(messages.c.id == bindparam("key"))
_DELETE_MESSAGE = delete(messages).where(messages.c.id == bindparam("key"))
_ADD_MESSAGE = insert(messages)
_STRIPPED = {"bodies": NO_TEXT, "extras": NO_TEXT}
_STRIP = update(messages).where(messages.c.id == bindparam("key")).values(**_STRIPPED)
