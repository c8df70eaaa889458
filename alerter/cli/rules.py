"""`alerter rules`: every rule with its present state: what fires, what is pending, what still learns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.database_access import read_store
from alerter.cli.learning import until_cell
from alerter.cli.options import EXIT_FOUND, config_option, json_option, load_without_secrets
from alerter.cli.output import print_json, print_table
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import label_option, look, parse_tenant_filter, tenant_option
from alerter.core.conditions import InputKind, duration_text
from alerter.core.rules import Level, Rule, Severity
from alerter.queries.learning import Learning, learning_status

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert
    from alerter.queries.tenants import TenantStatus


@click.command()
@config_option
@json_option
@tenant_option
@label_option
def rules(config_path: Path | None, *, as_json: bool, tenant: str | None, labels: Sequence[str]) -> None:
    """List rules with their limits and their present state: firing, pending, learning, or matching nothing.

    With --tenant or --label: what they make of these tenants. Exit code 1 if a rule is firing.
    """
    choice = parse_tenant_filter(tenant, labels)
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        stored = reader.alerts.load()
        accounts = look(reader, config, choice, stored, now=now)
        seen = reader.history.reason_names()
    names = {account.name for account in accounts}
    alerts = [each for each in stored if choice.is_everything or each.key.tenant in names]
    found = [_State(rule, accounts, alerts, seen, now=now) for rule in config.rules]
    if as_json:
        print_json([each.json() for each in found])
    else:
        rows = [each.row(config, now=now) for each in found]
        print_table(Table(title="Rules", columns=_COLUMNS, rows=rows))
    if any(each.firing for each in found):
        raise click.exceptions.Exit(EXIT_FOUND)


_COLUMNS = (
    Column("rule", min_width=14),
    Column("state", min_width=16, cut=Cut.END),
    Column("tenants", is_number=True, drop=2),
    Column("levels", min_width=20, drop=1, cut=Cut.END),
)


class _State:
    """What becomes of a rule now.

    Args:
        rule: The rule.
        tenants: Those that are asked about.
        alerts: All alerts of them.
        reasons: Every hold reason that was ever seen.
        now: The present.
    """

    def __init__(
        self,
        rule: Rule,
        tenants: Collection["TenantStatus"],
        alerts: Iterable["Alert"],
        reasons: Collection[str],
        *,
        now: datetime,
    ) -> None:
        own = [alert for alert in alerts if alert.key.rule == rule.name]
        self.rule = rule
        self.tenants = [each for each in tenants if rule.tenants.matches(each.name)]
        self.firing = {
            severity: number
            for severity in sorted(Severity, key=lambda each: -each.rank)
            if (number := sum(alert.is_firing and alert.key.severity is severity for alert in own))
        }
        self.pending = sum(alert.state == "pending" for alert in own)
        self.learning: Learning | None = learning_status(rule, tenants, now=now)
        self._matches_reason = rule.input_kind is InputKind.POLLING or any(map(rule.reasons.matches, reasons))

    def row(self, config: "Config", *, now: datetime) -> tuple[Cell | str, ...]:
        """Return it for people."""
        return self.rule.name, self._state(config, now=now), f"{len(self.tenants):,}", levels_text(self.rule)

    def _state(self, config: "Config", *, now: datetime) -> Cell:
        if self.firing:
            worst = next(iter(self.firing))
            return Cell(f"firing: {', '.join(f'{count:,} {each}' for each, count in self.firing.items())}", style=worst)
        if self.pending:
            return Cell(f"pending: {self.pending:,}", style="warning")
        if not self.tenants:
            return Cell("matches no tenant", style="bad")
        if not self._matches_reason:
            return Cell("matches no hold reason seen so far", style="bad")
        if self.learning is None:
            return Cell("nothing firing", style="good")
        until = until_cell(self.learning, config, now=now)
        which = "" if self.learning.tenants == len(self.tenants) else f" for {self.learning.tenants:,} of its tenants"
        return Cell(f"learning{which} until {until.text}", f"learning{which} until {until.shown}", style="muted")

    def json(self) -> Mapping[str, object]:
        """Return it for programs."""
        return {
            "rule": self.rule.name,
            "firing": self.firing,
            "pending": self.pending,
            "learning_until": self.learning.until if self.learning else None,
            "learning_tenants": self.learning.tenants if self.learning else 0,
            "tenants": [each.name for each in self.tenants],
            "matches_reason": self._matches_reason,
            "per": self.rule.per,
            "runbook": self.rule.runbook or None,
            "levels": {severity: _level_text(level) for severity, level in self.rule.worst_first},
        }


def levels_text(rule: Rule) -> str:
    """Return the levels of a rule with their limits, the worst first: `critical above 500 for 10m; warning …`."""
    return "; ".join(f"{severity} {_level_text(level)}" for severity, level in rule.worst_first)


def _level_text(level: Level) -> str:
    limits = " and ".join(condition.limit_text for condition in level.conditions)
    return f"{limits} for {duration_text(level.for_)}" if level.for_ else limits
