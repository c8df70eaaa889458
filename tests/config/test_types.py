"""Texts that are values: durations, names, URLs."""

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.config.types import LONGEST, checked_name, key, listed, parse_duration, time_of_day, weekdays
from alerter.config.urls import base_url
from alerter.humanize import setting_text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
        pytest.param("10m", timedelta(minutes=10), id="minutes"),
        pytest.param("1h30m", timedelta(minutes=90), id="two units"),
        pytest.param("2d", timedelta(days=2), id="days"),
        pytest.param("1w", timedelta(weeks=1), id="weeks"),
        pytest.param("1w2d3h4m5s", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5), id="all units"),
        pytest.param("0s", timedelta(0), id="nothing"),
        pytest.param(" 5m ", timedelta(minutes=5), id="white space around"),
        pytest.param("36500d", LONGEST, id="the longest"),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    """Durations are written as Prometheus writes them."""
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "1h 30m", "-5m", "+5m", "1.5h", "5M", "5ms", "5m5m", "1y", "\u0665m"]
)
def test_nothing_else_is_a_duration(text: str) -> None:
    """What could be misread is refused."""
    with pytest.raises(ValueError, match="expected a duration such as"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=LONGEST))
def test_a_duration_that_is_shown_can_be_written(span: timedelta) -> None:
    """What errors and proposed rules show as a duration is one that the configuration takes."""
    whole = timedelta(seconds=int(span.total_seconds()))

    assert parse_duration(setting_text(whole)) == whole


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://api.services.mimecast.com", id="https"),
        pytest.param("https://mimecast.example:8443", id="a port"),
        pytest.param("http://localhost:8025", id="http to this machine by name"),
        pytest.param("http://127.0.0.1:8025", id="http to this machine"),
        pytest.param("http://127.1.2.3", id="http to another address of this machine"),
        pytest.param("http://[::1]:8025", id="http to this machine by IPv6"),
    ],
)
def test_a_base_url_is_scheme_and_host(url: str) -> None:
    """TLS is needed but on this machine; a slash at the end does not matter."""
    assert base_url(url) == url
    assert base_url(f"{url}/") == url


@pytest.mark.parametrize("url", ["http://localhost.example", "http://10.0.0.1", "http://127.0.0.1.example"])
def test_what_only_looks_like_this_machine_needs_tls(url: str) -> None:
    """Keys are never sent over a network in plain text."""
    with pytest.raises(ValueError, match="expected https"):
        base_url(url)


@pytest.mark.parametrize("name", ["a", "Acme-UK_2.0", "0", "a" * 64])
def test_a_name_of_letters_digits_and_a_few_signs_is_taken(name: str) -> None:
    """Names of tenants and receivers stand in globs, commands and logs."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a*", "a/b", "é", "a" * 65, "a\n"])
def test_no_other_name_is_taken(name: str) -> None:
    """A name that a glob or a command could misread is refused."""
    with pytest.raises(ValueError, match="expected a name of letters"):
        checked_name(name)


def test_a_long_list_of_names_is_cut() -> None:
    """An error with ten thousand names in it helps nobody."""
    assert listed("ab") == '"a" or "b"'
    assert listed([]) == "none"
    assert listed("abcdefghijk").endswith('"j" or another')


@pytest.mark.parametrize(
    ("text", "days"),
    [
        pytest.param("mon", {0}, id="one day"),
        pytest.param("mon-fri", {0, 1, 2, 3, 4}, id="a range"),
        pytest.param("sat-mon", {5, 6, 0}, id="a range over the weekend"),
        pytest.param("fri-fri", {4}, id="from a day to itself is that day"),
        pytest.param("tue-mon", {0, 1, 2, 3, 4, 5, 6}, id="all week"),
        pytest.param(" Sat - SUN ", {5, 6}, id="any case, spaces"),
    ],
)
def test_days_are_named(text: str, days: set[int]) -> None:
    """A day is a name, for numbers begin with Sunday in one place and with Monday in another."""
    assert weekdays(text) == days


@pytest.mark.parametrize("text", ["00:00", "08:30", "23:59"])
def test_a_time_of_day_is_what_a_clock_shows(text: str) -> None:
    """Hours and minutes, each of two digits."""
    assert time_of_day(f" {text} ") == time.fromisoformat(text)


@pytest.mark.parametrize("value", ["", "8:00", "08", "08:60", "24:00", "08:00:00", "\u0660\u0668:00", 8, None])
def test_nothing_else_is_a_time_of_day(value: object) -> None:
    """What could be misread is refused."""
    with pytest.raises(ValueError, match="expected a time of day"):
        time_of_day(value)


SECRET = "qXv7Zk2LmN0pRs"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f'"{SECRET}"', "found quotes around it", id="double quotes"),
        pytest.param(f"'{SECRET}'", "found quotes around it", id="single quotes"),
        pytest.param(f"\u201c{SECRET}\u201d", "found quotes around it", id="quotes of a word processor"),
        pytest.param(f"`{SECRET}", "found quotes around it", id="a quote at one end"),
        pytest.param(f"Bearer {SECRET}", "found a word before it", id="copied from a request"),
        pytest.param(f"client_secret={SECRET}", "found a word before it", id="copied from a file of variables"),
        pytest.param(f"export CLIENT_ID = {SECRET}", "found a word before it", id="copied from a script"),
        pytest.param(f"client_id: {SECRET}", "found a word before it", id="copied from YAML"),
        pytest.param(f"{SECRET} ", "without spaces", id="a space behind it"),
        pytest.param(f"{SECRET}\\n", "found a backslash at its end", id="a line break that was written"),
        pytest.param(f"\ufeff{SECRET}", "expected a key of ASCII characters", id="a mark that some editors write"),
    ],
)
def test_a_key_that_brought_something_along_is_refused_without_being_shown(text: str, said: str) -> None:
    """As it comes from a mail, a request or a file of variables."""
    with pytest.raises(ValueError, match=said) as caught:
        key(text)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", [SECRET, "abcd==", "a-b_c.d~e+f/g=", r"a\n\b"])
def test_a_key_alone_is_taken(text: str) -> None:
    """Base64 ends in equals signs."""
    assert key(text) == text
