"""`alerter export` and `alerter import`, as their users type them."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.storage import Store
from tests.commands import RunCommand, runner
from tests.conftest import AddRevision

_OF_SQLITE = ("alerter.db-wal", "alerter.db-shm", "alerter.db.lock")
CONFIGURATION = """
[service]
timezone  = "Europe/London"
retention = "30d"
[tenants.acme]
client_id     = "id-0001"
client_secret = "secret-0001"
[receivers.secops]
urls = ["json://127.0.0.1:9"]
[[rules]]
name    = "Backlog"
warning = { threshold = { above = 100 } }
"""


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of one tenant, with no database yet."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
def database(config: Path) -> Path:
    """Where the database is, or will be."""
    return config.with_name("alerter.db")


@pytest.fixture
def yesterday() -> datetime:
    """Noon of the day before, for commands that know the real time."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)  # noqa: TID251 - commands carry the real date


def polled(database: Path, taken_at: datetime, held: dict[str, int]) -> None:
    """Store a poll."""
    counts = {HoldReason(reason): count for reason, count in held.items()}
    with closing(Store(f"sqlite:///{database}")) as store:
        store.upgrade()
        with store.write() as transaction:
            snapshot = Snapshot(tenant=Tenant("acme"), taken_at=taken_at, counts=counts)
            transaction.history.add(snapshot, poll_interval=timedelta(minutes=5))


def a_file(path: Path, begin: datetime, rows: int, *, head: str = "time,reason,count") -> Path:
    """Write what a cron script would have."""
    lines = [f"{begin + timedelta(minutes=5 * number):%Y-%m-%dT%H:%M:%SZ},Spam,{number % 7}" for number in range(rows)]
    path.write_text("\n".join([head, *lines, ""]))
    return path


def test_a_newcomer_imports_before_the_first_poll(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime
) -> None:
    """A script's counts become the history, with a summary; nothing was set up before."""
    path = a_file(tmp_path / "cron.csv", yesterday, 50)

    done = alerter("import", path, "--config", config)
    shown = alerter("history", "Spam", "--since", "3d", "--config", config)

    assert (done.code, done.err) == (0, "")
    assert "acme: 1 hold reason, polled every 5m" in done.out
    assert "50 polls, 50 of them new; no gap" in done.out
    assert "50 rows read; 49 changes of counts written" in done.out
    assert len(shown.out.splitlines()) == 49


def test_to_import_twice_changes_nothing(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """It says so, and the database is the same."""
    path = a_file(tmp_path / "cron.csv", yesterday, 50)
    alerter("import", path, "--config", config)
    before = "\n".join(sqlite3.connect(database).iterdump())

    again = alerter("import", path, "--config", config)

    assert again.code == 0
    assert "nothing is new: all of that time is covered already, and stays as it is" in again.out
    assert "\n".join(sqlite3.connect(database).iterdump()) == before


def test_a_dry_run_shows_what_would_be_new(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """Not even a database is made."""
    path = a_file(tmp_path / "cron.csv", yesterday, 3)

    shown = alerter("import", path, "--dry-run", "--config", config)

    assert "2 changes of counts would be written; nothing was changed" in shown.out
    assert not database.exists()


def test_every_problem_of_a_file_is_shown_and_nothing_imported(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """Each with file and line; the exit code is that of wrong input."""
    path = a_file(tmp_path / "cron.csv", yesterday, 3)
    path.write_text(path.read_text() + "2026-01-01T00:00Z,Spam,-1\n2026-01-01T00:00Z,Spam\n")

    shown = alerter("import", path, "--config", config)
    as_json = json.loads(alerter("import", path, "--json", "--config", config).out)

    assert shown.code == 2
    assert f"{path}:5: count: expected a whole number" in shown.err
    assert f"{path}:6: expected 3 cells" in shown.err
    assert shown.err.endswith("2 errors; nothing was imported\n")
    assert (as_json["ok"], as_json["count"], len(as_json["errors"])) == (False, 2, 2)
    assert not database.exists()


def test_a_thousand_problems_do_not_fill_the_screen(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """The first of them are shown, all are counted."""
    path = tmp_path / "cron.csv"
    path.write_text("time,reason,held\n" + "2026-01-01T00:00Z,Spam,x\n" * 1000)

    shown = alerter("import", path, "--config", config)

    assert len(shown.err.splitlines()) == 21
    assert "1,000 errors, of which the first 20 are shown; nothing was imported" in shown.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(["--tenant", "acmee"], "('acme'), found 'acmee', did you mean 'acme'?", id="a misspelt tenant"),
        pytest.param(["--column", "size=3"], "expected time, tenant, reason or held", id="a field that there is not"),
        pytest.param(["--column", "time"], "'=' and a column, found 'time'", id="a field without a column"),
        pytest.param(["--column", "held=a", "--column", "count=b"], "each once", id="a field twice"),
        pytest.param(["--interval", "5"], "expected a duration", id="no duration"),
        pytest.param(["--interval", "0s"], "expected at least 1s", id="no distance"),
        pytest.param(["--timezone", "Mars"], "expected a time zone", id="no time zone"),
    ],
)
def test_a_wrong_option_is_the_users_input(
    alerter: RunCommand, config: Path, yesterday: datetime, options: list[str], expected: str
) -> None:
    """It says what was expected, and ends with 2."""
    shown = alerter("import", a_file(config.with_name("cron.csv"), yesterday, 3), *options, "--config", config)

    assert shown.code == 2
    assert expected in " ".join(shown.err.split())


def test_what_the_user_may_not_have_meant_is_a_warning(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime
) -> None:
    """History of a tenant that is not configured, and history that will be deleted at once."""
    path = a_file(tmp_path / "cron.csv", yesterday - timedelta(days=60), 3)
    path.write_text(path.read_text().replace("reason", "tenant,reason").replace(",Spam", ",legacy,Spam"))

    shown = alerter("import", path, "--config", config)

    assert shown.code == 0
    assert "rules.toml has no tenant legacy: no rule evaluates that history" in shown.err
    assert "deletes what is older than its retention, 30d, within an hour" in shown.err


def test_an_import_tells_a_program_what_it_found(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime
) -> None:
    """The summary as JSON, with gaps."""
    path = a_file(tmp_path / "cron.csv", yesterday, 12)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:5] + lines[9:]) + "\n")

    (tenant,) = json.loads(alerter("import", path, "--json", "--config", config).out)["tenants"]

    assert (tenant["tenant"], tenant["reasons"], tenant["interval"], tenant["polls"]) == ("acme", 1, 300.0, 8)
    assert len(tenant["gaps"]) == 1


def test_an_older_database_is_not_upgraded_under_a_service(
    alerter: RunCommand,
    config: Path,
    tmp_path: Path,
    yesterday: datetime,
    database: Path,
    *,
    a_later_revision: AddRevision,
) -> None:
    """It says what to do."""
    polled(database, yesterday, {"Spam": 1})
    a_later_revision("SELECT 1")

    shown = alerter("import", a_file(tmp_path / "cron.csv", yesterday, 3), "--config", config)

    assert shown.code == 1
    assert "run `alerter db upgrade`" in shown.err


@pytest.mark.parametrize("name", ["history.csv", "history.jsonl"])
def test_what_is_exported_is_imported_elsewhere(
    alerter: RunCommand, config: Path, yesterday: datetime, database: Path, name: str
) -> None:
    """An installation moves with two commands."""
    tmp_path = config.parent
    polled(database, yesterday, {"Spam": 1, "=1+1": 2})
    polled(database, yesterday + timedelta(minutes=5), {"Spam": 3})
    elsewhere = tmp_path / "elsewhere" / "rules.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(CONFIGURATION)

    wrote = alerter("export", "-o", tmp_path / name, "--config", config)
    took = alerter("import", tmp_path / name, "--config", elsewhere)

    assert (wrote.code, took.code) == (0, 0)
    assert wrote.out == ""
    assert wrote.err == f"wrote {tmp_path / name}: 7 records\n"
    here, there = (alerter("export", "--format", "jsonl", "--config", each).out for each in (config, elsewhere))
    assert here == there
    assert len(here.splitlines()) == 7


def test_an_export_can_be_a_part(alerter: RunCommand, config: Path, yesterday: datetime, database: Path) -> None:
    """Some tenants, some reasons, some time; what was held when it begins comes along."""
    polled(database, yesterday, {"Spam": 1, "Virus": 2})
    polled(database, yesterday + timedelta(minutes=5), {"Spam": 1, "Virus": 3})

    begin = f"{yesterday + timedelta(minutes=2):%Y-%m-%dT%H:%MZ}"
    shown = alerter("export", "--reason", "s*", "--since", begin, "--format", "jsonl", "--config", config)

    partial, *records = [json.loads(line) for line in shown.out.splitlines()]
    assert partial == {"record": "partial"}
    assert [(record["record"], record.get("reason"), record.get("held")) for record in records] == [
        ("seen", "Spam", None), ("held", "Spam", 1), ("polled", None, None),
    ]  # fmt: skip


def test_counts_at_regular_times_are_for_a_spreadsheet(
    alerter: RunCommand, config: Path, yesterday: datetime, database: Path
) -> None:
    """One row per reason and time, on the clocks of the service's time zone, without formulas."""
    for number in (0, 5, 10):
        polled(database, yesterday + timedelta(minutes=number), {"=1+1": 2})

    shown = alerter("export", "--every", "5m", "--since", "3d", "--config", config)

    head, *rows = shown.out.splitlines()
    assert head == "time,tenant,reason,held"
    assert len(rows) == 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:00\+0[01]:00,acme,'=1\+1,2", row) for row in rows)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        pytest.param(["--tenant", "nobody"], 1, "nothing matches --tenant", id="no tenant"),
        pytest.param(["--until", "400d"], 1, "nothing matches", id="before the first poll"),
        pytest.param(["--since", "someday"], 2, "expected a time such as '2h ago'", id="no time"),
        pytest.param(["--since", "2200-01-01"], 2, "expected a time that has been", id="the future"),
        pytest.param(["--since", "1h", "--until", "2h"], 2, "expected a time before --until", id="an end before it"),
        pytest.param(["--every", "5"], 2, "expected a duration", id="no duration"),
        pytest.param(["--every", "0s"], 2, "expected at least 1s", id="no distance"),
        pytest.param(["-o", "/nowhere/history.csv"], 1, "/nowhere/history.csv cannot be written", id="no folder"),
    ],
)
def test_an_export_that_cannot_be_says_why(
    alerter: RunCommand, database: Path, options: list[str], code: int, expected: str
) -> None:
    """A wrong option ends with 2, an empty result with 1, and nothing is written."""
    polled(database, datetime.now(UTC), {"Spam": 1})  # noqa: TID251 - commands carry the real date
    config = database.with_name("rules.toml")

    shown = alerter("export", *options, "--config", config)

    assert (shown.code, shown.out) == (code, "")
    assert expected in " ".join(shown.err.split())


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_counts_that_were_exported_are_imported(
    alerter: RunCommand, config: Path, yesterday: datetime, database: Path, form: str
) -> None:
    """A spreadsheet's file is a plain file: each of its times has an offset."""
    polled(database, yesterday, {"=1+1": 2, "Spam": 4})
    polled(database, yesterday + timedelta(minutes=5), {"=1+1": 2})
    path, elsewhere = config.with_name(f"counts.{form}"), config.parent / "elsewhere" / "rules.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(CONFIGURATION)
    options = ("--every", "5m", "--format", form, "--config")

    alerter("export", "-o", path, *options, config)
    took = alerter("import", path, "--config", elsewhere)

    assert (took.code, took.err) == (0, "")
    here, there = (alerter("export", *options, each).out for each in (config, elsewhere))
    assert here == there
    assert len(here.splitlines()) == (5 if form == "csv" else 4)


@pytest.mark.parametrize("options", [["--format", "csv"], ["--format", "jsonl"], ["--every", "5m"]])
def test_an_export_of_some_reasons_is_not_imported(
    alerter: RunCommand, config: Path, yesterday: datetime, database: Path, options: list[str]
) -> None:
    """It would say that nothing was held for the others."""
    polled(database, yesterday, {"Spam": 1, "Virus": 2})
    path = config.with_name("part")

    alerter("export", "--reason", "Spam", "-o", path, *options, "--config", config)
    refused = alerter("import", path, "--config", config)

    assert refused.code == 2
    assert f"{path}:1: found an export of some hold reasons only" in refused.err


@pytest.mark.parametrize(
    ("name", "interval", "reasons"),
    [
        pytest.param("script-1s.csv", "5m", 3, id="a script that takes a second for each"),
        pytest.param("zabbix-staggered-14s.csv", "1m", 4, id="items that are read one after the other"),
    ],
)
def test_reasons_that_were_read_at_different_seconds_are_never_zero(  # noqa: PLR0917 - fixtures
    alerter: RunCommand, config: Path, tmp_path: Path, database: Path, name: str, interval: str, reasons: int
) -> None:
    """Every count of the file is imported, and none that nobody counted."""
    case = Path(__file__).parent / "import_export" / "cases" / name
    path = tmp_path / "counts.csv"
    path.write_text(case.read_text().replace("2026-11-20", "2026-02-20"))
    columns = ("--column", "time=clock", "--column", "reason=name", "--column", "held=value", "--timezone", "UTC")

    done = alerter("import", path, *columns, "--config", config)

    assert (done.code, done.err[:9]) == (0, "warning: ")
    assert f"acme: {reasons} hold reasons, polled every {interval}" in done.out
    assert "no gap" in done.out
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM count_changes WHERE value = 0").fetchone() == (0,)
        assert connection.execute("SELECT count(DISTINCT reason) FROM series").fetchone() == (reasons,)


def test_a_wide_table_is_refused_with_the_line_that_converts_it(
    alerter: RunCommand, config: Path, tmp_path: Path
) -> None:
    """A user pastes it and imports what it wrote: no hold reason is called 120."""
    path = tmp_path / "grafana.csv"
    path.write_text('"Time","Spam","Graymail"\n2026-02-20 10:00:00,7,120\n2026-02-20 10:05:00,9,\n')
    refused = alerter("import", path, "--config", config)
    line = refused.err.splitlines()[0].split("this line converts it: ")[1]
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True)

    done = alerter("import", tmp_path / "grafana-2.csv", "--timezone", "UTC", "--json", "--config", config)
    shown = alerter("export", "--every", "5m", "--format", "jsonl", "--config", config)

    assert refused.code == 2
    assert "found a wide table from Grafana: one column for each hold reason" in refused.err
    assert json.loads(done.out)["tenants"][0]["polls"] == 1
    found = [(each["reason"], each["held"]) for each in map(json.loads, shown.out.splitlines())]
    assert sorted(found) == [("Graymail", 120), ("Spam", 7)]


def test_a_large_import_says_how_far_it_is(config: Path, tmp_path: Path, yesterday: datetime) -> None:
    """On a terminal nobody waits for long without a word; 300,000 rows take a few seconds."""
    path = tmp_path / "cron.csv"
    with path.open("w") as stream:
        stream.write("time,reason,count\n")
        for number in range(6_000):
            at = yesterday - timedelta(minutes=5 * number)
            stream.writelines(f"{at:%Y-%m-%dT%H:%M:%SZ},Reason {each},{number % (each + 2)}\n" for each in range(50))
    command = [sys.executable, "-m", "alerter", "import", str(path), "--config", str(config)]
    ours, theirs = os.openpty()

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        out = process.communicate()[0].decode()

    shown = b""
    with suppress(OSError):
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert "300,000 rows read" in out
    assert b" rows read" in shown or b" changes written" in shown


def test_a_file_takes_its_name_only_when_it_is_complete(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """An export that fails leaves nothing behind."""
    polled(database, yesterday, {"Spam": 1})
    folder = tmp_path / "exports"
    folder.mkdir()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE count_changes")

    failed = alerter("export", "-o", folder / "history.csv", "--config", config)

    assert failed.code == 1
    assert [*folder.iterdir()] == []


def test_an_export_never_overwrites_a_file(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """What has the name is left unchanged, and the user is asked for another one."""
    polled(database, yesterday, {"Spam": 1})
    path = tmp_path / "history.csv"
    path.write_text("mine\n")

    shown = alerter("export", "-o", path, "--config", config)

    assert shown.code == 2
    assert f"{path} exists already and is left unchanged: name a new file" in " ".join(shown.err.split())
    assert path.read_text() == "mine\n"


def test_an_export_goes_into_what_a_link_leads_to(
    alerter: RunCommand, config: Path, tmp_path: Path, yesterday: datetime, database: Path
) -> None:
    """`-o /dev/stdout` is a link: it is written to, not replaced."""
    polled(database, yesterday, {"Spam": 1})
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    target.touch()
    link.symlink_to(target)

    alerter("export", "-o", link, "--config", config)

    assert link.is_symlink()
    assert "change,acme,Spam" in target.read_text()


def rows_in(database: Path) -> tuple[int, int]:
    """Return how many hold reasons and how many changes are stored."""
    with closing(sqlite3.connect(database)) as connection:
        (reasons,) = connection.execute("SELECT count(*) FROM series").fetchone()
        (changes,) = connection.execute("SELECT count(*) FROM count_changes").fetchone()
    return reasons, changes


@pytest.mark.parametrize("seconds", [0.4, 0.7, 1.0, 1.4, 2.0])
def test_an_import_that_is_killed_leaves_nothing(
    config: Path, tmp_path: Path, yesterday: datetime, database: Path, seconds: float
) -> None:
    """Killed at any moment, all of it is there or nothing; and the next one finds a sound database."""
    polled(database, yesterday, {"Virus": 1})
    path = a_file(tmp_path / "cron.csv", yesterday - timedelta(days=60), 16_000)
    command = [sys.executable, "-m", "alerter", "import", str(path), "--config", str(config)]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)

    after_kill = rows_in(database)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    complete = rows_in(database)
    assert complete == (2, 16_001)
    assert after_kill in {(1, 1), complete}
    with closing(Store(f"sqlite:///{database}")) as store:
        store.check_integrity()
    assert {each.name for each in tmp_path.iterdir()} <= {"rules.toml", "cron.csv", "alerter.db", *_OF_SQLITE}
