"""Options and exit codes that several commands share, first of all `--config`."""

import os
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alerter.cli.colors import wants_color

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.actions import Actor
    from alerter.redaction import Redactor

Command = TypeVar("Command", bound=Callable[..., Any])

#: As logging has it; importing that takes longer than `--help` may.
ERROR = 40
#: The exit code of a command that found something firing or failed.
EXIT_FOUND = 1
#: The exit code for the user's input.
USAGE = 2


def config_option_with(text: str) -> Callable[[Command], Command]:
    """Return the option `--config` with a help text of its own."""
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option("--config", "config_path", type=path, metavar="PATH", help=text)


config_option = config_option_with(
    "The configuration. [default: $ALERTER_CONFIG, then ./rules.toml (for root: if it is root's alone), then "
    "/etc/alerter/rules.toml]"
)


def json_option(command: Command) -> Command:
    """Add the option of what a program may read."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")(command)


def load(
    path: Path | None,
    *,
    redactor: "Redactor | None" = None,
    level: int = ERROR,
    log_format: str = "auto",
    may_lack_secrets: bool = False,
    only_receiver: str | None = None,
    only_own: bool = False,
    check_url: Callable[[str], str] = lambda _: "",
    check_picture: Callable[[str], str] = lambda _: "",
) -> "Config":
    """Return the configuration that the option, the environment or the usual places name.

    From its first line on, whatever is logged goes to standard error without a secret of it, and no crash leaves one on
    the disk.

    Args:
        path: The option.
        redactor: Gets to know what is secret; None where nobody else asks it.
        level: From which level on records of our own are shown.
        log_format: In which form, as `LogFormat` has it.
        may_lack_secrets: Whether keys and URLs that cannot be read here are no error.
        only_receiver: The one receiver whose URLs are needed, and no other secret; None for all secrets.
        only_own: Whether nothing is read that is another user's, and nothing said: for what nobody has asked for.
        check_url: Return why no message can be sent to a URL; for commands that send, and that check.
        check_picture: Return why no picture can be sent along; for commands that show warnings.

    Raises:
        ConfigError: There is none, or it is wrong.
    """
    from alerter import logs  # noqa: PLC0415 - the libraries cost more than `--help` may
    from alerter.config import find_config, load_config  # noqa: PLC0415 - as above
    from alerter.config.environments import apply_service_environment  # noqa: PLC0415 - as above
    from alerter.core_dumps import disable_core_dumps  # noqa: PLC0415 - as above
    from alerter.redaction import Redactor  # noqa: PLC0415 - as above
    from alerter.systemd_units import unit_variables  # noqa: PLC0415 - as above

    disable_core_dumps()
    redactor = Redactor() if redactor is None else redactor
    logs.configure_logging(redactor, log_format=logs.LogFormat(log_format), level=level, is_coloured=wants_color())
    found = find_config(path, say=_leave_unsaid if only_own else _say)
    if not only_own:
        # A command that neither polls nor sends goes to no host, and need not wait for systemd's answer.
        apply_service_environment(found, of_unit=_nobody_knows if may_lack_secrets else unit_variables, say=_say)
    return load_config(
        found,
        redactor=redactor,
        may_lack_secrets=may_lack_secrets,
        only_receiver=only_receiver,
        only_own=only_own,
        check_url=check_url,
        check_picture=check_picture,
    )


def _say(text: str) -> None:
    click.echo(f"note: {text}", err=True)


def _leave_unsaid(_: str) -> None:
    pass


def _nobody_knows(_: str) -> None:
    pass


def load_without_secrets(path: Path | None) -> "Config":
    """Return the configuration for a command that neither polls nor sends: it works where only the service has secrets.

    Raises:
        ConfigError: There is none, or it is wrong.
    """
    return load(path, may_lack_secrets=True)


class CommandFailed(click.ClickException):
    """A command could not do what it was asked, though nothing was wrong with the question."""

    exit_code = EXIT_FOUND


#: How long a comment and the name of an author may be: they stand in messages and tables. In characters.
MAX_LINE = 500


def line_of_text(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return a text as one line, as tables and messages need it; it may be empty only where that is the default."""
    text = " ".join(value.split())
    if len(text) > MAX_LINE:
        found = f"expected at most {MAX_LINE} characters, found {len(text):,}"
        raise click.BadParameter(found, context, parameter)
    if not text.isprintable() or (not text and parameter.default != ""):
        raise click.BadParameter(f"expected a line of text, found {value!r}", context, parameter)
    return text


def _author(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return who asks: the one who is named, else the one who is logged in."""
    if value is not None:
        return line_of_text(context, parameter, value)
    try:
        return getuser()
    except (KeyError, ImportError, OSError):
        raise click.MissingParameter("nobody is logged in by name", context, parameter) from None


def command_actor(author: str) -> "Actor":
    """Return who acts by a command."""
    from alerter.core.actions import ActionOrigin, Actor  # noqa: PLC0415 - only what acts needs it

    return Actor(name=author, origin=ActionOrigin.COMMAND)


def _author_or_number(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return who asks; where nobody is logged in by name, the number of the user."""
    try:
        return _author(context, parameter, value)
    except click.MissingParameter:
        return f"user {os.getuid()}"


author_option = click.option("--author", metavar="NAME", callback=_author, help="Who asks. [default: who is logged in]")
#: For what needs no name, but is recorded.
recorded_author_option = click.option(
    "--author", metavar="NAME", callback=_author_or_number, help="Who asks. [default: who is logged in]"
)
