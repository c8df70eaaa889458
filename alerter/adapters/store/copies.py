"""A copy of an SQLite file, page by page, as it is at one moment; others may go on writing meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def copy_pages(source: Path, copy: Path) -> None:
    """Copy what is committed in one SQLite file into another, which is one file afterwards, without a WAL beside it.

    In one step: WAL keeps no writer waiting for it, while a copy in several steps would begin anew with each write.

    Args:
        source: The file to read; it is not changed.
        copy: An empty file.

    Raises:
        sqlite3.Error: One of them cannot be used; what the copy holds is then worth nothing.
    """
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(copy)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
