"""`alerter status` says that all is well only where every tenant is seen and a rule can judge it; else what is not."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.simulator.api import Misbehaviour
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner

SUDDEN = 'warning = { growth = { over = "1d", times = 13, by = 30 } }'


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it, drawn as on a terminal."""
    monkeypatch.setenv("COLUMNS", "120")
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds 340 messages."""
    scenario = Scenario.from_csv("time,reason,count\n0,Spam,340\n")
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - real requests carry the real date
        yield simulator


def alerts_line(alerter: RunCommand, config: Path, command: str = "status") -> str:
    """Return the line that a command has in place of a list of alerts."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", alerter(command, "--color", "always", "--config", config).out)
    return next(line for line in shown.splitlines() if line.startswith("Alerts"))


def a_file(tmp_path: Path, simulator: Simulator, rule: str, more: str = "") -> Path:
    """Return a configuration with one rule."""
    path = tmp_path / "rules.toml"
    text = a_configuration(simulator).partition("[[rules]]")[0]
    path.write_text(f'{text}[[rules]]\nname = "Sudden"\n{rule}\n{more}')
    return path


@pytest.mark.parametrize("command", ["status", "alerts"])
def test_all_is_well_where_everything_is_seen_and_something_can_judge(
    alerter: RunCommand, simulator: Simulator, tmp_path: Path, command: str
) -> None:
    """A limit can be judged at the first poll."""
    config = a_file(tmp_path, simulator, "warning = { threshold = { above = 1000 } }")
    alerter("poll", "--config", config)

    assert alerts_line(alerter, config, command) == "Alerts: none: all is well"


@pytest.mark.parametrize("command", ["status", "alerts"])
def test_rules_that_still_learn_are_no_good_news(
    alerter: RunCommand, simulator: Simulator, tmp_path: Path, command: str
) -> None:
    """In the first days nothing can ring: that is not the same as nothing being wrong."""
    config = a_file(tmp_path, simulator, SUDDEN)
    alerter("poll", "--config", config)

    said = alerts_line(alerter, config, command)

    assert said == "Alerts: none, but not all is seen: every rule for acme is still learning"


def test_status_says_until_when_each_rule_learns(alerter: RunCommand, simulator: Simulator, tmp_path: Path) -> None:
    """With its name and the day; a program gets the instant."""
    config = a_file(tmp_path, simulator, SUDDEN)
    alerter("poll", "--config", config)

    shown = alerter("status", "--color", "always", "--config", config).out
    piped = alerter("status", "--config", config).out
    (learning,) = json.loads(alerter("status", "--json", "--config", config).out)["learning"]

    assert re.search(r"Sudden +1 +\w{3} \d\d \w{3} \(in 3d 23h\)", shown)
    assert re.search(r"\nlearning\tSudden\t1\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(in 3d 23h\)\n", piped)
    assert (learning["rule"], learning["tenants"]) == ("Sudden", 1)
    assert datetime.fromisoformat(learning["until"]) > datetime.now(UTC)  # noqa: TID251 - the command has a real clock


def test_a_tenant_that_is_not_seen_is_named_in_place_of_good_news(
    alerter: RunCommand, simulator: Simulator, tmp_path: Path
) -> None:
    """One that fails with its cause, and one that was never polled."""
    config = a_file(tmp_path, simulator, "warning = { threshold = { above = 1000 } }")
    alerter("poll", "--config", config)
    simulator.misbehave(Misbehaviour.KEYS_EXPIRED)
    alerter("poll", "--config", config)
    text = config.read_text()
    config.write_text(text + text[text.index("[tenants.acme]") : text.index("[receivers")].replace("acme", "globex"))

    said = alerts_line(alerter, config)

    assert said.startswith("Alerts: none, but not all is seen: acme cannot be polled (")
    assert said.endswith("); globex was never polled")


def test_a_tenant_without_any_rule_is_not_well(alerter: RunCommand, simulator: Simulator, tmp_path: Path) -> None:
    """Only the built-in rule watches it: nobody would learn of what it holds."""
    config = a_file(tmp_path, simulator, 'tenants = ["globex"]\nwarning = { threshold = { above = 1000 } }')
    alerter("poll", "--config", config)

    assert alerts_line(alerter, config) == "Alerts: none, but not all is seen: no rule evaluates acme"


def test_a_rule_of_a_tenant_that_was_never_polled_says_how_long_it_will_learn(
    alerter: RunCommand, simulator: Simulator, tmp_path: Path
) -> None:
    """No day can be named before the first poll."""
    config = a_file(tmp_path, simulator, SUDDEN)
    alerter("poll", "--config", config)
    text = config.read_text()
    config.write_text(text + text[text.index("[tenants.acme]") : text.index("[receivers")].replace("acme", "globex"))

    piped = alerter("status", "--config", config).out

    assert "learning\tSudden\t2\t4d after the first poll\n" in piped
