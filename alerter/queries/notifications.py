"""Deliveries: which are news, and what they are for a program."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from alerter.core.outbox import Delivery

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.outbox import TargetName
    from alerter.storage import DeliveryRecord


#: For how long a message that was given up is news.
RECENT = timedelta(days=1)


def is_recent(record: "DeliveryRecord", *, now: datetime) -> bool:
    """Say whether an undelivered message is still news: waiting, or given up within a day."""
    return record.delivery.dead_at is None or now - record.delivery.dead_at < RECENT


def delivery_json(record: "DeliveryRecord") -> Mapping[str, object]:
    """Return a delivery for a program."""
    each = record.delivery
    return {
        "delivery": each.id, "ref": each.message_id, "receiver": record.receiver, "target": each.target,
        "title": record.title, "state": delivery_state(each), "created_at": each.created_at, "attempts": each.attempts,
        "next_attempt_at": each.next_attempt_at, "sent_at": each.sent_at, "dead_at": each.dead_at,
        "last_error": each.last_error,
    }  # fmt: skip


def delivery_state(delivery: Delivery) -> str:
    """Return `sent`, `given up` or `waiting`."""
    if delivery.sent_at is not None:
        return "sent"
    return "given up" if delivery.dead_at is not None else "waiting"


def may_have_target(config: "Config", name: "TargetName") -> bool:
    """Say whether the configuration has a target; of one whose URL is not known here, only the receiver is."""
    known = ((each.receiver.name, target) for each in config.receivers for target in each.targets)
    return any(
        name.startswith(f"{receiver}/") if target.is_unknown else name == target.name for receiver, target in known
    )
