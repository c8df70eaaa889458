"""What remains of tenants that were looked at one after the other says the same as their archives."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings

from alerter.core.alerts import AlertKey, AlertState
from alerter.core.backtest.replay import Replay, ReplayConfig, ReplayStep, run_replay
from alerter.core.backtest.transition_source import StreamedTransitions
from alerter.core.history import FailedPoll, TenantHistory, history_from_polls
from alerter.core.poll_times import NEVER
from alerter.core.rules import Per, RuleName
from alerter.core.series import Snapshot, Tenant, to_epoch_us
from tests.builders import NOON, a_level, a_no_data, a_policy, a_polled_tenant, a_receiver, a_rule, at, minutes
from tests.drawn import policies, polls

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
INTERVALS = {ACME: minutes(1), GLOBEX: minutes(3)}
TWO = {"acme": "5m", "globex": "5m"}


def courses_of(alerting: ReplayConfig, tenants: Iterable[TenantHistory], *, until: int = NEVER) -> StreamedTransitions:
    """Look at tenants one after the other."""
    courses = StreamedTransitions(alerting, until=until)
    for tenant in tenants:
        courses.add(tenant, on_progress=lambda _done, _of: None)
    return courses


def notified(moments: Iterable[ReplayStep]) -> list[tuple[str, str, frozenset[tuple[str, AlertKey]]]]:
    """Return when who is told what; neither what is counted then, nor in the order that follows from it."""
    return [
        (f"{moment.at:%d %H:%M:%S}", each.receiver.name, frozenset((n.reason.value, n.alert.key) for n in each.items))
        for moment in moments
        for each in moment.notifications
    ]


def fired(moments: Iterable[ReplayStep]) -> list[tuple[str, AlertKey, AlertState]]:
    """Return when alerts began and ceased to fire."""
    return [
        (f"{moment.at:%d %H:%M:%S}", each.key, each.to_state)
        for moment in moments
        for each in moment.transitions
        if AlertState.FIRING in (each.from_state, each.to_state)
    ]


@settings(max_examples=60)
@given(
    alerting=policies(INTERVALS),
    acme=polls("acme", most=16),
    globex=polls("globex", begin=NOON + timedelta(seconds=7), every=minutes(3), most=8),
)
def test_what_remains_decides_as_the_whole_does(
    alerting: ReplayConfig, acme: Sequence[Snapshot | FailedPoll], globex: Sequence[Snapshot | FailedPoll]
) -> None:
    """Random rules on random histories: the same alerts, told to the same people at the same polls."""
    tenants = [
        history_from_polls(name, polled, poll_interval=INTERVALS[name])
        for name, polled in ((ACME, acme), (GLOBEX, globex))
    ]

    whole = list(run_replay(alerting, tenants))
    remaining = list(Replay(alerting, courses_of(alerting, tenants)))

    assert fired(remaining) == fired(whole)
    assert notified(remaining) == notified(whole)


def test_nothing_after_the_end_is_looked_at() -> None:
    """Neither what changes then, nor polls at which somebody would be reminded."""
    alerting = replace(a_policy(a_rule()), receivers=(a_receiver(repeat_interval="12m"),))
    courses = courses_of(alerting, [a_polled_tenant("90 120x9 90")], until=to_epoch_us(at("11:40")))

    assert [when for when, _, _ in notified(Replay(alerting, courses))] == ["02 11:15:00", "02 11:30:00"]


def test_a_sum_over_all_tenants_is_judged_when_all_have_been_looked_at() -> None:
    """Of each tenant remains what it held together for the reasons that the rule selects."""
    alerting = a_policy(a_rule(per=Per.ALL, tenants=["*"], reasons=["Spam"]), tenants=TWO)
    tenants = [a_polled_tenant("40x3 70x9"), a_polled_tenant("50x12", tenant="globex", until=at("11:58"))]

    moments = list(Replay(alerting, courses_of(alerting, tenants)))

    assert [(when, receiver) for when, receiver, _ in notified(moments)] == [("02 11:20:00", "secops")]


def test_a_sum_leaves_out_the_tenants_that_its_rule_does_not_select() -> None:
    """As does the rule, live."""
    alerting = a_policy(a_rule(per=Per.ALL, tenants=["globex"]), tenants=TWO)
    tenants = [a_polled_tenant("500x4"), a_polled_tenant("90 120x3", tenant="globex", until=at("11:58"))]

    assert [when for when, _, _ in notified(Replay(alerting, courses_of(alerting, tenants)))] == ["02 11:48:00"]


def test_while_a_tenant_has_no_data_its_other_alerts_are_not_told() -> None:
    """It is still known of an alert that it is about polling."""
    alerting = replace(a_policy(a_rule(), a_rule("No data", critical=a_level(a_no_data("15m")))))
    alerting = replace(alerting, receivers=(a_receiver(repeat_interval="12m"),))
    tenant = a_polled_tenant("120x3 130 _x9 140x5")

    assert notified(Replay(alerting, courses_of(alerting, [tenant]))) == notified(run_replay(alerting, [tenant]))


def test_progress_is_told_alert_by_alert() -> None:
    """Of a long look people want to know how far it is."""
    done: list[tuple[int, int]] = []
    alerting = a_policy(a_rule(info=a_level(), critical=a_level(above=150)))

    StreamedTransitions(alerting, until=NEVER).add(
        a_polled_tenant("0 120"), on_progress=lambda *each: done.append(each)
    )

    assert done == [(1, 3), (2, 3), (3, 3)]


def test_a_rule_is_found_by_its_name() -> None:
    """What remains keeps the count at the end, and the worst one."""
    alerting = a_policy(a_rule())
    replay = Replay(alerting, courses_of(alerting, [a_polled_tenant("90 120 150 90")]))

    [(key, alert)] = [(each.key, replay.alert(each.key)) for moment in replay for each in moment.transitions][-1:]

    assert (key.rule, alert.state, alert.peak) == (RuleName("Backlog"), AlertState.INACTIVE, 150)
