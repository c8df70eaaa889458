"""`alerter status --nagios` is a plugin as the Monitoring Plugins Development Guidelines define one."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from alerter.cli.plugins import PluginFigure, State, Trouble, report, unknown
from alerter.simulator.api import Misbehaviour
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.builders import NOON
from tests.commands import RunCommand, a_configuration, runner
from tests.conftest import AddRevision
from tests.servers import HttpSink, http_sink

REASON = "Spam | 'x'=1;"
CRITICAL = "critical = { threshold = { above = 300 } }\n"

# One figure, of https://www.monitoring-plugins.org/doc/guidelines.html#AEN201, without what alerter never needs.
_RANGE = r"@?(?:~|-?[0-9.]+)?(?::(?:-?[0-9.]+)?)?"
_FIGURE = re.compile(
    r"(?:'(?P<quoted>(?:[^'=|]|'')+)'|(?P<bare>[^'= |]+))=(?P<value>-?[0-9.]+|U)(?P<unit>s|us|ms|%|B|KB|MB|GB|TB|c)?"
    rf"(?:;(?P<warning>{_RANGE}))?(?:;(?P<critical>{_RANGE}))?(?:;(?P<minimum>-?[0-9.]+)?)?(?:;(?P<maximum>-?[0-9.]+)?)?"
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a program that reads plugins makes of the output of one."""

    service: str
    state: str
    text: str
    figures: dict[str, str]
    limits: dict[str, tuple[str | None, str | None]]
    details: list[str]


def parsed(printed: str) -> Output:
    """Return what the output says; anything that the guidelines do not allow fails the test."""
    assert printed.endswith("\n")
    assert len(printed.encode()) <= 8192
    first, *details = printed[:-1].split("\n")
    head = re.fullmatch(
        r"(?P<service>[A-Z]+) (?P<state>OK|WARNING|CRITICAL|UNKNOWN): (?P<text>[^|]+?)( \| (?P<data>.+))?", first
    )
    assert head is not None, first
    assert not any("|" in line or not line for line in details)
    figures: dict[str, str] = {}
    limits: dict[str, tuple[str | None, str | None]] = {}
    rest = head["data"] or ""
    while rest:
        found = _FIGURE.match(rest)
        assert found is not None, rest
        label = (found["quoted"] or found["bare"]).replace("''", "'")
        assert label not in figures
        figures[label] = found["value"] + (found["unit"] or "")
        limits[label] = found["warning"] or None, found["critical"] or None
        rest = rest[found.end() :]
        assert rest == "" or re.match(" [^ ]", rest), rest
        rest = rest[1:]
    return Output(
        service=head["service"], state=head["state"], text=head["text"], figures=figures, limits=limits, details=details
    )


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds a reason whose name would break a line, its figures or both."""
    held = "time,reason,count\n0,\"Spam | 'x'=1;\",340\n0,Bulk,12\n"
    scenario = Scenario.from_csv(held)
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario, started_at=NOON) as simulator:  # noqa: TID251 - the tests freeze it
        yield simulator


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A target that takes everything."""
    with http_sink() as sink:
        yield sink


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, sink: HttpSink) -> Path:
    """A configuration whose one rule warns above 1000."""
    path = tmp_path / "rules.toml"
    path.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"', above=1000))
    return path


Poll = Callable[..., None]


@pytest.fixture
def poll(alerter: RunCommand, config: Path) -> Poll:
    """Return a function that polls at so many minutes after noon, as cron would."""

    def run(after: float = 0) -> None:
        with freeze_time(NOON + timedelta(minutes=after)):
            alerter("poll", "--config", config)

    return run


@pytest.fixture
def plugin(alerter: RunCommand, config: Path) -> Callable[..., tuple[int, Output]]:
    """Return a function that runs the plugin at so many minutes after noon; it may write nothing to standard error."""

    def run(after: float = 1, *options: str) -> tuple[int, Output]:
        with freeze_time(NOON + timedelta(minutes=after)):
            shown = alerter("status", "--nagios", *options, "--config", config)
        assert shown.err == ""
        return shown.code, parsed(shown.out)

    return run


Plugin = Callable[..., tuple[int, Output]]


def test_all_is_well(poll: Poll, plugin: Plugin) -> None:
    """The line says how much is held; the figures are there although nothing is wrong."""
    poll()

    code, output = plugin(2)

    assert (code, output.service, output.state) == (0, "ALERTER", "OK")
    assert output.text == "352 held, 1 tenant"
    assert output.details == []
    assert output.figures == {
        "held": "352", "tenants": "1", "tenants_unpolled": "0", "tenants_failing": "0", "oldest_poll": "120s",
        "alerts_critical": "0", "alerts_warning": "0", "alerts_info": "0", "alerts_muted": "0",
        "messages_waiting": "0", "messages_given_up": "0", "held acme": "352",
    }  # fmt: skip
    assert output.limits["oldest_poll"] == (None, "900")
    assert output.limits["alerts_warning"] == ("0", None)
    assert output.limits["alerts_critical"] == (None, "0")


@pytest.mark.parametrize(
    ("level", "code"),
    [
        pytest.param("warning", 1, id="a warning"),
        pytest.param("critical", 2, id="critical"),
        pytest.param("info", 0, id="info is no trouble"),
    ],
)
def test_what_fires_decides(poll: Poll, plugin: Plugin, config: Path, level: str, code: int) -> None:
    """Each level has its exit code; the name of a reason can break nothing."""
    config.write_text(
        config.read_text().replace("warning = { threshold = { above = 1000", f"{level} = {{ threshold = {{ above = 300")
    )
    poll()

    ended, output = plugin()

    assert (ended, output.state) == (code, State(code).name)
    assert output.figures[f"alerts_{level}"] == "1"
    assert f"{level}: 340 held for \"Spam / 'x'=1;\" of acme (Backlog, alert " in output.text
    assert output.details[0] in output.text


def test_of_two_levels_the_higher_one_counts(poll: Poll, plugin: Plugin, config: Path) -> None:
    """What is critical is not a warning as well."""
    config.write_text(config.read_text().replace("above = 1000", "above = 0") + CRITICAL)
    poll()

    code, output = plugin()

    assert code == 2
    assert (output.figures["alerts_critical"], output.figures["alerts_warning"]) == ("1", "1")
    assert re.match(r"critical: 340 held .*; warning: 12 held for 'Bulk' of acme .*; 352 held, 1 tenant", output.text)


def test_what_is_muted_is_well(alerter: RunCommand, poll: Poll, plugin: Plugin, config: Path) -> None:
    """Who has asked for quiet is not told by Nagios instead."""
    config.write_text(config.read_text() + CRITICAL)
    poll()
    with freeze_time(NOON):
        alerter("silence", "add", "--all", "--for", "1h", "--comment", "x", "--author", "ann", "--config", config)

    code, output = plugin()

    assert (code, output.figures["alerts_critical"], output.figures["alerts_muted"]) == (0, "0", "1")
    assert output.text == "352 held, 1 tenant, 1 alert muted"


def test_a_poll_that_failed_once_is_told_and_no_trouble(poll: Poll, plugin: Plugin, simulator: Simulator) -> None:
    """The next one may be good: whether it is missing data, the rule decides."""
    poll()
    simulator.misbehaviour = Misbehaviour.KEYS_EXPIRED
    poll(5)

    code, output = plugin(6)

    assert (code, output.figures["tenants_failing"], output.figures["tenants_unpolled"]) == (0, "1", "0")
    assert output.text.startswith("the last poll of 1 tenant failed; 352 held")
    assert output.details[0].startswith("acme: keys_expired: ")


def test_a_tenant_without_data_is_critical(poll: Poll, plugin: Plugin, simulator: Simulator) -> None:
    """Silence must never mean that alerter sees nothing."""
    poll()
    simulator.misbehaviour = Misbehaviour.KEYS_EXPIRED
    poll(5)
    poll(16)

    code, output = plugin(17)

    assert (code, output.figures["alerts_critical"]) == (2, "1")
    assert output.text.startswith("critical: acme cannot be polled (No data, alert ")


def test_nobody_polls_any_more(poll: Poll, plugin: Plugin) -> None:
    """A service that has stopped cannot say so itself."""
    poll()

    at_the_limit, _ = plugin(15)
    code, output = plugin(125)

    assert at_the_limit == 0
    assert code == 2
    assert output.text.startswith("acme: not polled for 2h 5m: is the service running?")
    assert output.figures["oldest_poll"] == "7500s"


def test_a_tenant_that_was_never_polled_is_critical(poll: Poll, plugin: Plugin, config: Path) -> None:
    """It was added, and the service knows nothing of it; with several, the first is named."""
    poll()
    tenant = config.read_text().split("[tenants.acme]")[1].split("[receivers")[0]
    config.write_text(config.read_text() + f"[tenants.new]{tenant}[tenants.newer]{tenant}")

    code, output = plugin()

    assert code == 2
    assert output.text.startswith("2 tenants are not polled, such as new: never polled: is the service running?")
    assert output.details == ["new: never polled", "newer: never polled"]
    assert output.figures["oldest_poll"] == "U"
    assert (output.figures["held acme"], output.figures["held newer"]) == ("352", "U")


def test_messages_that_do_not_arrive(poll: Poll, plugin: Plugin, config: Path, sink: HttpSink) -> None:
    """One that waits for a quarter of an hour is a warning, one that was given up is critical."""
    sink.status = 500
    written = config.read_text().replace("warning = {", "info = {").replace("above = 1000", "above = 0")
    config.write_text(written.replace("[service]", '[service]\npoll_interval = "1h"'))
    poll()

    just_now, _ = plugin(14)
    slow, waiting = plugin(15.1)
    with closing(sqlite3.connect(config.parent / "alerter.db")) as connection, connection:
        connection.execute("UPDATE deliveries SET dead_at = created_at")
    dead, given_up = plugin(15)

    assert (just_now, slow, dead) == (0, 1, 2)
    assert waiting.text.startswith("1 message not delivered for more than 15m; ")
    assert given_up.text.startswith("1 message could not be delivered; ")
    assert given_up.details[0].startswith("secops/json: ")
    assert "500" in given_up.details[0]
    assert (given_up.figures["messages_waiting"], given_up.figures["messages_given_up"]) == ("0", "1")


# -- what cannot be found out ------------------------------------------------------------------------------------------


def test_without_a_database_it_is_unknown(plugin: Plugin) -> None:
    """Nothing was polled yet: there is nothing to say."""
    code, output = plugin()

    assert (code, output.state, output.figures) == (3, "UNKNOWN", {})
    assert output.text == "there is no history yet: run `alerter poll` once, or start the service"


def test_a_broken_configuration_is_unknown(poll: Poll, plugin: Plugin, config: Path) -> None:
    """Each error is a line, and nothing goes to standard error."""
    poll()
    config.write_text(config.read_text().replace("timezone", "timezoen").replace("above", "abvoe"))

    code, output = plugin()

    assert (code, output.state) == (3, "UNKNOWN")
    assert "rules.toml:3: service.timezoen" in output.text
    assert "abvoe" in output.details[0]


def test_a_damaged_database_is_unknown(poll: Poll, plugin: Plugin, config: Path) -> None:
    """What cannot be read says nothing."""
    poll()
    (config.parent / "alerter.db").write_bytes(b"garbage, not a database " * 1000)

    code, output = plugin()

    assert (code, output.state) == (3, "UNKNOWN")
    assert "file is not a database" in output.text


def test_an_older_schema_is_unknown(poll: Poll, plugin: Plugin, a_later_revision: AddRevision) -> None:
    """The reason says what to do."""
    poll()
    a_later_revision("SELECT 1")

    code, output = plugin()

    assert code == 3
    assert "alerter db upgrade" in output.text


def test_two_forms_at_once_are_unknown(poll: Poll, plugin: Plugin) -> None:
    """A plugin that printed JSON would be read as something else."""
    poll()

    code, output = plugin(1, "--json")

    assert (code, output.text) == (3, "expected --nagios or --json, found both")


def test_a_bug_is_unknown_too(poll: Poll, plugin: Plugin, config: Path, simulator: Simulator) -> None:
    """A traceback would be no line, and its exit code would mean a warning."""
    simulator.misbehaviour = Misbehaviour.KEYS_EXPIRED
    poll()
    with closing(sqlite3.connect(config.parent / "alerter.db")) as connection, connection:
        connection.execute("UPDATE poll_failures SET cause = 'of a later version'")

    code, output = plugin()

    assert code == 3
    assert output.text.startswith("a bug in alerter: ValueError: 'of a later version'")


# -- the format --------------------------------------------------------------------------------------------------------


def test_a_long_report_is_cut() -> None:
    """Nagios reads 8 KiB: what is left out is counted, and the worst comes first."""
    troubles = [
        Trouble(state=State.WARNING, text="many", details=[f"line {number}" for number in range(40)]),
        Trouble(state=State.CRITICAL, text="worse", details=["the worst"]),
    ]

    lines, state = report(troubles, "7 held", [PluginFigure(label="a b", value=1)])

    output = parsed("\n".join(lines) + "\n")
    assert (state, output.text) == (State.CRITICAL, "worse; many; 7 held")
    assert output.details[0] == "the worst"
    assert output.details[-1] == "and 16 more: alerter status"
    assert len(output.details) == 26


@pytest.mark.parametrize("reason", ["", "|", "a\x1b[31m\rb", "one\ntwo | three"])
def test_whatever_the_reason_is_the_format_holds(reason: str) -> None:
    """Also without any reason, and with one that would end a line or begin the figures."""
    lines, state = unknown(reason)

    assert parsed("\n".join(lines) + "\n").state == state.name == "UNKNOWN"


def test_any_label_is_quoted() -> None:
    """A label ends neither at its own quotes nor at a bar, nor does it seem to have a value."""
    lines, _ = report([], "7 held", [PluginFigure(label="it's | a=b", value=1.4, unit="s", warning=1, critical=2)])

    output = parsed("\n".join(lines) + "\n")

    assert output.figures == {"it's / a-b": "1s"}
    assert output.limits == {"it's / a-b": ("1", "2")}


def test_an_alert_without_data_says_since_when_wherever_it_is_shown(
    alerter: RunCommand, config: Path, poll: Poll, plugin: Plugin, simulator: Simulator
) -> None:
    """It stays firing, and nobody takes the count of an hour ago for that of now."""
    config.write_text(config.read_text() + CRITICAL)
    poll()
    simulator.misbehaviour = Misbehaviour.KEYS_EXPIRED
    poll(5)
    poll(10)
    with freeze_time(NOON + timedelta(minutes=10)):
        early = alerter("alerts", "--config", config).out
    poll(11)

    with freeze_time(NOON + timedelta(minutes=11)):
        listed = alerter("alerts", "--config", config).out
        explanation = alerter("explain", "acme", REASON, "--config", config)
        as_json = json.loads(alerter("status", "--json", "--config", config).out)
        shown = json.loads(alerter("alerts", "--json", "--config", config).out)
        alert = next(each for each in shown if each["severity"] == "critical")
        page = alerter("alerts", "show", alert["alert"], "--config", config).out
        explained = alerter("explain", "acme", REASON, "--json", "--config", config)
    _, output = plugin(11)

    assert "no data" not in early
    assert "no data since 2026-03-02 12:00" in listed
    assert "no data since 12:00:00" in explanation.out
    assert {each["no_data_since"] for each in as_json["alerts"]} == {"2026-03-02T12:00:00+00:00"}
    assert "no data since\t2026-03-02 12:00" in page
    assert '"no_data_since": "2026-03-02T12:00:00+00:00"' in explained.out
    assert "of acme, no data since 2026-03-02 12:00" in output.text
