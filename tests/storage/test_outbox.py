"""What is to be sent, and what became of it."""

from contextlib import closing
from dataclasses import replace

import pytest

from alerter.core.message.content import EventAction, Format, OnCallEvent, TargetOutage
from alerter.core.notifications import HourlyLimit
from alerter.core.outbox import TargetBacklog, TargetName, after_failure, after_success, claim, due_deliveries
from alerter.core.routes import ReceiverName, TargetId
from alerter.core.rules import Severity
from alerter.errors import DeliveryError, StoreError
from alerter.jobs.deliver import release_claims
from alerter.storage import DeliveryRecord, Store
from tests.builders import NOON, at
from tests.storage.stored import a_message, enqueue, explained, rows, statements


def test_a_message_comes_back_exactly(store: Store) -> None:
    """Its text is frozen when it is planned."""
    message = replace(a_message("m1"), bodies={Format.TEXT: "é\n'x'", Format.SLACK: '{"text": "\\u00e9"}'})

    with store.write() as transaction:
        transaction.outbox.enqueue(message, {})

    with store.read() as reader:
        assert reader.outbox.message("m1") == message


def test_what_only_some_messages_have_comes_back_exactly(store: Store) -> None:
    """The messages that it answers, and what on-call services open and close, whatever stands in a name."""
    opened = OnCallEvent(
        dedup_key="5454d9e3",
        action=EventAction.TRIGGER,
        severity=Severity.CRITICAL,
        summary="120 held for 'é\ud83d\0'",
        details={"limit": "above 100", "labels": {"customer": 'Acme "Ltd"'}},
        source="acme",
        component="é",
        rule="Backlog",
        group="Acme Ltd",
        started_at=NOON,
        links=(("Details", "https://alerts.example/alerts/292672b7"),),
    )
    closed = replace(opened, dedup_key="99c2eafe", action=EventAction.RESOLVE, started_at=None, links=())
    message = replace(a_message("m1"), threads=("ab2cd3ef4g", "m0"), events=(opened, closed))

    with store.write() as transaction:
        transaction.outbox.enqueue(message, {})

    with store.read() as reader:
        assert reader.outbox.message("m1") == message


def test_an_outage_comes_back_until_it_is_over(store: Store) -> None:
    """Since when, why, and who was told: nobody yet is not the same as nobody at all."""
    new = TargetOutage(target="secops/slack", target_id=TargetId("secops/slack"), since=NOON, error="timed out \0")
    known = TargetOutage(
        target="mail",
        target_id=TargetId("mail"),
        since=at("11:00"),
        error="gone",
        notified=(ReceiverName("é"), ReceiverName("x")),
    )
    with store.write() as transaction:
        for outage in (new, replace(known, notified=()), known):
            transaction.outbox.save_outage(outage)

    with store.write() as transaction:
        assert [*transaction.outbox.outages().values()] == [known, replace(new, error="timed out \ufffd")]
        transaction.outbox.end_outage(TargetId("mail"))

    with store.read() as reader:
        assert [*reader.outbox.outages()] == ["secops/slack"]


def test_what_a_target_refused_and_who_has_it_comes_back(store: Store) -> None:
    """The addressees that have a message are known after a restart, too."""
    enqueue(store, "m1", "mail")
    error = DeliveryError("answered 550", had_by=frozenset({"b2", "a1"}))
    with store.write() as transaction:
        failed = after_failure(transaction.outbox.waiting()[0], error, now=NOON)
        transaction.outbox.save_delivery(failed)

    with store.read() as reader:
        assert reader.outbox.waiting() == [failed]


def test_what_was_in_flight_before_is_due_for_whoever_has_the_database_for_itself(store: Store) -> None:
    """What waits for its next attempt goes on to wait, and what was sent is left alone."""
    enqueue(store, "m1", "in flight", "failed", "sent")
    with store.write() as transaction:
        in_flight, failed, sent = (claim(each, now=NOON) for each in transaction.outbox.waiting())
        for each in (in_flight, failed, sent):
            transaction.outbox.claim(each)
        transaction.outbox.record_outcome(after_failure(failed, DeliveryError("busy"), now=NOON))
        transaction.outbox.record_outcome(after_success(sent, now=NOON))

    release_claims(store, now=NOON)

    with store.read() as reader:
        assert due_deliveries(reader.outbox.waiting(), now=NOON) == [replace(in_flight, next_attempt_at=NOON)]


def test_an_unknown_message_is_an_error(store: Store) -> None:
    """It says which one is missing."""
    with store.read() as reader, pytest.raises(StoreError, match="expected a message 'm9', found none"):
        reader.outbox.message("m9")


def test_every_target_has_a_delivery_that_is_due_at_once(store: Store) -> None:
    """In the order in which they were planned."""
    enqueue(store, "m1", "a", "b")
    enqueue(store, "m2", "a")

    with store.read() as reader:
        waiting = reader.outbox.waiting()

    assert [(each.message_id, each.target) for each in waiting] == [("m1", "a"), ("m1", "b"), ("m2", "a")]
    assert [each.id for each in waiting] == sorted(each.id for each in waiting)
    assert all((each.next_attempt_at, each.created_at, each.attempts) == (NOON, NOON, 0) for each in waiting)


def test_what_waits_is_counted(store: Store) -> None:
    """What was sent or given up is undelivered no more."""
    enqueue(store, "m1", "a", "b", "c")
    with store.write() as transaction:
        sent, dead, _ = transaction.outbox.waiting()
        transaction.outbox.save_delivery(after_success(sent, now=NOON))
        transaction.outbox.save_delivery(after_failure(dead, DeliveryError("gone", permanent=True), now=NOON))

    with store.read() as reader:
        assert reader.outbox.waiting_count() == 1
        assert reader.outbox.backlog_by_target() == {TargetName("c"): TargetBacklog(deliveries=1, oldest_at=NOON)}


def test_what_became_of_a_delivery_is_kept(store: Store) -> None:
    """What was sent or is dead waits no more; what failed waits for its next attempt."""
    enqueue(store, "m1", "sent", "dead", "failed")
    with store.read() as reader:
        sent, dead, failed = reader.outbox.waiting()
    sent = after_success(sent, now=NOON)
    dead = after_failure(dead, DeliveryError("gone \0", permanent=True), now=NOON)
    failed = after_failure(failed, DeliveryError("busy"), now=NOON)

    with store.write() as transaction:
        for delivery in (sent, dead, failed):
            transaction.outbox.save_delivery(delivery)

    with store.read() as reader:
        assert reader.outbox.waiting() == [failed]
        found = {each.delivery.target: each for each in reader.outbox.deliveries()}
        assert (found[sent.target].delivery, found[sent.target].title) == (sent, "Held mail")
        assert found[dead.target].delivery == replace(dead, last_error="gone \N{REPLACEMENT CHARACTER}")
        assert [each.delivery.target for each in reader.outbox.deliveries(only_failed=True)] == ["failed", "dead"]
        assert [each.receiver for each in reader.outbox.deliveries(limit=1)] == ["secops"]


def test_a_delivery_that_does_not_exist_is_an_error(store: Store) -> None:
    """An outcome that could not be recorded never passes silently."""
    enqueue(store, "m1", "a")
    with store.read() as reader:
        delivery = reader.outbox.waiting()[0]

    with store.write() as transaction, pytest.raises(StoreError, match="expected a delivery 9999, found none"):
        transaction.outbox.save_delivery(replace(delivery, id=9999))


def test_a_delivery_is_found_by_its_number(store: Store) -> None:
    """With everything that its row of the ledger says; None where there is none of this number."""
    enqueue(store, "m1", "a", "b")
    with store.write() as transaction:
        first, second = transaction.outbox.waiting()
        failed = after_failure(second, DeliveryError("busy"), now=NOON)
        transaction.outbox.save_delivery(failed)

    with store.read() as reader:
        assert reader.outbox.delivery(second.id) == DeliveryRecord(
            delivery=failed, receiver=ReceiverName("secops"), title="Held mail"
        )
        found = reader.outbox.delivery(first.id)
        assert found is not None
        assert found.delivery == first
        assert reader.outbox.delivery(second.id + 1) is None


class TestBudgets:
    """What a receiver got within an hour, and what it did not get."""

    def test_every_message_to_a_receiver_counts_once(self, store: Store) -> None:
        """However many targets it has; after `since`, and not at it."""
        enqueue(store, "old", "a", created_at=at("11:00"))
        enqueue(store, "m1", "a", "b", created_at=at("11:00:01"))
        enqueue(store, "m2", created_at=NOON)
        enqueue(store, "m3", "c", receiver="mail", created_at=NOON)

        with store.read() as reader:
            assert reader.notifications.hourly_limits(since=at("11:00")) == {
                "secops": HourlyLimit(sent=2),
                "mail": HourlyLimit(sent=1),
            }
            assert reader.notifications.hourly_limits(since=NOON) == {}

    def test_messages_of_one_instant_count_as_one(self, store: Store) -> None:
        """They are for different targets of a receiver, of which none gets more than one of them."""
        enqueue(store, "m1", "a", created_at=NOON)
        enqueue(store, "m2", "b", created_at=NOON)

        with store.read() as reader:
            assert reader.notifications.hourly_limits(since=at("11:00")) == {"secops": HourlyLimit(sent=1)}

    def test_messages_of_a_clock_that_was_ahead_use_nothing(self, store: Store) -> None:
        """After it was set back, only what was planned by now counts."""
        enqueue(store, "ahead", created_at=at("15:00"))
        enqueue(store, "now", created_at=NOON)

        with store.read() as reader:
            assert reader.notifications.hourly_limits(since=at("11:00"), until=NOON) == {"secops": HourlyLimit(sent=1)}
            assert reader.notifications.hourly_limits(since=at("11:00")) == {"secops": HourlyLimit(sent=2)}

    def test_what_is_held_back_is_counted_until_it_is_told(self, store: Store) -> None:
        """The message that says how many there were begins the count anew, for its receiver alone."""
        secops, mail = ReceiverName("secops"), ReceiverName("mail")
        enqueue(store, "m1", created_at=at("11:30"))
        with store.write() as transaction:
            for receiver in (secops, mail, secops):
                transaction.notifications.add_suppressed(receiver)

        with store.read() as reader:
            assert reader.notifications.hourly_limits(since=at("11:00")) == {
                secops: HourlyLimit(sent=1, suppressed=2),
                mail: HourlyLimit(suppressed=1),
            }

        enqueue(store, "m2")
        with store.write() as transaction:
            transaction.notifications.reset_suppressed(secops)

        with store.read() as reader:
            assert reader.notifications.hourly_limits(since=at("11:00")) == {
                secops: HourlyLimit(sent=2),
                mail: HourlyLimit(suppressed=1),
            }
        with store.write() as transaction:
            transaction.notifications.add_suppressed(secops)
            assert transaction.notifications.hourly_limits(since=NOON)[secops] == HourlyLimit(suppressed=1)

    def test_what_was_planned_long_ago_costs_a_poll_nothing(self, sqlite_url: str) -> None:
        """An index leads to the messages of the last hour."""
        with closing(Store(sqlite_url)) as store, statements() as executed, store.read() as reader:
            reader.notifications.hourly_limits(since=at("11:00"), until=NOON)

        assert explained(sqlite_url, executed)[0].startswith("SEARCH messages USING INDEX ix_messages_created_at")


class TestGroups:
    """News that is collected before it becomes a message."""

    def test_a_group_is_due_at_its_time(self, store: Store) -> None:
        """Not before it; the first due comes first."""
        mail, secops = ReceiverName("mail"), ReceiverName("secops")
        with store.write() as transaction:
            transaction.notifications.open_group(mail, due_at=at("12:02"))
            transaction.notifications.open_group(secops, due_at=at("12:01"))

        with store.read() as reader:
            assert reader.notifications.due_groups(now=at("12:00:59")) == []
            assert reader.notifications.due_groups(now=at("12:01")) == [secops]
            assert reader.notifications.due_groups(now=at("12:05")) == [secops, mail]
            assert reader.notifications.next_flush_at() == at("12:01")
            assert reader.notifications.open_groups() == {secops: at("12:01"), mail: at("12:02")}

    def test_more_news_does_not_put_a_group_off(self, store: Store) -> None:
        """What began to be collected first sets the time."""
        secops = ReceiverName("secops")
        with store.write() as transaction:
            transaction.notifications.open_group(secops, due_at=at("12:01"))
            transaction.notifications.open_group(secops, due_at=at("12:03"))

            assert transaction.notifications.open_groups() == {secops: at("12:01")}

    def test_a_closed_group_can_be_opened_again(self, store: Store) -> None:
        """Its time is then the new one; to close what is not open changes nothing."""
        mail, secops = ReceiverName("mail"), ReceiverName("secops")
        with store.write() as transaction:
            transaction.notifications.open_group(mail, due_at=at("12:02"))
            transaction.notifications.open_group(secops, due_at=at("12:01"))
            transaction.notifications.close_group(secops)
            transaction.notifications.close_group(secops)
            assert transaction.notifications.open_groups() == {mail: at("12:02")}

            transaction.notifications.open_group(secops, due_at=at("12:04"))

            assert transaction.notifications.open_groups() == {mail: at("12:02"), secops: at("12:04")}

    def test_without_a_group_nothing_is_due(self, store: Store) -> None:
        """A service has then nothing to wake up for."""
        with store.read() as reader:
            assert (
                reader.notifications.due_groups(now=NOON),
                reader.notifications.next_flush_at(),
            ) == ([], None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("120 held", id="a short one, which is stored as it is"),
        pytest.param("<td>Überprüfung 迷惑</td>" * 300, id="a long one, which is packed"),
    ],
)
def test_a_message_comes_back_as_it_was_planned(store: Store, text: str) -> None:
    """However long it is, and in whatever script."""
    message = replace(a_message("m"), bodies={Format.TEXT: text, Format.HTML: text})
    with store.write() as transaction:
        transaction.outbox.enqueue(message, {TargetName("a"): TargetId("a")})

    with store.read() as reader:
        assert reader.outbox.message("m") == message
    [(length,)] = rows(store, "SELECT length(bodies) FROM messages")
    assert length < max(100, len(text) // 2)
