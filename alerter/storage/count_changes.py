"""Count changes in time order: recent ones from rows, older days from compressed blobs.

A poll writes rows, each of which can be changed. Days that nobody writes to any more are packed into chunks, off the
cycle, and become rows again where somebody does. A chunk ends with its day at the latest, and from its first instant to
its last one its tenant has no rows: to read a history in order is to take chunks and rows in turn.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Integer,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    select,
    text,
    tuple_,
    type_coerce,
)

from alerter.core.downsampling import utc_day
from alerter.core.series import Tenant, from_epoch_us, to_epoch_us
from alerter.errors import StoreError
from alerter.storage.compression import CorruptDay, decode, encode
from alerter.storage.encoding import StoredChange
from alerter.storage.engine import ADVISORY_HISTORY, Repository, is_sqlite, location, try_lock
from alerter.storage.tables import Instant, tenants
from alerter.storage.tables import compressed_days as _days
from alerter.storage.tables import count_changes as _changes

#: The changes of one chunk at most, except that those of one instant stay together.
MAX_CHUNK = 2_000
#: The rows, and the chunks, that are read at a time.
_PAGE, _PAGE_OF_CHUNKS = 5_000, 50
#: Before and after all instants.
BEGINNING, END = -(2**63), 2**63 - 1
_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)

_Chunk: TypeAlias = Row[Any]


class CountChanges(Repository):
    """The changes of counts, wherever they are: one way to read them, one way to write where days are compressed."""

    def read(
        self, tenant_id: int, *, since: int = BEGINNING, until: int = END, series: Collection[int] | None = None
    ) -> Iterator[StoredChange]:
        """Yield changes, oldest first; of one instant, in the order of series. Little of them is in memory at a time.

        Args:
            tenant_id: Whose.
            since: From this instant on.
            until: Up to this instant, itself not included.
            series: Of which series; None for all.
        """
        only = None if series is None else frozenset(series)
        loose = self._loose(tenant_id, since, until)
        found = self._in_order(self.chunks(tenant_id, since, until), loose, since, until, only)
        return found if only is None else (change for change in found if change[1] in only)

    def read_many(
        self, tenant_ids: Sequence[int], *, since: int, series: Collection[int] | None = None
    ) -> dict[int, list[StoredChange]]:
        """Return the changes of some tenants from an instant on, of each oldest first; none of one without any.

        Args:
            tenant_ids: Whose.
            since: From this instant on.
            series: Of which of their series; None for all.
        """
        chunks_of = group_by_tenant(self._all(_CHUNKS_OF_MANY, {"ids": tenant_ids, **_from(since)}))
        only = None if series is None else frozenset(series)
        loose, scope = _LOOSE_OF_MANY, {"ids": tenant_ids, "since": since}
        if series is not None:
            loose, scope = _LOOSE_OF_SERIES, scope | {"series": [*series]}
        loose_of = group_by_tenant(self._all(loose, scope))
        return {
            tenant_id: list(
                self._in_order(
                    iter(chunks_of.get(tenant_id, ())),
                    ((row.at, row.series_id, row.previous_value, row.value) for row in loose_of.get(tenant_id, ())),
                    since,
                    END,
                    only,
                )
            )
            for tenant_id in chunks_of.keys() | loose_of.keys()
        }

    def _in_order(
        self,
        compressed: Iterator[_Chunk],
        loose: Iterator[StoredChange],
        since: int,
        until: int,
        only: frozenset[int] | None,
    ) -> Iterator[StoredChange]:
        row = next(loose, None)
        for chunk in compressed:
            while row is not None and row[0] < chunk.start_at:
                yield row
                row = next(loose, None)
            yield from self._unpacked(chunk, since, until, only)
        if row is not None:
            yield row
            yield from loose

    def _unpacked(
        self, chunk: _Chunk, since: int = BEGINNING, until: int = END, only: frozenset[int] | None = None
    ) -> Sequence[StoredChange]:
        try:
            changes = list(decode(chunk.changes, only))
        except CorruptDay as error:
            began = from_epoch_us(chunk.start_at).isoformat()
            raise StoreError(
                f"{location(self._url)}: damaged: the counts of {began} cannot be read: {error}"
            ) from error
        if since <= chunk.start_at and chunk.end_at < until:
            return changes
        return changes[bisect_left(changes, since, key=_at) : bisect_left(changes, until, key=_at)]

    def chunks(self, tenant_id: int, since: int, until: int) -> Iterator[_Chunk]:
        """Yield the compressed days that reach into a span, oldest first; its end is not part of it."""
        while True:
            page = self._all(_CHUNKS, {"tenant_id": tenant_id, "until": until, **_from(since)})
            yield from page
            if len(page) < _PAGE_OF_CHUNKS:
                return
            since = page[-1].end_at + 1

    def _loose(self, tenant_id: int, since: int, until: int) -> Iterator[StoredChange]:
        """Yield what is in rows, page by page: a cursor would have to be closed by a caller that stops halfway."""
        scope = {"tenant_id": tenant_id, "until": until, "last_at": since, "last_series": -1}
        while True:
            page = self._all(_LOOSE, scope)
            yield from map(tuple, page)
            if len(page) < _PAGE:
                return
            scope |= {"last_at": page[-1].at, "last_series": page[-1].series_id}

    def oldest_row_at(self, tenant_id: int, since: int, until: int) -> int | None:
        """Return the first instant of a span, but for its end, that has a row; None for none."""
        row = self._first(_OLDEST_LOOSE, {"tenant_id": tenant_id, "since": since, "until": until})
        return None if row is None else int(row.at)

    def tenant_id_of(self, tenant: Tenant) -> int:
        """Return the number of a tenant that there is."""
        return int(self._all(_TENANT, {"tenant": tenant})[0].id)

    def tenants_to_compress(self, before: datetime) -> list[Tenant]:
        """Return the tenants that have changes in rows from before an instant."""
        return [row.name for row in self._all(_TENANTS_TO_COMPRESS, {"before": before})]

    def compress(self, tenant: Tenant, *, before: datetime) -> int:
        """Make a chunk of a tenant's oldest rows, at most of a day; return how many there were, 0 at the end.

        While an import of PostgreSQL's is under way, which has rows that nobody sees yet, it does nothing.

        Args:
            tenant: Whose.
            before: Later rows stay.
        """
        tenant_id = self.tenant_id_of(tenant)
        oldest = self.oldest_row_at(tenant_id, BEGINNING, to_epoch_us(before))
        if oldest is None or not self.may_rewrite():
            return 0
        changes = self._for_a_chunk(tenant_id, oldest, self._end_of_chunk(tenant_id, oldest, to_epoch_us(before)))
        first, last = changes[0][0], changes[-1][0]
        span = {"start_at": from_epoch_us(first), "end_at": from_epoch_us(last)}
        self._run(_ADD_CHUNK, {"tenant_id": tenant_id, **span, "changes": encode(changes)})
        return self._run(_DELETE_LOOSE, {"of_tenant": tenant_id, "first": first, "last": last})

    def _for_a_chunk(self, tenant_id: int, since: int, until: int) -> Sequence[StoredChange]:
        """Return the first rows of a span, as many as a chunk takes, and all of an instant."""
        changes = list(islice(self._loose(tenant_id, since, until), MAX_CHUNK + 1))
        if len(changes) <= MAX_CHUNK:
            return changes
        newest = changes[-1][0]
        return changes[: bisect_left(changes, newest, key=_at)] or list(self._loose(tenant_id, newest, newest + 1))

    def _end_of_chunk(self, tenant_id: int, since: int, before: int) -> int:
        """Return where a chunk that begins with an instant must have ended: at the next chunk, or with its day."""
        following = self._first(_NEXT_CHUNK, {"tenant_id": tenant_id, "after": since})
        next_day = to_epoch_us(utc_day(from_epoch_us(since)) + _DAY)
        return min(before, next_day, END if following is None else following.start_at)

    def may_rewrite(self) -> bool:
        """Say whether no import is under way, which may write rows where nobody sees them yet."""
        return try_lock(self._connection, ADVISORY_HISTORY)

    def decompress(self, tenant_id: int, *, since: int = BEGINNING, until: int = END) -> None:
        """Make rows of the chunks that reach into a span, so that it can be written to: its end is not part of it."""
        for chunk in self.chunks(tenant_id, since, until):
            self.make_rows(tenant_id, chunk)

    def decompress_around(self, tenant_id: int, instants: Sequence[int]) -> None:
        """Make rows of the chunks within which any of some instants lie, of which there is at least one, in order."""
        for chunk in self.chunks(tenant_id, instants[0], instants[-1] + 1):
            nearest = bisect_left(instants, chunk.start_at)
            if nearest < len(instants) and instants[nearest] <= chunk.end_at:
                self.make_rows(tenant_id, chunk)

    def make_rows(self, tenant_id: int, chunk: _Chunk) -> None:
        """Make rows of a compressed day, so that it can be written to."""
        # In this order: where an import and a poll that amends do the same, the second one finds it done, and must not
        # undo what the first one has written since.
        if self._run(_DELETE_CHUNK, {"of_tenant": tenant_id, "first": chunk.start_at}):
            self.put([(tenant_id, *change) for change in self._unpacked(chunk)])

    def put(self, rows: Sequence[tuple[int, ...]]) -> None:
        """Write rows, each the number of its tenant and a change, in place of those that are there."""
        if rows and is_sqlite(self._url):
            self._run_many(_PUT_CHANGE, rows)
        elif rows:
            self._run(_PUT_CHANGES, dict(zip(_CHANGE, map(list, zip(*rows, strict=True)), strict=True)))


def _from(since: int) -> dict[str, int]:
    """Return how to find the chunks that end at or after an instant: none of them began a day before it."""
    return {"since": since, "day_before": max(BEGINNING, since - _DAY // _MICROSECOND)}


def group_by_tenant(rows: Iterable[Row[Any]]) -> dict[int, list[Row[Any]]]:
    """Return rows by the number of their tenant, each tenant's in their order."""
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found


_at = itemgetter(0)

# Numbers, not instants: most of these are packed as they come.
_since, _until = bindparam("since", type_=BigInteger()), bindparam("until", type_=BigInteger())
_first, _last = bindparam("first", type_=BigInteger()), bindparam("last", type_=BigInteger())
_CHUNK = (
    _days.c.tenant_id,
    type_coerce(_days.c.start_at, BigInteger).label("start_at"),
    type_coerce(_days.c.end_at, BigInteger).label("end_at"),
    _days.c.changes,
)
_REACHES = and_(_days.c.start_at > bindparam("day_before", type_=BigInteger()), _days.c.end_at >= _since)
_CHUNKS = (
    select(*_CHUNK)
    .where(_days.c.tenant_id == bindparam("tenant_id"), _REACHES, _days.c.start_at < _until)
    .order_by(_days.c.start_at)
    .limit(_PAGE_OF_CHUNKS)
)
_CHUNKS_OF_MANY = (
    select(*_CHUNK)
    .where(_days.c.tenant_id.in_(bindparam("ids", expanding=True)), _REACHES)
    .order_by(_days.c.tenant_id, _days.c.start_at)
)
_NEXT_CHUNK = (
    select(type_coerce(_days.c.start_at, BigInteger).label("start_at"))
    .where(
        _days.c.tenant_id == bindparam("tenant_id"),
        _days.c.start_at > bindparam("after", type_=BigInteger()),
    )
    .order_by(_days.c.start_at)
    .limit(1)
)
_ADD_CHUNK = insert(_days)
_DELETE_CHUNK = delete(_days).where(_days.c.tenant_id == bindparam("of_tenant"), _days.c.start_at == _first)

_CHANGE_COLUMNS = (
    type_coerce(_changes.c.at, BigInteger).label("at"), _changes.c.series_id, _changes.c.previous_value,
    _changes.c.value,
)  # fmt: skip
_LOOSE = (
    select(*_CHANGE_COLUMNS)
    .where(
        _changes.c.tenant_id == bindparam("tenant_id"),
        _changes.c.at < _until,
        tuple_(_changes.c.at, _changes.c.series_id)
        > tuple_(bindparam("last_at", type_=BigInteger()), bindparam("last_series", type_=Integer())),
    )
    .order_by(_changes.c.at, _changes.c.series_id)
    .limit(_PAGE)
)
_LOOSE_OF_MANY = (
    select(_changes.c.tenant_id, *_CHANGE_COLUMNS)
    .where(_changes.c.tenant_id.in_(bindparam("ids", expanding=True)), _changes.c.at >= _since)
    .order_by(_changes.c.tenant_id, _changes.c.at)
)
_LOOSE_OF_SERIES = _LOOSE_OF_MANY.where(_changes.c.series_id.in_(bindparam("series", expanding=True)))
_OLDEST_LOOSE = (
    select(type_coerce(_changes.c.at, BigInteger).label("at"))
    .where(_changes.c.tenant_id == bindparam("tenant_id"), _changes.c.at >= _since, _changes.c.at < _until)
    .order_by(_changes.c.at)
    .limit(1)
)
_DELETE_LOOSE = delete(_changes).where(
    _changes.c.tenant_id == bindparam("of_tenant"), _changes.c.at.between(_first, _last)
)
_TENANT = select(tenants.c.id).where(tenants.c.name == bindparam("tenant"))
_TENANTS_TO_COMPRESS = (
    select(tenants.c.name)
    .where(exists().where(_changes.c.tenant_id == tenants.c.id, _changes.c.at < bindparam("before", type_=Instant())))
    .order_by(tenants.c.id)
)
# A large import has millions of these: plain numbers in plain text save half the time, and PostgreSQL takes a thousand
# rows in one statement in a tenth of the time that it takes for as many statements.
_CHANGE = ("tenant_id", "at", "series_id", "previous_value", "value")
_INSERT = f"INSERT INTO count_changes ({', '.join(_CHANGE)})"
_REPLACE = (
    "ON CONFLICT (tenant_id, at, series_id) "
    "DO UPDATE SET previous_value = excluded.previous_value, value = excluded.value"
)
_PUT_CHANGE = f"{_INSERT} VALUES (?, ?, ?, ?, ?) {_REPLACE}"
_PUT_CHANGES = text(
    f"{_INSERT} SELECT * FROM unnest(CAST(:tenant_id AS integer[]), CAST(:at AS bigint[]), "  # noqa: S608 - our own
    f"CAST(:series_id AS integer[]), CAST(:previous_value AS bigint[]), CAST(:value AS bigint[])) {_REPLACE}"
)
