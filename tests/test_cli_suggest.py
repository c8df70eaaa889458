"""`alerter suggest`, as its user types it, over a real database."""

import json
import re
import tomllib
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from alerter import clock
from alerter.config import load_config
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.storage import Store
from tests.commands import RunCommand, runner

CONFIG = """
[tenants.acme]
client_id     = "id"
client_secret = "${NOBODY_SETS_THIS}"
poll_interval = "1h"

[receivers.secops]
urls = ["json://host"]
"""
HOUR = timedelta(hours=1)
ODD = 'Hold > 25MB ${new} "quoted*"\n'


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose secrets only the service can read."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIG)
    return path


def apply_retention(config: Path, *, days: int, others: Sequence[str] = (ODD,)) -> None:
    """Store an hourly history up to now: ten by day, four at night, and one burst of 300 three days ago."""
    now = clock.now()
    hours = 24 * days
    with closing(Store(f"sqlite:///{config.parent}/alerter.db")) as store:
        store.upgrade()
        with store.write() as transaction:
            for hour in range(hours):
                count = 300 if 72 <= hours - hour < 76 else 10 if 8 <= hour % 24 < 18 else 4
                snapshot = Snapshot(
                    tenant=Tenant("acme"),
                    taken_at=now - (hours - hour) * HOUR,
                    counts={HoldReason("Spam"): count} | dict.fromkeys(map(HoldReason, others), 2),
                )
                transaction.history.add(snapshot, poll_interval=HOUR)


def test_suggestions_are_toml_that_the_configuration_takes(alerter: RunCommand, config: Path) -> None:
    """What is printed is pasted below the configuration as it is, odd names of reasons and all."""
    apply_retention(config, days=30)

    shown = alerter("suggest", "--budget", "2/week", "--config", config)
    config.write_text(CONFIG.replace("${NOBODY_SETS_THIS}", "secret") + shown.out)
    checked = alerter("check-config", "--config", config)

    rules = {rule["name"]: rule for rule in tomllib.loads(shown.out)["rules"]}
    assert (shown.code, checked.code) == (0, 0), checked.err
    assert rules["High: Spam (acme)"]["warning"] == {"threshold": {"above": 20, "clear_at": 14}}
    odd = rules['High: Hold > 25MB $${new} "quoted*"\N{REPLACEMENT CHARACTER} (acme)']
    assert odd["reasons"] == ['Hold > 25MB $${new} "quoted\\*"\n']


def test_rules_for_names_that_hurt_can_be_pasted_and_select_them(alerter: RunCommand, config: Path) -> None:
    """Each its own reason alone, under a name of its own: whatever senders and administrators call a policy."""
    names = [*json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8")), "a\nb", "a\tb", "SPAM"]
    apply_retention(config, days=30, others=names)

    shown = alerter("suggest", "--budget", "2/week", "--config", config)
    config.write_text(CONFIG.replace("${NOBODY_SETS_THIS}", "secret") + shown.out, encoding="utf-8")
    checked = alerter("check-config", "--config", config)
    rules = load_config(config, {}).rules

    assert (shown.code, checked.code) == (0, 0), checked.err
    assert all(line.isprintable() for line in shown.out.split("\n"))
    for name in names:
        # A glob is in any case: of two reasons that differ in that alone, each rule is for both.
        selected = {"Spam", "SPAM"} if name == "SPAM" else {name}
        found = [rule for rule in rules if rule.name.startswith("High: ") and rule.reasons.matches(name)]
        assert len(found) == len(selected), name
        assert {each for each in ["Spam", *names] if found[0].reasons.matches(each)} == selected


def test_rules_without_a_limit_are_suggested_where_the_history_affords_them(alerter: RunCommand, config: Path) -> None:
    """As sensitive as the first weeks allow, confirmed in the rest; a burst of hundreds there is no false alarm."""
    apply_retention(config, days=60)

    shown = alerter("suggest", "--config", config)
    (tenant,) = json.loads(alerter("suggest", "--config", config, "--json").out)
    config.write_text(CONFIG.replace("${NOBODY_SETS_THIS}", "secret") + shown.out)
    checked = alerter("check-config", "--config", config)

    assert (shown.code, checked.code) == (0, 0), checked.err
    rules = {rule["name"]: rule for rule in tomllib.loads(shown.out)["rules"]}
    assert rules["Rare (acme)"] == {
        "name": "Rare (acme)",
        "tenants": ["acme"],
        "warning": {"rare": {"at_least": 3}},
        "keep_firing_for": "1d",
    }
    assert rules["Rise (acme)"]["critical"] == {"rise": {"times": 6, "at_least": 100}}
    assert "# It would never have alerted.\n[[rules]]" in shown.out
    assert "Rules that compare with the past take the place of those of the same name" in shown.out
    assert [each["rule"] for each in tenant["rules"]] == [name for name in rules if not name.startswith("High")]
    assert tenant["too_noisy"] == []


def test_each_suggestion_says_why_and_how_often_it_would_have_told(alerter: RunCommand, config: Path) -> None:
    """One sentence: what is usual, the limit, and what it would have told."""
    apply_retention(config, days=30)

    shown = alerter("suggest", "--budget", "2/week", "--config", config, "--reason", "spam").out
    (tenant,) = json.loads(
        alerter("suggest", "--budget", "2/week", "--config", config, "--reason", "spam", "--json").out
    )

    assert "median daily peak 10 (typical deviation 3.2); above 20 it would have alerted once (4h)" in shown
    (suggestion,) = tenant["suggestions"]
    assert (suggestion["above"], suggestion["clear_at"], len(suggestion["fired"])) == (20, 14, 1)
    assert suggestion["explanation"] in shown


def test_a_short_history_is_said_to_be_short(alerter: RunCommand, config: Path) -> None:
    """With a week of history nothing is proposed, and the command says what is missing."""
    apply_retention(config, days=7)

    shown = alerter("suggest", "--budget", "2/week", "--config", config)

    assert shown.code == 1
    one = alerter("suggest", "--reason", "spam", "--config", config)
    assert "\n# No suggestion for Spam: it has " in one.out
    assert re.search(r"\n# No suggestion for .+ and 1 other hold reason: each has \d whole days?", shown.out)
    assert "at least 14 are needed" in shown.out
    assert tomllib.loads(shown.out) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--budget", "often"], "such as 2/week, found 'often'", id="a budget that is none"),
        pytest.param(["--budget", f"{'9' * 400}/day"], "expected 100,000 alerts a day at most", id="beyond numbers"),
        pytest.param(["--budget", "2/fortnight"], "such as 2/week, found '2/fortnight'", id="another time"),
        pytest.param(["--tenant", "acmee"], "no tenant of", id="an unknown tenant"),
    ],
)
def test_wrong_input_is_refused(alerter: RunCommand, config: Path, arguments: list[str], said: str) -> None:
    """What was found, and what was expected."""
    apply_retention(config, days=1)

    refused = alerter("suggest", "--config", config, *arguments)

    assert refused.code == 2
    assert said in refused.err


def test_reasons_that_were_never_held_are_not_found(alerter: RunCommand, config: Path) -> None:
    """A glob that matches nothing is a question without an answer, not an empty answer."""
    apply_retention(config, days=1)

    refused = alerter("suggest", "--config", config, "--reason", "Virus")

    assert refused.code == 1
    assert "nothing was ever held for a reason that matches 'Virus'" in refused.err


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("1/day", "at most 1 false alert a day."),
        ("2/week", "at most 2 false alerts a week."),
        ("1/quarter", "at most 1 false alert a quarter."),
        ("30/month", "at most 1 false alert a day."),
        ("0/day", "at most 0 false alerts a year."),
    ],
)
def test_a_budget_is_said_as_a_person_would(alerter: RunCommand, config: Path, budget: str, says: str) -> None:
    """In the shortest time in which there is one, with as few digits as mean anything."""
    apply_retention(config, days=30)

    assert says in alerter("suggest", "--config", config, "--budget", budget).out
