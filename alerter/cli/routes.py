"""`alerter routes`: the routes, and who would be notified of an alert."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import has_subcommand, read_store
from alerter.cli.names import pasted, resolve_name
from alerter.cli.options import EXIT_FOUND, CommandFailed, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json, print_table
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.times import parse_future_time
from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.conditions import Evidence, InputKind
from alerter.core.explain import NotificationDecision, NotNotifiedReason, decision, rule_mismatch_text
from alerter.core.mutes import MuteSet
from alerter.core.notifications import HourlyLimit
from alerter.core.routes import Route
from alerter.core.rules import Rule, Severity
from alerter.core.selectors import Selector
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Tenant
from alerter.core.silences import MAX_SILENCE
from alerter.errors import StoreError
from alerter.queries.mutes import mute_json, mute_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.silences import Silence


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@json_option
def routes(context: click.Context, config_path: Path | None, *, as_json: bool) -> None:
    """List the routes: which alerts each of them sends to which receivers, and when it is muted.

    An alert goes to the receivers of every route that matches it; without routes, to all receivers.
    """
    if has_subcommand(context):
        return
    config = load_without_secrets(config_path)
    if as_json:
        print_json([_route_json(number, route) for number, route in enumerate(config.routes, start=1)])
        return
    print_table(
        Table(
            title="Routes",
            columns=(
                ">no.",
                Column("receivers", min_width=12),
                Column("alerts", min_width=20, cut=Cut.END),
                "muted in",
            ),
            rows=[
                (str(number), ", ".join(route.receivers), _matches_text(route), _windows_text(route))
                for number, route in enumerate(config.routes, start=1)
            ],
            empty="none: every receiver gets every alert",
        )
    )


def _selectors(route: Route) -> Iterator[tuple[str, Sequence[str]]]:
    if route.severities:
        yield "severity", [each for each in Severity if each in route.severities]
    named = (("tenants", route.tenants), ("reasons", route.reasons), ("rules", route.rules))
    for name, selector in named:
        if selector != Selector():
            yield name, _globs(selector)


def _globs(selector: Selector) -> Sequence[str]:
    return selector.globs or sorted(selector.among or ())


def _matches_text(route: Route) -> str:
    return "; ".join(f"{name} {', '.join(globs)}" for name, globs in _selectors(route)) or "all"


def _windows_text(route: Route) -> str:
    return ", ".join(window.name for window in route.mute_windows)


def _route_json(number: int, route: Route) -> Mapping[str, object]:
    return {
        "route": number,
        "receivers": route.receivers,
        **dict.fromkeys(("severity", "tenants", "reasons", "rules")),
        **dict(_selectors(route)),
        "mute_windows": [window.name for window in route.mute_windows],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Who would be notified of one level of a rule."""

    rule: Rule
    severity: Severity
    decision: NotificationDecision
    routes: tuple[int, ...]


@routes.command()
@click.argument("tenant", shell_complete=completion.tenants)
@click.argument("reason", required=False, shell_complete=completion.reasons)
@click.option("--rule", "rule_name", metavar="NAME", help="Only this rule.", shell_complete=completion.rules)
@click.option("--severity", type=click.Choice([*map(str, Severity)]), help="Only this level.")
@click.option("--at", "at_text", metavar="TIME", help="When, for mute windows: 'sat 03:00', '2h'. [default: now]")
@config_option
@json_option
def test(
    tenant: str,
    reason: str | None,
    config_path: Path | None,
    *,
    rule_name: str | None,
    severity: str | None,
    at_text: str | None,
    as_json: bool,
) -> None:
    """Show who would be notified if REASON of TENANT raised an alert, of each rule that matches it, and why not.

    Without REASON: of alerts that the tenant has no data. Nothing is sent. Silences and mute windows count, also before
    the first poll. REASON need not have been seen yet. Exit code 1 if nobody would be notified, 2 if there is no such
    tenant or rule.
    """
    config, now = load_without_secrets(config_path), clock.now()
    at = now if at_text is None else parse_future_time(at_text, config.service.timezone, option="--at", now=now)
    known = [*config.tenants, ALL_TENANTS]
    name = Tenant(resolve_name("tenant", tenant, known, of=f" in {config.path}"))
    chosen = [_rule_named(rule_name, config)] if rule_name else list(config.rules)
    levels = None if severity is None else Severity(severity)
    mutes = _mutes(config, at=at)
    asked = None if reason is None else HoldReason(reason)
    if asked is not None and (seen := _seen_reasons(config, name)) and asked not in seen:
        close = get_close_matches(asked, seen, n=3, cutoff=0.4) or seen[:3]
        there = ", ".join(map(pasted, close))
        click.echo(f"note: {clean(asked)!r} was never held for {clean(name)} so far; there are: {there}", err=True)
    answers = [
        answer
        for rule in chosen
        if (key_reason := _reason_for(rule, name, asked)) is not None
        for level, _ in rule.worst_first
        if levels in {None, level}
        for answer in _answers(config, _an_alert(rule, level, name, key_reason), rule, mutes, at=at)
    ]
    if not answers:
        raise CommandFailed(_nothing_matches(chosen, name, asked))
    if as_json:
        print_json([_answer_json(each) for each in answers])
    else:
        _print(answers, config)
    if not any(each.decision.not_notified_because is None for each in answers):
        raise click.exceptions.Exit(EXIT_FOUND)


def _rule_named(written: str, config: "Config") -> Rule:
    name = resolve_name("rule", written, [rule.name for rule in config.rules], of=f" in {config.path}")
    return next(rule for rule in config.rules if rule.name == name)


def _reason_for(rule: Rule, tenant: Tenant, reason: HoldReason | None) -> HoldReason | None:
    """Return the reason of the alert that a rule would have; None where it does not look at it."""
    if rule.input_kind is InputKind.POLLING:
        return ALL_REASONS if reason is None and rule.tenants.matches(tenant) else None
    return reason if reason is not None and not rule_mismatch_text(rule, tenant, reason) else None


def _nothing_matches(rules: Sequence[Rule], tenant: Tenant, reason: HoldReason | None) -> str:
    if reason is None:
        return f"no rule evaluates the polling of {tenant!r}: name a hold reason as well"
    whys = [f"{rule.name}: {rule_mismatch_text(rule, tenant, reason) or 'it evaluates polling'}" for rule in rules]
    return "\n".join([f"no rule matches {reason!r} of {tenant!r}, so that nobody would be notified:", *whys])


def _an_alert(rule: Rule, severity: Severity, tenant: Tenant, reason: HoldReason) -> Alert:
    key = AlertKey(rule=rule.name, severity=severity, tenant=tenant, reason=reason)
    evidence = tuple(
        Evidence(condition=each.name, limit_text=each.limit_text) for each in rule.levels[severity].conditions
    )
    return Alert(key=key, state=AlertState.FIRING, evidence=evidence)


def _mutes(config: "Config", *, at: datetime) -> MuteSet:
    """Return what would mute a new alert: everything but acknowledgements, which are of alerts that there are."""
    return MuteSet(
        silences=_silences(config, at=at),
        windows_by_rule=config.windows_by_rule,
        muted_tenants=config.muted_tenants,
        timezones=config.timezones,
        labels_by_tenant=config.labels_by_tenant,
    )


def _silences(config: "Config", *, at: datetime) -> Sequence["Silence"]:
    try:
        with read_store(config) as reader:
            return reader.silences.silences(since=at - MAX_SILENCE)
    except (CommandFailed, StoreError):
        return ()  # before the first poll there are none; routes can be tested all the same


def _seen_reasons(config: "Config", tenant: Tenant) -> Sequence[HoldReason]:
    """Return the hold reasons that a tenant, or the sum over all of them, has had; empty before the first poll."""
    try:
        with read_store(config) as reader:
            if tenant == ALL_TENANTS:
                return reader.history.reason_names()
            return [each.reason for each in reader.history.reasons(tenant)]
    except (CommandFailed, StoreError):
        return ()


def _answers(config: "Config", alert: Alert, rule: Rule, mutes: MuteSet, *, at: datetime) -> Iterator[_Answer]:
    for receiver in (each.receiver for each in config.receivers):
        found = decision(
            receiver, [alert], config.routes, mutes=mutes, budget=HourlyLimit(), collected_until=None, now=at
        )
        matching = tuple(
            number
            for number, route in enumerate(config.routes, start=1)
            if receiver.name in route.receivers and route.matches(alert)
        )
        yield _Answer(rule=rule, severity=alert.key.severity, decision=found, routes=matching)


def _print(answers: Sequence[_Answer], config: "Config") -> None:
    print_table(
        Table(
            title="Would notify",
            columns=(
                Column("rule", min_width=12),
                Column("severity", cut=Cut.NEVER),
                Column("receiver", min_width=12),
                Column("notified", cut=Cut.NEVER),
                Column("because", min_width=20, cut=Cut.END),
            ),
            rows=[
                (
                    each.rule.name,
                    Cell(each.severity, style=each.severity),
                    each.decision.receiver.name,
                    Cell("yes", style="good")
                    if each.decision.not_notified_because is None
                    else Cell("no", style="bad"),
                    _because(each, config),
                )
                for each in answers
            ],
        )
    )


def _because(answer: _Answer, config: "Config") -> str:
    found = answer.decision
    match found.not_notified_because:
        case NotNotifiedReason.NO_ROUTE:
            missed = (f"route {number}: {why}" for number, why in found.unmatched_routes)
            return "; ".join(missed) or "no route uses this receiver"
        case NotNotifiedReason.MUTED:
            return f"muted by {mute_text(found.mute, config.service.timezone)}"
        case _:
            numbers = ", ".join(map(str, answer.routes))
            return f"route {numbers}" if numbers else "there are no routes: it gets every alert"


def _answer_json(answer: _Answer) -> Mapping[str, object]:
    found = answer.decision
    return {
        "rule": answer.rule.name,
        "severity": answer.severity,
        "receiver": found.receiver.name,
        "notified": found.not_notified_because is None,
        "routes": answer.routes,
        "not_notified_because": found.not_notified_because,
        "missed_routes": [{"route": number, "why": why} for number, why in found.unmatched_routes],
        "muted_by": mute_json(found.mute),
    }
