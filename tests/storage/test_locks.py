"""One daemon per database."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from alerter.errors import StoreError
from alerter.storage import Store
from tests.builders import NOON
from tests.storage.stored import (
    poll,
    tenant_series,
)


def test_a_second_daemon_is_refused(store: Store, database_url: str) -> None:
    """It is told why, and may start when the first one has gone."""
    with closing(Store(database_url)) as second:
        with store.lock(), pytest.raises(StoreError, match=r"another alerter .*is running on"), second.lock():
            pass

        with second.lock():
            pass


def test_the_refusal_names_the_process(sqlite_url: str) -> None:
    """An administrator knows what to stop."""
    refusal = rf"another alerter \(pid {os.getpid()}\) is running on .*alerter\.db"

    with closing(Store(sqlite_url)) as store, store.lock(), pytest.raises(StoreError, match=refusal), store.lock():
        pass


def test_the_holder_of_the_lock_reads_and_writes(store: Store) -> None:
    """The lock keeps other daemons away, not its own work."""
    with store.lock():
        poll(store, "12:00", Spam=1)

        assert tenant_series(store)[1]["Spam"].value_at(NOON) == 1


def test_a_lock_that_cannot_be_taken_is_an_error(tmp_path: Path) -> None:
    """A directory that does not exist is named."""
    store = Store(f"sqlite:///{tmp_path}/none/alerter.db")

    with closing(store), pytest.raises(StoreError, match=r"none/alerter\.db\.lock: No such file"), store.lock():
        pass


def test_a_daemon_notices_that_its_lock_was_deleted_or_replaced(tmp_path: Path) -> None:
    """Another daemon could lock the new file, and both would tell."""
    path = tmp_path / "alerter.db.lock"

    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store, store.lock() as lock:
        lock.check()
        path.unlink()
        with pytest.raises(StoreError, match="has gone while alerter was running"):
            lock.check()
        path.touch()
        with pytest.raises(StoreError, match="was replaced while alerter was running"):
            lock.check()


def test_a_link_to_a_database_is_no_other_database(tmp_path: Path) -> None:
    """Two spellings of one file have one lock."""
    (tmp_path / "link.db").symlink_to(tmp_path / "alerter.db")

    with (
        closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store,
        closing(Store(f"sqlite:///{tmp_path}/link.db")) as other,
        store.lock(),
        pytest.raises(StoreError, match="another alerter"),
        other.lock(),
    ):
        pass


def test_a_daemon_notices_that_its_session_has_ended(postgresql_url: str) -> None:
    """With the session goes the lock, so that another daemon may have begun."""
    with closing(Store(postgresql_url)) as store, store.lock() as lock:
        lock.check()
        with closing(psycopg.connect(postgresql_url, autocommit=True)) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")

        with pytest.raises(StoreError):
            lock.check()


def test_a_holder_is_seen_without_touching_the_lock(store: Store, database_url: str) -> None:
    """Whoever looks must not keep a daemon from starting, nor free a lock."""
    with closing(Store(database_url, read_only=True)) as looking:
        before = looking.lock_holder()
        with store.lock() as lock:
            held = looking.lock_holder()
            lock.check()
        after = looking.lock_holder()

    assert (before, after) == (None, None)
    assert held is not None
    assert f"pid {os.getpid()}" in held or re.fullmatch(r"session \d+ from .+", held)


def test_a_lock_of_another_file_is_no_lock_of_this_one(tmp_path: Path) -> None:
    """Small file systems number their files alike; here two files of one device are told apart at least."""
    with closing(Store(f"sqlite:///{tmp_path}/a.db")) as one, closing(Store(f"sqlite:///{tmp_path}/b.db")) as other:
        with other.lock():
            pass
        with one.lock():
            assert (one.lock_holder() is None, other.lock_holder() is None) == (False, True)


def test_a_lock_file_without_a_lock_is_held_by_nobody(sqlite_url: str) -> None:
    """A daemon that was killed leaves its number in the file; the kernel has freed the lock."""
    Path(f"{sqlite_url.removeprefix('sqlite:///')}.lock").write_text("812\n")

    with closing(Store(sqlite_url)) as store:
        assert store.lock_holder() is None


#: Locks a file, says so, and waits to be ended.
LOCKER = (
    "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print('locked', flush=True); sys.stdin.read()"
)


@contextmanager
def locked_by(path: Path, name: str) -> Iterator[int]:
    """Let another process hold a lock; its command line has a name in it."""
    command = [sys.executable, "-c", LOCKER, str(path), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("written", ["1\n", "\x1b[31mpid\n", "", "root:$6$secret:19000:0:99999:7:::\n" * 9])
def test_what_is_written_in_a_lock_is_never_shown(tmp_path: Path, written: str) -> None:
    """Anybody who may write there may have written it: an administrator would end process 1."""
    lock = tmp_path / "alerter.db.lock"
    lock.write_text(written)

    with locked_by(lock, "sleep") as pid, closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store:
        with pytest.raises(StoreError) as refused, store.lock():
            pass
        holder = store.lock_holder()

    who = f"pid {pid}, which is not known to be alerter"
    assert str(refused.value) == f"another alerter ({who}) is running on {tmp_path}/alerter.db"
    assert holder == who


def test_a_process_is_named_as_alerter_if_it_is(tmp_path: Path) -> None:
    """Whichever way it was started; that it holds the lock, the kernel says."""
    lock = tmp_path / "alerter.db.lock"
    lock.touch()

    with (
        locked_by(lock, "/opt/alerter/bin/alerter") as pid,
        closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store,
    ):
        assert store.lock_holder() == f"pid {pid}"


def test_a_named_pipe_in_place_of_a_lock_keeps_nobody(tmp_path: Path) -> None:
    """To look who holds it, as to take it."""
    os.mkfifo(tmp_path / "alerter.db.lock")

    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store:
        assert store.lock_holder() is None
        with pytest.raises(StoreError, match="expected a file, found a named pipe"), store.lock():
            pass
