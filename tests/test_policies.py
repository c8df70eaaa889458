"""What a reload changes, tenant by tenant."""

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from alerter.core.alerting_config import AlertingConfig
from alerter.core.mute_windows import WindowName
from alerter.core.rules import Per, RuleName
from alerter.core.selectors import Selector
from alerter.core.series import Tenant
from tests.builders import a_level, a_no_data, a_policy, a_receiver, a_route, a_rule, a_window

ACME, GLOBEX, NEW = Tenant("acme"), Tenant("globex"), Tenant("initech")
TENANTS = {"acme": "5m", "globex": "5m"}
BEFORE = a_policy(a_rule(), a_rule("Surge", tenants=["acme"]), tenants=TENANTS, routes=[a_route()])


def changed(**tenants_by_rule: list[str]) -> AlertingConfig:
    """Return the policy with rules for these tenants."""
    rules = [a_rule(name, tenants=tenants) for name, tenants in tenants_by_rule.items()]
    return a_policy(*rules, tenants=TENANTS, routes=[a_route()])


def with_windows(*names: str) -> AlertingConfig:
    """Return the policy with a mute window for these tenants on a rule, and one on a route."""
    window = replace(a_window(), tenants=Selector(among=frozenset(names)))
    rules, routes = {RuleName("Backlog"): (window,)}, (a_route(mute_windows=[replace(window, name=WindowName("x"))]),)
    return replace(BEFORE, windows_by_rule=rules, routes=routes)


def test_a_window_that_changes_hands_concerns_who_had_it_and_who_has_it() -> None:
    """A tenant more with the label of a mute window is no reason to poll all the others."""
    assert with_windows("acme", "globex").tenants_changed_since(with_windows("acme")) == {GLOBEX}
    assert with_windows("globex").tenants_changed_since(with_windows("acme")) == {ACME, GLOBEX}
    assert with_windows("acme").tenants_changed_since(with_windows("acme")) == set()
    assert with_windows().tenants_changed_since(BEFORE) == {ACME, GLOBEX}


@pytest.mark.parametrize(
    ("after", "concerned"),
    [
        pytest.param(lambda: replace(BEFORE), set(), id="nothing"),
        pytest.param(
            lambda: a_policy(
                a_rule(), a_rule("Surge", tenants=["acme"]), tenants=TENANTS | {"initech": "5m"}, routes=[a_route()]
            ),
            {NEW},
            id="a tenant more, which the built-in rule watches as well",
        ),
        pytest.param(lambda: changed(Backlog=[], Surge=["globex"]), {ACME, GLOBEX}, id="a rule has moved to another"),
        pytest.param(
            lambda: changed(Backlog=[], Surge=["acme", "umbrella"]), set(), id="a rule for a tenant of nobody"
        ),
        pytest.param(lambda: changed(Backlog=[]), {ACME}, id="a rule less"),
        pytest.param(
            lambda: replace(
                BEFORE, rules=(replace(BEFORE.rules[0], tenants=Selector(among=frozenset({GLOBEX}))), *BEFORE.rules[1:])
            ),
            {ACME},
            id="a label less",
        ),
        pytest.param(
            lambda: a_policy(
                a_rule(warning=a_level(above=101)),
                a_rule("Surge", tenants=["acme"]),
                tenants=TENANTS,
                routes=[a_route()],
            ),
            {ACME, GLOBEX},
            id="another limit",
        ),
        pytest.param(
            lambda: replace(
                BEFORE, rules=(*BEFORE.rules, a_rule("Eyes", warning=a_level(a_no_data("1h")), tenants=["globex"]))
            ),
            {GLOBEX},
            id="a rule about polling",
        ),
        pytest.param(lambda: replace(BEFORE, routes=(a_route(tenants=["glo*"]),)), {ACME}, id="a route less"),
        pytest.param(lambda: replace(BEFORE, muted_tenants=frozenset({GLOBEX})), {GLOBEX}, id="a mute"),
        pytest.param(lambda: replace(BEFORE, timezones={ACME: ZoneInfo("Asia/Tokyo")}), {ACME}, id="a time zone"),
        pytest.param(
            lambda: replace(BEFORE, context=replace(BEFORE.context, labels_by_tenant={GLOBEX: {"tier": "gold"}})),
            {GLOBEX},
            id="a label, by which a silence may be for it",
        ),
        pytest.param(
            lambda: replace(BEFORE, receivers=(a_receiver(repeat_interval="1h"),)), {ACME, GLOBEX}, id="a receiver"
        ),
    ],
)
def test_a_reload_concerns_those_for_whom_something_changed(
    after: Callable[[], AlertingConfig], concerned: set[Tenant]
) -> None:
    """Ten thousand tenants are not polled at once because of one of them."""
    assert after().tenants_changed_since(BEFORE) == concerned


def test_a_sum_is_judged_with_the_polls_of_its_bearers_alone() -> None:
    """All other rules are judged with every poll, and so is a sum of which nobody has said otherwise."""
    total = a_rule("Total", per=Per.ALL)
    alerting = replace(
        a_policy(a_rule(), total, tenants=TENANTS), sum_trigger_tenants={total.name: frozenset({GLOBEX})}
    )

    def names(alerting: AlertingConfig, tenant: Tenant) -> list[str]:
        return [rule.name for rule in alerting.rules_evaluated_with(tenant, alerting.rules_for(tenant))]

    assert names(alerting, ACME) == ["Backlog", "No data"]
    assert names(alerting, GLOBEX) == ["Backlog", "Total", "No data"]
    assert names(replace(alerting, sum_trigger_tenants={}), ACME) == ["Backlog", "Total", "No data"]
