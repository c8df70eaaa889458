"""Polling itself: a tenant that cannot be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from annotated_types import Gt

from alerter.core.conditions.base import FOREVER, BaseCondition, Evidence, InputKind, Result, Verdict
from alerter.core.series import PollFailure, Series, Span
from alerter.humanize import duration_text


@dataclass(frozen=True, kw_only=True)
class NoData(BaseCondition):
    """No good poll of the tenant for a span: alerter does not know what is held.

    Built in for every tenant (after 15 minutes, or three polls if that is longer) unless a rule of this kind looks
    at the tenant. It states why polling fails and what to do, and a good poll ends it.

    Attributes:
        after: How long without a good poll.
    """

    name: ClassVar[str] = "no_data"
    input_kind: ClassVar[InputKind] = InputKind.POLLING

    after: Annotated[timedelta, Gt(timedelta(0))]

    @property
    def lookback(self) -> timedelta:
        """How far back it looks: the newest good poll is always known, so not at all."""
        return timedelta(0)

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        return f"no data for {duration_text(self.after)}"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return for how much longer than allowed there was no good poll, or how much of that is missing."""
        if series.poll_failure is None:
            return "the last poll succeeded"
        lasting = now - self._no_data_since(series.poll_failure, series, now=now)
        if lasting < self.after:
            return f"for {duration_text(lasting)} so far, needs {duration_text(self.after - lasting)} more"
        return f"by {duration_text(lasting - self.after)}"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Evaluate how long ago the newest successful poll was; a tenant whose last poll was good always has data."""
        failure = series.poll_failure
        if failure is None:
            evidence = Evidence(condition=self.name, limit_text=self.limit_text)
            return Result(verdict=Verdict.INACTIVE, evidence=evidence, holds_until=FOREVER)
        begins = self._no_data_since(failure, series, now=now) + self.after
        is_active = now >= begins
        return Result(
            verdict=Verdict.ACTIVE if is_active else Verdict.INACTIVE,
            evidence=Evidence(
                condition=self.name,
                limit_text=self.limit_text,
                last_success_at=series.last_success_at(now=now),
                detail=f"{failure.cause}: {failure.detail}. {failure.cause.advice}",
            ),
            holds_until=FOREVER if is_active else begins,
        )

    def _no_data_since(self, failure: PollFailure, series: Series, *, now: datetime) -> datetime:
        """Return since when nothing is known."""
        last = series.last_success_at(now=now)
        # A clock that was set back leaves good polls in the future: then the failures alone measure the time.
        return failure.started_at if last is None else min(last, failure.started_at)
