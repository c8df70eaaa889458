"""Actions from the page: each is one change in the database, one row of the history, one log line, and a way back."""

import logging
from typing import TYPE_CHECKING

from alerter.core.actions import ActionOrigin, Actor
from alerter.core.alerts import Alert, AlertState
from alerter.core.conditions import InputKind
from alerter.core.rules import Severity
from alerter.core.selectors import Selector, build_selector, literal_glob
from alerter.core.silences import AlertMatcher, Silence
from alerter.errors import ActionRefused, AlertNotFound
from alerter.humanize import count_text
from alerter.jobs import silence as job
from alerter.queries.alerts import find_alerts, worst_first
from alerter.queries.mutes import matcher_text
from alerter.queries.notifications import may_have_target
from alerter.web.context import Screen, View, nearest
from alerter.web.request import HttpError, Response, redirect
from alerter.web.times import parse_end
from alerter.web.views.rows import alert_rows

if TYPE_CHECKING:
    from alerter.core.series import HoldReason

log = logging.getLogger(__name__)

MAX_COMMENT = 1000
#: A silence that would hide more of everything than this must be confirmed.
MUST_CONFIRM_ABOVE = 0.5
_FIELDS = ("tenant", "reason", "rule", "severity", "for", "comment")
_MAX_MATCHES = 100


def record(view: View, action: str, what: object) -> None:
    """Write down who did what, from where."""
    log.info("action taken user=%s action=%s subject=%s address=%s path=%s", *_fields(view, action, what))


def _fields(view: View, action: str, what: object) -> tuple[str, ...]:
    return view.visitor.author, action, str(what), view.visitor.address, view.request.path


def actor(view: View) -> Actor:
    """Return who acts, and where."""
    origin = ActionOrigin.API if view.request.path.startswith("/api/") else ActionOrigin.PAGE
    return Actor(name=view.visitor.author, origin=origin, address=view.visitor.address)


def _comment(text: str) -> str:
    if len(text) > MAX_COMMENT:
        raise HttpError(
            400, f"comment: expected at most {MAX_COMMENT:,} characters, found {len(text):,}", field="comment"
        )
    return " ".join(text.split())


def acknowledge(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Acknowledge an alert; a second person sees who was first."""
    comment = _comment(view.request.field("comment"))
    with view.sources.store.write() as transaction:
        try:
            alerts = find_alerts(transaction, id)
            held = [job.holding_acknowledgement(transaction, each, now=view.now) for each in alerts]
            if not all(held):
                job.acknowledge(transaction, alerts, by=actor(view), comment=comment, now=view.now)
        except AlertNotFound as error:
            raise HttpError(404, str(error), field="alert") from None
        except ActionRefused as error:
            raise HttpError(409, str(error), field="alert") from None
    if not all(held):
        record(view, "acknowledge", id)
    return redirect(f"../{id}?done=acknowledged")


def unacknowledge(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Take an acknowledgement back."""
    with view.sources.store.write() as transaction:
        try:
            job.take_back(transaction, find_alerts(transaction, id), by=actor(view), now=view.now)
        except AlertNotFound as error:
            raise HttpError(404, str(error), field="alert") from None
        except ActionRefused as error:
            raise HttpError(409, str(error), field="alert") from None
    record(view, "unacknowledge", id)
    return redirect(f"../{id}?done=unacknowledged")


def silence_form(view: View) -> Screen:
    """Return the form of a new silence, filled in from the parameters, and what it would match."""
    values = {name: view.request.first(name) for name in _FIELDS}
    values["for"] = values["for"] or "2h"
    return _form(view, values, errors=[])


def add_silence(view: View) -> Screen | Response:
    """Add a silence, or return the form with what is wrong with it."""
    values = {name: view.request.field(name) for name in _FIELDS}
    try:
        asked = asked_silence(view, values)
    except HttpError as error:
        return _form(view, values, errors=[error.message], status=400)
    if _share(view, asked.matcher) > MUST_CONFIRM_ABOVE and view.request.field("confirm") != "yes":
        errors = ["It would silence more than half of everything that is watched: confirm that."]
        return _form(view, values, errors=errors, must_confirm=True, status=409)
    with view.sources.store.write() as transaction:
        kept = job.add(transaction, asked, by=actor(view), now=view.now)
    record(view, "silence", kept.id)
    return redirect("../silences?done=silenced")


def expire_silence(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """End a silence."""
    number = _number(id)
    with view.sources.store.write() as transaction:
        try:
            found = job.expire(transaction, number, view.zone, by=actor(view), now=view.now)
        except ActionRefused as error:
            raise HttpError(409, str(error)) from None
    if found is None:
        raise HttpError(404, f"there is no silence {number}")
    record(view, "expire", number)
    return redirect("../../silences?done=expired")


def retry(view: View, id: str) -> Response:  # noqa: A002 - the name in the path
    """Try a delivery again."""
    number = _number(id)
    retry_delivery(view, number)
    return redirect("../../notifications?done=retried")


def retry_delivery(view: View, number: int) -> None:
    """Make a delivery due now.

    Raises:
        HttpError: There is none, it was sent, or its target has gone.
    """
    with view.sources.store.write() as transaction:
        found = transaction.outbox.delivery(number)
        if found is None:
            raise HttpError(404, f"there is no delivery {number}")
        try:
            job.retry(
                transaction,
                found.delivery,
                is_known=lambda name: may_have_target(view.config, name),
                by=actor(view),
                now=view.now,
            )
        except ActionRefused as error:
            raise HttpError(409, str(error)) from None
    record(view, "retry", number)
    view.sources.deliver()


def test_receiver(view: View, name: str) -> Response:
    """Send a test message to each target of a receiver."""
    failed = {target: why for target, why in send_test(view, name).items() if why}
    if failed:
        texts = "; ".join(f"{target}: {why}" for target, why in failed.items())
        raise HttpError(502, f"the test was not sent to every target: {texts}")
    return redirect("../../notifications?done=tested")


def send_test(view: View, name: str) -> dict[str, str | None]:
    """Send a test message; return what went wrong with each target, None for nothing.

    Raises:
        HttpError: There is no such receiver.
    """
    known = [each.receiver.name for each in view.config.receivers]
    if name not in known:
        raise HttpError(404, f"there is no receiver {name!r}", field="receiver", nearest=nearest(name, known))
    with view.sources.store.write() as transaction:
        job.record_test(transaction, name, by=actor(view), now=view.now)
    record(view, "test", name)
    found = view.sources.send_test(name)
    return {target: why and view.sources.redact(why) for target, why in found.items()}


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - what a database numbers rows with
        raise HttpError(404, f"expected a number, found {text[:50]!r}")
    return int(text)


def _form(
    view: View, values: dict[str, str], *, errors: list[str], must_confirm: bool = False, status: int = 200
) -> Screen:
    matches = []
    preview = "Say what is to be silenced: at least one of tenant, hold reason, rule and severity."
    try:
        matcher = build_matcher(view, values)
        found = matches_now(view, matcher)
        matches = alert_rows(view, found[:_MAX_MATCHES])
        preview = f"It is for {matcher_text(matcher)}: {count_text(len(found), 'alert')} of this moment."
        must_confirm = must_confirm or _share(view, matcher) > MUST_CONFIRM_ABOVE
    except HttpError as error:
        if any(values[name] for name in _FIELDS[:4]):
            preview = error.message
    shown = {
        "form": values,
        "errors": errors,
        "matches": matches,
        "preview": preview,
        "must_confirm": must_confirm,
        "severities": tuple(reversed(Severity)),
        "rule_names": sorted({rule.name for rule in view.config.rules}),
    }
    return Screen(
        template="silence_form.html",
        title="New silence",
        section="silences",
        values=shown,
        refresh=False,
        status=status,
    )


def matches_now(view: View, matcher: AlertMatcher) -> list[Alert]:
    """Return the alerts of this moment that a silence would be for, the worst first."""
    live = view.reader.alerts.load_live()
    found = (each for each in live if each.state is not AlertState.INACTIVE and _is_matched(view, matcher, each))
    return sorted(found, key=worst_first)


def _is_matched(view: View, matcher: AlertMatcher, alert: Alert) -> bool:
    return matcher.matches(alert, view.config.labels_by_tenant.get(alert.key.tenant, {}))


def build_matcher(view: View, values: dict[str, str]) -> AlertMatcher:
    """Return what a silence is for.

    Raises:
        HttpError: Nothing in particular, or a field has no such value.
    """
    severity = values["severity"]
    if severity and severity not in set(Severity):
        raise HttpError(400, f"severity: expected one of {', '.join(Severity)}, found {severity!r}", field="severity")
    wanted = {name: values[name] for name in ("tenant", "reason", "rule") if values[name] not in ("", "*")}
    if not wanted and not severity:
        raise HttpError(
            400, "expected at least one of tenant, reason, rule and severity, other than '*'", field="tenant"
        )
    return AlertMatcher(
        tenants=build_selector([wanted["tenant"]], view.config.tenants) if "tenant" in wanted else Selector(),
        reasons=_reasons(view, wanted["reason"]) if "reason" in wanted else Selector(),
        rules=_rules(view, wanted.get("rule", "")),
        severities=frozenset({Severity(severity)}) if severity else frozenset(),
    )


def _reasons(view: View, text: str) -> Selector:
    # A name as it is shown selects itself; only what may be a pattern needs the names that there are.
    is_pattern = bool(set(text) & set("*?!\\\N{REPLACEMENT CHARACTER}"))
    known: list[HoldReason] = view.reader.history.reason_names() if is_pattern else []
    return build_selector([text], known)


def _rules(view: View, text: str) -> Selector:
    """Return the rules that a silence is for; those about missing data must be named."""
    names = [rule.name for rule in view.config.rules]
    if text:
        return build_selector([text], names)
    hidden = [rule.name for rule in view.config.rules if rule.input_kind is InputKind.POLLING]
    return Selector(tuple(f"!{literal_glob(name)}" for name in dict.fromkeys(hidden)))


def asked_silence(view: View, values: dict[str, str]) -> Silence:
    """Return the silence that is asked for.

    Raises:
        HttpError: A field is wrong.
    """
    matcher = build_matcher(view, values)
    comment = _comment(values["comment"])
    if not comment:
        raise HttpError(400, "comment: expected why, found nothing", field="comment")
    end = parse_end(values["for"], "for", view.zone, now=view.now)
    try:
        job.check_end(end, view.zone, start=view.now, now=view.now)
    except ValueError as error:
        raise HttpError(400, f"for: {error}", field="for") from None
    return Silence(id=0, matcher=matcher, author=view.visitor.author, comment=comment, starts_at=view.now, ends_at=end)


def _share(view: View, matcher: AlertMatcher) -> float:
    """Return which part of all tenants a silence is for, where it names no hold reason and no severity."""
    if matcher.severities or any(not glob.startswith("!") for glob in (*matcher.reasons.globs, *matcher.rules.globs)):
        return 0.0
    tenants = view.config.tenants
    return sum(map(matcher.tenants.matches, tenants)) / max(len(tenants), 1)
