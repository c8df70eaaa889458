"""When the service manager hears what: ready, fed, and how the service is, over a real socket and a clock by hand."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.health import Health
from alerter.service.sd_notify import SdNotify
from alerter.service.status_line import AlertCounts
from alerter.service.systemd import COUNTS_SECONDS, FIRST_POLLS, STATUS_SECONDS, WATCHDOG_MARGIN, SystemdStatus
from tests.builders import NOON
from tests.supervisor import Said, Supervisor, a_supervisor
from tests.test_health import Seconds

ACME, OTHER = Tenant("acme"), Tenant("other")
FIVE_MINUTES, HOUR = timedelta(minutes=5), timedelta(hours=1)


class Service(NamedTuple):
    """A service that is supervised, its clock, and what its supervisor was told."""

    supervision: SystemdStatus
    health: Health
    seconds: Seconds
    supervisor: Supervisor

    def look(self) -> None:
        """Look once, at the clock's time."""
        self.supervision.update(now=NOON)

    def complete(self, tenant: Tenant = ACME) -> None:
        """Complete a cycle."""
        self.health.cycle_completed(tenant, seconds=1, cause=None)

    def received(self) -> list[Said]:
        """Return what was said since it was last asked."""
        end = SdNotify(self.supervisor.environment(), pid=1)
        end.notify(END=1)
        self.supervisor.wait_for("END")
        said = [each for each in self.supervisor.said if "END" not in each]
        self.supervisor.said.clear()
        return said

    def be_ready(self) -> None:
        """Become ready, and forget what was said until then."""
        self.complete()
        self.look()
        self.look()
        self.received()


def usec(span: timedelta) -> str:
    """Return a span as systemd takes it, with what the watchdog waits longer."""
    return str((span + WATCHDOG_MARGIN) // timedelta(microseconds=1))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A service manager that keeps what it hears."""
    with a_supervisor(str(tmp_path / "notify")) as supervisor:
        yield supervisor


@pytest.fixture
def service(supervisor: Supervisor) -> Service:
    """A service with one tenant, polled every five minutes, that has begun its first poll."""
    return a_service(supervisor, {ACME: FIVE_MINUTES})


def a_service(supervisor: Supervisor, intervals: Mapping[Tenant, timedelta], *, watchdog: bool = True) -> Service:
    """Return a service that has begun its first polls."""
    seconds = Seconds()
    health = Health(seconds)
    health.set_tenants(intervals)
    systemd = SdNotify(supervisor.environment(watchdog=watchdog), pid=1)
    service = Service(SystemdStatus(systemd, health, monotonic=seconds), health, seconds, supervisor)
    service.supervision.polling()
    service.received()
    return service


def test_it_is_ready_once_every_tenant_was_tried(supervisor: Supervisor) -> None:
    """READY=1 comes with the status and the watchdog's limit; a cycle that failed was an attempt."""
    service = a_service(supervisor, {ACME: FIVE_MINUTES, OTHER: HOUR})

    service.complete()
    service.look()
    too_early = service.received()
    service.health.cycle_failed(OTHER, seconds=1, error="database is locked")
    service.look()
    [ready] = service.received()

    assert too_early == []
    assert ready["READY"] == "1"
    assert ready["WATCHDOG_USEC"] == usec(3 * FIVE_MINUTES)
    assert ready["STATUS"].startswith("DATABASE ERROR, other not stored: database is locked")


def test_tenants_that_hang_do_not_keep_it_from_being_ready(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """After the time that a first poll may take it is ready all the same, and the log says that not all were tried."""
    service.seconds.now += FIRST_POLLS.total_seconds() - 1
    service.look()
    waiting = service.received()
    service.seconds.now += 1
    service.look()

    assert waiting == []
    assert [each["READY"] for each in service.received()] == ["1"]
    assert "ready before every tenant was tried" in caplog.text


def test_each_complete_cycle_feeds_the_watchdog_once(service: Service) -> None:
    """What feeds it is progress, not the passing of time."""
    service.be_ready()

    service.look()
    without_cycle = service.received()
    service.complete()
    service.look()
    service.look()
    fed = service.received()

    assert without_cycle == []
    assert fed == [{"WATCHDOG": "1", "WATCHDOG_USEC": usec(3 * FIVE_MINUTES)}]


def test_cycles_that_are_not_kept_do_not_feed_it(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk is no progress; before the watchdog bites, the log says what is wrong."""
    service.be_ready()

    for _ in range(4):
        service.seconds.now += FIVE_MINUTES.total_seconds()
        service.health.cycle_failed(ACME, seconds=1, error="database or disk is full")
        service.look()
    received = service.received()

    assert not any("WATCHDOG" in each for each in received)
    assert "tenants overdue: acme" in received[-1]["STATUS"]
    assert "tenants overdue tenant_names=acme: the watchdog is not fed any more" in caplog.text


def test_one_tenant_that_hangs_stops_the_feeding_although_others_are_polled(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    """A poller that hangs is ended with the process; until it is overdue, the others' cycles count."""
    caplog.set_level("INFO")
    service = a_service(supervisor, {ACME: FIVE_MINUTES, OTHER: FIVE_MINUTES})
    service.complete(OTHER)
    service.be_ready()

    service.seconds.now += 3 * FIVE_MINUTES.total_seconds()
    service.complete()
    service.look()
    in_time = service.received()
    service.seconds.now += 1
    service.complete()
    service.look()
    too_late = service.received()
    service.complete(OTHER)
    service.look()

    assert any("WATCHDOG" in each for each in in_time)
    assert not any("WATCHDOG" in each for each in too_late)
    assert any("WATCHDOG" in each for each in service.received())
    assert [each.message for each in caplog.records] == [
        "tenants overdue tenant_names=other: the watchdog is not fed any more",
        "no tenant overdue",
    ]


@pytest.mark.parametrize(
    ("interval", "limit"),
    [
        pytest.param(timedelta(seconds=10), timedelta(minutes=2), id="short intervals leave time for a slow poll"),
        pytest.param(FIVE_MINUTES, timedelta(minutes=15), id="five minutes"),
        pytest.param(HOUR, timedelta(hours=3), id="an hour"),
    ],
)
def test_the_watchdog_waits_as_long_as_the_intervals_need(
    supervisor: Supervisor, interval: timedelta, limit: timedelta
) -> None:
    """A service that polls every hour must not be ended after a quarter of one."""
    service = a_service(supervisor, {ACME: interval})
    service.complete()
    service.look()

    assert service.received()[0]["WATCHDOG_USEC"] == usec(limit)


def test_a_longer_interval_holds_at_once_a_shorter_one_from_the_next_complete_cycle_on(service: Service) -> None:
    """The last cycle may be longer ago than the new limit: nobody may be ended for what was right until now."""
    service.be_ready()
    said = []

    for interval in (HOUR, FIVE_MINUTES):
        service.supervision.reloading()
        service.health.set_tenants({ACME: interval})
        service.supervision.reloaded("", now=NOON)
        said.append(service.received()[-1])
    service.complete()
    service.look()

    assert [(each["READY"], each["WATCHDOG_USEC"]) for each in said] == [("1", usec(3 * HOUR)), ("1", usec(3 * HOUR))]
    assert service.received()[0] == {"WATCHDOG": "1", "WATCHDOG_USEC": usec(3 * FIVE_MINUTES)}


def test_a_reload_is_said_from_its_begin_to_its_end(service: Service) -> None:
    """RELOADING=1, then READY=1, also where the configuration was refused; the status says so until it is mended."""
    service.be_ready()

    service.supervision.reloading()
    service.supervision.reloaded("problems: 2, the first at rules.toml:7", now=NOON)
    refused = service.received()
    service.supervision.reloading()
    service.supervision.reloaded("", now=NOON)
    mended = service.received()

    assert [each.get("RELOADING", each.get("READY")) for each in refused] == ["1", "1"]
    assert refused[1]["STATUS"].startswith(
        "configuration rejected at 12:00:00, the one before is in force: problems: 2, the first at rules.toml:7; "
    )
    assert "refused" not in mended[1]["STATUS"]


def test_a_reload_before_it_is_ready_does_not_make_it_ready(service: Service) -> None:
    """Whoever waits for the start waits for the first polls, whatever comes in between."""
    service.supervision.reloading()
    service.supervision.reloaded("", now=NOON)

    assert service.received() == []


def test_what_the_database_says_is_in_the_status_soon(service: Service) -> None:
    """It is asked again when something has happened, though not at every look."""
    service.be_ready()

    service.complete()
    wanted = [service.supervision.needs_counts(), service.supervision.needs_counts()]
    service.supervision.set_counts(AlertCounts(firing={Severity.CRITICAL: 1}, undelivered=2))
    service.seconds.now += STATUS_SECONDS
    service.look()

    assert wanted == [True, False]
    assert service.received()[-1]["STATUS"].endswith("alerts firing: 1 critical; messages undelivered: 2")


def test_what_nothing_has_changed_is_asked_of_the_database_more_rarely(service: Service) -> None:
    """Polls that find nothing new leave it alone; another process may have changed something all the same."""
    wanted = [service.supervision.needs_counts()]

    for waited in (STATUS_SECONDS, COUNTS_SECONDS - STATUS_SECONDS):
        service.complete()
        service.seconds.now += waited
        wanted.append(service.supervision.needs_counts())
    service.supervision.mark_changed()
    for _ in range(2):
        service.seconds.now += STATUS_SECONDS / 2
        wanted.append(service.supervision.needs_counts())

    assert wanted == [True, False, True, False, True]


def test_without_a_watchdog_it_is_not_fed(supervisor: Supervisor) -> None:
    """`WatchdogSec=0` in the unit switches it off."""
    service = a_service(supervisor, {ACME: FIVE_MINUTES}, watchdog=False)
    service.complete()
    service.look()
    service.complete()
    service.look()

    assert all(each.keys() == {"READY", "STATUS"} for each in service.received())


def test_a_long_start_and_a_stop_say_what_they_are_at(service: Service) -> None:
    """An upgrade of a large database asks for more time; a stop says what is waited for."""
    service.supervision.starting("the database gets this version's schema")
    service.supervision.stopping()

    start, stop = service.received()
    assert start["STATUS"] == "starting: the database gets this version's schema"
    assert int(start["EXTEND_TIMEOUT_USEC"]) > 0
    assert stop == {"STOPPING": "1", "STATUS": "stopping: polls and messages in flight may end"}
