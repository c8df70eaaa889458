"""The machine's clock, and what it knows of time zones."""

import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from alerter.doctor.findings import NOTHING, Finding, Group, Measured, Outcome
from alerter.kernel import clock_error

#: A clock that nothing keeps right is off by more than this, the kernel says: what `timedatectl` goes by as well.
UNSYNCHRONISED = timedelta(seconds=16)
#: For so long two sets of time zone data must agree.
AHEAD = timedelta(days=730)
_STEP = timedelta(hours=6)


def check_clock() -> Iterator[Finding]:
    """Yield whether something keeps the clock right."""
    yield assess_clock(clock_error())


def assess_clock(error: timedelta | None) -> Finding:
    """Return what it means that the clock may be off by so much.

    Args:
        error: At most so much; None where nobody knows.
    """
    if error is None:
        return _machine("clock", Outcome.NOT_APPLICABLE, "this system's kernel does not say whether its clock is right")
    seconds = error.total_seconds()
    if error >= UNSYNCHRONISED:
        return _machine(
            "clock",
            Outcome.WARNING,
            "nothing keeps it right",
            "Switch time synchronisation on: timedatectl set-ntp true, or install chrony. Mimecast's API 1.0 refuses "
            "signatures of a clock that is off, and messages would show wrong times.",
            measured={"clock_error_seconds": seconds},
        )
    return _machine(
        "clock", Outcome.OK, f"kept right, to within {seconds:.3g} s", measured={"clock_error_seconds": seconds}
    )


def check_timezone(zone: ZoneInfo, *, now: datetime) -> Iterator[Finding]:
    """Yield whether two sources agree on a place's clocks: the system's data, which counts, and that of the package."""
    yield assess_timezone(zone, _packaged(zone), has_system=_system_file(zone) is not None, now=now)


def assess_timezone(zone: ZoneInfo, packaged: ZoneInfo | None, *, has_system: bool, now: datetime) -> Finding:
    """Return what it means that two sources say this of a place.

    Args:
        zone: As it is used.
        packaged: As the package tzdata has it; None where it has not.
        has_system: Whether `zone` is the system's.
        now: From when on they must agree.
    """
    subject = f"time zone {zone.key}"
    if packaged is None or not has_system:
        source = "the package tzdata" if packaged is not None else "the system's data"
        return _machine(subject, Outcome.OK, f"known from {source}, the only source")
    differs_at = _first_difference(zone, packaged, now=now)
    if differs_at is None:
        return _machine(subject, Outcome.OK, "the system's data and the package tzdata agree on the next two years")
    return _machine(
        subject,
        Outcome.WARNING,
        f"the system's data and the package tzdata differ from {differs_at:%Y-%m-%d} on: one of them is old",
        "The system's counts: bring it up to date (apt install --only-upgrade tzdata; dnf upgrade tzdata), or mute "
        "windows and the times in messages may be off by an hour.",
    )


def _first_difference(one: ZoneInfo, other: ZoneInfo, *, now: datetime) -> datetime | None:
    steps = (now + _STEP * number for number in range(int(AHEAD / _STEP)))
    return next((at for at in steps if at.astimezone(one).utcoffset() != at.astimezone(other).utcoffset()), None)


def _system_file(zone: ZoneInfo) -> Path | None:
    return next((path for folder in zoneinfo.TZPATH if (path := Path(folder) / zone.key).is_file()), None)


def _packaged(zone: ZoneInfo) -> ZoneInfo | None:
    try:
        with files("tzdata").joinpath("zoneinfo", *zone.key.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=zone.key)
    except (OSError, ValueError, ModuleNotFoundError):
        return None


def _machine(subject: str, outcome: Outcome, text: str, advice: str = "", measured: Measured = NOTHING) -> Finding:
    return Finding(group=Group.MACHINE, subject=subject, outcome=outcome, text=text, advice=advice, measured=measured)
