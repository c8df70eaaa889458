"""Child processes: the only way in which alerter starts another program.

A child imports nothing from the current directory, which may be anybody's, nor from what Python's variables name. It is
started by an absolute path, in `/`; a test finds every other way to start one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence


def alerter_command(*arguments: str) -> list[str]:
    """Return the command that runs this alerter with some arguments; paths among them must be absolute."""
    return [os.path.abspath(sys.executable), "-P", "-X", "utf8", "-m", "alerter", *arguments]  # noqa: PTH100 - a link to Python is the virtual environment


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of alerter's in a process of its own."""
    return [os.path.abspath(sys.executable), "-P", "-X", "utf8", "-m", module, *arguments]  # noqa: PTH100 - as above


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def find_program(name: str) -> str | None:
    """Return the absolute path of a program, or None where the system has none of the name."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(each for each in folders if each.startswith("/")))


def start(command: Sequence[str]) -> "subprocess.Popen[str]":
    """Start a program, whose output is read by this process.

    Raises:
        ValueError: The program is not named by an absolute path.
        OSError: It cannot be started.
    """
    if not os.path.isabs(command[0]):  # noqa: PTH117 - it is text
        raise ValueError(f"expected an absolute path, found {command[0]!r}")
    return subprocess.Popen(  # noqa: S603 - its callers' own commands
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        cwd="/",
        env=_environment(),
    )


def wait(process: "subprocess.Popen[str]", *, every: float, meanwhile: Callable[[], None]) -> tuple[str, str]:
    """Return what a process wrote to its two outputs once it has ended.

    Args:
        process: As `start` returned it.
        every: After how many seconds `meanwhile` is called, again and again.
        meanwhile: What it raises is raised here.
    """
    while True:
        try:
            return process.communicate(timeout=every)
        except subprocess.TimeoutExpired:
            meanwhile()


def run(command: Sequence[str], *, timeout: float | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end.

    Args:
        command: An absolute path, and arguments.
        timeout: After how many seconds it is killed; None for never.

    Raises:
        TimeoutError: It took longer.
        OSError: It cannot be started.
    """
    with start(command) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TimeoutError(f"{command[0]} did not end within {timeout} s") from None
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def convert(command: Sequence[str], given: bytes, *, seconds: float) -> "subprocess.CompletedProcess[bytes]":
    """Run a program that makes bytes of bytes, and return what it wrote.

    Args:
        command: The program, by an absolute path, and its arguments; it limits its memory itself.
        given: Its standard input.
        seconds: It is stopped after this.

    Raises:
        TookTooLong: It did not end in time.
        OSError: It cannot be started.
    """
    try:
        return subprocess.run(  # noqa: S603 - its callers' own commands
            command, input=given, capture_output=True, cwd="/", env=_environment(), timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise TookTooLong(f"stopped after {seconds:g} s") from None


class TookTooLong(Exception):
    """A program was stopped, for its time was over."""


#: Sets limits for itself and becomes the program: what is limited after a fork would not be safe with threads.
_LIMIT = (
    "import os, resource, sys\n"
    "memory, seconds = int(sys.argv[1]), int(sys.argv[2])\n"
    "resource.setrlimit(resource.RLIMIT_AS, (memory, memory))\n"
    "resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))\n"
    "os.nice(10)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


def run_limited(
    command: Sequence[str], given: str, *, seconds: int, memory_bytes: int
) -> "subprocess.CompletedProcess[str]":
    """Run a program with low priority, and return what it wrote.

    Args:
        command: The program, by an absolute path, and its arguments.
        given: Its standard input.
        seconds: It is stopped after this, as well as after that much processor time.
        memory_bytes: Its address space.

    Raises:
        TookTooLong: It did not end in time.
        OSError: It cannot be started.
    """
    limited = [os.path.abspath(sys.executable), "-P", "-c", _LIMIT, str(memory_bytes), str(seconds), *command]  # noqa: PTH100 - as above
    try:
        return subprocess.run(  # noqa: S603 - its callers' own commands
            limited,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd="/",
            env=_environment(),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TookTooLong(f"stopped after {seconds} s") from None
