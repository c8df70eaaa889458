"""For how long the disk of the database lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.conditions import duration_text
from alerter.doctor.findings import NOTHING, Finding, Group, Measured, Outcome
from alerter.words import size_text

#: With less on the disk, whatever else fills it, the next cycle may fail.
SCARCE_BYTES = 100 * 2**20
#: Growth is not judged by less history: most of a new file is empty tables.
LEAST_HISTORY = timedelta(days=2)
#: Within this somebody must act, and has the time to.
NEAR = timedelta(days=30)

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a database and its disk are.

    Attributes:
        size_bytes: How large the database is.
        free_bytes: What is left on its disk; None where that is a server's.
        since: How far its history reaches back; None without any.
        retention: How long history is kept.
    """

    size_bytes: int
    free_bytes: int | None
    since: datetime | None
    retention: timedelta


def judge_growth(place: str, growth: Growth, *, now: datetime) -> Finding:
    """Return what it means that a database has become so large in the time that its history covers.

    It goes on growing at that rate until its history is as old as it may become, and no longer.
    """
    size = size_text(growth.size_bytes)
    if growth.free_bytes is None:
        return database_finding(
            place, Outcome.NOT_APPLICABLE, f"{size}; what its server's disk has left, it does not say"
        )
    free = f"{size_text(growth.free_bytes)} left on the disk"
    if growth.free_bytes < SCARCE_BYTES:
        advice = "Make room: once the disk is full, no cycle is kept and nobody is told anything new."
        return database_finding(place, Outcome.FAILED, f"{size}; only {free}", advice, measured=_measured(growth))
    age = timedelta(0) if growth.since is None else now - growth.since
    if age < LEAST_HISTORY:
        text = f"{size}; {free}; how fast it grows can be said after two days"
        return database_finding(place, Outcome.OK, text, measured=_measured(growth))
    return _forecast(place, growth, growth.free_bytes, size, free, age=age)


def _forecast(place: str, growth: Growth, free_bytes: int, size: str, free: str, *, age: timedelta) -> Finding:
    bytes_per_day = growth.size_bytes / (age / _DAY)
    still_to_come = bytes_per_day * (max(growth.retention - age, timedelta(0)) / _DAY)
    text = f"{size}, {size_text(bytes_per_day)} a day; {free}"
    measured = {**_measured(growth), "bytes_per_day": round(bytes_per_day)}
    if still_to_come < free_bytes:
        most = size_text(growth.size_bytes + still_to_come)
        kept = duration_text(growth.retention)
        return database_finding(
            place, Outcome.OK, f"{text}; at most {most} with a retention of {kept}", measured=measured
        )
    lasts = timedelta(days=free_bytes / bytes_per_day)
    outcome = Outcome.WARNING if lasts >= NEAR else Outcome.FAILED
    advice = "Make room, lower `retention`, or move the database to a larger disk."
    return database_finding(place, outcome, f"{text}, which lasts {lasts.days} days", advice, measured=measured)


def _measured(growth: Growth) -> dict[str, float]:
    return {"size_bytes": growth.size_bytes, "free_bytes": growth.free_bytes or 0}


def database_finding(
    place: str, outcome: Outcome, text: str, advice: str = "", measured: Measured = NOTHING
) -> Finding:
    """Return a finding about the database at a place."""
    return Finding(group=Group.DATABASE, subject=place, outcome=outcome, text=text, advice=advice, measured=measured)
