"""A whole installation from one database into another one, of either kind: copied, compared row by row, then kept.

One transaction of the target holds all of it, with the schema, until every row was read back from both sides and found
the same. So what is interrupted, by whatever, has never been; there is nothing to resume and nothing to clean up. The
source is only read, and takes nothing from anybody else meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any

from sqlalchemy import URL, Connection, Row, Table

from alerter.errors import StoreError
from alerter.storage import schema
from alerter.storage.engine import (
    ADVISORY_UPGRADE,
    ADVISORY_WRITER,
    Access,
    location,
    lock_writers,
    open_engine,
    store_errors,
)
from alerter.storage.raw_tables import TABLES, RawTables
from alerter.storage.schema import SchemaState

#: The characters of a value that are shown: a text may be a whole message.
_MAX_SHOWN_LENGTH = 60


class CopyPhase(Enum):
    """What is being done with every row, in a word that says it of those that are done."""

    COPIED = "copied"
    COMPARED = "compared"


#: Called with the phase, for how many rows it is done, and how many there are.
OnProgress = Callable[[CopyPhase, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """What a copy came to.

    Attributes:
        rows: How many rows each table has, on both sides.
        was_there: Whether the target was the same already, row by row, so that nothing had to be copied.
    """

    rows: Mapping[str, int]
    was_there: bool


def copy_database(source_url: URL, target_url: URL, *, on_progress: OnProgress) -> CopyResult:
    """Copy everything that is stored into a database without any rows, and compare it; the schema comes along.

    Another process that writes to the source meanwhile waits, and gets an error after some seconds.

    A target that holds exactly what the source has is a copy that was not reported as complete: it is only compared.

    Raises:
        StoreError: One of them cannot be used, the target holds anything else, or a row differs; then the target is as
            it was, unless the text says that this is not known.
    """
    with _source(source_url) as source, _target(target_url) as target:
        rows = {table.name: source.size(table) for table in TABLES}
        progress = _Progress(on_progress, sum(rows.values()))
        target.check_encoding()
        was_there = not target.is_empty()
        if not was_there:
            _copy(source, target, progress.of(CopyPhase.COPIED))
        difference = _first_difference(source, target, progress.of(CopyPhase.COMPARED))
        if difference is not None:
            raise _refusal(source, target, difference, was_there=was_there)
    return CopyResult(rows=rows, was_there=was_there)


@contextmanager
def _source(url: URL) -> Iterator[RawTables]:
    """Yield what is to be copied."""
    with _held(url) as connection:
        state = schema.schema_state_in(connection)
        if state is not SchemaState.CURRENT:
            raise StoreError(f"{location(url)}: expected this version's schema, found none or another one")
        schema.check_objects(connection)
        yield RawTables(connection)


@contextmanager
def _target(url: URL) -> Iterator[RawTables]:
    """Yield what is to be filled, with this version's schema; it is committed at the end of the block."""
    is_filled = False
    try:
        with _held(url) as connection:
            schema.run_upgrade(connection)
            yield RawTables(connection)
            is_filled = True
    except StoreError as error:
        if is_filled:
            raise StoreError(f"{error}; whether all of it was kept is not known: a second try finds out") from error
        raise


@contextmanager
def _held(url: URL) -> Iterator[Connection]:
    """Yield a transaction that may take its time, and keeps everybody out who would write."""
    engine = open_engine(url, Access.MIGRATION)
    try:
        with store_errors(url), engine.begin() as connection:
            lock_writers(connection, ADVISORY_UPGRADE)
            lock_writers(connection, ADVISORY_WRITER)
            yield connection
    finally:
        engine.dispose()


class _Progress:
    """Says how many rows are done."""

    def __init__(self, on_progress: OnProgress, all_: int) -> None:
        self._on_progress = on_progress
        self._all = all_

    def of(self, step: CopyPhase) -> Callable[[int], None]:
        """Return a function that takes how many more rows are done."""
        done = 0

        def note(more: int) -> None:
            nonlocal done
            done += more
            self._on_progress(step, done, self._all)

        return note


def _copy(source: RawTables, target: RawTables, note: Callable[[int], None]) -> None:
    for table in TABLES:
        for batch in source.batches(table):
            target.add(table, batch)
            note(len(batch))
        target.continue_ids_after(source.last_id(table), table)
    target.analyze()


def _first_difference(source: RawTables, target: RawTables, note: Callable[[int], None]) -> str | None:
    run_rule_test = (_difference_of(table, source, target, note) for table in TABLES)
    return next((each for each in run_rule_test if each is not None), None)


def _difference_of(table: Table, source: RawTables, target: RawTables, note: Callable[[int], None]) -> str | None:
    with closing(source.batches(table)) as old, closing(target.batches(table)) as new:
        for expected, found in zip_longest(old, new, fillvalue=()):
            if list(expected) != list(found):
                return f"{table.name}: {_described(table, expected, found)}"
            note(len(found))
    return None


def _described(table: Table, expected: Sequence[Row[Any]], found: Sequence[Row[Any]]) -> str:
    """Return how two batches differ first, whose rows are in the order of their keys."""
    keys = [each.name for each in table.primary_key]
    old, new = next(pair for pair in zip_longest(expected, found) if pair[0] != pair[1])
    if old is not None and new is not None and _values(old, keys) == _values(new, keys):
        name = next(each.name for each in table.columns if old._mapping[each.name] != new._mapping[each.name])  # noqa: SLF001 - its name
        return f"{_named(old, keys)} has {name}={_shown(old, name)} in the source, {_shown(new, name)} in the target"
    if new is None or (old is not None and _values(old, keys) < _values(new, keys)):
        return f"{_named(old, keys)} of the source is missing in the target"
    return f"{_named(new, keys)} of the target is missing in the source"


def _values(row: Row[Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row._mapping[name] for name in names)  # noqa: SLF001 - SQLAlchemy's name


def _named(row: Row[Any], names: Sequence[str]) -> str:
    return f"the row {', '.join(f'{name}={_shown(row, name)}' for name in names)}"


def _shown(row: Row[Any], name: str) -> str:
    shown = repr(row._mapping[name])  # noqa: SLF001 - SQLAlchemy's name
    return shown if len(shown) <= _MAX_SHOWN_LENGTH else f"{shown[:_MAX_SHOWN_LENGTH]}…"


def _refusal(source: RawTables, target: RawTables, difference: str, *, was_there: bool) -> StoreError:
    if was_there:
        return StoreError(
            f"{target.location} holds an installation already, and not a copy of {source.location}: "
            f"expected a database without any rows. {difference}"
        )
    return StoreError(f"the copy is not the same as {source.location}, and was not kept. {difference}")
