"""What is done about old history: a little at a time, and in nobody's way."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from alerter.core.outbox import after_success
from alerter.core.series import to_epoch_us
from alerter.jobs.retention import MAX_SECONDS, PAUSE_FACTOR, BatchSizer, RetentionResult, apply_retention
from alerter.storage import Store, Transaction
from alerter.storage.engine import Repository
from tests.builders import NOON, minutes, span
from tests.storage.stored import enqueue, poll, rows

if TYPE_CHECKING:
    from alerter.core.sharding import LeaseState

DAY = timedelta(days=1)


class SlowStore(Store):
    """A store on a machine that takes its time for each row.

    Attributes:
        seconds_per_row: How much.
        now: The machine's clock.
        done: What each transaction did, in rows.
        configs_match: Whether all who share the database have the same configuration, and version.
    """

    def __init__(self, store: Store, *, seconds_per_row: float = 0.0, configs_match: bool = True) -> None:
        """Stand for a store, with its connections and its cache."""
        vars(self).update(vars(store))
        self.seconds_per_row = seconds_per_row
        self.now = 0.0
        self.done: list[tuple[str, int]] = []
        self.configs_match = configs_match

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction."""
        with super().write() as transaction:
            yield cast("Transaction", _SlowTransaction(transaction, self))


class _SlowTransaction:
    """Passes calls on, and lets time pass for the rows that they say."""

    def __init__(self, inner: object, machine: SlowStore) -> None:
        self._inner = inner
        self._machine = machine

    def __getattr__(self, name: str) -> object:
        """Return a repository, or its own method, slower; to be asked who may do it takes no time."""
        found = getattr(self._inner, name)
        if isinstance(found, Repository):
            return _SlowTransaction(found, self._machine)
        if name == "state":
            state = cast("Callable[[], LeaseState]", found)
            return lambda: replace(state(), configs_match=self._machine.configs_match)
        method = cast("Callable[..., int]", found)

        def slowly(*args: object, **kwargs: object) -> int:
            rows = method(*args, **kwargs)
            self._machine.done.append((name, rows))
            self._machine.now += rows * self._machine.seconds_per_row
            return rows

        return slowly


@dataclass
class Rests:
    """Remembers for how long was rested; after so many rests there is no more time."""

    most: int = 1_000_000
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> bool:
        """Rest."""
        self.seconds.append(seconds)
        return len(self.seconds) >= self.most


def keep(machine: SlowStore, rests: Rests, *, rows: int = 500) -> RetentionResult:
    """Keep history as of noon: two days of it, the last one as it is."""
    batch_sizer = BatchSizer(seconds=lambda: machine.now, pause=rests, rows=rows)
    return apply_retention(machine, retention=2 * DAY, downsample_after=DAY, batch_sizer=batch_sizer, now=NOON)


@pytest.fixture
def full(store: Store) -> Store:
    """Return a database with four days of history, and old messages."""
    for number in range(4 * 8):
        poll(store, NOON - 4 * DAY + number * span("3h"), Spam=number % 5, Virus=number % 3)
        poll(store, NOON - 4 * DAY + number * span("3h") + minutes(5), Spam=7, Virus=number % 3)
        poll(store, NOON - 4 * DAY + number * span("3h") + minutes(10), Spam=number % 5, Virus=1)
    enqueue(store, "old", "a", created_at=NOON - 3 * DAY)
    enqueue(store, "yesterday", "a", created_at=NOON - DAY - span("13h"))
    enqueue(store, "new", "a", created_at=NOON)
    with store.write() as transaction:
        for delivery in transaction.outbox.waiting():
            transaction.outbox.save_delivery(replace(after_success(delivery, now=NOON), last_error=""))
    return store


def test_what_is_too_old_goes_and_what_is_old_is_thinned(full: Store) -> None:
    """By whole days, and once a day: a second run finds nothing to do."""
    kept = keep(SlowStore(full), Rests())

    with full.read() as reader:
        coverage = reader.polls.first_poll_at()
        assert reader.retention.tenants_to_prune(NOON.replace(hour=0) - 2 * DAY) == []
    assert coverage == (NOON - 2 * DAY).replace(hour=0)
    assert rows(full, "SELECT id, bodies <> '{}' FROM messages ORDER BY id") == [("new", True), ("yesterday", False)]
    assert (kept.pruned > 40, kept.downsampled > 20, kept.bodies_dropped) == (True, True, 1)
    assert keep(SlowStore(full), Rests()) == RetentionResult()


def test_days_that_are_over_are_packed(full: Store) -> None:
    """But for yesterday, whose changes may still be amended; what was thinned is packed as well."""
    kept = keep(SlowStore(full), Rests())

    yesterday = NOON.replace(hour=0) - DAY
    assert kept.compressed > 0
    assert rows(full, f"SELECT count(*) FROM count_changes WHERE at < {to_epoch_us(yesterday)}") == [(0,)]  # noqa: S608
    assert rows(full, f"SELECT count(*) FROM compressed_days WHERE end_at >= {to_epoch_us(yesterday)}") == [(0,)]  # noqa: S608


def test_while_another_version_shares_the_database_nothing_is_packed(full: Store) -> None:
    """It might not know where to look."""
    kept = keep(SlowStore(full, configs_match=False), Rests())

    assert (kept.compressed, kept.downsampled > 0) == (0, True)
    assert keep(SlowStore(full), Rests()).compressed > 0


def test_no_transaction_takes_long_on_a_slow_machine(full: Store) -> None:
    """It does less at a time; whole instants and hours are the least."""
    for number in range(150):
        poll(full, NOON - 4 * DAY + minutes(number), "legacy", Spam=number % 9)
    machine = SlowStore(full, seconds_per_row=0.001)

    keep(machine, Rests(), rows=60)

    pruned = [count for name, count in machine.done if name == "prune"]
    assert pruned[0] >= 60
    assert max(pruned[1:]) <= 52
    assert sum(pruned) > 150


def test_a_fast_machine_does_more_at_a_time(full: Store) -> None:
    """Thousands of tenants must be done within the hour."""
    for number in range(150):
        poll(full, NOON - 4 * DAY + minutes(number), "legacy", Spam=number % 9)
    batch_sizer = BatchSizer(seconds=lambda: 0.0, pause=lambda _: False, rows=20)

    apply_retention(full, retention=2 * DAY, downsample_after=DAY, batch_sizer=batch_sizer, now=NOON)

    assert batch_sizer.rows >= 80


def test_after_each_transaction_others_have_the_database(full: Store) -> None:
    """For some times what it took."""
    machine, rests = SlowStore(full, seconds_per_row=0.0001), Rests()

    keep(machine, rests, rows=100)

    assert len(rests.seconds) == len(machine.done)
    assert sum(rests.seconds) == pytest.approx(PAUSE_FACTOR * machine.now)
    assert max(rests.seconds) < 2 * PAUSE_FACTOR * MAX_SECONDS


def test_a_stop_ends_it_after_the_transaction(full: Store) -> None:
    """What is done stays done, and the next run goes on."""
    whole = keep(SlowStore(full), Rests(most=2), rows=50)
    rest = keep(SlowStore(full), Rests(), rows=50)

    assert whole.pruned > 0
    assert rest.pruned > 0
    assert keep(SlowStore(full), Rests()) == RetentionResult()


def test_what_was_done_is_in_the_log(full: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Once; a run that finds nothing to do says nothing."""
    caplog.set_level(logging.INFO, logger="alerter.jobs.retention")

    kept = keep(SlowStore(full), Rests())
    keep(SlowStore(full), Rests())

    pruned = f"pruned={kept.pruned} downsampled={kept.downsampled} compressed={kept.compressed}"
    assert [record.getMessage() for record in caplog.records] == [
        f"retention applied {pruned} bodies_dropped=1 pages_freed={kept.pages_freed}"
    ]


def test_the_size_is_noted(full: Store) -> None:
    """So that the growth is known after a day."""
    keep(SlowStore(full), Rests())

    assert rows(full, "SELECT count(*) FROM database_sizes") == [(1,)]
