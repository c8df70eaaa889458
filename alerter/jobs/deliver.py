"""Deliver: send what is due, and record each outcome as soon as it is known."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerter.core.alerting_config import AlertingConfig
from alerter.core.message.content import Message
from alerter.core.message.digest import build_digest_message, build_fallback_message
from alerter.core.message.render import short, with_present_events
from alerter.core.outbox import (
    CLAIM_TIMEOUT,
    Delivery,
    TargetName,
    after_failure,
    after_success,
    claim,
    due_deliveries,
    missed_items,
    needs_digest,
    next_due_at,
)
from alerter.core.routes import Receiver, TargetId
from alerter.errors import DeliveryError
from alerter.jobs.figures import figures_for
from alerter.jobs.notify import firing_for
from alerter.jobs.outages import next_outage_at, note_attempt, notify_outages
from alerter.jobs.ports import Notifier
from alerter.storage import Reader, Store, Transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One message to take to one target.

    Attributes:
        deliveries: What is done once the target has taken it: one, or all that a digest stands for. Oldest first.
        message: What is sent.
        digested: The messages of the deliveries, in their order.
    """

    deliveries: tuple[Delivery, ...]
    message: Message
    digested: tuple[Message, ...]


def deliver(
    store: Store,
    notifier: Notifier,
    urls: Mapping[TargetName, str],
    *,
    alerting: AlertingConfig | None = None,
    clock: Callable[[], datetime],
    map_: Callable[[Callable[[TargetId], list[Delivery]], Iterable[TargetId]], Iterable[list[Delivery]]] = map,
    is_stopping: Callable[[], bool] = lambda: False,
    may_send: Callable[[], bool] = lambda: True,
) -> list[Delivery]:
    """Send what is due, each target's oldest message first, and record each outcome as soon as it is known.

    It may run several times at once, also in several processes: what one run is sending, another leaves alone, so that
    a target that hangs holds up nobody else's next message.

    Args:
        store: The outbox.
        notifier: The way out.
        urls: Where each target is; a delivery to a target that has gone waits until it is back, or dead.
        alerting: Who is notified in place of a target that had to be given up, and how a digest reads. Without it there
            is neither.
        clock: The time, read after each attempt; that of the database where several processes share it.
        map_: How to go through the targets; a thread pool's `map` sends to them at the same time.
        is_stopping: Asked between messages: what is left then is sent after the next start.
        may_send: Asked before each attempt: a process that stood still until another may have begun leaves what it has
            claimed to that one.

    Returns:
        The deliveries that were tried, as they are now.

    Raises:
        StoreError: An outcome could not be recorded: that message may be sent again.
    """
    name_by_target = {} if alerting is None else {target: name for name, target in alerting.addresses.items()}

    def url_of(delivery: Delivery) -> str | None:
        # By the URL that it was planned for, not by a name that may stand for another one now.
        name = delivery.target if alerting is None else name_by_target.get(delivery.target_id)
        return None if name is None else urls.get(name)

    def claimed(target: TargetId) -> DeliveryAttempt | None:
        is_known = alerting is None or target in name_by_target
        return _claim(store, target, alerting, is_known=is_known, now=clock())

    def run(target: TargetId) -> list[Delivery]:
        tried: list[Delivery] = []
        while not is_stopping() and (attempt := claimed(target)) and may_send():
            after, error = _attempt(attempt, notifier, url_of(attempt.deliveries[0]), clock=clock)
            _record(store, attempt, after, error, alerting, now=clock())
            tried.extend(after)
        return tried

    tried: list[Delivery] = []
    while not is_stopping() and may_send():
        with store.read() as reader:
            targets = [delivery.target_id for delivery in due_deliveries(reader.outbox.waiting(), now=clock())]
        after = [delivery for tried_there in map_(run, targets) for delivery in tried_there]
        tried += after
        # After the attempts: a target that is back is no news any more.
        if not after and not (alerting is not None and notify_outages(store, alerting, now=clock())):
            break
    return tried


def release_claims(store: Store, *, now: datetime) -> None:
    """Have sent again, at once, what was in flight when its sender died.

    A process that has the database for itself does this once, when it begins: then everybody else is gone. One that
    shares it may do so at any time, for an instance is gone when its life is over.

    Raises:
        StoreError: Nothing was changed; each of them is due a minute after it was claimed all the same.
    """
    with store.read() as reader:
        # An attempt that came to its end was counted.
        if all(each.claim_count <= each.attempts for each in reader.outbox.waiting()):
            return
    with store.write() as transaction:
        released = transaction.outbox.release_claims(now=now) if transaction.leases.state().is_member else 0
    if released:
        log.warning("sent again, their sender died messages=%d", released)


def next_attempt_due_at(store: Store) -> datetime | None:
    """Return when there is something to send, or to make a message of, or None where nothing waits for its time."""
    with store.read() as reader:
        due = (
            next_due_at(reader.outbox.waiting()),
            reader.notifications.next_flush_at(),
            next_outage_at(reader),
        )
    return min((at for at in due if at is not None), default=None)


def _claim(
    store: Store, target: TargetId, alerting: AlertingConfig | None, *, is_known: bool, now: datetime
) -> DeliveryAttempt | None:
    """Return what to take to a target now, claimed so that nobody else does; None where nothing is due there.

    In one transaction, so that of two runs at the same time one alone gets it. While instances have different
    configurations, one that does not know the target leaves it to those that may, until it is clear that none does.
    """
    with store.write() as transaction:
        lease_state = transaction.leases.state()
        if not lease_state.is_member:
            return None
        attempt = _next_attempt(transaction, target, alerting, now=now)
        if attempt is None:
            return None
        is_overdue = now - attempt.deliveries[0].next_attempt_at > CLAIM_TIMEOUT
        if not (is_known or lease_state.configs_match or is_overdue):
            return None
        attempt = replace(attempt, deliveries=tuple(claim(each, now=now) for each in attempt.deliveries))
        for delivery in attempt.deliveries:
            transaction.outbox.claim(delivery)
    return attempt


def _next_attempt(
    reader: Reader, target: TargetId, alerting: AlertingConfig | None, *, now: datetime
) -> DeliveryAttempt | None:
    """Return a target's oldest message if its time has come, or a digest of all that it missed.

    What the target refused is no part of the queue: it is tried when its own time has come, or is in a digest of its
    own. A digest has only what the same addressees of mail lack: nobody gets again what he has.
    """
    waiting = sorted((each for each in reader.outbox.waiting() if each.target_id == target), key=lambda each: each.id)
    heads = due_deliveries(waiting, now=now)
    if not heads:
        return None
    head = next((each for each in heads if each.refused_at is None), heads[0])
    queue = [
        each for each in waiting if (each.refused_at is None, each.had_by) == (head.refused_at is None, head.had_by)
    ]
    if alerting is not None and needs_digest(queue, now=now):
        originals = tuple(reader.outbox.message(each.message_id) for each in queue)
        return DeliveryAttempt(
            deliveries=tuple(queue), message=_digest(reader, queue, originals, alerting, now=now), digested=originals
        )
    message = original = reader.outbox.message(head.message_id)
    if head.refused_at is not None:
        # Others may have overtaken it.
        message = with_present_events(original, reader.alerts.load_live())
    return DeliveryAttempt(deliveries=(head,), message=message, digested=(original,))


def _digest(
    reader: Reader, queue: Sequence[Delivery], originals: Sequence[Message], alerting: AlertingConfig, *, now: datetime
) -> Message:
    """Return what a target gets in place of all that it missed: what fires now for its receiver, and what is over."""
    name = originals[-1].receiver
    receiver = next((each for each in alerting.receivers if each.name == name), Receiver(name=name))
    alerts = reader.alerts.load_live(_alert_ids(originals))
    missed = missed_items(queue, originals, alerts)
    missed = replace(missed, firing=firing_for(reader, alerts, receiver, alerting, now=now))
    figures = figures_for(reader, missed.firing, alerting, now=now)
    return build_digest_message(missed, receiver, alerting.context, figures=figures, now=now)


def _alert_ids(messages: Iterable[Message]) -> set[str]:
    return {alert_id for message in messages for alert_id in message.alert_ids}


def _attempt(
    attempt: DeliveryAttempt, notifier: Notifier, url: str | None, *, clock: Callable[[], datetime]
) -> tuple[list[Delivery], DeliveryError | None]:
    """Return the deliveries after an attempt, and why it failed; None where it did not."""
    target = attempt.deliveries[0].target
    try:
        if url is None:
            raise DeliveryError(f"target {target!r} is no longer in the configuration")  # noqa: TRY301
        _send(attempt, notifier, url)
    except DeliveryError as error:
        return _failed(attempt, error, now=clock()), error
    except Exception as error:
        # A bug in the way out must not have one message tried for ever, nor block its target: it takes the retries.
        log.exception("internal error job=%s target=%s", "deliver", target)
        unknown = DeliveryError(type(error).__name__)
        return _failed(attempt, unknown, now=clock()), unknown
    now = clock()
    return [after_success(each, now=now) for each in attempt.deliveries], None


def _send(attempt: DeliveryAttempt, notifier: Notifier, url: str) -> None:
    """Send a message; where it is refused as such, at once as plain and short as can be.

    Raises:
        DeliveryError: The target took it neither as it is nor in short.
    """
    had_by = attempt.deliveries[0].had_by
    try:
        notifier.deliver(attempt.message, url, had_by=had_by)
    except DeliveryError as error:
        if not error.refused:
            raise
        first = error
    else:
        return
    log.warning(
        "message rejected, sent shortened ref=%s target=%s: %s", attempt.message.id, attempt.deliveries[0].target, first
    )
    try:
        notifier.deliver(short(attempt.message), url, had_by=had_by | first.had_by)
    except DeliveryError as error:
        raise DeliveryError(
            str(error), refused=True, retry_after=error.retry_after, had_by=error.had_by | first.had_by
        ) from error


def _failed(attempt: DeliveryAttempt, error: DeliveryError, *, now: datetime) -> list[Delivery]:
    """Return the deliveries of an attempt that failed: each was tried, so that they grow old together."""
    return [after_failure(each, error, now=now) for each in attempt.deliveries]


def _record(
    store: Store,
    attempt: DeliveryAttempt,
    after: Sequence[Delivery],
    error: DeliveryError | None,
    alerting: AlertingConfig | None,
    *,
    now: datetime,
) -> None:
    """Record an outcome; in the same commit hand what was given up to a fallback, and note if the target was reached.

    Who has claimed a delivery meanwhile records what comes of it: an outcome that comes too late is none.
    """
    late: list[Message] = []
    dead: list[tuple[Delivery, Message]] = []
    with store.write() as transaction:
        for delivery, message in zip(after, attempt.digested, strict=True):
            if not transaction.outbox.record_outcome(delivery):
                late.append(message)
            elif delivery.dead_at is not None and message.alert_ids:
                dead.append((delivery, message))
        if alerting is not None and dead:
            _hand_over(transaction, dead, alerting, now=now)
        if alerting is not None and len(late) < len(after):
            note_attempt(transaction, after, error, alerting, now=now)
    for message in late:
        log.warning("delivery claimed by another instance ref=%s target=%s", message.id, after[0].target)
    _log_attempt(attempt, after)


def _hand_over(
    transaction: Transaction, dead: Sequence[tuple[Delivery, Message]], alerting: AlertingConfig, *, now: datetime
) -> None:
    """Put into the outbox what the fallback gets, in one message, of what was given up; without one, nothing.

    Nor does it get what it was notified of before: a person may have tried again what was given up, and in vain.
    """
    messages = [message for _, message in dead]
    receiver = _fallback(messages[-1], alerting)
    if receiver is None:
        return
    missed = missed_items((each for each, _ in dead), messages, transaction.alerts.load_live(_alert_ids(messages)))
    message = build_fallback_message(missed, receiver, alerting.context, now=now)
    if not transaction.outbox.has_message(message.id):
        # Who has all of it gets no copy.
        had_by = frozenset[str].intersection(*(each.had_by for each, _ in dead))
        transaction.outbox.enqueue(message, alerting.targets_for(receiver.name), had_by=had_by)


def _fallback(message: Message, alerting: AlertingConfig) -> Receiver | None:
    """Return who is notified in place of the message's receiver, or None for nobody."""
    by_name = {receiver.name: receiver for receiver in alerting.receivers}
    receiver = by_name.get(message.receiver)
    return by_name.get(receiver.fallback) if receiver is not None and receiver.fallback is not None else None


def _log_attempt(attempt: DeliveryAttempt, after: Sequence[Delivery]) -> None:
    """Log the outcome of an attempt in one line; of each message that is lost, in one of its own."""
    first, count = after[0], len(after)
    said = (attempt.message.id, first.target, first.attempts, count)
    if first.sent_at is not None:
        log.info("delivery sent ref=%s target=%s attempts=%d messages=%d", *said)
    for delivery, message in zip(after, attempt.digested, strict=True):
        if delivery.dead_at is not None:
            log.error(
                "delivery gave up ref=%s target=%s attempts=%d title=%s: %s",
                message.id, delivery.target, delivery.attempts, message.title, delivery.last_error,
            )  # fmt: skip
    waiting = next((delivery for delivery in after if delivery.is_waiting), None)
    if waiting is not None:
        log.warning(
            "delivery failed ref=%s target=%s attempts=%d messages=%d next_attempt_at=%s: %s",
            *said, waiting.next_attempt_at, waiting.last_error,
        )  # fmt: skip
