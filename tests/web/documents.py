"""What a person reads on a page of ours: the rows of its tables, its facts, and the words of its paragraphs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_BLOCKS = ("dt", "dd", "h1", "h2", "p", "div", "li", "footer")


@dataclass
class Cell:
    """A cell of a table or a paragraph: its words, the instants in it, and where its links lead."""

    words: str = ""
    instants: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The words with single blanks."""
        return " ".join(self.words.split())

    @property
    def number(self) -> int | None:
        """The first number in it, or None."""
        return next(_numbers(self.text), None)


class Document(HTMLParser):
    """Reads a page.

    Args:
        text: The page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        #: The blocks in their order: the tag with its classes, and what is in it.
        self.blocks: list[tuple[str, Cell]] = []
        self._rows: list[tuple[list[str], list[Cell]]] = []
        self._columns: list[str] = []
        self._in = Cell()
        self._is_head = False
        self.feed(text)

    def rows(self, *columns: str) -> list[dict[str, Cell]]:
        """Return the rows of every table that has these columns, each as its cells by column."""
        return [
            dict(zip(names, cells, strict=True)) for names, cells in self._rows if set(columns) <= set(names) and cells
        ]

    def first(self, block: str) -> Cell:
        """Return what is in the first block of a tag and class, such as `p.lead`."""
        return next(cell for name, cell in self.blocks if name == block)

    def texts(self) -> list[str]:
        """Return the words of all blocks, in their order."""
        return [cell.text for _, cell in self.blocks]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a cell begins, and what is in it."""
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "thead":
                self._is_head, self._columns = True, []
            case "tr" if not self._is_head:
                self._rows.append((self._columns, []))
            case "th" | "td":
                self._in = Cell()
                if not self._is_head:
                    self._rows[-1][1].append(self._in)
            case "time":
                self._in.instants.append(given["datetime"])
            case "a":
                self._in.links.append(given["href"])
            case _:
                if tag in _BLOCKS:
                    self._in = Cell()
                    self.blocks.append((".".join([tag, *given.get("class", "").split()]), self._in))

    def handle_endtag(self, tag: str) -> None:
        """Note where a cell ends."""
        if tag == "th" and self._is_head:
            self._columns.append(self._in.text)
        elif tag == "thead":
            self._is_head = False
        if tag in ("td", "th"):
            self._in = Cell()

    def handle_data(self, data: str) -> None:
        """Collect words."""
        self._in.words += data


def _numbers(text: str) -> Iterator[int]:
    for word in text.split():
        digits = word.replace(",", "").rstrip(".")
        if digits.isdecimal():
            yield int(digits)
