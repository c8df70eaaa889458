"""Silences and acknowledgements: what people mute, until when, and what breaks it.

No I/O: values in, values out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.rules import Severity
from alerter.core.selectors import MATCH_ALL, Selector, match_labels
from alerter.core.series import ALL_TENANTS, Tenant

#: The longest silence: what is muted for longer is forgotten, not silenced.
MAX_SILENCE = timedelta(days=30)


#: An acknowledgement breaks when the count has grown by this factor since.
ACK_BREAK_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMatcher:
    """Which alerts a silence is for: every one of its selectors must match.

    Attributes:
        labels: The labels that a tenant must have; a sum over all tenants has none, and is not meant.
        severities: Empty matches all.
    """

    tenants: Selector = MATCH_ALL
    labels: Mapping[str, Selector] = field(default_factory=dict)
    reasons: Selector = MATCH_ALL
    rules: Selector = MATCH_ALL
    severities: frozenset[Severity] = frozenset()

    def matches(self, alert: Alert, labels: Mapping[str, str]) -> bool:
        """Say whether the alert is meant, whose tenant has these labels now."""
        key = alert.key
        return (
            (not self.severities or key.severity in self.severities)
            and self.tenants.matches(key.tenant)
            and self._takes_labels(key.tenant, labels)
            and self.reasons.matches(key.reason)
            and self.rules.matches(key.rule)
        )

    def _takes_labels(self, tenant: Tenant, labels: Mapping[str, str]) -> bool:
        return not self.labels or (tenant != ALL_TENANTS and match_labels(labels, self.labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A person's request not to be notified, for a time.

    Attributes:
        id: Its number in commands.
        matcher: For which alerts.
        author: Who asked.
        comment: Why.
        starts_at: From when on.
        ends_at: The first instant at which it no longer holds; at most `MAX_SILENCE` after `since`.
    """

    id: int
    matcher: AlertMatcher
    author: str
    comment: str
    starts_at: datetime
    ends_at: datetime

    def is_active(self, *, now: datetime) -> bool:
        """Say whether it holds at this moment."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person has seen an alert and is at it: muted until it resolves or gets worse. What is broken stays broken.

    Attributes:
        subject: What was acknowledged.
        severity: At which level; a higher one breaks it.
        value: The count then; twice as many break it. None where the alert counts nothing.
        author: Who is at it.
        comment: What they said.
        acknowledged_at: When.
        broken_at: When the alert had got worse; None until then.
    """

    subject: AlertSubject
    severity: Severity
    value: int | None
    author: str
    comment: str
    acknowledged_at: datetime
    broken_at: datetime | None = None

    def covers(self, alert: Alert) -> bool:
        """Say whether it covers the alert: the same episode, no higher level, and not broken."""
        is_same = alert.is_firing and alert.key.subject == self.subject and not self._is_older_than(alert)
        return is_same and self.broken_at is None and alert.key.severity.rank <= self.severity.rank

    def moved(self, by: timedelta) -> "Acknowledgement":
        """Return it on a clock that has jumped."""
        broken_at = None if self.broken_at is None else self.broken_at + by
        return replace(self, acknowledged_at=self.acknowledged_at + by, broken_at=broken_at)

    def is_broken_by(self, alert: Alert) -> bool:
        """Say whether the alert is worse than when it was acknowledged: a higher level has begun, or twice as many."""
        is_higher = alert.key.severity.rank > self.severity.rank
        has_risen = is_higher and alert.fired_at is not None and alert.fired_at > self.acknowledged_at
        return has_risen or (alert.is_firing and has_doubled(alert.value, self.value))

    def _is_older_than(self, alert: Alert) -> bool:
        # A higher level begins later than the acknowledgement without being another episode.
        return (
            alert.key.severity is self.severity and alert.fired_at is not None and alert.fired_at > self.acknowledged_at
        )


def has_doubled(count: int | None, since: int | None) -> bool:
    """Say whether a count is so much more than one before that nobody has acknowledged it; what is unknown is not."""
    return bool(since) and count is not None and count >= (since or 0) * ACK_BREAK_FACTOR


#: Later than every end.
_STILL = datetime.max.replace(tzinfo=UTC)


def firing_started_at(alerts: Iterable[Alert]) -> datetime | None:
    """Return since when some level of a topic has fired without a pause, or had until all of it resolved.

    Args:
        alerts: All of one topic.

    Returns:
        None where none of them ever fired.
    """
    began: datetime | None = None
    for alert in sorted(alerts, key=_last_firing_at, reverse=True):
        if alert.fired_at is not None and (began is None or _last_firing_at(alert) >= began):
            began = alert.fired_at if began is None else min(began, alert.fired_at)
    return began


def _last_firing_at(alert: Alert) -> datetime:
    return alert.resolved_at or _STILL


def current_acknowledgements(
    acknowledgements: Mapping[AlertSubject, Acknowledgement],
    alerts_by_topic: Mapping[AlertSubject, Sequence[Alert]],
    *,
    now: datetime,
) -> dict[AlertSubject, Acknowledgement]:
    """Return the acknowledgements of the newest episode of their topic as of now, also those that it has broken.

    An acknowledgement at one level says nothing of a new episode that begins at another: only all the levels of a
    topic together tell whether it has fired ever since. One from the future, which a clock that was set back leaves,
    would cover whatever begins until then: it does not count.
    """
    return {
        topic: _as_of(acknowledgement, now)
        for topic, acknowledgement in acknowledgements.items()
        if (began := firing_started_at(alerts_by_topic.get(topic, ()))) is not None
        and began <= acknowledgement.acknowledged_at <= now
    }


def _as_of(acknowledgement: Acknowledgement, now: datetime) -> Acknowledgement:
    broken_at = acknowledgement.broken_at
    return acknowledgement if broken_at is None or broken_at <= now else replace(acknowledgement, broken_at=None)


def broken_now(
    acknowledgements: Mapping[AlertSubject, Acknowledgement],
    alerts_by_topic: Mapping[AlertSubject, Sequence[Alert]],
    *,
    now: datetime,
) -> dict[AlertSubject, Acknowledgement]:
    """Return those of the acknowledgements that break at this moment, as they are from now on."""
    return {
        topic: replace(acknowledgement, broken_at=now)
        for topic, acknowledgement in acknowledgements.items()
        if acknowledgement.broken_at is None
        and any(acknowledgement.is_broken_by(alert) for alert in alerts_by_topic.get(topic, ()))
    }
