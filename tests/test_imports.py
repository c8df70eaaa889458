"""An import adds what nobody saw, all of it or nothing, whatever else happens to the history meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from alerter.core.history_records import CountRecord, FirstSeen, ImportedSample, InitialCount, PollRange, Record
from alerter.core.import_merge import ImportedHistory
from alerter.core.series import HoldReason, Tenant, to_epoch_us
from alerter.errors import InputError, Problem, StoreError
from alerter.jobs.import_history import ImportResult, import_history
from alerter.jobs.import_staging import MAX_SHOWN, ImportStaging
from alerter.storage import MAX_BESIDE_A_DAEMON, Reader, ReadLimit, Store
from tests.builders import at, minutes
from tests.storage.stored import poll, rows, tenant_series

ACME, SPAM = Tenant("acme"), HoldReason("Spam")
_SEEN = FirstSeen(tenant=ACME, reason=SPAM, at=at("11:00"))
_HELD = InitialCount(tenant=ACME, reason=SPAM, at=at("11:00"), held=5)
_POLLED = PollRange(tenant=ACME, since=at("11:00"), until=at("11:10"), polls=3)
_LATER = PollRange(tenant=ACME, since=at("11:30"), until=at("11:40"), polls=3)
_CHANGE = CountRecord(tenant=ACME, reason=SPAM, at=at("11:05"), held=6)
_EARLIER = CountRecord(tenant=ACME, reason=SPAM, at=at("11:00"), held=4)

Entries = Sequence[Record | ImportedSample | Problem]


def reading(clock: str, held: int, reason: str = "Spam", tenant: str = "acme") -> ImportedSample:
    """Return what another tool saw."""
    return ImportedSample(tenant=Tenant(tenant), reason=HoldReason(reason), at=at(clock), held=held)


def readings(since: str, until: str, held: int) -> list[ImportedSample]:
    """Return what another tool saw every 5 minutes."""
    number = (at(until) - at(since)) // minutes(5)
    return [
        ImportedSample(tenant=ACME, reason=SPAM, at=at(since) + each * minutes(5), held=held)
        for each in range(number + 1)
    ]


def settled(*files: Entries, interval: timedelta | None = None) -> list[ImportedHistory]:
    """Return what files say, each entry on a line of its own."""
    staging = ImportStaging()
    for number, entries in enumerate(files, start=1):
        lines = (each if isinstance(each, Problem) else (line, each) for line, each in enumerate(entries, start=2))
        staging.read(f"{number}.csv", lines)
    return staging.validate(interval=interval)


def imported(store: Store, *files: Entries, is_dry: bool = False, interval: timedelta | None = None) -> ImportResult:
    """Import files."""
    given = settled(*files, interval=interval)
    return import_history(given, sum(map(len, files)), store, is_dry=is_dry)


def refused(*files: Entries) -> InputError:
    """Return why files are refused."""
    with pytest.raises(InputError) as caught:
        settled(*files)
    return caught.value


def texts(error: InputError) -> list[str]:
    """Return what is wrong, problem by problem."""
    return [str(problem) for problem in error.problems]


class TestWhatIsWrong:
    """Nothing is imported from files with a problem."""

    def test_two_counts_at_one_time_are_a_contradiction(self) -> None:
        """Both lines are named, also if the counts are equal: they may have to be added."""
        error = refused(readings("11:00", "11:10", 5), [reading("11:05", 6), reading("11:10", 5)])

        assert texts(error) == [
            "2.csv:2: expected one count of a reason at one time, found another one in 1.csv, line 3",
            "2.csv:3: expected one count of a reason at one time, found another one in 1.csv, line 4",
        ]

    def test_a_change_that_no_poll_covers_did_not_happen(self) -> None:
        """Records say when polling worked; a file from which such a line was lost is not complete."""
        polled = PollRange(tenant=ACME, since=at("11:00"), until=at("11:10"), polls=3)
        changes = [CountRecord(tenant=ACME, reason=SPAM, at=at(clock), held=1) for clock in ("10:59", "11:00", "11:11")]
        seen = FirstSeen(tenant=ACME, reason=SPAM, at=at("09:00"))

        error = refused([seen, polled, *changes])

        assert [problem.line for problem in error.problems] == [4, 6]
        assert "expected a 'polled' record that covers this change" in error.problems[0].text

    def test_records_and_readings_of_a_tenant_are_not_mixed(self) -> None:
        """What was polled is either said or found out."""
        error = refused([FirstSeen(tenant=ACME, reason=SPAM, at=at("11:00")), reading("11:00", 5)])

        assert str(error) == "1.csv:3: expected either records or counts of 'acme' in one import, found both"

    @pytest.mark.parametrize(
        ("records", "line", "expected"),
        [
            pytest.param([_SEEN, _SEEN], 3, "expected one 'seen' record of 'Spam', found another one", id="seen twice"),
            pytest.param([_HELD], 2, "expected a 'seen' record of 'Spam' before this one, found none", id="never seen"),
            pytest.param([_SEEN, _HELD, _HELD], 4, "expected one 'held' record of 'Spam'", id="held twice"),
            pytest.param([_SEEN, _POLLED, _POLLED], 4, "oldest first and free of overlaps", id="overlapping runs"),
            pytest.param(
                [_SEEN, _POLLED, _CHANGE, _LATER],
                5,
                "expected 'polled' records before all changes",
                id="runs at the end",
            ),
            pytest.param([_SEEN, _POLLED, _CHANGE, _CHANGE], 5, "one of a reason at one time", id="a change twice"),
            pytest.param([_SEEN, _POLLED, _CHANGE, _EARLIER], 5, "expected changes oldest first", id="in no order"),
            pytest.param([_SEEN, _CHANGE], 3, "expected a 'polled' record that covers this change", id="never polled"),
        ],
    )
    def test_records_come_as_they_are_exported(self, records: Sequence[Record], line: int, expected: str) -> None:
        """What was edited or is put together is refused by its line."""
        (problem,) = refused(records).problems

        assert problem.line == line
        assert expected in problem.text

    def test_records_of_a_tenant_come_from_one_file(self) -> None:
        """Two exports of it are two imports."""
        error = refused([_SEEN], [_POLLED])

        assert "expected all records of 'acme' in one file, found others in another: import one by one" in str(error)
        assert error.problems[0].file == "2.csv"

    def test_an_import_of_nothing_is_a_mistake(self) -> None:
        """A file with names of columns alone is most likely another one than was meant."""
        assert str(refused([], [])) == "1.csv, 2.csv: expected history, found none"

    def test_the_first_problems_are_shown_and_all_are_counted(self) -> None:
        """A million wrong lines do not fill a screen."""
        wrong = [Problem(file="1.csv", line=line, key="held", text="wrong") for line in range(100, 0, -1)]

        error = refused(wrong)

        assert (len(error.problems), error.count) == (MAX_SHOWN, 100)
        assert error.problems[0].line == 100 - MAX_SHOWN + 1


class TestWhatIsStored:
    """What alerter saw itself stays, and so does what was imported before."""

    def test_what_was_polled_stays_and_gaps_are_filled(self, store: Store) -> None:
        """Before, between and after one's own polls the import counts."""
        poll(store, "11:00", Spam=1)
        poll(store, "11:30", Spam=2)

        done = imported(store, readings("10:50", "11:45", 7))

        _, series = tenant_series(store, window="2h")
        clocks = ("10:50", "11:00", "11:05", "11:25", "11:30", "11:35", "11:45")
        assert [series["Spam"].value_at(at(clock)) for clock in clocks] == [7, 1, 7, 7, 2, 7, 7]
        assert [(run.since, run.until) for run in done.tenants[0].coverage] == [
            (to_epoch_us(at("10:50")), to_epoch_us(at("11:45")))
        ]
        assert [(each.start_at, each.end_at) for each in series["Spam"].coverage] == [(at("10:50"), at("11:45"))]
        assert sum(run.polls for run in done.tenants[0].added) == 10

    @pytest.mark.parametrize(
        ("entries", "spam", "virus"),
        [
            pytest.param(readings("09:00", "11:00", 7), "09:00", "12:00", id="it was held from the first poll on"),
            pytest.param(
                [reading("09:00", 0), reading("09:05", 0), reading("09:10", 3)], "09:10", "12:00", id="later on"
            ),
            pytest.param(readings("09:00", "11:00", 0), "12:00", "12:00", id="it was not"),
            pytest.param(
                [
                    FirstSeen(tenant=ACME, reason=SPAM, at=at("08:00")),
                    InitialCount(tenant=ACME, reason=SPAM, at=at("08:00"), held=5),
                    PollRange(tenant=ACME, since=at("09:00"), until=at("10:00"), polls=13),
                    CountRecord(tenant=ACME, reason=SPAM, at=at("09:30"), held=0),
                ],
                "08:00",
                "12:00",
                id="it was held before anything is known",
            ),
        ],
    )
    def test_what_was_imported_is_not_new(self, store: Store, entries: Entries, spam: str, virus: str) -> None:
        """A reason that another tool saw months ago is no news when the first poll sees it."""
        poll(store, "12:00", Spam=7, Virus=7)

        imported(store, entries)

        polling, series = tenant_series(store)
        assert polling.first_polled_at == at("09:00")
        assert (series["Spam"].first_held_at, series["Virus"].first_held_at) == (at(spam), at(virus))

    def test_what_was_imported_before_stays(self, store: Store) -> None:
        """A second tool that saw the same time otherwise changes nothing."""
        imported(store, readings("11:00", "11:30", 7))

        done = imported(store, readings("11:00", "11:30", 9))

        assert (done.tenants[0].added, done.tenants[0].changes) == ([], 0)
        assert rows(store, "SELECT value FROM count_changes") == [(7,)]

    def test_a_dry_run_says_the_same_and_changes_nothing(self, store: Store) -> None:
        """It finds out what would be new."""
        dry = imported(store, readings("11:00", "11:30", 7), is_dry=True)

        assert rows(store, "SELECT count(*) FROM tenants") == [(0,)]
        assert imported(store, readings("11:00", "11:30", 7)) == dry

    def test_several_files_and_tenants_are_one_import(self, store: Store) -> None:
        """A reason in one file does not make another one, of another file, zero."""
        done = imported(
            store,
            [reading("11:00", 1), reading("11:05", 1)],
            [reading("11:00", 2, "Virus"), reading("11:05", 2, "Virus"), reading("11:00", 3, tenant="legacy")],
        )

        _, acme = tenant_series(store)
        _, legacy = tenant_series(store, "legacy")
        assert {reason: each.value_at(at("11:05")) for reason, each in acme.items()} == {"Spam": 1, "Virus": 2}
        assert legacy["Spam"].value_at(at("11:00")) == 3
        assert [(each.tenant, each.reasons, each.interval) for each in done.tenants] == [
            ("acme", 2, minutes(5)),
            ("legacy", 1, timedelta(0)),
        ]

    def test_the_distance_of_polls_can_be_said(self, store: Store) -> None:
        """A tool that wrote only when something changed was polling in between all the same."""
        done = imported(store, [reading("11:00", 1), reading("11:29", 2)], interval=minutes(20))

        assert (done.tenants[0].interval, done.tenants[0].gaps) == (minutes(20), [])

    def test_gaps_are_reported(self, store: Store) -> None:
        """The user sees what is missing."""
        done = imported(store, [*readings("11:00", "11:10", 5), *readings("11:30", "11:40", 5)], is_dry=True)

        assert [(gap.start_at, gap.end_at) for gap in done.tenants[0].gaps] == [(at("11:10"), at("11:30"))]


class BusyStore(Store):
    """A store in which something happens between the look at it and the writing."""

    def __init__(self, store: Store, happenings: Sequence[Callable[[], None]]) -> None:
        """Stand for a store, with its connections and its cache."""
        vars(self).update(vars(store))
        self._happenings = iter(happenings)

    @contextmanager
    def read(self, limit: ReadLimit | None = None) -> Iterator[Reader]:
        """Look, and let something happen afterwards."""
        with super().read(limit) as reader:
            yield reader
        next(self._happenings, lambda: None)()


class TestBesideAService:
    """Polling goes on meanwhile."""

    def test_a_poll_meanwhile_is_kept(self, store: Store) -> None:
        """What was held when the import looked is not what is held when it writes."""
        poll(store, "12:00", Spam=1)
        busy = BusyStore(store, [lambda: poll(store, "12:05", Spam=5, Virus=2)])

        imported(busy, readings("11:00", "11:30", 7))

        _, series = tenant_series(store, now=at("12:05"), window="2h")
        clocks = ("11:30", "12:00", "12:05")
        assert [series["Spam"].value_at(at(clock)) for clock in clocks] == [7, 1, 5]
        assert [series["Virus"].value_at(at(clock)) for clock in clocks] == [0, 0, 2]
        assert rows(store, "SELECT value FROM series ORDER BY reason") == [(5,), (2,)]

    def test_a_poll_in_the_time_of_the_import_ends_it(self, store: Store) -> None:
        """It may cover what the import would have filled in: nothing is written, and the next import is right."""
        busy = BusyStore(store, [lambda: poll(store, "11:15", Spam=1)])

        with pytest.raises(StoreError, match="the history of acme changed while it was imported into: nothing was"):
            imported(busy, readings("11:00", "11:30", 7))
        assert rows(store, "SELECT value FROM count_changes") == [(1,)]
        imported(store, readings("11:00", "11:30", 7))

        _, series = tenant_series(store, window="2h")
        assert [series["Spam"].value_at(at(clock)) for clock in ("11:10", "11:15", "11:20")] == [7, 1, 7]

    def test_an_import_too_large_for_the_time_that_a_daemon_waits_asks_to_stop_it(self, sqlite_url: str) -> None:
        """An SQLite file has one writer; without a daemon beside it, an import may take its time."""
        with closing(Store(sqlite_url)) as store, closing(Store(sqlite_url)) as daemon:
            with (
                daemon.lock(),
                pytest.raises(StoreError, match="stop it for this import, or import in parts"),
                store.write_import(MAX_BESIDE_A_DAEMON + 1),
            ):
                pass
            with daemon.lock(), store.write_import(MAX_BESIDE_A_DAEMON):
                pass
            with (
                store.write_import(MAX_BESIDE_A_DAEMON + 1),
                pytest.raises(StoreError, match="another alerter"),
                daemon.lock(),
            ):
                pass

    def test_in_postgresql_polls_are_kept_while_an_import_writes(self, postgresql_url: str) -> None:
        """However long it takes, nobody waits before its last moment."""
        with closing(Store(postgresql_url)) as store, closing(Store(postgresql_url)) as daemon:
            poll(daemon, "12:00", Spam=1)
            with store.write_import(10**9) as transaction:
                transaction.imports.add_changes(ACME, {}, {}, iter(()))

                poll(daemon, "12:05", Spam=2)

                transaction.imports.lock_writers()
                assert transaction.imports.stored_history(ACME).held[SPAM] == 2
