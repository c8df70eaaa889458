"""Old history, thinned in the database: hours in their order, a little at a time, and true at every moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from alerter.core.outbox import after_success
from alerter.core.series import HoldReason
from alerter.storage import Store
from tests.builders import NOON, at, minutes, span
from tests.storage.stored import ACME, EVERY, enqueue, poll, rows, tenant_series, thin
from tests.storage.test_history import assert_consistent
from tests.test_imports import imported, readings

#: What an hour of polls found; of these 5, 9, 1 and 7 are kept.
HOUR = [5, 6, 9, 4, 1, 3, 8, 2, 6, 5, 4, 7]


def polled(store: Store, since: str, counts: Sequence[int | None], tenant: str = "acme") -> None:
    """Store a poll every five minutes; None for one that was missed."""
    for number, count in enumerate(counts):
        if count is not None:
            poll(store, at(since) + number * EVERY, tenant, Spam=count, Virus=4)


def stored(store: Store) -> list[tuple[str, int]]:
    """Return the changes of spam: when, and what was held then."""
    found = rows(store, "SELECT at, value FROM count_changes WHERE series_id = 1 ORDER BY at")
    return [(f"{datetime.fromtimestamp(number / 1_000_000, NOON.tzinfo):%H:%M}", held) for number, held in found]


def thinned_until(store: Store) -> datetime | None:
    """Return how far the history of acme is thinned."""
    with store.read() as reader:
        return reader.history.full_history(ACME, poll_interval=EVERY).thinned_until


def test_each_hour_keeps_its_extremes_and_its_end(store: Store) -> None:
    """Of hours that are old; what is newer is kept whole, and who reads it can tell."""
    polled(store, "10:00", HOUR * 2)

    assert thin(store, "11:00") == [13]

    kept = [("10:00", 5), ("10:10", 9), ("10:20", 1), ("10:55", 7)]
    assert stored(store)[:4] == kept
    assert [held for _, held in stored(store)[4:]] == HOUR
    assert thinned_until(store) == at("11:00")
    assert_consistent(store)


def test_the_extremes_of_every_hour_can_still_be_read(store: Store) -> None:
    """A backtest over them rings in the same hours, for every limit."""
    polled(store, "09:00", HOUR * 3)
    before = _extremes(store)

    thin(store, "12:00")

    assert _extremes(store) == before


def _extremes(store: Store) -> list[tuple[str, int, int, int]]:
    polling, series = tenant_series(store, window="5h")
    hours = [at(clock) for clock in ("09:00", "10:00", "11:00")]
    found = []
    for reason in sorted(series):
        for hour in hours:
            segments = list(series[reason].segments(since=hour, until=hour + minutes(60) - timedelta.resolution))
            counts = [piece.count for piece in segments]
            found.append((reason, min(counts), max(counts), counts[-1]))
    assert polling.coverage
    return found


def test_a_gap_stays_unknown_and_what_follows_it_true(store: Store) -> None:
    """Coverage is not touched, and what the first poll after a gap found is kept."""
    polled(store, "10:00", [9, None, None, None, 5, 4, 3, 4, 7, 7, 7, 7])

    thin(store, "11:00")

    _, series = tenant_series(store, window="3h")
    assert [series["Spam"].value_at(at(clock)) for clock in ("10:00", "10:10", "10:20", "10:30", "10:40")] == [
        9,
        None,
        5,
        3,
        7,
    ]


def test_thinning_goes_in_batches_of_whole_hours(store: Store) -> None:
    """No poll waits for all of it, and an hour that is larger than a batch goes at once."""
    polled(store, "08:00", HOUR * 4)

    sizes = thin(store, "12:00", batch=20)

    assert sizes == [13, 12, 12, 12]
    assert_consistent(store)


def test_what_was_thinned_is_not_looked_at_again(store: Store) -> None:
    """A day later only the day is."""
    polled(store, "10:00", HOUR * 2)
    thin(store, "11:00")

    assert thin(store, "11:00") == []
    assert thin(store, "12:00") == [12]
    assert thinned_until(store) == NOON


def test_nothing_is_thinned_where_nothing_is_old(store: Store) -> None:
    """All of it is whole, and said to be."""
    polled(store, "11:00", HOUR)

    assert thin(store, "11:00") == []
    assert thinned_until(store) is None
    with store.read() as reader:
        assert reader.history.full_history(HoldReason("nobody"), poll_interval=EVERY).thinned_until is None  # type: ignore[arg-type]


def test_each_tenant_is_thinned_on_its_own(store: Store) -> None:
    """One that is behind is caught up with."""
    polled(store, "10:00", HOUR)
    polled(store, "09:00", HOUR, "legacy")

    assert thin(store, "11:00") == [13, 13]


def test_what_is_imported_into_thinned_history_is_thinned_as_well(store: Store) -> None:
    """It goes on from there, and says of no whole history that it is thinned, nor the other way round."""
    polled(store, "11:00", HOUR)
    thin(store, "12:00")
    imported(store, [*readings("09:00", "09:20", 3), *readings("09:25", "09:50", 8)])

    assert thinned_until(store) == NOON
    assert thin(store, "12:00") != []
    assert thin(store, "12:00") == []
    assert_consistent(store)


def test_the_texts_of_old_messages_go_once_everybody_has_them(store: Store) -> None:
    """Their titles stay; what was not delivered may still be asked for."""
    for name, clock in (("old", "08:00"), ("dead", "08:00"), ("new", "11:00")):
        enqueue(store, name, "a", "b", created_at=at(clock))
    with store.write() as transaction:
        for delivery in transaction.outbox.waiting():
            if delivery.message_id != "dead" or delivery.target == "a":
                transaction.outbox.save_delivery(after_success(delivery, now=at("11:01")))
    for _ in range(2):
        with store.write() as transaction:
            transaction.retention.drop_bodies(
                transaction.retention.messages_with_old_bodies(before=at("10:00"), limit=10)
            )

    with store.read() as reader:
        bodies = {name: reader.outbox.message(name).bodies for name in ("old", "dead", "new")}
        assert reader.retention.messages_with_old_bodies(before=at("10:00"), limit=10) == []
        assert reader.outbox.message("old").title == "Held mail"
    assert {name for name, body in bodies.items() if body} == {"dead", "new"}


def test_a_process_that_is_killed_while_it_thins_has_thinned_whole_hours_or_nothing(
    store: Store, database_url: str
) -> None:
    """SIGKILL before the commit: history is as it was, and the next run does it."""
    polled(store, "10:00", HOUR * 2)
    before = rows(store, "SELECT at, series_id, previous_value, value FROM count_changes ORDER BY at, series_id")

    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, database_url],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # noqa: TID251 - the child needs its own
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (
        rows(store, "SELECT at, series_id, previous_value, value FROM count_changes ORDER BY at, series_id") == before
    )
    assert thinned_until(store) is None
    assert thin(store, "12:00") == [25]
    assert_consistent(store)


#: Thins, and kills itself before the commit.
_KILLED = """
import os, signal, sys
from alerter.storage import Store
from tests.storage.stored import ACME
from tests.builders import NOON

with Store(sys.argv[1]).write() as transaction:
    assert transaction.retention.downsample(ACME, before=NOON, batch=100) == 25
    os.kill(os.getpid(), signal.SIGKILL)
"""

_COUNTS = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=40)


@settings(max_examples=40)
@given(counts=_COUNTS, batch=st.integers(1, 30), hours=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_thinning_in_any_steps_comes_to_the_same(
    sqlite_url: str, counts: list[int | None], batch: int, hours: list[int]
) -> None:
    """However it is divided, interrupted and begun again, what is left is that of doing it at once."""
    with closing(Store(sqlite_url)) as store:
        outcomes = []
        for tenant, steps, size in (("acme", sorted(hours), batch), ("legacy", [max(hours)], 10_000)):
            with store.write() as transaction:
                for table in ("count_changes", "coverage", "series", "poll_failures", "tenants"):
                    transaction.polls._changed(text(f"DELETE FROM {table}"), {})  # noqa: S608, SLF001
            polled(store, "08:00", counts, tenant)
            for hour in steps:
                thin(store, at("08:00") + hour * span("1h"), batch=size)
            assert_consistent(store)
            outcomes.append(
                rows(store, "SELECT at, previous_value, value FROM count_changes ORDER BY at, value, previous_value")
            )

    assert outcomes[0] == outcomes[1]
