"""Messages in every format, and that nothing in a hold reason's name can do anything."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from alerter.core.alerts import Alert
from alerter.core.conditions import Evidence
from alerter.core.message.content import (
    EventAction,
    Format,
    MessageStatus,
)
from alerter.core.message.digest import (
    build_unreachable_message,
)
from alerter.core.message.render import compose_test_message, short, with_present_events
from alerter.core.message.sanitize import ZERO_WIDTH_SPACE
from alerter.core.routes import Receiver, ReceiverName
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Sample
from tests.core.message.rendered import (
    CONTEXT,
    NASTY,
    NOON,
    SECOPS,
    a_no_data_alert,
    an_alert,
    composed,
    is_harmless,
    is_within_limits,
    names,
    page_of,
    slack_of,
    slack_texts,
    storm,
    teams_runs,
)
from tests.core.message.test_digest import DEPUTY, OUTAGE, SECOND, an_hour


def test_every_format_says_what_a_forecast_reckons_with() -> None:
    """Plain text, mail, Slack and Teams carry the same numbers, both instants, and the limit."""
    evidence = Evidence(
        condition="forecast",
        limit_text="above 800, or on the way there within 4h at the pace of the last 6h",
        value=Sample(NOON, 512),
        reference=Sample(NOON - timedelta(hours=6), 300),
        expected=Sample(NOON + timedelta(hours=4), 850),
        headline="heading for 850 in 4h",
    )

    message = composed(replace(an_alert(), evidence=(evidence,)))

    assert message.title == "CRITICAL: 512 held for 'Impersonation' (acme), heading for 850 in 4h"
    for text in (
        " ".join(message.bodies[Format.TEXT].split()),
        page_of(message).text,
        "".join(slack_texts(message)),
        "".join(teams_runs(json.loads(message.bodies[Format.TEAMS]))),
    ):
        assert "300 at 06:00 UTC, 6h earlier (+212, +71 %)" in text
        assert "850 at 16:00 UTC, 4h later (+338)" in text
        assert "above 800, or on the way there within 4h at the pace of the last 6h" in text


def test_a_test_message_is_complete() -> None:
    """`alerter test-notify` sends what an alert would look like, in every format."""
    message = compose_test_message(SECOPS, CONTEXT, now=NOON)

    assert (message.title, message.status) == (
        "Test: alerter can reach 'secops'. Nothing is wrong.",
        MessageStatus.INFO,
    )
    assert set(message.bodies) == set(Format) - {Format.BRIEF, Format.CHART}
    assert all(message.id in body for body in message.bodies.values())


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_is_only_text(name: str) -> None:
    """No name mentions anybody, opens a link, breaks a layout, or adds a header to a mail."""
    is_harmless(composed(an_alert(name)), name)


@settings(max_examples=60)
@given(name=names, tenant=names, detail=names)
def test_no_text_breaks_anything(name: str, tenant: str, detail: str) -> None:
    """Whatever a name is made of, it is text, and the message stays within what services take."""
    one = composed(an_alert(name, tenant=tenant, note=detail))
    several = composed(a_no_data_alert(tenant, detail), *[an_alert(name, tenant=tenant, rule=detail)] * 40)

    is_harmless(one, name)
    is_within_limits(one)
    is_within_limits(several)


@pytest.mark.uncounted
@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250, "👩\u200d💻" * 300])
def test_ten_thousand_alerts_fit(name: str) -> None:
    """A storm of alerts with absurd names is still one message that every service takes."""
    alerts = [an_alert(f"{name}{number}", tenant=name, rule=name, note=name) for number in range(10_000)]

    message = composed(a_no_data_alert(name, name), *alerts)

    is_within_limits(message)
    assert len(message.alert_ids) == 10_001
    assert "more: alerter alerts" in "".join(teams_runs(json.loads(message.bodies[Format.TEAMS])))


def test_a_message_that_says_little_is_not_cut() -> None:
    """Slack and Teams get as many cards and lines as plain text does, where they fit."""
    message = composed(*(an_alert(f"reason {number}") for number in range(25)))

    assert all(f"reason {number}" in body for body in message.bodies.values() for number in (0, 24))
    assert ZERO_WIDTH_SPACE not in message.bodies[Format.TEXT]


SUPPRESSED = "4 notifications were suppressed before this one (at most 30 an hour); their news is in this one."


def test_every_format_says_how_many_were_suppressed() -> None:
    """A sentence about the message itself stands after its alerts, in every format."""
    message = composed(an_alert(), suppressed=4)

    assert SUPPRESSED in " ".join(message.bodies[Format.TEXT].split())
    assert SUPPRESSED in page_of(message).text
    assert SUPPRESSED in slack_texts(message)
    assert SUPPRESSED in teams_runs(json.loads(message.bodies[Format.TEAMS]))


def test_the_same_at_nine_tenants_is_one_card_in_every_format() -> None:
    """One card names all of the tenants, nothing is said to be left out, and the title is not said twice."""
    context = replace(CONTEXT, tenant_count=40)

    message = composed(*(an_alert(tenant=f"tenant{number}") for number in range(9)), context=context)

    assert message.title == ("CRITICAL: 'Impersonation' at 9 of 40 tenants: tenant0 512, tenant1 512, +7")
    assert all("tenant8" in body and "more: alerter" not in body for body in message.bodies.values())
    assert message.bodies[Format.TEXT].startswith(f"{message.title}\n\n  Held    tenant0 512, tenant1 512, ")


@pytest.mark.parametrize("name", ["🔥" * 1000, "&" * 1000, "a.b@" * 250])
def test_hundreds_of_tenants_with_absurd_names_fit(name: str) -> None:
    """The same at hundreds of tenants is still one message that every service takes."""
    alerts = [an_alert(f"{name}{number % 7}", tenant=f"{number}{name}", note=name) for number in range(700)]

    message = composed(*alerts, suppressed=1)

    is_within_limits(message)
    assert "more: alerter alerts" not in message.bodies[Format.TEXT]


def test_an_event_says_all_that_a_message_says_of_an_alert() -> None:
    """Where only one thing is opened for each alert, it has the title as its summary, and the numbers by name."""
    message = composed(an_alert(), an_alert("Spam"))

    [first, second] = message.events
    assert first.summary == "CRITICAL: 512 held for 'Impersonation' (acme), above 500"
    assert first.details == {
        "alert": an_alert().key.id,
        "held": "512",
        "limit": "above 500",
        "since": "11:50 UTC (10m ago)",
        "acknowledge": f"alerter ack {an_alert().key.id}",
        "ref": message.id,
    }
    assert first.links == (
        ("Runbook", "https://wiki.example/backlog"),
        ("Held mail", "https://login.example/held?a=1&b=2"),
    )
    assert (first.source, first.component, first.rule, first.group) == ("acme", "Impersonation", "Backlog", "acme")
    assert first.started_at == NOON
    assert (first.action, first.severity) == (EventAction.TRIGGER, Severity.CRITICAL)
    assert "Spam" in second.summary
    assert first.dedup_key != second.dedup_key


@pytest.mark.parametrize(
    ("alert", "title"),
    [
        pytest.param(
            replace(an_alert(), value=10**9, peak=10**9),
            "CRITICAL: 1,000,000,000 held for 'Impersonation' (acme), above 500",
            id="a thousand million messages",
        ),
        pytest.param(
            replace(an_alert(), value=1, evidence=(Evidence(condition="threshold", limit_text="above 0"),)),
            "CRITICAL: 1 held for 'Impersonation' (acme), above 0",
            id="a limit of nothing",
        ),
        pytest.param(
            replace(an_alert(), value=0, peak=0, evidence=(Evidence(condition="threshold", limit_text="below 5"),)),
            "CRITICAL: 0 held for 'Impersonation' (acme), below 5",
            id="too little",
        ),
        pytest.param(
            replace(an_alert(), value=None, peak=None, evidence=()),
            "CRITICAL: an unknown number held for 'Impersonation' (acme)",
            id="a count that nobody knows",
        ),
        pytest.param(an_alert(""), "CRITICAL: 512 held for '(blank)' (acme), above 500", id="no reason"),
        pytest.param(
            an_alert("${X} @everyone"),
            "CRITICAL: 512 held for '${X} @\u200beveryone' (acme), above 500",
            id="words of others",
        ),
    ],
)
def test_odd_numbers_and_names_are_said_plainly(alert: Alert, title: str) -> None:
    """In every format, within its limits."""
    message = composed(alert)

    assert message.title == title
    is_within_limits(message)
    assert all(title in text for text in (message.bodies[Format.TEXT], slack_texts(message)[0]))


def test_an_event_about_a_sum_says_that_in_words() -> None:
    """An asterisk would say nothing to whoever is paged."""
    [event] = composed(an_alert(ALL_REASONS, tenant=ALL_TENANTS)).events

    assert (event.source, event.component, event.group) == ("all tenants", "all hold reasons", "all tenants")


def test_what_comes_late_opens_nothing_that_is_over() -> None:
    """A message that was overtaken by its own end closes what it would have opened."""
    late = with_present_events(SECOND, [an_alert("Spam")])
    about_a_target = build_unreachable_message(DEPUTY.name, OUTAGE, 1, CONTEXT, now=an_hour(11))

    assert [event.action for event in late.events] == [EventAction.TRIGGER, EventAction.RESOLVE]
    assert with_present_events(about_a_target, []) == about_a_target


def test_a_short_form_is_plain_in_every_format() -> None:
    """Its title, how many there are, the ids of the worst, and what names it; no block, no card and no detail."""
    message = storm(15)

    plain = short(message)

    text = plain.bodies[Format.TEXT]
    ids = " ".join(message.alert_ids[:5])
    assert text == f"{message.title}\n15 alerts: 1 critical, 14 warning\nids {ids}\nref {message.id}"
    assert slack_of(plain) == {"text": text, "mrkdwn": False, "attachments": []}
    assert [each["inlines"][0]["text"] for each in json.loads(plain.bodies[Format.TEAMS])["body"]] == text.splitlines()
    assert "15 alerts: 1 critical" in plain.bodies[Format.HTML]
    assert [event.details for event in plain.events] == [{"ref": message.id}] * 15
    assert (plain.id, plain.title, plain.status) == (message.id, message.title, message.status)


def test_the_short_form_of_a_message_without_alerts_is_its_title() -> None:
    """As of a test."""
    message = compose_test_message(Receiver(name=ReceiverName("secops")), CONTEXT, now=NOON)

    assert short(message).bodies[Format.TEXT] == f"{message.title}\nref {message.id}"
