"""The notation of rule tests, and the comparison of what was expected with what was found."""

from datetime import UTC, timedelta

import pytest

from alerter.core.backtest.rule_tests import (
    MAX_POLLS,
    AlertRef,
    Expectation,
    NotificationRef,
    RuleTest,
    history_from_counts,
    parse_counts,
    run_rule_test,
)
from alerter.core.conditions import Threshold
from alerter.core.rules import Level, Rule, RuleName, Severity
from alerter.core.series import HoldReason, Tenant
from tests.builders import NOON, a_policy, minutes

ACME, SPAM = Tenant("acme"), HoldReason("Spam")
BACKLOG = AlertRef("Backlog", "warning", "acme", "Spam")


@pytest.mark.parametrize(
    ("notation", "counts"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("0 0 120", [0, 0, 120], id="a number for each poll"),
        pytest.param("7x4", [7, 7, 7, 7], id="the same in several polls"),
        pytest.param("10 +5x3 -20", [10, 15, 20, 25, 5], id="steps"),
        pytest.param("+3", [3], id="a step from nothing"),
        pytest.param("10 _x2 +5", [10, None, None, 15], id="failed polls change nothing"),
    ],
)
def test_the_notation_has_a_word_per_poll(notation: str, counts: list[int | None]) -> None:
    """One word says what one poll found, or several."""
    assert parse_counts(notation) == counts


@pytest.mark.parametrize(
    ("notation", "said"),
    [
        pytest.param("1 two", "found 'two'", id="a word"),
        pytest.param("3x0", "found '3x0'", id="no polls at all"),
        pytest.param("1.5", "found '1.5'", id="half a message"),
        pytest.param("3 -4", "found -1 at '-4'", id="fewer than none"),
        pytest.param(f"1 1x{MAX_POLLS}", "at most 1,000,000 polls", id="too many polls"),
    ],
)
def test_other_words_are_refused(notation: str, said: str) -> None:
    """The word that is wrong is named."""
    with pytest.raises(ValueError, match=said):
        parse_counts(notation)


def a_scenario(*expectations: Expectation, **notation: str) -> RuleTest:
    """Return a scenario of one tenant that is polled every five minutes from noon on."""
    counts = {HoldReason(reason): parse_counts(text) for reason, text in notation.items()}
    history = history_from_counts(ACME, counts, begin=NOON, poll_interval=minutes(5), timezone=UTC)
    return RuleTest(name="a test", tenants=(history,), expectations=expectations)


POLICY = a_policy(
    Rule(name=RuleName("Backlog"), levels={Severity.WARNING: Level(conditions=(Threshold(above=200),))}),
)


def test_a_series_that_ends_early_stays_as_it_was() -> None:
    """A reason of which the last polls say nothing new need not be written out."""
    expectation = Expectation(at=NOON + minutes(20), firing=frozenset({BACKLOG}), pending=frozenset())

    assert list(run_rule_test(a_scenario(expectation, Spam="250", Other="0x5"), POLICY)) == []


def test_a_poll_fails_for_all_reasons_or_for_none() -> None:
    """One answer tells of all reasons."""
    with pytest.raises(ValueError, match="expected poll 2 to have failed for all reasons of 'acme' or for none"):
        a_scenario(Spam="1 _", Other="1 1")


def test_what_is_not_expected_is_a_difference_and_what_is_not_looked_at_is_none() -> None:
    """An empty expectation of what fires is one; none at all looks at nothing."""
    looked_at = Expectation(at=NOON, firing=frozenset())
    ignored = Expectation(at=NOON)

    (difference,) = run_rule_test(a_scenario(looked_at, ignored, Spam="250"), POLICY)

    assert (difference.at, difference.what) == (NOON, "firing")
    assert (difference.missing, difference.unexpected, difference.matched) == ((), (BACKLOG,), ())


def test_messages_are_those_since_the_expectation_before_each_counted() -> None:
    """Being reminded twice is not being reminded once."""
    first, repeat = (NotificationRef("secops", why, BACKLOG) for why in ("first", "repeat"))
    expectations = (
        Expectation(at=NOON, notified=(first,)),
        Expectation(at=NOON + timedelta(hours=13), notified=(repeat,)),
    )

    (difference,) = run_rule_test(a_scenario(*expectations, Spam="250x157"), POLICY)

    assert difference.missing == ()
    assert difference.matched == (repeat,)
    assert difference.unexpected == (repeat,)
