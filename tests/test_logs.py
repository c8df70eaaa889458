"""Logs never show a secret, in whatever form it came along."""

import io
import logging
from urllib.parse import quote

import pytest

from alerter.logs import REDACTED, RedactingFormatter, forms_of, redacted

SECRET = 'k3y/with "quotes" & plus+'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"keys {SECRET} refused", id="as it is"),
        pytest.param(f"GET /?key={quote(SECRET, safe='')}", id="quoted for a URL"),
        pytest.param('{"key": "k3y/with \\"quotes\\" & plus+"}', id="escaped in JSON"),
        pytest.param(f"{{'key': {SECRET!r}}}", id="in a repr"),
    ],
)
def test_a_secret_is_redacted_in_every_form(text: str) -> None:
    """Whatever quoted a secret, the log does not show it."""
    shown = redacted(text, forms_of(SECRET))

    assert REDACTED in shown
    assert "k3y" not in shown


def test_a_traceback_is_redacted_too() -> None:
    """An exception of a library may carry a URL with a token, and its traceback goes to the log."""
    formatter = RedactingFormatter([SECRET])
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int(SECRET)
    info = (raised.type, raised.value, raised.tb)

    line = formatter.format(logging.LogRecord("alerter", logging.ERROR, __file__, 1, "failed", None, info))

    assert "ValueError: invalid literal" in line
    assert SECRET not in line


def test_a_short_word_is_not_a_secret() -> None:
    """A password of three letters would garble every line that has them, so it is left alone."""
    assert forms_of("abc") == set()


def test_lines_carry_the_time_in_utc() -> None:
    """A line starts with the instant in UTC, so that logs of several machines can be laid side by side."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter([]))
    record = logging.LogRecord("alerter.pipeline", logging.INFO, __file__, 1, "poll done", None, None)
    record.created = 0.0

    handler.emit(record)

    assert stream.getvalue() == "1970-01-01T00:00:00Z INFO alerter.pipeline poll done\n"
