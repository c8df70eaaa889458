"""Messages about what could not be delivered, and where."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import (
    MAX_THREADS,
    EventAction,
    Format,
    Message,
    MessageStatus,
    Missed,
    TargetOutage,
    Untrusted,
)
from alerter.core.message.digest import (
    build_digest_message,
    build_fallback_message,
    build_reachable_message,
    build_unreachable_message,
)
from alerter.core.message.report import build_report_message
from alerter.core.message.sanitize import sanitize
from alerter.core.message.text import Room, fit
from alerter.core.notifications import NotifyReason
from alerter.core.review import TenantWeek, WeeklyReport, review_episodes
from alerter.core.routes import Receiver, ReceiverName, TargetId
from alerter.core.rules import Severity
from alerter.core.series import Span, Tenant
from tests.core.message.rendered import (
    CONTEXT,
    NOON,
    SECOPS,
    a_no_data_alert,
    an_alert,
    composed,
    is_within_limits,
    page_of,
    slack_blocks,
    slack_of,
    slack_texts,
    teams_texts,
)


def an_hour(clock: int, minute: int = 0) -> datetime:
    """Return an instant of noon's day."""
    return NOON.replace(hour=clock, minute=minute)


def ended(alert: Alert) -> Alert:
    """Return an alert that is over at half past eleven."""
    return replace(alert, state=AlertState.INACTIVE, value=3, active_at=None, resolved_at=an_hour(11, 30))


NASTY_ALERT = replace(an_alert("<!here> *x* `y`"), active_at=an_hour(9), fired_at=an_hour(9, 5))
FIRST = composed(NASTY_ALERT, now=an_hour(9, 5))
SECOND = replace(composed(an_alert("Spam"), a_no_data_alert(), now=an_hour(10)), threads=("m7",))
END = composed(ended(NASTY_ALERT), reason=NotifyReason.RESOLVED, now=an_hour(11, 30))
DEPUTY = Receiver(name=ReceiverName("mail"))


def missed(
    *messages: Message, firing: Sequence[Alert] = (), over: Sequence[Alert] = (), target: str = "secops/slack"
) -> Missed:
    """Return what was missed from five past nine on."""
    return Missed(
        target=target,
        since=an_hour(9, 5),
        error="Slack answered 404: no_service",
        messages=messages,
        firing=tuple(firing),
        over=tuple(over),
    )


ALL_MISSED = missed(FIRST, SECOND, END, firing=(an_alert("Spam"),), over=(ended(NASTY_ALERT),))


def digested(what: Missed = ALL_MISSED) -> Message:
    """Return the digest that a target gets at noon."""
    return build_digest_message(what, SECOPS, CONTEXT, now=NOON)


def test_a_digest_begins_with_what_fires_then_says_what_came_and_went() -> None:
    """What fires is told in full, what is over in a line, and then how much could not be delivered, and why."""
    message = digested()

    assert message.title == (
        "secops/slack works again (09:05\u201312:00 missed): "
        "1 still firing, CRITICAL 512 held for 'Spam' (acme), above 500"
    )
    text = message.bodies[Format.TEXT]
    fires, _, rest = text.partition("Came and went:\n")
    assert fires.startswith(f"{message.title}\n\nCRITICAL: 512 held for 'Spam' (acme), above 500\n  Limit  above 500\n")
    assert rest.startswith("  Over: '<!here> *x* `y`' (acme), peak 512, 09:05 to 11:30\n\n3 messages could not be ")
    assert "delivered from 09:05 to 12:00: Slack answered 404: no_service" in " ".join(rest.split())
    assert message.status is MessageStatus.CRITICAL
    assert slack_of(message)["attachments"][0]["color"] == "#c62828"


def test_every_format_of_a_digest_says_the_same() -> None:
    """And in none of them a name can mention or format anything."""
    message = digested()

    texts = (page_of(message).text, teams_texts(message), "\n".join(slack_texts(message)))
    assert all(each in text for text in texts for each in ("still firing", "Came and went", "peak 512, 09:05 to 11:30"))
    assert all(text.index("512 held for") < text.index("Came and went") < text.index("no_service") for text in texts)
    assert "<!here>" not in message.bodies[Format.SLACK]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        pytest.param(
            [ended(an_alert("A")), ended(an_alert("B"))], "nothing fires now, 2 alerts came and went", id="over"
        ),
        pytest.param([], "nothing fires now", id="nothing is known any more"),
    ],
)
def test_where_nothing_fires_any_more_a_digest_says_so(over: list[Alert], said: str) -> None:
    """It is green then, and closes what on-call services have open."""
    message = digested(missed(FIRST, END, over=over))

    assert message.title == f"secops/slack works again (09:05\u201312:00 missed): {said}"
    assert message.status is MessageStatus.RESOLVED
    assert [event.action for event in message.events] == [EventAction.RESOLVE] * len(over)
    is_within_limits(message)


def test_a_digest_opens_what_fires_and_closes_what_is_over() -> None:
    """Whatever the missed messages would have done to it."""
    message = digested()

    assert [(event.action, event.summary[:8]) for event in message.events] == [
        (EventAction.TRIGGER, "CRITICAL"),
        (EventAction.RESOLVE, "Resolved"),
    ]


def test_a_digest_has_the_tone_of_its_worst_alert() -> None:
    """A milder one that fires as well takes nothing from it."""
    mild = an_alert("Virus")
    firing = [an_alert("Spam"), replace(mild, key=replace(mild.key, severity=Severity.INFO))]

    assert digested(missed(FIRST, SECOND, firing=firing)).status == "critical"


def test_of_several_that_fire_a_digest_names_the_worst() -> None:
    """In its title; all of them follow."""
    firing = [a_no_data_alert(), an_alert("Spam"), an_alert("Virus")]

    message = digested(missed(FIRST, SECOND, firing=firing))

    assert "): 3 still firing, worst CRITICAL no data from Mimecast for" in message.title
    assert all(f"'{name}'" in message.bodies[Format.TEXT] for name in ("Spam", "Virus"))


@pytest.mark.parametrize("over", [0, 300])
def test_only_what_is_over_is_cut_from_a_digest(over: int) -> None:
    """Eighty alerts that fire are all named in every format, however much came and went; the rest is counted."""
    firing = [an_alert(f"Policy number {number:03} with a name of quite usual length") for number in range(80)]
    ends = [ended(an_alert(f"Gone {number}")) for number in range(over)]

    message = digested(missed(FIRST, SECOND, firing=firing, over=ends))

    is_within_limits(message)
    for body in message.bodies.values():
        assert all(f"number {number:03}" in body for number in range(80))
    assert ("more: alerter notifications" in message.bodies[Format.SLACK]) == bool(over)
    _, brief = fit(message, Room(title_bytes=250, body_bytes=2000))
    assert "number 000" in brief and "Gone" not in brief  # noqa: PT018 - two halves of one claim


def test_a_digest_has_an_id_of_its_own_that_stays() -> None:
    """Made again at the next attempt it is recognised; with one message more it is another."""
    message = digested()
    later = build_digest_message(ALL_MISSED, SECOPS, CONTEXT, now=NOON + timedelta(hours=1))

    assert message.id == later.id
    assert message.id not in {FIRST.id, SECOND.id, END.id}
    assert message.id != digested(missed(SECOND, END)).id
    assert message.created_at == NOON


def test_a_digest_tells_of_all_alerts_and_stays_in_their_threads() -> None:
    """Later mails answer messages that never arrived, and so does the digest: they still stand together."""
    message = digested()

    assert message.alert_ids == (an_alert("Spam").key.id, NASTY_ALERT.key.id)
    assert message.threads == (END.id, "m7", FIRST.id)
    assert len(digested(missed(*[replace(FIRST, id=f"m{n}") for n in range(60)])).threads) == MAX_THREADS


@pytest.mark.uncounted
@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250, "`<x>" * 250])
def test_the_digest_of_a_bad_day_fits(name: str) -> None:
    """Hundreds of alerts with absurd names: every limit is kept."""
    alerts = [an_alert(f"{name}{number}", tenant=f"{name}{number}", rule=name, note=name) for number in range(300)]

    message = digested(missed(*[FIRST] * 300, firing=alerts, over=[ended(alert) for alert in alerts], target=name))

    is_within_limits(message)
    assert slack_blocks(message)[-1]["type"] == "context"
    assert message.id in teams_texts(message)


def test_a_fallback_is_told_what_is_true_now_then_what_was_missed() -> None:
    """The title is no fresh warning: it says for whom it was, how late it is, and that it is over."""
    message = build_fallback_message(missed(FIRST, END, over=[ended(NASTY_ALERT)]), DEPUTY, CONTEXT, now=NOON)

    assert message.title.startswith("[for secops, 2h 55m late] Resolved after 2h 25m: 3 held for '<!here>")
    assert message.status is MessageStatus.RESOLVED
    text = message.bodies[Format.TEXT]
    assert " ".join(text.split()).startswith(
        f"{message.title} secops cannot be reached through secops/slack since 09:05 UTC (Slack answered 404: "
        "no_service). You get this as its fallback. Resolved after 2h 25m: 3 held for"
    )
    assert f"Missed:\n  11:30: {sanitize(Untrusted(END.title))}\n  09:05: {sanitize(Untrusted(FIRST.title))}\n" in text
    for each in (page_of(message).text, teams_texts(message), "\n".join(slack_texts(message))):
        assert each.index("You get this as its fallback.") < each.index("Missed") < each.index("09:05: ")
    assert (message.receiver, message.created_at) == (DEPUTY.name, NOON)
    assert message.threads == (END.id, FIRST.id)
    assert [event.action for event in message.events] == [EventAction.RESOLVE]


def test_a_fallback_is_told_what_still_fires() -> None:
    """With its numbers of now."""
    message = build_fallback_message(missed(FIRST, firing=[replace(NASTY_ALERT, value=900)]), DEPUTY, CONTEXT, now=NOON)

    assert message.title.startswith("[for secops, 2h 55m late] CRITICAL: 900 held")
    assert (message.status, [event.action for event in message.events]) == (
        MessageStatus.CRITICAL,
        [EventAction.TRIGGER],
    )


def test_what_nobody_knows_any_more_reaches_a_fallback_by_its_title() -> None:
    """After its rule and its alert have gone, what it said is better than nothing."""
    message = build_fallback_message(missed(FIRST), DEPUTY, CONTEXT, now=NOON)

    assert message.title == f"[for secops, 2h 55m late] {sanitize(Untrusted(FIRST.title))}"
    assert "You get this as its fallback." in message.bodies[Format.TEXT].replace("\n", " ")
    is_within_limits(message)


def test_a_weekly_report_reaches_a_fallback_with_what_it_says() -> None:
    """Its parts in every format, and its figures for programs; the newest, if several were missed."""
    day = timedelta(days=1)
    week = TenantWeek(tenant=Tenant("acme"), held=5, highest=(9, NOON), came=12, left=7, no_data=timedelta(hours=3))
    older, newer = (
        build_report_message(
            WeeklyReport(review=review_episodes((), Span(NOON - 7 * day, NOON)), tenants=(replace(week, held=held),)),
            ReceiverName("secops"), CONTEXT, id_=f"ref{held}", now=NOON,
        )
        for held in (4, 5)
    )  # fmt: skip

    message = build_fallback_message(missed(older, FIRST, newer), DEPUTY, CONTEXT, now=NOON)

    figures = json.loads(newer.bodies[Format.JSON])["report"]
    assert json.loads(message.bodies[Format.JSON])["report"] == figures
    assert (figures["held"], figures["tenants"][0]["no_data_seconds"]) == (5, 10800)
    for each in (
        message.bodies[Format.TEXT],
        page_of(message).text,
        teams_texts(message),
        "\n".join(slack_texts(message)),
    ):
        words = " ".join(each.split())
        assert "Held: 5 messages now; Highest 9 at 12:00; Came at least 12;" in words
        assert "No data: at 1 of 1 tenant; Without data acme for 3h" in words
    assert "ref5" not in message.bodies[Format.TEXT]
    is_within_limits(message)


def test_each_fallback_has_an_id_of_its_own_that_stays() -> None:
    """It depends on the messages, the target and the receiver, and on nothing else."""
    boss = Receiver(name=ReceiverName("boss"))
    ids = [
        build_fallback_message(missed(message, target=target), receiver, CONTEXT, now=NOON).id
        for message, receiver, target in (
            (FIRST, DEPUTY, "secops/slack"),
            (FIRST, boss, "secops/slack"),
            (FIRST, DEPUTY, "secops/teams"),
            (SECOND, DEPUTY, "secops/slack"),
        )
    ]

    again = build_fallback_message(missed(FIRST), DEPUTY, CONTEXT, now=NOON + timedelta(hours=1))
    assert len({FIRST.id, *ids}) == 5
    assert again.id == ids[0]


OUTAGE = TargetOutage(
    target="secops/slack",
    target_id=TargetId("secops/slack"),
    since=an_hour(10, 13),
    error="Slack answered 404: no_service",
)


def test_others_are_told_of_a_target_that_cannot_be_reached() -> None:
    """Which one, since when, why, how much waits for it, and what to do."""
    message = build_unreachable_message(DEPUTY.name, OUTAGE, 3, CONTEXT, now=NOON)

    assert message.title == (
        "secops/slack cannot be reached since 10:13: Slack answered 404: no_service; 3 notifications wait"
    )
    assert (message.receiver, message.status, message.alert_ids) == (DEPUTY.name, MessageStatus.WARNING, ())
    for body in (message.bodies[Format.TEXT], page_of(message).text, teams_texts(message)):
        assert "alerter test-notify secops" in body
        assert "more: alerter" not in body
    is_within_limits(message)
    assert [(event.action, event.severity) for event in message.events] == [(EventAction.TRIGGER, Severity.WARNING)]


@pytest.mark.parametrize(
    ("delivered", "waiting", "said"),
    [
        pytest.param(3, 0, "3 notifications delivered", id="all at once"),
        pytest.param(1, 1, "1 notification delivered, 1 more follows", id="one more"),
        pytest.param(1, 2, "1 notification delivered, 2 more follow", id="more"),
    ],
)
def test_they_are_told_when_it_is_back(delivered: int, waiting: int, said: str) -> None:
    """In the same thread, and what was opened is closed."""
    begun = build_unreachable_message(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))
    message = build_reachable_message(
        DEPUTY.name, OUTAGE, CONTEXT, delivered=delivered, waiting=waiting, now=an_hour(12, 4)
    )

    assert "1 notification waits" in begun.title
    assert message.title == f"secops/slack works again after 1h 51m; {said}"
    assert (message.status, message.threads) == (MessageStatus.RESOLVED, (begun.id,))
    assert [event.action for event in message.events] == [EventAction.RESOLVE]
    assert {event.dedup_key for event in (*begun.events, *message.events)} == {begun.events[0].dedup_key}


def test_a_digest_of_news_about_a_target_keeps_it() -> None:
    """A target that is back reads that another one was not reached, and what on-call services have open stays right."""
    begun = build_unreachable_message(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))
    end = build_reachable_message(DEPUTY.name, OUTAGE, CONTEXT, delivered=1, waiting=0, now=an_hour(11, 30))

    message = digested(missed(begun, end, target="mail/mailto"))

    assert "  11:00: secops/slack cannot be reached since 10:13" in message.bodies[Format.TEXT]
    assert [event.action for event in message.events] == [EventAction.RESOLVE]
    assert digested(missed(begun)).status is MessageStatus.WARNING
