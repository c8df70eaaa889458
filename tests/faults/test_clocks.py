"""A clock that jumps, nights on which it is changed, and a machine that sleeps: nothing fires because of them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import Format, MessageContext
from alerter.core.outbox import TargetName
from alerter.core.rules import NO_DATA_RULE_NAME
from alerter.core.series import Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.jobs.poll import shift_after_clock_jump
from alerter.storage import Store
from tests.builders import a_growth, a_level, a_policy, a_rule, span
from tests.fakes import FakeClock
from tests.faults.ledgers import references, waiting
from tests.faults.worlds import BREACH, QUIET, RELEASE, Target, World, a_target
from tests.storage.stored import next_delivery_at

TARGET = TargetName("secops/slack")
LONDON = ZoneInfo("Europe/London")
TIMEOUT = SourceUnavailable(Cause.TIMEOUT, "no answer within 30s")
#: Held mail that grows slowly: an hour of it is far from the 50 messages of the rule on growth.
SLOW_GROWTH = a_rule("Surge", warning=a_level(a_growth(over="1h", by=50)))
LASTING = a_rule("Slow", warning=a_level(for_="30m"))
JUMPS = [pytest.param("1h", 1, id="an hour forward"), pytest.param("1h", -1, id="an hour back")]


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that takes everything."""
    with a_target() as target:
        yield target


@pytest.fixture
def world(sqlite_url: str, target: Target) -> Iterator[World]:
    """A world with a rule on growth and one that waits for half an hour."""
    alerting = a_policy(SLOW_GROWTH, LASTING, receivers={"secops": [TARGET]})
    with closing(Store(sqlite_url)) as store:
        yield World(store, alerting=alerting, urls={TARGET: target.url})


def jump(world: World, size: str, direction: int) -> None:
    """Set the clock forward or back, as the service does when it notices."""
    world.clock.now += direction * span(size)
    shift_after_clock_jump(world.store, by=direction * span(size))


def alert(world: World, rule: str) -> Alert:
    """Return the alert of a rule."""
    with world.store.read() as reader:
        [found] = [each for each in reader.alerts.load_all() if each.key.rule == rule]
    return found


@pytest.mark.parametrize(("size", "direction"), JUMPS)
def test_nothing_fires_because_the_clock_jumped(world: World, size: str, direction: int) -> None:
    """Two hours of slow growth, a jump in the middle: no surge, no outage, nobody is told anything."""
    slowly = [{"Spam": 10 + 2 * number} for number in range(24)]
    world.poll(*slowly)

    jump(world, size, direction)
    cycles = [world.poll({"Spam": 58 + 2 * number}) for number in range(20)]

    assert [cycle.transitions for cycle in cycles] == [()] * 20
    assert references(world.store) == []


@pytest.mark.parametrize(("size", "direction"), JUMPS)
def test_a_surge_after_a_jump_is_still_seen(world: World, size: str, direction: int) -> None:
    """When the window is covered again, growth is measured as before."""
    world.poll(*[{"Spam": 10}] * 24)
    jump(world, size, direction)
    world.poll(*[{"Spam": 10}] * 26)

    cycle = world.poll({"Spam": 90})

    assert [(each.key.rule, each.to_state) for each in cycle.transitions] == [("Surge", AlertState.FIRING)]


@pytest.mark.parametrize(("size", "direction"), JUMPS)
def test_what_is_pending_keeps_its_age_when_the_clock_jumps(world: World, size: str, direction: int) -> None:
    """A rule that waits half an hour waits half an hour of real time, whatever the clock says."""
    world.alerting = a_policy(LASTING, receivers={"secops": [TARGET]})
    world.poll(*[BREACH] * 3)

    jump(world, size, direction)
    early = [world.poll(BREACH) for _ in range(3)]
    late = world.poll(BREACH)

    assert [cycle.transitions for cycle in early] == [()] * 3
    assert [each.to_state for each in late.transitions] == [AlertState.FIRING]


@pytest.mark.parametrize(("size", "direction"), JUMPS)
def test_a_message_is_retried_when_it_was_due_although_the_clock_jumped(
    world: World, target: Target, size: str, direction: int
) -> None:
    """Fifteen seconds stay fifteen seconds."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [TARGET]})
    well, target.answer = target.answer, lambda request: request.say(500)
    world.poll(BREACH)
    world.deliver()

    jump(world, size, direction)
    target.answer = well
    assert world.deliver() == []
    assert next_delivery_at(world.store) == world.clock.now + span("15s")
    world.clock.forward("15s")
    world.deliver()

    assert len(target.bodies) == 1


# the nights on which the clocks are changed


@pytest.mark.parametrize(
    ("midnight", "local_times"),
    [
        pytest.param(
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC), ["00:55", "02:00", "02:05"], id="spring: 01:00 to 02:00 is not"
        ),
        pytest.param(
            datetime(2026, 10, 25, 0, 0, tzinfo=UTC), ["01:55", "01:00", "01:05"], id="autumn: 01:00 to 02:00 is twice"
        ),
    ],
)
def test_the_night_of_a_clock_change_has_no_gap_and_messages_show_its_local_times(
    world: World, midnight: datetime, local_times: list[str]
) -> None:
    """Three hours of polls are three hours, and a breach around the change is told in the time on the wall."""
    alerting = a_policy(a_rule(), SLOW_GROWTH, receivers={"secops": [TARGET]})
    world.alerting = replace(alerting, context=MessageContext(timezone=LONDON, console_url="", runbook_by_rule={}))
    world.clock = FakeClock(midnight - span("5m"))

    # Around 01:00 UTC, which is the change, there are two breaches and their ends.
    cycles = [world.poll({"Spam": 140 if number in {11, 13} else 100}) for number in range(36)]

    notified = {
        number: message.bodies[Format.TEXT] for number, cycle in enumerate(cycles) for message in cycle.messages
    }
    assert list(notified) == [11, 12, 13, 14]
    for text, local in zip(notified.values(), local_times, strict=False):
        assert local in text
    with world.store.read() as reader:
        seen = reader.history.series_for(
            Tenant("acme"), window=span("4h"), poll_interval=span("5m"), now=world.clock.now
        )
    assert [(each.start_at, each.end_at) for each in seen.polling.coverage] == [(midnight, midnight + span("2h55m"))]


# a machine that was suspended


def test_a_machine_that_slept_for_a_day_knows_nothing_of_it_and_says_nothing(world: World) -> None:
    """Growth has nothing to compare with, and a good first poll is no outage: nobody is told anything."""
    world.poll(*[QUIET] * 24)

    cycle = world.poll({"Spam": 90}, every="1d")

    assert (cycle.transitions, cycle.messages) == ((), ())
    with world.store.read() as reader:
        known = reader.history.series_for(
            Tenant("acme"), window=span("2h"), poll_interval=span("5m"), now=world.clock.now
        )
    [spam] = known.reasons
    assert spam.value_at(world.clock.now) == 90
    assert spam.value_at(world.clock.now - span("1h")) is None


def test_a_machine_that_slept_for_a_day_tells_what_is_wrong_when_it_wakes(world: World) -> None:
    """What fires goes on without a word, what has ended is told as over, and what is new is told."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [TARGET]})
    world.poll({"Spam": 150, "Virus": 150})
    world.deliver()

    cycle = world.poll({"Virus": 150, "Graymail": 150}, every="1d")

    assert [(each.key.reason, each.to_state) for each in cycle.transitions] == [
        ("Spam", AlertState.INACTIVE),
        ("Graymail", AlertState.FIRING),
    ]
    assert len(cycle.messages) == 1


def test_a_machine_that_wakes_up_without_a_network_has_no_data_and_says_so(world: World) -> None:
    """A day without a good poll and a failed first one: nobody knows what is held, and that is told."""
    world.poll(QUIET)

    cycle = world.poll(TIMEOUT, every="1d")

    assert [(each.key.rule, each.to_state) for each in cycle.transitions] == [(NO_DATA_RULE_NAME, AlertState.FIRING)]


def test_a_message_that_waited_while_the_machine_slept_is_sent_at_once(world: World, target: Target) -> None:
    """It costs no retries: what was due within the day is due now."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [TARGET]})
    well, target.answer = target.answer, lambda request: request.say(503)
    world.poll(BREACH)
    world.deliver()
    target.answer = well

    world.clock.forward("1d")
    world.deliver()

    assert len(target.bodies) == 1
    assert waiting(world.store) == []


def test_a_pending_alert_that_slept_for_a_day_fires_only_if_it_still_holds(world: World) -> None:
    """After the gap the present decides: over is over, silently."""
    world.alerting = a_policy(LASTING, receivers={"secops": [TARGET]})
    world.poll(BREACH)

    over = world.poll(RELEASE, every="1d")

    assert [(each.from_state, each.to_state) for each in over.transitions] == [
        (AlertState.PENDING, AlertState.INACTIVE)
    ]
    assert over.messages == ()
