"""Mimecast's API as the simulator plays it: what a request must have, what answers it, and how it misbehaves."""

import base64
import hmac
import json
import re
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qs

from alerter.simulator.scenario import DAY, PHASE

#: Takes messages as Apprise's json:// sends them, so that a receiver is at hand as well.
INBOX_PATH = "/inbox"


TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path


SUMMARY_PATH = "/api/gateway/get-hold-summary-list"


#: The demo's keys: plainly no one's.
SIMULATOR_CLIENT_ID = "simulated-client-id"


SIMULATOR_CLIENT_SECRET = "simulated-client-secret"  # noqa: S105 - opens nothing but the simulator


SIMULATOR_APP_ID = "00000000-51b0-4a7e-0000-simulated000"


SIMULATOR_APP_KEY = "simulated-app-key"


SIMULATOR_ACCESS_KEY = "simulated-access-key"


SIMULATOR_SECRET_KEY = base64.b64encode(b"simulated secret key").decode()


#: How far a signature's date may be from the simulator's clock (Mimecast states no window; this is the usual one).
DATE_TOLERANCE = timedelta(minutes=15)


#: How long a token lives; Mimecast's answers say so.
TOKEN_LIFETIME = timedelta(seconds=1799)


#: The request ids that are remembered, to refuse a second use.
_REMEMBERED_IDS = 10_000


MAX_BODY_BYTES = 65_536


class Misbehaviour(StrEnum):
    """What the simulator can do wrong on request: at least one for each cause that a request can meet.

    Two causes come before any request, so that no server can play them: DNS (a name that does not resolve) and TLS
    (`https://` to the simulator's port, which speaks plain HTTP). `CLOCK_SKEW` is a matter of API 1.0's signatures.
    """

    WRONG_KEYS = "wrong_keys"
    WRONG_CLIENT = "wrong_client"
    KEYS_EXPIRED = "keys_expired"
    PRODUCT_MISSING = "product_missing"
    PERMISSION_MISSING = "permission_missing"
    RATE_LIMITED = "rate_limited"
    WRONG_HOST = "wrong_host"
    REDIRECT = "redirect"
    RESET = "reset"
    TIMEOUT = "timeout"
    DRIP = "drip"
    CLOCK_SKEW = "clock_skew"
    MIMECAST_ERROR = "mimecast_error"
    UNAVAILABLE = "unavailable"
    FAIL_200 = "fail_200"
    EXPLODE = "explode"
    WEB_PAGE = "web_page"
    EMPTY = "empty"
    ODD_ROWS = "odd_rows"
    NEXT_PAGE = "next_page"
    ODD_TOKEN = "odd_token"  # noqa: S105 - a name


#: Every other misbehaviour is the hold summary's.
OF_TOKENS = frozenset({Misbehaviour.WRONG_CLIENT, Misbehaviour.ODD_TOKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorKeys:
    """The keys of both API versions that the simulator accepts."""

    client_id: str = SIMULATOR_CLIENT_ID
    client_secret: str = SIMULATOR_CLIENT_SECRET
    app_id: str = SIMULATOR_APP_ID
    app_key: str = SIMULATOR_APP_KEY
    access_key: str = SIMULATOR_ACCESS_KEY
    secret_key: str = SIMULATOR_SECRET_KEY


#: Those of the demo's account.
DEMO_KEYS = SimulatorKeys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to send."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_reply(status: int, value: object, **headers: str) -> Reply:
    """Return a value as a reply of JSON; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status=status, body=json.dumps(value).encode(), headers=named)


def nested_error(status: int, code: str, message: str, *, http: int | None = None) -> Reply:
    """Return an error of a function (both API versions): the codes stand in `fail[].errors[]`."""
    errors = [{"code": code, "message": message, "retryable": False}]
    return json_reply(http or status, {"meta": {"status": status}, "data": [], "fail": [{"errors": errors}]})


def _flat(status: int, code: str, message: str) -> Reply:
    """Return an error of API 2.0's gateway: the codes stand in `fail[]` itself."""
    return json_reply(status, {"fail": [{"code": code, "message": message}]})


class Refusal(Exception):
    """A request that is not as the documents say, with the answer to it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


BAD_SIGNATURE = nested_error(401, "err_xdk_invalid_signature", "0004 Invalid Signature")


_BAD_CLIENT = _flat(401, "invalid_client", "Client credentials are invalid")


_WEB_PAGE = b"<!DOCTYPE html><html><head><title>Nothing here</title></head><body>Nothing here</body></html>"


class RequestChecks:
    """Lets in what the documents describe, and refuses everything else with the answers that they describe."""

    def __init__(self, *, accounts: Sequence[SimulatorKeys], token_lifetime: timedelta) -> None:
        self._first = accounts[0]
        self._keys_by_client = {keys.client_id: keys for keys in accounts}
        self._keys_by_access = {keys.access_key: keys for keys in accounts}
        self._phases = {
            name: number * PHASE % DAY
            for number, keys in reversed([*enumerate(accounts)])
            for name in (keys.client_id, keys.access_key)
        }
        self._token_lifetime = token_lifetime
        self._grants_by_token: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._ids: OrderedDict[str, None] = OrderedDict()

    def grant(self, headers: Message, body: bytes, *, now: datetime) -> Reply:
        """Return a token for the right client (RFC 6749 section 4.4)."""
        if headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Refusal(json_reply(400, {"error": "invalid_request", "error_description": "expected a form"}))
        form = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True)
        if form.get("grant_type") != ["client_credentials"]:
            raise Refusal(json_reply(400, {"error": "unsupported_grant_type"}))
        client = client_id_in(body)
        keys = self._keys_by_client.get(client)
        if keys is None or form.get("client_secret") != [keys.client_secret]:
            raise Refusal(_BAD_CLIENT)
        token = f"simulated-token-{uuid.uuid4()}"
        while self._grants_by_token and next(iter(self._grants_by_token.values()))[1] <= now - DAY:
            self._grants_by_token.popitem(last=False)
        self._grants_by_token[token] = client, now + self._token_lifetime
        seconds = int(self._token_lifetime.total_seconds())
        return json_reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": ""})

    def phase_of(self, account: str) -> timedelta:
        """Return how much earlier the account's day has begun than that of the first one."""
        return self._phases[account]

    def check(self, path: str, headers: Message, body: bytes, *, now: datetime) -> str:
        """Return whose call of a function it is, by client id or access key.

        Raises:
            _Refusal: It is not as either API version's documents say.
        """
        kind, _, credentials = headers.get("Authorization", "").partition(" ")
        match kind:
            case "Bearer":
                account = self._check_token(credentials, now=now)
            case "MC":
                account = self._check_signature(path, credentials, headers, now=now)
            case "":
                raise Refusal(nested_error(400, "err_xdk_no_credentials", "0001 Authorization header is missing"))
            case _:
                raise Refusal(nested_error(401, "err_xdk_wrong_auth_type", "0001 Authorization must be Bearer or MC"))
        _check_form(headers, body)
        return account

    def _check_token(self, token: str, *, now: datetime) -> str:
        client, ends_at = self._grants_by_token.get(token, ("", now))
        if not client:
            raise Refusal(_flat(401, "token_verification_failed", "The token is not known"))
        if ends_at <= now:
            raise Refusal(_flat(401, "token_expired", "The token has expired"))
        return client

    def _check_signature(self, path: str, credentials: str, headers: Message, *, now: datetime) -> str:
        request_id, date = headers.get("x-mc-req-id", ""), headers.get("x-mc-date", "")
        self._check_request_id(request_id)
        _check_date(date, now=now)
        access_key, _, signature = credentials.partition(":")
        # Of an unknown access key the application is looked at all the same, as one of the first account.
        keys = self._keys_by_access.get(access_key, self._first)
        if headers.get("x-mc-app-id") != keys.app_id:
            raise Refusal(nested_error(200, "err_developer_key", "App ID is invalid", http=200))
        to_sign = f"{date}:{request_id}:{path}:{keys.app_key}".encode()
        expected = base64.b64encode(hmac.digest(base64.b64decode(keys.secret_key), to_sign, "sha1")).decode()
        is_signed = hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())
        if access_key != keys.access_key or not is_signed:
            raise Refusal(BAD_SIGNATURE)
        return access_key

    def _check_request_id(self, request_id: str) -> None:
        if not re.fullmatch(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id):
            raise Refusal(nested_error(400, "err_validation_request_id", "x-mc-req-id must be a GUID"))
        if request_id.lower() in self._ids:
            raise Refusal(nested_error(400, "err_validation_request_id", "x-mc-req-id was used before"))
        self._ids[request_id.lower()] = None
        if len(self._ids) > _REMEMBERED_IDS:
            self._ids.popitem(last=False)


def client_id_in(body: bytes) -> str:
    """Return the client id in the form of a request for a token; empty where there is not just one."""
    found = parse_qs(body.decode("ascii", "replace")).get("client_id", [])
    return found[0] if len(found) == 1 else ""


_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    r" \d{2}:\d{2}:\d{2} (UTC|GMT)"
)


def _check_date(text: str, *, now: datetime) -> None:
    """Refuse a date of another form than `Tue, 24 Nov 2015 12:50:11 UTC`, or one that is too far from now."""
    try:
        date = parsedate_to_datetime(text.replace("UTC", "GMT")) if _DATE.fullmatch(text) else None
    except ValueError:
        date = None
    if date is None:
        raise Refusal(nested_error(400, "err_validation_date", "x-mc-date must be like Tue, 24 Nov 2015 12:50:11 UTC"))
    if abs(now - date) > DATE_TOLERANCE:
        raise Refusal(BAD_SIGNATURE)


def _check_form(headers: Message, body: bytes) -> None:
    """Refuse a body that is not the JSON object `{"data": []}`, or headers that promise something else."""
    if headers.get_content_type() != "application/json":
        raise Refusal(nested_error(400, "err_validation_content_type", "Content-Type must be application/json"))
    accepted = {part.partition(";")[0].strip() for part in headers.get("Accept", "*/*").split(",")}
    if not accepted & {"application/json", "application/*", "*/*"}:
        raise Refusal(nested_error(400, "err_validation_accept", "Accept must allow application/json"))
    try:
        envelope: object = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(nested_error(400, "err_validation_body", "the body must be JSON")) from None
    if not isinstance(envelope, dict) or envelope.get("data") != []:
        raise Refusal(nested_error(400, "err_validation_body", "the body must be an object with an empty list data"))


def _page(status: int, **headers: str) -> Reply:
    return Reply(status=status, body=_WEB_PAGE, headers=headers, content_type="text/html")


REPLY_BY_MISBEHAVIOUR: Mapping[Misbehaviour, Reply] = MappingProxyType(
    {
        Misbehaviour.WRONG_KEYS: BAD_SIGNATURE,
        Misbehaviour.WRONG_CLIENT: _BAD_CLIENT,
        Misbehaviour.KEYS_EXPIRED: nested_error(418, "err_xdk_binding_expired", "AccessKey Has Expired"),
        Misbehaviour.PRODUCT_MISSING: _flat(
            403, "app_forbidden", "The method does not exist in any product assigned to the application"
        ),
        Misbehaviour.PERMISSION_MISSING: nested_error(
            403, "err_xdk_operation_forbidden", "0003 Operation is not permitted for the user"
        ),
        Misbehaviour.RATE_LIMITED: json_reply(
            429,
            {"detail": "Over throttling limit (10000/hour)"},
            X_RateLimit_Remaining="0",
            X_RateLimit_Reset="60000",
        ),
        Misbehaviour.WRONG_HOST: _page(404),
        Misbehaviour.REDIRECT: _page(302, Location="https://login.example/"),
        Misbehaviour.MIMECAST_ERROR: nested_error(500, "err_internal", "Something went wrong"),
        Misbehaviour.UNAVAILABLE: _page(503),
        Misbehaviour.FAIL_200: nested_error(200, "err_developer_key", "App ID is invalid", http=200),
        Misbehaviour.WEB_PAGE: _page(200),
        Misbehaviour.EMPTY: Reply(),
        Misbehaviour.ODD_ROWS: json_reply(
            200,
            {
                "meta": {"status": 200},
                "data": [
                    {"policyInfo": "Relaxed Spam Detection", "numberOfItems": 8},
                    {"policyInfo": "Graymail", "numberOfItems": -1},
                ],
                "fail": [],
            },
        ),
        Misbehaviour.NEXT_PAGE: json_reply(
            200, {"meta": {"status": 200, "pagination": {"pageSize": 0, "next": "abc"}}, "data": [], "fail": []}
        ),
        Misbehaviour.ODD_TOKEN: json_reply(200, {"access_token": None, "expires_in": "soon"}),
    }
)
