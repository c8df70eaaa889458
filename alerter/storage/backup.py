"""An SQLite file into safety and back: a checked copy while the service runs, and a copy put in the file's place.

Nothing has the name that was asked for before it is whole and checked, and nothing that is there goes.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import URL

from alerter.errors import StoreError
from alerter.folders import FILE_MODE, as_owner, find, open_file
from alerter.storage import schema
from alerter.storage.connections import SUFFIXES
from alerter.storage.copies import copy_pages
from alerter.storage.engine import Access, open_engine
from alerter.storage.schema import SchemaState

#: A database in WAL mode: the file, what is committed but not yet in it, and an index of that.
_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy that was found whole.

    Attributes:
        path: Where it is.
        size_bytes: How large it is.
        schema: How its schema compares with the one that this alerter knows; never `MISSING`.
    """

    path: Path
    size_bytes: int
    schema: SchemaState


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """What became of a database: what it is a copy of, and where the file is that was there; None for no file."""

    backup: Backup
    previous_file: Path | None


def check_backup(path: Path) -> Backup:
    """Return what a file holds that may become the database.

    Raises:
        StoreError: It cannot be read, is damaged, is no database of alerter, or holds what is not alerter's.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    if not is_file:
        raise StoreError(f"{path}: it is no file")
    engine = open_engine(URL.create("sqlite+pysqlite", database=str(path)), Access.READ_ONLY)
    try:
        state = schema.schema_state(engine)
        schema.check_integrity(engine)
    finally:
        engine.dispose()
    if state is SchemaState.MISSING:
        raise StoreError(f"{path}: it is no database of alerter")
    return Backup(path=path, size_bytes=path.stat().st_size, schema=state)


def backup(database: Path, path: Path) -> Backup:
    """Write a checked copy of a database to `path`; only its owner may read it.

    Raises:
        StoreError: There is something at `path`, it cannot be written, or the database is damaged; no copy is left.
    """
    if os.path.lexists(path):
        raise _exists(path)
    with _copied(database, path) as copy:
        try:
            made = check_backup(copy)
        except StoreError:
            # Of a copy that is just made, what is wrong is wrong with the database, and is said of that.
            check_backup(database)
            raise
        _move_to_new(copy, path)
    return replace(made, path=path)


def restore(database: Path, path: Path, *, now: datetime) -> RestoreResult:
    """Put a copy of a backup in the place of the database, which is kept beside it under another name.

    The caller holds the database's lock. An older schema stays as it is until the next upgrade.

    Raises:
        StoreError: The backup is not good or was written by a newer alerter, or a file cannot be written; the database
            is as before.
    """
    backup = check_backup(path)
    if backup.schema is SchemaState.NEWER:
        raise StoreError(f"{path}: it was written by a newer alerter: install that version")
    database = real_path(database)  # a link to it stays one
    if database.exists() and path.samefile(database):
        raise StoreError(f"{path}: it is the database itself")
    with _copied(path, database) as copy:
        check_backup(copy)
        _make_alike(copy, database)
        previous_file = _free_name(database, now=now)
        try:
            # Without the file, a WAL that was left alone is moved as well: SQLite would take it for the new file's.
            _move_all(database, previous_file)
            _move(copy, database)
        except StoreError:
            _move_all(previous_file, database)
            raise
    return RestoreResult(backup=backup, previous_file=previous_file if previous_file.exists() else None)


def real_path(database: Path) -> Path:
    """Return the path of a database without links; of another user root follows none.

    Raises:
        StoreError: There is no such folder, or root must not follow the way to it.
    """
    try:
        return find(database).path
    except OSError as error:
        raise StoreError(f"{database}: {error.strerror}") from error


@contextmanager
def _copied(source: Path, place: Path) -> Iterator[Path]:
    """Yield a copy of a database, beside the place that it is for; it goes again, unless it was moved there."""
    try:
        with as_owner(place) as reached:
            descriptor, name = mkstemp(prefix=f"{place.name}.", suffix=".partial", dir=reached.parent)
            os.fchmod(descriptor, FILE_MODE)
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{place}: cannot be written: {error.strerror}") from error
    copy = place.with_name(Path(name).name)
    try:
        copy_pages(source, copy)
        yield copy
    except sqlite3.Error as error:
        raise StoreError(f"{source} cannot be copied to {place}: {error}") from error
    finally:
        with as_owner(copy) as reached:
            for suffix in SUFFIXES:
                Path(f"{reached}{suffix}").unlink(missing_ok=True)


def _make_alike(copy: Path, database: Path) -> None:
    """Give the copy to the owner of the database, who need not be the owner of the folder, where that is root."""
    found = find(copy)
    with found.entered() as reached:
        database = reached.with_name(database.name)
        if not database.exists():
            return
        model = database.stat()
        if os.geteuid() == 0 and found.folder is None:
            os.chown(copy, model.st_uid, model.st_gid)
        reached.chmod(stat.S_IMODE(model.st_mode))


def _free_name(database: Path, *, now: datetime) -> Path:
    """Return a name beside the database that nothing has, nor what would belong to it."""
    stem = f"{database}.{now:%Y%m%dT%H%M%SZ}"
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.replaced" for number in count(1))
    return Path(next(name for name in names if not any(os.path.lexists(f"{name}{suffix}") for suffix in _FILES)))


def _move_all(source: Path, place: Path) -> None:
    # The file first: whatever ends this process in between, SQLite finds no file with a WAL that is not its own.
    for suffix in _FILES:
        if os.path.lexists(f"{source}{suffix}"):
            _move(Path(f"{source}{suffix}"), Path(f"{place}{suffix}"))


def _move_to_new(copy: Path, path: Path) -> None:
    """Move a file to where nothing is; a rename alone would overwrite what has come to be there meanwhile."""
    try:
        os.close(open_file(path, is_new=True))
    except FileExistsError:
        raise _exists(path) from None
    try:
        _move(copy, path)
    except StoreError:
        with as_owner(path) as reached:
            reached.unlink()
        raise


def _move(source: Path, place: Path) -> None:
    """Give a file another name in its folder, such that a power cut does not take it back."""
    try:
        with as_owner(place) as reached:
            reached.with_name(source.name).replace(reached)
            _sync(reached.parent)
    except OSError as error:
        raise StoreError(f"{source} cannot become {place}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> StoreError:
    return StoreError(f"{path}: it exists already, and is left as it is")
