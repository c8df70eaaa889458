"""Checks of rules and routes against the names that were really seen: a slip in a pattern says nothing by itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from difflib import get_close_matches

from alerter.config import Config, toml_text
from alerter.core.alerts import Alert, AlertKey
from alerter.core.conditions import Evidence, InputKind, NoData
from alerter.core.rules import Per, Rule, Severity
from alerter.core.selectors import Selector, idle_globs, pasteable_glob
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Tenant
from alerter.doctor.findings import Finding, Group, Outcome
from alerter.errors import StoreError
from alerter.humanize import count_text
from alerter.queries.learning import learning_since, until_text
from alerter.storage import SchemaState, Store

#: The names that are given as examples.
MAX_EXAMPLES = 3

Seen = Mapping[Tenant, Sequence[HoldReason]]


def check_rules(config: Config, *, now: datetime) -> Iterator[Finding]:
    """Yield whether each rule selects something, until when it learns, and whether somebody is notified of it."""
    try:
        with closing(Store(config.service.database, read_only=True)) as store:
            if store.schema_state() is SchemaState.CURRENT:
                with store.read() as reader:
                    found = reader.history.reasons_by_tenant(config.tenants)
                    seen = {name: found.get(name, []) for name in config.tenants}
                    polled = reader.polls.status_by_tenant(config.tenants)
            else:
                seen, polled = {}, {}
    except StoreError as error:
        yield _rules("rules", Outcome.NOT_APPLICABLE, f"what was seen cannot be read: {error}")
        return
    if not any(seen.values()):
        yield _rules("rules", Outcome.NOT_APPLICABLE, "no hold reason was seen yet that they could be compared with")
        return
    first_polls = {name: polled[name].first_polled_at if name in polled else None for name in config.tenants}
    for rule in config.rules:
        finding = assess_rule(rule, seen)
        learning = learning_text(rule, first_polls, config.service.timezone, now=now)
        is_odd = finding.outcome is Outcome.WARNING
        yield replace(finding, text=f"{finding.text}; {learning}") if learning and not is_odd else finding
    yield from assess_routes(config, seen)


def learning_text(rule: Rule, first_polls: Mapping[Tenant, datetime | None], timezone: tzinfo, *, now: datetime) -> str:
    """Return until when a rule learns, and for how many of its tenants; empty where it can fire for each."""
    learning = learning_since(rule, first_polls, now=now)
    if learning is None:
        return ""
    is_whole = learning.tenants == sum(map(rule.tenants.matches, first_polls))
    which = "" if is_whole else f" for {learning.tenants:,} of its tenants"
    return f"learning{which} until {until_text(learning, timezone, now=now)}"


def assess_rule(rule: Rule, seen: Seen) -> Finding:
    """Return whether a rule selects anything of what was seen."""
    tenants = [tenant for tenant in seen if rule.tenants.matches(tenant)]
    reasons = list(dict.fromkeys(reason for tenant in tenants for reason in seen[tenant]))
    if rule.input_kind is InputKind.POLLING:
        return _rules(rule.name, Outcome.OK, f"evaluates the polling of {count_text(len(tenants), 'tenant')}")
    if not reasons:
        return _rules(rule.name, Outcome.NOT_APPLICABLE, "no hold reason was seen yet of the tenants that it matches")
    found = [reason for reason in reasons if rule.reasons.matches(reason)]
    doubt = _doubt(rule.reasons.globs, reasons)
    if found and not doubt.text:
        return _rules(rule.name, Outcome.OK, f"matches {len(found):,} of {len(reasons):,} hold reasons seen so far")
    if found:
        text = f"matches {len(found):,} of {len(reasons):,} hold reasons seen so far, but {doubt.text}"
        return _rules(rule.name, Outcome.WARNING, text, doubt.advice)
    globs = ", ".join(map(repr, rule.reasons.globs))
    text = f"matches no hold reason: {globs} matches none of the {len(reasons):,} seen so far"
    return _rules(rule.name, Outcome.WARNING, text, doubt.advice or _nearest(rule.reasons.globs, reasons))


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What is odd about some globs, and what to do; empty where nothing is."""

    text: str = ""
    advice: str = ""


def _doubt(globs: Sequence[str], reasons: Sequence[HoldReason]) -> _Doubt:
    """Return which globs match nothing that was ever seen, or that are names which they do not select alone."""
    idle = idle_globs(globs, reasons)
    if idle:
        return _Doubt(f"{', '.join(map(repr, idle))} matches none of them", _nearest(idle, reasons))
    for glob in globs:
        others = sum(map(Selector((glob,)).matches, reasons)) - 1
        if others > 0 and glob in reasons:
            text = f"{glob!r} is the name of one, and as a glob selects {count_text(others, 'other')} too"
            return _Doubt(text, f"For that one alone write {toml_text(pasteable_glob(glob))}.")
    return _Doubt()


def assess_routes(config: Config, seen: Seen) -> Iterator[Finding]:
    """Yield which alerts nobody would be notified of: no route takes them."""
    if not config.routes:
        return
    reasons = list(dict.fromkeys(reason for each in seen.values() for reason in each))
    for number, route in enumerate(config.routes, start=1):
        doubt = _doubt(route.reasons.globs, reasons)
        if doubt.text:
            yield _rules("routes", Outcome.WARNING, f"reasons of route #{number}: {doubt.text}", doubt.advice)
    lost: dict[str, list[AlertKey]] = {}
    for alert in _possible(config, seen):
        if not any(route.matches(alert) for route in config.routes):
            lost.setdefault(f"{alert.key.severity} of {alert.key.rule}", []).append(alert.key)
    for what, keys in lost.items():
        text = f"nobody is notified of {what} for {len(keys):,} of the series seen, such as {_key_text(keys[0])}"
        advice = "No route takes it: add one without `reasons` and `tenants`, or widen one."
        yield _rules("routes", Outcome.WARNING, text, advice)
    if not lost and not any(_is_unrouted(rule, config) for rule in config.rules):
        yield _rules("routes", Outcome.OK, "somebody is notified of every alert that the rules can raise")


def _is_unrouted(rule: Rule, config: Config) -> list[Severity]:
    """Return the levels of a rule that no route takes, whatever was seen: the configuration warns of those itself."""
    ways = [route.severities or rule.levels for route in config.routes if route.rules.matches(rule.name)]
    return [severity for severity in rule.levels if not any(severity in way for way in ways)]


def _possible(config: Config, seen: Seen) -> Iterator[Alert]:
    """Yield every alert that the rules could raise for what was seen."""
    for rule in config.rules:
        about = (Evidence(condition=NoData.name, limit_text=""),) if rule.input_kind is InputKind.POLLING else ()
        for severity in rule.levels.keys() - _is_unrouted(rule, config):
            for tenant, reason in _series(rule, seen):
                key = AlertKey(rule=rule.name, severity=severity, tenant=tenant, reason=reason)
                yield Alert(key=key, evidence=about)


def _series(rule: Rule, seen: Seen) -> Iterator[tuple[Tenant, HoldReason]]:
    tenants = [tenant for tenant in seen if rule.tenants.matches(tenant)]
    match rule.scope:
        case Per.ALL:
            yield from [(ALL_TENANTS, ALL_REASONS)] if tenants else []
        case Per.TENANT:
            yield from ((tenant, ALL_REASONS) for tenant in tenants)
        case Per.REASON:
            yield from ((each, reason) for each in tenants for reason in seen[each] if rule.reasons.matches(reason))


def _key_text(key: AlertKey) -> str:
    return key.tenant if key.reason == ALL_REASONS else f"{key.reason!r} of {key.tenant}"


def _nearest(globs: Sequence[str], reasons: Sequence[HoldReason]) -> str:
    return f"Nearest: {_examples(globs, reasons)}. Fine if it waits for one that has not come yet."


def _examples(globs: Sequence[str], reasons: Sequence[HoldReason]) -> str:
    wanted = " ".join(glob.strip("*!") for glob in globs).casefold()
    by_folded = {reason.casefold(): reason for reason in reasons}
    close = get_close_matches(wanted, by_folded, n=MAX_EXAMPLES, cutoff=0.3) or list(by_folded)[:MAX_EXAMPLES]
    return ", ".join(toml_text(pasteable_glob(by_folded[each])) for each in close) or "none"


def _rules(subject: str, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return Finding(group=Group.RULES, subject=subject, outcome=outcome, text=text, advice=advice)
