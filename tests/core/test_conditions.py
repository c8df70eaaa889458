"""What each kind of condition means, edge by edge."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.conditions import (
    ANY_COUNT,
    CONDITIONS,
    FOREVER,
    NOT_AT_ALL,
    Condition,
    Evidence,
    Fall,
    Flatline,
    Growth,
    Threshold,
    Verdict,
    duration_text,
)
from alerter.core.series import PollFailure, Sample
from alerter.errors import Cause
from alerter.humanize import setting_text
from tests.builders import NOON, a_growth, a_no_data, at, minutes, series, span
from tests.refusals import refusal

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA
MOST = ANY_COUNT[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("90s", "1m 30s", id="minutes and seconds"),
        pytest.param("5m", "5m", id="a whole unit stands alone"),
        pytest.param("90m", "1h 30m", id="hours and minutes"),
        pytest.param("49h", "2d 1h", id="days"),
        pytest.param("0", "0s", id="nothing"),
    ],
)
def test_a_span_is_written_in_one_way_for_people_and_in_that_of_the_configuration(text: str, expected: str) -> None:
    """Every message, table and error has it with spaces; what can be pasted into a configuration has none."""
    assert duration_text(span(text)) == expected
    assert setting_text(span(text)) == expected.replace(" ", "")


# threshold

QUIET, FIRING = False, True


@pytest.mark.parametrize(
    ("threshold", "count", "firing", "expected"),
    [
        pytest.param(Threshold(above=200), 201, QUIET, ACTIVE, id="above is more than the limit"),
        pytest.param(Threshold(above=200), 200, QUIET, INACTIVE, id="the limit itself is not above it"),
        pytest.param(Threshold(above=0), 1, QUIET, ACTIVE, id="above 0 means any message at all"),
        pytest.param(Threshold(above=0), 0, QUIET, INACTIVE, id="no message is not above 0"),
        pytest.param(Threshold(above=200), 200, FIRING, INACTIVE, id="without clear_at the limit itself clears"),
        pytest.param(Threshold(above=200, clear_at=150), 151, FIRING, ACTIVE, id="firing holds down to clear_at"),
        pytest.param(Threshold(above=200, clear_at=150), 150, FIRING, INACTIVE, id="clear_at itself clears"),
        pytest.param(
            Threshold(above=200, clear_at=150), 180, QUIET, INACTIVE, id="clear_at holds nothing that is quiet"
        ),
        pytest.param(Threshold(above=200, clear_at=200), 200, FIRING, INACTIVE, id="clear_at may be the limit"),
        pytest.param(Threshold(below=5), 4, QUIET, ACTIVE, id="below is less than the limit"),
        pytest.param(Threshold(below=5), 5, QUIET, INACTIVE, id="the limit itself is not below it"),
        pytest.param(Threshold(below=1), 0, QUIET, ACTIVE, id="a proven zero is below 1"),
        pytest.param(Threshold(below=5, clear_at=10), 9, FIRING, ACTIVE, id="firing holds up to clear_at"),
        pytest.param(Threshold(below=5, clear_at=10), 10, FIRING, INACTIVE, id="clear_at clears from below"),
        pytest.param(Threshold(below=5, clear_at=5), 5, FIRING, INACTIVE, id="from below clear_at may be the limit"),
        pytest.param(Threshold(below=5, clear_at=10), 7, QUIET, INACTIVE, id="from below clear_at holds nothing quiet"),
    ],
)
def test_a_threshold_compares_the_newest_count(
    *, threshold: Threshold, count: int, firing: bool, expected: Verdict
) -> None:
    """A threshold is active beyond its limit and, while it fires, until clear_at."""
    assert threshold.evaluate(series(f"0 {count}"), firing=firing, now=NOON).verdict is expected


@pytest.mark.parametrize(
    ("notation", "note"),
    [
        pytest.param("900 _", "no successful poll at this moment", id="the poll failed"),
        pytest.param("_", "no successful poll at this moment", id="no poll was ever good"),
    ],
)
def test_a_threshold_without_a_sample_has_no_data(notation: str, note: str) -> None:
    """A failed poll is neither above nor below anything."""
    observed = Threshold(below=5).evaluate(series(notation), firing=True, now=NOON)

    assert observed.verdict is NO_DATA
    assert observed.evidence == Evidence(condition="threshold", limit_text="below 5", detail=note)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(Threshold(above=1200), "above 1,200", id="an upper limit"),
        pytest.param(Threshold(above=200, clear_at=150), "above 200, clears at 150", id="an upper limit that lingers"),
        pytest.param(Threshold(below=5), "below 5", id="a lower limit"),
        pytest.param(Threshold(below=5, clear_at=10), "below 5, clears at 10", id="a lower limit that lingers"),
    ],
)
def test_a_threshold_states_its_limit_and_its_count(threshold: Threshold, expected: str) -> None:
    """The message prints what was compared: the count, its instant, and the limit."""
    evidence = threshold.evaluate(series("7"), firing=False, now=NOON).evidence

    assert evidence == Evidence(condition="threshold", limit_text=expected, value=Sample(NOON, 7))


# growth


@pytest.mark.parametrize(
    ("growth", "then", "now", "expected"),
    [
        pytest.param(a_growth(by=50), 100, 150, ACTIVE, id="growth by exactly the number"),
        pytest.param(a_growth(by=50), 100, 149, INACTIVE, id="growth by one less"),
        pytest.param(a_growth(by=50), 0, 50, ACTIVE, id="from nothing the number alone decides"),
        pytest.param(a_growth(by=50), 150, 100, INACTIVE, id="a fall is not growth"),
        pytest.param(a_growth(percent=50), 100, 150, ACTIVE, id="growth by exactly the percentage"),
        pytest.param(a_growth(percent=50), 101, 151, INACTIVE, id="growth just under the percentage"),
        pytest.param(a_growth(percent=50), 20, 30, ACTIVE, id="at the floor the percentage is tested"),
        pytest.param(a_growth(percent=50), 19, 900, INACTIVE, id="under the floor a percentage alone says nothing"),
        pytest.param(a_growth(percent=50, floor=1), 1, 2, ACTIVE, id="a floor of one's own"),
        pytest.param(a_growth(percent=50, floor=0), 0, 0, INACTIVE, id="nothing that stays nothing has not grown"),
        pytest.param(
            a_growth(percent=50, floor=0), 0, 1, ACTIVE, id="with a floor of 0 anything from nothing is growth"
        ),
        pytest.param(a_growth(by=50, percent=100), 100, 200, ACTIVE, id="both the number and the percentage"),
        pytest.param(a_growth(by=50, percent=100), 100, 199, INACTIVE, id="the number without the percentage"),
        pytest.param(a_growth(by=50, percent=100), 30, 61, INACTIVE, id="the percentage without the number"),
        pytest.param(a_growth(by=50, percent=100), 19, 69, ACTIVE, id="under the floor the number alone decides"),
        pytest.param(a_growth(by=50, percent=100), 19, 68, INACTIVE, id="under the floor the number must be reached"),
        pytest.param(a_growth(falls_by=50), 150, 100, ACTIVE, id="a fall by exactly the number"),
        pytest.param(a_growth(falls_by=50), 150, 101, INACTIVE, id="a fall by one less"),
        pytest.param(a_growth(falls_by=50), 100, 150, INACTIVE, id="growth is not a fall"),
        pytest.param(a_growth(falls_percent=50), 100, 50, ACTIVE, id="a fall by exactly the percentage"),
        pytest.param(a_growth(falls_percent=100), 100, 0, ACTIVE, id="a fall to nothing is 100 %"),
        pytest.param(a_growth(falls_percent=50), 19, 0, INACTIVE, id="under the floor a fall in per cent says nothing"),
        pytest.param(
            a_growth(falls_by=5, falls_percent=50), 19, 14, ACTIVE, id="under the floor the fallen number decides"
        ),
    ],
)
def test_growth_compares_with_the_count_a_span_ago(growth: Growth, then: int, now: int, expected: Verdict) -> None:
    """Both tests must hold where both are given; a percentage of next to nothing is never tested."""
    hour = f"{then}x12 {now}"

    assert growth.evaluate(series(hour), firing=False, now=NOON).verdict is expected


@pytest.mark.parametrize(
    ("notation", "expected", "reference"),
    [
        pytest.param("10x12 90", ACTIVE, Sample(at("11:00"), 10), id="polled exactly an hour ago"),
        pytest.param("10 _x12 90", ACTIVE, Sample(at("10:55"), 10), id="the newest sample before is one poll older"),
        pytest.param("10 _x13 90", ACTIVE, Sample(at("10:50"), 10), id="the newest sample before is two polls older"),
        pytest.param("10 _x14 90", NO_DATA, None, id="the newest sample before is too old to stand for then"),
        pytest.param("_x13 90", NO_DATA, None, id="nothing was known then"),
        pytest.param("10x11 90", NO_DATA, None, id="the first poll is younger than the span"),
        pytest.param("10x12 _", NO_DATA, None, id="the newest poll failed"),
        pytest.param("0x12 90", ACTIVE, Sample(at("11:00"), 0), id="a tenant that was polled then without the reason"),
    ],
)
def test_growth_never_reads_a_gap_as_zero(notation: str, expected: Verdict, reference: Sample | None) -> None:
    """The earlier sample is one that was seen, at most two polls older than the span; otherwise there is no data."""
    observed = a_growth(over="1h", by=50).evaluate(series(notation), firing=False, now=NOON)

    assert observed.verdict is expected
    assert observed.evidence.reference == reference


@pytest.mark.parametrize(
    ("growth", "expected"),
    [
        pytest.param(a_growth(by=1500), "+1,500 within 1h", id="a number"),
        pytest.param(a_growth(percent=1000), "+1,000 % within 1h", id="a percentage"),
        pytest.param(a_growth(by=50, percent=100), "+50 and +100 % within 1h", id="both"),
        pytest.param(a_growth(falls_by=50, falls_percent=80), "-50 and -80 % within 1h", id="a fall"),
    ],
)
def test_growth_states_its_limit_and_both_counts(growth: Growth, expected: str) -> None:
    """The message prints both counts, both instants, and the limit."""
    evidence = growth.evaluate(series("30x12 40"), firing=False, now=NOON).evidence

    assert evidence == Evidence(
        condition="growth", limit_text=expected, value=Sample(NOON, 40), reference=Sample(at("11:00"), 30)
    )


@pytest.mark.parametrize(
    ("notation", "value", "note"),
    [
        pytest.param("10x12 _", None, "no successful poll at this moment", id="nothing now"),
        pytest.param("10", Sample(NOON, 10), "no successful poll 1h before to compare with", id="nothing then"),
    ],
)
def test_growth_says_what_data_it_lacks(notation: str, value: Sample | None, note: str) -> None:
    """Without data it says of which moment."""
    evidence = a_growth(by=50).evaluate(series(notation), firing=False, now=NOON).evidence

    assert (evidence.value, evidence.reference, evidence.detail) == (value, None, note)


@given(then=st.integers(0, 300), now=st.integers(0, 300), by=st.integers(1, 100), percent=st.integers(1, 300))
def test_a_fall_is_growth_in_the_mirror(then: int, now: int, by: int, percent: int) -> None:
    """What falls from one count to another grows from the other by the same number."""
    grown = a_growth(by=by).evaluate(series(f"{then}x12 {now}"), firing=False, now=NOON)
    fallen = a_growth(falls_by=by).evaluate(series(f"{now}x12 {then}"), firing=False, now=NOON)
    both = a_growth(by=by, percent=percent).evaluate(series(f"{then}x12 {now}"), firing=False, now=NOON)

    assert grown.verdict is fallen.verdict
    assert both.verdict is INACTIVE or grown.verdict is ACTIVE


# how long a verdict stands


@pytest.mark.parametrize(
    ("condition", "firing", "notation", "until", "within"),
    [
        pytest.param(Threshold(above=200), QUIET, "150", FOREVER, (0, 200), id="up to the limit"),
        pytest.param(Threshold(above=200), QUIET, "250", FOREVER, (201, MOST), id="beyond the limit"),
        pytest.param(Threshold(above=200, clear_at=150), FIRING, "160", FOREVER, (151, MOST), id="until it clears"),
        pytest.param(Threshold(above=200, clear_at=150), FIRING, "150", FOREVER, (0, 150), id="cleared"),
        pytest.param(Threshold(below=5), QUIET, "4", FOREVER, (0, 4), id="below the limit"),
        pytest.param(Threshold(below=5, clear_at=9), QUIET, "7", FOREVER, (5, MOST), id="not below the limit"),
        pytest.param(Threshold(below=5, clear_at=9), FIRING, "7", FOREVER, (0, 8), id="until it clears from below"),
        pytest.param(Threshold(above=200), QUIET, "150 _", NOT_AT_ALL, ANY_COUNT, id="not without a sample"),
        pytest.param(a_growth(by=50), QUIET, "7x20", FOREVER, (0, 49), id="too few to have grown by so many"),
        pytest.param(a_growth(by=50), QUIET, "97x20", FOREVER, (73, 122), id="no step among these is far"),
        pytest.param(a_growth(by=50), QUIET, "90x3 50x10 130", at("12:10"), (0, 139), id="until it is lower"),
        pytest.param(a_growth(by=50), QUIET, "7x3", at("12:50"), ANY_COUNT, id="until there is a reference"),
        pytest.param(a_growth(by=50), QUIET, "7x4 _x10 7x6", at("12:35"), ANY_COUNT, id="none out of a gap"),
        pytest.param(a_growth(by=50), QUIET, "0x12 60", at("13:00"), (50, MOST), id="growth, for its span"),
        pytest.param(a_growth(falls_by=50), QUIET, "97x20", FOREVER, (72, 121), id="no fall among these is far"),
        pytest.param(a_growth(falls_by=50), QUIET, "7x20", FOREVER, (0, 49), id="too few to have fallen by so many"),
        pytest.param(a_growth(percent=50), QUIET, "1x20", FOREVER, (0, 29), id="a percentage counts from the floor on"),
        pytest.param(a_no_data(), QUIET, "7", FOREVER, ANY_COUNT, id="a tenant whose polls are good"),
        pytest.param(a_no_data(), QUIET, "7 _", at("12:10"), ANY_COUNT, id="until there is no data for long enough"),
        pytest.param(a_no_data(), QUIET, "7 _x4", FOREVER, ANY_COUNT, id="no data until there is some"),
    ],
)
def test_a_verdict_says_for_how_long_it_stands(
    *, condition: Condition, firing: bool, notation: str, until: datetime, within: tuple[int, int]
) -> None:
    """Before that instant, and with these counts, nobody needs to evaluate it again."""
    found = condition.evaluate(series(notation), firing=firing, now=NOON)

    assert (found.holds_until, found.holds_within) == (until, within)


# no data


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        pytest.param("5 _ _ _", ACTIVE, id="exactly the span since the last successful poll"),
        pytest.param("5 _ _", INACTIVE, id="not as long as that"),
        pytest.param("5 _ _ _ 5", INACTIVE, id="a good poll ends it"),
        pytest.param("_ _ _ _", ACTIVE, id="no good poll ever, and failing for the span"),
        pytest.param("_ _ _", INACTIVE, id="no good poll ever, but failing for less"),
        pytest.param("5", INACTIVE, id="all is well"),
    ],
)
def test_a_tenant_has_no_data_without_a_good_poll_for_a_span(notation: str, expected: Verdict) -> None:
    """Missing data is measured from the last successful poll or, without one, from the first failed one."""
    assert a_no_data("15m").evaluate(series(notation), firing=False, now=NOON).verdict is expected


def test_a_tenant_that_is_not_polled_at_all_is_not_called_one_without_data() -> None:
    """Only a failed poll can make a tenant one without data: a service that was stopped has no failed polls."""
    stopped = series("5", until=at("06:00"))

    assert a_no_data("15m").evaluate(stopped, firing=False, now=NOON).verdict is INACTIVE


def test_a_tenant_that_fails_right_after_a_long_stop_has_no_data() -> None:
    """The last successful poll is what counts, however long nobody tried since."""
    stopped = series("5", until=at("06:00"))
    failing = replace(
        stopped, poll_failure=PollFailure(started_at=NOON, last_failed_at=NOON, cause=Cause.DNS, detail="no such host")
    )

    assert a_no_data("15m").evaluate(failing, firing=False, now=NOON).verdict is ACTIVE


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("11:00", INACTIVE, id="the first failed poll after the clock was set back"),
        pytest.param("11:15", ACTIVE, id="failing for the span after the clock was set back"),
    ],
)
def test_a_clock_that_was_set_back_does_not_hide_missing_data(now: str, expected: Verdict) -> None:
    """Good polls that lie in the future are no reason to believe that all is well."""
    failure = PollFailure(started_at=at("11:00"), last_failed_at=at(now), cause=Cause.DNS, detail="no such host")
    set_back = replace(series("5x30"), poll_failure=failure)

    assert a_no_data("15m").evaluate(set_back, firing=False, now=at(now)).verdict is expected


def test_no_data_states_its_cause_and_what_to_do() -> None:
    """Whoever is told that alerter has no data is told why, since when, and what to do about it."""
    evidence = a_no_data("15m").evaluate(series("5 _x3", cause=Cause.KEYS_EXPIRED), firing=False, now=NOON).evidence

    assert evidence.limit_text == "no data for 15m"
    assert evidence.last_success_at == at("11:45")
    assert evidence.detail == f"keys_expired: no answer within 30s. {Cause.KEYS_EXPIRED.advice}"


# what a configuration may say


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, ": expected exactly one of 'above' and 'below'", id="no limit"),
        pytest.param({"above": 9, "below": 1}, ": expected exactly one of 'above' and 'below'", id="two limits"),
        pytest.param({"above": -1}, ".above: expected at least 0, found the number -1", id="a negative limit"),
        pytest.param({"below": -1}, ".below: expected at least 0, found the number -1", id="a negative limit below"),
        pytest.param(
            {"above": 9, "clear_at": -1},
            ".clear_at: expected at least 0, found the number -1",
            id="a negative clear_at",
        ),
        pytest.param(
            {"above": 9, "clear_at": 10}, ": expected 'clear_at' at or below 'above' (9), found 10", id="never clears"
        ),
        pytest.param(
            {"below": 9, "clear_at": 8},
            ": expected 'clear_at' at or above 'below' (9), found 8",
            id="never clears upward",
        ),
    ],
)
def test_a_threshold_refuses_what_contradicts_itself(settings: dict[str, int], expected: str) -> None:
    """The error names the keys."""
    assert refusal("threshold", **settings) == f"threshold{expected}"


_WAYS = ": expected at least one of 'by' and 'percent', or of 'falls_by' and 'falls_percent'"


@pytest.mark.parametrize(
    ("settings", "over", "expected"),
    [
        pytest.param({}, "1h", _WAYS, id="nothing to compare with"),
        pytest.param({"by": 5, "falls_by": 5}, "1h", _WAYS, id="both directions"),
        pytest.param({"by": 0}, "1h", ".by: expected at least 1, found the number 0", id="growth by nothing"),
        pytest.param({"percent": -5}, "1h", ".percent: expected at least 1, found the number -5", id="negative growth"),
        pytest.param({"falls_by": 0}, "1h", ".falls_by: expected at least 1, found the number 0", id="a fall by none"),
        pytest.param(
            {"falls_percent": 0},
            "1h",
            ".falls_percent: expected at least 1, found the number 0",
            id="a fall by nothing",
        ),
        pytest.param(
            {"by": 5, "floor": -1}, "1h", ".floor: expected at least 0, found the number -1", id="negative floor"
        ),
        pytest.param({"by": 5}, "0s", ".over: expected a duration longer than 0s, found 0s", id="no span"),
    ],
)
def test_growth_refuses_what_contradicts_itself(settings: dict[str, int], over: str, expected: str) -> None:
    """The error names the keys."""
    assert refusal("growth", over=over, **settings) == f"growth{expected}"


def test_no_data_refuses_a_span_of_nothing() -> None:
    """Nobody is without data between two polls."""
    assert refusal("no_data", after="0s") == "no_data.after: expected a duration longer than 0s, found 0s"


# what the rest of the program asks of every kind


def test_a_condition_is_found_by_its_name() -> None:
    """The configuration's key is the condition's name."""
    changes = ["threshold", "growth", "rise", "fall", "rare", "silence"]
    assert [*CONDITIONS] == [*changes, "forecast", "baseline", "stagnant", "new_reason", "no_data"]
    assert all(kind.name == name for name, kind in CONDITIONS.items())


@pytest.mark.parametrize(
    ("condition", "window", "falls"),
    [
        pytest.param(Threshold(above=5), "1h", False, id="a threshold says what it was an hour ago"),
        pytest.param(Threshold(below=5), "1h", True, id="below is worse the smaller it is"),
        pytest.param(a_growth(over="2h", by=5), "2h", False, id="growth looks back over its span"),
        pytest.param(a_growth(over="2h", falls_by=5), "2h", True, id="a fall is worse the smaller it ends"),
        pytest.param(a_no_data(), "0", False, id="the newest good poll is always known"),
        pytest.param(Fall(), "28d", True, id="a mass release is worse the less it leaves"),
        pytest.param(Flatline(), "35d", True, id="a silence looks back beyond what Mimecast keeps"),
    ],
)
def test_a_condition_says_how_far_it_looks_and_what_is_worse(*, condition: Condition, window: str, falls: bool) -> None:
    """The store loads that much, and the peak of an alert is its worst count."""
    assert (condition.lookback, condition.lower_is_worse) == (span(window), falls)


@pytest.mark.parametrize(
    ("notation", "before"),
    [
        pytest.param("30x12 120", 30, id="it was polled an hour ago"),
        pytest.param("30x10 _ _ 120", 30, id="the newest poll before that is not too old"),
        pytest.param("30x4 _x15 120", None, id="it is too old"),
        pytest.param("120", None, id="there was none"),
    ],
)
def test_an_active_threshold_says_what_the_count_was_an_hour_ago(*, notation: str, before: int | None) -> None:
    """A message shows it beside the present count; the verdict does not depend on it."""
    found = Threshold(above=100).evaluate(series(notation, every="5m"), firing=False, now=NOON)

    assert found.verdict is Verdict.ACTIVE
    assert (found.evidence.reference.count if found.evidence.reference else None) == before


@pytest.mark.parametrize("now", [NOON - minutes(60), NOON + minutes(60)], ids=["set back", "set ahead"])
def test_a_clock_jump_makes_nothing_active(now: datetime) -> None:
    """Windows are bounded on both sides: an hour's jump is not an hour's growth."""
    seen = series("10x6 90")

    assert a_growth(over="1h", by=50).evaluate(seen, firing=False, now=now).verdict is NO_DATA
    assert Threshold(above=5).evaluate(seen, firing=False, now=now).verdict is NO_DATA
