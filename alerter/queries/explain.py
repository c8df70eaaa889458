"""Explain: the history read back to an instant: what was found then, what it led to, and who was notified."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import AlertingConfig
from alerter.core.alerts import Alert, AlertKey, firing_spans, no_data_since
from alerter.core.conditions import InputKind
from alerter.core.explain import (
    LevelExplanation,
    NotificationDecision,
    alert_at,
    covers_reason,
    decision,
    evaluate_conditions,
    evaluated_at,
    rule_mismatch_text,
)
from alerter.core.mutes import MuteSet, muted_by
from alerter.core.notifications import HourlyLimit
from alerter.core.renames import Rename
from alerter.core.rules import Level, Per, Rule, RuleName, Severity, TenantSeries, select_series
from alerter.core.series import HoldReason, Series, Span, Tenant
from alerter.core.silences import MAX_SILENCE, current_acknowledgements
from alerter.queries.learning import Learning, learning_since
from alerter.queries.renames import load_rename
from alerter.storage import Reader

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExplanation:
    """What one rule made of a series, or of a sum with it in.

    Attributes:
        rule: The rule.
        series: What it looked at.
        at: When: at the poll before the instant that was asked about, or at that instant where there was none.
        levels: What each of its levels found.
        decisions_made: Which receivers were to hear of it; empty where nothing fired.
        learning: Until when it needs more history before it can fire; None where it has enough.
    """

    rule: Rule
    series: Series
    at: datetime
    levels: tuple[LevelExplanation, ...]
    decisions_made: tuple[NotificationDecision, ...]
    learning: Learning | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What there is to say of a series at an instant.

    Attributes:
        tenant: Whose mail is held.
        reason: Why.
        at: The instant that was asked about.
        series: The series itself; None for a sum.
        polling: The tenant's polling; None for a sum over all tenants.
        rules: Of each rule that looks at it.
        rename: What the reason was called before, or is called since; None if it was not renamed.
        skipped_rules: The rules that do not, each with the reason.
    """

    tenant: Tenant
    reason: HoldReason
    at: datetime
    series: Series | None
    polling: Series | None
    rules: tuple[RuleExplanation, ...]
    skipped_rules: tuple[tuple[RuleName, str], ...]
    rename: Rename | None = None


def explain(
    reader: Reader,
    alerting: AlertingConfig,
    tenant: Tenant,
    reason: HoldReason,
    *,
    rule: RuleName | None,
    at: datetime,
    now: datetime,
) -> Explanation:
    """Return what every rule makes of a series at an instant, and why.

    Args:
        reader: The history.
        alerting: The rules of now, and who is notified: what was configured then is not stored.
        tenant: Whose mail is held.
        reason: Why it is held.
        rule: The only rule to look at; None for all.
        at: The instant, at or before now.
        now: The present: more is known of it than history has.
    """
    past = _StateAt(reader, alerting, at=at, now=now)
    asked = [each for each in alerting.rules if rule is None or each.name == rule]
    whys = [(each, rule_mismatch_text(each, tenant, reason)) for each in asked]
    looking = [each for each, why in whys if not why]
    own = past.series_for(tenant) if tenant in alerting.poll_intervals else None
    names = {each.name for each in looking}
    stories = [story for each in looking for story in past.stories(each, tenant, reason)]
    return Explanation(
        tenant=tenant,
        reason=reason,
        at=at,
        series=next((each for each in own.reasons if each.reason == reason), None) if own else None,
        polling=own.polling if own else None,
        rules=tuple(stories),
        skipped_rules=tuple((each.name, why) for each, why in whys if why and each.name not in names),
        rename=load_rename(reader, tenant, reason, poll_interval=alerting.poll_intervals[tenant], now=at)
        if own
        else None,
    )


class _StateAt:
    """Everything as it was at an instant."""

    def __init__(self, reader: Reader, alerting: AlertingConfig, *, at: datetime, now: datetime) -> None:
        self._reader = reader
        self._policy = alerting
        self._at = at
        self._is_present = at >= now
        self._series: dict[Tenant, TenantSeries] = {}
        self._window = max((rule.lookback for rule in alerting.rules), default=timedelta(0))

    def series_for(self, tenant: Tenant) -> TenantSeries:
        """Return every series of a tenant, with the failure that it was in."""
        if tenant not in self._series:
            read = self._read(tenant, self._window)
            last = read.polling.last_success_at(now=self._at)
            if last is not None and self._at - last > read.polling.tolerance:
                # What was evaluated last was evaluated at that poll, and looked back from there.
                read = self._read(tenant, self._window + (self._at - last))
            failure = read.polling.poll_failure if self._is_present else self._reader.polls.failure_at(tenant, self._at)
            self._series[tenant] = TenantSeries(
                polling=replace(read.polling, poll_failure=failure),
                reasons=[replace(each, poll_failure=failure) for each in read.reasons],
            )
        return self._series[tenant]

    def _read(self, tenant: Tenant, window: timedelta) -> TenantSeries:
        interval, timezone = self._policy.poll_intervals[tenant], self._policy.timezone_for(tenant)
        return self._reader.history.series_for(
            tenant, window=window, poll_interval=interval, timezone=timezone, now=self._at
        )

    def stories(self, rule: Rule, tenant: Tenant, reason: HoldReason) -> list[RuleExplanation]:
        """Return what a rule made of the series, or of the sum that it is in."""
        intervals = self._policy.poll_intervals
        names = [name for name in (intervals if rule.scope is Per.ALL else [tenant]) if name in intervals]
        read = {name: self.series_for(name) for name in names}
        first_polls = {name: each.polling.first_polled_at for name, each in read.items()}
        learning = learning_since(rule, first_polls, now=self._at)
        seen = select_series(rule, list(read.values()))
        return [self._story(rule, series, learning) for series in seen if covers_reason(rule, series, tenant, reason)]

    def _story(self, rule: Rule, series: Series, learning: Learning | None) -> RuleExplanation:
        evaluated = evaluated_at(series, now=self._at)
        alerts = {severity: self._alert(_key(rule, severity, series)) for severity in rule.levels}
        mutes = self._mutes(series.tenant, list(alerts.values()))
        levels = tuple(
            self._level(alerts[severity], level, series, mutes=mutes, evaluated=evaluated)
            for severity, level in rule.worst_first
        )
        return RuleExplanation(
            rule=rule,
            series=series,
            at=evaluated,
            levels=levels,
            decisions_made=self._hearings(alerts.values(), mutes),
            learning=learning,
        )

    def _level(
        self, alert: Alert, level: Level, series: Series, *, mutes: MuteSet, evaluated: datetime
    ) -> LevelExplanation:
        fired = self._fired(alert, level) if level.needs_firing_history else ()
        # Under which limit it fired then is not kept.
        firing = alert.is_held_by(level) if self._is_present else alert.is_firing
        return LevelExplanation(
            severity=alert.key.severity,
            level=level,
            alert=alert,
            findings=evaluate_conditions(level, series, firing=firing, fired=fired, now=evaluated),
            mute=muted_by(alert, mutes, now=self._at) if alert.is_firing else None,
            no_data_since=self._no_data_since(alert, series),
        )

    def _no_data_since(self, alert: Alert, series: Series) -> datetime | None:
        """Return since when a firing alert had no data; of the past it is known when the last successful poll was."""
        if self._is_present or not alert.is_firing or alert.is_no_data:
            return no_data_since(alert, self._policy.poll_intervals, now=self._at)
        last = series.last_success_at(now=self._at)
        return last if last is not None and self._at - last > series.tolerance else None

    def _alert(self, key: AlertKey) -> Alert:
        if self._is_present:
            return next((each for each in self._reader.alerts.by_id(key.id) if each.key == key), Alert(key=key))
        return alert_at(key, reversed(self._reader.alerts.transitions(alert_id=key.id)), now=self._at)

    def _fired(self, alert: Alert, level: Level) -> Sequence[Span]:
        since = self._at - level.lookback
        firings = self._reader.alerts.firing_transitions([alert.key], since=since).get(alert.key, ())
        return firing_spans(alert, (each for each in firings if each.at <= self._at), since=since, now=self._at)

    def _mutes(self, tenant: Tenant, alerts: Sequence[Alert]) -> MuteSet:
        by_subject = {alert.key.subject: alerts for alert in alerts}
        acknowledged = current_acknowledgements(self._reader.silences.acknowledgements(), by_subject, now=self._at)
        return MuteSet(
            silences=[
                each
                for each in self._reader.silences.silences(since=self._at - MAX_SILENCE)
                if each.starts_at <= self._at
            ],
            acknowledgements=acknowledged,
            windows_by_rule=self._policy.windows_by_rule,
            no_data_tenants=frozenset({tenant}) if self._has_no_data(tenant) else frozenset(),
            muted_tenants=self._policy.muted_tenants,
            timezones=self._policy.timezones,
            labels_by_tenant=self._policy.context.labels_by_tenant,
        )

    def _has_no_data(self, tenant: Tenant) -> bool:
        """Say whether an alert said that the tenant could not be polled."""
        watching = (
            rule for rule in self._policy.rules if rule.input_kind is InputKind.POLLING and rule.tenants.matches(tenant)
        )
        if tenant not in self._policy.poll_intervals:
            return False
        polling = self.series_for(tenant).polling
        keys = (_key(rule, severity, polling) for rule in watching for severity in rule.levels)
        return any(self._alert(key).is_firing for key in keys)

    def _hearings(self, alerts: Iterable[Alert], mutes: MuteSet) -> tuple[NotificationDecision, ...]:
        of_subject = list(alerts)
        if not any(alert.is_firing for alert in of_subject):
            return ()
        hourly_limits = self._reader.notifications.hourly_limits(since=self._at - HOUR, until=self._at)
        groups = self._reader.notifications.open_groups() if self._is_present else {}
        return tuple(
            decision(
                receiver,
                of_subject,
                self._policy.routes,
                mutes=mutes,
                budget=hourly_limits.get(receiver.name, HourlyLimit()),
                collected_until=groups.get(receiver.name),
                now=self._at,
            )
            for receiver in self._policy.receivers
        )


def _key(rule: Rule, severity: Severity, series: Series) -> AlertKey:
    return AlertKey(rule=rule.name, severity=severity, tenant=series.tenant, reason=series.reason)
