"""The scheduler: real threads, accounts that answer when the test says so, and a clock that the test moves."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from queue import Queue
from threading import Event, Lock

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from apscheduler.schedulers.base import BaseScheduler

from alerter.core.series import Snapshot, Tenant
from alerter.errors import Cause, FetchOverrun, RateLimited, SourceError, SourceUnavailable
from alerter.service.commit_queue import FetchResult
from alerter.service.scheduler import (
    MAX_OTHER_WORKERS,
    MAX_PROMPT_WORKERS,
    MAX_RATE_LIMIT_WAIT,
    PLANNED_SLOW,
    PLANNED_UNRESPONSIVE,
    PROMPT_LIMIT,
    Executor,
    Scheduler,
    executor_after,
    poll_workers,
)
from tests.builders import a_snapshot, minutes, span
from tests.fakes import FakeClock

ACME = Tenant("acme")
#: How long a thread may take for anything; a test fails after it, and waits only as long as it must.
PATIENCE_SECONDS = 10


class HandScheduler(BaseScheduler):  # type: ignore[misc] # APScheduler ships no types
    """APScheduler without a thread of its own: the test says when it looks for jobs that are due.

    Attributes:
        open_runs: How many runs of jobs have been submitted and have not ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counting = Lock()
        self.open_runs = 0
        self.add_listener(lambda _: self._count(1), EVENT_JOB_SUBMITTED)
        self.add_listener(lambda _: self._count(-1), EVENT_JOB_EXECUTED)

    def _count(self, by: int) -> None:
        with self._counting:
            self.open_runs += by

    def wakeup(self) -> None:
        """Sleep on."""

    def tick(self) -> None:
        """Submit the jobs that are due."""
        self._process_jobs()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - the signature of APScheduler
        """End, once."""
        if self.running:
            super().shutdown(wait=wait)


class Account:
    """An account that answers with what it was handed, when it is let; what it is handed last, it goes on with.

    Attributes:
        answers: What it answers: nothing held, an error, or a bug.
        asked: One entry per request: how long the caller waits, None for the full time.
        takes: How many seconds an answer takes, on the clock of the test.
    """

    def __init__(self, tenant: str, world: "World") -> None:
        self.tenant = tenant
        self.world = world
        self.answers: deque[Exception | None] = deque([None])
        self.asked: Queue[timedelta | None] = Queue()
        self.takes = 0.0
        self.is_open = Event()
        self.is_open.set()

    def fetch(self, *, within: timedelta | None = None) -> Snapshot:
        """Answer once it is open, or give up where that takes longer than the caller waits."""
        self.asked.put(within)
        assert self.is_open.wait(PATIENCE_SECONDS)
        is_late = within is not None and self.takes > within.total_seconds()
        with self.world.lock:
            self.world.seconds += within.total_seconds() if within is not None and is_late else self.takes
        if is_late:
            raise FetchOverrun("no answer in time")
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return a_snapshot({}, tenant=self.tenant)


class World:
    """Accounts, a scheduler that polls them, and what was handled.

    Attributes:
        evaluated: Tenant and cause of each result that was handled; no cause for a successful poll.
        groups: How many results were handled together, each time.
        is_wanted: Whether results are up to date.
        may_judge: While it is clear, a commit takes its time.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.clock = FakeClock()
        self.seconds = 0.0
        self.accounts: dict[Tenant, Account] = {}
        self.evaluated: Queue[tuple[Tenant, Cause | None]] = Queue()
        self.groups: list[int] = []
        self.is_wanted = True
        self.may_judge = Event()
        self.may_judge.set()
        self.hand = HandScheduler()
        self.scheduler = Scheduler(
            self.accounts.get, self.handle, clock=self.clock, seconds=lambda: self.seconds, apscheduler=self.hand
        )

    def handle(self, results: Mapping[Tenant, FetchResult]) -> set[Tenant]:
        """Remember what was handled, once it may be."""
        self.groups.append(len(results))
        assert self.may_judge.wait(PATIENCE_SECONDS)
        for tenant, result in results.items():
            self.evaluated.put((tenant, result.fetched.cause if isinstance(result.fetched, SourceError) else None))
        return set() if self.is_wanted else set(results)

    def add(self, *tenants: str, every: str = "1m") -> list[Account]:
        """Poll these tenants besides those before; return their accounts."""
        new = {Tenant(name): Account(name, self) for name in tenants}
        self.accounts.update(new)
        self.scheduler.set_tenants(dict.fromkeys(self.accounts, span(every)))
        return list(new.values())

    def pass_by(self, text: str) -> None:
        """Let time go by, and run what is due."""
        self.clock.forward(text)
        self.hand.tick()

    def next_judged(self) -> tuple[Tenant, Cause | None]:
        """Return what is handled next; fail if nothing is."""
        return self.evaluated.get(timeout=PATIENCE_SECONDS)

    def judged_of(self, count: int) -> Counter[Tenant]:
        """Return whose results are the next ones."""
        return Counter(self.next_judged()[0] for _ in range(count))

    def asked(self) -> int:
        """Return how many requests there were."""
        return sum(account.asked.qsize() for account in self.accounts.values())

    def settle(self) -> None:
        """Wait until no poll runs and no result waits."""
        until(lambda: self.hand.open_runs == 0 and not any(name in self.scheduler.queue for name in self.accounts))


@contextmanager
def a_world() -> Iterator[World]:
    """Yield a world, and let every thread of it end."""
    world = World()
    world.scheduler.start()
    try:
        yield world
    finally:
        world.may_judge.set()
        for account in world.accounts.values():
            account.is_open.set()
        world.scheduler.stop(drain=timedelta(seconds=PATIENCE_SECONDS))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without tenants, in which APScheduler has the clock of the test."""
    with a_world() as world:
        clock = world.clock

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # of what the clock says
                return clock.now.astimezone(tz)

        monkeypatch.setattr("apscheduler.schedulers.base.datetime", Clock)
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


def hang(*accounts: Account) -> None:
    """Have accounts answer nothing any more, until a fetch with its full time ends."""
    for account in accounts:
        account.answers, account.takes = deque([no_answer()]), 30


def unresponsive(world: World, *tenants: str) -> list[Account]:
    """Return accounts whose first poll got no answer, neither at first nor with its full time."""
    accounts = world.add(*tenants)
    hang(*accounts)
    world.pass_by("10s")
    until(lambda: all(account.asked.qsize() == 1 for account in accounts) and world.hand.open_runs == 0)
    world.pass_by("0s")
    world.judged_of(len(accounts))
    world.settle()
    for account in accounts:
        while not account.asked.empty():
            account.asked.get()
    return accounts


def close(accounts: list[Account]) -> None:
    """Have accounts keep whoever asks waiting."""
    for account in accounts:
        account.is_open.clear()


def workers(count: int) -> Mapping[Executor, int]:
    """Return how many workers there are for tenants that are polled each minute."""
    return poll_workers([span("1m")] * count)


def test_each_tenant_is_polled_once_in_an_interval(world: World) -> None:
    """Every result is handled, and nobody is polled before its next slot."""
    world.add("acme", "globex", "initech")

    world.pass_by("1s")
    first = world.judged_of(3)
    world.settle()
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
        until(lambda: world.scheduler.running == {ACME} and world.hand.open_runs == 1)

    assert hanging.asked.qsize() == 1


def test_a_poll_without_an_answer_in_time_is_tried_again_at_once_elsewhere_with_its_full_time(world: World) -> None:
    """What is late is no failure yet, and it holds no worker that prompt tenants need."""
    (account,) = world.add("acme", every="5m")
    world.pass_by("1s")
    assert world.next_judged() == (ACME, None)
    world.settle()
    hang(account)

    world.pass_by("5m")
    until(lambda: account.asked.qsize() == 2 and world.hand.open_runs == 0)
    assert world.evaluated.empty()
    assert world.scheduler.executor_for(ACME) is Executor.UNRESPONSIVE
    world.pass_by("0s")

    assert world.next_judged() == (ACME, Cause.TIMEOUT)
    assert [account.asked.get() for _ in range(3)] == [PROMPT_LIMIT, PROMPT_LIMIT, None]


def test_a_fifth_that_begins_to_hang_leaves_the_prompt_workers_to_the_others(world: World) -> None:
    """However many begin to hang, each takes a prompt worker once, and only for as long as an answer may take."""
    names = [f"customer-{number}" for number in range(100)]
    accounts = world.add(*names)
    world.pass_by("2s")
    world.judged_of(100)
    world.settle()
    hang(*accounts[::5])

    world.pass_by("1m")
    assert sum(world.judged_of(80).values()) == 80
    until(lambda: world.hand.open_runs == 0)
    close(accounts[::5])
    world.pass_by("0s")
    world.pass_by("1m")

    assert world.judged_of(80) == {account.tenant: 1 for account in accounts if account not in accounts[::5]}
    assert all(world.scheduler.executor_for(Tenant(each.tenant)) is Executor.UNRESPONSIVE for each in accounts[::5])


def test_tenants_that_did_not_answer_wait_for_one_another_alone(world: World) -> None:
    """However many hang, they have workers of their own, and leave all others to those that answer."""
    hanging = unresponsive(world, *(f"silent-{number}" for number in range(20)))
    close(hanging)
    world.add("acme")

    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)
    until(lambda: sum(each.asked.qsize() for each in hanging) == workers(21)[Executor.UNRESPONSIVE])


def test_a_slow_tenant_waits_neither_for_the_unresponsive_nor_before_the_prompt(world: World) -> None:
    """An answer that takes its time is an answer: it has an executor of its own, and its full time."""
    (slow,) = world.add("acme")
    slow.takes = 4
    world.pass_by("1s")
    until(lambda: slow.asked.qsize() == 1 and world.hand.open_runs == 0)
    world.pass_by("0s")
    assert world.next_judged() == (ACME, None)
    world.settle()

    assert world.scheduler.executor_for(ACME) is Executor.SLOW
    world.pass_by("1m")
    assert world.next_judged() == (ACME, None)
    assert [slow.asked.get() for _ in range(3)] == [PROMPT_LIMIT, None, None]


def test_a_tenant_that_answers_again_is_prompt_again(world: World) -> None:
    """What is over has no consequences."""
    (account,) = unresponsive(world, "acme")
    account.answers, account.takes = deque([None]), 0.1

    world.pass_by("1m")
    assert world.next_judged() == (ACME, None)
    world.settle()

    assert world.scheduler.executor_for(ACME) is Executor.PROMPT


def test_when_all_have_hung_and_answer_again_each_is_polled_at_its_next_slot(world: World) -> None:
    """An outage of Mimecast leaves nothing behind that would have to be waited for."""
    accounts = unresponsive(world, *(f"customer-{number}" for number in range(50)))
    for account in accounts:
        account.answers, account.takes = deque([None]), 0.1

    world.pass_by("1m")

    assert {world.next_judged()[1] for _ in range(50)} == {None}
    world.settle()
    assert {world.scheduler.executor_for(name) for name in world.accounts} == {Executor.PROMPT}


def test_an_unresponsive_tenant_that_must_wait_for_a_worker_fails_at_its_slot(world: World) -> None:
    """No data is noticed in time also while all workers wait for other tenants that hang."""
    hanging = unresponsive(world, *(f"silent-{number}" for number in range(20)))
    close(hanging)

    world.pass_by("1m")
    count = workers(20)[Executor.UNRESPONSIVE]
    until(lambda: world.asked() == count)
    world.pass_by("1m")
    failed = [world.next_judged() for _ in range(20 - count)]

    assert {cause for _, cause in failed} == {Cause.TIMEOUT}
    assert len({tenant for tenant, _ in failed}) == 20 - count > 0


def test_a_tenant_that_was_never_unresponsive_may_be_late_for_two_intervals(world: World) -> None:
    """Only then does it count as one that could not be polled: late is not without data."""
    accounts = world.add(*(f"customer-{number}" for number in range(9)))
    world.pass_by("1s")
    world.judged_of(9)
    world.settle()
    close(accounts)

    world.pass_by("1m")
    until(lambda: world.asked() == 9 + 8)
    (last,) = (account for account in accounts if account.asked.qsize() == 1)
    world.pass_by("1m")
    assert world.evaluated.empty()
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
    world.settle()
    new = world.add(*(f"new-{number}" for number in range(100)))
    close(new)
    world.pass_by("2s")

    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)
    until(lambda: sum(account.asked.qsize() for account in new) == workers(101)[Executor.FIRST])


def test_a_first_poll_may_wait_longer_before_it_counts_as_missed(world: World) -> None:
    """Ten thousand first polls take minutes on a slow machine, which is no reason to call it an outage."""
    accounts = world.add(*(f"new-{number}" for number in range(100)), every="10s")
    close(accounts)

    world.pass_by("10s")
    until(lambda: world.asked() == 25)
    for _ in range(2):
        world.pass_by("10s")
    assert world.evaluated.empty()
    world.pass_by("10s")

    assert {world.next_judged()[1] for _ in range(75)} == {Cause.TIMEOUT}


def test_no_more_first_polls_are_asked_than_can_be_committed(world: World) -> None:
    """A slow machine takes longer for its first polls, rather than to commit results that have grown old."""
    world.may_judge.clear()
    world.add(*(f"new-{number}" for number in range(100)))
    world.pass_by("2s")

    until(lambda: sum(name in world.scheduler.queue for name in world.accounts) == 25)

    assert world.asked() == 25
    world.may_judge.set()
    assert sum(world.judged_of(100).values()) == 100


def test_no_worker_waits_for_a_commit(world: World) -> None:
    """While the database takes its time, everybody is asked all the same, and no one a second time."""
    world.add(*(f"customer-{number}" for number in range(100)))
    world.pass_by("2s")
    world.judged_of(100)
    world.settle()
    world.may_judge.clear()

    world.pass_by("1m")
    until(lambda: world.asked() == 200 and world.hand.open_runs == 0)
    world.pass_by("1m")
    until(lambda: world.hand.open_runs == 0)

    assert workers(100)[Executor.PROMPT] < 100
    assert world.asked() == 200


def test_a_rate_limit_that_ends_soon_is_waited_for_without_a_worker(world: World) -> None:
    """The tenant is asked again when Mimecast said, and only that answer counts."""
    (account,) = world.add("acme", every="5m")
    account.answers = deque([RateLimited("slow down", retry_after=timedelta(seconds=4)), None])

    world.pass_by("1s")
    until(lambda: account.asked.qsize() == 1 and world.hand.open_runs == 0)
    world.pass_by("3s")
    assert account.asked.qsize() == 1
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([MAX_RATE_LIMIT_WAIT + timedelta(seconds=1)], id="a long one, at once"),
        pytest.param([None], id="one of unknown length, at once"),
        pytest.param([MAX_RATE_LIMIT_WAIT, timedelta(seconds=1)], id="a short one, the second time"),
    ],
)
def test_a_rate_limit_that_lasts_is_a_failed_poll(world: World, waits: list[timedelta | None]) -> None:
    """Nobody waits for ever for an answer that does not come: the poll has failed, and says why."""
    (account,) = world.add("acme", every="5m")
    account.answers = deque(RateLimited("slow down", retry_after=wait) for wait in waits)

    world.pass_by("1s")
    for asked in range(1, len(waits)):
        until(lambda asked=asked: account.asked.qsize() == asked and world.hand.open_runs == 0)  # type: ignore[misc]
        world.pass_by("10s")

    assert world.next_judged() == (ACME, Cause.RATE_LIMITED)
    assert account.asked.qsize() == len(waits)


def test_a_result_that_is_outdated_is_fetched_again(world: World) -> None:
    """A reload gave the tenant other keys while the old ones were being tried."""
    (account,) = world.add("acme", every="5m")
    world.is_wanted = False

    world.pass_by("1s")
    world.next_judged()
    world.settle()
    world.is_wanted = True
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


def test_a_tenant_that_is_to_be_polled_soon_while_it_is_polled_is_polled_again(world: World) -> None:
    """A reload that changes what concerns a tenant does not wait for its next slot, nor run beside the poll before."""
    (account,) = world.add("acme", every="5m")
    account.is_open.clear()
    world.pass_by("1s")
    until(lambda: account.asked.qsize() == 1)
    world.scheduler.set_tenants({ACME: span("5m")}, soon=[ACME])
    world.pass_by("1s")
    until(lambda: world.hand.open_runs == 1)
    assert account.asked.qsize() == 1

    account.is_open.set()
    world.judged_of(1)
    world.settle()
    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


def test_a_tenant_that_is_to_be_polled_soon_while_its_result_waits_is_polled_after_that(world: World) -> None:
    """A commit that takes long delays the poll, and does not lose it."""
    (account,) = world.add("acme", every="5m")
    world.may_judge.clear()
    world.pass_by("1s")
    until(lambda: world.groups == [1])
    world.scheduler.set_tenants({ACME: span("5m")}, soon=[ACME])
    world.pass_by("1s")
    world.may_judge.set()
    world.judged_of(1)
    world.settle()

    world.pass_by("1s")

    assert world.next_judged() == (ACME, None)
    assert account.asked.qsize() == 2


def test_a_tenant_that_has_gone_is_not_asked(world: World) -> None:
    """Its job goes with it, and one that waits for a worker finds no source."""
    (account, other) = world.add("acme", "globex")
    del world.accounts[ACME]
    world.pass_by("1s")
    world.judged_of(1)
    world.scheduler.set_tenants({})
    world.pass_by("5m")
    world.settle()

    assert account.asked.empty()
    assert other.asked.qsize() == 1
    assert world.evaluated.empty()


def test_a_tenant_whose_poll_meets_a_bug_is_polled_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One poll that fails in this way must not be the last one; the log has the traceback."""
    (account,) = world.add("acme")
    account.answers = deque([ZeroDivisionError(), None])

    with caplog.at_level(logging.ERROR):
        world.pass_by("1s")
        until(lambda: "internal error job=poll" in caplog.text and world.hand.open_runs == 0)
    world.pass_by("1m")

    assert world.next_judged() == (ACME, None)


def test_after_a_stop_nobody_is_asked_and_no_answer_is_waited_for(world: World) -> None:
    """The daemon ends as soon as what is committed and sent lets it."""
    (hanging, account) = world.add("acme", "globex")
    world.pass_by("1s")
    world.judged_of(2)
    world.settle()
    hanging.is_open.clear()
    world.pass_by("1m")
    world.judged_of(1)
    until(lambda: world.scheduler.running == {ACME})
    asked = account.asked.qsize()

    world.scheduler.stop(drain=timedelta(seconds=PATIENCE_SECONDS))
    hanging.is_open.set()
    until(lambda: not world.scheduler.running)

    assert account.asked.qsize() == asked
    assert world.evaluated.empty()


def test_more_tenants_get_more_workers_and_none_is_lost(world: World) -> None:
    """A reload that adds a hundred tenants polls old and new ones alike."""
    world.add("acme")
    world.pass_by("1s")
    world.judged_of(1)
    world.settle()

    world.add(*(f"new-{number}" for number in range(100)))
    world.pass_by("2s")
    assert sum(world.judged_of(100).values()) == 100
    world.settle()
    world.pass_by("1m")

    assert world.judged_of(101)[ACME] == 1


@pytest.mark.parametrize("back", ["3h", "1m"])
def test_after_a_jump_of_the_clock_every_job_runs_soon(world: World, back: str) -> None:
    """Slots and instants that lie ahead because the clock was wrong are not waited for."""
    runs: Queue[str] = Queue()
    world.add("acme", every="5m")
    world.scheduler.run_at("later", world.clock.now + span("10m"), lambda: runs.put("later"))
    world.pass_by("1s")
    world.judged_of(1)
    world.settle()
    world.clock.now -= span(back)

    world.scheduler.reschedule_all()
    world.hand.tick()

    assert world.next_judged() == (ACME, None)
    assert runs.get(timeout=PATIENCE_SECONDS) == "later"


def test_slots_that_were_slept_through_are_one_poll(world: World) -> None:
    """A machine that was suspended for a day polls once, not three hundred times, and keeps its slots."""
    (account,) = world.add("acme", every="5m")
    world.pass_by("1s")
    world.judged_of(1)
    world.settle()

    world.pass_by("1d")
    world.judged_of(1)
    world.settle()
    world.hand.tick()

    assert account.asked.qsize() == 2
    assert world.evaluated.empty()


@pytest.mark.parametrize(
    ("intervals", "soon", "at_once"),
    [
        pytest.param({"acme": "5m", "globex": "5m"}, [], [], id="nothing has changed"),
        pytest.param({"acme": "5m", "globex": "10m"}, [], ["globex"], id="one is polled less often"),
        pytest.param({"acme": "5m", "globex": "5m", "initech": "5m"}, [], ["initech"], id="one is new"),
        pytest.param({"acme": "5m"}, [], [], id="one has gone"),
        pytest.param({"acme": "5m", "globex": "5m"}, ["acme"], ["acme"], id="one has other keys"),
    ],
)
def test_a_reload_polls_at_once_what_is_new_to_it(
    world: World, intervals: dict[str, str], soon: list[str], at_once: list[str]
) -> None:
    """All others keep their slots."""
    world.add("acme", "globex", every="5m")
    world.accounts[Tenant("initech")] = Account("initech", world)
    world.pass_by("1s")
    world.judged_of(2)
    world.settle()
    before = world.asked()

    world.scheduler.set_tenants(
        {Tenant(name): span(every) for name, every in intervals.items()}, soon=[Tenant(name) for name in soon]
    )
    world.pass_by("0s")
    assert world.judged_of(len(at_once)) == dict.fromkeys(at_once, 1)
    world.settle()
    assert world.asked() == before + len(at_once)
    world.pass_by("10m")

    assert world.judged_of(len(intervals)).keys() == intervals.keys()


def test_a_job_that_is_scheduled_again_has_its_last_time_alone(world: World) -> None:
    """A retry that comes to be due earlier replaces the one from before; a cancelled one never runs."""
    runs: Queue[str] = Queue()
    for minute in (3, 1, 2):
        world.scheduler.run_at("retry", world.clock.now + minutes(minute), lambda: runs.put("retry"), Executor.DELIVER)
    world.scheduler.run_at("gone", world.clock.now + minutes(1), lambda: runs.put("gone"), Executor.DELIVER)
    world.scheduler.cancel("gone")
    world.scheduler.cancel("never there")

    world.pass_by("90s")
    assert runs.empty()
    world.pass_by("30s")

    assert runs.get(timeout=PATIENCE_SECONDS) == "retry"
    until(lambda: world.hand.open_runs == 0)
    world.pass_by("10m")
    assert runs.empty()


def test_a_stop_waits_for_a_delivery_as_long_as_it_may(world: World) -> None:
    """A message on its way is not cut off, unless it takes longer than a stop may."""
    begun, may_end, ended = Event(), Event(), Event()

    def deliver() -> None:
        begun.set()
        may_end.wait(PATIENCE_SECONDS)
        world.scheduler.run_now("deliver", deliver, Executor.DELIVER)
        ended.set()

    world.scheduler.run_now("deliver", deliver, Executor.DELIVER)
    world.pass_by("0s")
    assert begun.wait(PATIENCE_SECONDS)

    world.scheduler.stop(drain=timedelta(seconds=0.05))
    assert not ended.is_set()
    may_end.set()
    world.scheduler.stop(drain=timedelta(seconds=PATIENCE_SECONDS))

    assert ended.is_set()


@pytest.mark.parametrize(
    ("tenants", "every", "counts"),
    [
        pytest.param(0, "5m", [1, 1, 1, 1], id="none yet"),
        pytest.param(1, "5m", [1, 1, 1, 1], id="a single tenant needs one worker"),
        pytest.param(5, "1m", [5, 5, 2, 3], id="a few have one each"),
        pytest.param(1000, "5m", [25, 10, 34, 64], id="a thousand every five minutes"),
        pytest.param(2000, "1m", [25, 100, 64, 64], id="two thousand each minute"),
        pytest.param(10_000, "5m", [25, 100, 64, 64], id="ten thousand every five minutes"),
        pytest.param(10_000, "1m", [25, 128, 64, 64], id="ten thousand each minute"),
        pytest.param(100_000, "1m", [25, 128, 64, 64], id="there is an end"),
    ],
)
def test_there_are_as_many_workers_as_the_tenants_need(tenants: int, every: str, counts: list[int]) -> None:
    """They are found from the configuration, between one and a number that threads are still good for."""
    found = poll_workers([span(every)] * tenants)

    assert list(found.values()) == counts
    assert found[Executor.PROMPT] <= MAX_PROMPT_WORKERS


@pytest.mark.parametrize("tenants", [1, 10, 300, 1000])
def test_a_mimecast_that_is_slow_for_everybody_is_still_asked_in_time(tenants: int) -> None:
    """Each poll may take ten seconds, and each that gets no answer half a minute, within an interval."""
    every = span("5m")
    found = poll_workers([every] * tenants)

    assert found[Executor.SLOW] * every >= tenants * PLANNED_SLOW
    assert found[Executor.UNRESPONSIVE] * every >= min(tenants * PLANNED_UNRESPONSIVE, MAX_OTHER_WORKERS * every)


@pytest.mark.parametrize(
    ("tenants", "every"), [(100, "10s"), (2000, "1m"), (10_000, "5m")], ids=["100", "2,000", "10,000"]
)
def test_all_tenants_can_begin_to_hang_at_once(tenants: int, every: str) -> None:
    """There are prompt workers for as many polls as begin within the time that one may take."""
    found = poll_workers([span(every)] * tenants)

    assert found[Executor.PROMPT] * span(every) >= tenants * PROMPT_LIMIT


@pytest.mark.parametrize(
    ("seconds", "is_answered", "executor"),
    [
        pytest.param(0.2, True, Executor.PROMPT, id="a good answer at once"),
        pytest.param(0.2, False, Executor.PROMPT, id="an error at once takes nobody's time"),
        pytest.param(3, True, Executor.SLOW, id="a good answer that took its time"),
        pytest.param(30, False, Executor.UNRESPONSIVE, id="no answer at all"),
    ],
)
def test_a_tenant_waits_with_those_that_are_like_it(*, seconds: float, is_answered: bool, executor: Executor) -> None:
    """Who hangs waits for others that hang, who is slow for the slow, and nobody else for either."""
    assert executor_after(timedelta(seconds=seconds), is_answered=is_answered) is executor
