"""Silences, acknowledgements, alerts and notifications, as their user types them, over a real database and target."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter import clock
from alerter.core.actions import ActionKind
from alerter.core.conditions import Evidence
from alerter.core.outbox import MAX_ATTEMPTS
from alerter.core.rules import Severity
from alerter.core.series import Sample
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from tests.builders import NOON, a_key, an_alert
from tests.commands import Outcome, RunCommand, a_configuration, runner
from tests.servers import HttpSink, http_sink

HELD = "time,reason,count\n0,Spam,340\n0,Attachments,12\n"
ALWAYS = '[mute_windows.always]\nfrom = "00:00"\nto = "00:00"\n'
COMMENT = ("--comment", "moving mail")


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds the same messages all day."""
    with Simulator(clock=clock.now, scenario=Scenario.from_csv(HELD)) as simulator:
        yield simulator


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A target that takes everything."""
    with http_sink() as sink:
        yield sink


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, sink: HttpSink) -> Path:
    """A configuration in which Spam is critical and Attachments is a warning."""
    path = tmp_path / "rules.toml"
    critical = "critical = { threshold = { above = 300 } }\n"
    path.write_text(a_configuration(simulator, urls=f'"json://127.0.0.1:{sink.port}"', more=critical))
    return path


@pytest.fixture
def polled(alerter: RunCommand, config: Path, sink: HttpSink) -> Path:
    """The same configuration after one poll, of which everybody was told."""
    alerter("poll", "--config", config)
    assert len(sink.posts) == 1
    return config


def store_of(config: Path) -> Store:
    """Return the database beside a configuration."""
    return Store(f"sqlite:///{config.parent}/alerter.db")


def alert_id(alerter: RunCommand, config: Path, severity: str, reason: str) -> str:
    """Return the id under which `alerter alerts` shows an alert."""
    listed = json.loads(alerter("alerts", "--json", "--config", config).out)
    return str(next(each["alert"] for each in listed if (each["severity"], each["reason"]) == (severity, reason)))


def rows(shown: Outcome, title: str) -> list[list[str]]:
    """Return the cells of each line that a table printed into a pipe."""
    return [line.split("\t")[1:] for line in shown.out.splitlines() if line.startswith(f"{title}\t")]


# -- silence -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_a_silence_would_match_and_changes_nothing(alerter: RunCommand, polled: Path) -> None:
    """Whoever is not sure of a glob tries it first."""
    shown = alerter("silence", "add", "--reason", "att*", "--for", "2h", *COMMENT, "--dry-run", "--config", polled)

    assert shown.code == 0
    assert shown.out.startswith("would be muted until ")
    assert [row[5] for row in rows(shown, "matches now")] == ["Attachments"]
    assert alerter("silence", "list", "--all", "--config", polled).out == ""


def test_a_silence_hides_until_it_is_expired_and_then_what_still_fires_is_told(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """Nobody is told while it lasts; the poll after its end tells what is true then."""
    alerter("db", "upgrade", "--config", config)
    added = alerter("silence", "add", "--tenant", "acme", "--for", "2h", *COMMENT, "--config", config)
    alerter("poll", "--config", config)
    told_meanwhile = len(sink.posts)

    expired = alerter("silence", "expire", "1", "--config", config)
    alerter("poll", "--config", config)

    assert (added.code, expired.code) == (0, 0)
    assert added.out.startswith("silence 1 until ")
    assert expired.out == "silence 1 has ended: tenant acme\n"
    assert told_meanwhile == 0
    assert len(sink.posts) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(["--for", "2h"], "--all for every alert", id="it is for nothing in particular"),
        pytest.param(["--all", "--rule", "B*", "--for", "2h"], "expected --all alone", id="for all and for some"),
        pytest.param(["--all"], "--for and --until, found neither", id="it has no end"),
        pytest.param(["--all", "--for", "2h", "--until", "2099-01-01"], "found both", id="it has two ends"),
        pytest.param(["--all", "--for", "31d"], "expected at most 30d, found 31d", id="it lasts too long"),
        pytest.param(["--all", "--for", "0s"], "expected an end after now", id="it is over at once"),
        pytest.param(["--all", "--for", "soon"], "expected a duration", id="its span is none"),
        pytest.param(["--all", "--until", "2020-01-01 08:00"], "expected an end after now", id="its end is past"),
        pytest.param(["--all", "--until", "2099-01-01"], "expected an end within 30d", id="its end is too far off"),
        pytest.param(["--all", "--until", "someday"], "expected a time such as", id="its end is no time"),
        pytest.param(
            ["--all", "--until", "9999-12-31T23:59-14:00"], "expected a time such as", id="its end is none at all"
        ),
        pytest.param(["--tenant", "!", "--for", "2h"], "expected a glob", id="a glob is empty"),
        pytest.param(["--severity", "bad", "--for", "2h"], "'info', 'warning', 'critical'", id="no such severity"),
        pytest.param(["--all", "--for", "2h", "--comment", " "], "expected a line of text", id="the comment is blank"),
        pytest.param(
            ["--all", "--for", "2h", "--comment", "x" * 501], "at most 500 characters, found 501", id="it is a novel"
        ),
        pytest.param(["--all", "--for", "2h", "--author", "a\x1b[2J"], "expected a line", id="a name moves the cursor"),
    ],
)
def test_a_silence_that_is_not_well_meant_is_the_users_input(
    alerter: RunCommand, polled: Path, options: Sequence[str], expected: str
) -> None:
    """Whatever is wrong with a silence is said, and nothing is kept of it."""
    shown = alerter("silence", "add", *COMMENT, *options, "--config", polled)

    assert shown.code == 2
    assert expected in " ".join(shown.err.split())
    assert alerter("silence", "list", "--all", "--config", polled).out == ""


def test_a_silence_without_a_comment_is_refused(alerter: RunCommand, polled: Path) -> None:
    """Who finds it at night wants to know why."""
    shown = alerter("silence", "add", "--all", "--for", "2h", "--config", polled)

    assert shown.code == 2
    assert "--comment" in shown.err


@pytest.mark.parametrize("text", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S+05:30"])
def test_the_end_of_a_silence_is_in_the_time_zone_of_the_service(alerter: RunCommand, polled: Path, text: str) -> None:
    """People write what their clocks show; whoever writes an offset means that."""
    polled.write_text(polled.read_text().replace('timezone = "UTC"', 'timezone = "Asia/Kolkata"'))
    end = (clock.now() + timedelta(hours=2)).replace(second=0, microsecond=0)
    written = end.astimezone(ZoneInfo("Asia/Kolkata")).strftime(text)

    shown = alerter("silence", "add", "--all", "--until", written, *COMMENT, "--json", "--config", polled)

    assert datetime.fromisoformat(json.loads(shown.out)["ends_at"]) == end


def test_a_silence_for_names_that_do_not_exist_is_kept_with_a_warning(alerter: RunCommand, polled: Path) -> None:
    """A misspelt tenant or rule is said, for the silence would keep nothing quiet."""
    options = ("--tenant", "amce", "--rule", "Blacklog", "--for", "2h")
    shown = alerter("silence", "add", *options, *COMMENT, "--config", polled)

    assert shown.code == 0
    assert "warning: --tenant 'amce' matches nothing; there are: 'acme'\n" in shown.err
    assert "warning: --rule 'Blacklog' matches nothing; there are: 'Backlog', 'No data'\n" in shown.err


def test_a_silence_matches_what_all_of_its_options_match(alerter: RunCommand, polled: Path) -> None:
    """Different options narrow it down, a repeated one widens it."""
    options = ("--severity", "critical", "--severity", "warning", "--reason", "*", "--reason", "!spam", "--for", "1d")
    shown = alerter("silence", "add", *options, *COMMENT, "--json", "--config", polled)

    silence = json.loads(shown.out)
    assert [(each["severity"], each["reason"]) for each in silence["matches"]] == [("warning", "Attachments")]
    assert silence["matches"][0]["muted_by"]["kind"] == "silence"
    assert (silence["severities"], silence["reasons"]) == (["warning", "critical"], ["*", "!spam"])


def test_a_silence_by_label_is_for_who_has_the_label_now(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """A tenant that gets the label falls silent with the next poll, and one that loses it is told of again."""

    def relabelled(label: str) -> None:
        text = re.sub("\nlabels = .*", "", config.read_text())
        config.write_text(text.replace("[tenants.acme]", f"[tenants.acme]\nlabels = {{ customer = '{label}' }}"))
        alerter("poll", "--config", config)

    alerter("db", "upgrade", "--config", config)
    options = ("--label", "customer=Acme*", "--label", "customer=Globex", "--for", "2h")
    added = alerter("silence", "add", *options, *COMMENT, "--config", config)
    relabelled("acme ltd")
    silent = len(sink.posts)
    shown = alerter("silence", "list", "--json", "--config", config)
    muted = json.loads(alerter("alerts", "--json", "--config", config).out)
    relabelled("initech")

    assert (added.code, silent, len(sink.posts)) == (0, 0, 1)
    assert "): label customer=Acme*, customer=Globex\n" in added.out
    assert "warning: --label customer='Acme*' 'Globex' matches nothing; no tenant has labels\n" in added.err
    assert json.loads(shown.out)[0]["labels"] == {"customer": ["Acme*", "Globex"]}
    assert {each["muted_by"]["kind"] for each in muted} == {"silence"}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("customer", "expected a label such as tier=gold, found 'customer'"),
        ("customer=", "expected a glob"),
        ("1st=gold", "expected a label's name of letters, digits and '_', the first no digit, found '1st'"),
        ("tenant=acme", "expected a label of your own, found 'tenant', which every alert has already"),
    ],
)
def test_a_label_that_is_none_is_the_users_input(alerter: RunCommand, polled: Path, label: str, expected: str) -> None:
    """Wherever tenants are chosen by it."""
    refused = [
        alerter(*command, "--label", label, "--config", polled)
        for command in (("silence", "add", "--for", "2h", *COMMENT), ("alerts",), ("status",), ("tenants",))
    ]

    assert [each.code for each in refused] == [2, 2, 2, 2]
    assert all(expected in each.err for each in refused)


def test_alerts_are_listed_of_those_who_are_asked_for(
    alerter: RunCommand, polled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name and label, as `status` and `tenants` choose; by name also of a tenant that has gone."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    polled.write_text(
        polled.read_text().replace("[tenants.acme]", "[tenants.acme]\nlabels = { tier = 'gold' }")
        + '[tenants.globex]\nclient_id = "i"\nclient_secret = "s"\nlabels = { tier = "silver" }\n'
    )

    def listed(*options: str) -> Outcome:
        return alerter("alerts", *options, "--config", polled)

    everything = listed()
    assert everything.out
    assert everything.code == 1
    assert listed("--tenant", "ac*").out == listed("--label", "tier=gold").out == everything.out
    assert listed("--label", "tier=silver") == listed("--tenant", "globex") == Outcome(code=0, out="", err="")
    nobody = listed("--label", "tier=bronze")
    polled.write_text(polled.read_text().replace("[tenants.acme]", "[tenants.initech]"))
    assert listed("--tenant", "acme").out == everything.out
    assert listed("--label", "tier=gold").out == ""
    assert (nobody.code, nobody.err) == (1, "Error: no tenant matches: `alerter tenants` lists all of them\n")


def test_silences_are_listed_with_who_and_why_until_they_end(alerter: RunCommand, polled: Path) -> None:
    """`--all` also lists those that have ended."""
    alerter("silence", "add", "--all", "--for", "1h", "--author", "Jo", *COMMENT, "--config", polled)
    alerter("silence", "add", "--rule", "B*", "--for", "1h", "--comment", "two\n lines", "--config", polled)
    alerter("silence", "expire", "1", "--config", polled)

    listed = rows(alerter("silence", "list", "--config", polled), "silences")
    with_ended = rows(alerter("silence", "list", "--all", "--config", polled), "silences")
    as_json = json.loads(alerter("silence", "list", "--all", "--json", "--config", polled).out)

    assert [(row[0], row[1], row[2], row[-1]) for row in listed] == [("2", "active", "rule B*", "two lines")]
    assert [(row[1], row[2]) for row in with_ended] == [("expired", "everything"), ("active", "rule B*")]
    assert with_ended[0][-2:] == ["Jo", "moving mail"]
    assert [each["state"] for each in as_json] == ["expired", "active"]


def test_a_silence_ends_once(alerter: RunCommand, polled: Path) -> None:
    """To end it again is told with when it had ended; a number that was never given is the user's input."""
    alerter("silence", "add", "--all", "--for", "1h", *COMMENT, "--config", polled)

    codes = [alerter("silence", "expire", number, "--config", polled).code for number in ("1", "1", "7", "one")]

    assert codes == [0, 1, 2, 2]


def test_a_silence_that_was_ended_is_an_object_for_a_program(alerter: RunCommand, polled: Path) -> None:
    """The same as `silence list --all --json` has it from then on."""
    alerter("silence", "add", "--all", "--for", "1h", *COMMENT, "--config", polled)

    ended = json.loads(alerter("silence", "expire", "1", "--json", "--config", polled).out)
    refused = json.loads(alerter("silence", "expire", "1", "--json", "--config", polled).out)

    assert (ended["silence"], ended["state"]) == (1, "expired")
    assert [ended] == json.loads(alerter("silence", "list", "--all", "--json", "--config", polled).out)
    assert refused["errors"][0]["text"].startswith("silence 1 ended ")


def test_a_silence_is_added_while_the_service_runs(alerter: RunCommand, polled: Path) -> None:
    """The lock of the daemon does not keep people from asking for quiet."""
    with closing(store_of(polled)) as store, store.lock():
        shown = alerter("silence", "add", "--all", "--for", "1h", *COMMENT, "--config", polled)

    assert shown.code == 0


# -- ack ---------------------------------------------------------------------------------------------------------------


def test_an_acknowledged_alert_is_an_object_for_a_program(alerter: RunCommand, polled: Path) -> None:
    """In the form of `alerts --json`, as it is from then on; taken back as well."""
    listed = ["alerts", "--json", "--config", polled]
    alert = next(each["alert"] for each in json.loads(alerter(*listed).out) if each["state"] == "firing")

    given = json.loads(alerter("ack", alert, "--author", "Jo", "--json", "--config", polled).out)
    shown = [each for each in json.loads(alerter(*listed).out) if each["alert"] == given[0]["alert"]]
    undone = json.loads(alerter("ack", alert, "--undo", "--json", "--config", polled).out)

    assert given[0] == {key: shown[0][key] for key in given[0]}
    assert (given[0]["muted_by"]["kind"], given[0]["muted_by"]["name"]) == ("acknowledgement", "Jo")
    assert [(each["alert"], each["muted_by"]) for each in undone] == [(alert, None)]


def test_an_acknowledgement_says_when_it_breaks(alerter: RunCommand, polled: Path) -> None:
    """It ends with the alert, at a higher level, or at twice the count; status shows who is at it."""
    alert = alert_id(alerter, polled, "warning", "Attachments")

    shown = alerter("ack", alert, "--comment", "on it", "--author", "Jo", "--config", polled)
    status = alerter("status", "--config", polled)

    assert shown.code == 0
    assert shown.out == (
        f"acknowledged {alert}: warning of rule Backlog on acme: Attachments\n"
        "muted until it resolves, rises above warning or 24 are held\n"
    )
    until = "it resolves, rises above warning or 24 are held"
    assert rows(status, "mutes") == [["acknowledgement", "by Jo", f"alert {alert}", until, "on it"]]
    assert [row[-1] for row in rows(status, "alerts") if row[5] == "Attachments"] == ["acknowledgement by Jo: on it"]


def test_the_highest_level_is_acknowledged(alerter: RunCommand, polled: Path) -> None:
    """Whoever acknowledges the warning of what is critical as well means both: people hear the highest only."""
    warning = alert_id(alerter, polled, "warning", "Spam")
    critical = alert_id(alerter, polled, "critical", "Spam")

    shown = alerter("ack", warning, "--config", polled)
    listed = json.loads(alerter("alerts", "--json", "--config", polled).out)

    assert f"acknowledged {critical}: critical" in shown.out
    assert "muted until it resolves or 680 are held" in shown.out
    assert [each["muted_by"] is not None for each in listed if each["reason"] == "Spam"] == [True, True]


def test_an_acknowledgement_can_be_taken_back(alerter: RunCommand, polled: Path) -> None:
    """Once; and there must be one."""
    alert = alert_id(alerter, polled, "warning", "Attachments")
    alerter("ack", alert, "--author", "Jo", "--config", polled)

    taken = alerter("ack", alert, "--undo", "--config", polled)
    again = alerter("ack", alert, "--undo", "--config", polled)
    status = alerter("status", "--config", polled)
    odd = alerter("ack", alert, "--undo", "--comment", "why", "--config", polled)

    assert (taken.code, again.code, odd.code) == (0, 1, 2)
    assert taken.out.startswith(f"no longer acknowledged {alert}: rule Backlog on acme: Attachments\n")
    assert "it was acknowledged by Jo " in taken.out
    assert f"alert {alert} is not acknowledged: there is nothing to take back" in again.err
    assert "--comment" in odd.err
    assert rows(status, "mutes") == []


def ref_of(sink: HttpSink) -> str:
    """Return the `ref` of the last message that was sent."""
    body = sink.posts[-1][1]["message"]
    return str(re.findall(r"ref (\w{10})", body)[0])


def test_the_ref_of_a_message_acknowledges_all_of_its_alerts(alerter: RunCommand, polled: Path, sink: HttpSink) -> None:
    """What is copied from a message on a phone is enough, also half of an id."""
    ids = [alert_id(alerter, polled, *each) for each in (("critical", "Spam"), ("warning", "Attachments"))]

    both = alerter("ack", ref_of(sink), "--config", polled)
    undone = alerter("ack", "--undo", ids[0][:5], ids[1], "--config", polled)

    assert [line.split()[1] for line in both.out.splitlines() if line.startswith("acknowledged ")] == [
        f"{each}:" for each in ids
    ]
    assert [line.split()[3] for line in undone.out.splitlines() if line.startswith("no longer")] == [
        f"{each}:" for each in ids
    ]
    assert undone.code == 0


def test_of_several_alerts_all_are_acknowledged_or_none(alerter: RunCommand, polled: Path) -> None:
    """A typing error leaves nothing half done."""
    alert = alert_id(alerter, polled, "critical", "Spam")

    shown = alerter("ack", alert, "0000", "--config", polled)

    assert shown.code == 2
    assert "no alert '0000'" in shown.err
    assert rows(alerter("status", "--config", polled), "quiet") == []


def test_an_alert_is_silenced_by_its_id(alerter: RunCommand, polled: Path, sink: HttpSink) -> None:
    """The rule, tenant and reason of that alert, and nothing else; of a `ref`, one silence for each."""
    alert = alert_id(alerter, polled, "warning", "Attachments")

    one = alerter("silence", "add", alert[:6], "--for", "2h", *COMMENT, "--config", polled)
    each = alerter("silence", "add", ref_of(sink), "--for", "2h", *COMMENT, "--config", polled)

    assert [row[5] for row in rows(one, "matches now")] == ["Attachments"]
    assert one.out.splitlines()[0].endswith(": tenant acme; reason Attachments; rule Backlog")
    assert [line.split()[1] for line in each.out.splitlines() if line.startswith("silence ")] == ["2", "3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--tenant", "acme"), "expected alerts alone, found them with options that choose", id="options"),
        pytest.param(("--all",), "expected --all alone", id="all"),
        pytest.param(("--json",), "expected one alert with --json, found 2", id="json"),
    ],
)
def test_a_silence_for_an_alert_is_for_nothing_else(
    alerter: RunCommand, polled: Path, sink: HttpSink, arguments: Sequence[str], said: str
) -> None:
    """Two ways to say it in one command would be a riddle."""
    shown = alerter("silence", "add", ref_of(sink), *arguments, "--for", "2h", *COMMENT, "--config", polled)

    assert shown.code == 2
    assert said in shown.err + shown.out


def test_only_what_fires_is_acknowledged(alerter: RunCommand, polled: Path) -> None:
    """An alert that is over ends with 1, an id that does not exist with 2."""
    alert = alert_id(alerter, polled, "warning", "Attachments")
    polled.write_text(polled.read_text().replace("above = 0", "above = 100"))
    alerter("poll", "--config", polled)

    over = alerter("ack", alert, "--config", polled)
    unknown = alerter("ack", "nothing", "--config", polled)

    assert (over.code, unknown.code) == (1, 2)
    assert "is not firing" in over.err
    assert "alerter alerts" in unknown.err


# -- alerts ------------------------------------------------------------------------------------------------------------


def test_alerts_are_listed_worst_first_with_who_was_told(alerter: RunCommand, polled: Path) -> None:
    """Each has its state, what mutes it, and what each receiver knows; one that fires makes it end with 1."""
    alerter("silence", "add", "--reason", "Att*", "--for", "1h", "--author", "Jo", *COMMENT, "--config", polled)

    shown = alerter("alerts", "--config", polled)

    listed = rows(shown, "alerts")
    assert shown.code == 1
    assert (listed[0][2], listed[0][5]) == ("critical", "Spam")
    assert all(row[-1].startswith(("secops: critical ", "secops: warning ")) for row in listed)
    muted = {row[5]: row[-2] for row in listed}
    assert muted["Spam"] == ""
    assert muted["Attachments"].startswith("silence 1 by Jo until ")
    assert muted["Attachments"].endswith(": moving mail")


def test_an_alert_that_is_over_is_listed_for_a_day(alerter: RunCommand, polled: Path) -> None:
    """What has just resolved is still news, and `--all` lists it for ever."""
    polled.write_text(polled.read_text().replace("above = 0", "above = 1000").replace("above = 300", "above = 2000"))
    alerter("poll", "--config", polled)

    shown = alerter("alerts", "--config", polled)
    with closing(store_of(polled)) as store, store.write() as transaction:
        aged = [replace(each, resolved_at=clock.now() - timedelta(days=2)) for each in transaction.alerts.load_all()]
        transaction.alerts.save(aged)
    later = alerter("alerts", "--config", polled)
    everything = alerter("alerts", "--all", "--config", polled)

    assert {(row[1], " ".join(row[-1].split()[:2])) for row in rows(shown, "alerts")} == {
        ("resolved", "secops: resolved")
    }
    assert (shown.code, later.code, everything.code) == (0, 0, 0)
    assert later.out == ""
    assert len(rows(everything, "alerts")) == len(rows(shown, "alerts"))


def test_an_alert_is_shown_with_what_was_compared_its_history_and_who_was_told(
    alerter: RunCommand, polled: Path
) -> None:
    """Everything that explains one alert stands in one place."""
    alert = alert_id(alerter, polled, "critical", "Spam")

    shown = alerter("alerts", "show", alert, "--config", polled)
    as_json = json.loads(alerter("alerts", "show", alert.upper(), "--json", "--config", polled).out)

    assert shown.code == 0
    assert shown.out.startswith(f"{alert}: firing: critical of rule Backlog on acme: Spam\n")
    assert "compared\tthreshold: 340 held at " in shown.out
    assert ", limit above 300\n" in shown.out
    assert [row[1:3] for row in rows(shown, "history")] == [["inactive", "firing"]]
    assert [row[:2] + row[3:] for row in rows(shown, "notified")] == [["secops", "critical", "0"]]
    assert as_json["evidence"][0]["value"]["held"] == 340
    assert [each["to_state"] for each in as_json["transitions"]] == ["firing"]
    assert [(each["receiver"], each["state"]) for each in as_json["notified"]] == [("secops", "firing")]


def test_a_resolved_alert_is_shown_with_how_long_it_lasted(alerter: RunCommand, polled: Path) -> None:
    """The newest of its history comes first."""
    alert = alert_id(alerter, polled, "critical", "Spam")
    polled.write_text(polled.read_text().replace("critical = { threshold = { above = 300 } }", ""))
    alerter("poll", "--config", polled)

    shown = alerter("alerts", "show", alert, "--config", polled)

    assert shown.out.startswith(f"{alert}: resolved: ")
    assert "\nlasted\t" in shown.out
    assert "\nended by\t" in shown.out
    assert [row[1:3] for row in rows(shown, "history")] == [["firing", "resolved"], ["inactive", "firing"]]


def test_an_alert_says_what_its_condition_reckoned_with(alerter: RunCommand, polled: Path) -> None:
    """A forecast is shown with the count that it expects, and when."""
    ahead = Evidence(
        condition="forecast",
        limit_text="above 800, or on the way there within 4h at the pace of the last 6h",
        expected=Sample(NOON, 850),
        headline="heading for 850 in 4h",
    )
    with closing(store_of(polled)) as store, store.write() as transaction:
        transaction.alerts.save([replace(an_alert(), evidence=(ahead,))])

    shown = alerter("alerts", "show", a_key().id, "--config", polled)
    as_json = json.loads(alerter("alerts", "show", a_key().id, "--json", "--config", polled).out)

    assert ", expected 850 at 2026-03-02 12:00:00 UTC" in shown.out
    assert as_json["evidence"][0]["expected"] == {"at": NOON.isoformat(), "held": 850}
    assert as_json["evidence"][0]["headline"] == "heading for 850 in 4h"


def test_a_tenant_without_data_mutes_its_other_alerts(alerter: RunCommand, polled: Path) -> None:
    """An alert about polling says when the last successful poll was and why it failed; the others wait."""
    polling = Evidence(
        condition="no_data", limit_text="no data for 15m", last_success_at=clock.now(), detail="timeout: none"
    )
    key = a_key(rule="No data", severity=Severity.CRITICAL, reason="*")
    unseen = replace(an_alert(key=key, value=None, peak=None), evidence=(polling,))
    with closing(store_of(polled)) as store, store.write() as transaction:
        transaction.alerts.save([unseen])

    shown = alerter("alerts", "show", key.id, "--config", polled)
    as_json = json.loads(alerter("alerts", "show", key.id, "--json", "--config", polled).out)
    listed = json.loads(alerter("alerts", "--json", "--config", polled).out)

    assert "\ncompared	no_data: limit no data for 15m, last successful poll " in shown.out
    assert ", timeout: none\n" in shown.out
    assert as_json["evidence"][0]["value"] is None
    assert {(each["reason"], (each["muted_by"] or {}).get("kind")) for each in listed} == {
        ("*", None),
        ("Spam", "tenant without data"),
        ("Attachments", "tenant without data"),
    }


def test_an_unknown_alert_is_the_users_input(alerter: RunCommand, polled: Path) -> None:
    """It is not called resolved."""
    assert alerter("alerts", "show", "0", "--config", polled).code == 2


@pytest.mark.parametrize("arguments", [["alerts", "--all", "show", "1"], ["notifications", "--failed", "retry", "1"]])
def test_an_option_before_a_subcommand_is_not_ignored(alerter: RunCommand, arguments: Sequence[str]) -> None:
    """It would have no effect there, so that it is refused."""
    shown = alerter(*arguments)

    assert shown.code == 2
    assert f"expected options after '{arguments[2]}', found {arguments[1]} before it" in shown.err


# -- notifications -----------------------------------------------------------------------------------------------------


def test_notifications_are_listed_with_target_attempts_and_state(alerter: RunCommand, polled: Path) -> None:
    """What was sent to whom, and when."""
    shown = alerter("notifications", "--config", polled)
    as_json = json.loads(alerter("notifications", "--json", "--config", polled).out)

    (row,) = rows(shown, "notifications")
    assert shown.code == 0
    assert (row[0], row[3], row[5]) == ("1", "secops/json", "1")
    assert row[6].startswith("sent ")
    assert [(each["state"], each["receiver"], each["last_error"]) for each in as_json] == [("sent", "secops", "")]
    assert row[1] == as_json[0]["ref"]


def test_failed_notifications_can_be_listed_alone(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """One that waits after a refusal shows the target's answer; `--limit` shows the newest."""
    sink.status = 500
    alerter("poll", "--config", config)
    sink.status = 200

    failed = alerter("notifications", "--failed", "--config", config)
    limited = alerter("notifications", "--limit", "1", "--config", config)

    (row,) = rows(failed, "notifications")
    assert failed.code == 0
    assert row[6].startswith("next in ")
    assert "500" in row[7]
    assert len(rows(limited, "notifications")) == 1
    assert alerter("notifications", "--limit", "0", "--config", config).code == 2


def give_up(config: Path, number: int = 1) -> None:
    """Let a delivery be one that was tried for a day in vain."""
    with closing(store_of(config)) as store, store.write() as transaction:
        record = transaction.outbox.delivery(number)
        assert record is not None
        dead = replace(record.delivery, attempts=MAX_ATTEMPTS, dead_at=clock.now(), last_error="http 500")
        transaction.outbox.save_delivery(dead)


def test_a_message_that_was_given_up_is_loud_and_can_be_tried_again(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """A retry makes it due at once, so that the next round of deliveries sends it."""
    sink.status = 500
    alerter("poll", "--config", config)
    give_up(config)
    sink.status = 200
    sink.posts.clear()

    listed = alerter("notifications", "--config", config)
    retried = alerter("notifications", "retry", "1", "--config", config)
    alerter("poll", "--config", config)
    after = alerter("notifications", "--config", config)

    assert listed.code == 1
    assert rows(listed, "notifications")[0][6].startswith("given up ")
    assert retried.code == 0
    assert retried.out == f"delivery 1 is due now: attempt {MAX_ATTEMPTS + 1} at secops/json, for the last time\n"
    assert len(sink.posts) == 1
    assert after.code == 0
    assert rows(after, "notifications")[0][6].startswith("sent ")


def test_a_retry_that_fails_again_is_given_up_again(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """One attempt was asked for, and no second day of them."""
    sink.status = 500
    alerter("poll", "--config", config)
    give_up(config)
    sink.posts.clear()

    alerter("notifications", "retry", "1", "--config", config)
    alerter("poll", "--config", config)
    alerter("poll", "--config", config)

    assert len(sink.posts) == 1
    assert alerter("notifications", "--config", config).code == 1


def test_a_delivery_that_is_due_again_is_an_object_for_a_program(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """The same as `notifications --json` has it from then on."""
    sink.status = 500
    alerter("poll", "--config", config)
    give_up(config)

    retried = json.loads(alerter("notifications", "retry", "1", "--json", "--config", config).out)

    assert (retried["delivery"], retried["state"], retried["dead_at"]) == (1, "waiting", None)
    assert [retried] == json.loads(alerter("notifications", "--json", "--config", config).out)


def test_a_delivery_is_not_retried_past_an_older_one(alerter: RunCommand, config: Path, sink: HttpSink) -> None:
    """The order is kept per target: the end of an alert never comes before its beginning."""
    sink.status = 500
    alerter("poll", "--config", config)
    config.write_text(config.read_text().replace("above = 0", "above = 1000").replace("above = 300", "above = 2000"))
    alerter("poll", "--config", config)

    shown = alerter("notifications", "retry", "2", "--config", config)

    assert shown.code == 0
    assert shown.out == "delivery 2 follows delivery 1, which waits for the same target: secops/json\n"


def test_what_cannot_be_retried_is_said(alerter: RunCommand, polled: Path, sink: HttpSink) -> None:
    """What was sent, or has no target any more, ends with 1; what never was, with 2."""
    sent = alerter("notifications", "retry", "1", "--config", polled)
    unknown = alerter("notifications", "retry", "7", "--config", polled)
    give_up(polled)
    with closing(store_of(polled)) as store, store.write() as transaction:
        record = transaction.outbox.delivery(1)
        assert record is not None
        transaction.outbox.save_delivery(replace(record.delivery, sent_at=None))
    polled.write_text(polled.read_text().replace("[receivers.secops]", "[receivers.others]"))
    gone = alerter("notifications", "retry", "1", "--config", polled)

    assert (sent.code, unknown.code, gone.code) == (1, 2, 1)
    assert "was sent" in sent.err
    assert "'secops/json' of delivery 1 is no longer in" in gone.err
    assert len(sink.posts) == 1


# -- status ------------------------------------------------------------------------------------------------------------


def test_status_shows_everything_that_keeps_quiet(alerter: RunCommand, polled: Path) -> None:
    """Silences, acknowledgements that hold, and the mute windows in force, with what uses them."""
    route = '[[routes]]\nreceivers = ["secops"]\nmute_windows = ["always"]\n'
    polled.write_text(polled.read_text() + 'mute_windows = ["always"]\n' + ALWAYS + route)
    alerter("silence", "add", "--severity", "info", "--for", "1h", "--author", "Jo", *COMMENT, "--config", polled)
    alerter("ack", alert_id(alerter, polled, "critical", "Spam"), "--author", "Jo", "--config", polled)

    shown = alerter("status", "--config", polled)
    as_json = json.loads(alerter("status", "--json", "--config", polled).out)

    assert [row[:3] for row in rows(shown, "mutes")] == [
        ["silence", "1 by Jo", "severity info"],
        ["acknowledgement", "by Jo", f"alert {alert_id(alerter, polled, 'critical', 'Spam')}"],
        ["mute window", "always", "rules Backlog; a route to secops"],
    ]
    muted = {(each["severity"], each["reason"]): each["muted_by"]["kind"] for each in as_json["alerts"]}
    assert muted["critical", "Spam"] == "acknowledgement"
    assert muted["warning", "Attachments"] == "mute window"
    assert {name: len(entries) for name, entries in as_json["mutes"].items()} == {
        "silences": 1,
        "acknowledgements": 1,
        "mute_windows": 1,
        "muted_tenants": 0,
    }


def test_an_alert_is_muted_if_all_of_its_ways_are(alerter: RunCommand, polled: Path) -> None:
    """A window on one route mutes nothing that another route brings."""
    muted_way = '[[routes]]\nreceivers = ["secops"]\nmute_windows = ["always"]\n'
    open_way = '[[routes]]\nreceivers = ["secops"]\nseverity = ["critical"]\n'
    polled.write_text(polled.read_text() + ALWAYS + muted_way + open_way)

    shown = alerter("status", "--config", polled)

    muted = {(row[2], row[5]): row[-1] for row in rows(shown, "alerts")}
    assert muted["critical", "Spam"] == ""
    assert muted["warning", "Attachments"].startswith("mute window always until ")


def test_a_muted_tenant_is_shown_with_its_alerts_and_nobody_is_told(
    alerter: RunCommand, config: Path, sink: HttpSink
) -> None:
    """`muted = true`: it is polled, judged and recorded as ever, and the mute is named wherever the alert is."""
    config.write_text(config.read_text().replace("[tenants.acme]", "[tenants.acme]\nmuted = true"))

    alerter("poll", "--config", config)
    shown = alerter("status", "--config", config)
    as_json = json.loads(alerter("status", "--json", "--config", config).out)

    assert sink.posts == []
    assert {row[-1] for row in rows(shown, "alerts")} == {"muted tenant acme"}
    assert rows(shown, "mutes") == [["muted tenant", "acme", "everything", "it is changed in the configuration", ""]]
    assert as_json["mutes"]["muted_tenants"] == ["acme"]


def test_a_window_by_label_mutes_who_has_the_label(alerter: RunCommand, polled: Path) -> None:
    """And `status` says for how many it is, where it is not for all."""
    labels = {"acme": "gold", "globex": "silver"}
    text = polled.read_text() + '[tenants.globex]\nclient_id = "i"\nclient_secret = "s"\n'
    for name, tier in labels.items():
        text = text.replace(f"[tenants.{name}]", f"[tenants.{name}]\nlabels = {{ tier = '{tier}' }}")

    def muted(tier: str) -> tuple[set[bool], list[list[str]]]:
        window = ALWAYS + f"tenant_labels = {{ tier = '{tier}' }}\n"
        polled.write_text(text + window + '[[routes]]\nreceivers = ["secops"]\nmute_windows = ["always"]\n')
        shown = alerter("status", "--config", polled)
        return {bool(row[-1]) for row in rows(shown, "alerts")}, [row[:3] for row in rows(shown, "mutes")]

    used = ["mute window", "always", "a route to secops of 1 tenant"]
    assert muted("gold") == ({True}, [used])
    assert muted("silver") == ({False}, [used])


def test_status_is_quiet_about_mutes_that_do_nothing(alerter: RunCommand, polled: Path) -> None:
    """A window that nothing uses is not in force, whatever the time."""
    polled.write_text(polled.read_text() + ALWAYS)

    assert rows(alerter("status", "--config", polled), "mutes") == []


# -- without a database ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["silence", "add", "--all", "--for", "1h", *COMMENT],
        ["silence", "list"],
        ["silence", "expire", "1"],
        ["ack", "1f3a9c07"],
        ["alerts"],
        ["alerts", "show", "1f3a9c07"],
        ["notifications"],
        ["notifications", "retry", "1"],
    ],
    ids=" ".join,
)
def test_before_the_first_poll_every_command_says_what_to_do(
    alerter: RunCommand, config: Path, arguments: Sequence[str]
) -> None:
    """There is nothing to keep quiet yet, and no database is made by asking."""
    shown = alerter(*arguments, "--config", config)

    assert shown.code == 1
    assert "alerter poll" in shown.err
    assert not (config.parent / "alerter.db").exists()


# -- actions -----------------------------------------------------------------------------------------------------------


def test_what_commands_did_stands_in_the_history_of_the_alert(alerter: RunCommand, polled: Path) -> None:
    """Who acknowledged it, silenced it and took that back; explain says it too."""
    spam = alert_id(alerter, polled, "critical", "Spam")
    by = ("--author", "ann", "--config", polled)
    for command in (
        ("ack", spam, "--comment", "at it"),
        ("ack", spam, "--undo"),
        ("silence", "add", "--reason", "Spam", "--for", "2h", *COMMENT),
        ("silence", "expire", "1"),
    ):
        assert alerter(*command, *by).code == 0
    alerter("test-notify", "secops", *by)

    shown = rows(alerter("alerts", "show", spam, "--config", polled), "actions")

    assert [row[1:] for row in shown] == [
        ["ann", "expired silence 1", "command", ""],
        ["ann", "added silence 1", "command", "moving mail"],
        ["ann", f"took back the acknowledgement of {spam}", "command", ""],
        ["ann", f"acknowledged {spam}", "command", "at it"],
    ]
    assert f"ann acknowledged {spam} (command): at it" in alerter("explain", spam, "--config", polled).out
    with closing(store_of(polled)) as store, store.read() as reader:
        assert [each.object for each in reader.actions.newest([ActionKind.TEST], limit=5)] == ["secops"]
