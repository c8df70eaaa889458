"""How a diagnosis ends, and in which order it is read."""

import pytest

from alerter.doctor.findings import ExitCode, Finding, Group, Outcome, exit_code, sort_findings
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING


def found(outcome: Outcome, group: Group = Group.DATABASE, subject: str = "x") -> Finding:
    """Return a finding."""
    return Finding(group=group, subject=subject, outcome=outcome, text="")


@pytest.mark.parametrize(
    ("findings", "ending"),
    [
        pytest.param([], ExitCode.WELL, id="nothing"),
        pytest.param([found(OK), found(WARNING), found(NOT_APPLICABLE)], ExitCode.WELL, id="warnings are no failure"),
        pytest.param([found(OK), found(FAILED)], ExitCode.FAILED, id="one failure"),
        pytest.param(
            [found(FAILED), found(FAILED, Group.CONFIGURATION)], ExitCode.MISCONFIGURED, id="the configuration first"
        ),
        pytest.param([found(WARNING, Group.CONFIGURATION)], ExitCode.WELL, id="an unwise configuration is well"),
    ],
)
def test_the_worst_decides(findings: list[Finding], ending: ExitCode) -> None:
    """0 all well, 1 something failed, 2 the configuration is wrong."""
    assert exit_code(findings) is ending


def test_the_worst_of_each_group_is_read_first() -> None:
    """Groups in the order in which a newcomer sets things up."""
    findings = [
        found(OK, Group.RULES), found(OK, subject="b"), found(OK, subject="a"), found(WARNING), found(NOT_APPLICABLE),
        found(FAILED), found(OK, Group.CONFIGURATION),
    ]  # fmt: skip

    assert [(each.group, each.outcome, each.subject) for each in sort_findings(findings)] == [
        (Group.CONFIGURATION, OK, "x"),
        (Group.DATABASE, FAILED, "x"),
        (Group.DATABASE, WARNING, "x"),
        (Group.DATABASE, OK, "b"),
        (Group.DATABASE, OK, "a"),
        (Group.DATABASE, NOT_APPLICABLE, "x"),
        (Group.RULES, OK, "x"),
    ]
