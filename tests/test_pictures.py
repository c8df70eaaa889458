"""README's pictures of the conditions are what the code decides, and show what the text beside them says."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby, pairwise

import pytest

from alerter.core.alerts import AlertState
from alerter.core.conditions import CONDITIONS
from tests.gallery import DAY, GALLERY, HOUR, MONDAY, Picture
from tests.pictures import COMMAND, README, Lane, config_of, drawing_of, lanes_of, pictures_in, redrawn

TEXT = README.read_text(encoding="utf-8")
TOML = {name: toml for name, toml, _ in pictures_in(TEXT)}
FIRING, PENDING = AlertState.FIRING, AlertState.PENDING


class Shown:
    """A picture of README with the lanes below it."""

    def __init__(self, name: str) -> None:
        self.picture = GALLERY[name]
        (self.lane, *self.beside) = lanes_of(self.picture, TOML[name]).values()

    def runs(self, lane: Lane, state: AlertState = FIRING) -> list[range]:
        """Return the columns of each stretch in a state."""
        stretches = [(each, [*columns]) for each, columns in groupby(range(len(lane)), key=lane.__getitem__)]
        return [range(columns[0], columns[-1] + 1) for each, columns in stretches if each is state]

    def at(self, column: int) -> timedelta:
        """Return how long after Monday's midnight a column is."""
        return self.picture.polls[column] - MONDAY

    def held(self, column: int) -> int:
        """Return what was held."""
        count = self.picture.columns[column]
        assert count is not None
        return count


@pytest.mark.parametrize("name", [*GALLERY])
def test_every_picture_in_the_readme_is_what_the_code_draws(name: str) -> None:
    """A picture is as old as the rule above it and the code that decides."""
    (drawn,) = [drawing for each, _, drawing in pictures_in(TEXT) if each == name]

    assert drawn == drawing_of(GALLERY[name], TOML[name]), f"README's picture of {name!r} is old: run `{COMMAND}`"


def test_every_condition_has_a_picture_and_every_marker_one() -> None:
    """A new condition needs a picture, and a marker with a misspelt name or a missing block is no picture."""
    shown = {
        condition.name
        for toml in TOML.values()
        for rule in config_of(toml).rules
        for level in rule.levels.values()
        for condition in level.conditions
    }

    assert shown == set(CONDITIONS)
    assert [*TOML] == re.findall(r"<!-- picture: (.*) -->", TEXT) == [*GALLERY]


def test_a_picture_shows_counts_limit_failed_polls_and_states() -> None:
    """Every eighth of a row counts, and a count beyond the limit is a column beyond the line."""
    picture = Picture(
        begin=MONDAY,
        every=timedelta(minutes=5),
        counts="0 1 100 200 201 260x2 _ 200 100",
        row=100,
        limit=200,
        tick=timedelta(minutes=30),
        beside={"beside": "{ threshold = { above = 250 } }"},
    )
    toml = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200 }, for = "10m" }\n'

    assert drawing_of(picture, toml) == (
        "    300 ┤    ▁▅▅\n"
        "    200 ┤▔▔▔████ █▔\n"
        "    100 ┤ ▁█████x██\n"
        "      0 └┴─────┴───\n"
        "         00:00 00:30\n"
        "warning  ····░░██··\n"
        " beside  ·····███··\n"
    )


def test_drawing_anew_changes_nothing_but_the_pictures() -> None:
    """Words and rules around a picture stay as they are, and what is drawn twice is the same."""
    spoilt = TEXT
    for _, _, drawing in pictures_in(TEXT):
        spoilt = spoilt.replace(drawing, "")

    assert spoilt != TEXT
    assert redrawn(spoilt, GALLERY) == TEXT


def _threshold_makes_one_alert_of_a_count_that_dances(shown: Shown) -> None:
    first, second = shown.runs(shown.lane, PENDING)
    (fired,) = shown.runs(shown.lane)

    assert first.stop < second.start
    assert second.stop == fired.start
    assert min(map(shown.held, fired)) > 150
    assert shown.held(fired.stop) <= 150
    assert len(shown.runs(shown.beside[0])) == 5


def _growth_ends_an_hour_after_the_rise_however_much_is_held(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)

    assert timedelta(0) <= shown.at(fired.stop) - shown.at(fired.start) - HOUR <= timedelta(minutes=5)
    assert shown.held(fired.stop) > shown.held(fired.start) >= 2 * shown.held(fired.start - 12)


def _growth_with_times_is_quiet_on_a_monday_morning(shown: Shown) -> None:
    (wave,) = shown.runs(shown.lane)
    monday, tuesday = shown.runs(shown.beside[0])

    assert shown.at(monday.start) < DAY < shown.at(wave.start)
    assert wave == tuesday


def _growth_that_falls_sees_a_leap_and_no_slow_release(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)

    assert shown.held(0) - shown.held(fired.start - 2) >= 60
    assert shown.held(fired.start - 12) - shown.held(fired.start) >= 100


def _rise_rings_for_a_wave_that_does_not_double_the_queue(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)

    assert not shown.runs(shown.beside[0])
    assert 2 * shown.held(fired.start - 2) > max(map(shown.held, fired))
    assert shown.held(6) < shown.held(8) < shown.held(fired.start)


def _fall_rings_for_the_release_of_all_and_not_of_a_wave(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)
    falls = [column for column in range(1, len(shown.lane)) if shown.held(column - 1) - shown.held(column) > 200]

    assert len(falls) == 2
    assert fired.start == falls[1]


def _rare_rings_for_seven_where_single_ones_come(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)

    assert shown.held(fired.start) - shown.held(fired.start - 2) >= 4
    assert max(map(shown.held, range(fired.start - 2))) == 1


def _silence_rings_a_day_after_the_last_new_message(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)
    rises = [column for column in range(1, len(shown.lane)) if shown.held(column) > shown.held(column - 1)]

    assert shown.at(fired.start) - shown.at(rises[-1]) >= DAY
    assert fired.stop == len(shown.lane)


def _forecast_fires_four_hours_before_the_limit_is_passed(shown: Shown) -> None:
    (coming,) = shown.runs(shown.lane)
    (passed,) = shown.runs(shown.beside[0])

    assert shown.held(coming.start) <= 500 < shown.held(passed.start)
    assert shown.at(passed.start) - shown.at(coming.start) == 4 * HOUR


def _baseline_knows_a_sunday_from_a_monday(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)
    sunday, monday, *_ = shown.runs(shown.beside[0])

    assert shown.at(fired.stop) < timedelta(0) < shown.at(monday.start)
    assert max(map(shown.held, sunday)) == max(map(shown.held, monday)) == 120


def _stagnant_fires_three_days_after_the_last_release(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)
    falls = [after for before, after in pairwise(range(len(shown.lane))) if shown.held(after) < shown.held(before)]
    released = [column for column in falls if column < fired.start]

    assert len(released) == 3
    assert shown.at(fired.start) - shown.at(released[-1]) == 3 * DAY
    assert fired.stop in falls
    assert min(map(shown.held, range(len(shown.lane)))) > 20


def _new_reason_is_news_for_a_day_and_never_again(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)

    assert shown.held(fired.start - 1) == 0 < shown.held(fired.start)
    assert shown.at(fired.stop) - shown.at(fired.start) == DAY
    assert shown.held(fired.stop) == 0 < shown.held(len(shown.lane) - 1)


def _no_data_leaves_single_failures_alone_and_other_alerts_as_they_were(shown: Shown) -> None:
    (fired,) = shown.runs(shown.lane)
    (above,) = shown.runs(shown.beside[0])
    failed = [column for column, count in enumerate(shown.picture.columns) if count is None]

    assert fired.stop - 1 == failed[-1]
    assert len(failed) > len(fired) + 3
    assert set(fired) < set(above)
    assert above.stop == fired.stop


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("threshold", _threshold_makes_one_alert_of_a_count_that_dances),
        ("growth", _growth_ends_an_hour_after_the_rise_however_much_is_held),
        ("growth with times", _growth_with_times_is_quiet_on_a_monday_morning),
        ("growth that falls", _growth_that_falls_sees_a_leap_and_no_slow_release),
        ("rise", _rise_rings_for_a_wave_that_does_not_double_the_queue),
        ("fall", _fall_rings_for_the_release_of_all_and_not_of_a_wave),
        ("rare", _rare_rings_for_seven_where_single_ones_come),
        ("silence", _silence_rings_a_day_after_the_last_new_message),
        ("forecast", _forecast_fires_four_hours_before_the_limit_is_passed),
        ("baseline", _baseline_knows_a_sunday_from_a_monday),
        ("stagnant", _stagnant_fires_three_days_after_the_last_release),
        ("new_reason", _new_reason_is_news_for_a_day_and_never_again),
        ("no_data", _no_data_leaves_single_failures_alone_and_other_alerts_as_they_were),
    ],
    ids=[*GALLERY],
)
def test_each_picture_shows_what_readme_says_of_it(name: str, shows: Callable[[Shown], None]) -> None:
    """The text beside a picture is true of it."""
    shows(Shown(name))
