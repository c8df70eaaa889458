"""All that is stored of a tenant, in arrays: years of step functions, shown as the series that rules look at.

A `Series` is what one evaluation reads; a `SeriesHistory` is what a replay of all of them reads. It takes sixteen bytes
for each change, and shows itself as a `Series` as of any poll, cut to what a rule may look at. No I/O: values in,
values out.
"""

from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import merge
from itertools import repeat
from typing import overload

from alerter.core.poll_times import (
    FailureRun,
    Int64Array,
    KnownPolls,
    Outage,
    PollTimes,
    int64_array,
    merge_outages,
    packed_instants,
)
from alerter.core.series import (
    ALL_REASONS,
    ALL_TENANTS,
    MICROSECOND,
    OTHERS_LOOKBACK,
    HeldRun,
    HoldReason,
    Series,
    Snapshot,
    Steps,
    Tenant,
    longest_step,
    runs_of_sum,
    to_epoch_us,
)
from alerter.errors import Cause


@dataclass(frozen=True, kw_only=True)
class SeriesHistory:
    """All that is known of one series, or of a sum.

    Attributes:
        tenant: See `Series`.
        reason: See `Series`.
        at: Where the count changed, oldest first, one per instant; the first one carries the value at the beginning.
        held: The count from each of these instants on.
        poll_times: When the tenant was polled.
        first_seen_at: From when on rules look at it: a reason is not there before an answer has it.
        first_held_at: See `Series`.
        others: All hold reasons of the tenant, for rules that compare them; empty for all other rules.
        memo: What conditions have derived from it; see `Series.derived`.
    """

    tenant: Tenant
    reason: HoldReason
    at: Int64Array
    held: Int64Array
    poll_times: PollTimes
    first_seen_at: int = 0
    first_held_at: datetime | None = None
    others: "Sequence[SeriesHistory]" = field(default=(), compare=False, repr=False)
    memo: dict[Hashable, object] = field(default_factory=dict, init=False, compare=False, repr=False)

    def series_at(self, now: int, *, window: timedelta) -> Series:
        """Return the series as it was known at one of its polls, at least as far back as a window."""
        poll_times = self.poll_times
        since = now - window // MICROSECOND - poll_times.tolerance - 1
        first = max(bisect_right(self.at, since) - 1, 0)
        outage = poll_times.outage_at(now)
        return Series(
            tenant=self.tenant,
            reason=self.reason,
            changes=Steps(self.at, self.held, first, bisect_right(self.at, now)),
            coverage=poll_times.coverage(since=since, now=now),
            poll_interval=poll_times.poll_interval,
            poll_failure=None if outage is None else outage.failure_at(now),
            timezone=poll_times.timezone,
            first_polled_at=poll_times.first_polled_at,
            first_held_at=self.first_held_at,
            polls=None if poll_times.owner_indexes else KnownPolls(poll_times.good),
            others=_SeriesOf(self.others, now) if self.others else (),
            memo=self.memo,
        )


@dataclass(frozen=True, slots=True)
class _SeriesOf(Sequence[Series]):
    """Series as they were known at one of their polls, each made when it is looked at."""

    histories: Sequence[SeriesHistory]
    now: int

    def __len__(self) -> int:
        return len(self.histories)

    @overload
    def __getitem__(self, index: int) -> Series: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Series]: ...
    def __getitem__(self, index: int | slice) -> Series | Sequence[Series]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self.histories[index].series_at(self.now, window=OTHERS_LOOKBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantHistory:
    """All that is known of one tenant.

    Attributes:
        polling: An archive without held messages that carries when the tenant was polled.
        reasons: One per hold reason that was ever seen, in the order in which they appeared.
        thinned_until: Until when each hour has its lowest, highest and last count alone; None where all of it is whole.
    """

    polling: SeriesHistory
    reasons: Sequence[SeriesHistory]
    thinned_until: datetime | None = None


def sum_of_reasons(histories: Sequence[SeriesHistory]) -> SeriesHistory:
    """Return the sum over reasons of one tenant; `histories` begins with the tenant's polling."""
    at, held = _summed(histories)
    return replace(histories[0], reason=ALL_REASONS, at=at, held=held, first_seen_at=0)


def sum_of_tenants(histories: Sequence[SeriesHistory], *, triggers: Collection[Tenant] | None = None) -> SeriesHistory:
    """Return the sum over tenants, each the sum of another one, at the polls that evaluate it.

    As of `series.sum_of_tenants`: covered while every one of them is, and failing while any of them is.

    Args:
        histories: At least one.
        triggers: With whose successful polls the sum is evaluated, while it is covered; None for those of all of them.
    """
    timelines = [each.poll_times for each in histories]
    at, held = _summed(histories)
    coverage = list(runs_of_sum((list(zip(each.since, each.until, strict=True)), each.tolerance) for each in timelines))
    outages = tuple(_united(outage for each in timelines for outage in each.outages))
    polls_by_owner = (
        zip(each.poll_times.good, repeat(number))
        for number, each in enumerate(histories)
        if triggers is None or each.tenant in triggers
    )
    seen = list(_where_seen(merge(*polls_by_owner), coverage, outages))
    timezones = {poll_times.timezone for poll_times in timelines}
    poll_times = PollTimes(
        polls=int64_array(poll for poll, _ in seen),
        since=int64_array(since for since, _, _ in coverage),
        until=int64_array(until for _, until, _ in coverage),
        outages=outages,
        poll_interval=max(each.poll_interval for each in timelines),
        timezone=timezones.pop() if len(timezones) == 1 else UTC,
        owner_indexes=int64_array(owner for _, owner in seen),
    )
    return SeriesHistory(tenant=ALL_TENANTS, reason=ALL_REASONS, at=at, held=held, poll_times=poll_times)


def _where_seen(
    owned_polls: Iterable[tuple[int, int]], coverage: Sequence[HeldRun], outages: Sequence[Outage]
) -> Iterator[tuple[int, int]]:
    """Yield the polls, each with its owner, at which a sum is known: it is covered, and no tenant is failing."""
    run = outage = 0
    for poll, owner in owned_polls:
        while run < len(coverage) and coverage[run][2] < poll:
            run += 1
        while outage < len(outages) and outages[outage].until <= poll:
            outage += 1
        is_failing = outage < len(outages) and outages[outage].since <= poll
        if run < len(coverage) and coverage[run][0] <= poll and not is_failing:
            yield poll, owner


def _summed(histories: Sequence[SeriesHistory]) -> tuple[Int64Array, Int64Array]:
    """Return the sum of step functions, known from where each of them is."""
    if not all(history.at for history in histories):
        return int64_array(), int64_array()
    begin = max(history.at[0] for history in histories)
    at, held = int64_array(), int64_array()
    total = 0
    for instant, delta in merge(*(_deltas(history, begin) for history in histories)):
        total += delta
        if at and at[-1] == instant:
            held[-1] = total
        else:
            at.append(instant)
            held.append(total)
    return at, held


def _deltas(history: SeriesHistory, begin: int) -> Iterator[tuple[int, int]]:
    """Yield by how much a series changes, and when; what was before the beginning counts as its first change."""
    before = 0
    for instant, count in zip(history.at, history.held, strict=True):
        yield max(instant, begin), count - before
        before = count


def _united(outages: Iterable[Outage]) -> Iterator[Outage]:
    """Yield when any tenant is failing; what overlaps is one outage."""
    united: Outage | None = None
    for outage in sorted(outages, key=lambda outage: outage.since):
        if united is not None and outage.since < united.until:
            united = replace(united, until=max(united.until, outage.until))
            continue
        if united is not None:
            yield united
        united = outage
    if united is not None:
        yield united


# What was polled, one poll after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPoll:
    """One attempt that yielded nothing."""

    at: datetime
    cause: Cause = Cause.TIMEOUT
    detail: str = ""


def history_from_polls(
    tenant: Tenant, polls: Iterable[Snapshot | FailedPoll], *, poll_interval: timedelta, timezone: tzinfo = UTC
) -> TenantHistory:
    """Return the archive that polls make, as if they had been stored one after the other.

    Args:
        tenant: Whose polls they are.
        polls: Oldest first, at most one at an instant.
        poll_interval: How often the tenant is polled: good polls no further apart than one and a half times that are
            one run, unless one failed between them.
        timezone: Where its people work.
    """
    polled = sorted(polls, key=_polled_at)
    good = [poll for poll in polled if isinstance(poll, Snapshot)]
    runs = _runs(polled, poll_interval)
    poll_times = PollTimes(
        polls=int64_array(to_epoch_us(_polled_at(poll)) for poll in polled),
        good=int64_array(to_epoch_us(poll.taken_at) for poll in good),
        since=int64_array(since for since, _ in runs),
        until=int64_array(until for _, until in runs),
        outages=tuple(merge_outages(_failure_runs(polled))),
        poll_interval=poll_interval,
        timezone=timezone,
        first_polled_at=good[0].taken_at if good else None,
    )
    begin = to_epoch_us(good[0].taken_at) if good else 0
    polling = SeriesHistory(
        tenant=tenant, reason=ALL_REASONS, at=int64_array([begin]), held=int64_array([0]), poll_times=poll_times
    )
    reasons = dict.fromkeys(reason for poll in good for reason in poll.counts)
    return TenantHistory(polling=polling, reasons=[_archive(polling, reason, good) for reason in reasons])


def _polled_at(poll: Snapshot | FailedPoll) -> datetime:
    return poll.taken_at if isinstance(poll, Snapshot) else poll.at


def _runs(polled: Iterable[Snapshot | FailedPoll], poll_interval: timedelta) -> list[tuple[int, int]]:
    """Return the runs of coverage: a failed poll ends one, and so does a missed one."""
    runs: list[tuple[int, int]] = []
    has_failed = False
    for poll in polled:
        if isinstance(poll, FailedPoll):
            has_failed = True
            continue
        at = to_epoch_us(poll.taken_at)
        if runs and not has_failed and at - runs[-1][1] <= longest_step(poll_interval) // MICROSECOND:
            runs[-1] = runs[-1][0], at
        else:
            runs.append((at, at))
        has_failed = False
    return runs


def _failure_runs(polled: Iterable[Snapshot | FailedPoll]) -> list[FailureRun]:
    """Return the runs of failures: a good poll ends one, and so does another cause."""
    runs: list[FailureRun] = []
    for poll in polled:
        at = to_epoch_us(_polled_at(poll))
        newest = runs[-1] if runs and runs[-1].ended_at is None else None
        if isinstance(poll, FailedPoll) and newest is not None and newest.cause is poll.cause:
            steps = packed_instants([*newest.instants, at])
            runs[-1] = replace(newest, until=at, polls=newest.polls + 1, detail=poll.detail, steps=steps)
            continue
        if newest is not None:
            runs[-1] = replace(newest, ended_at=at)
        if isinstance(poll, FailedPoll):
            since = at if newest is None else newest.outage_since
            first = FailureRun(since=at, until=at, polls=1, outage_since=since, cause=poll.cause, detail=poll.detail)
            runs.append(first)
    return runs


def _archive(polling: SeriesHistory, reason: HoldReason, good: Sequence[Snapshot]) -> SeriesHistory:
    at, held = int64_array(), int64_array()
    for poll in good:
        count = poll.counts.get(reason, 0)
        if not held or held[-1] != count:
            at.append(to_epoch_us(poll.taken_at))
            held.append(count)
    return replace(
        polling,
        reason=reason,
        at=at,
        held=held,
        first_seen_at=next(to_epoch_us(poll.taken_at) for poll in good if reason in poll.counts),
        first_held_at=next((poll.taken_at for poll in good if poll.counts.get(reason, 0)), None),
    )
