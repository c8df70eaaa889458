"""The part of an import that is new: time of which nothing is stored.

A stored run of polls stays as it is, whatever the import says of the same time; so to import twice adds nothing the
second time. What the import says of the gaps between stored runs, of the time before the first one and after the last
one is added. In a gap the series are those of the import; where stored time begins again, they step to what is stored.
Failed polls are added there as well; a run of polls that is added ends at each failed one, stored or added.

No I/O: values in, values out. Instants are numbers (see `timelines`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, zip_longest
from operator import attrgetter, itemgetter
from typing import TypeAlias

from alerter.core.poll_times import NEVER, FailureRun, Int64Array, PollRun, packed_instants
from alerter.core.series import HoldReason, Tenant
from alerter.errors import Cause

#: Earlier than every poll.
BEFORE_ALL = -NEVER

#: A change: an instant, a reason, the count before it and the count from it on.
CountChange: TypeAlias = tuple[int, HoldReason, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The count of held messages when the records of an import begin; since when, as far as is known."""

    at: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFailures:
    """Failed polls with the same cause, oldest first."""

    instants: Sequence[int]
    cause: Cause
    detail: str

    def between(self, after: int, before: int, *, but: Collection[int]) -> "ImportedFailures":
        """Return those between two instants, neither of which is part of it, that are not stored."""
        return replace(self, instants=[at for at in self.instants if after < at < before and at not in but])


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedHistory:
    """What an import says of one tenant.

    Attributes:
        tenant: Whose history it is.
        runs: Unbroken runs of successful polls, oldest first, free of overlaps.
        polls: Every poll of them, oldest first.
        failures: The failed polls, oldest first.
        interval: How far polls are apart, in microseconds; None where the runs say it themselves.
        first_seen: When each reason was first in an answer, in that order.
        bases: What was held before the first change of a reason; nothing of a reason that is missing.
        reasons: The names of the reasons that `changed` means by their indexes.
        at: When counts changed, oldest first.
        changed: Of which reason.
        held: To how many messages.
    """

    tenant: Tenant
    runs: Sequence[PollRun]
    polls: Int64Array
    failures: Sequence[ImportedFailures] = ()
    interval: int | None = None
    first_seen: Mapping[HoldReason, int]
    bases: Mapping[HoldReason, Base] = field(default_factory=dict)
    reasons: Sequence[HoldReason]
    at: Int64Array
    changed: Int64Array
    held: Int64Array

    def changes(self) -> Iterator[CountChange]:
        """Yield the changes, oldest first."""
        counts = {reason: base.held for reason, base in self.bases.items()}
        for at, index, held in zip(self.at, self.changed, self.held, strict=True):
            reason = self.reasons[index]
            yield at, reason, counts.get(reason, 0), held
            counts[reason] = held

    def runs_between(self, after: int, before: int) -> Iterator[PollRun]:
        """Yield the parts of runs between two instants, neither of which is part of it."""
        for index in range(bisect_right(self.runs, after, key=_until), len(self.runs)):
            run = self.runs[index]
            if run.since >= before:
                return
            part = run if after < run.since and run.until < before else self._part(run, after, before)
            if part is not None:
                yield part

    def _part(self, run: PollRun, after: int, before: int) -> PollRun | None:
        """Return the polls of a run between two instants, or None where there are none."""
        begin, end = max(after + 1, run.since), min(before - 1, run.until)
        first, stop = bisect_left(self.polls, begin), bisect_right(self.polls, end)
        return PollRun.of(self.polls[first:stop]) if first < stop else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHistory:
    """What is stored of a tenant.

    Attributes:
        coverage: Runs of successful polls, oldest first, free of overlaps.
        failures: Runs of failed polls, oldest first.
        held: What is held now for each reason.
        changes: Returns an iterator over every stored change, oldest first.
    """

    coverage: Sequence[PollRun] = ()
    failures: Sequence[FailureRun] = ()
    held: Mapping[HoldReason, int] = field(default_factory=dict)
    changes: Callable[[], Iterator[CountChange]] = lambda: iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Time of which nothing is stored, and what an import says of it.

    Attributes:
        after: The last stored poll before it, or `BEFORE_ALL`.
        before: The first stored poll after it, or `NEVER`.
        runs: The successful polls that the import has in it, in runs that no failed poll interrupts.
        failures: The failed ones that are not stored.
    """

    after: int
    before: int
    runs: Sequence[PollRun]
    failures: Sequence[ImportedFailures] = ()


def gaps(given: ImportedHistory, coverage: Sequence[PollRun], failures: Sequence[FailureRun] = ()) -> list[Gap]:
    """Return what an import adds: the gaps between stored runs, before and after them, in which it has polls."""
    ends = [BEFORE_ALL, *map(_until, coverage)]
    begins = [*map(_since, coverage), NEVER]
    stored = {at for failure in failures for at in failure.instants}
    failed = sorted(stored.union(*(failure.instants for failure in given.failures)))
    found = (
        Gap(
            after=after,
            before=before,
            runs=[part for run in given.runs_between(after, before) for part in _parted(run, failed)],
            failures=[new for each in given.failures if (new := each.between(after, before, but=stored)).instants],
        )
        for after, before in zip(ends, begins, strict=True)
    )
    return [gap for gap in found if gap.runs or gap.failures]


def _parted(run: PollRun, failed: Sequence[int]) -> Iterator[PollRun]:
    """Yield the parts of a run between failed polls."""
    first, stop = bisect_left(failed, run.since), bisect_right(failed, run.until)
    if first == stop:
        yield run
        return
    instants = run.instants
    ends = [bisect_left(instants, at) for at in failed[first:stop]]
    for begin, end in zip_longest([0, *ends], ends):
        if part := instants[begin:end]:
            yield PollRun.of(part)


def steps(given: ImportedHistory, stored: StoredHistory, filled: Sequence[Gap]) -> Iterator[CountChange]:
    """Yield the changes to store, oldest first; one that steps to the count before it must be deleted instead."""
    filled = [gap for gap in filled if gap.runs]
    if not filled:
        return
    ours = _Walk(_first_counts(stored), stored.changes())
    theirs = _Walk({reason: base.held for reason, base in given.bases.items()}, given.changes())
    for gap in filled:
        ours.go_to(gap.after)
        present = dict(theirs.counts if gap.after == BEFORE_ALL else ours.counts)
        begin = gap.runs[0].since
        theirs.go_to(begin)
        for reason in present | theirs.counts:
            yield from _step(present, reason, theirs.counts.get(reason, 0), begin)
        # Every change was seen by a poll, so that all until the last one are within the runs.
        for at, reason, _, held in theirs.changes_until(gap.runs[-1].until):
            yield from _step(present, reason, held, at)
        if gap.before != NEVER:
            yield from _back(present, ours, gap.before)


def merge_runs(
    coverage: Sequence[PollRun],
    filled: Sequence[Gap],
    *,
    interval: int | None,
    failures: Sequence[FailureRun] = (),
) -> list[PollRun]:
    """Return the runs that stored and added polls make together, oldest first.

    An added run goes on where a stored one ends, or the other way round, if no poll is missing between them and none
    has failed. Two runs of the import stay two, and so do two stored ones without an added one between them.
    """
    polled: list[FailureRun | ImportedFailures] = [*failures, *_added(filled)]
    failed = sorted({at for each in polled for at in each.instants})
    both = [(run, False) for run in coverage] + [(run, True) for gap in filled for run in gap.runs]
    runs: list[PollRun] = []
    before: tuple[PollRun, bool] | None = None
    for run, is_added in sorted(both, key=lambda each: each[0].since):
        if before is not None and before[1] is not is_added:
            added = run if is_added else before[0]
            is_broken = bisect_left(failed, before[0].until) < bisect_right(failed, run.since)
            if not is_broken and run.since - before[0].until <= _reach(added, interval):
                last = runs.pop()
                runs.append(PollRun.of([*last.instants, *run.instants]))
                before = (run, is_added)
                continue
        runs.append(run)
        before = (run, is_added)
    return runs


def merge_failures(failures: Sequence[FailureRun], filled: Sequence[Gap], runs: Sequence[PollRun]) -> list[FailureRun]:
    """Return the runs of failed polls that stored and added polls make together, oldest first.

    Args:
        failures: Those that are stored.
        filled: What is added.
        runs: All runs of successful polls, with those that are added.
    """
    sources: list[FailureRun | ImportedFailures] = [*failures, *_added(filled)]
    polls = sorted(
        [(at, NEVER) for run in runs for at in run.instants]
        + [(at, number) for number, each in enumerate(sources) for at in each.instants]
    )
    found: list[FailureRun] = []
    outage_since: int | None = None
    for number, together in groupby(polls, key=itemgetter(1)):
        instants = [at for at, _ in together]
        if found and found[-1].ended_at is None:
            found[-1] = replace(found[-1], ended_at=instants[0])
        if number == NEVER:
            outage_since = None
            continue
        outage_since = instants[0] if outage_since is None else outage_since
        source = sources[number]
        found.append(
            FailureRun(
                since=instants[0],
                until=instants[-1],
                polls=len(instants),
                outage_since=outage_since,
                cause=source.cause,
                detail=source.detail,
                steps=packed_instants(instants),
            )
        )
    if found and found[-1].ended_at is None and failures:
        # The poll that ended a stored run need not be stored any more.
        ends = {each.until: each.ended_at for each in failures}
        found[-1] = replace(found[-1], ended_at=ends.get(found[-1].until))
    return found


def _added(filled: Sequence[Gap]) -> list[ImportedFailures]:
    return [each for gap in filled for each in gap.failures]


def _reach(run: PollRun, interval: int | None) -> float:
    """Return how far from a run of an import another poll may be, if none is missing between them."""
    own = (run.until - run.since) // (run.polls - 1) if run.polls > 1 else 0
    return 1.5 * (own if interval is None else interval)


class _Walk:
    """The counts of a tenant, on their way through time."""

    def __init__(self, counts: Mapping[HoldReason, int], changes: Iterator[CountChange]) -> None:
        self.counts = dict(counts)
        self._changes = changes
        self._next = next(changes, None)

    def go_to(self, at: int) -> None:
        """Pass the changes up to an instant, which belongs to them."""
        for _ in self.changes_until(at):
            pass

    def changes_until(self, at: int) -> Iterator[CountChange]:
        """Pass and yield the changes up to an instant, which belongs to them."""
        while self._next is not None and self._next[0] <= at:
            change = self._next
            self.counts[change[1]] = change[3]
            self._next = next(self._changes, None)
            yield change


def _step(present: dict[HoldReason, int], reason: HoldReason, held: int, at: int) -> Iterator[CountChange]:
    was = present.get(reason, 0)
    present[reason] = held
    if was != held:
        yield at, reason, was, held


def _back(present: dict[HoldReason, int], ours: _Walk, at: int) -> Iterator[CountChange]:
    """Yield the steps from the import to what is stored from an instant on, whose changes there begin elsewhere now."""
    stored_was = {reason: was for _, reason, was, _ in ours.changes_until(at)}
    for reason in present | ours.counts:
        was, held = present.get(reason, 0), ours.counts.get(reason, 0)
        if was != stored_was.get(reason, held):
            yield at, reason, was, held


def _first_counts(stored: StoredHistory) -> dict[HoldReason, int]:
    """Return what each stored series held before its first change."""
    counts: dict[HoldReason, int] = {}
    for _, reason, was, _ in stored.changes():
        counts.setdefault(reason, was)
    return {**stored.held, **counts}


_since = attrgetter("since")
_until = attrgetter("until")
