"""Reads for the rename of a hold reason, by its old name or by its new one."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from alerter.core.renames import RENAME_POLLS, Rename, renames_of
from alerter.core.series import OTHERS_LOOKBACK, HoldReason, Tenant

if TYPE_CHECKING:
    from alerter.storage import Reader


def load_rename(
    reader: "Reader", tenant: Tenant, reason: HoldReason, *, poll_interval: timedelta, now: datetime
) -> Rename | None:
    """Return the rename of a hold reason, by either name, if it was certain by an instant; the newest of several.

    Args:
        reader: Knows the counts.
        tenant: Whose mail is held.
        reason: What it is called, or was called.
        poll_interval: How often the tenant is polled.
        now: The instant.
    """
    known = reader.history.series_for(tenant, window=OTHERS_LOOKBACK, poll_interval=poll_interval, now=now)
    own = next((each for each in known.reasons if each.reason == reason), None)
    if own is None:
        return None
    slack = RENAME_POLLS * poll_interval
    instants = [] if own.first_held_at is None else [own.first_held_at]
    vanished = [each for each in reader.history.reasons(tenant) if each.reason == reason and not each.held]
    instants += [each.changed_at for each in vanished]
    for at in sorted((each for each in instants if each <= now), reverse=True):
        then = min(now, at + 2 * slack)
        found = reader.history.series_for(tenant, window=OTHERS_LOOKBACK, poll_interval=poll_interval, now=then)
        renames = renames_of(found.reasons, since=at - slack, now=then)
        rename = next((each for each in reversed(renames) if reason in {each.old, each.new}), None)
        if rename is not None:
            return rename
    return None


def rename_text(rename: Rename, reason: HoldReason, at: str) -> str:
    """Return in words what a hold reason was called before an instant, or is called since then."""
    return f"renamed from {rename.old!r} at {at}" if reason == rename.new else f"renamed to {rename.new!r} at {at}"
