"""The life of an alert: the table of `alerts.py` cell by cell, and what holds whatever happens."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import (
    REFRESH_AFTER,
    Alert,
    AlertState,
    AlertSubject,
    Transition,
    firing_spans,
    needs_write,
    no_data_since,
    resolve_removed,
    shift_clock,
    step,
)
from alerter.core.conditions import Evidence, Threshold, Verdict
from alerter.core.rules import Level, Severity
from alerter.core.series import Sample, Span, Tenant
from tests.builders import NOON, a_key, a_level, a_resolved, an_alert, an_evaluation, at, minutes, span

ACTIVE, INACTIVE, NO_DATA = Verdict.ACTIVE, Verdict.INACTIVE, Verdict.NO_DATA
QUIET, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING

_AT_ONCE = a_level()
_AFTER_10M = a_level(for_="10m")
_LINGERS = a_level(keep_firing_for="10m")


def _alert(state: AlertState, *, since: str = "11:00", keep_firing_since: str = "") -> Alert:
    return an_alert(state, since=since, keep_firing_since=keep_firing_since)


@pytest.mark.parametrize(
    ("before", "verdict", "level", "after", "since", "keep_firing_since"),
    [
        pytest.param(_alert(QUIET), ACTIVE, _AT_ONCE, FIRING, "12:00", "", id="inactive, active: fires at once"),
        pytest.param(_alert(QUIET), ACTIVE, _AFTER_10M, PENDING, "12:00", "", id="inactive, active: pending from now"),
        pytest.param(_alert(QUIET), INACTIVE, _AT_ONCE, QUIET, "", "", id="inactive, inactive: nothing"),
        pytest.param(_alert(QUIET), NO_DATA, _AT_ONCE, QUIET, "", "", id="inactive, no data: nothing"),
        pytest.param(
            _alert(PENDING, since="11:50"),
            ACTIVE,
            _AFTER_10M,
            FIRING,
            "11:50",
            "",
            id="pending, active long enough: fires",
        ),
        pytest.param(
            _alert(PENDING, since="11:51"),
            ACTIVE,
            _AFTER_10M,
            PENDING,
            "11:51",
            "",
            id="pending, active: stays pending",
        ),
        pytest.param(
            _alert(PENDING, since="11:00"),
            INACTIVE,
            _AFTER_10M,
            QUIET,
            "",
            "",
            id="pending, inactive: forgotten silently",
        ),
        pytest.param(
            _alert(PENDING, since="11:00"), NO_DATA, _AFTER_10M, PENDING, "11:00", "", id="pending, no data: nothing"
        ),
        pytest.param(_alert(FIRING), ACTIVE, _AT_ONCE, FIRING, "11:00", "", id="firing, active: stays firing"),
        pytest.param(
            _alert(FIRING, keep_firing_since="11:55"),
            ACTIVE,
            _LINGERS,
            FIRING,
            "11:00",
            "",
            id="firing, active: not ending",
        ),
        pytest.param(_alert(FIRING), INACTIVE, _AT_ONCE, QUIET, "", "", id="firing, inactive: resolves at once"),
        pytest.param(
            _alert(FIRING), INACTIVE, _LINGERS, FIRING, "11:00", "12:00", id="firing, inactive: ending from now"
        ),
        pytest.param(
            _alert(FIRING, keep_firing_since="11:51"),
            INACTIVE,
            _LINGERS,
            FIRING,
            "11:00",
            "11:51",
            id="firing, ending: still",
        ),
        pytest.param(
            _alert(FIRING, keep_firing_since="11:50"),
            INACTIVE,
            _LINGERS,
            QUIET,
            "",
            "",
            id="firing, over long enough: resolves",
        ),
        pytest.param(_alert(FIRING), NO_DATA, _AT_ONCE, FIRING, "11:00", "", id="firing, no data: nothing"),
        pytest.param(
            _alert(FIRING, keep_firing_since="11:00"),
            NO_DATA,
            _LINGERS,
            FIRING,
            "11:00",
            "11:00",
            id="ending, no data: nothing",
        ),
    ],
)
def test_the_table(
    *, before: Alert, verdict: Verdict, level: Level, after: AlertState, since: str, keep_firing_since: str
) -> None:
    """Each cell of the table: the state after, since when it is active, and since when it is ending."""
    found, transition = step(before, an_evaluation(verdict), level, now=NOON)

    assert found.state is after
    assert found.active_at == (at(since) if since else None)
    assert found.keep_firing_since == (at(keep_firing_since) if keep_firing_since else None)
    assert (transition is not None) is (after is not before.state)


def test_a_transition_carries_what_caused_it() -> None:
    """The history says what changed, when, and what was compared."""
    evaluation = an_evaluation(count=150)

    _, transition = step(Alert(key=a_key()), evaluation, _AT_ONCE, now=NOON)

    assert transition == Transition(
        key=a_key(), at=NOON, from_state=QUIET, to_state=FIRING, evidence=evaluation.evidence
    )


def test_without_data_the_alert_is_left_alone() -> None:
    """A failed poll changes neither its state nor what is known of it, so that nothing is written."""
    firing = an_alert()

    found, transition = step(firing, an_evaluation(NO_DATA), _AT_ONCE, now=NOON)

    assert found is firing
    assert transition is None


def test_an_alert_that_stays_inactive_is_left_alone() -> None:
    """Nothing is written for what is well."""
    resolved = a_resolved()

    found, _ = step(resolved, an_evaluation(INACTIVE, count=7), _AT_ONCE, now=NOON)

    assert found is resolved


def test_a_firing_alert_carries_the_newest_count_and_the_peak() -> None:
    """What is told on resolve is the present count and the worst one."""
    firing = an_alert(value=100, peak=300)

    risen, _ = step(firing, an_evaluation(count=400), _AT_ONCE, now=NOON)
    fallen, _ = step(firing, an_evaluation(INACTIVE, count=20), _AT_ONCE, now=NOON)

    assert (risen.value, risen.peak) == (400, 400)
    assert (fallen.value, fallen.peak) == (20, 300)


def test_the_peak_of_a_fall_is_the_lowest_count() -> None:
    """Where smaller is worse, the smallest count is the worst."""
    firing = an_alert(value=4, peak=3)
    level = a_level(Threshold(below=5))

    assert step(firing, an_evaluation(count=2), level, now=NOON)[0].peak == 2
    assert step(firing, an_evaluation(count=4), level, now=NOON)[0].peak == 3


def test_the_peak_begins_anew_with_each_episode() -> None:
    """What was the worst last week is not the worst today."""
    again, _ = step(replace(a_resolved(), peak=900), an_evaluation(count=150), _AT_ONCE, now=NOON)

    assert again.peak == 150


def test_an_alert_on_polling_has_no_count() -> None:
    """Nobody knows what is held while alerter has no data."""
    unseen, _ = step(Alert(key=a_key()), an_evaluation(count=None), _AT_ONCE, now=NOON)
    still, _ = step(unseen, an_evaluation(count=None), _AT_ONCE, now=NOON)

    assert (still.state, still.value, still.peak) == (FIRING, None, None)


def test_a_resolved_alert_knows_how_long_it_fired() -> None:
    """The duration is from the first to the last moment of firing."""
    resolved, transition = step(an_alert(since="11:00"), an_evaluation(INACTIVE), _AT_ONCE, now=NOON)

    assert resolved.duration == span("1h")
    assert transition is not None
    assert transition.is_resolution
    assert not resolved.is_firing


@pytest.mark.parametrize(
    "alert",
    [pytest.param(an_alert(), id="a firing alert"), pytest.param(Alert(key=a_key()), id="one that never fired")],
)
def test_an_alert_that_is_not_resolved_has_no_duration(alert: Alert) -> None:
    """Nobody knows yet how long it will have been."""
    assert alert.duration is None


def test_what_began_on_a_clock_that_was_ahead_begins_now() -> None:
    """An alert that is pending, or ending, since an instant to come measures from this moment on."""
    pending = replace(an_alert(PENDING), active_at=NOON + span("8h"))
    ending = replace(an_alert(), keep_firing_since=NOON + span("8h"))

    still_pending, _ = step(pending, an_evaluation(), _AFTER_10M, now=NOON)
    still_ending, _ = step(ending, an_evaluation(INACTIVE), a_level(keep_firing_for="10m"), now=NOON)

    assert (still_pending.state, still_pending.active_at) == (PENDING, NOON)
    assert still_ending.keep_firing_since == NOON
    assert step(still_pending, an_evaluation(), _AFTER_10M, now=NOON + span("10m"))[0].is_firing


def test_the_end_of_a_pending_alert_is_no_resolve() -> None:
    """Only what fired can resolve."""
    _, transition = step(an_alert(PENDING), an_evaluation(INACTIVE), _AFTER_10M, now=NOON)

    assert transition is not None
    assert not transition.is_resolution


def test_an_alert_that_is_pending_again_still_knows_when_it_fired_last() -> None:
    """Somebody who was not yet told of the end can still be told how long it was."""
    again, _ = step(a_resolved(since="11:00", until="11:30"), an_evaluation(), _AFTER_10M, now=NOON)

    assert again.state is PENDING
    assert again.duration == span("30m")


def test_an_alert_that_fires_again_has_not_resolved() -> None:
    """A new episode takes the place of the one before."""
    before = replace(a_resolved(), resolved_because="rule removed")

    again, _ = step(before, an_evaluation(), _AT_ONCE, now=NOON)

    assert (again.fired_at, again.resolved_at, again.resolved_because) == (NOON, None, "")


# removal


def test_a_firing_alert_whose_rule_has_gone_resolves_with_that_reason() -> None:
    """Whoever was told of it learns why it is over."""
    resolved, transition = resolve_removed(an_alert(keep_firing_since="11:50"), why="rule removed", now=NOON)

    assert (resolved.state, resolved.resolved_at, resolved.resolved_because) == (QUIET, NOON, "rule removed")
    assert (resolved.active_at, resolved.keep_firing_since) == (None, None)
    assert transition is not None
    assert (transition.is_resolution, transition.detail) == (True, "rule removed")


def test_a_pending_alert_whose_rule_has_gone_ends_silently() -> None:
    """It never fired, so it has nothing to resolve from."""
    removed, transition = resolve_removed(an_alert(PENDING), why="rule removed", now=NOON)

    assert (removed.state, removed.active_at, removed.resolved_at, removed.resolved_because) == (QUIET, None, None, "")
    assert transition is not None
    assert not transition.is_resolution


def test_nothing_is_left_to_remove_of_an_inactive_alert() -> None:
    """What is over stays as it ended."""
    resolved = a_resolved()

    assert resolve_removed(resolved, why="rule removed", now=NOON) == (resolved, None)


# the clock


def test_a_clock_that_jumps_makes_no_alert_older() -> None:
    """An hour's jump fires nothing that is pending and resolves nothing that is ending."""
    pending = shift_clock(an_alert(PENDING, since="11:55"), by=span("1h"))
    ending = shift_clock(an_alert(since="11:00", keep_firing_since="11:55"), by=span("1h"))
    later = NOON + span("1h")

    assert step(pending, an_evaluation(), _AFTER_10M, now=later)[0].state is PENDING
    assert step(ending, an_evaluation(INACTIVE), _LINGERS, now=later)[0].state is FIRING


def test_a_clock_that_jumps_does_not_lengthen_an_alert() -> None:
    """The hour that was skipped was no hour of firing."""
    moved = shift_clock(an_alert(since="11:00"), by=-span("3h"))

    resolved, _ = step(moved, an_evaluation(INACTIVE), _AT_ONCE, now=at("09:30"))

    assert resolved.duration == span("1h30m")


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param(a_resolved(), id="an alert that is over stays"),
        pytest.param(Alert(key=a_key()), id="an alert that never was stays"),
    ],
)
def test_a_clock_that_jumps_does_not_rewrite_the_past(alert: Alert) -> None:
    """Both ends of what is over stand on the same clock."""
    assert shift_clock(alert, by=span("1h")) is alert


def test_a_pending_alert_keeps_the_times_of_its_last_episode_when_the_clock_jumps() -> None:
    """Only what it still measures from is moved."""
    again = replace(a_resolved(since="11:00", until="11:30"), state=PENDING, active_at=at("11:50"))

    moved = shift_clock(again, by=span("1h"))

    assert (moved.active_at, moved.fired_at, moved.resolved_at) == (at("12:50"), at("11:00"), at("11:30"))


# identity


def _fires(clock: str) -> Transition:
    return Transition(key=a_key(), at=at(clock), from_state=PENDING, to_state=FIRING, evidence=())


def _ends(clock: str) -> Transition:
    return Transition(key=a_key(), at=at(clock), from_state=FIRING, to_state=QUIET, evidence=())


@pytest.mark.parametrize(
    ("state", "transitions", "expected"),
    [
        pytest.param(QUIET, [], [], id="it never fired"),
        pytest.param(FIRING, [], ["09:00-12:00"], id="it fires all the time"),
        pytest.param(QUIET, [_ends("10:00")], ["09:00-10:00"], id="it fired before, and ended"),
        pytest.param(FIRING, [_fires("11:00")], ["11:00-12:00"], id="it began, and goes on"),
        pytest.param(
            FIRING,
            [_ends("10:00"), _fires("10:30"), _ends("11:00"), _fires("11:30")],
            ["09:00-10:00", "10:30-11:00", "11:30-12:00"],
            id="again and again",
        ),
        pytest.param(PENDING, [_fires("10:30"), _ends("11:00")], ["10:30-11:00"], id="pending is not firing"),
    ],
)
def test_an_alert_knows_when_it_has_fired(
    state: AlertState, transitions: list[Transition], expected: list[str]
) -> None:
    """As far back as is asked for; what has not ended ends now."""
    found = firing_spans(an_alert(state), transitions, since=at("09:00"), now=NOON)

    assert [*found] == [Span(*map(at, each.split("-"))) for each in expected]


def _comparing(count: int = 120, **others: object) -> Evidence:
    """Return a comparison at noon of so many messages with as many half an hour before."""
    seen = Evidence(
        condition="growth", limit_text="above 100", value=Sample(NOON, count), reference=Sample(NOON - minutes(30), 120)
    )
    return replace(seen, **others)  # type: ignore[arg-type] # of the fields that a test names


_MOMENT = timedelta(seconds=10)


@pytest.mark.parametrize(
    ("found", "is_news"),
    [
        pytest.param([_comparing()], False, id="found as it was"),
        pytest.param([_comparing(value=Sample(NOON + _MOMENT, 120))], False, id="found again a moment later"),
        pytest.param([_comparing(value=Sample(NOON + REFRESH_AFTER, 120))], True, id="found again after a minute"),
        pytest.param([_comparing(value=Sample(NOON - REFRESH_AFTER, 120))], True, id="on a clock that was set back"),
        pytest.param([_comparing(value=Sample(NOON + _MOMENT, 121))], True, id="another count"),
        pytest.param([_comparing(reference=Sample(NOON, 119))], True, id="compared with another count"),
        pytest.param([_comparing(reference=None)], True, id="compared with nothing"),
        pytest.param([_comparing(expected=Sample(NOON, 119))], True, id="something expected"),
        pytest.param([_comparing(limit_text="above 110")], True, id="another limit"),
        pytest.param([_comparing(), _comparing()], True, id="another condition besides"),
    ],
)
def test_an_alert_that_is_found_as_it_was_is_not_kept_again(found: list[Evidence], *, is_news: bool) -> None:
    """While nothing but the time goes on, it is written once a minute, so that people see instants that are not old."""
    kept = replace(_alert(FIRING), value=120, evidence=(_comparing(),))

    assert needs_write(kept, replace(kept, evidence=tuple(found))) is is_news


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, _alert(PENDING), id="one that is new"),
        pytest.param(_alert(PENDING), _alert(FIRING), id="another state"),
        pytest.param(_alert(FIRING), replace(_alert(FIRING), value=121), id="another count"),
        pytest.param(_alert(FIRING), _alert(FIRING, keep_firing_since="11:59"), id="it is ending"),
    ],
)
def test_an_alert_that_has_changed_is_kept(before: Alert | None, after: Alert) -> None:
    """Whatever the next poll or a person must know of it is written at once."""
    assert needs_write(before, after)


@pytest.mark.parametrize(
    ("sum_alert", "is_news"),
    [
        pytest.param(_alert(PENDING), True, id="`for` runs"),
        pytest.param(_alert(FIRING, keep_firing_since="11:59"), True, id="`keep_firing_for` runs"),
        pytest.param(_alert(FIRING), False, id="it fires"),
    ],
)
def test_the_last_decision_on_a_sum_over_tenants_is_kept_while_a_span_runs(sum_alert: Alert, *, is_news: bool) -> None:
    """The polls of tenants are seconds apart, and a gap in what is known of the sum begins with the last one."""
    kept = of_all(replace(sum_alert, evidence=(_comparing(),)))

    assert needs_write(kept, replace(kept, evidence=(_comparing(value=Sample(NOON + _MOMENT, 120)),))) is is_news


def test_an_alert_s_name_for_commands_never_changes() -> None:
    """People write it down: it must survive every new version."""
    assert a_key().id == "99c2eafe"
    assert a_key(severity=Severity.CRITICAL).id != a_key().id


def test_the_topic_is_the_identity_without_the_severity() -> None:
    """Two levels of one rule and series are one thing to talk about."""
    assert (
        a_key(severity=Severity.CRITICAL).subject
        == a_key().subject
        == AlertSubject(a_key().rule, a_key().tenant, a_key().reason)
    )


# Whatever happens: random histories of (minutes since the last evaluation, verdict, count).

_STEPS = st.lists(
    st.tuples(st.integers(1, 20), st.sampled_from(list(Verdict)), st.integers(0, 500)), min_size=1, max_size=30
)
_SPANS = st.sampled_from([timedelta(0), minutes(5), minutes(30)])
_EDGES = {(QUIET, PENDING), (QUIET, FIRING), (PENDING, FIRING), (PENDING, QUIET), (FIRING, QUIET)}


@given(history=_STEPS, for_=_SPANS, keep=_SPANS)
def test_an_alert_fires_and_resolves_only_after_its_spans(
    history: list[tuple[int, Verdict, int]], for_: timedelta, keep: timedelta
) -> None:
    """It never fires before `for` of unbroken active evaluations, nor resolves before `keep_firing_for` without one."""
    level = Level(conditions=a_level().conditions, for_=for_, keep_firing_for=keep)
    alert, now = Alert(key=a_key()), NOON
    active_since = inactive_since = None
    for passed, verdict, count in history:
        now += minutes(passed)
        before = alert
        if verdict is ACTIVE:
            active_since, inactive_since = active_since or now, None
        elif verdict is INACTIVE:
            active_since, inactive_since = None, inactive_since or now

        alert, transition = step(before, an_evaluation(verdict, count=count, seen_at=now), level, now=now)

        if verdict is NO_DATA:
            assert alert is before
        if transition is None:
            assert alert.state is before.state
            continue
        assert (transition.from_state, transition.to_state) == (before.state, alert.state)
        assert (transition.from_state, transition.to_state) in _EDGES
        if transition.to_state is FIRING:
            assert active_since is not None
            assert now - active_since >= for_
        if transition.is_resolution:
            assert inactive_since is not None
            assert now - inactive_since >= keep
            assert alert.resolved_at == now


@given(history=_STEPS, for_=_SPANS, keep=_SPANS)
def test_what_holds_long_enough_does_fire_and_resolve(
    history: list[tuple[int, Verdict, int]], for_: timedelta, keep: timedelta
) -> None:
    """After any history, `for` of active evaluations fires it and `keep_firing_for` of inactive ones resolves it."""
    level = Level(conditions=a_level().conditions, for_=for_, keep_firing_for=keep)
    alert, now = Alert(key=a_key()), NOON
    for passed, verdict, count in history:
        now += minutes(passed)
        alert, _ = step(alert, an_evaluation(verdict, count=count), level, now=now)

    for verdict, lasting, expected in ((ACTIVE, for_, FIRING), (INACTIVE, keep, QUIET)):
        for later in (now, now + lasting):
            alert, _ = step(alert, an_evaluation(verdict), level, now=later)
        assert alert.state is expected
        now += lasting


@given(history=_STEPS, for_=_SPANS, keep=_SPANS)
def test_the_peak_is_the_worst_count_since_it_became_active(
    history: list[tuple[int, Verdict, int]], for_: timedelta, keep: timedelta
) -> None:
    """Every count that was seen since is in it, and nothing else."""
    level = Level(conditions=a_level().conditions, for_=for_, keep_firing_for=keep)
    alert, now = Alert(key=a_key()), NOON
    seen: list[int] = []
    for passed, verdict, count in history:
        now += minutes(passed)
        was_quiet = alert.state is QUIET
        alert, _ = step(alert, an_evaluation(verdict, count=count), level, now=now)
        if was_quiet and alert.state is not QUIET:
            seen = []
        if verdict is not NO_DATA:
            seen.append(count)
        if alert.state is not QUIET:
            assert (alert.peak, alert.value) == (max(seen), seen[-1])


def covered(text: str) -> tuple[Span, ...]:
    """Return the runs of coverage of `11:00-11:30 11:50-12:00`."""
    return tuple(Span(*(at(clock) for clock in run.split("-"))) for run in text.split())


@pytest.mark.parametrize(
    ("coverage", "state"),
    [
        pytest.param("11:00-12:00", FIRING, id="polled all the time"),
        pytest.param("11:00-11:55 12:00-12:00", PENDING, id="one poll failed, which takes five minutes"),
        pytest.param("11:00-11:50 12:00-12:00", PENDING, id="nothing was seen all the time"),
        pytest.param("11:00-11:51 11:56-12:00", FIRING, id="the run before it took that into account"),
        pytest.param("11:00-11:30 11:40-12:00", FIRING, id="the gap was before it was pending"),
        pytest.param("", FIRING, id="an alert about polling, which is covered by nothing"),
    ],
)
def test_time_of_which_nothing_is_known_does_not_make_a_pending_alert_fire(coverage: str, state: AlertState) -> None:
    """`for` goes on when polls do."""
    pending = replace(an_alert(PENDING, since="11:50"), evidence=an_evaluation(seen_at=at("11:50")).evidence)
    found = replace(an_evaluation(), coverage=covered(coverage))

    after, _ = step(pending, found, _AFTER_10M, now=NOON)

    assert after.state is state


def test_for_goes_on_where_it_was_when_polls_go_on() -> None:
    """Five minutes before an outage and five after it are ten."""
    pending = replace(an_alert(PENDING, since="10:00"), evidence=an_evaluation(seen_at=at("10:05")).evidence)
    runs = covered("09:00-10:05 11:55-12:00")

    back, _ = step(pending, replace(an_evaluation(seen_at=at("11:55")), coverage=runs), _AFTER_10M, now=at("11:55"))
    fired, _ = step(back, replace(an_evaluation(), coverage=runs), _AFTER_10M, now=NOON)

    assert (back.state, back.active_at) == (PENDING, at("11:50"))
    assert fired.state is FIRING


def test_time_of_which_nothing_is_known_does_not_end_an_alert() -> None:
    """`keep_firing_for` goes on when polls do, too."""
    ending = replace(
        an_alert(), keep_firing_since=at("10:00"), evidence=an_evaluation(INACTIVE, seen_at=at("10:05")).evidence
    )
    runs = covered("09:00-10:05 11:55-12:00")

    back, _ = step(
        ending, replace(an_evaluation(INACTIVE, seen_at=at("11:55")), coverage=runs), _LINGERS, now=at("11:55")
    )
    over, _ = step(back, replace(an_evaluation(INACTIVE), coverage=runs), _LINGERS, now=NOON)

    assert (back.state, back.keep_firing_since) == (FIRING, at("11:50"))
    assert over.state is AlertState.INACTIVE


def test_a_gap_counts_once_whether_or_not_the_poll_after_it_decides() -> None:
    """There may be too little to compare with, and another gap before there is enough."""
    pending = replace(an_alert(PENDING, since="10:00"), evidence=an_evaluation(seen_at=at("10:05")).evidence)
    runs = covered("10:00-10:05 11:00-11:00 11:55-12:00")

    for now, verdict, seen in (("11:00", NO_DATA, 2), ("11:55", ACTIVE, 3), ("12:00", ACTIVE, 3)):
        found = replace(an_evaluation(verdict, seen_at=at(now)), coverage=runs[:seen])
        pending, _ = step(pending, found, _AFTER_10M, now=at(now))

    assert (pending.state, pending.fired_at) == (FIRING, NOON)
    assert pending.active_at == at("11:50")


def test_a_clock_that_jumped_leaves_no_gap() -> None:
    """The last decision has moved with it, and the run of coverage has not."""
    pending = replace(an_alert(PENDING, since="11:45"), evidence=an_evaluation(seen_at=at("11:55")).evidence)
    found = replace(an_evaluation(), coverage=covered("10:00-10:55 12:00-12:00"), longest_step=minutes(7.5))

    after, _ = step(pending, found, _AFTER_10M, now=NOON)

    assert after.state is FIRING


def of_all(alert: Alert) -> Alert:
    """Return an alert on the sum over all tenants."""
    return replace(alert, key=a_key(tenant="*"))


@pytest.mark.parametrize(
    ("coverage", "verdict", "active_at"),
    [
        pytest.param("11:00-11:40 11:50-12:00", ACTIVE, "11:45", id="a gap"),
        pytest.param("11:00-11:50 11:55-12:00", ACTIVE, "11:40", id="for which samples stood all the same"),
        pytest.param("11:00-11:30 11:40-12:00", ACTIVE, "11:40", id="of which a poll decided in the first half"),
        pytest.param("11:00-11:30 11:50-11:50 11:55-12:00", ACTIVE, "11:55", id="two gaps"),
        pytest.param("11:00-11:40 11:50-12:00", NO_DATA, "11:35", id="not before a poll decides"),
        pytest.param("11:00-11:30 11:35-12:00", ACTIVE, "11:35", id="one that was before the last decision"),
        pytest.param("11:00-11:20 11:38-12:00", ACTIVE, "11:35", id="none but a clock that jumped"),
        pytest.param("11:50-12:00", ACTIVE, "11:50", id="a run that is not among those that were read"),
    ],
)
def test_what_was_unknown_of_a_sum_over_tenants_since_the_last_decision_does_not_count(
    coverage: str, verdict: Verdict, active_at: str
) -> None:
    """Though the newest sample of each tenant stands for it for two intervals."""
    pending = of_all(replace(an_alert(PENDING, since="11:35"), evidence=an_evaluation(seen_at=at("11:35")).evidence))
    found = replace(
        an_evaluation(verdict), coverage=covered(coverage), longest_step=minutes(7.5), tolerance=minutes(10)
    )

    after, _ = step(pending, found, a_level(for_="1h"), now=NOON)

    assert after.active_at == at(active_at)


def test_clear_at_holds_only_what_fired_under_the_limit_that_is_in_force() -> None:
    """After an edit the limit itself decides, also while the alert is ending, until the count is beyond it."""
    edited = a_level(above=300, clear_at=250, keep_firing_for="10m")
    firing = replace(an_alert(), fired_under=a_level(above=200, clear_at=150).fixed_limit)
    assert not firing.is_held_by(edited)

    ending, _ = step(firing, an_evaluation(INACTIVE), edited, now=NOON)
    assert not ending.is_held_by(edited)
    beyond, _ = step(ending, an_evaluation(), edited, now=NOON)

    assert beyond.is_held_by(edited)
    assert beyond.is_held_by(a_level(above=300, clear_at=100))


@pytest.mark.parametrize(
    ("alert", "interval", "late", "expected"),
    [
        pytest.param(an_alert(), "5m", "10m", None, id="two intervals are not too long"),
        pytest.param(an_alert(), "5m", "10m1s", NOON, id="longer than that"),
        pytest.param(an_alert(PENDING), "5m", "1h", None, id="a pending one is no news"),
        pytest.param(a_resolved(), "5m", "1h", None, id="it is over"),
        pytest.param(replace(an_alert(), evidence=()), "5m", "1h", None, id="an alert about polling"),
        pytest.param(an_alert(), "10s", "3m20s", None, id="what is stored may be three minutes older than that"),
        pytest.param(an_alert(), "10s", "3m21s", NOON, id="and no more"),
        pytest.param(an_alert(key=a_key(tenant="*")), "5m", "30m", None, id="a sum is as patient as the slowest"),
        pytest.param(an_alert(key=a_key(tenant="*")), "5m", "31m", NOON, id="and no more patient"),
    ],
)
def test_a_firing_alert_without_data_for_two_intervals_has_none(
    alert: Alert, interval: str, late: str, expected: datetime | None
) -> None:
    """It stays firing, and is shown as such."""
    intervals = {Tenant("acme"): span(interval), Tenant("slow"): span("15m")}

    assert no_data_since(alert, intervals, now=NOON + span(late)) == expected
    assert no_data_since(alert, {}, now=NOON + span(late)) is None
