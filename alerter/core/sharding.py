"""Fair shares of the tenants for instances that use one database. Values in, values out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.series import ALL_TENANTS, Tenant

#: A lease lasts as long as the shortest interval of polling, within these: an instance that dies or hangs has lost all
#: of its leases, and others have polled, before two intervals are over; a database that is slow for a moment costs
#: nobody any.
MIN_LEASE, MAX_LEASE = timedelta(seconds=10), timedelta(seconds=30)
#: The leases that one living instance hands over to another at a time: as many as that one may poll for
#: the first time until it gets more.
AT_A_TIME = 100


def lease_duration(poll_intervals: Collection[timedelta]) -> timedelta:
    """Return how long a lease lasts after each renewal."""
    return min(max(min(poll_intervals, default=MAX_LEASE), MIN_LEASE), MAX_LEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """What an instance may decide within a transaction.

    Attributes:
        is_member: Whether its leases hold at all: one that stood still for too long may do nothing.
        tenants: Those of the tenants in question whose polls are its own.
        is_leader: Whether it does what is done once for all of them, such as to prune.
        configs_match: Whether all instances have the same configuration.
    """

    is_member: bool
    tenants: frozenset[Tenant] = frozenset()
    is_leader: bool = False
    configs_match: bool = False

    @property
    def may_evaluate_global_rules(self) -> bool:
        """Whether it evaluates sums over all tenants.

        Writers take turns, and every one reads what all have stored: so any instance may evaluate a sum, with the polls
        of the tenant it is to be evaluated with. Two that have different rules would contradict each other without end:
        then only one does.
        """
        return self.is_member and (self.configs_match or self.is_leader)

    @property
    def may_resolve_removed(self) -> bool:
        """Whether what its configuration does not know may be taken for removed."""
        return self.is_member and self.configs_match


def single_node_state(tenants: Collection[Tenant]) -> LeaseState:
    """Return what an instance may decide that has the database for itself: everything."""
    return LeaseState(is_member=True, tenants=frozenset(tenants), is_leader=True, configs_match=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One life of an instance, as the others see it.

    Attributes:
        number: Which one; the number of a later life is higher.
        name: Of its machine, with the number of its process.
        version: Of alerter.
        configuration: A digest of what its configuration decides: the same where that is the same.
        since: When it began, by the database's clock.
        until: How long its leases hold, by the same clock, unless they are renewed.
        tenants: How many leases it has.
        is_leader: Whether it has the one for all tenants together.
        is_alive: Whether its leases hold.
    """

    number: int
    name: str
    version: str
    configuration: str
    since: datetime
    until: datetime
    tenants: int
    is_leader: bool
    is_alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChange:
    """What an instance does with its leases now.

    Attributes:
        take: How many it takes at most of those that are free.
        release: Which it gives up.
    """

    take: int
    release: tuple[Tenant, ...]


def configs_match(alive: Collection[Instance]) -> bool:
    """Say whether these instances have the same configuration."""
    return len({each.configuration for each in alive}) <= 1


def plan_leases(wanted: Collection[Tenant], held: Collection[Tenant], alive: Sequence[Instance]) -> LeaseChange:
    """Return what an instance takes and gives up, so that in the end all have the same share.

    Where their configurations differ it takes all that is free, and gives nothing up: another one may not want it. What
    it does not want any more it gives up in any case.

    Args:
        wanted: Whom its configuration polls.
        held: Whose leases it has.
        alive: The instances that live, itself among them.
    """
    unwanted = sorted(set(held) - set(wanted) - {ALL_TENANTS})
    kept = sorted(set(held) & set(wanted))
    quota = -(-len(wanted) // max(len(alive), 1)) if configs_match(alive) else len(wanted)
    surplus = min(max(len(kept) - quota, 0), AT_A_TIME)
    return LeaseChange(take=max(quota - len(kept), 0), release=(*unwanted, *kept[len(kept) - surplus :]))
