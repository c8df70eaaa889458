"""A failure that goes on keeps its line, and stops being news."""

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pytest

from alerter.logs.events import LogEvent, Value
from alerter.logs.repeat_filter import (
    ALWAYS_LOUD,
    MAX_CACHED_LOOKBACK,
    MAX_LOUD_PER_CAUSE,
    RepeatDecision,
    RepeatFilter,
    notified,
)

WARNING, ERROR, INFO = logging.WARNING, logging.ERROR, logging.INFO
MINUTE, HOUR = 60.0, 3600.0


def an_event(text: str = "poll failed", *, traceback: str = "", **fields: Value) -> LogEvent:
    """Return a poll that failed, or another event."""
    standard: Mapping[str, Value] = {"tenant": "acme", "cause": "timeout"} if text == "poll failed" else {}
    return LogEvent(text=text, fields={**standard, **fields}, traceback=traceback)


def levels(*said: tuple[float, LogEvent], level: int = WARNING) -> list[int]:
    """Return how loud each of several events is, at seconds of their own."""
    repeats = RepeatFilter()
    return [repeats.decide("alerter.jobs", level, event, now=at).level for at, event in said]


def test_a_tenant_that_fails_every_minute_for_a_week_is_loud_a_dozen_times() -> None:
    """Ten thousand polls, each with its line; one warning, and then errors ever more rarely: a person must act."""
    minutes = range(7 * 24 * 60)

    loud = {
        timedelta(minutes=minute): level
        for minute, level in zip(minutes, levels(*((minute * MINUTE, an_event()) for minute in minutes)), strict=True)
        if level > INFO
    }

    assert loud == {
        timedelta(0): WARNING,
        timedelta(minutes=15): ERROR,
        timedelta(hours=1, minutes=15): ERROR,
        timedelta(hours=5, minutes=15): ERROR,
        **{timedelta(hours=21, minutes=15) + timedelta(days=day): ERROR for day in range(7)},
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(an_event(), an_event(cause="dns"), id="another cause"),
        pytest.param(an_event(), an_event(tenant="other"), id="another tenant"),
        pytest.param(an_event("job failed", detail="locked"), an_event("job failed", detail="full"), id="other words"),
        pytest.param(an_event("job failed", job="prune"), an_event("job failed", job="deliver"), id="another job"),
        pytest.param(an_event("crash", traceback="ValueError: a"), an_event("crash", traceback="OSError"), id="a bug"),
        pytest.param(an_event("late", overdue="acme"), an_event("late", overdue="acme, other"), id="more tenants"),
        *(pytest.param(an_event(text), an_event(text), id=f"{text}, each time") for text in sorted(ALWAYS_LOUD)),
    ],
)
def test_what_is_new_is_loud_at_once(first: LogEvent, second: LogEvent) -> None:
    """Only the very same failure is no news."""
    assert levels((0, first), (1, second)) == [WARNING, WARNING]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(an_event(detail="wait 13 s"), an_event(detail="busy"), id="the words of a cause"),
        pytest.param(an_event(request_id="a"), an_event(request_id="b"), id="the request"),
        pytest.param(
            an_event("delivery failed", target="t", ref="a", attempts=1),
            an_event("delivery failed", target="t", ref="b", attempts=7),
            id="the message",
        ),
        pytest.param(an_event("job failed", detail="in 3 s"), an_event("job failed", detail="in 14 s"), id="a number"),
    ],
)
def test_what_differs_each_time_makes_no_news(first: LogEvent, second: LogEvent) -> None:
    """A failure is known by what it is, not by what it is about this time."""
    assert levels((0, first), (1, second)) == [WARNING, INFO]


def test_what_was_not_heard_for_an_hour_is_new_again() -> None:
    """Yesterday's outage says nothing of today's."""
    assert levels((0, an_event()), (MINUTE, an_event()), (2 * HOUR, an_event())) == [WARNING, INFO, WARNING]


def test_a_retry_that_comes_each_half_hour_still_counts_as_going_on() -> None:
    """A message is tried again every 30 minutes: its target is reminded of, and by then as an error."""
    event = an_event("delivery failed", target="secops/slack")

    assert levels(*((number * HOUR / 2, event) for number in range(6))) == [WARNING, ERROR, INFO, ERROR, INFO, INFO]


@pytest.mark.parametrize(
    ("text", "level", "reminder"),
    [
        pytest.param("poll failed", WARNING, ERROR, id="a poll: trying again did not help"),
        pytest.param("notification suppressed", WARNING, WARNING, id="nothing that is retried"),
        pytest.param("poll cycle failed", ERROR, ERROR, id="an error from the first time on"),
    ],
)
def test_a_reminder_is_an_error_where_trying_again_should_have_helped(text: str, level: int, reminder: int) -> None:
    """What a person must act on is an error; until then it is a warning."""
    said = [(minute * MINUTE, an_event(text)) for minute in range(16)]

    assert levels(*said, level=level) == [level, *[INFO] * 14, reminder]


def test_what_is_no_failure_is_always_the_same() -> None:
    """A line per cycle stays a line per cycle."""
    assert levels((0, an_event("poll succeeded")), (1, an_event("poll succeeded")), level=INFO) == [INFO, INFO]


def test_a_few_speak_for_all_that_a_failure_befalls() -> None:
    """When the network is down, a thousand tenants are not a thousand warnings, nor a thousand reminders."""
    repeats = RepeatFilter()
    loud: Counter[int] = Counter()
    last: list[tuple[int, str]] = []

    for minute in range(60):
        for tenant in range(1_000):
            weight = repeats.decide("l", WARNING, an_event(tenant=f"tenant-{tenant}"), now=minute * MINUTE)
            loud[minute] += weight.level > INFO
            if weight.is_last:
                last.append((minute, f"tenant-{tenant}"))

    assert +loud == {0: MAX_LOUD_PER_CAUSE, 15: MAX_LOUD_PER_CAUSE}
    assert last == [(0, "tenant-19"), (15, "tenant-19")]


def test_a_new_tenant_is_heard_although_many_have_failed_for_long() -> None:
    """Fifty customers whose keys have expired for weeks do not hide the one whose keys expire today."""
    repeats = RepeatFilter()
    for minute in range(60):
        for tenant in range(50):
            repeats.decide("l", ERROR, an_event(tenant=f"tenant-{tenant}"), now=minute * MINUTE)

    assert repeats.decide("l", ERROR, an_event(tenant="new"), now=HOUR) == RepeatDecision(level=ERROR)


def test_no_more_is_remembered_than_is_needed() -> None:
    """However many different things go wrong, the memory of them has an end: the oldest is new again."""
    repeats = RepeatFilter()
    letters = str.maketrans("0123456789", "abcdefghij")
    events = [an_event("job failed", job=str(number).translate(letters)) for number in range(MAX_CACHED_LOOKBACK + 1)]
    for event in events:
        repeats.decide("l", WARNING, event, now=0)

    oldest, newest = (repeats.decide("l", WARNING, event, now=0).level for event in (events[0], events[-1]))

    assert (oldest, newest) == (WARNING, INFO)


@pytest.mark.parametrize(
    ("weight", "fields", "traceback"),
    [
        pytest.param(
            RepeatDecision(level=ERROR), {"job": "prune"}, "Traceback\nValueError: x", id="the first: all of it"
        ),
        pytest.param(
            RepeatDecision(level=INFO, repeats=3),
            {"job": "prune", "repeats": 3, "detail": "ValueError: x"},
            "",
            id="again: how often, and the last line of the traceback",
        ),
        pytest.param(
            RepeatDecision(level=ERROR, repeats=9, is_last=True),
            {"job": "prune", "repeats": 9, "others": "omitted"},
            "Traceback\nValueError: x",
            id="a reminder: all of it, and that others are not heard",
        ),
    ],
)
def test_what_is_known_already_is_said_in_short(
    weight: RepeatDecision, fields: Mapping[str, Value], traceback: str
) -> None:
    """A traceback of thirty lines is read once."""
    event = an_event("job ended", job="prune", traceback="Traceback\nValueError: x")

    assert notified(event, weight) == LogEvent(text="job ended", fields=fields, traceback=traceback)
