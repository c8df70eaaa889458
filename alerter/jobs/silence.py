"""Actions of people: acknowledge and take back, silence and expire, retry a delivery; for commands, page and API.

Each is recorded in the same transaction. Nothing here decides who is notified: the next poll compares, as ever.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from alerter.core.actions import Action, ActionKind, Actor
from alerter.core.alerts import Alert, AlertSubject
from alerter.core.outbox import Delivery, TargetName, after_manual_retry
from alerter.core.silences import MAX_SILENCE, Acknowledgement, Silence, current_acknowledgements
from alerter.errors import ActionRefused
from alerter.humanize import duration_text, local_time_text

if TYPE_CHECKING:
    from alerter.storage import Transaction


def acknowledge(
    transaction: "Transaction", alerts: Collection[Alert], *, by: Actor, comment: str, now: datetime
) -> Mapping[AlertSubject, tuple[Alert, Acknowledgement]]:
    """Acknowledge what alerts are about; where a higher level fires too, that is what is acknowledged.

    What somebody has acknowledged already, at this level, stays theirs.

    Args:
        transaction: Keeps it.
        alerts: All must fire.
        by: Who is at it.
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
    subjects = dict.fromkeys(each.key.subject for each in alerts)
    levels = _levels(transaction, alerts)
    firing = [each for each in levels if each.is_firing]
    highest = {each.key.subject: each for each in sorted(firing, key=lambda each: each.key.severity.rank)}
    given = {
        subject: Acknowledgement(
            subject=subject,
            severity=highest[subject].key.severity,
            value=highest[subject].value,
            author=by.name,
            comment=comment,
            acknowledged_at=now,
        )
        for subject in subjects
    }
    for subject, acknowledgement in given.items():
        transaction.silences.save_acknowledgement(acknowledgement)
        action = Action(kind=ActionKind.ACKNOWLEDGE, at=now, actor=by, object=highest[subject].key.id, comment=comment)
        transaction.actions.add(action, subject=subject)
    return {subject: (highest[subject], acknowledgement) for subject, acknowledgement in given.items()}


def holding_acknowledgement(transaction: "Transaction", alert: Alert, *, now: datetime) -> Acknowledgement | None:
    """Return the acknowledgement that covers an alert now, or None."""
    levels = _levels(transaction, [alert])
    given = current_acknowledgements(transaction.silences.acknowledgements(), {alert.key.subject: levels}, now=now)
    found = given.get(alert.key.subject)
    highest = max((each for each in levels if each.is_firing), key=lambda each: each.key.severity.rank, default=None)
    return found if found is not None and highest is not None and found.covers(highest) else None


def take_back(
    transaction: "Transaction", alerts: Collection[Alert], *, by: Actor, now: datetime
) -> Mapping[AlertSubject, Acknowledgement]:
    """Take back the acknowledgements of what alerts are about; return them.

    Raises:
        ActionRefused: One of them has none; nothing is changed.
    """
    named = {each.key.subject: each.key for each in alerts}
    levels = _levels(transaction, alerts)
    by_subject = {subject: [each for each in levels if each.key.subject == subject] for subject in named}
    given = current_acknowledgements(transaction.silences.acknowledgements(), by_subject, now=now)
    for subject, key in named.items():
        if subject not in given or not any(each.is_firing for each in by_subject[subject]):
            raise ActionRefused(f"alert {key.id} is not acknowledged: there is nothing to take back")
        transaction.silences.delete_acknowledgement(subject)
        action = Action(kind=ActionKind.TAKE_BACK, at=now, actor=by, object=key.id)
        transaction.actions.add(action, subject=subject)
    return {subject: given[subject] for subject in named}


def check_start(start: datetime, timezone: tzinfo, *, now: datetime) -> None:
    """Check when a silence is to begin.

    Raises:
        ValueError: In the past; the text gives times as `timezone` has them.
    """
    if start < now:
        raise ValueError(
            f"expected a start after now, {local_time_text(now, timezone)}, found {local_time_text(start, timezone)}"
        )


def check_end(end: datetime, timezone: tzinfo, *, start: datetime, now: datetime) -> None:
    """Check when a silence is to end.

    Raises:
        ValueError: Before it begins, or too long after; the text gives times as `timezone` has them.
    """
    if end <= start:
        after = "now" if start == now else "the start"
        raise ValueError(
            f"expected an end after {after}, {local_time_text(start, timezone)}, found {local_time_text(end, timezone)}"
        )
    if end - start > MAX_SILENCE:
        raise ValueError(f"expected an end within {duration_text(MAX_SILENCE)}, found {local_time_text(end, timezone)}")


def add(transaction: "Transaction", silence: Silence, *, by: Actor, now: datetime) -> Silence:
    """Add a silence whose start and end were checked; return it with its number."""
    kept = transaction.silences.add(silence)
    action = Action(kind=ActionKind.SILENCE, at=now, actor=by, object=str(kept.id), comment=kept.comment)
    transaction.actions.add(action)
    return kept


def expire(transaction: "Transaction", number: int, timezone: tzinfo, *, by: Actor, now: datetime) -> Silence | None:
    """End a silence now; return it as it was, or None where there is none.

    Raises:
        ActionRefused: It has ended before.
    """
    before = transaction.silences.silence(number)
    if before is None:
        return None
    if before.ends_at <= now:
        raise ActionRefused(f"silence {number} ended {local_time_text(before.ends_at, timezone)}")
    transaction.silences.expire(number, at=now)
    transaction.actions.add(Action(kind=ActionKind.EXPIRE, at=now, actor=by, object=str(number)))
    return before


def retry(
    transaction: "Transaction",
    delivery: Delivery,
    *,
    is_known: Callable[[TargetName], bool],
    by: Actor,
    now: datetime,
) -> Delivery:
    """Make a delivery due now, given up or waiting; return it as it was.

    Args:
        transaction: Keeps it.
        delivery: The delivery.
        is_known: Returns True if the configuration has a target of a name.
        by: Who asks.
        now: The present.

    Raises:
        ActionRefused: It was sent, or its target has gone from the configuration.
    """
    if delivery.sent_at is not None:
        raise ActionRefused(f"delivery {delivery.id} was sent already")
    if not is_known(delivery.target):
        raise ActionRefused(f"target {delivery.target!r} of delivery {delivery.id} is no longer in the configuration")
    transaction.outbox.save_delivery(after_manual_retry(delivery, now=now))
    transaction.actions.add(Action(kind=ActionKind.RETRY, at=now, actor=by, object=str(delivery.id)))
    return delivery


def record_test(transaction: "Transaction", receiver: str, *, by: Actor, now: datetime) -> None:
    """Record that somebody sends a test message to a receiver."""
    transaction.actions.add(Action(kind=ActionKind.TEST, at=now, actor=by, object=receiver))


def _levels(transaction: "Transaction", alerts: Collection[Alert]) -> list[Alert]:
    """Return all the levels of what alerts are about, those that are over as well."""
    return transaction.lists.alerts_of_subjects(alerts)
