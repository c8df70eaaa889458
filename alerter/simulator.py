"""A Mimecast that runs on loopback: the demo's account, and the tests' server.

It follows Mimecast's documents to the letter where they say something: it checks every header and signature of both
API versions, answers with both documented error shapes, plays a `Scenario`, and on request misbehaves in every way that
`alerter` has a cause for. It is stricter than Mimecast in two things: a body must be JSON (API 1.0 takes Python's
notation too, as Mimecast's own sample sends it), and a request id must not come twice.
Never a client: nothing here is shared with the adapter, so that one cannot hide the other's mistakes.
"""

import base64
import csv
import hmac
import io
import json
import re
import socket
import struct
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import parse_qs

from alerter.config.trust import bytes_of
from alerter.errors import ConfigError, Problem

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
_DAY = timedelta(days=1)
#: Of several accounts each one's day has begun so much earlier than that of the one before.
_PHASE = timedelta(minutes=17)
_MAX_BODY_BYTES = 65_536


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
_OF_TOKENS = frozenset({Misbehaviour.WRONG_CLIENT, Misbehaviour.ODD_TOKEN})


@dataclass(frozen=True, slots=True)
class _Step:
    """From `offset` on, `reason` holds `count` messages."""

    offset: timedelta
    reason: str
    count: int


class Scenario:
    """What is held at which offset from the scenario's start."""

    def __init__(self, counts_at: Callable[[timedelta], Mapping[str, int]]) -> None:
        self._counts_at = counts_at

    def counts_at(self, offset: timedelta) -> Mapping[str, int]:
        """Return the held messages by reason; a reason without any is left out, as in Mimecast's summary."""
        return {reason: count for reason, count in self._counts_at(offset).items() if count > 0}

    @classmethod
    def from_csv(cls, source: Path | str) -> Self:
        """Return the scenario of a table with the columns `time`, `reason` and `count`.

        A count holds until the next row of its reason, the last one for ever; before its first row a reason is not
        held. A time is an offset (`00:10`, `01:30:00`, `1h30m`, `90s`) or an ISO 8601 instant, counted from the
        earliest one in the table; without a zone it is UTC.

        Args:
            source: A file to read, or the table itself as text.

        Raises:
            ConfigError: With every line that is wrong.
        """
        name, text = _table(source)
        steps = _steps(name, text)

        def counts_at(offset: timedelta) -> Mapping[str, int]:
            return {step.reason: step.count for step in steps if step.offset <= offset}

        return cls(counts_at)

    @classmethod
    def builtin_day(cls) -> Self:
        """Return a day that repeats: a normal rhythm, a burst of impersonations, a slow leak, and releases.

        Offset 0 is midnight. The burst comes at 10:40 and is released from 12:10 on; attachments leak from 08:00
        until they are released at 17:30.
        """
        return cls(_builtin_counts)


def _table(source: Path | str) -> tuple[str, str]:
    """Return a table's name for messages and its text."""
    if isinstance(source, str):
        return "scenario", source
    try:
        return str(source), bytes_of(source).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "no UTF-8"
        problem = Problem(file=str(source), line=None, key="", text=f"cannot be read as a scenario: {reason}")
        raise ConfigError((problem,)) from error


def _steps(name: str, text: str) -> list[_Step]:
    """Return a table's steps, earliest first; of two for one reason and instant the later line counts."""
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != ["time", "reason", "count"]:
        line, found = (rows[0][0], ",".join(rows[0][1])) if rows else (1, "")
        raise ConfigError((Problem(file=name, line=line, key="", text=f"expected time,reason,count, got {found!r}"),))
    problems: list[Problem] = []
    parsed: list[tuple[timedelta | datetime, str, int]] = []
    for line, row in rows[1:]:
        try:
            parsed.append(_step(row))
        except ValueError as error:
            problems.append(Problem(file=name, line=line, key="", text=str(error)))
    if len({type(time) for time, _, _ in parsed}) > 1:
        problems.append(
            Problem(file=name, line=None, key="", text="times must be all offsets or all instants, got both")
        )
    if problems:
        raise ConfigError(tuple(problems))
    return sorted(_from_earliest(parsed), key=lambda step: step.offset)


def _step(row: list[str]) -> tuple[timedelta | datetime, str, int]:
    if len(row) != 3:  # noqa: PLR2004 - time, reason, count
        raise ValueError(f"expected three cells, got {len(row)}")
    time, reason, count = row[0].strip(), row[1], row[2].strip()
    if not re.fullmatch(r"[0-9]{1,15}", count):
        raise ValueError(f"count must be a whole number of at least 0, got {row[2]!r}")
    return _time(time), reason, int(count)


_OFFSETS = (
    re.compile(r"(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)(:(?P<seconds>[0-5]\d))?"),
    re.compile(r"(?=\d)((?P<days>\d{1,4})d)?((?P<hours>\d{1,6})h)?((?P<minutes>\d{1,6})m)?((?P<seconds>\d{1,6})s)?"),
    re.compile(r"(?P<seconds>0)"),
)


def _time(text: str) -> timedelta | datetime:
    for pattern in _OFFSETS:
        if found := pattern.fullmatch(text):
            return timedelta(**{unit: int(digits) for unit, digits in found.groupdict().items() if digits})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"time must be an offset such as 00:10 or 1h30m or an ISO 8601 instant, got {text!r}"
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _from_earliest(rows: Iterable[tuple[timedelta | datetime, str, int]]) -> list[_Step]:
    rows = list(rows)
    start = min((time for time, _, _ in rows if isinstance(time, datetime)), default=datetime.min.replace(tzinfo=UTC))
    return [_Step(time if isinstance(time, timedelta) else time - start, reason, count) for time, reason, count in rows]


#: The built-in day: by reason, (hour, held messages) between which the count goes in a straight line, and a wobble.
#: It ends as it begins. The names are of the kind that administrators type, slips included.
_DAY_BY_REASON: Mapping[str, tuple[int, tuple[tuple[float, int], ...]]] = MappingProxyType(
    {
        "Graymail": (9, ((0, 310), (6, 300), (9, 420), (13, 560), (17, 690), (20, 700), (22, 330), (24, 310))),
        "Agressive Spam Detection": (  # codespell:ignore agressive - a real name, slip and all
            7,
            ((0, 62), (6, 58), (10, 104), (15, 131), (18, 118), (19, 66), (24, 62)),
        ),
        "Relaxed Spam Detection": (3, ((0, 21), (7, 20), (11, 38), (16, 44), (18, 24), (24, 21))),
        # the burst: nobody notices for a while, then it is released
        "High-Confidence Impersonation Protection": (
            2,
            ((0, 4), (10.66, 5), (10.85, 96), (11.1, 388), (11.4, 571), (12.16, 588), (12.42, 6), (24, 4)),
        ),
        # the leak: a broken definition holds a little more each hour, until it is mended
        "Default Attachment Management Definition - Block Dangerous File Types": (
            0,
            ((0, 11), (8, 12), (12, 84), (16, 188), (17.5, 231), (17.75, 12), (24, 11)),
        ),
        "PCI - Credit Card Numbers (Outbound)": (1, ((0, 2), (8, 2), (12, 9), (17, 14), (18, 2), (24, 2))),
        "Suspicious Message Structure": (2, ((0, 6), (9, 8), (14, 17), (18, 9), (24, 6))),
        "Anhang zurückgehalten": (1, ((0, 0), (7.5, 0), (10, 7), (14, 12), (17, 3), (18, 0), (24, 0))),
        "Pièces jointes bloquées 📎": (1, ((0, 0), (8, 0), (11, 5), (15, 8), (17.5, 0), (24, 0))),
    }
)


def _builtin_counts(offset: timedelta) -> Mapping[str, int]:
    hour = (offset % _DAY) / timedelta(hours=1)
    return {
        reason: _with_wobble(_on_line(points, hour), wobble, hour)
        for reason, (wobble, points) in _DAY_BY_REASON.items()
    }


def _on_line(points: tuple[tuple[float, int], ...], hour: float) -> int:
    (start, before), (end, after) = next(pair for pair in pairwise(points) if hour < pair[1][0])
    return round(before + (after - before) * (hour - start) / (end - start))


def _with_wobble(count: int, wobble: int, hour: float) -> int:
    """Return a count that moves a little every five minutes, always in the same way; nothing stays nothing."""
    return count + int(hour * 12) * 7 % (wobble + 1) if count else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorKeys:
    """The keys of both API versions that the simulator accepts."""

    client_id: str = SIMULATOR_CLIENT_ID
    client_secret: str = SIMULATOR_CLIENT_SECRET
    app_id: str = SIMULATOR_APP_ID
    app_key: str = SIMULATOR_APP_KEY
    access_key: str = SIMULATOR_ACCESS_KEY
    secret_key: str = SIMULATOR_SECRET_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """An answer to send."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def _json(status: int, value: object, **headers: str) -> _Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return _Reply(status=status, body=json.dumps(value).encode(), headers=named)


def _nested(status: int, code: str, message: str, *, http: int | None = None) -> _Reply:
    """Return an error of a function (both API versions): the codes stand in `fail[].errors[]`."""
    errors = [{"code": code, "message": message, "retryable": False}]
    return _json(http or status, {"meta": {"status": status}, "data": [], "fail": [{"errors": errors}]})


def _flat(status: int, code: str, message: str) -> _Reply:
    """Return an error of API 2.0's gateway: the codes stand in `fail[]` itself."""
    return _json(status, {"fail": [{"code": code, "message": message}]})


class _Refusal(Exception):
    """A request that is not as the documents say, with the answer to it."""

    def __init__(self, reply: _Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


_BAD_SIGNATURE = _nested(401, "err_xdk_invalid_signature", "0004 Invalid Signature")
_BAD_CLIENT = _flat(401, "invalid_client", "Client credentials are invalid")
_WEB_PAGE = b"<!DOCTYPE html><html><head><title>Nothing here</title></head><body>Nothing here</body></html>"


class Simulator:
    """A Mimecast on a loopback port, from entering the context until leaving it.

    Args:
        clock: The simulator's time, aware UTC: it checks dates, ages tokens and moves the scenario. How fast it
            runs is the caller's choice.
        scenario: What is held when; the built-in day unless given.
        started_at: The scenario's offset 0; midnight UTC of the clock's day unless given.
        keys: What is accepted: the keys of one account, or of several, of which each has the same day at another time.
        latency: How long every answer takes.
        host: A loopback address.
        port: 0 takes a free one.
        token_lifetime: How long a token is good, on the simulator's clock.
        on_message: Takes the title and the text of each message that is sent to `INBOX_PATH`; None for no inbox.

    Attributes:
        misbehaviour: What goes wrong from now on, or None; set at any time, see also `misbehave`.
        requests_by_path: How many requests came, also those that were refused.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        scenario: Scenario | None = None,
        started_at: datetime | None = None,
        keys: SimulatorKeys | Sequence[SimulatorKeys] = SimulatorKeys(),
        latency: timedelta = timedelta(0),
        host: str = "127.0.0.1",
        port: int = 0,
        token_lifetime: timedelta = TOKEN_LIFETIME,
        on_message: Callable[[str, str], None] | None = None,
    ) -> None:
        self._on_message = on_message
        self.clock = clock
        self.scenario = scenario or Scenario.builtin_day()
        self.started_at = started_at or clock().replace(hour=0, minute=0, second=0, microsecond=0)
        self.requests_by_path: Counter[str] = Counter()
        self.closing = threading.Event()
        self.latency = latency
        self._gate = _Gate(accounts=[keys] if isinstance(keys, SimulatorKeys) else keys, token_lifetime=token_lifetime)
        self._lock = threading.Lock()
        self._misbehaviour: Misbehaviour | None = None
        self._times_left: int | None = None
        self._going_wrong: frozenset[str] | None = None
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The address to configure as `base_url`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def misbehaviour(self) -> Misbehaviour | None:
        """What goes wrong at present."""
        return self._misbehaviour

    @misbehaviour.setter
    def misbehaviour(self, misbehaviour: Misbehaviour | None) -> None:
        with self._lock:
            self._misbehaviour, self._times_left, self._going_wrong = misbehaviour, None, None

    def misbehave(
        self, misbehaviour: Misbehaviour, *, times: int | None = None, accounts: Collection[str] | None = None
    ) -> None:
        """Go wrong for the next requests that it concerns, then be well again.

        Args:
            misbehaviour: What goes wrong.
            times: How often; None for ever.
            accounts: Whose requests, by client id or access key; None for everybody's.
        """
        with self._lock:
            self._misbehaviour, self._times_left = misbehaviour, times
            self._going_wrong = None if accounts is None else frozenset(accounts)

    def close(self) -> None:
        """Stop: let go every client that is kept waiting, and cut every connection."""
        self.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut_connections()
        self._server.server_close()

    def reply(self, path: str, headers: Message, body: bytes) -> "_Reply | Misbehaviour":
        """Return the answer to a POST, or the misbehaviour that takes its place on the wire."""
        with self._lock:
            self.requests_by_path[path] += 1
            now = self.clock()
            try:
                if path == TOKEN_PATH:
                    return self._misbehaviour_for(path, _client_of(body)) or self._gate.grant(headers, body, now=now)
                if path == SUMMARY_PATH:
                    account = self._gate.check(path, headers, body, now=now)
                    return self._misbehaviour_for(path, account) or self._summary(account, now)
                if path == INBOX_PATH and self._on_message is not None:
                    return self._take_message(body, self._on_message)
            except _Refusal as refusal:
                return refusal.reply
        return _nested(404, "err_not_found", f"0005 no such function: {path}")

    def _misbehaviour_for(self, path: str, account: str) -> "Misbehaviour | None":
        misbehaviour = self._misbehaviour
        if misbehaviour is None or (misbehaviour in _OF_TOKENS) != (path == TOKEN_PATH):
            return None
        if self._going_wrong is not None and account not in self._going_wrong:
            return None
        if self._times_left is not None:
            self._times_left -= 1
            if self._times_left <= 0:
                self._misbehaviour = None
        return misbehaviour

    @staticmethod
    def _take_message(body: bytes, on_message: Callable[[str, str], None]) -> _Reply:
        try:
            message = json.loads(body)
            on_message(str(message["title"]), str(message["message"]))
        except (ValueError, KeyError, TypeError):
            raise _Refusal(_json(400, {"error": "expected a message of Apprise's json://"})) from None
        return _json(200, {})

    def _summary(self, account: str, now: datetime) -> _Reply:
        counts = self.scenario.counts_at(now - self.started_at + self._gate.phase_of(account))
        rows = [{"policyInfo": reason, "numberOfItems": count} for reason, count in counts.items()]
        return _json(200, {"meta": {"status": 200}, "data": rows, "fail": []})


class _Gate:
    """Lets in what the documents describe, and refuses everything else with the answers that they describe."""

    def __init__(self, *, accounts: Sequence[SimulatorKeys], token_lifetime: timedelta) -> None:
        self._first = accounts[0]
        self._keys_by_client = {keys.client_id: keys for keys in accounts}
        self._keys_by_access = {keys.access_key: keys for keys in accounts}
        self._phases = {
            name: number * _PHASE % _DAY
            for number, keys in reversed([*enumerate(accounts)])
            for name in (keys.client_id, keys.access_key)
        }
        self._token_lifetime = token_lifetime
        self._grants_by_token: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._ids: OrderedDict[str, None] = OrderedDict()

    def grant(self, headers: Message, body: bytes, *, now: datetime) -> _Reply:
        """Return a token for the right client (RFC 6749 section 4.4)."""
        if headers.get_content_type() != "application/x-www-form-urlencoded":
            raise _Refusal(_json(400, {"error": "invalid_request", "error_description": "expected a form"}))
        form = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True)
        if form.get("grant_type") != ["client_credentials"]:
            raise _Refusal(_json(400, {"error": "unsupported_grant_type"}))
        client = _client_of(body)
        keys = self._keys_by_client.get(client)
        if keys is None or form.get("client_secret") != [keys.client_secret]:
            raise _Refusal(_BAD_CLIENT)
        token = f"simulated-token-{uuid.uuid4()}"
        while self._grants_by_token and next(iter(self._grants_by_token.values()))[1] <= now - _DAY:
            self._grants_by_token.popitem(last=False)
        self._grants_by_token[token] = client, now + self._token_lifetime
        seconds = int(self._token_lifetime.total_seconds())
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": ""})

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
                raise _Refusal(_nested(400, "err_xdk_no_credentials", "0001 Authorization header is missing"))
            case _:
                raise _Refusal(_nested(401, "err_xdk_wrong_auth_type", "0001 Authorization must be Bearer or MC"))
        _check_form(headers, body)
        return account

    def _check_token(self, token: str, *, now: datetime) -> str:
        client, ends_at = self._grants_by_token.get(token, ("", now))
        if not client:
            raise _Refusal(_flat(401, "token_verification_failed", "The token is not known"))
        if ends_at <= now:
            raise _Refusal(_flat(401, "token_expired", "The token has expired"))
        return client

    def _check_signature(self, path: str, credentials: str, headers: Message, *, now: datetime) -> str:
        request_id, date = headers.get("x-mc-req-id", ""), headers.get("x-mc-date", "")
        self._check_request_id(request_id)
        _check_date(date, now=now)
        access_key, _, signature = credentials.partition(":")
        # Of an unknown access key the application is looked at all the same, as one of the first account.
        keys = self._keys_by_access.get(access_key, self._first)
        if headers.get("x-mc-app-id") != keys.app_id:
            raise _Refusal(_nested(200, "err_developer_key", "App ID is invalid", http=200))
        to_sign = f"{date}:{request_id}:{path}:{keys.app_key}".encode()
        expected = base64.b64encode(hmac.digest(base64.b64decode(keys.secret_key), to_sign, "sha1")).decode()
        is_signed = hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())
        if access_key != keys.access_key or not is_signed:
            raise _Refusal(_BAD_SIGNATURE)
        return access_key

    def _check_request_id(self, request_id: str) -> None:
        if not re.fullmatch(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id):
            raise _Refusal(_nested(400, "err_validation_request_id", "x-mc-req-id must be a GUID"))
        if request_id.lower() in self._ids:
            raise _Refusal(_nested(400, "err_validation_request_id", "x-mc-req-id was used before"))
        self._ids[request_id.lower()] = None
        if len(self._ids) > _REMEMBERED_IDS:
            self._ids.popitem(last=False)


def _client_of(body: bytes) -> str:
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
        raise _Refusal(_nested(400, "err_validation_date", "x-mc-date must be like Tue, 24 Nov 2015 12:50:11 UTC"))
    if abs(now - date) > DATE_TOLERANCE:
        raise _Refusal(_BAD_SIGNATURE)


def _check_form(headers: Message, body: bytes) -> None:
    """Refuse a body that is not the JSON object `{"data": []}`, or headers that promise something else."""
    if headers.get_content_type() != "application/json":
        raise _Refusal(_nested(400, "err_validation_content_type", "Content-Type must be application/json"))
    accepted = {part.partition(";")[0].strip() for part in headers.get("Accept", "*/*").split(",")}
    if not accepted & {"application/json", "application/*", "*/*"}:
        raise _Refusal(_nested(400, "err_validation_accept", "Accept must allow application/json"))
    try:
        envelope: object = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refusal(_nested(400, "err_validation_body", "the body must be JSON")) from None
    if not isinstance(envelope, dict) or envelope.get("data") != []:
        raise _Refusal(_nested(400, "err_validation_body", "the body must be an object with an empty list data"))


class _Server(ThreadingHTTPServer):
    """Serves, and knows its connections, so that leaving waits for nobody."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: object) -> None:
        """Note a new connection."""
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: "socket.socket | tuple[bytes, socket.socket]") -> None:
        """Forget a connection that ends."""
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the play."""

    def cut_connections(self) -> None:
        """End every wait for a client."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and sends what the simulator says, or plays its misbehaviour."""

    protocol_version = "HTTP/1.1"
    server_version = "MimecastSimulator"
    sys_version = ""
    disable_nagle_algorithm = True  # headers and body are two packets, and the second one would wait for the first
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Log nothing: the terminal is the demo's."""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the signature of http.server
        """Return the simulator's time for the `Date` header."""
        return format_datetime(self.server.simulator.clock().astimezone(UTC), usegmt=True)

    def do_POST(self) -> None:
        """Answer a call."""
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(min(int(length), _MAX_BODY_BYTES)) if length.isascii() and length.isdigit() else b""
        simulator = self.server.simulator
        reply = simulator.reply(self.path, self.headers, body)
        if simulator.latency:
            simulator.closing.wait(simulator.latency.total_seconds())
        if isinstance(reply, Misbehaviour):
            self._misbehave(reply)
        else:
            self._send(reply)

    def do_GET(self) -> None:
        """Refuse: every function is a POST."""
        self._send(_nested(405, "err_method_not_allowed", "Method not allowed"))

    do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that http.server asks for

    def _misbehave(self, misbehaviour: Misbehaviour) -> None:
        match misbehaviour:
            case Misbehaviour.TIMEOUT:
                self.server.simulator.closing.wait()
                self.close_connection = True
            case Misbehaviour.DRIP:
                self._trickle(b" ", pause_seconds=0.02)
            case Misbehaviour.EXPLODE:
                self._trickle(b" " * 65_536, pause_seconds=0)
            case Misbehaviour.RESET:
                # lingering for no time at all turns the close into a reset, where no shutdown comes before it
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            case _:
                self._send(self._misbehaved(misbehaviour))

    def _misbehaved(self, misbehaviour: Misbehaviour) -> _Reply:
        if misbehaviour is Misbehaviour.CLOCK_SKEW:
            date = self.server.simulator.clock() - timedelta(minutes=17)
            headers = {"Date": format_datetime(date.astimezone(UTC), usegmt=True)}
            return _Reply(status=_BAD_SIGNATURE.status, body=_BAD_SIGNATURE.body, headers=headers)
        return _REPLY_BY_MISBEHAVIOUR[misbehaviour]

    def _trickle(self, piece: bytes, *, pause_seconds: float) -> None:
        """Send a body that never ends, until the client or the simulator does."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while not self.server.simulator.closing.wait(pause_seconds):
                self.wfile.write(piece)

    def _send(self, reply: _Reply) -> None:
        self.send_response_only(reply.status)
        headers = {
            "Date": self.date_time_string(),
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            "X-RateLimit-Limit": "800",
            "X-RateLimit-Remaining": "799",
            "X-RateLimit-Reset": "5000",
            "x-request-id": str(uuid.uuid4()),
            **reply.headers,
        }
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(reply.body)


def _page(status: int, **headers: str) -> _Reply:
    return _Reply(status=status, body=_WEB_PAGE, headers=headers, content_type="text/html")


_REPLY_BY_MISBEHAVIOUR: Mapping[Misbehaviour, _Reply] = MappingProxyType(
    {
        Misbehaviour.WRONG_KEYS: _BAD_SIGNATURE,
        Misbehaviour.WRONG_CLIENT: _BAD_CLIENT,
        Misbehaviour.KEYS_EXPIRED: _nested(418, "err_xdk_binding_expired", "AccessKey Has Expired"),
        Misbehaviour.PRODUCT_MISSING: _flat(
            403, "app_forbidden", "The method does not exist in any product assigned to the application"
        ),
        Misbehaviour.PERMISSION_MISSING: _nested(
            403, "err_xdk_operation_forbidden", "0003 Operation is not permitted for the user"
        ),
        Misbehaviour.RATE_LIMITED: _json(
            429,
            {"detail": "Over throttling limit (10000/hour)"},
            X_RateLimit_Remaining="0",
            X_RateLimit_Reset="60000",
        ),
        Misbehaviour.WRONG_HOST: _page(404),
        Misbehaviour.REDIRECT: _page(302, Location="https://login.example/"),
        Misbehaviour.MIMECAST_ERROR: _nested(500, "err_internal", "Something went wrong"),
        Misbehaviour.UNAVAILABLE: _page(503),
        Misbehaviour.FAIL_200: _nested(200, "err_developer_key", "App ID is invalid", http=200),
        Misbehaviour.WEB_PAGE: _page(200),
        Misbehaviour.EMPTY: _Reply(),
        Misbehaviour.ODD_ROWS: _json(
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
        Misbehaviour.NEXT_PAGE: _json(
            200, {"meta": {"status": 200, "pagination": {"pageSize": 0, "next": "abc"}}, "data": [], "fail": []}
        ),
        Misbehaviour.ODD_TOKEN: _json(200, {"access_token": None, "expires_in": "soon"}),
    }
)
