"""Checks of the configuration: errors, and what is unwise."""

from collections.abc import Iterable, Iterator

from alerter.config import ENDS_IN_MAIL, WORLD_READABLE, Config
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.errors import Problem
from alerter.humanize import count_text
from alerter.network_settings import doubts


def check_configuration(config: Config) -> Iterator[Finding]:
    """Yield that it is sound, and what is unwise; what other groups say more of is left to them."""
    parts = ((config.tenants, "tenant"), (config.receivers, "receiver"), (config.rules, "rule"))
    text = "valid: " + ", ".join(count_text(len(found), noun) for found, noun in parts)
    yield Finding(group=Group.CONFIGURATION, subject=str(config.path), outcome=Outcome.OK, text=text)
    said_elsewhere = (WORLD_READABLE, ENDS_IN_MAIL)
    for warning in config.warnings:
        if not any(words in warning.text for words in said_elsewhere):
            yield finding_from_problem(warning, Group.CONFIGURATION, Outcome.WARNING)


def check_network_settings() -> Iterator[Finding]:
    """Yield what is wrong with the variables that lead to hosts, as of proxies, or that nothing is."""
    found = [doubt for doubt in doubts() if doubt]
    for doubt in found:
        advice = "Set it where the service has it: /etc/alerter/environment, or `systemctl edit alerter`."
        yield Finding(group=Group.MACHINE, subject="environment", outcome=Outcome.WARNING, text=doubt, advice=advice)
    if not found:
        text = "proxies and trusted authorities are as they should be, or not set"
        yield Finding(group=Group.MACHINE, subject="environment", outcome=Outcome.OK, text=text)


def configuration_errors(problems: Iterable[Problem]) -> list[Finding]:
    """Return everything because of which a service would not start."""
    return [finding_from_problem(problem, Group.CONFIGURATION, Outcome.FAILED) for problem in problems]


def finding_from_problem(problem: Problem, group: Group, outcome: Outcome, *, advice: str = "") -> Finding:
    """Return a problem of the configuration as a finding: its place is the subject."""
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    text = f"{problem.key}: {problem.text}" if problem.key else problem.text
    return Finding(group=group, subject=place, outcome=outcome, text=text, advice=advice)
