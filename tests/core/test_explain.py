"""Why an alert came, and why none did: which rule looks, what it found, and what kept whom from hearing of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from alerter.core.alerts import Alert, AlertState, Transition, step
from alerter.core.conditions import Threshold, Verdict
from alerter.core.explain import (
    NotNotifiedReason,
    alert_at,
    covers_reason,
    decision,
    evaluate_conditions,
    evaluated_at,
    route_mismatch_text,
    rule_mismatch_text,
    selector_mismatch_text,
)
from alerter.core.mutes import NO_MUTES, MuteKind, MuteSet
from alerter.core.notifications import HourlyLimit
from alerter.core.routes import Route
from alerter.core.rules import Level, Per, Rule, Severity, evaluate
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Tenant
from tests.builders import (
    NOON,
    a_key,
    a_level,
    a_no_data,
    a_receiver,
    a_route,
    a_rule,
    a_silence,
    a_window,
    an_alert,
    at,
    minutes,
    series,
)

ACME, SPAM = Tenant("acme"), HoldReason("Spam")


def test_each_condition_says_what_it_found_and_by_how_much() -> None:
    """Of a level with two conditions both are shown, whichever decided."""
    level = Level(conditions=(Threshold(above=5), Threshold(above=50)))

    found = evaluate_conditions(level, series("12"), firing=False, now=NOON)

    assert [(each.verdict, each.distance_text) for each in found] == [
        (Verdict.ACTIVE, "by 7"),
        (Verdict.INACTIVE, "needs 39 more"),
    ]


@pytest.mark.parametrize(
    ("notation", "now", "expected"),
    [
        pytest.param("1 2 3", NOON, NOON, id="at the poll that was just made"),
        pytest.param("1 2 3", NOON + minutes(3), NOON, id="between two polls at the one before"),
        pytest.param("1 2 3", NOON + minutes(90), NOON, id="after the last one at that"),
        pytest.param("1 2 _", NOON + minutes(3), NOON + minutes(3), id="while polling fails at any time"),
        pytest.param("1 2 _", NOON - minutes(3), NOON - minutes(5), id="before it failed at the poll before that"),
        pytest.param("1 2 3", NOON - minutes(30), NOON - minutes(30), id="before the first poll at any time"),
    ],
)
def test_a_series_is_judged_at_its_polls(notation: str, now: datetime, expected: datetime) -> None:
    """What nobody has looked at is not judged."""
    assert evaluated_at(series(notation), now=now) == expected


def a_transition(clock: str, before: AlertState, after: AlertState, note: str = "") -> Transition:
    """Return a line of an alert's history."""
    return Transition(
        key=a_key(), at=at(clock), from_state=before, to_state=after, evidence=an_alert().evidence, detail=note
    )


INACTIVE, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING
HISTORY = [
    a_transition("10:00", INACTIVE, PENDING),
    a_transition("10:10", PENDING, INACTIVE),
    a_transition("11:00", INACTIVE, PENDING),
    a_transition("11:10", PENDING, FIRING),
    a_transition("11:40", FIRING, INACTIVE, "rule removed"),
    a_transition("11:50", INACTIVE, FIRING),
]


@pytest.mark.parametrize(
    ("clock", "state", "active_at", "fired_at", "resolved_at"),
    [
        pytest.param("09:59", INACTIVE, None, None, None, id="before anything happened"),
        pytest.param("10:00", PENDING, "10:00", None, None, id="pending"),
        pytest.param("10:30", INACTIVE, None, None, None, id="it was nothing"),
        pytest.param("11:30", FIRING, "11:00", "11:10", None, id="firing, active since it was pending"),
        pytest.param("11:45", INACTIVE, None, "11:10", "11:40", id="resolved"),
        pytest.param("12:00", FIRING, "11:50", "11:50", None, id="firing at once, and not over"),
    ],
)
def test_an_alert_is_read_back_from_its_history(
    clock: str, state: AlertState, active_at: str | None, fired_at: str | None, resolved_at: str | None
) -> None:
    """Its state at an instant, and since when."""
    alert = alert_at(a_key(), HISTORY, now=at(clock))

    known = (alert.active_at, alert.fired_at, alert.resolved_at)
    assert alert.state is state
    assert known == tuple(None if each is None else at(each) for each in (active_at, fired_at, resolved_at))
    assert alert.resolved_because == ("rule removed" if clock in ("11:45", "12:00") else "")


def test_the_history_of_another_alert_does_not_count() -> None:
    """Eight digits are no identity."""
    other = a_key(reason="Virus")

    assert alert_at(other, HISTORY, now=NOON) == Alert(key=other)


@pytest.mark.parametrize("above", [0, 3, 5])
def test_what_is_read_back_is_what_was(above: int) -> None:
    """At every instant the state is that of the alert that was stepped."""
    level = a_level(above=above, for_="10m")
    alert, history, states = Alert(key=a_key()), [], {}
    for number, held in enumerate([1, 4, 4, 4, 9, 0, 0, 6, 6, 6, 6, 2]):
        now = at("11:00") + number * minutes(5)
        evaluation = evaluate(level, series(str(held), until=now), firing=alert.is_firing, now=now)
        alert, transition = step(alert, evaluation, level, now=now)
        history += [transition] if transition else []
        states[now] = (alert.state, alert.active_at, alert.fired_at)

    for instant, state in states.items():
        read = alert_at(a_key(), history, now=instant + minutes(2))
        assert (read.state, read.active_at, read.fired_at) == state


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(Selector(), "", id="everything"),
        pytest.param(Selector(("*pam*",)), "", id="it matches"),
        pytest.param(Selector(("*", "!Graymail*", "!*spam*")), "'!*spam*' leaves it out", id="excluded"),
        pytest.param(Selector(("Virus*", "Grey*")), "none of 'Virus*', 'Grey*' takes it", id="not wanted"),
        pytest.param(Selector(("*",), among=frozenset({"other"})), "it has other labels", id="its labels"),
        pytest.param(Selector((), among=frozenset({"other"})), "it has other labels", id="its labels alone"),
    ],
)
def test_which_glob_leaves_a_name_out(selector: Selector, expected: str) -> None:
    """The one that did is named."""
    assert selector_mismatch_text(selector, "Spam") == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(a_rule(), "", id="it looks at all"),
        pytest.param(a_rule(tenants=["!acme"]), "tenants: '!acme' leaves it out", id="not at this tenant"),
        pytest.param(a_rule(reasons=["Virus"]), "reasons: none of 'Virus' takes it", id="not at this reason"),
        pytest.param(a_rule(reasons=["Virus"], warning=a_level(a_no_data())), "", id="at polling, whatever the reason"),
        pytest.param(a_rule(reasons=["Spam"], per=Per.TENANT), "", id="at a sum with it in"),
    ],
)
def test_why_a_rule_does_not_look_at_a_series(rule: Rule, expected: str) -> None:
    """The selector that did it is named."""
    assert rule_mismatch_text(rule, ACME, SPAM) == expected


@pytest.mark.parametrize(
    ("per", "tenant", "reason", "expected"),
    [
        pytest.param(Per.REASON, "acme", "Spam", True, id="the series itself"),
        pytest.param(Per.REASON, "acme", "Virus", False, id="another reason"),
        pytest.param(Per.REASON, "legacy", "Spam", False, id="another tenant"),
        pytest.param(Per.TENANT, "acme", "*", True, id="the tenant's sum"),
        pytest.param(Per.TENANT, "legacy", "*", False, id="another tenant's sum"),
        pytest.param(Per.ALL, "*", "*", True, id="the sum of all"),
    ],
)
def test_which_series_of_a_rule_is_meant(per: Per, tenant: str, reason: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """A reason is part of its tenant's sum, and of the sum of all."""
    evaluated = series("5", tenant=tenant, reason=reason)

    assert covers_reason(a_rule(per=per), evaluated, ACME, SPAM) is expected


CRITICAL = frozenset({Severity.CRITICAL})


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        pytest.param(a_route(), "", id="it takes everything"),
        pytest.param(
            a_route(severities=[Severity.INFO, Severity.CRITICAL]), "it takes info and critical only", id="level"
        ),
        pytest.param(a_route(tenants=["legacy"]), "tenants: none of 'legacy' takes it", id="tenant"),
        pytest.param(a_route(reasons=["!S*"]), "reasons: '!S*' leaves it out", id="reason"),
        pytest.param(a_route(rules=["Surge"]), "rules: none of 'Surge' takes it", id="rule"),
    ],
)
def test_why_a_route_does_not_take_an_alert(route: Route, expected: str) -> None:
    """What of it does not fit is named, and the word is the same as that of the route itself."""
    assert route_mismatch_text(route, an_alert()) == expected
    assert route.matches(an_alert()) is (expected == "")


def test_an_alert_about_polling_goes_by_no_reason() -> None:
    """It concerns every hold reason."""
    level = a_level(a_no_data())
    found = evaluate(level, series("5 _x4"), firing=False, now=NOON)
    alert, _ = step(Alert(key=a_key(rule="No data", reason="*")), found, level, now=NOON)

    assert route_mismatch_text(a_route(reasons=["Spam"]), alert) == ""


NIGHTS = a_window(begins="11:00", ends="13:00")
SILENCED = MuteSet(silences=(a_silence(),))


@pytest.mark.parametrize(
    ("alerts", "routes", "mutes", "expected"),
    [
        pytest.param([an_alert(PENDING)], [], NO_MUTES, NotNotifiedReason.NOT_FIRING, id="nothing fires"),
        pytest.param([an_alert()], [], NO_MUTES, None, id="without routes everybody hears everything"),
        pytest.param([an_alert()], [a_route("mail")], NO_MUTES, NotNotifiedReason.NO_ROUTE, id="no route leads to it"),
        pytest.param(
            [an_alert()], [a_route(severities=CRITICAL)], NO_MUTES, NotNotifiedReason.NO_ROUTE, id="none takes it"
        ),
        pytest.param([an_alert()], [a_route(severities=CRITICAL), a_route()], NO_MUTES, None, id="one of them does"),
        pytest.param([an_alert()], [], SILENCED, NotNotifiedReason.MUTED, id="silenced"),
        pytest.param(
            [an_alert()], [a_route(mute_windows=[NIGHTS])], NO_MUTES, NotNotifiedReason.MUTED, id="its way is quiet"
        ),
        pytest.param([an_alert()], [a_route(mute_windows=[NIGHTS]), a_route()], NO_MUTES, None, id="another is not"),
    ],
)
def test_who_hears_of_an_alert(
    alerts: Sequence[Alert], routes: Sequence[Route], mutes: MuteSet, expected: NotNotifiedReason | None
) -> None:
    """A route must bring it, and no mute keep it back."""
    is_routed = decision(
        a_receiver(), alerts, routes, mutes=mutes, budget=HourlyLimit(), collected_until=None, now=NOON
    )  # fmt: skip

    assert is_routed.not_notified_because is expected


def test_routes_that_do_not_fit_are_numbered_as_in_the_file() -> None:
    """Those that lead elsewhere are not of interest."""
    routes = [a_route("mail"), a_route(severities=CRITICAL), a_route(rules=["Surge"])]

    is_routed = decision(
        a_receiver(), [an_alert()], routes, mutes=NO_MUTES, budget=HourlyLimit(), collected_until=None, now=NOON
    )  # fmt: skip

    assert is_routed.unmatched_routes == ((2, "it takes critical only"), (3, "rules: none of 'Surge' takes it"))


@pytest.mark.parametrize(
    ("alert", "sent", "collected_until", "expected"),
    [
        pytest.param(an_alert(), 30, None, NotNotifiedReason.SUPPRESSED, id="it has had its messages"),
        pytest.param(an_alert(), 29, None, None, id="it has one left"),
        pytest.param(an_alert(severity=Severity.CRITICAL), 30, None, None, id="what is critical passes"),
        pytest.param(
            an_alert(), 30, NOON + minutes(5), NotNotifiedReason.GROUPING, id="news is collected for it first"
        ),
    ],
)
def test_a_receiver_may_have_to_wait(
    alert: Alert, sent: int, collected_until: datetime | None, expected: NotNotifiedReason | None
) -> None:
    """For the next hour, or for the end of its group_wait."""
    is_routed = decision(
        a_receiver(max_per_hour=30),
        [alert],
        [],
        mutes=NO_MUTES,
        budget=HourlyLimit(sent=sent),
        collected_until=collected_until,
        now=NOON,
    )

    assert (is_routed.not_notified_because, is_routed.group_until) == (expected, collected_until)


def test_of_several_levels_the_highest_is_heard() -> None:
    """What keeps quiet is named, too."""
    alerts = [an_alert(severity=Severity.WARNING), an_alert(severity=Severity.CRITICAL)]

    is_routed = decision(
        a_receiver(), alerts, [], mutes=SILENCED, budget=HourlyLimit(), collected_until=None, now=NOON
    )  # fmt: skip

    assert is_routed.severity is Severity.CRITICAL
    assert is_routed.mute is not None
    assert (is_routed.mute.kind, is_routed.mute.until) == (MuteKind.SILENCE, NOON + timedelta(hours=1))
