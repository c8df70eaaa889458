"""Whom to tell what: `plan` compares what each receiver was last told with what is true now.

The decision is level-triggered: no event has to survive anywhere, and after a crash, a mute or a change of the rules
the same comparison sends what still differs, and nothing else. No I/O: values in, values out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import NewType

from alerter.core.alerts import Alert, AlertState, Topic
from alerter.core.rules import EVERYTHING, Selector, Severity

ReceiverName = NewType("ReceiverName", str)


class NotifyReason(StrEnum):
    """Why a receiver is told; there is no member for not telling it."""

    FIRST = "first"
    RAISED = "raised"
    LOWERED = "lowered"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told, and how.

    Attributes:
        name: Unique in a configuration.
        repeat_interval: How long after it was told a receiver is reminded of an alert that still fires.
        send_resolved: Whether it is told of the end.
        max_per_hour: Messages it gets in an hour at most.
        fallback: Who is told in its place when none of its targets can be reached; None for nobody.
    """

    name: ReceiverName
    repeat_interval: timedelta = timedelta(hours=4)
    send_resolved: bool = True
    max_per_hour: int = 30
    fallback: ReceiverName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which alerts go to which receivers: every one of its selectors must match.

    An alert about a tenant's polling concerns every hold reason, so that `reasons` does not keep it back.

    Attributes:
        receivers: At least one.
        severities: The severities that it takes; empty takes all.
    """

    receivers: tuple[ReceiverName, ...]
    severities: frozenset[Severity] = frozenset()
    tenants: Selector = EVERYTHING
    reasons: Selector = EVERYTHING
    rules: Selector = EVERYTHING

    def matches(self, alert: Alert) -> bool:
        """Say whether the alert goes this way."""
        key = alert.key
        return (
            (not self.severities or key.severity in self.severities)
            and self.tenants.matches(key.tenant)
            and (alert.is_about_polling or self.reasons.matches(key.reason))
            and self.rules.matches(key.rule)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receiver was last told of a topic.

    Attributes:
        topic: The rule and the series.
        receiver: Who was told.
        severity: The level it knows of; after a resolve, the one that was resolved.
        state: `FIRING`, or `INACTIVE` once it knows of the end.
        at: When the message was planned.
        repeats: How many reminders it got since the last news.
    """

    topic: Topic
    receiver: ReceiverName
    severity: Severity
    state: AlertState
    at: datetime
    repeats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell a receiver.

    Attributes:
        reason: Why it is told.
        alert: What is true: the highest firing alert of the topic, or the one that resolved.
        told_before: What it was told before; None if nothing.
        still_firing: After a resolve, the severity at which the topic goes on where this receiver does not hear it.
        is_rerouted: Whether what the receiver knew goes on, and is only no longer routed to it: that is no all-clear,
            so that nothing is said.
    """

    reason: NotifyReason
    alert: Alert
    told_before: Told | None = None
    still_firing: Severity | None = None
    is_rerouted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """All that one poll has to tell one receiver, worst first; it becomes one message.

    Attributes:
        receiver: Who is told.
        notices: At least one.
    """

    receiver: Receiver
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send, and what the receivers know once it is sent.

    Attributes:
        notifications: At most one per receiver.
        told: The entries that changed, also those that change without a message.
    """

    notifications: tuple[Notification, ...]
    told: tuple[Told, ...]


def plan(
    alerts: Iterable[Alert],
    told: Iterable[Told],
    receivers: Sequence[Receiver],
    routes: Sequence[Route],
    *,
    now: datetime,
) -> Plan:
    """Return what each receiver must be told.

    Args:
        alerts: Every alert that is not inactive, and those that were; only their present state counts.
        told: What the receivers were last told.
        receivers: All receivers, in the configuration's order.
        routes: Where alerts go; none means that everything goes to every receiver.
        now: The instant of the decision.
    """
    alerts_by_topic = _by_topic(alerts)
    told_by_receiver: dict[ReceiverName, dict[Topic, Told]] = {}
    for entry in told:
        told_by_receiver.setdefault(entry.receiver, {})[entry.topic] = entry
    notifications: list[Notification] = []
    changed: list[Told] = []
    for receiver in receivers:
        known = told_by_receiver.get(receiver.name, {})
        found = [
            (notice, _told_after(notice, receiver, now=now))
            for topic, of_topic in alerts_by_topic.items()
            if (notice := _notice(of_topic, known.get(topic), _Ear(receiver.name, routes)))
        ]
        changed.extend(entry for _, entry in found)
        heard = [notice for notice, _ in found if _is_heard(notice, receiver)]
        if heard:
            notifications.append(Notification(receiver=receiver, notices=tuple(sorted(heard, key=_worst_first))))
    return Plan(notifications=tuple(notifications), told=tuple(changed))


@dataclass(frozen=True, slots=True)
class _Ear:
    """What a receiver hears: the alerts that some route brings to it."""

    receiver: ReceiverName
    routes: Sequence[Route]

    def hears(self, alert: Alert) -> bool:
        """Say whether the alert is routed to the receiver."""
        if not self.routes:
            return True
        return any(self.receiver in route.receivers and route.matches(alert) for route in self.routes)


def _by_topic(alerts: Iterable[Alert]) -> Mapping[Topic, Sequence[Alert]]:
    """Return the alerts by topic, the highest severity first."""
    ordered = sorted(alerts, key=_topic_order)
    return {topic: tuple(group) for topic, group in groupby(ordered, key=lambda alert: alert.key.topic)}


def _topic_order(alert: Alert) -> tuple[str, str, str, int]:
    key = alert.key
    return key.rule, key.tenant, key.reason, -key.severity.rank


def _notice(alerts: Sequence[Alert], told: Told | None, ear: _Ear) -> Notice | None:
    """Return what a receiver must be told of one topic, or None where what it knows is still true."""
    firing = next((alert for alert in alerts if alert.is_firing and ear.hears(alert)), None)
    knows = told is not None and told.state is AlertState.FIRING
    if firing is not None:
        reason = _reason_of_firing(firing.key.severity, told if knows else None)
        return None if reason is None else Notice(reason=reason, alert=firing, told_before=told)
    if told is None or not knows:
        return None
    return Notice(
        reason=NotifyReason.RESOLVED,
        alert=_ended(alerts, told),
        told_before=told,
        still_firing=next((alert.key.severity for alert in alerts if alert.is_firing), None),
        is_rerouted=any(alert.is_firing and alert.key.severity is told.severity for alert in alerts),
    )


def _reason_of_firing(severity: Severity, known: Told | None) -> NotifyReason | None:
    if known is None:
        return NotifyReason.FIRST
    if severity.rank > known.severity.rank:
        return NotifyReason.RAISED
    if severity.rank < known.severity.rank:
        return NotifyReason.LOWERED
    return None


def _ended(alerts: Sequence[Alert], told: Told) -> Alert:
    """Return the alert that a receiver is told the end of: the one it knew, over the whole time that it fired.

    A topic may have begun at another level that ended with it: the duration and the peak are those of the longest.
    """
    ended = next((alert for alert in alerts if alert.key.severity is told.severity), alerts[0])
    together = [alert for alert in alerts if alert.duration is not None and alert.resolved_at == ended.resolved_at]
    longest = max(together, key=lambda alert: alert.duration or timedelta(0), default=ended)
    return replace(ended, fired_at=longest.fired_at, peak=longest.peak)


def _told_after(notice: Notice, receiver: Receiver, *, now: datetime) -> Told:
    resolved = notice.reason is NotifyReason.RESOLVED
    severity = notice.told_before.severity if resolved and notice.told_before else notice.alert.key.severity
    return Told(
        topic=notice.alert.key.topic,
        receiver=receiver.name,
        severity=severity,
        state=AlertState.INACTIVE if resolved else AlertState.FIRING,
        at=now,
    )


def _is_heard(notice: Notice, receiver: Receiver) -> bool:
    if notice.reason is not NotifyReason.RESOLVED:
        return True
    return receiver.send_resolved and not notice.is_rerouted


def _worst_first(notice: Notice) -> tuple[bool, int, int, str, str]:
    """Return the order in a message: what fires before what ended, the worst first, then the highest count."""
    alert = notice.alert
    return (
        notice.reason is NotifyReason.RESOLVED,
        -alert.key.severity.rank,
        -(alert.value or 0),
        alert.key.tenant,
        alert.key.reason,
    )
