"""What goes when it is old, and what never goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.core.notifications import NotificationState
from alerter.core.outbox import TargetName, after_success
from alerter.core.routes import TargetId
from alerter.core.rules import Severity
from alerter.core.series import Span
from alerter.errors import Cause
from alerter.storage import Store
from tests.builders import a_key, a_resolved, a_told, an_alert, at
from tests.storage.stored import (
    ACME,
    EVERY,
    a_transition,
    an_acknowledgement,
    enqueue,
    fail,
    poll,
    prune,
    rows,
    silence,
    tenant_series,
)


def test_old_changes_go_and_no_value_changes(store: Store) -> None:
    """What a series holds, and what it held since, does not depend on what is gone."""
    for number in range(37):
        poll(store, at("09:00") + number * EVERY, Spam=number // 3, Virus=4)
    before = {reason: each.changes for reason, each in tenant_series(store)[1].items()}

    assert prune(store) == [4]

    assert {reason: each.changes for reason, each in tenant_series(store)[1].items()} == before
    assert rows(store, "SELECT min(previous_value) FROM count_changes") == [(3,)]


def test_coverage_does_not_reach_back_to_what_is_gone(store: Store) -> None:
    """A run that began earlier begins with its first poll after the limit: what was deleted must not look like zero."""
    poll(store, "09:50", Spam=1)
    poll(store, "09:55", Spam=2)
    poll(store, "10:01", Spam=3)
    poll(store, "10:05", Spam=4)

    prune(store)

    polling, series = tenant_series(store, window="3h")
    assert polling.coverage == [Span(at("10:01"), at("10:05"))]
    assert series["Spam"].value_at(at("10:00")) is None
    assert series["Spam"].value_at(at("10:01")) == 3


def test_what_is_left_of_a_run_keeps_its_share_of_the_polls(store: Store) -> None:
    """From their number it is known how far apart they were."""
    for number in range(25):
        poll(store, at("09:00") + number * EVERY, Spam=1)
    for clock in ("04:00", "04:05"):
        poll(store, clock, Spam=1)

    prune(store)

    assert rows(store, "SELECT poll_count FROM coverage ORDER BY first_poll_at") == [(13,)]


def test_a_run_that_is_shorter_than_a_second_is_one_poll_when_it_is_cut(store: Store) -> None:
    """There is nothing to share."""
    moment = timedelta(milliseconds=1)
    for late in (-moment, moment):
        poll(store, at("10:00") + late, Spam=1)

    prune(store)

    assert rows(store, "SELECT poll_count FROM coverage") == [(1,)]


def test_the_newest_good_poll_is_never_forgotten(store: Store) -> None:
    """A tenant that has been without data for longer than the retention is still known to be."""
    poll(store, "08:00", Spam=3)
    poll(store, "08:05", Spam=3)
    fail(store, "08:10", Cause.KEYS_EXPIRED)

    prune(store)

    with store.read() as reader:
        polling = reader.polls.status(ACME)
        assert [each.held for each in reader.history.reasons(ACME)] == [3]
    assert polling.last_success_at == at("08:05")
    assert polling.failure is not None


def test_old_outages_go_once_they_are_over(store: Store) -> None:
    """Their rows are history like any other."""
    fail(store, "08:00", Cause.DNS)
    fail(store, "08:05", Cause.TIMEOUT)
    poll(store, "08:10")
    poll(store, "12:00")
    fail(store, "12:05")

    prune(store)

    assert rows(store, "SELECT cause FROM poll_failures") == [("timeout",)]
    assert [row[0] for row in rows(store, "SELECT poll_count FROM coverage")] == [1]


def test_a_large_history_goes_in_batches(store: Store) -> None:
    """No poll waits for all of it, and many changes at one instant do not stop it."""
    for number in range(10):
        poll(store, at("08:00") + number * EVERY, **{f"reason{each}": number + 1 for each in range(7)})

    sizes = prune(store, batch=5)

    assert sum(sizes) == 70
    assert max(sizes) <= 5 + 7
    assert rows(store, "SELECT count(*) FROM count_changes") == [(0,)]


def test_sent_messages_go_and_waiting_ones_stay(store: Store) -> None:
    """Nothing that is still to be sent is deleted, however old it is."""
    enqueue(store, "sent", "a", "b", created_at=at("08:00"))
    enqueue(store, "half", "a", "b", created_at=at("08:00"))
    enqueue(store, "new", "a", created_at=at("11:00"))
    with store.write() as transaction:
        for delivery in transaction.outbox.waiting()[:3]:
            transaction.outbox.save_delivery(after_success(delivery, now=at("08:01")))

    assert prune(store) == [3]

    with store.read() as reader:
        assert [(each.message_id, each.target) for each in reader.outbox.waiting()] == [
            ("half", "b"),
            ("new", "a"),
        ]
        assert len(reader.outbox.deliveries()) == 3


def test_old_transitions_go_but_not_those_of_a_live_alert(store: Store) -> None:
    """Why an alert has been firing for so long can still be read."""
    old = a_transition("08:00", AlertState.PENDING, AlertState.FIRING)
    over, new = replace(old, key=a_key(reason="Virus")), replace(old, key=a_key(reason="Virus"), at=at("11:00"))
    with store.write() as transaction:
        transaction.alerts.add_transitions([old, over, new])
        transaction.alerts.save([an_alert(since="08:00")])

    assert prune(store) == [1]

    with store.read() as reader:
        assert reader.alerts.transitions() == [new, old]


@pytest.mark.parametrize(
    ("alert", "notified", "stays"),
    [
        pytest.param(a_resolved(until="09:00"), a_told(AlertState.INACTIVE), False, id="over, and known to be"),
        pytest.param(a_resolved(until="09:00"), a_told(), True, id="over, but a receiver believes that it fires"),
        pytest.param(
            a_resolved(until="09:00"), a_told(told_at="09:00"), False, id="over, but not told where nobody is any more"
        ),
        pytest.param(a_resolved(until="11:30"), a_told(AlertState.INACTIVE), True, id="over since a moment ago"),
        pytest.param(an_alert(since="08:00"), a_told(AlertState.INACTIVE), True, id="firing"),
        pytest.param(an_alert(AlertState.PENDING, since="08:00"), a_told(AlertState.INACTIVE), True, id="pending"),
    ],
)
def test_an_alert_goes_when_nothing_depends_on_it(
    store: Store,
    alert: Alert,
    notified: NotificationState,
    stays: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Together with what was told of it, and with no other."""
    with store.write() as transaction:
        transaction.alerts.save([alert])
        transaction.notifications.save([notified])

    assert prune(store) == ([] if stays else [2])

    with store.read() as reader:
        assert (len(reader.alerts.load_all()), len(reader.notifications.states())) == ((1, 1) if stays else (0, 0))


def test_an_end_that_a_mute_hides_is_not_forgotten_before_it_is_told(store: Store) -> None:
    """However long it hides it, a URL that is in the configuration is still to be told."""
    with store.write() as transaction:
        transaction.alerts.save([a_resolved(until="09:00")])
        transaction.notifications.save([a_told(told_at="09:00", target="slack")])
        transaction.outbox.save_targets({TargetName("secops/slack"): TargetId("slack")})

    assert prune(store) == []

    with store.write() as transaction:
        transaction.outbox.save_targets({TargetName("secops/slack"): TargetId("another")})

    assert prune(store) == [2]


def test_an_alert_stays_with_the_other_severities_of_its_topic(store: Store) -> None:
    """What receivers were told is about all of them."""
    critical = an_alert(severity=Severity.CRITICAL)
    with store.write() as transaction:
        transaction.alerts.save([a_resolved(until="09:00"), critical])

    assert prune(store) == []


def test_a_full_batch_leaves_the_other_tenants_for_the_next(store: Store) -> None:
    """The batch counts over all tenants, and in the end all of them are done."""
    for tenant in ("acme", "legacy"):
        for number in range(4):
            poll(store, at("08:00") + number * EVERY, tenant, Spam=number + 1)

    assert prune(store, batch=4) == [4, 4]


def test_an_alert_that_never_fired_leaves_nothing_behind(store: Store) -> None:
    """It was pending once, and nobody was told."""
    with store.write() as transaction:
        transaction.alerts.save([replace(an_alert(AlertState.INACTIVE), fired_at=None)])

    assert prune(store) == [1]


def test_silences_go_long_after_they_ended(store: Store) -> None:
    """Never one that holds, or is still to begin, however long ago it was asked for."""
    silence(store, since="08:00", until="09:59")
    lasting = silence(store, since="08:00", until="10:00")
    later = silence(store, since="15:00", until="16:00")

    assert prune(store) == [1]

    with store.read() as reader:
        assert reader.silences.silences(since=at("00:00")) == [lasting, later]


@pytest.mark.parametrize(
    ("alert", "clock", "stays"),
    [
        pytest.param(an_alert(since="08:00"), "08:00", True, id="firing for longer than the retention"),
        pytest.param(a_resolved(until="11:30"), "08:00", True, id="over since a moment ago"),
        pytest.param(a_resolved(until="09:00"), "08:00", False, id="over for long"),
        pytest.param(None, "09:59", False, id="long ago, and no such alert is left"),
        pytest.param(None, "10:00", True, id="not long ago"),
    ],
)
def test_an_acknowledgement_goes_with_its_alert(
    store: Store,
    alert: Alert | None,
    clock: str,
    stays: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Whoever is at an alert that has been firing for very long is still known to be."""
    with store.write() as transaction:
        transaction.alerts.save([] if alert is None else [alert])
        transaction.silences.save_acknowledgement(an_acknowledgement(clock=clock))

    prune(store)

    with store.read() as reader:
        assert len(reader.silences.acknowledgements()) == int(stays)


def test_many_of_a_kind_go_in_one_transaction(store: Store) -> None:
    """Transitions, alerts with what was told of them, and outages."""
    keys = [a_key(reason=f"reason{number}") for number in range(4)]
    ended = a_transition("08:00", AlertState.FIRING, AlertState.INACTIVE)
    with store.write() as transaction:
        transaction.alerts.add_transitions([replace(ended, key=key) for key in keys])
        transaction.alerts.save([replace(a_resolved(until="09:00"), key=key) for key in keys])
        transaction.notifications.save([replace(a_told(AlertState.INACTIVE), subject=key.subject) for key in keys])

    assert prune(store) == [12]

    assert rows(store, "SELECT count(*) FROM alerts") == [(0,)]


def test_many_old_silences_go_in_batches(store: Store) -> None:
    """Like everything else."""
    for _ in range(5):
        silence(store, since="08:00", until="09:00")

    assert prune(store, batch=2) == [2, 2, 1]
