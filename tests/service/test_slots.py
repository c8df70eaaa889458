"""When each tenant is polled: steadily, spread, the same after a restart."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.series import Tenant
from alerter.service.slots import (
    FIRST_POLLS_PER_SECOND,
    first_polls,
    next_slot,
    sum_trigger_tenants,
)
from tests.builders import NOON, span

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
SECOND = timedelta(seconds=1)
FIVE_MINUTES = span("5m")


def names(count: int) -> list[Tenant]:
    """Return names as an MSP gives them: all alike."""
    return [Tenant(f"customer-{number:05}") for number in range(count)]


@given(
    st.text(min_size=1, max_size=20),
    st.timedeltas(span("10s"), span("1d")),
    st.datetimes(timezones=st.just(NOON.tzinfo)),
)
def test_a_slot_is_after_now_by_at_most_an_interval(name: str, interval: timedelta, now: datetime) -> None:
    """Whatever the name, the interval and the time, the next poll is neither now nor further off than it may be."""
    assert timedelta(0) < next_slot(Tenant(name), interval, now=now) - now <= interval


@given(st.text(min_size=1, max_size=20), st.timedeltas(span("10s"), span("1d")), st.integers(1, 100_000))
def test_slots_do_not_drift(name: str, interval: timedelta, later: int) -> None:
    """A service that was restarted, or has run for years, polls at the same instants as one that has just begun."""
    slot = next_slot(Tenant(name), interval, now=NOON)

    assert next_slot(Tenant(name), interval, now=slot) == slot + interval
    assert next_slot(Tenant(name), interval, now=slot + later * interval) == slot + (later + 1) * interval


@pytest.mark.parametrize("every", ["1m", "5m", "1h"])
def test_ten_thousand_tenants_are_spread_evenly(every: str) -> None:
    """In no sixtieth of the interval are there a quarter more polls, or less, than there would be if all were equal."""
    sixtieth = span(every) / 60
    slots = [next_slot(name, span(every), now=NOON) for name in names(10_000)]

    per_part = Counter((slot - NOON) // sixtieth for slot in slots)

    assert min(per_part[part] for part in range(60)) > 10_000 / 60 * 0.75
    assert max(per_part.values()) < 10_000 / 60 * 1.25


def test_a_few_tenants_are_polled_at_once() -> None:
    """Who starts the service sees within a second what is held."""
    first_at = dict(first_polls(dict.fromkeys(names(20), FIVE_MINUTES), now=NOON))

    assert first_at.keys() == set(names(20))
    assert max(first_at.values()) < NOON + SECOND


def test_ten_thousand_tenants_are_no_stampede_at_a_start() -> None:
    """All are polled within minutes, and at no time much faster than they are polled anyhow."""
    first_at = dict(first_polls(dict.fromkeys(names(10_000), FIVE_MINUTES), now=NOON))

    per_second = Counter((at - NOON) // SECOND for at in first_at.values())
    assert first_at.keys() == set(names(10_000))
    assert max(first_at.values()) <= NOON + span("200s")
    assert max(per_second.values()) < FIRST_POLLS_PER_SECOND + 10_000 / 300 * 1.5


def test_where_an_interval_is_shorter_than_the_startup_spread_not_all_begin_in_the_first_one() -> None:
    """First polls are dear: they come at slots, but no faster than fifty a second."""
    first_at = dict(first_polls(dict.fromkeys(names(10_000), span("1m")), now=NOON))

    per_second = Counter((at - NOON) // SECOND for at in first_at.values())
    assert max(first_at.values()) <= NOON + span("200s")
    assert max(per_second.values()) < FIRST_POLLS_PER_SECOND * 1.5


@pytest.mark.parametrize(
    ("tenants", "every", "fewest", "most"),
    [
        pytest.param(1, "5m", 1, 1, id="one"),
        pytest.param(20, "5m", 20, 20, id="a few: each of them"),
        pytest.param(1000, "5m", 75, 75, id="a thousand: every four seconds"),
        pytest.param(10_000, "5m", 8, 8, id="ten thousand: every forty seconds"),
        pytest.param(10_000, "10s", 1, 1, id="ten thousand that are polled as often as can be: once in an interval"),
    ],
)
def test_a_sum_over_many_is_judged_with_the_polls_of_a_few(tenants: int, every: str, fewest: int, most: int) -> None:
    """So seldom that it takes a small part of the time, and once in an interval at least."""
    assert fewest <= len(sum_trigger_tenants(dict.fromkeys(names(tenants), span(every)))) <= most


def test_bearers_are_spread_over_the_interval() -> None:
    """Between two looks at the sum it is never much longer than it should be."""
    found = sum_trigger_tenants(dict.fromkeys(names(1000), FIVE_MINUTES), apart=timedelta(milliseconds=30))

    slots = sorted(next_slot(name, FIVE_MINUTES, now=NOON) for name in found)
    assert max(later - earlier for earlier, later in pairwise([*slots, slots[0] + FIVE_MINUTES])) < 45 * SECOND


def test_a_sum_over_tenants_of_different_intervals_is_judged_with_polls_of_each() -> None:
    """Whoever is polled often may have gone tomorrow; nobody's interval is left without."""
    slow, quick = names(200)[:100], names(200)[100:]
    intervals = dict.fromkeys(slow, span("1h")) | dict.fromkeys(quick, span("10s"))

    found = sum_trigger_tenants(intervals)

    assert found & set(slow)
    assert found & set(quick)


def test_of_nobody_there_is_no_sum() -> None:
    """A rule that looks at no tenant is judged with none."""
    assert sum_trigger_tenants({}) == frozenset()
