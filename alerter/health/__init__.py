"""Health of this process: the outcomes of its poll cycles and deliveries since it started.

The watchdog, the heartbeat and the metrics ask it. It counts in memory, so that a counter begins again with the
process, as Prometheus expects; whatever must outlive a restart is in the database. No I/O; threads share it.
"""

from alerter.health.accounts import CycleStatus, TenantHealth
from alerter.health.durations import DURATION_BOUNDS, CycleDurations
from alerter.health.outcomes import ChartOutcome, ConfigRecord, DeliveryOutcome, PingOutcome
from alerter.health.whole import ENOUGH_TENANTS, MAX_COMPLAINTS, Health

__all__ = [
    "DURATION_BOUNDS",
    "ENOUGH_TENANTS",
    "MAX_COMPLAINTS",
    "ChartOutcome",
    "ConfigRecord",
    "CycleDurations",
    "CycleStatus",
    "DeliveryOutcome",
    "Health",
    "PingOutcome",
    "TenantHealth",
]
