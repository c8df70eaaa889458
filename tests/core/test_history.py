"""All of a tenant's history: shown as the series that were seen then, summed as they are summed live."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from alerter.core.history import FailedPoll, SeriesHistory, history_from_polls, sum_of_reasons, sum_of_tenants
from alerter.core.poll_times import NEVER
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Sample, Series, Snapshot, Tenant, from_epoch_us, to_epoch_us
from alerter.core.series import sum_of_reasons as live_sum_of_reasons
from alerter.core.series import sum_of_tenants as live_sum_of_tenants
from alerter.errors import Cause
from tests.builders import NOON, a_polled_tenant, a_snapshot, at, minutes, series, span
from tests.drawn import polls

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
_SETTINGS = settings(max_examples=60)


def values(series: Series) -> list[int | None]:
    """Return what a series knows at each minute of two hours, and as each newest sample."""
    instants = [NOON + minutes(number) for number in range(-10, 130)]
    newest = [series.newest_sample(until=instant) for instant in instants]
    return [
        *(series.value_at(instant) for instant in instants),
        *(None if sample is None else sample.count for sample in newest),
    ]


@pytest.mark.parametrize("notation", ["10 20 30", "10 _ _ 30", "10 20 _", "_ _ 30", "_", "5x3 7x2 _ _ 9"])
def test_an_archive_shows_itself_as_the_series_that_was_seen(notation: str) -> None:
    """At its last poll it is what the store would have given to the rules."""
    tenant = a_polled_tenant(notation)
    history = tenant.reasons[0] if tenant.reasons else tenant.polling

    shown = history.series_at(history.poll_times.polls[-1], window=span("2h"))

    expected = series(notation)
    assert [shown.value_at(at(f"11:{minute:02}")) for minute in range(30, 60)] == [
        expected.value_at(at(f"11:{minute:02}")) for minute in range(30, 60)
    ]
    assert shown.value_at(NOON) == expected.value_at(NOON)
    assert shown.newest_sample(until=NOON) == expected.newest_sample(until=NOON)
    assert [*shown.coverage] == [*expected.coverage]
    assert shown.poll_failure == expected.poll_failure
    assert shown.last_success_at(now=NOON) == expected.last_success_at(now=NOON)


def test_a_history_shows_the_other_reasons_as_they_were_known_then() -> None:
    """One by one, and several of them."""
    first, second = (a_polled_tenant(notation).reasons[0] for notation in ("1 2 3", "4 5 6"))
    history = replace(a_polled_tenant("7 8 9").reasons[0], others=(first, second))

    others = history.series_at(history.poll_times.polls[-1], window=span("2h")).others

    assert [each.value_at(NOON) for each in others[:]] == [3, 6]
    assert others[1].value_at(NOON) == 6


def test_an_archive_shows_only_what_was_known_then() -> None:
    """Neither what came later nor what is older than a rule looks back, but for the value at that time."""
    history = a_polled_tenant("1 2 3 4 5 6 7 8 9").reasons[0]

    shown = history.series_at(to_epoch_us(at("11:50")), window=minutes(5))

    assert [*shown.changes] == [
        Sample(at(f"11:{minute}"), count) for minute, count in ((30, 3), (35, 4), (40, 5), (45, 6), (50, 7))
    ]
    assert [*shown.changes[1:3]] == [Sample(at("11:35"), 4), Sample(at("11:40"), 5)]
    assert shown.value_at(at("11:55")) is None


def test_an_archive_knows_what_its_tenant_and_its_reason_are() -> None:
    """What a series says beside its samples."""
    tokyo = ZoneInfo("Asia/Tokyo")
    polled = [
        a_snapshot({}, taken_at=at("11:50")),
        a_snapshot({"Spam": 0}, taken_at=at("11:55")),
        a_snapshot({"Spam": 3}),
    ]
    [history] = history_from_polls(ACME, polled, poll_interval=minutes(5), timezone=tokyo).reasons

    shown = history.series_at(to_epoch_us(NOON), window=span("1h"))

    assert (shown.tenant, shown.reason, shown.timezone) == ("acme", "Spam", tokyo)
    assert (shown.first_polled_at, shown.first_held_at, shown.poll_interval) == (at("11:50"), NOON, minutes(5))
    assert from_epoch_us(history.first_seen_at) == at("11:55")


@_SETTINGS
@given(polled=polls(most=20))
def test_a_sum_of_reasons_is_the_sum_that_is_judged_live(polled: Sequence[Snapshot | FailedPoll]) -> None:
    """At every poll: the same values, the same gaps."""
    tenant = history_from_polls(ACME, polled, poll_interval=minutes(1))
    total = sum_of_reasons([tenant.polling, *tenant.reasons])

    for now in tenant.polling.poll_times.polls[-5:]:
        parts = [each.series_at(now, window=span("3h")) for each in (tenant.polling, *tenant.reasons)]
        assert values(total.series_at(now, window=span("3h"))) == values(live_sum_of_reasons(parts))


@_SETTINGS
@given(one=polls("acme", most=12), other=polls("globex", begin=NOON + minutes(0.5), every=minutes(3), most=6))
def test_a_sum_of_tenants_is_the_sum_that_is_judged_live(
    one: Sequence[Snapshot | FailedPoll], other: Sequence[Snapshot | FailedPoll]
) -> None:
    """At every poll of either: the same present, and the same past."""
    tenants = [
        history_from_polls(ACME, one, poll_interval=minutes(1)),
        history_from_polls(GLOBEX, other, poll_interval=minutes(3)),
    ]
    sums = [sum_of_reasons([tenant.polling, *tenant.reasons]) for tenant in tenants]
    total = sum_of_tenants(sums)

    for now in total.poll_times.polls[-8:]:
        expected = live_sum_of_tenants([known_by(each, now) for each in sums])
        shown = total.series_at(now, window=span("3h"))
        assert shown.value_at(from_epoch_us(now)) == expected.value_at(from_epoch_us(now))
        for back in (1, 2, 3, 5, 8, 13):
            then = from_epoch_us(now) - minutes(back)
            assert reference(shown, then) == reference(expected, then)


def reference(series: Series, then: datetime) -> Sample | None:
    """Return what a rule would compare with: the newest sample by then, unless it is too old."""
    sample = series.newest_sample(until=then)
    return None if sample is None or sample.at < then - series.tolerance else sample


def known_by(history: SeriesHistory, now: int) -> Series:
    """Return the sum of a tenant as of its last poll so far, which is what is known of it."""
    before = [poll for poll in history.poll_times.polls if poll <= now]
    return history.series_at(before[-1] if before else 0, window=span("3h"))


def test_a_sum_of_tenants_is_polled_whenever_one_of_them_is_and_all_are_known() -> None:
    """Each poll with whose it was; before all of them have been polled, and while one fails, nothing is known."""
    tenants = [
        a_polled_tenant("1 2 3", tenant="acme", until=at("12:05")),
        a_polled_tenant("3 4 _", tenant="globex", until=at("12:03")),
    ]

    total = sum_of_tenants([sum_of_reasons([each.polling, *each.reasons]) for each in tenants])

    assert (total.tenant, total.reason) == (ALL_TENANTS, ALL_REASONS)
    assert [from_epoch_us(poll) for poll in total.poll_times.polls] == [at("11:55"), at("11:58"), NOON]
    assert [*total.poll_times.owner_indexes] == [0, 1, 0]


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        pytest.param(["Europe/London", "Europe/London"], "Europe/London", id="the same for all"),
        pytest.param(["Europe/London", "Asia/Tokyo"], "UTC", id="different ones"),
    ],
)
def test_a_sum_of_tenants_is_where_all_of_them_are(zones: list[str], expected: str) -> None:
    """As live."""
    tenants = [
        history_from_polls(ACME, [a_snapshot({"Spam": 1})], poll_interval=minutes(5), timezone=ZoneInfo(zone))
        for zone in zones
    ]

    assert str(sum_of_tenants([tenant.polling for tenant in tenants]).poll_times.timezone) == expected


def test_a_gap_stays_a_gap_of_a_sum_when_polls_come_less_often_now() -> None:
    """Runs that lay apart when polls came closer stay apart, though each is held over for longer."""
    polling = a_polled_tenant("5x2 _x4 5x2").polling
    slower = replace(polling, poll_times=replace(polling.poll_times, poll_interval=minutes(15)))

    found = sum_of_tenants([slower]).poll_times

    assert [*map(from_epoch_us, found.since)] == [at("11:25"), at("11:55")]
    assert [*map(from_epoch_us, found.until)] == [at("11:30"), NOON]


def test_outages_of_several_tenants_that_overlap_are_one_of_the_sum() -> None:
    """From the first failed poll of any of them until all are well again."""
    tenants = [
        a_polled_tenant("1 _ _ 1 1 1 _", tenant="acme"),
        a_polled_tenant("1 1 _ _ 1 1 1", tenant="globex"),
    ]

    found = sum_of_tenants([tenant.polling for tenant in tenants]).poll_times.outages

    assert [(from_epoch_us(each.since), each.until) for each in found] == [
        (at("11:35"), to_epoch_us(at("11:50"))),
        (NOON, NEVER),
    ]


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """A partial sum proves nothing."""
    tenant = a_polled_tenant("5x3")
    unknown = replace(tenant.reasons[0], at=tenant.reasons[0].at[:0], held=tenant.reasons[0].held[:0])

    total = sum_of_reasons([tenant.polling, tenant.reasons[0], unknown])

    assert total.series_at(to_epoch_us(NOON), window=span("1h")).value_at(NOON) is None


def test_a_tenant_that_was_never_polled_well_has_no_counts() -> None:
    """Only its failures are known."""
    failed = [
        FailedPoll(at=at("11:55"), cause=Cause.DNS),
        FailedPoll(at=NOON, cause=Cause.TLS, detail="no certificate"),
    ]

    tenant = history_from_polls(ACME, failed, poll_interval=minutes(5))

    shown = tenant.polling.series_at(to_epoch_us(NOON), window=span("1h"))
    assert (tenant.reasons, [*shown.coverage], shown.first_polled_at) == ([], [], None)
    assert shown.poll_failure is not None
    assert (shown.poll_failure.started_at, shown.poll_failure.cause, shown.poll_failure.detail) == (
        at("11:55"),
        Cause.TLS,
        "no certificate",
    )
