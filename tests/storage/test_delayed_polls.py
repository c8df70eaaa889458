"""Polls that are written later: what is seen of them when, and what a kill costs."""

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.core.rules import Lookbacks
from alerter.core.selectors import MATCH_ALL
from alerter.core.series import Sample, Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import NeedsDatabase, Store
from tests.builders import a_snapshot, an_alert, at, span
from tests.storage.stored import ACME, EVERY, a_transition, poll

HOUR = Lookbacks(((MATCH_ALL, span("1h")),))


@pytest.fixture
def delaying(sqlite_url: str) -> Store:
    """Return a store that has two polls of a tenant, and writes later ones later."""
    store = Store(sqlite_url)
    store.delay_polls(is_on=True)
    for clock in ("11:40", "11:45"):
        with store.write() as transaction:
            transaction.history.add(a_snapshot({"Spam": 1}, taken_at=at(clock)), poll_interval=EVERY, windows=HOUR)
            transaction.alerts.load([ACME])
            transaction.alerts.save([an_alert()])
            transaction.notifications.states([ACME])
    return store


def in_memory(store: Store, clock: str, held: Mapping[str, int], *, alert: Alert | None = None) -> None:
    """Add a poll that is written later."""
    with store.poll_in_memory() as transaction:
        transaction.history.add(a_snapshot(held, taken_at=at(clock)), poll_interval=EVERY, windows=HOUR)
        transaction.alerts.save([] if alert is None else [alert])


def seen(url: str) -> tuple[list[Sample], list[str]]:
    """Return the counts that another process finds, and the first and last poll of each run."""
    with closing(Store(url, read_only=True)) as other, other.read() as reader:
        found = reader.history.series_for(ACME, window=span("1h"), poll_interval=EVERY, now=at("12:30"))
    (spam,) = found.reasons
    runs = [f"{each.start_at:%H:%M}-{each.end_at:%H:%M}" for each in found.polling.coverage]
    return [sample for sample in spam.changes if sample.at >= at("11:46")], runs


def test_a_delayed_poll_is_written_with_the_next_transaction_that_writes(delaying: Store, sqlite_url: str) -> None:
    """Until then no other process sees it; then nothing of it is missing."""
    in_memory(delaying, "11:50", {"Spam": 1})
    in_memory(delaying, "11:55", {"Spam": 4})
    before = seen(sqlite_url)

    poll(delaying, "11:56", "umbrella", Virus=1)

    assert before == ([], ["11:40-11:45"])
    assert seen(sqlite_url) == ([Sample(at("11:55"), 4)], ["11:40-11:55"])


def test_delayed_polls_are_written_on_demand(delaying: Store, sqlite_url: str) -> None:
    """If they are of enough tenants; and once."""
    in_memory(delaying, "11:50", {"Spam": 2})

    delaying.save_polls(at_least=2)
    assert seen(sqlite_url) == ([], ["11:40-11:45"])
    for _ in range(2):
        delaying.save_polls()
        assert seen(sqlite_url) == ([Sample(at("11:50"), 2)], ["11:40-11:50"])


def test_whoever_asks_for_changes_sees_delayed_polls(delaying: Store, sqlite_url: str) -> None:
    """A page that is open is never behind."""
    marker = delaying.change_marker(lambda: 0.0)
    first = marker()
    in_memory(delaying, "11:50", {"Spam": 2})

    assert marker() != first
    assert seen(sqlite_url) == ([Sample(at("11:50"), 2)], ["11:40-11:50"])
    marker.close()


def test_a_kill_loses_delayed_polls_and_leaves_a_gap(delaying: Store, sqlite_url: str) -> None:
    """What is known afterwards is less, and never wrong."""
    in_memory(delaying, "11:50", {"Spam": 7})
    in_memory(delaying, "11:55", {"Spam": 2})

    with closing(Store(sqlite_url)) as restarted:
        poll(restarted, "12:00", Spam=2)

    assert seen(sqlite_url) == ([Sample(at("12:00"), 2)], ["11:40-11:45", "12:00-12:00"])


def test_delayed_polls_outlive_a_write_that_fails(delaying: Store, sqlite_url: str) -> None:
    """The next transaction writes them."""
    in_memory(delaying, "11:50", {"Spam": 7})

    with suppress(ZeroDivisionError), delaying.write():
        raise ZeroDivisionError
    delaying.save_polls()

    assert seen(sqlite_url) == ([Sample(at("11:50"), 7)], ["11:40-11:50"])


def test_delayed_polls_are_added_where_another_process_has_polled_meanwhile(delaying: Store, sqlite_url: str) -> None:
    """Nothing that is cached is true any more; what was seen still is."""
    in_memory(delaying, "11:50", {"Spam": 2})
    with closing(Store(sqlite_url)) as other:
        poll(other, "11:48", Spam=3)

    delaying.save_polls()

    assert seen(sqlite_url) == ([Sample(at("11:48"), 3), Sample(at("11:50"), 2)], ["11:40-11:50"])


@pytest.mark.parametrize(
    ("clock", "held"),
    [
        pytest.param("12:10", {"Spam": 1}, id="polls were missed"),
        pytest.param("11:46", {"Spam": 1}, id="it comes too soon"),
        pytest.param("11:50", {"Virus": 1}, id="a reason is new"),
    ],
)
def test_a_poll_that_is_not_continued_needs_the_database(
    delaying: Store, sqlite_url: str, clock: str, held: Mapping[str, int]
) -> None:
    """Nothing of it is kept, so that it can be written at once."""
    with pytest.raises(NeedsDatabase):
        in_memory(delaying, clock, held)

    assert seen(sqlite_url) == ([], ["11:40-11:45"])
    in_memory(delaying, "11:50", {"Spam": 1})


def test_what_this_process_changed_otherwise_is_read_before_a_poll_is_delayed_again(
    delaying: Store, sqlite_url: str
) -> None:
    """A poll in memory cannot find out that what is cached is no longer true."""
    in_memory(delaying, "11:50", {"Spam": 1})
    with delaying.write() as transaction:
        transaction.alerts.save([an_alert(AlertState.INACTIVE)])

    with pytest.raises(NeedsDatabase):
        in_memory(delaying, "11:55", {"Spam": 1})

    assert seen(sqlite_url) == ([], ["11:40-11:50"])


def test_a_failed_poll_needs_the_database(delaying: Store) -> None:
    """It is news."""
    with pytest.raises(NeedsDatabase), delaying.poll_in_memory() as transaction:
        transaction.polls.add_failure(
            ACME, SourceUnavailable(Cause.DNS, "no such host"), poll_interval=EVERY, windows=HOUR, at=at("11:50")
        )


@pytest.mark.parametrize(
    ("alert", "is_delayed"),
    [
        pytest.param(replace(an_alert(), value=9, peak=9), True, id="its count is another one"),
        pytest.param(replace(an_alert(), keep_firing_since=at("11:50")), False, id="it is about to end"),
        pytest.param(an_alert(AlertState.INACTIVE), False, id="it is over"),
        pytest.param(replace(an_alert(), key=replace(an_alert().key, tenant=Tenant("b"))), False, id="of another one"),
    ],
)
def test_only_the_count_of_an_alert_is_written_later(
    delaying: Store, sqlite_url: str, alert: Alert, *, is_delayed: bool
) -> None:
    """Whatever a decision depends on is in the database before anybody is notified."""
    if not is_delayed:
        with pytest.raises(NeedsDatabase):
            in_memory(delaying, "11:50", {"Spam": 1}, alert=alert)
        return
    in_memory(delaying, "11:50", {"Spam": 1}, alert=alert)
    delaying.save_polls()

    with closing(Store(sqlite_url)) as other, other.read() as reader:
        assert reader.alerts.load_all() == [alert]


def test_a_transition_needs_the_database(delaying: Store) -> None:
    """It is stored with the poll that caused it."""
    with pytest.raises(NeedsDatabase), delaying.poll_in_memory() as transaction:
        transaction.alerts.add_transitions([a_transition("11:50", AlertState.PENDING, AlertState.FIRING)])


def test_silences_are_read_without_writing(delaying: Store) -> None:
    """A tenant of which something fires is asked at each poll whether that was acknowledged."""
    with delaying.poll_in_memory() as transaction:
        assert transaction.silences.acknowledgements() == {}
        assert transaction.silences.silences(since=at("11:00")) == []


def test_polls_of_a_database_that_is_shared_are_never_delayed(postgresql_url: str) -> None:
    """Another instance must see them."""
    with closing(Store(postgresql_url)) as store:
        store.delay_polls(is_on=True)

        assert not store.delays_polls
