"""Writes records and readings as CSV or JSON Lines.

Both forms carry the same: records say what changed and where polling covered the time, so that an import of them gives
exactly what was exported; instants are ISO 8601 in UTC, to the microsecond. In CSV, cells are guarded (see `cells`).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import TextIO, assert_never

from alerter.core.history_records import (
    CountRecord,
    FailedPolls,
    FirstSeen,
    ImportedSample,
    InitialCount,
    PollRange,
    Record,
)
from alerter.humanize import escaped_json
from alerter.import_export.cells import escape_formula


class FileFormat(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"


#: The columns of a CSV file of records. `at` is the beginning of a run of polls, `until` its end; `steps` are the
#: seconds from each of its polls to the next, and empty where they were evenly apart.
RECORD_COLUMNS = ("record", "tenant", "reason", "at", "until", "held", "polls", "steps", "cause", "detail")
#: Those that a file may lack, which has no failed polls.
OPTIONAL_COLUMNS = frozenset({"cause", "detail"})
#: The columns of a file of readings.
READING_COLUMNS = ("time", "tenant", "reason", "held")
#: The kinds of record, as files name them. `PARTIAL` says that some hold reasons were left out.
SEEN, HELD, POLLED, FAILED, CHANGE, PARTIAL = "seen", "held", "polled", "failed", "change", "partial"
#: What says the same at the beginning of CSV.
PARTIAL_MARK = "# some hold reasons only"

_NEEDS_QUOTES = re.compile(r"""[,"\r\n]""")
_Fields = dict[str, str | int]


def write_records(records: Iterable[Record], stream: TextIO, form: FileFormat) -> int:
    """Write records; return how many there were."""
    return _write(map(_record_fields, records), RECORD_COLUMNS, stream, form)


def write_samples(readings: Iterable[ImportedSample], stream: TextIO, form: FileFormat, *, timezone: tzinfo) -> int:
    """Write readings; return how many there were.

    In CSV their times are on the clocks of a place, with its offset, so that they can be read in one way only.
    """
    zone = timezone if form is FileFormat.CSV else UTC
    fields: Iterable[_Fields] = (
        {
            "time": each.at.astimezone(zone).isoformat(sep=" ") if form is FileFormat.CSV else _instant(each.at),
            "tenant": each.tenant,
            "reason": each.reason or "",
            "held": each.held,
        }
        for each in readings
    )
    return _write(fields, READING_COLUMNS, stream, form)


def write_partial_mark(stream: TextIO, form: FileFormat) -> None:
    """Write that hold reasons were left out of what follows: an import must not take them for 0."""
    if form is FileFormat.CSV:
        stream.write(f"{PARTIAL_MARK}: for looking at, not for `alerter import`\n")
    else:
        _jsonl_writer(stream)({"record": PARTIAL})


def _write(rows: Iterable[_Fields], columns: tuple[str, ...], stream: TextIO, form: FileFormat) -> int:
    write = _csv_writer(columns, stream) if form is FileFormat.CSV else _jsonl_writer(stream)
    number = 0
    for row in rows:
        write(row)
        number += 1
    return number


def _csv_writer(columns: tuple[str, ...], stream: TextIO) -> Callable[[_Fields], object]:
    stream.write(",".join(columns) + "\n")
    return lambda row: stream.write(",".join(_cell(row.get(name, "")) for name in columns) + "\n")


def _cell(value: str | int) -> str:
    # The library's writer leaves a carriage return without quotes, where every reader begins another row.
    text = escape_formula(value) if isinstance(value, str) else str(value)
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if _NEEDS_QUOTES.search(text) else text


def _jsonl_writer(stream: TextIO) -> Callable[[_Fields], object]:
    return lambda row: stream.write(escaped_json(json.dumps(row, ensure_ascii=False, separators=(",", ":"))) + "\n")


def _record_fields(record: Record) -> _Fields:
    match record:
        case FirstSeen():
            return {"record": SEEN, "tenant": record.tenant, "reason": record.reason, "at": _instant(record.at)}
        case InitialCount() | CountRecord():
            kind = HELD if isinstance(record, InitialCount) else CHANGE
            return {
                "record": kind,
                "tenant": record.tenant,
                "reason": record.reason,
                "at": _instant(record.at),
                "held": record.held,
            }
        case PollRange():
            return {"record": POLLED} | _poll_fields(record)
        case FailedPolls():
            fields = {"record": FAILED} | _poll_fields(record.polled)
            return fields | {"cause": record.cause.value, "detail": record.detail}
        case _:
            assert_never(record)


def _poll_fields(polled: PollRange) -> _Fields:
    fields: _Fields = {
        "tenant": polled.tenant,
        "at": _instant(polled.since),
        "until": _instant(polled.until),
        "polls": polled.polls,
    }
    return fields | {"steps": _steps(polled.times)} if polled.times else fields


def _steps(times: Sequence[datetime]) -> str:
    """Return the seconds from one instant to the next, to the microsecond."""
    steps = (after - before for before, after in pairwise(times))
    return " ".join(
        f"{each.days * 86400 + each.seconds}.{each.microseconds:06}".rstrip("0").rstrip(".") for each in steps
    )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
