"""One tenant's hold summary: token, request, judgement, and at most one retry where a retry can help.

Everything that goes wrong leaves here as a `SourceError`, with its text redacted at this one place.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from types import MappingProxyType
from typing import TypeVar, assert_never
from urllib.parse import urlsplit

from alerter import __version__
from alerter.core.series import Snapshot, Tenant
from alerter.errors import (
    AuthenticationError,
    Cause,
    FetchOverrun,
    RateLimited,
    SourceError,
    SourceUnavailable,
    UnexpectedResponse,
)
from alerter.network.deadline import is_loopback
from alerter.redaction import Redactor
from alerter.sources.mimecast import auth, rate_limits, responses
from alerter.sources.mimecast.auth import OAuthKeys, SigningKeys, Token
from alerter.sources.mimecast.lines import Lines
from alerter.sources.mimecast.rate_limits import RateLimit
from alerter.sources.mimecast.request_error import HttpResponse, RequestError, RetryAction, strip_unprintable
from alerter.sources.mimecast.transport import Request, RequestLimits, send

_log = logging.getLogger("alerter.sources.mimecast")

#: The hosts of API 1.0 by region, as published integrations use them; `uspcom` has a domain of its own.
REGIONS_V1: Mapping[str, str] = MappingProxyType(
    {
        "eu": "https://eu-api.mimecast.com",
        "de": "https://de-api.mimecast.com",
        "us": "https://us-api.mimecast.com",
        "usb": "https://usb-api.mimecast.com",
        "uspcom": "https://uspcom-api.mimecast-pscom-us.com",
        "ca": "https://ca-api.mimecast.com",
        "za": "https://za-api.mimecast.com",
        "au": "https://au-api.mimecast.com",
        "je": "https://je-api.mimecast.com",
        "sandbox": "https://sandbox-api.mimecast.com",
    }
)
#: The hosts of API 2.0 by region (Mimecast's page on its API gateway, June 2025); only `global` fails over.
REGIONS_V2: Mapping[str, str] = MappingProxyType(
    {
        "global": "https://api.services.mimecast.com",
        "uk": "https://uk-api.services.mimecast.com",
        "us": "https://us-api.services.mimecast.com",
    }
)

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
SUMMARY_PATH = "/api/gateway/get-hold-summary-list"
SUMMARY_BODY = b'{"data": []}'

#: A signature refused while the clocks differ by more than this is the clock's fault.
MAX_SKEW = timedelta(minutes=5)
#: A rate limit is not believed to last longer than this without asking again.
MAX_RATE_LIMIT = timedelta(hours=1)
#: What an error may say at most, in characters.
MAX_DETAIL_LENGTH = 240

_Value = TypeVar("_Value")
_Token = TypeVar("_Token", Token, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one fetch may take.

    Attributes:
        timeout: The whole fetch: token, request, waits and retry. The first attempt gets half of what is left,
            so that a server that hangs leaves room for a second one.
        connect_timeout: To connect to one address of the host.
        max_body_bytes: Of one answer, after decoding.
        max_wait: A longer wait that Mimecast asks for ends the fetch instead of being waited for.
        max_rate_wait: The same where the rate limit is used up.
        retry_wait: Before a retry that nobody named a time for.
    """

    timeout: timedelta = timedelta(seconds=30)
    connect_timeout: timedelta = timedelta(seconds=5)
    max_body_bytes: int = 8 * 2**20
    max_wait: timedelta = timedelta(seconds=10)
    max_rate_wait: timedelta = timedelta(seconds=10)
    retry_wait: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a fetch came to, and what was learnt of the way there from the last answer that it got.

    Attributes:
        outcome: The snapshot, or why there is none.
        latency: How long that answer took; None where there was no answer at all, as for all that follows.
        clock_skew: How far this machine's clock is ahead of Mimecast's (negative: behind), exact to about a second.
        rate_limit: What the rate limit still lets through.
    """

    outcome: Snapshot | SourceError
    latency: timedelta | None = None
    clock_skew: timedelta | None = None
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class _Exchange:
    """An answer, when it was complete, and how long it took."""

    answer: HttpResponse
    at: datetime
    latency: timedelta


class MimecastSource:
    """A tenant's hold summary, fetched again each time; used by one thread at a time.

    Args:
        tenant: Whose it is.
        base_url: `https://host`; `http` only for this machine itself (the simulator).
        keys: Their kind decides the API version.
        clock: The time, aware UTC; it signs API 1.0 requests and dates snapshots.
        monotonic: Seconds that never jump; ages tokens, deadlines and rate limits.
        stop: Ends a fetch at once when it is set.
        limits: What one fetch may take.
        lines: Connections that accounts share, and whose owner closes them; None for one that ends with each fetch.
        redactor: Gets to know the keys and the token, so that no text of those that share it shows either; None for one
            of its own.

    Raises:
        ValueError: `base_url` is not such an address.
    """

    def __init__(
        self,
        *,
        tenant: Tenant,
        base_url: str,
        keys: OAuthKeys | SigningKeys,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        stop: threading.Event,
        limits: Limits = Limits(),
        lines: Lines | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._tenant = tenant
        self._base_url = _checked_base_url(base_url)
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        self._stop = stop
        self._limits = limits
        self._own_lines = Lines(monotonic)
        self._lines = self._own_lines if lines is None else lines
        self._token: Token | None = None
        self._limited_until: float | None = None
        self._last: _Exchange | None = None
        self._redactor = Redactor() if redactor is None else redactor
        self._redactor.add(*auth.secret_texts(keys))
        #: What a server could echo of the last request besides the keys: the token, which others may share, or the
        #: signature.
        self._sent: tuple[str, ...] = ()

    def fetch(self, *, within: timedelta | None = None) -> Snapshot:
        """Return the tenant's held messages as they are now.

        Args:
            within: How long the caller waits; None for the full time of a fetch.

        Raises:
            FetchOverrun: It takes longer than `within`, in whatever it is, or a retry would.
            AuthenticationError: Mimecast refuses the keys or what they may do.
            RateLimited: Mimecast asks for more patience than one fetch has; until then no request is made.
            SourceUnavailable: No answer, an error of Mimecast's own, or `stop` was set.
            UnexpectedResponse: An answer that is no hold summary.
        """
        self._refuse_while_limited()
        began = self._monotonic()
        try:
            snapshot = self._fetch(within)
            return replace(snapshot, latency=timedelta(seconds=self._monotonic() - began))
        finally:
            self._own_lines.close()

    def _fetch(self, within: timedelta | None) -> Snapshot:
        began = self._monotonic()
        deadline = began + self._limits.timeout.total_seconds()
        give_up_at = inf if within is None else began + within.total_seconds()
        tried: set[RetryAction] = set()
        while True:
            # An attempt that must be quick has all the time: the one with more time comes later.
            is_last = RetryAction.RETRY in tried or within is not None
            try:
                return self._attempt(deadline=min(deadline, give_up_at), is_last=is_last)
            except RequestError as error:
                fault = error
            if fault.remedy is RetryAction.RENEW_TOKEN:
                self._set_token(None)
            pause = self._pause_before_retry(fault, tried, deadline=deadline)
            if self._monotonic() + (pause or 0.0) >= give_up_at and not self._stop.is_set():
                raise FetchOverrun(f"no answer within {within}: {self._redacted(fault.detail)}") from None
            if pause is None:
                raise self._error(fault) from None
            _log.warning(
                "mimecast request retried tenant=%s cause=%s request_id=%s wait_seconds=%.1f: %s",
                *(self._tenant, fault.cause, self._request_id(fault), pause, self._redacted(fault.detail)),
            )
            tried.add(fault.remedy)
            self._stop.wait(pause)

    def fetch_with_report(self) -> FetchReport:
        """Return what a fetch comes to, be it good or not, with what can be measured on the way."""
        self._last = None
        try:
            outcome: Snapshot | SourceError = self.fetch()
        except SourceError as error:
            outcome = error
        return _probe(outcome, self._last)

    def close(self) -> None:
        """Forget the token. Nothing else that is its own outlives a fetch."""
        self._set_token(None)

    def _attempt(self, *, deadline: float, is_last: bool) -> Snapshot:
        if not is_last:
            deadline -= (deadline - self._monotonic()) / 2
        request_id = str(uuid.uuid4())
        headers = {"Content-Type": "application/json", **self._authorization(request_id, deadline=deadline)}
        answer, now = self._send(SUMMARY_PATH, headers, SUMMARY_BODY, request_id, deadline=deadline)
        counts = self._classified(responses.parse_hold_summary, answer, now=now, request_id=request_id)
        return Snapshot(tenant=self._tenant, taken_at=now, counts=MappingProxyType(counts))

    def _authorization(self, request_id: str, *, deadline: float) -> dict[str, str]:
        match self._keys:
            case OAuthKeys():
                return {"Authorization": f"Bearer {self._current_token(self._keys, deadline=deadline).text}"}
            case SigningKeys():
                return auth.signed_headers(self._keys, uri=SUMMARY_PATH, request_id=request_id, now=self._clock())
            case _:
                assert_never(self._keys)

    def _current_token(self, keys: OAuthKeys, *, deadline: float) -> Token:
        """Return the token that is held, or a new one if there is none or it is about to end."""
        asked_at = self._monotonic()
        if self._token is None or asked_at >= self._token.renew_at:
            self._set_token(None)
            request_id = str(uuid.uuid4())
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer, now = self._send(TOKEN_PATH, headers, auth.token_body(keys), request_id, deadline=deadline)
            try:
                grant = self._classified(responses.parse_token, answer, now=now, request_id=request_id)
            except RequestError as fault:
                fault.detail = f"{TOKEN_PATH}: {fault.detail}"
                raise
            seconds = grant.lifetime.total_seconds()
            renew_at = auth.token_renew_at(asked_at=asked_at, lifetime_seconds=seconds, tenant=self._tenant)
            return self._set_token(Token(text=grant.access_token, renew_at=renew_at))
        return self._token

    def _set_token(self, token: _Token) -> _Token:
        """Hold another token, or none; the one before is no secret any more: thousands of them come and go."""
        if self._token is not None:
            self._redactor.discard(self._token.text)
        if token is not None:
            self._redactor.add(token.text)
        self._token = token
        return token

    def _send(
        self, path: str, headers: Mapping[str, str], body: bytes, request_id: str, *, deadline: float
    ) -> tuple[HttpResponse, datetime]:
        """Return an answer, whatever it says, and when it was complete."""
        common = {"Accept": "application/json", "User-Agent": f"alerter/{__version__}", "x-mc-req-id": request_id}
        request = Request(url=self._base_url + path, headers={**common, **headers}, body=body)
        bounds = RequestLimits(
            total_seconds=deadline - self._monotonic(),
            connect_seconds=self._limits.connect_timeout.total_seconds(),
            body_bytes=self._limits.max_body_bytes,
        )
        self._sent = tuple(headers.get("Authorization", "").partition(" ")[2].split(":"))
        began = self._monotonic()
        try:
            answer = send(request, bounds, lines=self._lines, stop=self._stop)
        except RequestError as fault:
            fault.request_id = request_id
            raise
        self._last = _Exchange(answer, self._clock(), timedelta(seconds=self._monotonic() - began))
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "mimecast answered tenant=%s path=%s status=%d body_bytes=%d sent_id=%s request_id=%s",
                *(self._tenant, path, answer.status, len(answer.body), request_id),
                self._redacted(strip_unprintable(answer.headers.get("x-request-id", "-"))),
            )
        return answer, self._last.at

    def _classified(
        self, evaluate_due: Callable[..., _Value], answer: HttpResponse, *, now: datetime, request_id: str
    ) -> _Value:
        """Return what an answer says; a refusal of it gets the request's id, and a signature's refusal the clock."""
        try:
            return evaluate_due(answer, now=now)
        except RequestError as fault:
            fault.request_id = answer.headers.get("x-request-id") or request_id
            skew = rate_limits.clock_skew(answer, now=now)
            is_signature = isinstance(self._keys, SigningKeys) and fault.remedy is RetryAction.RENEW_TOKEN
            if is_signature:
                fault.remedy = RetryAction.NONE
            if is_signature and skew is not None and abs(skew) > MAX_SKEW:
                fault.cause = Cause.CLOCK_SKEW
                fault.detail = f"{_skew_words(skew)}; {fault.detail}"
            raise

    def _pause_before_retry(self, fault: RequestError, tried: set[RetryAction], *, deadline: float) -> float | None:
        """Return how many seconds to wait before trying again, or None where that cannot help."""
        if fault.remedy is RetryAction.NONE or fault.remedy in tried or self._stop.is_set():
            return None
        if fault.remedy is RetryAction.RENEW_TOKEN:
            return 0.0
        wait = fault.wait or timedelta()
        pause = max(wait, self._limits.retry_wait).total_seconds()
        is_limited = fault.cause is Cause.RATE_LIMITED
        longest = self._limits.max_rate_wait if is_limited else self._limits.max_wait
        is_too_long = wait > longest or self._monotonic() + pause >= deadline
        return None if is_too_long else pause

    def _refuse_while_limited(self) -> None:
        if self._limited_until is None:
            return
        left = self._limited_until - self._monotonic()
        if left > 0:
            raise RateLimited(f"Mimecast asked to wait {left:.0f} s longer", retry_after=timedelta(seconds=left))
        self._limited_until = None

    def _error(self, fault: RequestError) -> SourceError:
        """Return the error that a fault is to everybody else."""
        detail, request_id = self._redacted(fault.detail), self._request_id(fault)
        match fault.cause:
            case Cause.RATE_LIMITED:
                wait = None if fault.wait is None else min(fault.wait, MAX_RATE_LIMIT)
                if wait is not None:
                    self._limited_until = self._monotonic() + wait.total_seconds()
                return RateLimited(detail, retry_after=wait, request_id=request_id)
            case (
                Cause.WRONG_KEYS
                | Cause.KEYS_EXPIRED
                | Cause.PRODUCT_MISSING
                | Cause.PERMISSION_MISSING
                | Cause.CLOCK_SKEW
            ):
                return AuthenticationError(fault.cause, detail, request_id=request_id)
            case Cause.WRONG_HOST | Cause.NOT_UNDERSTOOD:
                return UnexpectedResponse(fault.cause, detail, request_id=request_id)
            case Cause.DNS | Cause.TLS | Cause.UNREACHABLE | Cause.TIMEOUT | Cause.MIMECAST_ERROR:
                return SourceUnavailable(fault.cause, detail, request_id=request_id)
            case _:
                assert_never(fault.cause)

    def _request_id(self, fault: RequestError) -> str | None:
        return None if fault.request_id is None else self._redacted(strip_unprintable(fault.request_id))

    def _redacted(self, text: str) -> str:
        """Return a text without secrets (a server may echo them), and then short: a cut secret would not be found."""
        redacted = self._redactor.redacted(Redactor(self._sent).redacted(text))
        return redacted if len(redacted) <= MAX_DETAIL_LENGTH else redacted[: MAX_DETAIL_LENGTH - 1] + "…"


def _probe(outcome: Snapshot | SourceError, last: _Exchange | None) -> FetchReport:
    if last is None:
        return FetchReport(outcome=outcome)
    return FetchReport(
        outcome=outcome,
        latency=last.latency,
        clock_skew=rate_limits.clock_skew(last.answer, now=last.at),
        rate_limit=rate_limits.rate_limit(last.answer, now=last.at),
    )


def _checked_base_url(base_url: str) -> str:
    """Return the address without a slash at its end.

    The error names the host only: an address may carry a password.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        is_port = parts.port != 0
    except ValueError:
        raise ValueError("base_url must be https://host, got something that is no address") from None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    is_bare = is_port and not (parts.query or parts.fragment or parts.username or parts.password)
    if not (host and is_safe and is_bare):
        raise ValueError(f"base_url must be https://host (http for this machine itself only), got host {host!r}")
    return base_url.rstrip("/")


def _skew_words(skew: timedelta) -> str:
    minutes = round(abs(skew).total_seconds() / 60)
    hours, days = minutes // 60, minutes // (24 * 60)
    size = f"{days}d" if days else f"{hours}h {minutes % 60}m" if hours else f"{minutes}m"
    return f"this machine is {size} {'ahead of' if skew > timedelta() else 'behind'} Mimecast"
