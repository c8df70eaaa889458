"""Take in history from files: all of it or nothing, beside a running service.

1. Read the files and put what they say on disk, in order. Nothing is locked; if anything is wrong, that is the end.
2. Hold it against what is stored, in a view that stands still, and put the changes to make on disk. Nothing is locked.
3. In one transaction: write, and make sure that the view still holds. Only now may others have to wait.

A process that is killed anywhere leaves nothing behind: what is on disk has no name, and the transaction is one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from alerter.core.evidence import Given
from alerter.core.merges import Merge, Step, Stored, joined, rebased, still_holds
from alerter.core.records import Polled
from alerter.core.series import HoldReason, Span, Tenant
from alerter.core.timelines import instant_of, number_of
from alerter.errors import StoreError
from alerter.pipeline.inboxes import Inbox
from alerter.pipeline.ports import HistoryReader, HistoryStore, HistoryTransaction, Spool

#: How often an import is held against the database anew, when that has changed under it.
ATTEMPTS = 5

Spooling = Callable[[int], AbstractContextManager[Spool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantImport:
    """What an import says of one tenant, and what of it is new.

    Attributes:
        tenant: Whose.
        reasons: How many hold reasons it knows.
        interval: How far its polls are apart; None where records say what was polled.
        coverage: All its runs of polls, oldest first.
        pieces: What of them is new: outside the time that is covered already.
        changes: How many changes were added, altered or deleted for it.
    """

    tenant: Tenant
    reasons: int
    interval: timedelta | None
    coverage: Sequence[Polled]
    pieces: Sequence[Polled]
    changes: int

    @property
    def gaps(self) -> list[Span]:
        """The stretches between its runs of polls, oldest first: nothing is known of them."""
        runs = zip(self.coverage, self.coverage[1:], strict=False)
        return [Span(before.until, after.since) for before, after in runs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import.

    Attributes:
        entries: How many rows or lines were read.
        tenants: In the order of the files.
    """

    entries: int
    tenants: Sequence[TenantImport]


def take_in(
    inbox: Inbox,
    store: HistoryStore,
    spooling: Spooling,
    *,
    is_dry: bool,
) -> Imported:
    """Add what an inbox holds to what is stored: all of it, or nothing.

    Args:
        inbox: What the files say; it is settled.
        store: Where it goes.
        spooling: Returns a spool for rows of so many numbers.
        is_dry: Whether to find out only what would be new.

    Raises:
        StoreError: Nothing was kept.
    """
    for _ in range(ATTEMPTS):
        with spooling(_Steps.COLUMNS) as spool:
            steps = _Steps(spool)
            with store.read() as reader:
                plans = [_planned(tenant, inbox, reader, steps) for tenant in inbox.tenants]
            if is_dry or not any(plan.given.pieces for plan in plans) or _is_written(plans, steps, store):
                return Imported(entries=inbox.entries, tenants=[plan.summary for plan in plans])
    raise StoreError(
        f"the history changed {ATTEMPTS} times while it was imported into: nothing was imported; try again"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What to do for one tenant, as it was found; its steps are in the spool."""

    given: Given
    stored: Stored
    merge: Merge
    summary: TenantImport


class _Steps:
    """The changes to make, on disk."""

    COLUMNS = 5

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tenants: dict[Tenant, int] = {}
        self._reasons: dict[HoldReason, int] = {}

    def add(self, tenant: Tenant, steps: Iterator[Step]) -> int:
        """Add the steps of a tenant; return how many there were."""
        number = self._tenants.setdefault(tenant, len(self._tenants))
        before = self._spool.count()
        self._spool.add(
            (number, number_of(step.at), self._reasons.setdefault(step.reason, len(self._reasons)), step.was, step.held)
            for step in steps
        )
        return self._spool.count() - before

    def of(self, tenant: Tenant) -> Iterator[Step]:
        """Yield the steps of a tenant, oldest first."""
        reasons = list(self._reasons)
        for _, at, reason, was, held in self._spool.rows(self._tenants[tenant]):
            yield Step(at=instant_of(at), reason=reasons[reason], was=was, held=held)


def _planned(tenant: Tenant, inbox: Inbox, reader: HistoryReader, steps: _Steps) -> _Plan:
    stored = reader.stored(tenant)
    covered = [Span(run.since, run.until) for run in stored.coverage]
    given = inbox.given(tenant, covered)
    merge = Merge(given, stored)
    changes = steps.add(tenant, merge.steps())
    summary = TenantImport(
        tenant=tenant,
        reasons=inbox.reasons(tenant),
        interval=inbox.interval(tenant),
        coverage=inbox.given(tenant, ()).pieces if covered else given.pieces,
        pieces=given.pieces,
        changes=changes,
    )
    return _Plan(given=given, stored=stored, merge=merge, summary=summary)


class _Changed(Exception):
    """Leaves a transaction without committing it: what was planned does not hold any more."""


def _is_written(plans: Sequence[_Plan], steps: _Steps, store: HistoryStore) -> bool:
    """Write what was planned, unless the history has changed under it; say whether it was written."""
    new = [plan for plan in plans if plan.given.pieces]
    try:
        with store.bulk(sum(plan.summary.changes for plan in new)) as transaction:
            _check(new, transaction)
            for plan in new:
                transaction.add_steps(plan.given.tenant, plan.merge.heads, steps.of(plan.given.tenant))
            transaction.close_ranks()
            _check(new, transaction)
            for plan in new:
                _take_in(plan, transaction)
    except _Changed:
        return False
    return True


def _check(plans: Sequence[_Plan], transaction: HistoryTransaction) -> None:
    for plan in plans:
        if not still_holds(plan.given, plan.stored, transaction.stored(plan.given.tenant)):
            raise _Changed


def _take_in(plan: _Plan, transaction: HistoryTransaction) -> None:
    tenant = plan.given.tenant
    present = transaction.stored(tenant)
    heads = {
        reason: rebased(head, plan.stored.heads.get(reason), present.heads.get(reason))
        for reason, head in plan.merge.heads.items()
    }
    coverage = joined(present.coverage, plan.given.pieces, reach=plan.given.reach)
    transaction.take_in(tenant, coverage=coverage, heads=heads)
