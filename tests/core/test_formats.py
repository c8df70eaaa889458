"""How messages look, and that nothing in a hold reason's name can do anything."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.conditions import Operands
from alerter.core.formats import (
    ZERO_WIDTH_SPACE,
    Room,
    compose,
    compose_test,
    cut,
    digest,
    fallback,
    fitted,
    short,
    shown,
)
from alerter.core.messages import THREADS, Context, Data, EventAction, Format, Message, Tone
from alerter.core.notifications import Notice, Notification, NotifyReason, Receiver, ReceiverName
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, HoldReason, Sample, Tenant
from alerter.errors import Cause

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONTEXT = Context(
    timezone=UTC,
    console_url="https://login.example/held?a=1&b=2",
    runbook_by_rule={RuleName("Backlog"): "https://wiki.example/backlog"},
)
SECOPS = Receiver(name=ReceiverName("secops"))


def an_alert(reason: str = "Impersonation", *, tenant: str = "acme", rule: str = "Backlog", note: str = "") -> Alert:
    """Return an alert that has just fired."""
    return Alert(
        key=AlertKey(rule=RuleName(rule), severity=Severity.CRITICAL, tenant=Tenant(tenant), reason=HoldReason(reason)),
        state=AlertState.FIRING,
        value=512,
        peak=512,
        active_at=NOON - timedelta(minutes=10),
        fired_at=NOON,
        operands=(Operands(condition="threshold", limit="above 500", value=Sample(NOON, 512), note=note),),
    )


def a_no_data_alert(tenant: str = "acme", detail: str = "HTTP 401") -> Alert:
    """Return the alert of a tenant that cannot be polled."""
    operands = Operands(
        condition="no_data",
        limit="no good poll for 15m",
        last_good_at=NOON - timedelta(minutes=25),
        note=f"{Cause.WRONG_KEYS}: {detail}. {Cause.WRONG_KEYS.advice}",
    )
    return replace(an_alert(ALL_REASONS, tenant=tenant, rule="No data"), value=None, peak=None, operands=(operands,))


def composed(
    *alerts: Alert,
    reason: NotifyReason = NotifyReason.FIRST,
    context: Context = CONTEXT,
    held_back: int = 0,
    now: datetime = NOON,
) -> Message:
    """Return the message that tells of alerts."""
    notices = tuple(Notice(reason=reason, alert=alert) for alert in alerts)
    return compose(Notification(receiver=SECOPS, notices=notices, held_back=held_back), context, now=now)


def slack_of(message: Message) -> dict[str, Any]:
    """Return Slack's payload."""
    payload: dict[str, Any] = json.loads(message.bodies[Format.SLACK])
    return payload


def slack_blocks(message: Message) -> list[dict[str, Any]]:
    """Return Slack's blocks."""
    blocks: list[dict[str, Any]] = slack_of(message)["attachments"][0]["blocks"]
    return blocks


def slack_texts(message: Message) -> list[str]:
    """Return every text that Slack shows, as it reads it."""
    blocks = slack_blocks(message)
    elements = [block["text"] if "text" in block else block["elements"] for block in blocks]
    flat = [each for element in elements for each in (element if isinstance(element, list) else [element])]
    return [slack_of(message)["text"], *(each["text"] for each in flat)]


def without_links_of_ours(text: str) -> str:
    """Return Slack's markup without the links to the console and to the runbook."""
    for link in ("<https://login.example/held?a=1&amp;b=2|Held messages>", "<https://wiki.example/backlog|Runbook>"):
        text = text.replace(link, "")
    return text


def teams_runs(node: object) -> list[str]:
    """Return the texts of all TextRuns, in their order."""
    if isinstance(node, list):
        return [text for each in node for text in teams_runs(each)]
    if not isinstance(node, dict):
        return []
    if node.get("type") == "TextRun":
        return [node["text"]]
    return teams_runs(node.get("body", node.get("items", node.get("inlines", []))))


class Page(HTMLParser):
    """Collects the visible text, the elements and the links of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        self._hidden += tag in {"style", "title"}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if not self._hidden:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees."""
        return "".join(self.texts)


def page_of(message: Message) -> Page:
    """Return the HTML body, parsed."""
    page = Page()
    page.feed(message.bodies[Format.HTML])
    page.close()
    return page


def test_every_format_says_what_a_forecast_reckons_with() -> None:
    """Plain text, mail, Slack and Teams carry the same numbers, both instants, and the limit."""
    operands = Operands(
        condition="forecast",
        limit="above 800, or on the way there within 4h at the pace of the last 6h",
        value=Sample(NOON, 512),
        reference=Sample(NOON - timedelta(hours=6), 300),
        expected=Sample(NOON + timedelta(hours=4), 850),
        news="heading for 850 in 4h",
    )

    message = composed(replace(an_alert(), operands=(operands,)))

    assert message.title == "CRITICAL: 512 held for 'Impersonation' (acme), heading for 850 in 4h"
    for text in (
        " ".join(message.bodies[Format.TEXT].split()),
        page_of(message).text,
        "".join(slack_texts(message)),
        "".join(teams_runs(json.loads(message.bodies[Format.TEAMS]))),
    ):
        assert "300 at 06:00 UTC, 6h earlier (+212, +71 %)" in text
        assert "850 at 16:00 UTC, 4h later (+338)" in text
        assert "above 800, or on the way there within 4h at the pace of the last 6h" in text


SHOWN = [
    pytest.param(
        "Impersonation Protect \u2013 VIPs", "Impersonation Protect \u2013 VIPs", id="an ordinary name stays as it is"
    ),
    pytest.param("=cmd() *x* _y_ ~z~ `c`", "=cmd() *x* _y_ ~z~ `c`", id="markup is left to each format"),
    pytest.param("  a \t\r\n b\u2028c\u00a0d\x00 ", "a b c d", id="line breaks and control characters become spaces"),
    pytest.param(" \n ", "(blank)", id="a blank name can be seen"),
    pytest.param("\u200b\u2060\ufeff\u00ad", "(blank)", id="an invisible name can be seen"),
    pytest.param("a\u200bb\u2060c\ufeffd", "abcd", id="invisible characters go"),
    pytest.param("\u202egpj.exe", "\ufffdgpj\u200b.exe", id="what reorders the line is shown"),
    pytest.param("x\u202e\u202e\u2066\u2069y", "x\ufffdy", id="and shown once"),
    pytest.param("\ud800x", "\ufffdx", id="half a character is replaced"),
    pytest.param("e\u0301" + "\u0301" * 50, "e\u0301\u0301\u0301", id="stacked accents are thinned out"),
    pytest.param("👩\u200d💻 \u200d\u200d\u200d", "👩\u200d💻 \u200d", id="an emoji keeps what joins it"),
    pytest.param("http://evil.example/x", "http:\u200b//evil\u200b.example/x", id="a URL is no link"),
    pytest.param("www.evil.example", "www\u200b.evil\u200b.example", id="a host name is no link"),
    pytest.param("a@evil.example", "a@\u200bevil\u200b.example", id="an address is no link"),
    pytest.param("@everyone", "@\u200beveryone", id="a name is no mention"),
    pytest.param("v1.2, e.g. this", "v1.2, e.g. this", id="a full stop is nothing yet"),
    pytest.param(
        "\u0645\u0631\u062d\u0628\u0627 x",
        "\u2068\u0645\u0631\u062d\u0628\u0627 x\u2069",
        id="right-to-left text keeps to itself",
    ),
]


@pytest.mark.parametrize(("text", "expected"), SHOWN)
def test_text_that_is_not_ours_is_made_fit_to_be_shown(text: str, expected: str) -> None:
    """A name is readable, on one line, and nothing that a client would act on."""
    assert shown(Data(text)) == expected


def test_a_long_name_is_cut_in_its_middle() -> None:
    """Names often differ at their ends, so both ends stay."""
    assert cut("abcdefghij", 7) == "abc…hij"
    assert cut("abcdefghij", 6) == "abc…ij"
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert shown(Data("a" * 1000 + "z", longest=9)) == "aaaa…aaaz"


TEXT = """\
CRITICAL: 512 messages held, above 500
'Impersonation' · acme · rule Backlog
  Limit  above 500
  Since  11:50 UTC (10m ago)

Held messages: https://login.example/held?a=1&b=2
Runbook: https://wiki.example/backlog

alerter · 1 Jul 2026 12:00 UTC · ref {id}
"""

NO_DATA_TEXT = """\
CRITICAL: no data from Mimecast for 'acme', no good poll for 25m
acme · rule No data
  Last good poll  11:35 UTC (25m ago)
  Cause           wrong keys: HTTP 401
  Limit           no good poll for 15m

  What to do: Mimecast refuses the keys. Compare client_id and client_secret
  (API 1.0: app_id, app_key, access_key and secret_key, and the region) with
  the Mimecast console, and look for spaces that came along when pasting.

  Until then this tenant's counts may be old, and none of its other alerts can
  fire or resolve.

Held messages: https://login.example/held?a=1&b=2

alerter · 1 Jul 2026 12:00 UTC · ref {id}
"""


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        pytest.param(an_alert(), TEXT, id="held messages"),
        pytest.param(a_no_data_alert(), NO_DATA_TEXT, id="a tenant without data"),
    ],
)
def test_plain_text_reads_well_in_a_terminal(alert: Alert, text: str) -> None:
    """The first two lines say it; the numbers, what to do and the id follow."""
    message = composed(alert)

    assert message.bodies[Format.TEXT] == text.format(id=message.id)


def test_several_alerts_in_plain_text() -> None:
    """The worst in detail, a line for each of the next, and how many more."""
    message = composed(*(an_alert(f"reason {number}") for number in range(40)))

    lines = message.bodies[Format.TEXT].splitlines()
    assert lines[0] == message.title == "CRITICAL: 40 alerts: acme"
    assert lines.count("CRITICAL: 512 messages held, above 500") == 5
    assert "CRITICAL: 512 held for 'reason 24' (acme), above 500" in lines
    assert "and 15 more: alerter status" in lines


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
            {"type": "Action.OpenUrl", "title": "Held messages", "url": "https://login.example/held?a=1&b=2"},
            {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://wiki.example/backlog"},
        ],
    }
    assert "".join(teams_runs(card)) == (
        "CRITICAL: 512 messages held, above 500Impersonation · acme · rule BacklogLimit: above 500"
        f"Since: 11:50 UTC (10m ago)alerter · 1 Jul 2026 12:00 UTC · ref {message.id}"
    )
    assert card["body"][0]["items"][0]["inlines"][0] == {
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

    assert runs[0] == "CRITICAL: 40 alerts: "
    assert runs[-2] == "and 15 more: alerter status"


def test_html_is_a_complete_document() -> None:
    """Readable on a phone and in the dark, with nothing to be loaded from elsewhere."""
    message = composed(an_alert(), a_no_data_alert(), *(an_alert(f"reason {number}") for number in range(40)))

    document = message.bodies[Format.HTML]
    page = page_of(message)
    assert document.startswith("<!DOCTYPE html>")
    assert 'name="viewport"' in document
    assert "prefers-color-scheme:dark" in document
    assert not {"img", "script", "link", "iframe"} & set(page.tags)
    assert page.links == ["https://login.example/held?a=1&b=2", "https://wiki.example/backlog"]
    assert "and 17 more: alerter status" in page.text
    assert "What to do: Mimecast refuses the keys." in page.text


def test_html_without_facts_and_links_has_no_empty_table() -> None:
    """A test message has neither."""
    message = compose_test(SECOPS.name, replace(CONTEXT, console_url=""), now=NOON)

    assert "<table" not in message.bodies[Format.HTML]
    assert page_of(message).links == []
    assert "Test: alerter can reach secops" in page_of(message).text


def test_a_test_message_is_complete() -> None:
    """`alerter test-notify` sends what an alert would look like, in every format."""
    message = compose_test(SECOPS.name, CONTEXT, now=NOON)

    assert (message.title, message.tone) == ("Test: alerter can reach 'secops'", Tone.INFO)
    assert set(message.bodies) == set(Format) - {Format.BRIEF}
    assert all(message.id in body for body in message.bodies.values())


NASTY = [
    pytest.param("<!channel>", id="a Slack mention of everybody"),
    pytest.param("<@U012AB3CD> <#C024BE7LR>", id="Slack mentions"),
    pytest.param("<http://evil.example|click>", id="a Slack link"),
    pytest.param("<at>everyone</at>", id="a Teams mention"),
    pytest.param("=cmd()", id="a formula"),
    pytest.param("**bold** _it_ ~s~ `code` # h", id="markup"),
    pytest.param("` <!here> `", id="the end of code"),
    pytest.param("[x](http://evil.example)", id="a Markdown link"),
    pytest.param("http://evil.example", id="a bare link"),
    pytest.param("</td></div><script>alert(1)</script>", id="HTML"),
    pytest.param("&lt;b&gt; &amp; \"'", id="entities"),
    pytest.param("🔥" * 1000, id="a thousand emoji"),
    pytest.param("\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627", id="right to left"),
    pytest.param("one\ntwo\r\nSubject: three", id="lines"),
]


def is_harmless(message: Message, name: str) -> None:
    """Assert that a name can be read in every format, and does nothing in any."""
    cleaned = shown(Data(name))
    title, *marked_up = [without_links_of_ours(text) for text in slack_texts(message)]
    assert not any(set(text) & {"<", ">"} for text in (title, *marked_up))
    assert all(text.count("`") % 2 == 0 for text in marked_up)
    page = page_of(message)
    assert cleaned in page.text
    assert set(page.links) <= {CONTEXT.console_url, "https://wiki.example/backlog"}
    assert "script" not in page.tags
    card = json.loads(message.bodies[Format.TEAMS])
    assert cleaned in teams_runs(card)
    assert "entities" not in card["msteams"]
    assert cleaned in message.bodies[Format.TEXT]
    assert not set(message.title) & set("\r\n\u202e")


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_is_only_text(name: str) -> None:
    """No name mentions anybody, opens a link, breaks a layout, or adds a header to a mail."""
    is_harmless(composed(an_alert(name)), name)


def test_a_backtick_does_not_end_slacks_code() -> None:
    """Inside code only a backtick means something, so that it is shown by one that does not."""
    assert slack_texts(composed(an_alert("a`<!here>`b")))[1].startswith("`a\u02cb&lt;!here&gt;\u02cbb`")


names = (st.text(max_size=1200) | st.text("<>&`*_~@|[]()!:/.\u202e\u200b🔥a ", max_size=1200)).filter(
    lambda name: name != ALL_REASONS
)


def is_within_limits(message: Message) -> None:
    """Assert what Slack and Teams would otherwise refuse."""
    blocks = slack_blocks(message)
    assert len(blocks) <= 50
    assert len(slack_of(message)["text"]) <= 3000
    assert all(0 < len(block["text"]["text"]) <= 3000 for block in blocks if "text" in block)
    assert all(0 < len(each["text"]) <= 2000 for block in blocks for each in block.get("elements", []))
    assert all(len(block.get("elements", [])) <= 10 for block in blocks)
    wire = json.dumps({"type": "message", "summary": message.title, "attachments": [{}]})
    assert len(message.bodies[Format.TEAMS]) + len(wire) + 200 <= 28 * 1024
    assert all(body.encode() for body in message.bodies.values())


@settings(max_examples=60, deadline=None)
@given(name=names, tenant=names, detail=names)
def test_no_text_breaks_anything(name: str, tenant: str, detail: str) -> None:
    """Whatever a name is made of, it is text, and the message stays within what services take."""
    one = composed(an_alert(name, tenant=tenant, note=detail))
    several = composed(a_no_data_alert(tenant, detail), *[an_alert(name, tenant=tenant, rule=detail)] * 40)

    is_harmless(one, name)
    is_within_limits(one)
    is_within_limits(several)


@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250, "👩\u200d💻" * 300])
def test_ten_thousand_alerts_fit(name: str) -> None:
    """A storm of alerts with absurd names is still one message that every service takes."""
    alerts = [an_alert(f"{name}{number}", tenant=name, rule=name, note=name) for number in range(10_000)]

    message = composed(a_no_data_alert(name, name), *alerts)

    is_within_limits(message)
    assert len(message.alert_ids) == 10_001
    assert "more: alerter status" in "".join(teams_runs(json.loads(message.bodies[Format.TEAMS])))


def test_a_message_that_says_little_is_not_cut() -> None:
    """Slack and Teams get as many cards and lines as plain text does, where they fit."""
    message = composed(*(an_alert(f"reason {number}") for number in range(25)))

    assert all(f"reason {number}" in body for body in message.bodies.values() for number in (0, 24))
    assert ZERO_WIDTH_SPACE not in message.bodies[Format.TEXT]


HELD_BACK = "4 messages were held back before this one: no more than 30 in an hour; their news is in this one."


def test_every_format_says_how_many_were_held_back() -> None:
    """A sentence about the message itself stands after its alerts, in every format."""
    message = composed(an_alert(), held_back=4)

    assert HELD_BACK in " ".join(message.bodies[Format.TEXT].split())
    assert HELD_BACK in page_of(message).text
    assert HELD_BACK in slack_texts(message)[2]
    assert HELD_BACK in teams_runs(json.loads(message.bodies[Format.TEAMS]))


def test_the_same_at_nine_tenants_is_one_card_in_every_format() -> None:
    """One card names all of the tenants, nothing is said to be left out, and the title is not said twice."""
    context = replace(CONTEXT, tenant_count=40)

    message = composed(*(an_alert(tenant=f"tenant{number}") for number in range(9)), context=context)

    assert message.title == (
        "CRITICAL: 'Impersonation' at 9 of 40 tenants: tenant0 512, tenant1 512, tenant2 512 and 6 more"
    )
    assert all("tenant8" in body and "more: alerter" not in body for body in message.bodies.values())
    assert message.bodies[Format.TEXT].startswith(
        "CRITICAL: the same reason at 9 of 40 tenants, 4,608 messages held\n'Impersonation' · 9 of 40 tenants"
    )


@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250])
def test_hundreds_of_tenants_with_absurd_names_fit(name: str) -> None:
    """The same at hundreds of tenants is still one message that every service takes."""
    alerts = [an_alert(f"{name}{number % 7}", tenant=f"{number}{name}", note=name) for number in range(700)]

    message = composed(*alerts, held_back=1)

    is_within_limits(message)
    assert "more: alerter status" not in message.bodies[Format.TEXT]


def test_an_event_says_all_that_a_message_says_of_an_alert() -> None:
    """Where only one thing is opened for each alert, it has the line as its summary, and the card as its text."""
    message = composed(an_alert(), an_alert("Spam"))

    [first, second] = message.events
    assert first.summary == "CRITICAL: 512 held for 'Impersonation' (acme), above 500"
    assert first.details.startswith("CRITICAL: 512 messages held, above 500\n'Impersonation' · acme · rule Backlog\n")
    assert "Runbook: https://wiki.example/backlog" in first.details
    assert message.id in first.details
    assert (first.action, first.severity) == (EventAction.OPEN, Severity.CRITICAL)
    assert "Spam" in second.summary
    assert first.dedup_key != second.dedup_key


def an_hour(clock: int, minute: int = 0) -> datetime:
    """Return an instant of noon's day."""
    return NOON.replace(hour=clock, minute=minute)


def ended(alert: Alert) -> Alert:
    """Return an alert that is over at half past eleven."""
    return replace(alert, state=AlertState.INACTIVE, value=3, active_at=None, resolved_at=an_hour(11, 30))


NASTY_ALERT = replace(an_alert("<!here> *x* `y`"), active_at=an_hour(9), fired_at=an_hour(9, 5))
FIRST = composed(NASTY_ALERT, now=an_hour(9, 5))
SECOND = replace(composed(an_alert("Spam"), a_no_data_alert(), now=an_hour(10)), threads=("m7",))
END = composed(ended(NASTY_ALERT), reason=NotifyReason.RESOLVED, now=an_hour(11, 30))
MISSED = [FIRST, SECOND, END]


def digested(*messages: Message) -> Message:
    """Return the digest of messages that were missed from five past nine to noon."""
    return digest(messages, CONTEXT, since=an_hour(9, 5), now=NOON)


def test_a_digest_lists_what_was_missed_and_tells_the_newest_in_full() -> None:
    """A target that comes back gets one message: a line for each with its time, and the newest as it was written."""
    message = digested(*MISSED)

    assert message.title == "3 messages while this place could not be reached (09:05 to 12:00)"
    assert message.bodies[Format.TEXT] == (
        f"{message.title}\n\n"
        f"  09:05  {FIRST.title}\n  10:00  {SECOND.title}\n  11:30  {END.title}\n\n"
        f"ref {message.id}\n\nThe newest of them in full:\n\n{END.bodies[Format.TEXT]}"
    )
    page = page_of(message)
    assert all(each.title in page.text for each in MISSED)
    assert page.text.index(FIRST.title) < page.text.index("The newest of them in full:") < page.text.index("Lasted")
    assert (page.tags.count("html"), page.tags.count("body")) == (1, 1)
    runs = teams_runs_of_digest(message)
    assert runs[:4] == [message.title, *(f"{at}  {each.title}" for at, each in zip(TIMES, MISSED, strict=True))]
    assert json.loads(message.bodies[Format.TEAMS])["fallbackText"] == message.title


TIMES = ("09:05", "10:00", "11:30")


def teams_runs_of_digest(message: Message) -> list[str]:
    """Return the texts of a card."""
    return teams_runs(json.loads(message.bodies[Format.TEAMS]))


def test_slack_shows_the_titles_of_a_digest_as_they_are() -> None:
    """A title holds names that are not ours: in the list it can neither mention nor format."""
    message = digested(*MISSED)

    title, listed, *_ = slack_texts(message)
    assert title == slack_of(message)["attachments"][0]["fallback"] == message.title
    assert (
        listed.splitlines()[0] == "`09:05  CRITICAL: 512 held for '&lt;!here&gt; *x* \u02cby\u02cb' (acme), above 500`"
    )
    assert listed.splitlines()[-1].startswith("The newest of them in full: `Resolved")
    assert "<!here>" not in message.bodies[Format.SLACK]
    assert slack_texts(message)[2:] == slack_texts(END)[1:]


def test_a_digest_leaves_open_what_is_open() -> None:
    """Of each topic the last event counts, and the digest looks as bad as what is still open."""
    message = digested(*MISSED)

    assert [(event.action, event.summary[:8]) for event in message.events] == [
        (EventAction.OPEN, "CRITICAL"),
        (EventAction.OPEN, "CRITICAL"),
        (EventAction.CLOSE, "Resolved"),
    ]
    assert message.tone is Tone.CRITICAL
    assert slack_of(message)["attachments"][0]["color"] == "#c62828"
    assert digested(FIRST, END).tone is Tone.RESOLVED
    assert [event.action for event in digested(FIRST, END).events] == [EventAction.CLOSE]


def test_a_digest_has_an_id_of_its_own_that_stays() -> None:
    """Made again at the next attempt it is recognised; with one message more it is another."""
    message = digested(*MISSED)
    later = digest(MISSED, CONTEXT, since=an_hour(9, 5), now=NOON + timedelta(hours=1))

    assert message.id == later.id
    assert message.id not in {each.id for each in MISSED}
    assert message.id != digested(*MISSED[1:]).id
    assert all(message.id in body for body in message.bodies.values())
    assert message.created_at == NOON


def test_a_digest_tells_of_all_alerts_and_stays_in_their_threads() -> None:
    """Later mails answer messages that never arrived, and so does the digest: they still stand together."""
    message = digested(*MISSED)

    assert message.alert_ids == (END.alert_ids[0], *SECOND.alert_ids)
    assert message.threads == (END.id, "m7", FIRST.id)
    assert len(digested(*[replace(FIRST, id=f"m{n}") for n in range(60)]).threads) == THREADS


@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250, "`<x>" * 250])
def test_the_digest_of_a_bad_day_fits(name: str) -> None:
    """Hundreds of missed messages with absurd names: the newest are listed, the others counted, every limit kept."""
    many = composed(*(an_alert(f"{name}{n}", tenant=f"{name}{n}", rule=name, note=name) for n in range(60)))
    long = replace(many, title=f"{many.title} {name}")

    message = digested(*[long] * 300)

    is_within_limits(message)
    assert "  and 280 before these: alerter notifications\n" in message.bodies[Format.TEXT]
    assert slack_blocks(message)[-1]["type"] == "context"
    assert many.id in "".join(teams_runs_of_digest(message))


def test_a_digest_of_digests_is_a_digest() -> None:
    """Whatever was missed is a message, also a digest."""
    is_within_limits(digested(digested(*MISSED), digested(*MISSED), digested(*MISSED)))


def test_a_message_of_another_version_is_put_in_as_text() -> None:
    """After an upgrade a page may wait that has no place to put anything in."""
    old = replace(END, bodies={**END.bodies, Format.HTML: "<html><body><p>old</p></body></html>"})

    page = page_of(digested(FIRST, old))

    assert "2 messages while" in page.text
    assert END.bodies[Format.TEXT] in page.text
    assert "old" not in page.text


def test_a_fallback_is_the_same_message_after_a_sentence() -> None:
    """Who stands in for another reads whose message it is and why it comes here, then the message itself."""
    deputy = ReceiverName("mail")

    message = fallback(FIRST, deputy, "secops/slack", lasting=timedelta(hours=24), now=NOON)

    line = "secops could not be reached through secops/slack for 1d: this was meant for it"
    assert message.bodies[Format.TEXT] == (
        "secops could not be reached through secops/slack for 1d: this was meant for it\n\n"
        f"ref {message.id}\n\n{FIRST.bodies[Format.TEXT]}"
    )
    assert line in page_of(message).text
    assert teams_runs_of_digest(message)[0] == line
    assert slack_texts(message)[:2] == [slack_texts(FIRST)[0], f"`{line}`\nref {message.id}"]
    assert (message.receiver, message.title, message.tone) == (deputy, FIRST.title, FIRST.tone)
    assert (message.created_at, message.alert_ids, message.events) == (NOON, FIRST.alert_ids, FIRST.events)
    assert (message.threads, fallback(SECOND, deputy, "x", lasting=timedelta(0), now=NOON).threads) == (
        (FIRST.id,),
        ("m7",),
    )


def test_each_fallback_has_an_id_of_its_own_that_stays() -> None:
    """It depends on the message, the place and the receiver, and on nothing else."""
    ids = [
        fallback(message, ReceiverName(deputy), place, lasting=timedelta(hours=24), now=NOON).id
        for message, deputy, place in (
            (FIRST, "mail", "secops/slack"),
            (FIRST, "boss", "secops/slack"),
            (FIRST, "mail", "secops/teams"),
            (SECOND, "mail", "secops/slack"),
        )
    ]

    again = fallback(FIRST, ReceiverName("mail"), "secops/slack", lasting=timedelta(hours=25), now=NOON)
    assert len({FIRST.id, *ids}) == 5
    assert again.id == ids[0]


# shorter plain texts


def storm(count: int) -> Message:
    """Return a message about so many alerts, one of them critical."""
    return composed(
        *(
            replace(alert, key=replace(alert.key, severity=Severity.WARNING)) if number else alert
            for number, alert in enumerate(an_alert(f"Policy {each}") for each in range(count))
        )
    )


def test_a_text_that_fits_is_left_whole() -> None:
    """Without its title, which stands above it; or with it, once, where a service has none."""
    message = storm(3)

    title, body = fitted(message, Room(title_bytes=250, body_bytes=9000))
    untitled, whole = fitted(message, Room(title_bytes=0, body_bytes=9000))

    assert (title, untitled) == (message.title, "")
    assert message.bodies[Format.TEXT].rstrip() == f"{title}\n\n{body}"
    assert whole == f"{title}\n{body}"


@pytest.mark.parametrize(
    ("body_bytes", "lines"),
    [
        pytest.param(600, 10, id="as many lines as fit, the worst first"),
        pytest.param(200, 3, id="three lines"),
        pytest.param(60, 0, id="how many there are"),
        pytest.param(20, 0, id="what names it"),
    ],
)
def test_a_storm_is_shortened_to_what_fits(body_bytes: int, lines: int) -> None:
    """It says how many more there are, and ends with the message's own name."""
    message = storm(40)

    title, body = fitted(message, Room(title_bytes=250, body_bytes=body_bytes))

    assert title == message.title
    assert len(body.encode()) <= body_bytes
    assert [line.split("'")[1] for line in body.splitlines() if "held" in line] == [
        f"Policy {number}" for number in range(lines)
    ]
    assert (f"and {40 - lines} more: alerter status" in body) == bool(lines)
    assert ("40 alerts: 1 critical, 24 warning, 15 more" in body) == (body_bytes == 60)
    assert body.endswith(f"ref {message.id}")


def test_what_has_no_room_for_anything_gets_the_ends_of_the_title() -> None:
    """A pager with 67 characters is not refused, nor one that counts the title with the rest."""
    message = composed(an_alert("An impersonation policy of considerable length", tenant="some tenant"))

    _, body = fitted(message, Room(title_bytes=0, body_bytes=50))
    title, rest = fitted(message, Room(title_bytes=99, body_bytes=50, is_shared=True))

    assert body.startswith("CRITICAL: 512 held for") and body.endswith("above 500")  # noqa: PT018 - both ends of one text
    assert "…" in body
    assert len(title) + len(rest) <= 50
    assert rest == f"ref {message.id}"


def test_a_service_that_shows_few_lines_gets_no_more() -> None:
    """What it would drop is left out in a way that says so."""
    _, body = fitted(storm(40), Room(title_bytes=250, body_bytes=9000, body_lines=5))

    assert len(body.splitlines()) == 5
    assert "and 37 more" in body


def test_what_is_sent_is_what_is_measured() -> None:
    """A service that escapes what it sends has less room."""
    message = storm(40)

    _, plain = fitted(message, Room(title_bytes=250, body_bytes=900))
    _, escaped = fitted(message, Room(title_bytes=250, body_bytes=900, sent=lambda text: text.replace("'", "&#x27;")))

    assert len(escaped) < len(plain)
    assert len(escaped.replace("'", "&#x27;")) <= 900


@pytest.mark.parametrize(
    "name", ['<at user_id="all">', "[CQ:at,qq=all]", "[a](b)", "(met)all(met)", "<!here>", "[~admin]"]
)
def test_markup_of_services_is_broken(name: str) -> None:
    """An invisible character is put where each of them would see the beginning of a mention or a link."""
    title, body = fitted(composed(an_alert(name)), Room(title_bytes=250, body_bytes=9000))

    assert name not in title + body
    assert name in (title + body).replace(ZERO_WIDTH_SPACE, "")


def test_a_short_form_is_plain_in_every_format() -> None:
    """Its title, how many there are, the ids of the worst, and what names it; no block, no card and no detail."""
    message = storm(15)

    plain = short(message)

    text = plain.bodies[Format.TEXT]
    ids = " ".join(message.alert_ids[:5])
    assert text == f"{message.title}\n15 alerts: 1 critical, 14 warning\nids {ids}\nref {message.id}"
    assert slack_of(plain) == {"text": text, "mrkdwn": False, "attachments": []}
    assert [each["inlines"][0]["text"] for each in json.loads(plain.bodies[Format.TEAMS])["body"]] == text.splitlines()
    assert "15 alerts: 1 critical" in plain.bodies[Format.HTML]
    assert [event.details for event in plain.events] == [f"ref {message.id}"] * 15
    assert (plain.id, plain.title, plain.tone) == (message.id, message.title, message.tone)


def test_the_short_form_of_a_message_without_alerts_is_its_title() -> None:
    """As of a test."""
    message = compose_test(ReceiverName("secops"), CONTEXT, now=NOON)

    assert short(message).bodies[Format.TEXT] == f"{message.title}\nref {message.id}"
