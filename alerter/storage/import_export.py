"""The history as records: read out to be written down, and taken in where nothing is stored."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, text, update

from alerter.core.history_records import CountRecord, FailedPolls, FirstSeen, InitialCount, PollRange, Record, clip
from alerter.core.import_merge import Base, StoredHistory
from alerter.core.import_merge import CountChange as Step
from alerter.core.poll_times import FailureRun, PollRun
from alerter.core.selectors import MATCH_ALL, Selector
from alerter.core.series import HoldReason, Tenant, from_epoch_us, to_epoch_us
from alerter.storage.cache import Cache
from alerter.storage.count_changes import BEGINNING, END, CountChanges
from alerter.storage.encoding import build_digest
from alerter.storage.engine import ADVISORY_WRITER, Connecting, Repository, lock_writers
from alerter.storage.poll_runs import PollRuns
from alerter.storage.snapshots import SERIES
from alerter.storage.tables import Instant, coverage, is_held, series, tenants

#: The changes that are written by one statement.
_BATCH = 10_000


class ImportRepository(Repository):
    """The history as records, read out for an export and written by an import.

    An import writes its changes first, of which nobody sees anything yet, then the polls that saw them. In PostgreSQL
    other writers go on while the changes are written, and wait from `lock_writers` on, for a moment; in SQLite they
    wait from the beginning.
    """

    def __init__(self, connection: Connecting, runs: PollRuns, changes: CountChanges, cache: Cache) -> None:
        """Take part in a transaction.

        Args:
            connection: Whose.
            runs: The polls of its tenants.
            changes: Their counts.
            cache: Learns which tenants are changed.
        """
        super().__init__(connection)
        self._runs = runs
        self._changes = changes
        self._cache = cache

    def records(
        self,
        tenant: Tenant,
        *,
        reasons: Selector = MATCH_ALL,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Record]:
        """Yield what is stored of a tenant: reasons that were seen, what they held at first, polls, changes.

        Each kind comes as a whole, in this order, oldest first, with the failed polls behind the successful ones, and
        reasons in the order in which they appeared. However long the history is, little of it is in memory at a time.

        Args:
            tenant: Whose; one that was never polled has no records.
            reasons: Which hold reasons.
            since: From when on; None for the beginning.
            until: Until when, itself included; None for the end.
        """
        row = self._runs.tenant(tenant)
        spans = [] if row is None else self._clipped_coverage(row.id, tenant, since=since, until=until)
        failed = [] if row is None else self._clipped_failures(row.id, tenant, since=since, until=until)
        if row is None or not spans:
            yield from failed
            return
        known = [
            each
            for each in self._all(SERIES, {"tenant_id": row.id})
            if reasons.matches(each.reason) and (until is None or each.first_seen_at <= until)
        ]
        for each in known:
            yield FirstSeen(tenant=tenant, reason=each.reason, at=each.first_seen_at)
        yield from self._bases(row.id, tenant, known, since=since, begin=since or spans[0].since)
        yield from spans
        yield from failed
        reason_by_id = {each.id: each.reason for each in known}
        begin, end = _range(since, until)
        for at, number, _, held in self._changes.read(row.id, since=begin, until=end, series=reason_by_id.keys()):
            yield CountRecord(tenant=tenant, reason=reason_by_id[number], at=from_epoch_us(at), held=held)

    def stored_history(self, tenant: Tenant) -> StoredHistory:
        """Return what is stored of a tenant, for an import to be merged into; nothing of one that was never polled."""
        row = self._runs.tenant(tenant)
        if row is None:
            return StoredHistory()
        known = self._all(SERIES, {"tenant_id": row.id})
        return StoredHistory(
            coverage=self.runs(tenant),
            failures=self.failures(tenant),
            held={each.reason: each.value for each in known},
            changes=partial(self._named_changes, row.id, {each.id: each.reason for each in known}),
        )

    def runs(self, tenant: Tenant) -> list[PollRun]:
        """Return a tenant's runs of successful polls, oldest first."""
        row = self._runs.tenant(tenant)
        return [] if row is None else self._runs.all_runs(row.id)

    def failures(self, tenant: Tenant) -> list[FailureRun]:
        """Return a tenant's runs of failed polls, oldest first."""
        row = self._runs.tenant(tenant)
        return [] if row is None else self._runs.all_failures(row.id)

    def _clipped_failures(
        self, tenant_id: int, tenant: Tenant, *, since: datetime | None, until: datetime | None
    ) -> list[FailedPolls]:
        found = []
        for failure in self._runs.all_failures(tenant_id):
            polled = PollRange.of(tenant, [from_epoch_us(at) for at in failure.instants])
            part = clip(polled, since=since, until=until)
            if part is not None:
                found.append(FailedPolls(polled=part, cause=failure.cause, detail=failure.detail))
        return found

    def _clipped_coverage(
        self, tenant_id: int, tenant: Tenant, *, since: datetime | None, until: datetime | None
    ) -> list[PollRange]:
        runs = (
            PollRange.of(tenant, [from_epoch_us(at) for at in run.instants]) for run in self._runs.all_runs(tenant_id)
        )
        parts = (clip(run, since=since, until=until) for run in runs)
        return [part for part in parts if part is not None]

    def _bases(
        self, tenant_id: int, tenant: Tenant, known: Sequence[Row[Any]], *, since: datetime | None, begin: datetime
    ) -> Iterator[InitialCount]:
        """Yield what was held before the first change, where that is neither nothing nor clear from the rest."""
        first: dict[int, int] = {}
        for _, number, was, _ in self._changes.read(tenant_id, since=_range(since, None)[0]):
            first.setdefault(number, was)
        for each in known:
            has_changed = each.id in first
            held = first.get(each.id, each.value)
            if held or (not has_changed and each.changed_at != each.first_seen_at):
                at = begin if has_changed else each.changed_at
                yield InitialCount(tenant=tenant, reason=each.reason, at=at, held=held)

    def _named_changes(self, tenant_id: int, reason_by_id: Mapping[int, HoldReason]) -> Iterator[Step]:
        for at, number, was, held in self._changes.read(tenant_id):
            yield at, reason_by_id[number], was, held

    def lock_writers(self) -> None:
        """From here on no other transaction writes until this one ends."""
        lock_writers(self._connection, ADVISORY_WRITER)

    def add_changes(
        self,
        tenant: Tenant,
        first_seen: Mapping[HoldReason, int],
        bases: Mapping[HoldReason, Base],
        changes: Iterable[Step],
    ) -> None:
        """Write the changes of an import.

        Args:
            tenant: Whose; it is new if need be.
            first_seen: The reasons of the import, and when each was first in an answer; those that are new are added.
            bases: What was held before the changes.
            changes: The changes to store, in place of those of the same series at the same instant; one that steps to
                the count before it is deleted.
        """
        self._cache.mark_changed(tenant)
        tenant_id = int(self._runs.ensure_tenant(tenant).id)
        known = {row.reason for row in self._all(_SERIES, {"tenant_id": tenant_id})}
        new = []
        for reason, seen in first_seen.items():
            base = bases.get(reason, Base(at=seen, held=0))
            columns = {"value": base.held, "changed_at": from_epoch_us(base.at), "first_seen_at": from_epoch_us(seen)}
            if reason not in known:
                new.append({"tenant_id": tenant_id, "digest": build_digest(reason), "reason": reason} | columns)
        self._run(_ADD_SERIES, new)
        id_by_reason = {row.reason: row.id for row in self._all(_SERIES, {"tenant_id": tenant_id})}
        rows = ((tenant_id, at, id_by_reason[reason], was, held) for at, reason, was, held in changes)
        while batch := list(islice(rows, _BATCH)):
            instants = sorted({row[1] for row in batch})
            self._run(_THIN_FROM, {"of_tenant": tenant_id, "oldest": from_epoch_us(instants[0])})
            self._changes.decompress_around(tenant_id, instants)
            self._changes.put([row for row in batch if row[3] != row[4]])
            self._run(_DROP_CHANGE, [dict(zip(_KEY, row, strict=False)) for row in batch if row[3] == row[4]])

    def finish(
        self,
        tenant: Tenant,
        runs: Sequence[PollRun],
        failures: Sequence[FailureRun],
        first_seen: Mapping[HoldReason, int],
        changed: Collection[HoldReason],
    ) -> None:
        """Keep in which polls an import saw what `add_changes` has written.

        Args:
            tenant: Whose.
            runs: All runs of successful polls, also those that are stored.
            failures: All runs of failed polls, also those that are stored.
            first_seen: When the import first saw each of its reasons.
            changed: The reasons whose changes were written.
        """
        self._cache.mark_changed(tenant)
        tenant_id = int(self._runs.ensure_tenant(tenant).id)
        self._runs.set_coverage(tenant_id, runs)
        self._runs.set_failures(tenant_id, failures)
        id_by_reason = {row.reason: row.id for row in self._all(_SERIES, {"tenant_id": tenant_id})}
        seen = [{"series_id": id_by_reason[reason], "seen": from_epoch_us(at)} for reason, at in first_seen.items()]
        self._run(_BE_SEEN_SINCE, seen)
        self._set_ends(tenant_id, {id_by_reason[reason] for reason in changed})

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
        for at, number, was, held in self._changes.read(tenant_id):
            newest[number] = at, held
            if held and number not in held_from:
                held_from[number] = from_epoch_us(at)
            if was and number not in left_at:
                left_at[number] = from_epoch_us(at)
        firsts = []
        for row in self._all(_FIRST_SEEN, scope):
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


def _range(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return the numbers of a span whose ends are both part of it, as one whose end is not."""
    return BEGINNING if since is None else to_epoch_us(since), END if until is None else to_epoch_us(until) + 1


# What is imported into history that was downsampled is downsampled as well.
_THIN_FROM = (
    update(tenants)
    .where(tenants.c.id == bindparam("of_tenant"), tenants.c.downsampling_at > bindparam("oldest", type_=Instant()))
    .values(downsampling_at=bindparam("oldest", type_=Instant()))
)
_FIRST_SEEN = select(series.c.id, series.c.value, series.c.first_seen_at).where(
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
# Plain text, as for those that are put.
_KEY = ("tenant_id", "at", "series_id")
_DROP_CHANGE = text("DELETE FROM count_changes WHERE tenant_id = :tenant_id AND at = :at AND series_id = :series_id")
_SERIES = select(series.c.id, series.c.reason).where(series.c.tenant_id == bindparam("tenant_id"))
_ADD_SERIES = insert(series)
_BE_SEEN_SINCE = (
    update(series)
    .where(series.c.id == bindparam("series_id"), series.c.first_seen_at > bindparam("seen", type_=Instant()))
    .values(first_seen_at=bindparam("seen"))
)
