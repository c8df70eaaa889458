"""`alerter history`: counts of hold reasons over time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.colors import is_for_people, paint
from alerter.cli.database_access import read_store
from alerter.cli.names import pasted
from alerter.cli.options import CommandFailed, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, encodable, print_json, print_table, terminal_width, time_cell
from alerter.cli.tables import Cell, Table, shorten
from alerter.cli.tenant_filter import filter_text, label_option, select_tenants
from alerter.core.rules import Per
from alerter.humanize import age_text, local_time_text
from alerter.queries.history import history_json, known_changes

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.charts.figure import Band, Figure
    from alerter.core.series import Series
    from alerter.storage import Reader

#: How many changes a terminal lists below the chart.
MAX_CHANGES = 10
#: What an error names of what can be asked for.
MAX_EXAMPLES = 3


@click.command()
@click.argument("reason", metavar="REASON", required=False, shell_complete=completion.reasons)
@config_option
@json_option
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="Whose mail is held.",
    shell_complete=completion.tenants,
)  # fmt: skip
@label_option
@click.option("--since", metavar="SPAN", default="1d", show_default=True, help="How far back, such as 6h or 2w.")
@click.option("--all", "everything", is_flag=True, help="List every change, not only the last ones.")
def history(
    reason: str | None,
    config_path: Path | None,
    *,
    tenant: str,
    labels: Sequence[str],
    since: str,
    everything: bool,
    as_json: bool,
) -> None:
    """Show how many messages REASON held over time. REASON is a name or a glob, in any case.

    On a terminal: a chart with limits and when alerts fired, and the last changes. In a pipe: one line per change;
    between two lines the count stayed the same. Exit code 1 if nothing matches.
    """
    from alerter.config.types import parse_duration  # noqa: PLC0415
    from alerter.core.selectors import build_selector  # noqa: PLC0415

    try:
        span = parse_duration(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        tenants = list(reader.polls.tenants())
        chosen = list(filter(select_tenants(tenant, labels, config).matches, tenants))
        if not chosen:
            raise CommandFailed(_no_match("tenant", tenant, tenants, said=filter_text(tenant, labels)))
        reasons = reader.history.reasons_by_tenant(chosen)
        known = [(name, each) for name in chosen for each in reasons.get(name, ())]
        if reason is None:
            raise click.UsageError(f"name a hold reason{_examples([each for _, each in known])}")
        wanted = build_selector((reason,), {each for _, each in known})
        pairs = [(name, each) for name, each in known if wanted.matches(each)]
        found = reader.history.samples_of_many(pairs, since=now - span, until=now)
    if not found:
        raise CommandFailed(_no_match("hold reason", reason, [name for _, name in known]))
    if as_json:
        print_json([history_json(series, since=now - span) for series in found])
        return
    with read_store(config) as reader:
        bands = _bands(found, reader, since=now - span, now=now) if is_for_people() else {}
        # Of several it would be asked one by one.
        renamed = _renamed(found[0], reader, config, now=now) if is_for_people() and len(found) == 1 else ""
    for series in found:
        own, most = bands.get((series.tenant, series.reason), ()), None if everything else MAX_CHANGES
        _print_history(series, own, renamed, config, since=now - span, now=now, most=most)


def _examples(reasons: Sequence[str]) -> str:
    """Return what can be typed, for the end of an error; empty where nothing was held so far."""
    lines = [f"alerter history {pasted(each)}" for each in list(dict.fromkeys(reasons))[:MAX_EXAMPLES]]
    return "\n  ".join((", such as:", *lines)) if lines else ""


def _no_match(kind: str, wanted: str, known: Sequence[str], *, said: str = "") -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    names = sorted(set(known))
    close = get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:5]
    more = ", …" if len(close) < len(names) else ""
    hint = f"; there are: {', '.join(map(pasted, close))}{more}" if close else ""
    return f"no {kind} matches {said or repr(wanted)}{hint}"


def _print_history(
    series: "Series",
    bands: Sequence["Band"],
    renamed: str,
    config: "Config",
    *,
    since: datetime,
    now: datetime,
    most: int | None,
) -> None:
    rows: list[tuple[Cell | str, ...]] = []
    before: int | None = None
    for sample in known_changes(series, since=since):
        step = "" if before is None else f"{sample.count - before:+,}"
        at = max(sample.at, since)
        rows.append((time_cell(at, config.service.timezone, now=now), f"{sample.count:,}", step))
        before = sample.count
    prefix, columns = (series.tenant, series.reason), ("changed", ">held", ">step")
    if not is_for_people():
        print_table(Table(title="Changes", columns=columns, rows=rows, prefix=prefix))
        return
    _print_chart(series, bands, config, since=since, now=now, renamed=renamed)
    shown = rows[::-1] if most is None else rows[::-1][:most]
    title = "Last changes" if len(shown) < len(rows) else "Changes"
    print_table(Table(title=title, columns=columns, rows=shown, empty="nothing was held"))
    if len(shown) < len(rows):
        click.echo(f"and {len(rows) - len(shown):,} earlier; --all lists all of them\n")


def _print_chart(
    series: "Series", bands: Sequence["Band"], config: "Config", *, since: datetime, now: datetime, renamed: str
) -> None:
    from alerter.cli.chart import chart_lines  # noqa: PLC0415 - only a terminal pays for it

    figure = _figure(series, bands, config, since=since, now=now)
    highest, newest = figure.highest, figure.newest
    known = "nothing is known" if highest is None or newest is None else (
        f"{newest.count:,} held, highest {highest.count:,} {age_text(highest.at, now=now)}"
    )  # fmt: skip
    name = shorten(clean(f"{series.tenant}: {series.reason}"), terminal_width())
    click.echo(f"{encodable(paint(name, 'title'))}\n{known}")
    if renamed:
        click.echo(encodable(clean(renamed)))
    for line in chart_lines(figure, config.service.timezone, width=terminal_width()):
        click.echo(encodable(line))
    click.echo()


def _renamed(series: "Series", reader: "Reader", config: "Config", *, now: datetime) -> str:
    """Return what a hold reason was called before, or is called since; empty where it was not renamed."""
    from alerter.queries.renames import load_rename, rename_text  # noqa: PLC0415 - only a terminal pays for it

    tenant = config.tenants.get(series.tenant)
    if tenant is None:
        return ""
    interval = tenant.poll_interval
    rename = load_rename(reader, series.tenant, series.reason, poll_interval=interval, now=now)
    if rename is None:
        return ""
    return rename_text(rename, series.reason, local_time_text(rename.at, config.service.timezone))


def _bands(
    found: Sequence["Series"], reader: "Reader", *, since: datetime, now: datetime
) -> Mapping[tuple[str, str], Sequence["Band"]]:
    """Return when alerts of these series fired, by tenant and reason."""
    from alerter.core.alerts import firing_spans  # noqa: PLC0415 - only a terminal pays for it
    from alerter.core.charts.figure import Band  # noqa: PLC0415

    shown = {(series.tenant, series.reason) for series in found}
    own = [each for each in reader.alerts.load_all() if (each.key.tenant, each.key.reason) in shown]
    firings = reader.alerts.firing_transitions([each.key for each in own], since=since)
    bands: dict[tuple[str, str], list[Band]] = {}
    for each in own:
        for span in firing_spans(each, firings.get(each.key, ()), since=since, now=now):
            band = Band(start_at=span.start_at, end_at=span.end_at, label=each.key.rule, severity=each.key.severity)
            bands.setdefault((each.key.tenant, each.key.reason), []).append(band)
    return bands


def _figure(series: "Series", bands: Sequence["Band"], config: "Config", *, since: datetime, now: datetime) -> "Figure":
    """Return the counts with the limits of the rules that look at them, and when their alerts fired."""
    from alerter.core.charts.figure import build_figure, fixed_limits  # noqa: PLC0415

    looking = [
        rule for rule in config.rules if rule.tenants.matches(series.tenant) and rule.reasons.matches(series.reason)
    ]
    limits = fixed_limits([rule for rule in looking if rule.scope is Per.REASON])
    return build_figure(series, start_at=since, end_at=now, limits=limits, alerts=bands)
