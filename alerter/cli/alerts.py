"""`alerter alerts`: what is wrong, who knows of it, and what keeps it quiet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import leaves_to_subcommand, reading
from alerter.cli.learning import no_alerts_text
from alerter.cli.mutes import ActiveMutes, load_active_mutes, mute_json, mute_name, mute_text
from alerter.cli.options import FOUND, config_option, load_without_secrets, output_options
from alerter.cli.output import ago, clean, local, print_json, print_table, rough, time_cell
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import choice_of, label_option, look, tenant_option
from alerter.core.alerts import Alert, AlertState, Transition
from alerter.core.conditions import Evidence
from alerter.core.notifications import TargetId
from alerter.errors import AlertNotFound
from alerter.queries.alerts import find_alert, find_alerts

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.notifications import NotificationState
    from alerter.storage import Reader

#: For how long an alert that is over is still listed.
RECENT = timedelta(days=1)


def alert_columns(config: "Config") -> tuple[Column, ...]:
    """Return the columns of a list of alerts; where there is one tenant only, its name says nothing."""
    return (
        Column("alert", cut=Cut.NEVER),
        Column("state", drop=4, cut=Cut.NEVER),
        Column("severity", cut=Cut.NEVER),
        Column("rule", min_width=10, drop=5),
        Column("tenant", min_width=8, is_hidden=len(config.tenants) == 1),
        Column("hold reason", min_width=20),
        Column("held", is_number=True),
        Column("age", cut=Cut.NEVER),
        Column("muted by", min_width=9, drop=1),
    )


def alert_row(alert: Alert, active_mutes: ActiveMutes) -> tuple[Cell | str, ...]:
    """Return the cells of an alert under `alert_columns`."""
    key, mute = alert.key, active_mutes.mute_of(alert)
    return (
        key.id,
        Cell(state_text(alert), style="resolved" if _has_resolved(alert) else ""),
        Cell(key.severity, style=key.severity if alert.is_firing and mute is None else "muted"),
        key.rule,
        key.tenant,
        key.reason,
        "" if alert.value is None else f"{alert.value:,}",
        _since_cell(alert, active_mutes),
        Cell(mute_text(mute, active_mutes.config.service.timezone), mute_name(mute), style="muted"),
    )


def _since_cell(alert: Alert, active_mutes: ActiveMutes) -> Cell:
    since, no_data = _since(alert), active_mutes.no_data_since(alert)
    if since is None:
        return Cell("")
    age = rough(active_mutes.now - since)
    full = f"{local(since, active_mutes.config.service.timezone)} ({age} ago){_no_data(alert, active_mutes)}"
    return Cell(full, age if no_data is None else f"{age}, no data {rough(active_mutes.now - no_data)}")


def alert_json(alert: Alert, active_mutes: ActiveMutes) -> Mapping[str, object]:
    """Return an alert for a program."""
    return {
        "alert": alert.key.id, "state": state_text(alert), "severity": alert.key.severity, "rule": alert.key.rule,
        "tenant": alert.key.tenant, "reason": alert.key.reason, "value": alert.value, "peak": alert.peak,
        "active_at": alert.active_at, "fired_at": alert.fired_at, "resolved_at": alert.resolved_at,
        "no_data_since": active_mutes.no_data_since(alert), "muted_by": mute_json(active_mutes.mute_of(alert)),
    }  # fmt: skip


def state_text(alert: Alert) -> str:
    """Return the state, as people say it: an alert that fired and is inactive has resolved."""
    return "resolved" if _has_resolved(alert) else str(alert.state)


def alert_of(reader: "Reader", alert_id: str) -> Alert:
    """Return the alert of an id, of the beginning of one, or of the `ref` of a notification of one alert.

    Raises:
        click.UsageError: There is none, or there are several.
    """
    try:
        return find_alert(reader, alert_id)
    except AlertNotFound as error:
        raise click.UsageError(str(error)) from None


def alerts_of(reader: "Reader", names: Iterable[str]) -> list[Alert]:
    """Return the alerts that ids, beginnings of ids and `ref`s of notifications mean, each once.

    Raises:
        click.UsageError: One of them means none, or could mean several.
    """
    try:
        found = [alert for name in names for alert in find_alerts(reader, name)]
    except AlertNotFound as error:
        raise click.UsageError(str(error)) from None
    return list({alert.key: alert for alert in found}.values())


def _no_data(alert: Alert, active_mutes: ActiveMutes) -> str:
    since = active_mutes.no_data_since(alert)
    return "" if since is None else f", no data since {local(since, active_mutes.config.service.timezone)}"


def _has_resolved(alert: Alert) -> bool:
    return alert.state is AlertState.INACTIVE and alert.resolved_at is not None


def _since(alert: Alert) -> datetime | None:
    if alert.state is AlertState.INACTIVE:
        return alert.resolved_at
    return alert.fired_at if alert.is_firing else alert.active_at


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@output_options
@tenant_option
@label_option
@click.option("--all", "everything", is_flag=True, help="Also those that resolved more than a day ago.")
def alerts(
    context: click.Context,
    config_path: Path | None,
    *,
    as_json: bool,
    tenant: str | None,
    labels: Sequence[str],
    everything: bool,
) -> None:
    """List alerts: firing, pending and resolved within a day; who was told of each, and what mutes it now.

    Exit code 1 if one of those listed is firing.
    """
    if leaves_to_subcommand(context):
        return
    choice = choice_of(tenant, labels)
    config, now = load_without_secrets(config_path), clock.now()
    with reading(config) as reader:
        stored = reader.alerts()
        notified = reader.notified()
        active_mutes = load_active_mutes(reader, config, stored, now=now)
        accounts = look(reader, config, choice, stored, now=now) if choice.is_everything else []
    chosen = [alert for alert in stored if choice.is_everything or choice.takes(alert.key.tenant, config)]
    if not chosen:
        choice.names(config)  # says it if that is because of a name that nobody has
    listed = sorted((alert for alert in chosen if everything or _is_news(alert, now=now)), key=worst_first)
    if as_json:
        print_json(
            [{**alert_json(alert, active_mutes), "told": _told_json(_told_of(alert, notified))} for alert in listed]
        )
    else:
        print_table(
            Table(
                title="Alerts",
                columns=(*alert_columns(config), Column("notified", min_width=20, drop=6, cut=Cut.END)),
                rows=[
                    (*alert_row(alert, active_mutes), _notified_cell(_told_of(alert, notified), now=now))
                    for alert in listed
                ],
                empty=no_alerts_text(config, accounts, now=now) if choice.is_everything else "none",
            )
        )
    if any(alert.is_firing for alert in listed):
        raise click.exceptions.Exit(FOUND)


def _is_news(alert: Alert, *, now: datetime) -> bool:
    if alert.state is not AlertState.INACTIVE:
        return True
    return alert.resolved_at is not None and now - alert.resolved_at < RECENT


_ORDER = (AlertState.FIRING, AlertState.PENDING, AlertState.INACTIVE)


def worst_first(alert: Alert) -> tuple[int, int, float]:
    """Return the order of a list: what fires, is pending, is over; then the worst; then the newest."""
    since = _since(alert)
    newest = -since.timestamp() if since is not None else 0.0
    rank = 0 if alert.state is AlertState.INACTIVE else -alert.key.severity.rank
    return _ORDER.index(alert.state), rank, newest


def _told_of(alert: Alert, notified: Iterable["NotificationState"]) -> list["NotificationState"]:
    """Return what receivers were told of an alert; once where all targets of a receiver were told the same."""
    same = (replace(each, target=TargetId(""), thread="") for each in notified if each.topic == alert.key.topic)
    return list(dict.fromkeys(same))


def _notified_cell(notified: Sequence["NotificationState"], *, now: datetime) -> Cell:
    """Return who was notified of what, and when; for people, of several receivers their number."""
    full = ", ".join(_told_text(each, now=now) for each in notified)
    if len(notified) <= 1:
        return Cell(full)
    return Cell(
        full,
        f"{len({each.receiver for each in notified})} receivers, {ago(max(each.at for each in notified), now=now)}",
    )


def _told_text(notified: "NotificationState", *, now: datetime) -> str:
    return f"{notified.receiver}: {_told_what(notified)} {ago(notified.at, now=now)}"


def _told_what(notified: "NotificationState") -> str:
    return notified.severity if notified.state is AlertState.FIRING else "resolved"


def _told_json(notified: Iterable["NotificationState"]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "receiver": each.receiver,
            "severity": each.severity,
            "state": "firing" if each.state is AlertState.FIRING else "resolved",
            "at": each.at,
            "repeats": each.repeats,
        }
        for each in notified
    ]


@alerts.command()
@click.argument("alert_id", metavar="ID", shell_complete=completion.live_alerts)
@config_option
@output_options
def show(alert_id: str, config_path: Path | None, *, as_json: bool) -> None:
    """Show the alert ID: what was compared, its history newest first, who was told what, and what mutes it.

    Exit code 2 if there is no such alert.
    """
    config, now = load_without_secrets(config_path), clock.now()
    with reading(config) as reader:
        alert = alert_of(reader, alert_id)
        transitions = reader.transitions(alert_id=alert.key.id)
        notified = _told_of(alert, reader.notified())
        active_mutes = load_active_mutes(reader, config, reader.alerts(), now=now)
    if as_json:
        print_json(_shown_json(alert, active_mutes, transitions, notified))
    else:
        _print_alert(alert, active_mutes, transitions, notified)


def _print_alert(
    alert: Alert, active_mutes: ActiveMutes, transitions: Sequence[Transition], notified: Sequence["NotificationState"]
) -> None:
    key, zone, now = alert.key, active_mutes.config.service.timezone, active_mutes.now
    click.echo(clean(f"{key.id}: {state_text(alert)}: {key.severity} of rule {key.rule} on {key.tenant}: {key.reason}"))
    for label, text in _facts(alert, active_mutes):
        click.echo(f"{label}\t{clean(text)}")
    click.echo()
    print_table(
        Table(
            title="History",
            columns=("at", "from", "to", Column("because", min_width=30, cut=Cut.END)),
            rows=[
                (time_cell(each.at, zone, now=now), each.before, _after_cell(each), _because(each, zone))
                for each in transitions
            ],
        )
    )
    print_table(
        Table(
            title="Told",
            columns=("receiver", "of", "at", ">reminders"),
            rows=[
                (each.receiver, _told_what(each), time_cell(each.at, zone, now=now), str(each.repeats))
                for each in notified
            ],
            empty="nobody",
        )
    )


def _after_cell(transition: Transition) -> Cell:
    if transition.is_resolution:
        return Cell("resolved", style="resolved")
    return Cell(transition.after, style="bad" if transition.after is AlertState.FIRING else "")


def _facts(alert: Alert, active_mutes: ActiveMutes) -> Sequence[tuple[str, str]]:
    """Return what is known of an alert besides its name: label and text, none empty."""
    zone, now = active_mutes.config.service.timezone, active_mutes.now
    instants = {
        "fired": alert.fired_at,
        "no data since": active_mutes.no_data_since(alert),
        "ending since": alert.keep_firing_since,
        "resolved": alert.resolved_at,
    }
    facts = [
        *(("compared", text) for text in _compared(alert.evidence, zone)),
        ("peak", "" if alert.peak is None else f"{alert.peak:,} held"),
        *((name, f"{local(at, zone)} ({ago(at, now=now)})" if at else "") for name, at in instants.items()),
        ("lasted", "" if alert.duration is None else rough(alert.duration)),
        ("ended by", alert.resolution),
        ("muted by", mute_text(active_mutes.mute_of(alert), zone)),
    ]
    return [(label, text) for label, text in facts if text]


def _because(transition: Transition, timezone: tzinfo) -> str:
    return "; ".join(filter(None, [transition.note, *_compared(transition.evidence, timezone)]))


def _compared(evidence: Iterable[Evidence], timezone: tzinfo) -> list[str]:
    """Return what was compared, in words: one text for each condition."""
    return [f"{each.condition}: {', '.join(_operand_parts(each, timezone))}" for each in evidence]


def _operand_parts(evidence: Evidence, timezone: tzinfo) -> Iterable[str]:
    if evidence.value is not None:
        yield f"{evidence.value.count:,} held at {local(evidence.value.at, timezone)}"
    yield f"limit {evidence.limit}"
    if evidence.reference is not None:
        yield f"compared with {evidence.reference.count:,} at {local(evidence.reference.at, timezone)}"
    if evidence.expected is not None:
        yield f"expected {evidence.expected.count:,} at {local(evidence.expected.at, timezone)}"
    if evidence.last_success_at is not None:
        yield f"last good poll {local(evidence.last_success_at, timezone)}"
    if evidence.note:
        yield evidence.note


def _shown_json(
    alert: Alert, active_mutes: ActiveMutes, transitions: Sequence[Transition], notified: Sequence["NotificationState"]
) -> Mapping[str, object]:
    return {
        **alert_json(alert, active_mutes),
        "ending_since": alert.keep_firing_since,
        "resolution": alert.resolution,
        "operands": [operands_json(each) for each in alert.evidence],
        "transitions": [
            {"at": each.at, "before": each.before, "after": each.after, "note": each.note,
             "operands": [operands_json(evidence) for evidence in each.evidence]}
            for each in transitions
        ],
        "told": _told_json(notified),
    }  # fmt: skip


def operands_json(evidence: Evidence) -> Mapping[str, object]:
    """Return what a condition compared, for a program."""
    samples = {"value": evidence.value, "reference": evidence.reference, "expected": evidence.expected}
    return {
        "condition": evidence.condition,
        "limit": evidence.limit,
        **{name: each and {"at": each.at, "held": each.count} for name, each in samples.items()},
        "last_good_at": evidence.last_success_at,
        "news": evidence.news,
        "note": evidence.note,
    }
