"""The first line of an alert, and the title of several."""

from dataclasses import replace

import pytest

from alerter.core.alerts import Alert
from alerter.core.conditions import Evidence
from alerter.core.mutes import Mute, MuteKind
from alerter.core.notifications import NotificationItem, NotifyReason
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, ALL_TENANTS
from alerter.errors import Cause
from tests.core.message.words import (
    ACKNOWLEDGED,
    ENDED,
    FIRING,
    MINUTE,
    MSP,
    NO_DATA,
    NOON,
    OLD,
    OTHER_LEVEL,
    SEEN_AGAIN,
    SILENCE,
    TOTAL,
    a_growth,
    a_key,
    a_notice,
    a_threshold,
    at_tenants,
    drafted,
    words,
)

TITLES = [
    pytest.param(
        a_notice(),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500",
        id="a first alert says how many are held, for what, whose, and the limit",
    ),
    pytest.param(
        a_notice(replace(FIRING, evidence=(a_threshold(512, limit="above 200"), a_growth(512, 120)))),
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 200, up 392 in 1h",
        id="every condition that must hold is named",
    ),
    pytest.param(
        a_notice(replace(FIRING, value=80, evidence=(a_growth(80, 120),))),
        "CRITICAL: 80 held for {Impersonation} ({acme}), down 40 in 1h",
        id="a count that went down since is said to have done so",
    ),
    pytest.param(
        a_notice(replace(FIRING, fired_at=NOON - MINUTE, value=450, evidence=(a_threshold(450),))),
        "CRITICAL: 450 held for {Impersonation} ({acme}), limit: above 500",
        id="an alert between its limit and clear_at is not said to be above the limit",
    ),
    pytest.param(
        a_notice(reason=NotifyReason.RAISED, notified=Severity.WARNING),
        "CRITICAL, was warning: 512 held for {Impersonation} ({acme}), above 500",
        id="a raised alert says from what to what",
    ),
    pytest.param(
        a_notice(OTHER_LEVEL, NotifyReason.LOWERED, notified=Severity.CRITICAL),
        "Better: 310 held for {Impersonation} ({acme}), down from 512; WARNING, still above 200",
        id="a lowered alert says from what to what",
    ),
    pytest.param(
        a_notice(reason=NotifyReason.REPEAT, notified=Severity.CRITICAL),
        "Reminder 1: 512 held for {Impersonation} ({acme}), CRITICAL for 10m",
        id="a reminder says that it is one, for how long, and when the next one comes",
    ),
    pytest.param(
        a_notice(OLD, NotifyReason.REPEAT, notified=Severity.CRITICAL, repeats=1),
        "Reminder 2: 512 held for {Impersonation} ({acme}), CRITICAL for 6h",
        id="reminders are counted, and come later and later",
    ),
    pytest.param(
        a_notice(replace(OLD, active_at=None, fired_at=None), NotifyReason.REPEAT),
        "Reminder: 512 held for {Impersonation} ({acme}), CRITICAL",
        id="a reminder does not make up what it does not know",
    ),
    pytest.param(
        a_notice(NO_DATA, NotifyReason.REPEAT, notified=Severity.CRITICAL, repeats=5),
        "Reminder 6: no data from Mimecast for 25m ({acme}), API keys refused, CRITICAL",
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
        a_notice(replace(FIRING, value=1240), NotifyReason.BROKEN, notified=Severity.CRITICAL, mute_ended=ACKNOWLEDGED),
        "CRITICAL again: 1,240 held for {Impersonation} ({acme}), twice as many as when {bob} acknowledged",
        id="an acknowledgement that breaks by a doubled count says so",
    ),
    pytest.param(
        a_notice(FIRING, NotifyReason.BROKEN, notified=Severity.CRITICAL, mute_ended=ACKNOWLEDGED),
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
        a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.CRITICAL),
        "Resolved after 1h 35m: 120 held for {Impersonation} ({acme}), peak 1,512",
        id="an end says how long it lasted, the present count and the peak",
    ),
    pytest.param(
        a_notice(replace(ENDED, value=30, peak=2), NotifyReason.RESOLVED, notified=Severity.CRITICAL),
        "Resolved after 1h 35m: 30 held for {Impersonation} ({acme}), lowest 2",
        id="where smaller is worse, the worst count is the lowest",
    ),
    pytest.param(
        a_notice(ENDED, NotifyReason.RESOLVED, notified=Severity.CRITICAL, still_firing=Severity.WARNING),
        "Better: 120 held for {Impersonation} ({acme}), down from 1,512; no longer critical, still warning",
        id="an end says at which level it goes on",
    ),
    pytest.param(
        a_notice(ENDED, NotifyReason.RESOLVED, still_firing=Severity.WARNING),
        "Better: 120 held for {Impersonation} ({acme}), down from 1,512; no longer critical, still warning",
        id="the level that ended is the alert's where nothing was told before",
    ),
    pytest.param(
        a_notice(replace(ENDED, resolved_because="rule removed"), NotifyReason.RESOLVED, notified=Severity.CRITICAL),
        "Resolved (rule removed): 120 held for {Impersonation} ({acme}), peak 1,512",
        id="an end without the count's doing says why",
    ),
    pytest.param(
        a_notice(replace(ENDED, value=None, peak=None, fired_at=None, evidence=()), NotifyReason.RESOLVED),
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
        a_notice(replace(NO_DATA, evidence=(replace(NO_DATA.evidence[0], last_success_at=None),))),
        "CRITICAL: no data from Mimecast yet ({acme}), API keys refused",
        id="a tenant that was never polled well says so",
    ),
    pytest.param(
        a_notice(SEEN_AGAIN, NotifyReason.RESOLVED),
        "Resolved after 50m: Mimecast answers again ({acme}), 731 held",
        id="the end of missing data says how long the outage was, and what is held",
    ),
    pytest.param(
        a_notice(replace(NO_DATA, resolved_at=NOON, resolved_because="rule removed"), NotifyReason.RESOLVED),
        "Resolved (rule removed): polling is no longer watched ({acme})",
        id="a removed rule about polling does not claim that Mimecast answers",
    ),
]


@pytest.mark.parametrize(("item", "title"), TITLES)
def test_the_title_is_one_line_that_works_as_a_push(item: NotificationItem, title: str) -> None:
    """Whoever reads only the title knows what happened, where, and how bad it is."""
    assert words(drafted(item).title) == title


SUMMARIES = [
    pytest.param(
        [
            a_notice(),
            a_notice(OTHER_LEVEL),
            a_notice(replace(FIRING, key=a_key(tenant="globex", severity=Severity.INFO))),
        ],
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; + 1 warning, 1 info",
        id="several new alerts: the worst, then the others by level",
    ),
    pytest.param(
        [a_notice(), a_notice()],
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; + 1 critical",
        id="all of one severity",
    ),
    pytest.param(
        [a_notice(), a_notice(ENDED, NotifyReason.RESOLVED)],
        "CRITICAL: 512 held for {Impersonation} ({acme}), above 500; + 1 resolved",
        id="what ended is counted apart",
    ),
    pytest.param(
        [a_notice(ENDED, NotifyReason.RESOLVED), a_notice(ENDED, NotifyReason.RESOLVED)],
        "Resolved: all 2 ({acme}), worst was 1,512 {Impersonation}",
        id="nothing but ends",
    ),
    pytest.param(
        [a_notice(replace(FIRING, key=a_key(tenant=f"t{number}", reason=f"r{number}"))) for number in range(5)],
        "CRITICAL: 512 held for {r0} ({t0}), above 500; + 4 critical",
        id="many tenants are counted",
    ),
]


@pytest.mark.parametrize(("items", "title"), SUMMARIES)
def test_several_alerts_share_one_title(items: list[NotificationItem], title: str) -> None:
    """One message about several alerts names the one most worth reading, and says how many more there are."""
    assert words(drafted(*items).title) == title


def test_a_title_for_tenants_without_data_has_a_cause_where_it_is_the_same_for_all() -> None:
    """Of several causes the message says which; the title has no room for them."""
    *alike, other = at_tenants(3, NO_DATA)
    evidence = (replace(NO_DATA.evidence[0], detail=f"{Cause.DNS}: no such host. {Cause.DNS.advice}"),)

    assert words(drafted(*alike, other, context=MSP).title).endswith("({t0}, {t1}, {t2}), API keys refused")
    mixed = replace(other, alert=replace(other.alert, evidence=evidence))
    assert words(drafted(*alike, mixed, context=MSP).title).endswith("({t0}, {t1}, {t2})")


@pytest.mark.parametrize(
    ("alert", "reason", "title"),
    [
        pytest.param(
            FIRING,
            NotifyReason.FIRST,
            "CRITICAL: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, +7",
            id="the same reason",
        ),
        pytest.param(
            FIRING,
            NotifyReason.RAISED,
            "CRITICAL, was lower: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, +7",
            id="raised",
        ),
        pytest.param(
            FIRING,
            NotifyReason.LOWERED,
            "Better: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, +7; CRITICAL",
            id="lowered",
        ),
        pytest.param(
            FIRING,
            NotifyReason.REPEAT,
            "Reminder: {Impersonation} at 9 of 40 tenants: {t0} 512, {t1} 502, +7, CRITICAL",
            id="repeated",
        ),
        pytest.param(
            ENDED,
            NotifyReason.RESOLVED,
            "Resolved: {Impersonation} at 9 of 40 tenants: {t0} 120, {t1} 110, +7",
            id="resolved",
        ),
        pytest.param(
            replace(ENDED, resolved_because="rule removed"),
            NotifyReason.RESOLVED,
            "Resolved (rule removed): {Impersonation} at 9 of 40 tenants: {t0} 120, {t1} 110, +7",
            id="the rule is gone",
        ),
        pytest.param(
            TOTAL,
            NotifyReason.FIRST,
            "CRITICAL: the total at 9 of 40 tenants: {t0} 512, {t1} 502, +7",
            id="totals",
        ),
        pytest.param(
            replace(FIRING, value=None),
            NotifyReason.FIRST,
            "CRITICAL: {Impersonation} at 9 of 40 tenants: {t0} unknown, {t1} unknown, +7",
            id="counts that nobody knows",
        ),
        pytest.param(
            NO_DATA,
            NotifyReason.FIRST,
            "CRITICAL: no data from Mimecast for 9 of 40 tenants ({t0}, {t1}, +7), API keys refused",
            id="missing data",
        ),
        pytest.param(
            NO_DATA,
            NotifyReason.REPEAT,
            "Reminder: no data from Mimecast for 9 of 40 tenants ({t0}, {t1}, +7), API keys refused, CRITICAL",
            id="missing data that lasts",
        ),
        pytest.param(
            SEEN_AGAIN,
            NotifyReason.RESOLVED,
            "Resolved: Mimecast answers again for 9 of 40 tenants ({t0}, {t1}, +7)",
            id="the end of missing data",
        ),
        pytest.param(
            replace(SEEN_AGAIN, resolved_because="rule removed"),
            NotifyReason.RESOLVED,
            "Resolved (rule removed): polling is no longer watched for 9 of 40 tenants ({t0}, {t1}, +7)",
            id="a removed rule about polling",
        ),
    ],
)
def test_the_same_at_several_tenants_is_told_once(alert: Alert, reason: NotifyReason, title: str) -> None:
    """Whoever looks after forty tenants reads one line that says at how many of them, and where most is held."""
    notified = drafted(*at_tenants(9, alert, reason), context=MSP)

    assert words(notified.title) == title
    assert (len(notified.cards), len(notified.lines), notified.lines[0].count, notified.total) == (1, 1, 9, 9)
    assert len(notified.alert_ids) == len(notified.events) == 9


def test_a_level_that_goes_on_is_told_once_for_several_tenants() -> None:
    """Where the topic goes on at another level, all of the tenants' does."""
    items = [replace(item, still_firing=Severity.WARNING) for item in at_tenants(3, ENDED, NotifyReason.RESOLVED)]

    assert words(drafted(*items).title).startswith("Better: {Impersonation} at 3")


def test_a_better_level_says_whether_its_limit_is_still_passed() -> None:
    """A count between `clear_at` and the limit is not above it; what compares with its past has no such limit."""

    def title(evidence: Evidence) -> str:
        alert = replace(OTHER_LEVEL, evidence=(evidence,))
        return words(drafted(a_notice(alert, NotifyReason.LOWERED, notified=Severity.CRITICAL)).title)

    assert title(a_threshold(210, limit="above 200, clears at 150")).endswith("; WARNING, still above 200")
    assert title(a_threshold(180, limit="above 200, clears at 150")).endswith("; WARNING, limit: above 200")
    assert title(a_threshold(9, limit="below 20")).endswith("; WARNING, still below 20")
    assert title(a_growth(310, 120)).endswith("; WARNING, +50 within 1h")
    assert title(Evidence(condition="threshold", limit_text="")).endswith("; WARNING")
    assert title(Evidence(condition="threshold", limit_text="above 9")).endswith("; WARNING, limit: above 9")


def test_only_reminders_and_only_ends_name_missing_data_as_what_it_is() -> None:
    """There is no count to name."""
    reminders = [a_notice(alert, NotifyReason.REPEAT, notified=Severity.CRITICAL) for alert in (NO_DATA, OTHER_LEVEL)]

    assert words(drafted(*reminders).title) == (
        "Reminder: 2 still firing ({acme}), worst CRITICAL no data from Mimecast"
    )
