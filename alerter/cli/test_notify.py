"""`alerter test-notify`: a test message to every target of a receiver."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import writing
from alerter.cli.options import FOUND, Failed, command_actor, config_option, load, recorded_author_option

if TYPE_CHECKING:
    from alerter.config import Config


@click.command("test-notify")
@click.argument("receiver", shell_complete=completion.receivers)
@config_option
@recorded_author_option
def test_notify(receiver: str, config_path: Path | None, *, author: str) -> None:
    """Send a test message to every target of RECEIVER, now, and say what each of them answered.

    Of the secrets only the receiver's URLs are needed, not the keys of Mimecast. Exit code 1 if a target did not take
    it, 2 if there is no such receiver.
    """
    config = load(config_path, only_receiver=receiver)
    names = [each.receiver.name for each in config.receivers]
    if receiver not in names:
        raise click.UsageError(f"no receiver {receiver!r} in {config.path}; there are: {', '.join(names)}")
    from alerter.service import wiring  # noqa: PLC0415 - only once the input is known to be right

    _record(config, receiver, author)
    outcomes = wiring.send_test(config, receiver)
    for target, error in outcomes.items():
        click.echo(f"{target}: {'sent' if error is None else f'not sent: {error}'}")
    if any(error is not None for error in outcomes.values()):
        raise click.exceptions.Exit(FOUND)


def _record(config: "Config", receiver: str, author: str) -> None:
    """Record the test, where there is a history that takes it: a receiver is often tested before there is one."""
    from alerter.errors import StoreError  # noqa: PLC0415 - as above
    from alerter.jobs.silence import record_test  # noqa: PLC0415 - as above

    with suppress(Failed, StoreError), writing(config) as transaction:
        record_test(transaction, receiver, by=command_actor(author), now=clock.now())
