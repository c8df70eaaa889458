"""All or nothing, whoever is killed, and nobody in the way."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from alerter.errors import StoreError
from alerter.storage import SchemaState, Store
from tests.builders import NOON, an_alert
from tests.storage.stored import (
    ACME,
    poll,
    rows,
    seen,
    tenant_series,
)


def test_a_cycle_that_fails_leaves_nothing(store: Store) -> None:
    """An error in the middle takes everything back, and reaches the caller as it is."""

    def cycle() -> None:
        with store.write() as transaction:
            seen(transaction, NOON, {"Spam": 3})
            transaction.alerts.save([an_alert()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cycle()

    with store.read() as reader:
        assert (reader.polls.tenants(), reader.alerts.load_all()) == ([], [])


def test_a_killed_process_leaves_nothing_half_written(store: Store, database_url: str) -> None:
    """SIGKILL between two statements: the snapshot is not there, and the next poll finds the database free."""
    poll(store, "11:55", Spam=1)

    killed = subprocess.run(
        [sys.executable, "-c", _HALF_A_CYCLE, database_url],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # noqa: TID251 - the child needs its own
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    _, series = tenant_series(store)
    assert series["Spam"].changes[-1].count == 1
    with store.read() as reader:
        assert reader.alerts.load_all() == []
    poll(store, "12:00", Spam=2)
    store.check_integrity()


def test_a_reader_sees_one_moment(store: Store, database_url: str) -> None:
    """What is committed while it looks does not change what it sees, and it holds no writer up."""
    poll(store, "11:55", Spam=1)

    with closing(Store(database_url)) as other, store.read() as reader:
        before = reader.history.reasons(ACME)
        poll(other, "12:00", Spam=2)
        assert reader.history.reasons(ACME) == before

    with store.read() as reader:
        assert [each.held for each in reader.history.reasons(ACME)] == [2]


def test_a_store_for_reading_changes_nothing(store: Store, database_url: str) -> None:
    """It sees what a daemon has written, while that goes on writing."""
    with closing(Store(database_url, read_only=True)) as looking:
        poll(store, "12:00", Spam=1)
        with looking.read() as reader:
            assert [each.held for each in reader.history.reasons(ACME)] == [1]
        poll(store, "12:05", Spam=2)
        with looking.read() as reader:
            assert [each.held for each in reader.history.reasons(ACME)] == [2]

        with pytest.raises(StoreError, match=r"readonly|read-only"):
            poll(looking, "12:10", Spam=3)


def test_a_database_that_is_well_takes_what_is_there_already(store: Store) -> None:
    """The check changes nothing, also when it is done again."""
    poll(store, "12:00", Spam=1)

    store.check_writable()
    store.check_writable()

    assert store.schema_state() is SchemaState.CURRENT
    assert tenant_series(store)[1]["Spam"].value_at(NOON) == 1


def test_a_database_that_may_not_grow_takes_nothing(sqlite_url: str) -> None:
    """It can be opened and read, so that only a write shows what is wrong with it."""
    with closing(Store(sqlite_url)) as store:
        store.check_writable()
        wal = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Beyond the limit every write of this process fails as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, limit[1]))
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with pytest.raises(StoreError, match=r"alerter\.db: (disk I/O error|database or disk is full)"):
                store.check_writable()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            signal.signal(signal.SIGXFSZ, ignored)


def test_a_store_for_reading_needs_no_daemon(sqlite_url: str) -> None:
    """A file that nobody has open can be looked at."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "12:00", Spam=1)

    with closing(Store(sqlite_url, read_only=True)) as looking, looking.read() as reader:
        assert [each.held for each in reader.history.reasons(ACME)] == [1]


def test_a_store_for_reading_creates_no_file(tmp_path: Path) -> None:
    """A misspelt path is an error that names it, not a new database."""
    with (
        closing(Store(f"sqlite:///{tmp_path}/none.db", read_only=True)) as looking,
        pytest.raises(StoreError, match=f"{tmp_path}/none.db: unable to open database file"),
        looking.read() as reader,
    ):
        reader.polls.tenants()

    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_an_error_that_says_so(tmp_path: Path) -> None:
    """It is the schema that is missing, and `db upgrade` that helps."""
    (tmp_path / "new.db").touch()
    with (
        closing(Store(f"sqlite:///{tmp_path}/new.db")) as store,
        store.read() as reader,
        pytest.raises(StoreError, match="no such table: tenants"),
    ):
        reader.polls.tenants()


def test_a_file_is_opened_to_survive_a_power_cut(sqlite_url: str) -> None:
    """WAL, every commit flushed to the disk, references checked, and no error for a short wait."""
    with closing(Store(sqlite_url)) as store:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [rows(store, f"PRAGMA {pragma}")[0][0] for pragma in pragmas]

    assert found == ["wal", 2, 1, 5000]


def test_postgresql_is_asked_in_utc_with_an_end_to_every_wait(postgresql_url: str) -> None:
    """Whatever the server's own settings are; what the URL asks for besides is kept."""
    url = make_url(postgresql_url).update_query_dict({"options": "-c work_mem=3MB"})
    with closing(Store(url.render_as_string(hide_password=False))) as store:
        names = ("timezone", "statement_timeout", "lock_timeout", "transaction_isolation", "work_mem")
        found = [rows(store, f"SHOW {name}")[0][0] for name in names]

    assert found == ["UTC", "10s", "8s", "repeatable read", "3MB"]


#: Half a cycle, at the end of which the process kills itself.
_HALF_A_CYCLE = """
import os, signal, sys
from alerter.storage import SchemaState, Store
from tests.builders import a_snapshot, an_alert, minutes

with Store(sys.argv[1]).write() as transaction:
    transaction.alerts.save([an_alert()])
    transaction.history.add(a_snapshot({"Spam": 7, "Virus": 3}), poll_interval=minutes(5))
    os.kill(os.getpid(), signal.SIGKILL)
"""
