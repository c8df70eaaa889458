"""Deliveries, one per message and target: when each is due, and what becomes of it.

No I/O: values in, values out. Delivery is at least once: a delivery is recorded after it succeeded, never before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from re import compile as compile_regex
from typing import NewType

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.message.content import Message, Missed, TargetOutage
from alerter.core.routes import TargetId
from alerter.errors import DeliveryError

TargetName = NewType("TargetName", str)

#: The waits after the first failures; after them every attempt waits `MAX_RETRY_DELAY`, for `GIVE_UP_AFTER`.
RETRY_DELAYS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
MAX_RETRY_DELAY = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(hours=24)
#: How long a claimed delivery is left alone where nothing proves that its sender is gone: longer than any attempt.
CLAIM_TIMEOUT = timedelta(minutes=1)
#: Attempts, not hours since it was planned: a service that was stopped for a day, or a clock that jumped, must not
#: cost a message its retries.
MAX_ATTEMPTS = 1 + len(RETRY_DELAYS) + GIVE_UP_AFTER // MAX_RETRY_DELAY
#: A target that could not be reached for longer gets one digest of what it missed.
DIGEST_AFTER = timedelta(hours=1)
#: That a target cannot be reached is news of its own after so long.
NEWS_AFTER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to one target.

    Attributes:
        id: Its number in the order of planning.
        message_id: What is sent.
        target: What the target was called when the message was planned, such as `secops/slack`; never the URL.
        target_id: Which URL that is, whatever the configuration calls it now.
        created_at: When it was planned.
        attempts: How often it was tried.
        next_attempt_at: Not before this is it tried again.
        sent_at: When the target took it; None until then.
        dead_at: When it was given up; None until then.
        last_error: What the last attempt failed of; empty after a success.
        claim_count: How often an attempt began: the last one to claim it decides.
        refused_at: Since when the target, or one of its addressees, does not want this very message; None if it does
            not say so. Then nothing waits behind it.
        had_by: The addressees that have it, where it is for several.
    """

    id: int
    message_id: str
    target: TargetName
    target_id: TargetId
    created_at: datetime
    next_attempt_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None
    dead_at: datetime | None = None
    last_error: str = ""
    claim_count: int = 0
    refused_at: datetime | None = None
    had_by: frozenset[str] = frozenset()

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be sent."""
        return self.sent_at is None and self.dead_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBacklog:
    """What waits for one target: how many deliveries, and when the oldest of them was planned."""

    deliveries: int
    oldest_at: datetime


def due_deliveries(waiting: Iterable[Delivery], *, now: datetime) -> list[Delivery]:
    """Return what to send now: of each target the oldest waiting delivery, if its time has come.

    The order is kept per target, so that nobody reads of an end before its beginning; one target never holds up
    another. A message that is refused as such has its own time, and holds up nothing.

    Args:
        waiting: Deliveries that are neither sent nor dead, in any order.
        now: The instant of the decision.
    """
    return [delivery for delivery in _heads(waiting) if _is_due(delivery, now=now)]


def _is_due(delivery: Delivery, *, now: datetime) -> bool:
    # No wait is longer than the longest: one that seems so was begun on a clock that was ahead. What nobody has tried
    # waits for nothing, even if the clock of the planning instance is ahead of this one.
    is_new = not delivery.claim_count and delivery.next_attempt_at == delivery.created_at
    return is_new or delivery.next_attempt_at <= now or delivery.next_attempt_at > now + MAX_RETRY_DELAY


def claim(delivery: Delivery, *, now: datetime) -> Delivery:
    """Return the delivery while it is being tried: for a while it is not due again.

    Recorded before the attempt, it keeps a database that takes no writing from having the same message sent over and
    over, and two runs from sending it at the same time. The outcome is recorded by the one that claimed it last: one
    that stood still until somebody else took the message over has no say any more.
    """
    return replace(delivery, next_attempt_at=now + CLAIM_TIMEOUT, claim_count=delivery.claim_count + 1)


def next_due_at(waiting: Iterable[Delivery]) -> datetime | None:
    """Return when something is due next, or None where nothing waits; what waits behind another is not due."""
    return min((delivery.next_attempt_at for delivery in _heads(waiting)), default=None)


def _heads(waiting: Iterable[Delivery]) -> list[Delivery]:
    """Return what waits behind nothing, in the order of planning."""
    begun: set[TargetId] = set()
    heads = []
    for delivery in sorted(waiting, key=lambda each: each.id):
        if delivery.refused_at is not None or delivery.target_id not in begun:
            heads.append(delivery)
        if delivery.refused_at is None:
            begun.add(delivery.target_id)
    return heads


def after_success(delivery: Delivery, *, now: datetime) -> Delivery:
    """Return the delivery after its target took it."""
    return replace(delivery, attempts=delivery.attempts + 1, sent_at=now, last_error="")


def after_failure(delivery: Delivery, error: DeliveryError, *, now: datetime) -> Delivery:
    """Return the delivery after a failed attempt: it waits for the next one, or is dead.

    Args:
        delivery: As it was tried.
        error: What went wrong. A `retry_after` only prolongs our wait, up to `MAX_RETRY_DELAY`. Once the message was
            refused as such, or some of its addressees have it, it no longer stands in the way of the next one.
        now: When it failed.
    """
    had_by = delivery.had_by | error.had_by
    refused_at = delivery.refused_at or (now if error.refused or error.had_by else None)
    failed = replace(
        delivery, attempts=delivery.attempts + 1, last_error=str(error), refused_at=refused_at, had_by=had_by
    )
    if error.permanent or failed.attempts >= MAX_ATTEMPTS:
        return replace(failed, dead_at=now)
    wait = RETRY_DELAYS[delivery.attempts] if delivery.attempts < len(RETRY_DELAYS) else MAX_RETRY_DELAY
    return replace(failed, next_attempt_at=now + max(wait, min(error.retry_after or wait, MAX_RETRY_DELAY)))


def after_manual_retry(delivery: Delivery, *, now: datetime) -> Delivery:
    """Return the delivery after a person asked for another attempt: due now, also if it was given up.

    The attempts are kept, so that one that was given up has this one attempt and no second day of them; what was sent
    stays as it is.
    """
    if delivery.sent_at is not None:
        return delivery
    return replace(delivery, dead_at=None, next_attempt_at=now)


_ON_CALL = compile_regex(r".*/(?:pagerduty|opsgenie)(?:-\d+)?(?:#.*)?")


def is_on_call(target: TargetName) -> bool:
    """Return True if a target keeps something open until it is closed, as its name says."""
    return _ON_CALL.fullmatch(target) is not None


def needs_digest(waiting: Sequence[Delivery], *, now: datetime) -> bool:
    """Say whether a target gets one digest instead of every message: it has failed, for long, and has missed several.

    Args:
        waiting: What waits for one target, in any order.
        now: The instant of the decision.
    """
    if len(waiting) <= 1:
        return False
    oldest = min(waiting, key=lambda each: each.id)
    # Without a failed attempt it was this service that stood still, or a group of messages that has just begun.
    return oldest.attempts > 0 and now - oldest.created_at > DIGEST_AFTER


def missed_items(
    deliveries: Iterable[Delivery], messages: Iterable[Message], alerts: Iterable[Alert], *, error: str = ""
) -> Missed:
    """Return what a target missed, and what has become of it.

    Args:
        deliveries: What could not be delivered to it, in any order; at least one.
        messages: Their messages, in any order.
        alerts: As they are now, at least those that the messages are about and all that fire.
        error: Why; without it, what the last attempt of the oldest one failed of.
    """
    in_order = sorted(deliveries, key=lambda each: each.id)
    message_by_id = {message.id: message for message in messages}
    missed = tuple(message_by_id[each.message_id] for each in in_order)
    ids = {alert_id for message in missed for alert_id in message.alert_ids}
    about = [alert for alert in alerts if alert.key.id in ids]
    subjects = {alert.key.subject for alert in about}
    firing = worst_of_each_subject(alert for alert in alerts if alert.key.subject in subjects)
    subjects -= {alert.key.subject for alert in firing}
    ended = [(alert.resolved_at, alert) for alert in about if alert.resolved_at is not None]
    over = [(at, alert) for at, alert in ended if alert.key.subject in subjects]
    return Missed(
        target=in_order[0].target,
        since=min(each.created_at for each in in_order),
        error=error or in_order[0].last_error,
        messages=missed,
        firing=firing,
        over=tuple(alert for _, alert in sorted(over, key=lambda each: (each[0], each[1].key.id), reverse=True)),
    )


def worst_of_each_subject(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return the highest alert of each topic that fires, the worst first."""
    ordered = sorted((alert for alert in alerts if alert.is_firing), key=_worst_first)
    of_subject: dict[AlertSubject, Alert] = {}
    for alert in ordered:
        of_subject.setdefault(alert.key.subject, alert)
    return tuple(of_subject.values())


def _worst_first(alert: Alert) -> tuple[int, int, str, str]:
    return -alert.key.severity.rank, -(alert.value or 0), alert.key.tenant, alert.key.reason


def is_news(outage: TargetOutage, *, now: datetime) -> bool:
    """Return True if others must be notified of an outage: it has lasted, and they were not."""
    return outage.notified is None and now - outage.since >= NEWS_AFTER
