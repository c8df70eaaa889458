"""The use cases, each a short list of steps: poll, reconcile, deliver, prune. It names the ports that it needs.

Three rules hold everything together:

1. Network outside, one transaction inside: `poll` fetches first, then writes the snapshot, the alerts, their
   transitions, what was told and the outbox in one commit. A failed poll takes the same way without samples.
2. A delivery is recorded after it succeeded, never before: at least once.
3. `plan` is level-triggered: it compares what is true with what each receiver was last told.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, after_clock_jump, remove, step
from alerter.core.formats import compose
from alerter.core.messages import Context, Message
from alerter.core.notifications import Notification, Plan, Receiver, ReceiverName, Route, Told, plan
from alerter.core.outbox import Delivery, TargetName, after_failure, after_success, claimed, due, next_due_at
from alerter.core.rules import Per, Rule, TenantSeries, evaluate, series_of
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Series, Snapshot, Tenant
from alerter.errors import DeliveryError, SourceError

log = logging.getLogger(__name__)

RULE_REMOVED = "rule removed"


class Source(Protocol):
    """A Mimecast account."""

    def fetch(self) -> Snapshot:
        """Return what is held now.

        Raises:
            SourceError: The poll failed; nothing is known.
        """
        ...


class Reader(Protocol):
    """A consistent view of what is stored."""

    def tenants(self) -> list[Tenant]:
        """Return every tenant that was ever polled."""
        ...

    def tenant_series(
        self, tenant: Tenant, *, window: timedelta, poll_interval: timedelta, now: datetime
    ) -> TenantSeries:
        """Return the series of a tenant, at least as far back as the window."""
        ...

    def alerts(self, tenants: Collection[Tenant] | None = None) -> list[Alert]:
        """Return the alerts that are or were not inactive."""
        ...

    def told(self, tenants: Collection[Tenant] | None = None) -> list[Told]:
        """Return what receivers were last told."""
        ...

    def waiting_deliveries(self) -> list[Delivery]:
        """Return the deliveries that are neither sent nor dead."""
        ...

    def message(self, message_id: str) -> Message:
        """Return a message."""
        ...


class Transaction(Reader, Protocol):
    """Everything of a cycle, or nothing."""

    def add_snapshot(self, snapshot: Snapshot, *, poll_interval: timedelta) -> None:
        """Keep what a good poll saw."""
        ...

    def add_failure(self, tenant: Tenant, error: SourceError, *, at: datetime) -> None:
        """Keep that a poll failed, and why."""
        ...

    def save_alerts(self, alerts: Iterable[Alert]) -> None:
        """Keep the state of alerts."""
        ...

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append to the history."""
        ...

    def save_told(self, told: Iterable[Told]) -> None:
        """Keep what receivers were told."""
        ...

    def enqueue(self, message: Message, targets: Sequence[TargetName]) -> None:
        """Put a message into the outbox, one delivery per target."""
        ...

    def save_delivery(self, delivery: Delivery) -> None:
        """Keep what became of an attempt."""
        ...

    def prune(self, *, before: datetime) -> int:
        """Delete a batch of history older than `before`; return how many rows went."""
        ...


class Store(Protocol):
    """The database.

    Every method of it and of its transactions may raise StoreError; then nothing of the transaction was kept.
    """

    def write(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that is committed as a whole, or not at all."""
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Open a consistent view."""
        ...


class Notifier(Protocol):
    """The way to Slack, Teams, a mailbox and wherever else Apprise can reach."""

    def deliver(self, message: Message, url: str) -> None:
        """Send a message to one target.

        Raises:
            DeliveryError: The target did not take it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration decides, as the use cases need it.

    Attributes:
        rules: Every rule, also the built-in ones.
        poll_intervals: How often each tenant is polled; a tenant that is missing here was removed.
        receivers: All receivers, in the configuration's order.
        targets: The names of each receiver's targets.
        routes: Where alerts go.
        context: What messages need to know besides the alerts.
    """

    rules: tuple[Rule, ...]
    poll_intervals: Mapping[Tenant, timedelta]
    receivers: tuple[Receiver, ...]
    targets: Mapping[ReceiverName, tuple[TargetName, ...]]
    routes: tuple[Route, ...]
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one poll saw and decided, for the log, `alerter poll` and the demo.

    Attributes:
        tenant: Who was polled.
        at: When the answer was complete, or the poll had failed.
        snapshot: What is held; None after a failed poll.
        error: Why the poll failed; None after a good one.
        transitions: What changed.
        notifications: Who is told what.
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


def poll(tenant: Tenant, source: Source, store: Store, policy: Policy, *, clock: Callable[[], datetime]) -> Cycle:
    """Fetch what a tenant's gateway holds, keep it, judge it, and decide who is told, in one commit.

    Args:
        tenant: Who is polled; one of the policy's.
        source: Its account.
        store: Where it is kept.
        policy: The rules, and who is told.
        clock: The time, read when a poll has failed; a good snapshot carries its own.

    Raises:
        StoreError: Nothing was kept, and nobody is told; the next poll tries again.
    """
    fetched = _fetch(source)
    now = fetched.taken_at if isinstance(fetched, Snapshot) else clock()
    with store.write() as transaction:
        cycle = _cycle(transaction, tenant, fetched, policy, now=now)
    _log_poll(tenant, fetched)
    for transition in cycle.transitions:
        _log_transition(transition)
    return cycle


def poll_dry(tenant: Tenant, source: Source, store: Store, policy: Policy, *, clock: Callable[[], datetime]) -> Cycle:
    """Do what `poll` does and take it all back: nothing is kept, and nothing will be sent."""
    fetched = _fetch(source)
    now = fetched.taken_at if isinstance(fetched, Snapshot) else clock()
    cycles: list[Cycle] = []
    try:
        with store.write() as transaction:
            cycles.append(_cycle(transaction, tenant, fetched, policy, now=now))
            raise _DryRun  # noqa: TRY301 - the way out of a transaction that must not be committed
    except _DryRun:
        return cycles[0]


def reconcile(store: Store, policy: Policy, *, now: datetime) -> list[Transition]:
    """Resolve the alerts whose rule, level or tenant has gone from the configuration, and tell it.

    Runs at start and after a reload: a removed tenant is never polled again, so no poll would do it.

    Returns:
        The transitions, empty where every alert still has its rule.

    Raises:
        StoreError: Nothing was changed.
    """
    with store.write() as transaction:
        alerts = transaction.alerts()
        gone = [alert for alert in alerts if alert.state is not AlertState.INACTIVE and not _is_known(alert, policy)]
        stepped = [remove(alert, why=RULE_REMOVED, now=now) for alert in gone]
        changed = _Changes([alert for alert, _ in stepped], [each for _, each in stepped if each is not None])
        if gone:
            _tell(transaction, alerts, changed, transaction.told(), policy, now=now)
    for transition in changed.transitions:
        _log_transition(transition)
    return changed.transitions


def follow_clock(store: Store, *, by: timedelta) -> None:
    """Move the instants that spans are measured from, and retries wait for, along with a clock that has jumped.

    Raises:
        StoreError: Nothing was changed.
    """
    with store.write() as transaction:
        alerts = transaction.alerts()
        moved = [after_clock_jump(alert, by=by) for alert in alerts]
        transaction.save_alerts(after for before, after in zip(alerts, moved, strict=True) if after != before)
        for delivery in transaction.waiting_deliveries():
            transaction.save_delivery(replace(delivery, next_attempt_at=delivery.next_attempt_at + by))


def deliver(
    store: Store,
    notifier: Notifier,
    urls: Mapping[TargetName, str],
    *,
    clock: Callable[[], datetime],
    map_: Callable[[Callable[[Delivery], Delivery], Iterable[Delivery]], Iterable[Delivery]] = map,
    is_stopping: Callable[[], bool] = lambda: False,
) -> list[Delivery]:
    """Send what is due, each target's oldest message first, and record each outcome as soon as it is known.

    Args:
        store: The outbox.
        notifier: The way out.
        urls: Where each target is; a delivery to a target that has gone waits until it is back, or dead.
        clock: The time, read after each attempt.
        map_: How to go through the targets; a thread pool's `map` sends to them at the same time.
        is_stopping: Asked between rounds: what is left then is sent after the next start.

    Returns:
        The deliveries that were tried, as they are now.

    Raises:
        StoreError: An outcome could not be recorded: that message may be sent again.
    """

    def attempt(delivery: Delivery) -> Delivery:
        message = messages[delivery.message_id]
        with store.write() as transaction:
            transaction.save_delivery(claimed(delivery, now=clock()))
        after = _attempt(delivery, message, notifier, urls.get(delivery.target), clock=clock)
        with store.write() as transaction:
            transaction.save_delivery(after)
        _log_delivery(after, message)
        return after

    tried: list[Delivery] = []
    while not is_stopping():
        with store.read() as reader:
            ready = due(reader.waiting_deliveries(), now=clock())
            messages = {delivery.message_id: reader.message(delivery.message_id) for delivery in ready}
        if not ready:
            return tried
        tried.extend(map_(attempt, ready))
    return tried


def next_delivery_at(store: Store) -> datetime | None:
    """Return when the next delivery is due, or None where the outbox is empty."""
    with store.read() as reader:
        return next_due_at(reader.waiting_deliveries())


def prune(store: Store, *, before: datetime) -> int:
    """Delete history older than `before`, in batches that hold nobody up; return how many rows went.

    Raises:
        StoreError: What the batches before it deleted stays deleted.
    """
    pruned = 0
    while True:
        with store.write() as transaction:
            rows = transaction.prune(before=before)
        pruned += rows
        if not rows:
            return pruned


@dataclass(frozen=True, slots=True)
class _Changes:
    """The alerts that are not as they were, and the transitions among that."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)


def _fetch(source: Source) -> Snapshot | SourceError:
    try:
        return source.fetch()
    except SourceError as error:
        return error


def _cycle(
    transaction: Transaction, tenant: Tenant, fetched: Snapshot | SourceError, policy: Policy, *, now: datetime
) -> Cycle:
    if isinstance(fetched, Snapshot):
        transaction.add_snapshot(fetched, poll_interval=policy.poll_intervals[tenant])
    else:
        transaction.add_failure(tenant, fetched, at=now)
    scope = [tenant, ALL_TENANTS]
    alerts = transaction.alerts(scope)
    changes = _judge(_rules_with_series(transaction, tenant, policy, now=now), alerts, tenant, policy, now=now)
    planned, messages = _tell(transaction, alerts, changes, transaction.told(scope), policy, now=now)
    return Cycle(
        tenant=tenant,
        at=now,
        snapshot=fetched if isinstance(fetched, Snapshot) else None,
        error=None if isinstance(fetched, Snapshot) else fetched,
        transitions=tuple(changes.transitions),
        notifications=planned.notifications,
        messages=messages,
    )


def _rules_with_series(
    reader: Reader, tenant: Tenant, policy: Policy, *, now: datetime
) -> list[tuple[Rule, list[Series]]]:
    """Return each rule that looks at the tenant with the series that it judges."""
    window = max((rule.window for rule in policy.rules), default=timedelta(0))

    def load(name: Tenant) -> TenantSeries:
        interval = policy.poll_intervals[name]
        return reader.tenant_series(name, window=window, poll_interval=interval, now=now)

    own = load(tenant)
    everyone: list[TenantSeries] = []
    if any(rule.scope is Per.ALL and rule.tenants.matches(tenant) for rule in policy.rules):
        everyone = [own if name == tenant else load(name) for name in policy.poll_intervals]
    return [
        (rule, series_of(rule, everyone if rule.scope is Per.ALL else [own]))
        for rule in policy.rules
        if rule.tenants.matches(tenant)
    ]


def _judge(
    judged: list[tuple[Rule, list[Series]]], alerts: list[Alert], tenant: Tenant, policy: Policy, *, now: datetime
) -> _Changes:
    """Step every alert of the rules, and resolve those of the tenant that no rule stands behind any more."""
    alert_by_key = {alert.key: alert for alert in alerts}
    seen: set[AlertKey] = set()
    changes = _Changes()
    for rule, series_list in judged:
        for severity, level in rule.levels.items():
            for series in series_list:
                key = AlertKey(rule=rule.name, severity=severity, tenant=series.tenant, reason=series.reason)
                seen.add(key)
                before = alert_by_key.get(key)
                alert = before or Alert(key=key)
                evaluation = evaluate(level, series, firing=alert.is_firing, now=now)
                _note(changes, alert, *step(alert, evaluation, level, now=now))
    for alert in alerts:
        is_orphan = alert.key not in seen and (alert.key.tenant == tenant or not _is_known(alert, policy))
        if is_orphan and alert.state is not AlertState.INACTIVE:
            _note(changes, alert, *remove(alert, why=RULE_REMOVED, now=now))
    return changes


def _note(changes: _Changes, before: Alert, after: Alert, transition: Transition | None) -> None:
    # An alert that nothing happened to is the same object.
    if after is not before:
        changes.alerts.append(after)
    if transition is not None:
        changes.transitions.append(transition)


def _is_known(alert: Alert, policy: Policy) -> bool:
    """Say whether a rule, a level and a tenant of the configuration still stand behind the alert."""
    key = alert.key
    return any(
        rule.name == key.rule and key.severity in rule.levels and _is_in_scope(rule, key.tenant, key.reason, policy)
        for rule in policy.rules
    )


def _is_in_scope(rule: Rule, tenant: Tenant, reason: HoldReason, policy: Policy) -> bool:
    if rule.scope is Per.ALL:
        return tenant == ALL_TENANTS and any(map(rule.tenants.matches, policy.poll_intervals))
    if tenant not in policy.poll_intervals or not rule.tenants.matches(tenant):
        return False
    return reason == ALL_REASONS if rule.scope is Per.TENANT else rule.reasons.matches(reason)


def _tell(
    transaction: Transaction, alerts: list[Alert], changes: _Changes, told: list[Told], policy: Policy, *, now: datetime
) -> tuple[Plan, tuple[Message, ...]]:
    """Keep the changes, and put into the outbox what each receiver must be told of them."""
    present = {alert.key: alert for alert in alerts} | {alert.key: alert for alert in changes.alerts}
    planned = plan(present.values(), told, policy.receivers, policy.routes, now=now)
    messages = tuple(compose(each, policy.context, now=now) for each in planned.notifications)
    if changes.alerts:
        transaction.save_alerts(changes.alerts)
    if changes.transitions:
        transaction.add_transitions(changes.transitions)
    if planned.told:
        transaction.save_told(planned.told)
    for message in messages:
        transaction.enqueue(message, policy.targets[message.receiver])
    return planned, messages


def _attempt(
    delivery: Delivery, message: Message, notifier: Notifier, url: str | None, *, clock: Callable[[], datetime]
) -> Delivery:
    try:
        if url is None:
            raise DeliveryError(f"target {delivery.target!r} is no longer in the configuration")  # noqa: TRY301
        notifier.deliver(message, url)
    except DeliveryError as error:
        return after_failure(
            delivery, str(error), permanent=error.permanent, retry_after=error.retry_after, now=clock()
        )
    except Exception as error:
        # A bug in the way out must not have one message tried for ever, nor block its target: it takes the retries.
        log.exception("message not sent target=%s: a bug in alerter", delivery.target)
        return after_failure(delivery, type(error).__name__, permanent=False, retry_after=None, now=clock())
    return after_success(delivery, now=clock())


def _log_poll(tenant: Tenant, fetched: Snapshot | SourceError) -> None:
    if isinstance(fetched, Snapshot):
        held = sum(fetched.counts.values())
        log.info("poll done tenant=%s reasons=%d held=%d", tenant, len(fetched.counts), held)
    else:
        log.warning(
            "poll failed tenant=%s cause=%s detail=%r request_id=%s",
            tenant, fetched.cause, fetched.detail, fetched.request_id,
        )  # fmt: skip


def _log_transition(transition: Transition) -> None:
    key = transition.key
    log.info(
        "alert %s→%s alert=%s rule=%r severity=%s tenant=%s reason=%r note=%r",
        transition.before, transition.after, key.id, key.rule, key.severity, key.tenant, key.reason, transition.note,
    )  # fmt: skip


def _log_delivery(delivery: Delivery, message: Message) -> None:
    if delivery.sent_at is not None:
        log.info("message sent ref=%s target=%s attempts=%d", message.id, delivery.target, delivery.attempts)
    elif delivery.dead_at is not None:
        log.error(
            "message given up ref=%s target=%s attempts=%d error=%r title=%r",
            message.id, delivery.target, delivery.attempts, delivery.last_error, message.title,
        )  # fmt: skip
    else:
        log.warning(
            "message not sent ref=%s target=%s attempts=%d error=%r next_attempt_at=%s",
            message.id, delivery.target, delivery.attempts, delivery.last_error, delivery.next_attempt_at.isoformat(),
        )  # fmt: skip
