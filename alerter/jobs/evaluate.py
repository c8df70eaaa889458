"""Evaluate: store a poll, step the alerts that it may change, and resolve those whose rule has gone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import MAX_CACHED_LOOKBACK, AlertingConfig
from alerter.core.alerts import Alert, AlertKey, firing_spans, resolve_removed
from alerter.core.evaluation import (
    SUM_INDEX,
    DueRule,
    EvaluationOutcome,
    SkipCache,
    evaluate_due,
    evaluate_failed_poll,
    plan_evaluation,
    series_for,
)
from alerter.core.notifications import NotificationState
from alerter.core.rules import Lookbacks, Per, Rule, TenantSeries, with_others
from alerter.core.series import ALL_TENANTS, TOLERANCE_INTERVALS, Series, Snapshot, Span, Tenant
from alerter.errors import SourceError
from alerter.jobs.notify import AlertChanges
from alerter.storage import Transaction

DueSeries = list[tuple[DueRule, Mapping[int, Series]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPoll:
    """The outcome of a poll: the alerts and notification states as they were before, and what has changed."""

    alerts: list[Alert]
    notified: list[NotificationState]
    changes: AlertChanges


def store_and_evaluate(
    transaction: Transaction,
    tenant: Tenant,
    fetched: Snapshot | SourceError,
    alerting: AlertingConfig,
    *,
    may_evaluate_global_rules: bool = True,
    now: datetime,
) -> EvaluatedPoll:
    """Keep what a poll came to, and return what it changes.

    Args:
        transaction: Where it is kept.
        tenant: Who was polled.
        fetched: What came of it.
        alerting: The rules that evaluate it.
        may_evaluate_global_rules: Whether this process has a say in what concerns all tenants together.
        now: The instant of the poll.
    """
    rules = alerting.rules_for(tenant)
    windows = alerting.lookbacks_for(rules, alerting.poll_intervals[tenant])
    rules = [
        each
        for each in alerting.rules_evaluated_with(tenant, rules)
        if may_evaluate_global_rules or each.scope is not Per.ALL
    ]
    poll = _Poll(transaction, tenant, rules, windows, alerting, now)
    return poll.store_failure(fetched) if isinstance(fetched, SourceError) else poll.store_snapshot(fetched)


@dataclass(frozen=True, slots=True)
class _Poll:
    """One poll: the rules that evaluate it, and where it is stored."""

    transaction: Transaction
    tenant: Tenant
    rules: Sequence[Rule]
    windows: Lookbacks
    alerting: AlertingConfig
    now: datetime

    def store_snapshot(self, snapshot: Snapshot) -> EvaluatedPoll:
        """Evaluate what a snapshot may change."""
        interval, timezone = self._interval(self.tenant), self.alerting.timezone_for(self.tenant)
        changed = self.transaction.history.add(snapshot, poll_interval=interval, windows=self.windows)
        kept = None if changed is None else self.transaction.cache.skip(self.tenant)
        cache = kept if kept is not None and kept.is_valid_for(self.rules, interval, timezone) else None
        alerts, notified = self._known(self._scope)
        if cache is None:
            # The configuration may have been read again, so that the rule of a sum over all may have gone.
            orphans, notified_of_them = self._alerts_without_rule()
            alerts, notified = [*alerts, *orphans], [*notified, *notified_of_them]
        own = self._series(self.tenant, self.windows.longest)
        evaluation = plan_evaluation(
            self.rules, own.names, snapshot.counts, cache=cache, changed=changed or {}, now=self.now
        )
        due: DueSeries = [(each, self._series_for(each, own)) for each in evaluation.due_rules]
        alert_by_key = {alert.key: alert for alert in alerts}
        outcome, skip = evaluate_due(due, alert_by_key, self._fired(due, alert_by_key), evaluation.skip, now=self.now)
        outcome.alerts[:] = [self._with_held(alert, snapshot) for alert in outcome.alerts]
        self.transaction.cache.set_skip(
            self.tenant,
            SkipCache(
                rules=tuple(self.rules), poll_interval=interval, timezone=timezone, polled_at=self.now, tables=skip
            ),
        )
        # Every alert that lives was evaluated, except those without a rule.
        gone = [
            alert
            for alert in alerts
            if alert.key not in outcome.evaluated
            and (alert.key.tenant == self.tenant or not self.alerting.rule_exists_for(alert.key))
        ]
        return EvaluatedPoll(
            alerts=alerts, notified=notified, changes=_with_removed(outcome, gone, self.alerting, now=self.now)
        )

    def _with_held(self, alert: Alert, snapshot: Snapshot) -> Alert:
        """Return an alert about polling that is over with what is held, as its end says."""
        is_over = alert.is_no_data and alert.resolved_at == self.now
        return replace(alert, value=sum(snapshot.counts.values())) if is_over else alert

    def store_failure(self, error: SourceError) -> EvaluatedPoll:
        """Evaluate what a failed poll may change."""
        interval = self._interval(self.tenant)
        self.transaction.polls.add_failure(
            self.tenant, error, poll_interval=interval, windows=self.windows, at=self.now
        )
        alerts, notified = self._known(self._scope)
        own = self._series(self.tenant, self.windows.longest)
        outcome = evaluate_failed_poll(self.rules, own, {alert.key: alert for alert in alerts}, now=self.now)
        gone = [alert for alert in alerts if not self.alerting.rule_exists_for(alert.key)]
        return EvaluatedPoll(
            alerts=alerts, notified=notified, changes=_with_removed(outcome, gone, self.alerting, now=self.now)
        )

    @property
    def _scope(self) -> list[Tenant]:
        """The tenants whose alerts may change or are due again; all together where this poll evaluates their sum."""
        evaluates_global_rules = any(rule.scope is Per.ALL for rule in self.rules)
        return [self.tenant, ALL_TENANTS] if evaluates_global_rules else [self.tenant]

    def _known(self, scope: Sequence[Tenant]) -> tuple[list[Alert], list[NotificationState]]:
        return self.transaction.alerts.load(scope), self.transaction.notifications.states(scope)

    def _alerts_without_rule(self) -> tuple[list[Alert], list[NotificationState]]:
        """Return the alerts of all tenants together whose rule has gone, with their notification states."""
        if ALL_TENANTS in self._scope:
            return [], []
        alerts, notified = self._known([ALL_TENANTS])
        orphans = [alert for alert in alerts if not self.alerting.rule_exists_for(alert.key)]
        subjects = {alert.key.subject for alert in orphans}
        return orphans, [each for each in notified if each.subject in subjects]

    def _interval(self, tenant: Tenant) -> timedelta:
        return self.alerting.poll_intervals[tenant]

    def _series(self, tenant: Tenant, window: timedelta, places: Sequence[int] | None = None) -> TenantSeries:
        return self.transaction.history.series_for(
            tenant,
            window=window,
            poll_interval=self._interval(tenant),
            timezone=self.alerting.timezone_for(tenant),
            places=places,
            now=self.now,
        )

    def _series_for(self, due: DueRule, own: TenantSeries) -> Mapping[int, Series]:
        """Return the series that a rule must evaluate; those that are remembered where it looks back no further."""
        rule = due.rule
        if rule.scope is Per.ALL:
            return (
                {SUM_INDEX: self._total(rule)}
                if rule.lookback <= MAX_CACHED_LOOKBACK
                else series_for(due, self._everybody(rule))
            )
        looked_at = own
        if rule.lookback > MAX_CACHED_LOOKBACK:
            indexes = due.series_indexes if rule.scope is Per.REASON else None
            looked_at = self._series(self.tenant, rule.lookback, indexes)
        return {index: with_others(rule, each, own) for index, each in series_for(due, [looked_at]).items()}

    def _total(self, rule: Rule) -> Series:
        members = self.alerting.sum_members(rule)
        return self.transaction.history.sum_over_tenants(members, rule.reasons, window=rule.lookback, now=self.now)

    def _everybody(self, rule: Rule) -> list[TenantSeries]:
        # A sum is as patient as the slowest tenant in it: so far back each of them must be known.
        everyone = self.alerting.poll_intervals
        window = rule.lookback + TOLERANCE_INTERVALS * max(everyone.values())
        return [self._series(name, window) for name in everyone if rule.tenants.matches(name)]

    def _fired(self, due: DueSeries, alerts: Mapping[AlertKey, Alert]) -> Mapping[AlertKey, Sequence[Span]]:
        """Return when the alerts have fired of which a condition wants to know it; of nearly all rules, none does."""
        windows = {
            AlertKey(
                rule=each_rule.rule.name, severity=severity, tenant=each.tenant, reason=each.reason
            ): level.lookback
            for each_rule, series in due
            for severity, level in each_rule.rule.levels.items()
            if level.needs_firing_history
            for each in series.values()
        }
        if not windows:
            return {}
        firings = self.transaction.alerts.firing_transitions(windows, since=self.now - max(windows.values()))
        return {
            key: firing_spans(
                alerts.get(key) or Alert(key=key), firings.get(key, ()), since=self.now - window, now=self.now
            )
            for key, window in windows.items()
        }


def _with_removed(
    outcome: EvaluationOutcome, gone: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> AlertChanges:
    changes = AlertChanges(outcome.alerts, outcome.transitions)
    for alert in gone:
        after, transition = resolve_removed(alert, why=alerting.removal_text(alert.key), now=now)
        if transition is not None:
            changes.alerts.append(after)
            changes.transitions.append(transition)
    return changes
