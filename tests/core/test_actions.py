"""Actions are values: what was done, by whom, when and where."""

from alerter.core.actions import Action, ActionKind, ActionOrigin, Actor
from tests.builders import NOON


def test_a_command_has_no_address_and_needs_no_comment() -> None:
    """Who types a command is on the machine itself."""
    action = Action(kind=ActionKind.EXPIRE, at=NOON, actor=Actor(name="ann", origin=ActionOrigin.COMMAND), object="3")

    assert (action.actor.address, action.comment) == ("", "")
