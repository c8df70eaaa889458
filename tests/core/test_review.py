"""How past alerts went, and what a week was like."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerter.core.alerts import AlertKey, AlertState, Transition
from alerter.core.review import (
    Episode,
    ReportSchedule,
    TenantWeek,
    WeeklyReport,
    build_episodes,
    most,
    review_episodes,
    summarize_episodes,
    tenant_week,
    with_reactions,
)
from alerter.core.rules import Severity
from alerter.core.series import Span, Tenant
from tests.builders import NOON, a_key, a_silence, a_tenant, an_alert, at, minutes, series

WARNING, CRITICAL = a_key(), a_key(severity=Severity.CRITICAL)
FIRING, INACTIVE = AlertState.FIRING, AlertState.INACTIVE
DAY = Span(at("00:00"), NOON)


def began(key: AlertKey, clock: str) -> Transition:
    """Return that an alert began to fire."""
    return Transition(key=key, at=at(clock), from_state=INACTIVE, to_state=FIRING, evidence=())


def ended(key: AlertKey, clock: str, *, note: str = "") -> Transition:
    """Return that an alert ended."""
    return Transition(key=key, at=at(clock), from_state=FIRING, to_state=INACTIVE, evidence=(), detail=note)


def an_episode(since: str = "10:00", until: str = "10:30", *, key: AlertKey = WARNING) -> Episode:
    """Return one time at which an alert fired; without an end it goes on."""
    return Episode(
        subject=key.subject,
        severity=key.severity,
        since=at(since),
        until=at(until) if until else None,
        keys=frozenset({key}),
    )


def reacted(
    *episodes: Episode, sent: Sequence[str] = (), acknowledged: Sequence[str] = (), silenced: str = ""
) -> list[Episode]:
    """Return episodes of the alert, with what was sent of it and what people did."""
    return with_reactions(
        episodes,
        sent_at={WARNING.id: [at(clock) for clock in sent]},
        acknowledgements={WARNING.subject: [at(clock) for clock in acknowledged]},
        silences=[a_silence(since=silenced, tenants=["acme"], labels={"tier": "gold"})] if silenced else [],
        labels_by_tenant={Tenant("acme"): {"tier": "gold"}},
    )


# episodes


def test_levels_that_fire_together_are_one_episode() -> None:
    """It begins with the first level, ends with the last one, and is as bad as the worst."""
    changes = [began(WARNING, "10:00"), began(CRITICAL, "10:10"), ended(WARNING, "10:20"), ended(CRITICAL, "10:40")]

    (episode,) = build_episodes(changes, ())

    assert (episode.since, episode.until, episode.severity) == (at("10:00"), at("10:40"), Severity.CRITICAL)
    assert episode.keys == {WARNING, CRITICAL}


def test_an_alert_that_comes_again_is_another_episode() -> None:
    """Each time counts; one that goes on has no end."""
    changes = [began(WARNING, "10:00"), ended(WARNING, "10:20"), began(WARNING, "11:00")]

    first, second = build_episodes(changes, [an_alert(key=WARNING)])

    assert (first.until, second.since, second.until) == (at("10:20"), at("11:00"), None)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([ended(WARNING, "10:20")], id="it ended in the span"),
        pytest.param([began(CRITICAL, "10:10"), ended(CRITICAL, "10:20")], id="a higher level came and went"),
        pytest.param([began(CRITICAL, "10:10"), ended(WARNING, "10:20")], id="a higher level took over"),
    ],
)
def test_what_began_before_the_span_is_no_episode_of_it(changes: list[Transition]) -> None:
    """It was counted in the span in which it began."""
    live = [] if any(each.key == WARNING for each in changes) else [an_alert(key=WARNING)]

    assert build_episodes(changes, live) == []


def test_what_a_removed_rule_ended_did_not_end_by_itself() -> None:
    """Its history says why it ended."""
    (episode,) = build_episodes([began(WARNING, "10:00"), ended(WARNING, "10:01", note="rule removed")], ())

    assert episode.ended_by_edit
    assert not episode.is_brief


# what people did


def test_a_message_an_acknowledgement_and_a_silence_belong_to_the_episode_in_which_they_fall() -> None:
    """What was done about an earlier time says nothing about this one."""
    earlier, later = reacted(
        an_episode("09:00", "09:30"),
        an_episode("10:00", "11:00"),
        sent=["10:00", "11:00"],
        acknowledged=["09:40", "10:20", "10:30"],
        silenced="10:40",
    )

    assert (earlier.was_sent, earlier.acknowledged_at, earlier.silenced_at) == (False, None, None)
    assert (later.was_sent, later.acknowledged_at, later.silenced_at) == (True, at("10:20"), at("10:40"))
    assert later.is_acted_on


def test_a_silence_of_other_alerts_is_no_action() -> None:
    """Only one that matches the alert counts."""
    (episode,) = with_reactions(
        [an_episode()],
        sent_at={},
        acknowledgements={},
        silences=[a_silence(since="10:10", rules=["Other"])],
        labels_by_tenant={},
    )

    assert not episode.is_acted_on


def test_an_alert_is_without_action_if_it_was_sent_and_nobody_did_anything() -> None:
    """One that nobody was sent, as in a mute window, needed no action."""
    (sent,) = reacted(an_episode(), sent=["10:00"])
    (muted,) = reacted(an_episode())

    assert sent.is_without_action
    assert not muted.is_without_action


def test_an_alert_is_brief_if_it_is_over_within_a_quarter_of_an_hour_by_itself() -> None:
    """Not if somebody acted on it, and not while it goes on."""
    (acknowledged,) = reacted(an_episode("10:00", "10:15"), acknowledged=["10:05"])

    assert an_episode("10:00", "10:15").is_brief
    assert not an_episode("10:00", "10:16").is_brief
    assert not an_episode("10:00", "").is_brief
    assert not acknowledged.is_brief


# a review


def test_a_summary_counts_what_became_of_episodes() -> None:
    """The median is of those that are over, of two the longer one; the longest may go on."""
    episodes = [
        an_episode("09:00", "09:10"),
        replace(an_episode("10:00", "11:00"), was_sent=True),
        replace(an_episode("08:00", ""), was_sent=True, acknowledged_at=at("08:10")),
    ]

    summary = summarize_episodes(episodes, until=NOON)

    assert (summary.episodes, summary.sent, summary.acknowledged, summary.silenced) == (3, 2, 1, 0)
    assert (summary.brief, summary.without_action, summary.firing) == (1, 1, 1)
    assert (summary.median, summary.longest) == (timedelta(hours=1), timedelta(hours=4))


def test_a_summary_of_nothing_has_no_spans() -> None:
    """There is nothing to take a median of."""
    summary = summarize_episodes([], until=NOON)

    assert (summary.episodes, summary.median, summary.longest) == (0, None, None)


def test_a_review_names_the_rule_with_most_alerts_first_and_of_each_rule_the_series() -> None:
    """What is at the top is what is worth an edit."""
    virus, other = a_key(reason="Virus"), a_key(rule="Other", tenant="globex")
    episodes = [
        an_episode("09:00", "09:10", key=other),
        *(an_episode(f"{hour:02}:00", f"{hour:02}:10", key=virus) for hour in (8, 9)),
        an_episode("10:00", "10:10"),
    ]

    review = review_episodes(episodes, DAY)

    assert [each.rule for each in review.rules] == ["Backlog", "Other"]
    assert review.rules[0].subjects == ((virus.subject, 2), (WARNING.subject, 1))
    assert (review.summary.episodes, review.tenants) == (4, 2)


# the week of a tenant


def week_of(*reasons: str, since: str = "11:00", until: str = "12:00", first: str = "08:00") -> TenantWeek:
    """Return a span of a tenant whose reasons were polled every five minutes up to noon."""
    found = a_tenant(*(series(each, reason=f"reason {number}") for number, each in enumerate(reasons)))
    polling = replace(found.polling, first_polled_at=at(first))
    return tenant_week(replace(found, polling=polling), Span(at(since), at(until)))


def test_what_came_and_what_left_are_the_rises_and_the_falls_of_each_reason() -> None:
    """A reason that rises while another one falls hides nothing."""
    week = week_of("5x7 10 15x5", "20x7 12 10x5")

    assert (week.came, week.left, week.held) == (10, 10, 25)


def test_the_highest_count_is_that_of_all_reasons_together() -> None:
    """With the instant at which it was reached first."""
    week = week_of("5x5 50 30x7", "1x13")

    assert week.highest == (51, at("11:25"))


def test_what_the_first_poll_found_has_not_come_in_the_week() -> None:
    """Nobody knows since when it was held."""
    week = week_of("700x7 +5x6", first="11:30")

    assert (week.came, week.held) == (30, 730)


def test_time_without_data_counts_from_the_last_poll_to_the_next() -> None:
    """A gap of up to two intervals is none."""
    assert week_of("5x3 _x5 5x5").no_data == minutes(30)
    assert week_of("5x3 _x1 5x9").no_data == timedelta(0)


def test_a_tenant_without_any_poll_in_the_week_has_no_count() -> None:
    """Its count of before is not shown as that of now."""
    week = week_of("5x3", since="10:00", until="11:00")

    assert (week.held, week.highest, week.no_data) == (None, None, timedelta(hours=1))


def test_a_tenant_that_was_never_polled_is_not_without_data_for_some_time() -> None:
    """There is no instant since when."""
    week = tenant_week(a_tenant(series("_")), Span(at("10:00"), at("11:00")))

    assert (week.held, week.no_data) == (None, timedelta(0))


# the report


def a_week(tenant: str, *, held: int | None = 0, no_data: str = "") -> TenantWeek:
    """Return the week of a tenant."""
    lasted = minutes(float(no_data)) if no_data else timedelta(0)
    return TenantWeek(tenant=Tenant(tenant), held=held, highest=None, came=0, left=0, no_data=lasted)


def test_a_report_names_who_was_without_data_longest_first() -> None:
    """Also who was never polled; who was polled all the time is not named."""
    weeks = a_week("a", held=3), a_week("b", held=4, no_data="10"), a_week("c", held=None), a_week("d", no_data="20")
    report = WeeklyReport(review=review_episodes([], DAY), tenants=weeks)

    assert [each.tenant for each in report.without_data] == ["d", "b", "c"]
    assert report.held == 7


def test_tenants_are_named_by_a_number_the_highest_first() -> None:
    """Those of which it is zero are left out."""
    weeks = [a_week("a", held=3), a_week("b"), a_week("c", held=9)]

    assert [each.tenant for each in most(weeks, lambda each: each.held or 0)] == ["c", "a"]


MONDAY_8 = ReportSchedule(day=0, at=time(8), timezone=ZoneInfo("Europe/London"))


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param("2026-03-02T08:00", "2026-03-02T08:00", id="now"),
        pytest.param("2026-03-02T07:59", "2026-02-23T08:00", id="a minute early, a week ago"),
        pytest.param("2026-03-08T23:00", "2026-03-02T08:00", id="on Sunday, nearly a week ago"),
        pytest.param("2026-03-30T09:00", "2026-03-30T07:00", id="in summer time, an hour earlier in UTC"),
    ],
)
def test_a_report_is_due_on_its_day_and_time_where_its_reader_lives(now: str, due: str) -> None:
    """As the clock there shows it."""
    found = MONDAY_8.last_due_at(now=datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)
