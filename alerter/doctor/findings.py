"""The results of checks. Values only: no I/O, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import TypeAlias

#: Figures by name, with the unit at its end.
Measured: TypeAlias = Mapping[str, float | str]
NOTHING: Measured = MappingProxyType({})


class Group(StrEnum):
    """What a finding is about, in the order in which a newcomer needs it."""

    CONFIGURATION = "Configuration"
    FILES = "Files"
    MACHINE = "This machine"
    SERVICE = "Service"
    DATABASE = "Database"
    ACCOUNTS = "Mimecast accounts"
    RECEIVERS = "Receivers"
    RULES = "Rules and what was seen"


class Outcome(StrEnum):
    """How a check ended."""

    FAILED = "failed"
    WARNING = "warning"
    OK = "ok"
    NOT_APPLICABLE = "not applicable"


class ExitCode(IntEnum):
    """The exit codes."""

    WELL = 0
    FAILED = 1
    MISCONFIGURED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found of one thing.

    Attributes:
        group: What it belongs to.
        subject: What was looked at: a file, a tenant, a target.
        outcome: How it is.
        text: What was found, in one line; where it does not apply, why.
        advice: What to do, in one or two sentences; empty where nothing is to be done.
        measured: The figures behind it.
    """

    group: Group
    subject: str
    outcome: Outcome
    text: str
    advice: str = ""
    measured: Measured = field(default_factory=dict)


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Return how to end: a service would not start with a wrong configuration, whatever else is wrong."""
    failed = {finding.group for finding in findings if finding.outcome is Outcome.FAILED}
    if Group.CONFIGURATION in failed:
        return ExitCode.MISCONFIGURED
    return ExitCode.FAILED if failed else ExitCode.WELL


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by group, the worst of each first, and otherwise in their order."""
    groups, outcomes = list(Group), list(Outcome)
    return sorted(findings, key=lambda each: (groups.index(each.group), outcomes.index(each.outcome)))
