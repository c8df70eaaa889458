"""`alerter install`, into the image of a machine: what it makes, and what it leaves as it is."""

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from alerter.cli.completion import script
from alerter.cli.install import (
    COMMAND,
    COMPLETIONS,
    CONFIG_FOLDER,
    MANUAL,
    UNIT_FOLDER,
    UNITS,
    closed_to_others,
    describe_body,
)
from alerter.cli.man_page import page
from alerter.config import load_config
from alerter.config.paths import state_directory
from tests.commands import RunCommand, runner

ROOT = Path(__file__).parents[1]


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


def test_it_makes_what_the_units_need(alerter: RunCommand, tmp_path: Path) -> None:
    """Units that start the alerter that was installed, folders for secrets that only root sees, and a first file."""
    shown = alerter("install", "--root", tmp_path)

    command = Path(sys.prefix) / "bin/alerter"
    for name in UNITS:
        unit = (tmp_path / UNIT_FOLDER / name).read_text()
        assert f"ExecStart={command} run --config /etc/alerter/" in unit
        assert "/opt/alerter" not in unit.replace(str(command), "")
    config = tmp_path / CONFIG_FOLDER / "rules.toml"
    secrets = {"MIMECAST_CLIENT_ID": "i", "MIMECAST_CLIENT_SECRET": "s", "SLACK_URL": "json://localhost"}
    assert [*load_config(config, secrets).tenants] == ["acme"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o644
    assert stat.S_IMODE(config.with_name("credentials").stat().st_mode) == 0o700
    assert stat.S_IMODE(config.with_name("credentials.encrypted").stat().st_mode) == 0o700
    assert (tmp_path / COMMAND).readlink() == command
    assert shown.code == 0
    assert f"install -m 600 /dev/stdin {config.parent}/credentials/NAME" in shown.out
    assert "systemctl enable --now alerter" in shown.out


def test_it_makes_what_helps_at_the_terminal(alerter: RunCommand, tmp_path: Path) -> None:
    """The man page, and a script for each shell, where they look for them."""
    alerter("install", "--root", tmp_path)

    assert (tmp_path / MANUAL).read_text() == page()
    for shell, path in COMPLETIONS.items():
        assert (tmp_path / path).read_text() == script(shell)


def test_an_instance_has_a_configuration_and_secrets_of_its_own(alerter: RunCommand, tmp_path: Path) -> None:
    """One command for each of several configurations."""
    shown = alerter("install", "--root", tmp_path, "--instance", "acme", "--instance", "other-one")

    made = {each.name for each in (tmp_path / CONFIG_FOLDER).iterdir()}
    assert {"acme.toml", "acme.credentials", "acme.credentials.encrypted", "other-one.toml"} <= made
    assert "systemctl enable --now alerter@acme" in shown.out
    assert f"install -m 600 /dev/stdin {tmp_path}/etc/alerter/acme.credentials/NAME" in shown.out


def test_an_upgrade_replaces_the_units_and_nothing_else(alerter: RunCommand, tmp_path: Path) -> None:
    """What an administrator wrote stays: the configuration, the secrets, and a command of that name."""
    alerter("install", "--root", tmp_path)
    unit, config = tmp_path / UNIT_FOLDER / UNITS[0], tmp_path / CONFIG_FOLDER / "rules.toml"
    unit.write_text("[Service]\nExecStart=/opt/older/alerter\n")
    config.write_text("# mine\n")
    (tmp_path / COMMAND).unlink()
    (tmp_path / COMMAND).write_text("#!/bin/sh\n")

    shown = alerter("install", "--root", tmp_path)

    assert shown.out.splitlines()[:2] == [f"replaced {unit}", f"left {tmp_path / COMMAND} as it is: it is no link"]
    assert "ExecStart=/opt/older" not in unit.read_text()
    assert config.read_text() == "# mine\n"


def test_a_second_time_does_nothing(alerter: RunCommand, tmp_path: Path) -> None:
    """It may be run by whatever sets machines up, as often as that likes."""
    alerter("install", "--root", tmp_path)

    assert alerter("install", "--root", tmp_path).out.startswith("everything was there\n")


@pytest.mark.parametrize("name", ["a/b", "../x", "a b", "-x", "x.y", "", "rules"])
def test_a_name_that_no_unit_can_have_is_refused(alerter: RunCommand, name: str, tmp_path: Path) -> None:
    """It would be another file, or another unit, than the one that was meant."""
    shown = alerter("install", "--root", tmp_path, "--instance", name)

    assert shown.code == 2
    assert f"found {name!r}" in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("user", "program", "python", "reason"),
    [
        pytest.param(0, "/opt/alerter", "/usr", "", id="where a service can see it"),
        pytest.param(1000, "/opt/alerter", "/usr", "expected to be root", id="by somebody who may not"),
        pytest.param(0, "/run/user/0/venv", "/usr", "/run/user/0/venv is below /run/user", id="in a user's directory"),
        pytest.param(0, "/opt/alerter", "/home/ann/py", "/home/ann/py is below /home", id="with a Python in one"),
    ],
)
def test_what_a_service_could_not_start_is_not_installed(user: int, program: str, python: str, reason: str) -> None:
    """The sandbox hides home directories: the start would fail, and not say why."""
    said = describe_body(user, Path(program), Path(python))

    assert said.startswith(reason)
    assert bool(said) is bool(reason)


def test_what_cannot_be_written_is_named(alerter: RunCommand, tmp_path: Path) -> None:
    """The error says which file or folder, and why."""
    (tmp_path / "etc").touch()

    shown = alerter("install", "--root", tmp_path)

    assert shown.code == 1
    assert f"Error: {tmp_path}/etc" in shown.err


def test_a_wheel_has_what_it_installs(tmp_path: Path) -> None:
    """Whoever has only the wheel has units, example and migrations too."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")

    names = set(zipfile.ZipFile(wheel).namelist())

    there = {str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    shipped = {name.removeprefix("alerter/_data/") for name in names if name.startswith("alerter/_data/deploy/")}
    assert {f"deploy/{unit}" for unit in UNITS} <= shipped == there
    assert {"alerter/_data/rules.example.toml", "alerter/_migrations/env.py"} <= names
    [manual] = [name for name in names if name.endswith(".data/data/share/man/man1/alerter.1")]
    assert zipfile.ZipFile(wheel).read(manual).decode() == page()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_what_others_must_read_they_can_whatever_the_umask(alerter: RunCommand, tmp_path: Path, umask: int) -> None:
    """Each folder and file has one mode, and only root writes any: a strict umask must not shut the service out."""
    before = os.umask(umask)
    try:
        done = alerter("install", "--root", tmp_path / "machine", "--instance", "acme")
    finally:
        os.umask(before)

    assert done.code == 0
    modes = {
        str(each.relative_to(tmp_path / "machine")): stat.S_IMODE(each.lstat().st_mode)
        for each in (tmp_path / "machine").rglob("*")
        if not each.is_symlink()
    }
    closed = {name for name in modes if "credentials" in name or name.startswith("var/lib/alerter")}
    assert {modes[name] for name in closed} == {0o700}
    assert {mode for name, mode in modes.items() if name not in closed} == {0o755, 0o644}
    assert all(
        (mode == 0o755) == (tmp_path / "machine" / name).is_dir() for name, mode in modes.items() if mode != 0o700
    )


def test_a_service_has_its_data_folder_before_its_first_start(alerter: RunCommand, tmp_path: Path) -> None:
    """What root imports or silences then is what the service starts with; systemd takes the folder over."""
    alerter("install", "--root", tmp_path, "--instance", "acme")

    for name, unit in (("rules", "alerter"), ("acme", "alerter@acme")):
        folder = state_directory(tmp_path / CONFIG_FOLDER / f"{name}.toml", {}, root=tmp_path)
        assert folder == tmp_path / "var/lib" / unit
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_data_folder_that_systemd_has_moved_is_left_alone(alerter: RunCommand, tmp_path: Path) -> None:
    """It is a link then, to what only root sees."""
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/alerter").symlink_to("private/alerter")

    done = alerter("install", "--root", tmp_path)

    assert done.code == 0
    assert (tmp_path / "var/lib/alerter").readlink() == Path("private/alerter")


@pytest.mark.parametrize(("mode", "is_closed"), [(0o755, False), (0o700, True)])
def test_a_program_that_its_service_could_not_read_is_found(mode: int, is_closed: bool) -> None:  # noqa: FBT001 - a table
    """As pip leaves it with a strict umask; the service would not start, and only its log would say why."""
    with TemporaryDirectory() as name:
        prefix = Path(name)
        prefix.chmod(0o755)
        (prefix / "bin").mkdir()
        (prefix / "bin/alerter").touch(0o755)
        (prefix / "bin/alerter").chmod(mode)

        found = closed_to_others(prefix)

    assert (found == prefix / "bin/alerter") is is_closed
