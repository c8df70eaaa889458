"""A figure as SVG: a small line for a row of a table, and a chart with axes, limits, alerts and gaps.

Colors come from the page's style sheet by class names, so that a chart follows light, dark and print. All text in it is
escaped here, once.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape
from typing import Final

from alerter.core.charts.figure import Band, Figure
from alerter.core.rules import shown

#: A small line, in pixels.
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24
#: A chart.
WIDTH: Final = 960
HEIGHT: Final = 300
#: Where its plot begins and ends.
_LEFT: Final = 64
_RIGHT: Final = WIDTH - 12
_TOP: Final = 14
_BOTTOM: Final = HEIGHT - 46
#: Rows of alerts and mutes stand below the plot.
_BAND_HEIGHT: Final = 8
#: More lines than pixels are not seen.
_MAX_STEPS: Final = _RIGHT - _LEFT
#: The steps of the time axis.
_TICKS: Final = (
    timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6),
    timedelta(days=1), timedelta(days=2), timedelta(days=7), timedelta(days=14), timedelta(days=30), timedelta(days=90),
)  # fmt: skip
_MAX_TICKS: Final = 9


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
    """Return a chart of a figure.

    Args:
        figure: What it shows.
        timezone: In which its times are read.
        title: What it is, for people who cannot see it.
    """
    return "".join(_Chart(figure, timezone).parts(title))


class _Chart:
    def __init__(self, figure: Figure, timezone: tzinfo) -> None:
        self._figure = figure
        self._zone = timezone
        self._top = nice_top(figure.top)
        self._span = figure.end_at - figure.start_at

    def parts(self, title: str) -> Iterator[str]:
        yield f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(title)}">'
        yield (
            '<defs><pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>'
        )
        yield from self._grid()
        yield from self._gaps()
        yield f'<path class="area" d="{self._area()}"/><path class="line" d="{self._line()}"/>'
        yield from self._limits()
        yield from self._bands(self._figure.alerts, _BOTTOM + 4)
        yield from self._bands(self._figure.mutes, _BOTTOM + 4 + _BAND_HEIGHT + 2)
        yield "</svg>"

    def _x(self, at: datetime) -> float:
        return _LEFT + (at - self._figure.start_at) / self._span * (_RIGHT - _LEFT)

    def _y(self, count: float) -> float:
        return _BOTTOM - min(count / self._top, 1) * (_BOTTOM - _TOP)

    def _grid(self) -> Iterator[str]:
        for share in range(5):
            count = self._top * share // 4
            y = self._y(count)
            yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
            yield f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4:.1f}">{count:,}</text>'
        for at, label in time_ticks(self._figure.start_at, self._figure.end_at, self._zone):
            x = self._x(at)
            yield f'<path class="grid" d="M{x:.1f} {_TOP}V{_BOTTOM}"/>'
            yield f'<text class="tick middle" x="{x:.1f}" y="{HEIGHT - 6}">{label}</text>'

    def _gaps(self) -> Iterator[str]:
        for begin, end in self._figure.gaps(longer_than=self._span / (_RIGHT - _LEFT) * 2):
            x = self._x(begin)
            yield (
                f'<rect class="gap" x="{x:.1f}" y="{_TOP}" width="{self._x(end) - x:.1f}" height="{_BOTTOM - _TOP}">'
                "<title>no data</title></rect>"
            )

    def _limits(self) -> Iterator[str]:
        for limit in self._figure.limits:
            if limit.count <= self._top:
                y = self._y(limit.count)
                yield (
                    f'<path class="limit {limit.severity}" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
                    f'<text class="limit-name {limit.severity} end" x="{_RIGHT - 4}" y="{y - 4:.1f}">'
                    f"{_text(f'{limit.rule}: {limit.text}')}</text>"
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
                parts.append(f"{end}M{text.partition(' ')[0]} {_BOTTOM}V{text.partition(' ')[2]}")
            else:
                parts.append(f"V{text}")
            end = f"V{_BOTTOM}Z"
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
        segments = self._figure.segments
        if len(segments) <= _MAX_STEPS:
            for each in segments:
                yield self._x(each.since), self._x(each.until), each.count
            return
        for index, count in enumerate(self._figure.peaks(_MAX_STEPS)):
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
