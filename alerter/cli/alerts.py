"""`alerter alerts`: alerts, who was notified of them, and what mutes them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import has_subcommand, read_store
from alerter.cli.learning import no_alerts_text
from alerter.cli.options import EXIT_FOUND, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json, print_table, time_cell
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import label_option, look, parse_tenant_filter, tenant_option
from alerter.core.alerts import Alert, AlertState, Transition
from alerter.errors import AlertNotFound
from alerter.humanize import age_text, local_time_text, short_duration_text
from alerter.queries.actions import action_text, load_actions, origin_text
from alerter.queries.alerts import (
    alert_details_json,
    alert_facts,
    alert_json,
    alert_since,
    because_text,
    find_alert,
    find_alerts,
    has_resolved,
    notification_states_for,
    notified_json,
    notified_what,
    state_text,
    worst_first,
)
from alerter.queries.mutes import ActiveMutes, load_active_mutes, mute_name, mute_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.actions import Action
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
    key, mute = alert.key, active_mutes.mute_for(alert)
    return (
        key.id,
        Cell(state_text(alert), style="resolved" if has_resolved(alert) else ""),
        Cell(key.severity, style=key.severity if alert.is_firing and mute is None else "muted"),
        key.rule,
        key.tenant,
        key.reason,
        "" if alert.value is None else f"{alert.value:,}",
        _since_cell(alert, active_mutes),
        Cell(mute_text(mute, active_mutes.config.service.timezone), mute_name(mute), style="muted"),
    )


def _since_cell(alert: Alert, active_mutes: ActiveMutes) -> Cell:
    since, no_data = alert_since(alert), active_mutes.no_data_since(alert)
    if since is None:
        return Cell("")
    age = short_duration_text(active_mutes.now - since)
    full = f"{local_time_text(since, active_mutes.config.service.timezone)} ({age} ago){_no_data(alert, active_mutes)}"
    return Cell(full, age if no_data is None else f"{age}, no data {short_duration_text(active_mutes.now - no_data)}")


def alert_by_id(reader: "Reader", alert_id: str) -> Alert:
    """Return the alert of an id, of the beginning of one, or of the `ref` of a notification of one alert.

    Raises:
        click.UsageError: There is none, or there are several.
    """
    try:
        return find_alert(reader, alert_id)
    except AlertNotFound as error:
        raise click.UsageError(str(error)) from None


def alerts_by_ids(reader: "Reader", names: Iterable[str]) -> list[Alert]:
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
    return "" if since is None else f", no data since {local_time_text(since, active_mutes.config.service.timezone)}"


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@json_option
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
    """List alerts: firing, pending and resolved within a day; who was notified of each, and what mutes it now.

    Exit code 1 if one of those listed is firing.
    """
    if has_subcommand(context):
        return
    choice = parse_tenant_filter(tenant, labels)
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        stored = reader.alerts.load_all()
        notified = reader.notifications.states()
        active_mutes = load_active_mutes(reader, config, stored, now=now)
        accounts = look(reader, config, choice, stored, now=now) if choice.is_everything else []
    chosen = [alert for alert in stored if choice.is_everything or choice.takes(alert.key.tenant, config)]
    if not chosen:
        choice.names(config)  # says it if that is because of a name that nobody has
    listed = sorted((each for each in chosen if _is_listed(each, everything=everything, now=now)), key=worst_first)
    if as_json:
        print_json(
            [
                {**alert_json(alert, active_mutes), "notified": notified_json(notification_states_for(alert, notified))}
                for alert in listed
            ]
        )
    else:
        print_table(
            Table(
                title="Alerts",
                columns=(*alert_columns(config), Column("notified", min_width=20, drop=6, cut=Cut.END)),
                rows=[
                    (*alert_row(alert, active_mutes), _notified_cell(notification_states_for(alert, notified), now=now))
                    for alert in listed
                ],
                empty=no_alerts_text(config, accounts, now=now) if choice.is_everything else "none",
            )
        )
    if any(alert.is_firing for alert in listed):
        raise click.exceptions.Exit(EXIT_FOUND)


def _is_listed(alert: Alert, *, everything: bool, now: datetime) -> bool:
    if alert.state is not AlertState.INACTIVE:
        return True
    # What was pending and never fired is over without having been an alert to anybody.
    return alert.resolved_at is not None and (everything or now - alert.resolved_at < RECENT)


def _notified_cell(notified: Sequence["NotificationState"], *, now: datetime) -> Cell:
    """Return who was notified of what, and when; for people, of several receivers their number."""
    full = ", ".join(_notified_text(each, now=now) for each in notified)
    if len(notified) <= 1:
        return Cell(full)
    return Cell(
        full,
        f"{len({each.receiver for each in notified})} receivers, "
        f"{age_text(max(each.notified_at for each in notified), now=now)}",
    )


def _notified_text(notified: "NotificationState", *, now: datetime) -> str:
    return f"{notified.receiver}: {notified_what(notified)} {age_text(notified.notified_at, now=now)}"


@alerts.command()
@click.argument("alert_id", metavar="ID", shell_complete=completion.live_alerts)
@config_option
@json_option
def show(alert_id: str, config_path: Path | None, *, as_json: bool) -> None:
    """Show the alert ID: what was compared, its history newest first, who was notified, and what mutes it.

    Exit code 2 if there is no such alert.
    """
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        alert = alert_by_id(reader, alert_id)
        transitions = reader.alerts.transitions(alert_id=alert.key.id)
        notified = notification_states_for(alert, reader.notifications.states())
        actions = load_actions(reader, config, alert, until=now)
        active_mutes = load_active_mutes(reader, config, reader.alerts.load(), now=now)
    if as_json:
        print_json(alert_details_json(alert, active_mutes, transitions, notified, actions))
    else:
        _print_alert(alert, active_mutes, transitions, notified, actions)


def _print_alert(
    alert: Alert,
    active_mutes: ActiveMutes,
    transitions: Sequence[Transition],
    notified: Sequence["NotificationState"],
    actions: Sequence["Action"],
) -> None:
    key, zone, now = alert.key, active_mutes.config.service.timezone, active_mutes.now
    click.echo(clean(f"{key.id}: {state_text(alert)}: {key.severity} of rule {key.rule} on {key.tenant}: {key.reason}"))
    for label, text in alert_facts(alert, active_mutes):
        click.echo(f"{label}\t{clean(text)}")
    click.echo()
    print_table(
        Table(
            title="History",
            columns=("at", "from", "to", Column("because", min_width=30, cut=Cut.END)),
            rows=[
                (time_cell(each.at, zone, now=now), each.from_state, _after_cell(each), because_text(each, zone))
                for each in transitions
            ],
        )
    )
    print_table(
        Table(
            title="Notified",
            columns=("receiver", "of", "at", ">reminders"),
            rows=[
                (each.receiver, notified_what(each), time_cell(each.notified_at, zone, now=now), str(each.repeat_count))
                for each in notified
            ],
            empty="nobody",
        )
    )
    print_table(
        Table(
            title="Actions",
            columns=("at", "who", "did", "from", Column("comment", min_width=20, cut=Cut.END)),
            rows=[
                (time_cell(each.at, zone, now=now), each.actor.name, action_text(each), origin_text(each), each.comment)
                for each in actions
            ],
        )
    )


def _after_cell(transition: Transition) -> Cell:
    if transition.is_resolution:
        return Cell("resolved", style="resolved")
    return Cell(transition.to_state, style="bad" if transition.to_state is AlertState.FIRING else "")
