"""`alerter tenants`: every tenant with its polling, latency, causes and what fires."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import click

from alerter import clock
from alerter.cli.database_access import read_store
from alerter.cli.options import EXIT_FOUND, config_option, json_option, load_without_secrets
from alerter.cli.output import print_json, print_table, time_cell
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import held_text, look, parse_tenant_filter, tenant_filter_options
from alerter.core.conditions import duration_text
from alerter.queries.tenants import PollingState, TenantStatus, tenant_json, worst_first

#: How a list of tenants can be sorted.
ORDERS: Mapping[str, Callable[[TenantStatus], tuple[object, ...]]] = {
    "worst": worst_first,
    "name": lambda account: (account.name,),
    "held": lambda account: (-(account.held or 0), account.name),
    "firing": lambda account: (-account.firing, account.name),
    "age": lambda account: (account.polling.last_success_at or datetime.min.replace(tzinfo=UTC), account.name),
    "latency": lambda account: (-(account.polling.latency or timedelta(0)), account.name),
}


COLUMNS: tuple[Column, ...] = (
    Column("tenant", min_width=16),
    Column("last successful poll"),
    Column("took", is_number=True, drop=3),
    Column("interval", is_number=True, drop=4),
    Column("held", is_number=True),
    Column("firing", is_number=True),
    Column("muted"),
    Column("labels", min_width=12, drop=2, cut=Cut.END),
    Column("polling", min_width=16, cut=Cut.END),
)


@click.command()
@config_option
@json_option
@tenant_filter_options
@click.option("--sort", "order", type=click.Choice([*ORDERS]), default="worst", show_default=True, help="Who is first.")
def tenants(
    *,
    config_path: Path | None,
    as_json: bool,
    tenant: str | None,
    labels: Sequence[str],
    failing: bool,
    order: str,
) -> None:
    """List tenants: last successful poll, its latency, the interval, causes, held messages, firing alerts.

    Exit code 1 if one of those listed has no data: its last poll failed, never was, or is too long ago.
    """
    choice = parse_tenant_filter(tenant, labels, failing=failing)
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        accounts = look(reader, config, choice, reader.alerts.load_live(), now=now)
        is_shared = bool(reader.leases.instances())
    accounts.sort(key=ORDERS[order])
    if as_json:
        print_json([tenant_json(account) for account in accounts])
    else:
        zone = config.service.timezone
        columns, rows = COLUMNS, [_account_row(account, zone, now=now) for account in accounts]
        if is_shared:
            columns = (*columns, Column("instance", drop=1))
            rows = [(*row, account.instance or "none") for row, account in zip(rows, accounts, strict=True)]
        print_table(Table(title="Tenants", columns=columns, rows=rows))
    if any(account.polling_state is not PollingState.OK for account in accounts):
        raise click.exceptions.Exit(EXIT_FOUND)


def _account_row(account: TenantStatus, timezone: tzinfo, *, now: datetime) -> tuple[Cell | str, ...]:
    settings, latency = account.config, account.polling.latency
    return (
        account.name,
        time_cell(account.polling.last_success_at, timezone, now=now, unknown="never"),
        "" if latency is None else f"{latency.total_seconds():.2f}s",
        duration_text(settings.poll_interval),
        held_text(account),
        Cell(f"{account.firing:,}" if account.firing else "", style="bad"),
        "muted" if settings.muted else "",
        ", ".join(f"{name}={value}" for name, value in settings.labels.items()),
        Cell(account.polling_text(now=now), style="good" if account.polling_state is PollingState.OK else "bad"),
    )
