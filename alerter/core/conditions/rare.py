"""Several messages where there is hardly ever one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.conditions.past import (
    LEARN,
    MAX_WEEKS,
    MIN_KNOWN,
    MIN_WEEKS,
    PastCondition,
    Rises,
    calm_counts,
    find_rename,
    find_rises,
    first_known,
    instant,
    own_past_since,
)
from alerter.core.series import MICROSECOND, OTHERS_LOOKBACK, Sample, Series, Span, from_epoch_us, to_epoch_us
from alerter.humanize import duration_text


@dataclass(frozen=True, kw_only=True)
class Rare(PastCondition):
    """Several held messages within a span, of a reason that hardly ever has any: a few letters to the board.

    Active if the count is `at_least` messages above the lowest of the span, and has never been more than `most` above
    it in the past `weeks` weeks, leaving out the span itself. A policy that is new to the tenant is rare, too: in its
    first week it takes `new` messages. In the first week of the tenant nothing is rare. Nothing has come if somebody
    has renamed a policy: another reason of the tenant has fallen by about as much within two polls.

    Attributes:
        within: The span.
        at_least: Messages.
        most: The most messages within the span in the past.
        new: Messages, in the first week of a reason.
        weeks: How many weeks to look back.
    """

    name: ClassVar[str] = "rare"

    within: Annotated[timedelta, Gt(timedelta(0)), Le(OTHERS_LOOKBACK)] = timedelta(hours=3)
    at_least: int = 4
    most: Annotated[int, Ge(0)] = 1
    new: int = 20
    weeks: Annotated[int, Ge(MIN_WEEKS), Le(MAX_WEEKS)] = 8

    def __post_init__(self) -> None:
        if self.at_least <= self.most:
            raise ValueError(f"expected 'at_least' above 'most' ({self.most}), found {self.at_least}")
        if self.new < self.at_least:
            raise ValueError(f"expected 'new' of 'at_least' ({self.at_least}) or more, found {self.new}")

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return LEARN

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        return self._limit_text(self.at_least)

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much too many have come, or how many are missing; empty without data."""
        if found.value is None or found.reference is None:
            return ""
        rise = found.value.count - found.reference.count
        return f"+{rise:,} messages, {format_distance(rise - self._needed(series, found.value.at)[0] + 1)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Compare what has come within the span with what ever came within one."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=value)
        if count < self.at_least:
            counts = (0, self.at_least - 1)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER, holds_within=counts)
        begin = from_epoch_us(first_known(series))
        if now < begin + LEARN:
            evidence = replace(evidence, detail=f"polled for less than {duration_text(LEARN)}")
            counts = (self.at_least, ANY_COUNT[1])
            return Result(verdict=Verdict.NO_DATA, evidence=evidence, holds_until=begin + LEARN, holds_within=counts)
        return self._compare(value, series, evidence)

    def _compare(self, value: Sample, series: Series, evidence: Evidence) -> Result:
        now, within, window = to_epoch_us(value.at), self.within // MICROSECOND, self.lookback // MICROSECOND
        since = max(first_known(series), now - window)
        rises = find_rises(series, since=since, within=within, now=now, above=self.most)
        needed, settles_at = self._needed(series, value.at)
        evidence = replace(
            evidence,
            limit_text=self._limit_text(needed),
            reference=Sample(from_epoch_us(rises.low_since), rises.low),
        )
        if rises.known * MICROSECOND < MIN_KNOWN:
            note = f"only {duration_text(rises.known * MICROSECOND)} of the past are known to compare with"
            return Result(verdict=Verdict.NO_DATA, evidence=replace(evidence, detail=note))
        if rises.greatest:
            # Whatever comes, until the last time that as many came is forgotten.
            until = instant(rises.greatest_until + window)
            note = f"{rises.greatest:,} have come within {duration_text(self.within)} before"
            return Result(verdict=Verdict.INACTIVE, evidence=replace(evidence, detail=note), holds_until=until)
        if value.count - rises.low < needed:
            counts = calm_counts(rises.low, needed, value.count)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=settles_at, holds_within=counts)
        return self._come(value, series, evidence, rises, needed)

    def _come(self, value: Sample, series: Series, evidence: Evidence, rises: Rises, needed: int) -> Result:
        """Return that several have come, unless a policy was renamed."""
        now, within, rise = to_epoch_us(value.at), self.within // MICROSECOND, value.count - rises.low
        renaming = find_rename(series, now - within, now)
        if renaming.other and rise - renaming.moved < needed:
            note = f"{renaming.moved:,} of it came from {renaming.other!r}, whose policy was renamed"
            return Result(verdict=Verdict.INACTIVE, evidence=replace(evidence, detail=note))
        news = f"{rise:,} within {duration_text(self.within)}, never more than {self.most:,} before"
        evidence = replace(evidence, headline=news)
        if series.others:
            return Result(verdict=Verdict.ACTIVE, evidence=evidence)
        until = instant(min(rises.low_until + within + 1, rises.returns_at + within))
        counts = (rises.low + needed, ANY_COUNT[1])
        return Result(verdict=Verdict.ACTIVE, evidence=evidence, holds_until=until, holds_within=counts)

    def _needed(self, series: Series, now: datetime) -> tuple[int, datetime]:
        """Return how many messages it takes now, and until when it takes that many."""
        own = own_past_since(series)
        settles_at = from_epoch_us(own) + LEARN
        is_new = own > first_known(series) and now < settles_at
        return (self.new, settles_at) if is_new else (self.at_least, FOREVER)

    def _limit_text(self, needed: int) -> str:
        span = duration_text(self.within)
        return f"+{needed:,} within {span}, where no more than {self.most:,} came in {self.weeks}w"
