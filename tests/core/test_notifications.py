"""Who is told what: everybody once, nobody twice, and whoever was told of a beginning is told of the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertKey, AlertState, Topic
from alerter.core.conditions import Blind, Operands
from alerter.core.notifications import Notice, Notification, NotifyReason, Plan, Receiver, Route, Told, plan
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS
from tests.builders import (
    NOON,
    a_key,
    a_receiver,
    a_resolved,
    a_route,
    a_told,
    an_alert,
    at,
    minutes,
    span,
)

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
QUIET, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING


def _planned(
    alerts: Iterable[Alert],
    told: Iterable[Told] = (),
    *,
    receiver: Receiver | None = None,
    routes: Sequence[Route] = (),
) -> Plan:
    return plan(alerts, told, [receiver or a_receiver()], routes, now=NOON)


def _notices(planned: Plan) -> list[Notice]:
    return [notice for notification in planned.notifications for notice in notification.notices]


_CRITICAL_ONLY = a_route(severities=[CRITICAL])
_WARNING_ONLY = a_route(severities=[WARNING])


@pytest.mark.parametrize(
    ("alerts", "told", "routes", "expected"),
    [
        pytest.param([], [], [], None, id="nothing is wrong, nothing is told"),
        pytest.param([an_alert()], [], [], ("first", WARNING), id="an alert fires of which the receiver knows nothing"),
        pytest.param([an_alert(PENDING)], [], [], None, id="a pending alert is not told"),
        pytest.param([an_alert()], [a_told()], [], None, id="the receiver knows already"),
        pytest.param([a_resolved()], [a_told()], [], ("resolved", WARNING), id="what the receiver knows of is over"),
        pytest.param([a_resolved()], [], [], None, id="nobody is told of the end of what he was never told of"),
        pytest.param([a_resolved()], [a_told(QUIET)], [], None, id="the receiver knows of the end already"),
        pytest.param([an_alert()], [a_told(QUIET)], [], ("first", WARNING), id="it fires again after its end was told"),
        pytest.param(
            [an_alert(severity=CRITICAL)], [a_told(QUIET)], [], ("first", CRITICAL), id="it begins again one level up"
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [],
            [],
            ("first", CRITICAL),
            id="of two levels the higher is told",
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [a_told()],
            [],
            ("raised", CRITICAL),
            id="a higher level fires too",
        ),
        pytest.param(
            [an_alert(severity=INFO), an_alert(severity=CRITICAL)],
            [a_told(severity=INFO)],
            [],
            ("raised", CRITICAL),
            id="a level is skipped on the way up",
        ),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            [],
            ("lowered", WARNING),
            id="the higher level is over, the lower one goes on",
        ),
        pytest.param(
            [an_alert(severity=CRITICAL), a_resolved()],
            [a_told(severity=CRITICAL)],
            [],
            None,
            id="the lower level is over, the higher one goes on",
        ),
        pytest.param(
            [a_resolved(), a_resolved(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            [],
            ("resolved", CRITICAL),
            id="both levels are over at once",
        ),
        pytest.param(
            [an_alert(PENDING, resolved_at="11:50")],
            [a_told()],
            [],
            ("resolved", WARNING),
            id="over, but pending again",
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [],
            [_WARNING_ONLY],
            ("first", WARNING),
            id="of two levels the one that is routed here is told",
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [a_told()],
            [_WARNING_ONLY],
            None,
            id="a higher level that is not routed here is not told",
        ),
        pytest.param([an_alert()], [], [_CRITICAL_ONLY], None, id="a level that is not routed here is not told"),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            [_CRITICAL_ONLY],
            ("resolved", CRITICAL),
            id="the level that is routed here is over, a lower one goes on elsewhere",
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [a_told(QUIET, severity=CRITICAL)],
            [_CRITICAL_ONLY],
            ("first", CRITICAL),
            id="the level that is routed here fires again",
        ),
        pytest.param(
            [an_alert()], [a_told()], [a_route("mail")], None, id="the route was taken away: that is no all-clear"
        ),
        pytest.param([], [a_told()], [], None, id="an alert that is gone from the database has nothing to say"),
    ],
)
def test_a_receiver_is_told_what_differs_from_what_it_knows(
    alerts: list[Alert], told: list[Told], routes: list[Route], expected: tuple[str, Severity] | None
) -> None:
    """The decision compares what is true with what was told; the order of events plays no part."""
    found = _planned(alerts, told, routes=routes)

    assert [(notice.reason, notice.alert.key.severity) for notice in _notices(found)] == (
        [expected] if expected else []
    )
    assert _planned(reversed(alerts), told, routes=routes) == found


@pytest.mark.parametrize(
    ("alert", "told", "severity", "state"),
    [
        pytest.param(an_alert(severity=CRITICAL), [], CRITICAL, FIRING, id="of an alert that fires"),
        pytest.param(a_resolved(severity=CRITICAL), [a_told(severity=CRITICAL)], CRITICAL, QUIET, id="of its end"),
        pytest.param(
            a_resolved(), [a_told(severity=CRITICAL)], CRITICAL, QUIET, id="of the end of a level that has gone"
        ),
    ],
)
def test_what_a_receiver_was_told_is_kept(
    alert: Alert, told: list[Told], severity: Severity, state: AlertState
) -> None:
    """The plan returns what the receiver knows once it is sent."""
    [entry] = _planned([alert], told).told

    assert entry == Told(topic=alert.key.topic, receiver=a_receiver().name, severity=severity, state=state, at=NOON)


def test_a_notice_says_what_the_receiver_was_told_before() -> None:
    """A message can say how long the receiver has known."""
    [raised] = _notices(_planned([an_alert(severity=CRITICAL)], [a_told()]))

    assert raised.told_before == a_told()


def test_the_end_of_a_level_says_what_goes_on_elsewhere() -> None:
    """A receiver of critical alerts is not led to believe that all is well."""
    alerts = [an_alert(severity=INFO), an_alert(), a_resolved(severity=CRITICAL)]

    [resolved] = _notices(_planned(alerts, [a_told(severity=CRITICAL)], routes=[_CRITICAL_ONLY]))

    assert resolved.still_firing is WARNING


def test_the_end_of_everything_says_that_nothing_goes_on() -> None:
    """All levels are over."""
    [resolved] = _notices(_planned([a_resolved()], [a_told()]))

    assert resolved.still_firing is None


# the end of several levels


def test_the_duration_of_an_end_is_that_of_all_levels_that_ended_with_it() -> None:
    """The receiver was told of the warning first: it has lasted since then."""
    warning = replace(a_resolved(since="10:00"), peak=900)
    critical = replace(a_resolved(severity=CRITICAL, since="11:30"), peak=600)

    [resolved] = _notices(_planned([warning, critical], [a_told(severity=CRITICAL)]))

    assert resolved.alert.key.severity is CRITICAL
    assert (resolved.alert.duration, resolved.alert.peak) == (span("2h"), 900)


def test_the_duration_of_an_end_is_its_own_where_another_level_ended_before() -> None:
    """A level that was over an hour ago has no part in it."""
    warning = a_resolved(since="11:00")
    critical = a_resolved(severity=CRITICAL, since="09:00", until="10:00")

    [resolved] = _notices(_planned([warning, critical], [a_told()]))

    assert resolved.alert == warning


def test_the_duration_of_an_end_is_its_own_where_another_level_goes_on() -> None:
    """A level that still fires has not ended."""
    critical = a_resolved(severity=CRITICAL, since="11:00")

    [resolved] = _notices(
        _planned([an_alert(since="09:00"), critical], [a_told(severity=CRITICAL)], routes=[_CRITICAL_ONLY])
    )

    assert resolved.alert == critical


# receivers and routes


def test_a_receiver_without_all_clears_is_not_told_of_the_end() -> None:
    """With send_resolved off the end is known, but not told; the next beginning is a first one."""
    quiet = a_receiver(send_resolved=False)

    ended = _planned([a_resolved()], [a_told()], receiver=quiet)
    again = _planned([an_alert()], ended.told, receiver=quiet)

    assert ended.notifications == ()
    assert [entry.state for entry in ended.told] == [QUIET]
    assert [notice.reason for notice in _notices(again)] == [NotifyReason.FIRST]


def test_a_receiver_is_told_of_the_end_unless_it_says_otherwise() -> None:
    """All clears are on by default."""
    plain = Receiver(name=a_receiver().name)

    assert _notices(_planned([a_resolved()], [a_told()], receiver=plain)) != []


def test_without_all_clears_other_news_is_told_alone() -> None:
    """An end is left out of a message that has something else to say."""
    other = an_alert(key=a_key(reason="Virus"))

    found = _planned([a_resolved(), other], [a_told()], receiver=a_receiver(send_resolved=False))

    assert [notice.alert for notice in _notices(found)] == [other]
    assert len(found.told) == 2


def test_without_routes_everybody_is_told_everything() -> None:
    """Each receiver has its own message."""
    found = plan([an_alert()], [], [a_receiver("secops"), a_receiver("mail")], [], now=NOON)

    assert [notification.receiver.name for notification in found.notifications] == ["secops", "mail"]


def test_what_one_receiver_knows_says_nothing_of_another() -> None:
    """A receiver that is new to the configuration is told of what fires already."""
    found = plan([an_alert()], [a_told()], [a_receiver("secops"), a_receiver("mail")], [], now=NOON)

    assert [notification.receiver.name for notification in found.notifications] == ["mail"]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        pytest.param(a_route(), True, id="a route without conditions takes everything"),
        pytest.param(a_route("mail"), False, id="a route to somebody else"),
        pytest.param(a_route("mail", "secops"), True, id="a route to several"),
        pytest.param(a_route(severities=[INFO, WARNING]), True, id="a severity it takes"),
        pytest.param(a_route(severities=[CRITICAL]), False, id="a severity it does not take"),
        pytest.param(a_route(tenants=["acme"]), True, id="a tenant it takes"),
        pytest.param(a_route(tenants=["!ACME"]), False, id="a tenant it does not take"),
        pytest.param(a_route(reasons=["sp*"]), True, id="a reason it takes"),
        pytest.param(a_route(reasons=["virus"]), False, id="a reason it does not take"),
        pytest.param(a_route(rules=["back*"]), True, id="a rule it takes"),
        pytest.param(a_route(rules=["surge"]), False, id="a rule it does not take"),
        pytest.param(a_route(reasons=["sp*"], severities=[CRITICAL]), False, id="all of its selectors must match"),
    ],
)
def test_an_alert_goes_the_ways_that_match_it(*, route: Route, expected: bool) -> None:
    """An alert goes to the receivers of every route that matches it."""
    assert bool(_planned([an_alert()], routes=[route]).notifications) is expected


def test_blindness_is_told_to_whoever_hears_of_some_of_the_reasons() -> None:
    """Who is told of one hold reason is told when none of them can be seen any more."""
    blind = replace(
        an_alert(key=a_key(rule="Blind", reason=ALL_REASONS)),
        operands=(Operands(condition=Blind.name, limit="no good poll for 15m"),),
    )

    assert a_route(reasons=["*Impersonation*"]).matches(blind)
    assert not a_route(reasons=["*Impersonation*"], tenants=["globex"]).matches(blind)


def test_two_routes_to_one_receiver_are_one_message() -> None:
    """A receiver is told once, however many ways lead to it."""
    found = _planned([an_alert()], routes=[a_route(), a_route(rules=["Backlog"])])

    assert len(_notices(found)) == 1


def test_one_message_tells_all_the_worst_first() -> None:
    """What fires comes before what is over, the worse before the milder, the more before the fewer."""
    critical = an_alert(key=a_key(reason="c", severity=CRITICAL), value=1)
    many = an_alert(key=a_key(reason="b"), value=500)
    few = an_alert(key=a_key(reason="a"), value=200)
    blind = an_alert(key=a_key(reason="*"), value=None)
    over = replace(a_resolved(severity=CRITICAL), value=900)

    [notification] = _planned([over, blind, few, many, critical], [a_told(severity=CRITICAL)]).notifications

    assert [notice.alert for notice in notification.notices] == [critical, many, few, blind, over]


# Whatever happens: levels of topics that fire and end in random cycles, random receivers and routes.


@dataclass
class _World:
    """The alerts, and what the receivers know and read."""

    receivers: list[Receiver]
    routes: list[Route]
    now: datetime = NOON
    alerts: dict[AlertKey, Alert] = field(default_factory=dict)
    told: dict[tuple[str, Topic], Told] = field(default_factory=dict)

    def cycle(self, firing: set[AlertKey]) -> Plan:
        """Let exactly these alerts fire, and tell it."""
        self.now += minutes(5)
        for key in firing | set(self.alerts):
            self.alerts[key] = _after(self.alerts.get(key), key, key in firing, self.now)
        planned = plan(self.alerts.values(), self.told.values(), self.receivers, self.routes, now=self.now)
        self.told |= {(entry.receiver, entry.topic): entry for entry in planned.told}
        return planned

    def heard(self, receiver: str, topic: Topic) -> Severity | None:
        """Return the highest level that fires and is routed to a receiver."""
        alerts = [alert for key, alert in self.alerts.items() if key.topic == topic and alert.is_firing]
        routed = [
            alert.key.severity
            for alert in alerts
            if not self.routes or any(receiver in route.receivers and route.matches(alert) for route in self.routes)
        ]
        return max(routed, key=lambda severity: severity.rank, default=None)


def _after(alert: Alert | None, key: AlertKey, is_firing: bool, now: datetime) -> Alert:  # noqa: FBT001 - a test's own
    if alert is None:
        return Alert(key=key, state=FIRING, active_at=now, fired_at=now)
    if is_firing and not alert.is_firing:
        return replace(alert, state=FIRING, active_at=now, fired_at=now, resolved_at=None)
    if alert.is_firing and not is_firing:
        return replace(alert, state=QUIET, active_at=None, resolved_at=now)
    return alert


_KEYS = [a_key(reason=reason, severity=severity) for reason in ("Spam", "Virus") for severity in Severity]
_CYCLES = st.lists(st.sets(st.sampled_from(_KEYS)), min_size=1, max_size=10)
_NAMES = ["secops", "mail", "boss"]
_RECEIVERS = st.lists(st.booleans(), min_size=1, max_size=3).map(
    lambda flags: [a_receiver(name, send_resolved=flag) for name, flag in zip(_NAMES, flags, strict=False)]
)
_ROUTES = st.lists(
    st.builds(
        lambda names, severities, reasons: a_route(*names, severities=severities, reasons=reasons),
        st.lists(st.sampled_from(_NAMES), min_size=1, unique=True),
        st.sets(st.sampled_from(list(Severity))),
        st.sampled_from([[], ["spam"], ["!spam"]]),
    ),
    max_size=3,
)


def _read(notifications: Iterable[Notification]) -> list[tuple[str, Notice]]:
    return [(each.receiver.name, notice) for each in notifications for notice in each.notices]


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_after_a_plan_there_is_nothing_left_to_tell(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """Planning again, as after a restart, tells nobody anything twice."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)

        again = plan(world.alerts.values(), world.told.values(), receivers, routes, now=world.now)

        assert again == Plan(notifications=(), told=())


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_what_a_receiver_reads_makes_sense_line_by_line(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """Nothing ends or begins twice, up is up and down is down, and only the highest level is told."""
    world = _World(receivers, routes)
    believed: dict[tuple[str, Topic], Severity] = {}
    for firing in cycles:
        planned = world.cycle(firing)

        assert len({each.receiver.name for each in planned.notifications}) == len(planned.notifications)
        for name, notice in _read(planned.notifications):
            topic, severity = notice.alert.key.topic, notice.alert.key.severity
            known = believed.pop((name, topic), None)
            rank = None if known is None else known.rank
            if notice.reason is NotifyReason.RESOLVED:
                assert known is severity
                assert world.heard(name, topic) is None
                continue
            assert severity is world.heard(name, topic)
            if notice.reason is NotifyReason.FIRST:
                assert rank is None or not next(each for each in receivers if each.name == name).send_resolved
            else:
                assert rank is not None
                assert (severity.rank > rank) is (notice.reason is NotifyReason.RAISED)
                assert severity.rank != rank
            believed[name, topic] = severity


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_whoever_believes_that_something_fires_is_told_when_it_is_over(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """When everything is over, exactly those who knew of something are told so, if they want to be."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)
    wanting = {receiver.name for receiver in receivers if receiver.send_resolved}
    knowing = {who for who, entry in world.told.items() if entry.state is FIRING and who[0] in wanting}

    ended = world.cycle(set())

    assert {(name, notice.alert.key.topic) for name, notice in _read(ended.notifications)} == knowing
    assert all(entry.state is QUIET for entry in world.told.values())


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_what_a_receiver_knows_is_what_is_true(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """After every plan each receiver knows of exactly the highest levels that are routed to it."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)

        for receiver in receivers:
            for topic in {key.topic for key in _KEYS}:
                entry = world.told.get((receiver.name, topic))
                known = entry.severity if entry is not None and entry.state is FIRING else None
                assert known is world.heard(receiver.name, topic)


def test_a_told_entry_is_dated_when_it_was_planned() -> None:
    """Reminders are counted from then."""
    found = plan([an_alert()], [], [a_receiver()], [], now=at("12:34"))

    assert [entry.at for entry in found.told] == [at("12:34")]
