"""PostgreSQL fails over: the old server turns read-only and keeps its connections, its name leads to the new one."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.config import load_config
from alerter.doctor.database import check_database
from alerter.doctor.findings import Outcome
from alerter.errors import StoreError, StoreUnavailable
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from tests.builders import NOON
from tests.commands import a_configuration
from tests.faults.clusters import Cluster, a_cluster
from tests.faults.proxies import Proxy, a_proxy
from tests.service.test_daemon import Daemon
from tests.storage.stored import poll


@dataclass
class Pair:
    """A primary, its standby, and a proxy that leads to the one that takes writes."""

    primary: Cluster
    standby: Cluster
    proxy: Proxy

    @property
    def url(self) -> str:
        """Of the database behind the proxy."""
        return f"postgresql://postgres@127.0.0.1:{self.proxy.port}/postgres"

    def fail_over(self) -> None:
        """Let the old server read only, and promote the standby; no connection is ended."""
        self.primary.close_for_writes()
        self.standby.promote()
        self.proxy.lead_to(self.standby.socket)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a migrated database, with a standby."""
    with ExitStack() as stack:
        primary = stack.enter_context(a_cluster())
        with closing(Store(primary.url)) as store:
            store.upgrade()
        standby = stack.enter_context(primary.standby())
        yield Pair(primary, standby, stack.enter_context(a_proxy(primary.socket)))


def test_the_first_error_of_a_server_that_turned_read_only_ends_every_connection_to_it(pair: Pair) -> None:
    """Also those that were at rest: the next transaction of each goes to the server that takes writes by now."""
    with closing(Store(pair.url)) as store:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(store.read())
        poll(store, "11:50", Spam=1)
        pair.fail_over()

        with pytest.raises(StoreError, match="read-only transaction"):
            poll(store, "11:55", Spam=2)
        poll(store, "12:00", Spam=3)
        with ExitStack() as stack:
            readers = [stack.enter_context(store.read()) for _ in range(3)]
            held = [[each.held for each in reader.history.reasons(reader.polls.tenants()[0])] for reader in readers]

    assert held == [[3], [3], [3]]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_goes_on_at_the_new_server_within_a_renewal_and_without_a_restart(tmp_path: Path, pair: Pair) -> None:
    """Nothing ends its connections, and nobody tells it; it asks for its leases every two seconds."""
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real daemon
        config = tmp_path / "rules.toml"
        service = f'[service]\ndatabase = "{pair.url}"\npoll_interval = "10s"'
        config.write_text(a_configuration(simulator, above=100).replace("[service]", service))
        daemon = Daemon(config)
        try:
            daemon.wait_for("poll succeeded")
            pair.fail_over()
            daemon.wait_for("read-only transaction")
            daemon.wait_for("poll succeeded", times=sum("poll succeeded" in line for line in daemon.lines) + 1)
        finally:
            code = daemon.end()
    with closing(Store(pair.standby.url, read_only=True)) as store, store.read() as reader:
        polled_at = max(each.last_poll_at or NOON for each in reader.polls.status_by_tenant().values())

    assert sum("leases not renewed" in line for line in daemon.lines) <= 2
    assert not any("database unreachable" in line for line in daemon.lines)
    assert polled_at > NOON
    assert code == 0


def test_doctor_says_that_the_server_takes_no_writes(tmp_path: Path, pair: Pair) -> None:
    """Both kinds: a standby, and a server that was closed for writes; each is a failure, and nothing was written."""
    config = tmp_path / "rules.toml"

    def failures(url: str) -> list[str]:
        keys = 'client_id = "i"\nclient_secret = "s"'
        config.write_text(
            f'[service]\ndatabase = "{url}"\n[tenants.a]\n{keys}\n[receivers.a]\nurls = ["json://127.0.0.1"]\n'
        )
        found = check_database(load_config(config), monotonic=iter(range(99)).__next__, now=NOON)
        return [each.text for each in found if each.outcome is Outcome.FAILED]

    standby = failures(pair.standby.url)
    primary = failures(pair.primary.url)
    pair.primary.close_for_writes()
    closed = failures(pair.primary.url)

    assert "it cannot be written: postgresql:///postgres: the server is a standby, which takes no writes" in standby
    assert primary == []
    assert [text.rpartition(": ")[2] for text in closed] == ["default_transaction_read_only is on"]


def test_of_several_servers_the_one_that_takes_writes_is_used(pair: Pair) -> None:
    """Whichever stands first: in the form of libpq, and in that of SQLAlchemy; to look as well as to write."""
    with a_proxy(pair.standby.socket) as standby:
        hosts = [f"127.0.0.1:{standby.port}", f"127.0.0.1:{pair.proxy.port}"]
        for url in (
            f"postgresql://postgres@{hosts[0]},{hosts[1]}/postgres",
            f"postgresql://postgres@/postgres?host={hosts[0]}&host={hosts[1]}",
        ):
            with closing(Store(url)) as store, closing(Store(url, read_only=True)) as looking:
                store.check_writable()
                looking.check_server()
                shown = store.location

            assert shown == f"postgresql://{','.join(hosts)}/postgres"


def test_where_no_server_takes_writes_it_is_said_that_it_may_be_later(pair: Pair) -> None:
    """A service waits for it, as for a server that does not answer."""
    with closing(Store(pair.standby.url)) as store, pytest.raises(StoreUnavailable, match="is a standby"):
        store.check_writable()
