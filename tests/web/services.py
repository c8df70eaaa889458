"""A service that has something to show in every metric, and what it shows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from wsgiref.util import setup_testing_defaults

from prometheus_client.parser import text_string_to_metric_families

from alerter.core.alerts import AlertState
from alerter.core.outbox import TargetBacklog, TargetName
from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.errors import Cause
from alerter.health import ChartOutcome, Health, PingOutcome
from alerter.web.pages import WebApp
from alerter.web.sources import DatabaseCounts, MetricsInput
from tests.builders import NOON, a_delivery, a_snapshot

ACME, OTHER = Tenant("acme"), Tenant("other")
SLACK, TEAMS = TargetName("secops/slack"), TargetName("secops/workflows")
LABELS = {ACME: {"team": 'blue "moon"'}}
STORED = DatabaseCounts(
    alerts={(AlertState.FIRING, Severity.CRITICAL): 2, (AlertState.PENDING, Severity.WARNING): 1},
    backlog_by_target={SLACK: TargetBacklog(deliveries=3, oldest_at=NOON - timedelta(hours=1))},
    instances=2,
)


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now


def a_health(held: Mapping[str, int] | None = None, *, seconds: Seconds | None = None) -> Health:
    """Return the account of a service with two tenants, of which one holds messages and the other cannot be polled."""
    health = Health(seconds or Seconds())
    health.track_reasons(is_wanted=True)
    health.config_loaded([SLACK, TEAMS], now=NOON)
    health.set_tenants(dict.fromkeys((ACME, OTHER), timedelta(minutes=5)))
    snapshot = a_snapshot({"Spam": 5, "Links": 2} if held is None else held)
    health.cycle_completed(ACME, seconds=0.3, cause=None, snapshot=snapshot)
    health.cycle_completed(OTHER, seconds=12, cause=Cause.TIMEOUT)
    health.record_delivery(a_delivery(target=SLACK))
    health.record_delivery(replace(a_delivery(target=SLACK), sent_at=NOON))
    health.record_ping(PingOutcome.SENT)
    health.chart_tried(ChartOutcome.SENT)
    return health


def sources_of(health: Health, stored: DatabaseCounts | None = STORED) -> MetricsInput:
    """Return what the pages of a service are made of."""
    return MetricsInput(
        health=health,
        problems=health.problems,
        stored=lambda: stored,
        labels=lambda: LABELS,
        started_at=lambda: NOON,
    )


def metrics_of(sources: MetricsInput) -> str:
    """Return the page `/metrics`."""
    environ: dict[str, object] = {"PATH_INFO": "/metrics"}
    setup_testing_defaults(environ)
    return b"".join(WebApp(sources, hosts=lambda: ("127.0.0.1",))(environ, lambda *_: lambda _: None)).decode()


def samples_of(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of a page: its name and labels, and its value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
