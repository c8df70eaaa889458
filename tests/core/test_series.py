"""What a series knows of an instant: a zero must be proven, and a gap is never read as one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.poll_times import KnownPolls, int64_array
from alerter.core.series import (
    ALL_REASONS,
    ALL_TENANTS,
    PollFailure,
    Sample,
    Series,
    Span,
    runs_of_sum,
    sum_of_reasons,
    sum_of_tenants,
)
from alerter.errors import Cause
from tests.builders import NOON, at, minutes, series


@pytest.mark.parametrize(
    ("notation", "clock", "expected"),
    [
        pytest.param("10 20 30", "12:00", 30, id="the newest poll"),
        pytest.param("10 20 30", "11:55", 20, id="the instant of an earlier poll"),
        pytest.param("10 20 30", "11:57", 20, id="between two good polls the earlier one holds"),
        pytest.param("10 0 30", "11:56", 0, id="a zero between good polls is a zero"),
        pytest.param("10 20 30", "12:01", None, id="after the newest poll nothing is known"),
        pytest.param("10 20 30", "11:49", None, id="before the first poll nothing is known"),
        pytest.param("10 _ 30", "11:55", None, id="a failed poll is no sample"),
        pytest.param("10 _ 30", "11:50", 10, id="the last successful poll before a gap"),
        pytest.param("10 _ 30", "11:52", None, id="a gap begins right after the last successful poll"),
        pytest.param("10 20 _", "12:00", None, id="the newest poll failed"),
        pytest.param("_ _ 30", "11:55", None, id="no poll was good yet"),
        pytest.param("_", "12:00", None, id="no poll was ever good"),
    ],
)
def test_a_value_is_known_only_where_polling_covered_it(notation: str, clock: str, expected: int | None) -> None:
    """A failed poll yields no sample: it is never zero."""
    assert series(notation).value_at(at(clock)) == expected


def test_a_value_older_than_the_window_is_not_known() -> None:
    """What was held before the first known value is not guessed, even where polling worked."""
    known = Series(
        tenant=series("0").tenant,
        reason=series("0").reason,
        changes=(Sample(at("11:30"), 7),),
        coverage=(Span(at("09:00"), NOON),),
        poll_interval=minutes(5),
    )

    assert known.value_at(at("11:29")) is None
    assert known.newest_sample(until=at("11:29")) is None


@pytest.mark.parametrize(
    ("notation", "clock", "expected"),
    [
        pytest.param("10 20 30", "11:55", Sample(at("11:55"), 20), id="a good poll at that instant"),
        pytest.param("10 20 30", "11:57", Sample(at("11:55"), 20), id="between good polls it is the one before"),
        pytest.param("10 20 _ _ 50", "11:52", Sample(at("11:45"), 20), id="in a gap it is the end of what came before"),
        pytest.param("10 20 _", "13:00", Sample(at("11:55"), 20), id="after the last successful poll it is that one"),
        pytest.param("10 20", "11:00", None, id="there is none before the first"),
    ],
)
def test_the_newest_sample_is_never_interpolated(notation: str, clock: str, expected: Sample | None) -> None:
    """The newest sample is one that was seen."""
    assert series(notation).newest_sample(until=at(clock)) == expected


@pytest.mark.parametrize(
    ("notation", "clock", "expected"),
    [
        pytest.param("1 1 1", "12:00", "12:00", id="the newest poll was good"),
        pytest.param("1 _ _", "12:00", "11:50", id="the newest polls failed"),
        pytest.param("1 1 1", "11:57", "11:55", id="polls later than now are not seen"),
        pytest.param("_ _", "12:00", None, id="there never was one"),
    ],
)
def test_the_last_good_poll_is_known(notation: str, clock: str, expected: str | None) -> None:
    """Missing data is measured from here."""
    assert series(notation).last_success_at(now=at(clock)) == (None if expected is None else at(expected))


def test_the_newest_sample_of_a_run_is_found_after_an_edit_of_the_interval() -> None:
    """Polls were further apart then than two of the intervals of now."""
    edited = replace(series("10 20 30", every="5m"), poll_interval=minutes(1))

    assert edited.newest_sample(until=at("11:59")) == Sample(at("11:55"), 20)
    assert edited.sample_for(at("11:59")) == Sample(at("11:55"), 20)


def test_a_run_of_which_no_poll_is_at_hand_began_with_one() -> None:
    """Only as many are read as rules look back for."""
    unread = replace(series("10 20 30"), polls=KnownPolls(int64_array()))

    assert unread.newest_sample(until=at("11:57")) == Sample(at("11:50"), 10)


def test_a_sum_over_tenants_has_a_sample_at_every_moment_that_is_covered() -> None:
    """Its tenants are polled at different ones."""
    total = sum_of_tenants([series("10 20 30")])

    assert total.newest_sample(until=at("11:57")) == Sample(at("11:57"), 20)


@pytest.mark.parametrize(
    ("notation", "clock", "expected"),
    [
        pytest.param("10 20 30", "11:57", Sample(at("11:55"), 20), id="the newest one before it"),
        pytest.param("10 _ _ _ 30", "11:50", Sample(at("11:40"), 10), id="in a gap, two intervals old"),
        pytest.param("10 _ _ _ 30", "11:51", None, id="in a gap, and too old"),
        pytest.param("10 20", "11:50", None, id="before the first poll"),
    ],
)
def test_a_sample_stands_for_an_instant_for_two_intervals(notation: str, clock: str, expected: Sample | None) -> None:
    """In a gap nothing is known, but for what was seen just before it."""
    assert series(notation).sample_for(at(clock)) == expected


def test_a_failed_poll_is_no_sample_after_the_clock_was_set_back() -> None:
    """The counts that an earlier reading of the clock left at this hour do not stand for a poll that failed."""
    failure = PollFailure(started_at=at("11:00"), last_failed_at=at("11:05"), cause=Cause.DNS, detail="no such host")
    failing = replace(series("10x25"), poll_failure=failure)

    assert failing.value_at(at("11:05")) is None
    assert failing.value_at(at("10:30")) == 10


@pytest.mark.parametrize(
    ("notation", "since", "until", "expected"),
    [
        pytest.param("5 5 7 7", "11:00", "12:00", ["11:45-11:55 5", "11:55-12:00 7"], id="until the next count"),
        pytest.param("5x4", "11:50", "11:55", ["11:50-11:55 5"], id="only between the two instants"),
        pytest.param("5 7x3", "11:50", "12:00", ["11:50-12:00 7"], id="from a change on"),
        pytest.param("5x3 7", "11:50", "12:00", ["11:50-12:00 5", "12:00-12:00 7"], id="up to a change, which counts"),
        pytest.param("5 5 _ 5 7", "11:00", "12:00", ["11:40-11:45 5", "11:55-12:00 5", "12:00-12:00 7"], id="a gap"),
        pytest.param("5 _ 7", "11:00", "12:00", ["11:50-11:50 5", "12:00-12:00 7"], id="polls on their own"),
        pytest.param("5 _ _ 7", "11:50", "11:55", [], id="nothing but a gap"),
        pytest.param("5x2", "12:01", "12:30", [], id="after everything"),
        pytest.param("5x2", "10:00", "11:00", [], id="before everything"),
        pytest.param("_", "11:00", "12:00", [], id="nothing was ever seen"),
    ],
)
def test_what_is_known_comes_in_pieces(notation: str, since: str, until: str, expected: list[str]) -> None:
    """Each piece is covered time with one count; gaps are left out."""
    found = [*series(notation).segments(since=at(since), until=at(until))]

    assert [(f"{each.start_at:%H:%M}-{each.end_at:%H:%M} {each.count}") for each in found] == expected


def test_before_the_first_value_there_is_no_piece() -> None:
    """What was held before the first known value is not guessed, even where polling worked."""
    known = replace(series("7x3"), changes=(Sample(NOON, 7),))

    assert [*known.segments(since=at("11:50"), until=at("11:55"))] == []


def test_the_tolerance_is_two_polls() -> None:
    """An old sample stands for the past during two poll intervals."""
    assert series("1", every="5m").tolerance == minutes(10)


def test_reasons_are_summed_instant_by_instant() -> None:
    """A tenant's sum changes whenever one of its reasons does."""
    total = sum_of_reasons([series("10 20 20"), series("1 1 5", reason="Graymail")])

    assert total.reason == ALL_REASONS
    assert [total.value_at(at(clock)) for clock in ("11:50", "11:55", "12:00")] == [11, 21, 25]


def test_one_change_of_several_reasons_is_one_change_of_the_sum() -> None:
    """A poll in which one reason rises by what another falls leaves the sum as it was."""
    total = sum_of_reasons([series("10 20"), series("20 10", reason="Graymail")])

    assert [sample.count for sample in total.changes] == [30, 30]


def test_a_sum_without_a_known_part_is_not_known() -> None:
    """A partial sum proves nothing."""
    assert sum_of_reasons([series("10 20"), series("_ _", reason="Graymail")]).value_at(NOON) is None


def test_a_sum_is_known_from_where_each_part_is() -> None:
    """Windows of different lengths do not pass off a part as the whole, even where polling worked all along."""
    long = series("10 20 30", tenant="acme")
    short = replace(series("5 5", tenant="umbrella"), coverage=long.coverage)

    total = sum_of_tenants([long, short])

    assert total.value_at(at("11:52")) is None
    assert total.value_at(at("11:55")) == 25


def test_tenants_that_are_polled_at_different_moments_are_summed() -> None:
    """Each tenant's newest count stands for it during two of its poll intervals."""
    one = series("10 20 30", until=at("12:00"), tenant="acme")
    other = series("5 5 7", until=at("11:58"), tenant="umbrella")

    total = sum_of_tenants([one, other])

    assert (total.tenant, total.reason) == (ALL_TENANTS, ALL_REASONS)
    assert total.value_at(NOON) == 37
    assert total.value_at(at("11:57")) == 25


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(series("5x9", until=at("11:58")), 15, id="the other tenant was seen a moment ago"),
        pytest.param(series("5x9", until=at("11:50")), 15, id="the other tenant was last seen two polls ago"),
        pytest.param(series("5x9", until=at("11:49")), None, id="the other tenant was last seen too long ago"),
        pytest.param(series("5", until=at("12:00")), 15, id="the other tenant is seen for the first time"),
        pytest.param(series("5", every="1h", until=at("10:00")), 15, id="the other tenant is polled less often"),
        pytest.param(series("5x8 _", until=at("11:58")), None, id="the other tenant's newest poll failed"),
        pytest.param(series("_", until=at("11:58")), None, id="the other tenant was never seen"),
        pytest.param(series("5 _ _ _ 5", until=at("11:58")), 15, id="the other tenant is seen again"),
    ],
)
def test_a_sum_over_tenants_needs_every_one_of_them(other: Series, expected: int | None) -> None:
    """While one tenant is not seen, the sum of all has no value: it fires and resolves nothing."""
    assert sum_of_tenants([series("10x9"), other]).value_at(NOON) == expected


def test_a_sum_over_tenants_fails_since_the_first_of_them_did() -> None:
    """The failure of a sum is the oldest of its parts'."""
    one, other = series("1 1 _"), series("1 _ _", cause=Cause.DNS)

    total = sum_of_tenants([one, other])

    assert total.poll_failure == other.poll_failure
    assert total.poll_interval == minutes(5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("Europe/London", "Europe/London", ZoneInfo("Europe/London"), id="the same for all"),
        pytest.param("Europe/London", "Asia/Tokyo", UTC, id="different ones"),
    ],
)
def test_a_sum_over_tenants_is_where_all_of_them_are(one: str, other: str, expected: ZoneInfo) -> None:
    """An hour of the day is theirs if they share it, and UTC's if they do not."""
    tenants = [replace(series("1"), timezone=ZoneInfo(name)) for name in (one, other)]

    assert sum_of_tenants(tenants).timezone == expected


def test_a_sum_over_tenants_is_as_patient_as_the_slowest_of_them() -> None:
    """Two polls of a sum are two polls of the tenant that is polled least often."""
    assert sum_of_tenants([series("1"), series("1", every="1h")]).poll_interval == minutes(60)


def test_a_sum_over_tenants_is_known_where_they_meet_for_an_instant() -> None:
    """One tenant's newest sample stands until the very moment at which the other one is first seen."""
    one, other = series("10", until=at("11:50")), series("5", until=NOON)

    assert sum_of_tenants([one, other]).value_at(NOON) == 15


def test_a_gap_of_one_tenant_is_a_gap_of_the_sum() -> None:
    """Nothing is known between two runs of one tenant; its newest sample stands for it in the newest run alone."""
    total = sum_of_tenants([series("1x9"), series("2 2 _ _ _ _ 2 2 2")])

    assert total.value_at(at("11:25")) == 3
    assert total.value_at(at("11:30")) is None
    assert total.value_at(at("11:40")) is None
    assert total.value_at(at("11:50")) == 3


_RUNS = st.lists(st.integers(1, 6), max_size=8).map(
    lambda lengths: [
        (sum(lengths[: 2 * each + 1]), sum(lengths[: 2 * each + 2]) - 1) for each in range(len(lengths) // 2)
    ]
)


@given(tenants=st.lists(st.tuples(_RUNS, st.integers(0, 5)), min_size=1, max_size=3))
def test_a_sum_is_held_over_where_every_tenant_is(tenants: list[tuple[list[tuple[int, int]], int]]) -> None:
    """Each run of the sum is a span in which each tenant is within one of its runs, or is held over from it."""
    owners = [tuple(owner_at(now, *each) for each in tenants) for now in range(60)]
    expected: dict[tuple[tuple[int, int] | None, ...], list[int]] = {}
    for now, owner in enumerate(owners):
        if None not in owner:
            expected.setdefault(owner, []).append(now)

    found = [(since, held) for since, _, held in runs_of_sum(tenants)]

    assert found == [(nows[0], nows[-1]) for nows in expected.values()]


def owner_at(now: int, runs: list[tuple[int, int]], tolerance: int) -> tuple[int, int] | None:
    """Return the newest run that has begun, if it goes on or a tenant is held over from it."""
    begun = [run for run in runs if run[0] <= now]
    return begun[-1] if begun and now <= begun[-1][1] + tolerance else None


def test_a_run_of_a_sum_ended_with_the_run_of_the_tenant_that_ended_it() -> None:
    """Until then all of them were seen; only of the newest run does nobody know yet."""
    one, other = ([(0, 10), (20, 30)], 6), ([(1, 40)], 6)

    assert list(runs_of_sum([one, other])) == [(1, 10, 16), (20, 30, 36)]


# Against a model: a function from instants to counts, asked at every instant.

_POLLS = st.lists(st.one_of(st.none(), st.integers(0, 500)), min_size=1, max_size=12)
_INSTANTS = [NOON - timedelta(seconds=150) * back for back in range(-4, 30)]


def _drawn(polls: list[int | None], *, until: datetime = NOON) -> Series:
    return series(" ".join("_" if count is None else str(count) for count in polls), until=until)


def _model(polls: list[int | None], instant: datetime) -> int | None:
    """Return the value by the definition: the poll before must be good, and the one after too if it is later."""
    since_noon = NOON - instant
    back, early = divmod(since_noon, minutes(5))
    index = len(polls) - 1 - back if not early else len(polls) - 2 - back
    ends = [index] if not early else [index, index + 1]
    if any(not 0 <= end < len(polls) or polls[end] is None for end in ends):
        return None
    return polls[index]


@given(polls=_POLLS)
def test_every_value_is_that_of_the_poll_before(polls: list[int | None]) -> None:
    """Whatever was polled, a value is known exactly between good polls."""
    drawn = _drawn(polls)

    assert [drawn.value_at(instant) for instant in _INSTANTS] == [_model(polls, instant) for instant in _INSTANTS]


@given(one=st.lists(st.integers(0, 500), min_size=1, max_size=12), more=st.data())
def test_a_sum_of_reasons_is_the_sum_of_their_values(one: list[int], more: st.DataObject) -> None:
    """At every instant the sum is what adding up by hand gives."""
    lists = [one, *(more.draw(st.lists(st.integers(0, 500), min_size=len(one), max_size=len(one))) for _ in range(3))]
    parts = [_drawn(list(polls)) for polls in lists]

    total = sum_of_reasons(parts)

    for instant in _INSTANTS:
        values = [part.value_at(instant) for part in parts]
        known = [value for value in values if value is not None]
        assert total.value_at(instant) == (sum(known) if len(known) == len(parts) else None)


@given(tenants=st.lists(_POLLS, min_size=1, max_size=4))
def test_a_sum_of_tenants_is_the_sum_of_their_newest_samples(tenants: list[list[int | None]]) -> None:
    """At the newest poll the sum has a value exactly if each tenant has a fresh one, and then it is their sum."""
    parts = [_drawn(polls) for polls in tenants]

    total = sum_of_tenants(parts)

    fresh = [part.value_at(NOON) for part in parts]
    expected = None if None in fresh else sum(value for value in fresh if value is not None)
    assert total.value_at(NOON) == expected
    spans = [(span.start_at, span.end_at) for span in total.coverage]
    assert spans == sorted(spans)
