"""A message says what a hold reason was called before its policy was renamed, on real databases."""

from collections.abc import Iterator

import pytest

from alerter.core.message.content import Format, Message
from alerter.core.rules import Per
from alerter.core.series import HoldReason, Tenant
from alerter.queries.renames import load_rename, rename_text
from tests.builders import NOON, a_level, a_policy, a_rule, minutes
from tests.jobs.test_poll import SLACK, World

OLD, NEW = {"Old": 150, "Other": 7}, {"New": 152, "Other": 7}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Yield a world with one receiver, and a rule that warns above 100 messages."""
    world = World(database_url)
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK]})
    yield world
    world.store.close()


def renamed_lines(*messages: Message) -> list[str]:
    """Return what messages say of renames."""
    lines = [line for each in messages for line in each.bodies[Format.TEXT].splitlines()]
    return [" ".join(line.split()) for line in lines if line.startswith("  Renamed ")]


def test_the_alert_of_the_new_name_and_the_end_of_the_old_one_say_which_became_which(world: World) -> None:
    """One message has both."""
    first = world.poll(*[OLD] * 5)

    cycle = world.poll(NEW)

    assert renamed_lines(*first.messages) == []
    assert renamed_lines(*cycle.messages) == ["Renamed from 'Old' at 12:30 UTC", "Renamed to 'New' at 12:30 UTC"]


def test_nothing_is_said_where_it_is_not_certain(world: World) -> None:
    """Two have vanished."""
    world.poll(*[{**OLD, "Older": 151}] * 5)

    assert renamed_lines(*world.poll(NEW).messages) == []


def test_a_sum_was_not_renamed(world: World) -> None:
    """It has no name of its own."""
    world.alerting = a_policy(a_rule(per=Per.TENANT, warning=a_level(above=155)), receivers={"secops": [SLACK]})
    world.poll(*[OLD] * 5)

    assert renamed_lines(*world.poll(NEW).messages) == []


def test_an_alert_of_another_reason_says_nothing_of_it(world: World) -> None:
    """Only what is about one of both names."""
    world.poll(*[OLD] * 5)
    world.poll(NEW)

    assert renamed_lines(*world.poll({**NEW, "Other": 300}).messages) == []


def test_a_rename_can_be_looked_up_by_either_name_later(world: World) -> None:
    """By what was known at any instant."""
    world.poll(*[OLD] * 5)
    world.poll(*[NEW] * 3, {"Newer": 153, "Other": 7}, *[{"Newer": 153, "Other": 7}] * 400)

    def found(reason: str, *, ago: int = 0) -> str:
        now = world.clock.now - minutes(ago)
        with world.store.read() as reader:
            rename = load_rename(reader, Tenant("acme"), HoldReason(reason), poll_interval=minutes(5), now=now)
        return "" if rename is None else rename_text(rename, HoldReason(reason), f"{rename.at - NOON}")

    assert found("Old") == "renamed to 'New' at 0:30:00"
    assert found("New") == "renamed to 'Newer' at 0:45:00"
    assert found("Newer") == "renamed from 'New' at 0:45:00"
    assert found("New", ago=2010) == "renamed from 'Old' at 0:30:00"
    assert (found("Other"), found("Unknown"), found("Old", ago=2030)) == ("", "", "")
