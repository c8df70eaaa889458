"""Keep: delete what is too old, thin and pack what is old, and give back the room, a little at a time, in nobody's way.

Each transaction takes some milliseconds, and a rest follows in which polls and deliveries have the database for
themselves. All of it may end anywhere, and goes on there the next time.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from alerter.core.downsampling import utc_day
from alerter.core.series import Tenant
from alerter.storage import Store, Transaction

log = logging.getLogger(__name__)

#: Counts that are older are packed, by whole days: nearly nobody writes to them any more.
COMPRESS_AFTER = timedelta(days=1)
#: What a transaction may take, about: less than anybody notices.
MAX_SECONDS = 0.01
#: After each batch, this multiple of its time is left to others.
PAUSE_FACTOR = 4
_FEWEST, _FIRST, _MOST = 50, 500, 10_000
#: So much is looked for at a time, in a view that holds nobody up.
_FOUND_AT_A_TIME = 10_000
_PAGES_AT_A_TIME = 32

_Key = TypeVar("_Key")


class _Stopped(Exception):
    """There is no more time."""


@dataclass(slots=True)
class BatchSizer:
    """How much is done at a time, found out while doing it.

    Attributes:
        seconds: A clock that only goes forward.
        pause: Waits for the seconds that it is given; returns True where there is no more time.
        rows: The number at a time.
    """

    seconds: Callable[[], float]
    pause: Callable[[float], bool]
    rows: int = _FIRST

    def run(self, store: Store, act: Callable[[Transaction], int]) -> int:
        """Do something in a transaction of its own, then rest; return how many rows or pages it did.

        Raises:
            _Stopped: There is no more time; it is done all the same. Or another process does this, and it is not done.
        """
        with store.write() as transaction:
            if not transaction.leases.state().is_leader:
                raise _Stopped
            # Who has waited for others has not worked.
            began = self.seconds()
            done = act(transaction)
        took = self.seconds() - began
        if took > MAX_SECONDS:
            self.rows = max(_FEWEST, self.rows // 2)
        elif took < MAX_SECONDS / 4 and done >= self.rows:
            self.rows = min(_MOST, self.rows * 2)
        if self.pause(PAUSE_FACTOR * took):
            raise _Stopped
        return done


@dataclass(slots=True)
class RetentionResult:
    """What was done, in rows, and in pages of a file.

    Attributes:
        pruned: Rows that were too old, and are deleted.
        downsampled: Old changes that were looked at, of which each hour keeps its extremes.
        compressed: Changes that became parts of a chunk.
        bodies_dropped: Old messages of which the title is kept.
        pages_freed: What was given back to the disk.
    """

    pruned: int = 0
    downsampled: int = 0
    compressed: int = 0
    bodies_dropped: int = 0
    pages_freed: int = 0


def apply_retention(
    store: Store, *, retention: timedelta, downsample_after: timedelta, batch_sizer: BatchSizer, now: datetime
) -> RetentionResult:
    """Delete history that is older than its retention, thin what is older than the fine one, and pack what is left.

    All by whole days, so that of thousands of tenants each is touched once a day.

    Args:
        store: Where it is.
        retention: How long it is kept.
        downsample_after: How long all of it is kept; at most the retention.
        batch_sizer: How much at a time.
        now: The present.

    Returns:
        What was done until the end, or until there was no more time.

    Raises:
        StoreError: What was done before it stays done.
    """
    kept = RetentionResult()
    with suppress(_Stopped):
        _prune(store, kept, batch_sizer, before=utc_day(now - retention))
        _thin(store, kept, batch_sizer, before=utc_day(now - downsample_after))
        _pack(store, kept, batch_sizer, before=utc_day(now - COMPRESS_AFTER))
        while pages := batch_sizer.run(store, lambda transaction: transaction.retention.vacuum_pages(_PAGES_AT_A_TIME)):
            kept.pages_freed += pages
        batch_sizer.run(store, lambda transaction: transaction.retention.record_size(now=now))
    if kept != RetentionResult():
        log.info(
            "retention applied pruned=%d downsampled=%d compressed=%d bodies_dropped=%d pages_freed=%d",
            kept.pruned, kept.downsampled, kept.compressed, kept.bodies_dropped, kept.pages_freed,
        )  # fmt: skip
    return kept


def _prune(store: Store, kept: RetentionResult, batch_sizer: BatchSizer, *, before: datetime) -> None:
    with store.read() as reader:
        tenants = reader.retention.tenants_to_prune(before)
    for rows in _of_each(
        tenants, store, batch_sizer, lambda one, name: one.retention.prune(name, before=before, batch=batch_sizer.rows)
    ):
        kept.pruned += rows
    while True:
        with store.read() as reader:
            outdated = reader.retention.expired_rows(before=before, limit=_FOUND_AT_A_TIME)
        if not outdated:
            return
        for part in _parts(outdated, batch_sizer):
            kept.pruned += batch_sizer.run(store, lambda one: one.retention.delete_expired(part, before=before))  # noqa: B023


def _thin(store: Store, kept: RetentionResult, batch_sizer: BatchSizer, *, before: datetime) -> None:
    with store.read() as reader:
        tenants = reader.retention.tenants_to_downsample(before)
    for rows in _of_each(
        tenants,
        store,
        batch_sizer,
        lambda one, name: one.retention.downsample(name, before=before, batch=batch_sizer.rows),
    ):
        kept.downsampled += rows
    while True:
        with store.read() as reader:
            with_old_bodies = reader.retention.messages_with_old_bodies(before=before, limit=_FOUND_AT_A_TIME)
        if not with_old_bodies:
            return
        for part in _parts(with_old_bodies, batch_sizer):
            kept.bodies_dropped += batch_sizer.run(store, lambda one: one.retention.drop_bodies(part))  # noqa: B023


def _pack(store: Store, kept: RetentionResult, batch_sizer: BatchSizer, *, before: datetime) -> None:
    with store.read() as reader:
        tenants = reader.retention.tenants_to_compress(before)

    def pack(transaction: Transaction, tenant: Tenant) -> int:
        # An instance that is older might not know chunks.
        return transaction.retention.compress(tenant, before=before) if transaction.leases.state().configs_match else 0

    for changes in _of_each(tenants, store, batch_sizer, pack):
        kept.compressed += changes


def _of_each(
    tenants: Iterable[Tenant], store: Store, batch_sizer: BatchSizer, act: Callable[[Transaction, Tenant], int]
) -> Iterator[int]:
    """Do something for one tenant after the other, for each until nothing is left; yield what each transaction did."""
    for tenant in tenants:
        while done := batch_sizer.run(store, lambda one: act(one, tenant)):  # noqa: B023
            yield done


def _parts(keys: Sequence[_Key], batch_sizer: BatchSizer) -> Iterator[Sequence[_Key]]:
    """Yield keys, as many at a time as the pace says by then."""
    while keys:
        rows = batch_sizer.rows
        yield keys[:rows]
        keys = keys[rows:]
