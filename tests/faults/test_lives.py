"""Two instances on one PostgreSQL, in one process and by a clock by hand: hundreds of lives that end at any statement.

What `test_couples` does with real processes and real time, with every fault at a point that is known: so it is known
exactly what was in flight, and that nothing else may be told twice.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import psycopg
import pytest

from alerter.core.alerts import AlertState
from alerter.core.message.content import Message
from alerter.core.outbox import TargetName
from alerter.core.rules import Per
from alerter.core.series import Tenant
from alerter.jobs.deliver import deliver
from alerter.jobs.poll import poll_many, reconcile
from alerter.storage import Leases, OwnInstance, Store
from tests.builders import a_level, a_policy, a_rule, span
from tests.fakes import CrashError, CrashingStore, FakeClock, FakeSource
from tests.faults.ledgers import references, tellable, waiting

TENANTS = {f"t{number}": "5m" for number in range(3)}
TARGETS = {TargetName("secops/slack"): "json://slack", TargetName("secops/teams"): "json://teams"}
POLICY = a_policy(
    a_rule(),
    a_rule("Total", warning=a_level(above=250), per=Per.ALL),
    tenants=TENANTS,
    receivers={"secops": [*TARGETS]},
)
LASTING = span("30s")
#: So many calls does a poll of all tenants take at most, and a delivery of what that has to tell.
MAX_CALLS = 40


@dataclass
class Wire:
    """The way out of all instances.

    Attributes:
        sent: URL and reference of each message, in order.
    """

    sent: list[tuple[str, str]] = field(default_factory=list)

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Send a message."""
        del had_by
        self.sent.append((url, message.id))


class Life:
    """An instance, from one life to the next."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.store = Store(url)
        self.member = OwnInstance(number=0, configuration="same")
        self.held: frozenset[Tenant] = frozenset()

    @property
    def leases(self) -> Leases:
        """The leases of the database."""
        leases = self.store.leases()
        assert leases is not None
        return leases

    def begin(self) -> None:
        """Begin another life of the same process."""
        self.member = self.leases.join("host", "1", "same", lasting=LASTING, instead_of=self.member.number)
        self.store.use_leases_of(self.member)
        self.held = frozenset()

    def restart(self) -> None:
        """Begin another process: only what is stored is left."""
        self.store.close()
        self.store = Store(self._url)
        self.begin()

    def renew(self) -> None:
        """Renew, take and give; begin anew if the time was up."""
        renewal = self.leases.renew(self.member, POLICY.poll_intervals, self.held, lasting=LASTING)
        if renewal is None:
            self.begin()
        else:
            self.held = renewal.owned

    def run_out(self) -> None:
        """Let its time be up, as if it had stood still."""
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            connection.execute("UPDATE instances SET alive_until = 0 WHERE id = %s", (self.member.number,))

    def close(self) -> None:
        """Close the database."""
        self.store.close()


class Saga:
    """Two instances, what their tenants hold, and what befalls them.

    Attributes:
        faults: How many there were of each kind.
        in_flight: How many messages were sent by a life that ended before it was recorded.
        breaches: How many there were of each tenant.
    """

    def __init__(self, url: str, *, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to repeat a run, not to hide anything
        self.lives = [Life(url) for _ in range(2)]
        self.wire, self.clock = Wire(), FakeClock()
        self.counts = dict.fromkeys(TENANTS, 5)
        self.faults: Counter[str] = Counter()
        self.in_flight = 0
        self.breaches: Counter[str] = Counter()
        for life in self.lives:
            life.leases.add_tenants(POLICY.poll_intervals)
            life.begin()

    def go_on(self) -> None:
        """Let a fault befall one, then see that what has become true is found before anything else does."""
        tenant = self._random.choice([*TENANTS])
        is_breach = self.counts[tenant] < 100
        self.counts[tenant] = self._random.randrange(101, 200) if is_breach else self._random.randrange(0, 100)
        self.breaches[tenant] += is_breach
        victim = self._random.choice(self.lives)
        self._random.choice([self._die, self._die, self._stand_still])(victim)
        self.live_in_peace()

    def live_in_peace(self) -> None:
        """Let both renew until all is polled, poll, and send: at each time in another order."""
        for _ in range(3):
            for life in self._random.sample(self.lives, 2):
                life.renew()
        for life in self._random.sample(self.lives, 2):
            self._poll(life.store)
        for life in self._random.sample(self.lives, 2):
            self._deliver(life.store)

    def _die(self, victim: Life) -> None:
        """End a life at any call of what it does, with all that it remembers."""
        self.faults["died"] += 1
        store = CrashingStore(victim.store, crash_at=self._random.randrange(1, MAX_CALLS))
        before = len(self.wire.sent)
        try:
            self._poll(store)
            self._deliver(store)
        except CrashError:
            self._note_in_flight(store, before=before)
        victim.run_out()
        victim.restart()

    def _stand_still(self, victim: Life) -> None:
        """Let the time be up of one that then goes on with what it had in hand, and finds out."""
        self.faults["stood still"] += 1
        victim.run_out()
        if self._random.random() < 0.5:
            self.live_in_peace_without(victim)
        sent = len(self.wire.sent)
        self._poll(victim.store)
        self._deliver(victim.store)
        reconcile(victim.store, a_policy(tenants=TENANTS), now=self.clock.now)
        assert len(self.wire.sent) == sent

    def live_in_peace_without(self, victim: Life) -> None:
        """Let the other one take over."""
        [other] = [life for life in self.lives if life is not victim]
        for _ in range(2):
            other.renew()
        self._poll(other.store)
        self._deliver(other.store)

    def _note_in_flight(self, store: CrashingStore, *, before: int) -> None:
        """Count a message that was sent by this life, and is not known to be."""
        with store.read() as reader:
            waits = {(TARGETS[each.target], each.message_id) for each in reader.outbox.waiting()}
        self.in_flight += sum(each in waits for each in self.wire.sent[before:])

    def _poll(self, store: Store | CrashingStore) -> None:
        self.clock.forward("5m")
        polls = []
        for name, count in self.counts.items():
            source = FakeSource(self.clock, tenant=name)
            source.answers.append({"Spam": count})
            polls.append((Tenant(name), source))
        poll_many(polls, store, POLICY, clock=self.clock)

    def _deliver(self, store: Store | CrashingStore) -> None:
        deliver(store, self.wire, TARGETS, alerting=POLICY, clock=self.clock)

    def check(self) -> None:
        """Fail unless each breach fired once, and each message arrived once, but for those in flight."""
        store = self.lives[0].store
        transitions = tellable(store)
        fired = Counter(str(each.key.tenant) for each in transitions if each.to_state is AlertState.FIRING)
        planned = references(store)
        arrived = Counter(self.wire.sent)

        assert {name: fired[name] for name in TENANTS} == {name: self.breaches[name] for name in TENANTS}
        assert waiting(store) == []
        assert arrived.keys() == {(url, reference) for url in TARGETS.values() for reference in planned}
        assert arrived.total() - len(arrived) == self.in_flight

    def close(self) -> None:
        """Close the database."""
        for life in self.lives:
            life.close()


@pytest.fixture
def saga(request: pytest.FixtureRequest, postgresql_url: str) -> Iterator[Saga]:
    """Yield two instances, seeded by the test's parameter."""
    saga = Saga(postgresql_url, seed=int(request.param))
    yield saga
    saga.close()


def check_faults(saga: Saga, faults: int) -> None:
    """Let so many faults befall them, and a rest after the last one, in which everything ends well."""
    for _ in range(faults):
        saga.go_on()
    saga.counts = dict.fromkeys(TENANTS, 5)
    for _ in range(2):
        saga.live_in_peace()
    saga.check()
    assert saga.faults.total() == faults


@pytest.mark.parametrize("saga", [1, 2], indirect=True)
def test_instances_that_die_and_stand_still_tell_everything_and_nothing_twice(saga: Saga) -> None:
    """At any statement of a poll and of a delivery; but for what was sent and could not be recorded any more."""
    check_faults(saga, 12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("saga", [3, 4, 5, 6, 7], indirect=True)
def test_hundreds_of_lives_that_end_anywhere_tell_everything_and_nothing_twice(saga: Saga) -> None:
    """The same, five hundred times."""
    check_faults(saga, 100)

    assert saga.in_flight > 0
