"""Notifications with their attempts and errors."""

from urllib.parse import urlencode

from alerter.core.actions import ActionKind
from alerter.queries.notifications import delivery_state
from alerter.storage import DeliveryFilter
from alerter.web.context import PAGE_ROWS, Screen, View
from alerter.web.request import HttpError
from alerter.web.views.rows import action_rows

STATES = {"": "all", "waiting": "waiting", "failed": "given up", "sent": "sent"}
_MAX_ACTIONS = 20


def notifications(view: View) -> Screen:
    """Return the list of deliveries, the newest first."""
    state, receiver = view.choice("state", STATES), view.request.first("receiver")
    wanted = DeliveryFilter(states=frozenset({state}) if state else frozenset(), receiver=receiver)
    records, next_key = view.reader.lists.find_deliveries(wanted, after=_after(view), limit=PAGE_ROWS)
    backlogs = view.reader.outbox.backlog_by_target()
    query = [(name, value) for name, value in view.request.query if name != "after"]
    values = {
        "state": state,
        "states": list(STATES.items()),
        "rows": [
            {
                "id": each.delivery.id,
                "created_at": each.delivery.created_at,
                "target": each.delivery.target,
                "title": each.title,
                "state": delivery_state(each.delivery),
                "attempts": each.delivery.attempts,
                "last_error": each.delivery.last_error,
            }
            for each in records
        ],
        "next": "?" + urlencode([*query, ("after", next_key)]) if next_key is not None else "",
        "outages": [
            {"target": each.target, "since": each.since, "error": each.error}
            for each in view.reader.outbox.outages().values()
        ],
        "receivers": [
            {
                "name": each.receiver.name,
                "targets": [target.name for target in each.targets],
                "waiting": sum(backlogs[target.name].deliveries for target in each.targets if target.name in backlogs),
            }
            for each in view.config.receivers
        ],
        "actions": action_rows(view.reader.actions.newest([ActionKind.RETRY, ActionKind.TEST], limit=_MAX_ACTIONS)),
    }
    return Screen(template="notifications.html", title="Notifications", section="notifications", values=values)


def _after(view: View) -> int | None:
    text = view.request.first("after")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - what a database numbers rows with
        raise HttpError(400, f"after: expected the number of a delivery, found {text[:50]!r}", field="after")
    return int(text)
