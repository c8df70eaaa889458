"""Counts that another tool wrote down, told as polls; and where that is not certain."""

from datetime import timedelta

import pytest
from hypothesis import given as given_these
from hypothesis import strategies as st

from alerter.core.poll_times import NEVER
from alerter.core.readings import NOTHING, Rows, RowsError, given_by, twice
from alerter.core.series import HoldReason, Tenant, from_epoch_us, to_epoch_us
from tests.builders import at, minutes

ACME = Tenant("acme")


def rows_of(text: str) -> tuple[Rows, list[HoldReason]]:
    """Return the rows of `11:00 Spam 7, 11:05 Spam 8`, oldest first, and the names of their reasons; `-` is nothing."""
    rows, names = Rows(), dict[str, int]()
    for place, each in enumerate(text.split(",")):
        clock, reason, held = each.split()
        index = NOTHING if reason == "-" else names.setdefault(reason, len(names))
        rows.add(to_epoch_us(at(clock)), index, int(held), place)
    return rows.in_order(), [HoldReason(name) for name in names]


def polls_of(text: str, interval: timedelta | None = None) -> str:
    """Return the polls of rows as `11:00 A 1 B 0, 11:05 ...`: what each reason that was seen by then held."""
    rows, reasons = rows_of(text)
    found = given_by(ACME, rows, reasons, interval=interval)
    held = dict.fromkeys(sorted(reasons), 0)
    changes = list(found.changes())
    polls = []
    for poll in found.polls:
        held.update({reason: count for when, reason, _, count in changes if when == poll})
        seen = [reason for reason in held if found.first_seen.get(reason, NEVER) <= poll]
        counts = " ".join(f"{reason} {held[reason]}" for reason in seen)
        polls.append(f"{from_epoch_us(poll):%H:%M:%S} {counts}".strip())
    return ", ".join(polls)


def runs_of(text: str, interval: timedelta | None = None) -> str:
    """Return the runs of polls of rows as `11:00-11:10x3`."""
    found = given_by(ACME, *rows_of(text), interval=interval)
    return " ".join(
        f"{from_epoch_us(run.since):%H:%M}-{from_epoch_us(run.until):%H:%M}x{run.polls}" for run in found.runs
    )


def refused(text: str, interval: timedelta | None = None) -> list[tuple[int, str]]:
    """Return why rows are no polls."""
    with pytest.raises(RowsError) as caught:
        given_by(ACME, *rows_of(text), interval=interval)
    return list(caught.value.found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("11:00 A 1, 11:05 A 2", "11:00:00 A 1, 11:05:00 A 2", id="one reason"),
        pytest.param(
            "11:00 A 1, 11:00 B 2, 11:05 A 1", "11:00:00 A 1 B 2, 11:05:00 A 1 B 0", id="no row of a poll is 0"
        ),
        pytest.param(
            "11:00 A 1, 11:05 A 1, 11:10 A 1, 11:10 B 1", "11:00:00 A 1, 11:05:00 A 1, 11:10:00 A 1 B 1", id="a new one"
        ),
        pytest.param("11:00 - 0, 11:05 - 0, 11:10 A 1", "11:00:00, 11:05:00, 11:10:00 A 1", id="nothing was held"),
        pytest.param("11:05 A 2, 11:00 A 1", "11:00:00 A 1, 11:05:00 A 2", id="rows in any order"),
        pytest.param("11:00 A 1, 11:00 B 2", "11:00:00 A 1 B 2", id="a single poll"),
    ],
)
def test_rows_of_one_instant_are_one_poll(text: str, expected: str) -> None:
    """A reason that is not in it had 0 then, as after a poll of alerter's own."""
    assert polls_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "11:00:00 A 1, 11:00:01 B 2, 11:05:00 A 3, 11:05:01 B 2",
            "11:00:01 A 1 B 2, 11:05:01 A 3 B 2",
            id="a script that takes a second for each",
        ),
        pytest.param(
            "11:00:00 A 1, 11:00:14 B 2, 11:00:28 C 3, 11:00:42 D 4, 11:01:00 A 1, 11:01:14 B 2, 11:01:28 C 9, "
            "11:01:42 D 4, 11:02:00 A 1, 11:02:14 B 2, 11:02:28 C 3, 11:02:42 D 4",
            "11:00:42 A 1 B 2 C 3 D 4, 11:01:42 A 1 B 2 C 9 D 4, 11:02:42 A 1 B 2 C 3 D 4",
            id="items that are read one after the other, all the time",
        ),
        pytest.param(
            "11:00:14 B 2, 11:00:50 C 3, 11:01:00 A 1, 11:01:14 B 2, 11:01:50 C 3, 11:02:00 A 1",
            "11:01:00 A 1 B 2 C 3, 11:02:00 A 1 B 2 C 3",
            id="a file that begins in the middle of a poll",
        ),
        pytest.param(
            "11:00:00 A 1, 11:00:01 B 2, 11:05:00 A 3, 11:05:00 B 2",
            "11:00:01 A 1 B 2, 11:05:00 A 3 B 2",
            id="only some of them",
        ),
    ],
)
def test_reasons_that_were_read_one_after_the_other_are_one_poll(text: str, expected: str) -> None:
    """Its time is that of its last row, and no 0 is made up."""
    assert polls_of(text) == expected


@pytest.mark.parametrize(
    ("text", "places"),
    [
        pytest.param(
            "11:00:00 A 1, 11:00:01 B 2, 11:05:00 A 1, 11:05:01 B 2, 11:10:00 A 3, 11:15:00 A 3, 11:15:01 B 2",
            [4],
            id="one poll has only some",
        ),
        pytest.param(
            "11:00:00 A 1, 11:00:01 B 2, 11:05:00 A 3, 11:05:01 B 2, 11:05:02 C 1", [0], id="a reason comes later"
        ),
        pytest.param(
            "11:00:00 A 1, 11:00:00 B 2, 11:05:00 A 1, 11:05:00 B 2, 11:10:00 A 1, 11:10:02 B 2, 11:15:00 A 1",
            [6],
            id="one poll was read across two seconds, and another has only some",
        ),
        pytest.param("11:00:14 B 2, 11:01:00 A 1, 11:01:14 B 2, 11:02:00 A 1, 11:02:14 B 1", [4], id="the last one"),
    ],
)
def test_a_reason_that_is_missing_among_reasons_that_were_read_one_by_one_is_unknown(
    text: str, places: list[int]
) -> None:
    """It may be 0 or not read: nobody is told that it was 0."""
    found = refused(text)

    assert [place for place, _ in found] == places
    assert "read at different times" in found[0][1]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("11:00 A 1, 11:05 B 1", id="no reason comes twice"),
        pytest.param("11:00:07 B 1, 11:00:30 A 1, 11:01 A 1", id="two reasons never have the same time"),
        pytest.param("11:00 A 1, 11:05 B 1, 11:10 A 1, 11:16 B 1, 11:47 A 3", id="reasons come in turns, irregularly"),
        pytest.param("11:00 A 1, 11:01 A 2, 11:20 A 3, 12:40 A 2", id="only what changed was written"),
        pytest.param("00:00 A 1, 00:00:01 A 1, 12:00 A 1", id="one distance among two"),
    ],
)
def test_rows_that_do_not_show_how_often_it_was_polled_are_refused(text: str) -> None:
    """Without that nobody knows which time is a gap; `--interval` says it."""
    ((_, found),) = refused(text)

    assert "--interval" in found


def test_polls_more_than_a_day_apart_are_no_unbroken_run() -> None:
    """Two counts of different weeks say nothing of the days between."""
    rows = Rows()
    for number in range(3):
        rows.add(to_epoch_us(at("11:00") + timedelta(days=7 * number)), 0, 1, number)

    with pytest.raises(RowsError, match="--interval"):
        given_by(ACME, rows, [HoldReason("A")], interval=None)


@pytest.mark.parametrize(
    ("text", "interval", "expected"),
    [
        pytest.param("11:00 A 1, 11:05 A 1, 11:10 A 1", None, "11:00-11:10x3", id="unbroken"),
        pytest.param(
            "11:00 A 1, 11:05 A 1, 11:10 A 1, 11:15 A 1, 11:23 A 1",
            None,
            "11:00-11:15x4 11:23-11:23x1",
            id="one is missing",
        ),
        pytest.param("11:00 A 1, 11:05 A 1, 11:10 A 1, 11:15 A 1, 11:22 A 1", None, "11:00-11:22x5", id="one was late"),
        pytest.param("11:00 A 1, 11:20 B 1", minutes(20), "11:00-11:20x2", id="as the user says"),
        pytest.param("11:00 A 1, 11:20 A 1", minutes(5), "11:00-11:00x1 11:20-11:20x1", id="more often than the rows"),
        pytest.param("11:00 A 1", None, "11:00-11:00x1", id="a single poll"),
    ],
)
def test_one_and_a_half_intervals_without_a_poll_end_a_run(
    text: str, interval: timedelta | None, expected: str
) -> None:
    """Nothing is known of the time between two runs."""
    assert runs_of(text, interval) == expected


def test_with_the_interval_it_is_clear_which_rows_are_one_poll() -> None:
    """Rows that are an interval apart are polls, and rows that are closer are parts of one."""
    assert polls_of("11:00 A 1, 11:05 B 1", minutes(5)) == "11:00:00 A 1, 11:05:00 A 0 B 1"
    assert polls_of("11:00:00 A 1, 11:00:05 B 1", minutes(5)) == "11:00:05 A 1 B 1"
    assert polls_of("11:00 A 1, 11:01 A 1, 11:05 A 1", minutes(5)) == "11:00:00 A 1, 11:01:00 A 1, 11:05:00 A 1"
    assert polls_of("11:00:00 A 1, 11:00:01 - 0, 11:05 A 1", minutes(5)) == "11:00:00 A 1, 11:00:01 A 0, 11:05:00 A 1"


def test_a_reason_twice_at_one_time_is_found() -> None:
    """Nobody knows which count is right, or whether both are to be added."""
    rows, _ = rows_of("11:05 A 1, 11:00 A 1, 11:00 B 1, 11:05 B 2, 11:05 A 1")

    assert [(rows.place[row], rows.place[before]) for row, before in twice(rows)] == [(4, 0)]


_SETS = st.lists(
    st.tuples(st.integers(0, 59), st.dictionaries(st.sampled_from("ABC"), st.integers(1, 9), min_size=1)),
    min_size=2,
    max_size=12,
)


@given_these(answers=_SETS, offsets=st.permutations([0, 7, 13]), pitch=st.sampled_from([30, 60, 300]))
def test_no_zero_is_made_up_of_reasons_that_were_read_one_by_one(
    answers: list[tuple[int, dict[str, int]]], offsets: list[int], pitch: int
) -> None:
    """Every reason holds something all the time; whatever is missing in the file, no poll says 0."""
    rows, reasons = Rows(), [HoldReason(name) for name in "ABC"]
    for number, (_, counts) in enumerate(answers):
        for index, reason in enumerate(reasons):
            if reason in counts:
                seconds = number * pitch + offsets[index]
                rows.add(to_epoch_us(at("11:00") + timedelta(seconds=seconds)), index, counts[reason], number)
    try:
        found = given_by(ACME, rows.in_order(), reasons, interval=None)
    except RowsError:
        return

    assert all(held > 0 for _, _, _, held in found.changes())
