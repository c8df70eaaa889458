"""Something that was never there before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from alerter.core.conditions.base import FOREVER, NOT_AT_ALL, BaseCondition, Evidence, Result, Verdict, no_data_result
from alerter.core.renames import rename_of, settles_at
from alerter.core.series import Sample, Series, Span
from alerter.humanize import duration_text

#: How long a reason counts as new.
NEW_FOR = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class NewReason(BaseCondition):
    """The first messages that were ever held for a reason: somebody made a policy, or one has begun to bite.

    Active for 24 hours from the poll that first saw them, whatever becomes of them. What a tenant's first days show is
    how it is, and not news: until `learn` has passed since its first good poll, no reason is new. A reason that was
    seen long ago with nothing held is new when something is; one that held something once never is again.

    A policy that somebody renamed is no news if that is certain: another reason of the tenant, one alone, has vanished
    with about as many messages, 10 at least, within two polls.

    Attributes:
        learn: How long after the tenant's first good poll nothing is new.
    """

    name: ClassVar[str] = "new_reason"
    allows_sum: ClassVar[bool] = False
    compares_reasons: ClassVar[bool] = True
    limit_text: ClassVar[str] = "a hold reason's first held messages ever"

    learn: timedelta = timedelta(days=7)

    @property
    def learns_for(self) -> timedelta:
        """How much history it needs before it can be active."""
        return self.learn

    @property
    def lookback(self) -> timedelta:
        """How far back it looks: to the first sample, and no further than that counts."""
        return NEW_FOR

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return why it is no news, or for how much longer it is; empty without data."""
        first = series.first_held_at
        if found.value is None:
            return ""
        if first is None or first > now:
            return "nothing was ever held"
        if not self._has_learnt(series, first):
            return f"first held within {duration_text(self.learn)} of the tenant's first successful poll"
        if now >= first + NEW_FOR:
            return f"first held {duration_text(now - first)} before, news for {duration_text(NEW_FOR)}"
        return f"for {duration_text(first + NEW_FOR - now)} more"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Evaluate how long ago the first messages were held, and how well the tenant was known by then."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        first = series.first_held_at
        is_new = first is not None and first <= now < first + NEW_FOR and self._has_learnt(series, first)
        evidence = Evidence(
            condition=self.name,
            limit_text=self.limit_text,
            value=Sample(now, count),
            reference=_first_sample(series, now=now) if is_new else None,
            headline="a new hold reason" if is_new else "",
        )
        if first is None:
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER, holds_within=(0, 0))
        if is_new:
            return self._news(first, series, evidence, now=now)
        # One that held something once is never new again, whatever it holds.
        return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER if first <= now else first)

    def _news(self, first: datetime, series: Series, evidence: Evidence, *, now: datetime) -> Result:
        """Return that a reason is new, unless a policy was renamed."""
        is_settled = not series.others or now >= settles_at(first, series)
        rename = rename_of(series, now=now)
        if rename is None:
            until = first + NEW_FOR if is_settled else NOT_AT_ALL
            return Result(verdict=Verdict.ACTIVE, evidence=evidence, holds_until=until)
        note = f"renamed from {rename.old!r}, which held {rename.moved:,}"
        evidence = replace(evidence, headline="", detail=note)
        return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER if is_settled else NOT_AT_ALL)

    def _has_learnt(self, series: Series, first: datetime) -> bool:
        return series.first_polled_at is not None and first - series.first_polled_at >= self.learn


def _first_sample(series: Series, *, now: datetime) -> Sample | None:
    """Return what was held at first, unless that is at this moment."""
    if series.first_held_at is None or series.first_held_at == now:
        return None
    return series.newest_sample(until=series.first_held_at)
