"""Deletion of old rows; nothing that the present depends on is ever deleted.

No value of a series depends on its old changes, as every change says what it changed from. The newest coverage, an
outage that lasts, a live alert, what a receiver believes to go on, the acknowledgement of either, a silence
that has not ended, and a delivery that waits stay however old they are.

What is to go is looked for in a view that holds nobody up, and goes in small transactions, each of which looks once
more at what it is about to delete.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
)

from alerter.core.alerts import AlertState
from alerter.core.poll_times import PollRun
from alerter.core.series import Tenant, from_epoch_us, to_epoch_us
from alerter.storage.database_size import DatabaseSizes
from alerter.storage.downsampling import Downsampling
from alerter.storage.poll_runs import run_columns, run_from_row
from alerter.storage.tables import (
    Instant,
    acknowledgements,
    actions,
    alerts,
    coverage,
    deliveries,
    is_held,
    is_waiting,
    messages,
    notification_states,
    poll_failures,
    silences,
    targets,
    tenants,
    transitions,
)
from alerter.storage.tables import (
    compressed_days as _days,
)
from alerter.storage.tables import (
    count_changes as _changes,
)

#: To delete a chunk takes about as long as to delete this number of changes.
CHANGES_OF_A_CHUNK = 50

#: A row that is to go, or the rows of a topic: its kind and its key.
ExpiredRow: TypeAlias = tuple[str, int | str]


class RetentionRepository(Downsampling, DatabaseSizes):
    """Deletes, downsamples and compresses what is old; nothing else in the store deletes history."""

    def tenants_to_prune(self, before: datetime) -> list[Tenant]:
        """Return the tenants of which something must be pruned, in the order of their first polls."""
        return [row.name for row in self._all(_TENANTS_TO_PRUNE, {"before": before})]

    def expired_rows(self, *, before: datetime, limit: int) -> list[ExpiredRow]:
        """Return what beside counts and polls ended before an instant and nothing depends on, some of each kind.

        That is found whole tables through, which may take a while.

        Args:
            before: The instant.
            limit: The most of each kind.
        """
        old = {"before": before, "limit": limit}
        return [(kind, row[0]) for kind, found in _FIND.items() for row in self._all(found, old)]

    def prune(self, tenant: Tenant, *, before: datetime, batch: int) -> int:
        """Delete a tenant's counts and polls from before an instant; return how many rows went, 0 at the end.

        While an import of PostgreSQL's is under way, which has rows that nobody sees yet, it does nothing.

        Coverage that began earlier begins at the limit afterwards: what is gone must not look as if it were zero.

        Args:
            tenant: Whose.
            before: What ended earlier goes.
            batch: About the most changes: those of an instant go together.
        """
        if not self._changes.may_rewrite():
            return 0
        self._cache.mark_changed(tenant)
        tenant_id = self._changes.tenant_id_of(tenant)
        scope = {"of_tenant": tenant_id, "before": before}
        pruned = self._run(_PRUNE_COVERAGE, scope)
        self._trim_coverage(tenant_id, before)
        self._changes.decompress(tenant_id, since=to_epoch_us(before), until=to_epoch_us(before))
        pruned += self._prune_up_to(_PRUNE_CHUNKS, _LAST_CHUNK, scope, batch=-(-batch // CHANGES_OF_A_CHUNK))
        return pruned + self._prune_up_to(_PRUNE_CHANGES, _LAST_CHANGE, scope, batch=batch)

    def tenants_to_compress(self, before: datetime) -> list[Tenant]:
        """Return the tenants that have changes from before an instant which are not compressed."""
        return self._changes.tenants_to_compress(before)

    def compress(self, tenant: Tenant, *, before: datetime) -> int:
        """Compress a tenant's oldest changes, at most of a day; return how many there were, 0 at the end.

        While an import of PostgreSQL's is under way, which has rows that nobody sees yet, it does nothing.

        Args:
            tenant: Whose.
            before: Later changes stay as they are.
        """
        return self._changes.compress(tenant, before=before)

    def _trim_coverage(self, tenant_id: int, before: datetime) -> None:
        """Leave only those polls of a run that are not too old; of the newest run, which stays, at least the last."""
        for row in self._all(_OLD_RUNS, {"of_tenant": tenant_id, "before": before}):
            instants = run_from_row(row).instants
            left = instants[min(bisect_left(instants, to_epoch_us(before)), len(instants) - 1) :]
            self._run(_DELETE_RUN, {"of_tenant": tenant_id, "old_since": row.first_poll_at})
            # Where another part begins with the poll that is left of this one, that is enough.
            if len(left) > 1 or not self._all(_RUN, {"of_tenant": tenant_id, "old_since": from_epoch_us(left[0])}):
                self._run(
                    _ADD_RUN, {"tenant_id": tenant_id, "latency_us": row.latency_us} | run_columns(PollRun.of(left))
                )

    def _prune_up_to(self, prune: Delete, find_last: Select[Any], scope: dict[str, Any], *, batch: int) -> int:
        """Delete a batch of rows: one range of their clustered key."""
        last = self._first(find_last, scope | {"others": batch - 1})
        return self._run(prune, scope | {"last": scope["before"] if last is None else last[0]})

    def delete_expired(self, rows: Iterable[ExpiredRow], *, before: datetime) -> int:
        """Delete what was found to be old, where that is still so; return how many rows went."""
        keys: dict[str, list[dict[str, object]]] = {}
        for kind, key in rows:
            keys.setdefault(kind, []).append({"before": before, "key": key})
        return sum(self._run(statement, keys.get(kind, ())) for kind, statement in _DROP)


_before = bindparam("before", type_=Instant())

# Counts and polls, tenant by tenant

_OF_TENANT = and_(coverage.c.tenant_id == bindparam("of_tenant"), is_held(coverage))
_newer = coverage.alias()
_IS_OVER = and_(
    coverage.c.last_poll_at < _before,
    coverage.c.first_poll_at
    < select(func.max(_newer.c.first_poll_at))
    .where(_newer.c.tenant_id == coverage.c.tenant_id, _newer.c.kind == coverage.c.kind)
    .scalar_subquery(),
)
_PRUNE_COVERAGE = delete(coverage).where(_OF_TENANT, _IS_OVER)
_BEGAN_EARLIER = and_(coverage.c.first_poll_at < _before, coverage.c.first_poll_at < coverage.c.last_poll_at)
_OLD_RUNS = select(coverage).where(_OF_TENANT, _BEGAN_EARLIER).order_by(coverage.c.first_poll_at)
_THAT_RUN = and_(_OF_TENANT, coverage.c.first_poll_at == bindparam("old_since", type_=Instant()))
_RUN = select(coverage.c.first_poll_at).where(_THAT_RUN)
_DELETE_RUN = delete(coverage).where(_THAT_RUN)
_ADD_RUN = insert(coverage)
_OLD_CHANGES = and_(_changes.c.tenant_id == bindparam("of_tenant"), _changes.c.at < _before)
_LAST_CHANGE = select(_changes.c.at).where(_OLD_CHANGES).order_by(_changes.c.at).offset(bindparam("others")).limit(1)
_PRUNE_CHANGES = delete(_changes).where(_OLD_CHANGES, _changes.c.at <= bindparam("last"))
_OLD_CHUNKS = and_(_days.c.tenant_id == bindparam("of_tenant"), _days.c.end_at < _before)
_LAST_CHUNK = (
    select(_days.c.start_at).where(_OLD_CHUNKS).order_by(_days.c.start_at).offset(bindparam("others")).limit(1)
)
_PRUNE_CHUNKS = delete(_days).where(_OLD_CHUNKS, _days.c.start_at <= bindparam("last"))
_TENANTS_TO_PRUNE = (
    select(tenants.c.name)
    .where(
        exists().where(_changes.c.tenant_id == tenants.c.id, _changes.c.at < _before)
        | exists().where(_days.c.tenant_id == tenants.c.id, _days.c.start_at < _before)
        | exists().where(coverage.c.tenant_id == tenants.c.id, _IS_OVER | _BEGAN_EARLIER)
    )
    .order_by(tenants.c.id)
)

# Everything else: what it takes to be old holds when a row is found, and when it goes

_key: BindParameter[int | str] = bindparam("key")
_some_alerts, _some_notified = alerts.alias(), notification_states.alias()
# The states stand in the statements as they are, for the sake of partial indexes, and as plain text, for that of many
# rows at a time.
_INACTIVE: ColumnElement[str] = literal_column(f"'{AlertState.INACTIVE}'")
_FIRING: ColumnElement[str] = literal_column(f"'{AlertState.FIRING}'")

_IS_OLD_FAILURE = and_(poll_failures.c.ended_at.is_not(None), poll_failures.c.last_failed_at < _before)
# Why a live alert came to be can still be read.
_IS_OLD_TRANSITION = and_(
    transitions.c.at < _before,
    ~exists().where(
        alerts.c.tenant == transitions.c.tenant, alerts.c.id == transitions.c.alert_id, alerts.c.state != _INACTIVE
    ),
)
_IS_OLD_ACTION = actions.c.at < _before
_IS_OLD_SILENCE = silences.c.ends_at < _before
_IS_OLD_ACKNOWLEDGEMENT = and_(
    acknowledgements.c.acknowledged_at < _before, ~exists().where(alerts.c.subject == acknowledgements.c.subject)
)
_IS_OLD_MESSAGE = and_(
    messages.c.created_at < _before, ~exists().where(deliveries.c.message_id == messages.c.id, is_waiting)
)
# An alert that never fired has no end, and nothing to keep.
_GOES_ON = _some_alerts.c.state != _INACTIVE
# A URL that is no longer configured is never notified of the end, so that its state would stay for ever. One that is
# in the configuration is notified once a mute is over, however long that lasts.
_IS_BELIEVED = and_(
    _some_notified.c.state == _FIRING,
    or_(_some_notified.c.notified_at >= _before, exists().where(targets.c.target == _some_notified.c.target)),
)
_limit: BindParameter[int] = bindparam("limit")
_FIND = {
    "failure": select(poll_failures.c.id).where(_IS_OLD_FAILURE).limit(_limit),
    "transition": select(transitions.c.id).where(_IS_OLD_TRANSITION).limit(_limit),
    "topic": select(alerts.c.subject)
    .distinct()
    .where(
        ~exists().where(_some_alerts.c.subject == alerts.c.subject, _GOES_ON | (_some_alerts.c.resolved_at >= _before)),
        ~exists().where(_some_notified.c.subject == alerts.c.subject, _IS_BELIEVED),
    )
    .limit(_limit),
    "action": select(actions.c.id).where(_IS_OLD_ACTION).limit(_limit),
    "silence": select(silences.c.id).where(_IS_OLD_SILENCE).limit(_limit),
    "acknowledgement": select(acknowledgements.c.subject).where(_IS_OLD_ACKNOWLEDGEMENT).limit(_limit),
    "message": select(messages.c.id).where(_IS_OLD_MESSAGE).limit(_limit),
}

_HAS_ENDED = and_(
    ~exists().where(_some_alerts.c.subject == _key, _GOES_ON | (_some_alerts.c.resolved_at >= _before)),
    ~exists().where(_some_notified.c.subject == _key, _IS_BELIEVED),
)
# In this order: notification states and deliveries go before the alerts and messages that they belong to.
_DROP = (
    ("failure", delete(poll_failures).where(poll_failures.c.id == _key, _IS_OLD_FAILURE)),
    ("transition", delete(transitions).where(transitions.c.id == _key, _IS_OLD_TRANSITION)),
    ("topic", delete(notification_states).where(notification_states.c.subject == _key, _HAS_ENDED)),
    ("topic", delete(alerts).where(alerts.c.subject == _key, _HAS_ENDED)),
    ("action", delete(actions).where(actions.c.id == _key, _IS_OLD_ACTION)),
    ("silence", delete(silences).where(silences.c.id == _key, _IS_OLD_SILENCE)),
    ("acknowledgement", delete(acknowledgements).where(acknowledgements.c.subject == _key, _IS_OLD_ACKNOWLEDGEMENT)),
    (
        "message",
        delete(deliveries).where(
            deliveries.c.message_id == _key, exists().where(messages.c.id == _key, _IS_OLD_MESSAGE)
        ),
    ),
    ("message", delete(messages).where(messages.c.id == _key, _IS_OLD_MESSAGE)),
)
