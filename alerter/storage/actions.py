"""Actions of people: one row for each, kept as long as the history."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from alerter.core.actions import Action, ActionKind, ActionOrigin, Actor
from alerter.core.alerts import AlertSubject
from alerter.storage import tables
from alerter.storage.encoding import clean_text, subject_digest
from alerter.storage.engine import Repository
from alerter.storage.tables import Instant


class ActionRepository(Repository):
    """Actions of people."""

    def add(self, action: Action, *, subject: AlertSubject | None = None) -> None:
        """Keep an action.

        Args:
            action: The action.
            subject: What alerts it is about; None where it is about none, or where its object says which.
        """
        row = {
            "at": action.at,
            "action": str(action.kind),
            "author": clean_text(action.actor.name),
            "origin": str(action.actor.origin),
            "address": clean_text(action.actor.address),
            "subject": "" if subject is None else subject_digest(subject),
            "object": clean_text(action.object),
            "comment": clean_text(action.comment),
        }
        self._add(_ADD, row)

    def on_subject(self, subject: AlertSubject, *, until: datetime, limit: int) -> list[Action]:
        """Return what was done until an instant about a subject, and about none in particular, the newest first."""
        parameters = {"wanted": subject_digest(subject), "end": until, "number": limit}
        return [_action_of(row) for row in self._all(_ON_SUBJECT, parameters)]

    def acknowledged_at(
        self, subjects: Collection[AlertSubject], *, since: datetime, until: datetime
    ) -> dict[AlertSubject, list[datetime]]:
        """Return when each subject was acknowledged between two instants, oldest first; one that was not is missing."""
        by_digest = {subject_digest(subject): subject for subject in subjects}
        found: dict[AlertSubject, list[datetime]] = {}
        for row in self._all(_ACKNOWLEDGED, {"start": since, "end": until}):
            if row.subject in by_digest:
                found.setdefault(by_digest[row.subject], []).append(row.at)
        return found

    def newest(self, kinds: Collection[ActionKind], *, limit: int) -> list[Action]:
        """Return the newest actions of some kinds, the newest first."""
        return [_action_of(row) for row in self._all(_NEWEST, {"wanted": [*map(str, kinds)], "number": limit})]


def _action_of(row: Row[Any]) -> Action:
    return Action(
        kind=ActionKind(row.action),
        at=row.at,
        actor=Actor(name=row.author, origin=ActionOrigin(row.origin), address=row.address),
        object=row.object,
        comment=row.comment,
    )


_actions = tables.actions

_ADD = insert(_actions)
_ON_SUBJECT = (
    select(_actions)
    .where(_actions.c.at <= bindparam("end", type_=Instant()), _actions.c.subject.in_([bindparam("wanted"), ""]))
    .order_by(_actions.c.id.desc())
    .limit(bindparam("number"))
)
_ACKNOWLEDGED = (
    select(_actions.c.subject, _actions.c.at)
    .where(
        _actions.c.action == str(ActionKind.ACKNOWLEDGE),
        _actions.c.at.between(bindparam("start", type_=Instant()), bindparam("end", type_=Instant())),
    )
    .order_by(_actions.c.at)
)
_NEWEST = (
    select(_actions)
    .where(_actions.c.action.in_(bindparam("wanted", expanding=True)))
    .order_by(_actions.c.id.desc())
    .limit(bindparam("number"))
)
