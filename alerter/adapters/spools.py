"""Rows of numbers on disk, given back in order: what an import holds that may be longer than the memory.

A private database of SQLite's that has no name, so that it is gone with the process, however that ends. It lies where
`$TMPDIR` says.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from alerter.errors import StoreError

Numbers = tuple[int, ...]

#: No journal, for nothing of it outlives a failure; little memory, for the file system caches it as well.
_PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000", "temp_store=FILE")


class Spool:
    """Rows of numbers in the order of all their columns; two that are equal are one.

    Args:
        columns: How many numbers each row has.
    """

    def __init__(self, columns: int) -> None:
        names = ", ".join(f"c{number} INTEGER" for number in range(columns))
        keys = ", ".join(f"c{number}" for number in range(columns))
        marks = ", ".join("?" * columns)
        # A table without row numbers is kept in the order of its key.
        self._insert = f"INSERT OR IGNORE INTO rows VALUES ({marks})"  # noqa: S608 - question marks
        self._order = keys
        with _spool_errors():
            self._connection = sqlite3.connect("", isolation_level=None)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(f"CREATE TABLE rows ({names}, PRIMARY KEY ({keys})) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, rows: Iterable[Numbers]) -> None:
        """Add rows, in any order.

        Raises:
            StoreError: There is no room for them.
        """
        with _spool_errors():
            self._connection.execute("BEGIN")
            self._connection.executemany(self._insert, rows)
            self._connection.execute("COMMIT")

    def rows(self, *first: int) -> Iterator[Numbers]:
        """Yield the rows that begin with these numbers, in order.

        Raises:
            StoreError: They cannot be read.
        """
        wanted = " AND ".join(f"c{number} = ?" for number in range(len(first))) or "1"
        with _spool_errors():
            yield from self._connection.execute(f"SELECT * FROM rows WHERE {wanted} ORDER BY {self._order}", first)  # noqa: S608 - numbers of columns

    def count(self) -> int:
        """Return how many rows there are."""
        (number,) = self._connection.execute("SELECT count(*) FROM rows").fetchone()
        return int(number)


@contextmanager
def _spool_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the scratch file in the temporary directory ($TMPDIR): {error}") from error
