"""An SQLite file, which one instance has for itself: it polls everything, for as long as the file is its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf

from alerter.core.series import Tenant
from alerter.sharing.parts import Clocks
from alerter.storage import DaemonLock, Store

#: How often it is made sure that an SQLite file is still the one that was locked, in seconds.
LOCK_CHECK_SECONDS = 30.0


class Alone:
    """The only instance on an SQLite file."""

    is_shared = False

    def __init__(self, store: Store, clocks: Clocks) -> None:
        self._store = store
        self._clocks = clocks
        self._lock: DaemonLock | None = None
        self._checked_seconds = -inf

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Lock the file."""
        with self._store.lock() as self._lock:
            yield

    def follow(self, configuration: str, intervals: Mapping[Tenant, timedelta]) -> None:
        """Share with nobody."""

    def share(self, intervals: Mapping[Tenant, timedelta]) -> Mapping[Tenant, timedelta]:
        """Return all of them."""
        return intervals

    def look(self) -> bool:
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

    def trouble(self) -> str:
        """Return nothing."""
        return ""

    def notified(self) -> str:
        """Return nothing."""
        return ""
