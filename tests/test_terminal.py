"""What reaches a terminal moves no cursor and turns no line around, whoever has named a hold reason."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.humanize import escaped, escaped_json
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import a_configuration

#: Erases the line, changes the title of the window, turns the direction around, begins another line.
HOSTILE = "Spam\x1b[2K\x1b]0;owned\x07\u202eevil\u2066\x9b31m\u2028\x7f\u200b end"
COMMANDS = (
    "export",
    "export --format jsonl",
    "history Spam*",
    "history Spam* --json",
    "status",
    "status --json",
    "alerts",
    "alerts --json",
    "notifications --json",
    "backtest --csv",
    "backtest --json",
)


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with a database in which a hostile name has been seen, and fires."""
    config = tmp_path_factory.mktemp("hostile") / "rules.toml"
    scenario = Scenario.from_csv(f'time,reason,count\n0,"{HOSTILE}",340\n')
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - real requests carry the real date
        config.write_text(a_configuration(simulator, above=100))
        subprocess.run(alerter("poll", config), check=False, capture_output=True)
    return config


def alerter(words: str, config: Path) -> list[str]:
    """Return the command line of a command."""
    return [sys.executable, "-m", "alerter", *words.split(), "--config", str(config)]


def on_a_terminal(command: list[str]) -> str:
    """Return what a program shows on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            shown += piece
            if not piece:
                break
        process.wait(60)
    os.close(ours)
    return shown.decode("utf-8", "replace")


@pytest.mark.parametrize("words", COMMANDS)
def test_no_command_lets_a_name_reach_a_terminal_as_it_is(polled: Path, words: str) -> None:
    """Its control characters, and those that change the direction, stay out; the colours are our own."""
    shown = on_a_terminal(alerter(words, polled))

    assert "Spam" in shown
    assert not set("\x07\x7f\x9b\u202e\u2066\u2028\u200b") & set(shown)
    assert "\x1b[2K" not in shown
    assert "\x1b]" not in shown


def test_a_program_reads_the_name_as_it_is(polled: Path) -> None:
    """What is escaped for the eye is the same for a program; a pipe gets a CSV file exactly."""
    found = subprocess.run(alerter("alerts --json", polled), capture_output=True, check=False).stdout
    exported = subprocess.run(alerter("export", polled), capture_output=True, check=True).stdout

    assert [each["reason"] for each in json.loads(found)] == [HOSTILE]
    assert HOSTILE.encode() in exported


@pytest.mark.parametrize(
    "text", ["plain", "ümlaut 漢字 🙂", "a\x1b[31mb", "\u202e\u2066", "\ud800", "\U000e0041", "tab\there"]
)
def test_an_escape_stands_for_what_cannot_be_printed(text: str) -> None:
    """JSON keeps its value; a text says which character stood there."""
    assert json.loads(escaped_json(json.dumps([text], ensure_ascii=False, indent=2))) == [text]
    assert escaped(text).isprintable()
    assert escaped(text, keep="\t").count("\t") == text.count("\t")
