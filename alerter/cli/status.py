"""`alerter status`: tenants, counts, alerts and undelivered messages, for one tenant as for ten thousand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.alerts import alert_columns, alert_row
from alerter.cli.colors import is_for_people
from alerter.cli.database_access import read_store
from alerter.cli.instances import instances_json, instances_table
from alerter.cli.learning import learning_json, learning_table, no_alerts_text
from alerter.cli.mutes import mutes_json, mutes_table
from alerter.cli.nagios import print_plugin
from alerter.cli.notifications import DELIVERY_COLUMNS, delivery_row
from alerter.cli.options import EXIT_FOUND, config_option, json_option, load_without_secrets
from alerter.cli.output import print_json, print_table, sparkline, time_cell
from alerter.cli.storing import DatabaseSummary
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import TenantFilter, held_text, look, parse_tenant_filter, tenant_filter_options
from alerter.queries.alerts import alert_json
from alerter.queries.learning import learning_rules
from alerter.queries.mutes import ActiveMutes, load_active_mutes
from alerter.queries.notifications import delivery_json, is_recent
from alerter.queries.tenants import PollingState, TenantStatus, polling_json, summarize, worst_first

if TYPE_CHECKING:
    from alerter.core.alerts import Alert
    from alerter.core.series import HoldReason, Series, Tenant
    from alerter.storage import DeliveryRecord, Reader

DAY = timedelta(days=1)
#: What has more rows than a person reads is cut, and says so.
MAX_ROWS = 40

#: How often `--watch` reads again.
WATCH_SECONDS = 2


@click.command()
@config_option
@json_option
@tenant_filter_options
@click.option("--watch", is_flag=True, help=f"Show it again every {WATCH_SECONDS} seconds until Ctrl-C.")
@click.option("--nagios", is_flag=True, help="Print a Nagios plugin result, and end with its exit codes.")
def status(
    *,
    config_path: Path | None,
    as_json: bool,
    tenant: str | None,
    labels: Sequence[str],
    failing: bool,
    watch: bool,
    nagios: bool,
) -> None:
    """Show tenants, counts, alerts, mutes, undelivered messages, rules that still learn, and the database's size.

    Of many tenants it shows a summary and the worst; `alerter tenants` lists all. Exit code 1 if an alert is firing, a
    tenant's last poll failed, never was or is too long ago, or a message was given up. With --nagios: 0 OK, 1 WARNING,
    2 CRITICAL, 3 UNKNOWN, as Nagios, Icinga and others expect; what is muted is OK.
    """
    if nagios and not watch:
        raise click.exceptions.Exit(print_plugin(config_path, as_json=as_json))
    choice = parse_tenant_filter(tenant, labels, failing=failing)
    if watch:
        from alerter.cli.watch import repeat  # noqa: PLC0415 - only who watches needs it

        if as_json or nagios or not is_for_people():
            raise click.UsageError("expected --watch on a terminal, without --json and --nagios")
        repeat(lambda: _show(config_path, choice, as_json=False), every=timedelta(seconds=WATCH_SECONDS))
        return
    if not _show(config_path, choice, as_json=as_json):
        raise click.exceptions.Exit(EXIT_FOUND)


def _show(config_path: Path | None, choice: TenantFilter, *, as_json: bool) -> bool:
    """Print the status once; return True if all is well."""
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        stored = reader.alerts.load()
        accounts = look(reader, config, choice, stored, now=now)
        names = {account.name for account in accounts}
        alerts = [
            alert
            for alert in stored
            if alert.state != "inactive" and (choice.is_everything or alert.key.tenant in names)
        ]
        active_mutes = load_active_mutes(reader, config, stored, now=now)
        records = [record for record in reader.outbox.deliveries(only_failed=True) if is_recent(record, now=now)]
        learning = learning_rules(config, accounts, now=now)
        kept, instances = DatabaseSummary.read(reader, now=now), reader.leases.instances()
        if as_json:
            found = _status_json(accounts, reader.history.held_by_reason(names), alerts, active_mutes, records)
            print_json(
                {
                    **found,
                    "learning": learning_json(learning),
                    "database": kept.json(),
                    "instances": instances_json(instances),
                }
            )
        else:
            _print_status(accounts, _held_rows(reader, accounts, now=now), alerts, active_mutes, records)
            if learning:
                print_table(learning_table(learning, config, now=now))
            print_table(kept.table(now=now))
            if instances:
                print_table(instances_table(instances, now=now))
    has_no_data = any(account.polling_state is not PollingState.OK for account in accounts)
    return not (
        has_no_data or any(alert.is_firing for alert in alerts) or any(each.delivery.dead_at for each in records)
    )


def _urgency(alert: "Alert") -> tuple[bool, int, str, str]:
    """Return the order in which a person should read: what fires first, then the worst."""
    return not alert.is_firing, -alert.key.severity.rank, alert.key.tenant, alert.key.reason


def _held_rows(reader: "Reader", accounts: Sequence[TenantStatus], *, now: datetime) -> list[tuple[str, ...]]:
    """Return what is held with its last day: of few tenants all of it, of many the largest counts."""
    if len(accounts) <= MAX_ROWS:
        held = reader.history.held_by_reason([account.name for account in accounts])
        wanted = [(account.name, reason) for account in accounts for reason in held.get(account.name, ())]
        shown = _last_day(reader, accounts, wanted, now=now)
        return [_held_row(series, now=now) for series in shown if _held(series) or len(series.changes) > 1]
    largest = reader.lists.largest_series(tenants=[account.name for account in accounts], limit=MAX_ROWS)
    wanted = [(each.tenant, each.reason) for each in largest]
    return [_held_row(series, now=now) for series in _last_day(reader, accounts, wanted, now=now)]


def _last_day(
    reader: "Reader",
    accounts: Sequence[TenantStatus],
    wanted: Sequence[tuple["Tenant", "HoldReason"]],
    *,
    now: datetime,
) -> list["Series"]:
    """Return series of the last day, which last as long after a poll as the tenant's poll interval says."""
    interval_by_tenant = {account.name: account.config.poll_interval for account in accounts}
    found = reader.history.samples_of_many(wanted, since=now - DAY, until=now)
    return [replace(series, poll_interval=interval_by_tenant[series.tenant]) for series in found]


def _held(series: "Series") -> int:
    return series.changes[-1].count if series.changes else 0


def _held_row(series: "Series", *, now: datetime) -> tuple[str, ...]:
    return series.tenant, series.reason, f"{_held(series):,}", sparkline(series, since=now - DAY, until=now)


def _print_status(
    accounts: Sequence[TenantStatus],
    held_rows: Sequence[tuple[str, ...]],
    alerts: Sequence["Alert"],
    active_mutes: ActiveMutes,
    records: Sequence["DeliveryRecord"],
) -> None:
    now, zone = active_mutes.now, active_mutes.config.service.timezone
    if len(accounts) != 1:
        firing = sum(alert.is_firing for alert in alerts)
        _print_line("summary", summarize(accounts, firing=firing))
    shown = sorted(accounts, key=worst_first)[:MAX_ROWS] if len(accounts) > MAX_ROWS else accounts
    print_table(
        Table(
            title="Tenants",
            columns=("tenant", "last successful poll", ">held", Column("polling", min_width=24, cut=Cut.END)),
            rows=[
                (
                    each.name,
                    time_cell(each.polling.last_success_at, zone, now=now, unknown="never"),
                    held_text(each),
                    Cell(each.polling_text(now=now), style="good" if each.polling_state is PollingState.OK else "bad"),
                )
                for each in shown
            ],
        )
    )
    _print_more("tenants", len(accounts) - len(shown), _rest_text(accounts, shown))
    print_table(
        Table(
            title="Held",
            columns=(
                Column("tenant", is_hidden=len(active_mutes.config.tenants) == 1),
                Column("hold reason", min_width=24),
                ">held",
                Column("last 24 hours", cut=Cut.NEVER, drop=1),
            ),
            rows=held_rows,
            empty="nothing",
        )
    )
    worst = sorted(alerts, key=_urgency)
    print_table(
        Table(
            title="Alerts",
            columns=alert_columns(active_mutes.config),
            rows=[alert_row(alert, active_mutes) for alert in worst[:MAX_ROWS]],
            empty=no_alerts_text(active_mutes.config, accounts, now=now),
        )
    )
    _print_more("alerts", len(worst) - MAX_ROWS, "more; `alerter alerts` lists all of them")
    print_table(mutes_table(active_mutes, alerts))
    print_table(
        Table(
            title="Undelivered",
            columns=DELIVERY_COLUMNS,
            rows=[delivery_row(record, active_mutes.config.service.timezone, now=now) for record in records],
        )
    )


def _rest_text(accounts: Sequence[TenantStatus], shown: Sequence[TenantStatus]) -> str:
    """Return what those are that are not shown: the worst are, so that they are well as soon as one of these is."""
    are_well = all(account.is_ok for account in accounts if account not in shown)
    return "more that are well" if are_well else "more; `alerter tenants` lists all of them, --failing the failing ones"


def _print_more(title: str, count: int, text: str) -> None:
    if count > 0:
        _print_line(title, f"and {count:,} {text}")


def _print_line(title: str, text: str) -> None:
    """Print a line that belongs to a table: in a pipe, the first cell says to which."""
    import sys  # noqa: PLC0415

    click.echo(f"{text}\n" if sys.stdout.isatty() else f"{title}\t{text}")


def _status_json(
    accounts: Sequence[TenantStatus],
    held: Mapping["Tenant", Mapping["HoldReason", int]],
    alerts: Sequence["Alert"],
    active_mutes: ActiveMutes,
    records: Sequence["DeliveryRecord"],
) -> Mapping[str, object]:
    return {
        "tenants": [
            {**polling_json(account), "labels": account.config.labels, "held": held.get(account.name, {})}
            for account in accounts
        ],
        "alerts": [alert_json(alert, active_mutes) for alert in sorted(alerts, key=_urgency)],
        "mutes": mutes_json(active_mutes, alerts),
        "undelivered": [delivery_json(each) for each in records],
    }
