"""A weekly report is sent once, on its day, of what its receiver gets, on real databases."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerter.core.actions import ActionOrigin, Actor
from alerter.core.conditions import NoData
from alerter.core.message.content import Format
from alerter.core.outbox import TargetName
from alerter.core.review import ReportSchedule
from alerter.core.routes import Route
from alerter.core.rules import Severity
from alerter.core.series import Span, Tenant
from alerter.errors import Cause, DeliveryError, SourceUnavailable
from alerter.jobs.report import enqueue_weekly_reports, load_episodes
from alerter.jobs.silence import acknowledge
from tests.builders import NOON, a_level, a_policy, a_route, a_rule, span
from tests.jobs.test_poll import SLACK, URLS, World

ANN = Actor(name="ann", origin=ActionOrigin.COMMAND)

#: Monday at three in the afternoon.
SCHEDULE = ReportSchedule(day=0, at=time(15), timezone=ZoneInfo("UTC"))
DUE = NOON + timedelta(hours=3)
WAVE = [{"Spam": 150}, {"Spam": 150}, {"Spam": 10}]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Yield a world with one receiver that gets a weekly report, and a rule that warns above 100 messages."""
    world = World(database_url)
    with_receivers(world)
    yield world
    world.store.close()


def with_receivers(
    world: World,
    *routes: Route,
    targets: Sequence[str] = (SLACK,),
    tenants: Sequence[str] = ("acme",),
) -> None:
    """Change who gets what."""
    no_data = a_rule("Blackout", critical=a_level(NoData(after=span("10m"))))
    alerting = a_policy(
        a_rule(), no_data, receivers={"secops": targets}, tenants=dict.fromkeys(tenants, "5m"), routes=routes
    )
    (receiver,) = alerting.receivers
    world.alerting = replace(alerting, receivers=(replace(receiver, weekly_report=SCHEDULE),))


def reports(world: World, *, after: timedelta = timedelta(0)) -> list[str]:
    """Return the reports that are planned so long after the report is due, as plain text."""
    enqueue_weekly_reports(world.store, world.alerting, now=DUE + after)
    with world.store.read() as reader:
        sent = {record.delivery.message_id: record for record in reader.outbox.deliveries()}
        texts = [reader.outbox.message(id_).bodies[Format.TEXT] for id_ in sent]
    return [text for text in texts if text.startswith("Weekly report")]


def test_a_report_says_what_was_held_and_alerted_in_the_week(world: World) -> None:
    """What came, what left, how long alerts lasted, and who acted on them."""
    world.poll(*WAVE, *WAVE)

    (text,) = reports(world)

    assert text.startswith("Weekly report: 2 alerts, 2 without action; 10 held now (acme)")
    assert "Came     at least 140" in text
    assert "Left     at least 280" in text
    assert "Highest  150 at 12:05" in text
    assert "Lasted      median 10m, longest 10m" in text
    assert "Brief       2 over within 15m by themselves" in text


def test_a_report_is_sent_once_a_week_also_across_a_restart(world: World) -> None:
    """Whoever starts later finds it in the outbox."""
    world.poll(*WAVE)

    assert len(reports(world)) == 1
    world.restart()
    assert len(reports(world, after=timedelta(hours=1))) == 1
    world.clock.now = DUE
    world.poll(*WAVE)
    assert len(reports(world, after=timedelta(days=7))) == 2


@pytest.mark.parametrize(
    ("after", "number"),
    [
        pytest.param(-timedelta(minutes=1), 0, id="before it is due"),
        pytest.param(timedelta(hours=12), 1, id="half a day late"),
        pytest.param(timedelta(hours=13), 0, id="too late: nobody needs it any more"),
    ],
)
def test_a_report_that_was_missed_is_not_sent_afterwards(world: World, after: timedelta, number: int) -> None:
    """A service that was down for weeks sends none of them."""
    world.poll(*WAVE)

    assert len(reports(world, after=after)) == number


def test_a_service_that_polled_nothing_in_the_week_reports_nothing(world: World) -> None:
    """On its first day there is nothing to say."""
    assert reports(world) == []


def test_a_receiver_gets_what_its_routes_take(world: World) -> None:
    """A customer reads nothing of another one; missing data is everybody's of that tenant."""
    failure = SourceUnavailable(Cause.TIMEOUT, "no answer")
    with_receivers(world, a_route("secops", tenants=["acme"], reasons=["Virus"]), tenants=["acme", "globex"])
    world.poll(*WAVE)
    world.poll(*WAVE, tenant="globex")
    world.poll({"Virus": 1}, failure, failure, failure, failure, {"Virus": 200}, every="5m")

    (text,) = reports(world)

    assert text.startswith("Weekly report: 2 alerts, ")
    assert "Rules       Backlog 1, Blackout 1" in text
    assert "Spam" not in text
    assert "globex" not in text


def test_a_muted_tenant_is_in_no_report(world: World) -> None:
    """Nobody is notified of it while it is being set up."""
    with_receivers(world, tenants=["acme", "globex"])
    world.alerting = replace(world.alerting, muted_tenants=frozenset({Tenant("globex")}))
    world.poll(*WAVE)
    world.poll(*WAVE, tenant="globex")

    (text,) = reports(world)

    assert "1 alert," in text
    assert "globex" not in text


def test_a_report_opens_no_incident(world: World) -> None:
    """Nothing would ever close it: an on-call target gets none."""
    with_receivers(world, targets=[SLACK, "secops/pagerduty"])
    world.poll(*WAVE)

    assert len(reports(world)) == 1
    with world.store.read() as reader:
        found = {record.delivery.target for record in reader.outbox.deliveries() if "report" in record.title}
    assert found == {TargetName(SLACK)}


def test_a_report_is_retried_like_any_message(world: World) -> None:
    """It is in the outbox, with the schedule of all."""
    world.poll({"Spam": 1})
    world.notifier.refusals[URLS[TargetName(SLACK)]] = DeliveryError("no answer")
    reports(world)
    world.clock.now = DUE

    first = world.deliver()
    world.notifier.refusals.clear()
    world.clock.forward("15s")
    second = world.deliver()

    assert [each.sent_at is None for each in (*first, *second)] == [True, False]


def test_no_time_leaves_the_report_to_the_next_run(world: World) -> None:
    """Nothing is half said."""
    world.poll(*WAVE)

    assert enqueue_weekly_reports(world.store, world.alerting, pause=lambda: True, now=DUE) == 0
    assert len(reports(world)) == 1


def test_what_people_did_is_read_with_the_episodes(world: World) -> None:
    """An acknowledgement belongs to the time in which it was given."""
    world.poll(WAVE[0])
    alert = world.alert()
    with world.store.write() as transaction:
        acknowledge(transaction, [alert], by=ANN, comment="on it", now=world.clock.now)
    world.poll(*WAVE[1:], *WAVE)

    with world.store.read() as reader:
        episodes = load_episodes(reader, Span(NOON, DUE), labels_by_tenant={})

    assert [each.is_acted_on for each in episodes] == [True, False]
    assert [each.was_sent for each in episodes] == [True, True]
    assert {each.severity for each in episodes} == {Severity.WARNING}
