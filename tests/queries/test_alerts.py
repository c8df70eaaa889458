"""Alerts by an id, the beginning of one, or the `ref` of a notification."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from alerter.core.alerts import Alert, AlertState
from alerter.errors import AlertNotFound
from alerter.queries.alerts import find_alert, find_alerts
from alerter.storage import Store
from tests.builders import a_key, an_alert
from tests.storage.stored import a_message

FIRST, SECOND = an_alert(), an_alert(key=a_key(reason="Virus"))
OVER = replace(an_alert(AlertState.INACTIVE, key=a_key(reason="Graymail"), resolved_at="11:30"), value=3)
REF = "nhnjy34m5g"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty database."""
    store = Store(f"sqlite:///{tmp_path}/alerter.db")
    store.upgrade()
    return store


def stored(store: Store, *alerts: Alert, about: Iterable[Alert] = ()) -> Store:
    """Store alerts, and a notification about some of them."""
    with store.write() as transaction:
        transaction.alerts.save(alerts)
        ids = tuple(alert.key.id for alert in about)
        message = replace(a_message(REF), alert_ids=ids)
        transaction.outbox.enqueue(message, {})
    return store


def found(store: Store, text: str) -> list[Alert]:
    """Return the alerts that a text means."""
    with store.read() as reader:
        return list(find_alerts(reader, text))


def refusal(store: Store, text: str) -> str:
    """Return why a text means no alert."""
    with store.read() as reader, pytest.raises(AlertNotFound) as refused:
        find_alert(reader, text)
    return str(refused.value)


@pytest.mark.parametrize("length", [4, 5, 8])
def test_an_alert_is_found_by_its_id_and_by_the_beginning_of_it(store: Store, length: int) -> None:
    """Four characters are enough where no other id begins so; spaces and capitals come with pasting."""
    stored(store, FIRST, SECOND)

    assert found(store, f" {SECOND.key.id[:length].upper()} ") == [SECOND]


def alike(length: int) -> tuple[Alert, Alert]:
    """Return two alerts whose ids begin with the same characters."""
    known: dict[str, Alert] = {}
    for number in range(100_000):
        alert = an_alert(key=a_key(reason=f"reason {number}"))
        other = known.setdefault(alert.key.id[:length], alert)
        if other is not alert:
            return other, alert
    raise AssertionError(length)


def test_a_beginning_that_two_alerts_have_is_refused_with_both_ids(store: Store) -> None:
    """Nothing is acknowledged by guessing."""
    one, other = alike(4)
    stored(store, one, other)

    said = refusal(store, one.key.id[:4])

    assert f"'{one.key.id[:4]}' could be any of " in said
    assert one.key.id in said
    assert other.key.id in said


def test_of_two_alerts_with_the_same_beginning_the_one_that_fires_is_meant(store: Store) -> None:
    """What is over for months does not make an id of a message ambiguous."""
    one, other = alike(4)
    over = replace(OVER, key=one.key)
    stored(store, over, other)

    assert found(store, other.key.id[:4]) == [other]


def test_the_one_that_fires_is_meant_where_two_have_the_same_id(store: Store) -> None:
    """Eight digits are no identity."""
    firing = an_alert(key=a_key(reason="reason 38418"))
    over = replace(OVER, key=a_key(reason="reason 80905"))
    stored(store, over, firing)

    assert found(store, firing.key.id) == [firing]


def test_a_ref_means_all_alerts_of_the_notification_that_still_fire(store: Store) -> None:
    """In the order of the message, worst first."""
    stored(store, FIRST, SECOND, OVER, about=[SECOND, OVER, FIRST])

    assert found(store, REF) == [SECOND, FIRST]
    assert refusal(store, REF) == (
        f"'{REF}' is a notification of 2 alerts: {SECOND.key.id}, {FIRST.key.id}. Give one of these ids"
    )


def test_a_ref_of_what_is_over_means_what_was_told(store: Store) -> None:
    """So that it can still be looked at."""
    stored(store, FIRST, OVER, about=[OVER])

    assert found(store, REF) == [OVER]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("292", "no alert '292'; expected an id such as 292672b7, its first 4 characters", id="too short"),
        pytest.param("spam", "no alert 'spam'; expected an id such as 292672b7", id="a name"),
        pytest.param("0000", "no alert '0000'; `alerter alerts --all` lists every alert", id="unknown prefix"),
        pytest.param("aaaaaaaaaa", "no alert 'aaaaaaaaaa'; expected an id", id="unknown ref"),
        pytest.param(REF, f"notification {REF} is about no alert that is still known", id="alerts have gone"),
    ],
)
def test_what_names_no_alert_says_what_was_expected(store: Store, text: str, said: str) -> None:
    """With the command that lists them."""
    stored(store, about=[OVER])

    assert refusal(store, text).startswith(said)


def test_a_long_list_of_ids_is_cut(store: Store) -> None:
    """A notification may have hundreds."""
    many = [an_alert(key=a_key(reason=f"Spam {number}")) for number in range(7)]
    stored(store, *many, about=many)

    assert f"{many[4].key.id} and 2 more" in refusal(store, REF)
