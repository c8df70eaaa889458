"""What several commands share: the configuration they are given, and how they end."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from alerter.adapters.store import Store
    from alerter.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

#: The exit code of a command that found something firing or failed.
FOUND = 1
#: The exit code for the user's input.
USAGE = 2


def config_option_with(text: str) -> Callable[[Command], Command]:
    """Return the option `--config` with a help text of its own."""
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option("--config", "config_path", type=path, metavar="PATH", help=text)


config_option = config_option_with(
    "The configuration. [default: $ALERTER_CONFIG, then ./rules.toml, then /etc/alerter/rules.toml]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def load(path: Path | None) -> "Config":
    """Return the configuration that the option, the environment or the usual places name.

    Raises:
        ConfigError: There is none, or it is wrong.
    """
    from alerter.config import find_config, load_config  # noqa: PLC0415 - pydantic costs more than `--help` may

    return load_config(find_config(path))


def open_reader(config: "Config") -> "Store":
    """Return the database for reading alone.

    Raises:
        click.ClickException: There is no database yet, or its schema is not this version's.
    """
    from alerter.adapters.store import SchemaState, Store  # noqa: PLC0415

    store = Store(config.service.database, read_only=True)
    match store.schema_state():
        case SchemaState.CURRENT:
            return store
        case SchemaState.MISSING:
            raise Failed("there is no history yet: run `alerter poll` once, or start the service")
        case SchemaState.OLDER:
            raise Failed("the database has an older schema: run `alerter db upgrade`, or restart the service")
        case SchemaState.NEWER:
            raise Failed("the database was written by a newer alerter: install that version")


class Failed(click.ClickException):
    """A command could not do what it was asked, though nothing was wrong with the question."""

    exit_code = FOUND
