"""APScheduler as the daemon uses it: one job per tenant at its own slots, and the jobs that deliver and clean up.

No tenant waits for another one that does not answer. A tenant's job is in one of four executors, each with workers of
its own (`Workers`), and a poll that has ended decides which one has the next:

| executor | polls | has it until |
|---|---|---|
| `first` | a tenant that is new, or whose keys or rules are | its first result is committed |
| `prompt` | a tenant that answered within 3 s last time | it does not |
| `slow` | a tenant whose answer took longer | it is quicker, or stops answering |
| `unresponsive` | a tenant that did not answer | it answers |

A worker of the first two gives a fetch 3 s. If there is no answer by then (whatever hangs: name, connection, TLS,
headers or body), it is free for others: the fetch is given up, and the job moves to `unresponsive`, where it runs again
at once with the full time of a fetch. So a tenant that begins to hang takes a prompt worker for 3 s, once.

A slot that comes while the job still waits for a worker cannot be polled. For a tenant that did not answer last time
that is a failed poll with cause `timeout`, so that no data is noticed in time. A tenant that did is only late, for two
of its intervals.

APScheduler stops without a word when the clock is set back: the daemon watches the clocks and calls `reschedule_all`.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from threading import RLock, Thread
from typing import Protocol

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alerter.core.series import Snapshot, Tenant
from alerter.errors import Cause, FetchOverrun, RateLimited, SourceError, SourceUnavailable
from alerter.service.commit_queue import CommitQueue, FetchResult, ResultHandler
from alerter.service.slots import FIRST_POLLS_PER_SECOND, first_polls, next_slot, startup_spread

log = logging.getLogger(__name__)

#: How long a prompt worker waits for an answer.
PROMPT_LIMIT = timedelta(seconds=3)
#: How long a poll takes a worker that is planned for it: a first one, a slow one, and one that gets no answer.
PLANNED_FIRST, PLANNED_SLOW, PLANNED_UNRESPONSIVE = timedelta(seconds=0.5), timedelta(seconds=10), timedelta(seconds=30)
MIN_PROMPT_WORKERS, MAX_PROMPT_WORKERS, MAX_OTHER_WORKERS = 8, 128, 64
#: A rate limit that ends within this is waited for, once, by no worker; a longer one makes the poll a failed one.
MAX_RATE_LIMIT_WAIT = timedelta(seconds=10)
#: A tenant that waits for a worker for this many of its intervals counts as one that could not be polled.
MISSED_INTERVALS = 2
#: How often it is checked whether the last result of a tenant that is polled soon has been committed.
COMMIT_CHECK_INTERVAL = timedelta(seconds=1)
#: How long a stop waits for the commit that is under way, in seconds.
MAX_COMMIT_WAIT_SECONDS = 5.0
#: How many runs of a job may overlap: all but one may be held up by a target that hangs.
MAX_JOB_RUNS = 4


class Executor(StrEnum):
    """Whose workers run a job: see the head of this module for the first four."""

    FIRST = "first"
    PROMPT = "prompt"
    SLOW = "slow"
    UNRESPONSIVE = "unresponsive"
    DELIVER = "deliver"
    RETENTION = "retention"
    DEFAULT = "default"


POLL_EXECUTORS = (Executor.FIRST, Executor.PROMPT, Executor.SLOW, Executor.UNRESPONSIVE)


def poll_workers(intervals: Collection[timedelta]) -> Mapping[Executor, int]:
    """Return how many workers each executor of polls needs for these intervals, if all polls are of its kind.

    A worker's thread begins when it is needed first. The prompt ones are enough for every tenant to begin to hang at
    once, as long as that is no more than 128.
    """
    polls_per_second = sum(1 / interval.total_seconds() for interval in intervals)
    tenant_count = max(len(intervals), 1)

    def needed(planned: timedelta, *, least: int, most: int) -> int:
        polls = round(polls_per_second * planned.total_seconds(), 6)  # no worker for the error of a sum
        return min(max(ceil(polls), least), most, tenant_count)

    return {
        Executor.FIRST: min(ceil(PLANNED_FIRST.total_seconds() * FIRST_POLLS_PER_SECOND), tenant_count),
        Executor.PROMPT: needed(PROMPT_LIMIT, least=MIN_PROMPT_WORKERS, most=MAX_PROMPT_WORKERS),
        Executor.SLOW: needed(PLANNED_SLOW, least=2, most=MAX_OTHER_WORKERS),
        Executor.UNRESPONSIVE: needed(PLANNED_UNRESPONSIVE, least=2, most=MAX_OTHER_WORKERS),
    }


def executor_after(duration: timedelta, *, is_answered: bool) -> Executor:
    """Return which executor has a tenant's next poll, after one that took this long."""
    if duration < PROMPT_LIMIT:
        return Executor.PROMPT
    return Executor.SLOW if is_answered else Executor.UNRESPONSIVE


class TimedSource(Protocol):
    """A source whose fetch can be given less than its full time."""

    def fetch(self, *, within: timedelta | None = None) -> Snapshot:
        """Return the messages that are held now.

        Args:
            within: How long the caller waits; None for the full time of a fetch.

        Raises:
            FetchOverrun: It takes longer than `within`.
            SourceError: The poll failed; nothing is known.
        """
        ...


class Workers(BasePoolExecutor):  # type: ignore[misc] # APScheduler ships no types
    """An executor whose number of threads can change, and whose shutdown waits for nothing."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self.size = size
        self._pool = self._new_pool()
        super().__init__(self._pool)

    def resize(self, size: int) -> None:
        """Have this many workers from now on; the ones before finish what was submitted to them."""
        if size == self.size:
            return
        with self._lock or nullcontext():  # APScheduler makes the lock when it starts
            before, self.size = self._pool, size
            self._pool = self._new_pool()
        before.shutdown(wait=False)

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - the signature of APScheduler
        """Take no further jobs."""
        self._pool.shutdown(wait=False)

    def join(self) -> None:
        """Wait until every submitted job has ended."""
        self._pool.shutdown(wait=True)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.size, thread_name_prefix=self._name)


def _join_all(each: Iterable[Workers]) -> None:
    for workers in each:
        workers.join()


class SlotTrigger(BaseTrigger):  # type: ignore[misc] # as above
    """Fires at the slots of a tenant: of those that were slept through only once, and never off its slots."""

    def __init__(self, tenant: Tenant, interval: timedelta) -> None:
        self._tenant = tenant
        self._interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:  # noqa: ARG002 - as above
        """Return the next slot."""
        return next_slot(self._tenant, self._interval, now=now)


@dataclass(slots=True, eq=False)
class _TenantJob:
    """The job of one tenant, since it was scheduled with its present interval, keys and rules.

    Attributes:
        executor: Whose workers have its next poll.
        is_first: Whether no result of it was committed yet.
        is_outdated: Whether what it is asked or evaluated with changed during the poll that runs.
        is_repeat: Whether the next poll repeats one that was rate limited.
        missed_slots: How many slots came while its poll waited for a worker.
    """

    interval: timedelta
    executor: Executor = Executor.FIRST
    is_first: bool = True
    is_outdated: bool = False
    is_repeat: bool = False
    missed_slots: int = 0


class Scheduler:
    """Runs jobs at their times, until it is stopped. Any thread may call it, jobs included.

    Args:
        source_for: Return a tenant's source; None for one that is no longer polled.
        handle: Commits what was fetched.
        clock: The time.
        seconds: Seconds that never jump, for durations.
        apscheduler: The scheduler that is used; None for one with a thread of its own.
    """

    def __init__(
        self,
        source_for: Callable[[Tenant], TimedSource | None],
        handle: ResultHandler,
        *,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        apscheduler: BaseScheduler | None = None,
    ) -> None:
        self._source_for = source_for
        self._clock = clock
        self._seconds = seconds
        self._lock = RLock()
        self._tenants: dict[Tenant, _TenantJob] = {}
        self._running: dict[Tenant, _TenantJob] = {}
        self._is_stopped = False
        self.queue = CommitQueue(handle, self._ask_again)
        sizes = {Executor.DEFAULT: 1, Executor.DELIVER: MAX_JOB_RUNS, Executor.RETENTION: 1, **poll_workers(())}
        self._workers = {executor: Workers(executor, size) for executor, size in sizes.items()}
        self._apscheduler = apscheduler or BackgroundScheduler()
        self._apscheduler.configure(
            timezone=UTC,
            executors={str(executor): workers for executor, workers in self._workers.items()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._apscheduler.add_listener(self._slot_missed, EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Begin to run jobs, and to commit what they fetch."""
        self.queue.start()
        self._apscheduler.start()

    def stop(self, *, drain: timedelta) -> None:
        """Begin nothing more; wait for what is being committed and sent, for this long at most, and for no answer."""
        with self._lock:
            self._is_stopped = True
        self._apscheduler.shutdown(wait=False)
        self.queue.stop(within=MAX_COMMIT_WAIT_SECONDS)
        # A pool has no time limit of its own, so a thread waits for them, and this one for the thread.
        others = [workers for executor, workers in self._workers.items() if executor not in POLL_EXECUTORS]
        drained = Thread(target=_join_all, args=(others,), daemon=True)
        drained.start()
        drained.join(drain.total_seconds())

    # -- jobs by name -------------------------------------------------------------------------------------------------

    def run_now(self, name: str, job: Callable[[], None], executor: Executor = Executor.DEFAULT) -> None:
        """Run a job soon."""
        self.run_at(name, self._clock(), job, executor)

    def run_at(self, name: str, at: datetime, job: Callable[[], None], executor: Executor = Executor.DEFAULT) -> None:
        """Run a job at an instant, in place of the one that waits under this name."""
        self._add(name, job, DateTrigger(at, timezone=UTC), executor)

    def run_every(
        self, name: str, interval: timedelta, job: Callable[[], None], executor: Executor = Executor.DEFAULT
    ) -> None:
        """Run a job at intervals, the first time after one of them."""
        self._add(name, job, IntervalTrigger(seconds=int(interval.total_seconds()), timezone=UTC), executor)

    def cancel(self, name: str) -> None:
        """Forget the job that waits under a name, if there is one."""
        with suppress(JobLookupError):
            self._apscheduler.remove_job(name)

    def _add(self, name: str, job: Callable[[], None], trigger: BaseTrigger, executor: Executor) -> None:
        if self._is_stopped:
            return
        # Several at a time, so that a run that meets another is not lost.
        self._apscheduler.add_job(
            job, trigger, id=name, executor=executor, replace_existing=True, max_instances=MAX_JOB_RUNS
        )

    # -- polls ------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> set[Tenant]:
        """The tenants that a worker polls now."""
        with self._lock:
            return set(self._running)

    def executor_for(self, tenant: Tenant) -> Executor:
        """Return whose workers have the next poll of a tenant."""
        with self._lock:
            return self._tenants[tenant].executor

    def set_tenants(self, intervals: Mapping[Tenant, timedelta], *, soon: Collection[Tenant] = ()) -> None:
        """Poll these tenants and no others.

        Args:
            intervals: How often each is polled. A tenant that is polled already as often keeps its slots.
            soon: The tenants that are polled soon all the same.
        """
        with self._lock:
            for tenant in self._tenants.keys() - intervals.keys():
                del self._tenants[tenant]
                self.cancel(_job_id(tenant))
            for executor, size in poll_workers(intervals.values()).items():
                self._workers[executor].resize(size)
            new = {name: every for name, every in intervals.items() if self._is_new(name, every) or name in soon}
            self._schedule(new)

    def reschedule_all(self) -> None:
        """Run every job soon, and from then on at its times as the clock shows them now: it jumped, or stood still."""
        with self._lock:
            self._schedule({tenant: job.interval for tenant, job in self._tenants.items()})
            poll_jobs = set(map(_job_id, self._tenants))
            for job in self._apscheduler.get_jobs():
                if job.id not in poll_jobs:
                    self._modify(job.id, next_run_time=self._clock())

    def _is_new(self, tenant: Tenant, interval: timedelta) -> bool:
        return tenant not in self._tenants or self._tenants[tenant].interval != interval

    def _schedule(self, intervals: Mapping[Tenant, timedelta]) -> None:
        """Schedule tenants of which everything is new."""
        for tenant, first_at in first_polls(intervals, now=self._clock()):
            job = self._tenants[tenant] = _TenantJob(interval=intervals[tenant])
            self._apscheduler.add_job(
                self._poll,
                SlotTrigger(tenant, job.interval),
                args=(tenant, job),
                id=_job_id(tenant),
                executor=job.executor,
                next_run_time=first_at,
                replace_existing=True,
            )

    def _poll(self, tenant: Tenant, job: _TenantJob) -> None:
        """Poll a tenant, in a worker of its job's executor."""
        if not self._begin(tenant, job):
            return
        executor, again_after = Executor.PROMPT, None
        try:
            source = self._source_for(tenant)
            if source is not None:
                executor, again_after = self._fetch(tenant, source, job)
        except Exception:
            # The boundary of the thread: a poll that never ended would be the tenant's last one, and nobody would know.
            log.exception("internal error job=%s tenant=%s", "poll", tenant)
        self._end(tenant, job, executor, again_after)

    def _begin(self, tenant: Tenant, job: _TenantJob) -> bool:
        """Return True if the poll can begin."""
        with self._lock:
            if self._is_stopped or self._tenants.get(tenant) is not job:
                return False
            if tenant in self._running:
                # A poll from before a reload: when it ends, the tenant is polled again.
                self._running[tenant].is_outdated = True
                return False
            if tenant in self.queue:
                if job.is_first:  # it is new, and must not wait for its slot
                    self._poll_at(tenant, self._clock() + COMMIT_CHECK_INTERVAL)
                return False
            self._running[tenant] = job
            job.missed_slots = 0
            return True

    def _fetch(self, tenant: Tenant, source: TimedSource, job: _TenantJob) -> tuple[Executor, timedelta | None]:
        """Fetch, and hand over the result; return the next executor, and after how long to fetch again, if soon."""
        began = self._seconds()
        fetched: Snapshot | SourceError
        try:
            fetched = source.fetch(within=PROMPT_LIMIT if job.executor in {Executor.FIRST, Executor.PROMPT} else None)
        except FetchOverrun:
            return Executor.UNRESPONSIVE, timedelta(0)
        except SourceError as error:
            fetched = error
        duration = timedelta(seconds=self._seconds() - began)
        wait = self._rate_limit_wait(fetched, job)
        if wait is not None:
            return job.executor, wait
        result = FetchResult(source=source, fetched=fetched, duration=duration)
        (self.queue.put_first if job.is_first else self.queue.put)(tenant, result)
        job.is_first = False
        return executor_after(duration, is_answered=isinstance(fetched, Snapshot)), None

    def _rate_limit_wait(self, fetched: Snapshot | SourceError, job: _TenantJob) -> timedelta | None:
        """Return how long to wait before the poll is repeated, or None if its result counts."""
        wait = fetched.retry_after if isinstance(fetched, RateLimited) else None
        job.is_repeat = wait is not None and wait <= MAX_RATE_LIMIT_WAIT and not job.is_repeat
        return wait if job.is_repeat else None

    def _end(self, tenant: Tenant, job: _TenantJob, executor: Executor, again_after: timedelta | None) -> None:
        with self._lock:
            self._running.pop(tenant, None)
            present = self._tenants.get(tenant)
            if present is None or self._is_stopped:
                return
            if job.is_outdated:
                job.is_outdated, again_after = False, timedelta(0)
            if present is job and executor is not job.executor:
                job.executor = executor
                self._modify(_job_id(tenant), executor=str(executor))
            if again_after is not None:
                self._poll_at(tenant, self._clock() + again_after)

    def _ask_again(self, tenant: Tenant) -> None:
        """Poll a tenant whose result was dropped."""
        with self._lock:
            if tenant in self._tenants and not self._is_stopped:
                self._poll_at(tenant, self._clock())

    def _poll_at(self, tenant: Tenant, at: datetime) -> None:
        """Poll a tenant once more at an instant, unless its next slot comes first."""
        job = self._apscheduler.get_job(_job_id(tenant))
        if job is not None and at < job.next_run_time:
            self._modify(_job_id(tenant), next_run_time=at)

    def _modify(self, job_id: str, **changes: object) -> None:
        with suppress(JobLookupError):
            self._apscheduler.modify_job(job_id, **changes)

    def _slot_missed(self, event: JobSubmissionEvent) -> None:
        """Note that a slot came while a poll waits or runs; record a failed poll if it has waited for too long."""
        tenant = _tenant_of(event.job_id)
        with self._lock:
            job = None if tenant is None else self._tenants.get(tenant)
            if tenant is None or job is None or self._is_stopped:
                return
            if tenant in self._running:
                self._running[tenant].is_outdated |= self._running[tenant] is not job
                return
            job.missed_slots += 1
            waited = job.missed_slots * job.interval
            if waited < self._max_wait(job):
                return
        detail = f"not asked for {waited.total_seconds():.0f} s: all workers wait for tenants that answer late"
        error = SourceUnavailable(Cause.TIMEOUT, detail)
        self.queue.put_missed(tenant, FetchResult(source=None, fetched=error, duration=timedelta(0)))

    def _max_wait(self, job: _TenantJob) -> timedelta:
        """Return how long a tenant may wait for a worker before that is a failed poll."""
        if job.executor is Executor.UNRESPONSIVE:
            return timedelta(0)
        max_wait = MISSED_INTERVALS * job.interval
        # The first polls of thousands take their time, on a slow machine more than was planned.
        return max_wait + startup_spread(len(self._tenants)) if job.executor is Executor.FIRST else max_wait


_JOB_PREFIX = "poll "


def _job_id(tenant: Tenant) -> str:
    return _JOB_PREFIX + tenant


def _tenant_of(job_id: str) -> Tenant | None:
    """Return whose job it is, or None for one of no tenant."""
    return Tenant(job_id.removeprefix(_JOB_PREFIX)) if job_id.startswith(_JOB_PREFIX) else None
