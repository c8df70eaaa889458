"""When polls were that are stored as runs: known to the microsecond at the ends and at changes, spread in between."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.series import Span
from alerter.core.timelines import (
    NEVER,
    FailureRun,
    Outage,
    PollRun,
    Timeline,
    instant_of,
    number_of,
    numbers,
    outages_of,
    polls_of,
)
from alerter.errors import Cause
from tests.builders import NOON, a_polled_tenant, at, minutes


def n(clock: str) -> int:
    """Return an instant of noon's day as a number."""
    return number_of(at(clock))


def run(since: str, until: str, polls: int) -> PollRun:
    """Return a run of good polls."""
    return PollRun(since=n(since), until=n(until), polls=polls)


def failing(
    since: str, until: str, polls: int, *, ended: str = "", outage: str = "", cause: Cause = Cause.TIMEOUT
) -> FailureRun:
    """Return a run of failed polls."""
    return FailureRun(
        since=n(since),
        until=n(until),
        polls=polls,
        outage_since=n(outage or since),
        ended_at=n(ended) if ended else None,
        cause=cause,
        detail="",
    )


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - hypothesis's way
def test_an_instant_is_a_number_and_comes_back_exactly(naive: datetime) -> None:
    """To the microsecond, which is all that a datetime holds."""
    instant = naive.replace(tzinfo=UTC)

    assert instant_of(number_of(instant)) == instant


@pytest.mark.parametrize(
    ("runs", "failures", "seen", "expected"),
    [
        pytest.param([run("11:00", "11:20", 5)], [], [], "11:00 11:05 11:10 11:15 11:20", id="spread evenly"),
        pytest.param(
            [run("11:00", "11:20", 5)], [], ["11:04", "11:11"], "11:00 11:04 11:11 11:15:30 11:20", id="around changes"
        ),
        pytest.param([run("11:00", "11:00", 1)], [], ["11:00"], "11:00", id="a poll on its own"),
        pytest.param(
            [run("11:00", "11:05", 2), run("11:30", "11:40", 3)],
            [],
            [],
            "11:00 11:05 11:30 11:35 11:40",
            id="none in a gap",
        ),
        pytest.param(
            [run("11:00", "11:20", 4)],
            [failing("11:10", "11:10", 1, ended="11:15")],
            [],
            "11:00 11:05 11:10 11:15 11:20",
            id="a failed poll inside a run",
        ),
        pytest.param(
            [run("11:00", "11:05", 2), run("11:30", "11:35", 2)],
            [failing("11:10", "11:25", 4, ended="11:30")],
            [],
            "11:00 11:05 11:10 11:15 11:20 11:25 11:30 11:35",
            id="failed polls between runs",
        ),
        pytest.param(
            [],
            [
                failing("11:00", "11:10", 3, ended="11:15"),
                failing("11:15", "11:20", 2, outage="11:00", cause=Cause.DNS),
            ],
            [],
            "11:00 11:05 11:10 11:15 11:20",
            id="an outage that is not over, of two causes",
        ),
        pytest.param(
            [run("11:00", "11:20", 3)], [], [], "11:00 11:10 11:20", id="at the distance that their number gives"
        ),
        pytest.param(
            [run("11:00", "11:40", 10)], [], ["11:20"], "11:00 11:05 11:10 11:15 11:20 11:25 11:30 11:35 11:40",
            id="at the configured one where that is about the same",
        ),
        pytest.param([], [], [], "", id="never polled"),
    ],
)  # fmt: skip
def test_polls_are_where_they_must_have_been(
    runs: Sequence[PollRun], failures: Sequence[FailureRun], seen: Sequence[str], expected: str
) -> None:
    """The ends of runs and the polls that saw a change are exact; the others are spread between them."""
    found = polls_of(runs, failures, map(n, seen), poll_interval=minutes(5))

    assert [*found] == [*map(n, expected.split())]


@settings(max_examples=200)
@given(
    jitters=st.lists(st.integers(0, 20_000), min_size=2, max_size=60),
    changed=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_a_poll_is_known_to_within_the_jitter_of_the_polling(jitters: list[int], changed: list[bool]) -> None:
    """Polls that come up to 20 of 300 seconds late are each at most as much off, and none is missing or invented."""
    planned = [NOON + number * minutes(5) for number in range(len(jitters))]
    polls = [number_of(at) + late * 1000 for at, late in zip(planned, jitters, strict=True)]
    seen = [poll for poll, is_changed in zip(polls, changed, strict=False) if is_changed]

    found = polls_of([PollRun(since=polls[0], until=polls[-1], polls=len(polls))], [], seen, poll_interval=minutes(5))

    spread = (max(jitters) - min(jitters)) * 1000
    assert len(found) == len(polls)
    assert all(abs(one - other) <= spread for one, other in zip(found, polls, strict=True))


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([failing("11:00", "11:10", 3, ended="11:15")], [("11:00", "11:15", 1)], id="one that is over"),
        pytest.param([failing("11:00", "11:10", 3)], [("11:00", None, 1)], id="one that goes on"),
        pytest.param(
            [failing("11:00", "11:05", 2, ended="11:10"), failing("11:10", "11:10", 1, outage="11:00", ended="11:15")],
            [("11:00", "11:15", 2)],
            id="one of two causes",
        ),
        pytest.param(
            [failing("11:00", "11:05", 2, ended="11:10"), failing("11:15", "11:15", 1)],
            [("11:00", "11:10", 1), ("11:15", None, 1)],
            id="two with a good poll between them",
        ),
    ],
)
def test_runs_of_failures_make_outages(
    failures: Sequence[FailureRun], expected: Sequence[tuple[str, str | None, int]]
) -> None:
    """An outage lasts until a good poll, whatever its causes."""
    found = [(outage.since, outage.until, len(outage.runs)) for outage in outages_of(failures)]

    assert found == [(n(since), n(until) if until else NEVER, runs) for since, until, runs in expected]


def test_an_outage_has_the_cause_of_the_moment() -> None:
    """What was known of it at one of its polls: since when, and why at last."""
    [outage] = outages_of(
        [
            failing("11:00", "11:05", 2, ended="11:10"),
            failing("11:10", "11:10", 1, outage="11:00", cause=Cause.DNS),
        ]
    )

    assert [outage.failure_at(n(clock)).cause for clock in ("11:00", "11:05", "11:10")] == [
        Cause.TIMEOUT,
        Cause.TIMEOUT,
        Cause.DNS,
    ]
    assert (outage.failure_at(n("11:10")).since, outage.failure_at(n("11:10")).at) == (at("11:00"), at("11:10"))


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        pytest.param("11:35", None, id="before it"),
        pytest.param("11:40", "11:40", id="at its first poll"),
        pytest.param("11:50", "11:40", id="in it"),
        pytest.param("11:55", None, id="at the good poll that ended it"),
    ],
)
def test_an_outage_is_found_by_what_it_holds(clock: str, expected: str | None) -> None:
    """From its first failed poll up to the next good one."""
    timeline = a_polled_tenant("5x4 _x3 5x2").polling.timeline

    found = timeline.outage_at(n(clock))

    assert (None if found is None else found.since) == (n(expected) if expected else None)


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        pytest.param("11:00", "12:00", ["11:20-11:35", "11:55-12:00"], id="everything"),
        pytest.param("11:00", "11:30", ["11:20-11:30"], id="as far as it was known then"),
        pytest.param("11:00", "11:45", ["11:20-11:35"], id="up to the last good poll, at a failed one"),
        pytest.param("11:40", "12:00", ["11:20-11:35", "11:55-12:00"], id="with the last span before the window"),
        pytest.param("11:57", "12:00", ["11:55-12:00"], id="without those before"),
        pytest.param("11:00", "11:15", [], id="nothing yet"),
    ],
)
def test_coverage_is_what_was_known_at_a_poll(since: str, now: str, expected: list[str]) -> None:
    """Nothing later, and nothing older than what holds the beginning of the window."""
    timeline = a_polled_tenant("5x4 _x3 5x2").polling.timeline

    found = timeline.coverage(since=n(since), now=n(now))

    assert found == [Span(*map(at, each.split("-"))) for each in expected]


def test_before_the_first_good_poll_nothing_was_covered() -> None:
    """An outage at the very beginning has no good poll before it."""
    timeline = a_polled_tenant("_x3 5").polling.timeline
    [outage] = timeline.outages

    assert timeline.last_good_before(outage) is None
    assert timeline.coverage(since=n("11:00"), now=n("11:50")) == []


def test_the_coverage_of_a_sum_is_not_cut_at_polls() -> None:
    """It holds tenants over between their polls, so that its spans end when they do."""
    timeline = Timeline(
        polls=numbers([n("11:00"), n("11:01")]),
        since=numbers([n("11:00")]),
        until=numbers([n("11:10")]),
        outages=(),
        poll_interval=timedelta(minutes=5),
        owners=numbers([0, 1]),
    )

    assert timeline.coverage(since=n("11:00"), now=n("11:01")) == [Span(at("11:00"), at("11:10"))]
    assert timeline.outage_at(n("11:00")) is None
    assert isinstance(Outage(since=1, until=2, runs=(failing("11:00", "11:00", 1),)), Outage)
