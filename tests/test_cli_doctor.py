"""`alerter doctor`, as its user types it: on a whole installation, sound and broken in the usual ways."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.cli import doctor
from alerter.doctor import Finding, Group, Outcome
from alerter.simulator.api import (
    SIMULATOR_ACCESS_KEY,
    SIMULATOR_APP_ID,
    SIMULATOR_APP_KEY,
    SIMULATOR_CLIENT_SECRET,
    SIMULATOR_SECRET_KEY,
    Misbehaviour,
)
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner
from tests.servers import HttpSink, http_sink


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds one reason."""
    scenario = Scenario.from_csv("time,reason,count\n0,Spam,340\n")
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - real requests carry the real date
        yield simulator


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A target that takes everything."""
    with http_sink() as sink:
        yield sink


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, sink: HttpSink) -> Path:
    """A sound configuration that only its owner reads."""
    path = tmp_path / "rules.toml"
    path.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"', above=1000))
    path.chmod(0o600)
    return path


def lines(out: str, group: str) -> list[list[str]]:
    """Return the cells of the lines of a group, without its name."""
    return [line.split("\t")[1:] for line in out.splitlines() if line.startswith(f"{group}\t")]


def test_a_sound_installation_is_well(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """Warnings change nothing: this machine's clock may be nobody's business. Nothing was sent, nothing was changed."""
    alerter("poll", "--config", config)

    shown = alerter("doctor", "--config", config)

    assert shown.code == 0
    assert lines(shown.out, "configuration")[0][:2] == ["ok", str(config)]
    assert lines(shown.out, "files")[0][:2] == ["ok", str(config)]
    assert lines(shown.out, "mimecast accounts")[0][2].startswith("340 held for 1 reason; answered in ")
    assert lines(shown.out, "receivers")[0][:2] == ["ok", "secops/json"]
    assert ["ok", "Backlog", "matches 1 of 1 hold reasons seen so far", ""] in lines(
        shown.out, "rules and what was seen"
    )
    assert {cells[0] for cells in lines(shown.out, "database")} == {"ok"}
    assert "\tfailed\t" not in shown.out
    assert sink.posts == []


def test_a_program_gets_everything_with_its_figures(alerter: RunCommand, config: Path) -> None:
    """With --json: each finding, its outcome, what to do, and what was measured."""
    shown = alerter("doctor", "--json", "--config", config)

    value = json.loads(shown.out)
    account = next(each for each in value["findings"] if each["group"] == "Mimecast accounts")
    assert (shown.code, value["ok"]) == (0, True)
    assert (account["subject"], account["outcome"], account["advice"]) == ("acme", "ok", None)
    assert account["measured"]["requests_limit"] == 800
    assert {each["group"] for each in value["findings"]} == {str(group) for group in Group}


def test_a_wrong_configuration_ends_with_2_and_the_machine_is_looked_at_all_the_same(
    alerter: RunCommand, config: Path
) -> None:
    """Every error at once, and what does not depend on it."""
    config.write_text(config.read_text().replace("timezone", "timezoen").replace("above", "abvoe"))

    shown = alerter("doctor", "--config", config)

    assert shown.code == 2
    assert [cells[:2] for cells in lines(shown.out, "configuration")] == [
        ["failed", f"{config}:3"], ["failed", f"{config}:15"]
    ]  # fmt: skip
    assert lines(shown.out, "this machine")[0][1] == "clock"
    assert lines(shown.out, "mimecast accounts") == []


def test_a_missing_configuration_ends_with_2(alerter: RunCommand, tmp_path: Path) -> None:
    """With what to do."""
    shown = alerter("doctor", "--config", tmp_path / "none.toml")

    assert shown.code == 2
    assert "alerter init" in lines(shown.out, "configuration")[0][2]


def test_a_target_that_cannot_be_loaded_ends_with_2(alerter: RunCommand, config: Path) -> None:
    """A service would not start with it, and the token is not printed."""
    config.write_text(config.read_text().replace("json://127.0.0.1", "slack://TokenOfSomebody"))

    shown = alerter("doctor", "--config", config)

    assert shown.code == 2
    assert ["failed", "secops/slack"] in [cells[:2] for cells in lines(shown.out, "configuration")]
    assert "TokenOfSomebody" not in shown.out + shown.err


def test_keys_that_are_refused_end_with_1(alerter: RunCommand, config: Path) -> None:
    """The cause, the advice, and no key."""
    config.write_text(config.read_text().replace(SIMULATOR_CLIENT_SECRET, "pasted-wrongly-12345"))

    shown = alerter("doctor", "--config", config)

    (cells,) = lines(shown.out, "mimecast accounts")
    assert shown.code == 1
    assert cells[:2] == ["failed", "acme"]
    assert cells[2].startswith("wrong_keys: ")
    assert "Compare client_id and client_secret" in cells[3]
    assert "pasted-wrongly" not in shown.out + shown.err


def test_a_secret_that_everyone_may_read_ends_with_1(alerter: RunCommand, config: Path) -> None:
    """It is found with its line, once."""
    config.chmod(0o644)

    shown = alerter("doctor", "--config", config)

    assert shown.code == 1
    assert [cells[0] for cells in lines(shown.out, "files")] == ["failed"]
    assert "chmod o-r" in lines(shown.out, "files")[0][2]
    assert shown.out.count("chmod o-r") == 1


def test_a_test_message_is_sent_only_on_request(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """To each target, with what it answered."""
    alerter("doctor", "--config", config)
    silent = len(sink.posts)
    sent = alerter("doctor", "--send", "--config", config)
    sink.status = 500
    refused = alerter("doctor", "--send", "--config", config)

    assert silent == 0
    assert len(sink.posts) == 2
    assert (sent.code, refused.code) == (0, 1)
    assert "it took a test message" in sent.out
    assert "not sent: JSON answered 500" in refused.out


def test_only_the_accounts_that_were_asked_for_are_called(
    alerter: RunCommand, config: Path, simulator: Simulator
) -> None:
    """By glob; one that matches none is the user's input."""
    tenant = config.read_text().split("[tenants.acme]")[1].split("[receivers")[0]
    config.write_text(f"{config.read_text()}\n[tenants.other]{tenant}")

    chosen = alerter("doctor", "--tenant", "oth*", "--config", config)
    nobody = alerter("doctor", "--tenant", "amce", "--config", config)

    assert [cells[1] for cells in lines(chosen.out, "mimecast accounts")] == ["other"]
    assert simulator.requests_by_path.total() == 2
    assert nobody.code == 2
    assert "there are: acme, other" in nobody.err


def test_a_broken_account_hides_no_other(alerter: RunCommand, config: Path, simulator: Simulator) -> None:
    """Each is called by itself; the worst is read first."""
    tenant = config.read_text().split("[tenants.acme]")[1].split("[receivers")[0]
    config.write_text(
        f"{config.read_text()}\n[tenants.broken]{tenant.replace(simulator.base_url, 'http://127.0.0.1:9')}"
    )

    shown = alerter("doctor", "--config", config)

    assert shown.code == 1
    assert [cells[:2] for cells in lines(shown.out, "mimecast accounts")] == [["failed", "broken"], ["ok", "acme"]]


def test_the_clock_of_mimecast_is_compared(alerter: RunCommand, config: Path, simulator: Simulator) -> None:
    """Signatures of API 1.0 are refused by a clock that is off, and both are told."""
    keys = (
        f'api = "1.0"\napp_id = "{SIMULATOR_APP_ID}"\napp_key = "{SIMULATOR_APP_KEY}"\n'
        f'access_key = "{SIMULATOR_ACCESS_KEY}"\nsecret_key = "{SIMULATOR_SECRET_KEY}"\n'
    )
    text = config.read_text()
    config.write_text(text[: text.index("client_id")] + keys + text[text.index("\n[receivers") :])
    simulator.misbehaviour = Misbehaviour.CLOCK_SKEW

    shown = alerter("doctor", "--config", config)

    texts = [cells[2] for cells in lines(shown.out, "mimecast accounts")]
    assert shown.code == 1
    assert any(text.startswith("clock_skew: ") for text in texts)
    assert any(text.startswith("this machine's clock is 17m") and "ahead of Mimecast's" in text for text in texts)


# -- on a terminal -----------------------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str | Path) -> str:
    """Return what the command draws on a terminal of 100 columns."""
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "alerter", "doctor", *map(str, arguments)]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal):
        os.close(terminal)
        drawn = b""
        try:
            while received := os.read(reader, 65_536):
                drawn += received
        except OSError:
            pass  # Linux says so when the other end is closed.
    os.close(reader)
    return drawn.decode()


def test_a_terminal_shows_progress_groups_colours_and_advice(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red is what failed; the progress is wiped away before the findings."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    config.chmod(0o644)

    drawn = on_a_terminal("--config", config)

    progress, _, findings = drawn.rpartition("\r\x1b[K")
    assert " checks done" in progress
    assert "\x1b[1mFiles\x1b[0m" in findings
    assert "\x1b[1;31mfailed" in findings
    assert "→ Others who use this machine may have read it" in findings
    assert findings.rstrip().splitlines()[-1].startswith("1 failed, ")


def finding(subject: str, outcome: Outcome, *, latency: float | None = None) -> Finding:
    """Return a finding about an account."""
    measured = {} if latency is None else {"latency_seconds": latency}
    return Finding(group=Group.ACCOUNTS, subject=subject, outcome=outcome, text="text", measured=measured)


def test_thousands_of_accounts_are_summed_up() -> None:
    """What is not well is listed, the worst first, up to a page; what is well is counted, with how fast it was."""
    well = [finding(f"t{number}", Outcome.OK, latency=0.1 + number / 1000) for number in range(3001)]
    failed = [finding(f"f{number}", Outcome.FAILED) for number in range(30)]

    few, nothing = doctor.collapse_findings(well[:25])
    listed, rest = doctor.collapse_findings([*failed, *well, finding("x", Outcome.NOT_APPLICABLE)])

    assert (len(few), nothing) == (25, [])
    assert [each.subject for each in listed] == [f"f{number}" for number in range(25)]
    assert rest == [
        "5 more are not well: --json lists all",
        "3,001 more are well: answered in median 1600 ms, longest 3100 ms (t3000)",
        "1 more do not apply: --json lists all",
    ]
