"""The contract of every condition: a verdict stands for as long as its result says."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from alerter.core.backtest.alert_replay import AlertReplay
from alerter.core.conditions import CONDITIONS, BaseCondition, Condition, Evidence, InputKind, Result, Verdict
from alerter.core.conditions.base import no_data_result
from alerter.core.history import SeriesHistory, history_from_polls, sum_of_reasons
from alerter.core.rules import Level
from alerter.core.series import HoldReason, Series, Snapshot, Span, Tenant, from_epoch_us, to_epoch_us
from tests.builders import NOON, a_key, minutes, series
from tests.drawn import KINDS, polls

ACME = Tenant("acme")
INTERVAL = minutes(1)
_SETTINGS = settings(max_examples=60, phases=set(Phase) - {Phase.explain})
_FIRED = st.lists(st.tuples(st.integers(0, 15_000), st.integers(0, 600)), max_size=2).map(
    lambda spans: [Span(NOON + minutes(begin), NOON + minutes(begin + lasting)) for begin, lasting in sorted(spans)]
)


def assert_skipping_changes_nothing(
    condition: Condition, history: SeriesHistory, *, firing: bool, fired: Sequence[Span]
) -> None:
    """Evaluate at every poll, and hold each verdict against the last one that still stands."""
    standing: Result | None = None
    for poll in history.poll_times.polls:
        now = from_epoch_us(poll)
        series = history.series_at(poll, window=condition.lookback)
        found = condition.evaluate(series, firing=firing, fired=[each for each in fired if each.end_at <= now], now=now)
        count = series.value_at(now)
        if standing is not None and _stands(standing, history, condition, poll, count):
            assert found.verdict is standing.verdict, (now, standing, found)
        else:
            standing = found


def _stands(standing: Result, history: SeriesHistory, condition: Condition, poll: int, count: int | None) -> bool:
    """Return True if the result of an earlier poll still stands at a poll."""
    if to_epoch_us(standing.holds_until) <= poll or _begins(history, condition, poll):
        return False
    if condition.input_kind is InputKind.POLLING:
        return True
    return count is not None and standing.holds_within[0] <= count <= standing.holds_within[1]


def _begins(history: SeriesHistory, condition: Condition, poll: int) -> bool:
    """Return True if a poll does not simply follow the one before: it fails or was missed, or comes too soon."""
    poll_times = history.poll_times
    before = bisect_left(poll_times.polls, poll) - 1
    run = bisect_right(poll_times.since, poll) - 1
    is_first = run < 0 or poll_times.since[run] == poll or poll > poll_times.until[run]
    is_outage = any(poll == outage.since for outage in poll_times.outages)
    if condition.input_kind is InputKind.POLLING:
        return is_outage or (is_first and poll_times.outage_at(poll) is None)
    is_early = before >= 0 and 2 * (poll - poll_times.polls[before]) < to_epoch_us(NOON + INTERVAL) - to_epoch_us(NOON)
    return is_first or (condition.needs_even_polls and is_early)


@pytest.mark.parametrize("name", CONDITIONS)
@_SETTINGS
@given(data=st.data(), firing=st.booleans(), fired=_FIRED, jitter=st.sampled_from([0, 0, 20, 40]))
def test_a_verdict_found_by_skipping_is_the_verdict_found_by_evaluating(
    name: str, data: st.DataObject, *, firing: bool, fired: list[Span], jitter: int
) -> None:
    """Every kind, through changes, failures, missed polls, gaps of a week, and reasons that come and go."""
    condition = data.draw(KINDS[name])
    polled = data.draw(polls(reasons=("Spam", "Virus"), jitter=timedelta(seconds=jitter)))
    tenant = history_from_polls(ACME, polled, poll_interval=INTERVAL)
    if condition.input_kind is InputKind.POLLING:
        histories = [tenant.polling]
    else:
        histories = [
            *tenant.reasons,
            *([sum_of_reasons([tenant.polling, *tenant.reasons])] if condition.allows_sum else []),
        ]
    for history in histories:
        assert_skipping_changes_nothing(condition, history, firing=firing, fired=fired)


def test_every_kind_is_drawn() -> None:
    """A new kind of condition is in these tests because it is in the union."""
    assert set(KINDS) == set(CONDITIONS)


@dataclass(frozen=True, kw_only=True)
class Odd(BaseCondition):
    """An odd number of held messages: all that a new kind of condition must have."""

    name: ClassVar[str] = "odd"
    limit_text: ClassVar[str] = "odd"

    def evaluate(self, series: Series, *, firing: bool, fired: Sequence[Span] = (), now: datetime) -> Result:
        """Look at the count, and say nothing of the future."""
        del firing, fired
        count = series.value_at(now)
        if count is None:
            return no_data_result(self.name, self.limit_text)
        verdict = Verdict.ACTIVE if count % 2 else Verdict.INACTIVE
        return Result(verdict=verdict, evidence=Evidence(condition=self.name, limit_text=self.limit_text))


def test_a_new_kind_needs_a_name_a_limit_and_one_method() -> None:
    """What it does not say of itself is what most kinds say, and it is evaluated at every poll, in a replay as well."""
    odd = Odd()
    level = Level(conditions=(odd,))  # type: ignore[arg-type]
    history = history_from_polls(
        ACME,
        [
            Snapshot(tenant=ACME, taken_at=NOON + number * INTERVAL, counts={HoldReason("Spam"): count})
            for number, count in enumerate([2, 3, 5, 4])
        ],
        poll_interval=INTERVAL,
    )

    changes = list(AlertReplay(key=a_key(), level=level, history=history.reasons[0]).changes())

    assert [change.transition.at for change in changes if change.transition] == [NOON + INTERVAL, NOON + 3 * INTERVAL]
    assert (odd.lower_is_worse, odd.lookback, odd.learns_for) == (False, timedelta(0), timedelta(0))
    found = odd.evaluate(history.reasons[0].series_at(to_epoch_us(NOON), window=INTERVAL), firing=False, now=NOON)
    assert odd.distance_text(found.evidence, series("2"), firing=False, now=NOON) == ""
