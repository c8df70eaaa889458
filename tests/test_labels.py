"""From when on anybody could know of what goes wrong: what the figures of the default rules in README rest on."""

import pytest

from benchmarks.labels import (
    ABSENCE_POLLS,
    POLLS_PER_DAY,
    POLLS_PER_HOUR,
    VISIBLE_MESSAGES,
    IncidentKind,
    Played,
    absences,
    by_count,
    instant,
    united,
)

HOUR, DAY = POLLS_PER_HOUR, POLLS_PER_DAY
#: So long was everything as it is without an incident.
BEFORE = 10


def played(*stretches: tuple[int, int], usual: int = 0, released: tuple[int, ...] = ()) -> Played:
    """Return a queue that held so many messages for so many polls, one stretch after the other."""
    held = [count for count, polls in stretches for _ in range(polls)]
    return Played(held=held, without=[usual] * len(held), released=[*released])


@pytest.mark.parametrize(
    ("queue", "visible"),
    [
        pytest.param(played((10, BEFORE), (40, DAY), usual=10), BEFORE, id="30 more than usual, and twice as many"),
        pytest.param(played((10, BEFORE), (39, DAY), usual=10), None, id="fewer than 30 more"),
        pytest.param(played((50, BEFORE), (99, DAY), usual=50), None, id="30 more, but not twice as many"),
        pytest.param(played((50, BEFORE), (100, DAY), usual=50), BEFORE, id="twice as many"),
        pytest.param(played((10, BEFORE), (90, HOUR), (10, DAY), usual=10), None, id="for less than an hour"),
        pytest.param(
            played((10, BEFORE), (90, 1), (10, 1), (90, DAY), usual=10), BEFORE + 2, id="since it is so for an hour"
        ),
    ],
)
def test_a_count_is_visible_when_a_person_would_say_so(queue: Played, visible: int | None) -> None:
    """By 30 messages and by as much again above what is usual, for an hour."""
    found = by_count(IncidentKind.WAVE, "Spam", queue, first=BEFORE, last=BEFORE + 1)

    assert found.visible_at == (None if visible is None else instant(visible))


def test_it_is_over_when_nobody_sees_it_any_more() -> None:
    """However long what caused it is over by then."""
    queue = played((10, BEFORE), (90, 5 * HOUR), (10, DAY), usual=10)

    assert by_count(IncidentKind.WAVE, "Spam", queue, first=BEFORE, last=BEFORE + 1).ended_at == instant(
        BEFORE + 5 * HOUR
    )


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        pytest.param(played((30, 6 * DAY), released=(0,)), (0, ABSENCE_POLLS), id="five days after the last release"),
        pytest.param(played((30, 6 * DAY), released=(0, DAY, 2 * DAY)), None, id="something was released meanwhile"),
        pytest.param(played((29, 9 * DAY), released=(0,)), None, id="too few for anybody to mind"),
        pytest.param(
            played((0, DAY), (30, 6 * DAY), released=(0,)),
            (DAY, DAY + ABSENCE_POLLS),
            id="as long as something is held",
        ),
        pytest.param(played((9, 6 * DAY), (30, DAY), released=(0,)), (0, 6 * DAY), id="when there are enough"),
        pytest.param(played((30, 9 * DAY)), None, id="nobody ever released anything"),
    ],
)
def test_an_absence_is_visible_when_no_days_off_explain_it(queue: Played, expected: tuple[int, int] | None) -> None:
    """When it began, and from when on it could be known; in polls."""
    found = [(each.began_at, each.visible_at) for each in absences("Spam", queue)]

    assert found == ([] if expected is None else [(instant(expected[0]), instant(expected[1]))])


def test_an_absence_that_is_planned_and_one_that_is_seen_are_one() -> None:
    """It is visible when either of them is, and lasts as long as both do."""
    queue = played((VISIBLE_MESSAGES, 8 * DAY), usual=VISIBLE_MESSAGES, released=(0,))
    planned = by_count(IncidentKind.UNATTENDED, "Spam", queue, first=DAY, last=3 * DAY)

    (one,) = united([planned, *absences("Spam", queue)])

    assert planned.visible_at is None
    assert (one.began_at, one.visible_at, one.ended_at) == (instant(0), instant(ABSENCE_POLLS), instant(8 * DAY))
