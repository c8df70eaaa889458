"""Weekly reports: plan each once, when it is due, by one instance.

Which reports were planned is known by their ids in the outbox, which depend on the receiver and the day: a restart, an
edit of the time on that day or another instance plans none again. One that could not be planned for half a day is left
out, so that nobody gets those of the weeks before.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertKey
from alerter.core.conditions import InputKind
from alerter.core.message.report import build_report_message, weekly_report_id
from alerter.core.outbox import TargetName, is_on_call
from alerter.core.review import (
    MAX_REPORT_DELAY,
    WEEK,
    Episode,
    TenantWeek,
    WeeklyReport,
    build_episodes,
    review_episodes,
    tenant_week,
    with_reactions,
)
from alerter.core.routes import Receiver, Route, TargetId
from alerter.core.selectors import MATCH_ALL
from alerter.core.series import ALL_TENANTS, Span, Tenant
from alerter.storage import Reader, Store

log = logging.getLogger(__name__)


def load_episodes(
    reader: Reader,
    span: Span,
    *,
    labels_by_tenant: Mapping[Tenant, Mapping[str, str]],
    takes: Callable[[AlertKey], bool] = lambda _: True,
) -> list[Episode]:
    """Return the episodes that began in a span, with what people did about them.

    Args:
        reader: Knows them.
        span: The span; its end is the present, or a short time ago.
        labels_by_tenant: The labels of each tenant that has any.
        takes: Returns True for an alert that is wanted.
    """
    changes = [each for each in reader.alerts.firing_changes(since=span.start_at, until=span.end_at) if takes(each.key)]
    live = [alert for alert in reader.alerts.load_live() if takes(alert.key)]
    episodes = build_episodes(changes, live)
    subjects = {each.subject for each in episodes}
    return with_reactions(
        episodes,
        sent_at=reader.outbox.sent_times(since=span.start_at, until=span.end_at),
        acknowledgements=reader.actions.acknowledged_at(subjects, since=span.start_at, until=span.end_at),
        silences=reader.silences.silences(since=span.start_at),
        labels_by_tenant=labels_by_tenant,
    )


def enqueue_weekly_reports(
    store: Store, alerting: AlertingConfig, *, pause: Callable[[], bool] = lambda: False, now: datetime
) -> int:
    """Plan the reports that are due; return how many.

    Args:
        store: Has what they say, and takes them.
        alerting: Who gets one, and when.
        pause: Called after each tenant that was read: there may be thousands. Returns True if there is no more time.
        now: The instant.

    Raises:
        StoreError: The next run tries again.
    """
    planned = 0
    for receiver in alerting.receivers:
        due = _due_at(receiver, now=now)
        # An incident that nothing closes is no place for a report.
        targets = {name: each for name, each in alerting.targets_for(receiver.name).items() if not is_on_call(name)}
        if due is not None and targets:
            planned += _enqueue(store, alerting, receiver, due, targets, pause=pause, now=now)
    return planned


def _due_at(receiver: Receiver, *, now: datetime) -> datetime | None:
    """Return when the report was due that may still be sent; None if there is none."""
    if receiver.weekly_report is None:
        return None
    due = receiver.weekly_report.last_due_at(now=now)
    return due if now - due <= MAX_REPORT_DELAY else None


def _enqueue(
    store: Store,
    alerting: AlertingConfig,
    receiver: Receiver,
    due: datetime,
    targets: Mapping[TargetName, TargetId],
    *,
    pause: Callable[[], bool],
    now: datetime,
) -> bool:
    """Plan a report unless it was planned before; return True if it is planned now."""
    id_ = weekly_report_id(receiver.name, due.astimezone(alerting.context.timezone).date().isoformat())
    with store.read() as reader:
        if reader.outbox.has_message(id_):
            return False
    with store.write() as transaction:
        # Before thousands of tenants are read in vain; only a writer knows which instance leads.
        if not transaction.leases.state().is_leader:
            return False
    report = _load(store, alerting, receiver, Span(due - WEEK, due), pause=pause)
    if report is None:
        return False
    message = build_report_message(report, receiver.name, alerting.context, id_=id_, now=now)
    with store.write() as transaction:
        if transaction.outbox.has_message(id_) or not transaction.leases.state().is_leader:
            return False
        transaction.outbox.enqueue(message, targets)
    log.info("weekly report planned receiver=%s alerts=%d", receiver.name, report.review.summary.episodes)
    return True


def _load(
    store: Store, alerting: AlertingConfig, receiver: Receiver, week: Span, *, pause: Callable[[], bool]
) -> WeeklyReport | None:
    """Return what a receiver's report says; None if nothing was polled in the week, or there is no time.

    It is about the tenants and alerts that the receiver's routes take; one that no route names gets all of them.
    """
    ways = [route for route in alerting.routes if receiver.name in route.receivers]
    tenants = [name for name in alerting.poll_intervals if name not in alerting.muted_tenants]
    if ways:
        tenants = [name for name in tenants if any(route.tenants.matches(name) for route in ways)]
    weeks = []
    for name in tenants:
        weeks.append(_week(store, alerting, name, week))
        if pause():
            return None
    if not any(each.held is not None for each in weeks):
        return None

    takes = _taken_by(ways, alerting)
    with store.read() as reader:
        episodes = load_episodes(reader, week, labels_by_tenant=alerting.context.labels_by_tenant, takes=takes)
        firing = {alert.key.subject for alert in reader.alerts.load_live() if alert.is_firing and takes(alert.key)}
    return WeeklyReport(review=review_episodes(episodes, week), tenants=tuple(weeks), firing=len(firing))


def _taken_by(ways: Sequence[Route], alerting: AlertingConfig) -> Callable[[AlertKey], bool]:
    """Return which alerts are a receiver's; of a tenant that is muted or was removed, none."""
    on_polling = {rule.name for rule in alerting.rules if rule.input_kind is InputKind.POLLING}
    tenants = {ALL_TENANTS, *alerting.poll_intervals} - alerting.muted_tenants
    # As a route itself has it: missing data concerns every hold reason.
    of_polling = [replace(route, reasons=MATCH_ALL) for route in ways]

    def takes(key: AlertKey) -> bool:
        routes = of_polling if key.rule in on_polling else ways
        return key.tenant in tenants and (not ways or any(route.matches(Alert(key=key)) for route in routes))

    return takes


def _week(store: Store, alerting: AlertingConfig, name: Tenant, week: Span) -> TenantWeek:
    with store.read() as reader:
        found = reader.history.series_for(
            name, window=WEEK, poll_interval=alerting.poll_intervals[name], now=week.end_at
        )
        return tenant_week(found, week)
