"""Who did what is kept as it was said, and as long as the history."""

from dataclasses import replace

from alerter.core.actions import Action, ActionKind, ActionOrigin, Actor
from alerter.storage import Store
from tests.builders import NOON, a_key, at
from tests.storage.stored import prune

ALICE = Actor(name="alice", origin=ActionOrigin.PAGE, address="10.0.0.7")
SPAM, LINKS = a_key(reason="Spam").subject, a_key(reason="Links").subject
ACKNOWLEDGED = Action(kind=ActionKind.ACKNOWLEDGE, at=at("11:00"), actor=ALICE, object="0a1b2c3d", comment="at it")
SILENCED = Action(kind=ActionKind.SILENCE, at=at("11:05"), actor=ALICE, object="3", comment="moving mail")


def add(store: Store) -> None:
    """Keep an acknowledgement of Spam, and a silence."""
    with store.write() as transaction:
        transaction.actions.add(ACKNOWLEDGED, subject=SPAM)
        transaction.actions.add(SILENCED)


def test_an_action_comes_back_exactly(store: Store) -> None:
    """With who did it, where, and why; what a database refuses in a text is replaced."""
    add(store)
    strange = replace(SILENCED, actor=replace(ALICE, name="a\0b"), comment="half \ud83d")
    with store.write() as transaction:
        transaction.actions.add(strange)

    with store.read() as reader:
        found = reader.actions.newest(list(ActionKind), limit=10)

    kept = replace(strange, actor=replace(ALICE, name="a\N{REPLACEMENT CHARACTER}b"), comment="half ?")
    assert found == [kept, SILENCED, ACKNOWLEDGED]


def test_actions_are_found_by_what_they_are_about(store: Store) -> None:
    """Those about other alerts are not; a silence may be about any alert; later ones are left out."""
    add(store)

    with store.read() as reader:
        assert reader.actions.on_subject(SPAM, until=NOON, limit=10) == [SILENCED, ACKNOWLEDGED]
        assert reader.actions.on_subject(LINKS, until=NOON, limit=10) == [SILENCED]
        assert reader.actions.on_subject(SPAM, until=at("11:04"), limit=10) == [ACKNOWLEDGED]
        assert reader.actions.on_subject(SPAM, until=NOON, limit=1) == [SILENCED]
        assert reader.actions.newest([ActionKind.RETRY, ActionKind.ACKNOWLEDGE], limit=10) == [ACKNOWLEDGED]


def test_actions_go_with_the_history(store: Store) -> None:
    """What is older than the retention is forgotten."""
    add(store)

    assert prune(store, "11:05") == [1]

    with store.read() as reader:
        assert reader.actions.newest(list(ActionKind), limit=10) == [SILENCED]
