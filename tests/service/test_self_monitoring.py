"""The signs of life of a service: what is shown outside, and what follows a reload."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from alerter.config import Config, load_config
from alerter.core.series import Tenant
from alerter.errors import ListenError, StoreError
from alerter.health import Health
from alerter.redaction import Redactor
from alerter.service.self_monitoring import SelfMonitoring, with_heartbeat
from alerter.storage import Store
from tests.builders import NOON, a_snapshot
from tests.servers import PingSink, a_free_port, ping_sink

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
    health.set_tenants(dict.fromkeys((ACME, OTHER), timedelta(minutes=5)))
    return health


@pytest.fixture
def watch(health: Health, sqlite_url: str) -> Iterator[SelfMonitoring]:
    """The signs of life of a service, until the test ends."""
    with (
        closing(Store(sqlite_url)) as store,
        closing(SelfMonitoring(health, Redactor(["client-secret-0001"]), store)) as watch,
    ):
        yield watch


def configuration(folder: Path, *service: str) -> Config:
    """Return a configuration with these lines below `[service]`."""
    path = folder / "rules.toml"
    lines = "\n".join(service)
    path.write_text(
        f"[service]\n{lines}\n[web]\nopen_to_everybody = true\n"
        '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "client-secret-0001"\n'
        '[receivers.secops]\nurls = ["json://localhost"]\n'
    )
    return load_config(path, {})


def test_a_ping_says_how_all_tenants_are(
    tmp_path: Path, watch: SelfMonitoring, health: Health, switch: PingSink
) -> None:
    """While one tenant's newest cycle is not complete, another one's is no good news."""
    watch.apply_config(configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"'), now=NOON)
    health.cycle_failed(OTHER, seconds=1, error="client-secret-0001 is no column")

    health.cycle_completed(ACME, seconds=1, cause=None)
    watch.record_cycle()

    (ping,) = switch.wait_for(1)
    assert ping.path == "/uuid/fail"
    assert ping.body == "other: the last cycle was not completed: [redacted] is no column"


def test_without_a_heartbeat_nothing_is_pinged(tmp_path: Path, watch: SelfMonitoring, switch: PingSink) -> None:
    """A reload that takes the URL away ends the pings."""
    watch.apply_config(configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"'), now=NOON)
    watch.apply_config(configuration(tmp_path), now=NOON)

    watch.record_cycle()
    watch.apply_config(configuration(tmp_path, f'heartbeat_url = "{switch.url}/again"'), now=NOON)
    watch.record_cycle()

    assert [ping.path for ping in switch.wait_for(1)] == ["/again"]


def test_a_reload_that_changes_a_header_changes_the_pings(
    tmp_path: Path, watch: SelfMonitoring, switch: PingSink
) -> None:
    """The URL is the same; and `alerter poll` sends the header as well."""
    url = f'heartbeat_url = "{switch.url}/uuid"'
    watch.apply_config(configuration(tmp_path, url), now=NOON)
    config = configuration(tmp_path, url, 'heartbeat_headers = { Authorization = "Bearer secret-0009" }')
    watch.apply_config(config, now=NOON)

    watch.record_cycle()
    [of_service] = switch.wait_for(1)
    with with_heartbeat(config, Redactor()):
        pass
    [_, of_poll] = switch.wait_for(2)

    assert [each.headers.get("Authorization") for each in (of_service, of_poll)] == ["Bearer secret-0009"] * 2


def test_where_silence_alone_raises_the_alarm_a_poll_that_fails_is_not_told(tmp_path: Path, switch: PingSink) -> None:
    """Opsgenie knows no failure."""
    config = configuration(tmp_path, f'heartbeat_url = "{switch.url}/v2/heartbeats/alerter/ping"')

    with pytest.raises(StoreError), with_heartbeat(config, Redactor()):
        raise StoreError("no such user")

    assert switch.pings == []


def test_a_poll_that_fails_as_a_whole_is_told(tmp_path: Path, switch: PingSink) -> None:
    """`alerter poll` from cron says that its cycle could not be kept, and why."""
    config = configuration(tmp_path, f'heartbeat_url = "{switch.url}/uuid"')

    with pytest.raises(StoreError), with_heartbeat(config, Redactor(["hunter2"])):
        raise StoreError("no such user: hunter2")

    assert [(ping.path, ping.body) for ping in switch.pings] == [("/uuid/fail", "no such user: [redacted]")]


# The port


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens now."""
    return a_free_port()


def page(port: int, path: str = "/metrics") -> str:
    """Return what the port of a service shows."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_the_port_shows_what_the_account_and_the_database_know(
    tmp_path: Path, watch: SelfMonitoring, health: Health, free_port: int
) -> None:
    """Held messages from the newest poll, alerts from the database, targets from the configuration."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({"Spam": 5}))

    shown = page(free_port)

    assert 'alerter_held_messages{tenant="acme",reason="Spam"} 5\n' in shown
    assert "alerter_database_up 1.0\n" in shown
    assert "alerter_instances 1.0\n" in shown
    assert 'alerter_alerts{severity="critical",state="firing"} 0.0\n' in shown
    assert 'target="secops/json"' in shown


def test_the_port_shows_how_many_share_the_tenants(
    tmp_path: Path, health: Health, postgresql_url: str, free_port: int
) -> None:
    """Those that live; one that has gone is missed."""
    with closing(Store(postgresql_url)) as store, closing(SelfMonitoring(health, Redactor([]), store)) as watch:
        leases = store.leases()
        assert leases is not None
        one, _ = (
            leases.join(name, "1", "digest", lasting=timedelta(minutes=1), instead_of=0) for name in ("mon-a", "mon-b")
        )
        watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)
        both = page(free_port)
        leases.leave(one)
        alone = page(free_port)

    assert "alerter_instances 2.0\n" in both
    assert "alerter_instances 1.0\n" in alone


def test_no_secret_is_shown(tmp_path: Path, watch: SelfMonitoring, health: Health, free_port: int) -> None:
    """What a library says of an error is redacted before anybody outside reads it."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)
    health.cycle_failed(ACME, seconds=1, error="no such user: client-secret-0001")

    with pytest.raises(HTTPError) as caught:
        page(free_port, "/healthz")

    assert caught.value.code == 503
    with caught.value as answer:
        assert "no such user: [redacted]" in answer.read().decode()


def test_a_reload_moves_the_port(tmp_path: Path, watch: SelfMonitoring, free_port: int) -> None:
    """The new one answers, the old one does not any more, and without `listen` there is none."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)
    other = a_free_port()

    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{other}"'), now=NOON)
    moved = page(other)
    with pytest.raises(URLError):
        page(free_port)
    watch.apply_config(configuration(tmp_path), now=NOON)

    assert "alerter_tenants" in moved
    with pytest.raises(URLError):
        page(other)


def test_a_reload_may_open_the_port_to_other_machines(tmp_path: Path, watch: SelfMonitoring, free_port: int) -> None:
    """The same port on all addresses takes the place of the one on loopback, which is in its way."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)

    watch.apply_config(configuration(tmp_path, f'listen = "0.0.0.0:{free_port}"'), now=NOON)

    assert "alerter_tenants" in page(free_port)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_a_reload_that_cannot_listen_changes_nothing(
    tmp_path: Path, watch: SelfMonitoring, switch: PingSink, free_port: int, host: str
) -> None:
    """The old port goes on, and so does the old heartbeat: also if both addresses have the same port."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if host == "127.0.0.1" else free_port
        wrong = configuration(tmp_path, f'listen = "{host}:{port}"', f'heartbeat_url = "{switch.url}/uuid"')
        with pytest.raises(ListenError, match=f"cannot listen on {host}:{port}: "):
            watch.apply_config(wrong, now=NOON)
    watch.record_cycle()

    assert "alerter_tenants" in page(free_port)
    assert switch.pings == []


def test_reasons_are_left_out_where_the_configuration_says_so(
    tmp_path: Path, watch: SelfMonitoring, health: Health, free_port: int
) -> None:
    """`metrics_per_reason = false` leaves the sums."""
    lines = (f'listen = "127.0.0.1:{free_port}"', "metrics_per_reason = false")
    watch.apply_config(configuration(tmp_path, *lines), now=NOON)
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({"Spam": 5}))

    shown = page(free_port)

    assert 'alerter_tenant_held_messages{tenant="acme"} 5\n' in shown
    assert "alerter_held_messages{" not in shown


def test_what_was_before_a_restart_is_recalled(
    tmp_path: Path, watch: SelfMonitoring, health: Health, sqlite_url: str, free_port: int
) -> None:
    """The last successful poll of a tenant comes from the database until there is a newer one."""
    with closing(Store(sqlite_url)) as store, store.write() as transaction:
        transaction.history.add(a_snapshot({"Spam": 5}), poll_interval=timedelta(minutes=5))
    watch.load_last_polls()
    unwanted = health.tenants()[0].last_success_at
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)

    watch.load_last_polls()

    assert unwanted is None
    assert [each.last_success_at for each in health.tenants()] == [NOON, None]
    assert f'alerter_last_successful_poll_timestamp_seconds{{tenant="acme"}} {NOON.timestamp()}\n' in page(free_port)


def test_a_database_that_is_gone_stops_no_sign_of_life(
    tmp_path: Path, watch: SelfMonitoring, sqlite_url: str, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the start of the metrics nor a scrape fails with it, and the page says so."""
    watch.apply_config(configuration(tmp_path, f'listen = "127.0.0.1:{free_port}"'), now=NOON)
    watch.load_last_polls()
    Path(sqlite_url.removeprefix("sqlite:///")).unlink()

    watch.load_last_polls()

    assert "database unavailable for metrics" in caplog.text
    assert "alerter_database_up 0.0\n" in page(free_port)


def test_a_service_without_a_port_loads_no_library_for_it() -> None:
    """Memory is spent only by those who want the metrics."""
    script = (
        "import sys, alerter.service.daemon\n"
        "print([name for name in ('prometheus_client', 'waitress', 'alerter.web.server') if name in sys.modules])"
    )

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert loaded.stdout == "[]\n"


@pytest.mark.parametrize(("page", "is_imported"), [("true", "True"), ("false", "False")])
def test_without_a_page_its_libraries_are_not_imported(tmp_path: Path, page: str, is_imported: str) -> None:
    """`/healthz` and `/metrics` alone cost no memory for templates; in a process of its own, which imports anew."""
    config = tmp_path / "rules.toml"
    config.write_text(
        f'[service]\nlisten = "unix:{tmp_path}/web.sock"\n[web]\npage = {page}\n[tenants.acme]\nclient_id = "i"\n'
        'client_secret = "s-0001"\n[receivers.r]\nurls = ["json://127.0.0.1:9"]\n'
    )
    script = (
        "import sys; from pathlib import Path; from alerter.clock import now; from alerter.config import load_config;"
        "from alerter.health import Health; from alerter.redaction import Redactor; from alerter.storage import Store;"
        "from alerter.service.self_monitoring import SelfMonitoring;"
        "config = load_config(Path(sys.argv[1])); store = Store(config.service.database); store.upgrade();"
        "watch = SelfMonitoring(Health(lambda: 0.0), Redactor(), store); watch.apply_config(config, now=now());"
        "print('jinja2' in sys.modules); watch.close(); store.close()"
    )

    found = subprocess.run([sys.executable, "-c", script, config], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == is_imported
