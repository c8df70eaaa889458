"""`alerter init`: a commented configuration to start from."""

import os
from pathlib import Path
from shlex import quote

import click

from alerter.cli.options import config_option_with
from alerter.cli.output import clean
from alerter.cli.package_data import EXAMPLE, shipped

DEFAULT_PATH = Path("rules.toml")


#: It may come to hold keys.
FILE_MODE = 0o600


#: That of a service is read by a user of its own, and its secrets are elsewhere.
SERVICE_FILE_MODE = 0o644


#: What the example calls its JSON Schema.
SCHEMA_NAME = "alerter.schema.json"


@click.command()
@config_option_with("Where to write it. [default: ./rules.toml]")
def init(config_path: Path | None) -> None:
    """Write a commented configuration to start from; never overwrite one.

    It goes to PATH, else to ./rules.toml. Exit code 2 if the file is there already or cannot be written.
    """
    from alerter.config.paths import unit_of  # noqa: PLC0415 - pydantic costs more than `--help` may

    path = config_path or DEFAULT_PATH
    try:
        # Opened once: in another's folder it could be a link by the time it is opened again.
        with path.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), SERVICE_FILE_MODE if unit_of(path) else FILE_MODE)
            file.write(shipped(EXAMPLE))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already, and is left as it is; --config PATH names another") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {clean(str(path))}\nnext: fill in one tenant and one receiver, then run")
    named, schema_path = quote(str(path)), quote(str(path.parent / SCHEMA_NAME))
    click.echo(f"  alerter check-config --config {named}\n  alerter poll --dry-run --config {named}")
    click.echo(f"for an editor that completes and checks it:\n  alerter schema > {schema_path}")
