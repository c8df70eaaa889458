"""Messages and their deliveries: what is due, and the record of every attempt."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, or_, select, update

from alerter.core.message.content import EventAction, Format, Message, MessageStatus, OnCallEvent, TargetOutage
from alerter.core.outbox import Delivery, TargetBacklog, TargetName
from alerter.core.routes import ReceiverName, TargetId
from alerter.core.rules import Severity
from alerter.errors import StoreError
from alerter.storage.encoding import clean_text, compress_text, decompress_text
from alerter.storage.engine import Connecting, Repository
from alerter.storage.leases import OwnInstance, is_life_over
from alerter.storage.tables import (
    Instant,
    deliveries,
    is_waiting,
    messages,
    outages,
    targets,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A delivery with what it delivers: the message's receiver and title."""

    delivery: Delivery
    receiver: ReceiverName
    title: str


class OutboxRepository(Repository):
    """Messages, their deliveries, and the targets that cannot be reached."""

    def __init__(self, connection: Connecting, own: OwnInstance | None = None) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            own: The instance of this process; None where the database is not shared.
        """
        super().__init__(connection)
        self._own = own

    def waiting(self) -> list[Delivery]:
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
        return _message_of(row)

    def has_message(self, message_id: str) -> bool:
        """Say whether a message of this id was planned."""
        return self._first(_MESSAGE, {"message_id": message_id}) is not None

    def sent_times(self, *, since: datetime, until: datetime) -> dict[str, list[datetime]]:
        """Return when messages about each alert were written between two instants, by the alert's id, oldest first."""
        sent_at: dict[str, list[datetime]] = {}
        for row in self._all(_SENT_TIMES, {"start": since, "end": until}):
            for alert_id in json.loads(row.alert_ids):
                sent_at.setdefault(alert_id, []).append(row.created_at)
        return sent_at

    def deliveries(self, *, only_failed: bool = False, limit: int = 100) -> list[DeliveryRecord]:
        """Return the newest deliveries first, sent or not.

        Args:
            only_failed: Those alone that did not arrive: dead ones, and those that wait, also behind another.
            limit: The most to return.
        """
        wanted = _DELIVERIES.limit(limit)
        if only_failed:
            wanted = wanted.where(deliveries.c.sent_at.is_(None))
        return [record_from_row(row) for row in self._all(wanted)]

    def deliveries_for_alerts(
        self, alert_ids: Collection[str], *, until: datetime, limit: int = 20
    ) -> list[DeliveryRecord]:
        """Return the deliveries of messages about alerts that were planned until an instant, the newest first.

        Args:
            alert_ids: The ids of the alerts.
            until: The instant, itself included.
            limit: The most to return.
        """
        if not alert_ids:
            return []
        about = or_(*(messages.c.alert_ids.contains(json.dumps(each), autoescape=True) for each in alert_ids))
        wanted = _DELIVERIES.where(about, messages.c.created_at <= until).limit(limit)
        return [record_from_row(row) for row in self._all(wanted)]

    def waiting_count(self) -> int:
        """Return how many deliveries are neither sent nor dead."""
        return int(self._all(_WAITING_COUNT)[0].number)

    def backlog_by_target(self) -> dict[TargetName, TargetBacklog]:
        """Return what waits for each target that has something to wait for."""
        return {
            row.target_name: TargetBacklog(deliveries=row.number, oldest_at=row.oldest_at)
            for row in self._all(_BACKLOGS)
        }

    def targets(self) -> dict[TargetName, TargetId]:
        """Return the targets of the configuration as it was read last, by their names."""
        return {row.name: row.target for row in self._all(_TARGETS)}

    def was_overtaken(self, delivery: Delivery) -> bool:
        """Say whether a delivery's target has taken a message that was planned later."""
        return bool(self._all(_OVERTAKING, {"delivery_id": delivery.id, "target_id": delivery.target_id}))

    def outages(self) -> dict[TargetId, TargetOutage]:
        """Return the targets that cannot be reached."""
        return {row.target: _outage_of(row) for row in self._all(_OUTAGES)}

    def delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return the delivery of this number, or None where there is none."""
        row = self._first(_DELIVERY, {"delivery_id": delivery_id})
        return None if row is None else record_from_row(row)

    def enqueue(
        self, message: Message, targets: Mapping[TargetName, TargetId], *, had_by: frozenset[str] = frozenset()
    ) -> None:
        """Keep a message as it is now, with one delivery per target, due at once.

        Args:
            message: The message.
            targets: Where it goes.
            had_by: The addressees of mail who have what it says.
        """
        self._run(_ADD_MESSAGE, _message_row(message))
        due = {"created_at": message.created_at, "next_attempt_at": message.created_at}
        new = {"message_id": message.id, "attempts": 0, "last_error": "", "had_by": _json_of(had_by)} | due
        self._run(_ADD_DELIVERY, [new | {"target": target, "target_name": name} for name, target in targets.items()])

    def save_outage(self, outage: TargetOutage) -> None:
        """Keep that a target cannot be reached, in place of what was stored of it."""
        self._put(outages, [_outage_row(outage)])

    def end_outage(self, target: TargetId) -> None:
        """Keep that a target was reached, or is no more."""
        self._run(_END_OUTAGE, {"of_target": target})

    def save_delivery(self, delivery: Delivery) -> None:
        """Keep what became of a delivery.

        Raises:
            StoreError: There is none of this number.
        """
        if not self._run(_SET_DELIVERY, _outcome(delivery) | {"claim_count": delivery.claim_count}):
            raise StoreError(f"expected a delivery {delivery.id}, found none")

    def claim(self, delivery: Delivery) -> None:
        """Keep that this instance is sending a delivery, which nobody else does meanwhile."""
        mine = {"claim_count": delivery.claim_count, "claimed_by": self._claimant}
        self._run(_SET_DELIVERY, _outcome(delivery) | mine)

    def release_claims(self, *, now: datetime) -> int:
        """Make due at once what was being sent by an instance that is gone; return how many deliveries that are.

        Where this process shares the database with nobody, all that anybody was sending before it began.
        """
        released = {"next_attempt_at": now, "claimed_by": None}
        return self._run(_RELEASE if self._own is None else _RELEASE_OF_THE_GONE, released)

    @property
    def _claimant(self) -> int:
        return 0 if self._own is None else self._own.number

    def save_targets(self, targets: Mapping[TargetName, TargetId]) -> None:
        """Store the targets of the configuration, in place of those from before."""
        self._run(_DROP_TARGET, [{"of_target": name} for name in self.targets()])
        self._run(_ADD_TARGET, [{"name": name, "target": target} for name, target in targets.items()])

    def record_outcome(self, delivery: Delivery) -> bool:
        """Keep what came of an attempt, unless somebody else has claimed the delivery since; say whether it is kept."""
        ended = {"known_claims": delivery.claim_count, "claimed_by": None}
        return bool(self._run(_SETTLE, _outcome(delivery) | ended))


def _json_of(had_by: frozenset[str]) -> str:
    return json.dumps(sorted(had_by))


def _outcome(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": delivery.id,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "sent_at": delivery.sent_at,
        "dead_at": delivery.dead_at,
        "last_error": clean_text(delivery.last_error),
        "refused_at": delivery.refused_at,
        "had_by": _json_of(delivery.had_by),
    }


def _message_row(message: Message) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if message.threads:
        extras["threads"] = message.threads
    if message.events:
        extras["events"] = [_event_fields(each) for each in message.events]
    return {
        "id": message.id,
        "receiver": message.receiver,
        "status": str(message.status),
        "title": clean_text(message.title),
        "bodies": compress_text(json.dumps(dict(message.bodies))),
        "alert_ids": json.dumps(message.alert_ids),
        "created_at": message.created_at,
        "extras": json.dumps(extras),
    }


def _message_of(row: Row[Any]) -> Message:
    extras = json.loads(row.extras)
    return Message(
        id=row.id,
        receiver=row.receiver,
        status=MessageStatus(row.status),
        title=row.title,
        bodies={Format(name): body for name, body in json.loads(decompress_text(row.bodies)).items()},
        created_at=row.created_at,
        alert_ids=tuple(json.loads(row.alert_ids)),
        threads=tuple(extras.get("threads", ())),
        events=tuple(_event(fields) for fields in extras.get("events", ())),
    )


def _outage_of(row: Row[Any]) -> TargetOutage:
    notified = None if row.notified is None else tuple(json.loads(row.notified))
    return TargetOutage(
        target=row.target_name, target_id=row.target, since=row.started_at, error=row.error, notified=notified
    )


def _outage_row(outage: TargetOutage) -> dict[str, Any]:
    notified = None if outage.notified is None else json.dumps(outage.notified)
    return {
        "target": outage.target_id,
        "target_name": outage.target,
        "started_at": outage.since,
        "error": clean_text(outage.error),
        "notified": notified,
    }


def _event_fields(event: OnCallEvent) -> dict[str, Any]:
    started_at = None if event.started_at is None else event.started_at.isoformat()
    return asdict(event) | {"started_at": started_at}


def _event(fields: dict[str, Any]) -> OnCallEvent:
    started_at = fields["started_at"]
    return OnCallEvent(
        **fields
        | {
            "action": EventAction(fields["action"]),
            "severity": Severity(fields["severity"]),
            "started_at": None if started_at is None else datetime.fromisoformat(started_at),
            "links": tuple((text, href) for text, href in fields["links"]),
        }
    )


def _delivery_of(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        message_id=row.message_id,
        target=row.target_name,
        target_id=row.target,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        attempts=row.attempts,
        sent_at=row.sent_at,
        dead_at=row.dead_at,
        last_error=row.last_error,
        claim_count=row.claim_count,
        refused_at=row.refused_at,
        had_by=frozenset(json.loads(row.had_by)),
    )


def record_from_row(row: Row[Any]) -> DeliveryRecord:
    """Return the delivery of a row, with its message's receiver and title."""
    return DeliveryRecord(delivery=_delivery_of(row), receiver=row.receiver, title=row.title)


_WAITING = select(deliveries).where(is_waiting).order_by(deliveries.c.id)
_WAITING_COUNT = select(func.count().label("number")).select_from(deliveries).where(is_waiting)
_BACKLOGS = (
    select(
        deliveries.c.target_name,
        func.count().label("number"),
        func.min(deliveries.c.created_at).label("oldest_at"),
    )
    .where(is_waiting)
    .group_by(deliveries.c.target_name)
    .order_by(deliveries.c.target_name)
)
_MESSAGE = select(messages).where(messages.c.id == bindparam("message_id"))
_SENT_TIMES = (
    select(messages.c.alert_ids, messages.c.created_at)
    .where(messages.c.created_at.between(bindparam("start", type_=Instant()), bindparam("end", type_=Instant())))
    .order_by(messages.c.created_at)
)
_DELIVERIES = (
    select(deliveries, messages.c.receiver, messages.c.title)
    .join_from(deliveries, messages)
    .order_by(deliveries.c.id.desc())
)
_DELIVERY = _DELIVERIES.where(deliveries.c.id == bindparam("delivery_id"))
_ADD_MESSAGE = insert(messages)
_ADD_DELIVERY = insert(deliveries)
_SET_DELIVERY = update(deliveries).where(deliveries.c.id == bindparam("delivery_id"))
_TARGETS = select(targets).order_by(targets.c.name)
_DROP_TARGET = delete(targets).where(targets.c.name == bindparam("of_target"))
_ADD_TARGET = insert(targets)
_SETTLE = _SET_DELIVERY.where(deliveries.c.claim_count == bindparam("known_claims"))
_RELEASE = update(deliveries).where(is_waiting, deliveries.c.claimed_by.is_not(None))
_RELEASE_OF_THE_GONE = _RELEASE.where(is_life_over(deliveries.c.claimed_by))


# By its number: of a message that is refused, what was planned since is a day's work at most.
_OVERTAKING = (
    select(deliveries.c.id)
    .where(
        deliveries.c.id > bindparam("delivery_id"),
        deliveries.c.target == bindparam("target_id"),
        deliveries.c.sent_at.is_not(None),
    )
    .limit(1)
)
_OUTAGES = select(outages).order_by(outages.c.started_at, outages.c.target)
_END_OUTAGE = delete(outages).where(outages.c.target == bindparam("of_target"))
