"""Each command, as its user types it: against the simulator, a real database and a real HTTP target."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerter.cli import COMMANDS
from alerter.service import wiring
from alerter.simulator.api import Misbehaviour
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.commands import RunCommand, a_configuration, runner
from tests.servers import HttpSink, http_sink, ping_sink

HELD = "time,reason,count\n0,Spam,340\n0,<!channel> Attachments,12\n"


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds the same messages all day."""
    with Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario.from_csv(HELD)) as simulator:  # noqa: TID251 - real requests carry the real date
        yield simulator


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A target that takes everything."""
    with http_sink() as sink:
        yield sink


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, sink: HttpSink) -> Path:
    """A configuration whose one rule fires on anything held, and tells the sink."""
    path = tmp_path / "rules.toml"
    path.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"'))
    return path


def test_help_lists_every_command_and_imports_none(alerter: RunCommand) -> None:
    """`alerter --help` answers at once, because it loads no command and no library."""
    forbidden = ("sqlalchemy", "requests", "apprise", "pydantic", "apscheduler", "rich", "alembic")
    script = (
        "import sys\nfrom alerter.cli import main\nsys.argv=['alerter','--help']\n"
        f"try: main()\nexcept SystemExit: pass\nprint([m for m in {forbidden!r} if m in sys.modules])"
    )

    shown = alerter("--help")
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert all(f"\n  {name} " in shown.out for name in COMMANDS)
    assert loaded.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", [*COMMANDS])
def test_every_command_explains_itself_in_the_words_of_the_list(alerter: RunCommand, command: str) -> None:
    """The help of a command names its options, and begins as the list of commands promises."""
    shown = alerter(command, "--help")

    assert shown.code == 0
    assert (
        command in {"completion", "db", "install", "schema", "test-rules", "web-password", "web-token"}
        or "--config PATH" in shown.out
    )


def test_an_unknown_command_is_the_users_input(alerter: RunCommand) -> None:
    """A misspelt command ends with 2 and says so."""
    shown = alerter("stauts")

    assert shown.code == 2
    assert "stauts" in shown.err


def test_without_a_configuration_the_user_learns_where_it_was_looked_for(
    alerter: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any configuration a command ends with 2 and names `alerter init`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERTER_CONFIG", raising=False)

    shown = alerter("status")

    assert shown.code == 2
    assert "rules.toml" in shown.err
    assert "alerter init" in shown.err


# -- init and check-config ---------------------------------------------------------------------------------------------


def test_what_is_odd_in_the_environment_is_a_warning(
    alerter: RunCommand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that cannot be used, and authorities that are not there: before the first poll fails."""
    monkeypatch.setenv("HTTPS_PROXY", "htp://someone:secret@proxy.example:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    shown = alerter("check-config", "--config", config)

    assert shown.code == 0
    assert "warning: environment: HTTPS_PROXY cannot be used: expected a proxy such as" in shown.err
    assert "warning: environment: REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which does not exist" in shown.err
    assert "secret" not in shown.err


def test_init_writes_a_file_that_only_its_owner_reads_and_never_overwrites_one(
    alerter: RunCommand, tmp_path: Path
) -> None:
    """The file may come to hold keys; a second init leaves it as it is."""
    path = tmp_path / "rules.toml"

    first = alerter("init", "--config", path)
    path.write_text("# mine\n")
    second = alerter("init", "--config", path)

    assert (first.code, second.code) == (0, 2)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "# mine\n"
    assert "exists already" in second.err


def test_init_says_why_a_file_cannot_be_written(alerter: RunCommand, tmp_path: Path) -> None:
    """A folder that is not there is the user's input."""
    shown = alerter("init", "--config", tmp_path / "nowhere" / "rules.toml")

    assert shown.code == 2
    assert "No such file or directory" in shown.err


def test_a_sound_configuration_is_called_sound(alerter: RunCommand, config: Path) -> None:
    """check-config says how many tenants, receivers and rules it found."""
    shown = alerter("check-config", "--config", config)

    assert shown.code == 0
    assert "1 tenant, 1 receiver, 2 rules" in shown.out


def test_every_error_of_a_configuration_is_reported_at_once(alerter: RunCommand, config: Path) -> None:
    """Two mistakes give two lines, each with file and line number."""
    config.write_text(config.read_text().replace("timezone", "timezoen").replace("above = 0", "abvoe = 0"))

    shown = alerter("check-config", "--config", config)

    assert shown.code == 2
    assert f"{config}:3:" in shown.err
    assert "timezone" in shown.err
    assert "above" in shown.err
    assert json.loads(alerter("check-config", "--json", "--config", config).out)["ok"] is False


def test_a_target_that_apprise_cannot_load_is_refused_without_its_secret(alerter: RunCommand, config: Path) -> None:
    """A malformed Slack URL is found before the first alert, and its token is not printed."""
    config.write_text(config.read_text().replace("json://127.0.0.1", "slack://TokenOfSomebody"))

    shown = alerter("check-config", "--config", config)

    assert shown.code == 2
    assert "receivers.secops.urls[#1]: the slack:// URL cannot be used: expected the URL of an incoming" in shown.err
    assert "TokenOfSomebody" not in shown.err + shown.out


# -- poll, status, history ---------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_would_be_sent_and_leaves_no_trace(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """`poll --dry-run` on a machine without a database prints the message, sends nothing and creates nothing."""
    shown = alerter("poll", "--dry-run", "--config", config)

    assert shown.code == 1
    assert "would be sent to secops" in shown.out
    assert "340" in shown.out
    assert sink.posts == []
    assert not (config.parent / "alerter.db").exists()


def test_a_poll_sends_once_and_a_second_one_tells_nobody_anything(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """Run from cron every five minutes, poll tells of an alert once, and says 1 as long as it fires."""
    first = alerter("poll", "--config", config)
    second = alerter("poll", "--config", config)

    assert (first.code, second.code) == (1, 1)
    assert len(sink.posts) == 1
    assert "held\tacme\tSpam\t340" in first.out
    assert "secops/json" in first.out
    assert "secops/json" not in second.out


def test_poll_tells_a_program_what_became_of_each_message(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """With --json, a program learns why a poll that saw everything ended with 1."""
    sink.status = 500

    shown = json.loads(alerter("poll", "--json", "--config", config).out)

    delivery = shown["deliveries"][0]
    assert delivery["ref"] == shown["tenants"][0]["messages"][0]["ref"]
    assert (delivery["target"], delivery["sent_at"]) == ("secops/json", None)
    assert "500" in delivery["last_error"]


def test_status_shows_tenants_counts_alerts_and_what_is_undelivered(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """After a poll whose message was refused, status shows everything that a person needs, and ends with 1."""
    sink.status = 500
    alerter("poll", "--config", config)

    shown = alerter("status", "--config", config)
    as_json = json.loads(alerter("status", "--json", "--config", config).out)

    assert shown.code == 1
    assert "held\tacme\tSpam\t340" in shown.out
    assert "firing\twarning\tBacklog" in shown.out
    assert "secops/json" in shown.out
    assert as_json["tenants"][0]["held"]["Spam"] == 340
    assert {alert["state"] for alert in as_json["alerts"]} == {"firing"}
    assert as_json["undelivered"][0]["attempts"] == 1


def test_status_shows_the_worst_alert_first(alerter: RunCommand, config: Path) -> None:
    """Whoever holds the pager reads what is critical before what is a warning."""
    critical = "critical = { threshold = { above = 300 } }\n"
    config.write_text(config.read_text() + critical)
    alerter("poll", "--config", config)

    shown = alerter("status", "--config", config)

    severities = [line.split("\t")[3] for line in shown.out.splitlines() if line.startswith("alerts")]
    assert severities == ["critical", "warning", "warning"]


def test_a_closed_pipe_is_no_alert(alerter: RunCommand, config: Path) -> None:
    """`alerter status | head -1` ends with 0 where all is well, and says nothing on standard error."""
    config.write_text(config.read_text().replace("above = 0", "above = 1000"))
    alerter("poll", "--config", config)
    command = [sys.executable, "-m", "alerter", "status", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        error = running.stderr.read()

    assert running.returncode == 0
    assert error == ""


def test_a_terminal_that_lacks_a_character_shows_a_question_mark(alerter: RunCommand, config: Path) -> None:
    """A Latin-1 terminal has not every character of a name, and gets everything else."""
    config.write_text(config.read_text().replace("above = 0", "above = 1000"))
    alerter("poll", "--config", config)
    command = [sys.executable, "-m", "alerter", "status", "--config", str(config)]

    shown = subprocess.run(
        command, capture_output=True, check=False, encoding="latin-1", env={"PYTHONIOENCODING": "latin-1"}
    )

    assert shown.returncode == 0
    assert "held\tacme\tSpam\t340\t" in shown.stdout
    assert shown.stderr == ""


def test_status_is_well_when_all_is_well(alerter: RunCommand, config: Path) -> None:
    """With every count below its limit, status ends with 0."""
    config.write_text(config.read_text().replace("above = 0", "above = 1000"))
    alerter("poll", "--config", config)

    shown = alerter("status", "--config", config)

    assert shown.code == 0
    assert "tenants\tacme" in shown.out


def test_a_poll_without_a_service_pings_the_heartbeat(alerter: RunCommand, config: Path) -> None:
    """A poll from cron is a sign of life too; a dry run is none, and a switch that refuses it costs only a line."""
    with ping_sink() as switch:
        config.write_text(config.read_text().replace("[service]", f'[service]\nheartbeat_url = "{switch.url}/uuid-01"'))
        alerter("poll", "--config", config, "--dry-run")
        well = alerter("poll", "--config", config)
        switch.status = 503
        refused = alerter("poll", "--config", config)
        paths = [ping.path for ping in switch.pings]

    assert paths == ["/uuid-01", "/uuid-01"]
    assert "heartbeat" not in well.err
    assert "heartbeat ping failed: answered 503, expected 200 to 299" in refused.err
    assert (well.code, "uuid-01" in refused.err) == (refused.code, False)


def test_status_before_the_first_poll_says_what_to_do(alerter: RunCommand, config: Path) -> None:
    """Without a database there is nothing to show yet, and no database is created by looking."""
    shown = alerter("status", "--config", config)

    assert shown.code == 1
    assert "alerter poll" in shown.err
    assert not (config.parent / "alerter.db").exists()


def test_a_failed_poll_is_told_with_its_cause_and_remedy(
    alerter: RunCommand, config: Path, simulator: Simulator
) -> None:
    """Expired keys end a poll with 1, and the text says what the administrator must do."""
    simulator.misbehaviour = Misbehaviour.KEYS_EXPIRED

    shown = alerter("poll", "--config", config)
    status = alerter("status", "--config", config)

    assert shown.code == 1
    assert "cause: keys_expired" in shown.out
    assert "what to do: " in shown.out
    assert status.code == 1
    assert "keys_expired" in status.out
    assert "tenants\tacme\tnever\tunknown\t" in status.out
    assert json.loads(alerter("poll", "--json", "--config", config).out)["tenants"][0]["cause"] == "keys_expired"


def test_history_finds_a_reason_by_glob_in_any_case(alerter: RunCommand, config: Path) -> None:
    """`history spam` shows the changes of the reason Spam."""
    alerter("poll", "--config", config)

    shown = alerter("history", "sp*", "--config", config)
    as_json = json.loads(alerter("history", "Spam", "--json", "--config", config).out)

    assert shown.code == 0
    assert shown.out.startswith("changes\tacme\tSpam\t")
    assert shown.out.endswith("\t340\t\n")
    assert [change["held"] for change in as_json[0]["changes"]] == [340]


def test_history_of_an_unknown_reason_suggests_the_known_ones(alerter: RunCommand, config: Path) -> None:
    """A misspelt reason ends with 1 and a hint; a span that is none ends with 2."""
    alerter("poll", "--config", config)

    unknown = alerter("history", "Spma", "--config", config)
    no_span = alerter("history", "Spam", "--since", "yesterday", "--config", config)

    assert (unknown.code, no_span.code) == (1, 2)
    assert "there are: 'Spam', …" in unknown.err
    assert "--since" in no_span.err


def test_history_of_nothing_says_what_there_is(alerter: RunCommand, config: Path) -> None:
    """With a command that can be pasted; before the first poll there is none."""
    before = alerter("history", "--config", config)
    alerter("poll", "--config", config)

    shown = alerter("history", "--config", config)

    assert (before.code, shown.code) == (1, 2)
    assert "name a hold reason, such as:\n  alerter history 'Spam'" in shown.err


def test_history_of_an_unknown_tenant_blames_the_tenant(alerter: RunCommand, config: Path) -> None:
    """With a glob that selects no tenant, the reason is not what is wrong."""
    alerter("poll", "--config", config)

    shown = alerter("history", "Spam", "--tenant", "amce", "--config", config)

    assert shown.code == 1
    assert "no tenant matches 'amce'; there are: 'acme'" in shown.err


# -- test-notify, db, simulate, demo -----------------------------------------------------------------------------------


def test_test_notify_says_of_each_target_whether_it_took_the_message(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """A target that answers takes the test; one that refuses makes the command end with 1."""
    good = alerter("test-notify", "secops", "--config", config)
    sink.status = 500
    bad = alerter("test-notify", "secops", "--config", config)
    unknown = alerter("test-notify", "secosp", "--config", config)

    assert (good.code, bad.code, unknown.code) == (0, 1, 2)
    assert good.out == "secops/json: sent\n"
    assert "not sent" in bad.out
    assert "there are: secops" in unknown.err


def test_test_notify_says_for_a_program_what_each_target_did(
    alerter: RunCommand, config: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also why a picture that is wanted did not go along."""
    config.write_text(config.read_text().replace("[receivers.secops]", "[receivers.secops]\ncharts = true"))
    monkeypatch.setattr(wiring, "picture_problem", lambda _: "it takes none")
    sink.status = 500

    (failed,) = json.loads(alerter("test-notify", "secops", "--json", "--config", config).out)
    sink.status = 200
    (without,) = json.loads(alerter("test-notify", "secops", "--json", "--config", config).out)
    shown = alerter("test-notify", "secops", "--config", config)

    assert (failed["target"], failed["sent"]) == ("secops/json", False)
    assert failed["error"].startswith("JSON answered 500")
    assert without == {"target": "secops/json", "sent": True, "error": None, "no_picture": "it takes none"}
    assert shown.out == "secops/json: sent, without a picture: it takes none\n"


def test_db_upgrade_makes_the_database_once(alerter: RunCommand, config: Path) -> None:
    """The first upgrade creates the schema, the second one has nothing to do."""
    first = alerter("db", "upgrade", "--config", config)
    second = alerter("db", "upgrade", "--config", config)

    assert (first.code, second.code) == (0, 0)
    assert "upgraded from nothing" in first.out
    assert "up to date" in second.out


def test_simulate_prints_a_configuration_that_works(alerter: RunCommand, tmp_path: Path) -> None:
    """What `simulate` prints can be pasted: with a receiver added, a poll with it succeeds for both API versions."""
    command = [sys.executable, "-m", "alerter", "simulate", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        printed = ""
        while "secret_key" not in printed:
            printed += running.stdout.readline()
        path = tmp_path / "rules.toml"
        path.write_text(printed.partition("\n")[2] + '\n[receivers.x]\nurls = ["json://127.0.0.1:9"]\n')

        shown = alerter("poll", "--dry-run", "--config", path)

        running.terminate()
    assert running.returncode == 0
    assert "acme: " in shown.out
    assert "legacy: " in shown.out
    assert "poll failed" not in shown.out


def test_simulate_is_every_tenant_of_a_configuration(alerter: RunCommand, tmp_path: Path) -> None:
    """With --config all tenants' keys are good, and those that --tenant names go wrong."""
    path = tmp_path / "rules.toml"
    tenant = '[tenants.tN]\nbase_url = "http://127.0.0.1:PORT"\nclient_id = "id-N"\nclient_secret = "secret-N"\n'
    tenants = "".join(tenant.replace("N", str(number)) for number in range(3))
    path.write_text(tenants + '[receivers.secops]\nurls = ["json://127.0.0.1:9"]\n')
    going_wrong = ["--misbehave", "permission_missing", "--tenant", "t1", "--latency", "0.01"]
    command = [sys.executable, "-m", "alerter", "simulate", "--port", "0", *going_wrong, "--config", str(path)]
    path.write_text(path.read_text().replace("PORT", "1"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().partition("http://127.0.0.1:")[2].split()[0]
        path.write_text(path.read_text().replace(':1"', f':{port}"'))

        shown = json.loads(alerter("poll", "--dry-run", "--json", "--config", path).out)

        process.terminate()
        assert process.wait(20) == 0
    assert [tenant["cause"] for tenant in shown["tenants"]] == [None, "permission_missing", None]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--tenant", "acme"], id="there is one account"),
        pytest.param(["--misbehave", "timeout", "--tenant", "acne", "--config"], id="it matches none"),
    ],
)
def test_simulate_refuses_tenants_that_are_none(alerter: RunCommand, config: Path, arguments: list[str]) -> None:
    """A glob that selects nobody would leave all well."""
    shown = alerter("simulate", "--port", "0", *arguments, *([config] if "--config" in arguments else []))

    assert shown.code == 2
    assert "tenant" in shown.err


def test_simulate_refuses_a_scenario_that_is_none(alerter: RunCommand, tmp_path: Path) -> None:
    """A table with a wrong head ends with 2 and the line."""
    table = tmp_path / "day.csv"
    table.write_text("when,what\n")

    shown = alerter("simulate", "--scenario", table, "--port", "0")

    assert shown.code == 2
    assert f"{table}:1:" in shown.err


def test_the_demo_shows_a_rise_an_alert_and_the_all_clear(alerter: RunCommand, sink: HttpSink) -> None:
    """The demo plays a whole day, and with --to really sends what it shows."""
    shown = alerter("demo", "--to", f"json://127.0.0.1:{sink.port}")

    assert shown.code == 0
    assert "289 polls" in shown.out
    assert "CRITICAL" in shown.out
    assert "Resolved" in shown.out
    assert "alerter init" in shown.out
    assert f" {len(sink.posts)} messages, and nothing else" in shown.out


def test_init_help_names_the_one_place_it_writes_to(alerter: RunCommand) -> None:
    """Unlike every other command, init does not follow $ALERTER_CONFIG, and does not claim to."""
    shown = alerter("init", "--help")

    assert "./rules.toml" in shown.out
    assert "ALERTER_CONFIG" not in shown.out


def test_the_demo_refuses_a_url_before_it_plays_a_day(alerter: RunCommand) -> None:
    """A misspelt --to is the user's input, and costs no second of the day."""
    shown = alerter("demo", "--to", "slak://token")

    assert shown.code == 2
    assert "slak://" in shown.err
    assert shown.out == ""


def test_the_demo_says_once_that_a_target_is_gone(alerter: RunCommand) -> None:
    """A target that does not answer ends the demo with 1 and one line, not with one per retry."""
    shown = alerter("demo", "--to", "json://127.0.0.1:9")

    assert shown.code == 1
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("not sent: demo/1: ")


@pytest.fixture
def polled_without_secrets(alerter: RunCommand, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose secrets were there when it polled, and are not where the commands run now."""
    url = re.findall(r"json://[^\"]+", config.read_text())[0]
    text = config.read_text().replace(url, "${SLACK_URL}").replace("simulated-client-secret", "${CLIENT_SECRET}")
    config.write_text(text)
    monkeypatch.setenv("CLIENT_SECRET", "simulated-client-secret")
    monkeypatch.setenv("SLACK_URL", url.replace(url.rpartition(":")[2], "9"))
    alerter("poll", "--config", config)
    monkeypatch.delenv("CLIENT_SECRET")
    monkeypatch.delenv("SLACK_URL")
    return config


@pytest.mark.parametrize(
    ("command", "code", "shows"),
    [
        pytest.param("status", 1, "<!channel> Attachments", id="status"),
        pytest.param("alerts", 1, "Backlog", id="alerts"),
        pytest.param("history Spam", 0, "340", id="history"),
        pytest.param("notifications", 0, "secops/json", id="notifications"),
        pytest.param(
            "notifications retry 1", 0, "delivery 1 is due now", id="retry a delivery to a target unknown here"
        ),
        pytest.param("silence add --all --for 1h --comment moving --author ann", 0, "silence 1 until", id="silence"),
        pytest.param("silence list", 0, "", id="list silences"),
        pytest.param("db upgrade", 0, "up to date", id="look after the database"),
        pytest.param("poll", 2, "CLIENT_SECRET is not set", id="but not poll"),
        pytest.param("test-notify secops", 2, "SLACK_URL is not set", id="nor send"),
        pytest.param("check-config", 2, "CLIENT_SECRET is not set", id="nor call the configuration sound"),
    ],
)
def test_who_only_looks_needs_no_secrets(
    *, alerter: RunCommand, polled_without_secrets: Path, command: str, code: int, shows: str
) -> None:
    """Beside a service, which alone has them, a shell can look, keep quiet and look after the database."""
    shown = alerter(*command.split(), "--config", polled_without_secrets)

    assert shown.code == code, shown
    assert shows in (shown.err if code == 2 else shown.out)


def test_an_alert_is_acknowledged_without_secrets(alerter: RunCommand, polled_without_secrets: Path) -> None:
    """Whoever is on call need not have Mimecast's keys."""
    [alert, *_] = json.loads(alerter("alerts", "--json", "--config", polled_without_secrets).out)

    shown = alerter("ack", alert["alert"], "--author", "ann", "--config", polled_without_secrets)

    assert shown.code == 0
    assert shown.out.startswith(f"acknowledged {alert['alert']}")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param("alerts show zzzz --json", 2, "no alert", id="what is asked for does not exist"),
        pytest.param("status --json --sort of", 2, "No such option '--sort'", id="an option that does not exist"),
        pytest.param(
            "ack --json", 2, "Missing argument 'ALERT...'. `alerter alerts` lists the alerts", id="nothing named"
        ),
        pytest.param("statsu --json", 2, "no command 'statsu', did you mean 'status'?", id="no command"),
    ],
)
def test_an_error_is_an_object_where_json_is_asked_for(
    alerter: RunCommand, config: Path, words: str, code: int, text: str
) -> None:
    """A program reads standard output alone, and finds one shape there whatever went wrong."""
    alerter("poll", "--config", config)

    failed = alerter(*words.split(), "--config", config)

    (error,) = json.loads(failed.out)["errors"]
    assert (failed.code, failed.err) == (code, "")
    assert text in error.pop("text")
    assert error == {"file": None, "line": None, "column": None, "key": None, "source": None}


def test_a_wrong_file_is_an_object_with_its_line_where_json_is_asked_for(alerter: RunCommand, tmp_path: Path) -> None:
    """Any command says it as `check-config` does."""
    wrong = tmp_path / "rules.toml"
    wrong.write_text("[service]\npoll_intervall = '5m'\n", encoding="utf-8")

    failed, checked = (alerter(*words.split(), "--json", "--config", wrong) for words in ("status", "check-config"))

    assert failed.code == 2
    assert json.loads(failed.out) == json.loads(checked.out)
    assert 2 in [each["line"] for each in json.loads(failed.out)["errors"]]
