"""What is exported and imported into an empty database is the same history, whatever it is and whichever database."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.import_export import FileFormat, Layout, Values, read, write_records
from alerter.jobs.import_history import ImportResult, take_in
from alerter.jobs.import_staging import ImportStaging
from alerter.storage import Store
from tests.builders import NOON, minutes
from tests.storage.stored import poll, prune, rows


def exported(store: Store, form: FileFormat) -> str:
    """Return all that is stored, as a file."""
    stream = StringIO()
    with store.read() as reader:
        write_records((each for name in reader.polls.tenants() for each in reader.imports.records(name)), stream, form)
    return stream.getvalue()


def imported(store: Store, path: Path) -> ImportResult:
    """Import a file."""
    values = Values(check_tenant=str, now=NOON + minutes(100_000))
    staging = ImportStaging()
    staging.read(str(path), read(str(path), Layout(), values))
    return take_in(staging.settle(interval=None), staging.entries, store, is_dry=False)


_SERIES = """
    SELECT t.name, s.reason, s.value, s.first_seen_at, s.changed_at FROM series s JOIN tenants t ON t.id = s.tenant_id
    ORDER BY t.id, s.id
"""
_COUNTS = """
    SELECT t.name, s.reason, c.at, c.previous_value, c.value
    FROM count_changes c JOIN series s ON s.id = c.series_id JOIN tenants t ON t.id = c.tenant_id
    ORDER BY t.id, c.at, s.id
"""
_COVERAGE = """
    SELECT t.name, c.first_poll_at, c.last_poll_at, c.poll_count FROM coverage c JOIN tenants t ON t.id = c.tenant_id
    ORDER BY t.id, c.first_poll_at
"""


def contents(store: Store) -> list[list[tuple[Any, ...]]]:
    """Return everything that is stored of what was seen, reasons in the order of first sight; the series come last."""
    return [rows(store, statement) for statement in (_COUNTS, _COVERAGE, _SERIES)]


@pytest.fixture
def other(request: pytest.FixtureRequest, database_url: str) -> Iterator[Store]:
    """An empty database of the kind that `store` is not."""
    kind = "sqlite" if database_url.startswith("postgresql") else "postgresql"
    with closing(Store(str(request.getfixturevalue(f"{kind}_url")))) as opened:
        yield opened


_REASONS = [
    "Spam",
    "=cmd|' /C calc'!A1",
    "a;=1+1",
    'quoted "name", with a comma',
    "line\r\nbreak",
    "'=x",
    "Ω",
    "lone\rreturn",
    "(no reason given)",
]
_HELD = st.dictionaries(st.sampled_from(_REASONS), st.integers(0, 3), max_size=3)
_STEP = st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(13, 60), st.integers(-30, 0))
_numbers = count()


def empty(store: Store) -> None:
    """Delete all that was seen."""
    with store.write() as transaction:
        for table in ("count_changes", "coverage", "poll_failures", "series", "tenants"):
            transaction.polls._connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: SLF001, S608 - beneath the interface


@dataclass(frozen=True)
class TransitionSource:
    """What happened before an export.

    Attributes:
        polls: Tenant, minutes since the poll before, held messages by reason.
        pruned_before: Minutes after noon before which history was deleted; None if it was not.
    """

    polls: list[tuple[str, int, dict[str, int]]]
    pruned_before: int | None

    @property
    def is_back(self) -> bool:
        """Whether the clock was set back."""
        return any(step <= 0 for _, step, _ in self.polls)

    def play(self, store: Store) -> None:
        """Let it happen."""
        now = NOON
        for tenant, step, held in self.polls:
            now += minutes(step)
            poll(store, now, tenant, **held)
        if self.pruned_before is not None:
            prune(store, NOON + minutes(self.pruned_before))


_PASTS = st.builds(
    TransitionSource,
    polls=st.lists(st.tuples(st.sampled_from(["acme", "legacy"]), _STEP, _HELD), min_size=1, max_size=16),
    pruned_before=st.one_of(st.none(), st.integers(0, 200)),
)


@settings(max_examples=30)
@given(past=_PASTS, form=st.sampled_from(FileFormat))
def test_an_export_gives_the_same_history_in_another_database(
    store: Store, other: Store, tmp_path: Path, past: TransitionSource, form: FileFormat
) -> None:
    """Series, coverage and first sights are the same after CSV and JSON Lines, from SQLite to PostgreSQL and back."""
    empty(store)
    empty(other)
    past.play(store)
    path = tmp_path / f"{next(_numbers)}.{form}"
    path.write_text(exported(store, form), encoding="utf-8", newline="")

    first = imported(other, path)
    second = imported(other, path)

    *here, series_here = contents(store)
    *there, series_there = contents(other)
    # Where the clock was set back, a series may say that it changed when it did not.
    parts = 4 if past.is_back else 5
    assert there == here
    assert [row[:parts] for row in series_there] == [row[:parts] for row in series_here]
    assert exported(other, form) == exported(store, form) or past.is_back
    assert any(each.added for each in first.tenants)
    assert not any(each.added for each in second.tenants)
