"""Access to the page: hosts, sign-in, origins, and the headers of every response.

Nothing here trusts a header that its sender could have made up: a user's name comes from a proxy that is named, from a
password, or from a token.
"""

import hmac
import secrets
from base64 import b64decode
from binascii import Error as BinasciiError
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from alerter.config.models import PageAccess, Scope, WebConfig, WebToken
from alerter.config.urls import UNIX
from alerter.web.request import HttpError, WebRequest
from alerter.web.router import Need

ALL_NEEDS: Final = frozenset(Need)
#: Sent with everything that a browser shows.
SECURITY_HEADERS: Final = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
#: bcrypt looks at no more of a password, in bytes.
MAX_PASSWORD_BYTES: Final = 72
#: Wrong passwords that an address may send in a minute.
MAX_FAILURES: Final = 5
FAILURE_SECONDS: Final = 60.0
#: How long a password that was right is not hashed again, in seconds.
REMEMBER_SECONDS: Final = 300.0
_MAX_REMEMBERED: Final = 1000
#: A hash of a password that nobody has: an unknown user takes as long to refuse as a wrong password.
_NOBODY: Final = b"$2b$12$C6UzMDM.H6dfI/f/IKcEeO5Q9eLvGoqKZ4rF9d8oQ9pA0mHk8bT4K"
#: Who acts where everybody on this machine may.
LOCAL_USER: Final = "local user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks.

    Attributes:
        name: Of the user or the token; empty for somebody who is not signed in.
        can: What they may do.
        address: Where they are, for the record.
        is_token: Whether it is a program.
    """

    name: str
    can: frozenset[Need]
    address: str
    is_token: bool = False

    @property
    def author(self) -> str:
        """The name that stands in the history."""
        return self.name or LOCAL_USER

    def may(self, need: Need) -> bool:
        """Return True if they may do it."""
        return need in self.can


def is_expected_host(header: str | None, hosts: Collection[str]) -> bool:
    """Return True if a `Host` header is an IP address or names one of the hosts, with any port.

    A page of another site can reach this one only by a name of its own that leads here (DNS rebinding), never by an
    address. A request without the header comes from no browser.
    """
    if header is None:
        return True
    try:
        name = urlsplit(f"//{header}").hostname if not set(header) & set("@/?# ") else None
    except ValueError:
        return False
    return name is not None and (_is_address(name) or name.rstrip(".") in {host.lower() for host in hosts})


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def find_token(tokens: Mapping[str, WebToken], token: str) -> tuple[str, WebToken] | None:
    """Return the name and the scopes of a token; None where the configuration has no such token."""
    digest = sha256(token.encode()).hexdigest()
    # Every token is compared, so that the time says nothing.
    found = [each for each in tokens.items() if hmac.compare_digest(each[1].sha256, digest)]
    return found[0] if found else None


def may_read_metrics(web: WebConfig, authorization: str) -> bool:
    """Return True if a request may read `/metrics`: anybody, until a token is made for that."""
    if not web.hides_metrics:
        return True
    scheme, _, token = authorization.partition(" ")
    found = find_token(web.tokens, token.strip()) if scheme.lower() == "bearer" else None
    return found is not None and not {Scope.METRICS, Scope.READ}.isdisjoint(found[1].scopes)


def check_origin(request: WebRequest, *, is_token: bool, public_url: str | None) -> None:
    """Refuse a change that a page of another site may have sent.

    `Sec-Fetch-Site` says it, which browsers leave out on plain http beyond loopback; then `Origin` must be ours. Basic
    credentials and proxies' sign-ins are no excuse, for a browser adds them by itself; a Bearer token is.

    Raises:
        HttpError: It comes from elsewhere, or does not say from where.
    """
    if request.is_read or is_token:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
        raise HttpError(403, f"expected a form of this page, found one of another site (Sec-Fetch-Site: {site})")
    origin = request.headers.get("origin")
    if origin is None:
        raise HttpError(403, "expected the header Sec-Fetch-Site or Origin of a browser, or a token, found neither")
    if not _is_own(origin, request, public_url):
        raise HttpError(403, f"expected a form of this page, found one of {origin[:200]!r}")


def _is_own(origin: str, request: WebRequest, public_url: str | None) -> bool:
    own = [f"{request.scheme}://{request.headers.get('host', '')}", *([public_url] if public_url else [])]
    return origin != "null" and _authority(origin) in {_authority(each) for each in own}


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _authority(url: str) -> tuple[str, int] | None:
    """Return host and port of a URL; its scheme may differ, for a proxy in front takes TLS off."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


class Gate:
    """Finds out who asks, as the configuration says.

    Args:
        config: `[web]`.
        seconds: A monotonic clock.
    """

    def __init__(self, config: WebConfig, seconds: Callable[[], float]) -> None:
        self._config = config
        self._failures = FailureLimit(seconds)
        self._passwords = PasswordCheck(seconds)

    def identify(self, request: WebRequest) -> Visitor:
        """Return who asks.

        Raises:
            HttpError: They must sign in, or did so wrongly.
        """
        address = self._address(request)
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self._token(credentials.strip(), address)
            case "basic" if self._config.users:
                return self._user(self._basic(credentials, request, address), address)
        name = self._proxied(request)
        if name:
            return self._user(name, address)
        if self._config.has_sign_in and not self._config.open_to_everybody:
            raise self._sign_in("sign in to see this page")
        can = ALL_NEEDS if self._config.access is PageAccess.OPERATE else {Need.READ}
        return Visitor(name="", can=frozenset(can), address=address)

    def _user(self, name: str, address: str) -> Visitor:
        can = ALL_NEEDS if name in self._config.operators and not self._config.open_to_everybody else {Need.READ}
        return Visitor(name=name, can=frozenset(can), address=address)

    def _token(self, token: str, address: str) -> Visitor:
        found = find_token(self._config.tokens, token)
        if found is None:
            raise HttpError(
                401, "expected a token that is in the configuration", headers={"WWW-Authenticate": "Bearer"}
            )
        name, settings = found
        can = frozenset(need for need in Need if str(need) in settings.scopes)
        return Visitor(name=name, can=can, address=address, is_token=True)

    def _basic(self, credentials: str, request: WebRequest, address: str) -> str:
        """Return the user whose password is right."""
        if not (self._is_near(request.peer) or self._is_trusted(request.peer)):
            raise HttpError(
                403, "expected a password from this machine or through a trusted proxy: it crosses a network"
            )
        self._failures.check(address)
        try:
            name, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (BinasciiError, ValueError):
            raise self._sign_in("expected a user and a password in the header Authorization") from None
        if not self._passwords.is_right(self._config.users.get(name), password):
            self._failures.add(address)
            raise self._sign_in("expected a user of the configuration and their password")
        return name

    def _sign_in(self, message: str) -> HttpError:
        headers = {"WWW-Authenticate": 'Basic realm="alerter", charset="UTF-8"'} if self._config.users else {}
        return HttpError(401, message, headers=headers)

    def _proxied(self, request: WebRequest) -> str:
        """Return the user that a trusted proxy names; empty for none."""
        header = self._config.user_header
        if header is None or not self._is_trusted(request.peer):
            return ""
        name = request.headers.get(header.lower(), "").strip()
        if "," in name:
            raise HttpError(400, f"expected one user in {header}, found several")
        return name

    def _address(self, request: WebRequest) -> str:
        """Return where somebody is: of a trusted proxy's request, what it says."""
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return forwarded if forwarded and self._is_trusted(request.peer) else request.peer or UNIX

    def _is_trusted(self, peer: str) -> bool:
        return (peer or UNIX) in self._config.trusted_proxies

    @staticmethod
    def _is_near(peer: str) -> bool:
        if not peer:
            return True
        try:
            return ip_address(peer).is_loopback
        except ValueError:
            return peer == "localhost"


class FailureLimit:
    """Counts wrong passwords by address, and refuses an address that has sent too many within a minute.

    Args:
        seconds: A monotonic clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that has sent too many.

        Raises:
            HttpError: It has.
        """
        with self._lock:
            failed = self._failures.get(address, deque())
            while failed and self._seconds() - failed[0] > FAILURE_SECONDS:
                failed.popleft()
            if len(failed) >= MAX_FAILURES:
                wait = int(FAILURE_SECONDS - (self._seconds() - failed[0])) + 1
                raise HttpError(
                    429, f"{MAX_FAILURES} wrong passwords: try again in {wait} s", headers={"Retry-After": str(wait)}
                )

    def add(self, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            self._failures.setdefault(address, deque(maxlen=MAX_FAILURES)).append(self._seconds())
            self._failures.move_to_end(address)
            while len(self._failures) > _MAX_REMEMBERED:
                self._failures.popitem(last=False)


class PasswordCheck:
    """Compares passwords with bcrypt hashes, one at a time; a right one is remembered for five minutes.

    Args:
        seconds: A monotonic clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._hashing = Lock()
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def is_right(self, stored: str | None, password: str) -> bool:
        """Return True if a password is that of a hash; of a user who does not exist there is no hash."""
        if len(password.encode()) > MAX_PASSWORD_BYTES:
            return False
        wanted = _NOBODY if stored is None else stored.encode()
        seal = hmac.digest(self._key, wanted + b"\0" + password.encode(), "sha256")
        with self._hashing:
            if self._seconds() - self._right.get(seal, float("-inf")) < REMEMBER_SECONDS:
                return True
            if not _is_password_of(wanted, password) or stored is None:
                return False
            self._right[seal] = self._seconds()
            while len(self._right) > _MAX_REMEMBERED:
                self._right.popitem(last=False)
            return True


def _is_password_of(stored: bytes, password: str) -> bool:
    import bcrypt  # noqa: PLC0415 - only where there are users

    return bcrypt.checkpw(password.encode(), stored)
