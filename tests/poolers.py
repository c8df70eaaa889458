"""A PgBouncer in transaction mode before a server of the tests; where none is installed, the test is skipped."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import URL

_MISSING = "PgBouncer is not installed; install it with: apt-get install pgbouncer"


@contextmanager
def a_pooler(server: URL) -> Iterator[int]:
    """Yield the port of a pooler, with its settings as shipped, that gives each transaction a session that is free."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(_MISSING)
    directory = Path(tempfile.mkdtemp(prefix="alerter-pooler-", dir="/tmp"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={server.query['host']} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 8\n"
    )
    # It refuses to run as root.
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_owner:
        directory.chmod(0o755)
    command = [*as_owner, program, str(settings)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            assert process.stderr is not None
            assert any("process up" in line for line in process.stderr)
            yield port
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=10)
    shutil.rmtree(directory)
