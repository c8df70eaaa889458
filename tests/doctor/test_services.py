"""How a unit is, as a table; and a machine without one."""

from dataclasses import replace

import pytest

from alerter.adapters.units import BOOTED, Unit
from alerter.doctor.findings import Group, Outcome
from alerter.doctor.services import check_units, judge_unit
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING

WELL = Unit(
    name="alerter.service",
    load="loaded",
    active="active",
    sub="running",
    enabled="enabled",
    result="success",
    restarts=0,
    has_watchdog=True,
    since="Mon 2026-03-02 12:00:00 UTC",
    user="",
)
STOPPED = replace(WELL, active="inactive", sub="dead", since="")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        pytest.param(WELL, [(OK, "running since Mon 2026-03-02 12:00:00 UTC, enabled")], id="as it should be"),
        pytest.param(replace(WELL, user="root"), [(OK, "running")], id="as the user who looks"),
        pytest.param(replace(WELL, restarts=3), [(WARNING, "had to be restarted 3 times")], id="restarted"),
        pytest.param(
            replace(WELL, active="failed", sub="failed", result="exit-code"),
            [(FAILED, "it has failed: exit-code")],
            id="failed",
        ),
        pytest.param(
            replace(WELL, active="activating", sub="auto-restart", result="watchdog", restarts=7),
            [(FAILED, "it ends and is started again, 7 times so far: watchdog")],
            id="in a loop",
        ),
        pytest.param(STOPPED, [(FAILED, "it does not run: inactive")], id="stopped, though it is enabled"),
        pytest.param(
            replace(STOPPED, enabled="disabled"),
            [(WARNING, "it does not run: inactive"), (WARNING, "it does not start with the machine")],
            id="not in use",
        ),
        pytest.param(
            replace(WELL, enabled="disabled"), [(WARNING, "it does not start with the machine")], id="until the reboot"
        ),
        pytest.param(replace(WELL, has_watchdog=False), [(WARNING, "without a watchdog")], id="without a watchdog"),
        pytest.param(
            replace(STOPPED, load="masked", enabled="masked", has_watchdog=False),
            [(FAILED, "systemd has not loaded it: masked")],
            id="masked",
        ),
        pytest.param(
            replace(STOPPED, load="bad-setting"), [(FAILED, "systemd has not loaded it: bad-setting")], id="a bad unit"
        ),
        pytest.param(
            replace(WELL, user="alerter"), [(WARNING, "it runs as alerter, and you are root")], id="as another user"
        ),
    ],
)
def test_how_a_unit_is(unit: Unit, expected: list[tuple[Outcome, str]]) -> None:
    """Everything that is wrong with it, each with the command that helps."""
    found = list(judge_unit(unit, me="root"))

    assert {finding.group for finding in found} == {Group.SERVICE}
    assert [finding.outcome for finding in found] == [outcome for outcome, _ in expected]
    assert all(text in finding.text for finding, (_, text) in zip(found, expected, strict=True))
    assert all(bool(finding.advice) is (finding.outcome is not OK) for finding in found)


@pytest.mark.skipif(BOOTED.is_dir(), reason="systemd runs this machine, which may have a unit of alerter")
def test_a_machine_without_systemd_has_no_unit() -> None:
    """That is no failure, and the reason is told."""
    (finding,) = check_units()

    assert (finding.outcome, finding.text) == (NOT_APPLICABLE, "systemd does not run this machine")
