"""Everything that the files of an import say, on disk and in order: read once, looked at as often as is needed."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias

from alerter.core.evidence import Given, changes_from, given_by_polls, given_by_records, polls_of, usual_interval
from alerter.core.records import Change, FirstSeen, Held, Polled, Reading, Record
from alerter.core.series import HoldReason, Snapshot, Span, Tenant
from alerter.core.timelines import instant_of, number_of
from alerter.errors import InputError, Problem
from alerter.pipeline.ports import Spool

#: How many problems are kept to be shown; the others are counted.
MOST_SHOWN = 20

_BATCH = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The kinds of row; each kind is in order by itself.
_SEEN, _POLLED, _EVENT, _READING = range(4)
_LINE_BITS = 40
_LINE_MASK = (1 << _LINE_BITS) - 1

#: The line on which something begins, and what it is.
Entry: TypeAlias = tuple[int, Record | Reading]


class Inbox:
    """Everything that files say, on disk and in order.

    Args:
        spool: Holds it: rows of `COLUMNS` numbers.
    """

    COLUMNS = 8

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tenants: dict[Tenant, int] = {}
        self._reasons: dict[HoldReason, int] = {}
        self._files: list[str] = []
        self._are_records: dict[Tenant, bool] = {}
        self._intervals: dict[Tenant, timedelta] = {}
        self.entries = 0
        self.problems: list[Problem] = []
        self.problem_count = 0

    @property
    def tenants(self) -> Collection[Tenant]:
        """Whose history it is, in the order of the files."""
        return self._tenants

    def read(self, path: str, entries: Iterable[Entry | Problem]) -> None:
        """Take all of a file."""
        self._files.append(path)
        stream = iter(entries)
        while batch := list(islice(stream, _BATCH)):
            for each in batch:
                if isinstance(each, Problem):
                    self._refuse(each)
            self._spool.add([self._row(*each) for each in batch if not isinstance(each, Problem)])

    def settle(self, *, interval: timedelta | None) -> None:
        """Find out in which polls readings were made, and make sure that nothing is wrong with any of it.

        Args:
            interval: How far these polls are apart; None for the usual distance of two readings of a reason.

        Raises:
            InputError: Something is wrong; with the first problems, and how many there are.
        """
        for tenant, number in self._tenants.items():
            if self._are_records[tenant]:
                self._check_records(tenant, number)
            else:
                usual = usual_interval(self._readings(self._checked(number, _READING), tenant))
                self._intervals[tenant] = interval or usual or timedelta(0)
                self._settle(tenant, number)
        if not self.entries and not self.problem_count:
            self._refuse(Problem(file=", ".join(self._files), line=None, key="", text="expected history, found none"))
        if self.problem_count:
            in_order = sorted(self.problems, key=lambda each: (self._order_of(each), each.line or 0))
            raise InputError(tuple(in_order), self.problem_count)

    def given(self, tenant: Tenant, stored: Sequence[Span]) -> Given:
        """Return what is said of a tenant, beside the time that is covered already."""
        number = self._tenants[tenant]
        first_seen = self._first_seen(number)

        def events() -> Iterator[Held | Change]:
            return self._events(tenant)

        if self._are_records[tenant]:
            return given_by_records(tenant, self._polled(tenant), first_seen, events, stored)
        polled_at = (instant_of(row[2]) for row in self._spool.rows(number, _POLLED))
        interval = self._intervals[tenant]
        return given_by_polls(tenant, polled_at, first_seen, events, stored, interval=interval)

    def interval(self, tenant: Tenant) -> timedelta | None:
        """Return how far the polls of readings are apart; None where records tell what was polled."""
        return self._intervals.get(tenant)

    def reasons(self, tenant: Tenant) -> int:
        """Return how many hold reasons a tenant has."""
        number = self._tenants[tenant]
        return len({row[4] for kind in (_SEEN, _EVENT) for row in self._spool.rows(number, kind)})

    def _settle(self, tenant: Tenant, number: int) -> None:
        """Put the polls that readings were made in beside them: when they were, what changed, and what is new."""
        readings = self._readings(self._once(number, _READING), tenant)
        rows = self._polls(number, polls_of(readings, interval=self._intervals[tenant]))
        while batch := list(islice(rows, _BATCH)):
            self._spool.add(batch)

    def _polls(self, number: int, polls: Iterable[Snapshot]) -> Iterator[tuple[int, ...]]:
        held: dict[HoldReason, int] = {}
        for poll in polls:
            at = number_of(poll.taken_at)
            yield number, _POLLED, at, at, 1, 0, 0, 0
            for order, reason in enumerate(poll.counts):
                if reason not in held:
                    yield number, _SEEN, at, order, self._reasons[reason], at, 0, 0
            for change in changes_from(held, poll):
                yield number, _EVENT, at, 1, self._reasons[change.reason], change.held, 0, 0
            held = {**dict.fromkeys(held, 0), **poll.counts}

    def _order_of(self, problem: Problem) -> int:
        return self._files.index(problem.file) if problem.file in self._files else 0

    def _refuse(self, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < MOST_SHOWN:
            self.problems.append(problem)

    def _row(self, line: int, entry: Record | Reading) -> tuple[int, ...]:
        tenant = self._tenants.setdefault(entry.tenant, len(self._tenants))
        self.entries += 1
        place = len(self._files) - 1 << _LINE_BITS | line
        is_record = not isinstance(entry, Reading)
        if self._are_records.setdefault(entry.tenant, is_record) is not is_record:
            text = f"expected either records or readings of {entry.tenant!r} in one import, found both"
            self._refuse(Problem(file=self._files[-1], line=line, key="", text=text))
        match entry:
            case Polled():
                return tenant, _POLLED, number_of(entry.since), number_of(entry.until), entry.polls, 0, 0, place
            case FirstSeen():
                reason = self._reason(entry.reason)
                return tenant, _SEEN, place, 0, reason, number_of(entry.at), 0, place
            case Held() | Change():
                order = 0 if isinstance(entry, Held) else 1
                return (
                    tenant, _EVENT, number_of(entry.at), order, self._reason(entry.reason), entry.held, 0, place,
                )  # fmt: skip
            case Reading():
                return tenant, _READING, number_of(entry.at), 0, self._reason(entry.reason), entry.held, 0, place

    def _reason(self, reason: HoldReason) -> int:
        return self._reasons.setdefault(reason, len(self._reasons))

    def _readings(self, rows: Iterable[tuple[int, ...]], tenant: Tenant) -> Iterator[Reading]:
        reasons = list(self._reasons)
        last, instant = -1, _EPOCH
        for _, _, at, _, reason, held, _, _ in rows:
            if at != last:
                last, instant = at, instant_of(at)
            yield Reading(tenant=tenant, reason=reasons[reason], at=instant, held=held)

    def _events(self, tenant: Tenant) -> Iterator[Held | Change]:
        reasons = list(self._reasons)
        for _, _, at, order, reason, held, _, _ in self._once(self._tenants[tenant], _EVENT):
            yield (Change if order else Held)(tenant=tenant, reason=reasons[reason], at=instant_of(at), held=held)

    def _polled(self, tenant: Tenant) -> Iterator[Polled]:
        for _, _, since, until, polls, _, _, _ in self._spool.rows(self._tenants[tenant], _POLLED):
            yield Polled(tenant=tenant, since=instant_of(since), until=instant_of(until), polls=polls)

    def _first_seen(self, number: int) -> dict[HoldReason, datetime]:
        reasons = list(self._reasons)
        first_seen: dict[HoldReason, datetime] = {}
        for _, _, _, _, reason, at, _, _ in self._spool.rows(number, _SEEN):
            first_seen[reasons[reason]] = min(first_seen.get(reasons[reason], instant_of(at)), instant_of(at))
        return first_seen

    def _once(self, number: int, kind: int) -> Iterator[tuple[int, ...]]:
        """Yield rows of one kind without those that say the same again."""
        before: tuple[int, ...] = ()
        for row in self._spool.rows(number, kind):
            if row[2:5] != before[2:5]:
                yield row
            before = row

    def _checked(self, number: int, kind: int) -> Iterator[tuple[int, ...]]:
        """Yield rows of one kind; refuse those that contradict one another."""
        before: tuple[int, ...] = ()
        for row in self._spool.rows(number, kind):
            if row[2:5] == before[2:5] and row[5] != before[5]:
                text = f"expected one count at one time, found {row[5]:,}, and {before[5]:,} {self._place_of(before)}"
                self._refuse(self._problem(row, text))
            before = row
            yield row

    def _check_records(self, tenant: Tenant, number: int) -> None:
        """Refuse changes that contradict one another, and those that no poll can have seen."""
        runs = iter(given_by_records(tenant, self._polled(tenant), {}, lambda: iter(()), ()).pieces)
        run = next(runs, None)
        for row in self._checked(number, _EVENT):
            at = instant_of(row[2])
            while run is not None and run.until < at:
                run = next(runs, None)
            if row[3] and (run is None or at < run.since):
                self._refuse(self._problem(row, "expected a 'polled' record that covers this change, found none"))

    def _problem(self, row: Sequence[int], text: str) -> Problem:
        return Problem(file=self._files[row[-1] >> _LINE_BITS], line=row[-1] & _LINE_MASK, key="", text=text)

    def _place_of(self, row: Sequence[int]) -> str:
        return f"in {self._files[row[-1] >> _LINE_BITS]}, line {row[-1] & _LINE_MASK}"
