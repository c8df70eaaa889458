"""Poll: fetch, store, evaluate and notify, in one commit; and what else changes the state of alerts."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertState, Transition, resolve_removed, shift_clock
from alerter.core.message.content import Message
from alerter.core.notifications import Notification, NotificationState
from alerter.core.routes import Receiver
from alerter.core.series import Snapshot, Tenant
from alerter.errors import SourceError
from alerter.jobs.evaluate import store_and_evaluate
from alerter.jobs.notify import AlertChanges, enqueue_notifications
from alerter.jobs.ports import Source
from alerter.storage import NeedsDatabase, Store, Transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCycle:
    """What one poll saw and decided, for the log, `alerter poll` and the demo.

    Attributes:
        tenant: Who was polled.
        at: When the answer was complete, or the poll had failed.
        snapshot: What is held; None after a failed poll.
        error: Why the poll failed; None after a good one.
        transitions: What changed.
        notifications: Who is notified of what.
        messages: The same in words, one per receiver.
    """

    tenant: Tenant
    at: datetime
    snapshot: Snapshot | None
    error: SourceError | None
    transitions: tuple[Transition, ...]
    notifications: tuple[Notification, ...]
    messages: tuple[Message, ...]


class _DryRun(Exception):
    """Leaves a transaction without committing it."""


def poll(
    tenant: Tenant, source: Source, store: Store, alerting: AlertingConfig, *, clock: Callable[[], datetime]
) -> PollCycle:
    """Fetch what a tenant's gateway holds, store it, evaluate it, and decide who is notified, in one commit.

    Args:
        tenant: Who is polled; one of the policy's.
        source: Its account.
        store: Where it is kept.
        alerting: The rules, and who is notified.
        clock: The time, read when a poll has failed; a good snapshot carries its own.

    Raises:
        StoreError: Nothing was stored, and nobody is notified; the next poll tries again.
    """
    return poll_many([(tenant, source)], store, alerting, clock=clock)[0]


def poll_many(
    polls: Iterable[tuple[Tenant, Source]], store: Store, alerting: AlertingConfig, *, clock: Callable[[], datetime]
) -> list[PollCycle]:
    """Do what `poll` does for several tenants, in one commit: a disk takes as long for one as for twenty.

    Returns:
        The cycles of those tenants that this process may poll; of another one's nothing is kept.

    Raises:
        StoreError: Nothing of any of them was kept.
    """
    fetched = [(tenant, *_fetch(source, clock)) for tenant, source in polls]
    cycle_by_tenant = _in_memory(fetched, store, alerting) if store.delays_polls else {}
    if rest := [each for each in fetched if each[0] not in cycle_by_tenant]:
        with store.write() as transaction:
            lease_state = transaction.leases.state([tenant for tenant, _, _ in rest])
            may_evaluate_all = lease_state.may_evaluate_global_rules
            for tenant, what, now in rest:
                if tenant in lease_state.tenants:
                    cycle_by_tenant[tenant] = _cycle(
                        transaction, tenant, what, alerting, may_evaluate_global_rules=may_evaluate_all, now=now
                    )
    for tenant, what, _ in fetched:
        if tenant not in cycle_by_tenant:
            log.info("poll result dropped tenant=%s: %s", tenant, "another instance polls it now")
            continue
        _log_poll(tenant, what)
        for transition in cycle_by_tenant[tenant].transitions:
            _log_transition(transition)
    return [cycle_by_tenant[tenant] for tenant, _, _ in fetched if tenant in cycle_by_tenant]


def _in_memory(
    fetched: Iterable[tuple[Tenant, Snapshot | SourceError, datetime]], store: Store, alerting: AlertingConfig
) -> dict[Tenant, PollCycle]:
    """Return the cycles of polls that change nothing but counts; these are written later."""
    cycles = {}
    for tenant, what, now in fetched:
        if isinstance(what, Snapshot):
            with suppress(NeedsDatabase), store.poll_in_memory() as transaction:
                cycles[tenant] = _cycle(transaction, tenant, what, alerting, may_evaluate_global_rules=True, now=now)
    return cycles


def poll_dry_run(
    tenant: Tenant, source: Source, store: Store, alerting: AlertingConfig, *, clock: Callable[[], datetime]
) -> PollCycle:
    """Do what `poll` does and take it all back: nothing is kept, and nothing will be sent."""
    fetched, now = _fetch(source, clock)
    cycles: list[PollCycle] = []
    try:
        with store.write() as transaction:
            cycles.append(_cycle(transaction, tenant, fetched, alerting, may_evaluate_global_rules=True, now=now))
            raise _DryRun  # noqa: TRY301 - the way out of a transaction that must not be committed
    except _DryRun:
        return cycles[0]


def reconcile(store: Store, alerting: AlertingConfig, *, now: datetime) -> list[Transition]:
    """Resolve the alerts whose rule, level or tenant has gone from the configuration, and send what no poll sends.

    Runs at start, after a reload, and every hour: a removed tenant is never polled again, so that no poll would do it,
    nor send its end once a mute that hid it has ended. A target that was never notified is notified of all that fires
    now in one message, over all tenants. While other processes share the database that have another configuration,
    nothing is taken for removed.

    Returns:
        The transitions, empty where every alert still has its rule.

    Raises:
        StoreError: Nothing was changed.
    """
    with store.write() as transaction:
        if not transaction.leases.state().may_resolve_removed:
            return []
        if transaction.outbox.targets() != alerting.addresses:
            transaction.outbox.save_targets(alerting.addresses)
        alerts = transaction.alerts.load()
        gone = [
            alert
            for alert in alerts
            if alert.state is not AlertState.INACTIVE and not alerting.rule_exists_for(alert.key)
        ]
        stepped = [resolve_removed(alert, why=alerting.removal_text(alert.key), now=now) for alert in gone]
        changed = AlertChanges([alert for alert, _ in stepped], [each for _, each in stepped if each is not None])
        notified = transaction.notifications.states()
        if gone or any(_is_believed_of_nobody(each, alerting) for each in notified):
            enqueue_notifications(transaction, alerts, changed, notified, alerting, now=now)
        elif any(alert.is_firing for alert in alerts) and (new := _new_targets(notified, alerting)):
            enqueue_notifications(transaction, alerts, changed, notified, alerting, receivers=new, now=now)
        _log_lost(alerts, notified, alerting)
    for transition in changed.transitions:
        _log_transition(transition)
    return changed.transitions


def notify_removed_tenants(store: Store, alerting: AlertingConfig, *, now: datetime) -> tuple[Message, ...]:
    """Send what no poll sends: of tenants that are polled no more, and of sums over all that are no longer made.

    A mute may have hidden their end when everybody else was notified. Where there is nothing to send it costs one read,
    also where a URL that is gone was notified.

    Raises:
        StoreError: Nobody was notified; the next run tries again.
    """
    with store.read() as reader:
        removed = [
            tenant for tenant in reader.notifications.tenants_notified_of_firing() if not alerting.can_evaluate(tenant)
        ]
        states = reader.notifications.states(removed) if removed else []
    here = {target for receiver in alerting.receivers for target in receiver.targets}
    tenants = sorted({each.subject.tenant for each in states if not each.target or each.target in here})
    if not tenants:
        return ()
    with store.write() as transaction:
        if not transaction.leases.state().may_resolve_removed:
            return ()
        alerts, notified = transaction.alerts.load(tenants), transaction.notifications.states(tenants)
        return enqueue_notifications(transaction, alerts, AlertChanges(), notified, alerting, now=now)[1]


def _is_believed_of_nobody(notified: NotificationState, alerting: AlertingConfig) -> bool:
    """Say whether a receiver believes that something fires at which no poll looks any more."""
    return notified.state is AlertState.FIRING and not alerting.can_evaluate(notified.subject.tenant)


def _new_targets(notified: Iterable[NotificationState], alerting: AlertingConfig) -> list[Receiver]:
    """Return the receivers with only those of their targets that were never notified."""
    known = {(each.receiver, each.target) for each in notified}
    new = (
        replace(receiver, targets=tuple(target for target in receiver.targets if (receiver.name, target) not in known))
        for receiver in alerting.receivers
    )
    return [receiver for receiver in new if receiver.targets]


def _log_lost(alerts: Iterable[Alert], notified: Iterable[NotificationState], alerting: AlertingConfig) -> None:
    """Log whose URLs have gone while they believe that something fires, for its end cannot be sent there."""
    firing = {alert.key.subject for alert in alerts if alert.is_firing}
    here = {target for receiver in alerting.receivers for target in receiver.targets}
    lost = Counter(
        each.receiver
        for each in notified
        if each.state is AlertState.FIRING and each.target and each.target not in here and each.subject in firing
    )
    for receiver, count in lost.items():
        log.warning("removed URL had been notified of firing alerts receiver=%s alerts=%d", receiver, count)


def shift_after_clock_jump(store: Store, *, by: timedelta, tenants: Collection[Tenant] | None = None) -> None:
    """Move the instants that spans are measured from, and retries wait for, along with a clock that has jumped.

    Args:
        store: Where they are.
        by: How far it jumped.
        tenants: Whose instants are this clock's, where several processes share the database: those that this one
            polls, if it still may. Retries wait by the database's clock then. None for everything.

    Raises:
        StoreError: Nothing was changed.
    """
    with store.write() as transaction:
        own = None if tenants is None else transaction.leases.state(tenants).tenants
        alerts = transaction.alerts.load_all() if own is None else transaction.alerts.load(own)
        moved = [shift_clock(alert, by=by) for alert in alerts]
        transaction.alerts.save(after for before, after in zip(alerts, moved, strict=True) if after != before)
        transaction.notifications.save(
            replace(notified, notified_at=notified.notified_at + by)
            for notified in transaction.notifications.states(own)
            if notified.state is AlertState.FIRING
        )
        for subject, acknowledgement in transaction.silences.acknowledgements().items():
            if own is None or subject.tenant in own:
                transaction.silences.save_acknowledgement(acknowledgement.moved(by))
        if own is None:
            _move_outbox(transaction, by)


def _move_outbox(transaction: Transaction, by: timedelta) -> None:
    for delivery in transaction.outbox.waiting():
        transaction.outbox.save_delivery(replace(delivery, next_attempt_at=delivery.next_attempt_at + by))
    for outage in transaction.outbox.outages().values():
        transaction.outbox.save_outage(replace(outage, since=outage.since + by))
    for receiver, due_at in transaction.notifications.open_groups().items():
        transaction.notifications.close_group(receiver)
        transaction.notifications.open_group(receiver, due_at=due_at + by)


def _fetch(source: Source, clock: Callable[[], datetime]) -> tuple[Snapshot | SourceError, datetime]:
    """Return what came of asking, and when: a snapshot carries its own time, a failure is of now."""
    try:
        snapshot = source.fetch()
    except SourceError as error:
        return error, clock()
    return snapshot, snapshot.taken_at


def _cycle(
    transaction: Transaction,
    tenant: Tenant,
    fetched: Snapshot | SourceError,
    alerting: AlertingConfig,
    *,
    may_evaluate_global_rules: bool,
    now: datetime,
) -> PollCycle:
    evaluated = store_and_evaluate(
        transaction, tenant, fetched, alerting, may_evaluate_global_rules=may_evaluate_global_rules, now=now
    )
    planned, messages = enqueue_notifications(
        transaction, evaluated.alerts, evaluated.changes, evaluated.notified, alerting, now=now
    )
    return PollCycle(
        tenant=tenant,
        at=now,
        snapshot=fetched if isinstance(fetched, Snapshot) else None,
        error=None if isinstance(fetched, Snapshot) else fetched,
        transitions=tuple(evaluated.changes.transitions),
        notifications=planned.notifications,
        messages=messages,
    )


def _log_poll(tenant: Tenant, fetched: Snapshot | SourceError) -> None:
    if isinstance(fetched, Snapshot):
        held = sum(fetched.counts.values())
        log.info("poll succeeded tenant=%s reason_count=%d held_messages=%d", tenant, len(fetched.counts), held)
        return
    level = logging.ERROR if fetched.cause.needs_action else logging.WARNING
    said = (tenant, fetched.cause, fetched.request_id, fetched.detail)
    log.log(level, "poll failed tenant=%s cause=%s request_id=%s: %s", *said)


def _log_transition(transition: Transition) -> None:
    key = transition.key
    log.info(
        "alert changed from_state=%s to_state=%s alert=%s rule=%s severity=%s tenant=%s reason=%s detail=%s",
        transition.from_state, transition.to_state, key.id, key.rule, key.severity, key.tenant, key.reason,
        transition.detail,
    )  # fmt: skip
