"""Judge: keep a poll, step the alerts that it may change, and resolve those that no rule stands behind any more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerter.core.alerting_config import MAX_CACHED_LOOKBACK, AlertingConfig
from alerter.core.alerts import Alert, AlertKey, AlertState, firing_spans, remove
from alerter.core.evaluation import THE_SUM, Case, Idle, Judgement, chosen, docket, judge, judge_failure
from alerter.core.notifications import NotificationState
from alerter.core.rules import Lookbacks, Per, Rule, TenantSeries
from alerter.core.series import ALL_TENANTS, TOLERANCE_INTERVALS, Series, Snapshot, Span, Tenant
from alerter.errors import SourceError
from alerter.jobs.notify import AlertChanges
from alerter.jobs.ports import Transaction

Heard = list[tuple[Case, Mapping[int, Series]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPoll:
    """What a poll came to: the alerts and what was told of them, as they were before, and what has changed."""

    alerts: list[Alert]
    notified: list[NotificationState]
    changes: AlertChanges


def store_and_evaluate(
    transaction: Transaction,
    tenant: Tenant,
    fetched: Snapshot | SourceError,
    alerting: AlertingConfig,
    *,
    may_judge_all: bool = True,
    now: datetime,
) -> EvaluatedPoll:
    """Keep what a poll came to, and return what it changes.

    Args:
        transaction: Where it is kept.
        tenant: Who was polled.
        fetched: What came of it.
        alerting: What judges it.
        may_judge_all: Whether this process has a say in what concerns all tenants together.
        now: The instant of the poll.
    """
    rules = alerting.rules_for(tenant)
    windows = alerting.lookbacks_for(rules, alerting.poll_intervals[tenant])
    judging = [
        each for each in alerting.rules_evaluated_with(tenant, rules) if may_judge_all or each.scope is not Per.ALL
    ]
    poll = _Poll(transaction, tenant, judging, windows, alerting, now)
    return poll.failed(fetched) if isinstance(fetched, SourceError) else poll.succeeded(fetched)


@dataclass(frozen=True, slots=True)
class _Poll:
    """One poll: what judges it, and where it is kept."""

    transaction: Transaction
    tenant: Tenant
    rules: Sequence[Rule]
    windows: Lookbacks
    alerting: AlertingConfig
    now: datetime

    def succeeded(self, snapshot: Snapshot) -> EvaluatedPoll:
        """Judge what must be judged of a snapshot."""
        interval, timezone = self._interval(self.tenant), self.alerting.timezone_for(self.tenant)
        changed = self.transaction.add_snapshot(snapshot, poll_interval=interval, windows=self.windows)
        kept = None if changed is None else self.transaction.idle(self.tenant)
        idle = kept if kept is not None and kept.is_of(self.rules, interval, timezone) else None
        alerts, notified = self._known(self._scope)
        if idle is None:
            # The configuration may have been read again, so that no rule stands any more behind what is told of all.
            orphans, told_of_them = self._orphans()
            alerts, notified = [*alerts, *orphans], [*notified, *told_of_them]
        own = self._series(self.tenant, self.windows.longest)
        alive = [alert.key for alert in alerts if alert.state is not AlertState.INACTIVE]
        agenda = docket(self.rules, own.names, snapshot.counts, alive, idle=idle, changed=changed or {}, now=self.now)
        heard: Heard = [(case, self._chosen(case, own)) for case in agenda.cases]
        alert_by_key = {alert.key: alert for alert in alerts}
        fired = self._fired(heard, alert_by_key)
        judgement, rests = judge(heard, alert_by_key, fired, agenda.rests, now=self.now)
        judgement.alerts[:] = [self._with_held(alert, snapshot) for alert in judgement.alerts]
        self.transaction.keep_idle(
            self.tenant, Idle(rules=tuple(self.rules), poll_interval=interval, timezone=timezone, rests=rests)
        )
        # Every alert that lives was judged, but for those without a rule.
        gone = [
            alert
            for alert in alerts
            if alert.key not in judgement.judged
            and (alert.key.tenant == self.tenant or not self.alerting.rule_exists_for(alert.key))
        ]
        return EvaluatedPoll(
            alerts=alerts, notified=notified, changes=_with_removed(judgement, gone, self.alerting, now=self.now)
        )

    def _with_held(self, alert: Alert, snapshot: Snapshot) -> Alert:
        """Return an alert about polling that is over with what is held, as its end says."""
        is_over = alert.is_no_data and alert.resolved_at == self.now
        return replace(alert, value=sum(snapshot.counts.values())) if is_over else alert

    def failed(self, error: SourceError) -> EvaluatedPoll:
        """Judge what must be judged of a failed poll."""
        interval = self._interval(self.tenant)
        self.transaction.add_failure(self.tenant, error, poll_interval=interval, windows=self.windows, at=self.now)
        alerts, notified = self._known(self._scope)
        own = self._series(self.tenant, self.windows.longest)
        judgement = judge_failure(self.rules, own, {alert.key: alert for alert in alerts}, now=self.now)
        gone = [alert for alert in alerts if not self.alerting.rule_exists_for(alert.key)]
        return EvaluatedPoll(
            alerts=alerts, notified=notified, changes=_with_removed(judgement, gone, self.alerting, now=self.now)
        )

    @property
    def _scope(self) -> list[Tenant]:
        """Of whom the alerts may change, or are due to be told again; of all together where this poll judges them."""
        judges_all = any(rule.scope is Per.ALL for rule in self.rules)
        return [self.tenant, ALL_TENANTS] if judges_all else [self.tenant]

    def _known(self, scope: Sequence[Tenant]) -> tuple[list[Alert], list[NotificationState]]:
        return self.transaction.alerts(scope), self.transaction.notified(scope)

    def _orphans(self) -> tuple[list[Alert], list[NotificationState]]:
        """Return the alerts of all tenants together behind which no rule stands, and what was told of them."""
        if ALL_TENANTS in self._scope:
            return [], []
        alerts, notified = self._known([ALL_TENANTS])
        orphans = [alert for alert in alerts if not self.alerting.rule_exists_for(alert.key)]
        topics = {alert.key.topic for alert in orphans}
        return orphans, [each for each in notified if each.topic in topics]

    def _interval(self, tenant: Tenant) -> timedelta:
        return self.alerting.poll_intervals[tenant]

    def _series(self, tenant: Tenant, window: timedelta, places: Sequence[int] | None = None) -> TenantSeries:
        return self.transaction.tenant_series(
            tenant,
            window=window,
            poll_interval=self._interval(tenant),
            timezone=self.alerting.timezone_for(tenant),
            places=places,
            now=self.now,
        )

    def _chosen(self, case: Case, own: TenantSeries) -> Mapping[int, Series]:
        """Return the series that a rule must judge; those that are remembered where it looks back no further."""
        rule = case.rule
        if rule.scope is Per.ALL:
            return (
                {THE_SUM: self._total(rule)}
                if rule.window <= MAX_CACHED_LOOKBACK
                else chosen(case, self._everybody(rule))
            )
        if rule.window > MAX_CACHED_LOOKBACK:
            own = self._series(self.tenant, rule.window, case.places if rule.scope is Per.REASON else None)
        return chosen(case, [own])

    def _total(self, rule: Rule) -> Series:
        members = self.alerting.sum_members(rule)
        return self.transaction.total(members, rule.reasons, window=rule.window, now=self.now)

    def _everybody(self, rule: Rule) -> list[TenantSeries]:
        # A sum is as patient as the slowest tenant in it: so far back each of them must be known.
        everyone = self.alerting.poll_intervals
        window = rule.window + TOLERANCE_INTERVALS * max(everyone.values())
        return [self._series(name, window) for name in everyone if rule.tenants.matches(name)]

    def _fired(self, heard: Heard, alerts: Mapping[AlertKey, Alert]) -> Mapping[AlertKey, Sequence[Span]]:
        """Return when the alerts have fired of which a condition wants to know it; of nearly all rules, none does."""
        windows = {
            AlertKey(rule=case.rule.name, severity=severity, tenant=each.tenant, reason=each.reason): level.window
            for case, series in heard
            for severity, level in case.rule.levels.items()
            if level.remembers
            for each in series.values()
        }
        if not windows:
            return {}
        firings = self.transaction.firings(windows, since=self.now - max(windows.values()))
        return {
            key: firing_spans(
                alerts.get(key) or Alert(key=key), firings.get(key, ()), since=self.now - window, now=self.now
            )
            for key, window in windows.items()
        }


def _with_removed(
    judgement: Judgement, gone: Iterable[Alert], alerting: AlertingConfig, *, now: datetime
) -> AlertChanges:
    changes = AlertChanges(judgement.alerts, judgement.transitions)
    for alert in gone:
        after, transition = remove(alert, why=alerting.removal_text(alert.key), now=now)
        if transition is not None:
            changes.alerts.append(after)
            changes.transitions.append(transition)
    return changes
