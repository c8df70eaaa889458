"""The man page, out of the same words as `--help`; `python -m alerter.cli.man_page | man -l -` shows it.

roff's `man` macros, in lines as man pages are written: a sentence each, at most 80 characters long.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import click

from alerter import __version__
from alerter.cli import COMMANDS, cli

#: When the words of this module were last changed; those of the commands are the commands' own.
REVISED = "2026-11-25"
#: What most commands have is explained once.
COMMON = ("--config", "--json", "--color")
#: Characters in a line of the source, before some of them are escaped.
WIDTH = 68

DESCRIPTION = """\
alerter watches the mail that a Mimecast gateway is holding. It asks Mimecast every few minutes how many messages are
held for each hold reason, keeps the history, compares each reason with limits and growth rates, and alerts Slack,
Teams, a mailbox or any other service that Apprise reaches when a limit is passed, when it gets worse, and when it is
over. If it can no longer see a tenant, that is an alert too: silence means that all is well.

In a pipe, tables become lines of tab-separated cells, of which the first names the table."""

CONFIGURATION = """\
One TOML file. `alerter init` writes one to start from, with every setting and what it means; `alerter check-config`
finds every error of one at once, with file, line and key. In any text, `${NAME}` is replaced by the systemd credential
of that name, or else the environment variable, and `${file:PATH}` by the content of a file."""

EXIT_STATUS = MappingProxyType(
    {
        "0": "All is well.",
        "1": "Something is firing or failed, as each command says.",
        "2": "The input is wrong: the configuration, an option or an argument.",
        "130": "Interrupted from the keyboard.",
    }
)

FILES = MappingProxyType(
    {
        "./rules.toml, /etc/alerter/rules.toml": "The configuration, where --config and $ALERTER_CONFIG name no other.",
        "/etc/alerter/credentials/": "A file for each secret of the service, for root alone.",
        "/etc/alerter/credentials.encrypted/": "The same, encrypted with `systemd-creds`.",
        "/var/lib/alerter/alerter.db": "The database of the service; elsewhere it lies beside the configuration.",
        "alerter.db.lock": "Beside the database: held by the one daemon that may use it.",
        "alerter.db.REVISION.bak": "The database as it was before an upgrade of its schema.",
        "alerter.db.TIME.replaced": "The database as it was before `alerter db restore`.",
    }
)

ENVIRONMENT = MappingProxyType(
    {
        "ALERTER_CONFIG": "The configuration, where --config names none.",
        "ALERTER_LOG_FORMAT": "How `alerter run` logs, where --log-format does not say.",
        "ALERTER_SIMULATE_PORT": "Where `alerter simulate` listens, and what `alerter init --simulate` writes.",
        "STATE_DIRECTORY": "Set by systemd: what the path of the database is relative to.",
        "CREDENTIALS_DIRECTORY": "Set by systemd: where the credentials are that `${NAME}` stands for.",
        "NOTIFY_SOCKET, WATCHDOG_USEC": "Set by systemd: where `alerter run` says how it is, and how often it must.",
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "Proxies on the way to Mimecast and to receivers; mail goes past them.",
        "REQUESTS_CA_BUNDLE": "The authorities that are trusted for HTTPS, in place of those that come along.",
        "SSL_CERT_FILE": "The same for mail.",
        "NO_COLOR": "Set to anything: no colours on a terminal.",
    }
)

SIGNALS = MappingProxyType(
    {
        "SIGTERM, SIGINT": "`alerter run` stops within two seconds, or twenty if a message is in flight.",
        "SIGHUP": "It reads its configuration again; a wrong one is logged, and the one that it has stays in force.",
    }
)

EXAMPLES = MappingProxyType(
    {
        "What is wrong with this installation, and what to do:": "alerter doctor",
        "What is held now, and what would be sent; nothing is changed:": "alerter poll --dry-run",
        "Two hours without alerts about graymail:": (
            "alerter silence add --reason '*Graymail*' --for 2h --comment 'cleaning up'"
        ),
        "A copy of the database, while the service runs:": "alerter db backup /var/backups/alerter.db",
        "A check for Nagios or Icinga:": "sudo alerter status --nagios --config /etc/alerter/rules.toml",
    }
)


def page() -> str:
    """Return the man page, as `man` reads it."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield r".\" Made out of the help of the commands: change those, or alerter/cli/man_page.py."
    yield f'.TH ALERTER 1 "{REVISED}" "alerter {__version__}" "User Commands"'
    yield from (".SH NAME", rf"alerter \- {_escaped(_summary())}")
    yield from (".SH SYNOPSIS", r".B alerter", r"\fICOMMAND\fR", r"[\fIOPTIONS\fR]", r"[\fIARGUMENTS\fR]")
    yield from (".SH DESCRIPTION", *_paragraphs(DESCRIPTION))
    yield from (".SH OPTIONS", *_common_options())
    yield ".SH COMMANDS"
    for name, command in commands():
        yield from _command(name, command)
    yield from (".SH CONFIGURATION", *_paragraphs(CONFIGURATION))
    yield from (".SH EXIT STATUS", *_terms(EXIT_STATUS))
    yield from (".SH FILES", *_terms(FILES))
    yield from (".SH ENVIRONMENT", *_terms(ENVIRONMENT))
    yield from (".SH SIGNALS", *_terms(SIGNALS))
    yield from (".SH EXAMPLES", *_examples())
    yield from (".SH SEE ALSO", r".BR systemctl (1),", r".BR journalctl (1),", r".BR systemd\-creds (1)")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by its full name; a group that lists by itself is one too."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield name, command
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())
        elif command is not None:
            yield name, command


def _summary() -> str:
    """Return what it is in one line that fits on a screen, as `whatis` shows it."""
    text = (cli.help or "").partition(",")[0]
    return text[:1].lower() + text[1:]


def _common_options() -> Iterator[str]:
    yield from _paragraphs(
        "Every command has --help, and those that need it --config. What a program may read has --json."
    )
    doctor = dict(commands())["doctor"]
    for option in doctor.params:
        if option.opts[0] in COMMON:
            yield from _option(option, click.Context(doctor))
    yield from _term(r"\fB\-h\fR, \fB\-\-help\fR", "Show what a command is for, with its options, and exit.")
    yield from _term(r"\fB\-\-version\fR", "Show the version, and exit.")


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    arguments = [] if isinstance(command, click.Group) else command.collect_usage_pieces(context)[1:]
    yield f'.SS "alerter {_escaped(" ".join([name, *arguments]))}"'
    yield from _paragraphs(command.help or "")
    for option in command.params:
        if isinstance(option, click.Option) and option.opts[0] not in COMMON:
            yield from _option(option, context)


def _option(option: click.Parameter, context: click.Context) -> Iterator[str]:
    record = option.get_help_record(context)
    if record is not None:
        names, text = record
        yield from _term(re.sub(r"(--?[a-z][a-z-]*)", lambda found: rf"\fB{_escaped(found[1])}\fR", names), text)


def _terms(texts: Mapping[str, str]) -> Iterator[str]:
    for term, text in texts.items():
        yield from _term(rf"\fB{_escaped(term)}\fR", text)


def _term(term: str, text: str) -> Iterator[str]:
    yield from (".TP", term, *_sentences(text))


def _examples() -> Iterator[str]:
    for number, (text, line) in enumerate(EXAMPLES.items()):
        yield from ([".PP"] if number else [])
        yield from (*_sentences(text), ".PP", ".RS 4", ".nf", _escaped(line), ".fi", ".RE")


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield from _sentences(paragraph)


def _sentences(text: str) -> Iterator[str]:
    """Yield a text with a line for each sentence, wrapped; no line begins as a request of roff does."""
    for sentence in re.split(r"(?<=[.?!])\s+(?=[A-Z`])", " ".join(text.split())):
        # Wrapped before it is escaped: an escape may hold a space.
        for line in textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False):
            yield _code(line)


def _code(line: str) -> str:
    """Return a line with what stands in backticks in bold, also where a wrap has torn it apart."""
    escaped = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _escaped(line)).replace("`", "")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _escaped(text: str) -> str:
    """Return a text in which nothing is a request or an escape of roff, and a hyphen is one that can be copied."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return "".join(char if char.isascii() else rf"\[u{ord(char):04X}]" for char in plain)


if __name__ == "__main__":
    click.echo(page(), nl=False)
