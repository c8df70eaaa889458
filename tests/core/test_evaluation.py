"""What is judged at a poll, and what is left alone because it cannot change anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertKey, AlertState, Transition, step
from alerter.core.conditions import Baseline, Forecast, NewReason, Stagnant, Threshold
from alerter.core.evaluation import (
    EvaluationOutcome,
    SkipCache,
    evaluate_due,
    evaluate_failed_poll,
    plan_evaluation,
    series_for,
)
from alerter.core.rules import Per, Rule, Severity, TenantSeries, evaluate, select_series
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Series
from tests.builders import NOON, a_growth, a_key, a_level, a_no_data, a_rule, a_tenant, an_alert, minutes, series, span

FIVE = span("5m")


@dataclass
class Court:
    """A tenant that is judged poll by poll.

    Attributes:
        rules: By which.
        cache: What the poll before has left.
        alerts: Those that there are.
        poll_interval: How often it is polled.
    """

    rules: Sequence[Rule]
    cache: SkipCache | None = None
    alerts: dict[AlertKey, Alert] = field(default_factory=dict)
    poll_interval: timedelta = FIVE

    def poll(
        self, *seen: Series, changed: Sequence[int] = (), others: Sequence[TenantSeries] = (), now: datetime = NOON
    ) -> EvaluationOutcome:
        """Judge a good poll, at which these places have other counts than at the one before."""
        own = a_tenant(*seen)
        counts = {each.reason: each.value_at(now) or 0 for each in seen}
        new = {place: counts[seen[place].reason] for place in changed}
        plan = plan_evaluation(self.rules, own.names, counts, cache=self.cache, changed=new, now=now)
        due = [
            (each, series_for(each, [own, *others] if each.rule.scope is Per.ALL else [own])) for each in plan.due_rules
        ]
        outcome, skip = evaluate_due(due, self.alerts, {}, plan.skip, now=now)
        self.cache = SkipCache(
            rules=tuple(self.rules), poll_interval=self.poll_interval, timezone=UTC, polled_at=now, tables=skip
        )
        self.alerts |= {alert.key: alert for alert in outcome.alerts}
        return outcome


def reasons(outcome: EvaluationOutcome) -> set[str]:
    """Return the hold reasons that were judged."""
    return {key.reason for key in outcome.evaluated}


# what is left alone

SPAM, VIRUS = series("7x20"), series("7x20", reason="Virus")
EYES = a_rule("Eyes", critical=a_level(a_no_data()))


def test_everything_is_evaluated_when_nothing_is_known() -> None:
    """After a start, a failed poll or another writer: whatever a rule selects, and nothing else."""
    drought = a_rule("Drought", warning=a_level(Threshold(below=9)), reasons=["Virus"])

    outcome = Court([a_rule(), drought, EYES]).poll(SPAM, VIRUS)

    assert {(key.rule, key.reason) for key in outcome.evaluated} == {
        ("Backlog", "Spam"),
        ("Backlog", "Virus"),
        ("Drought", "Virus"),
        ("Eyes", ALL_REASONS),
    }


def test_nothing_is_judged_where_nothing_has_changed() -> None:
    """Whatever the rules are, but for those that look at every sample."""
    court = Court([a_rule(), a_rule("Surge", warning=a_level(a_growth(by=5))), a_rule("Sum", per=Per.TENANT), EYES])
    court.poll(SPAM, VIRUS)
    before = court.cache

    assert court.poll(SPAM, VIRUS) == EvaluationOutcome()
    assert court.cache == before


def test_a_count_that_has_changed_is_judged_by_the_rules_that_mind_it() -> None:
    """By no other rule, and no other series."""
    court = Court([a_rule(warning=a_level(above=10)), a_rule("Surge", warning=a_level(a_growth(by=2))), EYES])
    court.poll(SPAM, VIRUS)

    little, much = series("7x20 9", reason="Virus"), series("7x20 20", reason="Virus")

    assert {key.rule for key in court.poll(SPAM, little, changed=[1]).evaluated} == {"Surge"}
    evaluated = court.poll(SPAM, much, changed=[1]).evaluated
    assert {(key.rule, key.reason) for key in evaluated} == {("Backlog", "Virus"), ("Surge", "Virus")}


def test_a_sum_is_judged_when_it_may_matter() -> None:
    """Not for every change of one of its parts, and not for those that the rule does not select."""
    court = Court([a_rule(warning=a_level(above=20), reasons=["!Bulk"], per=Per.TENANT)])
    bulk = series("900", reason="Bulk")
    court.poll(SPAM, bulk)

    silent = court.poll(series("7x20 20"), bulk, changed=[0])
    loud = court.poll(series("7x20 21"), bulk, changed=[0])

    assert (silent, [each.value for each in loud.alerts]) == (EvaluationOutcome(), [21])


def test_growth_is_judged_when_the_count_before_was_another_one() -> None:
    """The present count stays, and the one that it is compared with does not."""
    court = Court([a_rule(warning=a_level(a_growth(over="1h", by=3)))])
    fallen = series("10x8 7x11 11")
    court.poll(fallen)

    early = court.poll(fallen, now=NOON + minutes(4.9))
    due = court.poll(fallen, now=NOON + FIVE)

    assert (reasons(early), reasons(due)) == (set(), {"Spam"})


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param(an_alert(), id="firing"),
        pytest.param(an_alert(AlertState.PENDING), id="pending"),
        pytest.param(an_alert(keep_firing_since="11:55"), id="about to end"),
    ],
)
@pytest.mark.parametrize("per", [Per.REASON, Per.TENANT])
def test_an_alert_that_lives_is_judged_at_every_poll(alert: Alert, per: Per) -> None:
    """Its value, its peak and its end depend on every one of them."""
    rule = a_rule(warning=a_level(for_="30d", keep_firing_for="30d"), per=per)
    key = a_key(reason="Spam" if per is Per.REASON else ALL_REASONS)
    court = Court([rule], alerts={key: replace(alert, key=key)})
    seen = series("7x20" if alert.keep_firing_since else "120x20")

    assert [court.poll(seen).evaluated for _ in range(2)] == [{key}, {key}]


def test_a_rule_over_all_tenants_is_judged_at_every_poll() -> None:
    """Another tenant may have changed."""
    court = Court([a_rule(per=Per.ALL)])
    other = a_tenant(series("7x20", tenant="umbrella"))
    court.poll(SPAM, others=[other])

    outcome = court.poll(SPAM, others=[a_tenant(series("7x20 120", tenant="umbrella"))])

    assert [(each.key.tenant, each.value) for each in outcome.alerts] == [(ALL_TENANTS, 127)]


def test_transitions_come_in_the_order_of_the_rules() -> None:
    """Then of the levels, then of the series: as they are configured."""
    rules = [a_rule("B", warning=a_level(above=1), critical=a_level(above=5)), a_rule("A", warning=a_level(above=1))]

    outcome = Court(rules).poll(SPAM, VIRUS)

    found = [(each.key.rule, each.key.severity.value, each.key.reason) for each in outcome.transitions]
    assert found == [
        ("B", "warning", "Spam"),
        ("B", "warning", "Virus"),
        ("B", "critical", "Spam"),
        ("B", "critical", "Virus"),
        ("A", "warning", "Spam"),
        ("A", "warning", "Virus"),
    ]


def test_a_series_that_no_rule_selects_is_never_judged() -> None:
    """Nor is a tenant in which nothing was ever held."""
    court = Court([a_rule(warning=a_level(a_growth(falls_by=1)), reasons=["Virus"])])

    assert reasons(court.poll(SPAM, VIRUS)) == {"Virus"}
    assert reasons(court.poll(series("7x20 3"), VIRUS, changed=[0])) == set()
    assert Court([a_rule()]).poll() == EvaluationOutcome()


# for which rules that holds


@pytest.mark.parametrize(
    ("rules", "every", "zone", "expected"),
    [
        pytest.param([a_rule()], "5m", "UTC", True, id="equal rules, read again"),
        pytest.param([a_rule(tenants=["acme", "umbrella"])], "5m", "UTC", True, id="more tenants beside this one"),
        pytest.param([replace(a_rule(), runbook="https://wiki.example")], "5m", "UTC", True, id="another runbook"),
        pytest.param([a_rule(reasons=["Spam"])], "5m", "UTC", False, id="other reasons"),
        pytest.param([a_rule(warning=a_level(above=5))], "5m", "UTC", False, id="another limit"),
        pytest.param([a_rule(), a_rule("More")], "5m", "UTC", False, id="one more"),
        pytest.param([], "5m", "UTC", False, id="none"),
        pytest.param([a_rule()], "1m", "UTC", False, id="another interval, and so another tolerance"),
        pytest.param([a_rule()], "5m", "Asia/Tokyo", False, id="another time zone, and so other hours of the week"),
    ],
)
def test_what_is_idle_holds_for_the_rules_that_found_it(
    *, rules: list[Rule], every: str, zone: str, expected: bool
) -> None:
    """A reload that changes nothing for a tenant costs it nothing."""
    cache = SkipCache(rules=(a_rule(),), poll_interval=FIVE, timezone=ZoneInfo("UTC"), polled_at=NOON, tables=())

    assert cache.is_valid_for(rules, span(every), ZoneInfo(zone)) is expected


def test_a_poll_that_comes_too_soon_is_evaluated_by_rules_that_need_even_polls() -> None:
    """A line through uneven samples may be steeper than what was reckoned with."""
    ahead = a_rule("Ahead", warning=a_level(Forecast(above=900, within=span("20m"), fit_over=span("20m"))))
    court = Court([a_rule(), ahead])
    court.poll(SPAM)

    due = court.poll(SPAM, now=NOON + FIVE)
    early = court.poll(SPAM, now=NOON + FIVE + minutes(2))

    assert {key.rule for key in due.evaluated} == set()
    assert {key.rule for key in early.evaluated} == {"Ahead"}


# a failed poll


def test_a_failed_poll_is_judged_by_rules_on_polling_alone() -> None:
    """It proves nothing of what is held."""
    rules = [a_rule(warning=a_level(Threshold(below=500))), a_rule("Eyes", critical=a_level(a_no_data("15m")))]

    outcome = evaluate_failed_poll(rules, a_tenant(series("7 _ _ _")), {}, now=NOON)

    assert [(each.key.rule, each.to_state) for each in outcome.transitions] == [("Eyes", AlertState.FIRING)]
    assert outcome.evaluated == {a_key(rule="Eyes", severity=Severity.CRITICAL, reason=ALL_REASONS)}


# against judging everything

_RULES = [
    a_rule("Backlog", warning=a_level(above=4, clear_at=2), critical=a_level(above=8, for_="10m")),
    a_rule("Drought", info=a_level(Threshold(below=2)), reasons=["Spam"]),
    a_rule("Surge", warning=a_level(a_growth(over="15m", by=3), keep_firing_for="10m")),
    a_rule("Rise", warning=a_level(a_growth(over="20m", percent=150, floor=1))),
    a_rule("Fall", warning=a_level(a_growth(over="10m", falls_percent=50, floor=4), Threshold(above=0))),
    a_rule("Sum", warning=a_level(above=8), critical=a_level(a_growth(over="20m", by=5)), per=Per.TENANT),
    a_rule("Ahead", warning=a_level(Forecast(above=12, within=span("20m"), fit_over=span("20m")))),
    a_rule("Asleep", warning=a_level(Stagnant(above=1, lasting=span("20m")))),
    a_rule("New", info=a_level(NewReason(learn=span("10m")))),
    a_rule("Usual", warning=a_level(Baseline(deviations=1, floor=1))),
    a_rule("Eyes", critical=a_level(a_no_data("10m"))),
]
_COUNT = st.sampled_from([0, 1, 1, 1, 5, 5, 9])
_ANSWER = st.one_of(st.none(), st.tuples(_COUNT, _COUNT), st.sampled_from(["the same", "missed"]))
_ANSWERS = st.lists(_ANSWER, min_size=1, max_size=20)


@dataclass
class _Past:
    """What was polled, each time after so long, and the alerts that came of it."""

    every: str
    polls: list[tuple[int, int] | None] = field(default_factory=list)
    court: Court = field(init=False)

    def __post_init__(self) -> None:
        """Begin with a tenant of which nothing is known."""
        self.court = Court(_RULES, poll_interval=span(self.every))

    def poll(self, counts: tuple[int, int] | None) -> list[Transition]:
        """Judge what must be judged."""
        before = self.polls[-1] if self.polls else None
        self.polls.append(counts)
        if counts is not None:
            changed = [place for place in range(2) if before is not None and before[place] != counts[place]]
            return self.court.poll(*self.seen(), changed=changed, now=self.now).transitions
        self.court.cache = None
        outcome = evaluate_failed_poll(_RULES, a_tenant(*self.seen()), self.court.alerts, now=self.now)
        self.court.alerts |= {alert.key: alert for alert in outcome.alerts}
        return outcome.transitions

    def miss(self) -> None:
        """Let the time of a poll pass; the next one knows that it was not successive."""
        self.polls.append(None)
        self.court.cache = None

    def poll_eagerly(self, counts: tuple[int, int] | None) -> list[Transition]:
        """Judge everything."""
        self.polls.append(counts)
        transitions = []
        for rule in _RULES:
            for (severity, level), evaluated in product(
                rule.levels.items(), select_series(rule, [a_tenant(*self.seen())])
            ):
                key = AlertKey(rule=rule.name, severity=severity, tenant=evaluated.tenant, reason=evaluated.reason)
                alert = self.court.alerts.get(key) or Alert(key=key)
                evaluation = evaluate(level, evaluated, firing=alert.is_firing, now=self.now)
                after, transition = step(alert, evaluation, level, now=self.now)
                if after is not alert:
                    self.court.alerts[key] = after
                transitions += [] if transition is None else [transition]
        return transitions

    @property
    def now(self) -> datetime:
        """When the newest poll was."""
        return NOON + len(self.polls) * span(self.every)

    def seen(self) -> list[Series]:
        """Return the series as of now."""
        firsts = [next((n for n, each in enumerate(self.polls, 1) if each and each[place]), None) for place in range(2)]
        return [
            replace(
                series(
                    " ".join("_" if each is None else str(each[place]) for each in self.polls),
                    every=self.every,
                    until=self.now,
                    reason=name,
                ),
                first_polled_at=NOON,
                first_held_at=None if first is None else NOON + first * span(self.every),
            )
            for place, (name, first) in enumerate(zip(("Spam", "Virus"), firsts, strict=True))
        ]


@pytest.mark.parametrize("every", ["5m", "1h", "1d"])
@given(answers=_ANSWERS)
def test_what_is_left_alone_would_have_changed_nothing(every: str, answers: list[tuple[int, int] | str | None]) -> None:
    """Whatever was polled, the alerts and their histories are those of judging every level at every poll."""
    lazy, eager = _Past(every), _Past(every)
    counts: tuple[int, int] | None = (0, 0)
    for answer in answers:
        if answer == "missed":
            lazy.miss()
            eager.miss()
            continue
        counts = (counts or (0, 0)) if isinstance(answer, str) else answer

        assert lazy.poll(counts) == eager.poll_eagerly(counts)
        assert lazy.court.alerts == eager.court.alerts
