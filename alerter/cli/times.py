"""How commands read a moment: a span ago, the time of a clock, or a date."""

from datetime import UTC, datetime, time, tzinfo
from re import IGNORECASE
from re import compile as compile_regex

import click

_AGO = compile_regex(r"(.*\S)\s+ago", IGNORECASE)
_CLOCK = compile_regex(r"\d{1,2}:\d\d(?::\d\d)?")
_EXAMPLES = "'2h ago', '14:30' or '2026-11-24 08:00'"


def instant(text: str, timezone: tzinfo) -> datetime:
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


def moment(text: str, timezone: tzinfo, *, option: str, now: datetime) -> datetime:
    """Return the moment that an option names: `90d` or `2h ago`, `14:30` today, or ISO 8601.

    Args:
        text: What the user wrote.
        timezone: Where clocks and dates without an offset are.
        option: Its name, for the error.
        now: The present, from which spans are counted.

    Raises:
        click.BadParameter: It is none of these, or is still to come.
    """
    try:
        at = _moment(text.strip(), timezone, now=now)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"expected a time such as {_EXAMPLES}, found {text!r}", param_hint=option) from None
    if at > now:
        raise click.BadParameter(f"expected a time that has been, found {text!r}", param_hint=option)
    return at


def _moment(text: str, timezone: tzinfo, *, now: datetime) -> datetime:
    from alerter.config.types import duration  # noqa: PLC0415 - pydantic costs more than `--help` may

    if text.casefold() == "now":
        return now
    if _CLOCK.fullmatch(text):
        today = now.astimezone(timezone).date()
        clock = time.fromisoformat(text.zfill(5))
        return datetime.combine(today, clock, timezone).astimezone(UTC)
    ago = _AGO.fullmatch(text)
    try:
        return now - duration((ago[1] if ago else text).replace(" ", ""))
    except ValueError:
        if ago:
            raise
    return instant(text, timezone)
