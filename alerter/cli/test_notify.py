"""`alerter test-notify`: a test message to every target of a receiver."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import write_store
from alerter.cli.options import (
    EXIT_FOUND,
    CommandFailed,
    command_actor,
    config_option,
    json_option,
    load,
    recorded_author_option,
)
from alerter.cli.output import print_json, progress_line

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.service.wiring import TargetTest


@click.command("test-notify")
@click.argument("receiver", shell_complete=completion.receivers)
@config_option
@recorded_author_option
@json_option
def test_notify(receiver: str, config_path: Path | None, *, author: str, as_json: bool) -> None:
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
    with progress_line() as show:
        tests = wiring.send_tests(config, receiver, on_target=lambda target: show(f"waiting for {target}"))
    if as_json:
        print_json([{"sent": each.error is None, **asdict(each)} for each in tests])
    else:
        click.echo("\n".join(map(_line, tests)))
    if any(each.error is not None for each in tests):
        raise click.exceptions.Exit(EXIT_FOUND)


def _line(test: "TargetTest") -> str:
    if test.error is not None:
        return f"{test.target}: not sent: {test.error}"
    return f"{test.target}: sent{f', without a picture: {test.no_picture}' if test.no_picture else ''}"


def _record(config: "Config", receiver: str, author: str) -> None:
    """Record the test, where there is a history that takes it: a receiver is often tested before there is one."""
    from alerter.errors import StoreError  # noqa: PLC0415 - as above
    from alerter.jobs.silence import record_test  # noqa: PLC0415 - as above

    with suppress(CommandFailed, StoreError), write_store(config) as transaction:
        record_test(transaction, receiver, by=command_actor(author), now=clock.now())
