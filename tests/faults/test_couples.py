"""Two instances on one PostgreSQL, killed, stopped and cut off again and again: everything is told, and told once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.couples import Couple
from tests.postgres import Server

#: As many as the project's promise is about, which takes half an hour.
MANY_FAULTS = 500
SOME_FAULTS = 24


@pytest.fixture
def couple(
    request: pytest.FixtureRequest, tmp_path: Path, postgresql: Server, migrated_database: str
) -> Iterator[Couple]:
    """Yield two daemons with a database of their own, seeded by the test's parameter."""
    with postgresql.database(template=migrated_database) as url:
        couple = Couple(tmp_path, url, seed=int(request.param))
        yield couple
        couple.close()


def check(couple: Couple, faults: int) -> None:
    """Let so many faults befall them, print what came of it, and fail unless all is well."""
    couple.live(faults)

    book = couple.book()
    print(book)  # noqa: T201 - what `pytest -rP` shows of a run
    assert book.problems == []
    assert book.faults.total() == faults
    assert book.breaches > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("couple", [1], indirect=True)
def test_two_instances_tell_everything_once_whatever_befalls_them(couple: Couple) -> None:
    """Kills, hangs that outlast the leases, and cut connections: another repeat than of what was in flight is none."""
    check(couple, SOME_FAULTS)


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("couple", [2], indirect=True)
def test_two_instances_tell_everything_once_under_five_hundred_faults(couple: Couple) -> None:
    """The same, for half an hour."""
    check(couple, MANY_FAULTS)
