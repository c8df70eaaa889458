"""A year by the minute through four rules, and thirty days of it beside `promtool test rules`.

What is measured is the real command in a fresh process, with everything that its user waits for.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import cos, pi
from pathlib import Path

from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.storage import Store
from benchmarks import histories, peers
from benchmarks.figures import Figure, Unavailable
from benchmarks.years import CHANGED_BY_DAY, CHANGED_BY_NIGHT

REASONS = [HoldReason(f"Definition {number}") for number in range(peers.SERIES)]
DAYS, FEWER_DAYS = 365, 30
MINUTES_A_DAY = 1440
INTERVAL = timedelta(minutes=1)
#: Others on the same machine make it slower, and nothing makes it quicker.
ROUNDS = 3
#: So often one looks how large a process is, in seconds.
_LOOK_EVERY = 0.01
#: A Monday.
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
WORK_DAYS, WORK_HOURS = range(5), range(7, 19)
#: A burst a quarter and reason: some hundred messages at once, released within hours.
BURST_CHANCE = 1 / (90 * MINUTES_A_DAY)
PROMTOOL = "apt-get download prometheus, and put its promtool on the PATH"

CONFIG = """
[service]
database      = "sqlite:///{database}"
poll_interval = "1m"
retention     = "800d"
downsample_after = "800d"
[tenants.acme]
client_id     = "none"
client_secret = "none"
[receivers.everyone]
urls = ["json://localhost"]
[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = 200 }} }}
[[rules]]
name     = "Large backlog"
critical = {{ threshold = {{ above = 500 }}, for = "10m" }}
"""
TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    alert_rule_test: [{{eval_time: {minutes}m, alertname: Backlog}}]
    input_series:
{series}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What a process took: seconds by the clock and of the processor, and its largest resident memory in MiB."""

    wall: float
    cpu: float
    peak: float


def figures() -> Iterator[Figure]:
    """Measure a year against what reading its rows alone takes, and thirty days against promtool."""
    with tempfile.TemporaryDirectory() as folder:
        year = Path(folder)
        rows = _keep(year, DAYS)
        floor = _run([sys.executable, "-c", _READ, str(year / "alerter.db")])
        _pack(year, DAYS)
        took = _quickest(year)
    samples = DAYS * MINUTES_A_DAY * len(REASONS)
    what = f"`alerter backtest` of {DAYS} days, {len(REASONS)} reasons and 4 rules by the minute"
    print(f"backtest: {samples:,} samples, {rows:,} changes, {took.wall:.1f} s by the clock", file=sys.stderr)
    reading = "reading its changes with sqlite3"
    yield Figure(what=f"{what} (CPU)", measured=took.cpu, promised=5, floor=floor.cpu, floor_what=reading, unit="s")
    yield Figure(what="its memory", measured=took.peak, promised=150, floor=floor.peak, floor_what=reading, unit="MiB")
    yield from _beside_promtool()


#: What any program must do at least that looks at each change once.
_READ = """
import sqlite3, sys
changes = "SELECT series_id, at, previous_value, value FROM count_changes ORDER BY at"
for row in sqlite3.connect(sys.argv[1]).execute(changes):
    pass
"""


def _beside_promtool() -> Iterator[Figure]:
    if shutil.which("promtool") is None:
        raise Unavailable(f"beside promtool: it is not installed: {PROMTOOL}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _keep(folder, FEWER_DAYS)
        _pack(folder, FEWER_DAYS)
        _write_tests(folder)
        ours = _quickest(folder)
        theirs = _run(["promtool", "test", "rules", str(folder / "tests.yml")], may_find=True)
    with tempfile.TemporaryDirectory() as name:
        _keep(Path(name), 1)
        start = _quickest(Path(name))
    what, peer = f"`alerter backtest` of {FEWER_DAYS} days of them", "`promtool test rules`"
    print(f"backtest: promtool took {theirs.wall:.0f} s by the clock, alerter {ours.wall:.1f} s", file=sys.stderr)
    alone = f"the same without its start, which takes {start.cpu:.1f} s (CPU)"
    for each, seconds, times in ((f"{what} (CPU)", ours.cpu, 20), (alone, ours.cpu - start.cpu, 100)):
        promised = theirs.cpu / times
        yield Figure(what=each, measured=seconds, promised=promised, floor=theirs.cpu, floor_what=peer, unit="s")
    yield Figure(
        what="its memory", measured=ours.peak, promised=theirs.peak, floor=theirs.peak, floor_what=peer, unit="MiB"
    )


def _quickest(folder: Path) -> _Run:
    span = ["--since", f"{BEGIN:%Y-%m-%d}"]
    command = [sys.executable, "-m", "alerter", "backtest", "--config", str(folder / "rules.toml"), *span]
    return min((_run(command) for _ in range(ROUNDS)), key=lambda run: run.cpu)


def _run(command: Sequence[str], *, may_find: bool = False) -> _Run:
    begun, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # What the system keeps of a child that has ended begins with the size of its parent.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = max(peak, _peak(process.pid))
        time.sleep(_LOOK_EVERY)
    wall = time.perf_counter() - begun
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ((0, 1) if may_find else (0,)):
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return _Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=peak)


def _peak(pid: int) -> float:
    """Return the largest resident memory of a process so far, in MiB; 0 of one that has none any more."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith("VmHWM")), 0)) / 1024


# the history


def _keep(folder: Path, days: int) -> int:
    """Write a configuration and a history of so many days; return how many changes it has."""
    path = folder / "alerter.db"
    (folder / "rules.toml").write_text(CONFIG.format(database=path) + peers.TRENDS)
    with closing(Store(f"sqlite:///{path}")) as store:
        store.upgrade()
        with store.write() as transaction:
            first = Snapshot(tenant=Tenant("acme"), taken_at=BEGIN, counts=dict.fromkeys(REASONS, 20))
            transaction.history.add(first, poll_interval=INTERVAL)
    with closing(sqlite3.connect(path)) as connection, connection:
        series = dict(connection.execute("SELECT reason, id FROM series"))
        (tenant,) = connection.execute("SELECT id FROM tenants").fetchone()
        rows = [(tenant, _number(minute), series[reason], was, held) for minute, reason, was, held in changes(days)]
        connection.executemany(
            "INSERT INTO count_changes (tenant_id, at, series_id, previous_value, value) VALUES (?, ?, ?, ?, ?)", rows
        )
        minutes = days * MINUTES_A_DAY
        connection.execute("UPDATE coverage SET last_poll_at = ?, poll_count = ?", (_number(minutes - 1), minutes))
    return len(rows)


def _pack(folder: Path, days: int) -> None:
    """Do what a service has done by the end of these days."""
    with closing(Store(f"sqlite:///{folder / 'alerter.db'}")) as store:
        histories.keep(store, now=BEGIN + timedelta(days=days))


def _number(minute: int) -> int:
    return int((BEGIN + minute * INTERVAL).timestamp()) * 1_000_000


def changes(days: int) -> Iterator[tuple[int, HoldReason, int, int]]:
    """Yield each change of a history with the rhythm of work: its minute, whose it is, and the counts around it."""
    rng, held = random.Random(5), dict.fromkeys(REASONS, 20)
    for minute in range(1, days * MINUTES_A_DAY):
        at = BEGIN + minute * INTERVAL
        is_work = at.weekday() in WORK_DAYS and at.hour in WORK_HOURS
        usual = 20 + (60 * (1 - cos(2 * pi * (at.hour - 7) / 12)) / 2 if is_work else 0)
        chance = CHANGED_BY_DAY if is_work else CHANGED_BY_NIGHT
        for reason in REASONS:
            drawn = rng.random()
            if drawn >= chance:
                continue
            was = held[reason]
            if drawn < BURST_CHANCE:
                now = was + rng.randrange(50, 600)
            else:
                # People release what is more than usual, a part at a time.
                now = max(0, was + rng.choice((-5, -3, -2, -1, 1, 2, 3, 5)) + round((usual - was) * 0.05))
            if now != was:
                held[reason] = now
                yield minute, reason, was, now


def _write_tests(folder: Path) -> None:
    """Write the same rules and series as promtool has them."""
    (folder / "rules.yml").write_text(peers.RULES.format(interval=60))
    minutes = FEWER_DAYS * MINUTES_A_DAY
    by_reason = _values(minutes)
    series = "\n".join(
        f"      - series: 'held_messages{{reason=\"{reason}\"}}'\n        values: '{' '.join(map(str, values))}'"
        for reason, values in by_reason.items()
    )
    (folder / "tests.yml").write_text(TESTS.format(minutes=minutes - 1, series=series))


def _values(minutes: int) -> Mapping[HoldReason, list[int]]:
    values = {reason: [20] for reason in REASONS}
    for minute, reason, was, held in changes(FEWER_DAYS):
        own = values[reason]
        own += [was] * (minute - len(own))
        own.append(held)
    return {reason: own + own[-1:] * (minutes - len(own)) for reason, own in values.items()}
