"""The pool that polls: real threads, accounts that answer when the test says so, and a clock that stands still."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from queue import Queue
from threading import Event, Lock

import pytest

from alerter.core.series import Snapshot, Tenant
from alerter.errors import Cause, RateLimited, SourceError, SourceUnavailable
from alerter.service.scheduler import MAX_FIRST_GROUP, PATIENCE, Answer, Pollers
from alerter.service.slots import Lane, Lanes
from tests.builders import a_snapshot, minutes, span
from tests.fakes import FakeClock

ACME = Tenant("acme")
#: How long a thread may take for anything; a test fails after it, and waits only as long as it must.
PATIENCE_SECONDS = 10


class Account:
    """An account that answers with what it was handed, when it is let; what it is handed last, it goes on with.

    Attributes:
        answers: What it answers: nothing held, an error, or a bug.
        asked: One entry per request.
        takes: How long an answer takes, on the clock of the test.
    """

    def __init__(self, tenant: str, world: "World") -> None:
        self.tenant = tenant
        self.world = world
        self.answers: deque[Exception | None] = deque([None])
        self.asked: Queue[str] = Queue()
        self.takes = 0.0
        self.is_open = Event()
        self.is_open.set()

    def fetch(self) -> Snapshot:
        """Answer once it is open."""
        self.asked.put(self.tenant)
        assert self.is_open.wait(PATIENCE_SECONDS)
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        with self.world.lock:
            self.world.seconds += self.takes
        if answer is not None:
            raise answer
        return a_snapshot({}, tenant=self.tenant)


class World:
    """Accounts, pollers that poll them, and what was judged.

    Attributes:
        judged: Tenant and cause of each answer that was judged; no cause for a good one.
        groups: How many answers were judged together, each time.
        is_wanted: What judging an answer says.
        may_judge: While it is clear, judging takes its time.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.clock = FakeClock()
        self.seconds = 0.0
        self.accounts: dict[Tenant, Account] = {}
        self.judged: Queue[tuple[Tenant, Cause | None]] = Queue()
        self.groups: list[int] = []
        self.is_wanted = True
        self.may_judge = Event()
        self.may_judge.set()
        # Whoever has a nap is woken, or a test waits in vain.
        self.pollers = Pollers(
            self.accounts.get,
            self.evaluate_due,
            clock=self.clock,
            seconds=lambda: self.seconds,
            longest_nap_seconds=600,
        )

    def evaluate_due(self, answers: Mapping[Tenant, Answer]) -> set[Tenant]:
        """Remember what was judged, once it may be."""
        self.groups.append(len(answers))
        assert self.may_judge.wait(PATIENCE_SECONDS)
        for tenant, answer in answers.items():
            self.judged.put((tenant, answer.fetched.cause if isinstance(answer.fetched, SourceError) else None))
        return set() if self.is_wanted else set(answers)

    def add(self, *tenants: str, every: str = "1m") -> list[Account]:
        """Poll these tenants besides those before; return their accounts."""
        new = {Tenant(name): Account(name, self) for name in tenants}
        self.accounts.update(new)
        self.pollers.assign(dict.fromkeys(self.accounts, span(every)))
        return list(new.values())

    def pass_by(self, text: str) -> None:
        """Let time go by, and hand out who is due."""
        self.clock.forward(text)
        self.pollers.tick()

    def next_judged(self) -> tuple[Tenant, Cause | None]:
        """Return what is judged next; fail if nothing is."""
        return self.judged.get(timeout=PATIENCE_SECONDS)

    def judged_of(self, count: int) -> Counter[Tenant]:
        """Return whose answers are the next so many."""
        return Counter(self.next_judged()[0] for _ in range(count))


@contextmanager
def a_world() -> Iterator[World]:
    """Yield a world, and let every thread of it end."""
    world = World()
    try:
        yield world
    finally:
        world.may_judge.set()
        world.pollers.stop()
        for account in world.accounts.values():
            account.is_open.set()


@pytest.fixture
def world() -> Iterator[World]:
    """A world without tenants."""
    with a_world() as world:
        yield world


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something that another thread does is done."""
    gate = Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if is_so():
            return
        gate.wait(0.01)
    pytest.fail("it did not come to that")


def no_answer() -> SourceUnavailable:
    """Return what a poll that hangs comes to."""
    return SourceUnavailable(Cause.TIMEOUT, "no complete answer within 30 s")


def silence(world: World, *tenants: str) -> list[Account]:
    """Return accounts of which the first poll hung until it was given up."""
    accounts = world.add(*tenants)
    for account in accounts:
        account.answers = deque([no_answer()])
        account.takes = 30
    world.pass_by("10s")
    world.judged_of(len(accounts))
    until(lambda: not world.pollers.busy)
    return accounts


def test_each_tenant_is_polled_once_in_an_interval(world: World) -> None:
    """Every answer is judged, and nobody is polled before its next slot."""
    world.add("acme", "globex", "initech")

    world.pass_by("1s")
    first = world.judged_of(3)
    until(lambda: not world.pollers.busy)
    world.pass_by("1m")
    second = world.judged_of(3)

    assert first == second == {"acme": 1, "globex": 1, "initech": 1}


def test_a_tenant_that_hangs_delays_nobody(world: World) -> None:
    """While one waits for its answer, all others are polled as ever, and it is not asked a second time."""
    hanging, *_ = world.add("acme", "globex", "initech")
    hanging.is_open.clear()

    for _ in range(3):
        world.pass_by("1m")
        assert world.judged_of(2) == {"globex": 1, "initech": 1}
        until(lambda: world.pollers.busy == {ACME})

    assert hanging.asked.qsize() == 1


def test_tenants_that_did_not_answer_wait_for_one_another_alone(world: World) -> None:
    """However many hang, they have pollers of their own, and leave all others to those that answer."""
    hanging = silence(world, *(f"silent-{number}" for number in range(20)))
    for account in hanging:
        account.is_open.clear()
    world.add("acme")

    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)
    until(lambda: sum(account.asked.qsize() for account in hanging) == 20 + Lanes.of([span("1m")] * 21).silent)


def test_a_slow_tenant_waits_neither_for_the_silent_nor_before_the_prompt(world: World) -> None:
    """An answer that takes its time is an answer: it has a lane of its own."""
    (slow,) = world.add("acme")
    slow.takes = 4
    world.pass_by("1s")
    assert world.next_judged() == (ACME, None)
    until(lambda: not world.pollers.busy)

    assert world.pollers.lane_of(ACME) is Lane.SLOW


def test_a_tenant_that_answers_again_is_prompt_again(world: World) -> None:
    """Nobody is held back for what is over."""
    (account,) = silence(world, "acme")
    account.answers, account.takes = deque([None]), 0.1

    world.pass_by("1m")
    assert world.next_judged() == (ACME, None)
    until(lambda: not world.pollers.busy)

    assert world.pollers.lane_of(ACME) is Lane.PROMPT


def test_a_silent_tenant_that_must_wait_for_a_poller_fails_at_its_slot(world: World) -> None:
    """Somebody hears in time that a tenant cannot be polled, also while all pollers wait for others that hang."""
    hanging = silence(world, *(f"silent-{number}" for number in range(20)))
    for account in hanging:
        account.is_open.clear()

    world.pass_by("1m")
    pollers = Lanes.of([span("1m")] * 20).silent
    until(lambda: sum(account.asked.qsize() for account in hanging) == 20 + pollers)
    world.pass_by("1m")
    failed = [world.next_judged() for _ in range(20 - pollers)]

    assert {cause for _, cause in failed} == {Cause.TIMEOUT}
    assert len({tenant for tenant, _ in failed}) == 20 - pollers > 0


def test_a_tenant_that_was_never_silent_may_be_late_for_two_intervals(world: World) -> None:
    """Only then does it count as one that could not be polled: late is not without data."""
    names = [f"customer-{number}" for number in range(9)]
    accounts = world.add(*names)
    world.pass_by("1s")
    world.judged_of(9)
    until(lambda: not world.pollers.busy)
    for account in accounts:
        account.is_open.clear()

    world.pass_by("1m")
    until(lambda: sum(account.asked.qsize() for account in accounts) == 9 + 8)
    (last,) = (account for account in accounts if account.asked.qsize() == 1)
    world.pass_by("1m")
    assert world.judged.empty()
    world.pass_by("1m")

    assert world.next_judged() == (last.tenant, Cause.TIMEOUT)
    for account in accounts:
        account.is_open.set()
    assert world.judged_of(9) == dict.fromkeys(world.accounts, 1)


def test_first_polls_that_hang_delay_nobody_who_has_been_polled(world: World) -> None:
    """A start, or a reload that adds hundreds of tenants, keeps the others at their slots."""
    world.add("acme")
    world.pass_by("1s")
    assert world.next_judged() == (ACME, None)
    until(lambda: not world.pollers.busy)
    new = world.add(*(f"new-{number}" for number in range(100)))
    for account in new:
        account.is_open.clear()
    world.pass_by("2s")

    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)
    until(lambda: sum(account.asked.qsize() for account in new) == Lanes.of([span("1m")] * 101).first)


def test_a_first_poll_may_wait_longer_before_it_counts_as_missed(world: World) -> None:
    """Ten thousand first polls take minutes on a slow machine, which is no reason to call it an outage."""
    accounts = world.add(*(f"new-{number}" for number in range(100)))
    for account in accounts:
        account.is_open.clear()

    world.pass_by("2s")
    until(lambda: sum(account.asked.qsize() for account in accounts) == 25)
    world.pass_by("2m")
    assert world.judged.empty()
    world.pass_by("1m")

    assert {world.next_judged()[1] for _ in range(75)} == {Cause.TIMEOUT}


def test_no_more_first_polls_are_asked_than_can_be_judged(world: World) -> None:
    """A slow machine takes longer for the first round, rather than to judge answers that have grown old."""
    world.may_judge.clear()
    accounts = world.add(*(f"new-{number}" for number in range(100)))
    world.pass_by("2s")

    until(lambda: world.pollers.waiting + sum(world.groups) == 25)

    assert sum(account.asked.qsize() for account in accounts) == 25
    world.may_judge.set()
    assert sum(world.judged_of(100).values()) == 100


def test_an_answer_does_not_wait_for_all_the_first_ones_before_it(world: World) -> None:
    """Who has been polled is judged with the next group, of which first answers are a part."""
    world.add("acme")
    world.pass_by("1s")
    world.judged_of(1)
    until(lambda: not world.pollers.busy)
    world.may_judge.clear()
    world.add(*(f"new-{number}" for number in range(24)))
    world.pass_by("2s")
    world.pass_by("1m")
    until(lambda: len(world.groups) == 2 and world.pollers.waiting + sum(world.groups) == 1 + 24 + 1)
    (under_way,) = world.groups[1:]

    world.may_judge.set()

    judged = [world.next_judged()[0] for _ in range(25)]
    assert judged.index(ACME) <= under_way
    assert max(world.groups) <= 1 + MAX_FIRST_GROUP


def test_answers_that_come_while_others_are_kept_are_kept_together(world: World) -> None:
    """One commit for many takes the disk no longer than one for each, and nobody's answer is lost or kept twice."""
    world.add(*(f"customer-{number}" for number in range(8)))
    world.may_judge.clear()

    world.pass_by("1s")
    until(lambda: sum(account.asked.qsize() for account in world.accounts.values()) == 8)
    until(lambda: world.pollers.waiting + sum(world.groups) == 8)
    world.may_judge.set()

    assert world.judged_of(8) == dict.fromkeys(world.accounts, 1)
    assert len(world.groups) <= 2


def test_who_is_due_is_polled_once_it_has_begun(world: World) -> None:
    """A thread of its own looks for it."""
    world.add("acme")
    world.clock.forward("1s")

    world.pollers.start()

    assert world.next_judged() == (ACME, None)


def test_whoever_is_new_is_polled_however_long_the_nap_is(world: World) -> None:
    """A reload ends it, as does a clock that jumped: nobody waits until something else is due."""
    world.add("acme", every="10m")
    world.clock.forward("1s")
    world.pollers.start()
    world.judged_of(1)
    until(lambda: not world.pollers.busy)

    world.add("globex", every="10m")
    world.pollers.restart()
    world.clock.forward("1s")

    assert world.judged_of(2) == {ACME: 1, Tenant("globex"): 1}


def test_no_poller_waits_for_what_is_being_kept(world: World) -> None:
    """While the database takes its time, everybody is asked all the same."""
    accounts = world.add(*(f"customer-{number}" for number in range(100)))
    world.pass_by("2s")
    world.judged_of(100)
    until(lambda: not world.pollers.busy)
    world.may_judge.clear()

    world.pass_by("1m")

    until(lambda: sum(account.asked.qsize() for account in accounts) == 200)
    assert Lanes.of([span("1m")] * 100).prompt < 100


def test_a_rate_limit_that_ends_soon_is_waited_for_without_a_poller(world: World) -> None:
    """The tenant is asked again when Mimecast said, and only that answer counts."""
    (account,) = world.add("acme", every="5m")
    account.answers = deque([RateLimited("slow down", retry_after=timedelta(seconds=4)), None])

    world.pass_by("1s")
    until(lambda: account.asked.qsize() == 1 and not world.pollers.busy)
    world.pass_by("3s")
    assert account.asked.qsize() == 1
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([PATIENCE + timedelta(seconds=1)], id="a long one, at once"),
        pytest.param([None], id="one of unknown length, at once"),
        pytest.param([PATIENCE, timedelta(seconds=1)], id="a short one, the second time"),
    ],
)
def test_a_rate_limit_that_lasts_is_a_failed_poll(world: World, waits: list[timedelta | None]) -> None:
    """Nobody waits for ever for an answer that does not come: the poll has failed, and says why."""
    (account,) = world.add("acme", every="5m")
    account.answers = deque(RateLimited("slow down", retry_after=wait) for wait in waits)

    world.pass_by("1s")
    for asked in range(1, len(waits)):
        until(lambda asked=asked: account.asked.qsize() == asked and not world.pollers.busy)  # type: ignore[misc]
        world.pass_by("10s")

    assert world.next_judged() == (ACME, Cause.RATE_LIMITED)
    assert account.asked.qsize() == len(waits)


def test_an_answer_that_nobody_wants_any_more_is_asked_for_again(world: World) -> None:
    """A reload gave the tenant other keys while the old ones were being tried."""
    (account,) = world.add("acme", every="5m")
    world.is_wanted = False

    world.pass_by("1s")
    world.next_judged()
    until(lambda: not world.pollers.busy)
    world.is_wanted = True
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


def test_who_is_to_be_polled_soon_while_being_polled_is_polled_again(world: World) -> None:
    """A reload that changes what concerns a tenant does not wait for its next slot."""
    (account,) = world.add("acme", every="5m")
    world.may_judge.clear()
    world.pass_by("1s")
    until(lambda: world.groups == [1])
    world.pollers.assign({ACME: span("5m")}, soon=[ACME])
    world.pass_by("1s")

    world.may_judge.set()
    world.judged_of(1)
    until(lambda: not world.pollers.busy)
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


def test_a_tenant_that_has_gone_is_not_asked(world: World) -> None:
    """It may have been waiting for a poller when it was removed."""
    (account,) = world.add("acme")
    del world.accounts[ACME]

    world.pass_by("1s")
    until(lambda: not world.pollers.busy)

    assert account.asked.empty()
    assert world.judged.empty()


def test_a_tenant_whose_poll_meets_a_bug_is_polled_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One failed turn must not be the last one; the log has the traceback."""
    (account,) = world.add("acme")
    account.answers = deque([ZeroDivisionError(), None])

    with caplog.at_level(logging.ERROR):
        world.pass_by("1s")
        until(lambda: "a bug in alerter" in caplog.text and not world.pollers.busy)
    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)


def test_after_a_stop_nobody_is_asked(world: World) -> None:
    """The daemon ends as soon as what is in flight lets it."""
    (account,) = world.add("acme")
    world.pollers.stop()

    world.pass_by("5m")

    assert account.asked.empty()


def test_more_tenants_get_more_pollers_and_none_is_lost(world: World) -> None:
    """A reload that adds a thousand tenants polls old and new ones alike."""
    world.add("acme")
    world.pass_by("1s")
    world.judged_of(1)
    until(lambda: not world.pollers.busy)

    world.add(*(f"new-{number}" for number in range(100)))
    world.pass_by("2s")
    assert sum(world.judged_of(100).values()) == 100
    until(lambda: not world.pollers.busy)
    world.pass_by("1m")

    assert world.judged_of(101)[ACME] == 1


def test_after_a_jump_of_the_clock_everyone_is_polled(world: World) -> None:
    """Slots that lie hours ahead because the clock was wrong are not waited for."""
    world.add("acme")
    world.pass_by("1s")
    world.judged_of(1)
    until(lambda: not world.pollers.busy)
    world.clock.now -= minutes(180)

    world.pollers.restart()
    world.pollers.tick()

    assert world.next_judged() == (ACME, None)
