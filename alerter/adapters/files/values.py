"""What stands in a file, turned into instants, counts and names; what cannot be is refused.

Every function raises ValueError with what was found and what was expected.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from alerter.core.records import LARGEST_COUNT, LONGEST_REASON
from alerter.core.series import NO_REASON, HoldReason, Tenant

#: Mimecast began in 2003: no count of it is older than this.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: An error shows no more of what was found.
LONGEST_SHOWN = 40

_NUMBER = re.compile(r"(\d{9,20})(?:\.(\d{1,9}))?", re.ASCII)
_DIGITS = re.compile(r"\d{1,16}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Seconds since 1970 have at least so many digits; three more are milliseconds, then micro- and nanoseconds.
_DIGITS_OF_SECONDS = 9
_EXAMPLES = "2026-11-25T12:00:00Z, 2026-11-25 12:00 or 1795608000"


class Values:
    """Reads values, in the order in which they stand in a file.

    Args:
        timezone: Where times without an offset were written down.
        time_format: How times are written, as `strptime` has it; None for ISO 8601 and seconds since 1970.
        check_tenant: Returns the name of a tenant, or raises ValueError.
        now: Later than this nothing can be.
    """

    def __init__(
        self, *, timezone: tzinfo, time_format: str | None = None, check_tenant: Callable[[str], str], now: datetime
    ) -> None:
        self._timezone = timezone
        self._time_format = time_format
        self._check_tenant = check_tenant
        self._now = now
        self._newest = EARLIEST
        self._last = ("", EARLIEST)
        self._reasons: dict[str, HoldReason] = {}

    def instant(self, value: object) -> datetime:
        """Return an aware instant in UTC.

        A time that occurs twice, when clocks are set back, is taken for the second one where the first would be earlier
        than what stood before it in the file.
        """
        text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        if not text:
            raise ValueError(f"expected a time such as {_EXAMPLES}, found {found(value)}")
        if text == self._last[0]:
            return self._last[1]
        at = self._instant(text)
        if at > self._now:
            raise ValueError(f"expected a time that has been, {self._now:%Y-%m-%d %H:%M} UTC at most, found {text!r}")
        if at < EARLIEST:
            raise ValueError(f"expected a time since {EARLIEST:%Y}, found {found(value)}")
        self._newest, self._last = at, (text, at)
        return at

    def held(self, value: object) -> int:
        """Return a count of messages: a whole number, or its digits."""
        if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
            value = int(value)
        if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
            raise ValueError(f"expected a whole number of messages, from 0 to 2^53, found {found(value)}")
        return value

    def polls(self, value: object) -> int:
        """Return a number of polls, at least 1."""
        number = self.held(value)
        if number < 1:
            raise ValueError("expected at least 1 poll, found 0")
        return number

    def reason(self, value: object) -> HoldReason:
        """Return a hold reason verbatim; a blank one is that of mail without a reason, as in a poll."""
        if not isinstance(value, str):
            raise ValueError(f"expected the name of a hold reason, found {found(value)}")  # noqa: TRY004 - one kind of error
        if value in self._reasons:
            return self._reasons[value]
        if len(value) > LONGEST_REASON:
            raise ValueError(f"expected a name of {LONGEST_REASON} characters at most, found one of {len(value)}")
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("expected text that can be stored, found a NUL or half a character in it")
        self._reasons[value] = reason = HoldReason(value) if value.strip() else NO_REASON
        return reason

    def tenant(self, value: object) -> Tenant:
        """Return the name of a tenant."""
        if not isinstance(value, str):
            raise ValueError(f"expected the name of a tenant, found {found(value)}")  # noqa: TRY004 - one kind of error
        return Tenant(self._check_tenant(value.strip()))

    def _instant(self, text: str) -> datetime:
        number = _NUMBER.fullmatch(text)
        if number is not None and self._time_format is None:
            below = (len(number[1]) - _DIGITS_OF_SECONDS) // 3 * 3
            return _from_epoch(number[1], number[2] or "", below)
        read = self._read(text)
        try:
            return read.astimezone(UTC) if read.tzinfo is not None else self._placed(read, text)
        except OverflowError:
            raise ValueError(f"expected a time since {EARLIEST:%Y}, found {text!r}") from None

    def _read(self, text: str) -> datetime:
        if self._time_format is not None:
            try:
                return datetime.strptime(text, self._time_format)  # noqa: DTZ007 - placed afterwards
            except ValueError:
                raise ValueError(f"expected a time like {self._time_format!r}, found {found(text)}") from None
        try:
            return datetime.fromisoformat(re.sub(r" ?(?:UTC|GMT)$", "Z", text))
        except ValueError:
            raise ValueError(
                f"expected a time such as {_EXAMPLES}, found {found(text)}; "
                "for another form give --time-format, such as '%d/%m/%Y %H:%M'"
            ) from None

    def _placed(self, read: datetime, text: str) -> datetime:
        """Return what the clocks of the place mean by a time without an offset."""
        first, second = (read.replace(tzinfo=self._timezone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if second < first:
            raise ValueError(
                f"there is no {text!r} in {self._timezone}, where clocks were set ahead then; "
                "expected the --timezone of the machine that wrote it"
            )
        return second if first < self._newest <= second else first


def _from_epoch(digits: str, fraction: str, below: int) -> datetime:
    """Return the instant of a number since 1970 of which so many digits are below a second."""
    whole = len(digits) - below
    microseconds = f"{digits[whole:]}{fraction}"[:6].ljust(6, "0")
    return _EPOCH + timedelta(seconds=int(digits[:whole]), microseconds=int(microseconds))


def found(value: object) -> str:
    """Return what was found, as an error says it."""
    match value:
        case None | "":
            return "nothing"
        case bool() | list() | dict():
            return {bool: "true or false", list: "a list", dict: "an object"}[type(value)]
        case str():
            return repr(value) if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]!r}…"
        case _:
            return str(value)[:LONGEST_SHOWN]
