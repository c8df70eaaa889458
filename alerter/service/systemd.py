"""Messages to systemd: ready, status, watchdog.

Ready is a service whose configuration, database and receivers were found sound and that has tried to poll every tenant.
Progress is a completed cycle. Nothing else feeds the watchdog, so that a process that stands still, a poller that hangs
and a database that keeps nothing all end in a restart. The main thread alone calls this.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from alerter.health import Health
from alerter.service.sd_notify import SdNotify
from alerter.service.status_line import AlertCounts, StatusInput, join_names, status_line

if TYPE_CHECKING:
    from alerter.core.series import Tenant

log = logging.getLogger(__name__)

#: For so long the first poll of every tenant is waited for: longer than one may take, however its host hangs.
FIRST_POLLS = timedelta(seconds=45)
#: How much time a start that goes on asks for, again and again.
START_MARGIN = timedelta(seconds=45)
#: The watchdog bites so much later than the log says which tenants are overdue.
WATCHDOG_MARGIN = timedelta(seconds=30)
#: How often the status line is renewed at most, in seconds: at nearly every look of the main thread while it naps.
STATUS_SECONDS = 4
#: How often the database is asked what fires and what is undelivered, where nothing here has changed it: another
#: process may have.
COUNTS_SECONDS = 60


class SystemdStatus:
    """Notifies systemd of how the service is; does nothing where there is no systemd.

    Args:
        systemd: Who is notified.
        health: What the service's cycles came to.
        monotonic: Seconds that never jump.
    """

    def __init__(self, systemd: SdNotify, health: Health, *, monotonic: Callable[[], float]) -> None:
        self._systemd = systemd
        self._health = health
        self._monotonic = monotonic
        self._polling_since = 0.0
        self._is_ready = False
        self._fed_for = 0
        self._limit = timedelta(0)
        self._overdue: frozenset[Tenant] = frozenset()
        self._counts: AlertCounts | None = None
        self._counts_seconds = -inf
        self._has_news = True
        self._refusal = ""
        self._sharing = ""
        self._line = ""
        self._line_seconds = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether the service was found ready."""
        return self._is_ready

    def starting(self, what: str) -> None:
        """Say what the start is at, and ask for more time: called again and again while that lasts."""
        self._systemd.notify(STATUS=f"starting: {what}", EXTEND_TIMEOUT_USEC=_usec(START_MARGIN))

    def polling(self) -> None:
        """Say that the first polls have begun."""
        self._polling_since = self._monotonic()
        self._systemd.notify(STATUS="starting: the first polls", EXTEND_TIMEOUT_USEC=_usec(FIRST_POLLS + START_MARGIN))

    def mark_changed(self) -> None:
        """Take note that alerts or deliveries are not as they were; from any thread."""
        self._has_news = True

    def needs_counts(self) -> bool:
        """Say whether the database should be asked again what fires and what is undelivered."""
        if not self._systemd.is_listening:
            return False
        every = STATUS_SECONDS if self._has_news or self._sharing else COUNTS_SECONDS
        if self._monotonic() - self._counts_seconds < every:
            return False
        self._has_news, self._counts_seconds = False, self._monotonic()
        return True

    def set_counts(self, counts: AlertCounts) -> None:
        """Keep what the database says, for the status line."""
        self._counts = counts

    def update(self, *, sharing: str = "", now: datetime) -> None:
        """Say what is new since the last update: that the service is ready, made progress, or has another state.

        Args:
            sharing: How the tenants are shared with other instances; empty where they are not.
            now: The time, in the time zone in which people read it.
        """
        self._sharing = sharing
        self._look_for_overdue()
        if not self._is_ready:
            self._become_ready(now=now)
            return
        self._feed_watchdog()
        if self._systemd.is_listening and self._monotonic() - self._line_seconds >= STATUS_SECONDS:
            self._send_status(now=now)

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        if self._is_ready:
            self._systemd.notify_reloading(STATUS="reloading the configuration")

    def reloaded(self, refusal: str, *, now: datetime) -> None:
        """Say that the reload is over.

        Args:
            refusal: Why the new configuration was refused, so that the one before stays in force; empty if it was not.
            now: As for `update`.
        """
        self._refusal = (
            f"configuration rejected at {now:%H:%M:%S}, the one before is in force: {refusal}" if refusal else ""
        )
        # The last complete cycle may be longer ago than a limit that has become shorter: that waits for the next one.
        self._limit = max(self._limit, self._due_limit())
        if self._is_ready:
            self._send_status(READY=1, **self._limited(), now=now)

    def stopping(self) -> None:
        """Say that the service ends as soon as what is in flight has ended."""
        self._systemd.notify(STOPPING=1, STATUS="stopping: polls and messages in flight may end")

    def _become_ready(self, *, now: datetime) -> None:
        waited = self._monotonic() - self._polling_since
        has_tried_all = self._health.all_polled_once()
        if not has_tried_all and waited < FIRST_POLLS.total_seconds():
            return
        self._limit = self._due_limit()
        self._is_ready = self._send_status(READY=1, **self._limited(), now=now)
        if not has_tried_all:
            log.warning("ready before every tenant was tried seconds=%.0f", waited)

    def _feed_watchdog(self) -> None:
        completed = self._health.progress()
        if completed == self._fed_for or self._overdue or not self._systemd.has_watchdog:
            return
        self._limit = self._due_limit()
        if self._systemd.notify(WATCHDOG=1, **self._limited()):
            self._fed_for = completed

    def _due_limit(self) -> timedelta:
        """Return how long the watchdog should wait: somewhat longer than until the first tenant is overdue."""
        return self._health.min_deadline() + WATCHDOG_MARGIN

    def _limited(self) -> Mapping[str, int]:
        return {"WATCHDOG_USEC": _usec(self._limit)} if self._systemd.has_watchdog else {}

    def _look_for_overdue(self) -> None:
        overdue = frozenset(self._health.overdue())
        if overdue - self._overdue:
            bites = "the watchdog is not fed any more" if self._systemd.has_watchdog else ""
            log.error("tenants overdue tenant_names=%s: %s", join_names(overdue), bites)
        elif self._overdue and not overdue:
            log.info("no tenant overdue")
        self._overdue = overdue

    def _send_status(self, *, now: datetime, **assignments: int) -> bool:
        """Send the status line if it is a new one, and in any case what must be said with it."""
        line = status_line(self._status(now=now))
        if line == self._line and not assignments:
            return True
        self._line, self._line_seconds = line, self._monotonic()
        return self._systemd.notify(**assignments, STATUS=line)

    def _status(self, *, now: datetime) -> StatusInput:
        cycles = self._health.newest_cycles()
        newest = max((cycle.ended_seconds for cycle in cycles.values()), default=None)
        return StatusInput(
            tenants=self._health.tenant_count(),
            cycles=cycles,
            overdue=self._overdue,
            last_at=None if newest is None else now - timedelta(seconds=self._monotonic() - newest),
            refusal=self._refusal,
            sharing=self._sharing,
            counts=self._counts,
        )


def _usec(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
