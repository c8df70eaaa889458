"""Numbers, spans, instants, many names, and what cannot be printed, as text. No I/O."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def size_text(size_bytes: float) -> str:
    """Return a size in the largest unit of which it has at least one: `812.3 KiB`, `1.5 GiB`."""
    unit = next((unit for unit in reversed(_UNITS) if size_bytes >= _UNITS[unit]), "B")
    return f"{size_bytes / _UNITS[unit]:.{0 if unit == 'B' else 1}f} {unit}"


def first_and_more_text(names: Collection[str]) -> str:
    """Return the first of some names, and how many others there are: `acme`, `acme and 2 more`."""
    first, *others = names
    return f"{first} and {len(others):,} more" if others else first


def count_text(number: int, noun: str) -> str:
    """Return `1 error`, `2 errors`, `3,000 errors`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def times_text(number: int) -> str:
    """Return `never`, `once`, `twice`, `3 times`."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number:,} times")


#: What a rate is said in, and how many weeks it has: the shortest first.
_RATE_UNITS = {"day": 1 / 7, "week": 1.0, "month": 30.4375 / 7, "quarter": 91.3125 / 7, "year": 365.25 / 7}


def rate_text(per_week: float, noun: str = "") -> str:
    """Return how often something happens, in the shortest unit in which it does so once or more.

    Without a noun, `once a quarter`, `2.5 times a week`, `never`; with one, `1 alert a quarter`, `2.5 alerts a week`.
    """
    unit = next((unit for unit, weeks in _RATE_UNITS.items() if round(per_week * weeks, 1) >= 1), "year")
    number = per_week * _RATE_UNITS[unit]
    number = round(number, 0 if number >= 10 else 1)  # noqa: PLR2004 - a second digit is enough
    text = f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"
    if noun:
        return f"{text} {noun}{'' if number == 1 else 's'} a {unit}"
    if not number:
        return "less than once in ten years" if per_week else "never"
    often = times_text(int(number)) if number == int(number) else f"{text} times"
    return f"{often} a {unit}"


def escaped(text: str, *, keep: str = "") -> str:
    r"""Return a text with an escape such as `\x1b` for each character that cannot be printed, except those to keep.

    Among them are control characters, those that change the direction of a line, and invisible ones.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def escaped_json(text: str) -> str:
    """Return the same JSON with an escape for each character that cannot be printed, except line breaks."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def duration_text(span: timedelta) -> str:
    """Return a span as people read it: `30s`, `1h 30m`, `2d`; below a second it is `0s`."""
    rest = int(span.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def setting_text(span: timedelta) -> str:
    """Return a span as the configuration takes it: `30s`, `1h30m`, `2d`."""
    return duration_text(span).replace(" ", "")


def age_text(at: datetime | None, *, now: datetime) -> str:
    """Return how long ago an instant was, in one or two units, or `never`."""
    return "never" if at is None else f"{short_duration_text(now - at)} ago"


def short_duration_text(span: timedelta) -> str:
    """Return a span in its two largest units."""
    return " ".join(duration_text(max(span, timedelta(0))).split()[:2])


def local_time_text(at: datetime, timezone: tzinfo) -> str:
    """Return an instant as people read it."""
    return at.astimezone(timezone).strftime("%Y-%m-%d %H:%M:%S %Z")


def to_json_value(value: object) -> object:
    """Return a value that JSON has: instants as ISO 8601, spans in seconds."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return dict(value)
        case Iterable():
            return list(value)
        case _:
            raise TypeError(f"no JSON form for {type(value).__name__}")
