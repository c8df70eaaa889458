"""Stored history through the same evaluate → step → plan as live: what rules would have found, and told whom.

Nothing is decided where nothing can change: `tracks` says at which polls an alert is judged, and a plan is made when
one of them has changed, a reminder is due, a mute window ends, a receiver may have messages again, or a `group_wait` is
over. At each of these instants the live functions decide, so that a replay of the rules that were live is what happened
live, alert by alert and message by message.

What it cannot know: where a poll was that saw no change, to within the jitter of the polling; which alerts a person
had acknowledged or silenced, or a delivery had failed; and what a clock that was set back showed before. No I/O: values
in, values out.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from heapq import heappop, heappush, merge
from itertools import chain
from typing import NamedTuple, Protocol

from alerter.core.alerts import Alert, AlertKey, AlertState, Topic, Transition
from alerter.core.archives import TenantArchive
from alerter.core.muting import Mutes, MuteWindow
from alerter.core.notifications import (
    Budget,
    Notification,
    Plan,
    Receiver,
    ReceiverName,
    Route,
    Told,
    plan,
    repeat_due_at,
)
from alerter.core.rules import Rule, RuleName
from alerter.core.series import ALL_TENANTS, Tenant
from alerter.core.timelines import instant_of, number_of
from alerter.core.tracks import Stage, Track, tracks_of

HOUR = timedelta(hours=1)
#: Stands in the order of time for what is decided at no poll, after all the polls of an instant.
_NO_TENANT = 2**31


class Policy(Protocol):
    """What is decided by: the part of `pipeline.Policy` that needs no adapter."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Every rule, also the built-in ones."""
        ...

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
        """The tenants of which nobody is told anything."""
        ...

    @property
    def timezones(self) -> Mapping[Tenant, tzinfo]:
        """The time zone of each tenant that has one of its own."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant at which something was decided: the counterpart of a live cycle.

    Attributes:
        at: When.
        tenant: Whose poll it was; `ALL_TENANTS` where a `group_wait` was over, at no poll.
        transitions: What changed.
        notifications: Who is told what.
        held_back: Who would have been told, but for `max_per_hour`.
    """

    at: datetime
    tenant: Tenant
    transitions: tuple[Transition, ...]
    notifications: tuple[Notification, ...]
    held_back: tuple[ReceiverName, ...] = ()


class _Event(NamedTuple):
    """A stage in the order of time; at one poll in the order in which rules judge."""

    at: int
    tenant: int
    number: int
    stage: Stage


class Replay:
    """Rules on history; iterate over it once for what they decided, oldest first.

    Attributes:
        alerts: Every alert that ever was not inactive, as it is at the moment that was yielded last.
    """

    def __init__(
        self,
        policy: Policy,
        tenants: Sequence[TenantArchive],
        *,
        on_progress: Callable[[int, int], None] = lambda done, of: None,  # noqa: ARG005 - nobody is told
    ) -> None:
        """Take what is decided by, and what was seen.

        Args:
            policy: The rules, and who is told.
            tenants: All tenants, each once.
            on_progress: Told how many alerts have been looked through, and of how many.
        """
        self.alerts: dict[AlertKey, Alert] = {}
        self._policy = policy
        self._tenants = tenants
        self._names = [tenant.polling.tenant for tenant in tenants]
        self._number_by_name = {name: number for number, name in enumerate(self._names)}
        self._on_progress = on_progress
        self._tracks = [track for rule in policy.rules for track in tracks_of(rule, tenants)]
        self._track_by_key = {track.key: track for track in self._tracks}
        self._judged_at: dict[AlertKey, int] = {}
        self._ledger = _Ledger(policy)
        self._wakeups: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Moment]:
        """Yield the moments at which something was decided; now and then the decision is that nobody is told."""
        events = merge(*map(self._events, range(len(self._tracks)), self._tracks))
        event = next(events, None)
        while event is not None or self._wakeups or self._ledger.groups:
            at, tenant = min([*([event[:2]] if event else []), *self._wakeups[:1], *self._due_groups()])
            if tenant == _NO_TENANT:
                yield self._group(at)
                continue
            transitions: list[Transition] = []
            while event is not None and event[:2] == (at, tenant):
                transitions += self._note(event)
                event = next(events, None)
            if self._woken(at, tenant) or transitions:
                yield self._cycle(at, tenant, transitions)

    def _due_groups(self) -> list[tuple[int, int]]:
        """Return when the next collection ends; after the polls of that instant."""
        return [(at, _NO_TENANT) for at in self._ledger.groups.values()]

    def _events(self, number: int, track: Track) -> Iterator[_Event]:
        timeline = track.archive.timeline
        members = self._members(track)
        stages = track.stages()
        first = next(stages, None)
        self._on_progress(number + 1, len(self._tracks))
        for stage in chain(() if first is None else (first,), stages):
            owner = timeline.owners[bisect_left(timeline.polls, stage.at)] if timeline.owners else 0
            yield _Event(stage.at, members[owner], number, stage)

    def _members(self, track: Track) -> Sequence[int]:
        """Return the numbers of the tenants whose polls a track is judged at."""
        if track.key.tenant != ALL_TENANTS:
            return [self._number_by_name[track.key.tenant]]
        rule = next(rule for rule in self._policy.rules if rule.name == track.key.rule)
        return [number for number, name in enumerate(self._names) if rule.tenants.matches(name)]

    def _note(self, event: _Event) -> list[Transition]:
        alert, transition = event.stage.alert, event.stage.transition
        self.alerts[alert.key] = alert
        self._judged_at[alert.key] = event.at
        return [] if transition is None else [transition]

    def _woken(self, at: int, tenant: int) -> bool:
        is_woken = False
        while self._wakeups and self._wakeups[0] == (at, tenant):
            heappop(self._wakeups)
            is_woken = True
        return is_woken

    def _cycle(self, at: int, tenant: int, transitions: Sequence[Transition]) -> Moment:
        """Do what a poll does after it has judged."""
        scope = {self._names[tenant], ALL_TENANTS}
        self._bring_up_to(at, scope)
        present = [alert for alert in self.alerts.values() if alert.key.tenant in scope]
        now = instant_of(at)
        planned = self._ledger.tell(present, scope, transitions, now=now)
        for name in scope:
            self._wake(name, at, planned)
        return Moment(
            at=now,
            tenant=self._names[tenant],
            transitions=tuple(transitions),
            notifications=planned.notifications,
            held_back=tuple(each.receiver.name for each in planned.held_back),
        )

    def _group(self, at: int) -> Moment:
        """Tell the receivers whose `group_wait` is over."""
        self._bring_up_to(at, None)
        now = instant_of(at)
        planned = self._ledger.tell_groups(self.alerts.values(), now=now)
        held_back = (notice.alert.key.tenant for each in planned.held_back for notice in each.notices)
        # Also those of whom nothing was told: the mute window in which the wait ended ends as well.
        firing = (key.tenant for key, alert in self.alerts.items() if alert.state is AlertState.FIRING)
        for name in {*(entry.topic.tenant for entry in planned.told), *held_back, *firing}:
            self._wake(name, at, planned)
        return Moment(
            at=now,
            tenant=ALL_TENANTS,
            transitions=(),
            notifications=planned.notifications,
            held_back=tuple(each.receiver.name for each in planned.held_back),
        )

    def _bring_up_to(self, at: int, scope: Collection[Tenant] | None) -> None:
        """Judge what is not inactive at its newest poll with data: its count and its operands are what is told."""
        for key, alert in self.alerts.items():
            if alert.state is AlertState.INACTIVE or (scope is not None and key.tenant not in scope):
                continue
            track = self._track_by_key[key]
            last = track.last_poll(at)
            if last > self._judged_at[key]:
                self.alerts[key] = track.newest(alert, since=self._judged_at[key], until=last)
                self._judged_at[key] = last

    def _wake(self, name: Tenant, at: int, planned: Plan) -> None:
        """Note the next poll at which a plan about a tenant, or about the sum of all, may say something else."""
        due = self._ledger.due_after(name, planned, now=instant_of(at))
        if due is None:
            return
        concerned = range(len(self._names)) if name == ALL_TENANTS else [self._number_by_name[name]]
        polls = [(poll, number) for number in concerned if (poll := self._first_poll(number, due)) is not None]
        if polls:
            heappush(self._wakeups, min(polls))

    def _first_poll(self, tenant: int, since: int) -> int | None:
        polls = self._tenants[tenant].polling.timeline.polls
        place = bisect_left(polls, since)
        return polls[place] if place < len(polls) else None


class _Ledger:
    """What every receiver knows, what it got within the hour, and what is collected for it."""

    def __init__(self, policy: Policy) -> None:
        self.groups: dict[ReceiverName, int] = {}
        self._policy = policy
        self._receivers = {receiver.name: receiver for receiver in policy.receivers}
        self._told: dict[Tenant, dict[tuple[Topic, ReceiverName], Told]] = {}
        self._sent: dict[ReceiverName, list[datetime]] = {}
        self._held_back: dict[ReceiverName, int] = {}
        self._mutes = Mutes(
            windows_by_rule=policy.windows_by_rule, muted_tenants=policy.muted_tenants, timezones=policy.timezones
        )
        self._windows = [window for windows in policy.windows_by_rule.values() for window in windows]
        self._windows += [window for route in policy.routes for window in route.mute_windows]

    def tell(
        self, alerts: Iterable[Alert], scope: Collection[Tenant], transitions: Iterable[Transition], *, now: datetime
    ) -> Plan:
        """Decide what is told of some tenants, and take it as told."""
        believed = [entry for tenant in scope for entry in self._entries(tenant) if entry.state is AlertState.FIRING]
        planned = self._plan(alerts, believed, self._policy.receivers, now=now)
        waiting = {name for name, receiver in self._receivers.items() if receiver.group_wait}
        for notification in planned.notifications:
            receiver = notification.receiver
            if receiver.name in waiting:
                self.groups.setdefault(receiver.name, number_of(now + receiver.group_wait))
        at_once = planned.without(waiting)
        self._keep(at_once, {transition.key.topic for transition in transitions}, now=now)
        return at_once

    def tell_groups(self, alerts: Iterable[Alert], *, now: datetime) -> Plan:
        """Decide what those are told whose `group_wait` is over."""
        due = {name for name, at in self.groups.items() if at <= number_of(now)}
        receivers = [receiver for receiver in self._policy.receivers if receiver.name in due]
        told = [entry for tenant in self._told for entry in self._entries(tenant)]
        planned = self._plan(alerts, told, receivers, now=now)
        self.groups = {name: at for name, at in self.groups.items() if name not in due}
        changed = {notice.alert.key.topic for each in planned.held_back for notice in each.notices}
        self._keep(planned, changed, now=now)
        return planned

    def due_after(self, tenant: Tenant, planned: Plan, *, now: datetime) -> int | None:
        """Return when a plan about a tenant may say something else although no alert has changed; None for never."""
        entries = [entry for entry in self._entries(tenant) if entry.state is AlertState.FIRING]
        due = [repeat_due_at(entry, self._receivers[entry.receiver]) for entry in entries]
        zone = self._policy.timezones.get(tenant)
        due += [end for window in self._windows if (end := window.seen_from(zone).end_of(now=now)) is not None]
        due += [self._free_at(held_back.receiver) for held_back in planned.held_back]
        return min((number_of(at) for at in due if at > now), default=None)

    def _entries(self, tenant: Tenant) -> Collection[Told]:
        return self._told.get(tenant, {}).values()

    def _plan(
        self, alerts: Iterable[Alert], told: Iterable[Told], receivers: Sequence[Receiver], *, now: datetime
    ) -> Plan:
        budgets = {name: self._budget(name, now=now) for name in self._receivers}
        return plan(alerts, told, receivers, self._policy.routes, mutes=self._mutes, budgets=budgets, now=now)

    def _budget(self, name: ReceiverName, *, now: datetime) -> Budget:
        self._sent[name] = [at for at in self._sent.get(name, ()) if at > now - HOUR]
        return Budget(sent=len(self._sent[name]), held_back=self._held_back.get(name, 0))

    def _free_at(self, receiver: Receiver) -> datetime:
        """Return when a receiver that has had all that it may have in an hour may have the next message."""
        return self._sent[receiver.name][-receiver.max_per_hour] + HOUR

    def _keep(self, planned: Plan, changed: Collection[Topic], *, now: datetime) -> None:
        for entry in planned.told:
            self._told.setdefault(entry.topic.tenant, {})[entry.topic, entry.receiver] = entry
        for notification in planned.notifications:
            self._sent[notification.receiver.name].append(now)
            self._held_back.pop(notification.receiver.name, None)
        for held_back in planned.held_back:
            if held_back.is_about(changed):
                name = held_back.receiver.name
                self._held_back[name] = self._held_back.get(name, 0) + 1
