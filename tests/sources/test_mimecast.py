"""The Mimecast adapter: real HTTP against the simulator, and against servers that no simulator would be."""

import base64
import gzip
import json
import locale
import logging
import re
import socket
import ssl
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import BadStatusLine
from pathlib import Path

import pytest
import requests
import trustme
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.series import NO_REASON, HoldReason, Snapshot, Tenant
from alerter.errors import (
    AuthenticationError,
    Cause,
    FetchOverrun,
    RateLimited,
    SourceError,
    SourceUnavailable,
    UnexpectedResponse,
)
from alerter.simulator.api import (
    SIMULATOR_ACCESS_KEY,
    SIMULATOR_APP_ID,
    SIMULATOR_APP_KEY,
    SIMULATOR_CLIENT_ID,
    SIMULATOR_CLIENT_SECRET,
    SIMULATOR_SECRET_KEY,
    SUMMARY_PATH,
    TOKEN_PATH,
    Misbehaviour,
)
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.sources.mimecast import REGIONS_V1, REGIONS_V2, Limits, MimecastSource, OAuthKeys, SigningKeys
from alerter.sources.mimecast.auth import RENEWAL_SPREAD, Token, signature_date, token_body, token_renew_at
from alerter.sources.mimecast.exceptions import classify_exception
from alerter.sources.mimecast.lines import Lines
from alerter.sources.mimecast.rate_limits import rate_limit_reset, retry_after
from alerter.sources.mimecast.request_error import HttpResponse, RequestError, RetryAction
from alerter.sources.mimecast.responses import parse_hold_summary, parse_token
from alerter.sources.mimecast.transport import Request, RequestLimits, send
from tests.raw_servers import RawServer, no_play, read_request, trickle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACME = Tenant("acme")
#: What the simulator's pages are quoted with.
TITLED = " (a page titled 'Nothing here')"
GRAYMAIL = HoldReason("Graymail")
OAUTH = OAuthKeys(client_id=SIMULATOR_CLIENT_ID, client_secret=SIMULATOR_CLIENT_SECRET)
SIGNING = SigningKeys(
    app_id=SIMULATOR_APP_ID,
    app_key=SIMULATOR_APP_KEY,
    access_key=SIMULATOR_ACCESS_KEY,
    secret_key=SIMULATOR_SECRET_KEY,
)
BOTH_VERSIONS = [pytest.param(OAUTH, id="API 2.0"), pytest.param(SIGNING, id="API 1.0")]
SHORT = Limits(timeout=timedelta(seconds=0.3))


class HandMonotonic:
    """Monotonic seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the second that it stands at."""
        return self.now


class PatientStop(threading.Event):
    """A stop that never comes; waiting for it takes no time but moves the hand clock."""

    def __init__(self, monotonic: HandMonotonic) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._monotonic = monotonic

    def wait(self, timeout: float | None = None) -> bool:
        """Note the wait and let its seconds pass at once."""
        self.waits.append(timeout or 0.0)
        self._monotonic.now += timeout or 0.0
        return self.is_set()


class Source(MimecastSource):
    """A Mimecast adapter with its clocks in reach."""

    def __init__(
        self,
        base_url: str,
        *,
        keys: OAuthKeys | SigningKeys = OAUTH,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        now: datetime = NOON,
    ) -> None:
        self.seconds = HandMonotonic()
        self.stop = PatientStop(self.seconds)
        super().__init__(
            tenant=ACME,
            base_url=base_url,
            keys=keys,
            clock=lambda: now,
            monotonic=self.seconds,
            stop=self.stop,
            limits=limits,
        )

    def failure(self) -> SourceError:
        """Return the error of a fetch that must fail."""
        with pytest.raises(SourceError) as caught:
            self.fetch()
        return caught.value


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Yield a simulator that holds two reasons at noon."""
    scenario = Scenario.from_csv("time,reason,count\n0,Graymail,7\n0,Pièces jointes 📎,2\n")
    with Simulator(clock=lambda: NOON, scenario=scenario, started_at=NOON) as simulator:
        yield simulator


def http_bytes(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return an HTTP answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def saying(*replies: bytes) -> Callable[[socket.socket], None]:
    """Return a play that reads a request and answers it: each connection with the next reply, the last for ever."""
    waiting = list(replies)

    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return play


def summary(**changed: object) -> dict[str, object]:
    """Return a hold summary as Mimecast sends it, with whatever a test changes."""
    return {"meta": {"status": 200}, "data": [{"policyInfo": "Graymail", "numberOfItems": 7}], "fail": [], **changed}


def answer(
    body: object = None, *, status: int = 200, raw: bytes | None = None, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return an answer with a JSON body, or with raw bytes."""
    return HttpResponse(status=status, headers=headers or {}, body=json.dumps(body).encode() if raw is None else raw)


def fault(given_answer: HttpResponse, evaluate_due: Callable[..., object] = parse_hold_summary) -> RequestError:
    """Return the fault of an answer that must be refused."""
    with pytest.raises(RequestError) as caught:
        evaluate_due(given_answer, now=NOON)
    return caught.value


# What goes well


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_a_good_poll_is_a_snapshot(simulator: Simulator, keys: OAuthKeys | SigningKeys) -> None:
    """Both API versions give what is held, verbatim, at the time that the answer was complete."""
    snapshot = Source(simulator.base_url, keys=keys).fetch()

    assert snapshot == Snapshot(tenant=ACME, taken_at=NOON, counts={GRAYMAIL: 7, HoldReason("Pièces jointes 📎"): 2})


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_an_empty_queue_is_a_snapshot_too(keys: OAuthKeys | SigningKeys) -> None:
    """No held messages is an answer, and a proven one."""
    with Simulator(clock=lambda: NOON, scenario=Scenario.from_csv("time,reason,count\n")) as simulator:
        assert Source(simulator.base_url + "/", keys=keys).fetch().counts == {}


def test_a_token_is_used_again_and_renewed_before_it_ends(simulator: Simulator) -> None:
    """One token serves until a while before its end that is the tenant's own; then the next poll asks for another."""
    source = Source(simulator.base_url)
    renewal = token_renew_at(asked_at=0, lifetime_seconds=1799, tenant=ACME)

    for seconds, tokens in [(0, 1), (renewal - 1, 1), (renewal + 1, 2), (1800, 2)]:
        source.seconds.now = 1000.0 + seconds
        source.fetch()
        assert simulator.requests_by_path[TOKEN_PATH] == tokens, f"after {seconds} s"


def test_a_closed_source_forgets_its_token(simulator: Simulator) -> None:
    """Nothing secret but the keys is kept after closing; a later fetch starts anew."""
    source = Source(simulator.base_url)
    source.fetch()

    source.close()
    source.fetch()

    assert simulator.requests_by_path[TOKEN_PATH] == 2


@pytest.mark.parametrize(
    ("lifetime_seconds", "renew_at"),
    [
        pytest.param(1799, 1739, id="a minute before the end"),
        pytest.param(100, 90, id="a tenth before the end of a short life"),
        pytest.param(0.5, 0.45, id="also of a tiny one"),
    ],
)
def test_a_token_is_renewed_in_time(lifetime_seconds: float, renew_at: float) -> None:
    """The margin is a minute, or a tenth of a life that is shorter than ten minutes; for no tenant it is less."""
    instants = [
        token_renew_at(asked_at=0, lifetime_seconds=lifetime_seconds, tenant=f"customer-{number}")
        for number in range(1000)
    ]

    assert max(instants) == pytest.approx(renew_at, rel=0.01)
    assert max(instants) <= renew_at
    assert min(instants) == pytest.approx(renew_at * (1 - RENEWAL_SPREAD), rel=0.01)


def test_ten_thousand_tokens_are_not_renewed_in_the_same_minute() -> None:
    """Granted together after a start, they are renewed over minutes, each tenant always after the same time."""
    names = [f"customer-{number:05}" for number in range(10_000)]

    instants = [token_renew_at(asked_at=0, lifetime_seconds=1799, tenant=name) for name in names]

    per_minute = Counter(int(instant // 60) for instant in instants)
    assert max(per_minute.values()) < 10_000 / (1739 * RENEWAL_SPREAD / 60) * 1.1
    assert instants == [token_renew_at(asked_at=0, lifetime_seconds=1799, tenant=name) for name in names]


def test_a_refused_token_is_renewed_once(simulator: Simulator) -> None:
    """A token that Mimecast does not take any more is replaced within the poll, without a wait."""
    source = Source(simulator.base_url)
    source.fetch()
    simulator.misbehave(Misbehaviour.WRONG_KEYS, times=1)

    assert source.fetch().counts[GRAYMAIL] == 7
    assert simulator.requests_by_path == {TOKEN_PATH: 2, SUMMARY_PATH: 3}
    assert source.stop.waits == [0.0]


def test_only_a_second_refusal_means_wrong_keys(simulator: Simulator) -> None:
    """A new token that is refused as well is the keys' fault; there is no third attempt."""
    source = Source(simulator.base_url)
    source.fetch()
    simulator.misbehaviour = Misbehaviour.WRONG_KEYS

    error = source.failure()

    assert isinstance(error, AuthenticationError)
    assert error.detail == "HTTP 401 (err_xdk_invalid_signature: 0004 Invalid Signature)"
    assert simulator.requests_by_path == {TOKEN_PATH: 2, SUMMARY_PATH: 3}


def test_an_expired_token_is_renewed_although_an_error_came_before(simulator: Simulator) -> None:
    """A stumble of Mimecast's does not use up the renewal of a token."""
    source = Source(simulator.base_url)
    source.fetch()
    replies = [http_bytes(b"", status="503 Busy"), http_bytes(b"", status="401 No"), http_bytes(b"", status="401 No")]
    with RawServer(saying(*replies)) as server:
        source._base_url = server.url  # noqa: SLF001 - the host goes bad between two polls

        error = source.failure()

    # the third connection asks for a token, and is refused that
    assert (error.cause, server.connections) == (Cause.WRONG_KEYS, 3)


@pytest.mark.parametrize(
    ("keys", "misbehaviour", "waits"),
    [
        pytest.param(OAUTH, Misbehaviour.FAIL_200, [1.0], id="API 2.0, an error with 200"),
        pytest.param(SIGNING, Misbehaviour.FAIL_200, [1.0], id="API 1.0, an error with 200"),
        pytest.param(OAUTH, Misbehaviour.UNAVAILABLE, [1.0], id="API 2.0, 503"),
        pytest.param(SIGNING, Misbehaviour.UNAVAILABLE, [1.0], id="API 1.0, 503"),
        pytest.param(OAUTH, Misbehaviour.RESET, [], id="API 2.0, a reset of the connection that brought the token"),
        pytest.param(SIGNING, Misbehaviour.RESET, [1.0], id="API 1.0, a reset of a new connection"),
    ],
)
def test_a_passing_failure_is_tried_again_once(
    simulator: Simulator, keys: OAuthKeys | SigningKeys, misbehaviour: Misbehaviour, waits: list[float]
) -> None:
    """What may be well a second later is asked for again, with a fresh id and date (the simulator refuses others)."""
    source = Source(simulator.base_url, keys=keys)
    simulator.misbehave(misbehaviour, times=1)

    assert source.fetch().counts[GRAYMAIL] == 7
    assert source.stop.waits == waits


def test_a_hang_leaves_room_for_a_second_attempt(simulator: Simulator) -> None:
    """The first attempt gets half of the time, so that one stuck server does not cost the poll."""
    limits = Limits(timeout=timedelta(seconds=0.6), retry_wait=timedelta(seconds=0.01))
    source = Source(simulator.base_url, limits=limits)
    simulator.misbehave(Misbehaviour.TIMEOUT, times=1)

    assert source.fetch().counts[GRAYMAIL] == 7


# What Mimecast refuses


@pytest.mark.parametrize(
    ("misbehaviour", "expected"),
    [
        pytest.param(
            Misbehaviour.KEYS_EXPIRED,
            (AuthenticationError, Cause.KEYS_EXPIRED, "HTTP 418 (err_xdk_binding_expired: AccessKey Has Expired)"),
            id="expired keys",
        ),
        pytest.param(
            Misbehaviour.PRODUCT_MISSING,
            (
                AuthenticationError,
                Cause.PRODUCT_MISSING,
                "HTTP 403 (app_forbidden: The method does not exist in any product assigned to the application)",
            ),
            id="a missing product",
        ),
        pytest.param(
            Misbehaviour.PERMISSION_MISSING,
            (
                AuthenticationError,
                Cause.PERMISSION_MISSING,
                "HTTP 403 (err_xdk_operation_forbidden: 0003 Operation is not permitted for the user)",
            ),
            id="a missing permission",
        ),
        pytest.param(
            Misbehaviour.RATE_LIMITED,
            (RateLimited, Cause.RATE_LIMITED, "HTTP 429 (Over throttling limit (10000/hour)); it asks to wait 60 s"),
            id="a rate limit",
        ),
        pytest.param(
            Misbehaviour.WRONG_HOST, (UnexpectedResponse, Cause.WRONG_HOST, f"HTTP 404{TITLED}"), id="another host"
        ),
        pytest.param(
            Misbehaviour.REDIRECT,
            (
                UnexpectedResponse,
                Cause.WRONG_HOST,
                f"HTTP 302{TITLED}: redirects to login.example, which is not followed",
            ),
            id="a redirect",
        ),
        pytest.param(
            Misbehaviour.RESET,
            (SourceUnavailable, Cause.UNREACHABLE, "no connection to the host: connection reset by peer"),
            id="a reset",
        ),
        pytest.param(
            Misbehaviour.MIMECAST_ERROR,
            (SourceUnavailable, Cause.MIMECAST_ERROR, "HTTP 500 (err_internal: Something went wrong)"),
            id="an error of Mimecast's",
        ),
        pytest.param(
            Misbehaviour.UNAVAILABLE, (SourceUnavailable, Cause.MIMECAST_ERROR, f"HTTP 503{TITLED}"), id="an outage"
        ),
        pytest.param(
            Misbehaviour.FAIL_200,
            (
                AuthenticationError,
                Cause.WRONG_KEYS,
                "HTTP 200 with meta.status 200 (err_developer_key: App ID is invalid)",
            ),
            id="a failure that looks like an empty queue",
        ),
        pytest.param(
            Misbehaviour.EXPLODE,
            (UnexpectedResponse, Cause.NOT_UNDERSTOOD, "the answer is larger than 8388608 bytes"),
            id="a body without end",
        ),
        pytest.param(
            Misbehaviour.WEB_PAGE,
            (
                UnexpectedResponse,
                Cause.WRONG_HOST,
                "HTTP 200 with a web page where JSON was expected: a page titled 'Nothing here'",
            ),
            id="a web page",
        ),
        pytest.param(
            Misbehaviour.EMPTY,
            (
                UnexpectedResponse,
                Cause.NOT_UNDERSTOOD,
                "the body must be a JSON object, got an empty one",
            ),
            id="an empty body",
        ),
        pytest.param(
            Misbehaviour.ODD_ROWS,
            (UnexpectedResponse, Cause.NOT_UNDERSTOOD, "row 2: numberOfItems must be from 0 to 2^53, got less"),
            id="one bad row",
        ),
        pytest.param(
            Misbehaviour.NEXT_PAGE,
            (
                UnexpectedResponse,
                Cause.NOT_UNDERSTOOD,
                "meta.pagination.next names a further page; a hold summary has one page, and half of it is no summary",
            ),
            id="a further page",
        ),
    ],
)
@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_each_failure_has_its_cause(
    simulator: Simulator,
    keys: OAuthKeys | SigningKeys,
    misbehaviour: Misbehaviour,
    expected: tuple[type[SourceError], Cause, str],
) -> None:
    """Every way to fail ends in one of the closed set of causes, and says what was found."""
    simulator.misbehaviour = misbehaviour

    error = Source(simulator.base_url, keys=keys).failure()

    assert (type(error), error.cause, error.detail) == expected
    assert error.request_id


def test_an_id_of_mimecasts_is_on_the_error() -> None:
    """The request id that Mimecast's support asks for is kept; without one, it is the id that was sent."""
    reply = http_bytes(b"", "x-request-id: abc-123", status="403 No")
    with RawServer(saying(reply)) as server:
        assert Source(server.url, keys=SIGNING).failure().request_id == "abc-123"
    with RawServer(saying(http_bytes(b"", status="403 No"))) as server:
        assert re.fullmatch(r"[0-9a-f-]{36}", Source(server.url, keys=SIGNING).failure().request_id or "")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"app_key": "another"}, id="application key"),
        pytest.param({"access_key": "another"}, id="access key"),
        pytest.param({"secret_key": base64.b64encode(b"another").decode()}, id="secret key"),
        pytest.param({"app_id": "another"}, id="application id"),
    ],
)
def test_each_wrong_signing_key_is_recognised(simulator: Simulator, changed: dict[str, str]) -> None:
    """Whichever of the four keys is wrong, the cause is the keys."""
    keys = {"app_id": SIMULATOR_APP_ID, "app_key": SIMULATOR_APP_KEY, "access_key": SIMULATOR_ACCESS_KEY}
    source = Source(simulator.base_url, keys=SigningKeys(**{**keys, "secret_key": SIMULATOR_SECRET_KEY, **changed}))

    assert source.failure().cause is Cause.WRONG_KEYS


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        pytest.param(
            {"secret_key": "no base64!"},
            "secret_key must be printable ASCII without spaces, got something else or nothing",
            id="a space",
        ),
        pytest.param(
            {"secret_key": "abc"},
            "secret_key must be base64 text as Mimecast shows it, got something that does not decode",
            id="half of a base64 text",
        ),
        pytest.param(
            {"access_key": "a\nb"},
            "access_key must be printable ASCII without spaces, got something else or nothing",
            id="a line break",
        ),
        pytest.param(
            {"app_id": ""}, "app_id must be printable ASCII without spaces, got something else or nothing", id="nothing"
        ),
    ],
)
def test_a_key_that_can_be_none_is_named(changed: dict[str, str], detail: str) -> None:
    """A signing key that no header could carry is refused with its name, before anything is sent."""
    keys = {"app_id": "a", "app_key": "b", "access_key": "c", "secret_key": "ZGQ=", **changed}

    error = Source("http://127.0.0.1:1", keys=SigningKeys(**keys)).failure()

    assert (error.cause, error.detail, error.request_id) == (Cause.WRONG_KEYS, detail, None)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(OAuthKeys(client_id=SIMULATOR_CLIENT_ID, client_secret="another & more =ü"), id="another secret"),
        pytest.param(OAuthKeys(client_id="another", client_secret=SIMULATOR_CLIENT_SECRET), id="another id"),
        pytest.param(OAuthKeys(client_id="half \ud800", client_secret=""), id="half a character"),
    ],
)
def test_a_wrong_client_is_wrong_keys_at_once(simulator: Simulator, keys: OAuthKeys) -> None:
    """A client that gets no token is not tried again."""
    source = Source(simulator.base_url, keys=keys)

    assert source.failure().cause is Cause.WRONG_KEYS
    assert simulator.requests_by_path[TOKEN_PATH] <= 1
    assert source.stop.waits == []


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        pytest.param(timedelta(minutes=17), "this machine is 17m ahead of Mimecast", id="minutes ahead"),
        pytest.param(-timedelta(hours=2, minutes=5), "this machine is 2h 5m behind Mimecast", id="hours behind"),
        pytest.param(timedelta(days=400), "this machine is 400d ahead of Mimecast", id="days ahead"),
    ],
)
def test_a_refused_signature_of_a_wrong_clock_is_the_clocks_fault(
    simulator: Simulator, skew: timedelta, words: str
) -> None:
    """When the clocks differ, the keys are not to blame, and the difference is told."""
    error = Source(simulator.base_url, keys=SIGNING, now=NOON + skew).failure()

    assert (error.cause, error.detail) == (
        Cause.CLOCK_SKEW,
        f"{words}; HTTP 401 (err_xdk_invalid_signature: 0004 Invalid Signature)",
    )


def test_a_small_skew_does_not_excuse_wrong_keys(simulator: Simulator) -> None:
    """Up to five minutes the clock is not the reason; nor is it ever for API 2.0, which signs nothing."""
    simulator.misbehaviour = Misbehaviour.WRONG_KEYS

    assert Source(simulator.base_url, keys=SIGNING, now=NOON + timedelta(minutes=5)).failure().cause is Cause.WRONG_KEYS
    simulator.misbehaviour = Misbehaviour.CLOCK_SKEW
    assert Source(simulator.base_url, keys=SIGNING).failure().cause is Cause.CLOCK_SKEW
    assert Source(simulator.base_url, keys=OAUTH).failure().cause is Cause.WRONG_KEYS


# Rate limits


def test_a_rate_limit_is_remembered(simulator: Simulator) -> None:
    """A limit that outlasts the poll keeps later polls from the network until it is over."""
    source = Source(simulator.base_url)
    simulator.misbehave(Misbehaviour.RATE_LIMITED, times=1)

    first = source.failure()
    source.seconds.now += 59
    second = source.failure()
    source.seconds.now += 1
    snapshot = source.fetch()

    assert isinstance(first, RateLimited)
    assert isinstance(second, RateLimited)
    assert (first.retry_after, second.retry_after) == (timedelta(seconds=60), timedelta(seconds=1))
    assert second.detail == "Mimecast asked to wait 1 s longer"
    assert snapshot.counts
    assert simulator.requests_by_path[SUMMARY_PATH] == 2


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        pytest.param("X-RateLimit-Reset: 5000", [5.0], id="five seconds in milliseconds"),
        pytest.param("Retry-After: 10", [10.0], id="ten seconds, the longest"),
        pytest.param("X-RateLimit-Reset: 0", [1.0], id="no wait at all is still a second"),
    ],
)
def test_a_short_rate_limit_is_waited_for(header: str, waits: list[float]) -> None:
    """A limit that ends within the poll's patience costs one wait and one retry."""
    replies = saying(http_bytes(b"", header, status="429 Slow"), http_bytes(json.dumps(summary()).encode()))
    with RawServer(replies) as server:
        source = Source(server.url, keys=SIGNING)

        assert source.fetch().counts == {"Graymail": 7}
    assert source.stop.waits == waits


@pytest.mark.parametrize(
    ("headers", "retry_after"),
    [
        pytest.param([], None, id="no time named"),
        pytest.param(["Retry-After: soon"], None, id="no time understood"),
        pytest.param(["Retry-After: 11"], timedelta(seconds=11), id="longer than the patience"),
        pytest.param(["Retry-After: 99999999"], timedelta(hours=1), id="longer than anything is believed"),
    ],
)
def test_a_long_or_unknown_rate_limit_ends_the_poll(headers: list[str], retry_after: timedelta | None) -> None:
    """A limit without an end, or with a far one, is not waited for."""
    with RawServer(saying(http_bytes(b"", *headers, status="429 Slow"))) as server:
        source = Source(server.url, keys=SIGNING)

        error = source.failure()

    assert isinstance(error, RateLimited)
    assert (error.retry_after, server.connections, source.stop.waits) == (retry_after, 1, [])


def test_a_wait_that_outlasts_the_deadline_is_not_begun() -> None:
    """There is no point in waiting for a retry that the deadline forbids."""
    with RawServer(saying(http_bytes(b"", "Retry-After: 5", status="429 Slow"))) as server:
        source = Source(server.url, keys=SIGNING, limits=Limits(timeout=timedelta(seconds=4)))

        assert source.failure().cause is Cause.RATE_LIMITED
    assert source.stop.waits == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("5000", 5, id="milliseconds"),
        pytest.param("0", 0, id="now"),
        pytest.param(str(int(NOON.timestamp()) + 30), 30, id="epoch seconds"),
        pytest.param(str((int(NOON.timestamp()) + 30) * 1000), 30, id="epoch milliseconds"),
        pytest.param(str(int(NOON.timestamp()) - 30), 0, id="an instant that has passed"),
        pytest.param("9999999999999999", 2_592_000, id="an absurd instant is bounded"),
        pytest.param("-5", None, id="less than nothing"),
        pytest.param("1e9", None, id="no plain number"),
        pytest.param("٣", None, id="digits of another script"),
        pytest.param("9" * 5000, None, id="thousands of digits"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_rate_limit_reset_is_read_in_any_unit(text: str, seconds: float | None) -> None:
    """Maintainers disagree about the unit; the ranges do not overlap."""
    wait = rate_limit_reset(answer(headers={"x-ratelimit-reset": text}), now=NOON)

    assert wait == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("Mon, 02 Mar 2026 12:00:09 GMT", 9, id="a date by the server's clock"),
        pytest.param("Mon, 02 Mar 2026 12:00:09", 9, id="a date without a zone"),
        pytest.param("Mon, 02 Mar 2026 11:00:00 GMT", 0, id="a date that has passed"),
        pytest.param("Mon, 99 Mar 2026 11:00:00 GMT", None, id="no date"),
        pytest.param("Mon, 02 Mar 99999999999 11:00:00 GMT", None, id="a far year"),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """Both forms of RFC 9110 are read; a date is compared with the server's own time."""
    headers = {"retry-after": text, "date": "Mon, 02 Mar 2026 12:00:00 GMT"}

    wait = retry_after(answer(headers=headers), now=NOON + timedelta(days=1))

    assert wait == (None if seconds is None else timedelta(seconds=seconds))


# How an answer is judged

FLAT = [{"code": "app_forbidden", "message": "no"}]
NESTED = [{"errors": [{"code": "err_x", "message": "it broke", "retryable": False}]}]


@pytest.mark.parametrize(
    ("given_answer", "cause", "detail"),
    [
        pytest.param(answer(summary(fail=NESTED), status=403), Cause.PERMISSION_MISSING, "HTTP 403", id="status first"),
        pytest.param(answer(raw=b"[]"), Cause.NOT_UNDERSTOOD, "JSON object, got a list", id="then the JSON object"),
        pytest.param(
            answer({"fail": NESTED, "meta": {"status": 500}, "data": 3}),
            Cause.MIMECAST_ERROR,
            "HTTP 200 with meta.status 500 (err_x: it broke)",
            id="then fail",
        ),
        pytest.param(
            answer(summary(meta={"status": 403}, data=3)),
            Cause.PERMISSION_MISSING,
            "HTTP 200 with meta.status 403",
            id="then meta.status",
        ),
        pytest.param(
            answer(summary(data={})), Cause.NOT_UNDERSTOOD, "data must be a list, got an object", id="then data"
        ),
        pytest.param(
            answer(summary(data=[3])),
            Cause.NOT_UNDERSTOOD,
            "row 1 must be an object, got a whole number",
            id="then rows",
        ),
    ],
)
def test_an_answer_is_judged_in_the_order_of_the_contract(
    given_answer: HttpResponse, cause: Cause, detail: str
) -> None:
    """Of several things that are wrong, the first in the contract's order is told."""
    found = fault(given_answer)

    assert (found.cause, detail in found.detail) == (cause, True), found.detail


@pytest.mark.parametrize(
    ("status", "body", "cause", "remedy"),
    [
        pytest.param(401, None, Cause.WRONG_KEYS, RetryAction.RENEW_TOKEN, id="401"),
        pytest.param(
            401, {"fail": [{"code": "Unauthorized Request"}]}, Cause.WRONG_KEYS, RetryAction.RENEW_TOKEN, id="401 flat"
        ),
        pytest.param(
            401,
            {"fail": [{"errors": [{"code": "err_xdk_binding_expired"}]}]},
            Cause.KEYS_EXPIRED,
            RetryAction.NONE,
            id="401 expired",
        ),
        pytest.param(403, None, Cause.PERMISSION_MISSING, RetryAction.NONE, id="403"),
        pytest.param(403, {"fail": FLAT}, Cause.PRODUCT_MISSING, RetryAction.NONE, id="403 product"),
        pytest.param(
            403,
            {"fail": [{"code": "err_xdk_operation_forbidden_for_address"}]},
            Cause.PERMISSION_MISSING,
            RetryAction.NONE,
            id="403 address",
        ),
        pytest.param(
            403,
            {"fail": [{"errors": [{"code": "err_audit_log_incorrect_region"}]}]},
            Cause.WRONG_HOST,
            RetryAction.NONE,
            id="wrong region",
        ),
        pytest.param(404, None, Cause.WRONG_HOST, RetryAction.NONE, id="404"),
        pytest.param(405, None, Cause.WRONG_HOST, RetryAction.NONE, id="405"),
        pytest.param(407, None, Cause.UNREACHABLE, RetryAction.NONE, id="407"),
        pytest.param(418, None, Cause.KEYS_EXPIRED, RetryAction.NONE, id="418"),
        pytest.param(429, None, Cause.RATE_LIMITED, RetryAction.NONE, id="429"),
        pytest.param(429, {"fail": FLAT}, Cause.RATE_LIMITED, RetryAction.NONE, id="429 whatever the code"),
        pytest.param(400, None, Cause.MIMECAST_ERROR, RetryAction.NONE, id="400 with an empty body"),
        pytest.param(400, {"fail": NESTED}, Cause.MIMECAST_ERROR, RetryAction.NONE, id="400"),
        pytest.param(
            409,
            {"fail": [{"errors": [{"code": 12, "retryable": True}]}]},
            Cause.MIMECAST_ERROR,
            RetryAction.RETRY,
            id="retryable",
        ),
        pytest.param(500, None, Cause.MIMECAST_ERROR, RetryAction.RETRY, id="500"),
        pytest.param(504, None, Cause.MIMECAST_ERROR, RetryAction.RETRY, id="504"),
        pytest.param(204, None, Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="204"),
        pytest.param(200, summary(fail=FLAT), Cause.PRODUCT_MISSING, RetryAction.NONE, id="200 flat"),
        pytest.param(
            200, summary(fail=[None, {"errors": [3]}]), Cause.MIMECAST_ERROR, RetryAction.NONE, id="200 and odd errors"
        ),
        pytest.param(
            200, summary(fail=[{"errors": []}], meta=None), Cause.MIMECAST_ERROR, RetryAction.NONE, id="200, no meta"
        ),
        pytest.param(
            200, summary(meta={"status": 401}), Cause.WRONG_KEYS, RetryAction.RENEW_TOKEN, id="meta.status 401"
        ),
        pytest.param(200, summary(meta={"status": 429}), Cause.RATE_LIMITED, RetryAction.NONE, id="meta.status 429"),
        pytest.param(200, summary(meta={"status": 500}), Cause.MIMECAST_ERROR, RetryAction.RETRY, id="meta.status 500"),
        pytest.param(200, summary(meta={"status": 302}), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="meta.status 302"),
        pytest.param(
            200, summary(meta={"status": "200"}), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="meta.status as text"
        ),
        pytest.param(
            200, summary(meta={"status": True}), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="meta.status as boolean"
        ),
        pytest.param(200, summary(meta={}), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="no meta.status"),
        pytest.param(200, summary(fail=None), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="no fail"),
        pytest.param(200, summary(fail={}), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="fail is an object"),
        pytest.param(200, {"detail": "no"}, Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="only a detail"),
        pytest.param(200, summary(data=None), Cause.NOT_UNDERSTOOD, RetryAction.NONE, id="no data"),
    ],
)
def test_each_refusal_has_its_cause(status: int, body: object, cause: Cause, remedy: RetryAction) -> None:
    """Status, code and meta.status are each enough to fail, and decide what could help."""
    found = fault(answer(body, status=status, raw=b"" if body is None else None))

    assert (found.cause, found.remedy) == (cause, remedy), found.detail


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_web_page_is_another_host(status: int) -> None:
    """A page where JSON belongs is a proxy's or another server's, whatever its status."""
    page = answer(raw=b" <!DOCTYPE html>", status=status)
    named = answer(raw=b"Access denied", status=status, headers={"content-type": "text/HTML; charset=utf-8"})

    assert (fault(page).cause, fault(named).cause) == (Cause.WRONG_HOST, Cause.WRONG_HOST)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        pytest.param("https://user:secret@evil.example:444/x?token=1", "redirects to evil.example,", id="host only"),
        pytest.param("/login", "redirects to another path of the same host,", id="a path"),
        pytest.param("https://[", "redirects to an address that is none,", id="nonsense"),
    ],
)
def test_a_redirect_names_its_host_only(location: str, words: str) -> None:
    """Where a redirect points to is told, but nothing else of its address."""
    found = fault(answer(status=307, raw=b"", headers={"location": location}))

    assert (found.cause, words in found.detail) == (Cause.WRONG_HOST, True)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", "got an empty one", id="nothing"),
        pytest.param(b"\xff\xfe{", "no UTF-8 at byte 0", id="another encoding"),
        pytest.param(b"[" * 200_000, "nested too deeply", id="a nest"),
        pytest.param(b'{"a":' * 200_000, "nested too deeply", id="a nest of objects"),
        pytest.param(b'{"meta": NaN}', "NaN is no JSON number", id="NaN"),
        pytest.param(b'{"meta": -Infinity}', "-Infinity is no JSON number", id="infinity"),
        pytest.param(b'{"fail": [], "fail": []}', "a key stands twice in one object", id="a key twice"),
        pytest.param(b'{"meta": ' + b"9" * 5000 + b"}", "of 5000 digits", id="a number of thousands of digits"),
        pytest.param(json.dumps(summary()).encode() + b"x", "Extra data", id="something behind it"),
        pytest.param(json.dumps(summary()).encode()[:-3], "at character", id="half of it"),
    ],
)
def test_a_body_that_is_no_json_is_not_understood(raw: bytes, words: str) -> None:
    """Whatever comes in the place of JSON is refused, without quoting it."""
    found = fault(answer(raw=raw))

    assert (found.cause, words in found.detail) == (Cause.NOT_UNDERSTOOD, True), found.detail


def test_a_byte_order_mark_does_no_harm() -> None:
    """A mark before good JSON is let through."""
    assert parse_hold_summary(answer(raw=b"\xef\xbb\xbf" + json.dumps(summary()).encode()), now=NOON) == {"Graymail": 7}


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([("A", 0), ("B", 2**53)], {"A": 0, "B": 2**53}, id="the bounds"),
        pytest.param([("A", "0012")], {"A": 12}, id="digits as text"),
        pytest.param([("A", 1), ("B", 2), ("A", 3)], {"A": 4, "B": 2}, id="one name twice is summed"),
        pytest.param([("", 1), (" \t", 2)], {NO_REASON: 3}, id="blank names"),
        pytest.param([("A ", 1), ("a", 2), ("=1+1", 3)], {"A ": 1, "a": 2, "=1+1": 3}, id="names are verbatim"),
        pytest.param([("é" * 1000, 1)], {"é" * 1000: 1}, id="a name of a thousand characters"),
        pytest.param([("Hold 📎 > 25MB\n", 1)], {"Hold 📎 > 25MB\n": 1}, id="any character that can be stored"),
    ],
)
def test_good_rows_are_counts(rows: list[tuple[str, object]], counts: dict[str, int]) -> None:
    """Names are kept as they are; counts are whole numbers."""
    data = [{"policyInfo": name, "numberOfItems": count, "more": 1} for name, count in rows]

    assert parse_hold_summary(answer(summary(data=data)), now=NOON) == counts


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(None, id="null"),
        pytest.param("Graymail", id="a text"),
        pytest.param({"numberOfItems": 1}, id="no name"),
        pytest.param({"policyInfo": None, "numberOfItems": 1}, id="null as a name"),
        pytest.param({"policyInfo": 3, "numberOfItems": 1}, id="a number as a name"),
        pytest.param({"policyInfo": "a\0b", "numberOfItems": 1}, id="a NUL"),
        pytest.param({"policyInfo": "\ud800", "numberOfItems": 1}, id="half a character"),
        pytest.param({"policyInfo": "x" * 1001, "numberOfItems": 1}, id="an absurdly long name"),
        pytest.param({"policyInfo": "A"}, id="no count"),
        pytest.param({"policyInfo": "A", "numberOfItems": None}, id="null as a count"),
        pytest.param({"policyInfo": "A", "numberOfItems": True}, id="a boolean"),
        pytest.param({"policyInfo": "A", "numberOfItems": 1.0}, id="a fraction"),
        pytest.param({"policyInfo": "A", "numberOfItems": -1}, id="less than nothing"),
        pytest.param({"policyInfo": "A", "numberOfItems": 2**53 + 1}, id="more than can be kept"),
        pytest.param({"policyInfo": "A", "numberOfItems": "9" * 16}, id="more than can be kept, as text"),
        pytest.param({"policyInfo": "A", "numberOfItems": "9" * 5000}, id="thousands of digits"),
        pytest.param({"policyInfo": "A", "numberOfItems": "٣"}, id="digits of another script"),
        pytest.param({"policyInfo": "A", "numberOfItems": " 1"}, id="a space before digits"),
        pytest.param({"policyInfo": "A", "numberOfItems": "-1"}, id="a sign before digits"),
        pytest.param({"policyInfo": "A", "numberOfItems": ""}, id="no digits"),
        pytest.param({"policyInfo": "A", "numberOfItems": [1]}, id="a list as a count"),
    ],
)
def test_one_bad_row_refuses_the_answer(row: object) -> None:
    """Half a snapshot is a lie: a bad row behind a good one spoils both."""
    found = fault(answer(summary(data=[{"policyInfo": "Graymail", "numberOfItems": 7}, row])))

    assert (found.cause, found.detail[:5]) == (Cause.NOT_UNDERSTOOD, "row 2")


def test_a_sum_that_cannot_be_kept_is_refused() -> None:
    """Rows of one name must not add up beyond what a database keeps."""
    rows = [{"policyInfo": "A", "numberOfItems": 2**53}, {"policyInfo": "A", "numberOfItems": 1}]

    assert fault(answer(summary(data=rows))).detail == "row 2: the rows of one name add up to more than 2^53"


def test_an_answer_has_ten_thousand_hold_reasons_at_most() -> None:
    """Nobody types so many policies, and to store them keeps other tenants waiting for the database."""
    rows = [{"policyInfo": f"Policy {number}", "numberOfItems": 1} for number in range(10_001)]

    assert len(parse_hold_summary(answer(summary(data=[*rows[:-1], rows[0]])), now=NOON)) == 10_000
    assert fault(answer(summary(data=rows))).detail == (
        "row 10001: an answer must have at most 10000 hold reasons, got more"
    )


@pytest.mark.parametrize("pagination", [{}, {"next": None}, {"next": ""}, {"pageSize": 3}, None, 3])
def test_a_last_page_is_whole(pagination: object) -> None:
    """Pagination that names no further page does no harm."""
    body = summary(meta={"status": 200, "pagination": pagination})

    assert parse_hold_summary(answer(body), now=NOON) == {"Graymail": 7}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
#: Bodies that look much like a hold summary, each part of it good or odd.
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "meta": JSON | st.fixed_dictionaries({"status": st.sampled_from([200, 401, 429, 500, "200"]) | JSON}),
        "data": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"policyInfo": st.text() | JSON, "numberOfItems": st.integers() | st.text("0123456789") | JSON}
            ),
            max_size=3,
        ),
        "fail": st.just([]) | JSON | st.lists(st.fixed_dictionaries({"code": JSON, "message": JSON, "errors": JSON})),
        "detail": JSON,
        "error": JSON,
        "access_token": st.text() | JSON,
        "expires_in": st.integers() | JSON,
    },
)
HEADERS = st.fixed_dictionaries(
    {}, optional={name: st.text() for name in ("date", "retry-after", "x-ratelimit-reset", "location", "content-type")}
)


@given(
    body=(LIKELY | JSON).map(lambda value: json.dumps(value).encode()) | st.binary(),
    status=st.sampled_from([200, 200, 200, 302, 400, 401, 403, 418, 429, 500]),
    headers=HEADERS,
)
def test_any_answer_is_a_summary_or_a_fault(body: bytes, status: int, headers: dict[str, str]) -> None:
    """No body, status or header makes the judgement raise anything but its own fault."""
    for evaluate_due in (parse_hold_summary, parse_token):
        try:
            result = evaluate_due(HttpResponse(status=status, headers=headers, body=body), now=NOON)
        except RequestError:
            continue
        else:
            assert status == 200
            assert not isinstance(result, dict) or all(0 <= count <= 2**53 for count in result.values())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"expires_in": 1799}, "text access_token, got nothing", id="no token"),
        pytest.param({"access_token": 3, "expires_in": 1799}, "text access_token", id="a number"),
        pytest.param({"access_token": "a b", "expires_in": 1799}, "text access_token", id="a space"),
        pytest.param({"access_token": "", "expires_in": 1799}, "text access_token", id="an empty token"),
        pytest.param({"access_token": "x" * 20_000, "expires_in": 1}, "text access_token", id="an endless token"),
        pytest.param({"access_token": "x", "expires_in": 1, "token_type": "mac"}, "token_type Bearer", id="a type"),
        pytest.param({"access_token": "x", "expires_in": 1, "token_type": 1}, "token_type Bearer", id="a type's type"),
        pytest.param({"access_token": "x"}, "expires_in in seconds, got nothing", id="no lifetime"),
        pytest.param({"access_token": "x", "expires_in": "soon"}, "expires_in in seconds, got a text", id="a word"),
        pytest.param({"access_token": "x", "expires_in": True}, "expires_in in seconds", id="a boolean"),
        pytest.param({"access_token": "x", "expires_in": 0}, "between 0 and a year", id="no life"),
        pytest.param({"access_token": "x", "expires_in": 10**12}, "between 0 and a year", id="eternal life"),
        pytest.param({"access_token": "x", "expires_in": 1e999}, "is no JSON number", id="an infinite life"),
    ],
)
def test_an_odd_token_answer_is_not_understood(body: object, words: str) -> None:
    """A token answer must be what RFC 6749 says."""
    found = fault(answer(body), parse_token)

    assert (found.cause, words in found.detail) == (Cause.NOT_UNDERSTOOD, True), found.detail


@pytest.mark.parametrize("seconds", [1799, "1799", 1799.0])
def test_a_token_answer_is_a_grant(seconds: object) -> None:
    """Some servers write the lifetime as text; the type may be missing."""
    grant = parse_token(answer({"access_token": "x.y-z", "expires_in": seconds, "token_type": "bearer"}), now=NOON)

    assert (grant.access_token, grant.lifetime) == ("x.y-z", timedelta(seconds=1799))


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        pytest.param(400, {"error": "invalid_client", "error_description": "no"}, Cause.WRONG_KEYS, id="400 of OAuth"),
        pytest.param(401, None, Cause.WRONG_KEYS, id="401"),
        pytest.param(401, {"fail": [{"code": "token_expired"}]}, Cause.WRONG_KEYS, id="401 that asks for renewal"),
        pytest.param(400, {"error": "invalid_request"}, Cause.MIMECAST_ERROR, id="another error of OAuth"),
        pytest.param(404, None, Cause.WRONG_HOST, id="no such path"),
        pytest.param(200, {"fail": FLAT}, Cause.PRODUCT_MISSING, id="a failure with HTTP 200"),
    ],
)
def test_a_refused_token_request_has_its_cause(status: int, body: object, cause: Cause) -> None:
    """Nothing at the token endpoint is renewed: it is where renewal happens."""
    found = fault(answer(body, status=status, raw=b"" if body is None else None), parse_token)

    assert (found.cause, found.remedy) == (cause, RetryAction.NONE)


def test_an_odd_token_fails_the_poll(simulator: Simulator) -> None:
    """A token answer that cannot be used is told as such."""
    simulator.misbehaviour = Misbehaviour.ODD_TOKEN

    assert Source(simulator.base_url).failure().cause is Cause.NOT_UNDERSTOOD


# The wire


def test_dates_are_english_in_every_locale() -> None:
    """A signature's date has English names for each day and month."""
    names = {signature_date(datetime(2026, 1, day, tzinfo=UTC))[:3] for day in range(1, 8)}
    months = [signature_date(datetime(2026, month, 1, tzinfo=UTC))[8:11] for month in range(1, 13)]

    assert names == {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    assert months == ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert signature_date(datetime(2015, 11, 24, 12, 50, 11, tzinfo=UTC)) == "Tue, 24 Nov 2015 12:50:11 UTC"


class LocaleFree(datetime):
    """A time that refuses to be formatted by the locale."""

    def strftime(self, _: str, /) -> str:
        """Fail: this would ask the locale for names."""
        raise AssertionError("strftime asks the locale")


def test_dates_do_not_ask_the_locale() -> None:
    """No locale is asked for names, not even a German one where the machine has it."""
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8"):
        with suppress(locale.Error):
            locale.setlocale(locale.LC_TIME, name)
    try:
        assert signature_date(LocaleFree(2026, 3, 2, 12, tzinfo=UTC)) == "Mon, 02 Mar 2026 12:00:00 UTC"
    finally:
        locale.setlocale(locale.LC_TIME, before)


def seen_by_server(keys: OAuthKeys | SigningKeys) -> tuple[bytes, list[bytes]]:
    """Return the last request that a source sends, and all of them."""
    received: list[bytes] = []
    token = {"access_token": "the-token", "token_type": "Bearer", "expires_in": 1799}

    def play(connection: socket.socket) -> None:
        received.append(read_request(connection))
        is_token = b"POST /oauth/token" in received[-1]
        connection.sendall(http_bytes(json.dumps(token if is_token else summary()).encode()))

    with RawServer(play) as server:
        Source(server.url, keys=keys).fetch()
    return received[-1], received


def test_an_api_2_request_has_its_documented_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form for the token, real JSON with the token for the summary; a netrc file changes nothing of it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    last, (first, _) = seen_by_server(OAuthKeys(client_id="an id", client_secret="a&secret=ü"))

    assert b"Authorization" not in first
    assert first.endswith(b"client_id=an+id&client_secret=a%26secret%3D%C3%BC&grant_type=client_credentials")
    assert b"Authorization: Bearer the-token\r\n" in last
    assert b"Content-Type: application/json\r\n" in last
    assert b"Accept: application/json\r\n" in last
    assert b"x-mc-req-id: " in last
    assert last.endswith(b'\r\n\r\n{"data": []}')


def test_an_api_1_request_has_its_documented_form() -> None:
    """Date, request id, application id and signature are headers; the body is real JSON."""
    last, received = seen_by_server(SIGNING)

    assert len(received) == 1
    assert re.search(rb"Authorization: MC simulated-access-key:[A-Za-z0-9+/]{27}=\r\n", last)
    assert b"x-mc-date: Mon, 02 Mar 2026 12:00:00 UTC\r\n" in last
    assert last.endswith(b'\r\n\r\n{"data": []}')


def test_a_proxy_is_not_used_for_this_machine(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator on loopback is reached also where the environment names a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert Source(simulator.base_url).fetch().counts


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        pytest.param(
            b"HTTP/1.1 407 No\r\n\r\n",
            "the proxy of https_proxy, {address}, answers HTTP 407: it wants a user name and a password",
            id="a proxy that asks for a login",
        ),
        pytest.param(
            b"HTTP/1.1 502 No\r\n\r\n", "the proxy of https_proxy, {address}, answers HTTP 502", id="one that fails"
        ),
        pytest.param(
            b"",
            "the proxy of https_proxy, {address}, closes the connection without an answer",
            id="a proxy that hangs up",
        ),
        pytest.param(
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "the proxy of https_proxy, {address}, does not speak HTTP as it should",
            id="a port that is no proxy's",
        ),
    ],
)
def test_a_proxy_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, reply: bytes, detail: str) -> None:
    """The proxy of the environment is used for Mimecast, and blamed for its failures; its password is not shown."""
    with RawServer(saying(reply)) as server:
        address = server.url.partition("//")[2]
        monkeypatch.setenv("https_proxy", f"http://someone:secret@{address}")

        error = Source("https://mimecast.invalid").failure()

    assert (error.cause, error.detail) == (Cause.UNREACHABLE, detail.format(address=address))


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        pytest.param("socks5://127.0.0.1:1", "cannot be used: a proxy of SOCKS needs the package PySocks", id="SOCKS"),
        pytest.param("http://[", "cannot be used: expected a proxy such as", id="no address"),
        pytest.param("htp://127.0.0.1:1", "cannot be used: expected a proxy such as", id="an unknown scheme"),
        pytest.param("ftp://127.0.0.1:1", "cannot be used: expected a proxy such as", id="a scheme of no proxy"),
        pytest.param("proxy:3128", "cannot be used: expected a proxy such as", id="no scheme"),
        pytest.param("http://127.0.0.1:65536", "cannot be used: expected a proxy such as", id="a port that is none"),
        pytest.param("http://proxy.invalid:1", ", proxy.invalid:1, has a name that does not resolve", id="no name"),
        pytest.param("http://127.0.0.1:1", ", 127.0.0.1:1, refuses the connection", id="nobody there"),
        pytest.param("127.0.0.1", ", 127.0.0.1:80, refuses the connection", id="neither scheme nor port"),
    ],
)
def test_a_proxy_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, url: str, detail: str) -> None:
    """By its variable, and not as a fault of base_url or of Mimecast."""
    monkeypatch.setenv("https_proxy", url)

    error = Source("https://mimecast.invalid").failure()

    assert (error.cause, "https_proxy" in error.detail, detail in error.detail) == (Cause.UNREACHABLE, True, True)


def test_a_proxy_that_is_no_tls_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most are reached by http, also where they lead to https."""

    def play(connection: socket.socket) -> None:
        connection.recv(5)
        connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")

    with RawServer(play) as server:
        monkeypatch.setenv("https_proxy", server.url.replace("http://", "https://"))

        error = Source("https://mimecast.invalid").failure()

    assert error.cause is Cause.UNREACHABLE
    assert error.detail.endswith("speaks no TLS: write http:// and not https:// before its name")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        pytest.param(None, "REQUESTS_CA_BUNDLE names {path}, which does not exist", id="nothing"),
        pytest.param("no certificate", "REQUESTS_CA_BUNDLE names {path}, which holds no certificate", id="a text"),
    ],
)
def test_a_file_of_authorities_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, detail: str
) -> None:
    """It is not the certificate of Mimecast that is wrong."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with RawServer(saying(b""), context=server_context(trustme.CA(), "127.0.0.1")) as server:
        error = Source(server.url).failure()

    assert error.cause is Cause.TLS
    assert error.detail.startswith(detail.format(path=path))


def test_a_name_that_does_not_resolve_is_dns() -> None:
    """A host that the name service does not know has its own cause."""
    error = Source("https://mimecast.invalid").failure()

    assert (type(error), error.cause) == (SourceUnavailable, Cause.DNS)


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    """A refused connection is told as one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    error = Source(f"http://127.0.0.1:{port}").failure()

    assert (error.cause, error.detail) == (Cause.UNREACHABLE, "no connection to the host: connection refused")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return an authority that REQUESTS_CA_BUNDLE trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return authority


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """Return a server's side of TLS with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_trusted_certificate_is_enough(authority: trustme.CA) -> None:
    """HTTPS works with an authority of one's own, as behind a proxy that inspects TLS."""
    reply = http_bytes(json.dumps(summary()).encode())
    with RawServer(saying(reply), context=server_context(authority, "127.0.0.1")) as server:
        assert Source(server.url, keys=SIGNING).fetch().counts == {"Graymail": 7}


@pytest.mark.parametrize(
    ("is_known", "name", "words"),
    [
        pytest.param(False, "127.0.0.1", "unable to get local issuer certificate", id="an unknown authority"),
        pytest.param(True, "mimecast.example", "IP address mismatch", id="another host's certificate"),
    ],
)
def test_a_certificate_that_does_not_verify_is_tls(
    authority: trustme.CA,
    is_known: bool,  # noqa: FBT001 - a column of the table
    name: str,
    words: str,
) -> None:
    """A certificate that cannot be trusted ends the poll, and says why."""
    context = server_context(authority if is_known else trustme.CA(), name)
    with RawServer(saying(b""), context=context) as server:
        error = Source(server.url, keys=SIGNING).failure()

    assert (error.cause, words in error.detail) == (Cause.TLS, True), error.detail


def test_a_port_without_tls_is_tls(simulator: Simulator) -> None:
    """HTTPS to a port that speaks something else is told as TLS, and tried once only."""
    error = Source(simulator.base_url.replace("http", "https")).failure()

    assert (error.cause, error.detail[:18]) == (Cause.TLS, "no TLS connection:")


def test_a_bundle_that_does_not_exist_is_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong REQUESTS_CA_BUNDLE is named."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    error = Source("https://127.0.0.1:1").failure()

    assert (error.cause, "REQUESTS_CA_BUNDLE" in error.detail) == (Cause.TLS, True)


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(no_play, id="a server that says nothing"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "), id="a dripping body"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="a dripping header"),
        pytest.param(trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="a promise for ever"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"),
    ],
)
def test_no_slow_answer_beats_the_deadline(play: Callable[[socket.socket], object]) -> None:
    """A poll ends in time however slowly the answer comes, and nothing of it is left behind."""
    with RawServer(play) as server:
        error = Source(server.url, keys=SIGNING, limits=SHORT).failure()

    assert (error.cause, error.detail) == (Cause.TIMEOUT, "no complete answer within 0.15 s")
    assert not [thread for thread in threading.enumerate() if thread.name == "mimecast-exchange"]


def test_a_handshake_that_stalls_does_not_beat_the_deadline() -> None:
    """TLS that never comes about ends in time too."""
    with RawServer(no_play) as server:
        error = Source(server.url.replace("http", "https"), keys=SIGNING, limits=SHORT).failure()

    assert error.cause is Cause.TIMEOUT


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(no_play, id="a server that says nothing"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="a dripping header"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b" "), id="a dripping body"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"], ids=["answers", "handshakes"])
def test_a_caller_that_waits_for_less_than_a_fetch_takes_is_free_in_time(
    play: Callable[[socket.socket], object], scheme: str
) -> None:
    """Whatever hangs, it gets no failure but learns that there was too little time; with more, the poll may succeed."""
    with RawServer(play) as server:
        source = Source(server.url.replace("http", scheme), keys=SIGNING)

        with pytest.raises(FetchOverrun):
            source.fetch(within=timedelta(seconds=0.15))

    assert server.connections == 1


def test_a_name_that_takes_long_to_resolve_holds_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver cannot be interrupted: it is left behind."""
    resolved = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: resolved.wait(10) and [])

    with pytest.raises(FetchOverrun):
        Source("https://localhost:1", keys=SIGNING).fetch(within=timedelta(seconds=0.15))

    resolved.set()


def test_a_retry_that_does_not_fit_into_the_time_of_the_caller_is_left_to_a_fetch_with_more(
    simulator: Simulator,
) -> None:
    """A server that is unwell for a moment is asked again, here or there."""
    source = Source(simulator.base_url, limits=Limits(retry_wait=timedelta(seconds=1)))
    simulator.misbehave(Misbehaviour.MIMECAST_ERROR, times=1)
    with pytest.raises(FetchOverrun):
        source.fetch(within=timedelta(seconds=0.9))
    simulator.misbehave(Misbehaviour.MIMECAST_ERROR, times=1)

    assert source.fetch(within=timedelta(seconds=3)).counts[GRAYMAIL] == 7


def test_a_failure_within_the_time_of_the_caller_is_one(simulator: Simulator) -> None:
    """Wrong keys, a refused connection: an error that comes at once is the outcome of the poll."""
    simulator.misbehaviour = Misbehaviour.PERMISSION_MISSING

    with pytest.raises(AuthenticationError):
        Source(simulator.base_url).fetch(within=timedelta(seconds=3))
    with pytest.raises(SourceUnavailable):
        Source("http://127.0.0.1:1", keys=SIGNING, limits=Limits(retry_wait=timedelta(0))).fetch(
            within=timedelta(seconds=3)
        )


def test_a_connection_that_comes_too_late_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves after the deadline leads to no request, though its thread was left behind."""
    resolving = threading.Event()
    resolve = socket.getaddrinfo

    def slow(*args: object, **kwargs: object) -> object:
        resolving.wait()
        return resolve(*args, **kwargs)  # type: ignore[arg-type] # handed through

    with RawServer(no_play) as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        error = Source(server.url, keys=SIGNING, limits=SHORT).failure()
        resolving.set()
        for thread in threading.enumerate():
            if thread.name == "mimecast-exchange":
                thread.join()
        monkeypatch.undo()

    assert error.cause is Cause.TIMEOUT


def test_a_machine_without_threads_left_is_told(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that cannot even begin fails like any other."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)

    assert Source(simulator.base_url).failure().detail == "this machine starts no further thread"


def test_a_deadline_that_has_passed_is_told(simulator: Simulator) -> None:
    """A fetch without any time ends as a timeout."""
    error = Source(simulator.base_url, limits=Limits(timeout=timedelta())).failure()

    assert error.cause is Cause.TIMEOUT


def stopping(source: Source) -> Callable[[socket.socket], object]:
    """Return a play that stops the service in the middle of a request."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        source.stop.set()
        no_play(connection)

    return play


def test_a_stop_ends_a_request_at_once() -> None:
    """A service that is told to stop does not wait for Mimecast."""
    source = Source("http://127.0.0.1:1", keys=SIGNING)
    with RawServer(stopping(source)) as server:
        source._base_url = server.url  # noqa: SLF001 - the play needs the source, the source the port

        error = source.failure()

    assert (type(error), error.detail) == (SourceUnavailable, "stopped before Mimecast answered")


def test_a_stopped_service_asks_nothing(simulator: Simulator) -> None:
    """After a stop no request is made any more."""
    source = Source(simulator.base_url)
    source.stop.set()

    assert source.failure().detail == "stopped before Mimecast answered"
    assert not simulator.requests_by_path


def test_a_stop_ends_a_wait_for_a_retry(simulator: Simulator) -> None:
    """A stop during the wait ends the poll without another request."""
    source = Source(simulator.base_url, keys=SIGNING)
    simulator.misbehaviour = Misbehaviour.UNAVAILABLE
    wait = source.stop.wait

    def stopped_while_waiting(timeout: float | None = None) -> bool:
        source.stop.set()
        return wait(timeout)

    source.stop.wait = stopped_while_waiting  # type: ignore[method-assign] # the stop of this test comes now

    assert source.failure().detail == "stopped before Mimecast answered"
    assert simulator.requests_by_path[SUMMARY_PATH] == 1


def packed(body: bytes, wbits: int) -> bytes:
    """Return a body compressed as gzip (31), zlib (15) or raw deflate."""
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "wbits"), [pytest.param("gzip", 31, id="gzip"), pytest.param("deflate", 15, id="deflate")]
)
def test_a_compressed_body_is_read(encoding: str, wbits: int) -> None:
    """A proxy may compress what nobody asked to be compressed."""
    reply = http_bytes(packed(json.dumps(summary()).encode(), wbits), f"Content-Encoding: {encoding}")
    with RawServer(saying(reply)) as server:
        assert Source(server.url, keys=SIGNING).fetch().counts == {"Graymail": 7}


@pytest.mark.parametrize(
    ("reply", "cause", "detail"),
    [
        pytest.param(
            http_bytes(gzip.compress(b" " * 20_000_000), "Content-Encoding: gzip"),
            Cause.NOT_UNDERSTOOD,
            "the answer is larger than 8388608 bytes",
            id="a small body that unpacks to a large one",
        ),
        pytest.param(
            http_bytes(b"no gzip", "Content-Encoding: gzip"),
            Cause.NOT_UNDERSTOOD,
            "the compressed body cannot be decoded",
            id="a body that is not compressed",
        ),
        pytest.param(
            http_bytes(gzip.compress(b" " * 1000)[:-4], "Content-Encoding: gzip"),
            Cause.UNREACHABLE,
            "the compressed body was cut off",
            id="half of a compressed body",
        ),
        pytest.param(
            http_bytes(b"x", "Content-Encoding: gzip, gzip"),
            Cause.NOT_UNDERSTOOD,
            "the body has a content encoding that was not asked for",
            id="an encoding within an encoding",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
            Cause.UNREACHABLE,
            "the answer was cut off",
            id="half of a body",
        ),
        pytest.param(b"", Cause.UNREACHABLE, "the host closed the connection without an answer", id="no answer at all"),
        pytest.param(
            b"SSH-2.0-OpenSSH\r\n",
            Cause.WRONG_HOST,
            "the host does not speak HTTP as it should (BadStatusLine)",
            id="another protocol",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
            Cause.WRONG_HOST,
            "the host does not speak HTTP as it should (HTTPException)",
            id="headers without end",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
            Cause.WRONG_HOST,
            "the host does not speak HTTP as it should (LineTooLong)",
            id="a header without end",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            Cause.UNREACHABLE,
            "the answer was cut off",
            id="chunks that are none",
        ),
    ],
)
def test_a_broken_answer_has_its_cause(reply: bytes, cause: Cause, detail: str) -> None:
    """What breaks below HTTP's meaning is told in words, too."""
    with RawServer(saying(reply)) as server:
        error = Source(server.url, keys=SIGNING).failure()

    assert (error.cause, error.detail) == (cause, detail)


def test_redirects_are_not_read_ahead() -> None:
    """A redirect with a body without end is refused like any other answer of that size."""
    start = b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\n\r\n"
    with RawServer(trickle(start, b" " * 1_000_000)) as server:
        error = Source(server.url, keys=SIGNING, limits=Limits(max_body_bytes=100)).failure()

    assert error.detail == "the answer is larger than 100 bytes"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "try again"), Cause.DNS, id="a name service that is busy"),
        pytest.param(requests.exceptions.InvalidURL("x"), Cause.WRONG_HOST, id="no address"),
        pytest.param(requests.exceptions.InvalidProxyURL("x"), Cause.UNREACHABLE, id="no proxy address"),
        pytest.param(requests.ReadTimeout("x"), Cause.TIMEOUT, id="a read timeout"),
        pytest.param(requests.ConnectionError(urllib3.exceptions.ProtocolError("x")), Cause.UNREACHABLE, id="protocol"),
        pytest.param(requests.ConnectionError(BadStatusLine("x")), Cause.WRONG_HOST, id="a status line"),
        pytest.param(urllib3.exceptions.SSLError("x"), Cause.TLS, id="TLS without words"),
        pytest.param(OSError(101, "Network is unreachable"), Cause.UNREACHABLE, id="no network"),
        pytest.param(OSError("x"), Cause.UNREACHABLE, id="an error without a number"),
        pytest.param(KeyError("x"), Cause.NOT_UNDERSTOOD, id="a mistake of the library's"),
    ],
)
def test_each_library_error_has_its_cause(error: Exception, cause: Cause) -> None:
    """Exceptions are told by what they mean, and never by their own text."""
    found = classify_exception(error)

    assert (found.cause, "x" in found.detail.split()) == (cause, False)


def test_only_a_busy_name_service_is_asked_again() -> None:
    """A name that does not exist will not exist a second later."""
    assert classify_exception(socket.gaierror(socket.EAI_AGAIN, "again")).remedy is RetryAction.RETRY
    assert classify_exception(socket.gaierror(socket.EAI_NONAME, "none")).remedy is RetryAction.NONE


def test_an_exchange_that_did_not_run_is_a_fault() -> None:
    """A library's own mistake is a fault as well."""
    bounds = RequestLimits(total_seconds=5, connect_seconds=5, body_bytes=10)
    request = Request(url="http://127.0.0.1:1", headers={"a": "line\nsplit"}, body=b"")

    with pytest.raises(RequestError) as caught:
        send(request, bounds, lines=Lines(HandMonotonic()), stop=threading.Event())

    assert "split" not in caught.value.detail


# What is never shown

SECRETS = OAuthKeys(client_id="id-of-ours", client_secret="s3cr&t/of=ours")


@contextmanager
def echo(status: str = "400 Bad") -> Iterator[RawServer]:
    """Yield a server that says everything back that it is sent."""
    token = {"access_token": "t0ken.of.ours", "token_type": "Bearer", "expires_in": 1799}

    def play(connection: socket.socket) -> None:
        request = read_request(connection).decode("latin-1")
        if "oauth/token" in request and "200" in status:
            connection.sendall(http_bytes(json.dumps(token).encode()))
            return
        said = {"fail": [{"code": request[:40], "message": request.replace("\r\n", " ")[-900:]}]}
        authorization = re.search(r"Authorization: (.*)\r\n", request)
        echoed = f"x-request-id: {authorization[1] if authorization else request.splitlines()[-1]}"
        connection.sendall(http_bytes(json.dumps(said).encode(), echoed, status=status))

    with RawServer(play) as server:
        yield server


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        pytest.param(SECRETS, "400 Bad", id="the client's secret in a token error"),
        pytest.param(SECRETS, "200 OK", id="the token in an error of the summary"),
        pytest.param(SIGNING, "400 Bad", id="the access key and the signature"),
    ],
)
def test_secrets_appear_nowhere(keys: OAuthKeys | SigningKeys, status: str, caplog: pytest.LogCaptureFixture) -> None:
    """A server that echoes everything gets no secret into an error, a log or a representation."""
    caplog.set_level(logging.DEBUG)
    with echo(status) as server:
        source = Source(server.url, keys=keys)
        error = source.failure()

    shown = f"{error} {error!r} {error.detail} {error.request_id} {caplog.text} {keys!r} {source!r}"
    for secret in ("s3cr", "t0ken.of.ours", SIMULATOR_ACCESS_KEY, SIMULATOR_APP_KEY, SIMULATOR_SECRET_KEY):
        assert secret not in shown
    assert "[redacted]" in shown
    assert not re.search(r"[A-Za-z0-9+/]{27}=", shown), "the signature of the request"
    assert error.__suppress_context__


def test_the_parts_that_hold_secrets_do_not_show_them() -> None:
    """No representation of keys, tokens, grants and requests shows what they hold."""
    grant = parse_token(answer({"access_token": "s3cret", "expires_in": 5}), now=NOON)
    request = Request(url="https://mimecast.example", headers={"Authorization": "s3cret"}, body=b"s3cret")
    signing = SigningKeys(app_id="s3cret", app_key="s3cret", access_key="s3cret", secret_key="s3cret")
    oauth = OAuthKeys(client_id="s3cret", client_secret="s3cret")
    token = Token(text="s3cret", renew_at=5.0)

    assert "s3cret" not in repr((grant, request, signing, oauth, token))
    assert b"s3cret" in token_body(oauth)


def test_foreign_text_is_tamed() -> None:
    """What a server says is one short line without control characters."""
    message = "a\r\nb\x1b[31m\u202e\ud800 " + "x" * 5000
    reply = http_bytes(json.dumps({"fail": [{"code": "E", "message": message}]}).encode(), status="400 Bad")
    with RawServer(saying(reply)) as server:
        error = Source(server.url, keys=SIGNING).failure()

    assert error.detail.startswith("HTTP 400 (E: a b [31m xxx")
    assert (len(error.detail), error.detail[-1], error.detail.isprintable()) == (240, "…", True)


def test_every_exchange_is_logged_with_its_ids(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """At debug level each answer leaves the id that was sent and the id that came back; a retry is a warning."""
    caplog.set_level(logging.DEBUG, logger="alerter.sources.mimecast")
    simulator.misbehave(Misbehaviour.UNAVAILABLE, times=1)

    Source(simulator.base_url, keys=SIGNING).fetch()

    first, retried, second = [record.getMessage() for record in caplog.records if record.name.startswith("alerter")]
    ids = r"sent_id=[0-9a-f-]{36} request_id=[0-9a-f-]{36}"
    pattern = rf"mimecast answered tenant=acme path={SUMMARY_PATH} status=\d+ body_bytes=\d+ {ids}"
    assert re.fullmatch(pattern, first)
    assert re.fullmatch(pattern, second)
    pattern = (
        r"mimecast request retried tenant=acme cause=mimecast_error request_id=[0-9a-f-]{36} wait_seconds=1.0: HTTP 503"
        r" \(a page titled 'Nothing here'\)"
    )
    assert re.fullmatch(pattern, retried)
    assert [record.levelname for record in caplog.records if record.name.startswith("alerter")] == [
        "DEBUG",
        "WARNING",
        "DEBUG",
    ]


@pytest.mark.parametrize(
    "base_url",
    [
        pytest.param("http://api.services.mimecast.com", id="http to another machine"),
        pytest.param("http://localhost.evil.example", id="http to something like this machine"),
        pytest.param("ftp://127.0.0.1", id="another scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https://user:s3cret@mimecast.example", id="a password"),
        pytest.param("https://mimecast.example/?a=b", id="a query"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(base_url: str) -> None:
    """Keys go over HTTPS only, unless they stay on this machine."""
    with pytest.raises(ValueError, match="base_url must be https://host") as caught:
        Source(base_url)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://[s3cret", "https://mimecast.example:s3cret", "https://host:99999"])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    """What cannot be read as an address is not quoted."""
    with pytest.raises(ValueError, match="got something that is no address"):
        Source(base_url)


def test_loopback_may_be_http() -> None:
    """The simulator needs no certificate, by name, IPv4 or IPv6."""
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]"):
        Source(f"http://{host}:1")


def test_regions_have_their_documented_hosts() -> None:
    """Regions are names for https addresses; the public sector's has a domain of its own."""
    assert list(REGIONS_V2) == ["global", "uk", "us"]
    assert REGIONS_V1["uspcom"] == "https://uspcom-api.mimecast-pscom-us.com"
    for address in (*REGIONS_V1.values(), *REGIONS_V2.values()):
        Source(address)
