"""What keeps an alert quiet: silences, acknowledgements, mute windows and tenants (sections 4.7 and 6)."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.reference.words import Table, match_labels, selects, takes_tenant

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Subject = tuple[str, str, str]
"""Rule, tenant and reason: an alert whatever its level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Matchers with a beginning and an end (6)."""

    starts_at: datetime
    ends_at: datetime
    tenants: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    def mutes(self, subject: Subject, level: str, now: datetime) -> bool:
        """Return True if the silence holds now and all its matchers take the alert (6)."""
        rule, tenant, reason = subject
        return (
            self.starts_at <= now < self.ends_at
            and selects(list(self.tenants), tenant)
            and selects(list(self.reasons), reason)
            and selects(list(self.rules), rule)
            and (not self.levels or level in self.levels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody works on an alert: it was of this level and count then (6)."""

    at: datetime
    level: str
    count: int | None
    broken_at: datetime | None = None
    """Since when it holds no longer: for good, until the alert resolves (6 [2])."""


def days_of(texts: list[str] | None) -> set[int]:
    """Return the numbers of the days that names and ranges select, Monday 0 (README, mute windows)."""
    selected = set()
    for text in texts or list(DAYS):
        first, _, last = text.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        selected |= {(begin + day) % 7 for day in range((end - begin) % 7 + 1)}
    return selected


def is_open(window: Table, zone: str, now: datetime) -> bool:
    """Return True if a mute window holds now, by the wall clock of its time zone (6 [2]).

    It begins on each of its days at `from` and lasts until the next `to`; with the same time twice it is a whole day.
    """
    wall = now.astimezone(ZoneInfo(window.get("timezone", zone))).replace(tzinfo=None)
    begins, ends = time.fromisoformat(window["from"]), time.fromisoformat(window["to"])
    for days_ago in (0, 1):
        day = wall.date() - timedelta(days=days_ago)
        start = datetime.combine(day, begins)
        end = datetime.combine(day if ends > begins else day + timedelta(days=1), ends)
        if day.weekday() in days_of(window.get("days")) and start <= wall < end:
            return True
    return False


def timezone_for(tenant: str, config: Table) -> str:
    """Return the time zone of a tenant: its own, or that of the service (9)."""
    zone: str = config["tenants"].get(tenant, {}).get("timezone") or config.get("service", {}).get("timezone", "UTC")
    return zone


def active_window(names: list[str] | None, tenant: str, config: Table, now: datetime) -> bool:
    """Return True if one of the named mute windows holds for a tenant now (6, README)."""
    windows = [config["mute_windows"][name] for name in names or []]
    return any(
        takes_tenant(window, tenant, config) and is_open(window, timezone_for(tenant, config), now)
        for window in windows
    )


def takes(route: Table, subject: Subject, level: str, config: Table) -> bool:
    """Return True if a route matches an alert (6, routes).

    Silent: the tenant of a sum over all tenants, and the reason of a sum. They are "*", and have no labels.
    """
    rule, tenant, reason = subject
    labels = config["tenants"].get(tenant, {}).get("labels", {})
    return (
        level in route.get("severity", (level,))
        and selects(route.get("tenants"), tenant)
        and match_labels(route.get("tenant_labels"), labels)
        and selects(route.get("reasons"), reason)
        and selects(route.get("rules"), rule)
    )


def routes_to(receiver: str, subject: Subject, level: str, config: Table) -> list[Table]:
    """Return the routes that bring an alert to a receiver; without routes, one that brings everything (6)."""
    if "routes" not in config:
        return [{}]
    return [
        route for route in config["routes"] if receiver in route["receivers"] and takes(route, subject, level, config)
    ]
