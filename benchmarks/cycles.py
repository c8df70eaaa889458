"""Cycles without the network: store, judge, plan, commit; with a day of history and with two years, and for thousands.

In CPU time, which neighbours on the machine disturb least.
"""

import random
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from alerter.core.alerting_config import AlertingConfig
from alerter.core.conditions import Growth, Threshold
from alerter.core.message.content import MessageContext
from alerter.core.outbox import TargetName
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.core.rules import Level, Rule, RuleName, Severity, with_no_data_rules
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.jobs.poll import poll, poll_many
from alerter.storage import Store
from benchmarks import histories
from benchmarks.figures import Figure

TENANT = Tenant("acme")
REASONS = [HoldReason(f"Definition {number}") for number in range(50)]
INTERVAL = timedelta(minutes=1)
#: The share of samples that differ from the one before, on a typical day.
CHANGED = 0.016
ROUNDS = 300
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HISTORIES = {"a day": timedelta(days=1), "two years": timedelta(days=730)}


class _Source:
    """An account whose counts move as on a typical day."""

    def __init__(self) -> None:
        self.now = NOW
        self._random = random.Random(1)
        self._counts = dict.fromkeys(REASONS, 100)

    def fetch(self) -> Snapshot:
        """Return the next minute."""
        self.now += INTERVAL
        for reason in REASONS:
            if self._random.random() < CHANGED:
                self._counts[reason] = max(0, self._counts[reason] + self._random.randint(-5, 5))
        return Snapshot(tenant=TENANT, taken_at=self.now, counts=dict(self._counts))


def cycle() -> list[Figure]:
    """Measure a cycle with five rules over fifty reasons, each history against a bare transaction of SQLite's."""
    with tempfile.TemporaryDirectory() as folder:
        stores = {name: store_with_history(Path(folder) / f"{span.days}.db", span) for name, span in HISTORIES.items()}
        floor = _floor(Path(folder) / "floor.db")
        times: dict[str, list[float]] = {name: [] for name in stores}
        sources = {name: _Source() for name in stores}
        alerting = policy_of({TENANT: INTERVAL})
        # In turn, so that a machine that is busy for a while is so for both.
        for _ in range(ROUNDS):
            for name, store in stores.items():
                begun = time.process_time()
                poll(TENANT, sources[name], store, alerting, clock=lambda: NOW)
                times[name].append((time.process_time() - begun) * 1000)
        for store in stores.values():
            store.close()
    day, years = (median(times[name][20:]) for name in HISTORIES)
    return [
        Figure(
            what="a cycle: 50 reasons, 5 rules, a day of history",
            measured=day,
            promised=1.5,
            floor=floor,
            floor_what="SQLite, the same rows and commit",
            unit="ms",
        ),
        Figure(
            what="the same with two years of history",
            measured=years,
            promised=1.5,
            floor=day,
            floor_what="a day of history",
            unit="ms",
        ),
    ]


#: Tenants of fifty reasons each, and for how many rounds they are polled.
SIZES = {1: 60, 20: 20, 200: 8, 2_000: 4, 10_000: 3}
#: So many answers share a commit where thousands come in.
GROUP = 20


@dataclass(frozen=True)
class Answer:
    """An account that has answered."""

    snapshot: Snapshot

    def fetch(self) -> Snapshot:
        """Return what it said."""
        return self.snapshot


def sizes() -> list[Figure]:
    """Measure a round of polls of ever more tenants, a series, against what SQLite needs for the same commits."""
    with tempfile.TemporaryDirectory() as folder:
        floor = _floor(Path(folder) / "floor.db") * 1000 / (GROUP * len(REASONS))
        return [
            Figure(
                what=f"a cycle of {tenants * len(REASONS):,} series, each",
                measured=_microseconds(Path(folder) / f"{tenants}.db", tenants, rounds),
                promised=30 if tenants == 1 else 15,
                floor=floor,
                floor_what=f"SQLite, a commit for {GROUP * len(REASONS):,} of them",
                unit="µs",
            )
            for tenants, rounds in SIZES.items()
        ]


def _microseconds(path: Path, tenants: int, rounds: int) -> float:
    """Return the CPU time of a round for each series; the first two, in which everything is read, do not count."""
    rng, names = random.Random(3), [Tenant(f"tenant {number}") for number in range(tenants)]
    counts = {name: dict.fromkeys(REASONS, 100) for name in names}
    alerting = policy_of(dict.fromkeys(names, INTERVAL))
    times = []
    with closing(Store(f"sqlite:///{path}")) as store:
        store.upgrade()
        for number in range(rounds):
            at = NOW + number * INTERVAL
            for held in counts.values():
                held |= {r: max(0, held[r] + rng.randint(-5, 5)) for r in REASONS if rng.random() < CHANGED}
            answers = [(name, Answer(Snapshot(tenant=name, taken_at=at, counts=dict(counts[name])))) for name in names]
            begun = time.process_time()
            for first in range(0, tenants, GROUP):
                poll_many(answers[first : first + GROUP], store, alerting, clock=lambda: NOW)
            times.append((time.process_time() - begun) * 1e6 / (tenants * len(REASONS)))
    return median(times[2:])


def policy_of(poll_intervals: Mapping[Tenant, timedelta], *, above: int = 5_000) -> AlertingConfig:
    """Return five rules for these tenants, the lowest of which warns above so many messages."""
    hour = timedelta(hours=1)
    levels = {Severity.WARNING: above, Severity.CRITICAL: 2 * above}
    thresholds = {severity: Level(conditions=(Threshold(above=above),)) for severity, above in levels.items()}
    growths = {severity: Level(conditions=(Growth(over=hour, by=above),)) for severity, above in levels.items()}
    both = {Severity.WARNING: Level(conditions=(Threshold(above=1_000), Growth(over=hour, percent=100)))}
    written = [thresholds, growths, both, thresholds]
    rules = [Rule(name=RuleName(f"Rule {number}"), levels=each) for number, each in enumerate(written)]
    name = ReceiverName("r")
    return AlertingConfig(
        rules=with_no_data_rules(rules, poll_intervals),
        poll_intervals=poll_intervals,
        receivers=(Receiver(name=name, targets=(TargetId("r"),)),),
        targets={name: (TargetName("r/json"),)},
        routes=(),
        context=MessageContext(timezone=UTC, console_url="https://login.mimecast.com", runbook_by_rule={}),
    )


def store_with_history(path: Path, span: timedelta, *, interval: timedelta = INTERVAL) -> Store:
    """Return a database with a history of polls, written as the store would have written it."""
    store = Store(f"sqlite:///{path}")
    store.upgrade()
    source = _Source()
    source.now = NOW - span - INTERVAL  # it answers a minute later
    first = source.fetch()
    with store.write() as transaction:
        transaction.history.add(first, poll_interval=interval)
    _fill(path, first.taken_at, interval)
    histories.keep(store, now=NOW)
    return store


def _fill(path: Path, since: datetime, interval: timedelta) -> None:
    """Append changes and coverage up to now; through the store, two years would take an hour."""
    rng = random.Random(2)
    start, end = (int(at.timestamp()) * 1_000_000 for at in (since, NOW))
    step_us = int(interval / timedelta(microseconds=1))
    held = dict.fromkeys(range(1, len(REASONS) + 1), 100)
    rows = []
    for at in range(start + step_us, end, step_us):
        for series in range(1, len(REASONS) + 1):
            if rng.random() < CHANGED and (step := rng.randint(-5, 5)):
                rows.append((1, at, series, held[series], max(1, held[series] + step)))
                held[series] = max(1, held[series] + step)
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO count_changes (tenant_id, at, series_id, previous_value, value) VALUES (?, ?, ?, ?, ?)",
            (row for row in rows if row[3] != row[4]),
        )
        connection.executemany(
            "UPDATE series SET value = ?, changed_at = ? WHERE id = ?", [(h, end, s) for s, h in held.items()]
        )
        connection.execute("UPDATE coverage SET last_poll_at = ?", (end,))
    connection.close()


def _floor(path: Path) -> float:
    """Return what SQLite alone needs to commit two changes durably, in milliseconds."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE count_changes (a, b, c, d, e, PRIMARY KEY (a, b, c)) WITHOUT ROWID")
    times = []
    for number in range(ROUNDS):
        begun = time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO count_changes VALUES (1, ?, ?, 1, 2)", [(number, 1), (number, 2)])
        connection.execute("COMMIT")
        times.append((time.process_time() - begun) * 1000)
    connection.close()
    return median(times)
