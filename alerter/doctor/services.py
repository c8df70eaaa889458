"""The unit that runs alerter, where systemd does."""

import os
import pwd
from collections.abc import Iterator

from alerter.adapters.units import Unit, units
from alerter.doctor.findings import Finding, Group, Outcome

#: The unit, and the instances of its template.
PATTERNS = ("alerter.service", "alerter@*.service")


def check_units() -> Iterator[Finding]:
    """Yield how each unit of alerter is."""
    found = units(*PATTERNS)
    if isinstance(found, str):
        yield _service("unit", Outcome.NOT_APPLICABLE, found)
        return
    if not found:
        text = "there is no unit alerter.service: fine where cron, a container or another supervisor runs it"
        yield _service("unit", Outcome.NOT_APPLICABLE, text)
    for unit in found:
        yield from judge_unit(unit, me=pwd.getpwuid(os.geteuid()).pw_name)


def judge_unit(unit: Unit, *, me: str) -> Iterator[Finding]:
    """Yield what is wrong with a unit, or that nothing is.

    Args:
        unit: As systemd shows it.
        me: The user who is looking.
    """
    troubles = [*_running(unit), *_kept(unit), *_seen_as(unit, me)]
    if not troubles:
        yield _service(unit.name, Outcome.OK, f"running since {unit.since}, enabled, with a watchdog, never restarted")
    yield from troubles


def _running(unit: Unit) -> Iterator[Finding]:
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


def _kept(unit: Unit) -> Iterator[Finding]:
    """Yield what would keep it from running after a reboot or a hang."""
    if unit.enabled == "disabled":
        text = "it does not start with the machine"
        yield _service(unit.name, Outcome.WARNING, text, f"systemctl enable {unit.name}")
    if unit.load == "loaded" and not unit.has_watchdog:
        advice = "Set WatchdogSec= in the unit, as the one that comes with alerter does."
        yield _service(unit.name, Outcome.WARNING, "without a watchdog nobody notices when it hangs", advice)


def _seen_as(unit: Unit, me: str) -> Iterator[Finding]:
    if unit.user and unit.user != me:
        text = f"it runs as {unit.user}, and you are {me}: what you may read and write, it may not, or the other way"
        yield _service(unit.name, Outcome.WARNING, text, f"Run sudo -u {unit.user} alerter doctor.")


def _service(subject: str, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return Finding(group=Group.SERVICE, subject=subject, outcome=outcome, text=text, advice=advice)
