"""All the ways to write a text come to one."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from html import escape
from textwrap import fill
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.redaction.normalize import normalize, normalize_prefix, normalize_with_positions

TEXT = 'Grüße/an &"x" + 100%, \\o/ 🙂'

WRITINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "quoted for a path": quote,
    "quoted for a query": quote_plus,
    "quoted wholly": lambda text: quote(text, safe=""),
    "quoted with small letters": lambda text: quote(text, safe="").lower(),
    "quoted twice": lambda text: quote(quote(text)),
    "in JSON": json.dumps,
    "in JSON of UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "in JSON with its slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "in JSON inside JSON": lambda text: json.dumps(json.dumps(text)),
    "in a repr": repr,
    "in a repr of bytes": lambda text: repr(text.encode()),
    "in ASCII": ascii,
    "in HTML": escape,
    "in HTML by numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "in HTML by hexadecimal numbers": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "in small letters": str.lower,
    "folded": str.casefold,
    "in lines": lambda text: fill(text, 8),
}


@pytest.mark.parametrize("writing", [*WRITINGS])
def test_every_way_to_write_a_text_comes_to_one(writing: str) -> None:
    """Whoever quoted or escaped a text, and how often: what it says stays the same."""
    written = WRITINGS[writing](TEXT)

    assert normalize(TEXT) in normalize(written)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        pytest.param("%ff%C3%A9%fe", "ÿéþ", id="what is no UTF-8 stands beside what is"),
        pytest.param("\\ud83d\\ude42", "🙂", id="a pair of surrogates is one character"),
        pytest.param("\\U0001F642\\x41", "🙂a", id="escapes of Python"),
        pytest.param("&#x110000;x", "x", id="a number beyond all characters"),
        pytest.param("50% off & more", "50%off&more", id="signs that escape nothing"),
        pytest.param("a\tb\nc\u200bd", "abcd", id="what cannot be seen"),
        pytest.param("%2525252541", "a", id="quoted again and again"),
    ],
)
def test_a_canonical_text(text: str, form: str) -> None:
    """Escapes are resolved, and what cannot be seen is left out."""
    assert normalize(text) == form


@pytest.mark.parametrize("end", ["%", "%4", "\\", "\\u00e", "\\x4", "&", "&am", "&#12"])
def test_an_end_that_may_begin_an_escape_does_not_count(end: str) -> None:
    """A password may end in `%`: with what follows it reads otherwise."""
    assert normalize_prefix(f"password{end}") == "password"


@given(st.text(st.sampled_from('abuxn019%\\&;#"/+ üẞ€🙂\n\u200b'), max_size=30))
def test_the_place_of_each_character_belongs_to_the_same_canonical_text(text: str) -> None:
    """What is found in the canonical text can be pointed at in the text as it was written."""
    places = normalize_with_positions(text)

    assert places.canonical == normalize(text)
    assert all(0 <= start < end <= len(text) for start, end in zip(places.starts, places.ends, strict=True))
    assert list(places.starts) == sorted(places.starts)


def test_nothing_is_undone_that_was_not_done() -> None:
    """An encoding that is none of these, such as base64, stays as it is."""
    encoded = b64encode(TEXT.encode()).decode()

    assert normalize(encoded) == encoded.casefold().replace("+", "")
