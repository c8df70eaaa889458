"""Reads the files of `alerter import`, entry by entry, with the line on which each stands and every problem.

Three forms are read, and nothing is guessed: the JSON Lines and the CSV that `alerter export` writes, and one plain CSV
with a time, a tenant, a hold reason and a count in each row. What else a file is, `foreign` knows.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias, TypeVar

from alerter.core.history_records import ImportedSample, Record
from alerter.errors import Problem
from alerter.import_export import foreign
from alerter.import_export.cells import unescape_formula
from alerter.import_export.entries import FileOptions, Plain, Row, WrongError, listed, parse_record
from alerter.import_export.parse import ValueParser, describe_value
from alerter.import_export.texts import MAX_LINE, LongLineError, lines, open_text
from alerter.import_export.write import OPTIONAL_COLUMNS, PARTIAL, PARTIAL_MARK, READING_COLUMNS, RECORD_COLUMNS

#: The line on which something begins, and what it is.
Entry: TypeAlias = tuple[int, Record | ImportedSample]
_Cells: TypeAlias = list[str]
_Kind = TypeVar("_Kind")
_NOTHING: _Cells = []
_Maker: TypeAlias = Callable[[Sequence[str]], Record | ImportedSample]

#: The wrong values that are examined to say how they are written.
MAX_EXPLAINED = 20

_PARTIAL_TEXT = (
    "found an export of some hold reasons only: imported, it would say that nothing else was held; expected one "
    "that was made without `--reason`"
)


def read(path: str, layout: FileOptions, values: ValueParser) -> Iterator[Entry | Problem]:
    """Yield what stands in a file, and what is wrong with it, in its order.

    Args:
        path: Its path, or `-` for standard input.
        layout: How it is written.
        values: Reads its values; one for each file.
    """
    file = _File(path, layout, values)
    try:
        with open_text(path) as (stream, head):
            text = head.decode(errors="replace").removeprefix("\ufeff")
            strange = foreign.foreign_bytes(head) or foreign.foreign_text(text)
            if strange is not None:
                yield file.refused(None, strange)
            elif text.lstrip()[:1] in {"{", "["}:
                yield from file.json_entries(lines(stream), text)
            else:
                yield from file.csv_entries(lines(stream))
    except _UnreadableError as error:
        yield file.problem(error.line, str(error))
    except OSError as error:
        yield file.problem(None, f"cannot be read: {(error.strerror or 'unknown error').lower()}")
    except LongLineError:
        text = f"expected rows of {MAX_LINE:,} characters at most, found a longer one; perhaps a quote is not closed"
        yield file.problem(file.line + 1, text)
    except UnicodeError:
        yield file.refused(file.line + 1, foreign.foreign_encoding())


class _UnreadableError(ValueError):
    """Nothing can be read from a line on."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class _File:
    """A file that is being read."""

    def __init__(self, path: str, layout: FileOptions, values: ValueParser) -> None:
        self.line = 0
        self._path = path
        self._layout = layout
        self._values = values
        self._wrong = 0
        self._advised: set[str] = set()

    def problem(self, line: int | None, text: str, key: str = "") -> Problem:
        """Return a problem of the file."""
        return Problem(file=self._path, line=line, key=key, text=text)

    def refused(self, line: int | None, strange: foreign.Foreign) -> Problem:
        """Return that the file is something else, and how to convert it."""
        return self.problem(line, _foreign_text(strange, self._path))

    def json_entries(self, texts: Iterator[str], head: str) -> Iterator[Entry | Problem]:
        """Yield the records or counts of JSON Lines."""
        counts = Plain(READING_COLUMNS, FileOptions(tenant=self._layout.tenant), self._values, guarded=False)
        if not _begins_as_own(head):
            yield self.refused(1, foreign.foreign_json(head))
            return
        for text in texts:
            self.line += 1
            row = _object(text) if text.strip() else None
            if isinstance(row, str):
                yield self.problem(self.line, row)
            elif row is not None and "record" in row:
                yield self._made(self.line, row, self._record_of)
            elif row is not None:
                yield self._made(self.line, [row.get(name) for name in READING_COLUMNS], counts.reading_of)

    def csv_entries(self, texts: Iterator[str]) -> Iterator[Entry | Problem]:
        """Yield the rows of CSV."""
        rows = self._rows(chain([self._first_line(texts)], texts))
        line, names = next((row for row in rows if not isinstance(row, Problem)), (self.line, _NOTHING))
        if not names:
            raise _UnreadableError(self.line, f"{foreign.EXPECTED}, found an empty file")
        names = [name.strip() for name in names]
        make: _Maker | None = None
        for row in rows:
            if isinstance(row, Problem):
                yield row
            elif len(row[1]) != len(names):
                hint = ": a name with a comma in it needs quotes" if len(row[1]) > len(names) else ""
                text = f"expected {len(names)} cells, as in the line of names, found {len(row[1])}{hint}"
                yield self.problem(row[0], text)
            else:
                make = make or self._maker(line, names, row[1])
                yield self._made(*row, make)
        if make is None:
            self._maker(line, names, names)  # raises what is wrong with the names

    def _first_line(self, texts: Iterator[str]) -> str:
        """Return the first line that does not begin with `#`."""
        first = next(texts, "")
        strange = foreign.foreign_line(first)
        if strange is not None:
            raise _UnreadableError(1, _foreign_text(strange, self._path))
        while first.startswith("#"):
            self.line += 1
            if first.startswith(PARTIAL_MARK):
                raise _UnreadableError(self.line, _PARTIAL_TEXT)
            first = next(texts, "")
        return first

    def _rows(self, texts: Iterator[str]) -> Iterator[tuple[int, _Cells] | Problem]:
        """Yield the cells of each row that has any, with the line on which it begins."""
        bounded = _Bounded(texts)
        reader = csv.reader(bounded, strict=True)
        skipped = self.line
        while True:
            bounded.size = 0
            begins = reader.line_num + skipped + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                text = f"expected CSV, found an error: {error}; a quote within quotes is written twice"
                yield self.problem(begins, text)
                continue
            if cells is None:
                return
            self.line = reader.line_num + skipped
            if any(cells):
                yield begins, cells

    def _maker(self, line: int, names: Sequence[str], row: Sequence[str]) -> _Maker:
        """Return what makes an entry of the cells of a row.

        Args:
            line: Where the names of the columns stand.
            names: What they are.
            row: The first row.

        Raises:
            _UnreadableError: The file is none that is read.
        """
        if "record" in names:
            # A column that is there twice has more names than a set of them.
            lacking = [name for name in RECORD_COLUMNS if name in OPTIONAL_COLUMNS and name not in names]
            if sorted([*names, *lacking]) != sorted(RECORD_COLUMNS):
                raise _UnreadableError(line, f"expected the columns {', '.join(RECORD_COLUMNS)}, found {listed(names)}")
            return lambda cells: self._record_of(dict(zip(names, map(unescape_formula, cells), strict=True)))
        try:
            plain = Plain(names, self._layout, self._values, guarded=True)
        except ValueError as error:
            raise _UnreadableError(line, str(error)) from None
        if plain.missing or self._layout.columns:
            strange = foreign.foreign_table(names, row)
            if strange is not None:
                raise _UnreadableError(line, _foreign_text(strange, self._path))
        if plain.missing:
            options = " ".join(f"--column {field}=NAME" for field in plain.missing)
            options += ", or --tenant NAME" if "tenant" in plain.missing else ""
            if any(map(self._values.needs_timezone, row)):
                options += ", and its times have no offset: --timezone NAME"
            raise _UnreadableError(
                line, f"{foreign.EXPECTED}, found the columns {listed(names)}; say which of them is which: {options}"
            )
        return plain.reading_of

    def _record_of(self, row: Row) -> Record:
        if row.get("record") == PARTIAL:
            raise _UnreadableError(self.line, _PARTIAL_TEXT)
        return parse_record(row, self._layout.tenant, self._values)

    def _made(self, line: int, row: _Kind, make: Callable[[_Kind], Record | ImportedSample]) -> Entry | Problem:
        try:
            return line, make(row)
        except WrongError as error:
            self._wrong += 1
            strange = error.strange() if self._wrong <= MAX_EXPLAINED else None
            text = str(error) if strange is None else f"{error} ({strange.name})"
            if strange is not None and strange.name not in self._advised:
                # One line converts the whole file: it is said once.
                text += strange.advice(self._path)
                self._advised.add(strange.name)
            return self.problem(line, text, error.key)


class _Bounded:
    """Lines for a reader of CSV: what it takes for one row is bounded.

    Attributes:
        size: The characters since it was last set to 0.
    """

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._texts)
        self.size += len(text)
        if self.size > MAX_LINE:
            raise LongLineError
        return text


def _begins_as_own(head: str) -> bool:
    """Return True if the first line is a record or a count, as `alerter export` writes them."""
    row = _object(head.lstrip().partition("\n")[0])
    return not isinstance(row, str) and ("record" in row or row.keys() == set(READING_COLUMNS))


def _foreign_text(strange: foreign.Foreign, path: str) -> str:
    return f"found {strange.name}; {foreign.EXPECTED}{strange.advice(path)}"


def _object(text: str) -> Row | str:
    expected = "expected one JSON object on each line"
    try:
        value = json.loads(text)
    except RecursionError:
        return f"{expected}, found one that is nested too deeply"
    except ValueError as error:
        return f"{expected}, found an error: {error}"
    return value if isinstance(value, dict) else f"{expected}, found {describe_value(value)}"
