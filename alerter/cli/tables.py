"""Tables that fit the width they have: a row is one line, and no word is broken where whole words can be left out.

No I/O. In this order, until it fits: a column without any text is left out; names are shortened to a width at which
they can still be distinguished; columns are dropped, the least important first; what is left is cut.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rich.cells import cell_len, set_cell_size

GAP = "  "
ELLIPSIS = "…"
#: No narrower terminal is laid out for.
MIN_WIDTH = 20
#: A column is not shortened below this many characters before all that can be dropped has gone.
USUAL_MIN_WIDTH = 12

#: Where nothing is left to be dropped, this much of a text is shown.
LEAST_WIDTH = 4

#: Returns a text in a style.
Paint = Callable[[str, str], str]


class Cut(Enum):
    """Where a text that is too long loses words."""

    MIDDLE = "its ends distinguish it from others: a name"
    END = "its beginning says most: a sentence"
    NEVER = "a part of it is of no use: an id, a number"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        is_number: Whether it is aligned to the right, and never shortened.
        min_width: How narrow it may become before others are dropped, in characters.
        drop: The columns with the highest number are dropped first; one with 0 never.
        cut: Where long texts are shortened.
        is_hidden: Whether only a pipe has it: it says the same in every row.
    """

    title: str
    is_number: bool = False
    min_width: int = USUAL_MIN_WIDTH
    drop: int = 0
    cut: Cut = Cut.MIDDLE
    is_hidden: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether its texts are shown in full or not at all."""
        return self.is_number or self.cut is Cut.NEVER


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, with what a terminal shows of it.

    Attributes:
        text: In full, for a pipe.
        short: For people; None where that is the same.
        style: A name of a style, or empty.
    """

    text: str
    short: str | None = None
    style: str = ""

    @property
    def shown(self) -> str:
        """What a terminal shows."""
        return self.text if self.short is None else self.short


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a title.

    Attributes:
        title: What the rows are.
        columns: With a text in place of a column: its title, with `>` before that of a number.
        rows: As many cells as columns each.
        empty: What is printed in place of a table without rows.
        prefix: Cells before each row in a pipe, where no heading says what the table is about.
    """

    title: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | str]]
    empty: str = "none"
    prefix: Sequence[str] = field(default_factory=tuple)


def _column(written: Column | str) -> Column:
    if isinstance(written, Column):
        return written
    return Column(written.removeprefix(">"), is_number=written.startswith(">"))


def as_cell(written: Cell | str) -> Cell:
    """Return a cell; a plain text is shown as it is."""
    return written if isinstance(written, Cell) else Cell(written)


def draw(table: Table, *, width: int, paint: Paint, clean: Callable[[str], str]) -> Iterator[str]:
    """Yield the lines of a table without its title: the head, then a line for each row.

    Args:
        table: With rows.
        width: How many characters a line may have.
        paint: Returns a text in a style.
        clean: Returns a text without what must not reach a terminal.
    """
    columns = list(map(_column, table.columns))
    rows = [list(map(as_cell, row)) for row in table.rows]
    texts = [[clean(cell.shown) for cell in row] for row in rows]
    widths = fit(columns, texts, width - len(GAP))
    shown = [index for index in range(len(columns)) if index in widths]
    heads = {index: _padded(columns[index], columns[index].title, widths[index]) for index in shown}
    yield _line([_painted(heads[index], "heading", paint) for index in shown])
    for row, text in zip(rows, texts, strict=True):
        padded = {index: _padded(columns[index], text[index], widths[index]) for index in shown}
        yield _line([_painted(padded[index], row[index].style, paint) for index in shown])


def _line(cells: Sequence[str]) -> str:
    return f"{GAP}{GAP.join(cells)}".rstrip()


def _painted(padded: str, style: str, paint: Paint) -> str:
    """Return a cell in its style; the blanks around it have none, so that none are left at the end of a line."""
    text = padded.strip()
    return padded.replace(text, paint(text, style), 1) if style and text else padded


def _padded(column: Column, text: str, width: int) -> str:
    short = shorten(text, width, cut=column.cut)
    blanks = " " * (width - cell_len(short))
    return blanks + short if column.is_number else short + blanks


def fit(columns: Sequence[Column], texts: Sequence[Sequence[str]], width: int) -> Mapping[int, int]:
    """Return how wide each column is that is shown, by its index.

    Args:
        columns: All of them.
        texts: Rows of cells.
        width: How many characters a row may have.
    """
    natural = {
        index: max(longest, cell_len(column.title))
        for index, column in enumerate(columns)
        if not column.is_hidden and (longest := max((cell_len(row[index]) for row in texts), default=0))
    }
    least = {index: _least(columns[index], each) for index, each in natural.items()}
    droppable = sorted((index for index in natural if columns[index].drop), key=lambda index: columns[index].drop)
    while _total(least) > width and droppable:
        least.pop(droppable.pop())
    kept = {index: natural[index] for index in least}
    if _total(least) > width:
        least = {index: each if columns[index].is_fixed else min(each, LEAST_WIDTH) for index, each in kept.items()}
    return _shrunk(kept, least, width - len(GAP) * (len(kept) - 1))


def _least(column: Column, natural: int) -> int:
    return natural if column.is_fixed else min(natural, max(column.min_width, cell_len(column.title)))


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _shrunk(natural: Mapping[int, int], least: Mapping[int, int], width: int) -> Mapping[int, int]:
    """Return widths that sum up to a width at most: the widest column gives way first, none below its least."""
    widths = dict(natural)
    while sum(widths.values()) > width:
        wide = [index for index in widths if widths[index] > least[index]]
        if not wide:
            break
        widths[max(wide, key=lambda index: widths[index])] -= 1
    return widths


def shorten(text: str, width: int, *, cut: Cut = Cut.MIDDLE) -> str:
    """Return a text of a number of columns at most, without some of its words; a single long word loses characters."""
    if cell_len(text) <= width:
        return text
    for separator in (" ", "-"):
        if whole := _without_words(text.split(separator), separator, width, cut):
            return whole
    if cut is Cut.END or width < len("a…z"):
        return set_cell_size(text, width - 1).rstrip() + ELLIPSIS
    head = (width - 1) // 2
    return set_cell_size(text, head) + ELLIPSIS + _last(text, width - 1 - head)


def _last(text: str, width: int) -> str:
    """Return as much of the end of a text as fits a number of columns."""
    start = len(text)
    while start and cell_len(text[start - 1 :]) <= width:
        start -= 1
    return text[start:]


def _without_words(words: Sequence[str], separator: str, width: int, cut: Cut) -> str:
    """Return as many whole words as fit, with the sign for what is missing; empty where that would be little."""

    def merge_runs(head: Sequence[str], tail: Sequence[str]) -> str:
        return separator.join([*head, ELLIPSIS, *tail])

    head: list[str] = []
    tail: list[str] = []
    left = list(words)
    while left:
        ways = [([*head, left[0]], tail, left[1:])]
        if cut is Cut.MIDDLE:
            ways.append((head, [left[-1], *tail], left[:-1]))
            # The shorter end first, so that both are seen.
            ways = ways[::-1] if len("".join(tail)) < len("".join(head)) else ways
        fitting = [way for way in ways if cell_len(merge_runs(way[0], way[1])) <= width]
        if not fitting:
            break
        head, tail, left = fitting[0]
    found = merge_runs(head, tail)
    return found if head and 2 * cell_len(found) > width else ""
