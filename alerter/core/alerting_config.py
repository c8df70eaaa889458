"""The part of the configuration that decides about alerts: rules, receivers, routes, mutes, intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from functools import cached_property

from alerter.core.alerts import AlertKey
from alerter.core.message.content import MessageContext
from alerter.core.mute_windows import MuteWindow
from alerter.core.notifications import Notification
from alerter.core.outbox import TargetName
from alerter.core.routes import Receiver, ReceiverName, Route, TargetId
from alerter.core.rules import Lookbacks, Per, Rule, RuleName, SumMember
from alerter.core.selectors import MATCH_ALL
from alerter.core.series import ALL_REASONS, ALL_TENANTS, TOLERANCE_INTERVALS, HoldReason, Tenant

#: The cache holds half a million series back to here at most; a rule that looks back further is rarely evaluated, and
#: reads then.
MAX_CACHED_LOOKBACK = timedelta(hours=25)

#: Why an alert resolved on which nothing in the configuration stands any more.
RULE_REMOVED, TENANT_REMOVED = "rule removed", "tenant removed"


@dataclass(frozen=True, kw_only=True)
class AlertingConfig:
    """What the configuration decides, as the use cases need it.

    It has no slots, so that what is the same for thousands of tenants is worked out once.

    Attributes:
        rules: Every rule, also the built-in ones.
        poll_intervals: How often each tenant is polled; a tenant that is missing here was removed.
        receivers: All receivers, in the configuration's order.
        targets: The names of each receiver's targets, in the order of `Receiver.targets`.
        routes: Where alerts go.
        context: What messages need to know besides the alerts.
        windows_by_rule: The mute windows of each rule that has any.
        muted_tenants: The tenants whose alerts nobody is notified of.
        timezones: The time zone of each tenant that has one of its own.
        sum_trigger_tenants: With whose polls a sum over all tenants is evaluated; with every poll if it is missing.
    """

    rules: tuple[Rule, ...]
    poll_intervals: Mapping[Tenant, timedelta]
    receivers: tuple[Receiver, ...]
    targets: Mapping[ReceiverName, tuple[TargetName, ...]]
    routes: tuple[Route, ...]
    context: MessageContext
    windows_by_rule: Mapping[RuleName, tuple[MuteWindow, ...]] = field(default_factory=dict)
    muted_tenants: frozenset[Tenant] = frozenset()
    timezones: Mapping[Tenant, tzinfo] = field(default_factory=dict)
    sum_trigger_tenants: Mapping[RuleName, frozenset[Tenant]] = field(default_factory=dict)

    def tenants_changed_since(self, before: "AlertingConfig") -> set[Tenant]:
        """Return the tenants that may have other alerts or notifications than with the configuration before."""
        if (self.receivers, self.targets, self._windows_by_rule()) != (
            before.receivers, before.targets, before._windows_by_rule(),  # noqa: SLF001 - its own kind
        ):  # fmt: skip
            return set(self.poll_intervals)
        seen: list[Rule | Route] = []
        now, then = self._evaluation_digest(seen), before._evaluation_digest(seen)  # noqa: SLF001 - its own kind
        return {tenant for tenant in self.poll_intervals if now(tenant) != then(tenant)}

    def _windows_by_rule(self) -> Mapping[RuleName, tuple[MuteWindow, ...]]:
        """Return the mute windows of each rule, for every receiver."""
        return {name: _for_everybody(windows) for name, windows in self.windows_by_rule.items()}

    def _windows(self) -> set[MuteWindow]:
        """Return every window that a rule or a route uses, each once."""
        of_rules = (window for windows in self.windows_by_rule.values() for window in windows)
        return {*of_rules, *(window for route in self.routes for window in route.mute_windows)}

    def _evaluation_digest(self, seen: list[Rule | Route]) -> Callable[[Tenant], object]:
        """Return what says which rules and routes a tenant has, as numbers in `seen`, and what else is its own."""
        numbered = [(rule.tenants, _number(replace(rule, tenants=MATCH_ALL), seen)) for rule in self.rules]
        numbered += [(route.tenants, _number(_route_for_everybody(route), seen)) for route in self.routes]
        selective = [window for window in self._windows() if window.tenants != MATCH_ALL]

        def of(tenant: Tenant) -> object:
            numbers = [number for selector, number in numbered if selector.matches(tenant)]
            windows = {window.name for window in selective if window.tenants.matches(tenant)}
            labels = self.context.labels_by_tenant.get(tenant)  # by which a silence may be for it
            return numbers, windows, tenant in self.muted_tenants, self.timezones.get(tenant), labels

        return of

    @cached_property
    def addresses(self) -> Mapping[TargetName, TargetId]:
        """Which URL each target's name stands for."""
        return {
            name: target
            for receiver in self.receivers
            for name, target in zip(self.targets[receiver.name], receiver.targets, strict=True)
        }

    def targets_for(self, receiver: ReceiverName) -> Mapping[TargetName, TargetId]:
        """Return the targets of a receiver, by their names; none of one that is not in the configuration."""
        return {name: self.addresses[name] for name in self.targets.get(receiver, ())}

    def targets_of(self, notification: Notification) -> Mapping[TargetName, TargetId]:
        """Return the targets that a notification is for, by their names."""
        targets = self.targets_for(notification.receiver.name)
        return {name: target for name, target in targets.items() if target in notification.targets}

    def rules_for(self, tenant: Tenant) -> list[Rule]:
        """Return the rules that look at a tenant, in the configuration's order."""
        return [rule for rule in self.rules if rule.tenants.matches(tenant)]

    def lookbacks_for(self, rules: Sequence[Rule], poll_interval: timedelta) -> Lookbacks:
        """Return how far back what a tenant's rules look at is remembered.

        A sum over all is as patient as the slowest tenant in it: so far back each of them must be known.
        """
        patience = TOLERANCE_INTERVALS * (self._longest_interval - poll_interval)
        # Thousands of tenants have the same rules, and one object for all of them is quickly compared.
        key = (patience, *(id(rule) for rule in rules))
        if key not in self._windows_by_rules:
            self._windows_by_rules[key] = Lookbacks.of_rules(rules, longest=MAX_CACHED_LOOKBACK, patience=patience)
        return self._windows_by_rules[key]

    def sum_members(self, rule: Rule) -> Sequence[SumMember]:
        """Return the tenants over which a rule takes the sum."""
        if rule.name not in self._members_by_rule:
            self._members_by_rule[rule.name] = [
                SumMember(
                    tenant=tenant,
                    poll_interval=poll_interval,
                    timezone=self.timezone_for(tenant),
                    windows=self.lookbacks_for(self.rules_for(tenant), poll_interval),
                )
                for tenant, poll_interval in self.poll_intervals.items()
                if rule.tenants.matches(tenant)
            ]
        return self._members_by_rule[rule.name]

    @cached_property
    def _longest_interval(self) -> timedelta:
        return max(self.poll_intervals.values(), default=timedelta(0))

    @cached_property
    def _windows_by_rules(self) -> dict[tuple[object, ...], Lookbacks]:
        return {}

    @cached_property
    def _members_by_rule(self) -> dict[RuleName, list[SumMember]]:
        return {}

    def rules_evaluated_with(self, tenant: Tenant, rules: Iterable[Rule]) -> list[Rule]:
        """Return those of a tenant's rules that are evaluated with its polls.

        A sum over ten thousand tenants is gone through with the polls of a few of them: with each, one poll would take
        as long as all of them.
        """
        return [rule for rule in rules if tenant in self.sum_trigger_tenants.get(rule.name, (tenant,))]

    def can_evaluate(self, tenant: Tenant) -> bool:
        """Say whether a poll can come to a decision about a tenant, or about all of them together."""
        if tenant != ALL_TENANTS:
            return tenant in self.poll_intervals
        return any(rule.scope is Per.ALL and any(map(rule.tenants.matches, self.poll_intervals)) for rule in self.rules)

    def removal_text(self, key: AlertKey) -> str:
        """Return what was removed of that on which an alert stood, in words for people."""
        is_gone = key.tenant != ALL_TENANTS and key.tenant not in self.poll_intervals
        return TENANT_REMOVED if is_gone else RULE_REMOVED

    def rule_exists_for(self, key: AlertKey) -> bool:
        """Say whether a rule, a level and a tenant of the configuration still stand behind an alert."""
        return any(
            rule.name == key.rule and key.severity in rule.levels and self._is_in_scope(rule, key.tenant, key.reason)
            for rule in self.rules
        )

    def _is_in_scope(self, rule: Rule, tenant: Tenant, reason: HoldReason) -> bool:
        if rule.scope is Per.ALL:
            return tenant == ALL_TENANTS and any(map(rule.tenants.matches, self.poll_intervals))
        if tenant not in self.poll_intervals or not rule.tenants.matches(tenant):
            return False
        return reason == ALL_REASONS if rule.scope is Per.TENANT else rule.reasons.matches(reason)

    def timezone_for(self, tenant: Tenant) -> tzinfo:
        """Return the time zone in which a tenant's people work."""
        return self.timezones.get(tenant, self.context.timezone)


def _for_everybody(windows: Iterable[MuteWindow]) -> tuple[MuteWindow, ...]:
    return tuple(replace(window, tenants=MATCH_ALL) for window in windows)


def _route_for_everybody(route: Route) -> Route:
    return replace(route, tenants=MATCH_ALL, mute_windows=_for_everybody(route.mute_windows))


def _number(each: Rule | Route, seen: list[Rule | Route]) -> int:
    """Return the place of an equal one among those that were seen; a new one is seen now."""
    if each not in seen:
        seen.append(each)
    return seen.index(each)
