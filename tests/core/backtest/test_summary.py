"""How often, how long, whom: what a backtest comes to, and what two of them do otherwise."""

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerter.core.backtest.result import Backtest, BacktestNotification, FiringPeriod, HistoryCoverage
from alerter.core.backtest.summary import MovedFiring, compare_firings, covered_slots, max_concurrent, summarize_rule
from alerter.core.notifications import NotifyReason
from alerter.core.routes import ReceiverName
from alerter.core.rules import RuleName
from alerter.core.series import Span, Tenant
from tests.builders import NOON, a_key, at, minutes

BACKLOG = RuleName("Backlog")
#: Ten parts of an hour are six minutes each.
HOUR = Span(at("11:00"), NOON)


def firing(text: str, *, rule: str = "Backlog") -> FiringPeriod:
    """Return one from `11:05-11:10`, or `11:05-` for one that goes on."""
    since, until = text.split("-")
    return FiringPeriod(key=a_key(rule=rule), since=at(since), until=at(until) if until else None)


def firings(text: str) -> tuple[FiringPeriod, ...]:
    """Return several, with a blank between them."""
    return tuple(firing(each) for each in text.split())


def test_a_tally_says_how_often_and_how_long() -> None:
    """What lies outside the span does not count; what began before it did not begin within it."""
    backtest = Backtest(firings=firings("10:50-11:10 11:15-11:20 11:30-"), items=(), messages={})

    summary = summarize_rule(BACKLOG, backtest, HOUR, timezone=UTC)

    assert (len(summary.firings), summary.began) == (3, 2)
    assert (summary.total, summary.median, summary.longest) == (minutes(45), minutes(10), minutes(30))
    assert summary.peak_day == (date(2026, 3, 2), 2)


def test_a_rule_that_never_fired_has_no_busiest_day() -> None:
    """And lasted for no time at all; other rules are none of its business."""
    backtest = Backtest(firings=(firing("11:05-11:10", rule="Surge"),), items=(), messages={})

    summary = summarize_rule(BACKLOG, backtest, HOUR, timezone=UTC)

    assert (summary.firings, summary.total, summary.median, summary.longest, summary.peak_day) == (
        (), timedelta(0), timedelta(0), timedelta(0), None,
    )  # fmt: skip


def test_a_day_is_that_of_the_people_who_read_it() -> None:
    """Half past eleven at night in London is the next day in Athens; of two busiest days the first one is meant."""
    late, next_day = at("23:30"), at("23:30") + timedelta(hours=12)
    found = (FiringPeriod(key=a_key(), since=late), FiringPeriod(key=a_key(), since=next_day))
    backtest = Backtest(firings=found, items=(), messages={})
    span = Span(NOON, NOON + timedelta(days=2))

    assert summarize_rule(BACKLOG, backtest, span, timezone=UTC).peak_day == (date(2026, 3, 2), 1)
    assert summarize_rule(BACKLOG, backtest, span, timezone=ZoneInfo("Europe/Athens")).peak_day == (date(2026, 3, 3), 2)


def test_a_tally_says_who_was_told_and_why() -> None:
    """Of this rule."""
    items = tuple(
        BacktestNotification(at=NOON, receiver=ReceiverName(receiver), rule=RuleName(rule), whys=whys)
        for receiver, rule, whys in (
            ("secops", "Backlog", (NotifyReason.FIRST,)),
            ("secops", "Backlog", (NotifyReason.FIRST, NotifyReason.RESOLVED)),
            ("mail", "Backlog", (NotifyReason.FIRST,)),
            ("mail", "Surge", (NotifyReason.FIRST,)),
        )
    )

    summary = summarize_rule(BACKLOG, Backtest(firings=(), items=items, messages={}), HOUR, timezone=UTC)

    assert summary.messages == {"secops": 2, "mail": 1}
    assert summary.notified == {
        "secops": {NotifyReason.FIRST: 2, NotifyReason.RESOLVED: 1},
        "mail": {NotifyReason.FIRST: 1},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "0000000000", id="nothing"),
        pytest.param("11:01-11:02", "1000000000", id="a moment is seen"),
        pytest.param("11:05-11:20", "1111000000", id="all that it touches"),
        pytest.param("10:30-11:07", "1100000000", id="since before"),
        pytest.param("11:40-", "0000001111", id="until the end"),
        pytest.param("11:01-11:02 11:03-11:04", "1000000000", id="one after the other is one at a time"),
        pytest.param("11:01-11:08 11:07-11:20", "1211000000", id="two at once"),
        pytest.param("11:00-11:06", "1000000000", id="an end is not touched"),
    ],
)
def test_a_picture_has_the_most_that_fired_at_once_in_each_part(text: str, expected: str) -> None:
    """However short it was."""
    assert max_concurrent(firings(text), HOUR, slots=10) == [int(digit) for digit in expected]


def known(since: str | None, *gaps: tuple[str, str]) -> HistoryCoverage:
    """Return what is known of a tenant."""
    return HistoryCoverage(
        tenant=Tenant("acme"),
        since=None if since is None else at(since),
        gaps=tuple(Span(at(begin), at(end)) for begin, end in gaps),
        thinned_until=None,
    )


@pytest.mark.parametrize(
    ("tenants", "expected"),
    [
        pytest.param([], "..........", id="nobody"),
        pytest.param([known(None)], "..........", id="never polled"),
        pytest.param([known("09:00")], "##########", id="polled all the time"),
        pytest.param([known("11:30")], ".....#####", id="polled from then on"),
        pytest.param([known("09:00", ("11:06", "11:20"))], "#..#######", id="a gap, and the parts that it fills"),
        pytest.param([known("11:30"), known("09:00", ("11:12", "11:42"))], "##...#####", id="one of two is enough"),
    ],
)
def test_a_picture_shows_where_nobody_was_polled(tenants: Sequence[HistoryCoverage], expected: str) -> None:
    """There, nothing could have fired."""
    assert covered_slots(tenants, HOUR, slots=10) == [sign == "#" for sign in expected]


@pytest.mark.parametrize(
    ("before", "after", "gained", "lost", "moved", "same"),
    [
        pytest.param("", "", "", "", 0, 0, id="nothing"),
        pytest.param("11:05-11:10", "11:05-11:10", "", "", 0, 1, id="alike"),
        pytest.param("11:05-", "11:05-", "", "", 0, 1, id="alike, and going on"),
        pytest.param("11:05-11:10", "11:07-11:10", "", "", 1, 0, id="later"),
        pytest.param("11:05-11:10", "11:05-", "", "", 1, 0, id="longer"),
        pytest.param("11:05-11:10", "11:10-11:15", "11:10-11:15", "11:05-11:10", 0, 0, id="another one"),
        pytest.param("", "11:05-11:10", "11:05-11:10", "", 0, 0, id="gained"),
        pytest.param("11:05-11:10", "", "", "11:05-11:10", 0, 0, id="lost"),
        pytest.param("11:05-11:30", "11:05-11:10 11:15-11:30", "11:15-11:30", "", 1, 0, id="one becomes two"),
        pytest.param("11:05-11:10 11:15-11:30", "11:05-11:30", "", "11:15-11:30", 1, 0, id="two become one"),
    ],
)
def test_two_sets_of_rules_are_compared_firing_by_firing(  # noqa: PLR0917 - a table
    before: str, after: str, gained: str, lost: str, moved: int, same: int
) -> None:
    """What overlaps is the same one, and each has one counterpart."""
    found = compare_firings(firings(before), firings(after))

    assert (found.added, found.removed, len(found.moved), found.unchanged) == (
        firings(gained),
        firings(lost),
        moved,
        same,
    )


def test_an_alert_of_another_rule_is_another_one() -> None:
    """Also at the same time; what moved has both."""
    one, other = firing("11:05-11:10"), firing("11:05-11:10", rule="Surge")
    later = FiringPeriod(key=one.key, since=at("11:06"), until=at("11:10"))

    assert (compare_firings([one], [other]).added, compare_firings([one], [other]).removed) == ((other,), (one,))
    assert compare_firings([one], [later]).moved == (MovedFiring(before=one, after=later),)
