"""Growth against several times before: what none of them had."""

from datetime import timedelta

import pytest

from alerter.core.conditions import Growth, Verdict
from tests.builders import NOON, series

HOUR = timedelta(hours=1)


def a_growth(*, times: int = 3, by: int | None = 10, percent: int | None = None, falls_by: int | None = None) -> Growth:
    """Return growth over an hour, as many times; the series of these tests have a poll every hour."""
    return Growth(over=HOUR, by=by, percent=percent, falls_by=falls_by, times=times)


@pytest.mark.parametrize(
    ("notation", "verdict", "reference"),
    [
        pytest.param("1 5 3 15", Verdict.ACTIVE, 5, id="grown from the highest of them"),
        pytest.param("6 1 1 15", Verdict.INACTIVE, 6, id="it was nearly as high three hours ago"),
        pytest.param("90 1 1 1 15", Verdict.ACTIVE, 1, id="what is longer ago does not count"),
        pytest.param("1 _ 3 15", Verdict.ACTIVE, 3, id="a gap is bridged as of one reference"),
        pytest.param("9 15", Verdict.NO_DATA, None, id="less than half of them are known"),
        pytest.param("1 1 15", Verdict.ACTIVE, 1, id="half of them are known"),
    ],
)
def test_a_count_is_compared_with_the_highest_of_several(
    notation: str, verdict: Verdict, reference: int | None
) -> None:
    """Growth is what no earlier time had; the message shows the one that came closest."""
    observation = a_growth().evaluate(series(notation, every="1h"), firing=False, now=NOON)

    shown = observation.operands.reference
    assert observation.verdict is verdict
    assert (None if shown is None else shown.count) == reference


def test_a_fall_is_compared_with_the_lowest() -> None:
    """A fall is what no earlier time had either."""
    falling = a_growth(by=None, falls_by=10)

    assert falling.evaluate(series("30 12 30 15", every="1h"), firing=False, now=NOON).verdict is Verdict.INACTIVE
    assert falling.evaluate(series("30 25 30 15", every="1h"), firing=False, now=NOON).verdict is Verdict.ACTIVE


def test_it_looks_back_as_many_spans() -> None:
    """The window holds all references, and the limit names them."""
    week = Growth(over=timedelta(days=1), by=30, percent=100, times=7)

    assert week.window == timedelta(days=7)
    assert week.limit == "+30 and +100 % within 1d, 2d, …, 7d"
    assert a_growth(times=2).limit == "+10 within 1h, 2h"


@pytest.mark.parametrize("times", [0, 61])
def test_so_many_times_are_refused(times: int) -> None:
    """None at all compares with nothing, and more than sixty cost more than they say."""
    with pytest.raises(ValueError, match=f"expected 'times' from 1 to 60, found {times}"):
        a_growth(times=times)


@pytest.mark.parametrize(
    ("notation", "hours"),
    [
        pytest.param("1 1 1 5", 1, id="an older reference changes first"),
        pytest.param("1 1 1 1", 4, id="nothing changes until the oldest poll is out of reach"),
    ],
)
def test_it_is_idle_until_a_reference_changes(notation: str, hours: int) -> None:
    """Until then nothing but another count can make it active."""
    observation = a_growth().evaluate(series(notation, every="1h"), firing=False, now=NOON)

    assert observation.idle_until is not None
    assert observation.idle_until <= NOON + hours * HOUR
