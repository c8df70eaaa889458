"""Connections to SQLite files, of which root uses another user's as that user does.

SQLite opens files whenever it needs them: the WAL, its index, a journal, a temporary file. So each call of such a
connection acts as the owner of the folder, not only the one that opens it.
"""

import sqlite3
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from alerter.adapters.folders import Folder, find

#: What SQLite opens beside a database; the first one is the database itself.
SUFFIXES = ("", "-wal", "-shm", "-journal")

_Return = TypeVar("_Return")


def connect(
    path: Path, mode: str, *, timeout: float = 5.0, isolation_level: str | None = None, check_same_thread: bool = True
) -> sqlite3.Connection:
    """Open an SQLite file.

    Args:
        path: Where it is.
        mode: How, in SQLite's words: `ro`, `rw` or `rwc`, and what may follow in a URI.
        timeout: How long it waits for another writer, in seconds.
        isolation_level: None where the caller begins transactions itself.
        check_same_thread: Whether only one thread may use it.

    Raises:
        sqlite3.Error: It cannot be opened; also if the folder cannot, or if what is there is no file.
    """
    options: dict[str, Any] = {
        "uri": True, "timeout": timeout, "isolation_level": isolation_level, "check_same_thread": check_same_thread,
    }  # fmt: skip
    try:
        found = find(path)
        with found.entered() as reached:
            found.check(*SUFFIXES)
            uri = f"file:{quote(str(reached))}?mode={mode}"
            if found.folder is None:
                connection: sqlite3.Connection = sqlite3.connect(uri, **options)
            else:
                connection = sqlite3.connect(uri, factory=_OwnersConnection, **options)
                connection.folder = found.folder
            return connection
    except OSError as error:
        text = f"unable to open database file: {error.strerror}"
        raise sqlite3.OperationalError(text if error.filename is None else f"{text}: {error.filename}") from error


def copy_all(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy all that is committed in one file into another, which may be in the folder of another user.

    Raises:
        sqlite3.Error: One of them cannot be read or written.
    """
    # From here on the source is open with all its files; what the copy opens yet is the target's.
    source.execute("BEGIN")
    source.execute("SELECT 1 FROM sqlite_schema").fetchall()
    with target.folder.entered() if isinstance(target, _OwnersConnection) else nullcontext():
        sqlite3.Connection.backup(source, target)
    source.execute("ROLLBACK")


def _as_owner(method: Callable[..., _Return]) -> Callable[..., _Return]:
    @wraps(method)
    def call(self: "_OwnersConnection | _OwnersCursor", *args: Any, **options: Any) -> _Return:  # noqa: ANN401 - as the method has them
        folder = self.folder if isinstance(self, _OwnersConnection) else self.connection.folder
        with folder.entered():
            return method(self, *args, **options)

    return call


class _OwnersCursor(sqlite3.Cursor):
    """A cursor, each call of which acts as the owner of the folder."""

    connection: "_OwnersConnection"

    execute = _as_owner(sqlite3.Cursor.execute)
    executemany = _as_owner(sqlite3.Cursor.executemany)
    executescript = _as_owner(sqlite3.Cursor.executescript)
    fetchone = _as_owner(sqlite3.Cursor.fetchone)
    fetchmany = _as_owner(sqlite3.Cursor.fetchmany)
    fetchall = _as_owner(sqlite3.Cursor.fetchall)
    close = _as_owner(sqlite3.Cursor.close)
    __next__ = _as_owner(sqlite3.Cursor.__next__)

    def __del__(self) -> None:
        # A statement that was not read to its end is ended, and what it did is committed, when its cursor goes.
        with suppress(AttributeError, sqlite3.ProgrammingError):  # it has no connection yet, or no more
            self.close()


class _OwnersConnection(sqlite3.Connection):
    """A connection, each call of which acts as the owner of the folder."""

    folder: Folder

    commit = _as_owner(sqlite3.Connection.commit)
    rollback = _as_owner(sqlite3.Connection.rollback)
    close = _as_owner(sqlite3.Connection.close)
    __exit__ = _as_owner(sqlite3.Connection.__exit__)

    def cursor(self, factory: Any = _OwnersCursor) -> Any:  # noqa: ANN401 - as the overridden method has it
        """Return a cursor of the same kind."""
        return super().cursor(factory)

    # The methods of the parent use a cursor of the common kind.
    def execute(self, *args: Any) -> Any:  # noqa: ANN401 - as the overridden method has it
        """Execute a statement."""
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:  # noqa: ANN401 - as the overridden method has it
        """Execute a statement for each of some rows."""
        return self.cursor().executemany(*args)

    def executescript(self, *args: Any) -> Any:  # noqa: ANN401 - as the overridden method has it
        """Execute several statements."""
        return self.cursor().executescript(*args)

    def __del__(self) -> None:
        if hasattr(self, "folder"):
            self.close()
