"""`alerter simulate`: a Mimecast to try things against."""

import signal
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path

import click

from alerter.cli.options import config_option_with, load
from alerter.cli.output import clean
from alerter.clock import now
from alerter.simulator.api import Misbehaviour, SimulatorKeys
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator

DEFAULT_PORT = 8025
#: Where $PORT_VARIABLE names another one, `init --simulate` writes that.
PORT_VARIABLE = "ALERTER_SIMULATE_PORT"
#: When the day of --step begins: soon enough before the burst that is worth seeing.
STEPS_BEGIN = timedelta(hours=9)


@click.command()
@config_option_with("Accept the keys of this configuration's tenants. [default: keys of the simulator's own]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    envvar=PORT_VARIABLE,
    help="Where to listen on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--scenario",
    "csv_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="CSV",
    help="What is held when: columns time, reason, count. [default: a built-in day]",
)
@click.option("--speed", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="How fast a day goes.")
@click.option("--step", metavar="SPAN", help="Each poll sees the day so much later, from 09:00 on, such as 1h.")
@click.option(
    "--misbehave",
    type=click.Choice([each.value for each in Misbehaviour]),
    metavar="CAUSE",
    help=f"Go wrong: {', '.join(Misbehaviour)}.",
)
@click.option("--times", type=click.IntRange(min=1), metavar="N", help="Go wrong N times only, then be well again.")
@click.option("--tenant", metavar="GLOB", help="Go wrong for these tenants of --config only.")
@click.option("--latency", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="How long an answer takes.")
def simulate(
    *,
    config_path: Path | None,
    port: int,
    csv_path: Path | None,
    speed: float,
    step: str | None,
    misbehave: str | None,
    times: int | None,
    tenant: str | None,
    latency: float,
) -> None:
    """Run a simulated Mimecast on this machine until Ctrl-C: both API versions, every signature checked.

    `alerter init --simulate` writes a configuration for it, whose receiver is here as well: messages are printed.
    With --config it accepts the keys of all of that configuration's tenants, each of which has the same day at another
    time; else its own, which it prints. Exit code 2 if the scenario is wrong or the port is taken.
    """
    if tenant is not None and config_path is None:
        raise click.UsageError("expected --config with --tenant: without it there is one account, found none")
    keys_by_tenant = {} if config_path is None else _keys_of(config_path)
    accounts = None if tenant is None else _accounts_of(keys_by_tenant, tenant)
    scenario = Scenario.builtin_day() if csv_path is None else Scenario.from_csv(csv_path)
    if step is not None:
        scenario = _stepwise(scenario, _span(step), accounts=max(len(keys_by_tenant), 1))
    # At its own speed the built-in day is the day outside; otherwise a scenario begins now.
    started_at = None if csv_path is None and speed == 1 else now()
    try:
        simulator = Simulator(
            clock=now,
            scenario=_faster(scenario, speed),
            started_at=started_at,
            keys=list(keys_by_tenant.values()) or SimulatorKeys(),
            latency=timedelta(seconds=latency),
            port=port,
            on_message=_print_message,
        )
    except OSError as error:
        text = f"cannot listen on 127.0.0.1:{port}: {error.strerror}; --port 0 takes a free one"
        raise click.UsageError(text) from None
    if misbehave is not None:
        simulator.misbehave(Misbehaviour(misbehave), times=times, accounts=accounts)
    wanted = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    with simulator:
        click.echo(_configuration(simulator.base_url, SimulatorKeys() if config_path is None else None))
        signal.sigwait(wanted)


def _faster(scenario: Scenario, speed: float) -> Scenario:
    if speed == 1:
        return scenario
    return Scenario(lambda offset: scenario.counts_at(timedelta(seconds=offset.total_seconds() * speed)))


def _stepwise(scenario: Scenario, step: timedelta, *, accounts: int) -> Scenario:
    """Return a scenario that goes on with each poll of every account, rather than with time."""
    polls = count()
    return Scenario(lambda _: scenario.counts_at(STEPS_BEGIN + next(polls) // accounts * step))


def _span(text: str) -> timedelta:
    from alerter.config.types import at_least, parse_duration  # noqa: PLC0415 - pydantic costs more than `--help` may

    try:
        return at_least(parse_duration(text), timedelta(seconds=1))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--step") from None


def _print_message(title: str, text: str) -> None:
    lines = [title, *(f"  {line}" for line in text.splitlines())]
    click.echo("\nmessage: " + "\n".join(map(clean, lines)))


def _keys_of(path: Path) -> dict[str, SimulatorKeys]:
    """Return the keys of each tenant; those of the API version that it does not use are the simulator's own."""
    return {name: SimulatorKeys(**tenant.keys) for name, tenant in load(path).tenants.items()}


def _accounts_of(keys_by_tenant: Mapping[str, SimulatorKeys], glob: str) -> set[str]:
    """Return the client ids and access keys of the tenants that a glob selects.

    Raises:
        click.UsageError: It selects none.
    """
    from alerter.core.selectors import Selector  # noqa: PLC0415

    chosen = [keys for name, keys in keys_by_tenant.items() if Selector((glob,)).matches(name)]
    if not chosen:
        raise click.UsageError(f"no tenant matches {glob!r}")
    own = SimulatorKeys()
    return {name for keys in chosen for name in (keys.client_id, keys.access_key)} - {own.client_id, own.access_key}


def _configuration(base_url: str, keys: SimulatorKeys | None) -> str:
    if keys is None:
        return (
            f"a Mimecast runs at {base_url} until Ctrl-C, with the keys of your configuration; "
            f'put this into its tenants:\n\nbase_url = "{base_url}"\n'
        )
    return f"""a Mimecast runs at {base_url} until Ctrl-C; a configuration for it (or `alerter init --simulate`):

[tenants.acme]
base_url      = "{base_url}"
client_id     = "{keys.client_id}"
client_secret = "{keys.client_secret}"

[tenants.legacy]
api        = "1.0"
base_url   = "{base_url}"
app_id     = "{keys.app_id}"
app_key    = "{keys.app_key}"
access_key = "{keys.access_key}"
secret_key = "{keys.secret_key}"
"""
