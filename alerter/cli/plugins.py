"""The output of a monitoring plugin, by the guidelines of the Monitoring Plugins project (monitoring-plugins.org).

One line for people and, behind a bar, figures for a program; more lines with details after it; the exit code says how
it is. Values in, text out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from alerter.cli.output import clean

#: The lines of details at most: Nagios reads 8 KiB.
MAX_DETAILS = 25


class State(IntEnum):
    """The exit codes of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong: how bad, in a few words, and a line for each part of it."""

    state: State
    text: str
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFigure:
    """One figure, with the limits above which it is a warning or critical, where it has any.

    Attributes:
        label: Any text.
        value: None where it is not known.
        unit: `s`, or nothing for a number of things.
        warning: The most that is well.
        critical: The most that is not critical.
    """

    label: str
    value: float | None
    unit: str = ""
    warning: int | None = None
    critical: int | None = None

    def __str__(self) -> str:
        """Return it as the guidelines write it: `'label'=value[unit];[warning];[critical];[minimum]`."""
        label = _text(self.label).replace("'", "''").replace("=", "-")
        value = "U" if self.value is None else f"{self.value:.0f}{self.unit}"
        limits = ("" if limit is None else str(limit) for limit in (self.warning, self.critical))
        return f"'{label}'={value};{';'.join(limits)};0"


def report(troubles: Iterable[Trouble], overview: str, figures: Iterable[PluginFigure]) -> tuple[list[str], State]:
    """Return the lines to print, with the worst first, and how to end."""
    ordered = sorted(troubles, key=lambda trouble: -trouble.state)
    state = max((trouble.state for trouble in ordered), default=State.OK)
    summary = "; ".join([*(trouble.text for trouble in ordered), overview])
    details = [line for trouble in ordered for line in trouble.details]
    more = [f"and {len(details) - MAX_DETAILS} more: alerter status"] if details[MAX_DETAILS:] else []
    first = f"ALERTER {state.name}: {_text(summary)} | {' '.join(map(str, figures))}"
    return [first, *map(_text, details[:MAX_DETAILS]), *more], state


def unknown(reason: str) -> tuple[list[str], State]:
    """Return the lines and the end of a plugin that could not find out: the first line of the reason, then the rest."""
    first, *others = reason.splitlines() or ["no reason given"]
    return [f"ALERTER UNKNOWN: {_text(first)}", *map(_text, others[:MAX_DETAILS])], State.UNKNOWN


def _text(text: str) -> str:
    """Return a text that ends neither its line nor its part of it: names are data."""
    return clean(text).replace("|", "/")
