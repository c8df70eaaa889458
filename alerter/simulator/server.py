"""A Mimecast that runs on loopback: the demo's account, and the tests' server.

It follows Mimecast's documents to the letter where they say something: it checks every header and signature of both
API versions, answers with both documented error shapes, plays a `Scenario`, and on request misbehaves in every way that
`alerter` has a cause for. It is stricter than Mimecast in two things: a body must be JSON (API 1.0 takes Python's
notation too, as Mimecast's own sample sends it), and a request id must not come twice.
Never a client: nothing here is shared with the adapter, so that one cannot hide the other's mistakes.
"""

import json
import socket
import struct
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from alerter.simulator.api import (
    BAD_SIGNATURE,
    DEMO_KEYS,
    INBOX_PATH,
    MAX_BODY_BYTES,
    OF_TOKENS,
    REPLY_BY_MISBEHAVIOUR,
    SUMMARY_PATH,
    TOKEN_LIFETIME,
    TOKEN_PATH,
    Misbehaviour,
    Refusal,
    Reply,
    RequestChecks,
    SimulatorKeys,
    client_id_in,
    json_reply,
    nested_error,
)
from alerter.simulator.scenario import Scenario


class Simulator:
    """A Mimecast on a loopback port, from entering the context until leaving it.

    Args:
        clock: The simulator's time, aware UTC: it checks dates, ages tokens and moves the scenario. How fast it
            runs is the caller's choice.
        scenario: What is held when; the built-in day unless given.
        started_at: The scenario's offset 0; midnight UTC of the clock's day unless given.
        keys: What is accepted: the keys of one account, or of several, of which each has the same day at another time.
        latency: How long every answer takes.
        host: A loopback address.
        port: 0 takes a free one.
        token_lifetime: How long a token is good, on the simulator's clock.
        on_message: Takes the title and the text of each message that is sent to `INBOX_PATH`; None for no inbox.

    Attributes:
        misbehaviour: What goes wrong from now on, or None; set at any time, see also `misbehave`.
        requests_by_path: How many requests came, also those that were refused.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        scenario: Scenario | None = None,
        started_at: datetime | None = None,
        keys: SimulatorKeys | Sequence[SimulatorKeys] = DEMO_KEYS,
        latency: timedelta = timedelta(0),
        host: str = "127.0.0.1",
        port: int = 0,
        token_lifetime: timedelta = TOKEN_LIFETIME,
        on_message: Callable[[str, str], None] | None = None,
    ) -> None:
        self._on_message = on_message
        self.clock = clock
        self.scenario = scenario or Scenario.builtin_day()
        self.started_at = started_at or clock().replace(hour=0, minute=0, second=0, microsecond=0)
        self.requests_by_path: Counter[str] = Counter()
        self.closing = threading.Event()
        self.latency = latency
        self._gate = RequestChecks(
            accounts=[keys] if isinstance(keys, SimulatorKeys) else keys, token_lifetime=token_lifetime
        )
        self._lock = threading.Lock()
        self._misbehaviour: Misbehaviour | None = None
        self._times_left: int | None = None
        self._going_wrong: frozenset[str] | None = None
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The address to configure as `base_url`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def misbehaviour(self) -> Misbehaviour | None:
        """What goes wrong at present."""
        return self._misbehaviour

    @misbehaviour.setter
    def misbehaviour(self, misbehaviour: Misbehaviour | None) -> None:
        with self._lock:
            self._misbehaviour, self._times_left, self._going_wrong = misbehaviour, None, None

    def misbehave(
        self, misbehaviour: Misbehaviour, *, times: int | None = None, accounts: Collection[str] | None = None
    ) -> None:
        """Go wrong for the next requests that it concerns, then be well again.

        Args:
            misbehaviour: What goes wrong.
            times: How often; None for ever.
            accounts: Whose requests, by client id or access key; None for everybody's.
        """
        with self._lock:
            self._misbehaviour, self._times_left = misbehaviour, times
            self._going_wrong = None if accounts is None else frozenset(accounts)

    def close(self) -> None:
        """Stop: let go every client that is kept waiting, and cut every connection."""
        self.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut_connections()
        self._server.server_close()

    def reply(self, path: str, headers: Message, body: bytes) -> "Reply | Misbehaviour":
        """Return the answer to a POST, or the misbehaviour that takes its place on the wire."""
        with self._lock:
            self.requests_by_path[path] += 1
            now = self.clock()
            try:
                if path == TOKEN_PATH:
                    return self._misbehaviour_for(path, client_id_in(body)) or self._gate.grant(headers, body, now=now)
                if path == SUMMARY_PATH:
                    account = self._gate.check(path, headers, body, now=now)
                    return self._misbehaviour_for(path, account) or self._summary(account, now)
                if path == INBOX_PATH and self._on_message is not None:
                    return self._take_message(body, self._on_message)
            except Refusal as refusal:
                return refusal.reply
        return nested_error(404, "err_not_found", f"0005 no such function: {path}")

    def _misbehaviour_for(self, path: str, account: str) -> "Misbehaviour | None":
        misbehaviour = self._misbehaviour
        if misbehaviour is None or (misbehaviour in OF_TOKENS) != (path == TOKEN_PATH):
            return None
        if self._going_wrong is not None and account not in self._going_wrong:
            return None
        if self._times_left is not None:
            self._times_left -= 1
            if self._times_left <= 0:
                self._misbehaviour = None
        return misbehaviour

    @staticmethod
    def _take_message(body: bytes, on_message: Callable[[str, str], None]) -> Reply:
        try:
            message = json.loads(body)
            on_message(str(message["title"]), str(message["message"]))
        except (ValueError, KeyError, TypeError):
            raise Refusal(json_reply(400, {"error": "expected a message of Apprise's json://"})) from None
        return json_reply(200, {})

    def _summary(self, account: str, now: datetime) -> Reply:
        counts = self.scenario.counts_at(now - self.started_at + self._gate.phase_of(account))
        rows = [{"policyInfo": reason, "numberOfItems": count} for reason, count in counts.items()]
        return json_reply(200, {"meta": {"status": 200}, "data": rows, "fail": []})


class _Server(ThreadingHTTPServer):
    """Serves, and knows its connections, so that leaving waits for nobody."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: object) -> None:
        """Note a new connection."""
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: "socket.socket | tuple[bytes, socket.socket]") -> None:
        """Forget a connection that ends."""
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the play."""

    def cut_connections(self) -> None:
        """End every wait for a client."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and sends what the simulator says, or plays its misbehaviour."""

    protocol_version = "HTTP/1.1"
    server_version = "MimecastSimulator"
    sys_version = ""
    disable_nagle_algorithm = True  # headers and body are two packets, and the second one would wait for the first
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Log nothing: the terminal is the demo's."""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the signature of http.server
        """Return the simulator's time for the `Date` header."""
        return format_datetime(self.server.simulator.clock().astimezone(UTC), usegmt=True)

    def do_POST(self) -> None:
        """Answer a call."""
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(min(int(length), MAX_BODY_BYTES)) if length.isascii() and length.isdigit() else b""
        simulator = self.server.simulator
        reply = simulator.reply(self.path, self.headers, body)
        if simulator.latency:
            simulator.closing.wait(simulator.latency.total_seconds())
        if isinstance(reply, Misbehaviour):
            self._misbehave(reply)
        else:
            self._send(reply)

    def do_GET(self) -> None:
        """Refuse: every function is a POST."""
        self._send(nested_error(405, "err_method_not_allowed", "Method not allowed"))

    do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that http.server asks for

    def _misbehave(self, misbehaviour: Misbehaviour) -> None:
        match misbehaviour:
            case Misbehaviour.TIMEOUT:
                self.server.simulator.closing.wait()
                self.close_connection = True
            case Misbehaviour.DRIP:
                self._trickle(b" ", pause_seconds=0.02)
            case Misbehaviour.EXPLODE:
                self._trickle(b" " * 65_536, pause_seconds=0)
            case Misbehaviour.RESET:
                # lingering for no time at all turns the close into a reset, where no shutdown comes before it
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            case _:
                self._send(self._misbehaved(misbehaviour))

    def _misbehaved(self, misbehaviour: Misbehaviour) -> Reply:
        if misbehaviour is Misbehaviour.CLOCK_SKEW:
            date = self.server.simulator.clock() - timedelta(minutes=17)
            headers = {"Date": format_datetime(date.astimezone(UTC), usegmt=True)}
            return Reply(status=BAD_SIGNATURE.status, body=BAD_SIGNATURE.body, headers=headers)
        return REPLY_BY_MISBEHAVIOUR[misbehaviour]

    def _trickle(self, piece: bytes, *, pause_seconds: float) -> None:
        """Send a body that never ends, until the client or the simulator does."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while not self.server.simulator.closing.wait(pause_seconds):
                self.wfile.write(piece)

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        headers = {
            "Date": self.date_time_string(),
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            "X-RateLimit-Limit": "800",
            "X-RateLimit-Remaining": "799",
            "X-RateLimit-Reset": "5000",
            "x-request-id": str(uuid.uuid4()),
            **reply.headers,
        }
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(reply.body)
