"""A service that finds no PostgreSQL at its start: it waits, says why, and goes on by itself."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import a_configuration
from tests.faults.clusters import Cluster, a_cluster
from tests.service.test_daemon import Daemon
from tests.supervisor import Supervisor, a_supervisor


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own."""
    with a_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """A PostgreSQL that is not running, and may be started."""
    running_cluster.stop()
    yield running_cluster
    with suppress(subprocess.CalledProcessError):  # it may not be running
        running_cluster.stop()
    running_cluster.start()


@pytest.fixture
def config(tmp_path: Path, running_cluster: Cluster) -> Iterator[Path]:
    """A configuration that names it."""
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real daemon
        path = tmp_path / "rules.toml"
        service = f'[service]\ndatabase = "{running_cluster.url}"\n'
        path.write_text(a_configuration(simulator, above=100).replace("[service]", service))
        yield path


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A service manager that keeps what it hears."""
    with a_supervisor(str(tmp_path / "notify")) as supervisor:
        yield supervisor


@pytest.fixture
def daemon(config: Path, cluster: Cluster, supervisor: Supervisor) -> Iterator[Daemon]:
    """A daemon that finds no server, and does not outlive the test."""
    assert config.read_text().count(cluster.url) == 1
    daemon = Daemon(config, supervisor.environment())
    yield daemon
    daemon.end(signal.SIGKILL)


def test_it_waits_and_is_ready_only_when_it_polls(daemon: Daemon, cluster: Cluster, supervisor: Supervisor) -> None:
    """The manager is told why and asked for time; a reload that comes too early is made up for."""
    waiting = supervisor.wait_for("STATUS", "waiting for the database", times=2)
    daemon.send(signal.SIGHUP)
    supervisor.wait_for("STATUS", "waiting for the database", times=3)
    cluster.start()
    ready = supervisor.wait_for("READY", "1")
    daemon.wait_for("reloaded")
    code = daemon.end()

    assert "No such file or directory" in waiting["STATUS"]
    assert int(waiting["EXTEND_TIMEOUT_USEC"]) > 0
    assert "READY" not in waiting
    assert "last poll" in ready["STATUS"]
    assert sum("waiting for the database" in line for line in daemon.lines) == 1
    assert code == 0


def test_it_stops_at_once_when_it_is_told_to(daemon: Daemon) -> None:
    """While it waits as at any time, and with success: nothing was going on."""
    daemon.wait_for("waiting for the database")

    assert daemon.end() == 0
    assert "stopped" in daemon.lines[-1]


def test_what_a_person_must_mend_is_not_waited_for(config: Path) -> None:
    """A database that does not exist is a mistake in the configuration, and said so by the end of the service."""
    config.write_text(config.read_text().replace("/postgres?", "/none?"))

    daemon = Daemon(config)
    daemon.wait_for("cannot run")
    code = daemon.process.wait(10)
    daemon.end()

    assert 'database "none" does not exist' in daemon.lines[-1]
    assert code == 1
