"""What alerter promises: everything of a poll or nothing, everybody told once, and everybody told when it is over."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

import pytest

from alerter.core.alerting_config import RULE_REMOVED, TENANT_REMOVED, AlertingConfig
from alerter.core.alerts import Alert, AlertState, Transition
from alerter.core.conditions import Baseline, Threshold
from alerter.core.message.content import Format, Message
from alerter.core.outbox import Delivery, TargetName
from alerter.core.rules import NO_DATA_RULE_NAME, Per, Severity
from alerter.core.series import ALL_TENANTS, HoldReason, Tenant
from alerter.errors import AuthenticationError, Cause, DeliveryError, SourceError, SourceUnavailable, StoreError
from alerter.jobs.deliver import deliver, next_attempt_due_at
from alerter.jobs.poll import PollCycle, poll, poll_dry_run, reconcile, shift_after_clock_jump
from alerter.jobs.retention import BatchSizer, RetentionResult, apply_retention
from alerter.storage import Store
from tests.builders import NOON, a_growth, a_level, a_no_data, a_policy, a_route, a_rule, span
from tests.fakes import CrashError, CrashingStore, FailingNotifier, FakeClock, FakeSource, RecordingNotifier
from tests.storage.stored import next_delivery_at

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
QUIET, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING

TIMEOUT = SourceUnavailable(Cause.TIMEOUT, "no answer within 30s")
SLACK, TEAMS, MAIL = TargetName("secops/slack"), TargetName("secops/teams"), TargetName("mail/1")
URLS = {SLACK: "json://slack", TEAMS: "json://teams", MAIL: "json://mail"}
RECEIVERS = {"secops": [SLACK, TEAMS], "mail": [MAIL]}


@dataclass
class World:
    """A database, a clock, what the configuration decides, and where messages go."""

    url: str
    is_cached: bool = True
    alerting: AlertingConfig = field(default_factory=lambda: a_policy(a_rule(), receivers=RECEIVERS))
    clock: FakeClock = field(default_factory=FakeClock)
    notifier: RecordingNotifier = field(default_factory=RecordingNotifier)

    def __post_init__(self) -> None:
        """Open the database."""
        self.store = Store(self.url, cache=self.is_cached)

    def restart(self) -> None:
        """End the process and start a new one: only what is stored is left."""
        self.store.close()
        self.store = Store(self.url, cache=self.is_cached)

    def poll(self, *answers: Mapping[str, int] | SourceError, tenant: str = "acme", every: str = "5m") -> PollCycle:
        """Poll once for each answer, a poll interval after the poll before, and return the last cycle."""
        cycles = []
        for answer in answers:
            self.clock.forward(every)
            cycles.append(self.poll_now(answer, tenant=tenant))
        return cycles[-1]

    def poll_now(
        self, answer: Mapping[str, int] | SourceError, *, tenant: str = "acme", store: CrashingStore | None = None
    ) -> PollCycle:
        """Poll at this moment."""
        return poll(
            Tenant(tenant), self.source(answer, tenant=tenant), store or self.store, self.alerting, clock=self.clock
        )

    def source(self, answer: Mapping[str, int] | SourceError, *, tenant: str = "acme") -> FakeSource:
        """Return an account that gives one answer."""
        source = FakeSource(self.clock, tenant=tenant)
        source.answers.append(answer)
        return source

    def deliver(self, *, is_stopping: Callable[[], bool] = lambda: False) -> list[Delivery]:
        """Send what is due."""
        return deliver(
            self.store, self.notifier, URLS, alerting=self.alerting, clock=self.clock, is_stopping=is_stopping
        )

    def reconcile(self) -> list[Transition]:
        """Start, or reload the configuration, a moment later."""
        self.clock.forward("1s")
        return reconcile(self.store, self.alerting, now=self.clock.now)

    def alert(self, *, rule: str = "Backlog", severity: Severity = WARNING, tenant: str = "acme") -> Alert:
        """Return the only stored alert of a rule, level and tenant."""
        with self.store.read() as reader:
            [found] = [
                alert
                for alert in reader.alerts.load_all()
                if (alert.key.rule, alert.key.severity, alert.key.tenant) == (rule, severity, tenant)
            ]
        return found

    def waiting(self) -> list[Delivery]:
        """Return what is still to be sent."""
        with self.store.read() as reader:
            return reader.outbox.waiting()

    def value(self, reason: str = "Spam", *, at: datetime | None = None) -> int | None:
        """Return what is known of a reason now, or at another instant."""
        now = at or self.clock.now
        with self.store.read() as reader:
            known = reader.history.series_for(Tenant("acme"), window=span("1h"), poll_interval=span("5m"), now=now)
        return {each.reason: each.value_at(now) for each in known.reasons}.get(HoldReason(reason))

    def everything(self) -> tuple[object, ...]:
        """Return all that is stored."""
        with self.store.read() as reader:
            deliveries = reader.outbox.deliveries()
            return (
                reader.polls.tenants(),
                [(reader.polls.status(tenant), reader.history.reasons(tenant)) for tenant in reader.polls.tenants()],
                reader.alerts.load_all(),
                reader.alerts.transitions(),
                reader.notifications.states(),
                deliveries,
                [reader.outbox.message(record.delivery.message_id) for record in deliveries],
            )


@pytest.fixture(params=["sqlite", "postgresql", "sqlite without cache"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Yield a new world, also one without the cache; its one rule warns above 100 messages."""
    kind, *without = str(request.param).split(" ")
    world = World(request.getfixturevalue(f"{kind}_url"), is_cached=not without)
    yield world
    world.store.close()


def _titles(cycle: PollCycle) -> list[tuple[str, str]]:
    return [(message.receiver, message.title) for message in cycle.messages]


def _states(transitions: Iterable[Transition]) -> list[tuple[str, AlertState]]:
    return [(each.key.rule, each.to_state) for each in transitions]


# a failed poll


def test_a_failed_poll_is_no_sample(world: World) -> None:
    """Nothing is known of the moment of a failed poll, and nothing that fires ends."""
    world.poll({"Spam": 150})
    before = world.alert()

    cycle = world.poll(TIMEOUT)

    assert (cycle.snapshot, cycle.error) == (None, TIMEOUT)
    assert (cycle.transitions, cycle.messages) == ((), ())
    assert world.value() is None
    assert world.value(at=NOON + span("5m")) == 150
    assert world.alert() == before


@pytest.mark.parametrize("per", list(Per))
def test_a_failed_poll_is_no_zero(world: World, per: Per) -> None:
    """A rule on too few messages is not set off by missing ones."""
    world.alerting = a_policy(a_rule(warning=a_level(Threshold(below=100)), per=per))

    silent = world.poll({"Spam": 150}, TIMEOUT)
    real = world.poll({})

    assert silent.transitions == ()
    assert _states(real.transitions) == [("Backlog", FIRING)]


def test_a_tenant_has_no_data_after_three_failed_polls(world: World) -> None:
    """Everybody is told that alerter has no data, why, and what to do; a good poll ends it."""
    refused = AuthenticationError(Cause.KEYS_EXPIRED, "HTTP 418")

    still_well = world.poll({"Spam": 1}, refused, refused)
    unseen = world.poll(refused)
    seeing = world.poll({"Spam": 1})

    assert (still_well.transitions, still_well.messages) == ((), ())
    assert _states(unseen.transitions) == [(NO_DATA_RULE_NAME, FIRING)]
    assert [message.receiver for message in unseen.messages] == ["secops", "mail"]
    body = " ".join(unseen.messages[0].bodies[Format.TEXT].split())
    assert Cause.KEYS_EXPIRED.advice in body
    assert _states(seeing.transitions) == [(NO_DATA_RULE_NAME, QUIET)]
    assert len(seeing.messages) == 2


def test_a_tenant_that_was_never_seen_has_no_data_too(world: World) -> None:
    """Wrong keys from the first day on are told after 15 minutes."""
    assert world.poll(TIMEOUT, TIMEOUT, TIMEOUT).transitions == ()
    assert _states(world.poll(TIMEOUT).transitions) == [(NO_DATA_RULE_NAME, FIRING)]


def test_an_unexpected_error_keeps_nothing(world: World) -> None:
    """A bug in a source is no failed poll: it is not swallowed, and nothing is stored."""

    class Broken:
        def fetch(self) -> None:
            raise ZeroDivisionError

    before = world.everything()

    with pytest.raises(ZeroDivisionError):
        poll(Tenant("acme"), Broken(), world.store, world.alerting, clock=world.clock)  # type: ignore[arg-type]

    assert world.everything() == before


# a breach


def test_a_breach_is_one_message_per_receiver_with_one_delivery_per_target(world: World) -> None:
    """What one poll has to tell a receiver goes into one message, to each of its targets."""
    cycle = world.poll({"Spam": 150, "Virus": 400, "Graymail": 3})

    assert [message.receiver for message in cycle.messages] == ["secops", "mail"]
    assert [len(each.items) for each in cycle.notifications] == [2, 2]
    assert [(each.target, each.next_attempt_at) for each in world.waiting()] == [
        (SLACK, world.clock.now),
        (TEAMS, world.clock.now),
        (MAIL, world.clock.now),
    ]


def test_a_receiver_without_a_route_has_no_message(world: World) -> None:
    """Routes decide who is told."""
    world.alerting = a_policy(a_rule(), receivers=RECEIVERS, routes=[a_route("mail")])

    cycle = world.poll({"Spam": 150})

    assert [message.receiver for message in cycle.messages] == ["mail"]
    assert [each.target for each in world.waiting()] == [MAIL]


def test_a_release_is_told_to_everybody_who_was_told_of_the_breach(world: World) -> None:
    """Silence means that all is well, so the end is told."""
    world.poll({"Spam": 150}, {"Spam": 180})

    cycle = world.poll({})

    assert [message.receiver for message in cycle.messages] == ["secops", "mail"]
    assert all(message.status == "resolved" for message in cycle.messages)
    assert (world.alert().value, world.alert().peak, world.alert().duration) == (0, 180, span("10m"))


def test_growth_is_measured_in_what_is_stored(world: World) -> None:
    """A reason that is new grew from nothing; one that is an hour old is compared with then."""
    world.alerting = a_policy(a_rule("Surge", warning=a_level(a_growth(over="15m", by=50))))

    silent = world.poll({"Spam": 500}, {"Spam": 500}, {"Spam": 500})
    surge = world.poll({"Spam": 520, "Virus": 60})

    assert silent.transitions == ()
    assert [(each.key.reason, each.to_state) for each in surge.transitions] == [("Virus", FIRING)]


def test_an_alert_of_two_levels_is_raised_and_lowered(world: World) -> None:
    """A receiver hears the highest level only."""
    world.alerting = a_policy(a_rule(warning=a_level(above=100), critical=a_level(above=500)))

    reasons = [
        [item.reason.value for each in world.poll({"Spam": count}).notifications for item in each.items]
        for count in (150, 600, 650, 150, 10)
    ]

    assert reasons == [["first"], ["raised"], [], ["lowered"], ["resolved"]]


def test_a_receiver_of_critical_alerts_is_told_that_the_warning_goes_on(world: World) -> None:
    """The end of what it was told is not the end of everything."""
    world.alerting = a_policy(
        a_rule(warning=a_level(above=100), critical=a_level(above=500)), routes=[a_route(severities=[CRITICAL])]
    )
    world.poll({"Spam": 600})

    cycle = world.poll({"Spam": 150})

    [item] = cycle.notifications[0].items
    assert (item.reason, item.still_firing) == ("resolved", WARNING)


# a crash, and a restart


def _breach(world: World, store: CrashingStore) -> None:
    world.poll_now({"Spam": 150}, store=store)


def _release(world: World, store: CrashingStore) -> None:
    world.poll_now({"Virus": 1}, store=store)


def _outage(world: World, store: CrashingStore) -> None:
    world.poll_now(TIMEOUT, store=store)


def _removal(world: World, store: CrashingStore) -> None:
    world.alerting = a_policy(receivers=RECEIVERS)
    reconcile(store, world.alerting, now=world.clock.now)


def _clock_jump(world: World, store: CrashingStore) -> None:
    world.clock.forward("1h")
    shift_after_clock_jump(store, by=span("1h"))


@pytest.mark.parametrize(
    ("before", "use_case"),
    [
        pytest.param([{"Spam": 5}], _breach, id="a breach"),
        pytest.param([{"Spam": 150}], _release, id="a release"),
        pytest.param([{"Spam": 150}, TIMEOUT, TIMEOUT], _outage, id="a poll that takes the data of a tenant"),
        pytest.param([{"Spam": 150}], _removal, id="a rule that is removed"),
        pytest.param([{"Spam": 150}], _clock_jump, id="a clock that jumps"),
    ],
)
def test_a_crash_between_any_two_steps_leaves_nothing(
    world: World, before: list[Mapping[str, int] | SourceError], use_case: Callable[[World, CrashingStore], None]
) -> None:
    """Whenever the process dies, the database is as it was before, and the next attempt does it all."""
    world.poll(*before)
    world.clock.forward("5m")
    as_it_was = world.everything()
    crashes = 0
    while True:
        try:
            use_case(world, CrashingStore(world.store, crash_at=crashes + 1))
        except CrashError:
            crashes += 1
            world.restart()
            assert world.everything() == as_it_was
        else:
            break

    assert crashes > 3
    assert world.everything() != as_it_was


def test_after_a_restart_nobody_is_told_anything_twice(world: World) -> None:
    """A restart changes nothing: what fires goes on, and what is pending stays pending since it was."""
    world.alerting = a_policy(a_rule(), a_rule("Slow", warning=a_level(for_="15m")), receivers=RECEIVERS)
    world.poll({"Spam": 150})
    world.deliver()

    world.restart()
    again = world.poll({"Spam": 160})
    world.deliver()
    late = world.poll({"Spam": 160}, {"Spam": 160})

    assert (again.transitions, again.messages) == ((), ())
    assert len(world.notifier.sent) == 3
    assert _states(late.transitions) == [("Slow", FIRING)]


def test_a_restart_between_a_breach_and_its_delivery_loses_nothing(world: World) -> None:
    """What was planned is sent by the next process, once."""
    world.poll({"Spam": 150})

    world.restart()
    world.deliver()
    world.deliver()

    assert sorted(url for url, _ in world.notifier.sent) == sorted(URLS.values())
    assert world.waiting() == []


# trying


def test_a_dry_poll_shows_what_a_poll_would_do_and_keeps_nothing(world: World) -> None:
    """Nothing is stored, nothing is sent."""
    world.poll({"Spam": 5})
    world.clock.forward("5m")
    before = world.everything()

    dry = poll_dry_run(Tenant("acme"), world.source({"Spam": 150}), world.store, world.alerting, clock=world.clock)

    assert world.everything() == before
    assert world.waiting() == []
    assert dry == world.poll_now({"Spam": 150})


def test_a_dry_poll_may_fail(world: World) -> None:
    """A failed poll is shown, and not kept either."""
    dry = poll_dry_run(Tenant("acme"), world.source(TIMEOUT), world.store, world.alerting, clock=world.clock)

    assert dry.error is TIMEOUT
    assert world.everything()[0] == []


# a configuration that changes


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(a_policy(), id="the rule is removed"),
        pytest.param(a_policy(a_rule("Held mail")), id="the rule is renamed"),
        pytest.param(a_policy(a_rule(critical=a_level(above=900))), id="the level is removed"),
        pytest.param(a_policy(a_rule(reasons=["!spam"])), id="the reason is excluded"),
        pytest.param(a_policy(a_rule(tenants=["!acme"])), id="the tenant is excluded"),
        pytest.param(a_policy(a_rule(), tenants={"umbrella": "5m"}), id="the tenant is removed"),
        pytest.param(a_policy(a_rule(per=Per.TENANT, reasons=["virus"])), id="the rule looks at the sum instead"),
        pytest.param(a_policy(a_rule(per=Per.ALL, reasons=["virus"])), id="the rule looks at the sum of all instead"),
    ],
)
def test_what_fires_is_resolved_when_nothing_stands_behind_it_any_more(world: World, after: AlertingConfig) -> None:
    """Its end is told with its reason: the rule was removed, or the tenant."""
    why = RULE_REMOVED if "acme" in after.poll_intervals else TENANT_REMOVED
    world.alerting = a_policy(a_rule())
    world.poll({"Spam": 150})
    world.alerting = after

    [transition] = world.reconcile()
    again = world.reconcile()

    assert (transition.is_resolution, transition.detail) == (True, why)
    assert world.alert().resolved_because == why
    assert [delivery.target for delivery in world.waiting()] == [SLACK, SLACK]
    assert again == []


def test_a_poll_resolves_what_no_rule_stands_behind_any_more(world: World) -> None:
    """A reload that nobody reconciled is made good by the next poll."""
    world.poll({"Spam": 150})
    world.alerting = a_policy(a_rule("Held mail"), receivers=RECEIVERS)

    cycle = world.poll({"Spam": 150})

    assert _states(cycle.transitions) == [("Held mail", FIRING), ("Backlog", QUIET)]
    assert [[item.reason.value for item in each.items] for each in cycle.notifications] == [
        ["first", "resolved"],
        ["first", "resolved"],
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(Per.TENANT, a_policy(a_rule(reasons=["!spam"])), id="the sum of a tenant is no longer judged"),
        pytest.param(Per.ALL, a_policy(a_rule(reasons=["!spam"])), id="the sum of all is no longer judged"),
        pytest.param(Per.ALL, a_policy(), id="the rule over all is removed"),
    ],
)
def test_a_poll_resolves_the_alert_of_a_sum_that_is_no_longer_made(
    world: World, before: Per, after: AlertingConfig
) -> None:
    """The alert of a sum ends with the sum, whichever tenant is polled next."""
    world.alerting = a_policy(a_rule(per=before))
    world.poll({"Spam": 150})
    world.alerting = after

    [transition] = world.poll({"Spam": 150}).transitions

    assert (transition.is_resolution, transition.detail) == (True, RULE_REMOVED)


def test_an_edited_rule_keeps_its_alerts(world: World) -> None:
    """An alert's identity is its rule, level, tenant and reason; the numbers may change."""
    world.alerting = a_policy(a_rule(warning=a_level(above=100, for_="15m")))
    world.poll({"Spam": 150})
    world.alerting = a_policy(a_rule(warning=a_level(above=120, for_="10m"), reasons=["Sp*"]))

    unchanged = world.reconcile()
    cycle = world.poll({"Spam": 150}, {"Spam": 150})

    assert unchanged == []
    assert _states(cycle.transitions) == [("Backlog", FIRING)]


def test_a_pending_alert_without_a_rule_is_forgotten_silently(world: World) -> None:
    """Nobody was told of it."""
    world.alerting = a_policy(a_rule(warning=a_level(for_="15m")))
    world.poll({"Spam": 150})
    world.alerting = a_policy()

    assert _states(world.reconcile()) == [("Backlog", QUIET)]
    assert world.waiting() == []


@pytest.mark.parametrize("per", list(Per))
def test_no_data_stays_when_the_configuration_is_read_again(world: World, per: Per) -> None:
    """A rule on polling is a tenant's, whatever `per` and `reasons` say."""
    world.alerting = a_policy(a_rule("Eyes", critical=a_level(a_no_data("15m")), per=per, reasons=["Spam"]))
    fired = world.poll({}, TIMEOUT, TIMEOUT, TIMEOUT)

    assert _states(fired.transitions) == [("Eyes", FIRING)]
    assert world.reconcile() == []
    assert world.poll(TIMEOUT).transitions == ()


def test_a_tenant_that_is_polled_says_nothing_of_another_one_s_polling(world: World) -> None:
    """Each tenant's missing data is decided by its own polls."""
    world.alerting = a_policy(a_rule(per=Per.ALL), tenants={"acme": "5m", "umbrella": "5m"})
    world.poll({}, TIMEOUT, TIMEOUT, TIMEOUT, tenant="umbrella")

    cycle = world.poll_now({})

    assert cycle.transitions == ()
    assert world.alert(rule=NO_DATA_RULE_NAME, severity=CRITICAL, tenant="umbrella").is_firing


# a rule over all tenants


@pytest.fixture
def two(world: World) -> World:
    """Return a world of two tenants whose held messages are summed."""
    world.alerting = a_policy(a_rule(per=Per.ALL), tenants={"acme": "5m", "umbrella": "5m"})
    return world


def test_a_sum_over_all_tenants_waits_for_each_of_them(two: World) -> None:
    """A partial sum proves nothing; a whole one fires whoever was polled last, and once."""
    first = two.poll({"Spam": 90})
    second = two.poll({"Spam": 20}, tenant="umbrella", every="1m")
    third = two.poll({"Spam": 95}, every="4m")

    assert first.transitions == ()
    assert [(each.key.tenant, each.to_state) for each in second.transitions] == [(ALL_TENANTS, FIRING)]
    assert (third.transitions, third.messages) == ((), ())
    assert two.alert(tenant=ALL_TENANTS).value == 115


def test_a_sum_over_all_tenants_is_not_resolved_while_one_is_not_seen(two: World) -> None:
    """The count of a tenant that cannot be polled is not 0."""
    two.poll({"Spam": 90})
    two.poll({"Spam": 20}, tenant="umbrella", every="1m")

    unseen = two.poll(TIMEOUT, tenant="umbrella"), two.poll({"Spam": 1}, every="1m")
    seen = two.poll({"Spam": 20}, tenant="umbrella", every="4m")

    assert [cycle.transitions for cycle in unseen] == [(), ()]
    assert _states(seen.transitions) == [("Backlog", QUIET)]


def test_a_sum_over_all_tenants_goes_on_without_a_removed_one(two: World) -> None:
    """The alert of the sum keeps its identity; the sum is that of the tenants that are left."""
    two.poll({"Spam": 90})
    two.poll({"Spam": 20}, tenant="umbrella", every="1m")
    two.alerting = a_policy(a_rule(per=Per.ALL))

    unchanged = two.reconcile()
    cycle = two.poll({"Spam": 90})

    assert unchanged == []
    assert _states(cycle.transitions) == [("Backlog", QUIET)]


def test_a_sum_over_tenants_that_were_all_removed_is_resolved(two: World) -> None:
    """No poll will ever end it, so the removal does."""
    two.alerting = a_policy(a_rule(per=Per.ALL, tenants=["umbrella"]), tenants={"acme": "5m", "umbrella": "5m"})
    two.poll({"Spam": 150}, tenant="umbrella")
    two.alerting = a_policy(a_rule(per=Per.ALL, tenants=["umbrella"]))

    [transition] = two.reconcile()

    assert transition.detail == RULE_REMOVED


def test_a_tenant_outside_the_sum_has_no_part_in_it(two: World) -> None:
    """Its polls neither judge the sum nor resolve it."""
    two.alerting = a_policy(a_rule(per=Per.ALL, tenants=["umbrella"]), tenants={"acme": "5m", "umbrella": "5m"})
    two.poll({"Spam": 150}, tenant="umbrella")

    cycle = two.poll({"Spam": 1}, every="1m")

    assert cycle.transitions == ()
    assert two.alert(tenant=ALL_TENANTS).is_firing


# delivery


def _news(world: World, times: int = 2) -> list[str]:
    """Let an alert begin and end in turn, and return the references of one target's messages."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK, TEAMS]})
    return [world.poll({"Spam": 150 * (number % 2)}).messages[0].id for number in range(1, times + 1)]


def test_messages_are_sent_in_order_to_each_target(world: World) -> None:
    """Nobody reads of an end before its beginning."""
    news = _news(world, times=4)

    tried = world.deliver()

    assert [message.id for message in world.notifier.sent_to(URLS[SLACK])] == news
    assert [message.id for message in world.notifier.sent_to(URLS[TEAMS])] == news
    assert len(tried) == 8
    assert all(delivery.sent_at == world.clock.now for delivery in tried)
    assert (next_delivery_at(world.store), next_attempt_due_at(world.store)) == (None, None)


def test_a_dead_target_never_delays_another(world: World) -> None:
    """What cannot be sent waits, in order; everybody else gets everything at once."""
    news = _news(world)
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")

    world.deliver()

    assert [message.id for message in world.notifier.sent_to(URLS[TEAMS])] == news
    assert [(each.message_id, each.target, each.attempts) for each in world.waiting()] == [
        (news[0], SLACK, 1),
        (news[1], SLACK, 0),
    ]


def test_a_target_that_comes_back_gets_everything_in_order(world: World) -> None:
    """The order is kept through failures, and what waits is not tried before its time."""
    news = _news(world)
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")
    world.deliver()
    del world.notifier.refusals[URLS[SLACK]]

    too_early = world.deliver()
    world.clock.forward("15s")
    world.deliver()

    assert too_early == []
    assert [message.id for message in world.notifier.sent_to(URLS[SLACK])] == news


def test_a_failure_is_recorded_with_its_next_attempt(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A delivery that failed is tried again after 15 seconds, and the log says so."""
    _news(world, times=1)
    closed = FailingNotifier(DeliveryError("HTTP 503"))

    tried = deliver(world.store, closed, URLS, clock=world.clock)

    assert {(each.attempts, each.last_error) for each in tried} == {(1, "HTTP 503")}
    assert next_delivery_at(world.store) == world.clock.now + span("15s")
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert "json://" not in caplog.text


def test_the_next_delivery_is_the_one_that_is_due_first(world: World) -> None:
    """The service sleeps until then."""
    _news(world)
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("HTTP 429", retry_after=span("10m"))
    world.notifier.refusals[URLS[TEAMS]] = DeliveryError("connection refused")

    world.deliver()
    world.clock.forward("15s")
    world.deliver()

    assert next_delivery_at(world.store) == next_attempt_due_at(world.store) == world.clock.now + span("1m")


def test_a_target_that_asks_for_patience_gets_it(world: World) -> None:
    """Retry-After is respected."""
    _news(world, times=1)
    closed = FailingNotifier(DeliveryError("HTTP 429", retry_after=span("10m")))

    deliver(world.store, closed, URLS, clock=world.clock)

    assert next_delivery_at(world.store) == world.clock.now + span("10m")


def test_a_permanent_failure_makes_way_for_the_next_message(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A message that a target will never take is given up with an error, and holds nothing up."""
    _news(world)
    gone = FailingNotifier(DeliveryError("HTTP 404: no such channel", permanent=True))

    tried = deliver(world.store, gone, URLS, clock=world.clock)

    assert len(tried) == len(gone.attempts) == 4
    assert all(delivery.dead_at is not None for delivery in tried)
    assert world.waiting() == []
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


# To claim a message takes five calls with the commit, to record its outcome two, and to find nothing more, three.
@pytest.mark.parametrize("crash_at", [6, 13, 23, 30], ids=["first", "second", "third", "fourth"])
def test_a_crash_between_sending_and_recording_repeats_at_most_that_message(world: World, crash_at: int) -> None:
    """Delivery is at least once: the message in flight may be sent twice, and no other."""
    news = _news(world)
    crashing = CrashingStore(world.store, crash_at=crash_at)
    with pytest.raises(CrashError):
        deliver(crashing, world.notifier, URLS, clock=world.clock)
    sent_before = len(world.notifier.sent)
    in_flight = world.notifier.sent[-1]

    world.restart()
    world.clock.forward("1m")
    world.deliver()

    again = [each for each in world.notifier.sent[sent_before:] if each in world.notifier.sent[:sent_before]]
    assert again == [in_flight]
    assert {(url, message.id) for url, message in world.notifier.sent} == {
        (URLS[target], ref) for target in (SLACK, TEAMS) for ref in news
    }


def test_a_database_that_takes_no_writing_has_nothing_sent_over_and_over(world: World) -> None:
    """A message is claimed before it is sent: where that cannot be recorded, nothing is sent at all."""
    _news(world, times=1)
    locked = CrashingStore(world.store, crash_at=1)

    with pytest.raises(CrashError):
        deliver(locked, world.notifier, URLS, clock=world.clock)

    assert world.notifier.sent == []


def test_a_bug_in_the_way_out_costs_its_message_an_attempt(world: World) -> None:
    """It is logged, recorded and retried later like any failure, so that it neither blocks nor floods its target."""
    _news(world, times=1)
    world.notifier.refusals[URLS[SLACK]] = KeyError("surprise")

    tried = {delivery.target: delivery for delivery in world.deliver()}

    assert (tried[SLACK].attempts, tried[SLACK].last_error) == (1, "KeyError")
    assert tried[SLACK].next_attempt_at == world.clock.now + span("15s")
    assert tried[TEAMS].sent_at is not None


def test_a_target_that_hangs_holds_up_nobody_elses_next_message(world: World) -> None:
    """While one run waits for a target, another one sends to the others, and leaves alone what is being sent."""
    _news(world, times=1)
    hanging, released = Event(), Event()

    class Hanging(RecordingNotifier):
        """Keeps everybody waiting who sends to Slack."""

        def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
            """Wait until the test lets go."""
            if url == URLS[SLACK]:
                hanging.set()
                assert released.wait(10)
            super().deliver(message, url, had_by=had_by)

    world.notifier = Hanging()
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(world.deliver)
        assert hanging.wait(10)
        next_news = world.poll_now({"Spam": 10}).messages[0].id
        world.deliver()
        sent_meanwhile = [message.id for message in world.notifier.sent_to(URLS[TEAMS])]
        released.set()
        first.result()

    assert sent_meanwhile[-1] == next_news
    assert len(world.notifier.sent_to(URLS[SLACK])) == 2


def test_an_outcome_is_dated_after_the_attempt(world: World) -> None:
    """A slow target's next attempt is counted from the end of the last one."""
    _news(world, times=1)
    world.notifier = RecordingNotifier(clock=world.clock, takes=span("10s"))
    begun = world.clock.now

    tried = world.deliver()

    assert [delivery.sent_at for delivery in tried] == [begun + span("10s"), begun + span("20s")]


def test_a_target_that_left_the_configuration_is_not_forgotten(world: World) -> None:
    """It may be back after the next reload; until then its messages wait."""
    _news(world, times=1)

    tried = deliver(world.store, world.notifier, {TEAMS: URLS[TEAMS]}, clock=world.clock)

    assert [delivery.last_error for delivery in tried] == [
        "target 'secops/slack' is no longer in the configuration",
        "",
    ]
    assert [delivery.target for delivery in world.waiting()] == [SLACK]


def test_a_service_that_stops_leaves_the_rest_for_the_next_one(world: World) -> None:
    """Between two messages it asks; what is left is sent after the next start."""
    news = _news(world)

    assert world.deliver(is_stopping=lambda: True) == []
    world.deliver(is_stopping=lambda: bool(world.notifier.sent))
    assert [message.id for _, message in world.notifier.sent] == [news[0]]

    world.deliver()
    assert [message.id for message in world.notifier.sent_to(URLS[SLACK])] == news


def test_targets_are_reached_at_the_same_time(world: World) -> None:
    """With threads the order is kept per target all the same."""
    news = _news(world, times=4)

    with ThreadPoolExecutor(2) as threads:
        deliver(world.store, world.notifier, URLS, clock=world.clock, map_=threads.map)

    assert [message.id for message in world.notifier.sent_to(URLS[SLACK])] == news
    assert [message.id for message in world.notifier.sent_to(URLS[TEAMS])] == news


# the clock


def test_a_clock_that_jumps_changes_no_wait(world: World) -> None:
    """What is pending has not waited longer, and what is to be retried is retried when it was due."""
    world.alerting = a_policy(a_rule(), a_rule("Slow", warning=a_level(for_="30m")), receivers={"secops": [SLACK]})
    world.poll({"Spam": 150})
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")
    world.deliver()

    shift_after_clock_jump(world.store, by=span("1h"))
    world.clock.forward("1h")

    assert next_delivery_at(world.store) == world.clock.now + span("15s")
    assert world.poll({"Spam": 150}).transitions == ()
    assert _states(world.poll(*[{"Spam": 150}] * 5).transitions) == [("Slow", FIRING)]


def test_a_clock_that_is_set_back_makes_way_for_what_is_seen_now(world: World) -> None:
    """The newest answer counts, not what an earlier reading of the clock left at this hour; a failed poll has none."""
    world.poll({"Spam": 5}, {"Spam": 5}, {"Spam": 5})
    world.clock.now -= span("7m")
    shift_after_clock_jump(world.store, by=-span("7m"))

    breach = world.poll_now({"Spam": 150})
    world.clock.forward("1m")
    failed = world.poll_now(TIMEOUT)

    assert _states(breach.transitions) == [("Backlog", FIRING)]
    assert (failed.transitions, world.value()) == ((), None)


# keeping


def test_old_history_is_pruned_until_nothing_is_left_of_it(world: World) -> None:
    """Retention deletes what is over, in batches, and nothing that is true now."""
    world.poll({"Spam": 150}, {"Spam": 10}, {"Spam": 150})
    world.deliver()
    alert = world.alert()

    world.clock.forward("2d")
    batch_sizer = BatchSizer(seconds=lambda: 0.0, pause=lambda _: False)

    kept = [
        apply_retention(
            world.store, retention=span("1d"), downsample_after=span("1d"), batch_sizer=batch_sizer, now=world.clock.now
        )
        for _ in range(2)
    ]

    assert kept[0].pruned > 0
    assert kept[1] == RetentionResult()
    assert world.alert() == alert
    with world.store.read() as reader:
        assert [each.held for each in reader.history.reasons(Tenant("acme"))] == [150]


def test_a_database_that_fails_fails_the_cycle(world: World) -> None:
    """Nothing is kept and nobody is told; the next poll does it all."""
    full = Store(world.url, read_only=True)
    before = world.everything()

    with closing(full), pytest.raises(StoreError):
        poll(Tenant("acme"), world.source({"Spam": 150}), full, world.alerting, clock=world.clock)

    assert world.everything() == before
    assert len(world.poll({"Spam": 150}).messages) == 2


def test_the_log_tells_what_a_poll_saw_and_what_changed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One line per poll and per transition; a failed poll is a warning with its cause."""
    caplog.set_level(logging.INFO, logger="alerter.jobs")

    world.poll({"Spam": 150}, TIMEOUT)
    world.deliver()

    lines = [(record.levelno, record.getMessage().split(" alert=")[0]) for record in caplog.records]
    assert lines[:3] == [
        (logging.INFO, "poll succeeded tenant=acme reason_count=1 held_messages=150"),
        (logging.INFO, "alert changed from_state=inactive to_state=firing"),
        (
            logging.WARNING,
            "poll failed tenant=acme cause=timeout request_id=None: no answer within 30s",
        ),
    ]
    assert [message.split(" ref=")[0] for _, message in lines[3:]] == ["delivery sent"] * 3


def test_an_hour_in_which_a_level_was_firing_is_not_usual_later(world: World) -> None:
    """What was wrong a week ago is no measure for today: with it, the same count would be within what is ordinary."""
    unusual = a_rule("Unusual", warning=a_level(Baseline()))
    world.alerting = a_policy(unusual, receivers=RECEIVERS, tenants={"acme": "30m"})

    fired = []
    for held in (100, 200, 300, 1000, 820):
        for count in (held, held, 0):
            cycle = world.poll({"Spam": count}, every="30m")
            fired += [(held, each.to_state) for each in cycle.transitions]
        world.clock.forward("6d22h30m")

    assert fired == [(1000, FIRING), (1000, QUIET), (820, FIRING), (820, QUIET)]


@pytest.mark.parametrize(
    ("error", "level"),
    [
        pytest.param(TIMEOUT, logging.WARNING, id="it may pass"),
        pytest.param(AuthenticationError(Cause.KEYS_EXPIRED, "HTTP 418"), logging.ERROR, id="somebody must act"),
    ],
)
def test_a_failed_poll_is_an_error_where_only_a_person_can_mend_it(
    world: World, caplog: pytest.LogCaptureFixture, error: SourceError, level: int
) -> None:
    """Whoever looks for errors alone finds what waits for them."""
    world.poll(error)

    assert [record.levelno for record in caplog.records] == [level]


def test_a_sum_over_tenants_knows_each_of_them_for_as_long_as_the_slowest_is_waited_for(world: World) -> None:
    """What was held over from a tenant that is polled often is compared with, while another one is still awaited."""
    surge = a_rule("Surge", warning=a_level(a_growth(over="1m", by=1)), per=Per.ALL)
    world.alerting = a_policy(surge, receivers=RECEIVERS, tenants={"acme": "1m", "globex": "10m"})
    world.poll({"Spam": 5}, tenant="globex", every="1m")
    world.poll({"Spam": 5}, every="1m")
    world.poll(TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT, every="1m")

    cycle = world.poll({"Spam": 9}, every="1m")

    [transition] = cycle.transitions
    assert transition.evidence[0].reference is not None
    assert transition.evidence[0].reference.count == 10


# polls that are written later


@pytest.fixture
def delaying(sqlite_url: str) -> Iterator[World]:
    """Yield a world whose polls are written later, after two polls."""
    world = World(sqlite_url)
    world.store.delay_polls(is_on=True)
    world.poll({"Spam": 10}, {"Spam": 10})
    yield world
    world.store.close()


def _stored(world: World) -> tuple[datetime | None, int]:
    """Return the newest poll and the count that another process finds."""
    with closing(Store(world.url, read_only=True)) as other, other.read() as reader:
        (state,) = reader.history.reasons(Tenant("acme"))
        return reader.polls.status(Tenant("acme")).last_success_at, state.held


def test_a_breach_is_written_at_once_with_the_polls_before_it(delaying: World) -> None:
    """Who is notified does not wait; the polls that change nothing but counts do."""
    written = _stored(delaying)
    calm = delaying.poll({"Spam": 20}, {"Spam": 30})
    assert (calm.transitions, calm.messages) == ((), ())
    assert _stored(delaying) == written

    cycle = delaying.poll({"Spam": 150})

    assert len(cycle.messages) == 2
    assert len(delaying.waiting()) == 3
    assert _stored(delaying) == (delaying.clock.now, 150)
    assert delaying.value(at=delaying.clock.now - span("5m")) == 30


def test_the_count_of_an_alert_that_goes_on_is_written_later(delaying: World) -> None:
    """Its end is written at once, with the peak that no other process had seen."""
    delaying.poll({"Spam": 150}, {"Spam": 150})
    written = delaying.alert()
    delaying.poll({"Spam": 190}, {"Spam": 160})
    assert delaying.alert() == written

    cycle = delaying.poll({"Spam": 0})

    assert [each.to_state for each in cycle.transitions] == [AlertState.INACTIVE]
    assert delaying.alert().peak == 190


def test_a_failed_poll_is_written_at_once_with_the_polls_before_it(delaying: World) -> None:
    """The run of successful polls ends with the newest of them."""
    delaying.poll({"Spam": 20})
    newest = delaying.clock.now

    delaying.poll(TIMEOUT)

    assert _stored(delaying) == (newest, 20)
