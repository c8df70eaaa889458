"""How messages reach their targets (section 7)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.reference.plan import Entry

RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 900))
RETRY_AFTER_THAT = timedelta(minutes=30)
GIVEN_UP_AFTER = timedelta(hours=24)
DIGEST_AFTER = timedelta(hours=1)
NEWS_AFTER = timedelta(minutes=30)


@dataclass(slots=True, kw_only=True)
class Row:
    """One message for one target (7)."""

    target: str
    created_at: datetime
    entries: tuple[Entry, ...]
    due_at: datetime
    state: str = "waiting"
    attempts: int = 0
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class Target:
    """One URL of a receiver, with its messages in order, and since when it cannot be reached (7)."""

    rows: list[Row] = field(default_factory=list)
    unreachable_since: datetime | None = None
    is_news: bool = False

    def waiting(self) -> list[Row]:
        """Return what is not yet sent nor given up, oldest first."""
        return [row for row in self.rows if row.state == "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt as its target sees it: one message, or a digest of several rows (7)."""

    at: datetime
    target: str
    rows: tuple[Row, ...]
    outcome: str


def retry(row: Row, now: datetime) -> None:
    """Put off a row that could not be sent, or give it up (7).

    Silent: from when the 24 hours count, and whether an attempt beyond them is made. They count from when it was
    planned, and it is given up by the first failure after them.
    """
    row.attempts += 1
    if now - row.created_at >= GIVEN_UP_AFTER:
        row.state = "dead"
    waits = RETRY_AFTER[row.attempts - 1] if row.attempts <= len(RETRY_AFTER) else RETRY_AFTER_THAT
    row.due_at = now + waits


def deliver(name: str, target: Target, outcome: str, now: datetime) -> list[Sent]:
    """Try what is due to one target while it answers with one outcome: `ok`, `unreachable` or `refused` (7).

    Order is kept: what cannot be reached holds up what comes after it; what is refused as such does not (7 [2]).
    """
    sent: list[Sent] = []
    for row in target.waiting():
        if row.state != "waiting":
            continue
        if row.due_at > now:
            if row.is_refused:
                continue
            break
        rows: tuple[Row, ...] = (row,)
        if outcome == "ok" and target.unreachable_since and now - target.unreachable_since > DIGEST_AFTER:
            rows = tuple(target.waiting())
        sent.append(Sent(at=now, target=name, rows=rows, outcome=outcome))
        if not settle(target, rows, outcome, now):
            break
    return sent


def settle(target: Target, rows: tuple[Row, ...], outcome: str, now: datetime) -> bool:
    """Note what came of an attempt, and return True if the next message need not wait for it (7)."""
    if outcome == "ok":
        target.unreachable_since = None
        for row in rows:
            row.state = "sent"
        return True
    for row in rows:
        row.is_refused = outcome == "refused"
        retry(row, now)
    if outcome == "refused":
        return True
    target.unreachable_since = target.unreachable_since or now
    return any(row.state == "dead" for row in rows)


def has_been_gone(target: Target, now: datetime) -> bool:
    """Return True if a target cannot be reached for so long that others are told of it (7 [2])."""
    return target.unreachable_since is not None and now - target.unreachable_since >= NEWS_AFTER
