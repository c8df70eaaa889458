"""Reads files of records or readings, entry by entry, with the line on which each stands and every problem.

CSV (columns separated by `,`, `;`, tab or `|`, quoted as RFC 4180 has it) and JSON Lines; UTF-8, or UTF-16 with its
mark. A file with a column (a key) `record` is alerter's own; of others the columns are found by their names.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, TypeAlias

from alerter.adapters.files.cells import read as cell_read
from alerter.adapters.files.columns import FIELDS, Columns, columns_of, is_named, listed
from alerter.adapters.files.entries import Owners, Row, Wrong, reading_of, record_of
from alerter.adapters.files.texts import delimiter_of, format_of, line_of_other_bytes, opened
from alerter.adapters.files.values import Values, found
from alerter.adapters.files.writing import RECORD_COLUMNS, FileFormat
from alerter.core.records import Reading, Record
from alerter.core.series import Tenant
from alerter.errors import Problem

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

#: A line of JSON Lines is not longer than this, in characters.
LONGEST_LINE = 131_072

#: The line on which something begins, and what it is.
Entry: TypeAlias = tuple[int, Record | Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is written, where that cannot be told from itself.

    Attributes:
        tenant: Whose everything in the file is, whatever it says; None for what it says.
        default_tenant: Whose it is where the file does not say; None where it must.
        columns: The names or numbers of columns, by field.
        file_format: CSV or JSON Lines; None for what the file looks like.
        encoding: A codec of Python's; None for UTF-8, or for what the file's mark says.
    """

    tenant: Tenant | None = None
    default_tenant: Tenant | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    file_format: FileFormat | None = None
    encoding: str | None = None


def read(path: str, layout: Layout, values: Values) -> Iterator[Entry | Problem]:
    """Yield what stands in a file, and what is wrong with it, in its order.

    Args:
        path: Its path, or `-` for standard input.
        layout: How it is written.
        values: Reads its values; one for each file.
    """
    try:
        with opened(path, layout.encoding) as (stream, head):
            form = layout.file_format or format_of(head)
            reader = _Csv(stream, head, layout) if form is FileFormat.CSV else _Jsonl(stream, layout)
            yield from _entries(path, reader, values)
    except OSError as error:
        yield _problem(path, None, f"cannot be read: {(error.strerror or 'unknown error').lower()}")


def _entries(path: str, reader: "_Csv | _Jsonl", values: Values) -> Iterator[Entry | Problem]:
    try:
        for line, row in reader.rows():
            if isinstance(row, str):
                yield _problem(path, line, row)
                continue
            try:
                yield line, reader.entry(row, values)
            except Wrong as error:
                yield _problem(path, line, str(error), key=error.key)
    except _Unreadable as error:
        yield _problem(path, error.line, str(error))
    except UnicodeError:
        encoding = reader.stream.encoding
        text = f"expected {encoding.upper()}, found other bytes; --encoding NAME says what it is, such as windows-1252"
        yield _problem(path, line_of_other_bytes(path, encoding), text)


def _problem(path: str, line: int | None, text: str, key: str = "") -> Problem:
    return Problem(file=path, line=line, key=key, text=text)


class _Unreadable(ValueError):
    """Nothing more can be read from a line on."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class _Csv:
    """The rows of a CSV file, by the names of their columns."""

    def __init__(self, stream: TextIO, head: str, layout: Layout) -> None:
        self.stream = stream
        self.line = 0
        self._head = head
        self._layout = layout
        self._owners = Owners(layout.tenant, layout.default_tenant)
        self._columns = Columns({})
        self._is_own = False

    def rows(self) -> Iterator[tuple[int, Row | str]]:
        """Yield each row with the line on which it begins, or what is wrong with it."""
        delimiter = self._delimiter()
        reader = csv.reader(self.stream, delimiter=delimiter, strict=True)
        names: Sequence[str] | None = None
        for line, cells in self._cells(reader):
            if isinstance(cells, str) or not any(cells):
                yield from [(line, cells)] if isinstance(cells, str) else ()
            elif names is None:
                names, is_row = self._names(line, cells)
                yield from [(line, dict(zip(names, cells, strict=True)))] if is_row else ()
            elif len(cells) != len(names):
                hint = f": a name with a {delimiter!r} in it needs quotes" if len(cells) > len(names) else ""
                yield line, f"expected {len(names)} cells, as in the first line, found {len(cells)}{hint}"
            else:
                yield line, dict(zip(names, cells, strict=True))
        if names is None:
            raise _Unreadable(self.line + 1, "expected a first line with the names of columns, found nothing")

    def entry(self, row: Row, values: Values) -> Record | Reading:
        """Return what a row says."""
        texts = {name: cell_read(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        return (
            record_of(texts, values, self._owners)
            if self._is_own
            else reading_of(texts, self._columns, values, self._owners)
        )

    def _delimiter(self) -> str:
        first, _, _ = self._head.partition("\n")
        if first.lower().startswith("sep=") and first.strip()[4:]:
            self.stream.readline()
            self.line = 1
            return first.strip()[4:][:1] if first[4:5] != "\t" else "\t"
        delimiter = delimiter_of(self._head)
        if delimiter is None:
            raise _Unreadable(1, "expected columns separated by ',', ';', a tab or '|', found none of them")
        return delimiter

    def _cells(self, reader: "CsvReader") -> Iterator[tuple[int, list[str] | str]]:
        skipped = self.line
        while True:
            begins = reader.line_num + skipped + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self.line = reader.line_num + skipped
                yield begins, f"expected CSV, found an error: {error}; a quote within quotes is written twice"
                continue
            if cells is None:
                return
            self.line = reader.line_num + skipped
            yield begins, cells

    def _names(self, line: int, cells: Sequence[str]) -> tuple[Sequence[str], bool]:
        """Return the names of the columns, and whether the first line is a row that has none of them."""
        names = [cell.strip() for cell in cells]
        if "record" in names:
            self._is_own = True
            missing = [name for name in RECORD_COLUMNS if name not in names]
            if missing:
                raise _Unreadable(
                    line, f"expected the columns {', '.join(RECORD_COLUMNS)}, found none for {missing[0]!r}"
                )
            return names, False
        needed = set(FIELDS) - (set() if self._owners.must_be_named else {"tenant"})
        is_row = not is_named(names)
        if is_row and not self._layout.columns:
            fields = [field for field in FIELDS if field in needed]
            example = " ".join(f"--column {field}={number}" for number, field in enumerate(fields, 1))
            raise _Unreadable(
                line,
                f"expected a first line with the names of columns, found a row; say which column holds "
                f"{listed(FIELDS, needed)}, such as {example}",
            )
        names = [str(number) for number in range(1, len(cells) + 1)] if is_row else names
        try:
            self._columns = columns_of(names, self._layout.columns, needed=needed)
        except ValueError as error:
            raise _Unreadable(line, str(error)) from None
        return names, is_row


class _Jsonl:
    """The objects of a file of JSON Lines."""

    def __init__(self, stream: TextIO, layout: Layout) -> None:
        self.stream = stream
        self.line = 0
        self._layout = layout
        self._owners = Owners(layout.tenant, layout.default_tenant)
        self._columns: dict[tuple[str, ...], Columns] = {}

    def rows(self) -> Iterator[tuple[int, Row | str]]:
        """Yield each object with its line, or what is wrong with it."""
        while text := self.stream.readline(LONGEST_LINE):
            self.line += 1
            if len(text) >= LONGEST_LINE:
                raise _Unreadable(self.line, "expected one JSON object on each line, found a line without an end")
            if text.strip():
                yield self.line, _object(text)

    def entry(self, row: Row, values: Values) -> Record | Reading:
        """Return what an object says."""
        if "record" in row:
            return record_of(row, values, self._owners)
        keys = tuple(row)
        if keys not in self._columns:
            needed = set(FIELDS) - (set() if self._owners.must_be_named else {"tenant"})
            try:
                self._columns[keys] = columns_of(keys, self._layout.columns, needed=needed)
            except ValueError as error:
                raise Wrong("", str(error)) from None
        return reading_of(row, self._columns[keys], values, self._owners)


def _object(text: str) -> Row | str:
    expected = "expected one JSON object on each line"
    try:
        value = json.loads(text)
    except RecursionError:
        return f"{expected}, found one that is nested too deeply"
    except ValueError as error:
        return f"{expected}, found an error: {error}"
    return value if isinstance(value, dict) else f"{expected}, found {found(value)}"
