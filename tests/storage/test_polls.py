"""When polling worked, and when and why it did not."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate

import pytest

from alerter.core.rules import Lookbacks
from alerter.core.series import PollFailure, Tenant, from_epoch_us, to_epoch_us
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import PollingStatus, Store
from tests.builders import NOON, a_snapshot, at, minutes
from tests.storage.stored import (
    ACME,
    EVERY,
    MILLISECOND,
    explained,
    fail,
    poll,
    rows,
    statements,
    tenant_series,
)


@pytest.fixture
def store(store_both_ways: Store) -> Store:
    """Return a store of each kind, with the cache and without it."""
    return store_both_ways


def remembered_poll(store: Store, instant: datetime, *, poll_interval: timedelta = EVERY) -> None:
    """Store a good poll as the service does, which remembers what the next one needs."""
    snapshot = a_snapshot({"Spam": 1}, taken_at=instant)
    with store.write() as transaction:
        transaction.history.add(snapshot, poll_interval=poll_interval, windows=Lookbacks(()))


class TestCoverage:
    """When polling worked."""

    def spans(self, store: Store) -> list[tuple[datetime, datetime, int]]:
        """Return the stored runs of good polls, oldest first, with the number of their polls."""
        with store.read() as reader:
            runs = reader.polls._runs  # noqa: SLF001 - beneath the interface
            tenant = runs.tenant(ACME)
            found = [] if tenant is None else runs.runs_from(tenant.id, at("00:00"))
        return [(from_epoch_us(run.since), from_epoch_us(run.until), run.polls) for run in found]

    def polls(self, store: Store) -> list[datetime]:
        """Return the good polls that are stored, oldest first."""
        with store.read() as reader:
            return [
                from_epoch_us(each)
                for each in reader.history.full_history(ACME, poll_interval=EVERY).polling.poll_times.good
            ]

    def test_polls_up_to_one_and_a_half_intervals_apart_are_one_run(self, store: Store) -> None:
        """A poll that took long does not end the run."""
        poll(store, "11:40")
        poll(store, "11:45")
        poll(store, "11:52:30")

        assert self.spans(store) == [(at("11:40"), at("11:52:30"), 3)]

    def test_a_missed_poll_begins_another_run(self, store: Store) -> None:
        """What happened in between is not known, and no poll is made up for it."""
        poll(store, "11:45")
        poll(store, at("11:52:30") + MILLISECOND)

        assert self.spans(store) == [(at("11:45"), at("11:45"), 1), (at("11:52:30") + MILLISECOND,) * 2 + (1,)]
        assert self.polls(store) == [at("11:45"), at("11:52:30") + MILLISECOND]

    def test_a_failed_poll_ends_a_run(self, store: Store) -> None:
        """However soon the next good one comes."""
        poll(store, "11:50")
        fail(store, "11:52")
        poll(store, "11:54")
        poll(store, "11:59")

        assert self.spans(store) == [(at("11:50"), at("11:50"), 1), (at("11:54"), at("11:59"), 2)]

    def test_every_poll_is_kept_to_the_microsecond(self, store: Store) -> None:
        """A replay judges at the polls that there were, although they were never evenly apart."""
        steps = [timedelta(seconds=300, microseconds=(each * 7919) % 30_000_000 - 15_000_000) for each in range(600)]
        instants = [at("01:00") + late for late in accumulate(steps)]

        for instant in instants:
            remembered_poll(store, instant)

        assert self.polls(store) == instants
        with store.read() as reader:
            assert reader.history.full_history(ACME, poll_interval=EVERY).polling.poll_times.since.tolist() == [
                to_epoch_us(instants[0])
            ]

    def test_polls_of_an_edited_interval_are_kept_as_they_were(self, store: Store) -> None:
        """What one run is, the interval decides that was in force at each poll."""
        for clock in ("10:00", "10:05", "10:10"):
            poll(store, clock)
        for clock in ("10:11", "10:12", "10:14"):
            remembered_poll(store, at(clock), poll_interval=minutes(1))

        assert self.spans(store) == [(at("10:00"), at("10:12"), 5), (at("10:14"), at("10:14"), 1)]

    def test_a_second_process_that_polls_loses_no_poll(self, database_url: str) -> None:
        """`alerter poll` beside the service, which remembers the polls before."""
        with closing(Store(database_url)) as store, closing(Store(database_url)) as another:
            for clock, one in (("11:40", store), ("11:45", another), ("11:46", store), ("11:50", store)):
                remembered_poll(one, at(clock))

            assert self.polls(store) == [at("11:40"), at("11:45"), at("11:46"), at("11:50")]

    def test_of_two_polls_at_one_instant_there_is_one(self, store: Store) -> None:
        """The second one is what counts, and samples are not more than the instants."""
        poll(store, "11:50")
        poll(store, "11:50")

        assert self.spans(store) == [(at("11:50"), at("11:50"), 1)]

    def test_a_poll_inside_a_run_belongs_to_it(self, store: Store) -> None:
        """After the clock was set back, time that is already covered stays covered."""
        poll(store, "11:50")
        poll(store, "11:55")
        poll(store, "11:53")

        assert self.spans(store) == [(at("11:50"), at("11:55"), 3)]
        assert self.polls(store) == [at("11:50"), at("11:53"), at("11:55")]

    def test_a_poll_between_two_runs_joins_them(self, store: Store) -> None:
        """A poll that is near to both closes the gap."""
        poll(store, "11:40")
        poll(store, "11:52")
        poll(store, "11:46")

        assert self.spans(store) == [(at("11:40"), at("11:52"), 3)]

    def test_a_poll_between_two_runs_that_a_failure_parted_joins_neither(self, store: Store) -> None:
        """The clock was set back, but the failed poll has not gone."""
        poll(store, "11:46")
        fail(store, "11:49")
        poll(store, "11:52")
        poll(store, "11:50")

        assert self.spans(store) == [(at("11:46"), at("11:46"), 1), (at("11:50"), at("11:52"), 2)]

    def test_a_poll_before_a_run_lengthens_it_backwards(self, store: Store) -> None:
        """The clock was set back by a few minutes, to before the first poll."""
        poll(store, "12:00")
        poll(store, "11:55")

        assert self.spans(store) == [(at("11:55"), at("12:00"), 2)]

    def test_a_poll_far_before_all_others_is_a_run_of_its_own(self, store: Store) -> None:
        """The clock was set back by hours, and nothing in between is made up."""
        poll(store, "12:00")
        poll(store, "09:00")

        assert self.spans(store) == [(at("09:00"), at("09:00"), 1), (NOON, NOON, 1)]


class TestFailures:
    """When polling did not work."""

    def test_a_failure_is_known_with_its_cause(self, store: Store) -> None:
        """Since when, and why, is what `no_data` needs."""
        poll(store, "11:50")
        fail(store, "11:55", Cause.DNS, "no such host")

        polling, _ = tenant_series(store)

        assert polling.poll_failure == PollFailure(
            started_at=at("11:55"), last_failed_at=at("11:55"), cause=Cause.DNS, detail="no such host"
        )

    def test_equal_failures_are_one_row_with_the_latest_detail(self, store: Store) -> None:
        """A night without a network is one line of history."""
        for clock, detail in (("11:50", "after 30s"), ("11:55", "after 31s"), ("12:00", "after 32s")):
            fail(store, clock, Cause.TIMEOUT, detail)

        polling, _ = tenant_series(store)
        assert polling.poll_failure == PollFailure(
            started_at=at("11:50"), last_failed_at=NOON, cause=Cause.TIMEOUT, detail="after 32s"
        )
        assert rows(store, "SELECT failure_count, detail FROM poll_failures") == [(3, "after 32s")]

    def test_every_failed_poll_is_kept_to_the_microsecond(self, store: Store) -> None:
        """When `no_data` begins to fire depends on when exactly polls failed."""
        steps = [timedelta(seconds=300, microseconds=each * 7919 % 30_000_000) for each in range(600)]
        instants = [at("01:00") + late for late in accumulate(steps)]

        for instant in instants:
            with store.write() as transaction:
                error = SourceUnavailable(Cause.TIMEOUT, "no answer")
                transaction.polls.add_failure(ACME, error, poll_interval=EVERY, windows=Lookbacks(()), at=instant)

        with store.read() as reader:
            poll_times = reader.history.full_history(ACME, poll_interval=EVERY).polling.poll_times
            failure = reader.polls.status(ACME).failure
        assert [from_epoch_us(each) for each in poll_times.polls] == instants
        assert [from_epoch_us(each.since) for each in poll_times.outages] == instants[:1]
        assert failure is not None
        assert (failure.started_at, failure.last_failed_at) == (instants[0], instants[-1])

    def test_an_outage_lasts_through_changing_causes(self, store: Store) -> None:
        """It began with the first failure since the last successful poll, and the latest cause is shown."""
        fail(store, "11:50", Cause.DNS)
        fail(store, "11:55", Cause.TIMEOUT)
        fail(store, "12:00", Cause.DNS, "again")

        polling, _ = tenant_series(store)
        assert polling.poll_failure == PollFailure(
            started_at=at("11:50"), last_failed_at=NOON, cause=Cause.DNS, detail="again"
        )
        assert rows(store, "SELECT cause FROM poll_failures ORDER BY id") == [("dns",), ("timeout",), ("dns",)]

    def test_a_good_poll_ends_the_outage(self, store: Store) -> None:
        """What fails later began later, also with the same cause."""
        fail(store, "11:40")
        poll(store, "11:50")
        assert tenant_series(store)[0].poll_failure is None

        fail(store, "12:00")

        polling, _ = tenant_series(store)
        assert polling.poll_failure is not None
        assert polling.poll_failure.started_at == NOON
        assert rows(store, "SELECT count(*) FROM poll_failures") == [(2,)]

    def test_an_outage_never_began_after_its_newest_failure(self, store: Store) -> None:
        """Where the clock is set back during an outage, it counts from there and not from a time to come."""
        fail(store, "12:00", Cause.DNS)
        fail(store, "11:00", Cause.DNS)
        fail(store, "10:30", Cause.TIMEOUT)

        polling, _ = tenant_series(store)
        assert polling.poll_failure is not None
        assert (polling.poll_failure.started_at, polling.poll_failure.last_failed_at) == (at("10:30"), at("10:30"))

    def test_a_detail_is_cut_and_cleaned(self, store: Store) -> None:
        """What a broken server says must not break the database."""
        fail(store, "12:00", Cause.NOT_UNDERSTOOD, "nul \0 half \ud800 " + "x" * 600)

        polling, _ = tenant_series(store)
        assert polling.poll_failure is not None
        assert polling.poll_failure.detail.startswith("nul \N{REPLACEMENT CHARACTER} half ? xxx")
        assert len(polling.poll_failure.detail) == 500

    def test_how_polling_goes_can_be_shown(self, store: Store) -> None:
        """The last successful poll, the last of all, and why it failed."""
        fail(store, "11:45")
        with store.read() as reader:
            assert reader.polls.status(ACME).last_success_at is None
            assert reader.polls.status(ACME).last_poll_at == at("11:45")
        poll(store, "11:50")
        with store.read() as reader:
            assert reader.polls.status(ACME) == PollingStatus(
                last_success_at=at("11:50"), last_poll_at=at("11:50"), first_polled_at=at("11:50")
            )
        fail(store, "11:55", Cause.DNS, "no such host")

        with store.read() as reader:
            polling = reader.polls.status(ACME)

        failure = PollFailure(
            started_at=at("11:55"), last_failed_at=at("11:55"), cause=Cause.DNS, detail="no such host"
        )
        assert polling == PollingStatus(
            last_success_at=at("11:50"), last_poll_at=at("11:55"), failure=failure, first_polled_at=at("11:50")
        )


def test_how_long_the_newest_good_poll_took_is_kept(store: Store) -> None:
    """The run that it lengthens carries it, so that a poll writes no row more; of an import nobody knows it."""
    latencies = [timedelta(seconds=0.25), None, timedelta(microseconds=1)]
    found: list[timedelta | None] = []
    for number, latency in enumerate(latencies):
        snapshot = replace(a_snapshot({}, taken_at=NOON + number * timedelta(minutes=5)), latency=latency)
        with store.write() as transaction:
            transaction.history.add(snapshot, poll_interval=timedelta(minutes=5), windows=Lookbacks(()))
        with store.read() as reader:
            found.append(reader.polls.status(ACME).latency)
            assert reader.polls.status_by_tenant()[ACME] == reader.polls.status(ACME)

    assert found == latencies


def test_all_tenants_are_seen_in_one_look(store: Store) -> None:
    """As each of them is by itself, also one that was never polled well: of that one nobody knows what it holds."""
    poll(store, "11:40", Spam=5, Bulk=2)
    poll(store, "11:45", "quiet")
    fail(store, "11:50", Cause.DNS)
    with store.write() as transaction:
        transaction.polls.add_failure(Tenant("no_data"), SourceUnavailable(Cause.TLS, "no trust"), at=at("11:50"))

    with store.read() as reader:
        assert reader.polls.status_by_tenant() == {name: reader.polls.status(name) for name in reader.polls.tenants()}
        assert [*reader.polls.status_by_tenant()] == ["acme", "quiet", "no_data"]
        assert reader.history.held_by_tenant() == {"acme": 7, "quiet": 0}


def test_history_reaches_back_to_the_first_good_poll(store: Store) -> None:
    """Of whichever tenant; what failed is no history of what was held."""
    fail(store, "11:00")
    with store.read() as reader:
        assert reader.polls.first_poll_at() is None
    poll(store, "11:40")
    poll(store, "11:20", "other")

    with store.read() as reader:
        assert reader.polls.first_poll_at() == at("11:20")


def test_the_failed_polls_of_years_are_not_read_for_one_more_poll(sqlite_url: str) -> None:
    """The first good poll after a restart looks for a failed one since the last: an index leads there."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:55", Spam=1)
        with statements() as executed:
            poll(store, "12:00", Spam=1)

    asked = [each for each in executed if "poll_failures" in each[0]]
    assert any("ix_poll_failures_tenant_id_kind_last_failed_at" in step for step in explained(sqlite_url, asked))
    assert not any(step.startswith("SCAN poll_failures") for step in explained(sqlite_url, asked))
