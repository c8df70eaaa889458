"""How messages reach their targets (section 7)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 900))
RETRY_AFTER_THAT = timedelta(minutes=30)
MAX_ATTEMPTS = 1 + len(RETRY_AFTER) + timedelta(hours=24) // RETRY_AFTER_THAT
DIGEST_AFTER = timedelta(hours=1)
NEWS_AFTER = timedelta(minutes=30)


@dataclass(slots=True, kw_only=True)
class Row:
    """One message for one target (7)."""

    number: int
    receiver: str
    created_at: datetime
    due_at: datetime
    state: str = "waiting"
    attempts: int = 0
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class Target:
    """One URL of a receiver, with its messages in order, since when it is gone, and who was told of that (7)."""

    rows: list[Row] = field(default_factory=list)
    gone_since: datetime | None = None
    gone_told: list[str] | None = None

    def waiting(self, *, is_refused: bool) -> list[Row]:
        """Return what is neither sent nor given up, oldest first: what was refused as such, or the queue (7 [2])."""
        return [row for row in self.rows if row.state == "waiting" and row.is_refused is is_refused]

    def due(self, now: datetime) -> list[Row]:
        """Return what waits behind nothing and whose time has come, oldest first (7)."""
        heads = [*self.waiting(is_refused=False)[:1], *self.waiting(is_refused=True)]
        return sorted((row for row in heads if row.due_at <= now), key=lambda row: row.number)

    def next(self, now: datetime) -> list[Row]:
        """Return what is tried now: the oldest of the queue, all of it as a digest, or what was refused (7).

        Order is kept: what waits for its time holds up what comes after it, but for what was refused as such.

        Silent: since when a target has been gone. It is since the oldest message that it missed was planned. Silent:
        one message alone. It is sent as it is. Silent: what was refused for more than an hour. It has a digest of its
        own.
        """
        queue, refused = self.waiting(is_refused=False), self.waiting(is_refused=True)
        if queue and queue[0].due_at <= now:
            return as_digest(queue, now) or queue[:1]
        due = [row for row in refused if row.due_at <= now]
        return (as_digest(refused, now) or due[:1]) if due else []


def is_news(target: Target, now: datetime) -> bool:
    """Return True if a target has been gone for half an hour, and nobody was told (7 [2])."""
    return target.gone_told is None and target.gone_since is not None and now - target.gone_since >= NEWS_AFTER


def as_digest(rows: list[Row], now: datetime) -> list[Row]:
    """Return all rows if their target gets one digest in place of them, else none (7)."""
    is_back = rows[0].attempts > 0 and now - rows[0].created_at > DIGEST_AFTER
    return rows if is_back and len(rows) > 1 else []


def settle(rows: list[Row], outcome: str, now: datetime) -> None:
    """Note what came of an attempt: `ok`, `long` (it is taken in a short plain form), `refused` or `unreachable` (7).

    Silent: how an attempt of a digest that fails counts. It counts for each of its messages. Silent: 24 hours in which
    the service stood still. What counts is how often it was tried.
    """
    for row in rows:
        row.attempts += 1
        if outcome in {"ok", "long"}:
            row.state = "sent"
            continue
        row.is_refused = row.is_refused or outcome == "refused"
        if row.attempts >= MAX_ATTEMPTS:
            row.state = "dead"
        later = row.attempts > len(RETRY_AFTER)
        row.due_at = now + (RETRY_AFTER_THAT if later else RETRY_AFTER[row.attempts - 1])
