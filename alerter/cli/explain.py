"""`alerter explain`: why did I get this, and why did I not?"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import read_store
from alerter.cli.names import pasted, resolve_name
from alerter.cli.options import config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json
from alerter.cli.times import parse_time
from alerter.core.rules import RuleName
from alerter.core.selectors import build_selector
from alerter.core.series import HoldReason, Tenant
from alerter.errors import AlertNotFound
from alerter.queries.alerts import find_alert
from alerter.queries.explain_report import load_page

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Reader

#: The newest deliveries about each rule that are read.
MAX_DELIVERIES = 50
#: The tenants of which an example is shown to who left something out.
MAX_EXAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked about."""

    tenant: Tenant
    reason: HoldReason
    rule: RuleName | None


@click.command()
@click.argument("tenant", metavar="TENANT", required=False, shell_complete=completion.live_alerts)
@click.argument("reason", metavar="REASON", required=False)
@config_option
@json_option
@click.option("--at", "at_text", metavar="TIME", help="When: '2h ago', '14:30' today, or a date. [default: now]")
@click.option("--rule", metavar="NAME", help="Only this rule.")
def explain(
    tenant: str | None,
    reason: str | None,
    config_path: Path | None,
    *,
    as_json: bool,
    at_text: str | None,
    rule: str | None,
) -> None:
    """Explain what every rule finds for REASON of TENANT: how far it was from firing, and who was notified.

    In place of both, the id of an alert that status shows; where there is one tenant, REASON alone is enough. With --at
    the history is read back to that time; the rules are those of now. REASON is a name, or a glob that matches one.
    Exit code 2 if what is asked about does not exist.
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


def _asked(reader: "Reader", config: "Config", tenant: str | None, reason: str | None, rule: str | None) -> _Question:
    """Return what is asked about.

    Raises:
        click.UsageError: There is no such tenant, hold reason, alert or rule.
    """
    named = None if rule is None else resolve_name("rule", rule, [each.name for each in config.rules])
    known = list(dict.fromkeys([*config.tenants, *reader.polls.tenants()]))
    if tenant is None:
        raise click.UsageError(f"name the id of an alert, or a tenant and a hold reason{_examples(reader, known)}")
    if reason is None:
        try:
            key = find_alert(reader, tenant).key
        except AlertNotFound as error:
            tenant, reason = _both_names(reader, known, tenant, error)
        else:
            return _Question(tenant=key.tenant, reason=key.reason, rule=key.rule)
    chosen = Tenant(resolve_name("tenant", tenant, known))
    reasons = _reasons(reader, chosen)
    return _Question(
        tenant=chosen,
        reason=HoldReason(resolve_name("hold reason", reason, reasons, of=f" of {chosen}")),
        rule=None if named is None else RuleName(named),
    )


def _both_names(reader: "Reader", tenants: Sequence[str], name: str, not_found: AlertNotFound) -> tuple[str, str]:
    """Return the tenant and the hold reason of a name that is no alert's: of the only tenant, a hold reason.

    Raises:
        click.UsageError: It is a tenant's, or means nothing.
    """
    if name in tenants:
        raise click.UsageError(f"name a hold reason of {name} as well{_examples(reader, [name])}")
    if len(tenants) == 1:
        reasons = _reasons(reader, tenants[0])
        if any(map(build_selector((name,), reasons).matches, reasons)):
            return tenants[0], name
    raise click.UsageError(str(not_found))


def _reasons(reader: "Reader", tenant: str) -> Sequence[str]:
    return [each.reason for each in reader.history.reasons(Tenant(tenant))]


def _examples(reader: "Reader", tenants: Sequence[str]) -> str:
    """Return what can be typed, for the end of an error; empty where nothing was held so far."""
    lines = [f"alerter explain {alert.key.id}" for alert in reader.alerts.load_live()[:1]]
    for tenant, held in reader.history.held_by_reason([Tenant(each) for each in tenants[:MAX_EXAMPLES]]).items():
        lines.extend(f"alerter explain {pasted(tenant)} {pasted(reason)}" for reason in list(held)[:1])
    return "\n  ".join((", such as:", *lines)) if lines else ""
