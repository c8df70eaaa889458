"""A marker that changes with each commit, by this process or another one; it takes no query.

A page that people keep open asks every few seconds. Nearly always nothing has changed, and nothing is read.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from alerter.errors import StoreError
from alerter.storage.engine import file_at, is_sqlite, store_errors

#: How often PostgreSQL is asked for commits of other processes, in seconds.
_ASK_SECONDS = 1.0


class ChangeMarker:
    """A text that is another one after each commit.

    SQLite counts the commits of all other connections for each connection, in memory that processes share, so that one
    is kept that commits nothing. PostgreSQL names a snapshot by the transactions that it sees; it is asked after each
    commit of this process, and else once a second.

    Args:
        engine: Of the database.
        commits: Returns how many commits this process has made.
        seconds: A monotonic clock.
        before: Is called first: what waits to be committed must not stay unseen while somebody asks.
    """

    def __init__(
        self,
        engine: Engine,
        commits: Callable[[], int],
        seconds: Callable[[], float],
        *,
        before: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._commits = commits
        self._seconds = seconds
        self._before = before
        self._snapshot: tuple[int, float, str] | None = None
        self._lock = Lock()
        self._connection: Any = None  # SQLAlchemy gives a connection of the driver no narrower type
        self._file: tuple[int, int] | None = None
        self._opened = 0

    def __call__(self) -> str:
        """Return the marker.

        Raises:
            StoreError: The database cannot be reached.
        """
        self._before()
        with self._lock, store_errors(self._engine.url):
            return self._sqlite() if is_sqlite(self._engine.url) else self._postgresql()

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._close()

    def _sqlite(self) -> str:
        file = file_at(str(self._engine.url.database))
        try:
            if self._connection is None or file != self._file:
                self._close()
                self._connection, self._file = self._engine.raw_connection(), file
                self._opened += 1
            (version,) = self._connection.cursor().execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            self._close()
            raise StoreError(f"{self._engine.url.database}: {error}") from error
        return f"{self._opened}.{version}"

    def _postgresql(self) -> str:
        commits, now, known = self._commits(), self._seconds(), self._snapshot
        if known is not None and known[0] == commits and now - known[1] < _ASK_SECONDS:
            return known[2]
        with self._engine.connect() as connection:
            found = str(connection.execute(_SNAPSHOT).scalar_one())
        self._snapshot = commits, now, found
        return found

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()


_SNAPSHOT = text("SELECT pg_current_snapshot()::text")
