"""One cycle without the network: store, evaluate, plan, commit; with a day of history and with two years."""

import random
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from alerter import pipeline
from alerter.adapters.store import Store
from alerter.core.conditions import Growth, Threshold
from alerter.core.messages import Context
from alerter.core.notifications import Receiver, ReceiverName
from alerter.core.outbox import TargetName
from alerter.core.rules import Level, Rule, RuleName, Severity, with_blind_rules
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.pipeline import Policy
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
        stores = {name: _store(Path(folder) / f"{span.days}.db", span) for name, span in HISTORIES.items()}
        floor = _floor(Path(folder) / "floor.db")
        times: dict[str, list[float]] = {name: [] for name in stores}
        sources = {name: _Source() for name in stores}
        policy = _policy()
        # In turn, so that a machine that is busy for a while is so for both.
        for _ in range(ROUNDS):
            for name, store in stores.items():
                begun = time.perf_counter()
                pipeline.poll(TENANT, sources[name], store, policy, clock=lambda: NOW)
                times[name].append((time.perf_counter() - begun) * 1000)
        for store in stores.values():
            store.close()
    day, years = (median(times[name][20:]) for name in HISTORIES)
    return [
        Figure(
            what="a cycle: 50 reasons, 5 rules, a day of history",
            measured=day,
            promised=8,
            floor=floor,
            floor_what="SQLite, the same rows and commit",
            unit="ms",
        ),
        Figure(
            what="the same with two years of history",
            measured=years,
            promised=8,
            floor=day,
            floor_what="a day of history",
            unit="ms",
        ),
    ]


def _policy() -> Policy:
    hour = timedelta(hours=1)
    levels = {Severity.WARNING: 5_000, Severity.CRITICAL: 10_000}
    thresholds = {severity: Level(conditions=(Threshold(above=above),)) for severity, above in levels.items()}
    growths = {severity: Level(conditions=(Growth(over=hour, by=above),)) for severity, above in levels.items()}
    both = {Severity.WARNING: Level(conditions=(Threshold(above=1_000), Growth(over=hour, percent=100)))}
    written = [thresholds, growths, both, thresholds]
    rules = [Rule(name=RuleName(f"Rule {number}"), levels=each) for number, each in enumerate(written)]
    name = ReceiverName("r")
    return Policy(
        rules=with_blind_rules(rules, {TENANT: INTERVAL}),
        poll_intervals={TENANT: INTERVAL},
        receivers=(Receiver(name=name),),
        targets={name: (TargetName("r/json"),)},
        routes=(),
        context=Context(timezone=UTC, console_url="https://login.mimecast.com", runbook_by_rule={}),
    )


def _store(path: Path, span: timedelta) -> Store:
    """Return a database with a history of one-minute polls, written as the store would have written it."""
    store = Store(f"sqlite:///{path}")
    store.upgrade()
    source = _Source()
    source.now = NOW - span - INTERVAL
    first = source.fetch()
    with store.write() as transaction:
        transaction.add_snapshot(first, poll_interval=INTERVAL)
    _fill(path, first.taken_at)
    return store


def _fill(path: Path, since: datetime) -> None:
    """Append changes and coverage up to now; through the store, two years would take an hour."""
    rng = random.Random(2)
    start, end, minute = (
        int(at.timestamp()) * 1_000_000 for at in (since, NOW, datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    )
    held = dict.fromkeys(range(1, len(REASONS) + 1), 100)
    rows = []
    for at in range(start + minute, end, minute):
        for series in range(1, len(REASONS) + 1):
            if rng.random() < CHANGED and (step := rng.randint(-5, 5)):
                rows.append((1, at, series, held[series], max(1, held[series] + step)))
                held[series] = max(1, held[series] + step)
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO counts (tenant_id, at, series_id, was, held) VALUES (?, ?, ?, ?, ?)",
            (row for row in rows if row[3] != row[4]),
        )
        connection.executemany(
            "UPDATE series SET held = ?, changed_at = ? WHERE id = ?", [(h, end, s) for s, h in held.items()]
        )
        connection.execute("UPDATE coverage SET until = ?", (end,))
    connection.close()


def _floor(path: Path) -> float:
    """Return what SQLite alone needs to commit two changes durably, in milliseconds."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE counts (a, b, c, d, e, PRIMARY KEY (a, b, c)) WITHOUT ROWID")
    times = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO counts VALUES (1, ?, ?, 1, 2)", [(number, 1), (number, 2)])
        connection.execute("COMMIT")
        times.append((time.perf_counter() - begun) * 1000)
    connection.close()
    return median(times)
