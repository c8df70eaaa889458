"""Alerts by what people copy from a message: an id, the beginning of one, or the `ref` of a notification.

Every command and page that takes an alert resolves it here, so that the same text means the same alerts everywhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from alerter.core.actions import Action
from alerter.core.alerts import Alert, AlertState, Transition
from alerter.core.conditions import Evidence
from alerter.core.routes import TargetId
from alerter.errors import AlertNotFound
from alerter.humanize import age_text, local_time_text, short_duration_text
from alerter.queries.actions import actions_json
from alerter.queries.mutes import ActiveMutes, mute_json, mute_text

if TYPE_CHECKING:
    from alerter.core.notifications import NotificationState
    from alerter.storage import Reader

#: Shorter beginnings of an id name nothing: they are typing errors more often than not.
MIN_PREFIX_CHARACTERS: Final = 4
#: The ids that are named where a text could mean several.
MAX_NAMED_IDS: Final = 5

_PREFIX = re.compile(r"[0-9a-f]{4,8}")
_REF = re.compile(r"[a-z2-7]{10}")


def find_alerts(reader: "Reader", text: str) -> tuple[Alert, ...]:
    """Return the alerts that a text means, in the order of the notification where it is a `ref`.

    Args:
        reader: Knows the alerts.
        text: An id; a beginning of at least four characters that only one id has, or only one that is not over; or the
            `ref` of a notification, which means all of its alerts that still fire, or all of them where none does.

    Raises:
        AlertNotFound: It means no alert, or more than one id begins so.
    """
    named = text.strip().lower()
    if exact := reader.alerts.by_id(named):
        return (_prefer_firing(exact),)
    if _REF.fullmatch(named) and reader.outbox.has_message(named):
        return _alerts_of_notification(reader, named)
    if not _PREFIX.fullmatch(named):
        raise AlertNotFound(
            f"no alert {text!r}; expected an id such as 292672b7, its first {MIN_PREFIX_CHARACTERS} characters or more,"
            " or the ref of a notification. `alerter alerts --all` lists every alert"
        )
    return (_alert_by_prefix(reader, named),)


def find_alert(reader: "Reader", text: str) -> Alert:
    """Return the one alert that a text means.

    Raises:
        AlertNotFound: It means none, or it is a notification with several alerts.
    """
    found = find_alerts(reader, text)
    if len(found) > 1:
        raise AlertNotFound(f"{text!r} is a notification of {len(found)} alerts: {_ids(found)}. Give one of these ids")
    return found[0]


def _alert_by_prefix(reader: "Reader", prefix: str) -> Alert:
    found = reader.alerts.by_id_prefix(prefix)
    live = [alert for alert in found if alert.state is not AlertState.INACTIVE]
    candidates = live or found
    if not candidates:
        raise AlertNotFound(f"no alert {prefix!r}; `alerter alerts --all` lists every alert")
    if len({alert.key.id for alert in candidates}) > 1:
        raise AlertNotFound(f"{prefix!r} could be any of {_ids(candidates)}. Give more characters of the id")
    return _prefer_firing(candidates)


def _alerts_of_notification(reader: "Reader", ref: str) -> tuple[Alert, ...]:
    ids = reader.outbox.message(ref).alert_ids
    by_id: dict[str, Alert] = {}
    for alert in sorted(reader.alerts.load_live(ids), key=lambda each: each.is_firing):
        by_id[alert.key.id] = alert
    known = tuple(by_id[each] for each in ids if each in by_id)
    if not known:
        raise AlertNotFound(f"notification {ref} is about no alert that is still known; `alerter alerts` lists them")
    return tuple(alert for alert in known if alert.is_firing) or known


def _prefer_firing(alerts: Iterable[Alert]) -> Alert:
    """Return the alert that fires: eight digits may, very rarely, be the id of two."""
    return max(alerts, key=lambda alert: alert.is_firing)


def _ids(alerts: Iterable[Alert]) -> str:
    ids = list(dict.fromkeys(alert.key.id for alert in alerts))
    more = f" and {len(ids) - MAX_NAMED_IDS} more" if len(ids) > MAX_NAMED_IDS else ""
    return f"{', '.join(ids[:MAX_NAMED_IDS])}{more}"


def alert_json(alert: Alert, active_mutes: ActiveMutes) -> Mapping[str, object]:
    """Return an alert for a program."""
    return {
        "alert": alert.key.id, "state": state_text(alert), "severity": alert.key.severity, "rule": alert.key.rule,
        "tenant": alert.key.tenant, "reason": alert.key.reason, "value": alert.value, "peak": alert.peak,
        "active_at": alert.active_at, "fired_at": alert.fired_at, "resolved_at": alert.resolved_at,
        "no_data_since": active_mutes.no_data_since(alert), "muted_by": mute_json(active_mutes.mute_for(alert)),
    }  # fmt: skip


def state_text(alert: Alert) -> str:
    """Return the state, as people say it: an alert that fired and is inactive has resolved."""
    return "resolved" if has_resolved(alert) else str(alert.state)


def has_resolved(alert: Alert) -> bool:
    """Return True if an alert has fired and is over."""
    return alert.state is AlertState.INACTIVE and alert.resolved_at is not None


def alert_since(alert: Alert) -> datetime | None:
    """Return since when an alert is in its state; None where that is not known."""
    if alert.state is AlertState.INACTIVE:
        return alert.resolved_at
    return alert.fired_at if alert.is_firing else alert.active_at


_ORDER = (AlertState.FIRING, AlertState.PENDING, AlertState.INACTIVE)


def worst_first(alert: Alert) -> tuple[int, int, float]:
    """Return the order of a list: what fires, is pending, is over; then the worst; then the newest."""
    since = alert_since(alert)
    newest = -since.timestamp() if since is not None else 0.0
    rank = 0 if alert.state is AlertState.INACTIVE else -alert.key.severity.rank
    return _ORDER.index(alert.state), rank, newest


def notification_states_for(alert: Alert, notified: Iterable["NotificationState"]) -> list["NotificationState"]:
    """Return what receivers were notified of about an alert; once where it is the same at all targets of a receiver."""
    same = (replace(each, target=TargetId(""), thread="") for each in notified if each.subject == alert.key.subject)
    return list(dict.fromkeys(same))


def notified_what(notified: "NotificationState") -> str:
    """Return what a receiver was notified of: a severity, or that it is over."""
    return notified.severity if notified.state is AlertState.FIRING else "resolved"


def notified_json(notified: Iterable["NotificationState"]) -> Sequence[Mapping[str, object]]:
    """Return what receivers were notified of, for a program."""
    return [
        {
            "receiver": each.receiver,
            "severity": each.severity,
            "state": "firing" if each.state is AlertState.FIRING else "resolved",
            "notified_at": each.notified_at,
            "repeat_count": each.repeat_count,
        }
        for each in notified
    ]


def alert_facts(alert: Alert, active_mutes: ActiveMutes) -> Sequence[tuple[str, str]]:
    """Return what is known of an alert besides its name: label and text, none empty."""
    zone, now = active_mutes.config.service.timezone, active_mutes.now
    instants = {
        "fired": alert.fired_at,
        "no data since": active_mutes.no_data_since(alert),
        "ending since": alert.keep_firing_since,
        "resolved": alert.resolved_at,
    }
    facts = [
        *(("compared", text) for text in compared_texts(alert.evidence, zone)),
        ("peak", "" if alert.peak is None else f"{alert.peak:,} held"),
        *(
            (name, f"{local_time_text(at, zone)} ({age_text(at, now=now)})" if at else "")
            for name, at in instants.items()
        ),
        ("lasted", "" if alert.duration is None else short_duration_text(alert.duration)),
        ("ended by", alert.resolved_because),
        ("muted by", mute_text(active_mutes.mute_for(alert), zone)),
    ]
    return [(label, text) for label, text in facts if text]


def because_text(transition: Transition, timezone: tzinfo) -> str:
    """Return why an alert changed its state."""
    return "; ".join(filter(None, [transition.detail, *compared_texts(transition.evidence, timezone)]))


def compared_texts(evidence: Iterable[Evidence], timezone: tzinfo) -> list[str]:
    """Return what was compared, in words: one text for each condition."""
    return [f"{each.condition}: {', '.join(_operand_parts(each, timezone))}" for each in evidence]


def _operand_parts(evidence: Evidence, timezone: tzinfo) -> Iterable[str]:
    if evidence.value is not None:
        yield f"{evidence.value.count:,} held at {local_time_text(evidence.value.at, timezone)}"
    yield f"limit {evidence.limit_text}"
    if evidence.reference is not None:
        yield f"compared with {evidence.reference.count:,} at {local_time_text(evidence.reference.at, timezone)}"
    if evidence.expected is not None:
        yield f"expected {evidence.expected.count:,} at {local_time_text(evidence.expected.at, timezone)}"
    if evidence.last_success_at is not None:
        yield f"last successful poll {local_time_text(evidence.last_success_at, timezone)}"
    if evidence.detail:
        yield evidence.detail


def alert_details_json(
    alert: Alert,
    active_mutes: ActiveMutes,
    transitions: Sequence[Transition],
    notified: Sequence["NotificationState"],
    actions: Sequence[Action],
) -> Mapping[str, object]:
    """Return everything that is known of an alert, for a program."""
    return {
        **alert_json(alert, active_mutes),
        "keep_firing_since": alert.keep_firing_since,
        "resolved_because": alert.resolved_because,
        "evidence": [evidence_json(each) for each in alert.evidence],
        "transitions": [
            {"at": each.at, "from_state": each.from_state, "to_state": each.to_state, "detail": each.detail,
             "evidence": [evidence_json(evidence) for evidence in each.evidence]}
            for each in transitions
        ],
        "notified": notified_json(notified),
        "actions": actions_json(actions),
    }  # fmt: skip


def evidence_json(evidence: Evidence) -> Mapping[str, object]:
    """Return what a condition compared, for a program."""
    samples = {"value": evidence.value, "reference": evidence.reference, "expected": evidence.expected}
    return {
        "condition": evidence.condition,
        "limit": evidence.limit_text,
        **{name: each and {"at": each.at, "held": each.count} for name, each in samples.items()},
        "last_success_at": evidence.last_success_at,
        "headline": evidence.headline,
        "detail": evidence.detail,
    }
