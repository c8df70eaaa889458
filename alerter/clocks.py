"""The wall clock. Everything that decides takes `now` as an argument; the commands and the daemon get it here."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)
