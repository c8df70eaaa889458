"""Units of systemd, read with `systemctl`."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alerter.processes import find_program, run

if TYPE_CHECKING:
    from subprocess import CompletedProcess

#: There while systemd runs the machine (sd_booted(3)).
BOOTED = Path("/run/systemd/system")
#: Seconds for `systemctl`.
_TIMEOUT = 10
_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "WatchdogUSec",
    "ActiveEnterTimestamp", "User", "DynamicUser",
)  # fmt: skip
_OFF = frozenset({"", "0", "infinity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdUnit:
    """A service of systemd, in its own words.

    Attributes:
        name: `alerter.service`.
        load: `loaded`, `masked`, `error`, `bad-setting`.
        active: `active`, `inactive`, `failed`, `activating`.
        sub: `running`, `dead`, `auto-restart`.
        enabled: `enabled`, `disabled`, `static`, `linked`; empty where it has no file.
        result: Why it failed last; `success` where it did not.
        restarts: How often it was restarted by systemd since a person started it.
        has_watchdog: Whether it is killed when it hangs.
        since: Since when it has been active, as systemd writes it; empty where it is not.
        user: Whom it runs as, if the unit says so; else empty.
        is_dynamic: Whether that user exists only while it runs.
    """

    name: str
    load: str
    active: str
    sub: str
    enabled: str
    result: str
    restarts: int
    has_watchdog: bool
    since: str
    user: str
    is_dynamic: bool


def list_units(*patterns: str, booted: Path = BOOTED) -> Sequence[SystemdUnit] | str:
    """Return the units that match and have a file or are loaded; or, where there is no systemd to ask, why."""
    shown = _systemctl("show", "--no-pager", f"--property={','.join(_PROPERTIES)}", *patterns, booted=booted)
    if isinstance(shown, str):
        return shown
    if shown.returncode:
        return f"systemctl: {' '.join(shown.stderr.split()) or f'exit code {shown.returncode}'}"
    tables = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.stdout.strip().split("\n\n")]
    return [_unit(table) for table in tables if table and table.get("LoadState") != "not-found"]


def unit_variables(unit: str, *, booted: Path = BOOTED) -> Mapping[str, str] | None:
    """Return the variables that a unit sets by itself, as in its drop-ins; None where systemd cannot say."""
    shown = _systemctl("show", "--property=LoadState,Environment", f"{unit}.service", booted=booted)
    if isinstance(shown, str):
        return None
    table = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if shown.returncode or table.get("LoadState") != "loaded":
        return None
    # Quoted as a shell would read it (systemctl(1): output of `show`).
    with suppress(ValueError):
        words = (word.partition("=") for word in shlex.split(table.get("Environment", "")))
        return {name: value for name, _, value in words}
    return None


def _systemctl(*arguments: str, booted: Path) -> "CompletedProcess[str] | str":
    """Return what `systemctl` printed; or, where there is no systemd to ask, why."""
    if not booted.is_dir():
        return "systemd does not run this machine"
    program = find_program("systemctl")
    if program is None:
        return "there is no systemctl"
    try:
        return run([program, *arguments], timeout=_TIMEOUT)
    except TimeoutError:
        return f"systemctl does not answer within {_TIMEOUT} s"


def _unit(table: Mapping[str, str]) -> SystemdUnit:
    return SystemdUnit(
        name=table["Id"],
        load=table["LoadState"],
        active=table["ActiveState"],
        sub=table["SubState"],
        enabled=table["UnitFileState"],
        result=table["Result"],
        restarts=int(table["NRestarts"] or 0),
        has_watchdog=table["WatchdogUSec"] not in _OFF,
        since=table["ActiveEnterTimestamp"],
        user=table["User"],
        is_dynamic=table["DynamicUser"] == "yes",
    )
