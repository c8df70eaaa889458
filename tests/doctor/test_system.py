"""The clock, and what is known of time zones."""

import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter.doctor.findings import Group, Outcome
from alerter.doctor.system import assess_clock, check_clock, check_timezone
from tests.builders import NOON
from tests.doctor.diagnoses import NOT_APPLICABLE, OK, WARNING, only


@pytest.mark.parametrize(
    ("seconds", "outcome", "text"),
    [
        pytest.param(0.0123, OK, "kept right, to within 0.0123 s", id="by somebody"),
        pytest.param(15.9, OK, "kept right, to within 15.9 s", id="not for a while"),
        pytest.param(16, WARNING, "nothing keeps it right", id="by nobody"),
        pytest.param(
            None, NOT_APPLICABLE, "this system's kernel does not say whether its clock is right", id="unknown"
        ),
    ],
)
def test_a_clock_that_nothing_keeps_right_is_told(seconds: float | None, outcome: Outcome, text: str) -> None:
    """As `timedatectl` judges it: by the error that the kernel allows for."""
    finding = assess_clock(None if seconds is None else timedelta(seconds=seconds))

    assert (finding.group, finding.subject, finding.outcome, finding.text) == (Group.MACHINE, "clock", outcome, text)
    assert ("timedatectl set-ntp true" in finding.advice) is (outcome is WARNING)


def test_the_clock_of_this_machine_is_asked() -> None:
    """Whatever it says, it says something."""
    finding = only(check_clock())

    assert finding.outcome in (OK, WARNING)
    assert 0 <= float(finding.measured["clock_error_seconds"]) <= 16


@pytest.fixture
def system_zones(tmp_path: Path) -> Iterator[Path]:
    """The folder of the system's time zones, empty."""
    folder = tmp_path / "zoneinfo"
    (folder / "Europe").mkdir(parents=True)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(folder)])
    yield folder
    zoneinfo.reset_tzpath(before)


def install(folder: Path, key: str, *, data: str) -> ZoneInfo:
    """Give the system the data of one place under the name of another; return what is known of that then."""
    with as_file(files("tzdata").joinpath("zoneinfo", *data.split("/"))) as file:
        shutil.copy(file, folder / key)
    return ZoneInfo.no_cache(key)


def test_two_sources_that_agree_are_well(system_zones: Path) -> None:
    """Whichever is used, the times are the same."""
    london = install(system_zones, "Europe/London", data="Europe/London")

    finding = only(check_timezone(london, now=NOON))

    assert (finding.outcome, finding.subject) == (OK, "time zone Europe/London")
    assert "agree on the next two years" in finding.text


def test_two_sources_that_differ_are_told(system_zones: Path) -> None:
    """Data from before a country changed its mind: from the day on at which it shows."""
    london = install(system_zones, "Europe/London", data="UTC")

    finding = only(check_timezone(london, now=NOON))

    assert finding.outcome is WARNING
    assert "differ from 2026-03-29 on" in finding.text
    assert "tzdata" in finding.advice


def test_without_the_systems_data_the_package_is_the_only_source(system_zones: Path) -> None:
    """As on a minimal server."""
    assert list(system_zones.rglob("*.*")) == []

    finding = only(check_timezone(ZoneInfo.no_cache("Europe/London"), now=NOON))

    assert (finding.outcome, finding.text) == (OK, "known from the package tzdata, the only source")


def test_a_place_that_only_the_system_knows_is_well(system_zones: Path) -> None:
    """A name that is younger than the package."""
    london = install(system_zones, "Europe/Nowhere", data="Europe/London")

    finding = only(check_timezone(london, now=NOON))

    assert (finding.outcome, finding.text) == (OK, "known from the system's data, the only source")
