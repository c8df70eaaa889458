"""Everything that the files of an import say, by tenant: read once, checked as it is read, kept in arrays."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from alerter.core.history_records import (
    CountRecord,
    FailedPolls,
    FirstSeen,
    ImportedSample,
    InitialCount,
    PollRange,
    Record,
)
from alerter.core.import_merge import Base, ImportedFailures, ImportedHistory
from alerter.core.poll_times import PollRun, int64_array
from alerter.core.readings import NOTHING, Rows, RowsError, given_by, twice
from alerter.core.series import HoldReason, Tenant, to_epoch_us
from alerter.errors import InputError, Problem

#: How many problems are kept to be shown; the others are counted.
MAX_SHOWN = 20

#: The entries that are read between two calls of `on_progress`.
_BATCH = 10_000
_LINE_BITS = 40
_LINE_MASK = (1 << _LINE_BITS) - 1

#: The line on which something begins, and what it is.
Entry: TypeAlias = tuple[int, Record | ImportedSample]


class ImportStaging:
    """Everything that files say.

    Args:
        on_progress: Called now and then with how many entries were read.
    """

    def __init__(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        self._on_progress = on_progress
        self._tenants: dict[Tenant, _Rows | _Records] = {}
        self._files: list[str] = []
        self.entries = 0
        self.problems: list[Problem] = []
        self.problem_count = 0

    def read(self, path: str, entries: Iterable[Entry | Problem]) -> None:
        """Take all of a file."""
        self._files.append(path)
        for each in entries:
            if isinstance(each, Problem):
                self._refuse(each)
                continue
            line, entry = each
            text = self._add(entry, len(self._files) - 1 << _LINE_BITS | line)
            if text is not None:
                self._refuse(Problem(file=path, line=line, key="", text=text))
            self.entries += 1
            if self.entries % _BATCH == 0:
                self._on_progress(self.entries)

    def validate(self, *, interval: timedelta | None) -> list[ImportedHistory]:
        """Return what the files say of each tenant, in their order.

        Args:
            interval: How far the polls of readings are apart; None where the readings must show it.

        Raises:
            InputError: Something is wrong; with the first problems, and how many there are.
        """
        given = [
            found
            for tenant, each in self._tenants.items()
            if (found := each.given(tenant) if isinstance(each, _Records) else self._polls(tenant, each, interval))
        ]
        if not self.entries and not self.problem_count:
            self._refuse(Problem(file=", ".join(self._files), line=None, key="", text="expected history, found none"))
        if self.problem_count:
            in_order = sorted(self.problems, key=lambda each: (self._order_of(each), each.line or 0))
            raise InputError(tuple(in_order), self.problem_count)
        return given

    def _add(self, entry: Record | ImportedSample, place: int) -> str | None:
        """Keep an entry; return what is wrong with it, or None."""
        kind = _Rows if isinstance(entry, ImportedSample) else _Records
        kept = self._tenants.get(entry.tenant)
        if kept is None:
            kept = self._tenants[entry.tenant] = kind(place >> _LINE_BITS)
        if isinstance(entry, ImportedSample):
            if not isinstance(kept, _Rows):
                return f"expected either records or counts of {entry.tenant!r} in one import, found both"
            kept.add(entry, place)
            return None
        if not isinstance(kept, _Records):
            return f"expected either records or counts of {entry.tenant!r} in one import, found both"
        if kept.file != place >> _LINE_BITS:
            return f"expected all records of {entry.tenant!r} in one file, found others in another: import one by one"
        return kept.add(entry)

    def _polls(self, tenant: Tenant, kept: "_Rows", interval: timedelta | None) -> ImportedHistory | None:
        rows, reasons = kept.rows.in_order(), list(kept.reasons)
        is_sound = True
        for row, before in twice(rows):
            is_sound = False
            text = f"expected one count of a reason at one time, found another one {self._place_of(rows.place[before])}"
            self._refuse(self._problem(rows.place[row], text))
        if not is_sound:
            return None
        try:
            return given_by(tenant, rows, reasons, interval=interval)
        except RowsError as error:
            for place, text in error.found:
                self._refuse(self._problem(place, text))
            return None

    def _order_of(self, problem: Problem) -> int:
        return self._files.index(problem.file) if problem.file in self._files else 0

    def _refuse(self, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(problem)

    def _problem(self, place: int, text: str) -> Problem:
        return Problem(file=self._files[place >> _LINE_BITS], line=place & _LINE_MASK, key="", text=text)

    def _place_of(self, place: int) -> str:
        return f"in {self._files[place >> _LINE_BITS]}, line {place & _LINE_MASK}"


class _Numbered:
    """Turns instants into numbers; entries one after the other often have the same."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._number = 0

    def __call__(self, at: datetime) -> int:
        if at is not self._last:
            self._last, self._number = at, to_epoch_us(at)
        return self._number


class _Rows:
    """The rows of one tenant in plain files."""

    def __init__(self, _file: int) -> None:
        self.rows = Rows()
        self.reasons: dict[HoldReason, int] = {}
        self._number_of = _Numbered()

    def add(self, reading: ImportedSample, place: int) -> None:
        """Keep a row."""
        reason = NOTHING if reading.reason is None else self.reasons.setdefault(reading.reason, len(self.reasons))
        self.rows.add(self._number_of(reading.at), reason, reading.held, place)


class _Records:
    """The records of one tenant, in the order in which `alerter export` writes them.

    Args:
        file: The index of the file that they are in.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self._seen: dict[HoldReason, int] = {}
        self._index: dict[HoldReason, int] = {}
        self._bases: dict[HoldReason, Base] = {}
        self._polls = int64_array()
        self._failures: list[ImportedFailures] = []
        # The first poll of each run, by its index, and the run in which the newest change lies.
        self._begins: list[int] = []
        self._run = 0
        self._at, self._changed, self._held = int64_array(), int64_array(), int64_array()
        self._here: set[int] = set()
        self._number_of = _Numbered()

    def given(self, tenant: Tenant) -> ImportedHistory:
        """Return what they say."""
        return ImportedHistory(
            tenant=tenant,
            runs=[PollRun.of(self._polls[begin : self._end(run)]) for run, begin in enumerate(self._begins)],
            polls=self._polls,
            failures=self._failures,
            first_seen=self._seen,
            bases=self._bases,
            reasons=list(self._index),
            at=self._at,
            changed=self._changed,
            held=self._held,
        )

    def add(self, record: Record) -> str | None:
        """Keep a record; return what is wrong with it, or None."""
        match record:
            case PollRange():
                return self._add_run(record)
            case FailedPolls():
                return self._add_failures(record)
            case FirstSeen():
                return self._add_reason(record)
            case _ if record.reason not in self._seen:
                return f"expected a 'seen' record of {record.reason[:40]!r} before this one, found none"
            case InitialCount():
                is_new = record.reason not in self._bases
                self._bases.setdefault(record.reason, Base(at=to_epoch_us(record.at), held=record.held))
                return None if is_new else f"expected one 'held' record of {record.reason[:40]!r}, found another one"
            case CountRecord():
                return self._add_change(record)

    def _add_reason(self, record: FirstSeen) -> str | None:
        if record.reason in self._seen:
            return f"expected one 'seen' record of {record.reason[:40]!r}, found another one"
        self._index[record.reason] = len(self._index)
        self._seen[record.reason] = to_epoch_us(record.at)
        return None

    def _add_run(self, record: PollRange) -> str | None:
        instants = int64_array(map(to_epoch_us, record.instants))
        goes_on = bool(self._polls) and instants[0] == self._polls[-1]
        if self._at or (self._polls and instants[0] < self._polls[-1]):
            return (
                "expected 'polled' records before all changes, oldest first and free of overlaps, found another order"
            )
        if not goes_on:
            self._begins.append(len(self._polls))
        self._polls.extend(instants[1:] if goes_on else instants)
        return None

    def _add_failures(self, record: FailedPolls) -> str | None:
        if self._at:
            return "expected 'failed' records before all changes, found one after them"
        instants = int64_array(map(to_epoch_us, record.polled.instants))
        self._failures.append(ImportedFailures(instants=instants, cause=record.cause, detail=record.detail))
        return None

    def _end(self, run: int) -> int:
        """Return the index behind the last poll of a run."""
        return self._begins[run + 1] if run + 1 < len(self._begins) else len(self._polls)

    def _add_change(self, record: CountRecord) -> str | None:
        at, reason = self._number_of(record.at), self._index[record.reason]
        newest = self._at[-1] if self._at else at
        if at < newest or (at == newest and reason in self._here):
            return "expected changes oldest first, one of a reason at one time, found another order"
        while self._run < len(self._begins) and self._polls[self._end(self._run) - 1] < at:
            self._run += 1
        if self._run == len(self._begins) or at < self._polls[self._begins[self._run]]:
            return "expected a 'polled' record that covers this change, found none"
        if at > newest:
            self._here.clear()
        self._here.add(reason)
        self._at.append(at)
        self._changed.append(reason)
        self._held.append(record.held)
        return None
