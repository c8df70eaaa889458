"""Rules that need more history before they can fire: each with how many tenants it is silent for, and until when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.queries.tenants import TenantStatus

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.rules import Rule


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
    if not rule.learns_for:
        return None
    ends = {account.name: _end(rule, account) for account in accounts if rule.tenants.matches(account.name)}
    late = [end for end in ends.values() if end is None or end > now]
    known = [end for end in late if end is not None]
    if not late:
        return None
    return Learning(rule=rule, tenants=len(late), until=max(known) if len(known) == len(late) else None)


def _end(rule: "Rule", account: TenantStatus) -> datetime | None:
    since = account.polling.first_polled_at
    return None if since is None else since + rule.learns_for
