"""What is to be sent, and the record of what was sent to whom, when, after how many attempts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from alerter.adapters.store.columns import storable
from alerter.adapters.store.engines import Rows
from alerter.adapters.tables import deliveries, is_waiting, messages
from alerter.core.messages import Format, Message, Tone
from alerter.core.notifications import ReceiverName
from alerter.core.outbox import Delivery, TargetName
from alerter.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A delivery with what it delivers: the message's receiver and title."""

    delivery: Delivery
    receiver: ReceiverName
    title: str


class OutboxReader(Rows):
    """Reads the outbox."""

    def waiting_deliveries(self) -> list[Delivery]:
        """Return the deliveries that are neither sent nor dead, in the order of planning."""
        return [_delivery_of(row) for row in self._all(_WAITING)]

    def message(self, message_id: str) -> Message:
        """Return a message.

        Raises:
            StoreError: There is none of this id.
        """
        row = self._first(_MESSAGE, {"message_id": message_id})
        if row is None:
            raise StoreError(f"expected a message {message_id!r}, found none")
        return Message(
            id=row.id,
            receiver=row.receiver,
            tone=Tone(row.tone),
            title=row.title,
            bodies={Format(name): body for name, body in json.loads(row.bodies).items()},
            created_at=row.created_at,
            alert_ids=tuple(json.loads(row.alert_ids)),
        )

    def deliveries(self, *, only_failed: bool = False, limit: int = 100) -> list[DeliveryRecord]:
        """Return the newest deliveries first, sent or not.

        Args:
            only_failed: Those alone that are dead, or wait after a failed attempt.
            limit: At most so many.
        """
        wanted = _DELIVERIES.limit(limit)
        if only_failed:
            wanted = wanted.where(deliveries.c.sent_at.is_(None), deliveries.c.attempts > 0)
        return [
            DeliveryRecord(delivery=_delivery_of(row), receiver=row.receiver, title=row.title)
            for row in self._all(wanted)
        ]


class OutboxWriter(OutboxReader):
    """Writes the outbox."""

    def enqueue(self, message: Message, targets: Sequence[TargetName]) -> None:
        """Keep a message as it is now, with one delivery per target, due at once."""
        row = {
            "id": message.id,
            "receiver": message.receiver,
            "tone": str(message.tone),
            "title": storable(message.title),
            "bodies": json.dumps(dict(message.bodies)),
            "alert_ids": json.dumps(message.alert_ids),
            "created_at": message.created_at,
        }
        self._run(_ADD_MESSAGE, row)
        due = {"created_at": message.created_at, "next_attempt_at": message.created_at}
        new = {"message_id": message.id, "attempts": 0, "last_error": ""} | due
        self._run(_ADD_DELIVERY, [new | {"target": target} for target in targets])

    def save_delivery(self, delivery: Delivery) -> None:
        """Keep what became of a delivery.

        Raises:
            StoreError: There is none of this number.
        """
        outcome = {
            "delivery_id": delivery.id,
            "attempts": delivery.attempts,
            "next_attempt_at": delivery.next_attempt_at,
            "sent_at": delivery.sent_at,
            "dead_at": delivery.dead_at,
            "last_error": storable(delivery.last_error),
        }
        if not self._run(_SET_DELIVERY, outcome):
            raise StoreError(f"expected a delivery {delivery.id}, found none")


def _delivery_of(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        message_id=row.message_id,
        target=row.target,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        attempts=row.attempts,
        sent_at=row.sent_at,
        dead_at=row.dead_at,
        last_error=row.last_error,
    )


_WAITING = select(deliveries).where(is_waiting).order_by(deliveries.c.id)
_MESSAGE = select(messages).where(messages.c.id == bindparam("message_id"))
_DELIVERIES = (
    select(deliveries, messages.c.receiver, messages.c.title)
    .join_from(deliveries, messages)
    .order_by(deliveries.c.id.desc())
)
_ADD_MESSAGE = insert(messages)
_ADD_DELIVERY = insert(deliveries)
_SET_DELIVERY = update(deliveries).where(deliveries.c.id == bindparam("delivery_id"))
