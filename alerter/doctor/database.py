"""The database: its schema, whether it is whole, who writes it, and for how long the disk lasts."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from alerter.config import Config
from alerter.config.paths import ROOT, data_folder
from alerter.core.conditions import duration_text
from alerter.core.rules import NO_DATA_AFTER, NO_DATA_MISSED_POLLS
from alerter.doctor.database_growth import DatabaseGrowth, assess_growth, database_finding
from alerter.doctor.findings import Finding, Outcome
from alerter.errors import StoreError
from alerter.kernel import free_bytes, processes_with_file_open
from alerter.storage import SchemaState, Store

#: Seconds for the check of a large file.
MAX_INTEGRITY_CHECK = 30.0

_ADVICE_FILE = (
    "Check path, owner and mode, and run doctor as the service's user. A damaged file is replaced with "
    "`alerter db restore`."
)
_ADVICE_SERVER = (
    "Check that the server runs, and host, port, name and password, and what its pg_hba.conf lets in. It must be the "
    "one that takes writes: name the primary, or all of them, as in postgresql://a,b/name."
)


def _advice(store: Store) -> str:
    return _ADVICE_FILE if store.file is not None else _ADVICE_SERVER


def check_database(config: Config, *, monotonic: Callable[[], float], now: datetime) -> Iterator[Finding]:
    """Yield how the database is; what cannot be found out because of the rest is left out."""
    with closing(Store(config.service.database, read_only=True)) as store:
        try:
            state = store.schema_state()
        except StoreError as error:
            yield _database(store, Outcome.FAILED, f"it cannot be used: {error}", _advice(store))
            return
        if state is SchemaState.MISSING:
            yield _before_the_first(store, is_services=data_folder(config.path) is not None)
        else:
            yield assess_schema(store.location, state)
            yield from _whole(store, monotonic)
        if state is SchemaState.CURRENT:
            yield from _used(config, store, now=now)
        yield from elsewhere(config, store.file)


def elsewhere(config: Config, file: Path | None, *, root: Path = ROOT) -> Iterator[Finding]:
    """Yield that there is a database beside the configuration of a service, which keeps its data in another folder.

    Args:
        config: What is configured.
        file: The service's database; None for that of a server.
        root: Of the file system.
    """
    folder = data_folder(config.path, root=root)
    if folder is None or file is None or not file.is_relative_to(folder):
        return
    other = config.path.absolute().parent / file.name
    if other.is_file():
        text = "nothing reads it: the service keeps its data in another folder"
        advice = f"Stop the service and take it over with `alerter db restore {other}`, or remove it."
        yield database_finding(str(other), Outcome.WARNING, text, advice)


def assess_schema(place: str, state: SchemaState) -> Finding:
    """Return what it means that a database has a schema of this kind."""
    match state:
        case SchemaState.CURRENT:
            return database_finding(place, Outcome.OK, "its schema is this version's")
        case SchemaState.NEWER:
            text = "it was written by a newer alerter"
            return database_finding(
                place, Outcome.FAILED, text, "Install that version, or restore a backup of this one."
            )
        case _:
            text = "its schema is older"
            advice = "The service upgrades it at its start and keeps a copy, as `alerter db upgrade` does."
            return database_finding(place, Outcome.WARNING, text, advice)


def _before_the_first(store: Store, *, is_services: bool) -> Finding:
    """Return whether a first start could make the database; `is_services` says that a unit of ours has the folder."""
    if store.file is None:
        text = "it has no tables yet"
        try:
            store.check_server()
        except StoreError as error:
            return _database(store, Outcome.FAILED, f"{text}, and cannot be written: {error}", _advice(store))
        return _database(store, Outcome.OK, f"{text}; the first start makes them")
    folder = store.file.absolute().parent
    if not folder.is_dir():
        advice = f"Make it, as the service's user: mkdir -p {folder}. Or correct `database`."
        if is_services:
            advice = "`alerter install` makes it, and so does the first start of the service."
        return _database(store, Outcome.FAILED, f"there is no folder {folder}", advice)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return _database(store, Outcome.FAILED, f"the folder {folder} cannot be written", _advice(store))
    return _database(store, Outcome.OK, "there is none yet; the first poll or start makes it")


def _whole(store: Store, monotonic: Callable[[], float]) -> Iterator[Finding]:
    until = monotonic() + MAX_INTEGRITY_CHECK

    def is_late() -> bool:
        return monotonic() > until

    try:
        store.check_integrity(gives_up=is_late)
    except StoreError as error:
        if is_late():
            text = f"it is too large to be checked within {MAX_INTEGRITY_CHECK:g} s"
            yield _database(store, Outcome.NOT_APPLICABLE, text)
            return
        advice = "Stop the service, restore a backup with `alerter db restore`, and look after the disk."
        yield _database(store, Outcome.FAILED, f"it is not whole: {error}", advice)
    else:
        yield _database(store, Outcome.OK, "it is whole" if store.file else "it answers")


def _used(config: Config, store: Store, *, now: datetime) -> Iterator[Finding]:
    try:
        with store.read() as reader:
            pollings, since, storage = (
                reader.polls.status_by_tenant(),
                reader.polls.first_poll_at(),
                reader.retention.database_size(now=now),
            )
        free = None if store.file is None else free_bytes(store.file.absolute().parent)
        growth = DatabaseGrowth(storage=storage, disk_bytes=free, since=since, retention=config.service.retention)
        holder = store.lock_holder()
    except (StoreError, OSError) as error:
        yield _database(store, Outcome.FAILED, f"it cannot be read: {error}", _advice(store))
        return
    limits = {
        name: max(NO_DATA_AFTER, NO_DATA_MISSED_POLLS * each.poll_interval) for name, each in config.tenants.items()
    }
    polled_at = max((each.last_poll_at for each in pollings.values() if each.last_poll_at is not None), default=None)
    yield assess_use(store.location, holder, polled_at, limit=max(limits.values()), now=now)
    yield assess_growth(store.location, growth, now=now)
    yield from _writable(config)


def assess_use(
    place: str, holder: str | None, polled_at: datetime | None, *, limit: timedelta, now: datetime
) -> Finding:
    """Return what it means that this daemon holds the database, and that it was last polled then.

    Args:
        place: The database.
        holder: Who holds it; None for nobody.
        polled_at: The newest poll of any tenant, good or failed; None for none.
        limit: After how long without a poll nobody polls any more.
        now: The instant.
    """
    age = None if polled_at is None else max(now - polled_at, timedelta(0))
    last = "nothing was polled yet" if age is None else f"the last poll was {_rough(age)} ago"
    can_evaluate = age is not None and age <= limit
    if holder is not None:
        text = f"the service holds it ({holder}); {last}"
        if can_evaluate:
            return database_finding(place, Outcome.OK, text)
        return database_finding(
            place, Outcome.FAILED, text, "It hangs, or has just begun: look at its log, and restart it."
        )
    if can_evaluate:
        return database_finding(place, Outcome.OK, f"no service holds it; {last}, as by cron")
    advice = "Start the service, or have cron run `alerter poll`."
    return database_finding(place, Outcome.WARNING, f"nobody polls: no service holds it, and {last}", advice)


def _rough(age: timedelta) -> str:
    return duration_text(timedelta(seconds=round(age.total_seconds())))


def _writable(config: Config) -> Iterator[Finding]:
    """Yield whether a cycle could be kept now; what is written is what is there already."""
    with closing(Store(config.service.database)) as store:
        try:
            store.check_writable()
        except StoreError as error:
            others = [] if store.file is None else processes_with_file_open(store.file)
            named = f"; it is open in {', '.join(others)}" if others else ""
            advice = f"End the program that keeps it locked, if it is. {_advice(store)}"
            yield _database(store, Outcome.FAILED, f"it cannot be written: {error}{named}", advice)
        else:
            yield _database(store, Outcome.OK, "it can be written")


def _database(store: Store, outcome: Outcome, text: str, advice: str = "") -> Finding:
    return database_finding(store.location, outcome, text, advice)
