"""What people type at a prompt is understood, or answered with what they may have meant."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds 340 messages."""
    scenario = Scenario.from_csv("time,reason,count\n0,Spam,340\n")
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - real requests carry the real date
        yield simulator


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator) -> Path:
    """A configuration whose rule fires."""
    path = tmp_path / "rules.toml"
    path.write_text(a_configuration(simulator))
    return path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("stauts", "did you mean 'status'?", id="letters in another order"),
        pytest.param("silences", "did you mean 'silence'?", id="a plural"),
        pytest.param("check", "did you mean 'check-config'?", id="a part of it"),
        pytest.param("test_notify", "did you mean 'test-notify'", id="another sign between the words"),
        pytest.param("Status", "did you mean 'status'?", id="another case"),
        pytest.param("xyzzy", "no command 'xyzzy'", id="nothing is like it"),
    ],
)
def test_a_misspelt_command_is_answered_with_those_that_are_like_it(
    alerter: RunCommand, typed: str, meant: str
) -> None:
    """The user need not read the list."""
    shown = alerter(typed)

    assert shown.code == 2
    assert meant in shown.err


def test_check_config_takes_the_file_as_its_argument(alerter: RunCommand, config: Path) -> None:
    """As every other tool does that checks a file; --config is the same."""
    shown = alerter("check-config", config)
    both = alerter("check-config", config, "--config", config)

    assert (shown.code, shown.out.count(": valid: 1 tenant, 1 receiver, 2 rules")) == (0, 1)
    assert (both.code, "expected one of FILE and --config, found both" in both.err) == (2, True)


def test_a_silence_can_begin_later(alerter: RunCommand, config: Path) -> None:
    """A maintenance of tonight is written down in the afternoon; until it begins, nothing is muted."""
    alerter("poll", "--config", config)

    added = alerter(
        "silence", "add", "--all", "--start", "in 2h", "--for", "1h", "--comment", "works", "--json", "--config", config
    )
    silence = json.loads(added.out)
    alert = json.loads(alerter("alerts", "--json", "--config", config).out)[0]

    begin, end = (datetime.fromisoformat(silence[key]) for key in ("starts_at", "ends_at"))
    assert end - begin == timedelta(hours=1)
    assert silence["state"] == "pending"
    assert alert["muted_by"] is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param(["--start", "2020-01-01", "--for", "1h"], "expected a start after now", id="a start in the past"),
        pytest.param(["--start", "in 2h", "--until", "2020-01-01"], "expected an end after the start", id="no span"),
        pytest.param(["--start", "soon", "--for", "1h"], "expected a time such as '2h'", id="no time"),
        pytest.param(["--start", "in 2h", "--for", "31d"], "at most 30d", id="too long"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(
    alerter: RunCommand, config: Path, options: list[str], error: str
) -> None:
    """With what was expected, and nothing stored."""
    alerter("poll", "--config", config)

    shown = alerter("silence", "add", "--all", *options, "--comment", "works", "--config", config)

    assert shown.code == 2
    assert error in shown.err
    assert alerter("silence", "list", "--config", config).out == ""


def test_an_error_shows_its_line_with_a_caret_and_no_secret(alerter: RunCommand, config: Path) -> None:
    """Schema, names, variables and URLs are checked in one pass; values that no error quotes are left out."""
    text = config.read_text().replace("above = 0", 'above = "many"').replace('"json://127.0.0.1:9"', '"slak://a/b/tok"')
    config.write_text(text.replace("[tenants.acme]", '[tenants.acme]\nregoin = "hunter2"'))

    shown = alerter("check-config", config)
    problems = json.loads(alerter("check-config", config, "--json").out)["errors"]

    assert shown.code == 2
    assert "found text 'many'\n   16 | warning = { threshold = { above = \"many\" } }\n" in shown.err
    assert "\n      |                                   ^\n" in shown.err
    assert 'regoin = "…"' in shown.err
    assert "did you mean 'slack://'?" in shown.err
    assert "hunter2" not in shown.err
    assert "b/tok" not in shown.err
    assert [(each["line"], each["key"], each["column"]) for each in problems] == [
        (6, "tenants.acme.regoin", 1),
        (12, "receivers.secops.urls[#1]", 9),
        (16, "rules[Backlog].warning.threshold.above", 35),
    ]
    assert all(each["file"] == str(config) and each["text"] and each["source"] for each in problems)


def test_every_command_shows_the_line_of_a_wrong_configuration(alerter: RunCommand, config: Path) -> None:
    """Not only check-config: the user need not run another command to see it."""
    config.write_text("[tenants.acme]\nclient_id = abc\n")

    shown = alerter("status", "--config", config)

    assert shown.code == 2
    assert "found an error in column 13" in shown.err
    assert shown.err.endswith("    2 | client_id = …\n      |             ^\n")


def test_a_test_message_needs_no_keys_of_mimecast(
    alerter: RunCommand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the URLs of that receiver: neither the tenants' keys nor what other receivers need."""
    monkeypatch.delenv("NOWHERE", raising=False)
    text = config.read_text()
    secret = text[text.index('client_secret = "') :].partition("\n")[0]
    others = '[receivers.other]\nurls = ["${NOWHERE}"]\n[[rules]]'
    config.write_text(text.replace(secret, 'client_secret = "${NOWHERE}"').replace("[[rules]]", others, 1))

    shown = alerter("test-notify", "secops", "--config", config)
    missing = alerter("test-notify", "other", "--config", config)

    assert (shown.code, shown.err) == (1, "")  # nobody listens there, which is what it found
    assert shown.out.startswith("secops/json: not sent: ")
    assert missing.code == 2
    assert "NOWHERE" in missing.err
