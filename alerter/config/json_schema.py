"""The JSON Schema of a configuration, so that editors complete and check it while it is written.

Made from the very tables that check a file (`schema`), the classes of the conditions and their docstrings: a new key, a
new condition or a new severity is in it without a word here. It is of draft 7, which the TOML plugins of editors know.

A schema knows shapes, not files: which names exist, what a variable stands for, and whether two values fit together is
for `alerter check-config` to say. Whatever that accepts, the schema accepts; the tests hold it to that. No I/O.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import time, timedelta
from enum import Enum
from functools import partial
from inspect import getdoc
from re import DOTALL, MULTILINE, escape
from re import compile as compile_regex
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alerter.config import types
from alerter.config.files import NAMED, NUMBERED
from alerter.config.include import INCLUDE, INCLUDE_SECTIONS, INCLUDE_VARIABLES
from alerter.config.model import REGIONS, ApiVersion
from alerter.config.probing import Probe
from alerter.config.schema import (
    KEYS_BY_API,
    LEVEL,
    RULE,
    MuteWindowTable,
    ReceiverTable,
    RouteTable,
    ServiceTable,
    TenantTable,
    WebTable,
    apprise_url,
)
from alerter.config.variables import VARIABLE_NAME
from alerter.core.conditions import CONDITIONS, duration_text
from alerter.core.mutes import WEEKDAYS
from alerter.core.rules import Severity

DRAFT = "http://json-schema.org/draft-07/schema#"

Schema: TypeAlias = dict[str, Any]

#: A text with a variable in it may come to be anything.
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> Schema:
    """Return the schema of a file, be it the main one or one that is included."""
    return {
        "$schema": DRAFT,
        "title": "alerter",
        "description": "What to watch, when it is wrong, and whom to tell.",
        "type": "object",
        "properties": {
            INCLUDE: _list(
                _text(r"\S"), "Globs of further files, relative to this one.", examples=[["tenants.d/*.toml"]]
            ),
            INCLUDE_SECTIONS: _list(
                {"enum": [*NAMED, *NUMBERED]},
                "What these may hold; all of it unless it is said.",
                examples=[["tenants"]],
            ),
            INCLUDE_VARIABLES: _list(
                {"type": "string", "pattern": f"^{VARIABLE_NAME.pattern}$"},
                "How the variables begin that these may use: none unless it is said. They may read files beside them.",
                examples=[["TENANT_"]],
            ),
            "service": _service(),
            "web": table_schema(WebTable),
            "tenants": _named(_tenant()),
            "receivers": _named(table_schema(ReceiverTable)),
            "routes": _list(table_schema(RouteTable), "Which alerts go to whom; none means everything to everybody."),
            "rules": _list(_rule(), "What is wrong."),
            "mute_windows": _named(table_schema(MuteWindowTable)),
        },
        "additionalProperties": False,
    }


def table_schema(table: type[BaseModel]) -> Schema:
    """Return the schema of one of the tables that a file is checked by; its docstring describes its keys."""
    summary, meanings = documented(table)
    fields = {field.alias or name: field for name, field in table.model_fields.items()}
    keys = {key: _described(_of_field(field), meanings.get(key, "")) for key, field in fields.items()}
    needed = [key for key, field in fields.items() if field.is_required()]
    return _described(
        {"type": "object", "properties": keys, "additionalProperties": False}
        | ({"required": needed} if needed else {}),
        summary,
    )


def condition_schema(kind: Any, table: type[BaseModel]) -> Schema:  # noqa: ANN401 - any dataclass like those in core.conditions
    """Return the schema of the table in which a condition is written, with what its class refuses."""
    summary, meanings = documented(kind)
    probe = Probe(kind)
    schema = table_schema(table)
    key_by_field = {name: field.alias or name for name, field in table.model_fields.items()}
    for name, key in key_by_field.items():
        schema["properties"][key] |= _limits(probe, name, table.model_fields[name])
        _described(schema["properties"][key], meanings.get(name, ""))
    needs = [{"required": sorted(key_by_field[name] for name in each)} for each in probe.needs]
    excludes = [{"not": {"required": sorted(key_by_field[name] for name in each)}} for each in probe.excludes]
    return _described(schema | ({"anyOf": needs} if needs else {}) | ({"allOf": excludes} if excludes else {}), summary)


_SECTION = compile_regex(r"^Attributes:\n(.*?)(?=^\S|\Z)", MULTILINE | DOTALL)
_ENTRY = compile_regex(r"^    (\w+): (.*?)(?=^    \w|\Z)", MULTILINE | DOTALL)


def documented(kind: type) -> tuple[str, dict[str, str]]:
    """Return what the docstring of a class, or of the one that it is made from, says of it and of each attribute."""
    text = getdoc(kind) or ""
    summary, _, _ = text.partition("\nAttributes:\n")
    section = _SECTION.search(text)
    meanings = _ENTRY.findall(section[1]) if section else ()
    paragraphs = (" ".join(paragraph.split()) for paragraph in summary.split("\n\n"))
    return "\n\n".join(paragraphs).strip(), {name: " ".join(meaning.split()) for name, meaning in meanings}


def _service() -> Schema:
    schema = table_schema(ServiceTable)
    schema["properties"]["database"] |= _whole(r"sqlite:///.*[^/\s]|postgresql(?:\+psycopg)?://\S+")
    return schema


def _rule() -> Schema:
    """Return the schema of a rule; its levels are inlined, as not every editor follows references."""
    schema = table_schema(RULE)
    for severity in Severity:
        schema["properties"][severity.value] = _described(_level(), f"When the rule is {severity.value}.")
    return schema | {"anyOf": [{"required": [severity.value]} for severity in Severity]}


def _level() -> Schema:
    schema = table_schema(LEVEL)
    for name, kind in CONDITIONS.items():
        table = next(part for part in get_args(LEVEL.model_fields[name].annotation) if part is not NoneType)
        schema["properties"][name] = condition_schema(kind, get_args(table)[0])
    by_subject: dict[str, list[str]] = {}
    for name, kind in CONDITIONS.items():
        by_subject.setdefault(kind.subject, []).append(name)
    alone = [{"anyOf": [{"required": [name]} for name in names]} for names in by_subject.values()]
    return schema | {"anyOf": [{"required": [name]} for name in CONDITIONS], "not": {"allOf": alone}}


def _tenant() -> Schema:
    """Return the schema of a tenant: each API needs its own keys, and has its own regions."""
    schema = table_schema(TenantTable)
    by_api = [{"if": _uses(api), "then": _only(api)} for api in ApiVersion]
    both = {"not": {"required": ["region", "base_url"]}}
    return schema | {"allOf": [*by_api, both]}


def _uses(api: ApiVersion) -> Schema:
    said: Schema = {"properties": {"api": {"const": api.value}}, "required": ["api"]}
    return said if api is not ApiVersion.V2 else {"anyOf": [said, {"not": {"required": ["api"]}}]}


def _only(api: ApiVersion) -> Schema:
    foreign = [key for other, keys in KEYS_BY_API.items() if other is not api for key in keys]
    return {
        "required": list(KEYS_BY_API[api]),
        "properties": {"region": _choice(REGIONS[api])} | dict.fromkeys(foreign, False),
        # API 1.0 has a host for each region, and none for all.
        **({} if api is ApiVersion.V2 else {"anyOf": [{"required": ["region"]}, {"required": ["base_url"]}]}),
    }


def _named(schema: Schema) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{types.NAME.pattern}$"},
        "additionalProperties": schema,
        "minProperties": 1,
    }


def _list(schema: Schema, description: str, **more: object) -> Schema:
    return {"type": "array", "items": schema, "description": description} | more


def _described(schema: Schema, description: str) -> Schema:
    if description:
        schema["description"] = description
    return schema


def _of_field(field: FieldInfo) -> Schema:
    schema = _of_type(field.annotation, field.metadata)
    default = None if field.default is PydanticUndefined else written(field.default)
    return schema if default in (None, [], {}) else schema | {"default": default}


def written(value: object) -> object:
    """Return a value as a file writes it; None for what it cannot write."""
    form = next((form for kind, form in _WRITTEN.items() if isinstance(value, kind)), None)
    return None if form is None else form(value)


_EVERY_DAY = frozenset(range(len(WEEKDAYS)))
#: How values of each class are written, the special ones first.
_WRITTEN: Mapping[type, Callable[[Any], object]] = {
    Enum: lambda value: value.value,
    bool | int | float | str: lambda value: value,  # type: ignore[dict-item] # isinstance takes a union
    timedelta: duration_text,
    ZoneInfo: lambda value: value.key,
    time: lambda value: f"{value:%H:%M}",
    list: lambda value: [written(each) for each in value],
    frozenset: lambda value: f"{WEEKDAYS[0]}-{WEEKDAYS[-1]}" if value == _EVERY_DAY else None,
}


def _of_type(hint: Any, metadata: list[Any]) -> Schema:  # noqa: ANN401 - a type form
    """Return the schema of a type form with the validators that stand beside it."""
    if get_origin(hint) is Annotated:
        inner, *more = get_args(hint)
        return _of_type(inner, [*more, *metadata])
    forms = [_FORMS[function] for function in _functions(metadata) if function in _FORMS]
    if forms:
        return dict(forms[-1])
    if get_origin(hint) in {Union, UnionType}:
        parts = [part for part in get_args(hint) if part is not NoneType]
        return _of_type(parts[0], metadata) if len(parts) == 1 else {"anyOf": [_of_type(part, []) for part in parts]}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _of_type(get_args(hint)[1], [])}
    if get_origin(hint) is list:
        return {"type": "array", "items": _of_type(get_args(hint)[0], [])} | _sizes(metadata, "minItems")
    return _of_class(hint, metadata)


def _of_class(kind: Any, metadata: list[Any]) -> Schema:  # noqa: ANN401 - a class
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return table_schema(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice([member.value for member in kind])
    if kind is str:
        return _text(r"\S") if _sizes(metadata, "minLength") else {"type": "string"}
    plain = {bool: "boolean", int: "integer", float: "number"}
    return ({"type": plain[kind]} | _sizes(metadata, "minLength")) if kind in plain else dict(_CLASSES.get(kind, {}))


def _sizes(metadata: list[Any], shortest: str) -> Schema:
    """Return the limits that stand beside a type, as `annotated_types` has them."""
    names = {
        "min_length": shortest,
        "ge": "minimum",
        "gt": "exclusiveMinimum",
        "le": "maximum",
        "lt": "exclusiveMaximum",
    }
    return {key: getattr(each, name) for each in metadata for name, key in names.items() if hasattr(each, name)}


def _functions(metadata: list[Any]) -> list[Callable[..., object]]:
    """Return the functions of the validators that stand beside a type."""
    functions = [each.func for each in metadata if hasattr(each, "func")]
    return [each.func if isinstance(each, partial) else each for each in functions]


def _limits(probe: Probe, name: str, field: FieldInfo) -> Schema:
    """Return which numbers and spans a condition takes."""
    kind = _of_field(field).get("type")
    if kind == "integer":
        limits = {"minimum": probe.smallest(name), "maximum": probe.largest(name)}
        return {key: limit for key, limit in limits.items() if limit is not None}
    if kind == "number" and not probe.accepts(name, 0):
        return {"exclusiveMinimum": 0}
    if kind == "string" and timedelta in _parts(field.annotation) and not probe.accepts(name, timedelta(0)):
        return {"not": {"pattern": r"^[0wdhms\s]*$"}}
    return {}


def _parts(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type form
    return (hint, *(part for each in get_args(hint) for part in _parts(each)))


def _choice(names: Iterable[str]) -> Schema:
    """Return the schema of a text that is one of several, or has a variable in it; editors offer the names."""
    offered = list(names)
    padded = {"type": "string", "pattern": rf"^\s*(?:{'|'.join(map(escape, offered))})\s*$"}
    return {"anyOf": [{"enum": offered}, padded, _VARIABLE]}


def _text(pattern: str, *examples: str) -> Schema:
    """Return the schema of a text of a form, or with a variable in it.

    One pattern for both: of two schemas, of which one must fit, an editor says only that neither does.
    """
    found: Schema = {"type": "string", "pattern": rf"{pattern}|{_VARIABLE['pattern']}"}
    return found | ({"examples": list(examples)} if examples else {})


def _whole(pattern: str, *examples: str) -> Schema:
    """Return the schema of a text all of which is of a form, but for space around it."""
    return _text(rf"^\s*(?:{pattern})\s*$", *examples)


_HTTP = "[hH][tT][tT][pP]://"
_HTTPS = "[hH][tT][tT][pP][sS]://"
_PORT = r"0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_SPAN = _whole(rf"(?=\S){types.DURATION.pattern}", "90s", "10m", "1h30m", "2d")
_LABEL_NAMES: Schema = {"pattern": f"^{types.LABEL.pattern}$", "not": {"enum": sorted(types.TAKEN_LABELS)}}
_TAKEN_HEADERS = "|".join(
    "".join(f"[{letter}{letter.upper()}]" for letter in name) for name in sorted(types.TAKEN_HEADERS)
)
_GLOB = _text(r"^!?[\s\S]*[^!\s]", "*Impersonation*", "!Graymail*")
_DAY = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in day) for day in WEEKDAYS)

#: What the function accepts that checks a value.
_FORMS: Mapping[Callable[..., object], Schema] = {
    types.duration: _SPAN,
    types.time_of_day: _whole(types.CLOCK.pattern, "18:00"),
    types.weekday: _whole(_DAY, "mon"),
    types.weekdays: _whole(rf"(?:{_DAY})\s*(?:-\s*(?:{_DAY}))?", "mon-fri", "sun"),
    types.timezone: _text(r"\S", "Europe/London", "America/New_York", "UTC"),
    types.labels: {"type": "object", "propertyNames": _LABEL_NAMES, "additionalProperties": _text(r"\S")},
    types.label_globs: {
        "type": "object",
        "propertyNames": _LABEL_NAMES,
        "additionalProperties": {"anyOf": [_GLOB, {"type": "array", "items": _GLOB, "minItems": 1}]},
    },
    types.password_hashes: {"type": "object", "additionalProperties": {"type": "string"}},
    types.glob: _GLOB,
    types.web_page: _whole(rf"(?:{_HTTP}|{_HTTPS})\S+", "https://wiki.example/held-mail"),
    types.base_url: _whole(
        rf"{_HTTPS}[^\s/?#@]+/?|{_HTTP}(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?/?",
        "https://api.services.mimecast.com",
    ),
    types.address: _whole(rf"unix:/.*|(?:\[[^\]]+\]|[\d.]+|localhost):{_PORT}", "127.0.0.1:9464", "[::1]:9464"),
    types.headers: {
        "type": "object",
        "propertyNames": {"pattern": f"^{types.HEADER.pattern}$", "not": {"pattern": f"^(?:{_TAKEN_HEADERS})$"}},
        "additionalProperties": _text(rf"^\s*[!-~][ -~]{{0,{types.MAX_HEADER - 1}}}\s*$"),
    },
    types.ping_url: _whole(rf"(?:{_HTTP}|{_HTTPS})[^\s/?#][^\s#]*", "https://hc-ping.com/…")
    | {"not": {"pattern": r"^[^?]*/(?:fail|start)\s*(?:\?|$)"}},
    types.key: _whole(r"[!-~]+", "${MIMECAST_CLIENT_ID}"),
    types.base64_key: _whole(r"[A-Za-z0-9+/]+=*", "${MIMECAST_SECRET_KEY}"),
    types.title: _whole(r"\S(?:[^\x00-\x1f]*\S)?"),
    apprise_url: _whole(r"[A-Za-z0-9]{2,20}://\S.*", "${SLACK_URL}", "https://hooks.slack.com/services/…"),
}
#: What is written for a class that no function checks.
_CLASSES: Mapping[type, Schema] = {
    timedelta: _SPAN,
    time: _FORMS[types.time_of_day],
    ZoneInfo: _FORMS[types.timezone],
}
