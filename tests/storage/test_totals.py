"""Sums over many tenants: added up from what is remembered, and exactly what the sum of all their series is."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.alerting_config import AlertingConfig
from alerter.core.conditions import Condition, Forecast, Stagnant, Threshold
from alerter.core.rules import Lookbacks, Per, Rule, evaluate, select_series
from alerter.core.selectors import Selector
from alerter.core.series import TOLERANCE_INTERVALS, HoldReason, Series, Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Store
from tests.builders import NOON, a_growth, a_level, a_policy, a_rule, a_snapshot, minutes, span
from tests.storage.stored import statements

_CONDITIONS: list[Condition] = [
    Threshold(above=12),
    a_growth(over="10m", by=3),
    a_growth(over="20m", percent=50, floor=1),
    Forecast(above=30, within=span("20m"), fit_over=span("20m")),
    Stagnant(above=4, lasting=span("10m")),
]
_REASONS = [HoldReason("Spam"), HoldReason("Virus"), HoldReason("Phishing")]
_NUMBERS = count()


@pytest.fixture
def cached_store(database_url: str) -> Iterator[Store]:
    """Yield a store of each kind with its cache."""
    with closing(Store(database_url)) as opened:
        yield opened


@pytest.fixture
def store(store_both_ways: Store) -> Store:
    """Return a store of each kind, with the cache and without it."""
    return store_both_ways


@dataclass
class Office:
    """A few tenants on one database, some of which may be polled by another process.

    Attributes:
        store: What this process uses; a restart makes another one.
        alerting: The rule on the sum, and the tenants.
        now: The time.
    """

    store: Store
    alerting: AlertingConfig
    now: datetime = NOON
    opened: list[Store] = field(default_factory=list)

    @property
    def rule(self) -> Rule:
        """The rule on the sum."""
        return self.alerting.rules[0]

    def poll(self, tenant: Tenant, answer: dict[str, int] | None, *, by: Store | None = None) -> None:
        """Keep a good or a failed poll."""
        interval = self.alerting.poll_intervals[tenant]
        windows = self.alerting.lookbacks_for(self.alerting.rules_for(tenant), interval)
        with (by or self.store).write() as transaction:
            if answer is None:
                error = SourceUnavailable(Cause.TIMEOUT, "no answer")
                transaction.polls.add_failure(tenant, error, poll_interval=interval, windows=windows, at=self.now)
            else:
                snapshot = a_snapshot(answer, tenant=tenant, taken_at=self.now)
                transaction.history.add(snapshot, poll_interval=interval, windows=windows)

    def total(self) -> Series:
        """Return the sum as a poll finds it."""
        with self.store.write() as transaction:
            members = self.alerting.sum_members(self.rule)
            return transaction.history.sum_over_tenants(
                members, self.rule.reasons, window=self.rule.lookback, now=self.now
            )

    def reference(self) -> Series:
        """Return the sum of all series, each read from the database."""
        patience = TOLERANCE_INTERVALS * max(self.alerting.poll_intervals.values())
        with closing(Store(self.url)) as fresh, fresh.read() as reader:
            everybody = [
                reader.history.series_for(
                    name, window=self.rule.lookback + patience, poll_interval=interval, now=self.now
                )
                for name, interval in self.alerting.poll_intervals.items()
            ]
        (total,) = select_series(self.rule, everybody)
        return total

    def restart(self) -> None:
        """Forget everything that is not in the database."""
        self.store = Store(self.url)
        self.opened.append(self.store)

    @property
    def url(self) -> str:
        """Where the database is."""
        return self.store._url.render_as_string(hide_password=False)  # noqa: SLF001 - the fixture's, without a name


def an_office(store: Store, condition: Condition, *, every: Sequence[str] = ("5m", "5m", "10m")) -> Office:
    """Return tenants that were never polled, and a rule on what they hold of spam and viruses together."""
    number = next(_NUMBERS)
    rule = a_rule("Total", warning=a_level(condition), reasons=["Spam", "Virus"], per=Per.ALL)
    tenants = {f"tenant-{number}-{place}": interval for place, interval in enumerate(every)}
    return Office(store, a_policy(rule, tenants=tenants))


_ANSWERS = st.one_of(st.none(), st.dictionaries(st.sampled_from(_REASONS), st.integers(0, 9), max_size=3))
_EVENTS = st.lists(
    st.tuples(st.integers(0, 2), _ANSWERS, st.sampled_from(["here", "here", "here", "elsewhere"]), st.integers(0, 6)),
    max_size=40,
)


@pytest.mark.parametrize("every", [("5m", "5m", "5m"), ("5m", "5m", "10m")])
@settings(max_examples=60)
@given(condition=st.sampled_from(_CONDITIONS), events=_EVENTS, looks=st.sets(st.integers(0, 40)))
def test_a_total_is_the_sum_of_all_series(
    store: Store,
    every: Sequence[str],
    condition: Condition,
    events: list[tuple[int, dict[str, int] | None, str, int]],
    looks: set[int],
) -> None:
    """Whatever was polled, here or elsewhere, with gaps, failures and restarts, and whenever somebody looked."""
    office = an_office(store, condition, every=every)
    names = list(office.alerting.poll_intervals)
    with closing(Store(office.url)) as elsewhere:
        for number, (place, answer, where, later) in enumerate(events):
            office.poll(names[place], answer, by=elsewhere if where == "elsewhere" else None)
            office.now += minutes(later) + timedelta(seconds=1)
            if number in looks:
                if number % 7 == 6:
                    office.restart()
                assert_alike(office)
        assert_alike(office)
    for opened in office.opened:
        opened.close()


def assert_alike(office: Office) -> None:
    """Check that the total is the sum of all series, as far as the rule looks and to whoever judges it."""
    found, expected = office.total(), office.reference()
    since = office.now - office.rule.lookback - found.tolerance
    level = next(iter(office.rule.levels.values()))

    assert found.value_at(office.now) == expected.value_at(office.now)
    assert (found.tenant, found.reason, found.poll_interval, found.timezone, found.poll_failure) == (
        (expected.tenant, expected.reason, expected.poll_interval, expected.timezone, expected.poll_failure)
    )
    assert evaluate(level, found, firing=False, now=office.now) == evaluate(
        level, expected, firing=False, now=office.now
    )
    if found.value_at(office.now) is not None:
        known = list(found.segments(since=since, until=office.now))
        assert known == list(expected.segments(since=since, until=office.now))


def reads_of(run: list[tuple[str, Any]]) -> list[str]:
    """Return the statements that read, but for the lock of a writer."""
    return [statement for statement, _ in run if statement.startswith("SELECT") and "pg_advisory" not in statement]


def test_who_is_remembered_is_not_read_again(cached_store: Store) -> None:
    """One look into the database tells that nothing has changed anybody, however many tenants there are."""
    store = cached_store
    office = an_office(store, Threshold(above=12), every=["5m"] * 5)
    for name in office.alerting.poll_intervals:
        office.poll(name, {"Spam": 3})

    with statements() as run:
        total = office.total()

    assert total.value_at(office.now) == 15
    assert len(reads_of(run)) == 1


def test_of_who_was_polled_elsewhere_only_what_changed_is_read(cached_store: Store) -> None:
    """Another instance polls half of the tenants: their polls cost this one two statements, and what they changed."""
    store = cached_store
    office = an_office(store, Threshold(above=12), every=["2m"] * 5)
    names = list(office.alerting.poll_intervals)
    for name in names:
        office.poll(name, {"Spam": 3, "Virus": 1})
    assert office.total().value_at(office.now) == 20

    with closing(Store(office.url)) as elsewhere:
        for _ in range(2):
            # The first time it reads everything, which everybody sees; from then on it remembers as well.
            office.now += minutes(1)
            for name in names[:3]:
                office.poll(name, {"Spam": 3, "Virus": 1}, by=elsewhere)
            office.total()
        office.now += minutes(1)
        for place, name in enumerate(names[:3]):
            office.poll(name, {"Spam": 3 + place, "Virus": 1}, by=elsewhere)
    with statements() as run:
        total = office.total()

    assert total.value_at(office.now) == 23
    assert len(reads_of(run)) == 1 + 2
    assert_alike(office)


def test_what_is_known_already_is_not_added_again(store: Store) -> None:
    """Two tenants are polled elsewhere, of which one is read up to a later poll than the other."""
    office = an_office(store, a_growth(over="30m", by=3), every=["5m"] * 2)
    one, other = office.alerting.poll_intervals
    with closing(Store(office.url)) as elsewhere:
        for name in (one, other):
            office.poll(name, {"Spam": 1}, by=elsewhere)
        office.total()
        for held in (4, 2):
            office.now += minutes(2)
            office.poll(one, {"Spam": held}, by=elsewhere)
        office.total()
        office.now += minutes(1)
        for name in (one, other):
            office.poll(name, {"Spam": 5}, by=elsewhere)

    assert_alike(office)


def test_after_a_restart_all_are_read_together_once(store: Store) -> None:
    """From then on they are remembered, for their own polls as well."""
    office = an_office(store, Threshold(above=12), every=["5m"] * 5)
    names = list(office.alerting.poll_intervals)
    for name in names:
        office.poll(name, {"Spam": 3})
    office.restart()

    with statements() as run:
        assert office.total().value_at(office.now) == 15
        assert office.total().value_at(office.now) == 15
    reads = reads_of(run)
    office.now += minutes(3)
    with office.store.write() as transaction:
        changed = transaction.history.add(
            a_snapshot({"Spam": 4}, tenant=names[0], taken_at=office.now),
            poll_interval=minutes(5),
            windows=office.alerting.sum_members(office.rule)[0].windows,
        )

    assert len(reads) == 1 + 4 + 1
    assert changed == {0: 4}
    for opened in office.opened:
        opened.close()


def test_where_somebody_is_not_seen_nothing_is_added_up(store: Store) -> None:
    """A partial sum proves nothing, and nobody's history is read for it."""
    office = an_office(store, Threshold(above=12), every=["5m"] * 3)
    for name in list(office.alerting.poll_intervals)[:2]:
        office.poll(name, {"Spam": 300})
    office.restart()

    with statements() as run:
        total = office.total()

    assert total.value_at(office.now) is None
    assert total.changes == ()
    assert len(reads_of(run)) == 1
    for opened in office.opened:
        opened.close()


def test_a_reload_that_looks_back_further_reads_what_it_needs(store: Store) -> None:
    """What is remembered for other rules is not taken for what these ask for."""
    office = an_office(store, Threshold(above=12), every=["5m"] * 2)
    first, second = office.alerting.poll_intervals
    for spam in (3, 9):
        office.poll(first, {"Spam": spam})
        office.poll(second, {"Spam": spam})
        office.now += minutes(5)
    rule = a_rule("Total", warning=a_level(a_growth(over="5m", by=3)), per=Per.ALL)
    office.alerting = a_policy(rule, tenants={first: "5m", second: "5m"})

    assert office.total().value_at(NOON) == 6
    assert office.total().value_at(NOON + minutes(5)) == 18


def test_windows_of_a_sum_reach_as_far_as_its_slowest_tenant_is_patient() -> None:
    """A tenant that is polled each minute is known for as long as one that is polled each hour stands for the past."""
    rule = a_rule(warning=a_level(a_growth(over="1h", by=3)), per=Per.ALL)
    alerting = a_policy(rule, tenants={"quick": "1m", "slow": "1h"})

    quick = alerting.lookbacks_for(alerting.rules_for(Tenant("quick")), minutes(1))

    assert quick == Lookbacks(((Selector(), minutes(60) + 2 * minutes(59)),))
