"""The database: rows ↔ core values, in transactions that are kept as a whole or not at all.

SQLite by default, PostgreSQL by URL, through the same statements. Every error of it is a StoreError.
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection

from alerter.core.series import Tenant
from alerter.errors import StoreError
from alerter.storage import schema
from alerter.storage.backup import Backup, RestoreResult, backup, check_backup
from alerter.storage.backup import restore as restore_backup
from alerter.storage.cache import TenantCache
from alerter.storage.change_marker import ChangeMarker
from alerter.storage.copy_database import CopyPhase, CopyResult, OnProgress, copy_database
from alerter.storage.database_size import DatabaseSize, vacuum
from alerter.storage.engine import (
    ADVISORY_HISTORY,
    ADVISORY_WRITER,
    READS_ONLY,
    Access,
    NeedsDatabase,
    ReadLimit,
    is_sqlite,
    limited,
    location,
    lock_shared,
    lock_writers,
    open_engine,
    parse_url,
    size_bytes,
    store_errors,
)
from alerter.storage.history import SeriesState
from alerter.storage.leases import LeaseRenewal, Leases, OwnInstance
from alerter.storage.listings import AlertFilter, DeliveryFilter, SeriesCount
from alerter.storage.locks import DaemonLock, daemon_lock, lock_holder
from alerter.storage.outbox import DeliveryRecord
from alerter.storage.polls import PollingStatus
from alerter.storage.schema import SchemaState, SchemaUpgrade
from alerter.storage.sessions import ServerConnections
from alerter.storage.transaction import MemoryTransaction, Reader, Transaction

__all__ = [
    "AlertFilter",
    "Backup",
    "ChangeMarker",
    "CopyPhase",
    "CopyResult",
    "DaemonLock",
    "DatabaseSize",
    "DeliveryFilter",
    "DeliveryRecord",
    "LeaseRenewal",
    "Leases",
    "NeedsDatabase",
    "OwnInstance",
    "PollingStatus",
    "ReadLimit",
    "Reader",
    "RestoreResult",
    "SchemaState",
    "SchemaUpgrade",
    "SeriesCount",
    "SeriesState",
    "Store",
    "Transaction",
    "check_backup",
]


#: The changes that are written to an SQLite file well within the time that a daemon waits for it, on a slow machine
#: too.
MAX_BESIDE_A_DAEMON = 200_000


class Store:
    """A database; it connects when it is first used.

    Any method, and any method of its transactions, may raise StoreError; then nothing of the transaction was kept.
    It may be shared by threads; a transaction belongs to one.
    """

    def __init__(self, url: str, *, read_only: bool = False, cache: bool = True) -> None:
        """Name the database.

        Args:
            url: `sqlite:////absolute/path`, `sqlite:///relative/path` or `postgresql://user@host/name`.
            read_only: For commands that look while a daemon writes: they change nothing and create no file.
            cache: Whether the last committed state of each tenant is kept, so that a poll need not read it.

        Raises:
            StoreError: The URL is another one, or the driver for PostgreSQL is missing.
        """
        self._url = parse_url(url)
        self._access = Access.READ_ONLY if read_only else Access.READ_WRITE
        self._engine = open_engine(self._url, self._access)
        self._connections = None if is_sqlite(self._url) else ServerConnections(self._engine)
        self._cache = TenantCache(is_on=cache)
        self._delays_polls = False
        self._own: OwnInstance | None = None
        self._commits = 0
        self._reading = self._engine.execution_options(
            **{READS_ONLY: True},
            **({"sqlite_begin": "DEFERRED"} if is_sqlite(self._url) else {"isolation_level": "REPEATABLE READ"}),
        )

    def __repr__(self) -> str:
        return f"Store({location(self._url)!r}, {self._access.value})"

    @property
    def file(self) -> Path | None:
        """The SQLite file, which need not exist; None where the database is a server's."""
        return Path(location(self._url)) if is_sqlite(self._url) else None

    @property
    def location(self) -> str:
        """Where the database is, for people: a path, or host and name; never a password."""
        return location(self._url)

    def close(self) -> None:
        """Close every connection; a later use opens new ones."""
        self._engine.dispose()

    def schema_state(self) -> SchemaState:
        """Return how the database's schema compares with the one that this alerter knows."""
        return schema.schema_state(self._engine)

    def upgrade(self) -> SchemaUpgrade:
        """Bring the database to the present schema; an SQLite file is copied before.

        Raises:
            StoreError: The schema is newer than this alerter, or the upgrade failed; then nothing was changed.
        """
        if self._access is Access.READ_ONLY:
            raise StoreError(f"{location(self._url)}: opened for reading only, expected to be opened for an upgrade")
        return schema.upgrade(self._url)

    def check_integrity(self, *, gives_up: Callable[[], bool] = schema.no_deadline) -> None:
        """Check that the database is whole.

        Args:
            gives_up: Asked again and again; once it says so, the check ends. By default it never does.

        Raises:
            StoreError: It is not; the text says what was found. Or the check ended early.
        """
        schema.check_integrity(self._engine, gives_up=gives_up)

    def size_bytes(self) -> int:
        """Return how large the database is, with what has not been moved into its file yet; 0 where there is none.

        Raises:
            StoreError: The server cannot be asked.
        """
        return size_bytes(self._engine)

    def vacuum(self) -> None:
        """Rewrite the SQLite file without free pages; the caller holds the lock.

        Raises:
            StoreError: There is no room for another copy of it, or somebody uses it; it is as before. PostgreSQL has a
                tool of its own.
        """
        vacuum(self._own_file())

    def lock_holder(self) -> str | None:
        """Return which daemon holds the database, in a few words; None where nobody does.

        Raises:
            StoreError: The server cannot be asked.
        """
        return lock_holder(self._engine)

    def backup(self, path: Path) -> Backup:
        """Write a checked copy of the SQLite file to `path`, while others go on writing; only its owner may read it.

        Raises:
            StoreError: There is something at `path`, it cannot be written, or the database is damaged; then no copy is
                left. PostgreSQL has a tool of its own.
        """
        return backup(self._own_file(), path)

    def restore(self, path: Path, *, now: datetime) -> RestoreResult:
        """Put a copy of a backup in the place of the SQLite file, which is kept beside it under another name.

        The caller holds the lock. An older schema stays as it is until the next upgrade.

        Args:
            path: The backup; it stays.
            now: Becomes a part of the other name.

        Raises:
            StoreError: The backup is not good, or a file cannot be written; the database is as before. PostgreSQL has
                a tool of its own.
        """
        return restore_backup(self._own_file(), path, now=now)

    def is_same_as(self, other: "Store") -> bool:
        """Say whether another one names the same database, as far as names say."""
        if self.file is not None and other.file is not None:
            return os.path.realpath(self.file) == os.path.realpath(other.file)
        return _names(self._url) == _names(other._url)  # noqa: SLF001 - of its own class

    def copy_to(self, other: "Store", *, on_progress: OnProgress) -> CopyResult:
        """Copy everything into another database, of either kind, and compare every row.

        Args:
            other: It must have no rows; it need not have tables. One that is the same as this already is compared.
            on_progress: Called with the phase, the rows that are done, and how many there are.

        Raises:
            StoreError: It cannot be done, as while a daemon uses one of them; then the other database is as before,
                unless the text says that this is not known.
        """
        with self.lock(), other.lock():
            return copy_database(self._url, other._url, on_progress=on_progress)  # noqa: SLF001 - of its own class

    def _own_file(self) -> Path:
        if self.file is None:
            raise StoreError(f"{self.location}: expected an SQLite file; PostgreSQL has pg_dump and pg_restore")
        return self.file

    def check_writable(self) -> None:
        """Check that the database takes what is written, by writing what is there already.

        Raises:
            StoreError: It does not: it is locked or read-only, or the disk is full.
        """
        schema.check_writable(self._engine)

    def check_server(self) -> None:
        """Check that the server takes writes, also before there are tables; of an SQLite file, nothing.

        Raises:
            StoreError: It is a standby, or closed for writes, or cannot be asked.
        """
        schema.check_server(self._engine)

    def lock(self) -> AbstractContextManager[DaemonLock]:
        """Hold the database for this process alone; it is free again when the process ends, however it does.

        Raises:
            StoreError: When it is entered: another one uses it.
        """
        return daemon_lock(self._engine)

    def leases(self) -> Leases | None:
        """Return how the database is shared; None for an SQLite file, which one daemon has for itself."""
        return None if is_sqlite(self._url) else Leases(self._engine)

    def use_leases_of(self, own: OwnInstance) -> None:
        """Ask for this instance's leases in every transaction from now on."""
        self._own = own

    def cancel_waits(self) -> None:
        """End every wait for the server, with an error for the caller that waits."""
        if self._connections is not None:
            self._connections.close_all()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction that is committed as a whole at the end of the block, or not at all.

        One writer at a time: another one waits for some seconds.

        Raises:
            StoreError: The database is locked, full, read-only or gone; nothing was kept.
        """
        with self._one_writer(), store_errors(self._url):
            with self._engine.begin() as connection:
                lock_writers(connection, ADVISORY_WRITER)
                transaction = Transaction(connection, self._cache, self._own)
                for snapshot, reach in transaction.cache.save():
                    transaction.history.add(snapshot, poll_interval=reach.poll_interval, windows=reach.windows)
                yield transaction
                transaction.cache.finish()
            transaction.cache.commit()
            self._commits += 1

    def _one_writer(self) -> AbstractContextManager[object]:
        """Keep the other threads from writing; with a server's database they wait there, where a wait can be ended."""
        return self._cache.lock if is_sqlite(self._url) else nullcontext()

    @contextmanager
    def poll_in_memory(self) -> Iterator[Transaction]:
        """Open a transaction for a poll that changes nothing but counts: it is written later, as `save_polls` says.

        Raises:
            NeedsDatabase: In the block: the poll does more than that, or needs what only the database knows. Nothing
                of it was kept, and `write` must have it.
            StoreError: The database cannot be read.
        """
        with self._cache.lock, ExitStack() as stack:
            opened: list[Connection] = []

            def connect() -> Connection:
                opened[:] = opened or [stack.enter_context(self._reading.begin())]
                return opened[0]

            stack.enter_context(store_errors(self._url))
            transaction = MemoryTransaction(self._cache, connect)
            yield transaction
            transaction.cache.finish()
            transaction.cache.commit()

    def delay_polls(self, *, is_on: bool) -> None:
        """Choose whether polls that change nothing but counts are written later; a server's database has none of them.

        They are written with whatever this process writes next. Who switches it on calls `save_polls` regularly.
        """
        self._delays_polls = is_on and is_sqlite(self._url)

    @property
    def delays_polls(self) -> bool:
        """Whether polls are written later where that is possible."""
        return self._delays_polls

    def save_polls(self, *, at_least: int = 1) -> None:
        """Write the polls that are not written yet, if these are of enough tenants.

        Raises:
            StoreError: They cannot be written; the next transaction tries again.
        """
        if self._cache.unsaved_count() >= at_least:
            with self.write():
                pass

    def change_marker(self, seconds: Callable[[], float]) -> ChangeMarker:
        """Return a value that changes when anything was committed since it was asked before, by any process.

        Args:
            seconds: A monotonic clock.
        """
        return ChangeMarker(self._engine, lambda: self._commits, seconds, before=self.save_polls)

    def evict(self, tenants: Collection[Tenant]) -> None:
        """Drop the cached states of tenants that are polled here no more: they cost memory, and are not kept up."""
        self._cache.evict(tenants)

    @contextmanager
    def write_import(self, changes: int) -> Iterator[Transaction]:
        """Open a transaction for an import: it is committed as a whole at the end of the block, or not at all.

        Other writers wait from `lock_writers` on; on SQLite, where a file has one writer, from now on. There an import
        that would take longer than a daemon waits has the database to itself.

        Args:
            changes: How many changes it is going to write.

        Raises:
            StoreError: The database is locked, full, read-only or gone, or a daemon has it that would wait too long;
                nothing was kept.
        """
        with ExitStack() as stack:
            if is_sqlite(self._url) and changes > MAX_BESIDE_A_DAEMON:
                stack.enter_context(_alone(self, changes))
            with store_errors(self._url), self._engine.begin() as connection:
                lock_shared(connection, ADVISORY_HISTORY)
                transaction = Transaction(connection)
                yield transaction
                transaction.cache.finish()

    @contextmanager
    def read(self, limit: ReadLimit | None = None) -> Iterator[Reader]:
        """Open a view that does not change while it is looked at, and holds no writer up.

        Args:
            limit: How long it may take to read; None for as long as it takes.

        Raises:
            StoreError: The database cannot be read, or not in time.
        """
        with store_errors(self._url), self._reading.begin() as connection:
            if limit is None:
                yield Reader(connection)
                return
            with limited(connection, limit):
                yield Reader(connection)


def _names(url: URL) -> tuple[object, ...]:
    """Return what names a server's database, without the user."""
    return url.get_backend_name(), url.host, url.port, url.database, url.query.get("host"), url.query.get("port")


@contextmanager
def _alone(store: Store, changes: int) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(store.lock())
        except StoreError as error:
            raise StoreError(
                f"{error}, which would wait in vain while {changes:,} changes are written: "
                "stop it for this import, or import in parts"
            ) from error
        yield
