"""Mutes: silences, acknowledgements, mute windows, muted tenants and tenants without data.

A mute hides; it never forgets.

While an alert is muted nobody is notified of it; when the mute ends, `plan` compares as ever and notifies of what still
differs. No I/O: values in, values out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NewType

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.rules import MATCH_ALL, RuleName, Selector, Severity, match_labels
from alerter.core.series import ALL_TENANTS, Tenant

WindowName = NewType("WindowName", str)

#: The longest silence: what is muted for longer is forgotten, not silenced.
MAX_SILENCE = timedelta(days=30)
#: An acknowledgement breaks when the count has grown by this factor since.
ACK_BREAK_FACTOR = 2


class MuteKind(StrEnum):
    """Why nobody is notified."""

    SILENCE = "silence"
    ACKNOWLEDGEMENT = "acknowledgement"
    WINDOW = "mute window"
    NO_DATA = "tenant without data"
    TENANT = "muted tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """One mute that applies to an alert, or did until a moment ago.

    Attributes:
        kind: What it is.
        name: Which one: a silence's number, an author, a window's name, a tenant.
        until: When it ends, or ended; None where that is not known beforehand.
        comment: What its author said.
        count: What was held when it was acknowledged; None for other mutes, and where nothing was counted.
    """

    kind: MuteKind
    name: str
    until: datetime | None = None
    comment: str = ""
    count: int | None = None


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
        since: From when on.
        until: The first instant at which it no longer holds; at most `MAX_SILENCE` after `since`.
    """

    id: int
    matcher: AlertMatcher
    author: str
    comment: str
    since: datetime
    until: datetime

    def is_active(self, *, now: datetime) -> bool:
        """Say whether it holds at this moment."""
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person has seen an alert and is at it: muted until it resolves or gets worse. What is broken stays broken.

    Attributes:
        topic: What was acknowledged.
        severity: At which level; a higher one breaks it.
        value: The count then; twice as many break it. None where the alert counts nothing.
        author: Who is at it.
        comment: What they said.
        at: When.
        broken_at: When the alert had got worse; None until then.
    """

    topic: AlertSubject
    severity: Severity
    value: int | None
    author: str
    comment: str
    at: datetime
    broken_at: datetime | None = None

    def holds(self, alert: Alert) -> bool:
        """Say whether it covers the alert: the same episode, no higher level, and not broken."""
        is_same = alert.is_firing and alert.key.topic == self.topic and not self._is_older_than(alert)
        return is_same and self.broken_at is None and alert.key.severity.rank <= self.severity.rank

    def moved(self, by: timedelta) -> "Acknowledgement":
        """Return it on a clock that has jumped."""
        broken_at = None if self.broken_at is None else self.broken_at + by
        return replace(self, at=self.at + by, broken_at=broken_at)

    def is_broken_by(self, alert: Alert) -> bool:
        """Say whether the alert is worse than when it was acknowledged: a higher level has begun, or twice as many."""
        is_higher = alert.key.severity.rank > self.severity.rank
        has_risen = is_higher and alert.fired_at is not None and alert.fired_at > self.at
        return has_risen or (alert.is_firing and has_doubled(alert.value, self.value))

    def _is_older_than(self, alert: Alert) -> bool:
        # A higher level begins later than the acknowledgement without being another episode.
        return alert.key.severity is self.severity and alert.fired_at is not None and alert.fired_at > self.at


def has_doubled(count: int | None, since: int | None) -> bool:
    """Say whether a count is so much more than one before that nobody has acknowledged it; what is unknown is not."""
    return bool(since) and count is not None and count >= (since or 0) * ACK_BREAK_FACTOR


#: Later than every end.
_STILL = datetime.max.replace(tzinfo=UTC)


def began_at(alerts: Iterable[Alert]) -> datetime | None:
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
        if (began := began_at(alerts_by_topic.get(topic, ()))) is not None and began <= acknowledgement.at <= now
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


#: Monday is 0, as in `datetime.weekday`.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: How many days to look back and ahead for a window: each day of the week is among them.
_WEEK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteWindow:
    """A part of the week in which nobody is notified, in the time of a place.

    It begins on each of its days at `begins` and lasts until the next `ends`: on the next day where that is not later.
    What counts is the wall clock: it holds while the clock there shows a time of the window. A night is therefore an
    hour shorter or longer when the clocks change, an end that is skipped has come with the first time after it, and
    what the clocks show twice is in the window twice. Days that follow one another without a pause are one window.

    Attributes:
        days: On which weekdays it begins, Monday 0.
        begins: Its first moment.
        ends: The first moment after it.
        timezone: Where.
        is_local: Whether it is meant in each tenant's own time instead, where that is known.
        tenants: For whom it is; a sum over all tenants is nobody's.
    """

    name: WindowName
    days: frozenset[int]
    begins: time
    ends: time
    timezone: tzinfo
    is_local: bool = False
    tenants: Selector = MATCH_ALL

    def in_timezone(self, timezone: tzinfo | None) -> "MuteWindow":
        """Return the window as it falls for a tenant in a time zone; None for one that has none of its own."""
        return replace(self, timezone=timezone) if self.is_local and timezone is not None else self

    def current_end_at(self, *, now: datetime) -> datetime | None:
        """Return when the window that holds now will end; None where none holds.

        Of one that never ends it is an instant more than a week ahead.
        """
        spans = self._spans(now=now, first=-2, last=_WEEK)
        return next((end for begin, end in spans if begin <= now < end), None)

    def last_ended_at(self, *, now: datetime) -> datetime | None:
        """Return when the window ended last, at or before now; None where that is more than a week ago."""
        spans = self._spans(now=now, first=-_WEEK, last=0)
        return max((end for _, end in spans if end <= now), default=None)

    def _spans(self, *, now: datetime, first: int, last: int) -> list[tuple[datetime, datetime]]:
        """Return the windows that begin within these days from today on, oldest first, as instants in UTC."""
        today = now.astimezone(self.timezone).date()
        days = [today + timedelta(days=number) for number in range(first, last + 1)]
        shown = [self._shown_on(day) for day in days if day.weekday() in self.days]
        spans: list[tuple[datetime, datetime]] = []
        for since, until, offset in _offsets(self.timezone, days[0], days[-1]):
            for begin, end in ((max(since, one - offset), min(until, other - offset)) for one, other in shown):
                if spans and begin < end and begin <= spans[-1][1]:
                    spans[-1] = (spans[-1][0], end)
                elif begin < end:
                    spans.append((begin, end))
        return spans

    def _shown_on(self, day: date) -> tuple[datetime, datetime]:
        """Return what the wall clock shows at the beginning and the end of a day's window, as if it were UTC."""
        length = timedelta(days=1 if self.ends <= self.begins else 0)
        return datetime.combine(day, self.begins, UTC), datetime.combine(day + length, self.ends, UTC)


_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def _offsets(timezone: tzinfo, first: date, last: date) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yield the spans in which the clocks of a time zone do not change, each with the distance of its clock from UTC.

    Args:
        timezone: Whose.
        first: The first local day that must be in them.
        last: The last one; the day after it is in them too.
    """
    begin = at = datetime.combine(first, time(), UTC) - 2 * _DAY
    until = datetime.combine(last, time(), UTC) + 3 * _DAY
    while at < until:
        same, other = at, at + _DAY
        if _offset(timezone, same) == _offset(timezone, other):
            at = other
            continue
        # Clocks change at whole seconds.
        while other - same > _SECOND:
            middle = same + (other - same) // _SECOND // 2 * _SECOND
            same, other = (middle, other) if _offset(timezone, middle) == _offset(timezone, at) else (same, middle)
        yield begin, other, _offset(timezone, at)
        begin = at = other
    yield begin, until, _offset(timezone, begin)


def _offset(timezone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(timezone).utcoffset() or timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteSet:
    """Everything that can mute.

    Attributes:
        silences: Also those that ended within the last month: what was hidden by them says so in its notification.
        acknowledgements: By topic; those of episodes that are over do not count.
        windows_by_rule: The windows of each rule that has any.
        no_data_tenants: The tenants that cannot be polled: what is known of their held messages is old.
        muted_tenants: The tenants whose alerts nobody is to be notified of.
        timezones: The time zone of each tenant that has one of its own.
        labels_by_tenant: The labels that tenants have now; a tenant without labels is missing.
    """

    silences: Sequence[Silence] = ()
    acknowledgements: Mapping[AlertSubject, Acknowledgement] = field(default_factory=dict)
    windows_by_rule: Mapping[RuleName, Sequence[MuteWindow]] = field(default_factory=dict)
    no_data_tenants: frozenset[Tenant] = frozenset()
    muted_tenants: frozenset[Tenant] = frozenset()
    timezones: Mapping[Tenant, tzinfo] = field(default_factory=dict)
    labels_by_tenant: Mapping[Tenant, Mapping[str, str]] = field(default_factory=dict)

    def matches(self, silence: Silence, alert: Alert) -> bool:
        """Say whether a silence is for the alert, whether it holds or not."""
        return silence.matcher.matches(alert, self.labels_by_tenant.get(alert.key.tenant, {}))

    def lookbacks_for(self, alert: Alert) -> Sequence[MuteWindow]:
        """Return the windows of the alert's rule for its tenant, as they fall where that is."""
        return self.windows_for(alert, self.windows_by_rule.get(alert.key.rule, ()))

    def windows_for(self, alert: Alert, windows: Sequence[MuteWindow]) -> Sequence[MuteWindow]:
        """Return those of the windows that are for the alert's tenant, as they fall where it is."""
        tenant = alert.key.tenant
        return [window.in_timezone(self.timezones.get(tenant)) for window in windows if window.tenants.matches(tenant)]


NO_MUTES = MuteSet()


def muted_by(alert: Alert, mutes: MuteSet, *, now: datetime) -> Mute | None:
    """Return what mutes the alert at this moment, or None.

    Of several mutes the one that a person asked for comes first, for it says most.

    Args:
        alert: Firing, or just resolved.
        mutes: All there are.
        now: The instant.
    """
    for silence in mutes.silences:
        if silence.is_active(now=now) and mutes.matches(silence, alert):
            return _of_silence(silence)
    acknowledgement = mutes.acknowledgements.get(alert.key.topic)
    if acknowledgement is not None and acknowledgement.holds(alert):
        return _of_acknowledgement(acknowledgement)
    if alert.key.tenant in mutes.muted_tenants:
        return Mute(kind=MuteKind.TENANT, name=alert.key.tenant)
    if alert.key.tenant in mutes.no_data_tenants and not alert.is_no_data:
        return Mute(kind=MuteKind.NO_DATA, name=alert.key.tenant)
    return active_window(mutes.lookbacks_for(alert), now=now)


def active_window(windows: Iterable[MuteWindow], *, now: datetime) -> Mute | None:
    """Return the window that holds at this moment, or None."""
    for window in windows:
        end = window.current_end_at(now=now)
        if end is not None:
            return Mute(kind=MuteKind.WINDOW, name=window.name, until=end)
    return None


def ended_mute(alert: Alert, mutes: MuteSet, *, since: datetime, now: datetime) -> Mute | None:
    """Return the mute that hid the alert and ended last, or None where none has ended since `since`.

    Args:
        alert: What somebody is about to be notified of.
        mutes: All there are.
        since: When somebody was notified of it before, or else when the alert began to fire.
        now: The instant.
    """
    acknowledgement = mutes.acknowledgements.get(alert.key.topic)
    broken_at = None if acknowledgement is None else acknowledgement.broken_at
    if acknowledgement is not None and broken_at is not None and broken_at > since:
        return _of_acknowledgement(acknowledgement)
    ended = [
        _of_silence(silence)
        for silence in mutes.silences
        if since < silence.until <= now and silence.since < silence.until and mutes.matches(silence, alert)
    ]
    ended += ended_windows(mutes.lookbacks_for(alert), since=since, now=now)
    return latest_ended(ended, now=now)


def ended_windows(windows: Iterable[MuteWindow], *, since: datetime, now: datetime) -> list[Mute]:
    """Return those of the windows that ended after `since`, with the instants at which they last did."""
    ends = [(window, window.last_ended_at(now=now)) for window in windows]
    return [
        Mute(kind=MuteKind.WINDOW, name=window.name, until=end)
        for window, end in ends
        if end is not None and end > since
    ]


def latest_ended(ended: Iterable[Mute], *, now: datetime) -> Mute | None:
    """Return the mute that ended last, or None where none has; one without a known end has ended just now."""
    return max(ended, key=lambda mute: mute.until or now, default=None)


def _of_silence(silence: Silence) -> Mute:
    name = f"{silence.id} by {silence.author}"
    return Mute(kind=MuteKind.SILENCE, name=name, until=silence.until, comment=silence.comment)


def _of_acknowledgement(acknowledgement: Acknowledgement) -> Mute:
    return Mute(
        kind=MuteKind.ACKNOWLEDGEMENT,
        name=acknowledgement.author,
        comment=acknowledgement.comment,
        count=acknowledgement.value,
    )
