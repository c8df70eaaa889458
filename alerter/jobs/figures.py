"""Figures of a notification: the counts of its alerts, as they were when it was planned."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertSubject
from alerter.core.charts.figure import Figure, build_figure
from alerter.core.conditions import Baseline, Forecast, Growth
from alerter.core.message.content import MAX_LINES
from alerter.core.rules import Level, TenantSeries
from alerter.core.series import ALL_REASONS, Series, Tenant, sum_of_reasons
from alerter.storage import Reader

DAY: Final = timedelta(days=1)
MIN_SPAN, MAX_SPAN = timedelta(hours=1), timedelta(days=14)
#: A week shows what is usual at this hour on other days.
BASELINE_SPAN = timedelta(days=7)
#: How many times the span that a condition compares is shown, so that what came before it is seen.
SPANS_SHOWN = 4


def figures_for(
    reader: Reader, alerts: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> Mapping[AlertSubject, Figure]:
    """Return the figures of the first alerts of a message; what is about all tenants together has none.

    Of an alert about polling it is all that its tenant held, as far as that is known.

    Args:
        reader: Knows the counts.
        alerts: The worst first.
        alerting: The rules, and how often tenants are polled.
        now: Where the figures end.
    """
    by_tenant: dict[Tenant, list[Alert]] = {}
    for alert, _ in zip(alerts, range(MAX_LINES), strict=False):
        if alert.key.tenant in alerting.poll_intervals:
            by_tenant.setdefault(alert.key.tenant, []).append(alert)
    return {
        topic: figure
        for tenant, own in by_tenant.items()
        for topic, figure in _of_tenant(reader, tenant, own, alerting, now=now).items()
    }


def _of_tenant(
    reader: Reader, tenant: Tenant, alerts: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> dict[AlertSubject, Figure]:
    spans = {alert.key.topic: shown_span(_level(alert, alerting)) for alert in alerts}
    known = reader.history.series_for(
        tenant,
        window=max(spans.values()),
        poll_interval=alerting.poll_intervals[tenant],
        timezone=alerting.timezone_for(tenant),
        now=now,
    )
    found = ((topic, _series(known, topic), span) for topic, span in spans.items())
    return {
        topic: build_figure(series, start_at=now - span, end_at=now)
        for topic, series, span in found
        if series is not None
    }


def _series(known: TenantSeries, topic: AlertSubject) -> Series | None:
    if topic.reason == ALL_REASONS:
        return sum_of_reasons(known.reasons) if known.reasons else None
    return next((series for series in known.reasons if series.reason == topic.reason), None)


def _level(alert: Alert, alerting: AlertingConfig) -> Level | None:
    rule = next((rule for rule in alerting.rules if rule.name == alert.key.rule), None)
    return None if rule is None else rule.levels.get(alert.key.severity)


def shown_span(level: Level | None) -> timedelta:
    """Return how far back a figure goes: a day, or what makes clear why a condition that compares is active."""
    spans = [_span(condition) for condition in level.conditions] if level is not None else []
    return min(max([span for span in spans if span is not None] or [DAY]), MAX_SPAN)


def _span(condition: object) -> timedelta | None:
    match condition:
        case Growth(over=over):
            return max(SPANS_SHOWN * over, MIN_SPAN)
        case Forecast(fit_over=fit_over):
            return max(SPANS_SHOWN * fit_over, MIN_SPAN)
        case Baseline():
            return BASELINE_SPAN
        case _:
            return None
