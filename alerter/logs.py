"""How alerter logs: one line per record on standard error, with every known secret redacted.

Redaction happens after formatting, so that it covers tracebacks and the records of libraries as well.
"""

import logging
import sys
from time import gmtime

from alerter.redaction import Redactor


class RedactingFormatter(logging.Formatter):
    """Formats a record as `time level logger text`, in UTC, without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
        self.converter = gmtime
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback, without secrets."""
        return self._redactor.redacted(super().format(record))


def set_up(redactor: Redactor, *, level: int = logging.INFO) -> None:
    """Send all records to standard error, redacted; libraries only from a warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(redactor))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alerter").setLevel(level)
    # Its error lines repeat what the outbox logs, and its warnings carry tokens of malformed URLs.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
