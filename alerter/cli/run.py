"""`alerter run`: the service, in the foreground."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alerter.cli.options import EXIT_FOUND, USAGE, config_option, load

if TYPE_CHECKING:
    from alerter.errors import AlerterError


@click.command()
@config_option
@click.option("--verbose", is_flag=True, help="Log every request as well.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    envvar="ALERTER_LOG_FORMAT",
    show_envvar=True,
    help="How to log: with priorities to the journal, with colours to a terminal, else plain; plain; or JSON lines.",
)
def run(config_path: Path | None, *, verbose: bool, log_format: str) -> None:
    """Run the service: poll, evaluate rules, send notifications, until SIGTERM or SIGINT; SIGHUP reloads.

    Logs to standard error. Exit code 0 after a stop, 1 if the database cannot be used, 2 if the configuration is wrong.
    """
    import faulthandler  # noqa: PLC0415
    import logging  # noqa: PLC0415
    import os  # noqa: PLC0415

    from alerter.errors import AlerterError  # noqa: PLC0415
    from alerter.redaction import Redactor  # noqa: PLC0415
    from alerter.service.daemon import Daemon  # noqa: PLC0415
    from alerter.service.wiring import picture_problem, url_problem  # noqa: PLC0415

    # When the watchdog ends a process that hangs (SIGABRT), the log has where each of its threads hung; no values.
    faulthandler.enable()
    redactor, level = Redactor(), logging.DEBUG if verbose else logging.INFO
    try:
        config = load(
            config_path,
            redactor=redactor,
            level=level,
            log_format=log_format,
            check_url=url_problem,
            check_picture=picture_problem,
        )
        Daemon(config.path, redactor=redactor).run(config)
    except AlerterError as error:
        raise click.exceptions.Exit(_last_words(error)) from None
    # A thread that a hanging server holds would keep the process for as long; all that must be kept is kept by now.
    logging.shutdown()
    os._exit(0)


def _last_words(error: "AlerterError") -> int:
    """Log why the service cannot run, in the form of its log; return the exit code."""
    from logging import getLogger  # noqa: PLC0415

    from alerter.errors import ConfigError  # noqa: PLC0415

    log = getLogger(__name__)
    if not isinstance(error, ConfigError):
        log.error("cannot run: %s", error)
        return EXIT_FOUND
    for problem in error.problems:
        log.error("configuration rejected: %s", problem)
    return USAGE
