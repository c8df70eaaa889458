"""Past alerts: which rules alerted, who acted on them, and what a week was like.

An episode is one time at which a rule alerted on a series, at whichever level. It counts in the span in which it began.
No I/O: values in, values out.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise

from alerter.core.alerts import Alert, AlertKey, AlertState, AlertSubject, Transition
from alerter.core.rules import RuleName, Severity, TenantSeries
from alerter.core.series import TOLERANCE_INTERVALS, Span, Tenant
from alerter.core.silences import Silence

#: An alert that is over within this time without anybody's help was not worth a message.
BRIEF = timedelta(minutes=15)
WEEK = timedelta(days=7)
#: A report that could not be sent for so long after it was due is left out.
MAX_REPORT_DELAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One time at which a rule alerted on a series.

    Attributes:
        subject: The rule and the series.
        severity: The highest level that fired.
        since: When it began.
        until: When it ended; None while it goes on.
        keys: The alerts of which it is made, one for each level that fired.
        ended_by_edit: Whether it ended because the rule or the tenant was removed.
        was_sent: Whether a message said that it fires.
        acknowledged_at: When somebody acknowledged it; None if nobody did.
        silenced_at: When somebody silenced it while it went on; None if nobody did.
    """

    subject: AlertSubject
    severity: Severity
    since: datetime
    until: datetime | None = None
    keys: frozenset[AlertKey] = frozenset()
    ended_by_edit: bool = False
    was_sent: bool = False
    acknowledged_at: datetime | None = None
    silenced_at: datetime | None = None

    @property
    def is_acted_on(self) -> bool:
        """Whether somebody acknowledged or silenced it."""
        return self.acknowledged_at is not None or self.silenced_at is not None

    @property
    def is_without_action(self) -> bool:
        """Whether it was sent, and nobody acknowledged or silenced it."""
        return self.was_sent and not self.is_acted_on

    @property
    def is_brief(self) -> bool:
        """Whether it was over within minutes by itself."""
        is_over = self.until is not None and self.until - self.since <= BRIEF
        return is_over and not self.is_acted_on and not self.ended_by_edit

    def holds(self, at: datetime) -> bool:
        """Return True if it fired at an instant."""
        return self.since <= at and (self.until is None or at <= self.until)


def build_episodes(changes: Iterable[Transition], live: Collection[Alert]) -> list[Episode]:
    """Return the episodes that began in a span, in the order in which they began.

    Args:
        changes: Every transition into firing and out of it in the span, oldest first.
        live: The alerts that fire at its end: those of which nothing changed fired all along.
    """
    listed = list(changes)
    open_keys = _open_at_start(listed, live)
    current: dict[AlertSubject, Episode] = {}
    ended: list[Episode] = []
    for change in listed:
        subject = change.key.subject
        firing = open_keys.setdefault(subject, set())
        if change.to_state is AlertState.FIRING:
            if not firing:
                current[subject] = Episode(subject=subject, severity=change.key.severity, since=change.at)
            firing.add(change.key)
            if subject in current:
                current[subject] = _with_level(current[subject], change.key)
            continue
        firing.discard(change.key)
        if not firing and subject in current:
            by_edit = bool(change.detail)
            ended.append(replace(current.pop(subject), until=change.at, ended_by_edit=by_edit))
    return sorted((*ended, *current.values()), key=_began)


def _open_at_start(changes: Iterable[Transition], live: Iterable[Alert]) -> dict[AlertSubject, set[AlertKey]]:
    """Return which alerts fired already when the span began."""
    first: dict[AlertKey, Transition] = {}
    for change in changes:
        first.setdefault(change.key, change)
    keys = {key for key, change in first.items() if change.from_state is AlertState.FIRING}
    keys |= {alert.key for alert in live if alert.is_firing and alert.key not in first}
    by_subject: dict[AlertSubject, set[AlertKey]] = {}
    for key in keys:
        by_subject.setdefault(key.subject, set()).add(key)
    return by_subject


def _with_level(episode: Episode, key: AlertKey) -> Episode:
    severity = max(episode.severity, key.severity, key=lambda each: each.rank)
    return replace(episode, severity=severity, keys=episode.keys | {key})


def _began(episode: Episode) -> tuple[datetime, str, str, str]:
    subject = episode.subject
    return episode.since, subject.rule, subject.tenant, subject.reason


def with_reactions(
    episodes: Iterable[Episode],
    *,
    sent_at: Mapping[str, Sequence[datetime]],
    acknowledgements: Mapping[AlertSubject, Sequence[datetime]],
    silences: Iterable[Silence],
    labels_by_tenant: Mapping[Tenant, Mapping[str, str]],
) -> list[Episode]:
    """Return episodes with what was sent of them, and what people did.

    Args:
        episodes: The episodes.
        sent_at: When messages about each alert were written, by the alert's id.
        acknowledgements: When somebody acknowledged each subject.
        silences: Those that people made.
        labels_by_tenant: The labels of each tenant that has any.
    """
    made = list(silences)
    return [
        replace(
            each,
            was_sent=any(each.holds(at) for key in each.keys for at in sent_at.get(key.id, ())),
            acknowledged_at=min(filter(each.holds, acknowledgements.get(each.subject, ())), default=None),
            silenced_at=_silenced_at(each, made, labels_by_tenant),
        )
        for each in episodes
    ]


def _silenced_at(
    episode: Episode, silences: Iterable[Silence], labels_by_tenant: Mapping[Tenant, Mapping[str, str]]
) -> datetime | None:
    labels = labels_by_tenant.get(episode.subject.tenant, {})
    return min(
        (
            silence.starts_at
            for silence in silences
            if episode.holds(silence.starts_at)
            and any(silence.matcher.matches(Alert(key=key), labels) for key in episode.keys)
        ),
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """What became of some episodes.

    Attributes:
        episodes: How many began.
        sent: How many a message was sent of.
        acknowledged: How many somebody acknowledged.
        silenced: How many somebody silenced while they went on.
        brief: How many were over within `BRIEF` by themselves.
        without_action: How many were sent, and nobody acknowledged or silenced them.
        firing: How many go on.
        median: How long the middle one of those that are over lasted; of two the longer one. None if none is over.
        longest: How long the longest lasted, also if it goes on; None if there was none.
    """

    episodes: int
    sent: int
    acknowledged: int
    silenced: int
    brief: int
    without_action: int
    firing: int
    median: timedelta | None
    longest: timedelta | None


def summarize_episodes(episodes: Collection[Episode], *, until: datetime) -> EpisodeSummary:
    """Return what became of episodes by an instant."""
    lasted = sorted(each.until - each.since for each in episodes if each.until is not None)
    going_on = [until - each.since for each in episodes if each.until is None]
    return EpisodeSummary(
        episodes=len(episodes),
        sent=sum(each.was_sent for each in episodes),
        acknowledged=sum(each.acknowledged_at is not None for each in episodes),
        silenced=sum(each.silenced_at is not None for each in episodes),
        brief=sum(each.is_brief for each in episodes),
        without_action=sum(each.is_without_action for each in episodes),
        firing=len(going_on),
        median=lasted[len(lasted) // 2] if lasted else None,
        longest=max((*lasted, *going_on), default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReview:
    """What one rule did.

    Attributes:
        rule: Which one.
        summary: What became of its episodes.
        subjects: How many of them each series had, most first.
    """

    rule: RuleName
    summary: EpisodeSummary
    subjects: tuple[tuple[AlertSubject, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What all rules did in a span.

    Attributes:
        span: The span.
        summary: What became of all episodes.
        rules: The rules that alerted, the one with most episodes first.
        tenants: At how many tenants.
    """

    span: Span
    summary: EpisodeSummary
    rules: tuple[RuleReview, ...]
    tenants: int


def review_episodes(episodes: Collection[Episode], span: Span) -> Review:
    """Return what all rules did in a span."""
    by_rule: dict[RuleName, list[Episode]] = {}
    for each in episodes:
        by_rule.setdefault(each.subject.rule, []).append(each)
    reviews = (_rule_review(rule, of_rule, span) for rule, of_rule in by_rule.items())
    return Review(
        span=span,
        summary=summarize_episodes(episodes, until=span.end_at),
        rules=tuple(sorted(reviews, key=lambda each: (-each.summary.episodes, each.rule))),
        tenants=len({each.subject.tenant for each in episodes}),
    )


def _rule_review(rule: RuleName, episodes: Collection[Episode], span: Span) -> RuleReview:
    counts = Counter(each.subject for each in episodes)
    return RuleReview(
        rule=rule,
        summary=summarize_episodes(episodes, until=span.end_at),
        subjects=tuple(sorted(counts.items(), key=lambda each: (-each[1], each[0].tenant, each[0].reason))),
    )


# The week of a tenant, for the weekly report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSchedule:
    """When a weekly report is due, in the time of a place.

    Attributes:
        day: On which weekday, Monday 0.
        at: At which time.
        timezone: Where.
    """

    day: int
    at: time
    timezone: tzinfo

    def last_due_at(self, *, now: datetime) -> datetime:
        """Return when it was due last, at or before now."""
        today = now.astimezone(self.timezone).date()
        day = today - timedelta(days=(today.weekday() - self.day) % 7)
        due = self._on(day)
        return due if due <= now else self._on(day - WEEK)

    def _on(self, day: date) -> datetime:
        return datetime.combine(day, self.at, self.timezone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantWeek:
    """What was held for a tenant in a week.

    Attributes:
        tenant: Whose.
        held: How many messages were held at the end; None if there was no successful poll in the week.
        highest: The highest count of the week, and when.
        came: How many messages came at least: what came and went between two polls, nobody saw.
        left: How many were released, rejected or expired at least.
        no_data: For how long there was no data.
    """

    tenant: Tenant
    held: int | None
    highest: tuple[int, datetime] | None
    came: int
    left: int
    no_data: timedelta


def tenant_week(found: TenantSeries, span: Span) -> TenantWeek:
    """Return what was held for a tenant in a span.

    Args:
        found: Its series, as far back as the span at least.
        span: The week.
    """
    polling = found.polling
    covered = [
        Span(max(each.start_at, span.start_at), min(each.end_at, span.end_at))
        for each in polling.coverage
        if each.start_at <= span.end_at and each.end_at >= span.start_at
    ]
    deltas: Counter[datetime] = Counter()
    held = came = left = 0
    # What the first poll ever found had come before.
    begin = max(span.start_at, polling.first_polled_at or span.start_at)
    for series in found.reasons:
        values = [sample for sample in series.changes if sample.at <= span.end_at]
        start = max((each for each in values if each.at <= begin), key=lambda each: each.at, default=None)
        within = [each for each in values if each.at > begin]
        counts = [0 if start is None else start.count, *(each.count for each in within)]
        deltas[begin] += counts[0]
        for sample, (before, after) in zip(within, pairwise(counts), strict=True):
            deltas[sample.at] += after - before
        came += sum(max(0, after - before) for before, after in pairwise(counts))
        left += sum(max(0, before - after) for before, after in pairwise(counts))
        held += counts[-1]
    return TenantWeek(
        tenant=polling.tenant,
        held=held if covered else None,
        highest=_highest(deltas) if covered else None,
        came=came,
        left=left,
        no_data=_no_data(covered, span, polling.first_polled_at, TOLERANCE_INTERVALS * polling.poll_interval),
    )


def _highest(deltas: Mapping[datetime, int]) -> tuple[int, datetime] | None:
    total, found = 0, None
    for at in sorted(deltas):
        total += deltas[at]
        if found is None or total > found[0]:
            found = total, at
    return found


def _no_data(covered: Sequence[Span], span: Span, first_polled_at: datetime | None, tolerance: timedelta) -> timedelta:
    """Return for how long nothing is known since the first poll; a gap that is no longer than tolerated is none."""
    if first_polled_at is None:
        return timedelta(0)
    edges = [max(span.start_at, min(first_polled_at, span.end_at))]
    for each in covered:
        edges += [each.start_at, each.end_at]
    edges.append(span.end_at)
    gaps = (edges[index + 1] - edges[index] for index in range(0, len(edges), 2))
    return sum((gap for gap in gaps if gap > tolerance), timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyReport:
    """What a weekly report says.

    Attributes:
        review: What the rules did in the week.
        tenants: What was held for each tenant.
        firing: How many alerts fire now, also those that began before the week.
    """

    review: Review
    tenants: tuple[TenantWeek, ...] = field(default_factory=tuple)
    firing: int = 0

    @property
    def held(self) -> int:
        """How many messages are held for all tenants."""
        return sum(each.held or 0 for each in self.tenants)

    @property
    def without_data(self) -> list[TenantWeek]:
        """The tenants that were without data for some time, the longest first."""
        found = (each for each in self.tenants if each.no_data or each.held is None)
        return sorted(found, key=lambda each: (-each.no_data, each.tenant))


def most(weeks: Iterable[TenantWeek], number: Callable[[TenantWeek], int]) -> list[TenantWeek]:
    """Return tenants by a number of theirs, the highest first; one of which it is zero is left out."""
    return sorted((each for each in weeks if number(each)), key=lambda each: (-number(each), each.tenant))
