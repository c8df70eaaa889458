"""Prometheus and Alertmanager beside alerter: the same fifty series and rules, on one machine in the same minutes.

Needs Debian's packages prometheus and prometheus-alertmanager; without them the rows are left out and say why.
What Prometheus scrapes is rendered outside of what is measured, as is the Mimecast that alerter asks.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGTERM
from socket import create_connection, socket

from alerter.core.rules import Lookbacks
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.simulator.api import SIMULATOR_CLIENT_ID, SIMULATOR_CLIENT_SECRET
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.storage import Store
from benchmarks import histories
from benchmarks.figures import Figure, Unavailable
from benchmarks.servers import serving

SERIES = 50
#: The share of samples that differ from the one before, on a typical day.
CHANGED = 0.016
#: As often as alerter may poll at most.
INTERVAL_SECONDS = 10
#: So many are measured, after some that are not.
CYCLES, WARM_UP_CYCLES = 24, 3
#: For what it takes on the disk: so long, and at least so many times less.
TIMES_SMALLER = 5
DISK_DAYS = 14
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
PROGRAMS = ("prometheus", "prometheus-alertmanager")
PACKAGES = "apt install prometheus prometheus-alertmanager"

RULES = """
groups:
  - name: held
    interval: {interval}s
    rules:
      - alert: Backlog
        expr: held_messages > 200
      - alert: Large backlog
        expr: held_messages > 500
        for: 10m
      - alert: Surge
        expr: delta(held_messages[1h]) >= 50 and held_messages / (held_messages offset 1h) >= 2
      - alert: Forecast
        expr: predict_linear(held_messages[1h], 14400) > 400
"""
PROMETHEUS = """
global: {{scrape_interval: {interval}s, evaluation_interval: {interval}s}}
rule_files: [{folder}/rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}
scrape_configs: [{{job_name: held, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}]
"""
ALERTMANAGER = """
route: {{receiver: hook, group_wait: 0s, group_interval: {interval}s, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{sink}/'}}]}}]
"""
#: Of the rules for alerter, those that compare a count with others; a backtest has them, too.
TRENDS = """
[[rules]]
name    = "Surge"
warning = { growth = { over = "1h", by = 50, percent = 100 } }
[[rules]]
name = "Forecast"
info = { forecast = { above = 400, within = "4h", fit_over = "1h" } }
"""
#: `RULES`, as alerter has them.
OWN_RULES = f"""
[[rules]]
name     = "Backlog"
warning  = {{ threshold = {{ above = 200 }} }}
critical = {{ threshold = {{ above = 500 }}, for = "10m" }}
{TRENDS}"""
ALERTER = """
[service]
poll_interval = "{interval}s"
[tenants.acme]
base_url      = "{base_url}"
client_id     = "{client_id}"
client_secret = "{client_secret}"
[receivers.hook]
urls = ["json://127.0.0.1:{sink}"]
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What some processes took: CPU seconds, and their resident memory at the end in MiB."""

    cpu: float
    resident: float

    @classmethod
    def of(cls, processes: list[subprocess.Popen[bytes]]) -> "Cost":
        """Read it."""
        tick = os.sysconf("SC_CLK_TCK")
        stats = [Path(f"/proc/{each.pid}/stat").read_text().rsplit(")", 1)[1].split() for each in processes]
        pages = [int(Path(f"/proc/{each.pid}/statm").read_text().split()[1]) for each in processes]
        return cls(
            cpu=sum(int(each[11]) + int(each[12]) for each in stats) / tick,
            resident=sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20,
        )


class _Counts:
    """Held messages that move as on a typical day; one reason is above every limit."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self.held = {f"Definition {number}": 100 for number in range(SERIES)}
        self.held["Definition 0"] = 600

    def move(self) -> dict[str, int]:
        """Return the next counts."""
        for reason in self.held:
            if self._random.random() < CHANGED:
                self.held[reason] = max(0, self.held[reason] + self._random.randint(-5, 5))
        return dict(self.held)


def side_by_side() -> list[Figure]:
    """Measure both at the same time, in the same minutes.

    Raises:
        Unavailable: They are not installed.
    """
    if not all(map(shutil.which, PROGRAMS)):
        raise Unavailable(f"{' and '.join(PROGRAMS)} are not installed: {PACKAGES}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(serving(lambda *_: b"{}"))
        theirs = stack.enter_context(_prometheus(folder, sink))
        ours = stack.enter_context(_alerter(folder, sink))
        time.sleep(WARM_UP_CYCLES * INTERVAL_SECONDS)
        before = Cost.of(ours), Cost.of(theirs)
        time.sleep(CYCLES * INTERVAL_SECONDS)
        after = Cost.of(ours), Cost.of(theirs)
    our_cpu, their_cpu = ((end.cpu - begin.cpu) * 1000 / CYCLES for begin, end in zip(before, after, strict=True))
    peer = "Prometheus and Alertmanager"
    return [
        _figure(f"CPU per cycle with {SERIES} series, every {INTERVAL_SECONDS} s", our_cpu, their_cpu, peer, "ms"),
        _figure(f"memory with {SERIES} series", after[0].resident, after[1].resident, peer, "MiB"),
    ]


def disk() -> list[Figure]:
    """Measure what the same samples take on the disk once they are written.

    Raises:
        Unavailable: Prometheus is not installed.
    """
    if not shutil.which("promtool"):
        raise Unavailable(f"promtool is not installed: {PACKAGES}")
    counts = _Counts()
    polls = [(BEGIN + number * timedelta(minutes=1), counts.move()) for number in range(DISK_DAYS * 24 * 60)]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = _our_bytes(Path(folder), polls), _their_bytes(Path(folder), polls)
    samples = len(polls) * SERIES
    what = f"on the disk per sample of a typical day, {DISK_DAYS} days"
    return [
        Figure(
            what=what,
            measured=ours / samples,
            promised=theirs / samples / TIMES_SMALLER,
            floor=theirs / samples,
            floor_what="Prometheus, as it writes its blocks",
            unit="B",
        )
    ]


_Polls = list[tuple[datetime, dict[str, int]]]


def _our_bytes(folder: Path, polls: _Polls) -> int:
    """Return by how many bytes the database grows."""
    path = folder / "alerter.db"
    tenant, sizes = Tenant("acme"), []
    with closing(Store(f"sqlite:///{path}")) as store:
        store.upgrade()
        for number, (at, held) in enumerate(polls):
            counts = {HoldReason(reason): count for reason, count in held.items()}
            with store.write() as transaction:
                snapshot = Snapshot(tenant=tenant, taken_at=at, counts=counts)
                transaction.history.add(snapshot, poll_interval=timedelta(minutes=1), windows=Lookbacks(()))
            if number == len(polls) - 1:
                histories.keep(store, now=at)
            if number in (0, len(polls) - 1):
                with closing(sqlite3.connect(path)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                sizes.append(path.stat().st_size)
    return sizes[1] - sizes[0]


def _their_bytes(folder: Path, polls: _Polls) -> int:
    """Return how many bytes the blocks have that promtool makes, of two hours each as Prometheus makes them."""
    with (folder / "samples").open("w") as file:
        print("# TYPE held_messages gauge", file=file)
        for reason in polls[0][1]:
            name = f"held_messages{{reason={json.dumps(reason)}}}"
            file.writelines(f"{name} {held[reason]} {at.timestamp():.0f}\n" for at, held in polls)
        print("# EOF", file=file)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples"), str(folder / "blocks")]
    subprocess.run(command, check=True, capture_output=True)
    return sum(file.stat().st_size for file in (folder / "blocks").rglob("*") if file.is_file())


def _figure(what: str, ours: float, theirs: float, peer: str, unit: str) -> Figure:
    return Figure(what=what, measured=ours, promised=theirs, floor=theirs, floor_what=peer, unit=unit)


@contextmanager
def _prometheus(folder: Path, sink: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    counts = _Counts()

    def metrics(*_: object) -> bytes:
        lines = [f"held_messages{{reason={json.dumps(name)}}} {held}\n" for name, held in counts.move().items()]
        return f"# TYPE held_messages gauge\n{''.join(lines)}".encode()

    with serving(metrics, "text/plain; version=0.0.4") as exporter:
        ports = {"exporter": exporter, "sink": sink, "alertmanager": free_port(), "interval": INTERVAL_SECONDS}
        web = free_port()
        for name, text in (("rules", RULES), ("prometheus", PROMETHEUS), ("alertmanager", ALERTMANAGER)):
            (folder / f"{name}.yml").write_text(text.format(folder=folder, **ports))
        commands = [
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{web}"],
            ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
             f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", "--cluster.listen-address="],
        ]  # fmt: skip
        with running(commands) as processes:
            wait_for_port(web)
            yield processes


@contextmanager
def _alerter(folder: Path, sink: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    counts = _Counts()
    with Simulator(clock=lambda: datetime.now(UTC), scenario=Scenario(lambda _: counts.move())) as simulator:
        config = folder / "rules.toml"
        config.write_text(
            ALERTER.format(
                interval=INTERVAL_SECONDS,
                base_url=simulator.base_url,
                client_id=SIMULATOR_CLIENT_ID,
                client_secret=SIMULATOR_CLIENT_SECRET,
                sink=sink,
            )
            + OWN_RULES
        )
        config.chmod(0o600)
        with running([[sys.executable, "-m", "alerter", "run", "--config", str(config)]]) as processes:
            yield processes


@contextmanager
def running(commands: list[list[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run programs; none of them may end before the block does."""
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        yield processes
        ended = [command[0] for command, each in zip(commands, processes, strict=True) if each.poll() is not None]
        if ended:
            sys.exit(f"ended before it was measured: {', '.join(ended)}")
    finally:
        for process in processes:
            process.send_signal(SIGTERM)
        for process in processes:
            process.wait(30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens on a port."""
    for _ in range(100):
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"nothing listens on port {port}")
