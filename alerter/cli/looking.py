"""`alerter status` and `alerter history`: what is, and what was."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clocks
from alerter.cli import completing
from alerter.cli.alerting import COLUMNS, alert_json, alert_row, alert_style
from alerter.cli.mutes import Quiet, quiet_json, quiet_of, quiet_table
from alerter.cli.nagios import print_plugin
from alerter.cli.notifying import DELIVERY_COLUMNS, delivery_json, delivery_row, delivery_style, is_recent
from alerter.cli.opening import reading
from alerter.cli.options import FOUND, Failed, config_option, json_option, load_without_secrets
from alerter.cli.output import Table, ago, clean, local, print_json, print_table, rough, sparkline
from alerter.core.rules import BLIND_AFTER, BLIND_POLLS

if TYPE_CHECKING:
    from alerter.adapters.store import DeliveryRecord, Polling, Reader
    from alerter.config import Config
    from alerter.core.alerts import Alert
    from alerter.core.series import Sample, Series, Tenant

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class _Tenant:
    """What status shows of a tenant."""

    name: "Tenant"
    polling: "Polling"
    series: Sequence["Series"]
    poll_interval: timedelta

    def is_seen(self, *, now: datetime) -> bool:
        """Say whether what is shown is true now: the last poll was good, and no longer ago than blindness takes."""
        last = self.polling.last_good_at
        if last is None or self.polling.failure is not None:
            return False
        return now - last <= max(BLIND_AFTER, BLIND_POLLS * self.poll_interval)


@click.command()
@config_option
@json_option
@click.option("--nagios", is_flag=True, help="Print what a monitoring plugin prints, and end with its exit codes.")
def status(config_path: Path | None, *, as_json: bool, nagios: bool) -> None:
    """Show tenants with their last good poll, counts with the last day, alerts, mutes, and undelivered messages.

    Exit code 1 if an alert is firing, a tenant's last poll failed, never was or is too long ago, or a message was given
    up. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, as Nagios, Icinga and others expect; what is muted is OK.
    """
    if nagios:
        raise click.exceptions.Exit(print_plugin(config_path, as_json=as_json))
    config, now = load_without_secrets(config_path), clocks.now()
    with reading(config) as reader:
        tenants = [_look_at(reader, config, name, now=now) for name in config.tenants]
        stored = reader.alerts()
        quiet = quiet_of(reader, config, stored, now=now)
        records = [record for record in reader.deliveries(only_failed=True) if is_recent(record, now=now)]
    alerts = sorted((alert for alert in stored if alert.state != "inactive"), key=_urgency)
    if as_json:
        print_json(_status_json(tenants, alerts, quiet, records))
    else:
        _print_status(tenants, alerts, quiet, records, now=now)
    is_blind = any(not tenant.is_seen(now=now) for tenant in tenants)
    if is_blind or any(alert.is_firing for alert in alerts) or any(each.delivery.dead_at for each in records):
        raise click.exceptions.Exit(FOUND)


def _urgency(alert: "Alert") -> tuple[bool, int, str, str]:
    """Return the order in which a person should read: what fires first, then the worst."""
    return not alert.is_firing, -alert.key.severity.rank, alert.key.tenant, alert.key.reason


def _look_at(reader: "Reader", config: "Config", name: "Tenant", *, now: datetime) -> _Tenant:
    interval = config.tenants[name].poll_interval
    series = reader.tenant_series(name, window=DAY, poll_interval=interval, now=now).reasons
    by_count = sorted(series, key=_held, reverse=True)
    return _Tenant(name=name, polling=reader.polling(name), series=by_count, poll_interval=interval)


def _held(series: "Series") -> int:
    return series.changes[-1].count if series.changes else 0


def _print_status(
    tenants: Sequence[_Tenant],
    alerts: Sequence["Alert"],
    quiet: Quiet,
    records: Sequence["DeliveryRecord"],
    *,
    now: datetime,
) -> None:
    print_table(
        Table(
            title="Tenants",
            columns=("tenant", "last good poll", ">held", "polling"),
            rows=[_tenant_row(each, now=now) for each in tenants],
            styles=["good" if each.is_seen(now=now) else "bad" for each in tenants],
        )
    )
    print_table(
        Table(
            title="Held",
            columns=("tenant", "hold reason", ">held", "last 24 hours"),
            rows=[
                (each.name, series.reason, f"{_held(series):,}", sparkline(series, since=now - DAY, until=now))
                for each in tenants
                for series in each.series
                if _held(series) or len(series.changes) > 1
            ],
            empty="nothing",
        )
    )
    print_table(
        Table(
            title="Alerts",
            columns=COLUMNS,
            rows=[alert_row(alert, quiet) for alert in alerts],
            styles=[alert_style(alert) for alert in alerts],
            empty="none: all is well",
        )
    )
    print_table(quiet_table(quiet, alerts))
    print_table(
        Table(
            title="Undelivered",
            columns=DELIVERY_COLUMNS,
            rows=[delivery_row(record, quiet.config.service.timezone, now=now) for record in records],
            styles=[delivery_style(record) for record in records],
        )
    )


def _tenant_row(tenant: _Tenant, *, now: datetime) -> tuple[str, ...]:
    polling = tenant.polling
    if polling.failure is not None:
        how = f"failing for {rough(now - polling.failure.since)}: {polling.failure.cause}: {polling.failure.detail}"
    elif polling.last_good_at is None:
        how = "never polled"
    else:
        how = "good" if tenant.is_seen(now=now) else "not polled any more: is the service running?"
    # Before the first good poll nobody knows the count: a 0 would say that all is well.
    held = f"{sum(map(_held, tenant.series)):,}" if polling.last_good_at else "unknown"
    return tenant.name, ago(polling.last_good_at, now=now), held, how


def _status_json(
    tenants: Sequence[_Tenant], alerts: Sequence["Alert"], quiet: Quiet, records: Sequence["DeliveryRecord"]
) -> Mapping[str, object]:
    return {
        "tenants": [
            {
                "tenant": each.name,
                "last_good_at": each.polling.last_good_at,
                "failing_since": each.polling.failure.since if each.polling.failure else None,
                "cause": each.polling.failure.cause if each.polling.failure else None,
                "detail": each.polling.failure.detail if each.polling.failure else None,
                "held": {series.reason: _held(series) for series in each.series},
            }
            for each in tenants
        ],
        "alerts": [alert_json(alert, quiet) for alert in alerts],
        "quiet": quiet_json(quiet, alerts),
        "undelivered": [delivery_json(each) for each in records],
    }


@click.command()
@click.argument("reason", shell_complete=completing.reasons)
@config_option
@json_option
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="Whose mail is held.",
    shell_complete=completing.tenants,
)  # fmt: skip
@click.option("--since", metavar="SPAN", default="1d", show_default=True, help="How far back, such as 6h or 2w.")
def history(reason: str, config_path: Path | None, tenant: str, since: str, *, as_json: bool) -> None:
    """Show how many messages REASON held over time. REASON is a name or a glob, in any case.

    One line per change; between two lines the count stayed as it was. Exit code 1 if nothing matches.
    """
    from alerter.config.values import duration  # noqa: PLC0415
    from alerter.core.rules import Selector  # noqa: PLC0415

    try:
        span = duration(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    config, now = load_without_secrets(config_path), clocks.now()
    with reading(config) as reader:
        tenants = list(reader.tenants())
        chosen = [name for name in tenants if Selector((tenant,)).matches(name)]
        known = [(name, each.reason) for name in chosen for each in reader.reasons(name)]
        found = [
            reader.samples(name, each, since=now - span, until=now)
            for name, each in known
            if each == reason or Selector((reason,)).matches(each)
        ]
    if not chosen:
        raise Failed(_no_match("tenant", tenant, tenants))
    if not found:
        raise Failed(_no_match("hold reason", reason, [name for _, name in known]))
    if as_json:
        print_json([_history_json(series, since=now - span) for series in found])
        return
    for series in found:
        _print_history(series, config, since=now - span, now=now)


def _no_match(kind: str, wanted: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    names = sorted(set(known))
    close = get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:5]
    more = ", …" if len(close) < len(names) else ""
    hint = f"; there are: {', '.join(map(clean, close))}{more}" if close else ""
    return f"no {kind} matches {wanted!r}{hint}"


def _print_history(series: "Series", config: "Config", *, since: datetime, now: datetime) -> None:
    rows = []
    before: int | None = None
    for sample in _known(series, since=since):
        step = "" if before is None else f"{sample.count - before:+,}"
        at = max(sample.at, since)
        rows.append((local(at, config.service.timezone), f"{sample.count:,}", step))
        before = sample.count
    if sys.stdout.isatty():
        click.echo(f"{series.tenant}: {clean(series.reason)}\n{sparkline(series, since=since, until=now, width=48)}")
    prefix = (series.tenant, series.reason)
    columns = ("at", ">held", ">step")
    print_table(Table(title="Changes", columns=columns, rows=rows, empty="nothing was held", prefix=prefix))


def _known(series: "Series", *, since: datetime) -> Sequence["Sample"]:
    """Return the changes without the value at the start where polling did not cover it: nobody saw that."""
    return [sample for sample in series.changes if sample.at > since or series.value_at(since) is not None]


def _history_json(series: "Series", *, since: datetime) -> Mapping[str, object]:
    return {
        "tenant": series.tenant,
        "reason": series.reason,
        "changes": [{"at": sample.at, "held": sample.count} for sample in _known(series, since=since)],
        "coverage": [{"since": span.since, "until": span.until} for span in series.coverage],
    }
