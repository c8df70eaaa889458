"""What is wrong with a queue of held mail, and from when on anybody could know.

Each queue is simulated twice with the same random numbers, with what goes wrong and without it. Their difference is the
label: it is *visible* from the first poll on at which a person who looked at the graph would say so, which is when the
count exceeds by `VISIBLE_MESSAGES` and by `VISIBLE_SHARE` everything that the queue without it had shown in the two
weeks before, and what it shows at that moment; and does so for an hour. What never is visible cannot be found by
anybody, and does not count.

Mail that nobody releases goes wrong slowly, whatever the reason: somebody is ill, has left, or the office is closed for
a week. Its first days look like days off. So it is visible by its count, or when for `ABSENCE_POLLS` something was held
and nothing was released, and `VISIBLE_MESSAGES` are held by now; whichever comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

POLL_INTERVAL = timedelta(minutes=5)
POLLS_PER_HOUR = int(timedelta(hours=1) / POLL_INTERVAL)
POLLS_PER_DAY = 24 * POLLS_PER_HOUR
#: Monday, 00:00 UTC.
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
VISIBLE_MESSAGES = 30
VISIBLE_SHARE = 1.0
#: How far back a person remembers what is usual.
MEMORY_POLLS = 14 * POLLS_PER_DAY
#: No days off explain it: the longest that come every year are Easter's, from Thursday evening to Tuesday morning.
ABSENCE_POLLS = 5 * POLLS_PER_DAY


class IncidentKind(StrEnum):
    """What goes wrong."""

    WAVE = "a wave of messages"
    MISCONFIGURED = "a policy that suddenly holds ordinary mail"
    NEW = "a new policy that does"
    UNATTENDED = "nobody releases"
    NO_DATA = "polling fails"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that somebody should have been told.

    Attributes:
        kind: What it was.
        reason: On which hold reason; empty where polling failed.
        began_at: When it began.
        visible_at: From when on it could be seen; None if it never could.
        ended_at: When the counts were as they would have been without it, as far as anybody could see.
    """

    kind: IncidentKind
    reason: str
    began_at: datetime
    visible_at: datetime | None
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of a queue.

    Attributes:
        held: The count at each poll.
        without: What it would have been if nothing had gone wrong.
        released: The polls at which somebody released something, oldest first; those before the first one are negative.
    """

    held: list[int]
    without: list[int]
    released: list[int]


def instant(poll: int) -> datetime:
    """Return when a poll was."""
    return BEGIN + poll * POLL_INTERVAL


def outage(first: int, after: int) -> Incident:
    """Return an outage of polling; what fails is visible at once."""
    began_at = instant(first)
    return Incident(
        kind=IncidentKind.OUTAGE, reason="", began_at=began_at, visible_at=began_at, ended_at=instant(after)
    )


def by_count(kind: IncidentKind, reason: str, played: Played, *, first: int, last: int) -> Incident:
    """Return what went wrong between two polls, and when its count was visible."""
    polls = len(played.held)
    visible = _visible_from(played, range(first, polls))
    end = range(max(last, visible or 0), polls)
    return Incident(
        kind=kind,
        reason=reason,
        began_at=instant(first),
        visible_at=None if visible is None else instant(visible),
        ended_at=instant(next((poll for poll in end if not _is_visible(poll, played)), polls - 1)),
    )


def _visible_from(played: Played, polls: range) -> int | None:
    """Return the first poll from which on it is visible for an hour; None if there is none."""
    since = None
    for poll in polls:
        if not _is_visible(poll, played):
            since = None
            continue
        since = poll if since is None else since
        if poll - since >= POLLS_PER_HOUR:
            return since
    return None


def absences(reason: str, played: Played) -> Iterator[Incident]:
    """Yield when for long nothing was released of a queue that people look after."""
    for last, following in pairwise([*played.released, len(played.held)]):
        begun = next((poll for poll in range(max(last, 0), following) if played.held[poll]), following)
        seen = range(begun + ABSENCE_POLLS, following)
        visible = next((poll for poll in seen if played.held[poll] >= VISIBLE_MESSAGES), None)
        if visible is not None:
            yield Incident(
                kind=IncidentKind.UNATTENDED,
                reason=reason,
                began_at=instant(begun),
                visible_at=instant(visible),
                ended_at=instant(following),
            )


def united(incidents: Sequence[Incident]) -> Iterator[Incident]:
    """Yield the incidents of a queue, with those that overlap as one: visible when any of them is."""
    rest = list(incidents)
    while rest:
        one = rest.pop(0)
        same = [each for each in rest if each.began_at <= one.ended_at and one.began_at <= each.ended_at]
        rest = [each for each in rest if each not in same]
        visible = [each.visible_at for each in (one, *same) if each.visible_at is not None]
        yield replace(
            one,
            began_at=min(each.began_at for each in (one, *same)),
            visible_at=min(visible, default=None),
            ended_at=max(each.ended_at for each in (one, *same)),
        )


def _is_visible(poll: int, played: Played) -> bool:
    held, without = played.held, played.without
    if held[poll] - without[poll] < VISIBLE_MESSAGES:
        return False
    usual = max(without[max(0, poll - MEMORY_POLLS) : poll + 1])
    return held[poll] - usual >= max(VISIBLE_MESSAGES, VISIBLE_SHARE * usual)
