"""The size and growth of the database, and how the space of deleted rows is returned to the disk.

SQLite keeps the pages of deleted rows for new ones. A file whose `auto_vacuum` is incremental, as every new one's is,
can hand them back a few at a time; an older one must be rewritten as a whole. PostgreSQL vacuums by itself.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, select

from alerter.errors import StoreError
from alerter.storage.connections import connect
from alerter.storage.engine import Repository, is_sqlite, size_bytes
from alerter.storage.tables import Instant, database_sizes

#: So much of a file stays free for the rows of the next days, rather than to be given back and taken again.
SPARE = 0.05
#: How often the size is noted, and for how long that is kept.
_NOTED_EVERY = timedelta(hours=20)
_KEPT_FOR = timedelta(days=35)
#: Growth over less says little.
_LEAST = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """How large the database is.

    Attributes:
        size_bytes: All of it, with what has not been moved into the file yet.
        free_bytes: What of that is free for new rows; 0 for PostgreSQL, which does not say.
        bytes_per_day: By how much what it holds has grown a day, over the last month at most; None in the first days.
    """

    size_bytes: int
    free_bytes: int
    bytes_per_day: float | None


class DatabaseSizes(Repository):
    """How large the database is, and how large it was."""

    def database_size(self, *, now: datetime) -> DatabaseSize:
        """Return how large the database is, and how fast it grows."""
        engine = self._connection.engine
        total, free = size_bytes(engine), _free_bytes(self._connection)
        oldest = self._first(_OLDEST)
        growth = None
        if oldest is not None and now - oldest.at >= _LEAST:
            growth = (total - free - oldest.used_bytes) / ((now - oldest.at) / timedelta(days=1))
        return DatabaseSize(size_bytes=total, free_bytes=free, bytes_per_day=growth)

    def record_size(self, *, now: datetime) -> int:
        """Note the size once a day, and drop what is older than a month; return how many rows changed."""
        newest = self._first(_NEWEST)
        if newest is not None and newest.at <= now < newest.at + _NOTED_EVERY:
            return 0
        found = self.database_size(now=now)
        self._put(database_sizes, [{"at": now, "used_bytes": found.size_bytes - found.free_bytes}])
        return 1 + self._run(_FORGET, {"start": now - _KEPT_FOR, "end": now})

    def vacuum_pages(self, pages: int) -> int:
        """Give free pages of an SQLite file back to the disk; return how many, 0 where there is nothing to do.

        Args:
            pages: The most to free; others are moved into their places first.
        """
        connection = self._connection
        if not is_sqlite(connection.engine.url) or _pragma(connection, "auto_vacuum") != _INCREMENTAL:
            return 0
        spare = int(_pragma(connection, "page_count") * SPARE)
        number = min(pages, max(0, _pragma(connection, "freelist_count") - spare))
        for _ in range(number):
            # With a number of pages, the driver would stop after the first one.
            connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        return number


def vacuum(path: Path) -> None:
    """Rewrite an SQLite file without free pages; from then on it gives back what is deleted.

    Raises:
        StoreError: There is no room for another copy of it, or somebody uses it; it is as before.
    """
    try:
        with closing(connect(path, "rw")) as connection:
            connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}; it is as before") from error


def _free_bytes(connection: Connection) -> int:
    if not is_sqlite(connection.engine.url):
        return 0
    return _pragma(connection, "freelist_count") * _pragma(connection, "page_size")


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


_INCREMENTAL = 2
_OLDEST = select(database_sizes).order_by(database_sizes.c.at).limit(1)
_NEWEST = select(database_sizes).order_by(database_sizes.c.at.desc()).limit(1)
# What a clock that was wrong has left ahead of now says nothing either.
_FORGET = delete(database_sizes).where(
    (database_sizes.c.at < bindparam("start", type_=Instant()))
    | (database_sizes.c.at > bindparam("end", type_=Instant()))
)
