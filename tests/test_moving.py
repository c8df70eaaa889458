"""After a move to another database alerter goes on there: nothing is told twice, and nothing is forgotten."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from alerter.core.selectors import Selector
from alerter.core.silences import AlertMatcher
from alerter.storage import Store
from tests.builders import a_policy, a_rule
from tests.jobs.test_poll import RECEIVERS, URLS, World
from tests.postgres import Server
from tests.storage.stored import a_silence, silence


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    """Yield a world on SQLite, whose one rule warns above 100 messages."""
    world = World(sqlite_url, alerting=a_policy(a_rule(), receivers=RECEIVERS))
    yield world
    world.store.close()


def move(world: World, url: str) -> None:
    """End the process, copy its database, and start a new one on the copy."""
    world.store.close()
    with closing(Store(world.url)) as old, closing(Store(url)) as new:
        old.copy_to(new, on_progress=lambda *_: None)
    world.url = url
    world.restart()


def test_what_was_told_before_a_move_is_not_told_again_and_its_end_is(world: World, postgresql: Server) -> None:
    """A breach on SQLite, silence after the move, and the all-clear from PostgreSQL."""
    world.poll({"Spam": 50}, {"Spam": 150})
    world.deliver()
    before = world.everything()
    with postgresql.database() as url:
        move(world, url)

        assert world.everything() == before
        assert world.reconcile() == []
        assert world.poll({"Spam": 150}).messages == ()
        assert world.deliver() == []
        world.poll({"Spam": 20})
        assert len(world.deliver()) == len(URLS)
        world.store.close()

    for target in URLS.values():
        first, last = world.notifier.sent_to(target)
        assert first.title.startswith("WARNING")
        assert last.title.startswith("Resolved")


def test_what_waited_before_a_move_is_sent_after_it(world: World, postgresql: Server) -> None:
    """A message that nobody had sent yet is not lost, and sent once."""
    world.poll({"Spam": 50}, {"Spam": 150})
    waiting = world.waiting()
    with postgresql.database() as url:
        move(world, url)

        assert world.waiting() == waiting
        assert len(world.deliver()) == len(waiting) == len(URLS)
        assert world.deliver() == []
        world.store.close()


def test_a_silence_from_before_a_move_keeps_quiet_after_it(world: World, postgresql: Server) -> None:
    """And its number is the one that people have written down."""
    kept = silence(world.store, a_silence(AlertMatcher(tenants=Selector(("acme",)))))
    with postgresql.database() as url:
        move(world, url)

        assert world.poll({"Spam": 50}, {"Spam": 150}).messages == ()
        with world.store.read() as reader:
            assert reader.silences.silences(since=world.clock.now) == [kept]
        world.store.close()
