"""A message in every format: its content laid out and escaped for plain text, HTML, Slack and Teams.

Every service has its own idea of markup. Text of ours is escaped as well, which costs nothing. No I/O: values in,
values out.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from html import escape
from json import dumps

from alerter.core.alerts import Alert
from alerter.core.message.content import (
    EventAction,
    Format,
    Message,
    MessageContent,
    MessageContext,
    OnCallEvent,
    OnCallEventDraft,
)
from alerter.core.message.draft import build_dedup_key, compose_content, compose_test_content
from alerter.core.message.html import html_body, html_page
from alerter.core.message.sanitize import truncate_middle
from alerter.core.message.slack import escape_slack, slack_body
from alerter.core.message.teams import teams_body, teams_runs, teams_text
from alerter.core.message.text import (
    MAX_NAMED_IDS,
    brief_body,
    format_text,
    load_brief,
    text_body,
    text_card,
    text_links,
)
from alerter.core.notifications import Notification, ReceiverName


def compose_message(notification: Notification, context: MessageContext, *, now: datetime) -> Message:
    """Return a notification as a message, in every format.

    Args:
        notification: What a receiver is told, worst first.
        context: Where its readers live, and where they find more.
        now: When it is planned.
    """
    return render(compose_content(notification, context, now=now))


def compose_test_message(receiver: ReceiverName, context: MessageContext, *, now: datetime) -> Message:
    """Return a message that only proves that a receiver can be reached."""
    return render(compose_test_content(receiver, context, now=now))


def render(words: MessageContent) -> Message:
    """Return a draft as a message, in every format."""
    return Message(
        id=words.id,
        receiver=words.receiver,
        tone=words.tone,
        title=format_text(words.title),
        bodies={
            Format.TEXT: text_body(words),
            Format.HTML: html_body(words),
            Format.SLACK: slack_body(words),
            Format.TEAMS: teams_body(words),
            **({Format.BRIEF: brief_body(words)} if words.says_title else {}),
        },
        created_at=words.created_at,
        alert_ids=words.alert_ids,
        threads=words.threads,
        events=tuple(_event(happening, words) for happening in words.happenings),
    )


#: PagerDuty takes 1,024 characters, and shows fewer: https://developer.pagerduty.com/docs/send-alert-event
_SUMMARY = 500


def _event(happening: OnCallEventDraft, words: MessageContent) -> OnCallEvent:
    return OnCallEvent(
        dedup_key=happening.dedup_key,
        action=happening.action,
        severity=happening.severity,
        summary=truncate_middle(format_text(happening.line.text), _SUMMARY),
        details="\n\n".join(part for part in (text_card(happening.card), text_links(words), words.footer) if part),
    )


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
        },
        events=tuple(replace(event, details=brief.last) for event in message.events),
    )


def with_present_events(message: Message, firing: Iterable[Alert]) -> Message:
    """Return a message that comes late such that it opens nothing that is over by now."""
    open_keys = {build_dedup_key(alert.key.topic) for alert in firing}
    events = tuple(
        event if event.dedup_key in open_keys or not message.alert_ids else replace(event, action=EventAction.CLOSE)
        for event in message.events
    )
    return replace(message, events=events)
