"""Nobody is spammed, nothing is lost: reminders, mutes, caps, groups, digests and fallbacks, on real databases."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from alerter.core.alerts import AlertState
from alerter.core.message.content import EventAction, Format, Message, MessageStatus
from alerter.core.notifications import NotifyReason
from alerter.core.outbox import MAX_ATTEMPTS, TargetName, after_manual_retry
from alerter.core.routes import ReceiverName, Route, TargetId
from alerter.core.rules import Per, RuleName, Severity
from alerter.errors import Cause, DeliveryError, SourceUnavailable
from alerter.jobs.deliver import deliver, next_attempt_due_at
from alerter.jobs.notify import flush_groups, next_flush_at
from alerter.jobs.poll import notify_removed_tenants, shift_after_clock_jump
from tests.builders import (
    NOON,
    a_growth,
    a_level,
    a_policy,
    a_receiver,
    a_route,
    a_rule,
    a_silence,
    a_window,
    an_acknowledgement,
    span,
)
from tests.fakes import RecordingNotifier
from tests.jobs.test_poll import MAIL, SLACK, TEAMS, URLS, World

HELD, CALM = {"Spam": 150}, {"Spam": 10}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Yield a world with one receiver at one place, and one rule that warns above 100 messages."""
    world = World(database_url)
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK]})
    yield world
    world.store.close()


def _with_receiver(world: World, **changes: object) -> None:
    """Change how the receiver is told."""
    receiver = replace(world.alerting.receivers[0], **changes)  # type: ignore[arg-type]
    world.alerting = replace(world.alerting, receivers=(receiver, *world.alerting.receivers[1:]))


def _reasons(world: World, *, hours: int) -> list[str]:
    """Poll every hour while the count stays high; return the hour and reason of every notice."""
    found = []
    for hour in range(1, hours + 1):
        cycle = world.poll(HELD, every="1h")
        found += [f"{hour}h {item.reason}" for each in cycle.notifications for item in each.items]
    return found


def test_an_alert_that_goes_on_as_it_was_is_written_once_a_minute(world: World) -> None:
    """Polls that find the same counts leave it alone, but for people, who see when it was found so last."""
    world.poll(HELD)
    first = world.clock.now
    kept = []

    for _ in range(7):
        world.poll(HELD, every="10s")
        with world.store.read() as reader:
            kept += [each.value.at for alert in reader.alerts.load_all() for each in alert.evidence if each.value]

    assert kept == [first] * 5 + [first + span("1m")] * 2


# reminders


def test_an_alert_that_goes_on_is_repeated_ever_more_rarely_but_for_ever(world: World) -> None:
    """After 4, 8 and 16 hours, then every day."""
    assert _reasons(world, hours=80) == [
        "1h first",
        "5h repeat",
        "13h repeat",
        "29h repeat",
        "53h repeat",
        "77h repeat",
    ]


def test_a_restart_neither_repeats_nor_forgets_a_reminder(world: World) -> None:
    """When it is due is worked out from what is stored and from the configuration as it is now."""
    world.poll(HELD)
    world.restart()
    _with_receiver(world, repeat_interval=span("30m"))

    cycles = [world.poll(HELD, every="10m") for _ in range(3)]

    assert [len(cycle.messages) for cycle in cycles] == [0, 0, 1]


# mutes


def test_a_silence_hides_an_alert_and_its_end_tells_what_still_differs(world: World) -> None:
    """Nothing is said while it holds; the first poll after it says what is true, and that it has just ended."""
    with world.store.write() as transaction:
        transaction.silences.add(a_silence(since="11:00", until="12:30"))

    silent = [world.poll(HELD) for _ in range(5)]
    world.clock.now = NOON + span("30m")
    notified = world.poll_now(HELD)

    assert all(cycle.messages == () for cycle in silent)
    assert [message.title for message in notified.messages] == [
        "WARNING: 150 held for 'Spam' (acme), above 100; silence ended"
    ]


def test_what_came_and_went_under_a_silence_is_never_told(world: World) -> None:
    """The end of what nobody was told is nobody's news."""
    with world.store.write() as transaction:
        transaction.silences.add(a_silence(since="11:00", until="12:30"))

    world.poll(HELD, CALM)
    world.clock.now = NOON + span("1h")

    assert world.poll_now(CALM).messages == ()


def test_an_acknowledgement_stops_reminders_until_it_gets_worse(world: World) -> None:
    """Somebody is at it; twice the count breaks it."""
    _with_receiver(world, repeat_interval=span("10m"))
    first = world.poll(HELD)
    [item] = first.notifications[0].items
    with world.store.write() as transaction:
        acknowledgement = an_acknowledgement(subject=item.alert.key.subject, value=150)
        transaction.silences.save_acknowledgement(replace(acknowledgement, acknowledged_at=world.clock.now))

    silent = [world.poll(HELD, every="10m") for _ in range(3)]
    worse = world.poll({"Spam": 300}, every="10m")
    over = world.poll(CALM)

    assert all(cycle.messages == () for cycle in silent)
    assert [each.reason for each in worse.notifications[0].items] == [NotifyReason.BROKEN]
    assert [each.reason for each in over.notifications[0].items] == [NotifyReason.RESOLVED]


def _acknowledge(world: World, value: int, *, rule: str = "Backlog") -> None:
    subject = world.alert(rule=rule).key.subject
    with world.store.write() as transaction:
        transaction.silences.save_acknowledgement(
            replace(an_acknowledgement(subject=subject, value=value), acknowledged_at=world.clock.now, author="alice")
        )


def test_a_broken_acknowledgement_is_told_at_once_and_stays_broken_through_a_restart(world: World) -> None:
    """Nobody is lulled by what somebody said of half of it, nor told twice; the count may fall again meanwhile."""
    world.poll(HELD)
    _acknowledge(world, 150)

    notified = world.poll({"Spam": 299}, {"Spam": 300})
    world.restart()
    fallen = world.poll({"Spam": 160})
    again = world.poll({"Spam": 320})
    reminded = world.poll({"Spam": 160}, every="4h")

    assert [each.title for each in notified.messages] == [
        "WARNING again: 300 held for 'Spam' (acme), twice as many as when alice acknowledged"
    ]
    assert (fallen.messages, again.messages) == ((), ())
    assert [each.reason for each in reminded.notifications[0].items] == [NotifyReason.REPEAT]


def test_a_new_acknowledgement_holds_after_one_that_broke(world: World) -> None:
    """Of what is twice as much now."""
    world.poll(HELD)
    _acknowledge(world, 150)
    world.poll({"Spam": 300})
    _acknowledge(world, 300)

    assert world.poll({"Spam": 310}, every="4h").messages == ()
    assert len(world.poll({"Spam": 600}).messages) == 1


def test_an_acknowledgement_that_is_taken_back_lets_reminders_go_on(world: World) -> None:
    """What is due is told with the next poll."""
    world.poll(HELD)
    _acknowledge(world, 150)
    silent = world.poll(HELD, every="4h")
    subject = world.alert().key.subject
    with world.store.write() as transaction:
        transaction.silences.delete_acknowledgement(subject)

    [item] = world.poll(HELD).notifications[0].items

    assert silent.messages == ()
    assert item.reason is NotifyReason.REPEAT


def test_an_acknowledgement_breaks_while_growth_has_nothing_to_compare_with(world: World) -> None:
    """The count is known at every good poll, though a gap an hour ago leaves growth without data."""
    rule = a_rule("Surge", warning=a_level(a_growth(over="1h", by=50)))
    world.alerting = a_policy(rule, receivers={"secops": [SLACK]})
    timeout = SourceUnavailable(Cause.TIMEOUT, "no answer within 30s")
    world.poll(*[{"Spam": 0}] * 12, *[timeout] * 2, {"Spam": 90})
    fired = world.alert(rule="Surge")
    _acknowledge(world, 90, rule="Surge")
    world.poll({"Spam": 90}, every="40m")

    broken = world.poll({"Spam": 180}, every="15m")

    assert fired.is_firing
    assert world.alert(rule="Surge").value == 180
    assert [each.reason for each in broken.notifications[0].items] == [NotifyReason.BROKEN]


def test_the_end_of_a_removed_tenants_alert_is_told_once_its_silence_has_ended(world: World) -> None:
    """No poll of that tenant will ever come to do it."""
    world.poll(HELD)
    with world.store.write() as transaction:
        transaction.silences.add(a_silence(since="11:00", until="12:30"))
    world.alerting = a_policy(a_rule(), tenants={"globex": "5m"}, receivers={"secops": [SLACK]})

    world.reconcile()
    silent = len(world.waiting())
    world.clock.now = NOON + span("30m")
    world.reconcile()
    world.reconcile()

    assert silent == 1
    assert len(world.waiting()) == 2


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"acme": "5m"}, id="the rule over all tenants has gone"),
        pytest.param({"globex": "5m"}, id="its tenant has gone as well"),
    ],
)
def test_what_no_poll_tells_is_told_once_a_silence_has_ended(world: World, after: dict[str, str]) -> None:
    """Within half a minute, not within an hour."""
    total = a_rule("Total", per=Per.ALL)
    world.alerting = a_policy(total, receivers={"secops": [SLACK]})
    world.poll(HELD)
    with world.store.write() as transaction:
        transaction.silences.add(a_silence(since="11:00", until="12:30"))
    world.alerting = a_policy(tenants=after, receivers={"secops": [SLACK]})
    world.reconcile()

    silent = notify_removed_tenants(world.store, world.alerting, now=world.clock.now)
    [message] = notify_removed_tenants(world.store, world.alerting, now=NOON + span("30m"))

    assert silent == ()
    assert message.title == "Resolved (rule removed): 150 held in total (all tenants), peak 150; silence ended"
    assert notify_removed_tenants(world.store, world.alerting, now=NOON + span("31m")) == ()


def test_what_was_told_to_a_url_that_is_gone_costs_no_writer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can be told its end there: that is found by reading alone, every half minute for ever."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK]})
    world.poll(HELD)
    world.alerting = a_policy(a_rule(), tenants={"globex": "5m"}, receivers={"secops": [TEAMS]})
    world.reconcile()
    monkeypatch.setattr(type(world.store), "write", lambda _: pytest.fail("a writer"))

    assert notify_removed_tenants(world.store, world.alerting, now=world.clock.now) == ()


# targets


def _targets(world: World) -> list[tuple[str, str]]:
    """Return what waits where: the target, and the title of the message."""
    with world.store.read() as reader:
        return [(each.delivery.target, each.title) for each in reversed(reader.outbox.deliveries())]


def test_a_new_target_is_told_in_one_message_what_fires_at_all_tenants(world: World) -> None:
    """Whoever is added while something fires knows of it at once; nobody else is told again."""
    tenants = {"acme": "5m", "globex": "5m"}
    world.alerting = a_policy(a_rule(), tenants=tenants, receivers={"secops": [SLACK]})
    world.poll_now(HELD)
    world.poll_now(HELD, tenant="globex")
    world.alerting = a_policy(a_rule(), tenants=tenants, receivers={"secops": [SLACK, TEAMS]})

    world.reconcile()
    world.reconcile()
    later = [world.poll(HELD, tenant=tenant).messages for tenant in tenants]

    assert [target for target, _ in _targets(world)] == [SLACK, SLACK, TEAMS]
    assert _targets(world)[-1][1] == (
        "New receiver here. Firing now: WARNING 150 held for 'Spam' (acme), above 100; + 1 warning"
    )
    assert later == [(), ()]


def test_a_url_in_place_of_another_one_is_told_what_fires_and_then_its_end(world: World) -> None:
    """The one that has gone cannot be told, and is not recorded to have been."""
    world.poll(HELD)
    world.alerting = a_policy(a_rule(), receivers={"secops": [TEAMS]})

    world.poll(HELD, CALM)

    assert [target for target, _ in _targets(world)] == [SLACK, TEAMS, TEAMS]
    with world.store.read() as reader:
        assert {str(entry.target): entry.state for entry in reader.notifications.states()} == {
            SLACK: AlertState.FIRING,
            TEAMS: AlertState.INACTIVE,
        }


def test_a_url_that_comes_back_is_told_what_has_ended_meanwhile(world: World) -> None:
    """An incident that was opened there is closed there."""
    world.poll(HELD)
    world.alerting = a_policy(a_rule(), receivers={"secops": [TEAMS]})
    world.poll(CALM)
    world.alerting = a_policy(a_rule(), receivers={"secops": [TEAMS, SLACK]})

    world.poll(CALM)

    assert [target for target, _ in _targets(world)] == [SLACK, SLACK]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"pager": [SLACK]}, id="its receiver has another name"),
        pytest.param({"secops": [TEAMS], "pager": [SLACK]}, id="another receiver has it now"),
    ],
)
def test_a_url_that_moves_knows_what_it_was_told(world: World, after: dict[str, list[TargetName]]) -> None:
    """It is told of no beginning twice, and of the end."""
    world.poll(HELD)
    world.alerting = a_policy(a_rule(), receivers=after, routes=[a_route(*after, severities=[Severity.CRITICAL])])

    world.reconcile()
    world.poll(HELD, CALM)

    assert [(target, title.split()[0]) for target, title in _targets(world)] == [
        (SLACK, "WARNING:"),
        (SLACK, "Resolved"),
    ]


def test_whoever_was_told_is_told_of_the_end_though_no_route_leads_there_any_more(world: World) -> None:
    """And a second beginning is not for it."""
    world.poll(HELD)
    world.alerting = a_policy(
        a_rule(), receivers={"secops": [SLACK]}, routes=[a_route("secops", severities=[Severity.CRITICAL])]
    )

    goes_on, over, again = (world.poll(counts).messages for counts in (HELD, CALM, HELD))

    assert (goes_on, [message.title.split()[0] for message in over], again) == ((), ["Resolved"], ())


def test_a_url_that_has_gone_while_it_believes_that_something_fires_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody must close by hand what it has opened."""
    world.poll(HELD)
    world.alerting = a_policy(a_rule(), receivers={"secops": [TEAMS]})

    world.reconcile()

    assert "removed URL had been notified of firing alerts receiver=secops alerts=1" in caplog.messages


def test_what_was_told_by_a_version_before_is_told_to_nobody_again(world: World) -> None:
    """It kept what receivers were told, and not where."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK, TEAMS]})
    world.poll(HELD)
    with world.store.write() as transaction:
        notified = transaction.notifications.states()
        transaction.notifications.delete(notified)
        transaction.notifications.save([replace(notified[0], target=TargetId(""))])

    goes_on, over = (world.poll(counts) for counts in (HELD, CALM))

    assert goes_on.messages == ()
    assert [list(map(str, each.targets)) for each in over.notifications] == [[SLACK, TEAMS]]


def _waiting_at(world: World) -> list[tuple[str, str]]:
    """Return for which URL what waits was planned, with the first word of its title."""
    with world.store.read() as reader:
        records = [reader.outbox.delivery(each.id) for each in reader.outbox.waiting()]
    return [(each.delivery.target_id, each.title.split()[0]) for each in records if each is not None]


def _receive_at(world: World, **ids_by_name: str) -> None:
    """Reload a configuration in which the targets of secops have these names, and stand for these URLs."""
    names = tuple(TargetName(f"secops/{name}") for name in ids_by_name)
    receiver = a_receiver(targets=list(ids_by_name.values()))
    world.alerting = replace(world.alerting, receivers=(receiver,), targets={receiver.name: names})
    world.reconcile()


def test_a_url_in_place_of_one_that_could_not_be_reached_is_told_what_fires_once(world: World) -> None:
    """What waits was meant for the old one, and waits until that is back."""
    _receive_at(world, slack="old")
    world.poll(HELD)

    _receive_at(world, slack="new")
    replaced = _waiting_at(world)
    world.poll(CALM)
    _receive_at(world, slack="old")
    world.poll(CALM)

    assert replaced == [("old", "WARNING:"), ("new", "New")]
    assert _waiting_at(world) == [("old", "WARNING:"), ("new", "New"), ("new", "Resolved"), ("old", "Resolved")]


def test_what_a_poll_tells_a_new_url_before_the_configuration_is_reconciled_is_for_that_url(world: World) -> None:
    """Polls go on while a configuration is read again: what they plan by the new one must not wait for the old URL."""
    _receive_at(world, slack="old")
    receiver = a_receiver(targets=["new"])
    world.alerting = replace(world.alerting, receivers=(receiver,))

    world.poll(HELD)
    world.reconcile()

    assert _waiting_at(world) == [("new", "WARNING:")]


def test_what_waits_for_a_url_is_not_sent_to_another_one_of_the_same_name(world: World) -> None:
    """An instance that has the new configuration already meets what another one has planned by the old one."""
    _receive_at(world, slack="old")
    world.poll(HELD)
    receiver = a_receiver(targets=["new"])
    by_the_new = replace(world.alerting, receivers=(receiver,))

    tried = deliver(world.store, world.notifier, {SLACK: "json://new"}, alerting=by_the_new, clock=world.clock)
    world.clock.forward("1h")
    again = deliver(world.store, world.notifier, {SLACK: "json://old"}, alerting=world.alerting, clock=world.clock)

    assert [each.last_error for each in tried] == ["target 'secops/slack' is no longer in the configuration"]
    assert [each.target_id for each in again if each.sent_at] == ["old"]
    assert [url for url, _ in world.notifier.sent] == ["json://old"]


def test_what_waits_goes_with_its_url_where_names_move_up(world: World) -> None:
    """The second Slack is the only one once the first one has gone; what was for that one waits for it."""
    _receive_at(world, **{"slack": "first", "slack-2": "second"})
    world.poll(HELD)

    _receive_at(world, slack="second")
    _receive_at(world, slack="second")

    assert _waiting_at(world) == [("first", "WARNING:"), ("second", "WARNING:")]


def test_what_waits_for_a_target_that_has_gone_waits_for_it(world: World) -> None:
    """Nobody else gets it."""
    _receive_at(world, slack="first", teams="second")
    world.poll(HELD)

    _receive_at(world, slack="first")

    assert _waiting_at(world) == [("first", "WARNING:"), ("second", "WARNING:")]


def test_a_mute_window_of_a_rule_keeps_it_quiet(world: World) -> None:
    """At night nobody is told; in the morning everybody learns what still is so."""
    world.alerting = replace(
        world.alerting, windows_by_rule={RuleName("Backlog"): (a_window(begins="11:00", ends="13:00"),)}
    )

    at_noon = world.poll(HELD)
    world.clock.now = NOON + span("1h")
    at_one = world.poll_now(HELD)

    assert at_noon.messages == ()
    assert len(at_one.messages) == 1


# storms


def test_a_receiver_gets_no_more_than_max_per_hour_and_learns_what_was_held_back(world: World) -> None:
    """The news of what was held back is in the next message, which says how many it stands for."""
    _with_receiver(world, max_per_hour=2)
    cycles = [world.poll(counts) for counts in (HELD, CALM, HELD, CALM, HELD)]
    later = world.poll(HELD, every="1h")

    assert [len(cycle.messages) for cycle in cycles] == [1, 1, 0, 0, 0]
    assert [each.suppressed for each in later.notifications] == [2]
    assert "2 notifications were suppressed" in str(later.messages[0].bodies)


def test_a_group_collects_the_news_of_all_tenants_into_one_message(world: World) -> None:
    """The same reason at three tenants is one message after `group_wait`, not three at once."""
    tenants = ("acme", "globex", "initech")
    world.alerting = a_policy(a_rule(), tenants=dict.fromkeys(tenants, "5m"), receivers={"secops": [SLACK]})
    _with_receiver(world, group_wait=span("1m"))

    at_once = [world.poll_now(HELD, tenant=tenant).messages for tenant in tenants]
    early = flush_groups(world.store, world.alerting, now=world.clock.now)
    due_at = next_flush_at(world.store), next_attempt_due_at(world.store)
    world.clock.forward("1m")
    [message] = flush_groups(world.store, world.alerting, now=world.clock.now)

    assert (at_once, early) == ([(), (), ()], ())
    assert due_at == (NOON + span("1m"), NOON + span("1m"))
    assert "3 tenants" in message.title + str(message.bodies)
    assert flush_groups(world.store, world.alerting, now=world.clock.now) == ()
    assert next_flush_at(world.store) is None


def test_without_all_clears_what_fires_again_while_it_is_collected_is_told(world: World) -> None:
    """The end is noted at once, and not only when the collection is due."""
    _with_receiver(world, group_wait=span("10m"), send_resolved=False)
    notified: list[str] = []
    for counts in (HELD, HELD, HELD, CALM, HELD, HELD, HELD):
        world.poll(counts)
        notified += (message.title for message in flush_groups(world.store, world.alerting, now=world.clock.now))

    assert [title.split(":")[0] for title in notified] == ["WARNING", "WARNING"]


def test_an_outage_is_told_whatever_a_receiver_has_had_in_the_hour(world: World) -> None:
    """Both its beginning and its end, and with the beginning what was held back."""
    _with_receiver(world, max_per_hour=1)
    timeout = SourceUnavailable(Cause.TIMEOUT, "no answer within 30s")
    world.poll(HELD, CALM)

    notified = [world.poll(answer).messages for answer in (timeout, timeout, timeout, CALM)]

    assert [[message.title for message in messages] for messages in notified[2:]] == [
        ["CRITICAL: no data from Mimecast for 15m (acme), no answer in time"],
        ["Resolved: all 2 (acme), worst was no data from Mimecast"],
    ]


def test_a_group_whose_news_is_over_before_it_is_due_says_nothing(world: World) -> None:
    """What rose and fell within `group_wait` is not worth a message."""
    _with_receiver(world, group_wait=span("10m"))
    world.poll(HELD, CALM)
    world.clock.forward("10m")

    assert flush_groups(world.store, world.alerting, now=world.clock.now) == ()


# delivery


def _down(world: World, *targets: TargetName, permanent: bool = False) -> None:
    for target in targets:
        world.notifier.refusals[URLS[target]] = DeliveryError("HTTP 404: no_service", permanent=permanent)


def _bodies(message: Message) -> Sequence[str]:
    return [*message.bodies.values()]


def test_a_target_that_comes_back_gets_one_digest_of_what_it_missed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """After more than an hour it is told once, not once for each message; and so is the log."""
    caplog.set_level(logging.INFO, logger="alerter.jobs.deliver")
    _down(world, SLACK)
    for counts in (HELD, CALM, HELD):
        world.poll(counts)
        world.deliver()
    world.clock.forward("2h")
    world.notifier.refusals.clear()
    caplog.clear()

    tried = world.deliver()

    assert [f"target={SLACK} attempts=" in each and "messages=3" in each for each in caplog.messages] == [True]
    [digest] = world.notifier.sent_to(URLS[SLACK])
    assert digest.title.startswith(
        "secops/slack works again (12:05\u201314:15 missed): 1 still firing, WARNING 150 held"
    )
    assert all(delivery.sent_at is not None for delivery in tried)
    assert world.waiting() == []


def test_a_digest_begins_with_what_fires_though_newer_messages_are_about_what_is_over(world: World) -> None:
    """A critical alert that began before the outage, and one of its beginning, are not lost among what came after."""
    world.alerting = a_policy(
        a_rule(warning=a_level(above=100), critical=a_level(above=500)), receivers={"secops": [SLACK]}
    )
    world.poll({"Before": 700})
    world.deliver()
    _down(world, SLACK)
    begun = {"Before": 700, "Begun": 600}
    world.poll(begun)
    world.deliver()
    for _ in range(30):
        world.poll(begun | {"Comes and goes": 150}, begun)
        world.deliver()
    world.notifier.refusals.clear()
    world.clock.forward("31m")

    world.deliver()

    digest = world.notifier.sent_to(URLS[SLACK])[-1]
    assert "): 2 still firing, worst CRITICAL 700 held for 'Before' (acme)" in digest.title
    assert digest.status is MessageStatus.CRITICAL
    for body in _bodies(digest):
        assert body.index("Before") < body.rindex("Begun") < body.rindex("Comes and goes")
    assert "Over: 'Comes and goes' (acme), peak 150, " in digest.bodies[Format.TEXT]


def test_a_digest_does_not_tell_of_what_another_receiver_hears(world: World) -> None:
    """What fires for its own receiver, at the level that this one hears."""
    route = Route(receivers=(ReceiverName("secops"),), severities=frozenset({Severity.WARNING}))
    others = Route(receivers=(ReceiverName("mail"),))
    rule = a_rule(warning=a_level(above=100), critical=a_level(above=500))
    receivers = {"secops": [SLACK], "mail": [MAIL]}
    world.alerting = a_policy(rule, receivers=receivers, routes=(route, others))
    _down(world, SLACK)
    world.poll({"Spam": 150}, {}, {"Spam": 150}, {"Spam": 150, "Virus": 150}, {"Spam": 700, "Virus": 150})
    world.deliver()
    world.clock.forward("2h")
    world.notifier.refusals.clear()

    world.deliver()

    [digest] = world.notifier.sent_to(URLS[SLACK])
    assert "2 still firing, worst WARNING" in digest.title
    assert "CRITICAL" not in digest.bodies[Format.TEXT]


def test_what_had_to_be_given_up_goes_to_the_fallback(world: World) -> None:
    """The fallback is told what was meant for whom, what has become of it, and by its own targets."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK, TEAMS], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _with_receiver(world, fallback=ReceiverName("mail"))
    _down(world, SLACK, permanent=True)

    world.poll(HELD)
    world.deliver()

    [instead] = world.notifier.sent_to(URLS[MAIL])
    assert instead.receiver == "mail"
    assert instead.title == "[for secops] WARNING: 150 held for 'Spam' (acme), above 100"
    assert "secops/slack" in str(instead.bodies)
    assert len(world.notifier.sent_to(URLS[TEAMS])) == 1


def test_the_fallback_is_told_once_of_what_a_person_tries_again_in_vain(world: World) -> None:
    """The attempt is recorded, and the delivery gave up again: nothing is tried for ever."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _with_receiver(world, fallback=ReceiverName("mail"))
    _down(world, SLACK, permanent=True)
    world.poll(HELD)
    world.deliver()
    with world.store.write() as transaction:
        [given_up] = [each.delivery for each in transaction.outbox.deliveries() if each.delivery.dead_at]
        transaction.outbox.save_delivery(after_manual_retry(given_up, now=world.clock.now))

    tried = world.deliver()

    assert [(each.attempts, each.dead_at is not None) for each in tried] == [(2, True)]
    assert (len(_titles(world, MAIL)), world.waiting()) == (1, [])


@dataclass
class MailOfTwo(RecordingNotifier):
    """A way out on which each mail is for alice and bob."""

    refusing: set[str] = field(default_factory=set)
    giving_up: set[str] = field(default_factory=set)
    taken: list[tuple[str, str, str]] = field(default_factory=list)

    def deliver(self, message: Message, url: str, *, had_by: frozenset[str] = frozenset()) -> None:
        """Give a mail to those of the two who lack it and do not refuse it."""
        super().deliver(message, url)
        lacking = {"alice", "bob"} - had_by
        takers = lacking - self.refusing
        self.taken += [(each, url, message.id) for each in sorted(takers)]
        if takers < lacking:
            raise DeliveryError("answered 550 for bob", had_by=frozenset(takers), permanent=url in self.giving_up)


def test_a_digest_is_of_what_the_same_addressees_lack(world: World) -> None:
    """Nobody gets again what he has: what each message lacks is accounted for, however late it is."""
    world.notifier = mail = MailOfTwo(refusing={"bob"})
    world.alerting = a_policy(a_rule(), receivers={"mail": [MAIL]})
    world.poll(HELD)
    world.deliver()
    mail.refusing = {"alice", "bob"}
    mail.refusals[URLS[MAIL]] = DeliveryError("answered 552", refused=True)
    world.poll(CALM)
    world.deliver()
    first, second = [each.message_id for each in world.waiting()]
    world.clock.forward("2h")
    mail.refusing.clear()
    mail.refusals.clear()

    world.deliver()

    assert world.waiting() == []
    assert sorted((name, ref) for name, _, ref in mail.taken) == sorted(
        (name, ref) for name in ("alice", "bob") for ref in (first, second)
    )


def test_a_digest_of_what_one_addressee_lacks_is_for_him_alone(world: World) -> None:
    """The others have each message of it."""
    world.notifier = mail = MailOfTwo(refusing={"bob"})
    world.alerting = a_policy(a_rule(), receivers={"mail": [MAIL]})
    for counts in (HELD, CALM):
        world.poll(counts)
        world.deliver()
    world.clock.forward("2h")
    mail.refusing.clear()

    world.deliver()

    assert [name for name, _, _ in mail.taken] == ["alice", "alice", "bob"]


def test_an_addressee_who_has_a_message_gets_no_copy_by_the_fallback(world: World) -> None:
    """The copy is for those who lack it, also where both receivers have addressees in common."""
    world.notifier = mail = MailOfTwo(refusing={"bob"}, giving_up={URLS[SLACK]})
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _with_receiver(world, fallback=ReceiverName("mail"))
    world.poll(HELD)

    world.deliver()
    mail.refusing.clear()
    world.clock.forward("15s")
    world.deliver()

    assert [(name, url) for name, url, _ in mail.taken] == [("alice", URLS[SLACK]), ("bob", URLS[MAIL])]


def test_a_server_that_is_gone_after_one_addressee_took_a_mail_cannot_be_reached(world: World) -> None:
    """That he has it says nothing of the attempts after it."""
    world.notifier = mail = MailOfTwo(refusing={"bob"})
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    world.poll(HELD)
    world.deliver()
    mail.refusals[URLS[SLACK]] = DeliveryError("connection refused")

    for wait in ("15s", "1m", "5m", "30m"):
        world.clock.forward(wait)
        world.deliver()

    assert {name for name, url, _ in mail.taken if url == URLS[MAIL]} == {"alice"}


def test_what_reaches_the_fallback_a_day_late_is_told_as_it_is_by_then(world: World) -> None:
    """Its title is no fresh warning of what is long over."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _with_receiver(world, fallback=ReceiverName("mail"))
    _down(world, SLACK)
    for counts in (HELD, CALM):
        world.poll(counts)
        world.deliver()

    while any(delivery.target == SLACK for delivery in world.waiting()):
        world.clock.forward("31m")
        world.deliver()

    news, instead, _ = world.notifier.sent_to(URLS[MAIL])
    assert news.title == "secops/slack cannot be reached since 12:05: HTTP 404: no_service; 2 notifications wait"
    assert instead.title == "[for secops, 1d 2h late] Resolved after 5m: 10 held for 'Spam' (acme), peak 150"
    assert "Missed:\n" in instead.bodies[Format.TEXT]


# a target that cannot be reached is news


ONLY_SECOPS = (Route(receivers=(ReceiverName("secops"),)),)


def _titles(world: World, target: TargetName) -> list[str]:
    return [message.title for message in world.notifier.sent_to(URLS[target])]


def test_others_are_told_of_a_target_that_cannot_be_reached_once_and_when_it_is_back(world: World) -> None:
    """After half an hour, at the minute, and once; a restart changes nothing, and the target itself is told nothing."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _down(world, SLACK)
    world.poll(HELD)
    world.deliver()
    while (due := next_attempt_due_at(world.store)) and due < NOON + span("35m"):
        world.clock.now = due
        world.deliver()
    before, told_at = _titles(world, MAIL), next_attempt_due_at(world.store)

    for _ in range(4):
        world.clock.now = max(world.clock.now, NOON + span("35m"))
        world.deliver()
        world.restart()
        world.clock.forward("31m")
    world.notifier.refusals.clear()
    world.deliver()
    world.poll(CALM)
    world.deliver()

    assert (before, told_at) == ([], NOON + span("35m"))
    assert _titles(world, MAIL) == [
        "secops/slack cannot be reached since 12:05: HTTP 404: no_service; 1 notification waits",
        "secops/slack works again after 2h 34m; 1 notification delivered",
    ]
    assert [title.partition(" held")[0] for title in _titles(world, SLACK)] == [
        "WARNING: 150",
        "Resolved after 2h 39m: 10",
    ]


def test_a_target_that_is_back_within_half_an_hour_is_no_news(world: World) -> None:
    """A short outage costs nobody a message."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _down(world, SLACK)
    world.poll(HELD)
    world.deliver()
    world.clock.forward("22m")
    world.notifier.refusals.clear()
    world.deliver()
    world.clock.forward("22m")
    world.deliver()

    assert _titles(world, MAIL) == []
    assert next_attempt_due_at(world.store) is None


ALL_THREE = {"secops": [SLACK], "teams": [TEAMS], "mail": [MAIL]}


@pytest.mark.parametrize(
    ("receivers", "fallback", "down", "notified"),
    [
        pytest.param(ALL_THREE, "mail", [SLACK], {MAIL}, id="the fallback"),
        pytest.param(ALL_THREE, None, [SLACK], {TEAMS, MAIL}, id="without one, every other receiver"),
        pytest.param(ALL_THREE, "mail", [SLACK, MAIL], {TEAMS}, id="if that is down, too, every other one"),
        pytest.param({"secops": [SLACK, TEAMS]}, None, [SLACK], {TEAMS}, id="with no other receiver, its other target"),
        pytest.param({"secops": [SLACK]}, None, [SLACK], set(), id="where there is nothing else, nobody"),
        pytest.param({"secops": [SLACK], "twin": [SLACK]}, None, [SLACK], set(), id="not the target by another name"),
    ],
)
def test_who_is_told_of_a_target_that_cannot_be_reached(
    world: World,
    receivers: Mapping[str, Sequence[TargetName]],
    fallback: str | None,
    down: Sequence[TargetName],
    notified: set[TargetName],
) -> None:
    """Somebody else, wherever there is anybody; never the one that cannot be reached."""
    routes = (Route(receivers=tuple(map(ReceiverName, receivers))),)
    world.alerting = a_policy(a_rule(), receivers=receivers, routes=routes)
    _with_receiver(world, fallback=fallback)
    _down(world, *down)
    world.poll(HELD)
    for _ in range(9):
        world.deliver()
        world.clock.forward("10m")

    news = {target for target in URLS if any("slack cannot be reached" in each for each in _titles(world, target))}
    assert news == notified


def test_when_every_target_is_down_each_hears_of_the_others_when_it_is_back_and_nothing_goes_round(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """News that cannot be delivered makes no further news."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]})
    _down(world, SLACK, MAIL)
    world.poll(HELD)
    for _ in range(20):
        world.deliver()
        world.clock.forward("31m")

    assert len([each for each in caplog.messages if each.startswith("target cannot be reached")]) == 2
    assert len(world.waiting()) == 4
    world.notifier.refusals.clear()
    world.deliver()
    world.deliver()
    assert world.waiting() == []
    assert "mail/1 cannot be reached since" in world.notifier.sent_to(URLS[SLACK])[0].bodies[Format.TEXT]
    assert "secops/slack works again after 10h" in world.notifier.sent_to(URLS[MAIL])[-1].bodies[Format.TEXT]


def test_news_of_a_target_does_not_hide_what_was_held_back(world: World) -> None:
    """How many messages `max_per_hour` suppressed is said by the next message about alerts."""
    world.alerting = a_policy(a_rule(), receivers={"mail": [MAIL], "secops": [SLACK]})
    _with_receiver(world, max_per_hour=1)
    _down(world, SLACK)
    world.poll(HELD, HELD | {"Virus": 150}, HELD | {"Virus": 150, "Graymail": 150})
    for _ in range(5):
        world.deliver()
        world.clock.forward("10m")
    assert any("cannot be reached" in title for title in _titles(world, MAIL))
    world.clock.forward("1h")

    world.poll(HELD | {"Virus": 150, "Graymail": 150})
    world.deliver()

    assert "2 notifications were suppressed" in world.notifier.sent_to(URLS[MAIL])[-1].bodies[Format.TEXT].replace(
        "\n", " "
    )


def test_an_outage_of_a_target_that_was_removed_is_forgotten(world: World) -> None:
    """Nobody is told of what is no longer in the configuration."""
    _down(world, SLACK)
    world.poll(HELD)
    world.deliver()
    world.alerting = a_policy(a_rule(), receivers={"mail": [MAIL]})

    deliver(world.store, world.notifier, {MAIL: URLS[MAIL]}, alerting=world.alerting, clock=world.clock)

    with world.store.read() as reader:
        assert reader.outbox.outages() == {}


def test_a_url_in_place_of_one_that_is_down_has_an_outage_of_its_own(world: World) -> None:
    """That the new one cannot be reached either is news, half an hour after it was tried first."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    world.reconcile()
    _down(world, SLACK)
    world.poll(HELD)
    world.deliver()
    world.clock.forward("31m")
    world.deliver()
    _with_receiver(world, targets=(TargetId("another"),))
    world.reconcile()

    world.deliver()
    early = len(_titles(world, MAIL))
    world.clock.forward("31m")
    world.deliver()

    assert early == 1
    assert [title.partition(":")[0] for title in _titles(world, MAIL)] == [
        "secops/slack cannot be reached since 12",
        "secops/slack cannot be reached since 12",
    ]


def test_a_clock_that_jumps_makes_no_outage_longer(world: World) -> None:
    """An hour that did not pass is no news."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    _down(world, SLACK)
    world.poll(HELD)
    world.deliver()

    shift_after_clock_jump(world.store, by=span("1h"))
    world.clock.forward("1h")
    world.deliver()

    assert _titles(world, MAIL) == []


def test_a_refused_message_that_was_overtaken_by_its_end_opens_nothing(world: World) -> None:
    """An on-call service that took the end first is not told the beginning as one."""
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("answered 400", refused=True)
    world.poll(HELD)
    world.deliver()
    world.notifier.refusals.clear()
    world.poll(CALM)
    world.deliver()
    world.clock.forward("1m")
    world.deliver()

    end, late = world.notifier.sent_to(URLS[SLACK])
    assert [event.action for event in (*end.events, *late.events)] == [EventAction.RESOLVE, EventAction.RESOLVE]


def test_a_target_that_refuses_one_message_and_takes_the_next_is_not_said_to_be_down(world: World) -> None:
    """Others hear once that nothing arrives, and that it works again; not with every later message anew."""
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK], "mail": [MAIL]}, routes=ONLY_SECOPS)
    [unwanted] = world.poll(HELD).messages
    world.notifier.unwanted = {unwanted.id}
    world.deliver()

    for counts in (CALM, HELD, CALM, HELD):
        for _ in range(3):
            world.clock.forward("31m")
            world.deliver()
        world.poll(counts, every="1m")
        world.deliver()

    assert [each.message_id for each in world.waiting()] == [unwanted.id]
    assert [title.partition(" since")[0].partition(" after")[0] for title in _titles(world, MAIL)] == [
        "secops/slack cannot be reached",
        "secops/slack works again",
    ]


def test_a_target_that_is_down_for_good_dies_with_all_that_waits_for_it(world: World) -> None:
    """Messages behind a dead one have been tried as long as it: none of them starts a day of its own."""
    world.notifier.refusals[URLS[SLACK]] = DeliveryError("connection refused")
    for counts in (HELD, CALM, HELD):
        world.poll(counts)
        world.deliver()

    for _ in range(MAX_ATTEMPTS + 4):
        world.clock.forward("31m")
        world.deliver()

    assert world.waiting() == []


def test_later_messages_of_an_alert_answer_its_first(world: World) -> None:
    """A mail program shows the raise and the end below the beginning."""
    world.alerting = a_policy(
        a_rule(warning=a_level(above=100), critical=a_level(above=500)), receivers={"secops": [SLACK]}
    )

    first, raised, over = (world.poll({"Spam": count}).messages[0] for count in (150, 600, 10))

    assert first.threads == ()
    assert raised.threads == over.threads == (first.id,)


def test_a_clock_jump_moves_what_mutes_and_groups_measure_from(world: World) -> None:
    """An hour that did not pass brings no reminder early, ends no collection and no acknowledgement."""
    _with_receiver(world, repeat_interval=span("30m"), group_wait=span("10m"))
    world.poll_now(HELD)
    world.clock.forward("10m")
    flush_groups(world.store, world.alerting, now=world.clock.now)
    told_at = world.clock.now

    shift_after_clock_jump(world.store, by=span("1h"))
    world.clock.forward("1h")

    assert world.poll(HELD).messages == ()
    with world.store.read() as reader:
        [notified] = [each for each in reader.notifications.states() if each.state is AlertState.FIRING]
        assert notified.notified_at == told_at + span("1h")
        assert reader.notifications.open_groups() == {}


# on-call services


PAGERDUTY = TargetName("secops/pagerduty")


def _closed_at(world: World) -> list[str]:
    """Return what was sent to the on-call service: each action, and at which level."""
    sent = world.notifier.sent_to(URLS[PAGERDUTY])
    return [f"{event.action} {event.severity}" for message in sent for event in message.events]


def test_an_incident_is_closed_also_where_ends_are_not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`send_resolved = false` spares people a message; what is open in an on-call service would stay so for ever."""
    monkeypatch.setitem(URLS, PAGERDUTY, "pagerduty://key@api")
    world.alerting = a_policy(a_rule(), receivers={"secops": [SLACK, PAGERDUTY]})
    _with_receiver(world, send_resolved=False)

    world.poll(HELD, CALM)
    world.deliver()

    assert [each.title.split()[0] for each in world.notifier.sent_to(URLS[SLACK])] == ["WARNING:"]
    assert _closed_at(world) == ["trigger warning", "resolve warning"]


def test_a_level_that_rises_opens_an_incident_of_its_own_and_closes_the_lower_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever acknowledged the warning is paged again, and at the end nothing is open."""
    monkeypatch.setitem(URLS, PAGERDUTY, "pagerduty://key@api")
    rule = a_rule(warning=a_level(above=100), critical=a_level(above=500))
    world.alerting = a_policy(rule, receivers={"secops": [PAGERDUTY]})

    world.poll(HELD, {"Spam": 700}, HELD, CALM)
    world.deliver()

    assert _closed_at(world) == [
        "trigger warning",
        *("trigger critical", "resolve warning"),
        *("trigger warning", "resolve critical"),
        *("resolve warning", "resolve critical"),
    ]
