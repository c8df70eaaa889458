"""The weekly report in words."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from alerter.core.message.content import Format, MessageStatus
from alerter.core.message.report import build_report_message, compose_report_content, weekly_report_id
from alerter.core.review import Episode, TenantWeek, WeeklyReport, review_episodes
from alerter.core.routes import ReceiverName
from alerter.core.rules import Severity
from alerter.core.series import ALL_REASONS, Span, Tenant
from tests.builders import NOON, a_key
from tests.messages import CONTEXT

HOUR = timedelta(hours=1)
WEEK = Span(NOON - timedelta(days=7), NOON)
SECOPS = ReceiverName("secops")


def a_week(tenant: str, *, held: int | None = 5, no_data: timedelta = timedelta(0)) -> TenantWeek:
    """Return the week of a tenant, whose highest count was nine at eleven."""
    highest = None if held is None else (9, NOON - HOUR)
    return TenantWeek(tenant=Tenant(tenant), held=held, highest=highest, came=12, left=7, no_data=no_data)


def episodes(number: int = 1, *, rule: str = "Backlog", reason: str = "Spam", over: bool = True) -> list[Episode]:
    """Return alerts of a rule, each of half an hour."""
    key = a_key(rule=rule, reason=reason)
    return [
        Episode(
            subject=key.subject,
            severity=Severity.WARNING,
            since=NOON - (each + 1) * HOUR,
            until=NOON - (each + 0.5) * HOUR if over else None,
            keys=frozenset({key}),
        )
        for each in range(number)
    ]


def text_of(weeks: Sequence[TenantWeek], began: Sequence[Episode] = (), *, firing: int = 0) -> str:
    """Return a report as plain text."""
    report = WeeklyReport(review=review_episodes(began, WEEK), tenants=tuple(weeks), firing=firing)
    return build_report_message(report, SECOPS, CONTEXT, id_="ref", now=NOON).bodies[Format.TEXT]


def test_a_week_in_which_all_was_well_says_so() -> None:
    """Every part is there, so that nobody wonders what a missing one means."""
    text = text_of([a_week("acme")])

    assert text.startswith("Weekly report: 0 alerts, 0 without action; 5 held now (acme)")
    assert "\nHeld: 5 messages now\n  Highest  9 at 11:00\n" in text
    assert "\nAlerts: none began\n" in text
    assert "\nData: complete: every tenant was polled\n" in text


def test_what_fires_since_before_the_week_is_said_also_if_nothing_began() -> None:
    """No news is not that all is well."""
    assert "Alerts: none began; 1 still fires" in text_of([a_week("acme")], firing=1)
    assert "Alerts: none began; 2 still fire" in text_of([a_week("acme")], firing=2)


def test_of_many_tenants_the_first_are_named_and_the_rest_is_counted() -> None:
    """Thousands of tenants are still one screen."""
    weeks = [a_week(f"t{number}", held=number, no_data=number * HOUR) for number in range(8)]

    text = text_of(weeks)

    assert "Most held  t7 7, t6 6, t5 5, t4 4, t3 3 and 2 more" in " ".join(text.split("\n"))
    assert "No data: at 7 of 8 tenants" in text
    assert "t7 for 7h, t6 for 6h, t5 for 5h, t4 for 4h, t3 for 3h and 2 more" in " ".join(text.split())


def test_a_row_of_nothing_is_left_out() -> None:
    """Where nothing is held, nobody holds most."""
    assert "Most held" not in text_of([a_week("acme", held=0), a_week("globex", held=0)])


def test_a_tenant_that_was_never_polled_is_named_as_that() -> None:
    """It has no highest count."""
    text = text_of([a_week("acme", held=None)])

    assert "Highest" not in text
    assert "Without data  acme never polled" in text


def test_the_rules_with_most_alerts_are_named() -> None:
    """The one that is worth an edit is first."""
    began = [each for number in range(7) for each in episodes(number + 1, rule=f"Rule {number}")]

    text = " ".join(text_of([a_week("acme"), a_week("globex")], began, firing=3).split())

    assert "Alerts: 28 began; 3 fire now" in text
    assert "Rule 6 7, Rule 5 6, Rule 4 5, Rule 3 4, Rule 2 3 and 2 more" in text
    assert "'Spam' (acme): 7 of rule Rule 6" in text


def test_a_sum_is_called_what_it_is() -> None:
    """No name of a hold reason is made up for it."""
    text = " ".join(text_of([a_week("acme")], episodes(2, reason=ALL_REASONS)).split())

    assert "Most often all hold reasons together: 2 of rule Backlog" in text


def test_an_alert_that_goes_on_has_lasted_until_now() -> None:
    """There is no median of what is not over."""
    text = " ".join(text_of([a_week("acme")], episodes(over=False), firing=1).split())

    assert "Lasted none is over yet, longest 1h" in text
    assert "Alerts: 1 began; 1 fires now" in text


def test_alerts_that_somebody_acted_on_are_no_warning() -> None:
    """The colour says whether there is something to do."""
    began = [replace(each, was_sent=True) for each in episodes()]
    acknowledged = [replace(each, acknowledged_at=each.since) for each in began]

    def status(found: Sequence[Episode]) -> MessageStatus:
        report = WeeklyReport(review=review_episodes(found, WEEK), tenants=(a_week("acme"),))
        return compose_report_content(report, SECOPS, CONTEXT, id_="ref", now=NOON).cards[1].status

    assert (status(began), status(acknowledged)) == (MessageStatus.WARNING, MessageStatus.INFO)


def test_the_id_of_a_report_is_that_of_its_receiver_and_day() -> None:
    """Another process that would send it finds it sent."""
    ids = {weekly_report_id(ReceiverName(name), day) for name in ("a", "b") for day in ("2026-03-02", "2026-03-09")}

    assert len(ids) == 4
    assert weekly_report_id(ReceiverName("a"), "2026-03-02") in ids
