"""A look into a database that may hang."""

import threading
from collections.abc import Iterator

import pytest

from alerter.errors import StoreError
from alerter.web.sources import TimedCache


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a look waits for; open when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_look_shows_what_there_is() -> None:
    """Each one anew."""
    numbers = iter(range(3))
    glance = TimedCache(lambda: next(numbers))

    assert [glance(), glance(), glance()] == [0, 1, 2]


def test_a_look_that_fails_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The log says why."""

    def look() -> int:
        raise StoreError("alerter.db: disk I/O error")

    assert TimedCache(look)() is None
    assert "alerter.db: disk I/O error" in caplog.text


def test_a_look_that_hangs_ends_in_time_and_is_the_only_one(gate: threading.Event) -> None:
    """However often somebody looks at a database that hangs, one thread waits for it; when it answers, all is well."""
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        gate.wait(20)
        return len(looks)

    glance = TimedCache(look, seconds=0.05)

    hanging = [glance(), glance(), glance()]
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "glance":
            thread.join()

    assert hanging == [None, None, None]
    assert glance() == 2


def test_a_bug_is_not_hidden() -> None:
    """What is not an error of ours is raised where it is looked."""
    with pytest.raises(ZeroDivisionError):
        TimedCache(lambda: 1 / 0)()
