"""What was seen is kept where it changed, and comes back as the series that it makes, whatever the clock did."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerter.core.series import ALL_TENANTS, HoldReason, Sample, Span, Tenant
from alerter.errors import Cause, SourceUnavailable, StoreError
from alerter.storage import PollingStatus, Store
from tests.builders import NOON, at, minutes, span
from tests.storage.stored import ACME, EVERY, explained, poll, prune, rows, seen, statements, tenant_series


@pytest.fixture
def store(store_both_ways: Store) -> Store:
    """Return a store of each kind, with the cache and without it."""
    return store_both_ways


class TestCounts:
    """What a good poll saw."""

    def test_a_count_is_a_row_only_when_it_changes(self, store: Store) -> None:
        """A day of polls that see the same costs no row but the first."""
        for back in range(12, 0, -1):
            poll(store, NOON - back * EVERY, Spam=7, Virus=2)

        poll(store, NOON, Spam=9, Virus=2)

        assert rows(store, "SELECT previous_value, value FROM count_changes ORDER BY at, series_id") == [
            (0, 7),
            (0, 2),
            (7, 9),
        ]

    def test_a_reason_that_leaves_the_answer_has_none_held(self, store: Store) -> None:
        """After a good poll what is not in the answer is 0, from that poll on."""
        poll(store, "11:55", Spam=7)

        poll(store, "12:00")

        _, series = tenant_series(store)
        assert series["Spam"].value_at(at("11:59:59")) == 7
        assert series["Spam"].value_at(NOON) == 0

    def test_a_new_reason_had_none_held_before(self, store: Store) -> None:
        """A tenant that was polled then without that reason had 0, and a zero is proven by the coverage."""
        poll(store, "11:50", Spam=7)
        poll(store, "11:55", Spam=7)

        poll(store, "12:00", Spam=7, Virus=3)

        _, series = tenant_series(store)
        assert [series["Virus"].value_at(at(clock)) for clock in ("11:45", "11:50", "11:55", "12:00")] == [
            None,
            0,
            0,
            3,
        ]

    def test_an_answer_without_any_reason_is_a_snapshot(self, store: Store) -> None:
        """Nothing held is proven like anything else."""
        poll(store, "12:00")

        polling, series = tenant_series(store)
        assert (polling.value_at(NOON), series) == (0, {})

    def test_a_reason_that_is_listed_with_zero_is_known(self, store: Store) -> None:
        """Mimecast may list a reason of which nothing is held."""
        poll(store, "12:00", Spam=0)

        _, series = tenant_series(store)
        assert series["Spam"].value_at(NOON) == 0

    def test_when_something_was_first_held_is_known_for_ever(self, store: Store) -> None:
        """Neither a zero before nor one after is that moment, and no pruning forgets it."""
        poll(store, "11:00", Spam=0)
        poll(store, "11:05", Spam=3, Virus=1)
        poll(store, "11:10")
        poll(store, "11:15", Spam=9, Malware=0)
        prune(store, "12:00")

        polling, series = tenant_series(store)

        assert {reason: each.first_held_at for reason, each in series.items()} == {
            "Spam": at("11:05"),
            "Virus": at("11:05"),
            "Malware": None,
        }
        assert {each.first_polled_at for each in (polling, *series.values())} == {at("11:00")}

    def test_what_is_first_is_so_also_after_the_clock_was_set_back(self, store: Store) -> None:
        """The clock that is right now decides what came first."""
        poll(store, "12:00", Spam=0, Virus=1)
        poll(store, "12:05", Spam=5, Virus=1)

        poll(store, "11:00", Spam=5, Virus=0)

        polling, series = tenant_series(store)
        assert polling.first_polled_at == at("11:00")
        assert (series["Spam"].first_held_at, series["Virus"].first_held_at) == (at("11:00"), at("12:00"))

    def test_a_series_knows_where_its_tenant_is(self, store: Store) -> None:
        """Whoever reads it says in which time zone its people work."""
        poll(store, "12:00", Spam=1)
        zone = ZoneInfo("Asia/Tokyo")

        with store.read() as reader:
            read = reader.history.series_for(ACME, window=span("1h"), poll_interval=EVERY, timezone=zone, now=NOON)

        assert [each.timezone for each in (read.polling, *read.reasons)] == [zone, zone]

    def test_the_present_of_every_reason_is_known(self, store: Store) -> None:
        """What is held now, since when, and when the reason was first seen."""
        poll(store, "11:50", Spam=7)
        poll(store, "11:55", Spam=7, Virus=2)
        poll(store, "12:00", Spam=9, Virus=2)

        with store.read() as reader:
            found = [
                (each.reason, each.held, each.changed_at, each.first_seen_at) for each in reader.history.reasons(ACME)
            ]

        assert found == [("Spam", 9, at("12:00"), at("11:50")), ("Virus", 2, at("11:55"), at("11:55"))]

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Ω" * 1000, id="a thousand characters"),
            pytest.param("".join(chr(0x10000 + (n * 7919) % 0xFFFF) for n in range(1000)), id="4000 bytes of noise"),
            pytest.param("Spam ", id="a space at the end"),
            pytest.param("SPAM", id="another case"),
            pytest.param("'; DROP TABLE series; -- %s :x {0}", id="what could be a statement"),
            pytest.param("e\u0301", id="a combined letter"),
            pytest.param("line\nbreak\ttab", id="white space"),
        ],
    )
    def test_a_reason_is_kept_verbatim(self, store: Store, name: str) -> None:
        """Names are an administrator's text: any Unicode, and never mistaken for one another."""
        held = {"Spam": 1, "\u00e9": 2, name: 3}

        for taken_at in (at("11:55"), NOON):
            with store.write() as transaction:
                seen(transaction, taken_at, held)

        _, series = tenant_series(store)
        assert {reason: each.value_at(NOON) for reason, each in series.items()} == held

    def test_the_largest_count_is_kept_exactly(self, store: Store) -> None:
        """Counts go up to 2 to the power of 53."""
        poll(store, "12:00", Spam=2**53)

        _, series = tenant_series(store)
        assert series["Spam"].value_at(NOON) == 2**53

    def test_a_snapshot_covers_its_own_instant(self, store: Store) -> None:
        """An instant is kept as exactly as a clock gives it, so that a poll is not later than its own coverage."""
        now = NOON + timedelta(microseconds=123_457)

        poll(store, now, Spam=7)

        _, series = tenant_series(store, now=now)
        assert series["Spam"].value_at(now) == 7
        assert series["Spam"].changes[-1].at == now

    def test_instants_come_back_in_utc(self, store: Store) -> None:
        """However an instant was written, it is read in UTC."""
        poll(store, NOON.astimezone(timezone(span("5h30m"))), Spam=7)

        polling, _ = tenant_series(store)
        assert polling.coverage[-1].end_at.isoformat() == "2026-03-02T12:00:00+00:00"

    def test_a_naive_instant_is_refused(self, store: Store) -> None:
        """A time without a zone is a mistake, and is not guessed at."""
        with pytest.raises(StoreError, match="offset-naive"):
            poll(store, NOON.replace(tzinfo=None), Spam=7)

    def test_tenants_do_not_mix(self, store: Store) -> None:
        """Two accounts may have a hold reason of the same name."""
        poll(store, "12:00", "acme", Spam=1)
        poll(store, "12:00", "legacy", Spam=2)

        assert tenant_series(store, "acme")[1]["Spam"].value_at(NOON) == 1
        assert tenant_series(store, "legacy")[1]["Spam"].value_at(NOON) == 2
        with store.read() as reader:
            assert reader.polls.tenants() == ["acme", "legacy"]


class TestWindows:
    """What the rules see."""

    def test_the_value_at_the_start_is_what_the_first_change_changed_from(self, store: Store) -> None:
        """Nothing ever looks further back than the window."""
        poll(store, "09:00", Spam=7)
        poll(store, "11:58", Spam=9)

        _, series = tenant_series(store, window="10m")

        assert [sample.count for sample in series["Spam"].changes] == [7, 9]

    def test_the_value_at_the_start_is_the_present_one_where_nothing_changed(self, store: Store) -> None:
        """A series that stands still has no row in the window."""
        poll(store, "09:00", Spam=7)
        poll(store, "11:58", Spam=7)

        _, series = tenant_series(store, window="10m")

        assert [sample.count for sample in series["Spam"].changes] == [7]

    def test_the_window_reaches_to_its_oldest_reference(self, store: Store) -> None:
        """A reference may be two poll intervals older than the window, and still has its value."""
        poll(store, "10:50", Spam=7)
        poll(store, "11:30", Spam=9)
        poll(store, "12:00", Spam=12)

        _, series = tenant_series(store)

        assert series["Spam"].newest_sample(until=NOON - span("1h")) == Sample(at("10:50"), 7)

    def test_the_newest_coverage_is_there_however_old_it_is(self, store: Store) -> None:
        """After a week without a good poll it is known when the last one was."""
        poll(store, "09:00", Spam=7)

        polling, series = tenant_series(store, now=NOON + timedelta(days=7))

        assert polling.coverage == [Span(at("09:00"), at("09:00"))]
        assert series["Spam"].value_at(NOON + timedelta(days=7)) is None

    def test_polling_sums_to_nothing_where_it_was_covered(self, store: Store) -> None:
        """The sum over no reasons is 0 while polling worked, and unknown otherwise."""
        poll(store, "11:30")
        poll(store, "12:00")

        polling, _ = tenant_series(store)

        assert [polling.value_at(at(clock)) for clock in ("11:30", "11:45", "12:00")] == [0, None, 0]

    def test_a_tenant_that_was_never_polled_is_empty(self, store: Store) -> None:
        """It has neither coverage nor reasons, and is no error."""
        polling, series = tenant_series(store, "nobody")

        assert (polling.coverage, polling.poll_failure, series) == ([], None, {})
        with store.read() as reader:
            assert (reader.polls.status(Tenant("nobody")), reader.history.reasons(Tenant("nobody"))) == (
                PollingStatus(),
                [],
            )

    def test_a_series_can_be_shown_between_two_instants(self, store: Store) -> None:
        """The history has the value at its start, every change, and only what was covered."""
        poll(store, "09:00", Spam=3)
        poll(store, "09:05", Spam=5)
        poll(store, "11:00", Spam=6)
        poll(store, "11:05", Spam=8)
        poll(store, "12:00", Spam=9)

        with store.read() as reader:
            shown = reader.history.samples(ACME, HoldReason("Spam"), since=at("09:02"), until=at("11:02"))

        assert list(shown.changes) == [Sample(at("09:02"), 3), Sample(at("09:05"), 5), Sample(at("11:00"), 6)]
        assert list(shown.coverage) == [Span(at("09:02"), at("09:05")), Span(at("11:00"), at("11:02"))]

    def test_a_reason_that_was_never_seen_shows_nothing_held(self, store: Store) -> None:
        """Where the tenant was polled without it there were none."""
        poll(store, "12:00", Spam=3)

        with store.read() as reader:
            shown = reader.history.samples(ACME, HoldReason("Virus"), since=at("11:00"), until=NOON)
            unknown = reader.history.samples(Tenant("nobody"), HoldReason("Virus"), since=at("11:00"), until=NOON)

        assert (shown.value_at(NOON), unknown.value_at(NOON)) == (0, None)


#: Polls of three reasons, minutes after the first one; mostly in order, for the clock is seldom set back.
_HELD = st.dictionaries(st.sampled_from(["Spam", "Virus", "Graymail"]), st.integers(0, 3), max_size=3)
_STEPS = st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(-30, 0))
_numbers = count()


class TestClock:
    """A clock that was set back."""

    def test_the_second_of_two_polls_at_an_instant_counts(self, store: Store) -> None:
        """It replaces the first, and what was held before both is kept."""
        poll(store, "11:55", Spam=1)
        poll(store, "12:00", Spam=2)
        poll(store, "12:00", Spam=3)

        assert rows(store, "SELECT previous_value, value FROM count_changes ORDER BY at") == [(0, 1), (1, 3)]

    def test_a_poll_in_the_past_stands_at_its_place(self, store: Store) -> None:
        """It holds until the next change that is stored already, and that one still leads to its own value."""
        poll(store, "11:30", Spam=1)
        poll(store, "12:00", Spam=9)
        poll(store, "11:45", Spam=5)

        _, series = tenant_series(store)
        assert [series["Spam"].value_at(at(clock)) for clock in ("11:30", "11:45", "12:00")] == [1, 5, 9]
        assert rows(store, "SELECT previous_value, value FROM count_changes ORDER BY at") == [(0, 1), (1, 5), (5, 9)]

    def test_the_window_starts_right_while_later_changes_are_stored(self, store: Store) -> None:
        """The value at the start comes from the first change after it, even from one after the present."""
        poll(store, "09:00", Spam=1)
        poll(store, "15:00", Spam=9)

        _, series = tenant_series(store, window="10m", now=NOON)

        assert series["Spam"].changes[0].count == 1

    @settings(max_examples=60)
    @given(polls=st.lists(st.tuples(_STEPS, _HELD), min_size=1, max_size=14))
    @example(polls=[(1, {"Spam": 1}), (5, {"Spam": 1}), (-3, {"Spam": 2}), (0, {"Spam": 1})])
    def test_the_series_equal_the_samples_that_they_were_made_of(
        self, store: Store, polls: list[tuple[int, dict[str, int]]]
    ) -> None:
        """Whatever the clock did, every poll reads as it was; one in the past holds until the next change."""
        tenant = f"tenant {next(_numbers)}"
        model: dict[datetime, dict[str, int]] = {}
        now = NOON
        for step, held in polls:
            now += minutes(step)
            poll(store, now, tenant, **held)
            believe(model, now, held)

            polling, series = tenant_series(store, tenant, window="1d", now=now)
            for instant, expected in model.items():
                assert {reason: each.value_at(instant) for reason, each in series.items()} == expected
                assert polling.value_at(instant) == 0
        assert_consistent(store)


def believe(model: dict[datetime, dict[str, int]], now: datetime, held: Mapping[str, int]) -> None:
    """Add a poll to samples by instant: it stands for itself and for the later polls that saw what it replaces."""
    reasons = {reason for each in model.values() for reason in each} | set(held)
    for each in model.values():
        each.update({reason: each.get(reason, 0) for reason in reasons})
    before = max((instant for instant in model if instant <= now), default=None)
    replaced = dict.fromkeys(reasons, 0) if before is None else dict(model[before])
    model.setdefault(now, replaced)
    for reason in reasons:
        old = model[now][reason]
        for instant in sorted(instant for instant in model if instant >= now):
            if model[instant][reason] != old:
                break
            model[instant][reason] = held.get(reason, 0)


def assert_consistent(store: Store) -> None:
    """Check that every change begins where the one before it ended, and that what is held now is the last one."""
    found = rows(store, "SELECT series_id, previous_value, value, at FROM count_changes ORDER BY series_id, at")
    held: dict[int, tuple[int, int]] = {}
    for number, was, now, instant in found:
        assert was == held.get(number, (0, 0))[0]
        held[number] = (now, instant)
    for number, now, changed_at in rows(store, "SELECT id, value, changed_at FROM series"):
        assert held.get(number, (0, 0))[0] == now
        assert held.get(number, (0, 0))[1] <= changed_at


class TestCost:
    """The cost of a poll does not grow with the history."""

    def test_a_cycle_reads_ranges_of_indexes(self, sqlite_url: str) -> None:
        """No statement of a poll or of the outbox goes through a whole table."""
        with closing(Store(sqlite_url)) as store:
            poll(store, "11:55", Spam=1)
            with statements() as executed, store.write() as transaction:
                transaction.polls.add_failure(ACME, SourceUnavailable(Cause.DNS, "no such host"), at=at("11:56"))
                transaction.polls.add_failure(ACME, SourceUnavailable(Cause.DNS, "no such host"), at=at("11:57"))
                seen(transaction, NOON, {"Spam": 2, "Virus": 1})
                transaction.history.series_for(ACME, window=span("1h"), poll_interval=EVERY, now=NOON)
                transaction.alerts.load([ACME, ALL_TENANTS])
                transaction.notifications.states([ACME, ALL_TENANTS])
                transaction.outbox.waiting()
                transaction.polls.status(ACME)

        plans = explained(sqlite_url, executed)

        assert "SEARCH count_changes USING PRIMARY KEY (tenant_id=? AND (at,series_id)>(?,?) AND at<?)" in plans
        assert (
            "SEARCH compressed_days USING INDEX sqlite_autoindex_compressed_days_1 "
            "(tenant_id=? AND start_at>? AND start_at<?)" in plans
        )
        assert "SEARCH coverage USING PRIMARY KEY (tenant_id=? AND kind=? AND first_poll_at>?)" in plans
        assert [plan for plan in plans if plan.startswith("SCAN") and "ix_deliveries_waiting" not in plan] == []

    def test_a_cycle_is_a_fixed_number_of_statements(self, sqlite_url: str) -> None:
        """A tenant with two hundred reasons takes as many as one with two, and so does an old one."""
        with closing(Store(sqlite_url)) as store:
            numbers = []
            for tenant, reasons in (("small", 2), ("large", 200)):
                poll(store, "11:55", tenant, **{f"reason{each}": each for each in range(reasons)})
                with statements() as executed, store.write() as transaction:
                    held = {f"reason{each}": each + 1 for each in range(reasons)}
                    seen(transaction, NOON, held, tenant=tenant)
                    transaction.history.series_for(Tenant(tenant), window=span("1h"), poll_interval=EVERY, now=NOON)
                numbers.append(len(executed))

        assert numbers[0] == numbers[1] == 14

    def test_pruning_reads_a_range_of_the_changes(self, sqlite_url: str) -> None:
        """What stays is not looked at."""
        with closing(Store(sqlite_url)) as store:
            poll(store, "11:55", Spam=1)
            with statements() as executed, store.write() as transaction:
                transaction.retention.tenants_to_prune(at("10:00"))
                transaction.retention.prune(ACME, before=at("10:00"), batch=100)
                transaction.retention.tenants_to_downsample(at("10:00"))
                transaction.retention.downsample(ACME, before=at("10:00"), batch=100)

        plans = explained(sqlite_url, executed)

        assert "SEARCH count_changes USING PRIMARY KEY (tenant_id=? AND at<?)" in plans
        assert not any(plan.startswith("SCAN counts") for plan in plans)
