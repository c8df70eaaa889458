"""Root's connections to another user's SQLite file: nothing of SQLite's is done as root."""

import gc
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from alerter.folders import as_owner
from alerter.storage import connections
from alerter.storage.connections import SUFFIXES, connect, copy_all
from tests.users import USER, give, make_folder, needs_root, owners_in, state_of

#: What of a connection and a cursor touches no file, or calls only what does.
HARMLESS = frozenset(
    {
        "create_aggregate", "create_collation", "create_function", "create_window_function", "enable_load_extension",
        "getlimit", "interrupt", "load_extension", "set_authorizer", "set_progress_handler", "set_trace_callback",
        "setlimit", "getconfig", "setconfig", "setinputsizes", "setoutputsize",
    }
)  # fmt: skip
#: What alerter does not use: a test elsewhere would find it.
UNUSED = frozenset({"backup", "blobopen", "deserialize", "iterdump", "serialize"})


@pytest.mark.parametrize("kind", ["Connection", "Cursor"])
def test_each_method_that_may_touch_a_file_acts_as_the_owner(kind: str) -> None:
    """Python may come to know more of them: each is to be looked at."""
    of_python, ours = getattr(sqlite3, kind), getattr(connections, f"_Owners{kind}")
    names = {name for name in dir(of_python) if callable(getattr(of_python, name)) and not name.startswith("_")}

    inherited = {name for name in names if getattr(ours, name) is getattr(of_python, name)}

    assert not {each for each in inherited if not each[0].isupper()} - HARMLESS - UNUSED


def test_no_module_uses_what_would_act_as_root() -> None:
    """Nothing but this one opens an SQLite file, or calls the methods that it leaves as they are."""
    folder = Path(connections.__file__).parents[1]
    wrong = [f".{name}(" for name in sorted(UNUSED - {"backup"})]

    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        assert not [each for each in wrong if each in source], path
        opens = "sqlite3.connect(" in source.replace('sqlite3.connect(""', "")  # a temporary one has no name
        assert opens == (path == Path(connections.__file__)), path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of another user."""
    return make_folder(tmp_path / "data")


@needs_root
def test_all_that_sqlite_makes_is_the_owners(folder: Path) -> None:
    """The file, its WAL and the index of that; and a journal, where there is no WAL."""
    seen = set[str]()
    with closing(connect(folder / "a.db", "rwc")) as connection:
        for mode in ("WAL", "DELETE"):
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TABLE {mode}_ (a)")
            connection.executemany(f"INSERT INTO {mode}_ VALUES (?)", [(f"{number}" * 500,) for number in range(999)])  # noqa: S608 - two words
            seen |= {each.name for each in folder.iterdir()}
            assert owners_in(folder) == {(USER, USER)}
            connection.commit()

    assert seen == {f"a.db{suffix}" for suffix in SUFFIXES}


@needs_root
def test_a_statement_that_is_left_half_read_ends_as_the_owner(folder: Path) -> None:
    """It is ended, and commits, when its cursor goes: that may be at any time."""
    with closing(connect(folder / "a.db", "rwc")) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute("INSERT INTO a VALUES (1), (2) RETURNING b")

    assert owners_in(folder) == {(USER, USER)}
    with closing(connect(folder / "a.db", "ro")) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (2,)
    assert not any(Path("/").glob("a.db*"))


@needs_root
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["link", "dangling link", "named pipe"])
def test_nothing_that_is_planted_is_followed_or_waited_for(folder: Path, suffix: str, kind: str) -> None:
    """Whichever of SQLite's files it stands for, to read as to write."""
    outside = folder.with_name("shadow")
    outside.write_text("root:secret\n")
    path = folder / f"a.db{suffix}"
    if suffix:
        with closing(connect(folder / "a.db", "rwc")) as connection:
            connection.execute("CREATE TABLE a (b)")
    if kind == "named pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(outside if kind == "link" else outside.with_name("new"))
    give(path)
    before = state_of(folder.parent)

    for mode in ("ro", "rw", "rwc"):
        with pytest.raises(sqlite3.OperationalError, match=f"expected a file, found a .*: .*/a.db{suffix}"):
            connect(folder / "a.db", mode)

    assert state_of(folder.parent) == before


@needs_root
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_copy_is_made_from_a_users_folder_into_roots_and_back(folder: Path, tmp_path: Path, mode: str) -> None:
    """Each file is read and written with the rights that count where it is, in one call of SQLite's."""
    with closing(connect(folder / "a.db", "rwc")) as source, closing(connect(tmp_path / "b.db", "rwc")) as target:
        source.execute(f"PRAGMA journal_mode={mode}")
        source.execute("CREATE TABLE a (b)")
        with closing(connect(folder / "a.db", "ro")) as reading:
            copy_all(reading, target)
        with closing(connect(folder / "c.db", "rwc")) as back:
            copy_all(target, back)
            assert back.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]

    assert owners_in(folder) == {(USER, USER)}
    assert (tmp_path / "b.db").stat().st_uid == 0


@needs_root
def test_a_connection_that_nobody_closed_is_ended_as_the_owner_at_any_time(folder: Path, tmp_path: Path) -> None:
    """Such as within the block of another one, by the garbage collector, together with all that it refers to."""
    other = make_folder(tmp_path / "other")

    def leave_one() -> None:
        connection = connect(other / "b.db", "rwc")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE a (b)")
        cycle: list[object] = [connection, connection.execute("INSERT INTO a VALUES (1), (2) RETURNING b")]
        cycle.append(cycle)

    leave_one()
    with as_owner(folder / "made") as reached:
        gc.collect()
        reached.touch()

    assert (folder / "made").stat().st_uid == USER
    assert [each.name for each in other.iterdir()] == ["b.db"]
    with closing(connect(other / "b.db", "ro")) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (2,)
    assert not any(Path("/").glob("b.db*"))
