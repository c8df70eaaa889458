"""A disk that is full, or mounted read-only: a real one, of a few megabytes, in a namespace of its own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import a_configuration
from tests.faults.clusters import Cluster, a_cluster

#: Mounts a disk at $1, polls with the configuration $2, and lets a monitoring system look at each state of the disk.
_SCRIPT = """
set -u
mount -t tmpfs -o size=8m,mode=0755 tmpfs "$1"
look() { echo "$1 $("$python" -m alerter status --nagios --config "$2" | head -1) exit"; }
python=$3
"$python" -m alerter poll --config "$2" >/dev/null
look room "$2"
head -c 20m /dev/zero > "$1/fill" 2>/dev/null
look full "$2"
rm "$1/fill"
look again "$2"
mount -o remount,ro "$1"
look closed "$2"
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds a few messages."""
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real process
        yield simulator


def test_a_disk_on_which_no_poll_can_be_kept_is_a_warning_at_once(tmp_path: Path, simulator: Simulator) -> None:
    """The last successful poll is a moment ago, so that nothing is overdue yet; with room again all is well."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing")
    disk, config = tmp_path / "disk", tmp_path / "rules.toml"
    disk.mkdir()
    service = f'[service]\ndatabase = "sqlite:///{disk}/alerter.db"\n'
    config.write_text(a_configuration(simulator, above=100).replace("[service]", service))
    apart = ["unshare", "--map-root-user", "--mount", "--propagation", "private"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a namespace of its own")

    command = [*apart, "bash", "-c", _SCRIPT, "bash", str(disk), str(config), sys.executable]
    looked = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()

    states = {line.split()[0]: line.split(maxsplit=3) for line in looked}
    assert {name: words[2] for name, words in states.items()} == {
        "room": "OK:",
        "full": "WARNING:",
        "again": "OK:",
        "closed": "WARNING:",
    }
    assert f"no poll can be kept: {disk}/alerter.db: its disk is full: 0 KiB are free" in states["full"][3]
    assert f"no poll can be kept: {disk}/alerter.db: its disk is mounted read-only" in states["closed"][3]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own."""
    with a_cluster() as cluster:
        yield cluster


def test_a_server_that_takes_no_writes_is_a_warning_at_once(
    tmp_path: Path, simulator: Simulator, cluster: Cluster
) -> None:
    """As a standby, or one that was closed for writes, from the moment on at which it is."""
    config = tmp_path / "rules.toml"
    service = f'[service]\ndatabase = "{cluster.url}"\n'
    config.write_text(a_configuration(simulator, above=100).replace("[service]", service))

    def alerter(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "alerter", *words, "--config", str(config)]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    alerter("poll")
    before = alerter("status", "--nagios")
    cluster.close_for_writes()
    after = alerter("status", "--nagios")

    assert before.returncode == 0
    assert after.returncode == 1
    assert "no poll can be kept: postgresql:///postgres: the server takes no writes" in after.stdout
