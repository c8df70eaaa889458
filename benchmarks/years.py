"""What a year takes on the disk: fifty reasons, polled each minute, three alerts a day."""

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerter.core.outbox import after_success
from alerter.core.series import Snapshot, Tenant
from alerter.jobs.poll import poll_many
from alerter.storage import Store
from benchmarks import histories
from benchmarks.cycles import INTERVAL, REASONS, TENANT, Answer, policy_of
from benchmarks.figures import Figure

DAYS = 365
ALERTS_A_DAY = 3
#: The share of samples that differ from the one before, at its height and at night and on weekends, on a typical mix.
CHANGED_BY_DAY, CHANGED_BY_NIGHT = 0.034, 0.006
#: Prometheus 2.42 keeps the same samples in so many bytes each, in blocks of a month, which is its best.
PROMETHEUS_BYTES = 0.55
NOW = datetime(2026, 3, 10, tzinfo=UTC)
WORK_DAYS, WORK_HOURS = range(5), range(8, 18)
FILLED = Tenant("filled")


def disk() -> list[Figure]:
    """Measure the file after a year: with all of it, and with all but the last 90 days thinned."""
    samples = DAYS * 1440 * len(REASONS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.db"
        with closing(Store(f"sqlite:///{path}")) as store:
            store.upgrade()
            _ring(store)
            _fill(store, path)
            histories.keep(store, now=NOW)
            store.vacuum()
            whole = _size(path)
            histories.keep(store, downsample_after=timedelta(days=90), now=NOW)
            store.check_integrity()
            kept = _size(path)
    mebibyte = 2**20
    return [
        Figure(
            what=f"a year of {len(REASONS)} reasons at one-minute polls, all tables, {how}",
            measured=size / mebibyte,
            promised=promised,
            floor=PROMETHEUS_BYTES * samples / mebibyte,
            floor_what="Prometheus's best, 0.55 bytes a sample",
            unit="MiB",
        )
        for size, how, promised in ((whole, "whole", 15e6 / mebibyte), (kept, "thinned after 90 days", 8))
    ]


def _size(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _ring(store: Store) -> None:
    """Let alerts begin, be told, and end, through the real pipeline."""
    alerting = policy_of({TENANT: INTERVAL}, above=500)
    for number in range(DAYS * ALERTS_A_DAY):
        begin = NOW - timedelta(days=DAYS) + number * timedelta(days=1) / ALERTS_A_DAY
        for at, count in ((begin, 800), (begin + timedelta(minutes=1), 10)):
            counts = dict.fromkeys(REASONS, 10) | {REASONS[number % len(REASONS)]: count}
            answer = Answer(Snapshot(tenant=TENANT, taken_at=at, counts=counts))
            poll_many([(TENANT, answer)], store, alerting, clock=lambda: NOW)
            with store.write() as transaction:
                for delivery in transaction.outbox.waiting():
                    transaction.outbox.save_delivery(after_success(delivery, now=at))


def _fill(store: Store, path: Path) -> None:
    """Append the changes of a year of another tenant; through the store they would take an hour."""
    begin = NOW - timedelta(days=DAYS)
    with store.write() as transaction:
        counts = dict.fromkeys(REASONS, 100)
        transaction.history.add(Snapshot(tenant=FILLED, taken_at=begin, counts=counts), poll_interval=INTERVAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        (tenant,) = connection.execute("SELECT id FROM tenants WHERE name = ?", (FILLED,)).fetchone()
        series = [row[0] for row in connection.execute("SELECT id FROM series WHERE tenant_id = ?", (tenant,))]
        connection.executemany("INSERT INTO count_changes VALUES (?, ?, ?, ?, ?)", _changes(tenant, series, begin))
        end = int(NOW.timestamp()) * 1_000_000
        connection.execute(
            "UPDATE coverage SET last_poll_at = ?, poll_count = ? WHERE tenant_id = ?", (end, DAYS * 1440, tenant)
        )


def _changes(tenant: int, series: list[int], begin: datetime) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield rows of `count_changes`: more of them in the hours of work."""
    rng, held = random.Random(4), dict.fromkeys(series, 100)
    for minute in range(1, DAYS * 1440):
        at = begin + timedelta(minutes=minute)
        is_work = at.weekday() in WORK_DAYS and at.hour in WORK_HOURS
        for each in series:
            if rng.random() < (CHANGED_BY_DAY if is_work else CHANGED_BY_NIGHT):
                was, now = held[each], max(0, held[each] + rng.choice((-5, -3, -2, -1, 1, 2, 3, 5)))
                if now != was:
                    held[each] = now
                    yield tenant, int(at.timestamp()) * 1_000_000, each, was, now
