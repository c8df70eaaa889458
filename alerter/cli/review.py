"""`alerter review`: which rules alerted, who acted on it, and which limit would have made it half."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.database_access import open_store
from alerter.cli.options import config_option, json_option, load_without_secrets
from alerter.cli.output import clean, print_json, print_table, transient_line
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import label_option, parse_tenant_filter, tenant_option
from alerter.cli.times import parse_time
from alerter.core.backtest.half_limits import HalfLimit, WhyNot
from alerter.core.review import BRIEF, EpisodeSummary, Review
from alerter.core.series import Span
from alerter.humanize import count_text, duration_text, local_time_text, short_duration_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.queries.review import ReviewWithLimits

#: The rules and series that are shown: one screen. `--json` has all.
MAX_RULES, MAX_SERIES = 8, 5
_WHY_NOT = {
    WhyNot.FEW: "",
    WhyNot.GONE: "rule removed",
    WhyNot.SUM: "not replayed: a sum",
    WhyNot.TIME: "not known: too long",
    WhyNot.NONE: "no single limit",
}


@click.command()
@config_option
@json_option
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="From when on, such as 7d or a date.")
@tenant_option
@label_option
def review(config_path: Path | None, *, as_json: bool, since: str, tenant: str | None, labels: Sequence[str]) -> None:
    """Review past alerts: which rules alerted, who acted on it, and which limit would have made it half.

    What began since TIME is counted; the levels of a rule that fired at the same time are one alert. Of a rule that
    alerted four times or more, each of its numbers is tried on the stored history: the smallest change with which it
    would have alerted half as often is named. That takes 20 seconds at most; what is not known by then is said.
    """
    from alerter.queries.review import load_review, review_json  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    config, now = load_without_secrets(config_path), clock.now()
    choice = parse_tenant_filter(tenant, labels)
    start = parse_time(since, config.service.timezone, option="--since", now=now)
    with open_store(config) as store, transient_line() as show:
        show("trying limits on the stored history, 20 seconds at most …")
        found = load_review(
            store,
            config,
            Span(start, now),
            tenants=None if choice.is_everything else lambda name: choice.takes(name, config),
            seconds=lambda: clock.now().timestamp(),
        )
    if not found.review.rules:
        choice.names(config)  # says it if that is because of a name that nobody has
    if as_json:
        print_json(review_json(found))
    else:
        _print(found, config, now=now)


def _print(found: "ReviewWithLimits", config: "Config", *, now: datetime) -> None:
    review_ = found.review
    for line in _introduction(review_, config, now=now):
        click.echo(clean(line))
    if not review_.rules:
        return
    click.echo()
    print_table(
        Table(
            title="Rules",
            columns=(
                Column("rule", min_width=10),
                ">alerts",
                ">acked",
                ">brief",
                ">no action",
                ">median",
                Column("half with", min_width=24, cut=Cut.END),
            ),
            rows=[
                (each.rule, *_numbers(each.summary), _half_cell(found.limits[each.rule]))
                for each in review_.rules[:MAX_RULES]
            ],
        )
    )
    if len(review_.rules) > MAX_RULES:
        click.echo(f"and {count_text(len(review_.rules) - MAX_RULES, 'more rule')}: --json has all\n")
    _print_series(review_, config)
    click.echo(f"brief: over within {duration_text(BRIEF)} by itself; no action: sent, not acknowledged or silenced;")
    click.echo("half with: the smallest edit that halves the alerts (how many are left)")


def _introduction(review_: Review, config: "Config", *, now: datetime) -> list[str]:
    begin = review_.span.start_at
    since = f"Since {local_time_text(begin, config.service.timezone)} ({short_duration_text(now - begin)} ago)"
    summary = review_.summary
    if not summary.episodes:
        return [f"{since}: no alert began."]
    how_many = f"{count_text(summary.episodes, 'alert')} of {count_text(len(review_.rules), 'rule')}"
    parts = [f"{summary.acknowledged:,} acknowledged", f"{summary.silenced:,} silenced", f"{summary.brief:,} brief"]
    parts.append(f"{summary.without_action:,} without action")
    if summary.firing:
        parts.append(f"{summary.firing:,} still firing")
    return [f"{since}: {how_many} at {count_text(review_.tenants, 'tenant')}.", ", ".join(parts)]


def _numbers(summary: EpisodeSummary) -> tuple[str, ...]:
    return (
        f"{summary.episodes:,}",
        f"{summary.acknowledged:,}",
        f"{summary.brief:,}",
        f"{summary.without_action:,}",
        "" if summary.median is None else short_duration_text(summary.median),
    )


def _half_cell(limit: HalfLimit) -> Cell:
    if limit.why_not is not None:
        return Cell(limit.why_not, _WHY_NOT[limit.why_not])
    if not limit.edit:
        return Cell(f"as it is now ({limit.episodes})")
    return Cell(f"{limit.severity}: {limit.edit} ({limit.episodes})", f"{limit.edit} ({limit.episodes})")


def _print_series(review_: Review, config: "Config") -> None:
    series = [(number, each.rule, subject) for each in review_.rules for subject, number in each.subjects]
    series.sort(key=lambda each: -each[0])
    print_table(
        Table(
            title="Most often",
            columns=(
                ">alerts",
                Column("rule", min_width=10),
                Column("tenant", min_width=8, is_hidden=len(config.tenants) == 1),
                Column("hold reason", min_width=20),
            ),
            rows=[
                (f"{number:,}", rule, subject.tenant, subject.reason) for number, rule, subject in series[:MAX_SERIES]
            ],
        )
    )
