"""Output that is shown again and again in the terminal's second screen, as `watch` and `top` do."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from io import BytesIO, TextIOWrapper
from shutil import get_terminal_size
from threading import Event

import click

from alerter import clock
from alerter.errors import AlerterError

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"


class _Screen(TextIOWrapper):
    """Takes what a command prints for a terminal."""

    def __init__(self) -> None:
        self._octets = BytesIO()
        super().__init__(self._octets, encoding=sys.stdout.encoding, errors="replace", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """Return what was printed so far."""
        return self._octets.getvalue().decode(self.encoding, "replace")


def repeat(show: Callable[[], object], *, every: timedelta) -> None:
    """Show the same again until Ctrl-C; what is higher than the screen is cut, and says so.

    Args:
        show: Prints it. Where it fails, the error is shown, and it is tried again: a database may be away for a while.
        every: How long to wait in between.
    """
    with _second_screen():
        try:
            while True:
                sys.stdout.write(_frame(_printed(show), every=every))
                sys.stdout.flush()
                Event().wait(every.total_seconds())
        except KeyboardInterrupt:
            pass


@contextmanager
def _second_screen() -> Iterator[None]:
    sys.stdout.write(_ENTER)
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _printed(show: Callable[[], object]) -> str:
    screen = _Screen()
    with redirect_stdout(screen):
        try:
            show()
        except click.ClickException as error:
            click.echo(error.format_message())
        except AlerterError as error:
            click.echo(str(error))
    return screen.text()


def _frame(text: str, *, every: timedelta) -> str:
    height = get_terminal_size().lines
    lines = text.rstrip("\n").split("\n")
    room = max(height - 1, 1)
    note = f"{clock.now().astimezone():%H:%M:%S}, every {every.total_seconds():g}s; Ctrl-C ends"
    if len(lines) > room:
        note = f"{len(lines) - room:,} lines more than the terminal has; {note}"
        lines = lines[:room]
    body = "".join(f"{line}{_TO_END_OF_LINE}\r\n" for line in lines)
    return f"{_HOME}{body}{note}{_TO_END_OF_LINE}{_TO_END}"
