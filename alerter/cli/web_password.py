"""`alerter web-password`: the hash of a password, for `[web.users]`."""

import sys

import click

from alerter.cli.options import CommandFailed

#: What an attacker must spend on each guess: a quarter of a second here.
COST = 12
MIN_CHARACTERS = 8
MAX_BYTES = 72


@click.command("web-password")
@click.argument("user")
def web_password(user: str) -> None:
    """Print the line of `[web]` that lets USER sign in to the page with a password.

    The password is asked for twice, or read as one line from a pipe. Only its hash is printed. Write it into the
    configuration, or into the file of a secret that the configuration names.
    """
    import bcrypt  # noqa: PLC0415 - the library costs more than `--help` may

    from alerter.config import toml_text  # noqa: PLC0415 - as above

    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if len(password) < MIN_CHARACTERS:
        raise CommandFailed(f"expected a password of at least {MIN_CHARACTERS} characters, found {len(password)}")
    if len(password.encode()) > MAX_BYTES:
        raise CommandFailed(f"expected a password of at most {MAX_BYTES} bytes, found {len(password.encode())}")
    stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()
    click.echo(f"[web.users]\n{toml_text(user)} = {toml_text(stored)}")


def _asked() -> str:
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
