"""Times in parameters and forms, as the commands take them; what is none is the sender's mistake."""

from datetime import datetime, tzinfo

from alerter.queries.times import parse_future, parse_past
from alerter.web.request import HttpError

_MAX_CHARACTERS = 60


def parse_at(text: str, name: str, zone: tzinfo, *, now: datetime) -> datetime:
    """Return the moment in the past that a parameter names.

    Of an hour that the clocks show twice it is the first.

    Raises:
        HttpError: It is none, is still to come, or the clocks skip it.
    """
    try:
        at = parse_past(" ".join(text[:_MAX_CHARACTERS].split()), zone, now=now)
    except (ValueError, OverflowError):
        examples = "'2h ago', '14:30', 'mon 09:00' or '2026-11-24 08:00'"
        raise HttpError(400, f"{name}: expected a time such as {examples}, found {text[:200]!r}", field=name) from None
    if at > now:
        raise HttpError(400, f"{name}: expected a time that has been, found {text!r}", field=name)
    _check_shown(text, name, at, zone)
    return at


def _check_shown(text: str, name: str, at: datetime, zone: tzinfo) -> None:
    """Refuse a date with a clock that the time zone skips: it names no moment."""
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        return
    if written.tzinfo is None and at.astimezone(zone).replace(tzinfo=None) != written:
        raise HttpError(400, f"{name}: the clocks of {zone} skip {text!r}", field=name)


def parse_end(text: str, name: str, zone: tzinfo, *, now: datetime) -> datetime:
    """Return the moment that a field names, looking ahead: a span such as `2h`, a clock, or a date.

    Raises:
        HttpError: It is none.
    """
    try:
        return parse_future(" ".join(text[:_MAX_CHARACTERS].split()), zone, now=now)
    except (ValueError, OverflowError):
        examples = "'2h', '18:00', 'tomorrow 08:00' or '2026-11-24 08:00'"
        raise HttpError(400, f"{name}: expected a time such as {examples}, found {text[:200]!r}", field=name) from None
