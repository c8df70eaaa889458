"""The meaning of a refused request: a status, a code and a message in, a `RequestError` out.

Mimecast explains failures in several shapes, and often not at all; whatever comes, the cause is one of the closed set.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from http import HTTPStatus
from itertools import islice
from urllib.parse import urlsplit

from alerter.errors import Cause
from alerter.sources.mimecast.bodies import is_html
from alerter.sources.mimecast.rate_limits import max_wait, rate_limit_reset, retry_after
from alerter.sources.mimecast.request_error import MAX_TEXT, HttpResponse, RequestError, RetryAction, strip_unprintable

#: The errors of one answer that are quoted.
MAX_COMPLAINTS = 3
#: The errors whose codes are read.
MAX_CODES = 20
#: The names under which gateways say what is wrong.
_REMARKS = ("message", "Message", "errorMessage", "error_message", "faultstring", "title", "msg", "reason")
#: So much of a body that is not JSON is looked at: more than the characters that count can take.
_BEGINNING_BYTES = 4 * (MAX_TEXT + 1)
#: A code that is a number has a few digits.
MAX_CODE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Complaint:
    """One error that an answer reports, verbatim: it is what Mimecast's support knows."""

    code: str
    message: str
    retryable: bool

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code and self.message else self.code or self.message


#: Codes as recorded or seen in published integrations; the first pattern that matches decides.
_MEANING_BY_CODE: tuple[tuple[re.Pattern[str], Cause, RetryAction], ...] = (
    # known to come and go with good keys, so that the first one is tried again
    (re.compile(r"err_developer_key"), Cause.WRONG_KEYS, RetryAction.RETRY),
    (re.compile(r"err_xdk_invalid_signature"), Cause.WRONG_KEYS, RetryAction.RENEW_TOKEN),
    (re.compile(r"err_xdk_binding_expired"), Cause.KEYS_EXPIRED, RetryAction.NONE),
    (re.compile(r"app_forbidden"), Cause.PRODUCT_MISSING, RetryAction.NONE),
    (re.compile(r"err_xdk_operation_forbidden.*"), Cause.PERMISSION_MISSING, RetryAction.NONE),
    (re.compile(r".*incorrect_region"), Cause.WRONG_HOST, RetryAction.NONE),
    (
        re.compile(r"token_expired|token_verification_failed|unauthorized( request)?"),
        Cause.WRONG_KEYS,
        RetryAction.RENEW_TOKEN,
    ),
    (re.compile(r"err_rate_limit.*"), Cause.RATE_LIMITED, RetryAction.NONE),
    # Amazon's gateway says so of a path that it does not know
    (re.compile(r"missing ?authentication ?token(exception.*)?"), Cause.WRONG_HOST, RetryAction.NONE),
    # RFC 6749 section 5.2
    (re.compile(r"invalid_client|unauthorized_client|invalid_grant"), Cause.WRONG_KEYS, RetryAction.NONE),
)

_MEANING_BY_STATUS: Mapping[int, tuple[Cause, RetryAction]] = {
    HTTPStatus.UNAUTHORIZED: (Cause.WRONG_KEYS, RetryAction.RENEW_TOKEN),
    HTTPStatus.FORBIDDEN: (Cause.PERMISSION_MISSING, RetryAction.NONE),
    HTTPStatus.NOT_FOUND: (Cause.WRONG_HOST, RetryAction.NONE),
    HTTPStatus.METHOD_NOT_ALLOWED: (Cause.WRONG_HOST, RetryAction.NONE),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (Cause.UNREACHABLE, RetryAction.NONE),
    HTTPStatus.IM_A_TEAPOT: (Cause.KEYS_EXPIRED, RetryAction.NONE),
}


def classify_response(
    status: int, envelope: dict[str, object], answer: HttpResponse, *, now: datetime, place: str = "HTTP"
) -> RequestError:
    """Return what a refused request means: by status where that is plain, by code where one is known."""
    detail = f"{place} {status}{quote_api_errors(envelope, answer)}"
    complaints = parse_api_errors(envelope)
    cause, remedy = _meaning(status, complaints, envelope, answer)
    if HTTPStatus.TOO_MANY_REQUESTS in (status, answer.status) or cause is Cause.RATE_LIMITED:
        wait = max_wait(retry_after(answer, now=now), rate_limit_reset(answer, now=now))
        if wait is not None:
            detail += f"; it asks to wait {wait.total_seconds():.0f} s"
        return RequestError(
            Cause.RATE_LIMITED, detail, remedy=RetryAction.RETRY if wait is not None else RetryAction.NONE, wait=wait
        )
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return RequestError(Cause.WRONG_HOST, f"{detail}: redirects to {_redirect_host(answer)}, which is not followed")
    if any(complaint.retryable for complaint in complaints) and cause is Cause.MIMECAST_ERROR:
        remedy = RetryAction.RETRY
    return RequestError(cause, detail, remedy=remedy, wait=retry_after(answer, now=now))


def _meaning(
    status: int, complaints: list[_Complaint], envelope: dict[str, object], answer: HttpResponse
) -> tuple[Cause, RetryAction]:
    for code in [complaint.code for complaint in complaints] or _remarks(envelope, answer):
        for pattern, cause, remedy in _MEANING_BY_CODE:
            if pattern.fullmatch(code.casefold()):
                return cause, remedy
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Cause.MIMECAST_ERROR, RetryAction.RETRY
    if is_html(answer):
        return Cause.WRONG_HOST, RetryAction.NONE
    if status in _MEANING_BY_STATUS:
        return _MEANING_BY_STATUS[status]
    if complaints or status >= HTTPStatus.BAD_REQUEST:
        return Cause.MIMECAST_ERROR, RetryAction.NONE
    return Cause.NOT_UNDERSTOOD, RetryAction.NONE


def parse_api_errors(envelope: dict[str, object]) -> list[_Complaint]:
    """Return the errors of an answer, whichever shape they come in.

    Function errors are nested (`fail[].errors[]`), gateway errors flat (`fail[]`), throttling says `detail`,
    OAuth says `error` and `error_description`.
    """
    found = list(islice(_failed_items(envelope.get("fail")), MAX_CODES))
    error = envelope.get("error")
    if isinstance(error, dict):
        found.append(error)
    elif error is not None:
        found.append({"code": error, "message": envelope.get("error_description") or envelope.get("message")})
    if not found and envelope.get("detail") is not None:
        found.append({"message": envelope["detail"]})
    return [_complaint(item) for item in found]


def _remarks(envelope: dict[str, object], answer: HttpResponse) -> list[str]:
    """Return what stands in an answer of somebody else than Mimecast: a gateway, a proxy, a web filter.

    Gateways say `message`, some within `fault` or `errors`, and Amazon's has a header besides; some say it in plain
    text.
    """
    errors = envelope.get("errors")
    within = [envelope, envelope.get("fault"), *(errors[:MAX_COMPLAINTS] if isinstance(errors, list) else ())]
    values = (place.get(key) for place in within if isinstance(place, dict) for key in _REMARKS)
    texts = [strip_unprintable(value) for value in values if isinstance(value, str)]
    if kind_of_error := strip_unprintable(answer.headers.get("x-amzn-errortype", "")):
        texts.append(kind_of_error)
    if not envelope and not texts:
        texts.append(_words_of(answer))
    return [text for text in dict.fromkeys(texts) if text]


def _words_of(answer: HttpResponse) -> str:
    """Return the beginning of plain text; of a web page, or of JSON that is broken, nothing."""
    beginning = answer.body[:_BEGINNING_BYTES].decode("utf-8", "replace")
    return "" if is_html(answer) or beginning.lstrip()[:1] in {"{", "["} else strip_unprintable(beginning)


def page_title(answer: HttpResponse) -> str:
    """Return by its title which web page was sent in place of JSON: who blocks says so there; empty where none is."""
    found = _TITLE.search(answer.body[:_BEGINNING_BYTES].decode("utf-8", "replace")) if is_html(answer) else None
    title = strip_unprintable(unescape(found[1])) if found else ""
    return f"a page titled {title!r}" if title else ""


#: Within bounds, so that no page takes a time that grows with its square.
_TITLE = re.compile(r"<title(?:\s[^<>]{0,200})?>\s{0,200}([^<]{1,200})", re.IGNORECASE)


def _failed_items(fail: object) -> Iterator[dict[str, object]]:
    for item in fail if isinstance(fail, list) else ():
        errors = item.get("errors") if isinstance(item, dict) else None
        if isinstance(errors, list) and errors:
            yield from (error if isinstance(error, dict) else {} for error in errors)
        else:
            yield item if isinstance(item, dict) else {}


def _complaint(item: dict[str, object]) -> _Complaint:
    code, message = _text(item.get("code")), _text(item.get("message"))
    return _Complaint(code=code, message=message, retryable=item.get("retryable") is True)


def _text(value: object) -> str:
    """Return a code or message as text; some gateways number theirs. Anything else is not one."""
    if type(value) is int and abs(value) <= MAX_CODE:
        return str(value)
    return strip_unprintable(value) if isinstance(value, str) else ""


def quote_api_errors(envelope: dict[str, object], answer: HttpResponse) -> str:
    """Return what an answer complains about, in brackets and after a space, or nothing."""
    texts = [str(complaint) or "an error without code and message" for complaint in parse_api_errors(envelope)]
    texts = texts or _remarks(envelope, answer) or ([title] if (title := page_title(answer)) else [])
    return f" ({'; '.join(texts[:MAX_COMPLAINTS])})" if texts else ""


def _redirect_host(answer: HttpResponse) -> str:
    """Return where a redirect points to, by host only: the rest of the address may hold anything."""
    try:
        host = urlsplit(answer.headers.get("location", "")[:MAX_TEXT]).hostname
    except ValueError:
        return "an address that is none"
    return strip_unprintable(host) if host else "another path of the same host"
