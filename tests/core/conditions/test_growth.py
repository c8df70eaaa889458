"""Growth against all that was held for some time before: what was never seen in it."""

from datetime import timedelta

import pytest

from alerter.core.conditions import Growth, Verdict
from alerter.core.conditions.base import ANY_COUNT
from tests.builders import NOON, series
from tests.refusals import refusal

HOUR = timedelta(hours=1)


def a_growth(
    *,
    times: int = 3,
    by: int | None = 10,
    percent: int | None = None,
    falls_by: int | None = None,
    falls_percent: int | None = None,
) -> Growth:
    """Return growth over an hour, so many times; the series of these tests have a poll every half hour."""
    return Growth(over=HOUR, by=by, percent=percent, falls_by=falls_by, falls_percent=falls_percent, times=times)


@pytest.mark.parametrize(
    ("notation", "verdict", "reference"),
    [
        pytest.param("1 1 5 3 3 9 15", Verdict.ACTIVE, 5, id="grown from the highest of them"),
        pytest.param("1 1 6 3 3 9 15", Verdict.INACTIVE, 6, id="it was nearly as high between two of the spans"),
        pytest.param("6 1 1 1 1 1 15", Verdict.INACTIVE, 6, id="it was nearly as high three hours ago"),
        pytest.param("90 1 1 1 1 1 1 15", Verdict.ACTIVE, 1, id="what is longer ago does not count"),
        pytest.param("1 1 1 1 1 90 95", Verdict.ACTIVE, 1, id="what is less than one span ago does not count either"),
        pytest.param("1 1 _ _ 3 3 15", Verdict.ACTIVE, 3, id="a gap has no counts"),
        pytest.param("9 9 15", Verdict.NO_DATA, None, id="less than a quarter of the time is known"),
        pytest.param("9 9 15 15", Verdict.INACTIVE, 9, id="a quarter of the time is known"),
    ],
)
def test_a_count_is_compared_with_the_highest_of_some_time(
    notation: str, verdict: Verdict, reference: int | None
) -> None:
    """Growth is what no earlier time had; the message shows the one that came closest."""
    observation = a_growth().evaluate(series(notation, every="30m"), firing=False, now=NOON)

    shown = observation.evidence.reference
    assert observation.verdict is verdict
    assert (None if shown is None else shown.count) == reference


def test_a_fall_is_compared_with_the_lowest() -> None:
    """A fall is what no earlier time had either."""
    falling = a_growth(by=None, falls_by=10)

    assert (
        falling.evaluate(series("30 12 30 30 15 15", every="30m"), firing=False, now=NOON).verdict is Verdict.INACTIVE
    )
    assert falling.evaluate(series("30 25 30 30 15 15", every="30m"), firing=False, now=NOON).verdict is Verdict.ACTIVE


def test_it_looks_back_as_many_spans_and_says_so() -> None:
    """The window holds all of them, and limit, news and what is missing name them."""
    weeks = Growth(over=timedelta(days=1), by=30, percent=100, times=14)
    falling = a_growth(by=None, falls_by=10, times=2)

    assert weeks.lookback == timedelta(days=14)
    assert weeks.limit_text == "+30 and +100 % on the most from 14d to 1d before"
    assert falling.limit_text == "-10 on the least from 2h to 1h before"
    found = a_growth().evaluate(series("1 1 5 3 3 9 15", every="30m"), firing=False, now=NOON).evidence
    assert found.headline == "10 more than ever from 3h to 1h before"
    fallen = falling.evaluate(series("30 25 25 15 15", every="30m"), firing=False, now=NOON).evidence
    assert fallen.headline == "10 fewer than ever from 2h to 1h before"
    unknown = a_growth().evaluate(series("9 9 15", every="30m"), firing=False, now=NOON).evidence
    assert unknown.detail == "only 0s of 2h are known to compare with"


@pytest.mark.parametrize("times", [0, 61])
def test_other_numbers_of_times_are_refused(times: int) -> None:
    """None at all compares with nothing, and more than sixty are a mistake."""
    refused = refusal("growth", over="1h", by=1, times=times)

    assert refused == f"growth.times: expected from 1 to 60, found the number {times}"


@pytest.mark.parametrize(
    ("growth", "notation", "hours", "within"),
    [
        pytest.param(a_growth(), "1 1 5 1 1 1 9", 1.5, (0, 14), id="until the highest is out of reach"),
        pytest.param(a_growth(), "5 5 5 5 5 5 9", 2, (0, 14), id="what is still held is compared with for longest"),
        pytest.param(a_growth(percent=100), "40 1 1 1 1 1 9", 0.5, (0, 79), id="as much as the percentage wants"),
        pytest.param(a_growth(by=None, percent=100), "40 1 1 1 1 1 9", 0.5, (0, 79), id="a percentage alone"),
        pytest.param(a_growth(), "2000 1 1 1 1 1 9", 0.5, (0, 2009), id="without a percentage, however many are held"),
        pytest.param(
            a_growth(by=None, percent=100), "1 1 1 1 1 1 30", 2, (0, 39), id="a percentage may count where more is held"
        ),
        pytest.param(
            a_growth(by=None, falls_by=10), "9 9 30 9 9 9 9", 2, (0, ANY_COUNT[1]), id="it cannot fall so far"
        ),
        pytest.param(
            a_growth(by=None, falls_percent=50),
            "90 90 40 90 90 90 30",
            1.5,
            (21, ANY_COUNT[1]),
            id="half of the lowest",
        ),
        pytest.param(a_growth(), "1 1", 0.5, ANY_COUNT, id="until a quarter of the time can be known"),
    ],
)
def test_its_verdict_stands_while_it_is_compared_with_the_same(
    growth: Growth, notation: str, hours: float, within: tuple[int, int]
) -> None:
    """Whatever comes meanwhile, such counts are not far from it."""
    observation = growth.evaluate(series(notation, every="30m"), firing=False, now=NOON)

    assert observation.holds_until == NOON + hours * HOUR
    assert observation.holds_within == within


@pytest.mark.parametrize(
    ("growth", "notation", "hours", "within"),
    [
        pytest.param(
            a_growth(by=None, percent=100), "1 1 1 1 1 1 90", 1, ANY_COUNT, id="until a higher count is compared with"
        ),
        pytest.param(a_growth(), "1 1 1 1 1 1 90", 1, (11, ANY_COUNT[1]), id="active until it is the highest itself"),
        pytest.param(a_growth(), "1 1 1 1 1 9 90", 0.5, (11, ANY_COUNT[1]), id="active until there is a higher one"),
    ],
)
def test_its_verdict_stands_while_no_more_extreme_count_comes(
    growth: Growth, notation: str, hours: float, within: tuple[int, int]
) -> None:
    """The last span is not compared with yet, but it will be."""
    observation = growth.evaluate(series(notation, every="30m"), firing=False, now=NOON)

    assert observation.holds_until == NOON + hours * HOUR
    assert observation.holds_within == within
