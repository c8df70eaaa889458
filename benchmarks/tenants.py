"""Ten thousand tenants with fifty reasons each, polled each minute over TLS by one daemon, on this machine.

A poll is late by how much its question comes to Mimecast after the tenant's slot. After a start the tenants get their
first polls one after the other, and keep their slots from then on: so each tenant counts from its first poll on, and it
is said how long the last one waited for that.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGTERM

import requests
import trustme

from alerter.core.series import Tenant
from alerter.service.slots import next_slot, startup_spread
from benchmarks.figures import Figure
from benchmarks.gateway import HOOK, SECRET, client_of, everybody_file
from benchmarks.peers import OWN_RULES

TENANTS, REASONS = 10_000, 50
INTERVAL = timedelta(minutes=1)
LATENCY_SECONDS = 0.1
MINUTES = 10
#: The first polls are spread over so long.
FIRST_ROUND_SECONDS = startup_spread(TENANTS).total_seconds() * 1.5
LATE_SECONDS = 5
#: A poll of a slot this close to the end of a run may still be on its way.
MARGIN_SECONDS = 10
BARE_POLLS = 300
CONFIGURATION = """
[service]
poll_interval = "{interval}s"
{service}
[receivers.hook]
urls = ["jsons://localhost:{port}{hook}"]
"""
TENANT = '[tenants.{name}]\nbase_url = "https://localhost:{port}"\nclient_id = "{client}"\nclient_secret = "{secret}"\n'


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a daemon did.

    Attributes:
        ready: Seconds from its start until it said that it is ready.
        everybody: Seconds from its first poll to the first poll of the last tenant.
        first_share: The share of a core that it took in that time.
        lags: By how many seconds each poll after a tenant's first one was late, shortest first.
        share: The share of a core that it took when everybody had been polled.
        resident: Its largest resident memory in MiB.
        oversleeping: By how many seconds a process that only sleeps woke late in all that time, at most.
        bare: CPU seconds that a question takes that is asked with requests, and nothing else.
    """

    ready: float
    everybody: float
    first_share: float
    lags: Sequence[float]
    share: float
    resident: float
    oversleeping: float
    bare: float

    def lag(self, part: float) -> float:
        """Return by how many seconds this part of the polls was late at most."""
        return self.lags[min(int(len(self.lags) * part), len(self.lags) - 1)]


def figures(minutes: float = MINUTES, tenants: int = TENANTS) -> list[Figure]:
    """Measure a start with an empty database, and so many minutes after everybody's first poll."""
    run = measured(minutes, tenants)
    print(
        f"{tenants:,} tenants: ready after {run.ready:.1f} s, everybody polled once {run.everybody:.0f} s later with "
        f"{run.first_share:.0%} of a core; {len(run.lags):,} polls from then on were late by {run.lag(0.5):.2f} s "
        f"(half of them), {run.lag(0.99):.2f} s (99 %), {run.lag(1):.2f} s (all)",
        file=sys.stderr,
    )
    what = f"{tenants:,} tenants with {REASONS} reasons each, polled each minute for {minutes:g} minutes"
    minute = INTERVAL.total_seconds()
    return [
        Figure(
            what=f"{what}: the latest poll",
            measured=run.lag(1),
            promised=LATE_SECONDS,
            floor=run.oversleeping,
            floor_what="a process that only sleeps",
            unit="s",
        ),
        Figure(
            what="their first polls after a start: the last one",
            measured=run.everybody,
            promised=FIRST_ROUND_SECONDS,
            floor=minute,
            floor_what="one interval",
            unit="s",
        ),
        Figure(
            what="CPU for all of it, once everybody was polled",
            measured=100 * run.share,
            promised=70,
            floor=100 * run.bare * tenants / minute,
            floor_what="asking alone, with requests",
            unit="% of a core",
        ),
        Figure(
            what="resident memory, at most",
            measured=run.resident,
            promised=1024,
            floor=_bare_memory(tenants),
            floor_what="the newest counts alone, as Python keeps them",
            unit="MiB",
        ),
    ]


def measured(minutes: float, tenants: int) -> Run:
    """Run a daemon that has no database yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(a_gateway(folder, tenants))
        with a_daemon(configuration(folder, gateway.port, tenants), gateway.authority) as daemon:
            ready = daemon.wait_until_ready()
            watch = _Watch(daemon.cpu_seconds)
            watch.go_on(until=gateway.has_met_everybody, at_most=3 * FIRST_ROUND_SECONDS)
            watch.go_on(until=lambda: False, at_most=minutes * 60)
            resident = daemon.peak_mebibytes()
        bare = _bare_cpu(gateway)
        asked = gateway.asked()
    end = watch.looks[-1][0] - MARGIN_SECONDS
    firsts = [times[0] for times in asked.values() if times] + [end] * sum(not times for times in asked.values())
    return Run(
        ready=ready,
        everybody=max(firsts) - min(firsts),
        first_share=watch.share(watch.looks[0][0], max(firsts)),
        lags=sorted(lag for tenant, times in asked.items() for lag in lags(tenant, times, end)),
        share=watch.share(max(firsts), end),
        resident=resident,
        oversleeping=watch.oversleeping,
        bare=bare,
    )


def lags(tenant: Tenant, times: Sequence[float], end: float, *, since: float | None = None) -> Iterator[float]:
    """Yield by how many seconds each poll after the first was late; one that never came, by all the time there was.

    A slot that comes so soon after the first question that it would not be late has been met by it.

    Args:
        tenant: Whose polls they are.
        times: When Mimecast was asked for it, oldest first.
        end: Slots after this are left out.
        since: Slots before this are left out, too.
    """
    if not times:
        return
    begun_at = datetime.fromtimestamp(times[0] + LATE_SECONDS if since is None else since, UTC)
    slot = next_slot(tenant, INTERVAL, now=begun_at).timestamp()
    while slot < end:
        index = bisect_left(times, slot)
        yield (times[index] if index < len(times) else end + MARGIN_SECONDS) - slot
        slot += INTERVAL.total_seconds()


class _Watch:
    """Looks again and again at what a process takes, and notes by how much its own naps were too long.

    Nobody on this machine can be more punctual than who does nothing but sleep.

    Attributes:
        looks: The instants in seconds since 1970, each with the CPU seconds so far.
        oversleeping: How much too long a nap was at most, in seconds.
    """

    NAP_SECONDS = 0.25

    def __init__(self, cpu_seconds: Callable[[], float]) -> None:
        self._cpu_seconds = cpu_seconds
        self.looks = [(time.time(), cpu_seconds())]
        self.oversleeping = 0.0

    def go_on(self, *, until: Callable[[], bool], at_most: float) -> None:
        """Look until something is so, for so many seconds at most."""
        end = time.monotonic() + at_most
        while not until() and time.monotonic() < end:
            begun = time.monotonic()
            time.sleep(self.NAP_SECONDS)
            self.oversleeping = max(self.oversleeping, time.monotonic() - begun - self.NAP_SECONDS)
            self.looks.append((time.time(), self._cpu_seconds()))

    def share(self, since: float, until: float) -> float:
        """Return the share of a core between two instants."""
        within = [look for look in self.looks if since <= look[0] <= until]
        return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])


def name_of(number: int) -> Tenant:
    """Return a tenant's name."""
    return Tenant(f"tenant-{number:05}")


def configuration(
    folder: Path, port: int, tenants: int, *, interval: int = int(INTERVAL.total_seconds()), service: str = ""
) -> Path:
    """Write the configuration of a daemon, with more keys of its `[service]`, and return where it is."""
    names = [
        TENANT.format(name=name_of(number), port=port, client=client_of(number), secret=SECRET)
        for number in range(tenants)
    ]
    config = folder / "rules.toml"
    text = CONFIGURATION.format(interval=interval, port=port, hook=HOOK, service=service)
    config.write_text(text + OWN_RULES + "".join(names))
    config.chmod(0o600)
    return config


@dataclass
class _Gateway:
    """A Mimecast in a process of its own.

    Attributes:
        process: It.
        port: Where it listens.
        authority: The file of the authority behind its certificate.
        notes: Where it writes who asked when, once it ends.
        tenants: How many tenants it has.
        waves: When it was asked for a tenant with a wave, and told of it; once it has ended.
    """

    process: "subprocess.Popen[str]"
    port: int
    authority: Path
    notes: Path
    tenants: int
    waves: Sequence[Mapping[str, float]] = ()

    def has_met_everybody(self) -> bool:
        """Say whether it was asked for each tenant."""
        return everybody_file(self.notes).exists()

    def asked(self) -> dict[Tenant, list[float]]:
        """End it; return when it was asked for each tenant, in seconds since 1970, oldest first."""
        self.process.send_signal(SIGTERM)
        said = json.loads(self.process.communicate(timeout=30)[0])
        self.waves = said["waves"]
        if said["refused"]:
            sys.exit(f"the gateway refused {said['refused']} requests")
        numbers, times = array("i"), array("d")
        with self.notes.open("rb") as file:
            numbers.fromfile(file, said["polls"])
            times.fromfile(file, said["polls"])
        asked: dict[Tenant, list[float]] = {name_of(number): [] for number in range(self.tenants)}
        for number, at in zip(numbers, times, strict=True):
            asked[name_of(number)].append(at)
        return asked


@contextmanager
def a_gateway(folder: Path, tenants: int, *, reasons: int = REASONS, limited: str = "") -> Iterator[_Gateway]:
    """Yield a Mimecast that runs in a process of its own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    arguments = [str(tenants), str(reasons), str(LATENCY_SECONDS), str(folder / "server.pem"), str(folder / "notes")]
    command = [sys.executable, "-m", "benchmarks.gateway", *arguments, *([limited] if limited else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        try:
            yield _Gateway(process, int(process.stdout.readline()), folder / "ca.pem", folder / "notes", tenants)
        finally:
            process.terminate()


class _Daemon:
    """`alerter run`, whose log goes to a file as it would go to the journal."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self._begun = time.monotonic()

    def wait_until_ready(self) -> float:
        """Return after how many seconds it was."""
        while " ready tenants=" not in self._log.read_text():
            if self.process.poll() is not None or time.monotonic() - self._begun > 120:  # noqa: PLR2004 - two minutes
                sys.exit(f"the daemon did not become ready:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        return time.monotonic() - self._begun

    def cpu_seconds(self) -> float:
        """Return what it took of all cores so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def seconds_to_stop(self) -> float:
        """Send it SIGTERM; return after how many seconds it has ended."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - begun

    def peak_mebibytes(self) -> float:
        """Return its largest resident memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@contextmanager
def a_daemon(config: Path, authority: Path) -> Iterator[_Daemon]:
    """Yield a daemon that does not outlive the block."""
    log = config.parent / "log"
    command = [sys.executable, "-m", "alerter", "run", "--config", str(config)]
    environment = os.environ | {"REQUESTS_CA_BUNDLE": str(authority)}
    with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr, env=environment) as process:
        try:
            yield _Daemon(process, log)
        finally:
            process.terminate()
            process.wait(60)


def _bare_cpu(gateway: _Gateway) -> float:
    """Return the CPU seconds that a question takes with requests over a connection that is kept."""
    url = f"https://localhost:{gateway.port}"
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(gateway.authority)
        form = {"client_id": client_of(0), "client_secret": SECRET, "grant_type": "client_credentials"}
        token = session.post(f"{url}/oauth/token", data=form, timeout=10).json()["access_token"]
        begun = time.process_time()
        for _ in range(BARE_POLLS):
            session.post(
                f"{url}/api/gateway/get-hold-summary-list",
                json={"data": []},
                headers={"Authorization": f"Bearer {token}"},
                timeout=10,
            ).json()
        return (time.process_time() - begun) / BARE_POLLS


def _bare_memory(tenants: int) -> float:
    """Return the MiB of a process that holds the newest counts of everybody, and nothing else."""
    script = (
        "import random\n"
        f"names = [f'Definition {{number}}' for number in range({REASONS})]\n"
        f"held = [{{name: random.randrange(1000) for name in names}} for _ in range({tenants})]\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return int(said) / 1024
