"""Sparklines: counts as one line of text."""

from alerter.core.charts.figure import build_figure
from alerter.core.charts.sparkline import PLAIN_BARS, PLAIN_GAP, bar_heights, draw_bars, sparkline
from tests.builders import NOON, at, series


def test_the_highest_count_is_the_highest_bar() -> None:
    """Bars begin at zero, so that twice as many are twice as high."""
    figure = build_figure(series("0 0 8 8 16 16 _ _"), start_at=at("11:25"), end_at=NOON)

    assert sparkline(figure, width=4) == "▁▅█·"


def test_one_message_among_thousands_is_not_drawn_as_none() -> None:
    """Held mail is never shown as a zero."""
    assert bar_heights([0, 1, 5000, None]) == [0, 1, 7, None]


def test_nothing_held_is_a_flat_line() -> None:
    """There is no highest count to compare with."""
    assert bar_heights([0, 0, None]) == [0, 0, None]


def test_an_output_without_such_characters_gets_plain_ones() -> None:
    """In a serial console or a log."""
    assert draw_bars([0, 7, None], bars=PLAIN_BARS, gap=PLAIN_GAP) == "_# "
