"""Limits that fit a reason's own history, for a wanted number of alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.backtest.suggest import (
    MIN_DAYS,
    Suggestions,
    daily_peaks,
    round_up,
    select_reasons,
    suggest,
)
from alerter.core.history import FailedPoll, TenantHistory, history_from_polls
from alerter.core.rules import Severity
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Snapshot, Tenant
from tests.builders import NOON

HOUR = timedelta(hours=1)
DAYS = 30
#: Midnight, `DAYS` days before the end.
BEGIN = NOON.replace(hour=0) - timedelta(days=DAYS)
UNTIL = NOON.replace(hour=0)


def counts_with(bursts: dict[int, int], *, days: int = DAYS, silent: int = 4, busy: int = 10) -> list[int]:
    """Return hourly counts: few at night, more by day, and at the hours of bursts as many as they say."""
    usual = [busy if 8 <= hour % 24 < 18 else silent for hour in range(24 * days)]
    return [bursts.get(hour, count) for hour, count in enumerate(usual)]


def a_history(counts_by_reason: dict[str, Sequence[int]], *, begin: datetime = BEGIN) -> TenantHistory:
    """Return a tenant that was polled every hour."""
    length = max(map(len, counts_by_reason.values()))
    polls = [
        Snapshot(
            tenant=Tenant("acme"),
            taken_at=begin + hour * HOUR,
            counts={HoldReason(reason): counts[hour] for reason, counts in counts_by_reason.items()},
        )
        for hour in range(length)
    ]
    return history_from_polls(Tenant("acme"), polls, poll_interval=HOUR)


def suggested(counts_by_reason: dict[str, Sequence[int]], *, budget: float = 2) -> Suggestions:
    """Return what is suggested for a history that ends now."""
    return suggest(a_history(counts_by_reason), budget=budget, until=UNTIL)


def test_a_limit_stands_well_above_the_usual_day_and_clears_where_such_a_day_ends() -> None:
    """Ten on every day, give or take the root of ten: above 20, cleared at 14, critical at three times the distance."""
    (suggestion,) = suggested({"Spam": counts_with({})}).made

    assert (suggestion.usual.median_peak, suggestion.usual.day_count) == (10, DAYS * 2 // 3)
    assert (suggestion.threshold.above, suggestion.threshold.clear_at) == (20, 14)
    assert suggestion.critical_above == 39
    assert suggestion.firings == ()


def test_a_burst_that_was_real_does_not_move_the_limit() -> None:
    """Two days of hundreds among thirty are what one wants to be told of; they say nothing of the usual day."""
    bursts = {hour: 400 for day in (10, 20) for hour in range(day * 24, day * 24 + 6)}

    (suggestion,) = suggested({"Spam": counts_with(bursts)}).made

    assert suggestion.threshold.above == 20
    assert [firing.since for firing in suggestion.firings] == [BEGIN + timedelta(days=day) for day in (10, 20)]
    assert {firing.until - firing.since for firing in suggestion.firings if firing.until} == {6 * HOUR}


def test_the_reason_that_tells_most_often_moves_up_until_all_are_within_the_budget() -> None:
    """A noisy reason pays for itself: the quiet one keeps its close limit and its one real alert."""
    noisy = {day * 24 + 9 + part: 25 for day in range(0, DAYS, 3) for part in range(3)}
    silent = dict.fromkeys(range(240, 246), 300)

    found = suggested({"Noisy": counts_with(noisy), "Quiet": counts_with(silent)}, budget=0.5)

    by_reason = {each.reason: each for each in found.made}
    assert found.per_week <= 0.5
    assert by_reason[HoldReason("Quiet")].threshold.above == 20
    assert len(by_reason[HoldReason("Quiet")].firings) == 1
    assert by_reason[HoldReason("Noisy")].threshold.above == 26
    assert by_reason[HoldReason("Noisy")].firings == ()


def test_with_a_larger_budget_limits_are_no_higher() -> None:
    """Who wants to hear more often is told of smaller things."""
    noisy = {day * 24 + 9 + part: 45 - (day * 7) % 30 for day in range(0, DAYS, 2) for part in range(3)}

    above = [
        suggested({"Noisy": counts_with(noisy)}, budget=budget).made[0].threshold.above or 0 for budget in (2, 4, 9)
    ]

    assert all(before >= after for before, after in pairwise(above))
    assert above[0] > above[-1]


def test_what_tells_often_only_informs() -> None:
    """A limit that a wide budget lets tell more than once a week is no warning."""
    noisy = {day * 24 + 9 + part: 40 for day in range(0, DAYS, 3) for part in range(4)}

    (suggestion,) = suggested({"Noisy": counts_with(noisy)}, budget=10).made

    assert suggestion.severity is Severity.INFO
    assert list(suggestion.rule.levels) == [Severity.INFO, Severity.CRITICAL]


def test_blips_must_last_before_they_tell() -> None:
    """Where most of what passes a limit is over at the next poll, it must hold for two polls."""
    blips = {day * 24 + 9: 40 for day in range(0, DAYS, 3)}

    (suggestion,) = suggested({"Spam": counts_with(blips)}).made

    assert suggestion.level.for_ == 2 * HOUR
    assert suggestion.firings == ()


def test_what_no_limit_helps_against_is_not_suggested() -> None:
    """A reason that holds a million every third day alerts in the part that confirms, too: the output says so."""
    wild = {day * 24 + 9 + part: 10**6 for day in range(0, DAYS, 3) for part in range(3)}

    found = suggested({"Wild": counts_with(wild), "Calm": counts_with({})}, budget=0.01)

    assert [each.reason for each in found.made] == ["Calm"]
    assert found.confirmed_per_week == 0
    assert [each.why for each in found.unsupported] == [
        "its best limit alerted 3 times in the last third of the history, which is more than the budget"
    ]


def test_days_that_differ_much_fit_no_limit() -> None:
    """Five on one day and five hundred on the next: what is too much on the one is nothing on the other."""
    uneven = [500 if hour // 24 % 2 and 8 <= hour % 24 < 18 else 5 for hour in range(24 * DAYS)]

    found = suggested({"Uneven": uneven})

    assert (found.made, [each.reason for each in found.unsupported]) == ((), ["Uneven"])
    assert "it has days that differ so much that no limit fits" in found.unsupported[0].why


def test_a_limit_is_confirmed_on_what_it_was_not_chosen_on() -> None:
    """A burst in the last third does not move the limit, and counts for the rate that is promised."""
    found = suggested({"Spam": counts_with(dict.fromkeys(range(25 * 24, 25 * 24 + 6), 400))})

    assert (found.per_week, round(found.confirmed_per_week, 2)) == (0, 0.7)
    assert suggested({"Spam": counts_with(dict.fromkeys(range(25 * 24, 25 * 24 + 6), 400))}, budget=0.5).made == ()


def test_what_still_fires_at_the_end_has_no_end() -> None:
    """The last firing goes on."""
    (suggestion,) = suggested({"Spam": counts_with(dict.fromkeys(range(24 * DAYS - 5, 24 * DAYS), 90))}).made

    assert [firing.until for firing in suggestion.firings] == [None]


@pytest.mark.parametrize(
    ("days", "is_supported"),
    [pytest.param(MIN_DAYS * 3 // 2 - 1, False, id="a day too few"), pytest.param(22, True, id="three weeks")],
)
def test_a_short_history_supports_nothing(*, days: int, is_supported: bool) -> None:
    """Two weeks to choose on, and one to confirm; with less nothing is proposed, and why is said."""
    begin = UNTIL - timedelta(days=days)
    history = a_history({"Spam": counts_with({}, days=days)}, begin=begin)

    found = suggest(history, budget=2, until=UNTIL)

    assert bool(found.made) is is_supported
    assert bool(found.unsupported) is not is_supported
    assert all(f"{days * 2 // 3} whole days" in each.why for each in found.unsupported)


def test_a_day_of_which_most_is_unknown_does_not_count() -> None:
    """Days of which polling failed for more than half say nothing of what is usual."""
    down = range(5 * 24, 12 * 24)
    polls: list[Snapshot | FailedPoll] = [
        FailedPoll(at=BEGIN + hour * HOUR)
        if hour in down
        else Snapshot(tenant=Tenant("acme"), taken_at=BEGIN + hour * HOUR, counts={HoldReason("Spam"): count})
        for hour, count in enumerate(counts_with({}))
    ]
    history = history_from_polls(Tenant("acme"), polls, poll_interval=HOUR)

    assert daily_peaks(history.reasons[0], until=UNTIL).day_count == DAYS - 7


def test_a_tenant_that_was_never_polled_has_no_usual_day() -> None:
    """Nothing is known, so nothing is claimed."""
    never = history_from_polls(Tenant("acme"), [], poll_interval=HOUR)

    assert daily_peaks(never.polling, until=UNTIL).day_count == 0


def test_a_suggested_rule_is_for_its_own_reason_and_called_in_one_line() -> None:
    """Characters that mean something in a glob stand for themselves; a reason may hold a line break, a name may not."""
    name = HoldReason("!what?*\n")
    history = history_from_polls(
        Tenant("acme"),
        [Snapshot(tenant=Tenant("acme"), taken_at=BEGIN + hour * HOUR, counts={name: 1}) for hour in range(24 * DAYS)],
        poll_interval=HOUR,
    )

    (made,) = suggest(history, budget=2, until=UNTIL).made

    assert made.rule.name == "High: !what?*\N{REPLACEMENT CHARACTER} (acme)"
    assert made.rule.reasons.matches(name)
    assert not made.rule.reasons.matches(f"{name}x")


def test_reasons_can_be_chosen() -> None:
    """Who asks about some reasons hears of those."""
    history = a_history({"Spam": counts_with({}), "Virus": counts_with({})})

    assert [each.reason for each in select_reasons(history, Selector(("v*",))).reasons] == ["Virus"]


@given(st.floats(0.1, 1e9))
def test_a_limit_is_rounded_up_by_less_than_a_tenth(value: float) -> None:
    """People write 430, not 421; it is never rounded to below what the data says."""
    assert value <= round_up(value) <= max(value * 1.11, value + 1)
