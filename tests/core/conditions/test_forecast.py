"""A limit that is going to be passed: the line through the samples, and what polling must have seen for one."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.conditions import ANY_COUNT, FOREVER, NOT_AT_ALL, Evidence, Forecast, Verdict
from alerter.core.conditions.lines import Samples
from alerter.core.history import history_from_polls
from alerter.core.series import Sample, Tenant, sum_of_tenants, to_epoch_us
from tests.builders import NOON, a_snapshot, at, counts, minutes, series, span
from tests.refusals import refusal

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA


def a_forecast(above: int = 200, *, within: str = "1h", fit_over: str = "1h") -> Forecast:
    """Return a forecast of an hour out of an hour."""
    return Forecast(above=above, within=span(within), fit_over=span(fit_over))


@pytest.mark.parametrize(
    ("notation", "above", "expected"),
    [
        pytest.param("40 +5x12", 159, ACTIVE, id="the line leads just above the limit"),
        pytest.param("40 +5x12", 160, INACTIVE, id="the line leads exactly to the limit"),
        pytest.param("160 -5x12", 40, ACTIVE, id="above the limit already, although it falls"),
        pytest.param("160 -5x12", 100, INACTIVE, id="at the limit and falling"),
        pytest.param("300x12 90", 100, INACTIVE, id="released: a line that falls leads nowhere"),
        pytest.param("90x13", 100, INACTIVE, id="flat below the limit"),
        pytest.param("100x13", 100, INACTIVE, id="flat at the limit"),
        pytest.param("101x13", 100, ACTIVE, id="flat above the limit"),
        pytest.param("0x12 90", 100, INACTIVE, id="one sample that is higher does not make a slope that steep"),
        pytest.param("0x10 90x3", 100, ACTIVE, id="three of them do"),
        pytest.param("0x13", 0, INACTIVE, id="nothing held"),
        pytest.param("40 +5x12 _", 100, NO_DATA, id="the newest poll failed"),
    ],
)
def test_a_forecast_continues_the_line(notation: str, above: int, expected: Verdict) -> None:
    """What rises by 5 in 5 minutes from 40 to 100 is 160 an hour later."""
    assert a_forecast(above).evaluate(series(notation), firing=False, now=NOON).verdict is expected


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("40 +10x6", ACTIVE, id="seven samples over exactly half of the span"),
        pytest.param("50 +10x5", NO_DATA, id="over less than half of it"),
        pytest.param("40 _x5 100", NO_DATA, id="two samples over half of it"),
        pytest.param("40 _x5 +60 +10", ACTIVE, id="three samples"),
        pytest.param("100", NO_DATA, id="a single sample"),
        pytest.param("999 _x12 100", NO_DATA, id="samples before the span do not count"),
        pytest.param("40 +5x4 _x4 80 +5x4", ACTIVE, id="a gap is left out"),
        pytest.param("300x2 _x4 40 +1x6", INACTIVE, id="what was high before a gap is not forgotten"),
        pytest.param("201", ACTIVE, id="above the limit already needs no line"),
    ],
)
def test_a_line_needs_three_samples_over_half_of_the_span(notation: str, expected: Verdict) -> None:
    """With fewer nobody can tell where it leads; a gap is never read as zero."""
    assert (
        a_forecast(150 if "201" not in notation else 200).evaluate(series(notation), firing=False, now=NOON).verdict
        is expected
    )


@given(st.lists(st.integers(0, 500), min_size=3, max_size=13), st.integers(1, 240))
def test_the_line_is_that_of_least_squares(values: list[int], ahead: int) -> None:
    """For polls at even distances it is exactly the textbook's line through one point per poll."""
    notation = " ".join(map(str, values))
    forecast = Forecast(above=1000, within=minutes(ahead), fit_over=minutes(10))

    found = forecast.evaluate(series(notation, every="1m"), firing=False, now=NOON)

    points = list(zip(range(-len(values) + 1, 1), values, strict=True))[-11:]
    if len(points) < 6:
        assert found.verdict is NO_DATA
        return
    expected = _least_squares(points, ahead)
    assert found.evidence.expected is not None
    assert found.evidence.expected.at == NOON + minutes(ahead)
    assert abs(found.evidence.expected.count - max(expected, Fraction(0))) <= Fraction(1, 2)


@given(values=st.lists(st.integers(0, 9), min_size=6, max_size=11), above=st.integers(0, 40), gap=st.integers(0, 10))
def test_the_verdict_is_that_of_the_line_with_gaps_or_without(values: list[int], above: int, gap: int) -> None:
    """Failed polls take their points out of the line, and nothing else."""
    words = [*map(str, values)]
    words[min(gap, len(words) - 2)] = "_"
    words[min(gap + 1, len(words) - 2)] = "_"
    words[min(gap + 2, len(words) - 2)] = "_"
    forecast = Forecast(above=above, within=minutes(5), fit_over=minutes(10))

    found = forecast.evaluate(series(" ".join(words), every="1m"), firing=False, now=NOON)

    seen = counts(" ".join(words))
    points = [(number - len(seen) + 1, count) for number, count in enumerate(seen) if count is not None]
    now = points[-1][1]
    enough = len(points) >= 3 and -points[0][0] >= 5
    if now > above:
        assert found.verdict is ACTIVE
    elif not enough:
        assert found.verdict is NO_DATA
    else:
        rises = _least_squares(points, 6) > _least_squares(points, 5)
        assert (found.verdict is ACTIVE) is (rises and _least_squares(points, 5) > above)


def _least_squares(points: list[tuple[int, int]], ahead: int) -> Fraction:
    """Return the value of the line at an instant, worked out as in a textbook."""
    n = len(points)
    x, y = Fraction(sum(x for x, _ in points), n), Fraction(sum(y for _, y in points), n)
    spread = sum(((px - x) ** 2 for px, _ in points), Fraction(0))
    slope = sum(((px - x) * (py - y) for px, py in points), Fraction(0)) / spread
    return y + slope * (ahead - x)


@pytest.mark.parametrize(
    "until", ["2026-03-29T01:30+00:00", "2026-10-25T01:30+00:00"], ids=["an hour is skipped", "an hour is repeated"]
)
def test_a_night_on_which_clocks_change_bends_no_line(until: str) -> None:
    """Spans are real time."""
    now = datetime.fromisoformat(until)

    found = a_forecast(159).evaluate(series("40 +5x12", until=now), firing=False, now=now)

    assert (found.verdict, found.evidence.expected) == (ACTIVE, Sample(now + minutes(60), 160))


def test_a_clock_that_was_set_back_draws_no_line_through_the_future() -> None:
    """Samples after now are not seen."""
    later = series("40 +5x12 900 900", until=NOON + minutes(10))

    found = a_forecast(200).evaluate(later, firing=False, now=NOON)

    assert (found.verdict, found.evidence.expected) == (INACTIVE, Sample(at("13:00"), 160))


def test_polls_that_came_closer_before_the_interval_was_raised_still_make_a_line() -> None:
    """Each good poll is one sample, whatever the interval is now."""
    closer = replace(series("10 _ _ 20 _ _ 30 _ _ 40", every="5m"), poll_interval=minutes(30))

    found = a_forecast(20, within="1h", fit_over="1h").evaluate(closer, firing=False, now=NOON)

    assert found.evidence.expected is not None
    assert found.evidence.expected.count > 40


@given(
    steps=st.lists(st.integers(20_000, 400_000), min_size=1, max_size=20),
    counted=st.lists(st.integers(0, 30), min_size=21, max_size=21),
    above=st.integers(0, 40),
)
def test_the_samples_are_the_polls_that_there_were(steps: list[int], counted: list[int], above: int) -> None:
    """No more and no fewer, however late each was, and wherever one was missed."""
    lengths = [timedelta(milliseconds=step) for step in steps]
    late = [*accumulate(reversed(lengths), initial=timedelta(0))]
    seen = list(zip(counted, reversed(late), strict=False))
    polled = [a_snapshot({"Spam": count}, taken_at=NOON - after) for count, after in seen]
    [history] = history_from_polls(Tenant("acme"), polled, poll_interval=minutes(1)).reasons
    forecast = Forecast(above=above, within=minutes(5), fit_over=minutes(10))

    found = forecast.evaluate(history.series_at(to_epoch_us(NOON), window=forecast.lookback), firing=False, now=NOON)

    points = [(-after // timedelta(milliseconds=1), count) for count, after in seen if after <= minutes(10)]
    if points[-1][1] > above:
        assert found.verdict is ACTIVE
    elif len(points) < 3 or -points[0][0] < 300_000:
        assert found.verdict is NO_DATA
    else:
        leads_to = _least_squares(points, 300_000)
        assert (found.verdict is ACTIVE) is (leads_to > above and leads_to > _least_squares(points, 0))


def test_between_two_polls_there_may_be_no_sample_at_all() -> None:
    """Asked about such a moment, a forecast over less than a poll interval knows nothing."""
    found = a_forecast(200, fit_over="2m").evaluate(series("40 50 60"), firing=False, now=at("11:58"))

    assert found.verdict is NO_DATA
    assert Samples.of(replace(series("40"), changes=()), since=at("11:00"), until=NOON).parts == []


def test_a_sum_over_tenants_has_a_sample_at_each_interval_back_from_now() -> None:
    """It is known at every moment that is covered, and at none of a gap."""
    acme = series("40 +5x5 _x4 80 +5x3", tenant="acme")
    total = sum_of_tenants([acme, series("0x14", tenant="globex")])

    samples = Samples.of(total, since=NOON - minutes(60), until=NOON)

    ago = [(to_epoch_us(NOON) - each) // 60_000_000 for each in samples.instants]
    assert ago == [60, 55, 50, 45, 40, 15, 10, 5, 0]
    assert [count for *_, count in samples.parts] == [45, 50, 55, 60, 65, 80, 85, 90, 95]


def test_a_forecast_that_leads_below_nothing_is_nothing() -> None:
    """Nobody holds fewer than no messages."""
    falling = a_forecast(200).evaluate(series("120 -10x12"), firing=False, now=NOON)

    assert falling.evidence.expected == Sample(at("13:00"), 0)


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param(
            "40 +5x12",
            {
                "reference": Sample(at("11:00"), 40),
                "expected": Sample(at("13:00"), 160),
                "headline": "heading for 160 in 1h",
            },
            id="on the way",
        ),
        pytest.param(
            "151x13",
            {"reference": Sample(at("11:00"), 151), "expected": Sample(at("13:00"), 151)},
            id="above the limit already",
        ),
        pytest.param("151", {}, id="above the limit, and nothing else is known"),
        pytest.param(
            "5x2", {"detail": "too few successful polls within 1h to draw a line through"}, id="too few polls"
        ),
    ],
)
def test_a_forecast_says_what_it_reckons_with(notation: str, expected: dict[str, object]) -> None:
    """The count now and then, the one that it expects, both instants, and the limit."""
    seen = series(notation)

    found = a_forecast(150).evaluate(seen, firing=False, now=NOON).evidence

    assert found == replace(
        Evidence(
            condition="forecast",
            limit_text="above 150, or on the way there within 1h at the pace of the last 1h",
            value=Sample(NOON, seen.value_at(NOON) or 0),
        ),
        **expected,  # type: ignore[arg-type] # a table
    )


@pytest.mark.parametrize(
    ("notation", "until", "within"),
    [
        pytest.param("0 28x3 2 9x8", FOREVER, (0, 28), id="whatever it does below a seventh of the limit"),
        pytest.param("0 29 2 9x10", NOT_AT_ALL, ANY_COUNT, id="it was higher"),
        pytest.param("9x6 _ 2 9x6", NOT_AT_ALL, ANY_COUNT, id="a gap makes lines steeper"),
        pytest.param("9x3", at("12:20"), (0, 200), id="before there can be a line"),
        pytest.param("9 _ 9", at("12:20"), (0, 200), id="before there can be a line, with a gap"),
        pytest.param("80 90x12", FOREVER, (76, 93), id="whatever it does about the counts that there were"),
        pytest.param("71 90x12", NOT_AT_ALL, ANY_COUNT, id="one was too low for that"),
        pytest.param("10x12 190", NOT_AT_ALL, ANY_COUNT, id="the line leads above the limit"),
        pytest.param("300", FOREVER, (201, ANY_COUNT[1]), id="above the limit, without a line"),
        pytest.param("300x13", FOREVER, (201, ANY_COUNT[1]), id="above the limit"),
    ],
)
def test_a_forecast_says_for_how_long_its_verdict_stands(
    notation: str, until: datetime, within: tuple[int, int]
) -> None:
    """No line through such counts leads above the limit, so that they are not looked at."""
    found = a_forecast().evaluate(series(notation), firing=False, now=NOON)

    assert (found.holds_until, found.holds_within) == (until, within)


def test_a_line_over_two_polls_may_be_there_and_then_not() -> None:
    """So that nothing is said of the next poll."""
    found = a_forecast(fit_over="10m").evaluate(series("9x13"), firing=False, now=NOON)

    assert (found.verdict, found.holds_until) == (Verdict.INACTIVE, NOT_AT_ALL)


@given(
    interval=st.sampled_from([1, 5, 10]).map(minutes),
    ups=st.lists(st.booleans(), min_size=2, max_size=30),
    within=st.sampled_from(["5m", "1h", "4h"]),
    fit_over=st.sampled_from(["10m", "30m", "1h"]),
    held=st.integers(0, 1000),
)
def test_no_line_through_calm_counts_leads_above_the_limit(
    interval: timedelta, ups: list[bool], within: str, fit_over: str, held: int
) -> None:
    """Not even through those that are the lowest and the highest of them in turn."""
    forecast = a_forecast(1000, within=within, fit_over=fit_over)
    observed = forecast.evaluate(series(f"{held}x30", every="3m"), firing=False, now=NOON)
    least, most = observed.holds_within

    notation = " ".join(str(most if is_high else least) for is_high in ups)
    seen = series(notation, every=f"{interval // minutes(1)}m")

    assert forecast.evaluate(seen, firing=False, now=NOON).verdict is not Verdict.ACTIVE


@pytest.mark.parametrize(
    ("above", "within", "fit_over", "expected"),
    [
        pytest.param(-1, "1h", "1h", "above: expected at least 0, found the number -1", id="a negative limit"),
        pytest.param(1, "0s", "1h", "within: expected a duration longer than 0s, found 0s", id="nothing ahead"),
        pytest.param(1, "1h", "0s", "fit_over: expected a duration longer than 0s, found 0s", id="nothing behind"),
    ],
)
def test_a_forecast_refuses_what_makes_no_line(above: int, within: str, fit_over: str, expected: str) -> None:
    """The error names the keys."""
    assert refusal("forecast", above=above, within=within, fit_over=fit_over) == f"forecast.{expected}"


def test_a_forecast_looks_back_over_what_it_fits() -> None:
    """The store loads that much."""
    forecast = a_forecast(fit_over="6h")

    assert (forecast.lookback, forecast.lower_is_worse, forecast.allows_sum) == (timedelta(hours=6), False, True)
