"""A real daemon that cannot reach its PostgreSQL any more, though nothing tells it so: it stops, and comes back."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url

from alerter.simulator.api import SUMMARY_PATH
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import a_configuration
from tests.faults.proxies import Proxy, a_proxy
from tests.postgres import Server
from tests.servers import a_free_port
from tests.service.test_daemon import Daemon


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds a few messages."""
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real daemon
        yield simulator


@pytest.fixture
def database(postgresql: Server, migrated_database: str) -> Iterator[str]:
    """Yield the URL of a database of its own."""
    with postgresql.database(template=migrated_database) as url:
        yield url


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    """Yield a way to the database that can be cut."""
    with a_proxy(Path(str(make_url(database).query["host"])) / ".s.PGSQL.5432") as proxy:
        yield proxy


def health(port: int) -> tuple[int, dict[str, object]]:
    """Return what `/healthz` answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_daemon_that_is_cut_off_from_its_database_stops_by_itself_and_comes_back(
    tmp_path: Path, simulator: Simulator, database: str, proxy: Proxy
) -> None:
    """Before its lease is over: no request to Mimecast after that, 503 for whoever asks, and all is well when it is."""
    port = a_free_port()
    config = tmp_path / "rules.toml"
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{make_url(database).database}"
    service = f'[service]\ndatabase = "{url}"\npoll_interval = "10s"\nlisten = "127.0.0.1:{port}"'
    config.write_text(a_configuration(simulator, above=100).replace("[service]", service))
    daemon = Daemon(config)
    try:
        daemon.wait_for("poll succeeded")
        proxy.swallow()
        daemon.wait_for("database unreachable")
        status, answer = health(port)
        asked = simulator.requests_by_path[SUMMARY_PATH]
        daemon.wait_for("leases not renewed")
        still_asked = simulator.requests_by_path[SUMMARY_PATH]
        proxy.heal()
        daemon.wait_for("joined instance=2")
        daemon.wait_for("poll succeeded", times=daemon_polls(daemon) + 1)
        after = health(port)
    finally:
        code = daemon.end()

    assert (status, answer["status"]) == (503, "failing")
    assert "database unreachable" in str(answer["reasons"])
    assert still_asked - asked <= 1
    assert after[0] == 200
    assert code == 0


def daemon_polls(daemon: Daemon) -> int:
    """Return how many polls it has logged."""
    return sum("poll succeeded" in line for line in daemon.lines)
