"""The history read back to an instant: what was found, what state that led to, and who was told, on both databases."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest

from alerter.core.alerts import AlertState
from alerter.core.conditions import Baseline, Verdict
from alerter.core.explain import NotNotifiedReason
from alerter.core.mutes import MuteKind
from alerter.core.rules import Per, RuleName, Severity
from alerter.core.selectors import Selector
from alerter.core.series import HoldReason, Tenant
from alerter.core.silences import AlertMatcher
from alerter.errors import Cause, SourceUnavailable
from alerter.queries.explain import Explanation, RuleExplanation, explain
from tests.builders import NOON, a_growth, a_level, a_no_data, a_policy, a_route, a_rule, at, minutes
from tests.jobs.test_poll import MAIL, RECEIVERS, SLACK, TIMEOUT, World
from tests.storage.stored import a_silence

ACME, SPAM = Tenant("acme"), HoldReason("Spam")


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A database, and what a configuration decides."""
    world = World(database_url)
    world.clock.now = at("11:00")
    with closing(world.store):
        yield world


def explained(
    world: World, *, clock: str | datetime | None = None, rule: str | None = None, reason: str = "Spam"
) -> Explanation:
    """Return what there is to say of a reason, now or at another time."""
    asked = world.clock.now if clock is None else at(clock) if isinstance(clock, str) else clock
    with world.store.read() as reader:
        return explain(
            reader,
            world.alerting,
            ACME,
            HoldReason(reason),
            rule=None if rule is None else RuleName(rule),
            at=asked,
            now=world.clock.now,
        )


def story(explanation: Explanation, rule: str = "Backlog") -> RuleExplanation:
    """Return what one rule made of it."""
    (found,) = (each for each in explanation.rules if each.rule.name == rule)
    return found


def test_why_did_i_get_this(world: World) -> None:
    """The operands, by how much the limit was passed, since when, and who hears of it."""
    world.poll({"Spam": 40}, {"Spam": 212})
    world.clock.forward("2m")

    found = story(explained(world))

    (level,) = found.levels
    (finding,) = level.findings
    assert (finding.verdict, finding.distance_text) == (Verdict.ACTIVE, "by 112")
    assert (level.alert.state, level.alert.fired_at) == (AlertState.FIRING, at("11:10"))
    assert found.at == at("11:10")
    assert [(each.receiver.name, each.not_notified_because) for each in found.decisions_made] == [
        ("secops", None),
        ("mail", None),
    ]


def test_the_past_is_read_back(world: World) -> None:
    """At each time what was known then: also of what has changed since, and is over."""
    world.alerting = a_policy(a_rule(warning=a_level(for_="10m")), receivers=RECEIVERS)
    world.poll({"Spam": 40}, {"Spam": 212}, {"Spam": 212}, {"Spam": 212}, {"Spam": 40})

    states = {clock: story(explained(world, clock=clock)).levels[0] for clock in ("11:05", "11:12", "11:20", "11:25")}

    assert [(each.alert.state, each.findings[0].distance_text) for each in states.values()] == [
        (AlertState.INACTIVE, "needs 61 more"),
        (AlertState.PENDING, "by 112"),
        (AlertState.FIRING, "by 112"),
        (AlertState.INACTIVE, "needs 61 more"),
    ]
    assert states["11:12"].alert.active_at == at("11:10")
    assert states["11:25"].alert.resolved_at == at("11:25")


def test_a_failed_poll_is_no_data_then_and_only_then(world: World) -> None:
    """A run of failures that is over is read back as well, with the cause that it had."""
    refused = SourceUnavailable(Cause.UNREACHABLE, "connection refused")
    world.poll({"Spam": 212}, TIMEOUT, refused, {"Spam": 212})

    during, after = explained(world, clock="11:12"), explained(world, clock="11:20")
    later = explained(world, clock="11:17")

    assert story(during).levels[0].findings[0].verdict is Verdict.NO_DATA
    assert during.polling is not None
    assert during.polling.poll_failure is not None
    assert (during.polling.poll_failure.cause, during.polling.poll_failure.started_at) == (Cause.TIMEOUT, at("11:10"))
    assert later.polling is not None
    assert later.polling.poll_failure is not None
    assert (later.polling.poll_failure.cause, later.polling.poll_failure.started_at) == (Cause.UNREACHABLE, at("11:10"))
    assert story(after).levels[0].findings[0].verdict is Verdict.ACTIVE


def test_a_tenant_without_data_mutes_its_other_alerts(world: World) -> None:
    """Also when that is read back."""
    world.alerting = a_policy(
        a_rule(), a_rule("No answer", warning=a_level(a_no_data("10m"))), receivers=RECEIVERS
    )  # fmt: skip
    world.poll({"Spam": 212}, TIMEOUT, TIMEOUT, TIMEOUT, {"Spam": 212})

    mute = story(explained(world, clock="11:20")).levels[0].mute

    assert mute is not None
    assert (mute.kind, mute.name) == (MuteKind.NO_DATA, "acme")
    assert story(explained(world)).levels[0].mute is None
    assert story(explained(world, clock="11:20"), "No answer").levels[0].alert.is_firing


def test_a_rule_that_does_not_look_says_why(world: World) -> None:
    """The glob that leaves the reason out is named; a rule of the same name that does look is not passed over."""
    world.alerting = a_policy(a_rule(reasons=["*", "!Spam*"]), a_rule("Other"), receivers=RECEIVERS)
    world.poll({"Spam": 212})

    found = explained(world)

    assert found.skipped_rules == (("Backlog", "reasons: '!Spam*' leaves it out"),)
    assert [each.rule.name for each in found.rules] == ["Other", "No data"]
    assert [each.rule.name for each in explained(world, rule="Other").rules] == ["Other"]


def test_sums_are_explained_by_the_series_that_they_are_of(world: World) -> None:
    """A rule on a tenant's sum, or that of all, looks at a reason with the others."""
    world.alerting = a_policy(
        a_rule("Tenant", per=Per.TENANT),
        a_rule("All", per=Per.ALL),
        tenants={"acme": "5m", "legacy": "5m"},
        receivers=RECEIVERS,
    )
    world.poll({"Spam": 60, "Virus": 50})
    world.poll_now({"Spam": 7}, tenant="legacy")

    found = explained(world)

    values = {str(each.rule.name): each.levels[0].findings[0].evidence.value for each in found.rules}
    assert values["Tenant"] is not None
    assert values["All"] is not None
    assert (values["Tenant"].count, values["All"].count) == (110, 117)
    assert story(found, "All").levels[0].alert.key.tenant == "*"


def test_what_a_person_keeps_quiet_is_named(world: World) -> None:
    """A silence that came later did not mute the alert before."""
    world.poll({"Spam": 212})
    with world.store.write() as transaction:
        matcher = AlertMatcher(reasons=Selector(("Spam",)))
        transaction.silences.add(a_silence(matcher, since="11:06", until="12:00"))
    world.poll({"Spam": 212})

    before, now = story(explained(world, clock="11:05")), story(explained(world))

    assert before.levels[0].mute is None
    assert now.levels[0].mute is not None
    assert {each.not_notified_because for each in now.decisions_made} == {NotNotifiedReason.MUTED}


def test_routes_and_budgets_keep_messages_back(world: World) -> None:
    """A receiver that no route leads to, and one that has had its messages of the hour."""
    world.alerting = a_policy(
        a_rule(), receivers=RECEIVERS, routes=[a_route("secops"), a_route("mail", severities=[Severity.CRITICAL])]
    )
    few = tuple(replace(each, max_per_hour=1) for each in world.alerting.receivers)
    world.alerting = replace(world.alerting, receivers=few)
    world.poll({"Spam": 212})

    found = {str(each.receiver.name): each for each in story(explained(world)).decisions_made}

    assert found["mail"].unmatched_routes == ((2, "it takes critical only"),)
    assert found["secops"].not_notified_because is NotNotifiedReason.SUPPRESSED


def test_news_that_is_being_collected_is_waited_for(world: World) -> None:
    """`group_wait` says until when."""
    waiting = tuple(replace(each, group_wait=minutes(30)) for each in world.alerting.receivers)
    world.alerting = replace(world.alerting, receivers=waiting)
    world.poll({"Spam": 212})

    decisions_made = story(explained(world)).decisions_made

    assert {(each.not_notified_because, each.group_until) for each in decisions_made} == {
        (NotNotifiedReason.GROUPING, at("11:35"))
    }


def test_a_condition_that_remembers_is_told_what_fired(world: World) -> None:
    """It is asked as it was live."""
    world.alerting = a_policy(a_rule(warning=a_level(Baseline())), receivers=RECEIVERS)
    world.poll({"Spam": 212})

    (finding,) = story(explained(world)).levels[0].findings

    assert finding.verdict is Verdict.NO_DATA
    assert "only 0 of the same hours" in finding.evidence.detail


def test_what_was_live_is_what_is_explained(world: World) -> None:
    """At every poll the verdicts are those that stepped the alerts: an alert that is active fires, another does not."""
    world.alerting = a_policy(
        a_rule(), a_rule("Surge", warning=a_level(a_growth(over="10m", by=50))), receivers=RECEIVERS
    )  # fmt: skip
    held = [10, 30, 120, 130, 90, 200, 60, 60, 180]
    for count in held:
        world.poll({"Spam": count})

    for number in range(len(held)):
        found = explained(world, clock=at("11:05") + number * minutes(5))
        for each in found.rules[:2]:
            active = all(finding.verdict is Verdict.ACTIVE for finding in each.levels[0].findings)
            assert each.levels[0].alert.is_firing is active


def test_a_tenant_that_is_not_configured_any_more_has_no_rules(world: World) -> None:
    """Its history is there, but nothing looks at it."""
    world.poll({"Spam": 212})
    world.alerting = a_policy(a_rule(), tenants={"other": "5m"}, receivers=RECEIVERS)

    found = explained(world)

    assert (found.polling, found.series, found.rules) == (None, None, ())


def test_deliveries_are_found_by_the_alerts_that_they_are_about(world: World) -> None:
    """Newest first, those of other alerts not among them, and none from after the time that is asked about."""
    world.alerting = a_policy(a_rule(), receivers=RECEIVERS)
    world.poll({"Spam": 212}, {"Virus": 500})
    spam = world.store

    with spam.read() as reader:
        keys = {alert.key.reason: alert.key.id for alert in reader.alerts.load_all()}
        all_of_spam = reader.outbox.deliveries_for_alerts([keys[SPAM]], until=NOON)
        first_of_spam = reader.outbox.deliveries_for_alerts([keys[SPAM]], until=at("11:05"), limit=2)
        of_virus = reader.outbox.deliveries_for_alerts([keys[HoldReason("Virus")]], until=at("11:05"))
        of_nothing = reader.outbox.deliveries_for_alerts([], until=NOON)

    assert [each.delivery.created_at for each in all_of_spam] == [at("11:10")] * 3 + [at("11:05")] * 3
    assert [each.delivery.target for each in first_of_spam] == [MAIL, "secops/teams"]
    assert SLACK in {each.delivery.target for each in all_of_spam}
    assert (of_virus, of_nothing) == ([], [])
