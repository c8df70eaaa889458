"""Core values as columns: digests, JSON, and text that any database takes."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias
from zlib import compress, decompress

from alerter.core.alerts import Alert, AlertKey, AlertSubject
from alerter.core.conditions import Evidence
from alerter.core.rules import RuleName
from alerter.core.series import HoldReason, Sample, Tenant

#: A change as it is stored: its instant as a number, its series, its count before, and its count after.
StoredChange: TypeAlias = tuple[int, int, int, int]


def build_digest(*parts: str) -> str:
    """Return 64 hexadecimal digits that stand for names of any length; no name holds a NUL."""
    return sha256("\0".join(parts).encode()).hexdigest()


def subject_digest(subject: AlertSubject) -> str:
    """Return what stands for a topic where it must be unique."""
    return build_digest(subject.rule, subject.tenant, subject.reason)


# The names of hundreds of topics are read in every cycle, and are nearly always those of the cycle before.
@lru_cache(maxsize=16384)
def subject_from_row(rule: RuleName, tenant: Tenant, reason: HoldReason) -> AlertSubject:
    """Return the topic of three columns."""
    return AlertSubject(rule, tenant, reason)


def clean_text(text: str) -> str:
    """Return text from outside without what a database refuses: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def compress_text(text: str) -> str:
    """Return a long text in a quarter of its length, in ASCII: as it is where that is no shorter."""
    short = b64encode(compress(text.encode())).decode()
    return short if len(short) < len(text) else text


def decompress_text(text: str) -> str:
    """Return what was packed; what begins like JSON never was."""
    return text if text.startswith("{") else decompress(b64decode(text)).decode()


def evidence_to_json(evidence: Sequence[Evidence]) -> str:
    """Return operands as JSON, in ASCII, without what they do not have; instants in ISO 8601."""
    return json.dumps([_operands_fields(each) for each in evidence], separators=(",", ":"))


# What a live alert compared last is read in every cycle and is nearly always the same text.
@lru_cache(maxsize=4096)
def evidence_from_json(text: str) -> tuple[Evidence, ...]:
    """Return the operands of a column."""
    return tuple(_operands(fields) for fields in json.loads(text))


def _operands_fields(evidence: Evidence) -> dict[str, Any]:
    fields: dict[str, Any] = {"condition": evidence.condition, "limit": evidence.limit_text}
    for name, sample in (("value", evidence.value), ("reference", evidence.reference), ("expected", evidence.expected)):
        if sample is not None:
            fields[name] = [sample.at.isoformat(), sample.count]
    if evidence.last_success_at is not None:
        fields["last_good_at"] = evidence.last_success_at.isoformat()
    texts = {"news": evidence.headline, "note": evidence.detail}
    return fields | {name: text for name, text in texts.items() if text}


def _operands(fields: dict[str, Any]) -> Evidence:
    last_success_at = fields.get("last_good_at")
    return Evidence(
        condition=fields["condition"],
        limit_text=fields["limit"],
        value=_sample(fields.get("value")),
        reference=_sample(fields.get("reference")),
        expected=_sample(fields.get("expected")),
        last_success_at=None if last_success_at is None else datetime.fromisoformat(last_success_at),
        headline=fields.get("news", ""),
        detail=fields.get("note", ""),
    )


def _sample(fields: tuple[str, int] | None) -> Sample | None:
    return None if fields is None else Sample(datetime.fromisoformat(fields[0]), fields[1])


def alert_row(alert: Alert) -> dict[str, Any]:
    """Return the columns of an alert."""
    return _identity(alert.key) | {
        "state": str(alert.state),
        "value": alert.value,
        "peak": alert.peak,
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "keep_firing_since": alert.keep_firing_since,
        "resolved_at": alert.resolved_at,
        "resolved_because": alert.resolved_because,
        "evidence": evidence_to_json(alert.evidence),
        "fired_under": alert.fired_under,
    }


# An alert that lives is written in every cycle, and three digests of its names take as long as the rest of its row.
@lru_cache(maxsize=4096)
def _identity(key: AlertKey) -> dict[str, Any]:
    """Return the columns that stand for what an alert is about, which are the caller's to read alone."""
    return key_columns(key) | {
        "digest": build_digest(key.rule, key.severity, key.tenant, key.reason),
        "id": key.id,
        "subject": subject_digest(key.subject),
    }


def key_columns(key: AlertKey) -> dict[str, Any]:
    """Return the columns that name what an alert is about."""
    return {"rule": key.rule, "severity": str(key.severity), "tenant": key.tenant, "reason": key.reason}
