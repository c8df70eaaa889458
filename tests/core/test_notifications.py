"""Who is told what: everybody once, nobody twice, and whoever was told of a beginning is told of the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertKey, AlertState, AlertSubject
from alerter.core.conditions import Evidence, NoData
from alerter.core.mutes import NO_MUTES, Mute, MuteKind, MuteSet
from alerter.core.notifications import (
    HourlyLimit,
    Notification,
    NotificationItem,
    NotificationPlan,
    NotificationState,
    NotifyReason,
    Settled,
    next_repeat_at,
    plan,
    settled,
)
from alerter.core.routes import Receiver, Route
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS
from tests.builders import (
    NOON,
    a_key,
    a_receiver,
    a_resolved,
    a_route,
    a_silence,
    a_told,
    a_window,
    an_acknowledgement,
    an_alert,
    at,
    minutes,
    span,
)

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
QUIET, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING


def _planned(
    alerts: Iterable[Alert],
    notified: Iterable[NotificationState] = (),
    *,
    receiver: Receiver | None = None,
    routes: Sequence[Route] = (),
    mutes: MuteSet = NO_MUTES,
    budget: HourlyLimit | None = None,
    now: datetime = NOON,
) -> NotificationPlan:
    listening = receiver or a_receiver()
    hourly_limits = None if budget is None else {listening.name: budget}
    return plan(alerts, notified, [listening], routes, mutes=mutes, hourly_limits=hourly_limits, now=now)


def _reasons(planned: NotificationPlan) -> list[NotifyReason]:
    return [item.reason for item in _notices(planned)]


def _notices(planned: NotificationPlan) -> list[NotificationItem]:
    return [item for notification in planned.notifications for item in notification.items]


_CRITICAL_ONLY = a_route(severities=[CRITICAL])
_WARNING_ONLY = a_route(severities=[WARNING])


@pytest.mark.parametrize(
    ("alerts", "notified", "routes", "expected"),
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
    alerts: list[Alert], notified: list[NotificationState], routes: list[Route], expected: tuple[str, Severity] | None
) -> None:
    """The decision compares what is true with what was told; the order of events plays no part."""
    found = _planned(alerts, notified, routes=routes)

    assert [(item.reason, item.alert.key.severity) for item in _notices(found)] == ([expected] if expected else [])
    assert _planned(reversed(alerts), notified, routes=routes) == found


@pytest.mark.parametrize(
    ("alert", "notified", "severity", "state"),
    [
        pytest.param(an_alert(severity=CRITICAL), [], CRITICAL, FIRING, id="of an alert that fires"),
        pytest.param(a_resolved(severity=CRITICAL), [a_told(severity=CRITICAL)], CRITICAL, QUIET, id="of its end"),
        pytest.param(
            a_resolved(), [a_told(severity=CRITICAL)], CRITICAL, QUIET, id="of the end of a level that has gone"
        ),
    ],
)
def test_what_a_receiver_was_told_is_kept(
    alert: Alert, notified: list[NotificationState], severity: Severity, state: AlertState
) -> None:
    """The plan returns what the receiver knows once it is sent."""
    [entry] = _planned([alert], notified).notified

    assert entry == a_told(state, subject=alert.key.subject, severity=severity, told_at="12:00")


def test_a_notice_says_what_the_receiver_was_told_before() -> None:
    """A message can say how long the receiver has known."""
    [raised] = _notices(_planned([an_alert(severity=CRITICAL)], [a_told()]))

    assert raised.previous_state == a_told()


def test_the_end_of_a_level_says_what_goes_on_elsewhere() -> None:
    """A receiver of critical alerts is not led to believe that all is well."""
    alerts = [an_alert(severity=INFO), an_alert(), a_resolved(severity=CRITICAL)]

    [resolved] = _notices(_planned(alerts, [a_told(severity=CRITICAL)], routes=[_CRITICAL_ONLY]))

    assert resolved.still_firing is WARNING


def test_the_end_of_a_level_that_is_gone_is_that_of_the_highest() -> None:
    """A rule may have lost the level that the receiver knew, and with it its alert."""
    alerts = [a_resolved(severity=INFO), a_resolved(severity=CRITICAL)]

    [resolved] = _notices(_planned(alerts, [a_told(severity=WARNING)]))

    assert resolved.alert.key.severity is CRITICAL


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
    silent = a_receiver(send_resolved=False)

    ended = _planned([a_resolved()], [a_told()], receiver=silent)
    again = _planned([an_alert()], ended.noted, receiver=silent)

    assert (ended.notifications, ended.notified) == ((), ())
    assert [entry.state for entry in ended.noted] == [QUIET]
    assert [item.reason for item in _notices(again)] == [NotifyReason.FIRST]


def test_a_receiver_is_told_of_the_end_unless_it_says_otherwise() -> None:
    """All clears are on by default."""
    plain = Receiver(name=a_receiver().name, targets=a_receiver().targets)

    assert _notices(_planned([a_resolved()], [a_told()], receiver=plain)) != []


def test_without_all_clears_other_news_is_told_alone() -> None:
    """An end is left out of a message that has something else to say."""
    other = an_alert(key=a_key(reason="Virus"))

    found = _planned([a_resolved(), other], [a_told()], receiver=a_receiver(send_resolved=False))

    assert [item.alert for item in _notices(found)] == [other]
    assert ([entry.state for entry in found.notified], [entry.state for entry in found.noted]) == ([FIRING], [QUIET])


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


def test_no_data_is_told_to_whoever_hears_of_some_of_the_reasons() -> None:
    """Who is told of one hold reason is told when none of them can be seen any more."""
    unseen = replace(
        an_alert(key=a_key(rule="No data", reason=ALL_REASONS)),
        evidence=(Evidence(condition=NoData.name, limit_text="no data for 15m"),),
    )

    assert a_route(reasons=["*Impersonation*"]).matches(unseen)
    assert not a_route(reasons=["*Impersonation*"], tenants=["globex"]).matches(unseen)


def test_two_routes_to_one_receiver_are_one_message() -> None:
    """A receiver is told once, however many ways lead to it."""
    found = _planned([an_alert()], routes=[a_route(), a_route(rules=["Backlog"])])

    assert len(_notices(found)) == 1


def test_one_message_tells_all_the_worst_first() -> None:
    """What fires comes before what is over, the worse before the milder, the more before the fewer."""
    critical = an_alert(key=a_key(reason="c", severity=CRITICAL), value=1)
    many = an_alert(key=a_key(reason="b"), value=500)
    few = an_alert(key=a_key(reason="a"), value=200)
    unseen = an_alert(key=a_key(reason="*"), value=None)
    over = replace(a_resolved(severity=CRITICAL), value=900)

    [notification] = _planned([over, unseen, few, many, critical], [a_told(severity=CRITICAL)]).notifications

    assert [item.alert for item in notification.items] == [critical, many, few, unseen, over]


# reminders


@pytest.mark.parametrize(
    ("repeats", "interval", "expected"),
    [
        pytest.param(0, "4h", "4h", id="the first after the interval"),
        pytest.param(1, "4h", "8h", id="the second after twice as long"),
        pytest.param(2, "4h", "16h", id="and so on"),
        pytest.param(3, "4h", "1d", id="but not later than a day"),
        pytest.param(1000, "4h", "1d", id="and for ever"),
        pytest.param(1000, "10s", "1d", id="however short it began"),
        pytest.param(0, "2d", "2d", id="who wants fewer gets fewer"),
        pytest.param(1000, "2d", "2d", id="and these do not grow"),
        pytest.param(1000, "100000d", "100000d", id="however long it is"),
    ],
)
def test_a_reminder_is_due_twice_as_late_each_time_up_to_a_day(repeats: int, interval: str, expected: str) -> None:
    """Nobody is nagged, and nothing that fires is forgotten."""
    due_at = next_repeat_at(a_told(repeats=repeats), a_receiver(repeat_interval=interval))

    assert due_at == at("11:00") + span(expected)


@pytest.mark.parametrize(
    ("notified", "now", "expected"),
    [
        pytest.param(a_told(), "14:59:59", [], id="not before"),
        pytest.param(a_told(), "15:00", [NotifyReason.REPEAT], id="at the instant"),
        pytest.param(a_told(), "23:00", [NotifyReason.REPEAT], id="once, however late"),
        pytest.param(a_told(repeats=1), "15:00", [], id="the second is later"),
        pytest.param(a_told(), "07:00", [], id="the clock was set back, but not by more than the interval"),
        pytest.param(a_told(), "06:59", [NotifyReason.REPEAT], id="the clock was set back by more than the interval"),
        pytest.param(a_told(severity=INFO), "15:00", [NotifyReason.RAISED], id="news comes before a reminder"),
    ],
)
def test_a_reminder_comes_when_it_is_due(notified: NotificationState, now: str, expected: list[NotifyReason]) -> None:
    """It is counted from what was told last, not from a timer of its own."""
    assert _reasons(_planned([an_alert()], [notified], now=at(now))) == expected


def test_reminders_never_end() -> None:
    """Polled each hour for a fortnight, an alert is told at growing distances and then once a day."""
    notified = list(_planned([an_alert()], now=NOON).notified)
    hours = []
    for hour in range(1, 24 * 14 + 1):
        planned = _planned([an_alert()], notified, now=NOON + timedelta(hours=hour))
        notified = list(planned.notified) or notified
        hours += [hour] * len(planned.notifications)

    assert hours[:4] == [4, 12, 28, 52]
    assert {later - earlier for earlier, later in pairwise(hours[3:])} == {24}
    assert hours[-1] > 24 * 13


def test_a_reminder_is_due_as_it_is_configured_now() -> None:
    """A receiver that wants reminders each hour from now on gets the next one an hour after the last word."""
    notified = [a_told(told_at="10:30")]

    assert _reasons(_planned([an_alert()], notified, receiver=a_receiver(repeat_interval="1h"))) == [
        NotifyReason.REPEAT
    ]
    assert _reasons(_planned([an_alert()], notified, receiver=a_receiver(repeat_interval="2h"))) == []


def test_news_begins_the_reminders_anew() -> None:
    """What has got worse is reminded of as often as what is new."""
    notified = [a_told(repeats=3)]

    [raised] = _planned([an_alert(severity=CRITICAL)], notified).notified
    [repeated] = _planned([an_alert()], notified, now=at("11:00") + span("1d")).notified

    assert (raised.repeat_count, repeated.repeat_count) == (0, 4)


# threads


@pytest.mark.parametrize(
    ("alert", "notified", "thread"),
    [
        pytest.param(an_alert(), [], "", id="the first message begins one"),
        pytest.param(an_alert(), [a_told(QUIET, thread="aaaa")], "", id="a new episode begins another"),
        pytest.param(an_alert(severity=CRITICAL), [a_told(thread="aaaa")], "aaaa", id="raised"),
        pytest.param(an_alert(severity=INFO), [a_told(thread="aaaa")], "aaaa", id="lowered"),
        pytest.param(an_alert(), [a_told(told_at="08:00", thread="aaaa")], "aaaa", id="repeated"),
        pytest.param(a_resolved(), [a_told(thread="aaaa")], "aaaa", id="resolved"),
    ],
)
def test_what_follows_belongs_to_the_first_message(
    alert: Alert, notified: list[NotificationState], thread: str
) -> None:
    """All messages about one episode are one conversation."""
    [entry] = _planned([alert], notified).notified

    assert entry.thread == thread


# mutes


_SILENT = MuteSet(silences=[a_silence()])
_SILENT_BEFORE = MuteSet(silences=[a_silence(until="11:55")])


@pytest.mark.parametrize(
    ("alerts", "notified"),
    [
        pytest.param([an_alert()], [], id="what is new"),
        pytest.param([an_alert(severity=CRITICAL)], [a_told()], id="what has risen"),
        pytest.param([an_alert()], [a_told(severity=CRITICAL)], id="what has fallen"),
        pytest.param([an_alert()], [a_told(told_at="01:00")], id="what is due again"),
        pytest.param([a_resolved()], [a_told()], id="what is over"),
    ],
)
@pytest.mark.parametrize(
    "mutes",
    [
        pytest.param(_SILENT, id="silence"),
        pytest.param(MuteSet(windows_by_rule={a_key().rule: [a_window(begins="11:00", ends="13:00")]}), id="window"),
        pytest.param(MuteSet(no_data_tenants=frozenset([a_key().tenant])), id="no_data"),
    ],
)
def test_a_mute_makes_the_plan_empty(alerts: list[Alert], notified: list[NotificationState], mutes: MuteSet) -> None:
    """Nothing is told and nothing is taken for told."""
    assert _planned(alerts, notified, mutes=mutes) == NotificationPlan()


@pytest.mark.parametrize(
    ("alerts", "notified", "expected"),
    [
        pytest.param([an_alert()], [], [NotifyReason.FIRST], id="it began meanwhile"),
        pytest.param([a_resolved()], [], [], id="it came and went"),
        pytest.param([an_alert()], [a_told()], [], id="it is as it was"),
        pytest.param([an_alert(severity=CRITICAL)], [a_told()], [NotifyReason.RAISED], id="it has risen"),
        pytest.param([an_alert()], [a_told(severity=CRITICAL)], [NotifyReason.LOWERED], id="it has fallen"),
        pytest.param([an_alert()], [a_told(told_at="07:55")], [NotifyReason.REPEAT], id="a reminder was due"),
        pytest.param([a_resolved()], [a_told()], [NotifyReason.RESOLVED], id="it has ended"),
    ],
)
def test_after_a_mute_only_what_still_differs_is_told(
    alerts: list[Alert], notified: list[NotificationState], expected: list[NotifyReason]
) -> None:
    """And the message says that a silence has just ended."""
    items = _notices(_planned(alerts, notified, mutes=_SILENT_BEFORE))

    assert [item.reason for item in items] == expected
    ended = Mute(kind=MuteKind.SILENCE, name="1 by ann", until=at("11:55"), comment="known")
    assert {item.mute_ended for item in items} <= {ended}


def test_without_a_mute_no_message_says_that_one_has_ended() -> None:
    """A silence that ended before the alert began has hidden nothing."""
    [item] = _notices(_planned([an_alert(since="11:58")], mutes=_SILENT_BEFORE))

    assert item.mute_ended is None


def test_a_first_message_says_that_a_mute_has_ended_that_hid_another_level() -> None:
    """The warning was hidden when it began, though the critical level began after the silence."""
    alerts = [an_alert(since="11:30"), an_alert(severity=CRITICAL, since="11:58")]

    [item] = _notices(_planned(alerts, mutes=_SILENT_BEFORE))

    assert item.mute_ended is not None


def test_a_first_message_says_nothing_of_what_its_receiver_would_not_have_heard() -> None:
    """The warning was hidden, but it is not for this receiver."""
    alerts = [an_alert(since="11:30"), an_alert(severity=CRITICAL, since="11:58")]

    [item] = _notices(_planned(alerts, routes=[_CRITICAL_ONLY], mutes=_SILENT_BEFORE))

    assert item.mute_ended is None


def test_what_was_silenced_of_a_topic_is_its_highest_level() -> None:
    """The milder level is not told in place of the one that is silenced: it would be a lie."""
    mutes = MuteSet(silences=[a_silence(severities=[CRITICAL])])

    assert _notices(_planned([an_alert(), an_alert(severity=CRITICAL)], mutes=mutes)) == []


# acknowledgements


def _acknowledged(severity: Severity = WARNING, value: int | None = 120) -> MuteSet:
    return MuteSet(acknowledgements={a_key().subject: an_acknowledgement(severity=severity, value=value)})


@pytest.mark.parametrize(
    ("alerts", "notified", "mutes", "expected"),
    [
        pytest.param([an_alert()], [a_told(told_at="01:00")], _acknowledged(), [], id="a reminder is due"),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            _acknowledged(CRITICAL),
            [],
            id="a level is over",
        ),
        pytest.param([a_resolved()], [a_told()], _acknowledged(), [NotifyReason.RESOLVED], id="it is over"),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL, since="11:50")],
            [a_told()],
            _acknowledged(),
            [NotifyReason.RAISED],
            id="the level has risen",
        ),
        pytest.param(
            [an_alert(value=240)],
            [a_told(told_at="01:00")],
            _acknowledged(),
            [NotifyReason.BROKEN],
            id="it has doubled, and a reminder is due",
        ),
        pytest.param([an_alert(value=240)], [a_told()], _acknowledged(), [NotifyReason.BROKEN], id="it has doubled"),
        pytest.param(
            [an_alert(value=240), an_alert(severity=CRITICAL, since="11:50", value=240)],
            [a_told()],
            _acknowledged(),
            [NotifyReason.RAISED],
            id="it has doubled as the level rose",
        ),
        pytest.param([an_alert(value=240)], [], _acknowledged(), [NotifyReason.FIRST], id="it was not told yet"),
    ],
)
def test_who_is_at_it_hears_only_that_it_is_worse_or_over(
    alerts: list[Alert], notified: list[NotificationState], mutes: MuteSet, expected: list[NotifyReason]
) -> None:
    """And then the message says that it had been acknowledged, where that no longer holds."""
    items = _notices(_planned(alerts, notified, mutes=mutes))

    assert [item.reason for item in items] == expected
    ended = [item.mute_ended and item.mute_ended.name for item in items]
    assert ended == ([] if not expected else [None] if expected == [NotifyReason.RESOLVED] else ["ann"])


def test_a_broken_acknowledgement_is_told_once_and_stays_broken() -> None:
    """When the count falls again, reminders go on."""
    broken = _planned([an_alert(value=240)], [a_told()], mutes=_acknowledged())
    mutes = MuteSet(acknowledgements={each.subject: each for each in broken.broken})

    again = _planned([an_alert(value=240)], broken.notified, mutes=mutes, now=at("12:05"))
    fallen = _planned([an_alert(value=130)], broken.notified, mutes=mutes, now=at("12:10"))
    later = _planned([an_alert(value=130)], broken.notified, mutes=mutes, now=at("16:00"))

    assert [(entry.notified_at, entry.repeat_count) for entry in broken.notified] == [(NOON, 0)]
    assert (again, fallen) == (NotificationPlan(), NotificationPlan())
    assert _reasons(later) == [NotifyReason.REPEAT]


def test_a_break_that_is_hidden_is_told_when_the_mute_ends() -> None:
    """A silence keeps quiet about it, and forgets nothing."""
    hidden = _planned([an_alert(value=240)], [a_told()], mutes=replace(_acknowledged(), silences=_SILENT.silences))
    mutes = MuteSet(acknowledgements={each.subject: each for each in hidden.broken})

    [notified] = _notices(_planned([an_alert(value=130)], [a_told()], mutes=mutes, now=at("13:00")))

    assert (hidden.notifications, hidden.notified) == ((), ())
    assert notified.reason is NotifyReason.BROKEN


def test_a_new_episode_at_a_milder_level_is_not_acknowledged() -> None:
    """The critical alert that somebody was at is over; the warning is another matter."""
    alerts = [an_alert(since="11:50"), a_resolved(severity=CRITICAL, since="11:00", until="11:40")]
    notified = [a_told(QUIET, severity=CRITICAL, told_at="11:40")]

    [item] = _notices(_planned(alerts, notified, mutes=_acknowledged(CRITICAL)))

    assert (item.reason, item.mute_ended) == (NotifyReason.FIRST, None)


def test_a_broken_acknowledgement_does_not_come_back_with_the_milder_level() -> None:
    """The level rose and fell again: that it fell is told, and reminders go on."""
    alerts = [an_alert(), a_resolved(severity=CRITICAL, since="11:40", until="11:50")]
    notified = [a_told(severity=CRITICAL, told_at="11:40")]
    broken = replace(an_acknowledgement(), broken_at=at("11:40"))

    [item] = _notices(_planned(alerts, notified, mutes=MuteSet(acknowledgements={broken.subject: broken})))

    assert (item.reason, item.mute_ended) == (NotifyReason.LOWERED, None)


# missing data


def _no_data_alert(state: AlertState = FIRING, tenant: str = "acme") -> Alert:
    alert = an_alert(state, key=a_key(rule="No data", severity=CRITICAL, tenant=tenant, reason=ALL_REASONS), value=None)
    return replace(alert, evidence=(Evidence(condition=NoData.name, limit_text="no data for 15m"),))


def test_while_a_tenant_has_no_data_only_that_is_told_of_it() -> None:
    """What was known of its held messages is old: its reminders stop, those of others go on."""
    other = an_alert(key=a_key(tenant="globex"))
    notified = [a_told(told_at="01:00"), a_told(subject=other.key.subject, told_at="01:00")]

    found = _notices(_planned([an_alert(), other, _no_data_alert()], notified))

    assert [(item.reason, item.alert) for item in found] == [
        (NotifyReason.FIRST, _no_data_alert()),
        (NotifyReason.REPEAT, other),
    ]


def test_when_data_comes_again_what_was_due_meanwhile_is_told() -> None:
    """A pending missing data hides nothing yet."""
    notified = [a_told(told_at="01:00")]

    assert _reasons(_planned([an_alert(), _no_data_alert(QUIET)], notified)) == [NotifyReason.REPEAT]
    assert _reasons(_planned([an_alert(), _no_data_alert(PENDING)], notified)) == [NotifyReason.REPEAT]


# windows on routes


_LUNCH = a_window(begins="11:30", ends="12:30")
_MORNING = a_window(begins="08:00", ends="11:45")


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([a_route(mute_windows=[_LUNCH])], False, id="its only way is muted"),
        pytest.param([a_route(mute_windows=[_MORNING])], True, id="the window is over"),
        pytest.param([a_route(mute_windows=[_MORNING, _LUNCH])], False, id="one of two windows holds"),
        pytest.param([a_route(mute_windows=[_LUNCH]), a_route()], True, id="one of its ways is open"),
        pytest.param([a_route(mute_windows=[_LUNCH]), a_route(mute_windows=[_LUNCH])], False, id="both are muted"),
        pytest.param(
            [a_route(mute_windows=[_LUNCH]), a_route("mail")], False, id="the open way leads to somebody else"
        ),
        pytest.param(
            [a_route(mute_windows=[_LUNCH]), a_route(severities=[CRITICAL])], False, id="the open way is not for it"
        ),
    ],
)
def test_a_receiver_is_muted_when_all_of_its_ways_are(*, routes: list[Route], expected: bool) -> None:
    """A window on a route closes that way alone."""
    assert bool(_notices(_planned([an_alert()], routes=routes))) is expected


def test_a_window_on_a_route_falls_where_the_tenant_is() -> None:
    """Without a time zone of its own it closes the way for each tenant in that tenant's night."""
    night = replace(a_window("mon-sun", "05:00", "09:00"), is_local=True)
    mutes = MuteSet(timezones={an_alert().key.tenant: ZoneInfo("America/New_York")})

    assert _notices(_planned([an_alert()], routes=[a_route(mute_windows=[night])], mutes=mutes)) == []
    assert _notices(_planned([an_alert()], routes=[a_route(mute_windows=[night])])) != []


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([a_route(mute_windows=[_MORNING])], "11:45", id="its only way has opened"),
        pytest.param([a_route(mute_windows=[_MORNING]), a_route()], "", id="another way was open all the time"),
        pytest.param(
            [a_route(mute_windows=[_MORNING]), a_route(mute_windows=[a_window(begins="08:00", ends="11:50")])],
            "11:45",
            id="the first of its ways has opened",
        ),
        pytest.param(
            [a_route(mute_windows=[_MORNING]), a_route(mute_windows=[_LUNCH])],
            "11:45",
            id="another way has closed since",
        ),
        pytest.param(
            [a_route(mute_windows=[a_window(begins="05:00", ends="10:00")])], "", id="it ended before the alert began"
        ),
    ],
)
def test_a_window_on_a_route_has_ended_when_a_way_opens(routes: list[Route], expected: str) -> None:
    """The message says so only where the window had kept it from the receiver."""
    [item] = _notices(_planned([an_alert()], routes=routes))

    assert (item.mute_ended.until if item.mute_ended else None) == (at(expected) if expected else None)


def test_what_ended_last_of_a_silence_and_a_window_on_a_route_is_said() -> None:
    """Both kept it quiet; the later end is the one that let it through."""
    [item] = _notices(
        _planned(
            [an_alert()], routes=[a_route(mute_windows=[_MORNING])], mutes=MuteSet(silences=[a_silence(until="11:40")])
        )
    )

    assert item.mute_ended == Mute(kind=MuteKind.WINDOW, name="nights", until=at("11:45"))


def test_an_end_is_told_though_no_way_leads_there_any_more() -> None:
    """A window on a route that is not for it does not hide the end."""
    routes = [a_route(severities=[CRITICAL], mute_windows=[_LUNCH])]

    assert _reasons(_planned([a_resolved()], [a_told()], routes=routes)) == [NotifyReason.RESOLVED]


# budgets


def test_beyond_its_budget_a_receiver_is_told_later() -> None:
    """What is held back is not taken for told, so that the next message tells it, and how many it stands for."""
    few = a_receiver(max_per_hour=2)

    now_ = _planned([an_alert()], receiver=few, budget=HourlyLimit(sent=2))
    later = _planned([an_alert()], receiver=few, budget=HourlyLimit(sent=1, suppressed=3))

    assert (now_.notifications, now_.notified) == ((), ())
    assert [
        (each.receiver, _reasons(NotificationPlan(notifications=(each,), notified=()))) for each in now_.suppressed
    ] == [(few, [NotifyReason.FIRST])]
    assert [each.suppressed for each in later.notifications] == [3]
    assert later.suppressed == ()


def test_what_came_and_went_while_it_was_held_back_is_not_told() -> None:
    """The receiver is told what is true when there is room again."""
    spent = HourlyLimit(sent=30)

    assert _planned([an_alert()], budget=spent).notified == ()
    assert _planned([a_resolved()], budget=spent) == NotificationPlan()


def test_a_budget_is_each_receiver_s_own() -> None:
    """One that has had enough holds nobody else up."""
    receivers = [a_receiver("secops", max_per_hour=1), a_receiver("mail", max_per_hour=1)]

    found = plan([an_alert()], [], receivers, [], hourly_limits={receivers[0].name: HourlyLimit(sent=1)}, now=NOON)

    assert [each.receiver.name for each in found.notifications] == ["mail"]
    assert [each.receiver.name for each in found.suppressed] == ["secops"]


def test_an_end_that_is_not_told_needs_no_budget() -> None:
    """Without all clears the end is noted at once, and does not count as held back."""
    silent = a_receiver(send_resolved=False)
    virus = an_alert(key=a_key(reason="Virus"))

    alone = _planned([a_resolved()], [a_told()], receiver=silent, budget=HourlyLimit(sent=30))
    both = _planned([a_resolved(), virus], [a_told()], receiver=silent, budget=HourlyLimit(sent=30))

    assert ([entry.state for entry in alone.noted], alone.suppressed) == ([QUIET], ())
    assert ([entry.state for entry in both.noted], both.notified) == ([QUIET], ())
    assert [[item.alert for item in each.items] for each in both.suppressed] == [[virus]]


def test_an_end_that_is_not_told_is_known_to_who_must_close_something() -> None:
    """An on-call service has an incident open, whether or not its people want messages of ends."""
    silent = a_receiver(send_resolved=False)

    found = _planned([a_resolved()], [a_told()], receiver=silent)

    assert [[item.reason for item in each.items] for each in found.unsent_ends] == [[NotifyReason.RESOLVED]]
    assert _planned([a_resolved()], [a_told()]).unsent_ends == ()


def test_a_muted_end_is_noted_after_the_mute_also_where_it_is_not_told() -> None:
    """A receiver without all clears that is muted still believes that it fires; it changes its mind silently."""
    silent = a_receiver(send_resolved=False)

    muted = _planned([a_resolved()], [a_told()], receiver=silent, mutes=_SILENT)
    after = _planned([a_resolved()], [a_told()], receiver=silent, mutes=_SILENT_BEFORE)

    assert muted == NotificationPlan()
    assert (after.notifications, after.notified, [entry.state for entry in after.noted]) == ((), (), [QUIET])


def _about_polling(state: AlertState = FIRING) -> Alert:
    alert = an_alert(state, resolved_at="" if state is FIRING else "12:00", key=a_key(rule="No data", reason="*"))
    return replace(alert, evidence=(Evidence(condition=NoData.name, limit_text="no data for 15m"),))


@pytest.mark.parametrize(
    ("alert", "notified", "expected"),
    [
        pytest.param(an_alert(severity=CRITICAL), [], True, id="a critical alert begins"),
        pytest.param(an_alert(severity=CRITICAL), [a_told()], True, id="an alert becomes critical"),
        pytest.param(an_alert(), [], False, id="a warning begins"),
        pytest.param(an_alert(), [a_told(severity=INFO)], False, id="an alert becomes a warning"),
        pytest.param(
            an_alert(severity=CRITICAL),
            [a_told(severity=CRITICAL, told_at="01:00")],
            False,
            id="a reminder of a critical alert",
        ),
        pytest.param(a_resolved(severity=CRITICAL), [a_told(severity=CRITICAL)], False, id="a critical alert is over"),
        pytest.param(_about_polling(), [], True, id="there is no data"),
        pytest.param(
            _about_polling(QUIET), [a_told(subject=_about_polling().key.subject)], True, id="there is data again"
        ),
    ],
)
def test_beyond_its_budget_a_receiver_hears_what_is_critical(
    *, alert: Alert, notified: list[NotificationState], expected: bool
) -> None:
    """What cannot wait for an hour passes, and takes along what else there is to tell."""
    other = an_alert(key=a_key(tenant="globex"))

    found = _planned([alert, other], notified, budget=HourlyLimit(sent=30, suppressed=2))

    assert [len(each.items) for each in found.notifications] == ([2] if expected else [])
    assert [each.suppressed for each in found.notifications] == ([2] if expected else [])
    assert bool(found.suppressed) is not expected


# targets


def _two(*, new: str = "teams") -> Receiver:
    return a_receiver(targets=["slack", new])


def _told_where(planned: NotificationPlan) -> list[tuple[tuple[str, ...], list[NotifyReason]]]:
    return [(each.targets, [item.reason for item in each.items]) for each in planned.notifications]


def test_targets_that_know_the_same_get_one_message() -> None:
    """Each of them is kept to know it."""
    found = _planned([an_alert()], receiver=_two())

    assert _told_where(found) == [(("slack", "teams"), [NotifyReason.FIRST])]
    assert [entry.target for entry in found.notified] == ["slack", "teams"]


def test_a_new_target_is_told_what_fires_once() -> None:
    """The one that knows it is told nothing."""
    virus = an_alert(key=a_key(reason="Virus"))

    found = _planned([an_alert(), virus], [a_told(), a_told(subject=virus.key.subject)], receiver=_two())
    again = _planned(
        [an_alert(), virus],
        [a_told(), a_told(subject=virus.key.subject), *found.notified],
        receiver=_two(),
        now=at("12:05"),
    )

    assert _told_where(found) == [(("teams",), [NotifyReason.FIRST, NotifyReason.FIRST])]
    assert again == NotificationPlan()


def test_a_new_target_is_not_told_of_what_is_over() -> None:
    """The end goes to whom the beginning went to."""
    found = _planned([a_resolved()], [a_told()], receiver=_two())

    assert _told_where(found) == [(("slack",), [NotifyReason.RESOLVED])]


def test_what_differs_between_targets_is_told_apart() -> None:
    """One is told that it has risen, the other one that it fires; both count in the hour."""
    found = _planned([an_alert(severity=CRITICAL)], [a_told()], receiver=_two())

    assert _told_where(found) == [(("slack",), [NotifyReason.RAISED]), (("teams",), [NotifyReason.FIRST])]


def test_what_is_planned_for_the_targets_of_a_receiver_at_once_counts_once_in_its_hour() -> None:
    """Each of them gets one message, also where they must be told different things."""
    few = replace(_two(), max_per_hour=1)

    found = _planned([an_alert()], [a_told(severity=INFO)], receiver=few)

    assert _told_where(found) == [(("slack",), [NotifyReason.RAISED]), (("teams",), [NotifyReason.FIRST])]
    assert not found.suppressed


_VIRUS_ONLY = a_route(reasons=["Virus"])


@pytest.mark.parametrize(
    ("alerts", "notified", "routes", "expected"),
    [
        pytest.param([an_alert()], [a_told()], [_VIRUS_ONLY], [], id="it goes on, and no route leads there any more"),
        pytest.param(
            [an_alert()], [a_told(told_at="01:00")], [_VIRUS_ONLY], [], id="nobody is reminded where no route leads"
        ),
        pytest.param([a_resolved()], [a_told()], [_VIRUS_ONLY], [NotifyReason.RESOLVED], id="it is over"),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            [_WARNING_ONLY],
            [],
            id="the level that was told goes on, and only a milder one is routed",
        ),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL)],
            [a_told(severity=CRITICAL)],
            [_WARNING_ONLY],
            [NotifyReason.LOWERED],
            id="the level that was told is over, and a milder one is routed",
        ),
        pytest.param(
            [an_alert(), an_alert(severity=CRITICAL)],
            [a_told()],
            [_CRITICAL_ONLY],
            [NotifyReason.RAISED],
            id="only a higher level is routed",
        ),
    ],
)
def test_whoever_was_told_is_told_of_the_end_wherever_routes_lead_now(
    alerts: list[Alert], notified: list[NotificationState], routes: list[Route], expected: list[NotifyReason]
) -> None:
    """A route that changes while an alert fires takes it from nobody who knows of it."""
    assert _reasons(_planned(alerts, notified, routes=routes)) == expected


def test_a_target_that_moves_knows_what_it_was_told() -> None:
    """A URL that another receiver has now, or the same one under another name, begins no conversation anew."""
    notified = [a_told(thread="m1"), a_told(target="pager"), a_told(receiver="mail", target="mail")]
    receivers = [a_receiver("secops", targets=["slack"]), a_receiver("oncall", targets=["pager", "sms"])]

    found = settled(notified, receivers)

    assert found.moved == [a_told(receiver="oncall", target="pager")]
    assert found.left == [a_told(target="pager")]
    assert sorted((entry.receiver, entry.target) for entry in found.notified) == [
        ("mail", "mail"),
        ("oncall", "pager"),
        ("secops", "slack"),
    ]


def test_a_target_that_moves_to_where_it_is_known_is_not_told_twice() -> None:
    """What the receiver it moves to has told there is what counts."""
    there = a_told(receiver="oncall", target="pager", severity=CRITICAL)

    found = settled([a_told(target="pager"), there], [a_receiver("oncall", targets=["pager"])])

    assert (found.notified, found.moved, found.left) == ([there], [], [a_told(target="pager")])


def test_what_was_told_before_targets_were_told_apart_was_told_to_all() -> None:
    """Nobody is told of a beginning again by an upgrade."""
    found = settled([a_told(target="")], [_two()])

    assert found.notified == [a_told(), a_told(target="teams")]
    assert (found.moved, found.left) == (found.notified, [a_told(target="")])


def test_what_a_target_that_has_gone_was_told_stays() -> None:
    """Nobody has told it of the end; where it comes back, somebody does."""
    assert settled([], [_two()]) == Settled([])
    notified = [a_told(target="gone"), a_told(QUIET, target="pager")]

    assert settled(notified, [_two(new="pager")]) == Settled(notified, [], [])


# collections


def test_what_needs_no_message_is_not_collected() -> None:
    """With `group_wait` as without, an end that is not told is noted at once; everything else waits."""
    collecting = a_receiver(group_wait="1m", send_resolved=False)
    virus = an_alert(key=a_key(reason="Virus"))

    at_once = _planned([a_resolved(), virus], [a_told()], receiver=collecting).without([collecting.name])

    assert (at_once.notifications, at_once.notified) == ((), ())
    assert [entry.state for entry in at_once.noted] == [QUIET]


# Whatever happens: levels of topics that fire and end in random cycles, random receivers and routes.


@dataclass
class _World:
    """The alerts, and what the receivers know and read."""

    receivers: list[Receiver]
    routes: list[Route]
    now: datetime = NOON
    alerts: dict[AlertKey, Alert] = field(default_factory=dict)
    notified: dict[tuple[str, AlertSubject], NotificationState] = field(default_factory=dict)

    def cycle(self, firing: set[AlertKey]) -> NotificationPlan:
        """Let exactly these alerts fire, and tell it."""
        self.now += minutes(5)
        for key in firing | set(self.alerts):
            self.alerts[key] = _after(self.alerts.get(key), key, key in firing, self.now)
        planned = plan(self.alerts.values(), self.notified.values(), self.receivers, self.routes, now=self.now)
        self.notified |= {(entry.receiver, entry.subject): entry for entry in (*planned.notified, *planned.noted)}
        return planned

    def is_routed(self, receiver: str, subject: AlertSubject) -> Severity | None:
        """Return the highest level that fires and is routed to a receiver."""
        alerts = [alert for key, alert in self.alerts.items() if key.subject == subject and alert.is_firing]
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


def _read(notifications: Iterable[Notification]) -> list[tuple[str, NotificationItem]]:
    return [(each.receiver.name, item) for each in notifications for item in each.items]


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_after_a_plan_there_is_nothing_left_to_tell(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """Planning again, as after a restart, tells nobody anything twice."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)

        again = plan(world.alerts.values(), world.notified.values(), receivers, routes, now=world.now)

        assert again == NotificationPlan()


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_what_a_receiver_reads_makes_sense_line_by_line(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """Nothing ends or begins twice, up is up and down is down, and only the highest level is told."""
    world = _World(receivers, routes)
    believed: dict[tuple[str, AlertSubject], Severity] = {}
    for firing in cycles:
        planned = world.cycle(firing)

        assert len({each.receiver.name for each in planned.notifications}) == len(planned.notifications)
        for name, item in _read(planned.notifications):
            subject, severity = item.alert.key.subject, item.alert.key.severity
            known = believed.pop((name, subject), None)
            rank = None if known is None else known.rank
            if item.reason is NotifyReason.RESOLVED:
                assert known is severity
                assert world.is_routed(name, subject) is None
                continue
            assert severity is world.is_routed(name, subject)
            if item.reason is NotifyReason.FIRST:
                assert rank is None or not next(each for each in receivers if each.name == name).send_resolved
            else:
                assert rank is not None
                assert (severity.rank > rank) is (item.reason is NotifyReason.RAISED)
                assert severity.rank != rank
            believed[name, subject] = severity


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_whoever_believes_that_something_fires_is_told_when_it_is_over(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """When everything is over, exactly those who knew of something are told so, if they want to be."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)
    wanting = {receiver.name for receiver in receivers if receiver.send_resolved}
    knowing = {who for who, entry in world.notified.items() if entry.state is FIRING and who[0] in wanting}

    ended = world.cycle(set())

    assert {(name, item.alert.key.subject) for name, item in _read(ended.notifications)} == knowing
    assert all(entry.state is QUIET for entry in world.notified.values())


@given(cycles=_CYCLES, receivers=_RECEIVERS, routes=_ROUTES)
def test_what_a_receiver_knows_is_what_is_true(
    cycles: list[set[AlertKey]], receivers: list[Receiver], routes: list[Route]
) -> None:
    """After every plan each receiver knows of exactly the highest levels that are routed to it."""
    world = _World(receivers, routes)
    for firing in cycles:
        world.cycle(firing)

        for receiver in receivers:
            for subject in {key.subject for key in _KEYS}:
                entry = world.notified.get((receiver.name, subject))
                known = entry.severity if entry is not None and entry.state is FIRING else None
                assert known is world.is_routed(receiver.name, subject)


def test_a_told_entry_is_dated_when_it_was_planned() -> None:
    """Reminders are counted from then."""
    found = plan([an_alert()], [], [a_receiver()], [], now=at("12:34"))

    assert [entry.notified_at for entry in found.notified] == [at("12:34")]
