"""How far a connection gets, with real servers, real certificates and a real proxy."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import trustme

from alerter.network.probe import Endpoint, ProbeResult, ProbeStage, TlsMode, probe
from tests.raw_servers import RawServer
from tests.servers import http_sink, smtp_sink

END = datetime(2126, 3, 2, 12, 0, tzinfo=UTC)
#: In no system's file of hosts, and too long for any name server to be asked.
NO_NAME = "x" * 70


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(autouse=True)
def bundle(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make our authority the one that is trusted, as an administrator would; return its file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return path


def tls(authority: trustme.CA, *names: str, until: datetime = END) -> ssl.SSLContext:
    """Return the context of a server with a certificate for names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), not_after=until).configure_cert(context)
    return context


def reached(
    port: int,
    *,
    security: TlsMode = TlsMode.TLS,
    host: str = "127.0.0.1",
    is_mail: bool = False,
    verifies: bool = True,
    timeout: float = 5,
) -> ProbeResult:
    """Return how far a connection to a port on loopback gets."""
    endpoint = Endpoint(host=host, port=port, security=security, is_mail=is_mail, verifies=verifies)
    return probe(endpoint, timeout=timeout)


def greeting(*lines: bytes) -> Callable[[socket.socket], None]:
    """Return a play of a server that says a line, and then one for each command that it gets."""

    def play(connection: socket.socket) -> None:
        for line in lines:
            connection.sendall(line)
            connection.recv(1000)

    return play


# -- HTTP --------------------------------------------------------------------------------------------------------------


def test_a_trusted_host_is_reached_and_its_certificate_has_an_end(authority: trustme.CA) -> None:
    """Nothing is posted to it."""
    with http_sink(tls(authority)) as sink:
        found = reached(sink.port)

    assert found == ProbeResult(certificate_ends_at=END)
    assert sink.posts == []


def test_plain_http_is_reached_without_a_certificate() -> None:
    """There is nothing to trust."""
    with http_sink() as sink:
        assert reached(sink.port, security=TlsMode.NONE) == ProbeResult()


def test_a_folder_of_authorities_is_as_good_as_a_file(
    authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQUESTS_CA_BUNDLE may name either; this one trusts nobody."""
    folder = bundle.parent / "empty"
    folder.mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))

    with http_sink(tls(authority)) as sink:
        assert reached(sink.port).failed_at is ProbeStage.CERTIFICATE


@pytest.mark.parametrize(
    ("names", "until", "detail"),
    [
        pytest.param(("127.0.0.1",), datetime(2020, 1, 1, tzinfo=UTC), "certificate has expired", id="expired"),
        pytest.param(("mail.example",), END, "IP address mismatch", id="of another host"),
    ],
)
def test_a_bad_certificate_is_told_apart(
    authority: trustme.CA, names: tuple[str, ...], until: datetime, detail: str
) -> None:
    """Whoever mends it must know what is wrong with it."""
    with http_sink(tls(authority, *names, until=until)) as sink:
        found = reached(sink.port)

    assert found.failed_at is ProbeStage.CERTIFICATE
    assert detail in found.detail


def test_an_unknown_authority_is_refused() -> None:
    """As of a company's own proxy that nobody told this machine of."""
    with http_sink(tls(trustme.CA())) as sink:
        found = reached(sink.port)

    assert found.failed_at is ProbeStage.CERTIFICATE
    assert "unable to get local issuer certificate" in found.detail or "self-signed" in found.detail


def test_a_bundle_that_does_not_exist_is_named(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in the variable looks like a bad certificate otherwise."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with http_sink(tls(authority)) as sink:
        found = reached(sink.port)

    assert found.failed_at is ProbeStage.CERTIFICATE
    assert found.detail == "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which does not exist"


def test_whoever_does_not_verify_reaches_anybody() -> None:
    """With verify=no no certificate is bad, and none has an end."""
    with http_sink(tls(trustme.CA(), "mail.example")) as sink:
        assert reached(sink.port, verifies=False) == ProbeResult()


def test_a_host_that_speaks_no_tls_is_told_apart() -> None:
    """The port may be that of plain HTTP."""
    with http_sink() as sink:
        found = reached(sink.port)

    assert found.failed_at is ProbeStage.TLS
    assert found.detail


def test_a_name_that_does_not_resolve() -> None:
    """A slip of the pen in the URL."""
    found = reached(443, host=NO_NAME)

    assert found.failed_at is ProbeStage.NAME
    assert found.detail


def test_a_port_on_which_nobody_listens() -> None:
    """The address that was tried is told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        found = reached(taken.getsockname()[1])

    assert (found.failed_at, found.detail) == (ProbeStage.CONNECTION, "connection refused (127.0.0.1)")


def test_a_host_that_never_answers_is_given_up() -> None:
    """A handshake that hangs ends with the time-out."""
    with RawServer(lambda connection: connection.recv(10_000) and server.ended.wait(10)) as server:
        found = reached(server.port, timeout=0.3)

    assert found.failed_at is ProbeStage.TLS
    assert "timed out" in found.detail


# -- through a proxy ---------------------------------------------------------------------------------------------------


def proxy(to: int, requests: list[bytes], *, answer: bytes = b"HTTP/1.1 200 Go ahead\r\n\r\n") -> RawServer:
    """Return a proxy that leads every tunnel to a port on loopback, and keeps what was asked for."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65_536):
                sink.sendall(received)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def play(connection: socket.socket) -> None:
        requests.append(connection.recv(65_536))
        connection.sendall(answer)
        if b"200" in answer:
            with socket.create_connection(("127.0.0.1", to)) as host:
                back = Thread(target=pump, args=(host, connection), daemon=True)
                back.start()
                pump(connection, host)
                back.join(5)

    return RawServer(play)


def test_a_proxy_of_the_environment_is_gone_through(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the messages will be: with its login, and to a name that only the proxy can resolve."""
    requests: list[bytes] = []
    with http_sink(tls(authority, "hooks.example")) as sink, proxy(sink.port, requests) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{tunnel.port}")

        found = reached(443, host="hooks.example")

    assert found == ProbeResult(proxy="127.0.0.1", certificate_ends_at=END)
    assert requests[0].startswith(b"CONNECT hooks.example:443 ")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in requests[0]


def test_a_proxy_that_refuses_is_the_proxys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the host behind it."""
    with proxy(0, [], answer=b"HTTP/1.1 407 Who are you?\r\n\r\n") as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{tunnel.port}")

        found = reached(443, host="hooks.example")

    assert (found.failed_at, found.proxy) == (ProbeStage.PROXY, "127.0.0.1")
    assert "407" in found.detail


def test_of_plain_http_only_the_proxy_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes each request on by itself: there is no tunnel to open."""
    requests: list[bytes] = []
    with http_sink() as sink:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{sink.port}")

        found = reached(80, host="hooks.example", security=TlsMode.NONE)

    assert found == ProbeResult(proxy="127.0.0.1")
    assert requests == []


def test_a_proxy_of_another_kind_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether the host can be reached, and nobody says so."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setattr("alerter.network_settings.find_spec", lambda _: object())

    found = reached(443, host="hooks.example")

    assert (found.failed_at, found.detail) == (ProbeStage.PROXIED, "it lies behind a proxy of the kind socks5")


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "htp://127.0.0.1:1", "proxy:3128"])
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Nothing is tried then."""
    monkeypatch.setenv("HTTPS_PROXY", url)

    found = probe(Endpoint.of_url("https://hooks.example"), timeout=5)

    assert found.failed_at is ProbeStage.PROXY
    assert found.detail.startswith("HTTPS_PROXY cannot be used: expected a proxy such as http://proxy.example:3128")


def test_mail_goes_past_every_proxy(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMTP knows none."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    with smtp_sink(tls(authority), user="u", password="p") as sink:
        found = reached(sink.port, security=TlsMode.STARTTLS, is_mail=True)

    assert found == ProbeResult(certificate_ends_at=END)


# -- SMTP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def goodbyes() -> list[bytes]:
    """What a mail server was told at the end."""
    return []


@pytest.fixture
def secure_mail(authority: trustme.CA, goodbyes: list[bytes]) -> Iterator[RawServer]:
    """A mail server that speaks TLS from the start."""

    def play(connection: socket.socket) -> None:
        connection.sendall(b"220 ready\r\n")
        goodbyes.append(connection.recv(1000))
        connection.sendall(b"221 bye\r\n")

    with RawServer(play, context=tls(authority)) as server:
        yield server


def test_a_mail_server_with_tls_from_the_start(secure_mail: RawServer, goodbyes: list[bytes]) -> None:
    """It greets afterwards, and is told goodbye, so that its log holds no lost connection."""
    found = reached(secure_mail.port, is_mail=True)

    assert found == ProbeResult(certificate_ends_at=END)
    assert goodbyes == [b"QUIT\r\n"]


def test_a_mail_server_without_tls() -> None:
    """It has no certificate, but it must greet."""
    with RawServer(greeting(b"220 ready\r\n", b"221 bye\r\n")) as server:
        assert reached(server.port, security=TlsMode.NONE, is_mail=True) == ProbeResult()


def test_a_mail_server_whose_certificate_has_expired(authority: trustme.CA) -> None:
    """STARTTLS is offered, and what comes then cannot be trusted."""
    yesterday = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251 - certificates end by the real clock
    with smtp_sink(tls(authority, until=yesterday), user="u", password="p") as sink:
        found = reached(sink.port, security=TlsMode.STARTTLS, is_mail=True)

    assert (found.failed_at, found.detail) == (ProbeStage.CERTIFICATE, "certificate has expired")


@pytest.mark.parametrize(
    ("lines", "security", "step", "detail"),
    [
        pytest.param(
            [b"554 go away\r\n"], TlsMode.NONE, ProbeStage.GREETING, "it greets with 554 go away", id="a refusal"
        ),
        pytest.param([b""], TlsMode.NONE, ProbeStage.GREETING, "does not greet", id="silence"),
        pytest.param(
            [b"220 ready\r\n", b"250 hello\r\n"],
            TlsMode.STARTTLS,
            ProbeStage.TLS,
            "it does not offer STARTTLS",
            id="no STARTTLS",
        ),
        pytest.param(
            [b"220 ready\r\n", b"250-hello\r\n250 STARTTLS\r\n", b"454 not now\r\n"],
            TlsMode.STARTTLS,
            ProbeStage.TLS,
            "not now",
            id="STARTTLS refused",
        ),
        pytest.param([b"220 ready\r\n", b""], TlsMode.STARTTLS, ProbeStage.TLS, "closed", id="no answer to EHLO"),
    ],
)
def test_a_mail_server_that_is_none(lines: list[bytes], security: TlsMode, step: ProbeStage, detail: str) -> None:
    """What it says goes into the finding."""
    with RawServer(greeting(*lines)) as server:
        found = reached(server.port, security=security, is_mail=True, timeout=0.5)

    assert found.failed_at is step
    assert detail in found.detail
