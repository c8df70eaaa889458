"""Connections that can be cut from another thread, for requests with a deadline that nothing beats.

The timeouts of `requests` count from byte to byte, so that a server that drips keeps a caller for hours. Here every
socket hangs on one deadline from the moment it is connected; the one that waits for the request cuts it when the time
is up. What several adapters need of `requests` stands here as well; it knows none of their outside systems.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.connection
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError

from alerter.network.dialer import Dialer


class RequestDeadline:
    """Cuts an exchange from another thread, whatever it waits for.

    It holds a duplicate of the socket from the moment it is connected: shutting that down ends a TLS handshake,
    a proxy's answer, headers and body alike, and no one can mistake it for a descriptor that was closed and reused.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cut = False
        self._grips: list[socket.socket] = []

    @property
    def is_cut(self) -> bool:
        """Whether it was cut: nothing more can be held."""
        with self._lock:
            return self._is_cut

    def hold(self, connected: socket.socket) -> socket.socket:
        """Return the socket, held in place of the one before; a late one, after the cut, is closed instead of used."""
        with self._lock:
            if self._is_cut:
                connected.close()
                raise ConnectionAbortedError("the exchange is over")
            self._let_go()
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
            self._let_go()

    def _let_go(self) -> None:
        while self._grips:
            self._grips.pop().close()


class _Held:
    """Puts a connection's socket on its deadline as soon as there is one, and sends each request in one piece.

    Headers and body by themselves are two packets, and wake a server twice.
    """

    def __init__(self, *args: object, request_deadline: RequestDeadline, dialer: Dialer, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._request_deadline = request_deadline
        self._dialer = dialer
        self._piece: bytearray | None = None

    def _new_conn(self) -> socket.socket:
        """Connect; urllib3's own seam, which its SOCKS support overrides in the same way, with its own exceptions."""
        own = cast("urllib3.connection.HTTPConnection", self)
        timeout = cast("float", own.timeout)  # every request here has one
        try:
            connected = self._dialer.connect(own._dns_host, own.port or 0, timeout=timeout, options=own.socket_options)  # noqa: SLF001 - what its own method takes
        except socket.gaierror as error:
            raise NameResolutionError(own.host, own, error) from error
        except UnicodeError:
            raise LocationParseError(f"{own.host!r}, a label is empty or too long") from None
        except TimeoutError as error:
            raise ConnectTimeoutError(own, str(error)) from error
        except OSError as error:
            raise NewConnectionError(own, str(error)) from error
        return self._request_deadline.hold(connected)

    def request(self, *args: object, **kwargs: object) -> None:
        """Send a request, once all of it is there."""
        self._piece = bytearray()
        try:
            super().request(*args, **kwargs)  # type: ignore[misc] # as above
        finally:
            piece, self._piece = self._piece, None
        self.send(piece)

    def send(self, data: object) -> None:
        """Send, or keep for the piece that is being put together."""
        if self._piece is not None and isinstance(data, bytes):
            self._piece += data
        else:
            super().send(data)  # type: ignore[misc] # as above


class _PlainConnection(_Held, urllib3.connection.HTTPConnection):
    """An HTTP connection with a deadline."""


class _TlsConnection(_Held, urllib3.connection.HTTPSConnection):
    """An HTTPS connection with a deadline."""


class _HeldAdapter(HTTPAdapter):
    """Connects with sockets that a request deadline holds, directly and through HTTP proxies."""

    def __init__(self, request_deadline: RequestDeadline, dialer: Dialer) -> None:
        self._held_by = {"request_deadline": request_deadline, "dialer": dialer}
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
            pool.conn_kw |= self._held_by
        elif pool.ConnectionCls is urllib3.connection.HTTPConnection:
            pool.ConnectionCls = _PlainConnection
            pool.conn_kw |= self._held_by
        return pool

    def pool(self, request: requests.PreparedRequest, settings: Mapping[str, Any]) -> urllib3.HTTPConnectionPool:
        """Return what connects for a request as `send` does: through its proxy, and with whose certificates it trusts.

        Args:
            request: What leads there.
            settings: As `merge_environment_settings` returns them.
        """
        verify, cert = settings["verify"], settings["cert"]
        pool = self.get_connection_with_tls_context(request, verify, proxies=settings["proxies"], cert=cert)
        self.cert_verify(pool, request.url or "", verify, cert)
        return pool


class HeldSession(requests.Session):
    """A session for one exchange at a time with a deadline, that leaves redirects alone.

    requests would read the body of a redirect without limit to prepare the next hop.

    Args:
        request_deadline: Holds its connections.
        dialer: Makes them.
    """

    def __init__(self, request_deadline: RequestDeadline, dialer: Dialer) -> None:
        super().__init__()
        self._adapter = _HeldAdapter(request_deadline, dialer)
        self.mount("https://", self._adapter)
        self.mount("http://", self._adapter)

    def pool(self, url: str) -> urllib3.HTTPConnectionPool:
        """Return what connects to the host of a URL as requests would, which asks the environment.

        A client that sends many requests there asks once, and sends them with `urlopen`: requests takes longer to put
        one together than urllib3 to send it.

        Raises:
            requests.RequestException: The URL or the proxy's is none.
            OSError: A file of trusted authorities that the environment names does not exist.
        """
        request = self.prepare_request(requests.Request("POST", url, auth=without_netrc))
        address = request.url or url
        return self._adapter.pool(
            request, self.merge_environment_settings(address, proxies_for(address), stream=True, verify=None, cert=None)
        )

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the signature of requests
        """Return None: nothing is a redirect."""
        return None


def without_netrc(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is: any `auth=` keeps requests from taking a netrc entry for our headers or URL."""
    return prepared


def proxies_for(url: str) -> dict[str, str]:
    """Return what overrides the environment's proxies: none of them is for this machine itself."""
    host = urlsplit(url).hostname or ""
    return {"no_proxy": host} if is_loopback(host) else {}


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
