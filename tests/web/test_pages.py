"""The port as Prometheus, a load balancer and a stranger meet it: real HTTP, also by clients that do not behave."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from prometheus_client import CONTENT_TYPE_LATEST

from alerter.config.models import Scope, WebConfig, WebToken
from alerter.core.series import Tenant
from alerter.errors import ListenError
from alerter.health import Health
from alerter.web import server
from alerter.web.pages import WebApp
from alerter.web.security import is_expected_host
from alerter.web.server import CONNECTIONS, HttpServer
from alerter.web.sources import MetricsInput
from tests.builders import a_snapshot
from tests.web.services import ACME, a_health, sources_of

HOSTS = ("localhost", "127.0.0.1", "::1", "alerter.example")
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@pytest.fixture
def health() -> Health:
    """A service that is well."""
    return a_health()


@pytest.fixture
def port(health: Health) -> Iterator[HttpServer]:
    """The port of it."""
    with serving(sources_of(health)) as port:
        yield port


class serving:  # noqa: N801 - it reads as what it does
    """A port that answers while the block lasts."""

    def __init__(self, sources: MetricsInput, web: WebConfig = WebConfig()) -> None:  # noqa: B008 - it never changes
        self._port = HttpServer("127.0.0.1", 0)
        self._port.serve(WebApp(sources, hosts=lambda: HOSTS, web=lambda: web))

    def __enter__(self) -> HttpServer:
        return self._port

    def __exit__(self, *_: object) -> None:
        self._port.close()


def ask(port: HttpServer, path: str, method: str = "GET", *, authorization: str = "") -> http.client.HTTPResponse:
    """Return the answer to a request, read to its end."""
    with closing(http.client.HTTPConnection("127.0.0.1", port.number, timeout=20)) as connection:
        connection.request(method, path, headers={"Authorization": authorization} if authorization else {})
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined] # for the test to look at
        return response


def content(response: http.client.HTTPResponse) -> bytes:
    """Return what was read of an answer."""
    read: bytes = response.content  # type: ignore[attr-defined] # see `ask`
    return read


def test_a_service_that_is_well_says_so(port: HttpServer) -> None:
    """A load balancer or an uptime service sees 200; a person reads how many tenants there are."""
    answer = ask(port, "/healthz")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(content(answer)) == {"status": "ok", "tenants": 2}


def test_a_service_that_is_not_well_says_why(port: HttpServer, health: Health) -> None:
    """503, with each tenant whose cycles are not complete."""
    health.cycle_failed(ACME, seconds=5, error="database is locked")

    answer = ask(port, "/healthz")

    assert answer.status == 503
    assert json.loads(content(answer)) == {
        "status": "failing",
        "reasons": ["acme: the last cycle was not completed: database is locked"],
        "tenants": 2,
    }


def test_a_poll_that_fails_is_no_illness_of_the_service(port: HttpServer) -> None:
    """Of the two tenants one cannot be polled: that is known, kept and told, as it should be."""
    assert ask(port, "/healthz").status == 200


def test_the_metrics_come_in_the_type_that_prometheus_expects(port: HttpServer) -> None:
    """With the version of the format that the library writes."""
    answer = ask(port, "/metrics")

    assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT_TYPE_LATEST)
    assert b'alerter_held_messages{tenant="acme",reason="Spam"} 5\n' in content(answer)
    assert b"process_resident_memory_bytes" in content(answer)


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_head_gets_the_headers_alone(port: HttpServer, path: str) -> None:
    """As for GET, without a content."""
    answer, whole = ask(port, path, "HEAD"), ask(port, path)

    assert (answer.status, content(answer)) == (200, b"")
    assert answer.headers["Content-Type"] == whole.headers["Content-Type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_can_be_changed(port: HttpServer, method: str) -> None:
    """Every other method is refused, with those that are not."""
    answer = ask(port, "/metrics", method)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/healthz/../etc/passwd", "/%2e%2e/rules.toml", "/Metrics", "/favicon.ico"]
)
def test_there_is_nothing_else(port: HttpServer, path: str) -> None:
    """No folder, no file, no other spelling."""
    answer = ask(port, path)

    assert (answer.status, content(answer)) == (404, b"there is /healthz and /metrics\n")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nowhere"])
def test_every_answer_keeps_browsers_in_check(port: HttpServer, path: str) -> None:
    """What is shown is of this moment, is text, and is for no other page. No answer says which server it is."""
    headers = ask(port, path).headers

    assert SECURITY_HEADERS.items() <= dict(headers.items()).items()
    assert "Server" not in headers


def test_a_query_changes_nothing(port: HttpServer) -> None:
    """Prometheus may be configured to send one."""
    assert ask(port, "/healthz?verbose=1").status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431, id="a path without end"),
        pytest.param(b"POST /metrics HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", 413, id="a large body"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, id="a handshake of TLS"),
    ],
)
def test_a_request_that_is_none_is_refused(port: HttpServer, request_bytes: bytes, status: int) -> None:
    """What is not a short request gets an answer that says so, and is read no further."""
    with socket.create_connection(("127.0.0.1", port.number), timeout=20) as connection:
        connection.sendall(request_bytes)

        assert connection.recv(1000).split(b" ")[1] == str(status).encode()
    assert ask(port, "/healthz").status == 200


def test_a_client_that_is_slow_holds_nobody_up() -> None:
    """Scrapes of megabytes that nobody reads, and requests that never end: others get their answer at once."""
    health = a_health()
    tenants = [Tenant(f"tenant-{number:04}") for number in range(2000)]
    health.set_tenants(dict.fromkeys(tenants, timedelta(minutes=5)))
    held = {f"A policy with a long name, number {number}": number for number in range(50)}
    for tenant in tenants:
        health.cycle_completed(tenant, seconds=1, cause=None, snapshot=a_snapshot(held, tenant=tenant))
    with serving(sources_of(health)) as port, ExitStack() as stack:
        for request in [b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 8 + [b"GET /metr"] * (CONNECTIONS // 2):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(request)

        answer = ask(port, "/healthz")

    assert answer.status == 200


def test_connections_that_say_nothing_make_room(port: HttpServer) -> None:
    """More of them than are kept, in every state of an unfinished request: both pages are answered at once."""
    with ExitStack() as stack:
        for number in range(CONNECTIONS * 2):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port.number), timeout=20))
            slow.sendall((b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")[number % 3])

        assert [ask(port, path).status for path in ("/healthz", "/metrics", "/healthz")] == [200] * 3


def test_a_header_has_its_time_however_it_drips_in(port: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps a connection open for no longer than the whole header may take."""
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port.number), timeout=0.05) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX: ")

        assert any(_is_closed_after(connection, b"x") for _ in range(400))


def _is_closed_after(connection: socket.socket, byte: bytes) -> bool:
    """Send a byte, and say whether the other side has closed the connection."""
    try:
        connection.sendall(byte)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("127.0.0.1", 200, id="the address"),
        pytest.param("127.0.0.1:9464", 200, id="with a port"),
        pytest.param("LOCALHOST:1", 200, id="localhost, through a tunnel"),
        pytest.param("[::1]:9464", 200, id="an address of IPv6"),
        pytest.param("[0:0:0::1]", 200, id="the same address in another form"),
        pytest.param("Alerter.Example.", 200, id="the public name"),
        pytest.param(None, 200, id="none, as a load balancer asks by HTTP/1.0"),
        pytest.param("", 421, id="an empty one"),
        pytest.param("rebound.example", 421, id="a name of somebody else"),
        pytest.param("127.0.0.1.rebound.example", 421, id="a name that begins as the address does"),
        pytest.param("192.0.2.1", 200, id="another address: rebinding needs a name"),
        pytest.param("localhost@rebound.example", 421, id="a user and a name"),
        pytest.param("rebound.example#localhost", 421, id="a name and more"),
        pytest.param("[::1", 421, id="none at all"),
    ],
)
def test_the_host_is_one_that_is_expected(port: HttpServer, host: str | None, status: int) -> None:
    """Any other name may be one that somebody else's page has pointed to this machine."""
    line = b"" if host is None else b"Host: " + host.encode() + b"\r\n"
    with socket.create_connection(("127.0.0.1", port.number), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.%d\r\n" % (host is not None) + line + b"\r\n")

        assert connection.recv(1000).split(b" ")[1] == str(status).encode()


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]:9464", "localhost"])
def test_where_every_address_is_listened_on_every_address_is_expected_host(host: str) -> None:
    """No name leads to an address that is asked for as an address."""
    assert is_expected_host(host, ("localhost", "0.0.0.0"))  # noqa: S104 - it is what `listen` may have
    assert not is_expected_host("rebound.example", ("localhost", "::"))


def test_a_bug_in_a_page_is_an_error_and_not_the_end(
    port: HttpServer, health: Health, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets a 500 without a traceback, the log has it, and the port goes on."""
    monkeypatch.setattr(health, "tenant_count", lambda: 1 / 0)
    answer = ask(port, "/healthz")
    monkeypatch.undo()

    assert (answer.status, b"ZeroDivisionError" in content(answer)) == (500, False)
    assert "ZeroDivisionError" in caplog.text
    assert ask(port, "/healthz").status == 200


def test_a_port_that_is_taken_is_named() -> None:
    """Whoever starts a second service learns which address is in the way."""
    taken = HttpServer("127.0.0.1", 0)

    with closing(taken), pytest.raises(ListenError) as caught:
        HttpServer("127.0.0.1", taken.number)

    assert str(caught.value) == f"cannot listen on 127.0.0.1:{taken.number}: address already in use"


def test_an_address_of_another_machine_is_named() -> None:
    """IPv6 as the configuration writes it."""
    with pytest.raises(ListenError, match=r"^cannot listen on \[2001:db8::1\]:9464: "):
        HttpServer("2001:db8::1", 9464)


def test_ipv6_is_listened_on() -> None:
    """`[::1]` is this machine too."""
    port = HttpServer("::1", 0)
    port.serve(WebApp(sources_of(a_health()), hosts=lambda: HOSTS))
    with closing(port), closing(http.client.HTTPConnection("::1", port.number, timeout=20)) as connection:
        connection.request("GET", "/healthz")

        assert connection.getresponse().status == 200


def test_a_port_that_was_closed_is_free_at_once(health: Health) -> None:
    """A reload may want it again; no thread of it is left."""
    with serving(sources_of(health)) as port:
        ask(port, "/healthz")
        number = port.number
    port.close()

    again = HttpServer("127.0.0.1", number)

    again.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "port"]


def test_complaints_are_shown_as_they_are_handed(health: Health) -> None:
    """The pages show what they are given, which has no secret any more."""
    sources = replace(sources_of(health), problems=lambda: ("acme: [redacted]",))
    with serving(sources) as port:
        assert json.loads(content(ask(port, "/healthz")))["reasons"] == ["acme: [redacted]"]


TOKEN = "a-token-of-prometheus"


def hidden(*scopes: Scope) -> WebConfig:
    """Return a configuration with a token for `/metrics`, and another one for something else."""
    digest = sha256(TOKEN.encode()).hexdigest()
    other = WebToken(sha256=sha256(b"another").hexdigest(), scopes=(Scope.METRICS,))
    return WebConfig(tokens={"prometheus": WebToken(sha256=digest, scopes=scopes), "other": other})


@pytest.mark.parametrize(
    ("web", "authorization", "status"),
    [
        pytest.param(WebConfig(), "", 200, id="no token is made for it"),
        pytest.param(hidden(Scope.METRICS), "", 401, id="none is sent"),
        pytest.param(hidden(Scope.METRICS), f"Bearer {TOKEN}", 200, id="the right one"),
        pytest.param(hidden(Scope.READ), f"bearer  {TOKEN}", 200, id="one that may read everything"),
        pytest.param(hidden(Scope.ACK), f"Bearer {TOKEN}", 401, id="one for something else"),
        pytest.param(hidden(Scope.METRICS), "Bearer wrong", 401, id="a wrong one"),
        pytest.param(hidden(Scope.METRICS), f"Basic {TOKEN}", 401, id="another scheme"),
        pytest.param(hidden(Scope.METRICS), "Bearer \u00ff", 401, id="no ASCII"),
    ],
)
def test_once_a_token_is_made_for_metrics_they_need_one(
    health: Health, web: WebConfig, authorization: str, status: int
) -> None:
    """Also on loopback, from where a proxy forwards what others ask; a probe learns only whether all is well."""
    sources = replace(sources_of(health), problems=lambda: ("acme: overdue",))
    with serving(sources, web) as port:
        answers = [ask(port, path, authorization=authorization) for path in ("/metrics", "/healthz")]

    assert [each.status for each in answers] == [status, 503]
    assert answers[0].getheader("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert (b"alerter_tenants" in content(answers[0])) == (status == 200)
    assert (b"acme" in content(answers[1])) == (status == 200)
    assert json.loads(content(answers[1]))["status"] == "failing"
