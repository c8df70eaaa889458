"""`alerter check-config`: every error of a configuration at once."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter import clock
from alerter.cli.options import USAGE, config_option, json_option, load
from alerter.cli.output import clean, count_text, print_json, problem_json, problem_text

if TYPE_CHECKING:
    from alerter.config import Config


@click.command("check-config")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@config_option
@json_option
def check_config(file: Path | None, config_path: Path | None, *, as_json: bool) -> None:
    """Check the configuration without any network; report every error at once, with file, line and key.

    FILE is the same as --config FILE. Exit code 0 if it is valid, even if there are warnings, 2 if it is not.
    """
    if file is not None and config_path is not None:
        raise click.UsageError("expected one of FILE and --config, found both")
    config_path = config_path if file is None else file
    from alerter.errors import ConfigError  # noqa: PLC0415 - `--help` of this module should not wait for it
    from alerter.service.wiring import picture_problem, url_problem  # noqa: PLC0415 - as above

    try:
        config = load(config_path, check_url=url_problem, check_picture=picture_problem)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "errors": list(map(problem_json, error.problems)), "warnings": []})
        else:
            click.echo("\n".join(map(problem_text, error.problems)), err=True)
            click.echo(count_text(len(error.problems), "error"), err=True)
        raise click.exceptions.Exit(USAGE) from None
    _report(config, as_json=as_json)


def _report(config: "Config", *, as_json: bool) -> None:
    from alerter.network_settings import doubts  # noqa: PLC0415 - as above

    others = [*(f"environment: {doubt}" for doubt in doubts() if doubt), *_unseen(config)]
    if as_json:
        warnings = [*map(problem_json, config.warnings), *({"text": text} for text in others)]
        print_json({"ok": True, "errors": [], "warnings": warnings})
        return
    lines = [*map(problem_text, config.warnings), *others]
    click.echo("".join(f"warning: {line}\n" for line in lines), err=True, nl=False)
    parts = ((config.tenants, "tenant"), (config.receivers, "receiver"), (config.rules, "rule"))
    listed = ", ".join(count_text(len(found), noun) for found, noun in parts)
    click.echo(f"{clean(str(config.path))}: valid: {listed} (with the built-in ones)")


def _unseen(config: "Config") -> list[str]:
    """Return which globs match nothing that was ever seen, where that can be known without a network."""
    from alerter.doctor.rules import check_rules  # noqa: PLC0415 - as above

    if not config.service.database.startswith("sqlite:"):
        return []
    found = (each for each in check_rules(config, now=clock.now()) if each.outcome == "warning")
    return [clean(f"{each.subject}: {each.text}. {each.advice}") for each in found]
