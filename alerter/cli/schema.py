"""`alerter schema`: the JSON Schema of the configuration, for editors."""

import click

from alerter.cli.output import print_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, by which editors complete and check it.

    The configuration names it in its first line, `#:schema ./alerter.schema.json`. It is that of this version: print it
    again after an upgrade.
    """
    from alerter.config.json_schema import json_schema  # noqa: PLC0415 - pydantic costs more than `--help` may

    print_json(json_schema())
