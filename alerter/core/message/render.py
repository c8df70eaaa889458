"""A message in every format: its content laid out and escaped for plain text, HTML, Slack and Teams.

Every service has its own idea of markup. Text of ours is escaped as well, which costs nothing. No I/O: values in,
values out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime
from html import escape
from json import dumps

from alerter.core.alerts import Alert, AlertSubject
from alerter.core.charts.figure import Figure
from alerter.core.message.content import (
    AlertRecord,
    Chart,
    EventAction,
    Format,
    Message,
    MessageContent,
    MessageContext,
    OnCallEvent,
    OnCallEventDraft,
)
from alerter.core.message.draft import CUSTOMER_LABEL, build_dedup_key, compose_content, compose_test_content
from alerter.core.message.html import html_body, html_page
from alerter.core.message.layout import Json
from alerter.core.message.sanitize import truncate_middle
from alerter.core.message.slack import escape_slack, slack_body
from alerter.core.message.teams import teams_body, teams_runs, teams_text
from alerter.core.message.text import MAX_NAMED_IDS, brief_body, fit_title, format_text, load_brief, text_body
from alerter.core.notifications import Notification
from alerter.core.renames import Rename
from alerter.core.routes import Receiver
from alerter.core.series import ALL_REASONS, ALL_TENANTS

#: The version of the object for programs: fields may be added to it, and none of them changes its meaning.
JSON_VERSION = 1


def compose_message(
    notification: Notification,
    context: MessageContext,
    *,
    figures: Mapping[AlertSubject, Figure] | None = None,
    renames: Mapping[AlertSubject, Rename] | None = None,
    now: datetime,
) -> Message:
    """Return a notification as a message, in every format.

    Args:
        notification: The alerts for a receiver, worst first.
        context: Where its readers live, and where they find more.
        figures: The counts of the alerts.
        renames: Which of their hold reasons were renamed.
        now: When it is planned.
    """
    return render(compose_content(notification, context, figures=figures, renames=renames, now=now))


def compose_test_message(receiver: Receiver, context: MessageContext, *, now: datetime) -> Message:
    """Return a message that only proves that a receiver can be reached."""
    return render(compose_test_content(receiver, context, now=now))


def render(words: MessageContent) -> Message:
    """Return a content as a message, in every format."""
    words = replace(words, title=fit_title(words.title))
    return Message(
        id=words.id,
        receiver=words.receiver,
        status=words.status,
        title=format_text(words.title),
        bodies={
            Format.TEXT: text_body(words),
            Format.HTML: html_body(words),
            Format.SLACK: slack_body(words),
            Format.TEAMS: teams_body(words),
            Format.JSON: json_body(words),
            **({} if words.is_single else {Format.BRIEF: brief_body(words)}),
            **({} if words.chart is None else {Format.CHART: _chart_body(words.chart)}),
        },
        created_at=words.created_at,
        alert_ids=words.alert_ids,
        threads=words.threads,
        events=tuple(_event(draft, words) for draft in words.events),
    )


def _chart_body(chart: Chart) -> str:
    return dumps({"svg": chart.svg, "text": format_text(chart.caption)}, ensure_ascii=False)


# For programs


def json_body(words: MessageContent) -> str:
    """Return what programs read: names as they are, numbers as numbers, instants in UTC."""
    body: dict[str, object] = {
        "version": JSON_VERSION,
        "kind": words.kind,
        "status": str(words.status),
        "ref": words.id,
        "receiver": words.receiver,
        "page": words.page,
        "alert_count": len(words.alert_ids),
        "alerts": [_record_json(record) for record in words.records],
        **({"report": words.figures} if words.figures else {}),
    }
    return dumps(body, ensure_ascii=False)


def _record_json(record: AlertRecord) -> dict[str, Json]:
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return {
        **{name: _instant(value) if isinstance(value, datetime) else value for name, value in values.items()},
        # As a configuration has them, nobody can change or copy them.
        "labels": dict(record.labels),
        "links": [{"text": text, "href": href} for text, href in record.links],
    }


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


# For on-call services

#: PagerDuty takes 1,024 characters, and shows fewer: https://developer.pagerduty.com/docs/send-alert-event
_MAX_SUMMARY = 500


def _event(draft: OnCallEventDraft, words: MessageContent) -> OnCallEvent:
    record = draft.record
    labels = {} if record is None else record.labels
    return OnCallEvent(
        dedup_key=draft.dedup_key,
        action=draft.action,
        severity=draft.severity,
        summary=truncate_middle(format_text(fit_title(draft.line.text)), _MAX_SUMMARY),
        details=dict(_details(draft, words)),
        source="" if record is None else _source(record),
        component="" if record is None else ALL_TEXT if record.reason == ALL_REASONS else record.reason,
        rule="" if record is None else record.rule,
        group="" if record is None else labels.get(CUSTOMER_LABEL, _source(record)),
        started_at=None if record is None else record.firing_since,
        links=tuple((format_text(link.label), link.url) for link in words.links) if record is None else record.links,
    )


#: Of a sum over hold reasons.
ALL_TEXT = "all hold reasons"


def _source(record: AlertRecord) -> str:
    return "all tenants" if record.tenant == ALL_TENANTS else record.tenant


def _details(draft: OnCallEventDraft, words: MessageContent) -> Iterator[tuple[str, str | Mapping[str, str]]]:
    """Yield the numbers behind an alert by the names of their rows."""
    if draft.record is not None:
        yield "alert", draft.record.id
        if draft.record.value is not None:
            yield "held", f"{draft.record.value}"
    if draft.card is not None:
        for fact in draft.card.facts:
            name = "trend" if fact.is_trend else fact.label.lower().replace(" ", "_")
            yield name, format_text(fact.value)
        if draft.card.notes:
            yield "do", "\n".join(format_text(note) for note in draft.card.notes)
    if draft.record is not None and draft.record.labels:
        yield "labels", dict(draft.record.labels)
    if draft.record is not None and draft.action is EventAction.TRIGGER:
        yield "acknowledge", f"{words.command} ack {draft.record.id}"
    yield "ref", words.id


# Short, and late


def short(message: Message) -> Message:
    """Return a message as plain as can be, for a target that refuses it as it is: its title, counts, ids and `ref`."""
    brief = load_brief(message)
    ids = f"ids {' '.join(message.alert_ids[:MAX_NAMED_IDS])}" if message.alert_ids else ""
    lines = [part for part in (brief.counts, ids, brief.last) if part]
    text = "\n".join((message.title, *lines))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.title,
        "body": [teams_text(teams_runs((line,))) for line in (message.title, *lines)],
    }
    return replace(
        message,
        bodies={
            Format.TEXT: text,
            Format.HTML: html_page(message.title, f'<p style="white-space:pre-wrap">{escape(text)}</p>'),
            Format.SLACK: dumps({"text": escape_slack(text), "mrkdwn": False, "attachments": []}, ensure_ascii=False),
            Format.TEAMS: dumps(card),
            **({Format.JSON: message.bodies[Format.JSON]} if Format.JSON in message.bodies else {}),
        },
        events=tuple(replace(event, details={"ref": message.id}, links=()) for event in message.events),
    )


def with_present_events(message: Message, firing: Iterable[Alert]) -> Message:
    """Return a message that comes late such that it opens nothing that is over by now."""
    open_keys = {build_dedup_key(alert.key.subject, alert.key.severity) for alert in firing}
    events = tuple(
        event if event.dedup_key in open_keys or not message.alert_ids else replace(event, action=EventAction.RESOLVE)
        for event in message.events
    )
    return replace(message, events=events)
