"""Notify: store what has changed, and put into the outbox what each receiver must be notified of."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertState, AlertSubject, Transition, needs_write
from alerter.core.message.content import Message
from alerter.core.message.render import compose_message
from alerter.core.mutes import MuteSet
from alerter.core.notifications import Notification, NotificationPlan, NotificationState, plan, settled
from alerter.core.outbox import is_on_call, worst_of_each_subject
from alerter.core.routes import Receiver
from alerter.core.silences import MAX_SILENCE
from alerter.jobs.figures import figures_for
from alerter.jobs.renames import renames_for
from alerter.storage import Reader, Store, Transaction

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """The alerts that are not as they were, and the transitions among that."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)


def enqueue_notifications(
    transaction: Transaction,
    alerts: list[Alert],
    changes: AlertChanges,
    notified: list[NotificationState],
    alerting: AlertingConfig,
    *,
    receivers: Sequence[Receiver] | None = None,
    now: datetime,
) -> tuple[NotificationPlan, tuple[Message, ...]]:
    """Store the changes, and put into the outbox what each receiver must be notified of.

    An alert that is unchanged is not written again. What a receiver with a `group_wait` must be notified of is left
    to `flush_groups`: here its collection begins. What it need not be notified of is noted all the same.

    Args:
        transaction: Where it is kept.
        alerts: As they were before.
        changes: What has changed of them.
        notified: What targets were last notified of.
        alerting: Whom to notify, and how.
        receivers: Those who are to be notified now, for their targets are new; None for all.
        now: The instant.
    """
    kept = {alert.key: alert for alert in alerts}
    news = [alert for alert in changes.alerts if needs_write(kept.get(alert.key), alert)]
    if news:
        transaction.alerts.save(news)
    if changes.transitions:
        transaction.alerts.add_transitions(changes.transitions)
    present = _present(alerts, changes)
    whom = alerting.receivers if receivers is None else receivers
    planned = _decide(transaction, present, notified, whom, alerting, now=now)
    waits = {receiver.name: receiver.group_wait for receiver in alerting.receivers if receiver.group_wait}
    for notification in planned.notifications:
        if notification.receiver.name in waits:
            transaction.notifications.open_group(
                notification.receiver.name, due_at=now + waits[notification.receiver.name]
            )
    at_once = planned.without(waits)
    if receivers is not None:
        introduced = tuple(replace(each, is_introduction=True) for each in at_once.notifications)
        at_once = replace(at_once, notifications=introduced)
    changed = {transition.key.subject for transition in changes.transitions}
    return at_once, _send(transaction, at_once, alerting, changed, now=now)


def flush_groups(store: Store, alerting: AlertingConfig, *, now: datetime) -> tuple[Message, ...]:
    """Notify the receivers whose `group_wait` is over of all that was collected for them, over all tenants.

    Raises:
        StoreError: Nobody was notified; the next run tries again.
    """
    with store.read() as reader:
        due = set(reader.notifications.due_groups(now=now))
    if not due:
        return ()
    with store.write() as transaction:
        lease_state = transaction.leases.state()
        receivers = [receiver for receiver in alerting.receivers if receiver.name in due]
        if not lease_state.may_resolve_removed:
            # Another one may know those that are not in this configuration.
            due = {receiver.name for receiver in receivers}
        if not lease_state.is_member or not due:
            return ()
        planned = _decide(
            transaction, transaction.alerts.load(), transaction.notifications.states(), receivers, alerting, now=now
        )
        for name in due:
            transaction.notifications.close_group(name)
        changed = {item.alert.key.subject for each in planned.suppressed for item in each.items}
        return _send(transaction, planned, alerting, changed, now=now)


def firing_for(
    reader: Reader, alerts: Collection[Alert], receiver: Receiver, alerting: AlertingConfig, *, now: datetime
) -> tuple[Alert, ...]:
    """Return all that fires now for a receiver, the worst first: what it was or would be notified of.

    Args:
        reader: Knows what the receiver was notified of.
        alerts: At least all that are not inactive.
        receiver: Who is asked for.
        alerting: Where alerts go.
        now: The instant of the decision.
    """
    notified = [
        entry
        for entry in reader.notifications.states({alert.key.tenant for alert in alerts})
        if entry.receiver == receiver.name
    ]
    planned = _plan(reader, alerts, notified, (receiver,), alerting, now=now)
    new = (item.alert.key.subject for each in (*planned.notifications, *planned.suppressed) for item in each.items)
    subjects = {*new, *(entry.subject for entry in notified if entry.state is AlertState.FIRING)}
    firing = [alert for alert in alerts if alert.is_firing and alert.key.subject in subjects]
    is_routed = [alert for alert in firing if _is_routed(alert, receiver, alerting)]
    still_known = subjects - {alert.key.subject for alert in is_routed}
    return worst_of_each_subject([*is_routed, *(alert for alert in firing if alert.key.subject in still_known)])


def _is_routed(alert: Alert, receiver: Receiver, alerting: AlertingConfig) -> bool:
    return not alerting.routes or any(
        receiver.name in route.receivers and route.matches(alert) for route in alerting.routes
    )


def next_flush_at(store: Store) -> datetime | None:
    """Return when the next collection ends, or None where nothing is being collected."""
    with store.read() as reader:
        return reader.notifications.next_flush_at()


def _present(alerts: Iterable[Alert], changes: AlertChanges) -> Collection[Alert]:
    return ({alert.key: alert for alert in alerts} | {alert.key: alert for alert in changes.alerts}).values()


def _decide(
    transaction: Transaction,
    alerts: Collection[Alert],
    notified: Sequence[NotificationState],
    receivers: Sequence[Receiver],
    alerting: AlertingConfig,
    *,
    now: datetime,
) -> NotificationPlan:
    """Return the plan, and keep what it takes for granted: where targets are now, and what has broken."""
    known = settled(notified, alerting.receivers)
    if known.left:
        transaction.notifications.delete(known.left)
        transaction.notifications.save(known.moved)
    planned = _plan(transaction, alerts, known.notified, receivers, alerting, now=now)
    for acknowledgement in planned.broken:
        transaction.silences.break_acknowledgement(acknowledgement)
    return planned


def _plan(
    reader: Reader,
    alerts: Collection[Alert],
    notified: Sequence[NotificationState],
    receivers: Sequence[Receiver],
    alerting: AlertingConfig,
    *,
    now: datetime,
) -> NotificationPlan:
    """Return the plan; mutes and hourly limits are read only where there is something to mute or to suppress.

    An acknowledgement is read wherever something fires: it may break now, or it is broken and somebody is yet to be
    notified of that, because of a `group_wait`, a mute or `max_per_hour`.

    Args:
        reader: Knows them.
        alerts: As they are now.
        notified: What targets were last notified of.
        receivers: Those who are to be notified now.
        alerting: Whom to notify, and how.
        now: The instant.
    """
    if not alerts:
        return NotificationPlan()
    # A window of a route may be open here and over where the tenant is.
    where = MuteSet(timezones=alerting.timezones)
    planned = plan(alerts, notified, receivers, alerting.routes, mutes=where, now=now)
    is_news = bool(planned.notified or planned.noted)
    acknowledgements = reader.silences.acknowledgements() if is_news or any(alert.is_firing for alert in alerts) else {}
    if not is_news and not any(alert.key.subject in acknowledgements for alert in alerts):
        return planned
    mutes = MuteSet(
        silences=reader.silences.silences(since=now - MAX_SILENCE),
        acknowledgements=acknowledgements,
        windows_by_rule=alerting.windows_by_rule,
        muted_tenants=alerting.muted_tenants,
        timezones=alerting.timezones,
        labels_by_tenant=alerting.context.labels_by_tenant,
    )
    hourly_limits = reader.notifications.hourly_limits(since=now - HOUR, until=now)
    return plan(alerts, notified, receivers, alerting.routes, mutes=mutes, hourly_limits=hourly_limits, now=now)


def _send(
    transaction: Transaction,
    planned: NotificationPlan,
    alerting: AlertingConfig,
    changed: Collection[AlertSubject],
    *,
    now: datetime,
) -> tuple[Message, ...]:
    messages = tuple(_compose(transaction, each, alerting, now=now) for each in planned.notifications)
    if planned.notified or planned.noted:
        begun = {
            (each.receiver.name, target): message.id
            for each, message in zip(planned.notifications, messages, strict=True)
            for target in each.targets
        }
        notified = [_with_thread(entry, begun[entry.receiver, entry.target]) for entry in planned.notified]
        transaction.notifications.save([*notified, *planned.noted])
    for notification, message in zip(planned.notifications, messages, strict=True):
        transaction.outbox.enqueue(message, alerting.targets_of(notification))
        transaction.notifications.reset_suppressed(message.receiver)
    for notification in planned.unsent_ends:
        # Nobody is notified, but nothing stays open.
        targets = {name: target for name, target in alerting.targets_of(notification).items() if is_on_call(name)}
        if targets:
            transaction.outbox.enqueue(_compose(transaction, notification, alerting, now=now), targets)
    # What was suppressed before is planned again at every poll; only news would have been a message of its own.
    for name in dict.fromkeys(each.receiver.name for each in planned.suppressed if each.is_about(changed)):
        log.warning("notification suppressed receiver=%s", name)
        transaction.notifications.add_suppressed(name)
    return messages


def _compose(reader: Reader, notification: Notification, alerting: AlertingConfig, *, now: datetime) -> Message:
    alerts = [item.alert for item in notification.items]
    figures = figures_for(reader, alerts, alerting, now=now)
    renames = renames_for(reader, alerts, alerting, now=now)
    return compose_message(notification, alerting.context, figures=figures, renames=renames, now=now)


def _with_thread(notified: NotificationState, message_id: str) -> NotificationState:
    """Return the states with the message that began each, which later messages answer."""
    return (
        replace(notified, thread=message_id)
        if not notified.thread and notified.state is AlertState.FIRING
        else notified
    )
