"""`alerter import`: history that was exported, or that another tool kept, from files."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from alerter import clock
from alerter.cli.options import USAGE, config_option, json_option, load_without_secrets
from alerter.cli.output import clean, count_text, print_json, problem_json, progress_line
from alerter.core.conditions import duration_text
from alerter.core.series import from_epoch_us
from alerter.humanize import local_time_text, short_duration_text

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.series import Tenant
    from alerter.errors import InputError
    from alerter.jobs.import_history import ImportResult, TenantImport

#: The shortest distance of two polls.
MIN_INTERVAL = timedelta(seconds=1)
#: What `--column` may name; the adapter has the same. `count` is another name for `held`.
_FIELDS = ("time", "tenant", "reason", "held")


def _columns(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for each in value:
        name, equals, column = each.partition("=")
        field = "held" if name == "count" else name
        if field not in _FIELDS or not equals or not column or field in columns:
            names = "time, tenant, reason or held"
            raise click.BadParameter(
                f"expected {names}, each once, '=' and a column, found {each!r}", context, parameter
            )
        columns[field] = column.strip()
    return columns


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=True))
@config_option
@click.option("--tenant", metavar="NAME", help="Whose history it is. [default: as the file says, or the only tenant]")
@click.option(
    "--column", "columns", metavar="FIELD=NAME", multiple=True, callback=_columns,
    help="Which column is the time, tenant, reason or held (the count), if it is not called so.",
)  # fmt: skip
@click.option("--interval", metavar="SPAN", help="How often it was polled. [default: as the rows show]")
@click.option(
    "--timezone", "zone_name", metavar="NAME", help="Of times without an offset, which are refused otherwise."
)
@click.option("--dry-run", is_flag=True, help="Check everything and show what is new; change nothing.")
@json_option
def import_(
    files: tuple[str, ...],
    config_path: Path | None,
    *,
    tenant: str | None,
    columns: dict[str, str],
    interval: str | None,
    zone_name: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import history from FILE..., all of it or nothing.

    A FILE is what `alerter export` wrote, or CSV with the columns time, tenant, reason and count. Every other one is
    refused, with the line that converts it if it is known. What is stored stays as it is: an import fills time of which
    nothing is stored, so that a second import changes nothing. FILE is `-` for standard input. A service goes on
    meanwhile. Exit code 2 if anything is wrong with a FILE; then nothing was changed.
    """
    from alerter.config.types import checked_name  # noqa: PLC0415
    from alerter.errors import InputError  # noqa: PLC0415
    from alerter.import_export import FileOptions, ValueParser, read  # noqa: PLC0415 - as others
    from alerter.jobs.import_history import import_history  # noqa: PLC0415
    from alerter.jobs.import_staging import ImportStaging  # noqa: PLC0415
    from alerter.service.wiring import open_store_for_import  # noqa: PLC0415

    distance = None if interval is None else _interval(interval)
    config, now = load_without_secrets(config_path), clock.now()
    layout = FileOptions(
        tenant=None if tenant is None else _known_tenant(tenant, config),
        default_tenant=next(iter(config.tenants)) if len(config.tenants) == 1 else None,
        columns=columns,
    )
    zone = None if zone_name is None else _timezone(zone_name)
    try:
        with progress_line() as show:
            staging = ImportStaging(lambda rows: show(f"{rows:,} rows read"))
            for path in files:
                staging.read(path, read(path, layout, ValueParser(timezone=zone, check_tenant=checked_name, now=now)))
            given = staging.validate(interval=distance)
            show("comparing with what is stored")
            with open_store_for_import(config, is_dry=dry_run) as store:
                done = import_history(
                    given,
                    staging.entries,
                    store,
                    is_dry=dry_run,
                    on_progress=lambda number, of: show(f"{number:,} of {of:,} changes written"),
                )
    except InputError as error:
        _refuse(error, as_json=as_json)
    if as_json:
        print_json(_imported_json(done, is_dry=dry_run))
        return
    for each in done.tenants:
        click.echo(_tenant_text(each, zone or config.service.timezone))
    click.echo(_total_text(done, is_dry=dry_run))
    for note in _notes(done, config, now=now):
        click.echo(f"warning: {note}", err=True)


def _interval(text: str) -> timedelta:
    from alerter.config.types import at_least, parse_duration  # noqa: PLC0415 - pydantic costs more than `--help` may

    try:
        return at_least(parse_duration(text), MIN_INTERVAL)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--interval") from None


def _timezone(name: str) -> tzinfo:
    from alerter.config.types import parse_timezone  # noqa: PLC0415

    try:
        return parse_timezone(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timezone") from None


def _known_tenant(name: str, config: "Config") -> "Tenant":
    """Return a tenant by its name: a misspelt one must not become another."""
    from alerter.config.problems import suggestion  # noqa: PLC0415
    from alerter.core.series import Tenant  # noqa: PLC0415

    if name not in config.tenants:
        hint = suggestion(name, config.tenants)
        known = ", ".join(map(repr, list(config.tenants)[:5]))
        text = f"expected a tenant of the configuration ({known}), found {name!r}{hint}"
        raise click.BadParameter(text, param_hint="--tenant")
    return Tenant(name)


def _refuse(error: "InputError", *, as_json: bool) -> NoReturn:
    """Show what is wrong, and end."""
    if as_json:
        print_json({"ok": False, "errors": list(map(problem_json, error.problems)), "count": error.count})
    else:
        click.echo("\n".join(clean(str(problem)) for problem in error.problems), err=True)
        shown = f", of which the first {len(error.problems)} are shown" if error.count > len(error.problems) else ""
        click.echo(f"{count_text(error.count, 'error')}{shown}; nothing was imported", err=True)
    raise click.exceptions.Exit(USAGE)


def _tenant_text(each: "TenantImport", zone: tzinfo) -> str:
    failed = f"; {count_text(each.failed_polls, 'new failed poll')}" if each.failed_polls else ""
    if not each.coverage:
        return f"{each.tenant}: no successful poll{failed}"
    since, until = (
        local_time_text(from_epoch_us(at), zone) for at in (each.coverage[0].since, each.coverage[-1].until)
    )
    every = f", polled every {duration_text(each.interval)}" if each.interval else ""
    polls, new = (sum(run.polls for run in runs) for runs in (each.coverage, each.added))
    longest = max((gap.end_at - gap.start_at for gap in each.gaps), default=timedelta(0))
    gaps = f"{count_text(len(each.gaps), 'gap')}, the longest {short_duration_text(longest)}" if each.gaps else "no gap"
    return (
        f"{each.tenant}: {count_text(each.reasons, 'hold reason')}{every}\n"
        f"    from {since} until {until}\n"
        f"    {count_text(polls, 'poll')}, {new:,} of them new; {gaps}{failed}"
    )


def _total_text(done: "ImportResult", *, is_dry: bool) -> str:
    changes = sum(each.changes for each in done.tenants)
    read = f"{count_text(done.entries, 'row')} read"
    if not any(each.added or each.failed_polls for each in done.tenants):
        return f"{read}; nothing is new: all of that time is covered already, and stays as it is"
    would = "would be written; nothing was changed" if is_dry else "written"
    return f"{read}; {count_text(changes, 'change')} of counts {would}"


def _notes(done: "ImportResult", config: "Config", *, now: datetime) -> Iterator[str]:
    """Yield what the user may not have meant."""
    unknown = [each.tenant for each in done.tenants if each.tenant not in config.tenants]
    if unknown:
        names = ", ".join(unknown[:5]) + (", …" if len(unknown) > len(unknown[:5]) else "")
        yield f"{config.path} has no tenant {names}: no rule evaluates that history"
    oldest = min((from_epoch_us(run.since) for each in done.tenants for run in each.added), default=now)
    if now - oldest > config.service.retention:
        kept = duration_text(config.service.retention)
        yield f"the service deletes what is older than its retention, {kept}, within an hour"


def _imported_json(done: "ImportResult", *, is_dry: bool) -> Mapping[str, object]:
    return {
        "ok": True,
        "dry_run": is_dry,
        "entries": done.entries,
        "tenants": [
            {
                "tenant": each.tenant,
                "reasons": each.reasons,
                "interval": each.interval,
                "since": from_epoch_us(each.coverage[0].since) if each.coverage else None,
                "until": from_epoch_us(each.coverage[-1].until) if each.coverage else None,
                "polls": sum(run.polls for run in each.coverage),
                "new_polls": sum(run.polls for run in each.added),
                "new_failed_polls": each.failed_polls,
                "changes": each.changes,
                "gaps": [{"since": gap.start_at, "until": gap.end_at} for gap in each.gaps],
            }
            for each in done.tenants
        ],
    }
