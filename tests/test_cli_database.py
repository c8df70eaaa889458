"""`alerter db`, as its user types it: real files, a real PostgreSQL URL, and a service that runs."""

import json
import os
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from alerter.storage.tables import REVISIONS
from tests.commands import Outcome, RunCommand, a_configuration, runner
from tests.conftest import AddRevision
from tests.test_migrations import migrate


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration beside whose file the database will be."""
    with Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario.from_csv("time,reason,count\n")) as simulator:  # noqa: TID251 - real requests carry the real date
        path = tmp_path / "rules.toml"
        path.write_text(a_configuration(simulator))
    return path


def test_a_backup_comes_back(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """What a newcomer tries: back up, restore, look; each says what it did."""
    alerter("db", "upgrade", "--config", config)

    made = alerter("db", "backup", tmp_path / "copy.db", "--config", config)
    back = alerter("db", "restore", tmp_path / "copy.db", "--config", config)

    assert (made.code, back.code) == (0, 0)
    assert made.out.startswith(f"backed up to {tmp_path}/copy.db: ")
    assert made.out.endswith("KiB, checked\n")
    assert f"{tmp_path}/alerter.db is a copy of {tmp_path}/copy.db" in back.out
    kept = Path(back.out.splitlines()[1].removeprefix("the database as it was: "))
    assert kept.parent == tmp_path
    assert kept.is_file()


def test_what_was_done_is_an_object_for_a_program(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Paths, sizes in bytes and revisions, as a script that backs up needs them."""

    def run(*words: str) -> Mapping[str, Any]:
        done = alerter("db", *words, "--json", "--config", config)
        assert (done.code, done.err) == (0, "")
        return dict(json.loads(done.out))

    database, copy = f"{tmp_path}/alerter.db", f"{tmp_path}/copy.db"
    first, again = run("upgrade"), run("upgrade")
    made = run("backup", copy)
    compacted = run("compact")
    restored = run("restore", copy)
    copied = run("copy", f"sqlite:///{tmp_path}/other.db")
    refused = json.loads(alerter("db", "backup", copy, "--json", "--config", config).out)

    assert (first["upgraded"], first["before"], first["after"]) == (True, None, REVISIONS[-1])
    assert again == {"upgraded": False, "before": None, "after": None, "backup": None}
    assert made == {"backup": copy, "size_bytes": Path(copy).stat().st_size}
    assert compacted["database"] == database
    assert compacted["size_bytes_before"] >= compacted["size_bytes"] > 0
    assert (restored["database"], restored["backup"], restored["needs_upgrade"]) == (database, copy, False)
    assert Path(restored["previous_file"]).is_file()
    assert (copied["database"], copied["copy"], copied["was_there"]) == (database, f"{tmp_path}/other.db", False)
    assert copied["rows"].keys() >= {"tenants", "alerts"}
    assert "exists already" in refused["errors"][0]["text"]


def test_a_file_is_compacted(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """It says what it has come to; without a database, or beside a service, it is refused."""
    none = alerter("db", "compact", "--config", config)
    alerter("db", "upgrade", "--config", config)
    done = alerter("db", "compact", "--config", config)
    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store, store.lock():
        busy = alerter("db", "compact", "--config", config)

    assert (none.code, done.code, busy.code) == (1, 0, 1)
    assert "there is no database yet" in none.err
    assert done.out.startswith(f"compacted {tmp_path}/alerter.db: ")
    assert done.out.endswith(" KiB now\n")
    assert "another alerter" in busy.err


def test_what_cannot_be_backed_up_is_said(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """No database yet is 1; a name that is taken, or in no folder, is the user's input and 2."""
    none = alerter("db", "backup", tmp_path / "copy.db", "--config", config)
    alerter("db", "upgrade", "--config", config)
    taken = alerter("db", "backup", config, "--config", config)
    nowhere = alerter("db", "backup", tmp_path / "none" / "copy.db", "--config", config)

    assert (none.code, taken.code, nowhere.code) == (1, 2, 2)
    assert "there is no database yet" in none.err
    assert "rules.toml exists already" in taken.err
    assert f"there is no folder {tmp_path}/none" in nowhere.err
    assert not (tmp_path / "copy.db").exists()


def test_a_restore_is_refused_while_a_service_runs(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """The message names the process that must be stopped; nothing was changed."""
    alerter("db", "upgrade", "--config", config)
    alerter("db", "backup", tmp_path / "copy.db", "--config", config)
    before = (tmp_path / "alerter.db").stat().st_ino

    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store, store.lock():
        refused = alerter("db", "restore", tmp_path / "copy.db", "--config", config)
        backed_up = alerter("db", "backup", tmp_path / "second.db", "--config", config)

    assert (refused.code, backed_up.code) == (1, 0)
    assert f"another alerter (pid {os.getpid()}) is running" in refused.err
    assert (tmp_path / "alerter.db").stat().st_ino == before


def test_a_restore_of_no_backup_is_the_users_input(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """It is found out before anything is touched."""
    alerter("db", "upgrade", "--config", config)

    refused = alerter("db", "restore", config, "--config", config)

    assert refused.code == 2
    assert "no good backup" in refused.err
    assert "rules.toml" in refused.err
    assert list(tmp_path.glob("*.replaced*")) == []


def test_an_older_schema_is_restored_and_what_follows_is_said(
    alerter: RunCommand, config: Path, tmp_path: Path, a_later_revision: AddRevision
) -> None:
    """The backup of an earlier version is good: its schema is upgraded as that of a database is."""
    older_file = tmp_path / "older.db"
    migrate(f"sqlite:///{older_file}", REVISIONS[0])
    a_later_revision("SELECT 1")

    restored = alerter("db", "restore", older_file, "--config", config)
    upgraded = alerter("db", "upgrade", "--config", config)

    assert (restored.code, upgraded.code) == (0, 0)
    assert "its schema is older: the service upgrades it at its start" in restored.out
    assert "upgraded from 0001" in upgraded.out
    assert (tmp_path / "alerter.db").exists()


def test_postgresql_is_backed_up_with_its_own_tools(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Both commands end with 2 and print the command that does it, without the password; no server is asked."""
    config.write_text(
        config.read_text().replace("[service]", '[service]\ndatabase = "postgresql://alerter:hunter22@db.example/held"')
    )

    def ends(verb: str) -> Outcome:
        return alerter("db", verb, tmp_path / "copy.dump", "--config", config)

    backup, restore = ends("backup"), ends("restore")

    assert (backup.code, restore.code) == (2, 2)
    assert f"pg_dump --format=custom --file={tmp_path}/copy.dump postgresql://db.example/held" in backup.err
    assert f"pg_restore --clean --if-exists --dbname=postgresql://db.example/held {tmp_path}/copy.dump" in restore.err
    assert "hunter22" not in backup.err + restore.err


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_name_that_no_file_can_have_is_an_error(alerter: RunCommand, config: Path, command: str) -> None:
    """The system refuses even to look for it: 255 bytes are the most."""
    alerter("db", "upgrade", "--config", config)

    said = alerter("db", command, "--config", config, "a" * 300)

    assert "File name too long" in said.err
    assert "Traceback" not in said.err
