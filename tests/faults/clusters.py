"""A PostgreSQL of one test's own, which it may stop and start as it likes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests import postgres

_INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
_OPTIONS = "-c fsync=off -c listen_addresses= -c max_connections=20"


class Cluster:
    """A PostgreSQL in a directory.

    Attributes:
        url: Of a database on it.
    """

    def __init__(self, binaries: Path, directory: Path, *, primary: "Cluster | None" = None) -> None:
        self.socket = directory / ".s.PGSQL.5432"
        self.url = f"postgresql://postgres@/postgres?host={directory}"
        self._binaries = binaries
        self._directory = directory
        # PostgreSQL refuses to run as root.
        self._as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_owner:
            shutil.chown(directory, "postgres")
        if primary is None:
            self._run("initdb", *_INITDB)
        else:
            self._run(
                "pg_basebackup", "--write-recovery-conf", "--no-sync", "--checkpoint=fast", f"--dbname={primary.url}"
            )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self._directory} {_OPTIONS}"
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self._directory}/log", f"--options={options}")

    def stop(self) -> None:
        """Stop it as a power cut does."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--silent")

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def close_for_writes(self) -> None:
        """Let it read only, from now on and in every session, as what manages a failover does to the old server."""
        self._execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make the standby a server that takes writes."""
        self._run("pg_ctl", "promote", "--wait", "--silent")

    @contextmanager
    def standby(self) -> Iterator["Cluster"]:
        """Yield a running copy of this one, which follows it."""
        with _a_directory() as directory:
            copy = Cluster(self._binaries, directory, primary=self)
            yield from _running(copy)

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_owner, str(self._binaries / program), "-D", str(self._directory / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._directory)


@contextmanager
def a_cluster() -> Iterator[Cluster]:
    """Yield a running PostgreSQL; where none is installed the test is skipped, and in CI it fails."""
    binaries = postgres._binaries()  # noqa: SLF001 - where this machine keeps them
    if binaries is None:
        if os.environ.get("CI") == "true":  # noqa: TID251 - a setting of the tests, not of alerter
            pytest.fail(postgres._MISSING)  # noqa: SLF001 - the same words
        pytest.skip(postgres._MISSING)  # noqa: SLF001 - as above
    with _a_directory() as directory:
        yield from _running(Cluster(binaries, directory))


@contextmanager
def _a_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="alerter-pg-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.start()
    try:
        yield cluster
    finally:
        with suppress(subprocess.CalledProcessError):
            cluster.stop()
