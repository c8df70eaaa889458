"""Output of the commands: tables on a terminal, plain tab-separated lines in a pipe, JSON for a program."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from io import TextIOWrapper
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TextIO, TypeVar

import click
from rich.cells import cell_len

from alerter import clock
from alerter.cli.colors import is_for_people, paint
from alerter.cli.tables import ELLIPSIS, MIN_WIDTH, Cell, Table, as_cell, draw
from alerter.core.charts.figure import build_figure
from alerter.core.charts.sparkline import BARS, GAP, PLAIN_BARS, PLAIN_GAP, WIDTH, bar_heights, draw_bars
from alerter.core.selectors import shown
from alerter.core.series import Series
from alerter.humanize import age_text, escaped, escaped_json, local_time_text, to_json_value
from alerter.humanize import count_text as count_text  # noqa: PLC0414 - what prints is found here

if TYPE_CHECKING:
    from alerter.errors import Problem

Item = TypeVar("Item")

#: How wide a progress bar is, in characters.
PROGRESS_WIDTH = 30
#: What is done before is over before anybody asks how far it is.
PATIENCE = timedelta(seconds=1)


def print_table(table: Table) -> None:
    """Print a table: drawn on a terminal, as wide as that is; else one line per row with tabs between the cells."""
    if not is_for_people():
        for row in table.rows:
            texts = (*table.prefix, *(as_cell(cell).text for cell in row))
            click.echo("\t".join((table.title.lower(), *map(clean, texts))))
        return
    if not table.rows:
        click.echo(f"{paint(table.title, 'title')}: {table.empty}\n")
        return
    click.echo(paint(table.title, "title"))
    for line in draw(table, width=terminal_width(), paint=paint, clean=clean):
        click.echo(encodable(line))
    click.echo()


def terminal_width() -> int:
    """Return how many characters fit into a line of the terminal: of $COLUMNS, or of standard output; else 80."""
    return max(get_terminal_size().columns, MIN_WIDTH)


def encodable(text: str) -> str:
    """Return a text with `~` in place of the sign for what was left out, where the output has no such character."""
    return text if can_encode(ELLIPSIS) else text.replace(ELLIPSIS, "~")


def can_encode(text: str) -> bool:
    """Return True if standard output can show a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def time_cell(at: datetime | None, timezone: tzinfo, *, now: datetime, unknown: str = "") -> Cell:
    """Return an instant as a cell: how long ago for people, with its date in a pipe."""
    return Cell(unknown) if at is None else Cell(local_time_text(at, timezone), age_text(at, now=now))


def print_json(value: object) -> None:
    """Print a value as JSON; instants as ISO 8601 in UTC, spans in seconds."""
    click.echo(escaped_json(json.dumps(value, ensure_ascii=False, indent=2, default=to_json_value)))


def problem_text(problem: "Problem") -> str:
    """Return what is wrong in a file, with its line and a caret below the place."""
    if not problem.source or problem.line is None:
        return str(problem)
    margin = f"{problem.line:>5} | "
    caret = " " * (cell_len(clean(problem.source[: (problem.column or 1) - 1]))) + "^"
    return f"{problem}\n{margin}{clean(problem.source)}\n{'| ':>{len(margin)}}{caret}"


def error_json(error: "str | Problem") -> Mapping[str, object]:
    """Return what a command failed of for a program: the same keys, whether it is about a file or not."""
    from alerter.errors import Problem  # noqa: PLC0415 - `--help` should not wait for it
    from alerter.logs import redact  # noqa: PLC0415 - as above

    if isinstance(error, Problem):
        return problem_json(error)
    return {"file": None, "line": None, "column": None, "key": None, "text": redact(error), "source": None}


def problem_json(problem: "Problem") -> Mapping[str, object]:
    """Return the same for a program."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key or None,
        "text": problem.text,
        "source": problem.source or None,
    }


@contextmanager
def data_output() -> Iterator[TextIO]:
    """Yield standard output for data that somebody else reads: exact, in UTF-8, and without escapes.

    On a terminal, a name must not move the cursor or turn a line around: there it has escapes.
    """
    kind = _Terminal if sys.stdout.isatty() else TextIOWrapper
    with (
        open(sys.stdout.fileno(), "wb", closefd=False) as octets,
        kind(octets, encoding="utf-8", newline="", errors="surrogatepass") as stream,
    ):
        yield stream


class _Terminal(TextIOWrapper):
    def write(self, text: str) -> int:
        return super().write(escaped(text, keep="\n\t"))


@contextmanager
def transient_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows how far a command is, each text in place of the one before; at the end it is gone.

    Only on a terminal, and on standard error, so that no output holds it.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    shown = ""

    def show(text: str) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)

    try:
        yield show
    finally:
        show("")


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows how far a long run is, in words, from the second second on."""
    begun = clock.now()
    with transient_line() as show:

        def line(text: str) -> None:
            if clock.now() - begun >= PATIENCE:
                show(text)

        yield line


def with_progress(items: Iterable[Item], text: Callable[[int], str], *, every: int = 1) -> Iterator[Item]:
    """Yield items, and show how many there were so far, from the second second on.

    Args:
        items: What a long run goes through.
        text: Return what is shown of a number of items.
        every: How many items there are between two texts.
    """
    with progress_line() as show:
        for number, each in enumerate(items, start=1):
            yield each
            if number % every == 0:
                show(text(number))


@contextmanager
def progress_bar() -> Iterator[Callable[[float], None]]:
    """Yield a function that shows which part of a long run is done, from 0 to 1, from the second second on."""
    with progress_line() as show:

        def bar(share: float) -> None:
            full = int(share * PROGRESS_WIDTH)
            show(f"[{'#' * full}{'.' * (PROGRESS_WIDTH - full)}] {int(share * 100)} %")

        yield bar


def clean(text: str) -> str:
    """Return the text without what could move a terminal's cursor or break a line: names are data."""
    return shown(text)


def sparkline(series: Series, *, since: datetime, until: datetime, width: int = WIDTH) -> str:
    """Return the series as bars from zero to its highest value; a dot where polling did not cover the time."""
    return bars_text(bar_heights(build_figure(series, start_at=since, end_at=until).peaks(width)))


def bars_text(heights: Iterable[int | None]) -> str:
    """Return bars of heights from 0 to 7, and a dot for what is not known; in ASCII where the output has no bars."""
    if can_encode(f"{BARS}{GAP}"):
        return draw_bars(heights)
    return draw_bars(heights, bars=PLAIN_BARS, gap=PLAIN_GAP)
