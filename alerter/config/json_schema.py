"""JSON Schema of a configuration, so that editors complete and check it while it is written.

It is that of the models which check a file, with the docstrings of their classes: a new key, a new condition or a new
severity is in it without a word here. It is of draft 7, which the TOML plugins of editors know, without references.

A schema knows shapes, not files: which names exist, what a variable stands for, and whether two values fit together is
for `alerter check-config` to say. Whatever that accepts, the schema accepts; the tests hold it to that. No I/O.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import time, timedelta
from enum import Enum
from inspect import getdoc
from re import DOTALL, MULTILINE, escape
from re import compile as compile_regex
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from alerter.config.files import NAMED, NUMBERED
from alerter.config.include import INCLUDE, INCLUDE_SECTIONS, INCLUDE_VARIABLES
from alerter.config.models import (
    KEYS_BY_API,
    REGIONS,
    ApiVersion,
    MuteWindowConfig,
    RouteConfig,
    ServiceConfig,
    TenantConfig,
    WebConfig,
)
from alerter.config.rule_models import RECEIVER, RULE
from alerter.config.types import NAME, VARIABLE, Schema, text_schema
from alerter.config.variables import VARIABLE_NAME
from alerter.core.conditions import CONDITIONS
from alerter.core.mute_windows import WEEKDAYS
from alerter.core.rules import Severity
from alerter.humanize import setting_text

DRAFT = "http://json-schema.org/draft-07/schema#"


def json_schema() -> Schema:
    """Return the schema of a file, be it the main one or one that is included."""
    return {
        "$schema": DRAFT,
        "title": "alerter",
        "description": "What to watch, when it is wrong, and whom to alert.",
        "type": "object",
        "properties": {
            INCLUDE: _list(
                text_schema(r"\S"), "Globs of further files, relative to this one.", examples=[["tenants.d/*.toml"]]
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
            "service": table_schema(ServiceConfig),
            "web": table_schema(WebConfig),
            "tenants": _named(_tenant()),
            "receivers": _named(table_schema(RECEIVER)),
            "routes": _list(table_schema(RouteConfig), "Which alerts go to whom; none means everything to everybody."),
            "rules": _list(_rule(), "What is wrong."),
            "mute_windows": _named(table_schema(MuteWindowConfig)),
        },
        "additionalProperties": False,
    }


def table_schema(table: type[BaseModel]) -> Schema:
    """Return the schema of one of the tables that a file is checked by; its docstring describes its keys."""
    schema = table.model_json_schema(schema_generator=_Generator)
    inlined: Schema = _inlined(schema, schema.pop("$defs", {}))
    return inlined


class _Generator(GenerateJsonSchema):
    """Pydantic's own, but for the docstrings, the form of a text with a variable in it, and what TOML cannot write."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Return the schema of a table, described as its docstring has it, without what is no key of it."""
        kind: type[BaseModel] = schema["cls"]
        summary, meanings = documented(kind)
        found = super().model_schema(schema)
        for name, field in kind.model_fields.items():
            key = field.alias or name
            if field.exclude:
                found["properties"].pop(key)
                found["required"].remove(key)
            elif key in meanings:
                found["properties"][key]["description"] = meanings[key]
        return found | ({"description": summary} if summary else {})

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        """Return the schema of what may be left out: TOML has no null."""
        return self.generate_inner(schema["schema"])

    def str_schema(self, schema: core_schema.StringSchema) -> Schema:
        """Return the schema of a text, which must not be empty in most places."""
        return text_schema(r"\S") if schema.get("min_length") else {"type": "string"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> Schema:
        """Return the schema of a text that is one of several."""
        return _choice([member.value for member in schema["members"]])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Return the schema of what has a default, where it can be written."""
        found = self.generate_inner(schema["schema"])
        default = written(schema.get("default"))
        return found if default in (None, [], {}) else found | {"default": default}

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> Schema:  # noqa: ARG002 - pydantic's
        """Return the schema of what nobody knows here: it may be anything."""
        return {}


def _inlined(schema: Any, definitions: Mapping[str, Schema]) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without references, which not every editor follows, and without titles, which are keys."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if reference in definitions:
        return _inlined(definitions[reference], definitions) | {k: v for k, v in schema.items() if k != "$ref"}
    named = {key: each for key, each in schema.items() if key != "title" or not isinstance(each, str)}
    return {key: _inlined(each, definitions) for key, each in named.items()}


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


def _rule() -> Schema:
    """Return the schema of a rule: it has a level, and a level has a condition, all of them about the same."""
    schema = table_schema(RULE)
    by_subject: dict[str, list[str]] = {}
    for name, kind in CONDITIONS.items():
        by_subject.setdefault(kind.input_kind, []).append(name)
    alone = [{"anyOf": [{"required": [name]} for name in names]} for names in by_subject.values()]
    for severity in Severity:
        schema["properties"][severity.value] |= {
            "description": f"When the rule is {severity.value}.",
            "anyOf": [{"required": [name]} for name in CONDITIONS],
            "not": {"allOf": alone},
        }
    return schema | {"anyOf": [{"required": [severity.value]} for severity in Severity]}


def _tenant() -> Schema:
    """Return the schema of a tenant: each API needs its own keys, and has its own regions."""
    by_api = [{"if": _uses(api), "then": _only(api)} for api in ApiVersion]
    both = {"not": {"required": ["region", "base_url"]}}
    return table_schema(TenantConfig) | {"allOf": [*by_api, both]}


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
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": schema,
        "minProperties": 1,
    }


def _list(schema: Schema, description: str, **more: object) -> Schema:
    return {"type": "array", "items": schema, "description": description} | more


def written(value: object) -> object:
    """Return a value as a file writes it; None for what it cannot write."""
    form = next((form for kind, form in _WRITTEN.items() if isinstance(value, kind)), None)
    return None if form is None else form(value)


_EVERY_DAY = frozenset(range(len(WEEKDAYS)))
#: How values of each class are written, the special ones first.
_WRITTEN: Mapping[type, Callable[[Any], object]] = {
    Enum: lambda value: value.value,
    bool | int | float | str: lambda value: value,  # type: ignore[dict-item] # isinstance takes a union
    timedelta: setting_text,
    time: lambda value: f"{value:%H:%M}",
    ZoneInfo: lambda value: value.key,
    tuple: lambda value: [written(each) for each in value],
    frozenset: lambda value: f"{WEEKDAYS[0]}-{WEEKDAYS[-1]}" if value == _EVERY_DAY else None,
}


def _choice(names: Iterable[str]) -> Schema:
    """Return the schema of a text that is one of several, or has a variable in it; editors offer the names."""
    offered = list(names)
    padded = {"type": "string", "pattern": rf"^\s*(?:{'|'.join(map(escape, offered))})\s*$"}
    return {"anyOf": [{"enum": offered}, padded, {"type": "string", "pattern": VARIABLE}]}
