"""`alerter test-rules`: unit tests of rules, against histories in a short notation."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.options import EXIT_FOUND, USAGE, json_option
from alerter.cli.output import clean, count_text, print_json

if TYPE_CHECKING:
    from alerter.config.rule_tests import RuleTestFile
    from alerter.core.backtest.rule_tests import AlertRef, AnyDifference, NotificationRef, RuleTest


@click.command("test-rules")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def test_rules(files: Sequence[Path], *, as_json: bool) -> None:
    """Run the tests of rules in FILE...: series in a short notation, and what must fire and be notified, and when.

    Needs no account, no secrets and no database. Exit code 1 if a test fails, 2 if a file is wrong.
    """
    from alerter.config.rule_tests import load_tests  # noqa: PLC0415
    from alerter.errors import ConfigError, Problem  # noqa: PLC0415

    loaded: list[tuple[Path, RuleTestFile]] = []
    problems: list[Problem] = []
    for path in files:
        try:
            loaded.append((path, load_tests(path)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        click.echo("\n".join(map(str, problems)), err=True)
        click.echo(count_text(len(problems), "error"), err=True)
        raise click.exceptions.Exit(USAGE)
    outcomes = [(path, tests, scenario, found) for path, tests in loaded for scenario, found in _run(tests)]
    failed = sum(bool(found) for _, _, _, found in outcomes)
    if as_json:
        print_json([_as_json(path, scenario, found) for path, _, scenario, found in outcomes])
    else:
        for path, tests, scenario, found in outcomes:
            _print(path, tests, scenario, found)
        click.echo(f"{count_text(len(outcomes) - failed, 'test')} passed, {failed} failed")
    if failed:
        raise click.exceptions.Exit(EXIT_FOUND)


def _run(tests: "RuleTestFile") -> "Iterator[tuple[RuleTest, Sequence[AnyDifference]]]":
    """Yield each test of a file with where it fails."""
    from alerter.core.backtest.rule_tests import run_rule_test  # noqa: PLC0415
    from alerter.service.alerting_config import build_alerting_config  # noqa: PLC0415

    alerting = build_alerting_config(tests.config)
    for scenario in tests.scenarios:
        yield scenario, tuple(run_rule_test(scenario, alerting))


def _print(path: Path, tests: "RuleTestFile", scenario: "RuleTest", found: "Sequence[AnyDifference]") -> None:
    outcome = click.style("failed", fg="red", bold=True) if found else click.style("passed", fg="green")
    click.echo(f"{clean(str(path))}: {clean(scenario.name)}: {outcome}")
    for difference in found:
        click.echo(f"  at {_moment(difference.at, tests.begin)}, {_TITLES[difference.what]}:")
        for lines, sign, colour in (
            (difference.matched, " ", None),
            (difference.missing, "-", "red"),
            (difference.unexpected, "+", "green"),
        ):
            for each in lines:
                click.echo(click.style(f"    {sign} {clean(str(each))}", fg=colour))


_TITLES = {
    "firing": "what fires (- expected, + found)",
    "pending": "what is pending (- expected, + found)",
    "notified": "notifications since the expectation before (- expected, + found)",
}


def _moment(at: datetime, begin: datetime) -> str:
    from alerter.core.conditions import duration_text  # noqa: PLC0415

    return f"{duration_text(at - begin)} ({at:%a %Y-%m-%d %H:%M:%S} UTC)"


def _as_json(path: Path, scenario: "RuleTest", found: "Sequence[AnyDifference]") -> dict[str, object]:
    return {
        "file": str(path),
        "test": scenario.name,
        "passed": not found,
        "differences": [
            {
                "at": each.at,
                "what": each.what,
                "missing": [_seen_json(seen) for seen in each.missing],
                "unexpected": [_seen_json(seen) for seen in each.unexpected],
            }
            for each in found
        ],
    }


def _seen_json(seen: "AlertRef | NotificationRef") -> dict[str, object]:
    from alerter.core.backtest.rule_tests import NotificationRef  # noqa: PLC0415

    alert = seen.alert if isinstance(seen, NotificationRef) else seen
    row: dict[str, object] = {
        "rule": alert.rule, "severity": alert.severity, "tenant": alert.tenant, "reason": alert.reason,
    }  # fmt: skip
    return row | {"receiver": seen.receiver, "notify_reason": seen.why} if isinstance(seen, NotificationRef) else row
