"""What an import adds to stored history, and what it leaves as it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.core.evidence import NEXT, changes_from, given_by_polls, given_by_records
from alerter.core.merges import Head, Merge, Step, Stored, joined, rebased, still_holds
from alerter.core.records import Change, Held, Polled
from alerter.core.series import HoldReason, Snapshot, Span, Tenant
from tests.builders import NOON, at, minutes
from tests.core.test_evidence import runs

ACME = Tenant("acme")
SPAM = HoldReason("Spam")
EVERY = minutes(5)

#: Held messages by reason, at minutes after noon.
Polls = Mapping[int, Mapping[str, int]]


def snapshots(polls: Polls) -> list[Snapshot]:
    """Return polls, oldest first."""
    return [
        Snapshot(tenant=ACME, taken_at=NOON + minutes(at), counts={HoldReason(r): n for r, n in polls[at].items()})
        for at in sorted(polls)
    ]


def events_of(polls: Polls) -> list[Change]:
    """Return what changed from poll to poll."""
    held: dict[HoldReason, int] = {}
    events: list[Change] = []
    for poll in snapshots(polls):
        events += changes_from(held, poll)
        held = {**dict.fromkeys(held, 0), **poll.counts}
    return events


def first_sights(polls: Polls) -> dict[HoldReason, datetime]:
    """Return when each reason was first seen."""
    seen: dict[HoldReason, datetime] = {}
    for poll in snapshots(polls):
        for reason in poll.counts:
            seen.setdefault(reason, poll.taken_at)
    return seen


def covered(polls: Polls) -> list[Polled]:
    """Return the runs that polls every 5 minutes make."""
    given = given_by_polls(ACME, [NOON + minutes(at) for at in sorted(polls)], {}, lambda: iter(()), (), interval=EVERY)
    return list(given.pieces)


def stored_of(polls: Polls) -> Stored:
    """Return what is stored after polls."""
    held: dict[HoldReason, int] = {}
    steps: list[Step] = []
    heads: dict[HoldReason, Head] = {
        reason: Head(held=0, changed_at=seen, first_seen_at=seen) for reason, seen in first_sights(polls).items()
    }
    for event in events_of(polls):
        steps.append(Step(at=event.at, reason=event.reason, was=held.get(event.reason, 0), held=event.held))
        held[event.reason] = event.held
        seen = heads[event.reason].first_seen_at
        heads[event.reason] = Head(held=event.held, changed_at=event.at, first_seen_at=seen)
    return Stored(coverage=covered(polls), heads=heads, steps=lambda: iter(steps))


def merge_of(polls: Polls, stored: Stored) -> Merge:
    """Return the merge of another tool's polls with what is stored."""
    clocks = [NOON + minutes(at) for at in sorted(polls)]
    spans = [Span(run.since, run.until) for run in stored.coverage]
    given = given_by_polls(
        ACME, clocks, first_sights(polls), lambda: iter(events_of(polls)), spans, interval=EVERY
    )  # fmt: skip
    return Merge(given, stored)


def after(merge: Merge, stored: Stored) -> Stored:
    """Return what is stored after a merge."""
    steps = {(step.at, step.reason): step for step in stored.steps()}
    for step in merge.steps():
        steps[step.at, step.reason] = step
    kept = sorted((step for step in steps.values() if step.was != step.held), key=lambda step: step.at)
    return Stored(coverage=merge.coverage, heads={**stored.heads, **merge.heads}, steps=lambda: iter(kept))


def value_at(stored: Stored, reason: HoldReason, instant: datetime) -> int | None:
    """Return what was held at an instant, or None where no poll covers it."""
    if not any(run.since <= instant <= run.until for run in stored.coverage):
        return None
    steps = [step for step in stored.steps() if step.reason == reason]
    first = steps[0].was if steps else stored.heads[reason].held if reason in stored.heads else 0
    return next((step.held for step in reversed(steps) if step.at <= instant), first)


def assert_sound(stored: Stored) -> None:
    """Check that each change begins where the one before it ended, and that the present is the last of them."""
    for reason, head in stored.heads.items():
        steps = [step for step in stored.steps() if step.reason == reason]
        assert [step.was for step in steps[1:]] == [step.held for step in steps[:-1]]
        assert not steps or (steps[-1].held == head.held and steps[-1].at <= head.changed_at)
    assert all(one.until < two.since for one, two in zip(stored.coverage, stored.coverage[1:], strict=False))


_POLLS = st.dictionaries(
    st.integers(0, 30).map(lambda number: number * 4),
    st.dictionaries(st.sampled_from(["Spam", "Virus", "Graymail"]), st.integers(0, 3), max_size=3),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(own=_POLLS, others=_POLLS, shift=st.sampled_from([0, 1, 2]))
def test_an_import_fills_gaps_and_changes_nothing_else(own: Polls, others: Polls, shift: int) -> None:
    """Where it was covered all is as before; where it was not, all is as the import says. Twice is as good as once."""
    others = {number + shift: counts for number, counts in others.items()}
    stored = stored_of(own)

    merged = after(merge_of(others, stored), stored)

    assert_sound(merged)
    reasons = [HoldReason(name) for name in ("Spam", "Virus", "Graymail")]
    for number in range(-1, 125):
        instant = NOON + minutes(number)
        for reason in reasons:
            before = value_at(stored, reason, instant)
            if before is not None:
                assert value_at(merged, reason, instant) == before
            elif number in others:
                assert value_at(merged, reason, instant) == others[number].get(reason, 0)
    again = merge_of(others, merged)
    assert (list(again.steps()), again.heads, again.coverage) == ([], {}, list(merged.coverage))


def step(clock: str, was: int, held: int) -> Step:
    """Return a change of the reason on spam."""
    return Step(at=at(clock), reason=SPAM, was=was, held=held)


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
    ],
)
def test_where_a_piece_meets_stored_time_the_series_steps(
    own: Polls, others: Polls, expected: list[tuple[int, int, int]]
) -> None:
    """A change that is none any more goes; one that is missing is added."""
    steps = merge_of(others, stored_of(own)).steps()

    assert [(each.at, each.was, each.held) for each in steps] == [
        (NOON + minutes(number), was, held) for number, was, held in expected
    ]


def test_a_reason_is_as_old_as_the_earlier_of_both_says() -> None:
    """An import may know that a reason was there before alerter's first poll."""
    merge = merge_of({0: {"Spam": 5}}, stored_of({60: {"Spam": 5}}))

    steps = list(merge.steps())

    assert steps[-1].was == steps[-1].held
    assert merge.heads == {SPAM: Head(held=5, changed_at=NOON, first_seen_at=NOON)}


def test_what_is_held_now_changes_only_where_the_import_is_newer() -> None:
    """The present is that of the newest poll, whoever made it."""
    older, newer = merge_of({0: {"Spam": 2}}, stored_of({60: {}})), merge_of({90: {"Spam": 2}}, stored_of({60: {}}))

    for merge in (older, newer):
        list(merge.steps())

    assert older.heads[SPAM] == Head(held=0, changed_at=NOON + minutes(60), first_seen_at=NOON)
    assert newer.heads[SPAM].held == 2


def by_records(polled: str, events: Sequence[Change | Held], stored: Stored) -> Merge:
    """Return the merge of records with what is stored."""
    spans = [Span(run.since, run.until) for run in stored.coverage]
    return Merge(given_by_records(ACME, runs(polled), {}, lambda: iter(events), spans), stored)


def test_a_series_that_was_held_before_the_records_begin_has_no_change_there() -> None:
    """What it changed from is not in the records, and is not made up."""
    merge = by_records("11:00-12:00x13", [Held(tenant=ACME, reason=SPAM, at=at("09:00"), held=7)], Stored())
    changed = by_records(
        "11:00-12:00x13",
        [
            Held(tenant=ACME, reason=SPAM, at=at("09:00"), held=7),
            Change(tenant=ACME, reason=SPAM, at=at("11:30"), held=8),
        ],
        Stored(),
    )

    assert list(merge.steps()) == []
    assert list(changed.steps()) == [step("11:30", 7, 8)]
    assert changed.heads == {SPAM: Head(held=8, changed_at=at("11:30"), first_seen_at=at("09:00"))}


def test_a_series_that_never_changed_is_as_old_as_its_record_says() -> None:
    """Since when so many are held is known, though not from what it changed."""
    given = given_by_records(
        ACME,
        runs("11:00-12:00x13"),
        {SPAM: at("08:00")},
        lambda: iter([Held(tenant=ACME, reason=SPAM, at=at("09:00"), held=7)]),
        (),
    )
    merge = Merge(given, Stored())

    assert list(merge.steps()) == []
    assert merge.heads == {SPAM: Head(held=7, changed_at=at("09:00"), first_seen_at=at("08:00"))}


def test_a_record_of_a_time_that_is_covered_changes_nothing() -> None:
    """Not even a reason is added that alerter's own polls did not see."""
    stored = stored_of({0: {"Spam": 5}, 5: {"Spam": 5}})
    merge = by_records("12:00-12:05x2", [Change(tenant=ACME, reason=HoldReason("New"), at=at("12:01"), held=1)], stored)

    assert (list(merge.steps()), merge.heads) == ([], {})
    assert merge.coverage == list(stored.coverage)


def test_records_go_on_right_after_stored_time() -> None:
    """Where both overlap, the one steps to the other at the next instant, and coverage is one run."""
    stored = stored_of({0: {"Spam": 5}})
    merge = by_records("11:00-13:00x25", [Change(tenant=ACME, reason=SPAM, at=at("11:30"), held=7)], stored)

    assert [(each.at, each.was, each.held) for each in merge.steps()] == [
        (at("11:30"), 0, 7), (NOON, 7, 5), (NOON + NEXT, 5, 7),
    ]  # fmt: skip
    assert [(run.since, run.until) for run in merge.coverage] == [(at("11:00"), at("13:00"))]


@pytest.mark.parametrize(
    ("stored", "pieces", "expected"),
    [
        pytest.param("11:00-11:10x3", "11:15-11:20x2", "11:00-11:20x5", id="one follows the other"),
        pytest.param("11:00-11:10x3", "11:21-11:30x2", "11:00-11:10x3 11:21-11:30x2", id="they are too far apart"),
        pytest.param("11:00-11:10x3 11:18-11:20x2", "", "11:00-11:10x3 11:18-11:20x2", id="two stored runs stay two"),
        pytest.param("11:00-11:10x3 11:18-11:20x2", "11:15-11:15", "11:00-11:20x6", id="a piece joins two stored runs"),
    ],
)
def test_coverage_afterwards(stored: str, pieces: str, expected: str) -> None:
    """Runs that follow each other are one, but what parted two stored ones has not gone."""
    assert joined(runs(stored), runs(pieces), reach=minutes(10)) == runs(expected)


@pytest.mark.parametrize(
    ("piece", "then", "now", "expected"),
    [
        pytest.param("11:00-11:10x3", "", "", True, id="nothing is stored"),
        pytest.param("11:00-11:10x3", "", "11:30-11:30", False, id="a first poll came"),
        pytest.param("11:00-11:10x3", "11:30-11:40x3", "11:30-11:45x4", True, id="polling went on"),
        pytest.param("11:00-11:10x3", "11:30-11:40x3", "11:30-11:40x3 12:00-12:00", True, id="another run began"),
        pytest.param("11:00-11:10x3", "11:30-11:40x3", "11:35-11:40x2", False, id="old history was deleted"),
        pytest.param("11:00-11:10x3", "10:00-10:10x3 11:30-11:40x3", "11:30-11:40x3", False, id="a whole run was"),
        pytest.param(
            "11:00-11:10x3",
            "10:00-10:10x3 11:30-11:40x3",
            "10:00-10:20x5 11:30-11:40x3",
            False,
            id="another import came",
        ),
        pytest.param(
            "11:50-11:55x2", "11:30-11:40x3", "11:30-11:45x4", False, id="polling went on under a newer piece"
        ),
        pytest.param("", "11:30-11:40x3", "12:30-12:40x3", True, id="there is no piece"),
    ],
)
def test_a_merge_holds_while_only_time_goes_on(piece: str, then: str, now: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """Polls of a service that go on do not disturb an import into the past."""
    given = given_by_records(ACME, runs(piece), {}, lambda: iter(()), ())

    assert still_holds(given, Stored(coverage=runs(then)), Stored(coverage=runs(now))) is expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        pytest.param(None, None, ("11:00", 0), id="the reason is new"),
        pytest.param(("11:30", 5), ("11:30", 5), ("11:00", 0), id="nothing happened"),
        pytest.param(("11:30", 5), ("12:30", 9), ("11:00", 9), id="the count changed"),
        pytest.param(None, ("12:30", 9), ("11:00", 9), id="it was seen for the first time"),
    ],
)
def test_the_present_of_a_series_is_that_of_the_newest_poll(
    then: tuple[str, int] | None, now: tuple[str, int] | None, expected: tuple[str, int]
) -> None:
    """What a poll saw while the import was worked out is not overwritten."""

    def head(values: tuple[str, int] | None) -> Head | None:
        return values and Head(held=values[1], changed_at=at(values[0]), first_seen_at=at(values[0]))

    found = rebased(Head(held=0, changed_at=at("11:00"), first_seen_at=at("11:00")), head(then), head(now))

    assert (found.first_seen_at, found.held) == (at(expected[0]), expected[1])
