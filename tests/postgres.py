"""A PostgreSQL to throw away: the machine's own binaries on a socket in a temporary directory, for one test run.

`ALERTER_TEST_PG_URL` names a server to use instead; its user must be allowed to create databases.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, make_url, text

#: The run is thrown away, so that nothing has to survive a power cut.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=50")
_MISSING = "PostgreSQL is not installed; install it with: apt-get install postgresql"


class Server:
    """A running PostgreSQL on which databases are made and dropped."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._names = (f"alerter_{uuid4().hex[:8]}_{number}" for number in count())

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """Yield the URL of a new database that is a copy of another one; it is dropped afterwards."""
        name = next(self._names)
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url.set(database=name).render_as_string(hide_password=False)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def server() -> Iterator[Server]:
    """Yield a PostgreSQL; where there is none the test is skipped with what to do, and in CI it fails."""
    given = os.environ.get("ALERTER_TEST_PG_URL")  # noqa: TID251 - a setting of the tests, not of alerter
    if given:
        yield Server(make_url(given))
        return
    binaries = _binaries()
    if binaries is None:
        if os.environ.get("CI") == "true":  # noqa: TID251 - as above
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    directory = Path(tempfile.mkdtemp(prefix="alerter-pg-", dir="/tmp"))
    try:
        yield from _running(binaries, directory)
    finally:
        shutil.rmtree(directory)


def _running(binaries: Path, directory: Path) -> Iterator[Server]:
    # PostgreSQL refuses to run as root.
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_owner:
        shutil.chown(directory, "postgres")
    data = directory / "data"
    options = " ".join([f"-k {directory}", *(f"-c {setting}" for setting in _SETTINGS)])

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_owner, str(binaries / program), "-D", str(data), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=directory,
        )

    run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    run("pg_ctl", "start", "--wait", "--silent", f"--log={directory}/log", f"--options={options}")
    try:
        yield Server(make_url(f"postgresql://postgres@/postgres?host={directory}"))
    finally:
        run("pg_ctl", "stop", "--mode=immediate", "--silent")


def _binaries() -> Path | None:
    """Return the directory of the newest server that is installed."""
    in_path = shutil.which("pg_ctl")
    if in_path is not None and shutil.which("initdb") is not None:
        return Path(in_path).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    newest = max(installed, key=lambda path: int(path.parent.parent.name), default=None)
    return None if newest is None else newest.parent
