"""When the main thread looks around: clocks that a test moves, and a main thread that sleeps as long as it is told."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.service.looks import APART_SECONDS, Looks, Moment

NAP = 5.0
START = Moment(wall=1_000_000.0, awake=500.0, boot=700.0)


class Sleeper:
    """A main thread that naps for five seconds unless it is asked for an earlier look.

    Attributes:
        clocks: The clocks; they move while it sleeps.
        wakings: How often another thread has woken it.
        looks: When it looked, in seconds from the start.
    """

    def __init__(self) -> None:
        self.clocks = START
        self.wakings = 0
        self.looks: list[float] = []
        self.asking = Looks(lambda: self.clocks, self._wake)

    def _wake(self) -> None:
        self.wakings += 1

    def forward(self, seconds: float) -> None:
        """Let time go by."""
        now = self.clocks
        self.clocks = Moment(now.wall + seconds, now.awake + seconds, now.boot + seconds)

    def run(self, seconds: float, events: Mapping[float, Callable[[], None]]) -> None:
        """Look around for so long, while others do things, each at its second."""
        end, waiting = self.clocks.boot + seconds, sorted(events)
        while True:
            due = self.clocks.boot + self.asking.left()
            if waiting and START.boot + waiting[0] < due:
                self.forward(START.boot + waiting[0] - self.clocks.boot)
                events[waiting.pop(0)]()
            elif due <= end:
                self.forward(due - self.clocks.boot)
                self.asking.begin()
                self.looks.append(self.clocks.boot - START.boot)
                self.asking.plan(NAP)
            else:
                return


@pytest.fixture
def sleeper() -> Sleeper:
    """A main thread that has not looked around yet."""
    return Sleeper()


def test_without_news_it_looks_after_each_nap_and_nobody_wakes_it(sleeper: Sleeper) -> None:
    """An hour in which nothing happens is looked at no more often than a jump of the clock must be noticed."""
    sleeper.run(3600, {})

    assert len(sleeper.looks) == 3600 / NAP + 1
    assert sleeper.wakings == 0


def test_what_is_asked_for_in_the_middle_of_a_nap_ends_it(sleeper: Sleeper) -> None:
    """It looks at that moment, and naps from then on."""
    sleeper.run(12, {2.5: sleeper.asking.ask})

    assert sleeper.looks == [0, 2.5, 7.5]
    assert sleeper.wakings == 1


def test_what_falls_due_between_two_looks_has_a_look_of_its_own(sleeper: Sleeper) -> None:
    """A retry in two seconds is not tried in five; one that is due later anyway wakes nobody."""
    sleeper.run(12, {1: lambda: sleeper.asking.ask(2), 4: lambda: sleeper.asking.ask(15)})

    assert sleeper.looks == [0, 3, 8]
    assert sleeper.wakings == 1


def test_of_a_thousand_cycles_in_a_second_it_looks_at_one_and_is_woken_once(sleeper: Sleeper) -> None:
    """Thousands of tenants do not have it look around all the time."""
    sleeper.run(1.5, {0.001 * number: sleeper.asking.ask for number in range(1, 1000)})

    assert sleeper.looks == [0, APART_SECONDS]
    assert sleeper.wakings == 1


def test_what_comes_during_a_look_is_looked_at_soon(sleeper: Sleeper) -> None:
    """It may have come too late for that look, so that there is another one, whatever is planned after it."""
    sleeper.asking.begin()

    sleeper.asking.ask()
    sleeper.asking.plan(NAP)

    assert sleeper.asking.left() == APART_SECONDS


def test_whoever_is_awake_for_too_long_looks_at_once(sleeper: Sleeper) -> None:
    """A look that is overdue is due now."""
    sleeper.asking.begin()
    sleeper.asking.plan(NAP)

    sleeper.forward(NAP + 1)

    assert sleeper.asking.left() == 0


@pytest.mark.parametrize(
    ("moved", "jump", "slept"),
    [
        pytest.param({"wall": 5.0, "awake": 5.0, "boot": 5.0}, 0, 0, id="time goes by"),
        pytest.param({"wall": 3605.0, "awake": 5.0, "boot": 5.0}, 3600, 0, id="the clock is set an hour ahead"),
        pytest.param({"wall": -3595.0, "awake": 5.0, "boot": 5.0}, -3600, 0, id="it is set back"),
        pytest.param({"wall": 3605.0, "awake": 5.0, "boot": 3605.0}, 0, 3600, id="the machine sleeps for an hour"),
    ],
)
def test_what_the_clocks_have_done_between_two_looks_is_told_apart(
    sleeper: Sleeper, moved: Mapping[str, float], jump: float, slept: float
) -> None:
    """A jump moves one clock alone, and a suspended machine keeps one of them standing."""
    sleeper.clocks = replace(START, **{name: getattr(START, name) + by for name, by in moved.items()})

    before, now = sleeper.asking.begin()

    assert now.jump_since(before) == timedelta(seconds=jump)
    assert now.slept_since(before) == timedelta(seconds=slept)
