"""By how much each condition missed its limit, or passed it: in the words in which `alerter explain` says it."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.conditions import (
    CONDITIONS,
    Baseline,
    Condition,
    Forecast,
    Growth,
    NewReason,
    NoData,
    Stagnant,
    Threshold,
    Verdict,
)
from alerter.core.series import Series
from tests.builders import NOON, minutes, series, span
from tests.core.conditions.test_baseline import HALF_PAST, weeks
from tests.core.conditions.test_new_reason import known

HOUR = timedelta(hours=1)


def margin_of(condition: Condition, seen: Series, *, firing: bool = False, now: datetime = NOON) -> str:
    """Return by how much a condition missed or passed its limit on a series."""
    found = condition.evaluate(seen, firing=firing, now=now)
    return condition.distance_text(found.evidence, seen, firing=firing, now=now)


@pytest.mark.parametrize(
    ("condition", "seen", "expected"),
    [
        pytest.param(Threshold(above=500), series("612"), "by 112", id="above"),
        pytest.param(Threshold(above=500), series("413"), "needs 88 more", id="not above"),
        pytest.param(Threshold(above=500), series("500"), "needs 1 more", id="at the limit is not above it"),
        pytest.param(Threshold(below=5), series("2"), "by 3", id="below"),
        pytest.param(Threshold(below=5), series("12"), "needs 8 fewer", id="not below"),
        pytest.param(Threshold(above=5), series("9 _"), "", id="without data"),
        pytest.param(Growth(over=HOUR, by=50), series("10 10x11 72"), "+62 messages, by 13", id="grew by a number"),
        pytest.param(Growth(over=HOUR, by=50), series("10 10x11 42"), "+32 messages, needs 18 more", id="grew by less"),
        pytest.param(Growth(over=HOUR, by=50), series("10 10x11 60"), "+50 messages, by 1", id="just enough"),
        pytest.param(
            Growth(over=HOUR, by=10, percent=100), series("40 40x11 60"), "+20 messages, needs 20 more", id="per cent"
        ),
        pytest.param(
            Growth(over=HOUR, percent=100),
            series("3 3x11 9"),
            "3 were held before, and below 20 a percentage counts for nothing",
            id="below the floor",
        ),
        pytest.param(
            Growth(over=HOUR, by=9, percent=100), series("3 3x11 9"), "+6 messages, needs 3 more", id="by alone"
        ),
        pytest.param(
            Growth(over=HOUR, falls_by=10), series("30 30x11 25"), "-5 messages, needs 5 fewer", id="fell by less"
        ),
        pytest.param(Growth(over=HOUR, falls_by=10), series("30 30x11 15"), "-15 messages, by 6", id="fell by more"),
        pytest.param(Growth(over=HOUR, by=10), series("30"), "", id="nothing to compare with"),
        pytest.param(Forecast(above=100, within=HOUR, fit_over=HOUR), series("120x13"), "by 20", id="above already"),
        pytest.param(
            Forecast(above=100, within=HOUR, fit_over=HOUR),
            series("0 +5x12"),
            "heading for 120, by 20",
            id="on the way there",
        ),
        pytest.param(
            Forecast(above=200, within=HOUR, fit_over=HOUR),
            series("0 +5x12"),
            "heading for 120, needs 81 more",
            id="not fast enough",
        ),
        pytest.param(
            Forecast(above=100, within=minutes(5), fit_over=HOUR),
            series("300 200 150 140 130 130 130 130 130 120 120 110 100"),
            "heading for 75, needs 26 more",
            id="going down",
        ),
        pytest.param(Forecast(above=100, within=HOUR, fit_over=HOUR), series("9"), "", id="no line"),
        pytest.param(Forecast(above=100, within=HOUR, fit_over=HOUR), series("9 _"), "", id="no forecast without data"),
        pytest.param(Stagnant(above=5, lasting=HOUR), series("3x13"), "needs 3 more", id="too few to stagnate"),
        pytest.param(
            Stagnant(above=5, lasting=HOUR),
            series("9x6 8x7"),
            "for 30m so far, needs 30m more",
            id="not for long enough",
        ),
        pytest.param(Stagnant(above=5, lasting=HOUR), series("9x13"), "by 4", id="stagnant"),
        pytest.param(Stagnant(above=5, lasting=HOUR), series("9"), "", id="not polled for long enough"),
        pytest.param(Stagnant(above=5, lasting=HOUR), series("9 _"), "", id="not stagnant without data"),
        pytest.param(NewReason(), known(first_held="1h"), "for 23h more", id="new"),
        pytest.param(NewReason(), known(first_held="2d"), "first held 2d before, news for 1d", id="new two days ago"),
        pytest.param(NewReason(), known(first_held=None), "nothing was ever held", id="listed only"),
        pytest.param(
            NewReason(),
            known(polled_for="3d"),
            "first held within 7d of the tenant's first successful poll",
            id="still learning",
        ),
        pytest.param(NewReason(), known("5 _"), "", id="nothing is new without data"),
        pytest.param(NoData(after=minutes(15)), series("5"), "the last poll succeeded", id="seen"),
        pytest.param(
            NoData(after=minutes(15)), series("5 _"), "for 5m so far, needs 10m more", id="no data, not for long"
        ),
        pytest.param(NoData(after=minutes(15)), series("5 _x4"), "by 5m", id="no_data"),
        pytest.param(NoData(after=minutes(15)), series("_x4"), "by 0s", id="never seen"),
    ],
)
def test_the_margin_is_what_a_person_would_ask_next(condition: Condition, seen: Series, expected: str) -> None:
    """How much too much, or how much was missing."""
    assert margin_of(condition, seen) == expected


def test_what_is_usual_decides_the_margin_of_a_baseline() -> None:
    """140 are the most that is usual where it was always 100."""
    condition = Baseline()

    assert margin_of(condition, weeks(100, 100, 100, 100, now_held=151), now=HALF_PAST) == "by 11"
    assert margin_of(condition, weeks(100, 100, 100, 100, now_held=120), now=HALF_PAST) == "needs 21 more"
    assert margin_of(condition, weeks(100, now_held=151), now=HALF_PAST) == ""


def test_a_firing_threshold_says_how_far_it_is_from_clear() -> None:
    """Below the limit, but not down to where it clears."""
    condition = Threshold(above=500, clear_at=400)

    assert margin_of(condition, series("413"), firing=True) == "clears at 400: 13 to go"
    assert margin_of(condition, series("400"), firing=True) == "needs 101 more"
    assert margin_of(condition, series("612"), firing=True) == "by 112"


def test_a_forecast_that_only_comes_down_is_not_on_its_way() -> None:
    """The line may lie above the limit without leading there."""
    condition = Forecast(above=20, within=minutes(1), fit_over=HOUR)
    falling = series("900 800 700 600 500 400 350 320 300 290 280 250 10")

    assert margin_of(condition, falling).endswith(", but not rising")
    assert condition.evaluate(falling, firing=False, now=NOON).verdict is Verdict.INACTIVE


def test_a_line_that_ends_a_fraction_above_the_limit_is_above_it() -> None:
    """Whole messages are shown, but the line decides."""
    condition = Forecast(above=59, within=HOUR, fit_over=minutes(20))

    assert margin_of(condition, series("21 31 0 40 29")) == "heading for 59, by a fraction"


_CONDITIONS = st.one_of(
    st.builds(Threshold, above=st.integers(0, 30)),
    st.builds(Threshold, below=st.integers(1, 30)),
    st.builds(
        Growth, over=st.sampled_from([minutes(10), HOUR]), by=st.integers(1, 20), percent=st.none() | st.just(50)
    ),
    st.builds(Growth, over=st.just(minutes(10)), falls_by=st.integers(1, 20)),
    st.builds(Forecast, above=st.integers(0, 60), within=st.just(HOUR), fit_over=st.just(minutes(20))),
    st.builds(Stagnant, above=st.integers(0, 20), lasting=st.just(minutes(20))),
)


@settings(max_examples=300)
@given(condition=_CONDITIONS, held=st.lists(st.integers(0, 40), min_size=1, max_size=16))
def test_the_margin_never_contradicts_the_verdict(condition: Condition, held: list[int]) -> None:
    """Who is told "by" was above the limit; whoever "needs" was not."""
    seen = series(" ".join(map(str, held)))
    found = condition.evaluate(seen, firing=False, now=NOON)

    margin = condition.distance_text(found.evidence, seen, firing=False, now=NOON)

    assert ("needs" in margin or "not rising" in margin) == (found.verdict is Verdict.INACTIVE and bool(margin))
    assert (found.verdict is Verdict.ACTIVE) == ("by " in margin)


@pytest.mark.parametrize("name", [*CONDITIONS])
def test_every_condition_has_a_margin(name: str) -> None:
    """A new condition says by how much it missed, too."""
    assert callable(CONDITIONS[name].distance_text)


def test_spans_of_a_margin_are_written_as_in_the_configuration() -> None:
    """An hour is 1h."""
    condition = NoData(after=span("1h30m"))

    assert margin_of(condition, series("5 _x7")) == "for 35m so far, needs 55m more"
