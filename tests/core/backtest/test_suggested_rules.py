"""Rules that compare with the past, as sensitive as the history of a tenant affords."""

from datetime import timedelta

from alerter.core.backtest.suggest import suggest
from alerter.core.backtest.suggested_rules import KINDS, NoRule, SuggestedRule, suggest_rules
from alerter.core.conditions import Condition, Rise
from alerter.core.history import TenantHistory, history_from_polls
from alerter.core.rules import Severity
from alerter.core.series import HoldReason, Snapshot, Tenant
from tests.builders import NOON

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
HOURS = 9 * 168
SPLIT = NOON + 6 * WEEK


def a_tenant(bursts_by_reason: dict[str, dict[int, int]]) -> TenantHistory:
    """Return nine weeks by the hour, in which ten are held, and in some hours as many as are said."""
    polls = [
        Snapshot(
            tenant=Tenant("acme"),
            taken_at=NOON + hour * HOUR,
            counts={HoldReason(reason): bursts.get(hour, 10) for reason, bursts in bursts_by_reason.items()},
        )
        for hour in range(HOURS)
    ]
    return history_from_polls(Tenant("acme"), polls, poll_interval=HOUR)


def rises(tenant: TenantHistory, *, budget: float = 0.1) -> SuggestedRule | NoRule:
    """Return what is suggested for rises."""
    found = suggest_rules(tenant, since=NOON, split=SPLIT, until=NOON + HOURS * HOUR, budget=budget)
    return next(iter(found))


def condition_of(suggested: SuggestedRule) -> Condition:
    """Return the condition of its warning."""
    (condition,) = suggested.levels[Severity.WARNING].conditions
    return condition


def burst(*hours: int, height: int = 50) -> dict[int, int]:
    """Return bursts of two hours."""
    return {hour + more: height for hour in hours for more in range(2)}


def test_the_most_sensitive_step_is_taken_that_never_alerted() -> None:
    """In a calm history that is the first one, for every kind."""
    found = suggest_rules(a_tenant({"Spam": {}}), since=NOON, split=SPLIT, until=NOON + 9 * WEEK, budget=0.1)

    chosen = [each.levels for each in found if isinstance(each, SuggestedRule)]
    assert chosen == [each.levels(each.steps[0]) for each in KINDS]
    assert [list(levels) for levels in chosen[:3]] == [["warning", "critical"], ["warning"], ["critical"]]


def test_a_step_that_alerted_too_often_gives_way_to_the_next() -> None:
    """A rise of five times the one before, in the part that rules are chosen on, is no alert at six times."""
    chosen = rises(a_tenant({"Spam": burst(400, height=14) | burst(1000, height=33)}))

    assert isinstance(chosen, SuggestedRule)
    assert (condition_of(chosen), chosen.chosen_on, chosen.confirmed) == (Rise(times=6, at_least=5), 0, 0)


def test_few_hold_reasons_that_alert_most_are_left_out() -> None:
    """One of ten pays for itself, and the others keep the most sensitive step."""
    noisy: dict[str, dict[int, int]] = {"!Wild*": burst(300, height=30) | burst(600, height=90)}
    chosen = rises(a_tenant({**noisy, **{f"Calm {number}": {} for number in range(9)}}))

    assert isinstance(chosen, SuggestedRule)
    assert (chosen.left_out, condition_of(chosen), chosen.chosen_on) == (("!Wild*",), Rise(times=2, at_least=5), 0)
    assert [chosen.rule.reasons.matches(name) for name in ("!Wild*", "Calm 1", "!Wilder")] == [False, True, True]
    assert chosen.rule.name == "Rise (acme)"


def test_no_more_hold_reasons_are_left_out_than_the_budget_needs() -> None:
    """Without the one that alerts most, the other one's single alert is affordable."""
    noisy = {"Wild": burst(300, height=30) | burst(600, height=90), "Once": burst(800, height=60)}
    chosen = rises(a_tenant({**noisy, **{f"Calm {number}": {} for number in range(9)}}), budget=0.2)

    assert isinstance(chosen, SuggestedRule)
    assert (chosen.left_out, chosen.chosen_on) == (("Wild",), 1)


def test_what_the_rest_does_not_confirm_is_not_suggested() -> None:
    """The rest of the history has not been seen while the rule was chosen."""
    tenant = a_tenant({"Spam": burst(1200, height=90), "Virus": burst(1300, height=90)})

    assert rises(tenant) == NoRule(
        title="Rise", why="alerted twice in the last third of the history, which is more than the budget"
    )
    assert isinstance(rises(tenant, budget=1), SuggestedRule)


def test_what_is_critical_is_no_false_alarm() -> None:
    """Rises of hundreds where ten are held: everybody wants to know of these, so that they change nothing."""
    chosen = rises(a_tenant({"Spam": burst(700, height=900) | burst(1300, height=9000)}))

    assert isinstance(chosen, SuggestedRule)
    assert (condition_of(chosen), chosen.chosen_on, chosen.confirmed) == (Rise(times=2, at_least=5), 0, 0)


def test_where_every_step_alerts_nothing_is_affordable() -> None:
    """Three first rises of some dozens are more than a fifth of the reasons, and alert at every step."""
    found = rises(a_tenant({name: burst(700) for name in ("Spam", "Virus", "Graymail")}))

    assert found == NoRule(title="Rise", why="would have alerted too often at every step, where it was to be chosen")


def test_a_short_history_supports_no_rule() -> None:
    """Three weeks to choose on are the least."""
    tenant = a_tenant({"Spam": {}})

    assert list(suggest_rules(tenant, since=NOON, split=NOON + 2 * WEEK, until=NOON + 3 * WEEK, budget=1)) == []


def test_all_together_keep_to_the_budget_in_the_rest() -> None:
    """A burst and a mass release there are alerts of two rules: one is within the budget, and the other is dropped."""
    tenant = a_tenant({"Spam": dict.fromkeys(range(1303), 400), "Virus": burst(1300)})
    budget = 1 / 3

    found = suggest(tenant, budget=budget, until=NOON + HOURS * HOUR)

    assert found.confirmed_per_week <= budget
    assert sum(each.confirmed for each in found.rules) == 1
