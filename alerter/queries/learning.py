"""Rules that need more history before they can fire: each with how many tenants it is silent for, and until when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from alerter.humanize import local_time_text, short_duration_text
from alerter.queries.tenants import TenantStatus

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.rules import Rule
    from alerter.core.series import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """A rule that needs more history of some tenants before it can fire for them.

    Attributes:
        rule: The rule.
        tenants: How many of its tenants it is still silent for.
        until: When it can fire for all of them, if polls go on; None where a tenant was never polled.
    """

    rule: "Rule"
    tenants: int
    until: datetime | None


def learning_rules(config: "Config", accounts: Collection[TenantStatus], *, now: datetime) -> list[Learning]:
    """Return the rules that cannot fire yet for some of the tenants, in the order of the configuration."""
    return [each for rule in config.rules if (each := learning_status(rule, accounts, now=now)) is not None]


def learning_status(rule: "Rule", accounts: Collection[TenantStatus], *, now: datetime) -> Learning | None:
    """Return what a rule lacks; None where it can fire for each of the tenants that it selects."""
    return learning_since(rule, {account.name: account.polling.first_polled_at for account in accounts}, now=now)


def learning_since(rule: "Rule", first_polls: "Mapping[Tenant, datetime | None]", *, now: datetime) -> Learning | None:
    """Return the same by the first successful poll of each tenant; None is for one that was never polled."""
    if not rule.learns_for:
        return None
    ends = [_end(rule, first) for tenant, first in first_polls.items() if rule.tenants.matches(tenant)]
    late = [end for end in ends if end is None or end > now]
    known = [end for end in late if end is not None]
    if not late:
        return None
    return Learning(rule=rule, tenants=len(late), until=max(known) if len(known) == len(late) else None)


def until_text(learning: Learning, timezone: tzinfo, *, now: datetime) -> str:
    """Return until when a rule learns, in words that follow "until"."""
    if learning.until is None:
        return f"{short_duration_text(learning.rule.learns_for)} after the first poll"
    return f"{local_time_text(learning.until, timezone)} (in {short_duration_text(learning.until - now)})"


def _end(rule: "Rule", first_polled_at: datetime | None) -> datetime | None:
    return None if first_polled_at is None else first_polled_at + rule.learns_for
