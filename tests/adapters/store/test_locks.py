"""One daemon per database."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from alerter.adapters.store import Store
from alerter.errors import StoreError
from tests.adapters.store.stored import (
    poll,
    tenant_series,
)
from tests.builders import NOON


def test_a_second_daemon_is_refused(store: Store, database_url: str) -> None:
    """It is told why, and may start when the first one has gone."""
    with closing(Store(database_url)) as second:
        with store.lock(), pytest.raises(StoreError, match=r"another alerter .*is running on"), second.lock():
            pass

        with second.lock():
            pass


def test_the_refusal_names_the_process(sqlite_url: str) -> None:
    """An administrator knows what to stop."""
    refusal = rf"another alerter \(pid {os.getpid()}\) is running on .*alerter\.db"

    with closing(Store(sqlite_url)) as store, store.lock(), pytest.raises(StoreError, match=refusal), store.lock():
        pass


def test_the_holder_of_the_lock_reads_and_writes(store: Store) -> None:
    """The lock keeps other daemons away, not its own work."""
    with store.lock():
        poll(store, "12:00", Spam=1)

        assert tenant_series(store)[1]["Spam"].value_at(NOON) == 1


def test_a_lock_that_cannot_be_taken_is_an_error(tmp_path: Path) -> None:
    """A directory that does not exist is named."""
    store = Store(f"sqlite:///{tmp_path}/none/alerter.db")

    with closing(store), pytest.raises(StoreError, match=r"none/alerter\.db\.lock: No such file"), store.lock():
        pass
