"""Files as lines of text: UTF-8, each line no longer than a bound, whatever the file is and wherever it comes from."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Stands for standard input in place of a path.
STANDARD_INPUT = "-"
#: How much of a file's beginning shows what it is.
HEAD_BYTES = 65_536
#: No line, and no row of CSV, is longer than this, in characters.
MAX_LINE = 131_072


class LongLineError(ValueError):
    """A line is too long to be one of history."""


@contextmanager
def open_text(path: str) -> Iterator[tuple[TextIO, bytes]]:
    """Open a file, a pipe or standard input to read it once; yield it as UTF-8 text, and its first bytes.

    Args:
        path: Its path, or `-` for standard input.

    Raises:
        OSError: It cannot be opened or read.
    """
    if path == STANDARD_INPUT:
        yield _text(sys.stdin.buffer)
        return
    with Path(path).open("rb", buffering=HEAD_BYTES) as file:
        yield _text(file)


def lines(stream: TextIO) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    Raises:
        LongLineError: One is longer than `MAX_LINE`.
    """
    while line := stream.readline(MAX_LINE):
        if len(line) >= MAX_LINE:
            raise LongLineError
        yield line


def _text(file: BinaryIO) -> tuple[TextIO, bytes]:
    # A pipe gives its beginning in any number of pieces, and cannot be read again.
    head = b""
    while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):
        head += piece
    whole = BufferedReader(_Again(head, file), HEAD_BYTES)
    return TextIOWrapper(whole, encoding="utf-8-sig", newline=""), head


class _Again(RawIOBase):
    """A stream whose first bytes were read already, from its beginning."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._head[: len(view)] or self._file.read(len(view))
        self._head = self._head[len(piece) :]
        view[: len(piece)] = piece
        return len(piece)
