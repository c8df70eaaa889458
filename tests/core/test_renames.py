"""Which hold reason goes on under another name, as far as that is certain."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest

from alerter.core.renames import Rename, rename_of, renames_of
from alerter.core.series import HoldReason, Series
from tests.builders import NOON, at, counts, minutes, series


def a_tenant(reasons: Mapping[str, str]) -> dict[str, Series]:
    """Return the reasons of a tenant that was polled every five minutes up to noon, each with the others."""
    found = {name: first_held(series(notation, reason=name), notation) for name, notation in reasons.items()}
    return {name: replace(each, others=tuple(found.values())) for name, each in found.items()}


def first_held(found: Series, notation: str) -> Series:
    """Return a series with the instant of its first messages."""
    polls = counts(notation)
    instants = [NOON - minutes(5) * back for back in reversed(range(len(polls)))]
    return replace(found, first_held_at=next((at for at, count in zip(instants, polls, strict=True) if count), None))


def old_of(reasons: Mapping[str, str], *, now: datetime = NOON) -> str:
    """Return which reason was renamed to New; empty if that is not certain."""
    found = rename_of(a_tenant(reasons)["New"], now=now)
    return "" if found is None else found.old


def test_a_reason_that_vanishes_as_another_one_appears_was_renamed() -> None:
    """With when that was, and how many messages the old name had."""
    found = rename_of(a_tenant({"Old": "40x8 0x4", "New": "0x8 41x4", "Other": "7x12"})["New"], now=NOON)

    assert found == Rename(old=HoldReason("Old"), new=HoldReason("New"), at=at("11:45"), moved=40)


@pytest.mark.parametrize(
    ("reasons", "old"),
    [
        pytest.param({"Old": "40x6 0x6", "New": "0x8 40x4"}, "Old", id="two polls before"),
        pytest.param({"Old": "40x10 0x2", "New": "0x8 40x4"}, "Old", id="two polls after"),
        pytest.param({"Old": "40x5 0x7", "New": "0x8 40x4"}, "", id="three polls before"),
        pytest.param({"Old": "40x11 0", "New": "0x8 40x4"}, "", id="three polls after"),
        pytest.param({"Old": "40x8 0x4", "New": "0x8 33x4"}, "Old", id="some were released meanwhile"),
        pytest.param({"Old": "40x8 0x4", "New": "0x8 31x4"}, "", id="too many are missing"),
        pytest.param({"Old": "40x8 20x4", "New": "0x8 20x4"}, "", id="the old name drains"),
        pytest.param({"Old": "9x8 0x4", "New": "0x8 9x4"}, "", id="a few messages"),
        pytest.param({"Old": "10x8 0x4", "New": "0x8 10x4"}, "Old", id="just enough messages"),
        pytest.param({"Old": "40x8 0x4", "Older": "42x8 0x4", "New": "0x8 40x4"}, "", id="two vanished"),
        pytest.param({"Old": "40x8 0x4", "New": "0x8 40x4", "Newer": "0x9 40x3"}, "", id="two appeared"),
        pytest.param({"Old": "40x8 0x4", "New": "0x8 40x4", "Newer": "0x8 2x4"}, "Old", id="another one is small"),
        pytest.param({"Old": "40x5 _x3 0x4", "New": "0x5 _x3 40x4"}, "", id="nobody saw it happen"),
        pytest.param({"Old": "40x7 _ 0x4", "New": "0x7 _ 40x4"}, "Old", id="one poll failed meanwhile"),
        pytest.param({"Old": "0x4", "New": "40x4"}, "", id="the tenant's first poll"),
        pytest.param({"New": "0x12", "Old": "4x12"}, "", id="nothing was ever held"),
        pytest.param({"New": "0x8 40x4"}, "", id="nothing vanished"),
    ],
)
def test_a_rename_is_recognized_if_it_is_certain(reasons: Mapping[str, str], old: str) -> None:
    """Nothing follows from what may be chance."""
    assert old_of(reasons) == old


def test_a_rename_is_recognized_from_the_poll_on_that_shows_it() -> None:
    """What was decided before was decided by what was known then."""
    reasons = {"Old": "40x10 0x2", "New": "0x8 40x4"}

    assert [old_of(reasons, now=at(clock)) for clock in ("11:40", "11:45", "11:50", "11:55")] == ["", "", "", "Old"]


def test_the_renames_of_a_tenant_are_those_since_an_instant() -> None:
    """The oldest one first."""
    tenant = a_tenant({"A": "40x4 0x8", "B": "0x4 40x8", "C": "90x8 0x4", "D": "0x8 90x4"})

    assert [(each.old, each.new) for each in renames_of(tenant.values(), since=at("11:00"), now=NOON)] == [
        ("A", "B"),
        ("C", "D"),
    ]
    assert [each.new for each in renames_of(tenant.values(), since=at("11:30"), now=NOON)] == ["D"]
