"""The content of a notification: cards for the worst alerts, a line for each of the next ones, and links."""

from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from alerter.core.alerts import AlertSubject
from alerter.core.message.card import card_for, group_card_for, links_for
from alerter.core.message.content import (
    HEADLINE_NAME,
    MAX_CARDS,
    MAX_LINES,
    MAX_THREADS,
    MAX_TRIGGERED,
    MIN_GROUPED_TENANTS,
    AlertCard,
    AlertLine,
    EventAction,
    MessageContent,
    MessageContext,
    MessageStatus,
    OnCallEventDraft,
    RichText,
    UntrustedName,
)
from alerter.core.message.headline import line_for, mute_suffix, status_for, summary_title
from alerter.core.message.reader import RenderContext, format_count, format_date
from alerter.core.notifications import Notification, NotificationItem, NotifyReason, ReceiverName
from alerter.core.rules import Severity


def compose_content(notification: Notification, context: MessageContext, *, now: datetime) -> MessageContent:
    """Return what a receiver is told, in words.

    Args:
        notification: The notices, worst first.
        context: Where its readers live, and where they find more.
        now: When it is planned.
    """
    notices = notification.notices
    reading = RenderContext(receiver=notification.receiver, context=context, now=now)
    receiver = notification.receiver.name
    targets = () if notification.targets == notification.receiver.targets else notification.targets
    news = (*targets, *(f"{notice.reason} {notice.alert.key.id}" for notice in notices))
    message_id = build_message_id(receiver, news, at=now)
    groups = group_items(notices)
    lines = tuple(line_for(group, reading) for group in groups[:MAX_LINES])
    return MessageContent(
        id=message_id,
        receiver=receiver,
        tone=status_for(notices[0]),
        title=(*lines[0].text, *mute_suffix(groups[0])) if len(groups) == 1 else summary_title(notices),
        cards=tuple(group_card_for(group, reading) for group in groups[:MAX_CARDS]),
        lines=lines,
        total=len(notices),
        notes=_held_back_notes(notification),
        links=links_for((group[0] for group in groups[:MAX_CARDS]), context),
        footer=format_footer(message_id, context, now=now),
        created_at=now,
        alert_ids=tuple(notice.alert.key.id for notice in notices),
        threads=_threads(notices),
        happenings=tuple(event_drafts(notices, reading)),
    )


def compose_test_content(receiver: ReceiverName, context: MessageContext, *, now: datetime) -> MessageContent:
    """Return a message that only proves that a receiver can be reached."""
    message_id = build_message_id(receiver, ("test",), at=now)
    heading: RichText = ("alerter can reach ", UntrustedName(receiver, HEADLINE_NAME))
    line = AlertLine(MessageStatus.INFO, ("Test: ", *heading))
    card = AlertCard(
        tone=MessageStatus.INFO,
        badge="Test",
        heading=heading,
        subject=("Nothing is wrong and nothing is to be done.",),
        notes=(("Alerts will arrive here, and will look like this.",),),
    )
    return MessageContent(
        id=message_id,
        receiver=receiver,
        tone=MessageStatus.INFO,
        title=line.text,
        cards=(card,),
        lines=(line,),
        total=1,
        links=links_for((), context),
        footer=format_footer(message_id, context, now=now),
        created_at=now,
        # What a test opens, it closes: nobody has to tidy up.
        happenings=tuple(
            OnCallEventDraft(
                dedup_key=f"alerter-test-{message_id}", action=action, severity=Severity.INFO, line=line, card=card
            )
            for action in EventAction
        ),
    )


def build_message_id(receiver: ReceiverName, news: Iterable[str], *, at: datetime) -> str:
    """Return ten characters that depend on nothing but the receiver, the millisecond and the news."""
    parts = (receiver, str(int(at.timestamp() * 1000)), *news)
    return b32encode(sha256("\0".join(parts).encode("utf-8", "replace")).digest())[:10].decode().lower()


def format_footer(message_id: str, context: MessageContext, *, now: datetime) -> str:
    """Return when a message was written, and its id."""
    local = now.astimezone(context.timezone)
    return f"alerter · {format_date(local)} {local.year} {local:%H:%M} {local.tzname()} · ref {message_id}"


def _held_back_notes(notification: Notification) -> tuple[RichText, ...]:
    count = notification.suppressed
    if not count:
        return ()
    was, their = ("was", "its") if count == 1 else ("were", "their")
    most = notification.receiver.max_per_hour
    suppressed = f"{format_count(count, 'message')} {was} held back before this one"
    return ((f"{suppressed}: no more than {most:,} in an hour; {their} news is in this one.",),)


def _threads(notices: Iterable[NotificationItem]) -> tuple[str, ...]:
    """Return the first messages about what is told now, each once; a first alert begins a thread of its own."""
    threads = dict.fromkeys(
        notice.previous_state.thread
        for notice in notices
        if notice.previous_state is not None
        and notice.reason is not NotifyReason.FIRST
        and notice.previous_state.thread
    )
    return tuple(threads)[:MAX_THREADS]


def build_dedup_key(topic: AlertSubject) -> str:
    """Return the name of a topic where something is opened and closed; the same for ever."""
    parts = (topic.rule, topic.tenant, topic.reason)
    return f"alerter-{sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:24]}"


def event_drafts(notices: Iterable[NotificationItem], reading: "RenderContext") -> Iterator[OnCallEventDraft]:
    """Yield what an on-call service does about each alert: opens the worst ones, and closes everything that is over."""
    opened = 0
    for notice in notices:
        is_over = notice.reason is NotifyReason.RESOLVED
        opened += not is_over
        if is_over or opened <= MAX_TRIGGERED:
            yield OnCallEventDraft(
                dedup_key=build_dedup_key(notice.alert.key.topic),
                action=EventAction.CLOSE if is_over else EventAction.OPEN,
                severity=notice.alert.key.severity,
                line=line_for((notice,), reading),
                card=card_for(notice, reading),
            )


def group_items(notices: Sequence[NotificationItem]) -> list[tuple[NotificationItem, ...]]:
    """Return what is told as one thing: the same news at several tenants together, everything else on its own."""
    by_news: dict[tuple[object, ...], list[NotificationItem]] = {}
    for notice in notices:
        by_news.setdefault(_news(notice), []).append(notice)
    groups: list[tuple[NotificationItem, ...]] = []
    for notice in notices:
        same = by_news[_news(notice)]
        if len({each.alert.key.tenant for each in same}) < MIN_GROUPED_TENANTS:
            groups.append((notice,))
        elif same[0] is notice:
            groups.append(tuple(same))
    return groups


def _news(notice: NotificationItem) -> tuple[object, ...]:
    alert = notice.alert
    key = alert.key
    how = (notice.reason, notice.still_firing, alert.resolution if notice.reason is NotifyReason.RESOLVED else "")
    return (key.rule, key.severity, key.reason, alert.is_no_data, *how)
