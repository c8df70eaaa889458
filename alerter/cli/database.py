"""`alerter db`: look after the database."""

from pathlib import Path

import click

from alerter.cli.options import config_option, load


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@config_option
def upgrade(config_path: Path | None) -> None:
    """Bring the database to this version's schema; of an SQLite file that holds data, a copy is kept beside it.

    The service does the same at its start. Exit code 1 if it cannot be done: the database is then as before.
    """
    from alerter.adapters.store import SchemaState, Store  # noqa: PLC0415

    config = load(config_path)
    store = Store(config.service.database)
    try:
        if store.schema_state() is SchemaState.CURRENT:
            click.echo("the database is up to date")
            return
        done = store.upgrade()
    finally:
        store.close()
    click.echo(f"upgraded from {done.before or 'nothing'} to {done.after}")
    if done.backup is not None:
        click.echo(f"the database as it was: {done.backup}")
