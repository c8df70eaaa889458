"""Slack's blocks."""

from dataclasses import replace
from typing import Any

from alerter.core.rules import RuleName, Severity
from tests.core.message.rendered import CONTEXT, an_alert, composed, slack_elements, slack_of, slack_texts


def plain(text: str) -> dict[str, Any]:
    """Return a text that Slack shows as it is."""
    return {"type": "plain_text", "text": text, "emoji": False}


def link(text: str) -> dict[str, Any]:
    """Return a link of ours."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def test_slack_gets_a_line_for_the_push_and_blocks_in_colour() -> None:
    """The title is the header, in place of which a phone shows `text`; the attachment does not repeat it."""
    message = composed(an_alert())

    title = "CRITICAL: 512 held for 'Impersonation' (acme), above 500"
    assert slack_of(message) == {
        "text": title,
        "mrkdwn": False,
        "blocks": [{"type": "header", "text": plain(title)}],
        "attachments": [
            {
                "color": "#c62828",
                "fallback": title,
                "blocks": [
                    {"type": "section", "text": plain("Limit:  above 500\nSince:  11:50 UTC (10m ago)")},
                    {
                        "type": "context",
                        "elements": [
                            link("<https://wiki.example/backlog|Runbook>"),
                            link("<https://login.example/held?a=1&amp;b=2|Held mail>"),
                        ],
                    },
                    {
                        "type": "context",
                        "elements": [
                            plain(
                                "id ea0aac55 · acknowledge: alerter ack ea0aac55\n"
                                f"alerter · Wed 1 Jul 2026 12:00 UTC · rule Backlog · ref {message.id}"
                            )
                        ],
                    },
                ],
            }
        ],
    }


def test_slack_gets_several_alerts_with_their_headings() -> None:
    """Of several alerts each card says what it is about, and the rest is counted."""
    texts = slack_texts(composed(*(an_alert(f"reason {number}") for number in range(40))))

    assert texts[1].startswith("CRITICAL: 512 held for 'reason 0' (acme), above 500\nLimit:  above 500\n")
    assert texts[4].startswith("CRITICAL: 512 held · above 500 · 'reason 3' · since 11:50 · id ")
    assert texts[5] == "and 15 more: alerter alerts"


def test_each_level_has_its_colour_in_slack() -> None:
    """And what is over is green, also below what fires."""
    critical = an_alert()
    warning = replace(critical, key=replace(critical.key, severity=Severity.WARNING))

    attachments = slack_of(composed(critical, warning))["attachments"]

    assert [each["color"] for each in attachments] == ["#c62828", "#9a5b00", "#c62828"]


def test_slack_leaves_out_a_link_that_it_would_refuse() -> None:
    """One element that is too long has the whole message refused."""
    context = replace(CONTEXT, runbook_by_rule={RuleName("Backlog"): "https://wiki.example/?" + "&" * 900})

    message = composed(an_alert(), context=context)

    assert [each["text"] for each in slack_elements(message) if each["type"] == "mrkdwn"] == [
        "<https://login.example/held?a=1&amp;b=2|Held mail>"
    ]


def test_a_link_label_cannot_leave_its_link() -> None:
    """The rule's name in a label neither formats nor ends the link."""
    pages = {RuleName("Backlog"): "https://wiki.example/a|b", RuleName("a|b> *x*"): "https://wiki.example/other"}

    message = composed(an_alert(), an_alert(rule="a|b> *x*"), context=replace(CONTEXT, runbook_by_rule=pages))

    assert "<https://wiki.example/a%7Cb|Runbook: Backlog>" in slack_texts(message)
    assert "<https://wiki.example/other|Runbook: ab&gt; x>" in slack_texts(message)
