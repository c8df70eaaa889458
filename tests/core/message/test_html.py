"""Mail in HTML."""

from dataclasses import replace

from alerter.core.message.content import Format
from alerter.core.message.render import compose_test_message
from tests.core.message.rendered import CONTEXT, NOON, SECOPS, a_no_data_alert, an_alert, composed, page_of


def test_html_is_a_complete_document() -> None:
    """Readable on a phone and in the dark, with nothing to be loaded from elsewhere."""
    message = composed(an_alert(), a_no_data_alert(), *(an_alert(f"reason {number}") for number in range(40)))

    document = message.bodies[Format.HTML]
    page = page_of(message)
    assert document.startswith("<!DOCTYPE html>")
    assert 'name="viewport"' in document
    assert "prefers-color-scheme:dark" in document
    assert not {"img", "script", "link", "iframe"} & set(page.tags)
    assert page.links == ["https://wiki.example/backlog", "https://login.example/held?a=1&b=2"]
    assert "and 17 more: alerter alerts" in page.text
    assert "What to do: Mimecast refuses the keys." in page.text


def test_html_without_facts_and_links_has_no_empty_table() -> None:
    """A test message has neither."""
    message = compose_test_message(SECOPS, replace(CONTEXT, console_url=""), now=NOON)

    assert "<table" not in message.bodies[Format.HTML]
    assert page_of(message).links == []
    assert "Test: alerter can reach secops" in page_of(message).text
