"""Figures: what a chart of one series knows, and what it says that it does not know."""

from datetime import timedelta

import pytest

from alerter.core.charts.figure import Band, Limit, build_figure, fixed_limits, nearest_limit
from alerter.core.conditions import Threshold
from alerter.core.rules import RuleName, Severity
from tests.builders import NOON, a_growth, a_level, a_rule, at, minutes, series


def a_limit(count: int = 10, *, severity: Severity = Severity.WARNING, is_upper: bool = True) -> Limit:
    """Return a limit of the rule `Spam`."""
    return Limit(rule=RuleName("Spam"), severity=severity, count=count, is_upper=is_upper)


def test_peaks_show_a_burst_that_is_shorter_than_a_slot() -> None:
    """Four slots of ten minutes: the nine that was held for five minutes is seen."""
    figure = build_figure(series("1 1 1 9 1 1 1 1 2"), start_at=at("11:20"), end_at=NOON)

    assert figure.peaks(4) == [1, 9, 1, 2]


def test_a_slot_in_which_no_poll_succeeded_has_no_peak() -> None:
    """Unknown is not zero: the polls of the second ten minutes failed."""
    figure = build_figure(series("4 4 4 _ _ _ 0 0 0"), start_at=at("11:20"), end_at=NOON)

    assert figure.peaks(4) == [4, None, None, 0]


def test_gaps_are_what_lies_between_the_known_segments_and_the_edges() -> None:
    """Before the first poll, while polls failed, and after the last good one."""
    figure = build_figure(series("4 4 _ _ 0 0", until=at("11:50")), start_at=at("11:00"), end_at=NOON)

    assert figure.gaps() == ((at("11:00"), at("11:25")), (at("11:30"), at("11:45")), (at("11:50"), NOON))
    assert figure.gaps(longer_than=minutes(20)) == ((at("11:00"), at("11:25")),)


def test_the_highest_count_is_named_with_its_first_instant() -> None:
    """A reader wants to know when it began to be as high."""
    figure = build_figure(series("1 7 7 3 7"), start_at=at("11:40"), end_at=NOON)

    assert figure.highest is not None
    assert (figure.highest.at, figure.highest.count) == (at("11:45"), 7)
    assert figure.newest is not None
    assert (figure.newest.at, figure.newest.count) == (NOON, 7)


def test_of_a_time_without_polls_nothing_is_known() -> None:
    """No highest count, no newest count, one gap from edge to edge, and a chart that still has a height."""
    figure = build_figure(series("5"), start_at=NOON - timedelta(hours=2), end_at=NOON - timedelta(hours=1))

    assert (figure.highest, figure.newest, figure.top) == (None, None, 1)
    assert figure.gaps() == ((figure.start_at, figure.end_at),)


def test_the_chart_reaches_the_next_limit_above_what_was_held() -> None:
    """How far it is to the next limit can be seen; a limit that is a hundred times higher does not flatten the line."""
    limits = (a_limit(1000), a_limit(20), a_limit(3))
    figure = build_figure(series("5 7"), start_at=at("11:55"), end_at=NOON, limits=limits)

    assert figure.top == 20
    assert [each.count for each in figure.limits] == [1000, 20, 3]


def test_bands_are_clipped_to_the_chart() -> None:
    """An alert that began before it starts at the edge; one that was over before is left out."""
    old = Band(start_at=at("09:00"), end_at=at("10:00"), label="Old", severity=Severity.INFO)
    long = Band(start_at=at("09:00"), end_at=at("13:00"), label="Long", severity=Severity.CRITICAL)
    mute = Band(start_at=at("11:30"), end_at=at("11:40"), label="silence 3")

    figure = build_figure(series("5"), start_at=at("11:00"), end_at=NOON, alerts=(old, long), mutes=(mute,))

    assert [(each.label, each.start_at, each.end_at) for each in figure.alerts] == [("Long", at("11:00"), NOON)]
    assert figure.mutes == (mute,)


def test_fixed_limits_are_those_of_thresholds() -> None:
    """What moves with the history, such as a growth, has no line."""
    rule = a_rule(critical=a_level(Threshold(above=500), a_growth(by=5)), warning=a_level(Threshold(below=2)))

    found = fixed_limits([rule])

    assert [(each.severity, each.count, each.is_upper) for each in found] == [
        (Severity.WARNING, 2, False),
        (Severity.CRITICAL, 500, True),
    ]
    assert [each.text for each in found] == ["warning below 2", "critical above 500"]


@pytest.mark.parametrize(
    ("count", "nearest"),
    [
        pytest.param(3, 5, id="the lower one comes first"),
        pytest.param(6, 20, id="what has passed is no longer ahead"),
        pytest.param(21, None, id="beyond all of them"),
    ],
)
def test_the_nearest_limit_is_the_next_one_to_pass(count: int, nearest: int | None) -> None:
    """A person reads how many messages are left until somebody is notified."""
    found = nearest_limit([a_limit(20), a_limit(5)], count)

    assert (found and found.count) == nearest


def test_the_distance_to_a_limit_is_what_is_needed_to_pass_it() -> None:
    """One message more than the limit passes it, or one fewer."""
    assert a_limit(10).distance(8) == 3
    assert a_limit(10, is_upper=False).distance(12) == 3
