"""Stand-ins that satisfy pipeline's Protocols: a clock, an account, ways out, and a store that fails on request."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from alerter.core.message.content import Message
from alerter.core.series import Snapshot
from alerter.errors import DeliveryError, SourceError
from alerter.storage import Store, Transaction
from alerter.storage.engine import Repository
from tests.builders import NOON, a_snapshot, span


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """Return the time that it shows."""
        return self.now

    def forward(self, text: str) -> datetime:
        """Move it on by a span such as `5m`, and return the new time."""
        self.now += span(text)
        return self.now


class FakeSource:
    """An account that gives the answers it was handed, in order: counts, or the failure of a poll."""

    def __init__(self, clock: FakeClock, *, tenant: str = "acme") -> None:
        self.clock = clock
        self.tenant = tenant
        self.answers: deque[Mapping[str, int] | SourceError] = deque()

    def fetch(self) -> Snapshot:
        """Return the next answer as a snapshot of this moment, or raise it."""
        answer = self.answers.popleft()
        if isinstance(answer, SourceError):
            raise answer
        return a_snapshot(answer, tenant=self.tenant, taken_at=self.clock.now)


@dataclass
class RecordingNotifier:
    """A way out that remembers what it was given: (URL, message), in order.

    Attributes:
        sent: What the targets took.
        refusals: The errors of URLs that take nothing.
        unwanted: The ids of messages that nobody takes.
        takes: How long an attempt lasts, if a clock is to show it.
        clock: That clock.
    """

    sent: list[tuple[str, Message]] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)
    takes: timedelta = timedelta(0)
    clock: FakeClock | None = None

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Remember the message, or raise the error of its URL."""
        del had_by
        if self.clock is not None:
            self.clock.now += self.takes
        if url in self.refusals:
            raise self.refusals[url]
        if message.id in self.unwanted:
            raise DeliveryError("answered 400", refused=True)
        self.sent.append((url, message))

    def sent_to(self, url: str) -> list[Message]:
        """Return what one target took, in order."""
        return [message for to, message in self.sent if to == url]


class FailingNotifier:
    """A way out that is closed."""

    def __init__(self, error: DeliveryError | None = None) -> None:
        self.error = error or DeliveryError("connection refused")
        self.attempts: list[tuple[str, Message]] = []

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Raise the error it was made with."""
        del had_by
        self.attempts.append((url, message))
        raise self.error


class CrashError(BaseException):
    """The process ends here: nothing in alerter may catch it."""


class CrashingStore(Store):
    """A store of which the n-th call inside a transaction, or the commit after the last one, ends the process.

    Attributes:
        calls: How many calls were made.
        crash_at: The call that crashes, counted from 1; 0 for none.
    """

    def __init__(self, store: Store, *, crash_at: int = 0) -> None:
        """Stand for a store, with its connections and its cache."""
        vars(self).update(vars(store))
        self.calls = 0
        self.crash_at = crash_at

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction in which a call may crash; the last one is the commit."""
        with super().write() as transaction:
            yield cast("Transaction", _CountedCalls(transaction, self))
            self.count()

    def count(self) -> None:
        """Count a call, and crash if it is the one."""
        self.calls += 1
        if self.calls == self.crash_at:
            raise CrashError


class _CountedCalls:
    """Counts every call to a repository of a transaction, then passes it on."""

    def __init__(self, inner: object, store: CrashingStore) -> None:
        self._inner = inner
        self._store = store

    def __getattr__(self, name: str) -> object:
        """Return a repository, or a repository's own method."""
        found = getattr(self._inner, name)
        if isinstance(found, Repository):
            return _CountedCalls(found, self._store)
        self._store.count()
        return found
