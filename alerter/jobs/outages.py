"""Outages: note with each attempt whether a target can be reached, and notify others of one that cannot for long.

An outage is a row from the first failure until the next success. Who is notified of it is written into that row in the
same commit as the messages, so that they are notified once, also after restarts and with several instances.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from alerter.core.alerting_config import AlertingConfig
from alerter.core.message.content import TargetOutage
from alerter.core.message.digest import build_reachable_message, build_unreachable_message
from alerter.core.outbox import NEWS_AFTER, Delivery, TargetName, is_news
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.errors import DeliveryError
from alerter.storage import Reader, Store, Transaction

log = logging.getLogger(__name__)


def note_attempt(
    transaction: Transaction,
    after: Sequence[Delivery],
    error: DeliveryError | None,
    alerting: AlertingConfig,
    *,
    now: datetime,
) -> None:
    """Store whether a target was reached, and notify those who were notified of its outage that it is back.

    Args:
        transaction: In which the attempt is recorded.
        after: The deliveries of one attempt, as they are after it; of a mail that some take, the target was reached.
            That it refuses a message as such is no outage once it has taken a later one.
        error: Why the attempt failed; None where it did not.
        alerting: Where those who are notified are.
        now: When that was.
    """
    target = after[0].target_id
    if target not in alerting.addresses.values():
        return
    outage = transaction.outbox.outages().get(target)
    is_reached = after[0].sent_at is not None if error is None else bool(error.had_by)
    if not is_reached:
        is_refused = error is not None and error.refused
        if outage is None and is_refused and transaction.outbox.was_overtaken(after[-1]):
            return  # It takes others: what it refuses is this very message.
        known = outage or TargetOutage(target=after[0].target, target_id=target, since=now, error="")
        transaction.outbox.save_outage(replace(known, error=after[0].last_error))
    elif outage is not None:
        transaction.outbox.end_outage(target)
        _notify_end(transaction, outage, after, alerting, now=now)


def _notify_end(
    transaction: Transaction,
    outage: TargetOutage,
    after: Sequence[Delivery],
    alerting: AlertingConfig,
    *,
    now: datetime,
) -> None:
    if outage.notified is None:
        return
    log.info("target works again target=%s", outage.target)
    sent = sum(each.sent_at is not None for each in after)
    waiting = _waiting(transaction, outage)
    for name in outage.notified:
        if targets := _elsewhere(alerting.targets_for(name), outage):
            message = build_reachable_message(name, outage, alerting.context, delivered=sent, waiting=waiting, now=now)
            transaction.outbox.enqueue(message, targets)


def notify_outages(store: Store, alerting: AlertingConfig, *, now: datetime) -> bool:
    """Notify others of each target that could not be reached for long, once; return True if there was any.

    Raises:
        StoreError: Nobody was notified; the next run tries again.
    """
    known = set(alerting.addresses.values())
    with store.read() as reader:
        if not any(is_news(each, now=now) or target not in known for target, each in reader.outbox.outages().items()):
            return False
    with store.write() as transaction:
        lease_state = transaction.leases.state()
        if not lease_state.is_member:
            return False
        outages = transaction.outbox.outages()
        news = [outage for target, outage in outages.items() if target in known and is_news(outage, now=now)]
        for outage in news:
            _notify(transaction, outage, outages, alerting, now=now)
        for target in outages.keys() - known if lease_state.may_resolve_removed else ():
            transaction.outbox.end_outage(target)
    return bool(news)


def next_outage_at(reader: Reader) -> datetime | None:
    """Return when others must be notified of the next outage; None where there is none they do not know."""
    return min(
        (each.since + NEWS_AFTER for each in reader.outbox.outages().values() if each.notified is None), default=None
    )


def _notify(
    transaction: Transaction,
    outage: TargetOutage,
    outages: Mapping[TargetId, TargetOutage],
    alerting: AlertingConfig,
    *,
    now: datetime,
) -> None:
    notified = _notified_of(outage, outages, alerting)
    waiting = _waiting(transaction, outage)
    for name, targets in notified.items():
        transaction.outbox.enqueue(build_unreachable_message(name, outage, waiting, alerting.context, now=now), targets)
    transaction.outbox.save_outage(replace(outage, notified=tuple(notified)))
    log.error(
        "target cannot be reached target=%s since=%s waiting=%d notified=%s: %s",
        outage.target, outage.since, waiting, ",".join(notified) or "nobody", outage.error,
    )  # fmt: skip


def _notified_of(
    outage: TargetOutage, outages: Mapping[TargetId, TargetOutage], alerting: AlertingConfig
) -> dict[ReceiverName, Mapping[TargetName, TargetId]]:
    """Return who is notified of an outage, and where: the fallback if it can be reached, or else all others.

    Where there is nobody else, the receiver's own other targets. Never the target itself, under whatever name.
    """
    own = next((each for each in alerting.receivers if outage.target_id in each.targets), None)
    if own is None:
        return {}

    def elsewhere(receivers: Sequence[Receiver]) -> dict[ReceiverName, Mapping[TargetName, TargetId]]:
        found = {each.name: _elsewhere(alerting.targets_for(each.name), outage) for each in receivers}
        return {name: targets for name, targets in found.items() if targets}

    fallback = elsewhere([each for each in alerting.receivers if each.name == own.fallback])
    if any(target not in outages for targets in fallback.values() for target in targets.values()):
        return fallback
    return elsewhere([each for each in alerting.receivers if each is not own]) or elsewhere([own])


def _elsewhere(targets: Mapping[TargetName, TargetId], outage: TargetOutage) -> Mapping[TargetName, TargetId]:
    return {name: target for name, target in targets.items() if target != outage.target_id}


def _waiting(reader: Reader, outage: TargetOutage) -> int:
    return sum(each.target_id == outage.target_id for each in reader.outbox.waiting())
