"""`alerter completion`, and the names that shells complete: from configuration and database, where there are any.

A shell asks with each press of a key. What cannot be read is not completed, and nothing is ever said about it: an error
would land in the middle of the line that somebody types.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from alerter import clock
from alerter.cli.options import load
from alerter.cli.output import clean

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert
    from alerter.storage import Reader

#: What can be completed, and a word on it, or nothing.
Name = tuple[str, str]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

#: The name that click's own `main` looks for in the environment.
VARIABLE = "_ALERTER_COMPLETE"
#: More names would not fit onto a screen, and a shell asks again with a longer beginning.
MAX_NAMES = 200

# click's own script leaves a name as it is, and a hold reason may be `$(…)`: what is inserted must be read as that name
# and nothing else. Within quotes that somebody has opened, other characters matter than outside; `!` has no form of its
# own within double quotes, so they are closed for it and opened again. Readline closes the quotes at the end, but not
# where the name ends in one. Nothing is offered where the word has further quotes: of such a word it replaces the part
# behind the last one.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value word=${COMP_WORDS[COMP_CWORD]} quote="'\\\\''"
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1" 2>/dev/null)
    [[ $word == \\'* ]] || word=${word//\\\\?/}
    while IFS= read -r completion; do
        type=${completion%%%%,*} value=${completion#*,}
        case $type in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            plain)
                case $word in
                    \\"*\\"* | \\'*\\'*) ;;
                    \\"*)
                        value=${value//\\\\/\\\\\\\\}
                        value=${value//\\"/\\\\\\"}
                        value=${value//\\$/\\\\\\$}
                        value=${value//\\`/\\\\\\`}
                        value=${value//!/\\"\\\\!\\"}
                        [[ $value != *\\" ]] || value+=\\"
                        COMPREPLY+=("$value") ;;
                    \\'*)
                        value=${value//\\'/$quote}
                        [[ $value != *\\' ]] || value+=\\'
                        COMPREPLY+=("$value") ;;
                    *[\\"\\']*) ;;
                    *) COMPREPLY+=("$(printf '%%q' "$value")") ;;
                esac ;;
        esac
    done <<< "$response"
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""


# click's own script ends each name at its first comma.
_FISH = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) \
        %(prog_name)s 2>/dev/null)
    for completion in $response
        set -l item (string split -m 1 "," -- $completion)
        switch $item[1]
            case dir
                __fish_complete_directories $item[2]
            case file
                __fish_complete_path $item[2]
            case plain
                echo $item[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Bash(BashComplete):
    """Bash, with names that hold spaces."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Leave it to the script: it may be for another machine's shell."""


class _Fish(FishComplete):
    """Fish, with names that hold commas."""

    source_template = _FISH


#: What writes the script for each shell.
SHELLS: Mapping[str, type[ShellComplete]] = MappingProxyType({"bash": _Bash, "zsh": ZshComplete, "fish": _Fish})


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice([*SHELLS]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL (bash, zsh or fish): commands, options and names.

    Tenants, receivers, rules, hold reasons and alerts are completed where configuration and database can be read.
    """
    click.echo(script(shell))


def script(shell: str) -> str:
    """Return the script with which a shell completes."""
    from alerter.cli import cli  # noqa: PLC0415 - it is what imports this module

    return SHELLS[shell](cli, {}, "alerter", VARIABLE).source()


def _completer(names_of: Callable[["Config"], Iterable[Name]]) -> Completer:
    """Return what completes names of the configuration, or of whatever is reached through it."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            names = dict(names_of(load(context.params.get("config_path"), may_lack_secrets=True, only_own=True)))
        except Exception:  # noqa: BLE001 - whatever it is, this is not the moment to say it
            return []
        folded = incomplete.casefold()
        # A name that is no line of its own cannot be typed.
        fitting = [name for name in names if name.casefold().startswith(folded) and name.isprintable()]
        return [CompletionItem(name, help=clean(names[name]) or None) for name in fitting[:MAX_NAMES]]

    return complete


def _stored(names_of: Callable[["Reader", "Config"], Iterable[Name]]) -> Completer:
    """Return what completes names of the database."""

    def names(config: "Config") -> list[Name]:
        from alerter.cli.database_access import read_store  # noqa: PLC0415 - only for those who need the database

        with read_store(config) as reader:
            return list(names_of(reader, config))

    return _completer(names)


def _alert(alert: "Alert") -> Name:
    key = alert.key
    return key.id, f"{alert.state} {key.severity} of {key.rule}: {key.reason} ({key.tenant})"


def _firing(reader: "Reader", _: "Config") -> Iterator[Name]:
    return (_alert(alert) for alert in reader.alerts.load_live() if alert.is_firing)


def _live(reader: "Reader", _: "Config") -> Iterator[Name]:
    return map(_alert, reader.alerts.load_live())


def _undelivered(reader: "Reader", _: "Config") -> Iterator[Name]:
    return (
        (str(each.delivery.id), f"{each.delivery.target}: {each.title}")
        for each in reader.outbox.deliveries(only_failed=True)
    )


def _silences(reader: "Reader", _: "Config") -> Iterator[Name]:
    return ((str(each.id), f"by {each.author}: {each.comment}") for each in reader.silences.silences(since=clock.now()))


def _reasons(reader: "Reader", config: "Config") -> Iterator[Name]:
    seen = reader.history.reasons_by_tenant(config.tenants)
    return ((reason, "") for reasons in seen.values() for reason in reasons)


tenants = _completer(lambda config: [(name, "") for name in config.tenants])
labels = _completer(
    lambda config: [(f"{name}={value}", "") for each in config.tenants.values() for name, value in each.labels.items()]
)
receivers = _completer(lambda config: [(each.receiver.name, "") for each in config.receivers])
rules = _completer(lambda config: [(rule.name, "") for rule in config.rules])
reasons = _stored(_reasons)
firing_alerts = _stored(_firing)
live_alerts = _stored(_live)
undelivered = _stored(_undelivered)
silences = _stored(_silences)
