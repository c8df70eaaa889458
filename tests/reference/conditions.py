"""What each condition finds in the samples of a scope (section 4)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from tests.reference.polls import Poll, Scope
from tests.reference.words import Table, span

HOUR = timedelta(hours=1)
ACTIVE, INACTIVE, NO_DATA = "active", "inactive", "no_data"


def verdict_if(active: bool) -> str:
    """Return the verdict for a claim that is known to be true or false."""
    return ACTIVE if active else INACTIVE


def threshold(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Compare the count with a limit; `clear_at` holds what fired (4.1)."""
    count = scope.samples[-1][1]
    if "above" in spec:
        return verdict_if(count > spec["above"] or (holds and "clear_at" in spec and count > spec["clear_at"]))
    return verdict_if(count < spec["below"] or (holds and "clear_at" in spec and count < spec["clear_at"]))


def growth(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Compare the count with that of some time ago (4.2).

    Silent: a growth of nothing, which is 100 % of nothing. It is none: something must have come, or gone.
    """
    over = span(spec["over"])
    falls = "falls_by" in spec or "falls_percent" in spec
    reference = highest_of(spec, scope, now, falls=falls) if "times" in spec else newest_before(scope, now - over, now)
    if reference is None:
        return NO_DATA
    delta = scope.samples[-1][1] - reference
    if falls:
        delta = -delta
    by = spec.get("falls_by" if falls else "by")
    percent = spec.get("falls_percent" if falls else "percent")
    if delta < 1:
        return INACTIVE
    if percent is None or reference < spec.get("floor", 20):
        return verdict_if(by is not None and delta >= by)
    return verdict_if(delta * 100 >= reference * percent and (by is None or delta >= by))


def newest_before(scope: Scope, at: datetime, now: datetime) -> int | None:
    """Return the newest count at or before an instant, if it is not older than two intervals more (4.2)."""
    before = [sample for sample in scope.samples if sample[0] <= at]
    return before[-1][1] if before and at - before[-1][0] <= 2 * scope.interval else None


def highest_of(spec: Table, scope: Scope, now: datetime, *, falls: bool) -> int | None:
    """Return the highest count from `times` spans ago until one span ago, if a quarter of it is known (4.2, `times`).

    Silent: whether what was held when that span began counts. It does if that instant is known: it was held then.
    """
    over, times = span(spec["over"]), spec["times"]
    start, end = now - over * times, now - over
    if scope.known(start, end) * 4 < end - start:
        return None
    counts = [count for at, count in scope.held_since(start) if at <= end]
    if not counts:
        return None
    return min(counts) if falls else max(counts)


def forecast(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Lay a line through the samples and look where it leads (4.3).

    Silent: too few samples while the count is above the limit already. It is active: there is nothing to foretell.
    """
    fit_over, within = span(spec["fit_over"]), span(spec["within"])
    if scope.samples[-1][1] > spec["above"]:
        return ACTIVE
    samples = [sample for sample in scope.samples if sample[0] >= now - fit_over]
    if len(samples) < 3 or (samples[-1][0] - samples[0][0]) * 2 < fit_over:
        return NO_DATA
    slope, level = line_through([(microseconds(at - now), count) for at, count in samples])
    return verdict_if(slope > 0 and level + slope * microseconds(within) > spec["above"])


def microseconds(length: timedelta) -> int:
    """Return a span as a whole number, so that no rounding decides."""
    return length // timedelta(microseconds=1)


def line_through(points: list[tuple[int, int]]) -> tuple[Fraction, Fraction]:
    """Return slope and value at 0 of the line with the least squares (4.3)."""
    middle_x = Fraction(sum(x for x, _ in points), len(points))
    middle_y = Fraction(sum(y for _, y in points), len(points))
    together = sum(((x - middle_x) * (y - middle_y) for x, y in points), Fraction(0))
    slope = together / sum(((x - middle_x) ** 2 for x, _ in points), Fraction(0))
    return slope, middle_y - slope * middle_x


def baseline(
    spec: Table,
    scope: Scope,
    now: datetime,
    holds: bool,
    was_firing: Callable[[datetime, datetime], bool],
) -> str:
    """Compare the count with the same hour of the week in the weeks before (4.4).

    Silent: which count a slot has. It is the highest that was held in it, if half of the hour is known at least.
    Silent: a rule that was firing in all of them. Then they all count: that has become usual.
    """
    zone = ZoneInfo(scope.timezone)
    hour = now.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    known, calm = [], []
    for week in range(1, spec.get("weeks", 4) + 1):
        start = (hour - timedelta(weeks=week)).astimezone(UTC)
        end = start + HOUR
        if scope.known(start, end) * 2 >= HOUR:
            highest = max(count for at, count in scope.held_since(start) if at < end)
            known.append(highest)
            calm += [] if was_firing(start, end) else [highest]
    usual = calm or known
    if len(usual) < 3:
        return NO_DATA
    centre = median(usual)
    deviation = median(abs(count - centre) for count in usual)
    scale = max(1.4826 * deviation, centre**0.5, spec.get("floor", 5))
    return verdict_if(scope.samples[-1][1] > centre + spec.get("deviations", 4) * scale)


def stagnant(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Return whether the count was above a limit for all of a span, and never fell (4.5).

    Silent: a span of which a part is unknown. Gaps of up to two intervals are bridged, also at its beginning; with a
    longer one there is no data, unless what is known already denies it.
    """
    start, bridged = now - span(spec["lasting"]), 2 * scope.interval
    before = [sample for sample in scope.samples if start - bridged <= sample[0] <= start][-1:]
    within = before + [sample for sample in scope.samples if sample[0] > start]
    if any(count <= spec["above"] for _, count in within):
        return INACTIVE
    if any(after < earlier for (_, earlier), (_, after) in pairwise(within)):
        return INACTIVE
    is_known = before and all(after - earlier <= bridged for (earlier, _), (after, _) in pairwise(within))
    return ACTIVE if is_known else NO_DATA


def new_reason(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Return whether a reason's first held messages ever are less than a day old (4.6).

    Silent: both edges. `learn` has passed when it has passed exactly; 24 hours are over when they are over exactly.
    Silent: a policy that was renamed. It is no news if that is certain.
    """
    samples = scope.samples
    first = next((at for at, count in samples if count > 0), None)
    if first is None or first < samples[0][0] + span(spec.get("learn", "7d")):
        return INACTIVE
    return verdict_if(now < first + timedelta(days=1) and not is_renamed(scope, first, now))


def counts_in(poll: Poll) -> dict[str, int]:
    """Return what a poll saw; nothing if it failed."""
    return poll.counts or {}


def is_renamed(scope: Scope, first: datetime, now: datetime) -> bool:
    """Return whether one reason alone vanished with about as many messages as another one alone appeared with.

    At least ten, from two intervals before to two intervals after the first of them, and with a poll within two
    intervals before.
    """
    good = [poll for poll in scope.polls if poll.counts is not None and poll.at <= now]
    slack = 2 * scope.interval
    earlier = [poll for poll in good if poll.at < first]
    if not earlier or first - earlier[-1].at > slack:
        return False
    start = [poll for poll in good if poll.at < first - slack][-1:]
    end = [poll for poll in good if poll.at <= first + slack][-1]
    moved = counts_in(end).get(scope.reason, 0)

    def is_about(count: int) -> bool:
        return abs(count - moved) * 5 <= max(count, moved)

    names = {name for poll in good for name in counts_in(poll)} - {scope.reason}
    begun = {name: next((poll.at for poll in good if counts_in(poll).get(name)), None) for name in names}
    rivals = [
        name
        for name, at in begun.items()
        if at is not None and abs(at - first) <= slack and is_about(counts_in(end).get(name, 0))
    ]
    gone = [
        name
        for name, at in begun.items()
        if start and at is not None and at < first - slack
        and not counts_in(end).get(name) and is_about(counts_in(start[0]).get(name, 0))
    ]  # fmt: skip
    return moved >= 10 and not rivals and len(gone) == 1


def no_data(spec: Table, scope: Scope, now: datetime, holds: bool) -> str:
    """Return whether there was no successful poll for a span (4.7).

    Silent: a tenant that never was polled well. It is counted from its first poll on.
    """
    good = [at for at, _ in scope.samples]
    since = good[-1] if good else scope.polls[0].at
    return verdict_if(now - since >= span(spec["after"]))


CONDITIONS: dict[str, Callable[..., str]] = {
    "threshold": threshold,
    "growth": growth,
    "forecast": forecast,
    "baseline": baseline,
    "stagnant": stagnant,
    "new_reason": new_reason,
    "no_data": no_data,
}


def evaluate(level: Table, scope: Scope, now: datetime, *, holds: bool, was_firing: Callable[..., bool]) -> str:
    """Return the verdict of a level: inactive goes before no data, and no data before active (3).

    A failed poll is no sample: then everything but `no_data` has none (2.1).
    """
    verdicts = []
    for kind, condition in CONDITIONS.items():
        if kind not in level:
            continue
        if kind != "no_data" and not scope.is_seen:
            verdicts.append(NO_DATA)
        elif kind == "baseline":
            verdicts.append(baseline(level[kind], scope, now, holds, was_firing))
        else:
            verdicts.append(condition(level[kind], scope, now, holds))
    return next((each for each in (INACTIVE, NO_DATA) if each in verdicts), ACTIVE)
