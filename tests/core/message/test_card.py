"""One alert in detail."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from alerter.core.conditions import Evidence
from alerter.core.message.content import (
    Link,
)
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import NotifyReason
from alerter.core.rules import RuleName, Severity
from alerter.core.series import Sample, Tenant
from alerter.errors import Cause
from tests.core.message.words import (
    CONSOLE,
    CONTEXT,
    ENDED,
    FIRING,
    MINUTE,
    MSP,
    NO_DATA,
    NOON,
    OLD,
    SEEN_AGAIN,
    SILENCE,
    TOTAL,
    a_growth,
    a_key,
    a_notice,
    a_threshold,
    at_tenants,
    drafted,
    facts,
    words,
)


def test_a_card_holds_the_numbers_behind_an_alert() -> None:
    """The value, what it was and when, the limit and since when stand in the card."""
    alert = replace(FIRING, evidence=(a_threshold(512, limit="above 200"), a_growth(512, 120)))

    card = drafted(a_notice(alert)).cards[0]

    assert card.badge == "CRITICAL"
    assert words(card.heading) == "512 held for {Impersonation} ({acme}), above 200, up 392 in 1h"
    assert words(card.reference) == "rule {Backlog} · id ea0aac55 · acknowledge: alerter ack ea0aac55"
    assert facts(card) == {
        "Before": "120 at 12:00 BST, 1h earlier (+392, +327 %)",
        "Limit": "above 200; +50 within 1h",
        "Since": "12:50 BST (10m ago)",
    }


def test_growth_from_nothing_has_no_percentage() -> None:
    """There is no percentage of zero."""
    card = drafted(a_notice(replace(FIRING, evidence=(a_growth(60, 0),)))).cards[0]

    assert facts(card)["Before"] == "0 at 12:00 BST, 1h earlier (+60)"


def test_an_unknown_count_is_called_so() -> None:
    """An alert that never saw a count does not show one."""
    card = drafted(
        a_notice(replace(FIRING, value=None, evidence=(Evidence(condition="threshold", limit_text=""),)))
    ).cards[0]

    assert words(card.heading) == "an unknown number held for {Impersonation} ({acme})"


def test_a_count_that_is_not_of_now_tells_its_age() -> None:
    """After failed polls the newest known count is shown with the time at which it was counted."""
    alert = replace(FIRING, evidence=(a_threshold(512, at=NOON - 25 * MINUTE),), keep_firing_since=NOON - 2 * MINUTE)

    card = drafted(a_notice(alert)).cards[0]

    assert facts(card)["Counted"] == "12:35 BST (25m ago)"
    assert facts(card)["Ending"] == "clear since 12:58 BST (2m ago)"


def test_an_alert_that_begins_now_needs_no_age() -> None:
    """`0s ago` would say nothing."""
    card = drafted(a_notice(replace(FIRING, active_at=NOON))).cards[0]

    assert facts(card)["Since"] == "13:00 BST"


def test_a_note_of_a_condition_is_shown_as_data() -> None:
    """What a condition adds is not trusted to be free of Mimecast's text."""
    alert = replace(FIRING, evidence=(replace(a_threshold(512), detail="odd <data>"),))

    assert facts(drafted(a_notice(alert)).cards[0])["Note"] == "{odd <data>}"


def test_a_resolved_card_holds_duration_and_peak() -> None:
    """The end of an alert tells how long it lasted and how bad it was."""
    card = drafted(a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.CRITICAL)).cards[0]

    assert (card.badge, words(card.heading)) == (
        "Resolved after 1h 35m",
        "120 held for {Impersonation} ({acme}), peak 1,512",
    )
    assert facts(card) == {
        "Limit": "above 500, clears at 400",
        "Peak": "1,512 messages",
        "Lasted": "1h 35m, 11:25 BST to 13:00 BST",
    }


def test_a_no_data_card_says_why_and_what_to_do() -> None:
    """A tenant that cannot be polled comes with the cause, the advice and a warning about its other counts."""
    card = drafted(a_notice(NO_DATA)).cards[0]

    assert words(card.heading) == "no data from Mimecast for 25m ({acme}), API keys refused"
    assert facts(card) == {
        "Last successful poll": "12:35 BST (25m ago)",
        "Cause": "{wrong keys: HTTP 401}",
        "Limit": "no data for 15m",
    }
    assert [words(note) for note in card.notes] == [
        f"What to do: {Cause.WRONG_KEYS.advice}",
        "Until then {acme}'s counts may be old, and none of its other alerts can fire or resolve.",
    ]


@pytest.mark.parametrize(
    ("note", "cause"),
    [
        pytest.param("something else", {"Cause": "{something else}"}, id="a note without a known cause is shown whole"),
        pytest.param("", {}, id="no note is no fact"),
    ],
)
def test_a_no_data_card_without_advice(note: str, cause: dict[str, str]) -> None:
    """A note of a form that is not known is shown, or left out, but never misread."""
    alert = replace(NO_DATA, evidence=(Evidence(condition="no_data", limit_text="", detail=note),))

    card = drafted(a_notice(alert)).cards[0]

    assert facts(card) == {"Last successful poll": "never", **cause}
    assert len(card.notes) == 1


def test_the_end_of_no_data_needs_no_advice() -> None:
    """Once polls work there is nothing to do."""
    card = drafted(a_notice(SEEN_AGAIN, NotifyReason.RESOLVED)).cards[0]

    assert facts(card) == {"Lasted": "50m, 12:10 BST to 13:00 BST"}
    assert card.notes == ()


def test_an_unknown_condition_is_taken_to_be_about_held_messages() -> None:
    """A condition that was stored by another version does not break the message."""
    evidence = replace(a_growth(512, 400), condition="weather", limit_text="above 9")
    alert = replace(FIRING, evidence=(evidence,))

    assert words(drafted(a_notice(alert)).title).endswith("({acme}), above 9")


_SIX_HOURS_AGO = Sample(NOON - 360 * MINUTE, 300)
EXPECTATIONS = [
    pytest.param(
        Evidence(
            condition="forecast",
            limit_text="above 800, or on the way there within 4h at the pace of the last 6h",
            value=Sample(NOON, 512),
            reference=_SIX_HOURS_AGO,
            expected=Sample(NOON + 240 * MINUTE, 850),
            headline="heading for 850 in 4h",
        ),
        "heading for 850 in 4h",
        {
            "Before": "300 at 07:00 BST, 6h earlier (+212, +71 %)",
            "Forecast": "850 at 17:00 BST, 4h later (+338)",
            "Limit": "above 800, or on the way there within 4h at the pace of the last 6h",
        },
        id="a forecast says where it leads, and until when",
    ),
    pytest.param(
        Evidence(
            condition="baseline",
            limit_text="above 140, the usual 100 and 4 times 10.0",
            value=Sample(NOON, 512),
            expected=Sample(NOON, 100),
            headline="usually 100 at this hour",
        ),
        "usually 100 at this hour",
        {
            "Usual": "100 at this hour of the week (+412 now)",
            "Limit": "above 140, the usual 100 and 4 times 10.0",
        },
        id="a baseline says what is usual",
    ),
    pytest.param(
        Evidence(
            condition="stagnant",
            limit_text="above 20 and never falling for 6h",
            value=Sample(NOON, 512),
            reference=_SIX_HOURS_AGO,
        ),
        "above 20 and never falling for 6h",
        {
            "Before": "300 at 07:00 BST, 6h earlier (+212, +71 %)",
            "Limit": "above 20 and never falling for 6h",
        },
        id="stagnation says since when",
    ),
    pytest.param(
        Evidence(
            condition="new_reason",
            limit_text="a hold reason's first held messages ever",
            value=Sample(NOON, 512),
            headline="a new hold reason",
        ),
        "a new hold reason",
        {"Limit": "a hold reason's first held messages ever"},
        id="a new reason says that it is one",
    ),
]


@pytest.mark.parametrize(("evidence", "because", "expected"), EXPECTATIONS)
def test_each_condition_says_what_it_reckoned_with(
    evidence: Evidence, because: str, expected: Mapping[str, str]
) -> None:
    """The headline says why in a few words; the card has both counts, both instants, and the limit."""
    found = drafted(a_notice(replace(FIRING, evidence=(evidence,))))

    assert words(found.title) == f"CRITICAL: 512 held for {{Impersonation}} ({{acme}}), {because}"
    assert facts(found.cards[0]) == {**expected, "Since": "12:50 BST (10m ago)"}


def test_links_lead_to_the_console_and_to_each_runbook_once() -> None:
    """What to do next stands at the end: the console, and what the rules say."""
    context = replace(
        CONTEXT,
        runbook_by_rule={
            RuleName("Backlog"): "https://wiki.example/backlog",
            RuleName("Surge"): "https://wiki.example/surge",
            RuleName("Slow"): "https://wiki.example/surge",
        },
    )
    items = [a_notice(replace(FIRING, key=a_key(rule=rule))) for rule in ("Backlog", "Surge", "Slow", "Bare")]

    assert [(words(link.label), link.url) for link in drafted(*items, context=context).links] == [
        ("Runbook: {Backlog}", "https://wiki.example/backlog"),
        ("Runbook: {Surge}", "https://wiki.example/surge"),
        ("Held mail", CONSOLE),
    ]


def test_a_single_runbook_needs_no_name() -> None:
    """With one rule there is no doubt whose runbook it is."""
    assert drafted(a_notice()).links[0] == Link(("Runbook",), "https://wiki.example/backlog")


@pytest.mark.parametrize("polling", [False, True])
def test_a_tenant_is_shown_with_its_labels(*, polling: bool) -> None:
    """Whoever has thousands of tenants knows them by customer and tier; of one without labels nothing is said."""
    alert = NO_DATA if polling else FIRING
    labels = {alert.key.tenant: {"customer": "Acme Ltd", "tier": "gold"}}

    notified = drafted(a_notice(alert), context=replace(CONTEXT, labels_by_tenant=labels))

    assert [(fact.label, words(fact.value)) for fact in notified.labels] == [("Customer", "{Acme Ltd · tier gold}")]
    assert drafted(a_notice(alert)).labels == ()


def test_a_runbook_that_is_no_web_page_is_shown_as_text() -> None:
    """A service refuses a whole message for one bad link, so that such a runbook is no link."""
    surge = replace(FIRING, key=a_key(rule="Surge"))

    notified = drafted(a_notice(surge), context=replace(CONTEXT, console_url=""))

    assert notified.links == ()
    assert facts(notified.cards[0])["Runbook"] == "{see the red folder}"


def test_a_firing_alert_without_a_beginning_has_no_since() -> None:
    """What is not known is left out."""
    alert = replace(FIRING, active_at=None, fired_at=None)

    assert "Since" not in facts(drafted(a_notice(alert)).cards[0])


def test_a_reminder_of_an_alert_without_data_says_since_when() -> None:
    """The count is that of the last successful poll, and nobody takes it for that of now."""
    context = replace(CONTEXT, poll_intervals={Tenant("acme"): 5 * MINUTE})
    item = a_notice(OLD, NotifyReason.REPEAT, notified=Severity.CRITICAL)

    titles = [words(drafted(item, context=context, now=NOON + minutes * MINUTE).title) for minutes in (10, 11)]

    assert "no data" not in titles[0]
    assert titles[1].endswith("; no data since 13:00 BST")


def test_a_reminder_keeps_its_numbers_in_the_card() -> None:
    """The card says what is still true, and the facts which reminder this is."""
    card = drafted(a_notice(OLD, NotifyReason.REPEAT, notified=Severity.CRITICAL, repeats=1)).cards[0]

    assert (card.badge, words(card.heading)) == (
        "Reminder 2",
        "512 held for {Impersonation} ({acme}), CRITICAL for 6h",
    )
    assert facts(card) == {
        "Limit": "above 500, clears at 400",
        "Since": "07:00 BST (6h ago)",
        "Reminder": "2, next in 16h",
    }


@pytest.mark.parametrize(
    ("mute", "note"),
    [
        pytest.param(SILENCE, "Silence {3 by anna} has just ended (until 13:00 BST): {maintenance}", id="a silence"),
        pytest.param(
            Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="bob", comment="calling them"),
            "The acknowledgement by {bob} has broken: {calling them}",
            id="an acknowledgement",
        ),
        pytest.param(
            Mute(kind=MuteKind.WINDOW, name="nights", until=NOON - 5 * MINUTE),
            "Mute window {nights} has just ended (until 12:55 BST)",
            id="a mute window",
        ),
        pytest.param(Mute(kind=MuteKind.NO_DATA, name="acme"), "Tenant {acme} can be polled again", id="missing data"),
        pytest.param(Mute(kind=MuteKind.TENANT, name="acme"), "Tenant {acme} is muted no longer", id="a muted tenant"),
        pytest.param(
            Mute(kind=MuteKind.SILENCE, name="3 by anna"), "Silence {3 by anna} has just ended", id="nothing more known"
        ),
    ],
)
def test_what_was_muted_says_what_had_kept_it_quiet(mute: Mute, note: str) -> None:
    """Nobody wonders why an alert of this morning is told at noon."""
    assert words(drafted(a_notice(mute_ended=mute)).cards[0].notes[-1]) == note


def test_the_card_of_several_tenants_names_them() -> None:
    """The card has every tenant with its count, up to a dozen, and what they have in common."""
    context = replace(MSP, runbook_by_rule={RuleName("Backlog"): "see the red folder"})
    items = [replace(item, mute_ended=SILENCE) for item in at_tenants(14)]

    card = drafted(*items, context=context).cards[0]

    assert words(card.heading) == "{Impersonation} at 14 of 40 tenants: {t0} 512, {t1} 502, +12"
    assert words(card.reference).startswith("rule {Backlog} · ids ")
    assert facts(card) == {
        "Held": ", ".join(f"{{t{number}}} {512 - 10 * number}" for number in range(12)) + ", +2",
        "In all": "6,258 messages",
        "Limit": "above 500, clears at 400",
        "Since": "12:50 BST (10m ago) at the first",
        "Runbook": "{see the red folder}",
    }
    assert [words(note) for note in card.notes] == [
        "Silence {3 by anna} has just ended (until 13:00 BST): {maintenance}"
    ]


def test_the_card_of_totals_at_several_tenants() -> None:
    """A rule on each tenant's sum has no reason to name."""
    card = drafted(*at_tenants(3, TOTAL)).cards[0]

    assert words(card.heading) == "the total at 3 tenants: {t0} 512, {t1} 502, {t2} 492"
    assert facts(card)["In all"] == "1,506 messages"


def test_the_card_of_several_tenants_without_data_says_what_to_do_once() -> None:
    """Each cause and each advice stands there once."""
    card = drafted(*at_tenants(3, NO_DATA), context=MSP).cards[0]

    assert words(card.heading) == "no data from Mimecast for 3 of 40 tenants ({t0}, {t1}, {t2}), API keys refused"
    assert facts(card) == {
        "Tenants": "{t0}, {t1}, {t2}",
        "Cause": "{wrong keys: HTTP 401}",
        "Limit": "no data for 15m",
        "Since": "12:50 BST (10m ago) at the first",
    }
    assert [words(note) for note in card.notes] == [
        f"What to do: {Cause.WRONG_KEYS.advice}",
        "Until then these tenants' counts may be old, and none of their other alerts can fire or resolve.",
    ]


def test_the_end_at_several_tenants_needs_little() -> None:
    """What differs between the tenants is left out, and what is not known as well."""
    unseen = replace(SEEN_AGAIN, active_at=None, evidence=(replace(NO_DATA.evidence[0], limit_text=""),))

    assert facts(drafted(*at_tenants(3, unseen, NotifyReason.RESOLVED)).cards[0]) == {"Tenants": "{t0}, {t1}, {t2}"}


def test_two_tenants_have_a_card_each() -> None:
    """Two alerts are easier to read one by one."""
    assert len(drafted(*at_tenants(2)).cards) == 2
