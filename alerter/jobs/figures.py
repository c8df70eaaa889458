"""Figures of a notification: the counts of its alerts, as they were when it was planned."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertSubject
from alerter.core.charts.figure import Band, Figure, build_figure, fixed_limits
from alerter.core.conditions import Baseline, Forecast, Growth
from alerter.core.message.content import MAX_LINES
from alerter.core.rules import Level, Rule, TenantSeries, select_series
from alerter.core.series import ALL_REASONS, ALL_TENANTS, TOLERANCE_INTERVALS, Series, Tenant, sum_of_reasons
from alerter.storage import Reader

DAY: Final = timedelta(days=1)
MIN_SPAN, MAX_SPAN = timedelta(hours=1), timedelta(days=14)
#: A week shows what is usual at this hour on other days.
BASELINE_SPAN = timedelta(days=7)
#: How many times the span that a condition compares is shown, so that what came before it is seen.
SPANS_SHOWN = 4
#: A sum over more tenants has no figure: each of them is read, while the poll's transaction waits.
MAX_SUMMED_TENANTS = 200


def figures_for(
    reader: Reader, alerts: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> Mapping[AlertSubject, Figure]:
    """Return the figures of the first alerts of a message, each with the limits of its rule and when the alert fired.

    Of an alert about polling it is all that its tenant held, as far as that is known.

    Args:
        reader: Knows the counts.
        alerts: The worst first.
        alerting: The rules, and how often tenants are polled.
        now: Where the figures end.

    Returns:
        Nothing of a tenant that is no longer polled, of a hold reason that was never seen, and of a sum over more
        tenants than can be read in a moment.
    """
    by_tenant: dict[Tenant, list[Alert]] = {}
    for alert, _ in zip(alerts, range(MAX_LINES), strict=False):
        by_tenant.setdefault(alert.key.tenant, []).append(alert)
    return {
        alert.key.subject: _figure(series, alert, alerting, now=now)
        for tenant, own in by_tenant.items()
        for alert, series in _series_of(reader, tenant, own, alerting, now=now)
        if series is not None
    }


def _figure(series: Series, alert: Alert, alerting: AlertingConfig, *, now: datetime) -> Figure:
    rule = _rule(alert, alerting)
    end_at = alert.resolved_at or now
    firing = [] if alert.fired_at is None else [
        Band(start_at=alert.fired_at, end_at=end_at, label=alert.key.rule, severity=alert.key.severity)
    ]  # fmt: skip
    return build_figure(
        series,
        start_at=now - shown_span(_level(alert, alerting)),
        end_at=now,
        limits=() if rule is None else fixed_limits([rule]),
        alerts=firing,
    )


def _series_of(
    reader: Reader, tenant: Tenant, alerts: Sequence[Alert], alerting: AlertingConfig, *, now: datetime
) -> Iterator[tuple[Alert, Series | None]]:
    """Yield the series of each alert of one tenant, or of all of them together; None where there is none to show."""
    if tenant == ALL_TENANTS:
        yield from ((alert, _sum_over_tenants(reader, alert, alerting, now=now)) for alert in alerts)
    elif tenant in alerting.poll_intervals:
        lookback = max(shown_span(_level(alert, alerting)) for alert in alerts)
        known = _tenant_series(reader, tenant, lookback, alerting, now=now)
        yield from ((alert, _series(known, alert, alerting)) for alert in alerts)


def _tenant_series(
    reader: Reader, tenant: Tenant, lookback: timedelta, alerting: AlertingConfig, *, now: datetime
) -> TenantSeries:
    return reader.history.series_for(
        tenant,
        window=lookback,
        poll_interval=alerting.poll_intervals[tenant],
        timezone=alerting.timezone_for(tenant),
        now=now,
    )


def _series(known: TenantSeries, alert: Alert, alerting: AlertingConfig) -> Series | None:
    if alert.key.reason != ALL_REASONS:
        return next((series for series in known.reasons if series.reason == alert.key.reason), None)
    rule = _rule(alert, alerting)
    takes_all = rule is None or alert.is_no_data
    summed = [each for each in known.reasons if takes_all or (rule is not None and rule.reasons.matches(each.reason))]
    return sum_of_reasons(summed) if summed else None


def _sum_over_tenants(reader: Reader, alert: Alert, alerting: AlertingConfig, *, now: datetime) -> Series | None:
    rule = _rule(alert, alerting)
    if rule is None:
        return None
    tenants = [tenant for tenant in alerting.poll_intervals if rule.tenants.matches(tenant)]
    if not 0 < len(tenants) <= MAX_SUMMED_TENANTS:
        return None
    # Each tenant must be known as far back as the sum stands for the slowest of them.
    patience = TOLERANCE_INTERVALS * max(alerting.poll_intervals[tenant] for tenant in tenants)
    lookback = shown_span(_level(alert, alerting)) + patience
    known = [_tenant_series(reader, tenant, lookback, alerting, now=now) for tenant in tenants]
    return next(iter(select_series(rule, known)), None)


def _rule(alert: Alert, alerting: AlertingConfig) -> Rule | None:
    return next((rule for rule in alerting.rules if rule.name == alert.key.rule), None)


def _level(alert: Alert, alerting: AlertingConfig) -> Level | None:
    rule = _rule(alert, alerting)
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
