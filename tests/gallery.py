"""What README's pictures show: counts that bring out where a condition is right, and where it is quiet.

`tests.pictures` draws them, and `tests/test_pictures.py` says what each of them has to show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from alerter.core.backtest.rule_tests import parse_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What was held, and how it is drawn: a column for each poll.

    Attributes:
        begin: The first poll that is drawn.
        every: How far apart polls are.
        counts: The polls that are drawn, in the notation of `alerter.core.backtest.rule_tests`.
        before: Those before them.
        row: How many messages a row stands for.
        limit: At which count there is a line: the upper edge of a row; None for none.
        tick: How far apart the times on the axis are.
        clock: How they are written.
        beside: A level that is judged for comparison, by what is said of it.
    """

    begin: datetime
    every: timedelta
    counts: str
    before: str = ""
    row: int
    limit: int | None = None
    tick: timedelta
    clock: str = "%H:%M"
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[int | None]:
        """The count of each poll that is drawn, oldest first; None for one that failed."""
        return parse_counts(f"{self.before} {self.counts}")[len(parse_counts(self.before)) :]

    @property
    def polls(self) -> list[datetime]:
        """The instant of each of them."""
        return [self.begin + number * self.every for number in range(len(self.columns))]


MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# A count for each hour, from midnight on.
_WORKDAY = "12x7 20 45 90 120 110 95 80 85 70 55 35 25 18 14x4"
_WEEKEND = "12x48"
_WEEK = f"{' '.join([_WORKDAY] * 5)} {_WEEKEND}"

GALLERY = {
    "threshold": Picture(
        begin=MONDAY + 9 * HOUR,
        every=timedelta(minutes=5),
        counts="80 +5x6 130 150 180 225 160 145 +5x5 190 210 220 230 240 245 190 175 205 225 180 205 190 170 160 190 "
        "215 195 180 165 160 155 165 175 160 145 130 -5x6 100x4 95x3 90x3",
        row=50,
        limit=200,
        tick=HOUR,
        beside={"above 200 alone": "{ threshold = { above = 200 } }"},
    ),
    "growth": Picture(
        begin=MONDAY + 9 * HOUR,
        every=timedelta(minutes=5),
        before="30x24",
        counts="30 +1x12 +2x6 56 95 140 170 185 190x9 +1x10 +2x10 +1x4 +0x3",
        row=40,
        tick=HOUR,
    ),
    "growth with times": Picture(
        begin=MONDAY - 12 * HOUR,
        every=HOUR,
        before=f"{_WEEK} {' '.join([_WORKDAY] * 5)} 12x36",
        counts=f"12x12 {_WORKDAY} 12x7 20 45 90 125 115 290 285 280 275 270 265 260 255 250x4",
        row=50,
        tick=12 * HOUR,
        clock="%a %H:%M",
        beside={"without times": '{ growth = { over = "1d", by = 30, percent = 100 } }'},
    ),
    "growth that falls": Picture(
        begin=MONDAY + 13 * HOUR,
        every=timedelta(minutes=5),
        before="360x24",
        counts="360 -3x12 -2x8 300 240 150 90 70x15 -1x10 +1x10",
        row=60,
        tick=HOUR,
    ),
    "rise": Picture(
        begin=MONDAY,
        every=2 * HOUR,
        before=" ".join(["400x12 +2x3 470 460x12 -3x20 400x48"] * 8),
        counts="400x6 404 408 470 466 460x4 452 446 440 434 428 420 414 408 404 400 400x8 404 402 460 540 610 660 650 "
        "645 640x8",
        row=100,
        limit=400,
        tick=DAY,
        clock="%a",
        beside={"growth with times": '{ growth = { over = "1d", times = 14, by = 30, percent = 100 } }'},
    ),
    "fall": Picture(
        begin=MONDAY,
        every=2 * HOUR,
        before=" ".join(["300x12 306x12 303x12 310x12 304x12 300x12 298x12"] * 4),
        counts="300x8 302 304 420 520 540 538x6 536 310 306x10 308x6 306x4 20 12x3 14x3 18x4 20x4",
        row=100,
        tick=DAY,
        clock="%a",
    ),
    "rare": Picture(
        begin=MONDAY,
        every=HOUR,
        before=" ".join(["0x40 1 1 1 0x125"] * 4),
        counts="0x9 1 1 1 0x16 1x3 0x8 2 5 7x4 6x4 0x6",
        row=2,
        tick=12 * HOUR,
        clock="%a %H:%M",
    ),
    "silence": Picture(
        begin=MONDAY,
        every=2 * HOUR,
        before=" ".join(["40 43 46 44 47 50 48 51 54 50 48 46"] * 28),
        counts="40 43 46 44 47 50 48 51 54 50 48 46 40 43 46 44 47 46x4 44x8 42x4 40x3 38 36x6",
        row=20,
        tick=DAY,
        clock="%a",
    ),
    "forecast": Picture(
        begin=MONDAY + 6 * HOUR,
        every=timedelta(minutes=15),
        before="110x24",
        counts="110 112 108 110x3 112 109 +9x46 180 120 110x4",
        row=100,
        limit=500,
        tick=3 * HOUR,
        beside={"above 500 alone": "{ threshold = { above = 500 } }"},
    ),
    "baseline": Picture(
        begin=MONDAY - 24 * HOUR,
        every=HOUR,
        before=f"{' '.join([_WEEK] * 4)} {' '.join([_WORKDAY] * 5)} 12x24",
        counts=f"12x9 60 120x4 60 12x9 {_WORKDAY} 12x7 20 45 90 118 108",
        row=25,
        limit=100,
        tick=12 * HOUR,
        clock="%a %H:%M",
        beside={"above 100 alone": "{ threshold = { above = 100 } }"},
    ),
    "stagnant": Picture(
        begin=MONDAY,
        every=3 * HOUR,
        before="60x8 70x8 64x8 80x8",
        counts="80x2 90 96 70 76x5 90 98 72 80x5 92 98 76x4 +8x6 124x4 +5x3 139x11 +6x3 157x4 60 48 44x4",
        row=40,
        tick=DAY,
        clock="%a",
        beside={"above 20 alone": "{ threshold = { above = 20 } }"},
    ),
    "new_reason": Picture(
        begin=MONDAY,
        every=HOUR,
        before="0x240",
        counts="0x14 3 5 4 8x10 2 0x24 6 14 12 9x5",
        row=4,
        tick=12 * HOUR,
        clock="%a %H:%M",
    ),
    "no_data": Picture(
        begin=MONDAY + 9 * HOUR,
        every=timedelta(minutes=5),
        counts="120 +4x8 _ 160 165 _ _ 170 +10x4 220 +5x3 240 _x18 130 120 110x3 105x5 100x8",
        row=50,
        limit=200,
        tick=HOUR,
        beside={"above 200": "{ threshold = { above = 200 } }"},
    ),
}
