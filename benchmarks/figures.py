"""A measured figure beside its promise and its floor."""

from dataclasses import dataclass


class Unavailable(Exception):
    """A part cannot be measured on this machine; the text says what it lacks."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row.

    Attributes:
        what: What was measured.
        measured: The median, in `unit`.
        promised: What it must stay below, in `unit`.
        floor: What the same machine needs for the least that is possible, or a peer for the same, in `unit`.
        floor_what: What that least is.
    """

    what: str
    measured: float
    promised: float
    floor: float
    floor_what: str
    unit: str

    @property
    def is_kept(self) -> bool:
        """Whether the promise holds."""
        return self.measured < self.promised

    def row(self) -> str:
        """Return it as a row of a Markdown table."""
        measured, promised, floor = (
            f"{_number(value)} {self.unit}".rstrip() for value in (self.measured, self.promised, self.floor)
        )
        ratio = _number(self.measured / self.floor)
        return f"| {self.what} | {measured} | {promised} | {self.floor_what}: {floor} | {ratio} |"


def _number(value: float) -> str:
    """Return three digits of a number, and all of a large one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"  # noqa: PLR2004
