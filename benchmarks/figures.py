"""A measured figure beside its promise and its floor."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row.

    Attributes:
        what: What was measured.
        measured: The median, in `unit`.
        promised: What it must stay below, in `unit`.
        floor: What the same machine needs for the least that is possible, in `unit`.
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
        return (
            f"| {self.what} | {self.measured:.3g} {self.unit} | {self.promised:g} {self.unit} "
            f"| {self.floor_what}: {self.floor:.3g} {self.unit} | {self.measured / self.floor:.2f} |"
        )
