"""Each sentence that is marked [2] in sections 2 to 7 of the contract, as a story on which model and code agree.

What is asserted beside that is what a receiver reads: when, which level, and why.
"""

from collections.abc import Callable

import pytest

from alerter.core.message.content import Format
from tests.reference.conftest import Line, Taken
from tests.reference.stories import HEAD, RECEIVER, Story

Tells = Callable[[Story], list[Line]]

ABOVE_100 = """
[[rules]]
name    = "Backlog"
warning = { threshold = { above = 100 } }
"""
PATIENT = """
[[rules]]
name = "No data for long"
info = { no_data = { after = "30d" } }
"""
BOTH_LEVELS = """
[[rules]]
name     = "Backlog"
warning  = { threshold = { above = 100 } }
critical = { threshold = { above = 300 } }
"""


def reasons(lines: list[Line]) -> list[tuple[float, str, str]]:
    """Return when, which level, and why: for one receiver and one rule."""
    return [(minutes, level, why) for minutes, _, _, level, why in lines]


# 2.1: samples and coverage


def test_the_samples_are_the_successful_polls(notified: Tells) -> None:
    """Two samples are no three, whatever polls between them failed or were missed: nothing is foretold of them."""
    rule = '[[rules]]\nname = "Full"\nwarning = { forecast = { above = 100, within = "30m", fit_over = "15m" } }'

    failed = Story(RECEIVER + rule).poll(0, 20, None, 60)
    known = Story(RECEIVER + rule).poll(0, 20, 40, 60)

    assert notified(failed) == []
    assert reasons(notified(known)) == [(10, "warning", "first")]


def test_a_count_from_before_the_lookback_is_no_sample_of_a_forecast(notified: Tells) -> None:
    """Two polls lie within the last twenty minutes, and no line is laid through two (2.1 [2], 4.3)."""
    rule = '[[rules]]\nname = "Full"\nwarning = { forecast = { above = 80, within = "30m", fit_over = "20m" } }\n'

    story = Story(RECEIVER + PATIENT + rule).poll(0, 399).poll(5, 0).poll(20.02, 30)

    assert reasons(notified(story)) == [(0, "warning", "first")]


def test_a_missed_poll_ends_a_run_of_coverage(notified: Tells) -> None:
    """Two polls that are more than one and a half intervals apart say nothing of what lies between them."""
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100 }, for = "10m" }'

    missed = Story(RECEIVER + rule).poll(0, 150).poll(10, 150)
    late = Story(RECEIVER + rule).poll(0, 150, 150).poll(12, 150)

    assert notified(missed) == []
    assert reasons(notified(late)) == [(12, "warning", "first")]


@pytest.mark.parametrize("between", [pytest.param(True, id="a failed poll"), pytest.param(False, id="a missed poll")])
def test_growth_bridges_a_gap_of_up_to_two_intervals(notified: Tells, *, between: bool) -> None:
    """What is compared with may be two intervals older than wanted, and no more."""
    rule = '[[rules]]\nname = "Surge"\nwarning = { growth = { over = "10m", by = 50 } }\n'
    story = Story(RECEIVER + rule + PATIENT).poll(0, 10)
    story = story.poll(5, None, None, None) if between else story

    assert reasons(notified(story.poll(20, 90))) == [(20, "warning", "first")]


def test_growth_does_not_bridge_a_longer_gap(notified: Tells) -> None:
    """What is more than two intervals older than wanted is no reference, and no zero either."""
    rule = '[[rules]]\nname = "Surge"\nwarning = { growth = { over = "10m", by = 50 } }'

    assert notified(Story(RECEIVER + rule).poll(0, 10).poll(25, 90)) == []


# 5: time of which nothing is known, and edited limits


def test_unknown_time_does_not_count_towards_for(notified: Tells) -> None:
    """Hours of failed polls do not make a pending alert older; it goes on when polls do."""
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100 }, for = "10m" }\n'

    story = Story(RECEIVER + rule + PATIENT).poll(0, 150).poll(5, *[None] * 30).poll(155, 150, 150, 150)

    assert reasons(notified(story)) == [(165, "warning", "first")]


def test_unknown_time_does_not_count_towards_keep_firing_for(notified: Tells) -> None:
    """An alert that is ending does not end by a gap; it goes on to end when polls do."""
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100 }, keep_firing_for = "10m" }'

    story = Story(RECEIVER + rule).poll(0, 150, 50).poll(60, 50, 50, 50)

    assert reasons(notified(story)) == [(0, "warning", "first"), (70, "warning", "resolved")]


def test_two_gaps_with_a_poll_between_them_that_decides_nothing_do_not_end_an_alert(notified: Tells) -> None:
    """An alert that is ending goes on through all time of which nothing is known (5 [2])."""
    rule = (
        '[[rules]]\nname = "Stuck"\nwarning = { stagnant = { above = 0, lasting = "10m" }, keep_firing_for = "15m" }\n'
    )

    notified(Story(RECEIVER + PATIENT + rule).poll(0, 9, 9, 9, 5).poll(45, 7).poll(90, 0))


def test_a_gap_does_not_count_towards_for_of_a_sum_over_all(notified: Tells) -> None:
    """Nor do the two intervals for which the newest poll of a tenant stands for it (5 [2])."""
    rule = '[[rules]]\nname = "Sum"\nper = "all"\nwarning = { threshold = { above = 100 }, for = "15m" }\n'

    notified(Story(RECEIVER + PATIENT + rule).poll(0, 200).poll(60, 200, 200))


WEEK = 7 * 24 * 60
SUM_OF_ALL = '[[rules]]\nname = "Sum"\nper = "all"\nwarning = { threshold = { above = 100 }, for = "10m" }\n'
TWO_TENANTS = HEAD + '\n[tenants.globex]\nclient_id = "id2"\nclient_secret = "secret2"\n' + RECEIVER + PATIENT


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param([20, 20, 20], 11, id="no pause"),
        pytest.param([20, None, 20], 20, id="a failed poll of one tenant"),
    ],
)
def test_a_pause_of_one_tenant_is_one_of_the_sum_over_all(
    notified: Tells, second: list[int | None], expected: float
) -> None:
    """A poll that fails, though the other tenant is seen all along, leaves a time of which nothing is known (2.1)."""
    story = Story(TWO_TENANTS + SUM_OF_ALL)
    for place, count in enumerate([*second, 20, 20]):
        story = story.poll(5 * place, 200).poll(5 * place + 1, count, tenant="globex")

    assert reasons(notified(story)) == [(expected, "warning", "first")]


def test_weeks_of_which_one_tenant_had_a_poll_do_not_count_towards_for_of_a_sum(notified: Tells) -> None:
    """The sum was known last in a run that is no more among the newest ones of that tenant (2.1)."""
    story = Story(TWO_TENANTS + SUM_OF_ALL).poll(0, 200).poll(1, 20, tenant="globex").poll(WEEK, 200)
    story = story.poll(4 * WEEK, 200, 200, 200).poll(4 * WEEK + 1, 20, 20, 20, tenant="globex")

    assert reasons(notified(story)) == [(4 * WEEK + 11, "warning", "first")]


def test_the_seconds_between_the_last_polls_of_two_tenants_count_towards_for_of_a_sum(notified: Tells) -> None:
    """Until the later one the sum was known, whatever comes after the pause (2.1)."""
    story = Story(TWO_TENANTS + SUM_OF_ALL)
    for minute in (0, 5, 50):
        story = story.poll(minute, 200).poll(minute + 0.1, 20, tenant="globex")

    assert reasons(notified(story.poll(55.1, 20, tenant="globex"))) == [(55.1, "warning", "first")]


def test_a_pause_of_less_than_two_intervals_does_not_end_a_sum_over_all(notified: Tells) -> None:
    """`keep_firing_for` goes on when polls do, also where samples stand for the tenants in between (5 [2])."""
    rule = '[[rules]]\nname = "Sum"\nper = "all"\nwarning = { threshold = { above = 100 }, keep_firing_for = "10m" }\n'

    story = Story(RECEIVER + PATIENT + rule).poll(0, 200, 50).poll(14, 50).poll(23, 50, 50, 50)

    assert reasons(notified(story)) == [(0, "warning", "first"), (33, "warning", "resolved")]


def test_clear_at_holds_what_is_beyond_an_edited_limit_once_more(notified: Tells) -> None:
    """What fires on under the edited limit is held by it from then on."""
    before = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100, clear_at = 50 } }'
    after = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200, clear_at = 50 } }'

    story = Story(RECEIVER + before).poll(0, 250).configure(2, RECEIVER + after).poll(5, 250, 80, 40)

    assert reasons(notified(story)) == [(0, "warning", "first"), (15, "warning", "resolved")]


def test_clear_at_holds_only_what_fired_under_the_limit_in_force(notified: Tells) -> None:
    """After an edit of the limit the condition itself decides, whatever `clear_at` says now."""
    before = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100, clear_at = 50 } }'
    after = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200, clear_at = 50 } }'

    held = Story(RECEIVER + before).poll(0, 150, 80)
    edited = Story(RECEIVER + before).poll(0, 150).configure(2, RECEIVER + after).poll(5, 150)

    assert reasons(notified(held)) == [(0, "warning", "first")]
    assert reasons(notified(edited)) == [(0, "warning", "first"), (5, "warning", "resolved")]


# 6: who is told what


ROUTED = '[[routes]]\nreceivers = ["secops"]\nrules = ["Backlog"]\n'
ELSEWHERE = '[[routes]]\nreceivers = ["secops"]\nrules = ["Surge"]\n'
GOLD = HEAD + 'labels = { tier = "gold" }\n'
GOLD_ALONE = '[[routes]]\nreceivers = ["secops"]\ntenant_labels = { tier = "gold" }\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(RECEIVER + ROUTED + ABOVE_100, RECEIVER + ELSEWHERE + ABOVE_100, id="the route"),
        pytest.param(
            GOLD + RECEIVER + GOLD_ALONE + ABOVE_100, HEAD + RECEIVER + GOLD_ALONE + ABOVE_100, id="the label"
        ),
        pytest.param(RECEIVER + ABOVE_100, RECEIVER.replace("secops.", "new.") + ABOVE_100, id="the URL"),
    ],
)
def test_whoever_was_told_of_an_alert_is_told_of_its_end(notified: Tells, before: str, after: str) -> None:
    """Whatever routes, labels and URLs have become while it fired."""
    story = Story(before).poll(0, 150).configure(2, after).poll(5, 150, 20)

    assert reasons(notified(story))[0] == (0, "warning", "first")
    assert reasons(notified(story))[-1] == (10, "warning", "resolved")


def test_the_end_of_an_alert_whose_rule_is_gone_is_told(notified: Tells) -> None:
    """A rule that is removed ends what fires by it, and whoever was told of it hears that."""
    story = Story(RECEIVER + ABOVE_100).poll(0, 150).configure(2, RECEIVER)

    assert reasons(notified(story)) == [(0, "warning", "first"), (2, "warning", "resolved")]


@pytest.mark.parametrize("wait", [pytest.param("0s", id="at once"), pytest.param("2m", id="with group_wait")])
def test_an_end_that_is_not_sent_is_noted(notified: Tells, wait: str) -> None:
    """With `send_resolved = false` the next time it fires is a first one again."""
    receiver = RECEIVER + f'send_resolved = false\ngroup_wait = "{wait}"\n'

    story = Story(receiver + ABOVE_100).poll(0, 150, 20, 150).restart(14)

    assert [why for _, _, why in reasons(notified(story))] == ["first", "first"]


def test_a_target_that_is_new_is_told_what_fires(notified: Tells) -> None:
    """A URL that is added while an alert fires gets it by its first message, once."""
    both = RECEIVER.replace('.example"', '.example", "json://new.example"')

    story = Story(RECEIVER + ABOVE_100).poll(0, 150).configure(2, both + ABOVE_100).poll(5, 150, 150, 20)

    assert reasons(notified(story)) == [
        (0, "warning", "first"),
        (2, "warning", "first"),
        *[(15, "warning", "resolved")] * 2,
    ]


def test_targets_that_know_different_things_are_told_within_the_same_limit(notified: Tells) -> None:
    """What one poll has to tell is one message to each target, and `max_per_hour` counts it once."""
    limited = RECEIVER + "max_per_hour = 2\n"
    both = limited.replace('.example"', '.example", "json://new.example"')
    story = Story(limited + ABOVE_100).poll(0, 150).configure(61, both + ABOVE_100).poll(62, 20)

    assert reasons(notified(story)) == [
        (0, "warning", "first"),
        (61, "warning", "first"),
        *[(62, "warning", "resolved")] * 2,
    ]


def test_an_acknowledgement_that_is_broken_stays_broken(notified: Tells) -> None:
    """A doubled count breaks it, which is told at once, and a lower count does not mend it."""
    receiver = RECEIVER + 'repeat_interval = "15m"\n'

    story = Story(receiver + ABOVE_100).poll(0, 150).acknowledge(1, "Backlog").poll(5, 200, 300, 110, 110, 110)

    assert reasons(notified(story)) == [(0, "warning", "first"), (10, "warning", "broken"), (25, "warning", "repeat")]


def test_a_rise_breaks_an_acknowledgement_for_good(notified: Tells) -> None:
    """A higher level is told at once, and so is its end."""
    story = Story(RECEIVER + BOTH_LEVELS).poll(0, 250).acknowledge(1, "Backlog").poll(5, 310, 290)

    assert reasons(notified(story)) == [(0, "warning", "first"), (5, "critical", "raised"), (10, "warning", "lowered")]


def test_an_acknowledgement_breaks_while_growth_has_no_data(notified: Tells) -> None:
    """The count that doubles is the one that was polled, though the rule has nothing to compare it with."""
    rule = '[[rules]]\nname = "Surge"\nwarning = { growth = { over = "10m", by = 50 } }'
    story = Story(RECEIVER + rule).poll(0, 10, 10, 90).acknowledge(11, "Surge").poll(50, 200)

    assert reasons(notified(story)) == [(10, "warning", "first"), (50, "warning", "broken")]


@pytest.mark.parametrize(
    ("receiver", "minutes"),
    [
        pytest.param('group_wait = "2m"\n', 15, id="when its group_wait is over"),
        pytest.param("max_per_hour = 1\n", 60, id="when it may have a message again"),
    ],
)
def test_whoever_cannot_be_told_of_the_break_at_once_is_told_later(
    notified: Tells, receiver: str, minutes: float
) -> None:
    """Also where the alert does not change any more after the poll at which its acknowledgement broke."""
    story = Story(RECEIVER + receiver + ABOVE_100).poll(0, 150).acknowledge(3, "Backlog").poll(5, 150, 300)

    *_, broken = reasons(notified(story.poll(15, *[300] * 12)))

    assert broken == (minutes, "warning", "broken")


def test_an_acknowledgement_can_be_taken_back(notified: Tells) -> None:
    """What it kept quiet, and still differs, is told at the next poll."""
    receiver = RECEIVER + 'repeat_interval = "10m"\n'
    story = Story(receiver + ABOVE_100).poll(0, 150).acknowledge(1, "Backlog").poll(5, 150, 150)
    story = story.acknowledge(12, "Backlog", is_undone=True).poll(15, 150)

    assert reasons(notified(story)) == [(0, "warning", "first"), (15, "warning", "repeat")]


def test_mute_windows_look_at_the_wall_clock(notified: Tells) -> None:
    """At three o'clock after the hour that spring skips, a window until a quarter past two is over."""
    window = '[mute_windows.night]\nfrom = "01:00"\nto = "02:15"\ntimezone = "America/New_York"\n'
    rule = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 100 } }\nmute_windows = ["night"]\n'
    eight_march = Story(RECEIVER + window + rule).at(0).replace(day=8, hour=6, minute=50)

    story = Story(RECEIVER + window + rule, start=eight_march).poll(0, 150, 150, 150)

    assert reasons(notified(story)) == [(10, "warning", "first")]


def test_a_mute_window_of_a_route_looks_at_the_clock_of_the_tenant(notified: Tells) -> None:
    """Where a window has no time zone of its own, it is over when it is over where the tenant is."""
    head = HEAD.replace('"5m"', '"5m"\ntimezone = "Europe/London"') + 'timezone = "America/New_York"\n'
    window = '[mute_windows.day]\nfrom = "08:00"\nto = "18:00"\n'
    route = '[[routes]]\nreceivers = ["secops"]\nmute_windows = ["day"]\n'

    story = Story(head + RECEIVER + window + route + ABOVE_100).poll(0, 150)

    assert reasons(notified(story)) == [(0, "warning", "first")]


# 7: delivery

Takes = Callable[[Story], Taken]
BOTH = RECEIVER + '\n[receivers.mail]\nurls = ["json://mail.example"]\n'


def titles(messages: Taken, target: str) -> list[str]:
    """Return the titles of what one target took."""
    return [message.title for name, message in messages if name == target]


def test_a_message_that_is_refused_is_tried_in_short_at_once(taken: Takes) -> None:
    """What is too long for a target is taken in a short plain form, at the first attempt."""
    story = Story(RECEIVER + ABOVE_100).poll(0, 150).deliver(0.1, secops="long")

    assert len(taken(story)) == 1


def test_later_messages_do_not_wait_for_one_that_is_refused(taken: Takes) -> None:
    """It has a schedule of its own, and what comes later goes out at once."""
    story = Story(RECEIVER + BOTH_LEVELS).poll(0, 150).deliver(0.1, secops="refused").poll(5, 310)

    refused = taken(story.deliver(5.1))

    assert ["CRITICAL" in title for title in titles(refused, "secops")] == [True, False]


def test_a_target_that_is_gone_for_half_an_hour_is_news(taken: Takes) -> None:
    """Every other receiver is told once which one, and once that it is back."""
    story = Story(BOTH + ABOVE_100).poll(0, 150)
    for minutes in (0.1, 1, 10, 29, 31, 45):
        story = story.deliver(minutes, secops="unreachable")

    to_mail = titles(taken(story.deliver(76)), "mail")

    assert len(to_mail) == 3
    assert to_mail[1].startswith("secops/json cannot be reached since 09:00")
    assert "secops/json" in to_mail[2]


def test_a_target_that_refused_a_message_before_can_be_gone(taken: Takes) -> None:
    """It refuses one message and takes a later one; from then on it cannot be reached at all."""
    story = Story(BOTH + BOTH_LEVELS).poll(0, 150).deliver(0.1, secops="refused").poll(0.15, 310).deliver(0.2)

    story = story.deliver(6, secops="unreachable").deliver(37, secops="unreachable")

    assert titles(taken(story), "mail")[-1].startswith("secops/json cannot be reached since 09:06")


def test_a_digest_begins_with_all_that_fires_now(taken: Takes) -> None:
    """The worst comes first, and what came and went after it, though that was told later."""
    story = Story(RECEIVER + BOTH_LEVELS).poll_many(0, {"Spam": 400}).deliver(0.1, secops="unreachable")
    story = story.poll_many(5, {"Spam": 400, "Virus": 150}).poll_many(10, {"Spam": 400, "Virus": 0})
    story = story.deliver(11, secops="unreachable").deliver(40, secops="unreachable")

    [(_, digest)] = taken(story.deliver(75))

    body = digest.bodies[Format.TEXT]
    assert digest.status == "critical"
    assert "1 still firing" in digest.title
    assert body.index("'Spam'") < body.index("'Virus'")


def test_what_is_new_and_critical_passes_always(notified: Tells) -> None:
    """`max_per_hour` holds back other news, and neither the first nor the rise of a critical alert."""
    receiver = RECEIVER + "max_per_hour = 1\n"
    story = Story(receiver + BOTH_LEVELS).poll_many(0, {"Spam": 150}).poll_many(5, {"Spam": 150, "Virus": 150})
    story = story.poll_many(10, {"Spam": 310, "Virus": 20})

    assert reasons(notified(story)) == [(0, "warning", "first"), (10, "critical", "raised")]


def test_no_data_passes_always(notified: Tells) -> None:
    """Silence means that all is well, never that nothing was seen."""
    receiver = RECEIVER + "max_per_hour = 1\n"

    story = Story(receiver + ABOVE_100).poll(0, 150, None, None, None, 150)

    assert reasons(notified(story)) == [
        (0, "warning", "first"),
        (15, "critical", "first"),
        (20, "critical", "resolved"),
    ]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param((150, 20), "Resolved after 5m", id="what has ended is told as ended"),
        pytest.param((150,), "WARNING: 150 held", id="what fires is told as firing"),
    ],
)
def test_what_reaches_a_fallback_late_says_so(taken: Takes, counts: tuple[int, ...], said: str) -> None:
    """After a day the fallback gets what was given up, with what is true by then."""
    config = BOTH.replace("[receivers.mail]", 'fallback = "mail"\n\n[receivers.mail]')
    route = '[[routes]]\nreceivers = ["secops"]\n'
    story = Story(config + route + ABOVE_100).poll(0, *counts)
    for number in range(54):
        story = story.deliver(6 + 31 * number, secops="unreachable")

    [_, copy] = titles(taken(story), "mail")

    assert copy.startswith(f"[for secops, 1d 3h late] {said}")
