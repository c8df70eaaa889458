"""A world to break: a real database, the real way out, targets that fail in every way, and a clock by hand."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from alerter.core.alerting_config import AlertingConfig
from alerter.core.outbox import Delivery, TargetName
from alerter.core.series import Tenant
from alerter.errors import SourceError
from alerter.jobs.deliver import deliver
from alerter.jobs.poll import PollCycle, poll
from alerter.notifiers.apprise import AppriseNotifier
from alerter.storage import Store
from tests.builders import a_policy, a_rule
from tests.fakes import FakeClock, FakeSource
from tests.storage.stored import next_delivery_at

QUIET: Mapping[str, int] = {"Spam": 5}
BREACH: Mapping[str, int] = {"Spam": 150}
RELEASE: Mapping[str, int] = {}


@dataclass
class World:
    """A database, a clock, what the configuration decides, and where the targets are.

    Attributes:
        store: The database.
        alerting: The rules, and who is told.
        urls: Where each target is.
        clock: Moved by hand.
        notifier: The real one, with little patience.
    """

    store: Store
    alerting: AlertingConfig = field(default_factory=lambda: a_policy(a_rule()))
    urls: Mapping[TargetName, str] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    notifier: AppriseNotifier = field(
        default_factory=lambda: AppriseNotifier(connect_timeout=1, read_timeout=1.5, delivery_timeout=5)
    )

    def poll(self, *answers: Mapping[str, int] | SourceError, every: str = "5m") -> PollCycle:
        """Poll once for each answer, an interval after the poll before, and return the last cycle."""
        return [self._poll(answer, every) for answer in answers][-1]

    def _poll(self, answer: Mapping[str, int] | SourceError, every: str) -> PollCycle:
        self.clock.forward(every)
        source = FakeSource(self.clock)
        source.answers.append(answer)
        return poll(Tenant("acme"), source, self.store, self.alerting, clock=self.clock)

    def deliver(self, **options: Any) -> list[Delivery]:  # noqa: ANN401 - those of pipeline.deliver
        """Send what is due."""
        return deliver(self.store, self.notifier, self.urls, clock=self.clock, **options)

    def wait_for_retry(self) -> datetime:
        """Move the clock to when the next delivery is due, and return that."""
        due = next_delivery_at(self.store)
        assert due is not None
        self.clock.now = max(self.clock.now, due)
        return due


@dataclass
class Target:
    """A place where messages go, which answers as it is told.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        answer: What it does with a request, see `Request`.
        bodies: What it took, oldest first.
    """

    port: int = 0
    answer: Callable[["Request"], None] = lambda request: request.take(b"ok")
    bodies: list[dict[str, Any]] = field(default_factory=list)
    is_closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The Apprise URL of it."""
        return f"json://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        """What it took, as text, oldest first."""
        return [str(body) for body in self.bodies]


class Request(BaseHTTPRequestHandler):
    """One message on its way to a target."""

    target: Target

    def do_POST(self) -> None:
        """Read a message whole, then do with it what the target does."""
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.target.answer(self)

    def take(self, reply: bytes) -> None:
        """Take the message, and say so."""
        self.target.bodies.append(self.body)
        self.say(200, reply)

    def say(self, status: int, reply: bytes = b"") -> None:
        """Answer, and forget the message."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def cut(self) -> None:
        """Reset the connection without an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def hang(self) -> None:
        """Say nothing for longer than anybody waits."""
        self.target.is_closing.wait(3)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    """Listens on loopback; what clients do to their connections is their affair."""

    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; hands are shaken in its own thread."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that hang up, or refuse the certificate."""


@contextmanager
def a_target(*, tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    """Serve a target on a free port of loopback."""
    target = Target()
    server = _Server(("127.0.0.1", 0), type("Handler", (Request,), {"target": target}))
    server.tls = tls
    target.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        target.is_closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
