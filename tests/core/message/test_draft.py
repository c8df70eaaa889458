"""The content of a notification."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerter.core.message.content import MAX_CARDS, MAX_LINES, MAX_THREADS, MAX_TRIGGERED, EventAction, MessageStatus
from alerter.core.message.draft import build_dedup_key, compose_test_content
from alerter.core.notifications import NotifyReason
from alerter.core.rules import Severity
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
    """A message that tells of an alert and of an end looks like the alert."""
    assert drafted(a_notice(), a_notice(ENDED, NotifyReason.RESOLVED)).tone is MessageStatus.CRITICAL
    assert drafted(a_notice(ENDED, NotifyReason.RESOLVED)).tone is MessageStatus.RESOLVED


def test_a_storm_is_counted_not_listed() -> None:
    """Ten thousand alerts make a few cards and lines, and all of their ids."""
    notices = [a_notice(replace(FIRING, key=a_key(reason=f"reason {number}"))) for number in range(10_000)]

    storm = drafted(*notices)

    assert (len(storm.cards), len(storm.lines), storm.total) == (MAX_CARDS, MAX_LINES, 10_000)
    assert len(set(storm.alert_ids)) == 10_000


def test_the_id_depends_on_nothing_but_the_message() -> None:
    """A message that is planned again after a crash has the same id, and another message another one."""
    first = drafted(a_notice())

    assert first.id == drafted(a_notice()).id
    assert len(first.id) == 10
    assert first.id != drafted(a_notice(), now=NOON + timedelta(milliseconds=1)).id
    assert first.id != drafted(a_notice(NO_DATA)).id
    assert first.footer == f"alerter · 1 Jul 2026 13:00 BST · ref {first.id}"


def test_a_test_message_says_that_nothing_is_wrong() -> None:
    """`alerter test-notify` alarms nobody."""
    test = compose_test_content(SECOPS.name, CONTEXT, now=NOON)

    assert words(test.title) == "Test: alerter can reach {secops}"
    assert (test.tone, test.alert_ids, test.total) == (MessageStatus.INFO, (), 1)
    assert words(test.cards[0].subject) == "Nothing is wrong and nothing is to be done."
    assert [happening.action for happening in test.happenings] == [EventAction.OPEN, EventAction.CLOSE]
    assert len({happening.dedup_key for happening in test.happenings}) == 1


@pytest.mark.parametrize(
    ("suppressed", "notes"),
    [
        pytest.param(0, [], id="nothing was held back"),
        pytest.param(
            1,
            ["1 message was held back before this one: no more than 30 in an hour; its news is in this one."],
            id="one was held back",
        ),
        pytest.param(
            4,
            ["4 messages were held back before this one: no more than 30 in an hour; their news is in this one."],
            id="several were held back",
        ),
    ],
)
def test_a_message_says_how_many_were_held_back(suppressed: int, notes: list[str]) -> None:
    """The next message after a storm says what its receiver was spared."""
    assert [words(note) for note in drafted(a_notice(), suppressed=suppressed).notes] == notes


def test_what_several_tenants_share_stands_where_its_worst_stood() -> None:
    """The worst first: a group takes the place of its first alert, and everything else keeps its own."""
    worst = a_notice(replace(FIRING, key=a_key(reason="Spam"), value=9000))
    last = a_notice(replace(FIRING, key=a_key(reason="Bulk"), value=1))

    notified = drafted(worst, *at_tenants(5), last)

    assert [line.count for line in notified.lines] == [1, 5, 1]
    assert words(notified.title) == "CRITICAL: 7 alerts: {acme}, {t0}, {t1} and 3 more"


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


def test_what_begins_is_opened_and_what_ends_is_closed() -> None:
    """Under the same key, whatever the level: an on-call service opens and closes the same thing."""
    opened = drafted(a_notice(OTHER_LEVEL)).happenings[0]
    raised = drafted(a_notice(reason=NotifyReason.RAISED, notified=Severity.WARNING)).happenings[0]
    closed = drafted(a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.CRITICAL)).happenings[0]

    assert [each.action for each in (opened, raised, closed)] == [EventAction.OPEN, EventAction.OPEN, EventAction.CLOSE]
    assert [each.severity for each in (opened, raised)] == [Severity.WARNING, Severity.CRITICAL]
    assert {each.dedup_key for each in (opened, raised, closed)} == {build_dedup_key(FIRING.key.topic)}
    assert build_dedup_key(FIRING.key.topic) != build_dedup_key(NO_DATA.key.topic)
    assert build_dedup_key(FIRING.key.topic) == "alerter-af7b69614ea20adbd7ad3a47"


def test_a_storm_opens_the_worst_and_closes_everything() -> None:
    """An on-call service is not flooded, but nothing that was opened stays open."""
    keys = [a_key(reason=f"reason {number}") for number in range(2 * MAX_TRIGGERED)]
    firing = [a_notice(replace(FIRING, key=key)) for key in keys]
    ended = [a_notice(replace(ENDED, key=key), NotifyReason.RESOLVED, notified=Severity.CRITICAL) for key in keys]

    happenings = drafted(*firing, *ended).happenings

    assert [each.dedup_key for each in happenings[:MAX_TRIGGERED]] == [
        build_dedup_key(key.topic) for key in keys[:MAX_TRIGGERED]
    ]
    assert [each.action for each in happenings[MAX_TRIGGERED:]] == [EventAction.CLOSE] * len(keys)
