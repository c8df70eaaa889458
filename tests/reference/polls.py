"""What was polled: a list of polls, and the samples, runs and known time that follow from it (section 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

Sample = tuple[datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One attempt to fetch a hold summary: the count of each reason, or None if it failed (2).

    `begins` says of a poll of a sum that a tenant was not seen right before it.
    """

    tenant: str
    at: datetime
    counts: dict[str, int] | None
    cause: str = ""
    begins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one alert is about: a series or a sum, with all polls that say something about it (3).

    `polls` are those at or before now, oldest first (2.4). `tenant` and `reason` are "*" where they stand for all.
    """

    tenant: str
    reason: str
    polls: list[Poll]
    takes: Callable[[str], bool]
    interval: timedelta
    timezone: str

    @property
    def samples(self) -> list[Sample]:
        """The successful polls, no more and no fewer; what an answer does not hold is 0 (2.1)."""
        return [
            (poll.at, sum(count for name, count in poll.counts.items() if self.takes(name)))
            for poll in self.polls
            if poll.counts is not None
        ]

    @property
    def is_seen(self) -> bool:
        """Whether the newest poll was successful: otherwise nothing is known now (2.1)."""
        return bool(self.polls) and self.polls[-1].counts is not None

    @property
    def runs(self) -> list[list[datetime]]:
        """The runs of coverage: a failed poll ends one, and so does a missed one (2.1 [2])."""
        return runs_of(self.polls, self.interval)

    def known(self, start: datetime, end: datetime) -> timedelta:
        """Return how much of a span is within runs of coverage (2.1 [2]).

        Silent: whether the last poll of a run covers anything after it. It does not.
        """
        overlaps = [min(run[-1], end) - max(run[0], start) for run in self.runs]
        return sum((each for each in overlaps if each > timedelta(0)), timedelta(0))

    def held_since(self, start: datetime) -> list[Sample]:
        """Return the samples from an instant on, and the one before it if a run reaches from it to there (2.1)."""
        reaching = [run for run in self.runs if run[0] <= start <= run[-1]]
        since = max((at for run in reaching for at in run if at <= start), default=start)
        return [sample for sample in self.samples if sample[0] >= since]


def runs_of(polls: list[Poll], interval: timedelta) -> list[list[datetime]]:
    """Return the runs of coverage that polls make, oldest first (2.1 [2])."""
    runs: list[list[datetime]] = [[]]
    for poll in polls:
        if poll.counts is None:
            runs.append([])
            continue
        if runs[-1] and (poll.begins or poll.at - runs[-1][-1] > interval * 1.5):
            runs.append([])
        runs[-1].append(poll.at)
    return [run for run in runs if run]


def windows_for(polls: list[Poll], tenant: str, now: datetime) -> list[Poll]:
    """Return the polls of a tenant at or before now, oldest first: later ones are ignored (2.4)."""
    return sorted((poll for poll in polls if poll.tenant == tenant and poll.at <= now), key=lambda poll: poll.at)


def together(polls: list[Poll], intervals: dict[str, timedelta], now: datetime) -> list[Poll]:
    """Return the polls of all tenants as polls of one: at each of them the newest of every tenant (3).

    Silent: tenants that are polled at different instants, or are unknown. The newest poll of a tenant stands for it
    during two of its intervals; without one, or if it failed, the sum is unknown. Silent: runs of a sum. Nothing is
    known between two runs of one tenant, and so nothing of the sum.
    """
    by_tenant = {tenant: windows_for(polls, tenant, now) for tenant in intervals}
    begins = {run[0] for tenant in intervals for run in runs_of(by_tenant[tenant], intervals[tenant])}
    merged = []
    for at in sorted({poll.at for each in by_tenant.values() for poll in each}):
        newest = [poll for tenant in intervals for poll in windows_for(polls, tenant, at)[-1:]]
        good = [
            poll.counts for poll in newest if poll.counts is not None and at - poll.at <= 2 * intervals[poll.tenant]
        ]
        sums: dict[str, int] = {}
        for counts in good:
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
        known = sums if len(good) == len(intervals) else None
        merged.append(Poll(tenant="*", at=at, counts=known, begins=at in begins))
    return merged
