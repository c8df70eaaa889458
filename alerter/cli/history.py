"""`alerter history`: what was."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import reading
from alerter.cli.names import pasted
from alerter.cli.options import Failed, config_option, load_without_secrets, output_options
from alerter.cli.output import clean, print_json, print_table, sparkline
from alerter.cli.tables import Table
from alerter.cli.tenant_filter import label_option, tenants_of, wanted_text
from alerter.humanize import local

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.series import Sample, Series


@click.command()
@click.argument("reason", shell_complete=completion.reasons)
@config_option
@output_options
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="Whose mail is held.",
    shell_complete=completion.tenants,
)  # fmt: skip
@label_option
@click.option("--since", metavar="SPAN", default="1d", show_default=True, help="How far back, such as 6h or 2w.")
def history(
    reason: str, config_path: Path | None, *, tenant: str, labels: Sequence[str], since: str, as_json: bool
) -> None:
    """Show how many messages REASON held over time. REASON is a name or a glob, in any case.

    One line per change; between two lines the count stayed as it was. Exit code 1 if nothing matches.
    """
    from alerter.config.types import duration  # noqa: PLC0415
    from alerter.core.rules import selector_of  # noqa: PLC0415

    try:
        span = duration(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    config, now = load_without_secrets(config_path), clock.now()
    with reading(config) as reader:
        tenants = list(reader.tenants())
        chosen = list(filter(tenants_of(tenant, labels, config).matches, tenants))
        known = [(name, each.reason) for name in chosen for each in reader.reasons(name)]
        wanted = selector_of((reason,), {each for _, each in known})
        found = [
            reader.samples(name, each, since=now - span, until=now) for name, each in known if wanted.matches(each)
        ]
    if not chosen:
        raise Failed(_no_match("tenant", tenant, tenants, said=wanted_text(tenant, labels)))
    if not found:
        raise Failed(_no_match("hold reason", reason, [name for _, name in known]))
    if as_json:
        print_json([_history_json(series, since=now - span) for series in found])
        return
    for series in found:
        _print_history(series, config, since=now - span, now=now)


def _no_match(kind: str, wanted: str, known: Sequence[str], *, said: str = "") -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    names = sorted(set(known))
    close = get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:5]
    more = ", …" if len(close) < len(names) else ""
    hint = f"; there are: {', '.join(map(pasted, close))}{more}" if close else ""
    return f"no {kind} matches {said or repr(wanted)}{hint}"


def _print_history(series: "Series", config: "Config", *, since: datetime, now: datetime) -> None:
    rows = []
    before: int | None = None
    for sample in _known(series, since=since):
        step = "" if before is None else f"{sample.count - before:+,}"
        at = max(sample.at, since)
        rows.append((local(at, config.service.timezone), f"{sample.count:,}", step))
        before = sample.count
    if sys.stdout.isatty():
        click.echo(f"{series.tenant}: {clean(series.reason)}\n{sparkline(series, since=since, until=now, width=48)}")
    prefix = (series.tenant, series.reason)
    columns = ("at", ">held", ">step")
    print_table(Table(title="Changes", columns=columns, rows=rows, empty="nothing was held", prefix=prefix))


def _known(series: "Series", *, since: datetime) -> Sequence["Sample"]:
    """Return the changes without the value at the start where polling did not cover it: nobody saw that."""
    return [sample for sample in series.changes if sample.at > since or series.value_at(since) is not None]


def _history_json(series: "Series", *, since: datetime) -> Mapping[str, object]:
    return {
        "tenant": series.tenant,
        "reason": series.reason,
        "changes": [{"at": sample.at, "held": sample.count} for sample in _known(series, since=since)],
        "coverage": [{"since": span.since, "until": span.until} for span in series.coverage],
    }
