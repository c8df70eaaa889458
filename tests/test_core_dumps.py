"""A crash leaves no secret behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = b"memory-secret-0001"

#: Keeps a secret in its memory, as a text that stands nowhere else, until it is ended.
VICTIM = f"""
import resource, sys
from alerter.core_dumps import disable_core_dumps
if sys.argv[1] == "without a limit":
    resource.setrlimit = lambda *_: None
if sys.argv[1] != "as it is":
    disable_core_dumps()
kept = b"".join(bytes([each]) for each in reversed({SECRET[::-1]!r}))
print("there", flush=True)
sys.stdin.read()
"""


def dumps_of_a_crash(folder: Path, kind: str) -> list[bytes]:
    """Return the core dumps that a process leaves in a folder, if the system puts them where it worked."""
    command = ["sh", "-c", 'ulimit -c unlimited; exec "$0" -c "$@"', sys.executable, VICTIM, kind]
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"there\n"
        victim.send_signal(signal.SIGABRT)
        assert victim.wait(20) == -signal.SIGABRT
    return [path.read_bytes() for path in folder.glob("core*")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which a crash leaves a core dump with all that was in memory: there is something to be afraid of."""
    elsewhere = tmp_path / "any other process"
    elsewhere.mkdir()
    if not any(SECRET in dump for dump in dumps_of_a_crash(elsewhere, "as it is")):
        pytest.skip("core dumps go elsewhere on this system")
    here = tmp_path / "here"
    here.mkdir()
    return here


def test_a_crash_leaves_no_core_dump(folder: Path) -> None:
    """The memory holds every key; the disk, and whoever reads it, must not."""
    assert dumps_of_a_crash(folder, "safe") == []


def test_a_core_dump_that_is_taken_in_spite_of_the_limit_holds_no_memory(folder: Path) -> None:
    """Programs that the kernel hands dumps to need not heed the limit."""
    (dump,) = dumps_of_a_crash(folder, "without a limit")

    assert dump.startswith(b"\x7fELF")
    assert SECRET not in dump
