"""The states of one alert, and which alerts there are (section 5)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.reference.conditions import ACTIVE, INACTIVE, NO_DATA
from tests.reference.polls import Scope

LEVELS = ("info", "warning", "critical")

Key = tuple[str, str, str, str]
"""Rule, level, tenant and reason: the identity of an alert (5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is known of one alert between two polls (5)."""

    state: str = "inactive"
    pending_since: datetime | None = None
    fired_at: datetime | None = None
    keep_firing_since: datetime | None = None
    peak: int | None = None
    limit: object = None
    """The limit under which it fires, for `clear_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry of the history: an alert that changed its state (5)."""

    at: datetime
    key: Key
    before: str
    after: str
    why: str = ""
    lasted: timedelta | None = None
    peak: int | None = None


def step(
    alert: Alert,
    verdict: str,
    scope: Scope,
    now: datetime,
    *,
    wait: timedelta,
    keep: timedelta,
) -> Alert:
    """Return the alert after a verdict: the table of section 5.

    `wait` is `for` and `keep` is `keep_firing_for`; of both only known time counts (5 [2]).
    """
    if verdict == NO_DATA or (alert.state == "inactive" and verdict == INACTIVE):
        return alert
    if alert.state == "inactive":
        return Alert(state="pending", pending_since=now) if wait else Alert(state="firing", fired_at=now)
    if alert.state == "pending":
        if verdict == INACTIVE:
            return Alert()
        is_held = scope.known(alert.pending_since or now, now) >= wait
        return replace(alert, state="firing", fired_at=now) if is_held else alert
    if verdict == ACTIVE:
        return replace(alert, keep_firing_since=None)
    keep_firing_since = alert.keep_firing_since or now
    return (
        Alert() if scope.known(keep_firing_since, now) >= keep else replace(alert, keep_firing_since=keep_firing_since)
    )
