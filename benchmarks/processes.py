"""Start-up and memory, as whole processes."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGHUP, SIGTERM
from statistics import median

from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from benchmarks.figures import Figure

ROUNDS = 9
REASONS = 50
POLLS = 100


def help_text() -> list[Figure]:
    """Measure `alerter --help` against the bare interpreter."""
    return [
        Figure(
            what="`alerter --help`",
            measured=_milliseconds([sys.executable, "-m", "alerter", "--help"]),
            promised=150,
            floor=_milliseconds([sys.executable, "-c", "pass"]),
            floor_what="`python -c pass`",
            unit="ms",
        ),
    ]


def ready() -> list[Figure]:
    """Measure `alerter run` from its start until it says that it is ready, with an existing database."""
    with world() as config:
        Daemon(config).stop()
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            daemon = Daemon(config)
            times.append((time.perf_counter() - begun) * 1000)
            daemon.stop()
    return [
        Figure(
            what="`alerter run` until ready",
            measured=median(times),
            promised=1000,
            floor=_milliseconds(
                [sys.executable, "-c", "import sqlalchemy, requests, pydantic, apscheduler.schedulers"]
            ),
            floor_what="importing its libraries",
            unit="ms",
        ),
    ]


def memory() -> list[Figure]:
    """Measure the resident memory of the daemon after a hundred polls with fifty reasons, each after a reload."""
    with world() as config:
        daemon = Daemon(config)
        text = config.read_text()
        for polls in range(1, POLLS + 1):
            # Only who is concerned by what has changed is polled at a reload.
            config.write_text(text.replace("above = 1000", f"above = {1000 + polls}"))
            daemon.process.send_signal(SIGHUP)
            daemon.wait_for("reloaded", times=polls)
            daemon.wait_for("poll succeeded", times=polls)
        mebibytes = resident(daemon.process.pid)
        daemon.stop()
    script = "import os, sqlalchemy, requests, pydantic, apscheduler.schedulers.background, apprise\n"
    script += "print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
    floor = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return [
        Figure(
            what=f"memory of `alerter run` after {POLLS} polls with {REASONS} reasons",
            measured=mebibytes,
            promised=75,
            floor=int(floor) / 1024,
            floor_what="importing its libraries",
            unit="MiB",
        ),
    ]


def _milliseconds(command: list[str]) -> float:
    """Return the median wall time of a process; the first round warms the caches and does not count."""
    times = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append((time.perf_counter() - begun) * 1000)
    return median(times[1:])


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def world() -> Iterator[Path]:
    """Run a Mimecast with fifty reasons, and write a configuration that points to it."""
    held = {f"Definition {number}": number for number in range(1, REASONS + 1)}
    simulator = Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(lambda _: held))
    with tempfile.TemporaryDirectory() as folder, simulator:
        config = Path(folder) / "rules.toml"
        config.write_text(
            f'[tenants.acme]\nbase_url = "{simulator.base_url}"\nclient_id = "{SIMULATOR_CLIENT_ID}"\n'
            f'client_secret = "{SIMULATOR_CLIENT_SECRET}"\n[receivers.r]\nurls = ["json://127.0.0.1:9"]\n'
            '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 1000 } }\n'
            '[[rules]]\nname = "Surge"\nwarning = { growth = { over = "1h", by = 50, percent = 100 } }\n'
        )
        config.chmod(0o600)
        yield config


class Daemon:
    """`alerter run`, started and ready."""

    def __init__(self, config: Path) -> None:
        command = [sys.executable, "-m", "alerter", "run", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self._lines: list[str] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for(" ready ")

    def _read(self) -> None:
        for line in self.process.stderr or ():
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until the log says it so often."""
        with self._changed:
            came = self._changed.wait_for(lambda: sum(text in line for line in self._lines) >= times, timeout=30)
        if not came:
            sys.exit(f"the daemon did not say {text!r}:\n{''.join(self._lines)}")

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(SIGTERM)
        self.process.wait()
