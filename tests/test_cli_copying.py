"""`alerter db copy`, as its user types it: from a real file into a real PostgreSQL, by a variable."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from alerter.storage import SchemaState, Store
from tests.commands import RunCommand, runner
from tests.postgres import Server
from tests.storage.filled import fill

CONFIGURATION = """
[tenants.acme]
client_id     = "${CLIENT_ID}"
client_secret = "${CLIENT_SECRET}"

[receivers.secops]
urls = ["${SLACK_URL}"]
"""


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a database beside it in which there is something; its secrets are the service's alone."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIGURATION)
    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store:
        store.upgrade()
    fill(f"sqlite:///{tmp_path}/alerter.db")
    return path


@pytest.fixture
def empty_url(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database with a password, which stands in $DATABASE_URL."""
    with postgresql.database() as url:
        with_password = make_url(url).set(password="hunter-22").render_as_string(hide_password=False)
        monkeypatch.setenv("DATABASE_URL", with_password)
        yield with_password


def test_a_move_says_what_is_next(alerter: RunCommand, config: Path, tmp_path: Path, empty_url: str) -> None:
    """The URL is named as the configuration will name it; afterwards the same configuration reads from there."""
    shown = f"postgresql:///{make_url(empty_url).database}"

    done = alerter("db", "copy", "${DATABASE_URL}", "--config", config)
    again = alerter("db", "copy", "${DATABASE_URL}", "--config", config)
    config.write_text('[service]\ndatabase = "${DATABASE_URL}"\n' + config.read_text())
    status = alerter("db", "upgrade", "--config", config)

    assert (done.code, again.code, status.code) == (0, 0, 0)
    copied, then, keep = done.out.splitlines()
    assert copied.startswith("copied ")
    assert copied.endswith(f" tables from {tmp_path}/alerter.db to {shown}, and compared each")
    assert then == f'next: write database = "${{DATABASE_URL}}" into [service] of {config}, then start the service'
    assert keep == f"{tmp_path}/alerter.db stays as it is: keep it until all is well, and remove it then"
    assert f"{shown} is a copy of {tmp_path}/alerter.db already: " in again.out
    assert status.out == "the database is up to date\n"
    assert "hunter-22" not in done.out + done.err + again.out + again.err


def test_a_password_in_the_command_line_is_warned_of(alerter: RunCommand, config: Path, empty_url: str) -> None:
    """It works, and what is printed neither repeats the password nor suggests to write it into the configuration."""
    done = alerter("db", "copy", empty_url, "--config", config)

    assert done.code == 0
    assert done.err.startswith("warning: the password was in the list of processes")
    assert 'write database = "${DATABASE_URL}" into' in done.out
    assert "hunter-22" not in done.out + done.err


def test_what_cannot_be_copied_is_said(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """What was typed wrong is 2, what cannot be done is 1; no text has the password."""
    unknown = alerter("db", "copy", "${NO_SUCH_URL}", "--config", config)
    mistyped = alerter("db", "copy", "postgres://ann:hunter-22@db/held", "--config", config)
    itself = alerter("db", "copy", "sqlite:///alerter.db", "--config", config)
    away = alerter("db", "copy", "postgresql://ann:hunter-22@127.0.0.1:9/held", "--config", config)
    (tmp_path / "alerter.db").unlink()
    none = alerter("db", "copy", "sqlite:///another.db", "--config", config)

    assert [each.code for each in (unknown, mistyped, itself, away, none)] == [2, 2, 2, 1, 1]
    assert "NO_SUCH_URL is not set" in unknown.err
    assert "did you mean 'postgresql://'?" in mistyped.err
    assert f"{tmp_path}/alerter.db is the database of {config} itself: name the new one" in itself.err
    assert "alerter: postgresql://127.0.0.1/held: " in away.err
    assert "there is no history yet" in none.err
    assert all("hunter-22" not in each.out + each.err for each in (unknown, mistyped, itself, away, none))
    assert not (tmp_path / "another.db").exists()


def test_nothing_is_copied_while_the_service_runs(
    alerter: RunCommand, config: Path, tmp_path: Path, empty_url: str
) -> None:
    """The message names the process that must be stopped."""
    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store, store.lock():
        refused = alerter("db", "copy", "${DATABASE_URL}", "--config", config)

    assert refused.code == 1
    assert f"another alerter (pid {os.getpid()}) is running on {tmp_path}/alerter.db" in refused.err
    with closing(Store(empty_url)) as store:
        assert store.schema_state() is SchemaState.MISSING


def test_a_terminal_shows_how_far_it_is(config: Path, tmp_path: Path) -> None:
    """On standard error, and gone when it is done: standard output has the result alone."""
    ours, theirs = pty.openpty()
    command = ["-m", "alerter", "db", "copy", f"sqlite:///{tmp_path}/another.db", "--config", str(config)]

    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=theirs, check=False, cwd=tmp_path, timeout=60
    )

    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout.startswith(b"copied ")
    assert "rows copied" in shown
    assert "rows compared" in shown
    assert shown.endswith("\r\x1b[K")
