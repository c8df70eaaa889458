"""The meaning of a response of Mimecast's API, checked in one fixed order; values in, values out.

No I/O and no clock, so that every odd answer can be tried without a server. The order is the contract's:
HTTP 200, a JSON object, an empty `fail`, `meta.status` 200, `data` a list, every row good. Only what passes all of it
is a hold summary, because an authentication failure can look exactly like an empty queue: HTTP 200 and `data` empty.
Whatever else comes in ends in a `RequestError`, never in another exception.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from alerter.core.series import NO_REASON, HoldReason
from alerter.errors import Cause
from alerter.sources.mimecast.auth import is_header_text
from alerter.sources.mimecast.bodies import describe_body, is_html, json_type, parse_error_object, parse_json
from alerter.sources.mimecast.errors import classify_response, page_title, parse_api_errors, quote_api_errors
from alerter.sources.mimecast.request_error import HttpResponse, RequestError, RetryAction

#: The largest count that every database and every JSON reader keeps exactly.
MAX_COUNT = 2**53
#: Real names are seen up to 70 characters; what is longer than this is no policy's name.
MAX_NAME_LENGTH = 1000
#: Each is a policy that an administrator has typed. To store the first counts of more takes so long that other tenants
#: wait for the database.
MAX_REASONS = 10_000
#: A token is a header's value; servers refuse far shorter headers than this.
MAX_TOKEN_LENGTH = 16_384
#: No real token lives longer (Mimecast's live for half an hour).
MAX_TOKEN_LIFETIME = timedelta(days=366)

_DIGITS = re.compile(r"[0-9]{1,16}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """What the token endpoint granted: an access token and for how long, from the request on."""

    access_token: str
    lifetime: timedelta

    def __repr__(self) -> str:
        """Return the lifetime only: a representation ends up in logs."""
        return f"Grant(lifetime={self.lifetime!r})"


def parse_hold_summary(answer: HttpResponse, *, now: datetime) -> dict[HoldReason, int]:
    """Return the held messages by hold reason that a hold summary states; empty means that none are held.

    Args:
        answer: Of `POST /api/gateway/get-hold-summary-list`.
        now: When the answer was complete; rate limits that name an instant are counted from it.

    Raises:
        RequestError: The answer is anything but a complete hold summary.
    """
    envelope = _json_object(answer, now=now)
    meta = _meta_of_success(envelope, answer, now=now)
    data = envelope.get("data")
    if not isinstance(data, list):
        raise _odd(f"data must be a list, got {json_type(data)}")
    _refuse_part(meta, len(data))
    counts: dict[HoldReason, int] = {}
    for number, row in enumerate(data, start=1):
        reason, held_count = _row(row, number)
        if reason not in counts and len(counts) == MAX_REASONS:
            raise _odd(f"row {number}: an answer must have at most {MAX_REASONS} hold reasons, got more")
        counts[reason] = counts.get(reason, 0) + held_count
        if counts[reason] > MAX_COUNT:
            raise _odd(f"row {number}: the rows of one name add up to more than 2^53")
    return counts


def parse_token(answer: HttpResponse, *, now: datetime) -> TokenGrant:
    """Return the token that `POST /oauth/token` granted (RFC 6749 section 5.1).

    Raises:
        RequestError: No usable token; its remedy is never `RENEW`, for there is nothing to renew it from.
    """
    try:
        envelope = _json_object(answer, now=now)
        _refuse_failures(envelope, answer, now=now)
    except RequestError as fault:
        fault.remedy = RetryAction.NONE if fault.remedy is RetryAction.RENEW_TOKEN else fault.remedy
        raise
    token, token_type = envelope.get("access_token"), envelope.get("token_type", "Bearer")
    if not isinstance(token, str) or not is_header_text(token) or len(token) > MAX_TOKEN_LENGTH:
        found = "one that fits into no header" if isinstance(token, str) else json_type(token)
        raise _odd(f"the token answer must have a text access_token, got {found}")
    if not isinstance(token_type, str) or token_type.casefold() != "bearer":
        raise _odd("the token answer must have the token_type Bearer, got another")
    return TokenGrant(access_token=token, lifetime=_lifetime(envelope.get("expires_in")))


def _json_object(answer: HttpResponse, *, now: datetime) -> dict[str, object]:
    """Return the JSON object of a body with HTTP 200."""
    if answer.status != HTTPStatus.OK:
        raise classify_response(answer.status, parse_error_object(answer), answer, now=now)
    if is_html(answer):
        title = page_title(answer)
        raise RequestError(
            Cause.WRONG_HOST, f"HTTP 200 with a web page where JSON was expected{title and f': {title}'}"
        )
    if not answer.body.strip():
        raise _odd("the body must be a JSON object, got an empty one")
    try:
        value = parse_json(answer.body)
    except (ValueError, RecursionError) as error:
        raise _odd(
            f"the body must be a JSON object, got {len(answer.body)} bytes that are not: {describe_body(error)}"
        ) from None
    if not isinstance(value, dict):
        raise _odd(f"the body must be a JSON object, got {json_type(value)}")
    return value


def _refuse_failures(envelope: dict[str, object], answer: HttpResponse, *, now: datetime) -> None:
    """Raise where an answer reports an error, or a status in `meta` that is not 200: at every endpoint alike.

    One that says of itself that nothing failed is good, whatever else stands beside it.
    """
    status = _status_of(envelope)
    if status == HTTPStatus.OK and envelope.get("fail") == []:
        return
    if parse_api_errors(envelope):
        place, said = ("HTTP", answer.status) if status is None else (_IN_META, status)
        raise classify_response(said, envelope, answer, now=now, place=place)
    if status not in {None, HTTPStatus.OK}:
        raise classify_response(status or 0, envelope, answer, now=now, place=_IN_META)


_IN_META = "HTTP 200 with meta.status"


def _status_of(envelope: dict[str, object]) -> int | None:
    """Return what `meta` says instead of the HTTP status; None where it says nothing."""
    meta = envelope.get("meta")
    status = meta.get("status") if isinstance(meta, dict) else None
    return status if type(status) is int else None


def _meta_of_success(envelope: dict[str, object], answer: HttpResponse, *, now: datetime) -> dict[str, object]:
    """Return `meta` where `fail` is empty and it says 200."""
    fail, meta = envelope.get("fail"), envelope.get("meta")
    if not isinstance(fail, list):
        raise _odd(f"fail must be an empty list, got {json_type(fail)}{quote_api_errors(envelope, answer)}")
    _refuse_failures(envelope, answer, now=now)
    if not isinstance(meta, dict) or _status_of(envelope) is None:
        raise _odd(
            f"meta.status must be a number, got {json_type(meta.get('status') if isinstance(meta, dict) else None)}"
        )
    return meta


def _refuse_part(meta: dict[str, object], rows: int) -> None:
    """Raise where an answer says of itself that there is more than it holds."""
    pagination = meta.get("pagination")
    if not isinstance(pagination, dict):
        return
    if pagination.get("next"):
        raise _odd(
            "meta.pagination.next names a further page; a hold summary has one page, and half of it is no summary"
        )
    total = pagination.get("totalCount")
    if isinstance(total, str) and _DIGITS.fullmatch(total):
        total = int(total)
    if isinstance(total, int | float) and total > rows:
        raise _odd(f"meta.pagination.totalCount is above the rows that are there, {rows}: half of it is no summary")


def _row(row: object, number: int) -> tuple[HoldReason, int]:
    """Return one row's hold reason and held messages."""
    if not isinstance(row, dict):
        raise _odd(f"row {number} must be an object, got {json_type(row)}")
    return _reason(row.get("policyInfo"), number), _count(row.get("numberOfItems"), number)


def _reason(name: object, number: int) -> HoldReason:
    """Return a name verbatim, unless a database could not keep it."""
    if not isinstance(name, str):
        raise _odd(f"row {number}: policyInfo must be a text, got {json_type(name)}")
    if len(name) > MAX_NAME_LENGTH:
        raise _odd(f"row {number}: policyInfo must have at most {MAX_NAME_LENGTH} characters, got {len(name)}")
    if _UNSTORABLE.search(name):
        raise _odd(f"row {number}: policyInfo must be storable text, got a NUL or half a character")
    return HoldReason(name) if name.strip() else NO_REASON


def _count(value: object, number: int) -> int:
    """Return a count: a JSON integer, or its digits as text (the documentation can be read either way)."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int:
        other = " that is none" if isinstance(value, str) else ""
        raise _odd(f"row {number}: numberOfItems must be a whole number, got {json_type(value)}{other}")
    if not 0 <= value <= MAX_COUNT:
        raise _odd(f"row {number}: numberOfItems must be from 0 to 2^53, got {'less' if value < 0 else 'more'}")
    return value


def _lifetime(seconds: object) -> timedelta:
    """Return a token's lifetime; some servers write the number as text."""
    if isinstance(seconds, str) and _DIGITS.fullmatch(seconds):
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise _odd(f"the token answer must have expires_in in seconds, got {json_type(seconds)}")
    if not 0 < seconds <= MAX_TOKEN_LIFETIME.total_seconds():
        raise _odd("the token answer must have an expires_in between 0 and a year, got one beyond")
    return timedelta(seconds=seconds)


def _odd(detail: str) -> RequestError:
    return RequestError(Cause.NOT_UNDERSTOOD, detail)
