"""Held mail that nobody looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    margin_text,
    no_data_result,
)
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text

#: Mimecast expires held mail after so long: a count that is looked at for longer falls by itself.
EXPIRY = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Stagnant(BaseCondition):
    """Held messages that nobody releases: for a span the count has been above a limit, and it has never fallen.

    Whatever is released, rejected or expired makes the count fall, and the span begins anew. Mimecast expires held mail
    after 14 days, so that `lasting` is at most that; well below it there is time left to look at the mail. Polling must
    have begun before the span. Gaps of up to two poll intervals are bridged: what was seen on both sides must be above
    the limit and must not have fallen. With a longer one there is no data, until it is older than the span.

    Attributes:
        above: Messages.
        lasting: The span.
    """

    name: ClassVar[str] = "stagnant"

    above: int
    lasting: timedelta

    def __post_init__(self) -> None:
        if self.above < 0:
            raise ValueError(f"expected 'above' of 0 messages or more, found {self.above}")
        if self.lasting <= timedelta(0):
            raise ValueError("expected 'lasting' longer than 0s")
        if self.lasting > EXPIRY:
            most, found = duration_text(EXPIRY), duration_text(self.lasting)
            raise ValueError(f"expected 'lasting' of at most {most}, after which held mail expires, found {found}")

    @property
    def window(self) -> timedelta:
        """How far back it looks, without the tolerance for the first sample."""
        return self.lasting

    @cached_property
    def limit(self) -> str:
        """What makes it active, in words."""
        lasting = f"never falling for {duration_text(self.lasting)}"
        return f"above {self.above:,} and {lasting}" if self.above else lasting

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return self.lasting

    def margin(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return how many messages are missing, or for how much longer; empty without data."""
        if found.value is None:
            return ""
        if found.value.count <= self.above:
            return margin_text(found.value.count - self.above)
        if found.reference is None:
            return ""
        lasting = found.value.at - found.reference.at
        if lasting < self.lasting:
            return f"for {duration_text(lasting)} so far, needs {duration_text(self.lasting - lasting)} more"
        return f"by {found.value.count - self.above:,}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Look for the last moment at which the count fell, or was at or below the limit."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit)
        value, same = Sample(now, count), (count, count)
        if count <= self.above:
            return self._result(Verdict.INACTIVE, value, holds_until=FOREVER, holds_within=(ANY_COUNT[0], self.above))
        then = now - self.lasting
        reference = series.sample_for(then)
        before = () if reference is None else ((to_epoch_us(reference.at), to_epoch_us(reference.at), reference.count),)
        seen = [*before, *series.pieces_us(to_epoch_us(then), to_epoch_us(now))]
        since, before_until = self._last_break(seen)
        if since is not None:
            # Whatever is seen until then, the span since this moment is too short; what was before a gap is forgotten.
            remembered = min(since.at, from_epoch_us(before_until + 1) + series.tolerance)
            return self._result(Verdict.INACTIVE, value, since, holds_until=remembered + self.lasting)
        if reference is None:
            note = f"no successful poll {duration_text(self.lasting)} before to begin with"
            until = (series.next_change_at(after=then) or then) + self.lasting
            return self._result(Verdict.NO_DATA, value, note=note, holds_until=until, holds_within=same)
        gaps = [(after - before, after) for (_, before, _), (after, _, _) in pairwise(seen)]
        longest, behind = max(gaps, default=(0, 0))
        if longest * MICROSECOND > series.tolerance:
            gap, until = duration_text(longest * MICROSECOND), from_epoch_us(behind) + self.lasting
            note = f"no data for {gap} of the last {duration_text(self.lasting)}"
            return self._result(Verdict.NO_DATA, value, note=note, holds_until=until, holds_within=same)
        return self._result(Verdict.ACTIVE, value, reference, holds_until=FOREVER, holds_within=same)

    def _last_break(self, seen: Sequence[tuple[int, int, int]]) -> tuple[Sample | None, int]:
        """Return the first sample since which the count has been above the limit and has not fallen.

        With it comes the last instant of what was seen before. None where that is so of all that was seen.
        """
        after_count, after_since = seen[-1][2], seen[-1][0]
        for since, until, count in reversed(seen[:-1]):
            if after_count < count or count <= self.above:
                return Sample(from_epoch_us(after_since), after_count), until
            after_since, after_count = since, count
        return None, 0

    def _result(
        self,
        verdict: Verdict,
        value: Sample,
        reference: Sample | None = None,
        *,
        note: str = "",
        holds_until: datetime,
        holds_within: tuple[int, int] = ANY_COUNT,
    ) -> Result:
        evidence = Evidence(condition=self.name, limit=self.limit, value=value, reference=reference, note=note)
        return Result(verdict=verdict, evidence=evidence, holds_until=holds_until, holds_within=holds_within)
