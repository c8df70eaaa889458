"""No secret is shown, in whatever form it came along, and everything else is."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from html import escape
from time import process_time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.redaction import REDACTED, Redactor
from alerter.redaction.normalize import normalize_prefix

SECRET = 'k3y/with "quotes" & plus+ümlaut'
Writing = Callable[[str], str]


def quote_in_small_letters(text: str) -> str:
    """Return a text quoted as some servers do it: `%2f`."""
    return re.sub("%..", lambda match: match.group().lower(), quote(text, safe=""))


WRITINGS: Sequence[Writing] = (
    str, quote, quote_plus, lambda text: quote(text, safe=""), quote_in_small_letters,
    json.dumps, lambda text: json.dumps(text, ensure_ascii=False), repr, ascii,
    lambda text: repr(text.encode()), escape,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(f"keys {SECRET} refused", f"keys {REDACTED} refused", id="as it is"),
        pytest.param(f"GET /?key={quote(SECRET, safe='')}&a=b", f"GET /?key={REDACTED}&a=b", id="quoted for a URL"),
        pytest.param(f'{{"key": {json.dumps(SECRET)}}}', f'{{"key": "{REDACTED}"}}', id="escaped in JSON"),
        pytest.param(f"{{'key': {SECRET!r}}}", f"{{'key': '{REDACTED}'}}", id="in a repr"),
        pytest.param(f"{SECRET} and {SECRET}", f"{REDACTED} and {REDACTED}", id="more than once"),
        pytest.param(f"x{SECRET}x", f"x{REDACTED}x", id="inside a word"),
        pytest.param("nothing to hide: 100% & more", "nothing to hide: 100% & more", id="not at all"),
        pytest.param("", "", id="an empty text"),
    ],
)
def test_a_secret_is_redacted_and_nothing_else(text: str, shown: str) -> None:
    """Whatever quoted a secret, it is gone, and the rest of the text is as it was."""
    assert Redactor([SECRET]).redacted(text) == shown


@given(
    st.text(st.sampled_from("abcuxns0129%\\&;\"'/+=: üẞé€🙂"), min_size=6, max_size=40),
    st.sampled_from(["", " ", "=", ":", "'", '"', "/", "@", ",", "?"]),
    st.sampled_from([str, str.casefold]),
    st.lists(st.sampled_from(WRITINGS), max_size=3),
)
def test_a_secret_is_redacted_in_every_form(secret: str, beside: str, fold: Writing, writings: list[Writing]) -> None:
    """Any secret, written in any way by one after the other, between whatever delimits it."""
    form = normalize_prefix(secret)
    written = fold(f"{beside}{secret}{beside}")
    for write in writings:
        written = write(written)

    shown = Redactor([secret]).redacted(f"before {written} after")

    if len(form) >= 6:
        assert REDACTED in shown
        assert form not in normalize_prefix(shown)


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@given(
    st.binary(max_size=8),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=6, max_size=30),
    st.binary(max_size=8),
)
def test_a_secret_is_redacted_in_base64(
    encode: Callable[[bytes], bytes], before: bytes, secret: str, after: bytes
) -> None:
    """`user:password` of a login stands in headers and in the log of a mail server as base64, and goes as a whole."""
    if len(normalize_prefix(secret)) < 6:
        return
    encoded = encode(before + secret.encode() + after).decode()

    assert Redactor([secret]).redacted(f"sent {encoded}, refused") == f"sent {REDACTED}, refused"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("password p4ss refused", f"password {REDACTED} refused", id="as a word"),
        pytest.param("smtp://me:P4SS@host", f"smtp://me:{REDACTED}@host", id="in other letters"),
        pytest.param("me%3Ap4ss%40host", f"me%3A{REDACTED}%40host", id="between quoted signs"),
        pytest.param("key a%23b1!", f"key {REDACTED}!", id="quoted itself"),
        pytest.param("p4ssword p4ss1 xp4ss", "p4ssword p4ss1 xp4ss", id="not inside words"),
        pytest.param("abc is left alone", "abc is left alone", id="three letters are no secret"),
    ],
)
def test_a_short_secret_is_redacted_as_a_word(text: str, shown: str) -> None:
    """A password of four letters stands in other words as well; those stay readable."""
    assert Redactor(["p4ss", "a#b1", "abc"]).redacted(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Authorization: Bearer eyJ0.e30.x1", f"Authorization: Bearer {REDACTED}", id="a bearer token"),
        pytest.param("{'Authorization': 'Basic dTpw1w=='}", f"{{'Authorization': 'Basic {REDACTED}'}}", id="a login"),
        pytest.param("MC mYacc3ss:c2lnbmF0dXJl=", f"MC {REDACTED}", id="a signature of Mimecast's"),
        pytest.param('{"access_token": "0123456789abc"}', f'{{"access_token": "{REDACTED}"}}', id="a token in JSON"),
        pytest.param("bearer%200123456789abc", f"bearer%20{REDACTED}", id="quoted"),
        pytest.param("basic authentication is needed", "basic authentication is needed", id="words"),
    ],
)
def test_credentials_of_requests_are_redacted_although_nobody_has_told_of_them(text: str, shown: str) -> None:
    """A token that a server has just handed out is no setting, and a secret all the same."""
    assert Redactor().redacted(text) == shown


@pytest.mark.parametrize(
    ("end", "more"),
    [
        pytest.param("%", "41rest", id="a percent sign, and what is a letter with it"),
        pytest.param("\\", "nrest", id="a backslash, and what is a new line with it"),
        pytest.param("&", "amp;rest", id="an ampersand, and what is another one with it"),
    ],
)
def test_a_secret_whose_end_reads_otherwise_with_what_follows_is_redacted(end: str, more: str) -> None:
    """Nobody knows where the escape belongs; no more than the sign itself may stay."""
    secret = f"s3cret-k3y{end}"

    shown = Redactor([secret]).redacted(f"{secret}{more}")

    assert shown.removeprefix(REDACTED) in {more, end + more}


@pytest.mark.parametrize("text", ["{}", "{} refused", "refused: {}", "{}{}"])
def test_a_secret_at_the_edge_of_a_text_leaves_its_mark(text: str) -> None:
    """At its beginning, at its end, and beside another one."""
    secret = "s3cret-k3y"

    assert Redactor([secret]).redacted(text.format(secret, secret)) == text.format(REDACTED, REDACTED)


def test_overlapping_secrets_leave_no_rest() -> None:
    """A URL is a secret, and so are its parts."""
    redactor = Redactor(["token-0001", "/path/token-0001/end", "0001/end/of"])

    assert redactor.redacted("at /path/token-0001/end/of it") == f"at {REDACTED} it"


def test_what_is_added_later_is_redacted_from_then_on() -> None:
    """A reload brings new secrets, and the old ones stay secret."""
    redactor = Redactor(["first-secret"])

    redactor.add("second-secret", "s3c!")

    assert redactor.redacted("first-secret second-secret s3c!") == " ".join([REDACTED] * 3)


def test_what_is_discarded_is_shown_again_and_takes_no_other_with_it() -> None:
    """Thousands of tokens come and go; only what still is a secret is remembered."""
    redactor = Redactor(["token-0001", "token-0002", "s3c!", "s3d!"])

    redactor.discard("token-0001", "s3c!", "never added")
    redactor.discard("token-0001")

    assert redactor.redacted("token-0001 token-0002 s3c! s3d!") == f"token-0001 {REDACTED} s3c! {REDACTED}"


def test_a_secret_of_two_stays_one_until_both_have_discarded_it() -> None:
    """Two tenants may share a token; and a server may hand out a key as its token."""
    redactor = Redactor(["shared-0001"])
    redactor.add("shared-0001")

    redactor.discard("shared-0001")
    still = redactor.redacted("shared-0001")
    redactor.discard("shared-0001")

    assert (still, redactor.redacted("shared-0001")) == (REDACTED, "shared-0001")


def test_secrets_that_are_alike_are_all_found() -> None:
    """Keys of one generator begin, go on and end alike."""
    secrets = [f"same-begin-{number:04}-same-middle-{number:04}-same-end" for number in range(50)]
    redactor = Redactor(secrets)

    assert [redactor.redacted(f"<{secret}>") for secret in secrets] == [f"<{REDACTED}>"] * 50
    assert redactor.redacted("same-begin-9999-same-middle") == "same-begin-9999-same-middle"


def test_a_secret_with_half_a_character_is_one() -> None:
    """A file may hold anything, also what is no text."""
    assert Redactor(["half\udc80character", "a\udc80bc"]).redacted("half\udc80character") == REDACTED


@pytest.mark.uncounted
def test_ten_thousand_secrets_cost_a_line_little_more_than_one() -> None:
    """An MSP has thousands of tenants, and logs a line for each of them every minute."""
    line = "poll succeeded tenant=acme-0123 reasons=50 held=1234 seconds=0.23 " * 3
    few, many = Redactor(["secret-of-one-tenant"]), Redactor(f"secret-{number * 7919:08x}" for number in range(10_000))

    def cost(redactor: Redactor) -> float:
        runs = []
        for _ in range(5):
            before = process_time()
            for _ in range(200):
                redactor.redacted(line)
            runs.append(process_time() - before)
        return min(runs)

    assert cost(many) < 5 * cost(few)
