"""The commands. Nothing but click is imported here, so that `--help` answers at once; each command loads its own."""

import os
import sys
from importlib import import_module
from io import StringIO, TextIOWrapper
from keyword import iskeyword
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from alerter import __version__
from alerter.cli.colors import accept_color, color_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from alerter.errors import Problem

#: Each command and its line in the list; the module that holds it has its name.
COMMANDS = MappingProxyType(
    {
        "init": "Write a commented configuration to start from.",
        "check-config": "Check the configuration; report every error at once.",
        "schema": "Print the JSON Schema of the configuration, for editors.",
        "install": "Install the service: units, folders, a first configuration.",
        "run": "Run the service: poll, evaluate rules, send notifications.",
        "poll": "Poll once, print counts and decisions, and exit.",
        "status": "Show tenants, counts, alerts and undelivered messages.",
        "tenants": "List tenants: polling, latency, causes, what fires.",
        "alerts": "List alerts, who was notified of them, and what mutes them.",
        "rules": "List rules with their limits and their present state.",
        "routes": "List the routes; show who would be notified of an alert.",
        "explain": "Explain why an alert came, or why none did.",
        "ack": "Acknowledge an alert: muted until it resolves or gets worse.",
        "silence": "Silence alerts for a time.",
        "notifications": "List what was sent to whom, when, and with which error.",
        "history": "Show how many messages a hold reason held over time.",
        "export": "Write the history as CSV or JSON Lines.",
        "import": "Import history: an export, or counts of another tool.",
        "backtest": "Show what the rules would have done on the history.",
        "review": "Review past alerts: which rules alerted, who acted on it.",
        "suggest": "Suggest limits that fit each hold reason's own history.",
        "test-rules": "Run tests of rules against histories in a short notation.",
        "test-notify": "Send a test message to every target of a receiver.",
        "doctor": "Find what is wrong with this installation, and what to do.",
        "simulate": "Run a simulated Mimecast on this machine, to try things.",
        "demo": "Show a simulated day: counts rise, alerts come, all-clear.",
        "db": "Maintain the database: upgrade, back up, restore, copy.",
        "web-password": "Print the hash of a password for the page.",
        "web-token": "Make a token for a program that uses the page's API.",
        "completion": "Print the completion script for a shell.",
    }
)

#: Where what an argument names is listed, by the command that misses it.
LISTED_BY = MappingProxyType(
    {
        "ack": "`alerter alerts` lists the alerts with their ids.",
        "alerts show": "`alerter alerts` lists the alerts with their ids.",
        "notifications retry": "`alerter notifications` lists the deliveries with their numbers.",
        "routes test": "`alerter tenants` lists the tenants.",
        "silence expire": "`alerter silence list` lists the silences with their numbers.",
        "test-notify": "`alerter routes` lists the receivers.",
    }
)

EPILOG = "Exit codes: 0 success; 1 something is firing or failed, as each command says; 2 the input is wrong."


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and end well where the reader of the pipe has gone (`alerter status | head`)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would end with 1, which here says that something is firing; and what is still buffered would fail
            # once more when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Return the commands that begin so, from the table, without importing them; or the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

        names = [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        name = f"{name}_" if iskeyword(name) else name
        command: click.Command = getattr(import_module(f"alerter.cli.{name}"), name)
        return accept_color(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; of one that there is not, say which ones are like it."""
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:  # the last one completes a line
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches  # noqa: PLC0415 - only who misspells a command pays for it

        folded = name.casefold().replace("_", "-")
        close = [*get_close_matches(folded, COMMANDS, n=1), *(each for each in COMMANDS if folded in each.split("-"))]
        meant = " or ".join(map(repr, dict.fromkeys(close)))
        raise click.UsageError(f"no command {name!r}{f', did you mean {meant}?' if meant else ''}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="alerter")
@color_option
def cli() -> None:
    """Watch the mail that a Mimecast gateway is holding, and alert the right people."""


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of hold reasons hold any character; a Latin-1 terminal or cron job shows a `?` rather than a traceback.
        sys.stdout.reconfigure(errors="replace")
    try:
        # Commands return nothing; what comes back is the code of a `click.exceptions.Exit`.
        sys.exit(cli.main(prog_name="alerter", standalone_mode=False))
    except click.ClickException as error:
        shown = _with_list(error)
        said = StringIO()
        shown.show(file=said)
        _complain(said.getvalue(), shown.format_message())
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        sys.exit(_report(error))


def _with_list(error: click.ClickException) -> click.ClickException:
    """Return an error that says as well where to find what was not named."""
    if not isinstance(error, click.MissingParameter) or error.ctx is None:
        return error
    where = LISTED_BY.get(error.ctx.command_path.removeprefix("alerter "), "")
    return click.MissingParameter(where, ctx=error.ctx, param=error.param, param_hint=error.param_hint)


def _report(error: Exception) -> int:
    """Say what went wrong in a command; return its exit code. What nobody expected is raised again."""
    from alerter.errors import AlerterError, ConfigError  # noqa: PLC0415 - only where it is needed

    is_completing = "_ALERTER_COMPLETE" in os.environ  # noqa: TID251 - click's own, by which a shell asks
    if isinstance(error, UnicodeEncodeError) and is_completing:
        return 0  # nothing completes a name that is no text, and click cannot write it back
    if not isinstance(error, AlerterError):
        raise error
    if not isinstance(error, ConfigError):
        _complain(f"alerter: {error}", str(error))
        return 1
    from alerter.cli.output import problem_text  # noqa: PLC0415 - only where it is needed

    _complain("\n".join(map(problem_text, error.problems)), *error.problems)
    return 2


def _complain(text: str, *errors: "str | Problem") -> None:
    """Say what went wrong: on standard error, or as an object on standard output where `--json` asks for one."""
    from alerter.logs import format_error  # noqa: PLC0415 - only where it is needed

    if "--json" not in sys.argv[1:]:
        click.echo(format_error(text), err=True)
        return
    from alerter.cli.output import error_json, print_json  # noqa: PLC0415 - only where it is needed

    print_json({"ok": False, "errors": list(map(error_json, errors)), "warnings": []})
