"""The unit files: what they say is what the program does, systemd knows every line of them, and little is allowed."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import click
import pytest

from alerter.cli import cli
from alerter.cli.install import SHIPPED_COMMAND, UNITS
from alerter.cli.options import USAGE
from alerter.config.models import ServiceConfig
from alerter.config.paths import ENCRYPTED, PLAIN, credential_folders, state_directory, unit_for
from alerter.core.series import Tenant
from alerter.health import Health
from alerter.service.daemon import MAX_DRAIN, SIGNALS
from alerter.service.systemd import FIRST_POLLS
from tests.programs import needed

ROOT = Path(__file__).parents[1]
#: What `systemd-analyze security` may find at most, in tenths: 1.2 of 10.
MAX_EXPOSURE = 12
_UNITS_OF_TIME = {"s": "seconds", "min": "minutes"}


class Unit:
    """A unit file as systemd reads it, for an instance of the name `acme` where it is a template."""

    def __init__(self, name: str) -> None:
        self.name = name.replace("@.", "@acme.")
        self.text = (ROOT / "deploy" / name).read_text(encoding="utf-8").replace("%i", "acme")

    def all(self, key: str) -> list[str]:
        """Return every value of a key, in their order."""
        return re.findall(rf"^{key}=(.*)$", self.text, re.MULTILINE)

    def one(self, key: str) -> str:
        """Return the value of a key that must be there once."""
        [value] = self.all(key)
        return value

    def span(self, key: str) -> timedelta:
        """Return a value that is a span of time."""
        found = re.fullmatch(r"(\d+)(s|min)", self.one(key))
        assert found is not None, key
        number, unit = found.groups()
        return timedelta(**{_UNITS_OF_TIME[unit]: int(number)})

    @property
    def config(self) -> Path:
        """The configuration that it names."""
        return Path(re.findall(r"--config (\S+)", self.one("ExecStart"))[0])


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> Unit:
    """The unit for one configuration, and the template for several."""
    return Unit(str(request.param))


def test_the_commands_of_the_unit_exist_with_their_options(unit: Unit) -> None:
    """What starts and reloads the service is what `alerter --help` lists."""
    lines = [line for line in (*unit.all("ExecStart"), *unit.all("ExecReload")) if line.startswith(SHIPPED_COMMAND)]

    for line in lines:
        _, name, *rest = line.split()
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.parse_args(click.Context(command), rest) == []
    assert len(lines) == 2
    assert all(str(unit.config) in line for line in lines)


def test_a_reload_sends_the_signal_that_reloads(unit: Unit) -> None:
    """First the service takes what is sound, then whoever reloads hears what is not."""
    reload, check = unit.all("ExecReload")

    assert "kill -HUP" in reload
    assert 1 in {int(number) for number in SIGNALS}
    assert check.split()[1] == "check-config"


def test_a_wrong_configuration_is_not_tried_again_for_ever(unit: Unit) -> None:
    """Its exit code ends the service; every other failure is tried again, at a pace that no limit ends."""
    assert unit.one("RestartPreventExitStatus") == str(USAGE)
    assert unit.one("Restart") == "on-failure"
    assert int(unit.one("StartLimitBurst")) * unit.span("RestartSec") >= unit.span("StartLimitIntervalSec")


def test_the_unit_waits_as_long_as_the_service_takes(unit: Unit) -> None:
    """A start may try every tenant, a stop may let a message arrive, and between two signs of life a poll is due."""
    health = Health(lambda: 0)
    health.set_tenants({Tenant("acme"): ServiceConfig().poll_interval})

    assert unit.one("Type") == "notify"
    assert unit.span("TimeoutStartSec") > FIRST_POLLS
    assert unit.span("TimeoutStopSec") > MAX_DRAIN
    assert unit.span("WatchdogSec") == health.min_deadline()


def test_commands_beside_the_service_look_where_the_unit_puts_things(unit: Unit, tmp_path: Path) -> None:
    """`sudo alerter status` finds the data and the secrets of just this unit."""
    path = tmp_path / unit.config.relative_to("/")
    (tmp_path / "var/lib" / unit.one("StateDirectory")).mkdir(parents=True)

    assert unit_for(unit.config) == unit.name.removesuffix(".service")
    assert state_directory(path, {}, root=tmp_path) == tmp_path / "var/lib" / unit.one("StateDirectory")
    plain, encrypted = credential_folders(unit.config)
    assert unit.all("LoadCredential") == [f"{PLAIN.removesuffix('_')}:{plain}"]
    assert unit.all("LoadCredentialEncrypted") == [f"{ENCRYPTED.removesuffix('_')}:{encrypted}"]


def test_every_secret_of_the_example_can_be_a_credential() -> None:
    """Its name is that of a file in the folder of secrets, and with the folder's before it one that systemd takes."""
    names = set(re.findall(r"(?<!\$)\$\{(\w+)\}", (ROOT / "rules.example.toml").read_text(encoding="utf-8")))

    assert {"MIMECAST_CLIENT_ID", "MIMECAST_CLIENT_SECRET", "SLACK_URL"} <= names
    assert all(re.fullmatch(r"[!-.0-9;-~]{1,255}", ENCRYPTED + name) for name in names)


def test_the_template_differs_from_the_unit_in_names_alone() -> None:
    """Whoever runs several configurations is protected as well as whoever runs one."""
    names = {
        "/etc/alerter/%i.toml": "/etc/alerter/rules.toml",
        "/etc/alerter/%i.credentials": "/etc/alerter/credentials",
        "alerter@%i": "alerter",
        "alerter@NAME": "alerter",
        " (%i)": "",
    }
    plain, template = ((ROOT / "deploy" / name).read_text(encoding="utf-8") for name in UNITS)
    for name, of_plain in names.items():
        template = template.replace(name, of_plain)

    # The heads say what each of them is for.
    assert template.split("[Unit]")[1] == plain.split("[Unit]")[1]


@pytest.fixture
def systemd_analyze() -> str:
    """The program that knows what systemd knows."""
    return needed("systemd-analyze")


def test_systemd_knows_every_line(unit: Unit, systemd_analyze: str, tmp_path: Path) -> None:
    """A setting that is misspelt, or younger than the systemd here, would be ignored, and protect nobody."""
    command = tmp_path / "alerter"
    command.touch(mode=0o755)
    path = tmp_path / unit.name
    path.write_text(unit.text.replace(SHIPPED_COMMAND, str(command)))

    done = subprocess.run([systemd_analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_unit_may_do_little(unit: Unit, systemd_analyze: str, tmp_path: Path) -> None:
    """What it can do to the machine is at most 1.2 of 10; most of that is the network, which it needs."""
    path = tmp_path / unit.name
    path.write_text(unit.text)

    done = subprocess.run(
        [systemd_analyze, "security", "--no-pager", "--offline=true", f"--threshold={MAX_EXPOSURE}", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout
