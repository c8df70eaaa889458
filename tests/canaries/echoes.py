"""Servers that repeat whatever they were sent: the worst that a log can meet."""

import json
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from types import MappingProxyType
from urllib.parse import parse_qsl, quote

import trustme

from tests.canaries.secrets import TOKEN, Ports

#: The services outside that the proxy plays.
HOSTS = (
    "hooks.slack.com",
    "prod-1.westeurope.logic.azure.com",
    "events.pagerduty.com",
    "api.opsgenie.com",
    "api.telegram.org",
)


def _as_errors(text: str) -> bytes:
    return json.dumps({"fail": [{"errors": [{"code": text, "message": text, "retryable": True}]}]}).encode()


#: The ways in which a server may repeat what it was sent.
ECHOES: Mapping[str, Callable[[str], bytes]] = MappingProxyType(
    {
        "as it is": str.encode,
        "in Mimecast's errors": _as_errors,
        "as an error of OAuth": lambda text: json.dumps({"error": text, "error_description": quote(text)}).encode(),
        "in small letters": lambda text: json.dumps({"detail": text.lower()}).encode(),
        "quoted": lambda text: quote(text, safe="").encode(),
        "quoted, with small letters": lambda text: quote(text, safe="").lower().encode(),
        "in base64": lambda text: b64encode(text.encode()),
        "as a page": lambda text: f"<html><title>{text}</title></html>".encode(),
    }
)


@dataclass(slots=True)
class Echo:
    """How the servers answer, and what they were sent.

    Attributes:
        write: Makes an answer out of what was sent; None for servers that take everything.
        status: Of the answers.
        is_granting: Whether Mimecast hands out a token first.
        is_proxy_shut: Whether the proxy lets nothing through.
        bodies: What stood below the headers of requests to targets, and the mails.
    """

    write: Callable[[str], bytes] | None = None
    status: int = 403
    is_granting: bool = True
    is_proxy_shut: bool = False
    bodies: list[bytes] = field(default_factory=list)


class _Web(BaseHTTPRequestHandler):
    """Answers every request with itself."""

    echo: Echo

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._note(body)
        if self.echo.write is None:
            self._answer(200, b"ok")
            return
        form = " ".join(f"{name}={value}" for name, value in parse_qsl(body.decode("latin-1")))
        sent = f"{self.requestline} {self.headers} {body.decode('latin-1')} {form}"
        self._answer(self.echo.status, self.echo.write(sent), quote(self.headers.get("Authorization", "")))

    do_GET = do_POST  # noqa: N815 - http.server's name

    def _note(self, body: bytes) -> None:
        self.echo.bodies.append(body)

    def _answer(self, status: int, body: bytes, credentials: str = "") -> None:
        self.send_response(status, credentials)
        for name in ("x-request-id", "x-mc-req-id", "WWW-Authenticate", "Server"):
            self.send_header(name, credentials)
        self.send_header("Location", f"https://127.0.0.1/{credentials}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent."""


class _Mimecast(_Web):
    """The same, but that it may hand out a token first."""

    def do_POST(self) -> None:
        """Answer."""
        if self.path == "/oauth/token" and self.echo.is_granting:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, json.dumps({"access_token": TOKEN.text, "expires_in": 1799}).encode())
        else:
            super().do_POST()

    def _note(self, body: bytes) -> None:
        """Keep nothing: the keys are meant for it."""


class _Proxy(StreamRequestHandler):
    """Leads every connection to one place, with a certificate for all hosts that it is asked for."""

    echo: Echo
    tls: ssl.SSLContext
    web: type[BaseRequestHandler]

    def handle(self) -> None:
        """Play the host that is asked for."""
        lines = [*iter(lambda: self.rfile.readline().decode("latin-1").strip(), "")]
        if self.echo.is_proxy_shut:
            sent = quote(" ".join(lines))
            self.wfile.write(f"HTTP/1.1 407 {sent}\r\nProxy-Authenticate: Basic realm={sent}\r\n\r\n".encode())
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            with self.tls.wrap_socket(self.connection, server_side=True) as secured:
                self.web(secured, self.client_address, self.server)
        except OSError:
            pass  # It went away in the middle.


class _Mail(StreamRequestHandler):
    """A mail server that refuses every login, and repeats it; or takes everything."""

    echo: Echo

    def handle(self) -> None:
        """Talk SMTP, as far as it goes."""
        self._say("220 ready")
        for line in self.rfile:
            verb, _, rest = line.decode("latin-1").strip().partition(" ")
            if verb.upper() == "EHLO":
                self._say("250-here\r\n250 AUTH PLAIN LOGIN")
            elif verb.upper() == "AUTH":
                self._log_in(rest.partition(" ")[2])
            elif verb.upper() == "DATA":
                self._say("354 go on")
                self.echo.bodies.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self._say("250 taken")
            else:
                self._say("250 as you like" if verb.upper() != "QUIT" else "221 bye")

    def _log_in(self, given: str) -> None:
        if self.echo.write is None:
            self._say("235 welcome")
            return
        said = b64decode(given + "===").decode("latin-1").replace("\0", " ")
        again = self.echo.write(f"{given} {said}").decode("latin-1")
        self._say(f"535 5.7.8 no {' '.join(f'{given} {said} {again}'.split())}")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("latin-1", "replace"))


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, _request: object, _address: object) -> None:
        """Stay silent: who is met with suspicion breaks off."""


class _SecureServer(_Server):
    """The same, with TLS."""

    tls: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; it shakes hands when it is first read from, in a thread of its own."""
        connection, address = super().get_request()
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


@contextmanager
def echoing(echo: Echo, authority: trustme.CA, stranger: trustme.CA) -> Iterator[Ports]:
    """Serve all of it on loopback.

    Args:
        echo: How it answers.
        authority: Signs the certificates of the services outside.
        stranger: Signs that of the hook with TLS.
    """
    outside, unknown = (_context(authority, *HOSTS), _context(stranger, "localhost"))
    web = type("Web", (_Web,), {"echo": echo})
    with ExitStack() as stack:
        yield Ports(
            mimecast=stack.enter_context(_serving(_Server, type("Mimecast", (_Mimecast,), {"echo": echo}))),
            hook=stack.enter_context(_serving(_Server, web)),
            tls_hook=stack.enter_context(_serving(type("Secure", (_SecureServer,), {"tls": unknown}), web)),
            smtp=stack.enter_context(_serving(_Server, type("Mail", (_Mail,), {"echo": echo}))),
            proxy=stack.enter_context(
                _serving(_Server, type("Proxy", (_Proxy,), {"echo": echo, "tls": outside, "web": web}))
            ),
        )


def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def _serving(kind: type[_Server], handler: type[BaseRequestHandler]) -> Iterator[int]:
    with kind(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
