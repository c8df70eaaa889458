"""The size of the database, as `alerter status` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.cli.tables import Column, Table
from alerter.humanize import age_text, size_text

if TYPE_CHECKING:
    from alerter.storage import DatabaseSize, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSummary:
    """How large the database is, and how far back its history goes."""

    storage: "DatabaseSize"
    since: datetime | None

    @classmethod
    def read(cls, reader: "Reader", *, now: datetime) -> "DatabaseSummary":
        """Ask the database."""
        return cls(storage=reader.retention.database_size(now=now), since=reader.polls.first_poll_at())

    def table(self, *, now: datetime) -> Table:
        """Return it for people."""
        growth = self.storage.bytes_per_day
        return Table(
            title="Database",
            columns=("size", "reclaimable", Column("growth per day", drop=1), "history since"),
            rows=[
                (
                    size_text(self.storage.size_bytes),
                    size_text(self.storage.free_bytes),
                    "known after a day" if growth is None else _signed(growth),
                    age_text(self.since, now=now),
                )
            ],
        )

    def json(self) -> Mapping[str, object]:
        """Return it for programs."""
        growth = self.storage.bytes_per_day
        return {
            "size_bytes": self.storage.size_bytes,
            "free_bytes": self.storage.free_bytes,
            "bytes_per_day": None if growth is None else round(growth),
            "history_since": self.since,
        }


def _signed(growth: float) -> str:
    return f"-{size_text(-growth)}" if growth < 0 else size_text(growth)
