"""What rises, falls, is rare or silent is so against weeks of its own past; verdicts found by skipping are the same."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from alerter.core.backtest.rule_tests import history_from_counts, parse_counts
from alerter.core.conditions import Condition, Fall, Flatline, Rare, Result, Rise, Stagnant, Verdict
from alerter.core.history import FailedPoll, SeriesHistory, TenantHistory, history_from_polls
from alerter.core.series import HoldReason, Snapshot, Tenant, to_epoch_us
from tests.builders import NOON
from tests.core.conditions.test_contract import assert_skipping_changes_nothing
from tests.refusals import refusal

ACME, HOUR = Tenant("acme"), timedelta(hours=1)
SPAM, BOARD, NEW = HoldReason("Spam"), HoldReason("Board"), HoldReason("Spam v2")
_SETTINGS = settings(max_examples=6, phases=set(Phase) - {Phase.explain})
CONDITIONS: list[Condition] = [
    Rise(times=1.5, at_least=3, weeks=2),
    Rise(within=timedelta(hours=4), times=2, at_least=5, weeks=3),
    Fall(within=timedelta(hours=3), at_least=2, percent=30, weeks=3),
    Rare(within=timedelta(hours=6), at_least=3, most=2, new=5, weeks=2),
    Flatline(at_least=timedelta(hours=5), times=1.5, usual=timedelta(hours=20), weeks=3),
    Stagnant(above=2, times=1, weeks=3),
]


def weeks_of(seed: int, *, weeks: int = 4) -> TenantHistory:
    """Return a tenant by the hour: a level that wanders, waves, releases, a rename, silences, and outages."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    counts = {SPAM: rng.randint(0, 30), BOARD: 0}
    renamed_at = rng.randrange(weeks * 168)
    polls: list[Snapshot | FailedPoll] = []
    failing = 0
    for hour in range(weeks * 168):
        quiet = rng.random() < 0.3
        for reason in list(counts):
            step = 0 if quiet else rng.choice((-1, 0, 0, 0, 1, 1))
            step += rng.choice((0,) * 60 + (8, 20, -counts[reason]))
            counts[reason] = max(0, counts[reason] + step)
        if hour == renamed_at:
            counts[NEW] = counts.pop(SPAM)
        failing = failing - 1 if failing else rng.choice((0,) * 150 + (1, 3, 30))
        at = NOON + hour * HOUR
        polls.append(FailedPoll(at=at) if failing else Snapshot(tenant=ACME, taken_at=at, counts=dict(counts)))
    return history_from_polls(ACME, polls, poll_interval=HOUR)


def with_others(tenant: TenantHistory) -> Iterator[SeriesHistory]:
    """Yield the histories of a tenant's reasons as a replay gives them to such a rule."""
    yield from (replace(each, others=tenant.reasons) for each in tenant.reasons)


@pytest.mark.parametrize("condition", CONDITIONS, ids=repr)
@_SETTINGS
@given(seed=st.integers(0, 2**32))
def test_a_verdict_on_weeks_stands_for_as_long_as_it_says(condition: Condition, seed: int) -> None:
    """Through waves, releases, renamed policies, silences and outages, alone and beside the tenant's other reasons."""
    tenant = weeks_of(seed)

    for history in (*tenant.reasons, *with_others(tenant)):
        assert_skipping_changes_nothing(condition, history, firing=False, fired=())


# What they find


def found(
    condition: Condition,
    counts: str,
    *,
    after: timedelta = timedelta(0),
    others: dict[str, str] | None = None,
) -> Result:
    """Return what a condition finds at the last of some hourly polls.

    Args:
        condition: What evaluates.
        counts: Those of the hold reason, in the notation of rule tests.
        after: How much later than the last poll it is evaluated.
        others: The counts of the tenant's other reasons.
    """
    texts = {"Spam": counts, **(others or {})}
    held = {HoldReason(name): parse_counts(text) for name, text in texts.items()}
    polls = len(next(iter(held.values())))
    tenant = history_from_counts(ACME, held, begin=NOON, poll_interval=HOUR, timezone=UTC)
    history = next(each for each in tenant.reasons if each.reason == "Spam")
    if others:
        history = replace(history, others=tenant.reasons)
    now = NOON + (polls - 1) * HOUR + after
    return condition.evaluate(history.series_at(to_epoch_us(now), window=condition.lookback), firing=False, now=now)


DAY, WEEK = 24, 168
#: Three weeks of queues that somebody empties once a day.
WEEKDAYS = " ".join(["0 9x23"] * 21) + " 0"
#: Eight weeks of days in which forty messages come, and go again.
STEADY = " ".join(["10x8 20 30 40 50 40 30 20 10x9"] * 56)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        pytest.param(f"{STEADY} 10x8 130", Verdict.ACTIVE, id="three times the greatest rise"),
        pytest.param(f"{STEADY} 10x8 129", Verdict.INACTIVE, id="one message less"),
        pytest.param(f"{STEADY} 10x8 9", Verdict.INACTIVE, id="fewer than 'at_least' are held"),
        pytest.param(f"1 0x{8 * WEEK} 10", Verdict.ACTIVE, id="'at_least' where nothing ever came"),
        pytest.param(f"12000x{8 * WEEK} 12010", Verdict.ACTIVE, id="the same in a queue of thousands"),
        pytest.param(f"{STEADY} 10x8 _", Verdict.NO_DATA, id="a poll that failed"),
        pytest.param(f"10x{WEEK} 20x20 60 20x100 139", Verdict.INACTIVE, id="more is needed after one week"),
        pytest.param(f"0x{WEEK} 30 _x{8 * WEEK - 30} 0 60", Verdict.NO_DATA, id="too little of the past is known"),
        pytest.param(f"0x{2 * WEEK} 2x{DAY} 80", Verdict.NO_DATA, id="a reason in its first week"),
        pytest.param("10 45", Verdict.NO_DATA, id="a tenant's first two hours"),
        pytest.param("10 11 10 10 10 45", Verdict.ACTIVE, id="30 messages in a tenant's first week"),
        pytest.param("10 11 10 10 10 39", Verdict.INACTIVE, id="29 messages in a tenant's first week"),
        pytest.param("10 30 10 10 10 10 69", Verdict.INACTIVE, id="less than three times what was seen in that week"),
        pytest.param("90x5 130", Verdict.INACTIVE, id="less than half of what is held in that week"),
    ],
)
def test_a_rise_is_active_if_it_is_greater_than_those_of_weeks(counts: str, verdict: Verdict) -> None:
    """Three times the greatest rise of eight weeks, and at least ten; more while less is known."""
    assert found(Rise(), counts).verdict is verdict


@pytest.mark.parametrize(
    ("condition", "counts", "verdict"),
    [
        pytest.param(Fall(), f"300x{3 * WEEK} 60", Verdict.ACTIVE, id="80 % less than ever"),
        pytest.param(Fall(), f"300x{3 * WEEK} 61", Verdict.INACTIVE, id="one message more"),
        pytest.param(Fall(), f"49x{3 * WEEK} 0", Verdict.INACTIVE, id="fewer than 'at_least' were held"),
        pytest.param(Fall(), f"300x{2 * WEEK} 50 300x{WEEK} 10", Verdict.INACTIVE, id="as few were held two weeks ago"),
        pytest.param(Fall(), f"300x{WEEK} 60", Verdict.NO_DATA, id="one week is known"),
        pytest.param(Fall(), "0", Verdict.NO_DATA, id="nothing is known"),
        pytest.param(Fall(), f"300x{3 * WEEK} _", Verdict.NO_DATA, id="a poll that failed"),
        pytest.param(Rare(), f"1x{WEEK} 5", Verdict.ACTIVE, id="four of a reason that had one"),
        pytest.param(Rare(), f"1x{WEEK} 4", Verdict.INACTIVE, id="three of it"),
        pytest.param(Rare(), f"1x9 3 1x{WEEK} 9", Verdict.INACTIVE, id="two had come before"),
        pytest.param(Rare(), f"1x{WEEK} 3", Verdict.INACTIVE, id="fewer than 'at_least' are held"),
        pytest.param(Rare(), "1x20 9", Verdict.NO_DATA, id="a tenant's first week"),
        pytest.param(Rare(), f"0x9 _x{WEEK} 0x2 9", Verdict.NO_DATA, id="too little of the past is known"),
        pytest.param(Rare(), f"1x{WEEK} _", Verdict.NO_DATA, id="another poll that failed"),
        pytest.param(Rare(), f"0x{2 * WEEK} 1x9 20", Verdict.INACTIVE, id="19 of a policy in its first week"),
        pytest.param(Rare(), f"0x{2 * WEEK} 1x9 21", Verdict.ACTIVE, id="20 of it"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x47", Verdict.ACTIVE, id="twice the longest time without a release"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x46", Verdict.INACTIVE, id="an hour less"),
        pytest.param(Stagnant(times=3), f"{WEEKDAYS} 10x49", Verdict.INACTIVE, id="where three times were wanted"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x40 9x48", Verdict.INACTIVE, id="one message was released meanwhile"),
        pytest.param(Stagnant(above=10), f"{WEEKDAYS} 10x60", Verdict.INACTIVE, id="not more than 'above'"),
        pytest.param(
            Stagnant(), f"{'0 9x23 ' * 13} 0 10x49", Verdict.NO_DATA, id="less than two weeks before it are known"
        ),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x20 _x3 10x29", Verdict.NO_DATA, id="polling failed meanwhile"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x20 _ 10x29", Verdict.ACTIVE, id="a single poll failed meanwhile"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x{14 * DAY}", Verdict.ACTIVE, id="nothing is released for two weeks"),
        pytest.param(Stagnant(), f"{WEEKDAYS} 10x{14 * DAY + 1}", Verdict.INACTIVE, id="nor after that"),
        pytest.param(Stagnant(), f"{'1 2 ' * 200} 2x22", Verdict.INACTIVE, id="23 hours without a release"),
        pytest.param(Stagnant(), f"{'1 2 ' * 200} 2x23", Verdict.ACTIVE, id="a day, where an hour was usual"),
        pytest.param(Stagnant(), f"{WEEKDAYS} _", Verdict.NO_DATA, id="a poll that failed, where mail is released"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x24", Verdict.ACTIVE, id="a day, where two hours were usual"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x23", Verdict.INACTIVE, id="23 hours"),
        pytest.param(Flatline(), f"{'1 1 1 1 1 1 1 1 1 1 2 1 ' * 30} 2x34", Verdict.INACTIVE, id="three times as long"),
        pytest.param(Flatline(), f"{('1 2 ' + '1 ' * 22) * 15} 1x100", Verdict.INACTIVE, id="where it rests for a day"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 20} 2x24", Verdict.NO_DATA, id="too little is known before it"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x9 _x4 2x11", Verdict.NO_DATA, id="a gap within it"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x400", Verdict.INACTIVE, id="for more than 14 days"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} _", Verdict.NO_DATA, id="one more poll that failed"),
    ],
)
def test_falls_rare_reasons_and_silences_are_measured_by_weeks(
    condition: Condition, counts: str, verdict: Verdict
) -> None:
    """Each by its own past, and only once enough of that is known."""
    assert found(condition, counts).verdict is verdict


@pytest.mark.parametrize(
    ("condition", "counts", "other", "verdict"),
    [
        pytest.param(Rise(), f"0x{2 * DAY} 60", f"60x{2 * DAY} 0", Verdict.INACTIVE, id="rise in a first week"),
        pytest.param(Rise(), f"2x{9 * WEEK} 60", f"60x{9 * WEEK} 1", Verdict.INACTIVE, id="rise later"),
        pytest.param(Rise(), f"2x{9 * WEEK} 60", f"60x{9 * WEEK} 50", Verdict.ACTIVE, id="another fell by less"),
        pytest.param(Rise(), f"2x{9 * WEEK} 60", f"60x{9 * WEEK} 118", Verdict.ACTIVE, id="another rose as well"),
        pytest.param(Rise(), f"2x{9 * WEEK} 60", f"60x{9 * WEEK} 60", Verdict.ACTIVE, id="another stayed as it was"),
        pytest.param(Rise(), f"2x{9 * WEEK} 30 90", f"60x{9 * WEEK} 60 0", Verdict.ACTIVE, id="more came than moved"),
        pytest.param(Fall(), f"300x{3 * WEEK} 0", f"0x{3 * WEEK} 300", Verdict.INACTIVE, id="fall"),
        pytest.param(Fall(), f"300x{3 * WEEK} 0", f"9x{3 * WEEK} 9", Verdict.ACTIVE, id="fall without another"),
        pytest.param(Rare(), f"1 0x{WEEK} 9", f"9 9x{WEEK} 0", Verdict.INACTIVE, id="rare"),
        pytest.param(Rare(), f"1 0x{WEEK} 9", f"9 9x{WEEK} 9", Verdict.ACTIVE, id="rare without another"),
        pytest.param(
            Flatline(),
            f"{'1 2 1 2 1 2 ' * 60} 2x24",
            f"0x{362} 5x22",
            Verdict.INACTIVE,
            id="another began in a silence",
        ),
        pytest.param(
            Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x24", f"0x99 5x{285}", Verdict.ACTIVE, id="another began long before"
        ),
    ],
)
def test_a_renamed_policy_is_no_news(condition: Condition, counts: str, other: str, verdict: Verdict) -> None:
    """Another reason of the tenant moved the other way by about as much at the same poll."""
    result = found(condition, counts, others={"Spam v2": other})

    assert result.verdict is verdict
    assert ("'Spam v2'" in result.evidence.detail) is (verdict is Verdict.INACTIVE)


@pytest.mark.parametrize(
    ("condition", "counts", "margin"),
    [
        pytest.param(Rise(), f"{STEADY} 10x8 130", "+120 messages, by 1", id="a rise"),
        pytest.param(Rise(), f"{STEADY} 10x8 100", "+90 messages, needs 30 more", id="no rise"),
        pytest.param(Rise(), "10 45", "", id="nothing to compare with"),
        pytest.param(Fall(), f"300x{3 * WEEK} 60", "-240 messages, by 1", id="a fall"),
        pytest.param(Fall(), f"300x{3 * WEEK} 100", "-200 messages, needs 40 fewer", id="no fall"),
        pytest.param(Fall(), "0", "", id="nothing to have fallen from"),
        pytest.param(Rare(), f"1x{WEEK} 5", "+4 messages, by 1", id="rare"),
        pytest.param(Rare(), f"1x{WEEK} 4", "+3 messages, needs 1 more", id="not yet rare"),
        pytest.param(Rare(), "1x20 9", "", id="not known"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x24", "for 1d", id="a silence"),
        pytest.param(Flatline(), f"{'1 2 1 2 1 2 ' * 60} 2x20", "for 20h so far, needs 4h more", id="no silence yet"),
        pytest.param(Flatline(), "0 0", "", id="nothing ever came"),
    ],
)
def test_a_margin_says_how_much_is_missing(condition: Condition, counts: str, margin: str) -> None:
    """In messages, or in time."""
    history = history_from_counts(
        ACME, {HoldReason("Spam"): parse_counts(counts)}, begin=NOON, poll_interval=HOUR, timezone=UTC
    ).reasons[0]
    now = NOON + (len(parse_counts(counts)) - 1) * HOUR
    series = history.series_at(to_epoch_us(now), window=condition.lookback)
    result = condition.evaluate(series, firing=False, now=now)

    assert condition.distance_text(result.evidence, series, firing=False, now=now) == margin


@pytest.mark.parametrize(
    ("condition", "keys", "expected"),
    [
        ("rise", {"within": "1h"}, "rise.within: expected at least 3h, found 1h"),
        ("rise", {"within": "25h"}, "rise.within: expected at most 1d, found 1d1h"),
        ("rise", {"times": 0.5}, "rise.times: expected at least 1, found the number 0.5"),
        ("rise", {"at_least": 0}, "rise.at_least: expected at least 1, found the number 0"),
        ("rise", {"weeks": 1}, "rise.weeks: expected from 2 to 26, found the number 1"),
        ("rise", {"weeks": 27}, "rise.weeks: expected from 2 to 26, found the number 27"),
        ("fall", {"within": "0s"}, "fall.within: expected a duration longer than 0s, found 0s"),
        ("fall", {"within": "25h"}, "fall.within: expected at most 1d, found 1d1h"),
        ("fall", {"at_least": 0}, "fall.at_least: expected at least 1, found the number 0"),
        ("fall", {"percent": 0}, "fall.percent: expected from 1 to 100, found the number 0"),
        ("fall", {"percent": 101}, "fall.percent: expected from 1 to 100, found the number 101"),
        ("fall", {"weeks": 2}, "fall.weeks: expected from 3 to 26, found the number 2"),
        ("rare", {"within": "2d"}, "rare.within: expected at most 1d, found 2d"),
        ("rare", {"most": -1}, "rare.most: expected at least 0, found the number -1"),
        ("rare", {"at_least": 1}, "rare: expected 'at_least' above 'most' (1), found 1"),
        ("rare", {"new": 2}, "rare: expected 'new' of 'at_least' (4) or more, found 2"),
        ("rare", {"weeks": 99}, "rare.weeks: expected from 2 to 26, found the number 99"),
        (
            "silence",
            {"at_least": "14d"},
            "silence: expected 'at_least' shorter than 14d, after which held mail expires, found 14d",
        ),
        ("silence", {"at_least": "0s"}, "silence.at_least: expected a duration longer than 0s, found 0s"),
        ("silence", {"times": 0}, "silence.times: expected at least 1, found the number 0"),
        ("silence", {"usual": "0s"}, "silence.usual: expected a duration longer than 0s, found 0s"),
        ("silence", {"weeks": 2}, "silence.weeks: expected from 3 to 26, found the number 2"),
    ],
)
def test_what_contradicts_itself_is_refused(condition: str, keys: dict[str, object], expected: str) -> None:
    """The text names the key, what was expected and what was found."""
    assert refusal(condition, **keys) == expected
