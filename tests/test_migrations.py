"""The migrations give exactly the tables, say which schema a database has, and lose nothing on the way."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, select, table, text

from alerter.errors import StoreError
from alerter.storage import SchemaState, Store, schema
from alerter.storage.schema import migrations
from alerter.storage.tables import HEAD, REVISIONS, metadata, metadata_for_postgresql
from tests.builders import NOON, a_snapshot, minutes
from tests.conftest import AddRevision
from tests.postgres import Server
from tests.storage.filled import fill
from tests.storage.stored import ACME, poll

_CATALOGUE = {
    # `sqlite_sequence` is SQLite's own, and stays when all tables have gone.
    "sqlite": """
        SELECT type, name, tbl_name, sql FROM sqlite_master
        WHERE name NOT LIKE '%alembic%' AND name <> 'sqlite_sequence'
    """,
    "postgresql": """
        SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        UNION ALL
        SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE 'alembic%'
        UNION ALL
        SELECT 'index', tablename, indexname, indexdef
        FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
}


@pytest.fixture
def postgresql_url(postgresql: Server, migrated_database: str) -> Iterator[str]:
    """Yield the URL of a migrated database of its own, for tests that change its schema."""
    with postgresql.database(template=migrated_database) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database of each kind without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Server = request.getfixturevalue("postgresql")
    with server.database() as url:
        yield url


def test_the_migrations_give_exactly_the_tables(database_url: str) -> None:
    """A database that was upgraded has the same catalogue as one that was made from the tables at once."""
    upgraded = catalogue(database_url)
    engine = create_engine(database_url)
    metadata = metadata_for_postgresql()
    metadata.drop_all(engine)
    assert catalogue(database_url) == []
    metadata.create_all(engine)
    engine.dispose()

    assert upgraded == catalogue(database_url)


def test_the_newest_revision_is_the_one_that_the_store_looks_for() -> None:
    """The revisions that the store knows without Alembic are Alembic's, in its order."""
    config = Config()
    config.set_main_option("script_location", str(migrations()))

    script = ScriptDirectory.from_config(config)

    assert tuple(each.revision for each in script.walk_revisions())[::-1] == REVISIONS
    assert script.get_heads() == [HEAD]


def test_a_new_database_has_no_schema_until_it_is_upgraded(empty_url: str) -> None:
    """An upgrade of nothing gives the present schema, and there was nothing to copy."""
    with closing(Store(empty_url)) as store:
        assert store.schema_state() is SchemaState.MISSING

        done = store.upgrade()

        assert (done.before, done.after, done.backup) == (None, HEAD, None)
        assert store.schema_state() is SchemaState.CURRENT
        store.check_integrity()


def test_looking_at_a_missing_file_does_not_create_it(tmp_path: Path) -> None:
    """To ask for the schema of a file that does not exist leaves the directory empty."""
    with closing(Store(f"sqlite:///{tmp_path}/none.db")) as store:
        assert store.schema_state() is SchemaState.MISSING

    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_of_the_present_schema_changes_nothing(store: Store) -> None:
    """A second upgrade finds nothing to do, and makes no copy."""
    done = store.upgrade()

    assert (done.before, done.after, done.backup) == (HEAD, HEAD, None)


def test_a_database_of_a_newer_alerter_is_refused(store: Store, database_url: str) -> None:
    """A revision that is not known is never touched."""
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")

    assert store.schema_state() is SchemaState.NEWER
    with pytest.raises(StoreError, match=f"newer alerter: found schema '9999', expected at most '{HEAD}'"):
        store.upgrade()


def test_an_older_schema_is_recognised(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision from before the present one asks for an upgrade."""
    monkeypatch.setattr("alerter.storage.schema.REVISIONS", ("0000", *REVISIONS))
    execute(database_url, "UPDATE alembic_version SET version_num = '0000'")

    assert store.schema_state() is SchemaState.OLDER


def test_a_store_with_the_present_schema_does_without_alembic(sqlite_url: str) -> None:
    """A daemon does not carry the 9 MiB of what it does not need."""
    script = (
        "import sys; from alerter.storage import Store; store = Store(sys.argv[1]);"
        "print(store.schema_state().value, 'alembic' in sys.modules, 'psycopg' in sys.modules)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", script, sqlite_url],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )

    assert shown.stdout.split() == ["current", "False", "False"]


def test_two_upgrades_at_once_are_put_in_order(empty_url: str) -> None:
    """Of several services that start together on a new database one upgrades it, the others find it done."""

    def upgrade(_: int) -> str | None:
        with closing(Store(empty_url)) as store:
            return store.upgrade().before

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(upgrade, range(3)))

    assert sorted(found, key=str) == [HEAD, HEAD, None]


def test_the_copy_before_an_upgrade_is_private_and_replaces_none(
    sqlite_url: str, tmp_path: Path, a_later_revision: AddRevision
) -> None:
    """It holds what was in the file, and an older copy stays."""
    path = Path(make_url(sqlite_url).database or "").rename(tmp_path / "held mail%.db")
    a_later_revision("SELECT 1")
    path.chmod(0o600)
    older = tmp_path / f"held mail%.db.{HEAD}.bak"
    older.write_text("an older copy")

    with closing(Store(f"sqlite:///{path}")) as store:
        backup = store.upgrade().backup

    assert backup == tmp_path / f"held mail%.db.{HEAD}.2.bak"
    assert older.read_text() == "an older copy"
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param((), "the table 'users' and no revision", id="another program's"),
        pytest.param(
            ("CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('4f2a')"),
            "the table 'users' and an unknown revision in alembic_version",
            id="of one that uses Alembic, too",
        ),
    ],
)
def test_a_database_of_another_program_is_not_taken_over(
    tmp_path: Path, statements: Sequence[str], expected: str
) -> None:
    """Nothing is written to it."""
    path = tmp_path / "other.db"
    for statement in ("CREATE TABLE users (name TEXT)", *statements):
        execute(f"sqlite:///{path}", statement)
    before = catalogue(f"sqlite:///{path}")
    attempts: list[Callable[[Store], object]] = [Store.schema_state, Store.upgrade]

    for attempt in attempts:
        with closing(Store(f"sqlite:///{path}")) as store, pytest.raises(StoreError, match=expected):
            attempt(store)

    assert catalogue(f"sqlite:///{path}") == before
    assert [*tmp_path.glob("*.bak")] == []


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_database_whose_revision_is_lost_is_damaged(store: Store, database_url: str, statement: str) -> None:
    """It is neither a new one nor one of this version."""
    execute(database_url, statement)

    with pytest.raises(StoreError, match=r"found the table 'acknowledgements' and no revision .* damaged"):
        store.schema_state()
    if statement.startswith("DROP"):
        migrate(database_url, HEAD, go=command.stamp)


def test_on_a_server_other_tables_may_stand_beside(postgresql: Server) -> None:
    """A small database server is often shared."""
    with postgresql.database() as url:
        execute(url, "CREATE TABLE users (name TEXT)")
        with closing(Store(url)) as store:
            assert store.schema_state() is SchemaState.MISSING
            store.upgrade()

            assert store.schema_state() is SchemaState.CURRENT


def test_an_older_database_is_copied_and_keeps_its_rows(
    store: Store, sqlite_url: str, database_url: str, a_later_revision: AddRevision
) -> None:
    """An upgrade loses nothing, also of tables that others refer to; of an SQLite file a copy is kept as it was."""
    fill(database_url)
    before, found = catalogue(database_url), rows_by_table(database_url)
    a_later_revision("ALTER TABLE tenants ADD COLUMN note TEXT")
    assert store.schema_state() is SchemaState.OLDER

    done = store.upgrade()

    copy = Path(f"{make_url(sqlite_url).database}.{HEAD}.bak")
    assert (done.before, done.after) == (HEAD, "9999")
    assert done.backup == (copy if database_url == sqlite_url else None)
    assert store.schema_state() is SchemaState.CURRENT
    assert without_what_is_new(rows_by_table(database_url)) == without_what_is_new(found)
    if done.backup is not None:
        assert (catalogue(f"sqlite:///{copy}"), rows_by_table(f"sqlite:///{copy}")) == (before, found)


def without_what_is_new(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """Return rows without the revision, and without the column that the later revision adds."""
    columns = len(metadata.tables["tenants"].columns)
    return {
        name: [row[:columns] if name == "tenants" else row for row in found]
        for name, found in rows.items()
        if name != "alembic_version"
    }


def test_the_copy_before_an_upgrade_is_the_way_back(sqlite_url: str, a_later_revision: AddRevision) -> None:
    """The older alerter refuses the newer schema, and goes on with the copy that the upgrade made."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "12:00", Spam=3)
        remove = a_later_revision("ALTER TABLE tenants ADD COLUMN note TEXT")
        backup = store.upgrade().backup
        remove()
        assert backup is not None
        assert store.schema_state() is SchemaState.NEWER

        with store.lock():
            store.restore(backup, now=NOON)

        assert store.schema_state() is SchemaState.CURRENT
        with store.read() as reader:
            assert [each.held for each in reader.history.reasons(ACME)] == [3]


def test_a_downgrade_says_what_to_do_instead(sqlite_url: str, a_later_revision: AddRevision) -> None:
    """No migration goes back: it would lose what the older schema has no place for."""
    a_later_revision("SELECT 1")
    migrate(sqlite_url, "9999")

    with pytest.raises(NotImplementedError, match="restore the copy that the upgrade made"):
        migrate(sqlite_url, HEAD, go=command.downgrade)


def test_an_upgrade_that_orphans_rows_is_taken_back(
    sqlite_url: str, a_later_revision: AddRevision, tmp_path: Path
) -> None:
    """A migration may rebuild tables that others refer to, but must not lose them; no copy is left behind."""
    with closing(Store(sqlite_url)) as store:
        with store.write() as transaction:
            transaction.history.add(a_snapshot({"Spam": 3}), poll_interval=minutes(5))
        a_later_revision("DELETE FROM tenants")

        with pytest.raises(StoreError, match="rows lack what they refer to, in count_changes, coverage, series"):
            store.upgrade()

        assert store.schema_state() is SchemaState.OLDER
        with store.read() as reader:
            assert reader.polls.tenants() == ["acme"]
    assert list(tmp_path.glob("*.bak")) == []


def test_migrations_that_do_not_fit_the_code_are_an_error(sqlite_url: str, a_later_revision: AddRevision) -> None:
    """A broken installation is reported as one, and nothing was changed."""
    a_later_revision("SELECT 1")
    shutil.rmtree(schema.migrations() / "versions")

    with closing(Store(sqlite_url)) as store, pytest.raises(StoreError, match="the upgrade failed"):
        store.upgrade()


def test_without_room_for_a_copy_nothing_is_upgraded(sqlite_url: str, a_later_revision: AddRevision) -> None:
    """An upgrade that cannot be taken back by hand does not begin."""
    a_later_revision("SELECT 1")
    path = Path(make_url(sqlite_url).database or "")
    long = path.rename(path.with_name("a" * 250))

    with (
        closing(Store(f"sqlite:///{long}")) as store,
        pytest.raises(StoreError, match="the copy before the upgrade failed"),
    ):
        store.upgrade()


def test_an_upgrade_that_fails_changes_nothing(store: Store, database_url: str, a_later_revision: AddRevision) -> None:
    """Every step before the one that failed is taken back."""
    a_later_revision("ALTER TABLE nowhere ADD COLUMN note TEXT")
    before = catalogue(database_url)

    with pytest.raises(StoreError, match="nowhere"):
        store.upgrade()

    assert store.schema_state() is SchemaState.OLDER
    assert catalogue(database_url) == before


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        pytest.param(
            "CREATE TRIGGER quiet AFTER INSERT ON alerts BEGIN DELETE FROM alerts; END",
            "the trigger 'quiet'",
            id="a trigger",
        ),
        pytest.param("CREATE VIEW seen AS SELECT * FROM alerts", "the view 'seen'", id="a view"),
    ],
)
def test_what_alerter_has_not_made_is_found(sqlite_url: str, statement: str, expected: str) -> None:
    """A trigger would change what it writes."""
    execute(sqlite_url, statement)

    with closing(Store(sqlite_url)) as store, pytest.raises(StoreError, match=expected):
        store.check_integrity()


def test_rows_without_what_they_refer_to_are_found(sqlite_url: str) -> None:
    """A file that was edited by hand does not pass for whole."""
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as connection:
        connection.execute("INSERT INTO coverage VALUES (7, 'held', 0, 0, 1, NULL, NULL)")
        connection.commit()

    with closing(Store(sqlite_url)) as store, pytest.raises(StoreError, match=r"1 rows lack .* in coverage"):
        store.check_integrity()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """What is not SQLite's is neither read nor overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database\n" * 100)
    attempts: list[Callable[[Store], object]] = [Store.schema_state, Store.upgrade, Store.check_integrity]

    for attempt in attempts:
        with closing(Store(f"sqlite:///{path}")) as store, pytest.raises(StoreError, match="file is not a database"):
            attempt(store)

    assert path.read_text().startswith("these are my notes")


def test_a_damaged_file_is_found(sqlite_url: str) -> None:
    """A page that was overwritten is reported with what is wrong."""
    with closing(Store(sqlite_url)) as store, store.write() as transaction:
        for number in range(200):
            transaction.history.add(a_snapshot({f"reason {number}": 1}), poll_interval=minutes(5))
    path = Path(make_url(sqlite_url).database or "")
    whole = bytearray(path.read_bytes())
    whole[-8192:-4096] = b"\xff" * 4096
    path.write_bytes(whole)

    with closing(Store(sqlite_url)) as store, pytest.raises(StoreError, match=r"damaged|malformed"):
        store.check_integrity()


def test_a_check_that_takes_too_long_ends_early(sqlite_url: str) -> None:
    """Whoever waits gives up, and the connection is as good as before."""
    with closing(Store(sqlite_url)) as store:
        with store.write() as transaction:
            held = {f"reason {number} {'x' * 500}": 1 for number in range(2000)}
            transaction.history.add(a_snapshot(held), poll_interval=minutes(5))

        with pytest.raises(StoreError, match="interrupted"):
            store.check_integrity(gives_up=lambda: True)
        store.check_integrity()


def test_a_store_for_reading_is_not_upgraded(tmp_path: Path) -> None:
    """A command that only looks never changes a schema."""
    store = Store(f"sqlite:///{tmp_path}/a.db", read_only=True)

    with closing(store), pytest.raises(StoreError, match="opened for reading only"):
        store.upgrade()


def migrate(url: str, revision: str, *, go: Callable[[Config, str], None] = command.upgrade) -> None:
    """Bring a database to a revision, as the alerter of that time did."""
    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        go(config, revision)
    engine.dispose()


def catalogue(url: str) -> list[tuple[str, ...]]:
    """Return what a database says of its own tables, with white space evened out."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text(_CATALOGUE[engine.dialect.name])).all()
    engine.dispose()
    return sorted(tuple(_evened_out(str(part)) for part in row) for row in rows)


def _evened_out(text: str) -> str:
    # Before what it adds to a table SQLite leaves the space that stood before the last bracket.
    return " ".join(text.split()).replace(" ,", ",").replace(" )", ")")


def execute(url: str, statement: str) -> None:
    """Change a database behind the store's back."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def rows_by_table(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return everything that stands in a database."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(select(text("*")).select_from(table(name)))]
            for name in inspect(connection).get_table_names()
        }
    engine.dispose()
    return found
