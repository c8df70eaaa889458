"""Held mail that nobody releases: what begins the span anew, and what polling must have seen of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerter.core.conditions import FOREVER, Evidence, Stagnant, Verdict
from alerter.core.series import Sample
from tests.builders import NOON, at, minutes, series, span
from tests.refusals import refusal

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA
HOUR = Stagnant(above=100, lasting=span("1h"))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("150x13", ACTIVE, id="the same for exactly the span"),
        pytest.param("150x12", NO_DATA, id="polled for one interval less than the span"),
        pytest.param("150x12 200", ACTIVE, id="rising all the while"),
        pytest.param("200 150x13", ACTIVE, id="a fall at the very beginning of the span"),
        pytest.param("200x2 150x12", INACTIVE, id="a fall one poll later"),
        pytest.param("150x6 149x7", INACTIVE, id="one message released"),
        pytest.param("150x6 149 150x6", INACTIVE, id="one released and another one held"),
        pytest.param("90 150x13", ACTIVE, id="above the limit from the beginning of the span on"),
        pytest.param("90x2 150x12", INACTIVE, id="above it one poll later"),
        pytest.param("100x13", INACTIVE, id="exactly at the limit"),
        pytest.param("150x12 100", INACTIVE, id="at the limit now"),
        pytest.param("101x13", ACTIVE, id="one above the limit"),
        pytest.param("0x13", INACTIVE, id="nothing held"),
        pytest.param("150x12 _", NO_DATA, id="the newest poll failed"),
    ],
)
def test_a_count_that_never_falls_is_stagnant(notation: str, expected: Verdict) -> None:
    """Whatever is released makes the count fall, and the span begins anew."""
    assert HOUR.evaluate(series(notation), firing=False, now=NOON).verdict is expected


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("150x6 _ 150x6", ACTIVE, id="a gap of two intervals, and the same on both sides"),
        pytest.param("150x6 _ 160x6", ACTIVE, id="such a gap, and more after it"),
        pytest.param("150x6 _ 140x6", INACTIVE, id="such a gap, and fewer after it"),
        pytest.param("150x6 _ 150 _ 150x4", ACTIVE, id="two such gaps"),
        pytest.param("150x5 _ _ 150x6", NO_DATA, id="a longer gap"),
        pytest.param("150x4 _x6 150x2 140", INACTIVE, id="a longer gap, and a fall that was seen"),
        pytest.param("150 _ 150x11", ACTIVE, id="the poll at the beginning of the span failed"),
        pytest.param("160 _ 150x12", INACTIVE, id="it fell while the poll at the beginning of the span failed"),
        pytest.param("90 _ 150x12", INACTIVE, id="it rose above the limit while that poll failed"),
        pytest.param("150 _x4 150x10", NO_DATA, id="the last poll before the span is two intervals old, and the next"),
        pytest.param("_x3 150x10", NO_DATA, id="nothing was known at the beginning of the span"),
    ],
)
def test_gaps_of_up_to_two_intervals_are_bridged(notation: str, expected: Verdict) -> None:
    """What was seen on both sides of a gap decides, unless it is longer, or hides the beginning of the span."""
    assert HOUR.evaluate(series(notation), firing=False, now=NOON).verdict is expected


def test_expiry_after_fourteen_days_makes_the_count_fall() -> None:
    """What nobody looks at goes by itself in the end, and that ends the alert."""
    stagnant = Stagnant(above=100, lasting=span("13d"))
    before = series("150x14", every="1d")
    expired = series("150x14 120", every="1d")

    assert stagnant.evaluate(before, firing=True, now=NOON).verdict is ACTIVE
    assert stagnant.evaluate(expired, firing=True, now=NOON).verdict is INACTIVE


def test_a_night_on_which_clocks_change_is_as_long_as_it_is() -> None:
    """Spans are real time: an hour that clocks skip or repeat changes nothing."""
    spring = datetime.fromisoformat("2026-03-29T03:00+00:00")

    assert HOUR.evaluate(series("150x13", until=spring), firing=False, now=spring).verdict is ACTIVE


def test_a_clock_that_was_set_back_ignores_what_is_later() -> None:
    """Samples after now are not seen."""
    later = replace(series("150x13 90", until=NOON + minutes(5)))

    assert HOUR.evaluate(later, firing=False, now=NOON).verdict is ACTIVE


@pytest.mark.parametrize(
    ("notation", "reference", "note"),
    [
        pytest.param("150x12 170", Sample(at("11:00"), 150), "", id="what was held when the span began"),
        pytest.param("200x4 150x9", Sample(at("11:20"), 150), "", id="when it last fell"),
        pytest.param("90x4 150x9", Sample(at("11:20"), 150), "", id="when it rose above the limit"),
        pytest.param("90x13", None, "", id="it is not above the limit"),
        pytest.param("150x4", None, "no successful poll 1h before to begin with", id="polled for too short a time"),
        pytest.param("150x4 _x6 150x3", None, "no data for 35m of the last 1h", id="a long gap"),
        pytest.param("150x12 _", None, "no successful poll at this moment", id="the newest poll failed"),
    ],
)
def test_stagnation_says_since_when(notation: str, reference: Sample | None, note: str) -> None:
    """Both counts, both instants and the limit; or what data it lacks."""
    observed = HOUR.evaluate(series(notation), firing=False, now=NOON)

    value = series(notation).value_at(NOON)
    assert observed.evidence == Evidence(
        condition="stagnant",
        limit_text="above 100 and never falling for 1h",
        value=None if value is None else Sample(NOON, value),
        reference=reference,
        detail=note,
    )


def test_stagnation_against_its_own_past_says_what_was_usual() -> None:
    """How long it takes, how long it ever was, and since when nothing has been released."""
    own = Stagnant(above=3, times=1.5, weeks=4)
    released_daily = series(" ".join(["9x3 5 2x20"] * 16 + ["9x12"]), every="1h")

    found = own.evaluate(released_daily, firing=False, now=NOON)

    assert own.limit_text == "above 3 and never falling for 1.5 times the longest of 4w"
    assert found.evidence == Evidence(
        condition="stagnant",
        limit_text="no release for 1d; the longest was 3h",
        value=Sample(NOON, 9),
        reference=Sample(NOON - span("11h"), 9),
    )
    assert own.distance_text(found.evidence, released_daily, firing=False, now=NOON) == "for 11h so far, needs 13h more"
    assert (own.lookback, own.learns_for) == (span("42d"), span("15d"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param({"times": 0.5}, ".times: expected at least 1, found the number 0.5", id="less than ever"),
        pytest.param({"weeks": 2}, ".weeks: expected from 3 to 26, found the number 2", id="too few weeks"),
        pytest.param({"lasting": "3d", "times": 2.5}, ": expected either 'lasting', or 'times' and 'weeks'", id="both"),
    ],
)
def test_what_is_usual_and_a_span_exclude_each_other(keys: dict[str, Any], expected: str) -> None:
    """Each error names the keys, what was found and what was expected."""
    assert refusal("stagnant", **keys) == f"stagnant{expected}"


def test_stagnation_above_nothing_says_only_that_it_never_fell() -> None:
    """The limit beside it says how many are too many."""
    assert Stagnant(above=0, lasting=timedelta(days=5)).limit_text == "never falling for 5d"


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("90x13", FOREVER, id="a count that is not above the limit"),
        pytest.param("200x4 150x9", at("12:20"), id="a count that fell"),
        pytest.param("150x13", FOREVER, id="stagnant"),
        pytest.param("150x4", at("12:45"), id="too short a time"),
        pytest.param("150x4 _x3 150x8", at("12:25"), id="a gap"),
        pytest.param("900x6 _x2 150x5", at("12:35") + timedelta.resolution, id="a count that fell in a gap"),
    ],
)
def test_stagnation_says_until_when_its_verdict_stands(notation: str, expected: datetime) -> None:
    """The same count cannot be stagnant before the span has passed since it fell."""
    assert HOUR.evaluate(series(notation), firing=False, now=NOON).holds_until == expected


@pytest.mark.parametrize(
    ("above", "lasting", "expected"),
    [
        pytest.param(-1, "1h", ".above: expected at least 0, found the number -1", id="a negative limit"),
        pytest.param(1, "0s", ".lasting: expected a duration longer than 0s, found 0s", id="no span"),
        pytest.param(
            1, "15d", ": expected 'lasting' of at most 14d, after which held mail expires, found 15d", id="too long"
        ),
    ],
)
def test_stagnation_refuses_what_contradicts_itself(above: int, lasting: str, expected: str) -> None:
    """The error names the keys."""
    assert refusal("stagnant", above=above, lasting=lasting) == f"stagnant{expected}"


def test_stagnation_looks_back_over_its_span() -> None:
    """The store loads that much; nothing about it falls, and it may look at sums."""
    assert (HOUR.lookback, HOUR.lower_is_worse, HOUR.allows_sum) == (timedelta(hours=1), False, True)
