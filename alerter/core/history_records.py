"""History as it is written down: what `alerter export` gives away, and what `alerter import` takes in.

Five kinds of record say all that is known of a tenant: which reasons were seen, what was held before the first record,
when polling worked, when it failed, and what changed. What stands between two records was polled and equal; what no
`PollRange` covers is unknown. Other tools write readings: one count at one instant.

No I/O: values in, values out; all instants are aware UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TypeAlias, assert_never

from alerter.core.series import HoldReason, Span, Tenant
from alerter.errors import Cause

#: The largest count that every database and every reader of JSON keeps exactly.
MAX_COUNT = 2**53
#: Names that Mimecast shows have at most 70 characters; what is longer than this is no policy's name.
MAX_REASON = 1000
#: Of a failed poll's detail no more is stored.
MAX_DETAIL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSeen:
    """A hold reason exists; `at` is when it was first in an answer, perhaps with 0."""

    tenant: Tenant
    reason: HoldReason
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialCount:
    """The count of held messages where the records begin: since `at`, which came from no other record."""

    tenant: Tenant
    reason: HoldReason
    at: datetime
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRange:
    """Between two instants no poll failed and none was missed.

    Attributes:
        tenant: Whose polls they were.
        since: The first of them.
        until: The last of them.
        polls: How many there were.
        times: When each of them was, oldest first; empty where they were evenly apart.
    """

    tenant: Tenant
    since: datetime
    until: datetime
    polls: int
    times: tuple[datetime, ...] = ()

    @classmethod
    def of(cls, tenant: Tenant, times: Sequence[datetime]) -> "PollRange":
        """Return the record of polls; at least one, oldest first, each once."""
        polled = cls(tenant=tenant, since=times[0], until=times[-1], polls=len(times))
        return polled if polled.instants == tuple(times) else replace(polled, times=tuple(times))

    @property
    def instants(self) -> tuple[datetime, ...]:
        """When each poll was, oldest first."""
        if self.times:
            return self.times
        whole, parts = self.until - self.since, max(self.polls - 1, 1)
        return tuple(self.since + whole * part // parts for part in range(self.polls))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPolls:
    """Failed polls one after the other with the same cause.

    Attributes:
        polled: When they were.
        cause: Why they failed.
        detail: What was found last.
    """

    polled: PollRange
    cause: Cause
    detail: str

    @property
    def tenant(self) -> Tenant:
        """Whose polls they were."""
        return self.polled.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRecord:
    """The count of held messages from `at` on."""

    tenant: Tenant
    reason: HoldReason
    at: datetime
    held: int


Record: TypeAlias = FirstSeen | InitialCount | PollRange | FailedPolls | CountRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSample:
    """The count of held messages at one instant; nothing is said of any other.

    Without a reason it says that nothing was held for any.
    """

    tenant: Tenant
    reason: HoldReason | None
    at: datetime
    held: int


def clip(polled: PollRange, *, since: datetime | None, until: datetime | None) -> PollRange | None:
    """Return the polls of a run between two instants, both included, or None where there are none."""
    if (since is None or since <= polled.since) and (until is None or polled.until <= until):
        return polled
    within = [at for at in polled.instants if (since is None or at >= since) and (until is None or at <= until)]
    return PollRange.of(polled.tenant, within) if within else None


def resample(records: Iterable[Record], *, every: timedelta) -> Iterator[ImportedSample]:
    """Return what was held at regular instants, for tools that know neither changes nor coverage.

    Args:
        records: Of each tenant together, its runs of polls before its changes, both oldest first.
        every: The distance between two instants; they are its multiples from 1970 on, in UTC. There is no reading of an
            instant that polling did not cover.
    """
    for tenant, of_tenant in groupby(records, key=lambda record: record.tenant):
        yield from _sampled(tenant, of_tenant, every)


def _sampled(tenant: Tenant, records: Iterable[Record], every: timedelta) -> Iterator[ImportedSample]:
    held: dict[HoldReason, int] = {}
    spans: list[Span] = []
    changes = (record for record in records if not isinstance(record, FailedPolls))
    change = next(changes, None)
    while change is not None and not isinstance(change, CountRecord):
        match change:
            case FirstSeen():
                held.setdefault(change.reason, 0)
            case InitialCount():
                held[change.reason] = change.held
            case PollRange():
                spans.append(Span(change.since, change.until))
            case _:
                assert_never(change)
        change = next(changes, None)
    for at in _instants(spans, every):
        while isinstance(change, CountRecord) and change.at <= at:
            held[change.reason] = change.held
            change = next(changes, None)
        for reason, count in held.items():
            yield ImportedSample(tenant=tenant, reason=reason, at=at, held=count)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instants(spans: Sequence[Span], every: timedelta) -> Iterator[datetime]:
    """Yield the multiples of a span of time that are covered."""
    for span in spans:
        at = _EPOCH - (_EPOCH - span.start_at) // every * every
        while at <= span.end_at:
            yield at
            at += every
