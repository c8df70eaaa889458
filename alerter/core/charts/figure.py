"""The values of a chart: known counts, gaps, limits, and the spans in which alerts fired or a mute held.

Everything is clipped to the chart's span. A gap is time of which nothing is known; it is never drawn as zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from alerter.core.conditions import Threshold
from alerter.core.rules import Rule, RuleName, Severity
from alerter.core.series import Sample, Segment, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A fixed limit, drawn as a horizontal line.

    Attributes:
        rule: Whose limit it is.
        severity: The level that it belongs to.
        count: In messages.
        is_upper: Whether counts above it are bad; else counts below it.
    """

    rule: RuleName
    severity: Severity
    count: int
    is_upper: bool

    @property
    def text(self) -> str:
        """The limit in words: `critical above 500`."""
        return f"{self.severity} {'above' if self.is_upper else 'below'} {self.count:,}"

    def distance(self, count: int) -> int:
        """Return how many messages a count is away from passing the limit; 0 or less where it has passed."""
        return self.count + 1 - count if self.is_upper else count - self.count + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A span of time to be marked.

    Attributes:
        start_at: Its first instant.
        end_at: Its end.
        label: What it is, for people: the rule of an alert, or the name of a mute.
        severity: Of an alert; None for a mute.
        alert_id: Of an alert; empty for a mute.
    """

    start_at: datetime
    end_at: datetime
    label: str
    severity: Severity | None = None
    alert_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a chart of one series shows.

    Attributes:
        start_at: The left edge.
        end_at: The right edge.
        segments: What is known, oldest first; between two that do not touch is a gap.
        limits: The fixed limits of its rules, the highest count first.
        alerts: When alerts fired.
        mutes: When nobody was notified.
    """

    start_at: datetime
    end_at: datetime
    segments: tuple[Segment, ...]
    limits: tuple[Limit, ...] = ()
    alerts: tuple[Band, ...] = ()
    mutes: tuple[Band, ...] = ()

    @cached_property
    def highest(self) -> Sample | None:
        """The highest known count and when it was reached first; None where nothing is known."""
        top = max(self.segments, key=lambda each: (each.count, -each.start_at.timestamp()), default=None)
        return None if top is None else Sample(top.start_at, top.count)

    @property
    def newest(self) -> Sample | None:
        """The last known count and how long it was known to be so; None where nothing is known."""
        return Sample(self.segments[-1].end_at, self.segments[-1].count) if self.segments else None

    @cached_property
    def top(self) -> int:
        """The count that the chart must reach: the highest known one, and the nearest limit above it."""
        highest = self.highest.count if self.highest else 0
        above = [each.count for each in self.limits if each.count > highest]
        return max(highest, min(above, default=0), 1)

    def gaps(self, *, longer_than: timedelta = timedelta(0)) -> tuple[tuple[datetime, datetime], ...]:
        """Return the spans of which nothing is known, oldest first, also before the first and after the last poll."""
        edges: list[tuple[datetime, datetime]] = []
        known_until = self.start_at
        for each in self.segments:
            edges.append((known_until, each.start_at))
            known_until = max(known_until, each.end_at)
        edges.append((known_until, self.end_at))
        return tuple((begin, end) for begin, end in edges if end - begin > longer_than)

    def peaks(self, slots: int) -> list[int | None]:
        """Return the highest count of each of some slots of equal length, so that a short burst is seen.

        Args:
            slots: How many.

        Returns:
            None for a slot of which nothing is known.
        """
        peaks: list[int | None] = [None] * slots
        pitch = (self.end_at - self.start_at) / slots
        for each in self.segments:
            first = _slot(each.start_at - self.start_at, pitch, slots)
            last = max(first, _last_slot(each.end_at - self.start_at, pitch, slots))
            for index in range(first, last + 1):
                peaks[index] = max(peaks[index] or 0, each.count)
        return peaks


def _slot(offset: timedelta, pitch: timedelta, slots: int) -> int:
    return min(offset // pitch, slots - 1)


def _last_slot(offset: timedelta, pitch: timedelta, slots: int) -> int:
    """Return the slot before an end: one that ends where a slot begins is not in it."""
    return min(-(-offset // pitch) - 1, slots - 1)


def build_figure(
    series: Series,
    *,
    start_at: datetime,
    end_at: datetime,
    limits: Iterable[Limit] = (),
    alerts: Iterable[Band] = (),
    mutes: Iterable[Band] = (),
) -> Figure:
    """Return what a chart of a series shows between two instants.

    Args:
        series: Read at least as far back as `start_at`.
        start_at: The left edge.
        end_at: The right edge, after `start_at`.
        limits: Of the rules that look at the series.
        alerts: When alerts fired; what lies outside is left out.
        mutes: The same for mutes.
    """
    return Figure(
        start_at=start_at,
        end_at=end_at,
        segments=tuple(series.segments(since=start_at, until=end_at)),
        limits=tuple(sorted(limits, key=lambda each: -each.count)),
        alerts=tuple(_clip(alerts, start_at, end_at)),
        mutes=tuple(_clip(mutes, start_at, end_at)),
    )


def _clip(bands: Iterable[Band], start_at: datetime, end_at: datetime) -> Iterable[Band]:
    for each in bands:
        if each.start_at < end_at and each.end_at > start_at:
            yield replace(each, start_at=max(each.start_at, start_at), end_at=min(each.end_at, end_at))


def fixed_limits(rules: Sequence[Rule]) -> tuple[Limit, ...]:
    """Return the fixed limits of rules: those of `threshold` conditions; others move with the history."""
    return tuple(
        _limit(rule, severity, condition)
        for rule in rules
        for severity, level in rule.levels.items()
        for condition in level.conditions
        if isinstance(condition, Threshold)
    )


def _limit(rule: Rule, severity: Severity, condition: Threshold) -> Limit:
    is_upper = condition.above is not None
    count = condition.above if is_upper else condition.below
    return Limit(rule=rule.name, severity=severity, count=count or 0, is_upper=is_upper)


def nearest_limit(limits: Iterable[Limit], count: int) -> Limit | None:
    """Return the limit that a count would pass next, or None where it has passed them all or there is none."""
    ahead = [each for each in limits if each.distance(count) > 0]
    return min(ahead, key=lambda each: each.distance(count), default=None)
