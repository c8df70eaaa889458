"""The schema of a database, and its upgrade to the present one.

Alembic is loaded for an upgrade alone: a daemon that finds its schema current does without its 9 MiB.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, column, create_engine, inspect, select, table, text, update

from alerter.errors import StoreError, StoreUnavailable
from alerter.folders import as_owner, open_file
from alerter.storage.copies import copy_pages
from alerter.storage.engine import (
    ADVISORY_UPGRADE,
    Access,
    interruptible,
    is_sqlite,
    location,
    lock_writers,
    open_engine,
    store_errors,
)
from alerter.storage.tables import HEAD, REVISIONS, metadata

#: The faults of a damaged file that are named.
MAX_NAMED_FAULTS = 3


class SchemaState(Enum):
    """How a database's schema compares with the one that this alerter knows."""

    MISSING = "missing"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaUpgrade:
    """What an upgrade did.

    Attributes:
        before: The revision that was found; None for a new database.
        after: The revision that it has now; the same where nothing was to be done.
        backup: The copy of the SQLite file as it was; None where there was nothing to lose.
    """

    before: str | None
    after: str
    backup: Path | None


def no_deadline() -> bool:
    """Return that there is time for ever."""
    return False


def schema_state(engine: Engine) -> SchemaState:
    """Return how the database's schema compares; a file that does not exist is not created.

    Raises:
        StoreError: The database cannot be read.
    """
    if is_sqlite(engine.url) and not _is_there(location(engine.url)):
        return SchemaState.MISSING
    reading = engine.execution_options(sqlite_begin="DEFERRED")
    with store_errors(engine.url), reading.connect() as connection:
        return schema_state_in(connection)


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except PermissionError as error:
        raise StoreError(f"{path}: permission denied: only root and its service see what is there") from error


def upgrade(url: URL) -> SchemaUpgrade:
    """Bring the database to the present schema, in one transaction; an SQLite file is copied before.

    Two upgrades at the same time are put in order: the second one finds nothing to do.

    Raises:
        StoreError: The schema is newer than this alerter, or the upgrade failed; then nothing was changed.
    """
    engine = open_engine(url, Access.MIGRATION)
    try:
        with store_errors(url), engine.begin() as connection:
            lock_writers(connection, ADVISORY_UPGRADE)
            return run_upgrade(connection)
    finally:
        engine.dispose()


def check_integrity(engine: Engine, *, gives_up: Callable[[], bool] = no_deadline) -> None:
    """Check that the file is whole and holds what alerter made; of PostgreSQL, that it answers.

    No row must lack what it refers to, and nothing but alerter may have changed what is stored; see `check_objects`.

    Args:
        engine: The database.
        gives_up: Asked again and again; once it says so, the check ends. By default it never does.

    Raises:
        StoreError: It is not; the text says what was found. Or the check ended early.
    """
    reading = engine.execution_options(sqlite_begin="DEFERRED")
    with store_errors(engine.url), reading.connect() as connection:
        if not is_sqlite(engine.url):
            connection.execute(text("SELECT 1"))
            return
        with interruptible(connection, gives_up):
            rows = connection.execute(text("PRAGMA integrity_check"))
            found = [line for row in rows for line in str(row[0]).splitlines() if not line.startswith("***")]
            if found != ["ok"]:
                raise StoreError(f"{location(engine.url)}: damaged: {_faults_text(found)}")
            _check_foreign_keys(connection)
        check_objects(connection)


def _faults_text(found: Sequence[str]) -> str:
    """Return the first faults of a file on one line, and how many others there are: SQLite names a hundred."""
    more = len(found) - MAX_NAMED_FAULTS
    return "; ".join([*found[:MAX_NAMED_FAULTS], *([f"and {more:,} more"] if more > 0 else [])])


def check_objects(connection: Connection) -> None:
    """Check that an SQLite file holds alerter's tables and nothing else: a trigger would change what alerter writes.

    Raises:
        StoreError: It holds a trigger, a view or a table that is not alerter's, or lacks one.
    """
    revision = _revision(connection)
    if not is_sqlite(connection.engine.url) or _state_of(revision) in {SchemaState.MISSING, SchemaState.NEWER}:
        return
    found, expected = _objects(connection), _own_objects(str(revision))
    for has, objects in (("holds", found - expected), ("lacks", expected - found)):
        if objects:
            (kind, name, _), *others = sorted(objects)
            more = f" and {len(others)} more" if others else ""
            text = (
                f"it {has} the {kind} {name!r}{more}: expected the tables of alerter with their columns, nothing else"
            )
            raise StoreError(f"{location(connection.engine.url)}: {text}")


#: A kind, a name, and the columns, of which a trigger has none.
_Object = tuple[str, str, str]


def _objects(connection: Connection) -> set[_Object]:
    """Return what an SQLite file holds, without what SQLite keeps there for itself."""
    return {(str(kind), str(name), str(columns or "")) for kind, name, columns in connection.execute(_OBJECTS)}


@cache
def _own_objects(revision: str) -> set[_Object]:
    """Return what a file holds that alerter made, with the schema of a revision."""
    engine = create_engine("sqlite+pysqlite://")
    try:
        with engine.begin() as connection:
            _migrate(connection, revision)
            return _objects(connection)
    finally:
        engine.dispose()


# What the table `sqlite_schema` calls a table may be a module of SQLite's; a name of SQLite's own counts for its tables
# and indexes alone.
_OBJECTS = text(
    "SELECT CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual table' ELSE type END, name, "
    "(SELECT group_concat(c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || ' ' || c.hidden, ', ') "
    "FROM pragma_table_xinfo(s.name) AS c) "
    "FROM sqlite_schema AS s WHERE NOT (type IN ('table', 'index') AND name LIKE 'sqlite\\_%' ESCAPE '\\')"
)


def check_writable(engine: Engine) -> None:
    """Write what is there already, and commit it: a database that takes nothing may still be opened and read.

    Raises:
        StoreError: It takes nothing: it is locked, the disk is full, or it may only be read.
    """
    check_server(engine)
    with store_errors(engine.url), engine.begin() as connection:
        if is_sqlite(engine.url):
            # Not a row: SQLite does not write one that stays as it is.
            number = connection.execute(text("PRAGMA user_version")).scalar_one()
            connection.execute(text(f"PRAGMA user_version = {int(number)}"))
        else:
            connection.execute(update(_VERSION).values(version_num=_VERSION.c.version_num))


def check_server(engine: Engine) -> None:
    """Check that a server takes writes; of an SQLite file, nothing.

    Raises:
        StoreError: It does not, or cannot be asked.
    """
    if is_sqlite(engine.url):
        return
    with store_errors(engine.url), engine.connect() as connection:
        is_standby, is_closed = connection.execute(_MODE).one()
    if is_standby:
        raise StoreUnavailable(f"{location(engine.url)}: the server is a standby, which takes no writes")
    if is_closed:
        raise StoreUnavailable(
            f"{location(engine.url)}: the server takes no writes: default_transaction_read_only is on"
        )


def migrations() -> Path:
    """Return the directory of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(str(files("alerter")))
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def schema_state_in(connection: Connection) -> SchemaState:
    """Return how the schema compares, as a transaction sees it."""
    return _state_of(_revision(connection))


def run_upgrade(connection: Connection) -> SchemaUpgrade:
    """Bring a database to the present schema within a transaction of `Access.MIGRATION`.

    Raises:
        StoreError: The schema is newer than this alerter, or the upgrade failed.
    """
    before = _revision(connection)
    match _state_of(before):
        case SchemaState.NEWER:
            raise StoreError(
                f"the database was written by a newer alerter: found schema {before!r}, expected at most {HEAD!r}"
            )
        case SchemaState.CURRENT:
            return SchemaUpgrade(before=before, after=HEAD, backup=None)
        case SchemaState.MISSING | SchemaState.OLDER:
            backup = _backup(connection, before)
            try:
                _migrate(connection)
            except BaseException:
                # Nothing was changed, and a service that is started again and again must not fill the disk.
                if backup is not None:
                    _remove(backup)
                raise
            return SchemaUpgrade(before=before, after=HEAD, backup=backup)


def _revision(connection: Connection) -> str | None:
    """Return the revision of the schema; None for a database without tables.

    Raises:
        StoreError: The tables are not alerter's, or their revision is lost.
    """
    has_version = inspect(connection).has_table(_VERSION.name)
    revision: str | None = connection.execute(select(_VERSION.c.version_num)).scalar() if has_version else None
    if revision not in REVISIONS:
        _check_tables(connection, revision)
    return revision


def _check_tables(connection: Connection, revision: str | None) -> None:
    """Check that a database without a known revision is empty, or a newer alerter's.

    Other programs may have tables beside alerter's on a server.
    """
    url = connection.engine.url
    names = set(inspect(connection).get_table_names()) - {_VERSION.name}
    own = names & metadata.tables.keys()
    is_strange = names and not own and (is_sqlite(url) or revision is not None)
    if is_strange or (own and revision is None):
        found = f"{min(own or names)!r} and {'no' if revision is None else 'an unknown'} revision in {_VERSION.name}"
        raise StoreError(
            f"{location(url)}: expected a database of alerter's, or a new one, found the table {found}: it is another "
            "program's (correct `database`), or damaged (`alerter db restore`)"
        )


def _state_of(revision: str | None) -> SchemaState:
    if revision is None:
        return SchemaState.MISSING
    if revision not in REVISIONS:
        return SchemaState.NEWER
    return SchemaState.CURRENT if revision == HEAD else SchemaState.OLDER


def _backup(connection: Connection, revision: str | None) -> Path | None:
    """Copy an SQLite file that has tables, as it is while this transaction keeps writers away."""
    url = connection.engine.url
    if not is_sqlite(url) or not inspect(connection).get_table_names():
        return None
    source = Path(location(url))
    copy = _new_file(source, revision or "unversioned")
    try:
        copy_pages(source, copy)
    except (sqlite3.Error, StoreError) as error:
        _remove(copy)
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{copy}: the copy before the upgrade failed: {error}") from error
    return copy


def _remove(copy: Path) -> None:
    with as_owner(copy) as reached:
        reached.unlink()


def _new_file(source: Path, revision: str) -> Path:
    """Create and return `<file>.<revision>.bak`, with a number where that exists already."""
    numbers = count(2)
    suffix = "bak"
    while True:
        path = source.with_name(f"{source.name}.{revision}.{suffix}")
        try:
            os.close(open_file(path, is_new=True))
        except FileExistsError:
            suffix = f"{next(numbers)}.bak"
        except OSError as error:
            raise StoreError(f"{path}: the copy before the upgrade failed: {error.strerror}") from error
        else:
            return path


def _migrate(connection: Connection, revision: str = "head") -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StoreError(f"{location(connection.engine.url)}: the upgrade failed: {error}") from error
    if is_sqlite(connection.engine.url):
        _check_foreign_keys(connection)


def _check_foreign_keys(connection: Connection) -> None:
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if orphans:
        names = ", ".join(sorted({str(row[0]) for row in orphans}))
        raise StoreError(f"{location(connection.engine.url)}: {len(orphans)} rows lack what they refer to, in {names}")


_VERSION = table("alembic_version", column("version_num"))
_MODE = text("SELECT pg_is_in_recovery(), CAST(current_setting('default_transaction_read_only') AS boolean)")
