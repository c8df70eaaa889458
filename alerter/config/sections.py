"""Sections of a file, read one by one as far as each is right, held against each other, and put together.

No I/O.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alerter.config import validate
from alerter.config.files import Tree, expected_form
from alerter.config.include import INCLUDE_KEYS
from alerter.config.models import (
    Config,
    MuteWindowConfig,
    RouteConfig,
    Section,
    ServiceConfig,
    TenantConfig,
    WebConfig,
    named_windows,
)
from alerter.config.problems import Problems, describe_type, describe_value, suggestion
from alerter.config.rule_models import RECEIVER, RULE, RuleConfig, receiver_of
from alerter.config.toml_lines import KeyPath
from alerter.config.types import Secret, checked_name
from alerter.core.conditions import CONDITIONS
from alerter.core.mute_windows import WindowName
from alerter.core.rules import with_no_data_rules
from alerter.core.series import Tenant

TABLES: Mapping[str, type[Section]] = {
    "service": ServiceConfig,
    "web": WebConfig,
    "tenants": TenantConfig,
    "receivers": RECEIVER,
    "routes": RouteConfig,
    "rules": RULE,
    "mute_windows": MuteWindowConfig,
}
SECTIONS = tuple(TABLES)
#: Whose secret everybody needs who reads or writes it.
DATABASE = ("service", "database")


AnyTable = TypeVar("AnyTable", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialSection(Generic[AnyTable]):
    """A table as far as it is right.

    Attributes:
        table: Without the keys that were wrong.
        dropped: The keys that were wrong, and those that a misspelt one was meant to be.
    """

    table: AnyTable
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """What was read; complete only if nothing was wrong.

    Attributes:
        service: `[service]`.
        web: `[web]`.
        tenants: By name.
        receivers: By name.
        routes: By their number in the file, counted from 0.
        rules: By their number in the file, counted from 0.
        mute_windows: By name.
    """

    service: ServiceConfig
    web: WebConfig
    tenants: dict[Tenant, TenantConfig]
    receivers: dict[str, Section]
    routes: dict[int, RouteConfig]
    rules: dict[int, RuleConfig]
    mute_windows: dict[str, MuteWindowConfig]

    def put_together(self, path: Path) -> Config:
        """Return the configuration that they make, if nothing is wrong."""
        tenants = self.tenants.values()
        windows = {WindowName(name): each.window(self.service, tenants) for name, each in self.mute_windows.items()}
        intervals = {name: tenant.poll_interval for name, tenant in self.tenants.items()}
        rules = {each.name: each.rule(tenants) for each in self.rules.values()}
        return Config(
            path=path,
            service=self.service,
            web=self.web,
            tenants=MappingProxyType(self.tenants),
            receivers=tuple(receiver_of(name, table, self.service) for name, table in self.receivers.items()),
            routes=tuple(each.route(windows, tenants) for each in self.routes.values()),
            rules=with_no_data_rules(rules.values(), intervals),
            mute_windows=MappingProxyType(windows),
            windows_by_rule=MappingProxyType(
                {
                    rules[each.name].name: named_windows(each.mute_windows, windows)
                    for each in self.rules.values()
                    if each.mute_windows
                }
            ),
        )


def read_sections(tree: Tree, problems: Problems, *, state_folder: Path) -> Sections:
    """Return the sections of a file, as far as they are right.

    Args:
        tree: The file, parsed and filled in.
        problems: Takes what is wrong.
        state_folder: What the path of an SQLite file is relative to.
    """
    _check_sections(tree, problems)
    service = _single(tree, "service", ServiceConfig, problems, context=state_folder).table
    web = _single(tree, "web", WebConfig, problems).table
    tenants = dict(_named(tree, "tenants", TenantConfig, problems))
    rules = dict(_numbered(tree, "rules", RULE, problems))
    sections = Sections(
        service=service,
        web=web,
        tenants={Tenant(name): each.table.completed(service) for name, each in tenants.items()},
        receivers={name: each.table for name, each in _named(tree, "receivers", RECEIVER, problems)},
        routes={number: each.table for number, each in _numbered(tree, "routes", RouteConfig, problems)},
        rules={number: each.table for number, each in rules.items()},
        mute_windows={name: each.table for name, each in _named(tree, "mute_windows", MuteWindowConfig, problems)},
    )
    validate.check_service(service, problems.at(("service",)))
    validate.check_web(web, service, problems.at(("web",)))
    for name, tenant in tenants.items():
        validate.check_tenant(tenant.table, tenant.dropped, problems.at(("tenants", name)))
    for number, rule in rules.items():
        validate.check_rule(rule.table, rule.dropped, problems.at(("rules", number)))
    _check_references(tree, sections, problems)
    return sections


def _check_sections(tree: Tree, problems: Problems) -> None:
    for key in tree:
        if key in SECTIONS:
            continue
        if key in allowed_keys(ServiceConfig):
            problems.error((key,), "expected below [service], found above every table")
        else:
            problems.error((key,), unknown_key(key, (*INCLUDE_KEYS, *SECTIONS)))
    for section, example in (("tenants", "[tenants.acme]"), ("receivers", "[receivers.secops]")):
        if tree.get(section, {}) == {}:
            problems.error((section,), f"missing: expected at least one, such as {example}")


def _single(
    tree: Tree, section: str, table: type[AnyTable], problems: Problems, *, context: object = None
) -> PartialSection[AnyTable]:
    """Return a section such as `[service]`, which has a default for everything."""
    raw = tree.get(section, {})
    if not isinstance(raw, dict):
        problems.error((section,), f"expected a table [{section}], found {describe_type(raw)}")
        raw = {}
    checked = validate_section(table, raw, (section,), problems, context=context)
    return checked or PartialSection(table=table.model_validate({}, context=context))


def _named(
    tree: Tree, section: str, table: type[AnyTable], problems: Problems
) -> Iterator[tuple[str, PartialSection[AnyTable]]]:
    """Yield the tables of a section such as `[tenants.NAME]` by name."""
    raw = tree.get(section, {})
    if not isinstance(raw, dict):
        problems.error((section,), f"{expected_form(section)}, found {describe_type(raw)}")
        return
    for name, each in raw.items():
        path = (section, name)
        if not isinstance(each, dict):
            problems.error(path, f"{expected_form(section)}, found {describe_type(each)}")
            continue
        try:
            checked_name(name)
        except ValueError as error:
            problems.error(path, str(error))
        if checked := validate_section(table, each, path, problems, name=name):
            yield name, checked


def _numbered(
    tree: Tree, section: str, table: type[AnyTable], problems: Problems
) -> Iterator[tuple[int, PartialSection[AnyTable]]]:
    """Yield the tables of a section such as `[[rules]]` by number."""
    raw = tree.get(section, [])
    if not isinstance(raw, list):
        problems.error((section,), f"{expected_form(section)}, found {describe_type(raw)}")
        return
    for number, each in enumerate(raw):
        path = (section, number)
        if not isinstance(each, dict):
            problems.error(path, f"{expected_form(section)}, found {describe_type(each)}")
        elif checked := validate_section(table, each, path, problems):
            yield number, checked


def _check_references(tree: Tree, sections: Sections, problems: Problems) -> None:
    """Hold the names against each other as they were written: a table that is wrong elsewhere has them all the same."""
    receivers = _tables(tree, "receivers")
    fallbacks = _texts(receivers, "receivers", "fallback")
    named: dict[KeyPath, str] = {
        ("routes", number, "receivers", index): name
        for number, route in sections.routes.items()
        for index, name in enumerate(route.receivers)
    }
    validate.check_receiver_names(named | fallbacks, [str(name) for name in receivers], problems)
    windows: dict[KeyPath, str] = {
        ("routes", number, "mute_windows", index): name
        for number, route in sections.routes.items()
        for index, name in enumerate(route.mute_windows)
    }
    windows |= {
        ("rules", number, "mute_windows", index): name
        for number, rule in sections.rules.items()
        for index, name in enumerate(rule.mute_windows)
    }
    validate.check_mute_window_names(windows, [str(name) for name in _tables(tree, "mute_windows")], problems)
    validate.check_fallbacks({str(path[1]): name for path, name in fallbacks.items()}, problems)
    validate.check_unique({("tenants", name): str(name) for name in _tables(tree, "tenants")}, problems)
    validate.check_unique(_texts(_tables(tree, "rules"), "rules", "name"), problems)
    if not any(problems.is_wrong(("service", key)) for key in ("retention", "downsample_after")):
        validate.check_lookbacks(sections.rules, sections.service, problems)


def _tables(tree: Tree, section: str) -> dict[str | int, Tree]:
    """Return the tables of a section by name or number, whether they are right or not."""
    raw = tree.get(section)
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return {at: each for at, each in entries if isinstance(each, dict)}


def _texts(tables: Mapping[str | int, Tree], section: str, key: str) -> dict[KeyPath, str]:
    """Return the text under one key of each table that has it, and where it stands."""
    texts = {(section, at, key): table.get(key) for at, table in tables.items()}
    return {path: text.strip() for path, text in texts.items() if isinstance(text, str)}


def validate_section(
    table: type[AnyTable],
    raw: dict[str, object],
    path: KeyPath,
    problems: Problems,
    *,
    name: str | None = None,
    context: object = None,
) -> PartialSection[AnyTable] | None:
    """Return a table of the file, or as much of it as is right; None where too little is left.

    Args:
        table: Its shape.
        raw: Its keys and values, as TOML gives them.
        path: Where it stands.
        problems: Takes what is wrong with it.
        name: Under which it stands, where its shape has that.
        context: What validators of it need besides.
    """
    known = {} if "name" not in table.model_fields or name is None else {"name": name}
    if known and "name" in raw:
        problems.error((*path, "name"), unknown_key("name", allowed_keys(table)))
    try:
        return PartialSection(table=table.model_validate(raw | known, context=context))
    except ValidationError as error:
        # A default that is made of another value, which is wrong.
        details = [each for each in error.errors(include_url=False) if each["type"] != "default_factory_not_called"]
    meant = _meant(table, details)
    for detail in details:
        if detail["type"] != "missing" or str(detail["loc"][-1]) not in meant:
            problems.error((*path, *detail["loc"]), _text(table, detail, path))
    wrong = {str(detail["loc"][0]) for detail in details}
    right = {key: value for key, value in raw.items() if key not in wrong}
    try:
        rest = table.model_validate(right | known, context=context)
    except ValidationError:
        return None
    return PartialSection(table=rest, dropped=frozenset(wrong | meant))


def allowed_keys(table: type[BaseModel]) -> list[str]:
    """Return the keys that a table may have, as the file writes them."""
    return [field.alias or name for name, field in table.model_fields.items() if not field.exclude]


def _meant(table: type[BaseModel], details: list[ErrorDetails]) -> set[str]:
    """Return the keys that misspelt ones were meant to be, so that those are not called missing too."""
    unknown = (detail["loc"] for detail in details if detail["type"] == "extra_forbidden")
    close = ((loc, _table_at(table, loc[:-1])) for loc in unknown)
    return {
        key
        for loc, at in close
        for key in allowed_keys(at)
        if suggestion(str(loc[-1]), allowed_keys(at)).find(repr(key)) > 0
    }


def _table_at(table: type[BaseModel], loc: KeyPath) -> type[BaseModel]:
    """Return the shape of a table inside a table."""
    for part in loc:
        inner = next((each for name, each in table.model_fields.items() if (each.alias or name) == part), None)
        table = _table_in(inner.annotation if inner else None) or table
    return table


def _table_in(hint: object) -> type[BaseModel] | None:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return next((table for part in get_args(hint) if (table := _table_in(part))), None)


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "string_too_short": "text in quotes",
    "list_type": "a list in [brackets]",
    "too_short": "at least one entry",
    "model_type": "a table",
    "dict_type": "a table",
}
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def _text(table: type[BaseModel], detail: ErrorDetails, path: KeyPath) -> str:
    """Return one of pydantic's findings in our words."""
    value, context = detail["input"], detail.get("ctx", {})
    shown = describe_type(value) if is_secret((*path, *detail["loc"])) else describe_value(value)
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "missing"
        case "extra_forbidden":
            return _unknown_key_text(str(detail["loc"][-1]), _table_at(table, detail["loc"][:-1]))
        case kind if kind in _LIMITS:
            return f"expected {_limit_text(table, detail)}, found {shown}"
        case kind if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, found {shown}"
        case _:
            return f"expected something else: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _limit_text(table: type[BaseModel], detail: ErrorDetails) -> str:
    """Return the limit that a number is beyond, or both where it has two."""
    *at, key = detail["loc"]
    fields = {each.alias or name: each for name, each in _table_at(table, tuple(at)).model_fields.items()}
    limits = fields[str(key)].metadata if key in fields else []
    both = [getattr(each, name) for name in ("ge", "le") for each in limits if hasattr(each, name)]
    if len(both) > 1:
        return "from {} to {}".format(*both)
    words, name = _LIMITS[detail["type"]]
    limit = detail["ctx"][name]
    return f"{words} {f'{limit:g}' if isinstance(limit, float) else limit}"


def _unknown_key_text(key: str, table: type[BaseModel]) -> str:
    if key in CONDITIONS and issubclass(table, RuleConfig):
        return f"unknown key: a condition stands in a level, such as warning = {{ {key} = {{ … }} }}"
    if key in {"include", "include_sections", "include_variables"}:
        return "unknown key: it belongs above every table, at the top of the file"
    return unknown_key(key, allowed_keys(table))


def unknown_key(key: str, known: Collection[str]) -> str:
    """Return what is wrong with a key that is not known, and which may stand in its place."""
    return f"unknown key{suggestion(key, known) or ';'} allowed here: {', '.join(known)}"


#: The keys of each section by which something is called or chosen.
_NAMES = {
    "tenants": {"labels"},
    "receivers": {"fallback"},
    "routes": {"receivers", "tenants", "tenant_labels", "reasons", "rules", "mute_windows"},
    "rules": {"name", "tenants", "tenant_labels", "reasons", "mute_windows"},
    "mute_windows": {"tenants", "tenant_labels"},
}


def is_name(path: KeyPath) -> bool:
    """Say whether something is called, or chosen, by what stands there."""
    match path:
        case (str() as section, _, key, *_):
            return key in _NAMES.get(section, ())
        case _:
            return False


def is_secret(path: KeyPath) -> bool:
    """Say whether what stands there must not be shown, whatever it is."""
    match path:
        case ("service" | "web" as section, str() as key, *_) | (str() as section, _, str() as key, *_):
            return key in _SECRETS.get(section, ()) or path[:2] == DATABASE
        case _:
            return False


def _has_secret(hint: object) -> bool:
    return hint is Secret or any(map(_has_secret, get_args(hint)))


#: The keys of each section that hold secrets. A database is one only where it names a server.
_SECRETS = {
    section: {name for name, field in table.model_fields.items() if _has_secret(field.annotation)}
    for section, table in TABLES.items()
}
