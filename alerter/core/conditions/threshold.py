"""A fixed limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from annotated_types import Ge

from alerter.core.conditions.base import (
    ANY_COUNT,
    CONTEXT_LOOKBACK,
    FOREVER,
    BaseCondition,
    Evidence,
    Result,
    Verdict,
    format_distance,
    no_data_result,
)
from alerter.core.series import Sample, Series, Span


@dataclass(frozen=True, kw_only=True)
class Threshold(BaseCondition):
    """Held messages above (or below) a fixed limit.

    Active when the count is above `above` (or below `below`). While the alert is firing, the level stays active
    until the count has come down to `clear_at` (up to it, for `below`), so that a count that dances around the
    limit does not fire every time. `clear_at` never holds a pending alert, nor one that fired under another limit: once
    the limit was edited, the limit alone decides until the count has been beyond it.

    Attributes:
        above: Messages; one of `above` and `below` is needed.
        below: Messages.
        clear_at: Messages; at most `above` (at least `below`). Without it the limit itself clears.
    """

    name: ClassVar[str] = "threshold"

    above: Annotated[int, Ge(0)] | None = None
    below: Annotated[int, Ge(0)] | None = None
    clear_at: Annotated[int, Ge(0)] | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected exactly one of 'above' and 'below'")
        if self.clear_at is not None and self.above is not None and self.clear_at > self.above:
            raise ValueError(f"expected 'clear_at' at or below 'above' ({self.above}), found {self.clear_at}")
        if self.clear_at is not None and self.below is not None and self.clear_at < self.below:
            raise ValueError(f"expected 'clear_at' at or above 'below' ({self.below}), found {self.clear_at}")

    @property
    def lookback(self) -> timedelta:
        """How far back it looks: not to decide, but to say what the count was."""
        return CONTEXT_LOOKBACK

    @property
    def lower_is_worse(self) -> bool:
        """Whether smaller is worse, so that an alert's peak is its lowest count."""
        return self.below is not None

    @cached_property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        return self.fixed_limit if self.clear_at is None else f"{self.fixed_limit}, clears at {self.clear_at:,}"

    @cached_property
    def fixed_limit(self) -> str:
        """The limit itself, in words, wherever it clears."""
        return f"above {self.above:,}" if self.above is not None else f"below {self.below:,}"

    def distance_text(
        self, found: Evidence, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime
    ) -> str:
        """Return by how much the count is beyond the limit, or how many messages are missing; empty without data."""
        if found.value is None:
            return ""
        count = found.value.count
        excess = count - self.above if self.above is not None else (self.below or 0) - count
        if excess <= 0 and firing and self.clear_at is not None and not self._is_cleared(count):
            return f"clears at {self.clear_at:,}: {abs(count - self.clear_at):,} to go"
        return format_distance(excess, missing="fewer" if self.lower_is_worse else "more")

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Evaluate the sample at `now`; without a successful poll at `now` there is no data."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        value = Sample(now, count)
        is_active = not self._is_cleared(count) if firing else self._is_beyond(count)
        return Result(
            verdict=Verdict.ACTIVE if is_active else Verdict.INACTIVE,
            evidence=Evidence(
                condition=self.name,
                limit_text=self.limit_text,
                value=value,
                reference=series.sample_for(now - CONTEXT_LOOKBACK) if is_active else None,
            ),
            holds_until=FOREVER,
            holds_within=self._counts(is_active=is_active, firing=firing),
        )

    def _counts(self, *, is_active: bool, firing: bool) -> tuple[int, int]:
        """Return the counts with which the verdict is the same, lowest and highest."""
        lowest, highest = ANY_COUNT
        if self.above is not None:
            limit = self.above if self.clear_at is None or not firing else self.clear_at
            return (limit + 1, highest) if is_active else (lowest, limit)
        limit = self.below or 0
        limit = limit if self.clear_at is None or not firing else self.clear_at
        return (lowest, limit - 1) if is_active else (limit, highest)

    def _is_beyond(self, count: int) -> bool:
        if self.above is not None:
            return count > self.above
        return self.below is not None and count < self.below

    def _is_cleared(self, count: int) -> bool:
        if self.clear_at is None:
            return not self._is_beyond(count)
        return count <= self.clear_at if self.above is not None else count >= self.clear_at
