"""Setup of logging: handlers, formats and levels, and everything else that writes to standard error."""

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TextIO

from alerter.humanize import escaped
from alerter.logs import hooks
from alerter.logs.events import to_log_event, with_event
from alerter.logs.formatters import JournalFormatter, JsonFormatter, LineFormatter, TerminalFormatter, syslog_priority
from alerter.logs.repeat_filter import RepeatFilter, notified
from alerter.redaction import Redactor


class LogFormat(StrEnum):
    """In which form lines are written; `AUTO` looks at where they go."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error, each record as loud as it is news.

    Args:
        formatter: The form of the lines.
        level: From which level on a record is written.
        seconds: Seconds that never jump.
    """

    def __init__(self, formatter: LineFormatter, *, level: int, seconds: Callable[[], float]) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(formatter)
        self.setLevel(min(level, logging.WARNING))
        self._seconds = seconds
        self._repeats = RepeatFilter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            event = to_log_event(record)
            weight = self._repeats.decide(record.name, record.levelno, event, now=self._seconds())
            if weight.level >= self.level:
                super().emit(with_event(record, notified(event, weight), weight.level))
        except Exception:  # noqa: BLE001 - as logging's own handlers: what is logged must not fail because of its log
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on: nobody reads any more, and logging's own complaint would show what could not be written."""


def configure_logging(
    redactor: Redactor,
    *,
    log_format: LogFormat = LogFormat.AUTO,
    level: int = logging.INFO,
    is_coloured: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send all records to standard error, redacted; libraries only from a warning on.

    What else would show itself there goes the same way: warnings, and exceptions that nobody caught.

    Args:
        redactor: Knows what must not be shown, also what it gets to know later.
        log_format: The form of the lines.
        level: From which level on records of our own are shown.
        is_coloured: Whether a terminal gets colours; None if the environment decides.
        environ: The environment; None for that of this process.
    """
    environ = os.environ if environ is None else environ
    formatter = _formatter(redactor, log_format, sys.stderr, environ, is_coloured=is_coloured)
    handler = StderrHandler(formatter, level=level, seconds=time.monotonic)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alerter").setLevel(level)
    # Its error lines repeat what the outbox logs, and its warnings carry tokens of malformed URLs.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    # A delivery that begins while enough of them go on is skipped; they see to it that what is due is sent.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    warnings.showwarning = hooks.on_warning
    sys.excepthook = hooks.on_crash
    threading.excepthook = hooks.on_thread_crash
    sys.unraisablehook = hooks.on_unraisable


def redact(text: str) -> str:
    """Return a text as the log would show it: without what must not be shown, as far as that is known."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, StderrHandler) and isinstance(handler.formatter, LineFormatter):
            text = handler.formatter.redacted(text)
    return text


def format_error(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what a command says to standard error as it fails: without a secret, with its priority in the journal.

    What cannot be printed, as in a name that somebody else gave a file, does nothing to the terminal.

    Args:
        text: One line or several.
        environ: The environment; None for that of this process.
    """
    text = escaped(redact(text), keep="\n")
    prefix = f"<{syslog_priority(logging.ERROR)}>" if is_journal(sys.stderr, environ or os.environ) else ""
    return "\n".join(prefix + line for line in text.splitlines())


def _formatter(
    redactor: Redactor,
    log_format: LogFormat,
    stream: TextIO,
    environ: Mapping[str, str],
    *,
    is_coloured: bool | None,
) -> LineFormatter:
    match log_format:
        case LogFormat.JSON:
            return JsonFormatter(redactor, is_journal=is_journal(stream, environ))
        case LogFormat.TEXT:
            return LineFormatter(redactor)
        case LogFormat.AUTO if is_journal(stream, environ):
            return JournalFormatter(redactor)
        case LogFormat.AUTO if stream.isatty():
            if is_coloured is None:
                # https://no-color.org
                is_coloured = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
            return TerminalFormatter(redactor, is_coloured=is_coloured)
        case _:
            return LineFormatter(redactor)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether a stream leads to systemd's journal: `$JOURNAL_STREAM` names its device and inode (systemd.exec(5)).

    The variable alone says nothing: it is inherited, also by what is redirected elsewhere.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
