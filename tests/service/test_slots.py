"""When each tenant is polled: steadily, spread, the same after a restart; and who waits for a poller with whom."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.series import Tenant
from alerter.service.slots import (
    FIRST_POLLS_PER_SECOND,
    MAX_POLLERS,
    PLANNED_SILENT,
    PLANNED_SLOW,
    Lane,
    Lanes,
    Timetable,
    bearers,
    lane_after,
    slot_after,
)
from tests.builders import NOON, span

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
SECOND = timedelta(seconds=1)
FIVE_MINUTES = span("5m")


def names(count: int) -> list[Tenant]:
    """Return names as an MSP gives them: all alike."""
    return [Tenant(f"customer-{number:05}") for number in range(count)]


def a_timetable(*tenants: Tenant, every: str = "5m") -> Timetable:
    """Return a timetable whose tenants have had their first polls."""
    table = Timetable()
    table.assign(dict.fromkeys(tenants, span(every)), now=NOON)
    table.due(now=NOON + span("1m"))
    return table


def polls(table: Timetable, *, since: datetime, seconds: int) -> list[tuple[datetime, Tenant]]:
    """Return who is polled in so many seconds, looked at each second."""
    ticks = [since + number * SECOND for number in range(seconds)]
    return [(tick, tenant) for tick in ticks for tenant in table.due(now=tick)]


@given(
    st.text(min_size=1, max_size=20),
    st.timedeltas(span("10s"), span("1d")),
    st.datetimes(timezones=st.just(NOON.tzinfo)),
)
def test_a_slot_is_after_now_by_at_most_an_interval(name: str, interval: timedelta, now: datetime) -> None:
    """Whatever the name, the interval and the time, the next poll is neither now nor further off than it may be."""
    assert timedelta(0) < slot_after(Tenant(name), interval, now=now) - now <= interval


@given(st.text(min_size=1, max_size=20), st.timedeltas(span("10s"), span("1d")), st.integers(1, 100_000))
def test_slots_do_not_drift(name: str, interval: timedelta, later: int) -> None:
    """A service that was restarted, or has run for years, polls at the same instants as one that has just begun."""
    slot = slot_after(Tenant(name), interval, now=NOON)

    assert slot_after(Tenant(name), interval, now=slot) == slot + interval
    assert slot_after(Tenant(name), interval, now=slot + later * interval) == slot + (later + 1) * interval


@pytest.mark.parametrize("every", ["1m", "5m", "1h"])
def test_ten_thousand_tenants_are_spread_evenly(every: str) -> None:
    """In no sixtieth of the interval are there a quarter more polls, or less, than there would be if all were equal."""
    sixtieth = span(every) / 60
    slots = [slot_after(name, span(every), now=NOON) for name in names(10_000)]

    per_part = Counter((slot - NOON) // sixtieth for slot in slots)

    assert min(per_part[part] for part in range(60)) > 10_000 / 60 * 0.75
    assert max(per_part.values()) < 10_000 / 60 * 1.25


def test_a_few_tenants_are_polled_at_once() -> None:
    """Whoever starts the service sees within a second what is held."""
    table = Timetable()
    table.assign(dict.fromkeys(names(20), FIVE_MINUTES), now=NOON)

    assert set(table.due(now=NOON + SECOND)) == set(names(20))


def test_ten_thousand_tenants_are_no_stampede_at_a_start() -> None:
    """All are polled within minutes, and at no time much faster than they are polled anyhow."""
    table = Timetable()
    table.assign(dict.fromkeys(names(10_000), FIVE_MINUTES), now=NOON)

    begun = polls(table, since=NOON, seconds=201)

    per_second = Counter(at for at, _ in begun)
    assert {name for _, name in begun} == set(names(10_000))
    assert max(per_second.values()) < FIRST_POLLS_PER_SECOND + 10_000 / 300 * 1.5


def test_where_an_interval_is_shorter_than_the_first_round_not_all_begin_in_the_first_one() -> None:
    """First polls are dear: they come at slots, but no faster than fifty a second, and then all is as ever."""
    table = Timetable()
    table.assign(dict.fromkeys(names(10_000), span("1m")), now=NOON)

    begun = polls(table, since=NOON, seconds=301)

    first_at: dict[Tenant, datetime] = {}
    for at, name in begun:
        first_at.setdefault(name, at)
    per_second = Counter(first_at.values())
    assert first_at.keys() == set(names(10_000))
    assert max(first_at.values()) <= NOON + span("200s")
    assert max(per_second.values()) < FIRST_POLLS_PER_SECOND * 1.5
    assert Counter(name for at, name in begun if at > NOON + span("240s")) == dict.fromkeys(names(10_000), 1)


def test_only_the_first_poll_since_a_tenant_was_assigned_is_a_first_one() -> None:
    """After a start, or with other keys, everything about a tenant must be read; from then on nothing is new."""
    table = Timetable()
    table.assign({ACME: FIVE_MINUTES, GLOBEX: FIVE_MINUTES}, now=NOON)
    seen = {}
    for text in ("1s", "6m", "12m"):
        table.due(now=NOON + span(text))
        seen[text] = table.is_first(ACME), table.is_first(GLOBEX)
    table.assign({ACME: FIVE_MINUTES, GLOBEX: FIVE_MINUTES}, soon=[ACME], now=NOON + span("13m"))
    table.due(now=NOON + span("13m"))

    assert seen == {"1s": (True, True), "6m": (False, False), "12m": (False, False)}
    assert (table.is_first(ACME), table.is_first(GLOBEX)) == (True, False)


def test_polls_are_an_interval_apart() -> None:
    """After the first one each poll is at its slot, however late the one before was handed out."""
    table = a_timetable(ACME)

    slots = [at for at, _ in polls(table, since=NOON + span("1m"), seconds=1500)]

    assert len(slots) == 5
    assert {later - earlier for earlier, later in pairwise(slots)} == {FIVE_MINUTES}


def test_slots_that_were_slept_through_are_one_poll() -> None:
    """A machine that was suspended for a day polls once, not three hundred times."""
    table = a_timetable(ACME)

    assert table.due(now=NOON + span("1d")) == [ACME]
    assert table.due(now=NOON + span("1d")) == []


@pytest.mark.parametrize(
    ("intervals", "soon", "at_once"),
    [
        pytest.param({ACME: "5m", GLOBEX: "5m"}, [], [], id="nothing has changed"),
        pytest.param({ACME: "5m", GLOBEX: "10m"}, [], [GLOBEX], id="one is polled less often"),
        pytest.param({ACME: "5m", GLOBEX: "5m", "initech": "5m"}, [], ["initech"], id="one is new"),
        pytest.param({ACME: "5m"}, [], [], id="one has gone"),
        pytest.param({ACME: "5m", GLOBEX: "5m"}, [ACME], [ACME], id="one has other keys"),
    ],
)
def test_a_reload_polls_at_once_what_is_new_to_it(
    intervals: dict[Tenant, str], soon: Sequence[Tenant], at_once: Sequence[Tenant]
) -> None:
    """All others keep their place in the schedule."""
    table = a_timetable(ACME, GLOBEX)
    now = NOON + span("1m")
    kept = {name: table.next_at(name) for name in intervals if name not in at_once}

    table.assign({name: span(every) for name, every in intervals.items()}, soon=soon, now=now)

    assert table.due(now=now) == list(at_once)
    assert {name: table.next_at(name) for name in kept} == kept
    assert {name for _, name in polls(table, since=now, seconds=700)} == set(intervals)


def test_after_a_jump_of_the_clock_everyone_is_polled_soon() -> None:
    """Slots that a wrong clock had put hours ahead are forgotten."""
    table = a_timetable(ACME, GLOBEX)
    early = NOON - span("3h")

    table.restart(now=early)

    assert set(table.due(now=early + SECOND)) == {ACME, GLOBEX}
    assert all(at is not None and at <= early + FIVE_MINUTES + SECOND for at in map(table.next_at, [ACME, GLOBEX]))


def test_a_tenant_can_be_polled_once_more_before_its_slot() -> None:
    """What Mimecast asked to wait for comes when that is over; the slot stays where it is."""
    table = a_timetable(ACME)
    slot = table.next_at(ACME)
    assert slot is not None

    table.again(ACME, at=slot - 10 * SECOND)

    assert table.due(now=slot - 11 * SECOND) == []
    assert table.due(now=slot - 10 * SECOND) == [ACME]
    assert table.due(now=slot) == [ACME]


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_further_poll_that_a_slot_makes_needless_is_left_out(seconds: int) -> None:
    """Nobody is polled twice for one reason."""
    table = a_timetable(ACME)
    slot = table.next_at(ACME)
    assert slot is not None

    table.again(ACME, at=slot + seconds * SECOND)

    assert table.due(now=slot) == [ACME]
    assert table.next_at(ACME) == slot + FIVE_MINUTES


def test_a_tenant_that_has_gone_is_not_polled_once_more() -> None:
    """An answer of a tenant that a reload removed brings it back in no way."""
    table = a_timetable(ACME)
    table.assign({}, now=NOON)

    table.again(ACME, at=NOON)

    assert table.due(now=NOON + span("1d")) == []


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
    assert fewest <= len(bearers(dict.fromkeys(names(tenants), span(every)))) <= most


def test_bearers_are_spread_over_the_interval() -> None:
    """Between two looks at the sum it is never much longer than it should be."""
    found = bearers(dict.fromkeys(names(1000), FIVE_MINUTES), apart=timedelta(milliseconds=30))

    slots = sorted(slot_after(name, FIVE_MINUTES, now=NOON) for name in found)
    assert max(later - earlier for earlier, later in pairwise([*slots, slots[0] + FIVE_MINUTES])) < 45 * SECOND


def test_a_sum_over_tenants_of_different_intervals_is_judged_with_polls_of_each() -> None:
    """Whoever is polled often may have gone tomorrow; nobody's interval is left without."""
    slow, quick = names(200)[:100], names(200)[100:]
    intervals = dict.fromkeys(slow, span("1h")) | dict.fromkeys(quick, span("10s"))

    found = bearers(intervals)

    assert found & set(slow)
    assert found & set(quick)


def test_of_nobody_there_is_no_sum() -> None:
    """A rule that looks at no tenant is judged with none."""
    assert bearers({}) == frozenset()


@pytest.mark.parametrize(
    ("tenants", "every", "lanes"),
    [
        pytest.param(0, "5m", Lanes(first=1, prompt=1, slow=1, silent=1), id="none yet"),
        pytest.param(1, "5m", Lanes(first=1, prompt=1, slow=1, silent=1), id="a single tenant needs one poller"),
        pytest.param(5, "1m", Lanes(first=5, prompt=5, slow=2, silent=3), id="a few have one each"),
        pytest.param(1000, "5m", Lanes(first=25, prompt=8, slow=34, silent=64), id="a thousand every five minutes"),
        pytest.param(10_000, "5m", Lanes(first=25, prompt=17, slow=64, silent=64), id="ten thousand every 5m"),
        pytest.param(10_000, "1m", Lanes(first=25, prompt=64, slow=64, silent=64), id="ten thousand each minute"),
        pytest.param(100_000, "1m", Lanes(first=25, prompt=64, slow=64, silent=64), id="there is an end"),
    ],
)
def test_there_are_as_many_pollers_as_the_tenants_need(tenants: int, every: str, lanes: Lanes) -> None:
    """The pool is sized from the configuration, between one poller and a number that threads are still good for."""
    found = Lanes.of([span(every)] * tenants)

    assert found == lanes
    assert [found.size(lane) for lane in Lane] == [lanes.first, lanes.prompt, lanes.slow, lanes.silent]
    assert found.prompt <= MAX_POLLERS


@pytest.mark.parametrize("tenants", [1, 10, 300, 1000])
def test_a_mimecast_that_is_slow_for_everybody_is_still_asked_in_time(tenants: int) -> None:
    """Each poll may take ten seconds, and each that gets no answer half a minute, within an interval."""
    every = span("5m")
    found = Lanes.of([every] * tenants)

    assert found.slow * every >= tenants * PLANNED_SLOW
    assert found.silent * every >= min(tenants * PLANNED_SILENT, MAX_POLLERS * every)


@pytest.mark.parametrize(
    ("took", "is_answered", "lane"),
    [
        pytest.param(0.2, True, Lane.PROMPT, id="a good answer at once"),
        pytest.param(0.2, False, Lane.PROMPT, id="an error at once takes nobody's time"),
        pytest.param(3, True, Lane.SLOW, id="a good answer that took its time"),
        pytest.param(30, False, Lane.SILENT, id="no answer at all"),
    ],
)
def test_a_tenant_waits_with_those_that_are_like_it(*, took: float, is_answered: bool, lane: Lane) -> None:
    """Whoever hangs waits for others that hang, whoever is slow for the slow, and nobody else for either."""
    assert lane_after(timedelta(seconds=took), is_answered=is_answered) is lane
