"""Counts that another tool wrote down, one a row, as polls: which rows are one answer, and what that says of the rest.

A row is the count of held messages of one reason at one instant. Rows of one instant are one poll, and a reason
without a row in it had 0. Where reasons were read at different instants that does not hold: then the rows of one
interval are one poll, each must have every reason, and a reason that is missing is unknown, never 0. Where the rows
leave open which of both it is, they are refused. No I/O: values in, values out; instants are numbers (see `timelines`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from statistics import median_low

from alerter.core.import_merge import ImportedHistory
from alerter.core.poll_times import Int64Array, PollRun, int64_array
from alerter.core.series import MICROSECOND, HoldReason, Tenant

#: Stands for the reason in a row that says that nothing was held.
NOTHING = -1
#: A file whose rows are further apart does not say how often it was polled.
MAX_INTERVAL = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one tenant.

    Attributes:
        at: Their instants.
        reason: The indexes of their hold reasons, or `NOTHING`.
        held: Their counts.
        place: Where each of them stands.
    """

    at: Int64Array = field(default_factory=int64_array)
    reason: Int64Array = field(default_factory=int64_array)
    held: Int64Array = field(default_factory=int64_array)
    place: Int64Array = field(default_factory=int64_array)

    def add(self, at: int, reason: int, held: int, place: int) -> None:
        """Add a row."""
        self.at.append(at)
        self.reason.append(reason)
        self.held.append(held)
        self.place.append(place)

    def in_order(self) -> "Rows":
        """Return the rows, oldest first."""
        if all(one <= other for one, other in pairwise(self.at)):
            return self
        order = sorted(range(len(self.at)), key=self.at.__getitem__)
        return Rows(
            *(int64_array(map(each.__getitem__, order)) for each in (self.at, self.reason, self.held, self.place))
        )


class RowsError(ValueError):
    """Rows that are no polls.

    Attributes:
        found: For each thing that is wrong, the place of its row and what is wrong, in order.
    """

    def __init__(self, found: Sequence[tuple[int, str]]) -> None:
        super().__init__(found[0][1])
        self.found = found


def given_by(
    tenant: Tenant, rows: Rows, reasons: Sequence[HoldReason], *, interval: timedelta | None
) -> ImportedHistory:
    """Return what rows say of a tenant.

    Args:
        tenant: Whose they are.
        rows: At least one, oldest first, none twice.
        reasons: The names that they mean by their indexes.
        interval: How often it was polled; None where the rows must show it.

    Raises:
        RowsError: It is not certain which polls the rows were read in.
    """
    pitch = _usual_distance(rows) if interval is None else interval // MICROSECOND
    polls = _polls(rows, pitch, reasons)
    if interval is None and all(rows.at[poll[0]] == rows.at[poll[-1]] for poll in polls) and not _are_together(rows):
        raise RowsError([(rows.place[0], _NEVER_TOGETHER)])
    polled_at, at, changed, held = int64_array(), int64_array(), int64_array(), int64_array()
    first_seen: dict[HoldReason, int] = {}
    present: dict[int, int] = {}
    for poll in polls:
        instant = rows.at[poll[-1]]
        polled_at.append(instant)
        counts = {rows.reason[row]: rows.held[row] for row in poll if rows.reason[row] != NOTHING}
        for reason in counts:
            first_seen.setdefault(reasons[reason], instant)
        for reason in present | counts:
            count = counts.get(reason, 0)
            if count != present.get(reason, 0):
                at.append(instant)
                changed.append(reason)
                held.append(count)
        present = counts
    return ImportedHistory(
        tenant=tenant,
        runs=_runs(polled_at, pitch),
        polls=polled_at,
        interval=pitch,
        first_seen=first_seen,
        reasons=reasons,
        at=at,
        changed=changed,
        held=held,
    )


def twice(rows: Rows) -> Iterator[tuple[int, int]]:
    """Yield the rows of a reason that has another one at the same instant before it, with that one.

    Args:
        rows: Oldest first.
    """
    instant, seen = -1, dict[int, int]()
    for row, at in enumerate(rows.at):
        if at != instant:
            instant, seen = at, {}
        before = seen.setdefault(rows.reason[row], row)
        if before != row:
            yield row, before


def _usual_distance(rows: Rows) -> int:
    """Return how far the polls of rows are apart, if the rows show it; 0 where there is one poll."""
    instants = sorted(set(rows.at))
    if len(instants) == 1:
        return 0
    last: dict[int, int] = {}
    own: list[int] = []
    for at, reason in zip(rows.at, rows.reason, strict=True):
        if reason in last:
            own.append(at - last[reason])
        last[reason] = at
    between = _alike([other - one for one, other in pairwise(instants)])
    # Reasons that come in turns were read in turns: then the rows of one reason show how often it was.
    usual = between if own and between is not None and median_low(own) * 2 <= between * 3 else _alike(own)
    if usual is None or usual * MICROSECOND > MAX_INTERVAL:
        raise RowsError([(rows.place[0], _UNKNOWN_INTERVAL)])
    return usual


_NEVER_TOGETHER = (
    "some hold reasons of this file never have the same time as the others: they were read one by one, or they were 0 "
    "in the other polls; if each time in it is one whole answer, say how often it was polled with --interval, such as "
    "--interval 5m"
)
_UNKNOWN_INTERVAL = (
    "the rows do not show how often it was polled: three of four would have to be equally far apart; say it with "
    "--interval, such as --interval 5m, if each row that has another time than the row before it begins a whole answer"
)


def _alike(distances: Sequence[int]) -> int | None:
    """Return the distance that three of four have, give or take a half of it; None where there is none."""
    if not distances:
        return None
    usual = median_low(distances)
    alike = sum(usual <= 2 * each <= 3 * usual for each in distances)
    return usual if alike * 4 >= len(distances) * 3 else None


def _polls(rows: Rows, pitch: int, reasons: Sequence[HoldReason]) -> list[range]:
    """Return which rows are one poll each, in order.

    Raises:
        RowsError: Some of them are only a part of one.
    """
    instants = list(_blocks(rows))
    if all(4 * (rows.at[one[0]] - rows.at[other[0]]) >= 3 * pitch for other, one in pairwise(instants)):
        return instants
    problems: list[tuple[int, str]] = []
    for limit in (3 * pitch // 4, pitch):
        polls = _cut(rows, limit)
        if all(rows.at[poll[0]] == rows.at[poll[-1]] for poll in polls):
            return polls
        problems = list(_incomplete(rows, polls, reasons))
        if not problems:
            return polls
    raise RowsError(problems)


def _cut(rows: Rows, limit: int) -> list[range]:
    """Return rows as polls: a poll has a reason once, and lasts less than a span of time."""
    polls: list[range] = []
    begin, have = 0, set[int]()
    for block in _blocks(rows):
        reasons = set(rows.reason[block.start : block.stop])
        is_new = rows.at[block.start] - rows.at[begin] >= limit or have & reasons or NOTHING in have | reasons
        if block.start and is_new:
            polls.append(range(begin, block.start))
            begin, have = block.start, set()
        have |= reasons
    polls.append(range(begin, len(rows.at)))
    return polls


def _blocks(rows: Rows) -> Iterator[range]:
    """Yield which rows have the same instant, in order."""
    begin = 0
    for row in range(1, len(rows.at) + 1):
        if row == len(rows.at) or rows.at[row] != rows.at[begin]:
            yield range(begin, row)
            begin = row


def _are_together(rows: Rows) -> bool:
    """Return True if rows of one instant lead from each reason to each other one."""
    leader: dict[int, int] = {}

    def leader_of(reason: int) -> int:
        while leader.setdefault(reason, reason) != reason:
            leader[reason] = leader[leader[reason]]
            reason = leader[reason]
        return reason

    for block in _blocks(rows):
        first, *others = (leader_of(reason) for reason in rows.reason[block.start : block.stop])
        leader.update(dict.fromkeys(others, first))
    return len({leader_of(reason) for reason in leader.copy() if reason != NOTHING}) <= 1


def _incomplete(rows: Rows, polls: Sequence[range], reasons: Sequence[HoldReason]) -> Iterator[tuple[int, str]]:
    """Yield what is missing in polls whose rows have different times."""
    everything = sorted(set(rows.reason) - {NOTHING})
    for poll in polls:
        have = set(rows.reason[poll.start : poll.stop])
        if len(have) < len(everything) or NOTHING in have:
            missing = next(reason for reason in everything if reason not in have)
            text = (
                f"the hold reasons of this file were read at different times, so that each poll must have all "
                f"{len(everything)}: expected a row for {reasons[missing][:40]!r} in the poll that begins here, "
                "found none, which may be 0 or unknown; add that row or delete those of this poll, or give all rows of "
                "one answer one time"
            )
            yield rows.place[poll[0]], text


def _runs(polled_at: Int64Array, pitch: int) -> list[PollRun]:
    """Return runs of polls: one and a half intervals without a poll end one."""
    runs: list[PollRun] = []
    begin = 0
    for number in range(1, len(polled_at) + 1):
        if number == len(polled_at) or 2 * (polled_at[number] - polled_at[number - 1]) > 3 * pitch:
            runs.append(PollRun.of(polled_at[begin:number]))
            begin = number
    return runs
