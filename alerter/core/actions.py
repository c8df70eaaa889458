"""Actions of people and programs: who acknowledged, silenced, retried or tested what, when, and from where.

No I/O: values in, values out.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ActionKind(StrEnum):
    """What was done."""

    ACKNOWLEDGE = "acknowledge"
    TAKE_BACK = "take back"
    SILENCE = "silence"
    EXPIRE = "expire"
    RETRY = "retry"
    TEST = "test"


class ActionOrigin(StrEnum):
    """Where it was done."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts.

    Attributes:
        name: Of the user or the token.
        origin: Where.
        address: From which address; empty for a command.
    """

    name: str
    origin: ActionOrigin
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action.

    Attributes:
        kind: What was done.
        at: When.
        actor: By whom.
        object: To what: the id of an alert, the number of a silence or a delivery, the name of a receiver.
        comment: What its author said.
    """

    kind: ActionKind
    at: datetime
    actor: Actor
    object: str
    comment: str = ""
