"""The migrations give exactly the tables, say which schema a database has, and lose nothing on the way."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, select, table, text

from alerter.core.message.content import Format, Message, MessageStatus
from alerter.core.notifications import Budget, ReceiverName
from alerter.core.series import EPOCH, Tenant
from alerter.errors import StoreError
from alerter.storage import SchemaState, Store, schema
from alerter.storage.schema import migrations
from alerter.storage.tables import HEAD, REVISIONS, metadata_for_postgresql
from tests.builders import NOON, a_key, a_level, a_snapshot, a_told, minutes
from tests.postgres import Server

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

#: A tenant with a hold reason that fires, of which secops is to be told, as the first schema's alerter kept it.
_ROWS_OF_0001 = (
    "INSERT INTO tenants (name) VALUES ('acme')",
    """
    INSERT INTO series (tenant_id, digest, reason, held, changed_at, first_seen_at)
    VALUES (1, '94a9eac404c8c6ff825a438e1f8f3ff1afa9340dd3d1a6412d2c511a800de478', 'Spam', 7,
            1772452800000000, 1772452800000000)
    """,
    "INSERT INTO counts (tenant_id, at, series_id, was, held) VALUES (1, 1772452800000000, 1, 0, 7)",
    "INSERT INTO coverage (tenant_id, since, until, polls) VALUES (1, 1772452500000000, 1772452800000000, 2)",
    """
    INSERT INTO poll_failures (tenant_id, outage_since, since, until, failures, cause, detail, ended_at)
    VALUES (1, 1772452200000000, 1772452200000000, 1772452200000000, 1, 'timeout', 'no answer', 1772452500000000)
    """,
    """
    INSERT INTO alerts (digest, id, topic, rule, severity, tenant, reason, state, value, peak, active_at, fired_at,
                        resolution, operands)
    VALUES ('99c2eafe8ddbc6eb1276dcaaede3558ce5bbf26390322480b9bad1000260d64f', '99c2eafe',
            '5454d9e3ffc67f761923ce3faf125818597ef1c027ee820f5d34d287f499ef4f', 'Backlog', 'warning', 'acme', 'Spam',
            'firing', 7, 7, 1772452800000000, 1772452800000000, '', '[{"condition":"threshold","limit":"above 5"}]')
    """,
    """
    INSERT INTO transitions (alert_id, rule, severity, tenant, reason, at, before, after, operands, note)
    VALUES ('99c2eafe', 'Backlog', 'warning', 'acme', 'Spam', 1772452800000000, 'inactive', 'firing', '[]', '')
    """,
    """
    INSERT INTO told (topic, receiver, rule, tenant, reason, severity, state, at, repeats)
    VALUES ('5454d9e3ffc67f761923ce3faf125818597ef1c027ee820f5d34d287f499ef4f', 'secops', 'Backlog', 'acme', 'Spam',
            'warning', 'firing', 1772452800000000, 0)
    """,
    """
    INSERT INTO messages (id, receiver, tone, title, bodies, alert_ids, created_at)
    VALUES ('m1', 'secops', 'warning', '7 held', '{"text": "7 held"}', '["99c2eafe"]', 1772452800000000)
    """,
    """
    INSERT INTO deliveries (message_id, target, created_at, attempts, next_attempt_at, last_error)
    VALUES ('m1', 'secops/slack', 1772452800000000, 1, 1772452815000000, 'busy')
    """,
)


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


def test_an_sqlite_file_with_tables_is_copied_before_it_is_upgraded(tmp_path: Path) -> None:
    """The copy holds what was in the file, is as private as the file, and never replaces an older copy."""
    path = tmp_path / "held mail%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'keep me' AS note")
        connection.commit()
    path.chmod(0o600)
    older = tmp_path / "held mail%.db.unversioned.bak"
    older.write_text("an older copy")

    with closing(Store(f"sqlite:///{path}")) as store:
        backup = store.upgrade().backup

    assert backup == tmp_path / "held mail%.db.unversioned.2.bak"
    assert older.read_text() == "an older copy"
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT note FROM notes").fetchall() == [("keep me",)]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


@pytest.fixture
def a_later_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that gives this alerter one revision more, which executes a statement."""

    def add(statement: str) -> None:
        later = tmp_path / "migrations"
        shutil.copytree(migrations(), later, ignore=shutil.ignore_patterns("__pycache__"))
        (later / "versions" / "9999_later.py").write_text(
            f"from alembic import op\n\nrevision = '9999'\ndown_revision = '{HEAD}'\n\n"
            f"def upgrade():\n    op.execute({statement!r})\n"
        )
        monkeypatch.setattr(schema, "migrations", lambda: later)
        monkeypatch.setattr(schema, "REVISIONS", (*REVISIONS, "9999"))
        monkeypatch.setattr(schema, "HEAD", "9999")

    return add


def test_an_older_database_is_copied_and_keeps_its_rows(
    store: Store, sqlite_url: str, database_url: str, a_later_revision: Callable[[str], None]
) -> None:
    """An upgrade loses nothing, also of tables that others refer to; of an SQLite file a copy is kept."""
    with store.write() as transaction:
        transaction.add_snapshot(a_snapshot({"Spam": 3}), poll_interval=minutes(5))
    a_later_revision("ALTER TABLE tenants ADD COLUMN note TEXT")

    done = store.upgrade()

    copy = Path(f"{make_url(sqlite_url).database}.{HEAD}.bak")
    assert (done.before, done.after) == (HEAD, "9999")
    assert done.backup == (copy if database_url == sqlite_url else None)
    assert store.schema_state() is SchemaState.CURRENT
    with store.read() as reader:
        assert [each.held for each in reader.reasons(Tenant("acme"))] == [3]


@pytest.fixture
def first_url(empty_url: str) -> str:
    """Return the URL of a database as the first schema's alerter left it: a row in every table."""
    migrate(empty_url, REVISIONS[0])
    for statement in _ROWS_OF_0001:
        execute(empty_url, statement)
    return empty_url


def test_an_installation_with_the_first_schema_goes_on_after_an_upgrade(first_url: str) -> None:
    """What it had seen, decided, told and not yet sent is there, with what is new about it at its default."""
    with closing(Store(first_url)) as store:
        assert store.schema_state() is SchemaState.OLDER

        done = store.upgrade()

        assert (done.before, done.after) == ("0001", HEAD)
        store.check_integrity()
        with store.read() as reader:
            assert [each.held for each in reader.reasons(Tenant("acme"))] == [7]
            assert reader.polling(Tenant("acme")).last_good_at == NOON
            assert [(each.key, each.state, each.value) for each in reader.alerts()] == [(a_key(), "firing", 7)]
            assert [each.after for each in reader.transitions()] == ["firing"]
            assert reader.told() == [a_told(told_at="12:00", target="")]
            (delivery,) = reader.waiting_deliveries()
            assert (delivery.message_id, delivery.attempts, delivery.last_error) == ("m1", 1, "busy")
            assert reader.message(delivery.message_id) == Message(
                id="m1",
                receiver=ReceiverName("secops"),
                tone=MessageStatus.WARNING,
                title="7 held",
                bodies={Format.TEXT: "7 held"},
                created_at=NOON,
                alert_ids=(a_key().id,),
            )


def test_what_fires_when_the_schema_is_upgraded_is_still_held_by_where_it_clears(first_url: str) -> None:
    """An upgrade resolves nothing: the limit that an alert fired under is known from what it compared last."""
    operands = '[{"condition":"threshold","limit":"above 1,000, clears at 800"},{"condition":"growth","limit":"by 5"}]'
    execute(first_url, f"UPDATE alerts SET operands = '{operands}'")  # noqa: S608 - our own text

    with closing(Store(first_url)) as store:
        store.upgrade()
        with store.read() as reader:
            [alert] = reader.alerts()

    assert alert.is_held_by(a_level(above=1000, clear_at=800))
    assert not alert.is_held_by(a_level(above=900, clear_at=800))


def test_an_installation_with_the_first_schema_can_do_what_is_new(first_url: str) -> None:
    """Nothing is muted or held back at first, and everything can be."""
    secops = ReceiverName("secops")
    with closing(Store(first_url)) as store:
        store.upgrade()

        with store.write() as transaction:
            assert (transaction.silences(since=EPOCH), transaction.acknowledgements()) == ([], {})
            assert (transaction.groups(), transaction.budgets(since=EPOCH)) == ({}, {secops: Budget(sent=1)})
            transaction.hold_back(secops)
            transaction.save_told([replace(each, thread="m1") for each in transaction.told()])

        with store.read() as reader:
            assert reader.budgets(since=EPOCH) == {secops: Budget(sent=1, held_back=1)}
            assert [each.thread for each in reader.told()] == ["m1"]


def test_a_file_with_the_first_schema_is_copied_as_it_was(first_url: str) -> None:
    """Whoever goes back to the older alerter finds in the copy what that one left: its schema, and all its rows."""
    before, found = catalogue(first_url), rows_by_table(first_url)

    with closing(Store(first_url)) as store:
        backup = store.upgrade().backup

    path = make_url(first_url).database or ""
    is_file = first_url.startswith("sqlite")
    assert backup == (Path(f"{path}.0001.bak") if is_file else None)
    if backup is not None:
        assert catalogue(f"sqlite:///{backup}") == before
        assert rows_by_table(f"sqlite:///{backup}") == found
        assert found["alembic_version"] == [("0001",)]


def test_an_upgrade_that_orphans_rows_is_taken_back(
    sqlite_url: str, a_later_revision: Callable[[str], None], tmp_path: Path
) -> None:
    """A migration may rebuild tables that others refer to, but must not lose them; no copy is left behind."""
    with closing(Store(sqlite_url)) as store:
        with store.write() as transaction:
            transaction.add_snapshot(a_snapshot({"Spam": 3}), poll_interval=minutes(5))
        a_later_revision("DELETE FROM tenants")

        with pytest.raises(StoreError, match="rows lack what they refer to, in counts, coverage, series"):
            store.upgrade()

        assert store.schema_state() is SchemaState.OLDER
        with store.read() as reader:
            assert reader.tenants() == ["acme"]
    assert list(tmp_path.glob("*.bak")) == []


def test_migrations_that_do_not_fit_the_code_are_an_error(
    sqlite_url: str, a_later_revision: Callable[[str], None], tmp_path: Path
) -> None:
    """A broken installation is reported as one, and nothing was changed."""
    a_later_revision("SELECT 1")
    shutil.rmtree(tmp_path / "migrations" / "versions")

    with closing(Store(sqlite_url)) as store, pytest.raises(StoreError, match="the upgrade failed"):
        store.upgrade()


def test_without_room_for_a_copy_nothing_is_upgraded(sqlite_url: str, a_later_revision: Callable[[str], None]) -> None:
    """An upgrade that cannot be taken back by hand does not begin."""
    a_later_revision("SELECT 1")
    path = Path(make_url(sqlite_url).database or "")
    long = path.rename(path.with_name("a" * 250))

    with (
        closing(Store(f"sqlite:///{long}")) as store,
        pytest.raises(StoreError, match="the copy before the upgrade failed"),
    ):
        store.upgrade()


def test_an_upgrade_that_fails_changes_nothing(empty_url: str) -> None:
    """A table of the same name in a foreign database stops the upgrade, and every step before it is taken back."""
    execute(empty_url, "CREATE TABLE told (foreign_column INTEGER)")

    with closing(Store(empty_url)) as store:
        with pytest.raises(StoreError, match="told"):
            store.upgrade()

        assert store.schema_state() is SchemaState.MISSING
    assert {row[1] for row in catalogue(empty_url)} == {"told"}


def test_rows_without_what_they_refer_to_are_found(sqlite_url: str) -> None:
    """A file that was edited by hand does not pass for whole."""
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as connection:
        connection.execute("INSERT INTO coverage VALUES (7, 0, 0, 1, NULL, NULL)")
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
            transaction.add_snapshot(a_snapshot({f"reason {number}": 1}), poll_interval=minutes(5))
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
            transaction.add_snapshot(a_snapshot(held), poll_interval=minutes(5))

        with pytest.raises(StoreError, match="interrupted"):
            store.check_integrity(gives_up=lambda: True)
        store.check_integrity()


def test_a_store_for_reading_is_not_upgraded(tmp_path: Path) -> None:
    """A command that only looks never changes a schema."""
    store = Store(f"sqlite:///{tmp_path}/a.db", read_only=True)

    with closing(store), pytest.raises(StoreError, match="opened for reading only"):
        store.upgrade()


def migrate(url: str, revision: str) -> None:
    """Bring a database to a revision, as the alerter of that time did."""
    config = Config()
    config.set_main_option("script_location", str(migrations()))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
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
