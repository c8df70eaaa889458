"""`alerter ack`: acknowledgement of an alert, until it resolves or gets worse."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.alerts import alerts_by_ids
from alerter.cli.database_access import write_store
from alerter.cli.options import (
    CommandFailed,
    author_option,
    command_actor,
    config_option,
    json_option,
    line_of_text,
    load_without_secrets,
)
from alerter.cli.output import clean, print_json
from alerter.core.alerts import Alert
from alerter.errors import ActionRefused
from alerter.humanize import local_time_text
from alerter.queries.alerts import alert_json
from alerter.queries.mutes import ack_end_text, load_active_mutes

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Transaction


@click.command()
@click.argument("names", metavar="ALERT...", nargs=-1, required=True, shell_complete=completion.firing_alerts)
@config_option
@json_option
@author_option
@click.option("--comment", metavar="TEXT", default="", callback=line_of_text, help="What is being done.")
@click.option("--undo", "is_undone", is_flag=True, help="Take the acknowledgement back: reminders go on.")
def ack(
    names: tuple[str, ...], config_path: Path | None, *, as_json: bool, author: str, comment: str, is_undone: bool
) -> None:
    """Acknowledge each ALERT: muted until it resolves or gets worse.

    ALERT is an id, as messages and status show it, its first characters, or the ref of a notification, which means all
    of its alerts that still fire. Where a higher level of the same rule and reason fires too, that is what is
    acknowledged. Exit code 1 if one is not firing, or has no acknowledgement to take back, 2 if there is no such alert:
    then nothing is changed.
    """
    if is_undone and comment:
        raise click.UsageError("expected --comment with an acknowledgement, found it with --undo")
    config, now = load_without_secrets(config_path), clock.now()
    if is_undone:
        _take_back(names, config, author, as_json=as_json, now=now)
        return
    from alerter.jobs.silence import acknowledge  # noqa: PLC0415 - the libraries cost more than `--help` may

    with write_store(config) as transaction:
        named = alerts_by_ids(transaction, names)
        try:
            given = acknowledge(transaction, named, by=command_actor(author), comment=comment, now=now)
        except ActionRefused as error:
            raise CommandFailed(str(error)) from error
        shown = _shown(transaction, config, [alert for alert, _ in given.values()], now=now) if as_json else None
    if shown is not None:
        print_json(shown)
        return
    for alert, acknowledgement in given.values():
        key = alert.key
        click.echo(clean(f"acknowledged {key.id}: {key.severity} of rule {key.rule} on {key.tenant}: {key.reason}"))
        click.echo(f"muted until {ack_end_text(acknowledgement)}")


def _shown(
    transaction: "Transaction", config: "Config", alerts: Iterable[Alert], *, now: datetime
) -> list[Mapping[str, object]]:
    """Return alerts with what mutes them now, as `alerter alerts --json` has them."""
    active_mutes = load_active_mutes(transaction, config, transaction.alerts.load(), now=now)
    return [alert_json(each, active_mutes) for each in alerts]


def _take_back(names: Sequence[str], config: "Config", author: str, *, as_json: bool, now: datetime) -> None:
    from alerter.jobs.silence import take_back  # noqa: PLC0415 - as above

    zone = config.service.timezone
    with write_store(config) as transaction:
        alerts = alerts_by_ids(transaction, names)
        named = {each.key.subject: each.key for each in alerts}
        try:
            given = take_back(transaction, alerts, by=command_actor(author), now=now)
        except ActionRefused as error:
            raise CommandFailed(str(error)) from error
        shown = _shown(transaction, config, alerts, now=now) if as_json else None
    if shown is not None:
        print_json(shown)
        return
    for subject, key in named.items():
        taken = given[subject]
        broke = "" if taken.broken_at is None else f"; it had broken {local_time_text(taken.broken_at, zone)}"
        click.echo(clean(f"no longer acknowledged {key.id}: rule {key.rule} on {key.tenant}: {key.reason}"))
        click.echo(
            clean(f"it was acknowledged by {taken.author} {local_time_text(taken.acknowledged_at, zone)}{broke}")
        )
