"""Checks of what was read, within a table and across tables: what must fit together, exist, or be unique.

No I/O. What is legal but unwise is in `advice`.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields
from urllib.parse import urlsplit

from alerter.config.files import duplicate_name
from alerter.config.models import KEYS_BY_API, REGIONS, ApiVersion, PageAccess, ServiceConfig, TenantConfig, WebConfig
from alerter.config.problems import Place, Problems, shown, suggestion
from alerter.config.rule_models import RuleConfig
from alerter.config.toml_lines import KeyPath
from alerter.config.types import listed
from alerter.core.conditions import Baseline, Condition, InputKind
from alerter.core.rules import NO_DATA_RULE_NAME, Per, Severity
from alerter.humanize import setting_text


def check_service(service: ServiceConfig, place: Place) -> None:
    """Say what contradicts itself in `[service]`."""
    if service.downsample_after > service.retention:
        kept, found = setting_text(service.retention), setting_text(service.downsample_after)
        place.error("downsample_after", f"expected at most the retention, {kept}, found {found}")
    if service.heartbeat_headers and service.heartbeat_url is None:
        place.error("heartbeat_headers", "expected a 'heartbeat_url' that they go to, found none")
    has_login = "@" in urlsplit(service.heartbeat_url or "").netloc
    if has_login and any(name.casefold() == "authorization" for name in service.heartbeat_headers):
        place.error("heartbeat_headers", "expected one login, found 'Authorization' and a name in 'heartbeat_url'")


def check_web(web: WebConfig, service: ServiceConfig, place: Place) -> None:
    """Say what contradicts itself in `[web]`, and what would let strangers in."""
    if (web.user_header is None) != (not web.trusted_proxies):
        missing = "trusted_proxies" if web.user_header else "user_header"
        place.error(
            missing, "expected 'user_header' and 'trusted_proxies' together: a header is believed of them alone"
        )
    if web.operators and not web.has_sign_in:
        place.error("operators", "expected 'users', or 'user_header' of a proxy, by which they sign in; found neither")
    unknown = [name for name in web.operators if web.users and not web.user_header and name not in web.users]
    if unknown:
        place.error("operators", f"expected names of [web.users], found {shown(unknown[0])}")
    address = service.listen
    if address is None or address.is_local or not web.page:
        return
    if web.access is PageAccess.OPERATE:
        place.error(
            "access", f"expected 'operate' on a loopback address or a Unix socket alone, found listen {address}"
        )
    if not web.has_sign_in and not web.open_to_everybody:
        place.error(
            "",
            f"the page at {address} would be open to everybody who reaches it: expected a way to sign in (users, or"
            " user_header with trusted_proxies), 'open_to_everybody = true', or 'page = false'",
        )


def check_tenant(tenant: TenantConfig, dropped: Collection[str], place: Place) -> None:
    """Say which keys a tenant lacks or must not have, and which region it cannot be in; `dropped` is wrong already."""
    if "api" in dropped:
        return
    _check_keys(tenant, dropped, place)
    if not {"region", "base_url"} & set(dropped):
        _check_region(tenant, place)


def _check_keys(tenant: TenantConfig, dropped: Collection[str], place: Place) -> None:
    foreign = [key for api, names in KEYS_BY_API.items() if api is not tenant.api for key in names]
    given = [key for key in foreign if getattr(tenant, key) is not None]
    if given and "api" not in tenant.model_fields_set and not tenant.keys:
        place.error(given[0], 'is a key of API 1.0: add api = "1.0"')
        return
    needs = _needs(tenant.api)
    for key in given:
        place.error(key, f"does not belong to API {tenant.api}, which this tenant uses: {needs}")
    for key in KEYS_BY_API[tenant.api]:
        if key not in tenant.keys and key not in dropped:
            place.error(key, f"missing: {needs}")


def _needs(api: ApiVersion) -> str:
    *names, last = KEYS_BY_API[api]
    return f"API {api} needs {', '.join(names)} and {last}"


def _check_region(tenant: TenantConfig, place: Place) -> None:
    regions = REGIONS[tenant.api]
    if tenant.region is not None and tenant.base_url is not None:
        place.error("base_url", "expected either 'region' or 'base_url', found both")
    elif tenant.region is not None and tenant.region not in regions:
        hint = suggestion(tenant.region, regions)
        place.error(
            "region", f"expected a region of API {tenant.api}, {listed(regions)}, found {shown(tenant.region)}{hint}"
        )
    elif tenant.region is None and tenant.base_url is None and tenant.api is ApiVersion.V1:
        place.error("region", f"missing: API 1.0 has a host for each region: {listed(regions)}; or write base_url")


def check_rule(rule: RuleConfig, dropped: Collection[str], place: Place) -> None:
    """Say where a rule contradicts itself, or has no level; `dropped` is wrong already."""
    if not rule.levels:
        if not {severity.value for severity in Severity} & set(dropped):
            place.error(
                "", f"expected a level: {listed(Severity)}, such as warning = {{ threshold = {{ above = 200 }} }}"
            )
        return
    subjects = {condition.input_kind for condition in rule.conditions}
    if len(subjects) > 1:
        place.error("", "expected 'no_data' in all of its levels or in none: write a rule of its own for it")
        return
    _check_kind(rule, place, has_no_data=InputKind.POLLING in subjects)
    for name in sorted({condition.name for condition in rule.conditions if not condition.allows_sum}):
        if rule.per is not Per.REASON:
            place.error("per", f"{name!r} is about one hold reason and not about a sum: leave it out")


def _check_kind(rule: RuleConfig, place: Place, *, has_no_data: bool) -> None:
    if not has_no_data and rule.name.casefold() == NO_DATA_RULE_NAME.casefold():
        place.error("name", f"{NO_DATA_RULE_NAME!r} is for rules with the condition 'no_data': choose another name")
    for key in ("reasons", "per") if has_no_data else ():
        if key in rule.model_fields_set:
            place.error(key, "a rule with 'no_data' evaluates each tenant's polling, not hold reasons: leave it out")


def check_receiver_names(names: Mapping[KeyPath, str], known: Collection[str], problems: Problems) -> None:
    """Say which names of receivers do not exist."""
    for path, name in names.items():
        if name not in known:
            hint = suggestion(name, known)
            problems.error(path, f"expected a receiver, {listed(known)}, found {shown(name)}{hint}")


def check_mute_window_names(names: Mapping[KeyPath, str], known: Collection[str], problems: Problems) -> None:
    """Say which names of mute windows do not exist."""
    for path, name in names.items():
        if name not in known:
            expected = f", {listed(known)}" if known else " such as [mute_windows.nights]"
            problems.error(path, f"expected a mute window{expected}, found {shown(name)}{suggestion(name, known)}")


def check_fallbacks(fallbacks: Mapping[str, str], problems: Problems) -> None:
    """Say which receivers fall back to themselves, at once or by way of others; each circle is said once."""
    seen: set[str] = set()
    for start in fallbacks:
        way = [start]
        while way[-1] in fallbacks and fallbacks[way[-1]] not in way:
            way.append(fallbacks[way[-1]])
        if fallbacks.get(way[-1]) == start and not seen & set(way):
            by_way_of = f" by way of {', '.join(map(repr, way[1:]))}" if way[1:] else ""
            problems.error(("receivers", start, "fallback"), f"{start!r} falls back to itself{by_way_of}")
            seen.update(way)


def check_unique(names: Mapping[KeyPath, str], problems: Problems) -> None:
    """Say which names are used twice; globs cannot distinguish what differs only in case."""
    first: dict[str, KeyPath] = {}
    for path, name in names.items():
        before = first.setdefault(name.casefold(), path)
        if before != path:
            problems.error(path, duplicate_name(name, problems.location_text(before, in_timezone=path)))


def check_lookbacks(rules: Mapping[int, RuleConfig], service: ServiceConfig, problems: Problems) -> None:
    """Say which conditions look back further than history is kept, or kept whole where they need that."""
    for number, rule in rules.items():
        for severity, level in rule.levels.items():
            for condition in level.conditions:
                # What is highest in each hour is all that a baseline asks for.
                is_coarse = isinstance(condition, Baseline) or service.downsample_after == service.retention
                name = "retention" if is_coarse else "downsample_after"
                longest = service.retention if is_coarse else service.downsample_after
                if condition.lookback > longest:
                    problems.error(
                        ("rules", number, severity.value, condition.name, *_key_of_window(condition)),
                        f"expected at most the {name}, {setting_text(longest)}, "
                        f"found {setting_text(condition.lookback)}",
                    )


def _key_of_window(condition: Condition) -> tuple[str, ...]:
    names = (
        name for name in (field.name for field in fields(condition)) if getattr(condition, name) == condition.lookback
    )
    return tuple(name.rstrip("_") for name in names)[:1]
