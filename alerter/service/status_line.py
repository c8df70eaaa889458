"""The STATUS= line for systemd. No I/O: values in, words out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from alerter.core.rules import Severity
from alerter.core.series import Tenant
from alerter.health import CycleStatus

#: The names that stand in a text; the others are a number.
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCounts:
    """What the database says of alerts and messages.

    Attributes:
        firing: How many alerts fire, by severity; only those of which there are some.
        undelivered: How many messages wait, each at one target.
    """

    firing: Mapping[Severity, int]
    undelivered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusInput:
    """What the line is made of.

    Attributes:
        tenants: How many are polled.
        cycles: The newest cycle of each that had one.
        overdue: Those without a complete cycle for too long.
        last_at: When the newest cycle ended, in the time zone in which people read it; None before the first one.
        refusal: Why the configuration as it is now is not in force; empty if it is.
        sharing: How the tenants are shared with other instances; empty where they are not.
        counts: What the database said when it was last asked; None before that.
    """

    tenants: int
    cycles: Mapping[Tenant, CycleStatus] = field(default_factory=dict)
    overdue: Collection[Tenant] = ()
    last_at: datetime | None = None
    refusal: str = ""
    sharing: str = ""
    counts: AlertCounts | None = None


def status_line(status: StatusInput) -> str:
    """Return the line, the worst first: a narrow terminal shows its beginning."""
    return "; ".join(_parts(status))


def join_names(names: Collection[str]) -> str:
    """Return the names in their order, of many only the first and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(sorted(names)[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _parts(status: StatusInput) -> Iterator[str]:
    yield from _unkept(status.cycles)
    if status.overdue:
        yield f"tenants overdue: {join_names(status.overdue)}"
    if status.refusal:
        yield status.refusal
    failing = [f"{tenant} ({cycle.cause})" for tenant, cycle in status.cycles.items() if cycle.cause is not None]
    if failing:
        yield f"cannot be polled: {join_names(failing)}"
    yield f"tenants: {status.tenants}" + (f", failing: {len(failing)}" if failing else "")
    if status.sharing:
        yield status.sharing
    if len(status.cycles) < status.tenants:
        yield f"not yet polled: {status.tenants - len(status.cycles)}"
    if status.last_at is not None:
        yield f"last poll {status.last_at:%H:%M:%S %Z}"
    if status.counts is not None:
        yield from _count_parts(status.counts)


def _unkept(cycles: Mapping[Tenant, CycleStatus]) -> Iterator[str]:
    """Yield why cycles could not be kept: as a rule the same for all tenants."""
    tenants_by_error: dict[str, list[Tenant]] = {}
    for tenant, cycle in cycles.items():
        if not cycle.is_complete:
            tenants_by_error.setdefault(cycle.error, []).append(tenant)
    for error, tenants in tenants_by_error.items():
        yield f"DATABASE ERROR, {join_names(tenants)} not stored: {error}"


def _count_parts(counts: AlertCounts) -> Iterator[str]:
    firing = [f"{counts.firing[severity]} {severity}" for severity in Severity if severity in counts.firing]
    yield f"alerts firing: {', '.join(reversed(firing)) or 'none'}"
    yield f"messages undelivered: {counts.undelivered or 'none'}"
