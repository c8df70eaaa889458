"""Rate limits and the server's clock: headers in, spans out.

No clock: `now` is when the answer was complete.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from alerter.sources.mimecast.request_error import HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests a rate limit still lets through.

    Attributes:
        limit: Requests per period.
        remaining: What is left of them.
        resets_in: When some are given back; None where Mimecast does not say.
    """

    limit: int
    remaining: int
    resets_in: timedelta | None


_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_COUNT = re.compile(r"[0-9]{1,9}")
#: `X-RateLimit-Reset` is documented in milliseconds, and read as an epoch by others; their ranges do not overlap.
_EPOCH_SECONDS_FROM = 10**9
_EPOCH_MILLISECONDS_FROM = 10**12
#: No date is longer, in characters.
_MAX_DATE = 64
#: Longer than any limit lasts; keeps the arithmetic of dates within its range.
_MAX_WAIT = timedelta(days=30)


def retry_after(answer: HttpResponse, *, now: datetime) -> timedelta | None:
    """Return what `Retry-After` asks for: seconds or a date (RFC 9110 section 10.2.3), or None."""
    text = answer.headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return _bounded(float(text))
    date = _http_date(text)
    return None if date is None else _bounded((date - _server_time(answer, now=now)).total_seconds())


def rate_limit_reset(answer: HttpResponse, *, now: datetime) -> timedelta | None:
    """Return what `X-RateLimit-Reset` asks for: milliseconds, epoch seconds or epoch milliseconds, or None."""
    text = answer.headers.get("x-ratelimit-reset", "").strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    server_time = _server_time(answer, now=now).timestamp()
    if number >= _EPOCH_MILLISECONDS_FROM:
        return _bounded(number / 1000 - server_time)
    if number >= _EPOCH_SECONDS_FROM:
        return _bounded(number - server_time)
    return _bounded(number / 1000)


def rate_limit(answer: HttpResponse, *, now: datetime) -> RateLimit | None:
    """Return what `X-RateLimit-Limit`, `-Remaining` and `-Reset` say; None without one of the first two."""
    texts = [answer.headers.get(f"x-ratelimit-{name}", "").strip() for name in ("limit", "remaining")]
    if not all(_COUNT.fullmatch(text) for text in texts):
        return None
    limit, remaining = map(int, texts)
    return RateLimit(limit=limit, remaining=remaining, resets_in=rate_limit_reset(answer, now=now))


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _MAX_WAIT.total_seconds()))


def max_wait(*waits: timedelta | None) -> timedelta | None:
    """Return the longest of several waits, or None if none is known."""
    return max((wait for wait in waits if wait is not None), default=None)


def _server_time(answer: HttpResponse, *, now: datetime) -> datetime:
    """Return the server's own time where it says it: its instants are of its clock, not of ours."""
    return _http_date(answer.headers.get("date", "")) or now


def _http_date(text: str) -> datetime | None:
    if len(text) > _MAX_DATE:
        return None
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def clock_skew(answer: HttpResponse, *, now: datetime) -> timedelta | None:
    """Return how far `now` is ahead of the server's `Date` header (negative: behind), or None without one."""
    date = _http_date(answer.headers.get("date", ""))
    return None if date is None else now - date
