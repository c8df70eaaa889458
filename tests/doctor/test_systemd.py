"""How a unit is, as a table; and a machine without one."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from alerter.config import Config
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.doctor.permissions import Identity, load_identity, may_read
from alerter.doctor.systemd import assess_reading, assess_unit, check_units
from alerter.systemd_units import SystemdUnit
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING, a_config
from tests.systemctl import RUNNING, Systemctl
from tests.test_systemd_units import UNIT

WELL = replace(UNIT, restarts=0, is_dynamic=True)
STOPPED = replace(WELL, active="inactive", sub="dead", since="", has_watchdog=False)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        pytest.param(WELL, [(OK, "running since Mon 2026-03-02 12:00:00 UTC, enabled")], id="as it should be"),
        pytest.param(replace(WELL, user="root", is_dynamic=False), [(OK, "running")], id="as the user who looks"),
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
            [(WARNING, "it does not run: inactive")],
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
            replace(WELL, is_dynamic=False), [(WARNING, "it runs as alerter, and you are root")], id="as another user"
        ),
    ],
)
def test_how_a_unit_is(unit: SystemdUnit, expected: list[tuple[Outcome, str]]) -> None:
    """Everything that is wrong with it, each with the command that helps."""
    found = list(assess_unit(unit, me="root"))

    assert {finding.group for finding in found} == {Group.SERVICE}
    assert [finding.outcome for finding in found] == [outcome for outcome, _ in expected]
    assert all(text in finding.text for finding, (_, text) in zip(found, expected, strict=True))
    assert all(bool(finding.advice) is (finding.outcome is not OK) for finding in found)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine that systemd runs, with a configuration of its service."""
    folder = in_the_open(tmp_path)
    (folder / "run/systemd/system").mkdir(parents=True)
    (folder / "etc/alerter").mkdir(parents=True)
    return folder


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """Return a `systemctl` that tests tell what to print."""
    return Systemctl(tmp_path, monkeypatch)


def test_a_machine_without_systemd_has_no_unit(tmp_path: Path) -> None:
    """That is no failure, and the reason is told."""
    (finding,) = check_units(None, root=tmp_path)

    assert (finding.outcome, finding.text) == (NOT_APPLICABLE, "systemd does not run this machine")


def test_a_machine_without_a_unit_may_run_alerter_otherwise(root: Path, systemctl: Systemctl) -> None:
    """Cron will do as well."""
    systemctl.shows(RUNNING.replace("=loaded", "=not-found"))

    (finding,) = check_units(None, root=root)

    assert finding.outcome is NOT_APPLICABLE
    assert "no unit alerter.service" in finding.text
    assert systemctl.asked.endswith(" alerter.service alerter@*.service")


def test_the_unit_of_a_configuration_is_looked_at_with_what_it_may_read(root: Path, systemctl: Systemctl) -> None:
    """That of an instance is another one; both findings come with its name."""
    config = a_config(root / "etc/alerter", mode=0o600)
    instance = config.path.rename(config.path.with_name("acme.toml"))
    shown = RUNNING.replace("DynamicUser=no", "DynamicUser=yes").replace("=alerter.service", "=alerter@acme.service")
    systemctl.shows(shown)

    found = list(check_units(replace(config, path=instance, files=(instance,)), root=root))

    assert systemctl.asked.endswith(" alerter@acme.service")
    assert [(each.subject, each.outcome) for each in found] == [
        ("alerter@acme.service", WARNING), ("alerter@acme.service", FAILED)
    ]  # fmt: skip
    assert "had to be restarted 2 times" in found[0].text
    assert f"its user may not read {instance}" in found[1].text


def read_by(unit: SystemdUnit, config: Config) -> list[Finding]:
    """Return which files a unit may not read."""
    return list(assess_reading(unit, config))


def in_the_open(folder: Path) -> Path:
    """Return a folder that everybody may enter, as that of the tests is not."""
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o011)
    return folder


def test_a_configuration_that_the_services_user_may_not_read_has_failed(tmp_path: Path) -> None:
    """Root may, which is why nobody notices until the next start; the secrets that systemd hands over do not count."""
    folder = in_the_open(tmp_path)
    secret = folder / "credentials" / "KEY"
    secret.parent.mkdir(mode=0o700)
    secret.write_text("s3cr3t")
    config = replace(a_config(folder, mode=0o644), credential_files=(secret,))

    assert read_by(WELL, config) == []

    config.path.chmod(0o600)
    (finding,) = read_by(WELL, config)

    assert (finding.subject, finding.outcome) == ("alerter.service", FAILED)
    assert finding.text == f"its user may not read {config.path}: it will not start again"
    assert finding.advice.startswith(f"chmod o+r {config.path}. Secrets belong into {folder}/credentials")


def test_a_secret_in_a_file_of_ones_own_must_be_read_too(tmp_path: Path) -> None:
    """`${file:PATH}` is read by the service itself, not by systemd."""
    secret = in_the_open(tmp_path) / "secret"
    secret.write_text("s3cr3t")
    secret.chmod(0o600)
    config = replace(a_config(tmp_path, mode=0o644), credential_files=(secret,))

    (finding,) = read_by(WELL, config)

    assert str(secret) in finding.text
    assert read_by(replace(WELL, user="", is_dynamic=False), config) == []  # it runs as root, which may read anything


@pytest.mark.parametrize(
    ("mode", "who", "may"),
    [
        pytest.param(0o400, "the owner", True, id="its owner"),
        pytest.param(0o044, "the owner", False, id="its owner, who alone may not"),
        pytest.param(0o040, "a member", True, id="a member of its group"),
        pytest.param(0o404, "a member", False, id="a member, if the group alone may not"),
        pytest.param(0o004, "another", True, id="everybody"),
        pytest.param(0o440, "another", False, id="everybody, if only owner and group may"),
        pytest.param(0o000, "root", True, id="root"),
    ],
)
def test_who_may_read_a_file(tmp_path: Path, mode: int, who: str, *, may: bool) -> None:
    """As the kernel decides: the first of owner, group and others that fits counts alone."""
    path = in_the_open(tmp_path) / "file"
    path.touch()
    if os.geteuid() == 0:
        os.chown(path, 1000, 1000)
    path.chmod(mode)
    uid, gid = path.stat().st_uid, path.stat().st_gid
    identities = {
        "the owner": Identity(uid=uid, gids=frozenset({gid})),
        "a member": Identity(uid=uid + 1, gids=frozenset({gid, gid + 1})),
        "another": Identity(uid=uid + 1, gids=frozenset({gid + 1})),
        "root": Identity(uid=0),
    }

    assert may_read(path, identities[who]) is may


def test_a_folder_that_may_not_be_entered_hides_what_is_in_it(tmp_path: Path) -> None:
    """The mode of the file alone says nothing."""
    path = in_the_open(tmp_path) / "folder" / "file"
    path.parent.mkdir()
    path.touch(mode=0o644)
    assert may_read(path, Identity())

    path.parent.chmod(0o700)

    assert not may_read(path, Identity())


def test_a_user_is_known_by_name() -> None:
    """With all groups; one that does not exist has nothing."""
    assert load_identity("root").uid == 0
    assert 0 in load_identity("root").gids
    assert load_identity("nobody-has-this-name") == Identity()
