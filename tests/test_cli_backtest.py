"""`alerter backtest`, as its user types it, over a real database."""

import csv
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from alerter.cli import output
from alerter.config import load_config
from alerter.core.history import FailedPoll
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import SourceUnavailable
from alerter.jobs.poll import poll
from alerter.service.alerting_config import build_alerting_config
from alerter.storage import Store
from tests.builders import NOON, minutes
from tests.commands import Outcome, RunCommand, runner
from tests.drawn import polls
from tests.fakes import FakeClock

CONFIG = """
[service]
poll_interval = "1m"
timezone      = "UTC"

[tenants.acme]
client_id     = "id"
client_secret = "${NOBODY_SETS_THIS}"

[receivers.secops]
urls            = ["json://host"]
repeat_interval = "5m"

[receivers.mail]
urls = ["json://host/mail"]

[[routes]]
receivers = ["secops"]

[[routes]]
receivers = ["mail"]
severity  = ["critical"]

"""
RULES = """
[[rules]]
name     = "Backlog"
warning  = { threshold = { above = 5, clear_at = 3 } }
critical = { threshold = { above = 9 }, for = "2m" }

[[rules]]
name    = "Surge"
warning = { growth = { over = "3m", by = 3 } }

[[rules]]
name = "Sum"
per  = "all"
info = { threshold = { above = 12 }, keep_firing_for = "2m" }

[[rules]]
name = "Ahead"
info = { forecast = { above = 10, within = "5m", fit_over = "8m" } }

[[rules]]
name    = "Stuck"
warning = { stagnant = { above = 4, lasting = "5m" } }
"""
#: From noon on: what every test here counts by the minute.
COUNTS = [1] * 5 + [8] * 10 + [1] * 30 + [12] * 5 + [1] * 11
SPAN = ("--since", "2026-03-02", "--until", "2026-03-03")


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path, migrated_file: Path) -> Path:
    """A configuration with an hour of history, whose secrets only the service can read."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIG + RULES)
    copy(migrated_file, tmp_path / "alerter.db")
    keep(tmp_path / "alerter.db", COUNTS)
    return path


def keep(path: Path, counts: Sequence[int], *, tenant: str = "acme", begin: datetime = NOON) -> None:
    """Store counts by the minute."""
    with closing(Store(f"sqlite:///{path}")) as store, store.write() as transaction:
        for number, count in enumerate(counts):
            snapshot = Snapshot(
                tenant=Tenant(tenant), taken_at=begin + number * minutes(1), counts={HoldReason("Spam"): count}
            )
            transaction.history.add(snapshot, poll_interval=minutes(1))


def backtest(alerter: RunCommand, config: Path, *arguments: str | Path) -> Outcome:
    """Run it over the day that everything happens on."""
    return alerter("backtest", "--config", config, *SPAN, *arguments)


def written(folder: Path, text: str) -> Path:
    """Write a file of rules."""
    path = folder / "candidate.toml"
    path.write_text(text)
    return path


# what was live


class Account:
    """An account that gives one answer."""

    def __init__(self, answer: Snapshot | FailedPoll) -> None:
        self.answer = answer

    def fetch(self) -> Snapshot:
        """Return the snapshot, or raise the failure."""
        if isinstance(self.answer, Snapshot):
            return self.answer
        raise SourceUnavailable(self.answer.cause, self.answer.detail)


@contextmanager
def lived(migrated: Path, polled: Sequence[Snapshot | FailedPoll]) -> Iterator[Path]:
    """Let a history happen with the rules of a configuration, poll by poll; yield the configuration."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules.toml"
        path.write_text((CONFIG + RULES).replace("${NOBODY_SETS_THIS}", "secret"))
        path.chmod(0o600)
        copy(migrated, Path(folder) / "alerter.db")
        alerting = build_alerting_config(load_config(path))
        with closing(Store(f"sqlite:///{folder}/alerter.db")) as store:
            for each in polled:
                now = each.taken_at if isinstance(each, Snapshot) else each.at
                poll(Tenant("acme"), Account(each), store, alerting, clock=FakeClock(now))
        yield path


Firings = Counter[tuple[str, str, str, str, datetime, datetime | None]]


def stored(config: Path) -> tuple[Firings, Mapping[str, int]]:
    """Return what fired from when to when, and how many messages each receiver got, according to the database."""
    began: dict[tuple[str, str, str, str], datetime] = {}
    fired: Firings = Counter()
    with closing(sqlite3.connect(config.parent / "alerter.db")) as database:
        for *key, at, before, after in database.execute(
            "SELECT rule, severity, tenant, reason, at, from_state, to_state FROM transitions ORDER BY id"
        ):
            rule, severity, tenant, reason = key
            alert, when = (rule, severity, tenant, reason), NOON.fromtimestamp(at / 1e6, tz=NOON.tzinfo)
            if after == "firing":
                began[alert] = when
            elif before == "firing":
                fired[*alert, began.pop(alert), when] += 1
        messages = dict(database.execute("SELECT receiver, count(*) FROM messages GROUP BY receiver"))
    fired.update((*alert, when, None) for alert, when in began.items())
    return fired, messages


@settings(max_examples=25)
@given(polled=polls("acme", most=24))
def test_what_was_live_is_what_a_backtest_finds(
    alerter: RunCommand, migrated_file: Path, polled: Sequence[Snapshot | FailedPoll]
) -> None:
    """Random histories through the real poll: alert by alert what the database has of it, and as many messages."""
    with lived(migrated_file, polled) as config:
        expected, messages = stored(config)
        outcome = alerter("backtest", "--config", config, "--since", "2026-03-01", "--until", "2026-08-01", "--json")

    found = json.loads(outcome.out)
    assert messages == found["messages"]
    assert expected == Counter(
        (
            each["rule"],
            each["severity"],
            each["tenant"],
            each["reason"],
            datetime.fromisoformat(each["since"]),
            None if each["until"] is None else datetime.fromisoformat(each["until"]),
        )
        for each in found["firings"]
    )


# what is printed


def test_it_says_how_often_how_long_and_whom(alerter: RunCommand, config: Path) -> None:
    """For each rule, with a picture of when; and what limits the answer."""
    outcome = backtest(alerter, config, "--rule", "Backlog")

    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == "2026-03-02 00:00:00 UTC to 2026-03-03 00:00:00 UTC (1d), acme"
    assert lines[2] == ("Backlog: would have fired 3 times (1 critical, 2 warning), 18m in all, median 5m, longest 10m")
    assert lines[3] == "  busiest   Mon 2026-03-02: 3 times"
    assert lines[4].startswith("  messages  mail 2 (1 first, 1 resolved), secops ")
    assert set(lines[5].strip()) == {"·", "▁", "▅", "█"}
    assert lines[6].split() == ["00:00", "12:00", "00:00"]
    assert any(line.startswith("note: the history begins 2026-03-02 12:00:00 UTC: 12h of the 1d") for line in lines)
    assert any(line.startswith("note: no data for 11h in 1 gap, the longest 11h from") for line in lines)
    assert "Surge" not in outcome.out


def test_a_rule_that_never_fired_says_so(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Also the built-in one that watches the polling."""
    rules = written(tmp_path, '[[rules]]\nname = "Flood"\nwarning = { threshold = { above = 900 } }\n')

    outcome = backtest(alerter, config, "--rules", rules, "--until", "2026-03-02 13:00")

    assert "Flood: would never have fired" in outcome.out
    assert "No data: would never have fired" in outcome.out
    assert "messages of all rules together: none" in outcome.out


def test_an_output_without_bars_gets_plain_ones(
    alerter: RunCommand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cron job in the C locale shows the same picture in ASCII."""
    text = StringIO()

    class Ascii(StringIO):
        """A stream that can write ASCII alone."""

        encoding = "ascii"

        def write(self, written: str, /) -> int:
            """Refuse everything else."""
            written.encode("ascii")
            return text.write(written)

    monkeypatch.setattr(sys, "stdout", Ascii())
    backtest(alerter, config, "--rule", "Backlog")

    assert "*" in text.getvalue() or "#" in text.getvalue()


def test_a_program_gets_all_of_it(alerter: RunCommand, config: Path) -> None:
    """Instants in UTC, spans in seconds."""
    found = json.loads(backtest(alerter, config, "--rule", "Backlog", "--json").out)

    [rule] = found["rules"]
    assert {key: rule[key] for key in ("rule", "fired", "began", "total_seconds", "longest_seconds")} == {
        "rule": "Backlog", "fired": 3, "began": 3, "total_seconds": 1080.0, "longest_seconds": 600.0,
    }  # fmt: skip
    assert rule["busiest_day"] == {"day": "2026-03-02", "began": 3}
    assert rule["notified"]["mail"] == {"first": 1, "resolved": 1}
    first = {key: found["firings"][0][key] for key in ("severity", "since", "until", "peak")}
    assert first == {
        "severity": "warning", "since": "2026-03-02T12:05:00+00:00", "until": "2026-03-02T12:15:00+00:00", "peak": 8,
    }  # fmt: skip
    assert found["tenants"][0]["first_polled_at"] == "2026-03-02T12:00:00+00:00"


def test_a_spreadsheet_gets_a_line_per_firing(alerter: RunCommand, config: Path) -> None:
    """Without the end where there is none."""
    rows = list(csv.DictReader(StringIO(backtest(alerter, config, "--csv", "--until", "2026-03-02 12:10").out)))

    assert {(row["rule"], row["since"], row["until"], row["seconds"]) for row in rows if row["rule"] == "Backlog"} == {
        ("Backlog", "2026-03-02T12:05:00+00:00", "", "300")
    }


# other rules

OTHER = """
[[rules]]
name     = "Backlog"
warning  = { threshold = { above = 7 }, for = "2m" }
critical = { threshold = { above = 20 } }
"""


def test_two_sets_of_rules_are_compared(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """What is gained, lost and moved, each with its time."""
    outcome = backtest(alerter, config, "--rule", "Backlog", "--diff", written(tmp_path, OTHER))

    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[2] == "+0 -1 alerts; 2 moved, 0 unchanged"
    assert lines[3].startswith("  - Backlog critical, 'Spam' of acme: Mon 2026-03-02 12:47 for 3m")
    assert lines[4] == (
        "  ~ Backlog warning, 'Spam' of acme: Mon 2026-03-02 12:07 for 8m, peak 8, before: Mon 2026-03-02 12:05 for 10m"
    )


def test_a_comparison_is_for_programs_and_spreadsheets_too(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """With both sets as a whole, and the firings that differ."""
    other = written(tmp_path, OTHER)

    found = json.loads(backtest(alerter, config, "--rule", "Backlog", "--diff", other, "--json").out)
    rows = list(csv.DictReader(StringIO(backtest(alerter, config, "--rule", "Backlog", "--diff", other, "--csv").out)))

    assert (len(found["added"]), len(found["removed"]), len(found["moved"]), found["unchanged"]) == (0, 1, 2, 0)
    assert [len(found[each]["firings"]) for each in ("before", "after")] == [3, 2]
    assert [(row["change"], row["since_before"]) for row in rows] == [
        ("removed", ""),
        ("moved", "2026-03-02T12:05:00+00:00"),
        ("moved", "2026-03-02T12:45:00+00:00"),
    ]


def test_a_file_of_rules_needs_no_configuration_but_its_history(
    alerter: RunCommand, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the tenants are those of the database beside it."""
    monkeypatch.chdir(tmp_path)
    config.unlink()
    rules = written(tmp_path, f'[service]\npoll_interval = "1m"\n{OTHER}')

    outcome = alerter("backtest", *SPAN, "--rules", rules)

    assert "Backlog: would have fired 2 times (warning)" in outcome.out
    assert "messages of all rules together: everyone 4" in outcome.out


def test_who_is_told_is_said_by_the_file_or_by_the_configuration(
    alerter: RunCommand, config: Path, tmp_path: Path
) -> None:
    """Receivers and routes together."""
    without = backtest(alerter, config, "--rules", written(tmp_path, OTHER), "--json")
    own = written(tmp_path, f'[receivers.pager]\nurls = ["${{NOT_SET}}"]\n{OTHER}')

    assert set(json.loads(without.out)["messages"]) == {"secops"}
    assert set(json.loads(backtest(alerter, config, "--rules", own, "--json").out)["messages"]) == {"pager"}


def test_mute_windows_hold(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Those of the configuration too; what fires within them fires all the same."""
    windows = '[mute_windows.lunch]\ndays = ["mon-fri"]\nfrom = "12:00"\nto = "12:30"\n'
    config.write_text(config.read_text() + windows)
    rules = written(tmp_path, f'{OTHER}mute_windows = ["lunch"]\n')

    found = json.loads(backtest(alerter, config, "--rules", rules, "--json").out)

    assert [each["fired"] for each in found["rules"]][:1] == [2]
    assert found["messages"] == {"secops": 2}


# what is said when something is wrong


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--tenant", "globex"], 2, "no tenant matches 'globex'; there are: acme", id="no such tenant"),
        pytest.param(["--rule", "Baclog"], 2, "no rule is called 'Baclog'; there are: 'Backlog'", id="no such rule"),
        pytest.param(["--json", "--csv"], 2, "expected either --json or --csv, found both", id="two forms"),
        pytest.param(["--since", "soon"], 2, "expected a time such as", id="no time"),
        pytest.param(["--since", "2026-03-04"], 2, "expected a time before --until", id="it ends before it begins"),
        pytest.param(["--rules", "nowhere.toml"], 2, "nowhere.toml: there is no such file", id="no such file"),
        pytest.param(
            ["--since", "2026-02-01", "--until", "2026-02-02"], 1, "the history begins 2026-03-02", id="before all"
        ),
    ],
)
def test_what_is_wrong_is_said(
    alerter: RunCommand, config: Path, arguments: Sequence[str], code: int, said: str
) -> None:
    """In the words of the other commands."""
    outcome = backtest(alerter, config, *arguments)

    # With --json an error is an object, on standard output.
    where, other = (outcome.out, outcome.err) if "--json" in arguments else (outcome.err, outcome.out)
    assert (outcome.code, other) == (code, "")
    assert said in where


def test_a_broken_file_of_rules_is_refused_with_every_error(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """With the file, the line, and what was expected."""
    rules = written(tmp_path, '[[rules]]\nname = "A"\nwarning = { threshold = { over = 3 } }\nrunbok = "x"\n')

    outcome = backtest(alerter, config, "--rules", rules)

    assert outcome.code == 2
    assert "candidate.toml:3: " in outcome.err
    assert "candidate.toml:4: " in outcome.err
    assert "'above'" in outcome.err


def test_without_history_there_is_nothing_to_tell(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Neither without a database, nor with one in which the tenant is not."""
    config.write_text(config.read_text().replace("acme", "globex"))
    outcome = backtest(alerter, config)
    (tmp_path / "alerter.db").unlink()

    assert (outcome.code, outcome.out) == (1, "")
    assert "there is no history of these tenants yet" in outcome.err
    assert "there is no history yet: run `alerter poll` once" in backtest(alerter, config).err


# what limits the answer


def test_thinned_history_and_silences_are_said(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Nobody takes for exact what is not."""
    with closing(sqlite3.connect(tmp_path / "alerter.db")) as database, database:
        until = int((NOON + minutes(30)).timestamp()) * 1_000_000
        database.execute("UPDATE tenants SET downsampled_until = ?", (until,))
    alerter("silence", "add", "--config", config, "--tenant", "acme", "--for", "2h", "--comment", "x")

    outcome = backtest(alerter, config)
    today = alerter("backtest", "--config", config, "--since", "2026-03-02")

    assert "note: before 2026-03-02 12:30:00 UTC only the lowest, highest and last count of each hour" in outcome.out
    assert "silences" not in outcome.out
    assert "note: silences and acknowledgements of that time are left out" in today.out


def test_many_tenants_are_summed_up(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Whose history is short, who has gaps, and of whom nothing is known; a sum over a part of them says so."""
    tenants = "".join(f'[tenants.{name}]\nclient_id = "id"\nclient_secret = "s"\n' for name in ("globex", "new"))
    config.write_text(config.read_text() + tenants)
    keep(tmp_path / "alerter.db", COUNTS[:10], tenant="globex", begin=NOON + timedelta(hours=2))

    everybody, some = backtest(alerter, config).out, backtest(alerter, config, "--tenant", "!new").out

    assert "(1d), 3 tenants" in everybody
    assert "note: the history of 2 tenants is shorter: of globex it is 10h of the 1d asked for" in everybody
    assert "note: nothing is known of 1 tenant, such as new" in everybody
    assert "; 2 tenants have gaps" in everybody
    assert "rules over all tenants together" not in everybody
    assert "note: rules over all tenants together have evaluated the chosen ones only" in some


class Terminal(StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@pytest.mark.parametrize(
    ("patience", "shown"),
    [
        pytest.param(timedelta(0), "\r\x1b[K[" + "#" * 15 + "." * 15 + "] 50 %\r\x1b[K", id="a long run"),
        pytest.param(timedelta(hours=1), "", id="a run that is over before anybody asks"),
    ],
)
def test_how_far_it_is_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, patience: timedelta, shown: str) -> None:
    """Each step once, and taken away at the end; in a file nothing is shown."""
    monkeypatch.setattr(output, "PATIENCE", patience)
    terminal, file = Terminal(), StringIO()

    for stream in (terminal, file):
        monkeypatch.setattr(sys, "stderr", stream)
        with output.progress_bar() as on_progress:
            on_progress(0.5)
            on_progress(0.5)

    assert (terminal.getvalue(), file.getvalue()) == (shown, "")
