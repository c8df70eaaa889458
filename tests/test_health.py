"""What the service knows of its own cycles: which are complete, which tenants are overdue, what deliveries came to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.outbox import Delivery, TargetName
from alerter.core.series import Tenant
from alerter.errors import Cause
from alerter.health import MOST_COMPLAINTS, DeliveryOutcome, Health, PingOutcome
from tests.builders import NOON

ACME, OTHER = Tenant("acme"), Tenant("other")
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
    health.expect({ACME: FIVE_MINUTES})
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
    health.expect({ACME: FIVE_MINUTES, OTHER: FIVE_MINUTES})
    seconds.now += 301

    assert health.overdue() == (ACME,)


def test_short_intervals_leave_a_poll_the_time_that_it_may_take(seconds: Seconds) -> None:
    """With a poll every ten seconds, one that hangs for its deadline is not yet a reason to end the process."""
    health = Health(seconds)
    health.expect({ACME: timedelta(seconds=10)})
    seconds.now += 100

    assert health.overdue() == ()


def test_a_cycle_that_was_not_kept_does_not_count(health: Health, seconds: Seconds) -> None:
    """A locked database fails cycle after cycle: none of them is progress."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 901
    completed = health.completed_cycles()
    health.cycle_failed(ACME, seconds=2, error="database is locked")

    assert (completed, health.completed_cycles()) == (1, 1)
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
    health.expect({ACME: FIVE_MINUTES, OTHER: FIVE_MINUTES})
    health.cycle_completed(ACME, seconds=1, cause=None)
    halfway = health.has_tried_all()
    health.cycle_failed(OTHER, seconds=1, error="database is locked")

    assert not halfway
    assert health.has_tried_all()


def test_a_removed_tenant_is_forgotten(health: Health, seconds: Seconds) -> None:
    """Its last cycle, which may end after the reload that removed it, leaves nothing behind."""
    health.expect({OTHER: FIVE_MINUTES})
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 10_000

    assert health.newest_cycles() == {}
    assert health.overdue() == (OTHER,)


def test_a_new_interval_has_all_of_its_time(health: Health, seconds: Seconds) -> None:
    """A reload from an hour to a minute must not find the tenant overdue because its last cycle is half an hour old."""
    health.expect({ACME: timedelta(hours=1)})
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 1800
    health.expect({ACME: timedelta(minutes=1)})
    after_reload = health.overdue()
    seconds.now += 181

    assert after_reload == ()
    assert health.overdue() == (ACME,)


def test_after_a_sleep_everybody_has_all_of_their_time(health: Health, seconds: Seconds) -> None:
    """A machine that was suspended for a night has polled nobody, and nobody is to blame."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    seconds.now += 8 * 3600
    asleep = health.overdue()
    health.expect_anew()

    assert asleep == (ACME,)
    assert health.overdue() == ()


def test_patience_is_that_for_the_tenant_that_is_polled_most(health: Health) -> None:
    """As long as it is polled, there is progress."""
    health.expect({ACME: timedelta(hours=1), OTHER: FIVE_MINUTES})

    assert (health.tenant_count(), health.shortest_patience()) == (2, 3 * FIVE_MINUTES)


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
    tried = Delivery(
        id=1, message_id="M", target=TargetName("secops/slack"), created_at=NOON, attempts=1, next_attempt_at=NOON
    )

    health.delivery_tried(change(tried))

    assert health.deliveries() == dict.fromkeys(DeliveryOutcome, 0) | {outcome: 1}


@pytest.mark.parametrize(
    ("seconds_since", "error", "complaint"),
    [
        pytest.param(900, "", (), id="three intervals after a complete cycle"),
        pytest.param(901, "", ("acme: no complete cycle for 15m1s",), id="later than that"),
        pytest.param(
            10,
            "disk is full",
            ("acme: the last cycle was not completed: disk is full",),
            id="after one that failed",
        ),
        pytest.param(
            3700, "disk is full", ("acme: no complete cycle for 1h1m40s: disk is full",), id="after many that failed"
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

    assert health.complaints() == complaint


def test_a_complaint_ends_with_a_complete_cycle(health: Health) -> None:
    """What is over is not told."""
    health.cycle_failed(ACME, seconds=1, error="database is locked")
    health.cycle_completed(ACME, seconds=1, cause=None)

    assert health.complaints() == ()


def test_of_many_complaints_the_first_are_told(health: Health) -> None:
    """When a database is gone, all of thousands of tenants say the same."""
    tenants = [Tenant(f"tenant-{number:02}") for number in range(13)]
    health.expect(dict.fromkeys(tenants, FIVE_MINUTES))
    for tenant in tenants:
        health.cycle_failed(tenant, seconds=1, error="disk is full")

    complaints = health.complaints()

    assert len(complaints) == MOST_COMPLAINTS + 1
    assert complaints[-1] == "and 3 more"


def test_pings_are_counted_by_outcome(health: Health) -> None:
    """A heartbeat that is not heard can be seen as well."""
    health.ping_tried(PingOutcome.FAILED)

    assert health.pings() == {PingOutcome.SENT: 0, PingOutcome.FAILED: 1}


def test_a_new_interval_counts_from_the_reload_on(health: Health, seconds: Seconds) -> None:
    """A tenant that is now polled once an hour is not overdue after a quarter of one."""
    health.cycle_completed(ACME, seconds=1, cause=None)
    health.expect({ACME: timedelta(hours=1)})
    seconds.now += 901

    assert health.overdue() == ()
