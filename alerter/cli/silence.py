"""`alerter silence`: silences, by what they match and for how long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.alerts import alert_columns, alert_row, alerts_by_ids
from alerter.cli.database_access import read_store, write_store
from alerter.cli.names import matching_reasons, pasted
from alerter.cli.options import (
    Command,
    CommandFailed,
    author_option,
    command_actor,
    config_option,
    json_option,
    line_of_text,
    load_without_secrets,
    recorded_author_option,
)
from alerter.cli.output import clean, print_json, print_table
from alerter.cli.tables import Cell, Column, Cut, Table
from alerter.cli.tenant_filter import parse_labels
from alerter.cli.times import parse_future_time
from alerter.core.alerts import Alert, AlertState, AlertSubject
from alerter.core.rules import Severity
from alerter.core.selectors import Selector, build_selector, idle_globs, literal_glob, match_labels
from alerter.core.series import ALL_TENANTS
from alerter.core.silences import MAX_SILENCE, AlertMatcher, Silence
from alerter.errors import ActionRefused
from alerter.humanize import age_text, local_time_text, short_duration_text
from alerter.queries.alerts import alert_json, worst_first
from alerter.queries.mutes import (
    MAX_SHOWN,
    ActiveMutes,
    end_text,
    load_active_mutes,
    matcher_text,
    silence_json,
    silence_state,
)

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.storage import Reader

#: Before the end of every silence.
EVER = datetime.fromtimestamp(0, UTC)


_MATCHERS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--tenant",
        "tenants",
        metavar="GLOB",
        multiple=True,
        help="Whose mail is held.",
        shell_complete=completion.tenants,
    ),
    click.option(
        "--label",
        "labels",
        metavar="NAME=GLOB",
        multiple=True,
        help="A label that its tenant has, such as customer=acme.",
        shell_complete=completion.labels,
    ),
    click.option(
        "--reason",
        "reasons",
        metavar="GLOB",
        multiple=True,
        help="Why it is held.",
        shell_complete=completion.reasons,
    ),
    click.option(
        "--rule", "rules", metavar="GLOB", multiple=True, help="Which rule fires.", shell_complete=completion.rules
    ),
    click.option(
        "--severity", "severities", type=click.Choice([*map(str, Severity)]), multiple=True, help="Its level."
    ),
    click.option("--all", "everything", is_flag=True, help="Every alert, in place of the options above."),
)


def _matcher_options(command: Command) -> Command:
    return reduce(lambda decorated, option: option(decorated), reversed(_MATCHERS), command)


@click.group(epilog="Every one of these commands takes --config PATH.")
def silence() -> None:
    """Silence alerts for a time. When it ends, receivers are notified only if something has changed for them."""


@silence.command()
@click.argument("names", metavar="[ALERT]...", nargs=-1, shell_complete=completion.live_alerts)
@config_option
@_matcher_options
@click.option("--start", metavar="TIME", help="From when on, such as 'tomorrow 08:00' or 'in 2h'. [default: now]")
@click.option("--for", "span", metavar="SPAN", help="How long, such as 2h or 3d; at most 30d.")
@click.option("--until", metavar="TIME", help="Or until when: 18:00, 'mon 09:00' or ISO 8601.")
@author_option
@click.option("--comment", metavar="TEXT", required=True, callback=line_of_text, help="Why.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show which alerts it would match now; change nothing.")
@json_option
def add(
    names: tuple[str, ...],
    config_path: Path | None,
    *,
    tenants: tuple[str, ...],
    labels: tuple[str, ...],
    reasons: tuple[str, ...],
    rules: tuple[str, ...],
    severities: tuple[str, ...],
    everything: bool,
    start: str | None,
    span: str | None,
    until: str | None,
    author: str,
    comment: str,
    is_dry: bool,
    as_json: bool,
) -> None:
    """Add a silence for the alerts that match all of the options; of one that is repeated, any.

    Or for each ALERT: an id as messages and status show it, its first characters, or the ref of a notification. Such a
    silence is for that rule, tenant and hold reason, whatever the level.
    A GLOB is in any case, and `!GLOB` excludes. A silence by label is for tenants that have the label at the time, not
    for sums over all tenants. Exit code 2 if the silence is for nothing in particular, has no end, or one that is too
    far off.
    """
    _check_purpose((names, tenants, labels, reasons, rules, severities), everything=everything)
    if names and any((tenants, labels, reasons, rules, severities)):
        raise click.UsageError("expected alerts alone, found them with options that choose others")
    for option, globs in (("--tenant", tenants), ("--reason", reasons), ("--rule", rules)):
        _check_globs(globs, option)
    wanted = parse_labels(labels)
    config, now = load_without_secrets(config_path), clock.now()
    begin, end = _span_of(start, span, until, config.service.timezone, now=now)
    with read_store(config) as reader:
        chosen = matching_reasons(reasons, reader)
        alerts = alerts_by_ids(reader, names)
    if names:
        subjects = dict.fromkeys(each.key.subject for each in alerts)
        if as_json and len(subjects) > 1:
            raise click.UsageError(f"expected one alert with --json, found {len(subjects)}")
        for subject in subjects:
            asked = Silence(
                id=0, matcher=_matcher_of(subject), author=author, comment=comment, starts_at=begin, ends_at=end
            )
            _add(asked, config, now=now, is_dry=is_dry, as_json=as_json)
        return
    matcher = AlertMatcher(
        tenants=build_selector(tenants, config.tenants),
        labels=wanted,
        reasons=chosen,
        rules=build_selector(rules, [rule.name for rule in config.rules]),
        severities=frozenset(map(Severity, severities)),
    )
    asked = Silence(id=0, matcher=matcher, author=author, comment=comment, starts_at=begin, ends_at=end)
    for doubt in _doubts(matcher, config):
        click.echo(f"warning: {doubt}", err=True)
    _add(asked, config, now=now, is_dry=is_dry, as_json=as_json)


def _matcher_of(subject: AlertSubject) -> AlertMatcher:
    """Return what matches the alerts of one rule, tenant and hold reason, and no other."""
    return AlertMatcher(
        tenants=Selector((literal_glob(subject.tenant),)),
        reasons=Selector((literal_glob(subject.reason),)),
        rules=Selector((literal_glob(subject.rule),)),
    )


def _check_purpose(matchers: Iterable[tuple[str, ...]], *, everything: bool) -> None:
    if any(matchers) and everything:
        raise click.UsageError("expected --all alone, found it with one that chooses")
    if not any(matchers) and not everything:
        raise click.UsageError(
            "expected an alert's id, --tenant, --label, --reason, --rule or --severity; or --all for every alert"
        )


def _check_globs(globs: tuple[str, ...], option: str) -> None:
    from alerter.config.types import parse_glob  # noqa: PLC0415 - pydantic costs more than `--help` may

    try:
        for each in globs:
            parse_glob(each)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _span_of(
    start: str | None, span: str | None, until: str | None, timezone: tzinfo, *, now: datetime
) -> tuple[datetime, datetime]:
    """Return when a silence begins and ends."""
    from alerter.jobs.silence import check_end, check_start  # noqa: PLC0415 - the libraries cost more than `--help` may

    if (span is None) == (until is None):
        raise click.UsageError(f"expected one of --for and --until, found {'neither' if span is None else 'both'}")
    begin = now if start is None else parse_future_time(start, timezone, option="--start", now=now)
    try:
        check_start(begin, timezone, now=now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--start") from None
    option = "--until" if span is None else "--for"
    try:
        end = (
            parse_future_time(until or "", timezone, option=option, now=begin) if span is None else begin + _span(span)
        )
        check_end(end, timezone, start=begin, now=now)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    return begin, end


def _span(text: str) -> timedelta:
    from alerter.config.types import at_most, parse_duration  # noqa: PLC0415

    return at_most(parse_duration(text), MAX_SILENCE)


def _doubts(matcher: AlertMatcher, config: "Config") -> Iterator[str]:
    """Yield what makes a silence useless as the configuration is now: a misspelt name, mostly."""
    known = (
        ("--tenant", matcher.tenants, list(config.tenants)),
        ("--rule", matcher.rules, list(dict.fromkeys(rule.name for rule in config.rules))),
    )
    for option, selector, names in known:
        # A sum over tenants has a name of its own.
        if idle := idle_globs(selector.globs, [*names, ALL_TENANTS]):
            yield f"{option} {' '.join(map(repr, idle))} matches nothing; there are: {_some(names)}"
    for name, selector in matcher.labels.items():
        yield from _doubts_of_label(name, selector, config)


def _doubts_of_label(name: str, selector: Selector, config: "Config") -> Iterator[str]:
    if any(match_labels(tenant.labels, {name: selector}) for tenant in config.tenants.values()):
        return
    values = sorted({tenant.labels[name] for tenant in config.tenants.values() if name in tenant.labels})
    globs = " ".join(map(repr, selector.globs))
    yield f"--label {name}={globs} matches nothing; " + (
        f"there are: {_some(values)}" if values else _labels_of(config)
    )


def _labels_of(config: "Config") -> str:
    names = sorted({name for tenant in config.tenants.values() for name in tenant.labels})
    return f"there are labels {_some(names)}" if names else "no tenant has labels"


def _some(names: Sequence[str]) -> str:
    """Return names in quotes, the first of them where they are many."""
    more = f" and {len(names) - MAX_SHOWN:,} more" if names[MAX_SHOWN:] else ""
    return f"{', '.join(map(pasted, names[:MAX_SHOWN])) or 'none'}{more}"


def _add(asked: Silence, config: "Config", *, now: datetime, is_dry: bool, as_json: bool) -> None:
    from alerter.jobs.silence import add as add_job  # noqa: PLC0415 - the libraries cost more than `--help` may

    if is_dry:
        with read_store(config) as reader:
            alerts, active_mutes = _alerts_and_mutes(reader, config, now=now)
    else:
        with write_store(config) as transaction:
            asked = add_job(transaction, asked, by=command_actor(asked.author), now=now)
            alerts, active_mutes = _alerts_and_mutes(transaction, config, now=now)
    labels = config.labels_by_tenant
    fitting = (alert for alert in alerts if asked.matcher.matches(alert, labels.get(alert.key.tenant, {})))
    matching = sorted(fitting, key=worst_first)
    if as_json:
        number = None if is_dry else asked.id
        shown = {**silence_json(asked, now=now), "silence": number}
        print_json({**shown, "matches": [alert_json(alert, active_mutes) for alert in matching]})
        return
    zone = config.service.timezone
    what = "would be muted" if is_dry else f"silence {asked.id}"
    begin = f" from {end_text(asked.starts_at, zone, now=now)}" if asked.starts_at > now else ""
    until = end_text(asked.ends_at, zone, now=now)
    click.echo(f"{what}{begin} until {until}: {clean(matcher_text(asked.matcher))}")
    print_table(_alert_table(matching, active_mutes))


def _alerts_and_mutes(reader: "Reader", config: "Config", *, now: datetime) -> tuple[list[Alert], ActiveMutes]:
    """Return the alerts that are firing or pending, and the mutes of now."""
    stored = reader.alerts.load()
    active_mutes = load_active_mutes(reader, config, stored, now=now)
    return [alert for alert in stored if alert.state is not AlertState.INACTIVE], active_mutes


def _alert_table(alerts: Sequence[Alert], active_mutes: ActiveMutes) -> Table:
    return Table(
        title="Matches now",
        columns=alert_columns(active_mutes.config),
        rows=[alert_row(alert, active_mutes) for alert in alerts],
        empty="no alert",
    )


@silence.command("list")
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
def list_(config_path: Path | None, *, as_json: bool, everything: bool) -> None:
    """List the silences that are active or have not begun, with author, comment and end."""
    config, now = load_without_secrets(config_path), clock.now()
    with read_store(config) as reader:
        silences = reader.silences.silences(since=EVER if everything else now)
    if as_json:
        print_json([silence_json(each, now=now) for each in silences])
        return
    zone = config.service.timezone
    print_table(
        Table(
            title="Silences",
            columns=(
                ">no.", Column("state", cut=Cut.NEVER), Column("for", min_width=20), Column("since", drop=2), "until",
                Column("author", drop=1), Column("comment", cut=Cut.END, drop=3),
            ),
            rows=[
                (str(each.id), Cell(silence_state(each, now=now), style="good" if each.is_active(now=now) else "muted"),
                 matcher_text(each.matcher), _time_cell(each.starts_at, zone, now=now),
                 _time_cell(each.ends_at, zone, now=now), each.author, each.comment)
                for each in silences
            ],
        )
    )  # fmt: skip


def _time_cell(at: datetime, timezone: tzinfo, *, now: datetime) -> Cell:
    """Return an instant that has been or is to come; for people, how far off it is."""
    return Cell(
        local_time_text(at, timezone), f"in {short_duration_text(at - now)}" if at > now else age_text(at, now=now)
    )


@silence.command()
@click.argument("number", metavar="ID", type=int, shell_complete=completion.silences)
@config_option
@json_option
@recorded_author_option
def expire(number: int, config_path: Path | None, *, as_json: bool, author: str) -> None:
    """End the silence ID now; receivers are notified at the next poll if something has changed. ID is its number.

    Exit code 1 if it had ended before, 2 if there is none.
    """
    from alerter.jobs.silence import expire as expire_job  # noqa: PLC0415 - the libraries cost more than `--help` may

    config, now = load_without_secrets(config_path), clock.now()
    with write_store(config) as transaction:
        try:
            before = expire_job(transaction, number, config.service.timezone, by=command_actor(author), now=now)
        except ActionRefused as error:
            raise CommandFailed(str(error)) from error
    if before is None:
        raise click.UsageError(f"no silence {number}; `alerter silence list` shows them")
    if as_json:
        print_json(silence_json(replace(before, ends_at=now), now=now))
        return
    click.echo(f"silence {number} has ended: {clean(matcher_text(before.matcher))}")
