"""A probe of a host: name, connection, TLS and certificate.

Nothing is sent but what opens a connection. Certificates and proxies are checked as the libraries do that send for
real: `requests` with its own authorities or REQUESTS_CA_BUNDLE, and the proxies of the environment; `smtplib` with
the system's authorities, and no proxy.
"""

import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from alerter.network.dialer import Dialer, Unanswered
from alerter.network_settings import fault_of_authorities, proxy_setting, why_unusable

HTTP_PORT, HTTPS_PORT = 80, 443


class TlsMode(StrEnum):
    """How a connection is made secret: from its first byte on, after SMTP's STARTTLS, or not at all."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    NONE = "none"


class ProbeStage(StrEnum):
    """What can go wrong."""

    PROXY = "proxy"
    NAME = "name"
    CONNECTION = "connection"
    GREETING = "greeting"
    TLS = "TLS"
    CERTIFICATE = "certificate"
    #: Nothing went wrong: there is no way to look.
    PROXIED = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where something is sent to.

    Attributes:
        host: A name or an address; no secret.
        port: Its port.
        security: How the connection is made secret.
        is_mail: Whether SMTP is spoken there; HTTP otherwise.
        verifies: Whether its certificate must be good.
    """

    host: str
    port: int
    security: TlsMode
    is_mail: bool = False
    verifies: bool = True

    @classmethod
    def of_url(cls, url: str, *, verifies: bool = True) -> Self:
        """Return where a URL of the schemes http or https leads to."""
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (HTTPS_PORT if is_secure else HTTP_PORT),
            security=TlsMode.TLS if is_secure else TlsMode.NONE,
            verifies=verifies,
        )

    def __str__(self) -> str:
        """Return `host:port`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """How far a connection got.

    Attributes:
        failed_at: What went wrong; None where nothing did.
        detail: What was found there; empty where nothing went wrong.
        proxy: The host of the proxy that it goes through; empty for none.
        certificate_ends_at: Until when the host's certificate is good; None without one, or where nobody verifies it.
    """

    failed_at: ProbeStage | None = None
    detail: str = ""
    proxy: str = ""
    certificate_ends_at: datetime | None = None


class _Failure(Exception):
    """A connection failed."""

    def __init__(self, step: ProbeStage, detail: str) -> None:
        super().__init__(detail)
        self.step = step
        self.detail = detail


def probe(endpoint: Endpoint, *, timeout: float) -> ProbeResult:
    """Return how far a connection to an endpoint gets.

    Args:
        endpoint: Where to.
        timeout: Seconds for each wait on the network but the resolution of the name, which the system bounds.
    """
    via = ""
    try:
        proxy = None if endpoint.is_mail else _proxy_of(endpoint)
        via = proxy.hostname or "" if proxy else ""
        with closing(_connected(endpoint, proxy, timeout)) as connection:
            talk = _mail_certificate if endpoint.is_mail else _certificate
            return ProbeResult(proxy=via, certificate_ends_at=talk(connection, endpoint))
    except _Failure as failure:
        return ProbeResult(failed_at=failure.step, detail=failure.detail, proxy=via)


# The way there


def _proxy_of(endpoint: Endpoint) -> SplitResult | None:
    """Return the proxy that the environment names for an endpoint, as `requests` reads it.

    Raises:
        _Failure: It is written in a way that it cannot be used.
    """
    url = _url_of(endpoint)
    proxy = select_proxy(url, requests.Session().merge_environment_settings(url, {}, None, None, None)["proxies"])
    setting = proxy_setting(urlsplit(url).scheme)
    if proxy and setting is not None and (why := why_unusable(setting)):
        raise _Failure(ProbeStage.PROXY, f"{setting.name} cannot be used: {why}")
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _url_of(endpoint: Endpoint) -> str:
    return f"{'http' if endpoint.security is TlsMode.NONE else 'https'}://{endpoint}/"


def _connected(endpoint: Endpoint, proxy: SplitResult | None, timeout: float) -> socket.socket:
    if proxy is not None:
        return _tunnelled(endpoint, proxy, timeout)
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Failure(ProbeStage.NAME, _reason(error)) from None
    try:
        return Dialer(lambda *_, **__: found).connect(endpoint.host, endpoint.port, timeout=timeout)
    except Unanswered as error:
        raise _Failure(ProbeStage.CONNECTION, _reason(error)) from None
    except OSError as error:
        addresses = {str(address[0]) for *_, address in found}
        # Of several, each says what it has to say.
        named = f" ({', '.join(addresses)})" if len(addresses) == 1 else ""
        raise _Failure(ProbeStage.CONNECTION, _reason(error) + named) from None


def _tunnelled(endpoint: Endpoint, proxy: SplitResult, timeout: float) -> socket.socket:
    """Return a connection through a proxy; to the proxy alone where nothing is secret, for it passes requests on."""
    if proxy.scheme != "http":
        raise _Failure(ProbeStage.PROXIED, f"it lies behind a proxy of the kind {proxy.scheme}")
    connection = HTTPConnection(proxy.hostname or "", proxy.port or HTTP_PORT, timeout=timeout)
    if endpoint.security is not TlsMode.NONE:
        connection.set_tunnel(endpoint.host, endpoint.port, _proxy_headers(proxy))
    try:
        connection.connect()
    except (OSError, HTTPException) as error:
        raise _Failure(ProbeStage.PROXY, _reason(error)) from None
    return connection.sock


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


# What is said there


def _certificate(connection: socket.socket, endpoint: Endpoint) -> datetime | None:
    """Return until when the certificate is good that a host shows; None where it shows none that is verified."""
    if endpoint.security is TlsMode.NONE:
        return None
    with _secured(connection, endpoint) as secured:
        return _end_of(secured)


def _mail_certificate(connection: socket.socket, endpoint: Endpoint) -> datetime | None:
    """Return the same for a mail server, which must greet before or after."""
    if endpoint.security is TlsMode.TLS:
        with _secured(connection, endpoint) as secured, _greeted(secured):
            return _end_of(secured)
    with _greeted(connection) as smtp:
        if endpoint.security is TlsMode.NONE:
            return None
        _ask_for_tls(smtp)
        with _secured(connection, endpoint) as secured:
            smtp.sock = secured
            return _end_of(secured)


@contextmanager
def _greeted(connection: socket.socket) -> Iterator[smtplib.SMTP]:
    """Yield a conversation with a mail server that has greeted; at its end, QUIT is sent."""
    smtp = smtplib.SMTP(local_hostname="localhost")  # without a name it would look one up
    smtp.sock = connection
    try:
        code, text = smtp.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise _Failure(ProbeStage.GREETING, f"it does not greet as a mail server does: {_reason(error)}") from None
    if code != _READY:
        raise _Failure(ProbeStage.GREETING, f"it greets with {code} {text.decode('utf-8', 'replace')}")
    yield smtp
    with suppress(OSError, smtplib.SMTPException):
        smtp.file = None  # what was read from the socket before it was secured
        smtp.docmd("QUIT")


#: RFC 5321, section 4.2.3: the service is ready; the same code accepts STARTTLS (RFC 3207, section 4).
_READY = 220


def _ask_for_tls(smtp: smtplib.SMTP) -> None:
    try:
        smtp.ehlo()
        code, text = smtp.docmd("STARTTLS") if smtp.has_extn("starttls") else (0, b"it does not offer STARTTLS")
    except (OSError, smtplib.SMTPException) as error:
        raise _Failure(ProbeStage.TLS, _reason(error)) from None
    if code != _READY:
        raise _Failure(ProbeStage.TLS, text.decode("utf-8", "replace"))


def _secured(connection: socket.socket, endpoint: Endpoint) -> ssl.SSLSocket:
    try:
        return _context(endpoint).wrap_socket(connection, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as error:
        raise _Failure(ProbeStage.CERTIFICATE, error.verify_message or "it does not verify") from None
    except (OSError, ValueError) as error:
        raise _Failure(ProbeStage.TLS, _reason(error)) from None


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    if not endpoint.verifies:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if endpoint.is_mail:
        return ssl.create_default_context()
    named = requests.Session().merge_environment_settings(_url_of(endpoint), {}, None, None, None)["verify"]
    authorities = Path(named if isinstance(named, str) else DEFAULT_CA_BUNDLE_PATH)
    if fault := fault_of_authorities():
        raise _Failure(ProbeStage.CERTIFICATE, fault)
    if authorities.is_dir():
        return ssl.create_default_context(capath=str(authorities))
    return ssl.create_default_context(cafile=str(authorities))


def _end_of(secured: ssl.SSLSocket) -> datetime | None:
    text = (secured.getpeercert() or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC) if isinstance(text, str) else None


def _reason(error: Exception) -> str:
    """Return what an error says, in the system's own words where it has any."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "the handshake failed").replace("_", " ").lower()
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return said[:1].lower() + said[1:]
