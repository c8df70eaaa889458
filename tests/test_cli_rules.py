"""`alerter rules`, `alerter routes` and `alerter history`: what rules do now, and who would be notified."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner

ROUTES = """
[receivers.oncall]
urls = ["json://127.0.0.1:9/oncall"]
[receivers.nobody]
urls = ["json://127.0.0.1:9/nobody"]
[mute_windows.always]
from = "00:00"
to = "00:00"
[[routes]]
receivers = ["secops"]
[[routes]]
receivers = ["oncall"]
severity = ["critical"]
[[rules]]
name = "Surge"
reasons = ["Phishing*"]
critical = { growth = { over = "1h", by = 50 } }
[[rules]]
name = "Elsewhere"
tenants = ["globex"]
warning = { threshold = { above = 5 } }
"""


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    monkeypatch.setenv("COLUMNS", "100")
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration with routes, and a rule that fires."""
    path = tmp_path / "rules.toml"
    scenario = Scenario.from_csv("time,reason,count\n0,Spam,340\n")
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - real requests carry the real date
        path.write_text(a_configuration(simulator, above=100, more=ROUTES))
        yield path


def cells(text: str) -> list[list[str]]:
    """Return the cells of what a pipe gets, without the table's name."""
    return [line.split("\t")[1:] for line in text.splitlines()]


def test_each_rule_has_its_present_state(alerter: RunCommand, config: Path) -> None:
    """Firing, learning with its end, selecting nothing, or nothing firing; and its limits."""
    alerter("poll", "--config", config)

    shown = alerter("rules", "--config", config)
    found = {name: (state, tenants, levels) for name, state, tenants, levels in cells(shown.out)}
    as_json = {each["rule"]: each for each in json.loads(alerter("rules", "--json", "--config", config).out)}

    assert shown.code == 1
    assert found["Backlog"] == ("firing: 1 warning", "1", "warning above 100")
    assert found["Surge"][0] == "matches no hold reason seen so far"
    assert found["Elsewhere"][:2] == ("matches no tenant", "0")
    assert found["No data"][0] == "nothing firing"
    assert as_json["Backlog"]["firing"] == {"warning": 1}
    assert datetime.fromisoformat(as_json["Surge"]["learning_until"]) > datetime.now(UTC)  # noqa: TID251 - as above


def test_a_rule_that_learns_says_until_when(alerter: RunCommand, config: Path) -> None:
    """In the list, as in `status`."""
    config.write_text(config.read_text().replace('"Phishing*"', '"Spam"'))
    alerter("poll", "--config", config)

    state = next(row[1] for row in cells(alerter("rules", "--config", config).out) if row[0] == "Surge")

    assert re.fullmatch(r"learning until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(in 59m( \d+s)?\)", state)


def test_routes_are_listed_with_what_they_take(alerter: RunCommand, config: Path) -> None:
    """Numbered as explain and routes test name them."""
    assert cells(alerter("routes", "--config", config).out) == [
        ["1", "secops", "all", ""],
        ["2", "oncall", "severity critical", ""],
    ]
    assert json.loads(alerter("routes", "--json", "--config", config).out)[1]["severity"] == ["critical"]


def test_who_would_be_notified_is_known_before_the_first_poll(alerter: RunCommand, config: Path) -> None:
    """Of every rule that looks at it, each receiver with its route or why none brings it there."""
    shown = alerter("routes", "test", "acme", "Phishing mail", "--config", config)

    assert shown.code == 0
    assert cells(shown.out) == [
        ["Backlog", "warning", "secops", "yes", "route 1"],
        ["Backlog", "warning", "oncall", "no", "route 2: it takes critical only"],
        ["Backlog", "warning", "nobody", "no", "no route uses this receiver"],
        ["Surge", "critical", "secops", "yes", "route 1"],
        ["Surge", "critical", "oncall", "yes", "route 2"],
        ["Surge", "critical", "nobody", "no", "no route uses this receiver"],
    ]


def test_one_rule_and_level_can_be_asked_for(alerter: RunCommand, config: Path) -> None:
    """And a program gets the same."""
    (first, *_), shown = (
        json.loads(alerter("routes", "test", "acme", "Phishing", "--rule", "surge", "--json", "--config", config).out),
        alerter("routes", "test", "acme", "Phishing", "--severity", "critical", "--config", config),
    )

    assert (first["rule"], first["receiver"], first["notified"], first["routes"]) == ("Surge", "secops", True, [1])
    assert {row[0] for row in cells(shown.out)} == {"Surge"}


def test_no_data_is_tested_without_a_reason(alerter: RunCommand, config: Path) -> None:
    """Routes by reason do not keep it back, as live."""
    config.write_text(config.read_text().replace('severity = ["critical"]', 'reasons = ["Graymail"]'))

    rows = cells(alerter("routes", "test", "acme", "--config", config).out)

    assert [row[:4] for row in rows if row[3] == "yes"] == [
        ["No data", "critical", "secops", "yes"],
        ["No data", "critical", "oncall", "yes"],
    ]


def test_a_silence_and_a_mute_window_are_why_nobody_would_be_notified(alerter: RunCommand, config: Path) -> None:
    """Exit code 1: somebody who scripts it must notice."""
    config.write_text(
        config.read_text().replace('receivers = ["secops"]\n', 'receivers = ["secops"]\nmute_windows = ["always"]\n')
    )
    alerter("poll", "--config", config)

    by_window = alerter("routes", "test", "acme", "Spam", "--config", config)
    alerter(
        "silence", "add", "--reason", "Spam", "--for", "1h", "--comment", "x", "--author", "ann", "--config", config
    )
    by_silence = alerter("routes", "test", "acme", "Spam", "--config", config)
    later = alerter("routes", "test", "acme", "Spam", "--at", "in 2h", "--config", config)

    assert by_window.code == by_silence.code == 1
    assert "muted by mute window always until " in by_window.out
    assert "muted by silence 1 by ann until " in by_silence.out
    assert "silence 1" not in later.out


def test_what_no_rule_looks_at_is_said_with_the_reason(alerter: RunCommand, config: Path) -> None:
    """Nobody would be notified of it: each rule says why it does not."""
    config.write_text(config.read_text().replace('name    = "Backlog"', 'name = "Backlog"\nreasons = ["!Graymail"]'))

    shown = alerter("routes", "test", "acme", "Graymail", "--config", config)

    assert shown.code == 1
    assert "no rule matches 'Graymail' of 'acme'" in shown.err
    assert "Backlog: reasons: '!Graymail' leaves it out" in shown.err
    assert "No data: it evaluates polling" in shown.err


def test_a_hold_reason_that_was_never_seen_is_said_to_be_and_answered(alerter: RunCommand, config: Path) -> None:
    """A typing error is noticed, and a name that Mimecast may use one day is tested all the same."""
    before = alerter("routes", "test", "acme", "Spam", "--config", config)
    alerter("poll", "--config", config)

    seen = alerter("routes", "test", "acme", "Spam", "--config", config)
    unseen = alerter("routes", "test", "acme", "Spamm", "--config", config)

    assert (before.err, seen.err) == ("", "")
    assert unseen.err == "note: 'Spamm' was never held for acme so far; there are: 'Spam'\n"
    assert unseen.out == seen.out


def test_history_is_a_chart_with_limits_and_the_last_changes(alerter: RunCommand, config: Path) -> None:
    """On a terminal; the limit is a line with its name, and below it stands when the alert fired."""
    alerter("poll", "--config", config)

    shown = re.sub(r"\x1b\[[0-9;]*m", "", alerter("history", "spam", "--color", "always", "--config", config).out)
    lines = shown.splitlines()

    assert lines[0] == "acme: Spam"
    assert lines[1].startswith("340 held, highest 340 ")
    assert lines[2].startswith("340 ┤")
    assert any(line.endswith("┄█ warning above 100") for line in lines)
    assert any(line.startswith("  0 └───") for line in lines)
    assert any(line.rstrip().endswith("now") for line in lines)
    assert any(line.endswith("█ warning") and "·" in line for line in lines)
    assert re.search(r"Changes\n  changed +held\n  \d+s ago +340\n", shown)
    assert all(len(line) <= 100 for line in lines)


def test_history_says_what_a_hold_reason_was_called_before(alerter: RunCommand, config: Path, tmp_path: Path) -> None:
    """Whoever looks for the weeks before a rename finds under which name they are; a pipe has the counts alone."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)  # noqa: TID251 - the command's clock is real
    rows = [
        f"{(begin + timedelta(minutes=5 * poll)).isoformat()},acme,{reason},{count}\n"
        for poll in range(24)
        for reason, count in (("Spam", 120 if poll < 12 else 0), ("Junk", 0 if poll < 12 else 118))
    ]
    (tmp_path / "counts.csv").write_text(f"time,tenant,reason,count\n{''.join(rows)}")
    alerter("import", tmp_path / "counts.csv", "--config", config)

    new, old = (alerter("history", name, "--color", "always", "--config", config).out for name in ("Junk", "Spam"))
    piped = alerter("history", "Junk", "--config", config).out

    assert "renamed from 'Spam' at " in new
    assert "renamed to 'Junk' at " in old
    assert "renamed" not in piped


def test_status_is_shown_again_until_it_is_interrupted(alerter: RunCommand, config: Path) -> None:
    """In the terminal's second screen, with the time; Ctrl-C ends it well and brings the first screen back."""
    alerter("poll", "--config", config)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "alerter", "status", "--watch", "--config", str(config)]
    # Where the tests themselves run in the background, SIGINT is ignored, and so it would be here.
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=heeds_ctrl_c) as process:  # noqa: PLW1509 - it takes no lock
        os.close(theirs)
        shown = b""
        while b"Ctrl-C ends" not in shown:
            shown += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            shown += piece
        process.wait(60)
    os.close(ours)

    assert process.returncode == 0
    assert shown.startswith(b"\x1b[?1049h")
    assert shown.endswith(b"\x1b[?1049l")
    assert b"Tenants" in shown
    assert b", every 2s; Ctrl-C ends" in shown


def test_watching_needs_a_terminal(alerter: RunCommand, config: Path) -> None:
    """A pipe would be filled for ever."""
    shown = alerter("status", "--watch", "--config", config)

    assert shown.code == 2
    assert "expected --watch on a terminal" in shown.err
