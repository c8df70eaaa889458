"""When a message is sent: in order per target, again after a failure, and given up only after a day of attempts."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.outbox import MAX_ATTEMPTS, Delivery, after_failure, after_success, due, next_due_at
from tests.builders import NOON, a_delivery, at, minutes, span


def _failed(
    delivery: Delivery, *, permanent: bool = False, retry_after: timedelta | None = None, clock: str = "12:00"
) -> Delivery:
    return after_failure(delivery, "timed out", permanent=permanent, retry_after=retry_after, now=at(clock))


_LATER = NOON + minutes(1)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        pytest.param([], [], id="an empty outbox"),
        pytest.param([a_delivery(1)], [1], id="a new delivery is due at once"),
        pytest.param([a_delivery(1, next_attempt_at=_LATER)], [], id="one that waits is not due"),
        pytest.param([a_delivery(2), a_delivery(1)], [1], id="of one target the oldest is sent first, alone"),
        pytest.param(
            [a_delivery(1, next_attempt_at=_LATER), a_delivery(2)], [], id="nothing overtakes what waits for its target"
        ),
        pytest.param(
            [a_delivery(1, next_attempt_at=_LATER), a_delivery(2, target="mail")],
            [2],
            id="another target does not wait",
        ),
        pytest.param(
            [a_delivery(3), a_delivery(1, target="mail"), a_delivery(2)], [1, 2], id="one of each target, in order"
        ),
    ],
)
def test_of_each_target_the_oldest_waiting_delivery_is_due(waiting: list[Delivery], expected: list[int]) -> None:
    """The order is kept per target, and one dead target never delays another."""
    assert [delivery.id for delivery in due(waiting, now=NOON)] == expected


@given(
    waiting=st.lists(
        st.builds(
            lambda number, target, wait: a_delivery(number, target=target, next_attempt_at=NOON + minutes(wait)),
            st.integers(1, 99),
            st.sampled_from(["slack", "teams", "mail"]),
            st.integers(-5, 5),
        ),
        unique_by=lambda delivery: delivery.id,
    )
)
def test_no_delivery_overtakes_another_of_its_target(waiting: list[Delivery]) -> None:
    """Whatever waits, nothing is due before an older one of the same target."""
    ready = due(waiting, now=NOON)

    assert len({delivery.target for delivery in ready}) == len(ready)
    for delivery in ready:
        assert delivery.next_attempt_at <= NOON
        assert delivery.id == min(each.id for each in waiting if each.target == delivery.target)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        pytest.param([], None, id="an empty outbox"),
        pytest.param([a_delivery(1)], NOON, id="a new delivery"),
        pytest.param([a_delivery(1, next_attempt_at=_LATER), a_delivery(2)], _LATER, id="what waits behind another"),
        pytest.param(
            [a_delivery(1, next_attempt_at=_LATER), a_delivery(2, target="mail")], NOON, id="another target comes first"
        ),
    ],
)
def test_the_next_delivery_is_the_first_that_nothing_holds_up(
    waiting: list[Delivery], expected: datetime | None
) -> None:
    """Until then there is nothing to do: what waits behind a failed delivery does not wake anybody."""
    assert next_due_at(waiting) == expected


def test_a_delivery_that_was_taken_is_sent() -> None:
    """It is recorded after success, with the number of attempts it took."""
    sent = after_success(_failed(a_delivery()), now=at("12:05"))

    assert (sent.sent_at, sent.attempts, sent.last_error, sent.is_waiting) == (at("12:05"), 2, "", False)


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        pytest.param(0, "15s", id="after the first attempt"),
        pytest.param(1, "1m", id="after the second"),
        pytest.param(2, "5m", id="after the third"),
        pytest.param(3, "15m", id="after the fourth"),
        pytest.param(4, "30m", id="after the fifth"),
        pytest.param(40, "30m", id="and so on, for a day"),
    ],
)
def test_retries_wait_longer_and_longer(attempts: int, wait: str) -> None:
    """15 s, 1 m, 5 m, 15 m, then every 30 m."""
    failed = _failed(a_delivery(attempts=attempts))

    assert (failed.attempts, failed.next_attempt_at, failed.is_waiting) == (attempts + 1, NOON + span(wait), True)
    assert failed.last_error == "timed out"


@pytest.mark.parametrize(
    ("attempts", "retry_after", "wait"),
    [
        pytest.param(0, "10s", "15s", id="a shorter wait than ours does not hurry us"),
        pytest.param(0, "2m", "2m", id="a longer wait than ours is respected"),
        pytest.param(0, "5h", "30m", id="an endless wait is cut"),
        pytest.param(9, "5h", "30m", id="an endless wait is cut, however often it was tried"),
    ],
)
def test_a_target_may_ask_for_patience(attempts: int, retry_after: str, wait: str) -> None:
    """Retry-After only ever prolongs the wait, up to half an hour."""
    failed = _failed(a_delivery(attempts=attempts), retry_after=span(retry_after))

    assert failed.next_attempt_at == NOON + span(wait)


def test_a_permanent_failure_is_not_repeated() -> None:
    """Where trying again cannot help, the delivery is dead at once."""
    dead = _failed(a_delivery(), permanent=True)

    assert (dead.dead_at, dead.attempts, dead.is_waiting) == (NOON, 1, False)


def test_a_delivery_is_given_up_after_a_day() -> None:
    """A target that fails all day costs one delivery, which is dead then, with its last error."""
    delivery, waits = a_delivery(), []
    while delivery.is_waiting:
        waits.append(delivery.next_attempt_at)
        delivery = after_failure(delivery, "timed out", permanent=False, retry_after=None, now=delivery.next_attempt_at)

    assert delivery.dead_at is not None
    assert span("24h") < delivery.dead_at - NOON < span("24h30m")
    assert delivery.attempts == MAX_ATTEMPTS == len(waits)
    assert all(before < after for before, after in pairwise(waits))
    assert delivery.last_error == "timed out"


def test_a_service_that_was_stopped_for_days_gives_nothing_up() -> None:
    """Retries are counted, not hours: the first failure after a long stop is followed by more attempts."""
    old = a_delivery(attempts=1, created_at=NOON - span("3d"))

    assert _failed(old).is_waiting
