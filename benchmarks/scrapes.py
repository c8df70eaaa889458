"""A scrape of thousands of tenants with dozens of reasons each."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily

from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.health import Health
from alerter.web.exposition import render_metrics
from benchmarks.figures import Figure

ROUNDS = 3
TENANTS = 10_000
REASONS = 50


def scrape() -> list[Figure]:
    """Measure the writing of half a million series against the same with the library's own families."""
    health = _health()
    return [
        Figure(
            what=f"writing {TENANTS * REASONS:,} series for a scrape",
            measured=_cpu_seconds(lambda: sum(map(len, render_metrics(health.tenants(), {})))),
            promised=1.5,
            floor=_cpu_seconds(lambda: len(generate_latest(_Family(health)))),
            floor_what="prometheus_client, the same",
            unit="s",
        ),
    ]


class _Family:
    """Held messages as a family of the library."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield it, as the library calls it."""
        family = GaugeMetricFamily("alerter_held_messages", "Held messages.", labels=("tenant", "reason"))
        for tenant in self._health.tenants():
            for reason, count in (tenant.held or {}).items():
                family.add_metric((tenant.tenant, reason), count)
        yield family


def _health() -> Health:
    health = Health(time.monotonic)
    health.track_reasons(is_wanted=True)
    tenants = [Tenant(f"tenant-{number:05}") for number in range(TENANTS)]
    health.set_tenants(dict.fromkeys(tenants, timedelta(minutes=1)))
    now = datetime.now(UTC)
    for tenant in tenants:
        counts = {HoldReason(f"Default Outbound URL Protect Definition {number}"): number for number in range(REASONS)}
        snapshot = Snapshot(tenant=tenant, taken_at=now, counts=counts)
        health.cycle_completed(tenant, seconds=0.2, cause=None, snapshot=snapshot)
    return health


def _cpu_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return median(times)
