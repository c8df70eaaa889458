"""Mutes: silences, acknowledgements, mute windows, muted tenants and tenants without data.

A mute hides; it never forgets.

While an alert is muted nobody is notified of it; when the mute ends, `plan` compares as ever and notifies of what still
differs. No I/O: values in, values out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.mute_windows import MuteWindow
from alerter.core.rules import RuleName
from alerter.core.series import Tenant
from alerter.core.silences import Acknowledgement, Silence


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
    acknowledgement = mutes.acknowledgements.get(alert.key.subject)
    if acknowledgement is not None and acknowledgement.covers(alert):
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
    acknowledgement = mutes.acknowledgements.get(alert.key.subject)
    broken_at = None if acknowledgement is None else acknowledgement.broken_at
    if acknowledgement is not None and broken_at is not None and broken_at > since:
        return _of_acknowledgement(acknowledgement)
    ended = [
        _of_silence(silence)
        for silence in mutes.silences
        if since < silence.ends_at <= now and silence.starts_at < silence.ends_at and mutes.matches(silence, alert)
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
    return Mute(kind=MuteKind.SILENCE, name=name, until=silence.ends_at, comment=silence.comment)


def _of_acknowledgement(acknowledgement: Acknowledgement) -> Mute:
    return Mute(
        kind=MuteKind.ACKNOWLEDGEMENT,
        name=acknowledgement.author,
        comment=acknowledgement.comment,
        count=acknowledgement.value,
    )
