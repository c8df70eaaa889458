"""Random histories: whatever happens, in whatever order, every receiver is told what is true, once and to the end.

The machine below is the pipeline without its edges: `evaluate` → `step` → `plan`, with what they return kept in
dictionaries. What it asserts are the sentences of the contract, worked out a second time and from the outside: from
what the receivers read, not from what `plan` believes of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerter.core.alerts import Alert, AlertKey, AlertState, AlertSubject, resolve_removed, shift_clock, step
from alerter.core.mutes import MuteKind, MuteSet
from alerter.core.notifications import (
    MAX_REPEAT,
    HourlyLimit,
    NotificationItem,
    NotificationPlan,
    NotificationState,
    NotifyReason,
    plan,
    settled,
)
from alerter.core.routes import Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import (
    Level,
    Per,
    Rule,
    RuleName,
    Severity,
    TenantSeries,
    evaluate,
    select_series,
    with_no_data_rules,
)
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.core.series import (
    ALL_REASONS,
    ALL_TENANTS,
    HoldReason,
    PollFailure,
    Sample,
    Series,
    Span,
    Tenant,
)
from alerter.core.silences import MAX_SILENCE, Acknowledgement, AlertMatcher, Silence
from alerter.errors import Cause
from tests.builders import NOON, a_level, a_receiver, a_route, a_rule, a_silence, a_window, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
FIRING = AlertState.FIRING
HOUR = timedelta(hours=1)

TENANTS = [Tenant("acme"), Tenant("globex")]
REASONS = [HoldReason("Spam"), HoldReason("Virus")]
POLL_INTERVALS = dict.fromkeys(TENANTS, minutes(5))
RECEIVERS = [ReceiverName("secops"), ReceiverName("mail"), ReceiverName("boss")]

#: Every alert of this rule is muted at night.
NIGHTLY = RuleName("Backlog")
NIGHT = a_window("mon-sun", "18:00", "08:00")
#: One of the two ways to secops is closed in the lunch hour, the only way to mail as well.
LUNCH = a_window("mon-sun", "12:00", "13:00")
ROUTES = [
    a_route("secops", severities=[INFO, WARNING], mute_windows=[LUNCH]),
    a_route("secops", reasons=["Spam", "*"]),
    a_route("mail", severities=[WARNING, CRITICAL], mute_windows=[LUNCH]),
    a_route("boss", severities=[CRITICAL]),
]
#: What routes may become while alerts fire.
OTHERS = [a_route("secops", severities=[CRITICAL]), a_route("mail", reasons=["Spam", "*"]), a_route("boss")]

_PASSED = st.sampled_from([1, 5, 5, 10, 15, 45, 60, 240, 1500]).map(minutes)
_TENANT = st.sampled_from(TENANTS)
_COUNTS = st.fixed_dictionaries({reason: st.sampled_from([0, 60, 90, 120, 160, 260, 500]) for reason in REASONS})
_LEVEL = st.builds(
    lambda above, hysteresis, for_, keep: a_level(
        above=above, clear_at=above - hysteresis, for_=for_, keep_firing_for=keep
    ),
    st.sampled_from([50, 100, 150, 250]),
    st.sampled_from([0, 0, 40]),
    st.sampled_from(["0", "0", "10m"]),
    st.sampled_from(["0", "0", "30m"]),
)
_LEVELS = st.dictionaries(st.sampled_from(list(Severity)), _LEVEL, min_size=1)
_NAME = st.sampled_from([NIGHTLY, RuleName("Flood")])
_MATCHER = st.builds(
    AlertMatcher,
    tenants=st.sampled_from([MATCH_ALL, MATCH_ALL, Selector(("acme",))]),
    reasons=st.sampled_from([MATCH_ALL, MATCH_ALL, Selector(("Spam",)), Selector(("!Spam",))]),
    rules=st.sampled_from([MATCH_ALL, MATCH_ALL, Selector((NIGHTLY,)), Selector(("No data",))]),
    severities=st.sampled_from([(), (), (WARNING,), (CRITICAL,), (WARNING, CRITICAL)]).map(frozenset),
)


def _rule(name: RuleName, levels: Mapping[Severity, Level], per: Per = Per.REASON) -> Rule:
    return replace(a_rule(name, per=per), levels=levels)


@dataclass
class _Polled:
    """What the last polls of a tenant saw."""

    good_at: datetime | None = None
    counts: Mapping[HoldReason, int] = field(default_factory=dict)
    failure: PollFailure | None = None

    def tenant_series(self, tenant: Tenant) -> TenantSeries:
        """Return the series: the newest good poll is all that thresholds and missing data look at."""
        reasons = [self._series(tenant, reason, count) for reason, count in self.counts.items()]
        return TenantSeries(polling=self._series(tenant, ALL_REASONS, 0), reasons=reasons)

    def _series(self, tenant: Tenant, reason: HoldReason, count: int) -> Series:
        at = self.good_at
        return Series(
            tenant=tenant,
            reason=reason,
            changes=() if at is None else (Sample(at, count),),
            coverage=() if at is None else (Span(at, at),),
            poll_interval=POLL_INTERVALS[tenant],
            poll_failure=self.failure,
        )


@dataclass(frozen=True)
class _Belief:
    """What a receiver has read of a topic that it takes for firing."""

    severity: Severity
    read_at: datetime
    thread: str


class _Histories(RuleBasedStateMachine):
    """Two tenants, three receivers, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.rule_by_name: dict[RuleName, Rule] = {}
        self.receivers: dict[ReceiverName, Receiver] = {}
        self.routes: Sequence[Route] = ()
        self.windows = {NIGHTLY: [NIGHT]}
        self.polled = {tenant: _Polled() for tenant in TENANTS}
        self.alerts: dict[AlertKey, Alert] = {}
        self.notified: dict[tuple[ReceiverName, TargetId, AlertSubject], NotificationState] = {}
        self.silences: list[Silence] = []
        self.acknowledgements: dict[AlertSubject, Acknowledgement] = {}
        self.sent: dict[ReceiverName, list[datetime]] = {name: [] for name in RECEIVERS}
        self.suppressed = dict.fromkeys(RECEIVERS, 0)
        self.messages = 0
        self.is_whole = True
        self.urls = 0
        # The second bookkeeping, from which the assertions are made: whoever reads at a URL is the same wherever it is.
        self.believed: dict[tuple[TargetId, AlertSubject], _Belief] = {}
        self.lease_state: dict[AlertSubject, Acknowledgement] = {}
        self.doubtful: set[AlertSubject] = set()
        self.read_since_jump: dict[tuple[TargetId, AlertSubject], datetime] = {}
        self.broken: dict[AlertSubject, datetime] = {}

    # what happens

    @initialize(routed=st.booleans(), levels=_LEVELS, others=_LEVELS, small=st.booleans())
    def begin(self, *, routed: bool, levels: dict[Severity, Level], others: dict[Severity, Level], small: bool) -> None:
        """Start with a rule of each reason, and three receivers."""
        self.routes = ROUTES if routed else ()
        self.rule_by_name = {NIGHTLY: _rule(NIGHTLY, levels), RuleName("Flood"): _rule(RuleName("Flood"), others)}
        for name in RECEIVERS:
            self.receivers[name] = a_receiver(
                name, repeat_interval="1h", max_per_hour=2 if small else 30, targets=[name]
            )

    @rule(tenant=_TENANT, passed=_PASSED, counts=_COUNTS)
    def poll_well(self, tenant: Tenant, passed: timedelta, counts: dict[HoldReason, int]) -> None:
        """Poll a tenant."""
        self.now += passed
        self.polled[tenant] = _Polled(good_at=self.now, counts=counts)
        self._cycle(tenant)

    @rule(tenant=_TENANT, passed=_PASSED)
    def poll_badly(self, tenant: Tenant, passed: timedelta) -> None:
        """Poll a tenant in vain; after a while it has no data."""
        self.now += passed
        before = self.polled[tenant]
        since = self.now if before.failure is None else min(before.failure.started_at, self.now)
        failure = PollFailure(
            started_at=since, last_failed_at=self.now, cause=Cause.TIMEOUT, detail="no answer within 30s"
        )
        self.polled[tenant] = replace(before, failure=failure)
        self._cycle(tenant)

    @rule(matcher=_MATCHER, lasting=st.sampled_from([10, 60, 600]).map(minutes))
    def silence(self, matcher: AlertMatcher, lasting: timedelta) -> None:
        """Ask for quiet."""
        wanted = replace(a_silence(len(self.silences) + 1), matcher=matcher)
        self.silences.append(replace(wanted, starts_at=self.now, ends_at=self.now + lasting))

    @precondition(lambda self: self.silences)
    @rule()
    def expire(self) -> None:
        """End the newest silence before its time."""
        newest = self.silences[-1]
        self.silences[-1] = replace(newest, ends_at=min(newest.ends_at, max(self.now, newest.starts_at)))

    @precondition(lambda self: any(alert.is_firing for alert in self.alerts.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Say that somebody is at it."""
        firing = sorted((alert for alert in self.alerts.values() if alert.is_firing), key=lambda alert: alert.key.id)
        alert = data.draw(st.sampled_from(firing))
        subject = alert.key.subject
        self.broken.pop(subject, None)
        self.acknowledgements[subject] = self.lease_state[subject] = Acknowledgement(
            subject=subject,
            severity=alert.key.severity,
            value=alert.value,
            author="ann",
            comment="on it",
            acknowledged_at=self.now,
        )

    @rule(name=_NAME, levels=_LEVELS, per=st.sampled_from([Per.REASON, Per.REASON, Per.TENANT, Per.ALL]))
    def edit_rule(self, name: RuleName, levels: dict[Severity, Level], per: Per) -> None:
        """Give a rule, or one that had gone, other levels and limits."""
        self.rule_by_name[name] = _rule(name, levels, per)

    @rule(name=_NAME)
    def remove_rule(self, name: RuleName) -> None:
        """Take a rule away."""
        self.rule_by_name.pop(name, None)

    @precondition(lambda self: self.rule_by_name)
    @rule(data=st.data())
    def rename_rule(self, data: st.DataObject) -> None:
        """Give a rule another name, and with it another identity."""
        name = data.draw(st.sampled_from(sorted(self.rule_by_name)))
        new = RuleName(f"{name}'" if len(name) < len("Backlog''") else "Flood")
        self.rule_by_name[new] = replace(self.rule_by_name.pop(name), name=new)

    @rule(
        name=st.sampled_from(RECEIVERS),
        send_resolved=st.booleans(),
        repeat_interval=st.sampled_from(["10m", "1h", "4h", "2d"]),
        max_per_hour=st.sampled_from([1, 2, 30]),
    )
    def configure(self, name: ReceiverName, *, send_resolved: bool, repeat_interval: str, max_per_hour: int) -> None:
        """Add a receiver, or change it."""
        before = self.receivers.get(name)
        self.receivers[name] = a_receiver(
            name,
            send_resolved=send_resolved,
            repeat_interval=repeat_interval,
            max_per_hour=max_per_hour,
            targets=[self._new_url()] if before is None else before.targets,
        )

    @rule(name=st.sampled_from(RECEIVERS), keep=st.integers(0, 2))
    def replace_urls(self, name: ReceiverName, keep: int) -> None:
        """Give a receiver a new URL beside the first ones that it has, or in their place."""
        if name in self.receivers:
            before = self.receivers[name]
            self.receivers[name] = replace(before, targets=(*before.targets[:keep], self._new_url()))

    @rule(name=st.sampled_from(RECEIVERS), other=st.sampled_from(RECEIVERS))
    def move_url(self, name: ReceiverName, other: ReceiverName) -> None:
        """Let another receiver have a URL."""
        if name != other and name in self.receivers and other in self.receivers and self.receivers[name].targets[1:]:
            *kept, moved = self.receivers[name].targets
            self.receivers[name] = replace(self.receivers[name], targets=tuple(kept))
            self.receivers[other] = replace(self.receivers[other], targets=(*self.receivers[other].targets, moved))

    @rule(routes=st.sampled_from([(), ROUTES, OTHERS]))
    def reroute(self, routes: Sequence[Route]) -> None:
        """Send alerts other ways."""
        self.routes = routes

    def _new_url(self) -> TargetId:
        self.urls += 1
        return TargetId(f"url {self.urls}")

    @precondition(lambda self: len(self.receivers) > 1)
    @rule(name=st.sampled_from(RECEIVERS))
    def dismiss(self, name: ReceiverName) -> None:
        """Take a receiver away."""
        self.receivers.pop(name, None)

    @rule(by=st.sampled_from([-1500, -60, -20, 20, 60, 1500]).map(minutes))
    def jump(self, by: timedelta) -> None:
        """Set the clock; what spans are measured from follows it, and spans that are read are counted anew."""
        self.now += by
        self.read_since_jump = {}
        self.sent = {name: [] for name in RECEIVERS}
        self.alerts = {key: shift_clock(alert, by=by) for key, alert in self.alerts.items()}
        firing = {key.subject for key, alert in self.alerts.items() if alert.is_firing}
        kept = {subject: each for subject, each in self.acknowledgements.items() if subject in firing}
        self.acknowledgements = {subject: each.moved(by) for subject, each in kept.items()}
        self.broken = {subject: at + by for subject, at in self.broken.items() if subject in firing}
        self.lease_state = {
            subject: replace(each, acknowledged_at=each.acknowledged_at + by)
            for subject, each in self.lease_state.items()
        }
        # Levels that are over stay on the clock of then: whether one of them broke an acknowledgement is not known.
        self.doubtful = set(kept)

    # the pipeline in small

    def _cycle(self, tenant: Tenant) -> None:
        scope = {tenant, ALL_TENANTS}
        self.is_whole = False
        self._judge(tenant, scope)
        self._forget_acknowledgements()
        planned = self._plan(scope)
        self._check_notices(planned)
        self._record(planned)
        self.acknowledgements |= {each.subject: each for each in planned.broken}
        self._check_what_is_known(planned, scope)
        self._check_a_restart(scope)
        self.is_whole = True

    def _judge(self, tenant: Tenant, scope: Iterable[Tenant]) -> None:
        everyone = [polled.tenant_series(name) for name, polled in self.polled.items()]
        own = [each for each in everyone if each.polling.tenant == tenant]
        seen: set[AlertKey] = set()
        for each in with_no_data_rules(self.rule_by_name.values(), POLL_INTERVALS):
            for series in select_series(each, everyone if each.scope is Per.ALL else own):
                for severity, level in each.levels.items():
                    key = AlertKey(rule=each.name, severity=severity, tenant=series.tenant, reason=series.reason)
                    seen.add(key)
                    alert = self.alerts.get(key, Alert(key=key))
                    evaluation = evaluate(level, series, firing=alert.is_firing, now=self.now)
                    self.alerts[key], _ = step(alert, evaluation, level, now=self.now)
        for key, alert in self.alerts.items():
            if key.tenant in scope and key not in seen:
                self.alerts[key], _ = resolve_removed(alert, why="rule removed", now=self.now)

    def _plan(self, scope: Iterable[Tenant]) -> NotificationPlan:
        hourly_limits = {
            name: HourlyLimit(
                sent=sum(self.now - HOUR < at <= self.now for at in set(self.sent[name])),
                suppressed=self.suppressed[name],
            )
            for name in self.receivers
        }
        mutes = MuteSet(
            silences=[each for each in self.silences if each.ends_at > self.now - MAX_SILENCE],
            acknowledgements=self.acknowledgements,
            windows_by_rule=self.windows,
        )
        return plan(
            [alert for key, alert in self.alerts.items() if key.tenant in scope],
            self._settled(scope),
            list(self.receivers.values()),
            self.routes,
            mutes=mutes,
            hourly_limits=hourly_limits,
            now=self.now,
        )

    def _settled(self, scope: Iterable[Tenant]) -> Sequence[NotificationState]:
        known = [entry for entry in self.notified.values() if entry.subject.tenant in scope]
        found = settled(known, self.receivers.values())
        for entry in found.left:
            del self.notified[entry.receiver, entry.target, entry.subject]
        self.notified |= {(entry.receiver, entry.target, entry.subject): entry for entry in found.moved}
        return found.notified

    def _record(self, planned: NotificationPlan) -> None:
        threads: dict[tuple[ReceiverName, TargetId], str] = {}
        for notification in planned.notifications:
            name = notification.receiver.name
            self.messages += 1
            threads |= {(name, target): f"m{self.messages}" for target in notification.targets}
            self.sent[name].append(self.now)
            self.suppressed[name] = 0
            for target in notification.targets:
                for item in notification.items:
                    self._read(target, item, f"m{self.messages}")
        for name in {held.receiver.name for held in planned.suppressed}:
            self.suppressed[name] += 1
        for entry in (*planned.notified, *planned.noted):
            is_begun = entry.state is FIRING and not entry.thread
            thread = threads[entry.receiver, entry.target] if is_begun else entry.thread
            self.notified[entry.receiver, entry.target, entry.subject] = replace(entry, thread=thread)
        for entry in planned.noted:
            assert not self.receivers[entry.receiver].send_resolved, "an end is told where it is wanted"
            del self.believed[entry.target, entry.subject]

    def _read(self, target: TargetId, item: NotificationItem, message: str) -> None:
        who = target, item.alert.key.subject
        before = self.believed.pop(who, None)
        self.read_since_jump[who] = self.now
        if item.reason is not NotifyReason.RESOLVED:
            thread = message if before is None else before.thread
            self.believed[who] = _Belief(severity=item.alert.key.severity, read_at=self.now, thread=thread)

    # what is true, worked out a second time

    def _highest(self, name: ReceiverName, target: TargetId, subject: AlertSubject) -> Alert | None:
        """Return the highest firing alert of a topic that is for a receiver, or that was told to its target."""
        known = self.believed.get((target, subject))
        firing = [alert for key, alert in self.alerts.items() if key.subject == subject and alert.is_firing]
        is_routed = [
            alert
            for alert in firing
            if self._is_routed(name, alert) or (known and alert.key.severity is known.severity)
        ]
        return max(is_routed, key=lambda alert: alert.key.severity.rank, default=None)

    def _is_routed(self, name: ReceiverName, alert: Alert) -> bool:
        return not self.routes or bool(self._ways(name, alert))

    def _ways(self, name: ReceiverName, alert: Alert) -> list[Route]:
        return [route for route in self.routes if name in route.receivers and route.matches(alert)]

    def _is_muted(self, name: ReceiverName, alert: Alert) -> bool:
        """Say whether a silence, a window or missing data hides an alert from a receiver; all windows are in UTC."""
        ways = self._ways(name, alert)
        return (
            any(each.starts_at <= self.now < each.ends_at and each.matcher.matches(alert, {}) for each in self.silences)
            or (alert.key.rule in self.windows and not 8 <= self.now.hour < 18)
            or (self._has_no_data(alert.key.tenant) and not alert.is_no_data)
            or (bool(ways) and self.now.hour == 12 and all(route.mute_windows for route in ways))
        )

    def _has_no_data(self, tenant: Tenant) -> bool:
        return any(alert.is_firing and alert.is_no_data for key, alert in self.alerts.items() if key.tenant == tenant)

    def _is_acknowledged(self, alert: Alert) -> bool:
        lease_state = self.lease_state.get(alert.key.subject)
        if alert.key.subject in self.doubtful:
            return True
        return lease_state is not None and alert.key.severity.rank <= lease_state.severity.rank

    def _forget_acknowledgements(self) -> None:
        """Drop the acknowledgements whose topic is over, or has got worse: kept from poll to poll, not worked out."""
        firing = [alert for alert in self.alerts.values() if alert.is_firing]
        going_on = {alert.key.subject for alert in firing}
        risen = {alert.key.subject for alert in firing if _is_worse(alert, self.lease_state.get(alert.key.subject))}
        self.broken = {subject: at for subject, at in self.broken.items() if subject in going_on}
        self.broken |= dict.fromkeys(risen, self.now)
        self.lease_state = {
            subject: each for subject, each in self.lease_state.items() if subject in going_on and subject not in risen
        }
        self.doubtful &= going_on

    # the sentences of the contract

    def _check_notices(self, planned: NotificationPlan) -> None:
        reached = [target for each in planned.notifications for target in each.targets]
        assert len(set(reached)) == len(reached), "one poll is one message to a target"
        for notification in planned.notifications:
            name = notification.receiver.name
            assert notification.suppressed == self.suppressed[name], "the next message says how many were held back"
            within = {at for at in self.sent[name] if at > self.now - HOUR}
            is_urgent = any(map(_is_urgent, notification.items))
            assert is_urgent or len(within) < notification.receiver.max_per_hour, "an hour has no more"
            for item in notification.items:
                assert not self._is_muted(name, item.alert), "a mute makes the plan empty"
                for target in notification.targets:
                    self._check_notice(notification.receiver, target, item)
        for notification in planned.suppressed:
            assert not any(map(_is_urgent, notification.items)), "what is critical passes"

    def _check_notice(self, receiver: Receiver, target: TargetId, item: NotificationItem) -> None:
        subject, severity = item.alert.key.subject, item.alert.key.severity
        before = self.believed.get((target, subject))
        highest = self._highest(receiver.name, target, subject)
        if item.reason is NotifyReason.RESOLVED:
            assert before is not None, "nobody is told of the end of what he was never told of"
            assert highest is None, "nothing is over that fires"
            assert receiver.send_resolved
            return
        assert highest is not None
        assert severity is highest.key.severity, "a receiver hears the highest level only"
        if item.reason is NotifyReason.FIRST:
            assert before is None, "nobody is told twice of a beginning"
            return
        assert before is not None, "there is no news of what he was never told of"
        assert item.previous_state is not None
        assert item.previous_state.thread == before.thread, "all of an episode is one conversation"
        self._check_direction(receiver, target, item, before)

    def _check_direction(self, receiver: Receiver, target: TargetId, item: NotificationItem, before: _Belief) -> None:
        rise = item.alert.key.severity.rank - before.severity.rank
        assert (rise > 0) is (item.reason is NotifyReason.RAISED)
        assert (rise < 0) is (item.reason is NotifyReason.LOWERED)
        subject = item.alert.key.subject
        if item.reason is NotifyReason.BROKEN:
            assert subject in self.broken, "an acknowledgement has broken"
            assert item.mute_ended is not None
            assert item.mute_ended.kind is MuteKind.ACKNOWLEDGEMENT
            return
        read_at = self.read_since_jump.get((target, subject))
        if rise == 0 and read_at is not None:
            assert self.now - read_at >= receiver.repeat_interval, "nobody is told twice within the interval"

    def _check_what_is_known(self, planned: NotificationPlan, scope: Iterable[Tenant]) -> None:
        held = {target for each in planned.suppressed for target in each.targets}
        for subject in {key.subject for key in self.alerts if key.tenant in scope}:
            for receiver in self.receivers.values():
                for target in receiver.targets:
                    if target not in held:
                        self._check_known(receiver, target, subject)

    def _check_known(self, receiver: Receiver, target: TargetId, subject: AlertSubject) -> None:
        before = self.believed.get((target, subject))
        highest = self._highest(receiver.name, target, subject)
        if highest is None:
            ended = None if before is None else self.alerts[_key(subject, before.severity)]
            assert ended is None or self._is_muted(receiver.name, ended), "who was told of it is told of its end"
            return
        if self._is_muted(receiver.name, highest) or self._is_acknowledged(highest):
            return
        assert before is not None, "what fires is told"
        assert before.severity is highest.key.severity, "what was told is what is true"
        if not self._is_routed(receiver.name, highest):
            return
        broken_at = self.broken.get(subject)
        assert broken_at is None or subject in self.doubtful or before.read_at >= broken_at, "a break is told at once"
        distance = max(MAX_REPEAT, receiver.repeat_interval)
        assert abs(self.now - before.read_at) <= distance, "reminders never end"

    def _check_a_restart(self, scope: Iterable[Tenant]) -> None:
        again = self._plan(scope)
        assert (again.notifications, again.notified, again.noted) == ((), (), ()), "a restart tells nobody anything"

    @invariant()
    def what_is_kept_is_what_was_read(self) -> None:
        """What `plan` will compare with is what the receivers have read."""
        kept = {(target, subject): each for (_, target, subject), each in self.notified.items() if each.state is FIRING}
        assert {who: (entry.severity, entry.thread) for who, entry in kept.items()} == {
            who: (belief.severity, belief.thread) for who, belief in self.believed.items()
        }

    def teardown(self) -> None:
        """End every mute, let all be well and time pass: then everybody knows that it is over."""
        if not self.is_whole:  # what has failed already says more than what follows from it
            return
        for name in RECEIVERS:
            self.receivers.setdefault(name, a_receiver(name, targets=[self._new_url()]))
        self.silences = [replace(each, ends_at=min(each.ends_at, self.now)) for each in self.silences]
        self.windows = {}
        self.routes = [replace(route, mute_windows=()) for route in self.routes]
        for _ in range(6):
            # Close together, for a sum over tenants is known only while all of them are; then a new hour begins.
            for tenant, passed in zip(TENANTS, (61, 1), strict=True):
                self.poll_well(tenant, minutes(passed), dict.fromkeys(REASONS, 0))

        here = {target for receiver in self.receivers.values() for target in receiver.targets}
        left = [subject for target, subject in self.believed if target in here]
        assert left == [], "whoever was told of a firing alert is told of its end"


def _key(subject: AlertSubject, severity: Severity) -> AlertKey:
    return AlertKey(rule=subject.rule, severity=severity, tenant=subject.tenant, reason=subject.reason)


def _is_urgent(item: NotificationItem) -> bool:
    begins = item.reason in {NotifyReason.FIRST, NotifyReason.RAISED}
    return item.alert.key.rule == "No data" or (begins and item.alert.key.severity is CRITICAL)


def _is_worse(alert: Alert, since: Acknowledgement | None) -> bool:
    if since is None or alert.fired_at is None:
        return False
    has_doubled = bool(since.value) and alert.value is not None and alert.value >= 2 * (since.value or 0)
    return has_doubled or (alert.key.severity.rank > since.severity.rank and alert.fired_at > since.acknowledged_at)


@pytest.mark.hypothesis
@pytest.mark.timeout(400)  # a history that fails is made small for up to five minutes
def test_whatever_happens_every_receiver_is_told_what_is_true() -> None:
    """Some hundred histories: told once, of the highest level, within the budget, not while muted, and to the end."""
    run_state_machine_as_test(_Histories, settings=settings(max_examples=150, stateful_step_count=30))
