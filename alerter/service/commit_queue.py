"""Queue of fetched results in front of the one writer: results that wait at the same time share a transaction.

Mimecast is asked by many threads at a time, the database takes one writer. So one thread takes the results that wait
and hands them on together, and no thread that asks waits for the database. A first result of a tenant is different:
everything about the tenant must be read, which takes five times as long. The thread that fetched it waits until it is
committed, so that on a slow machine no more is asked than can be committed.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from threading import Condition, Event, Thread
from typing import Protocol

from alerter.core.series import Snapshot, Tenant
from alerter.errors import SourceError

log = logging.getLogger(__name__)

#: This many results share a commit at most, and are lost together if it fails.
MAX_POLLS_PER_COMMIT = 50
#: The same for first results, so that after a start no other result waits for a thousand of them.
MAX_FIRST_POLLS_PER_COMMIT = 10
#: How often a thread that waits for a commit checks whether to stop, in seconds.
STOP_CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What a fetch returned, or why it failed.

    Attributes:
        source: What was asked; after a reload it may no longer be the tenant's. None if nothing was asked.
        fetched: The snapshot or the error.
        duration: How long the fetch took.
    """

    source: object
    fetched: Snapshot | SourceError
    duration: timedelta

    def fetch(self) -> Snapshot:
        """Return the snapshot, or raise the error: a result is a source that has been asked already."""
        if isinstance(self.fetched, SourceError):
            raise self.fetched
        return self.fetched


class ResultHandler(Protocol):
    """Stores results, evaluates them and enqueues notifications."""

    def __call__(self, results: Mapping[Tenant, FetchResult]) -> Collection[Tenant]:
        """Handle the results of several tenants in one transaction; never raises.

        Returns:
            The tenants whose results were dropped because they are outdated: these are asked again.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A result that waits for its commit."""

    tenant: Tenant
    result: FetchResult
    is_done: Event = field(default_factory=Event)


class CommitQueue:
    """Hands results to the writer, from a thread of its own.

    Args:
        handle: Commits results.
        ask_again: Called from the queue's thread with the tenants whose results were dropped.
    """

    def __init__(self, handle: ResultHandler, ask_again: Callable[[Tenant], None]) -> None:
        self._handle = handle
        self._ask_again = ask_again
        self._changed = Condition()
        self._waiting: dict[Tenant, _Waiting] = {}
        self._first_waiting: dict[Tenant, _Waiting] = {}
        self._in_commit: Mapping[Tenant, _Waiting] = {}
        self._is_stopped = False
        self._thread = Thread(target=self._run, name="commit", daemon=True)

    def start(self) -> None:
        """Begin to commit what waits."""
        self._thread.start()

    def stop(self, *, within: float) -> None:
        """Commit nothing more; wait this many seconds at most for the commit that is under way."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(within)

    def __contains__(self, tenant: object) -> bool:
        """Return True while a result of the tenant waits for its commit, or is being committed."""
        with self._changed:
            return self._has(tenant)

    def _has(self, tenant: object) -> bool:
        return tenant in self._waiting or tenant in self._first_waiting or tenant in self._in_commit

    def put(self, tenant: Tenant, result: FetchResult) -> None:
        """Have a result committed soon."""
        with self._changed:
            self._waiting[tenant] = _Waiting(tenant, result)
            self._changed.notify_all()

    def put_missed(self, tenant: Tenant, result: FetchResult) -> None:
        """Have the failure of a poll that could not begin committed, unless another result of the tenant waits."""
        with self._changed:
            if not self._has(tenant):
                self._waiting[tenant] = _Waiting(tenant, result)
                self._changed.notify_all()

    def put_first(self, tenant: Tenant, result: FetchResult) -> None:
        """Have the first result of a tenant committed, and wait for that."""
        waiting = _Waiting(tenant, result)
        with self._changed:
            self._first_waiting[tenant] = waiting
            self._changed.notify_all()
        while not self._is_stopped and not waiting.is_done.wait(STOP_CHECK_SECONDS):
            pass

    def _run(self) -> None:
        while group := self._next_group():
            dropped: Collection[Tenant] = ()
            try:
                dropped = self._handle({tenant: waiting.result for tenant, waiting in group.items()})
            except Exception:
                # The boundary of the thread: if it ended, nothing would ever be committed again, and nobody would know.
                log.exception("internal error job=%s tenants=%d", "commit", len(group))
            with self._changed:
                self._in_commit = {}
            for tenant in dropped:
                self._ask_again(tenant)
            for waiting in group.values():
                waiting.is_done.set()

    def _next_group(self) -> Mapping[Tenant, _Waiting]:
        """Wait for results; return those that are committed next, or nothing after a stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._waiting or self._first_waiting)
            if self._is_stopped:
                return {}
            self._in_commit = {
                **_take(self._first_waiting, at_most=MAX_FIRST_POLLS_PER_COMMIT),
                **_take(self._waiting, at_most=MAX_POLLS_PER_COMMIT),
            }
            return self._in_commit


def _take(waiting: dict[Tenant, _Waiting], *, at_most: int) -> dict[Tenant, _Waiting]:
    """Remove and return the entries that have waited longest."""
    return {tenant: waiting.pop(tenant) for tenant in list(islice(waiting, at_most))}
