"""Counts, spans and instants as readers see them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerter.core.charts.figure import Figure
from alerter.core.message.draft import compose_content
from alerter.core.message.reader import trend_text
from alerter.core.notifications import Notification
from tests.core.message.words import CONTEXT, FIRING, MINUTE, NO_DATA, NOON, SECOPS, a_notice, drafted, facts, words


def test_one_message_is_not_one_messages() -> None:
    """Plural forms are right."""
    card = drafted(a_notice(replace(FIRING, value=1, peak=2))).cards[0]

    assert words(card.heading) == "1 held for {Impersonation} ({acme}), above 500"
    assert facts(card)["Peak"] == "2 messages"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(NOON - 65 * MINUTE, "11:55 BST (1h 5m ago)", id="today: the time"),
        pytest.param(NOON - timedelta(days=2, hours=3), "29 Jun 10:00 BST (2d 3h ago)", id="another day: the date too"),
        pytest.param(datetime(2025, 12, 31, 12, tzinfo=UTC), "31 Dec 2025 12:00 GMT (182d ago)", id="another year too"),
        pytest.param(NOON - timedelta(minutes=59, seconds=50), "12:00 BST (1h ago)", id="ages are rounded"),
    ],
)
def test_times_are_those_of_the_reader(at: datetime, text: str) -> None:
    """Times are in the configured zone, with its abbreviation, and with the date unless it is today's."""
    assert facts(drafted(a_notice(replace(FIRING, active_at=at))).cards[0])["Since"] == text


def test_a_span_that_a_clock_turned_round_is_nothing() -> None:
    """After the clock was set back a good poll may lie in the future."""
    alert = replace(NO_DATA, evidence=(replace(NO_DATA.evidence[0], last_success_at=NOON + MINUTE),))

    assert words(drafted(a_notice(alert)).title).startswith("CRITICAL: no data from Mimecast for 0s (")


def test_a_figure_of_which_nothing_is_known_says_nothing() -> None:
    """Neither in bars nor in words."""
    nothing = Figure(start_at=NOON - timedelta(days=1), end_at=NOON, segments=())
    notification = Notification(receiver=SECOPS, items=(a_notice(),))

    content = compose_content(notification, CONTEXT, figures={FIRING.key.subject: nothing}, now=NOON)

    assert trend_text(nothing) == ""
    assert "24 h" not in facts(content.cards[0])
