"""Do rules find what is wrong, and nothing else? Rules on simulated tenants of all sizes whose incidents are labeled.

`python -m benchmarks.detection [TENANTS [WEEKS [SEED]]]` prints the tables that README quotes, for that many tenants of
each size. Every rule goes through the replay that `alerter backtest` uses, from the first poll of a tenant on, so that
what is measured is what users get: alerts, and the messages that one receiver gets of them.

- An alert is *right* if it begins while something is wrong with its hold reason, and false if not.
- Every incident that was planned counts, also one that nobody could see. It is found if an alert about it begins, and
  *in time* if the first one does so within three polls after it was evident (`benchmarks.labels`).
- `alerter suggest` learns from the first half of the history; its rules, alone or together with the default ones, are
  scored on the second half. Everything else is scored from the first poll on.

The default rules were chosen on other seeds than the one that is reported, which was looked at once.
"""

import argparse
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import cast

from alerter.config import load_config
from alerter.core.alerting_config import AlertingConfig
from alerter.core.backtest.result import BacktestRun, FiringPeriod
from alerter.core.backtest.suggest import suggest
from alerter.core.conditions import Baseline, Condition, Growth, InputKind, Threshold
from alerter.core.history import TenantHistory
from alerter.core.message.content import MessageContext
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.core.rules import Level, Rule, RuleName, Severity
from alerter.core.series import from_epoch_us
from benchmarks.figures import Figure
from benchmarks.labels import POLL_INTERVAL, Incident, IncidentKind
from benchmarks.populations import REASONS_BY_USERS, SimulatedTenant, simulate
from benchmarks.rivals import Spike

TENANTS, WEEKS, SEED = 20, 12, 1001
IN_TIME = 3 * POLL_INTERVAL
WEEK = timedelta(weeks=1)
EXAMPLE = Path(__file__).parents[1] / "rules.example.toml"
DEFAULTS, SUGGESTED, BOTH = (
    "the default rules (`alerter init`)",
    "`alerter suggest`",
    "both together",
)
PLAIN, PROMETHEUS, SPIKE, SEASONAL = (
    "one limit: above 200",
    "a Prometheus rule: 50 more and twice as many within 1h",
    "ElastAlert's spike: three times the hour before, and 30",
    "a seasonal baseline: 4 deviations above this hour's 4 weeks",
)
WAYS = (DEFAULTS, SUGGESTED, BOTH, PLAIN, PROMETHEUS, SPIKE, SEASONAL)
#: Those that `suggest` has a part in begin in the middle of the history.
_LATE = (SUGGESTED, BOTH)
#: Resamplings of tenants, and the part of them that a confidence interval covers.
RESAMPLES, CONFIDENCE = 400, 0.95
#: Alerts a week: what `alerter suggest` allows a tenant unless it is asked for another number.
ONE_A_QUARTER = 7 / 91.3125


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An incident, and how long after it was evident the first alert about it came.

    Attributes:
        kind: What it was.
        users: How many people the tenant has.
        is_found: Whether an alert about it came at all.
        delay: Never negative; None if no alert came, or nobody could know.
    """

    kind: IncidentKind
    users: int
    is_found: bool
    delay: timedelta | None

    @property
    def is_in_time(self) -> bool:
        """Whether an alert came within three polls."""
        return self.delay is not None and self.delay <= IN_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A false alarm."""

    tenant: str
    rule: str
    reason: str
    at: datetime


@dataclass(kw_only=True)
class Score:
    """How rules did on one tenant, or on some.

    Attributes:
        users: How many people it has; 0 for several tenants.
        weeks: How long they were polled together.
        alerts: How many alerts there were.
        false: Those about nothing.
        messages: How many messages a receiver got.
        found: Every incident.
    """

    users: int = 0
    weeks: float = 0
    alerts: int = 0
    false: list[Alarm] = field(default_factory=list)
    messages: int = 0
    found: list[Found] = field(default_factory=list)

    @property
    def false_per_week(self) -> float:
        """False alarms in a week of a tenant."""
        return len(self.false) / self.weeks

    @property
    def precision(self) -> float:
        """The part of the alerts that are right."""
        return 1 - len(self.false) / self.alerts if self.alerts else 0

    @property
    def found_share(self) -> float:
        """The part of the incidents about which an alert came."""
        return sum(each.is_found for each in self.found) / len(self.found) if self.found else 0

    @property
    def in_time_share(self) -> float:
        """The part of the incidents about which an alert came within three polls."""
        return sum(each.is_in_time for each in self.found) / len(self.found) if self.found else 0

    @property
    def messages_per_week(self) -> float:
        """Messages in a week of a tenant."""
        return self.messages / self.weeks


def total(scores: Iterable[Score]) -> Score:
    """Return the sum of scores."""
    summed = Score()
    for each in scores:
        summed.weeks += each.weeks
        summed.alerts += each.alerts
        summed.false += each.false
        summed.messages += each.messages
        summed.found += each.found
    return summed


def main(count: int = TENANTS, weeks: int = WEEKS, seed: int = SEED, ways: Sequence[str] = WAYS) -> None:
    """Print how the default rules, suggested ones and those of others did."""
    scores = score_all(count, weeks, seed, ways)
    incidents = len(total(scores[ways[0]]).found)
    print(f"{count} tenants of each of {len(REASONS_BY_USERS)} sizes, {weeks} weeks each; seed {seed}")
    print(f"{incidents} incidents; in brackets, where {CONFIDENCE:.0%} of resampled tenants lie\n")
    print(
        "| rules | found within three polls | found | precision | false alarms a tenant-week | messages a tenant-week |"
    )
    print("|---|---|---|---|---|---|")
    for way in ways:
        print(f"| {way} | {_row(scores[way])} |")
    if DEFAULTS in ways:
        _print_details(scores[DEFAULTS])


def _print_details(scores: Sequence[Score]) -> None:
    print("\n| default rules, by size | found within three polls | found | precision | false alarms | messages |")
    print("|---|---|---|---|---|---|")
    for users in REASONS_BY_USERS:
        print(f"| {users:,} users | {_row([each for each in scores if each.users == users])} |")
    print("\n| default rules, by kind | incidents | found within three polls | found | delay (median) |")
    print("|---|---|---|---|---|")
    found = total(scores).found
    for kind in IncidentKind:
        own = [each for each in found if each.kind is kind]
        if own:
            print(f"| {kind} | {len(own)} | {_wilson([each.is_in_time for each in own])} | "
                  f"{_wilson([each.is_found for each in own])} | {_delay(own)} |")  # fmt: skip
    print("\nFalse alarms of the default rules:")
    for alarm in total(scores).false:
        print(f"  {alarm.rule}: {alarm.reason} of {alarm.tenant}, from {alarm.at:%a %d %b %H:%M}")


def figures() -> list[Figure]:
    """Measure the default rules against one limit for all, for `make bench`."""
    scores = score_all(2, WEEKS, SEED, (DEFAULTS, PLAIN))
    defaults, plain = total(scores[DEFAULTS]), total(scores[PLAIN])
    return [
        Figure(
            what="false alarms of the default rules in a week of a tenant",
            measured=defaults.false_per_week,
            promised=0.15,
            floor=plain.false_per_week,
            floor_what=PLAIN,
            unit="",
        ),
        Figure(
            what="incidents that they do not find within three polls",
            measured=100 * (1 - defaults.in_time_share),
            promised=70,
            floor=100 * (1 - plain.in_time_share),
            floor_what=PLAIN,
            unit="%",
        ),
    ]


def score_all(count: int, weeks: int, seed: int, ways: Sequence[str]) -> dict[str, list[Score]]:
    """Return how each set of rules did on each tenant."""
    scores: dict[str, list[Score]] = {way: [] for way in ways}
    wanted = ((number, users) for number in range(count) for users in REASONS_BY_USERS)
    for tenant in simulate(wanted, weeks=weeks, seed=seed):
        for way, score in score_tenant(tenant, ways).items():
            scores[way].append(score)
    return scores


def score_tenant(tenant: SimulatedTenant, ways: Sequence[str]) -> dict[str, Score]:
    """Return how sets of rules did on one tenant."""
    polls = tenant.history.polling.poll_times.polls
    begin, end = (from_epoch_us(at) for at in (polls[0], polls[-1]))
    half = begin + (end - begin) / 2
    suggested = _suggested(tenant.history, half) if {SUGGESTED, BOTH} & {*ways} else ()
    scores = {}
    for way in ways:
        since = half if way in _LATE else begin
        backtest_run = BacktestRun([_policy(tenant, _rules(way, suggested))], since=since, until=end)
        backtest_run.add(tenant.history, on_progress=_ignore)
        (backtest,) = backtest_run.backtests()
        began = [each for each in _began(backtest.firings, end) if each[2] >= since]
        scores[way] = _score(tenant, began, sum(backtest.messages.values()), since=since, until=end)
    return scores


def _ignore(_done: float) -> None:
    pass


def _began(firings: Iterable[FiringPeriod], end: datetime) -> list[tuple[str, str, datetime]]:
    """Return when alerts began; the levels of one rule are one alert while any of them fires."""
    spans: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
    for each in firings:
        spans.setdefault((each.key.rule, each.key.reason), []).append((each.since, each.until or end))
    began = []
    for (rule, reason), periods in spans.items():
        until = None
        for since, ended in sorted(periods):
            if until is None or since > until:
                began.append((rule, reason, since))
            until = ended if until is None else max(until, ended)
    return sorted(began, key=itemgetter(2))


def _score(
    tenant: SimulatedTenant,
    began: Sequence[tuple[str, str, datetime]],
    messages: int,
    *,
    since: datetime,
    until: datetime,
) -> Score:
    wrong = [each for each in tenant.incidents if each.kind is not IncidentKind.NO_DATA]
    return Score(
        users=tenant.users,
        weeks=(until - since) / WEEK,
        alerts=len(began),
        false=[
            Alarm(tenant=tenant.history.polling.tenant, rule=rule, reason=reason, at=at)
            for rule, reason, at in began
            if not any(_is_about(reason, at, each) for each in wrong)
        ],
        messages=messages,
        found=[_found(each, tenant.users, began) for each in wrong if each.began_at >= since],
    )


def _found(incident: Incident, users: int, began: Iterable[tuple[str, str, datetime]]) -> Found:
    first = min((at for _, reason, at in began if _is_about(reason, at, incident)), default=None)
    delay = None
    if first is not None and incident.evident_at is not None:
        delay = max(first - incident.evident_at, timedelta(0))
    return Found(kind=incident.kind, users=users, is_found=first is not None, delay=delay)


def _is_about(reason: str, at: datetime, incident: Incident) -> bool:
    return reason == incident.reason and incident.began_at <= at <= incident.ended_at


def _rules(way: str, suggested: Sequence[Rule]) -> Sequence[Rule]:
    match way:
        case _ if way == DEFAULTS:
            return default_rules()
        case _ if way == SUGGESTED:
            return suggested
        case _ if way == BOTH:
            return with_suggested(default_rules(), suggested)
        case _:
            return [_RIVALS[way]]


def default_rules() -> Sequence[Rule]:
    """Return the rules on held messages that `alerter init` writes."""
    return [rule for rule in load_config(EXAMPLE, {}, may_lack_secrets=True).rules if rule.input_kind is InputKind.HELD]


def with_suggested(rules: Sequence[Rule], suggested: Sequence[Rule]) -> Sequence[Rule]:
    """Return rules and suggested ones, which take the place of those of the same name, as `alerter suggest` says."""
    replaced = {rule.name.partition(" (")[0] for rule in suggested}
    return [*(rule for rule in rules if rule.name not in replaced), *suggested]


def _suggested(history: TenantHistory, half: datetime) -> Sequence[Rule]:
    return suggest(history, budget=ONE_A_QUARTER, until=half).all_rules


def _rival(name: str, condition: Condition | Spike) -> Rule:
    level = Level(conditions=(cast("Condition", condition),), keep_firing_for=timedelta(hours=1))
    return Rule(name=RuleName(name), levels={Severity.WARNING: level})


#: What others offer, each with an hour until it is over, as Alertmanager's `keep_firing_for` would have it.
_RIVALS: Mapping[str, Rule] = {
    PLAIN: _rival("Plain", Threshold(above=200)),
    PROMETHEUS: _rival("Prometheus", Growth(over=timedelta(hours=1), by=50, percent=100)),
    SPIKE: _rival("ElastAlert", Spike()),
    SEASONAL: _rival("Seasonal", Baseline()),
}
_RECEIVER = Receiver(name=ReceiverName("people"), targets=(TargetId("people"),))


def _policy(tenant: SimulatedTenant, rules: Sequence[Rule]) -> AlertingConfig:
    return AlertingConfig(
        rules=tuple(rules),
        poll_intervals={tenant.history.polling.tenant: POLL_INTERVAL},
        receivers=(_RECEIVER,),
        targets={_RECEIVER.name: ()},
        routes=(),
        context=MessageContext(timezone=tenant.history.polling.poll_times.timezone, console_url="", runbook_by_rule={}),
        timezones={tenant.history.polling.tenant: tenant.history.polling.poll_times.timezone},
    )


# Tables


def _row(scores: Sequence[Score]) -> str:
    """Return the columns of some tenants, each with its confidence interval."""
    columns: tuple[tuple[Callable[[Score], float], str], ...] = (
        (lambda score: score.in_time_share, ".0%"),
        (lambda score: score.found_share, ".0%"),
        (lambda score: score.precision, ".0%"),
        (lambda score: score.false_per_week, ".3f"),
        (lambda score: score.messages_per_week, ".2f"),
    )
    rng = random.Random(0)
    resampled = [total(rng.choices(scores, k=len(scores))) for _ in range(RESAMPLES)]
    summed = total(scores)
    return " | ".join(f"{value(summed):{form}} {_interval(map(value, resampled), form)}" for value, form in columns)


def _interval(values: Iterable[float], form: str) -> str:
    ordered = sorted(values)
    outside = int(len(ordered) * (1 - CONFIDENCE) / 2)
    return f"({ordered[outside]:{form}} to {ordered[-1 - outside]:{form}})"


def _wilson(hits: Sequence[bool]) -> str:
    """Return a share with Wilson's interval of 95 % (E. B. Wilson, 1927)."""
    z, n = 1.96, len(hits)
    share = sum(hits) / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return f"{share:.0%} ({max(0, middle - half):.0%} to {min(1, middle + half):.0%})"


def _delay(found: Sequence[Found]) -> str:
    minutes = [each.delay / timedelta(minutes=1) for each in found if each.delay is not None]
    return f"{median(minutes):,.0f} min" if minutes else "-"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=main.__doc__)
    arguments.add_argument(
        "tenants", nargs="?", type=int, default=TENANTS, help=f"of each size; {TENANTS} unless given"
    )
    arguments.add_argument("weeks", nargs="?", type=int, default=WEEKS, help=f"of history; {WEEKS} unless given")
    arguments.add_argument("seed", nargs="?", type=int, default=SEED, help=f"other tenants; {SEED} unless given")
    given = arguments.parse_args()
    if given.tenants < 1 or given.weeks < WEEKS:
        arguments.error(f"expected at least one tenant and {WEEKS} weeks, found {given.tenants} and {given.weeks}")
    main(given.tenants, given.weeks, given.seed)
