"""Rows that several screens show: alerts, hold reasons and tenants."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from alerter.core.actions import Action, ActionKind
from alerter.core.alerts import Alert, AlertState
from alerter.core.charts.figure import Limit, fixed_limits, nearest_limit
from alerter.core.charts.svg import spark_svg
from alerter.core.conditions import InputKind
from alerter.core.mutes import Mute
from alerter.core.rules import Per, Rule, Severity
from alerter.core.series import HoldReason, Tenant
from alerter.queries.actions import action_verb, origin_text
from alerter.queries.alerts import alert_since
from alerter.queries.mutes import ActiveMutes, load_active_mutes
from alerter.queries.sparklines import TenantPeaks, ending_with
from alerter.queries.tenants import PollingState, TenantStatus
from alerter.storage import SeriesState
from alerter.web.context import View
from alerter.web.render import trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert with what mutes it."""

    alert: Alert
    since: datetime | None
    no_data_since: datetime | None
    mute: Mute | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """A hold reason of a tenant."""

    reason: HoldReason
    held: int
    spark: Markup
    severity: Severity | None
    pending: bool
    limit: Limit | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A tenant."""

    name: Tenant
    labels: Mapping[str, str]
    is_polled: bool
    is_muted: bool
    polling: str
    advice: str
    worst: Severity | None
    firing: int
    held: int | None
    spark: Markup
    last_success_at: datetime | None
    interval: timedelta
    latency: timedelta | None
    instance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """What somebody did."""

    at: datetime
    author: str
    verb: str
    object: str
    href: str
    origin: str
    comment: str


_ABOUT_ALERTS = (ActionKind.ACKNOWLEDGE, ActionKind.TAKE_BACK)


def action_rows(actions: Sequence[Action]) -> list[ActionRow]:
    """Return the rows of actions, in their order."""
    return [
        ActionRow(
            at=each.at,
            author=each.actor.name,
            verb=action_verb(each),
            object=each.object,
            href=f"alerts/{each.object}" if each.kind in _ABOUT_ALERTS else "",
            origin=origin_text(each),
            comment=each.comment,
        )
        for each in actions
    ]


def active_mutes(view: View, alerts: Collection[Alert]) -> ActiveMutes:
    """Return what mutes some alerts now, reading no more than they need."""
    polling_rules = {rule.name for rule in view.config.rules if rule.input_kind is InputKind.POLLING}
    related = [*view.reader.lists.alerts_of_subjects(alerts), *view.reader.lists.firing_alerts_of_rules(polling_rules)]
    return load_active_mutes(view.reader, view.config, related, now=view.now)


def alert_rows(view: View, alerts: Sequence[Alert]) -> list[AlertRow]:
    """Return the rows of alerts, in their order."""
    mutes = active_mutes(view, alerts)
    return [
        AlertRow(
            alert=alert,
            since=alert_since(alert),
            no_data_since=mutes.no_data_since(alert),
            mute=mutes.mute_for(alert),
        )
        for alert in alerts
    ]


def reason_rows(view: View, tenant: Tenant, states: Sequence[SeriesState], alerts: Sequence[Alert]) -> list[ReasonRow]:
    """Return the rows of a tenant's hold reasons: what fires first, then what most is held for."""
    peaks = view.peaks([tenant]).get(tenant)
    live = {each.key.reason: [] for each in alerts}  # type: dict[HoldReason, list[Alert]]
    for each in alerts:
        live[each.key.reason].append(each)
    rows = [
        ReasonRow(
            reason=state.reason,
            held=state.held,
            spark=_spark(peaks, state),
            severity=_worst(live.get(state.reason, ())),
            pending=any(each.state is AlertState.PENDING for each in live.get(state.reason, ())),
            limit=nearest_limit(fixed_limits(rules_of_reason(view.config.rules, tenant, state.reason)), state.held),
            changed_at=state.changed_at,
        )
        for state in states
    ]
    return sorted(rows, key=lambda row: (-(row.severity.rank + 1 if row.severity else 0), -row.held, row.reason))


def rules_of_reason(rules: Sequence[Rule], tenant: Tenant, reason: HoldReason) -> list[Rule]:
    """Return the rules that look at a hold reason on its own."""
    return [
        rule
        for rule in rules
        if rule.scope is Per.REASON and rule.tenants.matches(tenant) and rule.reasons.matches(reason)
    ]


def _spark(peaks: TenantPeaks | None, state: SeriesState) -> Markup:
    found = None if peaks is None else peaks.by_reason.get(state.reason)
    return Markup() if found is None else trusted(spark_svg(ending_with(found, state.held)))


def _worst(alerts: Collection[Alert]) -> Severity | None:
    firing = (each.key.severity for each in alerts if each.is_firing)
    return max(firing, key=lambda severity: severity.rank, default=None)


def tenant_rows(view: View, tenants: Sequence[TenantStatus]) -> tuple[list[TenantRow], bool]:
    """Return the rows of tenants in their order, and whether each has its small chart."""
    polled = [each.name for each in tenants if each.polling.first_polled_at is not None]
    peaks = view.peaks(polled)
    return [tenant_row(view, each, peaks.get(each.name)) for each in tenants], len(peaks) == len(polled)


def tenant_row(view: View, status: TenantStatus, peaks: TenantPeaks | None = None) -> TenantRow:
    """Return the row of a tenant."""
    failure = status.polling.failure
    return TenantRow(
        name=status.name,
        labels=status.config.labels,
        is_polled=status.polling_state is PollingState.OK,
        is_muted=status.config.muted,
        polling=status.polling_text(now=view.now),
        advice=failure.cause.advice if failure else "",
        worst=view.overview.worst_of(status.name),
        firing=status.firing,
        held=status.held,
        spark=Markup() if peaks is None else trusted(spark_svg(ending_with(peaks.total, status.held))),
        last_success_at=status.polling.last_success_at,
        interval=status.config.poll_interval,
        latency=status.polling.latency,
        instance=status.instance,
    )
