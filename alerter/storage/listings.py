"""Lists for people, filtered, sorted and cut into pages by SQL.

A page begins after the key of the last row of the page before, never at an offset: rows that come or go meanwhile
neither repeat nor hide one.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, Row, Select, and_, case, func, literal, or_, select, type_coerce

from alerter.core.alerts import Alert, AlertState
from alerter.core.rules import RuleName, Severity
from alerter.core.series import HoldReason, Tenant
from alerter.storage import tables
from alerter.storage.alerts import alert_from_row
from alerter.storage.encoding import subject_digest
from alerter.storage.engine import Repository
from alerter.storage.outbox import DeliveryRecord, record_from_row


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts are listed; every field must match.

    Attributes:
        states: `firing`, `pending` or `resolved`.
        severities: Empty for all.
        tenants: None for all.
        rule: Its name; empty for all.
        reason: The hold reason; None for all.
        text: Stands somewhere in rule, tenant or reason, in any case; empty for all.
    """

    states: frozenset[str] = frozenset({"firing", "pending"})
    severities: frozenset[Severity] = frozenset()
    tenants: frozenset[Tenant] | None = None
    rule: str = ""
    reason: HoldReason | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are listed; every field must match.

    Attributes:
        states: `waiting`, `failed` (given up) or `sent`; empty for all.
        receiver: Its name; empty for all.
    """

    states: frozenset[str] = field(default_factory=frozenset)
    receiver: str = ""


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """What a tenant holds for a reason."""

    tenant: Tenant
    reason: HoldReason
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutage:
    """A run of failed polls of a tenant, all with one cause; `ended_at` is None while it goes on."""

    started_at: datetime
    ended_at: datetime | None
    failures: int
    cause: str
    detail: str


class ListRepository(Repository):
    """Reads lists for people."""

    def find_alerts(self, wanted: AlertFilter, *, after: str = "", limit: int) -> tuple[list[Alert], str]:
        """Return alerts: firing ones first, the worst first, then the newest; pending ones; resolved ones.

        Args:
            wanted: Which.
            after: The key that the page before has returned; empty for the first page.
            limit: The most to return.

        Returns:
            The alerts, and the key of the next page; empty where this is the last.

        Raises:
            ValueError: `after` is no key.
        """
        found = _alerts_where(wanted, select(tables.alerts, _rank.label("rank"), _since.label("began")))
        found = found.order_by(_rank, _since.desc(), tables.alerts.c.digest)
        if after:
            found = found.where(_after(after))
        rows = self._all(found.limit(limit + 1))
        return [alert_from_row(row) for row in rows[:limit]], _key_of(rows[limit - 1]) if len(rows) > limit else ""

    def count_alerts(self, wanted: AlertFilter) -> int:
        """Return how many alerts there are."""
        return int(self._all(_alerts_where(wanted, select(func.count().label("number"))))[0].number)

    def alerts_of_subjects(self, alerts: Collection[Alert]) -> list[Alert]:
        """Return all the levels of what these alerts are about."""
        digests = sorted({subject_digest(alert.key.subject) for alert in alerts})
        if not digests:
            return []
        return [alert_from_row(row) for row in self._all(select(tables.alerts).where(_alerts.subject.in_(digests)))]

    def firing_alerts_of_rules(self, rules: Collection[RuleName]) -> list[Alert]:
        """Return the alerts of these rules that fire."""
        wanted = select(tables.alerts).where(tables.is_live, _alerts.state == str(AlertState.FIRING))
        return [alert_from_row(row) for row in self._all(wanted.where(_alerts.rule.in_(sorted(rules))))]

    def firing_by_tenant(self) -> dict[Tenant, dict[Severity, int]]:
        """Return how many alerts of each tenant fire, by severity; a tenant of which none does is missing."""
        firing: dict[Tenant, dict[Severity, int]] = {}
        for row in self._all(_FIRING_BY_TENANT):
            firing.setdefault(row.tenant, {})[Severity(row.severity)] = row.number
        return firing

    def noise_by_rule(self, *, since: datetime) -> dict[RuleName, int]:
        """Return how often alerts of each rule began to fire since an instant; a rule of which none did is missing."""
        began = _NOISE.where(tables.transitions.c.at >= since)
        return {row.rule: row.number for row in self._all(began)}

    def counts_by_rule(self) -> dict[RuleName, dict[AlertState, int]]:
        """Return how many alerts of each rule are pending or firing."""
        counts: dict[RuleName, dict[AlertState, int]] = {}
        for row in self._all(_BY_RULE):
            counts.setdefault(row.rule, {})[AlertState(row.state)] = row.number
        return counts

    def find_deliveries(
        self, wanted: DeliveryFilter, *, after: int | None = None, limit: int
    ) -> tuple[list[DeliveryRecord], int | None]:
        """Return deliveries, the newest first, and the key of the next page; None where this is the last.

        Args:
            wanted: Which.
            after: The key that the page before has returned; None for the first page.
            limit: The most to return.
        """
        found = _DELIVERIES.limit(limit + 1)
        if wanted.receiver:
            found = found.where(tables.messages.c.receiver == wanted.receiver)
        if wanted.states:
            found = found.where(or_(*(_DELIVERY_STATES[each] for each in sorted(wanted.states))))
        if after is not None:
            found = found.where(tables.deliveries.c.id < after)
        rows = self._all(found)
        return [record_from_row(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None

    def largest_series(self, *, limit: int, tenants: Collection[Tenant] | None = None) -> list[SeriesCount]:
        """Return what most is held for, the most first; nothing of which none is."""
        wanted = _LARGEST.limit(limit)
        if tenants is not None:
            wanted = wanted.where(tables.tenants.c.name.in_(sorted(tenants)))
        return [SeriesCount(row.name, row.reason, row.value) for row in self._all(wanted)]

    def failed_polls(self, tenant: Tenant, *, limit: int) -> list[PollOutage]:
        """Return the runs of a tenant's failed polls, the newest first."""
        wanted = _FAILED_POLLS.where(tables.tenants.c.name == tenant).limit(limit)
        return [
            PollOutage(
                started_at=row.first_failed_at,
                ended_at=row.ended_at,
                failures=row.failure_count,
                cause=row.cause,
                detail=row.detail,
            )
            for row in self._all(wanted)
        ]

    def reason_by_digest(self, tenant: Tenant, digest: str) -> HoldReason | None:
        """Return the hold reason of a tenant that a digest stands for, or None."""
        wanted = _REASON.where(tables.tenants.c.name == tenant, tables.series.c.digest == digest)
        row = self._first(wanted)
        return None if row is None else row.reason


_alerts = tables.alerts.c
_SEVERITY_ORDER = {severity: rank for rank, severity in enumerate(reversed(Severity))}
_severity_rank = case(
    *((_alerts.severity == str(severity), rank) for severity, rank in _SEVERITY_ORDER.items()), else_=len(Severity)
)
#: Firing by severity, then pending by severity, then what is over.
_rank = type_coerce(
    case(
        (_alerts.state == str(AlertState.FIRING), _severity_rank),
        (_alerts.state == str(AlertState.PENDING), _severity_rank + len(Severity)),
        else_=2 * len(Severity),
    ),
    Integer(),
)
_since = func.coalesce(
    case(
        (_alerts.state == str(AlertState.FIRING), type_coerce(_alerts.fired_at, BigInteger())),
        (_alerts.state == str(AlertState.PENDING), type_coerce(_alerts.active_at, BigInteger())),
        else_=type_coerce(_alerts.resolved_at, BigInteger()),
    ),
    literal(0, BigInteger()),
)
_STATES = {
    "firing": _alerts.state == str(AlertState.FIRING),
    "pending": _alerts.state == str(AlertState.PENDING),
    "resolved": and_(_alerts.state == str(AlertState.INACTIVE), _alerts.resolved_at.is_not(None)),
}


def _alerts_where(wanted: AlertFilter, found: Select[Any]) -> Select[Any]:
    found = found.select_from(tables.alerts).where(or_(*(_STATES[each] for each in sorted(wanted.states))))
    if "resolved" not in wanted.states:
        found = found.where(tables.is_live)
    if wanted.severities:
        found = found.where(_alerts.severity.in_(sorted(map(str, wanted.severities))))
    if wanted.tenants is not None:
        found = found.where(_alerts.tenant.in_(sorted(wanted.tenants)))
    if wanted.rule:
        found = found.where(_alerts.rule == wanted.rule)
    if wanted.reason is not None:
        found = found.where(_alerts.reason == wanted.reason)
    if wanted.text:
        columns = (_alerts.rule, _alerts.tenant, _alerts.reason)
        found = found.where(or_(*(each.icontains(wanted.text, autoescape=True) for each in columns)))
    return found


def _after(key: str) -> Any:  # noqa: ANN401 - a condition of SQLAlchemy's, which has no narrower type
    rank_text, since_text, digest = [*key.split("."), "", ""][:3]
    try:
        rank, since = int(rank_text), int(since_text)
    except ValueError:
        raise ValueError(f"expected the key of a page, found {key!r}") from None
    is_later = or_(_since < since, and_(_since == since, _alerts.digest > digest))
    return or_(_rank > rank, and_(_rank == rank, is_later))


def _key_of(row: Row[Any]) -> str:
    return f"{row.rank}.{row.began}.{row.digest}"


_FIRING_BY_TENANT = (
    select(_alerts.tenant, _alerts.severity, func.count().label("number"))
    .where(tables.is_live, _alerts.state == str(AlertState.FIRING))
    .group_by(_alerts.tenant, _alerts.severity)
)
_BY_RULE = (
    select(_alerts.rule, _alerts.state, func.count().label("number"))
    .where(tables.is_live)
    .group_by(_alerts.rule, _alerts.state)
)
_NOISE = (
    select(tables.transitions.c.rule, func.count().label("number"))
    .where(tables.transitions.c.to_state == str(AlertState.FIRING))
    .group_by(tables.transitions.c.rule)
)
_DELIVERIES = (
    select(tables.deliveries, tables.messages.c.receiver, tables.messages.c.title)
    .join_from(tables.deliveries, tables.messages)
    .order_by(tables.deliveries.c.id.desc())
)
_DELIVERY_STATES = {
    "waiting": tables.is_waiting,
    "failed": tables.deliveries.c.dead_at.is_not(None),
    "sent": tables.deliveries.c.sent_at.is_not(None),
}
DELIVERY_STATES = tuple(_DELIVERY_STATES)
_LARGEST = (
    select(tables.tenants.c.name, tables.series.c.reason, tables.series.c.value)
    .join_from(tables.series, tables.tenants)
    .where(tables.series.c.value > 0, tables.is_held(tables.series))
    .order_by(tables.series.c.value.desc(), tables.series.c.id)
)
_REASON = select(tables.series.c.reason).join_from(tables.series, tables.tenants).where(tables.is_held(tables.series))
_FAILED_POLLS = (
    select(tables.poll_failures)
    .join_from(tables.poll_failures, tables.tenants)
    .where(tables.is_held(tables.poll_failures))
    .order_by(tables.poll_failures.c.last_failed_at.desc(), tables.poll_failures.c.id.desc())
)
