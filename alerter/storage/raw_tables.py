"""One database as a side of a copy: its rows as they are stored, the same from either kind, in the order of their keys.

What is read is not decoded: a number that stands for an instant stays one.
"""

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Table, TableClause, Text, TypeDecorator, column, func, select, table
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from alerter.errors import StoreError
from alerter.storage.engine import Repository, is_sqlite, location, store_error
from alerter.storage.tables import OF_AN_INSTANCE, metadata

#: The rows that are in memory at a time: messages may have many kilobytes each.
BATCH = 2000

#: Every table that is copied, each after those that it refers to.
TABLES = tuple(each for each in metadata.sorted_tables if not each.info.get(OF_AN_INSTANCE))

Batch = Sequence[Row[Any]]


class RawTables(Repository):
    """One database of two, in a transaction that keeps its other writers out."""

    @property
    def location(self) -> str:
        """Where it is, for people."""
        return location(self._url)

    def size(self, of: Table) -> int:
        """Return how many rows a table has."""
        return int(self._all(select(func.count()).select_from(_stored(of)))[0][0])

    def is_empty(self) -> bool:
        """Say whether no table has a row."""
        return all(self._first(select(sql("1")).select_from(_stored(each)).limit(1)) is None for each in TABLES)

    def batches(self, of: Table) -> Generator[Batch, None, None]:
        """Yield the rows of a table in the order of its primary key, some at a time.

        Raises:
            StoreError: They cannot be read.
        """
        stored = _stored(of)
        query = select(*stored.c).order_by(*(self._in_order(stored.c[key.name]) for key in of.primary_key))
        try:
            with self._connection.execute(query, execution_options={"yield_per": BATCH}) as result:
                yield from result.partitions()
        except SQLAlchemyError as error:
            raise self._error(of, error) from error

    def add(self, to: Table, rows: Batch) -> None:
        """Write rows as they are.

        Raises:
            StoreError: They are not taken; the text says of which table they are.
        """
        try:
            if self._is_sqlite:
                self._connection.execute(_stored(to).insert(), [dict(row._mapping) for row in rows])  # noqa: SLF001
            else:
                self._copy_in(to, rows)
        except (SQLAlchemyError, OverflowError, self._connection.dialect.loaded_dbapi.Error) as error:
            raise self._error(to, error) from error

    def last_id(self, of: Table) -> int:
        """Return the highest number that a table has given to a row, also to one that has gone; 0 for none."""
        numbered = of.autoincrement_column
        if numbered is None:
            return 0
        highest = self._all(select(func.max(_stored(of).c[numbered.name])))[0][0] or 0
        return max(int(highest), self._last_given(of, numbered))

    def continue_ids_after(self, number: int, of: Table) -> None:
        """Let the next row of a table that numbers its rows be given the number after this one."""
        numbered = of.autoincrement_column
        if numbered is None or not number:
            return
        if not self._is_sqlite:
            self._all(_SET_SEQUENCE, {**_named(of, numbered), "number": number})
        elif of.dialect_options["sqlite"]["autoincrement"]:
            self._run(_FORGET_NUMBER, {"table": of.name})
            self._run(_KEEP_NUMBER, {"table": of.name, "number": number})

    def analyze(self) -> None:
        """Let PostgreSQL know what the tables have: until it looks by itself, it would guess how to read them."""
        if not self._is_sqlite:
            self._connection.execute(sql("ANALYZE"))

    def check_encoding(self) -> None:
        """Make sure that every name can be stored.

        Raises:
            StoreError: The database holds less than Unicode.
        """
        if self._is_sqlite:
            return
        encoding = self._all(sql("SHOW server_encoding"))[0][0]
        if encoding != "UTF8":
            raise StoreError(f"{self.location}: expected the encoding UTF8, found {encoding}: createdb --encoding=UTF8")

    def _copy_in(self, to: Table, rows: Batch) -> None:
        """Write rows to PostgreSQL as its own tools do, in a tenth of the time of as many inserts."""
        columns = ", ".join(f'"{each.name}"' for each in to.columns)
        driver: Any = self._connection.connection.driver_connection
        with (
            driver.cursor() as cursor,
            cursor.copy(f'COPY "{to.name}" ({columns}) FROM STDIN') as copy,
        ):
            for row in rows:
                copy.write_row(row)

    @property
    def _is_sqlite(self) -> bool:
        return is_sqlite(self._url)

    def _in_order(self, key: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what texts are sorted by: their bytes on both sides, not by a language's rules on one of them."""
        return key if self._is_sqlite or not isinstance(key.type, Text) else key.collate("C")

    def _last_given(self, of: Table, numbered: Column[Any]) -> int:
        if not self._is_sqlite:
            return int(self._all(_LAST_OF_SEQUENCE, _named(of, numbered))[0][0] or 0)
        if not of.dialect_options["sqlite"]["autoincrement"]:
            return 0
        row = self._first(_KEPT_NUMBER, {"table": of.name})
        return 0 if row is None else int(row[0])

    def _error(self, of: Table, error: Exception) -> StoreError:
        return StoreError(f"{store_error(error, self._url)} (table {of.name})")


def _stored(of: Table) -> TableClause:
    """Return a table whose values are those that the database has, rather than what they stand for."""
    return table(of.name, *(column(each.name, _stored_type(each)) for each in of.columns))


def _stored_type(of: Column[Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's types have no common name that is public
    return of.type.impl_instance if isinstance(of.type, TypeDecorator) else of.type


def _named(of: Table, numbered: Column[Any]) -> dict[str, str]:
    return {"table": of.name, "column": numbered.name}


_SEQUENCE = "pg_get_serial_sequence(:table, :column)"
_SET_SEQUENCE = sql(f"SELECT setval({_SEQUENCE}, :number)")
_LAST_OF_SEQUENCE = sql(f"SELECT pg_sequence_last_value(CAST({_SEQUENCE} AS regclass))")
# SQLite's own table for AUTOINCREMENT, which has no key by which a row could be replaced.
_KEPT_NUMBER = sql("SELECT seq FROM sqlite_sequence WHERE name = :table")
_FORGET_NUMBER = sql("DELETE FROM sqlite_sequence WHERE name = :table")
_KEEP_NUMBER = sql("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)")
