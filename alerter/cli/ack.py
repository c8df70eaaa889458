"""`alerter ack`: acknowledgement of an alert, until it resolves or gets worse."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.alerts import alerts_of
from alerter.cli.database_access import writing
from alerter.cli.options import Failed, author_option, config_option, line_of_text, load_without_secrets
from alerter.cli.output import clean
from alerter.core.mutes import Acknowledgement, current_acknowledgements
from alerter.humanize import local
from alerter.queries.mutes import breaking_text

if TYPE_CHECKING:
    from alerter.config import Config


@click.command()
@click.argument("names", metavar="ALERT...", nargs=-1, required=True, shell_complete=completion.firing_alerts)
@config_option
@author_option
@click.option("--comment", metavar="TEXT", default="", callback=line_of_text, help="What is being done.")
@click.option("--undo", "is_undone", is_flag=True, help="Take the acknowledgement back: reminders go on.")
def ack(names: tuple[str, ...], config_path: Path | None, *, author: str, comment: str, is_undone: bool) -> None:
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
        _take_back(names, config, now=now)
        return
    with writing(config) as transaction:
        named = alerts_of(transaction, names)
        over = next((each for each in named if not each.is_firing), None)
        if over is not None:
            raise Failed(f"alert {over.key.id} is not firing: there is nothing to acknowledge")
        # The alerts of a notification may be levels of the same: the highest of each is meant, once.
        topics = dict.fromkeys(each.key.topic for each in named)
        firing = [each for each in transaction.alerts.load() if each.is_firing and each.key.topic in topics]
        highest = {each.key.topic: each for each in sorted(firing, key=lambda each: each.key.severity.rank)}
        given = {
            topic: Acknowledgement(
                topic=topic,
                severity=highest[topic].key.severity,
                value=highest[topic].value,
                author=author,
                comment=comment,
                at=now,
            )
            for topic in topics
        }
        for acknowledgement in given.values():
            transaction.silences.save_acknowledgement(acknowledgement)
    for topic, acknowledgement in given.items():
        key = highest[topic].key
        click.echo(clean(f"acknowledged {key.id}: {key.severity} of rule {key.rule} on {key.tenant}: {key.reason}"))
        click.echo(f"quiet until {breaking_text(acknowledgement)}")


def _take_back(names: Sequence[str], config: "Config", *, now: datetime) -> None:
    zone = config.service.timezone
    with writing(config) as transaction:
        named = {each.key.topic: each.key for each in alerts_of(transaction, names)}
        stored = transaction.alerts.load()
        of_topic = {topic: [each for each in stored if each.key.topic == topic] for topic in named}
        given = current_acknowledgements(transaction.silences.acknowledgements(), of_topic, now=now)
        for topic, key in named.items():
            if topic not in given or not any(each.is_firing for each in of_topic[topic]):
                raise Failed(f"alert {key.id} is not acknowledged: there is nothing to take back")
            transaction.silences.delete_acknowledgement(topic)
    for topic, key in named.items():
        taken = given[topic]
        broke = "" if taken.broken_at is None else f"; it had broken {local(taken.broken_at, zone)}"
        click.echo(clean(f"no longer acknowledged {key.id}: rule {key.rule} on {key.tenant}: {key.reason}"))
        click.echo(clean(f"it was acknowledged by {taken.author} {local(taken.at, zone)}{broke}"))
