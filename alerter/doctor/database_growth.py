"""For how long the disk of the database lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.conditions import duration_text
from alerter.doctor.findings import NOTHING, Finding, Group, Measured, Outcome
from alerter.humanize import size_text
from alerter.storage import DatabaseSize

#: With less on the disk, whatever else fills it, the next cycle may fail.
SCARCE_BYTES = 100 * 2**20
#: Without any measured growth it is not rated by less history: most of a new file is empty tables.
MIN_HISTORY = timedelta(days=2)
#: Within this somebody must act, and has the time to.
NEAR = timedelta(days=30)

_DAY = timedelta(days=1)
#: Less free room within a file is no news.
_WORTH_SAYING = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseGrowth:
    """How a database and its disk are.

    Attributes:
        storage: How large the database is, and how fast it was found to grow.
        disk_bytes: What is left on its disk; None where that is a server's.
        since: How far its history reaches back; None without any.
        retention: How long history is kept.
    """

    storage: DatabaseSize
    disk_bytes: int | None
    since: datetime | None
    retention: timedelta

    def age(self, *, now: datetime) -> timedelta:
        """Return for how long there has been history."""
        return timedelta(0) if self.since is None else now - self.since

    def bytes_per_day(self, *, now: datetime) -> float | None:
        """Return how fast it grows: as measured, or as its history came about on the whole; None for too early."""
        if self.storage.bytes_per_day is not None:
            return self.storage.bytes_per_day
        age = self.age(now=now)
        return None if age < MIN_HISTORY else (self.storage.size_bytes - self.storage.free_bytes) / (age / _DAY)

    def growing_for(self, *, now: datetime) -> timedelta:
        """Return for how long it will go on: until its history is as long as it is kept.

        What was measured says more of the next days than that does: there may be more tenants than there were.
        """
        least = timedelta(0) if self.storage.bytes_per_day is None else NEAR
        return max(self.retention - self.age(now=now), least)


def assess_growth(place: str, growth: DatabaseGrowth, *, now: datetime) -> Finding:
    """Return what it means that a database is so large, grows so fast, and has so much room."""
    rate = growth.bytes_per_day(now=now)
    said, measured = _size(growth.storage, rate), _measured(growth, rate)
    if growth.disk_bytes is None:
        text = f"{said}; what its server's disk has left, it does not say"
        return database_finding(place, Outcome.NOT_APPLICABLE, text, measured=measured)
    left = f"{size_text(growth.disk_bytes)} left on the disk"
    if growth.disk_bytes < SCARCE_BYTES:
        advice = "Make room: once the disk is full, no poll is stored and nobody is alerted to anything new."
        return database_finding(place, Outcome.FAILED, f"{said}; only {left}", advice, measured=measured)
    if rate is None:
        text = f"{said}; {left}; how fast it grows can be said after two days"
        return database_finding(place, Outcome.OK, text, measured=measured)
    outcome, words, advice = _forecast(growth, rate, growth.disk_bytes + growth.storage.free_bytes, now=now)
    return database_finding(place, outcome, f"{said}; {left}{words}", advice, measured=measured)


def _forecast(growth: DatabaseGrowth, rate: float, room: int, *, now: datetime) -> tuple[Outcome, str, str]:
    """Return whether what is still to come finds room, what follows the text, and what to do."""
    to_come = max(rate, 0) * (growth.growing_for(now=now) / _DAY)
    if to_come < room:
        if rate <= 0 or growth.age(now=now) >= growth.retention:
            return Outcome.OK, "", ""
        most = size_text(growth.storage.size_bytes - growth.storage.free_bytes + to_come)
        return Outcome.OK, f"; at most {most} with a retention of {duration_text(growth.retention)}", ""
    lasts = timedelta(days=room / rate)
    outcome = Outcome.WARNING if lasts >= NEAR else Outcome.FAILED
    return (
        outcome,
        f", which lasts {lasts.days} days",
        "Make room, lower `retention`, or move the database to a larger disk.",
    )


def _size(storage: DatabaseSize, rate: float | None) -> str:
    free = f" ({size_text(storage.free_bytes)} of it free)" if storage.free_bytes >= _WORTH_SAYING else ""
    size = f"{size_text(storage.size_bytes)}{free}"
    if rate is None:
        return size
    return f"{size}, {size_text(rate)} a day" if rate > 0 else f"{size}, and does not grow"


def _measured(growth: DatabaseGrowth, rate: float | None) -> dict[str, float]:
    known: dict[str, float] = {"size_bytes": growth.storage.size_bytes, "unused_bytes": growth.storage.free_bytes}
    if growth.disk_bytes is not None:
        known["free_bytes"] = growth.disk_bytes
    return known if rate is None else {**known, "bytes_per_day": round(rate)}


def database_finding(
    place: str, outcome: Outcome, text: str, advice: str = "", measured: Measured = NOTHING
) -> Finding:
    """Return a finding about the database at a place."""
    return Finding(group=Group.DATABASE, subject=place, outcome=outcome, text=text, advice=advice, measured=measured)
