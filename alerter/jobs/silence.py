"""Actions of people: acknowledge and take back, silence and expire, retry a delivery; for commands and page.

Nothing here decides who is notified: the next poll compares, as ever.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.mutes import Acknowledgement, Silence, current_acknowledgements
from alerter.core.outbox import Delivery, TargetName, after_retry_request
from alerter.errors import ActionRefused

if TYPE_CHECKING:
    from alerter.storage import Transaction


def acknowledge(
    transaction: "Transaction", alerts: Collection[Alert], *, author: str, comment: str, now: datetime
) -> Mapping[AlertSubject, tuple[Alert, Acknowledgement]]:
    """Acknowledge what alerts are about; where a higher level fires too, that is what is acknowledged.

    What somebody has acknowledged already, at this level, stays theirs.

    Args:
        transaction: Keeps it.
        alerts: All must fire.
        author: Who is at it.
        comment: What they say.
        now: The present.

    Returns:
        The acknowledgement that holds from now on, and the alert that it covers, by subject.

    Raises:
        ActionRefused: One of them does not fire; nothing is changed.
    """
    over = next((each for each in alerts if not each.is_firing), None)
    if over is not None:
        raise ActionRefused(f"alert {over.key.id} is not firing: there is nothing to acknowledge")
    # The alerts of a notification may be levels of the same: the highest of each is meant, once.
    subjects = dict.fromkeys(each.key.topic for each in alerts)
    levels = _levels(transaction, alerts)
    firing = [each for each in levels if each.is_firing]
    highest = {each.key.topic: each for each in sorted(firing, key=lambda each: each.key.severity.rank)}
    given = {
        subject: Acknowledgement(
            topic=subject,
            severity=highest[subject].key.severity,
            value=highest[subject].value,
            author=author,
            comment=comment,
            at=now,
        )
        for subject in subjects
    }
    for acknowledgement in given.values():
        transaction.silences.save_acknowledgement(acknowledgement)
    return {subject: (highest[subject], acknowledgement) for subject, acknowledgement in given.items()}


def holding_acknowledgement(transaction: "Transaction", alert: Alert, *, now: datetime) -> Acknowledgement | None:
    """Return the acknowledgement that covers an alert now, or None."""
    levels = _levels(transaction, [alert])
    given = current_acknowledgements(transaction.silences.acknowledgements(), {alert.key.topic: levels}, now=now)
    found = given.get(alert.key.topic)
    highest = max((each for each in levels if each.is_firing), key=lambda each: each.key.severity.rank, default=None)
    return found if found is not None and highest is not None and found.holds(highest) else None


def take_back(
    transaction: "Transaction", alerts: Collection[Alert], *, now: datetime
) -> Mapping[AlertSubject, Acknowledgement]:
    """Take back the acknowledgements of what alerts are about; return them.

    Raises:
        ActionRefused: One of them has none; nothing is changed.
    """
    named = {each.key.topic: each.key for each in alerts}
    levels = _levels(transaction, alerts)
    by_subject = {subject: [each for each in levels if each.key.topic == subject] for subject in named}
    given = current_acknowledgements(transaction.silences.acknowledgements(), by_subject, now=now)
    for subject, key in named.items():
        if subject not in given or not any(each.is_firing for each in by_subject[subject]):
            raise ActionRefused(f"alert {key.id} is not acknowledged: there is nothing to take back")
        transaction.silences.delete_acknowledgement(subject)
    return {subject: given[subject] for subject in named}


def expire(transaction: "Transaction", number: int, *, now: datetime) -> Silence | None:
    """End a silence now; return it as it was, or None where there is none.

    Raises:
        ActionRefused: It has ended before.
    """
    before = transaction.silences.silence(number)
    if before is None:
        return None
    if before.until <= now:
        raise ActionRefused(f"silence {number} has ended before")
    transaction.silences.expire(number, at=now)
    return before


def retry(
    transaction: "Transaction", delivery: Delivery, *, is_known: Callable[[TargetName], bool], now: datetime
) -> Delivery:
    """Make a delivery due now, given up or waiting; return it as it was.

    Args:
        transaction: Keeps it.
        delivery: The delivery.
        is_known: Returns True if the configuration has a target of a name.
        now: The present.

    Raises:
        ActionRefused: It was sent, or its target has gone from the configuration.
    """
    if delivery.sent_at is not None:
        raise ActionRefused(f"delivery {delivery.id} was sent already")
    if not is_known(delivery.target):
        raise ActionRefused(f"target {delivery.target!r} of delivery {delivery.id} is no longer in the configuration")
    transaction.outbox.save_delivery(after_retry_request(delivery, now=now))
    return delivery


def _levels(transaction: "Transaction", alerts: Collection[Alert]) -> list[Alert]:
    """Return all the levels of what alerts are about, those that are over as well."""
    return transaction.lists.alerts_of_subjects(alerts)
