"""Import history from files: all of it or nothing, beside a running service.

1. Read the files. Nothing is locked; if anything is wrong, that is the end (see `inboxes`).
2. Compare what they say with what is stored, in a view that stands still. Nothing is locked.
3. Write it in one transaction, if the gaps that it fills are still the same. Only now may others have to wait.

A process that is killed anywhere leaves nothing behind.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from alerter.core.import_merge import (
    BEFORE_ALL,
    Base,
    CountChange,
    Gap,
    ImportedHistory,
    gaps,
    merge_failures,
    merge_runs,
    steps,
)
from alerter.core.poll_times import Int64Array, PollRun, int64_array
from alerter.core.series import MICROSECOND, HoldReason, Span, Tenant, from_epoch_us
from alerter.errors import StoreError
from alerter.storage import Reader, Store, Transaction

#: Called with how many changes are written, of how many.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantImport:
    """What an import says of one tenant, and what of it is new.

    Attributes:
        tenant: Whose.
        reasons: How many hold reasons it knows.
        interval: How far its polls are apart; None where records say what was polled.
        coverage: All its runs of successful polls, oldest first.
        added: What of them is new: where nothing is stored.
        failed_polls: How many failed polls are new.
        changes: How many changes were added, altered or deleted for it.
    """

    tenant: Tenant
    reasons: int
    interval: timedelta | None
    coverage: Sequence[PollRun]
    added: Sequence[PollRun]
    failed_polls: int
    changes: int

    @property
    def gaps(self) -> list[Span]:
        """The stretches between its runs of polls, oldest first: nothing is known of them."""
        runs = zip(self.coverage, self.coverage[1:], strict=False)
        return [Span(from_epoch_us(before.until), from_epoch_us(after.since)) for before, after in runs]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What came of an import.

    Attributes:
        entries: How many rows or lines were read.
        tenants: In the order of the files.
    """

    entries: int
    tenants: Sequence[TenantImport]


def import_history(
    given: Sequence[ImportedHistory], entries: int, store: Store, *, is_dry: bool, on_progress: OnProgress | None = None
) -> ImportResult:
    """Add what files say to what is stored: all of it, or nothing.

    Args:
        given: What they say, each tenant once.
        entries: How many rows or lines they have.
        store: Where it goes.
        is_dry: Whether to find out only what would be new.
        on_progress: Called now and then while changes are written.

    Raises:
        StoreError: Nothing was imported.
    """
    with store.read() as reader:
        plans = [_planned(each, reader) for each in given]
    new = [plan for plan in plans if plan.filled]
    if new and not is_dry:
        _write(new, store, on_progress or _silent)
    return ImportResult(entries=entries, tenants=[plan.summary for plan in plans])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What to do for one tenant."""

    given: ImportedHistory
    filled: Sequence[Gap]
    changes: "_Changes"
    first_seen: Mapping[HoldReason, int]
    bases: Mapping[HoldReason, Base]

    @property
    def summary(self) -> TenantImport:
        interval = self.given.interval
        return TenantImport(
            tenant=self.given.tenant,
            reasons=len(self.given.first_seen),
            interval=None if interval is None else interval * MICROSECOND,
            coverage=self.given.runs,
            added=[run for gap in self.filled for run in gap.runs],
            failed_polls=sum(len(each.instants) for gap in self.filled for each in gap.failures),
            changes=len(self.changes),
        )


class _Changes:
    """Changes to store, in the memory that four numbers take."""

    def __init__(self, changes: Iterator[CountChange]) -> None:
        self._index_by_reason: dict[HoldReason, int] = {}
        self._columns: tuple[Int64Array, ...] = (int64_array(), int64_array(), int64_array(), int64_array())
        at, reason, was, held = self._columns
        for change in changes:
            at.append(change[0])
            reason.append(self._index_by_reason.setdefault(change[1], len(self._index_by_reason)))
            was.append(change[2])
            held.append(change[3])

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[CountChange]:
        names = list(self._index_by_reason)
        return ((at, names[index], was, held) for at, index, was, held in zip(*self._columns, strict=True))

    @property
    def reasons(self) -> Collection[HoldReason]:
        """Of which reasons."""
        return self._index_by_reason


def _planned(given: ImportedHistory, reader: Reader) -> _Plan:
    stored = reader.imports.stored_history(given.tenant)
    filled = gaps(given, stored.coverage, stored.failures)
    polled = [gap for gap in filled if gap.runs]
    changes = _Changes(steps(given, stored, filled))
    # What a stored poll did not see, another tool cannot have seen at that time; but perhaps later.
    first_seen = {
        reason: at for reason, at in given.first_seen.items() if any(gap.after < at < gap.before for gap in polled)
    }
    for at, reason, _, _ in changes:
        first_seen.setdefault(reason, at)
    bases = given.bases if polled and polled[0].after == BEFORE_ALL else {}
    return _Plan(given=given, filled=filled, changes=changes, first_seen=first_seen, bases=bases)


def _write(plans: Sequence[_Plan], store: Store, on_progress: OnProgress) -> None:
    total, done = sum(len(plan.changes) for plan in plans), count()
    with store.write_import(total) as transaction:
        for plan in plans:
            changes = _counted(plan.changes, done, total, on_progress)
            transaction.imports.add_changes(plan.given.tenant, plan.first_seen, plan.bases, changes)
        transaction.imports.lock_writers()
        for plan in plans:
            _cover(plan, transaction)


def _cover(plan: _Plan, transaction: Transaction) -> None:
    tenant = plan.given.tenant
    coverage, failures = transaction.imports.runs(tenant), transaction.imports.failures(tenant)
    if gaps(plan.given, coverage, failures) != plan.filled:
        raise StoreError(
            f"the history of {tenant} changed while it was imported into: nothing was imported; import it again"
        )
    runs = merge_runs(coverage, plan.filled, interval=plan.given.interval, failures=failures)
    failed = merge_failures(failures, plan.filled, runs)
    transaction.imports.finish(tenant, runs, failed, plan.first_seen, plan.changes.reasons)


def _counted(changes: "_Changes", done: Iterator[int], total: int, on_progress: OnProgress) -> Iterator[CountChange]:
    for change, number in zip(changes, done, strict=False):
        if number % 1_000 == 0:
            on_progress(number, total)
        yield change


def _silent(_done: int, _of: int) -> None:
    """Report to nobody."""
