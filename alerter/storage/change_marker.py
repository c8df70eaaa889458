"""A marker that changes with each commit, by this process or another one; it takes no query.

A page that people keep open asks every few seconds. Nearly always nothing has changed, and nothing is read.
"""

import sqlite3
from contextlib import suppress
from threading import Lock
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from alerter.errors import StoreError
from alerter.storage.engine import file_at, is_sqlite, store_errors


class ChangeMarker:
    """A text that is another one after each commit.

    SQLite counts the commits of all other connections for each connection, so that one is kept that commits nothing.
    PostgreSQL names a snapshot by the transactions that it sees.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._connection: Any = None  # SQLAlchemy gives a connection of the driver no narrower type
        self._file: tuple[int, int] | None = None
        self._opened = 0

    def __call__(self) -> str:
        """Return the marker.

        Raises:
            StoreError: The database cannot be reached.
        """
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
        with self._engine.connect() as connection:
            return str(connection.execute(_SNAPSHOT).scalar_one())

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()


_SNAPSHOT = text("SELECT pg_current_snapshot()::text")
