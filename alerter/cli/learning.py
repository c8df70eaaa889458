"""The part that is not watched yet: rules that need more history, and tenants without data.

"All is well" is said only where every tenant is seen and a rule can evaluate each of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from alerter.cli.output import count_text
from alerter.cli.tables import Cell, Column, Table
from alerter.core.conditions import InputKind
from alerter.humanize import first_and_more_text, short_duration_text
from alerter.queries.learning import Learning, learning_status, until_text
from alerter.queries.tenants import PollingState, TenantStatus

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.rules import Rule

#: How many tenants that are not seen are named.
MAX_NAMED = 3


def learning_table(found: Sequence[Learning], config: "Config", *, now: datetime) -> Table:
    """Return them for people."""
    return Table(
        title="Learning",
        columns=(
            Column("rule", min_width=16),
            Column("tenants", is_number=True, drop=1),
            Column("cannot fire until"),
        ),
        rows=[(each.rule.name, f"{each.tenants:,}", until_cell(each, config, now=now)) for each in found],
    )


def learning_json(found: Sequence[Learning]) -> list[Mapping[str, object]]:
    """Return them for programs."""
    return [{"rule": each.rule.name, "tenants": each.tenants, "until": each.until} for each in found]


def no_alerts_text(config: "Config", accounts: Sequence[TenantStatus], *, now: datetime) -> str:
    """Return what it means that there is no alert: that all is well, or what is not seen."""
    doubts = [*_unseen(accounts), *_unwatched(config, accounts, now=now)]
    return "none: all is well" if not doubts else f"none, but not all is seen: {'; '.join(doubts)}"


def _unseen(accounts: Sequence[TenantStatus]) -> list[str]:
    unseen = [account for account in accounts if account.polling_state is not PollingState.OK]
    if not accounts:
        return ["there is no tenant"]
    if len(unseen) <= MAX_NAMED:
        return [f"{account.name} {_why(account)}" for account in unseen]
    return [f"{count_text(len(unseen), 'tenant')} ({first_and_more_text([each.name for each in unseen])})"]


def _why(account: TenantStatus) -> str:
    match account.polling_state:
        case PollingState.NEVER_POLLED:
            return "was never polled"
        case PollingState.STALE:
            return "is not polled any more"
        case _:
            failure = account.polling.failure
            return f"cannot be polled ({failure.cause})" if failure else "cannot be polled"


def _unwatched(config: "Config", accounts: Sequence[TenantStatus], *, now: datetime) -> list[str]:
    """Return the tenants whose counts no rule can evaluate yet, or at all."""
    counting = [rule for rule in config.rules if rule.input_kind is not InputKind.POLLING]
    seen = [account for account in accounts if account.polling_state is PollingState.OK]
    without = [each for each in seen if not any(rule.tenants.matches(each.name) for rule in counting)]
    waiting = [account for account in seen if account not in without and not _is_evaluated(counting, account, now=now)]
    said = [f"no rule evaluates {first_and_more_text([each.name for each in without])}"] if without else []
    if waiting:
        said.append(f"every rule for {first_and_more_text([each.name for each in waiting])} is still learning")
    return said


def _is_evaluated(rules: Sequence["Rule"], account: TenantStatus, *, now: datetime) -> bool:
    own = (rule for rule in rules if rule.tenants.matches(account.name))
    return any(learning_status(rule, [account], now=now) is None for rule in own)


def until_cell(learning: Learning, config: "Config", *, now: datetime) -> Cell:
    """Return until when, with its date in a pipe."""
    zone = config.service.timezone
    text = until_text(learning, zone, now=now)
    if learning.until is None:
        return Cell(text)
    return Cell(text, f"{learning.until.astimezone(zone):%a %d %b} (in {short_duration_text(learning.until - now)})")
