"""What the next cycle of a tenant needs of the last one, so that it is not read again. The database is what counts.

Three rules keep what is remembered from ever differing from what is stored without being noticed:

1. What is remembered of a tenant belongs to one transaction at a time. It is taken out of the memory, and put back when
   the transaction has been committed; one that fails takes it along.
2. The first thing that a cycle writes names what it remembers: the tenant's revision, and the newest run of polls or of
   failures. Where these are others in the database, that writes nothing, what was remembered is thrown away, and
   everything is read.
3. Every transaction that changes a tenant in any other way raises its revision, in whatever process it runs.

So another process, another instance on the same database, an import or a clock that was set back cost one reading.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, update

from alerter.core.alerts import Alert, AlertState
from alerter.core.evaluation import SkipCache
from alerter.core.notifications import NotificationState
from alerter.core.poll_times import PackedRun, PollRun
from alerter.core.series import PollFailure, Span, Tenant
from alerter.storage.engine import Rows
from alerter.storage.tables import tenants
from alerter.storage.windows import PackedSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFailures:
    """The run of failed polls that a tenant is in: its number, how many they are, what they came to, and when."""

    id: int
    polls: int
    failure: PollFailure
    tail: PackedRun


@dataclass(slots=True, kw_only=True)
class Remembered:
    """What is remembered of a tenant.

    Attributes:
        id: Its number.
        revision: As it was after the last cycle.
        first_polled_at: Its first good poll ever.
        coverage: Its runs of coverage, as far back as the rules look, oldest first.
        polls: How many the newest stored part of a run has.
        tail: That part; None where another instance has polled, and it must be read before it is lengthened.
        parts: Those before it, as far back as the rules look, oldest first.
        failures: The run of failed polls that it is in; None after a good poll.
        series: What is held, as far back as the rules look.
        alerts: Those that a decision about the tenant can depend on; None where they must be read.
        notified: What receivers believe to go on; None where it must be read.
        skip_cache: Which of its series need not be evaluated.
    """

    id: int
    revision: int
    first_polled_at: datetime | None
    coverage: list[Span]
    tail: PackedRun | None
    parts: Sequence[PollRun]
    polls: int
    failures: OpenFailures | None
    series: PackedSeries
    alerts: tuple[Alert, ...] | None = None
    notified: tuple[NotificationState, ...] | None = None
    skip_cache: SkipCache | None = None

    def note_alerts(self, alerts: Collection[Alert]) -> None:
        """Remember what was saved of alerts.

        Of a topic that nothing was remembered of, older alerts may be stored, which must be read.
        """
        if self.alerts is None:
            return
        if {alert.key.topic for alert in alerts} <= {alert.key.topic for alert in self.alerts}:
            self.alerts = _in_place(self.alerts, alerts, lambda alert: alert.key)
            self._forget_what_is_over()
        else:
            self.alerts = None

    def note_told(self, notified: Collection[NotificationState]) -> None:
        """Remember what was saved of what receivers were told."""
        if self.notified is None:
            return
        self.notified = tuple(
            entry
            for entry in _in_place(self.notified, notified, lambda entry: (entry.topic, entry.receiver, entry.target))
            if entry.state is AlertState.FIRING
        )
        self._forget_what_is_over()

    def _forget_what_is_over(self) -> None:
        """Drop the alerts of topics of which none goes on, and no receiver believes that it does."""
        if self.alerts is None or self.notified is None:
            self.alerts = None
            return
        live = {alert.key.topic for alert in self.alerts if alert.state is not AlertState.INACTIVE}
        wanted = live | {entry.topic for entry in self.notified}
        self.alerts = tuple(alert for alert in self.alerts if alert.key.topic in wanted)
        if not wanted <= {alert.key.topic for alert in self.alerts}:
            self.alerts = None


_Entry = TypeVar("_Entry")


def _in_place(stored: Iterable[_Entry], saved: Iterable[_Entry], key: Callable[[_Entry], object]) -> tuple[_Entry, ...]:
    """Return what is stored after a save: each entry in place of the one that has its key."""
    return tuple(({key(entry): entry for entry in stored} | {key(entry): entry for entry in saved}).values())


class Memory:
    """What is remembered of all tenants. It may be shared by threads."""

    def __init__(self) -> None:
        self._by_tenant: dict[Tenant, Remembered] = {}

    def take(self, tenant: Tenant) -> Remembered | None:
        """Return what is remembered of a tenant, which from now on is the caller's alone."""
        return self._by_tenant.pop(tenant, None)

    def peek(self, tenant: Tenant) -> Remembered | None:
        """Return what is remembered of a tenant, to be looked at until the next transaction and not to be changed."""
        return self._by_tenant.get(tenant)

    def keep(self, remembered: Mapping[Tenant, Remembered]) -> None:
        """Remember what a transaction came to, once it was committed."""
        self._by_tenant.update(remembered)

    def forget(self, tenants: Collection[Tenant]) -> None:
        """Remember nothing of these tenants."""
        for tenant in tenants:
            self._by_tenant.pop(tenant, None)


class Remembering(Rows):
    """A view of the database that may remember what it would have to read."""

    def __init__(self, connection: Connection, memory: Memory | None = None) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            memory: What was remembered before; without one, everything is read.
        """
        super().__init__(connection)
        self._memory = memory or Memory()
        # What was found within this transaction to be as remembered, or was read.
        self._known: dict[Tenant, Remembered] = {}
        self._changed_tenants: set[Tenant] = set()

    def skip_cache(self, tenant: Tenant) -> SkipCache | None:
        """Return what was kept at the poll before of a tenant that was polled now; None where anything came between."""
        known = self._known.get(tenant)
        return None if known is None else known.skip_cache


class Noting(Remembering):
    """A transaction that lets others see what they must read again."""

    def keep_skip_cache(self, tenant: Tenant, cache: SkipCache) -> None:
        """Keep what need not be judged at the next poll, for as long as nothing else changes the tenant."""
        if tenant in self._known:
            self._known[tenant].skip_cache = cache

    def finish(self) -> None:
        """Let everybody see which tenants were changed other than by polls; the last thing before the commit."""
        for tenant in self._changed_tenants:
            self._raise_revision(tenant)

    def remember(self) -> None:
        """Give back what the transaction came to, after it was committed."""
        self._memory.keep(self._known)

    def _raise_revision(self, tenant: Tenant) -> None:
        """Let everybody see that what they remember of the tenant may no longer be true."""
        self._run(_RAISE_REVISION, {"tenant": tenant})


_RAISE_REVISION = update(tenants).where(tenants.c.name == bindparam("tenant")).values(revision=tenants.c.revision + 1)
