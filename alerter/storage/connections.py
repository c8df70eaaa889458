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
from weakref import WeakSet

from alerter.folders import Folder, find

#: What SQLite opens beside a database; the first one is the database itself.
SUFFIXES = ("", "-wal", "-shm", "-journal")

_Return = TypeVar("_Return")

#: The folders of open connections, by the identity of each. The garbage collector, which ends what refers to each other
#: in any order, must not close the folder of a connection before the connection.
_FOLDERS: dict[int, Folder] = {}


def connect(path: Path, mode: str, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open an SQLite file; the caller begins transactions itself, and may hand the connection to another thread.

    Args:
        path: Where it is.
        mode: How, in SQLite's words: `ro`, `rw` or `rwc`, and what may follow in a URI.
        timeout: How long it waits for another writer, in seconds.

    Raises:
        sqlite3.Error: It cannot be opened; also if the folder cannot, or if what is there is no file.
    """
    # Any thread may come to be the one in which the garbage collector ends it.
    options: dict[str, Any] = {
        "uri": True, "timeout": timeout, "isolation_level": None, "check_same_thread": False,
    }  # fmt: skip
    try:
        found = find(path)
        with found.entered() as reached:
            found.check(*SUFFIXES)
            uri = f"file:{quote(str(reached))}?mode={mode}"
            if found.folder is None:
                connection: sqlite3.Connection = sqlite3.connect(uri, **options)
            else:
                connection = _OwnersConnection.open(uri, found.folder, **options)
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
        with suppress(AttributeError):  # it has no connection yet
            with suppress(sqlite3.ProgrammingError):  # the connection is closed
                self.close()
            self.connection.cursor_has_gone()


class _OwnersConnection(sqlite3.Connection):
    """A connection, each call of which acts as the owner of the folder."""

    folder: Folder
    _cursors: WeakSet[_OwnersCursor]
    _open_cursors = 0
    _is_left = False

    @classmethod
    def open(cls, name: str, folder: Folder, **options: Any) -> "_OwnersConnection":  # noqa: ANN401 - sqlite3's
        """Open a file of a folder that was entered."""
        connection = sqlite3.connect(name, factory=cls, **options)
        connection.folder = _FOLDERS[id(connection)] = folder
        connection._cursors = WeakSet()  # noqa: SLF001 - its own
        return connection

    commit = _as_owner(sqlite3.Connection.commit)
    rollback = _as_owner(sqlite3.Connection.rollback)
    __exit__ = _as_owner(sqlite3.Connection.__exit__)

    def close(self) -> None:
        """End what was not read to its end, and close the file: SQLite would keep that open until then."""
        with self.folder.entered():
            for cursor in [*self._cursors]:
                with suppress(sqlite3.ProgrammingError):  # it was closed before
                    sqlite3.Cursor.close(cursor)
            super().close()

    def cursor(self, factory: Any = _OwnersCursor) -> Any:  # noqa: ANN401 - as the overridden method has it
        """Return a cursor of the same kind."""
        cursor = super().cursor(factory)
        self._cursors.add(cursor)
        self._open_cursors += 1
        return cursor

    def cursor_has_gone(self) -> None:
        """Close a connection that nobody closed once the last cursor has gone."""
        self._open_cursors -= 1
        self._close_if_left()

    def _close_if_left(self) -> None:
        if self._is_left and not self._open_cursors:
            self.close()

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
        # Of what refers to each other, the garbage collector may end a connection before its cursors.
        if _FOLDERS.pop(id(self), None) is not None:
            self._is_left = True
            self._close_if_left()
