"""Silences and acknowledgements."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerter.core.actions import ActionKind
from alerter.core.silences import MAX_SILENCE, Silence
from alerter.queries.mutes import ack_end_text, load_active_mutes, matcher_text, silence_state
from alerter.web.context import Screen, View
from alerter.web.views.rows import action_rows

STATES = ("active", "pending", "expired")
#: An acknowledgement that is this old is marked.
OLD = timedelta(days=7)
_MAX_ACKNOWLEDGED = 500
_MAX_ACTIONS = 20
_KINDS = (ActionKind.ACKNOWLEDGE, ActionKind.TAKE_BACK, ActionKind.SILENCE, ActionKind.EXPIRE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRow:
    """A silence."""

    id: int
    matcher: str
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str
    can_expire: bool


def silences(view: View) -> Screen:
    """Return the silences of a state; with those that are active, everything else that mutes now."""
    state = view.choice("state", STATES, "active")
    rows = [
        SilenceRow(
            id=each.id,
            matcher=matcher_text(each.matcher),
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            author=each.author,
            comment=each.comment,
            can_expire=state != "expired",
        )
        for each in silences_in(view, state)
    ]
    values = {"state": state, "states": STATES, "silences": rows[::-1] if state == "expired" else rows}
    return Screen(template="silences.html", title="Silences", section="silences", values=values | _others(view))


def silences_in(view: View, state: str) -> list[Silence]:
    """Return the silences in a state, in the order of their numbers; of those that have ended, of the last month."""
    since = view.now - MAX_SILENCE if state == "expired" else view.now
    found = view.reader.silences.silences(since=since)
    return [each for each in found if silence_state(each, now=view.now) == state]


def _others(view: View) -> dict[str, object]:
    live = view.reader.alerts.load()
    mutes = load_active_mutes(view.reader, view.config, live, now=view.now)
    acknowledged = sorted(mutes.acknowledgements(live), key=lambda pair: pair[1].acknowledged_at)[:_MAX_ACKNOWLEDGED]
    return {
        "acknowledgements": [
            {
                "rule": alert.key.rule,
                "alert_id": alert.key.id,
                "tenant": alert.key.tenant,
                "at": each.acknowledged_at,
                "author": each.author,
                "comment": each.comment,
                "ends": ack_end_text(each),
                "is_old": view.now - each.acknowledged_at >= OLD,
            }
            for alert, each in acknowledged
        ],
        "windows": [{"name": window.name, "end": end, "users": users} for window, end, users in mutes.mute_windows()],
        "muted_tenants": sorted(view.config.muted_tenants)[:100],
        "actions": action_rows(view.reader.actions.newest(_KINDS, limit=_MAX_ACTIONS)),
    }
