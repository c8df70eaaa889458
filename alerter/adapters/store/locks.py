"""One daemon per database: two would poll twice and tell everything twice."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock

from sqlalchemy import Engine, text

from alerter.adapters.store.engines import (
    ADVISORY_CLASS,
    ADVISORY_DAEMON,
    is_sqlite,
    place,
    store_errors,
)
from alerter.errors import StoreError


@contextmanager
def daemon_lock(engine: Engine) -> Iterator[None]:
    """Hold the database for one daemon; it is free again when the process ends, however it does.

    Raises:
        StoreError: Another daemon has it, or the lock cannot be taken.
    """
    with _file_lock(place(engine.url)) if is_sqlite(engine.url) else _session_lock(engine):
        yield


@contextmanager
def _file_lock(database: str) -> Iterator[None]:
    """Lock `<file>.lock`, a file of its own: SQLite's locks and flock must not meet on one. It stays behind empty.

    To delete it would let a third process lock a new file of the same name, while the second waits for the old one.
    """
    path = f"{database}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    try:
        _lock(descriptor, database)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, database: str) -> None:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
        raise StoreError(f"another alerter (pid {pid}) is running on {database}") from error
    os.ftruncate(descriptor, 0)


@contextmanager
def _session_lock(engine: Engine) -> Iterator[None]:
    """Lock within a session of its own; its end, by whatever cause, ends the lock."""
    with store_errors(engine.url):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with store_errors(engine.url):
            locked = connection.execute(_TRY_LOCK, {"class": ADVISORY_CLASS, "lock": ADVISORY_DAEMON}).scalar()
        if not locked:
            raise StoreError(f"another alerter is running on {place(engine.url)}")
        yield
    finally:
        # Back in the pool, the session would go on holding the lock.
        connection.invalidate()
        connection.close()


_TRY_LOCK = text("SELECT pg_try_advisory_lock(:class, :lock)")
