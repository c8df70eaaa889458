"""Everything that mutes alerts now, as values, as text and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING

from alerter.core.alerts import no_data_since
from alerter.core.mute_windows import MuteWindow
from alerter.core.mutes import Mute, MuteKind, MuteSet, active_window, muted_by
from alerter.core.rules import Severity
from alerter.core.silences import (
    ACK_BREAK_FACTOR,
    MAX_SILENCE,
    Acknowledgement,
    AlertMatcher,
    Silence,
    current_acknowledgements,
)
from alerter.humanize import count_text, local_time_text, short_duration_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert, AlertSubject
    from alerter.core.series import Tenant
    from alerter.storage import Reader


#: The muted tenants that are named; there may be thousands.
MAX_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class ActiveMutes:
    """Everything that mutes now.

    Attributes:
        config: Its windows and routes count.
        mutes: All there are, also those that have ended.
        now: The instant.
    """

    config: "Config"
    mutes: MuteSet
    now: datetime

    def mute_for(self, alert: "Alert") -> Mute | None:
        """Return what keeps an alert from everybody at this moment, or None; what is over is not muted."""
        if alert.state == "inactive":
            return None
        mute = muted_by(alert, self.mutes, now=self.now)
        if mute is not None:
            return mute
        ways = [
            active_window(self.mutes.windows_for(alert, route.mute_windows), now=self.now)
            for route in self.config.routes
            if route.matches(alert)
        ]
        return next(iter(ways), None) if all(ways) else None

    def no_data_since(self, alert: "Alert") -> datetime | None:
        """Return since when a firing alert has had no data; None where it has, or does not fire."""
        return no_data_since(alert, self._intervals, now=self.now)

    @cached_property
    def _intervals(self) -> "Mapping[Tenant, timedelta]":
        """How often each tenant is polled, made once for all alerts: there may be thousands of both."""
        return {name: tenant.poll_interval for name, tenant in self.config.tenants.items()}

    def silences(self) -> list[Silence]:
        """Return the silences that are active."""
        return [silence for silence in self.mutes.silences if silence.is_active(now=self.now)]

    def acknowledgements(self, alerts: Sequence["Alert"]) -> list[tuple["Alert", Acknowledgement]]:
        """Return the acknowledgements that hold, each with the highest alert that it covers."""
        held = {}
        for alert in sorted(alerts, key=lambda alert: alert.key.severity.rank):
            acknowledgement = self.mutes.acknowledgements.get(alert.key.subject)
            if acknowledgement is not None and acknowledgement.covers(alert):
                held[alert.key.subject] = alert, acknowledgement
        return list(held.values())

    def mute_windows(self) -> list[tuple[MuteWindow, datetime, str]]:
        """Return the mute windows in force that are used: with their ends, and what uses them."""
        ends = {name: window.current_end_at(now=self.now) for name, window in self.config.mute_windows.items()}
        return [
            (window, end, users)
            for name, window in self.config.mute_windows.items()
            if (end := ends[name]) is not None and (users := "; ".join(self._users(window)))
        ]

    def _whose(self, window: MuteWindow) -> str:
        """Return for how many tenants a window is, if it is not for all."""
        number = sum(map(window.tenants.matches, self.config.tenants))
        return "" if number == len(self.config.tenants) else f" of {count_text(number, 'tenant')}"

    def _users(self, window: MuteWindow) -> Iterator[str]:
        rules = [name for name, windows in self.config.windows_by_rule.items() if window in windows]
        if rules:
            yield f"rules {', '.join(rules)}{self._whose(window)}"
        for route in self.config.routes:
            if window in route.mute_windows:
                yield f"a route to {', '.join(route.receivers)}{self._whose(window)}"


def load_active_mutes(reader: "Reader", config: "Config", alerts: Sequence["Alert"], *, now: datetime) -> ActiveMutes:
    """Return what mutes now.

    Args:
        reader: Holds silences and acknowledgements.
        config: Has the mute windows.
        alerts: Those of every topic that is not over: they say which tenants have no data, and which
            acknowledgements still hold.
        now: The instant.
    """
    unseen = frozenset(alert.key.tenant for alert in alerts if alert.is_firing and alert.is_no_data)
    by_subject: dict[AlertSubject, list[Alert]] = {}
    for alert in alerts:
        by_subject.setdefault(alert.key.subject, []).append(alert)
    of_now = current_acknowledgements(reader.silences.acknowledgements(), by_subject, now=now)
    mutes = MuteSet(
        silences=reader.silences.silences(since=now - MAX_SILENCE),
        acknowledgements=of_now,
        windows_by_rule=config.windows_by_rule,
        no_data_tenants=unseen,
        muted_tenants=config.muted_tenants,
        timezones=config.timezones,
        labels_by_tenant=config.labels_by_tenant,
    )
    return ActiveMutes(config=config, mutes=mutes, now=now)


def mute_text(mute: Mute | None, timezone: tzinfo) -> str:
    """Return what mutes an alert in a few words, or nothing."""
    if mute is None:
        return ""
    until = f" until {local_time_text(mute.until, timezone)}" if mute.until else ""
    by = "by " if mute.kind is MuteKind.ACKNOWLEDGEMENT else ""
    return f"{mute.kind} {by}{mute.name}{until}" + (f": {mute.comment}" if mute.comment else "")


def mute_name(mute: Mute | None) -> str:
    """Return the same in as few words as a column of a terminal has room for: `silence 3`, `ack ann`."""
    match mute:
        case None:
            return ""
        case Mute(kind=MuteKind.ACKNOWLEDGEMENT):
            return f"ack {mute.name}"
        case _:
            return f"{mute.kind} {mute.name.partition(' by ')[0]}"


def mute_json(mute: Mute | None) -> Mapping[str, object] | None:
    """Return the same for a program; None for no mute."""
    if mute is None:
        return None
    return {"kind": mute.kind, "name": mute.name, "until": mute.until, "comment": mute.comment}


def matcher_text(matcher: AlertMatcher) -> str:
    """Return which alerts a silence is for."""
    severities = tuple(severity for severity in Severity if severity in matcher.severities)
    parts = {
        "tenant": matcher.tenants.globs,
        "label": [f"{name}={glob}" for name, selector in matcher.labels.items() for glob in selector.globs],
        "reason": matcher.reasons.globs,
        "rule": matcher.rules.globs,
        "severity": severities,
    }
    return "; ".join(f"{name} {', '.join(globs)}" for name, globs in parts.items() if globs) or "everything"


def ack_end_text(acknowledgement: Acknowledgement) -> str:
    """Return when an acknowledgement ends."""
    ends = ["it resolves"]
    if acknowledgement.severity is not max(Severity, key=lambda severity: severity.rank):
        ends.append(f"rises above {acknowledgement.severity}")
    if acknowledgement.value:
        ends.append(f"{acknowledgement.value * ACK_BREAK_FACTOR:,} are held")
    return f"{', '.join(ends[:-1])} or {ends[-1]}" if ends[1:] else ends[0]


def end_text(until: datetime, timezone: tzinfo, *, now: datetime) -> str:
    """Return an end that is still to come, and how far off it is."""
    return f"{local_time_text(until, timezone)} (in {short_duration_text(until - now)})"


def silence_state(silence: Silence, *, now: datetime) -> str:
    """Return `pending`, `active` or `expired`, as Alertmanager calls them."""
    if silence.is_active(now=now):
        return "active"
    return "expired" if silence.ends_at <= now else "pending"


def silence_json(silence: Silence, *, now: datetime) -> Mapping[str, object]:
    """Return a silence for a program."""
    matcher = silence.matcher
    return {
        "silence": silence.id, "state": silence_state(silence, now=now),
        "tenants": matcher.tenants.globs,
        "labels": {name: selector.globs for name, selector in matcher.labels.items()},
        "reasons": matcher.reasons.globs, "rules": matcher.rules.globs,
        "severities": [severity for severity in Severity if severity in matcher.severities],
        "author": silence.author, "comment": silence.comment,
        "starts_at": silence.starts_at, "ends_at": silence.ends_at,
    }  # fmt: skip
