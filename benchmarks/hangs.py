"""Two thousand tenants of which a fifth begin to hang, then all, and come back: what the others notice of it.

One in twenty is rate limited all the time, and one in a hundred has a name that does not resolve. A poll of a healthy
tenant is late by how much its request comes to Mimecast after the tenant's slot.
"""

import re
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGUSR1

from alerter.core.series import Tenant
from alerter.service.slots import startup_spread
from benchmarks.figures import Figure
from benchmarks.gateway import LOST, is_healthy
from benchmarks.tenants import LATE_SECONDS, MARGIN_SECONDS, a_daemon, a_gateway, configuration, lags, name_of

TENANTS, REASONS, INTERVAL = 2_000, 30, timedelta(minutes=1)
#: How long each stage lasts: all answer, a fifth hangs, all hang, all are back, all hang for a moment before the end.
STAGE_SECONDS = (90, 180, 120, 150, 20)
MANY_TENANTS = 10_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a daemon did.

    Attributes:
        lags_by_stage: By how many seconds the polls of healthy tenants were late, shortest first; of the two stages in
            which there are some, and of the last one once everybody may be back.
        back: Seconds from when all answer again until the last tenant was polled.
        waves: Seconds from a breach to its message: before anybody hangs, and after all are back.
        unwell: How many of the answers of `/healthz` were not 200.
        resident: Its largest resident memory in MiB.
        stop: Seconds from SIGTERM to its end, while all hang.
    """

    lags_by_stage: Sequence[Sequence[float]]
    back: float
    waves: Sequence[float]
    unwell: int
    resident: float
    stop: float


def figures(tenants: int = TENANTS) -> list[Figure]:
    """Measure it."""
    run = measured(tenants)
    before, hanging, after = run.lags_by_stage
    what = f"{tenants:,} tenants polled each minute, of which a fifth begins to hang"
    print(
        f"{what}: healthy polls late by {_worst(before):.2f} s before, {_worst(hanging):.2f} s while a fifth hangs "
        f"({len(hanging):,} tenants), {_worst(after):.2f} s after all hung; all polled {run.back:.0f} s after they "
        f"were back; breaches told after {', '.join(f'{each:.2f} s' for each in run.waves)}; "
        f"{run.unwell} answers of /healthz not 200; {run.resident:.0f} MiB; stopped in {run.stop:.2f} s",
        file=sys.stderr,
    )
    if run.unwell:
        sys.exit(f"{run.unwell} answers of /healthz were not 200")
    return [
        Figure(
            what=f"{what}: the latest poll of the others",
            measured=_worst(hanging),
            promised=LATE_SECONDS,
            floor=max(_worst(before), 0.001),
            floor_what="the latest before",
            unit="s",
        ),
        Figure(
            what="a breach at one of the others, until its message is there",
            measured=run.waves[1],
            promised=LATE_SECONDS,
            floor=run.waves[0],
            floor_what="before anybody hangs",
            unit="s",
        ),
        Figure(
            what="all hang, and come back: until everybody was polled again",
            measured=run.back,
            promised=2 * INTERVAL.total_seconds(),
            floor=INTERVAL.total_seconds(),
            floor_what="one interval",
            unit="s",
        ),
        Figure(
            what="resident memory in all that time, at most",
            measured=run.resident,
            promised=200 if tenants <= TENANTS else 1024,
            floor=run.resident,
            floor_what="itself",
            unit="MiB",
        ),
        Figure(
            what="from SIGTERM to the end, a moment after all have begun to hang",
            measured=run.stop,
            promised=2,
            floor=max(run.stop, 0.001),
            floor_what="itself",
            unit="s",
        ),
    ]


def figures_of_many() -> list[Figure]:
    """Measure the same with ten thousand tenants."""
    return figures(MANY_TENANTS)


def measured(tenants: int) -> Run:
    """Run a daemon that has no database yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(a_gateway(folder, tenants, reasons=REASONS, limited="limited"))
        port = _free_port()
        config = configuration(folder, gateway.port, tenants, service=f'listen = "127.0.0.1:{port}"')
        config.write_text(_with_lost_hosts(config.read_text()))
        begun: list[float] = []
        unwell = 0
        with a_daemon(config, gateway.authority) as daemon:
            daemon.wait_until_ready()
            time.sleep(1.5 * startup_spread(tenants).total_seconds() + 5)
            for seconds in STAGE_SECONDS:
                gateway.process.send_signal(SIGUSR1)
                begun.append(time.time())
                unwell += _watch(port, seconds)
            resident = daemon.peak_mebibytes()
            stop = daemon.seconds_to_stop()
        asked = gateway.asked()
    healthy = [name_of(number) for number in range(tenants) if is_healthy(number)]
    _, hanging, all_hang, back, end = begun
    spans = (begun[0], hanging), (hanging, all_hang), (back + INTERVAL.total_seconds(), end)
    by_stage = [sorted(_late(asked[name], name, since, until) for name in healthy) for since, until in spans]
    first_back = [min((at for at in asked[name] if at > back), default=end) - back for name in healthy]
    waves = [wave["told"] - wave["asked"] for wave in gateway.waves]
    return Run(lags_by_stage=by_stage, back=max(first_back), waves=waves, unwell=unwell, resident=resident, stop=stop)


def _late(times: Sequence[float], name: Tenant, since: float, end: float) -> float:
    """Return by how many seconds the latest poll of a tenant was late whose slots lie between two instants."""
    return max(lags(name, times, end - MARGIN_SECONDS, since=since), default=0.0)


def _worst(sorted_lags: Sequence[float]) -> float:
    return sorted_lags[-1] if sorted_lags else 0.0


def _with_lost_hosts(text: str) -> str:
    """Return the configuration with a host that does not resolve for one tenant in a hundred."""
    lost = f"(\\[tenants\\.tenant-\\d{{3}}{LOST:02}\\]\nbase_url = .https://)localhost"
    return re.sub(lost, r"\1lost.invalid", text)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _watch(port: int, seconds: float) -> int:
    """Ask how the daemon is, every two seconds; return how often it was not well, or did not say so within a second."""
    unwell, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            unwell += connection.getresponse().status != 200  # noqa: PLR2004 - HTTP
        except OSError:
            unwell += 1
        finally:
            connection.close()
        time.sleep(2)
    return unwell
