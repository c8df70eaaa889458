"""A fall to less than was held in the weeks before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from alerter.core.conditions.base import (
    ANY_COUNT,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.conditions.past import MAX_WEEKS, WEEK, PastCondition, find_rename, own_past_since
from alerter.core.series import MICROSECOND, OTHERS_LOOKBACK, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text

#: Of the weeks before so much must be known.
LEARN = 2 * WEEK
_WHOLE = 100


@dataclass(frozen=True, kw_only=True)
class Fall(PastCondition):
    """Held messages that fall within a span to far less than was ever held in the weeks before: a mass release.

    The count now is compared with the lowest of the past `weeks` weeks, leaving out the span: active if it is lower by
    `at_least` messages and by `percent` of it. A queue that people empty now and then has had low counts before, and so
    has one to which a wave has just come, so that neither fires. Two weeks of the reason must be known. Nothing has
    fallen if somebody has renamed a policy: another reason of the tenant has risen by about as much within two polls.

    Attributes:
        within: The span.
        at_least: Messages.
        percent: Per cent of the lowest count before.
        weeks: How many weeks to look back.
    """

    name: ClassVar[str] = "fall"

    within: Annotated[timedelta, Gt(timedelta(0)), Le(OTHERS_LOOKBACK)] = timedelta(hours=1)
    at_least: Annotated[int, Ge(1)] = 50
    percent: Annotated[int, Ge(1), Le(_WHOLE)] = 80
    weeks: Annotated[int, Ge(LEARN // WEEK + 1), Le(MAX_WEEKS)] = 4

    @property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return True

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return LEARN + self.within

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        steps = f"-{self.at_least:,} and -{self.percent} %"
        return f"{steps} within {duration_text(self.within)} on the least of {self.weeks}w"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much it fell too far, or how many fewer it takes; empty without data."""
        if found.value is None or found.reference is None:
            return ""
        fall = found.reference.count - found.value.count
        return (
            f"{-fall:+,} messages, {format_distance(fall - self._needed(found.reference.count) + 1, missing='fewer')}"
        )

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Compare the sample at `now` with the lowest count before."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=value)
        now_us, within, window = to_epoch_us(now), self.within // MICROSECOND, self.lookback // MICROSECOND
        since = max(own_past_since(series), now_us - window)
        past = series.lowest_us(since, now_us - within)
        known = sum(until - since for since, until in series.known_us(since, now_us - within))
        if past is None or known < LEARN // MICROSECOND:
            span = duration_text(known * MICROSECOND)
            note = f"only {span} of the {duration_text(LEARN)} that it needs are known to compare with"
            until = now + LEARN - known * MICROSECOND
            return Result(verdict=Verdict.NO_DATA, evidence=replace(evidence, detail=note), holds_until=until)
        held_since, held_until, lowest = past
        evidence = replace(evidence, reference=Sample(from_epoch_us(held_since), lowest))
        least = lowest - self._needed(lowest)
        # Until the lowest count is forgotten, or so much of what is known that it is too little.
        known_until = now + known * MICROSECOND - LEARN + MICROSECOND
        if count > least:
            until = min(from_epoch_us(held_until) + self.lookback, known_until)
            counts = (max(0, least + 1), ANY_COUNT[1])
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=until, holds_within=counts)
        return self._fallen(value, series, evidence, lowest)

    def _fallen(self, value: Sample, series: Series, evidence: Evidence, lowest: int) -> Result:
        """Return that it has fallen too far, unless a policy was renamed."""
        now, within = to_epoch_us(value.at), self.within // MICROSECOND
        renaming = find_rename(series, now - within, now, falls=True)
        if renaming.other and value.count + renaming.moved > lowest - self._needed(lowest):
            note = f"{renaming.moved:,} of it went to {renaming.other!r}: its policy was renamed"
            return Result(verdict=Verdict.INACTIVE, evidence=replace(evidence, detail=note))
        news = f"{lowest - value.count:,} fewer than ever in {self.weeks}w"
        evidence = replace(evidence, headline=news)
        # It lasts for `within`, and other reasons may follow meanwhile.
        return Result(verdict=Verdict.ACTIVE, evidence=evidence)

    def _needed(self, lowest: int) -> int:
        return max(self.at_least, -(-lowest * self.percent // _WHOLE))
