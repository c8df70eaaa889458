"""Decisions whom to notify: `plan` compares what each target of a receiver was last notified of with what is true now.

The decision is level-triggered: no event has to survive anywhere, and after a crash, a mute or a change of the rules
the same comparison sends what still differs, and nothing else. It is made for each target, that is for each URL: one
that is new knows nothing and is notified of what fires, one that knows of something is notified of its end. Targets of
a receiver that know the same get one message. No I/O: values in, values out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from alerter.core.alerts import Alert, AlertState, AlertSubject
from alerter.core.mute_windows import MuteWindow
from alerter.core.mutes import NO_MUTES, Mute, MuteSet, active_window, ended_mute, ended_windows, latest_ended, muted_by
from alerter.core.routes import NO_TARGET, Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.core.silences import Acknowledgement, broken_now, current_acknowledgements, firing_started_at

#: A reminder comes after `repeat_interval`, then after twice that, and so on; but never later than this, and for ever.
MAX_REPEAT = timedelta(days=1)


class NotifyReason(StrEnum):
    """Why a receiver is notified; there is no member for not notifying it.

    `BROKEN` is said of an alert that was acknowledged and has got worse, where its level is that of the last
    notification.
    """

    FIRST = "first"
    RAISED = "raised"
    LOWERED = "lowered"
    BROKEN = "broken"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationState:
    """What a target of a receiver was last notified of about an alert subject.

    Attributes:
        subject: The rule and the series.
        receiver: Who was notified.
        target: Where. Empty in what was stored before targets were distinguished: at each target of the receiver.
        severity: The level it knows of; after a resolve, the one that was resolved.
        state: `FIRING`, or `INACTIVE` once it knows of the end.
        notified_at: When the message was planned.
        repeat_count: How many reminders it got since the last news.
        thread: The id of the first message about the present episode, which later ones answer; empty until it is known.
    """

    subject: AlertSubject
    receiver: ReceiverName
    severity: Severity
    state: AlertState
    notified_at: datetime
    repeat_count: int = 0
    thread: str = ""
    target: TargetId = NO_TARGET


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationItem:
    """One alert that a receiver is notified of.

    Attributes:
        reason: Why it is notified.
        alert: What is true: the highest firing alert of the topic, or the one that resolved.
        previous_state: What it was notified of before; None if nothing.
        still_firing: After a resolve, the severity at which the topic goes on where this receiver does not hear it.
        mute_ended: What muted this until now; None where nothing did.
        firing_since: When some level of the topic began to fire; None where nothing fires.
    """

    reason: NotifyReason
    alert: Alert
    previous_state: NotificationState | None = None
    still_firing: Severity | None = None
    mute_ended: Mute | None = None
    firing_since: datetime | None = None

    @property
    def always_passes(self) -> bool:
        """Whether `max_per_hour` does not hold it back: what begins to be critical, and everything about polling."""
        begins = self.reason in {NotifyReason.FIRST, NotifyReason.RAISED}
        return self.alert.is_no_data or (begins and self.alert.key.severity is Severity.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """All that one receiver is notified of after one poll, worst first; it becomes one message.

    Attributes:
        receiver: Who is notified.
        items: At least one.
        suppressed: How many messages before this one `max_per_hour` suppressed; their news is in this one.
        targets: Where: all of the receiver's that know the same.
        is_introduction: Whether its targets are new, and are notified of what fires for the first time.
    """

    receiver: Receiver
    items: tuple[NotificationItem, ...]
    suppressed: int = 0
    targets: tuple[TargetId, ...] = ()
    is_introduction: bool = False

    def is_about(self, subjects: Collection[AlertSubject]) -> bool:
        """Return True if it notifies of any of these."""
        return any(item.alert.key.subject in subjects for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyLimit:
    """What a receiver got within the last hour.

    Attributes:
        sent: Messages planned for it.
        suppressed: Messages that it did not get because of `max_per_hour`, since the last one that it got.
    """

    sent: int = 0
    suppressed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationPlan:
    """What to send, and what the receivers know once it is sent.

    Attributes:
        notifications: One per receiver, or several where its targets do not know the same.
        notified: The entries that these change.
        noted: The entries that change without a message.
        broken: The acknowledgements that break now, and stay broken.
        suppressed: What is not sent, because its receiver has had all the messages of its hourly limit. It still
            differs from what the receiver knows, so that a later plan notifies of it.
        unsent_ends: What ends without a message, for its receiver wants none of it. On-call services close what they
            have open all the same.
    """

    notifications: tuple[Notification, ...] = ()
    notified: tuple[NotificationState, ...] = ()
    noted: tuple[NotificationState, ...] = ()
    broken: tuple[Acknowledgement, ...] = ()
    suppressed: tuple[Notification, ...] = ()
    unsent_ends: tuple[Notification, ...] = ()

    def without(self, receivers: Collection[ReceiverName]) -> "NotificationPlan":
        """Return the plan without what is collected for these receivers, to be planned again later."""
        return replace(
            self,
            notifications=tuple(each for each in self.notifications if each.receiver.name not in receivers),
            notified=tuple(entry for entry in self.notified if entry.receiver not in receivers),
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """What targets were last notified of, each of them where it is now.

    Attributes:
        notified: All of it.
        moved: The entries of it that are new, for their targets have moved.
        left: The entries that these take the place of.
    """

    notified: Sequence[NotificationState]
    moved: Sequence[NotificationState] = ()
    left: Sequence[NotificationState] = ()


def settled(notified: Sequence[NotificationState], receivers: Iterable[Receiver]) -> Settled:
    """Return notification states; those of targets that have moved to another receiver as of there.

    A URL that went from one receiver to another one knows what it was notified of, and so does one whose receiver has
    another name. What a URL that is nowhere any more was notified of stays as it is: nobody can send its end, and
    nobody has.

    Args:
        notified: What targets were last notified of.
        receivers: All receivers.
    """
    if not notified:
        return Settled(notified)
    here = {(receiver.name, target): None for receiver in receivers for target in receiver.targets}
    knowing = {(entry.subject, entry.receiver, entry.target): entry for entry in notified}
    moved: list[NotificationState] = []
    left: list[NotificationState] = []
    for entry in notified:
        if entry.state is not AlertState.FIRING or (entry.receiver, entry.target) in here:
            continue
        homes = _homes(entry, here)
        for name, target in homes:
            known = knowing.get((entry.subject, name, target))
            if known is None or known.state is not AlertState.FIRING:
                moved.append(replace(entry, receiver=name, target=target))
                knowing[entry.subject, name, target] = moved[-1]
        if homes:
            left.append(knowing.pop((entry.subject, entry.receiver, entry.target)))
    return Settled(list(knowing.values()), moved, left)


def _homes(
    entry: NotificationState, here: Iterable[tuple[ReceiverName, TargetId]]
) -> list[tuple[ReceiverName, TargetId]]:
    """Return where the target of an entry is now: at the first receiver that has it."""
    if not entry.target:
        return [(name, target) for name, target in here if name == entry.receiver]
    return [(name, target) for name, target in here if target == entry.target][:1]


def plan(
    alerts: Iterable[Alert],
    notified: Iterable[NotificationState],
    receivers: Sequence[Receiver],
    routes: Sequence[Route],
    *,
    mutes: MuteSet = NO_MUTES,
    hourly_limits: Mapping[ReceiverName, HourlyLimit] | None = None,
    now: datetime,
) -> NotificationPlan:
    """Return what each receiver must be notified of.

    Args:
        alerts: Every alert that is not inactive, and those that were; only their present state counts.
        notified: What the targets of the receivers were last notified of.
        receivers: All receivers, in the configuration's order.
        routes: Where alerts go; none means that everything goes to every receiver.
        mutes: What mutes. A tenant with a firing alert about polling has no data without being named here.
        hourly_limits: What the receivers got within the last hour; None means nothing.
        now: The instant of the decision.
    """
    alerts_by_subject = _by_subject(alerts)
    mutes = _present(mutes, alerts_by_subject, now=now)
    broken = broken_now(mutes.acknowledgements, alerts_by_subject, now=now)
    mutes = replace(mutes, acknowledgements={**mutes.acknowledgements, **broken})
    states_by_target: dict[tuple[ReceiverName, TargetId], dict[AlertSubject, NotificationState]] = {}
    for entry in notified:
        states_by_target.setdefault((entry.receiver, entry.target), {})[entry.subject] = entry
    parts = [
        _plan_for(
            _ReceiverView(receiver, routes, mutes),
            alerts_by_subject,
            {target: states_by_target.get((receiver.name, target), {}) for target in receiver.targets},
            (hourly_limits or {}).get(receiver.name, HourlyLimit()),
            now=now,
        )
        for receiver in receivers
    ]
    return NotificationPlan(
        notifications=tuple(each for part in parts for each in part.notifications),
        notified=tuple(each for part in parts for each in part.notified),
        noted=tuple(each for part in parts for each in part.noted),
        broken=tuple(broken.values()),
        suppressed=tuple(each for part in parts for each in part.suppressed),
        unsent_ends=tuple(each for part in parts for each in part.unsent_ends),
    )


def _plan_for(
    ear: "_ReceiverView",
    alerts_by_subject: Mapping[AlertSubject, Sequence[Alert]],
    known_by_target: Mapping[TargetId, Mapping[AlertSubject, NotificationState]],
    budget: HourlyLimit,
    *,
    now: datetime,
) -> NotificationPlan:
    receiver = ear.receiver
    routed_by_target: dict[TargetId, list[NotificationItem]] = {}
    unsent_by_target: dict[TargetId, list[NotificationItem]] = {}
    noted: list[NotificationState] = []
    for target, known in known_by_target.items():
        found = [
            item
            for subject, of_subject in alerts_by_subject.items()
            if (item := _item_for(of_subject, known.get(subject), ear, now=now))
        ]
        routed_by_target[target] = [item for item in found if _is_routed(item, receiver)]
        unsent_by_target[target] = [item for item in found if not _is_routed(item, receiver)]
        noted += [_state_after(each, receiver, target, now=now) for each in unsent_by_target[target]]
    # All that is planned at one instant counts as one message, for no target gets more than one of it.
    has_had_enough = budget.sent >= receiver.max_per_hour
    notified, suppressed = list[NotificationState](), list[Notification]()
    notifications: list[Notification] = []
    for targets in _alike(routed_by_target):
        is_routed = routed_by_target[targets[0]]
        notification = Notification(
            receiver=receiver,
            targets=targets,
            items=tuple(sorted(is_routed, key=_worst_first)),
            suppressed=budget.suppressed,
        )
        if has_had_enough and not any(item.always_passes for item in is_routed):
            suppressed.append(notification)
            continue
        notifications.append(notification)
        notified += [
            _state_after(item, receiver, target, now=now) for target in targets for item in routed_by_target[target]
        ]
    unsent_ends = tuple(
        Notification(receiver=receiver, targets=targets, items=tuple(unsent_by_target[targets[0]]))
        for targets in _alike(unsent_by_target)
    )
    return NotificationPlan(
        notifications=tuple(notifications),
        notified=tuple(notified),
        noted=tuple(noted),
        suppressed=tuple(suppressed),
        unsent_ends=unsent_ends,
    )


def _alike(routed_by_target: Mapping[TargetId, Sequence[NotificationItem]]) -> list[tuple[TargetId, ...]]:
    """Return the targets that are notified of anything, together where they are notified of the same."""
    together: dict[tuple[object, ...], list[TargetId]] = {}
    for target, items in routed_by_target.items():
        if items:
            together.setdefault(tuple(_without_target(item) for item in items), []).append(target)
    return [tuple(targets) for targets in together.values()]


def _without_target(item: NotificationItem) -> tuple[object, ...]:
    before = item.previous_state
    if before is None or item.reason is NotifyReason.FIRST:
        # A first message says nothing of earlier ones.
        return item.reason, item.alert.key
    known = (before.severity, before.state, before.notified_at, before.repeat_count, before.thread)
    return item.reason, item.alert.key, known


@dataclass(frozen=True, slots=True)
class _ReceiverView:
    """The alerts for a receiver: those that some route brings to it, unless they are muted.

    Attributes:
        mutes: Everything that mutes, or did until a moment ago.
    """

    receiver: Receiver
    routes: Sequence[Route]
    mutes: MuteSet

    def is_routed(self, alert: Alert) -> bool:
        """Say whether the alert is routed to the receiver."""
        return not self.routes or bool(self._matching_routes(alert))

    def muted(self, alert: Alert, *, now: datetime) -> Mute | None:
        """Return what keeps the alert from the receiver at this moment: a mute, or a window on each of its ways."""
        mute = muted_by(alert, self.mutes, now=now)
        if mute is not None:
            return mute
        ways = [active_window(windows, now=now) for windows in self._windows(alert)]
        return next(iter(ways), None) if all(ways) else None

    def _matching_routes(self, alert: Alert) -> list[Route]:
        return [route for route in self.routes if self.receiver.name in route.receivers and route.matches(alert)]

    def _windows(self, alert: Alert) -> list[Sequence[MuteWindow]]:
        """Return the windows of each of the alert's ways."""
        return [self.mutes.windows_for(alert, route.mute_windows) for route in self._matching_routes(alert)]

    def mute_ended(self, alert: Alert, *, since: datetime, now: datetime) -> Mute | None:
        """Return what kept the alert from the receiver until a moment ago, or None."""
        ended = ended_mute(alert, self.mutes, since=since, now=now)
        opened = self._ended_route_window(alert, since=since, now=now)
        return latest_ended([each for each in (ended, opened) if each is not None], now=now)

    def _ended_route_window(self, alert: Alert, *, since: datetime, now: datetime) -> Mute | None:
        """Return the window whose end opened a way again: until then there was one on each of them."""
        ways = self._windows(alert)
        windows = [window for way in ways for window in way]
        ended = [
            mute
            for mute in ended_windows(windows, since=since, now=now)
            if all(active_window(way, now=(mute.until or now) - timedelta.resolution) for way in ways)
        ]
        return latest_ended(ended, now=now)


def _present(mutes: MuteSet, alerts_by_subject: Mapping[AlertSubject, Sequence[Alert]], *, now: datetime) -> MuteSet:
    """Return the mutes with the tenants that are found to have no data, without acknowledgements of episodes before."""
    return replace(
        mutes,
        acknowledgements=current_acknowledgements(mutes.acknowledgements, alerts_by_subject, now=now),
        no_data_tenants=mutes.no_data_tenants | _no_data_tenants(alerts_by_subject),
    )


def _no_data_tenants(alerts_by_subject: Mapping[AlertSubject, Sequence[Alert]]) -> frozenset[Tenant]:
    return frozenset(
        alert.key.tenant
        for alerts in alerts_by_subject.values()
        for alert in alerts
        if alert.is_firing and alert.is_no_data
    )


def _by_subject(alerts: Iterable[Alert]) -> Mapping[AlertSubject, Sequence[Alert]]:
    """Return the alerts by topic, the highest severity first."""
    ordered = sorted(alerts, key=_subject_order)
    return {subject: tuple(group) for subject, group in groupby(ordered, key=lambda alert: alert.key.subject)}


def _subject_order(alert: Alert) -> tuple[str, str, str, int]:
    key = alert.key
    return key.rule, key.tenant, key.reason, -key.severity.rank


def _item_for(
    alerts: Sequence[Alert], notified: NotificationState | None, ear: _ReceiverView, *, now: datetime
) -> NotificationItem | None:
    """Return what a target must be notified of about one subject; None where what it knows is still true, or muted."""
    known = notified if notified is not None and notified.state is AlertState.FIRING else None
    # What it was notified of goes on to concern it, also where no route leads there any more.
    concerning = [alert for alert in alerts if (known and alert.key.severity is known.severity) or ear.is_routed(alert)]
    if any(alert.is_firing for alert in concerning):
        return _item_of_firing(concerning, notified, known, ear, now=now)
    if known is None:
        return None
    ended = _ended(alerts, known)
    if ear.muted(ended, now=now) is not None:
        return None
    return NotificationItem(
        reason=NotifyReason.RESOLVED,
        alert=ended,
        previous_state=notified,
        still_firing=next((alert.key.severity for alert in alerts if alert.is_firing), None),
        mute_ended=ear.mute_ended(ended, since=known.notified_at, now=now),
    )


def _item_of_firing(
    concerning: Sequence[Alert],
    notified: NotificationState | None,
    known: NotificationState | None,
    ear: _ReceiverView,
    *,
    now: datetime,
) -> NotificationItem | None:
    firing = next(alert for alert in concerning if alert.is_firing)
    reason = _reason_of_firing(firing.key.severity, known)
    if reason is None and known is not None and ear.is_routed(firing):
        reason = _reason_of_unchanged(known, ear, now=now)
    if reason is None or ear.muted(firing, now=now) is not None:
        return None
    firing_since = firing_started_at(concerning)
    since = known.notified_at if known is not None else firing_since or now
    return NotificationItem(
        reason=reason,
        alert=firing,
        previous_state=notified,
        mute_ended=ear.mute_ended(firing, since=since, now=now),
        firing_since=firing_since,
    )


def next_repeat_at(notified: NotificationState, receiver: Receiver) -> datetime:
    """Return when a receiver is reminded next: each time twice as late, up to a day, as it is configured now."""
    if receiver.repeat_interval >= MAX_REPEAT:
        return notified.notified_at + receiver.repeat_interval
    # Twenty doublings of a second are more than a day.
    return notified.notified_at + min(receiver.repeat_interval * (1 << min(notified.repeat_count, 20)), MAX_REPEAT)


def _is_repeat_due(notified: NotificationState, receiver: Receiver, *, now: datetime) -> bool:
    due_at = next_repeat_at(notified, receiver)
    # A clock that was set back leaves notifications in the future: nobody waits for more than twice the distance.
    return due_at <= now or notified.notified_at - now > due_at - notified.notified_at


def _reason_of_firing(severity: Severity, known: NotificationState | None) -> NotifyReason | None:
    if known is None:
        return NotifyReason.FIRST
    if severity.rank > known.severity.rank:
        return NotifyReason.RAISED
    if severity.rank < known.severity.rank:
        return NotifyReason.LOWERED
    return None


def _reason_of_unchanged(known: NotificationState, ear: _ReceiverView, *, now: datetime) -> NotifyReason | None:
    acknowledgement = ear.mutes.acknowledgements.get(known.subject)
    broken_at = None if acknowledgement is None else acknowledgement.broken_at
    if broken_at is not None and broken_at > known.notified_at:
        return NotifyReason.BROKEN
    return NotifyReason.REPEAT if _is_repeat_due(known, ear.receiver, now=now) else None


def _ended(alerts: Sequence[Alert], notified: NotificationState) -> Alert:
    """Return the alert whose end a receiver is notified of: the one it knew, over the whole time that it fired.

    A topic may have begun at another level that ended with it: the duration and the peak are those of the longest.
    """
    ended = next((alert for alert in alerts if alert.key.severity is notified.severity), alerts[0])
    together = [alert for alert in alerts if alert.duration is not None and alert.resolved_at == ended.resolved_at]
    longest = max(together, key=lambda alert: alert.duration or timedelta(0), default=ended)
    return replace(ended, fired_at=longest.fired_at, peak=longest.peak)


def _state_after(item: NotificationItem, receiver: Receiver, target: TargetId, *, now: datetime) -> NotificationState:
    resolved = item.reason is NotifyReason.RESOLVED
    severity = item.previous_state.severity if resolved and item.previous_state else item.alert.key.severity
    return NotificationState(
        subject=item.alert.key.subject,
        receiver=receiver.name,
        target=target,
        severity=severity,
        state=AlertState.INACTIVE if resolved else AlertState.FIRING,
        notified_at=now,
        repeat_count=_repeats_after(item),
        thread="" if item.reason is NotifyReason.FIRST or item.previous_state is None else item.previous_state.thread,
    )


def _repeats_after(item: NotificationItem) -> int:
    if item.reason is not NotifyReason.REPEAT or item.previous_state is None:
        return 0
    return item.previous_state.repeat_count + 1


def _is_routed(item: NotificationItem, receiver: Receiver) -> bool:
    return item.reason is not NotifyReason.RESOLVED or receiver.send_resolved


def _worst_first(item: NotificationItem) -> tuple[bool, int, int, str, str]:
    """Return the order in a message: what fires before what ended, the worst first, then the highest count."""
    alert = item.alert
    return (
        item.reason is NotifyReason.RESOLVED,
        -alert.key.severity.rank,
        -(alert.value or 0),
        alert.key.tenant,
        alert.key.reason,
    )
