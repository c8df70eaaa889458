"""Transactions: a consistent view, or everything of a poll cycle or nothing. They hold the repositories."""

from collections.abc import Callable

from sqlalchemy import Connection

from alerter.storage.actions import ActionRepository
from alerter.storage.alerts import AlertRepository
from alerter.storage.cache import Cache, TenantCache
from alerter.storage.count_changes import CountChanges
from alerter.storage.engine import Connecting, NeedsDatabase
from alerter.storage.history import HistoryRepository
from alerter.storage.import_export import ImportRepository
from alerter.storage.leases import LeaseRepository, OwnInstance
from alerter.storage.listings import ListRepository
from alerter.storage.notifications import NotificationRepository
from alerter.storage.outbox import OutboxRepository
from alerter.storage.poll_runs import PollRuns
from alerter.storage.polls import PollRepository
from alerter.storage.retention import RetentionRepository
from alerter.storage.silences import SilenceRepository


class Reader:
    """A consistent view of everything that is stored.

    Attributes:
        history: Counts of hold reasons over time.
        polls: How polling goes.
        alerts: Alerts and their transitions.
        notifications: What receivers were notified of, what is suppressed and grouped for them.
        outbox: Messages, their deliveries, and the targets that cannot be reached.
        silences: Silences and acknowledgements.
        actions: Who did what.
        retention: What is old, and how large the database is.
        leases: The instances that share the database.
        imports: The history as records.
        lists: Lists for people, a page at a time.
        cache: What the transaction knows of tenants.
    """

    def __init__(
        self, connection: Connecting, cache: TenantCache | None = None, own: OwnInstance | None = None
    ) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            cache: The states of tenants that are cached; without one, everything is read.
            own: The instance whose leases it needs; None where the database is not shared.
        """
        changes, runs = CountChanges(connection), PollRuns(connection)
        self.cache = Cache(connection, runs, changes, cache)
        self.polls = PollRepository(connection, runs, self.cache)
        self.history = HistoryRepository(connection, runs, changes, self.cache)
        self.alerts = AlertRepository(connection, self.cache)
        self.notifications = NotificationRepository(connection, self.cache)
        self.outbox = OutboxRepository(connection, own)
        self.silences = SilenceRepository(connection)
        self.actions = ActionRepository(connection)
        self.retention = RetentionRepository(connection, self.cache, changes)
        self.leases = LeaseRepository(connection, own)
        self.lists = ListRepository(connection)
        self.imports = ImportRepository(connection, runs, changes, self.cache)


class Transaction(Reader):
    """Everything of a poll cycle, or nothing."""


class MemoryTransaction(Transaction):
    """A poll cycle whose poll is written later. Any statement but a question for silences raises NeedsDatabase."""

    def __init__(self, cache: TenantCache, connect: Callable[[], Connection]) -> None:
        """Take part in no transaction of the database.

        Args:
            cache: The states of tenants that are cached.
            connect: Opens a connection that reads.
        """
        super().__init__(_no_connection, cache)
        self.silences = SilenceRepository(connect)


def _no_connection() -> Connection:
    raise NeedsDatabase
