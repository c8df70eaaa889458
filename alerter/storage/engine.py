"""Connections to each kind of database, and their errors as ours.

SQLite: WAL, `synchronous=FULL` (the outbox must survive a power cut), and transactions that say themselves how they
begin: the driver's own way loses updates silently. PostgreSQL: `sessions`.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Insert,
    Row,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from alerter.errors import StoreError, StoreUnavailable
from alerter.folders import open_file
from alerter.storage.connections import connect
from alerter.storage.sessions import database_location, may_pass, open_server, server_url

#: How long a writer waits for another one, in seconds.
BUSY_SECONDS = 5
#: When the WAL has this number of pages (16 MiB), it is copied into the file: four times as late as by default, for
#: thousands of polls write the same pages again and again.
MAX_WAL_PAGES = 4_000
#: The processes that may open a new file at the same moment.
_WAL_ATTEMPTS = 20
#: How long a transaction that writes to PostgreSQL may say nothing: the server ends that of a process that stands
#: still, or cannot be reached, before anybody has waited in vain for its locks. A lease lasts longer.
IDLE_SECONDS = 5
#: PostgreSQL's advisory locks (per database), under one number for alerter: a process that is alone, one writer, one
#: upgrade, and all imports together, while nobody compresses or downsamples history.
ADVISORY_CLASS = 0x616C7274
ADVISORY_DAEMON, ADVISORY_WRITER, ADVISORY_UPGRADE, ADVISORY_HISTORY = 1, 2, 3, 4

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_EXPECTED = "expected sqlite:///path or postgresql://user@host/name"

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class NeedsDatabase(Exception):
    """A poll in memory came to something that only the database knows, or that must be written at once."""


#: A connection, or what opens it when the first statement needs it.
Connecting: TypeAlias = Connection | Callable[[], Connection]

#: An execution option of connections whose transactions must not write: they do not wait for other writers.
READS_ONLY = "reads_only"


class Access(Enum):
    """What a database is opened for; `MIGRATION` lets tables be rebuilt and take their time."""

    READ_ONLY = "read only"
    READ_WRITE = "read and write"
    MIGRATION = "migration"


def parse_url(url: str) -> URL:
    """Return the URL with the driver that is used for it.

    Raises:
        StoreError: It is neither SQLite's nor PostgreSQL's; the text does not repeat it, as it may hold a password.
    """
    try:
        found = server_url(url) if url.startswith("postgresql") else make_url(url)
    except (SQLAlchemyError, ValueError):
        raise StoreError(f"the database URL is not understood: {_EXPECTED}") from None
    driver = _DRIVERS.get(found.drivername)
    if driver is None:
        raise StoreError(f"the database URL begins with {found.drivername!r}: {_EXPECTED}")
    if is_sqlite(found) and found.database in (None, "", ":memory:"):
        raise StoreError("the database URL names no file: expected sqlite:///path")
    return found.set(drivername=driver)


def is_sqlite(url: URL) -> bool:
    """Say whether the database is a file."""
    return url.get_backend_name() == "sqlite"


def location(url: URL) -> str:
    """Return where the database is, for people: a path, or host and name; never a password."""
    return str(url.database) if is_sqlite(url) else database_location(url)


def size_bytes(engine: Engine) -> int:
    """Return how large a database is, with the WAL of an SQLite file; 0 where there is no file.

    Raises:
        StoreError: The server cannot be asked.
    """
    if is_sqlite(engine.url):
        files = (Path(f"{location(engine.url)}{suffix}") for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    with store_errors(engine.url), engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def open_engine(url: URL, access: Access) -> Engine:
    """Return an engine; it connects when it is first used.

    Args:
        url: as `parse_url` returns it.
        access: What it is opened for. `READ_ONLY` never creates a file.

    Raises:
        StoreError: The driver for PostgreSQL is not installed.
    """
    return _sqlite_engine(url, access) if is_sqlite(url) else _postgresql_engine(url, access)


def store_error(error: Exception, url: URL) -> StoreError:
    """Return what the database said, on one line, with the place and without the password."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = "; ".join(" ".join(line.split()) for line in str(said).splitlines() if line.strip())
    if url.password:
        words = words.replace(str(url.password), "***")
    kind = StoreUnavailable if not is_sqlite(url) and may_pass(said) else StoreError
    return kind(f"{location(url)}: {words}")


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn the errors of the database into StoreError; others pass.

    Raises:
        StoreError: The database refused or failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise store_error(error, url) from error


#: Steps of SQLite's virtual machine, which takes some ten million in a second.
_STEPS_BETWEEN_QUESTIONS = 10_000


@contextmanager
def interruptible(connection: Connection, gives_up: Callable[[], bool]) -> Iterator[None]:
    """Let statements of an SQLite connection be interrupted while they run."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.set_progress_handler(gives_up, _STEPS_BETWEEN_QUESTIONS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@dataclass(frozen=True, slots=True)
class ReadLimit:
    """How long a view of the database may be read.

    Attributes:
        seconds: What takes longer is interrupted.
        clock: A monotonic clock.
    """

    seconds: float
    clock: Callable[[], float]


@contextmanager
def limited(connection: Connection, limit: ReadLimit) -> Iterator[None]:
    """Interrupt statements of a transaction once it has been read for too long.

    With PostgreSQL each statement is interrupted after that time.

    Raises:
        StoreError: One was interrupted; the text says after how long.
    """
    until = limit.clock() + limit.seconds
    try:
        if is_sqlite(connection.engine.url):
            with interruptible(connection, lambda: limit.clock() >= until):
                yield
        else:
            connection.execute(_STATEMENT_TIMEOUT, {"timeout": f"{limit.seconds * 1000:.0f}ms"})
            yield
    except StoreError as error:
        if limit.clock() >= until:
            raise StoreError(f"{location(connection.engine.url)}: not read within {limit.seconds:g} s") from error
        raise


class Repository:
    """Statements on the connection of one transaction; what the database says of them becomes a StoreError."""

    def __init__(self, connection: Connecting) -> None:
        self._connecting = connection

    @property
    def _connection(self) -> Connection:
        return self._connecting() if callable(self._connecting) else self._connecting

    @property
    def _url(self) -> URL:
        return self._connection.engine.url

    def _all(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        try:
            return self._connection.execute(statement, parameters).all()
        except (SQLAlchemyError, OverflowError) as error:
            raise store_error(error, self._url) from error

    def _first(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
        return next(iter(self._all(statement, parameters)), None)

    def _run(self, statement: Executable, parameters: Parameters) -> int:
        """Execute a change, once or for each of the parameters; return how many rows it met. No parameters: none."""
        return self._changed(statement, parameters).rowcount if parameters else 0

    def _add(self, statement: Insert, row: Mapping[str, Any]) -> int:
        """Insert one row; return the number that it was given."""
        (number,) = tuple(self._changed(statement, row).inserted_primary_key or ())
        return int(number)

    def _changed(self, statement: Executable, parameters: Parameters) -> CursorResult[Any]:
        if READS_ONLY in self._connection.get_execution_options():
            raise RuntimeError("expected a transaction that writes, found one that reads only")
        try:
            return self._connection.execute(statement, parameters)
        except (SQLAlchemyError, OverflowError) as error:
            raise store_error(error, self._url) from error

    def _run_many(self, sql: str, rows: Sequence[tuple[int, ...]]) -> None:
        """Execute SQL of SQLite's for many rows of numbers, in a fourth of the time that named parameters take."""
        try:
            self._connection.exec_driver_sql(sql, list(rows))
        except (SQLAlchemyError, OverflowError) as error:
            raise store_error(error, self._url) from error

    def _put(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, in place of those that have their primary keys."""
        self._run(_upsert(table, self._connection.dialect.name), rows)


@lru_cache
def _upsert(table: Table, dialect: str) -> Executable:
    """Return `INSERT … ON CONFLICT DO UPDATE` by the table's primary key: one form, but each dialect's own class."""
    # Only the dialect in use is loaded.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - see above

        new = sqlite.insert(table)
        return new.on_conflict_do_update(index_elements=table.primary_key.columns, set_=dict(new.excluded))
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - see above

    row = postgresql.insert(table)
    return row.on_conflict_do_update(index_elements=table.primary_key.columns, set_=dict(row.excluded))


def _sqlite_engine(url: URL, access: Access) -> Engine:
    path = str(url.database)
    files: list[tuple[int, int] | None] = []
    engine = create_engine(url, creator=lambda: _open_sqlite(path, access, may_create=not files), hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A write takes its lock at once: two that read first and write then would both read the old value.
        kind = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {kind}")

    # A file that was deleted or moved away can still be written through an open connection, for nobody to read. Such
    # a connection is given up for one to what is there now, which fails where nothing is.
    @event.listens_for(engine, "connect")
    def note_file(_: object, entry: ConnectionPoolEntry) -> None:
        files[:] = [file_at(path)]
        entry.info["file"] = files[0]

    @event.listens_for(engine, "checkout")
    def check_file(_: object, entry: ConnectionPoolEntry, __: object) -> None:
        if entry.info["file"] != file_at(path):
            raise DisconnectionError(f"{path}: another file, or none, is here now")

    return engine


def file_at(path: str) -> tuple[int, int] | None:
    """Return which file a path leads to, or None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the path is text, as in the URL
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _open_sqlite(path: str, access: Access, *, may_create: bool) -> sqlite3.Connection:
    if access is Access.READ_ONLY:
        return _open_to_read(path)
    if may_create:
        with suppress(OSError):  # SQLite says what is wrong
            os.close(open_file(Path(path)))
    connection = _connected(path, "rwc" if may_create else "rw")
    try:
        # Of a new file only, and only before anything else: what is deleted can be given back to the disk.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _use_wal(connection)
        for pragma in _pragmas(access):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open_to_read(path: str) -> sqlite3.Connection:
    """Open a file for reading, also for somebody who may write nothing beside it.

    WAL needs files there, which a service that runs keeps. Where there is no WAL, all that is committed is in the file,
    and it is read as one that does not change.
    """
    connection = _connected(path, "ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode not in _FOLDER_REFUSED or Path(f"{path}-wal").exists():
            raise
        connection = _connected(path, "ro&immutable=1")
    for pragma in ("query_only=ON", _DISTRUST):
        connection.execute(f"PRAGMA {pragma}")
    return connection


#: What a file says of itself may call only functions that do no harm: its owner may be another user.
_DISTRUST = "trusted_schema=OFF"


#: What SQLite says where it may read the file, but not make one beside it.
_FOLDER_REFUSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY_DIRECTORY)


def _connected(path: str, mode: str) -> sqlite3.Connection:
    return connect(Path(path), mode, timeout=BUSY_SECONDS)


def _pragmas(access: Access) -> tuple[str, ...]:
    # A migration may drop and rebuild a table, which would delete its children. The switch is without effect inside
    # a transaction, so that it must be off from the connection's first moment on.
    foreign_keys = "OFF" if access is Access.MIGRATION else "ON"
    return (
        "synchronous=FULL",
        f"foreign_keys={foreign_keys}",
        f"wal_autocheckpoint={MAX_WAL_PAGES}",
        _DISTRUST,
    )


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL, which it keeps.

    Two that do so to a new file at the same time get an error that it is locked, at once and whatever the timeout. To
    begin a transaction does wait for the other one; after it the file is in WAL mode, and nothing is left to do.
    """
    for _ in range(_WAL_ATTEMPTS - 1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _postgresql_engine(url: URL, access: Access) -> Engine:
    is_migration = access is Access.MIGRATION
    return open_server(
        url,
        statement_timeout="0" if is_migration else "10s",
        lock_timeout="60s" if is_migration else "8s",
        is_read_only=access is Access.READ_ONLY,
    )


def lock_writers(connection: Connection, lock: int) -> None:
    """Let one transaction at a time have this advisory lock, until it ends; SQLite needs none.

    Writers read before they write. In SQLite the write lock puts them in order; without an order two polls could
    both find a sum's alert inactive, and both notify of it. A process that has the lock and stands still loses it.
    """
    if not is_sqlite(connection.engine.url):
        connection.execute(_ADVISORY_LOCK, {"class": ADVISORY_CLASS, "lock": lock, "idle": f"{IDLE_SECONDS}s"})


def lock_shared(connection: Connection, lock: int) -> None:
    """Let one transaction have this advisory lock together with others that share it, until it ends."""
    if not is_sqlite(connection.engine.url):
        connection.execute(_SHARED_LOCK, {"class": ADVISORY_CLASS, "lock": lock})


def try_lock(connection: Connection, lock: int) -> bool:
    """Let one transaction have this advisory lock for itself until it ends, unless others have it; say whether it has.

    In SQLite, where one transaction writes at a time, there are no others.
    """
    if is_sqlite(connection.engine.url):
        return True
    return bool(connection.execute(_TRY_LOCK, {"class": ADVISORY_CLASS, "lock": lock}).scalar_one())


_STATEMENT_TIMEOUT = text("SELECT set_config('statement_timeout', :timeout, true)")
_SHARED_LOCK = text("SELECT pg_advisory_xact_lock_shared(:class, :lock)")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:class, :lock)")
_ADVISORY_LOCK = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), pg_advisory_xact_lock(:class, :lock)"
)
