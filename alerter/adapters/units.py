"""What systemd says of its units, asked with `systemctl`."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
class Unit:
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


def units(*patterns: str, booted: Path = BOOTED) -> Sequence[Unit] | str:
    """Return the units that match and have a file or are loaded; or, where there is no systemd to ask, why."""
    if not booted.is_dir():
        return "systemd does not run this machine"
    command = ["systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", *patterns]
    try:
        shown = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        return "there is no systemctl"
    except subprocess.TimeoutExpired:
        return f"systemctl does not answer within {_TIMEOUT} s"
    if shown.returncode:
        return f"systemctl: {' '.join(shown.stderr.split()) or f'exit code {shown.returncode}'}"
    tables = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.stdout.strip().split("\n\n")]
    return [_unit(table) for table in tables if table and table.get("LoadState") != "not-found"]


def _unit(table: Mapping[str, str]) -> Unit:
    return Unit(
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
