"""Text that is not ours, made fit to be shown."""

import pytest

from alerter.core.message.content import Untrusted
from alerter.core.message.sanitize import sanitize, truncate_middle

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
    assert sanitize(Untrusted(text)) == expected


def test_a_long_name_is_cut_in_its_middle() -> None:
    """Names often differ at their ends, so both ends stay."""
    assert truncate_middle("abcdefghij", 7) == "abc…hij"
    assert truncate_middle("abcdefghij", 6) == "abc…ij"
    assert truncate_middle("abcdefghij", 10) == "abcdefghij"
    assert sanitize(Untrusted("a" * 1000 + "z", longest=9)) == "aaaa…aaaz"
