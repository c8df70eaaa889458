"""How messages look, and that nothing in a hold reason's name can do anything."""

import json
from collections.abc import Sequence
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
    reachable,
    short,
    shown,
    unreachable,
    with_present_events,
)
from alerter.core.messages import THREADS, Context, Data, EventAction, Format, Message, Missed, Outage, Tone
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
CRITICAL: no data from Mimecast for 25m (acme), API keys refused
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
DEPUTY = Receiver(name=ReceiverName("mail"))


def missed(
    *messages: Message, firing: Sequence[Alert] = (), over: Sequence[Alert] = (), target: str = "secops/slack"
) -> Missed:
    """Return what was missed from five past nine on."""
    return Missed(
        target=target,
        since=an_hour(9, 5),
        error="Slack answered 404: no_service",
        messages=messages,
        firing=tuple(firing),
        over=tuple(over),
    )


ALL_MISSED = missed(FIRST, SECOND, END, firing=(an_alert("Spam"),), over=(ended(NASTY_ALERT),))


def digested(what: Missed = ALL_MISSED) -> Message:
    """Return the digest that a target gets at noon."""
    return digest(what, SECOPS, CONTEXT, now=NOON)


def teams_texts(message: Message) -> str:
    """Return the texts of a card."""
    return "\n".join(teams_runs(json.loads(message.bodies[Format.TEAMS])))


def test_a_digest_begins_with_what_fires_then_says_what_came_and_went() -> None:
    """What fires is told in full, what is over in a line, and then how much could not be delivered, and why."""
    message = digested()

    assert message.title == (
        "secops/slack works again (09:05\u201312:00 missed): "
        "1 still firing, CRITICAL 512 held for 'Spam' (acme), above 500"
    )
    text = message.bodies[Format.TEXT]
    fires, _, rest = text.partition("Came and went:\n")
    assert fires.startswith(
        f"{message.title}\n\nCRITICAL: 512 messages held, above 500\n'Spam' · acme · rule Backlog\n"
    )
    assert rest.startswith("  Over: '<!here> *x* `y`' (acme), peak 512, 09:05 to 11:30\n\n3 messages could not be ")
    assert "delivered from 09:05 to 12:00: Slack answered 404: no_service" in " ".join(rest.split())
    assert message.tone is Tone.CRITICAL
    assert slack_of(message)["attachments"][0]["color"] == "#c62828"


def test_every_format_of_a_digest_says_the_same() -> None:
    """And in none of them a name can mention or format anything."""
    message = digested()

    texts = (page_of(message).text, teams_texts(message), "\n".join(slack_texts(message)))
    assert all(each in text for text in texts for each in ("still firing", "Came and went", "peak 512, 09:05 to 11:30"))
    assert all(
        text.index("512 messages held") < text.index("Came and went") < text.index("no_service") for text in texts
    )
    assert "<!here>" not in message.bodies[Format.SLACK]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        pytest.param(
            [ended(an_alert("A")), ended(an_alert("B"))], "nothing fires now, 2 alerts came and went", id="over"
        ),
        pytest.param([], "nothing fires now", id="nothing is known any more"),
    ],
)
def test_where_nothing_fires_any_more_a_digest_says_so(over: list[Alert], said: str) -> None:
    """It is green then, and closes what on-call services have open."""
    message = digested(missed(FIRST, END, over=over))

    assert message.title == f"secops/slack works again (09:05\u201312:00 missed): {said}"
    assert message.tone is Tone.RESOLVED
    assert [event.action for event in message.events] == [EventAction.CLOSE] * len(over)
    is_within_limits(message)


def test_a_digest_opens_what_fires_and_closes_what_is_over() -> None:
    """Whatever the missed messages would have done to it."""
    message = digested()

    assert [(event.action, event.summary[:8]) for event in message.events] == [
        (EventAction.OPEN, "CRITICAL"),
        (EventAction.CLOSE, "Resolved"),
    ]


def test_of_several_that_fire_a_digest_names_the_worst() -> None:
    """In its title; all of them follow."""
    firing = [a_no_data_alert(), an_alert("Spam"), an_alert("Virus")]

    message = digested(missed(FIRST, SECOND, firing=firing))

    assert "): 3 still firing, worst CRITICAL no data from Mimecast for" in message.title
    assert all(f"'{name}'" in message.bodies[Format.TEXT] for name in ("Spam", "Virus"))


@pytest.mark.parametrize("over", [0, 300])
def test_only_what_is_over_is_cut_from_a_digest(over: int) -> None:
    """Eighty alerts that fire are all named in every format, however much came and went; the rest is counted."""
    firing = [an_alert(f"Policy number {number:03} with a name of quite usual length") for number in range(80)]
    ends = [ended(an_alert(f"Gone {number}")) for number in range(over)]

    message = digested(missed(FIRST, SECOND, firing=firing, over=ends))

    is_within_limits(message)
    for body in message.bodies.values():
        assert all(f"number {number:03}" in body for number in range(80))
    assert ("more: alerter notifications" in message.bodies[Format.SLACK]) == bool(over)
    _, brief = fitted(message, Room(title_bytes=250, body_bytes=2000))
    assert "number 000" in brief and "Gone" not in brief  # noqa: PT018 - two halves of one claim


def test_a_digest_has_an_id_of_its_own_that_stays() -> None:
    """Made again at the next attempt it is recognised; with one message more it is another."""
    message = digested()
    later = digest(ALL_MISSED, SECOPS, CONTEXT, now=NOON + timedelta(hours=1))

    assert message.id == later.id
    assert message.id not in {FIRST.id, SECOND.id, END.id}
    assert message.id != digested(missed(SECOND, END)).id
    assert message.created_at == NOON


def test_a_digest_tells_of_all_alerts_and_stays_in_their_threads() -> None:
    """Later mails answer messages that never arrived, and so does the digest: they still stand together."""
    message = digested()

    assert message.alert_ids == (an_alert("Spam").key.id, NASTY_ALERT.key.id)
    assert message.threads == (END.id, "m7", FIRST.id)
    assert len(digested(missed(*[replace(FIRST, id=f"m{n}") for n in range(60)])).threads) == THREADS


@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250, "`<x>" * 250])
def test_the_digest_of_a_bad_day_fits(name: str) -> None:
    """Hundreds of alerts with absurd names: every limit is kept."""
    alerts = [an_alert(f"{name}{number}", tenant=f"{name}{number}", rule=name, note=name) for number in range(300)]

    message = digested(missed(*[FIRST] * 300, firing=alerts, over=[ended(alert) for alert in alerts], target=name))

    is_within_limits(message)
    assert slack_blocks(message)[-1]["type"] == "context"
    assert message.id in teams_texts(message)


def test_a_fallback_is_told_what_is_true_now_then_what_was_missed() -> None:
    """The title is no fresh warning: it says for whom it was, how late it is, and that it is over."""
    message = fallback(missed(FIRST, END, over=[ended(NASTY_ALERT)]), DEPUTY, CONTEXT, now=NOON)

    assert message.title.startswith("[for secops, 2h55m late] Resolved after 2h25m: 3 held for '<!here>")
    assert message.tone is Tone.RESOLVED
    text = message.bodies[Format.TEXT]
    assert " ".join(text.split()).startswith(
        f"{message.title} secops cannot be reached through secops/slack since 09:05 UTC (Slack answered 404: "
        "no_service). You get this as its fallback. Resolved after 2h25m: 3 messages held"
    )
    assert f"Missed:\n  11:30: {shown(Data(END.title))}\n  09:05: {shown(Data(FIRST.title))}\n" in text
    for each in (page_of(message).text, teams_texts(message), "\n".join(slack_texts(message))):
        assert each.index("You get this as its fallback.") < each.index("Missed") < each.index("09:05: ")
    assert (message.receiver, message.created_at) == (DEPUTY.name, NOON)
    assert message.threads == (END.id, FIRST.id)
    assert [event.action for event in message.events] == [EventAction.CLOSE]


def test_a_fallback_is_told_what_still_fires() -> None:
    """With its numbers of now."""
    message = fallback(missed(FIRST, firing=[replace(NASTY_ALERT, value=900)]), DEPUTY, CONTEXT, now=NOON)

    assert message.title.startswith("[for secops, 2h55m late] CRITICAL: 900 held")
    assert (message.tone, [event.action for event in message.events]) == (Tone.CRITICAL, [EventAction.OPEN])


def test_what_nobody_knows_any_more_reaches_a_fallback_by_its_title() -> None:
    """After its rule and its alert have gone, what it said is better than nothing."""
    message = fallback(missed(FIRST), DEPUTY, CONTEXT, now=NOON)

    assert message.title == f"[for secops, 2h55m late] {shown(Data(FIRST.title))}"
    assert "You get this as its fallback." in message.bodies[Format.TEXT].replace("\n", " ")
    is_within_limits(message)


def test_each_fallback_has_an_id_of_its_own_that_stays() -> None:
    """It depends on the messages, the target and the receiver, and on nothing else."""
    boss = Receiver(name=ReceiverName("boss"))
    ids = [
        fallback(missed(message, target=target), receiver, CONTEXT, now=NOON).id
        for message, receiver, target in (
            (FIRST, DEPUTY, "secops/slack"),
            (FIRST, boss, "secops/slack"),
            (FIRST, DEPUTY, "secops/teams"),
            (SECOND, DEPUTY, "secops/slack"),
        )
    ]

    again = fallback(missed(FIRST), DEPUTY, CONTEXT, now=NOON + timedelta(hours=1))
    assert len({FIRST.id, *ids}) == 5
    assert again.id == ids[0]


OUTAGE = Outage(target="secops/slack", since=an_hour(10, 13), error="Slack answered 404: no_service")


def test_others_are_told_of_a_target_that_cannot_be_reached() -> None:
    """Which one, since when, why, how much waits for it, and what to do."""
    message = unreachable(DEPUTY.name, OUTAGE, 3, CONTEXT, now=NOON)

    assert message.title == (
        "secops/slack cannot be reached since 10:13: Slack answered 404: no_service; 3 notifications wait"
    )
    assert (message.receiver, message.tone, message.alert_ids) == (DEPUTY.name, Tone.WARNING, ())
    for body in (message.bodies[Format.TEXT], page_of(message).text, teams_texts(message)):
        assert "alerter test-notify secops" in body
        assert "more: alerter" not in body
    is_within_limits(message)
    assert [(event.action, event.severity) for event in message.events] == [(EventAction.OPEN, Severity.WARNING)]


@pytest.mark.parametrize(
    ("delivered", "waiting", "said"),
    [
        pytest.param(3, 0, "3 notifications delivered", id="all at once"),
        pytest.param(1, 1, "1 notification delivered, 1 more follows", id="one more"),
        pytest.param(1, 2, "1 notification delivered, 2 more follow", id="more"),
    ],
)
def test_they_are_told_when_it_is_back(delivered: int, waiting: int, said: str) -> None:
    """In the same thread, and what was opened is closed."""
    begun = unreachable(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))
    message = reachable(DEPUTY.name, OUTAGE, CONTEXT, delivered=delivered, waiting=waiting, now=an_hour(12, 4))

    assert "1 notification waits" in begun.title
    assert message.title == f"secops/slack works again after 1h51m; {said}"
    assert (message.tone, message.threads) == (Tone.RESOLVED, (begun.id,))
    assert [event.action for event in message.events] == [EventAction.CLOSE]
    assert {event.dedup_key for event in (*begun.events, *message.events)} == {begun.events[0].dedup_key}


def test_a_digest_of_news_about_a_target_keeps_it() -> None:
    """A target that is back reads that another one was not reached, and what on-call services have open stays right."""
    begun = unreachable(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))
    end = reachable(DEPUTY.name, OUTAGE, CONTEXT, delivered=1, waiting=0, now=an_hour(11, 30))

    message = digested(missed(begun, end, target="mail/mailto"))

    assert "  11:00: secops/slack cannot be reached since 10:13" in message.bodies[Format.TEXT]
    assert [event.action for event in message.events] == [EventAction.CLOSE]
    assert digested(missed(begun)).tone is Tone.WARNING


def test_what_comes_late_opens_nothing_that_is_over() -> None:
    """A message that was overtaken by its own end closes what it would have opened."""
    late = with_present_events(SECOND, [an_alert("Spam")])
    about_a_target = unreachable(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))

    assert [event.action for event in late.events] == [EventAction.OPEN, EventAction.CLOSE]
    assert with_present_events(about_a_target, []) == about_a_target


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
