"""Where a sliding line may pass its limit: every poll at which it does is among them."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerter.core.conditions import Forecast, Verdict
from alerter.core.history import SeriesHistory, history_from_polls
from alerter.core.series import Tenant, from_epoch_us
from tests.builders import NOON, a_polled_tenant, a_snapshot, minutes, span

_SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=300)


def active_at(forecast: Forecast, history: SeriesHistory, polls: Sequence[int]) -> list[bool]:
    """Return at which polls a forecast is active, each judged on its own."""
    return [
        forecast.evaluate(history.as_of(poll, window=forecast.window), firing=False, now=from_epoch_us(poll)).verdict
        is Verdict.ACTIVE
        for poll in polls
    ]


def assert_every_turn_is_found(forecast: Forecast, history: SeriesHistory) -> None:
    """Hold the polls at which a forecast turns against the instants that it named."""
    polls = history.poll_times.polls
    turns = sorted(forecast.turns(history))
    active = [False, *active_at(forecast, history, polls)]
    for before, now, poll, is_active in zip([0, *polls], polls, polls, active[1:], strict=False):
        was_active = active[polls.index(poll)]
        if is_active is not was_active:
            assert any(before < turn <= now for turn in turns), from_epoch_us(poll)


@_SETTINGS
@given(
    steps=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), min_size=1, max_size=25),
    jitter=st.lists(st.integers(0, 55_000), min_size=30, max_size=30),
    above=st.integers(0, 45),
    within=st.sampled_from(["1m", "10m", "1h"]),
    fit_over=st.sampled_from(["5m", "20m", "1h"]),
)
@example(steps=[(39, 10), (39, 10), (39, 11)], jitter=[0] * 30, above=10, within="10m", fit_over="20m")
def test_every_poll_at_which_a_line_passes_is_found(
    steps: list[tuple[int, int]], jitter: list[int], above: int, within: str, fit_over: str
) -> None:
    """Random step functions, polled on time or late; the line in whole numbers is the judge of each poll."""
    counts = [count for length, count in steps for _ in range(length)]
    polled = [
        a_snapshot(
            {"Spam": count},
            taken_at=NOON + number * minutes(1) + timedelta(milliseconds=jitter[number % len(jitter)]),
        )
        for number, count in enumerate(counts)
    ]
    [history] = history_from_polls(Tenant("acme"), polled, poll_interval=minutes(1)).reasons

    assert_every_turn_is_found(Forecast(above=above, within=span(within), fit_over=span(fit_over)), history)


def test_a_line_that_is_nowhere_near_its_limit_is_not_looked_at() -> None:
    """However often the count changes, with a gap or without."""
    history = a_polled_tenant("10x60 11x60 10x60 _x5 10x30", every="1m").reasons[0]

    assert [*Forecast(above=500, within=span("1h"), fit_over=span("20m")).turns(history)] == []
