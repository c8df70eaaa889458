"""The Mimecast adapter against a second, independent server that follows Mimecast's documents to the letter.

Whatever it answers, either a snapshot is proven or the poll fails with the right cause, in words that an administrator
can act on, and through the pipeline nothing is stored and nothing is resolved.
"""

import logging
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import make_url

from alerter.core.alerts import AlertState
from alerter.core.series import Tenant
from alerter.errors import Cause, RateLimited, SourceError
from alerter.jobs.poll import poll
from alerter.jobs.ports import Source
from alerter.redaction import Redactor
from alerter.sources.mimecast import Limits, MimecastSource, OAuthKeys, SigningKeys
from alerter.storage import Store
from tests.builders import NOON, a_level, a_policy, a_rule
from tests.fakes import FakeClock
from tests.sources import by_the_book as book
from tests.sources.by_the_book import MISBEHAVIOURS, ByTheBook, rows, serving

ACME = Tenant("acme")
OAUTH = OAuthKeys(client_id=book.CLIENT_ID, client_secret=book.CLIENT_SECRET)
SIGNING = SigningKeys(app_id=book.APP_ID, app_key=book.APP_KEY, access_key=book.ACCESS_KEY, secret_key=book.SECRET_KEY)
BOTH_VERSIONS = [pytest.param(OAUTH, id="API 2.0"), pytest.param(SIGNING, id="API 1.0")]

#: Above the rule's limit of 100: whatever is read instead of it would resolve the alert.
HELD = rows([("Default Spam Scanning Definition", 250), ("Anhang zurückgehalten 📎", "12"), ("  ", 3)])
COUNTS = {"Default Spam Scanning Definition": 250, "Anhang zurückgehalten 📎": 12, "(no reason given)": 3}

PATIENT = Limits(timeout=timedelta(seconds=10), max_body_bytes=256 * 1024, retry_wait=timedelta(milliseconds=5))
HASTY = Limits(timeout=timedelta(milliseconds=300), retry_wait=timedelta(milliseconds=5))
SLOW = {"no answer", "a dripping body", "dripping headers", "token: no answer"}

WEB_PAGE = "a web page where JSON was expected"
NO_NUMBER = "row 1: numberOfItems must be a whole number"
NO_TOKEN = "/oauth/token: the token answer must have a text access_token"

#: What each misbehaviour is, and words that its detail must hold.
EXPECTED: dict[str, tuple[Cause, str]] = {
    "400 with an empty body": (Cause.MIMECAST_ERROR, "HTTP 400"),
    "401 flat token_expired": (Cause.WRONG_KEYS, "HTTP 401 (token_expired: Token is expired)"),
    "401 flat Unauthorized Request": (Cause.WRONG_KEYS, "HTTP 401 (Unauthorized Request: "),
    "401 with an empty body": (Cause.WRONG_KEYS, "HTTP 401"),
    "401 nested invalid signature": (Cause.WRONG_KEYS, "err_xdk_invalid_signature: 0004 Invalid Signature"),
    "403 app_forbidden": (Cause.PRODUCT_MISSING, "HTTP 403 (app_forbidden: method does not exist in any product"),
    "403 for the role": (Cause.PERMISSION_MISSING, "HTTP 403 (forbidden: insufficient permissions)"),
    "403 nested forbidden for address": (Cause.PERMISSION_MISSING, "0003 Operation forbidden"),
    "404 in HTML": (Cause.WRONG_HOST, "HTTP 404"),
    "404 in JSON": (Cause.WRONG_HOST, "HTTP 404"),
    "405": (Cause.WRONG_HOST, "HTTP 405"),
    "409": (Cause.MIMECAST_ERROR, "HTTP 409"),
    "418 binding expired": (Cause.KEYS_EXPIRED, "HTTP 418 (err_xdk_binding_expired: AccessKey Has Expired)"),
    "429 with reset in milliseconds": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 with reset in epoch seconds": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 with reset in epoch milliseconds": (Cause.RATE_LIMITED, "HTTP 429; it asks to wait 90 s"),
    "429 with reset in words": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 with an absurd reset": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 without a reset": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 with Retry-After": (Cause.RATE_LIMITED, "HTTP 429"),
    "429 with detail only": (Cause.RATE_LIMITED, "Over throttling limit (10000/hour)"),
    "500": (Cause.MIMECAST_ERROR, "HTTP 500"),
    "502 in HTML": (Cause.MIMECAST_ERROR, "HTTP 502"),
    "503": (Cause.MIMECAST_ERROR, "HTTP 503"),
    "204 without a body": (Cause.NOT_UNDERSTOOD, "HTTP 204"),
    "200 with err_developer_key always": (Cause.WRONG_KEYS, "err_developer_key: App ID is invalid: "),
    "200 with another failure": (Cause.MIMECAST_ERROR, "err_folder_group_not_found: no such group"),
    "200 with rows and a failure": (Cause.MIMECAST_ERROR, "err_partial: timed out"),
    "200 with a failure of unknown shape": (Cause.MIMECAST_ERROR, "an error without code and message"),
    "200 with meta.status 403": (Cause.PERMISSION_MISSING, "meta.status 403"),
    "200 with meta.status 500": (Cause.MIMECAST_ERROR, "meta.status 500"),
    "200 without meta": (Cause.NOT_UNDERSTOOD, "meta.status must be a number, got nothing"),
    "200 without fail": (Cause.NOT_UNDERSTOOD, "fail must be an empty list, got nothing"),
    "200 with detail only": (Cause.NOT_UNDERSTOOD, "(try again)"),
    "an empty body": (Cause.NOT_UNDERSTOOD, "the body must be a JSON object, got an empty one"),
    "the page of a captive portal": (Cause.WRONG_HOST, WEB_PAGE),
    "JSON cut short": (Cause.NOT_UNDERSTOOD, "Unterminated string starting at character 171"),
    "JSON nested too deeply": (Cause.NOT_UNDERSTOOD, "nested too deeply"),
    "invalid UTF-8": (Cause.NOT_UNDERSTOOD, "no UTF-8 at byte 126"),
    "a JSON list": (Cause.NOT_UNDERSTOOD, "the body must be a JSON object, got a list"),
    "JSON null": (Cause.NOT_UNDERSTOOD, "the body must be a JSON object, got nothing"),
    "data missing": (Cause.NOT_UNDERSTOOD, "data must be a list, got nothing"),
    "data null": (Cause.NOT_UNDERSTOOD, "data must be a list, got nothing"),
    "data an object": (Cause.NOT_UNDERSTOOD, "data must be a list, got an object"),
    "a row that is no object": (Cause.NOT_UNDERSTOOD, "row 1 must be an object, got a text"),
    "policyInfo missing": (Cause.NOT_UNDERSTOOD, "row 1: policyInfo must be a text, got nothing"),
    "policyInfo null": (Cause.NOT_UNDERSTOOD, "row 1: policyInfo must be a text, got nothing"),
    "policyInfo a number": (Cause.NOT_UNDERSTOOD, "row 1: policyInfo must be a text, got a whole number"),
    "numberOfItems missing": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got nothing"),
    "numberOfItems null": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got nothing"),
    "numberOfItems true": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got true or false"),
    "numberOfItems 1.5": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a number with a fraction"),
    "numberOfItems 7.0": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a number with a fraction"),
    "numberOfItems NaN": (Cause.NOT_UNDERSTOOD, "NaN is no JSON number"),
    "numberOfItems -1": (Cause.NOT_UNDERSTOOD, "row 1: numberOfItems must be from 0 to 2^53, got less"),
    "numberOfItems '-1'": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "numberOfItems '12abc'": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "numberOfItems ''": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "numberOfItems '1_000'": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "numberOfItems '²'": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "numberOfItems 2^53+1": (Cause.NOT_UNDERSTOOD, "row 1: numberOfItems must be from 0 to 2^53, got more"),
    "numberOfItems of 400 digits": (Cause.NOT_UNDERSTOOD, "row 1: numberOfItems must be from 0 to 2^53, got more"),
    "numberOfItems of 5000 digits": (Cause.NOT_UNDERSTOOD, "5000 digits"),
    "numberOfItems '999…' of 5000 digits": (Cause.NOT_UNDERSTOOD, f"{NO_NUMBER}, got a text that is none"),
    "the sum of a name's rows beyond 2^53": (Cause.NOT_UNDERSTOOD, "row 2: the rows of one name add up to more"),
    "a name with NUL": (Cause.NOT_UNDERSTOOD, "row 1: policyInfo must be storable text, got a NUL"),
    "a name with a lone surrogate": (Cause.NOT_UNDERSTOOD, "row 1: policyInfo must be storable text"),
    "a name of 5000 characters": (Cause.NOT_UNDERSTOOD, "at most 1000 characters, got 5000"),
    "one bad row among good ones": (Cause.NOT_UNDERSTOOD, "row 3: numberOfItems"),
    "a further page": (Cause.NOT_UNDERSTOOD, "meta.pagination.next names a further page"),
    "a redirect to another host": (Cause.WRONG_HOST, "redirects to login.portal.invalid, which is not followed"),
    "a redirect to itself": (Cause.WRONG_HOST, "redirects to 127.0.0.1, which is not followed"),
    "a reset before the answer": (Cause.UNREACHABLE, "connection reset by peer"),
    "a reset within the body": (Cause.UNREACHABLE, "connection reset by peer"),
    "a body shorter than announced": (Cause.UNREACHABLE, "the answer was cut off"),
    "a dripping body": (Cause.TIMEOUT, "no complete answer within 0.1"),
    "dripping headers": (Cause.TIMEOUT, "no complete answer within 0.1"),
    "no answer": (Cause.TIMEOUT, "no complete answer within 0.1"),
    "a body without end": (Cause.NOT_UNDERSTOOD, "the answer is larger than 262144 bytes"),
    "a gzip bomb": (Cause.NOT_UNDERSTOOD, "the answer is larger than 262144 bytes"),
    "gzip that is none": (Cause.NOT_UNDERSTOOD, "the compressed body cannot be decoded"),
    "no HTTP at all": (Cause.WRONG_HOST, "the host does not speak HTTP as it should"),
    "token: 401 invalid_client": (Cause.WRONG_KEYS, "/oauth/token: HTTP 401 (invalid_client)"),
    "token: 400 invalid_client": (Cause.WRONG_KEYS, "/oauth/token: HTTP 400 (invalid_client)"),
    "token: 401 flat": (Cause.WRONG_KEYS, "/oauth/token: HTTP 401 (InvalidClientIdentifier: Client is invalid)"),
    "token: 404": (Cause.WRONG_HOST, "/oauth/token: HTTP 404"),
    "token: 429": (Cause.RATE_LIMITED, "/oauth/token: HTTP 429"),
    "token: 503": (Cause.MIMECAST_ERROR, "/oauth/token: HTTP 503"),
    "token: the page of a captive portal": (Cause.WRONG_HOST, f"/oauth/token: HTTP 200 with {WEB_PAGE}"),
    "token: a redirect": (Cause.WRONG_HOST, "redirects to portal.invalid, which is not followed"),
    "token: no access_token": (Cause.NOT_UNDERSTOOD, f"{NO_TOKEN}, got nothing"),
    "token: access_token null": (Cause.NOT_UNDERSTOOD, f"{NO_TOKEN}, got nothing"),
    "token: access_token with a line break": (Cause.NOT_UNDERSTOOD, f"{NO_TOKEN}, got one that fits into no header"),
    "token: access_token outside ASCII": (Cause.NOT_UNDERSTOOD, f"{NO_TOKEN}, got one that fits into no header"),
    "token: expires_in in words": (Cause.NOT_UNDERSTOOD, "must have expires_in in seconds, got a text"),
    "token: expires_in beyond any time": (Cause.NOT_UNDERSTOOD, "an expires_in between 0 and a year"),
    "token: expires_in of 400 digits": (Cause.NOT_UNDERSTOOD, "an expires_in between 0 and a year"),
    "token: expires_in negative": (Cause.NOT_UNDERSTOOD, "an expires_in between 0 and a year"),
    "token: a JSON list": (Cause.NOT_UNDERSTOOD, "the body must be a JSON object, got a list"),
    "token: no answer": (Cause.TIMEOUT, "no complete answer within 0.1"),
    "an echo of what was sent": (Cause.WRONG_KEYS, "HTTP 401 (refused "),
    "an echo of what was sent, in HTML": (Cause.MIMECAST_ERROR, "HTTP 502"),
    "token: an echo of what was sent": (Cause.WRONG_KEYS, "/oauth/token: HTTP 401 (refused "),
    "token: an echo of what was sent, in HTML": (Cause.MIMECAST_ERROR, "/oauth/token: HTTP 502"),
}
#: What one more try mends.
PASSING = {"200 with err_developer_key once", "500 once", "401 flat once"}

POLICY = a_policy(a_rule(warning=a_level(above=100)))
SUMMARY_CASES = [name for name in EXPECTED if MISBEHAVIOURS[name].path == book.SUMMARY_PATH]


@pytest.fixture
def clock() -> FakeClock:
    """Return the time of both sides."""
    return FakeClock(NOON)


@pytest.fixture
def mimecast(clock: FakeClock) -> Iterator[ByTheBook]:
    """Yield a strict Mimecast that holds mail, over plain HTTP."""
    with serving(ByTheBook(clock, list(HELD))) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return somebody who issues certificates."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return the issuer of certificates that this machine trusts, as `REQUESTS_CA_BUNDLE` makes it."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return authority


def source_at(
    base_url: str,
    clock: FakeClock,
    keys: OAuthKeys | SigningKeys = OAUTH,
    limits: Limits = PATIENT,
    redactor: Redactor | None = None,
) -> MimecastSource:
    """Return alerter's side of the account."""
    return MimecastSource(
        tenant=ACME,
        base_url=base_url,
        keys=keys,
        clock=clock,
        monotonic=time.monotonic,  # noqa: TID251 - a deadline must really pass
        stop=threading.Event(),
        limits=limits,
        redactor=redactor,
    )


def failure_of(source: MimecastSource) -> SourceError:
    """Return why a fetch fails."""
    with pytest.raises(SourceError) as caught:
        source.fetch()
    return caught.value


def tls_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def limits_for(name: str) -> Limits:
    """Return limits that end a misbehaviour soon: real ones would wait half a minute for those that hang."""
    return HASTY if name in SLOW else PATIENT


# both versions, to the letter


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_a_good_answer_is_the_snapshot_of_that_moment(
    mimecast: ByTheBook, clock: FakeClock, keys: OAuthKeys | SigningKeys
) -> None:
    """Names come verbatim, digits in quotes count, a blank name gets a label, and the server has no complaint."""
    snapshot = source_at(mimecast.base_url, clock, keys).fetch()

    assert (snapshot.tenant, snapshot.taken_at, dict(snapshot.counts)) == (ACME, NOON, COUNTS)
    assert mimecast.complaints == []


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_an_empty_queue_is_a_snapshot_without_reasons(
    mimecast: ByTheBook, clock: FakeClock, keys: OAuthKeys | SigningKeys
) -> None:
    """A good answer without rows proves that nothing is held."""
    mimecast.held = []

    assert dict(source_at(mimecast.base_url, clock, keys).fetch().counts) == {}


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_rows_of_the_same_name_are_summed(mimecast: ByTheBook, clock: FakeClock, keys: OAuthKeys | SigningKeys) -> None:
    """Two definitions may carry one name; their messages are all held."""
    mimecast.held = rows([("Spam", 40), ("Graymail", 1), ("Spam", 2)])

    assert dict(source_at(mimecast.base_url, clock, keys).fetch().counts) == {"Spam": 42, "Graymail": 1}


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_ten_thousand_rows_are_one_snapshot(
    mimecast: ByTheBook, clock: FakeClock, keys: OAuthKeys | SigningKeys
) -> None:
    """No cap on the summary is documented."""
    mimecast.held = rows((f"Definition {number}", number) for number in range(10_000))

    counts = source_at(mimecast.base_url, clock, keys, Limits()).fetch().counts

    assert (len(counts), sum(counts.values())) == (10_000, sum(range(10_000)))


@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_it_works_over_tls(trusted: trustme.CA, clock: FakeClock, keys: OAuthKeys | SigningKeys) -> None:
    """A certificate of a trusted authority for the right host is all that it takes."""
    with serving(ByTheBook(clock, list(HELD)), tls=tls_with(trusted.issue_cert("127.0.0.1"))) as mimecast:
        counts = source_at(mimecast.base_url, clock, keys).fetch().counts

    assert dict(counts) == COUNTS


def test_a_token_serves_until_shortly_before_its_end(mimecast: ByTheBook, clock: FakeClock) -> None:
    """A token is asked for once, and again before Mimecast would refuse it."""
    seconds = 0.0
    source = MimecastSource(
        tenant=ACME, base_url=mimecast.base_url, keys=OAUTH, clock=clock, monotonic=lambda: seconds,
        stop=threading.Event(), limits=PATIENT,
    )  # fmt: skip
    for _ in range(12):
        source.fetch()
        clock.forward("5m")
        seconds += 300

    assert mimecast.requests.count(book.TOKEN_PATH) == 2
    assert mimecast.complaints == []


def test_each_signature_is_fresh(mimecast: ByTheBook, clock: FakeClock) -> None:
    """A retry is signed anew: the same id would be a replay."""
    mimecast.misbehave("500 once")

    source_at(mimecast.base_url, clock, SIGNING).fetch()

    assert (len(mimecast.request_ids), mimecast.complaints) == (2, [])


# misbehaviours


def test_every_misbehaviour_has_an_expectation() -> None:
    """The table is complete."""
    assert set(EXPECTED) | PASSING == set(MISBEHAVIOURS)


@pytest.mark.parametrize("name", sorted(PASSING))
def test_a_passing_failure_is_tried_once_more(mimecast: ByTheBook, clock: FakeClock, name: str) -> None:
    """What is known to pass by itself costs no poll."""
    mimecast.misbehave(name)

    snapshot = source_at(mimecast.base_url, clock).fetch()

    assert dict(snapshot.counts) == COUNTS
    assert mimecast.requests.count(book.SUMMARY_PATH) == 2


def test_a_refused_token_is_renewed_once_and_no_more(mimecast: ByTheBook, clock: FakeClock) -> None:
    """Keys that stay refused are not tried for ever."""
    mimecast.misbehave("401 flat token_expired")

    failure_of(source_at(mimecast.base_url, clock))

    assert mimecast.requests == [book.TOKEN_PATH, book.SUMMARY_PATH] * 2


@pytest.mark.parametrize("name", SUMMARY_CASES)
def test_a_misbehaviour_has_its_cause_on_api_1(mimecast: ByTheBook, clock: FakeClock, name: str) -> None:
    """Each fails with its cause, says what was found, and asks at most twice."""
    cause, words = EXPECTED[name]
    mimecast.misbehave(name)

    error = failure_of(source_at(mimecast.base_url, clock, SIGNING, limits_for(name)))

    assert (error.cause, mimecast.complaints) == (cause, [])
    assert words in error.detail
    assert len(mimecast.requests) <= 2


@pytest.mark.parametrize("name", EXPECTED)
def test_a_misbehaviour_stores_and_resolves_nothing(
    mimecast: ByTheBook, clock: FakeClock, sqlite_url: str, name: str
) -> None:
    """On API 2.0 each ends in a failed poll; the alert before it keeps firing, and the next poll is good."""
    with closing(Store(sqlite_url)) as store:
        poll_well(store, source_at(mimecast.base_url, clock), clock)
        before = everything_in(sqlite_url)
        mimecast.misbehave(name)
        source = source_at(mimecast.base_url, clock, limits=limits_for(name))

        error = failed_poll(store, source, clock)

        cause, words = EXPECTED[name]
        assert (error.cause, mimecast.complaints) == (cause, [])
        assert words in error.detail
        assert everything_in(sqlite_url) == before
        assert firing_in(store) == ["Default Spam Scanning Definition"]
        mimecast.behave()
        if cause is not Cause.RATE_LIMITED:
            assert dict(source_at(mimecast.base_url, clock).fetch().counts) == COUNTS


@pytest.mark.parametrize("name", sorted(SLOW))
def test_no_answer_outlasts_the_deadline(mimecast: ByTheBook, clock: FakeClock, name: str) -> None:
    """A server that drips or hangs keeps nobody longer than the fetch may take."""
    mimecast.misbehave(name)
    began = time.monotonic()  # noqa: TID251 - a deadline must really pass

    failure_of(source_at(mimecast.base_url, clock, limits=HASTY))

    assert time.monotonic() - began < 30 * HASTY.timeout.total_seconds()  # noqa: TID251 - a deadline must really pass


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("429 with reset in milliseconds", timedelta(seconds=90)),
        ("429 with reset in epoch seconds", timedelta(seconds=90)),
        ("429 with reset in epoch milliseconds", timedelta(seconds=90)),
        ("429 with Retry-After", timedelta(seconds=90)),
        ("token: 429", timedelta(seconds=90)),
        ("429 with reset in words", None),
        ("429 with an absurd reset", None),
        ("429 without a reset", None),
        ("429 with detail only", None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(
    mimecast: ByTheBook, clock: FakeClock, name: str, wait: timedelta | None
) -> None:
    """Whatever unit the reset is in, the wait is the same; where it is not told, none is made up."""
    mimecast.misbehave(name)

    error = failure_of(source_at(mimecast.base_url, clock))

    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_no_request_is_made_while_a_rate_limit_lasts(mimecast: ByTheBook, clock: FakeClock) -> None:
    """Mimecast asks its clients to wait at least as long as it says."""
    mimecast.misbehave("429 with reset in milliseconds")
    source = source_at(mimecast.base_url, clock)
    failure_of(source)
    asked = len(mimecast.requests)
    mimecast.behave()

    error = failure_of(source)

    assert (error.cause, len(mimecast.requests)) == (Cause.RATE_LIMITED, asked)


# clocks and wrong keys


@pytest.mark.parametrize(
    ("minutes", "words"), [(20, "this machine is 20m ahead of Mimecast"), (-20, "this machine is 20m behind Mimecast")]
)
def test_a_refused_signature_of_another_time_is_the_clocks_fault(minutes: int, words: str) -> None:
    """The server's own Date says how far off this machine is, and the error says it in words."""
    ahead = FakeClock(NOON + timedelta(minutes=minutes))
    with serving(ByTheBook(FakeClock(NOON), list(HELD))) as mimecast:
        error = failure_of(source_at(mimecast.base_url, ahead, SIGNING))

    assert error.cause is Cause.CLOCK_SKEW
    assert words in error.detail


def test_api_2_does_not_mind_the_clock() -> None:
    """Tokens carry no time of ours: a wrong clock alone fails no poll."""
    with serving(ByTheBook(FakeClock(NOON), list(HELD))) as mimecast:
        snapshot = source_at(mimecast.base_url, FakeClock(NOON + timedelta(minutes=20))).fetch()

    assert dict(snapshot.counts) == COUNTS


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(OAuthKeys(client_id=book.CLIENT_ID, client_secret="other"), id="client_secret"),
        pytest.param(OAuthKeys(client_id="other", client_secret=book.CLIENT_SECRET), id="client_id"),
        pytest.param(
            SigningKeys(app_id="other", app_key=book.APP_KEY, access_key=book.ACCESS_KEY, secret_key=book.SECRET_KEY),
            id="app_id",
        ),
        pytest.param(
            SigningKeys(app_id=book.APP_ID, app_key="other", access_key=book.ACCESS_KEY, secret_key=book.SECRET_KEY),
            id="app_key",
        ),
        pytest.param(
            SigningKeys(app_id=book.APP_ID, app_key=book.APP_KEY, access_key="other", secret_key=book.SECRET_KEY),
            id="access_key",
        ),
        pytest.param(
            SigningKeys(app_id=book.APP_ID, app_key=book.APP_KEY, access_key=book.ACCESS_KEY, secret_key="b3RoZXI="),
            id="secret_key",
        ),
    ],
)
def test_any_wrong_key_is_wrong_keys(mimecast: ByTheBook, clock: FakeClock, keys: OAuthKeys | SigningKeys) -> None:
    """An unknown application comes as HTTP 200 with an empty list, the others as 401; none is an empty queue."""
    assert failure_of(source_at(mimecast.base_url, clock, keys)).cause is Cause.WRONG_KEYS


# the way to the host


def test_an_unknown_authority_is_a_tls_failure(authority: trustme.CA, clock: FakeClock, sqlite_url: str) -> None:
    """A proxy that inspects TLS, say."""
    error = cannot_reach(tls_with(authority.issue_cert("127.0.0.1")), clock, sqlite_url)

    assert error.cause is Cause.TLS
    assert "the certificate is refused: unable to get local issuer certificate" in error.detail


def test_a_certificate_for_another_host_is_a_tls_failure(
    trusted: trustme.CA, clock: FakeClock, sqlite_url: str
) -> None:
    """The detail names both sides of the mismatch."""
    error = cannot_reach(tls_with(trusted.issue_cert("mail.example.net")), clock, sqlite_url)

    assert error.cause is Cause.TLS
    assert "IP address mismatch" in error.detail


def test_an_expired_certificate_is_a_tls_failure(trusted: trustme.CA, clock: FakeClock, sqlite_url: str) -> None:
    """The detail says that it has expired, so that nobody looks for another fault."""
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
    expired = trusted.issue_cert("127.0.0.1", not_before=begin, not_after=end)

    error = cannot_reach(tls_with(expired), clock, sqlite_url)

    assert error.cause is Cause.TLS
    assert "certificate has expired" in error.detail


def test_plain_http_where_tls_is_expected_is_a_tls_failure(
    mimecast: ByTheBook, clock: FakeClock, sqlite_url: str
) -> None:
    """The host answers, but not with a handshake."""
    error = fails_at(mimecast.base_url.replace("http://", "https://"), clock, sqlite_url)

    assert error.cause is Cause.TLS
    assert "no TLS connection" in error.detail


def test_a_closed_port_is_unreachable(clock: FakeClock, sqlite_url: str) -> None:
    """Nobody listens."""
    with serving(ByTheBook(clock)) as gone:
        pass

    error = fails_at(gone.base_url, clock, sqlite_url)

    assert (error.cause, error.detail) == (Cause.UNREACHABLE, "no connection to the host: connection refused")


def test_a_name_that_does_not_resolve_is_a_dns_failure(
    clock: FakeClock, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt host, or no DNS."""
    resolve = socket.getaddrinfo

    def answers(host: str, *args: Any, **kwargs: Any) -> object:  # noqa: ANN401 - the resolver's own signature
        # Asking a real name server could take longer than the fetch, and leaves this machine.
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answers)

    error = fails_at("https://api.mimecast.invalid", clock, sqlite_url)

    assert error.cause is Cause.DNS
    assert "the host name does not resolve" in error.detail


# secrets


@pytest.mark.parametrize("name", [name for name in EXPECTED if "echo" in name])
@pytest.mark.parametrize("keys", BOTH_VERSIONS)
def test_an_echoed_secret_is_told_to_nobody(
    mimecast: ByTheBook, clock: FakeClock, caplog: pytest.LogCaptureFixture, keys: OAuthKeys | SigningKeys, name: str
) -> None:
    """Keys, tokens and signatures that a server quotes, as they are or encoded, reach neither error nor log."""
    if keys is SIGNING and name.startswith("token: "):
        return
    caplog.set_level(logging.DEBUG)
    mimecast.misbehave(name)

    error = failure_of(source_at(mimecast.base_url, clock, keys))

    notified = f"{error} {error.detail} {error.request_id} {error!r} {caplog.text}".casefold()
    assert "401" in notified or "502" in notified
    assert [secret for secret in secrets_of(mimecast) if secret.casefold() in notified] == []


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("s3cr3t-pasted-with-a-line-end\n", id="a line end"),
        pytest.param("  s3cr3t   between  spaces ", id="spaces"),
        pytest.param('s3cr3t"with\\quotes', id="quotes"),
        pytest.param("s3cr3t-with-ümlaut-STRAẞE", id="letters outside ASCII"),
        pytest.param("UPPER%2fs3cr3t+and/slash", id="percent signs"),
    ],
)
def test_a_mangled_secret_is_told_to_nobody(
    mimecast: ByTheBook,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    secret: str,
) -> None:
    """A secret that was pasted with more than it is, or holds what encodings change, is redacted in each form."""
    mimecast.client_secret = secret
    keys = OAuthKeys(client_id=book.CLIENT_ID, client_secret=secret)
    caplog.set_level(logging.DEBUG)
    mimecast.misbehave("token: an echo of what was sent")

    error = failure_of(source_at(mimecast.base_url, clock, keys))

    notified = f"{error} {error!r} {error.request_id} {caplog.text}".casefold()
    assert "[redacted]" in notified
    assert "s3cr3t" not in notified


def test_the_log_knows_the_token_as_long_as_it_is_one(mimecast: ByTheBook, clock: FakeClock) -> None:
    """Whoever shares the redactor shows no key and no token; a token that was given up is no secret any more."""
    redactor = Redactor()
    source = source_at(mimecast.base_url, clock, redactor=redactor)
    source.fetch()
    (token,) = mimecast.tokens
    secrets = [book.CLIENT_ID, book.CLIENT_SECRET, token]

    held = [redactor.redacted(secret) for secret in secrets]
    source.close()

    assert held == ["[redacted]"] * 3
    assert redactor.redacted(token) == token


def secrets_of(mimecast: ByTheBook) -> list[str]:
    """Return everything that must stay secret, in every form in which it was sent."""
    keys = [book.CLIENT_SECRET, "s3cr3t", book.APP_KEY, book.ACCESS_KEY, book.SECRET_KEY]
    return [*keys, *mimecast.tokens, *mimecast.sent_signatures]


# through the pipeline


def poll_well(store: Store, source: Source, clock: FakeClock) -> None:
    """Poll five minutes ago, so that an alert fires."""
    clock.now = NOON - timedelta(minutes=5)
    cycle = poll(ACME, source, store, POLICY, clock=clock)
    clock.now = NOON
    assert [transition.to_state for transition in cycle.transitions] == [AlertState.FIRING]


def failed_poll(store: Store, source: Source, clock: FakeClock) -> SourceError:
    """Poll, and return why it failed; nothing must have changed, and nobody is told."""
    cycle = poll(ACME, source, store, POLICY, clock=clock)

    assert (cycle.snapshot, cycle.transitions, cycle.messages) == (None, (), ())
    assert cycle.error is not None
    with store.read() as reader:
        failure = reader.polls.status(ACME).failure
    assert failure is not None
    assert (failure.last_failed_at, failure.cause, failure.detail) == (NOON, cycle.error.cause, cycle.error.detail)
    return cycle.error


def fails_at(base_url: str, clock: FakeClock, sqlite_url: str) -> SourceError:
    """Return why a poll at this address fails, after a good one elsewhere of which everything must stay."""
    with closing(Store(sqlite_url)) as store:
        with serving(ByTheBook(clock, list(HELD))) as good:
            poll_well(store, source_at(good.base_url, clock), clock)
        before = everything_in(sqlite_url)

        error = failed_poll(store, source_at(base_url, clock), clock)

        assert everything_in(sqlite_url) == before
        assert firing_in(store) == ["Default Spam Scanning Definition"]
    return error


def cannot_reach(tls: ssl.SSLContext, clock: FakeClock, sqlite_url: str) -> SourceError:
    """Return why a poll of a server with this TLS fails; it must get no request to read."""
    with serving(ByTheBook(clock, list(HELD)), tls=tls) as mimecast:
        error = fails_at(mimecast.base_url, clock, sqlite_url)
    assert mimecast.requests == []
    return error


def firing_in(store: Store) -> list[str]:
    """Return the reasons whose alerts fire."""
    with store.read() as reader:
        return [alert.key.reason for alert in reader.alerts.load() if alert.is_firing]


def everything_in(sqlite_url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the file but those of failed polls, past alerter's own reading."""
    tables = (
        "series",
        "count_changes",
        "coverage",
        "alerts",
        "transitions",
        "notification_states",
        "messages",
        "deliveries",
    )
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - ours
