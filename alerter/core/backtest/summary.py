"""A backtest per rule: how often, how long, who was notified, and what another set of rules changes.

No I/O: values in, values out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from alerter.core.alerts import AlertKey  # noqa: TC001 - one import style for the core
from alerter.core.backtest.result import Backtest, FiringPeriod, HistoryCoverage
from alerter.core.notifications import NotifyReason
from alerter.core.routes import ReceiverName
from alerter.core.rules import RuleName
from alerter.core.series import Span

NONE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSummary:
    """What one rule would have done within a span.

    Attributes:
        rule: Which one.
        firings: Those of which a part lies within the span, in the order in which they began.
        began: How many of them began within it.
        total: For how long they fired within it, one after the other.
        median: For how long the one in the middle did; of two the longer one.
        longest: The longest of them.
        peak_day: The day on which most began, in the time zone of its readers, and how many; None where none did.
        messages: How many messages about it each receiver would have got.
        notified: In how many of these each reason is; one message may be about a beginning and an end.
    """

    rule: RuleName
    firings: tuple[FiringPeriod, ...]
    began: int
    total: timedelta
    median: timedelta
    longest: timedelta
    peak_day: tuple[date, int] | None
    messages: Mapping[ReceiverName, int]
    notified: Mapping[ReceiverName, Mapping[NotifyReason, int]]


def summarize_rule(rule: RuleName, backtest: Backtest, span: Span, *, timezone: tzinfo) -> RuleSummary:
    """Return what a rule would have done."""
    firings = tuple(firing for firing in backtest.firings if firing.key.rule == rule)
    lasted = [firing_time_within(firing, span) for firing in firings]
    began = [firing.since for firing in firings if firing.since >= span.start_at]
    by_day = Counter(at.astimezone(timezone).date() for at in began)
    messages: Counter[ReceiverName] = Counter()
    notified: dict[ReceiverName, Counter[NotifyReason]] = defaultdict(Counter)
    for item in backtest.items:
        if item.rule == rule:
            messages[item.receiver] += 1
            notified[item.receiver].update(item.whys)
    return RuleSummary(
        rule=rule,
        firings=firings,
        began=len(began),
        total=sum(lasted, NONE),
        median=sorted(lasted)[len(lasted) // 2] if lasted else NONE,
        longest=max(lasted, default=NONE),
        peak_day=max(by_day.items(), key=_most, default=None),
        messages=messages,
        notified=notified,
    )


def _most(counted: tuple[date, int]) -> tuple[int, int]:
    """Return what the busiest day has most of; of two days the earlier one is meant."""
    day, number = counted
    return number, -day.toordinal()


def firing_time_within(firing: FiringPeriod, span: Span) -> timedelta:
    """Return for how long an alert fired within a span."""
    return min(firing.until or span.end_at, span.end_at) - max(firing.since, span.start_at)


def max_concurrent(firings: Iterable[FiringPeriod], span: Span, *, slots: int) -> list[int]:
    """Return how many alerts fired at the same time at most, in each of a number of equal parts of a span."""
    steps: Counter[datetime] = Counter()
    for firing in firings:
        steps[max(firing.since, span.start_at)] += 1
        if firing.until is not None:
            steps[firing.until] -= 1
    ends = [span.start_at + (span.end_at - span.start_at) * (slot + 1) / slots for slot in range(slots)]
    most, now, slot = [0] * slots, 0, 0
    for at in sorted(steps):
        while slot < slots - 1 and at >= ends[slot]:
            # What ends where a part begins is no part of it.
            most[slot + 1] = now if at > ends[slot] else 0
            slot += 1
        now += steps[at]
        most[slot] = max(most[slot], now)
    return most[: slot + 1] + [now] * (slots - slot - 1)


def covered_slots(known: Iterable[HistoryCoverage], span: Span, *, slots: int) -> list[bool]:
    """Return in which of a number of equal parts of a span any tenant was polled."""
    pitch = (span.end_at - span.start_at) / slots
    parts = [Span(span.start_at + slot * pitch, span.start_at + (slot + 1) * pitch) for slot in range(slots)]
    everybody = list(known)
    return [any(_is_polled(each, part) for each in everybody) for part in parts]


def _is_polled(known: HistoryCoverage, part: Span) -> bool:
    if known.since is None or known.since >= part.end_at:
        return False
    return not any(gap.start_at <= part.start_at and part.end_at <= gap.end_at for gap in known.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFiring:
    """An alert that fires with both sets of rules, but not from the same moment to the same moment."""

    before: FiringPeriod
    after: FiringPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What another set of rules does otherwise.

    Attributes:
        added: What fires only with the other ones.
        removed: What fires only with these.
        moved: What begins or ends at another time.
        unchanged: How many fire alike.
    """

    added: tuple[FiringPeriod, ...]
    removed: tuple[FiringPeriod, ...]
    moved: tuple[MovedFiring, ...]
    unchanged: int


def compare_firings(before: Sequence[FiringPeriod], after: Sequence[FiringPeriod]) -> Comparison:
    """Return what differs between the firings of two sets of rules, each in the order in which they began.

    Two firings of an alert are the same one where they overlap; each has one counterpart at the most.
    """
    waiting: dict[AlertKey, list[FiringPeriod]] = defaultdict(list)
    for firing in before:
        waiting[firing.key].append(firing)
    gained: list[FiringPeriod] = []
    pairs: list[MovedFiring] = []
    for firing in after:
        counterpart = next((each for each in waiting[firing.key] if _overlap(each, firing)), None)
        if counterpart is None:
            gained.append(firing)
        else:
            waiting[firing.key].remove(counterpart)
            pairs.append(MovedFiring(before=counterpart, after=firing))
    moved = tuple(pair for pair in pairs if not _are_alike(pair))
    lost = (firing for firing in before if any(firing is each for each in waiting[firing.key]))
    return Comparison(added=tuple(gained), removed=tuple(lost), moved=moved, unchanged=len(pairs) - len(moved))


def _overlap(one: FiringPeriod, other: FiringPeriod) -> bool:
    return (one.until is None or other.since < one.until) and (other.until is None or one.since < other.until)


def _are_alike(pair: MovedFiring) -> bool:
    return (pair.before.since, pair.before.until) == (pair.after.since, pair.after.until)
