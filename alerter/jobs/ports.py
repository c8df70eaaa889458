"""What the use cases need from outside, named by role: Source, Store, Notifier. Adapters satisfy them unasked."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol, TypeAlias

from alerter.core.alerts import Alert, AlertKey, AlertSubject, Transition
from alerter.core.evaluation import SkipCache
from alerter.core.import_merge import Base, CountChange, StoredHistory
from alerter.core.message.content import Message, Outage
from alerter.core.mutes import Acknowledgement, Silence
from alerter.core.notifications import HourlyLimit, NotificationState, ReceiverName, TargetId
from alerter.core.outbox import Delivery, TargetName
from alerter.core.poll_times import PollRun
from alerter.core.rules import Lookbacks, Selector, SumMember, TenantSeries
from alerter.core.series import HoldReason, Series, Snapshot, Tenant
from alerter.core.sharding import LeaseState
from alerter.errors import SourceError


class Source(Protocol):
    """A Mimecast account."""

    def fetch(self) -> Snapshot:
        """Return what is held now.

        Raises:
            SourceError: The poll failed; nothing is known.
        """
        ...


#: Something that is too old: its kind and its key, of which only a store knows more.
Outdated: TypeAlias = tuple[str, int | str]


class Reader(Protocol):
    """A consistent view of what is stored."""

    def tenants(self) -> list[Tenant]:
        """Return every tenant that was ever polled."""
        ...

    def tenant_series(
        self,
        tenant: Tenant,
        *,
        window: timedelta,
        poll_interval: timedelta,
        timezone: tzinfo = UTC,
        places: Collection[int] | None = None,
        now: datetime,
    ) -> TenantSeries:
        """Return the series of a tenant, at least as far back as the window; perhaps only those at these places."""
        ...

    def alerts(self, tenants: Collection[Tenant] | None = None) -> list[Alert]:
        """Return the alerts that are or were not inactive."""
        ...

    def present_alerts(self, alert_ids: Collection[str]) -> list[Alert]:
        """Return the alerts that are not inactive, and those of these ids."""
        ...

    def firings(self, keys: Collection[AlertKey], *, since: datetime) -> dict[AlertKey, list[Transition]]:
        """Return the transitions of these alerts into firing and out of it, oldest first."""
        ...

    def notified(self, tenants: Collection[Tenant] | None = None) -> list[NotificationState]:
        """Return what receivers were last told."""
        ...

    def tenants_told_of(self) -> list[Tenant]:
        """Return the tenants of which some target believes that something fires."""
        ...

    def waiting_deliveries(self) -> list[Delivery]:
        """Return the deliveries that are neither sent nor dead."""
        ...

    def message(self, message_id: str) -> Message:
        """Return a message."""
        ...

    def has_message(self, message_id: str) -> bool:
        """Say whether a message was planned."""
        ...

    def addresses(self) -> dict[TargetName, TargetId]:
        """Return which URL each target's name stood for when that was kept last."""
        ...

    def was_overtaken(self, delivery: Delivery) -> bool:
        """Say whether a delivery's target has taken a message that was planned later."""
        ...

    def outages(self) -> dict[TargetName, Outage]:
        """Return the targets that cannot be reached."""
        ...

    def silences(self, *, since: datetime) -> list[Silence]:
        """Return the silences that end after `since`, also those that have not begun."""
        ...

    def acknowledgements(self) -> dict[AlertSubject, Acknowledgement]:
        """Return the newest acknowledgement of each topic that has one."""
        ...

    def hourly_limits(self, *, since: datetime, until: datetime | None = None) -> dict[ReceiverName, HourlyLimit]:
        """Return what each receiver got within a span, and how often it was held back."""
        ...

    def groups(self) -> dict[ReceiverName, datetime]:
        """Return the receivers for which news is being collected, and until when."""
        ...

    def due_groups(self, *, now: datetime) -> list[ReceiverName]:
        """Return the receivers whose news has been collected for long enough."""
        ...

    def next_flush_at(self) -> datetime | None:
        """Return when the next collection ends, or None where nothing is being collected."""
        ...

    def tenants_with_history_before(self, before: datetime) -> list[Tenant]:
        """Return the tenants of which something must be pruned."""
        ...

    def outdated(self, *, before: datetime, limit: int) -> Sequence[Outdated]:
        """Return what else ended before an instant and nothing depends on, some of each kind."""
        ...

    def tenants_to_thin(self, before: datetime) -> list[Tenant]:
        """Return the tenants that have history from before an instant which was not thinned yet."""
        ...

    def tenants_to_pack(self, before: datetime) -> list[Tenant]:
        """Return the tenants that have counts from before an instant which were not packed yet."""
        ...

    def wordy_messages(self, *, before: datetime, limit: int) -> Sequence[str]:
        """Return messages that everybody got before an instant, and that still have a text."""
        ...


class Transaction(Reader, Protocol):
    """Everything of a cycle, or nothing."""

    def lease_state(self, tenants: Collection[Tenant] = ()) -> LeaseState:
        """Return what this process may decide; the polls of which of these tenants are its own until the end."""
        ...

    def add_snapshot(
        self, snapshot: Snapshot, *, poll_interval: timedelta, windows: Lookbacks | None = None
    ) -> Mapping[int, int] | None:
        """Keep what a good poll saw; return the counts that have changed by their places, None where more may have."""
        ...

    def add_failure(
        self,
        tenant: Tenant,
        error: SourceError,
        *,
        poll_interval: timedelta = timedelta(0),
        windows: Lookbacks | None = None,
        at: datetime,
    ) -> None:
        """Keep that a poll failed, and why."""
        ...

    def total(self, members: Sequence[SumMember], reasons: Selector, *, window: timedelta, now: datetime) -> Series:
        """Return the sum over tenants of what is held for some reasons, at least as far back as the window."""
        ...

    def skip_cache(self, tenant: Tenant) -> SkipCache | None:
        """Return what was kept of a tenant at its poll before; None where anything else came between."""
        ...

    def keep_skip_cache(self, tenant: Tenant, cache: SkipCache) -> None:
        """Keep what need not be judged at the next poll of a tenant."""
        ...

    def save_alerts(self, alerts: Iterable[Alert]) -> None:
        """Keep the state of alerts."""
        ...

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append to the history."""
        ...

    def save_told(self, notified: Iterable[NotificationState]) -> None:
        """Keep what receivers were told."""
        ...

    def forget_told(self, notified: Iterable[NotificationState]) -> None:
        """Drop what targets were told that have moved to another receiver."""
        ...

    def enqueue(self, message: Message, targets: Sequence[TargetName]) -> None:
        """Put a message into the outbox, one delivery per target."""
        ...

    def save_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Keep who is at an alert."""
        ...

    def save_addresses(self, addresses: Mapping[TargetName, TargetId]) -> None:
        """Keep which URL each target's name stands for, in place of what was kept."""
        ...

    def readdress(self, target_by_delivery: Mapping[int, TargetName]) -> None:
        """Give deliveries other targets, by their numbers."""
        ...

    def save_outage(self, outage: Outage) -> None:
        """Keep that a target cannot be reached."""
        ...

    def end_outage(self, target: TargetName) -> None:
        """Keep that a target was reached, or is no more."""
        ...

    def break_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Keep that an acknowledgement has broken, unless there is a newer one."""
        ...

    def hold_back(self, receiver: ReceiverName) -> None:
        """Count a message that a receiver did not get because of `max_per_hour`."""
        ...

    def reset_held_back(self, receiver: ReceiverName) -> None:
        """Count anew: a message says how many were held back before it."""
        ...

    def open_group(self, receiver: ReceiverName, *, due_at: datetime) -> None:
        """Begin to collect news for a receiver, unless that has begun."""
        ...

    def close_group(self, receiver: ReceiverName) -> None:
        """Stop collecting: what was collected is being told."""
        ...

    def save_delivery(self, delivery: Delivery) -> None:
        """Keep how a delivery is."""
        ...

    def claim(self, delivery: Delivery) -> None:
        """Keep that this process is sending a delivery."""
        ...

    def release_claims(self, *, now: datetime) -> int:
        """Make due at once what a process was sending that is gone; return how many deliveries that are."""
        ...

    def settle(self, delivery: Delivery) -> bool:
        """Keep what came of an attempt, unless somebody else has claimed the delivery since; say whether it is kept."""
        ...

    def prune(self, tenant: Tenant, *, before: datetime, batch: int) -> int:
        """Delete some of a tenant's history from before an instant; return how many rows went, 0 at the end."""
        ...

    def drop(self, outdated: Iterable[Outdated], *, before: datetime) -> int:
        """Delete what was found to be old, where it still is; return how many rows went."""
        ...

    def thin(self, tenant: Tenant, *, before: datetime, batch: int) -> int:
        """Thin some of a tenant's history from before an instant; return how many rows were looked at, 0 at the end."""
        ...

    def pack(self, tenant: Tenant, *, before: datetime) -> int:
        """Pack some of a tenant's counts from before an instant; return how many changes, 0 at the end."""
        ...

    def strip(self, message_ids: Sequence[str]) -> int:
        """Drop the texts of messages; return how many had one."""
        ...

    def give_back(self, pages: int) -> int:
        """Give some pages that are free back to the disk; return how many, 0 at the end."""
        ...

    def note_size(self, *, now: datetime) -> int:
        """Note how large the database is, once a day; return how many rows that changed."""
        ...


class Store(Protocol):
    """The database.

    Every method of it and of its transactions may raise StoreError; then nothing of the transaction was kept.
    """

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that is committed as a whole, or not at all."""
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Open a consistent view."""
        ...


class Notifier(Protocol):
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach."""

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Send a message to one target, but for its addressees that have it already.

        Raises:
            DeliveryError: The target, or one of its addressees, did not take it.
        """
        ...


class HistoryReader(Protocol):
    """A consistent view of the history, for an import to be compared with."""

    def stored(self, tenant: Tenant) -> StoredHistory:
        """Return what is stored of a tenant."""
        ...


class HistoryTransaction(HistoryReader, Protocol):
    """An import, or nothing."""

    def runs(self, tenant: Tenant) -> list[PollRun]:
        """Return a tenant's runs of successful polls, oldest first."""
        ...

    def add_changes(
        self,
        tenant: Tenant,
        first_seen: Mapping[HoldReason, int],
        bases: Mapping[HoldReason, Base],
        changes: Iterable[CountChange],
    ) -> None:
        """Write the changes of an import."""
        ...

    def close_ranks(self) -> None:
        """From here on no other transaction writes until this one ends."""
        ...

    def cover(
        self,
        tenant: Tenant,
        runs: Sequence[PollRun],
        first_seen: Mapping[HoldReason, int],
        changed: Collection[HoldReason],
    ) -> None:
        """Keep in which polls an import saw the changes that are written."""
        ...


class HistoryStore(Protocol):
    """The database, as an import needs it; any method may raise StoreError."""

    def bulk(self, changes: int) -> AbstractContextManager[HistoryTransaction]:
        """Open a transaction for so many changes, that is committed as a whole or not at all."""
        ...

    def read(self) -> AbstractContextManager[HistoryReader]:
        """Open a consistent view."""
        ...
