"""What is usual at this hour of the week: which hours are compared, in whose time, and what is ordinary around them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.backtest.alert_replay import AlertReplay
from alerter.core.conditions import ANY_COUNT, Baseline, Evidence, Verdict
from alerter.core.conditions.baseline import median
from alerter.core.conditions.hours import same_hour_in_past_weeks
from alerter.core.history import history_from_polls
from alerter.core.series import HoldReason, Sample, Series, Span, Tenant
from tests.builders import NOON, a_key, a_level, a_snapshot, minutes, span
from tests.core.backtest.every_poll import changes, changes_of_every_poll
from tests.refusals import refusal

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA
WEEK = timedelta(days=7)
HALF_PAST = NOON + minutes(30)


def weeks(
    *highest: int | None, now_held: int = 0, now: datetime = HALF_PAST, zone: str = "UTC", gap: str | None = None
) -> Series:
    """Return a series that held so many in the same hour of the weeks before, the oldest first, and 1 between them.

    None is a week whose hour was not polled; `gap` takes so much out of the beginning of each hour.
    """
    changes = [Sample(now - len(highest) * WEEK - timedelta(days=1), 1)]
    coverage: list[Span] = []
    since = changes[0].at
    for number, count in enumerate(highest):
        hour = (now - (len(highest) - number) * WEEK).replace(minute=0, second=0, microsecond=0)
        if count is None or gap is not None:
            coverage.append(Span(since, hour - minutes(15)))
            since = hour + (span("1h15m") if count is None else span(gap or "0"))
        if count is not None:
            changes += [Sample(hour + minutes(50), count), Sample(hour + minutes(60), 1)]
    return Series(
        tenant=Tenant("acme"),
        reason=HoldReason("Spam"),
        changes=[*changes, Sample(now - minutes(5), now_held)],
        coverage=[*coverage, Span(since, now)],
        poll_interval=minutes(5),
        timezone=ZoneInfo(zone),
    )


@pytest.mark.parametrize(
    ("highest", "held", "expected"),
    [
        pytest.param((100, 100, 100, 100), 140, INACTIVE, id="four square roots above what is always the same"),
        pytest.param((100, 100, 100, 100), 141, ACTIVE, id="one more"),
        pytest.param((1, 1, 1, 1), 21, INACTIVE, id="four floors above next to nothing"),
        pytest.param((1, 1, 1, 1), 22, ACTIVE, id="one more than that"),
        pytest.param((80, 120, 90, 110), 188, INACTIVE, id="just within four ordinary distances of 15 times 1.4826"),
        pytest.param((80, 120, 90, 110), 189, ACTIVE, id="just beyond them"),
        pytest.param((100, 100, 100, 9000), 141, ACTIVE, id="one burst long ago does not raise what is usual"),
        pytest.param((100, 100, 100), 141, ACTIVE, id="three hours are enough"),
        pytest.param((100, 100), 999, NO_DATA, id="two are not"),
        pytest.param((100, None, 100, None), 999, NO_DATA, id="two that were polled are not"),
        pytest.param((100, None, 100, 100), 141, ACTIVE, id="three that were polled are"),
        pytest.param((9000, 100, 100, 100, 100), 141, ACTIVE, id="what is older than the weeks does not count"),
        pytest.param((), 5, NO_DATA, id="the tenant's first snapshot"),
    ],
)
def test_a_count_is_compared_with_the_same_hour_of_the_weeks_before(
    highest: Sequence[int | None], held: int, expected: Verdict
) -> None:
    """The median says what is usual, and the scale is never less than its square root, nor than the floor."""
    seen = weeks(*highest, now_held=held)

    assert Baseline().evaluate(seen, firing=False, now=HALF_PAST).verdict is expected


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        pytest.param("20m", ACTIVE, id="most of each hour was polled"),
        pytest.param("30m", ACTIVE, id="half of each hour was polled"),
        pytest.param("31m", NO_DATA, id="less than half of each hour was polled"),
    ],
)
def test_an_hour_counts_if_half_of_it_was_polled(gap: str, expected: Verdict) -> None:
    """A gap is never read as zero: an hour of which little is known is no measure."""
    seen = weeks(100, 100, 100, 100, now_held=500, gap=gap)

    assert Baseline().evaluate(seen, firing=False, now=HALF_PAST).verdict is expected


def test_a_poll_that_failed_is_no_sample() -> None:
    """Nothing is compared at a moment of which nothing is known."""
    unseen = HALF_PAST + minutes(1)

    found = Baseline().evaluate(weeks(100, 100, 100), firing=False, now=unseen)

    assert (found.verdict, found.evidence.detail) == (NO_DATA, "no successful poll at this moment")


@pytest.mark.parametrize(
    ("fired", "expected"),
    [
        pytest.param((), INACTIVE, id="never: the two wrong weeks count"),
        pytest.param(((HALF_PAST - 2 * WEEK, HALF_PAST - WEEK),), ACTIVE, id="from one of the two hours to the other"),
        pytest.param(((NOON - 2 * WEEK - minutes(30), NOON - 2 * WEEK), (HALF_PAST - WEEK, HALF_PAST - WEEK)), ACTIVE,
                     id="until an hour began, and for a moment of another"),
        pytest.param(((NOON - WEEK + minutes(60), NOON),), INACTIVE, id="only after the hour was over"),
        pytest.param(((HALF_PAST - 5 * WEEK, HALF_PAST),), INACTIVE, id="all the time: that has become usual"),
    ],
)  # fmt: skip
def test_hours_in_which_the_level_was_firing_are_no_measure(
    fired: Sequence[tuple[datetime, datetime]], expected: Verdict
) -> None:
    """What was wrong then is left out, unless it was so in all of the weeks."""
    seen = weeks(100, 150, 200, 500, 500, now_held=450)
    spans = [Span(*each) for each in fired]

    assert Baseline(weeks=5).evaluate(seen, firing=False, fired=spans, now=HALF_PAST).verdict is expected


_LONDON, _LORD_HOWE = "Europe/London", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        pytest.param("UTC", "2026-03-02T12:30", ["2026-03-02T12:00 60", "2026-02-23T12:00 60"], id="in UTC"),
        pytest.param("Asia/Kolkata", "2026-03-02T12:40", ["2026-03-02T12:30 60", "2026-02-23T12:30 60"],
                     id="where hours begin at half past"),
        pytest.param(_LONDON, "2026-03-30T08:30", ["2026-03-30T08:00 60", "2026-03-23T09:00 60"],
                     id="nine o'clock, a week after nine o'clock of winter"),
        pytest.param(_LONDON, "2026-04-05T00:30", ["2026-04-05T00:00 60"], id="the hour was skipped a week ago"),
        pytest.param(_LONDON, "2026-10-25T00:30", ["2026-10-25T00:00 120", "2026-10-18T00:00 60"],
                     id="the first of two hours that clocks show the same"),
        pytest.param(_LONDON, "2026-10-25T01:30", ["2026-10-25T00:00 120", "2026-10-18T00:00 60"],
                     id="the second of them"),
        pytest.param(_LONDON, "2026-11-01T01:30", ["2026-11-01T01:00 60", "2026-10-25T00:00 120"],
                     id="a week after them"),
        pytest.param(_LORD_HOWE, "2026-10-10T15:20", ["2026-10-10T15:00 60", "2026-10-03T15:30 30"],
                     id="half of the hour was skipped a week ago"),
    ],
)  # fmt: skip
def test_hours_are_those_that_clocks_show_where_the_tenant_is(zone: str, now: str, expected: list[str]) -> None:
    """People come at nine o'clock of their time, also in the week after the clocks have changed."""
    found = same_hour_in_past_weeks(ZoneInfo(zone), datetime.fromisoformat(now).replace(tzinfo=UTC), weeks=1)

    lengths = [(hour.end_at - hour.start_at) // minutes(1) for hour in found]
    assert [f"{hour.start_at:%Y-%m-%dT%H:%M} {length}" for hour, length in zip(found, lengths, strict=True)] == expected


def test_a_week_after_the_clocks_changed_the_same_hour_of_the_wall_is_compared() -> None:
    """In London, 09:30 on 30 March is an hour earlier in UTC than 09:30 a week before."""
    now = datetime(2026, 3, 30, 8, 30, tzinfo=UTC)
    nine_before = [datetime(2026, 3, day, 9, 50, tzinfo=UTC) for day in (9, 16, 23)]
    changes = [Sample(now - 5 * WEEK, 1)]
    for busy in nine_before:
        changes += [Sample(busy, 200), Sample(busy + minutes(10), 1)]
    there = replace(
        weeks(now=now, zone=_LONDON), changes=[*changes, Sample(now, 200)], coverage=[Span(now - 5 * WEEK, now)]
    )

    assert Baseline().evaluate(there, firing=False, now=now).verdict is INACTIVE
    assert Baseline().evaluate(replace(there, timezone=UTC), firing=False, now=now).verdict is ACTIVE


def test_what_lies_in_the_future_is_not_seen() -> None:
    """A clock that was set back leaves samples ahead."""
    seen = weeks(100, 100, 100, now_held=30)
    ahead = replace(seen, changes=[*seen.changes, Sample(HALF_PAST + minutes(5), 9000)])

    assert Baseline().evaluate(ahead, firing=False, now=HALF_PAST).verdict is INACTIVE


@pytest.mark.parametrize(
    ("highest", "held", "expected"),
    [
        pytest.param(
            (100, 101, 100, 101),
            1500,
            {"limit": "above 140, the usual 100.5 and 4 times 10.0", "usual": 100, "news": "usually 100 at this hour"},
            id="more than is usual",
        ),
        pytest.param(
            (1_000_000, 1_000_000, 1_000_000),
            7,
            {"limit": "above 1,004,000, the usual 1,000,000 and 4 times 1,000.0", "usual": 1_000_000, "news": ""},
            id="fewer than is usual",
        ),
    ],
)
def test_a_baseline_says_what_is_usual(highest: Sequence[int], held: int, expected: Mapping[str, object]) -> None:
    """The count, what is usual, and the limit that comes of it."""
    found = Baseline().evaluate(weeks(*highest, now_held=held), firing=False, now=HALF_PAST).evidence

    assert found.expected == Sample(HALF_PAST, int(str(expected["usual"])))
    assert found.value == Sample(HALF_PAST, held)
    assert (found.limit_text, found.headline, found.reference) == (expected["limit"], expected["news"], None)


def test_a_baseline_says_what_data_it_lacks() -> None:
    """Without data it says how many hours it knows."""
    found = Baseline().evaluate(weeks(100, None, 100, None, now_held=7), firing=False, now=HALF_PAST).evidence

    assert found == Evidence(
        condition="baseline",
        limit_text="the usual at this hour of the week and 4 deviations more",
        value=Sample(HALF_PAST, 7),
        detail="only 2 of the same hours in the last 4 weeks can be compared with",
    )


@pytest.mark.parametrize(
    ("highest", "held", "lasts", "within"),
    [
        pytest.param((100, 100, 100), 7, "30m", (0, 140), id="nothing unusual now, with little room in the next hour"),
        pytest.param((100, 100, 100), 700, "12h30m", (141, ANY_COUNT[1]), id="unusual now, and in the hours to come"),
        pytest.param((100,), 7, "12d21h", ANY_COUNT, id="too little known for two weeks more"),
        pytest.param((100, 100, 100), 21, "30m", (0, 140), id="unusual from the next hour on"),
    ],
)
def test_the_verdict_of_a_baseline_stands_until_an_hour_may_bring_another(
    *, highest: Sequence[int], held: int, lasts: str, within: tuple[int, int]
) -> None:
    """What the hours to come are compared with is over, so that half a day of them is looked at in advance."""
    found = Baseline().evaluate(weeks(*highest, now_held=held), firing=False, now=HALF_PAST)

    assert (found.holds_until, found.holds_within) == (HALF_PAST + span(lasts), within)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"deviations": 0.0}, "deviations: expected more than 0, found the number 0.0", id="no distance"),
        pytest.param({"weeks": 2}, "weeks: expected from 3 to 52, found the number 2", id="too few weeks"),
        pytest.param({"weeks": 53}, "weeks: expected from 3 to 52, found the number 53", id="too many weeks"),
        pytest.param({"floor": 0}, "floor: expected at least 1, found the number 0", id="no floor"),
    ],
)
def test_a_baseline_refuses_what_has_no_measure(settings: dict[str, object], expected: str) -> None:
    """The error names the key."""
    assert refusal("baseline", **settings) == f"baseline.{expected}"


def test_a_baseline_looks_back_over_its_weeks() -> None:
    """And a little more: a change of the clocks may lie between."""
    baseline = Baseline(weeks=4)

    assert (baseline.lookback, baseline.lower_is_worse, baseline.allows_sum, baseline.needs_firing_history) == (
        span("28d3h"),
        False,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [pytest.param([3], 3, id="one"), pytest.param([9, 1, 2], 2, id="odd"), pytest.param([1, 9, 2, 4], 3, id="even")],
)
def test_the_median_is_the_middle(values: Sequence[int], expected: float) -> None:
    """Of an even number of values it is the mean of the two in the middle."""
    assert median(values) == expected


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32), zone=st.sampled_from(["UTC", "Europe/London"]), deviations=st.sampled_from([0.3, 1, 2])
)
def test_every_poll_at_which_a_count_is_unusual_is_found(seed: int, zone: str, deviations: float) -> None:
    """Six weeks of half-hours, with jumps, drift and gaps: evaluated at every poll, or only where it must be."""
    drawn = Random(seed)  # noqa: S311 - a history, and no secret
    count, polled = 10, []
    for number in range(48 * 42):
        count = drawn.randint(0, 60) if drawn.random() < 0.02 else max(0, count + drawn.choice((0, 0, 0, -2, 2)))
        if drawn.random() > 0.03:
            at = datetime(2026, 3, 1, tzinfo=UTC) + number * minutes(30)
            polled.append(a_snapshot({"Spam": count}, taken_at=at))
    [history] = history_from_polls(Tenant("acme"), polled, poll_interval=minutes(30), timezone=ZoneInfo(zone)).reasons
    level = a_level(Baseline(deviations=deviations, floor=2), keep_firing_for="40m")

    skipping, every_poll = (AlertReplay(key=a_key(), level=level, history=history) for _ in range(2))

    assert changes(skipping) == changes_of_every_poll(every_poll)
