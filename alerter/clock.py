"""The wall clock. Everything that decides takes `now` as an argument; the commands and the daemon get it here.

It shows whole milliseconds: the instant of every poll is kept for years, and takes half as many bytes so.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time, aware and in UTC."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
