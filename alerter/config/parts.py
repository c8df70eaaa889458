"""The sections of a file, read one by one as far as each is right, and held against each other.

No I/O.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alerter.config import validate
from alerter.config.files import Tree, expected_form
from alerter.config.include import INCLUDE_KEYS
from alerter.config.model import ServiceConfig, TenantConfig
from alerter.config.problems import Problems, kind_of
from alerter.config.schema import (
    RULE,
    AnyTable,
    MuteWindowTable,
    ReceiverTable,
    RouteTable,
    RuleTable,
    ServiceTable,
    TenantTable,
    Validated,
    WebTable,
    keys_of,
    unknown_key,
    validated,
)
from alerter.config.tables import Place, rule_of, service_of, tenant_of, web_of, window_of
from alerter.config.toml_lines import KeyPath
from alerter.config.types import checked_name
from alerter.config.web import WebConfig
from alerter.core.mutes import MuteWindow, WindowName
from alerter.core.rules import Rule
from alerter.core.series import Tenant

SECTIONS = ("service", "web", "tenants", "receivers", "routes", "rules", "mute_windows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was read; complete only if nothing was wrong.

    Attributes:
        service: `[service]`.
        web: `[web]`.
        tenants: By name.
        receivers: By name.
        routes: By their number in the file, counted from 0.
        rules: By their number in the file, counted from 0.
        mute_windows: By name.
        windows_by_number: The names of the mute windows of each rule that has any, by the rule's number.
    """

    service: ServiceConfig
    web: WebConfig
    tenants: dict[Tenant, TenantConfig]
    receivers: dict[str, ReceiverTable]
    routes: dict[int, RouteTable]
    rules: dict[int, Rule]
    mute_windows: dict[WindowName, MuteWindow]
    windows_by_number: dict[int, list[str]]


def read_parts(tree: Tree, problems: Problems, *, state_folder: Path) -> Parts:
    """Return the parts of a file, as far as they are right.

    Args:
        tree: The file, parsed and filled in.
        problems: Takes what is wrong.
        state_folder: What the path of an SQLite file is relative to.
    """
    _check_sections(tree, problems)
    service = _service(tree, problems, state_folder=state_folder)
    rules = dict(_numbered(tree, "rules", RULE, problems))
    tenants = _tenants(tree, problems, service)
    parts = Parts(
        service=service,
        web=_web(tree, problems, service),
        tenants=tenants,
        receivers=dict(_receivers(tree, problems)),
        routes={number: checked.table for number, checked in _numbered(tree, "routes", RouteTable, problems)},
        rules=_rules(rules, tenants, problems),
        mute_windows=_mute_windows(tree, problems, service, tenants),
        windows_by_number={
            number: checked.table.mute_windows for number, checked in rules.items() if checked.table.mute_windows
        },
    )
    _check_references(tree, parts, problems)
    return parts


def _check_sections(tree: Tree, problems: Problems) -> None:
    for key in tree:
        if key in SECTIONS:
            continue
        if key in keys_of(ServiceTable):
            problems.error((key,), "expected below [service], found above every table")
        else:
            problems.error((key,), unknown_key(key, (*INCLUDE_KEYS, *SECTIONS)))
    for section, example in (("tenants", "[tenants.acme]"), ("receivers", "[receivers.secops]")):
        if tree.get(section, {}) == {}:
            problems.error((section,), f"missing: expected at least one, such as {example}")


def _service(tree: Tree, problems: Problems, *, state_folder: Path) -> ServiceConfig:
    raw = tree.get("service", {})
    if not isinstance(raw, dict):
        problems.error(("service",), f"expected a table [service], found {kind_of(raw)}")
    checked = validated(ServiceTable, raw if isinstance(raw, dict) else {}, ("service",), problems)
    table = ServiceTable() if checked is None else checked.table
    return service_of(table, Place(path=("service",), problems=problems), state_folder=state_folder)


def _web(tree: Tree, problems: Problems, service: ServiceConfig) -> WebConfig:
    raw = tree.get("web", {})
    if not isinstance(raw, dict):
        problems.error(("web",), f"expected a table [web], found {kind_of(raw)}")
    checked = validated(WebTable, raw if isinstance(raw, dict) else {}, ("web",), problems)
    table = WebTable() if checked is None else checked.table
    return web_of(table, Place(path=("web",), problems=problems), service)


def _tenants(tree: Tree, problems: Problems, service: ServiceConfig) -> dict[Tenant, TenantConfig]:
    tenants = (
        tenant_of(name, checked, Place(path=("tenants", name), problems=problems), service)
        for name, checked in _named(tree, "tenants", TenantTable, problems)
    )
    return {tenant.name: tenant for tenant in tenants if tenant is not None}


def _receivers(tree: Tree, problems: Problems) -> Iterator[tuple[str, ReceiverTable]]:
    for name, checked in _named(tree, "receivers", ReceiverTable, problems):
        yield name, checked.table


def _mute_windows(
    tree: Tree, problems: Problems, service: ServiceConfig, tenants: Mapping[Tenant, TenantConfig]
) -> dict[WindowName, MuteWindow]:
    windows = (
        window_of(name, checked.table, service, tenants.values())
        for name, checked in _named(tree, "mute_windows", MuteWindowTable, problems)
    )
    return {window.name: window for window in windows}


def _rules(
    tables: Mapping[int, Validated[RuleTable]], tenants: Mapping[Tenant, TenantConfig], problems: Problems
) -> dict[int, Rule]:
    rules = {
        number: rule_of(checked, Place(path=("rules", number), problems=problems), tenants.values())
        for number, checked in tables.items()
    }
    return {number: rule for number, rule in rules.items() if rule is not None}


def _named(
    tree: Tree, section: str, table: type[AnyTable], problems: Problems
) -> Iterator[tuple[str, Validated[AnyTable]]]:
    """Yield the tables of a section such as `[tenants.NAME]` by name."""
    raw = tree.get(section, {})
    if not isinstance(raw, dict):
        problems.error((section,), f"{expected_form(section)}, found {kind_of(raw)}")
        return
    for name, each in raw.items():
        path = (section, name)
        if not isinstance(each, dict):
            problems.error(path, f"{expected_form(section)}, found {kind_of(each)}")
            continue
        try:
            checked_name(name)
        except ValueError as error:
            problems.error(path, str(error))
        if checked := validated(table, each, path, problems):
            yield name, checked


def _numbered(
    tree: Tree, section: str, table: type[AnyTable], problems: Problems
) -> Iterator[tuple[int, Validated[AnyTable]]]:
    """Yield the tables of a section such as `[[rules]]` by number."""
    raw = tree.get(section, [])
    if not isinstance(raw, list):
        problems.error((section,), f"{expected_form(section)}, found {kind_of(raw)}")
        return
    for number, each in enumerate(raw):
        path = (section, number)
        if not isinstance(each, dict):
            problems.error(path, f"{expected_form(section)}, found {kind_of(each)}")
        elif checked := validated(table, each, path, problems):
            yield number, checked


def _check_references(tree: Tree, parts: Parts, problems: Problems) -> None:
    """Hold the names against each other as they were written: a table that is wrong elsewhere has them all the same."""
    receivers = _tables(tree, "receivers")
    fallbacks = _texts(receivers, "receivers", "fallback")
    named: dict[KeyPath, str] = {
        ("routes", number, "receivers", index): name
        for number, table in parts.routes.items()
        for index, name in enumerate(table.receivers)
    }
    validate.check_receiver_names(named | fallbacks, [str(name) for name in receivers], problems)
    windows = {("routes", number): table.mute_windows for number, table in parts.routes.items()}
    windows |= {("rules", number): names for number, names in parts.windows_by_number.items()}
    validate.check_window_names(
        {(*at, "mute_windows", index): name for at, names in windows.items() for index, name in enumerate(names)},
        [str(name) for name in _tables(tree, "mute_windows")],
        problems,
    )
    validate.check_fallbacks({str(path[1]): name for path, name in fallbacks.items()}, problems)
    validate.check_unique({("tenants", name): str(name) for name in _tables(tree, "tenants")}, problems)
    validate.check_unique(_texts(_tables(tree, "rules"), "rules", "name"), problems)
    if not any(problems.is_wrong(("service", key)) for key in ("retention", "downsample_after")):
        validate.check_windows(parts.rules, parts.service, problems)


def _tables(tree: Tree, section: str) -> dict[str | int, Tree]:
    """Return the tables of a section by name or number, whether they are right or not."""
    raw = tree.get(section)
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return {at: each for at, each in entries if isinstance(each, dict)}


def _texts(tables: Mapping[str | int, Tree], section: str, key: str) -> dict[KeyPath, str]:
    """Return the text under one key of each table that has it, and where it stands."""
    texts = {(section, at, key): table.get(key) for at, table in tables.items()}
    return {path: text.strip() for path, text in texts.items() if isinstance(text, str)}
