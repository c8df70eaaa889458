"""What the configuration decides, as the use cases need it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo

from alerter.core.messages import Context
from alerter.core.muting import MuteWindow
from alerter.core.notifications import Receiver, ReceiverName, Route
from alerter.core.outbox import TargetName
from alerter.core.rules import Rule, RuleName
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

    def judges_like(self, other: "Policy") -> bool:
        """Say whether nothing but the tenants differs: the same is found wrong, and the same people are told."""
        return self == replace(other, poll_intervals=self.poll_intervals, context=self.context)
