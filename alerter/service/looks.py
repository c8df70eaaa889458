"""When the main thread looks around next: it sleeps until then, unless a signal comes or another thread asks for it.

Whoever looks says at the end of a look when it wants to look again (`plan`); whoever else has news for it, or knows of
something that is due before, asks for an earlier look (`ask`), which wakes it. So nothing looks every second for what
hardly ever happens. No clock but the one that it is handed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from threading import Lock

#: Looks that are asked for are so many seconds apart at least: of thousands of cycles a second not each is looked at.
APART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The three clocks at one moment, in seconds: of the wall, of the machine awake, of the machine at all."""

    wall: float
    awake: float
    boot: float

    def jump_since(self, before: "Moment") -> timedelta:
        """Return how far the wall clock moved beyond the time that really passed."""
        return timedelta(seconds=(self.wall - before.wall) - (self.boot - before.boot))

    def slept_since(self, before: "Moment") -> timedelta:
        """Return how long the machine was suspended."""
        return timedelta(seconds=(self.boot - before.boot) - (self.awake - before.awake))


class Looks:
    """When the main thread looks around next.

    Args:
        read: The clocks.
        wake: Ends the main thread's sleep, so that it asks anew how long to sleep; called from any thread.
    """

    def __init__(self, read: Callable[[], Moment], wake: Callable[[], None]) -> None:
        self._read = read
        self._wake = wake
        self._lock = Lock()
        self._newest = read()
        self._next_boot = -inf

    def left(self) -> float:
        """Return in how many seconds the next look is due; 0 where it is now."""
        with self._lock:
            return max(self._next_boot - self._read().boot, 0.0)

    def begin(self) -> tuple[Moment, Moment]:
        """Begin a look; return the clocks at the one before, and now. What is asked for from now on is another look."""
        before, now = self._newest, self._read()
        with self._lock:
            self._newest, self._next_boot = now, inf
        return before, now

    def plan(self, within: float) -> None:
        """Look again in so many seconds after this look at the latest."""
        with self._lock:
            self._next_boot = min(self._next_boot, self._newest.boot + within)

    def ask(self, within: float = 0.0) -> None:
        """Have the main thread look in so many seconds, or soon where it has just looked; from any thread."""
        with self._lock:
            due_boot = max(self._read().boot + within, self._newest.boot + APART_SECONDS)
            is_sooner = due_boot < self._next_boot
            self._next_boot = min(self._next_boot, due_boot)
        if is_sooner:
            self._wake()
