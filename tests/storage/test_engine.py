"""What a database's refusal becomes."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from alerter.errors import StoreError
from alerter.storage import Store
from alerter.storage.engine import store_error
from tests.builders import a_snapshot
from tests.storage.stored import EVERY, enqueue, poll, rows


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("not a url", "the database URL is not understood: expected sqlite", id="no URL"),
        pytest.param("postgresql://u:secret@h:no/d", "the database URL is not understood", id="a port in words"),
        pytest.param("mysql://u:secret@h/d", "the database URL begins with 'mysql': expected", id="another kind"),
        pytest.param("sqlite://", "the database URL names no file", id="a database in memory"),
    ],
)
def test_a_url_of_something_else_is_refused(url: str, said: str) -> None:
    """With what was expected, and without what may be a password."""
    with pytest.raises(StoreError, match=said) as caught:
        Store(url)

    assert "secret" not in str(caught.value)


def test_no_error_shows_the_password() -> None:
    """Neither the text of an error nor the store itself."""
    store = Store("postgresql://alerter:hunter22@127.0.0.1:9/held?connect_timeout=1")

    refusal = r"^postgresql://127\.0\.0\.1/held: "

    with closing(store), pytest.raises(StoreError, match=refusal) as caught, store.read():
        pass

    assert "hunter22" not in f"{caught.value!r} {caught.value.__cause__} {store!r}"


def test_what_a_server_says_on_several_lines_is_one_line_of_sentences() -> None:
    """As libpq says it, with a hint on a line of its own."""
    said = Exception("port 5432 failed: Connection refused\n\tIs the server running on that host?\n\n")

    error = store_error(said, make_url("postgresql+psycopg://127.0.0.1/alerter"))

    assert str(error).endswith("alerter: port 5432 failed: Connection refused; Is the server running on that host?")


def test_no_error_shows_what_was_stored(store: Store) -> None:
    """A statement that fails does not print the messages that it carries."""
    enqueue(store, "m1")

    with pytest.raises(StoreError) as caught:
        enqueue(store, "m1")

    assert "120 held" not in f"{caught.value} {caught.value.__cause__}"


def test_a_locked_file_is_an_error_and_nothing_is_kept(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cycle fails as a whole, and the next one succeeds."""
    monkeypatch.setattr("alerter.storage.engine.BUSY_SECONDS", 0)
    holder = sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)
    with closing(Store(sqlite_url)) as store, closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            poll(store, "11:55", Spam=1)
        holder.execute("ROLLBACK")

        poll(store, "12:00", Spam=2)

        assert rows(store, "SELECT previous_value, value FROM count_changes") == [(0, 2)]


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's driver is an extra, and the error says how to get it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StoreError, match=r"install psycopg"):
        Store("postgresql://127.0.0.1/held")


def test_a_database_has_a_size(store: Store) -> None:
    """With what is only in the WAL yet."""
    with store.write() as transaction:
        before = store.size_bytes()
        transaction.history.add(a_snapshot({f"reason {number}": 1 for number in range(500)}), poll_interval=EVERY)

    assert store.size_bytes() > before > 0


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    """And looking does not make it."""
    with closing(Store(f"sqlite:///{tmp_path}/none.db")) as store:
        assert store.size_bytes() == 0

    assert list(tmp_path.iterdir()) == []


def test_whoever_may_write_is_told_so_and_nothing_is_changed(store: Store) -> None:
    """Also beside a service that holds the database for itself."""
    poll(store, "12:00", Spam=1)
    before = rows(store, "SELECT version_num FROM alembic_version")

    with store.lock():
        store.check_writable()

    assert rows(store, "SELECT version_num FROM alembic_version") == before


def test_a_file_that_may_only_be_read_cannot_be_written(sqlite_url: str) -> None:
    """A transaction would begin all the same."""
    with closing(Store(sqlite_url, read_only=True)) as store, pytest.raises(StoreError, match="readonly"):
        store.check_writable()


def test_a_postgresql_that_only_reads_cannot_be_written(postgresql_url: str) -> None:
    """As a standby, or one that an administrator has closed."""
    with closing(Store(postgresql_url, read_only=True)) as store, pytest.raises(StoreError, match="read-only"):
        store.check_writable()
