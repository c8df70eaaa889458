"""`alerter web-token`: a token for a program that uses the API."""

from hashlib import sha256
from secrets import token_urlsafe

import click

#: Those of `config.models.Scope`, which costs more than `--help` may.
SCOPES = ("read", "ack", "silence", "operate", "metrics")


@click.command("web-token")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it is for; may be repeated.",
)
def web_token(name: str, scopes: tuple[str, ...]) -> None:
    """Make a token for the program NAME, which is the author of what it does.

    The token is shown once, on standard error: give it to the program, which sends it as `Authorization: Bearer TOKEN`.
    What goes into the configuration is its digest, on standard output.
    """
    from alerter.config.types import checked_name  # noqa: PLC0415 - pydantic costs more than `--help` may

    try:
        checked_name(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    token = token_urlsafe(32)
    quoted = ", ".join(f'"{scope}"' for scope in dict.fromkeys(scopes))
    click.echo(f"token of {name}, shown this once: {token}", err=True)
    click.echo(f'[web.tokens.{name}]\nsha256 = "{sha256(token.encode()).hexdigest()}"\nscopes = [{quoted}]')
