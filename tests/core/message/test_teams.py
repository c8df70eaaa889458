"""Cards for Teams."""

import json
from dataclasses import replace

from alerter.core.message.content import (
    Format,
)
from tests.core.message.rendered import an_alert, composed, teams_runs


def test_teams_gets_a_card() -> None:
    """An Adaptive Card over the full width, with a text for the toast, links as buttons, and all text literal."""
    message = composed(an_alert())

    card = json.loads(message.bodies[Format.TEAMS])
    assert {key: card[key] for key in ("type", "version", "fallbackText", "msteams", "actions")} == {
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": "CRITICAL: 512 held for 'Impersonation' (acme), above 500",
        "msteams": {"width": "full"},
        "actions": [
            {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://wiki.example/backlog"},
            {"type": "Action.OpenUrl", "title": "Held mail", "url": "https://login.example/held?a=1&b=2"},
        ],
    }
    assert "".join(teams_runs(card)) == (
        "CRITICAL: 512 held for Impersonation (acme), above 500Limit: above 500Since: 11:50 UTC (10m ago)"
        "id ea0aac55 · acknowledge: alerter ack ea0aac55"
        f"alerter · Wed 1 Jul 2026 12:00 UTC · rule Backlog · ref {message.id}"
    )
    assert card["body"][0]["inlines"][0] == {
        "type": "TextRun",
        "text": "CRITICAL: ",
        "weight": "bolder",
        "size": "medium",
        "color": "attention",
    }


def test_teams_gets_several_alerts() -> None:
    """The title first, then cards, then lines, then how many more."""
    runs = teams_runs(
        json.loads(composed(*(an_alert(f"reason {number}") for number in range(40))).bodies[Format.TEAMS])
    )

    assert "".join(runs).startswith("CRITICAL: 512 held for reason 0 (acme), above 500; + 39 critical")
    assert runs[-3] == "and 15 more: alerter alerts"


def test_an_alert_of_which_nothing_more_is_known_has_no_empty_box() -> None:
    """Its title says what there is to say."""
    alert = replace(an_alert(), active_at=None, fired_at=None, evidence=())

    assert [each["type"] for each in json.loads(composed(alert).bodies[Format.TEAMS])["body"]] == ["RichTextBlock"] * 3
