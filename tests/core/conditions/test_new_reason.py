"""The first messages ever held for a reason: what is news, and for how long."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alerter.core.conditions import FOREVER, NOT_AT_ALL, Evidence, NewReason, Verdict
from alerter.core.series import Sample, Series
from tests.builders import NOON, at, minutes, series, span

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA
WEEK = NewReason()


def known(
    notation: str = "5", *, first_held: str | None = "0", polled_for: str | None = "30d", now: datetime = NOON
) -> Series:
    """Return a series whose first messages were held so long ago, of a tenant that has been polled for so long."""
    return replace(
        series(notation, until=now),
        first_held_at=None if first_held is None else now - span(first_held),
        first_polled_at=None if polled_for is None else now - span(polled_for),
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(known(), ACTIVE, id="held for the first time at this moment"),
        pytest.param(known(first_held="23h59m"), ACTIVE, id="just within a day"),
        pytest.param(known(first_held="1d"), INACTIVE, id="a day ago"),
        pytest.param(known("0", first_held="1h"), ACTIVE, id="released within the day"),
        pytest.param(known("5 _", first_held="1h"), NO_DATA, id="the newest poll failed"),
        pytest.param(known("0", first_held=None), INACTIVE, id="listed by Mimecast, but nothing was ever held"),
        pytest.param(known(first_held="300d", polled_for="400d"), INACTIVE, id="seen long ago and nothing held since"),
        pytest.param(known(polled_for="7d"), ACTIVE, id="a week after the tenant's first poll"),
        pytest.param(known(polled_for="6d23h59m"), INACTIVE, id="a minute before that week is over"),
        pytest.param(known(polled_for="0"), INACTIVE, id="the tenant's first snapshot"),
        pytest.param(known(first_held="23h", polled_for="7d22h"), INACTIVE, id="learnt only after it was held"),
        pytest.param(known(polled_for=None), INACTIVE, id="a tenant of which nothing is known"),
    ],
)
def test_the_first_messages_ever_are_news_for_a_day(seen: Series, expected: Verdict) -> None:
    """A tenant's first days teach what is ordinary there; after them whatever holds its first messages is news."""
    assert WEEK.evaluate(seen, firing=False, now=NOON).verdict is expected


def test_a_clock_that_was_set_back_has_not_seen_the_reason_yet() -> None:
    """What lies in the future is not there, and is no news before its time."""
    ahead = replace(known(), first_held_at=NOON + minutes(5))

    assert WEEK.evaluate(ahead, firing=False, now=NOON).verdict is INACTIVE


def test_how_long_a_tenant_is_learnt_can_be_chosen() -> None:
    """With nothing to learn, even the first snapshot is news."""
    assert NewReason(learn=span("0")).evaluate(known(polled_for="0"), firing=False, now=NOON).verdict is ACTIVE


@pytest.mark.parametrize(
    ("seen", "reference", "news"),
    [
        pytest.param(known("5"), None, "a new hold reason", id="at the first poll there is nothing to compare with"),
        pytest.param(
            known("0x2 5 9x2", first_held="10m"), Sample(at("11:50"), 5), "a new hold reason", id="later there is"
        ),
        pytest.param(known("5x2", first_held="2d"), None, "", id="it is no news"),
        pytest.param(
            known("9", first_held="1h"), None, "a new hold reason", id="the first sample is not known any more"
        ),
    ],
)
def test_a_new_reason_says_what_it_began_with(seen: Series, reference: Sample | None, news: str) -> None:
    """Both counts and both instants."""
    observed = WEEK.evaluate(seen, firing=False, now=NOON)

    assert observed.evidence == Evidence(
        condition="new_reason",
        limit_text="a hold reason's first held messages ever",
        value=Sample(NOON, seen.value_at(NOON) or 0),
        reference=reference,
        headline=news,
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(known(), NOON + span("1d"), id="news"),
        pytest.param(known(first_held="2d"), FOREVER, id="no news any more"),
        pytest.param(known("0", first_held=None), FOREVER, id="nothing yet, until the count changes"),
    ],
)
def test_a_new_reason_says_until_when_its_verdict_stands(seen: Series, expected: datetime) -> None:
    """A reason that is not new at one count never becomes so at the same count."""
    assert WEEK.evaluate(seen, firing=False, now=NOON).holds_until == expected


def test_a_new_reason_looks_back_over_a_day_and_at_no_sum() -> None:
    """The first sample is at most that old; and a sum has none."""
    assert (WEEK.lookback, WEEK.lower_is_worse, WEEK.allows_sum) == (timedelta(days=1), False, False)


def renamed(notation: str = "0x8 40x4", old: str = "40x8 0x4", *, now: datetime = NOON) -> Series:
    """Return a series that appeared as another one vanished, of a tenant that is known for long."""
    first = NOON - 4 * minutes(5) + minutes(5)
    others = (replace(series(old, reason="Old", until=now), first_held_at=NOON - span("10d")),)
    new = replace(series(notation, until=now), first_held_at=first, first_polled_at=NOON - span("30d"))
    return replace(new, others=others)


def test_a_renamed_policy_is_no_news() -> None:
    """The reason is an old one, and its new name is said."""
    observed = WEEK.evaluate(renamed(), firing=False, now=NOON)

    assert (observed.verdict, observed.evidence.headline) == (INACTIVE, "")
    assert observed.evidence.detail == "renamed from 'Old', which held 40"
    assert observed.holds_until == FOREVER


@pytest.mark.parametrize(
    ("notation", "old", "verdict"),
    [
        pytest.param("0x9 40x1", "40x9 0x1", INACTIVE, id="it may come back"),
        pytest.param("0x9 40x1", "40x10", ACTIVE, id="the old name may vanish yet"),
    ],
)
def test_within_two_polls_it_is_not_known_yet_whether_a_policy_was_renamed(
    notation: str, old: str, verdict: Verdict
) -> None:
    """The next poll decides again."""
    now = NOON - 3 * minutes(5)
    observed = WEEK.evaluate(renamed(notation, old, now=now), firing=False, now=now)

    assert (observed.verdict, observed.holds_until) == (verdict, NOT_AT_ALL)
