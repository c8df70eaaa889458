"""What other tools wrote down, told as polls; and which part of it, and of records, is news."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from alerter.core.evidence import NEXT, Given, changes_from, given_by_polls, given_by_records, polls_of, usual_interval
from alerter.core.records import Change, Held, Polled, Reading
from alerter.core.series import HoldReason, Span, Tenant
from tests.builders import a_snapshot, at, minutes

ACME = Tenant("acme")
SPAM = HoldReason("Spam")


def readings(text: str) -> list[Reading]:
    """Return the readings of `11:00 Spam 7, 11:05 Spam 8`."""
    rows = (each.split() for each in text.split(","))
    return [
        Reading(tenant=ACME, reason=HoldReason(reason), at=at(clock), held=int(held)) for clock, reason, held in rows
    ]


def spans(text: str) -> list[Span]:
    """Return the spans of `11:00-11:30 12:00-12:00`."""
    return [Span(at(since), at(until)) for since, until in (each.split("-") for each in text.split())]


def runs(text: str) -> list[Polled]:
    """Return runs of polls of `11:00-11:30x7`, seven polls; without a number it is one."""
    parts = [each.partition("x") for each in text.split()]
    return [
        Polled(tenant=ACME, since=span.since, until=span.until, polls=int(polls or 1))
        for (clocks, _, polls), span in zip(parts, spans(" ".join(part[0] for part in parts)), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("11:00 Spam 7", None, id="one reading has no distance"),
        pytest.param("11:00 Spam 7, 11:00 Virus 7", None, id="two reasons at once have none"),
        pytest.param("11:00 A 1, 11:05 A 1, 11:10 A 1, 14:00 A 1", minutes(5), id="a gap does not count for more"),
        pytest.param(
            "11:00:00 A 1, 11:00:02 B 1, 11:05:00 A 1, 11:05:02 B 1", minutes(5), id="rows of one poll are not polls"
        ),
        pytest.param("11:00 A 1, 11:00 A 1, 11:01 A 1", minutes(1), id="the same row twice is one"),
        pytest.param("11:00:00 A 1, 11:00:00.2 A 1", timedelta(seconds=1), id="at least a second"),
    ],
)
def test_the_distance_of_polls_is_the_usual_one(text: str, expected: timedelta | None) -> None:
    """The median distance of two readings of the same reason."""
    assert usual_interval(readings(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("11:00 A 1, 11:00 B 2", [("11:00", {"A": 1, "B": 2})], id="one poll"),
        pytest.param("11:00 A 1, 11:05 B 2", [("11:00", {"A": 1}), ("11:05", {"B": 2})], id="what is missing had none"),
        pytest.param(
            "11:00:00 A 1, 11:00:20 B 2, 11:05:01 A 3",
            [("11:00:20", {"A": 1, "B": 2}), ("11:05:01", {"A": 3})],
            id="a slow script is as late as its last row",
        ),
        pytest.param(
            "11:00 A 1, 11:01 A 2", [("11:00", {"A": 1}), ("11:01", {"A": 2})], id="a reason again is another poll"
        ),
        pytest.param(
            "11:00 A 1, 11:02:30 B 1, 11:02:31 C 1",
            [("11:02:30", {"A": 1, "B": 1}), ("11:02:31", {"C": 1})],
            id="half an interval after its first row a poll is over",
        ),
    ],
)
def test_readings_are_of_polls(text: str, expected: list[tuple[str, dict[str, int]]]) -> None:
    """Rows that belong together are one poll."""
    found = polls_of(readings(text) if text else [], interval=minutes(5))

    assert [(poll.taken_at, poll.counts) for poll in found] == [(at(clock), counts) for clock, counts in expected]


def test_what_changes_from_poll_to_poll() -> None:
    """A reason that is no longer there has 0; what stayed is no change."""
    poll = a_snapshot({"Spam": 7, "Virus": 2})

    changes = changes_from({HoldReason("Graymail"): 3, SPAM: 7}, poll)

    assert {(change.reason, change.held) for change in changes} == {("Graymail", 0), ("Virus", 2)}


def by_polls(clocks: str, stored: str = "", first_seen: str = "11:00") -> Given:
    """Return what polls every 5 minutes add to stored time."""
    return given_by_polls(
        ACME,
        [at(clock) for clock in clocks.split()],
        {SPAM: at(first_seen)},
        lambda: iter(()),
        spans(stored),
        interval=minutes(5),
    )


@pytest.mark.parametrize(
    ("clocks", "stored", "expected"),
    [
        pytest.param("11:00 11:05 11:10", "", "11:00-11:10x3", id="one run"),
        pytest.param("11:00 11:10", "", "11:00-11:10x2", id="one failed poll between them does not part two"),
        pytest.param("11:00 11:11", "", "11:00-11:00 11:11-11:11", id="more than two intervals part them"),
        pytest.param("11:00 11:05 11:10", "11:00-11:10", "", id="nothing where all is covered"),
        pytest.param("11:00 11:05 11:10", "11:03-11:07", "11:00-11:00 11:10-11:10", id="what is before and after"),
        pytest.param("11:00 11:05", "11:02-11:02", "11:00-11:00 11:05-11:05", id="a stored poll lies between"),
        pytest.param("11:00 11:05", "10:00-10:30 12:00-12:30", "11:00-11:05x2", id="stored time is elsewhere"),
        pytest.param("11:00 11:05 11:10", "10:00-11:00", "11:05-11:10x2", id="at the end of stored time"),
    ],
)
def test_polls_add_what_is_not_covered(clocks: str, stored: str, expected: str) -> None:
    """A poll inside stored time is dropped, and no run goes over stored time."""
    assert by_polls(clocks, stored).pieces == runs(expected)


def test_a_first_sight_within_stored_time_did_not_happen() -> None:
    """A poll of alerter's own was there and would have seen it."""
    assert by_polls("11:00 12:00", "10:55-11:01").first_seen == {}
    assert by_polls("11:00 12:00").first_seen == {SPAM: at("11:00")}


def by_records(polled: str, stored: str = "", events: Sequence[Change | Held] = ()) -> Given:
    """Return what records add to stored time."""
    return given_by_records(ACME, runs(polled), {SPAM: at("11:00")}, lambda: iter(events), spans(stored))


@pytest.mark.parametrize(
    ("polled", "expected"),
    [
        pytest.param("11:00-11:30x7 12:00-12:30x7", "11:00-11:30x7 12:00-12:30x7", id="two runs"),
        pytest.param("11:00-11:30x7 11:00-11:30x7", "11:00-11:30x7", id="the same run twice"),
        pytest.param("11:00-11:30x7 11:10-11:20x3", "11:00-11:30x7", id="a run within another"),
        pytest.param("11:00-11:30x7 11:15-11:45x7", "11:00-11:45x11", id="half of the second one is new"),
    ],
)
def test_runs_that_overlap_are_one(polled: str, expected: str) -> None:
    """Exports of overlapping months are one history."""
    assert by_records(polled).pieces == runs(expected)


@pytest.mark.parametrize(
    ("polled", "stored", "expected"),
    [
        pytest.param("11:00-12:00x13", "10:00-13:00", [], id="all is covered"),
        pytest.param("11:00-12:00x13", "10:00-10:30 12:30-13:00", [("11:00", 0, "12:00", 0)], id="nothing is"),
        pytest.param("11:00-12:00x13", "11:30-13:00", [("11:00", 0, "11:30", -1)], id="its end is"),
        pytest.param("11:00-12:00x13", "10:00-11:30", [("11:30", 1, "12:00", 0)], id="its beginning is"),
        pytest.param(
            "11:00-12:00x13",
            "11:15-11:20 11:40-11:45",
            [("11:00", 0, "11:15", -1), ("11:20", 1, "11:40", -1), ("11:45", 1, "12:00", 0)],
            id="parts of it are",
        ),
        pytest.param(
            "11:00-11:10x3 11:50-12:00x3",
            "11:05-11:55",
            [("11:00", 0, "11:05", -1), ("11:55", 1, "12:00", 0)],
            id="one stored span covers parts of two",
        ),
        pytest.param("11:00-12:00x13", "11:00-11:10", [("11:10", 1, "12:00", 0)], id="both begin together"),
    ],
)
def test_records_add_what_is_not_covered(polled: str, stored: str, expected: list[tuple[str, int, str, int]]) -> None:
    """A piece reaches up to the very instant at which stored time begins, and leaves that alone."""
    pieces = by_records(polled, stored).pieces

    assert [(piece.since, piece.until) for piece in pieces] == [
        (at(since) + after * NEXT, at(until) + before * NEXT) for since, after, until, before in expected
    ]


def test_what_was_held_before_the_first_change_is_known_from_a_held_record() -> None:
    """A reason that begins with a change had 0 before; a later `Held`, of another file, is an event like any other."""
    first = Held(tenant=ACME, reason=SPAM, at=at("11:00"), held=7)
    virus = HoldReason("Virus")
    events: list[Change | Held] = [
        first,
        Change(tenant=ACME, reason=virus, at=at("11:05"), held=2),
        Held(tenant=ACME, reason=virus, at=at("11:10"), held=2),
    ]

    given = by_records("11:00-12:00x13", events=events)

    assert given.bases == {SPAM: first}
    assert list(given.events()) == events
