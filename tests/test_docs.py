"""What README and the example say is what the program does."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import click
import pytest

from alerter.cli import COMMANDS, cli
from alerter.config.models import MuteWindowConfig, RouteConfig, ServiceConfig, TenantConfig
from alerter.config.rule_models import LEVEL, RECEIVER, RULE
from alerter.config.sections import allowed_keys
from alerter.core.conditions import CONDITIONS, duration_text
from alerter.core.notifications import MAX_REPEAT
from alerter.core.routes import MAX_GROUP_WAIT
from alerter.core.silences import ACK_BREAK_FACTOR, MAX_SILENCE
from alerter.errors import Cause
from tests import reference_pages
from tests.documentation import DOCUMENTATION

ROOT = Path(__file__).parents[1]
README = DOCUMENTATION
EXAMPLE = (ROOT / "rules.example.toml").read_text(encoding="utf-8")

TABLES = {
    "[service]": allowed_keys(ServiceConfig),
    "[tenants.NAME]": allowed_keys(TenantConfig),
    "[receivers.NAME]": allowed_keys(RECEIVER),
    "[[routes]]": allowed_keys(RouteConfig),
    "[mute_windows.NAME]": allowed_keys(MuteWindowConfig),
    "[[rules]]": [key for key in allowed_keys(RULE) if key not in allowed_keys(LEVEL)] + ["for", "keep_firing_for"],
}


def section(title: str) -> str:
    """Return the text of a section of README, up to the next one of its rank."""
    found = re.search(rf"^(#+) `?{re.escape(title)}.*?(?=^\1 |^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group()


def cells(text: str) -> set[str]:
    """Return every word in code style in the first cells of a section's table."""
    first_cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {word for cell in first_cells for word in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("table", [*TABLES])
def test_every_setting_is_in_the_readme_and_every_setting_there_exists(table: str) -> None:
    """A key that is added, renamed or removed must be so in README as well."""
    assert cells(section(table)) == set(TABLES[table])


@pytest.mark.parametrize("table", [*TABLES])
def test_every_setting_is_in_the_example(table: str) -> None:
    """`rules.example.toml` shows each key, active or commented out."""
    shown = set(re.findall(r"\b([a-z_]+) *=", EXAMPLE))

    assert set(TABLES[table]) <= shown


def test_every_default_in_the_readme_is_the_real_one() -> None:
    """The defaults of the service and of receivers are quoted as the file would write them."""
    for name, table in (("[service]", ServiceConfig), ("[receivers.NAME]", RECEIVER)):
        for key, default in re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section(name), re.MULTILINE):
            written = table.model_validate({"urls": ["json://host"]} if "urls" in table.model_fields else {})
            quoted = default.strip('"')
            explicit = table.model_validate(
                ({"urls": ["json://host"]} if "urls" in table.model_fields else {})
                | {key: {"true": True, "false": False}.get(quoted, int(quoted) if quoted.isdigit() else quoted)}
            )
            assert getattr(written, key) == getattr(explicit, key), key


@pytest.mark.parametrize("name", [*CONDITIONS])
def test_every_condition_is_explained_with_all_its_keys(name: str) -> None:
    """README's table of conditions and the example name each kind and each of its fields."""
    row = next(line for line in section("What an alert is").splitlines() if line.startswith(f"| `{name}` |"))

    for field in fields(CONDITIONS[name]):
        assert f"`{field.name.rstrip('_')}`" in row
        assert re.search(rf"\b{field.name.rstrip('_')}\b", EXAMPLE)


@pytest.mark.parametrize("cause", [*Cause])
def test_every_cause_of_a_failed_poll_comes_with_what_to_do(cause: Cause) -> None:
    """README says of each cause exactly what the alert says."""
    assert f"| `{cause}` | {cause.advice} |" in section("When something is wrong")


def commands() -> list[tuple[str, click.Command]]:
    """Return every command that does something, with its full name; a group that lists by itself is one too."""
    context = click.Context(cli)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(name, command)] if command.invoke_without_command else []
            found += [(f"{name} {sub}", each) for sub, each in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_is_in_the_readme_with_its_options(name: str, command: click.Command) -> None:
    """A new command or option must be explained where people look for it."""
    begins = re.compile(rf"\| `alerter {name}(?: [A-Z]+)*` \|")
    row = next(line for line in section("Every command").splitlines() if begins.match(line))

    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.opts[0] not in (
            "--config",
            "--color",
            "--help",
        ):  # once for all
            assert parameter.opts[0] in row
        if isinstance(parameter, click.Argument):
            assert (parameter.metavar or str(parameter.name)).upper() in row


def test_every_command_in_the_readme_exists() -> None:
    """README promises no command that is not there."""
    promised = set(re.findall(r"^\| `alerter ([a-z-]+(?: [a-z-]+)?)", section("Every command"), re.MULTILINE))

    assert promised == {name for name, _ in commands()}


@pytest.mark.parametrize("command", [*COMMANDS])
def test_the_list_of_commands_begins_as_each_commands_own_help(command: str) -> None:
    """`alerter --help` is written without importing the commands, so that a test holds it to their docstrings."""
    loaded = cli.get_command(click.Context(cli), command)

    assert loaded is not None
    assert loaded.help is not None
    first_word = COMMANDS[command].split()[0]
    assert loaded.help.startswith(first_word)


def test_the_limits_of_mutes_in_the_readme_are_the_real_ones() -> None:
    """How long a silence may last, when an acknowledgement breaks, and how reminders grow is what the core does."""
    text = " ".join(section("Mutes and reminders").split())

    assert f"after {MAX_SILENCE.days} days at most" in text
    assert ACK_BREAK_FACTOR == 2
    assert "twice as many are held" in text
    assert timedelta(days=1) == MAX_REPEAT
    assert "up to once a day" in text
    assert f"at most `{duration_text(MAX_GROUP_WAIT)}`" in section("[receivers.NAME]")


def test_the_examples_in_the_readme_are_sound(tmp_path: Path) -> None:
    """Every TOML block of README loads once it is given a tenant and a receiver, and what it refers to."""
    from alerter.config import load_config  # noqa: PLC0415 - beside what it is needed for

    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "rules.toml"
    (tmp_path / "tenants.d").mkdir()
    (tmp_path / "tenants.d" / "none.toml").touch()
    for block in blocks:
        path.write_text(
            f'{block}\n[tenants.a]\nclient_id = "i"\nclient_secret = "s"\n[receivers.secops]\nurls = ["json://host"]\n'
        )
        for name in re.findall(r"\$\{file:([^}]+)\}", block):
            (tmp_path / name).write_text("key")

        names = re.findall(r"\$\{(\w+)\}", block)
        values = {name: "a2V5" if name.startswith("MIMECAST") else "json://host" for name in names}
        assert load_config(path, values).rules

    assert blocks


@pytest.mark.parametrize("path", [path for path, _ in reference_pages.pages()], ids=lambda path: path.name)
def test_every_page_that_is_made_from_the_program_is_as_it_is_made_now(path: Path) -> None:
    """Options, settings, metrics, events of the log and exit codes are read from the code."""
    made = dict(reference_pages.pages())[path]

    assert path.read_text(encoding="utf-8") == made, (
        f"{path.name} differs from the program: run `{reference_pages.COMMAND}`"
    )
