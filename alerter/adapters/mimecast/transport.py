"""One request over HTTP, with a deadline that nothing beats.

The timeouts of `requests` count from byte to byte, so that a server that drips keeps a caller for hours; names that do
not resolve, TLS handshakes that stall and headers that never end have no deadline at all. So each exchange runs in
a thread of its own on a connection of its own; when the time is up, or the service stops, its socket is shut down
and the thread is left to end. Exceptions of the HTTP libraries end here.
"""

import socket
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.connection
from requests.adapters import HTTPAdapter

from alerter.adapters.mimecast.faults import Answer, Fault, Remedy
from alerter.adapters.mimecast.mishaps import fault_of
from alerter.errors import Cause

#: How often a waiting caller looks whether it should stop, in seconds.
_SLICE = 0.05
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
class Bounds:
    """What one exchange may take: `total_seconds` from start to end, to connect, and bytes of the decoded body."""

    total_seconds: float
    connect_seconds: float
    body_bytes: int


def send(request: Request, bounds: Bounds, *, stop: threading.Event) -> Answer:
    """Return the complete answer to a request. Redirects are answers; they are never followed.

    Raises:
        Fault: There was no complete answer in time, or `stop` was set first.
    """
    if stop.is_set():
        raise _stopped()
    if bounds.total_seconds <= 0:
        raise Fault(Cause.TIMEOUT, "no time was left for a request")
    exchange = _Exchange(request, bounds)
    try:
        exchange.start()
    except RuntimeError:
        raise Fault(Cause.UNREACHABLE, "this machine starts no further thread") from None
    # Counted in slices, not read from a clock: the wait ends also where a clock stands still.
    left = bounds.total_seconds
    while True:
        exchange.join(min(_SLICE, max(left, 0.0)))
        if not exchange.is_alive():
            return exchange.answer()
        left -= _SLICE
        if stop.is_set():
            exchange.cut()
            raise _stopped()
        if left <= 0:
            exchange.cut()
            raise Fault(Cause.TIMEOUT, f"no complete answer within {bounds.total_seconds:.3g} s", remedy=Remedy.AGAIN)


def _stopped() -> Fault:
    return Fault(Cause.TIMEOUT, "stopped before Mimecast answered")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class _Lifeline:
    """Cuts an exchange from another thread, whatever it waits for.

    It holds a duplicate of each socket from the moment it is connected: shutting that down ends a TLS handshake,
    a proxy's answer, headers and body alike, and no one can mistake it for a descriptor that was closed and reused.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cut = False
        self._grips: list[socket.socket] = []

    def hold(self, connected: socket.socket) -> socket.socket:
        """Return the socket, held; a late one, after the cut, is closed instead of used."""
        with self._lock:
            if self._is_cut:
                connected.close()
                raise ConnectionAbortedError("the exchange is over")
            self._grips.append(connected.dup())
        return connected

    def cut(self) -> None:
        """End every wait on the sockets that are held, now and later."""
        with self._lock:
            self._is_cut = True
            for grip in self._grips:
                with suppress(OSError):
                    grip.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the duplicates; the connections are their owner's."""
        with self._lock:
            while self._grips:
                self._grips.pop().close()


class _Held:
    """Puts a connection's socket on the lifeline as soon as there is one."""

    def __init__(self, *args: object, lifeline: _Lifeline, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._lifeline = lifeline

    def _new_conn(self) -> socket.socket:
        """Connect; urllib3's own seam, which its SOCKS support overrides in the same way."""
        return self._lifeline.hold(super()._new_conn())  # type: ignore[misc] # the class beside it has it


class _PlainConnection(_Held, urllib3.connection.HTTPConnection):
    """An HTTP connection on a lifeline."""


class _TlsConnection(_Held, urllib3.connection.HTTPSConnection):
    """An HTTPS connection on a lifeline."""


class _HeldAdapter(HTTPAdapter):
    """Connects with sockets that a lifeline holds, directly and through HTTP proxies."""

    def __init__(self, lifeline: _Lifeline) -> None:
        self._lifeline = lifeline
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,  # noqa: FBT001 - the signature of requests
        proxies: dict[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> urllib3.HTTPConnectionPool:
        """Return the pool that requests chose, with connections of our kind.

        SOCKS pools keep theirs: they connect in their own way, and the deadline of `send` holds for them too.
        """
        pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        if pool.ConnectionCls is urllib3.connection.HTTPSConnection:
            pool.ConnectionCls = _TlsConnection
            pool.conn_kw["lifeline"] = self._lifeline
        elif pool.ConnectionCls is urllib3.connection.HTTPConnection:
            pool.ConnectionCls = _PlainConnection
            pool.conn_kw["lifeline"] = self._lifeline
        return pool


class _Session(requests.Session):
    """A session that leaves redirects alone: requests would read their body without limit to prepare the next hop."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the signature of requests
        """Return None: nothing is a redirect."""
        return None


class _Exchange(threading.Thread):
    """One request and its answer, in a thread that may be left behind (a daemon, so that it holds no exit up)."""

    def __init__(self, request: Request, bounds: Bounds) -> None:
        super().__init__(name="mimecast-exchange", daemon=True)
        self._request = request
        self._bounds = bounds
        self._lifeline = _Lifeline()
        self._outcome: Answer | Fault = Fault(Cause.UNREACHABLE, "the exchange did not run")

    def run(self) -> None:
        """Do it, and keep either the answer or what went wrong."""
        try:
            self._outcome = _answer(self._request, self._bounds, self._lifeline)
        except Fault as fault:
            self._outcome = fault
        except Exception as error:  # noqa: BLE001 - a server can make a library raise anything; none of it may escape
            self._outcome = fault_of(error)
        finally:
            self._lifeline.release()

    def answer(self) -> Answer:
        """Return the answer of an exchange that has ended, or raise its fault."""
        if isinstance(self._outcome, Fault):
            raise self._outcome
        return self._outcome

    def cut(self) -> None:
        """End it, and give it a moment to close what it opened."""
        self._lifeline.cut()
        self.join(_GRACE)


def _answer(request: Request, bounds: Bounds, lifeline: _Lifeline) -> Answer:
    adapter = _HeldAdapter(lifeline)
    with _Session() as session:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        with session.post(
            request.url,
            data=request.body,
            headers={"Accept-Encoding": "identity", "Connection": "close", **request.headers},
            # Any auth keeps requests from putting a netrc entry into the place of our Authorization header.
            auth=_as_it_is,
            # The deadline is the waiting caller's; this only ends a thread that it had to leave behind.
            timeout=(bounds.connect_seconds, bounds.total_seconds + _GRACE),
            proxies=_proxies(request.url),
            stream=True,
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = _body(response.raw, headers.get("content-encoding", ""), bounds.body_bytes)
            return Answer(status=response.status_code, headers=headers, body=body)


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _proxies(url: str) -> dict[str, str]:
    """Return what overrides the environment's proxies: none of them is for this machine itself."""
    host = urlsplit(url).hostname or ""
    return {"no_proxy": host} if is_loopback(host) else {}


def _body(raw: urllib3.HTTPResponse, encoding: str, limit: int) -> bytes:
    """Return the decoded body.

    Compression is not asked for, but a proxy may apply it; it is undone here, because a few kilobytes can unpack
    to gigabytes and the libraries bound that in some versions only.

    Raises:
        Fault: It is larger than `limit` bytes, before or after decoding, or it cannot be decoded.
    """
    received = bytearray()
    while chunk := raw.read(_CHUNK_BYTES, decode_content=False):
        received += chunk
        if len(received) > limit:
            raise _too_large(limit)
    if encoding.strip().lower() in {"", "identity"}:
        return bytes(received)
    if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        raise Fault(Cause.NOT_UNDERSTOOD, "the body has a content encoding that was not asked for")
    return _unpacked(bytes(received), limit)


def _unpacked(packed: bytes, limit: int) -> bytes:
    # 32 added to the window bits: zlib tells gzip and deflate apart by itself
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        body = decoder.decompress(packed, limit + 1)
    except zlib.error:
        raise Fault(Cause.NOT_UNDERSTOOD, "the compressed body cannot be decoded") from None
    if len(body) > limit:
        raise _too_large(limit)
    if not decoder.eof:
        raise Fault(Cause.UNREACHABLE, "the compressed body was cut off", remedy=Remedy.AGAIN)
    return body


def _too_large(limit: int) -> Fault:
    return Fault(Cause.NOT_UNDERSTOOD, f"the answer is larger than {limit} bytes")
