"""What is kept of old history, and what is still true of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.downsampling import CountChange, downsampled, utc_hour
from alerter.core.series import Sample, Series, Span
from tests.builders import NOON, at, minutes, series


def changes_of(seen: Series) -> list[CountChange]:
    """Return the changes of a series, the first one from nothing."""
    counts = [0, *(sample.count for sample in seen.changes)]
    return [
        CountChange(sample.at, was, sample.count)
        for was, sample in zip(counts, seen.changes, strict=False)
        if was != sample.count
    ]


def begins_of(seen: Series) -> list[datetime]:
    """Return when polling began again."""
    return [span.start_at for span in seen.coverage]


def kept(notation: str, until: str = "12:55") -> str:
    """Return what is kept of polls every 5 minutes, as `11:05→7`."""
    seen = series(notation, until=at(until))
    return " ".join(f"{each.at:%H:%M}→{each.held}" for each in downsampled(changes_of(seen), begins_of(seen)))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("5 7 3 9 2 6x7", "12:00→5 12:15→9 12:20→2 12:25→6", id="the extremes and the last one"),
        pytest.param("5 6 7 8 9x8", "12:00→5 12:20→9", id="a rise is its end"),
        pytest.param("5 9 5x10", "12:00→5 12:05→9 12:10→5", id="a peak comes and goes"),
        pytest.param("5 9 7 9x9", "12:00→5 12:05→9", id="what is back at its highest was there before"),
        pytest.param("5 9 1 9 1x8", "12:00→5 12:05→9 12:10→1", id="the first of equal extremes"),
        pytest.param("5x12", "12:00→5", id="a change alone"),
        pytest.param("0x12", "", id="nothing at all"),
    ],
)
def test_an_hour_keeps_its_extremes_and_what_it_ended_with(notation: str, expected: str) -> None:
    """Three changes at most, beside what the first poll found."""
    assert kept(notation) == expected


def test_every_hour_counts_on_its_own() -> None:
    """What one ended with is what the next begins with."""
    assert kept("5 9 6 4 7x8 8 1 8 7x9") == "11:00→5 11:05→9 11:15→4 11:20→7 12:00→8 12:05→1 12:15→7"


def test_a_change_on_the_stroke_of_the_hour_is_its_beginning() -> None:
    """What was held until then is no extreme of this hour."""
    assert kept("9x4 0 0 9 0x9") == "11:40→9 12:00→0 12:10→9 12:15→0"


def test_a_gap_divides_an_hour() -> None:
    """What was there before it must not look as if it had been there after it."""
    assert kept("100 _ _ _ 5 4 3 7x5") == "12:00→100 12:20→5 12:30→3 12:35→7"


def test_hours_are_those_of_utc() -> None:
    """They end at the same instant wherever people live."""
    assert utc_hour(at("11:59:59")) == at("11:00")
    assert utc_hour(at("12:00")) == NOON


# Whatever was polled

_POLLS = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=60)


def _drawn(polls: Sequence[int | None]) -> Series:
    return series(" ".join("_" if count is None else str(count) for count in polls), every="4m")


def _after(seen: Series) -> Series:
    """Return the series as it is once it was thinned."""
    left = downsampled(changes_of(seen), begins_of(seen))
    first = seen.changes[:1] if seen.changes and seen.changes[0].count == 0 else ()
    return Series(
        tenant=seen.tenant,
        reason=seen.reason,
        changes=[*first, *(Sample(change.at, change.held) for change in left)],
        coverage=seen.coverage,
        poll_interval=seen.poll_interval,
        poll_failure=seen.poll_failure,
    )


def _stretches(seen: Series) -> list[Span]:
    """Return the polled time, divided at the hours."""
    stretches = []
    for span in seen.coverage:
        since = span.start_at
        while utc_hour(since) != utc_hour(span.end_at):
            end = utc_hour(since) + minutes(60)
            stretches.append(Span(since, end - timedelta.resolution))
            since = end
        stretches.append(Span(since, span.end_at))
    return stretches


def _counts(seen: Series, stretch: Span) -> list[int]:
    return [piece.count for piece in seen.segments(since=stretch.start_at, until=stretch.end_at)]


@given(polls=_POLLS)
def test_extremes_beginnings_and_ends_are_as_they_were(polls: list[int | None]) -> None:
    """Of every hour, and of every stretch of polling within one."""
    before = _drawn(polls)
    after = _after(before)

    for stretch in _stretches(before):
        old, new = _counts(before, stretch), _counts(after, stretch)
        assert (min(new), max(new), new[0], new[-1]) == (min(old), max(old), old[0], old[-1])


@given(polls=_POLLS)
def test_nothing_is_invented(polls: list[int | None]) -> None:
    """Whatever is kept happened at that instant, and steps from what is kept before it."""
    changes = changes_of(_drawn(polls))

    left = downsampled(changes, begins_of(_drawn(polls)))

    assert {(each.at, each.held) for each in left} <= {(each.at, each.held) for each in changes}
    assert [each.was for each in left] == [*(each.was for each in changes[:1]), *(each.held for each in left)][:-1]
    assert all(each.was != each.held for each in left)


@given(polls=_POLLS)
def test_thinning_twice_is_thinning_once(polls: list[int | None]) -> None:
    """A process that is killed in the middle begins again."""
    begins = begins_of(_drawn(polls))
    once = downsampled(changes_of(_drawn(polls)), begins)

    assert downsampled(once, begins) == once


@given(polls=_POLLS)
def test_an_hour_without_a_gap_keeps_three_changes_at_most(polls: list[int | None]) -> None:
    """However much happened in it."""
    seen = _drawn(polls)
    left = downsampled(changes_of(seen), begins_of(seen))

    for hour in {utc_hour(each.at) for each in left}:
        parts = 1 + sum(utc_hour(begin) == hour for begin in begins_of(seen))
        assert sum(utc_hour(each.at) == hour for each in left) <= 4 * parts - 1
