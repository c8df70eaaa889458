"""An installation moves into another database: all of it, compared, or nothing, whatever comes between."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, create_engine, func, insert, make_url, select, text

from alerter.errors import StoreError
from alerter.storage import CopyPhase, CopyResult, SchemaState, Store
from alerter.storage.tables import OF_AN_INSTANCE, REVISIONS, metadata
from tests.conftest import AddRevision
from tests.postgres import Server
from tests.storage.filled import ROWS, a_row, contents, fill
from tests.storage.stored import a_silence, poll, silence
from tests.test_migrations import migrate

#: What is copied: everything but what belongs to processes that run.
COPIED = {name for name, table in metadata.tables.items() if not table.info.get(OF_AN_INSTANCE)}


@pytest.fixture
def empty_postgresql(postgresql: Server) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database in which there is nothing, not even tables."""
    with postgresql.database() as url:
        yield url


def nobody(_step: CopyPhase, _done: int, _all: int) -> None:
    """Take no notice of how far it is."""


def copy(source: str, target: str, on_progress: Any = nobody) -> CopyResult:  # noqa: ANN401 - any function will do
    """Copy one database into another one."""
    with closing(Store(source)) as old, closing(Store(target)) as new:
        return old.copy_to(new, on_progress=on_progress)


def copied(all_: Mapping[str, Any]) -> dict[str, Any]:
    """Return of all tables those that are copied."""
    return {name: found for name, found in all_.items() if name in COPIED}


def state_of(url: str) -> SchemaState:
    """Return whether a database has tables, and which."""
    with closing(Store(url)) as store:
        return store.schema_state()


def execute(url: str, *statements: str) -> None:
    """Change a database beneath the interface."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["postgresql", "sqlite"])
def target(request: pytest.FixtureRequest) -> str:
    """Return the URL of another database of each kind, in which there is nothing."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/another.db"
    return str(request.getfixturevalue("empty_postgresql"))


def test_every_table_arrives_as_it_is(database_url: str, target: str) -> None:
    """Odd texts, long ones, large numbers and what is missing: from either kind of database to either."""
    fill(database_url)
    before = contents(database_url)

    done = copy(database_url, target)

    assert done == CopyResult(rows=dict.fromkeys(COPIED, ROWS), was_there=False)
    assert copied(contents(target)) == copied(before)
    assert all(contents(target)[name] == [] for name in metadata.tables.keys() - COPIED)
    assert contents(database_url) == before


def test_every_table_has_a_key_to_compare_it_by() -> None:
    """Without one, the order of its rows would be anybody's."""
    assert all(table.primary_key.columns for table in metadata.tables.values())


def test_numbers_go_on_where_they_were(database_url: str, target: str) -> None:
    """The next row of each table that numbers its rows collides with none of those that were copied."""
    fill(database_url)
    copy(database_url, target)
    engine = create_engine(target)
    given: dict[str, tuple[int, int]] = {}

    with engine.begin() as connection:
        for table in (each for each in metadata.sorted_tables if each.name in COPIED):
            row, numbered = a_row(table, ROWS), table.autoincrement_column
            if numbered is None or not isinstance(numbered.type, Integer):
                connection.execute(insert(table), row)
                continue
            del row[numbered.name]
            highest = connection.execute(select(func.max(numbered))).scalar_one()
            given[table.name] = highest + 1, connection.execute(insert(table).returning(numbered), row).scalar_one()
    engine.dispose()

    assert {"tenants", "series", "transitions", "deliveries", "silences", "poll_failures"} <= given.keys()
    assert all(expected == number for expected, number in given.values())


def test_the_number_of_a_silence_that_was_pruned_is_not_given_again(database_url: str, target: str) -> None:
    """People write it down, and would end another one."""
    with closing(Store(database_url)) as store:
        first, second = silence(store), silence(store)
    execute(database_url, f"DELETE FROM silences WHERE id = {second.id}")  # noqa: S608 - a number

    copy(database_url, target)

    with closing(Store(target)) as store:
        assert silence(store, a_silence()).id == second.id + 1 == first.id + 2


def test_how_far_it_is_is_told(sqlite_url: str, target: str) -> None:
    """First all rows are copied, then all of them are compared."""
    fill(sqlite_url)
    notified: list[tuple[CopyPhase, int, int]] = []

    copy(sqlite_url, target, lambda *each: notified.append(each))

    rows = ROWS * len(COPIED)
    halves = [[done for step, done, _ in notified if step is each] for each in CopyPhase]
    assert [step for step, *_ in notified] == [each for each, half in zip(CopyPhase, halves, strict=True) for _ in half]
    assert all(half == sorted(half) and half[-1] == rows for half in halves)
    assert {all_ for *_, all_ in notified} == {rows}


def test_a_copy_that_is_there_already_is_compared_and_left(sqlite_url: str, target: str) -> None:
    """Nobody may have been told that it had come to its end."""
    fill(sqlite_url)
    copy(sqlite_url, target)
    steps: set[CopyPhase] = set()

    again = copy(sqlite_url, target, lambda step, *_: steps.add(step))

    assert again == CopyResult(rows=dict.fromkeys(COPIED, ROWS), was_there=True)
    assert steps == {CopyPhase.COMPARED}


def test_a_database_with_anything_else_is_refused_and_left(sqlite_url: str, target: str) -> None:
    """The text names the first difference."""
    fill(sqlite_url)
    with closing(Store(target)) as store:
        store.upgrade()
        poll(store, "11:55", "globex", Spam=5)
    before = contents(target)

    with pytest.raises(StoreError, match="holds an installation already") as refused:
        copy(sqlite_url, target)

    assert "expected a database without any rows" in str(refused.value)
    assert contents(target) == before


def test_tables_without_rows_are_filled(sqlite_url: str, target: str, a_later_revision: AddRevision) -> None:
    """As after `alerter db upgrade`, or with the schema of an earlier version."""
    fill(sqlite_url)
    migrate(target, REVISIONS[0])
    a_later_revision("SELECT 1")
    Store(sqlite_url).upgrade()

    copy(sqlite_url, target)

    assert copied(contents(target)) == copied(contents(sqlite_url))


def test_an_older_schema_is_upgraded_before_it_is_copied(
    tmp_path: Path, target: str, a_later_revision: AddRevision
) -> None:
    """What must be upgraded is upgraded where it is, with a copy kept."""
    older = f"sqlite:///{tmp_path}/older.db"
    migrate(older, REVISIONS[0])
    a_later_revision("SELECT 1")

    with pytest.raises(StoreError, match="expected this version's schema"):
        copy(older, target)

    assert state_of(target) is SchemaState.MISSING


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "NEW.value := NEW.value + 7; RETURN NEW;",
            r"count_changes: the row .* has value=\d+ in the source, \d+ in the target",
        ),
        ("RETURN NULL;", "count_changes: the row .* of the source is missing in the target"),
        (
            "IF NEW.tenant_id = 3 THEN NEW.at := 1; END IF; RETURN NEW;",
            "count_changes: the row tenant_id=3, at=1, series_id=3 of the target is missing in the source",
        ),
    ],
    ids=["a value is another one", "a row is lost", "a row is one that was not there"],
)
def test_a_copy_that_differs_is_not_kept(sqlite_url: str, empty_postgresql: str, body: str, words: str) -> None:
    """Something in the server changes what it is given: the first difference is named, and nothing is there."""
    fill(sqlite_url)
    migrate(empty_postgresql, REVISIONS[-1])
    execute(
        empty_postgresql,
        f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        "CREATE TRIGGER spoil BEFORE INSERT ON count_changes FOR EACH ROW EXECUTE FUNCTION spoil()",
    )

    with pytest.raises(StoreError, match=f"was not kept. {words}"):
        copy(sqlite_url, empty_postgresql)

    assert all(found == [] for found in contents(empty_postgresql).values())


def test_a_row_that_is_refused_is_named_by_its_table(sqlite_url: str, empty_postgresql: str) -> None:
    """SQLite takes a NUL within a text, PostgreSQL does not."""
    execute(sqlite_url, "INSERT INTO suppressed_notifications VALUES ('sec' || char(0) || 'ops', 1)")

    with pytest.raises(StoreError, match=r"NUL.*\(table suppressed_notifications\)"):
        copy(sqlite_url, empty_postgresql)

    assert state_of(empty_postgresql) is SchemaState.MISSING


def cut_off(url: str, step: CopyPhase) -> Any:  # noqa: ANN401 - a function of progress
    """Return a function that lets a server end its sessions, once half of a step is done."""

    def cut(at: CopyPhase, done: int, all_: int) -> None:
        if at is step and done > all_ / 2:
            with suppress(Exception):
                execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in%'")

    return cut


@pytest.mark.parametrize("step", [*CopyPhase])
def test_a_connection_that_is_cut_leaves_nothing(sqlite_url: str, empty_postgresql: str, step: CopyPhase) -> None:
    """While it copies and while it compares; and the next try is a first one."""
    fill(sqlite_url)

    with pytest.raises(StoreError, match="postgresql://"):
        copy(sqlite_url, empty_postgresql, cut_off(empty_postgresql, step))

    assert state_of(empty_postgresql) is SchemaState.MISSING
    assert not copy(sqlite_url, empty_postgresql).was_there


def test_a_commit_that_is_not_answered_is_found_out_by_a_second_try(sqlite_url: str, empty_postgresql: str) -> None:
    """Nobody knows whether a server that falls silent has kept all of it."""
    fill(sqlite_url)
    migrate(empty_postgresql, REVISIONS[-1])
    execute(
        empty_postgresql,
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON tenants DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION leave()",
    )

    with pytest.raises(StoreError, match="whether all of it was kept is not known: a second try finds out"):
        copy(sqlite_url, empty_postgresql)

    execute(empty_postgresql, "DROP TRIGGER leave ON tenants")
    assert not copy(sqlite_url, empty_postgresql).was_there


@pytest.mark.parametrize("step", [*CopyPhase])
def test_a_process_that_is_killed_leaves_nothing(sqlite_url: str, target: str, step: CopyPhase) -> None:
    """Not a table, not a row; and the next try is a first one."""
    fill(sqlite_url)
    program = (
        "import os, signal, sys\n"
        "from alerter.storage import CopyPhase, Store\n"
        "def kill(step, done, all_):\n"
        f"    if step is CopyPhase.{step.name} and done > all_ / 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(sys.argv[1]).copy_to(Store(sys.argv[2]), on_progress=kill)\n"
    )

    killed = subprocess.run([sys.executable, "-c", program, sqlite_url, target], check=False, timeout=60)

    assert killed.returncode == -signal.SIGKILL
    assert state_of(target) is SchemaState.MISSING
    assert not copy(sqlite_url, target).was_there


def test_a_full_disk_leaves_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """A file that may not grow stands for a disk: the text says so, and the database is as before."""
    fill(sqlite_url)
    target = f"sqlite:///{tmp_path}/another.db"
    program = (
        "import resource, signal, sys\n"
        "from alerter.storage import Store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "Store(sys.argv[1]).copy_to(Store(sys.argv[2]), on_progress=lambda *_: None)\n"
    )

    failed = subprocess.run(
        [sys.executable, "-c", program, sqlite_url, target], check=False, timeout=60, capture_output=True
    )

    assert failed.returncode == 1
    assert f"StoreError: {tmp_path}/another.db: ".encode() in failed.stderr
    assert state_of(target) is SchemaState.MISSING


def test_nobody_copies_under_a_daemon(sqlite_url: str, target: str) -> None:
    """Neither from a database that a daemon uses, nor into one."""
    with closing(Store(sqlite_url)) as store, store.lock(), pytest.raises(StoreError, match="another alerter"):
        copy(sqlite_url, target)
    with closing(Store(target)) as store, store.lock(), pytest.raises(StoreError, match="another alerter"):
        copy(sqlite_url, target)

    assert state_of(target) is SchemaState.MISSING


def test_what_is_changed_meanwhile_is_refused_rather_than_lost(sqlite_url: str, target: str) -> None:
    """A silence that was added to the old database only would hold for nobody."""
    fill(sqlite_url)
    refusals: list[str] = []

    def write(_step: CopyPhase, _done: int, _all: int) -> None:
        with closing(sqlite3.connect(make_url(sqlite_url).database or "", timeout=0)) as connection:
            try:
                connection.execute("UPDATE tenants SET revision = 1")
            except sqlite3.OperationalError as error:
                refusals.append(str(error))

    copy(sqlite_url, target, write)

    assert set(refusals) == {"database is locked"}


def test_a_server_that_holds_less_than_unicode_is_refused(sqlite_url: str, postgresql: Server) -> None:
    """Names of hold reasons hold any character."""
    with (
        postgresql.database(template="template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'") as latin,
        pytest.raises(StoreError, match="expected the encoding UTF8, found LATIN1: createdb --encoding=UTF8"),
    ):
        copy(sqlite_url, latin)


def test_the_order_of_a_language_is_no_difference(sqlite_url: str, postgresql: Server) -> None:
    """Where a server sorts `a` before `B`, rows are still compared with their own."""
    fill(sqlite_url)
    with postgresql.database(template="template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en'") as english:
        copy(sqlite_url, english)

        assert copied(contents(english)) == copied(contents(sqlite_url))


def test_one_database_has_several_names(sqlite_url: str, tmp_path: Path) -> None:
    """A link to a file is that file; another login is no other database."""
    link = tmp_path / "link.db"
    link.symlink_to(make_url(sqlite_url).database or "")
    servers = [f"postgresql://{login}db.example/held" for login in ("", "ann:secret@", "bob@")]

    assert Store(sqlite_url).is_same_as(Store(f"sqlite:///{link}"))
    assert not Store(sqlite_url).is_same_as(Store(f"sqlite:///{tmp_path}/another.db"))
    assert all(Store(servers[0]).is_same_as(Store(each)) for each in servers)
    assert not Store(servers[0]).is_same_as(Store("postgresql://db.example/other"))
    assert not Store(servers[0]).is_same_as(Store(sqlite_url))
