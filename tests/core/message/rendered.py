"""Messages in every format, and how each service reads them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.conditions import Evidence
from alerter.core.message.content import (
    MAX_TITLE,
    Format,
    Message,
    MessageContext,
    Untrusted,
)
from alerter.core.message.render import compose_message
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE, sanitize
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, HoldReason, Sample, Tenant
from alerter.errors import Cause

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONTEXT = MessageContext(
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
        evidence=(Evidence(condition="threshold", limit_text="above 500", value=Sample(NOON, 512), detail=note),),
    )


def a_no_data_alert(tenant: str = "acme", detail: str = "HTTP 401") -> Alert:
    """Return the alert of a tenant that cannot be polled."""
    evidence = Evidence(
        condition="no_data",
        limit_text="no data for 15m",
        last_success_at=NOON - timedelta(minutes=25),
        detail=f"{Cause.WRONG_KEYS}: {detail}. {Cause.WRONG_KEYS.advice}",
    )
    return replace(an_alert(ALL_REASONS, tenant=tenant, rule="No data"), value=None, peak=None, evidence=(evidence,))


def composed(
    *alerts: Alert,
    reason: NotifyReason = NotifyReason.FIRST,
    context: MessageContext = CONTEXT,
    suppressed: int = 0,
    now: datetime = NOON,
) -> Message:
    """Return the message that tells of alerts."""
    items = tuple(NotificationItem(reason=reason, alert=alert) for alert in alerts)
    return compose_message(Notification(receiver=SECOPS, items=items, suppressed=suppressed), context, now=now)


def slack_of(message: Message) -> dict[str, Any]:
    """Return Slack's payload."""
    payload: dict[str, Any] = json.loads(message.bodies[Format.SLACK])
    return payload


def slack_blocks(message: Message) -> list[dict[str, Any]]:
    """Return Slack's blocks, those of the attachments last."""
    payload = slack_of(message)
    return [*payload["blocks"], *(block for each in payload["attachments"] for block in each["blocks"])]


def slack_elements(message: Message) -> list[dict[str, Any]]:
    """Return every text object of Slack's blocks."""
    elements = (block["elements"] if "elements" in block else [block["text"]] for block in slack_blocks(message))
    return [each for element in elements for each in element]


def slack_texts(message: Message) -> list[str]:
    """Return every text that Slack shows, in its order, without what only breaks mentions."""
    return [each["text"].replace(f"<{ZERO_WIDTH_SPACE}", "<") for each in slack_elements(message)]


def without_links_of_ours(text: str) -> str:
    """Return Slack's markup without the links to the console and to the runbook."""
    for link in ("<https://login.example/held?a=1&amp;b=2|Held mail>", "<https://wiki.example/backlog|Runbook>"):
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
    cleaned = sanitize(Untrusted(name))
    marked_up = [each["text"] for each in slack_elements(message) if each["type"] == "mrkdwn"]
    assert not any(set(without_links_of_ours(text)) & set("<>*_~`") for text in marked_up)
    assert all("emoji" in each and not each["emoji"] for each in slack_elements(message) if each["type"] != "mrkdwn")
    assert not any("<!" in each["text"] or "<@" in each["text"] for each in slack_elements(message))
    assert not set(slack_of(message)["text"]) & {"<", ">"}
    assert any(cleaned in text for text in slack_texts(message))
    page = page_of(message)
    assert cleaned in page.text
    assert set(page.links) <= {CONTEXT.console_url, "https://wiki.example/backlog"}
    assert "script" not in page.tags
    card = json.loads(message.bodies[Format.TEAMS])
    assert cleaned in teams_runs(card)
    assert "entities" not in card["msteams"]
    assert cleaned in message.bodies[Format.TEXT]
    assert not set(message.title) & set("\r\n\u202e")


names = (st.text(max_size=1200) | st.text("<>&`*_~@|[]()!:/.\u202e\u200b🔥a ", max_size=1200)).filter(
    lambda name: name != ALL_REASONS
)


def is_within_limits(message: Message) -> None:
    """Assert what Slack and Teams would otherwise refuse."""
    blocks = slack_blocks(message)
    assert len(blocks) <= 50
    assert len(message.title) <= MAX_TITLE
    assert "\n" not in message.title
    assert all(len(block["text"]["text"]) <= 150 for block in blocks if block["type"] == "header")
    assert len(slack_of(message)["text"]) <= 3000
    assert all(0 < len(block["text"]["text"]) <= 3000 for block in blocks if "text" in block)
    assert all(0 < len(each["text"]) <= 2000 for block in blocks for each in block.get("elements", []))
    assert all(len(block.get("elements", [])) <= 10 for block in blocks)
    wire = json.dumps({"type": "message", "summary": message.title, "attachments": [{}]})
    assert len(message.bodies[Format.TEAMS]) + len(wire) + 200 <= 28 * 1024
    assert all(body.encode() for body in message.bodies.values())


def teams_texts(message: Message) -> str:
    """Return the texts of a card."""
    return "\n".join(teams_runs(json.loads(message.bodies[Format.TEAMS])))


def storm(count: int) -> Message:
    """Return a message about so many alerts, one of them critical."""
    return composed(
        *(
            replace(alert, key=replace(alert.key, severity=Severity.WARNING)) if number else alert
            for number, alert in enumerate(an_alert(f"Policy {each}") for each in range(count))
        )
    )
