"""The overview is read again when something has changed; where that takes long, nobody waits for it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime

import pytest

from alerter.config import Config
from alerter.errors import StoreError
from alerter.queries.overview import Overview, OverviewCache, load_overview
from alerter.storage import ReadLimit, Store
from tests.builders import NOON
from tests.web.services import Seconds
from tests.web.sites import World, a_config


class Scene:
    """A cache over a service, whose clock goes on by some seconds while an overview is read."""

    def __init__(self, world: World, *, cost: float) -> None:
        self.world, self.cost = world, cost
        self.seconds = Seconds()
        self.beside: list[Callable[[], None]] = []
        self.cache = OverviewCache(self._clock, self._load, self.beside.append)

    def _clock(self) -> float:
        self.seconds.now += self.cost
        return self.seconds.now

    def _load(self, config: Config, now: datetime) -> Overview:
        with self.world.store.read() as reader:
            return load_overview(reader, config, now=now)

    def held(self, version: str, *, limit: ReadLimit | None = None) -> tuple[int, bool]:
        """Return what is held in the overview that a request of a version gets, and whether it is of that version."""
        with self.world.store.read(limit) as reader:
            overview, is_current = self.cache.get(reader, self.world.config, version=version, now=NOON)
        return overview.held, is_current


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    """A tenant with 40 held messages."""
    with closing(Store(sqlite_url)) as store:
        found = World(store, a_config("acme"))
        found.poll({"Spam": 40}, minutes=-1)
        with closing(found.site):
            yield found


def test_a_small_overview_is_read_at_once_after_each_change(world: World) -> None:
    """And not read again while nothing has changed."""
    scene = Scene(world, cost=0.001)
    assert scene.held("1") == (40, True)
    world.poll({"Spam": 50})

    assert scene.held("1") == (40, True)
    assert scene.held("2") == (50, True)
    assert scene.beside == []


def test_a_large_overview_is_read_beside_the_requests(world: World) -> None:
    """Meanwhile they get the one before, which is said; and it is read once, however many ask."""
    scene = Scene(world, cost=0.2)
    assert scene.held("1") == (40, True)
    world.poll({"Spam": 50})
    scene.seconds.now += 10

    assert [scene.held("2"), scene.held("2")] == [(40, False), (40, False)]
    (read,) = scene.beside
    read()

    assert scene.held("2") == (50, True)


def test_a_large_overview_that_is_old_is_not_used(world: World) -> None:
    """Nobody who opens the page after a while sees what was then."""
    scene = Scene(world, cost=0.2)
    scene.held("1")
    world.poll({"Spam": 50})
    scene.seconds.now += 31

    assert scene.held("2") == (50, True)


def test_an_overview_that_cannot_be_read_in_time_is_read_on_for_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request of a very large installation may fail, and not every one after it."""
    scene = Scene(world, cost=0.2)
    with monkeypatch.context() as patch:
        patch.setattr("alerter.queries.overview.load_overview", _fail)
        with pytest.raises(StoreError, match="not in time"):
            scene.held("1")
    (read,) = scene.beside
    read()

    assert scene.held("1") == (40, True)


def _fail(*_: object, **__: object) -> Overview:
    raise StoreError("not in time")
