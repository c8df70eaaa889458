"""Charts as SVG: what is known, what is not, and no name that breaks out of it."""

from datetime import UTC, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from alerter.core.charts.figure import Band, Figure, Limit, build_figure
from alerter.core.charts.svg import PICTURE_WIDTH, chart_svg, nice_top, picture_svg, spark_svg, time_ticks
from alerter.core.rules import RuleName, Severity
from tests.builders import NOON, at, series

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    """Return the elements of an SVG."""
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - our own


def a_figure(notation: str = "1 5 9 3", *, rule: str = "Spam") -> Figure:
    """Return a figure of a quarter of an hour with a limit, an alert and a mute."""
    limit = Limit(rule=RuleName(rule), severity=Severity.CRITICAL, count=10, is_upper=True)
    far = Limit(rule=RuleName(rule), severity=Severity.WARNING, count=10_000, is_upper=True)
    alert = Band(start_at=at("11:50"), end_at=NOON, label=rule, severity=Severity.CRITICAL, alert_id="0a1b2c3d")
    mute = Band(start_at=at("11:55"), end_at=NOON, label="silence 3")
    return build_figure(
        series(notation), start_at=at("11:30"), end_at=NOON, limits=(limit, far), alerts=(alert,), mutes=(mute,)
    )


def classes(root: ET.Element, tag: str) -> list[str]:
    """Return the classes of the elements of a kind, in their order."""
    return [each.get("class", "") for each in root.iter(f"{SVG}{tag}")]


def test_a_chart_has_its_line_its_limits_its_alerts_and_its_gaps() -> None:
    """The limit that is far above what was held is left out: it would flatten the line."""
    root = parse(chart_svg(a_figure(), UTC, title="Spam of acme"))

    assert root.get("aria-label") == "Spam of acme"
    assert classes(root, "rect") == ["gap", "band critical", "band mute"]
    assert [each for each in classes(root, "path") if each.startswith("limit")] == ["limit critical"]
    assert [each.text for each in root.iter(f"{SVG}text") if "limit-name" in each.get("class", "")] == [
        "Spam: critical above 10"
    ]


def test_the_picture_of_a_message_is_the_same_chart_with_a_style_of_its_own() -> None:
    """A document that needs nothing else, and that has no name of a rule, which its font might not have."""
    svg = picture_svg(a_figure(rule="垃圾邮件"), UTC)
    root = ET.fromstring(svg)  # noqa: S314 - our own

    assert (root.get("width"), root.get("viewBox")) == ("640", "0 0 640 240")
    assert classes(root, "rect") == ["", "gap", "band critical"]
    assert [each.text for each in root.iter(f"{SVG}text") if "limit-name" in each.get("class", "")] == [
        "critical above 10"
    ]
    visible = svg.replace("<title>critical alert: 垃圾邮件</title>", "")
    assert visible.isascii()


def test_a_label_at_the_right_edge_of_a_picture_is_not_cut() -> None:
    """The axis of a day that ends at midnight has its last label there."""
    midnight = NOON.replace(hour=0)
    figure = build_figure(series("5"), start_at=midnight - timedelta(days=1), end_at=midnight)

    root = ET.fromstring(picture_svg(figure, UTC))  # noqa: S314 - our own

    ends = [float(each.get("x", "0")) for each in root.iter(f"{SVG}text") if "middle" in each.get("class", "")]
    assert max(ends) <= PICTURE_WIDTH - 30


def test_a_chart_is_broken_where_nothing_is_known() -> None:
    """Two runs of polls are two strokes, and never a line down to zero."""
    root = parse(chart_svg(a_figure("4 4 _ _ 7"), UTC, title="Spam"))

    line = next(each for each in root.iter(f"{SVG}path") if each.get("class") == "line")
    assert line.get("d", "").count("M") == 2


def test_of_a_time_without_data_the_whole_chart_is_a_gap() -> None:
    """It says so, and has no line."""
    figure = build_figure(series("5"), start_at=NOON - timedelta(hours=2), end_at=NOON - timedelta(hours=1))

    root = parse(chart_svg(figure, UTC, title="Spam"))

    assert classes(root, "rect") == ["gap"]
    assert next(each for each in root.iter(f"{SVG}path") if each.get("class") == "line").get("d") == ""


def test_a_hostile_name_stays_text() -> None:
    """A rule may be called anything; a character that turns the line around is not shown."""
    svg = chart_svg(a_figure(rule='</text><script>"x"\N{RIGHT-TO-LEFT OVERRIDE}'), UTC, title='" onload="x')

    assert "<script" not in svg
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in svg
    assert parse(svg).get("aria-label") == '" onload="x'


def test_more_changes_than_pixels_become_the_highest_of_each_pixel() -> None:
    """A year of one-minute counts is as large as a day's."""
    notation = " ".join(str(number % 7) for number in range(2000))
    figure = build_figure(
        series(notation, every="1m"), start_at=NOON - timedelta(minutes=2100), end_at=NOON - timedelta(minutes=50)
    )

    assert len(figure.segments) > 1000
    assert len(chart_svg(figure, UTC, title="Spam")) < 60_000


def test_a_small_line_is_broken_where_nothing_is_known() -> None:
    """It begins again after a gap."""
    path = parse(spark_svg([0, None, 4, 4])).find(f"{SVG}path")

    assert path is not None
    assert path.get("d", "").count("M") == 2


def test_a_small_line_of_nothing_is_empty() -> None:
    """Of a tenant that was never polled."""
    assert 'd="M0 0"' in spark_svg([None, None])


@pytest.mark.parametrize(
    ("count", "top"), [pytest.param(1, 4), pytest.param(9, 12), pytest.param(640, 800), pytest.param(2001, 4000)]
)
def test_an_axis_ends_at_a_round_number(count: int, top: int) -> None:
    """Its quarters are whole numbers."""
    assert nice_top(count) == top


@pytest.mark.parametrize(
    ("span", "first"),
    [
        pytest.param(timedelta(hours=1), "11:00", id="an hour, in quarters"),
        pytest.param(timedelta(days=1), "12:00", id="a day, in hours"),
        pytest.param(timedelta(days=7), "24 Feb", id="a week, in days"),
        pytest.param(timedelta(days=2000), "8 Dec", id="years, in quarters of one"),
    ],
)
def test_the_time_axis_has_few_marks_at_round_times(span: timedelta, first: str) -> None:
    """Whole hours or days of the reader's time zone."""
    ticks = list(time_ticks(NOON - span, NOON, UTC))

    assert ticks[0][1] == first
    assert span.days > 365 or len(ticks) <= 10


def test_days_begin_at_midnight_of_the_time_zone_across_a_change_of_the_clocks() -> None:
    """In New York the clocks went forward on 8 March 2026: each mark is a midnight there."""
    zone = ZoneInfo("America/New_York")

    ticks = list(time_ticks(NOON + timedelta(days=4), NOON + timedelta(days=9), zone))

    assert {each.astimezone(zone).hour for each, _ in ticks} == {0}
    assert [label for _, label in ticks] == ["7 Mar", "8 Mar", "9 Mar", "10 Mar", "11 Mar"]
