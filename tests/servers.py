"""Real servers on loopback for the tests of what alerter sends: HTTP, with and without TLS, pings, and SMTP."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import SystemRandom
from threading import Condition, Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

#: Below those that the system gives to whatever asks for any port, such as another test that runs at the same time.
_PORTS = range(20_000, 32_000)


def a_free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens, for a process that must be given one."""
    while True:
        port = SystemRandom().choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass(slots=True)
class HttpSink:
    """Keeps what was posted to it, and answers as it is told.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        status: What it answers.
        reply: The body of its answer.
        first: The statuses of the next answers, before `status` is what it answers.
        headers: More headers of its answers.
        replies: The bodies of its answers to some paths; these are always 200.
        posts: Path and body of each request, oldest first; a body that is not JSON as bytes.
        hold: While it is clear, requests are not answered.
    """

    port: int = 0
    status: int = 200
    reply: bytes = b"ok"
    replies: dict[str, bytes] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[tuple[str, Any]] = field(default_factory=list)
    hold: Event = field(default_factory=Event)


@contextmanager
def http_sink(tls: ssl.SSLContext | None = None) -> Iterator[HttpSink]:
    """Serve an HTTP sink, or an HTTPS one with a context."""
    sink = HttpSink()
    sink.hold.set()

    class Handler(_Quiet):
        """Answers every POST as the sink says."""

        def do_POST(self) -> None:
            """Keep a request and answer it."""
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            sink.posts.append((self.path, _json_or_bytes(body)))
            sink.hold.wait(10)
            if reply := sink.replies.get(self.path.partition("?")[0]):
                self.answer(200, {}, reply)
                return
            self.answer(sink.first.pop(0) if sink.first else sink.status, sink.headers, sink.reply)

        do_GET = do_POST  # noqa: N815 - http.server's name

    with _served(Handler, tls) as sink.port:
        try:
            yield sink
        finally:
            sink.hold.set()


def _json_or_bytes(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except ValueError:
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged:
    """One ping as it arrived: its body as text."""

    method: str
    path: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(slots=True)
class PingSink:
    """A dead man's switch that keeps the pings, and answers as it is told.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        status: What it answers.
        reply: The body of its answer.
        headers: More headers of its answers.
        pings: What arrived, oldest first.
        hold: While it is clear, pings are not answered.
    """

    port: int = 0
    status: int = 200
    reply: bytes = b"OK"
    headers: dict[str, str] = field(default_factory=dict)
    pings: list[Pinged] = field(default_factory=list)
    hold: Event = field(default_factory=Event)
    changed: Condition = field(default_factory=Condition)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, number: int, *, seconds: float = 20) -> list[Pinged]:
        """Return the pings once there are as many as that; fail if they do not come."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.pings) >= number, timeout=seconds)
            assert len(self.pings) >= number, self.pings
            return list(self.pings)


@contextmanager
def ping_sink(tls: ssl.SSLContext | None = None) -> Iterator[PingSink]:
    """Serve a dead man's switch."""
    sink = PingSink()
    sink.hold.set()

    class Handler(_Quiet):
        """Keeps every request."""

        def do_POST(self) -> None:
            """Keep a ping and answer it."""
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            with sink.changed:
                sink.pings.append(Pinged(method=self.command, path=self.path, body=body, headers=dict(self.headers)))
                sink.changed.notify_all()
            sink.hold.wait(30)
            self.answer(sink.status, sink.headers, sink.reply)

        do_GET = do_POST  # noqa: N815 - http.server's name

    with _served(Handler, tls) as sink.port:
        try:
            yield sink
        finally:
            sink.hold.set()


class _Quiet(BaseHTTPRequestHandler):
    """A handler that does not log."""

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer, if the client is still there."""
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent."""


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> Iterator[int]:
    """Serve on a port of 127.0.0.1, which is yielded."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(slots=True)
class SmtpSink:
    """Keeps the mails that it accepts, and refuses what it is told to.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        mail_reply: What it answers to a sender; empty to take any.
        rcpt_reply: What it answers to a recipient.
        rcpt_replies: What it answers to some of them instead.
        data_replies: What it answers to the next mails, before it takes all.
        mails: The accepted mails, oldest first.
        recipients: To whom each of them went.
    """

    port: int = 0
    mail_reply: str = ""
    rcpt_reply: str = "250 OK"
    rcpt_replies: dict[str, str] = field(default_factory=dict)
    data_replies: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: object, _session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept or refuse a sender."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.mail_reply or "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        reply = self.rcpt_replies.get(address, self.rcpt_reply)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the same
        """Keep a mail, or refuse it."""
        if self.data_replies:
            return self.data_replies.pop(0)
        self.recipients.append([*envelope.rcpt_tos])
        content = envelope.content
        self.mails.append(content if isinstance(content, bytes) else str(content).encode())
        return "250 OK"


@contextmanager
def smtp_sink(tls: ssl.SSLContext, *, user: str, password: str) -> Iterator[SmtpSink]:
    """Serve an SMTP sink that demands STARTTLS and then a login."""
    sink = SmtpSink()

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        # handled=False lets aiosmtpd answer a refusal itself; without it the client waits for one.
        return AuthResult(success=is_known, handled=False)

    def connection() -> SMTP:
        return SMTP(
            sink,
            hostname="localhost",
            loop=loop,
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
        )

    loop = asyncio.new_event_loop()
    # Not aiosmtpd's own Controller: it cannot listen on whatever port is free.
    server = loop.run_until_complete(loop.create_server(connection, "127.0.0.1", 0))
    sink.port = server.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_ended(loop))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """Let every connection of a loop come to its end."""
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
