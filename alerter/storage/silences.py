"""Silences and acknowledgements."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from alerter.core.alerts import AlertSubject
from alerter.core.rules import Severity
from alerter.core.selectors import Selector
from alerter.core.silences import Acknowledgement, AlertMatcher, Silence
from alerter.storage import tables
from alerter.storage.encoding import clean_text, subject_digest, subject_from_row
from alerter.storage.engine import Repository
from alerter.storage.tables import Instant


class SilenceRepository(Repository):
    """Silences and acknowledgements."""

    def silences(self, *, since: datetime) -> list[Silence]:
        """Return the silences that end after an instant, also those that have not begun, in the order of numbers."""
        # Sorted here: to read them in order, SQLite would go through all that there ever were.
        found = [_silence_of(row) for row in self._all(_SILENCES, {"start": since})]
        return sorted(found, key=lambda silence: silence.id)

    def silence(self, silence_id: int) -> Silence | None:
        """Return the silence of a number, or None where there is none."""
        row = self._first(_SILENCE, {"silence_id": silence_id})
        return None if row is None else _silence_of(row)

    def acknowledgements(self) -> dict[AlertSubject, Acknowledgement]:
        """Return the newest acknowledgement of each topic; whether it still holds is not decided here."""
        found = [_acknowledgement_of(row) for row in self._all(_ACKNOWLEDGEMENTS)]
        return {each.subject: each for each in found}

    def add(self, silence: Silence) -> Silence:
        """Keep a new silence; return it as it is kept, with the number that it was given in place of its own."""
        row = _silence_row(silence)
        number = self._add(_ADD_SILENCE, row)
        return replace(silence, id=number, author=row["author"], comment=row["comment"])

    def expire(self, silence_id: int, *, at: datetime) -> Silence | None:
        """End a silence, unless it ended earlier; return it as it is now, or None where there is none."""
        row = self._first(_SILENCE, {"silence_id": silence_id})
        if row is None:
            return None
        silence = _silence_of(row)
        if silence.ends_at <= at:
            return silence
        self._run(_SET_SILENCE, {"silence_id": silence_id, "ends_at": at})
        return replace(silence, ends_at=at)

    def save_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Keep an acknowledgement, in place of what was stored for its topic."""
        self._put(_acknowledgements, [_acknowledgement_row(acknowledgement)])

    def break_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Keep when an acknowledgement broke, unless a newer one has taken its place meanwhile."""
        key = {"of_topic": subject_digest(acknowledgement.subject), "given_at": acknowledgement.acknowledged_at}
        self._run(_BREAK_ACKNOWLEDGEMENT, key | {"broken_at": acknowledgement.broken_at})

    def delete_acknowledgement(self, subject: AlertSubject) -> None:
        """Drop the acknowledgement of a topic, if there is one."""
        self._run(_FORGET_ACKNOWLEDGEMENT, {"of_topic": subject_digest(subject)})


def _silence_row(silence: Silence) -> dict[str, Any]:
    matcher = silence.matcher
    return {
        "tenants": json.dumps(matcher.tenants.globs),
        "labels": json.dumps({name: selector.globs for name, selector in matcher.labels.items()}),
        "reasons": json.dumps(matcher.reasons.globs),
        "rules": json.dumps(matcher.rules.globs),
        "severities": json.dumps(sorted(matcher.severities, key=lambda severity: severity.rank)),
        "author": clean_text(silence.author),
        "comment": clean_text(silence.comment),
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
    }


def _silence_of(row: Row[Any]) -> Silence:
    return Silence(
        id=row.id,
        matcher=AlertMatcher(
            tenants=_selector(row.tenants),
            labels={name: Selector(tuple(globs)) for name, globs in json.loads(row.labels).items()},
            reasons=_selector(row.reasons),
            rules=_selector(row.rules),
            severities=frozenset(map(Severity, json.loads(row.severities))),
        ),
        author=row.author,
        comment=row.comment,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )


def _selector(globs: str) -> Selector:
    return Selector(tuple(json.loads(globs)))


def _acknowledgement_row(acknowledgement: Acknowledgement) -> dict[str, Any]:
    subject = acknowledgement.subject
    return {
        "subject": subject_digest(subject),
        "rule": subject.rule,
        "tenant": subject.tenant,
        "reason": subject.reason,
        "severity": str(acknowledgement.severity),
        "value": acknowledgement.value,
        "author": clean_text(acknowledgement.author),
        "comment": clean_text(acknowledgement.comment),
        "acknowledged_at": acknowledgement.acknowledged_at,
        "broken_at": acknowledgement.broken_at,
    }


def _acknowledgement_of(row: Row[Any]) -> Acknowledgement:
    return Acknowledgement(
        subject=subject_from_row(row.rule, row.tenant, row.reason),
        severity=Severity(row.severity),
        value=row.value,
        author=row.author,
        comment=row.comment,
        acknowledged_at=row.acknowledged_at,
        broken_at=row.broken_at,
    )


_silences, _acknowledgements = tables.silences, tables.acknowledgements

_SILENCES = select(_silences).where(_silences.c.ends_at > bindparam("start", type_=Instant()))
_SILENCE = select(_silences).where(_silences.c.id == bindparam("silence_id"))
_ADD_SILENCE = insert(_silences)
_SET_SILENCE = update(_silences).where(_silences.c.id == bindparam("silence_id"))
_of_subject = _acknowledgements.c.subject == bindparam("of_topic")
_BREAK_ACKNOWLEDGEMENT = update(_acknowledgements).where(
    _of_subject, _acknowledgements.c.acknowledged_at == bindparam("given_at", type_=Instant())
)
_FORGET_ACKNOWLEDGEMENT = delete(_acknowledgements).where(_of_subject)
_ACKNOWLEDGEMENTS = select(_acknowledgements).order_by(_acknowledgements.c.acknowledged_at, _acknowledgements.c.subject)
