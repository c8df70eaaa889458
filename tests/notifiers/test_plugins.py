"""What each service that Apprise reaches is handed: nothing that is too long for it, and nothing that is live."""

import json
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from apprise import Apprise

from alerter.core.message.content import Message, MessageContext
from alerter.core.message.render import compose_message
from alerter.core.notifications import Notification, NotificationItem, NotifyReason
from alerter.core.rules import Severity
from alerter.notifiers import apprise as adapter
from alerter.notifiers.apprise import AppriseNotifier
from tests.builders import NOON, a_key, a_receiver, an_alert
from tests.notifiers.plugins import plugins

#: Those that have a layout of ours, which has limits of its own.
OURS = frozenset({"Slack", "Workflows", "Email", "PagerDuty", "Opsgenie"})
CONTEXT = MessageContext(timezone=UTC, console_url="https://login.example/held", runbook_by_rule={})
#: Where so much fits, the worst alert is named; everywhere, how many there are.
NAMES_THE_WORST = 400
LONG_NAME = "Default Attachment Management Definition - Block Dangerous File Types "
#: Every way to call for people or to open a page that a service of Apprise knows, in a name that somebody typed.
HOSTILE = (
    "<users/all>", '<at user_id="all">all</at>', "<at>all</at>", "<!channel> <!here|x> <@U1> <@&1> <#C1> <@all>",
    "<http://evil.example|click> www.evil.example", "@everyone @here @channel @room @all {@all} @**all**",
    "[CQ:at,qq=all] [~admin] (met)all(met)", "[click](http://evil.example) ![i](http://evil.example/x.png)",
    "<@personEmail:a@b.example>",
)  # fmt: skip
NAMES: list[str] = json.loads((Path(__file__).parents[1] / "names.json").read_text(encoding="utf-8"))
LIVE = re.compile(
    r"<(?:at\b|!|@|#|users/|https?:)|\[(?:CQ:|~)|@(?:all|everyone|here|channel|room|\*)|\]\(|\((?:met|rol)\)|"
    r"https?://evil|www\.evil",
    re.IGNORECASE,
)


def a_message(*reasons: str) -> Message:
    """Return a message about an alert of each hold reason, of which the first is critical."""
    items = tuple(
        NotificationItem(
            reason=NotifyReason.FIRST,
            alert=an_alert(key=a_key(reason=reason, severity=Severity.WARNING if number else Severity.CRITICAL)),
        )
        for number, reason in enumerate(reasons)
    )
    return compose_message(Notification(receiver=a_receiver(), items=items), CONTEXT, now=NOON)


@dataclass
class Handed:
    """What the plugins were handed to send: title and body of each part."""

    parts: list[tuple[str, str]] = field(default_factory=list)

    def by(self, message: Message, url: str) -> list[tuple[str, str]]:
        """Return what a message becomes for a URL."""
        self.parts.clear()
        AppriseNotifier().deliver(message, url)
        return [*self.parts]


@pytest.fixture(scope="module")
def urls() -> dict[str, str]:
    """Return a URL for each plugin without a layout of ours."""
    disabled, logging.root.manager.disable = logging.root.manager.disable, logging.CRITICAL
    found = {name: url for name, url in plugins().items() if name not in OURS}
    logging.root.manager.disable = disabled
    return found


@pytest.fixture
def handed(urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Handed:
    """Keep what any plugin is handed, in place of sending it."""
    handed = Handed()

    def send(_: object, body: str, title: str = "", **__: Any) -> bool:  # noqa: ANN401 - Apprise's signature
        handed.parts.append((title, body))
        return True

    for url in urls.values():
        monkeypatch.setattr(type(Apprise.instantiate(url)), "send", send)
    monkeypatch.setattr(adapter, "PLUGIN_BY_SCHEME", {})
    return handed


def too_long(parts: list[tuple[str, str]], service: Any, message: Message) -> str:  # noqa: ANN401 - Apprise's plugin
    """Return what is wrong with what a service is handed; empty where nothing is."""
    [(title, body)] = parts if len(parts) == 1 else [("", "")]
    title_bytes, body_bytes = (len(text.encode()) for text in (title, body))
    if service.overflow_amalgamate_title:
        body_bytes += title_bytes
    shown = unescape(title + body).replace("\xa0", " ")
    wrong = {
        f"{len(parts)} parts": len(parts) != 1,
        f"a title of {title_bytes} bytes": title_bytes > service.title_maxlen,
        f"a body of {body_bytes} bytes": body_bytes > service.body_maxlen,
        "no count": message.title[:22] not in shown,
        "not the worst": service.body_maxlen >= NAMES_THE_WORST
        and not service.body_max_line_count
        and "Dangerous File Types 0" not in shown,
        "the title twice": shown.count(message.title) > 1,
    }
    return ", ".join(words for words, is_so in wrong.items() if is_so)


@pytest.mark.uncounted
@pytest.mark.parametrize("number", [1, 15, 60, 1000])
def test_no_service_is_handed_more_than_it_takes(number: int, handed: Handed, urls: dict[str, str]) -> None:
    """The limits are read from what the URL became; a storm is shortened to it, and says how large it was."""
    message = a_message(*(f"{LONG_NAME}{each}" for each in range(number)))

    wrong = {
        name: found
        for name, url in urls.items()
        if (found := too_long(handed.by(message, url), Apprise.instantiate(url), message))
    }

    assert len(urls) > 140
    assert wrong == {}


def test_characters_of_several_bytes_are_counted_as_that(handed: Handed, urls: dict[str, str]) -> None:
    """Some services count bytes, some halves of characters: none of them is handed too many of what it counts."""
    message = a_message(*("💩" * 70 + f" Dangerous File Types {each}" for each in range(60)))

    wrong = {
        name: found
        for name, url in urls.items()
        if (found := too_long(handed.by(message, url), Apprise.instantiate(url), message).replace("not the worst", ""))
    }

    assert wrong == {}


@pytest.mark.uncounted
@pytest.mark.parametrize("number", [1, 7])
def test_nothing_in_a_name_is_live_anywhere(number: int, handed: Handed, urls: dict[str, str]) -> None:
    """A hold reason calls nobody and opens nothing, whichever service reads it."""
    names = (*HOSTILE, *NAMES)
    messages = [a_message(*names[start : start + number]) for start in range(0, len(names), number)]

    live = {
        f"{name}: {found[0]!r}"
        for name, url in urls.items()
        for message in messages
        for part in handed.by(message, url)
        for text in part
        if (found := LIVE.search(text))
    }

    assert live == set()


def test_a_url_may_ask_for_all_of_it_in_parts(handed: Handed) -> None:
    """`?overflow=split` is the user's word: then nothing is left out."""
    message = a_message(*(f"{LONG_NAME}{each}" for each in range(15)))

    parts = handed.by(message, "discord://1234567890/abcdefghijklmnop?overflow=split")

    assert len(parts) > 1
    assert all(f"Types {number} " in "".join(body for _, body in parts).replace("'", " ") for number in range(15))
