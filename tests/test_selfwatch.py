"""The signs of life of a service: what is shown outside, and what follows a reload."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerter.config import Config, load_config
from alerter.core.series import Tenant
from alerter.errors import StoreError
from alerter.health import Health
from alerter.redaction import Redactor
from alerter.selfwatch import SelfWatch, heard
from tests.servers import PingSink, ping_sink

ACME, OTHER = Tenant("acme"), Tenant("other")


@pytest.fixture
def switch() -> Iterator[PingSink]:
    """A dead man's switch that takes every ping."""
    with ping_sink() as sink:
        yield sink


@pytest.fixture
def health() -> Health:
    """Two tenants that are polled every five minutes, on a clock that stands still."""
    health = Health(lambda: 1000.0)
    health.expect(dict.fromkeys((ACME, OTHER), timedelta(minutes=5)))
    return health


@pytest.fixture
def watch(health: Health) -> Iterator[SelfWatch]:
    """The signs of life of a service, until the test ends."""
    watch = SelfWatch(health, Redactor(["client-secret-0001"]))
    yield watch
    watch.close()


def configuration(folder: Path, *service: str) -> Config:
    """Return a configuration with these lines below `[service]`."""
    path = folder / "rules.toml"
    lines = "\n".join(service)
    path.write_text(
        f"[service]\n{lines}\n"
        '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "client-secret-0001"\n'
        '[receivers.secops]\nurls = ["json://localhost"]\n'
    )
    return load_config(path, {})


def test_a_ping_says_how_all_tenants_are(tmp_path: Path, watch: SelfWatch, health: Health, switch: PingSink) -> None:
    """While one tenant's newest cycle is not complete, another one's is no good news."""
    watch.follow(configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"'))
    health.cycle_failed(OTHER, seconds=1, error="client-secret-0001 is no column")

    health.cycle_completed(ACME, seconds=1, cause=None)
    watch.cycle_ended()

    (ping,) = switch.wait_for(1)
    assert ping.path == "/uuid/fail"
    assert ping.body == "other: the last cycle was not completed: [redacted] is no column"


def test_without_a_heartbeat_nothing_is_pinged(tmp_path: Path, watch: SelfWatch, switch: PingSink) -> None:
    """A reload that takes the URL away ends the pings."""
    watch.follow(configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"'))
    watch.follow(configuration(tmp_path))

    watch.cycle_ended()
    watch.follow(configuration(tmp_path, f'heartbeat_url = "{switch.url}/again"'))
    watch.cycle_ended()

    assert [ping.path for ping in switch.wait_for(1)] == ["/again"]


def test_a_poll_that_fails_as_a_whole_is_told(tmp_path: Path, switch: PingSink) -> None:
    """`alerter poll` from cron says that its cycle could not be kept, and why."""
    config = configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"')

    with pytest.raises(StoreError), heard(config, Redactor(["hunter2"])):
        raise StoreError("no such user: hunter2")

    assert [(ping.path, ping.body) for ping in switch.pings] == [("/uuid/fail", "no such user: [redacted]")]
