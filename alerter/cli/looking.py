"""`alerter status` and `alerter history`: what is, and what was."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clocks
from alerter.cli.options import FOUND, Failed, config_option, json_option, load, open_reader
from alerter.cli.output import Table, ago, clean, local, print_json, print_table, rough, sparkline

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


@click.command()
@config_option
@json_option
def status(config_path: Path | None, *, as_json: bool) -> None:
    """Show tenants with their last good poll, counts with the last day, alerts, and undelivered messages.

    Exit code 1 if an alert is firing, a tenant's last poll failed or never was, or a message was given up.
    """
    config, now = load(config_path), clocks.now()
    store = open_reader(config)
    try:
        with store.read() as reader:
            tenants = [_look_at(reader, config, name, now=now) for name in config.tenants]
            alerts = sorted((alert for alert in reader.alerts() if alert.state != "inactive"), key=_urgency)
            records = [record for record in reader.deliveries(only_failed=True) if _is_recent(record, now=now)]
    finally:
        store.close()
    if as_json:
        print_json(_status_json(tenants, alerts, records))
    else:
        _print_status(config, tenants, alerts, records, now=now)
    is_blind = any(tenant.polling.failure or not tenant.polling.last_good_at for tenant in tenants)
    if is_blind or any(alert.is_firing for alert in alerts) or any(each.delivery.dead_at for each in records):
        raise click.exceptions.Exit(FOUND)


def _is_recent(record: "DeliveryRecord", *, now: datetime) -> bool:
    """Say whether an undelivered message is still news: waiting, or given up within a day."""
    return record.delivery.dead_at is None or now - record.delivery.dead_at < DAY


def _urgency(alert: "Alert") -> tuple[bool, int, str, str]:
    """Return the order in which a person should read: what fires first, then the worst."""
    return not alert.is_firing, -alert.key.severity.rank, alert.key.tenant, alert.key.reason


def _look_at(reader: "Reader", config: "Config", name: "Tenant", *, now: datetime) -> _Tenant:
    interval = config.tenants[name].poll_interval
    series = reader.tenant_series(name, window=DAY, poll_interval=interval, now=now).reasons
    return _Tenant(name=name, polling=reader.polling(name), series=sorted(series, key=_held, reverse=True))


def _held(series: "Series") -> int:
    return series.changes[-1].count if series.changes else 0


def _print_status(
    config: "Config",
    tenants: Sequence[_Tenant],
    alerts: Sequence["Alert"],
    records: Sequence["DeliveryRecord"],
    *,
    now: datetime,
) -> None:
    print_table(
        Table(
            title="Tenants",
            columns=("tenant", "last good poll", ">held", "polling"),
            rows=[_tenant_row(each, now=now) for each in tenants],
            styles=["bad" if each.polling.failure or not each.polling.last_good_at else "good" for each in tenants],
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
            columns=("alert", "state", "severity", "rule", "tenant", "hold reason", ">held", "since"),
            rows=[_alert_row(alert, config, now=now) for alert in alerts],
            styles=[alert.key.severity if alert.is_firing else "" for alert in alerts],
            empty="none: all is well",
        )
    )
    print_table(
        Table(
            title="Undelivered",
            columns=("ref", "target", "state", ">attempts", "message", "last error"),
            rows=[_delivery_row(record, now=now) for record in records],
            styles=["bad" if record.delivery.dead_at else "warning" for record in records],
        )
    )


def _tenant_row(tenant: _Tenant, *, now: datetime) -> tuple[str, ...]:
    polling = tenant.polling
    if polling.failure is not None:
        how = f"failing for {rough(now - polling.failure.since)}: {polling.failure.cause}: {polling.failure.detail}"
    else:
        how = "good" if polling.last_good_at else "never polled"
    # Before the first good poll nobody knows the count: a 0 would say that all is well.
    held = f"{sum(map(_held, tenant.series)):,}" if polling.last_good_at else "unknown"
    return tenant.name, ago(polling.last_good_at, now=now), held, how


def _alert_row(alert: "Alert", config: "Config", *, now: datetime) -> tuple[str, ...]:
    key, since = alert.key, alert.fired_at if alert.is_firing else alert.active_at
    held = "" if alert.value is None else f"{alert.value:,}"
    when = "" if since is None else f"{local(since, config.service.timezone)} ({ago(since, now=now)})"
    return key.id, alert.state, key.severity, key.rule, key.tenant, key.reason, held, when


def _delivery_row(record: "DeliveryRecord", *, now: datetime) -> tuple[str, ...]:
    delivery = record.delivery
    if delivery.dead_at is not None:
        state = f"given up {ago(delivery.dead_at, now=now)}"
    elif delivery.next_attempt_at <= now:
        state = "due"
    else:
        state = f"next in {rough(delivery.next_attempt_at - now)}"
    return delivery.message_id, delivery.target, state, str(delivery.attempts), record.title, delivery.last_error


def _status_json(
    tenants: Sequence[_Tenant], alerts: Sequence["Alert"], records: Sequence["DeliveryRecord"]
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
        "alerts": [
            {
                "alert": alert.key.id, "state": alert.state, "severity": alert.key.severity, "rule": alert.key.rule,
                "tenant": alert.key.tenant, "reason": alert.key.reason, "value": alert.value, "peak": alert.peak,
                "active_at": alert.active_at, "fired_at": alert.fired_at,
            }
            for alert in alerts
        ],
        "undelivered": [
            {
                "ref": each.delivery.message_id, "target": each.delivery.target, "title": each.title,
                "attempts": each.delivery.attempts, "next_attempt_at": each.delivery.next_attempt_at,
                "dead_at": each.delivery.dead_at, "last_error": each.delivery.last_error,
            }
            for each in records
        ],
    }  # fmt: skip


@click.command()
@click.argument("reason")
@config_option
@json_option
@click.option("--tenant", metavar="GLOB", default="*", show_default=True, help="Whose mail is held.")
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
    config, now = load(config_path), clocks.now()
    store = open_reader(config)
    try:
        with store.read() as reader:
            tenants = list(reader.tenants())
            chosen = [name for name in tenants if Selector((tenant,)).matches(name)]
            known = [(name, each.reason) for name in chosen for each in reader.reasons(name)]
            found = [
                reader.samples(name, each, since=now - span, until=now)
                for name, each in known
                if each == reason or Selector((reason,)).matches(each)
            ]
    finally:
        store.close()
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
