"""A record as what it says: a constant text, and the fields that go with it.

Every call of our own is like `log.warning("poll failed tenant=%s cause=%s: %s", …)`: the text up to the first
`name=%s` is the event, the arguments are its fields, and what stands behind a colon at the end is the field `detail`.
So each format can write them in its own way, and a program can read them.
"""

import logging
import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from traceback import format_exception
from typing import TypeAlias

#: The root of the loggers whose records have fields.
OURS = "alerter"
#: The field for free text.
DETAIL = "detail"

#: Under which name a record carries what it says, where that is not what was logged.
_WEIGHED = "alerter_event"
_TEMPLATE = re.compile(r"(?P<event>[^%=:]*[^%=: ])(?P<fields>(?: [a-z][a-z_]*=%[-+0-9.]*[sdf])*)(?P<detail>: %s)?")
_FIELD = re.compile(r"(?<![a-z_])([a-z_]+)=(%[-+0-9.]*[sdf])")

Value: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """What a record says.

    Attributes:
        text: The constant part; of a library's record all of it.
        fields: The rest, by name, in the order in which it was written.
        traceback: Of an exception, or empty.
    """

    text: str
    fields: Mapping[str, Value]
    traceback: str


def to_log_event(record: logging.LogRecord) -> LogEvent:
    """Return what a record says. Secrets are still in it."""
    event = vars(record).get(_WEIGHED)
    if isinstance(event, LogEvent):
        return event
    template = parse_template(str(record.msg)) if is_own_record(record) else None
    arguments = record.args if isinstance(record.args, tuple) else ()
    if template is None or len(arguments) != len(template.conversion_by_field):
        return LogEvent(text=_message(record), fields={}, traceback=_traceback(record))
    values = zip(template.conversion_by_field.items(), arguments, strict=True)
    fields = {name: _value(argument, conversion) for (name, conversion), argument in values}
    return LogEvent(text=template.event, fields=fields, traceback=_traceback(record))


def with_event(record: logging.LogRecord, event: LogEvent, level: int) -> logging.LogRecord:
    """Return a record with another level, that says something else."""
    other = copy(record)
    other.levelno, other.levelname = level, logging.getLevelName(level)
    vars(other)[_WEIGHED] = event
    return other


def is_own_record(record: logging.LogRecord) -> bool:
    """Say whether alerter logged it, rather than a library."""
    return record.name.partition(".")[0] == OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTemplate:
    """The first argument of a log call: the event, and how each field of it is written."""

    event: str
    conversion_by_field: Mapping[str, str]


@lru_cache
def parse_template(template: str) -> LogTemplate | None:
    """Return the parts of the first argument of a log call, or None where it is of another form."""
    match = _TEMPLATE.fullmatch(template)
    if match is None:
        return None
    fields = dict(_FIELD.findall(match["fields"])) | ({DETAIL: "%s"} if match["detail"] else {})
    return LogTemplate(event=match["event"], conversion_by_field=fields)


def _value(argument: object, conversion: str) -> Value:
    if argument is None or (isinstance(argument, bool | int) and conversion.endswith("d")):
        return argument
    if isinstance(argument, int | float) and conversion.endswith("f"):
        return float(conversion % argument)
    return argument.isoformat() if isinstance(argument, datetime) else str(argument)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever a library passed: to log must not fail, nor show it elsewhere
        return f"{record.msg} {record.args!r}"


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_info is None or record.exc_info[0] is None:
        return record.stack_info or ""
    return "".join(format_exception(*record.exc_info)).rstrip("\n")
