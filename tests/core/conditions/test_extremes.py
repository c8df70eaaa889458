"""The highest count of a stretch that moves along is the one that an evaluation finds at each poll."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerter.core.conditions.extremes import Stretch
from alerter.core.history import FailedPoll, SeriesHistory, history_from_polls
from alerter.core.series import MICROSECOND, Segment, Series, Snapshot, Tenant, from_epoch_us
from tests.builders import a_polled_tenant, minutes
from tests.drawn import polls

PARTS = 4
_MINUTE = minutes(1) // MICROSECOND


def seen(series: Series, stretch: Stretch, now: int) -> list[Segment]:
    """Return what an evaluation sees of a stretch."""
    since, until = from_epoch_us(now - stretch.since), from_epoch_us(now - stretch.until)
    return list(series.segments(since=since, until=until))


def extremes_at_polls(history: SeriesHistory, stretch: Stretch, *, lowest: bool) -> list[int | None]:
    """Return the extreme of the stretch at each poll."""
    found = list(stretch.extremes(history, lowest=lowest))
    return [next((each for at, _, each in reversed(found) if at <= now), None) for now in history.poll_times.polls]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
@given(
    polled=polls(reasons=("Spam",)),
    until=st.sampled_from([1, 2, 5]),
    longer=st.sampled_from([1, 3, 8]),
    lowest=st.booleans(),
)
def test_it_finds_what_an_evaluation_finds_at_every_poll(
    polled: Sequence[Snapshot | FailedPoll],
    until: int,
    longer: int,
    lowest: bool,  # noqa: FBT001 - drawn
) -> None:
    """Through failures and gaps, at both ends of the stretch; and so is how much of it is known."""
    stretch = Stretch(since=(until + longer) * _MINUTE, until=until * _MINUTE)
    for history in history_from_polls(Tenant("acme"), polled, poll_interval=minutes(1)).reasons:
        turns = sorted(stretch.turns_known(history, PARTS))
        for now, extreme in zip(
            history.poll_times.polls, extremes_at_polls(history, stretch, lowest=lowest), strict=True
        ):
            segments = seen(history.as_of(now, window=minutes(until + longer)), stretch, now)
            assert extreme == (min if lowest else max)((piece.count for piece in segments), default=None)
            known = sum((piece.until - piece.since for piece in segments), timedelta(0))
            assert (sum(turn <= now for turn in turns) % 2 == 1) is (known * PARTS >= minutes(longer))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("9 1 1 1 1", [None, None, 9, 9, 1], id="a count is gone when the one after it is that far back"),
        pytest.param("1 9 1 _ 1 1", [None, None, 1, 9, 9, 1], id="the highest stays when others come"),
        pytest.param("5 _ _ _ _ 1 1 1", [None, None, 5, 5, None, None, None, 1], id="of a gap nothing is known"),
    ],
)
def test_the_highest_of_two_to_three_minutes_ago(notation: str, expected: list[int | None]) -> None:
    """Poll by poll."""
    (history,) = a_polled_tenant(notation, every="1m").reasons

    assert extremes_at_polls(history, Stretch(since=3 * _MINUTE, until=2 * _MINUTE), lowest=False) == expected
