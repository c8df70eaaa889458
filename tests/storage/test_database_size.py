"""How large the database is, how fast it grows, and what becomes of the room of deleted rows."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from alerter.core.series import to_epoch_us
from alerter.errors import StoreError
from alerter.storage import Store
from tests.builders import NOON
from tests.storage.stored import poll, prune, rows

DAY = timedelta(days=1)


def fill(store: Store, changes: int = 50_000) -> None:
    """Store many changes from before noon."""
    poll(store, NOON - DAY, Spam=1)
    first = to_epoch_us(NOON - DAY) + 1
    with store.write() as transaction:
        transaction.polls._run(  # noqa: SLF001 - as polls would, in a moment
            text(
                "INSERT INTO count_changes (tenant_id, at, series_id, previous_value, value) "
                "VALUES (1, :at, 1, :was, :held)"
            ),
            [{"at": first + number, "was": number % 2, "held": 1 - number % 2} for number in range(changes)],
        )


def file_of(url: str) -> Path:
    """Return the path of an SQLite file."""
    return Path(make_url(url).database or "")


def size_once_written(path: Path) -> int:
    """Return how large a file is once all that is committed has been moved into it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def give_back(store: Store) -> int:
    """Give back all that can be, some pages at a time; return how many it was."""
    pages = 0
    while True:
        with store.write() as transaction:
            some = transaction.retention.vacuum_pages(8)
        assert some <= 8
        pages += some
        if not some:
            return pages


def test_a_new_file_gives_back_what_was_deleted(sqlite_url: str) -> None:
    """A few pages at a time, but for some that the next days will need."""
    with closing(Store(sqlite_url)) as store:
        fill(store)
        assert give_back(store) == 0
        prune(store, NOON, batch=5000)
        before = size_once_written(file_of(sqlite_url))

        pages = give_back(store)

        with store.read() as reader:
            storage = reader.retention.database_size(now=NOON)
        store.check_integrity()
    assert 0 < storage.free_bytes <= 0.05 * before
    assert size_once_written(file_of(sqlite_url)) == before - pages * 4096 < before / 4


def test_an_older_file_gives_back_nothing_until_it_is_compacted(tmp_path: Path) -> None:
    """It is written anew as a whole, and can from then on."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE made_long_ago (id INTEGER)")
        connection.execute("DROP TABLE made_long_ago")
    with closing(Store(f"sqlite:///{path}")) as store:
        store.upgrade()
        fill(store)
        prune(store, NOON)
        assert give_back(store) == 0
        before = size_once_written(path)

        store.vacuum()

        assert path.stat().st_size < before / 4
        fill(store)
        prune(store, NOON)
        assert give_back(store) > 100
        store.check_integrity()
        assert [row[0] for row in rows(store, "PRAGMA journal_mode")] == ["wal"]


def test_a_file_that_somebody_uses_is_not_compacted(sqlite_url: str) -> None:
    """It stays as it is, and the error says why."""
    with closing(Store(sqlite_url)) as store, closing(Store(sqlite_url)) as other:
        poll(store, "12:00", Spam=1)
        with store.write(), pytest.raises(StoreError, match="database is locked; it is as before"):
            other.vacuum()

        assert rows(store, "SELECT value FROM series") == [(1,)]


def test_postgresql_gives_back_by_itself(postgresql_url: str) -> None:
    """There is nothing to do, and no file."""
    with closing(Store(postgresql_url)) as store:
        assert give_back(store) == 0
        with pytest.raises(StoreError, match="expected an SQLite file"):
            store.vacuum()
        with store.read() as reader:
            storage = reader.retention.database_size(now=NOON)
    assert (storage.free_bytes, storage.bytes_per_day) == (0, None)
    assert storage.size_bytes > 1_000_000


def test_growth_is_known_after_a_day(sqlite_url: str) -> None:
    """It is what rows take, and not what was free for them already."""
    with closing(Store(sqlite_url)) as store:
        note(store, days=0)
        assert growth(store, hours=23) is None

        fill(store)

        after_a_day, after_two = growth(store, hours=24), growth(store, hours=48)
        assert after_a_day is not None
        assert after_two is not None
        assert after_a_day > 100_000
        assert round(after_a_day / after_two, 3) == 2


def test_growth_is_that_of_the_last_month(store: Store) -> None:
    """The size is noted once a day, however often it is asked for, and what is older goes."""
    for day in range(50):
        for hour in (0, 1, 19):
            note(store, days=day, hours=hour)

    assert rows(store, "SELECT count(*) FROM database_sizes") == [(36,)]
    assert growth(store, hours=49 * 24) is not None


def test_a_size_that_was_noted_on_a_clock_ahead_is_forgotten(store: Store) -> None:
    """A clock that is right again decides."""
    note(store, days=100)
    note(store, days=0)

    assert rows(store, "SELECT count(*) FROM database_sizes") == [(1,)]
    assert growth(store, hours=1) is None


def note(store: Store, *, days: int, hours: int = 0) -> None:
    """Note the size so long after noon."""
    with store.write() as transaction:
        transaction.retention.record_size(now=NOON + days * DAY + timedelta(hours=hours))


def growth(store: Store, *, hours: int) -> float | None:
    """Return the growth as of so many hours after noon."""
    with store.read() as reader:
        return reader.retention.database_size(now=NOON + timedelta(hours=hours)).bytes_per_day
