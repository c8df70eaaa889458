"""What a refused request means: a status, a code and a message in, a `Fault` out.

Mimecast explains failures in several shapes, and often not at all; whatever comes, the cause is one of the closed set.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from alerter.adapters.mimecast.bodies import is_markup
from alerter.adapters.mimecast.faults import Answer, Fault, Remedy, clean
from alerter.adapters.mimecast.waits import longest, rate_limit_reset, retry_after
from alerter.errors import Cause

#: Of several errors in one answer so many are quoted.
MAX_COMPLAINTS = 3
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
_MEANING_BY_CODE: tuple[tuple[re.Pattern[str], Cause, Remedy], ...] = (
    # known to come and go with good keys, so that the first one is tried again
    (re.compile(r"err_developer_key"), Cause.WRONG_KEYS, Remedy.AGAIN),
    (re.compile(r"err_xdk_invalid_signature"), Cause.WRONG_KEYS, Remedy.RENEW),
    (re.compile(r"err_xdk_binding_expired"), Cause.KEYS_EXPIRED, Remedy.NONE),
    (re.compile(r"app_forbidden"), Cause.PRODUCT_MISSING, Remedy.NONE),
    (re.compile(r"err_xdk_operation_forbidden.*"), Cause.PERMISSION_MISSING, Remedy.NONE),
    (re.compile(r".*incorrect_region"), Cause.WRONG_HOST, Remedy.NONE),
    (re.compile(r"token_expired|token_verification_failed|unauthorized request"), Cause.WRONG_KEYS, Remedy.RENEW),
    # RFC 6749 section 5.2
    (re.compile(r"invalid_client|unauthorized_client|invalid_grant"), Cause.WRONG_KEYS, Remedy.NONE),
)

_MEANING_BY_STATUS: Mapping[int, tuple[Cause, Remedy]] = {
    HTTPStatus.UNAUTHORIZED: (Cause.WRONG_KEYS, Remedy.RENEW),
    HTTPStatus.FORBIDDEN: (Cause.PERMISSION_MISSING, Remedy.NONE),
    HTTPStatus.NOT_FOUND: (Cause.WRONG_HOST, Remedy.NONE),
    HTTPStatus.METHOD_NOT_ALLOWED: (Cause.WRONG_HOST, Remedy.NONE),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (Cause.UNREACHABLE, Remedy.NONE),
    HTTPStatus.IM_A_TEAPOT: (Cause.KEYS_EXPIRED, Remedy.NONE),
}


def failure(status: int, envelope: dict[str, object], answer: Answer, *, now: datetime, place: str = "HTTP") -> Fault:
    """Return what a refused request means: by status where that is plain, by code where one is known."""
    detail = f"{place} {status}{quoted(envelope)}"
    if HTTPStatus.TOO_MANY_REQUESTS in (status, answer.status):
        wait = longest(retry_after(answer, now=now), rate_limit_reset(answer, now=now))
        if wait is not None:
            detail += f"; it asks to wait {wait.total_seconds():.0f} s"
        return Fault(Cause.RATE_LIMITED, detail, remedy=Remedy.AGAIN if wait is not None else Remedy.NONE, wait=wait)
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return Fault(Cause.WRONG_HOST, f"{detail}: redirects to {_redirect_host(answer)}, which is not followed")
    complaints = complaints_of(envelope)
    cause, remedy = _meaning(status, complaints, answer)
    if any(complaint.retryable for complaint in complaints) and cause is Cause.MIMECAST_ERROR:
        remedy = Remedy.AGAIN
    return Fault(cause, detail, remedy=remedy, wait=retry_after(answer, now=now))


def _meaning(status: int, complaints: list[_Complaint], answer: Answer) -> tuple[Cause, Remedy]:
    for complaint in complaints:
        for pattern, cause, remedy in _MEANING_BY_CODE:
            if pattern.fullmatch(complaint.code.casefold()):
                return cause, remedy
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Cause.MIMECAST_ERROR, Remedy.AGAIN
    if is_markup(answer):
        return Cause.WRONG_HOST, Remedy.NONE
    if status in _MEANING_BY_STATUS:
        return _MEANING_BY_STATUS[status]
    if complaints or status >= HTTPStatus.BAD_REQUEST:
        return Cause.MIMECAST_ERROR, Remedy.NONE
    return Cause.NOT_UNDERSTOOD, Remedy.NONE


def complaints_of(envelope: dict[str, object]) -> list[_Complaint]:
    """Return the errors of an answer, whichever shape they come in.

    Function errors are nested (`fail[].errors[]`), gateway errors flat (`fail[]`), throttling says `detail`,
    OAuth says `error` and `error_description`.
    """
    found = list(_failed_items(envelope.get("fail")))
    if envelope.get("error") is not None:
        found.append({"code": envelope["error"], "message": envelope.get("error_description")})
    if not found and envelope.get("detail") is not None:
        found.append({"message": envelope["detail"]})
    return [_complaint(item) for item in found]


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
    return clean(value) if isinstance(value, str) else ""


def quoted(envelope: dict[str, object]) -> str:
    """Return what an answer complains about, in brackets and after a space, or nothing."""
    texts = [str(complaint) or "an error without code and message" for complaint in complaints_of(envelope)]
    return f" ({'; '.join(texts[:MAX_COMPLAINTS])})" if texts else ""


def _redirect_host(answer: Answer) -> str:
    """Return where a redirect points to, by host only: the rest of the address may hold anything."""
    try:
        host = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        return "an address that is none"
    return clean(host) if host else "another path of the same host"
