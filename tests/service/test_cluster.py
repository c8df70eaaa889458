"""An instance's part in a database: when it acts, when it stops by itself, and how it comes back."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from alerter.core.series import Tenant
from alerter.errors import StoreError
from alerter.service.cluster import Cluster
from alerter.service.membership import Clocks, Membership, SingleNode
from alerter.service.wiring import open_membership
from alerter.storage import Store
from alerter.storage.tables import HEAD
from tests.builders import NOON, minutes, span
from tests.fakes import FakeClock

INTERVALS = {Tenant(name): minutes(5) for name in ("acme", "umbrella", "initech")}
BRIEF = dict.fromkeys(INTERVALS, span("10s"))
#: No thread renews anything within a test.
NEVER = 1e6


@dataclass
class Machine:
    """The clocks of one machine, moved by hand."""

    clock: FakeClock = field(default_factory=FakeClock)
    seconds: float = 1000.0

    def clocks(self) -> Clocks:
        """Return them."""
        return Clocks(now=self.clock, seconds=lambda: self.seconds)


@dataclass
class Instance:
    """An instance, with its own store and machine."""

    sharing: Cluster
    store: Store
    machine: Machine

    def share(self) -> list[Tenant]:
        """Return whom it polls."""
        return [*self.sharing.own_tenants(INTERVALS)]


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def begin(postgresql_url: str) -> Iterator[Callable[[], Instance]]:
    """Return a function that makes an instance, which takes part until the end of the test."""
    with ExitStack() as stack:

        def instance() -> Instance:
            store, machine = stack.enter_context(closing(Store(postgresql_url))), Machine()
            leases = store.leases()
            assert leases is not None
            sharing = Cluster(
                store, leases, machine.clocks(), name="host", version="1", changed=nothing, beat_seconds=NEVER
            )
            stack.enter_context(sharing.join())
            return Instance(sharing, store, machine)

        yield instance


@pytest.fixture
def one(begin: Callable[[], Instance]) -> Instance:
    """Return an instance that polls three tenants every five minutes."""
    instance = begin()
    instance.sharing.apply_config("same", INTERVALS)
    return instance


def execute(url: str, statement: str) -> None:
    """Change a database behind everybody's back."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement.encode())


def break_calls(url: str) -> None:
    """End every connection to the database, once."""
    execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'alerter'")


def test_one_instance_polls_everything(one: Instance) -> None:
    """In the configuration's order; a look says once that this is new."""
    assert one.share() == [*INTERVALS]
    assert [one.sharing.refresh(), one.sharing.refresh()] == [True, False]
    assert (one.sharing.may_act(), one.sharing.fatal_reason()) == (True, "")
    assert one.sharing.summary() == "instances: 1, tenants here: 3 of 3"


def test_two_instances_share(one: Instance, begin: Callable[[], Instance]) -> None:
    """Each has its part within two beats, and goes on when the other one stops."""
    other = begin()
    other.sharing.apply_config("same", INTERVALS)
    one.sharing.renew()
    other.sharing.renew()

    assert sorted(one.share() + other.share()) == sorted(INTERVALS)
    assert (len(one.share()), len(other.share())) == (2, 1)
    assert other.sharing.summary() == "instances: 2, tenants here: 1 of 3"


def test_an_instance_that_stops_leaves_everything_at_once(one: Instance, postgresql_url: str) -> None:
    """The next one does not wait for leases to run out."""
    store = Store(postgresql_url)
    with closing(store):
        leaving = open_membership(store, Machine().clocks(), name="host", version="1", changed=nothing)
        with leaving.join():
            leaving.apply_config("same", INTERVALS)
            one.sharing.renew()
            assert len(one.share()) == 2
        one.sharing.renew()

    assert one.share() == [*INTERVALS]


def test_an_instance_that_did_not_renew_in_time_does_nothing(one: Instance, caplog: pytest.LogCaptureFixture) -> None:
    """It stops by itself, before others may begin: by its own seconds, without asking anybody."""
    one.sharing.refresh()
    one.machine.seconds += 29
    before = one.sharing.may_act()
    one.machine.seconds += 0.6

    assert (before, one.sharing.may_act()) == (True, False)
    assert one.sharing.refresh()
    assert one.share() == []
    assert "its leases were not renewed in time" in one.sharing.fatal_reason()
    assert "database unreachable" in one.sharing.summary()
    assert [record.message.partition(":")[0] for record in caplog.records if record.levelno == logging.ERROR] == [
        "database unreachable, polling and sending stopped"
    ]
    with one.store.write() as transaction:
        assert not transaction.leases.state().is_member


def test_an_instance_that_was_cut_off_comes_back_by_itself(one: Instance) -> None:
    """As another life, so that nothing of the one before is kept."""
    one.sharing.refresh()
    one.machine.seconds += 60
    one.sharing.refresh()

    one.sharing.renew()

    assert one.sharing.refresh()
    assert (one.share(), one.sharing.fatal_reason()) == ([*INTERVALS], "")
    with one.store.read() as reader:
        assert [each.is_alive for each in reader.leases.instances()] == [True]


def test_a_short_interval_makes_short_leases(one: Instance) -> None:
    """Nobody who is dead keeps a tenant for two intervals; the lease that was given for longer is as it was."""
    one.sharing.apply_config("same", BRIEF)
    one.machine.seconds += 9

    assert one.sharing.may_act()
    one.machine.seconds += 1
    assert not one.sharing.may_act()


def test_a_renewal_that_fails_is_tried_again(
    one: Instance, postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For as long as the leases last nothing is lost."""
    one.machine.seconds += 5
    execute(postgresql_url, "ALTER TABLE leases RENAME TO elsewhere")
    try:
        one.sharing.renew()
    finally:
        execute(postgresql_url, "ALTER TABLE elsewhere RENAME TO leases")

    assert "leases not renewed" in caplog.text
    assert one.sharing.may_act()
    break_calls(postgresql_url)
    one.sharing.renew()
    one.machine.seconds += 26
    assert one.sharing.may_act()


def test_a_server_that_does_not_know_a_lease_gets_it(one: Instance, postgresql_url: str) -> None:
    """After a failover the new server may lack what the old one had committed last; an error is the sign of one."""
    execute(postgresql_url, "ALTER TABLE leases RENAME TO elsewhere")
    one.sharing.renew()
    execute(postgresql_url, "ALTER TABLE elsewhere RENAME TO leases")
    execute(postgresql_url, "DELETE FROM leases")

    one.sharing.renew()

    assert one.share() == [*INTERVALS]


def test_a_reload_reaches_the_others_at_once(
    one: Instance, begin: Callable[[], Instance], caplog: pytest.LogCaptureFixture
) -> None:
    """From then on both know that they differ, and say so loudly; until the second one has been reloaded, too."""
    other = begin()
    other.sharing.apply_config("same", INTERVALS)
    one.sharing.renew()

    one.sharing.apply_config("changed", INTERVALS)
    other.sharing.renew()
    with other.store.write() as transaction:
        differs = transaction.leases.state()
    assert "configurations differ" in caplog.text
    assert "DIFFER" in other.sharing.summary()
    other.sharing.refresh()
    other.sharing.apply_config("changed", INTERVALS)

    assert not differs.may_resolve_removed
    assert other.sharing.refresh()
    with other.store.write() as transaction:
        assert transaction.leases.state().may_resolve_removed


def test_a_removed_tenant_is_polled_no_more_and_a_new_one_is(one: Instance) -> None:
    """A reload says so, and the leases follow."""
    fewer = {name: every for name, every in INTERVALS.items() if name != "acme"} | {Tenant("new"): minutes(5)}

    one.sharing.apply_config("changed", fewer)

    assert [*one.sharing.own_tenants(fewer)] == ["umbrella", "initech", "new"]


def test_deliveries_wait_by_the_clock_of_the_database(
    one: Instance, begin: Callable[[], Instance], caplog: pytest.LogCaptureFixture
) -> None:
    """Machines whose clocks differ agree on when a message is due; the difference is said."""
    ahead = begin()
    ahead.machine.clock.now = NOON + timedelta(days=365)
    ahead.sharing.apply_config("same", INTERVALS)

    apart = ahead.sharing.clock() - one.sharing.clock()
    before = one.sharing.clock()
    one.machine.seconds += 10

    assert abs(apart) < span("30s")
    assert one.sharing.clock() - before == span("10s")
    assert "the clock differs" in caplog.text


def test_an_instance_of_an_older_version_ends(one: Instance, postgresql_url: str) -> None:
    """It cannot know what a newer schema means; its supervisor starts whatever is installed by then."""
    execute(postgresql_url, "UPDATE alembic_version SET version_num = '9999'")
    try:
        one.sharing.renew()
        with pytest.raises(StoreError, match="another schema by now"):
            one.sharing.refresh()
    finally:
        execute(postgresql_url, f"UPDATE alembic_version SET version_num = '{HEAD}'")  # noqa: S608 - a number of ours
    assert one.share() == []


def test_a_renewal_that_hangs_is_ended_after_some_looks(one: Instance, postgresql_url: str) -> None:
    """What is between here and the server may take everything and answer nothing."""
    with closing(psycopg.connect(postgresql_url)) as blocking:
        blocking.execute("LOCK TABLE instances IN ACCESS EXCLUSIVE MODE")
        beating = threading.Thread(target=one.sharing.renew)
        beating.start()
        for _ in range(1000):
            if not beating.is_alive():
                break
            one.sharing.check_deadline()
            beating.join(0.01)
    beating.join(20)

    assert "server" in one.sharing.fatal_reason() or one.sharing.may_act()
    assert not beating.is_alive()
    one.sharing.renew()
    assert one.sharing.may_act()


def test_a_file_belongs_to_one_daemon(sqlite_url: str) -> None:
    """It polls everything, always, by its own clock; a second one is refused."""
    machine = Machine()
    with closing(Store(sqlite_url)) as store:
        sharing = open_membership(store, machine.clocks(), name="host", version="1", changed=nothing)
        assert isinstance(sharing, SingleNode)
        with sharing.join():
            sharing.apply_config("same", INTERVALS)
            assert sharing.own_tenants(INTERVALS) == INTERVALS
            assert (sharing.refresh(), sharing.may_act(), sharing.fatal_reason(), sharing.summary()) == (
                False,
                True,
                "",
                "",
            )
            assert sharing.clock() == NOON
            with pytest.raises(StoreError, match="another alerter"), store.lock():
                pass


def test_a_file_that_is_not_ours_any_more_ends_the_daemon(sqlite_url: str) -> None:
    """Found within half a minute."""
    machine = Machine()
    lock = Path(f"{sqlite_url.removeprefix('sqlite:///')}.lock")
    with closing(Store(sqlite_url)) as store:
        sharing: Membership = SingleNode(store, machine.clocks())
        with sharing.join():
            sharing.refresh()
            lock.unlink()
            sharing.refresh()
            machine.seconds += 31
            with pytest.raises(StoreError, match="has gone"):
                sharing.refresh()
