"""What others offer, as conditions that the replay can evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from alerter.core.conditions.base import FOREVER, BaseCondition, Evidence, Result, Verdict, no_data_result
from alerter.core.series import MICROSECOND, Sample, Series, Span, from_epoch_us, to_epoch_us


@dataclass(frozen=True, kw_only=True)
class Spike(BaseCondition):
    """ElastAlert's rule type `spike`, on newly held messages.

    `spike_height` times as many within a `timeframe` as within the one before, and at least `threshold_cur`
    (https://elastalert2.readthedocs.io/en/latest/ruletypes.html#spike).
    """

    name: ClassVar[str] = "spike"

    timeframe: timedelta = timedelta(hours=1)
    spike_height: int = 3
    threshold_cur: int = 30

    @property
    def lookback(self) -> timedelta:
        """How far back it looks."""
        return 2 * self.timeframe

    @property
    def limit_text(self) -> str:
        """What makes it active, in words."""
        return f"{self.spike_height} times the {self.timeframe} before"

    def evaluate(  # one signature, of which each kind uses what it needs
        self,
        series: Series,
        *,
        firing: bool,  # noqa: ARG002
        fired: Sequence[Span] = (),  # noqa: ARG002
        now: datetime,
    ) -> Result:
        """Compare what has come within two spans; fewer than it needs cannot have come to a lower count."""
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        evidence = Evidence(condition=self.name, limit_text=self.limit_text, value=Sample(now, count))
        now_us, timeframe = to_epoch_us(now), self.timeframe // MICROSECOND
        current, reference = (
            _arrived(series, now_us - first * timeframe, now_us - last * timeframe) for first, last in ((1, 0), (2, 1))
        )
        is_spike = current >= self.threshold_cur and current >= self.spike_height * max(reference, 1)
        # Until a change leaves one of the two spans, or the count is another one.
        changes = [at for at, _ in series.changes_us(now_us - 2 * timeframe, now_us)]
        leaves = [end for at in changes for end in (at + timeframe, at + 2 * timeframe) if end > now_us]
        return Result(
            verdict=Verdict.ACTIVE if is_spike else Verdict.INACTIVE,
            evidence=evidence,
            holds_until=from_epoch_us(min(leaves)) if leaves else FOREVER,
            holds_within=(count, count),
        )


def _arrived(series: Series, since: int, until: int) -> int:
    """Return by how many messages the count has risen in a span, from one change to the next."""
    before = series.count_before(since + 1)
    total = 0
    for _, count in series.changes_us(since, until):
        total += max(0, count - before) if before is not None else 0
        before = count
    return total
