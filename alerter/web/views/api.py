"""The API: the same reading and acting as the page, as JSON. `openapi.json` describes each operation.

Within v1 fields are added, never removed or changed.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.resources import files
from typing import Any, Final

from alerter import __version__
from alerter.core.alerts import Alert
from alerter.core.rules import Severity
from alerter.core.silences import Silence
from alerter.errors import ActionRefused, AlertNotFound
from alerter.jobs import silence as job
from alerter.queries.actions import load_actions
from alerter.queries.alerts import alert_details_json, alert_json, find_alert, notification_states_for
from alerter.queries.history import history_json
from alerter.queries.mutes import silence_json, silence_state
from alerter.queries.notifications import delivery_json
from alerter.queries.tenants import tenant_json
from alerter.storage import DeliveryFilter
from alerter.web.context import View
from alerter.web.request import HttpError, Response, json_response
from alerter.web.views.act import actor, asked_silence, build_matcher, matches_now, record, retry_delivery, send_test
from alerter.web.views.alerts import alert_filter
from alerter.web.views.explain import known_reason, report
from alerter.web.views.notifications import STATES as DELIVERY_STATES
from alerter.web.views.reason import named_reason, wanted_span
from alerter.web.views.rows import active_mutes
from alerter.web.views.rules import rule_rows
from alerter.web.views.silences import STATES as SILENCE_STATES
from alerter.web.views.silences import silences_in
from alerter.web.views.tenants import found_tenants

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


def openapi(view: View) -> Response:
    """Return the description of the API."""
    del view
    found = json.loads((files("alerter.web") / "openapi.json").read_text(encoding="utf-8"))
    found["info"]["version"] = __version__
    return json_response(found)


def status(view: View) -> Response:
    """Return the totals."""
    overview = view.overview
    return json_response(
        {
            "at": view.now,
            "tenants": len(overview.tenants),
            "tenants_without_data": len(overview.failing),
            "held": overview.held,
            "firing": {str(severity): overview.firing.get(severity, 0) for severity in Severity},
            "pending": overview.pending,
            "newest_poll_at": overview.newest_poll,
            "problems": list(view.sources.problems()),
            "version": __version__,
        }
    )


def tenants(view: View) -> Response:
    """Return the tenants."""
    found = found_tenants(view)
    after, limit = view.request.first("after"), _limit(view)
    start = next((index + 1 for index, each in enumerate(found) if each.name == after), 0)
    rows = found[start : start + limit]
    return _page((tenant_json(each) for each in rows), rows[-1].name if start + limit < len(found) else None)


def tenant(view: View, tenant: str) -> Response:
    """Return one tenant with its hold reasons."""
    name = view.tenant(tenant)
    reasons = [
        {"reason": each.reason, "held": each.held, "changed_at": each.changed_at, "first_seen_at": each.first_seen_at}
        for each in view.reader.history.reasons(name)
    ]
    return json_response({**tenant_json(view.overview.by_name[name]), "reasons": reasons})


def reason(view: View, tenant: str, key: str) -> Response:
    """Return the changes of a hold reason."""
    name = view.tenant(tenant)
    found = named_reason(view, name, key)
    start_at, end_at, _ = wanted_span(view)
    series = view.reader.history.samples(name, found, since=start_at, until=end_at)
    return json_response(history_json(series, since=start_at))


def alerts(view: View) -> Response:
    """Return the alerts, the worst first."""
    wanted, _ = alert_filter(view)
    try:
        found, key = view.reader.lists.find_alerts(wanted, after=view.request.first("after"), limit=_limit(view))
    except ValueError as error:
        raise HttpError(400, f"after: {error}", field="after") from None
    mutes = active_mutes(view, found)
    return _page((alert_json(each, mutes) for each in found), key or None)


def alert(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Return one alert with its history and who was notified."""
    return json_response(_alert(view, _found(view, id)))


def _found(view: View, name: str) -> Alert:
    try:
        return find_alert(view.reader, name)
    except AlertNotFound as error:
        raise HttpError(404, str(error), field="alert") from None


def _alert(view: View, found: Alert) -> Mapping[str, object]:
    transitions = view.reader.alerts.transitions(alert_id=found.key.id, limit=MAX_LIMIT)
    states = view.reader.notifications.states_of(found.key.subject)
    actions = load_actions(view.reader, view.config, found, until=view.now)
    return alert_details_json(
        found, active_mutes(view, [found]), transitions, notification_states_for(found, states), actions
    )


def acknowledge(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Acknowledge an alert; a second call changes nothing."""
    comment = _text(view.request.document, "comment", most=1000)
    with view.sources.store.write() as transaction:
        try:
            found = find_alert(transaction, id)
            is_new = job.holding_acknowledgement(transaction, found, now=view.now) is None
            if is_new:
                job.acknowledge(transaction, [found], by=actor(view), comment=comment, now=view.now)
        except AlertNotFound as error:
            raise HttpError(404, str(error), field="alert") from None
        except ActionRefused as error:
            raise HttpError(409, str(error), field="alert") from None
    if is_new:
        record(view, "acknowledge", id)
    return _after_change(view, id)


def unacknowledge(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Take an acknowledgement back; a second call changes nothing."""
    with view.sources.store.write() as transaction:
        try:
            found = find_alert(transaction, id)
            is_held = job.holding_acknowledgement(transaction, found, now=view.now) is not None
            if is_held:
                job.take_back(transaction, [found], by=actor(view), now=view.now)
        except AlertNotFound as error:
            raise HttpError(404, str(error), field="alert") from None
    if is_held:
        record(view, "unacknowledge", id)
    return _after_change(view, id)


def _after_change(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Return an alert as it is now: the reader of this request looks at what was before."""
    with view.sources.store.read() as reader:
        fresh = view.with_reader(reader)
        return json_response(_alert(fresh, _found(fresh, id)))


def silences(view: View) -> Response:
    """Return the silences of a state."""
    state = view.choice("state", SILENCE_STATES, "active")
    return _page((silence_json(each, now=view.now) for each in silences_in(view, state)), None)


def add_silence(view: View) -> Response:
    """Add a silence; one that is equal, of the same author, is returned and not doubled."""
    document = view.request.document
    values = {name: _text(document.get("matchers", {}), name) for name in ("tenant", "reason", "rule", "severity")}
    values |= {"comment": _text(document, "comment", most=1000), "for": _span(document)}
    asked = asked_silence(view, values)
    if document.get("dry_run") is True:
        matches = matches_now(view, build_matcher(view, values))
        mutes = active_mutes(view, matches)
        shown = {**silence_json(asked, now=view.now), "silence": None}
        return json_response({**shown, "matches": [alert_json(each, mutes) for each in matches]})
    with view.sources.store.write() as transaction:
        known = next((each for each in transaction.silences.silences(since=view.now) if _is_same(each, asked)), None)
        kept = known or job.add(transaction, asked, by=actor(view), now=view.now)
    if known is None:
        record(view, "silence", kept.id)
    return json_response(silence_json(kept, now=view.now), status=200 if known else 201)


def _is_same(one: Silence, other: Silence) -> bool:
    # Two calls of one program a moment apart mean the same end.
    is_close = abs(one.ends_at - other.ends_at) < timedelta(minutes=1)
    return one.author == other.author and one.matcher == other.matcher and is_close


def _span(document: Mapping[str, Any]) -> str:
    """Return when a silence ends, as the form has it."""
    seconds, end = document.get("for_seconds"), document.get("ends_at")
    if (seconds is None) == (end is None):
        raise HttpError(400, "expected one of 'for_seconds' and 'ends_at'", field="for_seconds")
    if end is not None:
        return _text(document, "ends_at")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise HttpError(400, f"for_seconds: expected a number above 0, found {seconds!r}", field="for_seconds")
    return f"{seconds}s"


def expire_silence(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """End a silence; a second call changes nothing."""
    number = _number(id)
    with view.sources.store.write() as transaction:
        before = transaction.silences.silence(number)
        if before is None:
            raise HttpError(404, f"there is no silence {number}")
        is_active = silence_state(before, now=view.now) != "expired"
        if is_active:
            job.expire(transaction, number, view.zone, by=actor(view), now=view.now)
        after = transaction.silences.silence(number)
    if is_active:
        record(view, "expire", number)
    return json_response(silence_json(after or before, now=view.now))


def notifications(view: View) -> Response:
    """Return the deliveries, the newest first."""
    state = view.choice("state", DELIVERY_STATES)
    wanted = DeliveryFilter(
        states=frozenset({state}) if state else frozenset(), receiver=view.request.first("receiver")
    )
    after = view.request.first("after")
    found, key = view.reader.lists.find_deliveries(wanted, after=_number(after) if after else None, limit=_limit(view))
    return _page(map(delivery_json, found), None if key is None else str(key))


def retry(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Make a delivery due now."""
    number = _number(id)
    retry_delivery(view, number)
    with view.sources.store.read() as reader:
        found = reader.outbox.delivery(number)
    if found is None:
        raise HttpError(404, f"there is no delivery {number}")
    return json_response(delivery_json(found))


def test_receiver(view: View, name: str) -> Response:
    """Send a test message to each target of a receiver."""
    outcomes = send_test(view, name)
    return json_response(
        {"targets": [{"target": target, "sent": why is None, "error": why} for target, why in outcomes.items()]}
    )


def rules(view: View) -> Response:
    """Return the rules with their present state."""
    return _page(
        (
            {
                "rule": each["name"],
                "selects": each["selects"],
                "levels": {str(severity): text for severity, text in each["levels"]},
                "firing": each["firing"],
                "pending": each["pending"],
                "alerts_30d": each["noise"],
                "learning_until": each["learning_until"],
                "runbook": each["runbook"] or None,
            }
            for each in rule_rows(view)
        ),
        None,
    )


def explain(view: View) -> Response:
    """Return what every rule makes of a hold reason."""
    name = view.tenant(view.request.first("tenant"))
    known = [each.reason for each in view.reader.history.reasons(name)]
    found = known_reason(view.request.first("reason"), known, name)
    return json_response(report(view, name, found, view.request.first("at")).json())


def _limit(view: View) -> int:
    text = view.request.first("limit")
    if not text:
        return DEFAULT_LIMIT
    if not text.isdecimal() or not 0 < int(text[:9]) <= MAX_LIMIT:
        raise HttpError(400, f"limit: expected a number from 1 to {MAX_LIMIT}, found {text[:50]!r}", field="limit")
    return int(text)


def _page(items: Iterable[object], key: str | None) -> Response:
    return json_response({"items": list(items), "next": key})


def _text(document: object, name: str, *, most: int = 1100) -> str:
    if not isinstance(document, dict):
        raise HttpError(400, f"expected an object with {name!r}", field=name)
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise HttpError(400, f"{name}: expected a text of at most {most:,} characters", field=name)
    return " ".join(value.split()) if name == "comment" else value


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - what a database numbers rows with
        raise HttpError(404, f"expected a number, found {text[:50]!r}")
    return int(text)
