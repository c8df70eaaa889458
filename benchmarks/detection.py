"""Do rules find what is wrong, and nothing else? Rules on a population of tenants whose incidents are labelled.

`python -m benchmarks.detection [TENANTS [WEEKS [SEED]]]` prints the tables that README quotes, and each false alarm of
the default rules. Limits are suggested from the first half of each history; all rules are scored on the second half.
An alert is false if it began while nothing was wrong with its reason. An incident is found if an alert about it begins
before it is over, and in time if that is within three polls of when anybody could see it.

The population is ours (`benchmarks.populations`), and so is what is taken to be visible (`benchmarks.labels`): the
figures say how rules compare, and what they do not see, not how often a real tenant rings. The default rules were
chosen with other seeds than the one that is reported.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from alerter.config import load_config
from alerter.core.backtest.alert_replay import alert_replays
from alerter.core.backtest.suggest import suggest
from alerter.core.conditions import Subject, Threshold
from alerter.core.history import FailedPoll, TenantHistory, history_from_polls
from alerter.core.rules import Level, Rule, RuleName, Severity, with_no_data_rules
from alerter.core.series import ALL_REASONS, HoldReason, Snapshot, Tenant
from benchmarks.figures import Figure
from benchmarks.labels import POLL_INTERVAL, Incident, IncidentKind
from benchmarks.populations import History, tenants

TENANTS, WEEKS, SEED = 60, 10, 31
IN_TIME = 3 * POLL_INTERVAL
WEEK = timedelta(weeks=1)
BUDGET = 0.5
EXAMPLE = Path(__file__).parents[1] / "rules.example.toml"
DEFAULTS, SUGGESTED, BOTH, PLAIN = (
    "the default rules (`alerter init`)",
    f"the limits of `alerter suggest --budget {BUDGET}/week`",
    "both together",
    "one limit for all: above 200",
)

WAYS = (DEFAULTS, SUGGESTED, BOTH, PLAIN)


@dataclass(frozen=True, kw_only=True)
class Firing:
    """A time for which some level of a rule fired."""

    tenant: str
    rule: str
    reason: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Found:
    """An incident that anybody could see, and how long after that the first alert about it came; None for never."""

    kind: IncidentKind
    delay: timedelta | None

    @property
    def is_in_time(self) -> bool:
        """Whether an alert came within three polls."""
        return self.delay is not None and self.delay <= IN_TIME


@dataclass(kw_only=True)
class Score:
    """How rules did on some histories.

    Attributes:
        weeks: How long these are together.
        alerts: How many there were about held messages.
        false: Those about nothing.
        found: Every incident.
    """

    weeks: float = 0
    alerts: int = 0
    false: list[Firing] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)

    def add(self, other: "Score") -> None:
        """Take another one in."""
        self.weeks += other.weeks
        self.alerts += other.alerts
        self.false += other.false
        self.found += other.found

    @property
    def seen(self) -> list[Found]:
        """The incidents on held messages: polling that fails is found by every set of rules, and would flatter all."""
        return [each for each in self.found if each.kind is not IncidentKind.OUTAGE]

    @property
    def false_per_week(self) -> float:
        """False alarms in a week of a tenant."""
        return len(self.false) / self.weeks

    @property
    def late(self) -> float:
        """The share of incidents that were not found within three polls."""
        return 1 - sum(each.is_in_time for each in self.seen) / len(self.seen)


def main(count: int = TENANTS, weeks: int = WEEKS, seed: int = SEED) -> None:
    """Print how the default rules, suggested ones and one plain limit did."""
    scores = scored(count, weeks, seed)
    defaults = scores[DEFAULTS]
    print(f"{count} tenants, {weeks} weeks each, of which the second half counts; seed {seed}")
    print(f"{len(defaults.seen)} incidents on held messages in {defaults.weeks:.0f} weeks\n")
    print("| rules | false alarms a tenant-week | precision | incidents found | within three polls | delay (median) |")
    print("|---|---|---|---|---|---|")
    for way, score in scores.items():
        precision = f"{1 - len(score.false) / score.alerts:.0%}" if score.alerts else "-"
        print(f"| {way} | {score.false_per_week:.2f} | {precision} | {_row(score.seen)} |")
    print("\n| of the default rules: incident | how many | found | within three polls | delay (median) |")
    print("|---|---|---|---|---|")
    for kind in IncidentKind:
        own = [each for each in defaults.found if each.kind is kind]
        print(f"| {kind} | {len(own)} | {_row(own)} |")
    print("\nFalse alarms of the default rules:")
    for firing in defaults.false:
        print(f"  {firing.rule}: {firing.reason} of {firing.tenant}, from {firing.since:%a %d %b %H:%M}")


def figures() -> list[Figure]:
    """Measure the default rules against one limit for all, for `make bench`."""
    scores = scored(TENANTS, WEEKS, SEED)
    defaults, plain = scores[DEFAULTS], scores[PLAIN]
    return [
        Figure(
            what="false alarms of the default rules in a week of a tenant",
            measured=defaults.false_per_week,
            promised=0.1,
            floor=plain.false_per_week,
            floor_what="one limit for all, above 200",
            unit="",
        ),
        Figure(
            what="incidents that they do not find within three polls",
            measured=100 * defaults.late,
            promised=10,
            floor=100 * plain.late,
            floor_what="one limit for all, above 200",
            unit="%",
        ),
    ]


def scored(count: int, weeks: int, seed: int) -> dict[str, Score]:
    """Return how each set of rules did on so many tenants."""
    scores = {way: Score() for way in WAYS}
    with ProcessPoolExecutor() as pool:
        for each in pool.map(partial(_scored, weeks=weeks, seed=seed), range(count)):
            for way, score in each.items():
                scores[way].add(score)
    return scores


def _scored(number: int, *, weeks: int, seed: int) -> dict[str, Score]:
    """Return how each set of rules did on one tenant."""
    (history,) = tenants(range(number, number + 1), weeks=weeks, seed=seed)
    history = _archive(history)
    half = history.polls[0] + (history.polls[-1] - history.polls[0]) / 2
    rules = {DEFAULTS: _defaults(), SUGGESTED: _suggested(history, half), PLAIN: [_PLAIN]}
    firings = {way: list(_firings(history, rules[way], history.polls[-1])) for way in rules}
    unseen = list(_firings(history, with_no_data_rules((), {history.polling.tenant: POLL_INTERVAL}), history.polls[-1]))
    firings[BOTH] = firings[DEFAULTS] + firings[SUGGESTED]
    return {way: _score(history, firings[way] + unseen, since=half) for way in WAYS}


def _defaults() -> Sequence[Rule]:
    return [rule for rule in load_config(EXAMPLE, {}, may_lack_secrets=True).rules if rule.subject is Subject.HELD]


def _suggested(history: TenantHistory, half: datetime) -> Sequence[Rule]:
    return [each.rule for each in suggest(history, budget=BUDGET, until=half).made]


_PLAIN = Rule(name=RuleName("Plain"), levels={Severity.WARNING: Level(conditions=(Threshold(above=200),))})


def _archive(history: History) -> TenantHistory:
    tenant = Tenant(history.name)
    good = (
        Snapshot(
            tenant=tenant,
            taken_at=at,
            counts={HoldReason(reason): held[number] for reason, held in history.counts.items() if held[number]},
        )
        for number, at in enumerate(history.polls)
    )
    failed = (FailedPoll(at=at) for at in history.failures)
    return history_from_polls(tenant, [*good, *failed], poll_interval=POLL_INTERVAL, timezone=history.timezone)


def _score(history: History, every: Iterable[Firing], *, since: datetime) -> Score:
    firings = [firing for firing in every if firing.since >= since]
    wrong = [each for each in history.incidents if each.ended_at >= since]
    return Score(
        weeks=(history.polls[-1] - since) / WEEK,
        alerts=sum(firing.reason != ALL_REASONS for firing in firings),
        false=[firing for firing in firings if not any(_is_about(firing, each) for each in wrong)],
        found=[
            Found(kind=each.kind, delay=_delay(each, each.visible_at, firings))
            for each in wrong
            if each.began_at >= since and each.visible_at is not None
        ],
    )


def _delay(incident: Incident, visible_at: datetime, firings: Iterable[Firing]) -> timedelta | None:
    first = min((firing.since for firing in firings if _is_about(firing, incident)), default=None)
    return None if first is None else max(first - visible_at, timedelta(0))


def _is_about(firing: Firing, incident: Incident) -> bool:
    reason = ALL_REASONS if incident.kind is IncidentKind.OUTAGE else incident.reason
    return firing.reason == reason and incident.began_at <= firing.since <= incident.ended_at


def _firings(history: TenantHistory, rules: Sequence[Rule], end: datetime) -> Iterator[Firing]:
    """Yield when some level of a rule fires, once for all its levels; what has not ended ends with the history."""
    for rule in rules:
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for replay in alert_replays(rule, [history]):
            found = spans.setdefault(replay.key.reason, [])
            found += [(since, until or end) for since, until in replay.firings()]
        for reason, each in spans.items():
            for since, until in _united(each):
                yield Firing(tenant=history.polling.tenant, rule=rule.name, reason=reason, since=since, until=until)


def _united(spans: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    united: list[tuple[datetime, datetime]] = []
    for since, until in sorted(spans):
        if united and since <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], until)
        else:
            united.append((since, until))
    yield from united


def _row(found: Sequence[Found]) -> str:
    """Return how many of some incidents were found, how many in time, and how late half of those found were."""
    delays = [each.delay for each in found if each.delay is not None]
    minutes = [delay / timedelta(minutes=1) for delay in delays]
    delay = f"{median(minutes):.0f} min" if minutes else "-"
    return f"{_share(len(delays), found)} | {_share(sum(each.is_in_time for each in found), found)} | {delay}"


def _share(number: int, found: Sequence[Found]) -> str:
    return f"{number / len(found):.0%}" if found else "-"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=main.__doc__)
    arguments.add_argument("tenants", nargs="?", type=int, default=TENANTS, help="how many; 60 unless given")
    arguments.add_argument("weeks", nargs="?", type=int, default=WEEKS, help="of history; 10 unless given, at least 10")
    arguments.add_argument("seed", nargs="?", type=int, default=SEED, help="other tenants; 31 unless given")
    given = arguments.parse_args()
    if given.tenants < 1 or given.weeks < WEEKS:
        arguments.error(f"expected at least one tenant and {WEEKS} weeks, found {given.tenants} and {given.weeks}")
    main(given.tenants, given.weeks, given.seed)
