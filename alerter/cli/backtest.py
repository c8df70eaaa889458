"""`alerter backtest`: what rules would have done on one's own history."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import open_store, read_store
from alerter.cli.names import resolve_name
from alerter.cli.options import CommandFailed, config_option, json_option, load_without_secrets
from alerter.cli.output import progress_bar
from alerter.cli.tenant_filter import filter_text, label_option, select_tenants
from alerter.cli.times import parse_time
from alerter.core.rules import Per, RuleName
from alerter.core.series import Span
from alerter.humanize import local_time_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.backtest.result import BacktestRun
    from alerter.storage import Store

#: The names that are listed in an error.
MAX_SHOWN = 5


@click.command()
@config_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one line per firing, for a spreadsheet.")
@click.option("--since", metavar="TIME", default="90d", show_default=True, help="From when on, such as 30d or a date.")
@click.option("--until", metavar="TIME", help="Until when. [default: now]")
@click.option(
    "--rules", "rules_path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Rules to try in place of those of the configuration.",
)  # fmt: skip
@click.option(
    "--diff", "diff_path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Other rules: what they would have done otherwise.",
)  # fmt: skip
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="For which tenants.",
    shell_complete=completion.tenants,
)  # fmt: skip
@label_option
@click.option("--rule", metavar="NAME", help="Show only this rule.")
def backtest(
    config_path: Path | None,
    *,
    as_json: bool,
    as_csv: bool,
    since: str,
    until: str | None,
    rules_path: Path | None,
    diff_path: Path | None,
    tenant: str,
    labels: Sequence[str],
    rule: str | None,
) -> None:
    """Show what the rules would have done on the stored history: what would have fired, when, for whom.

    Every poll is evaluated as it would have been live, from the beginning of the history on. Mute windows hold;
    silences and acknowledgements do not, for nobody would have been there to make them. A FILE of rules needs neither
    tenants nor secrets: these, and receivers and routes where it names none, are those of the configuration. Exit code
    1 if there is no history, 2 if a file is wrong.
    """
    from alerter.cli.backtest_report import BacktestReport, print_csv, print_json_report, print_text  # noqa: PLC0415 - as others

    if as_json and as_csv:
        raise click.UsageError("expected either --json or --csv, found both")
    now = clock.now()
    config, others = _configs(config_path, rules_path, diff_path)
    zone = config.service.timezone
    end = now if until is None else parse_time(until, zone, option="--until", now=now)
    span = Span(parse_time(since, zone, option="--since", now=now), end)
    if span.start_at >= span.end_at:
        raise click.BadParameter(f"expected a time before --until, found {since!r}", param_hint="--since")
    configs = [_chosen(each, tenant, labels) for each in (config, *others)]
    names = [_rule_names(configs, rule, number) for number in range(len(configs))]
    with open_store(config) as store, progress_bar() as on_progress:
        backtest_run = _rehearse(store, configs, span, on_progress)
        backtests = backtest_run.backtests()
        with store.read() as reader:
            silences = [each for each in reader.silences.silences(since=span.start_at) if each.starts_at < span.end_at]
    _refuse_nothing(backtest_run, span, config)
    found = BacktestReport(
        span=span,
        timezone=zone,
        known=tuple(backtest_run.known),
        sets=tuple(zip(names, backtests, strict=True)),
        has_silences=bool(silences),
        is_part=len(configs[0].tenants) < len(config.tenants)
        and any(each.scope is Per.ALL for one in configs for each in one.rules),
    )
    (print_json_report if as_json else print_csv if as_csv else print_text)(found)


def _configs(
    config_path: Path | None, rules_path: Path | None, diff_path: Path | None
) -> tuple["Config", list["Config"]]:
    """Return what decides, and what is compared with it."""
    from alerter.config.rule_files import load_rules  # noqa: PLC0415 - pydantic costs more than `--help` may

    installed = _installed(config_path, may_be_absent=rules_path is not None)
    if installed is not None:
        files = [load_rules(path, installed=installed) for path in (rules_path, diff_path) if path is not None]
        config, *others = files if rules_path is not None else (installed, *files)
        return config, list(others)
    if rules_path is None:
        raise AssertionError
    with read_store(load_rules(rules_path, installed=None)) as reader:
        tenants = list(reader.polls.tenants())
    config = load_rules(rules_path, installed=None, tenants=tenants)
    return config, [] if diff_path is None else [load_rules(diff_path, installed=config)]


def _installed(path: Path | None, *, may_be_absent: bool) -> "Config | None":
    """Return the configuration; None where there is none, and none is needed."""
    from alerter.config import find_config  # noqa: PLC0415 - as above
    from alerter.errors import ConfigError  # noqa: PLC0415 - as above

    try:
        find_config(path)
    except ConfigError:
        if may_be_absent:
            return None
        raise
    return load_without_secrets(path)


def _chosen(config: "Config", glob: str, labels: Sequence[str]) -> "Config":
    """Return a configuration as if it had only the tenants that a glob and labels choose."""
    wanted = select_tenants(glob, labels, config)
    chosen = {name: tenant for name, tenant in config.tenants.items() if wanted.matches(name)}
    if not chosen:
        names = ", ".join(list(config.tenants)[:MAX_SHOWN])
        said = f"no tenant matches {filter_text(glob, labels)}; there are: {names}"
        raise click.BadParameter(said, param_hint="--tenant")
    return replace(config, tenants=chosen)


def _rule_names(configs: Sequence["Config"], wanted: str | None, number: int) -> list[RuleName]:
    """Return the rules of a set that are shown: all of them, or the one that is meant, where this set has it."""
    own = list(dict.fromkeys(rule.name for rule in configs[number].rules))
    if wanted is None:
        return own
    known = dict.fromkeys(str(rule.name) for config in configs for rule in config.rules)
    name = resolve_name("rule", wanted, list(known))
    return [each for each in own if each == name]


def _rehearse(
    store: "Store", configs: Sequence["Config"], span: Span, on_progress: Callable[[float], None]
) -> "BacktestRun":
    from alerter.core.backtest.result import BacktestRun  # noqa: PLC0415 - as above
    from alerter.service.alerting_config import build_alerting_config  # noqa: PLC0415 - the libraries cost more than `--help` may

    backtest_run = BacktestRun(
        [build_alerting_config(config) for config in configs], since=span.start_at, until=span.end_at
    )
    tenants = configs[0].tenants
    for number, (name, tenant) in enumerate(tenants.items()):
        # One view for each tenant: while a view is open, what a service writes meanwhile piles up beside the file.
        with store.read() as reader:
            history = reader.history.full_history(name, poll_interval=tenant.poll_interval, timezone=tenant.timezone)
        backtest_run.add(history, on_progress=partial(_share, on_progress, number, len(tenants)))
    return backtest_run


def _share(on_progress: Callable[[float], None], number: int, tenants: int, share: float) -> None:
    on_progress((number + share) / tenants)


def _refuse_nothing(backtest_run: "BacktestRun", span: Span, config: "Config") -> None:
    """Make sure that something was seen before the end of what is asked about."""
    firsts = [known.since for known in backtest_run.known if known.since is not None]
    if not firsts:
        raise CommandFailed(
            "there is no history of these tenants yet: run `alerter poll`, or `alerter import` what others saw"
        )
    if min(firsts) >= span.end_at:
        begin = local_time_text(min(firsts), config.service.timezone)
        raise CommandFailed(f"the history begins {begin}, after --until: there is nothing to look at")
