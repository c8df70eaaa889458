"""What state the alerts are in, how they came to it, and what receivers were told of them."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, delete, func, insert, or_, select, union

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition
from alerter.core.notifications import NotificationState
from alerter.core.rules import RuleName, Severity
from alerter.core.series import HoldReason, Tenant
from alerter.storage import tables
from alerter.storage.cache import Noting, Remembering
from alerter.storage.encoding import build_digest, operands_json, operands_of, topic_digest, topic_of


class AlertReader(Remembering):
    """Reads alerts."""

    def alerts(self, tenants: Collection[Tenant] | None = None) -> list[Alert]:
        """Return alerts that are or were not inactive.

        Args:
            tenants: Without it, all of them. With it, what a decision about these tenants can depend on: the alerts
                of every topic of which one is not inactive, or that some receiver believes to go on.
        """
        if tenants is None:
            return [alert_from_row(row) for row in self._all(_ALERTS)]
        remembered = [alert for tenant in tenants for alert in self._alerts_of(tenant) or ()]
        unknown = [tenant for tenant in tenants if self._alerts_of(tenant) is None]
        read = [alert_from_row(row) for row in self._all(_ALERTS_OF_TENANTS, {"tenants": unknown})] if unknown else []
        for tenant in self._known.keys() & unknown:
            self._known[tenant].alerts = tuple(alert for alert in read if alert.key.tenant == tenant)
        return remembered + read

    def present_alerts(self, alert_ids: Collection[str]) -> list[Alert]:
        """Return the alerts that are not inactive, and those that are named so, whatever they are."""
        named = _alerts.c.id.in_(bindparam("ids", expanding=True))
        return [
            alert_from_row(row) for row in self._all(_ALERTS.where(or_(tables.is_live, named)), {"ids": [*alert_ids]})
        ]

    def alert_by_id(self, alert_id: str) -> list[Alert]:
        """Return the alerts that are named so; nearly always one, but eight digits are no identity. Empty for none."""
        return [alert_from_row(row) for row in self._all(_ALERTS.where(_alerts.c.id == alert_id))]

    def alerts_by_id_prefix(self, prefix: str) -> list[Alert]:
        """Return the alerts whose ids begin so; empty for none."""
        return [
            alert_from_row(row) for row in self._all(_ALERTS.where(_alerts.c.id.startswith(prefix, autoescape=True)))
        ]

    def firing_by_severity(self) -> dict[Severity, int]:
        """Return how many alerts fire, of each severity of which there are some."""
        return {
            severity: count for (state, severity), count in self.live_counts().items() if state is AlertState.FIRING
        }

    def live_counts(self) -> dict[tuple[AlertState, Severity], int]:
        """Return how many alerts are in each state but inactive, by severity; only those of which there are some."""
        return {(AlertState(row.state), Severity(row.severity)): row.number for row in self._all(_LIVE_COUNTS)}

    def notified(self, tenants: Collection[Tenant] | None = None) -> list[NotificationState]:
        """Return what receivers were last told of topics.

        Args:
            tenants: Without it, everything. With it, what a decision about these tenants can depend on: what
                receivers believe to go on.
        """
        if tenants is None:
            return [_told_of(row) for row in self._all(_TOLD)]
        remembered = [entry for tenant in tenants for entry in self._told_of(tenant) or ()]
        unknown = [tenant for tenant in tenants if self._told_of(tenant) is None]
        read = [_told_of(row) for row in self._all(_TOLD_OF_TENANTS, {"tenants": unknown})] if unknown else []
        for tenant in self._known.keys() & unknown:
            self._known[tenant].notified = tuple(entry for entry in read if entry.topic.tenant == tenant)
        return remembered + read

    def tenants_told_of(self) -> list[Tenant]:
        """Return the tenants of which some target believes that something fires."""
        return [row.tenant for row in self._all(_TENANTS_TOLD_OF)]

    def transitions(
        self, *, since: datetime | None = None, alert_id: str | None = None, limit: int = 1000
    ) -> list[Transition]:
        """Return transitions, the one that was added last first.

        Args:
            since: None older than this.
            alert_id: Only those of this alert.
            limit: At most so many.
        """
        wanted = select(_transitions).order_by(_transitions.c.id.desc()).limit(limit)
        if since is not None:
            wanted = wanted.where(_transitions.c.at >= since)
        if alert_id is not None:
            wanted = wanted.where(_transitions.c.alert_id == alert_id)
        return [_transition_of(row) for row in self._all(wanted)]

    def firings(self, keys: Collection[AlertKey], *, since: datetime) -> dict[AlertKey, list[Transition]]:
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

    def _alerts_of(self, tenant: Tenant) -> tuple[Alert, ...] | None:
        """Return what is remembered of a tenant's alerts; None where they must be read."""
        known = self._known.get(tenant)
        return None if known is None else known.alerts

    def _told_of(self, tenant: Tenant) -> tuple[NotificationState, ...] | None:
        """Return what is remembered of what was told of a tenant; None where it must be read."""
        known = self._known.get(tenant)
        return None if known is None else known.notified


class AlertWriter(AlertReader, Noting):
    """Writes alerts."""

    def save_alerts(self, alerts: Iterable[Alert]) -> None:
        """Keep the state of alerts, in place of what was stored under their keys."""
        by_tenant: dict[Tenant, list[Alert]] = {}
        for alert in alerts:
            by_tenant.setdefault(alert.key.tenant, []).append(alert)
        self._put(_alerts, [_alert_row(alert) for saved in by_tenant.values() for alert in saved])
        for tenant, saved in by_tenant.items():
            if tenant in self._known:
                self._known[tenant].note_alerts(saved)
            else:
                self._changed_tenants.add(tenant)

    def add_transitions(self, transitions: Iterable[Transition]) -> None:
        """Append to the history of alerts."""
        self._run(_ADD_TRANSITION, [_transition_row(transition) for transition in transitions])

    def save_told(self, notified: Iterable[NotificationState]) -> None:
        """Keep what receivers were told, in place of what was stored for their topics."""
        saved = list(notified)
        self._put(_told, [_told_row(entry) for entry in saved])
        self._note_told(saved)

    def forget_told(self, notified: Iterable[NotificationState]) -> None:
        """Drop what was stored of what targets were told."""
        dropped = list(notified)
        self._run(
            _FORGET_TOLD,
            [
                {"of_topic": topic_digest(each.topic), "of_receiver": each.receiver, "of_target": each.target}
                for each in dropped
            ],
        )
        self._note_told(replace(each, state=AlertState.INACTIVE) for each in dropped)

    def _note_told(self, notified: Iterable[NotificationState]) -> None:
        """Let what is remembered of each tenant, or else everybody who remembers it, know what has changed."""
        by_tenant: dict[Tenant, list[NotificationState]] = {}
        for entry in notified:
            by_tenant.setdefault(entry.topic.tenant, []).append(entry)
        for tenant, noted in by_tenant.items():
            if tenant in self._known:
                self._known[tenant].note_told(noted)
            else:
                self._changed_tenants.add(tenant)


def _alert_row(alert: Alert) -> dict[str, Any]:
    return _identity(alert.key) | {
        "state": str(alert.state),
        "value": alert.value,
        "peak": alert.peak,
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "keep_firing_since": alert.keep_firing_since,
        "resolved_at": alert.resolved_at,
        "resolved_because": alert.resolution,
        "evidence": operands_json(alert.evidence),
        "fired_under": alert.fired_under,
    }


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
        resolution=row.resolved_because,
        evidence=operands_of(row.evidence),
        fired_under=row.fired_under,
    )


def _transition_row(transition: Transition) -> dict[str, Any]:
    return _key_columns(transition.key) | {
        "alert_id": transition.key.id,
        "at": transition.at,
        "from_state": str(transition.before),
        "to_state": str(transition.after),
        "evidence": operands_json(transition.evidence),
        "detail": transition.note,
    }


def _transition_of(row: Row[Any]) -> Transition:
    return Transition(
        key=_key(row.rule, row.severity, row.tenant, row.reason),
        at=row.at,
        before=AlertState(row.from_state),
        after=AlertState(row.to_state),
        evidence=operands_of(row.evidence),
        note=row.detail,
    )


def _told_row(notified: NotificationState) -> dict[str, Any]:
    return {
        "subject": topic_digest(notified.topic),
        "receiver": notified.receiver,
        "target": notified.target,
        "rule": notified.topic.rule,
        "tenant": notified.topic.tenant,
        "reason": notified.topic.reason,
        "severity": str(notified.severity),
        "state": str(notified.state),
        "notified_at": notified.at,
        "repeat_count": notified.repeats,
        "thread": notified.thread,
    }


def _told_of(row: Row[Any]) -> NotificationState:
    return NotificationState(
        topic=topic_of(row.rule, row.tenant, row.reason),
        receiver=row.receiver,
        target=row.target,
        severity=Severity(row.severity),
        state=AlertState(row.state),
        at=row.notified_at,
        repeats=row.repeat_count,
        thread=row.thread,
    )


# An alert that lives is written in every cycle, and three digests of its names take as long as the rest of its row.
@lru_cache(maxsize=4096)
def _identity(key: AlertKey) -> dict[str, Any]:
    """Return the columns that stand for what an alert is about, which are the caller's to read alone."""
    return _key_columns(key) | {
        "digest": build_digest(key.rule, key.severity, key.tenant, key.reason),
        "id": key.id,
        "subject": topic_digest(key.topic),
    }


def _key_columns(key: AlertKey) -> dict[str, Any]:
    return {"rule": key.rule, "severity": str(key.severity), "tenant": key.tenant, "reason": key.reason}


# The names of hundreds of alerts are read in every cycle, and are nearly always those of the cycle before.
@lru_cache(maxsize=16384)
def _key(rule: RuleName, severity: str, tenant: Tenant, reason: HoldReason) -> AlertKey:
    return AlertKey(rule=rule, severity=Severity(severity), tenant=tenant, reason=reason)


_alerts, _told, _transitions = tables.alerts, tables.notification_states, tables.transitions

_ALERTS = select(_alerts).order_by(_alerts.c.digest)
_tenants: BindParameter[Any] = bindparam("tenants", expanding=True)
_ALERTS_OF_TENANTS = _ALERTS.where(
    _alerts.c.subject.in_(
        union(
            select(_alerts.c.subject).where(_alerts.c.tenant.in_(_tenants), tables.is_live).correlate(None),
            select(_told.c.subject).where(_told.c.tenant.in_(_tenants), tables.is_notified_of_firing),
        )
    )
)
_LIVE_COUNTS = (
    select(_alerts.c.state, _alerts.c.severity, func.count().label("number"))
    .where(tables.is_live)
    .group_by(_alerts.c.state, _alerts.c.severity)
)
_TOLD = select(_told).order_by(_told.c.subject, _told.c.receiver, _told.c.target)
_FORGET_TOLD = delete(_told).where(
    _told.c.subject == bindparam("of_topic"),
    _told.c.receiver == bindparam("of_receiver"),
    _told.c.target == bindparam("of_target"),
)
_TENANTS_TOLD_OF = select(_told.c.tenant).where(tables.is_notified_of_firing).distinct().order_by(_told.c.tenant)
_TOLD_OF_TENANTS = _TOLD.where(_told.c.tenant.in_(_tenants), tables.is_notified_of_firing)
_ADD_TRANSITION = insert(_transitions)
_FIRINGS = (
    select(_transitions)
    .where(
        _transitions.c.alert_id.in_(bindparam("ids", expanding=True)),
        _transitions.c.at >= bindparam("start"),
        or_(*(column == str(AlertState.FIRING) for column in (_transitions.c.from_state, _transitions.c.to_state))),
    )
    .order_by(_transitions.c.id)
)
