"""An SQLite file is copied while it is written, and put back without losing what was there."""

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from alerter.errors import StoreError
from alerter.storage import SchemaState, Store, check_backup
from alerter.storage.tables import REVISIONS
from tests.builders import NOON, at, minutes
from tests.conftest import AddRevision
from tests.storage.stored import ACME, poll, tenant_series
from tests.test_migrations import migrate

NOBODY = 65534


@pytest.fixture
def database(sqlite_url: str) -> Path:
    """A database in which acme held 5 messages at 11:00."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:00", Spam=5)
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def backup(database: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    with opened(database) as store:
        return store.backup(tmp_path / "backup.db").path


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """Open a store and close it again."""
    with closing(Store(f"sqlite:///{path}")) as store:
        yield store


def counts(path: Path) -> dict[str, int]:
    """Return what a database says was held last."""
    with opened(path) as store, store.read() as reader:
        return {str(each.reason): each.held for each in reader.history.reasons(ACME)}


def held(path: Path) -> int | None:
    """Return how much spam that was."""
    return counts(path).get("Spam")


def restored(database: Path, backup: Path) -> Path | None:
    """Restore a backup; return where the database is that was there."""
    with opened(database) as store, store.lock():
        return store.restore(backup, now=NOON).previous_file


def damage(path: Path) -> None:
    """Overwrite the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)


# -- backups -----------------------------------------------------------------------------------------------------------


def test_a_backup_is_one_file_that_only_its_owner_reads(database: Path, backup: Path) -> None:
    """It holds what the database holds, needs no WAL, and is nobody else's business."""
    assert sorted(path.name for path in backup.parent.iterdir() if path.name.startswith("backup")) == ["backup.db"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert backup.read_bytes()[18:20] == b"\x01\x01"  # no WAL: https://www.sqlite.org/fileformat.html, 1.3.3
    assert held(backup) == held(database) == 5


def test_a_backup_holds_what_is_only_in_the_wal_yet(database: Path, tmp_path: Path) -> None:
    """What a daemon has committed counts, wherever SQLite keeps it."""
    with opened(database) as store:
        poll(store, "11:05", Spam=9)
        assert Path(f"{database}-wal").stat().st_size > 0

        store.backup(tmp_path / "backup.db")

    assert held(tmp_path / "backup.db") == 9


def test_a_backup_that_is_made_while_the_database_is_written_is_whole(database: Path, tmp_path: Path) -> None:
    """Each is some commit as a whole, and no writer waits for it."""
    stop = Event()
    written: list[int] = []

    def write() -> None:
        with opened(database) as store:
            while not stop.is_set():
                count = len(written) + 1
                poll(store, at("11:00") + minutes(count), Spam=count, Bulk=count)
                written.append(count)

    writer = Thread(target=write)
    writer.start()
    try:
        with opened(database) as store:
            made = [store.backup(tmp_path / f"{number}.db").path for number in range(5)]
    finally:
        stop.set()
        writer.join()

    for path in made:
        assert held(path) in (5, counts(path).get("Bulk"))
    assert written


@pytest.mark.parametrize("kind", ["a file", "a dangling link"])
def test_a_backup_overwrites_nothing(database: Path, tmp_path: Path, kind: str) -> None:
    """What has the name already stays."""
    path = tmp_path / "mine"
    path.symlink_to("nowhere") if kind == "a dangling link" else path.write_text("mine")

    with opened(database) as store, pytest.raises(StoreError, match="mine: it exists already"):
        store.backup(path)

    assert path.is_symlink() or path.read_text() == "mine"
    assert sorted(tmp_path.glob("mine*")) == [path]


def test_a_backup_of_a_damaged_database_is_refused_and_leaves_nothing(database: Path, tmp_path: Path) -> None:
    """A copy of a damaged file is no backup, and must not look like one."""
    damage(database)

    with opened(database) as store, pytest.raises(StoreError, match=rf"^{database}: .*(damaged|malformed)"):
        store.backup(tmp_path / "backup.db")

    assert list(tmp_path.glob("backup*")) == []


@pytest.mark.parametrize("start", [0, 100], ids=["its head", "the list of its tables"])
def test_a_database_that_cannot_be_copied_is_blamed_itself(database: Path, tmp_path: Path, start: int) -> None:
    """Not the copy, which is gone, nor where it was to go."""
    with database.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 3000)

    with opened(database) as store, pytest.raises(StoreError) as refused:
        store.backup(tmp_path / "backup.db")

    assert str(refused.value).startswith(f"{database}: ")
    assert "backup.db" not in str(refused.value)


def test_a_backup_to_a_folder_that_is_not_there_names_it(database: Path, tmp_path: Path) -> None:
    """The user mends a name."""
    with opened(database) as store, pytest.raises(StoreError, match=r"none/backup\.db: cannot be written: No such"):
        store.backup(tmp_path / "none" / "backup.db")


def test_a_backup_for_which_the_disk_has_no_room_leaves_nothing(database: Path, tmp_path: Path) -> None:
    """The kernel refuses to let the copy grow, as a full disk does; half a backup never has the name of one."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    with opened(database) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        try:
            with pytest.raises(StoreError, match=r"alerter\.db cannot be copied to .*backup\.db: .*(full|disk)"):
                store.backup(tmp_path / "backup.db")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    assert list(tmp_path.glob("backup*")) == []


def test_postgresql_is_left_to_its_own_tools(postgresql_url: str, tmp_path: Path) -> None:
    """The refusal names them."""
    with closing(Store(postgresql_url)) as store:
        for refused in (store.backup, lambda path: store.restore(path, now=NOON)):
            with pytest.raises(StoreError, match="pg_dump and pg_restore"):
                refused(tmp_path / "backup.db")


# -- what is a good backup ---------------------------------------------------------------------------------------------


def test_a_file_that_is_no_backup_is_said_to_be_none(database: Path, backup: Path, tmp_path: Path) -> None:
    """Whatever it is instead, it never gets as far as the database."""
    (tmp_path / "notes.txt").write_text("Dear diary, " * 100)
    (tmp_path / "empty").touch()
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    damage(backup)
    said = {
        "notes.txt": "file is not a database",
        "empty": "it is no database of alerter",
        "other.db": "expected a database of alerter's, or a new one, found the table 'songs'",
        "backup.db": "damaged|malformed",
        "none.db": "there is no such file",
        ".": "it is no file",
    }

    for name, words in said.items():
        with pytest.raises(StoreError, match=words):
            restored(database, tmp_path / name)

    assert held(database) == 5


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TRIGGER spy AFTER INSERT ON messages BEGIN DELETE FROM deliveries; END", "holds the trigger 'spy'"),
        ("CREATE VIEW songs AS SELECT 1 AS title", "holds the view 'songs'"),
        ("CREATE TABLE songs (title TEXT)", "holds the table 'songs'"),
        ("CREATE INDEX mine ON messages (created_at)", "holds the index 'mine'"),
        ("CREATE VIRTUAL TABLE songs USING fts5(title)", "holds the "),
        ("ALTER TABLE messages ADD COLUMN songs TEXT", "holds the table 'messages'"),
        ("DROP TABLE suppressed_notifications", "lacks the table 'suppressed_notifications'"),
    ],
)
def test_a_backup_that_holds_anything_else_is_refused(
    database: Path, backup: Path, tmp_path: Path, statement: str, said: str
) -> None:
    """A trigger would change what alerter writes, whoever put it there; with an older schema as with this one."""
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute(statement)

    with pytest.raises(StoreError, match=f"{backup}: it {said}"):
        restored(database, backup)
    with opened(backup) as source, opened(tmp_path / "new.db") as target, pytest.raises(StoreError, match=f"it {said}"):
        source.copy_to(target, on_progress=lambda *_: None)

    assert held(database) == 5


@pytest.mark.parametrize("revision", [*REVISIONS, "9999"])
def test_a_backup_of_each_older_alerter_is_good(tmp_path: Path, revision: str, a_later_revision: AddRevision) -> None:
    """It has the tables of its time; with one more it is none."""
    path = tmp_path / "old.db"
    a_later_revision("CREATE TABLE notes (note TEXT)")
    migrate(f"sqlite:///{path}", revision)

    good = check_backup(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW songs AS SELECT 1 AS title")

    assert good.schema is (SchemaState.CURRENT if revision == "9999" else SchemaState.OLDER)
    with pytest.raises(StoreError, match="holds the view 'songs'"):
        check_backup(path)


# -- restoring ---------------------------------------------------------------------------------------------------------


def test_a_restored_database_is_the_backup_and_what_was_there_is_kept(database: Path, backup: Path) -> None:
    """Also what was only in the WAL yet: it must neither be lost nor get into the restored file."""
    killed = database.with_name("killed.db")
    with opened(database) as store:
        poll(store, "11:30", Spam=77)
        for suffix in ("", "-wal", "-shm"):  # what a daemon leaves that is killed
            shutil.copy(f"{database}{suffix}", f"{killed}{suffix}")

    aside = restored(killed, backup)

    assert aside is not None
    assert aside.name == "killed.db.20260302T120000Z.replaced"
    assert (held(killed), held(aside)) == (5, 77)
    assert backup.exists()
    with opened(killed) as store:
        store.check_integrity()
        poll(store, "12:00", Spam=6)
        assert tenant_series(store)[1]["Spam"].value_at(NOON) == 6


def test_a_second_restore_keeps_both_files(database: Path, backup: Path) -> None:
    """Two within a second do not overwrite each other."""
    first, second = restored(database, backup), restored(database, backup)

    assert first != second
    assert second is not None
    assert second.name.endswith("Z-2.replaced")


def test_a_restored_database_may_be_used_by_whoever_used_the_one_before(database: Path, backup: Path) -> None:
    """Its mode stays; and where root restores it, it belongs to the service's user as before."""
    database.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(database, NOBODY, NOBODY)
    before = database.stat()

    restored(database, backup)

    after = database.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_database_is_restored_where_there_was_none(tmp_path: Path, backup: Path) -> None:
    """On a new machine there is nothing to keep; file and lock belong to whoever has the folder."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    database = folder / "alerter.db"
    Path(f"{database}-wal").write_bytes(b"left alone")

    aside = restored(database, backup)

    assert aside is None
    assert held(database) == 5
    assert {path.stat().st_uid for path in (database, Path(f"{database}.lock"))} == {folder.stat().st_uid}
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_link_to_the_database_still_is_one(database: Path, backup: Path, tmp_path: Path) -> None:
    """The file that it leads to is replaced."""
    link = tmp_path / "link.db"
    link.symlink_to(database)
    with opened(database) as store:
        poll(store, "11:30", Spam=77)

    aside = restored(link, backup)

    assert link.is_symlink()
    assert held(database) == 5
    assert aside is not None
    assert aside.parent == database.parent


def test_the_database_is_no_backup_of_itself(database: Path) -> None:
    """It would be moved aside and be gone."""
    with pytest.raises(StoreError, match="it is the database itself"):
        restored(database, database)

    assert held(database) == 5


def test_a_backup_of_a_newer_alerter_is_refused(database: Path, backup: Path) -> None:
    """This version cannot read it."""
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="it was written by a newer alerter"):
        restored(database, backup)

    assert check_backup(backup).schema is SchemaState.NEWER


def test_a_restore_that_cannot_be_finished_leaves_the_database_as_it_was(database: Path, backup: Path) -> None:
    """The file can be moved aside, but the name of its WAL would be too long: it is moved back."""
    long = database.rename(database.with_name("d" * 227))
    wal = Path(f"{long}-wal")
    wal.touch()

    with pytest.raises(StoreError, match=r"d-wal cannot become .*: File name too long"):
        restored(long, backup)

    assert held(long) == 5
    assert [path.name for path in long.parent.iterdir() if "replaced" in path.name or "partial" in path.name] == []
