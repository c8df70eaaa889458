"""How the database is: with real files, real locks and a real PostgreSQL."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from alerter.config import Config
from alerter.doctor import database
from alerter.doctor.database import assess_schema, assess_use, check_database, elsewhere
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.storage import SchemaState, Store
from alerter.storage.tables import database_sizes
from tests.builders import NOON, minutes, span
from tests.conftest import AddRevision
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING, a_config, only, outcomes
from tests.storage.stored import poll


def configured(folder: Path, url: str) -> Config:
    """Return a configuration with a database."""
    config = a_config(folder)
    return replace(config, service=config.service.model_copy(update={"database": url}))


def looked_at(config: Config, *, now: datetime = NOON) -> list[Finding]:
    """Return what is found of the database."""
    return list(check_database(config, monotonic=time.monotonic, now=now))  # noqa: TID251 - a real deadline


def about(findings: list[Finding], words: str) -> Finding:
    """Return the finding that says something."""
    return only(finding for finding in findings if words in finding.text)


def test_a_database_that_is_polled_is_well(database_url: str, tmp_path: Path) -> None:
    """Its schema, that it is whole, who polls, how large it is, and that it can be written."""
    with closing(Store(database_url)) as store:
        poll(store, "11:58", Spam=5)
        with store.lock():
            found = looked_at(configured(tmp_path, database_url))

    assert {finding.group for finding in found} == {Group.DATABASE}
    # Of a server's disk nothing is known.
    assert outcomes(found) == [OK, OK, OK, OK if database_url.startswith("sqlite") else NOT_APPLICABLE, OK]
    assert found[0].text == "its schema is this version's"
    assert found[2].text.startswith("the service holds it (")
    assert found[2].text.endswith("); the last poll was 2m ago")
    assert found[4].text == "it can be written"
    assert all(":hunter" not in finding.subject for finding in found)


def test_growth_is_what_was_measured(database_url: str, tmp_path: Path) -> None:
    """From the sizes that the service noted, be it a file or a server's; of a server's disk nothing is known."""
    with closing(Store(database_url)) as store:
        poll(store, "11:58", Spam=5)
        with store.write() as transaction:
            transaction.polls._put(database_sizes, [{"at": NOON - 4 * span("1d"), "used_bytes": 0}])  # noqa: SLF001 - as if it had been empty

    found = about(looked_at(configured(tmp_path, database_url)), " a day; ")

    used = float(found.measured["size_bytes"]) - float(found.measured["unused_bytes"])
    assert found.measured["bytes_per_day"] == pytest.approx(used / 4, abs=1)
    assert ("free_bytes" in found.measured) is database_url.startswith("sqlite")


def test_before_the_first_start_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    """And looking makes nothing."""
    finding = only(looked_at(configured(tmp_path, f"sqlite:///{tmp_path}/alerter.db")))

    assert (finding.outcome, finding.text) == (OK, "there is none yet; the first poll or start makes it")
    assert not (tmp_path / "alerter.db").exists()


def test_a_folder_that_is_not_there_is_found_before_the_first_start(tmp_path: Path) -> None:
    """The database could not be made."""
    finding = only(looked_at(configured(tmp_path, f"sqlite:///{tmp_path}/none/alerter.db")))

    assert (finding.outcome, finding.text) == (FAILED, f"there is no folder {tmp_path}/none")
    assert f"mkdir -p {tmp_path}/none" in finding.advice


def test_a_folder_that_may_not_be_written_is_found_before_the_first_start(tmp_path: Path) -> None:
    """The database could not be made there by this user."""
    config = configured(tmp_path, "sqlite:////usr/alerter.db")

    with as_nobody():
        finding = only(looked_at(config))

    assert (finding.outcome, finding.text) == (FAILED, "the folder /usr cannot be written")
    assert "service's user" in finding.advice


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may do little, where this is root."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_an_empty_postgresql_is_well(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The first start makes its tables."""
    with request.getfixturevalue("postgresql").database() as url:
        finding = only(looked_at(configured(tmp_path, url)))

    assert (finding.outcome, finding.text) == (OK, "it has no tables yet; the first start makes them")


def test_a_postgresql_that_is_not_there_has_failed(tmp_path: Path) -> None:
    """Its place is named, its password is not."""
    config = configured(tmp_path, "postgresql://alerter:hunter22@127.0.0.1:9/held?connect_timeout=1")

    finding = only(looked_at(config))

    assert finding.outcome is FAILED
    assert finding.text.startswith("it cannot be used: postgresql://127.0.0.1/held: ")
    assert "pg_hba.conf" in finding.advice
    assert "hunter22" not in finding.text


def test_a_file_that_is_no_database_has_failed(tmp_path: Path) -> None:
    """As when something else was configured by mistake."""
    (tmp_path / "notes.txt").write_text("Dear diary, " * 100)

    finding = only(looked_at(configured(tmp_path, f"sqlite:///{tmp_path}/notes.txt")))

    assert finding.outcome is FAILED
    assert "file is not a database" in finding.text


def test_a_damaged_database_has_failed(sqlite_url: str, tmp_path: Path) -> None:
    """The advice is to restore a backup."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:58", **{f"reason{number}": 1 for number in range(2000)})
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * 8192 + whole[len(whole) // 2 + 8192 :])

    finding = about(looked_at(configured(tmp_path, sqlite_url)), "it is not whole: ")

    assert finding.outcome is FAILED
    assert "alerter db restore" in finding.advice


def test_of_many_faults_of_a_file_the_first_are_named_on_one_line(sqlite_url: str, tmp_path: Path) -> None:
    """SQLite names a hundred, a line for each page that it cannot reach."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:58", **{f"reason{number}": 1 for number in range(2000)})
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * 4096] + b"x" * 4096 * 10 + whole[13 * 4096 :])

    finding = about(looked_at(configured(tmp_path, sqlite_url)), "it is not whole: ")

    assert finding.text.startswith(f"it is not whole: {path}: damaged: ")
    assert " more" in finding.text
    assert "\n" not in finding.text
    assert finding.text.count("; ") == 3


def test_a_database_that_takes_too_long_is_not_called_damaged(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor whole: it was not looked at to the end."""
    with closing(Store(sqlite_url)) as store:
        poll(store, "11:58", **{f"reason{number}": 1 for number in range(5000)})
    monkeypatch.setattr(database, "MAX_INTEGRITY_CHECK", 0.0)

    finding = about(looked_at(configured(tmp_path, sqlite_url)), "too large to be checked")

    assert finding.outcome is NOT_APPLICABLE


def test_a_database_that_another_program_keeps_locked_has_failed(sqlite_url: str, tmp_path: Path) -> None:
    """Who has it open is named, as far as it can be seen: here it is this process, which does not count."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        finding = about(looked_at(configured(tmp_path, sqlite_url)), "it cannot be written")

    assert finding.outcome is FAILED
    assert "database is locked" in finding.text
    assert "End the program" in finding.advice


def test_an_older_schema_is_looked_at_no_further(
    sqlite_url: str, tmp_path: Path, a_later_revision: AddRevision
) -> None:
    """What the tables hold, this version need not know."""
    a_later_revision("SELECT 1")

    found = looked_at(configured(tmp_path, sqlite_url))

    assert [finding.text for finding in found] == ["its schema is older", "it is whole"]
    assert outcomes(found) == [WARNING, OK]
    assert "alerter db upgrade" in found[0].advice


def test_a_database_of_a_newer_alerter_has_failed() -> None:
    """It cannot be used, and says with what it can."""
    finding = assess_schema("alerter.db", SchemaState.NEWER)

    assert finding.outcome is FAILED
    assert "Install that version" in finding.advice


@pytest.mark.parametrize(
    ("holder", "age", "outcome", "text"),
    [
        pytest.param("pid 812", "2m", OK, "the service holds it (pid 812); the last poll was 2m ago", id="a service"),
        pytest.param("pid 812", "16m", FAILED, "the service holds it (pid 812); the last poll was 16m ago", id="hung"),
        pytest.param("pid 812", None, FAILED, "the service holds it (pid 812); nothing was polled yet", id="new"),
        pytest.param(None, "2m", OK, "no service holds it; the last poll was 2m ago, as by cron", id="cron"),
        pytest.param(
            None, "2h", WARNING, "nobody polls: no service holds it, and the last poll was 2h ago", id="stopped"
        ),
        pytest.param(
            None, None, WARNING, "nobody polls: no service holds it, and nothing was polled yet", id="never begun"
        ),
        pytest.param(None, "-5m", OK, "no service holds it; the last poll was 0s ago, as by cron", id="set back"),
    ],
)
def test_who_uses_the_database_and_who_polls(holder: str | None, age: str | None, outcome: Outcome, text: str) -> None:
    """A service that holds it and does not poll has failed; without one, somebody else may poll."""
    finding = assess_use("alerter.db", holder, polled(age), limit=minutes(15), now=NOON)

    assert (finding.outcome, finding.text) == (outcome, text)
    assert bool(finding.advice) is (outcome is not OK)


def polled(age: str | None) -> datetime | None:
    """Return when the last poll was, so long before noon; a minus is after it."""
    if age is None:
        return None
    return NOON + span(age[1:]) if age.startswith("-") else NOON - span(age)


def test_a_database_that_no_service_reads_is_pointed_out(tmp_path: Path) -> None:
    """What was imported beside the configuration, before the service had its folder, is not lost."""
    config = replace(a_config(tmp_path), path=tmp_path / "etc/alerter/rules.toml")
    config.path.parent.mkdir(parents=True)
    own = tmp_path / "var/lib/alerter/alerter.db"

    before = list(elsewhere(config, own, root=tmp_path))
    (config.path.parent / "alerter.db").touch()
    found = only(elsewhere(config, own, root=tmp_path))

    assert before == []
    assert (found.subject, found.outcome) == (str(config.path.with_name("alerter.db")), WARNING)
    assert "alerter db restore" in found.advice
    assert list(elsewhere(config, config.path.with_name("alerter.db"), root=tmp_path)) == []
    assert list(elsewhere(config, None, root=tmp_path)) == []
