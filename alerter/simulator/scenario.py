"""Scenarios: what a simulated account holds through its day, from a table or as the demo has it."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Self

from alerter.config.trust import bytes_of
from alerter.errors import ConfigError, Problem

DAY = timedelta(days=1)


#: Of several accounts each one's day has begun so much earlier than that of the one before.
PHASE = timedelta(minutes=17)


@dataclass(frozen=True, slots=True)
class _Step:
    """From `offset` on, `reason` holds `count` messages."""

    offset: timedelta
    reason: str
    count: int


class Scenario:
    """What is held at which offset from the scenario's start."""

    def __init__(self, counts_at: Callable[[timedelta], Mapping[str, int]]) -> None:
        self._counts_at = counts_at

    def counts_at(self, offset: timedelta) -> Mapping[str, int]:
        """Return the held messages by reason; a reason without any is left out, as in Mimecast's summary."""
        return {reason: count for reason, count in self._counts_at(offset).items() if count > 0}

    @classmethod
    def from_csv(cls, source: Path | str) -> Self:
        """Return the scenario of a table with the columns `time`, `reason` and `count`.

        A count holds until the next row of its reason, the last one for ever; before its first row a reason is not
        held. A time is an offset (`00:10`, `01:30:00`, `1h30m`, `90s`) or an ISO 8601 instant, counted from the
        earliest one in the table; without a zone it is UTC.

        Args:
            source: A file to read, or the table itself as text.

        Raises:
            ConfigError: With every line that is wrong.
        """
        name, text = _table(source)
        steps = _steps(name, text)

        def counts_at(offset: timedelta) -> Mapping[str, int]:
            return {step.reason: step.count for step in steps if step.offset <= offset}

        return cls(counts_at)

    @classmethod
    def builtin_day(cls) -> Self:
        """Return a day that repeats: a normal rhythm, a burst of impersonations, a slow leak, and releases.

        Offset 0 is midnight. The burst comes at 10:40 and is released from 12:10 on; attachments leak from 08:00
        until they are released at 17:30.
        """
        return cls(_builtin_counts)


def _table(source: Path | str) -> tuple[str, str]:
    """Return a table's name for messages and its text."""
    if isinstance(source, str):
        return "scenario", source
    try:
        return str(source), bytes_of(source).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "no UTF-8"
        problem = Problem(file=str(source), line=None, key="", text=f"cannot be read as a scenario: {reason}")
        raise ConfigError((problem,)) from error


def _steps(name: str, text: str) -> list[_Step]:
    """Return a table's steps, earliest first; of two for one reason and instant the later line counts."""
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != ["time", "reason", "count"]:
        line, found = (rows[0][0], ",".join(rows[0][1])) if rows else (1, "")
        raise ConfigError((Problem(file=name, line=line, key="", text=f"expected time,reason,count, got {found!r}"),))
    problems: list[Problem] = []
    parsed: list[tuple[timedelta | datetime, str, int]] = []
    for line, row in rows[1:]:
        try:
            parsed.append(_step(row))
        except ValueError as error:
            problems.append(Problem(file=name, line=line, key="", text=str(error)))
    if len({type(time) for time, _, _ in parsed}) > 1:
        problems.append(
            Problem(file=name, line=None, key="", text="times must be all offsets or all instants, got both")
        )
    if problems:
        raise ConfigError(tuple(problems))
    return sorted(_from_earliest(parsed), key=lambda step: step.offset)


def _step(row: list[str]) -> tuple[timedelta | datetime, str, int]:
    if len(row) != 3:  # noqa: PLR2004 - time, reason, count
        raise ValueError(f"expected three cells, got {len(row)}")
    time, reason, count = row[0].strip(), row[1], row[2].strip()
    if not re.fullmatch(r"[0-9]{1,15}", count):
        raise ValueError(f"count must be a whole number of at least 0, got {row[2]!r}")
    return _time(time), reason, int(count)


_OFFSETS = (
    re.compile(r"(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)(:(?P<seconds>[0-5]\d))?"),
    re.compile(r"(?=\d)((?P<days>\d{1,4})d)?((?P<hours>\d{1,6})h)?((?P<minutes>\d{1,6})m)?((?P<seconds>\d{1,6})s)?"),
    re.compile(r"(?P<seconds>0)"),
)


def _time(text: str) -> timedelta | datetime:
    for pattern in _OFFSETS:
        if found := pattern.fullmatch(text):
            return timedelta(**{unit: int(digits) for unit, digits in found.groupdict().items() if digits})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"time must be an offset such as 00:10 or 1h30m or an ISO 8601 instant, got {text!r}"
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _from_earliest(rows: Iterable[tuple[timedelta | datetime, str, int]]) -> list[_Step]:
    rows = list(rows)
    start = min((time for time, _, _ in rows if isinstance(time, datetime)), default=datetime.min.replace(tzinfo=UTC))
    return [_Step(time if isinstance(time, timedelta) else time - start, reason, count) for time, reason, count in rows]


#: The built-in day: by reason, (hour, held messages) between which the count goes in a straight line, and a wobble.
#: It ends as it begins. The names are of the kind that administrators type, slips included.
_DAY_BY_REASON: Mapping[str, tuple[int, tuple[tuple[float, int], ...]]] = MappingProxyType(
    {
        "Graymail": (9, ((0, 310), (6, 300), (9, 420), (13, 560), (17, 690), (20, 700), (22, 330), (24, 310))),
        "Agressive Spam Detection": (  # codespell:ignore agressive - a real name, slip and all
            7,
            ((0, 62), (6, 58), (10, 104), (15, 131), (18, 118), (19, 66), (24, 62)),
        ),
        "Relaxed Spam Detection": (3, ((0, 21), (7, 20), (11, 38), (16, 44), (18, 24), (24, 21))),
        # the burst: nobody notices for a while, then it is released
        "High-Confidence Impersonation Protection": (
            2,
            ((0, 4), (10.66, 5), (10.85, 96), (11.1, 388), (11.4, 571), (12.16, 588), (12.42, 6), (24, 4)),
        ),
        # the leak: a broken definition holds a little more each hour, until it is mended
        "Default Attachment Management Definition - Block Dangerous File Types": (
            0,
            ((0, 11), (8, 12), (12, 84), (16, 188), (17.5, 231), (17.75, 12), (24, 11)),
        ),
        "PCI - Credit Card Numbers (Outbound)": (1, ((0, 2), (8, 2), (12, 9), (17, 14), (18, 2), (24, 2))),
        "Suspicious Message Structure": (2, ((0, 6), (9, 8), (14, 17), (18, 9), (24, 6))),
        "Anhang zurückgehalten": (1, ((0, 0), (7.5, 0), (10, 7), (14, 12), (17, 3), (18, 0), (24, 0))),
        "Pièces jointes bloquées 📎": (1, ((0, 0), (8, 0), (11, 5), (15, 8), (17.5, 0), (24, 0))),
    }
)


def _builtin_counts(offset: timedelta) -> Mapping[str, int]:
    hour = (offset % DAY) / timedelta(hours=1)
    return {
        reason: _with_wobble(_on_line(points, hour), wobble, hour)
        for reason, (wobble, points) in _DAY_BY_REASON.items()
    }


def _on_line(points: tuple[tuple[float, int], ...], hour: float) -> int:
    (start, before), (end, after) = next(pair for pair in pairwise(points) if hour < pair[1][0])
    return round(before + (after - before) * (hour - start) / (end - start))


def _with_wobble(count: int, wobble: int, hour: float) -> int:
    """Return a count that moves a little every five minutes, always in the same way; nothing stays nothing."""
    return count + int(hour * 12) * 7 % (wobble + 1) if count else 0
