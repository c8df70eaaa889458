"""Counts of successful polls on their way into the store: in order nearly always, amended if the clock was set back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from alerter.core.series import HoldReason, Snapshot, from_epoch_us, to_epoch_us
from alerter.storage.count_changes import CountChanges
from alerter.storage.encoding import build_digest
from alerter.storage.engine import Connecting, Repository
from alerter.storage.tables import count_changes as _changes
from alerter.storage.tables import series


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    was: int
    held: int


class SnapshotWriter(Repository):
    """Writes the counts of snapshots."""

    def __init__(self, connection: Connecting, changes: CountChanges) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            changes: The counts that are stored.
        """
        super().__init__(connection)
        self._changes = changes

    def add_counts(self, tenant_id: int, snapshot: Snapshot) -> None:
        """Store the counts that differ from what is stored."""
        at = snapshot.taken_at
        known = self._all(SERIES, {"tenant_id": tenant_id})
        changed = [
            (row, count)
            for row in known
            if row.changed_at < at and (count := snapshot.counts.get(row.reason, 0)) != row.value
        ]
        late = [row for row in known if row.changed_at >= at]
        if late:
            self._changes.decompress(tenant_id, since=to_epoch_us(at))
        self._run(SET_SERIES, [_series_row(row, [_Change(at, row.value, count)]) for row, count in changed])
        changes = [(row.id, _Change(at, row.value, count)) for row, count in changed]
        changes += self._add_series(tenant_id, snapshot, {row.reason for row in known})
        self._run(ADD_CHANGE, [_change_row(tenant_id, number, change) for number, change in changes])
        if late:
            self._amend(tenant_id, late, snapshot)

    def _add_series(self, tenant_id: int, snapshot: Snapshot, known: set[HoldReason]) -> list[tuple[int, _Change]]:
        new = {reason: count for reason, count in snapshot.counts.items() if reason not in known}
        if not new:
            return []
        at = snapshot.taken_at
        common = {"tenant_id": tenant_id, "changed_at": at, "first_seen_at": at}
        self._run(
            _ADD_SERIES,
            [
                common
                | {
                    "digest": build_digest(reason),
                    "reason": reason,
                    "value": count,
                    "first_held_at": at if count else None,
                }
                for reason, count in new.items()
            ],
        )
        rows = self._all(SERIES, {"tenant_id": tenant_id})
        return [(row.id, _Change(at, 0, row.value)) for row in rows if row.value and row.reason in new]

    def _amend(self, tenant_id: int, late: Sequence[Row[Any]], snapshot: Snapshot) -> None:
        """Store a snapshot among changes that are stored as later, or at the same instant."""
        at = snapshot.taken_at
        stored: dict[int, list[_Change]] = {}
        for then, number, was, held in self._changes.read(tenant_id, since=to_epoch_us(at)):
            stored.setdefault(number, []).append(_Change(from_epoch_us(then), was, held))
        removed: list[dict[str, Any]] = []
        added: list[dict[str, Any]] = []
        series_now: list[dict[str, Any]] = []
        for row in late:
            before = stored.get(row.id, [])
            after = _amended(before, row.value, at, snapshot.counts.get(row.reason, 0))
            if after == before:
                continue
            removed += [
                {"tenant_id": tenant_id, "series_id": row.id, "start": each.at} for each in before if each not in after
            ]
            added += [_change_row(tenant_id, row.id, each) for each in after if each not in before]
            series_now.append(_series_row(row, after or [_Change(at, 0, before[0].was)]))
        self._run(_DELETE_CHANGE, removed)
        self._run(ADD_CHANGE, added)
        self._run(SET_SERIES, series_now)


def _series_row(row: Row[Any], changes: Sequence[_Change]) -> dict[str, Any]:
    """Return what stands in a series' row after these changes, at least one, oldest first."""
    newest = changes[-1]
    held = (change.at for change in changes if change.held)
    first_held_at = min((at for at in (row.first_held_at, *held) if at is not None), default=None)
    return {
        "series_id": row.id, "value": newest.held, "changed_at": newest.at, "first_held_at": first_held_at,
    }  # fmt: skip


def _amended(changes: Sequence[_Change], held: int, at: datetime, count: int) -> list[_Change]:
    """Return the changes from `at` on after a sample there that was taken later than they were.

    Args:
        changes: The changes at or after `at`, oldest first.
        held: The value now, where there are none.
        at: The instant of the sample.
        count: What it saw; it holds until the next change after `at`.
    """
    was = changes[0].was if changes else held
    after = [change for change in changes if change.at > at]
    here = [_Change(at, was, count)] if count != was else []
    if after and after[0].held == count:
        return here + after[1:]
    return here + [replace(change, was=count) for change in after[:1]] + after[1:]


def _change_row(tenant_id: int, series_id: int, change: _Change) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id, "at": change.at, "series_id": series_id, "previous_value": change.was,
        "value": change.held,
    }  # fmt: skip


# An update sets the columns that its parameters name, so that those of its condition have other names.
_ADD_SERIES = insert(series)
#: Sets what stands in a series' row.
SET_SERIES = update(series).where(series.c.id == bindparam("series_id"))

#: Adds a change of a count.
ADD_CHANGE = insert(_changes)
_DELETE_CHANGE = delete(_changes).where(
    _changes.c.tenant_id == bindparam("tenant_id"),
    _changes.c.at == bindparam("start"),
    _changes.c.series_id == bindparam("series_id"),
)

#: Every series of a tenant, in the order in which they appeared.
SERIES = (
    select(
        series.c.id,
        series.c.reason,
        series.c.value,
        series.c.changed_at,
        series.c.first_seen_at,
        series.c.first_held_at,
    )
    .where(series.c.tenant_id == bindparam("tenant_id"))
    .order_by(series.c.id)
)
