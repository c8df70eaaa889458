"""What the configuration decides, as the use cases need it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo

from alerter.core.messages import Context
from alerter.core.muting import MuteWindow
from alerter.core.notifications import Receiver, ReceiverName, Route
from alerter.core.outbox import TargetName
from alerter.core.rules import EVERYTHING, Rule, RuleName
from alerter.core.series import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration decides, as the use cases need it.

    Attributes:
        rules: Every rule, also the built-in ones.
        poll_intervals: How often each tenant is polled; a tenant that is missing here was removed.
        receivers: All receivers, in the configuration's order.
        targets: The names of each receiver's targets.
        routes: Where alerts go.
        context: What messages need to know besides the alerts.
        windows_by_rule: The mute windows of each rule that has any.
        muted_tenants: The tenants of which nobody is told anything.
        timezones: The time zone of each tenant that has one of its own.
    """

    rules: tuple[Rule, ...]
    poll_intervals: Mapping[Tenant, timedelta]
    receivers: tuple[Receiver, ...]
    targets: Mapping[ReceiverName, tuple[TargetName, ...]]
    routes: tuple[Route, ...]
    context: Context
    windows_by_rule: Mapping[RuleName, tuple[MuteWindow, ...]] = field(default_factory=dict)
    muted_tenants: frozenset[Tenant] = frozenset()
    timezones: Mapping[Tenant, tzinfo] = field(default_factory=dict)

    def concerned_since(self, before: "Policy") -> set[Tenant]:
        """Return the tenants of which something else may be found wrong, or told, than by the policy before."""
        if (self.receivers, self.targets, self.windows_by_rule) != (
            before.receivers, before.targets, before.windows_by_rule,
        ):  # fmt: skip
            return set(self.poll_intervals)
        seen: list[Rule | Route] = []
        now, then = self._judgement(seen), before._judgement(seen)  # noqa: SLF001 - its own kind
        return {tenant for tenant in self.poll_intervals if now(tenant) != then(tenant)}

    def _judgement(self, seen: list[Rule | Route]) -> Callable[[Tenant], object]:
        """Return what says which rules and routes a tenant has, as numbers in `seen`, and what else is its own."""
        numbered = [(rule.tenants, _number(replace(rule, tenants=EVERYTHING), seen)) for rule in self.rules]
        numbered += [(route.tenants, _number(replace(route, tenants=EVERYTHING), seen)) for route in self.routes]

        def of(tenant: Tenant) -> object:
            numbers = [number for selector, number in numbered if selector.matches(tenant)]
            return numbers, tenant in self.muted_tenants, self.timezones.get(tenant)

        return of

    def timezone_of(self, tenant: Tenant) -> tzinfo:
        """Return the time zone in which a tenant's people work."""
        return self.timezones.get(tenant, self.context.timezone)


def _number(each: Rule | Route, seen: list[Rule | Route]) -> int:
    """Return the place of an equal one among those that were seen; a new one is seen now."""
    if each not in seen:
        seen.append(each)
    return seen.index(each)
