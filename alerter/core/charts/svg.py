"""A figure as SVG: a small line for a row of a table, and a chart with axes, limits, alerts and gaps.

Colors come from the page's style sheet by class names, so that a chart follows light, dark and print. All text in it is
escaped here, once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from html import escape
from typing import Final

from alerter.core.charts.figure import Band, Figure
from alerter.core.rules import RuleName
from alerter.core.selectors import shown

#: A small line, in pixels.
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24
#: A chart on the page.
WIDTH: Final = 960
HEIGHT: Final = 300
#: Where its plot begins, and how much room there is around it.
_LEFT: Final = 64
_TOP: Final = 14
_RIGHT_MARGIN: Final = 12
_BOTTOM_MARGIN: Final = 46
#: Rows of alerts and mutes stand below the plot.
_BAND_HEIGHT: Final = 8
#: The steps of the time axis.
_TICKS: Final = (
    timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6),
    timedelta(days=1), timedelta(days=2), timedelta(days=7), timedelta(days=14), timedelta(days=30), timedelta(days=90),
)  # fmt: skip
_MAX_TICKS: Final = 9
#: The picture in a message, in pixels; it is drawn with twice as many.
PICTURE_WIDTH: Final = 640
PICTURE_HEIGHT: Final = 240
#: What the page's style sheet says of a chart, in the light colours. Each stroke differs from the others in grey, too.
_PICTURE_STYLE: Final = (
    ".grid{stroke:#e3e5e9;fill:none}.line{stroke:#0b57b0;stroke-width:2;fill:none}.area{fill:#0b57b0;fill-opacity:.12}"
    ".hatch{stroke:#59626e;stroke-opacity:.55;stroke-width:1.4}.gap{fill:url(#gap)}"
    ".limit{fill:none;stroke-width:1.6;stroke:#1f5f99;stroke-dasharray:2 4}"
    ".limit.warning{stroke:#8a5300;stroke-dasharray:5 4}.limit.critical{stroke:#b42318;stroke-dasharray:11 4}"
    "text{font-family:'DejaVu Sans';font-size:12.5px;fill:#59626e}.end{text-anchor:end}.middle{text-anchor:middle}"
    ".limit-name.info{fill:#1f5f99}.limit-name.warning{fill:#8a5300}.limit-name.critical{fill:#b42318}"
    ".band{fill:#1f5f99}.band.warning{fill:#8a5300}.band.critical{fill:#b42318}"
)


def spark_svg(peaks: Sequence[int | None]) -> str:
    """Return a small line of the highest counts of equal slots; where nothing is known it is broken.

    Args:
        peaks: As `Figure.peaks` returns them, at least one.
    """
    top = max((count for count in peaks if count), default=1)
    pitch = SPARK_WIDTH / len(peaks)
    height = SPARK_HEIGHT - 3
    parts: list[str] = []
    is_drawing = False
    for index, count in enumerate(peaks):
        if count is not None:
            y = SPARK_HEIGHT - 1.5 - count / top * height
            start = f"M{index * pitch:.1f} {y:.1f}" if not is_drawing else f"V{y:.1f}"
            parts.append(f"{start}H{(index + 1) * pitch:.1f}")
        is_drawing = count is not None
    return (
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" aria-hidden="true" focusable="false">'
        f'<path d="{"".join(parts) or "M0 0"}"/></svg>'
    )


def chart_svg(figure: Figure, timezone: tzinfo, *, title: str) -> str:
    """Return a chart of a figure, as a part of a page that has its style sheet.

    Args:
        figure: What it shows.
        timezone: In which its times are read.
        title: What it is, for people who cannot see it.
    """
    chart = _Chart(figure, timezone, width=WIDTH, height=HEIGHT)
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(title)}">'
    return "".join([head, *chart.parts(), "</svg>"])


def picture_svg(figure: Figure, timezone: tzinfo) -> str:
    """Return the same chart as a document of its own, for the picture in a message.

    No name that comes from Mimecast, and none of a rule, is in it: its font has the letters of our own words.

    Args:
        figure: What it shows; its mutes are left out.
        timezone: In which its times are read.
    """
    limits = tuple(replace(each, rule=RuleName("")) for each in figure.limits)
    chart = _Chart(replace(figure, limits=limits, mutes=()), timezone, width=PICTURE_WIDTH, height=PICTURE_HEIGHT)
    size = f'width="{PICTURE_WIDTH}" height="{PICTURE_HEIGHT}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size} viewBox="0 0 {PICTURE_WIDTH} {PICTURE_HEIGHT}">'
        f'<style>{_PICTURE_STYLE}</style><rect {size} fill="#ffffff"/>'
    )
    return "".join([head, *chart.parts(), "</svg>"])


class _Chart:
    def __init__(self, figure: Figure, timezone: tzinfo, *, width: int, height: int) -> None:
        self._figure = figure
        self._zone = timezone
        self._height = height
        self._right = width - _RIGHT_MARGIN
        self._bottom = height - _BOTTOM_MARGIN
        self._top = nice_top(figure.top)
        self._span = figure.end_at - figure.start_at

    def parts(self) -> Iterator[str]:
        yield (
            '<defs><pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>'
        )
        yield from self._grid()
        yield from self._gaps()
        yield f'<path class="area" d="{self._area()}"/><path class="line" d="{self._line()}"/>'
        yield from self._limits()
        yield from self._bands(self._figure.alerts, self._bottom + 4)
        yield from self._bands(self._figure.mutes, self._bottom + 4 + _BAND_HEIGHT + 2)

    def _x(self, at: datetime) -> float:
        return _LEFT + (at - self._figure.start_at) / self._span * (self._right - _LEFT)

    def _y(self, count: float) -> float:
        return self._bottom - min(count / self._top, 1) * (self._bottom - _TOP)

    def _grid(self) -> Iterator[str]:
        for share in range(5):
            count = self._top * share // 4
            y = self._y(count)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{self._right}"/>'
            yield f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4:.1f}">{count:,}</text>'
        for at, label in time_ticks(self._figure.start_at, self._figure.end_at, self._zone):
            x = self._x(at)
            yield f'<path class="grid" d="M{x:.1f} {_TOP}V{self._bottom}"/>'
            # A label at the right edge would be cut.
            yield f'<text class="tick middle" x="{min(x, self._right - 20):.1f}" y="{self._height - 6}">{label}</text>'

    def _gaps(self) -> Iterator[str]:
        for begin, end in self._figure.gaps(longer_than=self._span / (self._right - _LEFT) * 2):
            x, height = self._x(begin), self._bottom - _TOP
            yield (
                f'<rect class="gap" x="{x:.1f}" y="{_TOP}" width="{self._x(end) - x:.1f}" height="{height}">'
                "<title>no data</title></rect>"
            )

    def _limits(self) -> Iterator[str]:
        for limit in self._figure.limits:
            if limit.count <= self._top:
                y = self._y(limit.count)
                # Long with a rule's name; without one it is short enough to stand where counts have yet to rise.
                anchor, x = ("end", self._right - 4) if limit.rule else ("start", _LEFT + 4)
                yield (
                    f'<path class="limit {limit.severity}" d="M{_LEFT} {y:.1f}H{self._right}"/>'
                    f'<text class="limit-name {limit.severity} {anchor}" x="{x}" y="{y - 4:.1f}">'
                    f"{_text(f'{limit.rule}: {limit.text}' if limit.rule else limit.text)}</text>"
                )

    def _bands(self, bands: Iterable[Band], y: int) -> Iterator[str]:
        for band in bands:
            x = self._x(band.start_at)
            width = max(self._x(band.end_at) - x, 2)
            name = f"{band.severity} alert: {band.label}" if band.severity else f"muted by {band.label}"
            yield (
                f'<rect class="band {band.severity or "mute"}" x="{x:.1f}" y="{y}" width="{width:.1f}" '
                f'height="{_BAND_HEIGHT}"><title>{_text(name)}</title></rect>'
            )

    def _line(self) -> str:
        return "".join(f"{'M' if begins else 'V'}{text}" for begins, text in self._steps())

    def _area(self) -> str:
        parts: list[str] = []
        end = ""
        for begins, text in self._steps():
            if begins:
                parts.append(f"{end}M{text.partition(' ')[0]} {self._bottom}V{text.partition(' ')[2]}")
            else:
                parts.append(f"V{text}")
            end = f"V{self._bottom}Z"
        return "".join(parts) + end

    def _steps(self) -> Iterator[tuple[bool, str]]:
        """Yield the horizontal strokes: whether one begins a new run, and its path."""
        before: float | None = None
        for start_x, end_x, count in self._strokes():
            y = self._y(count)
            if before is None or start_x - before > 1:
                yield True, f"{start_x:.1f} {y:.1f}H{end_x:.1f}"
            else:
                yield False, f"{y:.1f}H{end_x:.1f}"
            before = end_x

    def _strokes(self) -> Iterator[tuple[float, float, int]]:
        """Yield where the count stays the same; where there are more than pixels, the highest of each pixel."""
        segments, most = self._figure.segments, self._right - _LEFT
        if len(segments) <= most:
            for each in segments:
                yield self._x(each.start_at), self._x(each.end_at), each.count
            return
        for index, count in enumerate(self._figure.peaks(most)):
            if count is not None:
                yield float(_LEFT + index), float(_LEFT + index + 1), count


def nice_top(count: int) -> int:
    """Return the end of an axis that reaches a count: the next of 4, 8, 12, 20, 40, 80, 120 and so on."""
    unit = 1
    while True:
        for step in (4, 8, 12, 20):
            if step * unit >= count:
                return step * unit
        unit *= 10


def time_ticks(start_at: datetime, end_at: datetime, timezone: tzinfo) -> Iterator[tuple[datetime, str]]:
    """Yield at most nine instants of a time axis, with their labels: whole hours or days of the time zone."""
    span = end_at - start_at
    step = next((each for each in _TICKS if span / each <= _MAX_TICKS), _TICKS[-1])
    local = start_at.astimezone(timezone)
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while at.astimezone(end_at.tzinfo) <= end_at:
        if at.astimezone(end_at.tzinfo) >= start_at:
            yield at.astimezone(end_at.tzinfo), _tick_label(at, step)
        # Added on the wall clock: days stay days when the clocks change.
        at = (at.replace(tzinfo=None) + step).replace(tzinfo=timezone)


def _tick_label(at: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1):
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M}" if at.hour or at.minute else f"{at:%a} {at.day} {at:%b}"


def _text(text: str) -> str:
    return escape(shown(text))
