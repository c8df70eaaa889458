"""What a service remembers between polls, and packs away, changes nothing but the cost.

The machine below lives twice, each life on a real SQLite file of its own: one service remembers from poll to poll,
packs its history, and may write polls that change nothing but counts later; the other is started again before each
poll, reads everything, packs nothing, and writes each poll at once. Whatever happens, both files hold the same.
"""

import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from alerter.core.conditions import Baseline, Forecast, NewReason, Stagnant, Threshold
from alerter.core.downsampling import utc_hour
from alerter.core.history_records import ImportedSample
from alerter.core.rules import Per, Rule, Severity
from alerter.core.series import HoldReason, Sample, Series, Tenant, from_epoch_us
from alerter.core.silences import Acknowledgement, Silence
from alerter.errors import Cause, SourceError, SourceUnavailable
from alerter.jobs.poll import PollCycle, poll, poll_many, reconcile, shift_after_clock_jump
from alerter.storage import Reader, Store
from alerter.storage.cache import CachedTenant
from alerter.storage.compression import decode
from alerter.storage.history import series_at
from alerter.storage.windows import LookbackReach
from tests.builders import a_growth, a_level, a_no_data, a_policy, a_rule, a_silence, an_acknowledgement, minutes
from tests.fakes import CrashError, CrashingStore, FakeClock, FakeSource
from tests.storage.stored import pack, prune, thin
from tests.test_imports import imported

TENANTS = {"acme": "5m", "umbrella": "5m"}
EVERY = minutes(5)

_ALONE = [
    a_rule("Backlog", warning=a_level(above=4, clear_at=2), critical=a_level(above=8, for_="10m")),
    a_rule("Surge", warning=a_level(a_growth(over="15m", by=3), keep_firing_for="10m"), reasons=["Spam"]),
    a_rule("Fall", warning=a_level(a_growth(over="1h", falls_percent=50, floor=4), Threshold(above=0))),
]
_SUM = a_rule("Sum", warning=a_level(above=8), critical=a_level(a_growth(over="20m", by=5)), per=Per.TENANT)
_TOTAL = a_rule("Total", warning=a_level(above=12), per=Per.ALL)
_EYES = a_rule("Eyes", critical=a_level(a_no_data("10m")), tenants=["acme"])
_DEEP = [
    a_rule("Ahead", warning=a_level(Forecast(above=12, within=minutes(20), fit_over=minutes(30)))),
    a_rule("Asleep", warning=a_level(Stagnant(above=1, lasting=timedelta(hours=26)))),
    a_rule("New", info=a_level(NewReason(learn=minutes(30)))),
    a_rule("Usual", warning=a_level(Baseline(deviations=1, weeks=3, floor=1))),
    a_rule("Usual sum", warning=a_level(Baseline(deviations=1, weeks=3, floor=1)), per=Per.TENANT),
]
_RULES: dict[str, Sequence[Rule]] = {
    "alone": _ALONE,
    "with a sum": [*_ALONE, _SUM],
    "with a total": [_TOTAL, *_ALONE],
    "with eyes": [_ALONE[0], _EYES],
    "a sum": [_SUM],
    "with a long memory": [*_DEEP, _ALONE[0]],
}

_NAMES = st.sampled_from(sorted(TENANTS))
_PASSED = st.sampled_from([1, 5, 5, 5, 5, 10, 11, 60, 500, 10075]).map(minutes)
_COUNTS = st.dictionaries(
    st.sampled_from(["Spam", "Virus", "Bulk", "Rare"]), st.sampled_from([0, 1, 1, 1, 5, 5, 9]), max_size=4
)
_CAUSES = st.sampled_from([Cause.TIMEOUT, Cause.TIMEOUT, Cause.KEYS_EXPIRED])

_Result = TypeVar("_Result")


class _Lives(RuleBasedStateMachine):
    """One life that remembers, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        paths = [Path(self.folder.name) / f"{name}.db" for name in ("remembering", "reading")]
        for path in paths:
            shutil.copy(_migrated(), path)
        self.path, self.other_path = paths
        self.store = Store(f"sqlite:///{self.path}")
        #: Another instance, which remembers as well, and may have polled last.
        self.elsewhere = Store(f"sqlite:///{self.path}")
        self.clock = FakeClock()
        self.alerting = a_policy(*_ALONE, tenants=TENANTS)
        self.answer: dict[str, Mapping[str, int]] = {}

    @initialize(rules=st.sampled_from(sorted(_RULES)), delays=st.booleans())
    def begin(self, rules: str, *, delays: bool) -> None:
        """Start with some rules; polls may be written later."""
        self.alerting = a_policy(*_RULES[rules], tenants=TENANTS)
        self.store.delay_polls(is_on=delays)

    # what happens

    @rule(tenant=_NAMES, passed=_PASSED, counts=_COUNTS)
    def poll_well(self, tenant: str, passed: timedelta, counts: Mapping[str, int]) -> None:
        """Poll a tenant."""
        self.answer[tenant] = counts
        self._poll(self.store, tenant, counts, passed)

    @rule(tenant=_NAMES, passed=_PASSED, times=st.integers(1, 4))
    def poll_the_same(self, tenant: str, passed: timedelta, times: int) -> None:
        """Poll a tenant that holds what it held, some times."""
        for _ in range(times):
            self._poll(self.store, tenant, self.answer.get(tenant, {"Spam": 1}), passed)

    @rule(tenant=_NAMES, passed=_PASSED, cause=_CAUSES, times=st.integers(1, 3))
    def poll_badly(self, tenant: str, passed: timedelta, cause: Cause, times: int) -> None:
        """Poll a tenant in vain."""
        for number in range(times):
            self._poll(self.store, tenant, SourceUnavailable(cause, f"attempt {number}"), passed)

    @rule(passed=_PASSED, counts=_COUNTS, others=_COUNTS)
    def poll_many(self, passed: timedelta, counts: Mapping[str, int], others: Mapping[str, int]) -> None:
        """Poll all tenants in one transaction."""
        self.clock.now += passed
        answers = {name: counts if name == "acme" else others for name in self.alerting.poll_intervals}

        def polled(store: Store) -> list[PollCycle]:
            sources = [(name, self._source(name, answer)) for name, answer in answers.items()]
            return poll_many(sources, store, self.alerting, clock=self.clock)

        with closing(Store(f"sqlite:///{self.other_path}")) as reading:
            assert polled(self.store) == polled(reading)

    @rule(tenant=_NAMES, counts=_COUNTS, fails=st.booleans())
    def poll_elsewhere(self, tenant: str, counts: Mapping[str, int], *, fails: bool) -> None:
        """Let the other instance poll a tenant, as after it has taken it over."""
        self.store.save_polls()
        self._poll(self.elsewhere, tenant, SourceUnavailable(Cause.DNS, "no such host") if fails else counts, EVERY)

    @rule(tenant=_NAMES, counts=_COUNTS, call=st.integers(1, 8))
    def poll_and_fail_to_keep_it(self, tenant: str, counts: Mapping[str, int], call: int) -> None:
        """Lose the database in the middle of a cycle: nothing of it is kept, and nothing of it is remembered."""
        if Tenant(tenant) in self.alerting.poll_intervals:
            self.clock.forward("5m")
            with suppress(CrashError):
                self._polled(CrashingStore(self.store, crash_at=call), tenant, counts)
                # It had fewer calls than that, and was committed.
                with closing(Store(f"sqlite:///{self.other_path}")) as reading:
                    self._polled(reading, tenant, counts)

    @rule(by=st.sampled_from([-600, -61, -7, 7, 61]).map(lambda by: timedelta(minutes=by, milliseconds=13)))
    def jump(self, by: timedelta) -> None:
        """Set the clock back or forward; no poll comes at the very millisecond of another, which names a message."""
        self.clock.now += by
        self._both(lambda store: shift_after_clock_jump(store, by=by))

    @rule(rules=st.sampled_from(sorted(_RULES)), umbrella=st.booleans())
    def reload(self, rules: str, *, umbrella: bool) -> None:
        """Change the rules, or remove a tenant."""
        tenants = {name: every for name, every in TENANTS.items() if umbrella or name == "acme"}
        self.alerting = a_policy(*_RULES[rules], tenants=tenants)
        self._both(lambda store: reconcile(store, self.alerting, now=self.clock.now))

    @rule()
    def restart(self) -> None:
        """End the process and start another one."""
        delays = self.store.delays_polls
        self.store.save_polls()
        self.store.close()
        self.store = Store(f"sqlite:///{self.path}")
        self.store.delay_polls(is_on=delays)

    @rule()
    def save(self) -> None:
        """Write what waits."""
        self.store.save_polls()

    @rule(ago=st.sampled_from([5, 30, 300]).map(minutes))
    def prune(self, ago: timedelta) -> None:
        """Delete history, also what the rules still look at."""
        self._both(lambda store: _only(prune(store, self.clock.now - ago, batch=5)))

    @rule(ago=st.sampled_from([5, 300]).map(minutes), elsewhere=st.booleans())
    def thin(self, ago: timedelta, *, elsewhere: bool) -> None:
        """Thin history, also what the rules still look at."""
        before = utc_hour(self.clock.now - ago)
        self._both(lambda store: _only(thin(store, before, batch=5)), elsewhere=elsewhere)

    @rule(ago=st.sampled_from([-60, 0, 5, 300, 1440]).map(minutes), elsewhere=st.booleans())
    def pack(self, ago: timedelta, *, elsewhere: bool) -> None:
        """Pack history, also what the rules still look at."""
        self.store.save_polls()
        pack(self.elsewhere if elsewhere else self.store, self.clock.now - ago)

    @rule(lasting=st.sampled_from([10, 60]).map(minutes))
    def silence(self, lasting: timedelta) -> None:
        """Ask for quiet, from another process."""
        wanted = replace(a_silence(), starts_at=self.clock.now, ends_at=self.clock.now + lasting)
        self._both(lambda store: _add_silence(store, wanted), elsewhere=True)

    @rule(severity=st.sampled_from([Severity.WARNING, Severity.CRITICAL]))
    def acknowledge(self, severity: Severity) -> None:
        """Acknowledge an alert, from another process."""
        wanted = replace(an_acknowledgement(severity=severity), acknowledged_at=self.clock.now)
        self._both(lambda store: _acknowledge(store, wanted), elsewhere=True)

    @rule(tenant=_NAMES, hours=st.integers(1, 5), held=st.sampled_from([0, 3, 9]))
    def import_history(self, tenant: str, hours: int, held: int) -> None:
        """Take in what another tool saw in the last hours, from another process."""
        begin = self.clock.now - timedelta(hours=hours)
        seen = [
            ImportedSample(tenant=Tenant(tenant), reason=HoldReason("Spam"), at=begin + number * EVERY, held=held)
            for number in range(12 * hours)
        ]
        self._both(lambda store: imported(store, seen), elsewhere=True)

    # how

    def _poll(self, store: Store, tenant: str, answer: Mapping[str, int] | SourceError, passed: timedelta) -> None:
        if Tenant(tenant) not in self.alerting.poll_intervals:
            return
        self.clock.now += passed
        cycle = self._polled(store, tenant, answer)
        with closing(Store(f"sqlite:///{self.other_path}")) as reading:
            assert cycle == self._polled(reading, tenant, answer)

    def _polled(self, store: Store | CrashingStore, tenant: str, answer: Mapping[str, int] | SourceError) -> PollCycle:
        return poll(Tenant(tenant), self._source(tenant, answer), store, self.alerting, clock=self.clock)

    def _source(self, tenant: str, answer: Mapping[str, int] | SourceError) -> FakeSource:
        source = FakeSource(self.clock, tenant=tenant)
        source.answers.append(answer)
        return source

    def _both(self, act: Callable[[Store], _Result], *, elsewhere: bool = False) -> None:
        self.store.save_polls()
        with closing(Store(f"sqlite:///{self.other_path}")) as reading:
            assert act(self.elsewhere if elsewhere else self.store) == act(reading)

    @invariant()
    def both_files_hold_the_same(self) -> None:
        """Nothing but the cost depends on what is remembered, once everything is written."""
        if not self.store._cache.unsaved_count():  # noqa: SLF001 - what it hides is what is tested
            assert _everything(self.path) == _everything(self.other_path)

    @invariant()
    def what_is_remembered_is_what_is_stored(self) -> None:
        """Wherever a cycle would take it for true."""
        for store in (self.store, self.elsewhere):
            if not store._cache.unsaved_count():  # noqa: SLF001 - as above
                _check_memory(store, now=self.clock.now)

    def teardown(self) -> None:
        """Write what waits; close everything."""
        self.store.save_polls()
        self.both_files_hold_the_same()
        self.store.close()
        self.elsewhere.close()
        self.folder.cleanup()


def _everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a database, but for the numbers by which what is remembered is known to be true."""
    with closing(sqlite3.connect(path)) as connection:
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(_COLUMNS):
            columns.setdefault(table, []).append(f'"{column}"')
        found = {
            table: sorted(connection.execute(f"SELECT {', '.join(names)} FROM {table}"), key=repr)  # noqa: S608
            for table, names in columns.items()
        }
        chunks = connection.execute("SELECT tenant_id, changes FROM compressed_days").fetchall()
    changes = [(tenant_id, *change) for tenant_id, chunk in chunks for change in decode(chunk)]
    return found | {"compressed_days": [], "count_changes": sorted([*found["count_changes"], *changes])}


def _only(_: object) -> None:
    """Forget how it was divided into transactions, which is not the same in both lives."""


_COLUMNS = """
    SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' AND columns.name <> 'revision'
"""


def _check_memory(store: Store, *, now: datetime) -> None:
    """Compare what is remembered of each tenant with what is stored, where a cycle would go on from it."""
    for tenant, remembered in store._cache._by_tenant.items():  # noqa: SLF001 - what it hides is what is tested
        with store.read() as reader:
            if not _is_taken_for_true(remembered, reader, tenant, now=now):
                continue
            assert remembered.alerts is None or set(remembered.alerts) == set(reader.alerts.load([tenant]))
            assert remembered.notified is None or set(remembered.notified) == set(reader.notifications.states([tenant]))
            reach = remembered.series.reach
            read = reader.history.series_for(
                tenant, window=reach.windows.longest, poll_interval=reach.poll_interval, now=now
            )
        known = series_at(tenant, remembered, UTC, now=now)
        assert known.polling == read.polling
        for one, other in zip(known.reasons, read.reasons, strict=True):
            assert _values(one, reach, now=now) == _values(other, reach, now=now)


def _is_taken_for_true(remembered: CachedTenant, reader: Reader, tenant: Tenant, *, now: datetime) -> bool:
    """Say whether a cycle at this moment, good or failed, would go on from what is remembered."""
    row = reader.polls._runs.tenant(tenant)  # noqa: SLF001
    assert row is not None
    if row.revision != remembered.revision:
        return False
    if remembered.failures is not None:
        return row.failure_count == remembered.failures.polls and now >= remembered.failures.failure.last_failed_at
    newest = remembered.coverage[-1]
    stored = reader.polls._runs.runs_from(row.id, newest.start_at)[-1]  # noqa: SLF001
    is_newest = (from_epoch_us(stored.since), from_epoch_us(stored.until)) == (newest.start_at, newest.end_at)
    is_newest &= stored.polls == remembered.polls
    return is_newest and now >= newest.end_at


def _values(series: Series, reach: LookbackReach, *, now: datetime) -> tuple[HoldReason, int, list[Sample]]:
    """Return what a rule may see of a series: what it held at the start of its window, and every change after."""
    start = reach.start_of(series.reason, now=now)
    before = [change.count for change in series.changes if change.at <= start]
    return series.reason, before[-1], [change for change in series.changes if change.at > start]


def _add_silence(store: Store, silence: Silence) -> None:
    with store.write() as transaction:
        transaction.silences.add(silence)


def _acknowledge(store: Store, acknowledgement: Acknowledgement) -> None:
    with store.write() as transaction:
        transaction.silences.save_acknowledgement(acknowledgement)


@cache
def _migrated() -> Path:
    """Return a file with the present schema, to be copied."""
    path = Path(mkdtemp()) / "alerter.db"
    with closing(Store(f"sqlite:///{path}")) as store:
        store.upgrade()
    return path


@pytest.mark.hypothesis
@pytest.mark.timeout(600)
def test_what_is_remembered_changes_nothing() -> None:
    """Whatever happens, a service that remembers keeps, decides and tells what one that reads everything does."""
    run_state_machine_as_test(_Lives, settings=settings(max_examples=40, stateful_step_count=25))
