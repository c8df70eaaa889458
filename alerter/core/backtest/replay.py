"""Stored history through the same evaluate → step → plan as live: what rules would have found, and whom notified.

Nothing is decided where nothing can change: `alert_replay` says at which polls an alert is evaluated, and a plan is
made when one of them has changed, a reminder is due, a mute window ends, a receiver may have messages again, or a
`group_wait` is over. At each of these instants the live functions decide, so that a replay of the rules that were live
is what happened live, alert by alert and message by message.

What it cannot know: which alerts a person had acknowledged or silenced, or a delivery had failed; and what a clock that
was set back showed before. No I/O: values in, values out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from heapq import heappop, heappush
from typing import Protocol

from alerter.core.alerts import Alert, AlertKey, AlertState, AlertSubject, Transition
from alerter.core.backtest.alert_replay import AlertChange
from alerter.core.backtest.transition_source import (
    EvaluatedRules,
    InMemoryTransitions,
    TenantAlertChange,
    TransitionSource,
)
from alerter.core.history import TenantHistory
from alerter.core.mute_windows import MuteWindow
from alerter.core.mutes import MuteSet
from alerter.core.notifications import (
    HourlyLimit,
    Notification,
    NotificationPlan,
    NotificationState,
    next_repeat_at,
    plan,
)
from alerter.core.routes import Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import Per, RuleName, Severity
from alerter.core.series import ALL_TENANTS, Tenant, from_epoch_us, to_epoch_us

HOUR = timedelta(hours=1)
#: Stands in the order of time for what is decided at no poll, after all the polls of an instant.
_NO_TENANT = 2**31


class ReplayConfig(EvaluatedRules, Protocol):
    """What is decided by: the part of `pipeline.ReplayConfig` that needs no adapter."""

    @property
    def receivers(self) -> Sequence[Receiver]:
        """All receivers."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """Where alerts go."""
        ...

    @property
    def windows_by_rule(self) -> Mapping[RuleName, Sequence[MuteWindow]]:
        """The mute windows of each rule that has any."""
        ...

    @property
    def muted_tenants(self) -> frozenset[Tenant]:
        """The tenants whose alerts nobody is notified of."""
        ...

    @property
    def timezones(self) -> Mapping[Tenant, tzinfo]:
        """The time zone of each tenant that has one of its own."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """One instant at which something was decided: the counterpart of a live cycle.

    Attributes:
        at: When.
        tenant: Whose poll it was; `ALL_TENANTS` where a `group_wait` was over, at no poll.
        transitions: What changed.
        notifications: Who is notified of what.
        suppressed: Who would have been notified without `max_per_hour`.
    """

    at: datetime
    tenant: Tenant
    transitions: tuple[Transition, ...]
    notifications: tuple[Notification, ...]
    suppressed: tuple[ReceiverName, ...] = ()


_NOTHING = NotificationPlan()


class Replay:
    """Rules on history; iterate over it once for what they decided, oldest first."""

    def __init__(self, alerting: ReplayConfig, past: TransitionSource) -> None:
        """Take what is decided by, and what was seen."""
        self._policy = alerting
        self._past = past
        self._stand = _CurrentAlerts()
        self._place_by_name = {name: place for place, name in enumerate(past.names)}
        self._bearers = [place for place, name in enumerate(past.names) if self._is_bearer(name)]
        self._evaluates_global_rules = frozenset(self._bearers)
        self._log = _NotificationLog(alerting)
        self._wakeups: list[tuple[int, int]] = []

    @property
    def alerts(self) -> Mapping[AlertKey, Alert]:
        """Every alert that ever was not inactive, as it is at the moment that was yielded last."""
        return {alert.key: alert for alert in self._stand.alerts()}

    def alert(self, key: AlertKey) -> Alert:
        """Return one that changed, as it is at the moment that was yielded last."""
        return self._stand.alert(key)

    def __iter__(self) -> Iterator[ReplayStep]:
        """Yield the instants at which something was decided; now and then the decision is that nobody is notified."""
        events = self._past.events()
        event = next(events, None)
        while event is not None or self._wakeups or self._log.groups:
            at, tenant = min([*([event[:2]] if event else []), *self._wakeups[:1], *self._due_groups()])
            if tenant == _NO_TENANT:
                yield self._group(at)
                continue
            transitions: list[Transition] = []
            while event is not None and event[:2] == (at, tenant):
                transitions += self._note(event)
                event = next(events, None)
            if self._woken(at, tenant) or any(map(self._is_news, transitions)):
                yield self._cycle(at, tenant, transitions)
            elif transitions:
                # Nobody is notified of what is pending, and every other notification has a time of its own.
                yield _moment(_NOTHING, self._past.names[tenant], transitions, now=from_epoch_us(at))

    def _due_groups(self) -> list[tuple[int, int]]:
        """Return when the next collection ends; after the polls of that instant."""
        return [(at, _NO_TENANT) for at in self._log.groups.values()]

    def _is_bearer(self, name: Tenant) -> bool:
        """Return True if a sum over all tenants is evaluated with the polls of this one."""
        bearers = self._policy.sum_trigger_tenants
        return any(
            rule.scope is Per.ALL and rule.tenants.matches(name) and name in bearers.get(rule.name, (name,))
            for rule in self._policy.rules
        )

    def _note(self, event: TenantAlertChange) -> list[Transition]:
        transition = event.change.transition
        self._stand.update(event.change)
        return [] if transition is None else [transition]

    def _is_news(self, transition: Transition) -> bool:
        """Return True if there is news of a subject: what is late, or was suppressed, is news again."""
        subject = transition.key.subject
        return (
            AlertState.FIRING in (transition.from_state, transition.to_state)
            or self._stand.is_firing(subject)
            or self._log.is_notified(subject)
        )

    def _woken(self, at: int, tenant: int) -> bool:
        is_woken = False
        while self._wakeups and self._wakeups[0] == (at, tenant):
            heappop(self._wakeups)
            is_woken = True
        return is_woken

    def _cycle(self, at: int, tenant: int, transitions: Sequence[Transition]) -> ReplayStep:
        """Do what a poll does after it has evaluated."""
        scope = {self._past.names[tenant], *((ALL_TENANTS,) if tenant in self._evaluates_global_rules else ())}
        now = from_epoch_us(at)

        def planned() -> NotificationPlan:
            return self._log.plan(self._stand.alerts_for_plan(scope, self._log.subjects(scope)), scope, now=now)

        decided = self._in_full(planned, at)
        at_once = self._log.record(decided, transitions, now=now)
        for name in scope:
            self._wake(name, at, at_once)
        return _moment(at_once, self._past.names[tenant], transitions, now=now)

    def _group(self, at: int) -> ReplayStep:
        """Notify the receivers whose `group_wait` is over."""
        now = from_epoch_us(at)
        due = self._log.due_groups(now=now)
        decided = self._in_full(lambda: self._log.plan_groups(self._stand.alerts(), due, now=now), at)
        self._log.flush_groups(decided, due, now=now)
        # Of everybody: what a window hides, or what was suppressed, may be sent without a change.
        for name in self._stand.tenants() | self._log.tenants():
            self._wake(name, at, decided)
        return _moment(decided, ALL_TENANTS, (), now=now)

    def _in_full(self, planned: Callable[[], NotificationPlan], at: int) -> NotificationPlan:
        """Return a plan whose alerts have the count and the operands of their newest poll with data.

        Whom to notify depends on neither, so that only what is sent is evaluated for them, and then planned again.
        """
        decided = planned()
        notified = {item.alert.key for each in decided.notifications for item in each.items}
        is_new = [self._bring_up_to(at, key) for key in notified if self._stand.is_live(key)]
        return planned() if any(is_new) else decided

    def _bring_up_to(self, at: int, key: AlertKey) -> bool:
        """Evaluate an alert at its newest poll with data; return True if it had not been."""
        found = self._past.newest(self._stand.last_evaluated(key), now=at)
        if found is None:
            return False
        self._stand.update(found)
        return True

    def _wake(self, name: Tenant, at: int, planned: NotificationPlan) -> None:
        """Note the next poll at which a plan about a tenant, or about the sum of all, may say something else."""
        due = self._log.next_plan_at(name, planned, now=from_epoch_us(at))
        if due is None:
            return
        concerned = self._bearers if name == ALL_TENANTS else [self._place_by_name[name]]
        polls = [(poll, number) for number in concerned if (poll := self._past.first_poll(number, due)) is not None]
        if polls:
            heappush(self._wakeups, min(polls))


def run_replay(alerting: ReplayConfig, tenants: Sequence[TenantHistory]) -> Replay:
    """Return the replay of tenants whose archives are at hand: all of them, each once."""
    return Replay(alerting, InMemoryTransitions(alerting, tenants))


def _moment(
    planned: NotificationPlan, tenant: Tenant, transitions: Sequence[Transition], *, now: datetime
) -> ReplayStep:
    return ReplayStep(
        at=now,
        tenant=tenant,
        transitions=tuple(transitions),
        notifications=planned.notifications,
        suppressed=tuple(each.receiver.name for each in planned.suppressed),
    )


class _CurrentAlerts:
    """Current alerts by tenant and subject, with their last evaluation."""

    def __init__(self) -> None:
        self._subjects: dict[Tenant, dict[AlertSubject, dict[Severity, Alert]]] = {}
        self._live: dict[Tenant, dict[AlertKey, AlertChange]] = {}

    def update(self, change: AlertChange) -> None:
        """Keep what an alert is since one of its polls."""
        alert, key = change.alert, change.alert.key
        self._subjects.setdefault(key.tenant, {}).setdefault(key.subject, {})[key.severity] = alert
        live = self._live.setdefault(key.tenant, {})
        if alert.state is AlertState.INACTIVE:
            live.pop(key, None)
        else:
            live[key] = change

    def alerts(self) -> Iterator[Alert]:
        """Yield every alert that ever was not inactive."""
        for by_subject in self._subjects.values():
            for by_severity in by_subject.values():
                yield from by_severity.values()

    def tenants(self) -> set[Tenant]:
        """Return whose alerts are not all inactive."""
        return {tenant for tenant, live in self._live.items() if live}

    def is_live(self, key: AlertKey) -> bool:
        """Say whether an alert is not inactive."""
        return key in self._live[key.tenant]

    def is_firing(self, subject: AlertSubject) -> bool:
        """Say whether a level of a topic fires that has changed before."""
        return any(alert.is_firing for alert in self._subjects[subject.tenant][subject].values())

    def alert(self, key: AlertKey) -> Alert:
        """Return an alert that has changed."""
        return self._subjects[key.tenant][key.subject][key.severity]

    def last_evaluated(self, key: AlertKey) -> AlertChange:
        """Return the last evaluation of an alert that is not inactive."""
        return self._live[key.tenant][key]

    def alerts_for_plan(self, scope: Iterable[Tenant], believed: Iterable[AlertSubject]) -> list[Alert]:
        """Return what a plan about some tenants depends on: topics that live, and those that a receiver believes in."""
        live = (key.subject for tenant in scope for key in self._live.get(tenant, ()))
        subjects = dict.fromkeys((*live, *believed))
        return [alert for subject in subjects for alert in self._subjects[subject.tenant][subject].values()]


class _NotificationLog:
    """What every receiver knows, what it got within the hour, and what is collected for it."""

    def __init__(self, alerting: ReplayConfig) -> None:
        self.groups: dict[ReceiverName, int] = {}
        self._policy = alerting
        self._receivers = {receiver.name: receiver for receiver in alerting.receivers}
        self._believed: dict[Tenant, dict[tuple[AlertSubject, ReceiverName, TargetId], NotificationState]] = {}
        self._ended: dict[tuple[AlertSubject, ReceiverName, TargetId], NotificationState] = {}
        self._sent: dict[ReceiverName, list[datetime]] = {}
        self._held_back: dict[ReceiverName, int] = {}
        self._mutes = MuteSet(
            windows_by_rule=alerting.windows_by_rule, muted_tenants=alerting.muted_tenants, timezones=alerting.timezones
        )
        self._windows = [window for windows in alerting.windows_by_rule.values() for window in windows]
        self._windows += [window for route in alerting.routes for window in route.mute_windows]

    def subjects(self, scope: Iterable[Tenant]) -> set[AlertSubject]:
        """Return what some receiver believes to go on."""
        return {entry.subject for tenant in scope for entry in self._entries(tenant)}

    def tenants(self) -> set[Tenant]:
        """Return of whom some receiver believes that something goes on."""
        return {tenant for tenant, believed in self._believed.items() if believed}

    def is_notified(self, subject: AlertSubject) -> bool:
        """Say whether some receiver believes that a topic goes on."""
        return any(entry.subject == subject for entry in self._entries(subject.tenant))

    def plan(self, alerts: Iterable[Alert], scope: Collection[Tenant], *, now: datetime) -> NotificationPlan:
        """Return the notifications about some tenants."""
        believed = [entry for tenant in scope for entry in self._entries(tenant)]
        return self._plan(alerts, believed, self._policy.receivers, now=now)

    def plan_groups(self, alerts: Iterable[Alert], due: Collection[ReceiverName], *, now: datetime) -> NotificationPlan:
        """Return the notifications for these receivers about all tenants."""
        receivers = [receiver for receiver in self._policy.receivers if receiver.name in due]
        believed = [entry for tenant in self._believed for entry in self._entries(tenant)]
        return self._plan(alerts, [*believed, *self._ended.values()], receivers, now=now)

    def record(
        self, planned: NotificationPlan, transitions: Iterable[Transition], *, now: datetime
    ) -> NotificationPlan:
        """Record what is sent at once, and begin to group the rest; return the former."""
        waiting = {name for name, receiver in self._receivers.items() if receiver.group_wait}
        for receiver in (notification.receiver for notification in planned.notifications):
            if receiver.name in waiting:
                self.groups.setdefault(receiver.name, to_epoch_us(now + receiver.group_wait))
        at_once = planned.without(waiting)
        self._keep(at_once, {transition.key.subject for transition in transitions}, now=now)
        return at_once

    def due_groups(self, *, now: datetime) -> set[ReceiverName]:
        """Return the receivers whose `group_wait` is over."""
        return {name for name, at in self.groups.items() if at <= to_epoch_us(now)}

    def flush_groups(self, planned: NotificationPlan, due: Collection[ReceiverName], *, now: datetime) -> None:
        """Record what was grouped for these receivers as sent."""
        self.groups = {name: at for name, at in self.groups.items() if name not in due}
        changed = {item.alert.key.subject for each in planned.suppressed for item in each.items}
        self._keep(planned, changed, now=now)

    def next_plan_at(self, tenant: Tenant, planned: NotificationPlan, *, now: datetime) -> int | None:
        """Return when a plan about a tenant may say something else although no alert has changed; None for never."""
        due = [next_repeat_at(entry, self._receivers[entry.receiver]) for entry in self._entries(tenant)]
        zone = self._policy.timezones.get(tenant)
        due += [
            end for window in self._windows if (end := window.in_timezone(zone).current_end_at(now=now)) is not None
        ]
        due += [self._free_at(suppressed.receiver) for suppressed in planned.suppressed]
        return min((to_epoch_us(at) for at in due if at > now), default=None)

    def _entries(self, tenant: Tenant) -> Collection[NotificationState]:
        return self._believed.get(tenant, {}).values()

    def _plan(
        self,
        alerts: Iterable[Alert],
        notified: Iterable[NotificationState],
        receivers: Sequence[Receiver],
        *,
        now: datetime,
    ) -> NotificationPlan:
        hourly_limits = {name: self._budget(name, now=now) for name in self._receivers}
        return plan(
            alerts, notified, receivers, self._policy.routes, mutes=self._mutes, hourly_limits=hourly_limits, now=now
        )

    def _budget(self, name: ReceiverName, *, now: datetime) -> HourlyLimit:
        self._sent[name] = [at for at in self._sent.get(name, ()) if at > now - HOUR]
        return HourlyLimit(sent=len(self._sent[name]), suppressed=self._held_back.get(name, 0))

    def _free_at(self, receiver: Receiver) -> datetime:
        """Return when a receiver that has had all that it may have in an hour may have the next message."""
        return self._sent[receiver.name][-receiver.max_per_hour] + HOUR

    def _keep(self, planned: NotificationPlan, changed: Collection[AlertSubject], *, now: datetime) -> None:
        for entry in (*planned.notified, *planned.noted):
            key = entry.subject, entry.receiver, entry.target
            believed = self._believed.setdefault(entry.subject.tenant, {})
            if entry.state is AlertState.FIRING:
                believed[key] = entry
                self._ended.pop(key, None)
            else:
                believed.pop(key, None)
                self._ended[key] = entry
        for notification in planned.notifications:
            self._sent[notification.receiver.name].append(now)
            self._held_back.pop(notification.receiver.name, None)
        for suppressed in planned.suppressed:
            if suppressed.is_about(changed):
                name = suppressed.receiver.name
                self._held_back[name] = self._held_back.get(name, 0) + 1
