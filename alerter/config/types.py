"""Annotated types of the configuration: durations, names, keys, globs, labels, time zones; each with its parser.

A parser raises ValueError with what was expected and what was found, or returns the value. Beside it stands what an
editor knows of the text: of a text with a variable in it, nothing. No I/O, but for the time zones of the system.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from datetime import time, timedelta
from enum import StrEnum
from functools import partial
from re import ASCII, IGNORECASE
from re import compile as compile_regex
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import list_schema, no_info_after_validator_function, str_schema

from alerter.config.problems import describe_value, shown, suggestion
from alerter.core.mute_windows import WEEKDAYS
from alerter.core.rules import Per, Severity
from alerter.core.selectors import Selector
from alerter.humanize import setting_text

Schema: TypeAlias = dict[str, Any]
Member = TypeVar("Member", bound=StrEnum)
Item = TypeVar("Item")

#: What each text looks like, once the space around it is gone; the JSON Schema has the same.
DURATION = compile_regex(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", ASCII)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
CLOCK = compile_regex(r"([01]\d|2[0-3]):([0-5]\d)", ASCII)
NAME = compile_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL = compile_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")
#: What a label of a tenant may not be called: Prometheus's own names, and those that alerter's metrics have.
TAKEN_LABELS = frozenset({"tenant", "reason", "rule", "severity", "job", "instance"})
#: A label is a word or a name, not a text.
MAX_LABEL = 100
MAX_USER_CHARACTERS = 64
#: Of a bcrypt hash: below it a stolen one is soon broken, above it a sign-in takes seconds.
MIN_COST, MAX_COST = 10, 14
_SHA256 = compile_regex(r"[0-9a-f]{64}", ASCII | IGNORECASE)
_BCRYPT = compile_regex(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}", ASCII)
#: More names than this only hide what the error is.
MAX_LISTED = 10
#: A hundred years: no date minus a duration leaves the calendar.
LONGEST = timedelta(days=36500)
#: What an editor knows of a text with a variable in it.
VARIABLE = r"\$\{"


def text_schema(pattern: str, *examples: str) -> Schema:
    """Return the JSON Schema of a text of a form, or with a variable in it.

    One pattern for both: of two schemas, of which one must fit, an editor says only that neither does.
    """
    schema: Schema = {"type": "string", "pattern": f"{pattern}|{VARIABLE}"}
    return schema | ({"examples": list(examples)} if examples else {})


def whole_schema(pattern: str, *examples: str) -> Schema:
    """Return the JSON Schema of a text all of which is of a form, but for space around it."""
    return text_schema(rf"^\s*(?:{pattern})\s*$", *examples)


class Secret(str):
    """A text that must not be shown. It is an ordinary string wherever it is used; only its `repr` hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the same for every secret."""
        return "Secret('***')"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return what pydantic takes for one: any text."""
        return no_info_after_validator_function(cls, str_schema(min_length=1))


def _as_tuple(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - a type form
    items = list_schema(handler.generate_schema(get_args(source)[0]), strict=False)
    return no_info_after_validator_function(tuple, items)


def _as_selector(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - a type form
    return no_info_after_validator_function(source, handler.generate_schema(AtLeastOne[Glob]))


def parse_duration(value: object) -> timedelta:
    """Return the span that `1w2d3h4m5s` or a part of it says: each unit at most once, the largest first."""
    expected = 'expected a duration such as "10m"'
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{expected}, found {describe_value(value)}: add a unit (s, m, h, d or w), in quotes")  # noqa: TRY004
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{expected}, found {describe_value(value)}")
    match = DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{expected}, found {shown(value)}")
    try:
        span = timedelta(**{unit: int(count or 0) for unit, count in zip(_UNITS, match.groups(), strict=True)})
    except (OverflowError, ValueError):
        span = timedelta.max
    if span > LONGEST:
        raise ValueError(f"expected at most {setting_text(LONGEST)}, found {shown(value)}")
    return span


def at_least(span: timedelta, minimum: timedelta) -> timedelta:
    """Return the span if it is not shorter."""
    if span < minimum:
        raise ValueError(f"expected at least {setting_text(minimum)}, found {setting_text(span)}")
    return span


def at_most(span: timedelta, maximum: timedelta) -> timedelta:
    """Return the span if it is not longer."""
    if span > maximum:
        raise ValueError(f"expected at most {setting_text(maximum)}, found {setting_text(span)}")
    return span


def _longer_than_nothing(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("expected a duration longer than 0s, found 0s")
    return span


def shortest(minimum: timedelta) -> AfterValidator:
    """Return what refuses shorter spans."""
    return AfterValidator(partial(at_least, minimum=minimum))


def longest(maximum: timedelta) -> AfterValidator:
    """Return what refuses longer spans."""
    return AfterValidator(partial(at_most, maximum=maximum))


def time_of_day(value: object) -> time:
    """Return what a clock shows at `18:00`; a day ends at the next one's `00:00`."""
    expected = 'expected a time of day such as "18:00"'
    if isinstance(value, time):
        raise ValueError(f"{expected}, found one without quotes")  # noqa: TRY004 - pydantic takes ValueErrors
    match = CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        hint = ': midnight is "00:00"' if value == "24:00" else ""
        raise ValueError(f"{expected}, found {describe_value(value)}{hint}")
    return time(int(match[1]), int(match[2]))


def weekdays(value: object) -> frozenset[int]:
    """Return the days of the week, Monday 0, that `sun` or `mon-fri` names; a range may go over the weekend."""
    if not isinstance(value, str):
        raise ValueError(f'expected a day such as "mon" or a range such as "mon-fri", found {describe_value(value)}')  # noqa: TRY004
    first, dash, last = (part.strip() for part in value.casefold().partition("-"))
    begin, end = _weekday(first, value), _weekday(last if dash else first, value)
    return frozenset((begin + step) % len(WEEKDAYS) for step in range((end - begin) % len(WEEKDAYS) + 1))


def weekday(value: object) -> str:
    """Return a day of the week as `mon` names it."""
    if not isinstance(value, str) or value.strip().casefold() not in WEEKDAYS:
        hint = suggestion(value.strip().casefold()[:3], WEEKDAYS) if isinstance(value, str) else ""
        raise ValueError(f"expected {listed(WEEKDAYS)}, found {describe_value(value)}{hint}")
    return value.strip().casefold()


def _weekday(name: str, value: str) -> int:
    if name not in WEEKDAYS:
        hint = suggestion(name[:3], WEEKDAYS)
        raise ValueError(
            f'expected {listed(WEEKDAYS)}, or a range such as "mon-fri", found {describe_value(value)}{hint}'
        )
    return WEEKDAYS.index(name)


def one_of(kind: type[Member], value: object) -> Member:
    """Return the member of an enum that the text names."""
    names = [str(member) for member in kind]
    if not isinstance(value, str) or value.strip() not in names:
        hint = suggestion(value, names) if isinstance(value, str) else ""
        raise ValueError(f"expected {listed(names)}, found {describe_value(value)}{hint}")
    return kind(value.strip())


def listed(names: Iterable[str]) -> str:
    """Return `"a" or "b" or "c"` as an error says it."""
    quoted = [f'"{name}"' for name in names]
    return " or ".join(quoted[:MAX_LISTED]) + (" or another" if len(quoted) > MAX_LISTED else "") or "none"


def checked_name(value: str) -> str:
    """Return a name that may stand in a target's name, in a glob and in a command."""
    if not NAME.fullmatch(value):
        raise ValueError(
            f"expected a name of letters, digits, '.', '_' and '-', at most 64, the first a letter or digit, "
            f"found {shown(value)}"
        )
    return value


def labels(value: object) -> Mapping[str, str]:
    """Return labels as Prometheus takes them: names of letters, digits and `_`, and values that are lines of text."""
    if not isinstance(value, dict):
        raise ValueError(f'expected a table such as {{ tier = "gold" }}, found {describe_value(value)}')  # noqa: TRY004
    return MappingProxyType({_label(name): _label_value(name, text) for name, text in value.items()})


def label_globs(value: object) -> Mapping[str, tuple[str, ...]]:
    """Return which values of labels are wanted: a glob or several for each label."""
    if not isinstance(value, dict):
        raise ValueError(f'expected a table such as {{ tier = "gold" }}, found {describe_value(value)}')  # noqa: TRY004
    return MappingProxyType({_label(name): _label_globs(name, globs) for name, globs in value.items()})


def _label_globs(name: str, value: object) -> tuple[str, ...]:
    written = value if isinstance(value, list) else [value]
    globs = tuple(parse_glob(each.strip()) for each in written if isinstance(each, str))
    if not globs or len(globs) < len(written):
        raise ValueError(
            f'expected a glob such as "gold", or a list of them, for {name!r}, found {describe_value(value)}'
        )
    return globs


def _label(name: str) -> str:
    if not LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"expected a label's name of letters, digits and '_', the first no digit, found {shown(name)}")
    if name in TAKEN_LABELS:
        raise ValueError(f"expected a label of your own, found {shown(name)}, which every alert has already")
    return name


def _label_value(name: str, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > MAX_LABEL:
        raise ValueError(
            f"expected text of one line, at most {MAX_LABEL} characters, for {name!r}, found {describe_value(value)}"
        )
    return text


def title(value: str) -> str:
    """Return a name for people: one line of printable text."""
    if not value.isprintable():
        raise ValueError(f"expected one line of printable text, found {shown(value)}")
    return value


def parse_glob(value: str) -> str:
    """Return a glob, perhaps with a `!` before it."""
    if not value.removeprefix("!").strip():
        raise ValueError(f'expected a glob such as "Spam*" or "!Spam*", found {shown(value)}')
    return value


#: What pasting brings along around a text: quotes of shells, of TOML, and of word processors.
_QUOTES = tuple("\"'`\u201c\u201d\u2018\u2019")
#: What stands before a key where it was copied from a request or from a file of variables.
_BEFORE_KEY = compile_regex(r"(Bearer|Basic|MC)\s|(export\s+)?[A-Za-z_]{3,40}\s*[=:]\s*[^=\s]", IGNORECASE)


def unquoted(value: str, what: str) -> str:
    """Return a secret that has no quotes around it; the text of the error never shows it."""
    if value.startswith(_QUOTES) or value.endswith(_QUOTES):
        raise ValueError(f"expected {what} alone, found quotes around it, which belong to no value: leave them out")
    return value


def key(value: str) -> str:
    """Return a key of Mimecast's; the text of the error never shows it."""
    if _BEFORE_KEY.match(unquoted(value, "a key")):
        raise ValueError(
            "expected a key alone, found a word before it, as in 'Bearer …' or 'client_id=…': leave it out"
        )
    if value.endswith(("\\n", "\\r")):
        raise ValueError("expected a key alone, found a backslash at its end, as of a line break written '\\n'")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("expected a key of ASCII characters without spaces; copy it again")
    return value


def base64_key(value: str) -> str:
    """Return a key that is base64 text."""
    try:
        b64decode(key(value), validate=True)
    except Base64Error:
        raise ValueError(
            "expected base64 text, as Mimecast shows it; copy it again, with every '=' at its end"
        ) from None
    return value


def parse_timezone(value: object) -> ZoneInfo:
    """Return a time zone by its IANA name."""
    expected = 'expected a time zone such as "Europe/London"'
    if isinstance(value, ZoneInfo):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{expected}, found {describe_value(value)}")  # noqa: TRY004 - pydantic takes ValueErrors
    try:
        return ZoneInfo(value.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = suggestion(value, available_timezones())
        raise ValueError(f"{expected}, found {shown(value)}{hint}") from None


def sha256_digest(value: str) -> str:
    """Return the digest of a token: 64 hexadecimal digits."""
    if not _SHA256.fullmatch(value):
        raise ValueError("expected 64 hexadecimal digits, as `alerter web-token` prints them, found another text")
    return value.lower()


def password_hashes(value: object) -> Mapping[str, Secret]:
    """Return bcrypt hashes by user; the text of an error never shows one."""
    if not isinstance(value, dict):
        raise ValueError('expected a table such as { alice = "${ALICE_HASH}" }, found another kind of value')  # noqa: TRY004 - pydantic takes ValueErrors
    for name, text in value.items():
        if not name or not name.isprintable() or ":" in name or len(name) > MAX_USER_CHARACTERS:
            raise ValueError(f"expected a user's name without ':', at most {MAX_USER_CHARACTERS} characters")
        match = _BCRYPT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"expected for {name!r} a hash that `alerter web-password` makes, found another text")
        if not MIN_COST <= int(match["cost"]) <= MAX_COST:
            raise ValueError(
                f"expected for {name!r} a hash with a cost of {MIN_COST} to {MAX_COST}, found {int(match['cost'])}"
            )
    return MappingProxyType({name: Secret(text) for name, text in value.items()})


_LABEL_NAMES: Schema = {"pattern": f"^{LABEL.pattern}$", "not": {"enum": sorted(TAKEN_LABELS)}}
_GLOB = text_schema(r"^!?[\s\S]*[^!\s]", "*Impersonation*", "!Graymail*")
_DAY = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in day) for day in WEEKDAYS)

Text = Annotated[str, Field(min_length=1)]
Title = Annotated[Text, AfterValidator(title), WithJsonSchema(whole_schema(r"\S(?:[^\x00-\x1f]*\S)?"))]
#: A list of the file; and one that must not be empty.
Several = Annotated[tuple[Item, ...], GetPydanticSchema(_as_tuple)]
AtLeastOne = Annotated[tuple[Item, ...], GetPydanticSchema(_as_tuple), Field(min_length=1)]
ApiKey = Annotated[Secret, AfterValidator(key), WithJsonSchema(whole_schema(r"[!-~]+", "${MIMECAST_CLIENT_ID}"))]
Base64Key = Annotated[
    Secret, AfterValidator(base64_key), WithJsonSchema(whole_schema(r"[A-Za-z0-9+/]+=*", "${MIMECAST_SECRET_KEY}"))
]
Digest = Annotated[Text, AfterValidator(sha256_digest)]
PasswordHashes = Annotated[
    Mapping[str, str],
    PlainValidator(password_hashes),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
_SPAN = whole_schema(rf"(?=\S){DURATION.pattern}", "90s", "10m", "1h30m", "2d")
Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_SPAN)]
PositiveDuration = Annotated[
    Duration,
    AfterValidator(_longer_than_nothing),
    WithJsonSchema(_SPAN | {"not": {"pattern": r"^[0wdhms\s]*$"}}),
]
TimeOfDay = Annotated[time, PlainValidator(time_of_day), WithJsonSchema(whole_schema(CLOCK.pattern, "18:00"))]
Weekdays = Annotated[
    frozenset[int],
    PlainValidator(weekdays),
    WithJsonSchema(whole_schema(rf"(?:{_DAY})\s*(?:-\s*(?:{_DAY}))?", "mon-fri", "sun")),
]
Weekday = Annotated[str, PlainValidator(weekday), WithJsonSchema(whole_schema(_DAY, "mon"))]
TimeZone = Annotated[
    ZoneInfo,
    PlainValidator(parse_timezone),
    WithJsonSchema(text_schema(r"\S", "Europe/London", "America/New_York", "UTC")),
]
#: The space around a glob is a part of it, as it is a part of a name.
Glob = Annotated[str, StringConstraints(strip_whitespace=False), AfterValidator(parse_glob), WithJsonSchema(_GLOB)]
Globs = Annotated[Selector, GetPydanticSchema(_as_selector)]
Labels = Annotated[
    Mapping[str, str],
    PlainValidator(labels),
    WithJsonSchema({"type": "object", "propertyNames": _LABEL_NAMES, "additionalProperties": text_schema(r"\S")}),
]
LabelGlobs = Annotated[
    Mapping[str, tuple[str, ...]],
    PlainValidator(label_globs),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": _LABEL_NAMES,
            "additionalProperties": {"anyOf": [_GLOB, {"type": "array", "items": _GLOB, "minItems": 1}]},
        }
    ),
]
AnySeverity = Annotated[Severity, BeforeValidator(partial(one_of, Severity))]
AnyPer = Annotated[Per, BeforeValidator(partial(one_of, Per))]
