"""The quick start of README, followed to its all-clear: its very commands, in a shell, in an empty folder."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import RunCommand, runner
from tests.documentation import DOCUMENTATION

README = DOCUMENTATION


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """`alerter`, as the shell runs it."""
    return runner(monkeypatch, capfd)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def quick_start() -> str:
    """Return the commands of README's quick start as a script."""
    found = re.search(r"<!-- quick start -->\n\n```console\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return "".join(f"{line.removeprefix('$ ')}\n" for line in found[1].splitlines())


@pytest.mark.timeout(300)
def test_the_quick_start_ends_with_its_all_clear(tmp_path: Path) -> None:
    """A warning, a critical and the all-clear reach the receiver, in this order; nobody edited anything."""
    binaries = Path(sys.executable).parent
    environment = {
        "PATH": f"{binaries}:{os.environ['PATH']}",  # noqa: TID251 - the shell finds its programs there
        "ALERTER_SIMULATE_PORT": str(free_port()),
    }

    done = subprocess.run(  # noqa: S602 - README's own commands
        quick_start(), shell=True, executable="/bin/bash", cwd=tmp_path, env=environment, timeout=280, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    messages = re.findall(r"^message: (.*)$", done.stdout, re.MULTILINE)

    assert [title.split(":")[0].split(" ")[0].rstrip(",") for title in messages] == ["WARNING", "CRITICAL", "Resolved"]
    assert "271 held for 'High-Confidence Impersonation Protection'" in messages[0]
    assert "584 held" in messages[1]
    assert ": valid: 1 tenant, 1 receiver, 2 rules" in done.stdout
    assert "\nalerts\t" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_simulated_configuration_goes_where_the_simulator_listens(alerter: RunCommand, tmp_path: Path) -> None:
    """With another port, and the commands to go on with name it; a file that exists is left unchanged."""
    path = tmp_path / "try.toml"

    shown = alerter("init", "--simulate", "--port", "8999", "--config", path)
    again = alerter("init", "--simulate", "--config", path)
    checked = alerter("check-config", path)

    assert shown.code == 0
    assert path.read_text().count("127.0.0.1:8999") == 2
    assert f"alerter simulate --step 1h --port 8999\n  alerter poll --config {path}\n" in shown.out
    assert (checked.code, checked.err) == (0, "")
    assert again.code == 2
