"""`alerter doctor`: what is wrong with an installation, and what to do about it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

from alerter.cli import completion
from alerter.cli.options import config_option, json_option, load
from alerter.cli.output import clean, count_text, print_json, transient_line
from alerter.cli.tenant_filter import filter_text, label_option, select_tenants

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.selectors import Selector
    from alerter.doctor import Finding

#: Of a group with more findings than this, what is well is only counted, and the rest is cut to this number.
MAX_SHOWN = 25

STYLES = {"failed": "bold red", "warning": "yellow", "ok": "green", "not applicable": "dim"}
LABELS = {"not applicable": "n/a"}
#: What adds up to a line at the end, in its order.
OUTCOMES = ("failed", "warning", "ok", "not applicable")


@click.command()
@config_option
@json_option
@click.option("--send", is_flag=True, help="Really send a test message to every target.")
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="Whose Mimecast account is called.",
    shell_complete=completion.tenants,
)  # fmt: skip
@label_option
def doctor(config_path: Path | None, *, as_json: bool, send: bool, tenant: str, labels: Sequence[str]) -> None:
    """Find what is wrong with this installation, and say what to do about it.

    It checks the configuration, the files of secrets, the machine's clock and time zones, the systemd unit and the
    database; calls every Mimecast account; connects to every receiver; and compares the rules with what was seen. It
    changes nothing, and sends nothing except with --send. Exit code 0 even if there are warnings, 1 if something
    failed, 2 if the configuration is wrong.
    """
    from alerter import doctor as doctors  # noqa: PLC0415 - only what is called is loaded
    from alerter.core.selectors import Selector  # noqa: PLC0415
    from alerter.errors import ConfigError  # noqa: PLC0415
    from alerter.redaction import Redactor  # noqa: PLC0415

    redactor, chosen = Redactor(), Selector((tenant,))
    errors: list[Finding] = []
    config = None
    try:
        from alerter.service.wiring import picture_problem  # noqa: PLC0415 - as above

        config = load(config_path, redactor=redactor, check_picture=picture_problem)
        chosen = select_tenants(tenant, labels, config)
        _refuse_nobody(config, chosen, filter_text(tenant, labels))
    except ConfigError as error:
        errors = doctors.configuration_errors(error.problems)
    with transient_line() as show:
        on_progress = partial(_show, show)
        found = doctors.diagnose(config, redactor=redactor, tenants=chosen, sends=send, on_progress=on_progress)
    found = doctors.sort_findings([*errors, *found])
    ending = doctors.exit_code(found)
    if as_json:
        print_json({"ok": not ending, "findings": [_finding_json(each) for each in found]})
    else:
        _print(found)
    raise click.exceptions.Exit(ending)


def _refuse_nobody(config: "Config", chosen: "Selector", wanted: str) -> None:
    if not any(map(chosen.matches, config.tenants)):
        names = ", ".join(list(config.tenants)[:MAX_SHOWN])
        raise click.BadParameter(f"no tenant matches {wanted}; there are: {names}", param_hint="--tenant")


def _show(show: Callable[[str], None], done: int, checks: int) -> None:
    show(f"{done} of {checks} checks done")


def _finding_json(finding: "Finding") -> Mapping[str, object]:
    return {
        "group": finding.group, "subject": finding.subject, "outcome": finding.outcome, "text": finding.text,
        "advice": finding.advice or None, "measured": finding.measured,
    }  # fmt: skip


def _print(found: Sequence["Finding"]) -> None:
    if not sys.stdout.isatty():
        for each in found:
            cells = (each.group, each.outcome, each.subject, each.text, each.advice)
            click.echo("\t".join(clean(cell).lower() if cell is each.group else clean(cell) for cell in cells))
        return
    _draw(found)


def _draw(found: Sequence["Finding"]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    for group, members in groupby(found, key=lambda each: each.group):
        console.print(Text(group, style="bold"))
        listed, rest = collapse_findings([*members])
        grid = Table.grid(padding=(0, 1))
        grid.add_column(min_width=7)
        grid.add_column(overflow="fold")
        subject, advised = "", set[str]()
        for each in listed:
            label = Text(LABELS.get(each.outcome, each.outcome), style=STYLES[each.outcome])
            grid.add_row(label, clean(each.text if each.subject == subject else f"{each.subject}: {each.text}"))
            subject = each.subject
            if each.advice not in {"", *advised}:
                grid.add_row("", f"→ {clean(each.advice)}")
                advised.add(each.advice)
        for words in rest:
            grid.add_row("", Text(words, style="dim"))
        console.print(Padding(grid, (0, 0, 1, 2)))
    console.print(_total(found))


def collapse_findings(members: Sequence["Finding"]) -> tuple[Sequence["Finding"], list[str]]:
    """Return what of a group is listed, and what is said of the rest."""
    if len(members) <= MAX_SHOWN:
        return members, []
    wrong = [each for each in members if each.outcome in ("failed", "warning")]
    others = [each for each in members if each not in wrong]
    lines = [f"{len(wrong) - MAX_SHOWN:,} more are not well: --json lists all"] if wrong[MAX_SHOWN:] else []
    well = [each for each in others if each.outcome == "ok"]
    if well:
        lines.append(f"{len(well):,} more are well{_latency_text(well)}")
    if others[len(well) :]:
        lines.append(f"{len(others) - len(well):,} more do not apply: --json lists all")
    return wrong[:MAX_SHOWN], lines


def _latency_text(findings: Sequence["Finding"]) -> str:
    latencies = {each.subject: float(each.measured.get("latency_seconds", -1)) for each in findings}
    known = {subject: seconds for subject, seconds in latencies.items() if seconds >= 0}
    if not known:
        return ""
    slowest = max(known, key=lambda subject: known[subject])
    middle, most = median(known.values()) * 1000, known[slowest] * 1000
    return f": answered in median {middle:.0f} ms, longest {most:.0f} ms ({slowest})"


def _total(found: Sequence["Finding"]) -> str:
    numbers = {outcome: sum(each.outcome == outcome for each in found) for outcome in OUTCOMES}
    return ", ".join(
        count_text(number, outcome) if outcome == "warning" else f"{number:,} {outcome}"
        for outcome, number in numbers.items()
        if number
    )
