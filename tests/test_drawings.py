"""The pictures of the documentation are what the code draws now, small, and shown where they belong."""

import re
from xml.etree import ElementTree as ET

import pytest

from alerter.core.message.content import Format
from tests.documentation import PAGES, ROOT
from tests.drawings import COMMAND, FOLDER, MESSAGE_PICTURES, charted, mail, terminal, terminal_pictures
from tests.messages import MESSAGES

MAX_BYTES = 100_000
MAX_BYTES_IN_ALL = 1_500_000
_IMAGE = re.compile(r"!\[([^\]]+)\]\(([^)]+)\)")


def words_of(svg: str) -> str:
    """Return the words of a picture, with single spaces."""
    return " ".join(" ".join(ET.fromstring(svg).itertext()).split())  # noqa: S314 - our own


@pytest.mark.parametrize("name", [*MESSAGE_PICTURES])
def test_every_picture_of_a_message_is_what_the_code_draws(name: str) -> None:
    """A picture is as old as the message in it."""
    drawn = MESSAGE_PICTURES[name]()

    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == drawn, f"{name}.svg is old: run `{COMMAND}`"
    ET.fromstring(drawn)  # noqa: S314 - our own


def test_every_picture_of_a_terminal_is_what_the_commands_print() -> None:
    """They are asked of a day that is polled here and now."""
    for name, drawn in terminal_pictures():
        assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == drawn, f"{name}.svg is old: run `{COMMAND}`"


def test_every_picture_is_shown_and_has_words_for_those_who_cannot_see_it() -> None:
    """None is left over, and none is missing."""
    shown = {}
    for page in PAGES:
        for words, link in _IMAGE.findall(page.read_text(encoding="utf-8")):
            shown[(page.parent / link).resolve()] = words

    assert {path.relative_to(ROOT) for path in shown} == {path.relative_to(ROOT) for path in FOLDER.iterdir()}
    assert all(len(words) > 10 for words in shown.values())


def test_the_pictures_are_small() -> None:
    """A clone is not made of pictures."""
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]

    assert max(sizes) <= MAX_BYTES
    assert sum(sizes) <= MAX_BYTES_IN_ALL


@pytest.mark.parametrize("name", ["slack", "teams", "telegram", "ntfy"])
def test_a_picture_of_a_message_has_all_of_its_words(name: str) -> None:
    """Title, rows, links and footer: nothing of the payload is left out of the drawing."""
    words = words_of(MESSAGE_PICTURES[name]()).replace(" ", "").replace("'", "")
    message = MESSAGES["first"]
    lines = message.bodies[Format.TEXT].splitlines()

    for text in (message.title, *(value for line in lines[2:6] for value in line.split()), "tiergold", message.id):
        assert text.replace(" ", "").replace("'", "") in words


def test_the_picture_of_a_mail_has_the_chart_that_is_sent_along() -> None:
    """The very SVG from which the PNG is made."""
    assert "critical above 500" in words_of(mail(charted()))


def test_a_terminal_keeps_its_colours_and_its_text() -> None:
    """Escape sequences become colours, and text with the signs of markup stays text."""
    svg = terminal("a \x1b[1;31m<b>\x1b[0m & \x1b[2mc\x1b[0m", title="x")

    assert words_of(svg) == "a <b> & c"
    assert '<tspan fill="#ff7b72" font-weight="700">&lt;b&gt;</tspan>' in svg
    assert '<tspan fill="#8b949e">c</tspan>' in svg
