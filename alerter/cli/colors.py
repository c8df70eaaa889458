"""Colours of the commands: wanted, not wanted, or as the terminal and `NO_COLOR` (https://no-color.org) say."""

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import click

#: What each style looks like, as `click.style` takes it.
STYLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "critical": {"fg": "red", "bold": True},
        "warning": {"fg": "yellow"},
        "info": {"fg": "cyan"},
        "resolved": {"fg": "green"},
        "good": {"fg": "green"},
        "bad": {"fg": "red"},
        "muted": {"dim": True},
        "title": {"bold": True},
        "heading": {"dim": True},
    }
)
_KEY = "alerter.color"


class ColorChoice(StrEnum):
    """What `--color` can be."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def _remember_choice(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Note what `--color` says, for this command and those that it calls."""
    if value is not None:
        context.meta[_KEY] = ColorChoice(value)
        context.color = has_colors()


color_option = click.option(
    "--color",
    type=click.Choice([*map(str, ColorChoice)]),
    expose_value=False,
    is_eager=True,
    callback=_remember_choice,
    metavar="WHEN",
    help="Colours: auto, always or never. With always, a pipe gets the tables of a terminal. [default: auto]",
)


def accept_color(command: click.Command) -> click.Command:
    """Return the same command; it and those of a group take `--color` from now on."""
    if all(parameter.name != "color" for parameter in command.params):
        color_option(command)
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        accept_color(each)
    return command


def color_choice() -> ColorChoice:
    """Return what the user chose for the command that runs; auto outside of one."""
    context = click.get_current_context(silent=True)
    choice = ColorChoice.AUTO if context is None else context.meta.get(_KEY, ColorChoice.AUTO)
    return ColorChoice(choice)


def is_for_people() -> bool:
    """Return True if output is laid out for eyes: on a terminal, or where `--color always` asks for the same."""
    return sys.stdout.isatty() or color_choice() is ColorChoice.ALWAYS


def wants_color() -> bool | None:
    """Return what the user wants; None if the terminal and the environment decide."""
    return {ColorChoice.ALWAYS: True, ColorChoice.NEVER: False}.get(color_choice())


def has_colors() -> bool:
    """Return True if the output may have colours."""
    wanted = wants_color()
    if wanted is not None:
        return wanted
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str) -> str:
    """Return a text in a style of `STYLES`, where the output may have colours."""
    return click.style(text, **STYLES[style]) if style and text and has_colors() else text
