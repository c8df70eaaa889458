"""The unit that runs alerter, where systemd does."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from alerter.config import Config
from alerter.config.paths import ROOT, credential_folders, unit_for
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.permissions import Identity, load_identity, unreadable
from alerter.systemd_units import BOOTED, SystemdUnit, list_units

#: The unit, and the instances of its template.
PATTERNS = ("alerter.service", "alerter@*.service")
#: Where systemd puts the secrets that it hands to services.
HANDED = Path("/run/credentials")
#: The files that are named.
MAX_NAMED = 3


def check_units(config: Config | None, *, root: Path = ROOT) -> Iterator[Finding]:
    """Yield how the unit of a configuration is, or, where it has none, each unit of alerter.

    Args:
        config: What is configured; None if that is wrong.
        root: Of the file system.
    """
    own = None if config is None else unit_for(config.path, root=root)
    found = list_units(*(PATTERNS if own is None else (f"{own}.service",)), booted=root / BOOTED.relative_to("/"))
    if isinstance(found, str):
        yield _service("unit", Outcome.NOT_APPLICABLE, found)
        return
    if not found:
        text = "there is no unit alerter.service: fine where cron, a container or another supervisor runs it"
        yield _service("unit", Outcome.NOT_APPLICABLE, text)
    for unit in found:
        yield from assess_unit(unit, me=pwd.getpwuid(os.geteuid()).pw_name)
        if config is not None and own is not None:
            yield from assess_reading(unit, config)


def assess_unit(unit: SystemdUnit, *, me: str) -> Iterator[Finding]:
    """Yield what is wrong with a unit, or that nothing is.

    Args:
        unit: As systemd shows it.
        me: The user who is looking.
    """
    troubles = [*_running(unit), *_kept(unit), *_seen_as(unit, me)]
    if not troubles:
        yield _service(unit.name, Outcome.OK, f"running since {unit.since}, enabled, with a watchdog, never restarted")
    yield from troubles


def assess_reading(unit: SystemdUnit, config: Config) -> Iterator[Finding]:
    """Yield which files of its configuration a service may not read; its secrets are handed to it."""
    who = Identity() if unit.is_dynamic else load_identity(unit.user or "root")
    handed = tuple(folder for folder in (*credential_folders(config.path), HANDED))
    own = [file for file in config.credential_files if not any(map(file.is_relative_to, handed))]
    if closed := unreadable((*config.files, *own), who):
        text = f"its user may not read {', '.join(map(str, closed[:MAX_NAMED]))}: it will not start again"
        advice = f"chmod o+r {quote(str(closed[0]))}. Secrets belong into {handed[0]}, a file for each."
        yield _service(unit.name, Outcome.FAILED, text, advice)


def _running(unit: SystemdUnit) -> Iterator[Finding]:
    why = f"journalctl -u {unit.name} -n 50 says why."
    if unit.load != "loaded":
        text = f"systemd has not loaded it: {unit.load}"
        yield _service(unit.name, Outcome.FAILED, text, f"systemctl status {unit.name} says why.")
    elif unit.active == "failed":
        yield _service(unit.name, Outcome.FAILED, f"it has failed: {unit.result}", f"{why} Then systemctl restart it.")
    elif unit.sub == "auto-restart":
        text = f"it ends and is started again, {unit.restarts} times so far: {unit.result}"
        yield _service(unit.name, Outcome.FAILED, text, why)
    elif unit.active != "active":
        outcome = Outcome.FAILED if unit.enabled == "enabled" else Outcome.WARNING
        text = f"it does not run: {unit.active}"
        yield _service(unit.name, outcome, text, f"systemctl enable --now {unit.name}")
    elif unit.restarts:
        text = f"it runs since {unit.since}, and had to be restarted {unit.restarts} times"
        yield _service(unit.name, Outcome.WARNING, text, why)


def _kept(unit: SystemdUnit) -> Iterator[Finding]:
    """Yield what would keep it from running after a reboot or a hang; of a stopped one systemd shows no watchdog."""
    if unit.active != "active":
        return
    if unit.enabled == "disabled":
        text = "it does not start with the machine"
        yield _service(unit.name, Outcome.WARNING, text, f"systemctl enable {unit.name}")
    if not unit.has_watchdog:
        advice = "Set WatchdogSec= in the unit, as the one that comes with alerter does."
        yield _service(unit.name, Outcome.WARNING, "without a watchdog nobody notices when it hangs", advice)


def _seen_as(unit: SystemdUnit, me: str) -> Iterator[Finding]:
    if unit.user and not unit.is_dynamic and unit.user != me:
        text = f"it runs as {unit.user}, and you are {me}: what you may read and write, it may not, or the other way"
        yield _service(unit.name, Outcome.WARNING, text, f"Run sudo -u {unit.user} alerter doctor.")


def _service(subject: str, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return Finding(group=Group.SERVICE, subject=subject, outcome=outcome, text=text, advice=advice)
