"""An alert's way through history: what is left out changes nothing."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.alerts import AlertState
from alerter.core.backtest.alert_replay import AlertChange, AlertReplay, alert_replays, histories_for
from alerter.core.conditions import Baseline, Result, Threshold, Verdict
from alerter.core.history import FailedPoll, SeriesHistory, history_from_polls
from alerter.core.rules import Level, Per, Rule, Severity
from alerter.core.series import Series, Snapshot, Span, Tenant, from_epoch_us, to_epoch_us
from tests.builders import (
    NOON,
    a_growth,
    a_key,
    a_level,
    a_no_data,
    a_polled_tenant,
    a_rule,
    a_snapshot,
    at,
    minutes,
    span,
)
from tests.core.backtest.every_poll import changes, changes_of_every_poll
from tests.drawn import HELD, POLLING, SUMMABLE, levels, polls

QUIET, FIRING = AlertState.INACTIVE, AlertState.FIRING
ACME, GLOBEX = Tenant("acme"), Tenant("globex")
_SETTINGS = settings(max_examples=200)


def assert_nothing_is_missed(level: Level, history: SeriesHistory) -> None:
    """Hold an alert that is evaluated where it must be against one that is evaluated at every poll."""
    every_poll = changes_of_every_poll(AlertReplay(key=a_key(), level=level, history=history))

    assert changes(AlertReplay(key=a_key(), level=level, history=history)) == every_poll
    starts = [each.at for each in every_poll if each.transition and each.transition.to_state is FIRING]
    ends = [each.at for each in every_poll if each.transition is not None and each.transition.is_resolution]
    firings = list(AlertReplay(key=a_key(), level=level, history=history).firings())
    assert [to_epoch_us(since) for since, _ in firings] == starts
    assert [to_epoch_us(until) for _, until in firings if until is not None] == ends


@_SETTINGS
@given(level=levels(HELD), polled=polls(reasons=("Spam",)))
def test_an_alert_on_held_messages_is_judged_wherever_it_can_change(
    level: Level, polled: Sequence[Snapshot | FailedPoll]
) -> None:
    """Every kind of condition, through failures, gaps, weeks without polls, and a reason that comes late."""
    for history in history_from_polls(ACME, polled, poll_interval=minutes(1)).reasons:
        assert_nothing_is_missed(level, history)


@_SETTINGS
@given(level=levels(POLLING), polled=polls(reasons=("Spam",)))
def test_an_alert_on_polling_is_judged_wherever_it_can_change(
    level: Level, polled: Sequence[Snapshot | FailedPoll]
) -> None:
    """However long an outage is, and whatever it was caused by."""
    assert_nothing_is_missed(level, history_from_polls(ACME, polled, poll_interval=minutes(1)).polling)


@_SETTINGS
@given(
    level=levels(SUMMABLE),
    one=polls("acme", jitter=timedelta(seconds=20)),
    other=polls("globex", begin=NOON + timedelta(seconds=40), every=minutes(3), most=20),
    per=st.sampled_from([Per.TENANT, Per.ALL]),
)
def test_an_alert_on_a_sum_is_judged_wherever_it_can_change(
    level: Level, one: Sequence[Snapshot | FailedPoll], other: Sequence[Snapshot | FailedPoll], per: Per
) -> None:
    """Of one tenant's reasons, or of two tenants that are polled at moments of their own."""
    tenants = [
        history_from_polls(ACME, one, poll_interval=minutes(1)),
        history_from_polls(GLOBEX, other, poll_interval=minutes(3)),
    ]
    for replay in alert_replays(a_rule(warning=level, per=per), tenants):
        assert_nothing_is_missed(level, replay.history)


@dataclass(frozen=True, kw_only=True)
class Noted(Threshold):
    """A threshold that notes when it is asked."""

    asked_at: list[datetime] = field(default_factory=list)

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Judge, and note it."""
        self.asked_at.append(now)
        return super().evaluate(series, firing=firing, fired=fired, now=now)


@pytest.mark.parametrize(
    ("for_", "keep_firing_for", "notation", "expected"),
    [
        pytest.param("0", "0", "90x20", "1", id="at the first poll"),
        pytest.param("0", "0", "90x9 99 90x9", "1", id="not when a count changes that is far from its limit"),
        pytest.param("0", "0", "90x9 120x9 90x9", "1 10 11 19 20", id="when it passes its limit"),
        pytest.param("10m", "0", "90x9 120x9", "1 10 12 13", id="when `for` is over"),
        pytest.param("0", "0", "120x4 130x4 140x4", "1 2", id="not while it is firing and the count stays beyond"),
        pytest.param("0", "0", "120x4 _x9 130x4", "1 2 14", id="not at failed polls, but at the first good one after"),
        pytest.param("0", "20m", "120x4 90x9", "1 2 5 9 10", id="when `keep_firing_for` is over"),
    ],
)
def test_an_alert_is_judged_only_where_it_can_change(
    for_: str, keep_firing_for: str, notation: str, expected: str
) -> None:
    """Years of polls are a handful of stages."""
    noted = Noted(above=100)
    tenant = a_polled_tenant(notation)
    level = a_level(noted, for_=for_, keep_firing_for=keep_firing_for)

    list(AlertReplay(key=a_key(), level=level, history=tenant.reasons[0]).changes())

    polls = tenant.polling.poll_times.polls
    assert [bisect_left(polls, to_epoch_us(asked_at)) + 1 for asked_at in noted.asked_at] == [
        *map(int, expected.split())
    ]


def test_a_reason_is_judged_from_its_first_sight_on() -> None:
    """Before an answer had it, it was not there to be judged: also not as zero."""
    tenant = history_from_polls(
        ACME,
        [a_snapshot({}, taken_at=at("11:50")), a_snapshot({"Spam": 0}, taken_at=at("11:55")), a_snapshot({})],
        poll_interval=minutes(5),
    )
    replay = AlertReplay(key=a_key(), level=a_level(Threshold(below=1)), history=tenant.reasons[0])

    assert [each.transition.at for each in changes(replay) if each.transition] == [at("11:55")]


def test_a_level_that_remembers_is_told_when_it_has_fired() -> None:
    """An hour in which it was firing is no measure a week later; without that, the last count would be ordinary."""
    weeks = [(100, 100), (200, 200), (300, 300), (1000, 0), (820, 0)]
    polled = [
        a_snapshot({"Spam": held}, taken_at=NOON + number * span("7d") + place * minutes(30))
        for number, counts in enumerate(weeks)
        for place, held in enumerate((*counts, 0))
    ]
    tenant = history_from_polls(ACME, polled, poll_interval=minutes(30))
    replay = AlertReplay(key=a_key(), level=a_level(Baseline()), history=tenant.reasons[0])

    found = [(each.alert.value, each.transition.to_state) for each in changes(replay) if each.transition]

    assert found == [(1000, FIRING), (0, QUIET), (820, FIRING), (0, QUIET)]


def fired_at(replay: AlertReplay) -> AlertChange:
    """Return the alert as it was when it began to fire."""
    return next(each for each in replay.changes() if each.alert.is_firing)


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        pytest.param(25, (110, 140, 25), id="the last poll, at which nothing was evaluated"),
        pytest.param(27, (110, 140, 25), id="the last poll before an instant"),
        pytest.param(60, (110, 140, 30), id="the last good one, where later ones failed"),
    ],
)
def test_the_newest_count_of_an_alert_is_that_of_the_last_successful_poll(
    minute: float, expected: tuple[int, int, int]
) -> None:
    """So is its peak, and what is compared."""
    tenant = a_polled_tenant("120x2 140 110x4 _x5")
    replay = AlertReplay(key=a_key(), level=a_level(), history=tenant.reasons[0])
    begin = replay.polls[0]

    newest = replay.newest(fired_at(replay), now=begin + int(minute * 60_000_000))

    assert newest is not None
    evaluated = [
        int((each.value.at - from_epoch_us(begin)) / minutes(1)) for each in newest.alert.evidence if each.value
    ]
    assert (newest.alert.value, newest.alert.peak, *evaluated) == expected


def test_an_alert_that_was_evaluated_at_the_last_poll_is_as_it_was() -> None:
    """There is nothing newer."""
    replay = AlertReplay(key=a_key(), level=a_level(), history=a_polled_tenant("120").reasons[0])

    assert replay.newest(fired_at(replay), now=replay.polls[0]) is None


def test_what_cannot_be_compared_any_more_has_its_count_and_what_was_compared_last() -> None:
    """After a gap there is no reference, but the count is known."""
    level = a_level(a_growth(over="20m", by=50), keep_firing_for="1d")
    tenant = a_polled_tenant("10x5 90x3 _x9 95 97x2")
    replay = AlertReplay(key=a_key(), level=level, history=tenant.reasons[0])
    *_, last = replay.changes()

    newest = replay.newest(last, now=replay.polls[-1])

    assert newest is not None
    assert last.verdict is newest.verdict is Verdict.NO_DATA
    assert (newest.alert.value, newest.alert.peak) == (97, 97)
    assert newest.alert.evidence == last.alert.evidence
    assert [each.value.count for each in newest.alert.evidence if each.value] == [90]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            a_rule(), ["acme/Spam", "acme/Virus", "globex/Spam"], id="every reason of every tenant on its own"
        ),
        pytest.param(a_rule(tenants=["globex"]), ["globex/Spam"], id="of the tenants that it selects"),
        pytest.param(a_rule(reasons=["!Spam"]), ["acme/Virus"], id="and of the reasons"),
        pytest.param(a_rule(per=Per.TENANT), ["acme/*", "globex/*"], id="the sum of each tenant"),
        pytest.param(a_rule(per=Per.ALL), ["*/*"], id="the sum of all"),
        pytest.param(a_rule(per=Per.ALL, tenants=["initech"]), [], id="no sum where there is nobody"),
        pytest.param(
            a_rule(warning=a_level(a_no_data())),
            ["acme/*", "globex/*"],
            id="the polling of each tenant",
        ),
    ],
)
def test_a_rule_looks_at_what_it_selects(rule: Rule, expected: list[str]) -> None:
    """As live: each on its own, or the sums that it asks for."""
    snapshots = {ACME: {"Spam": 5, "Virus": 7}, GLOBEX: {"Spam": 1}}
    tenants = [
        history_from_polls(name, [a_snapshot(counts, tenant=name)], poll_interval=minutes(5))
        for name, counts in snapshots.items()
    ]

    assert [f"{each.tenant}/{each.reason}" for each in histories_for(rule, tenants)] == expected


def test_the_alerts_of_a_rule_come_in_the_order_in_which_they_are_judged() -> None:
    """Level by level, and within a level series by series."""
    tenant = history_from_polls(ACME, [a_snapshot({"Spam": 5, "Virus": 7})], poll_interval=minutes(5))
    rule = a_rule(info=a_level(), critical=a_level())

    assert [(replay.key.severity, replay.key.reason) for replay in alert_replays(rule, [tenant])] == [
        (Severity.INFO, "Spam"),
        (Severity.INFO, "Virus"),
        (Severity.CRITICAL, "Spam"),
        (Severity.CRITICAL, "Virus"),
    ]
