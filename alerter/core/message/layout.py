"""The part of a message that a format shows: some cards, some lines, and how many more there are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from alerter.core.message.content import MAX_CARDS, MAX_LINES, AlertCard, AlertLine, MessageContent, MessageStatus

Json: TypeAlias = "str | int | bool | Sequence[Json] | dict[str, Json]"
#: So many lines of what is over are shown at most.
MAX_PAST = 20


@dataclass(frozen=True, slots=True)
class CardLayout:
    """What a format shows of a draft: some cards, some lines, and how many more there are; then what is over."""

    cards: tuple[AlertCard, ...]
    lines: tuple[AlertLine, ...]
    more: str
    past: tuple[AlertLine, ...] = ()
    more_past: str = ""


def layouts(words: MessageContent) -> Iterator[CardLayout]:
    """Yield ever smaller layouts of a message; the first one is for formats that know no limit.

    Where there may be a past it is cut first, and what fires now is said in fewer words before any is left out.
    """
    sizes: tuple[tuple[int, int, int], ...] = ((MAX_CARDS, MAX_LINES - MAX_CARDS, 0), (3, 10, 0), (1, 5, 0))
    if words.past.heading:
        all_ = len(words.lines)
        sizes = (
            (MAX_CARDS, all_, MAX_PAST), (MAX_CARDS, all_, 10), (MAX_CARDS, all_, 3), (1, all_, 3), (0, all_, 3),
            *((0, all_ // part, 0) for part in (2, 4, 8, 16)), *sizes[1:],
        )  # fmt: skip
    for cards, lines, past in sizes:
        rest = words.total - sum(line.count for line in words.lines[: cards + lines])
        more_past = len(words.past.lines) - past
        yield CardLayout(
            cards=words.cards[:cards],
            lines=words.lines[cards : cards + lines],
            more=f"and {rest:,} more: alerter status" if rest else "",
            past=words.past.lines[:past],
            more_past=f"and {more_past:,} more: alerter notifications" if more_past > 0 else "",
        )


def first_fitting(words: MessageContent, render: Callable[[MessageContent, CardLayout], str], longest: int) -> str:
    """Return the largest rendering of at most `longest` characters, or the smallest that there is."""
    *larger, smallest = layouts(words)
    fitting = (body for view in larger if len(body := render(words, view)) <= longest)
    return next(fitting, "") or render(words, smallest)


COLORS = {
    MessageStatus.CRITICAL: "#c62828",
    MessageStatus.WARNING: "#9a5b00",
    MessageStatus.INFO: "#1565c0",
    MessageStatus.RESOLVED: "#2e7d32",
}
