"""Alerts: their states, and how they came to them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, func, insert, or_, select, union

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition
from alerter.core.rules import RuleName, Severity
from alerter.core.series import HoldReason, Tenant
from alerter.storage import tables
from alerter.storage.cache import Cache
from alerter.storage.encoding import alert_row, evidence_from_json, evidence_to_json, key_columns
from alerter.storage.engine import Connecting, Repository
from alerter.storage.tables import Instant


class AlertRepository(Repository):
    """Alerts and their transitions."""

    def __init__(self, connection: Connecting, cache: Cache) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            cache: What the transaction knows of tenants.
        """
        super().__init__(connection)
        self._cache = cache

    def load_all(self) -> list[Alert]:
        """Return all alerts, also those that ended long ago; the others alone are read much faster."""
        return [alert_from_row(row) for row in self._all(_ALERTS)]

    def load(self, tenants: Collection[Tenant] | None = None) -> list[Alert]:
        """Return what decisions and mutes can depend on.

        Args:
            tenants: Whose alerts; without it, those of all tenants.

        Returns:
            The alerts of every topic of which one is not inactive, or that some receiver believes to go on.
        """
        if tenants is None:
            return [alert_from_row(row) for row in self._all(_ALERTS_OF_LIVE_TOPICS)]
        cached, unknown = self._cached(tenants)
        read = [alert_from_row(row) for row in self._all(_ALERTS_OF_TENANTS, {"tenants": unknown})] if unknown else []
        for tenant in self._cache.known.keys() & unknown:
            self._cache.known[tenant].alerts = tuple(alert for alert in read if alert.key.tenant == tenant)
        return cached + read

    def _cached(self, tenants: Collection[Tenant]) -> tuple[list[Alert], list[Tenant]]:
        """Return the alerts that are known, and the tenants whose alerts must be read."""
        known = {tenant: self._cache.known[tenant].alerts for tenant in tenants if tenant in self._cache.known}
        cached = [alert for alerts in known.values() for alert in alerts or ()]
        return cached, [tenant for tenant in tenants if known.get(tenant) is None]

    def load_live(self, alert_ids: Collection[str] = ()) -> list[Alert]:
        """Return the alerts that are not inactive, and those that are named so, whatever they are."""
        # One condition alone: with both, every alert that ever was is read, although each has its index.
        live = [alert_from_row(row) for row in self._all(_LIVE_ALERTS)]
        named = self._all(_ALERTS_BY_IDS, {"ids": [*alert_ids]}) if alert_ids else []
        return live + [alert for alert in map(alert_from_row, named) if alert.state is AlertState.INACTIVE]

    def by_id(self, alert_id: str) -> list[Alert]:
        """Return the alerts that are named so; nearly always one, but eight digits are no identity. Empty for none."""
        return [alert_from_row(row) for row in self._all(_ALERTS.where(_alerts.c.id == alert_id))]

    def by_id_prefix(self, prefix: str) -> list[Alert]:
        """Return the alerts whose ids begin so; empty for none."""
        return [
            alert_from_row(row) for row in self._all(_ALERTS.where(_alerts.c.id.startswith(prefix, autoescape=True)))
        ]

    def firing_by_severity(self) -> dict[Severity, int]:
        """Return how many alerts fire, of each severity of which there are some."""
        return {
            severity: count for (state, severity), count in self.counts_by_state().items() if state is AlertState.FIRING
        }

    def counts_by_state(self) -> dict[tuple[AlertState, Severity], int]:
        """Return the number of pending and firing alerts by severity. Zero counts are left out."""
        return {(AlertState(row.state), Severity(row.severity)): row.number for row in self._all(_LIVE_COUNTS)}

    def transitions(
        self, *, since: datetime | None = None, alert_id: str | None = None, limit: int = 1000
    ) -> list[Transition]:
        """Return transitions, the one that was added last first.

        Args:
            since: None older than this.
            alert_id: Only those of this alert.
            limit: The most to return.
        """
        wanted = select(_transitions).order_by(_transitions.c.id.desc()).limit(limit)
        if since is not None:
            wanted = wanted.where(_transitions.c.at >= since)
        if alert_id is not None:
            wanted = wanted.where(_transitions.c.alert_id == alert_id)
        return [_transition_of(row) for row in self._all(wanted)]

    def firing_transitions(self, keys: Collection[AlertKey], *, since: datetime) -> dict[AlertKey, list[Transition]]:
        """Return the transitions of these alerts into firing and out of it since an instant, oldest first.

        An alert without any is left out.
        """
        firings: dict[AlertKey, list[Transition]] = {}
        for row in self._all(_FIRINGS, {"ids": sorted({key.id for key in keys}), "start": since}):
            transition = _transition_of(row)
            # Eight digits are no identity.
            if transition.key in keys:
                firings.setdefault(transition.key, []).append(transition)
        return firings

    def firing_changes(self, *, since: datetime, until: datetime) -> list[Transition]:
        """Return all transitions into firing and out of it between two instants, oldest first, without evidence."""
        rows = self._all(_FIRING_CHANGES, {"start": since, "end": until})
        return [
            Transition(
                key=_key(row.rule, row.severity, row.tenant, row.reason),
                at=row.at,
                from_state=AlertState(row.from_state),
                to_state=AlertState(row.to_state),
                evidence=(),
                detail=row.detail,
            )
            for row in rows
        ]

    def save(self, alerts: Iterable[Alert]) -> None:
        """Store the state of alerts, in place of what was stored under their keys."""
        by_tenant: dict[Tenant, list[Alert]] = {}
        for alert in alerts:
            by_tenant.setdefault(alert.key.tenant, []).append(alert)
        if not self._cache.delay(by_tenant):
            self._put(_alerts, [alert_row(alert) for saved in by_tenant.values() for alert in saved])
        for tenant, saved in by_tenant.items():
            if tenant in self._cache.known:
                self._cache.known[tenant].update_alerts(saved)
            else:
                self._cache.mark_changed(tenant)

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append to the history of alerts."""
        self._run(_ADD_TRANSITION, [_transition_row(transition) for transition in transitions])


def alert_from_row(row: Row[Any]) -> Alert:
    """Return the alert of a row."""
    return Alert(
        key=_key(row.rule, row.severity, row.tenant, row.reason),
        state=AlertState(row.state),
        value=row.value,
        peak=row.peak,
        active_at=row.active_at,
        fired_at=row.fired_at,
        keep_firing_since=row.keep_firing_since,
        resolved_at=row.resolved_at,
        resolved_because=row.resolved_because,
        evidence=evidence_from_json(row.evidence),
        fired_under=row.fired_under,
    )


def _transition_row(transition: Transition) -> dict[str, Any]:
    return key_columns(transition.key) | {
        "alert_id": transition.key.id,
        "at": transition.at,
        "from_state": str(transition.from_state),
        "to_state": str(transition.to_state),
        "evidence": evidence_to_json(transition.evidence),
        "detail": transition.detail,
    }


def _transition_of(row: Row[Any]) -> Transition:
    return Transition(
        key=_key(row.rule, row.severity, row.tenant, row.reason),
        at=row.at,
        from_state=AlertState(row.from_state),
        to_state=AlertState(row.to_state),
        evidence=evidence_from_json(row.evidence),
        detail=row.detail,
    )


# The names of hundreds of alerts are read in every cycle, and are nearly always those of the cycle before.
@lru_cache(maxsize=16384)
def _key(rule: RuleName, severity: str, tenant: Tenant, reason: HoldReason) -> AlertKey:
    return AlertKey(rule=rule, severity=Severity(severity), tenant=tenant, reason=reason)


_alerts, _states, _transitions = tables.alerts, tables.notification_states, tables.transitions

_ALERTS = select(_alerts).order_by(_alerts.c.digest)
_tenants: BindParameter[Any] = bindparam("tenants", expanding=True)
# In the order of the index: in any other one SQLite reads all that is over as well.
_LIVE_ALERTS = select(_alerts).where(tables.is_live).order_by(_alerts.c.tenant, _alerts.c.subject, _alerts.c.severity)
_ALERTS_BY_IDS = _ALERTS.where(_alerts.c.id.in_(bindparam("ids", expanding=True)))
_LIVE_TOPICS = select(_alerts.c.subject).where(tables.is_live).correlate(None)
_BELIEVED_TOPICS = select(_states.c.subject).where(tables.is_notified_of_firing)
_ALERTS_OF_LIVE_TOPICS = _ALERTS.where(_alerts.c.subject.in_(union(_LIVE_TOPICS, _BELIEVED_TOPICS)))
_ALERTS_OF_TENANTS = _ALERTS.where(
    _alerts.c.subject.in_(
        union(
            _LIVE_TOPICS.where(_alerts.c.tenant.in_(_tenants)), _BELIEVED_TOPICS.where(_states.c.tenant.in_(_tenants))
        )
    )
)
_LIVE_COUNTS = (
    select(_alerts.c.state, _alerts.c.severity, func.count().label("number"))
    .where(tables.is_live)
    .group_by(_alerts.c.state, _alerts.c.severity)
)
_ADD_TRANSITION = insert(_transitions)
_is_about_firing = or_(
    *(column == str(AlertState.FIRING) for column in (_transitions.c.from_state, _transitions.c.to_state))
)
_FIRINGS = (
    select(_transitions)
    .where(
        _transitions.c.alert_id.in_(bindparam("ids", expanding=True)),
        _transitions.c.at >= bindparam("start"),
        _is_about_firing,
    )
    .order_by(_transitions.c.id)
)
_FIRING_CHANGES = (
    select(
        *(_transitions.c[name] for name in ("rule", "severity", "tenant", "reason", "at", "from_state", "to_state")),
        _transitions.c.detail,
    )
    .where(_transitions.c.at.between(bindparam("start", type_=Instant()), bindparam("end", type_=Instant())))
    .where(_is_about_firing)
    .order_by(_transitions.c.at, _transitions.c.id)
)
