"""How alerter logs: one line per record on standard error, with every known secret redacted.

Redaction happens after formatting, so that it covers tracebacks and the records of libraries as well.
"""

import logging
import sys
from collections.abc import Iterable
from json import dumps
from time import gmtime
from urllib.parse import quote, quote_plus

#: Shorter strings are words, not secrets: to redact them would garble every line.
SHORTEST_SECRET = 6
REDACTED = "[redacted]"


class RedactingFormatter(logging.Formatter):
    """Formats a record as `time level logger text`, in UTC, without secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
        self.converter = gmtime
        self.forms = sorted({form for secret in secrets for form in forms_of(secret)}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback, without secrets."""
        return redacted(super().format(record), self.forms)


def forms_of(secret: str) -> set[str]:
    """Return every form in which a secret can appear in a text: plain, URL-quoted, JSON-escaped."""
    if len(secret) < SHORTEST_SECRET:
        return set()
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), dumps(secret)[1:-1], repr(secret)[1:-1]}


def redacted(text: str, forms: Iterable[str]) -> str:
    """Return the text with every form replaced."""
    for form in forms:
        text = text.replace(form, REDACTED)
    return text


def set_up(secrets: Iterable[str], *, level: int = logging.INFO) -> None:
    """Send all records to standard error, redacted; libraries only from a warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alerter").setLevel(level)
    # Its error lines repeat what the outbox logs, and its warnings carry tokens of malformed URLs.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
