"""What it costs to share ten thousand tenants between two instances on a PostgreSQL of the machine's own."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from statistics import median

import pytest
from sqlalchemy import create_engine, text

from alerter.core.series import Tenant
from alerter.core.sharding import AT_A_TIME
from alerter.storage import Leases, OwnInstance, Store
from benchmarks.figures import Figure, Unavailable
from tests.postgres import server

TENANTS = [Tenant(f"customer-{number:05}") for number in range(10_000)]
#: So many polls share a commit at most.
GROUP = TENANTS[:50]
ROUNDS = 50
LASTING = timedelta(seconds=30)


def sharing() -> list[Figure]:
    """Measure renewals, claims, and what a commit asks, each beside a round trip or bare statement of the same rows."""
    with _database() as url, ExitStack() as stack:
        stores = [stack.enter_context(closing(Store(url))) for _ in range(2)]
        stores[0].upgrade()
        leases, member = _joined(stores[0])
        leases.add_tenants(TENANTS)
        began = time.perf_counter()
        held = _renewed(leases, member, frozenset())
        taken = time.perf_counter() - began
        _joined(stores[1])
        stores[0].use_leases_of(member)

        def renew() -> None:
            nonlocal held
            held = _renewed(leases, member, held)

        renewing = _milliseconds(renew)
        keeping = _milliseconds(lambda: _ask(stores[0]))
        stores[0].use_leases_of(OwnInstance(number=0, configuration=""))
        bare, rows, trip = _floors(url)
    return [
        Figure(
            what=f"taking {len(TENANTS):,} leases at once", measured=taken, promised=2, floor=rows,
            floor_what="updating as many rows", unit="s",
        ),
        Figure(
            what=f"renewing the leases of {len(TENANTS):,} tenants, and handing {AT_A_TIME} over, every 2 s",
            measured=renewing, promised=200, floor=trip, floor_what="a transaction that reads a row", unit="ms",
        ),
        Figure(
            what="asking for the leases of the 50 polls of a commit", measured=keeping - bare, promised=10, floor=trip,
            floor_what="a transaction that reads a row", unit="ms",
        ),
    ]  # fmt: skip


@contextmanager
def _database() -> Iterator[str]:
    try:
        with server() as running, running.database() as url:
            yield url
    except pytest.skip.Exception as missing:
        raise Unavailable(str(missing)) from missing


def _joined(store: Store) -> tuple[Leases, OwnInstance]:
    leases = store.leases()
    assert leases is not None  # noqa: S101 - for the type checker
    return leases, leases.join("bench", "1", "same", lasting=LASTING, instead_of=0)


def _renewed(leases: Leases, member: OwnInstance, held: frozenset[Tenant]) -> frozenset[Tenant]:
    renewal = leases.renew(member, TENANTS, held, lasting=LASTING)
    assert renewal is not None  # noqa: S101 - for the type checker
    return renewal.owned


def _ask(store: Store) -> None:
    with store.write() as transaction:
        transaction.leases.state(GROUP)


def _floors(url: str) -> tuple[float, float, float]:
    """Return how long an empty commit of the store takes, an update of as many rows, and a round trip."""
    with closing(Store(url)) as store:
        bare = _milliseconds(lambda: _ask(store))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bare AS SELECT tenant, instance_id FROM leases"))
        connection.execute(text("ALTER TABLE bare ADD PRIMARY KEY (tenant)"))
    with engine.begin() as connection:
        began = time.perf_counter()
        connection.execute(text("UPDATE bare SET instance_id = 1"))
        rows = time.perf_counter() - began

    def read() -> None:
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))

    trip = _milliseconds(read)
    engine.dispose()
    return bare, rows, trip


def _milliseconds(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return median(times) * 1000
