"""A pooler in transaction mode before PostgreSQL: a session belongs to nobody for longer than one transaction."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from alerter.errors import StoreError
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from tests.builders import NOON, span
from tests.commands import a_configuration
from tests.poolers import a_pooler
from tests.postgres import Server
from tests.service.test_daemon import Daemon
from tests.storage.stored import ACME, poll


@pytest.fixture
def pooled(postgresql: Server, migrated_database: str) -> Iterator[tuple[str, str]]:
    """Yield the URL of a database of its own, by its pooler and without."""
    with postgresql.database(template=migrated_database) as url, a_pooler(make_url(url)) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/{make_url(url).database}", url


def test_several_use_a_pooler_at_the_same_time_and_each_finds_its_own_limits(pooled: tuple[str, str]) -> None:
    """Settings, and what was prepared, belong to the transaction: no session need be the same twice."""
    behind, direct = pooled
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(Store(behind, read_only=number == 2))) for number in range(3)]
        limits = set()
        for number in range(30):
            with ExitStack() as transactions:
                readers = [transactions.enter_context(store.read()) for store in stores[number % 2 :]]
                for reader in readers:
                    reader.history.reasons(ACME)
                    found = reader.polls._connection.execute(text("SHOW statement_timeout")).scalar_one()  # noqa: SLF001 - it is the connection's
                    limits.add(found)
            poll(stores[number % 2], NOON + number * span("5m"), Spam=number)
        with pytest.raises(StoreError, match="read-only"):
            poll(stores[2], "12:00", Spam=1)
    with closing(Store(direct)) as store, store.read() as reader:
        held = [each.held for each in reader.history.reasons(ACME)]

    assert limits == {"10s"}
    assert held == [29]


def test_whoever_has_the_database_for_itself_keeps_it_behind_a_pooler(pooled: tuple[str, str]) -> None:
    """Others are refused until it has gone, although the pooler gives them the same sessions."""
    behind, direct = pooled
    with closing(Store(behind)) as first, closing(Store(behind)) as second, closing(Store(direct)) as third:
        with first.lock() as lock:
            poll(first, "12:00", Spam=1)
            lock.check()
            for other in (second, third):
                with pytest.raises(StoreError, match="another alerter is running"), other.lock():
                    pass

        with third.lock():
            pass


def test_a_database_is_upgraded_behind_a_pooler(postgresql: Server) -> None:
    """All of it in one transaction."""
    with (
        postgresql.database() as url,
        a_pooler(make_url(url)) as port,
        closing(Store(f"postgresql://postgres@127.0.0.1:{port}/{make_url(url).database}")) as store,
    ):
        done = store.upgrade()
        store.check_writable()

    assert done.before is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_runs_behind_a_pooler(tmp_path: Path, pooled: tuple[str, str]) -> None:
    """It joins, polls, judges and leaves as without one; nothing is an error."""
    behind, _ = pooled
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real daemon
        config = tmp_path / "rules.toml"
        service = f'[service]\ndatabase = "{behind}"\npoll_interval = "10s"'
        config.write_text(a_configuration(simulator, above=100).replace("[service]", service))
        daemon = Daemon(config)
        try:
            daemon.wait_for("poll succeeded", times=2)
        finally:
            code = daemon.end()

    assert not any("ERROR" in line or "not renewed" in line for line in daemon.lines), daemon.lines
    assert code == 0
