"""Connections that are kept for the next poll, whoever it is for, against servers that count them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest
from urllib3.exceptions import NewConnectionError

from alerter.core.series import Tenant
from alerter.errors import Cause, SourceError
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.sources.mimecast import Limits, Lines, MimecastSource, OAuthKeys
from alerter.sources.mimecast.lines import MAX_IDLE_LINES, MAX_IDLE_SECONDS, Line
from tests.builders import NOON
from tests.raw_servers import RawServer, read_request
from tests.sources.test_mimecast import HandMonotonic, http_bytes

KEYS = OAuthKeys(client_id=SIMULATOR_CLIENT_ID, client_secret=SIMULATOR_CLIENT_SECRET)
TOKEN = b'{"access_token": "t0ken", "token_type": "Bearer", "expires_in": 1799}'
SUMMARY = b'{"meta": {"status": 200}, "data": [], "fail": []}'


@contextmanager
def serving(*headers: str, requests_per_connection: int = 1000, closing: bool = False) -> Iterator[RawServer]:
    """Yield a Mimecast that keeps each connection for so many requests, and then drops it without a word.

    With `closing` it reads one request more on a connection that it has kept, and closes it instead of an answer.
    """

    def play(connection: socket.socket) -> None:
        for _ in range(requests_per_connection):
            request = read_request(connection)
            if not request.strip():
                return
            connection.sendall(http_bytes(TOKEN if b"/oauth/token" in request else SUMMARY, *headers))
        if closing:
            read_request(connection)

    with RawServer(play) as server:
        yield server


def an_account(server: RawServer, lines: Lines | None, tenant: str = "acme", seconds: float = 5) -> MimecastSource:
    """Return an account of a tenant at a server."""
    return MimecastSource(
        tenant=Tenant(tenant),
        base_url=server.url,
        keys=KEYS,
        clock=lambda: NOON,
        monotonic=HandMonotonic(),
        stop=threading.Event(),
        limits=Limits(timeout=timedelta(seconds=seconds), retry_wait=timedelta(0)),
        lines=lines,
    )


@pytest.fixture
def clock() -> HandMonotonic:
    """Seconds that pass when they are told to."""
    return HandMonotonic()


@pytest.fixture
def lines(clock: HandMonotonic) -> Iterator[Lines]:
    """No connections yet."""
    lines = Lines(clock)
    yield lines
    lines.close()


def test_tenants_share_a_connection(lines: Lines) -> None:
    """A hundred tenants that are polled one after the other need one handshake, each with its own token."""
    with serving() as server:
        for number in range(100):
            an_account(server, lines, f"customer-{number}").fetch()

    assert server.connections == 1


def test_an_account_by_itself_closes_its_connection_after_each_poll() -> None:
    """Token and summary come over one connection, which ends with the fetch."""
    with serving() as server:
        account = an_account(server, None)
        account.fetch()
        account.fetch()

    assert server.connections == 2


def test_a_connection_serves_one_exchange_at_a_time(lines: Lines) -> None:
    """Two tenants at the same moment have two connections: no answer can be taken for the other's."""
    gate = threading.Barrier(2, timeout=5)

    def play(connection: socket.socket) -> None:
        while request := read_request(connection).strip():
            if b"/oauth/token" not in request:
                gate.wait()
            connection.sendall(http_bytes(TOKEN if b"/oauth/token" in request else SUMMARY))

    with RawServer(play) as server:
        accounts = [an_account(server, lines, name) for name in ("acme", "globex")]
        threads = [threading.Thread(target=account.fetch) for account in accounts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)

    assert server.connections == 2


@pytest.mark.parametrize(
    ("serve", "connections"),
    [
        pytest.param(lambda: serving("Connection: close"), 2, id="the server says that it closes it"),
        pytest.param(lambda: serving(requests_per_connection=2), 1, id="it is open for as long as it is needed"),
        pytest.param(lambda: serving(requests_per_connection=1), 2, id="the server has closed it without a word"),
        pytest.param(
            lambda: serving(requests_per_connection=1, closing=True), 2, id="the server closes it as it is used again"
        ),
    ],
)
def test_a_connection_that_is_no_more_is_replaced(
    lines: Lines, serve: Callable[[], AbstractContextManager[RawServer]], connections: int
) -> None:
    """Whatever the server does with its connections, the poll is good at the first try."""
    with serve() as server:
        an_account(server, lines).fetch()

    assert server.connections == connections


def test_a_connection_that_was_idle_for_long_is_not_used_again(lines: Lines, clock: HandMonotonic) -> None:
    """A firewall may have forgotten it, and would swallow the request."""
    with serving() as server:
        account = an_account(server, lines)
        account.fetch()
        clock.now += MAX_IDLE_SECONDS + 1
        account.fetch()

    assert server.connections == 2


def test_a_connection_that_was_cut_is_not_used_again(lines: Lines) -> None:
    """What a server would still say to a request that was given up must not answer the next one."""
    served = threading.Semaphore(2)

    def play(connection: socket.socket) -> None:
        while request := read_request(connection).strip():
            if not served.acquire(blocking=False):
                server.ended.wait(10)
                return
            connection.sendall(http_bytes(TOKEN if b"/oauth/token" in request else SUMMARY))

    with RawServer(play) as server:
        account = an_account(server, lines, seconds=0.6)
        account.fetch()
        with pytest.raises(SourceError) as caught:
            account.fetch()
        served.release()
        account.fetch()

    assert caught.value.cause is Cause.TIMEOUT
    assert server.connections == 3


def test_no_more_than_enough_connections_are_kept(lines: Lines) -> None:
    """Descriptors are few; what a daemon's pollers cannot use at once is closed."""
    taken = [lines.take("https://mimecast.example") for _ in range(MAX_IDLE_LINES + 5)]
    for line in taken:
        lines.give_back(line, "https://mimecast.example")

    again = [lines.take("https://mimecast.example") for _ in range(MAX_IDLE_LINES + 5)]

    assert sum(line in taken for line in again) == MAX_IDLE_LINES
    assert lines.take("https://other.example") not in taken


def test_no_cookie_goes_from_one_tenant_to_another(lines: Lines) -> None:
    """A connection is shared, and nothing else: whatever a server wants to be remembered is not."""
    seen: list[bytes] = []

    def play(connection: socket.socket) -> None:
        while request := read_request(connection).strip():
            seen.append(request.lower())
            body = TOKEN if b"/oauth/token" in request else SUMMARY
            connection.sendall(http_bytes(body, "Set-Cookie: session=acme"))

    with RawServer(play) as server:
        an_account(server, lines).fetch()
        an_account(server, lines, "globex").fetch()

    assert len(seen) == 4
    assert not any(b"cookie" in request for request in seen)


def test_a_connection_that_cannot_be_made_is_no_kept_one() -> None:
    """It is tried once: only a connection that has answered before may have been closed behind our back."""
    line = Line()

    with pytest.raises(NewConnectionError):
        line.pool("http://127.0.0.1:1/").urlopen("POST", "/", retries=False, timeout=1)

    assert not line.is_kept


def test_a_request_comes_in_one_piece(lines: Lines) -> None:
    """A server that reads once has all of it: it is not woken for the headers, and again for the body."""
    segments: list[bytes] = []

    def play(connection: socket.socket) -> None:
        while piece := connection.recv(65536):
            segments.append(piece)
            connection.sendall(http_bytes(TOKEN if b"/oauth/token" in piece else SUMMARY))

    with RawServer(play) as server:
        an_account(server, lines).fetch()

    assert [piece.partition(b" HTTP")[0] for piece in segments] == [
        b"POST /oauth/token",
        b"POST /api/gateway/get-hold-summary-list",
    ]
    assert all(piece.partition(b"\r\n\r\n")[2] for piece in segments)
