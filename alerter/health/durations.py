"""Durations of poll cycles, as a Prometheus histogram."""

from bisect import bisect_left
from dataclasses import dataclass

#: The seconds up to which cycles are counted together: Mimecast answers within half of one, and may take up to forty.
DURATION_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleDurations:
    """How long cycles took.

    Attributes:
        counts: How many took so long: one number for each of `DURATION_BOUNDS`, up to and with it, and one for longer.
        seconds: All of them together.
    """

    counts: tuple[int, ...]
    seconds: float


class Durations:
    """Counts cycles by how long they took. Not for several threads: `Health` holds its lock."""

    def __init__(self) -> None:
        self._counts = [0] * (len(DURATION_BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a cycle."""
        self._counts[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def counted(self) -> CycleDurations:
        """Return what was counted so far."""
        return CycleDurations(counts=tuple(self._counts), seconds=self._seconds)
