"""Incidents, labeled by their cause: what went wrong, and from when on anybody could know.

Every queue is played twice with the same random numbers, with its incident and without it. The *harm* of an incident is
the number of messages that were treated in another way than in the undisturbed twin: held although they are not in the
twin, not held although they are, released, or not released. Nothing of this knows how a rule works.

An incident is *evident* from the poll on at which a quarter of its harm is done, at least `MIN_HARM` messages. One that
does less harm than that counts all the same, and nobody finds it in time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

POLL_INTERVAL = timedelta(minutes=5)
POLLS_PER_HOUR = int(timedelta(hours=1) / POLL_INTERVAL)
POLLS_PER_DAY = 24 * POLLS_PER_HOUR
#: Monday, 00:00 UTC.
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
#: Messages; with less harm done, nobody can know.
MIN_HARM = 4
#: The part of the harm that is done when an incident is evident.
EVIDENT_PART = 0.25
#: How long after the end of its cause an alert is still about an incident, while the count shows it.
AFTERMATH_POLLS = POLLS_PER_DAY


class IncidentKind(StrEnum):
    """What goes wrong."""

    WAVE = "a wave of messages"
    MISCONFIGURED = "an edited policy that holds ordinary mail"
    NEW_POLICY = "a new policy that does"
    SLOW = "a policy that slowly holds too much"
    OUTBOUND = "an outbound burst of a stolen mailbox"
    EXECUTIVES = "a few messages to executives"
    MASS_RELEASE = "a mass release"
    DISABLED = "a policy that was switched off"
    ABSENCE = "nobody releases"
    FIRST_DAYS = "a wave in the first five days"
    NO_DATA = "polling fails"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that somebody should be notified of.

    Attributes:
        kind: The cause.
        reason: The hold reason; empty where polling failed.
        began_at: When the cause began.
        evident_at: When a quarter of the harm was done; None if there never was enough of it.
        ended_at: The last instant at which an alert is about it.
        harm: Messages.
    """

    kind: IncidentKind
    reason: str
    began_at: datetime
    evident_at: datetime | None
    ended_at: datetime
    harm: int


def instant(poll: int) -> datetime:
    """Return when a poll was."""
    return BEGIN + poll * POLL_INTERVAL


def outage(first: int, after: int) -> Incident:
    """Return an outage of polling, which is evident at once."""
    return Incident(
        kind=IncidentKind.NO_DATA,
        reason="",
        began_at=instant(first),
        evident_at=instant(first),
        ended_at=instant(after),
        harm=0,
    )


def label(
    kind: IncidentKind,
    reason: str,
    *,
    first: int,
    last: int,
    harm_at: Iterable[tuple[int, int]],
    shown_until: int,
) -> Incident:
    """Return an incident with the instants that follow from its harm.

    Args:
        kind: The cause.
        reason: The hold reason.
        first: The poll at which the cause began.
        last: The poll at which it ended.
        harm_at: At which polls how many messages were treated in another way than in the twin; oldest first.
        shown_until: The last poll at which the count differs from that of the twin.
    """
    steps = list(harm_at)
    harm = sum(messages for _, messages in steps)
    done, evident = 0, None
    for poll, messages in steps:
        done += messages
        if done >= max(MIN_HARM, EVIDENT_PART * harm):
            evident = poll
            break
    return Incident(
        kind=kind,
        reason=reason,
        began_at=instant(first),
        evident_at=None if evident is None else instant(evident),
        ended_at=instant(max(first, evident or 0, min(shown_until, last + AFTERMATH_POLLS))),
        harm=harm,
    )
