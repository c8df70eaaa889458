"""`alerter check-config`: every error of a configuration at once."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.options import USAGE, config_option, load, output_options
from alerter.cli.output import clean, counted, print_json

if TYPE_CHECKING:
    from alerter.config import Config


@click.command("check-config")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@config_option
@output_options
def check_config(file: Path | None, config_path: Path | None, *, as_json: bool) -> None:
    """Check the configuration without any network; report every error at once, with file, line and key.

    FILE is the same as --config FILE. Exit code 0 if it is valid, even if there are warnings, 2 if it is not.
    """
    if file is not None and config_path is not None:
        raise click.UsageError("expected one of FILE and --config, found both")
    config_path = config_path if file is None else file
    from alerter.errors import ConfigError  # noqa: PLC0415 - `--help` of this module should not wait for it

    try:
        config = load(config_path)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "errors": [str(problem) for problem in error.problems], "warnings": []})
        else:
            click.echo("\n".join(map(str, error.problems)), err=True)
            click.echo(counted(len(error.problems), "error"), err=True)
        raise click.exceptions.Exit(USAGE) from None
    refused = _refused_targets(config)
    _report(config, refused, as_json=as_json)
    if refused:
        raise click.exceptions.Exit(USAGE)


def _report(config: "Config", refused: list[str], *, as_json: bool) -> None:
    from alerter.network_settings import doubts  # noqa: PLC0415 - as above

    warnings = [*map(str, config.warnings), *(f"environment: {doubt}" for doubt in doubts() if doubt)]
    warnings += [] if refused else _unseen(config)
    if as_json:
        print_json({"ok": not refused, "errors": refused, "warnings": warnings})
        return
    click.echo("".join(f"{line}\n" for line in refused), err=True, nl=False)
    click.echo("".join(f"warning: {line}\n" for line in warnings), err=True, nl=False)
    if refused:
        click.echo(counted(len(refused), "error"), err=True)
        return
    parts = ((config.tenants, "tenant"), (config.receivers, "receiver"), (config.rules, "rule"))
    listed = ", ".join(counted(len(found), noun) for found, noun in parts)
    click.echo(f"{clean(str(config.path))}: valid: {listed} (with the built-in ones)")


def _unseen(config: "Config") -> list[str]:
    """Return which globs match nothing that was ever seen, where that can be known without a network."""
    from alerter.doctor.rules import check_rules  # noqa: PLC0415 - as above

    if not config.service.database.startswith("sqlite:"):
        return []
    found = (each for each in check_rules(config) if each.outcome == "warning")
    return [clean(f"{each.subject}: {each.text}. {each.advice}") for each in found]


def _refused_targets(config: "Config") -> list[str]:
    """Return a line for every target whose URL Apprise cannot load."""
    from alerter.errors import ConfigError  # noqa: PLC0415
    from alerter.service.wiring import check_targets  # noqa: PLC0415

    try:
        check_targets(config)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []
