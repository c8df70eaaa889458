"""What is true afterwards: what targets took, what the database holds, and that it is whole."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime

from sqlalchemy import make_url

from alerter.core.alerts import AlertState, Transition
from alerter.core.message.content import Format
from alerter.core.outbox import Delivery
from alerter.core.series import HoldReason, Tenant
from alerter.storage import Store
from tests.builders import span
from tests.servers import HttpSink

#: One row of the table `count_changes`: the instant, the reason, what it was and what it is then.
_CHANGES = (
    "SELECT at, reason, c.previous_value, c.value FROM count_changes AS c JOIN series ON series.id = series_id "
    "ORDER BY at, reason"
)


def references(store: Store) -> list[str]:
    """Return the reference of every planned message, in the order of planning."""
    with store.read() as reader:
        records = reader.outbox.deliveries(limit=1_000_000)
    newest_first = dict.fromkeys(record.delivery.message_id for record in records)
    return [*reversed(newest_first)]


def bodies(store: Store) -> dict[str, str]:
    """Return what each planned message says, by its reference."""
    found = references(store)
    with store.read() as reader:
        return {reference: reader.outbox.message(reference).bodies[Format.TEXT] for reference in found}


def waiting(store: Store) -> list[Delivery]:
    """Return what is still to be sent."""
    with store.read() as reader:
        return reader.outbox.waiting()


def received(sink: HttpSink, known: Sequence[str]) -> list[str]:
    """Return the references of the messages that a target took, in the order of arrival."""
    return [reference_in(str(body), known) for _, body in list(sink.posts)]


def reference_in(text: str, known: Sequence[str]) -> str:
    """Return the only known reference that stands in a text."""
    [found] = [reference for reference in known if reference in text]
    return found


def tellable(store: Store) -> list[Transition]:
    """Return the transitions that somebody must be told: into firing, and out of it; oldest first."""
    with store.read() as reader:
        newest_first = reader.alerts.transitions(limit=1_000_000)
    return [each for each in reversed(newest_first) if AlertState.FIRING in (each.from_state, each.to_state)]


def snapshots(url: str) -> list[dict[str, int]]:
    """Return what was held after each change, oldest first, rebuilt from the changes alone; zeros are left out.

    Fails where a change does not come from the value before it: then the history is torn.
    """
    held: dict[str, int] = {}
    by_instant: dict[int, dict[str, int]] = {}
    with closing(sqlite3.connect(make_url(url).database or "")) as connection:
        rows: list[tuple[int, str, int, int]] = connection.execute(_CHANGES).fetchall()
    for at, reason, was, now in rows:
        assert held.get(reason, 0) == was, f"{reason} changed from {was}, but it was {held.get(reason, 0)}"
        held[reason] = now
        by_instant[at] = {name: count for name, count in held.items() if count}
    return [*by_instant.values()]


def check_whole(url: str, served: Sequence[Mapping[str, int]]) -> None:
    """Fail unless the file passes SQLite's check, and every snapshot in it is one that was really served, whole."""
    with closing(Store(url)) as store:
        store.check_integrity()
    assert [snapshot for snapshot in snapshots(url) if snapshot not in served] == []


def value(store: Store, reason: str, *, now: datetime) -> int | None:
    """Return what is known of a reason at an instant; None where polling did not cover it."""
    with store.read() as reader:
        known = reader.history.series_for(Tenant("acme"), window=span("1h"), poll_interval=span("5m"), now=now)
    return {each.reason: each.value_at(now) for each in known.reasons}.get(HoldReason(reason))
