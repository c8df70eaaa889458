"""`alerter db`: look after the database."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.db_copy import copy
from alerter.cli.options import CommandFailed, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json, transient_line
from alerter.humanize import size_text

if TYPE_CHECKING:
    from alerter.storage import Backup, Store

_path_argument = click.argument("path", type=click.Path(path_type=Path))


@click.group()
def db() -> None:
    """Maintain the database: upgrade, back up, restore, copy."""


db.add_command(copy)


@db.command()
@config_option
@json_option
def upgrade(config_path: Path | None, *, as_json: bool) -> None:
    """Bring the database to this version's schema; of an SQLite file that holds data, a copy is kept beside it.

    The service does the same at its start. Exit code 1 if it cannot be done: the database is then as before.
    """
    from alerter.storage import SchemaState, Store  # noqa: PLC0415

    config = load_without_secrets(config_path)
    store = Store(config.service.database)
    try:
        done = None
        if store.schema_state() is not SchemaState.CURRENT:
            with transient_line() as show:
                show("upgrading …")
                done = store.upgrade()
    finally:
        store.close()
    if as_json:
        before, after, kept = (None, None, None) if done is None else (done.before, done.after, done.backup)
        print_json({"upgraded": done is not None, "before": before, "after": after, "backup": _text(kept)})
        return
    if done is None:
        click.echo("the database is up to date")
        return
    click.echo(f"upgraded from {done.before or 'nothing'} to {done.after}")
    if done.backup is not None:
        click.echo(f"the database as it was: {done.backup}")


@db.command()
@_path_argument
@config_option
@json_option
def backup(path: Path, config_path: Path | None, *, as_json: bool) -> None:
    """Write a copy of the SQLite file to PATH, checked, while the service may go on; never overwrite anything.

    Only its owner may read the copy. It has the name PATH only once it is whole. Exit code 1 if it cannot be made, 2 if
    there is something at PATH or the database is PostgreSQL's, which pg_dump backs up.
    """
    from alerter.storage import SchemaState, Store  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    with closing(Store(load_without_secrets(config_path).service.database, read_only=True)) as store:
        _refuse_postgresql(store, f"pg_dump --format=custom --file={path} {store.location}")
        _refuse_place(path)
        if store.schema_state() is SchemaState.MISSING:
            raise CommandFailed(f"{store.location}: there is no database yet")
        with transient_line() as show:
            show("copying and checking …")
            made = store.backup(path)
    if as_json:
        print_json({"backup": _text(path), "size_bytes": made.size_bytes})
        return
    click.echo(f"backed up to {clean(str(path))}: {size_text(made.size_bytes)}, checked")


@db.command()
@_path_argument
@config_option
@json_option
def restore(path: Path, config_path: Path | None, *, as_json: bool) -> None:
    """Put a copy of PATH, a backup, in the place of the SQLite file; what was there is kept beside it.

    Stop the service first. Afterwards alerts, mutes and notifications are those of the backup. Exit code 1
    if it cannot be done, as while a service is running: the database is then as before; 2 if PATH is no good backup or
    the database is PostgreSQL's, which pg_restore restores.
    """
    from alerter.storage import SchemaState, Store  # noqa: PLC0415 - as above

    with closing(Store(load_without_secrets(config_path).service.database)) as store:
        _refuse_postgresql(store, f"pg_restore --clean --if-exists --dbname={store.location} {path}")
        found = _good_backup(path)
        with store.lock(), transient_line() as show:
            show("copying and checking …")
            done = store.restore(path, now=clock.now())
    needs_upgrade = found.schema is SchemaState.OLDER
    if as_json:
        print_json(
            {
                "database": store.location,
                "backup": _text(path),
                "size_bytes": found.size_bytes,
                "previous_file": _text(done.previous_file),
                "needs_upgrade": needs_upgrade,
            }
        )
        return
    click.echo(f"{clean(store.location)} is a copy of {clean(str(path))}: {size_text(found.size_bytes)}, checked")
    if done.previous_file is not None:
        click.echo(f"the database as it was: {clean(str(done.previous_file))}")
    if needs_upgrade:
        click.echo("its schema is older: the service upgrades it at its start, as `alerter db upgrade` does")


@db.command()
@config_option
@json_option
def compact(config_path: Path | None, *, as_json: bool) -> None:
    """Rewrite the SQLite file without the space that deleted history has left in it.

    Files of an older alerter need it once, to give back to the disk what is deleted; newer ones do so by themselves.
    Stop the service first. It needs room for another copy meanwhile, and about a second for 100 MiB. Exit code 1 if it
    cannot be done: the file is then as before; 2 if the database is PostgreSQL's, which does this itself.
    """
    from alerter.storage import SchemaState, Store  # noqa: PLC0415 - as above

    with closing(Store(load_without_secrets(config_path).service.database)) as store:
        _refuse_postgresql(store, f"vacuumdb --dbname={store.location}")
        if store.schema_state() is SchemaState.MISSING:
            raise CommandFailed(f"{store.location}: there is no database yet")
        before = store.size_bytes()
        with store.lock(), transient_line() as show:
            show("rewriting …")
            store.vacuum()
        after = store.size_bytes()
    if as_json:
        print_json({"database": store.location, "size_bytes_before": before, "size_bytes": after})
        return
    click.echo(f"compacted {store.location}: {size_text(before)} before, {size_text(after)} now")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _refuse_postgresql(store: "Store", command: str) -> None:
    if store.file is None:
        raise click.UsageError(f"the database is PostgreSQL's, which has tools of its own: {command}")


def _refuse_place(path: Path) -> None:
    if os.path.lexists(path):
        raise click.UsageError(f"{path} exists already, and is left as it is: name a new file")
    if not os.path.isdir(path.parent):  # noqa: PTH112 - where this user may not look, there is none for it
        raise click.UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def _good_backup(path: Path) -> "Backup":
    from alerter.errors import StoreError  # noqa: PLC0415
    from alerter.storage import check_backup  # noqa: PLC0415 - as above

    try:
        return check_backup(path)
    except StoreError as error:
        raise click.UsageError(f"no good backup: {error}") from None
