"""When polls were that are stored as runs, each to the microsecond."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.poll_times import (
    MAX_POLLS,
    NEVER,
    FailureRun,
    Outage,
    PackedPolls,
    PackedRun,
    PollRun,
    PollTimes,
    int64_array,
    joined_runs,
    merge_outages,
    packed_instants,
    reconstruct_polls,
    split_runs,
    successful_polls,
    unpacked_instants,
)
from alerter.core.series import Span, from_epoch_us, to_epoch_us
from alerter.errors import Cause
from tests.builders import a_polled_tenant, at


def n(clock: str) -> int:
    """Return an instant of noon's day as a number."""
    return to_epoch_us(at(clock))


def run(since: str, until: str, polls: int) -> PollRun:
    """Return a run of good polls."""
    return PollRun(since=n(since), until=n(until), polls=polls)


def polled(clocks: str) -> PollRun:
    """Return the run that polls at these instants are."""
    return PollRun.of([*map(n, clocks.split())])


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

    assert from_epoch_us(to_epoch_us(instant)) == instant


@pytest.mark.parametrize(
    ("runs", "failures", "expected"),
    [
        pytest.param(
            [run("11:00", "11:20", 5)], [], "11:00 11:05 11:10 11:15 11:20", id="of which the number is known"
        ),
        pytest.param([polled("11:00 11:04 11:11")], [], "11:00 11:04 11:11", id="of which each is known"),
        pytest.param([run("11:00", "11:00", 1)], [], "11:00", id="a poll on its own"),
        pytest.param([polled("11:00 11:05"), polled("11:30 11:36")], [], "11:00 11:05 11:30 11:36", id="none in a gap"),
        pytest.param([polled("11:00 11:05"), polled("11:05 11:09")], [], "11:00 11:05 11:09", id="two parts of a run"),
        pytest.param(
            [run("11:00", "11:05", 2), run("11:30", "11:35", 2)],
            [failing("11:10", "11:25", 4, ended="11:30")],
            "11:00 11:05 11:10 11:15 11:20 11:25 11:30 11:35",
            id="failed polls between runs",
        ),
        pytest.param(
            [],
            [
                failing("11:00", "11:10", 3, ended="11:15"),
                failing("11:15", "11:20", 2, outage="11:00", cause=Cause.DNS),
            ],
            "11:00 11:05 11:10 11:15 11:20",
            id="an outage that is not over, of two causes",
        ),
        pytest.param([], [], "", id="never polled"),
    ],
)
def test_every_poll_is_where_it_was(runs: Sequence[PollRun], failures: Sequence[FailureRun], expected: str) -> None:
    """Good or failed, oldest first, each once."""
    assert [*reconstruct_polls(successful_polls(runs), failures)] == [*map(n, expected.split())]


@given(
    steps=st.lists(st.one_of(st.integers(1, 400_000_000), st.integers(1, 400_000).map(lambda each: each * 1000))),
    first=st.integers(-(2**60), 2**60),
)
def test_instants_come_back_as_they_were_packed(steps: list[int], first: int) -> None:
    """Whole milliseconds or not, however uneven."""
    instants = [*accumulate(steps, initial=first)]

    assert unpacked_instants(first, packed_instants(instants)).tolist() == instants
    run = PackedRun.of(PollRun.of(instants[:1]))
    for instant in instants[1:]:
        run = run.longer(instant)
    assert run == PackedRun.of(PollRun.of(instants))


def test_a_poll_takes_two_bytes() -> None:
    """To the millisecond, and some tens of milliseconds late or early; four to the microsecond."""
    late = [each * 7919 % 80 for each in range(1000)]
    to_the_millisecond = [each * 300_000_000 + 1000 * late[each] for each in range(1000)]
    to_the_microsecond = [at + each * 7919 % 1000 for each, at in enumerate(to_the_millisecond)]

    assert len(packed_instants(to_the_millisecond)) < 2.1 * 1000
    assert len(packed_instants(to_the_microsecond)) < 3.1 * 1000


def test_packed_polls_are_found_between_two_instants() -> None:
    """Of several parts of runs, also when another question came between."""
    packed = PackedPolls([polled("11:00 11:05"), polled("11:05 11:09")], PackedRun.of(polled("11:20 11:26")))

    for _ in range(2):
        assert packed.between(n("11:03"), n("11:20")).tolist() == [n("11:05"), n("11:09"), n("11:20")]
        assert packed.between(n("11:10"), n("11:19")).tolist() == []


def test_a_poll_may_be_added_anywhere_in_a_run() -> None:
    """The clock was set back; of two at one instant there is one."""
    assert polled("11:00 11:10").with_poll(n("11:04")) == polled("11:00 11:04 11:10")
    assert polled("11:00 11:10").with_poll(n("11:10")) == polled("11:00 11:10")
    assert [*joined_runs([])] == []


@given(number=st.integers(1, 2000))
def test_a_long_run_is_kept_in_parts(number: int) -> None:
    """Each begins with the poll that the one before ends with, so that they are one run."""
    instants = [*range(number)]

    parts = [*split_runs(instants)]

    assert all(part.polls <= MAX_POLLS for part in parts)
    assert [*successful_polls(parts)] == instants
    assert [*joined_runs(parts)] == [(0, number - 1)]


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
    found = [(outage.since, outage.until, len(outage.runs)) for outage in merge_outages(failures)]

    assert found == [(n(since), n(until) if until else NEVER, runs) for since, until, runs in expected]


def test_an_outage_has_the_cause_of_the_moment() -> None:
    """What was known of it at one of its polls: since when, and why at last."""
    [outage] = merge_outages(
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
    assert (outage.failure_at(n("11:10")).started_at, outage.failure_at(n("11:10")).last_failed_at) == (
        at("11:00"),
        at("11:10"),
    )


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
    poll_times = a_polled_tenant("5x4 _x3 5x2").polling.poll_times

    found = poll_times.outage_at(n(clock))

    assert (None if found is None else found.since) == (n(expected) if expected else None)


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        pytest.param("11:00", "12:00", ["11:20-11:35", "11:55-12:00"], id="everything"),
        pytest.param("11:00", "11:30", ["11:20-11:30"], id="as far as it was known then"),
        pytest.param("11:00", "11:45", ["11:20-11:35"], id="up to the last successful poll, at a failed one"),
        pytest.param("11:40", "12:00", ["11:20-11:35", "11:55-12:00"], id="with the last span before the window"),
        pytest.param("11:57", "12:00", ["11:55-12:00"], id="without those before"),
        pytest.param("11:00", "11:15", [], id="nothing yet"),
    ],
)
def test_coverage_is_what_was_known_at_a_poll(since: str, now: str, expected: list[str]) -> None:
    """Nothing later, and nothing older than what holds the beginning of the window."""
    poll_times = a_polled_tenant("5x4 _x3 5x2").polling.poll_times

    found = poll_times.coverage(since=n(since), now=n(now))

    assert [*found] == [Span(*map(at, each.split("-"))) for each in expected]


def test_before_the_first_good_poll_nothing_was_covered() -> None:
    """An outage at the very beginning has no good poll before it."""
    poll_times = a_polled_tenant("_x3 5").polling.poll_times
    [outage] = poll_times.outages

    assert poll_times.last_success_before(outage) is None
    assert [*poll_times.coverage(since=n("11:00"), now=n("11:50"))] == []


def test_the_newest_run_of_a_sum_reaches_to_its_newest_poll() -> None:
    """The tenant that was not polled then is held over."""
    poll_times = PollTimes(
        polls=int64_array([n("11:00"), n("11:01")]),
        since=int64_array([n("11:00")]),
        until=int64_array([n("11:00")]),
        outages=(),
        poll_interval=timedelta(minutes=5),
        owner_indexes=int64_array([0, 1]),
    )

    assert [*poll_times.coverage(since=n("11:00"), now=n("11:01"))] == [Span(at("11:00"), at("11:01"))]
    assert poll_times.outage_at(n("11:00")) is None
    assert isinstance(Outage(since=1, until=2, runs=(failing("11:00", "11:00", 1),)), Outage)
