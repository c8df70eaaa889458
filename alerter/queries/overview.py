"""Overview of all tenants, kept while nothing changes: what the head of every screen and the list of tenants show.

Reading it costs a third of a second with ten thousand tenants of fifty reasons. There it is read beside the requests,
no more often than a tenth of the time, and only the first of them waits. With few tenants it is read at once.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from alerter.core.alerts import AlertState
from alerter.core.rules import Severity
from alerter.errors import StoreError
from alerter.queries.tenants import PollingState, TenantStatus, status_for, worst_first

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.series import Tenant
    from alerter.storage import Reader, SeriesCount

log = logging.getLogger(__name__)

#: The largest counts that are kept.
MAX_LARGEST: Final = 20
#: What takes longer to read, in seconds, is read beside the requests, which are answered with the one before.
_SLOW_SECONDS: Final = 0.1
#: Then it is read again after this multiple of the time that reading took.
_REST: Final = 10
#: And one that is older than this is not used.
_MAX_STALE_SECONDS: Final = 30.0
#: Without any commit it is read again after this: what is not polled any more changes by the clock alone.
_MAX_AGE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What is known of all tenants at an instant.

    Attributes:
        at: The instant.
        tenants: Every tenant of the configuration, the worst first.
        by_name: The same by name.
        firing: How many alerts fire, by severity; only those of which there are some.
        firing_by_tenant: The same of each tenant that has some.
        pending: How many alerts are pending.
        largest: What most is held for.
        newest_poll: The newest successful poll of any tenant; None before the first one.
    """

    at: datetime
    tenants: tuple[TenantStatus, ...]
    by_name: "Mapping[Tenant, TenantStatus]"
    firing: Mapping[Severity, int]
    firing_by_tenant: "Mapping[Tenant, Mapping[Severity, int]]"
    pending: int
    largest: "tuple[SeriesCount, ...]"
    newest_poll: datetime | None

    @property
    def failing(self) -> tuple[TenantStatus, ...]:
        """The tenants that are not seen as they should be, the worst first."""
        return tuple(each for each in self.tenants if each.polling_state is not PollingState.OK)

    @property
    def held(self) -> int:
        """How many messages are held, as far as is known."""
        return sum(each.held or 0 for each in self.tenants)

    @property
    def firing_total(self) -> int:
        """How many alerts fire."""
        return sum(self.firing.values())

    def worst_of(self, tenant: "Tenant") -> Severity | None:
        """Return the highest severity that fires for a tenant, or None."""
        return max(self.firing_by_tenant.get(tenant, ()), key=lambda severity: severity.rank, default=None)


def load_overview(reader: "Reader", config: "Config", *, now: datetime) -> Overview:
    """Return what is known of all tenants now."""
    pollings, held, holders = (
        reader.polls.status_by_tenant(),
        reader.history.held_by_tenant(),
        reader.leases.instance_by_tenant(),
    )
    by_tenant = reader.lists.firing_by_tenant()
    counts = reader.alerts.counts_by_state()
    statuses = {
        name: replace(
            status_for(settings, pollings.get(name), held.get(name), sum(by_tenant.get(name, {}).values()), now=now),
            instance=holders[name].name if name in holders else None,
        )
        for name, settings in config.tenants.items()
    }
    firing = {severity: number for (state, severity), number in counts.items() if state is AlertState.FIRING}
    polled = [each.polling.last_success_at for each in statuses.values() if each.polling.last_success_at is not None]
    return Overview(
        at=now,
        tenants=tuple(sorted(statuses.values(), key=worst_first)),
        by_name=statuses,
        firing=dict(sorted(firing.items(), key=lambda item: -item[0].rank)),
        firing_by_tenant=by_tenant,
        pending=sum(number for (state, _), number in counts.items() if state is AlertState.PENDING),
        largest=tuple(reader.lists.largest_series(limit=MAX_LARGEST)) if len(statuses) > 1 else (),
        newest_poll=max(polled, default=None),
    )


def _run_in_thread(work: Callable[[], None]) -> None:
    # A daemon, so that a database that hangs does not hold up the end of the process.
    Thread(target=work, name="overview", daemon=True).start()


class OverviewCache:
    """Keeps the overview while nothing changes.

    Args:
        seconds: A monotonic clock.
        load: Reads the overview in a view of its own, however long that takes.
        beside: Runs something beside the requests.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        load: "Callable[[Config, datetime], Overview]",
        beside: Callable[[Callable[[], None]], None] = _run_in_thread,
    ) -> None:
        self._seconds = seconds
        self._beside = beside
        self._load = load
        self._lock = Lock()
        self._kept: Overview | None = None
        self._of: object = None
        self._read_at = 0.0
        self._cost = 0.0
        self._is_reading = False

    def get(self, reader: "Reader", config: "Config", *, version: object, now: datetime) -> tuple[Overview, bool]:
        """Return the overview, and whether it is of this version: one that takes long to read may be some seconds old.

        Args:
            reader: Reads it.
            config: Its tenants count.
            version: Another one after each change of the database or the configuration.
            now: The present.

        Raises:
            StoreError: The reader could not read it in time. It is read on, for the next one who asks.
        """
        of = version, id(config)
        with self._lock:
            kept, age = self._kept, self._seconds() - self._read_at
            if kept is not None and self._of == of and age < _MAX_AGE_SECONDS:
                return kept, True
            is_usable = kept is not None and kept.by_name.keys() == config.tenants.keys()
            if kept is not None and is_usable and self._cost > _SLOW_SECONDS and age < _MAX_STALE_SECONDS:
                if age > _REST * self._cost:
                    self._read_beside(config, of, now)
                return kept, False
            began = self._seconds()
            try:
                overview = load_overview(reader, config, now=now)
            except StoreError:
                self._read_beside(config, of, now)
                raise
            self._keep(overview, of, began)
            return overview, True

    def _keep(self, overview: Overview, of: object, began: float) -> None:
        self._read_at, self._cost = self._seconds(), self._seconds() - began
        self._kept, self._of = overview, of

    def _read_beside(self, config: "Config", of: object, now: datetime) -> None:
        """Read it while others are answered, unless that is done already."""
        if not self._is_reading:
            self._is_reading = True
            self._beside(lambda: self._read(config, of, now))

    def _read(self, config: "Config", of: object, now: datetime) -> None:
        began = self._seconds()
        try:
            overview = self._load(config, now)
            with self._lock:
                self._keep(overview, of, began)
        except StoreError as error:
            log.warning("database unavailable for the page: %s", error)
        finally:
            self._is_reading = False


#: A tenant without a recent poll is overdue for the page after this number of its intervals.
OVERDUE_INTERVALS: Final = 3
MIN_OVERDUE: Final = timedelta(minutes=2)


def overdue_text(overview: Overview, config: "Config", *, now: datetime) -> str:
    """Return that nothing was polled for too long, so that what is shown may be old; empty if that is not so."""
    newest = overview.newest_poll
    if newest is None or not config.tenants:
        return ""
    interval = min(tenant.poll_interval for tenant in config.tenants.values())
    if now - newest <= max(MIN_OVERDUE, OVERDUE_INTERVALS * interval):
        return ""
    return f"No poll of any tenant has succeeded since {newest.astimezone(config.service.timezone):%Y-%m-%d %H:%M}."
