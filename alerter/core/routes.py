"""Receivers, their targets, and the routes that alerts take to them.

No I/O: values in, values out.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, NewType

from annotated_types import Ge, Le

from alerter.core.alerts import Alert
from alerter.core.mute_windows import MuteWindow
from alerter.core.review import ReportSchedule
from alerter.core.rules import Severity
from alerter.core.selectors import MATCH_ALL, Selector

MIN_REPEAT = timedelta(minutes=1)


MAX_GROUP_WAIT = timedelta(hours=1)


ReceiverName = NewType("ReceiverName", str)


#: What stands for a URL of a receiver, without saying what it is: the same for as long as the URL is.
TargetId = NewType("TargetId", str)
#: Of what was stored before targets were distinguished: each target of the receiver.
NO_TARGET = TargetId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """`[receivers.NAME]`: somebody who is notified, and how.

    Attributes:
        name: Unique in a configuration.
        repeat_interval: After how long it is reminded of an alert that goes on.
        send_resolved: Whether it is notified when an alert is over.
        max_per_hour: How many messages each of its URLs gets in an hour at most; critical alerts that begin, and
            missing data, always pass.
        fallback: The receiver that is notified in its place when a message to it had to be given up, and that a target
            of it cannot be reached for half an hour; without one, every other receiver is notified of that.
        group_wait: How long news for it is collected over all tenants before it becomes one message; at most `1h`.
        charts: Whether messages carry a picture of the counts, where the service takes one; needs the extra
            `alerter[charts]`.
        targets: Where it is notified, in the configuration's order.
        weekly_report: When it gets a report of the week, such as `{ day = "mon", at = "08:00" }`, in the time zone of
            the service unless it has a `timezone`; no report without it.
    """

    name: ReceiverName
    repeat_interval: Annotated[timedelta, Ge(MIN_REPEAT)] = timedelta(hours=4)
    send_resolved: bool = True
    max_per_hour: Annotated[int, Ge(1)] = 30
    fallback: ReceiverName | None = None
    group_wait: Annotated[timedelta, Le(MAX_GROUP_WAIT)] = timedelta(0)
    charts: bool = False
    targets: tuple[TargetId, ...] = ()
    weekly_report: ReportSchedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which alerts go to which receivers: every one of its selectors must match.

    An alert about a tenant's polling concerns every hold reason, so that `reasons` does not keep it back.

    Attributes:
        receivers: At least one.
        severities: The severities that it takes; empty takes all.
        mute_windows: When nothing goes this way.
    """

    receivers: tuple[ReceiverName, ...]
    severities: frozenset[Severity] = frozenset()
    tenants: Selector = MATCH_ALL
    reasons: Selector = MATCH_ALL
    rules: Selector = MATCH_ALL
    mute_windows: tuple[MuteWindow, ...] = ()

    def matches(self, alert: Alert) -> bool:
        """Say whether the alert goes this way."""
        key = alert.key
        return (
            (not self.severities or key.severity in self.severities)
            and self.tenants.matches(key.tenant)
            and (alert.is_no_data or self.reasons.matches(key.reason))
            and self.rules.matches(key.rule)
        )
