"""The threads that poll: a bounded pool for each lane, so that a slow, silent or rate-limited tenant delays nobody.

Asking Mimecast waits for a network and is done by many at a time; judging the answer writes to the database, which
takes one writer at a time: one thread does it, in groups of those that came in meanwhile, and no poller waits for it. A
tenant has one turn at a time, from when it is due until its answer is judged. No clock but those that it is handed.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import Protocol, TypeVar

from alerter.core.series import Snapshot, Tenant
from alerter.errors import Cause, RateLimited, SourceError, SourceUnavailable
from alerter.jobs.ports import Source
from alerter.service.slots import MISSED_INTERVALS, Lane, Lanes, Timetable, first_round, lane_after

log = logging.getLogger(__name__)

#: A rate limit that ends within this is waited for, once and by nobody; a longer one makes the poll a failed one.
PATIENCE = timedelta(seconds=10)
#: So many answers share a commit at most, and are lost together where it fails.
MAX_POLLS_PER_COMMIT = 50
#: And so many first answers: everything about their tenants must be read, so that each takes as long as five others.
MAX_FIRST_GROUP = 10
#: How often it is looked who is due, in seconds: at the next slot, but no more often and no more rarely than that. Each
#: look of a service that has nothing to do costs a tenth of a millisecond; whatever moves a slot ends the nap, also a
#: clock that has jumped (`restart`). One that was corrected by a few seconds makes a poll as much later.
MIN_NAP_SECONDS, MAX_NAP_SECONDS = 0.05, 60.0
#: How often a poller that waits for its answer to be judged looks whether it should stop, in seconds.
STOP_LOOK_SECONDS = 0.5
#: How long a stop waits for an answer that is being kept.
STOP_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tenant's account answered, or why it did not.

    Attributes:
        source: Who was asked; after a reload it may not be the tenant's account any more.
        fetched: What came of it.
        took: How long it took.
    """

    source: Source | None
    fetched: Snapshot | SourceError
    took: timedelta

    def fetch(self) -> Snapshot:
        """Return the snapshot, or raise the error: an answer is a source that has answered already."""
        if isinstance(self.fetched, SourceError):
            raise self.fetched
        return self.fetched


class Judge(Protocol):
    """Who keeps an answer and decides what it means."""

    def __call__(self, answers: Mapping[Tenant, Answer]) -> set[Tenant]:
        """Judge answers, each of another tenant; return whose are not wanted any more, so that they are asked again.

        Never raises.
        """
        ...


@dataclass(slots=True)
class _Turn:
    """A tenant that waits for a poller, or has one; and whether what it is asked or judged by has changed meanwhile."""

    since: datetime
    lane: Lane
    is_waiting: bool = True
    is_being_missed: bool = False
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer that waits to be judged, whose it is, where the tenant waits next time, and whether it was judged."""

    tenant: Tenant
    answer: Answer
    lane: Lane
    is_judged: Event = field(default_factory=Event)


class Pollers:
    """Polls the tenants that it is assigned, each at its slots.

    Args:
        source_of: Return a tenant's account; None for one that is polled no more.
        evaluate_due: What is done with an answer.
        clock: The time, for slots.
        seconds: Seconds that never jump, for durations.
        longest_nap_seconds: How long nobody looks who is due, at most.
    """

    def __init__(
        self,
        source_of: Callable[[Tenant], Source | None],
        evaluate_due: Judge,
        *,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        longest_nap_seconds: float = MAX_NAP_SECONDS,
    ) -> None:
        self._source_of = source_of
        self._judge = evaluate_due
        self._clock = clock
        self._seconds = seconds
        self._lock = Lock()
        self._judging = Lock()
        self._waiting: deque[_Answered] = deque()
        self._waiting_first: deque[_Answered] = deque()
        self._timetable = Timetable()
        self._turns: dict[Tenant, _Turn] = {}
        self._lane_by_tenant: dict[Tenant, Lane] = {}
        self._is_repeat: set[Tenant] = set()
        self._lanes = Lanes.of(())
        self._pools: dict[Lane, ThreadPoolExecutor] = {}
        self._judges = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._stopped, self._hurry = Event(), Event()
        self._longest_nap_seconds = longest_nap_seconds

    @property
    def busy(self) -> set[Tenant]:
        """The tenants whose turn it is: they wait for a poller, or have one."""
        with self._lock:
            return set(self._turns)

    @property
    def waiting(self) -> int:
        """How many answers wait to be judged."""
        return len(self._waiting) + len(self._waiting_first)

    def lane_of(self, tenant: Tenant) -> Lane:
        """Return where a tenant waits when it is due."""
        return self._lane_by_tenant.get(tenant, Lane.PROMPT)

    def assign(self, intervals: Mapping[Tenant, timedelta], *, soon: Collection[Tenant] = ()) -> None:
        """Poll these tenants and no others; who is polled already as often keeps its place, unless it is in `soon`."""
        with self._lock:
            self._timetable.assign(intervals, soon=soon, now=self._clock())
            self._lane_by_tenant = {name: lane for name, lane in self._lane_by_tenant.items() if name in intervals}
            self._resize(Lanes.of(intervals.values()))
        self._hurry.set()

    def restart(self) -> None:
        """Poll everyone soon: the clock has jumped, or the machine has slept."""
        with self._lock:
            self._timetable.restart(now=self._clock())
        self._hurry.set()

    def start(self) -> None:
        """Begin to look who is due, in a thread of its own, until `stop`."""
        Thread(target=self._look, name="poll-ticks", daemon=True).start()

    def _look(self) -> None:
        while True:
            self._hurry.wait(self._nap_seconds())
            self._hurry.clear()
            if self._stopped.is_set():
                return
            try:
                self.tick()
            except Exception:
                # The boundary of the thread: without it nobody would be polled any more, unseen.
                log.exception("looking who is due ended by a bug in alerter")

    def _nap_seconds(self) -> float:
        with self._lock:
            due_at = self._timetable.next_due_at()
            longest = self._longest_nap_seconds
            left = longest if due_at is None else (due_at - self._clock()).total_seconds()
        return min(max(left, MIN_NAP_SECONDS), longest)

    def tick(self) -> None:
        """Hand out who is due."""
        with self._lock:
            now = self._clock()
            for tenant in self._timetable.due(now=now):
                turn = self._turns.get(tenant)
                if turn is None:
                    self._begin(tenant, now=now)
                elif self._timetable.is_first(tenant):
                    turn.is_outdated = True
                elif self._has_missed(tenant, turn, now=now):
                    turn.is_being_missed = True
                    self._judges.submit(self._miss, tenant, turn, now - turn.since)

    def stop(self) -> None:
        """Begin no further poll: what is being kept may come to its end, no answer is waited for."""
        self._stopped.set()
        self._hurry.set()
        with self._lock:
            for pool in (*self._pools.values(), self._judges):
                pool.shutdown(wait=False, cancel_futures=True)
            self._timetable.assign({}, now=self._clock())
        if self._judging.acquire(timeout=STOP_SECONDS):
            self._judging.release()

    def _resize(self, lanes: Lanes) -> None:
        """Take as many pollers as the tenants need; those that are there finish what they have been given."""
        for lane in Lane:
            if lane not in self._pools or self._lanes.size(lane) != lanes.size(lane):
                if lane in self._pools:
                    self._pools[lane].shutdown(wait=False)
                self._pools[lane] = ThreadPoolExecutor(lanes.size(lane), thread_name_prefix=f"poll-{lane}")
        self._lanes = lanes

    def _begin(self, tenant: Tenant, *, now: datetime) -> None:
        lane = self.lane_of(tenant)
        if lane is Lane.PROMPT and self._timetable.is_first(tenant):
            lane = Lane.FIRST
        turn = self._turns[tenant] = _Turn(now, lane)
        self._pools[lane].submit(self._run, tenant, turn)

    def _run(self, tenant: Tenant, turn: _Turn) -> None:
        """Take a tenant's turn, in a thread of its lane, which ends where the answer is judged."""
        turn.is_waiting = False
        lane, again_after = Lane.PROMPT, None
        try:
            source = self._source_of(tenant)
            if source is not None:
                answer = self._ask(source)
                lane = lane_after(answer.took, is_answered=isinstance(answer.fetched, Snapshot))
                again_after = self._wait_asked_for(tenant, answer)
                if again_after is None:
                    self._hand_over(_Answered(tenant, answer, lane), turn)
                    return
        except Exception:
            # The boundary of the thread: a tenant whose turn never ended would never be polled again, unseen.
            log.exception("poll ended by a bug in alerter tenant=%s", tenant)
        self._end(tenant, lane, again_after)

    def _hand_over(self, answered: _Answered, turn: _Turn) -> None:
        """Leave an answer to the thread that judges.

        While a commit is under way the next answers gather, and share one: to have each poller wait for it, and wake up
        to find it done, would take more pollers, and more of the processor, than asking does. Those of first polls do
        wait, so that on a slow machine no more is asked than can be judged, and answers do not grow old.
        """
        is_first = turn.lane is Lane.FIRST
        (self._waiting_first if is_first else self._waiting).append(answered)
        with suppress(RuntimeError):  # after a stop nobody judges any more
            self._judges.submit(self._judge_waiting)
        while is_first and not self._stopped.is_set() and not answered.is_judged.wait(STOP_LOOK_SECONDS):
            pass

    def _judge_waiting(self) -> None:
        """Judge a group of those that wait, if any do, and end their turns.

        Of first answers it takes a few at a time, so that after a start no other waits for a thousand of them.
        """
        with self._judging:
            group = [
                *_taken(self._waiting, at_most=MAX_POLLS_PER_COMMIT),
                *_taken(self._waiting_first, at_most=MAX_FIRST_GROUP),
            ]
            unwanted: Collection[Tenant] = ()
            try:
                if group:
                    unwanted = self._judge({each.tenant: each.answer for each in group})
            except Exception:
                # The boundary of the thread, as above.
                log.exception("judging ended by a bug in alerter tenants=%d", len(group))
        for each in group:
            self._end(each.tenant, each.lane, timedelta(0) if each.tenant in unwanted else None)
            each.is_judged.set()

    def _ask(self, source: Source) -> Answer:
        began = self._seconds()
        fetched: Snapshot | SourceError
        try:
            fetched = source.fetch()
        except SourceError as error:
            fetched = error
        return Answer(source=source, fetched=fetched, took=timedelta(seconds=self._seconds() - began))

    def _wait_asked_for(self, tenant: Tenant, answer: Answer) -> timedelta | None:
        """Return after how long to ask again before anything is judged, or None where the answer counts."""
        error = answer.fetched
        wait = error.retry_after if isinstance(error, RateLimited) else None
        if wait is None or wait > PATIENCE or tenant in self._is_repeat:
            self._is_repeat.discard(tenant)
            return None
        self._is_repeat.add(tenant)
        return wait

    def _end(self, tenant: Tenant, lane: Lane, again_after: timedelta | None) -> None:
        with self._lock:
            turn = self._turns.pop(tenant)
            if turn.is_outdated and again_after is None:
                again_after = timedelta(0)
            if again_after is not None:
                self._timetable.again(tenant, at=self._clock() + again_after)
                self._hurry.set()
            if lane is Lane.PROMPT or tenant not in self._timetable.intervals:
                self._lane_by_tenant.pop(tenant, None)
            else:
                self._lane_by_tenant[tenant] = lane

    def _has_missed(self, tenant: Tenant, turn: _Turn, *, now: datetime) -> bool:
        """Say whether a tenant that is due again has waited for so long that this is a failed poll.

        One that did not answer last time is behind others that do not answer either, and fails at each of its slots, so
        that somebody hears of it in time. One that did answer is only late, for a while.
        """
        if not turn.is_waiting or turn.is_being_missed:
            return False
        if turn.lane is Lane.SILENT:
            return True
        patience = MISSED_INTERVALS * self._timetable.intervals[tenant]
        if turn.lane is Lane.FIRST:
            # The first polls of thousands take their time, on a slow machine more than was planned.
            patience += first_round(len(self._timetable.intervals))
        return now - turn.since >= patience

    def _miss(self, tenant: Tenant, turn: _Turn, waited: timedelta) -> None:
        """Record that a tenant could not be asked, unless it has its poller by now."""
        detail = f"not asked for {waited.total_seconds():.0f} s: all pollers wait for accounts that answer late"
        error = SourceUnavailable(Cause.TIMEOUT, detail)
        with self._judging:
            if turn.is_waiting:
                self._judge({tenant: Answer(source=None, fetched=error, took=timedelta(0))})
        turn.is_being_missed = False


_Waiting = TypeVar("_Waiting")


def _taken(waiting: deque[_Waiting], *, at_most: int) -> list[_Waiting]:
    """Return those that have waited for longest, who wait no more."""
    return [waiting.popleft() for _ in range(min(len(waiting), at_most))]
