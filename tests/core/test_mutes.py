"""What keeps quiet: for which alerts, from which instant, and until which; a mute hides, it never forgets."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.core.alerts import Alert, AlertState
from alerter.core.conditions import Evidence, NoData
from alerter.core.mute_windows import MuteWindow, WindowName
from alerter.core.mutes import NO_MUTES, Mute, MuteKind, MuteSet, active_window, ended_mute, latest_ended, muted_by
from alerter.core.rules import Severity
from alerter.core.selectors import Selector
from alerter.core.series import ALL_REASONS, ALL_TENANTS, Tenant
from alerter.core.silences import Acknowledgement, Silence, broken_now, current_acknowledgements, firing_started_at
from tests.builders import (
    NOON,
    a_key,
    a_resolved,
    a_silence,
    a_window,
    an_acknowledgement,
    an_alert,
    at,
)

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
QUIET, PENDING = AlertState.INACTIVE, AlertState.PENDING
TOPIC = a_key().subject


def _instant(text: str) -> datetime:
    """Return the instant of `2026-03-29 01:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _no_data_alert() -> Alert:
    evidence = (Evidence(condition=NoData.name, limit_text="no data for 15m"),)
    return replace(an_alert(key=a_key(rule="No data", reason=ALL_REASONS), value=None), evidence=evidence)


# silences


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param("11:00", "13:00", True, id="it holds between its bounds"),
        pytest.param("12:00", "13:00", True, id="it holds at its first instant"),
        pytest.param("12:00:01", "13:00", False, id="it does not hold before"),
        pytest.param("11:00", "12:00", False, id="it does not hold any more at its last instant"),
        pytest.param("12:00", "12:00", False, id="one that was expired before it began never holds"),
    ],
)
def test_a_silence_holds_from_its_beginning_to_before_its_end(*, since: str, until: str, expected: bool) -> None:
    """Its bounds are half-open, so that of two silences in a row exactly one holds at any instant."""
    silence = a_silence(since=since, until=until)

    assert silence.is_active(now=NOON) is expected
    assert (muted_by(an_alert(), MuteSet(silences=[silence]), now=NOON) is not None) is expected


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        pytest.param(a_silence(), True, id="without selectors everything is silent"),
        pytest.param(a_silence(tenants=["ACME"]), True, id="its tenant"),
        pytest.param(a_silence(tenants=["globex"]), False, id="another tenant"),
        pytest.param(a_silence(reasons=["sp*"]), True, id="its reason"),
        pytest.param(a_silence(reasons=["!Spam"]), False, id="an excluded reason"),
        pytest.param(a_silence(rules=["Backlog"]), True, id="its rule"),
        pytest.param(a_silence(rules=["Surge"]), False, id="another rule"),
        pytest.param(a_silence(severities=[INFO, WARNING]), True, id="its severity"),
        pytest.param(a_silence(severities=[CRITICAL]), False, id="another severity"),
        pytest.param(
            a_silence(tenants=["acme"], reasons=["virus"], rules=["Backlog"], severities=[WARNING]),
            False,
            id="all of its selectors must match",
        ),
        pytest.param(a_silence(labels={"tier": "GO*"}), True, id="a label of its tenant"),
        pytest.param(a_silence(labels={"tier": "!gold"}), False, id="an excluded label"),
        pytest.param(a_silence(labels={"team": "north"}), False, id="a label that its tenant lacks"),
        pytest.param(a_silence(labels={"team": "!north"}), True, id="an excluded label that its tenant lacks"),
        pytest.param(a_silence(labels={"tier": "gold", "customer": "b"}), False, id="all of the labels must match"),
        pytest.param(a_silence(tenants=["globex"], labels={"tier": "gold"}), False, id="a label, but another tenant"),
    ],
)
def test_a_silence_is_for_what_its_selectors_match(*, silence: Silence, expected: bool) -> None:
    """Nothing else falls silent."""
    mutes = MuteSet(silences=[silence], labels_by_tenant={Tenant("acme"): {"tier": "gold", "customer": "a"}})

    assert silence.matcher.matches(an_alert(), {"tier": "gold", "customer": "a"}) is expected
    assert (muted_by(an_alert(), mutes, now=NOON) is not None) is expected


def test_a_silence_by_label_follows_the_label() -> None:
    """It is for whoever has the label now, and says so when it ends; one for sums over all tenants has none."""
    silence = a_silence(labels={"tier": "!gold"})
    sum_ = an_alert(key=a_key(tenant=ALL_TENANTS))
    gold, silver = (
        MuteSet(silences=[silence], labels_by_tenant={Tenant("acme"): {"tier": tier}}) for tier in ("gold", "silver")
    )

    assert muted_by(an_alert(), gold, now=NOON) is None
    assert muted_by(an_alert(), silver, now=NOON) is not None
    assert muted_by(an_alert(), MuteSet(silences=[silence]), now=NOON) is not None
    assert muted_by(sum_, silver, now=NOON) is None
    assert muted_by(sum_, MuteSet(silences=[a_silence()]), now=NOON) is not None
    assert ended_mute(an_alert(), gold, since=at("11:30"), now=at("13:00")) is None
    assert ended_mute(an_alert(), silver, since=at("11:30"), now=at("13:00")) is not None


def test_a_silence_says_whose_it_is_until_when_and_why() -> None:
    """Whoever wonders about the quiet can ask its author."""
    found = muted_by(an_alert(), MuteSet(silences=[a_silence(7)]), now=NOON)

    assert found == Mute(kind=MuteKind.SILENCE, name="7 by ann", until=at("13:00"), comment="known")


# acknowledgements


@pytest.mark.parametrize(
    ("acknowledgement", "alert", "expected"),
    [
        pytest.param(an_acknowledgement(), an_alert(), True, id="the alert goes on as it was"),
        pytest.param(
            replace(an_acknowledgement(), broken_at=at("11:50")),
            an_alert(),
            False,
            id="it has broken, and stays broken",
        ),
        pytest.param(an_acknowledgement(), an_alert(severity=CRITICAL, since="11:45"), False, id="the level has risen"),
        pytest.param(
            an_acknowledgement(severity=CRITICAL),
            an_alert(since="11:45"),
            True,
            id="a milder level is all that is left",
        ),
        pytest.param(an_acknowledgement(), a_resolved(), False, id="the alert has resolved"),
        pytest.param(an_acknowledgement(), an_alert(PENDING), False, id="the alert is only pending"),
        pytest.param(an_acknowledgement(), an_alert(since="11:31"), False, id="the alert has begun anew since"),
        pytest.param(an_acknowledgement(), an_alert(since="11:30"), True, id="it was acknowledged as it began"),
        pytest.param(an_acknowledgement(), an_alert(key=a_key(reason="Virus")), False, id="another alert"),
    ],
)
def test_an_acknowledgement_covers_its_alert_until_it_resolves_or_gets_worse(
    *, acknowledgement: Acknowledgement, alert: Alert, expected: bool
) -> None:
    """Whoever is at it is not reminded, but hears of it when it has become another matter."""
    mutes = MuteSet(acknowledgements={alert.key.subject: acknowledgement})

    assert acknowledgement.covers(alert) is expected
    assert (muted_by(alert, mutes, now=NOON) is not None) is expected


def test_an_acknowledgement_says_who_is_at_it() -> None:
    """It has no end that is known beforehand."""
    found = muted_by(an_alert(), MuteSet(acknowledgements={TOPIC: an_acknowledgement()}), now=NOON)

    assert found == Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="ann", comment="on it", count=120)


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param([], "", id="of nothing"),
        pytest.param([an_alert(PENDING)], "", id="what never fired has not begun"),
        pytest.param([an_alert(since="11:00")], "11:00", id="it fires"),
        pytest.param([a_resolved(since="11:00", until="11:30")], "11:00", id="it is over"),
        pytest.param(
            [an_alert(since="11:00"), an_alert(severity=CRITICAL, since="11:20")],
            "11:00",
            id="the milder level began it",
        ),
        pytest.param(
            [an_alert(since="11:20"), a_resolved(severity=CRITICAL, since="11:00", until="11:20")],
            "11:00",
            id="one level ended as the other began",
        ),
        pytest.param(
            [an_alert(since="11:20"), a_resolved(severity=CRITICAL, since="11:00", until="11:19")],
            "11:20",
            id="there was a pause between two levels",
        ),
        pytest.param(
            [
                an_alert(severity=INFO, since="11:30"),
                a_resolved(since="11:10", until="11:40"),
                a_resolved(severity=CRITICAL, since="11:00", until="11:15"),
            ],
            "11:00",
            id="a chain of three levels",
        ),
        pytest.param(
            [a_resolved(since="11:00", until="11:10"), a_resolved(severity=CRITICAL, since="11:30", until="11:40")],
            "11:30",
            id="of two episodes that are over the newer one",
        ),
    ],
)
def test_an_episode_begins_with_the_first_of_the_levels_that_overlap(alerts: Sequence[Alert], expected: str) -> None:
    """A topic fires without a pause as long as one of its levels does."""
    assert firing_started_at(alerts) == (at(expected) if expected else None)
    assert firing_started_at(reversed(alerts)) == firing_started_at(alerts)


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param([an_alert(since="11:00")], True, id="it fires ever since"),
        pytest.param([], False, id="nothing is known of it"),
        pytest.param(
            [an_alert(since="11:45"), a_resolved(severity=CRITICAL, since="11:00", until="11:40")],
            False,
            id="a new episode has begun one level down",
        ),
        pytest.param(
            [an_alert(since="11:45"), a_resolved(severity=CRITICAL, since="11:00", until="11:50")],
            True,
            id="a milder level has begun before it ended",
        ),
    ],
)
def test_a_new_episode_is_not_covered_at_any_level(*, alerts: Sequence[Alert], expected: bool) -> None:
    """What was acknowledged at one level is over when all levels are."""
    acknowledgements = {TOPIC: an_acknowledgement(severity=CRITICAL)}

    assert bool(current_acknowledgements(acknowledgements, {TOPIC: alerts}, now=NOON)) is expected


def test_an_acknowledgement_from_the_future_does_not_count() -> None:
    """After the clock was set back it would cover what has not begun yet."""
    acknowledgements = {TOPIC: an_acknowledgement(acknowledged_at="12:30")}

    assert current_acknowledgements(acknowledgements, {TOPIC: [an_alert()]}, now=NOON) == {}


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param([an_alert()], True, id="the level is the same"),
        pytest.param([], True, id="nothing is known of it"),
        pytest.param([an_alert(), an_alert(severity=INFO, since="11:45")], True, id="a milder level has begun"),
        pytest.param([an_alert(), an_alert(severity=CRITICAL, since="11:45")], False, id="a higher level fires"),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL, since="11:45", until="11:50")],
            False,
            id="a higher level has fired meanwhile",
        ),
        pytest.param(
            [an_alert(), a_resolved(severity=CRITICAL, since="11:10", until="11:20")],
            True,
            id="a higher level had fired before",
        ),
        pytest.param([an_alert(), an_alert(PENDING, severity=CRITICAL)], True, id="a higher level is only pending"),
        pytest.param([an_alert(value=239)], True, id="the count has not quite doubled"),
        pytest.param([an_alert(value=240)], False, id="the count has doubled"),
        pytest.param([an_alert(), an_alert(severity=INFO, value=240)], False, id="it has doubled at another level"),
        pytest.param([replace(a_resolved(), value=240)], True, id="what is over doubles nothing"),
        pytest.param([an_alert(value=None)], True, id="the count is not known any more"),
    ],
)
def test_an_acknowledgement_breaks_when_the_level_rises_or_the_count_doubles(
    *, alerts: Sequence[Alert], expected: bool
) -> None:
    """Nobody has acknowledged what came after that."""
    whole = an_acknowledgement()

    found = broken_now({TOPIC: whole}, {TOPIC: alerts}, now=NOON)

    assert found == ({} if expected else {TOPIC: replace(whole, broken_at=NOON)})
    assert broken_now(found, {TOPIC: alerts}, now=NOON + timedelta(minutes=5)) == {}


@pytest.mark.parametrize(
    "value", [pytest.param(None, id="there was no count"), pytest.param(0, id="there was nothing")]
)
def test_what_was_nothing_cannot_double(value: int | None) -> None:
    """Only a higher level breaks the acknowledgement then."""
    assert broken_now({TOPIC: an_acknowledgement(value=value)}, {TOPIC: [an_alert(value=900)]}, now=NOON) == {}


def test_an_acknowledgement_that_breaks_later_is_whole_now() -> None:
    """Whoever asks about the past sees what held then."""
    broken = replace(an_acknowledgement(), broken_at=at("12:30"))
    alerts = {TOPIC: [an_alert(since="11:00")]}

    assert current_acknowledgements({TOPIC: broken}, alerts, now=NOON) == {TOPIC: an_acknowledgement()}
    assert current_acknowledgements({TOPIC: broken}, alerts, now=at("12:30")) == {TOPIC: broken}


def test_an_acknowledgement_goes_with_a_clock_that_jumps() -> None:
    """Both of its instants, where it has both."""
    broken = replace(an_acknowledgement(), broken_at=at("12:00"))

    assert an_acknowledgement().moved(timedelta(hours=1)) == an_acknowledgement(acknowledged_at="12:30")
    assert broken.moved(timedelta(hours=1)).broken_at == at("13:00")


# mute windows; noon's day is Monday, 2 March 2026


@pytest.mark.parametrize(
    ("window", "now", "end", "last_ended_at"),
    [
        pytest.param(
            a_window("mon-fri", "09:00", "17:00"),
            "2026-03-02 08:59",
            None,
            "2026-02-27 17:00",
            id="before its first day",
        ),
        pytest.param(
            a_window("mon-fri", "09:00", "17:00"),
            "2026-03-02 09:00",
            "2026-03-02 17:00",
            "2026-02-27 17:00",
            id="at its first instant",
        ),
        pytest.param(
            a_window("mon-fri", "09:00", "17:00"),
            "2026-03-02 17:00",
            None,
            "2026-03-02 17:00",
            id="at its last instant",
        ),
        pytest.param(
            a_window("mon-fri", "09:00", "17:00"),
            "2026-03-07 12:00",
            None,
            "2026-03-06 17:00",
            id="not on its weekdays",
        ),
        pytest.param(
            a_window("mon-fri"),
            "2026-03-03 03:00",
            "2026-03-03 08:00",
            "2026-02-28 08:00",
            id="over midnight, after it",
        ),
        pytest.param(
            a_window("mon-fri"), "2026-03-02 03:00", None, "2026-02-28 08:00", id="the night before its first day"
        ),
        pytest.param(
            a_window("mon-fri"),
            "2026-03-07 07:59",
            "2026-03-07 08:00",
            "2026-03-06 08:00",
            id="the morning after its last day",
        ),
        pytest.param(
            a_window("sat", "00:00", "00:00"),
            "2026-03-07 23:59",
            "2026-03-08 00:00",
            "2026-03-01 00:00",
            id="a whole day",
        ),
        pytest.param(
            a_window("sat", "12:00", "12:00"),
            "2026-03-08 11:59",
            "2026-03-08 12:00",
            "2026-03-01 12:00",
            id="a whole day from noon to noon",
        ),
        pytest.param(
            a_window("sat-sun", "00:00", "00:00"),
            "2026-03-07 12:00",
            "2026-03-09 00:00",
            "2026-03-02 00:00",
            id="two whole days are one window",
        ),
        pytest.param(
            a_window("sat-sun", "00:00", "00:00"),
            "2026-03-08 12:00",
            "2026-03-09 00:00",
            "2026-03-02 00:00",
            id="the first of two whole days has not ended on the second",
        ),
        pytest.param(
            a_window("mon-fri", "18:00", "08:00", zone="America/New_York"),
            "2026-03-02 22:59",
            None,
            "2026-02-28 13:00",
            id="in the time of its place, before it",
        ),
        pytest.param(
            a_window("mon-fri", "18:00", "08:00", zone="America/New_York"),
            "2026-03-02 23:00",
            "2026-03-03 13:00",
            "2026-02-28 13:00",
            id="in the time of its place, at its first instant",
        ),
        pytest.param(
            a_window("mon", "00:00", "00:00", zone="Pacific/Auckland"),
            "2026-03-01 11:00",
            "2026-03-02 11:00",
            "2026-02-23 11:00",
            id="a weekday is that of its place",
        ),
    ],
)
def test_a_window_holds_on_its_days_from_its_beginning_to_before_its_end(
    window: MuteWindow, now: str, end: str | None, last_ended_at: str
) -> None:
    """The night belongs to the day on which it begins."""
    assert window.current_end_at(now=_instant(now)) == (_instant(end) if end else None)
    assert window.last_ended_at(now=_instant(now)) == _instant(last_ended_at)


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        pytest.param(
            a_window(zone="Europe/London"),
            "2026-03-28 18:00",
            "2026-03-29 07:00",
            id="London: the night in spring is an hour shorter",
        ),
        pytest.param(
            a_window(zone="Europe/London"),
            "2026-10-24 17:00",
            "2026-10-25 08:00",
            id="London: the night in autumn is an hour longer",
        ),
        pytest.param(
            a_window(zone="America/New_York"),
            "2026-03-07 23:00",
            "2026-03-08 12:00",
            id="New York: the night in spring is an hour shorter",
        ),
        pytest.param(
            a_window(zone="America/New_York"),
            "2026-10-31 22:00",
            "2026-11-01 13:00",
            id="New York: the night in autumn is an hour longer",
        ),
        pytest.param(
            a_window(zone="Australia/Lord_Howe"),
            "2026-10-03 07:30",
            "2026-10-03 21:00",
            id="Lord Howe: the night in spring is half an hour shorter",
        ),
        pytest.param(
            a_window(zone="Australia/Lord_Howe"),
            "2026-04-04 07:00",
            "2026-04-04 21:30",
            id="Lord Howe: the night in autumn is half an hour longer",
        ),
        pytest.param(
            a_window("sun", "00:00", "00:00", zone="Europe/London"),
            "2026-03-29 00:00",
            "2026-03-29 23:00",
            id="London: the whole day in spring has 23 hours",
        ),
        pytest.param(
            a_window("sun", "00:00", "00:00", zone="Europe/London"),
            "2026-10-24 23:00",
            "2026-10-26 00:00",
            id="London: the whole day in autumn has 25 hours",
        ),
        pytest.param(
            a_window(begins="01:30", ends="04:00", zone="Europe/London"),
            "2026-03-29 01:00",
            "2026-03-29 03:00",
            id="London: a beginning that is skipped has come with the first time after it",
        ),
        pytest.param(
            a_window(begins="23:00", ends="01:30", zone="Europe/London"),
            "2026-03-28 23:00",
            "2026-03-29 01:00",
            id="London: an end that is skipped has come with the first time after it",
        ),
        pytest.param(
            a_window(begins="22:00", ends="02:15", zone="Europe/Berlin"),
            "2026-03-28 21:00",
            "2026-03-29 01:00",
            id="Berlin: at three o'clock in spring a window until 02:15 is over",
        ),
        pytest.param(
            a_window(begins="00:15", ends="01:30", zone="Europe/London"),
            "2026-10-25 01:00",
            "2026-10-25 01:30",
            id="London: what the clock shows twice is in the window twice",
        ),
        pytest.param(
            a_window(begins="01:30", ends="04:00", zone="Europe/London"),
            "2026-10-25 01:30",
            "2026-10-25 04:00",
            id="London: a beginning that comes twice begins twice",
        ),
        pytest.param(
            a_window(begins="02:30", ends="05:00", zone="America/New_York"),
            "2026-03-08 07:00",
            "2026-03-08 09:00",
            id="New York: a beginning that is skipped has come with the first time after it",
        ),
        pytest.param(
            a_window(begins="02:15", ends="05:00", zone="Australia/Lord_Howe"),
            "2026-10-03 15:30",
            "2026-10-03 18:00",
            id="Lord Howe: of half an hour that is skipped likewise",
        ),
        pytest.param(
            a_window("fri", "18:00", "08:00", zone="Pacific/Apia"),
            "2011-12-30 10:00",
            "2011-12-30 18:00",
            id="Apia: the morning after a day that was skipped is that of the night before it",
        ),
        pytest.param(
            a_window("thu", "18:00", "08:00", zone="Pacific/Apia"),
            "2011-12-30 04:00",
            "2011-12-30 10:00",
            id="Apia: a night into a day that was skipped ends at midnight",
        ),
    ],
)
def test_a_window_is_right_on_the_nights_when_the_clocks_change(window: MuteWindow, begin: str, end: str) -> None:
    """It holds from its first to before its last instant, by the clock on the wall there."""
    first, last = _instant(begin), _instant(end)
    tick = datetime.resolution

    assert window.current_end_at(now=first - tick) is None
    assert window.current_end_at(now=first) == last
    assert window.current_end_at(now=last - tick) == last
    assert window.current_end_at(now=last) is None
    assert window.last_ended_at(now=last - tick) != last
    assert window.last_ended_at(now=last) == last


def test_a_window_that_the_clocks_skip_is_left_out() -> None:
    """From 01:30 to 02:00 there is nothing on the night when it is two o'clock at one."""
    window = a_window(begins="01:30", ends="02:00", zone="Europe/London")

    assert window.current_end_at(now=_instant("2026-03-29 01:15")) is None
    assert window.current_end_at(now=_instant("2026-03-29 01:45")) is None
    assert window.last_ended_at(now=_instant("2026-03-29 12:00")) == _instant("2026-03-28 02:00")


_CHANGES = {
    "Europe/London": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),  # at midnight
    "Pacific/Apia": ("2011-12-30", "2012-04-01"),  # a whole day, and an hour
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
    "UTC": ("2026-03-29", "2026-10-25"),
}
_HALF_HOURS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


def _shows(window: MuteWindow, now: datetime) -> bool:
    """Look at the wall clock."""
    shown = now.astimezone(window.timezone).replace(tzinfo=None)
    for day in (shown.date(), shown.date() - timedelta(days=1)):
        begin, end = datetime.combine(day, window.begins), datetime.combine(day, window.ends)
        end = end if window.begins < window.ends else end + timedelta(days=1)
        if day.weekday() in window.days and begin <= shown < end:
            return True
    return False


@given(
    night=st.sampled_from([(zone, night) for zone, nights in _CHANGES.items() for night in nights]),
    begins=_HALF_HOURS,
    ends=_HALF_HOURS,
    days=st.sets(st.integers(0, 6), min_size=1),
    minute=st.integers(-1440, 2880),
)
def test_a_window_holds_while_the_wall_clock_shows_it(
    night: tuple[str, str], begins: time, ends: time, days: set[int], minute: int
) -> None:
    """Whatever the clocks do: an hour, half an hour or a whole day, forth or back, at midnight or after it."""
    window = replace(a_window(zone=night[0]), days=frozenset(days), begins=begins, ends=ends)
    now = _instant(f"{night[1]} 00:00") + timedelta(minutes=minute)
    tick = datetime.resolution

    end, last = window.current_end_at(now=now), window.last_ended_at(now=now)

    assert (end is not None) == _shows(window, now)
    if end is not None and end < now + timedelta(days=7):
        assert _shows(window, end - tick)
        assert not _shows(window, end)
        assert all(_shows(window, now + step) for step in _quarters(end - now))
    if last is not None:
        assert _shows(window, last - tick)
        assert not _shows(window, last)
        after = next((last + step for step in _quarters(now - last) if _shows(window, last + step)), None)
        assert after is None or window.current_end_at(now=after) == end


def _quarters(span: timedelta) -> list[timedelta]:
    return [timedelta(minutes=15) * number for number in range(span // timedelta(minutes=15))]


def test_a_window_that_never_ends_holds_for_more_than_another_week() -> None:
    """Nobody is promised an end that will not come, nor told of one that was not."""
    always = a_window("mon-sun", "00:00", "00:00")

    end = always.current_end_at(now=NOON)

    assert end is not None
    assert (end - NOON).days >= 7
    assert always.last_ended_at(now=NOON) is None


def test_a_window_that_ended_long_ago_is_forgotten() -> None:
    """One without days has never ended."""
    never = replace(a_window(), days=frozenset())

    assert never.last_ended_at(now=NOON) is None
    assert never.current_end_at(now=NOON) is None


def test_of_several_windows_any_holds() -> None:
    """The one that holds is named, with its end."""
    lunch = replace(a_window(begins="11:30", ends="12:30"), name=WindowName("lunch"))

    assert active_window([a_window(), lunch], now=NOON) == Mute(kind=MuteKind.WINDOW, name="lunch", until=at("12:30"))
    assert active_window([a_window()], now=NOON) is None
    assert active_window([], now=NOON) is None


def test_a_window_without_a_place_of_its_own_falls_where_the_tenant_is() -> None:
    """A night in New York is a night for New York's tenants, whatever the time of the service."""
    local = replace(a_window("mon-sun", "05:00", "09:00"), is_local=True)
    mutes = MuteSet(windows_by_rule={TOPIC.rule: [local]}, timezones={TOPIC.tenant: ZoneInfo("America/New_York")})
    elsewhere = an_alert(key=a_key(tenant="globex"))

    assert muted_by(an_alert(), mutes, now=NOON) == Mute(kind=MuteKind.WINDOW, name="nights", until=at("14:00"))
    assert muted_by(elsewhere, mutes, now=NOON) is None
    assert muted_by(elsewhere, mutes, now=at("08:59")) is not None


def test_a_window_is_for_its_tenants_alone() -> None:
    """Whose systems are maintained at night is not told; a sum over all is told as ever."""
    window = a_window("mon-sun", "11:00", "13:00")
    globex, everybody = an_alert(key=a_key(tenant="globex")), an_alert(key=a_key(tenant=ALL_TENANTS))

    for tenants in (Selector(("acme",)), Selector(among=frozenset({"acme"}))):
        mutes = MuteSet(windows_by_rule={TOPIC.rule: [replace(window, tenants=tenants)]})

        assert muted_by(an_alert(), mutes, now=NOON) is not None
        assert muted_by(globex, mutes, now=NOON) is None
        assert muted_by(everybody, mutes, now=NOON) is None
        assert ended_mute(an_alert(), mutes, since=at("11:30"), now=at("13:00")) is not None
        assert ended_mute(globex, mutes, since=at("11:30"), now=at("13:00")) is None


def test_a_window_with_a_place_of_its_own_stays_there() -> None:
    """A time zone that is written on a window is meant."""
    mutes = MuteSet(
        windows_by_rule={TOPIC.rule: [a_window("mon-sun", "05:00", "09:00")]},
        timezones={TOPIC.tenant: ZoneInfo("America/New_York")},
    )

    assert muted_by(an_alert(), mutes, now=NOON) is None


# what keeps an alert quiet, of all there is


_LUNCH = a_window(begins="11:30", ends="12:30")
_BROKEN = replace(an_acknowledgement(value=60), broken_at=at("11:40"))


@pytest.mark.parametrize(
    ("mutes", "expected"),
    [
        pytest.param(NO_MUTES, None, id="nothing"),
        pytest.param(
            MuteSet(
                silences=[a_silence()],
                acknowledgements={TOPIC: an_acknowledgement()},
                windows_by_rule={TOPIC.rule: [_LUNCH]},
                no_data_tenants=frozenset([TOPIC.tenant]),
            ),
            MuteKind.SILENCE,
            id="a silence before everything",
        ),
        pytest.param(
            MuteSet(
                silences=[a_silence(until="12:00")],
                acknowledgements={TOPIC: an_acknowledgement()},
                windows_by_rule={TOPIC.rule: [_LUNCH]},
                no_data_tenants=frozenset([TOPIC.tenant]),
            ),
            MuteKind.ACKNOWLEDGEMENT,
            id="an acknowledgement before what nobody asked for",
        ),
        pytest.param(
            MuteSet(
                acknowledgements={TOPIC: _BROKEN},
                windows_by_rule={TOPIC.rule: [_LUNCH]},
                no_data_tenants=frozenset([TOPIC.tenant]),
            ),
            MuteKind.NO_DATA,
            id="missing data before a window",
        ),
        pytest.param(
            MuteSet(no_data_tenants=frozenset([TOPIC.tenant]), muted_tenants=frozenset([TOPIC.tenant])),
            MuteKind.TENANT,
            id="a muted tenant before one without data",
        ),
        pytest.param(
            MuteSet(muted_tenants=frozenset([a_key(tenant="globex").tenant])), None, id="another tenant is muted"
        ),
        pytest.param(
            MuteSet(windows_by_rule={TOPIC.rule: [a_window(), _LUNCH]}), MuteKind.WINDOW, id="a window of its rule"
        ),
        pytest.param(
            MuteSet(windows_by_rule={a_key(rule="Surge").rule: [_LUNCH]}),
            None,
            id="a window of another rule is not its own",
        ),
        pytest.param(
            MuteSet(no_data_tenants=frozenset([a_key(tenant="globex").tenant])), None, id="another tenant has no data"
        ),
    ],
)
def test_of_several_mutes_the_one_that_says_most_is_named(mutes: MuteSet, expected: MuteKind | None) -> None:
    """What a person asked for comes first."""
    found = muted_by(an_alert(), mutes, now=NOON)

    assert (found.kind if found else None) == expected


def test_no_data_does_not_hide_itself() -> None:
    """That a tenant cannot be polled is told while nothing else of it is."""
    mutes = MuteSet(no_data_tenants=frozenset([TOPIC.tenant]))

    assert muted_by(an_alert(), mutes, now=NOON) == Mute(kind=MuteKind.NO_DATA, name="acme")
    assert muted_by(_no_data_alert(), mutes, now=NOON) is None


def test_nobody_is_told_that_a_muted_tenant_has_no_data() -> None:
    """What is being set up, or has left, may fail as it likes."""
    mutes = MuteSet(muted_tenants=frozenset([TOPIC.tenant]))

    assert muted_by(_no_data_alert(), mutes, now=NOON) == Mute(kind=MuteKind.TENANT, name="acme")


def test_a_person_can_silence_no_data() -> None:
    """Whoever knows that the keys are being changed need not hear of it."""
    silence = a_silence(rules=["No data"])

    assert muted_by(_no_data_alert(), MuteSet(silences=[silence]), now=NOON) is not None


# what kept it quiet until a moment ago


@pytest.mark.parametrize(
    ("mutes", "since", "expected"),
    [
        pytest.param(NO_MUTES, "10:00", "", id="nothing was muted"),
        pytest.param(MuteSet(silences=[a_silence(until="12:00")]), "10:00", "1 by ann", id="a silence ends now"),
        pytest.param(MuteSet(silences=[a_silence(until="11:50")]), "10:00", "1 by ann", id="a silence has ended"),
        pytest.param(MuteSet(silences=[a_silence()]), "10:00", "", id="a silence goes on"),
        pytest.param(MuteSet(silences=[a_silence(until="11:50")]), "11:50", "", id="it ended before the last word"),
        pytest.param(
            MuteSet(silences=[a_silence(since="11:50", until="11:50")]), "10:00", "", id="a silence that never was"
        ),
        pytest.param(
            MuteSet(silences=[a_silence(until="11:50", reasons=["Virus"])]),
            "10:00",
            "",
            id="a silence of something else",
        ),
        pytest.param(
            MuteSet(silences=[a_silence(1, until="11:40"), a_silence(2, until="11:50"), a_silence(3, until="11:30")]),
            "10:00",
            "2 by ann",
            id="the silence that ended last",
        ),
        pytest.param(
            MuteSet(windows_by_rule={TOPIC.rule: [a_window(begins="11:00", ends="11:45")]}),
            "10:00",
            "nights",
            id="a window",
        ),
        pytest.param(
            MuteSet(windows_by_rule={TOPIC.rule: [a_window(begins="11:00", ends="11:45")]}),
            "11:45",
            "",
            id="a window that ended before the last word",
        ),
        pytest.param(
            MuteSet(windows_by_rule={TOPIC.rule: [replace(a_window(), days=frozenset())]}), "10:00", "", id="never"
        ),
        pytest.param(
            MuteSet(
                silences=[a_silence(until="11:50")],
                windows_by_rule={TOPIC.rule: [a_window(begins="11:00", ends="11:55")]},
            ),
            "10:00",
            "nights",
            id="a window that ended after a silence",
        ),
        pytest.param(
            MuteSet(silences=[a_silence(until="11:50")], acknowledgements={TOPIC: _BROKEN}),
            "11:10",
            "ann",
            id="an acknowledgement that has broken",
        ),
        pytest.param(
            MuteSet(acknowledgements={TOPIC: _BROKEN}),
            "11:40",
            "",
            id="an acknowledgement that broke before the last word",
        ),
        pytest.param(
            MuteSet(acknowledgements={TOPIC: an_acknowledgement()}),
            "11:10",
            "",
            id="an acknowledgement that holds",
        ),
    ],
)
def test_the_mute_that_ended_last_is_named(mutes: MuteSet, since: str, expected: str) -> None:
    """The next message says that it has just ended."""
    found = ended_mute(an_alert(), mutes, since=at(since), now=NOON)

    assert (found.name if found else "") == expected


def test_of_ends_the_newest_is_said() -> None:
    """One that is not known beforehand is now."""
    window = Mute(kind=MuteKind.WINDOW, name="nights", until=at("11:45"))
    acknowledgement = Mute(kind=MuteKind.ACKNOWLEDGEMENT, name="ann")

    assert latest_ended([window, acknowledgement], now=NOON) is acknowledgement
    assert latest_ended([], now=NOON) is None
