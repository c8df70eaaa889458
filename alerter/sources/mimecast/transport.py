"""One request over HTTP, with a deadline that nothing beats.

The timeouts of `requests` count from byte to byte, so that a server that drips keeps a caller for hours; names that do
not resolve, TLS handshakes that stall and headers that never end have no deadline at all. So each exchange runs in the
thread of a line that is its own for so long; when the time is up, or the service stops, the line is cut and its thread
is left to end. Exceptions of the HTTP libraries end here.
"""

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import NewConnectionError, ProtocolError, ProxyError, SSLError

from alerter.errors import Cause
from alerter.sources.mimecast.exceptions import classify_exception
from alerter.sources.mimecast.lines import Line, Lines
from alerter.sources.mimecast.request_error import HttpResponse, RequestError, RetryAction

#: How often a waiting caller looks whether it should stop, in seconds: most answers are there before it looks at all.
_SLICE = 0.25
#: How long a cut exchange may take to clean up before it is left alone, in seconds.
_GRACE = 0.5
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST. Its headers and body hold secrets."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one exchange may take: `total_seconds` from start to end, to connect, and bytes of the decoded body."""

    total_seconds: float
    connect_seconds: float
    body_bytes: int


def send(request: Request, bounds: RequestLimits, *, lines: Lines, stop: threading.Event) -> HttpResponse:
    """Return the complete answer to a request. Redirects are answers; they are never followed.

    Args:
        request: What is sent.
        bounds: What it may take.
        lines: Where there may be a connection that can be used once more, and where it is left for the next request.
        stop: Ends it at once.

    Raises:
        RequestError: There was no complete answer in time, or `stop` was set first.
    """
    if stop.is_set():
        raise _stopped()
    if bounds.total_seconds <= 0:
        raise RequestError(Cause.TIMEOUT, "no time was left for a request")
    exchange = _Exchange(request, bounds, lines)
    exchange.begin()
    # Counted in slices, not read from a clock: the wait ends also where a clock stands still.
    left = bounds.total_seconds
    while not exchange.is_over(within=min(_SLICE, max(left, 0.0))):
        left -= _SLICE
        if stop.is_set():
            exchange.cut()
            raise _stopped()
        if left <= 0:
            exchange.cut()
            raise RequestError(
                Cause.TIMEOUT, f"no complete answer within {bounds.total_seconds:.3g} s", remedy=RetryAction.RETRY
            )
    return exchange.answer()


def _stopped() -> RequestError:
    return RequestError(Cause.TIMEOUT, "stopped before Mimecast answered")


class _Exchange:
    """One request and its answer, on a line and in its thread, which may be left behind."""

    def __init__(self, request: Request, bounds: RequestLimits, lines: Lines) -> None:
        self._request = request
        self._bounds = bounds
        self._lines = lines
        self._origin = "/".join(request.url.split("/", 3)[:3])
        self._line = lines.take(self._origin)
        self._lock = threading.Lock()
        self._is_given_up = self._has_left = False
        self._over = threading.Event()
        self._outcome: HttpResponse | RequestError = RequestError(Cause.UNREACHABLE, "the exchange did not run")

    def begin(self) -> None:
        """Let the line's thread do it.

        Raises:
            RequestError: It cannot be started.
        """
        try:
            self._line.run(self._run)
        except RuntimeError:
            self._line.close()
            raise RequestError(Cause.UNREACHABLE, "this machine starts no further thread") from None

    def is_over(self, *, within: float) -> bool:
        """Wait for a number of seconds at most; return True if it is over."""
        return self._over.wait(within)

    def _run(self) -> None:
        """Do it, and keep either the answer or what went wrong."""
        try:
            self._outcome = _answer(self._request, self._bounds, self._line)
        except RequestError as fault:
            self._outcome = fault
        except Exception as error:  # noqa: BLE001 - a server can make a library raise anything; none of it may escape
            self._outcome = classify_exception(error)
        finally:
            self._leave_line()
            self._over.set()

    def _leave_line(self) -> None:
        """Leave the line to the next exchange; only after a complete answer nothing of it is still on its way."""
        outcome = self._outcome
        is_good = isinstance(outcome, HttpResponse) and outcome.headers.get("connection", "").lower() != "close"
        with self._lock:
            self._has_left = True
            if is_good and not self._is_given_up:
                self._lines.give_back(self._line, self._origin)
            else:
                self._line.close()

    def answer(self) -> HttpResponse:
        """Return the answer of an exchange that is over, or raise its fault."""
        if isinstance(self._outcome, RequestError):
            raise self._outcome
        return self._outcome

    def cut(self) -> None:
        """End it, and give it a moment to close what it opened. A line that it has left is another's, and stays."""
        with self._lock:
            self._is_given_up = True
            if not self._has_left:
                self._line.request_deadline.cut()
        self._over.wait(_GRACE)


def _answer(request: Request, bounds: RequestLimits, line: Line) -> HttpResponse:
    with _response(request, bounds, line) as response:
        headers = {name.lower(): value for name, value in response.headers.itermerged()}
        body = _body(response, headers.get("content-encoding", ""), bounds.body_bytes)
        return HttpResponse(status=response.status, headers=headers, body=body)


def _response(request: Request, bounds: RequestLimits, line: Line) -> urllib3.BaseHTTPResponse:
    """Return the beginning of an answer.

    A server may close a connection that was kept at the very moment in which it is used again. It has not answered
    then; a second try connects again, unless the line has been cut.
    """
    try:
        return _posted(request, bounds, line)
    except (ProtocolError, SSLError, ProxyError, NewConnectionError):
        if not line.is_kept or line.request_deadline.is_cut:
            raise
    return _posted(request, bounds, line)


def _posted(request: Request, bounds: RequestLimits, line: Line) -> urllib3.BaseHTTPResponse:
    path = urlsplit(request.url).path or "/"
    return line.pool(request.url).urlopen(
        "POST",
        path,
        body=request.body,
        headers={"Accept-Encoding": "identity", **request.headers},
        # The deadline is the waiting caller's; this only ends a thread that it had to leave behind.
        timeout=urllib3.Timeout(connect=bounds.connect_seconds, read=bounds.total_seconds + _GRACE),
        redirect=False,
        retries=False,
        preload_content=False,
        decode_content=False,
    )


def _body(raw: urllib3.BaseHTTPResponse, encoding: str, limit: int) -> bytes:
    """Return the decoded body.

    Compression is not asked for, but a proxy may apply it; it is undone here, because a few kilobytes can unpack
    to gigabytes and the libraries bound that in some versions only.

    Raises:
        RequestError: It is larger than `limit` bytes, before or after decoding, or it cannot be decoded.
    """
    received = bytearray()
    while chunk := raw.read(_CHUNK_BYTES, decode_content=False):
        received += chunk
        if len(received) > limit:
            raise _too_large(limit)
    if encoding.strip().lower() in {"", "identity"}:
        return bytes(received)
    if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        raise RequestError(Cause.NOT_UNDERSTOOD, "the body has a content encoding that was not asked for")
    return _unpacked(bytes(received), limit)


def _unpacked(packed: bytes, limit: int) -> bytes:
    # 32 added to the window bits: zlib recognizes gzip and deflate by itself
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        body = decoder.decompress(packed, limit + 1)
    except zlib.error:
        raise RequestError(Cause.NOT_UNDERSTOOD, "the compressed body cannot be decoded") from None
    if len(body) > limit:
        raise _too_large(limit)
    if not decoder.eof:
        raise RequestError(Cause.UNREACHABLE, "the compressed body was cut off", remedy=RetryAction.RETRY)
    return body


def _too_large(limit: int) -> RequestError:
    return RequestError(Cause.NOT_UNDERSTOOD, f"the answer is larger than {limit} bytes")
