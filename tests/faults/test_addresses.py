"""A host that has addresses which do not answer: whoever asks it, another address is used within the timeout."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event
from time import perf_counter
from urllib.parse import urlsplit

import pytest

from alerter.core.series import Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.network.probe import Endpoint, TlsMode, probe
from alerter.service.heartbeat import PingTimeouts, build_ping, send
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.sources.mimecast import Limits, Lines, MimecastSource, OAuthKeys
from tests.builders import span
from tests.network.test_dialer import a_black_hole, resolving
from tests.servers import ping_sink

DEAD = ("::1", "127.0.0.2")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mimecast that holds a few messages."""
    scenario = Scenario(lambda _: {"Spam": 5})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario) as simulator:  # noqa: TID251 - a real fetch
        yield simulator


@pytest.fixture
def has_dead_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """Let the name `localhost` have addresses that do not answer before the one that does."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*DEAD, "127.0.0.1"))
    with ExitStack() as stack:
        yield stack


def mimecast(port: int, *, lines: Lines | None = None, limits: Limits | None = None) -> MimecastSource:
    """Return a tenant whose host is `localhost`."""
    return MimecastSource(
        tenant=Tenant("acme"),
        base_url=f"http://localhost:{port}",
        keys=OAuthKeys(client_id=SIMULATOR_CLIENT_ID, client_secret=SIMULATOR_CLIENT_SECRET),
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - a real fetch
        monotonic=perf_counter,
        stop=Event(),
        lines=lines,
        limits=limits or Limits(timeout=span("60s"), connect_timeout=span("30s")),
    )


def port_of(simulator: Simulator) -> int:
    """Return where it listens."""
    return urlsplit(simulator.base_url).port or 0


def let_none_answer(stack: ExitStack, port: int) -> None:
    """Open the addresses that do not answer."""
    for host in DEAD:
        stack.enter_context(a_black_hole(host, port))


def test_a_poll_uses_the_address_that_answers(simulator: Simulator, has_dead_addresses: ExitStack) -> None:
    """And the next one begins with it, though it needs a connection of its own."""
    let_none_answer(has_dead_addresses, port_of(simulator))
    lines = Lines(perf_counter)

    began = perf_counter()
    first = mimecast(port_of(simulator), lines=lines).fetch()
    lines.close()
    between = perf_counter()
    second = mimecast(port_of(simulator), lines=lines).fetch()
    lines.close()

    assert first.counts == second.counts == {"Spam": 5}
    assert between - began < 20
    assert perf_counter() - between < 20


def test_a_poll_that_nobody_answers_says_whom_it_tried(
    has_dead_addresses: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause names the addresses, for the firewall is somebody else's."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*DEAD))
    port = has_dead_addresses.enter_context(a_black_hole(DEAD[0]))
    has_dead_addresses.enter_context(a_black_hole(DEAD[1], port))
    limits = Limits(timeout=span("4s"), connect_timeout=span("1s"))

    with pytest.raises(SourceUnavailable) as caught:
        mimecast(port, limits=limits).fetch()

    assert caught.value.cause is Cause.TIMEOUT
    assert caught.value.detail == "no connection: ::1, 127.0.0.2 did not answer within 1 s"


def test_a_heartbeat_uses_the_address_that_answers(has_dead_addresses: ExitStack) -> None:
    """A dead address must not raise the alarm that alerter is dead."""
    with ping_sink() as sink:
        let_none_answer(has_dead_addresses, sink.port)
        began = perf_counter()

        send(build_ping(f"http://localhost:{sink.port}/ping/x", ""), PingTimeouts(connect=30, read=30, total=60))

    assert perf_counter() - began < 20
    assert len(sink.pings) == 1


def test_doctor_uses_the_address_that_answers(simulator: Simulator, has_dead_addresses: ExitStack) -> None:
    """It finds what the service will find; and where none answers, it names them."""
    let_none_answer(has_dead_addresses, port_of(simulator))
    endpoint = Endpoint(host="localhost", port=port_of(simulator), security=TlsMode.NONE)

    assert probe(endpoint, timeout=3.0).failed_at is None


def test_doctor_names_the_addresses_that_do_not_answer(
    has_dead_addresses: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving(*DEAD))
    port = has_dead_addresses.enter_context(a_black_hole(DEAD[0]))
    has_dead_addresses.enter_context(a_black_hole(DEAD[1], port))

    found = probe(Endpoint(host="localhost", port=port, security=TlsMode.NONE), timeout=0.5)

    assert found.detail == "::1, 127.0.0.2 did not answer within 0.5 s"
