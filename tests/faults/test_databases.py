"""A database that is locked, full, read-only, deleted or restarted: a cycle is kept as a whole or not at all."""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from alerter.core.alerting_config import AlertingConfig
from alerter.core.outbox import TargetName
from alerter.core.series import Snapshot, Tenant
from alerter.errors import StoreError
from alerter.jobs.poll import poll
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from alerter.storage.tables import metadata
from tests.builders import a_policy, a_rule, span
from tests.commands import a_configuration
from tests.fakes import CrashError, CrashingStore, FakeSource
from tests.faults.clusters import Cluster, a_cluster
from tests.faults.ledgers import check_whole, references, snapshots, value, waiting
from tests.faults.worlds import BREACH, QUIET, RELEASE, Target, World, a_target
from tests.servers import http_sink
from tests.service.test_daemon import Daemon

TARGET = TargetName("secops/slack")


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that takes everything."""
    with a_target() as target:
        yield target


Worlds = Callable[[str], World]


@pytest.fixture
def a_world(target: Target) -> Iterator[Worlds]:
    """Return a function that opens a world on a database, with one target, in which all is quiet."""
    with ExitStack() as stack:

        def opened(url: str) -> World:
            alerting = a_policy(a_rule(), receivers={"secops": [TARGET]})
            world = World(stack.enter_context(closing(Store(url))), alerting=alerting, urls={TARGET: target.url})
            world.poll(QUIET)
            return world

        yield opened


def path_of(url: str) -> Path:
    """Return the file of a database."""
    return Path(make_url(url).database or "")


def check_that_all_is_told_once(world: World, target: Target) -> None:
    """Poll the breach and its end, and see that the target has both messages, once each."""
    world.poll(BREACH)
    world.deliver()
    world.poll(RELEASE)
    world.deliver()

    assert waiting(world.store) == []
    assert len(target.bodies) == len(references(world.store)) == 2


# locked


@contextmanager
def a_lock_holder(path: Path) -> Iterator[None]:
    """Hold the write lock of a file in another process."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate()


def test_a_locked_database_fails_the_cycle_as_a_whole_and_the_next_poll_tells_all(
    sqlite_url: str, a_world: Worlds, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds the write lock for longer than anybody waits: nothing is kept, and nothing is lost."""
    monkeypatch.setattr("alerter.storage.engine.BUSY_SECONDS", 0.2)
    world = a_world(sqlite_url)
    before = snapshots(sqlite_url)

    with a_lock_holder(path_of(sqlite_url)):
        with pytest.raises(StoreError, match="database is locked"):
            world.poll(BREACH)
        assert snapshots(sqlite_url) == before
        assert world.deliver() == []

    check_that_all_is_told_once(world, target)
    check_whole(sqlite_url, [dict(QUIET), dict(BREACH), {}])


def test_a_database_that_is_locked_while_a_message_is_sent_repeats_that_one_at_most(
    sqlite_url: str, a_world: Worlds, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent but could not be recorded may be sent again: both carry the same reference."""
    monkeypatch.setattr("alerter.storage.engine.BUSY_SECONDS", 0.2)
    world = a_world(sqlite_url)
    world.poll(BREACH)

    with a_lock_holder(path_of(sqlite_url)), pytest.raises(StoreError, match="database is locked"):
        world.deliver()
    world.deliver()
    world.deliver()

    [reference] = references(world.store)
    assert [reference in text for text in target.texts] in ([True], [True, True])
    assert waiting(world.store) == []


# full


def test_a_database_that_may_not_grow_fails_the_cycle_as_a_whole(
    sqlite_url: str, a_world: Worlds, target: Target
) -> None:
    """SQLite says that it is full: what was there stays, and there is nothing of the cycle."""
    world = a_world(sqlite_url)
    before = snapshots(sqlite_url)
    many = {f"Policy {number} {'x' * 200}": 150 for number in range(500)}

    with world.store.write() as transaction:
        connection = transaction.polls._connection  # noqa: SLF001 - the limit is one connection's
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="database or disk is full"):
        world.poll(many)

    assert snapshots(sqlite_url) == before
    assert waiting(world.store) == []
    world.store.close()
    check_that_all_is_told_once(world, target)


def _cycles_on_a_full_disk(url: str, alerting: AlertingConfig, now: datetime) -> int:
    """Poll with a file size limit just above the present size, until it fails; then without a limit; in a child."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = path_of(url)
    size = max(each.stat().st_size for each in path.parent.iterdir() if each.name.startswith(path.name))
    many = {f"Policy {number} {'x' * 200}": 150 for number in range(600)}

    class Source:
        def fetch(self) -> Snapshot:
            return Snapshot(tenant=Tenant("acme"), taken_at=now, counts=many)  # type: ignore[arg-type] # names

    with closing(Store(url)) as store:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))
        try:
            poll(Tenant("acme"), Source(), store, alerting, clock=lambda: now)
        except StoreError:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        else:
            return 1
        poll(Tenant("acme"), Source(), store, alerting, clock=lambda: now + span("5m"))
    return 0


def _run_in_a_child(work: Callable[..., int], *arguments: object) -> int | None:
    """Return the exit code of a fresh process that does the work."""
    child = multiprocessing.get_context("spawn").Process(target=_exit_with, args=(work, *arguments))
    child.start()
    child.join(30)
    return child.exitcode


def _exit_with(work: Callable[..., int], *arguments: object) -> None:
    sys.exit(work(*arguments))


def test_a_full_disk_fails_the_cycle_as_a_whole_and_the_next_poll_is_kept(sqlite_url: str, a_world: Worlds) -> None:
    """The kernel refuses to let the files grow, as a full disk does; with room again the daemon goes on by itself."""
    world = a_world(sqlite_url)
    world.store.close()

    code = _run_in_a_child(_cycles_on_a_full_disk, sqlite_url, world.alerting, world.clock.forward("5m"))

    assert code == 0
    with closing(Store(sqlite_url)) as store:
        store.check_integrity()
        assert len(references(store)) == 1
    assert [len(snapshot) for snapshot in snapshots(sqlite_url)] == [1, 600]


# read-only


def test_a_read_only_database_fails_the_cycle_and_is_written_again_when_it_may_be(
    sqlite_url: str, a_world: Worlds, target: Target
) -> None:
    """SQLite refuses to write; nothing of the cycle is kept, and what a poll sees later is told."""
    world = a_world(sqlite_url)
    before = snapshots(sqlite_url)

    with world.store.write() as transaction:
        transaction.polls._connection.exec_driver_sql("PRAGMA query_only = ON")  # noqa: SLF001 - the switch is one connection's
    with pytest.raises(StoreError, match="readonly database"):
        world.poll(BREACH)

    assert snapshots(sqlite_url) == before
    world.store.close()
    check_that_all_is_told_once(world, target)


def _poll_as_nobody(url: str, alerting: AlertingConfig, now: datetime) -> int:
    """Try a cycle as somebody who may read the file only; return 0 if it was refused as a StoreError."""
    if os.geteuid() == 0:
        # Whatever is imported on the way must be so before: nobody may not read root's files.
        with closing(Store(url)) as store, store.read() as reader:
            reader.polls.tenants()
        os.setgid(65534)
        os.setuid(65534)

    class Source:
        def fetch(self) -> Snapshot:
            return Snapshot(tenant=Tenant("acme"), taken_at=now, counts={})

    try:
        with closing(Store(url)) as store:
            poll(Tenant("acme"), Source(), store, alerting, clock=lambda: now)
    except StoreError as error:
        return 0 if path_of(url).name in str(error) else 2
    return 1


def test_a_file_that_may_only_be_read_fails_the_cycle_with_its_name(migrated_file: Path, a_world: Worlds) -> None:
    """After a chmod or with a wrong owner, the error says which file, and the file is as it was."""
    # Not tmp_path: its parents are closed to others, and root reads and writes whatever a mode says.
    with tempfile.TemporaryDirectory(prefix="alerter-", dir="/tmp") as name, ExitStack() as stack:
        directory = Path(name)
        shutil.copy(migrated_file, directory / "alerter.db")
        url = f"sqlite:///{directory}/alerter.db"
        world = a_world(url)
        world.store.close()
        before = snapshots(url)
        (directory / "alerter.db").chmod(0o444)
        directory.chmod(0o555)
        stack.callback(directory.chmod, 0o755)

        code = _run_in_a_child(_poll_as_nobody, url, world.alerting, world.clock.forward("5m"))

        assert code == 0
        assert snapshots(url) == before


# deleted


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """The daemons of a test, which do not outlive it."""
    started: list[Daemon] = []
    yield started
    for daemon in started:
        daemon.end(signal.SIGKILL)


def test_a_database_that_is_moved_away_fails_every_cycle_until_it_is_back(
    sqlite_url: str, a_world: Worlds, target: Target, tmp_path: Path
) -> None:
    """Nothing is written to a file that nobody can find any more; when it is back, nothing is told twice or lost."""
    world = a_world(sqlite_url)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = [*path_of(sqlite_url).parent.glob("alerter.db*")]

    for file in files:
        file.rename(elsewhere / file.name)
    for _ in range(2):
        with pytest.raises(StoreError, match="unable to open database file"):
            world.poll(BREACH)
    assert not path_of(sqlite_url).exists()
    for file in files:
        (elsewhere / file.name).rename(file)

    check_that_all_is_told_once(world, target)
    check_whole(sqlite_url, [dict(QUIET), dict(BREACH), {}])


def test_a_database_that_is_replaced_is_the_one_that_counts(
    sqlite_url: str, a_world: Worlds, target: Target, migrated_file: Path
) -> None:
    """A copy that was put back in its place is used from the next cycle on."""
    world = a_world(sqlite_url)

    for file in path_of(sqlite_url).parent.glob("alerter.db*"):
        file.unlink()
    shutil.copy(migrated_file, path_of(sqlite_url))

    check_that_all_is_told_once(world, target)
    check_whole(sqlite_url, [dict(BREACH), {}])


def test_a_database_that_is_deleted_while_the_daemon_runs_is_no_silence(tmp_path: Path, daemons: list[Daemon]) -> None:
    """Each cycle is an error in the log, and a restart begins anew: what is wrong then is told."""
    with (
        Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(lambda _: dict(BREACH))) as simulator,  # noqa: TID251 - a real daemon lives on the real clock
        http_sink() as sink,
    ):
        config = tmp_path / "rules.toml"
        config.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"', above=100))
        first = Daemon(config)
        daemons.append(first)
        first.wait_for("delivery sent")
        for file in tmp_path.glob("alerter.db*"):
            file.unlink()
        config.write_text(config.read_text().replace("above = 100", "above = 99"))  # A reload polls whom it concerns.
        first.send(signal.SIGHUP)
        failed = first.wait_for("poll cycle failed tenant=acme")
        first.end()

        second = Daemon(config)
        daemons.append(second)
        second.wait_for("delivery sent")
        second.end()

    assert "ERROR" in failed
    assert "alerter.db: unable to open database file" in failed
    assert len(sink.posts) == 2


# PostgreSQL, restarted


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own, to be stopped and started."""
    with a_cluster() as cluster:
        with closing(Store(cluster.url)) as store:
            store.upgrade()
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """A PostgreSQL with nothing in it."""
    engine = create_engine(make_url(running_cluster.url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    engine.dispose()
    return running_cluster


class RestartingStore(CrashingStore):
    """A store whose server is restarted at the n-th call inside a transaction."""

    def __init__(self, store: Store, cluster: Cluster, *, crash_at: int) -> None:
        super().__init__(store, crash_at=crash_at)
        self._cluster = cluster

    def count(self) -> None:
        """Count a call, and restart the server if it is the one."""
        with suppress(CrashError):
            super().count()
            return
        self._cluster.restart()


@pytest.mark.parametrize("call", [2, 5])
def test_a_postgresql_that_is_restarted_within_a_cycle_fails_it_as_a_whole_and_the_next_one_is_good(
    cluster: Cluster, a_world: Worlds, target: Target, call: int
) -> None:
    """The restart comes between two statements of a transaction: nothing of it is kept, and nothing is told twice."""
    world = a_world(cluster.url)
    store = RestartingStore(world.store, cluster, crash_at=call)
    source = FakeSource(world.clock)
    source.answers.append(BREACH)
    polled_at = world.clock.forward("5m")

    with pytest.raises(StoreError):
        poll(Tenant("acme"), source, store, world.alerting, clock=world.clock)

    assert value(world.store, "Spam", now=polled_at) is None
    assert value(world.store, "Spam", now=polled_at - span("5m")) == QUIET["Spam"]
    check_that_all_is_told_once(world, target)


def test_a_postgresql_that_is_gone_for_a_while_fails_every_cycle_and_loses_nothing(
    cluster: Cluster, a_world: Worlds, target: Target
) -> None:
    """While it is away each cycle fails and says so; what was planned is sent when it is back, and once."""
    world = a_world(cluster.url)
    world.poll(BREACH)

    cluster.stop()
    for _ in range(2):
        with pytest.raises(StoreError):
            world.poll(RELEASE)
        with pytest.raises(StoreError):
            world.deliver()
    cluster.start()
    world.deliver()
    world.poll(RELEASE)
    world.deliver()
    world.deliver()

    assert len(references(world.store)) == len(target.bodies) == 2
    assert waiting(world.store) == []
