"""Since when a tenant is polled and its reasons hold anything, where an import has shown that to be longer ago."""

from sqlalchemy import bindparam, func, select, update

from alerter.adapters.store.engines import Rows
from alerter.adapters.tables import Instant, counts, coverage, series, tenants


class FirstsWriter(Rows):
    """Writes when things were first."""

    def _set_firsts(self, tenant_id: int) -> None:
        """Set what is first to what is stored, where that is earlier: what was there before is never called new."""
        scope = {"tenant_id": tenant_id}
        oldest = self._all(_OLDEST_COVERAGE, scope)[0].since
        self._run(_BE_POLLED_SINCE, scope | {"oldest": oldest})
        held_from = {row.series_id: row.at for row in self._all(_FIRST_HELD, scope)}
        left_at = {row.series_id: row.at for row in self._all(_FIRST_LEFT, scope)}
        firsts = []
        for row in self._all(_SERIES, scope):
            begins, ends = held_from.get(row.id), left_at.get(row.id)
            if begins is not None and (ends is None or begins < ends):
                firsts.append({"number": row.id, "first": begins})
            elif ends is not None or row.held:
                # It was held before anything is known of it.
                firsts.append({"number": row.id, "first": min(row.first_seen_at, oldest)})
        self._run(_BE_HELD_SINCE, firsts)


_SERIES = select(series.c.id, series.c.held, series.c.first_seen_at).where(series.c.tenant_id == bindparam("tenant_id"))
_FIRST_CHANGE = (
    select(counts.c.series_id, func.min(counts.c.at).label("at"))
    .where(counts.c.tenant_id == bindparam("tenant_id"))
    .group_by(counts.c.series_id)
)
_FIRST_HELD = _FIRST_CHANGE.where(counts.c.held > 0)
_FIRST_LEFT = _FIRST_CHANGE.where(counts.c.was > 0)
_BE_HELD_SINCE = (
    update(series)
    .where(
        series.c.id == bindparam("number"),
        series.c.first_held_at.is_(None) | (series.c.first_held_at > bindparam("first", type_=Instant())),
    )
    .values(first_held_at=bindparam("first"))
)
_OLDEST_COVERAGE = select(func.min(coverage.c.since).label("since")).where(
    coverage.c.tenant_id == bindparam("tenant_id")
)
_BE_POLLED_SINCE = (
    update(tenants)
    .where(
        tenants.c.id == bindparam("tenant_id"),
        tenants.c.polled_since.is_(None) | (tenants.c.polled_since > bindparam("oldest", type_=Instant())),
    )
    .values(polled_since=bindparam("oldest"))
)
