"""Readings of the clocks: what happened between two of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.service.clock_reading import ClockReading

START = ClockReading(wall=1_000_000.0, awake=500.0, boot=700.0)


@pytest.mark.parametrize(
    ("moved", "jump", "slept"),
    [
        pytest.param({"wall": 5.0, "awake": 5.0, "boot": 5.0}, 0, 0, id="time goes by"),
        pytest.param({"wall": 3605.0, "awake": 5.0, "boot": 5.0}, 3600, 0, id="the clock is set an hour ahead"),
        pytest.param({"wall": -3595.0, "awake": 5.0, "boot": 5.0}, -3600, 0, id="it is set back"),
        pytest.param({"wall": 3605.0, "awake": 5.0, "boot": 3605.0}, 0, 3600, id="the machine sleeps for an hour"),
    ],
)
def test_a_jump_and_a_suspended_machine_are_told_apart(moved: Mapping[str, float], jump: float, slept: float) -> None:
    """A jump moves one clock alone, and a suspended machine keeps one of them standing."""
    now = replace(START, **{name: getattr(START, name) + by for name, by in moved.items()})

    assert now.jump_since(START) == timedelta(seconds=jump)
    assert now.slept_since(START) == timedelta(seconds=slept)
