"""A small, strict Mimecast, written from Mimecast's documents alone: a second opinion that shares no code with alerter.

It serves both API versions on loopback, over plain HTTP or TLS, and notes in `complaints` every way in which a request
departs from the documents. Told so, it answers a good request with one of `MISBEHAVIOURS`. Where the documents are
silent (the window for `x-mc-date`, what a wrong role gets), the docstring beside it says so.
"""

import base64
import gzip
import hashlib
import hmac
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message  # noqa: TC003 - its name is part of the signatures below
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs
from uuid import uuid4

SUMMARY_PATH = "/api/gateway/get-hold-summary-list"
TOKEN_PATH = "/oauth/token"

CLIENT_ID = "a1b2c3-client-id"
CLIENT_SECRET = "s3cr3t/of+the=client"
APP_ID = "0c6a5b1e-app-id"
APP_KEY = "4b11-app-key-9d2f"
ACCESS_KEY = "mYtOaBcD-access-key"
SECRET_KEY = base64.b64encode(b"the secret key, as raw bytes \x00\xff").decode()

#: What the documents promise of a token.
TOKEN_LIFETIME = timedelta(seconds=1799)
#: The documents name no window for `x-mc-date`; fifteen minutes is what is usually said of it.
DATE_WINDOW = timedelta(minutes=15)

_DAY = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MC_DATE = re.compile(rf"({_DAY}), \d{{2}} ({_MONTH}) \d{{4}} \d{{2}}:\d{{2}}:\d{{2}} UTC")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

#: As recorded: the limit of a real account, and its reset in milliseconds.
_RATE_HEADERS = {"X-RateLimit-Limit": "800", "X-RateLimit-Remaining": "799", "X-RateLimit-Reset": "5000"}
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Guest Wi-Fi</h1></body></html>"

JSON = "application/json"
HTML = "text/html; charset=utf-8"


class Refused(Exception):
    """A request that the documents do not allow, with the answer that they describe for it."""

    def __init__(self, complaint: str, status: int, body: bytes) -> None:
        super().__init__(complaint)
        self.status = status
        self.body = body


def envelope(data: object = (), *, fail: object = (), status: int = 200, **meta: object) -> bytes:
    """Return the documented answer: `meta.status`, `data`, `fail`."""
    return json.dumps({"meta": {"status": status, **meta}, "data": data, "fail": fail}).encode()


def nested(code: str, message: str = "something is wrong", *, status: int = 200) -> bytes:
    """Return a failure in the shape of a function: a list of errors inside each item of `fail`."""
    errors = [{"code": code, "message": message, "retryable": False}]
    return envelope([], fail=[{"errors": errors}], status=status)


def flat(code: str, message: str = "something is wrong", *, status: int = 401) -> bytes:
    """Return a failure in the shape of the API 2.0 gateway: code and message directly in each item of `fail`."""
    return envelope([], fail=[{"code": code, "message": message}], status=status)


def rows(counts: Iterable[tuple[str, object]]) -> list[dict[str, object]]:
    """Return rows as documented."""
    return [{"policyInfo": name, "numberOfItems": count} for name, count in counts]


_INVALID_SIGNATURE = nested("err_xdk_invalid_signature", "0004 Invalid Signature", status=401)
_DEVELOPER_KEY = nested("err_developer_key", f"App ID is invalid: {APP_ID}")


@dataclass
class ByTheBook:
    """The account behind the server.

    Attributes:
        clock: The server's own time; it need not be the client's.
        held: What is held, in messages by hold reason.
        client_secret: Of API 2.0.
        base_url: Where it listens.
        complaints: What was wrong with the requests, oldest first.
        requests: The paths that were asked for, oldest first.
        tokens: The tokens that were given out, and when each ends.
        request_ids: The ids of API 1.0 requests; none may come twice.
        sent_signatures: What stood behind the colon of `Authorization: MC …`.
        stopping: Set when the server stops, so that no behaviour outlives it.
    """

    clock: Callable[[], datetime]
    held: list[dict[str, object]] = field(default_factory=list)
    client_secret: str = CLIENT_SECRET
    base_url: str = ""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: dict[str, datetime] = field(default_factory=dict)
    request_ids: set[str] = field(default_factory=set)
    sent_signatures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _misbehaviour: "Misbehaviour | None" = None
    _left: int = 0

    def misbehave(self, name: str) -> None:
        """Answer the coming good requests as the misbehaviour of that name says."""
        self._misbehaviour = MISBEHAVIOURS[name]
        self._left = self._misbehaviour.times

    def behave(self) -> None:
        """Answer every good request well again."""
        self._misbehaviour = None

    def play(self, path: str) -> "Behaviour | None":
        """Return the misbehaviour for a request to the path, and count it; None to behave."""
        if self._misbehaviour is None or path != self._misbehaviour.path or self._left == 0:
            return None
        self._left -= 1
        return self._misbehaviour.act

    def answer(self, method: str, path: str, headers: "Message[str, str]", body: bytes) -> bytes:
        """Return the body of a good answer.

        Raises:
            Refused: The request departs from the documents.
        """
        self.requests.append(path)
        if path not in {TOKEN_PATH, SUMMARY_PATH}:
            raise Refused(f"unknown path {path}", 404, envelope(status=404))
        if method != "POST":
            raise Refused(f"method {method}", 405, envelope(status=405))
        if path == TOKEN_PATH:
            return self._token(headers, body)
        self._authorize(headers)
        _check_summary_request(headers, body)
        return envelope(self.held)

    def _token(self, headers: "Message[str, str]", body: bytes) -> bytes:
        if headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Refused("the token request is not form-encoded", 400, b'{"error": "invalid_request"}')
        form = parse_qs(body.decode("ascii"), strict_parsing=True)
        if form.get("grant_type") != ["client_credentials"]:
            raise Refused("wrong grant_type", 400, b'{"error": "unsupported_grant_type"}')
        if set(form) != {"client_id", "client_secret", "grant_type"}:
            raise Refused(f"undocumented fields: {sorted(form)}", 400, b'{"error": "invalid_request"}')
        if (form["client_id"], form["client_secret"]) != ([CLIENT_ID], [self.client_secret]):
            raise Refused("wrong client", 401, b'{"error": "invalid_client"}')
        token = base64.urlsafe_b64encode(uuid4().bytes).decode()
        self.tokens[token] = self.clock() + TOKEN_LIFETIME
        seconds = int(TOKEN_LIFETIME.total_seconds())
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": ""}
        return json.dumps(granted).encode()

    def _authorize(self, headers: "Message[str, str]") -> None:
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        match scheme:
            case "Bearer":
                self._check_token(credentials)
            case "MC":
                self._check_signature(credentials, headers)
            case _:
                raise Refused(f"authorization scheme {scheme!r}", 401, flat("Unauthorized Request"))

    def _check_token(self, token: str) -> None:
        if token not in self.tokens:
            raise Refused("a token that was never given", 401, flat("token_verification_failed"))
        if self.tokens[token] <= self.clock():
            raise Refused("a token that has ended", 401, flat("token_expired", "Token is expired"))

    def _check_signature(self, credentials: str, headers: "Message[str, str]") -> None:
        date, request_id = headers.get("x-mc-date", ""), headers.get("x-mc-req-id", "")
        if headers.get("x-mc-app-id") != APP_ID:
            raise Refused("wrong x-mc-app-id", 200, _DEVELOPER_KEY)
        if not _MC_DATE.fullmatch(date):
            raise Refused(f"x-mc-date {date!r}", 401, _INVALID_SIGNATURE)
        if not _GUID.fullmatch(request_id) or request_id in self.request_ids:
            raise Refused(f"x-mc-req-id {request_id!r} is no fresh GUID", 401, _INVALID_SIGNATURE)
        self.request_ids.add(request_id)
        access_key, _, sent = credentials.partition(":")
        self.sent_signatures.append(sent)
        to_sign = f"{date}:{request_id}:{SUMMARY_PATH}:{APP_KEY}".encode()
        signature = base64.b64encode(hmac.new(base64.b64decode(SECRET_KEY), to_sign, hashlib.sha1).digest()).decode()
        if (access_key, sent) != (ACCESS_KEY, signature):
            raise Refused("wrong signature", 401, _INVALID_SIGNATURE)
        stated = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S UTC").replace(tzinfo=UTC)
        if abs(stated - self.clock()) > DATE_WINDOW:
            raise Refused(f"x-mc-date {date!r} is too far from {self.clock()}", 401, _INVALID_SIGNATURE)


def _check_summary_request(headers: "Message[str, str]", body: bytes) -> None:
    if headers.get_content_type() != JSON:
        raise Refused("content type", 400, b"")
    if not {JSON, "*/*"} & {each.strip() for each in headers.get("Accept", "*/*").split(",")}:
        raise Refused("accept", 400, b"")
    try:
        request = json.loads(body)
    except ValueError:
        raise Refused("the body is not JSON", 400, b"") from None
    if request != {"data": []}:
        raise Refused(f"the body is {body!r}", 400, nested("err_validation_null", status=400))


class Exchange(BaseHTTPRequestHandler):
    """One connection: reads a request whole, then answers it as the account says, or misbehaves."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    request_headers: "Message[str, str]"
    request_body = b""
    has_left = False

    @property
    def book(self) -> ByTheBook:
        """The account."""
        return cast("_Server", self.server).book

    def do_GET(self) -> None:
        """Refuse, or misbehave."""
        self._exchange()

    def do_POST(self) -> None:
        """Answer, or misbehave."""
        self._exchange()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Keep quiet: pytest's output is for failures."""

    def _exchange(self) -> None:
        self.request_headers = self.headers
        self.request_body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            body = self.book.answer(self.command, self.path, self.headers, self.request_body)
        except Refused as refused:
            self.book.complaints.append(str(refused))
            self.reply(refused.status, refused.body)
            return
        act = self.book.play(self.path)
        if act is None:
            self.reply(200, body)
        else:
            act(self)

    def reply(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
    ) -> None:
        """Answer whole, with the headers that Mimecast sends, `headers` over them, and those `without` left out."""
        self.head(status, {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}, without)
        self.write(body)

    def head(self, status: int, headers: Mapping[str, str], without: Iterable[str] = ()) -> None:
        """Send the status line and the headers."""
        date = format_datetime(self.book.clock(), usegmt=True)
        every = {"Date": date, "x-request-id": str(uuid4()), **_RATE_HEADERS, **headers}
        lines = [f"{name}: {value}" for name, value in every.items() if name not in set(without)]
        self.write("\r\n".join([f"HTTP/1.1 {status} {_phrase(status)}", *lines, "", ""]).encode("latin-1", "replace"))

    def write(self, data: bytes) -> None:
        """Send bytes as they are; a client that has gone is no error of the server."""
        try:
            self.wfile.write(data)
        except OSError:
            self.has_left = self.close_connection = True

    def drip(self, data: bytes) -> None:
        """Send a byte at a time, faster than any read timeout, slower than any deadline."""
        for each in data:
            if self.book.stopping.wait(0.02) or self.has_left:
                break
            self.write(bytes([each]))
        self.close_connection = True

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _phrase(status: int) -> str:
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Unknown"


class _Server(ThreadingHTTPServer):
    """Listens on loopback, and shakes hands inside each connection's own thread."""

    daemon_threads = True

    def __init__(self, book: ByTheBook, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.book = book
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        """Close without a farewell, so that a reset stays one."""
        cast("socket.socket", request).close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that hang up, or refuse the certificate."""


@contextmanager
def serving(book: ByTheBook, *, tls: ssl.SSLContext | None = None) -> Iterator[ByTheBook]:
    """Serve the account on a free port of loopback while the block runs."""
    server = _Server(book, tls)
    book.base_url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield book
    finally:
        book.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


# What can go wrong. Each act gets a request that was good, its body read.

Behaviour = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What is done instead of a good answer, to requests for which path, and how often (-1: always)."""

    act: Behaviour
    path: str = SUMMARY_PATH
    times: int = -1


def says(
    status: int,
    body: bytes = b"",
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
) -> Behaviour:
    """Return the behaviour that answers this."""
    return lambda exchange: exchange.reply(status, body, content_type=content_type, headers=headers, without=without)


def holds(*items: object) -> Behaviour:
    """Return the behaviour that answers well but for these rows."""
    return says(200, envelope(items))


def counts(number: str) -> Behaviour:
    """Return the behaviour that writes the count of its only row exactly like this."""
    return says(200, envelope([{"policyInfo": "Spam", "numberOfItems": "@"}]).replace(b'"@"', number.encode()))


def names(name: str) -> Behaviour:
    """Return the behaviour that gives its only row this name."""
    return holds({"policyInfo": name, "numberOfItems": 7})


def grants(**token: object) -> Behaviour:
    """Return the behaviour that answers a token request with these fields."""
    return says(200, json.dumps(token).encode())


def _throttles(reset: Callable[[datetime], str]) -> Behaviour:
    def act(exchange: Exchange) -> None:
        exchange.reply(429, envelope([], status=429), headers={"X-RateLimit-Reset": reset(exchange.book.clock())})

    return act


def _redirects_to_itself(exchange: Exchange) -> None:
    exchange.reply(307, b"", headers={"Location": f"{exchange.book.base_url}{SUMMARY_PATH}"})


def _resets(exchange: Exchange) -> None:
    exchange.reset()


def _resets_within_the_body(exchange: Exchange) -> None:
    exchange.head(200, {"Content-Type": JSON, "Content-Length": "4000"})
    exchange.write(envelope(rows([("Spam", 7)])))
    exchange.reset()


def _ends_early(exchange: Exchange) -> None:
    """Send a whole good JSON document, but announce more: what came may not be all."""
    body = envelope()
    exchange.head(200, {"Content-Type": JSON, "Content-Length": str(len(body) + 1000)})
    exchange.write(body)
    exchange.close_connection = True


def _drips_the_body(exchange: Exchange) -> None:
    exchange.head(200, {"Content-Type": JSON, "Content-Length": "100000"})
    exchange.drip(b" " * 100_000)


def _drips_headers(exchange: Exchange) -> None:
    exchange.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: yes\r\n" * 10_000)


def _hangs(exchange: Exchange) -> None:
    exchange.book.stopping.wait(10)
    exchange.close_connection = True


def _never_ends(exchange: Exchange) -> None:
    exchange.head(200, {"Content-Type": JSON, "Transfer-Encoding": "chunked"})
    chunk = b" " * 65_536
    while not exchange.has_left and not exchange.book.stopping.is_set():
        exchange.write(b"10000\r\n" + chunk + b"\r\n")


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 64 * 1024 * 1024, compresslevel=1)


def _explodes(exchange: Exchange) -> None:
    exchange.reply(200, _bomb(), headers={"Content-Encoding": "gzip"})


def _speaks_no_http(exchange: Exchange) -> None:
    exchange.write(b"220 mail.example.net ESMTP Postfix\r\n" * 3)
    exchange.close_connection = True


def _echoes(exchange: Exchange) -> None:
    """Refuse, and quote everything that was sent: headers, body, and the form's fields decoded."""
    fields = parse_qs(exchange.request_body.decode())
    is_routed = " ".join([*map(str, exchange.request_headers.values()), exchange.request_body.decode(), str(fields)])
    exchange.reply(401, flat(f"refused {is_routed}", f"cannot accept {is_routed}"), headers={"x-request-id": is_routed})


def _echoes_in_html(exchange: Exchange) -> None:
    is_routed = " ".join([*map(str, exchange.request_headers.values()), exchange.request_body.decode()])
    exchange.reply(502, f"<html><pre>{is_routed}</pre></html>".encode(), content_type=HTML)


_GOOD_ROWS = rows([("Default Spam Scanning Definition", 1473), ("Strict Impersonation Protection Definition", 8)])

#: Every way to misbehave that goes over plain HTTP, by a sentence of what the client meets.
MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    # HTTP statuses
    "400 with an empty body": Misbehaviour(says(400)),
    "401 flat token_expired": Misbehaviour(says(401, flat("token_expired", "Token is expired"))),
    "401 flat Unauthorized Request": Misbehaviour(says(401, flat("Unauthorized Request"))),
    "401 flat once": Misbehaviour(says(401, flat("token_verification_failed")), times=1),
    "401 with an empty body": Misbehaviour(says(401)),
    "401 nested invalid signature": Misbehaviour(says(401, _INVALID_SIGNATURE)),
    "403 app_forbidden": Misbehaviour(
        says(
            403,
            flat("app_forbidden", "method does not exist in any product assigned to the application", status=403),
        )
    ),
    # The documents do not show what a missing role right gets on API 2.0; any other 403 is read as that.
    "403 for the role": Misbehaviour(says(403, flat("forbidden", "insufficient permissions", status=403))),
    "403 nested forbidden for address": Misbehaviour(
        says(403, nested("err_xdk_operation_forbidden_for_address", "0003 Operation forbidden", status=403))
    ),
    "404 in HTML": Misbehaviour(says(404, _PAGE, content_type=HTML)),
    "404 in JSON": Misbehaviour(says(404, envelope([], status=404))),
    "405": Misbehaviour(says(405, envelope([], status=405))),
    "409": Misbehaviour(says(409, envelope([], status=409))),
    "418 binding expired": Misbehaviour(says(418, nested("err_xdk_binding_expired", "AccessKey Has Expired"))),
    "429 with reset in milliseconds": Misbehaviour(_throttles(lambda _: "90000")),
    "429 with reset in epoch seconds": Misbehaviour(_throttles(lambda now: str(int(now.timestamp()) + 90))),
    "429 with reset in epoch milliseconds": Misbehaviour(
        _throttles(lambda now: str((int(now.timestamp()) + 90) * 1000))
    ),
    "429 with reset in words": Misbehaviour(_throttles(lambda _: "in a while")),
    "429 with an absurd reset": Misbehaviour(_throttles(lambda _: "9" * 400)),
    "429 without a reset": Misbehaviour(says(429, envelope([], status=429), without=["X-RateLimit-Reset"])),
    "429 with Retry-After": Misbehaviour(
        says(429, envelope([], status=429), headers={"Retry-After": "90"}, without=["X-RateLimit-Reset"])
    ),
    "429 with detail only": Misbehaviour(
        says(429, b'{"detail": "Over throttling limit (10000/hour)"}', without=_RATE_HEADERS)
    ),
    "500": Misbehaviour(says(500, envelope([], status=500))),
    "500 once": Misbehaviour(says(500, envelope([], status=500)), times=1),
    "502 in HTML": Misbehaviour(says(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type=HTML)),
    "503": Misbehaviour(says(503, b"")),
    "204 without a body": Misbehaviour(says(204)),
    # 200, and yet a failure
    "200 with err_developer_key once": Misbehaviour(says(200, _DEVELOPER_KEY), times=1),
    "200 with err_developer_key always": Misbehaviour(says(200, _DEVELOPER_KEY)),
    "200 with another failure": Misbehaviour(says(200, nested("err_folder_group_not_found", "no such group"))),
    "200 with rows and a failure": Misbehaviour(
        says(200, envelope(_GOOD_ROWS, fail=[{"errors": [{"code": "err_partial", "message": "timed out"}]}]))
    ),
    "200 with a failure of unknown shape": Misbehaviour(says(200, envelope([], fail=["no"]))),
    "200 with meta.status 403": Misbehaviour(says(200, envelope([], status=403))),
    "200 with meta.status 500": Misbehaviour(says(200, envelope([], status=500))),
    "200 without meta": Misbehaviour(says(200, b'{"data": [], "fail": []}')),
    "200 without fail": Misbehaviour(says(200, b'{"meta": {"status": 200}, "data": []}')),
    "200 with detail only": Misbehaviour(says(200, b'{"detail": "try again"}')),
    # bodies
    "an empty body": Misbehaviour(says(200)),
    "the page of a captive portal": Misbehaviour(says(200, _PAGE, content_type=HTML)),
    "JSON cut short": Misbehaviour(says(200, envelope(_GOOD_ROWS)[:-20])),
    "JSON nested too deeply": Misbehaviour(says(200, b"[" * 200_000)),
    "invalid UTF-8": Misbehaviour(says(200, envelope(_GOOD_ROWS).replace(b"Strict", b"\xff\xfe"))),
    "a JSON list": Misbehaviour(says(200, b"[]")),
    "JSON null": Misbehaviour(says(200, b"null")),
    "data missing": Misbehaviour(says(200, b'{"meta": {"status": 200}, "fail": []}')),
    "data null": Misbehaviour(says(200, envelope(None))),
    "data an object": Misbehaviour(says(200, envelope({"policyInfo": "Spam", "numberOfItems": 7}))),
    # rows
    "a row that is no object": Misbehaviour(holds("Spam")),
    "policyInfo missing": Misbehaviour(holds({"numberOfItems": 7})),
    "policyInfo null": Misbehaviour(holds({"policyInfo": None, "numberOfItems": 7})),
    "policyInfo a number": Misbehaviour(holds({"policyInfo": 4, "numberOfItems": 7})),
    "numberOfItems missing": Misbehaviour(holds({"policyInfo": "Spam"})),
    "numberOfItems null": Misbehaviour(counts("null")),
    "numberOfItems true": Misbehaviour(counts("true")),
    "numberOfItems 1.5": Misbehaviour(counts("1.5")),
    "numberOfItems 7.0": Misbehaviour(counts("7.0")),
    "numberOfItems NaN": Misbehaviour(counts("NaN")),
    "numberOfItems -1": Misbehaviour(counts("-1")),
    "numberOfItems '-1'": Misbehaviour(counts('"-1"')),
    "numberOfItems '12abc'": Misbehaviour(counts('"12abc"')),
    "numberOfItems ''": Misbehaviour(counts('""')),
    "numberOfItems '1_000'": Misbehaviour(counts('"1_000"')),
    "numberOfItems '²'": Misbehaviour(counts('"\\u00b2"')),
    "numberOfItems 2^53+1": Misbehaviour(counts(str(2**53 + 1))),
    "numberOfItems of 400 digits": Misbehaviour(counts("9" * 400)),
    "numberOfItems of 5000 digits": Misbehaviour(counts("9" * 5000)),
    "numberOfItems '999…' of 5000 digits": Misbehaviour(counts('"' + "9" * 5000 + '"')),
    "the sum of a name's rows beyond 2^53": Misbehaviour(holds(*rows([("Spam", 2**52 + 1), ("Spam", 2**52)]))),
    "a name with NUL": Misbehaviour(names("Spam\0Scan")),
    "a name with a lone surrogate": Misbehaviour(names("Spam \ud83d")),
    "a name of 5000 characters": Misbehaviour(names("x" * 5000)),
    "one bad row among good ones": Misbehaviour(holds(*_GOOD_ROWS, {"policyInfo": "Spam", "numberOfItems": None})),
    "a further page": Misbehaviour(says(200, envelope(_GOOD_ROWS, pagination={"pageSize": 2, "next": "eNo1jk"}))),
    # transport
    "a redirect to another host": Misbehaviour(
        says(302, b"", headers={"Location": "https://login.portal.invalid/oauth"})
    ),
    "a redirect to itself": Misbehaviour(_redirects_to_itself),
    "a reset before the answer": Misbehaviour(_resets),
    "a reset within the body": Misbehaviour(_resets_within_the_body),
    "a body shorter than announced": Misbehaviour(_ends_early),
    "a dripping body": Misbehaviour(_drips_the_body),
    "dripping headers": Misbehaviour(_drips_headers),
    "no answer": Misbehaviour(_hangs),
    "a body without end": Misbehaviour(_never_ends),
    "a gzip bomb": Misbehaviour(_explodes),
    "gzip that is none": Misbehaviour(says(200, envelope(), headers={"Content-Encoding": "gzip"})),
    "no HTTP at all": Misbehaviour(_speaks_no_http),
    # the token of API 2.0
    "token: 401 invalid_client": Misbehaviour(says(401, b'{"error": "invalid_client"}'), TOKEN_PATH),
    "token: 400 invalid_client": Misbehaviour(says(400, b'{"error": "invalid_client"}'), TOKEN_PATH),
    "token: 401 flat": Misbehaviour(says(401, flat("InvalidClientIdentifier", "Client is invalid")), TOKEN_PATH),
    "token: 404": Misbehaviour(says(404, b""), TOKEN_PATH),
    "token: 429": Misbehaviour(says(429, envelope([], status=429), headers={"X-RateLimit-Reset": "90000"}), TOKEN_PATH),
    "token: 503": Misbehaviour(says(503, b""), TOKEN_PATH),
    "token: the page of a captive portal": Misbehaviour(says(200, _PAGE, content_type=HTML), TOKEN_PATH),
    "token: a redirect": Misbehaviour(says(302, b"", headers={"Location": "https://portal.invalid/"}), TOKEN_PATH),
    "token: no access_token": Misbehaviour(grants(token_type="Bearer", expires_in=1799), TOKEN_PATH),
    "token: access_token null": Misbehaviour(grants(access_token=None, expires_in=1799), TOKEN_PATH),
    "token: access_token with a line break": Misbehaviour(
        grants(access_token="abc\r\nX-Evil: 1", token_type="Bearer", expires_in=1799), TOKEN_PATH
    ),
    "token: access_token outside ASCII": Misbehaviour(
        grants(access_token="jetón\u2028", token_type="Bearer", expires_in=1799), TOKEN_PATH
    ),
    "token: expires_in in words": Misbehaviour(grants(access_token="abc", expires_in="soon"), TOKEN_PATH),
    "token: expires_in beyond any time": Misbehaviour(
        says(200, b'{"access_token": "abc", "token_type": "Bearer", "expires_in": 1e999}'), TOKEN_PATH
    ),
    "token: expires_in of 400 digits": Misbehaviour(
        says(200, b'{"access_token": "abc", "expires_in": ' + b"9" * 400 + b"}"), TOKEN_PATH
    ),
    "token: expires_in negative": Misbehaviour(grants(access_token="abc", expires_in=-1), TOKEN_PATH),
    "token: a JSON list": Misbehaviour(says(200, b"[]"), TOKEN_PATH),
    "token: no answer": Misbehaviour(_hangs, TOKEN_PATH),
    # indiscretion
    "an echo of what was sent": Misbehaviour(_echoes),
    "an echo of what was sent, in HTML": Misbehaviour(_echoes_in_html),
    "token: an echo of what was sent": Misbehaviour(_echoes, TOKEN_PATH),
    "token: an echo of what was sent, in HTML": Misbehaviour(_echoes_in_html, TOKEN_PATH),
}
