"""Two hundred tenants beside Prometheus and Alertmanager, polls spread over the interval: CPU, and bytes on the disk.

Both see counts that move as on a typical day, and have the rules of `peers`. Prometheus scrapes a target for each
tenant over HTTP, alerter polls over TLS; what answers them runs outside of what is measured. The bytes are those that
the kernel counts as written by a program: WAL, checkpoints, the log, and what `fsync` writes beside them.
"""

import json
import random
import shutil
import subprocess
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from benchmarks.figures import Figure, Unavailable
from benchmarks.gateway import CHANGED
from benchmarks.peers import ALERTMANAGER, PACKAGES, PROGRAMS, RULES, Cost, free_port, running, wait_for_port
from benchmarks.servers import serving
from benchmarks.tenants import a_daemon, a_gateway, configuration

TENANTS, REASONS, INTERVAL_SECONDS = 200, 50, 30
#: This long is measured, after some time that is not: the first polls, and what is done once after a start.
MEASURED_SECONDS, WARM_UP_SECONDS = 300, 120
#: The most bytes for each sample, and the largest share of the CPU time of Prometheus and Alertmanager.
MAX_BYTES, MAX_CPU_SHARE = 60, 0.6
SAMPLES = TENANTS * REASONS * MEASURED_SECONDS // INTERVAL_SECONDS

PROMETHEUS = """
global: {{scrape_interval: {interval}s, evaluation_interval: {interval}s}}
rule_files: [{folder}/rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}
scrape_configs:
  - job_name: held
    static_configs:
{targets}
"""
TARGET = "      - {{targets: ['127.0.0.1:{exporter}'], labels: {{__metrics_path__: '/{number}', tenant: t{number}}}}}"


@dataclass(frozen=True)
class _Use:
    """What some processes took until an instant: CPU seconds, and bytes that were written to the disk."""

    cpu: float
    written: int

    @classmethod
    def of(cls, processes: list[subprocess.Popen[bytes]]) -> "_Use":
        """Read it."""
        fields = (Path(f"/proc/{each.pid}/io").read_text().split("\nwrite_bytes: ")[1] for each in processes)
        return cls(Cost.of(processes).cpu, sum(int(field.split()[0]) for field in fields))

    def per_poll_and_sample(self, before: "_Use") -> tuple[float, float]:
        """Return the milliseconds of CPU time for each poll, and the bytes for each sample, since then."""
        return (self.cpu - before.cpu) * 1000 * REASONS / SAMPLES, (self.written - before.written) / SAMPLES


def figures() -> list[Figure]:
    """Measure both at the same time, in the same minutes.

    Raises:
        Unavailable: They are not installed.
    """
    if not all(map(shutil.which, PROGRAMS)):
        raise Unavailable(f"{' and '.join(PROGRAMS)} are not installed: {PACKAGES}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs = stack.enter_context(_prometheus(folder))
        gateway = stack.enter_context(a_gateway(folder, TENANTS, reasons=REASONS))
        config = configuration(folder, gateway.port, TENANTS, interval=INTERVAL_SECONDS)
        daemon = stack.enter_context(a_daemon(config, gateway.authority))
        daemon.wait_until_ready()
        time.sleep(WARM_UP_SECONDS)
        ours = [daemon.process]
        before = _Use.of(ours), _Use.of(theirs)
        time.sleep(MEASURED_SECONDS)
        after = _Use.of(ours), _Use.of(theirs)
    (our_cpu, our_bytes), (their_cpu, their_bytes) = (
        end.per_poll_and_sample(begin) for begin, end in zip(before, after, strict=True)
    )
    what = f"{TENANTS} tenants with {REASONS} reasons each, polled every {INTERVAL_SECONDS} s"
    peer = "Prometheus and Alertmanager"
    return [
        Figure(
            what=f"{what}: CPU for each poll",
            measured=our_cpu,
            promised=MAX_CPU_SHARE * their_cpu,
            floor=their_cpu,
            floor_what=peer,
            unit="ms",
        ),
        Figure(
            what="written to the disk for each of their samples",
            measured=our_bytes,
            promised=MAX_BYTES,
            floor=their_bytes,
            floor_what=peer,
            unit="B",
        ),
    ]


class _Counts:
    """Held messages of each tenant, that move as on a typical day each time they are scraped."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._held = [array("i", (self._random.randrange(150) for _ in range(REASONS))) for _ in range(TENANTS)]
        self._heads = [f"held_messages{{reason={json.dumps(f'Definition {number}')}}} " for number in range(REASONS)]

    def scrape(self, path: str, _: Message, __: bytes) -> bytes:
        """Return the next counts of the tenant whose number is the path."""
        held = self._held[int(path[1:])]
        for reason in range(REASONS):
            if self._random.random() < CHANGED:
                held[reason] = max(0, held[reason] + self._random.randint(-5, 5))
        lines = (f"{head}{count}\n" for head, count in zip(self._heads, held, strict=True))
        return f"# TYPE held_messages gauge\n{''.join(lines)}".encode()


@contextmanager
def _prometheus(folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    exporting = serving(_Counts().scrape, "text/plain; version=0.0.4")
    with exporting as exporter, serving(lambda *_: b"{}") as sink:
        ports = {"alertmanager": free_port(), "sink": sink, "exporter": exporter, "interval": INTERVAL_SECONDS}
        targets = "\n".join(TARGET.format(exporter=exporter, number=number) for number in range(TENANTS))
        for name, text in (("rules", RULES), ("prometheus", PROMETHEUS), ("alertmanager", ALERTMANAGER)):
            (folder / f"{name}.yml").write_text(text.format(folder=folder, targets=targets, **ports))
        web = free_port()
        commands = [
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{web}"],
            ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
             f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", "--cluster.listen-address="],
        ]  # fmt: skip
        with running(commands) as processes:
            wait_for_port(web)
            yield processes
