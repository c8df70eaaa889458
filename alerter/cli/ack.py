"""`alerter ack`: acknowledgement of an alert, until it resolves or gets worse."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.alerts import alert_of
from alerter.cli.database_access import writing
from alerter.cli.mutes import (
    breaking_text,
)
from alerter.cli.options import Failed, author_option, config_option, line_of_text, load_without_secrets
from alerter.cli.output import clean, local
from alerter.core.mutes import Acknowledgement, of_present_episode

if TYPE_CHECKING:
    from alerter.config import Config


@click.command()
@click.argument("alert", shell_complete=completion.firing_alerts)
@config_option
@author_option
@click.option("--comment", metavar="TEXT", default="", callback=line_of_text, help="What is being done.")
@click.option("--undo", "is_undone", is_flag=True, help="Take the acknowledgement back: reminders go on.")
def ack(alert: str, config_path: Path | None, *, author: str, comment: str, is_undone: bool) -> None:
    """Acknowledge ALERT, by the id that status shows: quiet until it resolves or gets worse.

    Where a higher level of the same rule and reason fires too, that is what is acknowledged. Exit code 1 if it is not
    firing, or has no acknowledgement to take back, 2 if there is no such alert.
    """
    if is_undone and comment:
        raise click.UsageError("expected --comment with an acknowledgement, found it with --undo")
    config, now = load_without_secrets(config_path), clock.now()
    if is_undone:
        _take_back(alert, config, now=now)
        return
    with writing(config) as transaction:
        named = alert_of(transaction, alert)
        if not named.is_firing:
            raise Failed(f"alert {named.key.id} is not firing: there is nothing to acknowledge")
        highest = max(
            (each for each in transaction.alerts() if each.is_firing and each.key.topic == named.key.topic),
            key=lambda each: each.key.severity.rank,
        )
        acknowledgement = Acknowledgement(
            topic=highest.key.topic,
            severity=highest.key.severity,
            value=highest.value,
            author=author,
            comment=comment,
            at=now,
        )
        transaction.save_acknowledgement(acknowledgement)
    key = highest.key
    click.echo(clean(f"acknowledged {key.id}: {key.severity} of rule {key.rule} on {key.tenant}: {key.reason}"))
    click.echo(f"quiet until {breaking_text(acknowledgement)}")


def _take_back(alert: str, config: "Config", *, now: datetime) -> None:
    with writing(config) as transaction:
        named = alert_of(transaction, alert)
        topic = named.key.topic
        of_topic = [each for each in transaction.alerts() if each.key.topic == topic]
        given = of_present_episode(transaction.acknowledgements(), {topic: of_topic}, now=now).get(topic)
        if given is None or not any(each.is_firing for each in of_topic):
            raise Failed(f"alert {named.key.id} is not acknowledged: there is nothing to take back")
        transaction.forget_acknowledgement(topic)
    key = named.key
    click.echo(clean(f"no longer acknowledged {key.id}: rule {key.rule} on {key.tenant}: {key.reason}"))
    broke = "" if given.broken_at is None else f"; it had broken {local(given.broken_at, config.service.timezone)}"
    click.echo(clean(f"it was acknowledged by {given.author} {local(given.at, config.service.timezone)}{broke}"))
