"""What an import adds to stored history, and what it leaves as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.import_merge import (
    BEFORE_ALL,
    Base,
    CountChange,
    Gap,
    ImportedFailures,
    ImportedHistory,
    StoredHistory,
    gaps,
    merge_failures,
    merge_runs,
    steps,
)
from alerter.core.poll_times import NEVER, FailureRun, PollRun, int64_array, packed_instants, successful_polls
from alerter.core.readings import NOTHING, Rows, given_by
from alerter.core.series import HoldReason, Tenant, to_epoch_us
from alerter.errors import Cause
from tests.builders import NOON, at, minutes

ACME = Tenant("acme")
SPAM = HoldReason("Spam")
EVERY = minutes(5)
REASONS = [HoldReason(name) for name in ("Spam", "Virus", "Graymail")]

#: Held messages by reason, at minutes after noon.
Polls = Mapping[int, Mapping[str, int]]


def noon(number: float) -> int:
    """Return the instant of minutes after noon."""
    return to_epoch_us(NOON + minutes(number))


def runs(text: str) -> list[PollRun]:
    """Return the runs of `11:00-11:10x3 12:00-12:00x1`."""
    parts = [each.replace("-", "x").split("x") for each in text.split()]
    even = (PollRun(since=to_epoch_us(at(a)), until=to_epoch_us(at(b)), polls=int(polls)) for a, b, polls in parts)
    return [PollRun.of(run.instants) for run in even]


def notified(polls: Polls) -> ImportedHistory:
    """Return what another tool says of polls every 5 minutes."""
    rows = Rows()
    for number in sorted(polls):
        for reason, held in (polls[number] or {"": 0}).items():
            rows.add(noon(number), REASONS.index(HoldReason(reason)) if reason else NOTHING, held, 0)
    return given_by(ACME, rows, REASONS, interval=EVERY)


def recorded(coverage: str, *changes: tuple[str, int], base: int | None = None) -> ImportedHistory:
    """Return what records say of the reason on spam."""
    return ImportedHistory(
        tenant=ACME,
        runs=runs(coverage),
        polls=successful_polls(runs(coverage)),
        first_seen={SPAM: to_epoch_us(at("09:00"))},
        bases={} if base is None else {SPAM: Base(at=to_epoch_us(at("09:00")), held=base)},
        reasons=[SPAM],
        at=int64_array(to_epoch_us(at(clock)) for clock, _ in changes),
        changed=int64_array(0 for _ in changes),
        held=int64_array(held for _, held in changes),
    )


def stored_of(polls: Polls) -> StoredHistory:
    """Return what is stored after polls."""
    if not polls:
        return StoredHistory()
    found = notified(polls)
    changes = list(found.changes())
    return StoredHistory(
        coverage=found.runs,
        held=dict.fromkeys(found.first_seen, 0) | {reason: held for _, reason, _, held in changes},
        changes=lambda: iter(changes),
    )


def after(given_: ImportedHistory, stored: StoredHistory) -> StoredHistory:
    """Return what is stored after an import."""
    filled = gaps(given_, stored.coverage)
    by_key = {(at, reason): (at, reason, was, held) for at, reason, was, held in stored.changes()}
    by_key |= {(at, reason): (at, reason, was, held) for at, reason, was, held in steps(given_, stored, filled)}
    changes = sorted(change for change in by_key.values() if change[2] != change[3])
    held = dict.fromkeys(given_.first_seen, 0) | dict(stored.held) | {change[1]: change[3] for change in changes}
    return StoredHistory(
        coverage=merge_runs(stored.coverage, filled, interval=given_.interval), held=held, changes=lambda: iter(changes)
    )


def value_at(stored: StoredHistory, reason: HoldReason, instant: int) -> int | None:
    """Return what was held at an instant, or None where no poll covers it."""
    if not any(run.since <= instant <= run.until for run in stored.coverage):
        return None
    changes = [change for change in stored.changes() if change[1] == reason]
    first = changes[0][2] if changes else stored.held.get(reason, 0)
    return next((held for when, _, _, held in reversed(changes) if when <= instant), first)


def assert_sound(stored: StoredHistory) -> None:
    """Check that each change begins where the one before it ended, and that the present is the last of them."""
    for reason, held in stored.held.items():
        changes = [change for change in stored.changes() if change[1] == reason]
        assert [was for _, _, was, _ in changes[1:]] == [held for *_, held in changes[:-1]]
        assert not changes or changes[-1][3] == held
    assert all(one.until < two.since for one, two in zip(stored.coverage, stored.coverage[1:], strict=False))


_POLLS = st.dictionaries(
    st.integers(0, 30).map(lambda number: number * 4),
    st.dictionaries(st.sampled_from(["Spam", "Virus", "Graymail"]), st.integers(0, 3), max_size=3),
    max_size=12,
)


@settings(max_examples=300)
@given(own=_POLLS, others=_POLLS.filter(bool), shift=st.sampled_from([0, 1, 2]))
def test_an_import_fills_gaps_and_changes_nothing_else(own: Polls, others: Polls, shift: int) -> None:
    """Where it was covered all is as before; where it was not, all is as the import says. Twice is as good as once."""
    others = {number + shift: counts for number, counts in others.items()}
    stored = stored_of(own)

    merged = after(notified(others), stored)

    assert_sound(merged)
    for number in range(-1, 125):
        for reason in REASONS:
            before = value_at(stored, reason, noon(number))
            if before is not None:
                assert value_at(merged, reason, noon(number)) == before
            elif number in others:
                assert value_at(merged, reason, noon(number)) == others[number].get(reason, 0)
    assert gaps(notified(others), merged.coverage) == []


@settings(max_examples=200)
@given(
    own=_POLLS,
    coverage=st.lists(st.tuples(st.integers(0, 100), st.integers(2, 9)), max_size=3),
    jitter=st.integers(0, 90),
)
def test_records_add_whole_polls_only(own: Polls, coverage: list[tuple[int, int]], jitter: int) -> None:
    """Where stored time cuts a run of records, what is added begins and ends with a poll; and twice is once."""
    begins: list[PollRun] = []
    for begin, polls in sorted(coverage):
        since = noon(begin) + jitter * 1_000_003
        if not begins or since > begins[-1].until:
            begins.append(PollRun.of([since + number * 300_000_007 for number in range(polls)]))
    every = {run.since + number * 300_000_007 for run in begins for number in range(run.polls)}
    records = ImportedHistory(
        tenant=ACME,
        runs=begins,
        polls=successful_polls(begins),
        first_seen={},
        reasons=[],
        at=int64_array(),
        changed=int64_array(),
        held=int64_array(),
    )
    stored = stored_of(own).coverage

    filled = gaps(records, stored)

    assert {each for gap in filled for run in gap.runs for each in (run.since, run.until)} <= every
    added = sum(run.polls for gap in filled for run in gap.runs)
    assert added == sum(not any(run.since <= each <= run.until for run in stored) for each in every)
    assert gaps(records, merge_runs(stored, filled, interval=None)) == []


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        pytest.param(
            {60: {"Spam": 5}}, {55: {"Spam": 5}}, [(55, 0, 5), (60, 5, 5)], id="what was held already goes on"
        ),
        pytest.param({60: {"Spam": 5}}, {55: {"Spam": 3}}, [(55, 0, 3), (60, 3, 5)], id="the first poll is a change"),
        pytest.param({60: {"Spam": 5}}, {55: {}}, [], id="nothing was held before either"),
        pytest.param({0: {"Spam": 5}}, {30: {"Spam": 5}}, [], id="the same is held after stored time"),
        pytest.param({0: {"Spam": 5}}, {30: {"Spam": 7}}, [(30, 5, 7)], id="more is held after stored time"),
        pytest.param(
            {0: {"Spam": 5}, 60: {"Spam": 5}},
            {30: {"Spam": 9}},
            [(30, 5, 9), (60, 9, 5)],
            id="a burst in a gap begins and ends",
        ),
        pytest.param(
            {0: {"Spam": 5}, 60: {"Spam": 9}}, {30: {"Spam": 9}}, [(30, 5, 9), (60, 9, 9)], id="a change was earlier"
        ),
        pytest.param(
            {0: {"Spam": 5}}, {30: {}, 60: {"Spam": 5}}, [(30, 5, 0), (60, 0, 5)], id="nothing was held for a while"
        ),
    ],
)
def test_where_a_gap_meets_stored_time_the_series_step(
    own: Polls, others: Polls, expected: list[tuple[int, int, int]]
) -> None:
    """A change that is none any more goes; one that is missing is added."""
    stored = stored_of(own)
    found = notified(others)

    changes = steps(found, stored, gaps(found, stored.coverage))

    assert [(when, was, held) for when, _, was, held in changes] == [
        (noon(number), was, held) for number, was, held in expected
    ]


def changed(given_: ImportedHistory, stored: StoredHistory) -> list[tuple[datetime | int, int, int]]:
    """Return the changes of the reason on spam that an import writes."""
    return [(when, was, held) for when, _, was, held in steps(given_, stored, gaps(given_, stored.coverage))]


def test_what_was_held_before_the_records_begin_is_no_change_there() -> None:
    """What it changed from is not in the records, and is not made up."""
    assert changed(recorded("11:00-12:00x13", base=7), StoredHistory()) == []
    assert changed(recorded("11:00-12:00x13", ("11:30", 8), base=7), StoredHistory()) == [
        (to_epoch_us(at("11:30")), 7, 8)
    ]


def test_records_of_time_that_is_covered_change_nothing() -> None:
    """Not even a reason is added that alerter's own polls did not see."""
    stored = stored_of({0: {"Virus": 5}, 5: {"Virus": 5}})

    assert changed(recorded("12:00-12:05x2", ("12:01", 1)), stored) == []


def test_records_that_overlap_stored_time_fill_what_is_before_and_after_it() -> None:
    """At the first stored poll the series steps to what was seen, and at the first imported one after it back."""
    stored = stored_of({0: {"Spam": 5}})
    records = recorded("11:00-13:00x25", ("11:30", 7))

    merged = after(records, stored)

    assert changed(records, stored) == [(to_epoch_us(at("11:30")), 0, 7), (noon(0), 7, 5), (noon(5), 5, 7)]
    assert merged.coverage == runs("11:00-13:00x25")


@pytest.mark.parametrize(
    ("coverage", "added", "expected"),
    [
        pytest.param("11:00-11:10x3", "11:15-11:20x2", "11:00-11:20x5", id="one follows the other"),
        pytest.param("11:15-11:20x2", "11:00-11:10x3", "11:00-11:20x5", id="it comes before"),
        pytest.param("11:00-11:10x3", "11:18-11:28x3", "11:00-11:10x3 11:18-11:28x3", id="a poll is missing between"),
        pytest.param("11:00-11:10x3 11:18-11:20x2", "", "11:00-11:10x3 11:18-11:20x2", id="two stored runs stay two"),
        pytest.param("11:00-11:10x3 11:20-11:25x2", "11:15-11:15x1", "11:00-11:25x6", id="one lies between two"),
        pytest.param("", "11:00-11:10x3 11:15-11:20x2", "11:00-11:10x3 11:15-11:20x2", id="two added runs stay two"),
    ],
)
def test_coverage_afterwards(coverage: str, added: str, expected: str) -> None:
    """Runs that follow each other are one, but what parted two of one side has not gone."""
    filled: Sequence[Gap] = [Gap(after=BEFORE_ALL, before=NEVER, runs=runs(added))] if added else []

    assert merge_runs(runs(coverage), filled, interval=EVERY // minutes(1) * 60_000_000) == runs(expected)


def failed(*clocks: str, ended_at: str | None = None, since: str = "") -> FailureRun:
    """Return the stored run of failed polls at these times."""
    instants = [to_epoch_us(at(clock)) for clock in clocks]
    return FailureRun(
        since=instants[0],
        until=instants[-1],
        polls=len(instants),
        outage_since=to_epoch_us(at(since or clocks[0])),
        ended_at=None if ended_at is None else to_epoch_us(at(ended_at)),
        cause=Cause.TIMEOUT,
        detail="",
        steps=packed_instants(instants),
    )


def given_failures(*clocks: str) -> ImportedFailures:
    """Return the failed polls of an import."""
    return ImportedFailures(instants=[to_epoch_us(at(each)) for each in clocks], cause=Cause.TIMEOUT, detail="")


def test_a_run_goes_on_across_no_failed_poll() -> None:
    """Neither across a stored one, nor across one of the import."""
    stored, added = runs("11:00-11:10x3"), runs("11:15-11:20x2")
    gap = Gap(after=stored[-1].until, before=NEVER, runs=added)
    interval = EVERY // minutes(1) * 60_000_000

    assert merge_runs(stored, [gap], interval=interval, failures=[failed("11:12")]) == [*stored, *added]
    with_failure = replace(gap, failures=[given_failures("11:12")])
    assert merge_runs(stored, [with_failure], interval=interval) == [*stored, *added]
    assert merge_runs(stored, [gap], interval=interval, failures=[failed("11:22")]) == runs("11:00-11:20x5")


def test_a_run_of_an_import_ends_at_a_stored_failed_poll() -> None:
    """What failed here is no poll in between, however well another tool was answered."""
    found = recorded("11:00-12:00x13")

    (gap,) = gaps(found, (), [failed("11:12", "11:13", "11:33"), failed("12:00")])

    assert gap.runs == runs("11:00-11:10x3 11:15-11:30x4 11:35-11:55x5 12:00-12:00x1")


def test_failed_polls_are_added_where_nothing_is_stored() -> None:
    """Not within a stored run, and none that is stored already."""
    found = replace(recorded("11:00-11:10x3"), failures=[given_failures("10:50", "11:05", "11:20", "11:25")])

    before, after_ = gaps(found, runs("11:00-11:10x3"), [failed("11:20")])

    assert [each.instants for each in before.failures] == [[to_epoch_us(at("10:50"))]]
    assert [each.instants for each in after_.failures] == [[to_epoch_us(at("11:25"))]]
    assert (before.runs, after_.runs) == ([], [])


def test_an_outage_begins_with_its_first_failed_poll_and_ends_with_the_next_good_one() -> None:
    """Also where stored and added failed polls make it together, and a run of one cause is parted by the other's."""
    stored = [failed("11:12", "11:20")]
    gap = Gap(after=BEFORE_ALL, before=NEVER, runs=[], failures=[given_failures("11:15")])

    found = merge_failures(stored, [gap], runs("11:00-11:10x3 11:30-11:30x1"))

    assert found == [
        failed("11:12", ended_at="11:15"),
        failed("11:15", since="11:12", ended_at="11:20"),
        failed("11:20", since="11:12", ended_at="11:30"),
    ]


@pytest.mark.parametrize("ended_at", [None, "11:30"])
def test_a_stored_outage_without_a_later_poll_stays_as_it_is(ended_at: str | None) -> None:
    """It goes on, or the poll that ended it is not stored any more."""
    stored = [failed("11:12", ended_at=ended_at)]

    assert merge_failures(stored, [], runs("11:00-11:10x3")) == stored
    assert merge_failures([], [], runs("11:00-11:10x3")) == []


def test_the_distance_of_records_is_that_of_their_own_polls() -> None:
    """A single poll has none, and goes on nowhere."""

    def after_import(added: str) -> list[PollRun]:
        return merge_runs(runs("11:00-11:10x3"), [Gap(after=0, before=NEVER, runs=runs(added))], interval=None)

    assert after_import("11:15-11:25x3") == runs("11:00-11:25x6")
    assert after_import("11:15-11:15x1") == runs("11:00-11:10x3 11:15-11:15x1")


def test_what_an_import_changes_is_in_order() -> None:
    """Changes are written as they come."""
    stored = stored_of({20: {"Spam": 1}, 60: {"Virus": 2}})
    found = notified({0: {"Spam": 5, "Virus": 1}, 40: {"Graymail": 1}, 80: {"Spam": 4}})

    changes: list[CountChange] = list(steps(found, stored, gaps(found, stored.coverage)))

    assert changes == sorted(changes, key=lambda change: change[0])
    assert len(changes) == 10
