"""The metrics that do not grow with the number of tenants, as families of prometheus_client.

Read at the time of a scrape, not kept beside the account: a counter here is the account's own number.
"""

import platform
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from alerter import __version__
from alerter.core.alerts import AlertState
from alerter.core.outbox import TargetName
from alerter.core.rules import Severity
from alerter.health import DURATION_BOUNDS, ConfigRecord, Health
from alerter.web.processes import process_metrics
from alerter.web.sources import DatabaseCounts, MetricsInput

_TARGET: Final = ("receiver", "target")


def build_registry(sources: MetricsInput) -> CollectorRegistry:
    """Return a registry that collects from these sources, and what the kernel says of the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Account(sources))
    return registry


class _Account(Collector):
    """Collects what the service knows of itself."""

    def __init__(self, sources: MetricsInput) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        health = self._sources.health
        yield from process_metrics(self._sources.started_at())
        yield _build_info()
        yield from _configuration(health.configuration())
        yield from _tenants(health)
        yield from _cycles(health)
        yield from _sent(health)
        stored = self._sources.stored()
        yield _gauge("database_up", "Whether the database could be read for this scrape.", int(stored is not None))
        if stored is not None:
            yield _gauge(
                "instances",
                "How many services that live share the tenants; 1 where this one has the database for itself.",
                stored.instances,
            )
            yield _alerts(stored)
            yield from _outbox(stored, {target for target, _ in health.deliveries()})


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"alerter_{name}", documentation, value=value)


def _build_info() -> Metric:
    family = GaugeMetricFamily(
        "alerter_build_info", "The version of alerter and of Python; always 1.", labels=("version", "python_version")
    )
    family.add_metric((__version__, platform.python_version()), 1)
    return family


def _configuration(record: ConfigRecord | None) -> Iterator[Metric]:
    if record is None:
        return
    yield _gauge(
        "config_last_reload_successful",
        "Whether the configuration, when it was read last, was taken; 0 means that an older one is in force.",
        int(record.is_in_force),
    )
    yield _gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration that is in force was read.",
        record.loaded_at.timestamp(),
    )


def _tenants(health: Health) -> Iterator[Metric]:
    cycles = health.newest_cycles().values()
    yield _gauge("tenants", "How many tenants are polled.", health.tenant_count())
    yield _gauge("tenants_overdue", "Tenants without a complete cycle for too long.", len(health.overdue()))
    yield _gauge(
        "tenants_cycle_failed",
        "Tenants whose last poll cycle failed, as when the database is locked.",
        sum(not cycle.is_complete for cycle in cycles),
    )
    yield _gauge(
        "tenants_poll_failed",
        "Tenants whose last poll failed, though the cycle was completed.",
        sum(cycle.cause is not None for cycle in cycles),
    )


def _cycles(health: Health) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "alerter_cycle_failures",
        "Poll cycles that failed: nothing of them was stored.",
        health.failed_cycles(),
    )
    durations = health.durations()
    bounds = [*map(floatToGoString, DURATION_BOUNDS), "+Inf"]
    totals = [sum(durations.counts[: index + 1]) for index in range(len(bounds))]
    yield HistogramMetricFamily(
        "alerter_cycle_duration_seconds",
        "How long cycles took, from asking Mimecast to the commit, complete or not.",
        buckets=[*zip(bounds, totals, strict=True)],
        sum_value=durations.seconds,
    )


def _sent(health: Health) -> Iterator[Metric]:
    deliveries = CounterMetricFamily(
        "alerter_deliveries",
        "Attempts to deliver a message: sent, failed (tried again later), or dead (given up).",
        labels=(*_TARGET, "outcome"),
    )
    for (target, outcome), number in health.deliveries().items():
        deliveries.add_metric((*_labels(target), outcome), number)
    yield deliveries
    pings = CounterMetricFamily("alerter_heartbeat_pings", "Pings of the heartbeat.", labels=("outcome",))
    for ping, number in health.pings().items():
        pings.add_metric((ping,), number)
    yield pings
    charts = CounterMetricFamily(
        "alerter_charts",
        "Pictures of messages: sent, or why a message went without one (failed, late, missing, refused).",
        labels=("outcome",),
    )
    for chart, number in health.charts().items():
        charts.add_metric((chart,), number)
    yield charts


def _alerts(stored: DatabaseCounts) -> Metric:
    alerts = GaugeMetricFamily("alerter_alerts", "Alerts that are pending or firing.", labels=("severity", "state"))
    for state in (AlertState.PENDING, AlertState.FIRING):
        for severity in Severity:
            alerts.add_metric((severity, state), stored.alerts.get((state, severity), 0))
    return alerts


def _outbox(stored: DatabaseCounts, targets: set[TargetName]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("alerter_outbox_deliveries", "Deliveries that wait for a target.", labels=_TARGET)
    oldest = GaugeMetricFamily(
        "alerter_outbox_oldest_delivery_timestamp_seconds",
        "When the oldest delivery that waits for a target was planned; missing where nothing waits.",
        labels=_TARGET,
    )
    for target in sorted(targets | stored.backlog_by_target.keys()):
        backlog = stored.backlog_by_target.get(target)
        depth.add_metric(_labels(target), backlog.deliveries if backlog else 0)
        if backlog:
            oldest.add_metric(_labels(target), backlog.oldest_at.timestamp())
    yield depth
    yield oldest


def _labels(target: TargetName) -> tuple[str, str]:
    """Return a target's receiver and name: a target is called `<receiver>/<scheme>`."""
    return target.partition("/")[0], target
