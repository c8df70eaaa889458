"""For how long the disk lasts, as a table."""

from datetime import timedelta

import pytest

from alerter.doctor.findings import Outcome
from alerter.doctor.growth import Growth, judge_growth
from tests.builders import NOON
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING

MIB, GIB = 2**20, 2**30


def growth(size: float, free: float | None, *, days: float | None = 10, retention: float = 400) -> Growth:
    """Return a database of so many MiB after so many days, with so many MiB free."""
    return Growth(
        size_bytes=int(size * MIB),
        free_bytes=None if free is None else int(free * MIB),
        since=None if days is None else NOON - timedelta(days=days),
        retention=timedelta(days=retention),
    )


@pytest.mark.parametrize(
    ("given", "outcome", "text"),
    [
        pytest.param(
            growth(10, 2000),
            OK,
            "10.0 MiB, 1.0 MiB a day; 2.0 GiB left on the disk; at most 400.0 MiB with a retention of 400d",
            id="room for all that will come",
        ),
        pytest.param(
            growth(100, 3000), WARNING, "100.0 MiB, 10.0 MiB a day; 2.9 GiB left on the disk, which lasts 300 days",
            id="full before the history is as long as it may be",
        ),
        pytest.param(growth(100, 290), FAILED, "which lasts 29 days", id="full within a month"),
        pytest.param(growth(100, 300), WARNING, "which lasts 30 days", id="full in a month"),
        pytest.param(growth(500, 300, days=400), OK, "at most 500.0 MiB", id="grown up: it grows no more"),
        pytest.param(growth(500, 300, days=800), OK, "at most 500.0 MiB", id="older than it is kept"),
        pytest.param(growth(1, 99), FAILED, "1.0 MiB; only 99.0 MiB left on the disk", id="hardly any room"),
        pytest.param(growth(1, 99, days=None), FAILED, "only 99.0 MiB left", id="hardly any room for a new one"),
        pytest.param(growth(1, 200, days=1.9), OK, "how fast it grows can be said after two days", id="too new"),
        pytest.param(growth(1, 200, days=None), OK, "can be said after two days", id="without history"),
        pytest.param(growth(1, None), NOT_APPLICABLE, "1.0 MiB; what its server's disk has left", id="of a server"),
    ],
)  # fmt: skip
def test_how_long_the_disk_lasts(given: Growth, outcome: Outcome, text: str) -> None:
    """By its mean growth, until its history is as long as it is kept."""
    finding = judge_growth("alerter.db", given, now=NOON)

    assert finding.outcome is outcome
    assert text in finding.text
    assert bool(finding.advice) is (outcome in (FAILED, WARNING))


def test_the_figures_are_there_for_a_program() -> None:
    """With their units in their names."""
    finding = judge_growth("alerter.db", growth(10, 2000), now=NOON)

    assert dict(finding.measured) == {"size_bytes": 10 * MIB, "free_bytes": 2000 * MIB, "bytes_per_day": MIB}
