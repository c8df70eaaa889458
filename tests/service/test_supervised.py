"""The daemon under a service manager: a real process that speaks over a real socket."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.service.daemon import CHECK_SECONDS
from alerter.simulator.api import SIMULATOR_CLIENT_SECRET, Misbehaviour
from alerter.simulator.server import Simulator
from tests.commands import a_configuration
from tests.service.test_daemon import Daemon, InitialCount
from tests.supervisor import Supervisor, a_supervisor


@pytest.fixture
def account() -> InitialCount:
    """Five held messages, below the limit."""
    return InitialCount()


@pytest.fixture
def mimecast(account: InitialCount) -> Iterator[Simulator]:
    """A Mimecast that holds what the test says."""
    with Simulator(clock=lambda: datetime.now(UTC), scenario=account.scenario()) as simulator:  # noqa: TID251 - real
        yield simulator


@pytest.fixture
def path(tmp_path: Path, mimecast: Simulator) -> Path:
    """A configuration that polls every five minutes, and whose receiver cannot be reached."""
    path = tmp_path / "rules.toml"
    path.write_text(a_configuration(mimecast, above=100))
    return path


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A service manager that keeps what it hears."""
    with a_supervisor(str(tmp_path / "notify")) as supervisor:
        yield supervisor


@pytest.fixture
def daemon(path: Path, supervisor: Supervisor) -> Iterator[Daemon]:
    """A daemon that was started by the service manager, and does not outlive the test."""
    daemon = Daemon(path, supervisor.environment())
    yield daemon
    daemon.end(signal.SIGKILL)


def poll_every(interval: str, path: Path, daemon: Daemon) -> None:
    """Change how often is polled, and reload: whoever has a new interval is polled at once."""
    path.write_text(path.read_text().replace("[service]", f'[service]\npoll_interval = "{interval}"', 1))
    daemon.send(signal.SIGHUP)


def test_it_is_ready_after_its_first_poll_and_fed_by_those_that_follow(
    path: Path, daemon: Daemon, supervisor: Supervisor
) -> None:
    """The start says what it is at, is over when every tenant was tried, and each complete cycle is a sign of life."""
    ready = supervisor.wait_for("READY", "1")
    supervisor.wait_for("WATCHDOG", "1")
    poll_every("1h", path, daemon)
    longer = supervisor.wait_for("READY", "1", times=2)
    supervisor.wait_for("WATCHDOG", "1", times=2)

    steps = [each["STATUS"] for each in supervisor.said[: supervisor.said.index(ready)]]
    assert steps[0] == "starting: the database is opened"
    assert "starting: the database gets this version's schema" in steps
    assert steps[-1] == "starting: the first polls"
    assert "tenants: 1; last poll" in ready["STATUS"]
    assert ready["WATCHDOG_USEC"] == str((15 * 60 + 30) * 10**6)
    assert longer["WATCHDOG_USEC"] == str((3 * 3600 + 30) * 10**6)
    assert supervisor.position("READY") < supervisor.position("WATCHDOG")


def test_a_poll_that_fails_is_an_attempt_and_a_complete_cycle(
    daemon: Daemon, supervisor: Supervisor, mimecast: Simulator
) -> None:
    """Wrong keys neither keep the service from starting nor have it restarted; the status names tenant and cause."""
    mimecast.misbehaviour = Misbehaviour.WRONG_KEYS

    ready = supervisor.wait_for("READY", "1")
    supervisor.wait_for("WATCHDOG", "1")

    assert ready["STATUS"].startswith("cannot be polled: acme (wrong_keys); tenants: 1, failing: 1; last poll ")
    assert daemon.end() == 0


def test_a_database_that_keeps_nothing_feeds_no_watchdog_and_is_the_first_thing_in_the_status(
    path: Path, daemon: Daemon, supervisor: Supervisor
) -> None:
    """Cycles that cannot be kept are no progress: somebody must notice, and see why."""
    supervisor.wait_for("WATCHDOG", "1")
    (path.parent / "alerter.db").rename(path.parent / "elsewhere.db")
    poll_every("1h", path, daemon)

    status = supervisor.wait_for("STATUS", "DATABASE ERROR, acme not stored: ")["STATUS"]

    assert f"{path.parent / 'alerter.db'}: " in status
    assert sum("WATCHDOG" in each for each in supervisor.said) == 1


def test_alerts_and_waiting_messages_are_in_the_status(
    account: InitialCount, path: Path, daemon: Daemon, supervisor: Supervisor
) -> None:
    """An operator who looks at the service sees whether it has something to say, and whether it could say it."""
    supervisor.wait_for("READY", "1")
    account.count = 250
    poll_every("1h", path, daemon)

    daemon.wait_for("delivery failed")

    supervisor.wait_for("STATUS", "alerts firing: 1 warning; messages undelivered: 1")


def test_a_reload_begins_and_ends_whatever_comes_of_it(path: Path, daemon: Daemon, supervisor: Supervisor) -> None:
    """A refused configuration ends the reload too, in the same process; the status says what is in force."""
    supervisor.wait_for("READY", "1")
    text = path.read_text()

    path.write_text(text.replace("above = 100", "abvoe = 100"))
    daemon.send(signal.SIGHUP)
    refused = supervisor.wait_for("READY", "1", times=2)["STATUS"]
    path.write_text(text)
    daemon.send(signal.SIGHUP)
    taken = supervisor.wait_for("READY", "1", times=3)["STATUS"]

    order = [name for each in supervisor.said for name in ("RELOADING", "READY") if name in each]
    assert order == ["READY", "RELOADING", "READY", "RELOADING", "READY"]
    assert "the one before is in force: problems: 1, the first at " in refused
    assert f"{path}:15" in refused
    assert "refused" not in taken
    assert daemon.end() == 0


def test_a_stop_is_announced(daemon: Daemon, supervisor: Supervisor) -> None:
    """The service manager knows that the end is meant, and what it waits for."""
    supervisor.wait_for("READY", "1")

    code = daemon.end()

    assert supervisor.wait_for("STOPPING", "1")["STATUS"] == "stopping: polls and messages in flight may end"
    assert code == 0


def test_what_the_watchdog_ends_leaves_where_it_hung_and_no_secret(daemon: Daemon, supervisor: Supervisor) -> None:
    """SIGABRT, which systemd sends, writes every thread's stack into the log."""
    supervisor.wait_for("READY", "1")

    code = daemon.end(signal.SIGABRT)

    log = "\n".join(daemon.lines)
    assert code == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in log
    assert "in _wait" in log
    assert SIMULATOR_CLIENT_SECRET not in log


def test_a_cycle_feeds_the_watchdog_soon(path: Path, daemon: Daemon, supervisor: Supervisor) -> None:
    """It is passed on at the next check, which is soon: a limit may be close."""
    supervisor.wait_for("WATCHDOG", "1")
    poll_every("1h", path, daemon)
    daemon.wait_for("poll succeeded", times=2)
    polled = time.monotonic()  # noqa: TID251 - real time, in which a real process must tell it

    supervisor.wait_for("WATCHDOG", "1", times=2)

    assert time.monotonic() - polled < 10 * CHECK_SECONDS  # noqa: TID251 - as above
