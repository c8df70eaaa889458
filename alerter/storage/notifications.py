"""Notification states, and what is suppressed or grouped for each receiver."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, delete, func, insert, select, update

from alerter.core.alerts import AlertState, AlertSubject
from alerter.core.notifications import HourlyLimit, NotificationState
from alerter.core.routes import ReceiverName
from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.storage.cache import Cache
from alerter.storage.encoding import subject_digest, subject_from_row
from alerter.storage.engine import Connecting, Repository
from alerter.storage.tables import (
    Instant,
    is_notified_of_firing,
    messages,
    notification_groups,
    suppressed_notifications,
)
from alerter.storage.tables import notification_states as _states


class NotificationRepository(Repository):
    """Notification states, hourly limits and groups of receivers."""

    def __init__(self, connection: Connecting, cache: Cache) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            cache: What the transaction knows of tenants.
        """
        super().__init__(connection)
        self._cache = cache

    def states(self, tenants: Collection[Tenant] | None = None) -> list[NotificationState]:
        """Return what targets were last notified of.

        Args:
            tenants: Without it, everything. With it, what a decision about these tenants can depend on: what
                receivers believe to go on.
        """
        if tenants is None:
            return [_state_of(row) for row in self._all(_STATES)]
        cached, unknown = self._cached(tenants)
        read = [_state_of(row) for row in self._all(_STATES_OF_TENANTS, {"tenants": unknown})] if unknown else []
        for tenant in self._cache.known.keys() & unknown:
            self._cache.known[tenant].notified = tuple(entry for entry in read if entry.subject.tenant == tenant)
        return cached + read

    def states_of(self, subject: AlertSubject) -> list[NotificationState]:
        """Return what targets were last notified of a subject, also that it is over."""
        return [_state_of(row) for row in self._all(_STATES_OF_SUBJECT, {"wanted": subject_digest(subject)})]

    def _cached(self, tenants: Collection[Tenant]) -> tuple[list[NotificationState], list[Tenant]]:
        """Return the states that are known, and the tenants whose states must be read."""
        known = {tenant: self._cache.known[tenant].notified for tenant in tenants if tenant in self._cache.known}
        cached = [entry for entries in known.values() for entry in entries or ()]
        return cached, [tenant for tenant in tenants if known.get(tenant) is None]

    def tenants_notified_of_firing(self) -> list[Tenant]:
        """Return the tenants of which some target was notified of something that fires."""
        return [row.tenant for row in self._all(_TENANTS_NOTIFIED)]

    def save(self, states: Iterable[NotificationState]) -> None:
        """Store what targets were notified of, in place of what was stored for their topics."""
        saved = list(states)
        self._put(_states, [_state_row(entry) for entry in saved])
        self._update_cache(saved)

    def delete(self, states: Iterable[NotificationState]) -> None:
        """Delete what was stored of what targets were notified of."""
        dropped = list(states)
        self._run(
            _DELETE_STATE,
            [
                {"of_topic": subject_digest(each.subject), "of_receiver": each.receiver, "of_target": each.target}
                for each in dropped
            ],
        )
        self._update_cache(replace(each, state=AlertState.INACTIVE) for each in dropped)

    def _update_cache(self, states: Iterable[NotificationState]) -> None:
        """Let the known state of each tenant, or else everybody who has cached it, know what has changed."""
        by_tenant: dict[Tenant, list[NotificationState]] = {}
        for entry in states:
            by_tenant.setdefault(entry.subject.tenant, []).append(entry)
        for tenant, noted in by_tenant.items():
            if tenant in self._cache.known:
                self._cache.known[tenant].update_states(noted)
            else:
                self._cache.mark_changed(tenant)

    def hourly_limits(self, *, since: datetime, until: datetime | None = None) -> dict[ReceiverName, HourlyLimit]:
        """Return what each receiver got, and what was suppressed after that; without either it is missing.

        Args:
            since: Messages that were planned after this count, whatever they are: also digests, and what is sent to
                a fallback. Those of one instant count as one: they are for different targets of the receiver.
            until: None that was planned after this counts, for the clock may have been ahead; without it, all do.
        """
        wanted = _SENT if until is None else _SENT.where(messages.c.created_at <= until)
        sent = {row.receiver: row.sent for row in self._all(wanted, {"start": since})}
        counters = {row.receiver: row.suppressed for row in self._all(_SUPPRESSED)}
        return {
            receiver: HourlyLimit(sent=sent.get(receiver, 0), suppressed=counters.get(receiver, 0))
            for receiver in sent | counters
        }

    def open_groups(self) -> dict[ReceiverName, datetime]:
        """Return the receivers for which news is collected, and when it becomes a message, the first due first."""
        return {row.receiver: row.flush_at for row in self._all(_GROUPS)}

    def due_groups(self, *, now: datetime) -> list[ReceiverName]:
        """Return the receivers whose group_wait is over, the first due first."""
        return [receiver for receiver, due_at in self.open_groups().items() if due_at <= now]

    def next_flush_at(self) -> datetime | None:
        """Return when the next group is due, or None where nothing is collected."""
        return min(self.open_groups().values(), default=None)

    def add_suppressed(self, receiver: ReceiverName) -> None:
        """Count one message more that a receiver does not get."""
        if not self._run(_COUNT_SUPPRESSED, {"name": receiver}):
            self._run(_ADD_SUPPRESSED, {"receiver": receiver, "count": 1})

    def reset_suppressed(self, receiver: ReceiverName) -> None:
        """Start again at 0: a message said how many notifications were suppressed before it."""
        self._run(_RESET_SUPPRESSED, {"name": receiver})

    def open_group(self, receiver: ReceiverName, *, due_at: datetime) -> None:
        """Begin to collect news for a receiver, until `due_at`; what is being collected already keeps its time."""
        if receiver not in self.open_groups():
            self._run(_OPEN_GROUP, {"receiver": receiver, "flush_at": due_at})

    def close_group(self, receiver: ReceiverName) -> None:
        """Collect for a receiver no longer."""
        self._run(_CLOSE_GROUP, {"name": receiver})


def _state_row(notified: NotificationState) -> dict[str, Any]:
    return {
        "subject": subject_digest(notified.subject),
        "receiver": notified.receiver,
        "target": notified.target,
        "rule": notified.subject.rule,
        "tenant": notified.subject.tenant,
        "reason": notified.subject.reason,
        "severity": str(notified.severity),
        "state": str(notified.state),
        "notified_at": notified.notified_at,
        "repeat_count": notified.repeat_count,
        "thread": notified.thread,
    }


def _state_of(row: Row[Any]) -> NotificationState:
    return NotificationState(
        subject=subject_from_row(row.rule, row.tenant, row.reason),
        receiver=row.receiver,
        target=row.target,
        severity=Severity(row.severity),
        state=AlertState(row.state),
        notified_at=row.notified_at,
        repeat_count=row.repeat_count,
        thread=row.thread,
    )


_tenants: BindParameter[Any] = bindparam("tenants", expanding=True)
_STATES = select(_states).order_by(_states.c.subject, _states.c.receiver, _states.c.target)
_DELETE_STATE = delete(_states).where(
    _states.c.subject == bindparam("of_topic"),
    _states.c.receiver == bindparam("of_receiver"),
    _states.c.target == bindparam("of_target"),
)
_TENANTS_NOTIFIED = select(_states.c.tenant).where(is_notified_of_firing).distinct().order_by(_states.c.tenant)
_STATES_OF_SUBJECT = _STATES.where(_states.c.subject == bindparam("wanted"))
_STATES_OF_TENANTS = _STATES.where(_states.c.tenant.in_(_tenants), is_notified_of_firing)
_SENT = (
    select(messages.c.receiver, func.count(messages.c.created_at.distinct()).label("sent"))
    .where(messages.c.created_at > bindparam("start", type_=Instant()))
    .group_by(messages.c.receiver)
    .order_by(messages.c.receiver)
)
_SUPPRESSED = select(suppressed_notifications.c.receiver, suppressed_notifications.c.count.label("suppressed"))
_of_receiver = suppressed_notifications.c.receiver == bindparam("name")
_COUNT_SUPPRESSED = (
    update(suppressed_notifications).where(_of_receiver).values(count=suppressed_notifications.c.count + 1)
)
_ADD_SUPPRESSED = insert(suppressed_notifications)
_RESET_SUPPRESSED = delete(suppressed_notifications).where(_of_receiver)
_GROUPS = select(notification_groups).order_by(notification_groups.c.flush_at, notification_groups.c.receiver)
_OPEN_GROUP = insert(notification_groups)
_CLOSE_GROUP = delete(notification_groups).where(notification_groups.c.receiver == bindparam("name"))
