"""The composition root: what the configuration says is what the adapters are built with."""

import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from alerter.config import REGIONS, ApiVersion, load_config
from alerter.core.rules import RuleName
from alerter.service.alerting_config import build_alerting_config
from alerter.service.wiring import build_source, config_fingerprint, target_urls
from alerter.sources.mimecast import REGIONS_V1, REGIONS_V2

CONFIG = """
[tenants.acme]
client_id     = "id"
client_secret = "secret"

[tenants.legacy]
api        = "1.0"
region     = "eu"
app_id     = "a"
app_key    = "b"
access_key = "c"
secret_key = "ZGVtbw=="
poll_interval = "1m"

[receivers.secops]
urls = ["json://one", "json://two"]

[[rules]]
name    = "Backlog"
runbook = "https://wiki.example/held"
warning = { threshold = { above = 1 } }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration with a tenant of each API version."""
    path = tmp_path / "rules.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


def test_every_region_that_the_configuration_knows_has_a_host() -> None:
    """A region is named in the configuration and located in the adapter; neither knows more than the other."""
    assert set(REGIONS[ApiVersion.V1]) == set(REGIONS_V1)
    assert set(REGIONS[ApiVersion.V2]) == set(REGIONS_V2)


def test_a_tenant_of_each_api_version_gets_its_account(path: Path) -> None:
    """Both kinds of keys make a source, and no repr of one shows a secret."""
    config = load_config(path)

    sources = [build_source(tenant, stop=Event()) for tenant in config.tenants.values()]

    assert "secret" not in "".join(map(repr, sources))
    for source in sources:
        source.close()


def test_the_policy_says_what_the_configuration_says(path: Path) -> None:
    """Intervals, targets, runbooks and the built-in rule all arrive, and URLs stay apart from their names."""
    config = load_config(path)

    alerting = build_alerting_config(config)

    assert {name: interval.total_seconds() for name, interval in alerting.poll_intervals.items()} == {
        "acme": 300,
        "legacy": 60,
    }
    assert alerting.targets == {"secops": ("secops/json", "secops/json-2")}
    assert [rule.name for rule in alerting.rules] == ["Backlog", "No data"]
    assert alerting.context.runbook_by_rule == {"Backlog": "https://wiki.example/held"}
    assert target_urls(config) == {"secops/json": "json://one", "secops/json-2": "json://two"}


def test_a_sum_over_many_tenants_has_bearers_among_those_that_it_looks_at(tmp_path: Path) -> None:
    """A rule over a few of thousands is judged with polls of these few, never with none."""
    path = tmp_path / "rules.toml"
    tenants = "".join(f'[tenants.t{number:04}]\nclient_id = "i"\nclient_secret = "secret"\n' for number in range(1000))
    rules = "".join(
        f'[[rules]]\nname = "{name}"\nper = "all"\ntenants = ["{glob}"]\nwarning = {{ threshold = {{ above = 1 }} }}\n'
        for name, glob in (("Total", "*"), ("Some", "t000?"))
    )
    path.write_text(f'{tenants}[receivers.secops]\nurls = ["json://one"]\n{rules}')

    bearers = build_alerting_config(load_config(path)).sum_trigger_tenants

    assert {name: len(of) for name, of in bearers.items()} == {"Total": 75, "Some": 10}
    assert all(name.startswith("t000") for name in bearers[RuleName("Some")])


def test_a_fingerprint_is_the_same_wherever_the_same_is_decided(path: Path) -> None:
    """In another process sets have another order, and other keys decide alike; another URL was not told the same."""
    there = (
        "import sys; from pathlib import Path; from alerter.service import alerting_config, wiring; "
        "from alerter.config import load_config; "
        "print(wiring.config_fingerprint(alerting_config.build_alerting_config(load_config(Path(sys.argv[1])))))"
    )
    text = (
        path.read_text()
        + 'tenants = ["a*", "legacy"]\n[[routes]]\nreceivers = ["secops"]\ntenant_labels = { a = "b" }\n'
    )
    path.write_text(text)
    here = config_fingerprint(build_alerting_config(load_config(path)))
    found = [
        subprocess.run([sys.executable, "-c", there, path], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    path.write_text(text.replace('"secret"', '"another"'))
    with_other_secrets = config_fingerprint(build_alerting_config(load_config(path)))
    path.write_text(text.replace("json://one", "json://elsewhere"))
    with_another_url = config_fingerprint(build_alerting_config(load_config(path)))
    path.write_text(text.replace("above = 1", "above = 2"))

    assert found == [here, here]
    assert with_other_secrets == here
    assert with_another_url != here
    assert config_fingerprint(build_alerting_config(load_config(path))) != here
