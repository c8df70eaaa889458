"""Logs never show a secret, in whatever form it came along."""

import io
import logging

import pytest

from alerter.logs import RedactingFormatter
from alerter.redaction import Redactor

SECRET = 'k3y/with "quotes" & plus+'


def test_a_traceback_is_redacted_too() -> None:
    """An exception of a library may carry a URL with a token, and its traceback goes to the log."""
    formatter = RedactingFormatter(Redactor([SECRET]))
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int(SECRET)
    info = (raised.type, raised.value, raised.tb)

    line = formatter.format(logging.LogRecord("alerter", logging.ERROR, __file__, 1, "failed", None, info))

    assert "ValueError: invalid literal" in line
    assert SECRET not in line


def test_lines_carry_the_time_in_utc() -> None:
    """A line starts with the instant in UTC, so that logs of several machines can be laid side by side."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(Redactor()))
    record = logging.LogRecord("alerter.pipeline", logging.INFO, __file__, 1, "poll done", None, None)
    record.created = 0.0

    handler.emit(record)

    assert stream.getvalue() == "1970-01-01T00:00:00Z INFO alerter.pipeline poll done\n"
