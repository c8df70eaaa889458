"""Do rules find what is wrong, and nothing else? Rules on a population of tenants whose incidents are labelled.

`python -m benchmarks.detection [TENANTS [WEEKS [SEED]]]` prints the table that README quotes. An alert is false if it
began while nothing was wrong with its reason; an incident is found if an alert about it begins before it is over, and
in time if that is within three polls of when it could be seen.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from alerter.config import load_config
from alerter.core.archives import FailedPoll, TenantArchive, archive_of
from alerter.core.conditions import Subject, Threshold
from alerter.core.rules import Level, Rule, RuleName, Severity, with_blind_rules
from alerter.core.series import ALL_REASONS, HoldReason, Snapshot, Tenant
from alerter.core.suggestions import suggest
from alerter.core.tracks import tracks_of
from benchmarks.populations import POLL_INTERVAL, History, Incident, IncidentKind, tenants

TENANTS, WEEKS, SEED = 60, 10, 2026
IN_TIME = 3 * POLL_INTERVAL
WEEK = timedelta(weeks=1)
BUDGET = 0.5
EXAMPLE = Path(__file__).parents[1] / "rules.example.toml"

Rules = Callable[[TenantArchive, datetime], Sequence[Rule]]


@dataclass(frozen=True, kw_only=True)
class Firing:
    """An alert's time of firing."""

    reason: str
    since: datetime
    until: datetime


@dataclass(kw_only=True)
class Score:
    """How rules did on some histories."""

    weeks: float = 0
    alerts: int = 0
    false: int = 0
    incidents: int = 0
    found: int = 0
    in_time: int = 0
    delays: list[timedelta] = field(default_factory=list)

    def add(self, other: "Score") -> None:
        """Take another one in."""
        self.weeks += other.weeks
        self.alerts += other.alerts
        self.false += other.false
        self.incidents += other.incidents
        self.found += other.found
        self.in_time += other.in_time
        self.delays += other.delays

    def row(self, what: str) -> str:
        """Return it as a row of a Markdown table."""
        precision = 1 - self.false / self.alerts if self.alerts else 1
        delay = median(self.delays) / timedelta(minutes=1) if self.delays else 0
        return (
            f"| {what} | {self.alerts / self.weeks:.2f} | {self.false / self.weeks:.2f} | {precision:.0%} "
            f"| {self.found / self.incidents:.0%} | {self.in_time / self.incidents:.0%} | {delay:.0f} min |"
        )


def main(count: int = TENANTS, weeks: int = WEEKS, seed: int = SEED) -> None:
    """Score the default rules, suggested ones, and one plain limit."""
    ways = ("the default rules", "rules that were suggested", "one limit for all: above 200")
    scores = {way: Score() for way in ways}
    with ProcessPoolExecutor() as pool:
        for scored in pool.map(partial(_scored, weeks=weeks, seed=seed), range(count)):
            for way, score in zip(ways, scored, strict=True):
                scores[way].add(score)
    incidents = scores[ways[0]].incidents
    print(f"{count} tenants, {weeks} weeks each, of which the second half counts: {incidents} incidents\n")
    print("| rules | alerts a tenant-week | false ones | precision | incidents found | in time | delay (median) |")
    print("|---|---|---|---|---|---|---|")
    for way, score in scores.items():
        print(score.row(way))


def _scored(number: int, *, weeks: int, seed: int) -> tuple[Score, ...]:
    """Return how each kind of rules did on one tenant; what is learnt is learnt from the first half."""
    (history,) = tenants(range(number, number + 1), weeks=weeks, seed=seed)
    archive = _archive(history)
    half = history.polls[0] + (history.polls[-1] - history.polls[0]) / 2
    ways: tuple[Rules, ...] = (_defaults, _suggested, _plain)
    return tuple(_score(history, archive, rules(archive, half), since=half) for rules in ways)


def _defaults(archive: TenantArchive, _: datetime) -> Sequence[Rule]:
    rules = [rule for rule in load_config(EXAMPLE, {}, may_lack_secrets=True).rules if rule.subject is Subject.HELD]
    return with_blind_rules(rules, {archive.polling.tenant: POLL_INTERVAL})


def _suggested(archive: TenantArchive, half: datetime) -> Sequence[Rule]:
    rules = [each.rule for each in suggest(archive, budget=BUDGET, until=half).made]
    return with_blind_rules(rules, {archive.polling.tenant: POLL_INTERVAL})


def _plain(archive: TenantArchive, _: datetime) -> Sequence[Rule]:
    rule = Rule(name=RuleName("Plain"), levels={Severity.WARNING: Level(conditions=(Threshold(above=200),))})
    return with_blind_rules([rule], {archive.polling.tenant: POLL_INTERVAL})


def _archive(history: History) -> TenantArchive:
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
    return archive_of(tenant, [*good, *failed], poll_interval=POLL_INTERVAL, timezone=history.timezone)


def _score(history: History, archive: TenantArchive, rules: Sequence[Rule], *, since: datetime) -> Score:
    end = history.polls[-1]
    firings = [firing for firing in _firings(archive, rules, end) if firing.since >= since]
    wrong = [each for each in history.incidents if each.ended_at >= since]
    score = Score(weeks=(end - since) / WEEK, alerts=len(firings))
    score.false = sum(not any(_is_about(firing, each) for each in wrong) for firing in firings)
    for incident in wrong:
        if incident.began_at < since or incident.visible_at is None:
            continue
        score.incidents += 1
        first = min((each.since for each in firings if _is_about(each, incident)), default=None)
        if first is not None:
            delay = max(first - incident.visible_at, timedelta(0))
            score.found += 1
            score.in_time += delay <= IN_TIME
            score.delays.append(delay)
    return score


def _is_about(firing: Firing, incident: Incident) -> bool:
    reason = ALL_REASONS if incident.kind is IncidentKind.BLIND else incident.reason
    return firing.reason == reason and incident.began_at <= firing.since <= incident.ended_at


def _firings(archive: TenantArchive, rules: Sequence[Rule], end: datetime) -> Iterator[Firing]:
    """Yield when some level of a rule fires, once for all its levels."""
    for rule in rules:
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for track in tracks_of(rule, [archive]):
            alert = None
            for stage in track.stages():
                alert = stage.alert
            found = spans.setdefault(track.key.reason, [])
            found += [(span.since, span.until) for span in track.fired]
            if alert is not None and alert.is_firing and alert.fired_at is not None:
                found.append((alert.fired_at, end))
        for reason, each in spans.items():
            yield from (Firing(reason=reason, since=since, until=until) for since, until in _united(each))


def _united(spans: list[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    united: list[tuple[datetime, datetime]] = []
    for since, until in sorted(spans):
        if united and since <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], until)
        else:
            united.append((since, until))
    yield from united


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
