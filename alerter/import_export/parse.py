"""Texts of a file as instants, counts and names; a text that can be read in two ways is refused.

Every function raises ValueError with what was found and what was expected.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from alerter.core.history_records import MAX_COUNT, MAX_DETAIL, MAX_REASON
from alerter.core.series import NO_REASON, HoldReason, Tenant
from alerter.errors import Cause

#: Mimecast began in 2003: no count of it is older than this.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: An error shows no more of what was found.
MAX_SHOWN_LENGTH = 40

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)  # fmt: skip
# `7.0` is how a program writes 7 that takes it for a fraction; `1.000` may be a thousand.
_COUNT = re.compile(r"(\d{1,16})(?:\.0{1,2})?", re.ASCII)
_EXAMPLES = "2026-11-25T12:00:00Z or 2026-11-25 12:00+01:00"
_STEP = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)


class ValueParser:
    """Reads values.

    Args:
        timezone: Where times without an offset were written down; None where each must have one.
        check_tenant: Returns the name of a tenant, or raises ValueError.
        now: Later than this nothing can be.
    """

    def __init__(self, *, timezone: tzinfo | None = None, check_tenant: Callable[[str], str], now: datetime) -> None:
        self._timezone = timezone
        self._check_tenant = check_tenant
        self._now = now
        self._last = ("", EARLIEST)
        self._reasons: dict[str, HoldReason] = {}
        self._tenants: dict[str, Tenant] = {}

    def instant(self, value: object) -> datetime:
        """Return an aware instant in UTC."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected a time with an offset, such as {_EXAMPLES}, found {describe_value(value)}")
        if value == self._last[0]:
            return self._last[1]
        text = value.strip()
        at = self._instant(text)
        if at > self._now:
            raise ValueError(f"expected a time that has been, {self._now:%Y-%m-%d %H:%M} UTC at most, found {text!r}")
        if at < EARLIEST:
            raise ValueError(f"expected a time since {EARLIEST:%Y}, found {describe_value(text)}")
        self._last = (value, at)
        return at

    def held(self, value: object) -> int:
        """Return a count of messages: a whole number, or its digits."""
        if isinstance(value, str) and (digits := _COUNT.fullmatch(value.strip())):
            value = int(digits[1])
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            raise ValueError(f"expected a whole number of messages, from 0 to 2^53, found {describe_value(value)}")
        return value

    def steps(self, value: object) -> tuple[timedelta, ...]:
        """Return the spans between polls, each longer than nothing; none where nothing is said of them."""
        if value is None or value == "":
            return ()
        texts = str(value).split(" ")
        steps = tuple(_span(text) for text in texts if _STEP.fullmatch(text))
        if len(steps) < len(texts) or not all(steps):
            raise ValueError(
                f"expected seconds between polls such as '300 299.98 300.02', found {describe_value(value)}"
            )
        return steps

    def reason(self, value: object) -> HoldReason:
        """Return a hold reason verbatim; a blank one is that of mail without a reason, as in a poll."""
        if not isinstance(value, str):
            raise ValueError(f"expected the name of a hold reason, found {describe_value(value)}")  # noqa: TRY004 - one kind of error
        if value in self._reasons:
            return self._reasons[value]
        _check_storable(value, MAX_REASON)
        self._reasons[value] = reason = HoldReason(value) if value.strip() else NO_REASON
        return reason

    def cause(self, value: object) -> Cause:
        """Return why polls failed."""
        try:
            return Cause(str(value))
        except ValueError:
            causes = ", ".join(map(repr, map(str, Cause)))
            raise ValueError(f"expected one of {causes}, found {describe_value(value)}") from None

    def detail(self, value: object) -> str:
        """Return what was found when a poll failed; it may be empty."""
        if not isinstance(value, str | None):
            raise ValueError(f"expected a text, found {describe_value(value)}")  # noqa: TRY004 - one kind of error
        _check_storable(text := value or "", MAX_DETAIL)
        return text

    def tenant(self, value: object) -> Tenant:
        """Return the name of a tenant."""
        if not isinstance(value, str):
            raise ValueError(f"expected the name of a tenant, found {describe_value(value)}")  # noqa: TRY004 - one kind of error
        if value not in self._tenants:
            self._tenants[value] = Tenant(self._check_tenant(value.strip()))
        return self._tenants[value]

    def needs_timezone(self, text: str) -> bool:
        """Return True if a text is a time that nobody can place."""
        parts = _TIME.fullmatch(text.strip())
        return parts is not None and parts[2] is None and self._timezone is None

    def _instant(self, text: str) -> datetime:
        parts = _TIME.fullmatch(text)
        try:
            read = None if parts is None else datetime.fromisoformat(parts[1] + (parts[2] or ""))
            at = None if read is None or read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            read = at = None
        if read is None:
            raise ValueError(f"expected a time with an offset, such as {_EXAMPLES}, found {describe_value(text)}")
        return at or self._placed(read, text)

    def _placed(self, read: datetime, text: str) -> datetime:
        """Return what the clocks of the place mean by a time without an offset."""
        if self._timezone is None:
            raise ValueError(
                f"expected a time with an offset, such as {_EXAMPLES}, found {text!r}; "
                "--timezone NAME says which clock showed it, such as --timezone Europe/London or --timezone UTC"
            )
        if read.year <= EARLIEST.year:
            raise ValueError(f"expected a time since {EARLIEST.year + 1}, found {text!r}")
        first, second = (read.replace(tzinfo=self._timezone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first != second:
            what = "was no" if second < first else "were two"
            raise ValueError(
                f"there {what} {text!r} in {self._timezone}, where clocks were set that night: "
                "expected a time with an offset; write it with one, or delete the rows of that hour"
            )
        return first


def _check_storable(text: str, longest: int) -> None:
    if len(text) > longest:
        raise ValueError(f"expected {longest} characters at most, found {len(text):,}")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("expected text that can be stored, found a NUL or half a character in it")


def _span(text: str) -> timedelta:
    seconds, _, fraction = text.partition(".")
    return timedelta(seconds=int(seconds), microseconds=int(fraction.ljust(6, "0")))


def describe_value(value: object) -> str:
    """Return what was found, as an error says it."""
    match value:
        case None | "":
            return "nothing"
        case bool() | list() | dict():
            return {bool: "true or false", list: "a list", dict: "an object"}[type(value)]
        case str():
            return repr(value) if len(value) <= MAX_SHOWN_LENGTH else f"{value[:MAX_SHOWN_LENGTH]!r}…"
        case int() if value.bit_length() > 128:  # noqa: PLR2004 - far more than is shown
            return "a number of many digits"
        case _:
            return str(value)[:MAX_SHOWN_LENGTH]
