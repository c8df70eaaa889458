"""The outcomes of deliveries, heartbeats and reloads, by name."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerter.core.outbox import Delivery


class DeliveryOutcome(StrEnum):
    """What came of one attempt to deliver a message."""

    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"


class PingOutcome(StrEnum):
    """What came of one ping of the heartbeat."""

    SENT = "sent"
    FAILED = "failed"


class ChartOutcome(StrEnum):
    """What came of a picture that was to go along with a message."""

    SENT = "sent"
    FAILED = "failed"
    LATE = "late"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRecord:
    """Whether the configuration as it is now is in force, and since when the one that is in force is."""

    is_in_force: bool
    loaded_at: datetime


def delivery_outcome(delivery: Delivery) -> DeliveryOutcome:
    """Return what came of the last attempt at a delivery."""
    if delivery.sent_at is not None:
        return DeliveryOutcome.SENT
    return DeliveryOutcome.DEAD if delivery.dead_at is not None else DeliveryOutcome.FAILED
