"""`alerter explain`: why did I get this, and why did I not?"""

import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.alerts import alert_by_id
from alerter.cli.database_access import read_store
from alerter.cli.names import resolve_name
from alerter.cli.options import config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json
from alerter.cli.times import parse_time
from alerter.core.rules import RuleName
from alerter.core.series import HoldReason, Tenant
from alerter.queries.explain_report import load_page

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Reader

#: The newest deliveries about each rule that are read.
MAX_DELIVERIES = 50


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked about."""

    tenant: Tenant
    reason: HoldReason
    rule: RuleName | None


@click.command()
@click.argument("tenant", metavar="TENANT", shell_complete=completion.live_alerts)
@click.argument("reason", metavar="REASON", required=False)
@config_option
@json_option
@click.option("--at", "at_text", metavar="TIME", help="When: '2h ago', '14:30' today, or a date. [default: now]")
@click.option("--rule", metavar="NAME", help="Only this rule.")
def explain(
    tenant: str, reason: str | None, config_path: Path | None, *, as_json: bool, at_text: str | None, rule: str | None
) -> None:
    """Explain what every rule finds for REASON of TENANT: how far it was from firing, and who was notified.

    In place of both, the id of an alert that status shows. With --at the history is read back to that time; the rules
    are those of now. REASON is a name, or a glob that matches one. Exit code 2 if what is asked about does not exist.
    """
    from alerter.queries.explain import explain as explained  # noqa: PLC0415 - as others
    from alerter.service.alerting_config import build_alerting_config  # noqa: PLC0415 - the libraries cost more than `--help` may

    config, now = load_without_secrets(config_path), clock.now()
    at = now if at_text is None else parse_time(at_text, config.service.timezone, option="--at", now=now)
    with read_store(config) as reader:
        asked = _asked(reader, config, tenant, reason, rule)
        found = explained(
            reader, build_alerting_config(config), asked.tenant, asked.reason, rule=asked.rule, at=at, now=now
        )
        page = load_page(reader, config, found)
    if as_json:
        print_json(page.json())
    else:
        click.echo("\n".join(_fitted(clean(line)) for line in page.lines()))


def _fitted(line: str) -> str:
    """Return a line as it fits a terminal, what is left over further to the right; in a pipe as it is."""
    if not sys.stdout.isatty():
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = get_terminal_size().columns
    return "\n".join(wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)) or line


def _asked(reader: "Reader", config: "Config", tenant: str, reason: str | None, rule: str | None) -> _Question:
    """Return what is asked about.

    Raises:
        click.UsageError: There is no such tenant, hold reason, alert or rule.
    """
    named = None if rule is None else resolve_name("rule", rule, [each.name for each in config.rules])
    if reason is None:
        key = alert_by_id(reader, tenant).key
        return _Question(tenant=key.tenant, reason=key.reason, rule=key.rule)
    known = list(dict.fromkeys([*config.tenants, *reader.polls.tenants()]))
    chosen = Tenant(resolve_name("tenant", tenant, known))
    reasons = [each.reason for each in reader.history.reasons(chosen)]
    return _Question(
        tenant=chosen,
        reason=HoldReason(resolve_name("hold reason", reason, reasons, of=f" of {chosen}")),
        rule=None if named is None else RuleName(named),
    )
