"""A text from outside may be as long and as odd as it likes: it is redacted in a bounded time."""

from base64 import b64encode
from time import thread_time

import pytest

from alerter.redaction import REDACTED, Redactor
from alerter.redaction.redactor import MAX_TEXT

SECRET = "s3cr3t-of-the-house"
ENCODED = b64encode(SECRET.encode()).decode()


@pytest.mark.uncounted
@pytest.mark.parametrize(
    "piece",
    [
        pytest.param("basic" + '"' * 60_000, id="a scheme and quotes without an end"),
        pytest.param("bearer:", id="schemes in a row"),
        pytest.param(ENCODED[:-2], id="a run of base64 that holds a secret again and again"),
        pytest.param("%41x", id="escapes with something between them"),
        pytest.param("\\u0041\\", id="escapes of another kind, and half of one"),
        pytest.param(SECRET[:6], id="the beginning of a secret, again and again"),
        pytest.param("&#x41;&", id="entities"),
        pytest.param("%2525", id="a text that was quoted again and again"),
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    """A megabyte of it, together with a secret that makes every step run, is done within a second of CPU."""
    text = f"{SECRET} {piece * (1_000_000 // len(piece))} {ENCODED}"
    redactor = Redactor([SECRET])

    began = thread_time()
    shown = redactor.redacted(text)

    assert thread_time() - began < 1
    assert SECRET not in shown
    assert ENCODED not in shown


def test_a_text_that_is_too_long_keeps_its_ends() -> None:
    """Nobody shows so much; what is left out is the middle, where no line and no traceback says anything."""
    shown = Redactor([SECRET]).redacted(f"begins {SECRET} {'x' * 2 * MAX_TEXT} ends {SECRET}")

    assert shown.startswith(f"begins {REDACTED} xxx")
    assert shown.endswith(f"xxx ends {REDACTED}")
    assert len(shown) < MAX_TEXT + 10


def test_a_word_after_a_scheme_is_no_credential() -> None:
    """Errors speak of basic authentication; what holds a digit or a padding is a token."""
    redacted = Redactor().redacted

    assert redacted("needs Basic authentication here") == "needs Basic authentication here"
    assert redacted("Basic dXNlcjpwYXNz and Bearer: abcdefgh1") == "Basic dXNlcjpwYXNz and Bearer: [redacted]"
    assert redacted('basic "QWxhZGRpbjpvcGVu="') == 'basic "[redacted]"'
