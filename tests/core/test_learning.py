"""How much history of a tenant a rule needs before it can fire."""

from datetime import timedelta

import pytest

from alerter.core.conditions import (
    Baseline,
    Condition,
    Fall,
    Flatline,
    Forecast,
    Growth,
    NewReason,
    NoData,
    Rare,
    Rise,
    Stagnant,
    Threshold,
)
from alerter.core.rules import Level
from tests.builders import a_rule

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param(Threshold(above=10), timedelta(0), id="a limit needs none"),
        pytest.param(NoData(after=HOUR), timedelta(0), id="nor does the absence of data"),
        pytest.param(Growth(over=HOUR, by=10), HOUR, id="growth needs the count that it compares with"),
        pytest.param(Growth(over=DAY, times=13, by=10), 4 * DAY, id="of many spans a quarter, and the last one"),
        pytest.param(Forecast(above=10, within=HOUR, fit_over=6 * HOUR), 3 * HOUR, id="a line needs half its time"),
        pytest.param(Baseline(), 21 * DAY, id="an hour of the week needs three weeks"),
        pytest.param(Stagnant(above=0, lasting=5 * DAY), 5 * DAY, id="what never falls, its time"),
        pytest.param(Rise(), 2 * HOUR, id="a rise, two hours of a new reason"),
        pytest.param(Fall(), 14 * DAY + HOUR, id="a fall, two weeks and its span"),
        pytest.param(Rare(), 7 * DAY, id="a rare reason, the week in which it was not seen"),
        pytest.param(Flatline(), 15 * DAY, id="a silence, two weeks and itself"),
        pytest.param(NewReason(learn=7 * DAY), 7 * DAY, id="a first time, what is not first"),
    ],
)
def test_each_condition_says_how_much_history_it_needs(condition: Condition, expected: timedelta) -> None:
    """Until then a level with it is silent, whatever is held."""
    assert Level(conditions=(condition,)).learns_for == expected


def test_all_conditions_of_a_level_must_know_enough_and_one_level_of_a_rule() -> None:
    """A level waits for its slowest condition; a rule can fire when its first level can."""
    slow = Level(conditions=(Threshold(above=10), Stagnant(above=0, lasting=DAY)))
    quick = Level(conditions=(Growth(over=HOUR, by=10),))

    assert slow.learns_for == DAY
    assert a_rule(warning=slow, critical=quick).learns_for == HOUR
