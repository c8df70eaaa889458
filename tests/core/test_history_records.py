"""History as records: parts of it, and counts at regular instants."""

from datetime import datetime

import pytest

from alerter.core.history_records import (
    CountRecord,
    FailedPolls,
    FirstSeen,
    ImportedSample,
    InitialCount,
    PollRange,
    Record,
    clip,
    resample,
)
from alerter.core.series import HoldReason, Tenant
from alerter.errors import Cause
from tests.builders import at, minutes

ACME = Tenant("acme")


def polled(since: str, until: str, polls: int = 13) -> PollRange:
    """Return a run of polls."""
    return PollRange(tenant=ACME, since=at(since), until=at(until), polls=polls)


def change(clock: str, held: int, reason: str = "Spam", tenant: str = "acme") -> CountRecord:
    """Return a change."""
    return CountRecord(tenant=Tenant(tenant), reason=HoldReason(reason), at=at(clock), held=held)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param(None, None, polled("11:00", "12:00"), id="all of it, without limits"),
        pytest.param("10:00", "13:00", polled("11:00", "12:00"), id="all of it, within wider limits"),
        pytest.param("11:30", None, polled("11:30", "12:00", 7), id="its second half, with its polls"),
        pytest.param("11:31", "11:44", polled("11:35", "11:40", 2), id="from its first poll in the part to its last"),
        pytest.param("11:31", "11:34", None, id="nothing between two polls"),
        pytest.param(None, "11:00", polled("11:00", "11:00", 1), id="its first instant, which was a poll"),
        pytest.param("12:00", None, polled("12:00", "12:00", 1), id="its last instant"),
        pytest.param("12:01", None, None, id="nothing after its end"),
        pytest.param(None, "10:59", None, id="nothing before its beginning"),
    ],
)
def test_a_part_of_a_run_of_polls(since: str | None, until: str | None, expected: PollRange | None) -> None:
    """A run is cut where the export begins and ends."""
    begin, end = (None if clock is None else at(clock) for clock in (since, until))

    assert clip(polled("11:00", "12:00"), since=begin, until=end) == expected


def test_polls_that_are_not_evenly_apart_are_each_known() -> None:
    """A part of them has those that lie in it."""
    jittered = PollRange.of(ACME, [at("11:00"), at("11:04"), at("11:10"), at("11:15")])
    even = PollRange.of(ACME, [at("11:10"), at("11:15"), at("11:20")])

    assert (even.times, jittered.times) == ((), jittered.instants)
    assert clip(jittered, since=at("11:03"), until=at("11:12")) == PollRange.of(ACME, [at("11:04"), at("11:10")])


def test_a_single_poll_is_never_cut() -> None:
    """It has no length that could be divided."""
    assert clip(polled("11:00", "11:00", 1), since=at("11:00"), until=None) == polled("11:00", "11:00", 1)


def readings(records: list[Record]) -> list[tuple[datetime, str | None, int]]:
    """Return what was held every 5 minutes."""
    found: list[ImportedSample] = list(resample(records, every=minutes(5)))
    return [(each.at, each.reason, each.held) for each in found]


def test_counts_are_those_of_regular_instants() -> None:
    """Each reason has a count at every instant that is covered, from before its first change on."""
    records: list[Record] = [
        FirstSeen(tenant=ACME, reason=HoldReason("Spam"), at=at("11:02")),
        InitialCount(tenant=ACME, reason=HoldReason("Virus"), at=at("09:00"), held=4),
        polled("11:01", "11:16"),
        change("11:02", 7),
        change("11:10", 9),
    ]

    assert readings(records) == [
        (at("11:05"), "Spam", 7), (at("11:05"), "Virus", 4),
        (at("11:10"), "Spam", 9), (at("11:10"), "Virus", 4),
        (at("11:15"), "Spam", 9), (at("11:15"), "Virus", 4),
    ]  # fmt: skip


def test_a_gap_has_no_counts() -> None:
    """What polling did not cover is not zero, nor what it was before; nor is a failed poll."""
    failed = FailedPolls(polled=polled("11:10", "11:15", 2), cause=Cause.DNS, detail="")
    records: list[Record] = [polled("11:00", "11:05"), polled("11:20", "11:21"), failed, change("11:00", 7)]

    assert readings(records) == [(at("11:00"), "Spam", 7), (at("11:05"), "Spam", 7), (at("11:20"), "Spam", 7)]


def test_each_tenant_has_its_own_counts() -> None:
    """What one of them holds is nobody else's."""
    legacy = PollRange(tenant=Tenant("legacy"), since=at("11:00"), until=at("11:00"), polls=1)

    records: list[Record] = [
        polled("11:00", "11:00", 1), change("11:00", 7), legacy, change("11:00", 2, "Virus", "legacy"),
    ]  # fmt: skip

    assert readings(records) == [(at("11:00"), "Spam", 7), (at("11:00"), "Virus", 2)]


def test_a_tenant_in_which_nothing_was_ever_held_has_no_counts() -> None:
    """There is no reason to name."""
    assert readings([polled("11:00", "11:10")]) == []
