"""A file of rules becomes a configuration: what it leaves open comes from elsewhere."""

from datetime import timedelta
from pathlib import Path

import pytest

from alerter.config import load_config
from alerter.config.rule_files import load_rules
from alerter.core.rules import RuleName
from alerter.core.series import Tenant
from alerter.errors import ConfigError

INSTALLED = """
[service]
poll_interval = "2m"
timezone      = "Europe/London"
retention     = "30d"

[tenants.acme]
client_id     = "id"
client_secret = "${SECRET}"
poll_interval = "1m"
timezone      = "Asia/Tokyo"
labels        = { tier = "gold" }
muted         = true

[tenants.legacy]
api        = "1.0"
region     = "eu"
app_id     = "a"
app_key    = "b"
access_key = "c"
secret_key = "ZA=="

[receivers.secops]
urls            = ["${SLACK_URL}"]
repeat_interval = "1h"

[[routes]]
receivers = ["secops"]
rules     = ["Old"]

[mute_windows.nights]
days = ["mon-fri"]
from = "18:00"
to   = "08:00"

[[rules]]
name    = "Old"
warning = { threshold = { above = 5 } }
"""
RULE = """
[[rules]]
name    = "New"
tenant_labels = { tier = "gold" }
warning = { threshold = { above = 5 } }
"""


def files(folder: Path, rules: str) -> tuple[Path, Path]:
    """Write a configuration, and a file of rules."""
    installed, path = folder / "rules.toml", folder / "candidate.toml"
    installed.write_text(INSTALLED)
    path.write_text(rules)
    return installed, path


def test_tenants_are_those_of_what_is_installed(tmp_path: Path) -> None:
    """With their intervals, time zones and labels, by which rules select; and the database is its one."""
    installed, path = files(tmp_path, RULE)
    base = load_config(installed, {}, may_lack_secrets=True)

    config = load_rules(path, installed=base)

    acme, legacy = config.tenants[Tenant("acme")], config.tenants[Tenant("legacy")]
    assert (acme.poll_interval, acme.timezone.key, acme.muted) == (timedelta(minutes=1), "Asia/Tokyo", True)
    assert (legacy.poll_interval, legacy.timezone.key) == (timedelta(minutes=2), "Europe/London")
    assert [rule.name for rule in config.rules] == ["New", "No data"]
    assert [config.rules[0].tenants.matches(name) for name in config.tenants] == [True, False]
    assert config.service == base.service


def test_who_is_told_is_installed_where_the_file_says_nothing(tmp_path: Path) -> None:
    """The routes and the mute windows too; none of the addresses is of any use."""
    installed, path = files(tmp_path, f'{RULE}mute_windows = ["nights"]\n')

    config = load_rules(path, installed=load_config(installed, {}, may_lack_secrets=True))

    [receiver] = config.receivers
    assert (receiver.receiver.name, receiver.receiver.repeat_interval) == ("secops", timedelta(hours=1))
    assert [target.url for target in receiver.targets] == ["json://localhost"]
    assert len(config.routes) == 1
    assert set(config.windows_by_rule) == {RuleName("New")}


def test_receivers_of_the_file_have_its_own_routes(tmp_path: Path) -> None:
    """Those that are installed lead to others."""
    installed, path = files(tmp_path, f'[receivers.pager]\nurls = ["${{NOT_SET}}"]\n{RULE}')

    config = load_rules(path, installed=load_config(installed, {}, may_lack_secrets=True))

    assert ([each.receiver.name for each in config.receivers], config.routes) == (["pager"], ())


def test_rules_that_are_included_count(tmp_path: Path) -> None:
    """A whole configuration may be tried as well, in as many files as it has."""
    installed, path = files(tmp_path, f'include = ["more.toml"]\n{RULE}')
    (tmp_path / "more.toml").write_text(RULE.replace("New", "More"))

    config = load_rules(path, installed=load_config(installed, {}, may_lack_secrets=True))

    assert [rule.name for rule in config.rules] == ["New", "More", "No data"]


@pytest.mark.parametrize(
    ("service", "database"),
    [
        pytest.param("", "alerter.db", id="where it is usually"),
        pytest.param('[service]\ndatabase = "sqlite:///other.db"\n', "other.db", id="where the file says"),
        pytest.param("service = 3\n", None, id="what is no table is refused"),
    ],
)
def test_where_nothing_is_installed_the_file_says_where_the_history_is(
    tmp_path: Path, service: str, database: str | None
) -> None:
    """And the tenants are those that somebody found in it."""
    _, path = files(tmp_path, service + RULE.replace('tenant_labels = { tier = "gold" }', ""))

    if database is None:
        with pytest.raises(ConfigError, match="service"):
            load_rules(path, installed=None)
        return
    config = load_rules(path, installed=None, tenants=["acme"])

    assert (list(config.tenants), config.service.database) == (["acme"], f"sqlite:///{tmp_path / database}")
    assert [each.receiver.name for each in config.receivers] == ["everyone"]


def test_what_is_wrong_is_said_of_the_file(tmp_path: Path) -> None:
    """With its name and its lines; receivers in a wrong form too."""
    installed, path = files(tmp_path, f"receivers = 3\n{RULE}nonsense = 1\n")

    with pytest.raises(ConfigError) as refused:
        load_rules(path, installed=load_config(installed, {}, may_lack_secrets=True))

    assert [(problem.file, problem.line) for problem in refused.value.problems] == [(str(path), 1), (str(path), 7)]
