"""What `status` and `tenants` know of each tenant, read in a few looks however many there are, and who is chosen."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alerter.cli import completion
from alerter.cli.options import Failed
from alerter.cli.output import counted, rough
from alerter.core.rules import NO_DATA_AFTER, NO_DATA_MISSED_POLLS, Selector, match_labels
from alerter.errors import Cause

if TYPE_CHECKING:
    from alerter.config import Config, TenantConfig
    from alerter.core.alerts import Alert
    from alerter.core.series import Tenant
    from alerter.storage import Polling, Reader

Command = TypeVar("Command", bound=Callable[..., Any])


class PollingState(IntEnum):
    """How well a tenant is seen, worst first."""

    FAILING = 0
    UNPOLLED = 1
    UNKNOWN = 2
    GOOD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatus:
    """What is known of a tenant.

    Attributes:
        settings: What the configuration says of it.
        polling: How polling goes.
        held: Its held messages when they were last seen; None before the first good poll, for a 0 would say that all
            is well.
        firing: How many of its alerts fire.
        polling_state: How well it is seen.
        instance: Who polls it, where several share the database; None where nobody does, or one has it for itself.
    """

    settings: "TenantConfig"
    polling: "Polling"
    held: int | None
    firing: int
    polling_state: PollingState
    instance: str | None = None

    @property
    def name(self) -> "Tenant":
        """Its name in the configuration."""
        return self.settings.name

    @property
    def is_ok(self) -> bool:
        """Whether it is seen, and nothing fires."""
        return self.polling_state is PollingState.GOOD and not self.firing

    def polling_text(self, *, now: datetime) -> str:
        """Return how polling goes, with the cause where it fails, and since when."""
        failure = self.polling.failure
        if failure is not None:
            return f"failing for {rough(now - failure.since)}: {failure.cause}: {failure.detail}"
        texts = {
            PollingState.UNKNOWN: "never polled",
            PollingState.UNPOLLED: "not polled any more: is the service running?",
        }
        return texts.get(self.polling_state, "good")


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
            raise Failed("no tenant is chosen: `alerter tenants` lists all of them")
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


def tenants_of(glob: str, labels: Iterable[str], config: "Config") -> Selector:
    """Return the tenants that `--tenant` and `--label` choose; labels choose among those of the configuration alone.

    Raises:
        click.BadParameter: A label is not written as `tier=gold`, or cannot be one.
    """
    wanted = labels_of(labels)
    if not wanted:
        return Selector((glob,))
    among = frozenset(name for name, each in config.tenants.items() if match_labels(each.labels, wanted))
    return Selector((glob,), among=among)


def wanted_text(glob: str, labels: Sequence[str]) -> str:
    """Return whom `--tenant` and `--label` ask for, as an error says it."""
    return repr(glob) + (f" with the label {' and '.join(labels)}" if labels else "")


def choice_options(command: Command) -> Command:
    """Add the options that choose tenants: `--tenant`, `--label` and `--failing`."""
    options = (
        tenant_option,
        label_option,
        click.option("--failing", is_flag=True, help="Only tenants that are not seen as they should be."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def choice_of(tenant: str | None, labels: Iterable[str], *, failing: bool = False) -> TenantFilter:
    """Return what the options choose.

    Raises:
        click.BadParameter: A label is not written as `tier=gold`.
    """
    return TenantFilter(
        tenants=Selector((tenant,)) if tenant else Selector(), labels=labels_of(labels), only_failing=failing
    )


def labels_of(written: Iterable[str]) -> Mapping[str, Selector]:
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
    pollings, held, holders = reader.pollings(), reader.held_by_tenant(), reader.holders()
    firing = Counter(alert.key.tenant for alert in alerts if alert.is_firing)
    accounts = [
        replace(
            _account(settings, pollings.get(name), held.get(name), firing[name], now=now),
            instance=holders[name].name if name in holders else None,
        )
        for name, settings in config.tenants.items()
        if name in names
    ]
    return [each for each in accounts if not choice.only_failing or each.polling_state is not PollingState.GOOD]


def _account(
    settings: "TenantConfig", polling: "Polling | None", held: int | None, firing: int, *, now: datetime
) -> TenantStatus:
    from alerter.storage import Polling  # noqa: PLC0415 - SQLAlchemy costs more than `--help` may

    known = Polling() if polling is None else polling
    return TenantStatus(
        settings=settings,
        polling=known,
        held=held if known.last_success_at else None,
        firing=firing,
        polling_state=_sight(known, settings, now=now),
    )


def _sight(polling: "Polling", settings: "TenantConfig", *, now: datetime) -> PollingState:
    """Return whether what is known is true now: the last poll was good and is recent enough for its built-in rule."""
    if polling.failure is not None:
        return PollingState.FAILING
    if polling.last_success_at is None:
        return PollingState.UNKNOWN
    is_recent = now - polling.last_success_at <= max(NO_DATA_AFTER, NO_DATA_MISSED_POLLS * settings.poll_interval)
    return PollingState.GOOD if is_recent else PollingState.UNPOLLED


def worst_first(account: TenantStatus) -> tuple[int, int, int, str]:
    """Return the order in which a person should read: who is not seen, then who has most that fires, then most held."""
    return account.polling_state, -account.firing, -(account.held or 0), account.name


def summary(accounts: Collection[TenantStatus], *, firing: int) -> str:
    """Return all of it in one line."""
    seen = Counter(account.polling_state for account in accounts)
    causes = Counter(account.polling.failure.cause for account in accounts if account.polling.failure)
    parts = [
        f"{seen[PollingState.GOOD]:,} seen",
        *([f"{seen[PollingState.FAILING]:,} failing ({_counts(causes)})"] if causes else []),
        *([f"{seen[PollingState.UNPOLLED]:,} not polled any more"] if seen[PollingState.UNPOLLED] else []),
        *([f"{seen[PollingState.UNKNOWN]:,} never polled"] if seen[PollingState.UNKNOWN] else []),
        f"{sum(account.held or 0 for account in accounts):,} held",
        f"{counted(firing, 'alert')} firing",
    ]
    return f"{counted(len(accounts), 'tenant')}: {', '.join(parts)}"


def _counts(counter: Counter[Cause]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def held_text(account: TenantStatus) -> str:
    """Return how many messages a tenant holds, for a table."""
    return "unknown" if account.held is None else f"{account.held:,}"


def polling_json(account: TenantStatus) -> Mapping[str, object]:
    """Return how the polling of a tenant stands, for `--json`."""
    failure = account.polling.failure
    return {
        "tenant": account.name,
        "last_good_at": account.polling.last_success_at,
        "failing_since": failure.since if failure else None,
        "cause": failure.cause if failure else None,
        "detail": failure.detail if failure else None,
    }
