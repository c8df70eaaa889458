"""Pages of the documentation that are made of the code: options, settings, metrics, events of the log, exit codes.

`make reference` writes them below docs/reference; a test compares them, so that none differs from the program.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from prometheus_client.parser import text_string_to_metric_families

import alerter
from alerter.cli import COMMANDS, cli
from alerter.cli.man_page import EXIT_STATUS
from alerter.config.json_schema import json_schema
from alerter.logs.events import parse_template
from tests.documentation import ROOT
from tests.web.services import a_health, metrics_of, sources_of

FOLDER: Final = ROOT / "docs/reference"
#: What renews them.
COMMAND: Final = "make reference"
_NOTE: Final = "This page is made from the program: `make reference`.\n"
#: Options that every command, or nearly every one, has; they are explained once.
_COMMON: Final = ("--config", "--json", "--color", "--help")


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(f"| {' | '.join(line)} |\n" for line in rows)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}"


# Commands


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield name, command
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())
        else:
            yield name, command


def options_page() -> str:
    """Return the page of every command's arguments and options."""
    parts = [f"# Options of every command\n\n{_NOTE}", _common_options()]
    for name, command in commands():
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        usage = " ".join(["alerter", name, *(each.make_metavar(click.Context(command)) for each in arguments)])
        options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
        own = [each for each in options if each.opts[0] not in _COMMON]
        parts.append(f"## `{usage}`\n\n{_first_paragraph(command)}\n")
        if own:
            parts.append(_table(("option", "meaning"), ((f"`{_written(each)}`", _meaning(each)) for each in own)))
    return "\n".join(parts)


def _common_options() -> str:
    found = {
        each.opts[0]: each
        for _, command in commands()
        for each in command.params
        if isinstance(each, click.Option) and each.opts[0] in _COMMON
    }
    rows = ((f"`{_written(found[name])}`", _meaning(found[name])) for name in _COMMON if name in found)
    return f"Most commands have these:\n\n{_table(('option', 'meaning'), rows)}"


def _first_paragraph(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].replace("\b", "").split())


def _written(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(cli))}"
    return f"{', '.join([*option.opts, *option.secondary_opts])}{value}".replace("|", "\\|")


def _meaning(option: click.Option) -> str:
    default = option.default
    is_shown = bool(option.show_default) and isinstance(default, str | int | float) and not isinstance(default, bool)
    several = " Can be given several times." if option.multiple else ""
    return _cell(option.help or "") + several + (f" Default: `{default}`." if is_shown else "")


def exit_codes_page() -> str:
    """Return the page of exit codes: what they mean everywhere, and for each command."""
    rows = ((f"`{code}`", _cell(text)) for code, text in EXIT_STATUS.items())
    found = ((f"`alerter {name}`", _cell(_exit_sentence(command))) for name, command in commands())
    return (
        f"# Exit codes\n\n{_NOTE}\n## What they mean\n\n{_table(('code', 'meaning'), rows)}\n"
        "`alerter status --nagios` has those of a Nagios plugin instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n\n"
        f"## Exit codes of each command\n\n{_table(('command', 'what its help says'), found)}"
    )


def _exit_sentence(command: click.Command) -> str:
    """Return what a command says of its exit codes; the usual ones where it says nothing."""
    words = " ".join((command.help or "").split())
    found = re.findall(r"[^.]*\bExit codes?\b[^.]*(?:\.\w[^.]*)*\.", words)
    return " ".join(each.strip() for each in found) or "0, or 2 if the input is wrong."


# Settings


def settings_page() -> str:
    """Return the page of every key of the configuration, as the JSON Schema has it."""
    whole: Any = json_schema()
    parts = [f"# Every setting\n\n{_NOTE}\n[Configuration](configuration.md) explains how they work together.\n"]
    for name, table in whole["properties"].items():
        heading, keys = _section_of(name, table)
        if keys:
            rows = (
                (f"`{key}`", _type_of(each), _default_of(each), _cell(each.get("description", "")))
                for key, each in keys
            )
            parts.append(f"## Keys of `{heading}`\n\n{_table(('key', 'type', 'default', 'meaning'), rows)}")
    return "\n".join(parts)


def _section_of(name: str, table: Mapping[str, Any]) -> tuple[str, list[tuple[str, Mapping[str, Any]]]]:
    """Return how a section is written, and its keys."""
    inner = table.get("additionalProperties")
    if table.get("type") == "array" and "properties" in table["items"]:
        return f"[[{name}]]", [*table["items"]["properties"].items()]
    if isinstance(inner, dict) and "properties" in inner:
        return f"[{name}.NAME]", [*inner["properties"].items()]
    return f"[{name}]", [*table.get("properties", {}).items()]


_TYPES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}


def _type_of(key: Mapping[str, Any]) -> str:
    if "enum" in key:
        return ", ".join(f"`{each}`" for each in key["enum"])
    if key.get("type") == "array":
        return "list"
    if key.get("type") == "object":
        return "table"
    if "anyOf" in key or "oneOf" in key:
        return " or ".join(dict.fromkeys(_type_of(each) for each in key.get("anyOf", key.get("oneOf"))))
    is_span = "90s" in key.get("examples", ())
    return "span" if is_span else _TYPES.get(str(key.get("type", "")), "text")


def _default_of(key: Mapping[str, Any]) -> str:
    default = key.get("default")
    if default is None or default in ([], {}):
        return "\u2013"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


# Metrics


def metrics_page() -> str:
    """Return the page of every metric, as a scrape has them."""
    families = sorted(text_string_to_metric_families(metrics_of(sources_of(a_health()))), key=lambda each: each.name)
    rows = []
    for family in families:
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(
            (f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), _cell(family.documentation))
        )
    return (
        f"# Metrics\n\n{_NOTE}\n[Monitoring alerter itself](../guides/monitoring.md) says how to "
        f"scrape them, and which alerts to make of them.\n\n{_table(('metric', 'type', 'labels', 'meaning'), rows)}"
    )


# The log

_LEVELS: Final = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def log_events() -> dict[str, tuple[set[str], dict[str, None]]]:
    """Return every event of the log: its levels, and the names of its fields."""
    events: dict[str, tuple[set[str], dict[str, None]]] = {}
    for path in sorted(Path(alerter.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=method), args=arguments) if (
                    method in {*_LEVELS, "log"}
                ):
                    message = arguments[1 if method == "log" else 0]
                    template = parse_template(str(message.value)) if isinstance(message, ast.Constant) else None
                    if template is not None:
                        levels, fields = events.setdefault(template.event, (set(), {}))
                        levels.add(_LEVELS.get(method, "warning or error"))
                        fields.update(dict.fromkeys(template.conversion_by_field))
                case _:
                    pass
    return events


def log_events_page() -> str:
    """Return the page of every event of the log."""
    rows = (
        (f"`{event}`", ", ".join(sorted(levels)), ", ".join(f"`{name}`" for name in fields))
        for event, (levels, fields) in sorted(log_events().items())
    )
    return (
        f"# Events of the log\n\n{_NOTE}\n[The log](log.md) says what each field means, and which events need a "
        f"person. A warning that is repeated is logged at level info.\n\n{_table(('event', 'level', 'fields'), rows)}"
    )


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path of each page, and what it must be."""
    yield FOLDER / "options.md", options_page()
    yield FOLDER / "settings.md", settings_page()
    yield FOLDER / "metrics.md", metrics_page()
    yield FOLDER / "log-events.md", log_events_page()
    yield FOLDER / "exit-codes.md", exit_codes_page()


def main() -> None:
    """Write the pages."""
    for path, text in pages():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
