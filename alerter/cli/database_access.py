"""Access of commands to the database: to read, or to change something beside a running service."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from alerter.cli.options import CommandFailed

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Reader, Store, Transaction


@contextmanager
def open_store(config: "Config") -> Iterator["Store"]:
    """Open the database to look at it, now and then: for commands that take long, and must not hold on to one view.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    from alerter.storage import Store  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    with closing(Store(config.service.database, read_only=True)) as store:
        check_schema(store)
        yield store


@contextmanager
def read_store(config: "Config") -> Iterator["Reader"]:
    """Open a view of the database.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    with open_store(config) as store, store.read() as reader:
        yield reader


@contextmanager
def write_store(config: "Config") -> Iterator["Transaction"]:
    """Open a transaction; a service that is running waits for it, and sees what it changed at its next poll.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    from alerter.storage import Store  # noqa: PLC0415 - as above

    with read_store(config):
        pass  # It says what to do where the schema is another one, and never makes a file.
    with closing(Store(config.service.database)) as store, store.write() as transaction:
        yield transaction


def check_schema(store: "Store") -> None:
    """Make sure that there is a database with this version's schema.

    Raises:
        click.ClickException: There is none, or it has another one; the text says what to do.
    """
    from alerter.storage import SchemaState  # noqa: PLC0415 - as above

    match store.schema_state():
        case SchemaState.CURRENT:
            pass
        case SchemaState.MISSING:
            raise CommandFailed("there is no history yet: run `alerter poll` once, or start the service")
        case SchemaState.OLDER:
            raise CommandFailed("the database has an older schema: run `alerter db upgrade`, or restart the service")
        case SchemaState.NEWER:
            raise CommandFailed("the database was written by a newer alerter: install that version")


def has_subcommand(context: click.Context) -> bool:
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
