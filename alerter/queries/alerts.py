"""Alerts by what people copy from a message: an id, the beginning of one, or the `ref` of a notification.

Every command and page that takes an alert resolves it here, so that the same text means the same alerts everywhere.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final, Protocol

from alerter.core.alerts import Alert, AlertState
from alerter.core.message.content import Message
from alerter.errors import AlertNotFound

#: Shorter beginnings of an id name nothing: they are typing errors more often than not.
MIN_PREFIX_CHARACTERS: Final = 4
#: At most so many ids are named where a text could mean several.
MAX_NAMED_IDS: Final = 5

_PREFIX = re.compile(r"[0-9a-f]{4,8}")
_REF = re.compile(r"[a-z2-7]{10}")


class AlertReader(Protocol):
    """A view of the alerts and notifications that are stored."""

    def alert_by_id(self, alert_id: str) -> list[Alert]:
        """Return the alerts of an id."""
        ...

    def alerts_by_id_prefix(self, prefix: str) -> list[Alert]:
        """Return the alerts whose ids begin so."""
        ...

    def has_message(self, message_id: str) -> bool:
        """Return True if there is a notification of this id."""
        ...

    def message(self, message_id: str) -> Message:
        """Return the notification of an id."""
        ...

    def present_alerts(self, alert_ids: Collection[str]) -> list[Alert]:
        """Return the alerts that are not inactive, and those of these ids."""
        ...


def find_alerts(reader: AlertReader, text: str) -> tuple[Alert, ...]:
    """Return the alerts that a text means, in the order of the notification where it is a `ref`.

    Args:
        reader: Knows the alerts.
        text: An id; a beginning of at least four characters that only one id has, or only one that is not over; or the
            `ref` of a notification, which means all of its alerts that still fire, or all of them where none does.

    Raises:
        AlertNotFound: It means no alert, or more than one id begins so.
    """
    named = text.strip().lower()
    if exact := reader.alert_by_id(named):
        return (_prefer_firing(exact),)
    if _REF.fullmatch(named) and reader.has_message(named):
        return _alerts_of_notification(reader, named)
    if not _PREFIX.fullmatch(named):
        raise AlertNotFound(
            f"no alert {text!r}; expected an id such as 292672b7, its first {MIN_PREFIX_CHARACTERS} characters or more,"
            " or the ref of a notification. `alerter alerts --all` lists every alert"
        )
    return (_alert_by_prefix(reader, named),)


def find_alert(reader: AlertReader, text: str) -> Alert:
    """Return the one alert that a text means.

    Raises:
        AlertNotFound: It means none, or it is a notification with several alerts.
    """
    found = find_alerts(reader, text)
    if len(found) > 1:
        raise AlertNotFound(f"{text!r} is a notification of {len(found)} alerts: {_ids(found)}. Give one of these ids")
    return found[0]


def _alert_by_prefix(reader: AlertReader, prefix: str) -> Alert:
    found = reader.alerts_by_id_prefix(prefix)
    live = [alert for alert in found if alert.state is not AlertState.INACTIVE]
    candidates = live or found
    if not candidates:
        raise AlertNotFound(f"no alert {prefix!r}; `alerter alerts --all` lists every alert")
    if len({alert.key.id for alert in candidates}) > 1:
        raise AlertNotFound(f"{prefix!r} could be any of {_ids(candidates)}. Give more characters of the id")
    return _prefer_firing(candidates)


def _alerts_of_notification(reader: AlertReader, ref: str) -> tuple[Alert, ...]:
    ids = reader.message(ref).alert_ids
    by_id: dict[str, Alert] = {}
    for alert in sorted(reader.present_alerts(ids), key=lambda each: each.is_firing):
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
