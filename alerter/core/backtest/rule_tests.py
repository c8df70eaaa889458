"""Unit tests of rules: a history in a short notation, what is expected at some moments, and what was found instead.

The notation has one word per poll, oldest first:

    "0 0 120"       three polls that found 0, 0 and 120 messages
    "7x4"           7 in four polls
    "10 +5x3 -20"   10, then 15, 20, 25, then 5
    "10 _x2 30"     two polls failed in between

Whatever is expected is held against the live functions, in a replay of the history. No I/O: values in, values out.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Generic, TypeVar

from alerter.core.alerts import AlertKey, AlertState
from alerter.core.backtest.replay import ReplayConfig, ReplayStep, run_replay
from alerter.core.history import FailedPoll, TenantHistory, history_from_polls
from alerter.core.notifications import NotifyReason
from alerter.core.routes import ReceiverName
from alerter.core.series import HoldReason, Snapshot, Tenant

#: More polls than this are no unit test; ten years of polls every five minutes.
MAX_POLLS = 1_000_000

_WORD = re.compile(r"(?:(?P<gap>_)|(?P<sign>[+-]?)(?P<number>\d{1,15}))(?:x(?P<times>\d{1,7}))?", re.ASCII)


def parse_counts(notation: str) -> list[int | None]:
    """Return the count of each poll, oldest first; None for a poll that failed.

    Raises:
        ValueError: A word is none of the notation, or counts fall below zero.
    """
    counts: list[int | None] = []
    known = 0
    for word in notation.split():
        match = _WORD.fullmatch(word)
        if match is None or match["times"] == "0":
            raise ValueError(f"expected a number such as 120, +5, 7x4 or _, found {word!r}")
        times = int(match["times"] or 1)
        if len(counts) + times > MAX_POLLS:
            raise ValueError(f"expected at most {MAX_POLLS:,} polls, found more at {word!r}")
        for _ in range(times):
            known = known if match["gap"] else _next(known, match["sign"], int(match["number"]))
            if known < 0:
                raise ValueError(f"expected counts of 0 or more, found {known} at {word!r}")
            counts.append(None if match["gap"] else known)
    return counts


def _next(known: int, sign: str, number: int) -> int:
    return {"+": known + number, "-": known - number, "": number}[sign]


def history_from_counts(
    tenant: Tenant,
    counts_by_reason: Mapping[HoldReason, Sequence[int | None]],
    *,
    begin: datetime,
    poll_interval: timedelta,
    timezone: tzinfo,
) -> TenantHistory:
    """Return the history that counts in the notation make: a poll every `poll_interval` from `begin` on.

    Args:
        tenant: Whose.
        counts_by_reason: The counts of each reason; one that ends early stays as it was.
        begin: The first poll.
        poll_interval: How far apart polls are.
        timezone: Where the tenant's people work.

    Raises:
        ValueError: A poll failed for one reason and was good for another one.
    """
    length = max(map(len, counts_by_reason.values()), default=0)
    polls = [_poll(tenant, counts_by_reason, number, at=begin + number * poll_interval) for number in range(length)]
    return history_from_polls(tenant, polls, poll_interval=poll_interval, timezone=timezone)


def _poll(
    tenant: Tenant, counts_by_reason: Mapping[HoldReason, Sequence[int | None]], number: int, *, at: datetime
) -> Snapshot | FailedPoll:
    counts = {reason: counts[min(number, len(counts) - 1)] for reason, counts in counts_by_reason.items() if counts}
    failed = [reason for reason, count in counts.items() if count is None]
    good = {reason: count for reason, count in counts.items() if count is not None}
    if failed and good:
        raise ValueError(
            f"expected poll {number + 1} to have failed for all reasons of {tenant!r} or for none, "
            f"found that it did for {failed[0]!r} and not for {next(iter(good))!r}"
        )
    return FailedPoll(at=at) if failed else Snapshot(tenant=tenant, taken_at=at, counts=good)


@dataclass(frozen=True, slots=True, order=True)
class AlertRef:
    """An alert that is expected, or was found, in the words of the configuration."""

    rule: str
    severity: str
    tenant: str
    reason: str

    def __str__(self) -> str:
        return f"{self.severity} {self.rule!r} on {self.reason!r} of {self.tenant}"


@dataclass(frozen=True, slots=True, order=True)
class NotificationRef:
    """One alert that a receiver is notified of, or was expected to be, and why."""

    receiver: str
    why: str
    alert: AlertRef

    def __str__(self) -> str:
        return f"{self.receiver} is notified ({self.why}) of {self.alert}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must be so at a moment; None for what is not looked at.

    Attributes:
        at: The moment; a poll at it belongs to it.
        firing: Exactly the alerts that fire.
        pending: Exactly the alerts that are pending.
        notified: Exactly what receivers were notified of since the expectation before.
    """

    at: datetime
    firing: frozenset[AlertRef] | None = None
    pending: frozenset[AlertRef] | None = None
    notified: tuple[NotificationRef, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One test: a history, and what must be found in it.

    Attributes:
        name: In a sentence.
        tenants: What was polled.
        expectations: In the order of time.
    """

    name: str
    tenants: tuple[TenantHistory, ...]
    expectations: tuple[Expectation, ...]


Seen = TypeVar("Seen", AlertRef, NotificationRef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch(Generic[Seen]):
    """What was found where something else was expected.

    Attributes:
        at: When.
        what: What was looked at: "firing", "pending" or "notified".
        missing: What was expected and not found.
        unexpected: What was found and not expected.
        matched: What was both.
    """

    at: datetime
    what: str
    missing: tuple[Seen, ...]
    unexpected: tuple[Seen, ...]
    matched: tuple[Seen, ...]


AnyDifference = Mismatch[AlertRef] | Mismatch[NotificationRef]


def run_rule_test(scenario: RuleTest, alerting: ReplayConfig) -> Iterator[AnyDifference]:
    """Yield where what the rules find is not what the scenario expects, in the order of time."""
    moments = iter(run_replay(alerting, scenario.tenants))
    moment = next(moments, None)
    states: dict[AlertKey, AlertState] = {}
    for expectation in scenario.expectations:
        notified: list[NotificationRef] = []
        while moment is not None and moment.at <= expectation.at:
            states |= {transition.key: transition.to_state for transition in moment.transitions}
            notified += _notified(moment)
            moment = next(moments, None)
        yield from _compared(expectation, states, notified)


def _notified(moment: ReplayStep) -> Iterator[NotificationRef]:
    for notification in moment.notifications:
        for item in notification.items:
            yield _message(notification.receiver.name, item.reason, item.alert.key)


def _message(receiver: ReceiverName, why: NotifyReason, key: AlertKey) -> NotificationRef:
    return NotificationRef(receiver, str(why), _seen(key))


def _seen(key: AlertKey) -> AlertRef:
    return AlertRef(key.rule, str(key.severity), key.tenant, key.reason)


def _compared(
    expectation: Expectation, states: Mapping[AlertKey, AlertState], notified: Collection[NotificationRef]
) -> Iterator[AnyDifference]:
    for what, state, expected in (
        ("firing", AlertState.FIRING, expectation.firing),
        ("pending", AlertState.PENDING, expectation.pending),
    ):
        found = {_seen(key) for key, each in states.items() if each is state}
        if expected is not None and found != expected:
            yield _difference(expectation.at, what, expected, found)
    if expectation.notified is not None and Counter(notified) != Counter(expectation.notified):
        yield _difference(expectation.at, "notified", expectation.notified, notified)


def _difference(at: datetime, what: str, expected: Collection[Seen], found: Iterable[Seen]) -> Mismatch[Seen]:
    # Counted: a receiver may be reminded twice of the same.
    wanted, seen = Counter(expected), Counter(found)
    return Mismatch(
        at=at,
        what=what,
        missing=tuple(sorted((wanted - seen).elements())),
        unexpected=tuple(sorted((seen - wanted).elements())),
        matched=tuple(sorted((wanted & seen).elements())),
    )
