"""The content of a notification."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.message.content import (
    MAX_CARDS,
    MAX_LINES,
    MAX_THREADS,
    MAX_TRIGGERED,
    EventAction,
    MessageContext,
    MessageStatus,
)
from alerter.core.message.draft import build_dedup_key, compose_test_content
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.rules import RuleName, Severity
from tests.core.message.words import (
    CONTEXT,
    ENDED,
    FIRING,
    NO_DATA,
    NOON,
    OTHER_LEVEL,
    SECOPS,
    a_key,
    a_notice,
    at_tenants,
    drafted,
    words,
)


def test_the_tone_is_that_of_the_worst() -> None:
    """A message about alerts of several severities is as the worst; one about an alert and an end is as the alert."""
    for items in ([a_notice(), a_notice(OTHER_LEVEL)], [a_notice(OTHER_LEVEL), a_notice()]):
        assert drafted(*items).status is MessageStatus.CRITICAL
    assert drafted(a_notice(), a_notice(ENDED, NotifyReason.RESOLVED)).status is MessageStatus.CRITICAL
    assert drafted(a_notice(ENDED, NotifyReason.RESOLVED)).status is MessageStatus.RESOLVED


def test_a_storm_is_counted_not_listed() -> None:
    """Ten thousand alerts make a few cards and lines, and all of their ids."""
    items = [a_notice(replace(FIRING, key=a_key(reason=f"reason {number}"))) for number in range(10_000)]

    storm = drafted(*items)

    assert (len(storm.cards), len(storm.lines), storm.total) == (MAX_CARDS, MAX_LINES, 10_000)
    assert len(set(storm.alert_ids)) == 10_000


def test_the_id_depends_on_nothing_but_the_message() -> None:
    """A message that is planned again after a crash has the same id, and another message another one."""
    first = drafted(a_notice())

    assert first.id == drafted(a_notice()).id
    assert len(first.id) == 10
    assert first.id != drafted(a_notice(), now=NOON + timedelta(milliseconds=1)).id
    assert first.id != drafted(a_notice(NO_DATA)).id
    assert [words(line) for line in first.footer] == [
        "id ea0aac55 · acknowledge: alerter ack ea0aac55",
        f"alerter · Wed 1 Jul 2026 13:00 BST · rule {{Backlog}} · ref {first.id}",
    ]


def test_a_test_message_says_that_nothing_is_wrong() -> None:
    """`alerter test-notify` alarms nobody."""
    test = compose_test_content(SECOPS, CONTEXT, now=NOON)

    assert words(test.title) == "Test: alerter can reach {secops}. Nothing is wrong."
    assert (test.status, test.alert_ids, test.total) == (MessageStatus.INFO, (), 1)
    assert [happening.action for happening in test.events] == [EventAction.TRIGGER, EventAction.RESOLVE]
    assert len({happening.dedup_key for happening in test.events}) == 1


@pytest.mark.parametrize(
    ("suppressed", "notes"),
    [
        pytest.param(0, [], id="nothing was suppressed"),
        pytest.param(
            1,
            ["1 notification was suppressed before this one (at most 30 an hour); its news is in this one."],
            id="one was suppressed",
        ),
        pytest.param(
            4,
            ["4 notifications were suppressed before this one (at most 30 an hour); their news is in this one."],
            id="several were suppressed",
        ),
    ],
)
def test_a_message_says_how_many_were_suppressed(suppressed: int, notes: list[str]) -> None:
    """The next message after a storm says what its receiver was spared."""
    assert [words(note) for note in drafted(a_notice(), suppressed=suppressed).notes] == notes


def test_what_several_tenants_share_stands_where_its_worst_stood() -> None:
    """The worst first: a group takes the place of its first alert, and everything else keeps its own."""
    worst = a_notice(replace(FIRING, key=a_key(reason="Spam"), value=9000))
    last = a_notice(replace(FIRING, key=a_key(reason="Bulk"), value=1))

    notified = drafted(worst, *at_tenants(5), last)

    assert [line.count for line in notified.lines] == [1, 5, 1]
    assert words(notified.title) == "CRITICAL: 9,000 held for {Spam} ({acme}), above 500; + 6 critical"


def test_a_message_answers_the_first_ones_about_its_alerts() -> None:
    """Each thread once, the worst alert's first; an alert that is new begins its own."""
    threads = drafted(
        a_notice(reason=NotifyReason.RAISED, notified=Severity.WARNING, thread="m1"),
        a_notice(notified=Severity.WARNING, thread="of an earlier episode"),
        a_notice(reason=NotifyReason.REPEAT, notified=Severity.WARNING),
        a_notice(),
        a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.WARNING, thread="m2"),
        a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.WARNING, thread="m1"),
    ).threads

    assert threads == ("m1", "m2")


def test_a_storm_of_ends_answers_some() -> None:
    """A header has its limits."""
    ends = [a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.WARNING, thread=f"m{n}") for n in range(50)]

    assert drafted(*ends).threads == tuple(f"m{n}" for n in range(MAX_THREADS))


LEVELS = replace(CONTEXT, levels_by_rule={RuleName("Backlog"): (Severity.INFO, Severity.WARNING, Severity.CRITICAL)})


def events_of(item: NotificationItem, *, context: MessageContext = CONTEXT) -> list[tuple[EventAction, Severity]]:
    """Return what an on-call service does, in its order, and under the key of which level."""
    level_by_key = {build_dedup_key(FIRING.key.subject, severity): severity for severity in Severity}
    return [(each.action, level_by_key[each.dedup_key]) for each in drafted(item, context=context).events]


def test_each_level_is_opened_under_a_key_of_its_own() -> None:
    """Whoever acknowledged the warning is paged again by the critical level, after which the warning is closed."""
    trigger, resolve = EventAction.TRIGGER, EventAction.RESOLVE

    assert events_of(a_notice(OTHER_LEVEL)) == [(trigger, Severity.WARNING)]
    assert events_of(a_notice(reason=NotifyReason.RAISED, notified=Severity.WARNING)) == [
        (trigger, Severity.CRITICAL),
        (resolve, Severity.WARNING),
    ]
    assert events_of(a_notice(OTHER_LEVEL, NotifyReason.LOWERED, notified=Severity.CRITICAL)) == [
        (trigger, Severity.WARNING),
        (resolve, Severity.CRITICAL),
    ]
    assert events_of(a_notice(reason=NotifyReason.REPEAT, notified=Severity.CRITICAL)) == [(trigger, Severity.CRITICAL)]


@pytest.mark.parametrize("still_firing", [None, Severity.INFO])
def test_an_end_closes_every_level_of_the_rule(still_firing: Severity | None) -> None:
    """Also one whose message was given up: nothing that was opened stays open."""
    ended = a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.CRITICAL, still_firing=still_firing)

    assert events_of(ended, context=LEVELS) == [(EventAction.RESOLVE, severity) for severity in Severity]
    assert events_of(ended) == [(EventAction.RESOLVE, Severity.CRITICAL)]
    assert events_of(a_notice(ENDED, NotifyReason.RESOLVED)) == [(EventAction.RESOLVE, Severity.CRITICAL)]


def test_the_key_of_an_alert_is_the_same_for_ever() -> None:
    """What one version has opened, the next one closes."""
    key = build_dedup_key(FIRING.key.subject, Severity.CRITICAL)

    assert key == "alerter-0a6f2668b8fb5a7a4a0b902f"
    assert key != build_dedup_key(NO_DATA.key.subject, Severity.CRITICAL)


def test_a_storm_opens_the_worst_and_closes_everything() -> None:
    """An on-call service is not flooded, but nothing that was opened stays open."""
    keys = [a_key(reason=f"reason {number}") for number in range(2 * MAX_TRIGGERED)]
    firing = [a_notice(replace(FIRING, key=key)) for key in keys]
    ended = [a_notice(replace(ENDED, key=key), NotifyReason.RESOLVED, notified=Severity.CRITICAL) for key in keys]

    events = drafted(*firing, *ended).events

    assert [each.dedup_key for each in events[:MAX_TRIGGERED]] == [
        build_dedup_key(key.subject, Severity.CRITICAL) for key in keys[:MAX_TRIGGERED]
    ]
    assert [each.action for each in events[MAX_TRIGGERED:]] == [EventAction.RESOLVE] * len(keys)
