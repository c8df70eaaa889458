"""When a message is sent: in order per target, again after a failure, and given up only after a day of attempts."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import Message, MessageStatus, TargetOutage
from alerter.core.outbox import (
    MAX_ATTEMPTS,
    Delivery,
    TargetName,
    after_failure,
    after_manual_retry,
    after_success,
    claim,
    due_deliveries,
    is_news,
    is_on_call,
    missed_items,
    needs_digest,
    next_due_at,
    worst_of_each_subject,
)
from alerter.core.routes import ReceiverName, TargetId
from alerter.core.rules import Severity
from alerter.errors import DeliveryError
from tests.builders import NOON, a_delivery, a_key, an_alert, at, minutes, span


def _failed(
    delivery: Delivery, *, permanent: bool = False, retry_after: timedelta | None = None, clock: str = "12:00"
) -> Delivery:
    error = DeliveryError("timed out", permanent=permanent, retry_after=retry_after)
    return after_failure(delivery, error, now=at(clock))


_LATER = NOON + minutes(1)


def a_refused(number: int, *, next_attempt_at: datetime | None = None) -> Delivery:
    """Return a delivery that the target does not want as it is."""
    return replace(a_delivery(number, attempts=1, next_attempt_at=next_attempt_at), refused_at=NOON)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        pytest.param([], [], id="an empty outbox"),
        pytest.param([a_delivery(1)], [1], id="a new delivery is due at once"),
        pytest.param([a_delivery(1, next_attempt_at=_LATER)], [], id="one that waits is not due"),
        pytest.param([a_delivery(1, next_attempt_at=NOON + span("30m"))], [], id="the longest wait is one"),
        pytest.param([a_delivery(1, next_attempt_at=NOON + span("31m"))], [1], id="no wait is longer than the longest"),
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
        pytest.param(
            [a_refused(1, next_attempt_at=_LATER), a_delivery(2), a_delivery(3)],
            [2],
            id="nothing waits for a refused one",
        ),
        pytest.param([a_refused(1), a_delivery(2), a_refused(3)], [1, 2, 3], id="refused ones have times of their own"),
    ],
)
def test_of_each_target_the_oldest_waiting_delivery_is_due(waiting: list[Delivery], expected: list[int]) -> None:
    """The order is kept per target, and one dead target never delays another."""
    assert [delivery.id for delivery in due_deliveries(waiting, now=NOON)] == expected


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
    ready = due_deliveries(waiting, now=NOON)

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


def test_what_is_being_tried_is_left_alone_for_a_while() -> None:
    """And it is counted who began to try it: the last one has the say."""
    tried = claim(a_delivery(), now=NOON)

    assert (tried.claim_count, tried.attempts, tried.is_waiting) == (1, 0, True)
    assert due_deliveries([tried], now=NOON + span("59s")) == []
    assert due_deliveries([tried], now=NOON + span("1m")) == [tried]


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


@pytest.mark.parametrize(
    ("error", "is_refused"),
    [
        pytest.param(DeliveryError("timed out"), False, id="no answer"),
        pytest.param(DeliveryError("answered 400", refused=True), True, id="the message is not wanted"),
        pytest.param(
            DeliveryError("answered 550", had_by=frozenset({"a1"})), True, id="one of several does not want it"
        ),
    ],
)
def test_what_is_refused_as_such_waits_as_long_and_holds_nothing_up(error: DeliveryError, is_refused: bool) -> None:  # noqa: FBT001 - a table
    """It is tried on the same schedule; who has it is known from then on, and it stays refused whatever comes next."""
    failed = after_failure(a_delivery(), error, now=NOON)
    again = after_failure(failed, DeliveryError("timed out", had_by=frozenset({"b2"})), now=_LATER)

    assert (failed.refused_at, failed.next_attempt_at) == (NOON if is_refused else None, NOON + span("15s"))
    assert failed.is_waiting
    assert (again.refused_at, again.had_by) == (failed.refused_at or _LATER, error.had_by | {"b2"})


def test_a_permanent_failure_is_not_repeated() -> None:
    """Where trying again cannot help, the delivery is dead at once."""
    dead = _failed(a_delivery(), permanent=True)

    assert (dead.dead_at, dead.attempts, dead.is_waiting) == (NOON, 1, False)


def test_a_delivery_is_given_up_after_a_day() -> None:
    """A target that fails all day costs one delivery, which is dead then, with its last error."""
    delivery, waits = a_delivery(), []
    while delivery.is_waiting:
        waits.append(delivery.next_attempt_at)
        delivery = after_failure(delivery, DeliveryError("timed out"), now=delivery.next_attempt_at)

    assert delivery.dead_at is not None
    assert span("24h") < delivery.dead_at - NOON < span("24h30m")
    assert delivery.attempts == MAX_ATTEMPTS == len(waits)
    assert all(before < after for before, after in pairwise(waits))
    assert delivery.last_error == "timed out"


def test_a_service_that_was_stopped_for_days_gives_nothing_up() -> None:
    """Retries are counted, not hours: the first failure after a long stop is followed by more attempts."""
    old = a_delivery(attempts=1, created_at=NOON - span("3d"))

    assert _failed(old).is_waiting


def test_a_person_may_ask_for_another_attempt() -> None:
    """A delivery that was given up is due at once, has one attempt, and is given up again if that fails."""
    dead = replace(a_delivery(attempts=MAX_ATTEMPTS), dead_at=at("11:00"), last_error="timed out")

    asked = after_manual_retry(dead, now=NOON)

    assert (asked.is_waiting, asked.next_attempt_at, asked.attempts) == (True, NOON, MAX_ATTEMPTS)
    assert due_deliveries([asked], now=NOON) == [asked]
    assert _failed(asked).dead_at == NOON
    assert after_success(asked, now=NOON).sent_at == NOON


def test_a_person_may_cut_a_wait_short() -> None:
    """A delivery that waits for its next attempt is due at once, and goes on as before if that fails."""
    waiting = _failed(a_delivery(attempts=4), clock="11:50")

    asked = after_manual_retry(waiting, now=NOON)

    assert (waiting.next_attempt_at, asked.next_attempt_at) == (at("12:20"), NOON)
    assert _failed(asked).next_attempt_at == NOON + span("30m")


def test_what_was_sent_is_not_sent_again() -> None:
    """A request for what has arrived changes nothing."""
    sent = after_success(a_delivery(), now=at("11:00"))

    assert after_manual_retry(sent, now=NOON) == sent


_LONG_AGO = NOON - minutes(61)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        pytest.param([], False, id="an empty outbox"),
        pytest.param([a_delivery(1, attempts=6, created_at=_LONG_AGO)], False, id="one message goes out as it is"),
        pytest.param(
            [a_delivery(2), a_delivery(1, attempts=6, created_at=_LONG_AGO)], True, id="several, failing for an hour"
        ),
        pytest.param(
            [a_delivery(1, attempts=6, created_at=NOON - minutes(60)), a_delivery(2)], False, id="not for an hour yet"
        ),
        pytest.param(
            [a_delivery(1, created_at=_LONG_AGO), a_delivery(2, created_at=_LONG_AGO)],
            False,
            id="a service that was stopped has missed nothing of the target's",
        ),
    ],
)
def test_a_target_that_comes_back_after_an_hour_gets_a_digest(waiting: list[Delivery], expected: bool) -> None:  # noqa: FBT001 - a table
    """It missed several messages and has failed: then one message is kinder than all of them."""
    assert needs_digest(waiting, now=NOON) is expected


def _message(number: int, *alerts: Alert) -> Message:
    return Message(
        id=f"m{number}",
        receiver=ReceiverName("secops"),
        status=MessageStatus.WARNING,
        title=f"title {number}",
        bodies={},
        created_at=NOON,
        alert_ids=tuple(alert.key.id for alert in alerts),
    )


def _alert(reason: str, state: AlertState = AlertState.FIRING, *, severity: str = "warning", ended: str = "") -> Alert:
    return an_alert(state, key=a_key(reason=reason, severity=Severity(severity)), resolved_at=ended)


def _over(reason: str, ended: str, *, severity: str = "warning") -> Alert:
    return _alert(reason, AlertState.INACTIVE, severity=severity, ended=ended)


def test_what_was_missed_stands_in_its_order() -> None:
    """The oldest first, in whatever order they are found, with why the oldest of them failed."""
    waiting = [
        a_delivery(2, created_at=at("10:30")),
        replace(a_delivery(1, attempts=5, created_at=at("10:05")), last_error="timed out"),
    ]

    missed = missed_items(waiting, [_message(2), _message(1)], [])

    assert [message.id for message in missed.messages] == ["m1", "m2"]
    assert (missed.target, missed.since, missed.error) == ("secops/slack", at("10:05"), "timed out")


def test_what_became_of_what_was_missed_is_what_is_true_now() -> None:
    """Of a subject that fires its highest alert counts; of one that is over, each that fired; of no other, nothing."""
    notified = [_alert("Spam"), _over("Virus", "11:10"), _over("Graymail", "11:20"), _over("Pending", "")]
    now = [*notified, _alert("Spam", severity="critical"), _over("Spam", "11:00", severity="info"), _alert("Other")]

    missed = missed_items([a_delivery(1)], [_message(1, *notified, now[-2])], now)

    assert missed.firing == (_alert("Spam", severity="critical"),)
    assert missed.over == (_over("Graymail", "11:20"), _over("Virus", "11:10"))


def test_of_what_fires_the_worst_comes_first() -> None:
    """By its level, then by how many messages are held."""
    low, high = replace(_alert("Low"), value=101), replace(_alert("High"), value=900)

    assert worst_of_each_subject([low, high, _alert("Worst", severity="critical"), _over("Gone", "11:00")]) == (
        _alert("Worst", severity="critical"), high, low,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("since", "notified", "expected"),
    [
        pytest.param("11:30", None, True, id="for half an hour"),
        pytest.param("11:31", None, False, id="not for half an hour yet"),
        pytest.param("09:00", (), False, id="it was told, be it to nobody"),
        pytest.param("12:10", None, False, id="begun on a clock that was ahead"),
    ],
)
def test_that_a_target_cannot_be_reached_is_news_after_half_an_hour(
    since: str,
    notified: tuple[ReceiverName, ...] | None,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    """Once."""
    outage = TargetOutage(
        target="secops/slack", target_id=TargetId("secops/slack"), since=at(since), error="timed out", notified=notified
    )

    assert is_news(outage, now=NOON) is expected


@pytest.mark.parametrize(
    ("target", "keeps"),
    [
        ("secops/pagerduty", True),
        ("secops/opsgenie-2", True),
        ("secops/pagerduty#9f2c01", True),
        ("pagerduty/slack", False),
        ("secops/slack", False),
    ],
)
def test_an_on_call_service_is_known_by_the_name_of_its_target(target: str, *, keeps: bool) -> None:
    """The scheme stands in it, whatever the receiver is called."""
    assert is_on_call(TargetName(target)) == keeps
