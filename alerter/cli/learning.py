"""What is not watched yet: rules that need more history, and tenants that are not seen.

"All is well" is said only where every tenant is seen and a rule can judge each of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.cli.output import counted
from alerter.cli.tables import Cell, Column, Table
from alerter.core.conditions import Subject
from alerter.humanize import first_of, local, rough
from alerter.queries.tenants import PollingState, TenantStatus

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.rules import Rule

#: How many tenants that are not seen are named.
MAX_NAMED = 3


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

    def until_cell(self, config: "Config", *, now: datetime) -> Cell:
        """Return until when, with its date in a pipe."""
        if self.until is None:
            return Cell(f"{rough(self.rule.learns_for)} after the first poll")
        left, zone = rough(self.until - now), config.service.timezone
        return Cell(f"{local(self.until, zone)} (in {left})", f"{self.until.astimezone(zone):%a %d %b} (in {left})")


def learning_rules(config: "Config", accounts: Collection[TenantStatus], *, now: datetime) -> list[Learning]:
    """Return the rules that cannot fire yet for some of the tenants, in the order of the configuration."""
    return [each for rule in config.rules if (each := learning_of(rule, accounts, now=now)) is not None]


def learning_of(rule: "Rule", accounts: Collection[TenantStatus], *, now: datetime) -> Learning | None:
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


def learning_table(found: Sequence[Learning], config: "Config", *, now: datetime) -> Table:
    """Return them for people."""
    return Table(
        title="Learning",
        columns=(
            Column("rule", min_width=16),
            Column("tenants", is_number=True, drop=1),
            Column("cannot fire until"),
        ),
        rows=[(each.rule.name, f"{each.tenants:,}", each.until_cell(config, now=now)) for each in found],
    )


def learning_json(found: Sequence[Learning]) -> list[Mapping[str, object]]:
    """Return them for programs."""
    return [{"rule": each.rule.name, "tenants": each.tenants, "until": each.until} for each in found]


def no_alerts_text(config: "Config", accounts: Sequence[TenantStatus], *, now: datetime) -> str:
    """Return what it means that there is no alert: that all is well, or what is not seen."""
    doubts = [*_unseen(accounts), *_unwatched(config, accounts, now=now)]
    return "none: all is well" if not doubts else f"none, but not all is seen: {'; '.join(doubts)}"


def _unseen(accounts: Sequence[TenantStatus]) -> list[str]:
    unseen = [account for account in accounts if account.polling_state is not PollingState.GOOD]
    if not accounts:
        return ["there is no tenant"]
    if len(unseen) <= MAX_NAMED:
        return [f"{account.name} {_why(account)}" for account in unseen]
    return [f"{counted(len(unseen), 'tenant')} ({first_of([each.name for each in unseen])})"]


def _why(account: TenantStatus) -> str:
    match account.polling_state:
        case PollingState.UNKNOWN:
            return "was never polled"
        case PollingState.UNPOLLED:
            return "is not polled any more"
        case _:
            failure = account.polling.failure
            return f"cannot be polled ({failure.cause})" if failure else "cannot be polled"


def _unwatched(config: "Config", accounts: Sequence[TenantStatus], *, now: datetime) -> list[str]:
    """Return of which tenants no rule can judge the counts yet, or at all."""
    counting = [rule for rule in config.rules if rule.subject is not Subject.POLLING]
    seen = [account for account in accounts if account.polling_state is PollingState.GOOD]
    without = [each for each in seen if not any(rule.tenants.matches(each.name) for rule in counting)]
    waiting = [account for account in seen if account not in without and not _is_judged(counting, account, now=now)]
    said = [f"no rule looks at {first_of([each.name for each in without])}"] if without else []
    if waiting:
        said.append(f"every rule for {first_of([each.name for each in waiting])} is still learning")
    return said


def _is_judged(rules: Sequence["Rule"], account: TenantStatus, *, now: datetime) -> bool:
    ends = (_end(rule, account) for rule in rules if rule.tenants.matches(account.name))
    return any(end is not None and end <= now for end in ends)
