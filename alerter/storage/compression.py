"""Compressed days: many changes of one tenant's counts in few bytes.

A row of `count_changes` takes some twenty bytes in SQLite and a hundred in PostgreSQL, with its index; compressed, a
change takes three to five. Every number becomes the distance from the one that it is likely to be: an instant from the
change before, what a count was from what its series was left at, what it became from what it was. What is small has
zeros in its higher bytes; those of all numbers lie together, and deflate makes next to nothing of them.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress, pairwise
from struct import Struct
from typing import NamedTuple

from alerter.storage.encoding import StoredChange

#: The first byte of a chunk says how the others are meant.
_FORMAT = b"\x01"
#: Four numbers of eight bytes each.
_COLUMNS, _WIDTH = 4, 8


class CorruptDay(ValueError):
    """A chunk is not as it was written."""


class _Columns(NamedTuple):
    at: Sequence[int]
    series: Sequence[int]
    was: Sequence[int]
    held: Sequence[int]


def encode(changes: Iterable[StoredChange]) -> bytes:
    """Return changes as a chunk.

    Args:
        changes: At least one, oldest first.
    """
    at, series, was, held = zip(*changes, strict=True)
    expected = list(_left_at(series, held))
    columns = _Columns(
        at=(at[0], *(after - before for before, after in pairwise(at))),
        series=series,
        was=[_folded(count - left) for count, left in zip(was, expected, strict=True)],
        held=[_folded(after - before) for before, after in zip(was, held, strict=True)],
    )
    numbers = [number for column in columns for number in column]
    content = _numbers(len(numbers)).pack(*numbers)
    return _FORMAT + zlib.compress(b"".join(content[place::_WIDTH] for place in range(_WIDTH)))


def decode(chunk: bytes, only: frozenset[int] | None = None) -> Iterator[StoredChange]:
    """Yield the changes of a chunk, as they were.

    Args:
        chunk: Of `encode`.
        only: The series that are wanted; None for all. Those of one are found in a tenth of the time.

    Raises:
        CorruptDay: It is not what `encode` returned.
    """
    columns = _columns(chunk)
    left: dict[int, int] = {}
    changes: Iterable[tuple[int, int, int, int]] = zip(accumulate(columns.at), *columns[1:], strict=True)
    if only is not None:
        changes = compress(changes, map(only.__contains__, columns.series))
    for at, series, was, held in changes:
        before = left.get(series, 0) + _unfolded(was)
        left[series] = after = before + _unfolded(held)
        yield at, series, before, after


def _columns(chunk: bytes) -> _Columns:
    if chunk[:1] != _FORMAT:
        raise CorruptDay(f"expected a chunk that begins with {_FORMAT.hex()}, found {chunk[:1].hex() or 'nothing'}")
    try:
        planes = zlib.decompress(chunk[1:])
    except zlib.error as error:
        raise CorruptDay(str(error)) from error
    count, rest = divmod(len(planes), _WIDTH)
    each, odd = divmod(count, _COLUMNS)
    if rest or odd:
        raise CorruptDay(f"expected {_COLUMNS} numbers a change, found {len(planes)} bytes")
    content = bytearray(len(planes))
    for place in range(_WIDTH):
        content[place::_WIDTH] = planes[place * count : (place + 1) * count]
    numbers = _numbers(count).unpack(content)
    return _Columns(*(numbers[first * each : (first + 1) * each] for first in range(_COLUMNS)))


def _numbers(count: int) -> Struct:
    return Struct(f"<{count}q")


def _left_at(series: Iterable[int], held: Iterable[int]) -> Iterator[int]:
    """Yield of each change what the one before it left its series at; 0 where there is none."""
    left: dict[int, int] = {}
    for number, count in zip(series, held, strict=True):
        yield left.get(number, 0)
        left[number] = count


def _folded(number: int) -> int:
    """Return a number without a sign, which is small where the number is near zero."""
    return 2 * number if number >= 0 else -2 * number - 1


def _unfolded(number: int) -> int:
    return number // 2 if number % 2 == 0 else -(number + 1) // 2
