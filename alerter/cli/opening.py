"""How commands open the database: to look, or to change something beside a running service."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from alerter.cli.options import open_reader

if TYPE_CHECKING:
    from alerter.adapters.store import Reader, Transaction
    from alerter.config import Config


@contextmanager
def reading(config: "Config") -> Iterator["Reader"]:
    """Open a view of the database.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    with closing(open_reader(config)) as store, store.read() as reader:
        yield reader


@contextmanager
def writing(config: "Config") -> Iterator["Transaction"]:
    """Open a transaction; a service that is running waits for it, and sees what it changed at its next poll.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    from alerter.adapters.store import Store  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    open_reader(config).close()  # it says what to do where the schema is another one
    with closing(Store(config.service.database)) as store, store.write() as transaction:
        yield transaction


def leaves_to_subcommand(context: click.Context) -> bool:
    """Say whether a group that does something by itself was called with a subcommand.

    Raises:
        click.UsageError: An option stands before the subcommand, where it would have no effect.
    """
    name = context.invoked_subcommand
    if name is None:
        return False
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"expected options after {name!r}, found {parameter.opts[0]} before it")
    return True
