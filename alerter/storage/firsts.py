"""What an import changes at the ends of series: since when something is known and held, and what is held now."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update

from alerter.core.series import from_epoch_us
from alerter.storage.count_changes import ChangeReader
from alerter.storage.tables import Instant, coverage, is_held, series, tenants

if TYPE_CHECKING:
    from datetime import datetime


class FirstsWriter(ChangeReader):
    """Writes when things were first, and last."""

    def _set_ends(self, tenant_id: int, changed: Collection[int]) -> None:
        """Set what is first to what is stored, where that is earlier: what was there before is never called new.

        Args:
            tenant_id: Whose.
            changed: The series whose changes were written: of these, what is held now is set as well.
        """
        scope = {"tenant_id": tenant_id}
        oldest = self._all(_OLDEST_COVERAGE, scope)[0].oldest
        self._run(_BE_POLLED_SINCE, scope | {"oldest": oldest})
        held_from: dict[int, datetime] = {}
        left_at: dict[int, datetime] = {}
        newest: dict[int, tuple[int, int]] = {}
        for at, number, was, held in self._changes(tenant_id):
            newest[number] = at, held
            if held and number not in held_from:
                held_from[number] = from_epoch_us(at)
            if was and number not in left_at:
                left_at[number] = from_epoch_us(at)
        firsts = []
        for row in self._all(_SERIES, scope):
            begins, ends = held_from.get(row.id), left_at.get(row.id)
            if begins is not None and (ends is None or begins < ends):
                firsts.append({"number": row.id, "first": begins})
            elif ends is not None or row.value:
                # It was held before anything is known of it.
                firsts.append({"number": row.id, "first": min(row.first_seen_at, oldest)})
        self._run(_BE_HELD_SINCE, firsts)
        now_held = [
            {"number": number, "held_now": held, "last": from_epoch_us(at)}
            for number, (at, held) in newest.items()
            if number in changed
        ]
        self._run(_HOLD_NOW, now_held)


_SERIES = select(series.c.id, series.c.value, series.c.first_seen_at).where(
    series.c.tenant_id == bindparam("tenant_id")
)
_BE_HELD_SINCE = (
    update(series)
    .where(
        series.c.id == bindparam("number"),
        series.c.first_held_at.is_(None) | (series.c.first_held_at > bindparam("first", type_=Instant())),
    )
    .values(first_held_at=bindparam("first"))
)
_HOLD_NOW = (
    update(series)
    .where(series.c.id == bindparam("number"))
    .values(value=bindparam("held_now"), changed_at=bindparam("last"))
)
_OLDEST_COVERAGE = select(func.min(coverage.c.first_poll_at).label("oldest")).where(
    coverage.c.tenant_id == bindparam("tenant_id"), is_held(coverage)
)
_BE_POLLED_SINCE = (
    update(tenants)
    .where(
        tenants.c.id == bindparam("tenant_id"),
        tenants.c.first_polled_at.is_(None) | (tenants.c.first_polled_at > bindparam("oldest", type_=Instant())),
    )
    .values(first_polled_at=bindparam("oldest"))
)
