"""Days that nobody writes to any more are packed: less room, the same history, and rows again where somebody writes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from alerter.core.downsampling import utc_hour
from alerter.core.history import TenantHistory
from alerter.core.history_records import FailedPolls, ImportedSample
from alerter.core.rules import Lookbacks, SumMember
from alerter.core.selectors import MATCH_ALL
from alerter.core.series import HoldReason, Sample, Tenant, to_epoch_us
from alerter.errors import StoreError
from alerter.storage import Store
from alerter.storage.count_changes import BEGINNING, END, MAX_CHUNK
from tests.builders import NOON, minutes, span
from tests.storage.stored import ACME, EVERY, pack, poll, prune, rows, tenant_series, thin
from tests.storage.test_full_history import plain
from tests.test_imports import imported

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)


def four_days(store: Store) -> None:
    """Poll two reasons every five hours, for the four days before noon."""
    for number in range(20):
        poll(store, NOON - 4 * DAY + number * span("5h"), Spam=number % 7, Virus=number % 3)


@pytest.fixture
def full(store: Store) -> Store:
    """Return a database with four days of history, all of it in rows."""
    four_days(store)
    return store


def chunks(store: Store) -> list[tuple[datetime, datetime]]:
    """Return from when until when each chunk is."""
    found = rows(store, "SELECT start_at, end_at FROM compressed_days ORDER BY tenant_id, start_at")
    return [(_instant(since), _instant(until)) for since, until in found]


def loose(store: Store) -> int:
    """Return how many changes are in rows."""
    return int(rows(store, "SELECT count(*) FROM count_changes")[0][0])


def came(reason: str, since: datetime, *held: int, tenant: str = ACME) -> list[ImportedSample]:
    """Return what another tool saw every five minutes."""
    return [
        ImportedSample(tenant=Tenant(tenant), reason=HoldReason(reason), at=since + number * EVERY, held=count)
        for number, count in enumerate(held)
    ]


def _instant(number: int) -> datetime:
    return datetime.fromtimestamp(number / 1_000_000, UTC)


def seen(store: Store) -> tuple[object, ...]:
    """Return what everybody sees who reads the history, by each of the ways to read it."""
    with store.read() as reader:
        history = reader.history.full_history(ACME, poll_interval=EVERY)
        records = list(reader.imports.records(ACME))
        part = list(reader.imports.records(ACME, since=NOON - 3 * DAY, until=NOON - DAY))
        spam = reader.history.samples(ACME, HoldReason("Spam"), since=NOON - 3 * DAY, until=NOON)
        total = reader.history.sum_over_tenants([_member()], MATCH_ALL, window=2 * DAY, now=NOON)
        steps = list(reader.imports.stored_history(ACME).changes())
    return history_from_polls(history), records, part, list(spam.changes), list(total.changes), steps, windows(store)


def _member() -> SumMember:
    windows = Lookbacks(((MATCH_ALL, 2 * DAY),))
    return SumMember(tenant=ACME, poll_interval=span("5h"), windows=windows, timezone=UTC)


def history_from_polls(history: TenantHistory) -> list[object]:
    """Return an archive in values that can be compared."""
    return [plain(history.polling), *map(plain, history.reasons)]


def windows(store: Store) -> list[list[Sample]]:
    """Return what rules that look back for three days see."""
    _, series = tenant_series(store, window="3d")
    return [list(each.changes) for each in series.values()]


def test_who_reads_the_history_sees_the_same(full: Store) -> None:
    """Windows, archives, records, samples and sums, whether it is in rows, in chunks, or in both."""
    before = seen(full)
    in_rows = loose(full)

    packed = pack(full, MIDNIGHT - DAY)

    assert sum(packed) + loose(full) == in_rows
    assert 0 < loose(full) < in_rows
    assert seen(full) == before


def test_a_chunk_ends_with_its_day(full: Store) -> None:
    """So that what is kept, thinned and deleted by days never needs a part of one."""
    pack(full, NOON)

    spans = chunks(full)
    assert len(spans) == 5
    assert all(since.date() == until.date() for since, until in spans)
    assert loose(full) == 0


def test_what_is_newer_stays_in_rows(full: Store) -> None:
    """Today a poll may still be amended; the limit may be any instant."""
    pack(full, MIDNIGHT - span("7h"))

    assert chunks(full)[-1][1] < MIDNIGHT - span("7h")
    assert rows(full, "SELECT min(at) FROM count_changes") > rows(full, "SELECT max(end_at) FROM compressed_days")


def test_a_second_run_packs_what_has_come_since(full: Store) -> None:
    """Nothing is packed twice."""
    pack(full, MIDNIGHT - DAY)
    before = chunks(full)
    assert pack(full, MIDNIGHT - DAY) == []

    pack(full, MIDNIGHT)

    assert chunks(full)[: len(before)] == before
    assert len(chunks(full)) == len(before) + 1


def test_a_busy_day_becomes_several_chunks(store: Store) -> None:
    """A chunk is read as a whole; what changed at one instant stays together, however much it is."""
    many = {f"Definition {number:04}": 1 for number in range(MAX_CHUNK + 10)}
    poll(store, MIDNIGHT + minutes(5), **many)
    poll(store, MIDNIGHT + minutes(10), **dict.fromkeys(many, 2))
    few = dict.fromkeys(many, 2)
    for number in range(3):
        few |= dict.fromkeys(sorted(many)[: MAX_CHUNK // 3 + 1], 3 + number)
        poll(store, MIDNIGHT + minutes(15 + 5 * number), **few)
    before = windows(store)

    sizes = pack(store, NOON)

    third = MAX_CHUNK // 3 + 1
    assert sizes == [MAX_CHUNK + 10, MAX_CHUNK + 10, 2 * third, third]
    assert windows(store) == before


def test_long_histories_are_read_page_by_page(store: Store) -> None:
    """More rows, and more chunks, than are read at a time."""
    poll(store, NOON - 80 * DAY, Spam=1)
    with store.write() as transaction:
        start = to_epoch_us(NOON - 79 * DAY)
        transaction.history._changes.put(  # noqa: SLF001 - as an import would
            [(1, start + number * 60_000_000, 1, 1 + number % 2, 2 - number % 2) for number in range(12_000)]
        )
        transaction.history._changes.put(  # noqa: SLF001
            [(1, start + number * 86_400_000_000, 1, 1, 2) for number in range(9, 79)]
        )
    with store.read() as reader:
        before = history_from_polls(reader.history.full_history(ACME, poll_interval=EVERY))

    sizes = pack(store, NOON)

    assert (sum(sizes), len(sizes)) == (12_000 + 70 + 1, 80)
    with store.read() as reader:
        assert history_from_polls(reader.history.full_history(ACME, poll_interval=EVERY)) == before


class TestWriting:
    """Whoever writes where chunks are finds rows."""

    def test_a_poll_whose_clock_was_set_back_amends_what_is_packed(self, store: Store) -> None:
        """It is stored as if nothing had been packed."""
        outcomes = []
        for is_packed in (True, False):
            _empty(store)
            four_days(store)
            if is_packed:
                pack(store, NOON)
            poll(store, NOON - 2 * DAY, Spam=99, New=3)
            outcomes.append(seen(store))
        assert outcomes[0] == outcomes[1]

    def test_an_import_writes_between_what_is_packed(self, store: Store) -> None:
        """Only the chunks that it writes into become rows, and then chunks again."""
        outcomes = []
        for is_packed in (True, False):
            _empty(store)
            four_days(store)
            if is_packed:
                pack(store, NOON)
            packed = chunks(store)
            imported(store, came("Spam", NOON - 3 * DAY + minutes(7), 3, 4, 5))
            if is_packed:
                assert set(chunks(store)) < set(packed)
                pack(store, NOON)
            outcomes.append(seen(store))
        assert outcomes[0] == outcomes[1]

    def test_what_came_beside_a_chunk_is_packed_beside_it(self, full: Store) -> None:
        """No chunk reaches into another one, and reading takes them in turn."""
        pack(full, NOON)
        first, last = chunks(full)[1]
        beside = [first - minutes(30), first - minutes(25), last + minutes(30), last + minutes(35)]
        with full.write() as transaction:
            transaction.history._changes.put([(1, to_epoch_us(each), 1, 8, 9) for each in beside])  # noqa: SLF001 - beneath
        before = seen(full)
        assert loose(full) == 4

        pack(full, NOON)

        spans = chunks(full)
        assert all(one[1] < other[0] for one, other in pairwise(spans))
        assert seen(full) == before

    def test_what_another_one_has_made_rows_of_is_left_as_it_is(self, full: Store) -> None:
        """An import reads a chunk while a poll makes rows of it, and writes to them; then it is the import's turn."""
        pack(full, NOON)
        with full.write() as transaction:
            [chunk, *_] = transaction.history._changes.chunks(1, BEGINNING, END)  # noqa: SLF001 - beneath the interface
            transaction.history._changes.make_rows(1, chunk)  # noqa: SLF001
            transaction.history._changes.put([(1, chunk.start_at, 1, 5, 77)])  # noqa: SLF001
            transaction.history._changes.make_rows(1, chunk)  # noqa: SLF001

        assert rows(full, "SELECT value FROM count_changes ORDER BY at, series_id")[0] == (77,)

    @pytest.mark.parametrize("batch", [100, 10_000])
    def test_thinning_comes_to_the_same(self, store: Store, batch: int) -> None:
        """Day after day, of what is packed and of what came beside it, however much is done at a time."""
        outcomes = []
        for is_packed in (True, False):
            _empty(store)
            for number in range(600):
                poll(store, NOON - 3 * DAY + number * minutes(5), Spam=number * number % 11)
            if is_packed:
                pack(store, NOON - DAY)
                imported(store, came("Spam", NOON - 3 * DAY - span("2h"), 90, 1, 80))
                assert len(thin(store, MIDNIGHT - DAY, batch=batch)) >= 3
                pack(store, NOON - DAY)
            else:
                imported(store, came("Spam", NOON - 3 * DAY - span("2h"), 90, 1, 80))
                thin(store, MIDNIGHT - DAY)
            outcomes.append(seen(store))
        assert outcomes[0] == outcomes[1]

    def test_thinning_makes_rows_of_no_more_than_it_needs(self, store: Store) -> None:
        """A tenant with thousands of reasons has many chunks a day: not all of them in one transaction."""
        many = [f"Definition {number:04}" for number in range(MAX_CHUNK // 4)]
        for number in range(16):
            poll(store, NOON - 3 * DAY + number * minutes(25), **dict.fromkeys(many, number + 1))
        pack(store, NOON)
        packed = len(chunks(store))
        left = []
        with store.read() as reader:
            assert reader.retention.tenants_to_downsample(MIDNIGHT) == [ACME]
        rest = 1
        while rest:
            with store.write() as transaction:
                rest = transaction.retention.downsample(ACME, before=MIDNIGHT, batch=100_000)
            left.append(len(chunks(store)))

        assert packed == 4
        assert left == [3, 2, 1, 0, 0]

    @pytest.mark.parametrize("before", [MIDNIGHT - 2 * DAY, NOON - 2 * DAY], ids=["a day", "the middle of one"])
    def test_what_is_too_old_goes(self, store: Store, before: datetime) -> None:
        """By whole chunks, a few at a time; a part of one only where that is asked for."""
        outcomes = []
        for is_packed in (True, False):
            _empty(store)
            four_days(store)
            if is_packed:
                pack(store, NOON - DAY)
            prune(store, before, batch=1)
            outcomes.append(seen(store))
        assert outcomes[0] == outcomes[1]
        with store.read() as reader:
            assert reader.retention.tenants_to_prune(before) == []


_HOURS = st.integers(0, 60).map(lambda hours: timedelta(hours=hours))
_COUNTS = st.dictionaries(st.sampled_from(["Spam", "Virus", "Bulk"]), st.integers(0, 5), max_size=3)
#: What happens to a tenant, how much later or earlier than what happened before, and what then.
_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("poll"), st.sampled_from([5, 5, 5, 11, 180, 1800, 0, -120, -2400]).map(minutes), _COUNTS),
        st.tuples(st.just("import"), _HOURS, st.lists(st.integers(0, 5), min_size=1, max_size=9)),
        st.tuples(st.sampled_from(["pack", "pack", "thin", "prune"]), _HOURS, st.sampled_from([1, 3, 100])),
    ),
    max_size=30,
)


@settings(max_examples=40)
@given(events=_EVENTS)
def test_whatever_happens_a_tenant_that_is_packed_has_the_history_of_one_that_is_not(
    store: Store, events: list[tuple[str, timedelta, Any]]
) -> None:
    """Polls with a clock that jumps, imports, thinning and pruning, in any order, and packing in between."""
    _empty(store)
    now = NOON
    for kind, passed, what in [("poll", minutes(0), {"Spam": 1}), *events]:
        now += passed if kind == "poll" else timedelta(0)
        for name in ("packed", "loose"):
            if kind == "poll":
                poll(store, now, name, **what)
            elif kind == "import":
                imported(store, came("Virus", now - passed, *what, tenant=name))
            elif kind != "pack" or name == "packed":
                _until_done(store, kind, name, before=utc_hour(now - passed), batch=what)
        assert _history(store, "packed") == _history(store, "loose")


def _until_done(store: Store, kind: str, name: str, *, before: datetime, batch: int) -> None:
    tenant, rows = Tenant(name), 1
    while rows:
        with store.write() as transaction:
            match kind:
                case "pack":
                    rows = transaction.retention.compress(tenant, before=before)
                case "thin":
                    rows = transaction.retention.downsample(tenant, before=before, batch=batch)
                case _:
                    rows = transaction.retention.prune(tenant, before=before, batch=batch)


def _history(store: Store, name: str) -> tuple[object, ...]:
    with store.read() as reader:
        history = reader.history.full_history(Tenant(name), poll_interval=EVERY)
        # Nothing failed there.
        read = [each for each in reader.imports.records(Tenant(name)) if not isinstance(each, FailedPolls)]
        records = [replace(record, tenant=ACME) for record in read]
    known = [{**each, "tenant": ACME} for each in (plain(one) for one in (history.polling, *history.reasons))]
    return known, history.thinned_until, records


def test_while_an_import_writes_nothing_is_packed(postgresql_url: str) -> None:
    """Its rows are not seen yet, and would be in the middle of a chunk."""
    store = Store(postgresql_url)
    four_days(store)

    with store.write_import(1):
        assert pack(store, NOON) == []
        assert thin(store, MIDNIGHT) == []
        assert prune(store, MIDNIGHT) == []

    assert sum(pack(store, NOON)) == 38
    store.close()


def test_a_damaged_chunk_is_told_with_its_day(full: Store) -> None:
    """Nobody takes a history for whole of which a part cannot be read."""
    pack(full, NOON)
    with full.write() as transaction:
        transaction.polls._changed(text("UPDATE compressed_days SET changes = :nothing"), {"nothing": b"x"})  # noqa: SLF001

    with pytest.raises(StoreError, match=r"damaged: the counts of \d{4}-\d\d-\d\dT.* cannot be read: expected a chunk"):
        windows(full)


def _empty(store: Store) -> None:
    with store.write() as transaction:
        for table in ("count_changes", "compressed_days", "coverage", "series", "poll_failures", "tenants"):
            transaction.polls._changed(text(f"DELETE FROM {table}"), {})  # noqa: S608, SLF001 - beneath the interface
