"""`alerter review`, as its user types it, over a real database."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerter import clock
from alerter.config import load_config
from alerter.core.actions import ActionOrigin, Actor
from alerter.core.series import Tenant
from alerter.jobs.poll import poll
from alerter.jobs.silence import acknowledge
from alerter.service.alerting_config import build_alerting_config
from alerter.storage import Store
from tests.commands import Outcome, RunCommand, runner
from tests.fakes import FakeClock, FakeSource

ANN = Actor(name="ann", origin=ActionOrigin.COMMAND)

TENANT = '[tenants.{name}]\nclient_id = "id"\nclient_secret = "secret-{name}"\nlabels = {{ tier = "{tier}" }}\n'
CONFIG = (
    TENANT.format(name="acme", tier="gold")
    + TENANT.format(name="globex", tier="silver")
    + """
[receivers.secops]
urls = ["json://127.0.0.1:9"]
[[rules]]
name = "Backlog"
warning = { threshold = { above = 100 } }
critical = { threshold = { above = 900 } }
"""
)
#: Four waves of half an hour, which reach 110, 130, 150 and 400.
WAVES = [*(count for peak in (110, 130, 150, 400) for count in (*[peak] * 6, *[20] * 6)), 20]


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with two tenants, and a database without polls."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIG)
    with closing(Store(f"sqlite:///{tmp_path}/alerter.db")) as store:
        store.upgrade()
    return path


def polled(config: Path, counts: Sequence[int], *, tenant: str = "acme", acknowledged: int | None = None) -> datetime:
    """Poll a tenant every five minutes up to a minute ago; acknowledge what fires after a poll; return the first."""
    loaded = load_config(config, {})
    alerting = build_alerting_config(loaded)
    now = FakeClock(clock.now() - timedelta(minutes=1) - len(counts) * timedelta(minutes=5))
    begin = now.now
    with closing(Store(loaded.service.database)) as store:
        for number, count in enumerate(counts):
            now.forward("5m")
            source = FakeSource(now, tenant=tenant)
            source.answers.append({"Spam": count})
            poll(Tenant(tenant), source, store, alerting, clock=now)
            if number == acknowledged:
                with store.write() as transaction:
                    firing = [each for each in transaction.alerts.load() if each.is_firing]
                    acknowledge(transaction, firing, by=ANN, comment="on it", now=now.now)
    return begin


def review_of(alerter: RunCommand, config: Path, *options: str) -> dict[str, Any]:
    """Return what `--json` says."""
    found = alerter("review", "--config", config, "--json", *options)
    assert found.code == 0, found.err
    parsed = json.loads(found.out)
    assert isinstance(parsed, dict)
    return parsed


def test_a_review_says_how_often_and_for_how_long_rules_alerted_and_who_acted(
    alerter: RunCommand, config: Path
) -> None:
    """Four waves, of which somebody acknowledged the second."""
    polled(config, WAVES, acknowledged=14)

    found = review_of(alerter, config)

    assert [found[key] for key in ("alerts", "sent", "acknowledged", "silenced")] == [4, 4, 1, 0]
    assert [found[key] for key in ("brief", "without_action", "firing", "tenants")] == [0, 3, 0, 1]
    assert (found["median"], found["longest"]) == (1800, 1800)


def test_the_limit_that_would_have_made_it_half_is_named(alerter: RunCommand, config: Path) -> None:
    """Above 130 there are two of the four waves."""
    polled(config, WAVES)

    (rule,) = review_of(alerter, config)["rules"]

    assert rule["half"] == {"edit": "above = 130", "severity": "warning", "alerts": 2, "unknown_because": None}
    assert rule["series"] == [{"tenant": "acme", "reason": "Spam", "alerts": 4}]


def test_a_review_fits_one_screen(alerter: RunCommand, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighty columns and two dozen lines, with what the columns mean."""
    polled(config, WAVES)
    monkeypatch.setattr("alerter.cli.output.is_for_people", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    lines = alerter("review", "--config", config).out.splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert "4 alerts of 1 rule at 1 tenant." in lines[0]
    assert any("above = 130 (2)" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "alerts"),
    [
        pytest.param(["--tenant", "globex"], 1, id="a tenant"),
        pytest.param(["--label", "tier=gold"], 4, id="a label"),
        pytest.param(["--since", "30m"], 0, id="since a time"),
        pytest.param([], 5, id="everything"),
    ],
)
def test_what_is_reviewed_can_be_chosen(alerter: RunCommand, config: Path, options: Sequence[str], alerts: int) -> None:
    """As with the other commands."""
    polled(config, WAVES)
    polled(config, [150, 20, *[20] * 12], tenant="globex")

    assert review_of(alerter, config, *options)["alerts"] == alerts


def test_a_week_without_alerts_says_so(alerter: RunCommand, config: Path) -> None:
    """There is no table without rows."""
    found = alerter("review", "--config", config)

    assert (found.code, found.out.count("\n")) == (0, 1)
    assert found.out.rstrip().endswith("no alert began.")


def test_a_tenant_that_there_is_not_is_an_error(alerter: RunCommand, config: Path) -> None:
    """A misspelt name is not a tenant without alerts."""
    found = alerter("review", "--config", config, "--tenant", "nope")

    assert found.code == 1
    assert "no tenant matches" in found.err


def test_a_rule_that_has_gone_and_one_that_rarely_alerts_have_no_limit(alerter: RunCommand, config: Path) -> None:
    """The text in its place says why."""
    polled(config, WAVES)
    polled(config, [150, 20], tenant="globex")
    config.write_text(CONFIG.replace("Backlog", "Other"))

    removed: Outcome = alerter("review", "--config", config)
    rare: Outcome = alerter("review", "--config", config, "--tenant", "globex")

    assert "the rule is no longer in the configuration" in removed.out
    assert "it alerted less than four times" in rare.out


def test_an_edit_that_was_made_meanwhile_is_seen(alerter: RunCommand, config: Path) -> None:
    """It need not be made again."""
    polled(config, WAVES)
    config.write_text(CONFIG.replace("above = 100", "above = 200"))

    assert "as it is now (1)" in alerter("review", "--config", config).out
