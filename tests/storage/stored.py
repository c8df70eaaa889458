"""Short words for what the tests of the store put in and look at."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event, make_url, text

from alerter.core.alerts import AlertState, Transition
from alerter.core.message.content import Format, Message, MessageStatus
from alerter.core.outbox import TargetName, next_due_at
from alerter.core.routes import ReceiverName, TargetId
from alerter.core.rules import Severity
from alerter.core.series import Series, Tenant
from alerter.core.silences import Acknowledgement, AlertMatcher, Silence
from alerter.errors import Cause, SourceUnavailable
from alerter.storage import Store, Transaction
from tests.builders import NOON, a_key, a_snapshot, an_alert, at, minutes, span

ACME = Tenant("acme")
EVERY = minutes(5)
MILLISECOND = timedelta(milliseconds=1)


def poll(store: Store, clock: str | datetime, tenant: str = "acme", /, **held: int) -> None:
    """Store the snapshot of a good poll."""
    with store.write() as transaction:
        seen(transaction, at(clock) if isinstance(clock, str) else clock, held, tenant=tenant)


def seen(transaction: Transaction, taken_at: datetime, held: Mapping[str, int], *, tenant: str = "acme") -> None:
    """Store a snapshot in an open transaction."""
    transaction.history.add(a_snapshot(held, tenant=tenant, taken_at=taken_at), poll_interval=EVERY)


def fail(store: Store, clock: str, cause: Cause = Cause.TIMEOUT, detail: str = "no answer") -> None:
    """Store a failed poll."""
    with store.write() as transaction:
        transaction.polls.add_failure(ACME, SourceUnavailable(cause, detail), at=at(clock))


def prune(store: Store, before: str | datetime = "10:00", *, batch: int = 10_000) -> list[int]:
    """Delete everything from before that in transactions of so many rows; return how many each one deleted."""
    limit = at(before) if isinstance(before, str) else before
    with store.read() as reader:
        tenants = reader.retention.tenants_to_prune(limit)
    sizes = _sizes(store, tenants, lambda one, name: one.retention.prune(name, before=limit, batch=batch))
    while outdated := _outdated(store, limit, batch):
        with store.write() as transaction:
            sizes.append(transaction.retention.delete_expired(outdated, before=limit))
    return sizes


def thin(store: Store, before: str | datetime = "10:00", *, batch: int = 10_000) -> list[int]:
    """Thin everything from before that in transactions of so many rows; return how many each one looked at."""
    limit = at(before) if isinstance(before, str) else before
    with store.read() as reader:
        tenants = reader.retention.tenants_to_downsample(limit)
    return _sizes(store, tenants, lambda one, name: one.retention.downsample(name, before=limit, batch=batch))


def pack(store: Store, before: str | datetime = "10:00") -> list[int]:
    """Pack everything from before that; return how many changes became a chunk each time."""
    limit = at(before) if isinstance(before, str) else before
    with store.read() as reader:
        tenants = reader.retention.tenants_to_compress(limit)
    return _sizes(store, tenants, lambda one, name: one.retention.compress(name, before=limit))


def _sizes(store: Store, tenants: Sequence[Tenant], act: Callable[[Transaction, Tenant], int]) -> list[int]:
    """Do something for each tenant until nothing is left; return how much each transaction did."""
    sizes: list[int] = []
    for tenant in tenants:
        done = 1
        while done:
            with store.write() as transaction:
                done = act(transaction, tenant)
            sizes += [done] if done else []
    return sizes


def _outdated(store: Store, before: datetime, limit: int) -> list[tuple[str, int | str]]:
    with store.read() as reader:
        return reader.retention.expired_rows(before=before, limit=limit)


def tenant_series(
    store: Store, tenant: str = "acme", *, window: str = "1h", now: datetime = NOON
) -> tuple[Series, dict[str, Series]]:
    """Return the polling of a tenant and its series by reason."""
    with store.read() as reader:
        read = reader.history.series_for(Tenant(tenant), window=span(window), poll_interval=EVERY, now=now)
    return read.polling, {series.reason: series for series in read.reasons}


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    """Return what stands in the tables."""
    with store.read() as reader:
        return [tuple(row) for row in reader.polls._all(text(statement))]  # noqa: SLF001 - beneath the interface


def a_transition(clock: str, before: AlertState, after: AlertState, *, note: str = "") -> Transition:
    """Return a line of the history of the alert on spam."""
    return Transition(
        key=a_key(), at=at(clock), from_state=before, to_state=after, evidence=an_alert().evidence, detail=note
    )


def a_message(message_id: str, *, receiver: str = "secops", created_at: datetime = NOON) -> Message:
    """Return a message to a receiver."""
    return Message(
        id=message_id,
        receiver=ReceiverName(receiver),
        status=MessageStatus.WARNING,
        title="Held mail",
        bodies={Format.TEXT: "120 held"},
        created_at=created_at,
        alert_ids=("deadbeef", "0badcafe"),
    )


def enqueue(
    store: Store, message_id: str, *targets: str, receiver: str = "secops", created_at: datetime = NOON
) -> None:
    """Put a message into the outbox."""
    message = a_message(message_id, receiver=receiver, created_at=created_at)
    with store.write() as transaction:
        transaction.outbox.enqueue(message, {TargetName(each): TargetId(each) for each in targets})


def a_silence(
    matcher: AlertMatcher | None = None, *, author: str = "ann", since: str = "11:00", until: str = "13:00"
) -> Silence:
    """Return a silence of everything or of what a matcher names, before it has a number."""
    return Silence(
        id=0,
        matcher=matcher or AlertMatcher(),
        author=author,
        comment="migrating the gateway",
        starts_at=at(since),
        ends_at=at(until),
    )


def silence(store: Store, added: Silence | None = None, /, *, since: str = "11:00", until: str = "13:00") -> Silence:
    """Store a silence; return it with its number."""
    with store.write() as transaction:
        return transaction.silences.add(added or a_silence(since=since, until=until))


def an_acknowledgement(reason: str = "Spam", *, clock: str = "11:30", value: int | None = 120) -> Acknowledgement:
    """Return that somebody is at the alert on a reason."""
    return Acknowledgement(
        subject=a_key(reason=reason).subject,
        severity=Severity.WARNING,
        value=value,
        author="bob",
        comment="on it",
        acknowledged_at=at(clock),
    )


def next_delivery_at(store: Store) -> datetime | None:
    """Return when the next delivery is due, or None where the outbox is empty."""
    with store.read() as reader:
        return next_due_at(reader.outbox.waiting())


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect what is executed, with its parameters, but for what every transaction begins with."""
    executed: list[tuple[str, Any]] = []

    def collect(_connection: object, _cursor: object, statement: str, parameters: tuple[Any, ...], *_: object) -> None:
        if not statement.startswith(("BEGIN", "SELECT set_config('timezone'")):
            executed.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", collect)


def explained(url: str, executed: list[tuple[str, Any]]) -> list[str]:
    """Return every step of the plans of statements."""
    with closing(sqlite3.connect(make_url(url).database or "")) as connection:
        return [
            step
            for statement, parameters in executed
            for *_, step in connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters[0] if isinstance(parameters, list) else parameters
            )
        ]
