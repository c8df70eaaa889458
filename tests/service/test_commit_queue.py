"""The queue in front of the writer: a real thread, and commits that take as long as the test says."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from queue import Queue
from threading import Event, Thread

import pytest

from alerter.core.series import Tenant
from alerter.errors import Cause, SourceUnavailable
from alerter.service.commit_queue import (
    MAX_FIRST_POLLS_PER_COMMIT,
    MAX_POLLS_PER_COMMIT,
    CommitQueue,
    FetchResult,
)
from tests.builders import a_snapshot

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
#: How long a thread may take for anything; a test fails after it, and waits only as long as it must.
PATIENCE_SECONDS = 10


class Writer:
    """A writer that remembers what it was handed.

    Attributes:
        groups: The tenants of each commit.
        results: What came of each tenant last.
        dropped: Whose results it calls outdated.
        may_commit: While it is clear, a commit takes its time.
        bugs: How many commits meet a bug.
    """

    def __init__(self) -> None:
        self.groups: Queue[list[Tenant]] = Queue()
        self.results: dict[Tenant, FetchResult] = {}
        self.dropped: set[Tenant] = set()
        self.may_commit = Event()
        self.may_commit.set()
        self.bugs = 0
        self.asked_again: Queue[Tenant] = Queue()
        self.queue = CommitQueue(self.commit, self.asked_again.put)

    def commit(self, results: Mapping[Tenant, FetchResult]) -> set[Tenant]:
        """Commit, once it may."""
        self.groups.put([*results])
        assert self.may_commit.wait(PATIENCE_SECONDS)
        if self.bugs:
            self.bugs -= 1
            raise ZeroDivisionError
        self.results |= results
        return self.dropped

    def next_group(self) -> list[Tenant]:
        """Return whose results are committed next; fail if none are."""
        return self.groups.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def writer() -> Iterator[Writer]:
    """A writer whose queue has begun."""
    writer = Writer()
    writer.queue.start()
    yield writer
    writer.may_commit.set()
    writer.queue.stop(within=PATIENCE_SECONDS)


def a_result(tenant: str = "acme") -> FetchResult:
    """Return a successful fetch."""
    return FetchResult(source=None, fetched=a_snapshot({}, tenant=tenant), duration=timedelta(0))


def a_failure() -> FetchResult:
    """Return a failed one."""
    error = SourceUnavailable(Cause.TIMEOUT, "no answer")
    return FetchResult(source=None, fetched=error, duration=timedelta(0))


def names(count: int, kind: str = "customer") -> list[Tenant]:
    """Return names of tenants."""
    return [Tenant(f"{kind}-{number}") for number in range(count)]


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something that another thread does is done."""
    gate = Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if is_so():
            return
        gate.wait(0.01)
    pytest.fail("it did not come to that")


def busy(writer: Writer) -> None:
    """Have the writer begin a commit that lasts until it may end."""
    writer.may_commit.clear()
    writer.queue.put(ACME, a_result())
    assert writer.next_group() == [ACME]


def test_a_lone_result_is_committed_at_once(writer: Writer) -> None:
    """It waits for no other that might come."""
    writer.queue.put(ACME, a_result())

    assert writer.next_group() == [ACME]
    until(lambda: ACME not in writer.queue)


def test_results_that_come_while_others_are_committed_share_the_next_commit(writer: Writer) -> None:
    """One commit for many takes the disk no longer than one for each, and none is lost or committed twice."""
    busy(writer)
    for tenant in names(8):
        writer.queue.put(tenant, a_result(tenant))
    assert all(tenant in writer.queue for tenant in [ACME, *names(8)])

    writer.may_commit.set()

    assert writer.next_group() == names(8)
    until(lambda: not any(tenant in writer.queue for tenant in names(8)))
    assert writer.groups.empty()


def test_a_commit_has_no_more_results_than_may_be_lost_together(writer: Writer) -> None:
    """Those that have waited longest come first."""
    busy(writer)
    many = names(MAX_POLLS_PER_COMMIT + 1)
    for tenant in many:
        writer.queue.put(tenant, a_result(tenant))

    writer.may_commit.set()

    assert writer.next_group() == many[:-1]
    assert writer.next_group() == many[-1:]


def test_a_result_does_not_wait_for_all_the_first_ones_before_it(writer: Writer) -> None:
    """After a start a tenant that has been polled is committed with the next group."""
    busy(writer)
    first = [
        Thread(target=writer.queue.put_first, args=(tenant, a_result(tenant)), daemon=True)
        for tenant in names(3 * MAX_FIRST_POLLS_PER_COMMIT, "new")
    ]
    for each in first:
        each.start()
    until(lambda: all(tenant in writer.queue for tenant in names(len(first), "new")))
    writer.queue.put(GLOBEX, a_result("globex"))

    writer.may_commit.set()

    group = writer.next_group()
    assert len(group) == MAX_FIRST_POLLS_PER_COMMIT + 1
    assert GLOBEX in group


def test_who_hands_in_a_first_result_waits_until_it_is_committed(writer: Writer) -> None:
    """So no more is asked than can be committed."""
    writer.may_commit.clear()
    handing_in = Thread(target=writer.queue.put_first, args=(ACME, a_result()), daemon=True)
    handing_in.start()
    writer.next_group()
    assert handing_in.is_alive()

    writer.may_commit.set()
    handing_in.join(PATIENCE_SECONDS)

    assert not handing_in.is_alive()
    assert ACME in writer.results


def test_the_newest_result_of_a_tenant_counts(writer: Writer) -> None:
    """A poll that comes while the one before still waits replaces it: each tenant has one result in a commit."""
    busy(writer)
    writer.queue.put(GLOBEX, a_failure())
    newest = a_result("globex")
    writer.queue.put(GLOBEX, newest)

    writer.may_commit.set()

    assert writer.next_group() == [GLOBEX]
    until(lambda: GLOBEX not in writer.queue)
    assert writer.results[GLOBEX] is newest


def test_a_poll_that_could_not_begin_replaces_no_result(writer: Writer) -> None:
    """A tenant that has answered meanwhile has not failed."""
    busy(writer)
    answered = a_result("globex")
    writer.queue.put(GLOBEX, answered)
    writer.queue.put_missed(GLOBEX, a_failure())
    writer.queue.put_missed(ACME, a_failure())
    missed = a_failure()
    writer.queue.put_missed(Tenant("initech"), missed)

    writer.may_commit.set()

    assert writer.next_group() == [GLOBEX, "initech"]
    until(lambda: GLOBEX not in writer.queue)
    assert writer.results[GLOBEX] is answered
    assert writer.results[Tenant("initech")] is missed


def test_an_outdated_result_is_asked_for_again_once_it_no_longer_waits(writer: Writer) -> None:
    """A reload gave the tenant other keys meanwhile."""
    writer.dropped = {ACME}

    writer.queue.put(ACME, a_result())

    assert writer.asked_again.get(timeout=PATIENCE_SECONDS) == ACME
    assert ACME not in writer.queue


def test_a_bug_in_a_commit_is_not_the_end_of_commits(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the traceback, and the next results are committed."""
    writer.bugs = 1
    with caplog.at_level(logging.ERROR):
        writer.queue.put(ACME, a_result())
        until(lambda: "internal error job=commit tenants=1" in caplog.text)

    writer.queue.put(GLOBEX, a_result("globex"))

    assert [writer.next_group(), writer.next_group()] == [[ACME], [GLOBEX]]


def test_a_stop_waits_for_the_commit_that_is_under_way_and_begins_no_other(writer: Writer) -> None:
    """What was promised to be stored is stored; what waits is polled again after the next start."""
    busy(writer)
    writer.queue.put(GLOBEX, a_result("globex"))
    first = Thread(target=writer.queue.put_first, args=(Tenant("initech"), a_result("initech")), daemon=True)
    first.start()

    writer.queue.stop(within=0.01)
    writer.may_commit.set()
    writer.queue.stop(within=PATIENCE_SECONDS)
    first.join(PATIENCE_SECONDS)

    assert ACME in writer.results
    assert writer.groups.empty()
    assert not first.is_alive()
