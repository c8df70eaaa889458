"""What is to be sent, and what became of it."""

from dataclasses import replace

import pytest

from alerter.adapters.store import Store
from alerter.core.messages import Format
from alerter.core.outbox import after_failure, after_success
from alerter.errors import StoreError
from tests.adapters.store.stored import a_message, enqueue
from tests.builders import NOON


def test_a_message_comes_back_exactly(store: Store) -> None:
    """Its text is frozen when it is planned."""
    message = replace(a_message("m1"), bodies={Format.TEXT: "é\n'x'", Format.SLACK: '{"text": "\\u00e9"}'})

    with store.write() as transaction:
        transaction.enqueue(message, [])

    with store.read() as reader:
        assert reader.message("m1") == message


def test_an_unknown_message_is_an_error(store: Store) -> None:
    """It says which one is missing."""
    with store.read() as reader, pytest.raises(StoreError, match="expected a message 'm9', found none"):
        reader.message("m9")


def test_every_target_has_a_delivery_that_is_due_at_once(store: Store) -> None:
    """In the order in which they were planned."""
    enqueue(store, "m1", "a", "b")
    enqueue(store, "m2", "a")

    with store.read() as reader:
        waiting = reader.waiting_deliveries()

    assert [(each.message_id, each.target) for each in waiting] == [("m1", "a"), ("m1", "b"), ("m2", "a")]
    assert [each.id for each in waiting] == sorted(each.id for each in waiting)
    assert all((each.next_attempt_at, each.created_at, each.attempts) == (NOON, NOON, 0) for each in waiting)


def test_what_became_of_a_delivery_is_kept(store: Store) -> None:
    """What was sent or is dead waits no more; what failed waits for its next attempt."""
    enqueue(store, "m1", "sent", "dead", "failed")
    with store.read() as reader:
        sent, dead, failed = reader.waiting_deliveries()
    sent = after_success(sent, now=NOON)
    dead = after_failure(dead, "gone \0", permanent=True, retry_after=None, now=NOON)
    failed = after_failure(failed, "busy", permanent=False, retry_after=None, now=NOON)

    with store.write() as transaction:
        for delivery in (sent, dead, failed):
            transaction.save_delivery(delivery)

    with store.read() as reader:
        assert reader.waiting_deliveries() == [failed]
        found = {each.delivery.target: each for each in reader.deliveries()}
        assert (found[sent.target].delivery, found[sent.target].title) == (sent, "Held mail")
        assert found[dead.target].delivery == replace(dead, last_error="gone \N{REPLACEMENT CHARACTER}")
        assert [each.delivery.target for each in reader.deliveries(only_failed=True)] == ["failed", "dead"]
        assert [each.receiver for each in reader.deliveries(limit=1)] == ["secops"]


def test_a_delivery_that_does_not_exist_is_an_error(store: Store) -> None:
    """An outcome that could not be recorded never passes silently."""
    enqueue(store, "m1", "a")
    with store.read() as reader:
        delivery = reader.waiting_deliveries()[0]

    with store.write() as transaction, pytest.raises(StoreError, match="expected a delivery 9999, found none"):
        transaction.save_delivery(replace(delivery, id=9999))
