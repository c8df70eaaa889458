"""All of a tenant's history comes back in one go, as if its polls had been kept one by one."""

from zoneinfo import ZoneInfo

import pytest

from alerter.core.history import FailedPoll, SeriesHistory, TenantHistory, history_from_polls
from alerter.core.series import Snapshot, Tenant, from_epoch_us
from alerter.errors import Cause, SourceUnavailable, StoreError
from alerter.storage import Store
from tests.builders import NOON, a_snapshot, at
from tests.storage.stored import ACME, EVERY, poll, prune, rows, thin

TOKYO = ZoneInfo("Asia/Tokyo")


def keep(store: Store, *polls: Snapshot | FailedPoll) -> None:
    """Store polls one after the other."""
    for each in polls:
        with store.write() as transaction:
            if isinstance(each, Snapshot):
                transaction.history.add(each, poll_interval=EVERY)
            else:
                transaction.polls.add_failure(ACME, SourceUnavailable(each.cause, each.detail), at=each.at)


def read(store: Store, tenant: Tenant = ACME) -> TenantHistory:
    """Return what the store has of a tenant."""
    with store.read() as reader:
        return reader.history.full_history(tenant, poll_interval=EVERY, timezone=TOKYO)


def plain(history: SeriesHistory) -> dict[str, object]:
    """Return an archive in values that can be compared and read."""
    poll_times = history.poll_times
    return {
        "tenant": history.tenant,
        "reason": history.reason,
        "changes": [(from_epoch_us(at), held) for at, held in zip(history.at, history.held, strict=True)],
        "polls": [*map(from_epoch_us, poll_times.polls)],
        "coverage": [*zip(map(from_epoch_us, poll_times.since), map(from_epoch_us, poll_times.until), strict=True)],
        "outages": [*poll_times.outages],
        "about": (poll_times.poll_interval, poll_times.timezone, poll_times.first_polled_at, history.first_held_at),
    }


def test_an_archive_is_what_the_polls_made(store: Store) -> None:
    """Counts, gaps, outages of two causes, reasons that come late and go again, and polls in which nothing changed."""
    clocks = [f"{hour}:{minute:02}" for hour in (10, 11) for minute in range(0, 60, 5)]
    held = [{"Spam": 7}] * 6 + [{"Spam": 9, "Virus": 0}] * 4 + [{"Virus": 3}] * 14
    failed = {"10:25": Cause.TIMEOUT, "10:50": Cause.TIMEOUT, "10:55": Cause.DNS, "11:00": Cause.DNS}
    polls = [
        FailedPoll(at=at(clock), cause=failed[clock], detail="no answer")
        if clock in failed
        else a_snapshot(counts, taken_at=at(clock))
        for clock, counts in zip(clocks, held, strict=True)
        if clock not in ("11:20", "11:25", "11:30")
    ]
    keep(store, *polls)

    found = read(store)

    expected = history_from_polls(ACME, polls, poll_interval=EVERY, timezone=TOKYO)
    assert plain(found.polling) == plain(expected.polling)
    assert [plain(each) for each in found.reasons] == [plain(each) for each in expected.reasons]
    assert [each.first_seen_at for each in found.reasons] == [each.first_seen_at for each in expected.reasons]


def test_of_a_tenant_that_was_never_polled_there_is_nothing(store: Store) -> None:
    """Neither polls nor reasons."""
    poll(store, "12:00", Spam=1)

    found = read(store, Tenant("nobody"))

    assert (found.reasons, [*found.polling.poll_times.polls], found.polling.poll_times.first_polled_at) == (
        [],
        [],
        None,
    )


def test_a_tenant_whose_polls_all_failed_has_its_failures(store: Store) -> None:
    """They are polls as well."""
    keep(store, FailedPoll(at=at("11:55")), FailedPoll(at=NOON))

    poll_times = read(store).polling.poll_times

    assert [from_epoch_us(each) for each in poll_times.polls] == [at("11:55"), NOON]
    assert [from_epoch_us(each.since) for each in poll_times.outages] == [at("11:55")]


def test_it_says_until_when_it_was_thinned(store: Store) -> None:
    """A backtest must be able to say what it does not know."""
    poll(store, "10:55", Spam=1)
    assert read(store).thinned_until is None

    thin(store, "11:00")

    assert read(store).thinned_until == at("11:00")


def test_what_was_pruned_is_not_in_it(store: Store) -> None:
    """An archive begins where the history does, with what was held then."""
    for number in range(13):
        poll(store, at("11:00") + number * EVERY, Spam=number)
    prune(store, "11:32")

    [spam] = read(store).reasons

    assert (from_epoch_us(spam.at[0]), spam.held[0]) == (at("11:35"), 7)
    assert [from_epoch_us(each) for each in spam.poll_times.polls[:2]] == [at("11:35"), at("11:40")]
    assert rows(store, "SELECT poll_count FROM coverage") == [(6,)]


def test_a_database_that_fails_while_a_history_is_read_says_so(store: Store) -> None:
    """It is the database's error, and not the driver's."""
    poll(store, "12:00", Spam=1)
    with store.write() as transaction:
        transaction.polls._connection.exec_driver_sql("ALTER TABLE count_changes RENAME TO gone")  # noqa: SLF001 - beneath the interface

    with pytest.raises(StoreError, match="count_changes"):
        read(store)
    with store.write() as transaction:
        transaction.polls._connection.exec_driver_sql("ALTER TABLE gone RENAME TO count_changes")  # noqa: SLF001
