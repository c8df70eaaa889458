"""Process metrics from the kernel, under the names that every Prometheus client gives them.

prometheus_client has a collector for that, which shows nothing where /proc/stat is hidden, as our unit hides it
(`ProcSubset=pid`): it would compute the start of the process from it, which the service knows better.
"""

import os
import resource
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_SELF: Final = Path("/proc/self")


def process_metrics(started_at: datetime | None) -> Iterator[Metric]:
    """Yield memory, CPU and descriptors, as far as the system shows them, and since when the service runs."""
    used = os.times()
    yield CounterMetricFamily("process_cpu_seconds", "User and system CPU time of it.", used.user + used.system)
    yield GaugeMetricFamily(
        "process_max_fds", "How many descriptors it may have open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    )
    if started_at is not None:
        yield GaugeMetricFamily("process_start_time_seconds", "When the service was started.", started_at.timestamp())
    try:
        total, resident, *_ = map(int, (_SELF / "statm").read_text().split())
        descriptors = sum(1 for _ in (_SELF / "fd").iterdir())
    except OSError:
        return
    page_bytes = resource.getpagesize()
    yield GaugeMetricFamily("process_virtual_memory_bytes", "Virtual memory of the process.", total * page_bytes)
    yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of the process.", resident * page_bytes)
    yield GaugeMetricFamily("process_open_fds", "Descriptors that the process has open.", descriptors)
