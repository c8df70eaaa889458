"""The part of a message that a format shows: some cards, some lines, and how many more there are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from alerter.core.message.content import MAX_CARDS, MAX_LINES, AlertCard, AlertLine, MessageContent, MessageStatus

Json: TypeAlias = "str | int | bool | Sequence[Json] | dict[str, Json] | None"
#: The lines of what is over that are shown.
MAX_PAST = 20

COLORS = {
    MessageStatus.CRITICAL: "#c62828",
    MessageStatus.WARNING: "#9a5b00",
    MessageStatus.INFO: "#1565c0",
    MessageStatus.RESOLVED: "#2e7d32",
}


@dataclass(frozen=True, slots=True)
class CardLayout:
    """What a format shows of a message: some cards, some lines, and how many more there are; then what is over."""

    cards: tuple[AlertCard, ...]
    lines: tuple[AlertLine, ...]
    more: str
    past: tuple[AlertLine, ...] = ()
    more_past: str = ""


#: How many cards, lines and lines of what is over are shown: the first ones are for formats that know no limit. At the
#: end the title and a count must do.
_SIZES = ((MAX_CARDS, MAX_LINES - MAX_CARDS, 0), (MAX_CARDS, 10, 0), (1, 10, 0), (1, 5, 0), (0, 5, 0), (0, 0, 0))


def layouts(words: MessageContent) -> Iterator[CardLayout]:
    """Yield ever smaller layouts of a message.

    Where there may be a past it is cut first, and what fires now is said in fewer words before any is left out.
    """
    sizes: tuple[tuple[int, int, int], ...] = _SIZES
    if words.past.heading:
        all_ = len(words.lines)
        sizes = (
            (MAX_CARDS, all_, MAX_PAST), (MAX_CARDS, all_, 10), (MAX_CARDS, all_, 3), (1, all_, 3), (0, all_, 3),
            *((0, all_ // part, 0) for part in (2, 4, 8, 16)), *_SIZES[3:],
        )  # fmt: skip
    for cards, lines, past in sizes:
        rest = words.total - sum(line.count for line in words.lines[: cards + lines])
        more_past = len(words.past.lines) - past
        more = f"and {rest:,} more" if cards + lines else f"{rest:,} alerts"
        yield CardLayout(
            cards=words.cards[:cards],
            lines=words.lines[cards : cards + lines],
            more=f"{more}: {words.command} alerts" if rest else "",
            past=words.past.lines[:past],
            more_past=f"and {more_past:,} more: {words.command} notifications" if more_past > 0 else "",
        )


def first_fitting(words: MessageContent, render: Callable[[MessageContent, CardLayout], str], longest: int) -> str:
    """Return the largest rendering of at most `longest` characters, or the smallest that there is."""
    *larger, smallest = layouts(words)
    fitting = (body for view in larger if len(body := render(words, view)) <= longest)
    return next(fitting, "") or render(words, smallest)


_Item = TypeVar("_Item", AlertCard, AlertLine)


def with_headings(items: Iterable[_Item], words: MessageContent, *, after: str = "") -> Iterator[tuple[str, _Item]]:
    """Yield each item with the heading that stands before it; empty where it has the same as the one before.

    Args:
        items: Cards or lines.
        words: The message: headings stand only where it has several kinds.
        after: The heading that stands already.
    """
    has_headings = len({line.group for line in words.lines}) > 1
    for item in items:
        yield (item.group if has_headings and item.group != after else ""), item
        after = item.group
