"""A replay decides what would have been decided, and at no other instants: whom, what, and when."""

from dataclasses import replace
from datetime import UTC, time

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import AlertState
from alerter.core.backtest.replay import ReplayStep, run_replay
from alerter.core.history import TenantHistory, history_from_polls
from alerter.core.mute_windows import MuteWindow, WindowName
from alerter.core.routes import Receiver
from alerter.core.rules import Per, RuleName
from alerter.core.series import ALL_TENANTS, Tenant
from tests.builders import (
    NOON,
    a_key,
    a_level,
    a_no_data,
    a_policy,
    a_polled_tenant,
    a_receiver,
    a_route,
    a_rule,
    at,
    minutes,
)

ONE = {"acme": "5m"}
TWO = {"acme": "5m", "globex": "5m"}
#: From noon on for an hour.
LUNCH = MuteWindow(name=WindowName("lunch"), days=frozenset(range(7)), begins=time(12), ends=time(13), timezone=UTC)


def notified(alerting: AlertingConfig, *tenants: TenantHistory) -> list[str]:
    """Return who is told what, and when, in words."""
    return [words for moment in run_replay(alerting, tenants) for words in said(moment)]


def said(moment: ReplayStep) -> list[str]:
    """Return the notices of a moment: `12:00 secops: first warning acme/Spam 120`."""
    return [
        f"{moment.at:%H:%M} {each.receiver.name}: {item.reason} {item.alert.key.severity} "
        f"{item.alert.key.tenant}/{item.alert.key.reason} {item.alert.value}"
        + (f", {each.suppressed} held back" if each.suppressed else "")
        for each in moment.notifications
        for item in each.items
    ]


def a_patient_policy(*receivers: Receiver) -> AlertingConfig:
    """Return a policy of one rule, in which these are told."""
    return replace(a_policy(a_rule(), tenants=TWO), receivers=receivers)


def test_everybody_is_told_the_beginning_and_the_end() -> None:
    """At the polls that saw them, with what was held then."""
    alerting = a_policy(a_rule())

    assert notified(alerting, a_polled_tenant("90x3 120x2 110 80x3")) == [
        "11:35 secops: first warning acme/Spam 120",
        "11:50 secops: resolved warning acme/Spam 80",
    ]


def test_each_moment_says_what_changed_and_whose_poll_it_was() -> None:
    """The counterpart of a live cycle."""
    replay = run_replay(a_policy(a_rule()), [a_polled_tenant("90x3 120")])

    [moment] = list(replay)

    assert (moment.at, moment.tenant, moment.suppressed) == (NOON, "acme", ())
    assert [(each.from_state, each.to_state) for each in moment.transitions] == [
        (AlertState.INACTIVE, AlertState.FIRING)
    ]
    assert replay.alerts[a_key()].value == 120


def test_the_alerts_are_those_of_the_moment_that_was_yielded_last() -> None:
    """Whoever looks between two moments sees how things stood."""
    replay = run_replay(a_policy(a_rule()), [a_polled_tenant("90 120x3 150 80")])

    states = [(replay.alerts[a_key()].state, replay.alerts[a_key()].value) for _ in replay]

    assert states == [(AlertState.FIRING, 120), (AlertState.INACTIVE, 80)]


def test_what_is_pending_is_a_moment_that_nobody_is_told_of() -> None:
    """Nor is its end, where it never fired."""
    alerting = a_policy(a_rule(warning=a_level(for_="30m")))

    moments = list(run_replay(alerting, [a_polled_tenant("90 120 90")]))

    assert [(moment.transitions[0].to_state, moment.notifications) for moment in moments] == [
        (AlertState.PENDING, ()),
        (AlertState.INACTIVE, ()),
    ]


def test_reminders_come_at_the_polls_at_which_they_are_due() -> None:
    """Twice as late each time; the count is the one of that poll, although nothing else was judged there."""
    alerting = a_patient_policy(a_receiver(repeat_interval="12m"))

    assert notified(alerting, a_polled_tenant("120x3 130x12")) == [
        "10:50 secops: first warning acme/Spam 120",
        "11:05 secops: repeat warning acme/Spam 130",
        "11:30 secops: repeat warning acme/Spam 130",
    ]


def test_what_a_mute_window_hides_is_told_when_it_ends() -> None:
    """At the first poll after its end, if it still differs."""
    alerting = replace(a_policy(a_rule()), windows_by_rule={RuleName("Backlog"): (LUNCH,)})

    assert notified(alerting, a_polled_tenant("90x2 120x11", until=at("13:07"))) == [
        "13:02 secops: first warning acme/Spam 120"
    ]


def test_a_mute_window_of_a_route_hides_as_well() -> None:
    """And what is over by then nobody hears of."""
    alerting = a_policy(a_rule(), routes=[a_route(mute_windows=[LUNCH])])

    assert notified(alerting, a_polled_tenant("90x2 120x5 90x6", until=at("13:07"))) == []


def test_a_muted_tenant_is_told_of_to_nobody() -> None:
    """Its alerts live on all the same."""
    replay = run_replay(
        replace(a_policy(a_rule()), muted_tenants=frozenset({Tenant("acme")})), [a_polled_tenant("90 120")]
    )

    assert [(len(moment.transitions), moment.notifications) for moment in replay] == [(1, ())]


def test_an_hour_has_no_more_messages_than_it_may() -> None:
    """What was held back comes as soon as there is room, and says how much it was."""
    alerting = a_patient_policy(a_receiver(max_per_hour=1))
    replay = run_replay(alerting, [a_polled_tenant("90 120 90x20")])

    moments = list(replay)

    assert [words for moment in moments for words in said(moment)] == [
        "10:20 secops: first warning acme/Spam 120",
        "11:20 secops: resolved warning acme/Spam 90, 1 held back",
    ]
    assert [(f"{moment.at:%H:%M}", moment.suppressed) for moment in moments if moment.suppressed] == [
        ("10:25", ("secops",))
    ]


def test_only_news_counts_as_held_back() -> None:
    """A reminder that is due while there is no room would have been no message of its own."""
    alerting = a_patient_policy(a_receiver(max_per_hour=1, repeat_interval="12m"))

    assert notified(alerting, a_polled_tenant("90 120x20")) == [
        "10:25 secops: first warning acme/Spam 120",
        "11:25 secops: repeat warning acme/Spam 120",
    ]


def test_another_level_that_begins_meanwhile_is_news_that_is_held_back() -> None:
    """As live: whatever changes of what is held back counts as a message of its own, also while it is pending."""
    rule = a_rule(warning=a_level(above=100), critical=a_level(above=150, for_="1h"))
    alerting = replace(a_policy(rule), receivers=(a_receiver(max_per_hour=1, repeat_interval="12m"),))

    assert notified(alerting, a_polled_tenant("90 120 90x2 120 160x2 120x14")) == [
        "10:25 secops: first warning acme/Spam 120",
        "11:25 secops: repeat warning acme/Spam 120, 4 held back",
    ]


def test_what_is_collected_is_told_when_the_wait_is_over() -> None:
    """Over all tenants in one message, and at no poll."""
    alerting = a_patient_policy(replace(a_receiver(), group_wait=minutes(3)))
    tenants = [a_polled_tenant("90x3 120"), a_polled_tenant("90x3 130", tenant="globex", until=at("12:02"))]

    moments = [moment for moment in run_replay(alerting, tenants) if moment.notifications]

    assert [(moment.tenant, said(moment)) for moment in moments] == [
        (
            ALL_TENANTS,
            [
                "12:03 secops: first warning globex/Spam 130",
                "12:03 secops: first warning acme/Spam 120",
            ],
        )
    ]


def test_what_was_collected_into_a_mute_window_is_told_when_that_ends() -> None:
    """The wait is over while nobody may be told; the end of the window begins another one."""
    receiver = replace(a_receiver(), group_wait=minutes(6))
    alerting = replace(a_patient_policy(receiver), windows_by_rule={RuleName("Backlog"): (LUNCH,)})

    assert notified(alerting, a_polled_tenant("90 120x20", until=at("13:30"))) == [
        "13:06 secops: first warning acme/Spam 120"
    ]


def test_what_is_collected_and_held_back_is_collected_again() -> None:
    """As soon as there is room for it."""
    alerting = a_patient_policy(replace(a_receiver(max_per_hour=1), group_wait=minutes(3)))

    assert notified(alerting, a_polled_tenant("90 120 90x20"), a_polled_tenant("90x2 120 90x20", tenant="globex")) == [
        "10:23 secops: first warning acme/Spam 120",
        "10:23 secops: first warning globex/Spam 120",
        "11:28 secops: resolved warning acme/Spam 90, 2 held back",
        "11:28 secops: resolved warning globex/Spam 90, 2 held back",
    ]


def test_a_sum_over_all_tenants_is_judged_and_told_at_the_polls_of_each() -> None:
    """Reminders of it come at whichever poll is the first when they are due."""
    everybody = replace(a_policy(a_rule(per=Per.ALL), tenants=TWO), receivers=(a_receiver(repeat_interval="12m"),))
    tenants = [a_polled_tenant("40x3 70x9"), a_polled_tenant("50x12", tenant="globex", until=at("11:58"))]

    moments = list(run_replay(everybody, tenants))

    assert [(moment.tenant, words) for moment in moments for words in said(moment)] == [
        ("acme", "11:20 secops: first warning */* 120"),
        ("globex", "11:33 secops: repeat warning */* 120"),
        ("globex", "11:58 secops: repeat warning */* 120"),
    ]


def test_a_sum_over_some_tenants_is_judged_at_their_polls_alone() -> None:
    """A poll of a tenant that the rule does not select is none of its business."""
    rule = a_rule(per=Per.ALL, tenants=["globex"])
    tenants = [a_polled_tenant("500x4"), a_polled_tenant("90 120x3", tenant="globex", until=at("11:58"))]

    moments = list(run_replay(a_policy(rule, tenants=TWO), tenants))

    assert [(moment.tenant, words) for moment in moments for words in said(moment)] == [
        ("globex", "11:48 secops: first warning */* 120")
    ]


def test_a_sum_over_many_tenants_is_judged_and_told_with_the_polls_of_its_bearers() -> None:
    """Live, those of a few are enough; at the polls of the others nobody is reminded of it."""
    alerting = a_policy(a_rule(per=Per.ALL), tenants=TWO)
    alerting = replace(alerting, receivers=(a_receiver(repeat_interval="12m"),))
    alerting = replace(alerting, sum_trigger_tenants={RuleName("Backlog"): frozenset({Tenant("globex")})})
    tenants = [a_polled_tenant("40x3 70x9"), a_polled_tenant("50x12", tenant="globex", until=at("11:58"))]

    assert notified(alerting, *tenants) == [
        "11:23 secops: first warning */* 120",
        "11:38 secops: repeat warning */* 120",
    ]


def test_while_a_tenant_has_no_data_its_other_alerts_are_not_told() -> None:
    """When it can be polled again, a reminder that is due comes with the end of the outage."""
    alerting = a_patient_policy(a_receiver(repeat_interval="12m"))
    alerting = replace(alerting, rules=a_policy(a_rule(), a_rule("No data", critical=a_level(a_no_data("15m")))).rules)

    assert notified(alerting, a_polled_tenant("120x3 130 _x9 140x5")) == [
        "10:35 secops: first warning acme/Spam 120",
        "10:50 secops: repeat warning acme/Spam 130",
        "11:05 secops: first critical acme/* None",
        "11:20 secops: repeat critical acme/* None",
        "11:40 secops: repeat warning acme/Spam 140",
        "11:40 secops: resolved critical acme/* 140",
    ]


def test_what_is_told_of_an_alert_without_data_is_the_last_that_was_seen() -> None:
    """Its count is that of the last successful poll, although the poll of now failed."""
    alerting = a_patient_policy(a_receiver(repeat_interval="12m"))
    alerting = replace(alerting, rules=(a_rule(),))

    assert notified(alerting, a_polled_tenant("120x3 130 _x3")) == [
        "11:30 secops: first warning acme/Spam 120",
        "11:45 secops: repeat warning acme/Spam 130",
    ]


def test_moments_come_in_the_order_of_time_and_alerts_in_the_order_of_the_rules() -> None:
    """Two tenants, two rules, and what happens at one poll in one moment."""
    alerting = a_policy(a_rule("Second", critical=a_level(above=50)), a_rule("First"), tenants=TWO)
    tenants = [a_polled_tenant("0 120"), a_polled_tenant("0 120", tenant="globex", until=at("11:59"))]

    moments = list(run_replay(alerting, tenants))

    assert [(moment.tenant, [each.key.rule for each in moment.transitions]) for moment in moments] == [
        ("globex", ["Second", "First"]),
        ("acme", ["Second", "First"]),
    ]


def test_without_history_nothing_was_decided() -> None:
    """Neither without tenants nor without polls."""
    nothing = history_from_polls(Tenant("acme"), [], poll_interval=minutes(5))

    assert list(run_replay(a_policy(a_rule()), [])) == []
    assert list(run_replay(a_policy(a_rule()), [nothing])) == []
