"""The alerts, and one alert with its history and who was notified."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from alerter.core.alerts import Alert
from alerter.core.rules import RuleName, Severity
from alerter.core.selectors import literal_glob
from alerter.core.series import ALL_REASONS, ALL_TENANTS
from alerter.errors import AlertNotFound
from alerter.humanize import short_duration_text
from alerter.queries.actions import load_actions
from alerter.queries.alerts import alert_facts, because_text, find_alerts
from alerter.queries.explain import explain
from alerter.queries.explain_report import Wording
from alerter.queries.mutes import mute_text
from alerter.storage import AlertFilter
from alerter.web.context import PAGE_ROWS, Screen, View
from alerter.web.render import local_text
from alerter.web.request import HttpError, Response, redirect
from alerter.web.views.rows import action_rows, active_mutes, alert_rows

#: What a list shows by state.
STATES = {
    "": ("firing and pending", frozenset({"firing", "pending"})),
    "firing": ("firing", frozenset({"firing"})),
    "pending": ("pending", frozenset({"pending"})),
    "resolved": ("resolved", frozenset({"resolved"})),
    "all": ("all", frozenset({"firing", "pending", "resolved"})),
}
#: The newest messages about an alert that are shown.
MAX_DELIVERIES = 50


def alerts(view: View) -> Screen:
    """Return the list of alerts."""
    wanted, values = alert_filter(view)
    after = view.request.first("after")
    try:
        found, next_key = view.reader.lists.find_alerts(wanted, after=after, limit=PAGE_ROWS)
    except ValueError as error:
        raise HttpError(400, f"after: {error}", field="after") from None
    mutes_wanted = view.request.first("muted")
    rows = alert_rows(view, found)
    query = [(name, value) for name, value in view.request.query if name != "after"]
    values |= {
        "rows": [row for row in rows if not mutes_wanted or bool(row.mute) == (mutes_wanted == "yes")],
        "total": view.reader.lists.count_alerts(wanted),
        "next": "?" + urlencode([*query, ("after", next_key)]) if next_key else "",
        "states": [(key, label) for key, (label, _) in STATES.items()],
        "severities": tuple(reversed(Severity)),
        "rule_names": sorted({rule.name for rule in view.config.rules}),
        "empty": "Nothing fires and nothing is pending." if not query else "No alert matches.",
    }
    return Screen(template="alerts.html", title="Alerts", section="alerts", values=values)


def alert_filter(view: View) -> tuple[AlertFilter, dict[str, Any]]:
    """Return which alerts the parameters want, and the parameters.

    Raises:
        HttpError: One of them has no such value.
    """
    state = view.choice("state", STATES)
    severity = view.choice("severity", ("", *Severity))
    text, rule, tenant = view.request.first("q"), view.request.first("rule"), view.request.first("tenant")
    if len(text) > 200:  # noqa: PLR2004 - a longer one is no search
        raise HttpError(400, f"q: expected at most 200 characters, found {len(text):,}", field="q")
    labels = view.request.labels
    tenants = view.tenants_with(labels, part=tenant) if tenant or labels else None
    wanted = AlertFilter(
        states=STATES[state][1],
        severities=frozenset({Severity(severity)}) if severity else frozenset(),
        tenants=tenants,
        rule=rule,
        text=text,
    )
    return wanted, {"q": text, "state": state, "chosen_severity": severity, "rule": rule, "tenant": tenant}


def alert(view: View, id: str) -> Screen | Response:  # noqa: A002 - the name in the path
    """Return one alert; of the `ref` of a notification with several alerts, the list of them."""
    found = found_alerts(view, id)
    if len(found) > 1:
        return _several(view, found)
    (one,) = found
    if one.key.id != id.lower():
        return redirect(one.key.id)
    mutes = active_mutes(view, [one])
    acknowledgement = mutes.mutes.acknowledgements.get(one.key.subject)
    mute, words = mutes.mute_for(one), Wording(view.zone, view.now)
    history = view.reader.alerts.transitions(alert_id=one.key.id, limit=PAGE_ROWS)
    records = view.reader.outbox.deliveries_for_alerts([one.key.id], until=view.now, limit=MAX_DELIVERIES)
    values = {
        "alert": one,
        "is_over": not one.is_firing and one.resolved_at is not None,
        "over_text": _over_text(view, one),
        "found_mute": mute is not None,
        "mute_text": mute_text(mute, view.zone),
        "acknowledgement": acknowledgement is not None and acknowledgement.covers(one),
        "facts": alert_facts(one, mutes),
        "runbook": next((rule.runbook for rule in view.config.rules if rule.name == one.key.rule), ""),
        "deliveries": [
            {
                "created_at": each.delivery.created_at,
                "target": each.delivery.target,
                "text": words.delivery(each),
            }
            for each in records
        ],
        "decisions": _decisions(view, one, is_notified=bool(records)),
        "history": [
            {
                "at": each.at,
                "before": each.from_state,
                "after": "resolved" if each.is_resolution else each.to_state,
                "because": because_text(each, view.zone),
            }
            for each in history
        ],
        "actions": action_rows(load_actions(view.reader, view.config, one, until=view.now)),
        "silence_query": urlencode(list(_silence_query(one))),
        "cannot_act": cannot_act(view),
    }
    title = f"{one.key.rule}: {one.key.tenant if one.key.tenant != ALL_TENANTS else 'all tenants'}"
    return Screen(template="alert.html", title=title, section="alerts", values=values)


def found_alerts(view: View, name: str) -> tuple[Alert, ...]:
    """Return the alerts that a path names: an id, the beginning of one, or the ref of a notification.

    Raises:
        HttpError: It names none.
    """
    try:
        return find_alerts(view.reader, name)
    except AlertNotFound as error:
        raise HttpError(404, str(error), field="alert") from None


def _several(view: View, found: tuple[Alert, ...]) -> Screen:
    _, values = alert_filter(view)
    values |= {
        "rows": alert_rows(view, found),
        "total": len(found),
        "next": "",
        "states": [(key, label) for key, (label, _) in STATES.items()],
        "severities": tuple(reversed(Severity)),
        "rule_names": sorted({rule.name for rule in view.config.rules}),
        "empty": "",
    }
    return Screen(template="alerts.html", title="Alerts of a notification", section="alerts", values=values)


def _over_text(view: View, alert: Alert) -> str:
    if alert.resolved_at is None:
        return ""
    lasted = f", after {short_duration_text(alert.duration)}" if alert.duration is not None else ""
    because = f" ({alert.resolved_because})" if alert.resolved_because else ""
    return f"It resolved at {local_text(alert.resolved_at, view.zone)}{lasted}{because}. Nothing is left to do."


def _decisions(view: View, alert: Alert, *, is_notified: bool) -> list[tuple[str, str]]:
    """Return whom this alert's rule notifies now, and whom not, with the reason."""
    key = alert.key
    if not alert.is_firing or key.rule not in {rule.name for rule in view.config.rules}:
        return []
    found = explain(
        view.reader, view.alerting, key.tenant, key.reason, rule=RuleName(key.rule), at=view.now, now=view.now
    )
    words = Wording(view.zone, view.now)
    return [
        (each.receiver.name, words.why(each, notified=is_notified))
        for story in found.rules
        for each in story.decisions_made
    ]


def _silence_query(alert: Alert) -> Iterable[tuple[str, str]]:
    key = alert.key
    if key.tenant != ALL_TENANTS:
        yield "tenant", literal_glob(key.tenant)
    if key.reason != ALL_REASONS:
        yield "reason", key.reason
    yield "rule", key.rule
    yield "for", "2h"


def cannot_act(view: View) -> str:
    """Return why somebody cannot act."""
    if view.visitor.name:
        return f"{view.visitor.name} may look, not act: operators are named in [web] of the configuration."
    if view.config.web.has_sign_in:
        return "Sign in as an operator to acknowledge it."
    return "This page is read-only. To acknowledge: alerter ack, or name operators in [web] of the configuration."
