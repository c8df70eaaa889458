"""Files as text: which encoding they have, whether they are CSV or JSON Lines, and what separates their columns."""

import csv
import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, TextIO

from alerter.adapters.files.writing import FileFormat

#: Stands for standard input in place of a path.
STANDARD_INPUT = "-"
#: So much of a file's beginning tells what it is.
HEAD_BYTES = 65_536
#: What may separate columns, the likeliest first.
DELIMITERS = (",", ";", "\t", "|")
#: So many rows of the beginning are compared.
_ROWS = 20
_MARKS = ((BOM_UTF8, "utf-8-sig"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))


@contextmanager
def opened(path: str, encoding: str | None) -> Iterator[tuple[TextIO, str]]:
    """Open a file to read it from its beginning to its end, once; yield it and its beginning.

    Args:
        path: Its path, or `-` for standard input.
        encoding: A codec of Python's; None for UTF-8, or for what the mark at its beginning says.

    Raises:
        OSError: It cannot be opened or read.
    """
    if path == STANDARD_INPUT:
        # A pipe gives its beginning in any number of pieces; from a file the whole of it can be looked at.
        with TemporaryFile("w+b", buffering=HEAD_BYTES) as copy:
            copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield _as_text(copy, encoding)
        return
    with Path(path).open("rb", buffering=HEAD_BYTES) as file:
        yield _as_text(file, encoding)


def _as_text(file: IO[bytes], encoding: str | None) -> tuple[TextIO, str]:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    stream = TextIOWrapper(file, encoding=encoding or marked, newline="")
    return stream, head.decode(encoding or marked, errors="ignore")


def line_of_other_bytes(path: str, encoding: str) -> int | None:
    """Return the first line that is not in an encoding; None where that cannot be told, as from standard input."""
    if path == STANDARD_INPUT:
        return None
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return number
    return None


def format_of(head: str) -> FileFormat:
    """Return what the beginning of a file looks like."""
    return FileFormat.JSONL if head.lstrip()[:1] in {"{", "["} else FileFormat.CSV


def delimiter_of(head: str) -> str | None:
    """Return what separates the columns, or None where nothing does.

    It is what gives the most rows the same number of columns, and of those the most columns.
    """
    lines = head.splitlines(keepends=True)
    whole = lines[:-1] if len(head) >= HEAD_BYTES // 4 and len(lines) > 1 else lines

    def fits(delimiter: str) -> tuple[int, int]:
        widths = _widths(whole[:_ROWS], delimiter)
        width = widths[0] if widths else 1
        return (sum(each == width for each in widths), width) if width > 1 else (0, 0)

    best = max(DELIMITERS, key=fits)
    return best if fits(best) > (0, 0) else None


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []
