"""Tell: keep what has changed, and put into the outbox what each receiver must be told of it."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import Policy
from alerter.core.alerts import Alert, AlertState, Topic, Transition, is_worth_keeping
from alerter.core.message.content import Message
from alerter.core.message.render import compose_message
from alerter.core.mutes import LONGEST_SILENCE, Mutes
from alerter.core.notifications import Plan, Receiver, Told, plan, settled
from alerter.core.outbox import worst_of_each_topic
from alerter.jobs.ports import Reader, Store, Transaction

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Changes:
    """The alerts that are not as they were, and the transitions among that."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)


def tell(
    transaction: Transaction,
    alerts: list[Alert],
    changes: Changes,
    told: list[Told],
    policy: Policy,
    *,
    receivers: Sequence[Receiver] | None = None,
    now: datetime,
) -> tuple[Plan, tuple[Message, ...]]:
    """Keep the changes, and put into the outbox what each receiver must be told of them.

    An alert that was found as it is kept is not written again. What a receiver with a `group_wait` must be told is left
    to `tell_groups`: here its collection begins. What it need not be told is noted all the same.

    Args:
        transaction: Where it is kept.
        alerts: As they were before.
        changes: What has changed of them.
        told: What targets were last told.
        policy: Whom to tell, and how.
        receivers: Those who are to be told now; None for all.
        now: The instant.
    """
    kept = {alert.key: alert for alert in alerts}
    news = [alert for alert in changes.alerts if is_worth_keeping(kept.get(alert.key), alert)]
    if news:
        transaction.save_alerts(news)
    if changes.transitions:
        transaction.add_transitions(changes.transitions)
    present = _present(alerts, changes)
    whom = policy.receivers if receivers is None else receivers
    is_worse = any(alert.is_firing for alert in news)
    planned = _decide(transaction, present, told, whom, policy, may_break=is_worse, now=now)
    waits = {receiver.name: receiver.group_wait for receiver in policy.receivers if receiver.group_wait}
    for notification in planned.notifications:
        if notification.receiver.name in waits:
            transaction.open_group(notification.receiver.name, due_at=now + waits[notification.receiver.name])
    at_once = planned.without(waits)
    changed = {transition.key.topic for transition in changes.transitions}
    return at_once, _send(transaction, at_once, policy, changed, now=now)


def tell_groups(store: Store, policy: Policy, *, now: datetime) -> tuple[Message, ...]:
    """Tell the receivers whose `group_wait` is over all that was collected for them, over all tenants.

    Raises:
        StoreError: Nothing was told; the next run tries again.
    """
    with store.read() as reader:
        due = set(reader.due_groups(now=now))
    if not due:
        return ()
    with store.write() as transaction:
        standing = transaction.standing()
        receivers = [receiver for receiver in policy.receivers if receiver.name in due]
        if not standing.may_remove:
            # Another one may know those that are not in this configuration.
            due = {receiver.name for receiver in receivers}
        if not standing.is_member or not due:
            return ()
        planned = _decide(transaction, transaction.alerts(), transaction.told(), receivers, policy, now=now)
        for name in due:
            transaction.close_group(name)
        changed = {notice.alert.key.topic for each in planned.held_back for notice in each.notices}
        return _send(transaction, planned, policy, changed, now=now)


def firing_for(
    reader: Reader, alerts: Collection[Alert], receiver: Receiver, policy: Policy, *, now: datetime
) -> tuple[Alert, ...]:
    """Return all that fires now for a receiver, the worst first: what it was told of, and what it would be told of.

    Args:
        reader: Knows what the receiver was told.
        alerts: At least all that are not inactive.
        receiver: Who is asked for.
        policy: Where alerts go.
        now: The instant of the decision.
    """
    told = [entry for entry in reader.told({alert.key.tenant for alert in alerts}) if entry.receiver == receiver.name]
    planned = _plan(reader, alerts, told, (receiver,), policy, now=now)
    new = (notice.alert.key.topic for each in (*planned.notifications, *planned.held_back) for notice in each.notices)
    topics = {*new, *(entry.topic for entry in told if entry.state is AlertState.FIRING)}
    firing = [alert for alert in alerts if alert.is_firing and alert.key.topic in topics]
    heard = [alert for alert in firing if _is_routed(alert, receiver, policy)]
    still_known = topics - {alert.key.topic for alert in heard}
    return worst_of_each_topic([*heard, *(alert for alert in firing if alert.key.topic in still_known)])


def _is_routed(alert: Alert, receiver: Receiver, policy: Policy) -> bool:
    return not policy.routes or any(
        receiver.name in route.receivers and route.matches(alert) for route in policy.routes
    )


def next_group_at(store: Store) -> datetime | None:
    """Return when the next collection ends, or None where nothing is being collected."""
    with store.read() as reader:
        return reader.next_group_at()


def _present(alerts: Iterable[Alert], changes: Changes) -> Collection[Alert]:
    return ({alert.key: alert for alert in alerts} | {alert.key: alert for alert in changes.alerts}).values()


def _decide(
    transaction: Transaction,
    alerts: Collection[Alert],
    told: Sequence[Told],
    receivers: Sequence[Receiver],
    policy: Policy,
    *,
    may_break: bool = False,
    now: datetime,
) -> Plan:
    """Return the plan, and keep what it takes for granted: where targets are now, and what has broken."""
    known = settled(told, policy.receivers)
    if known.left:
        transaction.forget_told(known.left)
        transaction.save_told(known.moved)
    planned = _plan(transaction, alerts, known.told, receivers, policy, may_break=may_break, now=now)
    for acknowledgement in planned.broken:
        transaction.break_acknowledgement(acknowledgement)
    return planned


def _plan(
    reader: Reader,
    alerts: Collection[Alert],
    told: Sequence[Told],
    receivers: Sequence[Receiver],
    policy: Policy,
    *,
    may_break: bool = False,
    now: datetime,
) -> Plan:
    """Return the plan; mutes and budgets are read only where there is something to keep quiet or to hold back.

    Args:
        reader: Knows them.
        alerts: As they are now.
        told: What targets were last told.
        receivers: Those who are to be told now.
        policy: Whom to tell, and how.
        may_break: Whether an alert fires that is otherwise than before, and may break an acknowledgement.
        now: The instant.
    """
    if not alerts:
        return Plan()
    # A window of a route may be open here and over where the tenant is.
    where = Mutes(timezones=policy.timezones)
    planned = plan(alerts, told, receivers, policy.routes, mutes=where, now=now)
    is_news = bool(planned.told or planned.noted)
    acknowledgements = reader.acknowledgements() if is_news or may_break else {}
    if not is_news and not any(alert.key.topic in acknowledgements for alert in alerts):
        return planned
    mutes = Mutes(
        silences=reader.silences(since=now - LONGEST_SILENCE),
        acknowledgements=acknowledgements,
        windows_by_rule=policy.windows_by_rule,
        muted_tenants=policy.muted_tenants,
        timezones=policy.timezones,
        labels_by_tenant=policy.context.labels_by_tenant,
    )
    budgets = reader.budgets(since=now - HOUR, until=now)
    return plan(alerts, told, receivers, policy.routes, mutes=mutes, budgets=budgets, now=now)


def _send(
    transaction: Transaction, planned: Plan, policy: Policy, changed: Collection[Topic], *, now: datetime
) -> tuple[Message, ...]:
    messages = tuple(compose_message(each, policy.context, now=now) for each in planned.notifications)
    if planned.told or planned.noted:
        begun = {
            (each.receiver.name, target): message.id
            for each, message in zip(planned.notifications, messages, strict=True)
            for target in each.targets
        }
        told = [_with_thread(entry, begun[entry.receiver, entry.target]) for entry in planned.told]
        transaction.save_told([*told, *planned.noted])
    for notification, message in zip(planned.notifications, messages, strict=True):
        transaction.enqueue(message, policy.targets_of(notification))
        transaction.reset_held_back(message.receiver)
    for held_back in planned.held_back:
        # What was held back before is planned again at every poll; only news would have been a message of its own.
        if held_back.is_about(changed):
            log.warning("message held back by max_per_hour receiver=%s", held_back.receiver.name)
            transaction.hold_back(held_back.receiver.name)
    return messages


def _with_thread(told: Told, message_id: str) -> Told:
    """Return what was told with the message that began it, which later messages answer."""
    return replace(told, thread=message_id) if not told.thread and told.state is AlertState.FIRING else told
