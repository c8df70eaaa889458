"""Actions about an alert, as texts and JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerter.core.actions import Action, ActionKind, ActionOrigin

if TYPE_CHECKING:
    from alerter.config import Config
    from alerter.core.alerts import Alert
    from alerter.storage import Reader

#: The actions that are read for one alert, at most.
MAX_ACTIONS: Final = 500

_VERBS: Final[Mapping[ActionKind, str]] = {
    ActionKind.ACKNOWLEDGE: "acknowledged",
    ActionKind.TAKE_BACK: "took back the acknowledgement of",
    ActionKind.SILENCE: "added silence",
    ActionKind.EXPIRE: "expired silence",
    ActionKind.RETRY: "retried delivery",
    ActionKind.TEST: "tested receiver",
}
_ORIGINS: Final[Mapping[ActionOrigin, str]] = {
    ActionOrigin.PAGE: "page",
    ActionOrigin.API: "API",
    ActionOrigin.COMMAND: "command",
}


def load_actions(reader: "Reader", config: "Config", alert: "Alert", *, until: datetime) -> list[Action]:
    """Return what was done about an alert until an instant, the newest first.

    That is its acknowledgements at any level, silences that match it, and retries of messages about it.
    """
    found = reader.actions.on_subject(alert.key.subject, until=until, limit=MAX_ACTIONS)
    kinds = {each.kind for each in found}
    numbers: dict[ActionKind, set[str]] = {}
    if kinds & {ActionKind.SILENCE, ActionKind.EXPIRE}:
        labels = config.labels_by_tenant.get(alert.key.tenant, {})
        silences = reader.silences.silences(since=min(each.at for each in found) - timedelta(microseconds=1))
        matching = {str(each.id) for each in silences if each.matcher.matches(alert, labels)}
        numbers |= {ActionKind.SILENCE: matching, ActionKind.EXPIRE: matching}
    if ActionKind.RETRY in kinds:
        records = reader.outbox.deliveries_for_alerts([alert.key.id], until=until, limit=MAX_ACTIONS)
        numbers[ActionKind.RETRY] = {str(each.delivery.id) for each in records}
    is_own = {ActionKind.ACKNOWLEDGE, ActionKind.TAKE_BACK}
    return [each for each in found if each.kind in is_own or each.object in numbers.get(each.kind, ())]


def action_text(action: Action) -> str:
    """Return what was done, as a sentence goes on after a name."""
    return f"{action_verb(action)} {action.object}"


def action_verb(action: Action) -> str:
    """Return what was done, without to what."""
    return _VERBS[action.kind]


def origin_text(action: Action) -> str:
    """Return where it was done, with the address that is known."""
    return ", ".join(filter(None, [_ORIGINS[action.actor.origin], action.actor.address]))


def actions_json(actions: Sequence[Action]) -> Sequence[Mapping[str, object]]:
    """Return actions for a program."""
    return [
        {
            "at": each.at, "action": each.kind, "object": each.object, "author": each.actor.name,
            "origin": each.actor.origin, "address": each.actor.address, "comment": each.comment,
        }
        for each in actions
    ]  # fmt: skip
