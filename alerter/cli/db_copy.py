"""`alerter db copy`: an installation into another database, such as from SQLite to PostgreSQL."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.database_access import check_schema
from alerter.cli.options import config_option, json_option, load
from alerter.cli.output import count_text, print_json, transient_line

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.redaction import Redactor
    from alerter.storage import CopyPhase, CopyResult, Store

#: Stands in a command line for what must not be read in it.
_VARIABLE = "${"


@click.command()
@click.argument("database")
@config_option
@json_option
def copy(database: str, config_path: Path | None, *, as_json: bool) -> None:
    """Copy everything into another DATABASE, as from SQLite to PostgreSQL, and compare every row.

    DATABASE is written as in the configuration; for a URL with a password put that into a credential or the
    environment, and name it in single quotes: '${DATABASE_URL}'. Stop the service first. DATABASE must have no rows,
    and gets its tables by itself; SQLite to SQLite and PostgreSQL to SQLite work as well. The old database stays as it
    is. Until every row was compared DATABASE has nothing, however this ends; then simply do it again. Exit code 1 if it
    cannot be done, as while a service is running, 2 if DATABASE is not a database URL.
    """
    from alerter.redaction import Redactor  # noqa: PLC0415
    from alerter.storage import Store  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    redactor = Redactor()
    config = load(config_path, redactor=redactor, may_lack_secrets=True)
    url = _url_of(database, config, redactor)
    with closing(Store(config.service.database)) as source, closing(Store(url)) as target:
        if source.is_same_as(target):
            raise click.UsageError(f"{source.location} is the database of {config.path} itself: name the new one")
        check_schema(source)
        with transient_line() as show:
            done = source.copy_to(target, on_progress=partial(_show, show))
    if as_json:
        found = {"database": source.location, "copy": target.location, "rows": done.rows, "was_there": done.was_there}
        print_json(found)
        return
    click.echo(_done_text(source, target, done))
    click.echo(f"next: {_next_text(database, config.path)}")
    click.echo(f"{source.location} stays as it is: keep it until all is well, and remove it then")


def _url_of(database: str, config: "Config", redactor: "Redactor") -> str:
    from alerter.config import find_database  # noqa: PLC0415 - as above

    if _has_password(database):
        said = "was in the list of processes, and may be in your shell's history: change it, and write ${NAME}"
        click.echo(f"warning: the password {said}", err=True)
    try:
        return find_database(database, config.path, redactor=redactor)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="DATABASE") from None


def _has_password(database: str) -> bool:
    from alerter.redaction import url_passwords  # noqa: PLC0415 - as above

    return _VARIABLE not in database and any(url_passwords(database))


def _done_text(source: "Store", target: "Store", done: "CopyResult") -> str:
    rows = f"{sum(done.rows.values()):,} rows of {count_text(len(done.rows), 'table')}"
    if done.was_there:
        return f"{target.location} is a copy of {source.location} already: {rows}, each compared"
    return f"copied {rows} from {source.location} to {target.location}, and compared each"


def _next_text(database: str, path: Path) -> str:
    from alerter.config.paths import unit_for  # noqa: PLC0415 - as above

    unit = unit_for(path)
    start = "start the service" if unit is None else f"systemctl start {unit}"
    shown = "${DATABASE_URL}" if _has_password(database) else database
    return f'write database = "{shown}" into [service] of {path}, then {start}'


def _show(show: Callable[[str], None], step: "CopyPhase", done: int, rows: int) -> None:
    show(f"{done:,} of {rows:,} rows {step.value}")
