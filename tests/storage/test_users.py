"""Who may do what with an SQLite file: its service, root beside it, and somebody who may only read."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from alerter.errors import StoreError
from alerter.storage import Store
from alerter.storage.tables import REVISIONS
from tests.builders import NOON
from tests.conftest import AddRevision
from tests.storage.stored import ACME, poll
from tests.test_migrations import migrate

IS_ROOT = os.geteuid() == 0
#: A user that is not this one; whoever is not root has only itself.
USER = 1234 if IS_ROOT else os.geteuid()


@pytest.fixture
def folder(migrated_file: Path) -> Iterator[Path]:
    """A folder that everybody reaches, unlike those of pytest, with a database that was opened to all."""
    with TemporaryDirectory(prefix="alerter-test-") as name:
        Path(shutil.copy(migrated_file, f"{name}/alerter.db")).chmod(0o644)
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


@contextmanager
def somebody_else() -> Iterator[None]:
    """Be somebody to whom the modes of files apply until the block ends."""
    if IS_ROOT:
        os.seteuid(USER)
    try:
        yield
    finally:
        if IS_ROOT:
            os.seteuid(0)


def held_as_seen_by_somebody_else(folder: Path) -> list[int]:
    """Return what the database in a folder says is held, read by somebody who may not write there."""
    folder.chmod(0o555)
    with (
        somebody_else(),
        closing(Store(f"sqlite:///{folder}/alerter.db", read_only=True)) as looking,
        looking.read() as reader,
    ):
        return [each.held for each in reader.history.reasons(ACME)]


def test_a_database_whose_service_is_stopped_can_be_read_by_who_may_write_nothing(folder: Path) -> None:
    """WAL would make files beside it; what is committed is in the file, and nothing is left behind."""
    with closing(Store(f"sqlite:///{folder}/alerter.db")) as store:
        poll(store, "12:00", Spam=1)

    assert held_as_seen_by_somebody_else(folder) == [1]
    assert [each.name for each in folder.iterdir()] == ["alerter.db"]


def test_a_database_whose_service_was_killed_is_read_with_what_is_only_in_its_wal(folder: Path) -> None:
    """Where there is a WAL, the file alone is an old state, and is not taken for the whole."""
    files = [folder / name for name in ("alerter.db", "alerter.db-wal", "alerter.db-shm")]
    with closing(Store(f"sqlite:///{folder}/alerter.db")) as store:
        poll(store, "12:00", Spam=1)
        left = [each.read_bytes() for each in files]
    for file, content in zip(files, left, strict=True):
        file.write_bytes(content)

    assert held_as_seen_by_somebody_else(folder) == [1]


def test_a_folder_that_may_not_be_looked_into_is_said_so(folder: Path) -> None:
    """The data of a service with a user of its own is for root: that is no missing database."""
    folder.chmod(0o700 if IS_ROOT else 0o000)

    with (
        somebody_else(),
        closing(Store(f"sqlite:///{folder}/alerter.db", read_only=True)) as looking,
        pytest.raises(StoreError, match=r"alerter\.db: permission denied: only root and its service see"),
    ):
        looking.schema_state()


def test_what_root_makes_beside_a_service_belongs_to_the_service(tmp_path: Path) -> None:
    """`sudo alerter poll` before the first start leaves nothing that the service may not write."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, USER, -1)

    with closing(Store(f"sqlite:///{folder}/alerter.db")) as store, store.lock():
        store.upgrade()
        poll(store, "12:00", Spam=1)
        owners = {each.name: each.stat().st_uid for each in folder.iterdir()}

    assert {"alerter.db", "alerter.db.lock", "alerter.db-wal"} <= owners.keys()
    assert set(owners.values()) == {USER}


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_every_file_is_its_owners_alone_whatever_the_umask(
    tmp_path: Path, umask: int, a_later_revision: AddRevision
) -> None:
    """Database, WAL, lock, backup, the copy before an upgrade, and what was restored."""
    before = os.umask(umask)
    try:
        migrate(f"sqlite:///{tmp_path}/alerter.db", REVISIONS[0])
        a_later_revision("SELECT 1")
        (tmp_path / "alerter.db").chmod(0o600)
        with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store, store.lock():
            store.upgrade()
            poll(store, "12:00", Spam=1)
            made = {each.name: each.stat() for each in tmp_path.iterdir()}
            store.backup(tmp_path / "backup.db")
        with closing(Store(f"sqlite:///{tmp_path}/new.db")) as other, other.lock():
            other.restore(tmp_path / "backup.db", now=NOON)
    finally:
        os.umask(before)

    made |= {each.name: each.stat() for each in tmp_path.iterdir()}
    assert {"alerter.db", "alerter.db.lock", "alerter.db-wal", "alerter.db-shm", "backup.db", "new.db"} <= made.keys()
    assert any(name.endswith(".bak") for name in made)
    assert {name: stat.S_IMODE(each.st_mode) for name, each in made.items()} == dict.fromkeys(made, 0o600)
