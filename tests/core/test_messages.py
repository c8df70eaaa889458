"""What messages say: the words, before any format."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerter.core.alerts import Alert, AlertKey, AlertState
from alerter.core.conditions import Operands
from alerter.core.messages import (
    CARDS,
    LINES,
    OPENED,
    THREADS,
    Card,
    Context,
    Data,
    Draft,
    EventAction,
    Link,
    Phrase,
    Tone,
    dedup_key_of,
    draft,
    draft_test,
)
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import Notice, Notification, NotifyReason, Receiver, ReceiverName, Told
from alerter.core.rules import RuleName, Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS, HoldReason, Sample, Tenant
from alerter.errors import Cause

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONSOLE = "https://login.example/held"
CONTEXT = Context(
    timezone=ZoneInfo("Europe/London"),
    console_url=CONSOLE,
    runbook_by_rule={RuleName("Backlog"): "https://wiki.example/backlog", RuleName("Surge"): "see the red folder"},
)
SECOPS = Receiver(name=ReceiverName("secops"))
MINUTE = timedelta(minutes=1)


def words(phrase: Phrase) -> str:
    """Return a phrase as one string, with what is not ours in braces."""
    return "".join(f"{{{part.text}}}" if isinstance(part, Data) else part for part in phrase)


def facts(card: Card) -> dict[str, str]:
    """Return a card's facts by their labels."""
    return {fact.label: words(fact.value) for fact in card.facts}


def a_threshold(value: int, *, at: datetime = NOON, limit: str = "above 500, clears at 400") -> Operands:
    """Return what a threshold compared."""
    return Operands(condition="threshold", limit=limit, value=Sample(at, value))


def a_growth(value: int, before: int) -> Operands:
    """Return what a growth over an hour compared."""
    return Operands(
        condition="growth",
        limit="+50 within 1h",
        value=Sample(NOON, value),
        reference=Sample(NOON - 60 * MINUTE, before),
    )


def a_key(
    *,
    rule: str = "Backlog",
    severity: Severity = Severity.CRITICAL,
    tenant: str = "acme",
    reason: str = "Impersonation",
) -> AlertKey:
    """Return the identity of an alert."""
    return AlertKey(rule=RuleName(rule), severity=severity, tenant=Tenant(tenant), reason=HoldReason(reason))


FIRING = Alert(
    key=a_key(),
    state=AlertState.FIRING,
    value=512,
    peak=512,
    active_at=NOON - 10 * MINUTE,
    fired_at=NOON,
    operands=(a_threshold(512),),
)
ENDED = replace(
    FIRING,
    state=AlertState.INACTIVE,
    value=120,
    peak=1512,
    active_at=None,
    fired_at=NOON - 95 * MINUTE,
    resolved_at=NOON,
    operands=(a_threshold(120),),
)
NO_DATA = replace(
    FIRING,
    key=a_key(rule="No data", reason=ALL_REASONS),
    value=None,
    peak=None,
    operands=(
        Operands(
            condition="no_data",
            limit="no good poll for 15m",
            last_good_at=NOON - 25 * MINUTE,
            note=f"{Cause.WRONG_KEYS}: HTTP 401. {Cause.WRONG_KEYS.advice}",
        ),
    ),
)
#: It was told 35 minutes ago that nothing had been seen for a quarter of an hour.
SEEN_AGAIN = replace(
    NO_DATA,
    state=AlertState.INACTIVE,
    value=731,
    fired_at=NOON - 35 * MINUTE,
    resolved_at=NOON,
    operands=(replace(NO_DATA.operands[0], last_good_at=NOON - 50 * MINUTE, note=""),),
)


def a_notice(
    alert: Alert = FIRING,
    reason: NotifyReason = NotifyReason.FIRST,
    *,
    told: Severity | None = None,
    still_firing: Severity | None = None,
    repeats: int = 0,
    thread: str = "",
    mute_ended: Mute | None = None,
) -> Notice:
    """Return a notice about an alert, of which the receiver may have been told before."""
    before = None
    if told is not None:
        before = Told(
            topic=alert.key.topic,
            receiver=SECOPS.name,
            severity=told,
            state=AlertState.FIRING,
            at=NOON - 30 * MINUTE,
            repeats=repeats,
            thread=thread,
        )
    return Notice(reason=reason, alert=alert, told_before=before, still_firing=still_firing, mute_ended=mute_ended)


def drafted(*notices: Notice, context: Context = CONTEXT, held_back: int = 0, now: datetime = NOON) -> Draft:
    """Return the words for notices, the worst first."""
    return draft(Notification(receiver=SECOPS, notices=notices, held_back=held_back), context, now=now)


OLD = replace(FIRING, active_at=NOON - 360 * MINUTE, fired_at=NOON - 350 * MINUTE)
ACKNOWLEDGED = Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="bob", comment="calling them", count=600)
SILENCE = Mute(kind=MuteKind.SILENCE, name="3 by anna", until=NOON, comment="maintenance")
OTHER_LEVEL = replace(
    FIRING, key=a_key(severity=Severity.WARNING), value=310, operands=(a_threshold(310, limit="above 200"),)
)
TITLES = [
    pytest.param(
        a_notice(),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500",
        id="a first alert says how many are held, for what, whose, and the limit",
    ),
    pytest.param(
        a_notice(replace(FIRING, operands=(a_threshold(512, limit="above 200"), a_growth(512, 120)))),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 200, up 392 in 1h",
        id="every condition that must hold is named",
    ),
    pytest.param(
        a_notice(replace(FIRING, value=80, operands=(a_growth(80, 120),))),
        "CRITICAL: 80 held for {Impersonation} ({acme}), down 40 in 1h",
        id="a count that went down since is said to have done so",
    ),
    pytest.param(
        a_notice(replace(FIRING, fired_at=NOON - MINUTE, value=450, operands=(a_threshold(450),))),
        "CRITICAL: 450 held for {Impersonation} ({acme}), limit: above 500",
        id="an alert between its limit and clear_at is not said to be above the limit",
    ),
    pytest.param(
        a_notice(reason=NotifyReason.RAISED, told=Severity.WARNING),
        "CRITICAL, was warning: 512 held for {Impersonation} ({acme}), above 500",
        id="a raised alert says from what to what",
    ),
    pytest.param(
        a_notice(OTHER_LEVEL, NotifyReason.LOWERED, told=Severity.CRITICAL),
        "WARNING, was critical: 310 held for {Impersonation} ({acme}), above 200",
        id="a lowered alert says from what to what",
    ),
    pytest.param(
        a_notice(reason=NotifyReason.REPEAT, told=Severity.CRITICAL),
        "Reminder: CRITICAL, still 512 held for {Impersonation} ({acme}), for 10m; reminder 1, next in 8h",
        id="a reminder says that it is one, for how long, and when the next one comes",
    ),
    pytest.param(
        a_notice(OLD, NotifyReason.REPEAT, told=Severity.CRITICAL, repeats=1),
        "Reminder: CRITICAL, still 512 held for {Impersonation} ({acme}), for 6h; reminder 2, next in 16h",
        id="reminders are counted, and come later and later",
    ),
    pytest.param(
        a_notice(replace(OLD, active_at=None, fired_at=None), NotifyReason.REPEAT),
        "Reminder: CRITICAL, still 512 held for {Impersonation} ({acme})",
        id="a reminder does not make up what it does not know",
    ),
    pytest.param(
        a_notice(NO_DATA, NotifyReason.REPEAT, told=Severity.CRITICAL, repeats=5),
        "Reminder: CRITICAL, still no data from Mimecast for 25m ({acme}), API keys refused; reminder 6, next in 1d",
        id="a reminder of missing data says so, and comes at least daily",
    ),
    pytest.param(
        a_notice(mute_ended=SILENCE),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; silence ended",
        id="what a silence hid says that it has ended",
    ),
    pytest.param(
        a_notice(mute_ended=Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="bob")),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; acknowledgement broken",
        id="what breaks an acknowledgement says so",
    ),
    pytest.param(
        a_notice(replace(FIRING, value=1240), NotifyReason.BROKEN, told=Severity.CRITICAL, mute_ended=ACKNOWLEDGED),
        "CRITICAL again: 1,240 held for {Impersonation} ({acme}), twice as many as when {bob} acknowledged",
        id="an acknowledgement that breaks by a doubled count says so",
    ),
    pytest.param(
        a_notice(FIRING, NotifyReason.BROKEN, told=Severity.CRITICAL, mute_ended=ACKNOWLEDGED),
        "CRITICAL again: 512 held for {Impersonation} ({acme}), worse than when {bob} acknowledged",
        id="one that broke by a level of which the receiver does not hear, or whose count has fallen since",
    ),
    pytest.param(
        a_notice(mute_ended=Mute(kind=MuteKind.WINDOW, name="nights")),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; mute window ended",
        id="what a mute window hid says that it has ended",
    ),
    pytest.param(
        a_notice(mute_ended=Mute(kind=MuteKind.NO_DATA, name="acme")),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500",
        id="the end of missing data has a message of its own",
    ),
    pytest.param(
        a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.CRITICAL),
        "Resolved after 1h35m: 120 held for {Impersonation} ({acme}), peak 1,512",
        id="an end says how long it lasted, the present count and the peak",
    ),
    pytest.param(
        a_notice(replace(ENDED, value=30, peak=2), NotifyReason.RESOLVED, told=Severity.CRITICAL),
        "Resolved after 1h35m: 30 held for {Impersonation} ({acme}), lowest 2",
        id="where smaller is worse, the worst count is the lowest",
    ),
    pytest.param(
        a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.CRITICAL, still_firing=Severity.WARNING),
        "No longer critical, still firing as warning: 120 held for {Impersonation} ({acme}), peak 1,512",
        id="an end says at which level it goes on",
    ),
    pytest.param(
        a_notice(ENDED, NotifyReason.RESOLVED, still_firing=Severity.WARNING),
        "No longer critical, still firing as warning: 120 held for {Impersonation} ({acme}), peak 1,512",
        id="the level that ended is the alert's where nothing was told before",
    ),
    pytest.param(
        a_notice(replace(ENDED, resolution="rule removed"), NotifyReason.RESOLVED, told=Severity.CRITICAL),
        "Resolved (rule removed): 120 held for {Impersonation} ({acme}), peak 1,512",
        id="an end without the count's doing says why",
    ),
    pytest.param(
        a_notice(replace(ENDED, value=None, peak=None, fired_at=None, operands=()), NotifyReason.RESOLVED),
        "Resolved: an unknown number held for {Impersonation} ({acme})",
        id="what is not known is not made up",
    ),
    pytest.param(
        a_notice(replace(FIRING, key=a_key(tenant=ALL_TENANTS, reason=ALL_REASONS))),
        "CRITICAL: 512 held in total (all tenants), above 500",
        id="a sum is called a total",
    ),
    pytest.param(
        a_notice(NO_DATA),
        "CRITICAL: no data from Mimecast for 25m ({acme}), API keys refused",
        id="a tenant without data says since when nothing is known",
    ),
    pytest.param(
        a_notice(replace(NO_DATA, operands=(replace(NO_DATA.operands[0], last_good_at=None),))),
        "CRITICAL: no data from Mimecast yet ({acme}), API keys refused",
        id="a tenant that was never polled well says so",
    ),
    pytest.param(
        a_notice(SEEN_AGAIN, NotifyReason.RESOLVED),
        "Resolved after 50m: Mimecast answers again ({acme}), 731 held",
        id="the end of missing data says how long the outage was, and what is held",
    ),
    pytest.param(
        a_notice(replace(NO_DATA, resolved_at=NOON, resolution="rule removed"), NotifyReason.RESOLVED),
        "Resolved (rule removed): polling is no longer watched ({acme})",
        id="a removed rule about polling does not claim that Mimecast answers",
    ),
]


@pytest.mark.parametrize(("notice", "title"), TITLES)
def test_the_title_is_one_line_that_works_as_a_push(notice: Notice, title: str) -> None:
    """Whoever reads only the title knows what happened, where, and how bad it is."""
    assert words(drafted(notice).title) == title


def test_a_card_holds_the_numbers_behind_an_alert() -> None:
    """The value, what it was and when, the limit and since when stand in the card."""
    alert = replace(FIRING, operands=(a_threshold(512, limit="above 200"), a_growth(512, 120)))

    card = drafted(a_notice(alert)).cards[0]

    assert card.badge == "CRITICAL"
    assert words(card.heading) == "512 messages held, above 200, up 392 in 1h"
    assert words(card.subject) == "{Impersonation} · {acme} · rule {Backlog}"
    assert facts(card) == {
        "Before": "120 at 12:00 BST, 1h earlier (+392, +327 %)",
        "Limit": "above 200; +50 within 1h",
        "Since": "12:50 BST (10m ago)",
    }


def test_growth_from_nothing_has_no_percentage() -> None:
    """There is no percentage of zero."""
    card = drafted(a_notice(replace(FIRING, operands=(a_growth(60, 0),)))).cards[0]

    assert facts(card)["Before"] == "0 at 12:00 BST, 1h earlier (+60)"


def test_one_message_is_not_one_messages() -> None:
    """Plural forms are right."""
    card = drafted(a_notice(replace(FIRING, value=1, peak=2))).cards[0]

    assert words(card.heading) == "1 message held, above 500"
    assert facts(card)["Peak"] == "2 messages"


def test_an_unknown_count_is_called_so() -> None:
    """An alert that never saw a count does not show one."""
    card = drafted(a_notice(replace(FIRING, value=None, operands=(Operands(condition="threshold", limit=""),)))).cards[
        0
    ]

    assert words(card.heading) == "an unknown number of messages held"


def test_a_count_that_is_not_of_now_tells_its_age() -> None:
    """After failed polls the newest known count is shown with the time at which it was counted."""
    alert = replace(FIRING, operands=(a_threshold(512, at=NOON - 25 * MINUTE),), ending_since=NOON - 2 * MINUTE)

    card = drafted(a_notice(alert)).cards[0]

    assert facts(card)["Counted"] == "12:35 BST (25m ago)"
    assert facts(card)["Ending"] == "clear since 12:58 BST (2m ago)"


def test_an_alert_that_begins_now_needs_no_age() -> None:
    """`0s ago` would say nothing."""
    card = drafted(a_notice(replace(FIRING, active_at=NOON))).cards[0]

    assert facts(card)["Since"] == "13:00 BST"


def test_a_note_of_a_condition_is_shown_as_data() -> None:
    """What a condition adds is not trusted to be free of Mimecast's text."""
    alert = replace(FIRING, operands=(replace(a_threshold(512), note="odd <data>"),))

    assert facts(drafted(a_notice(alert)).cards[0])["Note"] == "{odd <data>}"


def test_a_resolved_card_holds_duration_and_peak() -> None:
    """The end of an alert tells how long it lasted and how bad it was."""
    card = drafted(a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.CRITICAL)).cards[0]

    assert (card.badge, words(card.heading)) == ("Resolved after 1h35m", "120 messages held")
    assert facts(card) == {
        "Limit": "above 500, clears at 400",
        "Peak": "1,512 messages",
        "Lasted": "1h35m, 11:25 BST to 13:00 BST",
    }


def test_a_no_data_card_says_why_and_what_to_do() -> None:
    """A tenant that cannot be polled comes with the cause, the advice and a warning about its other counts."""
    card = drafted(a_notice(NO_DATA)).cards[0]

    assert words(card.heading) == "no data from Mimecast for 25m ({acme}), API keys refused"
    assert words(card.subject) == "{acme} · rule {No data}"
    assert facts(card) == {
        "Last good poll": "12:35 BST (25m ago)",
        "Cause": "{wrong keys: HTTP 401}",
        "Limit": "no good poll for 15m",
    }
    assert [words(note) for note in card.notes] == [
        f"What to do: {Cause.WRONG_KEYS.advice}",
        "Until then this tenant's counts may be old, and none of its other alerts can fire or resolve.",
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
    alert = replace(NO_DATA, operands=(Operands(condition="no_data", limit="", note=note),))

    card = drafted(a_notice(alert)).cards[0]

    assert facts(card) == {"Last good poll": "never", **cause}
    assert len(card.notes) == 1


def test_the_end_of_no_data_needs_no_advice() -> None:
    """Once polls work there is nothing to do."""
    card = drafted(a_notice(SEEN_AGAIN, NotifyReason.RESOLVED)).cards[0]

    assert facts(card) == {"Lasted": "50m, 12:10 BST to 13:00 BST"}
    assert card.notes == ()


def test_an_unknown_condition_is_taken_to_be_about_held_messages() -> None:
    """A condition that was stored by another version does not break the message."""
    operands = replace(a_growth(512, 400), condition="weather", limit="above 9")
    alert = replace(FIRING, operands=(operands,))

    assert words(drafted(a_notice(alert)).title).endswith("({acme}), above 9")


_SIX_HOURS_AGO = Sample(NOON - 360 * MINUTE, 300)
EXPECTATIONS = [
    pytest.param(
        Operands(
            condition="forecast",
            limit="above 800, or on the way there within 4h at the pace of the last 6h",
            value=Sample(NOON, 512),
            reference=_SIX_HOURS_AGO,
            expected=Sample(NOON + 240 * MINUTE, 850),
            news="heading for 850 in 4h",
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
        Operands(
            condition="baseline",
            limit="above 140, the usual 100 and 4 times 10.0",
            value=Sample(NOON, 512),
            expected=Sample(NOON, 100),
            news="usually 100 at this hour",
        ),
        "usually 100 at this hour",
        {
            "Usual": "100 at this hour of the week (+412 now)",
            "Limit": "above 140, the usual 100 and 4 times 10.0",
        },
        id="a baseline says what is usual",
    ),
    pytest.param(
        Operands(
            condition="stagnant",
            limit="above 20 and never falling for 6h",
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
        Operands(
            condition="new_reason",
            limit="a hold reason's first held messages ever",
            value=Sample(NOON, 512),
            news="a new hold reason",
        ),
        "a new hold reason",
        {"Limit": "a hold reason's first held messages ever"},
        id="a new reason says that it is one",
    ),
]


@pytest.mark.parametrize(("operands", "because", "expected"), EXPECTATIONS)
def test_each_condition_says_what_it_reckoned_with(
    operands: Operands, because: str, expected: Mapping[str, str]
) -> None:
    """The headline says why in a few words; the card has both counts, both instants, and the limit."""
    found = drafted(a_notice(replace(FIRING, operands=(operands,))))

    assert words(found.title) == f"CRITICAL: 512 held for {{Impersonation}} ({{acme}}), {because}"
    assert facts(found.cards[0]) == {**expected, "Since": "12:50 BST (10m ago)"}


SUMMARIES = [
    pytest.param(
        [
            a_notice(),
            a_notice(OTHER_LEVEL),
            a_notice(replace(FIRING, key=a_key(tenant="globex", severity=Severity.INFO))),
        ],
        "CRITICAL: 3 alerts, 1 critical: {acme}, {globex}",
        id="several alerts: how many, how many of the worst, whose",
    ),
    pytest.param(
        [a_notice(), a_notice()], "CRITICAL: 2 alerts: {acme}", id="all of one severity need no second number"
    ),
    pytest.param(
        [a_notice(), a_notice(ENDED, NotifyReason.RESOLVED)],
        "CRITICAL: 1 alert, 1 resolved: {acme}",
        id="what ended is counted apart",
    ),
    pytest.param(
        [a_notice(ENDED, NotifyReason.RESOLVED), a_notice(ENDED, NotifyReason.RESOLVED)],
        "Resolved: 2 alerts: {acme}",
        id="nothing but ends",
    ),
    pytest.param(
        [a_notice(replace(FIRING, key=a_key(tenant=f"t{number}", reason=f"r{number}"))) for number in range(5)],
        "CRITICAL: 5 alerts: {t0}, {t1}, {t2} and 2 more",
        id="many tenants are counted",
    ),
]


@pytest.mark.parametrize(("notices", "title"), SUMMARIES)
def test_several_alerts_share_one_title(notices: list[Notice], title: str) -> None:
    """One message about several alerts says how many there are and how bad the worst is."""
    assert words(drafted(*notices).title) == title


def test_the_tone_is_that_of_the_worst() -> None:
    """A message that tells of an alert and of an end looks like the alert."""
    assert drafted(a_notice(), a_notice(ENDED, NotifyReason.RESOLVED)).tone is Tone.CRITICAL
    assert drafted(a_notice(ENDED, NotifyReason.RESOLVED)).tone is Tone.RESOLVED


def test_a_storm_is_counted_not_listed() -> None:
    """Ten thousand alerts make a few cards and lines, and all of their ids."""
    notices = [a_notice(replace(FIRING, key=a_key(reason=f"reason {number}"))) for number in range(10_000)]

    storm = drafted(*notices)

    assert (len(storm.cards), len(storm.lines), storm.total) == (CARDS, LINES, 10_000)
    assert len(set(storm.alert_ids)) == 10_000


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
    notices = [a_notice(replace(FIRING, key=a_key(rule=rule))) for rule in ("Backlog", "Surge", "Slow", "Bare")]

    assert [(words(link.label), link.url) for link in drafted(*notices, context=context).links] == [
        ("Held messages", CONSOLE),
        ("Runbook: {Backlog}", "https://wiki.example/backlog"),
        ("Runbook: {Surge}", "https://wiki.example/surge"),
    ]


def test_a_single_runbook_needs_no_name() -> None:
    """With one rule there is no doubt whose runbook it is."""
    assert drafted(a_notice()).links[-1] == Link(("Runbook",), "https://wiki.example/backlog")


@pytest.mark.parametrize("polling", [False, True])
def test_a_tenant_is_shown_with_its_labels(*, polling: bool) -> None:
    """Whoever has thousands of tenants knows them by customer and tier; of one without labels nothing is said."""
    alert = NO_DATA if polling else FIRING
    labels = {alert.key.tenant: {"customer": "Acme Ltd", "tier": "gold"}}

    told = drafted(a_notice(alert), context=replace(CONTEXT, labels_by_tenant=labels))

    assert facts(told.cards[0])["Tenant"] == "{customer Acme Ltd, tier gold}"
    assert "Tenant" not in facts(drafted(a_notice(alert)).cards[0])


def test_a_runbook_that_is_no_web_page_is_shown_as_text() -> None:
    """A service refuses a whole message for one bad link, so that such a runbook is no link."""
    surge = replace(FIRING, key=a_key(rule="Surge"))

    told = drafted(a_notice(surge), context=replace(CONTEXT, console_url=""))

    assert told.links == ()
    assert facts(told.cards[0])["Runbook"] == "{see the red folder}"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(NOON - 65 * MINUTE, "11:55 BST (1h5m ago)", id="today: the time"),
        pytest.param(NOON - timedelta(days=2, hours=3), "29 Jun 10:00 BST (2d3h ago)", id="another day: the date too"),
        pytest.param(datetime(2025, 12, 31, 12, tzinfo=UTC), "31 Dec 2025 12:00 GMT (182d ago)", id="another year too"),
        pytest.param(NOON - timedelta(minutes=59, seconds=50), "12:00 BST (1h ago)", id="ages are rounded"),
    ],
)
def test_times_are_those_of_the_reader(at: datetime, text: str) -> None:
    """Times are in the configured zone, with its abbreviation, and with the date unless it is today's."""
    assert facts(drafted(a_notice(replace(FIRING, active_at=at))).cards[0])["Since"] == text


def test_a_firing_alert_without_a_beginning_has_no_since() -> None:
    """What is not known is left out."""
    alert = replace(FIRING, active_at=None, fired_at=None)

    assert "Since" not in facts(drafted(a_notice(alert)).cards[0])


def test_a_span_that_a_clock_turned_round_is_nothing() -> None:
    """After the clock was set back a good poll may lie in the future."""
    alert = replace(NO_DATA, operands=(replace(NO_DATA.operands[0], last_good_at=NOON + MINUTE),))

    assert words(drafted(a_notice(alert)).title).startswith("CRITICAL: no data from Mimecast for 0s (")


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
    test = draft_test(SECOPS.name, CONTEXT, now=NOON)

    assert words(test.title) == "Test: alerter can reach {secops}"
    assert (test.tone, test.alert_ids, test.total) == (Tone.INFO, (), 1)
    assert words(test.cards[0].subject) == "Nothing is wrong and nothing is to be done."
    assert [happening.action for happening in test.happenings] == [EventAction.OPEN, EventAction.CLOSE]
    assert len({happening.dedup_key for happening in test.happenings}) == 1


def test_a_reminder_of_an_alert_without_data_says_since_when() -> None:
    """The count is that of the last good poll, and nobody takes it for that of now."""
    context = replace(CONTEXT, poll_intervals={Tenant("acme"): 5 * MINUTE})
    notice = a_notice(OLD, NotifyReason.REPEAT, told=Severity.CRITICAL)

    titles = [words(drafted(notice, context=context, now=NOON + minutes * MINUTE).title) for minutes in (10, 11)]

    assert "no data" not in titles[0]
    assert titles[1].endswith("; no data since 13:00 BST")


def test_a_reminder_keeps_its_numbers_in_the_card() -> None:
    """The card says what is still true, and the facts which reminder this is."""
    card = drafted(a_notice(OLD, NotifyReason.REPEAT, told=Severity.CRITICAL, repeats=1)).cards[0]

    assert (card.badge, words(card.heading)) == ("Reminder", "CRITICAL, still 512 messages held, limit: above 500")
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


@pytest.mark.parametrize(
    ("held_back", "notes"),
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
def test_a_message_says_how_many_were_held_back(held_back: int, notes: list[str]) -> None:
    """The next message after a storm says what its receiver was spared."""
    assert [words(note) for note in drafted(a_notice(), held_back=held_back).notes] == notes


def at_tenants(count: int, alert: Alert = FIRING, reason: NotifyReason = NotifyReason.FIRST) -> list[Notice]:
    """Return the same alert at so many tenants, each with ten messages fewer than the one before."""
    return [
        a_notice(
            replace(
                alert,
                key=replace(alert.key, tenant=Tenant(f"t{number}")),
                value=None if alert.value is None else alert.value - 10 * number,
            ),
            reason,
            told=None if reason is NotifyReason.FIRST else Severity.CRITICAL,
        )
        for number in range(count)
    ]


MSP = replace(CONTEXT, tenant_count=40)
TOTAL = replace(FIRING, key=a_key(reason=ALL_REASONS))


def test_a_title_for_tenants_without_data_has_a_cause_where_it_is_the_same_for_all() -> None:
    """Of several causes the message says which; the title has no room for them."""
    *alike, other = at_tenants(3, NO_DATA)
    operands = (replace(NO_DATA.operands[0], note=f"{Cause.DNS}: no such host. {Cause.DNS.advice}"),)

    assert words(drafted(*alike, other, context=MSP).title).endswith("({t0}, {t1}, {t2}), API keys refused")
    mixed = replace(other, alert=replace(other.alert, operands=operands))
    assert words(drafted(*alike, mixed, context=MSP).title).endswith("({t0}, {t1}, {t2})")


@pytest.mark.parametrize(
    ("alert", "reason", "title"),
    [
        pytest.param(
            FIRING,
            NotifyReason.FIRST,
            "CRITICAL: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, {t2} 492 and 6 more",
            id="the same reason",
        ),
        pytest.param(
            FIRING,
            NotifyReason.RAISED,
            "CRITICAL, was lower: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, {t2} 492 and 6 more",
            id="raised",
        ),
        pytest.param(
            FIRING,
            NotifyReason.LOWERED,
            "CRITICAL, was higher: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, {t2} 492 and 6 more",
            id="lowered",
        ),
        pytest.param(
            FIRING,
            NotifyReason.REPEAT,
            "Reminder: CRITICAL, still {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, {t2} 492 and 6 more",
            id="repeated",
        ),
        pytest.param(
            ENDED,
            NotifyReason.RESOLVED,
            "Resolved: {Impersonation} at 9 of 40 tenants: {t0} 120, {t1} 110, {t2} 100 and 6 more",
            id="resolved",
        ),
        pytest.param(
            replace(ENDED, resolution="rule removed"),
            NotifyReason.RESOLVED,
            "Resolved (rule removed): {Impersonation} at 9 of 40 tenants: {t0} 120, {t1} 110, {t2} 100 and 6 more",
            id="the rule is gone",
        ),
        pytest.param(
            TOTAL,
            NotifyReason.FIRST,
            "CRITICAL: the total at 9 of 40 tenants: {t0} 512, {t1} 502, {t2} 492 and 6 more",
            id="totals",
        ),
        pytest.param(
            replace(FIRING, value=None),
            NotifyReason.FIRST,
            "CRITICAL: {Impersonation} at 9 of 40 tenants: {t0} unknown, {t1} unknown, {t2} unknown and 6 more",
            id="counts that nobody knows",
        ),
        pytest.param(
            NO_DATA,
            NotifyReason.FIRST,
            "CRITICAL: no data from Mimecast for 9 of 40 tenants ({t0}, {t1}, {t2} and 6 more), API keys refused",
            id="missing data",
        ),
        pytest.param(
            NO_DATA,
            NotifyReason.REPEAT,
            "Reminder: CRITICAL, still no data from Mimecast for 9 of 40 tenants ({t0}, {t1}, {t2} and 6 more), "
            "API keys refused",
            id="missing data that lasts",
        ),
        pytest.param(
            SEEN_AGAIN,
            NotifyReason.RESOLVED,
            "Resolved: Mimecast answers again for 9 of 40 tenants ({t0}, {t1}, {t2} and 6 more)",
            id="the end of missing data",
        ),
        pytest.param(
            replace(SEEN_AGAIN, resolution="rule removed"),
            NotifyReason.RESOLVED,
            "Resolved (rule removed): polling is no longer watched for 9 of 40 tenants ({t0}, {t1}, {t2} and 6 more)",
            id="a removed rule about polling",
        ),
    ],
)
def test_the_same_at_several_tenants_is_told_once(alert: Alert, reason: NotifyReason, title: str) -> None:
    """Whoever looks after forty tenants reads one line that says at how many of them, and where most is held."""
    told = drafted(*at_tenants(9, alert, reason), context=MSP)

    assert words(told.title) == title
    assert (len(told.cards), len(told.lines), told.lines[0].count, told.total) == (1, 1, 9, 9)
    assert len(told.alert_ids) == len(told.happenings) == 9


def test_a_level_that_goes_on_is_told_once_for_several_tenants() -> None:
    """Where the topic goes on at another level, all of the tenants' does."""
    notices = [replace(notice, still_firing=Severity.WARNING) for notice in at_tenants(3, ENDED, NotifyReason.RESOLVED)]

    assert words(drafted(*notices).title).startswith(
        "No longer critical, still firing as warning: {Impersonation} at 3"
    )


def test_the_card_of_several_tenants_names_them() -> None:
    """The card has every tenant with its count, up to a dozen, and what they have in common."""
    context = replace(MSP, runbook_by_rule={RuleName("Backlog"): "see the red folder"})
    notices = [replace(notice, mute_ended=SILENCE) for notice in at_tenants(14)]

    card = drafted(*notices, context=context).cards[0]

    assert words(card.heading) == "the same reason at 14 of 40 tenants, 6,258 messages held"
    assert words(card.subject) == "{Impersonation} · 14 of 40 tenants · rule {Backlog}"
    assert facts(card) == {
        "Held": ", ".join(f"{{t{number}}} {512 - 10 * number}" for number in range(12)) + " and 2 more",
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

    assert words(card.heading) == "the same rule at 3 tenants, 1,506 messages held"
    assert words(card.subject) == "Totals of the hold reasons · 3 tenants · rule {Backlog}"


def test_the_card_of_several_tenants_without_data_says_what_to_do_once() -> None:
    """Each cause and each advice stands there once."""
    card = drafted(*at_tenants(3, NO_DATA), context=MSP).cards[0]

    assert words(card.heading) == "no data from Mimecast for 3 of 40 tenants"
    assert facts(card) == {
        "Tenants": "{t0}, {t1}, {t2}",
        "Cause": "{wrong keys: HTTP 401}",
        "Limit": "no good poll for 15m",
        "Since": "12:50 BST (10m ago) at the first",
    }
    assert [words(note) for note in card.notes] == [
        f"What to do: {Cause.WRONG_KEYS.advice}",
        "Until then these tenants' counts may be old, and none of their other alerts can fire or resolve.",
    ]


def test_the_end_at_several_tenants_needs_little() -> None:
    """What differs between the tenants is left out, and what is not known as well."""
    unseen = replace(SEEN_AGAIN, active_at=None, operands=(replace(NO_DATA.operands[0], limit=""),))

    assert facts(drafted(*at_tenants(3, unseen, NotifyReason.RESOLVED)).cards[0]) == {"Tenants": "{t0}, {t1}, {t2}"}


def test_two_tenants_have_a_card_each() -> None:
    """Two alerts are easier to read one by one."""
    assert len(drafted(*at_tenants(2)).cards) == 2


def test_what_several_tenants_share_stands_where_its_worst_stood() -> None:
    """The worst first: a group takes the place of its first alert, and everything else keeps its own."""
    worst = a_notice(replace(FIRING, key=a_key(reason="Spam"), value=9000))
    last = a_notice(replace(FIRING, key=a_key(reason="Bulk"), value=1))

    told = drafted(worst, *at_tenants(5), last)

    assert [line.count for line in told.lines] == [1, 5, 1]
    assert words(told.title) == "CRITICAL: 7 alerts: {acme}, {t0}, {t1} and 3 more"


def test_a_message_answers_the_first_ones_about_its_alerts() -> None:
    """Each thread once, the worst alert's first; an alert that is new begins its own."""
    threads = drafted(
        a_notice(reason=NotifyReason.RAISED, told=Severity.WARNING, thread="m1"),
        a_notice(told=Severity.WARNING, thread="of an earlier episode"),
        a_notice(reason=NotifyReason.REPEAT, told=Severity.WARNING),
        a_notice(),
        a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.WARNING, thread="m2"),
        a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.WARNING, thread="m1"),
    ).threads

    assert threads == ("m1", "m2")


def test_a_storm_of_ends_answers_some() -> None:
    """A header has its limits."""
    ends = [a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.WARNING, thread=f"m{n}") for n in range(50)]

    assert drafted(*ends).threads == tuple(f"m{n}" for n in range(THREADS))


def test_what_begins_is_opened_and_what_ends_is_closed() -> None:
    """Under the same key, whatever the level: an on-call service opens and closes the same thing."""
    opened = drafted(a_notice(OTHER_LEVEL)).happenings[0]
    raised = drafted(a_notice(reason=NotifyReason.RAISED, told=Severity.WARNING)).happenings[0]
    closed = drafted(a_notice(ENDED, NotifyReason.RESOLVED, told=Severity.CRITICAL)).happenings[0]

    assert [each.action for each in (opened, raised, closed)] == [EventAction.OPEN, EventAction.OPEN, EventAction.CLOSE]
    assert [each.severity for each in (opened, raised)] == [Severity.WARNING, Severity.CRITICAL]
    assert {each.dedup_key for each in (opened, raised, closed)} == {dedup_key_of(FIRING.key.topic)}
    assert dedup_key_of(FIRING.key.topic) != dedup_key_of(NO_DATA.key.topic)
    assert dedup_key_of(FIRING.key.topic) == "alerter-af7b69614ea20adbd7ad3a47"


def test_a_storm_opens_the_worst_and_closes_everything() -> None:
    """An on-call service is not flooded, but nothing that was opened stays open."""
    keys = [a_key(reason=f"reason {number}") for number in range(2 * OPENED)]
    firing = [a_notice(replace(FIRING, key=key)) for key in keys]
    ended = [a_notice(replace(ENDED, key=key), NotifyReason.RESOLVED, told=Severity.CRITICAL) for key in keys]

    happenings = drafted(*firing, *ended).happenings

    assert [each.dedup_key for each in happenings[:OPENED]] == [dedup_key_of(key.topic) for key in keys[:OPENED]]
    assert [each.action for each in happenings[OPENED:]] == [EventAction.CLOSE] * len(keys)
