"""`alerter poll`: one poll of every tenant, and what was seen and decided."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.options import EXIT_FOUND, config_option, json_option, load
from alerter.cli.output import clean, count_text, print_json, print_table, with_progress
from alerter.cli.tables import Table
from alerter.humanize import local_time_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.outbox import Delivery
    from alerter.jobs.poll import PollCycle


@click.command()
@config_option
@json_option
@click.option("--dry-run", is_flag=True, help="Change nothing and send nothing: print what would have been done.")
def poll(config_path: Path | None, *, as_json: bool, dry_run: bool) -> None:
    """Poll every tenant once, print counts and decisions, send what is due, and exit.

    For cron, and for trying things out. Exit code 1 if a poll or a delivery failed or an alert is firing.
    """
    from alerter.redaction import Redactor  # noqa: PLC0415
    from alerter.service import wiring  # noqa: PLC0415
    from alerter.service.self_monitoring import with_heartbeat  # noqa: PLC0415

    redactor = Redactor()
    config = load(config_path, redactor=redactor, check_url=wiring.url_problem)
    with (
        wiring.open_store_for_poll(config, is_dry=dry_run) as store,
        nullcontext() if dry_run else with_heartbeat(config, redactor),
    ):
        polls, total = wiring.poll_once(config, store, is_dry=dry_run), count_text(len(config.tenants), "tenant")
        cycles = list(with_progress(polls, lambda number: f"{number:,} of {total} polled"))
        deliveries = [] if dry_run else wiring.deliver_once(config, store)
        is_firing = wiring.has_firing_alerts(store)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "tenants": [_as_json(each) for each in cycles],
                "deliveries": [_delivery_json(each) for each in deliveries],
            }
        )
    else:
        _print(config, cycles, deliveries, dry_run=dry_run)
    has_failed = any(cycle.error for cycle in cycles) or any(delivery.sent_at is None for delivery in deliveries)
    if has_failed or is_firing or any(cycle.messages for cycle in cycles if dry_run):
        raise click.exceptions.Exit(EXIT_FOUND)


def _as_json(cycle: "PollCycle") -> dict[str, object]:
    return {
        "tenant": cycle.tenant,
        "at": cycle.at,
        "held": None if cycle.snapshot is None else dict(cycle.snapshot.counts),
        "cause": None if cycle.error is None else cycle.error.cause,
        "detail": None if cycle.error is None else cycle.error.detail,
        "request_id": None if cycle.error is None else cycle.error.request_id,
        "transitions": [
            {
                "alert": each.key.id, "rule": each.key.rule, "severity": each.key.severity, "reason": each.key.reason,
                "from_state": each.from_state, "to_state": each.to_state, "detail": each.detail,
            }
            for each in cycle.transitions
        ],
        "messages": [{"ref": each.id, "receiver": each.receiver, "title": each.title} for each in cycle.messages],
    }  # fmt: skip


def _delivery_json(delivery: "Delivery") -> dict[str, object]:
    return {
        "ref": delivery.message_id, "target": delivery.target,
        "sent_at": delivery.sent_at, "last_error": delivery.last_error or None,
    }  # fmt: skip


def _print(config: "Config", cycles: Sequence["PollCycle"], deliveries: Sequence["Delivery"], *, dry_run: bool) -> None:
    for cycle in cycles:
        _print_cycle(config, cycle, dry_run=dry_run)
    for delivery in deliveries:
        outcome = "sent" if delivery.sent_at is not None else f"not sent: {delivery.last_error}"
        click.echo(f"{delivery.target}: {delivery.message_id} {outcome}")
    if dry_run:
        click.echo("dry run: nothing was stored, nothing was sent")


def _print_cycle(config: "Config", cycle: "PollCycle", *, dry_run: bool) -> None:
    from alerter.core.message.content import Format  # noqa: PLC0415

    when = local_time_text(cycle.at, config.service.timezone)
    if cycle.error is not None:
        click.echo(f"{cycle.tenant}: poll failed at {when}: {cycle.error.detail}")
        click.echo(f"  cause: {cycle.error.cause}\n  what to do: {cycle.error.cause.advice}")
        if cycle.error.request_id:
            click.echo(f"  request id: {cycle.error.request_id}")
    elif cycle.snapshot is not None:
        counts = cycle.snapshot.counts
        click.echo(f"{cycle.tenant}: {sum(counts.values()):,} held for {len(counts)} reasons at {when}")
        rows = [(reason, f"{count:,}") for reason, count in sorted(counts.items(), key=lambda item: -item[1])]
        columns = ("hold reason", ">held")
        print_table(Table(title="Held", columns=columns, rows=rows, empty="nothing is held", prefix=(cycle.tenant,)))
    for transition in cycle.transitions:
        key = transition.key
        what = f"{key.severity} {key.rule!r} on {clean(key.reason)!r}"
        click.echo(f"  alert {key.id}: {transition.from_state} → {transition.to_state}: {what}")
    for message in cycle.messages:
        click.echo(f"\n--- {'would be sent' if dry_run else 'message'} to {message.receiver}")
        click.echo(message.bodies[Format.TEXT])
