"""Slack's blocks."""

from dataclasses import replace

from alerter.core.rules import RuleName
from tests.core.message.rendered import CONTEXT, an_alert, composed, slack_blocks, slack_of, slack_texts


def test_slack_gets_a_line_for_the_push_and_blocks_in_colour() -> None:
    """The title stands above the attachment, which does not repeat it."""
    message = composed(an_alert())

    assert slack_of(message) == {
        "text": "CRITICAL: 512 held for 'Impersonation' (acme), above 500",
        "mrkdwn": False,
        "attachments": [
            {
                "color": "#c62828",
                "fallback": "CRITICAL: 512 held for 'Impersonation' (acme), above 500",
                "blocks": [
                    {
                        "type": "section",
                        "text": {
                            "type": "mrkdwn",
                            "text": "`Impersonation` · `acme` · rule `Backlog`\n*Limit*  above 500\n"
                            "*Since*  11:50 UTC (10m ago)",
                            "verbatim": True,
                        },
                    },
                    {
                        "type": "context",
                        "elements": [
                            {"type": "mrkdwn", "text": text, "verbatim": True}
                            for text in (
                                "<https://login.example/held?a=1&amp;b=2|Held messages>",
                                "<https://wiki.example/backlog|Runbook>",
                                f"alerter · 1 Jul 2026 12:00 UTC · ref {message.id}",
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

    assert texts[1].startswith("*CRITICAL:* 512 messages held, above 500\n`reason 0`")
    assert texts[6].splitlines()[0] == "CRITICAL: 512 held for `reason 5` (`acme`), above 500"
    assert texts[6].splitlines()[-1] == "and 15 more: alerter status"


def test_slack_leaves_out_a_link_that_it_would_refuse() -> None:
    """One element that is too long has the whole message refused."""
    context = replace(CONTEXT, runbook_by_rule={RuleName("Backlog"): "https://wiki.example/?" + "&" * 900})

    message = composed(an_alert(), context=context)

    assert len(slack_blocks(message)[-1]["elements"]) == 2


def test_a_link_label_cannot_leave_its_link() -> None:
    """The rule's name in a label neither formats nor ends the link."""
    pages = {RuleName("Backlog"): "https://wiki.example/a|b", RuleName("a|b> *x*"): "https://wiki.example/other"}

    message = composed(an_alert(), an_alert(rule="a|b> *x*"), context=replace(CONTEXT, runbook_by_rule=pages))

    assert "<https://wiki.example/a%7Cb|Runbook: Backlog>" in slack_texts(message)
    assert "<https://wiki.example/other|Runbook: ab&gt; x>" in slack_texts(message)


def test_a_backtick_does_not_end_slacks_code() -> None:
    """Inside code only a backtick means something, so that it is shown by one that does not."""
    assert slack_texts(composed(an_alert("a`<!here>`b")))[1].startswith("`a\u02cb&lt;!here&gt;\u02cbb`")
