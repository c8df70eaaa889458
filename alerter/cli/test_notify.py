"""`alerter test-notify`: a test message to every target of a receiver."""

from pathlib import Path

import click

from alerter.cli import completion
from alerter.cli.options import FOUND, config_option, load


@click.command("test-notify")
@click.argument("receiver", shell_complete=completion.receivers)
@config_option
def test_notify(receiver: str, config_path: Path | None) -> None:
    """Send a test message to every target of RECEIVER, now, and say what each of them answered.

    Of the secrets only the receiver's URLs are needed, not the keys of Mimecast. Exit code 1 if a target did not take
    it, 2 if there is no such receiver.
    """
    config = load(config_path, only_receiver=receiver)
    names = [each.receiver.name for each in config.receivers]
    if receiver not in names:
        raise click.UsageError(f"no receiver {receiver!r} in {config.path}; there are: {', '.join(names)}")
    from alerter.service import wiring  # noqa: PLC0415 - only once the input is known to be right

    outcomes = wiring.send_test(config, receiver)
    for target, error in outcomes.items():
        click.echo(f"{target}: {'sent' if error is None else f'not sent: {error}'}")
    if any(error is not None for error in outcomes.values()):
        raise click.exceptions.Exit(FOUND)
