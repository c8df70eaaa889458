"""The options that select tenants: `--tenant`, `--label`, `--failing`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alerter.cli import completion
from alerter.cli.options import CommandFailed
from alerter.core.selectors import Selector, match_labels
from alerter.queries.tenants import PollingState, TenantStatus, status_for

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert
    from alerter.core.series import Tenant
    from alerter.storage import Reader

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFilter:
    """Which tenants a command is about.

    Attributes:
        tenants: By name.
        labels: By the values of labels; every one must match, and a label that a tenant lacks is an empty one.
        only_failing: Those alone of which the last poll failed, never was, or is too long ago.
    """

    tenants: Selector
    labels: Mapping[str, Selector]
    only_failing: bool

    @property
    def is_everything(self) -> bool:
        """Whether nobody is left out."""
        return self.tenants == Selector() and not self.labels and not self.only_failing

    def takes(self, name: "Tenant", config: "Config") -> bool:
        """Say whether name and labels choose a tenant, which may have gone from the configuration."""
        if not self.tenants.matches(name):
            return False
        return not self.labels or (name in config.tenants and match_labels(config.tenants[name].labels, self.labels))

    def names(self, config: "Config") -> set["Tenant"]:
        """Return whom name and labels choose.

        Raises:
            click.ClickException: Nobody.
        """
        chosen = {name for name in config.tenants if self.takes(name, config)}
        if not chosen:
            raise CommandFailed("no tenant matches: `alerter tenants` lists all of them")
        return chosen


tenant_option = click.option("--tenant", metavar="GLOB", help="Only these tenants.", shell_complete=completion.tenants)
label_option = click.option(
    "--label",
    "labels",
    metavar="NAME=GLOB",
    multiple=True,
    help="Only tenants with this label.",
    shell_complete=completion.labels,
)


def select_tenants(glob: str, labels: Iterable[str], config: "Config") -> Selector:
    """Return the tenants that `--tenant` and `--label` choose; labels choose among those of the configuration alone.

    Raises:
        click.BadParameter: A label is not written as `tier=gold`, or cannot be one.
    """
    wanted = parse_labels(labels)
    if not wanted:
        return Selector((glob,))
    among = frozenset(name for name, each in config.tenants.items() if match_labels(each.labels, wanted))
    return Selector((glob,), among=among)


def filter_text(glob: str, labels: Sequence[str]) -> str:
    """Return whom `--tenant` and `--label` ask for, as an error says it."""
    return repr(glob) + (f" with the label {' and '.join(labels)}" if labels else "")


def tenant_filter_options(command: Command) -> Command:
    """Add the options that choose tenants: `--tenant`, `--label` and `--failing`."""
    options = (
        tenant_option,
        label_option,
        click.option("--failing", is_flag=True, help="Only tenants whose polling fails or has stopped."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def parse_tenant_filter(tenant: str | None, labels: Iterable[str], *, failing: bool = False) -> TenantFilter:
    """Return what the options choose.

    Raises:
        click.BadParameter: A label is not written as `tier=gold`.
    """
    return TenantFilter(
        tenants=Selector((tenant,)) if tenant else Selector(), labels=parse_labels(labels), only_failing=failing
    )


def parse_labels(written: Iterable[str]) -> Mapping[str, Selector]:
    """Return which labels `--label NAME=GLOB` asks for: each name must fit, of one that is repeated any glob.

    Raises:
        click.BadParameter: A label is not written as `tier=gold`, or cannot be one.
    """
    from alerter.config.types import label_globs  # noqa: PLC0415 - pydantic costs more than `--help` may

    globs: dict[str, list[str]] = {}
    for each in written:
        name, separator, glob = each.partition("=")
        if not separator:
            raise click.BadParameter(f"expected a label such as tier=gold, found {each!r}", param_hint="--label")
        globs.setdefault(name.strip(), []).append(glob.strip())
    try:
        return {name: Selector(wanted) for name, wanted in label_globs(globs).items()}
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--label") from None


def look(
    reader: "Reader", config: "Config", choice: TenantFilter, alerts: Iterable["Alert"], *, now: datetime
) -> list[TenantStatus]:
    """Return the tenants that are chosen, in the configuration's order.

    Raises:
        click.ClickException: Name and labels choose nobody.
    """
    names = choice.names(config)
    among = None if choice.tenants == Selector() and not choice.labels else names
    pollings, held, holders = (
        reader.polls.status_by_tenant(among),
        reader.history.held_by_tenant(among),
        reader.leases.instance_by_tenant(),
    )
    firing = Counter(alert.key.tenant for alert in alerts if alert.is_firing)
    accounts = [
        replace(
            status_for(settings, pollings.get(name), held.get(name), firing[name], now=now),
            instance=holders[name].name if name in holders else None,
        )
        for name, settings in config.tenants.items()
        if name in names
    ]
    return [each for each in accounts if not choice.only_failing or each.polling_state is not PollingState.OK]


def held_text(account: TenantStatus) -> str:
    """Return how many messages a tenant holds, for a table."""
    return "unknown" if account.held is None else f"{account.held:,}"
