"""A sparkline: a figure as one line of text, one character for each slot of time."""

from collections.abc import Iterable, Sequence
from typing import Final

from alerter.core.charts.figure import Figure

#: From nothing to the highest count.
BARS: Final = "▁▂▃▄▅▆▇█"
#: Stands where nothing is known.
GAP: Final = "·"
#: The same where the output has no such characters.
PLAIN_BARS: Final = "_.:-=+*#"
PLAIN_GAP: Final = " "
#: Characters of a sparkline where nobody says otherwise.
WIDTH: Final = 24


def sparkline(figure: Figure, *, width: int = WIDTH) -> str:
    """Return a figure as bars from zero to its highest count; a dot where nothing is known.

    Args:
        figure: What to draw; its limits and bands are left out.
        width: Characters.
    """
    return draw_bars(bar_heights(figure.peaks(width)))


def bar_heights(counts: Sequence[int | None]) -> list[int | None]:
    """Return counts as heights from 0 to 7, the highest count being 7; None stays None.

    A count above zero is at least 1 high, so that it is never taken for none.
    """
    top = max((count for count in counts if count), default=1)
    steps = len(BARS) - 1
    return [None if count is None else max(round(count / top * steps), min(count, 1)) for count in counts]


def draw_bars(heights: Iterable[int | None], *, bars: str = BARS, gap: str = GAP) -> str:
    """Return bars of heights from 0 to 7, and a mark where nothing is known."""
    return "".join(gap if height is None else bars[height] for height in heights)
