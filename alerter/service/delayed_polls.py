"""Conditions under which polls that change nothing but counts are written later, many of them together.

A poll a second is no load for a disk, and what is written at once is there for everybody to see. Hundreds of tenants
write the same pages again and again: together they take a fifth of the bytes, and a third of the time.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from alerter.core.alerting_config import AlertingConfig
from alerter.core.rules import Per
from alerter.core.series import Tenant

#: From this number of polls a second on, polls are written later.
MIN_RATE: Final = 1.0
#: When this number of tenants have polls that are not written, they are written.
MAX_UNSAVED_TENANTS: Final = 1_000


def may_delay_polls(intervals: Mapping[Tenant, timedelta], alerting: AlertingConfig) -> bool:
    """Return True if polls are frequent enough, and no rule needs the newest counts of all tenants at each poll.

    Args:
        intervals: How often each tenant is polled.
        alerting: The rules.
    """
    rate = round(sum(1 / interval.total_seconds() for interval in intervals.values()), 6)  # not the error of a sum
    return rate >= MIN_RATE and not any(rule.scope is Per.ALL for rule in alerting.rules)
