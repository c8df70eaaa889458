"""Numbers as a person would say them."""

import pytest

from alerter.humanize import rate_text, times_text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "never"), (1, "once"), (2, "twice"), (3, "3 times"), (1200, "1,200 times")]
)
def test_a_number_of_times_is_in_words(number: int, text: str) -> None:
    """Nobody reads `1 times`."""
    assert times_text(number) == text


@pytest.mark.parametrize(
    ("per_week", "text"),
    [
        pytest.param(0, "never", id="never"),
        pytest.param(0.0767, "once a quarter", id="the default budget"),
        pytest.param(0.0999, "1.3 times a quarter", id="one digit is enough"),
        pytest.param(7 / 365.25, "once a year", id="a year"),
        pytest.param(3.5 / 365.25, "0.5 times a year", id="less than once a year"),
        pytest.param(0.0001, "less than once in ten years", id="hardly ever"),
        pytest.param(2, "twice a week", id="twice"),
        pytest.param(6.9, "once a day", id="nearly seven a week are one a day"),
        pytest.param(6.6, "6.6 times a week", id="not nearly"),
        pytest.param(87, "12 times a day", id="no digit after twelve"),
        pytest.param(70000, "10,000 times a day", id="thousands"),
    ],
)
def test_a_rate_is_said_in_the_time_in_which_it_happens_once(per_week: float, text: str) -> None:
    """`0.0767 times a week` means nothing to anybody."""
    assert rate_text(per_week) == text


def test_a_rate_has_the_plural_of_what_it_counts() -> None:
    """One is one."""
    assert rate_text(1, "alert") == "1 alert a week"
    assert rate_text(2.5, "alert") == "2.5 alerts a week"
    assert rate_text(0, "alert") == "0 alerts a year"
