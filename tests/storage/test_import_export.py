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

from alerter.core.history import TenantHistory
from alerter.core.series import Tenant, from_epoch_us, to_epoch_us
from alerter.errors import Cause, SourceUnavailable
from alerter.import_export import FileFormat, FileOptions, ValueParser, read, write_records
from alerter.jobs.import_history import ImportResult, import_history
from alerter.jobs.import_staging import ImportStaging
from alerter.storage import Store
from tests.builders import NOON, at, minutes
from tests.storage.stored import ACME, fail, poll, prune, rows


def exported(store: Store, form: FileFormat) -> str:
    """Return all that is stored, as a file."""
    stream = StringIO()
    with store.read() as reader:
        write_records((each for name in reader.polls.tenants() for each in reader.imports.records(name)), stream, form)
    return stream.getvalue()


def imported(store: Store, path: Path) -> ImportResult:
    """Import a file."""
    values = ValueParser(check_tenant=str, now=NOON + minutes(100_000))
    staging = ImportStaging()
    staging.read(str(path), read(str(path), FileOptions(), values))
    return import_history(staging.validate(interval=None), staging.entries, store, is_dry=False)


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


_FAILURES = """
    SELECT t.name, f.first_failed_at, f.last_failed_at, f.failure_count, f.cause, f.detail, f.steps,
        f.outage_started_at, f.ended_at
    FROM poll_failures f JOIN tenants t ON t.id = f.tenant_id ORDER BY t.id, f.first_failed_at
"""


def contents(store: Store) -> list[list[tuple[Any, ...]]]:
    """Return everything that is stored of what was seen, reasons in the order of first sight; the series come last."""
    return [rows(store, statement) for statement in (_COUNTS, _COVERAGE, _FAILURES, _SERIES)]


def history(store: Store) -> TenantHistory:
    """Return what a replay reads of acme."""
    with store.read() as reader:
        return reader.history.full_history(ACME, poll_interval=minutes(5))


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
        polls: Tenant, minutes since the poll before, held messages by reason; or the cause of a failed poll.
        pruned_before: Minutes after noon before which history was deleted; None if it was not.
    """

    polls: list[tuple[str, int, dict[str, int] | Cause]]
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
            if isinstance(held, Cause):
                with store.write() as transaction:
                    error = SourceUnavailable(held, f"=no answer\r\n{now:%H:%M}")
                    transaction.polls.add_failure(Tenant(tenant), error, at=now)
            else:
                poll(store, now, tenant, **held)
        if self.pruned_before is not None:
            prune(store, NOON + minutes(self.pruned_before))


_PASTS = st.builds(
    TransitionSource,
    polls=st.lists(
        st.tuples(
            st.sampled_from(["acme", "legacy"]), _STEP, st.one_of(_HELD, _HELD, st.sampled_from([Cause.DNS, Cause.TLS]))
        ),
        min_size=1,
        max_size=16,
    ),
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

    *here, failures_here, series_here = contents(store)
    *there, failures_there, series_there = contents(other)
    # An outage that began before the oldest polls, or by another clock, begins with the first one that is written down.
    columns = 7 if past.is_back or past.pruned_before is not None else 9
    if not past.is_back:
        assert [row[:columns] for row in failures_there] == [row[:columns] for row in failures_here]
    # Where the clock was set back, a series may say that it changed when it did not.
    parts = 4 if past.is_back else 5
    assert there == here
    assert [row[:parts] for row in series_there] == [row[:parts] for row in series_here]
    assert exported(other, form) == exported(store, form) or past.is_back
    assert any(each.added or each.failed_polls for each in first.tenants)
    assert not any(each.added or each.failed_polls for each in second.tenants)


def a_troubled_day(store: Store) -> None:
    """Store polls of which some failed, each for another while and another cause."""
    for clock, held in (("09:00", 5), ("09:05", 7), ("09:20", 7), ("09:25", 9), ("09:40", 9)):
        poll(store, clock, Spam=held)
        if clock == "09:05":
            fail(store, "09:10", Cause.DNS, "no address")
            fail(store, "09:15", Cause.KEYS_EXPIRED, "HTTP 401")
        if clock == "09:25":
            fail(store, "09:26")
    fail(store, "09:45", Cause.TIMEOUT, "no answer")


@pytest.mark.parametrize("form", FileFormat)
def test_a_replay_of_the_copy_is_that_of_the_original(
    store: Store, other: Store, tmp_path: Path, form: FileFormat
) -> None:
    """Failed polls with their causes are part of it, also those that nothing has ended yet."""
    a_troubled_day(store)
    path = tmp_path / f"export.{form}"
    path.write_text(exported(store, form), encoding="utf-8", newline="")

    (done,) = imported(other, path).tenants

    assert done.failed_polls == 4
    here, there = history(store).polling.poll_times, history(other).polling.poll_times
    assert [run.cause for outage in here.outages for run in outage.runs] == [
        "dns",
        "keys_expired",
        "timeout",
        "timeout",
    ]
    assert there == here


def test_the_service_goes_on_after_an_import_that_ends_with_a_failed_poll(
    store: Store, other: Store, tmp_path: Path
) -> None:
    """The next poll belongs to the outage, or ends it."""
    a_troubled_day(store)
    path = tmp_path / "export.csv"
    path.write_text(exported(store, FileFormat.CSV), encoding="utf-8", newline="")
    imported(other, path)

    for each in (store, other):
        fail(each, "09:50", Cause.TIMEOUT, "no answer")
        poll(each, "09:55", Spam=9)

    assert history(other).polling.poll_times == history(store).polling.poll_times


def test_failed_polls_are_added_to_a_copy_that_lacks_them(store: Store, other: Store, tmp_path: Path) -> None:
    """An export that had none was imported before; a file without columns for them is read."""
    a_troubled_day(store)
    whole = exported(store, FileFormat.CSV)
    lines = [line for line in whole.splitlines(keepends=True) if not line.startswith("failed,")]
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text(
        "".join(line.removesuffix(",,\n") + "\n" if line.endswith(",,\n") else line for line in lines).replace(
            ",cause,detail", ""
        ),
        encoding="utf-8",
        newline="",
    )
    new.write_text(whole, encoding="utf-8", newline="")

    (before,) = imported(other, old).tenants
    (after,) = imported(other, new).tenants

    assert (before.failed_polls, after.failed_polls, list(after.added)) == (0, 4, [])
    assert history(other).polling.poll_times == history(store).polling.poll_times


def test_counts_of_another_tool_are_not_joined_across_a_failed_poll(store: Store, tmp_path: Path) -> None:
    """What failed here failed here; the other tool's polls on both sides of it are two runs."""
    poll(store, "09:00", Spam=5)
    fail(store, "09:05", Cause.DNS, "no address")
    path = tmp_path / "other.csv"
    rows_ = [f"2026-03-02T{clock}:00Z,acme,Spam,7" for clock in ("09:04", "09:06", "09:08")]
    path.write_text("\n".join(["time,tenant,reason,count", *rows_, ""]))

    imported(store, path)

    poll_times = history(store).polling.poll_times
    spans = zip(map(from_epoch_us, poll_times.since), map(from_epoch_us, poll_times.until), strict=True)
    assert [*spans] == [(at("09:00"), at("09:00")), (at("09:04"), at("09:04")), (at("09:06"), at("09:08"))]
    assert [(outage.since, outage.until) for outage in poll_times.outages] == [
        (to_epoch_us(at("09:05")), to_epoch_us(at("09:06")))
    ]
