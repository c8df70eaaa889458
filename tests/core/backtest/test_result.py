"""What rules would have done within a span: what fired, who was told, and how much is known of it."""

from dataclasses import replace
from datetime import datetime

import pytest

from alerter.core.backtest.replay import ReplayConfig
from alerter.core.backtest.result import Backtest, BacktestRun, FiringPeriod, HistoryCoverage
from alerter.core.history import TenantHistory, history_from_polls
from alerter.core.notifications import NotifyReason
from alerter.core.series import Span, Tenant
from tests.builders import (
    NOON,
    a_key,
    a_level,
    a_policy,
    a_polled_tenant,
    a_receiver,
    a_rule,
    a_snapshot,
    at,
    minutes,
)


def rehearsed(
    *policies: ReplayConfig, tenants: list[TenantHistory], since: str = "00:00", until: datetime = NOON
) -> BacktestRun:
    """Look at tenants."""
    backtest_run = BacktestRun(policies, since=at(since), until=until)
    for tenant in tenants:
        backtest_run.add(tenant, on_progress=lambda _: None)
    return backtest_run


def backtest(alerting: ReplayConfig, notation: str, *, since: str = "00:00") -> Backtest:
    """Return what a policy would have done on one tenant."""
    [found] = rehearsed(alerting, tenants=[a_polled_tenant(notation)], since=since).backtests()
    return found


def test_what_fired_has_its_beginning_its_end_and_its_worst_count() -> None:
    """One for each time."""
    found = backtest(a_policy(a_rule()), "90 120 150 90 130 90")

    assert found.firings == (
        FiringPeriod(key=a_key(), since=at("11:40"), until=at("11:50"), peak=150),
        FiringPeriod(key=a_key(), since=at("11:55"), until=NOON, peak=130),
    )


def test_what_still_fires_has_no_end() -> None:
    """At the end of what is asked about."""
    assert backtest(a_policy(a_rule()), "90 120x3").firings == (FiringPeriod(key=a_key(), since=at("11:50")),)


def test_what_began_before_the_span_counts_and_what_ended_before_does_not() -> None:
    """The history before the span is looked at all the same."""
    found = backtest(a_policy(a_rule()), "120 90 120x5 90x3", since="11:30")

    assert [(firing.since, firing.until) for firing in found.firings] == [(at("11:25"), at("11:50"))]
    assert [(item.at, item.whys) for item in found.items] == [(at("11:50"), (NotifyReason.RESOLVED,))]
    assert found.messages == {"secops": 1}


def test_a_message_tells_of_each_rule_once() -> None:
    """It is one message, however many rules it tells of."""
    rules = a_rule(info=a_level(above=50)), a_rule("Flood", critical=a_level(above=100))
    found = backtest(a_policy(*rules), "0 120x2")

    assert [(each.rule, each.receiver, each.whys) for each in found.items] == [
        ("Flood", "secops", (NotifyReason.FIRST,)),
        ("Backlog", "secops", (NotifyReason.FIRST,)),
    ]
    assert found.messages == {"secops": 1}


def test_a_message_that_tells_of_a_beginning_and_an_end_counts_as_both() -> None:
    """One reason begins to fire at the poll at which another one ends."""
    counts = [{}, {"Spam": 120}, {"Spam": 90, "Virus": 120}]
    polls = [a_snapshot(each, taken_at=NOON + minutes(5 * number)) for number, each in enumerate(counts)]
    tenant = history_from_polls(Tenant("acme"), polls, poll_interval=minutes(5))

    [found] = rehearsed(a_policy(a_rule()), tenants=[tenant], until=NOON + minutes(10)).backtests()

    assert [each.whys for each in found.items] == [
        (NotifyReason.FIRST,),
        (NotifyReason.FIRST, NotifyReason.RESOLVED),
    ]
    assert found.messages == {"secops": 2}


def test_several_sets_of_rules_look_at_the_same() -> None:
    """Each as if it were alone."""
    first, second = a_policy(a_rule()), a_policy(a_rule(warning=a_level(above=130)))
    backtest_run = rehearsed(first, second, tenants=[a_polled_tenant("90 120 150 90")])

    assert [[firing.since for firing in found.firings] for found in backtest_run.backtests()] == [
        [at("11:50")],
        [at("11:55")],
    ]


def test_progress_is_the_part_that_is_done() -> None:
    """Of a tenant, over all sets of rules."""
    done: list[float] = []
    alerting = replace(a_policy(a_rule()), rules=(a_rule(),), receivers=(a_receiver(),))

    BacktestRun([alerting, alerting], since=at("11:00"), until=NOON).add(
        a_polled_tenant("0 120"), on_progress=done.append
    )

    assert done == [0.5, 1.0]


@pytest.mark.parametrize(
    ("notation", "since", "gaps"),
    [
        pytest.param("1x9", "11:00", [], id="a history without a gap"),
        pytest.param("1x3 _ 1x3", "11:00", [], id="a poll that failed is no gap yet"),
        pytest.param("1x3 _x3 1x3", "11:00", [("11:30", "11:50")], id="polls that failed"),
        pytest.param("1x3 _x3 1x3", "11:40", [("11:40", "11:50")], id="a gap that began before"),
        pytest.param("1x3 _x3 1x3", "11:50", [], id="a gap before"),
        pytest.param("1 _x3 1x2 _x4 1", "11:00", [("11:35", NOON), ("11:10", "11:30")], id="the longest comes first"),
        pytest.param("1x3 _x5", "11:00", [("11:35", NOON)], id="until the end"),
    ],
)
def test_gaps_are_what_is_not_known_after_the_first_poll(
    notation: str, since: str, gaps: list[tuple[str, str | datetime]]
) -> None:
    """Two polls that are missing are a gap, as everywhere."""
    [known] = rehearsed(a_policy(), tenants=[a_polled_tenant(notation)], since=since).known

    assert known.gaps == tuple(Span(at(begin), end if isinstance(end, datetime) else at(end)) for begin, end in gaps)


def test_a_tenant_that_was_never_polled_is_not_known() -> None:
    """Nor has it gaps."""
    [known] = rehearsed(a_policy(), tenants=[a_polled_tenant("_ _")]).known

    assert known == HistoryCoverage(tenant=known.tenant, since=None, gaps=(), thinned_until=None)


@pytest.mark.parametrize(
    ("downsampled", "expected"),
    [
        pytest.param(None, None, id="all of it is whole"),
        pytest.param("10:00", None, id="before what is asked about"),
        pytest.param("11:30", "11:30", id="a part of it"),
    ],
)
def test_it_is_known_until_when_history_is_thinned(downsampled: str | None, expected: str | None) -> None:
    """Results before that are known to the hour."""
    tenant = replace(a_polled_tenant("1x20"), thinned_until=None if downsampled is None else at(downsampled))

    [known] = rehearsed(a_policy(), tenants=[tenant], since="11:00").known

    assert known.thinned_until == (None if expected is None else at(expected))


def test_rules_without_history_do_nothing() -> None:
    """There is nothing that could fire."""
    assert rehearsed(a_policy(a_rule()), tenants=[]).backtests() == [Backtest(firings=(), items=(), messages={})]
