"""A rise that is greater than the rises of the weeks before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, sqrt
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from alerter.core.conditions.base import (
    ANY_COUNT,
    FOREVER,
    NOT_AT_ALL,
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
    WEEK,
    PastCondition,
    Renaming,
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

#: Of a new tenant: what a rise must come to, within which span, and how much of what was held before; and how long it
#: must have been polled.
NEW_AT_LEAST, NEW_WITHIN, NEW_PARTS, NEW_FOR = 30, timedelta(hours=3), 2, timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """What a rise is compared with.

    Attributes:
        rises: It, and those of the past.
        needed: What it must come to, in messages.
        calm: With fewer messages it is none, whatever becomes of the low.
        within: The span of both.
        past: What is known of the past, in words.
        calm_until: Until when `calm` grows no smaller, in microseconds.
        same_until: Until when `needed` grows no greater, apart from what the last rises add to the past.
        is_known: Whether enough is known to compare with.
    """

    rises: Rises
    needed: int
    calm: int
    within: timedelta
    past: str
    calm_until: float
    same_until: float
    is_known: bool = True


@dataclass(frozen=True, kw_only=True)
class Rise(PastCondition):
    """Held messages that rise within a span as they have not risen in the weeks before.

    The rise is the count now minus the lowest count of the span. It is compared with the greatest such rise of the past
    `weeks` weeks, leaving out the span: active if it is `times` as great, and at least `at_least` messages. While
    fewer weeks are known, it must be greater: after one of eight weeks 2.8 times as great, after two weeks twice.

    In the first week of a tenant, from its third hour on, it must come within three hours to 30 messages, to half of
    what was held, and to `times` the greatest rise that was seen so far. A reason that appears later has no past: it is
    looked at from a week after its first held messages on. Nothing rises if somebody has renamed a policy: another
    reason of the tenant has fallen by about as much within two polls.

    Attributes:
        within: The span.
        times: How many times as great as the greatest rise before.
        at_least: Messages.
        weeks: How many weeks to look back.
    """

    name: ClassVar[str] = "rise"

    within: Annotated[timedelta, Ge(NEW_WITHIN), Le(OTHERS_LOOKBACK)] = timedelta(days=1)
    times: Annotated[float, Ge(1)] = 3
    at_least: Annotated[int, Ge(1)] = 10
    weeks: Annotated[int, Ge(MIN_WEEKS), Le(MAX_WEEKS)] = 8

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return NEW_FOR

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words, as long as nobody knows how it has risen."""
        past = f"{self.times:g} times the most of {self.weeks} weeks"
        return f"+{self.at_least:,} within {duration_text(self.within)} and {past}"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much it rose too far, or how much is missing; empty without data."""
        compared = None if found.value is None or found.reference is None else self._compare(found.value, series)
        if found.value is None or compared is None:
            return ""
        rise = found.value.count - compared.rises.low
        return f"+{rise:,} messages, {format_distance(rise - compared.needed + 1)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Compare the rise that ends now with those of the past."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value, least = Sample(now, count), min(self.at_least, NEW_AT_LEAST)
        evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=value)
        if count < least:
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER, holds_within=(0, least - 1))
        note, until = self._why_unknown(value, series)
        if note:
            same = (least, ANY_COUNT[1])
            evidence = replace(evidence, detail=note)
            return Result(verdict=Verdict.NO_DATA, evidence=evidence, holds_until=until, holds_within=same)
        return self._result(value, series, self._compare(value, series))

    def _why_unknown(self, value: Sample, series: Series) -> tuple[str, datetime]:
        """Return why there is nothing to compare with, and until when at least; an empty text if there is."""
        begin, own = from_epoch_us(first_known(series)), from_epoch_us(own_past_since(series))
        if value.at < begin + NEW_FOR:
            return f"polled for less than {duration_text(NEW_FOR)}", begin + NEW_FOR
        if value.at >= begin + LEARN and value.at < own + LEARN:
            return f"a new hold reason, which has a past {duration_text(LEARN)} after its first messages", own + LEARN
        return "", NOT_AT_ALL

    def _compare(self, value: Sample, series: Series) -> "_Comparison":
        """Return the rise of now, and what it must come to."""
        begin = first_known(series)
        if value.at < from_epoch_us(begin) + LEARN:
            return self._compare_new(value, series, begin)
        now, within, week = to_epoch_us(value.at), self.within // MICROSECOND, WEEK // MICROSECOND
        since = max(own_past_since(series), now - self.weeks * week)
        rises = find_rises(series, since=since, within=within, now=now)
        weeks = max(1, min(self.weeks, -(-rises.known // week)))
        # As long as the greatest rise is not forgotten, and no further week is known.
        calm_until = rises.greatest_until + self.weeks * week
        if weeks < self.weeks:
            calm_until = min(calm_until, now + weeks * week - rises.known + 1)
        spare = rises.known - max((weeks - 1) * week, MIN_KNOWN // MICROSECOND - 1)
        needed = max(self.at_least, ceil(self.times * sqrt(self.weeks / weeks) * rises.greatest))
        return _Comparison(
            rises=rises,
            needed=needed,
            calm=needed,
            within=self.within,
            past=f"the most of {weeks}w was {rises.greatest:,}",
            calm_until=calm_until,
            same_until=now + spare,
            is_known=rises.known * MICROSECOND >= MIN_KNOWN,
        )

    def _compare_new(self, value: Sample, series: Series, begin: int) -> "_Comparison":
        """Return the same for a new tenant, of which little is known."""
        now, within = to_epoch_us(value.at), NEW_WITHIN // MICROSECOND
        rises = find_rises(series, since=begin, within=within, now=now)
        least = max(NEW_AT_LEAST, ceil(self.times * rises.greatest))
        share = -(-rises.low // NEW_PARTS)
        return _Comparison(
            rises=rises,
            needed=max(least, share),
            calm=least,
            within=NEW_WITHIN,
            past=f"a new tenant, the most so far was {rises.greatest:,}",
            calm_until=begin + LEARN // MICROSECOND,
            same_until=begin + LEARN // MICROSECOND,
        )

    def _result(self, value: Sample, series: Series, compared: "_Comparison") -> Result:
        rises, now = compared.rises, to_epoch_us(value.at)
        evidence = Evidence(
            condition=self.name,
            limit_text=f"+{compared.needed:,} within {duration_text(compared.within)}; {compared.past}",
            value=value,
            reference=Sample(from_epoch_us(rises.low_since), rises.low),
        )
        if not compared.is_known:
            note = f"only {duration_text(rises.known * MICROSECOND)} of its past are known to compare with"
            return Result(verdict=Verdict.NO_DATA, evidence=replace(evidence, detail=note))
        rise = value.count - rises.low
        if rise < compared.calm:
            counts = calm_counts(rises.low, compared.calm, value.count)
            until = instant(compared.calm_until)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=until, holds_within=counts)
        if rise < compared.needed:
            return Result(verdict=Verdict.INACTIVE, evidence=evidence)
        renaming = find_rename(series, now - compared.within // MICROSECOND, now)
        if renaming.other and rise - renaming.moved < compared.needed:
            note = f"{renaming.moved:,} of it came from {renaming.other!r}, whose policy was renamed"
            return Result(verdict=Verdict.INACTIVE, evidence=replace(evidence, detail=note))
        news = f"{rise:,} more within {duration_text(compared.within)}, {compared.past}"
        until, within = self._rings(value, series, compared, renaming)
        return Result(
            verdict=Verdict.ACTIVE, evidence=replace(evidence, headline=news), holds_until=until, holds_within=within
        )

    def _rings(
        self, value: Sample, series: Series, compared: _Comparison, renaming: Renaming
    ) -> tuple[datetime, tuple[int, int]]:
        """Return until when, and for which counts, it has risen too far."""
        rises, within = compared.rises, compared.within // MICROSECOND
        lowest, highest = rises.low + compared.needed, ANY_COUNT[1]
        until = min(compared.same_until, rises.low_until + within + 1, rises.returns_at + within)
        if series.others:
            # Another step would have to be greater than the one that was looked at, to have come from another name.
            until = min(until, renaming.looked_until(series, to_epoch_us(value.at)), renaming.moved_at + within)
            lowest = max(lowest, value.count - renaming.moved // 2)
            highest = lowest + renaming.moved - 1  # below the count where nothing moved: then it is evaluated again
        return instant(until), (lowest, highest)
