"""`alerter init`: a commented configuration to start from."""

import os
from pathlib import Path
from shlex import quote

import click

from alerter.cli.options import config_option_with
from alerter.cli.output import clean
from alerter.cli.package_data import EXAMPLE, read_package_file
from alerter.cli.simulate import DEFAULT_PORT, PORT_VARIABLE

DEFAULT_PATH = Path("rules.toml")


#: It may come to hold keys.
FILE_MODE = 0o600


#: That of a service is read by a user of its own, and its secrets are elsewhere.
SERVICE_FILE_MODE = 0o644


#: What the example calls its JSON Schema.
SCHEMA_NAME = "alerter.schema.json"


#: What `--simulate` writes, with the address and the keys of the simulator.
_SIMULATED = """\
# alerter: a configuration to try without an account of Mimecast and without a receiver.
#
#     alerter simulate --step 1h      a Mimecast on this machine: each poll sees its day one hour later, from 09:00 on;
#                                     it also takes the messages, and prints them
#     alerter poll                    in another terminal, five times: a wave comes, gets worse, and is over
#
# `alerter init --config PATH` without --simulate writes a configuration for your own account.

[service]
# So that `alerter run` has something to show soon. For a real account "5m", the default, is right.
poll_interval = "10s"

[tenants.acme]
base_url      = "{base_url}"
client_id     = "{keys.client_id}"
client_secret = "{keys.client_secret}"

[receivers.terminal]
# `alerter simulate` prints what it gets here. Slack, Teams, mail and others have URLs of their own.
urls = ["{inbox}"]

# The rule to try: change a limit, run `alerter check-config` and `alerter poll`, and see what becomes of it.
[[rules]]
name     = "Wave"
reasons  = ["*Impersonation*"]
warning  = {{ threshold = {{ above = 100, clear_at = 50 }} }}
critical = {{ threshold = {{ above = 500, clear_at = 400 }} }}
"""


@click.command()
@config_option_with("Where to write it. [default: ./rules.toml]")
@click.option("--simulate", "is_simulated", is_flag=True, help="One that runs against alerter simulate unchanged.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    envvar=PORT_VARIABLE,
    help="With --simulate: where that listens.",
)
def init(config_path: Path | None, *, is_simulated: bool, port: int) -> None:
    """Write a commented configuration to start from; never overwrite one.

    It goes to PATH, else to ./rules.toml. Exit code 2 if the file is there already or cannot be written.
    """
    from alerter.config.paths import unit_for  # noqa: PLC0415 - pydantic costs more than `--help` may

    path = config_path or DEFAULT_PATH
    try:
        # Opened once: in another's folder it could be a link by the time it is opened again.
        with path.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), SERVICE_FILE_MODE if unit_for(path) else FILE_MODE)
            file.write(_simulated(port) if is_simulated else read_package_file(EXAMPLE))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already, and is left as it is; --config PATH names another") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    if is_simulated:
        _say_what_to_try(path, port)
        return
    click.echo(f"wrote {clean(str(path))}\nnext: fill in one tenant and one receiver, then run")
    named, schema_path = quote(str(path)), quote(str(path.parent / SCHEMA_NAME))
    click.echo(f"  alerter check-config --config {named}\n  alerter poll --dry-run --config {named}")
    click.echo(f"for an editor that completes and checks it:\n  alerter schema > {schema_path}")


def _simulated(port: int) -> str:
    from alerter.simulator.api import INBOX_PATH, SimulatorKeys  # noqa: PLC0415 - as above

    return _SIMULATED.format(
        base_url=f"http://127.0.0.1:{port}", inbox=f"json://127.0.0.1:{port}{INBOX_PATH}", keys=SimulatorKeys()
    )


def _say_what_to_try(path: Path, port: int) -> None:
    config = "" if path == DEFAULT_PATH else f" --config {quote(str(path))}"
    where = "" if port == DEFAULT_PORT else f" --port {port}"
    click.echo(f"wrote {clean(str(path))}\nnext: in one terminal, and five times in another")
    click.echo(f"  alerter simulate --step 1h{where}\n  alerter poll{config}")
