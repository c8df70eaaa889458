"""Rows for every table, made from what the metadata says of its columns: a table that is added is filled as well."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text, create_engine, insert, select

from alerter.core.series import EPOCH
from alerter.storage.tables import Instant, metadata

#: So many rows each table gets.
ROWS = 8
#: How texts begin, so that languages sort them otherwise than bytes do, and with what formats of files have for marks.
_BEGINNINGS = ("a", "B", "Ä", "_", "b a", "ba", "\N{HERB}", "\\N\t\n\r\\.'\"{}%s")
#: More than 32 bits hold.
_LARGE = 2**40


def fill(url: str) -> None:
    """Put `ROWS` rows into every table; in every second one what may be missing is."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(insert(table), [a_row(table, number) for number in range(ROWS)])
    engine.dispose()


def contents(url: str) -> Mapping[str, list[tuple[Any, ...]]]:
    """Return all rows of every table, in the order of Python."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }
    engine.dispose()
    return found


def a_row(table: Table, number: int) -> dict[str, Any]:
    """Return a row of a table, which refers to the rows of other tables that have the same number."""
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: Column[Any], number: int) -> Any:  # noqa: ANN401 - as many types as columns have
    """Return what stands in a column of a row, different from every other column's and row's."""
    for key in column.foreign_keys:
        return _value(key.column, number)
    if column.nullable and number % 2:
        return None
    if column.primary_key and isinstance(column.type, Integer) and not isinstance(column.type, BigInteger):
        return number + 1
    return _value_of_type(column, number)


def _value_of_type(column: Column[Any], number: int) -> str | int | bytes | datetime | bool:
    assert column.table is not None
    own = [each.name for each in column.table.columns].index(column.name) * 100 + number
    match column.type:
        case Instant():
            return EPOCH + timedelta(days=20_000, microseconds=own)
        case BigInteger():
            return _LARGE + own
        case Integer():
            return own
        case Text():
            return f"{_BEGINNINGS[number % len(_BEGINNINGS)]} {column.name} {own} " + "long " * (number % 3) * 5_000
        case Boolean():
            return number % 2 == 0
        case LargeBinary():
            return bytes(range(256)) + bytes([own % 256])
        case _:
            pass
    pytest.fail(f"{column}: expected to be told here what a column of the type {column.type!r} may hold")
