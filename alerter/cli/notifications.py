"""`alerter notifications`: what was sent to whom, when, after how many attempts, with which error."""

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import has_subcommand, read_store, write_store
from alerter.cli.options import (
    EXIT_FOUND,
    CommandFailed,
    command_actor,
    config_option,
    json_option,
    load_without_secrets,
    recorded_author_option,
)
from alerter.cli.output import print_json, print_table, time_cell
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.core.outbox import MAX_ATTEMPTS, Delivery, due_deliveries
from alerter.errors import ActionRefused
from alerter.humanize import age_text, short_duration_text
from alerter.queries.notifications import delivery_json, delivery_state, is_recent, may_have_target

if TYPE_CHECKING:
    from alerter.storage import DeliveryRecord


DELIVERY_COLUMNS = (
    Column("no.", is_number=True),
    Column("ref", cut=Cut.NEVER, drop=5),
    Column("created", cut=Cut.NEVER, drop=4),
    Column("target", min_width=18),
    Column("message", min_width=24, cut=Cut.END),
    Column("tries", is_number=True, drop=6),
    Column("state", cut=Cut.END),
    Column("last error", min_width=16, cut=Cut.END, drop=2),
)


def delivery_row(record: "DeliveryRecord", timezone: tzinfo, *, now: datetime) -> tuple[Cell | str, ...]:
    """Return the cells of a delivery under `DELIVERY_COLUMNS`."""
    each = record.delivery
    style = "" if each.sent_at is not None else "bad" if each.dead_at is not None else "warning"
    return (
        str(each.id), each.message_id, time_cell(each.created_at, timezone, now=now), each.target, record.title,
        str(each.attempts), Cell(_state_text(each, now=now), style=style), each.last_error,
    )  # fmt: skip


def _state_text(delivery: Delivery, *, now: datetime) -> str:
    if delivery.is_waiting:
        wait = delivery.next_attempt_at - now
        return "due" if wait <= timedelta(0) else f"next in {short_duration_text(wait)}"
    return f"{delivery_state(delivery)} {age_text(delivery.sent_at or delivery.dead_at, now=now)}"


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@json_option
@click.option("--failed", is_flag=True, help="Only what was given up, or waits after a failed attempt.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=50, show_default=True, help="How many to show, at most."
)
def notifications(context: click.Context, config_path: Path | None, *, as_json: bool, failed: bool, limit: int) -> None:
    """List what was sent to whom, when, after how many attempts and with which error, newest first.

    Exit code 1 if one of those listed was given up within the last day.
    """
    if has_subcommand(context):
        return
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        records = reader.outbox.deliveries(only_failed=failed, limit=limit)
    if as_json:
        print_json([delivery_json(record) for record in records])
    else:
        print_table(
            Table(
                title="Notifications",
                columns=DELIVERY_COLUMNS,
                rows=[delivery_row(record, config.service.timezone, now=now) for record in records],
            )
        )
    if any(record.delivery.dead_at is not None and is_recent(record, now=now) for record in records):
        raise click.exceptions.Exit(EXIT_FOUND)


@notifications.command()
@click.argument("number", metavar="ID", type=int, shell_complete=completion.undelivered)
@config_option
@json_option
@recorded_author_option
def retry(number: int, config_path: Path | None, *, as_json: bool, author: str) -> None:
    """Try the delivery ID again, given up or waiting: it is due now. ID is its number in the list.

    The service sends it within half a minute; without a service, `alerter poll` does. Exit code 1 if it was
    sent already or its target has gone from the configuration, 2 if there is none.
    """
    from alerter.jobs.silence import retry as retry_job  # noqa: PLC0415 - the libraries cost more than `--help` may

    config, now = load_without_secrets(config_path), clock.now()
    with write_store(config) as transaction:
        record = transaction.outbox.delivery(number)
        if record is None:
            raise click.UsageError(f"no delivery {number}; `alerter notifications` lists them")
        delivery = record.delivery
        try:
            retry_job(
                transaction,
                delivery,
                is_known=lambda name: may_have_target(config, name),
                by=command_actor(author),
                now=now,
            )
        except ActionRefused as error:
            raise CommandFailed(str(error)) from error
        waiting = transaction.outbox.waiting()
        record = transaction.outbox.delivery(number) or record
    if as_json:
        print_json(delivery_json(record))
        return
    click.echo(_promise(delivery, waiting, now=now))


def _promise(delivery: Delivery, waiting: list[Delivery], *, now: datetime) -> str:
    """Return when a delivery that was made due is sent: the order is kept per target."""
    first = next((each for each in waiting if each.target_id == delivery.target_id), delivery)
    if all(each.id != delivery.id for each in due_deliveries(waiting, now=now)):
        return f"delivery {delivery.id} follows delivery {first.id}, which waits for the same target: {delivery.target}"
    last = ", for the last time" if delivery.attempts + 1 >= MAX_ATTEMPTS else ""
    return f"delivery {delivery.id} is due now: attempt {delivery.attempts + 1} at {delivery.target}{last}"
