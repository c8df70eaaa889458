"""Times as people write them at a prompt: a span ago or from now, a clock, a day with a clock, or a date."""

from datetime import datetime, tzinfo

import click

from alerter.queries.times import parse_future, parse_past

_EXAMPLES = "'2h ago', '14:30', 'mon 09:00' or '2026-11-24 08:00'"
_FUTURE_EXAMPLES = "'2h', '18:00', 'tomorrow 08:00', 'mon 09:00' or '2026-11-24 08:00'"


def parse_time(text: str, timezone: tzinfo, *, option: str, now: datetime) -> datetime:
    """Return the moment that an option names: `90d` or `2h ago`, `14:30` today, `mon 09:00`, or ISO 8601.

    Args:
        text: What the user wrote.
        timezone: Where clocks and dates without an offset are.
        option: Its name, for the error.
        now: The present, from which spans are counted.

    Raises:
        click.BadParameter: It is none of these, or is still to come.
    """
    try:
        at = parse_past(" ".join(text.split()), timezone, now=now)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"expected a time such as {_EXAMPLES}, found {text!r}", param_hint=option) from None
    if at > now:
        raise click.BadParameter(f"expected a time that has been, found {text!r}", param_hint=option)
    return at


def parse_future_time(text: str, timezone: tzinfo, *, option: str, now: datetime) -> datetime:
    """Return the moment to come that an option names: `2h`, `18:00`, `tomorrow 08:00`, `mon 09:00`, or ISO 8601.

    A clock alone is the next time that it shows that; a day of the week is the next such day. What has been is
    returned as well, for the caller to decide.

    Raises:
        click.BadParameter: It is none of these.
    """
    try:
        return parse_future(" ".join(text.split()), timezone, now=now)
    except (ValueError, OverflowError):
        examples = f"expected a time such as {_FUTURE_EXAMPLES}, found {text!r}"
        raise click.BadParameter(examples, param_hint=option) from None
