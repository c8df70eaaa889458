"""What the service knows of its own cycles: which are complete, which tenants are overdue, what deliveries came to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.outbox import Delivery, TargetName
from alerter.core.routes import TargetId
from alerter.core.series import Tenant
from alerter.errors import Cause
from alerter.health import (
    DURATION_BOUNDS,
    ENOUGH_TENANTS,
    MAX_COMPLAINTS,
    ConfigRecord,
    DeliveryOutcome,
    Health,
    PingOutcome,
)
from tests.builders import NOON, a_snapshot

ACME, OTHER = Tenant("acme"), Tenant("other")
SLACK, TEAMS = TargetName("secops/slack"), TargetName("secops/workflows")
FIVE_MINUTES = timedelta(minutes=5)


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """The clock of a test."""
    return Seconds()


@pytest.fixture
def health(seconds: Seconds) -> Health:
    """A service that polls one tenant every five minutes."""
    health = Health(seconds)
    health.set_tenants({ACME: FIVE_MINUTES})
    return health


def test_a_tenant_is_overdue_three_intervals_after_its_newest_complete_cycle(health: Health, seconds: Seconds) -> None:
    """Up to three intervals it may be late; from then on somebody must notice."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 900
    on_time = health.overdue()
    seconds.now += 1

    assert on_time == ()
    assert health.overdue() == (ACME,)


def test_a_tenant_that_was_never_polled_is_overdue_too(health: Health, seconds: Seconds) -> None:
    """What counts for a tenant without any cycle is since when it should have had one, also across reloads."""
    seconds.now += 600
    health.set_tenants({ACME: FIVE_MINUTES, OTHER: FIVE_MINUTES})
    seconds.now += 301

    assert health.overdue() == (ACME,)


def test_short_intervals_leave_a_poll_the_time_that_it_may_take(seconds: Seconds) -> None:
    """With a poll every ten seconds, one that hangs for its deadline is not yet a reason to end the process."""
    health = Health(seconds)
    health.set_tenants({ACME: timedelta(seconds=10)})
    seconds.now += 100

    assert health.overdue() == ()


def test_a_cycle_that_was_not_kept_does_not_count(health: Health, seconds: Seconds) -> None:
    """A locked database fails cycle after cycle: none of them is progress."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 901
    completed = health.progress()
    health.cycle_failed(ACME, seconds=2, error="database is locked")

    assert (completed, health.progress()) == (1, 1)
    record = health.newest_cycles()[ACME]
    assert (record.is_complete, record.error) == (False, "database is locked")
    assert health.overdue() == (ACME,)


def test_a_failed_poll_is_a_complete_cycle(health: Health, seconds: Seconds) -> None:
    """That Mimecast cannot be reached is known, kept and told: the service does its work."""
    seconds.now += 901
    health.cycle_completed(ACME, seconds=1, cause=Cause.TIMEOUT)

    assert health.newest_cycles()[ACME].is_complete
    assert health.overdue() == ()


def test_all_were_tried_when_each_tenant_had_a_cycle(health: Health) -> None:
    """Whether it was complete or not: an attempt is an attempt."""
    health.set_tenants({ACME: FIVE_MINUTES, OTHER: FIVE_MINUTES})
    health.cycle_completed(ACME, seconds=1, cause=None)
    halfway = health.all_polled_once()
    health.cycle_failed(OTHER, seconds=1, error="database is locked")

    assert not halfway
    assert health.all_polled_once()


def test_of_thousands_a_few_cycles_tell_that_all_is_in_place(health: Health) -> None:
    """Their first polls are spread over minutes; nobody waits for the last one to call the service ready."""
    tenants = [Tenant(f"customer-{number}") for number in range(10_000)]
    health.set_tenants(dict.fromkeys(tenants, FIVE_MINUTES))
    for tenant in tenants[: ENOUGH_TENANTS - 1]:
        health.cycle_completed(tenant, seconds=1, cause=None)
    before = health.all_polled_once()
    health.cycle_completed(tenants[-1], seconds=1, cause=None)

    assert not before
    assert health.all_polled_once()


def test_whoever_is_polled_last_after_a_start_is_not_overdue_before(health: Health, seconds: Seconds) -> None:
    """A first round over minutes is no standstill; nor is one after the machine has slept."""
    health.set_tenants({OTHER: timedelta(minutes=1)}, begun_within=timedelta(seconds=200))
    seconds.now += 200 + 180
    in_time = health.overdue()
    health.restart_expectations(begun_within=timedelta(seconds=200))
    seconds.now += 200 + 180
    after_sleep = health.overdue()
    seconds.now += 1

    assert (in_time, after_sleep, health.overdue()) == ((), (), (OTHER,))


def test_a_removed_tenant_is_forgotten(health: Health, seconds: Seconds) -> None:
    """Its last cycle, which may end after the reload that removed it, leaves nothing behind."""
    health.set_tenants({OTHER: FIVE_MINUTES})
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 10_000

    assert health.newest_cycles() == {}
    assert health.overdue() == (OTHER,)


def test_a_new_interval_has_all_of_its_time(health: Health, seconds: Seconds) -> None:
    """A reload from an hour to a minute must not find the tenant overdue because its last cycle is half an hour old."""
    health.set_tenants({ACME: timedelta(hours=1)})
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 1800
    health.set_tenants({ACME: timedelta(minutes=1)})
    after_reload = health.overdue()
    seconds.now += 181

    assert after_reload == ()
    assert health.overdue() == (ACME,)


def test_after_a_sleep_everybody_has_all_of_their_time(health: Health, seconds: Seconds) -> None:
    """A machine that was suspended for a night has polled nobody, and nobody is to blame."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 8 * 3600
    asleep = health.overdue()
    health.restart_expectations()

    assert asleep == (ACME,)
    assert health.overdue() == ()


def test_patience_is_that_for_the_tenant_that_is_polled_most(health: Health) -> None:
    """As long as it is polled, there is progress."""
    health.set_tenants({ACME: timedelta(hours=1), OTHER: FIVE_MINUTES})

    assert (health.tenant_count(), health.min_deadline()) == (2, 3 * FIVE_MINUTES)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        pytest.param(lambda each: replace(each, sent_at=NOON), DeliveryOutcome.SENT, id="it was taken"),
        pytest.param(lambda each: each, DeliveryOutcome.FAILED, id="it will be tried again"),
        pytest.param(lambda each: replace(each, dead_at=NOON), DeliveryOutcome.DEAD, id="it was given up"),
    ],
)
def test_attempts_are_counted_by_outcome(
    health: Health, change: Callable[[Delivery], Delivery], outcome: DeliveryOutcome
) -> None:
    """What the metrics show, every outcome from the start on, so that a rate can be computed of it."""
    health.config_loaded([SLACK, TEAMS], now=NOON)
    tried = Delivery(
        id=1, message_id="M", target=SLACK, target_id=TargetId("a"), created_at=NOON, attempts=1, next_attempt_at=NOON
    )

    health.record_delivery(change(tried))

    none = {(target, each): 0 for target in (SLACK, TEAMS) for each in DeliveryOutcome}
    assert health.deliveries() == none | {(SLACK, outcome): 1}


def test_a_target_that_a_reload_removed_is_forgotten(health: Health) -> None:
    """The metrics have the targets of the configuration that is in force."""
    health.config_loaded([SLACK], now=NOON)
    health.record_delivery(
        Delivery(
            id=1,
            message_id="M",
            target=SLACK,
            target_id=TargetId("a"),
            created_at=NOON,
            attempts=1,
            next_attempt_at=NOON,
            sent_at=NOON,
        )
    )

    health.config_loaded([TEAMS], now=NOON)

    assert {target for target, _ in health.deliveries()} == {TEAMS}


def test_what_is_held_is_known_for_as_long_as_it_can_be_true(health: Health, seconds: Seconds) -> None:
    """Three intervals after the last successful poll it is unknown, though failed polls go on; never zero."""
    health.track_reasons(is_wanted=True)
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({"Spam": 5, "Links": 2}))
    seconds.now += 900
    health.cycle_completed(ACME, seconds=1, cause=Cause.DNS)
    (known,) = health.tenants()
    seconds.now += 1
    (forgotten,) = health.tenants()

    assert (known.held, known.held_count) == ({"Spam": 5, "Links": 2}, 7)
    assert (forgotten.held, forgotten.held_count) == (None, None)
    assert (forgotten.last_success_at, forgotten.polls, forgotten.failures) == (NOON, 2, {Cause.DNS: 1})


def test_nothing_held_is_known_too(health: Health) -> None:
    """A good poll that saw nothing is a zero that was proven."""
    health.track_reasons(is_wanted=True)
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({}))

    (record,) = health.tenants()

    assert (record.held, record.held_count) == ({}, 0)


def test_reasons_are_kept_only_while_somebody_wants_them(health: Health) -> None:
    """They are most of the memory of thousands of tenants; the sum is not."""
    snapshot = a_snapshot({"Spam": 5})
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=snapshot)
    unwanted = health.tenants()[0]
    health.track_reasons(is_wanted=True)
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=snapshot)
    wanted = health.tenants()[0]
    health.track_reasons(is_wanted=False)

    assert [each.held for each in (unwanted, wanted, health.tenants()[0])] == [None, {"Spam": 5}, None]
    assert unwanted.held_count == 5


def test_the_last_good_poll_of_an_earlier_process_is_remembered(health: Health) -> None:
    """A restart while Mimecast cannot be reached must not look like a tenant that was never polled."""
    earlier = NOON - timedelta(hours=2)
    health.set_last_polls({ACME: earlier, OTHER: earlier})
    remembered = health.tenants()[0].last_success_at
    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({}))
    health.set_last_polls({ACME: earlier})

    assert remembered == earlier
    assert [each.last_success_at for each in health.tenants()] == [NOON]


def test_cycles_are_counted_by_how_long_they_took(health: Health) -> None:
    """Each in the first bound that it does not exceed, failed ones as well."""
    for taken in (0.1, 0.11, 41.0):
        health.cycle_completed(ACME, seconds=taken, cause=None)
    health.cycle_failed(ACME, seconds=0.2, error="database is locked")

    durations = health.durations()

    assert dict(zip((*DURATION_BOUNDS, None), durations.counts, strict=True)) == {
        bound: {0.1: 1, 0.25: 2, None: 1}.get(bound, 0) for bound in (*DURATION_BOUNDS, None)
    }
    assert durations.seconds == pytest.approx(41.41)
    assert (health.progress(), health.failed_cycles()) == (3, 1)


def test_a_refused_configuration_leaves_the_one_before_in_force(health: Health) -> None:
    """And the next one that is taken is."""
    health.config_rejected()
    before = health.configuration()
    health.config_loaded([], now=NOON)
    health.config_rejected()
    refused = health.configuration()
    health.config_loaded([], now=NOON + FIVE_MINUTES)

    assert before is None
    assert refused == ConfigRecord(is_in_force=False, loaded_at=NOON)
    assert health.configuration() == ConfigRecord(is_in_force=True, loaded_at=NOON + FIVE_MINUTES)


def test_a_removed_tenant_is_not_counted(health: Health) -> None:
    """What its last cycle saw leaves nothing behind."""
    health.set_tenants({OTHER: FIVE_MINUTES})

    health.cycle_completed(ACME, seconds=1, cause=None, snapshot=a_snapshot({"Spam": 1}))

    assert [(each.tenant, each.polls) for each in health.tenants()] == [(OTHER, 0)]


@pytest.mark.parametrize(
    ("seconds_since", "error", "complaint"),
    [
        pytest.param(900, "", (), id="three intervals after a complete cycle"),
        pytest.param(901, "", ("acme: no complete cycle for 15m 1s",), id="later than that"),
        pytest.param(
            10,
            "disk is full",
            ("acme: the last cycle was not completed: disk is full",),
            id="after one that failed",
        ),
        pytest.param(
            3700, "disk is full", ("acme: no complete cycle for 1h 1m 40s: disk is full",), id="after many that failed"
        ),
    ],
)
def test_the_service_complains_of_itself(
    *, health: Health, seconds: Seconds, seconds_since: int, error: str, complaint: tuple[str, ...]
) -> None:
    """What the heartbeat says, and why `/healthz` says that it is not well."""
    health.cycle_completed(ACME, seconds=1, cause=Cause.TIMEOUT)
    seconds.now += seconds_since
    if error:
        health.cycle_failed(ACME, seconds=1, error=error)

    assert health.problems() == complaint


def test_a_complaint_ends_with_a_complete_cycle(health: Health) -> None:
    """What is over is not told."""
    health.cycle_failed(ACME, seconds=1, error="database is locked")
    health.cycle_completed(ACME, seconds=1, cause=None)

    assert health.problems() == ()


def test_what_is_wrong_with_many_tenants_is_told_once(health: Health) -> None:
    """When a database is gone, all of thousands say the same, which must not hide what another one says."""
    tenants = [Tenant(f"tenant-{number:04}") for number in range(3000)]
    health.set_tenants(dict.fromkeys(tenants, FIVE_MINUTES))
    for tenant in tenants:
        health.cycle_failed(tenant, seconds=1, error="disk is full")
    health.cycle_failed(tenants[2999], seconds=1, error="a bug in alerter")

    assert health.problems() == (
        "tenant-0000 and 2,998 more: the last cycle was not completed: disk is full",
        "tenant-2999: the last cycle was not completed: a bug in alerter",
    )


def test_of_many_complaints_the_first_are_told(health: Health) -> None:
    """A page is read by people; the log has all."""
    tenants = [Tenant(f"tenant-{number:02}") for number in range(13)]
    health.set_tenants(dict.fromkeys(tenants, FIVE_MINUTES))
    for number, tenant in enumerate(tenants):
        health.cycle_failed(tenant, seconds=1, error=f"page {number} is damaged")

    complaints = health.problems()

    assert len(complaints) == MAX_COMPLAINTS + 1
    assert complaints[-1] == "and 3 more"


def test_pings_are_counted_by_outcome(health: Health) -> None:
    """A heartbeat that is not heard can be seen as well."""
    health.record_ping(PingOutcome.FAILED)

    assert health.pings() == {PingOutcome.SENT: 0, PingOutcome.FAILED: 1}


def test_a_new_interval_counts_from_the_reload_on(health: Health, seconds: Seconds) -> None:
    """A tenant that is now polled once an hour is not overdue after a quarter of one."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    health.set_tenants({ACME: timedelta(hours=1)})
    seconds.now += 901

    assert health.overdue() == ()


def test_an_instance_that_is_cut_off_complains_of_that_first(health: Health, seconds: Seconds) -> None:
    """It has no tenants then, so that none of them is overdue; whoever asks must hear of it all the same."""
    health.set_tenants({})
    seconds.now += 3600

    health.set_fatal("cut off from the database")
    complaints = health.problems()
    health.set_fatal("")

    assert complaints == ("cut off from the database",)
    assert health.problems() == ()


def test_to_stand_by_is_progress_and_no_cycle(health: Health) -> None:
    """Others poll every tenant: the watchdog is fed, and no cycle is counted that was none."""
    before = health.progress()

    health.mark_standby()

    assert health.progress() > before
    assert sum(health.durations().counts) == 0
