"""Readings of the three clocks, which distinguish a jump of the wall clock from a suspended machine."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Wall clock, monotonic clock and boot clock (which goes on in suspend) at one moment, in seconds."""

    wall: float
    awake: float
    boot: float

    def jump_since(self, before: "ClockReading") -> timedelta:
        """Return how far the wall clock moved beyond the time that really passed."""
        return timedelta(seconds=(self.wall - before.wall) - (self.boot - before.boot))

    def slept_since(self, before: "ClockReading") -> timedelta:
        """Return how long the machine was suspended."""
        return timedelta(seconds=(self.boot - before.boot) - (self.awake - before.awake))
