"""What systemd says of units, through a `systemctl` that answers as the real one does."""

from pathlib import Path

import pytest

from alerter.systemd_units import SystemdUnit, list_units, unit_variables
from tests.systemctl import RUNNING, Systemctl

DYNAMIC = RUNNING.replace("DynamicUser=no", "DynamicUser=yes").replace("=alerter.service", "=alerter@eu.service")
NOT_FOUND = """\
NRestarts=0
Result=success
WatchdogUSec=infinity
User=
DynamicUser=no
Id=alerter.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
ActiveEnterTimestamp=
"""
UNIT = SystemdUnit(
    name="alerter.service",
    load="loaded",
    active="active",
    sub="running",
    enabled="enabled",
    result="success",
    restarts=2,
    has_watchdog=True,
    since="Mon 2026-03-02 12:00:00 UTC",
    user="alerter",
    is_dynamic=False,
)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """Return a `systemctl` that tests tell what to print."""
    return Systemctl(tmp_path, monkeypatch)


def test_units_are_read_as_systemctl_shows_them(systemctl: Systemctl, tmp_path: Path) -> None:
    """One without a file is left out; a user may exist only while it runs."""
    systemctl.shows(f"{RUNNING}\n{DYNAMIC}\n{NOT_FOUND}")

    found = list_units("alerter.service", "alerter@*.service", booted=tmp_path)

    assert not isinstance(found, str)
    assert found[0] == UNIT
    assert [(unit.name, unit.is_dynamic) for unit in found] == [
        ("alerter.service", False),
        ("alerter@eu.service", True),
    ]
    assert systemctl.asked.startswith("show --no-pager --property=Id,LoadState,")
    assert systemctl.asked.endswith(" alerter.service alerter@*.service")


@pytest.mark.parametrize(("text", "has_watchdog"), [("3min", True), ("0", False), ("infinity", False), ("", False)])
def test_a_watchdog_is_on_or_off(systemctl: Systemctl, tmp_path: Path, text: str, has_watchdog: bool) -> None:  # noqa: FBT001 - a table
    """In each of the ways in which systemd writes it."""
    systemctl.shows(RUNNING.replace("3min", text))

    found = list_units("alerter.service", booted=tmp_path)

    assert not isinstance(found, str)
    assert found[0].has_watchdog is has_watchdog


def test_without_a_unit_there_is_none(systemctl: Systemctl, tmp_path: Path) -> None:
    """A name that nothing is loaded for shows nothing at all, or that it is not found."""
    systemctl.shows(f"\n{NOT_FOUND}\n")

    assert list_units("alerter.service", booted=tmp_path) == []


def test_a_machine_without_systemd_is_said_to_be_one(systemctl: Systemctl, tmp_path: Path) -> None:
    """As sd_booted(3) does: that the program is installed says nothing."""
    systemctl.shows(RUNNING)

    assert list_units("alerter.service", booted=tmp_path / "none") == "systemd does not run this machine"


def test_a_machine_without_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a minimal container."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert list_units("alerter.service", booted=tmp_path) == "there is no systemctl"


def test_a_systemctl_that_fails_says_why(systemctl: Systemctl, tmp_path: Path) -> None:
    """It may have no bus to ask."""
    systemctl.shows("", code=1, error="Failed to connect to bus: No such file")

    assert list_units("alerter.service", booted=tmp_path) == "systemctl: Failed to connect to bus: No such file"


def test_a_systemctl_that_hangs_is_given_up(
    systemctl: Systemctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever asks is not kept."""
    systemctl.runs("exec sleep 20")
    monkeypatch.setattr("alerter.systemd_units._TIMEOUT", 0.1)

    assert list_units("alerter.service", booted=tmp_path) == "systemctl does not answer within 0.1 s"


@pytest.mark.parametrize(
    ("shown", "variables"),
    [
        pytest.param("LoadState=loaded\nEnvironment=TZ=UTC\n", {"TZ": "UTC"}, id="one"),
        pytest.param("LoadState=loaded\nEnvironment=\n", {}, id="none"),
        pytest.param(
            'LoadState=loaded\nEnvironment=TZ=UTC "NO_PROXY=a, b" HTTPS_PROXY=http://p?a=b\n',
            {"TZ": "UTC", "NO_PROXY": "a, b", "HTTPS_PROXY": "http://p?a=b"},
            id="quoted as for a shell",
        ),
        pytest.param("LoadState=not-found\nEnvironment=\n", None, id="there is no unit"),
        pytest.param('LoadState=loaded\nEnvironment="A=b\n', None, id="not understood"),
    ],
)
def test_the_variables_that_a_unit_sets_are_known(
    systemctl: Systemctl, tmp_path: Path, shown: str, variables: dict[str, str] | None
) -> None:
    """With those of drop-ins, as `systemctl edit` writes them."""
    systemctl.shows(shown)

    assert unit_variables("alerter", booted=tmp_path) == variables
    assert systemctl.asked == "show --property=LoadState,Environment alerter.service"
    assert unit_variables("alerter", booted=tmp_path / "none") is None
