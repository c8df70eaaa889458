"""A copy of an SQLite file, page by page, as it is at one moment; others may go on writing meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alerter.errors import StoreError
from alerter.storage.connections import connect, copy_all

#: What SQLite says of a file that is not whole. The copy is new, so that it can only be said of the source.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def copy_pages(source: Path, copy: Path) -> None:
    """Copy what is committed in one SQLite file into another, which is one file afterwards, without a WAL beside it.

    In one step: WAL keeps no writer waiting for it, while a copy in several steps would begin again with each write.

    Args:
        source: The file to read; it is not changed.
        copy: An empty file.

    Raises:
        StoreError: The source is damaged.
        sqlite3.Error: One of them cannot be used; what the copy holds is then worth nothing.
    """
    try:
        with closing(connect(source, "ro")) as old, closing(connect(copy, "rw")) as new:
            copy_all(old, new)
            new.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as error:
        if primary_code(error) in _DAMAGED:
            raise StoreError(f"{source}: damaged: {error}") from error
        raise


def primary_code(error: sqlite3.Error) -> int:
    """Return what kind of error SQLite gave, without its details; 0 where it gave none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
