"""The limit that would have made a rule alert half as often."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from alerter.core.alerts import AlertKey
from alerter.core.backtest.alert_replay import alert_replays
from alerter.core.backtest.half_limits import HalfLimit, WhyNot, find_half_limits
from alerter.core.conditions import Baseline, Condition, Flatline, NewReason, NoData, Stagnant, Threshold
from alerter.core.history import TenantHistory
from alerter.core.review import Episode
from alerter.core.rules import Level, Per, Rule, RuleName, Severity
from alerter.core.series import Span, Tenant
from tests.builders import NOON, a_growth, a_level, a_polled_tenant, a_rule, minutes

#: Waves that reach 110, 130, 150 and 400, an hour each, with an hour between them.
WAVES = "50x12 110x12 50x12 130x12 50x12 150x12 50x12 400x12 50x12"
#: Eight blips of one poll each, and two waves of an hour.
BLIPS = "50x12 120 50x12 120 50x12 120 50x12 120 50x12 120 50x12 120 50x12 120x12 50x12 120x12 50x12"
DAY = Span(NOON - timedelta(days=1), NOON)


def never() -> bool:
    """Say that there is time."""
    return False


def episodes_of(rule: Rule, *tenants: TenantHistory) -> list[Episode]:
    """Return what the warnings of a rule were, as it was live."""
    found = []
    for replay in (each for each in alert_replays(rule, tenants) if each.key.severity is Severity.WARNING):
        for since, until in replay.firings():
            key = replay.key
            found.append(
                Episode(subject=key.subject, severity=key.severity, since=since, until=until, keys=frozenset({key}))
            )
    return found


def half_of(
    rule: Rule,
    *tenants: TenantHistory,
    now: Rule | None = None,
    replayed: Sequence[str] = ("acme", "globex"),
    is_late: Callable[[], bool] = never,
) -> HalfLimit:
    """Return the limit for a rule that was live, and is another one now if that is given."""
    by_name = {each.polling.tenant: each for each in tenants}
    found = find_half_limits(
        [now or rule],
        episodes_of(rule, *tenants),
        DAY,
        lambda name: by_name[name] if name in replayed else None,
        is_late=is_late,
    )
    return found[rule.name]


def test_the_smallest_step_of_a_limit_that_is_enough_is_named() -> None:
    """Of four waves two reach more than 130, which is the first step with which half of them are left."""
    found = half_of(a_rule(), a_polled_tenant(WAVES))

    assert found == HalfLimit(edit="above = 130", severity=Severity.WARNING, episodes=2)


def test_what_rang_for_moments_is_halved_by_waiting() -> None:
    """A longer `for` costs fewer true alerts than a higher limit where most of them are over at the next poll."""
    found = half_of(a_rule(), a_polled_tenant(BLIPS))

    assert found == HalfLimit(edit='for = "10m"', severity=Severity.WARNING, episodes=2)


def test_the_mildest_level_is_edited_and_levels_that_fire_together_count_once() -> None:
    """The critical level fires within the warning."""
    rule = a_rule(warning=a_level(above=100), critical=a_level(above=140))

    found = half_of(rule, a_polled_tenant(WAVES))

    assert found == HalfLimit(edit="above = 130", severity=Severity.WARNING, episodes=2)


def test_all_tenants_at_which_it_alerted_count() -> None:
    """The limit is one for all of them."""
    found = half_of(a_rule(), a_polled_tenant(WAVES), a_polled_tenant(WAVES, tenant="globex"))

    assert (found.edit, found.episodes) == ("above = 130", 4)


def test_a_tenant_that_is_not_replayed_counts_as_it_was() -> None:
    """Nothing is promised of what was not tried."""
    found = half_of(a_rule(), a_polled_tenant(WAVES), a_polled_tenant(WAVES, tenant="globex"), replayed=["acme"])

    assert (found.edit, found.episodes) == ("above = 400", 4)


def test_an_edit_that_was_made_meanwhile_may_be_enough() -> None:
    """The rule of now is replayed first."""
    found = half_of(a_rule(), a_polled_tenant(WAVES), now=a_rule(warning=a_level(above=200)))

    assert found == HalfLimit(episodes=1)


@pytest.mark.parametrize(
    ("rule", "why_not"),
    [
        pytest.param(a_rule(warning=a_level(above=120)), WhyNot.FEW, id="it alerted three times"),
        pytest.param(a_rule(per=Per.ALL), WhyNot.SUM, id="a sum over all tenants"),
    ],
)
def test_no_limit_is_named_where_there_is_nothing_to_try(rule: Rule, why_not: WhyNot) -> None:
    """The reason is said in its place."""
    assert half_of(rule, a_polled_tenant(WAVES)) == HalfLimit(why_not=why_not)


def test_a_rule_that_has_gone_needs_no_limit() -> None:
    """It alerts no more."""
    found = find_half_limits(
        [], episodes_of(a_rule(), a_polled_tenant(WAVES)), DAY, lambda _: a_polled_tenant(WAVES), is_late=never
    )

    assert found == {RuleName("Backlog"): HalfLimit(why_not=WhyNot.GONE)}


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_it_says_so_when_the_time_was_not_enough(calls: int) -> None:
    """What is not finished is not known, whatever it is at."""
    left = iter(range(calls))

    found = half_of(a_rule(), a_polled_tenant(WAVES), is_late=lambda: next(left, None) is None)

    assert found == HalfLimit(why_not=WhyNot.TIME)


def test_it_says_so_where_no_single_limit_is_enough() -> None:
    """A higher level that rings by itself is not halved by the lower one, nor are long waves by `for`."""
    rule = a_rule(warning=a_level(above=300), critical=a_level(above=310))

    found = half_of(rule, a_polled_tenant(" ".join(["50x2 400x60"] * 4)))

    assert found == HalfLimit(why_not=WhyNot.NONE)


@pytest.mark.parametrize(
    ("condition", "notation", "edit"),
    [
        pytest.param(Threshold(below=100), "150x9 95x9 150x9 90x9 150x9 60x9 150x9 40x9 150", "below = 90", id="below"),
        pytest.param(a_growth(by=50), "0x24 55x24 0x24 70x24 0x24 55x24 0x24 90x24 0x24", "by = 56", id="a growth"),
        pytest.param(
            a_growth(falls_percent=60), "100x24 38x24 100x24 30x24 100x24 20x24 100x24 10x24", "falls_percent = 75",
            id="a share",
        ),
        pytest.param(Stagnant(above=0, lasting=minutes(30)), "5x8 4x9 3x20 2x20", 'lasting = "45m"', id="a span"),
    ],
)  # fmt: skip
def test_each_condition_has_numbers_to_move(condition: Condition, notation: str, edit: str) -> None:
    """A limit below moves down, a share never beyond a hundred percent, a span by whole minutes."""
    rule = a_rule(warning=Level(conditions=(condition,)))
    tenant = a_polled_tenant(notation)
    episodes = episodes_of(rule, tenant)

    found = find_half_limits([rule], [*episodes, *episodes][:4], DAY, lambda _: tenant, is_late=never)[rule.name]

    assert found.edit == edit


def test_numbers_that_a_condition_refuses_are_not_tried() -> None:
    """`silence` wants a longer span than the usual one; what it takes is tried."""
    rule = a_rule(warning=Level(conditions=(Flatline(times=3.0), Baseline(), NewReason())))
    episodes = [
        Episode(subject=key.subject, severity=key.severity, since=NOON, until=None, keys=frozenset({key}))
        for key in [AlertKey(rule=rule.name, severity=Severity.WARNING, tenant=Tenant("acme"), reason="Spam")] * 4  # type: ignore[arg-type]
    ]

    found = find_half_limits([rule], episodes, DAY, lambda _: None, is_late=never)

    assert found[rule.name] == HalfLimit(why_not=WhyNot.NONE)


def test_polling_is_replayed_as_well() -> None:
    """A rule for missing data waits longer."""
    outages = "5x3 _x4 5x3 _x4 5x3 _x9 5x3 _x14 5x3"
    rule = a_rule(warning=Level(conditions=(NoData(after=minutes(15)),)))

    found = half_of(rule, a_polled_tenant(outages))

    assert found.edit == 'after = "22m"'
    assert found.episodes == 2
