"""What goes when it is old, and what never goes: whatever the present depends on.

No value of a series depends on its old changes, as every change says what it changed from. The newest coverage, an
outage that lasts, a live alert, what a receiver believes to go on, the acknowledgement of either, a silence
that has not ended, and a delivery that waits stay however old they are.
"""

from datetime import datetime

from sqlalchemy import BigInteger, and_, bindparam, case, delete, func, select, type_coerce, update

from alerter.adapters.store.engines import Rows
from alerter.adapters.tables import (
    Instant,
    acknowledgements,
    alerts,
    counts,
    coverage,
    deliveries,
    is_believed,
    is_live,
    is_waiting,
    messages,
    poll_failures,
    silences,
    tenants,
    told,
    transitions,
)


class Retention(Rows):
    """Deletes what is old; nothing else in the store deletes history."""

    def prune(self, *, before: datetime, batch: int = 10_000) -> int:
        """Delete history from before an instant, but nothing that the present depends on.

        Args:
            before: What ended earlier goes.
            batch: About so many rows of each kind at most, so that no poll waits long.

        Returns:
            How many rows went; 0 when there are no more.
        """
        return (
            self._prune_polling(before, batch)
            + self._prune_changes(before, batch)
            + self._prune_alerts(before, batch)
            + self._prune_mutes(before, batch)
            + self._prune_outbox(before, batch)
        )

    def _prune_polling(self, before: datetime, batch: int) -> int:
        """Delete old runs of polls and of failures.

        Coverage that began earlier begins at the limit afterwards: what is gone must not look as if it were zero.
        """
        pruned = self._run(_PRUNE_FAILURES, {"before": before, "batch": batch})
        pruned += self._run(_PRUNE_COVERAGE, {"before": before})
        if self._run(_TRIM_COVERAGE, {"before": before}) or pruned:
            self._run(_RAISE_REVISIONS, {"by": 1})
        return pruned

    def _prune_changes(self, before: datetime, batch: int) -> int:
        pruned = 0
        for tenant in self._all(_TENANTS):
            if pruned >= batch:
                break
            old = {"tenant_id": tenant.id, "before": before}
            last = self._first(_LAST_OF_BATCH, old | {"others": batch - pruned - 1})
            pruned += self._run(_PRUNE_CHANGES, old | {"last": before if last is None else last.at})
        if pruned:
            self._run(_RAISE_REVISIONS, {"by": 1})
        return pruned

    def _prune_alerts(self, before: datetime, batch: int) -> int:
        """Delete what ended, and no receiver believes to go on, with what was told of it."""
        pruned = self._run(_PRUNE_TRANSITIONS, {"before": before, "batch": batch})
        ended = [{"ended": row.topic} for row in self._all(_ENDED_TOPICS, {"before": before, "batch": batch})]
        return pruned + self._run(_PRUNE_TOLD, ended) + self._run(_PRUNE_ALERTS, ended)

    def _prune_mutes(self, before: datetime, batch: int) -> int:
        """Delete silences that are over, and acknowledgements of which no alert is left."""
        old = {"before": before, "batch": batch}
        return self._run(_PRUNE_SILENCES, old) + self._run(_PRUNE_ACKNOWLEDGEMENTS, old)

    def _prune_outbox(self, before: datetime, batch: int) -> int:
        finished = [{"finished": row.id} for row in self._all(_FINISHED, {"before": before, "batch": batch})]
        return self._run(_PRUNE_DELIVERIES, finished) + self._run(_PRUNE_MESSAGES, finished)


_before = bindparam("before", type_=Instant())

_PRUNE_FAILURES = delete(poll_failures).where(
    poll_failures.c.id.in_(
        select(poll_failures.c.id)
        .where(poll_failures.c.ended_at.is_not(None), poll_failures.c.until < _before)
        .limit(bindparam("batch"))
    )
)
_newer = coverage.alias()
_PRUNE_COVERAGE = delete(coverage).where(
    coverage.c.until < _before,
    coverage.c.since
    < select(func.max(_newer.c.since)).where(_newer.c.tenant_id == coverage.c.tenant_id).scalar_subquery(),
)
# What is left of a run keeps its share of the polls, from which a replay knows how far apart they were. Whole seconds,
# for the product with microseconds does not fit into 64 bits.
_SECOND = 1_000_000
_left = type_coerce(coverage.c.until - _before, BigInteger) // _SECOND
_whole = type_coerce(coverage.c.until - coverage.c.since, BigInteger) // _SECOND
_TRIM_COVERAGE = (
    update(coverage)
    .where(coverage.c.since < _before, coverage.c.since < coverage.c.until)
    .values(
        since=case((coverage.c.until < _before, coverage.c.until), else_=_before),
        polls=case(
            ((coverage.c.until < _before) | (_whole == 0), 1), else_=1 + (coverage.c.polls - 1) * _left // _whole
        ),
    )
)

# Whoever remembers how far back a tenant's polls reach must look again.
_RAISE_REVISIONS = update(tenants).values(revision=tenants.c.revision + bindparam("by"))

_TENANTS = select(tenants.c.id).order_by(tenants.c.id)
# A batch is one range of the clustered key; it ends with all the changes of an instant.
_OLD_CHANGES = and_(counts.c.tenant_id == bindparam("tenant_id"), counts.c.at < _before)
_LAST_OF_BATCH = select(counts.c.at).where(_OLD_CHANGES).order_by(counts.c.at).offset(bindparam("others")).limit(1)
_PRUNE_CHANGES = delete(counts).where(_OLD_CHANGES, counts.c.at <= bindparam("last"))

# Why a live alert came to be can still be read.
_PRUNE_TRANSITIONS = delete(transitions).where(
    transitions.c.id.in_(
        select(transitions.c.id)
        .where(transitions.c.at < _before, transitions.c.alert_id.not_in(select(alerts.c.id).where(is_live)))
        .limit(bindparam("batch"))
    )
)
_all_alerts = alerts.alias()
# An alert that never fired has no end, and nothing to keep.
_ENDED_TOPICS = (
    select(_all_alerts.c.topic)
    .distinct()
    .where(
        _all_alerts.c.topic.not_in(select(alerts.c.topic).where(is_live | (alerts.c.resolved_at >= _before))),
        _all_alerts.c.topic.not_in(select(told.c.topic).where(is_believed)),
    )
    .limit(bindparam("batch"))
)
_PRUNE_TOLD = delete(told).where(told.c.topic == bindparam("ended"))
_PRUNE_ALERTS = delete(alerts).where(alerts.c.topic == bindparam("ended"))

_PRUNE_SILENCES = delete(silences).where(
    silences.c.id.in_(select(silences.c.id).where(silences.c.until < _before).limit(bindparam("batch")))
)
_PRUNE_ACKNOWLEDGEMENTS = delete(acknowledgements).where(
    acknowledgements.c.topic.in_(
        select(acknowledgements.c.topic)
        .where(acknowledgements.c.at < _before, acknowledgements.c.topic.not_in(select(alerts.c.topic)))
        .limit(bindparam("batch"))
    )
)

_FINISHED = (
    select(messages.c.id)
    .where(
        messages.c.created_at < _before,
        ~select(deliveries.c.id).where(deliveries.c.message_id == messages.c.id, is_waiting).exists(),
    )
    .limit(bindparam("batch"))
)
_PRUNE_DELIVERIES = delete(deliveries).where(deliveries.c.message_id == bindparam("finished"))
_PRUNE_MESSAGES = delete(messages).where(messages.c.id == bindparam("finished"))
