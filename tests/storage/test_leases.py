"""Instances on one PostgreSQL, and whose polls are whose: on a real server, with its real clock."""

import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import make_url

from alerter.core.outbox import after_success, claim, due_deliveries
from alerter.core.series import ALL_TENANTS, Tenant
from alerter.core.sharding import MAX_LEASE, LeaseState
from alerter.errors import StoreError
from alerter.jobs.deliver import release_claims
from alerter.storage import LeaseRenewal, Leases, OwnInstance, Store
from alerter.storage.tables import HEAD
from tests.builders import NOON, span
from tests.storage.stored import enqueue

NAMES = [Tenant(f"t{number}") for number in range(6)]
MATCH_ALL = frozenset({*NAMES, ALL_TENANTS})


class Party:
    """One instance, driven by hand."""

    def __init__(self, url: str, *, configuration: str = "same", lasting: str = "10s") -> None:
        self.store = Store(url)
        leases = self.store.leases()
        assert leases is not None
        self.leases: Leases = leases
        self.lasting = span(lasting)
        self.configuration = configuration
        self.held: Collection[Tenant] = ()
        self.member = OwnInstance(number=0, configuration=configuration)

    def join(self) -> int:
        """Begin a life, and return its number."""
        self.leases.add_tenants(NAMES)
        self.member = self.leases.join(
            "host", "1", self.configuration, lasting=self.lasting, instead_of=self.member.number
        )
        self.store.use_leases_of(self.member)
        self.held = ()
        return self.member.number

    def renew(self, wanted: Collection[Tenant] = NAMES) -> LeaseRenewal | None:
        """Renew, and remember what is held."""
        renewal = self.leases.renew(self.member, wanted, self.held, lasting=self.lasting)
        self.held = renewal.owned if renewal is not None else ()
        return renewal

    def lease_state(self, *tenants: Tenant) -> LeaseState:
        """Return what it may do in a transaction."""
        with self.store.write() as transaction:
            return transaction.leases.state(tenants)


@pytest.fixture
def parties(postgresql_url: str) -> Iterator[list[Party]]:
    """Yield two instances that have not joined yet."""
    both = [Party(postgresql_url) for _ in range(2)]
    yield both
    for party in both:
        party.store.close()


@pytest.fixture
def one(parties: list[Party]) -> Party:
    """Return an instance that has joined and holds everything."""
    parties[0].join()
    parties[0].renew()
    return parties[0]


@pytest.fixture
def other(parties: list[Party]) -> Party:
    """Return another instance."""
    return parties[1]


def execute(url: str, statement: str) -> None:
    """Change a database behind everybody's back."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement.encode())


def expire(party: Party, url: str) -> None:
    """Let the time of an instance be up."""
    execute(url, f"UPDATE instances SET alive_until = 0 WHERE id = {party.member.number}")  # noqa: S608 - a number of ours


def test_the_first_one_holds_everything_and_leads(one: Party) -> None:
    """The same as on a database that is not shared."""
    assert one.held == MATCH_ALL
    assert one.lease_state(*NAMES) == LeaseState(
        is_member=True, tenants=frozenset(NAMES), is_leader=True, configs_match=True
    )


def test_a_second_one_gets_its_half(one: Party, other: Party) -> None:
    """What one gives up the other takes: no tenant has two holders, none is left over, one of them leads."""
    other.join()
    other.renew()
    assert other.held == frozenset()

    one.renew()
    other.renew()

    assert (len(set(one.held) - {ALL_TENANTS}), len(other.held)) == (3, 3)
    assert set(one.held) | set(other.held) == MATCH_ALL
    assert not set(one.held) & set(other.held)


def test_a_poll_is_kept_by_its_holder_alone(one: Party, other: Party) -> None:
    """Every other instance is told which of them it may not keep."""
    other.join()
    for party in (one, other):
        party.renew()

    assert one.lease_state(*NAMES).tenants == set(NAMES[:3])
    assert other.lease_state(*NAMES).tenants == set(NAMES[3:])
    assert not other.lease_state().is_leader


def test_the_leases_of_one_that_died_are_taken_by_another(one: Party, other: Party, postgresql_url: str) -> None:
    """Its time is up, and it commits nothing more: not even what it had in hand."""
    other.join()
    other.renew()

    expire(one, postgresql_url)
    other.renew()

    assert other.held == MATCH_ALL
    assert one.lease_state(*NAMES) == LeaseState(is_member=False)


def test_a_life_that_is_over_never_comes_back(one: Party, postgresql_url: str) -> None:
    """Though nobody took its place: it begins another one, whose number is higher, and without leases."""
    first = one.member.number
    expire(one, postgresql_url)

    assert one.renew() is None
    assert one.lease_state(*NAMES) == LeaseState(is_member=False)
    assert one.join() > first
    assert one.lease_state(*NAMES).tenants == frozenset()
    assert one.renew() is not None
    assert one.held == MATCH_ALL


def test_a_clean_stop_frees_everything_at_once(one: Party, other: Party) -> None:
    """Nobody waits for leases to run out."""
    other.join()

    one.leases.leave(one.member)
    other.renew()

    assert other.held == MATCH_ALL


def test_nobody_takes_what_a_poll_is_being_kept_of(one: Party, other: Party, postgresql_url: str) -> None:
    """However late that comes to its end, and however long the time has been up: the others do not wait for it."""
    other.join()

    with one.store.write() as transaction:
        assert transaction.leases.state(NAMES[:2]).tenants == set(NAMES[:2])
        expire(one, postgresql_url)
        other.renew()
        assert other.held == MATCH_ALL - set(NAMES[:2])
    other.renew()

    assert other.held == MATCH_ALL


def test_two_that_take_at_the_same_time_get_different_ones(parties: list[Party]) -> None:
    """Each skips what the other is just taking, and none of them waits."""
    for party in parties:
        party.join()
    both = threading.Barrier(2)

    def renew(party: Party) -> None:
        both.wait()
        for _ in range(3):
            party.renew()

    threads = [threading.Thread(target=renew, args=(party,)) for party in parties]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    first, second = (set(party.held) for party in parties)
    assert first | second == MATCH_ALL
    assert not first & second


def test_others_are_not_given_to_who_is_configured_otherwise(one: Party, postgresql_url: str) -> None:
    """It has no say in sums either, and all see that they differ; the leader has."""
    different = Party(postgresql_url, configuration="other")
    with closing(different.store):
        different.join()
        different.renew()
        one.renew()

        assert (one.held, different.held) == (MATCH_ALL, frozenset())
        assert (one.lease_state().may_evaluate_global_rules, one.lease_state().may_resolve_removed) == (True, False)
        assert not different.lease_state().may_evaluate_global_rules


def test_a_newer_schema_is_left_to_newer_instances(one: Party, postgresql_url: str) -> None:
    """From the moment of an upgrade on an older alerter commits nothing."""
    execute(postgresql_url, "UPDATE alembic_version SET version_num = '9999'")
    try:
        assert one.lease_state(*NAMES) == LeaseState(is_member=False)
        assert one.renew() is None
    finally:
        execute(postgresql_url, f"UPDATE alembic_version SET version_num = '{HEAD}'")  # noqa: S608 - a number of ours


def test_a_lease_that_ends_too_late_is_none(one: Party, other: Party, postgresql_url: str) -> None:
    """The database's clock was set back by an hour: nobody waits an hour for somebody who died before that."""
    assert one.held == MATCH_ALL
    execute(postgresql_url, "UPDATE instances SET alive_until = alive_until + 3600000000")
    other.join()

    other.renew()

    assert other.held == MATCH_ALL


def test_what_is_held_is_read_again_where_the_database_knows_otherwise(one: Party, postgresql_url: str) -> None:
    """A commit that came to an unknown end leaves no lease that nobody knows of."""
    execute(postgresql_url, "UPDATE leases SET instance_id = NULL WHERE tenant = 't4'")

    one.renew()

    assert one.held == MATCH_ALL


def test_somebody_alone_is_not_joined_and_a_shared_one_is_not_locked(one: Party, other: Party) -> None:
    """`alerter poll` beside a service would poll and tell twice."""
    with pytest.raises(StoreError, match=r"another alerter \(host\) is running on"), other.store.lock():
        pass
    one.leases.leave(one.member)
    with other.store.lock():
        with pytest.raises(StoreError, match="for itself"):
            one.leases.check_unlocked()
        with pytest.raises(StoreError, match="for itself"):
            one.join()
    assert one.join()


def test_those_who_share_are_seen_by_people(one: Party, other: Party, postgresql_url: str) -> None:
    """Also who died lately; a database that nobody shares has none."""
    other.join()
    for party in (one, other):
        party.renew()
    expire(other, postgresql_url)
    with closing(Store(postgresql_url, read_only=True)) as looking, looking.read() as reader:
        instances, holders = reader.leases.instances(), reader.leases.instance_by_tenant()
        holder = looking.lock_holder()

    assert [(each.tenants, each.is_leader, each.is_alive) for each in instances] == [(3, True, True), (3, False, False)]
    assert {tenant: each.number for tenant, each in holders.items()} == dict.fromkeys(NAMES[:3], one.member.number)
    assert holder == "host"


def in_flight(store: Store) -> list[int]:
    """Return the deliveries that wait for the end of an attempt, rather than for their time."""
    with store.read() as reader:
        return [each.id for each in due_deliveries(reader.outbox.waiting(), now=NOON)]


def test_what_an_instance_was_sending_is_due_when_its_life_is_over(
    one: Party, other: Party, postgresql_url: str
) -> None:
    """As long as it lives nobody else sends it; when it is gone the others need not wait for longer."""
    other.join()
    enqueue(one.store, "m1", "a")
    with one.store.write() as transaction:
        [delivery] = transaction.outbox.waiting()
        transaction.outbox.claim(claim(delivery, now=NOON))

    release_claims(other.store, now=NOON)
    while_it_lives = in_flight(one.store)
    expire(one, postgresql_url)
    release_claims(other.store, now=NOON)

    assert (while_it_lives, in_flight(one.store)) == ([], [delivery.id])
    with one.store.write() as transaction:
        assert not transaction.outbox.record_outcome(
            after_success(claim(claim(delivery, now=NOON), now=NOON), now=NOON)
        )


def test_an_sqlite_file_has_no_leases(sqlite_url: str) -> None:
    """One daemon has it for itself, and asks nothing."""
    with closing(Store(sqlite_url)) as store:
        assert store.leases() is None
        with store.write() as transaction:
            assert transaction.leases.state(NAMES).tenants == set(NAMES)
            assert (transaction.leases.instances(), transaction.leases.instance_by_tenant()) == ([], {})
        store.cancel_waits()


def test_a_transaction_that_stands_still_is_ended_for_the_others(one: Party, other: Party) -> None:
    """A process that is stopped within one holds nobody up for longer than that."""
    other.join()

    def stand_still() -> None:
        with one.store.write() as transaction:
            transaction.leases.state(NAMES)
            # The other one waits for its turn until the server has ended this transaction.
            assert other.lease_state().is_member

    with pytest.raises(StoreError):
        stand_still()


def test_whoever_waits_for_the_database_can_be_released(one: Party) -> None:
    """Whatever is between this machine and the server, and takes all and passes on nothing."""
    failures: list[StoreError] = []
    is_in = threading.Event()

    def wait() -> None:
        try:
            with one.store.write():
                is_in.set()
                with one.store.write():
                    pass
        except StoreError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert is_in.wait(10)
    one.store.cancel_waits()
    waiting.join(5)

    assert not waiting.is_alive()
    assert len(failures) == 1


def test_leases_of_a_database_that_cannot_be_reached_are_an_error(postgresql_url: str) -> None:
    """With its place, and without a password."""
    url = make_url(postgresql_url).set(database="missing").render_as_string(hide_password=False)
    with closing(Store(url)) as store:
        leases = store.leases()
        assert leases is not None

        with pytest.raises(StoreError, match="missing"):
            leases.check_unlocked()


def test_no_lease_lasts_longer_than_is_believed() -> None:
    """What is over because it ends too late could not have been given."""
    assert timedelta(0) < MAX_LEASE <= span("30s")
