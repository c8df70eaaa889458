"""`alerter explain`, as somebody types it who wants to know why."""

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerter import clock
from alerter.config import load_config
from alerter.core.series import Tenant
from alerter.errors import Cause, DeliveryError, SourceError, SourceUnavailable
from alerter.jobs.deliver import deliver
from alerter.jobs.poll import poll
from alerter.service.alerting_config import build_alerting_config
from alerter.service.wiring import target_urls
from alerter.storage import Store
from tests.builders import NOON
from tests.commands import RunCommand, runner
from tests.fakes import FailingNotifier, FakeClock, FakeSource, RecordingNotifier

CONFIGURATION = """
[service]
timezone = "UTC"
[tenants.acme]
client_id     = "id-0001"
client_secret = "secret-0001"
[receivers.secops]
urls = ["json://127.0.0.1:9"]
[receivers.mail]
urls = ["json://127.0.0.1:9/mail"]
[[routes]]
receivers = ["secops"]
[[routes]]
receivers = ["mail"]
severity  = ["critical"]
[[rules]]
name     = "Backlog"
reasons  = ["*", "!Graymail*"]
warning  = { threshold = { above = 200, clear_at = 150 }, keep_firing_for = "1h" }
critical = { threshold = { above = 500 }, for = "10m" }
[[rules]]
name    = "Surge"
warning = { growth = { over = "10m", by = 50 } }
[[rules]]
name = "Sum"
per  = "all"
info = { threshold = { above = 5000 } }
"""
SECOND = '[tenants.globex]\nclient_id = "id-0002"\nclient_secret = "secret-0002"\n'
TIMEOUT = SourceUnavailable(Cause.TIMEOUT, "no answer within 30s")


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with two receivers, of which one hears only what is critical."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The present, which commands read from the clock."""
    monkeypatch.setattr(clock, "now", lambda: NOON)
    return NOON


def lived(
    config: Path, now: datetime, *answers: Mapping[str, int] | SourceError, sends: bool = True, every: int = 5
) -> None:
    """Let polls happen, every 5 minutes, the last one just now; and let their messages be sent, or not."""
    loaded = load_config(config)
    alerting = build_alerting_config(loaded)
    fake = FakeClock(now - timedelta(minutes=every) * len(answers))
    notifier = RecordingNotifier() if sends else FailingNotifier(DeliveryError("connection refused"))
    source = FakeSource(fake)
    with closing(Store(loaded.service.database)) as store:
        store.upgrade()
        for answer in answers:
            fake.now += timedelta(minutes=every)
            source.answers.append(answer)
            poll(Tenant("acme"), source, store, alerting, clock=fake)
            deliver(store, notifier, target_urls(loaded), alerting=alerting, clock=fake)


def test_why_did_i_get_this(alerter: RunCommand, config: Path, now: datetime) -> None:
    """One screen: what was compared, by how much, since when, who was told and when it arrived."""
    lived(config, now, {"Spam": 100}, {"Spam": 100}, {"Spam": 212})

    shown = alerter("explain", "acme", "spam", "--config", config)

    shown_now = f"{now:%H:%M:%S}"
    lines = shown.out.splitlines()
    assert shown.code == 0
    assert lines[0].startswith("acme: Spam, at ")
    assert lines[1] == f"212 held at {shown_now}, since {shown_now} (100 before)"
    backlog = lines[lines.index("Backlog") :]
    assert backlog[1:3] == ["  critical: inactive", "    no      threshold above 500: 212 held; needs 289 more"]
    assert backlog[3].startswith(f"  warning: firing since {shown_now}, alert ")
    assert backlog[4] == "    yes     threshold above 200, clears at 150: 212 held; by 12"
    assert backlog[5] == "  secops: receives warning"
    assert backlog[6].startswith(f"    {shown_now} secops/json: sent {shown_now}: WARNING: ")
    assert backlog[7] == "  mail: not notified: no route sends warning alerts to it: route 2: it takes critical only"
    assert "    yes     growth +50 within 10m: 212 held, 100 at " in shown.out
    assert "; +112 messages, by 63" in shown.out
    assert "Sum (evaluates the sum of all tenants)" in shown.out
    assert len(lines) < 40


def test_why_did_i_not(alerter: RunCommand, config: Path, now: datetime) -> None:
    """The glob that leaves the reason out, and the polls that failed."""
    lived(config, now, {"Graymail": 700}, TIMEOUT)

    shown = alerter("explain", "acme", "Graymail", "--config", config)

    assert "polling failed since" in shown.out
    assert "timeout: no answer within 30s" in shown.out
    assert "  Backlog: reasons: '!Graymail*' leaves it out" in shown.out
    assert "    no data growth +50 within 10m: no successful poll at this moment" in shown.out
    assert "no_data no data for 15m: last successful poll" in shown.out
    assert "No data (evaluates polling, not held messages)" in shown.out.splitlines()


def test_still_pending_says_how_much_is_missing(alerter: RunCommand, config: Path, now: datetime) -> None:
    """So many minutes of `for`."""
    lived(config, now, {"Spam": 612}, {"Spam": 612})

    shown = alerter("explain", "acme", "Spam", "--rule", "backlog", "--config", config)

    assert f"  critical: pending since {now - timedelta(minutes=5):%H:%M:%S}: 5m" in shown.out
    assert " of 10m, alert " in shown.out
    assert "Surge" not in shown.out


def test_a_message_that_has_not_arrived_says_why(alerter: RunCommand, config: Path, now: datetime) -> None:
    """The target's last error, and how often it was tried."""
    lived(config, now, {"Spam": 212}, sends=False)

    shown = alerter("explain", "acme", "Spam", "--config", config)

    assert "secops/json: waiting, 1 attempts: connection refused" in shown.out


def test_an_alert_can_be_asked_about_by_its_id(alerter: RunCommand, config: Path, now: datetime) -> None:
    """Also one that is ending, or over."""
    lived(config, now, {"Spam": 212}, {"Spam": 10})
    (alert,) = [
        each
        for each in json.loads(alerter("alerts", "--all", "--json", "--config", config).out)
        if each["rule"] == "Backlog"
    ]

    shown = alerter("explain", alert["alert"], "--config", config)

    assert f"  warning: firing since {now - timedelta(minutes=5):%H:%M:%S}, ending since {now:%H:%M:%S}: " in shown.out
    assert " of 1h, alert " in shown.out
    assert "Surge" not in shown.out


def test_the_past_can_be_asked_about(alerter: RunCommand, config: Path, now: datetime) -> None:
    """What was not yet then is not shown."""
    lived(config, now, {"Spam": 100}, {"Spam": 212}, {"Spam": 212}, {"Spam": 212}, every=60)

    shown = alerter("explain", "acme", "Spam", "--at", "150m ago", "--config", config)

    assert "100 held at" in shown.out
    assert "threshold above 200, clears at 150: 100 held; needs 101 more" in shown.out
    assert "secops" not in shown.out


def test_a_stopped_service_is_no_zero(alerter: RunCommand, config: Path, now: datetime) -> None:
    """The last poll is what was judged, and how long ago it was is said."""
    lived(config, now - timedelta(hours=3), {"Spam": 212})

    shown = alerter("explain", "acme", "Spam", "--config", config)

    assert "no poll for 3h" in shown.out
    assert "was the service running?" in shown.out


def test_what_was_given_up_and_held_back_is_said(alerter: RunCommand, config: Path, now: datetime) -> None:
    """A dead delivery has its error; a receiver that has had its messages waits."""
    config.write_text(
        CONFIGURATION.replace('urls = ["json://127.0.0.1:9"]', 'urls = ["json://127.0.0.1:9"]\nmax_per_hour = 1')
    )
    lived(config, now, {"Spam": 212})

    shown = alerter("explain", "acme", "Spam", "--config", config)

    assert "  secops: suppressed: 1 message in the last hour (max_per_hour)" in shown.out


def test_a_silence_is_named(alerter: RunCommand, config: Path, now: datetime) -> None:
    """Who asked for it, until when, and why."""
    lived(config, now, {"Spam": 212})
    alerter(
        "silence", "add", "--reason", "Spam", "--for", "1h", "--comment", "known", "--author", "ann", "--config", config
    )

    shown = alerter("explain", "acme", "Spam", "--rule", "Backlog", "--config", config)

    assert "    muted by silence 1 by ann until " in shown.out
    assert "  secops: not notified: muted by silence 1 by ann until " in shown.out


def test_news_that_is_collected_says_when_it_is_told(alerter: RunCommand, config: Path, now: datetime) -> None:
    """`group_wait` is not over."""
    config.write_text(
        CONFIGURATION.replace('urls = ["json://127.0.0.1:9"]', 'urls = ["json://127.0.0.1:9"]\ngroup_wait = "30m"')
    )
    lived(config, now, {"Spam": 212})

    shown = alerter("explain", "acme", "Spam", "--config", config)

    assert "  secops: grouped until " in shown.out
    assert " (group_wait)\n" in shown.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["acmee", "Spam"], "no tenant is called 'acmee'; there are: 'acme'", id="a misspelt tenant"),
        pytest.param(
            ["acme", "Span"], "no hold reason of acme is called 'Span'; there are: 'Spam'", id="a misspelt reason"
        ),
        pytest.param(
            ["acme", "*a*"], "expected one hold reason of acme, found 2 that match '*a*'", id="several reasons"
        ),
        pytest.param(["acme", "Spam", "--rule", "Surg"], "no rule is called 'Surg'; there are: 'Surge'", id="a rule"),
        pytest.param(["0badcafe"], "no alert '0badcafe'; `alerter alerts --all` lists every alert", id="no alert"),
        pytest.param(["acme", "Spam", "--at", "someday"], "expected a time such as '2h ago', '14:30'", id="no time"),
        pytest.param(["acme", "Spam", "--at", "2999-01-01"], "expected a time that has been", id="the future"),
    ],
)
def test_what_does_not_exist_is_the_users_input(
    alerter: RunCommand, config: Path, now: datetime, arguments: list[str], expected: str
) -> None:
    """The closest names are suggested."""
    lived(config, now, {"Spam": 5, "Malware": 1})

    shown = alerter("explain", *arguments, "--config", config)

    assert (shown.code, shown.out) == (2, "")
    assert expected in " ".join(shown.err.split())


def test_what_to_name_is_said_with_an_example(alerter: RunCommand, config: Path, now: datetime) -> None:
    """Who leaves something out reads commands that work: of an alert, and of what is held."""
    lived(config, now, {"Spam": 340})

    nothing = alerter("explain", "--config", config)
    tenant = alerter("explain", "acme", "--config", config)
    examples = re.findall(r"\n  alerter (.+)", nothing.err)

    assert "Error: name the id of an alert, or a tenant and a hold reason, such as:\n" in nothing.err
    assert "Error: name a hold reason of acme as well, such as:\n" in tenant.err
    assert (nothing.code, tenant.code) == (2, 2)
    assert len(examples) == 2
    assert [alerter(*shlex.split(each), "--config", config).code for each in examples] == [0, 0]


def test_where_nothing_was_held_there_is_no_example(alerter: RunCommand, config: Path, now: datetime) -> None:
    """The error says what it takes all the same."""
    lived(config, now, {})

    assert alerter("explain", "--config", config).err.endswith("a tenant and a hold reason\n")


def test_of_the_only_tenant_the_hold_reason_is_enough(alerter: RunCommand, config: Path, now: datetime) -> None:
    """A name in any case or a glob will do; with a second tenant it could mean either, and is no alert."""
    lived(config, now, {"Spam": 340})

    alone = alerter("explain", "sp*", "--config", config)
    both = alerter("explain", "acme", "Spam", "--config", config)
    config.write_text(CONFIGURATION.replace("[receivers.secops]", f"{SECOND}[receivers.secops]"))
    several = alerter("explain", "sp*", "--config", config)

    assert alone.out == both.out
    assert several.code == 2
    assert "no alert 'sp*'" in several.err


def test_a_program_gets_all_of_it(alerter: RunCommand, config: Path, now: datetime) -> None:
    """Verdicts, margins, states, receivers and deliveries."""
    lived(config, now, {"Spam": 212})

    page = json.loads(alerter("explain", "acme", "Spam", "--json", "--config", config).out)

    backlog = next(each for each in page["rules"] if each["rule"] == "Backlog")
    warning = next(each for each in backlog["levels"] if each["severity"] == "warning")
    assert (warning["state"], warning["conditions"][0]["margin"]) == ("firing", "by 12")
    assert [each["not_notified_because"] for each in backlog["receivers"]] == [None, "no route"]
    assert backlog["deliveries"][0]["sent_at"] is not None


def test_a_tenant_that_was_removed_is_said_to_be(alerter: RunCommand, config: Path, now: datetime) -> None:
    """Its history is kept, but no rule looks at it."""
    lived(config, now, {"Spam": 212})
    config.write_text(CONFIGURATION.replace("[tenants.acme]", "[tenants.other]"))

    shown = alerter("explain", "acme", "Spam", "--config", config)

    assert shown.code == 0
    assert "it is not in the configuration, and not polled" in shown.out


def test_a_rule_that_still_learns_says_until_when(alerter: RunCommand, config: Path, now: datetime) -> None:
    """It cannot fire before; a rule that knows enough says nothing of it."""
    lived(config, now, {"Spam": 100}, {"Spam": 101})
    sudden = 'warning = { growth = { over = "1d", times = 13, by = 30 } }'
    config.write_text(f'{CONFIGURATION}[[rules]]\nname = "Sudden"\n{sudden}\n')
    until = now + timedelta(days=4) - timedelta(minutes=5)

    lines = alerter("explain", "acme", "Spam", "--config", config).out.splitlines()
    rules = json.loads(alerter("explain", "acme", "Spam", "--json", "--config", config).out)["rules"]

    assert lines[lines.index("Sudden") + 1] == f"  learning until {until:%Y-%m-%d %H:%M:%S} UTC (in 3d 23h)"
    assert "learning" not in lines[lines.index("Backlog") + 1]
    learning = {each["rule"]: (each["learning_until"], each["learning_tenants"]) for each in rules}
    assert learning["Sudden"] == (until.isoformat(), 1)
    assert learning["Backlog"] == (None, 0)


def test_before_the_first_poll_nothing_is_known(alerter: RunCommand, config: Path, now: datetime) -> None:
    """That is no zero either."""
    lived(config, now, {"Spam": 212})

    shown = alerter("explain", "acme", "Spam", "--at", "2d ago", "--config", config)

    assert "there was no successful poll before" in shown.out
