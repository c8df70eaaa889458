"""Advice on a configuration: what is legal but unwise.

No I/O.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from alerter.config.models import ApiVersion, Config, ReceiverConfig, TenantConfig
from alerter.config.problems import Problems, shown, suggestion
from alerter.config.toml_lines import KeyPath
from alerter.config.types import MAX_LISTED, Secret
from alerter.config.urls import MAIL_SCHEMES, has_several_recipients, is_on_this_machine, url_scheme
from alerter.config.variables import ABSENT
from alerter.core.conditions import InputKind
from alerter.core.mute_windows import WEEKDAYS
from alerter.core.outbox import is_on_call
from alerter.core.routes import Route
from alerter.core.rules import Rule, Severity
from alerter.core.selectors import MATCH_ALL, Selector, idle_globs
from alerter.humanize import setting_text

#: Polling more often than this is legal, but brings nothing.
SENSIBLE_POLL_INTERVAL = timedelta(seconds=60)

#: Said of whatever only mail leads to.
ENDS_IN_MAIL = "everything ends in e-mail: the mail path that is watched must not be the only way to learn of it"

Numbered = Mapping[int, Rule]


def warn(config: Config, rules: Numbered, problems: Problems) -> None:
    """Say what is legal but unwise.

    Args:
        config: All of it.
        rules: The rules that the file has, by their number in it.
        problems: Takes the warnings.
    """
    _warn_of_polling(config, problems)
    _warn_of_shared_keys(config, problems)
    _warn_of_heartbeat(config, problems)
    _warn_of_listening(config, problems)
    _warn_of_rules(config, rules, problems)
    _warn_of_idle_globs(config, rules, problems)
    _warn_of_windows(config, rules, problems)
    _warn_of_urls(config.receivers, problems)
    _warn_of_reports(config.receivers, problems)
    _warn_of_storms(config, problems)
    _warn_of_routes(config, problems)
    _warn_of_mail(config, problems)


def _warn_of_polling(config: Config, problems: Problems) -> None:
    common = config.service.poll_interval
    too_often = {
        name: tenant.poll_interval
        for name, tenant in config.tenants.items()
        if tenant.poll_interval < SENSIBLE_POLL_INTERVAL and not is_on_this_machine(tenant.host)
    }
    if common in too_often.values():
        problems.warn(("service", "poll_interval"), _too_often_text(common))
    for name, interval in too_often.items():
        if interval != common:
            problems.warn(("tenants", name, "poll_interval"), _too_often_text(interval))


def _too_often_text(interval: timedelta) -> str:
    found = shown(setting_text(interval))
    return f"expected 1m or more, found {found}: held counts change slowly, and Mimecast limits the rate of requests"


def _warn_of_shared_keys(config: Config, problems: Problems) -> None:
    """Say which tenants have the keys of another one: one account is watched twice, another one perhaps not at all."""
    tenants_by_key: dict[str, list[TenantConfig]] = {}
    for tenant in config.tenants.values():
        if (key := tenant.keys[_key_of_account(tenant)]) != ABSENT:
            tenants_by_key.setdefault(key, []).append(tenant)
    for first, *others in tenants_by_key.values():
        for tenant in others[:MAX_LISTED]:
            path = ("tenants", tenant.name, _key_of_account(tenant))
            place = problems.location_text(("tenants", first.name), in_timezone=path)
            problems.warn(
                path,
                f"the same as that of {str(first.name)!r} ({place}): one account is polled and counted twice, and that "
                f"of {str(tenant.name)!r} perhaps not at all; give it its own keys, or remove one of them",
            )
        if more := others[MAX_LISTED:]:
            problems.warn(("tenants", first.name), f"{len(more):,} more tenants have the same keys")


def _key_of_account(tenant: TenantConfig) -> str:
    """Return the key that belongs to one account alone; applications of API 1.0 may be used for several."""
    return "client_id" if tenant.api is ApiVersion.V2 else "access_key"


def _warn_of_heartbeat(config: Config, problems: Problems) -> None:
    url = config.service.heartbeat_url
    if url is not None and url.startswith("http:") and not is_on_this_machine(url):
        problems.warn(("service", "heartbeat_url"), "http shows the URL, which is a secret, to everybody on the way")


def _warn_of_listening(config: Config, problems: Problems) -> None:
    address = config.service.listen
    web = config.web
    if address is None or address.is_local:
        return
    if not web.hides_metrics or (web.page and web.open_to_everybody):
        text = (
            "anyone who reaches this address can read tenants and counts: put a login or a firewall before it"
            " (for /metrics, a token: alerter web-token NAME --scope metrics)"
        )
        problems.warn(("service", "listen"), text)


def _warn_of_rules(config: Config, rules: Numbered, problems: Problems) -> None:
    if not rules:
        problems.warn(("rules",), "there is no rule: nobody is alerted to anything but failed polls")
    for number, rule in rules.items():
        if not any(map(rule.tenants.matches, config.tenants)):
            problems.warn(_of_tenants("rules", number, rule.tenants), _selects_none(config))


def _warn_of_idle_globs(config: Config, rules: Numbered, problems: Problems) -> None:
    """Say which of several globs match nothing; of one alone, what it leaves without anything is said."""
    tenants, names = list(config.tenants), [rule.name for rule in config.rules]
    routes = list(enumerate(config.routes))
    selectors: list[tuple[KeyPath, Selector, Sequence[str]]] = [
        *((("rules", number, "tenants"), rule.tenants, tenants) for number, rule in rules.items()),
        *((("routes", number, "tenants"), route.tenants, tenants) for number, route in routes),
        *((("routes", number, "rules"), route.rules, names) for number, route in routes),
        *((("mute_windows", name, "tenants"), window.tenants, tenants) for name, window in config.mute_windows.items()),
    ]
    for path, selector, known in selectors:
        for glob in idle_globs(selector.globs, known) if any(map(selector.matches, known)) else ():
            text = f"{shown(glob)} matches none of the {path[-1]}{suggestion(glob.removeprefix('!'), known)}"
            problems.warn((*path, selector.globs.index(glob)), text)


def _warn_of_windows(config: Config, rules: Numbered, problems: Problems) -> None:
    used = {window.name for windows in config.windows_by_rule.values() for window in windows}
    used |= {window.name for route in config.routes for window in route.mute_windows}
    for name, window in config.mute_windows.items():
        if name not in used:
            problems.warn(("mute_windows", name), "neither a rule nor a route names it: it mutes nothing")
        if window.begins == window.ends and len(window.days) == len(WEEKDAYS):
            problems.warn(("mute_windows", name), "it never ends: what uses it notifies nobody")
        if not any(map(window.tenants.matches, config.tenants)):
            problems.warn(_of_tenants("mute_windows", name, window.tenants), _selects_none(config))
    for number, rule in rules.items():
        if rule.input_kind is InputKind.POLLING and rule.name in config.windows_by_rule:
            text = "nobody is notified of failed polls during that time: silence would not mean that all is well"
            problems.warn(("rules", number, "mute_windows"), text)


def _warn_of_urls(receivers: Sequence[ReceiverConfig], problems: Problems) -> None:
    for receiver in receivers:
        seen: set[Secret] = set()
        for number, target in enumerate(receiver.targets):
            path = ("receivers", receiver.receiver.name, "urls", number)
            if target.url in seen:
                problems.warn(path, "the same URL again: it gets every message twice")
            if has_several_recipients(target.url):
                problems.warn(path, "one URL for several: when one of them refuses a message, all get it again")
            seen.add(target.url)


def _warn_of_reports(receivers: Sequence[ReceiverConfig], problems: Problems) -> None:
    for each in receivers:
        if each.receiver.weekly_report is not None and all(is_on_call(target.name) for target in each.targets):
            text = "no report is sent: on-call services get none, for nothing would close the incident"
            problems.warn(("receivers", each.receiver.name, "weekly_report"), text)


def _warn_of_storms(config: Config, problems: Problems) -> None:
    """Say who would get a message for each tenant, and has more of those than it gets messages in an hour."""
    for receiver in (each.receiver for each in config.receivers):
        if receiver.group_wait or len(config.tenants) <= receiver.max_per_hour:
            continue
        routes = [route for route in config.routes if receiver.name in route.receivers]
        ways = [route.tenants for route in routes] if config.routes else [MATCH_ALL]
        number = sum(any(way.matches(name) for way in ways) for name in config.tenants)
        if number > receiver.max_per_hour:
            most = receiver.max_per_hour
            problems.warn(
                ("receivers", receiver.name),
                f"each of {number:,} tenants is a message of its own: when all have news, it gets {most}, the rest an "
                'hour later; group_wait = "1m" makes one message of them, or raise max_per_hour',
            )


def _warn_of_routes(config: Config, problems: Problems) -> None:
    if not config.routes:
        return
    named = {name for route in config.routes for name in route.receivers}
    named |= {each.receiver.fallback for each in config.receivers if each.receiver.fallback is not None}
    for receiver in config.receivers:
        if receiver.receiver.name not in named and receiver.receiver.weekly_report is None:
            problems.warn(("receivers", receiver.receiver.name), "no route names it: it gets no alerts")
    _warn_of_unrouted_levels(config, problems)
    for number, route in enumerate(config.routes):
        key = _key_that_matches_nothing(route, config)
        if key is not None:
            problems.warn(("routes", number, key), "no alert can come this way: it matches none of the rules")
        if not any(map(route.tenants.matches, config.tenants)):
            problems.warn(_of_tenants("routes", number, route.tenants), _selects_none(config))


def _warn_of_unrouted_levels(config: Config, problems: Problems) -> None:
    """Say which levels of which rules no route takes: silence would then not mean that all is well."""
    for rule in config.rules:
        takes = [route.severities or frozenset(Severity) for route in config.routes if route.rules.matches(rule.name)]
        unrouted = [severity for severity in rule.levels if not any(severity in severities for severities in takes)]
        if unrouted:
            levels = " and ".join(unrouted)
            problems.warn(("routes",), f"no route takes {levels} of rule {shown(rule.name)}: nobody is notified of it")


def _key_that_matches_nothing(route: Route, config: Config) -> str | None:
    """Return the key because of which no rule's alerts take the route, or None where some do."""
    rules = [rule for rule in config.rules if route.rules.matches(rule.name)]
    if not rules:
        return "rules"
    severities = {severity for rule in rules for severity in rule.levels}
    return "severity" if route.severities and not route.severities & severities else None


def _warn_of_mail(config: Config, problems: Problems) -> None:
    by_mail = {each.receiver.name for each in config.receivers if _is_mail_only(each)}
    if not config.routes:
        if len(by_mail) == len(config.receivers):
            problems.warn(("receivers",), ENDS_IN_MAIL)
        return
    if any(_takes_everything(route) and not by_mail.issuperset(route.receivers) for route in config.routes):
        return
    for number, route in enumerate(config.routes):
        if by_mail.issuperset(route.receivers):
            problems.warn(("routes", number, "receivers"), ENDS_IN_MAIL)


def _is_mail_only(receiver: ReceiverConfig) -> bool:
    return all(url_scheme(target.url) in MAIL_SCHEMES for target in receiver.targets)


def _takes_everything(route: Route) -> bool:
    return not route.severities and route.tenants == route.reasons == route.rules == MATCH_ALL


def _of_tenants(section: str, which: str | int, selector: Selector) -> KeyPath:
    """Return where a rule, a route or a mute window says which tenants it is for."""
    return section, which, "tenants" if selector.among is None else "tenant_labels"


def _selects_none(config: Config) -> str:
    names = [repr(str(name)) for name in config.tenants]
    more = f" and {len(names) - MAX_LISTED:,} more" if names[MAX_LISTED:] else ""
    return f"selects none of the tenants: {', '.join(names[:MAX_LISTED])}{more}"
