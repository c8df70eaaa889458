"""Leases: the right of an instance to poll a tenant, where several share a PostgreSQL database.

A life of an instance begins with a row in `instances`, whose number was never given before, and lasts until `until`,
which it moves on every few seconds: one statement renews all of its leases, however many it has. A lease is a row in
`leases` that names the number of an instance; one that names nobody who lives is free. The one of `ALL_TENANTS` makes
its holder the leader, who does what is done once for all.

Invariants, and what holds them:

1. *A tenant has at most one holder.* A free lease is taken `FOR UPDATE SKIP LOCKED`, in batches; nobody takes another
   one.
2. *Only the holder commits a poll.* Each transaction that keeps polls first asks for its leases `FOR SHARE`, and keeps
   those polls alone whose leases it has. From then on until it ends nobody can take them, be it ever so late.
3. *A life that is over never comes back.* An instance that finds its time was up begins another life, with another
number
   and without leases. So a process that stood still and goes on commits nothing of what it had in hand.
4. *Nobody waits for somebody who stands still.* The server ends a transaction that says nothing for some seconds
   (`engine.IDLE_SECONDS`), which is less than a lease lasts.
5. *One clock.* Every instant here is the database's. The clocks of the machines may differ: they only measure, by
   seconds that never jump, whether the last renewal is so long ago that others may have begun. Were the database's
   clock set back, leases would seem to last for hours: one that ends later than any can is over.
6. *An older alerter commits nothing to a newer schema*: then it is no member any more.

Locks are taken in one order: that of writers (`engine.lock_writers`), then leases, then everything else. To take,
give and renew leases waits for nobody, and needs no writers' lock.

SQLite has none of this: a file belongs to one daemon, and a transaction of it asks nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, exists, not_, text

from alerter.core.series import ALL_TENANTS, Tenant, from_epoch_us
from alerter.core.sharding import MAX_LEASE, Instance, LeaseState, plan_leases, single_node_state
from alerter.errors import StoreError
from alerter.storage.engine import (
    ADVISORY_CLASS,
    ADVISORY_DAEMON,
    Connecting,
    Repository,
    is_sqlite,
    location,
    store_errors,
)
from alerter.storage.tables import HEAD, instances

_MICROSECONDS = 1_000_000
#: How long those who have died are remembered, for people who look.
_REMEMBERED = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnInstance:
    """The instance of this process.

    Attributes:
        number: Of its life; 0 for one that has none, and may do nothing.
        configuration: A digest of what its configuration decides.
    """

    number: int
    configuration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRenewal:
    """What a renewal found and did.

    Attributes:
        at: When it was, by the database's clock.
        owned: All that the instance holds now.
        alive: The instances that live, the first one first.
    """

    at: datetime
    owned: frozenset[Tenant]
    alive: tuple[Instance, ...]


class Leases:
    """The leases of a PostgreSQL database, as an instance takes part in them.

    Any method raises StoreError where the database does not answer; then nothing is certain until it does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check_unlocked(self) -> None:
        """Make sure that nobody has the database for itself.

        Raises:
            StoreError: Somebody has, such as `alerter poll`, or a daemon from before there were leases.
        """
        with store_errors(self._engine.url), self._engine.begin() as connection:
            self._check_unlocked(connection)

    def join(self, name: str, version: str, configuration: str, *, lasting: timedelta, instead_of: int) -> OwnInstance:
        """Begin a life, without leases.

        Args:
            name: Of the instance, for people.
            version: Of alerter.
            configuration: A digest of what its configuration decides.
            lasting: How long leases last.
            instead_of: The number of an earlier life of the same process, which is over by this; 0 for none.

        Raises:
            StoreError: Somebody has the database for itself.
        """
        with store_errors(self._engine.url), self._engine.begin() as connection:
            self._check_unlocked(connection)
            connection.execute(_FORGET, {"before": instead_of, "remembered": _microseconds(_REMEMBERED)})
            row = {"name": name, "version": version, "configuration": configuration}
            number = connection.execute(_JOIN, row | {"lasting": _microseconds(lasting)}).scalar_one()
        return OwnInstance(number=number, configuration=configuration)

    def add_tenants(self, tenants: Collection[Tenant]) -> None:
        """Make leases for tenants that have none yet; all in one order, so that two who do this wait, and no more."""
        with store_errors(self._engine.url), self._engine.begin() as connection:
            connection.execute(_ADD_TENANTS, {"tenants": sorted({*tenants, ALL_TENANTS})})

    def renew(
        self, member: OwnInstance, wanted: Collection[Tenant], held: Collection[Tenant], *, lasting: timedelta
    ) -> LeaseRenewal | None:
        """Renew all leases of a life, give up and take some as is fair; None where that life is over.

        Args:
            member: Whose.
            wanted: Whom its configuration polls.
            held: What it held after the last renewal.
            lasting: How long leases last from now on.
        """
        with store_errors(self._engine.url), self._engine.begin() as connection:
            me = {"me": member.number}
            renewed = {"lasting": _microseconds(lasting), "configuration": member.configuration, "head": HEAD}
            at = connection.execute(_RENEW, me | renewed).scalar()
            if at is None:
                return None
            everyone = _instances(connection)
            alive = tuple(each for each in everyone if each.is_alive)
            mine = _checked(connection, held, next(each for each in alive if each.number == member.number))
            free = _FreeCount(*connection.execute(_FREE).one())
            move = plan_leases(wanted, mine, alive)
            if move.release:
                mine -= set(connection.execute(_GIVE, me | {"tenants": [*move.release]}).scalars())
            if move.take and free.tenants:
                mine |= _taken(connection, me, wanted, at_most=move.take)
            if free.leader:
                mine |= _taken(connection, me, [ALL_TENANTS], at_most=1)
        return LeaseRenewal(at=from_epoch_us(at), owned=frozenset(mine), alive=alive)

    def leave(self, member: OwnInstance) -> None:
        """End a life: all of its leases are free at once."""
        with store_errors(self._engine.url), self._engine.begin() as connection:
            connection.execute(_LEAVE, {"me": member.number})

    def _check_unlocked(self, connection: Connection) -> None:
        lock = {"class": ADVISORY_CLASS, "lock": ADVISORY_DAEMON}
        if not connection.execute(_TRY_SHARED, lock).scalar():
            raise StoreError(f"another alerter has {location(self._engine.url)} for itself")


class LeaseRepository(Repository):
    """The instances that share the database, and what the one of this process may decide."""

    def __init__(self, connection: Connecting, own: OwnInstance | None = None) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            own: The instance of this process; None where the database is not shared.
        """
        super().__init__(connection)
        self._own = own

    def instances(self) -> list[Instance]:
        """Return the instances that share the database, and those that died within a day; the oldest life first."""
        return [] if is_sqlite(self._url) else _instances(self._connection)

    def instance_by_tenant(self) -> dict[Tenant, Instance]:
        """Return who polls each tenant that somebody polls; nothing where the database is not shared."""
        alive = {each.number: each for each in self.instances() if each.is_alive}
        if not alive:
            return {}
        return {row.tenant: alive[row.instance_id] for row in self._all(_HELD_BY) if row.instance_id in alive}

    def state(self, tenants: Collection[Tenant] = ()) -> LeaseState:
        """Return what this instance may decide: which of these tenants' polls it may keep, until the transaction ends.

        One that shares the database with nobody, such as a command, may do everything, and nothing is asked.
        """
        if self._own is None:
            return single_node_state(tenants)
        me = {"me": self._own.number, "configuration": self._own.configuration}
        row = self._first(_STANDING, me | {"tenants": [*tenants], "head": HEAD})
        if row is None:
            return LeaseState(is_member=False)
        return LeaseState(
            is_member=True, tenants=frozenset(row.tenants), is_leader=row.is_leader, configs_match=row.is_agreed
        )


@dataclass(frozen=True, slots=True)
class _FreeCount:
    tenants: int
    leader: int


def is_life_over(number: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the instance of this number does not live; not for SQLite, which has none."""
    return not_(exists().select_from(instances).where(instances.c.id == number, text(_lives("instances"))))


def alive_instances(connection: Connection) -> list[Instance]:
    """Return the instances that live now; none in a database from before there were any."""
    if not connection.execute(_HAS_INSTANCES).scalar():
        return []
    return [each for each in _instances(connection) if each.is_alive]


def _instances(connection: Connection) -> list[Instance]:
    return [_instance_of(row) for row in connection.execute(_INSTANCES)]


def _instance_of(row: Row[Any]) -> Instance:
    return Instance(
        number=row.id,
        name=row.name,
        version=row.version,
        configuration=row.config_digest,
        since=from_epoch_us(row.started_at),
        until=from_epoch_us(row.alive_until),
        tenants=row.tenants - row.is_leader,
        is_leader=bool(row.is_leader),
        is_alive=row.is_alive,
    )


def _checked(connection: Connection, held: Collection[Tenant], me: Instance) -> set[Tenant]:
    """Return what is held, read where the database has another number: a commit may have come to an unknown end."""
    if len(held) == me.tenants + me.is_leader:
        return set(held)
    return set(connection.execute(_MINE, {"me": me.number}).scalars())


def _taken(connection: Connection, me: dict[str, int], wanted: Collection[Tenant], *, at_most: int) -> set[Tenant]:
    return set(connection.execute(_TAKE, me | {"tenants": [*wanted], "at_most": at_most}).scalars())


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


_NOW = f"CAST(extract(epoch FROM statement_timestamp()) * {_MICROSECONDS} AS bigint)"
_LATEST = 2 * _microseconds(MAX_LEASE)


def _lives(instance: str) -> str:
    """Return the condition that an instance lives."""
    return f"{instance}.alive_until > {_NOW} AND {instance}.alive_until <= {_NOW} + {_LATEST}"


# No value of anybody stands in these statements: they are put together from the constants above.
_IS_FREE = f"NOT EXISTS (SELECT 1 FROM instances i WHERE i.id = l.instance_id AND {_lives('i')})"  # noqa: S608
_IS_MY_SCHEMA = "EXISTS (SELECT 1 FROM alembic_version WHERE version_num = :head)"
_TRY_SHARED = text("SELECT pg_try_advisory_xact_lock_shared(:class, :lock)")
_HAS_INSTANCES = text("SELECT to_regclass('instances') IS NOT NULL")
_FORGET = text(
    "DELETE FROM instances WHERE id IN (SELECT id FROM instances "  # noqa: S608
    f"WHERE id = :before OR alive_until < {_NOW} - :remembered FOR UPDATE SKIP LOCKED)"
)
_JOIN = text(
    "INSERT INTO instances (name, version, config_digest, started_at, alive_until) "  # noqa: S608
    f"VALUES (:name, :version, :configuration, {_NOW}, {_NOW} + :lasting) RETURNING id"
)
_ADD_TENANTS = text(
    "INSERT INTO leases (tenant) SELECT unnest(CAST(:tenants AS text[])) ON CONFLICT (tenant) DO NOTHING"
)
_RENEW = text(
    f"UPDATE instances i SET alive_until = {_NOW} + :lasting, config_digest = :configuration "  # noqa: S608
    f"WHERE id = :me AND {_lives('i')} AND {_IS_MY_SCHEMA} RETURNING {_NOW}"
)
_LEAVE = text("DELETE FROM instances WHERE id = :me")
_INSTANCES = text(
    "SELECT i.*, count(l.tenant) AS tenants, count(*) FILTER (WHERE l.tenant = '*') AS is_leader, "  # noqa: S608
    f"{_lives('i')} AS is_alive FROM instances i LEFT JOIN leases l ON l.instance_id = i.id GROUP BY i.id ORDER BY i.id"
)
_FREE = text(
    "SELECT count(*) FILTER (WHERE tenant <> '*'), count(*) FILTER (WHERE tenant = '*') "  # noqa: S608
    f"FROM leases l WHERE {_IS_FREE}"
)
_TAKE = text(
    "UPDATE leases SET instance_id = :me WHERE tenant IN (SELECT tenant FROM leases l "  # noqa: S608
    f"WHERE tenant = ANY(CAST(:tenants AS text[])) AND {_IS_FREE} ORDER BY tenant LIMIT :at_most "
    "FOR UPDATE OF l SKIP LOCKED) RETURNING tenant"
)
_GIVE = text(
    "UPDATE leases SET instance_id = NULL WHERE tenant IN (SELECT tenant FROM leases "
    "WHERE tenant = ANY(CAST(:tenants AS text[])) AND instance_id = :me FOR UPDATE SKIP LOCKED) RETURNING tenant"
)
_MINE = text("SELECT tenant FROM leases WHERE instance_id = :me")
_HELD_BY = text("SELECT tenant, instance_id FROM leases WHERE instance_id IS NOT NULL AND tenant <> '*'")
_STANDING = text(
    "WITH mine AS (SELECT tenant FROM leases "  # noqa: S608
    "WHERE instance_id = :me AND tenant = ANY(CAST(:tenants AS text[])) FOR SHARE) "
    "SELECT ARRAY(SELECT tenant FROM mine) AS tenants, "
    "EXISTS (SELECT 1 FROM leases WHERE tenant = '*' AND instance_id = :me) AS is_leader, "
    f"NOT EXISTS (SELECT 1 FROM instances o WHERE {_lives('o')} AND o.config_digest <> :configuration) AS is_agreed "
    f"FROM instances i WHERE i.id = :me AND {_lives('i')} AND {_IS_MY_SCHEMA}"
)
