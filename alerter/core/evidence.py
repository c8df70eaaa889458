"""What an import says of a tenant, and which part of it is news: the time that nothing stored covers.

Other tools write readings, from which the polls that they came from are told; `alerter export` writes records, which
say so themselves. Both end as `Given`. No I/O: values in, values out; what is long is an iterator.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate

from alerter.core.records import Change, Held, Polled, Reading, clipped
from alerter.core.series import TOLERANCE_INTERVALS, HoldReason, Snapshot, Span, Tenant

#: Records cover all of a span, so that a piece of one ends as near to stored time as two instants can be.
NEXT = timedelta.resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an import says of a tenant.

    Attributes:
        pieces: The time that it adds: outside all that is stored, oldest first, free of overlaps.
        reach: Runs of polls no further apart than this are one.
        first_seen: When each reason was first seen, in that order.
        bases: What was held before the first event of a reason; 0 where it is missing.
        events: Returns every event anew, oldest first: from its instant on so many were held.
    """

    tenant: Tenant
    pieces: Sequence[Polled]
    reach: timedelta
    first_seen: Mapping[HoldReason, datetime]
    events: Callable[[], Iterator[Change | Held]]
    bases: Mapping[HoldReason, Held] = field(default_factory=dict)


def usual_interval(readings: Iterable[Reading]) -> timedelta | None:
    """Return the median distance between two readings of the same reason, in whole seconds; None where there are none.

    Args:
        readings: Of one tenant, oldest first.
    """
    last: dict[HoldReason, datetime] = {}
    distances: Counter[int] = Counter()
    for reading in readings:
        before = last.get(reading.reason)
        if before is not None and reading.at > before:
            distances[max(1, round((reading.at - before).total_seconds()))] += 1
        last[reading.reason] = reading.at
    if not distances:
        return None
    by_length = sorted(distances)
    until_here = accumulate(distances[seconds] for seconds in by_length)
    middle = (distances.total() + 1) // 2
    return next(
        timedelta(seconds=seconds) for seconds, number in zip(by_length, until_here, strict=True) if number >= middle
    )


def polls_of(readings: Iterable[Reading], *, interval: timedelta) -> Iterator[Snapshot]:
    """Return the polls that readings were made in: a reason that is missing in one had 0.

    A script that writes its rows one after the other does so over some seconds: what follows the first reading of a
    poll within half an interval belongs to it, up to a reason that it has already. Its time is its last reading's.

    Args:
        readings: Of one tenant, oldest first.
        interval: How far two polls are apart.
    """
    counts: dict[HoldReason, int] = {}
    first: Reading | None = None
    last: Reading | None = None
    for reading in readings:
        if first is not None and last is not None:
            is_new = reading.reason in counts or reading.at - first.at > interval / 2
            if is_new:
                yield Snapshot(tenant=last.tenant, taken_at=last.at, counts=counts)
            first, counts = (reading, {}) if is_new else (first, counts)
        first, last = first or reading, reading
        counts[reading.reason] = reading.held
    if last is not None:
        yield Snapshot(tenant=last.tenant, taken_at=last.at, counts=counts)


def changes_from(held: Mapping[HoldReason, int], poll: Snapshot) -> list[Change]:
    """Return what a poll changed.

    Args:
        held: What was held before it; 0 of every other reason.
        poll: What was held then; 0 of every other reason.
    """
    return [
        Change(tenant=poll.tenant, reason=reason, at=poll.taken_at, held=poll.counts.get(reason, 0))
        for reason in {**held, **poll.counts}
        if poll.counts.get(reason, 0) != held.get(reason, 0)
    ]


def given_by_polls(
    tenant: Tenant,
    polled_at: Iterable[datetime],
    first_seen: Mapping[HoldReason, datetime],
    events: Callable[[], Iterator[Change | Held]],
    stored: Sequence[Span],
    *,
    interval: timedelta,
) -> Given:
    """Return what polls of another tool add to stored time.

    Args:
        tenant: Whose.
        polled_at: When, oldest first.
        first_seen: When each reason was first seen, in that order.
        events: Returns what changed from poll to poll anew, oldest first.
        stored: The time that is covered already, oldest first.
        interval: How far two polls are apart; no further than twice this, they are one run.
    """
    reach = TOLERANCE_INTERVALS * interval
    pieces: list[Polled] = []
    covered = _Spans(stored)
    for at in polled_at:
        if covered.hold(at):
            continue
        last = pieces[-1] if pieces else None
        if last is None or at - last.until > reach or covered.have_one_after(last.until):
            pieces.append(Polled(tenant=tenant, since=at, until=at, polls=1))
        else:
            pieces[-1] = replace(last, until=at, polls=last.polls + 1)
    return Given(tenant=tenant, pieces=pieces, reach=reach, first_seen=_news_of(first_seen, stored), events=events)


class _Spans:
    """Spans of time that are asked about instants in rising order."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._index = 0

    def hold(self, at: datetime) -> bool:
        """Say whether one of them holds the instant."""
        while self._index < len(self._spans) and self._spans[self._index].until < at:
            self._index += 1
        return self._index < len(self._spans) and self._spans[self._index].since <= at

    def have_one_after(self, earlier: datetime) -> bool:
        """Say whether one of them lies between an earlier instant and the one that was last asked about."""
        return self._index > 0 and self._spans[self._index - 1].since > earlier


def given_by_records(
    tenant: Tenant,
    polled: Iterable[Polled],
    first_seen: Mapping[HoldReason, datetime],
    events: Callable[[], Iterator[Change | Held]],
    stored: Sequence[Span],
) -> Given:
    """Return what records add to stored time.

    Args:
        tenant: Whose.
        polled: Its runs of polls, in the order of their beginnings; they may overlap.
        first_seen: When each reason was first seen, in that order.
        events: Returns `Held` and `Change` records anew, oldest first. Where a reason's first one is `Held`, so many
            were held before as well.
        stored: The time that is covered already, oldest first.
    """
    bases: dict[HoldReason, Held] = {}
    known: set[HoldReason] = set()
    for event in events():
        if isinstance(event, Held) and event.reason not in known:
            bases[event.reason] = event
        known.add(event.reason)
    return Given(
        tenant=tenant,
        pieces=_outside(_free_of_overlaps(polled), stored),
        reach=NEXT,
        first_seen=_news_of(first_seen, stored),
        events=events,
        bases=bases,
    )


def _free_of_overlaps(polled: Iterable[Polled]) -> list[Polled]:
    runs: list[Polled] = []
    for run in polled:
        last = runs[-1] if runs else None
        if last is None or run.since > last.until:
            runs.append(run)
        elif run.until > last.until:
            rest = clipped(run, since=last.until, until=None)
            runs[-1] = replace(last, until=run.until, polls=last.polls + (rest.polls if rest else 0))
    return runs


def _outside(runs: Iterable[Polled], stored: Sequence[Span]) -> list[Polled]:
    """Return the parts of runs that no stored span covers, both oldest first."""
    parts: list[Polled | None] = []
    index = 0
    for run in runs:
        while index < len(stored) and stored[index].until < run.since:
            index += 1
        since = run.since
        for span in stored[index:]:
            if span.since > run.until:
                break
            parts.append(clipped(run, since=since, until=span.since - NEXT) if since < span.since else None)
            since = span.until + NEXT
        parts.append(clipped(run, since=since, until=None))
    return [part for part in parts if part is not None]


def _news_of(first_seen: Mapping[HoldReason, datetime], stored: Sequence[Span]) -> dict[HoldReason, datetime]:
    """Return the first sights that polls of alerter's own did not disprove."""
    return {reason: at for reason, at in first_seen.items() if not _is_within(at, stored)}


def _is_within(at: datetime, spans: Sequence[Span]) -> bool:
    return any(span.since <= at <= span.until for span in spans)
