"""Every kind of message in every format: as the golden files have it, and what must hold of all of them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from alerter.core.message.content import MAX_TITLE, EventAction, Format, Message
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE
from alerter.core.message.text import Room, fit
from tests.core.message.rendered import an_alert, composed, is_within_limits, page_of, slack_texts, teams_texts
from tests.golden import COMMAND, FOLDER, golden_files
from tests.messages import CONTEXT, MESSAGES

#: A title begins with one of these, so that the first word says what has happened.
STATE_WORDS = (
    *("CRITICAL", "WARNING", "INFO", "Better", "Reminder", "Resolved", "Test", "New receiver here", "Weekly report"),
    *("[for ", "secops/slack"),
)
GOLDEN = dict(golden_files())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_each_kind_is_as_its_golden_file_has_it(path: Path) -> None:
    """Whoever changes a message looks at the file that changes with it."""
    assert path.read_text(encoding="utf-8") == GOLDEN[path], f"look at it, then renew it: {COMMAND}"


def test_no_golden_file_is_left_over() -> None:
    """A file is of a kind that there is."""
    assert set(FOLDER.glob("*/*")) == set(GOLDEN)


@pytest.fixture(params=MESSAGES, ids=str)
def message(request: pytest.FixtureRequest) -> Message:
    """A message of each kind."""
    return MESSAGES[request.param]


def test_a_title_is_one_line_that_begins_with_what_has_happened(message: Message) -> None:
    """A lock screen shows no more than that."""
    assert len(message.title) <= MAX_TITLE
    assert message.title.startswith(STATE_WORDS)
    assert message.title.isprintable()
    is_within_limits(message)


def test_the_title_stands_once_in_plain_text(message: Message) -> None:
    """Services that show a title above the text do not show it twice."""
    title, body = fit(message, Room(title_bytes=250, body_bytes=30_000))

    assert title.replace(ZERO_WIDTH_SPACE, "") == message.title.replace(ZERO_WIDTH_SPACE, "")
    assert title not in body


def test_every_format_has_the_ids_and_what_to_type(message: Message) -> None:
    """Each alert's id, the message's ref, and the command where something fires."""
    fires = any(event.action is EventAction.TRIGGER for event in message.events) and message.alert_ids
    html, teams, slack = page_of(message).text, teams_texts(message), "\n".join(slack_texts(message))

    for text in (message.bodies[Format.TEXT], html, teams, slack):
        assert f"ref {message.id}" in text
        assert all(each in text for each in message.alert_ids[:3] if each in message.bodies[Format.TEXT])
        assert ("alerter ack " in text) == bool(fires)


def test_links_lead_to_the_page_first(message: Message) -> None:
    """They open a page and change nothing."""
    links = [each for each in page_of(message).links if each is not None]

    if message.alert_ids:
        assert links[0].startswith(f"{CONTEXT.public_url}/alerts")
    acknowledging = [each for each in links if each.endswith("#acknowledge")]
    assert all(re.fullmatch(r"https://alerts\.example/alerts/[0-9a-f]{8}#acknowledge", each) for each in acknowledging)


def test_programs_get_an_object_of_a_known_version(message: Message) -> None:
    """With every alert, its numbers as numbers, and its instants with their offset."""
    fields = json.loads(message.bodies[Format.JSON])

    assert (fields["version"], fields["ref"], fields["alert_count"]) == (1, message.id, len(message.alert_ids))
    assert sorted(each["id"] for each in fields["alerts"]) == sorted(message.alert_ids)
    assert {each["state"] for each in fields["alerts"]} <= {"firing", "resolved"}


def test_programs_get_the_labels_of_a_configuration() -> None:
    """Which nobody can change, nor copy."""
    alert = an_alert()
    context = replace(CONTEXT, labels_by_tenant={alert.key.tenant: MappingProxyType({"tier": "gold"})})

    [found] = json.loads(composed(alert, context=context).bodies[Format.JSON])["alerts"]

    assert found["labels"] == {"tier": "gold"}


def test_a_text_message_has_the_title_and_an_id_and_no_bars() -> None:
    """One character that the service does not have makes a text message a third as long."""
    _, body = fit(MESSAGES["first"], Room(title_bytes=0, body_bytes=160))

    assert body.splitlines() == [
        "CRITICAL: 612 held for 'Spam Scanning' (acme), above 500",
        f"id {MESSAGES['first'].alert_ids[0]} - ref {MESSAGES['first'].id}",
    ]
    _, several = fit(MESSAGES["several"], Room(title_bytes=0, body_bytes=320))
    assert several.isascii()
