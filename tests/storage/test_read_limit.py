"""What is read for a page ends in time."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from alerter.errors import StoreError
from alerter.storage.engine import Access, ReadLimit, Repository, limited, open_engine, parse_url

#: Takes minutes.
ENDLESS = text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000000)"
    " SELECT count(*) FROM numbers"
)


class Reading(Repository):
    """A repository that reads what takes long, and what does not."""

    def read(self, statement: str) -> int:
        """Return a number that a statement finds."""
        return int(self._all(text(statement))[0][0])

    def read_endless(self) -> int:
        """Return what takes minutes to find."""
        return int(self._all(ENDLESS)[0][0])


def clock_of(*seconds: float) -> Callable[[], float]:
    """Return a clock that shows these seconds, one after the other, and then the last one for ever."""
    left = list(seconds)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_statement_that_takes_too_long_is_interrupted(database_url: str) -> None:
    """The text says where, and after how long; the connection can be used again."""
    engine = open_engine(parse_url(database_url), Access.READ_WRITE)
    with engine.connect() as connection:
        with (
            pytest.raises(StoreError, match=r": not read within 0\.2 s$"),
            limited(connection, ReadLimit(0.2, clock_of(0, 9))),
        ):
            Reading(connection).read_endless()
        connection.rollback()
        assert Reading(connection).read("SELECT 7") == 7
    engine.dispose()


def test_another_error_is_what_it_is(database_url: str) -> None:
    """A table that there is not was not too slow."""
    engine = open_engine(parse_url(database_url), Access.READ_WRITE)
    with (
        engine.connect() as connection,
        pytest.raises(StoreError, match="nowhere"),
        limited(connection, ReadLimit(2, clock_of(0))),
    ):
        Reading(connection).read("SELECT n FROM nowhere")
    engine.dispose()
