"""`alerter tenants`: every tenant with its polling, latency, causes and what fires."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from alerter import clock
from alerter.cli.database_access import reading
from alerter.cli.options import FOUND, config_option, json_option, load_without_secrets
from alerter.cli.output import Table, ago, print_json, print_table
from alerter.cli.tenant_filter import (
    PollingState,
    TenantStatus,
    choice_of,
    choice_options,
    held_text,
    look,
    polling_json,
    worst_first,
)
from alerter.core.conditions import duration_text

#: How a list of tenants can be sorted.
ORDERS: Mapping[str, Callable[[TenantStatus], tuple[object, ...]]] = {
    "worst": worst_first,
    "name": lambda account: (account.name,),
    "held": lambda account: (-(account.held or 0), account.name),
    "firing": lambda account: (-account.firing, account.name),
    "age": lambda account: (account.polling.last_good_at or datetime.min.replace(tzinfo=UTC), account.name),
    "latency": lambda account: (-(account.polling.latency or timedelta(0)), account.name),
}


@click.command()
@config_option
@json_option
@choice_options
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
    """List tenants: the last good poll and how long it took, the interval, causes, what is held and what fires.

    Exit code 1 if one of those listed is not seen: its last poll failed, never was, or is too long ago.
    """
    choice = choice_of(tenant, labels, failing=failing)
    config, now = load_without_secrets(config_path), clock.now()
    with reading(config) as reader:
        accounts = look(reader, config, choice, reader.alerts(), now=now)
        is_shared = bool(reader.instances())
    accounts.sort(key=ORDERS[order])
    if as_json:
        print_json([_account_json(account) for account in accounts])
    else:
        columns: tuple[str, ...] = (
            "tenant", "last good poll", ">took", ">interval", ">held", ">firing", "muted", "labels", "polling",
        )  # fmt: skip
        rows = [_account_row(account, now=now) for account in accounts]
        if is_shared:
            columns = *columns, "instance"
            rows = [(*row, account.instance or "none") for row, account in zip(rows, accounts, strict=True)]
        styles = ["good" if account.sight is PollingState.GOOD else "bad" for account in accounts]
        print_table(Table(title="Tenants", columns=columns, rows=rows, styles=styles))
    if any(account.sight is not PollingState.GOOD for account in accounts):
        raise click.exceptions.Exit(FOUND)


def _account_row(account: TenantStatus, *, now: datetime) -> tuple[str, ...]:
    settings, latency = account.settings, account.polling.latency
    return (
        account.name,
        ago(account.polling.last_good_at, now=now),
        "" if latency is None else f"{latency.total_seconds():.2f}s",
        duration_text(settings.poll_interval),
        held_text(account),
        f"{account.firing:,}" if account.firing else "",
        "muted" if settings.is_muted else "",
        ", ".join(f"{name}={value}" for name, value in settings.labels.items()),
        account.polling_text(now=now),
    )


def _account_json(account: TenantStatus) -> Mapping[str, object]:
    settings = account.settings
    return {
        **polling_json(account),
        "last_poll_at": account.polling.last_poll_at,
        "latency": account.polling.latency,
        "poll_interval": settings.poll_interval,
        "held": account.held,
        "firing": account.firing,
        "muted": settings.is_muted,
        "labels": settings.labels,
        "timezone": settings.timezone.key,
        "instance": account.instance,
    }
