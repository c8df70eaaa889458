"""This instance's part in a database: what the daemon asks of it, and the one of an SQLite file, which is whole."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Protocol

from alerter.core.series import Tenant
from alerter.storage import DaemonLock, Store

#: How often it is made sure that an SQLite file is still the one that was locked, in seconds.
LOCK_CHECK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks of this machine.

    Attributes:
        now: The time.
        seconds: Seconds that never jump, and go on while the machine sleeps.
    """

    now: Callable[[], datetime]
    seconds: Callable[[], float]


class Membership(Protocol):
    """This instance's part in a database."""

    @property
    def is_shared(self) -> bool:
        """Whether other instances may have a part in it."""
        ...

    def join(self) -> AbstractContextManager[None]:
        """Take part in the database, from before its schema is looked at until the end.

        Raises:
            StoreError: Somebody has it for itself.
        """
        ...

    def apply_config(self, configuration: str, intervals: Mapping[Tenant, timedelta]) -> None:
        """Share by this configuration from now on.

        Args:
            configuration: A digest of what it decides.
            intervals: Whom it polls, and how often.

        Raises:
            StoreError: There was no life before, and none can begin.
        """
        ...

    def own_tenants(self, intervals: Mapping[Tenant, timedelta]) -> Mapping[Tenant, timedelta]:
        """Return those of the tenants that are this instance's now."""
        ...

    def refresh(self) -> bool:
        """Find out whether the share, or who decides, has changed since the last check; called every second.

        Raises:
            StoreError: The database is lost to this process for good.
        """
        ...

    def may_act(self) -> bool:
        """Say whether to begin to poll or to send: nobody else can have begun to do it instead."""
        ...

    def clock(self) -> datetime:
        """Return the time by which deliveries wait: the same for all that share the database."""
        ...

    def fatal_reason(self) -> str:
        """Return why this instance does nothing; empty while it may act."""
        ...

    def summary(self) -> str:
        """Return how the tenants are shared, in a few words; empty where they are not."""
        ...


class SingleNode:
    """The only instance on an SQLite file."""

    is_shared = False

    def __init__(self, store: Store, clocks: Clocks) -> None:
        self._store = store
        self._clocks = clocks
        self._lock: DaemonLock | None = None
        self._checked_seconds = -inf

    @contextmanager
    def join(self) -> Iterator[None]:
        """Lock the file."""
        with self._store.lock() as self._lock:
            yield

    def apply_config(self, configuration: str, intervals: Mapping[Tenant, timedelta]) -> None:
        """Share with nobody."""

    def own_tenants(self, intervals: Mapping[Tenant, timedelta]) -> Mapping[Tenant, timedelta]:
        """Return all of them."""
        return intervals

    def refresh(self) -> bool:
        """Make sure, now and then, that the file is still the one that was locked."""
        seconds = self._clocks.seconds()
        if self._lock is not None and seconds - self._checked_seconds > LOCK_CHECK_SECONDS:
            self._checked_seconds = seconds
            self._lock.check()
        return False

    def may_act(self) -> bool:
        """Say that it always may."""
        return True

    def clock(self) -> datetime:
        """Return the time."""
        return self._clocks.now()

    def fatal_reason(self) -> str:
        """Return nothing."""
        return ""

    def summary(self) -> str:
        """Return nothing."""
        return ""
