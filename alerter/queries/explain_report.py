"""An explanation as people read it, on one screen, and as programs do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from alerter.core.actions import Action
from alerter.core.alerts import AlertState
from alerter.core.conditions import Evidence, InputKind, Verdict, duration_text
from alerter.core.explain import ConditionFinding, LevelExplanation, NotificationDecision, NotNotifiedReason
from alerter.core.rules import RuleName
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Tenant
from alerter.humanize import count_text, local_time_text, short_duration_text
from alerter.queries.actions import action_text, actions_json, load_actions, origin_text
from alerter.queries.alerts import evidence_json, state_text
from alerter.queries.learning import until_text
from alerter.queries.mutes import mute_json, mute_text
from alerter.queries.renames import rename_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.series import Series
    from alerter.queries.explain import Explanation, RuleExplanation
    from alerter.storage import DeliveryRecord, Reader

#: The newest messages about a rule that are shown of each receiver.
MAX_MESSAGES = 3
#: The newest deliveries about each rule that are read.
MAX_DELIVERIES = 50
#: The newest actions about a rule that are shown.
MAX_SHOWN_ACTIONS = 5

_VERDICTS = {Verdict.ACTIVE: "yes", Verdict.INACTIVE: "no", Verdict.NO_DATA: "no data"}


class Wording:
    """Decisions, deliveries and instants in the words of an explanation.

    Args:
        timezone: In which its readers read times.
        at: The instant that it is about.
    """

    def __init__(self, timezone: tzinfo, at: datetime) -> None:
        self._zone = timezone
        self._at = at

    def why(self, decision: NotificationDecision | None, *, notified: bool) -> str:
        """Return whether a receiver is notified of it, and why not."""
        if decision is None:
            return "was notified"
        missed = (
            "; ".join(f"route {number}: {why}" for number, why in decision.unmatched_routes)
            or "no route uses this receiver"
        )
        match decision.not_notified_because:
            case NotNotifiedReason.NO_ROUTE:
                return f"not notified: no route sends {decision.severity} alerts to it: {missed}"
            case NotNotifiedReason.MUTED:
                return f"not notified: muted by {mute_text(decision.mute, self._zone)}"
            case NotNotifiedReason.GROUPING:
                return f"grouped until {self.clock(decision.group_until)} (group_wait)"
            case NotNotifiedReason.SUPPRESSED:
                sent = count_text(decision.receiver.max_per_hour, "message")
                return f"suppressed: {sent} in the last hour (max_per_hour)"
            case _:
                return (
                    f"receives {decision.severity}"
                    if notified
                    else f"receives {decision.severity}; will be notified at the next poll"
                )

    def delivery(self, record: "DeliveryRecord") -> str:
        """Return what became of a delivery, as far as it had come by then."""
        delivery = record.delivery
        if delivery.sent_at is not None and delivery.sent_at <= self._at:
            tries = "" if delivery.attempts == 1 else f" after {delivery.attempts} attempts"
            return f"sent {self.clock(delivery.sent_at)}{tries}: {record.title}"
        if delivery.dead_at is not None and delivery.dead_at <= self._at:
            return f"given up {self.clock(delivery.dead_at)}: {delivery.last_error}"
        error = f": {delivery.last_error}" if delivery.last_error else ""
        return f"waiting, {delivery.attempts} attempts{error}"

    def clock(self, at: datetime | None) -> str:
        """Return an instant, without its date where that is the day that was asked about."""
        if at is None:
            return "never"
        place = at.astimezone(self._zone)
        is_same_day = place.date() == self._at.astimezone(self._zone).date()
        return f"{place:%H:%M:%S}" if is_same_day else f"{place:%Y-%m-%d %H:%M:%S}"


class ExplainReport:
    """An explanation as people read it, and as programs do.

    Args:
        found: What there is to say.
        notified: The newest deliveries about each rule, by its name and the tenant of its series, newest first.
        actions: What was done about the alerts of each rule, by the same, newest first.
        timezone: In which its readers read times.
    """

    def __init__(
        self,
        found: "Explanation",
        notified: Mapping[tuple[RuleName, Tenant], Sequence["DeliveryRecord"]],
        actions: Mapping[tuple[RuleName, Tenant], Sequence[Action]],
        timezone: tzinfo,
    ) -> None:
        self._found = found
        self._actions = actions
        self._notified = notified
        self._zone = timezone
        self._words = Wording(timezone, found.at)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the page."""
        found = self._found
        tenant = "all tenants" if found.tenant == ALL_TENANTS else found.tenant
        reason = "all hold reasons" if found.reason == ALL_REASONS else found.reason
        yield f"{tenant}: {reason}, at {local_time_text(found.at, self._zone)}"
        yield from self._what_was_seen()
        for story in sorted(found.rules, key=_urgency):
            yield ""
            yield from self._story(story)
        if not found.rules:
            yield "no rule matches it"
        if found.skipped_rules:
            yield ""
            yield "rules that do not match it:"
            yield from (f"  {name}: {why}" for name, why in found.skipped_rules)

    def _what_was_seen(self) -> Iterator[str]:
        found = self._found
        series = found.series or found.polling
        if series is None:
            yield from () if found.tenant == ALL_TENANTS else ("it is not in the configuration, and not polled",)
            return
        at = found.at
        newest = series.newest_sample(until=at)
        failure = series.poll_failure
        if newest is None:
            yield "there was no successful poll before"
        elif found.series is not None:
            yield f"{newest.count:,} held at {self._words.clock(newest.at)}{self._since(series, newest.at)}"
            if found.rename is not None:
                yield rename_text(found.rename, found.reason, self._words.clock(found.rename.at))
        else:
            yield f"polled at {self._words.clock(newest.at)}"
        if failure is not None and failure.started_at <= at:
            yield f"polling failed since {self._words.clock(failure.started_at)}: {failure.cause}: {failure.detail}"
        elif newest is not None and at - newest.at > series.tolerance:
            yield f"no poll for {short_duration_text(at - newest.at)} after that: was the service running?"

    def _since(self, series: "Series", at: datetime) -> str:
        changed = next((each for each in reversed(series.changes) if each.at <= at), None)
        before = [each.count for each in series.changes if changed is not None and each.at < changed.at]
        if changed is None or not before:
            return ""
        return f", since {self._words.clock(changed.at)} ({before[-1]:,} before)"

    def _story(self, story: "RuleExplanation") -> Iterator[str]:
        of = "" if story.series.reason == self._found.reason else f" (evaluates {_input_text(story)})"
        yield f"{story.rule.name}{of}"
        if story.learning is not None and all(level.alert.state is AlertState.INACTIVE for level in story.levels):
            yield f"  learning until {until_text(story.learning, self._zone, now=self._found.at)}"
        for level in story.levels:
            yield f"  {level.severity}: {self._state(level)}"
            for finding in level.findings:
                yield f"    {_VERDICTS[finding.verdict]:<8}{self._finding(finding)}"
            if level.mute is not None:
                yield f"    muted by {mute_text(level.mute, self._zone)}"
        yield from self._decision_text(story)
        for action in self._actions[story.rule.name, story.series.tenant][:MAX_SHOWN_ACTIONS]:
            comment = f": {action.comment}" if action.comment else ""
            said = f"{action.actor.name} {action_text(action)} ({origin_text(action)}){comment}"
            yield f"  {self._words.clock(action.at)} {said}"

    def _state(self, level: LevelExplanation) -> str:
        alert, at = level.alert, self._found.at
        match alert.state:
            case AlertState.PENDING:
                since = alert.active_at or at
                lasting, needed = short_duration_text(at - since), duration_text(level.level.for_)
                held = f"pending since {self._words.clock(since)}: {lasting} of {needed}"
            case AlertState.FIRING:
                held = f"firing since {self._words.clock(alert.fired_at)}{self._ending(level)}{self._no_data(level)}"
            case _:
                held = f"resolved {self._words.clock(alert.resolved_at)}" if alert.resolved_at else "inactive"
                held += f" ({alert.resolved_because})" if alert.resolved_because else ""
        return f"{held}, alert {alert.key.id}" if held != "inactive" else held

    def _ending(self, level: LevelExplanation) -> str:
        since = level.alert.keep_firing_since
        if since is None:
            return ""
        lasting, needed = short_duration_text(self._found.at - since), duration_text(level.level.keep_firing_for)
        return f", ending since {self._words.clock(since)}: {lasting} of {needed}"

    def _no_data(self, level: LevelExplanation) -> str:
        return "" if level.no_data_since is None else f", no data since {self._words.clock(level.no_data_since)}"

    def _finding(self, finding: ConditionFinding) -> str:
        evidence = finding.evidence
        parts = [
            self._compared(evidence),
            finding.distance_text,
            evidence.detail if finding.verdict is Verdict.NO_DATA else "",
        ]
        said = "; ".join(part for part in parts if part) or "nothing to compare"
        return f"{evidence.condition} {evidence.limit_text}: {said}"

    def _compared(self, evidence: Evidence) -> str:
        if evidence.last_success_at is not None:
            return f"last successful poll {self._words.clock(evidence.last_success_at)}, {evidence.detail}"
        if evidence.value is None:
            return ""
        reference = evidence.reference
        before = f", {reference.count:,} at {self._words.clock(reference.at)}" if reference is not None else ""
        return f"{evidence.value.count:,} held{before}"

    def _decision_text(self, story: "RuleExplanation") -> Iterator[str]:
        records = self._notified[story.rule.name, story.series.tenant]
        decisions_made = {decision.receiver.name: decision for decision in story.decisions_made}
        for name in dict.fromkeys([*decisions_made, *(record.receiver for record in records)]):
            own = [record for record in records if record.receiver == name]
            yield f"  {name}: {self._words.why(decisions_made.get(name), notified=bool(own))}"
            for record in own[:MAX_MESSAGES]:
                planned = self._words.clock(record.delivery.created_at)
                yield f"    {planned} {record.delivery.target}: {self._words.delivery(record)}"

    def json(self) -> Mapping[str, object]:
        """Return the page for a program."""
        found = self._found
        return {
            "tenant": found.tenant,
            "reason": found.reason,
            "at": found.at,
            "renamed": None if found.rename is None else asdict(found.rename),
            "rules": [self._story_json(story) for story in found.rules],
            "skipped_rules": [{"rule": name, "why": why} for name, why in found.skipped_rules],
        }

    def _story_json(self, story: "RuleExplanation") -> Mapping[str, object]:
        return {
            "rule": story.rule.name,
            "tenant": story.series.tenant,
            "reason": story.series.reason,
            "evaluated_at": story.at,
            "learning_until": story.learning.until if story.learning else None,
            "learning_tenants": story.learning.tenants if story.learning else 0,
            "levels": [_level_json(level) for level in story.levels],
            "receivers": [_hearing_json(decision) for decision in story.decisions_made],
            "deliveries": [
                {"receiver": each.receiver, "target": each.delivery.target, "title": each.title,
                 "created_at": each.delivery.created_at, "attempts": each.delivery.attempts,
                 "sent_at": each.delivery.sent_at, "dead_at": each.delivery.dead_at,
                 "last_error": each.delivery.last_error}
                for each in self._notified[story.rule.name, story.series.tenant]
            ],
            "actions": actions_json(self._actions[story.rule.name, story.series.tenant]),
        }  # fmt: skip


def load_page(reader: "Reader", config: "Config", found: "Explanation") -> ExplainReport:
    """Return an explanation with what was sent and done about it until its instant."""
    keys = {(story.rule.name, story.series.tenant): story for story in found.rules}
    alerts = {key: [level.alert for level in story.levels] for key, story in keys.items()}
    notified = {
        key: reader.outbox.deliveries_for_alerts([each.key.id for each in own], until=found.at, limit=MAX_DELIVERIES)
        for key, own in alerts.items()
    }
    # The levels of a rule are one subject; silences of one level are rare, and the first is the worst.
    actions = {key: load_actions(reader, config, own[0], until=found.at) for key, own in alerts.items()}
    return ExplainReport(found, notified, actions, config.service.timezone)


def _urgency(story: "RuleExplanation") -> int:
    """Return the order in which a person should read: what fires first, then what is pending."""
    order = (AlertState.FIRING, AlertState.PENDING, AlertState.INACTIVE)
    return min(order.index(level.alert.state) for level in story.levels)


def _input_text(story: "RuleExplanation") -> str:
    """Return what a rule evaluates in place of the hold reason itself."""
    if story.rule.input_kind is InputKind.POLLING:
        return "polling, not held messages"
    return "the sum of all tenants" if story.series.tenant == ALL_TENANTS else "the sum of its hold reasons"


def _level_json(level: LevelExplanation) -> Mapping[str, object]:
    alert = level.alert
    return {
        "severity": level.severity,
        "alert": alert.key.id,
        "state": state_text(alert),
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "keep_firing_since": alert.keep_firing_since,
        "resolved_at": alert.resolved_at,
        "no_data_since": level.no_data_since,
        "for": level.level.for_,
        "muted_by": mute_json(level.mute),
        "conditions": [
            {**evidence_json(each.evidence), "verdict": each.verdict, "margin": each.distance_text}
            for each in level.findings
        ],
    }


def _hearing_json(decision: NotificationDecision) -> Mapping[str, object]:
    return {
        "receiver": decision.receiver.name,
        "severity": decision.severity,
        "not_notified_because": decision.not_notified_because,
        "missed_routes": [{"route": number, "why": why} for number, why in decision.unmatched_routes],
        "muted_by": mute_json(decision.mute),
        "group_until": decision.group_until,
    }
