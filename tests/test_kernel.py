"""What Linux says: asked for real."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from alerter.kernel import clock_error, free_bytes, processes_with_file_open


def test_the_kernel_says_how_far_off_the_clock_may_be() -> None:
    """At most 16 s, which it says of a clock that nothing keeps right: kernel/time/ntp.c, NTP_PHASE_LIMIT."""
    error = clock_error()

    assert error is not None
    assert timedelta(0) <= error <= timedelta(seconds=16)


def test_the_free_space_is_that_of_the_disk(tmp_path: Path) -> None:
    """As the system counts it for whoever may not use the reserve of root."""
    found = os.statvfs(tmp_path)

    assert abs(free_bytes(tmp_path) - found.f_bavail * found.f_frsize) < 2**30


def test_a_folder_that_is_not_there_has_no_space(tmp_path: Path) -> None:
    """It is an error, not 0."""
    with pytest.raises(FileNotFoundError):
        free_bytes(tmp_path / "none")


def test_whoever_has_a_file_open_is_named(tmp_path: Path) -> None:
    """By whatever name it was opened; but not this process, and not whoever has another file."""
    path, link = tmp_path / "alerter.db", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    program = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(link)]

    with path.open(), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        found = processes_with_file_open(path)
        other.stdin.close()

    assert [name.rpartition(" ")[2] for name in found] == [f"{other.pid})"]
    assert processes_with_file_open(path) == []
