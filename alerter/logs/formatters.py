"""The forms of a line: for the journal, for a person at a terminal, for a file, for a program.

None of them lets a text from outside begin a line of its own, or move the cursor: what cannot be printed is escaped.
"""

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from alerter.humanize import escaped
from alerter.logs.events import DETAIL, LogEvent, Value, is_own_record, to_log_event
from alerter.redaction import Redactor

#: The journal cuts a line after 48 KiB (LineMax=), and takes the rest for one without a priority. In characters.
MAX_LINE: Final = 8_000
#: Longer ones are cut in the middle.
MAX_TRACEBACK: Final = 20_000
#: In bytes: everything but ASCII is escaped.
MAX_JSON: Final = 45_000

#: Before what belongs to the line above: what an exception says cannot pass for a line of its own.
INDENT: Final = "    "

#: The priorities of syslog (RFC 5424 section 6.2.1), as `sd-daemon(3)` has them in front of a line.
_PRIORITY_BY_LEVEL: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_COLOUR_BY_LEVEL: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "1;31", logging.CRITICAL: "1;31"}


class LineFormatter(logging.Formatter):
    """What all forms have in common.

    Args:
        redactor: Knows what must not be shown.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def redacted(self, text: str) -> str:
        """Return a text without what must not be shown."""
        return self._redactor.redacted(text)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it those of a traceback, without a line break at the end."""
        event = to_log_event(record)
        head = self._redactor.redacted(_text(record, event))
        if not event.traceback:
            return "\n".join(self._lines(record, one_line(head), []))
        tail = truncate_middle(self._redactor.redacted(event.traceback), MAX_TRACEBACK)
        return "\n".join(self._lines(record, one_line(head), [one_line(line) for line in tail.splitlines()]))

    def _lines(self, record: logging.LogRecord, head: str, tail: list[str]) -> Iterator[str]:
        """Yield the lines of a record: in a file, each record begins with its time in UTC."""
        when = datetime.fromtimestamp(record.created, UTC)
        yield f"{when:%Y-%m-%dT%H:%M:%SZ} {record.levelname} {head}"
        yield from map(INDENT.__add__, tail)


class JournalFormatter(LineFormatter):
    """For the journal, which knows the time: with the priority in front of each line, also of those of a traceback."""

    def _lines(self, record: logging.LogRecord, head: str, tail: list[str]) -> Iterator[str]:
        prefix = f"<{syslog_priority(record.levelno)}>"
        yield from (prefix + line for line in (head, *tail))


class TerminalFormatter(LineFormatter):
    """For a person who watches: the time of day at this machine, and the level in a colour.

    Args:
        redactor: Knows what must not be shown.
        is_coloured: Whether the terminal shows colours, and its user wants them.
    """

    def __init__(self, redactor: Redactor, *, is_coloured: bool) -> None:
        super().__init__(redactor)
        self._colours = _COLOUR_BY_LEVEL if is_coloured else {}

    def _lines(self, record: logging.LogRecord, head: str, tail: list[str]) -> Iterator[str]:
        when = datetime.fromtimestamp(record.created, UTC).astimezone()
        level, colour = f"{record.levelname:<7}", self._colours.get(record.levelno)
        level = f"\x1b[{colour}m{level}\x1b[0m" if colour is not None else level
        yield f"{when:%H:%M:%S} {level} {head}"
        yield from map(INDENT.__add__, tail)


class JsonFormatter(LineFormatter):
    """For a program: one JSON object per line, with a traceback in it.

    The time is in it also where the journal adds its own: a program reads the same fields everywhere.

    Args:
        redactor: Knows what must not be shown.
        is_journal: Whether the priority stands in front, which the journal takes off again.
    """

    def __init__(self, redactor: Redactor, *, is_journal: bool) -> None:
        super().__init__(redactor)
        self._is_journal = is_journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line, texts = "", self._texts(record)
        for limit in _LIMITS:
            line = json.dumps({name: _cut(text, limit) for name, text in texts.items()})
            if len(line) <= MAX_JSON:
                break
        return f"<{syslog_priority(record.levelno)}>{line}" if self._is_journal else line

    def _texts(self, record: logging.LogRecord) -> dict[str, Value]:
        event = to_log_event(record)
        when = datetime.fromtimestamp(record.created, UTC)
        fields = {name: self._hidden(value) for name, value in event.fields.items()}
        traceback = {"exception": self._redactor.redacted(event.traceback)} if event.traceback else {}
        return {
            "time": f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redactor.redacted(event.text),
            **fields,
            **traceback,
        }

    def _hidden(self, value: Value) -> Value:
        text = self._redactor.redacted(str(value))
        return value if text == str(value) else text


#: How long each text may be, in characters: the first with which the line is not too long.
_LIMITS: Final = (MAX_TRACEBACK, 2_000, 200)


def _cut(value: Value, limit: int) -> Value:
    return truncate_middle(value, limit) if isinstance(value, str) else value


def syslog_priority(level: int) -> int:
    """Return the priority of syslog for a level of logging, also for one between those that have a name."""
    return next((priority for each, priority in reversed(_PRIORITY_BY_LEVEL.items()) if level >= each), 7)


def one_line(text: str) -> str:
    """Return a text on one line that no terminal and no journal can misread, with an end."""
    return truncate_middle(escaped(text), MAX_LINE)


def truncate_middle(text: str, limit: int) -> str:
    """Return a text with its middle left out where it is longer than a number of characters: the end says most."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"


def _text(record: logging.LogRecord, event: LogEvent) -> str:
    source = "" if is_own_record(record) else f"{record.name}: "
    fields = (f" {name}={_quoted(value)}" for name, value in event.fields.items() if name != DETAIL and _is_said(value))
    detail = event.fields.get(DETAIL)
    return "".join((source, event.text, *fields, f": {detail}" if _is_said(detail) else ""))


def _is_said(value: Value) -> bool:
    return value is not None and value != ""


_UNCLEAR: Final = re.compile('[ "=]')


def _quoted(value: Value) -> str:
    """Return a value as it stands behind `name=`: in quotes where it would not be clear where it ends."""
    text = str(value)
    is_plain = text.isprintable() and not _UNCLEAR.search(text)
    return text if is_plain else json.dumps(text, ensure_ascii=False)
