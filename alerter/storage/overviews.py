"""What thousands of tenants hold, in one look instead of one for each."""

from collections.abc import Collection

from sqlalchemy import select

from alerter.core.series import HoldReason, Tenant
from alerter.storage.engine import Rows
from alerter.storage.tables import is_above_zero, is_held, series, tenants


class OverviewReader(Rows):
    """Reads what is held now, over tenants."""

    def held_by_reason(self, names: Collection[Tenant]) -> dict[Tenant, dict[HoldReason, int]]:
        """Return what these tenants hold by reason, most first, also reasons of which nothing is held now."""
        held: dict[Tenant, dict[HoldReason, int]] = {}
        for row in self._all(_HELD):
            if row.name in names:
                held.setdefault(row.name, {})[row.reason] = row.value
        return held

    def reason_names(self) -> list[HoldReason]:
        """Return every name of a hold reason that was ever seen, of whatever tenant, each once."""
        return [row.reason for row in self._all(_NAMES)]

    def largest_counts(self, names: Collection[Tenant], *, limit: int) -> list[tuple[Tenant, HoldReason]]:
        """Return of which reasons of these tenants most is held, most first; without those of which nothing is."""
        found: list[tuple[Tenant, HoldReason]] = []
        for row in self._all(_HELD.where(is_above_zero)):
            if len(found) == limit:
                break
            if row.name in names:
                found.append((row.name, row.reason))
        return found


_NAMES = select(series.c.reason).distinct().order_by(series.c.reason)

_HELD = (
    select(tenants.c.name, series.c.reason, series.c.value)
    .join_from(series, tenants)
    .where(is_held(series))
    .order_by(series.c.value.desc(), series.c.id)
)
