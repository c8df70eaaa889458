"""For how long the disk lasts, as a table."""

from datetime import timedelta

import pytest

from alerter.doctor.database_growth import DatabaseGrowth, assess_growth
from alerter.doctor.findings import Outcome
from alerter.storage import DatabaseSize
from tests.builders import NOON
from tests.doctor.diagnoses import FAILED, NOT_APPLICABLE, OK, WARNING

MIB, GIB = 2**20, 2**30


def growth(
    size: float,
    disk: float | None,
    *,
    days: float | None = 10,
    retention: float = 400,
    daily: float | None = None,
    free: float = 0,
) -> DatabaseGrowth:
    """Return a database of so many MiB after so many days, of which some are free, with so many MiB on the disk.

    `daily` is by how many MiB a day it was found to grow; None where that is not known yet.
    """
    return DatabaseGrowth(
        storage=DatabaseSize(
            size_bytes=int(size * MIB),
            free_bytes=int(free * MIB),
            bytes_per_day=None if daily is None else daily * MIB,
        ),
        disk_bytes=None if disk is None else int(disk * MIB),
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
        pytest.param(
            growth(500, 300, days=400), OK, "500.0 MiB, 1.2 MiB a day; 300.0 MiB left on the disk",
            id="grown up: it grows no more",
        ),
        pytest.param(growth(500, 300, days=800), OK, "300.0 MiB left on the disk", id="older than it is kept"),
        pytest.param(
            growth(500, 300, daily=0.5), OK,
            "500.0 MiB, 512.0 KiB a day; 300.0 MiB left on the disk; at most 695.0 MiB with a retention of 400d",
            id="what was measured counts, not the mean",
        ),
        pytest.param(
            growth(500, 300, daily=2), WARNING, "500.0 MiB, 2.0 MiB a day; 300.0 MiB left on the disk, which lasts 150",
            id="it grows faster than the disk allows",
        ),
        pytest.param(growth(500, 300, daily=20), FAILED, "which lasts 15 days", id="full in two weeks"),
        pytest.param(
            growth(500, 300, days=400, daily=20), FAILED, "which lasts 15 days",
            id="grown up, but it grows again: there are more tenants",
        ),
        pytest.param(
            growth(500, 300, days=400, daily=2), OK, "500.0 MiB, 2.0 MiB a day; 300.0 MiB left on the disk",
            id="grown up, and a month has room",
        ),
        pytest.param(
            growth(500, 300, daily=-3), OK, "500.0 MiB, and does not grow; 300.0 MiB left on the disk",
            id="more is deleted than comes",
        ),
        pytest.param(
            growth(500, 300, daily=2, free=480), WARNING,
            "500.0 MiB (480.0 MiB of it free), 2.0 MiB a day; 300.0 MiB left on the disk, which lasts 390 days",
            id="what is free in the file is used first",
        ),
        pytest.param(
            growth(500, 300, daily=2, free=481), OK, "at most 799.0 MiB with a retention of 400d",
            id="what is free in the file is enough",
        ),
        pytest.param(growth(1, 200, days=1.9, daily=0.1), OK, "1.0 MiB, 102.4 KiB a day", id="new, but measured"),
        pytest.param(growth(1, 99), FAILED, "1.0 MiB, 102.4 KiB a day; only 99.0 MiB left", id="hardly any room"),
        pytest.param(growth(1, 99, days=None), FAILED, "only 99.0 MiB left", id="hardly any room for a new one"),
        pytest.param(growth(1, 200, days=1.9), OK, "how fast it grows can be said after two days", id="too new"),
        pytest.param(growth(1, 200, days=None), OK, "can be said after two days", id="without history"),
        pytest.param(
            growth(1, None, daily=2), NOT_APPLICABLE,
            "1.0 MiB, 2.0 MiB a day; what its server's disk has left, it does not say",
            id="of a server",
        ),
    ],
)  # fmt: skip
def test_how_long_the_disk_lasts(given: DatabaseGrowth, outcome: Outcome, text: str) -> None:
    """By its growth, until its history is as long as it is kept."""
    finding = assess_growth("alerter.db", given, now=NOON)

    assert finding.outcome is outcome
    assert text in finding.text
    assert bool(finding.advice) is (outcome in (FAILED, WARNING))


def test_the_figures_are_there_for_a_program() -> None:
    """With their units in their names."""
    finding = assess_growth("alerter.db", growth(10, 2000, daily=1, free=2), now=NOON)

    assert dict(finding.measured) == {
        "size_bytes": 10 * MIB,
        "unused_bytes": 2 * MIB,
        "free_bytes": 2000 * MIB,
        "bytes_per_day": MIB,
    }
