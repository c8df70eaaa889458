"""Times as people write them at a prompt."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest

from alerter.cli.times import parse_future_time, parse_time

#: A Wednesday, 13:30 in London.
NOW = datetime(2026, 3, 11, 13, 30, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("now", "2026-03-11 13:30", id="now"),
        pytest.param("2h", "2026-03-11 15:30", id="a span is from now on"),
        pytest.param("in 2h 30m", "2026-03-11 16:00", id="in a span"),
        pytest.param("+90m", "2026-03-11 15:00", id="plus a span"),
        pytest.param("18:00", "2026-03-11 18:00", id="a clock later today"),
        pytest.param("08:00", "2026-03-12 08:00", id="a clock that has passed is tomorrow's"),
        pytest.param("8:00:30", "2026-03-12 08:00:30", id="with seconds"),
        pytest.param("6pm", "2026-03-11 18:00", id="a clock of twelve hours"),
        pytest.param("12:15 am", "2026-03-12 00:15", id="after midnight"),
        pytest.param("today 18:00", "2026-03-11 18:00", id="today"),
        pytest.param("today 08:00", "2026-03-11 08:00", id="today, though it has been: the caller says so"),
        pytest.param("tomorrow", "2026-03-12 00:00", id="a day begins at midnight"),
        pytest.param("Tomorrow at 8:00", "2026-03-12 08:00", id="with words"),
        pytest.param("mon 09:00", "2026-03-16 09:00", id="the next Monday"),
        pytest.param("wednesday 14:00", "2026-03-11 14:00", id="today is such a day, and the time is to come"),
        pytest.param("wed 09:00", "2026-03-18 09:00", id="today is such a day, and the time has been"),
        pytest.param("2026-03-29 08:00", "2026-03-29 07:00", id="a date, in summer"),
        pytest.param("sun 08:00", "2026-03-15 08:00", id="before the change of clocks"),
        pytest.param("2026-03-12T08:00:00Z", "2026-03-12 08:00", id="ISO 8601"),
    ],
)
def test_a_time_to_come_is_read_as_it_is_written(text: str, expected: str) -> None:
    """As people say it, in the time zone of the service."""
    assert parse_future_time(text, LONDON, option="--until", now=NOW) == datetime.fromisoformat(f"{expected}Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("now", "2026-03-11 13:30", id="now"),
        pytest.param("90m", "2026-03-11 12:00", id="a span is ago"),
        pytest.param("2 days ago", "2026-03-09 13:30", id="a span in words"),
        pytest.param("1 hour 30 mins", "2026-03-11 12:00", id="two of them"),
        pytest.param("2d ago", "2026-03-09 13:30", id="a span ago"),
        pytest.param("08:00", "2026-03-11 08:00", id="a clock today"),
        pytest.param("yesterday 18:00", "2026-03-10 18:00", id="yesterday"),
        pytest.param("mon 09:00", "2026-03-09 09:00", id="the last Monday"),
        pytest.param("wed 09:00", "2026-03-11 09:00", id="today is such a day, and the time has been"),
        pytest.param("wed 18:00", "2026-03-04 18:00", id="today is such a day, and the time is to come"),
        pytest.param("18:00", None, id="a clock to come"),
        pytest.param("13pm", None, id="no hour"),
        pytest.param("25:00", None, id="no clock"),
        pytest.param("someday", None, id="no day"),
        pytest.param("", None, id="nothing"),
        pytest.param("in", None, id="half of it"),
    ],
)
def test_a_time_that_has_been_is_read_as_it_is_written(text: str, expected: str | None) -> None:
    """What is none, or is to come, is refused with examples or the reason."""
    if expected is not None:
        assert parse_time(text, LONDON, option="--since", now=NOW) == datetime.fromisoformat(f"{expected}Z")
        return
    with pytest.raises(click.BadParameter, match=r"expected a time (such as '2h ago'|that has been)"):
        parse_time(text, LONDON, option="--since", now=NOW)


@pytest.mark.parametrize("text", ["", "soon", "in", "in 2 parsecs", "mon 25:00", "9999-99-99", "13am", "+"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(click.BadParameter, match="expected a time such as '2h', '18:00', 'tomorrow 08:00'"):
        parse_future_time(text, LONDON, option="--until", now=NOW)
