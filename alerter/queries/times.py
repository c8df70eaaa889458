"""Times as people write them: a span ago or from now, a clock, a day with a clock, or a date."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from re import IGNORECASE, Match
from re import compile as compile_regex

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


_AGO = compile_regex(r"(.*\S)\s+ago", IGNORECASE)


_FROM_NOW = compile_regex(r"(?:in\s+|\+)(.*\S)", IGNORECASE)


_CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d))?\s*(?P<half>am|pm)?|\s*(?P<only_half>am|pm))"


_NAMED = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _DAYS)


_DAY = compile_regex(
    rf"(?=.)(?:(?P<day>today|tomorrow|yesterday|{_NAMED})\b)?(?:(?:^|\s)(?:at\s)?{_CLOCK})?", IGNORECASE
)


#: Units as they are spoken: `2 days`, `90 min`.
_UNIT = compile_regex(r"(?<=[\d ])(week|day|hour|hr|minute|min|second|sec)s?\b", IGNORECASE)


_WEEK = timedelta(days=7)


def parse_instant(text: str, timezone: tzinfo) -> datetime:
    """Return the instant of an ISO 8601 text; without an offset it is in the service's time zone.

    Raises:
        ValueError: It is no time.
        OverflowError: It is none that a calendar in UTC has.
    """
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"expected a time such as '2026-11-24 08:00', found {text!r}") from None
    return (read if read.tzinfo else read.replace(tzinfo=timezone)).astimezone(UTC)


def parse_past(text: str, timezone: tzinfo, *, now: datetime) -> datetime:
    """Return the moment that a text names, looking back: `2h ago`, `14:30` today, `mon 09:00`, ISO 8601.

    Raises:
        ValueError: It names none.
        OverflowError: It names none that a calendar in UTC has.
    """
    """Return the moment that a text names, looking back: `2h ago`, `14:30` today, `mon 09:00`, ISO 8601.

    Raises:
        ValueError: It names none.
        OverflowError: It names none that a calendar in UTC has.
    """
    if text.casefold() == "now":
        return now
    if match := _DAY.fullmatch(text):
        return _on_day(match, timezone, now=now, weekday_step=-_WEEK)
    ago = _AGO.fullmatch(text)
    try:
        return now - _span(ago[1] if ago else text)
    except ValueError:
        if ago:
            raise
    return parse_instant(text, timezone)


def parse_future(text: str, timezone: tzinfo, *, now: datetime) -> datetime:
    """Return the moment that a text names, looking ahead: `2h`, `18:00`, `tomorrow 08:00`, ISO 8601.

    Raises:
        ValueError: It names none.
        OverflowError: It names none that a calendar in UTC has.
    """
    """Return the moment that a text names, looking ahead: `2h`, `18:00`, `tomorrow 08:00`, ISO 8601.

    Raises:
        ValueError: It names none.
        OverflowError: It names none that a calendar in UTC has.
    """
    if text.casefold() == "now":
        return now
    if match := _DAY.fullmatch(text):
        at = _on_day(match, timezone, now=now, weekday_step=_WEEK)
        return at if match["day"] or at > now else _on_day(match, timezone, now=now + timedelta(days=1))
    later = _FROM_NOW.fullmatch(text)
    try:
        return now + _span(later[1] if later else text)
    except ValueError:
        if later:
            raise
    return parse_instant(text, timezone)


def _span(text: str) -> timedelta:
    from alerter.config.types import parse_duration  # noqa: PLC0415 - pydantic costs more than `--help` may

    return parse_duration(_UNIT.sub(lambda match: match[1][0].casefold(), text).replace(" ", ""))


def _on_day(match: Match[str], timezone: tzinfo, *, now: datetime, weekday_step: timedelta = _WEEK) -> datetime:
    """Return the instant of a day and a clock; without a clock it is the day's begin.

    Args:
        match: Of `_DAY`.
        timezone: Where the clock is.
        now: The present.
        weekday_step: Where to look for a day of the week that today's clock has passed, or not reached.
    """
    clock, today = _clock(match), now.astimezone(timezone).date()
    day = (match["day"] or "today").casefold()
    named = next((number for number, name in enumerate(_DAYS) if name.startswith(day)), None)
    if named is None:
        return _at(today + timedelta(days={"yesterday": -1, "today": 0, "tomorrow": 1}[day]), clock, timezone)
    is_past = weekday_step < timedelta(0)
    distance = (today.weekday() - named) % 7 if is_past else (named - today.weekday()) % 7
    at = _at(today + timedelta(days=-distance if is_past else distance), clock, timezone)
    return _at(at.astimezone(timezone).date() + weekday_step, clock, timezone) if (at > now) == is_past else at


def _clock(match: Match[str]) -> time:
    if match["hour"] is None:
        return time()
    half, hour = (match["half"] or match["only_half"] or "").casefold(), int(match["hour"])
    if half:
        if not 1 <= hour <= 12:  # noqa: PLR2004 - the hours of such a clock
            raise ValueError(f"expected an hour from 1 to 12, found {hour}")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, int(match["minute"] or 0), int(match["second"] or 0))


def _at(day: date, clock: time, timezone: tzinfo) -> datetime:
    return datetime.combine(day, clock, timezone).astimezone(UTC)
