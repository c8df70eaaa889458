"""A chart in a terminal: a figure as columns of blocks, with its limits, its gaps, and when alerts fired."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from alerter.cli.colors import paint
from alerter.cli.output import can_encode
from alerter.core.charts.figure import Band, Figure, Limit
from alerter.core.charts.sparkline import BARS, GAP, PLAIN_BARS, PLAIN_GAP
from alerter.core.rules import Severity

#: Lines of the plot itself.
HEIGHT = 10
MIN_COLUMNS = 20
#: Characters between two times below the plot.
TICK_DISTANCE = 16
_BLOCKS = f" {BARS}"
_PLAIN_BLOCKS = f" {PLAIN_BARS}"


def chart_lines(figure: Figure, timezone: tzinfo, *, width: int) -> Iterator[str]:
    """Yield a figure as lines: the plot with its counts and limits, the time, and when alerts fired.

    Args:
        figure: What to draw.
        timezone: Of the times below it.
        width: How many characters a line may have.
    """
    margin = max(len(f"{figure.top:,}"), 3)
    named = {_row_of(limit.count, figure): limit for limit in reversed(figure.limits) if limit.count <= figure.top}
    label_width = max((len(limit.text) + 1 for limit in named.values()), default=0)
    columns = max(width - margin - 3 - label_width, MIN_COLUMNS)
    peaks = figure.peaks(columns)
    for row in range(HEIGHT, 0, -1):
        yield _plot_line(row, peaks, figure, named, margin=margin)
    axis, corner = ("─", "└") if can_encode("─└") else ("-", "+")
    yield f"{0:>{margin}} {corner}{axis * columns}"
    yield f"{'':>{margin + 2}}{_times(figure, timezone, columns)}"
    yield from _band_lines(figure, columns, margin=margin)


def _row_of(count: int, figure: Figure) -> int:
    """Return in which row, from the lowest, which is 1, a count ends."""
    return max(-(-count * HEIGHT // figure.top), 1)


def _plot_line(row: int, peaks: Sequence[int | None], figure: Figure, named: dict[int, Limit], *, margin: int) -> str:
    has_blocks = can_encode(f"{BARS}{GAP}┤┄")
    blocks, gap, bar = (_BLOCKS, GAP, "┤") if has_blocks else (_PLAIN_BLOCKS, PLAIN_GAP, "|")
    limit, dash = named.get(row), "┄" if has_blocks else "-"
    cells = [_cell(row, count, figure.top, blocks, gap) for count in peaks]
    if limit is not None:
        cells = [paint(dash, limit.severity) if cell == " " else cell for cell in cells]
    is_labelled = row == HEIGHT or (row % 2 == 0 and figure.top >= HEIGHT)
    label = f"{figure.top * row // HEIGHT:,}" if is_labelled else ""
    note = f" {paint(limit.text, limit.severity)}" if limit is not None else ""
    return f"{label:>{margin}} {bar}{''.join(cells)}{note}".rstrip()


def _cell(row: int, count: int | None, top: int, blocks: str, gap: str) -> str:
    if count is None:
        return gap if row == 1 else " "
    steps = len(blocks) - 1
    height = -(-count * HEIGHT * steps // top)
    return blocks[max(min(height - (row - 1) * steps, steps), 0)]


def _times(figure: Figure, timezone: tzinfo, columns: int) -> str:
    """Return times below the plot, each below its column."""
    span = figure.end_at - figure.start_at
    form = "%H:%M" if span <= timedelta(days=1) else "%a %H:%M" if span <= timedelta(days=7) else "%d %b"
    line = ""
    for column in range(0, columns - len("Mon 00:00"), TICK_DISTANCE):
        at = figure.start_at + span * (column / columns)
        line = line.ljust(column) + at.astimezone(timezone).strftime(form)
    return line.ljust(columns - 3) + "now" if len(line) < columns - 3 else line


def _band_lines(figure: Figure, columns: int, *, margin: int) -> Iterator[str]:
    """Yield a line for each level at which alerts fired, the worst first."""
    full, none = ("█", "·") if can_encode("█·") else ("#", ".")
    for severity in sorted(Severity, key=lambda each: -each.rank):
        bands = [band for band in figure.alerts if band.severity is severity]
        if bands:
            marks = "".join(full if _is_within(figure, bands, index, columns) else none for index in range(columns))
            yield f"{'':>{margin + 2}}{paint(marks, severity)} {severity}"


def _is_within(figure: Figure, bands: Sequence[Band], index: int, columns: int) -> bool:
    pitch = (figure.end_at - figure.start_at) / columns
    begin: datetime = figure.start_at + index * pitch
    return any(band.start_at < begin + pitch and band.end_at > begin for band in bands)
