"""Locks: a daemon has its SQLite file for itself, a command on PostgreSQL the tenants that it polls.

Two that know nothing of each other would poll twice and send everything twice. Daemons on PostgreSQL do know of each
other, by their leases; a process that locks such a database is refused while there are any, and they while it is
locked.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from alerter.errors import StoreError
from alerter.folders import find, open_file
from alerter.storage.engine import (
    ADVISORY_CLASS,
    ADVISORY_DAEMON,
    is_sqlite,
    location,
    store_errors,
)
from alerter.storage.leases import alive_instances


class DaemonLock(Protocol):
    """The right to be alone with a database."""

    def check(self) -> None:
        """Make sure that it still holds.

        Raises:
            StoreError: It does not: the session has ended, or the file is not the one that was locked.
        """
        ...


@contextmanager
def daemon_lock(engine: Engine) -> Iterator[DaemonLock]:
    """Hold the database for this process alone; it is free again when the process ends, however it does.

    Raises:
        StoreError: Another one uses it, or the lock cannot be taken.
    """
    with _file_lock(location(engine.url)) if is_sqlite(engine.url) else _server_lock(engine) as lock:
        yield lock


def lock_holder(engine: Engine) -> str | None:
    """Return which daemon holds the database, in a few words; None where nobody does.

    It only looks: to try the lock could keep a daemon from starting at the same moment.

    Raises:
        StoreError: The database cannot be asked.
    """
    return _file_holder(location(engine.url)) if is_sqlite(engine.url) else _server_holder(engine)


def _file_holder(database: str) -> str | None:
    try:
        found = find(Path(_lock_path(database)))
        with found.entered() as reached:
            descriptor = os.open(reached, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return _locker_of(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return None


def _locker_of(descriptor: int) -> str | None:
    """Return which process has a file locked, as the kernel knows it; None where none has.

    What is written in the file is never shown: anybody may have written it who may write there.

    Raises:
        OSError: The kernel does not say.
    """
    found = os.fstat(descriptor)
    noted = os.pread(descriptor, 20, 0) if stat.S_ISREG(found.st_mode) else b""
    locks = Path("/proc/locks").read_text(encoding="ascii")
    # Some file systems show the kernel's locks on another device than their files, where the pid identifies them.
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    held = (each.group("pid", "device") for each in _FLOCK.finditer(locks) if int(each["inode"]) == found.st_ino)
    pid = next((pid for pid, at in held if at == device or pid.encode() == noted.strip()), None)
    if pid is None:
        return None
    if pid == str(os.getpid()) or _is_alerter(pid):
        return f"pid {pid}"
    # Of a process that this one cannot see, the kernel shows no number.
    return f"pid {pid}, which is not known to be alerter" if int(pid) > 0 else "a process that is not seen from here"


def _is_alerter(pid: str) -> bool:
    """Say whether a process runs our program, in any of the ways in which it is started."""
    try:
        arguments = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(os.path.basename(each) == b"alerter" for each in arguments[:_PROGRAM_WITHIN])  # noqa: PTH119 - bytes


#: The program is among the first arguments: `alerter`, `python /…/alerter` or `python -P -X utf8 -m alerter`.
_PROGRAM_WITHIN = 6
#: A line of /proc/locks (proc(5)).
_FLOCK = re.compile(r" FLOCK +\S+ +\S+ +(?P<pid>-?\d+) (?P<device>[0-9a-f]+:[0-9a-f]+):(?P<inode>\d+) ")


def _server_holder(engine: Engine) -> str | None:
    with store_errors(engine.url), engine.connect() as connection:
        row = connection.execute(_HOLDER, {"class": ADVISORY_CLASS, "lock": ADVISORY_DAEMON}).first()
        instances = alive_instances(connection)
    if row is not None:
        return f"session {row.pid} from {row.client_addr or 'the server itself'}"
    return ", ".join(each.name for each in instances) or None


class _FileLock:
    """The lock of a file, which holds as long as the path still leads to that file."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def check(self) -> None:
        """Compare the file at the path with the one that is locked."""
        try:
            found = Path(self._path).stat()
        except OSError as error:
            raise StoreError(f"{self._path} has gone while alerter was running: {error.strerror}") from error
        if not os.path.samestat(found, os.fstat(self._descriptor)):
            raise StoreError(f"{self._path} was replaced while alerter was running: another one may have begun")


class _TransactionLock:
    """The lock of a transaction."""

    def __init__(self, connection: Connection, url: URL) -> None:
        self._connection = connection
        self._url = url

    def check(self) -> None:
        """Ask within the transaction that holds the lock."""
        with store_errors(self._url):
            self._connection.execute(_STILL_THERE)


@contextmanager
def _file_lock(database: str) -> Iterator[DaemonLock]:
    """Lock `<file>.lock`, a file of its own: SQLite's locks and flock must not meet on one. It stays behind empty.

    To delete it would let a third process lock a new file of the same name, while the second waits for the old one.
    """
    path = f"{database}.lock"
    try:
        path = _lock_path(database)
        descriptor = open_file(Path(path))
    except OSError as error:
        hint = ": make the folder; that of a service is made by `alerter install`" if error.errno == ENOENT else ""
        raise StoreError(f"{path}: {error.strerror}{hint}") from error
    try:
        _lock(descriptor, database)
        with suppress(OSError):  # a full disk: a process that is refused does not learn by which
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield _FileLock(path, descriptor)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock_path(database: str) -> str:
    """Return the path of the lock: beside the file, not beside its spelling; a link to it must not be another lock.

    Raises:
        OSError: There is no such folder, or root must not follow the way to it.
    """
    return f"{find(Path(database)).path}.lock"


def _lock(descriptor: int, database: str) -> None:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        who = None
        with suppress(OSError):  # a service that systemd lets see only processes
            who = _locker_of(descriptor)
        raise StoreError(f"another alerter{f' ({who})' if who else ''} is running on {database}") from error
    os.ftruncate(descriptor, 0)


@contextmanager
def _server_lock(engine: Engine) -> Iterator[DaemonLock]:
    """Lock within a transaction of its own, which does nothing else; its end, by whatever cause, ends the lock.

    A lock of a session would belong to the next client, behind a pooler in transaction mode. No table is read here,
    for none that was read can be rebuilt until the transaction ends.
    """
    with store_errors(engine.url):
        connection = engine.connect()
    try:
        with store_errors(engine.url):
            connection.execute(_STAY)
            locked = connection.execute(_TRY_LOCK, {"class": ADVISORY_CLASS, "lock": ADVISORY_DAEMON}).scalar()
            with engine.connect() as reading:
                running = alive_instances(reading)
        if not locked or running:
            names = f" ({', '.join(each.name for each in running)})" if running else ""
            raise StoreError(f"another alerter{names} is running on {location(engine.url)}")
        yield _TransactionLock(connection, engine.url)
    finally:
        with suppress(SQLAlchemyError):  # it may be gone, and the lock with it
            connection.close()


_STILL_THERE = text("SELECT 1")
#: Nothing is said for long while the lock is held, and that is no reason to end it.
_STAY = text(
    "SELECT set_config(name, '0', true) FROM pg_settings "
    "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
)
_HOLDER = text(
    "SELECT pid, host(client_addr) AS client_addr FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND classid = :class AND objid = :lock AND granted"
)
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:class, :lock)")
