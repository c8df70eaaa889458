"""Renamed policies of a notification: which of its hold reasons go on under another name, as was known at the poll."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertSubject
from alerter.core.message.content import MAX_LINES
from alerter.core.renames import Rename, renames_of
from alerter.core.series import ALL_REASONS, OTHERS_LOOKBACK, Tenant
from alerter.storage import Reader


def renames_for(
    reader: Reader, alerts: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> Mapping[AlertSubject, Rename]:
    """Return the renames of the last day that the first alerts of a message are about, by either name.

    Only the tenant of an alert whose reason holds nothing any more, or is new, is looked at as a whole.

    Args:
        reader: Knows the counts.
        alerts: The worst first.
        alerting: How often tenants are polled.
        now: By what was known then.
    """
    by_tenant: dict[Tenant, list[Alert]] = {}
    for alert, _ in zip(alerts, range(MAX_LINES), strict=False):
        if alert.key.reason != ALL_REASONS and alert.key.tenant in alerting.poll_intervals:
            by_tenant.setdefault(alert.key.tenant, []).append(alert)
    return {
        alert.key.subject: rename
        for tenant, own in by_tenant.items()
        for rename in _renames(reader, tenant, own, alerting, now=now)
        for alert in own
        if alert.key.reason in {rename.old, rename.new}
    }


def _renames(
    reader: Reader, tenant: Tenant, alerts: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> list[Rename]:
    found = reader.history.series_for(
        tenant, window=OTHERS_LOOKBACK, poll_interval=alerting.poll_intervals[tenant], now=now
    )
    since = now - OTHERS_LOOKBACK
    empty = {alert.key.reason for alert in alerts if not alert.value}
    named = {alert.key.reason for alert in alerts}
    firsts = (each.first_held_at for each in found.reasons if each.reason in named)
    is_new = (first is not None and first >= since for first in firsts)
    return renames_of(found.reasons, since=since, now=now) if empty or any(is_new) else []
