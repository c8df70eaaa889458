"""Root's commands in a data folder of another user, who has planted something there: each command, as it is typed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from alerter.storage import Store
from tests.commands import Outcome, RunCommand, runner
from tests.programs import needed
from tests.storage.stored import poll
from tests.users import USER, give, make_folder, needs_root, owners_in, state_of

pytestmark = needs_root

CONFIG = """
[service]
database = "sqlite:///{folder}/alerter.db"
[tenants.acme]
base_url = "http://127.0.0.1:9"
client_id = "made-up-id"
client_secret = "made-up-secret"
[receivers.secops]
urls = ["json://127.0.0.1:9/"]
[[rules]]
name = "Backlog"
warning = {{ threshold = {{ above = 5 }} }}
"""
HISTORY = "time,tenant,reason,held\n2026-03-01T10:00:00Z,acme,Spam,5\n2026-03-01T10:05:00Z,acme,Spam,7\n"
#: Each name that alerter or SQLite may make in a data folder, or beside what root asks for there.
NAMES = (
    "alerter.db", "alerter.db-wal", "alerter.db-shm", "alerter.db-journal", "alerter.db.lock", "alerter.db.0009.bak",
    "export.csv", "backup.db", "copy.db", "copy.db-wal", "copy.db-journal", "copy.db.lock",
)  # fmt: skip
#: What root asks for in its own folder.
MADE = frozenset({"export.csv", "backup.db", "copy.db", "copy.db.lock"})
#: `{folder}` is the other user's, `{own}` root's.
COMMANDS = (
    "poll", "poll --dry-run", "status", "status --nagios", "tenants", "alerts", "history Spam", "explain acme Spam",
    "suggest", "backtest --since 3d", "notifications", "ack 1a2b3c4d", "silence add --reason Spam --for 1h --comment c",
    "silence list", "export -o {own}/export.csv", "export -o {folder}/export.csv", "import {own}/history.csv",
    "db upgrade", "db backup {own}/backup.db", "db backup {folder}/backup.db", "db restore {own}/good.db", "db compact",
    "db copy sqlite:///{own}/copy.db", "db copy sqlite:///{folder}/copy.db", "doctor",
)  # fmt: skip


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def own(tmp_path: Path, migrated_file: Path) -> Path:
    """A folder of root's, with a configuration, history to import, a backup, and what nobody else may read."""
    path = tmp_path / "own"
    path.mkdir()
    (path / "rules.toml").write_text(CONFIG.format(folder=tmp_path / "data"))
    (path / "history.csv").write_text(HISTORY)
    (path / "shadow").write_text("root:secret\n")
    database = Path(shutil.copy(migrated_file, tmp_path / "source.db"))
    with closing(Store(f"sqlite:///{database}")) as store:
        poll(store, "11:00", Spam=5)
        store.backup(path / "good.db")
    return path


@pytest.fixture
def folder(tmp_path: Path, own: Path) -> Path:
    """The folder of the other user, with a database."""
    path = make_folder(tmp_path / "data")
    give(Path(shutil.copy(own / "good.db", path / "alerter.db"))).chmod(0o600)
    return path


def runs(alerter: RunCommand, own: Path, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """Run each command, one after the other."""
    for line in COMMANDS:
        words = [word.format(own=own, folder=folder) for word in line.split()]
        yield line, alerter(*words, "--config", own / "rules.toml")


def test_every_command_does_its_work_and_leaves_nothing_of_roots(alerter: RunCommand, own: Path, folder: Path) -> None:
    """What was there and what is made belongs to the user; what root asks for in its own folder is root's."""
    codes = {}
    for line, done in runs(alerter, own, folder):
        codes[line] = done.code
        assert "Traceback" not in done.err, line
        assert owners_in(folder) == {(USER, USER)}, line

    # Nothing answers at port 9, and no alert is known by that number.
    expected = {"poll": 1, "poll --dry-run": 1, "ack 1a2b3c4d": 2, "doctor": 1, "tenants": 1, "alerts": 1}
    expected |= {"status": 1, "status --nagios": 2}
    assert {line: code for line, code in codes.items() if code} == expected
    assert {(own / name).stat().st_uid for name in ("export.csv", "backup.db", "copy.db")} == {0}
    assert {"export.csv", "backup.db", "copy.db"} <= {each.name for each in folder.iterdir()}


def plant(folder: Path, name: str, kind: str, own: Path) -> None:
    """Put something in the place of a file, as the other user can."""
    path = folder / name
    path.unlink(missing_ok=True)
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(own / "shadow"),
        "dangling link": lambda: path.symlink_to(own / "new"),
        "named pipe": lambda: os.mkfifo(path),
    }
    make[kind]()
    give(path)


@pytest.mark.parametrize("kind", ["link", "dangling link", "named pipe"])
@pytest.mark.parametrize("name", [pytest.param(each, marks=pytest.mark.slow) for each in NAMES] + ["all"])
def test_nothing_planted_leads_root_out_of_the_folder(
    alerter: RunCommand, own: Path, folder: Path, name: str, kind: str
) -> None:
    """Each command says what is wrong or does its work: what is outside stays, and nothing inside is root's."""
    names = NAMES if name == "all" else (name,)
    for each in names:
        plant(folder, each, kind, own)
    before, root_before = state_of(own), sorted(os.listdir("/"))  # noqa: PTH208 - names are enough

    for line, done in runs(alerter, own, folder):
        assert "Traceback" not in done.err, line
        assert "a bug in alerter" not in done.out, line
        assert "internal error" not in done.err, line
        for made in MADE & (state_of(own).keys() - before.keys()):
            (own / made).unlink()
        assert state_of(own) == before, line
        assert sorted(os.listdir("/")) == root_before, line  # noqa: PTH208 - as above
        assert owners_in(folder) == {(USER, USER)}, line
        for each in names:
            plant(folder, each, kind, own)


def test_a_planted_link_is_named(alerter: RunCommand, own: Path, folder: Path) -> None:
    """The issue's own: `alerter poll` emptied what the lock led to."""
    plant(folder, "alerter.db.lock", "link", own)

    done = alerter("poll", "--config", own / "rules.toml")

    assert done.code == 1
    assert f"{folder}/alerter.db.lock: expected a file, found a link" in done.err
    assert (own / "shadow").read_text() == "root:secret\n"


def test_a_folder_that_is_another_users_way_to_roots_is_refused(alerter: RunCommand, own: Path, tmp_path: Path) -> None:
    """The folder itself can be a link, by which root would write to a folder of its own."""
    (tmp_path / "data").symlink_to(own)
    give(tmp_path / "data")
    before = state_of(own)

    done = alerter("poll", "--config", own / "rules.toml")

    assert done.code == 1
    assert f"user {USER} leads to what is user 0's" in done.err
    assert state_of(own) == before


def test_an_export_leaves_a_link_of_another_user(alerter: RunCommand, own: Path, folder: Path) -> None:
    """It does not go where that leads, and replaces nothing."""
    plant(folder, "export.csv", "link", own)

    done = alerter("export", "-o", folder / "export.csv", "--config", own / "rules.toml")

    assert done.code == 1
    assert "File exists" in done.err
    assert (folder / "export.csv").is_symlink()
    assert (own / "shadow").read_text() == "root:secret\n"


def without(*capabilities: str) -> list[str]:
    """Return what runs a command as a root that lacks some of its powers, as in a container."""
    lost = ",".join(f"-{each}" for each in capabilities)
    return [needed("setpriv"), f"--bounding-set={lost}", f"--inh-caps={lost}"]


@pytest.fixture
def reachable(own: Path) -> Iterator[Path]:
    """A folder of the other user that everybody can reach, with what was planted in it."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = make_folder(Path(name) / "data")
        (own / "rules.toml").write_text(CONFIG.format(folder=folder))
        yield folder


def test_a_root_that_may_not_confine_itself_still_acts_as_the_owner(own: Path, reachable: Path) -> None:
    """As in Docker: what the owner may not write, no link leads root to."""
    command = [*without("sys_chroot"), sys.executable, "-m", "alerter", "poll", "--config", str(own / "rules.toml")]

    well = subprocess.run(command, capture_output=True, text=True, check=False)
    owners = owners_in(reachable)
    plant(reachable, "alerter.db.lock", "dangling link", own)
    refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "cause: unreachable" in well.stdout, well.stderr
    assert owners == {(USER, USER)}
    assert "alerter.db.lock: expected a file, found a link" in refused.stderr
    assert not (own / "new").exists()


def test_a_root_that_may_not_be_another_user_says_so(own: Path, reachable: Path) -> None:
    """It touches nothing, and names who could."""
    command = [
        *without("setuid", "setgid"),
        sys.executable,
        "-m",
        "alerter",
        "poll",
        "--config",
        str(own / "rules.toml"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"root may not act as the owner of the folder here: run this as user {USER}" in done.stderr
    assert list(reachable.iterdir()) == []
