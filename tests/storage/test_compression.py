"""Many changes in few bytes, each of which comes back as it was."""

import zlib
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerter.storage.compression import CorruptDay, decode, encode
from alerter.storage.encoding import StoredChange

MINUTE = 60_000_000
_INT64 = st.integers(-(2**62), 2**62)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2**61), st.integers(1, 9), st.integers(0, 2**61), st.integers(0, 2**61)), min_size=1
    )
)
@example(changes=[(1_772_452_800_000_000, 1, 0, 7)])
@example(changes=[(5, 1, 0, 7), (5, 2, 9, 0), (6, 1, 3, 4)])
def test_every_change_comes_back(changes: list[StoredChange]) -> None:
    """Also one that does not begin where the one before it ended, as beside a gap."""
    changes = sorted(changes)

    assert list(decode(encode(changes))) == changes


def a_day(jitter: int) -> list[StoredChange]:
    """Return the changes of fifty reasons polled each minute, with answers that take longer or shorter."""
    chance = Random(7)  # noqa: S311 - no secret
    held = dict.fromkeys(range(1, 51), 100)
    changes = []
    for minute in range(24 * 60):
        at = 1_772_452_800_000_000 + minute * MINUTE + chance.randint(0, jitter)
        for number, was in held.items():
            if chance.random() < 0.016 and (step := chance.randint(-5, 5)):
                held[number] = was + step
                changes.append((at, number, was, was + step))
    return changes


@pytest.mark.parametrize(("jitter", "most"), [(0, 3.2), (300_000, 5.2)], ids=["to the minute", "with jitter"])
def test_a_change_takes_a_few_bytes(jitter: int, most: float) -> None:
    """A quarter of what a row of SQLite takes, or less."""
    changes = a_day(jitter)

    assert len(encode(changes)) / len(changes) < most


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (b"", "expected a chunk that begins with 01, found nothing"),
        (b"\x02rest", "begins with 01, found 02"),
        (b"\x01rest", "incorrect header check"),
        (encode([(1, 1, 0, 7)])[:-1], "incomplete or truncated stream"),
        (b"\x01" + zlib.compress(b"12345"), "expected 4 numbers a change, found 5 bytes"),
        (b"\x01" + zlib.compress(b"12345678"), "expected 4 numbers a change, found 8 bytes"),
    ],
    ids=["nothing", "of another format", "not packed", "cut short", "half a number", "too few numbers"],
)
def test_what_is_no_chunk_is_refused(chunk: bytes, says: str) -> None:
    """It says what was found; nothing is made up."""
    with pytest.raises(CorruptDay, match=says):
        list(decode(chunk))


@pytest.mark.parametrize("bit", [1, 128])
def test_a_chunk_that_has_changed_anywhere_is_refused(bit: int) -> None:
    """There is a checksum: but for the few bits that mean nothing, none may differ."""
    changes = a_day(0)[:50]
    chunk = encode(changes)
    refused = 0

    for place in range(len(chunk)):
        broken = bytearray(chunk)
        broken[place] ^= bit
        try:
            assert list(decode(bytes(broken))) == changes
        except CorruptDay:
            refused += 1

    assert refused > 0.9 * len(chunk)


def test_the_changes_of_some_series_are_those_of_all_without_the_others() -> None:
    """A chart of one hold reason need not decode the other forty-nine."""
    changes = [(1_000_000 + 60 * number, number % 3, number, number + 2) for number in range(30)]
    chunk = encode(changes)

    assert list(decode(chunk, frozenset({1}))) == [each for each in changes if each[1] == 1]
    assert list(decode(chunk, frozenset())) == []
