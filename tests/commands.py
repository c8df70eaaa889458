"""Runs commands as the shell does: arguments in, exit code and texts out, in this process."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from alerter.cli import main
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.server import Simulator


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., Outcome]


@contextmanager
def unchanged_logging() -> Iterator[None]:
    """Take back what a command sets up for its whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("alerter", "apprise")}
    hooks = warnings.showwarning, sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    warnings.showwarning, sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def runner(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunCommand:
    """Return a function that runs `alerter` with arguments."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["alerter", *map(str, arguments)])
        code = 0
        with unchanged_logging():
            try:
                main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 0
        captured = capfd.readouterr()
        return Outcome(code=code, out=captured.out, err=captured.err)

    return run


def a_configuration(simulator: Simulator, *, urls: str = '"json://127.0.0.1:9"', above: int = 0, more: str = "") -> str:
    """Return a configuration of one tenant at the simulator, one receiver and one rule."""
    return f"""
[service]
timezone = "UTC"

[tenants.acme]
base_url      = "{simulator.base_url}"
client_id     = "{SIMULATOR_CLIENT_ID}"
client_secret = "{SIMULATOR_CLIENT_SECRET}"

[receivers.secops]
urls = [{urls}]

[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = {above} }} }}
{more}
"""
